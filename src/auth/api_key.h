/*
 * API keys: who calls.
 *
 * Stored     Only SHA-256 of a key, and its first characters for people.
 * Cache      A key that was found is trusted for ttl_ms without asking the
 *            database again, so that a revoked key stops working everywhere
 *            within that time. Unknown keys are not remembered: each costs its
 *            sender a round trip and us no memory.
 * Timing     Keys are compared as hashes and in constant time.
 */
#ifndef AUTH_API_KEY_H
#define AUTH_API_KEY_H

#include "call/call.h"

enum {
	API_KEY_DIGITS = 40, /* base 62: 238 bits of randomness; the contract asks for 192 */
	API_KEY_TEXT_MAX_BYTES = 64,
	API_KEY_PREFIX_DIGITS = 4,  /* of the random part, shown to people: the rest still has 214 bits */

	/* Contract section 7. */
	API_KEY_NAME_MAX_CHARS = 100,
	API_KEY_DAYS_MAX = 3650,
	API_KEY_DAYS_DEFAULT = 365,
};

struct api_key_cache;

struct api_key_cache *api_key_cache_new(int64_t ttl_ms);
void                  api_key_cache_free(struct api_key_cache *cache);

/*
 * Fills c->tenant from the request's x-api-key header, and c->facts with who it is. ERR_UNAUTHORIZED with one
 * message whether it is missing, malformed, unknown, expired or revoked; ERR_RATE_LIMITED (auth/limit.h).
 */
enum err api_key_check(struct call *c, struct api_key_cache *cache);

/*
 * Whether the last request was refused by terms that nobody has looked up for some time. api_key_confirm() does so; c is
 * not that request's, and what it leaves in c means nothing.
 */
bool api_key_is_to_confirm(const struct api_key_cache *cache);
void api_key_confirm(struct call *c, struct api_key_cache *cache);

/* What people are shown of a well-formed key: a view of it. */
struct str api_key_prefix(struct str key);

struct api_key {
	char          text[API_KEY_TEXT_MAX_BYTES];   /* the secret */
	char          prefix[API_KEY_TEXT_MAX_BYTES]; /* for people */
	unsigned char hash[SHA256_BYTES];
};

#define API_KEY_ID_PREFIX STR("key_") /* of the ids, not of the keys */

/* A random key. */
void api_key_make(bool livemode, struct api_key *out);

#endif
