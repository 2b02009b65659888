/*
 * Which descriptors are ready: the only place in which a worker waits.
 *
 * Source     What is watched begins with a struct source, whose kind says what it is. Events come
 *            in the order in which the system tells them, at most one for each source in a turn.
 * Modes      POLLER_EDGE: an event for each change, so whoever gets one reads until there is no
 *            more. Without it, an event in each turn as long as it is ready.
 * Lifetime   A descriptor that is closed is not watched any more. A source must outlive the turn in
 *            which it was removed.
 * Errors     false, with errno.
 */
#ifndef BASE_POLLER_H
#define BASE_POLLER_H

#include "base/base.h"

#include <stdint.h>

enum {
	POLLER_READ = 1,
	POLLER_WRITE = 2,
	POLLER_LEFT = 4,      /* tells when the other end has said that it sends no more */
	POLLER_EDGE = 8,
	POLLER_EXCLUSIVE = 16, /* of several processes that wait, not all are woken */
	POLLER_ENDED = 32,     /* only in events: the connection is over in both directions */
};

enum { POLLER_EVENTS_MAX = 128 };

struct source {
	unsigned kind; /* the caller's */
};

struct poller_event {
	struct source *source;
	unsigned       is; /* POLLER_READ and others */
};

/* -1: errno says why. */
int poller_new(void);

bool poller_add(int poller, int fd, struct source *source, unsigned wants) MUSTCHECK;
bool poller_change(int poller, int fd, struct source *source, unsigned wants) MUSTCHECK;
void poller_remove(int poller, int fd);

/* How many events there are after at most wait_ms; -1: for as long as it takes. */
size_t poller_wait(int poller, struct poller_event out[POLLER_EVENTS_MAX], int64_t wait_ms);

#endif
