/*
 * The endpoints that client libraries know (endpoints.txt). Those that no route serves get an
 * answer that says so, because "there is nothing at this path" reads like a wrong host.
 */
#ifndef APP_ENDPOINTS_H
#define APP_ENDPOINTS_H

#include "http/query.h"
#include "http/request.h"

struct endpoint {
	const char *path;     /* segments, "{}" for a parameter, without a slash in front */
	const char *resource; /* that it belongs to, as paths spell it */
	unsigned    methods;  /* a bit for each enum method */
};

/* Made by endpoints.awk. */
extern const struct endpoint endpoints[];
extern const size_t          endpoints_count;

/* The endpoint with this path, or NULL. Looks at one after the other. */
const struct endpoint *endpoint_find(const struct path *path);

#endif
