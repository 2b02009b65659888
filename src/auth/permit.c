/* What an API key or a user may do. */
#include "auth/permit.h"
#include "call/ignored.h"

#include <assert.h>

enum { READ, WRITE, ACTIONS };

/* No permission: only PERMIT_ALL has it. */
#define LAST_BIT (UINT64_C(1) << 62)

static const char *const actions[ACTIONS] = { [READ] = "read", [WRITE] = "write" };

static const char *resources[PERMIT_RESOURCES_MAX];
static size_t      resources_count;

_Static_assert(PERMIT_RESOURCES_MAX * ACTIONS <= 62, "permissions without a bit");
_Static_assert(READ == 0 && ACTIONS == 2 && PERMIT_READS == (LAST_BIT - 1) / 3, "bits of reading");

static uint64_t
bit(size_t resource, int action)
{
	return UINT64_C(1) << (resource * ACTIONS + (unsigned)action);
}

uint64_t
permit_needs(const char *resource, const struct route *route)
{
	bool   reads = route->method == METHOD_GET || route->flags & ROUTE_ASKS;
	size_t r = 0;

	if (route->flags & (ROUTE_PUBLIC | ROUTE_PERSONAL))
		return 0;
	if (route->flags & ROUTE_PEOPLE)
		return PERMIT_PEOPLE;
	if (route->flags & ROUTE_ALL)
		return PERMIT_ALL;
	while (r < resources_count && strcmp(resources[r], resource) != 0)
		r++;
	assert(r < PERMIT_RESOURCES_MAX);
	if (r == resources_count)
		resources[resources_count++] = resource;
	return bit(r, reads ? READ : WRITE);
}

/* As client libraries may write a name that is a key of a map: big_thing is bigThing, too. */
static bool
is_named(struct str text, const char *name)
{
	for (size_t i = 0; i < text.len; i++) {
		char upper = *name == '_' ? (char)(name[1] - 'a' + 'A') : *name;

		if (!*name || (text.ptr[i] != *name && text.ptr[i] != upper))
			return false;
		name += text.ptr[i] == *name ? 1 : 2;
	}
	return !*name;
}

static bool
find_resource(struct str name, size_t *out)
{
	for (*out = 0; *out < resources_count; ++*out)
		if (is_named(name, resources[*out]))
			return true;
	return false;
}

static uint64_t
find(size_t resource, struct str action)
{
	for (int a = 0; a < ACTIONS; a++)
		if (str_is(action, actions[a]))
			return bit(resource, a);
	return 0;
}

static bool
has_write_alone(uint64_t set, size_t *resource)
{
	for (size_t r = 0; r < resources_count; r++)
		if ((set & bit(r, WRITE)) && !(set & bit(r, READ))) {
			*resource = r;
			return true;
		}
	return false;
}

/* ---- reading */

static const char not_actions[] = "must be an array of \"read\" and \"write\"";

static uint64_t
read_actions(struct call *c, const char *field, const struct jdoc *doc, const struct jnode *array,
    size_t resource)
{
	uint64_t set = 0, one;
	size_t   without;

	for (const struct jnode *n = jread_first(doc, array); n; n = jread_next(doc, n)) {
		one = n->type == JTYPE_STRING
		    ? find(resource, jread_string(c->arena, doc, n)) : 0;
		if (!one) {
			call_field(c, field, not_actions);
			return 0;
		}
		set |= one;
	}
	if (has_write_alone(set, &without))
		call_field(c, field,
		    "must have \"read\" beside \"write\": what is written is shown");
	return set;
}

uint64_t
permit_read(struct call *c, const char *field, const struct jdoc *doc, const struct jnode *object)
{
	uint64_t set = 0;
	size_t   resource;

	for (const struct jnode *n = jread_first(doc, object); n; n = jread_next(doc, n)) {
		struct str  name = jread_key(c->arena, doc, n);
		const char *at = arena_fmt(c->arena, "%s.%s", field, ignored_shown(c, name)).ptr;

		if (n->type == JTYPE_NULL)
			continue;
		if (!find_resource(name, &resource))
			call_field(c, at, arena_fmt(c->arena,
			    "is no resource of this service, which has %s",
			    permit_names(c->arena).ptr).ptr);
		else if (n->type != JTYPE_ARRAY)
			call_field(c, at, not_actions);
		else
			set |= read_actions(c, at, doc, n, resource);
	}
	return set;
}

