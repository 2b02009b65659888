/*
 * How long to wait before something that failed is tried again: 100 ms, then twice as long each
 * time, up to a bound that the caller has.
 */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include "base/base.h"

enum { BACKOFF_FIRST_MS = 100 };

/* The pause after one of last_ms; 0: there was none. */
static inline int64_t
backoff_after(int64_t last_ms, int64_t most_ms)
{
	int64_t next_ms = last_ms ? last_ms * 2 : BACKOFF_FIRST_MS;

	return next_ms < most_ms ? next_ms : most_ms;
}

#endif
