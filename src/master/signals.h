/*
 * Signals as counters: they are blocked except while the process waits, handlers only count, and
 * the loop asks what has come.
 *
 * Threads    One set for the process, which has one thread.
 */
#ifndef MASTER_SIGNALS_H
#define MASTER_SIGNALS_H

#include "base/base.h"

#include <signal.h>

/*
 * From now on these are counted. Everything else that the parent had blocked is unblocked; SIGPIPE
 * and SIGXFSZ are ignored. while_waiting is the mask for ppoll().
 */
void signals_take(const int numbers[], size_t count, sigset_t *while_waiting);

/* How often it has come since the last call. */
int signals_got(int number);

/* As if it had come so often. */
void signals_raise(int number, int times);

/*
 * Before another image takes this process: what was counted and is not done yet becomes pending
 * again, once each, and the next image gets it. So does this one, if there is none.
 */
void signals_hand_over(void);

/* For a child that does not wait as the supervisor does: all as the system has them. */
void signals_restore(void);

#endif
