/*
 * Fibers: functions that can be suspended, each on a small stack of its own.
 *
 *	f = fiber_new(work, with);     not begun yet
 *	fiber_resume(f);               runs until it suspends or ends
 *	...
 *	fiber_resume(f);               goes on behind its fiber_suspend()
 *	if (fiber_has_ended(f))
 *		fiber_free(f);
 *
 * Rule       The thread's own stack resumes, a fiber suspends: fibers do not resume each other.
 * Stack      FIBER_STACK_BYTES, of which the system gives what is touched, and a page below it that
 *            nobody may touch: an overflow ends the process. Stacks of ended fibers are used again,
 *            the last one first, because it is in the cache; FIBER_SPARE of them are kept.
 * Switch     Saves what the calling convention says that a function keeps, and nothing else; signal
 *            masks are the thread's. On processors that base/fiber.c does not know, ucontext does
 *            it, at a system call a switch.
 * Tools      AddressSanitizer and valgrind are told of each switch and each stack.
 * Errors     fiber_new() returns NULL when the system has no memory for a stack.
 * Threads    Each thread has its own fibers.
 */
#ifndef BASE_FIBER_H
#define BASE_FIBER_H

#include "base/base.h"

/* test_torture's deepest request touches less than 48 KiB; sanitizers triple that. */
enum { FIBER_STACK_BYTES = 256 * 1024, FIBER_SPARE = 256 };

struct fiber;

struct fiber *fiber_new(void (*work)(void *with), void *with);

/* Only one that has ended, or was never resumed. */
void          fiber_free(struct fiber *f);

void          fiber_resume(struct fiber *f);
bool          fiber_has_ended(const struct fiber *f);

/* In a fiber: back to who resumed it, until the next fiber_resume(). */
void          fiber_suspend(void);

/* The one that runs; NULL: the thread's own stack does. */
struct fiber *fiber_current(void);

/* Gives the stacks that are kept back to the system. */
void          fiber_forget_spare(void);

#endif
