/* The buckets of the API keys. */
#include "shm/buckets.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum {
	LOCK_WAIT_MS = 10,
	OWN_BIT = 63, /* of the packed terms, above the rate */
};

/*
 * Instead of a time: somebody with the lock writes here. The rest of a place is written between two changes of the
 * time, and another key begins with a later time than any of the one before; so whoever read the rest sees by his
 * own swap of the time whether it held.
 */
#define CLAIMED INT64_C(-1)

struct place {
	_Alignas(64) _Atomic(int64_t) full_at_ns; /* 0: never used, and no key has a place behind it for want of this one */
	_Atomic(uint64_t) key[2];
	_Atomic(uint64_t) organization[2];
	_Atomic(uint64_t) terms;    /* packed */
	_Atomic(int64_t)  known_ns; /* when they were looked up, or somebody was told to */
};

struct buckets {
	pthread_mutex_t   lock;       /* of making and changing */
	_Atomic(uint64_t) configured; /* packed rate */
	_Atomic(bool)     told;       /* that there is no room */
	struct place      place[BUCKETS];
};

struct buckets *
buckets_new(void)
{
	struct buckets     *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t how;
	int                 failed;

	if (b == MAP_FAILED) {
		log_error("no shared memory: %s", strerror(errno));
		exit(EXIT_OS);
	}
	pthread_mutexattr_init(&how);
	pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
	failed = pthread_mutex_init(&b->lock, &how);
	pthread_mutexattr_destroy(&how);
	if (failed) {
		log_error("no lock in shared memory: %s", strerror(failed));
		exit(EXIT_OS);
	}
	return b;
}

void
buckets_free(struct buckets *b)
{
	munmap(b, sizeof(*b));
}

void
buckets_configure(struct buckets *b, struct rate rate)
{
	atomic_store(&b->configured, rate_pack(&rate));
}

struct rate
buckets_configured(const struct buckets *b)
{
	return rate_unpack(atomic_load_explicit(&b->configured, memory_order_relaxed));
}

/* ---- places */

static void
load_pair(const _Atomic(uint64_t) from[2], uint64_t to[2])
{
	to[0] = atomic_load_explicit(&from[0], memory_order_relaxed);
	to[1] = atomic_load_explicit(&from[1], memory_order_relaxed);
}

static void
store_pair(_Atomic(uint64_t) to[2], const void *from)
{
	uint64_t pair[2];

	memcpy(pair, from, sizeof(pair));
	atomic_store_explicit(&to[0], pair[0], memory_order_relaxed);
	atomic_store_explicit(&to[1], pair[1], memory_order_relaxed);
}

static struct place *
place_at(struct buckets *b, const uint64_t key[2], size_t i)
{
	return &b->place[(key[0] + i) % BUCKETS];
}

/* full_at_ns: as it was before the key was looked at. */
static struct place *
find(struct buckets *b, const uint64_t key[2], int64_t *full_at_ns)
{
	for (size_t i = 0; i < BUCKETS_PROBED; i++) {
		struct place *p = place_at(b, key, i);
		uint64_t      there[2];

		*full_at_ns = atomic_load_explicit(&p->full_at_ns, memory_order_acquire);
		if (*full_at_ns == 0)
			break;
		load_pair(p->key, there);
		if (*full_at_ns != CLAIMED && there[0] == key[0] && there[1] == key[1])
			return p;
	}
	return NULL;
}

static uint64_t
pack(const struct terms *t)
{
	return rate_pack(&t->rate) | (uint64_t)t->own << OWN_BIT;
}

static void
unpack(uint64_t packed, struct terms *out)
{
	out->rate = rate_unpack(packed & ~(UINT64_C(1) << OWN_BIT));
	out->own = packed >> OWN_BIT;
}

/* ---- taking */

static enum bucket_answer
answer_of(const struct buckets *b, const struct terms *t)
{
	if (!t->own && rate_pack(&t->rate) != atomic_load_explicit(&b->configured, memory_order_relaxed))
		return BUCKET_STALE;
	return t->rate.count ? BUCKET_TAKEN : BUCKET_FREE;
}

/* True for one caller, at most once in the time. */
static bool
is_to_confirm(struct place *p, int64_t now_ns)
{
	int64_t known_ns = atomic_load_explicit(&p->known_ns, memory_order_relaxed);

	return now_ns - known_ns > BUCKETS_CONFIRM_S * INT64_C(1000000000)
	    && atomic_compare_exchange_strong(&p->known_ns, &known_ns, now_ns);
}

