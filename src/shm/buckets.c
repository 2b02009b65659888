/* The buckets of rate limits. */
#include "shm/buckets.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "shm/memory.h"
#include "shm/word.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

enum {
	LOCK_PAUSE_NS = 50 * 1000,
	LOCK_TRIES = 1000, /* pauses; then others are quicker again and again */
	CLAIM_TRIES = 64,  /* of a place from which others take tokens meanwhile */
	NS_PER_MS = 1000000,
};

/*
 * Instead of a time: the process that has the lock writes here. The rest of a place is written
 * between two changes of the time; so whoever read the rest sees by the swap of the time whether it
 * held. (Unless two owners of one place have the same nanosecond, which is one token astray.)
 */
#define CLAIMED INT64_C(-1)

struct place {
	/* 0: never used, and no bucket has a place behind it for want of this one. */
	_Alignas(64) _Atomic(int64_t) full_at_ns;
	_Atomic(uint64_t) name[2];
	_Atomic(uint64_t) rate; /* packed */
	/* Of these three: a process that lost the lock may write into a place of another owner. */
	_Atomic(uint64_t) seal;
};

/* What stands in a place, but for the time. */
struct entry {
	uint64_t name[2], rate;
};

/* Of a key that was refused. */
struct record {
	uint64_t hash[2], organization[2], environment[2], family[2], own, rate;
};

enum { RECORD_WORDS = sizeof(struct record) / sizeof(uint64_t) };

struct refused {
	_Alignas(128) _Atomic(uint64_t) word[RECORD_WORDS];
	_Atomic(uint64_t) seal;     /* of these; another key may write at the same time */
	_Atomic(int64_t)  known_ns; /* when it was looked up, or a caller was asked to do it */
};

_Static_assert(sizeof(struct place) == 64, "a place that is not one line of the cache");
_Static_assert(sizeof(struct refused) == 128, "a record that is not two lines of the cache");

struct buckets_table {
	_Alignas(64) _Atomic(int64_t) locked_ns; /* when the lock was taken; 0: it is free */
	_Atomic(uint64_t) configured; /* packed rate */
	_Atomic(int64_t)  logged_ns;  /* that there is no room */
	_Atomic(uint64_t) evicted;    /* since then */
	struct place      place[BUCKETS];
	struct refused    refused[BUCKETS_REFUSED];
};

/* A bucket that a request takes from. */
struct want {
	uint64_t    name[2];
	struct rate rate;
	bool        better; /* than the rate that stands there */
	bool        shared;
};

enum { WANTS_MAX = 2 };

/* ---- the memory */

static struct buckets *
map(int fd)
{
	struct buckets *b = must_alloc(sizeof(*b));
	void           *at = mmap(NULL, sizeof(struct buckets_table), PROT_READ | PROT_WRITE,
	              MAP_SHARED, fd, 0);

	*b = (struct buckets) { .table = at, .fd = fd };
	if (at != MAP_FAILED)
		return b;
	free(b);
	return NULL;
}

struct buckets *
buckets_new(void)
{
	int             fd = memory_open("clientele-buckets", sizeof(struct buckets_table));
	struct buckets *b = fd == -1 ? NULL : map(fd);

	if (b)
		return b;
	log_error("no shared memory: %s", strerror(errno));
	exit(EXIT_OS);
}

struct buckets *
buckets_attach(int fd, int64_t layout)
{
	struct stat st;

	if (layout != BUCKETS_LAYOUT || fstat(fd, &st) == -1
	    || st.st_size != (off_t)sizeof(struct buckets_table))
		return NULL;
	return map(fd);
}

void
buckets_keep(struct buckets *b)
{
	b->fd = -1;
}

void
buckets_free(struct buckets *b)
{
	munmap(b->table, sizeof(*b->table));
	if (b->fd != -1)
		close(b->fd);
	free(b);
}

void
buckets_configure(struct buckets *b, struct rate rate)
{
	word_set(&b->table->configured, rate_pack(&rate));
}

struct rate
buckets_configured(const struct buckets *b)
{
	return rate_unpack(word_get(&b->table->configured));
}

/* True for one caller, at most once in the time. */
static bool
is_turn(_Atomic(int64_t) *last_ns, int64_t every_s, int64_t now_ns)
{
	int64_t then = word_get(last_ns);

	return (then <= 0 || clock_age(then, now_ns) > every_s * NS_PER_S
	           || then > now_ns + every_s * NS_PER_S)
	    && atomic_compare_exchange_strong(last_ns, &then, now_ns);
}

/* ---- places */

