/* GET /openapi.json. */
#include "app/openapi.h"
#include "call/call.h"
#include "json/jwrite.h"

static enum err
get(struct call *c)
{
	/* Without an envelope: it is a document for tools, not a resource. */
	c->res->status = 200;
	c->reply = jwrite_raw(openapi_document);
	return ERR_OK;
}

static const struct route routes[] = {
	{ METHOD_GET, "openapi.json", ROUTE_PUBLIC, V_FIRST, get },
};

extern const struct resource openapi_resource;
const struct resource openapi_resource = {
	.name = "openapi",
	.routes = routes,
	.routes_count = COUNTOF(routes),
};
