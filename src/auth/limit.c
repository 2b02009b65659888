/* The rate limits of a request. */
#include "auth/limit.h"

#include <inttypes.h>

enum { NS_PER_S = 1000000000 };

/* The two policies, by bucket.shared: the name in the headers, and the sentence of a refusal. */
static const struct {
	const char *name, *message;
} policies[] = {
	{ "key",
	    "This API key has used up its rate limit; wait as many seconds as Retry-After says." },
	{ "environment",
	    "This environment has used up the rate limit that all its API keys share; "
	    "wait as many seconds as Retry-After says." },
};

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
static void
add_headers(struct call *c, const struct bucket *b)
{
	const struct rate *r = &b->rate;
	const char        *name = policies[b->shared].name;
	uint64_t           periods;

	if (b->answer == BUCKET_FREE)
		return;
	periods = (r->burst + r->count - 1) / r->count;
	response_header(c->res, "RateLimit-Policy",
	    arena_fmt(c->arena, "\"%s\";q=%" PRIu64 ";w=%" PRIu64, name,
		periods * r->count, periods * r->per_s));
	response_header(c->res, "RateLimit",
	    arena_fmt(c->arena, "\"%s\";r=%" PRIu32 ";t=%" PRId64, name,
		b->view.left, seconds(b->view.next_ns)));
}

static enum err
answer(struct call *c, const struct bucket *b)
{
	c->facts->evicted |= b->evicted;
	add_headers(c, b);
	if (b->answer != BUCKET_EMPTY)
		return ERR_OK;
	c->facts->organization = b->organization;
	c->problem.retry_after_s = seconds(b->view.next_ns);
	return call_fail(c, ERR_RATE_LIMITED, NULL, policies[b->shared].message);
}

enum err
limit_begin(struct call *c, const unsigned char hash[SHA256_BYTES], int64_t now_ns,
    struct bucket *b)
{
	return buckets_refuse(c->buckets, hash, now_ns, b) ? answer(c, b) : ERR_OK;
}

static struct limits
limits_of(const struct call *c)
{
	const struct tenant *t = &c->tenant;

	return (struct limits) {
		.organization = t->organization,
		.environment = t->environment,
		.family = t->family,
		.own = t->own_rate,
		.rate = t->own_rate ? t->rate : (struct rate) { 0 },
	};
}

enum err
limit_take(struct call *c, const unsigned char hash[SHA256_BYTES], bool looked_up, int64_t now_ns,
    struct bucket *b)
{
	const struct limits limits = limits_of(c);

	buckets_take(c->buckets, hash, &limits, looked_up, now_ns, b);
	return answer(c, b);
}

void
limit_confirm(struct call *c, const unsigned char hash[SHA256_BYTES], bool found, int64_t now_ns)
{
	const struct limits limits = limits_of(c);

	buckets_confirm(c->buckets, hash, found ? &limits : NULL, now_ns);
}
