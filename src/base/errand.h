/*
 * Errands: work that takes a processor for a while, such as hashing a password. A thread does it;
 * the fiber that wants it waits, and the process's loop goes on.
 *
 *	if (!errand_run(errands, hash, &job))
 *		...                         too many are under way
 *
 * Bound      ERRANDS_MAX at a time, so that neither memory nor the processors are used up by them.
 * Ownership  'with' is the thread's until errand_run() returns; the fiber waits as long as it
 *            takes, also when its client has left.
 * Elsewhere  Without errands, and outside of a fiber, the caller does the work itself.
 */
#ifndef BASE_ERRAND_H
#define BASE_ERRAND_H

#include "base/fiber.h"
#include "base/offload.h"
#include "base/poller.h"

enum { ERRANDS_MAX = 2 };

struct errands {
	struct source source; /* first: what the poller gives back */
	int           wake_fd;
	struct errand {
		struct offload *work; /* NULL: the place is free */
		struct fiber   *fiber;
	} errand[ERRANDS_MAX];
};

/* False: errno says why. */
bool errands_init(struct errands *e, int poller, unsigned kind) MUSTCHECK;
void errands_fini(struct errands *e);

/* When the source has an event: goes on with the fibers whose work is done. */
void errands_event(struct errands *e);

/* True: it was done. False: nothing was; there is no place, or no thread. e may be NULL. */
bool errand_run(struct errands *e, void (*work)(void *with), void *with) MUSTCHECK;

#endif
