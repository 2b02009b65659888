/*
 * The descriptor of a resource: all that the rest of the program knows of it.
 * src/resource/NAME/api.c defines it, a line in app/resources.c adds it, and nothing else outside
 * its folder mentions its name (tests/lint/resources.sh).
 *
 *	const struct resource thing_resource = {
 *		.name = "thing",
 *		.routes = routes, .routes_count = COUNTOF(routes),
 *		.constraints = constraints, .constraints_count = COUNTOF(constraints),
 *	};
 *
 * Lifetime   Constant tables.
 */
#ifndef CALL_RESOURCE_H
#define CALL_RESOURCE_H

#include "base/err.h"
#include "http/request.h"
#include "http/version.h"

struct call;

typedef enum err handler_fn(struct call *c);

/*
 * A restricted API key needs a permission for every call that is not public: to read the resource
 * for a GET, to write it for any other method (auth/permit.h), unless a flag says otherwise.
 */
enum route_flags {
	ROUTE_WRITES = 1, /* takes an Idempotency-Key */
	ROUTE_PUBLIC = 2, /* needs no API key: c->tenant stays empty */
	ROUTE_SECRET = 4, /* its answer shows a secret: kept sealed, for the same API key only */
	ROUTE_LIST = 8,   /* takes limit, cursor and the filters of its resource */
	ROUTE_PAGE = 16,  /* text for people, the same at every path */
	ROUTE_FILTERED = 32, /* takes those filters, and is no list */
	ROUTE_FILE = 128, /* takes format, neutralise, limit and cursor, and answers lines */
	ROUTE_GROUPS = 16384, /* takes by, limit and cursor, and answers groups of rows */
	ROUTE_UPLOAD = 32768, /* its body may be a file or a part of one, of UPLOAD_MAX_BYTES */
	ROUTE_RULES = 65536, /* takes format, dryRun, onConflict and keepCreatedAt: of that file */
	ROUTE_RESULTS = 131072, /* takes format and cursor, and answers lines */
	ROUTE_SLASHES = 64, /* its last parameter may have slashes, where no other endpoint is */
	ROUTE_OPTIONS = 2048, /* a write that takes the options of its resource in the query */
	ROUTE_REVISED = 256, /* of a row that has a revision: If-Match; merge patches of a write */
	ROUTE_ASKS = 512, /* changes nothing, though it is no GET: it needs to read only */
	ROUTE_ALL = 1024, /* no permission is enough but all of them */
	ROUTE_AS_OF = 4096, /* takes asOf, from 2026-08-27 on */
	ROUTE_MINUTES = 1048576, /* takes minutes */
	ROUTE_EVENTS = 8192, /* takes limit and cursor, and no filters of its resource */
	ROUTE_PERSONAL = 262144, /* of a user's own: for sessions alone, whatever the role */
	ROUTE_PEOPLE = 524288, /* manages users: for sessions alone, and PERMIT_PEOPLE */
};

/*
 * A filter of a list, or an option of a write. In other versions than its own it is a parameter
 * that nobody knows. read puts the value into what the resource keeps its filters in.
 */
struct list_filter {
	const char  *name;
	void       (*read)(struct call *c, struct str value, void *into);
	enum version since, until;
};

/* A filter whose parameters are name[key]; read is called for each of them. */
struct keyed_filter {
	const char  *name;
	void       (*read)(struct call *c, struct str key, struct str value, void *into);
	enum version since, until;
};

struct route {
	enum method  method;  /* GET serves HEAD too */
	/*
	 * After the base ("/api/v1", "/api", ...); "{x}": a segment. One that begins with a slash
	 * is a page for people, at the root of the site alone; its last segment is a parameter.
	 */
	const char  *pattern;
	unsigned     flags;
	enum version since;   /* the first version that has the endpoint */
	handler_fn  *handle;
};

/* The pattern without the slash that a page's begins with. */
static inline const char *
route_text(const struct route *r)
{
	return r->pattern + (r->pattern[0] == '/');
}

/* A unique constraint of its tables that a request can break, and the problem if it does. */
struct constraint {
	const char *name;    /* PostgreSQL's */
	enum err    err;
	const char *param;
	const char *message;
};

struct resource {
	const char               *name; /* as in src/resource, sql/query and doc/openapi */
	const struct route       *routes;
	size_t                    routes_count;
	const struct constraint  *constraints;
	size_t                    constraints_count;
	const struct list_filter *filters;
	size_t                    filters_count;
	const struct list_filter *options;
	size_t                    options_count;
	const struct keyed_filter *keyed;
	size_t                    keyed_count;
};

#endif
