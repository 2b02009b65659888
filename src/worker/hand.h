/*
 * A request in hand: what it needs while it runs, on a fiber of its own.
 *
 * Lifetime   hands_init() makes none; each is made when it is first needed and used again, the last
 *            one first, so that its memory is in the cache.
 * Order      hand_take() gives one, hand_begin() runs the request until it waits for the database
 *            or is done: work() does it all, answer included. Then hand_put(), from the loop and
 *            not from the fiber, gives it back.
 */
#ifndef WORKER_HAND_H
#define WORKER_HAND_H

#include "app/app.h"
#include "base/arena.h"
#include "base/fiber.h"

struct hand {
	struct hand    *next; /* in a list of the owner's, or of those that are free */
	void          (*work)(struct hand *h); /* on the fiber */
	void           *client;                /* the owner's */
	struct fiber   *fiber;
	struct arena    arena;
	struct request  req;
	struct response res;
	struct facts    facts;
	struct db      *db; /* of the request */
	int64_t         begun_us;
	unsigned        number; /* its place on the scoreboard */
};

struct hands {
	struct hand *free;
	struct hand *all[REQUESTS_IN_HAND_MAX]; /* by their numbers */
	size_t       made, taken, max;
};

void         hands_init(struct hands *h, size_t max);
void         hands_fini(struct hands *h);

/* NULL: as many as may be are taken. */
struct hand *hand_take(struct hands *h);

/* False: there is no memory for a stack. */
bool         hand_begin(struct hand *h) MUSTCHECK;
void         hand_put(struct hands *all, struct hand *h);

#endif
