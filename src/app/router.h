/*
 * Finds the route of a request's method and path, among those of all resources.
 */
#ifndef APP_ROUTER_H
#define APP_ROUTER_H

#include "call/call.h"

/* To be called once, before the others: splits the patterns of all routes. */
void router_init(void);

/* Fills c->base and c->legacy_path. Returns the target without its base. */
struct str router_base(struct call *c);

/*
 * Finds the route, and fills c->route, c->resource, c->param and c->facts->route. ERR_METHOD, which
 * fills c->problem.allow; ERR_NOT_AVAILABLE for an endpoint that is not served (app/endpoints.h);
 * ERR_NOT_FOUND.
 */
enum err router_find(struct call *c);

/*
 * After router_find(), when the call's version does not have that endpoint: the next that fits the
 * path and that it has, such as one whose parameter is the word that is now an endpoint. False:
 * there is none.
 */
bool router_find_earlier(struct call *c) MUSTCHECK;

#endif