bool
permit_parse(struct str text, uint64_t *out, struct str *fault)
{
	struct str rest = text;
	size_t     resource;

	*out = 0;
	if (str_is(text, "none"))
		return true;
	while (rest.ptr) {
		struct str action = str_cut(&rest, ','), name;
		uint64_t   one;

		*fault = action = str_trim(action);
		name = str_cut(&action, ':');
		if (!action.ptr || !find_resource(name, &resource)
		    || !(one = find(resource, action)))
			return false;
		*out |= one;
	}
	if (!has_write_alone(*out, &resource))
		return true;
	*fault = str_of(resources[resource]);
	return false;
}

uint64_t
permit_stored(struct arena *a, struct str json)
{
	static const struct jlimits limits = { 2, PERMIT_RESOURCES_MAX * (ACTIONS + 1) + 1 };
	struct jread_error          why;
	struct jdoc                 doc;
	uint64_t                    set = 0;
	size_t                      resource;

	if (!json.ptr)
		return PERMIT_ALL;
	if (!jread_parse(a, json, &limits, &doc, &why))
		return 0;
	for (const struct jnode *n = jread_first(&doc, doc.nodes); n; n = jread_next(&doc, n)) {
		if (!find_resource(jread_key(a, &doc, n), &resource))
			continue;
		for (const struct jnode *v = jread_first(&doc, n); v; v = jread_next(&doc, v))
			if (v->type == JTYPE_STRING)
				set |= find(resource, jread_string(a, &doc, v));
	}
	return set;
}

/* ---- writing */

struct str
permit_names(struct arena *a)
{
	struct str text = STR("");

	for (size_t r = 0; r < resources_count; r++)
		text = arena_fmt(a, "%s%s%s", text.ptr, r ? ", " : "", resources[r]);
	return text;
}

struct str
permit_json(struct arena *a, uint64_t set)
{
	struct str text = STR("{");

	if (set == PERMIT_ALL)
		return STR_NONE;
	for (size_t r = 0; r < resources_count; r++) {
		bool reads = set & bit(r, READ), writes = set & bit(r, WRITE);

		if (reads || writes)
			text = arena_fmt(a, "%s%s\"%s\":[%s%s%s]", text.ptr,
			    text.len > 1 ? "," : "", resources[r], reads ? "\"read\"" : "",
			    reads && writes ? "," : "", writes ? "\"write\"" : "");
	}
	return arena_fmt(a, "%s}", text.ptr);
}

/* "thing:read" */
static struct str
name_first(const struct call *c, uint64_t set)
{
	if (set & PERMIT_PEOPLE)
		return arena_fmt(c->arena, "%s:write", c->resource->name);
	for (size_t r = 0; r < resources_count; r++)
		for (int action = 0; action < ACTIONS; action++)
			if (set & bit(r, action))
				return arena_fmt(c->arena, "%s:%s", resources[r], actions[action]);
	return STR_NONE;
}

enum err
permit_refuse(struct call *c, const char *param, uint64_t missing)
{
	struct str name = name_first(c, missing);
	bool       user = !id_is_nil(&c->tenant.user);

	if (user)
		param = NULL;
	if (missing & LAST_BIT)
		return call_fail(c, ERR_FORBIDDEN, param, user
		    ? "This call takes an owner or an admin of the organization."
		    : "This call takes an API key that has all permissions.");
	c->problem.facts = arena_fmt(c->arena, "{\"permission\":\"%s\"}", name.ptr);
	return call_fail(c, ERR_FORBIDDEN, param, arena_fmt(c->arena, user
	    ? "Your role in the organization lacks the permission %s."
	    : "This API key lacks the permission %s.", name.ptr).ptr);
}
