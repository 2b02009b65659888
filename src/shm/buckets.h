/*
 * The buckets of the API keys that have a rate, in memory that all workers share: so a limit is
 * exact, however many workers there are.
 *
 * Ownership  The process that calls buckets_new(); its children inherit the pages. buckets_free()
 *            unmaps them for the caller alone.
 * Trust      All workers must be able to write all of it, so one that runs an attacker's code can
 *            change any limit. That is all it can do: there are rates and times in here, no
 *            pointers, counts of memory or locks of the C library, and whatever they are, a call
 *            returns, and soon. The supervisor only writes here, the admin process has it not.
 * Key        The first 16 bytes of the API key's hash.
 * Terms      A bucket keeps the rate that applies to its key, so that a key that has used it up is
 *            refused without asking the database. They are what the last look-up there said; for a
 *            key that is refused all the time, one caller in a while is asked to look it up.
 * Locks      Taking a token is one compare-and-swap. A new bucket and new terms take a lock that a
 *            process which is killed or stopped in it loses after BUCKETS_LEASE_MS.
 * Room       A bucket that is full again need not be kept: another key may have its place. While
 *            all places that a key could have are in use, it is let through uncounted; the log says
 *            so once.
 */
#ifndef SHM_BUCKETS_H
#define SHM_BUCKETS_H

#include "base/hash.h"
#include "base/id.h"
#include "base/rate.h"

enum {
	BUCKETS = 16384,     /* of keys that are not at rest, 1 MiB; a power of two */
	BUCKETS_PROBED = 16, /* places that one key may have */
	/*
	 * How long a key may be refused by terms that were not looked up again: until then another
	 * limit, and the end of the key, may go unnoticed.
	 */
	BUCKETS_CONFIRM_S = 5,
	/* A change takes a microsecond; one that takes so much longer may never end. */
	BUCKETS_LEASE_MS = 10,
};

struct buckets;

/* Ends the process when the system has no memory to share. */
struct buckets *buckets_new(void);
void            buckets_free(struct buckets *b);

/*
 * The rate of keys that have none of their own; off until it is set. Here and not in each worker,
 * so that a reload changes it for all of them at once: two rates at a time would each forgive what
 * was taken beyond the other.
 */
void        buckets_configure(struct buckets *b, struct rate rate);
struct rate buckets_configured(const struct buckets *b);

/* What applies to a key. */
struct terms {
	struct rate rate;
	bool        own;          /* set for this key; else it is the configured one */
	struct id   organization; /* the key's */
};

enum bucket_answer {
	BUCKET_NONE,  /* there is none */
	BUCKET_STALE, /* its terms are those of an earlier configuration */
	BUCKET_FREE,  /* its terms are no limit */
	BUCKET_TAKEN, /* a token */
	BUCKET_EMPTY, /* no token: refuse the request */
};

/* What came of a request; terms mean something from BUCKET_STALE on, view from BUCKET_TAKEN on. */
struct bucket {
	enum bucket_answer answer;
	/* With BUCKET_EMPTY: the terms are old; the caller should look them up. */
	bool               confirm;
	struct terms       terms;
	struct rate_view   view;
};

/* Takes a token from the key's bucket, by the terms that stand there. */
void buckets_take(struct buckets *b, const unsigned char hash[SHA256_BYTES], int64_t now_ns,
    struct bucket *out);

/*
 * The second half, with the terms as they are known now: makes or changes the bucket and takes the
 * token if that has not been done. looked_up: just now from the database, so that they are better
 * than the bucket's.
 */
void buckets_settle(struct buckets *b, const unsigned char hash[SHA256_BYTES],
    const struct terms *terms, bool looked_up, int64_t now_ns, struct bucket *out);

/* Only the terms, from the database just now: nothing is taken. */
void buckets_confirm(struct buckets *b, const unsigned char hash[SHA256_BYTES],
    const struct terms *terms, int64_t now_ns);

#endif
