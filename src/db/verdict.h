/*
 * Internal to db/: what an error of PostgreSQL means for the transaction that it ended,
 * judged by its SQLSTATE and never by its message.
 */
#ifndef DB_VERDICT_H
#define DB_VERDICT_H

#include "db/lane.h"

struct verdict {
	enum db_status status;
	bool           retry;  /* undone for a reason that may be gone: run it again */
	bool           close;  /* this connection is of no more use */
	/*
	 * The error may be about a connection that ended after the commit (class 08, a pooler):
	 * the outcome is unknown unless the Sync is answered.
	 */
	bool           doubt;
	bool           unseen; /* libpq made the error; PostgreSQL's answer is not known */
};

/* Judges an error in a step; fills failed, constraint and log of tx. */
struct verdict verdict_of(struct tx *tx, size_t step, const PGresult *res);

#endif
