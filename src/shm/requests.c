/* The requests that were answered last. */
#include "shm/requests.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "shm/memory.h"
#include "shm/word.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * The words of a slot. What a search looks at is one line of the cache; of the text only as many
 * words are written and read as it has.
 */
enum {
	NUMBER,      /* and one; 0: it is being written, or never was */
	ENVIRONMENT,
	ACTOR = ENVIRONMENT + 2,
	ARRIVED = ACTOR + 2,
	FIGURES,     /* took_us, status, error */
	KINDS,       /* a byte each: method, version, user, bytes of id, bytes of path */
	SEAL,        /* of all others */
	TEXT,
	WORDS = TEXT + REQUESTS_TEXT_BYTES / 8,
};

struct slot {
	_Alignas(64) _Atomic(uint64_t) word[WORDS];
};

_Static_assert(sizeof(struct slot) == 256, "a slot of four lines of the cache");
_Static_assert(SEAL == 8, "what a search looks at is more than a line of the cache");
_Static_assert(REQUESTS_TEXT_BYTES < 256, "lengths of a byte");

struct table {
	_Alignas(64) _Atomic(uint64_t) next; /* number of the next request */
	_Alignas(64) _Atomic(int64_t) lost_us; /* latest arrival of those that were overwritten */
	int64_t     made_us;
	struct slot slot[];
};

/* One process's view of it; this struct itself is not shared. */
struct requests {
	struct table *table;
	size_t        kept;
};

static size_t
table_bytes(size_t kept)
{
	return sizeof(struct table) + kept * sizeof(struct slot);
}

struct requests *
requests_new(size_t kept)
{
	struct requests *r = must_alloc(sizeof(*r));
	int              fd = memory_open("clientele-requests", table_bytes(kept));
	void            *at = fd == -1 ? MAP_FAILED : mmap(NULL, table_bytes(kept),
	               PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED) {
		log_error("no shared memory: %s", strerror(errno));
		exit(EXIT_OS);
	}
	close(fd); /* nobody comes to it later */
	*r = (struct requests) { .table = at, .kept = kept };
	r->table->made_us = clock_wall_us();
	word_set(&r->table->lost_us, r->table->made_us);
	return r;
}

void
requests_free(struct requests *r)
{
	if (!r)
		return;
	munmap(r->table, table_bytes(r->kept));
	free(r);
}

static struct slot *
slot_of(const struct requests *r, uint64_t number)
{
	return &r->table->slot[number % r->kept];
}

/* Words of the text that has so many bytes. */
static size_t
words_of(size_t bytes)
{
	return TEXT + (bytes + 7) / 8;
}

static uint64_t
seal_of(uint64_t word[WORDS], size_t count)
{
	word[SEAL] = 0;
	return word_seal(word, count);
}

/* ---- writing */

/* Returns how many words it has. */
static size_t
pack(const struct requests_entry *e, uint64_t number, uint64_t word[WORDS])
{
	uint64_t took = e->took_us < 0 ? 0 : (uint64_t)e->took_us;
	size_t   id_bytes = e->id.len < REQUEST_ID_MAX_BYTES ? e->id.len : REQUEST_ID_MAX_BYTES;
	size_t   room = REQUESTS_TEXT_BYTES - id_bytes;
	size_t   path_bytes = e->path.len < room ? e->path.len : room;
	size_t   count = words_of(id_bytes + path_bytes);
	char    *text = (char *)&word[TEXT], *end;

	word[count - 1] = 0; /* for what is behind the text in its last word */
	end = str_put(text, (struct str) { e->id.ptr, id_bytes });
	end = str_put(end, (struct str) { e->path.ptr, path_bytes });
	if (path_bytes < e->path.len)
		str_put(end - REQUESTS_CUT.len, REQUESTS_CUT);
	word[NUMBER] = number + 1;
	memcpy(&word[ENVIRONMENT], e->environment.b, ID_BYTES);
	memcpy(&word[ACTOR], e->actor.b, ID_BYTES);
	word[ARRIVED] = (uint64_t)e->arrived_us;
	word[FIGURES] = (took < UINT32_MAX ? took : UINT32_MAX)
	    | (uint64_t)(e->status & 0xffff) << 32 | (uint64_t)(e->error & 0xffff) << 48;
	word[KINDS] = (e->method & 0xff) | (uint64_t)(e->version & 0xff) << 8
	    | (uint64_t)e->user << 16 | (uint64_t)id_bytes << 24 | (uint64_t)path_bytes << 32;
	word[SEAL] = seal_of(word, count);
	return count;
}

/* Before it is seen that the request is gone. */
static void
lose(struct table *t, int64_t arrived_us)
{
	int64_t latest = word_get(&t->lost_us);

	while (latest < arrived_us
	    && !atomic_compare_exchange_weak_explicit(&t->lost_us, &latest, arrived_us,
		memory_order_release, memory_order_relaxed))
		continue;
}

