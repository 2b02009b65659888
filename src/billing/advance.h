/*
 * Carrying out deadlines: what happens to subscriptions by itself (the head of
 * sql/migrate/0007_subscription.sql has each kind).
 *
 *	while (billing_advance(db, 1, &one) == ADVANCE_DONE)
 *		...
 *
 * One call carries out one deadline, the earliest: in one transaction, with its invoice and events,
 * as of the time at which it was due. A subscription that was forgotten for a year has twelve
 * deadlines one after the other. Any number of processes may do this at once.
 *
 * Together   billing_advance() may carry out some of one environment with one commit, for speed:
 *            the number of the next invoice is locked until then, so that an environment has one
 *            commit after the other. All of them are done, or none.
 *
 * Repeated   A transaction whose outcome is unknown is not run again: if it was done, the deadline
 *            is gone, and if not, the next call finds it.
 * Failed     A deadline that cannot be carried out, whatever the reason, is known by its id, and
 *            nothing of it was done. billing_set_aside() has those behind it done first.
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
	int64_t   others;   /* sessions that PostgreSQL worked for, but clerks', times the clerks */
	char      what[16]; /* empty: not known */
	bool      barred;   /* billing_advance_run() */
	char      log[200]; /* of ADVANCE_FAILED */
};

enum {
	ADVANCE_MOST = 16,
	/* Two years of weeks, with the notices before their ends; some tenths of a second. */
	ADVANCE_CATCH_UP_MAX = 208,
};

/*
 * Of all environments without a test clock, what is due by now and was not set aside: up to 'most'
 * of one of them.
 */
enum advance billing_advance(struct db *db, unsigned most, struct advanced *one);

/* Of one environment, what is due until that time (wall ms), in strict order. */
enum advance billing_advance_until(struct db *db, const struct id *environment, int64_t until_ms,
    struct advanced *one);

/*
 * Of one subscription, all that was due before now by the clock of its environment, but no more
 * than *most, from which what was done is taken away. ADVANCE_NOTHING: nothing is left.
 * ADVANCE_DONE: there may be more.
 */
enum advance billing_catch_up(struct db *db, const struct id *environment,
    const struct id *subscription, unsigned *most, struct advanced *one);

/*
 * Notes that this one, which was alone, failed, so that billing_advance() passes over it for a
 * while, which is longer each time; *tries: how often that was so. False: it could not be noted.
 */
bool billing_set_aside(struct db *db, const struct advanced *one, int64_t *tries) MUSTCHECK;

/* How many are set aside, and when (wall ms) the first of them was due, or 0. False: not known. */
bool billing_count_aside(struct db *db, int64_t *count, int64_t *since_ms) MUSTCHECK;

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
