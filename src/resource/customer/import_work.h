/*
 * Carries out the imports of files that were sent to the API (resource/customer/import_job.h), in
 * steps: a file is first read once as a whole, so that one that cannot be imported as a whole is
 * refused before anything is written; then so many lines at a time are written.
 *
 * Durable    A step is one transaction, and how far it got is written in it. So a process may be
 *            killed at any time, and whoever goes on does no line twice.
 * Twice      Two processes never do the same lines: a step does nothing when the import is no
 *            longer where it was read.
 * Turns      One import of an environment after the other; those of several environments take
 *            turns.
 * Fails      A step that fails is done again after a while, which doubles each time from a fifth of
 *            a second on; IMPORT_TRIES in a row, which take about an hour, end the import.
 * Rights     Those of the API key that made it: its name stands in the history, and an import whose
 *            key no longer works ends.
 * Memory     A record, and the lines of a step.
 */
#ifndef RESOURCE_CUSTOMER_IMPORT_WORK_H
#define RESOURCE_CUSTOMER_IMPORT_WORK_H

#include "conf/conf.h"
#include "db/db.h"

enum { IMPORT_TRIES = 15 };

/* What has come of it. */
struct import_worked {
	bool    found;    /* there was something to do, and there may be more */
	int64_t done;     /* lines; or parts and results */
	int64_t others;   /* that the database was busy with */
	char    log[200]; /* of a failure: for the operator; no data */
};

/* One step of an import. False: nothing was done, and log says why. */
bool import_work(struct db *db, const struct conf *conf, struct import_worked *out) MUSTCHECK;

/*
 * One step of removing what is over: parts of imports that have ended, old imports with their
 * results; and one for which no more parts come is ended.
 */
bool import_work_rest(struct db *db, struct import_worked *out) MUSTCHECK;

#endif
