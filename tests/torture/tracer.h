/*
 * Follows every system call of a worker, its libraries' and threads' too, with ptrace(), and makes one of them fail.
 *
 * A worker is idle when it enters epoll_wait(); there it stands still between two requests. The calls of a request are
 * counted from there to the next entry with the answer's end at the front.
 */
#ifndef TORTURE_TRACER_H
#define TORTURE_TRACER_H

#include "front.h"

#include <sys/types.h>

enum { TRACER_CALLS_MAX = 4096 };

struct tracer {
	pid_t    pid;
	int64_t  limit_ms; /* the longest that a request may take */
	unsigned calls;    /* of the last request */
	long     number[TRACER_CALLS_MAX]; /* which they were */
	bool     fired;    /* the fault was put in */
	long     hit;      /* into this call */
	char     what[64]; /* and what it was */
};

enum tracer_end { TRACER_IDLE, TRACER_ENDED, TRACER_HANGS };

/* mmap() and its kin do not fail. */
extern bool tracer_spares_memory;

/* Whether this machine's registers are known here. */
bool tracer_can(void);

/* In the child, before anything else. */
void tracer_me(void);

/* In the parent; returns TRACER_IDLE when the worker waits for its first request. */
enum tracer_end tracer_start(struct tracer *t, pid_t pid, int64_t limit_ms, int *status);

/* How many ways to fail a call has; 0: it cannot, or must not. */
unsigned tracer_variants(long number);

/*
 * Until the request at the front is answered. Call number 'at' (from 1 on; 0: none) fails in the way 'variant'
 * (modulo the number of them). *status is that of waitpid() when it ended.
 */
enum tracer_end tracer_request(struct tracer *t, struct front *f, unsigned at, unsigned variant, int *status);

/*
 * Lets go of it, sends it this signal, and waits for its end; *status is that of waitpid(). False: it did not end within
 * limit_ms, and got SIGKILL.
 */
bool tracer_bury(struct tracer *t, int signal, int64_t limit_ms, int *status);

/* The name of a system call that has ways to fail, or its number. */
const char *tracer_name(long number);

#endif
