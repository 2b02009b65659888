/*
 * The number of workers that a pool is to have, over time: what scale.h decides from configuration,
 * database and load, and what a person asks for.
 *
 * Log        Where the numbers come from, each change by a person, and once an episode that the
 *            pool is too small and may not grow.
 */
#ifndef MASTER_TARGET_H
#define MASTER_TARGET_H

#include "master/pool.h"
#include "master/scale.h"

struct target {
	unsigned     room; /* connections that the database has room for; 0: not known */
	struct pool *pool;
	bool         single; /* a rehearsal: one worker, whatever is configured */
	struct scale scale;
	int64_t      eager_until_ms;
	bool         full;    /* all workers are busy, and there may be no more */
	int64_t      full_ms; /* when the load last asked for more; 0: it did not */
};

/*
 * What configuration and database say now. kept is the target of a running pool whose keys have not
 * been changed, or 0: what a person or the load has made of it outlives a reload and an upgrade.
 */
void target_measure(struct target *t, const struct conf *c, const struct db_room *room,
    unsigned kept);

/* By a person; by says how. */
void target_change(struct target *t, int64_t wanted, const char *by);

/* Follows the load, when the pool is dynamic and settled. */
void target_follow(struct target *t, const struct pool_census *n, int64_t now_ms);

/* Counts how often all workers are busy and there may be no more, not how long. */
void target_count_full(struct target *t, const struct pool_census *n);

/* The longest time until the next look. */
int64_t target_due_ms(const struct target *t, int64_t now_ms);

#endif
