/*
 * GET /api-reference/{version}/errors/{code}.md: what doc_url of an error leads to. For people, in
 * Markdown; made of the table of errors alone.
 */
#include "call/call.h"

static const struct str suffix = STR(".md");

static bool
find(struct call *c, enum err *out)
{
	enum version version;
	struct str   code = c->param[1];

	if (!version_find(c->param[0], &version) || code.len <= suffix.len)
		return false;
	code.len -= suffix.len;
	*out = err_find(code, ERR_OK);
	return *out != ERR_OK && memcmp(code.ptr + code.len, suffix.ptr, suffix.len) == 0;
}

static enum err
get(struct call *c)
{
	const struct err_info *info;
	enum err               e;

	if (!find(c, &e))
		return call_fail(c, ERR_NOT_FOUND, NULL, "There is nothing at this path.");
	info = err_info(e);
	c->res->status = 200;
	c->res->kind = RESPONSE_TEXT;
	buf_fmt(&c->res->body,
	    "# %s\n\n"
	    "HTTP status %d, type %s\n\n"
	    "## What it means\n\n%s\n\n"
	    "## What to do\n\n%s\n\n"
	    "All calls with their errors: %s/api/v1/openapi.json\n",
	    info->code, info->status, info->type, info->meaning, info->advice,
	    c->conf->public_url);
	return ERR_OK;
}

static const struct route routes[] = {
	{ METHOD_GET, "api-reference/{version}/errors/{page}", ROUTE_PUBLIC | ROUTE_PAGE, V_FIRST,
	    get },
};

extern const struct resource errors_resource;
const struct resource errors_resource = {
	.name = "errors",
	.routes = routes,
	.routes_count = COUNTOF(routes),
};
