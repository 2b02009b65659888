/* The buckets of the API keys. */
#include "shm/buckets.h"
#include "base/clock.h"
#include "base/log.h"
#include "shm/word.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum {
	LOCK_PAUSE_NS = 50 * 1000,
	LOCK_TRIES = 1000, /* pauses; then others are quicker again and again */
	NS_PER_MS = 1000000,
	OWN_BIT = 63, /* of the packed terms, above the rate */
};

/*
 * Instead of a time: the process that has the lock writes here. The rest of a place is written
 * between two changes of the time, and another key begins with a later time than any of the one
 * before; so whoever read the rest sees by the swap of the time whether it held.
 */
#define CLAIMED INT64_C(-1)

struct place {
	/* 0: never used, and no key has a place behind it for want of this one. */
	_Alignas(64) _Atomic(int64_t) full_at_ns;
	_Atomic(uint64_t) key[2];
	_Atomic(uint64_t) organization[2];
	_Atomic(uint64_t) terms;    /* packed */
	_Atomic(uint64_t) seal;     /* of these five */
	_Atomic(int64_t)  known_ns; /* when they were looked up, or a caller was asked to do it */
};

_Static_assert(sizeof(struct place) == 64, "a place that is not one line of the cache");

struct buckets {
	_Alignas(64) _Atomic(int64_t) locked_ns; /* when the lock was taken; 0: it is free */
	_Atomic(uint64_t) configured;  /* packed rate */
	_Atomic(uint32_t) logged_full; /* 0 or 1: the log says that there is no room */
	struct place      place[BUCKETS];
};

/* What stands in a place, but for the two times. */
struct entry {
	uint64_t key[2], organization[2], terms;
};

struct buckets *
buckets_new(void)
{
	struct buckets *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (b != MAP_FAILED)
		return b;
	log_error("no shared memory: %s", strerror(errno));
	exit(EXIT_OS);
}

void
buckets_free(struct buckets *b)
{
	munmap(b, sizeof(*b));
}

void
buckets_configure(struct buckets *b, struct rate rate)
{
	word_set(&b->configured, rate_pack(&rate));
}

struct rate
buckets_configured(const struct buckets *b)
{
	return rate_unpack(word_get(&b->configured));
}

/* ---- places */

/*
 * A process that lost the lock may still write into a place that has another key by now. Such a
 * mixture has no seal, and is as if it were not there.
 */
static uint64_t
seal_of(const struct entry *e)
{
	const uint64_t words[] = { e->key[0], e->key[1], e->organization[0], e->organization[1],
		e->terms };
	uint64_t       seal = UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = 0; i < COUNTOF(words); i++) {
		seal = (seal ^ words[i]) * UINT64_C(0xff51afd7ed558ccd);
		seal ^= seal >> 32;
	}
	return seal;
}

/* False: what stands there belongs to no key. */
static bool
load(const struct place *p, struct entry *out)
{
	for (size_t i = 0; i < COUNTOF(out->key); i++) {
		out->key[i] = word_get(&p->key[i]);
		out->organization[i] = word_get(&p->organization[i]);
	}
	out->terms = word_get(&p->terms);
	return word_get(&p->seal) == seal_of(out);
}

static void
store(struct place *p, const struct entry *e)
{
	for (size_t i = 0; i < COUNTOF(e->key); i++) {
		word_set(&p->key[i], e->key[i]);
		word_set(&p->organization[i], e->organization[i]);
	}
	word_set(&p->terms, e->terms);
	word_set(&p->seal, seal_of(e));
}

static struct place *
place_at(struct buckets *b, const uint64_t key[2], size_t i)
{
	return &b->place[(key[0] + i) % BUCKETS];
}

