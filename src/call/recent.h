/*
 * Idempotency keys that this process has met lately. If a key is among them, its request is
 * probably a repeated one, and the record is looked up before the write is prepared. It is a
 * guess: a wrong one costs a look-up, and the answer never depends on it.
 *
 * Bounds     8 KiB; a newer key takes the place of an older one.
 */
#ifndef CALL_RECENT_H
#define CALL_RECENT_H

#include "base/base.h"

enum { RECENT_KEYS = 1024 };

struct recent {
	int64_t number[RECENT_KEYS]; /* of the keys' locks (call/idem.c); 0: free */
};

static inline bool
recent_has(const struct recent *r, int64_t number)
{
	return r->number[(uint64_t)number % RECENT_KEYS] == number;
}

static inline void
recent_add(struct recent *r, int64_t number)
{
	r->number[(uint64_t)number % RECENT_KEYS] = number;
}

#endif
