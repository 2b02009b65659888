/*
 * Keeps one helper of the supervisor alive: when it ends it is due again, after a pause that grows
 * from 100 ms to 10 s while it keeps dying soon.
 *
 * Forking    is the caller's: keeper_due() says when, keeper_forked() takes the result.
 * Obituary   The log says how one died that was not asked to end.
 * Units      Milliseconds of clock_mono_ms().
 */
#ifndef MASTER_KEEPER_H
#define MASTER_KEEPER_H

#include "base/base.h"

#include <sys/types.h>

struct keeper {
	const char *name; /* for the log */
	/* Takes the call that the sandbox ended it for, and one (guard/filter.h); NULL: unknown. */
	const _Atomic(uint32_t) *refused;
	pid_t       pid;  /* 0: it does not run */
	int64_t     forked_ms;
	int64_t     backoff_ms; /* the last pause; 0: there was none */
	int64_t     due_ms;     /* when it may be forked again */
	int64_t     ended_ms;   /* when it was asked to end, which is no death; 0: it was not */
};

/* Whether it should be forked now. Kills one that was asked to end and does not. */
bool keeper_due(const struct keeper *k);

/* pid as fork() returned it; -1 is as if it had died at once. */
void keeper_forked(struct keeper *k, pid_t pid);

/* False: the process was none of this keeper's. */
bool keeper_reap(struct keeper *k, pid_t pid, int status);

/* Has it end, if it runs, and another take its place without a pause, if the caller wants one. */
void keeper_renew(struct keeper *k);

void keeper_signal(const struct keeper *k, int number);

/* Ends it and waits until it is gone, a few seconds at most; then it is killed. */
void keeper_end(struct keeper *k);

/* Shortens *wait_ms to the time until it is due. */
void keeper_next(const struct keeper *k, int64_t *wait_ms);

#endif
