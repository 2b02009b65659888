/*
 * What the workers are doing, in memory that all processes of the service share.
 *
 * Layout     One slot, one cache line, for each worker the pool can hold.
 * Ownership  The process that calls stats_new(); its children inherit the
 *            pages. stats_free() unmaps them for the caller alone.
 * Locks      None: a worker alone writes its slot, single words, and others
 *            read them. A killed writer can hold nobody up.
 * Counters   Go on over the death of a worker; only the supervisor's end ends them.
 * Units      _ms is clock_mono_ms(), which is the same for all processes.
 */
#ifndef BASE_STATS_H
#define BASE_STATS_H

#include "base/base.h"
#include "base/clock.h"

#include <stdatomic.h>

enum stats_state { STATS_IDLE, STATS_READING, STATS_HANDLING, STATS_WRITING, STATS__COUNT };

extern const char *const stats_state_names[STATS__COUNT];

struct stats_slot {
	_Alignas(64) _Atomic(int64_t) since_ms; /* when the state began */
	_Atomic(int64_t) busy_ms;   /* when the request in hand was accepted; 0: none */
	_Atomic(uint64_t) requests;  /* answered */
	_Atomic(uint64_t) useless;   /* connections without a request that can be understood */
	_Atomic(uint64_t) abandoned; /* requests whose sender left before they were begun */
	_Atomic(uint32_t) state;     /* enum stats_state */
};

/* Ends the process when the system has no memory to share. */
struct stats_slot *stats_new(size_t slots);
void               stats_free(struct stats_slot *slots, size_t count);

static inline void
stats_enter(struct stats_slot *s, enum stats_state state)
{
	int64_t now = clock_mono_ms();

	atomic_store_explicit(&s->since_ms, now, memory_order_relaxed);
	atomic_store_explicit(&s->state, state, memory_order_relaxed);
	if (state == STATS_IDLE)
		atomic_store_explicit(&s->busy_ms, 0, memory_order_relaxed);
	else if (state == STATS_READING)
		atomic_store_explicit(&s->busy_ms, now, memory_order_relaxed);
}

/* By the one writer, so a plain load and store are enough. */
static inline void
stats_count(_Atomic(uint64_t) *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
	    memory_order_relaxed);
}

#endif
