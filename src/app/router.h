/*
 * From a request's method and path to its row in the routes of the resources.
 */
#ifndef APP_ROUTER_H
#define APP_ROUTER_H

#include "call/call.h"

/* Once, before the others: splits the patterns of all routes. */
void router_init(void);

/* Fills c->legacy_path; returns what of the target stands behind the base. */
struct str router_base(struct call *c);

/*
 * Finds the row for c's method and path; fills c->route, c->resource, c->param and the facts' route.
 * ERR_NOT_FOUND, or ERR_METHOD with the problem's allow.
 */
enum err router_find(struct call *c);

#endif
