/*
 * GET / and GET /api/v1: what this is, for whoever knows no more than the address. Not which
 * release it is: that would tell an attacker which holes to try.
 */
#include "call/call.h"
#include "http/html.h"
#include "json/jwrite.h"

#define SUMMARY "An API that keeps who buys from a business, what they buy, and what they owe."
#define KEYS    "Calls need a key, sent as Authorization: Bearer."

static struct str
address(struct call *c, const char *path)
{
	return arena_fmt(c->arena, "%s%s", c->conf->public_url, path);
}

static struct str
errors_address(struct call *c)
{
	return arena_fmt(c->arena, "%s/api-reference/%s/errors/{code}.md", c->conf->public_url,
	    version_info(V_CURRENT)->name);
}

static struct json_object *
versions(void)
{
	struct json_object *array = jwrite_array();

	for (enum version v = V_2026_05_01; v < V__COUNT; v++)
		jwrite_push(array, jwrite_str(str_of(version_info(v)->name)));
	return array;
}

/* The same in all versions: a document about them, not a resource. */
static void
write_document(struct call *c)
{
	c->reply = jwrite_object();
	jwrite_put(c->reply, "object", jwrite_str(STR("service")));
	jwrite_put(c->reply, "name", jwrite_str(STR("Clientele")));
	jwrite_put(c->reply, "summary", jwrite_str(STR(SUMMARY)));
	jwrite_put(c->reply, "authentication", jwrite_str(STR(KEYS)));
	jwrite_put(c->reply, "apiVersion", jwrite_str(str_of(version_info(V_CURRENT)->name)));
	jwrite_put(c->reply, "apiVersions", versions());
	jwrite_put(c->reply, "base", jwrite_str(address(c, "/api/v1")));
	jwrite_put(c->reply, "openapi", jwrite_str(address(c, "/api/v1/openapi.json")));
	jwrite_put(c->reply, "errors", jwrite_str(errors_address(c)));
}

static void
write_page(struct call *c)
{
	struct response *res = c->res;

	html_begin(res, HTML_FORMS_NONE, STR("Clientele"));
	html_raw(res, "<h1>Clientele</h1>\n<p>" SUMMARY "</p>\n<dl>\n"
	    "<dt>Base of all paths</dt>\n<dd>");
	html_text(res, address(c, "/api/v1"));
	html_raw(res, "</dd>\n<dt>Current version</dt>\n<dd>");
	html_text(res, str_of(version_info(V_CURRENT)->name));
	html_raw(res, "</dd>\n</dl>\n<p>" KEYS "</p>\n<p><a href=\"");
	html_text(res, address(c, "/api/v1/openapi.json"));
	html_raw(res, "\">The description of all calls (OpenAPI)</a></p>\n");
	html_end(res);
}

/* As browsers ask; programs take whatever comes, or JSON. */
static bool
wants_page(struct str accepts)
{
	while (accepts.ptr) {
		struct str one = str_cut(&accepts, ',');

		if (str_eq_nocase(str_trim(str_cut(&one, ';')), STR("text/html")))
			return true;
	}
	return false;
}

static enum err
get(struct call *c)
{
	c->res->status = 200;
	response_header(c->res, "Vary", STR("Accept"));
	if (wants_page(c->req->header[HEADER_ACCEPT]))
		write_page(c);
	else
		write_document(c);
	return ERR_OK;
}

static const struct route routes[] = {
	{ METHOD_GET, "", ROUTE_PUBLIC | ROUTE_PAGE, V_FIRST, get },
};

extern const struct resource about_resource;
const struct resource about_resource = {
	.name = "about",
	.routes = routes,
	.routes_count = COUNTOF(routes),
};