void
requests_add(struct requests *r, const struct requests_entry *e)
{
	struct table *t = r->table;
	uint64_t      number = atomic_fetch_add_explicit(&t->next, 1, memory_order_relaxed);
	struct slot  *s = slot_of(r, number);
	uint64_t      word[WORDS];
	size_t        count;

	/* This process was asleep for as long as all others took for a whole round. */
	if (word_get(&s->word[NUMBER]) > number + 1) {
		lose(t, e->arrived_us);
		return;
	}
	count = pack(e, number, word);
	lose(t, (int64_t)word_get(&s->word[ARRIVED]));
	atomic_store_explicit(&s->word[NUMBER], 0, memory_order_release);
	atomic_thread_fence(memory_order_release);
	for (size_t i = ENVIRONMENT; i < count; i++)
		word_set(&s->word[i], word[i]);
	atomic_store_explicit(&s->word[NUMBER], word[NUMBER], memory_order_release);
}

/* ---- reading */

uint64_t
requests_end(const struct requests *r)
{
	return atomic_load_explicit(&r->table->next, memory_order_relaxed);
}

int64_t
requests_since_us(const struct requests *r)
{
	return atomic_load_explicit(&r->table->lost_us, memory_order_acquire);
}

uint64_t
requests_mark(const struct requests *r)
{
	return (uint64_t)r->table->made_us;
}

/* The id and the path of words that have a seal. */
static bool
read_text(const uint64_t word[WORDS], struct requests_entry *out,
    char text[REQUESTS_TEXT_BYTES])
{
	size_t id_bytes = word[KINDS] >> 24 & 0xff, bytes = id_bytes + (word[KINDS] >> 32 & 0xff);

	memcpy(text, &word[TEXT], bytes);
	for (size_t i = 0; i < bytes; i++)
		if (!str_is_visible(text[i]))
			return false;
	out->id = (struct str) { text, id_bytes };
	out->path = (struct str) { text + id_bytes, bytes - id_bytes };
	return true;
}

/* False: it is not there as a whole, or not any more. */
static bool
read_slot(const struct slot *s, uint64_t number, struct requests_entry *out,
    char text[REQUESTS_TEXT_BYTES])
{
	uint64_t word[WORDS], seal, kinds = word_get(&s->word[KINDS]);
	size_t   bytes = (kinds >> 24 & 0xff) + (kinds >> 32 & 0xff), count;

	if (bytes > REQUESTS_TEXT_BYTES)
		return false;
	count = words_of(bytes);
	for (size_t i = ENVIRONMENT; i < count; i++)
		word[i] = word_get(&s->word[i]);
	atomic_thread_fence(memory_order_acquire);
	word[NUMBER] = word_get(&s->word[NUMBER]);
	seal = word[SEAL];
	if (word[NUMBER] != number + 1 || word[KINDS] != kinds || seal_of(word, count) != seal)
		return false;
	memcpy(out->environment.b, &word[ENVIRONMENT], ID_BYTES);
	memcpy(out->actor.b, &word[ACTOR], ID_BYTES);
	out->arrived_us = (int64_t)word[ARRIVED];
	out->took_us = (int64_t)(word[FIGURES] & UINT32_MAX);
	out->status = (uint16_t)(word[FIGURES] >> 32);
	out->error = (uint16_t)(word[FIGURES] >> 48);
	out->method = (uint8_t)word[KINDS];
	out->version = (uint8_t)(word[KINDS] >> 8);
	out->user = word[KINDS] >> 16 & 1;
	return read_text(word, out, text);
}

/* A look at what is in one line of the cache. */
static bool
seems_to_be(const struct slot *s, uint64_t number, const uint64_t environment[2])
{
	const _Atomic(uint64_t) *word = s->word;

	if (atomic_load_explicit(&word[NUMBER], memory_order_acquire) != number + 1)
		return false;
	return word_get(&word[ENVIRONMENT]) == environment[0]
	    && word_get(&word[ENVIRONMENT + 1]) == environment[1];
}

bool
requests_find(const struct requests *r, const struct id *environment, uint64_t *before,
    struct requests_entry *out, char text[REQUESTS_TEXT_BYTES])
{
	uint64_t end = requests_end(r), oldest = end > r->kept ? end - r->kept : 0, wanted[2];

	memcpy(wanted, environment->b, sizeof(wanted));
	if (*before > end)
		*before = end;
	while (*before > oldest) {
		uint64_t           number = --*before;
		const struct slot *s = slot_of(r, number);

		if (seems_to_be(s, number, wanted) && read_slot(s, number, out, text)
		    && id_eq(&out->environment, environment))
			return true;
	}
	return false;
}
