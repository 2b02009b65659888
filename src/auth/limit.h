/*
 * The rate limits of a request: how often an environment may be used, and a key with a limit of its
 * own (shm/buckets.h).
 *
 * Counts     Every request with a valid key takes one token, whatever comes of it: a batch
 *            takes one, and a repeated request takes one again.
 * Refused    ERR_RATE_LIMITED, before anything is read or written: a key that has used up its
 *            rate costs no round trip. (But see limit_confirm().)
 * Headers    RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers), on each
 *            answer to a key that has a limit; with two limits those of the one that is nearer.
 */
#ifndef AUTH_LIMIT_H
#define AUTH_LIMIT_H

#include "call/call.h"

/* Before the key with this hash is looked up: whether it is known to have no token. */
enum err limit_begin(struct call *c, const unsigned char hash[SHA256_BYTES], int64_t now_ns,
    struct bucket *b);

/*
 * Takes the tokens once c->tenant is known. looked_up: c->tenant has just been read from the
 * database.
 */
enum err limit_take(struct call *c, const unsigned char hash[SHA256_BYTES], bool looked_up,
    int64_t now_ns, struct bucket *b);

/*
 * Between requests, for a key that is refused again and again: the limits that the database has
 * just shown (c->tenant). One that is not found any more is forgotten, so that its next request is
 * looked up and answered with 401.
 */
void limit_confirm(struct call *c, const unsigned char hash[SHA256_BYTES], bool found,
    int64_t now_ns);

#endif
