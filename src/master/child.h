/*
 * The one way in which the supervisor makes a process.
 *
 * Kinds      A row of the table in child.c says what a kind of child keeps: descriptors by name,
 *            and shared memory. All else is closed and unmapped in it before it does anything.
 * Name       The child's in the log, from the start.
 * Signals    Either blocked, as they are in the supervisor, until the child reads them from a
 *            descriptor; or as the system has them.
 * Orphans    A child that does not watch the lifeline gets a signal when the supervisor dies.
 */
#ifndef MASTER_CHILD_H
#define MASTER_CHILD_H

#include "guard/heritage.h"

#include <sys/types.h>

enum {
	/* Between two children of a kind that die soon; one that ran for so long starts over. */
	CHILD_BACKOFF_MAX_MS = 10000,
	CHILD_BACKOFF_FORGET_MS = 10000,
};

enum child_kind {
	CHILD_WORKER,    /* answers requests */
	CHILD_ADMIN,     /* answers operators */
	CHILD_CLERK,     /* does what is due */
	CHILD_CHECK,     /* looks at the database once */
	CHILD_REHEARSAL, /* executes the program that may come next */
	CHILD__COUNT
};

/*
 * Like fork(). It returns 0 in the child, where h has become the part that the child keeps; in the
 * supervisor h is as it was. -1: there is no new process, and the log says why.
 */
pid_t child_fork(enum child_kind kind, struct heritage *h) MUSTCHECK;

#endif
