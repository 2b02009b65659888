/* What a client sent and the service does not look at. */
#include "call/ignored.h"
#include "call/page.h"

enum { NAMES_MAX = 12, NAME_MAX_BYTES = 40 };

struct ignored {
	size_t     count; /* of names that are kept */
	bool       more;
	struct str name[NAMES_MAX];
};

const char ignored_fault[] = "is not known here";

static bool
is_safe(char c)
{
	return str_is_alnum(c) || (c && strchr("-._[]", c));
}

static struct str
safe(struct call *c, struct str name)
{
	size_t len = name.len < NAME_MAX_BYTES ? name.len : NAME_MAX_BYTES;
	char  *text;

	if (len == 0)
		return STR("?");
	text = ARENA_NEW(c->arena, char, len + 1);
	for (size_t i = 0; i < len; i++)
		text[i] = is_safe(name.ptr[i]) ? name.ptr[i] : '?';
	return (struct str) { text, len };
}

const char *
ignored_shown(struct call *c, struct str name)
{
	return safe(c, name).ptr;
}

static void
keep(struct call *c, struct str name)
{
	struct ignored *all = c->ignored;

	if (!all)
		all = c->ignored = ARENA_NEW(c->arena, struct ignored, 1);
	for (size_t i = 0; i < all->count; i++)
		if (str_eq(all->name[i], name))
			return;
	if (all->count == NAMES_MAX)
		all->more = true;
	else
		all->name[all->count++] = name;
}

const char *
ignored_add(struct call *c, struct str name)
{
	name = safe(c, name);
	if (c->prefer & PREFER_STRICT)
		return name.ptr;
	keep(c, name);
	return NULL;
}

bool
ignored_enough(const struct call *c)
{
	return c->ignored && c->ignored->more;
}

enum err
ignored_query(struct call *c)
{
	for (size_t i = 0; i < c->query.count; i++) {
		struct str  name = c->query.parameter[i].name;
		const char *refused = page_knows(c, name) ? NULL : ignored_add(c, name);

		if (refused)
			call_field(c, refused, ignored_fault);
	}
	return call_fields_done(c);
}

struct str
ignored_text(struct call *c)
{
	const struct ignored *all = c->ignored;
	char                 *text, *end;

	if (!all)
		return STR_NONE;
	text = end = ARENA_NEW(c->arena, char, NAMES_MAX * (NAME_MAX_BYTES + 2) + 5);
	for (size_t i = 0; i < all->count; i++) {
		end = str_put(end, i ? STR(", ") : STR(""));
		end = str_put(end, all->name[i]);
	}
	if (all->more)
		end = str_put(end, STR(", ..."));
	return (struct str) { text, (size_t)(end - text) };
}
