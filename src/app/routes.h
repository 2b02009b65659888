/*
 * THE table of routes.
 *
 * A pattern is the path behind the base ("/api/v1", "/api", ...); "{id}" stands
 * for one segment of any text.
 */
#ifndef APP_ROUTES_H
#define APP_ROUTES_H

#include "call/call.h"

typedef enum err handler_fn(struct call *c);

enum route_flags {
	ROUTE_WRITES = 1, /* takes an Idempotency-Key */
	ROUTE_PUBLIC = 2, /* needs no API key: c->tenant stays empty */
};

struct route {
	enum method  method; /* GET serves HEAD too */
	const char  *pattern;
	unsigned     flags;
	enum version since;  /* before it the endpoint is not available */
	handler_fn  *handle;
};

/* Row i, or NULL past the end. */
const struct route *route_at(size_t i);

/* The row's number, for counters. */
uint32_t route_number(const struct route *r);

/* Fills c->legacy_path; returns what of the target stands behind the base. */
struct str route_base(struct call *c);

/* Finds the row for c's method and path; fills c->id. ERR_NOT_FOUND, or ERR_METHOD with the problem's allow. */
enum err route_find(struct call *c, const struct route **out);

#endif
