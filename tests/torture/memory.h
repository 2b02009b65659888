/*
 * The allocator of the whole process, libraries included, which fails on demand.
 *
 * Shared     The plan is in memory that the test and the worker share; only a process that has called
 *            memory_join() counts and fails.
 * Sanitizers Have an allocator of their own: then nothing here is compiled in, and memory_can_fail() is false.
 */
#ifndef TORTURE_MEMORY_H
#define TORTURE_MEMORY_H

#include "base/base.h"

bool memory_can_fail(void);

/* In the test, before any worker is forked. */
void memory_init(void);

/* In a worker: from now on its allocations count. */
void memory_join(void);

/* The n-th allocation from now on fails; 0: none does, they are only counted. */
void memory_arm(unsigned n);

/* No longer; returns how many there were. */
unsigned memory_disarm(void);

/* Blocks that the worker has and had not when it joined. */
long memory_live(void);

#endif
