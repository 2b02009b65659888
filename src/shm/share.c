/* Shares of the workers. */
#include "shm/share.h"
#include "base/clock.h"

#include <string.h>

/* The part of a tenant's share that requests of a kind may have. */
static const int64_t parts[SHARE__KINDS] = {
	[SHARE_QUICK] = 1,
	[SHARE_BULK] = 2,
	[SHARE_SCAN] = 4,
};

/* The half of an id that is random; never 0. */
static uint64_t
tag_of(const struct id *environment)
{
	uint64_t tag;

	memcpy(&tag, environment->b + ID_BYTES - sizeof(tag), sizeof(tag));
	return tag | 1;
}

/* ms since then; a time that is none, or lies ahead, was never. */
static int64_t
since(const _Atomic(int64_t) *word, int64_t now_ms)
{
	int64_t then = word_get(word);

	return then <= 0 || then > now_ms ? INT64_MAX : now_ms - then;
}

/* ---- what is in hand */

struct census {
	int64_t workers;
	int64_t busy;   /* with anybody's requests, this one among them */
	int64_t held;   /* of this environment before this one, for long */
	int64_t same;   /* of this environment before this one, of its kind */
};

static size_t
places_of(const struct share_table *t)
{
	uint32_t places = word_get(&t->places);

	return places < SHARE_ROWS ? places : SHARE_ROWS;
}

static struct census
take_census(const struct share *s, int64_t held_ms, int64_t now_ms)
{
	struct census n = { .workers = word_get(&s->table->workers), .busy = 1 };
	size_t        places = places_of(s->table);

	for (size_t i = 0; i < places; i++) {
		const struct share_row *row = &s->table->row[i];
		uint64_t                tag = word_get(&row->tag);
		int64_t                 age;

		if (tag == 0 || i == s->place)
			continue;
		n.busy++;
		age = since(&row->since_ms, now_ms);
		if (tag != s->tag || age == INT64_MAX)
			continue;
		/* Of two that began together, that of the lower place was first. */
		if (now_ms - age > s->since_ms || (now_ms - age == s->since_ms && i > s->place))
			continue;
		n.held += age >= held_ms;
		n.same += word_get(&row->kind) == s->kind;
	}
	return n;
}

static int64_t
at_least_one(int64_t n)
{
	return n > 1 ? n : 1;
}

static bool
is_over(const struct share *s, int64_t now_ms)
{
	int64_t       silent_ms = since(&s->table->mixed_ms, now_ms);
	bool          known = silent_ms < SHARE_KNOWN_MS, mixed = silent_ms < SHARE_MIXED_MS;
	struct census n = take_census(s, known ? SHARE_HELD_MS : SHARE_STUCK_MS, now_ms);
	int64_t       share = at_least_one(n.workers * s->percent / SHARE_ALL / parts[s->kind]);
	int64_t       all_but_one = at_least_one(n.workers - 1);
	bool          full = n.busy >= n.workers;

	if (n.workers == 0)
		return false;
	if (s->kind == SHARE_SCAN && known && (mixed || full)
	    && n.same >= (mixed ? share : all_but_one))
		return true;
	return full && (known || (s->waiting && word_get(s->waiting) > 0))
	    && n.held >= (mixed ? share : all_but_one);
}

/* ---- a request */

/* One word is read for it, and none written where there is only one tenant. */
static void
note_change(struct share_table *t, uint64_t tag, int64_t now_ms)
{
	uint64_t last = word_get(&t->last_tag);

	if (last == tag)
		return;
	word_set(&t->last_tag, tag);
	if (last)
		word_set(&t->mixed_ms, now_ms);
}

bool
share_begin(struct share *s, const struct id *environment, enum share_kind kind, bool waited)
{
	int64_t           now_ms = clock_mono_ms();
	struct share_row *row;

	if (s->percent >= SHARE_ALL)
		return true;
	row = &s->table->row[s->place];
	s->tag = tag_of(environment);
	s->kind = kind;
	s->since_ms = now_ms;
	note_change(s->table, s->tag, now_ms);
	if ((waited || kind != SHARE_QUICK || word_get(&s->table->mixed_ms))
	    && is_over(s, now_ms)) {
		share_end(s);
		return false;
	}
	word_set(&row->since_ms, now_ms);
	word_set(&row->kind, kind);
	word_set(&row->tag, s->tag);
	return true;
}

void
share_end(struct share *s)
{
	if (s->tag)
		word_set(&s->table->row[s->place].tag, 0);
	s->tag = 0;
}

bool
share_overstays(const struct share *s)
{
	return s->tag && is_over(s, clock_mono_ms());
}

/* ---- by others */

void
share_measure(struct share_table *t, unsigned workers, unsigned places)
{
	word_set(&t->workers, workers);
	word_set(&t->places, places);
}

void
share_clear(struct share_table *t, size_t place)
{
	if (place < SHARE_ROWS)
		word_set(&t->row[place].tag, 0);
}

void
share_read(const struct share_table *t, unsigned *environments, unsigned *largest)
{
	uint64_t tag[SHARE_ROWS];
	unsigned count[SHARE_ROWS];
	size_t   places = places_of(t);

	*environments = *largest = 0;
	for (size_t i = 0; i < places; i++) {
		uint64_t seen = word_get(&t->row[i].tag);
		size_t   at = 0;

		if (seen == 0)
			continue;
		while (at < *environments && tag[at] != seen)
			at++;
		if (at == *environments) {
			tag[at] = seen;
			count[at] = 0;
			(*environments)++;
		}
		if (++count[at] > *largest)
			*largest = count[at];
	}
}
