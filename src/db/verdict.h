/*
 * Inside of db/: what an error of PostgreSQL means for the transaction that it
 * ended. By SQLSTATE, never by the message.
 */
#ifndef DB_VERDICT_H
#define DB_VERDICT_H

#include "db/conn.h"

struct verdict {
	enum db_status status;
	bool           retry;  /* undone for a reason that may be gone: run it again */
	bool           close;  /* this connection is of no more use */
	bool           doubt;  /* it may speak of a connection that ended after the commit (class 08, a
	                        * pooler): the outcome is unknown unless the Sync is answered */
	bool           unseen; /* libpq made it up, and what PostgreSQL answered is not known */
};

/* Of an error in that step; fills what tx tells of it. */
struct verdict verdict_of(struct tx *tx, size_t step, const PGresult *res);

#endif
