/*
 * The clerk's jobs: one table. A job is done in steps, each one transaction of a bounded size, so
 * that nothing waits long for it and a clerk may be killed at any time.
 *
 * Twice      Any number of clerks may be at work, on any number of hosts: a job says in SQL how
 *            they keep out of each other's way.
 */
#ifndef CLERK_JOB_H
#define CLERK_JOB_H

#include "conf/conf.h"
#include "db/db.h"
#include "shm/stats.h"

/* One step: what it gets, and what has come of it. */
struct turn {
	struct db         *db;
	struct arena      *arena;
	const struct conf *conf;
	int64_t            mark; /* where to begin, and where the next one does; 0 at first */
	unsigned           alone; /* so many of the next things are done one by one */
	int64_t            done; /* things */
	int64_t            others; /* that the database was busy with, and it gives way to */
	int64_t            failed; /* things that were set aside, and the step goes on without */
	int64_t            aside;  /* all that are, if .looked */
	bool               looked;
	int64_t            behind_ms; /* for how long the oldest that is left has been due, or 0 */
	bool               full; /* there may be more, so the next step follows soon */
	char               log[200]; /* of a failure: for the operator; no data */
};

struct job {
	int64_t every_ms; /* between two looks whether something is due */
	int64_t again_ms; /* after a full step */
	/* False: nothing was done; of the turn only mark and log are set. */
	bool  (*step)(struct turn *t);
};

extern const struct job jobs[STATS_JOB__COUNT];

#endif
