/*
 * The buckets of rate limits, in memory that all workers share: so a limit is exact, however many
 * workers there are.
 *
 * Whose      An environment has a bucket, from which all its keys take (buckets_configure()). A key
 *            with a limit of its own has one besides, which it shares with the keys that were made
 *            with it: its family. A limit that is above the environment's, or none, stands in the
 *            place of it; so an operator can give one integration more than the others.
 * Ownership  The process that calls buckets_new(); its children inherit the pages, and another
 *            program image goes on with them by buckets_attach().
 * Trust      All workers must be able to write all of it, so one that runs an attacker's code can
 *            change any limit. That is all it can do: there are rates, times and ids in here, no
 *            pointers, counts of memory, descriptors or locks of the C library, and whatever they
 *            are, a call returns, and soon. The supervisor only writes here, the admin process has
 *            it not.
 * Refused    Whoever was refused is remembered under the hash of its key, so that it can be refused
 *            again without asking the database. That memory may forget. One caller in a while is
 *            asked to look the key up.
 * Locks      Taking a token is one compare-and-swap. A new bucket and another rate take a lock that
 *            a process which is killed or stopped in it loses after BUCKETS_LEASE_MS.
 * Room       A bucket that is full again need not be kept: another may have its place. While all
 *            places that a bucket could have are in use, the one that is nearest to full gives way:
 *            it is the one whose owner gains least. No request is ever let through uncounted.
 */
#ifndef SHM_BUCKETS_H
#define SHM_BUCKETS_H

#include "base/hash.h"
#include "base/id.h"
#include "base/rate.h"

enum {
	BUCKETS = 16384,     /* that are not at rest, 1 MiB; a power of two */
	BUCKETS_PROBED = 16, /* places that one bucket may have */
	BUCKETS_REFUSED = 4096, /* refused keys that are remembered, 512 KiB */
	/*
	 * How long a key may be refused by a limit that was not looked up again: until then another
	 * limit, and the end of the key, may go unnoticed.
	 */
	BUCKETS_CONFIRM_S = 5,
	/* A change takes a microsecond; one that takes so much longer may never end. */
	BUCKETS_LEASE_MS = 10,
	/* Between two lines in the log about a lack of room. */
	BUCKETS_LOG_S = 60,
	/* Changes with the layout of the memory: see buckets_attach(). */
	BUCKETS_LAYOUT = 1,
};

/* One process's view of it; this struct itself is not shared. */
struct buckets {
	struct buckets_table *table;
	int                   fd; /* of the memory; -1: not here */
};

/* Ends the process when the system has no memory to share. */
struct buckets *buckets_new(void);

/* The memory behind a descriptor, which is kept; NULL when it has another layout or size. */
struct buckets *buckets_attach(int fd, int64_t layout);

/* In a child that goes on using them: the descriptor is for the caller to close. */
void buckets_keep(struct buckets *b);
void buckets_free(struct buckets *b);

/*
 * The rate of each environment; off until it is set. Here and not in each worker, so that a reload
 * changes it for all of them at once: two rates at a time would each forgive what was taken beyond
 * the other.
 */
void        buckets_configure(struct buckets *b, struct rate rate);
struct rate buckets_configured(const struct buckets *b);

/* Whose requests count together, and what the key has of its own. */
struct limits {
	struct id   organization, environment, family;
	bool        own;  /* the key has a rate, which may be no limit */
	struct rate rate; /* with own */
};

enum bucket_answer {
	BUCKET_FREE,  /* there is no limit */
	BUCKET_TAKEN, /* a token */
	BUCKET_EMPTY, /* no token: refuse the request */
};

/* What came of a request; the second half means something with TAKEN and EMPTY. */
struct bucket {
	enum bucket_answer answer;
	/* With EMPTY: the limits are old; the caller should look them up. */
	bool             confirm;
	bool             evicted; /* another bucket had to give way */
	struct id        organization;
	bool             shared;  /* the environment's bucket, not the key's own */
	struct rate      rate;    /* of the one that is empty, or has the fewest tokens */
	struct rate_view view;
};

/*
 * Whether the key was refused before, and is still to be: then *out is BUCKET_EMPTY. Takes nothing.
 */
bool buckets_refuse(struct buckets *b, const unsigned char hash[SHA256_BYTES], int64_t now_ns,
    struct bucket *out) MUSTCHECK;

/*
 * Takes a token from each bucket of the key, or from none. looked_up: the limits are from the
 * database just now, so they are better than what stands here.
 */
void buckets_take(struct buckets *b, const unsigned char hash[SHA256_BYTES],
    const struct limits *limits, bool looked_up, int64_t now_ns, struct bucket *out);

/* For a key that was refused, from the database just now; NULL: there is no such key. */
void buckets_confirm(struct buckets *b, const unsigned char hash[SHA256_BYTES],
    const struct limits *limits, int64_t now_ns);

#endif
