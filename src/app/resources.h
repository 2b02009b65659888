/*
 * The resources of this API, and all their routes as one table.
 */
#ifndef APP_RESOURCES_H
#define APP_RESOURCES_H

#include "call/resource.h"

/* Row i of all routes, in the order of the resources, or NULL past the end. */
const struct route *route_at(size_t i);

/* The resource that this row belongs to, or NULL past the end. */
const struct resource *route_owner(size_t i);

#endif
