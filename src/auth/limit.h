/*
 * How often an API key may ask: the rate limit of a request.
 *
 * Counts     Every request with a valid key is one token, whatever becomes of it: a batch and a repeated
 *            request too.
 * Refused    ERR_RATE_LIMITED, before anything is read or written for it: a key that has used its rate up
 *            costs no round trip. (But see limit_confirm().)
 * Headers    RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers) on each answer to a
 *            key that has a limit.
 */
#ifndef AUTH_LIMIT_H
#define AUTH_LIMIT_H

#include "call/call.h"

/* By what the key's bucket knows, before the key is looked up; hash is the key's. */
enum err limit_begin(struct call *c, const unsigned char hash[SHA256_BYTES], int64_t now_ns, struct bucket *b);

/* With c->tenant known. looked_up: from the database, just now. */
enum err limit_settle(struct call *c, const unsigned char hash[SHA256_BYTES], bool looked_up, int64_t now_ns,
    struct bucket *b);

/*
 * Between requests, for a key that is refused all the time: c->tenant is what the database says of it, unless there is no such
 * key any more; then it is as free as any unknown key to be told so.
 */
void limit_confirm(struct call *c, const unsigned char hash[SHA256_BYTES], bool found, int64_t now_ns);

/* Puts the headers, if a limit applies, on an answer that is given for another reason. */
void limit_tell(struct call *c, const struct bucket *b);

#endif
