/*
 * From where an API key may be used: a list of addresses and networks.
 *
 * Address    That of the client, as the front server tells it (http/request.h). What a client says
 *            of itself, as in X-Forwarded-For, is never looked at.
 * Kept       As JSON, and shown so: ["203.0.113.0/24","2001:db8::/32"].
 */
#ifndef AUTH_ORIGIN_H
#define AUTH_ORIGIN_H

#include "auth/api_key.h"
#include "base/arena.h"
#include "base/network.h"

struct origins {
	size_t         count;
	struct network net[API_KEY_ADDRESSES_MAX];
};

/* Adds one. NULL, or what is wrong with it: "must ...". */
const char *origins_add(struct arena *a, struct origins *o, struct str text);

/* What is stored with a key; NULL: it has no list, and may be used from everywhere. */
struct origins *origins_stored(struct arena *a, struct str json);

/* The other way. */
struct str origins_json(struct arena *a, const struct origins *o);

/* Whether a client is in the list. An address that is not known is in none. */
bool origins_have(const struct origins *o, struct str address);

/* Whether each of inner is in one of outer. */
bool origins_within(const struct origins *inner, const struct origins *outer);

#endif
