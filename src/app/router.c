/* Finds the route of a request's method and path. */
#include "app/router.h"
#include "app/endpoints.h"
#include "app/resources.h"
#include "auth/permit.h"
#include "shm/stats.h"

#include <assert.h>

/* Where the API can be found; the first one that fits counts. Some old clients leave out /api. */
static const struct {
	struct str prefix;
	bool       legacy;
} bases[] = {
	{ STR("/api/v1"), false },
	{ STR("/api"), true },
	{ STR("/v1"), false },
	{ STR(""), true },
};

/* A route with its pattern split at the slashes. An absent segment stands for a parameter. */
struct rule {
	const struct route    *route;
	const struct resource *resource;
	bool                   site; /* a page at the root of the site */
	uint64_t               needs;
	size_t                 count, params;
	struct str             segment[PATH_SEGMENTS_MAX];
};

static struct rule rules[STATS_NO_ROUTE];
static uint32_t    rules_count;

static struct rule
split(const struct route *route, const struct resource *resource)
{
	struct rule rule = { .route = route, .resource = resource };

	rule.site = route->pattern[0] == '/';
	rule.needs = permit_needs(resource->name, route);
	for (struct str rest = str_of(route_text(route)); rest.len;) {
		struct str segment = str_cut(&rest, '/');

		assert(rule.count < PATH_SEGMENTS_MAX);
		if (segment.ptr[0] == '{') {
			assert(rule.params < PATH_PARAMETERS_MAX);
			rule.params++;
			segment = STR_NONE;
		}
		rule.segment[rule.count++] = segment;
	}
	return rule;
}

void
router_init(void)
{
	const struct route *route;

	for (rules_count = 0; (route = route_at(rules_count)); rules_count++) {
		assert(rules_count < COUNTOF(rules));
		rules[rules_count] = split(route, route_owner(rules_count));
	}
}

struct str
router_base(struct call *c)
{
	struct str target = c->req->uri, rest = target;

	for (size_t i = 0; i < COUNTOF(bases); i++) {
		struct str prefix = bases[i].prefix;

		if (!str_starts(target, prefix))
			continue;
		rest = (struct str) { target.ptr + prefix.len, target.len - prefix.len };
		c->legacy_path = bases[i].legacy;
		c->base = prefix;
		if (rest.len == 0 || rest.ptr[0] == '/' || rest.ptr[0] == '?')
			break;
	}
	return rest;
}

static bool
matches(const struct rule *rule, const struct path *path, struct str param[PATH_PARAMETERS_MAX])
{
	size_t params = 0;

	if (rule->count != path->count)
		return false;
	for (size_t i = 0; i < rule->count; i++) {
		if (!rule->segment[i].ptr)
			param[params++] = path->segment[i];
		else if (!str_eq(rule->segment[i], path->segment[i]))
			return false;
	}
	return true;
}

static struct str
print_methods(struct call *c, unsigned methods)
{
	struct str text = STR("");

	for (enum method m = 0; m < METHOD_OTHER; m++)
		if (methods & 1u << m)
			text = arena_fmt(c->arena, "%s%s%s", text.ptr, text.len ? ", " : "",
			    method_names[m]);
	return text;
}

static enum err
found(struct call *c, uint32_t i)
{
	c->route = rules[i].route;
	c->resource = rules[i].resource;
	c->needs = rules[i].needs;
	c->facts->route = i;
	return ERR_OK;
}

/* Client libraries do not escape the ids that they put into paths: "a/b" is two segments. */
static bool
matches_with_slashes(const struct rule *rule, struct call *c)
{
	struct path head = c->path;

	head.count = rule->count;
	if (!(rule->route->flags & ROUTE_SLASHES) || c->path.count <= rule->count
	    || !matches(rule, &head, c->param))
		return false;
	c->param[rule->params - 1] = query_rest(c->arena, router_base(c), rule->count - 1);
	return true;
}

static enum err
not_served(struct call *c, const struct endpoint *known)
{
	return call_fail(c, ERR_NOT_AVAILABLE, NULL, arena_fmt(c->arena,
	    "This part of the API is not served here: %s.", known->resource).ptr);
}

/* For a path that is no route's, or none of the version's. */
static bool
find_with_slashes(struct call *c, enum method method)
{
	for (uint32_t i = 0; i < rules_count; i++)
		if (rules[i].route->method == method && matches_with_slashes(&rules[i], c))
			return found(c, i) == ERR_OK;
	return false;
}

static enum err
find_otherwise(struct call *c, enum method method)
{
	const struct endpoint *known = endpoint_find(&c->path);

	if (known)
		return not_served(c, known);
	return find_with_slashes(c, method)
	    ? ERR_OK : call_fail(c, ERR_NOT_FOUND, NULL, "There is nothing at this path.");
}

