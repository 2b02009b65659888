/*
 * Rates: so many requests in a time, and how many of them at once.
 *
 * Bucket     It holds 'burst' tokens and fills evenly. All that is kept of it is one number: the
 *            moment when it is full again (the 'theoretical arrival time' of the generic cell rate
 *            algorithm). So taking a token is arithmetic on one word, and nothing needs to be done
 *            as time passes.
 * Units      _ns is clock_mono_ns(), or a duration.
 */
#ifndef BASE_RATE_H
#define BASE_RATE_H

#include "base/str.h"

#define RATE_LATE_NS INT64_C(600000000000) /* the largest request_timeout (conf/conf.c) */

enum {
	RATE_MAX = 999999, /* of count and burst: six digits, as in the CHECK in sql/migrate */
	RATE_TEXT_BYTES = 32,
};

struct rate {
	uint32_t count; /* requests in per_s; 0: no limit, and the others are 0 too */
	uint32_t per_s; /* 1, 60 or 3600 */
	uint32_t burst; /* tokens of a full bucket, from 1 on */
};

/* "off", "100/s", "100/m burst 200"; without a burst it is the count. */
bool rate_parse(struct str text, struct rate *out) MUSTCHECK;

/* The same in one spelling, with the burst. */
struct str rate_text(const struct rate *r, char out[RATE_TEXT_BYTES]);

/* In 42 bits; equal rates give equal numbers, and no limit gives 0. What is no rate is no limit. */
uint64_t    rate_pack(const struct rate *r);
struct rate rate_unpack(uint64_t packed);

/* A bucket as its user sees it. */
struct rate_view {
	uint32_t left;    /* tokens */
	int64_t  next_ns; /* until there is one more than that; 0: it is full */
};

/* A look at the bucket that is full at full_at_ns. The rate is a limit. */
void rate_look(const struct rate *r, int64_t full_at_ns, int64_t now_ns, struct rate_view *out);

/*
 * Takes a token: true, and *full_at_ns is later. False: there is none. out: the view after that.
 *
 * A caller may have read the clock up to RATE_LATE_NS ago, and others may have taken tokens since;
 * the bucket then looks emptier than empty to it, and stays as it is. A *full_at_ns that not even
 * this explains becomes that of an empty bucket.
 */
bool rate_take(const struct rate *r, int64_t *full_at_ns, int64_t now_ns,
    struct rate_view *out) MUSTCHECK;

/*
 * The bucket under another rate: as many tokens are out of it, at most all. Either rate may be no
 * limit, which has none out.
 */
int64_t rate_convert(const struct rate *from, const struct rate *to, int64_t full_at_ns,
    int64_t now_ns);

#endif
