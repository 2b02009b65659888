/* What one tenant may have of a worker. */
#include "call/share.h"

#include <string.h>

uint64_t
share_tag(const struct id *environment)
{
	uint64_t tag;

	/* The end: the beginning of an identifier is a time. */
	memcpy(&tag, environment->b + ID_BYTES - sizeof(tag), sizeof(tag));
	return tag ? tag : 1;
}

static void
note_tenant(struct share *s, uint64_t tag, int64_t now_ms)
{
	if (s->last_tag && s->last_tag != tag)
		s->mixed_ms = now_ms;
	s->last_tag = tag;
}

static size_t
held(const struct share *s, uint64_t tag, int64_t now_ms)
{
	size_t n = 0;

	for (size_t i = 0; i < s->places; i++)
		n += s->place[i].tag == tag && now_ms - s->place[i].since_ms >= SHARE_HELD_MS;
	return n;
}

/* How many places a tenant may hold now. */
static size_t
allowed(const struct share *s, int64_t now_ms)
{
	size_t most = s->places * (size_t)s->percent / 100;

	if (s->percent == 100 || !s->mixed_ms || now_ms - s->mixed_ms >= SHARE_KNOWN_MS)
		return SIZE_MAX;
	return most ? most : 1;
}

bool
share_begin(struct share *s, size_t place, uint64_t tag, int64_t now_ms)
{
	size_t most;

	note_tenant(s, tag, now_ms);
	most = allowed(s, now_ms);
	if (most != SIZE_MAX && held(s, tag, now_ms) >= most)
		return false;
	s->place[place] = (struct share_place) { tag, now_ms };
	return true;
}

int
share_overstayer(const struct share *s, int64_t now_ms)
{
	size_t most = allowed(s, now_ms);
	int    last = -1;

	for (size_t i = 0; most != SIZE_MAX && i < s->places; i++) {
		const struct share_place *p = &s->place[i];

		if (p->tag && now_ms - p->since_ms >= SHARE_HELD_MS
		    && (last == -1 || p->since_ms > s->place[last].since_ms)
		    && held(s, p->tag, now_ms) > most)
			last = (int)i;
	}
	return last;
}

void
share_end(struct share *s, size_t place)
{
	s->place[place].tag = 0;
}

void
share_count(const struct share *s, unsigned *tenants, unsigned *largest)
{
	*tenants = *largest = 0;
	for (size_t i = 0; i < s->places; i++) {
		unsigned n = 0;
		bool     first = s->place[i].tag != 0;

		for (size_t k = 0; k < s->places && s->place[i].tag; k++) {
			n += s->place[k].tag == s->place[i].tag;
			first &= k >= i || s->place[k].tag != s->place[i].tag;
		}
		*tenants += first;
		*largest = n > *largest ? n : *largest;
	}
}
