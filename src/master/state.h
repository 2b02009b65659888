/*
 * What the supervisor knows. For supervisor.c and its parts: generation.h, helpers.h, orders.h,
 * stop.h.
 */
#ifndef MASTER_STATE_H
#define MASTER_STATE_H

#include "db/db.h"
#include "master/dbcheck.h"
#include "master/keeper.h"
#include "master/notify.h"
#include "master/pool.h"
#include "master/supervisor.h"
#include "master/target.h"
#include "net/allow.h"
#include "net/queue.h"

#include <signal.h>

/* Why the database is being checked. */
enum check_for {
	FOR_START,
	FOR_RELOAD,
	FOR_FALLBACK, /* of the old configuration, because the new one's does not let us in */
	FOR_ROOM, /* only how many connections it allows */
};

/* Processes beside the workers (helpers.h). */
enum helper { HELPER_ADMIN, HELPER_CLERK, HELPER__COUNT };

struct supervisor {
	const struct supervisor_args *args;
	struct conf                  *conf;
	struct conf                   next; /* while a reload is being checked */
	struct allow                  allow, next_allow;
	struct heritage               heritage;
	int                           lifeline_fd; /* the end that no child has */
	int                           command_fd;  /* where HERITAGE_COMMAND comes out */
	struct pool                   pool;
	struct target                 target;
	struct db_room                room, next_room; /* max_connections 0: not known */
	struct dbcheck                check;
	enum check_for                check_for;
	bool                          trying; /* the first worker of 'next' has to prove itself */
	char                          why[DBCHECK_WHY_BYTES]; /* what is wrong with 'next' */
	int64_t                       room_due_ms; /* when to ask for the room again */
	struct notify                 notify;
	struct keeper                 helper[HELPER__COUNT];
	int                           log_folder; /* sandbox_folder() as the children know it */
	bool                          rehearsal;
	bool                          rolling; /* not all workers of this generation serve yet */
	bool                          stopping;
	int                           exit_code;
	sigset_t                      while_waiting;
	struct clock_watch            clock;
	int64_t                       clock_told_ms; /* when the log was told of a jump; 0: never */
	struct queue                  queue;
	int64_t                       sockets_due_ms; /* when to look whether they are there */
	int64_t                       queue_due_ms; /* until it wants to be looked at again */
};

/* What the supervisor shows of the pool. */
static inline struct stats_pool *
board(const struct supervisor *s)
{
	return s->heritage.stats->pool;
}

#endif
