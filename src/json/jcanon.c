/* Canonical JSON. */
#include "json/jcanon.h"
#include "base/sort.h"
#include "json/jwrite.h"

#include <assert.h>

struct writer {
	struct arena      *arena;
	const struct jdoc *doc;
	char              *end;
};

struct pair {
	struct str          key; /* unescaped */
	const struct jnode *value;
};

static void
put(struct writer *w, struct str s)
{
	w->end = str_put(w->end, s);
}

/* The shortest escapes, and only where JSON demands one: never longer than another spelling. */
static void
put_string(struct writer *w, struct str s)
{
	*w->end++ = '"';
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if ((unsigned char)c < ' ' || c == '"' || c == '\\')
			w->end += jout_escape(w->end, c);
		else
			*w->end++ = c;
	}
	*w->end++ = '"';
}

static int
by_key(const void *a, const void *b)
{
	return str_cmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

static void
sort_pairs(struct writer *w, struct pair *pairs, size_t count)
{
	enum { FEW = 16 };

	if (count > FEW) {
		sort(pairs, count, sizeof(*pairs), by_key, ARENA_NEW(w->arena, struct pair, count));
		return;
	}
	for (size_t i = 1; i < count; i++)
		for (size_t k = i; k > 0 && str_cmp(pairs[k].key, pairs[k - 1].key) < 0; k--) {
			struct pair swap = pairs[k];

			pairs[k] = pairs[k - 1];
			pairs[k - 1] = swap;
		}
}

static void put_value(struct writer *w, const struct jnode *n);

static void
put_object(struct writer *w, const struct jnode *object)
{
	struct pair *pairs = ARENA_NEW(w->arena, struct pair, object->size), *p = pairs;

	for (const struct jnode *n = jread_first(w->doc, object); n; n = jread_next(w->doc, n), p++)
		*p = (struct pair) { jread_key(w->arena, w->doc, n), n };
	sort_pairs(w, pairs, object->size);
	*w->end++ = '{';
	for (size_t i = 0; i < object->size; i++) {
		if (i > 0)
			*w->end++ = ',';
		if (pairs[i].value->key_escaped) {
			put_string(w, pairs[i].key);
		} else {
			put(w, STR("\""));
			put(w, pairs[i].key);
			put(w, STR("\""));
		}
		*w->end++ = ':';
		put_value(w, pairs[i].value);
	}
	*w->end++ = '}';
}

static void
put_array(struct writer *w, const struct jnode *array)
{
	*w->end++ = '[';
	for (const struct jnode *n = jread_first(w->doc, array); n; n = jread_next(w->doc, n)) {
		if (n != jread_first(w->doc, array))
			*w->end++ = ',';
		put_value(w, n);
	}
	*w->end++ = ']';
}

/* Recurses no deeper than the document, whose depth the reader has bounded. */
static void
put_value(struct writer *w, const struct jnode *n)
{
	if (n->type == JTYPE_OBJECT)
		put_object(w, n);
	else if (n->type == JTYPE_ARRAY)
		put_array(w, n);
	else if (n->type == JTYPE_STRING && n->escaped)
		put_string(w, jread_string(w->arena, w->doc, n));
	else /* canonical already */
		put(w, jread_raw(w->doc, n));
}

struct str
jcanon_text(struct arena *a, const struct jdoc *doc)
{
	char         *text = ARENA_NEW(a, char, doc->text.len + 1);
	struct writer w = { a, doc, text };

	put_value(&w, doc->nodes);
	assert((size_t)(w.end - text) <= doc->text.len);
	return (struct str) { text, (size_t)(w.end - text) };
}
