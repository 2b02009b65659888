/*
 * A simulated world around a worker: one seed decides all of it.
 *
 * Time       Stands still while the worker runs, and moves on while it waits in poller_wait(): to
 *            what happens next. So hours pass in moments, and a seed replays to the letter.
 * Replaced   The clock, readiness and threads (src/base), randomness, poll(), accept4(), and what
 *            libpq is (postgres.c). All else is the worker's own code.
 * Threads    Work that is offloaded runs as one event, with a clock of its own that its waits move
 *            on; it is done when the world's clock has got there.
 * Broken     A promise that is broken ends the process with its seed: promise().
 */
#ifndef TESTS_SIMULATE_WORLD_H
#define TESTS_SIMULATE_WORLD_H

#include "base/base.h"

#include <stdint.h>
#include <sys/socket.h>

enum { MS = 1000, SECOND = 1000 * 1000 }; /* the world counts microseconds */

extern struct world {
	uint64_t seed;
	int64_t  now_us;
	bool     trace;
	bool     loops;    /* the worker has begun to wait in its poller */
	bool     scarce;   /* now and then the system has no memory, thread or descriptor */
	bool     over;     /* the worker has left */
	uint64_t turns;
	uint64_t idle_turns; /* turns without an event that no time passed in */
} world;

void world_begin(uint64_t seed);

/* ---- chance */

uint64_t chance(uint64_t below);           /* 0 to below - 1 */
bool     happens(unsigned in_a_thousand);
int64_t  between(int64_t least, int64_t most);

/* ---- events, in the order of their time, and of their making */

void later(int64_t us, void (*act)(void *with, int64_t n), void *with, int64_t n);

/* Whether nothing more will happen by itself. */
bool world_is_quiet(void);

/* ---- what is seen */

void note(const char *fmt, ...) PRINTF(1, 2);
void broken(const char *file, int line, const char *fmt, ...) PRINTF(3, 4) __attribute__((noreturn));

#define promise(holds, ...)                                    \
	do {                                                   \
		if (!(holds))                                  \
			broken(__FILE__, __LINE__, __VA_ARGS__); \
	} while (0)

/* ---- a thread's own time, while its work runs */

bool    in_thread(void);
void    thread_waits(int64_t us);
int64_t time_us(void); /* of whoever runs */

/* ---- accounts of what must be given back */

enum account { ACCOUNT_FIBER, ACCOUNT_HAND, ACCOUNT_CONN, ACCOUNT_RESULT, ACCOUNT_DATABASE, ACCOUNT_WORK, ACCOUNT__COUNT };
extern int64_t account[ACCOUNT__COUNT];
void accounts_are_even(void);

/* What is still under way comes to its end, as threads that were left to themselves. */
void world_ends(void);

/* ---- front.c */

int  front_accept(struct sockaddr_storage *address);
void front_sent(int fd);   /* the worker has sent something, or closed its end */
void front_closed(int fd);

#endif
