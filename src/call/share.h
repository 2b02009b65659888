/*
 * How many of the requests that a worker has in hand may be of one tenant (tenant_share).
 *
 * Tenant     An environment.
 * Rule       A tenant has its share once so many percent of the places are taken by its requests
 *            and have been for SHARE_HELD_MS: one that asks often and is answered quickly is never
 *            refused. It holds where another tenant has been seen in the last SHARE_KNOWN_MS. While
 *            no place is free, the last to come of a tenant that has more than its share makes
 *            room.
 * Lanes      Connections to the database have a rule of their own: db/lanes.h.
 */
#ifndef CALL_SHARE_H
#define CALL_SHARE_H

#include "base/base.h"
#include "base/id.h"
#include "base/limits.h"

enum {
	SHARE_HELD_MS = 90,
	SHARE_KNOWN_MS = 10 * 60 * 1000,
};

struct share {
	int64_t  percent;
	size_t   places;   /* REQUESTS_IN_HAND_MAX at most */
	uint64_t last_tag; /* of the request that was begun last */
	int64_t  mixed_ms; /* when that was another one than before; 0: never */
	struct share_place {
		uint64_t tag; /* of the environment; 0: nothing in hand */
		int64_t  since_ms;
	} place[REQUESTS_IN_HAND_MAX];
};

/* A number for the environment; never 0. Two share it only by chance. */
uint64_t share_tag(const struct id *environment);

/* False: the tenant has its share, and nothing was taken. */
bool     share_begin(struct share *s, size_t place, uint64_t tag, int64_t now_ms) MUSTCHECK;
void     share_end(struct share *s, size_t place);

/* While no place is free: the one that has to make room, or -1. */
int      share_overstayer(const struct share *s, int64_t now_ms);

/* For people: tenants with requests in hand, and how many the one with the most has. */
void     share_count(const struct share *s, unsigned *tenants, unsigned *largest);

#endif