static uint64_t
entry_seal(const struct entry *e)
{
	const uint64_t words[] = { e->name[0], e->name[1], e->rate };

	return word_seal(words, COUNTOF(words));
}

/* False: what stands there is no bucket. */
static bool
load(const struct place *p, struct entry *out)
{
	out->name[0] = word_get(&p->name[0]);
	out->name[1] = word_get(&p->name[1]);
	out->rate = word_get(&p->rate);
	return word_get(&p->seal) == entry_seal(out) && out->rate;
}

static void
store(struct place *p, const struct want *w)
{
	struct entry e = { { w->name[0], w->name[1] }, rate_pack(&w->rate) };

	word_set(&p->name[0], e.name[0]);
	word_set(&p->name[1], e.name[1]);
	word_set(&p->rate, e.rate);
	word_set(&p->seal, entry_seal(&e));
}

/* The second half of an id is its random one. */
static struct place *
place_at(struct buckets_table *t, const uint64_t name[2], size_t i)
{
	return &t->place[((name[1] * UINT64_C(0x9e3779b97f4a7c15) >> 32) + i) % BUCKETS];
}

/* full_at_ns: as it was before the rest was looked at. */
static struct place *
find(struct buckets_table *t, const uint64_t name[2], int64_t *full_at_ns, struct entry *out)
{
	for (size_t i = 0; i < BUCKETS_PROBED; i++) {
		struct place *p = place_at(t, name, i);

		*full_at_ns = atomic_load_explicit(&p->full_at_ns, memory_order_acquire);
		if (*full_at_ns == 0)
			break;
		if (*full_at_ns != CLAIMED && load(p, out) && out->name[0] == name[0]
		    && out->name[1] == name[1])
			return p;
	}
	return NULL;
}

/* ---- making and changing */

