/* THE table of routes. */
#include "app/routes.h"
#include "app/openapi.h"
#include "resource/api_key/api.h"
#include "resource/customer/api.h"
#include "shm/stats.h"

static const struct route routes[] = {
	{ METHOD_POST,   "customers",       ROUTE_WRITES, V_FIRST,      customer_create },
	{ METHOD_GET,    "customers",       0,            V_FIRST,      customer_list },
	{ METHOD_POST,   "customers/batch", ROUTE_WRITES, V_FIRST,      customer_batch },
	{ METHOD_GET,    "customers/{id}",  0,            V_FIRST,      customer_get },
	{ METHOD_PUT,    "customers/{id}",  ROUTE_WRITES, V_FIRST,      customer_update },
	{ METHOD_PATCH,  "customers/{id}",  ROUTE_WRITES, V_FIRST,      customer_update },
	{ METHOD_GET,    "api-keys",        0,            V_2026_05_25, key_list },
	{ METHOD_POST,   "api-keys",        ROUTE_WRITES, V_2026_05_25, key_create },
	{ METHOD_DELETE, "api-keys/{id}",   0,            V_2026_05_25, key_delete },
	{ METHOD_GET,    "openapi.json",    ROUTE_PUBLIC, V_FIRST,      openapi_get },
};

/* Where the API can be found; the first one that fits. Some old clients lose their /api. */
static const struct {
	struct str prefix;
	bool       legacy;
} bases[] = {
	{ STR("/api/v1"), false },
	{ STR("/api"), true },
	{ STR("/v1"), false },
	{ STR(""), true },
};

const struct route *
route_at(size_t i)
{
	return i < COUNTOF(routes) ? &routes[i] : NULL;
}

_Static_assert(COUNTOF(routes) <= STATS_NO_ROUTE, "a route without a counter");

uint32_t
route_number(const struct route *r)
{
	return (uint32_t)(r - routes);
}

struct str
route_base(struct call *c)
{
	struct str target = c->req->uri, rest = target;

	for (size_t i = 0; i < COUNTOF(bases); i++) {
		struct str prefix = bases[i].prefix;

		if (!str_starts(target, prefix))
			continue;
		rest = (struct str) { target.ptr + prefix.len, target.len - prefix.len };
		c->legacy_path = bases[i].legacy;
		if (rest.len == 0 || rest.ptr[0] == '/' || rest.ptr[0] == '?')
			break;
	}
	return rest;
}

static bool
matches(const struct path *path, const char *pattern, struct str *id)
{
	struct str rest = str_of(pattern), found = STR_NONE;
	size_t     at = 0;

	for (; rest.ptr; at++) {
		struct str segment = str_cut(&rest, '/');

		if (at >= path->count || at >= PATH_SEGMENTS_MAX)
			return false;
		if (str_is(segment, "{id}"))
			found = path->segment[at];
		else if (!str_eq(segment, path->segment[at]))
			return false;
	}
	if (at != path->count)
		return false;
	*id = found;
	return true;
}

enum err
route_find(struct call *c, const struct route **out)
{
	enum method method = c->req->method == METHOD_HEAD ? METHOD_GET : c->req->method;
	unsigned    allowed = 0;
	struct str  allow = STR("");

	for (size_t i = 0; i < COUNTOF(routes); i++) {
		struct str id;

		if (!matches(&c->path, routes[i].pattern, &id))
			continue;
		if (routes[i].method == method) {
			c->id = id;
			*out = &routes[i];
			return ERR_OK;
		}
		allowed |= 1u << routes[i].method;
		if (routes[i].method == METHOD_GET)
			allowed |= 1u << METHOD_HEAD;
	}
	if (!allowed)
		return call_fail(c, ERR_NOT_FOUND, NULL, "There is nothing at this path.");
	for (enum method m = 0; m < METHOD_OTHER; m++)
		if (allowed & 1u << m)
			allow = arena_fmt(c->arena, "%s%s%s", allow.ptr, allow.len ? ", " : "", method_names[m]);
	c->problem.allow = allow;
	return call_fail(c, ERR_METHOD, NULL, "This path does not take this method.");
}
