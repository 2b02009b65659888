/* Merge patches by the tables of fields. */
#include "call/merge.h"
#include "base/limits.h"
#include "call/body.h"
#include "json/jmerge.h"

/* The row that takes a member of this name, or NULL. */
static const struct field_in *
find_row(const struct call *c, const struct fields *f, struct str key)
{
	for (size_t i = 0; i < f->in_count; i++)
		if (str_is(key, f->in[i].name) && !(f->in[i].flags & FIELD_CREATE_ONLY)
		    && version_has(c->version, f->in[i].since, f->in[i].until))
			return &f->in[i];
	return NULL;
}

static bool
is_merged(const struct field_in *in)
{
	return in->type == FIELD_OBJECT || in->type == FIELD_METADATA;
}

/* What has more values than it may have, and as many nulls, is refused without being merged. */
static bool
to_merge(const struct field_in *in, const struct jnode *n)
{
	return in && is_merged(in) && n->type == JTYPE_OBJECT
	    && n->values <= 2 * METADATA_VALUES_MAX + 1;
}

/* The present object of a row, merged with what is given for it. */
static struct str
merged(struct call *c, const struct field_in *in, const void *present, const struct jdoc *doc,
    const struct jnode *n)
{
	static const struct jlimits limits = { JSON_DEPTH_MAX, JSON_VALUES_MAX };
	struct str                  now = *(const struct str *)((const char *)present + in->at);
	struct jread_error          why;
	struct jdoc                 target;

	if (!now.ptr || !jread_parse(c->arena, now, &limits, &target, &why))
		return jmerge_text(c->arena, NULL, doc, n);
	return jmerge_text(c->arena, &target, doc, n);
}

/*
 * Takes the member of a row away, if there can be none. Another spelling may have taken it away
 * already.
 */
static void
clear(struct call *c, const struct fields *f, const struct field_in *in, void *change)
{
	struct str *at = (struct str *)((char *)change + in->at);
	unsigned   *given = (unsigned *)((char *)change + f->given_at);
	bool        before = *given & 1u << in->member;

	if (before && in->flags & FIELD_FALLBACK)
		return;
	if (in->type != FIELD_METADATA && !(in->flags & FIELD_CLEARED))
		call_field(c, in->name, "cannot be taken away");
	else if (before && at->ptr)
		call_field(c, in->name, "is given twice with different values");
	else
		*at = in->type == FIELD_METADATA ? STR("{}") : STR_NONE;
	*given |= 1u << in->member;
}

/* The body with merged objects, and without what is null. */
static struct str
flatten(struct call *c, const struct fields *f, const void *present, const struct jdoc *doc)
{
	size_t size = doc->text.len + 2;
	char  *text, *end;

	for (size_t i = 0; i < f->in_count; i++)
		if (is_merged(&f->in[i]))
			size += ((const struct str *)((const char *)present + f->in[i].at))->len;
	text = end = ARENA_NEW(c->arena, char, size);
	*end++ = '{';
	for (const struct jnode *n = jread_first(doc, doc->nodes); n; n = jread_next(doc, n)) {
		struct str             key = jread_key(c->arena, doc, n);
		const struct field_in *in = find_row(c, f, key);

		if (n->type == JTYPE_NULL && in)
			continue;
		end = str_put(end, end == text + 1 ? STR("\"") : STR(",\""));
		end = str_put(end, (struct str) { doc->text.ptr + n->key, n->key_len });
		end = str_put(end, STR("\":"));
		end = str_put(end, to_merge(in, n)
		    ? merged(c, in, present, doc, n) : jread_raw(doc, n));
	}
	*end++ = '}';
	return (struct str) { text, (size_t)(end - text) };
}

enum err
merge_read_body(struct call *c, const struct fields *f, const void *present, void *change)
{
	static const struct jlimits limits = { JSON_DEPTH_MAX + METADATA_DEPTH_MAX,
		2 * JSON_VALUES_MAX };
	const struct jdoc          *doc;
	struct jdoc                 flat;
	struct jread_error          why;
	struct faults               faults;
	enum err                    e = body_object(c, BODY_MAY_BE_EMPTY, &doc);

	if (e != ERR_OK)
		return e;
	if (!jread_parse(c->arena, flatten(c, f, present, doc), &limits, &flat, &why))
		return call_fail(c, ERR_VALIDATION, "body", "The patch makes too much of it.");
	field_read(c, f, &flat, flat.nodes, FIELD_UPDATE, change, &faults);
	for (size_t i = 0; i < faults.count; i++)
		call_field(c, faults.fault[i].field, faults.fault[i].message);
	for (const struct jnode *n = jread_first(doc, doc->nodes); n; n = jread_next(doc, n)) {
		const struct field_in *in = n->type == JTYPE_NULL
		    ? find_row(c, f, jread_key(c->arena, doc, n)) : NULL;

		if (in)
			clear(c, f, in, change);
	}
	return call_fields_done(c);
}
