/* What the strict reader accepts, json-c accepts too, and its index is sound. */
#include "fuzz.h"
#include "base/utf8.h"
#include "json/jread.h"

#include <json-c/json_object.h>
#include <json-c/json_tokener.h>

enum {
	DEPTH = 32,
	VALUES = 2000,
	REPARSE_BYTES = 1 << 16, /* in all, so that large inputs stay fast */
};

static const struct jlimits limits = { DEPTH, VALUES };

static void
json_c_accepts(struct arena *a, struct str text)
{
	struct json_tokener *t = json_tokener_new_ex(DEPTH * 2);
	struct json_object  *o;

	CHECK(t);
	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* With the NUL, or a number at the top would wait for more digits. */
	o = json_tokener_parse_ex(t, arena_str(a, text).ptr, (int)text.len + 1);
	CHECK(json_tokener_get_error(t) == json_tokener_success);
	json_object_put(o);
	json_tokener_free(t);
}

static void
children_fit(struct arena *a, const struct jdoc *doc, const struct jnode *n)
{
	size_t   end = n->start + 1;
	uint32_t size = 0;
	uint32_t values = 1;
	unsigned height = n->type == JTYPE_ARRAY || n->type == JTYPE_OBJECT;

	for (const struct jnode *c = jread_first(doc, n); c; c = jread_next(doc, c)) {
		CHECK(c == n + values);
		if (n->type == JTYPE_OBJECT) {
			struct str key = jread_key(a, doc, c);

			CHECK(c->key > end && c->key + c->key_len < c->start);
			CHECK(utf8_valid(key) && !memchr(key.ptr, 0, key.len));
			if (n->size < 64)
				CHECK(jread_member(doc, n, key) == c);
		} else {
			CHECK(c->key == 0 && c->key_len == 0);
		}
		CHECK(c->start >= end);
		end = (size_t)c->start + c->len;
		size++;
		values += c->values;
		if (height < c->height + 1u)
			height = c->height + 1u;
	}
	CHECK(end < (size_t)n->start + n->len || !height);
	CHECK(n->size == size && n->values == values && n->height == height);
}

static void
index_is_sound(struct arena *a, const struct jdoc *doc)
{
	size_t budget = REPARSE_BYTES;

	CHECK(doc->count == doc->nodes[0].values && doc->count <= VALUES);
	CHECK(doc->nodes[0].next == 0 && doc->nodes[0].height <= DEPTH);
	for (size_t i = 0; i < doc->count; i++) {
		const struct jnode *n = &doc->nodes[i];
		struct str          raw = jread_raw(doc, n);
		struct jread_error  why;
		struct jdoc         part;

		CHECK(n->len > 0 && n->start + (size_t)n->len <= doc->text.len);
		children_fit(a, doc, n);
		if (n->type == JTYPE_STRING) {
			struct str s = jread_string(a, doc, n);

			CHECK(utf8_valid(s) && !memchr(s.ptr, 0, s.len) && s.len <= raw.len - 2);
		}
		if (raw.len > budget)
			continue;
		budget -= raw.len;
		CHECK(jread_parse(a, raw, &limits, &part, &why));
		CHECK(part.count == n->values && part.nodes[0].height == n->height);
		CHECK(part.nodes[0].type == n->type && part.nodes[0].len == n->len);
	}
}

/* Up to its first fault, a text is whole or ends too early, but is not wrong. */
static void
fault_is_the_first(struct arena *a, struct str text, const struct jread_error *fault)
{
	struct str         before = { text.ptr, fault->offset };
	struct jread_error why;
	struct jdoc        doc;

	CHECK(fault->what && fault->offset <= text.len);
	CHECK((fault->offset == text.len) == str_is(str_of(fault->what), "an unexpected end"));
	if (!jread_parse(a, before, &limits, &doc, &why))
		CHECK(why.offset == before.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str         text = { (const char *)data, size };
	struct jread_error why;
	struct jdoc        doc;
	struct arena       a;

	arena_init(&a);
	if (jread_parse(&a, text, &limits, &doc, &why)) {
		index_is_sound(&a, &doc);
		json_c_accepts(&a, text);
	} else {
		fault_is_the_first(&a, text, &why);
	}
	arena_fini(&a);
	return 0;
}
