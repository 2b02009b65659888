/*
 * A warning for own ids that client libraries cannot put into a path: they escape nothing, so such
 * an id arrives as another one, or not at all (doc/clients.md).
 */
#ifndef RESOURCE_CUSTOMER_WARN_H
#define RESOURCE_CUSTOMER_WARN_H

#include "call/call.h"

/* Adds the header if the id, which may be absent, is such a one. Returns whether it is. */
bool warn_of_id(struct call *c, struct str external_id);

#endif
