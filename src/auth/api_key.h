/*
 * API keys: whose call it is.
 *
 * Stored     Only the SHA-256 of a key, and its first characters to show to people.
 * Cache      A key that was found is trusted for ttl_ms without asking the database again,
 *            so a revoked key stops working everywhere within that time. Unknown keys are
 *            not remembered: each costs its sender a round trip and us no memory.
 * Timing     Keys are compared as hashes and in constant time.
 * Text       ck_live_ or ck_sandbox_, or rk_ for a restricted key, random digits, and a
 *            checksum: the CRC-32 (zlib's) of all that stands before it. So whoever finds a
 *            text can tell without us whether it is a key, and a key with a slip in it does not
 *            cost the database anything. Keys of before have none, and are shorter by it.
 */
#ifndef AUTH_API_KEY_H
#define AUTH_API_KEY_H

#include "call/call.h"

enum {
	API_KEY_DIGITS = 40, /* base 62: 238 bits of randomness; the contract asks for 192 */
	API_KEY_CHECK_DIGITS = 6, /* base 62 */
	API_KEY_TEXT_MAX_BYTES = 64,
	API_KEY_PREFIX_DIGITS = 4, /* of the 40, shown to people: the others still have 214 bits */

	/* Contract section 7. */
	API_KEY_NAME_MAX_CHARS = 100,
	API_KEY_DAYS_MAX = 3650,
	API_KEY_DAYS_DEFAULT = 365,

	/* How long a key goes on beside its successor. */
	API_KEY_GRACE_HOURS_MAX = 720,
	API_KEY_GRACE_HOURS_DEFAULT = 24,

	API_KEY_ADDRESSES_MAX = 16, /* and networks, from which it may be used */
};

struct api_key_cache;

struct api_key_cache *api_key_cache_new(int64_t ttl_ms);
void                  api_key_cache_free(struct api_key_cache *cache);

/*
 * Fills c->tenant, c->api_key, and key and organization of c->facts, by the request's x-api-key
 * header, or else by its Authorization header of the scheme Bearer. ERR_VALIDATION if both have a
 * key, and not the same; ERR_UNAUTHORIZED if there is none, and, always with the same message, if
 * it is malformed, unknown, expired or revoked; ERR_RATE_LIMITED (auth/limit.h); ERR_FORBIDDEN if
 * the key may not be used from the client's address; or what call_db_failed() returns.
 */
enum err api_key_check(struct call *c, struct api_key_cache *cache);

/*
 * Whether the last request was refused by a rate limit that has not been looked up for some time.
 * api_key_confirm() looks it up. Give it a call of its own; what it leaves there means nothing.
 */
bool api_key_is_to_confirm(const struct api_key_cache *cache);
void api_key_confirm(struct call *c, struct api_key_cache *cache);

/* The part of a well-formed key that people are shown: a view of it. */
struct str api_key_prefix(struct str key);

enum api_key_kind {
	API_KEY_NONE,      /* not of the form of a key */
	API_KEY_UNCHECKED, /* of the form that keys had before: nobody can tell */
	API_KEY_WRONG,     /* with a checksum that does not fit: it is none, and never was */
	API_KEY_RIGHT,
};

/* What a text looks like; whether there is such a key, and whether it works, is another matter. */
enum api_key_kind api_key_judge(struct str text);

struct api_key {
	char          text[API_KEY_TEXT_MAX_BYTES];   /* the secret */
	char          prefix[API_KEY_TEXT_MAX_BYTES]; /* for people */
	unsigned char hash[SHA256_BYTES];
};

#define API_KEY_ID_PREFIX STR("key_") /* of a key's id, not of the key */

/* Makes a random key. restricted: it will have permissions of its own (auth/permit.h). */
void api_key_make(bool restricted, bool livemode, struct api_key *out);

#endif