/* The parameter of a page is a secret, and has no underscore, as all ids of the API have. */
static bool
is_secret(struct str segment)
{
	return !memchr(segment.ptr, '_', segment.len);
}

/*
 * Among pages or calls that a version has: the first that fits, or rules_count; *allowed: methods
 * of those that do.
 */
static uint32_t
find_rule(struct call *c, enum version v, enum method method, unsigned *allowed)
{
	*allowed = 0;
	for (uint32_t i = 0; i < rules_count; i++) {
		const struct rule *rule = &rules[i];

		if (rule->site != c->site || rule->route->since > v
		    || !matches(rule, &c->path, c->param)
		    || (c->site && !is_secret(c->param[rule->params - 1])))
			continue;
		if (rule->route->method == method)
			return i;
		*allowed |= 1u << rule->route->method;
		if (rule->route->method == METHOD_GET)
			*allowed |= 1u << METHOD_HEAD;
	}
	return rules_count;
}

/* HEAD is what GET is. */
static enum method
method_of(const struct call *c)
{
	return c->req->method == METHOD_HEAD ? METHOD_GET : c->req->method;
}

static enum err
refuse_method(struct call *c, unsigned allowed)
{
	c->problem.allow = print_methods(c, allowed);
	return call_fail(c, ERR_METHOD, NULL, "This path does not take this method.");
}

/* At the root of the site a page comes before a call. */
enum err
router_find(struct call *c)
{
	enum method            method = method_of(c);
	const struct endpoint *known;
	unsigned               allowed = 0, first;
	uint32_t               i = rules_count;

	c->site = c->base.len == 0;
	if (c->site)
		i = find_rule(c, V_CURRENT, method, &allowed);
	c->site = i < rules_count || allowed;
	if (!c->site)
		i = find_rule(c, V_CURRENT, method, &allowed);
	if (i < rules_count)
		return found(c, i);
	if (!allowed)
		return find_otherwise(c, method);
	if (!c->site && (known = endpoint_find(&c->path)) && known->methods & 1u << method)
		return not_served(c, known);
	/* Versions in which nothing else is here may have an id with slashes. */
	(void)find_rule(c, V_FIRST, method, &first);
	if (!first && find_with_slashes(c, method))
		return ERR_OK;
	return ERR_METHOD;
}

bool
router_is_versioned(struct call *c)
{
	unsigned first, current;

	(void)find_rule(c, V_FIRST, METHOD_OTHER, &first);
	(void)find_rule(c, V_CURRENT, METHOD_OTHER, &current);
	return first != current;
}

enum err
router_settle(struct call *c)
{
	enum method method = method_of(c);
	unsigned    allowed;
	uint32_t    i;

	if (c->route && c->route->since <= c->version
	    && rules[c->facts->route].count == c->path.count)
		return ERR_OK;
	i = find_rule(c, c->version, method, &allowed);
	if (i < rules_count)
		return found(c, i);
	if (allowed)
		return refuse_method(c, allowed);
	return find_with_slashes(c, method) && c->route->since <= c->version
	    ? ERR_OK : call_fail(c, ERR_NOT_AVAILABLE, NULL,
		"This endpoint does not exist in this API version.");
}

/* Such as cus_02zZ6iBLGuM3Oeea7DU4eA: ids of this century begin with 0. */
static bool
is_own_id(struct str s)
{
	enum { PREFIX = 4 };

	if (s.len != PREFIX + ID_TEXT_BYTES || s.ptr[PREFIX - 1] != '_' || s.ptr[PREFIX] != '0')
		return false;
	for (size_t i = 0; i < PREFIX - 1; i++)
		if (s.ptr[i] < 'a' || s.ptr[i] > 'z')
			return false;
	for (size_t i = PREFIX + 1; i < s.len; i++)
		if (!str_is_alnum(s.ptr[i]))
			return false;
	return true;
}

struct str
router_shown(struct call *c)
{
	struct str  rest = str_of(c->route->pattern);
	size_t      most = c->base.len + 1 + rest.len + PATH_PARAMETERS_MAX * (4 + ID_TEXT_BYTES);
	char       *text = ARENA_NEW(c->arena, char, most), *end = str_put(text, c->base);
	const char *brace;

	*end++ = '/';
	for (size_t i = 0; (brace = memchr(rest.ptr, '{', rest.len)); i++) {
		size_t     head = (size_t)(brace - rest.ptr);
		size_t     name = (size_t)(strchr(brace, '}') - brace) + 1;
		struct str shown = { brace, name };

		if (is_own_id(c->param[i]))
			shown = c->param[i];
		end = str_put(str_put(end, (struct str) { rest.ptr, head }), shown);
		rest = (struct str) { brace + name, rest.len - head - name };
	}
	end = str_put(end, rest);
	return (struct str) { text, (size_t)(end - text) };
}
