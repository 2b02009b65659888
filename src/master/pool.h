/*
 * The pool: places, each with at most one worker, kept at the number that is wanted.
 *
 * Caller     The supervisor alone. What it knows of a place is copied into struct stats for others
 *            to read.
 * Number     'target' is set by pool_aim(); pool_balance() starts and retires workers until there
 *            are as many. There is never more than one process above the larger of target and
 *            'most', those that are leaving included.
 * Leaving    A worker is asked by SIGTERM, which it reads between two turns: no request is ever
 *            cut. The one that has been idle for longest goes first.
 * Generation Workers of an earlier one are replaced one at a time, each when its successor serves.
 * Trial      Before a generation begins, one worker of it may have to prove itself: pool_try(). It
 *            counts for nothing, and leaves when it has.
 * Death      A worker that dies is followed by another: at once if it had answered anything, else
 *            after a pause that doubles from 100 ms to 10 s. A place whose workers die 'patience'
 *            times in a row without an answer is given up; the others go on. After one that ends
 *            with EXIT_CONFIG the next is tried every 10 s.
 */
#ifndef MASTER_POOL_H
#define MASTER_POOL_H

#include "conf/conf.h"
#include "guard/heritage.h"
#include "master/handover.h"
#include "shm/stats.h"

#include <sys/types.h>

enum {
	/* A worker more than configured while a generation replaces another. */
	POOL_PLACES = CONF_WORKERS_MAX + 1,
	POOL_PATIENCE = 8,
};

struct place {
	enum stats_life life;
	int64_t         since_ms; /* when that began */
	pid_t           pid;
	int64_t         forked_ms;
	unsigned        generation;
	int64_t         backoff_ms;      /* the last pause; 0: there was none */
	unsigned        deaths;          /* in a row, without an answer */
	uint64_t        requests_before; /* the counter in shared memory when it was forked */
	bool            killed;          /* SIGKILL was sent, and the log says why */
	enum stats_cause killed_for;     /* or STATS_CAUSE__COUNT */
};

/* One worker of a configuration that is not in force. */
enum trial_state {
	TRIAL_NONE,
	TRIAL_WANTED, /* there is no room for one more process yet */
	TRIAL_RUNS,
	TRIAL_PASSED, /* it serves */
	TRIAL_FAILED, /* it has ended */
};

struct trial {
	enum trial_state    state;
	struct place       *place;        /* while it runs */
	const struct conf  *conf;
	const struct allow *allow;
	bool                must_connect; /* without the database it fails */
	int                 status;       /* how it ended, as waitpid() said */
};

struct pool {
	struct heritage *heritage;   /* of all children; its stats have POOL_PLACES slots */
	int              ready_fd;   /* where the bytes of HERITAGE_READY come out */
	unsigned         generation; /* of the configuration; 0: none is good yet */
	unsigned         target;
	unsigned         most;
	unsigned         patience;
	struct trial     trial;
	struct place     place[POOL_PLACES];
};

/*
 * Adds HERITAGE_READY to h, which must outlive the pool. False, and a line in the log, when there
 * is no pipe.
 */
bool pool_init(struct pool *p, struct heritage *h) MUSTCHECK;
void pool_fini(struct pool *p);

/*
 * To another program image: names the workers in h. Those that do not serve yet are ended, because
 * the other image would not hear of it when they do.
 */
void pool_hand_over(struct pool *p, struct handover *h);

/* From another image: its workers are in their places, of the pool's generation. */
void pool_take_over(struct pool *p, const struct handover *h);

/* Sets the number; places that were given up are tried again. */
void pool_aim(struct pool *p, unsigned target, unsigned most);

/* Workers are of a new generation from now on; those that do not serve yet are not waited for. */
void pool_renew(struct pool *p);

void pool_balance(struct pool *p);

/*
 * Has a worker with this configuration started by pool_balance(), in a place that is free; conf and
 * allow must stay. What comes of it is in p->trial until pool_end_trial().
 */
void pool_try(struct pool *p, const struct conf *conf, const struct allow *allow,
    bool must_connect);

/* The worker leaves, as it has what was in force when it began: the log, for example. */
void pool_end_trial(struct pool *p);

struct pool_census {
	unsigned serving;  /* of any generation */
	unsigned old;      /* of which belong to an earlier one */
	unsigned coming;   /* starting or waiting for it */
	unsigned stopping;
	unsigned given_up;
	unsigned busy;     /* of those that serve */
	unsigned spare;    /* of these, idle for the time asked for */
	unsigned places;   /* all that live are below this */
};

struct pool_census pool_count(const struct pool *p, int64_t spare_idle_ms);

/* How many serve and can serve when all is well: target without what was given up. */
unsigned pool_wanted(const struct pool *p, const struct pool_census *n);

/* Workers that have said that they serve. */
void pool_take_ready(struct pool *p);

/* False when pid is no worker. */
bool pool_bury(struct pool *p, pid_t pid, int status);

/* Kills what takes longer than it may. */
void pool_watch(struct pool *p);

void pool_signal(const struct pool *p, int number);

/* Asks all to leave; none is started any more. */
void pool_stop(struct pool *p);
void pool_kill(struct pool *p);
bool pool_is_empty(const struct pool *p);

/* The ms until pool_balance() has something to do; INT64_MAX: nothing by itself. */
int64_t pool_due_ms(const struct pool *p);

#endif
