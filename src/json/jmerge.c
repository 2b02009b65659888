/* JSON merge patches. */
#include "json/jmerge.h"

struct merger {
	struct arena      *arena;
	const struct jdoc *target, *patch;
	char              *end;
};

static void
put(struct merger *m, struct str s)
{
	m->end = str_put(m->end, s);
}

/* The name as it came, with a comma before it unless it is the first of its object. */
static void
put_key(struct merger *m, const struct jdoc *doc, const struct jnode *n)
{
	if (m->end[-1] != '{')
		put(m, STR(","));
	put(m, STR("\""));
	put(m, (struct str) { doc->text.ptr + n->key, n->key_len });
	put(m, STR("\":"));
}

/* to is NULL, or not an object: there is nothing to merge with. */
static void
put_merged(struct merger *m, const struct jnode *to, const struct jnode *by)
{
	if (by->type != JTYPE_OBJECT) {
		put(m, jread_raw(m->patch, by));
		return;
	}
	if (to && to->type != JTYPE_OBJECT)
		to = NULL;
	put(m, STR("{"));
	for (const struct jnode *n = to ? jread_first(m->target, to) : NULL; n;
	    n = jread_next(m->target, n)) {
		const struct jnode *change = jread_member(m->patch, by,
		    jread_key(m->arena, m->target, n));

		if (change && change->type == JTYPE_NULL)
			continue;
		put_key(m, m->target, n);
		if (change)
			put_merged(m, n, change);
		else
			put(m, jread_raw(m->target, n));
	}
	for (const struct jnode *n = jread_first(m->patch, by); n; n = jread_next(m->patch, n)) {
		struct str key = jread_key(m->arena, m->patch, n);

		if (n->type == JTYPE_NULL || (to && jread_member(m->target, to, key)))
			continue;
		put_key(m, m->patch, n);
		put_merged(m, NULL, n);
	}
	put(m, STR("}"));
}

struct str
jmerge_text(struct arena *a, const struct jdoc *target, const struct jdoc *patch,
    const struct jnode *by)
{
	size_t        size = (target ? target->text.len : 0) + patch->text.len;
	char         *text = ARENA_NEW(a, char, size + 1);
	struct merger m = { a, target, patch, text };

	put_merged(&m, target ? target->nodes : NULL, by);
	return (struct str) { text, (size_t)(m.end - text) };
}
