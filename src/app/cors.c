/* Scripts of web pages that call the API. */
#include "app/cors.h"

/* Seconds for which a browser need not ask again. */
#define MAX_AGE STR("3600")

static const struct str methods = STR("GET, HEAD, POST, PUT, PATCH, DELETE");

/* What a script may send: what is read, and what client libraries add. */
#define HEADER(name, wire, param) wire ", "
static const struct str sent = STR(HEADER_LIST(HEADER)
    "Content-Type, commet-client-info, commet-client-telemetry");
#undef HEADER

/* And what it may read, besides what every script may; tests/api/test_cors.py compares it. */
static const struct str read_too = STR(
    "Allow, Clientele-Ignored, Clientele-Merged, Clientele-Next-Cursor, Clientele-Result, "
    "Clientele-Warning, Deprecation, ETag, Idempotent-Replayed, Link, Location, "
    "Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, Sunset, traceresponse, "
    "WWW-Authenticate, X-Request-Id");

/* As the configuration has it; absent: there is none, or it is not listed. */
static struct str
origin(const struct call *c)
{
	struct str asked = c->req->header[HEADER_ORIGIN], rest = str_of(c->conf->cors_origins);

	if (rest.len == 0 || asked.len == 0 || c->req->header_count[HEADER_ORIGIN] != 1)
		return STR_NONE;
	while (rest.ptr) {
		struct str one = str_trim(str_cut(&rest, ','));

		if (str_eq(one, asked))
			return one;
	}
	return STR_NONE;
}

bool
cors_is_preflight(const struct call *c)
{
	return c->req->method == METHOD_OPTIONS && c->req->header[HEADER_CORS_METHOD].ptr
	    && origin(c).ptr;
}

enum err
cors_preflight(struct call *c)
{
	c->res->status = 200;
	c->reply = NULL;
	return ERR_OK;
}

void
cors_headers(struct call *c)
{
	struct str from = origin(c);

	if (!*c->conf->cors_origins || c->site)
		return;
	/* Others get another answer, so nobody between may give them this one. */
	response_header(c->res, "Vary", STR("Origin"));
	if (!from.ptr)
		return;
	response_header(c->res, "Access-Control-Allow-Origin", from);
	if (!cors_is_preflight(c)) {
		response_header(c->res, "Access-Control-Expose-Headers", read_too);
		return;
	}
	response_header(c->res, "Access-Control-Allow-Methods", methods);
	response_header(c->res, "Access-Control-Allow-Headers", sent);
	response_header(c->res, "Access-Control-Max-Age", MAX_AGE);
}
