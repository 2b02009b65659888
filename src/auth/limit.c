/* The rate limit of a request. */
#include "auth/limit.h"

#include <inttypes.h>

enum { NS_PER_S = 1000000000 };

/* The name of the only policy. */
#define POLICY "\"key\""

static int64_t
seconds(int64_t ns)
{
	return (ns + NS_PER_S - 1) / NS_PER_S;
}

/*
 * The policy is the rate over as many of its periods as a full bucket lasts, rounded up: 100/s
 * with a burst of 150 becomes 200 in 2 s. So the rate is exact, and the quota is never less than
 * what is left. t, like Retry-After, is the time until one more token can be taken.
 */
void
limit_headers(struct call *c, const struct bucket *b)
{
	const struct rate *r = &b->terms.rate;
	uint64_t           periods;

	if (b->answer != BUCKET_TAKEN && b->answer != BUCKET_EMPTY)
		return;
	periods = (r->burst + r->count - 1) / r->count;
	response_header(c->res, "RateLimit-Policy",
	    arena_fmt(c->arena, POLICY ";q=%" PRIu64 ";w=%" PRIu64,
		periods * r->count, periods * r->per_s));
	response_header(c->res, "RateLimit",
	    arena_fmt(c->arena, POLICY ";r=%" PRIu32 ";t=%" PRId64,
		b->view.left, seconds(b->view.next_ns)));
}

static enum err
answer(struct call *c, const struct bucket *b)
{
	limit_headers(c, b);
	if (b->answer != BUCKET_EMPTY)
		return ERR_OK;
	c->facts->organization = b->terms.organization;
	c->problem.retry_after_s = seconds(b->view.next_ns);
	return call_fail(c, ERR_RATE_LIMITED, NULL,
	    "This API key has used up its rate limit; wait as many seconds as Retry-After says.");
}

enum err
limit_begin(struct call *c, const unsigned char hash[SHA256_BYTES], int64_t now_ns,
    struct bucket *b)
{
	buckets_take(c->buckets, hash, now_ns, b);
	return b->answer == BUCKET_EMPTY ? answer(c, b) : ERR_OK;
}

static struct terms
terms_of(const struct call *c)
{
	return (struct terms) {
		.rate = c->tenant.own_rate ? c->tenant.rate : buckets_configured(c->buckets),
		.own = c->tenant.own_rate,
		.organization = c->tenant.organization,
	};
}

enum err
limit_settle(struct call *c, const unsigned char hash[SHA256_BYTES], bool looked_up,
    int64_t now_ns, struct bucket *b)
{
	const struct terms terms = terms_of(c);

	buckets_settle(c->buckets, hash, &terms, looked_up, now_ns, b);
	return answer(c, b);
}

void
limit_confirm(struct call *c, const unsigned char hash[SHA256_BYTES], bool found, int64_t now_ns)
{
	const struct terms none = { .own = true }, terms = found ? terms_of(c) : none;

	buckets_confirm(c->buckets, hash, &terms, now_ns);
}
