/*
 * Work that may block, done by a thread of its own: the rest of the process goes on.
 *
 *	o = offload_start(work, with, discard, wake_fd);
 *	...                              wake_fd, an eventfd, becomes readable
 *	if (offload_is_done(o))
 *		offload_end(o);          with is the caller's again
 *
 * Ownership  'with' is the thread's until offload_is_done(). offload_end() before that leaves the
 *            thread to itself; then it calls discard(with) once it is done.
 * Errors     NULL: the system has no thread to give.
 */
#ifndef BASE_OFFLOAD_H
#define BASE_OFFLOAD_H

#include "base/base.h"

struct offload;

struct offload *offload_start(void (*work)(void *with), void *with, void (*discard)(void *with),
    int wake_fd);
bool offload_is_done(const struct offload *o);
void offload_end(struct offload *o);

#endif
