/*
 * The rate limit of a request: how often an API key may be used.
 *
 * Counts     Every request with a valid key takes one token, whatever comes of it: a batch
 *            takes one, and a repeated request takes one again.
 * Refused    ERR_RATE_LIMITED, before anything is read or written: a key that has used up its
 *            rate costs no round trip. (But see limit_confirm().)
 * Headers    RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers), on each
 *            answer to a key that has a limit.
 */
#ifndef AUTH_LIMIT_H
#define AUTH_LIMIT_H

#include "call/call.h"

/* Before the key with this hash is looked up: takes a token by the rate that its bucket has. */
enum err limit_begin(struct call *c, const unsigned char hash[SHA256_BYTES], int64_t now_ns,
    struct bucket *b);

/*
 * Goes on once c->tenant is known: gives the bucket its rate, and takes the token if limit_begin()
 * has not. looked_up: c->tenant has just been read from the database.
 */
enum err limit_settle(struct call *c, const unsigned char hash[SHA256_BYTES], bool looked_up,
    int64_t now_ns, struct bucket *b);

/*
 * Between requests, for a key that is refused again and again: gives its bucket the rate that the
 * database has just shown (c->tenant). A key that is not found any more gets no limit, so that
 * its next request is looked up and answered with 401.
 */
void limit_confirm(struct call *c, const unsigned char hash[SHA256_BYTES], bool found,
    int64_t now_ns);

/* Adds the headers, if a limit applies, to an answer that has another reason. */
void limit_headers(struct call *c, const struct bucket *b);

#endif
