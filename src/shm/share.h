/*
 * How many workers one tenant may have while others want some: what each worker has in hand, and
 * the rule.
 *
 *	share_init(&share, table, place, percent);
 *	if (!share_begin(&share, &environment, SHARE_QUICK, waited))
 *		refuse the request;
 *	while it waits for the database, every SHARE_LOOK_MS:
 *		if (share_overstays(&share))
 *			cancel it;
 *	share_end(&share);
 *
 * Rule       A tenant is an environment. It may have 'percent' of the workers, of which SHARE_BULK
 *            may take half and SHARE_SCAN a quarter; and always one.
 * When       A scan slows everybody down, so it is counted from its begin, as soon as another
 *            tenant has been active in the last second. Other requests count from SHARE_HELD_MS
 *            on, and only while no worker is free: a tenant that asks often and is answered quickly
 *            is never refused.
 * Alone      Nobody can tell whose the connections in the queue are. So where several tenants have
 *            been seen in the last minutes, a worker is kept for others even while they are silent;
 *            where there has been none, only when requests have been stuck for SHARE_STUCK_MS and
 *            connections wait.
 * Order      Of requests that are too many the last to come are refused or cancelled.
 * Trust      All workers write here. Whoever reads judges: a nonsensical time is no time. A
 *            compromised worker can have requests refused or let through, and nothing else. The
 *            supervisor only writes: how many workers there are, and rows of those that died.
 * Locks      None: single words.
 */
#ifndef SHM_SHARE_H
#define SHM_SHARE_H

#include "base/base.h"
#include "base/id.h"
#include "shm/word.h"

enum share_kind {
	SHARE_QUICK,
	SHARE_BULK, /* many writes in one */
	SHARE_SCAN, /* reads many rows that it does not answer */
	SHARE__KINDS
};

enum {
	SHARE_ROWS = 513,     /* places of the pool */
	SHARE_ALL = 100,      /* percent: no rule */
	SHARE_LOOK_MS = 100,
	SHARE_HELD_MS = 90,   /* less than the time between two looks */
	SHARE_STUCK_MS = 2500, /* longer than a migration waits for a lock, which is everybody's */
	SHARE_MIXED_MS = 1000,
	SHARE_KNOWN_MS = 10 * 60 * 1000,
};

/*
 * What one worker has in hand. Small, because every worker has the table of all of them: that two
 * share a line of the cache costs less than what a request writes elsewhere.
 */
struct share_row {
	_Atomic(uint64_t) tag; /* of the environment; 0: nothing */
	_Atomic(int64_t)  since_ms;
	_Atomic(uint32_t) kind; /* enum share_kind */
};

/* In memory that all of them share; zero at the start. */
struct share_table {
	_Atomic(uint32_t) workers; /* that serve; 0: not known, and there is no rule */
	_Atomic(uint32_t) places;  /* those of them are below this */
	_Atomic(uint64_t) last_tag; /* of the request that was begun last */
	_Atomic(int64_t)  mixed_ms; /* when that was another one than before; 0: never */
	struct share_row  row[SHARE_ROWS];
};

/* A request's view of it; not shared. */
struct share {
	struct share_table *table;
	/* Connections that wait, as far as is known (stats_shared); NULL: nobody knows. */
	const _Atomic(int64_t) *waiting;
	size_t              place;
	int64_t             percent;
	uint64_t            tag;  /* 0: nothing in hand */
	enum share_kind     kind;
	int64_t             since_ms;
};

/*
 * Begins a request, or, for one that is in hand, gives it another kind. waited: it may be one of
 * many that wait for a worker. False: the environment has its share; nothing is in hand.
 */
bool share_begin(struct share *s, const struct id *environment, enum share_kind kind,
    bool waited) MUSTCHECK;
void share_end(struct share *s);

/* Whether the request in hand has to make room. */
bool share_overstays(const struct share *s);

/* By the supervisor. */
void share_measure(struct share_table *t, unsigned workers, unsigned places);
void share_clear(struct share_table *t, size_t place);

/* For people: environments with requests in hand, and the most workers that one of them has. */
void share_read(const struct share_table *t, unsigned *environments, unsigned *largest);

#endif
