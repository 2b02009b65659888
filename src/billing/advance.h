/*
 * Carrying out deadlines: what happens to subscriptions by itself (the head of
 * sql/migrate/0007_subscription.sql has each kind).
 *
 *	while (billing_advance(db, NULL, 0, &one) == ADVANCE_DONE)
 *		...
 *
 * One call carries out one deadline, the earliest: in one transaction, with its invoice and events,
 * as of the time at which it was due. A subscription that was forgotten for a year has twelve
 * deadlines one after the other. Any number of processes may do this at once.
 *
 * Together   billing_advance_due() carries out some of one environment with one commit, for speed:
 *            the number of the next invoice is locked until then, so that an environment has one
 *            commit after the other. All of them are done, or none.
 *
 * Repeated   A transaction whose outcome is unknown is not run again: if it was done, the deadline
 *            is gone, and if not, the next call finds it.
 */
#ifndef BILLING_ADVANCE_H
#define BILLING_ADVANCE_H

#include "base/id.h"
#include "db/db.h"

enum advance {
	ADVANCE_DONE,    /* one deadline was carried out */
	ADVANCE_NOTHING, /* none was due, or those that are due are being carried out by others */
	ADVANCE_FAILED,  /* tell the operator log, and try again later */
};

/* What was carried out, or failed: then due_ms is 0 if that is not known. */
struct advanced {
	struct id environment, subscription;
	int64_t   due_ms;
	unsigned  count;    /* of deadlines in the transaction; the others are of the first */
	int64_t   others;   /* with billing_advance_due(): sessions that PostgreSQL was busy with */
	char      what[16];
	bool      barred;   /* billing_advance_run() */
	char      log[200]; /* of ADVANCE_FAILED */
};

/*
 * environment NULL: of all environments without a test clock, what is due by now. Otherwise of this
 * one, what is due until that time (wall ms), in strict order.
 */
enum advance billing_advance(struct db *db, const struct id *environment, int64_t until_ms,
    struct advanced *one);

enum { ADVANCE_MOST = 16 };

/*
 * As with NULL, up to so many (ADVANCE_MOST). behind: one that failed, so that those behind it are
 * done all the same, or NULL.
 */
enum advance billing_advance_due(struct db *db, unsigned most, const struct advanced *behind,
    struct advanced *one);

/*
 * What a run of a test clock (billing/run.h) adds to the transaction: a step that may forbid it, by
 * having no row, and one that keeps what has come of it (one->due_ms 0: nothing was due).
 */
struct advance_run {
	struct id environment;
	int64_t   until_ms; /* wall */
	struct advanced behind;
	void    (*begin)(struct tx *tx, const struct advance_run *run);
	void    (*end)(struct tx *tx, const struct advance_run *run, const struct advanced *one,
	    const struct id *invoice);
	struct id id;
};

/*
 * Of the run's environment, in strict order, what is due until then and stands behind the one that
 * failed last. ADVANCE_NOTHING: one->barred says whether it was forbidden.
 */
enum advance billing_advance_run(struct db *db, const struct advance_run *run,
    struct advanced *one);

#endif