/* full_at_ns: as it was before the rest was looked at. */
static struct place *
find(struct buckets *b, const uint64_t key[2], int64_t *full_at_ns, struct entry *out)
{
	for (size_t i = 0; i < BUCKETS_PROBED; i++) {
		struct place *p = place_at(b, key, i);

		*full_at_ns = atomic_load_explicit(&p->full_at_ns, memory_order_acquire);
		if (*full_at_ns == 0)
			break;
		if (*full_at_ns != CLAIMED && load(p, out) && out->key[0] == key[0]
		    && out->key[1] == key[1])
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
unpack(const struct entry *e, struct terms *out)
{
	out->rate = rate_unpack(e->terms & ~(UINT64_C(1) << OWN_BIT));
	out->own = e->terms >> OWN_BIT;
	memcpy(&out->organization, e->organization, sizeof(out->organization));
}

/* ---- taking */

static enum bucket_answer
answer_of(const struct buckets *b, const struct terms *t)
{
	if (!t->own && rate_pack(&t->rate) != word_get(&b->configured))
		return BUCKET_STALE;
	return t->rate.count ? BUCKET_TAKEN : BUCKET_FREE;
}

/* True for one caller, at most once in the time. */
static bool
is_to_confirm(struct place *p, int64_t now_ns)
{
	const int64_t every_ns = BUCKETS_CONFIRM_S * INT64_C(1000000000);
	int64_t       known_ns = word_get(&p->known_ns);

	return (clock_age(known_ns, now_ns) > every_ns || known_ns < 0
	           || known_ns > now_ns + every_ns)
	    && atomic_compare_exchange_strong(&p->known_ns, &known_ns, now_ns);
}

void
buckets_take(struct buckets *b, const unsigned char hash[SHA256_BYTES], int64_t now_ns,
    struct bucket *out)
{
	uint64_t      key[2];
	struct entry  there;
	struct place *p;
	int64_t       before, after;

	memcpy(key, hash, sizeof(key));
	do {
		*out = (struct bucket) { .answer = BUCKET_NONE };
		if ((p = find(b, key, &before, &there)) == NULL)
			return;
		unpack(&there, &out->terms);
		out->answer = answer_of(b, &out->terms);
		after = before;
		if (out->answer == BUCKET_TAKEN
		    && !rate_take(&out->terms.rate, &after, now_ns, &out->view))
			out->answer = BUCKET_EMPTY;
		atomic_thread_fence(memory_order_acquire);
	} while (!atomic_compare_exchange_strong(&p->full_at_ns, &before, after));
	out->confirm = out->answer == BUCKET_EMPTY && is_to_confirm(p, now_ns);
}

/* ---- making and changing */

/* The word that unlock() wants; 0: others have it all the time. */
static int64_t
lock(struct buckets *b)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
	const int64_t         lease_ns = (int64_t)BUCKETS_LEASE_MS * NS_PER_MS;

	for (int tries = 0; tries < LOCK_TRIES; tries++) {
		int64_t now = clock_mono_ns(), since = word_get(&b->locked_ns);

		/* A time that lies ahead is no time. What its holder left half-done has no seal. */
		if ((since <= 0 || since > now || now - since > lease_ns)
		    && atomic_compare_exchange_strong(&b->locked_ns, &since, now))
			return now;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static void
unlock(struct buckets *b, int64_t locked_ns)
{
	atomic_compare_exchange_strong(&b->locked_ns, &locked_ns, 0);
}

/* Whose the place is stays; returns its time. */
static int64_t
claim(struct place *p)
{
	return atomic_exchange(&p->full_at_ns, CLAIMED);
}

/*
 * The first place that no key needs: full again, or half-written, or without a seal. The time must
 * grow, so equal is not enough.
 */
static struct place *
claim_any(struct buckets *b, const uint64_t key[2], int64_t now_ns)
{
	for (size_t i = 0; i < BUCKETS_PROBED; i++) {
		struct place *p = place_at(b, key, i);
		int64_t       full_at_ns = atomic_load(&p->full_at_ns);
		struct entry  there;

		if ((full_at_ns < now_ns || !load(p, &there))
		    && atomic_compare_exchange_strong(&p->full_at_ns, &full_at_ns, CLAIMED))
			return p;
	}
	return NULL;
}

/* The key's place, claimed; NULL: it cannot have one. */
static struct place *
claim_for(struct buckets *b, const uint64_t key[2], const struct terms *terms, int64_t now_ns,
    int64_t *full_at_ns)
{
	struct entry  there;
	struct place *p = find(b, key, full_at_ns, &there);
	struct terms  old;

	if (p) {
		unpack(&there, &old);
		*full_at_ns = rate_convert(&old.rate, &terms->rate, claim(p), now_ns);
		return p;
	}
	*full_at_ns = now_ns;
	return claim_any(b, key, now_ns);
}

/*
 * Gives the key's bucket these terms, and the key a bucket if it has none; takes the token if that
 * has not been done. False: it cannot have one now.
 */
static bool
change(struct buckets *b, const uint64_t key[2], const struct terms *terms, int64_t now_ns,
    struct bucket *out)
{
	struct entry  e = { .key = { key[0], key[1] }, .terms = pack(terms) };
	int64_t       locked_ns = lock(b), full_at_ns;
	struct place *p;

	if (!locked_ns)
		return false;
	memcpy(e.organization, &terms->organization, sizeof(e.organization));
	p = claim_for(b, key, terms, now_ns, &full_at_ns);
	if (p) {
		out->terms = *terms;
		if (terms->rate.count == 0)
			out->answer = BUCKET_FREE;
		else if (out->answer == BUCKET_TAKEN)
			rate_look(&terms->rate, full_at_ns, now_ns, &out->view);
		else if (rate_take(&terms->rate, &full_at_ns, now_ns, &out->view))
			out->answer = BUCKET_TAKEN;
		else
			out->answer = BUCKET_EMPTY;
		atomic_thread_fence(memory_order_release);
		store(p, &e);
		word_set(&p->known_ns, now_ns);
		atomic_store_explicit(&p->full_at_ns, full_at_ns, memory_order_release);
	}
	unlock(b, locked_ns);
	if (!p && !atomic_exchange(&b->logged_full, 1))
		log_warn("too many API keys are using their rate at once: some are not limited");
	return p;
}

void
buckets_settle(struct buckets *b, const unsigned char hash[SHA256_BYTES],
    const struct terms *terms, bool looked_up, int64_t now_ns, struct bucket *out)
{
	uint64_t key[2];

	/*
	 * What a worker remembers is not better than what stands there: if it were, the last one to
	 * remember an old rate could put a key back into it.
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
buckets_confirm(struct buckets *b, const unsigned char hash[SHA256_BYTES],
    const struct terms *terms, int64_t now_ns)
{
	struct bucket unused = { .answer = BUCKET_TAKEN };
	uint64_t      key[2];

	memcpy(key, hash, sizeof(key));
	(void)change(b, key, terms, now_ns, &unused);
}