void
buckets_take(struct buckets *b, const unsigned char hash[SHA256_BYTES], int64_t now_ns, struct bucket *out)
{
	uint64_t      key[2], organization[2];
	struct place *p;
	int64_t       before, after;

	memcpy(key, hash, sizeof(key));
	do {
		*out = (struct bucket) { .answer = BUCKET_NONE };
		if ((p = find(b, key, &before)) == NULL)
			return;
		unpack(atomic_load_explicit(&p->terms, memory_order_relaxed), &out->terms);
		load_pair(p->organization, organization);
		memcpy(&out->terms.organization, organization, sizeof(organization));
		out->answer = answer_of(b, &out->terms);
		after = before;
		if (out->answer == BUCKET_TAKEN && !rate_take(&out->terms.rate, &after, now_ns, &out->view))
			out->answer = BUCKET_EMPTY;
		atomic_thread_fence(memory_order_acquire);
	} while (!atomic_compare_exchange_strong(&p->full_at_ns, &before, after));
	out->confirm = out->answer == BUCKET_EMPTY && is_to_confirm(p, now_ns);
}

/* ---- making and changing */

static bool
lock(struct buckets *b)
{
	struct timespec until;
	int             failed;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOCK_WAIT_MS * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	failed = pthread_mutex_clocklock(&b->lock, CLOCK_MONOTONIC, &until);
	/* What a dead holder left half-done is a claimed place, which claim_any() takes. */
	if (failed == EOWNERDEAD)
		failed = pthread_mutex_consistent(&b->lock);
	return failed == 0;
}

/* Whose the place is stays; returns its time. */
static int64_t
claim(struct place *p)
{
	return atomic_exchange(&p->full_at_ns, CLAIMED);
}

/* The first place that nobody needs: full again, or left half-written. The time must grow, so equal is not enough. */
static struct place *
claim_any(struct buckets *b, const uint64_t key[2], int64_t now_ns)
{
	for (size_t i = 0; i < BUCKETS_PROBED; i++) {
		struct place *p = place_at(b, key, i);
		int64_t       full_at_ns = atomic_load(&p->full_at_ns);

		if (full_at_ns < now_ns && atomic_compare_exchange_strong(&p->full_at_ns, &full_at_ns, CLAIMED))
			return p;
	}
	return NULL;
}

/*
 * Gives the key's bucket these terms, and the key a bucket if it has none; takes the token if that has not been done.
 * False: it cannot have one now.
 */
static bool
change(struct buckets *b, const uint64_t key[2], const struct terms *terms, int64_t now_ns, struct bucket *out)
{
	int64_t       full_at_ns = now_ns;
	struct place *p;
	struct terms  old;

	if (!lock(b))
		return false;
	if ((p = find(b, key, &full_at_ns)) != NULL) {
		unpack(atomic_load(&p->terms), &old);
		full_at_ns = rate_convert(&old.rate, &terms->rate, claim(p), now_ns);
	} else if ((p = claim_any(b, key, now_ns)) != NULL) {
		full_at_ns = now_ns;
	}
	if (p) {
		out->terms = *terms;
		if (terms->rate.count == 0)
			out->answer = BUCKET_FREE;
		else if (out->answer == BUCKET_TAKEN)
			rate_look(&terms->rate, full_at_ns, now_ns, &out->view);
		else
			out->answer = rate_take(&terms->rate, &full_at_ns, now_ns, &out->view) ? BUCKET_TAKEN : BUCKET_EMPTY;
		atomic_thread_fence(memory_order_release);
		store_pair(p->key, key);
		store_pair(p->organization, &terms->organization);
		atomic_store_explicit(&p->terms, pack(terms), memory_order_relaxed);
		atomic_store_explicit(&p->known_ns, now_ns, memory_order_relaxed);
		atomic_store_explicit(&p->full_at_ns, full_at_ns, memory_order_release);
	}
	pthread_mutex_unlock(&b->lock);
	if (!p && !atomic_exchange(&b->told, true))
		log_warn("more API keys than there is room for have used their rate at once: some go uncounted");
	return p;
}

void
buckets_settle(struct buckets *b, const unsigned char hash[SHA256_BYTES], const struct terms *terms,
    bool looked_up, int64_t now_ns, struct bucket *out)
{
	uint64_t key[2];

	/*
	 * What a worker remembers is not better than what stands there: if it were, the last one to remember an old rate
	 * could put a key back into it.
	 */
	if (out->answer >= BUCKET_FREE && (!looked_up || pack(&out->terms) == pack(terms)))
		return;
	if (out->answer == BUCKET_NONE && terms->rate.count == 0)
		return;
	memcpy(key, hash, sizeof(key));
	if (!change(b, key, terms, now_ns, out))
		*out = (struct bucket) { .answer = BUCKET_FREE };
}

void
buckets_confirm(struct buckets *b, const unsigned char hash[SHA256_BYTES], const struct terms *terms, int64_t now_ns)
{
	struct bucket unused = { .answer = BUCKET_TAKEN };
	uint64_t      key[2];

	memcpy(key, hash, sizeof(key));
	(void)change(b, key, terms, now_ns, &unused);
}