/* The word that unlock() wants; 0: others have it all the time. */
static int64_t
lock(struct buckets_table *t)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
	const int64_t         lease_ns = (int64_t)BUCKETS_LEASE_MS * NS_PER_MS;

	for (int tries = 0; tries < LOCK_TRIES; tries++) {
		int64_t now = clock_mono_ns(), since = word_get(&t->locked_ns);

		/* A time that lies ahead is no time. What its holder left half-done has no seal. */
		if ((since <= 0 || since > now || now - since > lease_ns)
		    && atomic_compare_exchange_strong(&t->locked_ns, &since, now))
			return now;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static void
unlock(struct buckets_table *t, int64_t locked_ns)
{
	atomic_compare_exchange_strong(&t->locked_ns, &locked_ns, 0);
}

/*
 * Of the places that this bucket may have the one that is full first, which may be long ago; one
 * that is half-written, or has no seal, is nobody's. seen: its time.
 */
static struct place *
nearest_to_full(struct buckets_table *t, const uint64_t name[2], int64_t now_ns, int64_t *seen)
{
	struct place *best = NULL;
	int64_t       least = INT64_MAX;

	for (size_t i = 0; i < BUCKETS_PROBED && least > now_ns; i++) {
		struct place *p = place_at(t, name, i);
		struct entry  there;
		int64_t       full_at_ns = atomic_load(&p->full_at_ns);
		int64_t       rank = load(p, &there) ? full_at_ns : 0;

		if (best && rank >= least)
			continue;
		best = p;
		least = rank;
		*seen = full_at_ns;
	}
	return best;
}

/* A place for a new bucket, claimed. NULL: others took tokens there again and again. */
static struct place *
claim_any(struct buckets_table *t, const uint64_t name[2], int64_t now_ns, bool *evicted)
{
	for (int tries = 0; tries < CLAIM_TRIES; tries++) {
		int64_t       seen = 0;
		struct place *p = nearest_to_full(t, name, now_ns, &seen);
		struct entry  there;

		if (!atomic_compare_exchange_strong(&p->full_at_ns, &seen, CLAIMED))
			continue;
		*evicted |= seen > now_ns && load(p, &there);
		return p;
	}
	return NULL;
}

/* The bucket's place, claimed, and the moment when it is full. */
static struct place *
claim_for(struct buckets_table *t, const struct want *w, int64_t now_ns, int64_t *full_at_ns,
    bool *evicted)
{
	struct entry  there;
	struct place *p = find(t, w->name, full_at_ns, &there);
	struct rate   old;

	if (!p) {
		*full_at_ns = now_ns;
		return claim_any(t, w->name, now_ns, evicted);
	}
	old = rate_unpack(there.rate);
	*full_at_ns = rate_convert(&old, &w->rate,
	    atomic_exchange(&p->full_at_ns, CLAIMED), now_ns);
	return p;
}

/*
 * Gives a bucket this rate, and makes it if there is none; takes a token from it if that is wanted.
 * False: there was none, or the bucket cannot be made now.
 */
static bool
change(struct buckets_table *t, const struct want *w, bool take, int64_t now_ns,
    struct bucket *out)
{
	int64_t locked_ns, full_at_ns, claimed = CLAIMED;
	bool    taken = !take, done = false;

	out->rate = w->rate;
	while (!done && (locked_ns = lock(t)) != 0) {
		struct place *p = claim_for(t, w, now_ns, &full_at_ns, &out->evicted);

		if (p && take)
			taken = rate_take(&w->rate, &full_at_ns, now_ns, &out->view);
		/* Whoever was put to sleep here may have lost the lock, and the place with it. */
		if (p && word_get(&t->locked_ns) == locked_ns) {
			atomic_thread_fence(memory_order_release);
			store(p, w);
			done = atomic_compare_exchange_strong(&p->full_at_ns, &claimed, full_at_ns);
			claimed = CLAIMED;
		}
		unlock(t, locked_ns);
		if (!p)
			break;
	}
	if (!done)
		out->view = (struct rate_view) { .next_ns = NS_PER_S };
	return done && taken;
}

/* ---- taking */

/* Takes a token from one bucket; false: there is none. */
static bool
take(struct buckets_table *t, const struct want *w, int64_t now_ns, struct bucket *out)
{
	struct entry  there;
	struct place *p;
	int64_t       before, after;
	bool          taken;

	do {
		p = find(t, w->name, &before, &there);
		if (!p || (w->better && there.rate != rate_pack(&w->rate)))
			return change(t, w, true, now_ns, out);
		out->rate = rate_unpack(there.rate);
		if (out->rate.count == 0)
			return change(t, w, true, now_ns, out);
		after = before;
		taken = rate_take(&out->rate, &after, now_ns, &out->view);
		atomic_thread_fence(memory_order_acquire);
	} while (!atomic_compare_exchange_strong(&p->full_at_ns, &before, after));
	return taken;
}

/* Whether one bucket has no token; takes nothing. */
static bool
is_empty(struct buckets_table *t, const struct want *w, int64_t now_ns, struct bucket *out)
{
	struct entry  there;
	int64_t       full_at_ns;
	struct place *p = find(t, w->name, &full_at_ns, &there);

	if (!p)
		return false;
	out->rate = w->better ? w->rate : rate_unpack(there.rate);
	if (out->rate.count == 0)
		return false;
	if (w->better) {
		struct rate old = rate_unpack(there.rate);

		full_at_ns = rate_convert(&old, &out->rate, full_at_ns, now_ns);
	}
	rate_look(&out->rate, full_at_ns, now_ns, &out->view);
	return out->view.left == 0;
}

static bool
is_below(const struct rate *a, const struct rate *b)
{
	return a->count && a->burst <= b->burst
	    && (uint64_t)a->count * b->per_s <= (uint64_t)b->count * a->per_s;
}

/* The buckets that a key takes from, its own first. */
static size_t
wants_of(const struct buckets *b, const struct limits *l, bool looked_up,
    struct want wants[WANTS_MAX])
{
	const struct rate all = buckets_configured(b);
	size_t            n = 0;

	if (l->own && l->rate.count) {
		wants[n] = (struct want) { .rate = l->rate, .better = looked_up };
		memcpy(wants[n++].name, l->family.b, sizeof(wants->name));
	}
	/* What is configured stands here once, for everybody: nobody knows it better. */
	if (all.count && (!l->own || is_below(&l->rate, &all))) {
		wants[n] = (struct want) { .rate = all, .better = true, .shared = true };
		memcpy(wants[n++].name, l->environment.b, sizeof(wants->name));
	}
	return n;
}

/* ---- those that were refused */

static struct refused *
refused_at(struct buckets *b, const unsigned char hash[SHA256_BYTES])
{
	uint64_t word;

	memcpy(&word, hash, sizeof(word));
	return &b->table->refused[word % BUCKETS_REFUSED];
}

static void
remember(struct refused *at, const unsigned char hash[SHA256_BYTES], const struct limits *l,
    int64_t known_ns)
{
	struct record r = { .own = l->own, .rate = rate_pack(&l->rate) };
	uint64_t      word[RECORD_WORDS];

	memcpy(r.hash, hash, sizeof(r.hash));
	memcpy(r.organization, &l->organization, sizeof(r.organization));
	memcpy(r.environment, &l->environment, sizeof(r.environment));
	memcpy(r.family, &l->family, sizeof(r.family));
	memcpy(word, &r, sizeof(word));
	for (size_t i = 0; i < RECORD_WORDS; i++)
		word_set(&at->word[i], word[i]);
	word_set(&at->known_ns, known_ns);
	word_set(&at->seal, word_seal(word, RECORD_WORDS));
}

/* False: it was another key that was refused, or none. */
static bool
recall(const struct refused *at, const unsigned char hash[SHA256_BYTES], struct limits *out)
{
	uint64_t      word[RECORD_WORDS];
	struct record r;

	/* Mostly it was none, and this is on the road of every request. */
	if (word_get(&at->seal) == 0)
		return false;
	for (size_t i = 0; i < RECORD_WORDS; i++)
		word[i] = word_get(&at->word[i]);
	memcpy(&r, word, sizeof(r));
	if (memcmp(r.hash, hash, sizeof(r.hash)) != 0
	    || word_get(&at->seal) != word_seal(word, RECORD_WORDS))
		return false;
	*out = (struct limits) { .own = r.own != 0, .rate = rate_unpack(r.rate) };
	memcpy(&out->organization, r.organization, sizeof(r.organization));
	memcpy(&out->environment, r.environment, sizeof(r.environment));
	memcpy(&out->family, r.family, sizeof(r.family));
	return true;
}

/* ---- a request */

static void
refuse(struct bucket *out, const struct want *w, const struct limits *l)
{
	out->answer = BUCKET_EMPTY;
	out->shared = w->shared;
	out->organization = l->organization;
}

bool
buckets_refuse(struct buckets *b, const unsigned char hash[SHA256_BYTES], int64_t now_ns,
    struct bucket *out)
{
	struct refused *at = refused_at(b, hash);
	struct want     wants[WANTS_MAX];
	struct limits   l;
	size_t          n;

	*out = (struct bucket) { .answer = BUCKET_FREE };
	if (!recall(at, hash, &l))
		return false;
	n = wants_of(b, &l, false, wants);
	for (size_t i = 0; i < n; i++) {
		if (!is_empty(b->table, &wants[i], now_ns, out))
			continue;
		refuse(out, &wants[i], &l);
		out->confirm = is_turn(&at->known_ns, BUCKETS_CONFIRM_S, now_ns);
		return true;
	}
	return false;
}

/* Whoever gave way begins anew: an operator should know. */
static void
tell_evicted(struct buckets_table *t, int64_t now_ns)
{
	atomic_fetch_add_explicit(&t->evicted, 1, memory_order_relaxed);
	if (is_turn(&t->logged_ns, BUCKETS_LOG_S, now_ns))
		log_warn("too many rate limits are in use at once: %llu buckets gave way to others "
			 "and are full again", (unsigned long long)atomic_exchange(&t->evicted, 0));
}

void
buckets_take(struct buckets *b, const unsigned char hash[SHA256_BYTES],
    const struct limits *limits, bool looked_up, int64_t now_ns, struct bucket *out)
{
	struct want   wants[WANTS_MAX];
	struct bucket now = { .answer = BUCKET_FREE };
	size_t        n = wants_of(b, limits, looked_up, wants);
	bool          empty;

	*out = now;
	/* A key that is over its own limit must not use up what the others have. */
	empty = n > 1 && is_empty(b->table, &wants[0], now_ns, &now);
	for (size_t i = empty ? 1 : n; i > 0; i--) {
		const struct want *w = &wants[i - 1];

		if (empty || !take(b->table, w, now_ns, &now)) {
			*out = now;
			refuse(out, w, limits);
			remember(refused_at(b, hash), hash, limits, looked_up ? now_ns : 0);
			break;
		}
		if (out->answer == BUCKET_FREE || now.view.left <= out->view.left) {
			*out = now;
			out->answer = BUCKET_TAKEN;
			out->shared = w->shared;
		}
		out->evicted |= now.evicted;
	}
	if (out->evicted)
		tell_evicted(b->table, now_ns);
}

void
buckets_confirm(struct buckets *b, const unsigned char hash[SHA256_BYTES],
    const struct limits *limits, int64_t now_ns)
{
	struct refused *at = refused_at(b, hash);
	struct want     wants[WANTS_MAX];
	struct bucket   unused = { .answer = BUCKET_FREE };
	size_t          n;

	if (!limits) {
		word_set(&at->seal, 0);
		return;
	}
	n = wants_of(b, limits, true, wants);
	for (size_t i = 0; i < n; i++)
		(void)change(b->table, &wants[i], false, now_ns, &unused);
	remember(at, hash, limits, now_ns);
}
