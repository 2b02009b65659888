/*
 * How long to wait before the next try of what has failed: 100 ms, twice as long each
 * time, 10 s at most. A child that ran for 10 s starts over at 100 ms.
 */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include "base/base.h"

enum {
	BACKOFF_FIRST_MS = 100,
	BACKOFF_MAX_MS = 10000,
	BACKOFF_FORGET_MS = 10000,
};

/* The pause after one of last_ms; 0: there was none. */
static inline int64_t
backoff_after(int64_t last_ms)
{
	int64_t next_ms = last_ms * 2;

	return next_ms < BACKOFF_FIRST_MS ? BACKOFF_FIRST_MS : next_ms > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : next_ms;
}

#endif
