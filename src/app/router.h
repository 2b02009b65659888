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
 * Before the version is known: finds the route, and fills c->route, c->resource, c->param and
 * c->facts->route; router_settle() has the last word. ERR_METHOD, for which it has too;
 * ERR_NOT_AVAILABLE for an endpoint that is not served (app/endpoints.h); ERR_NOT_FOUND.
 */
enum err router_find(struct call *c);

/* Whether there are versions in which the path takes other methods than in others. */
bool router_is_versioned(struct call *c) MUSTCHECK;

/*
 * After router_find(), in c->version: a route that this version does not have gives way to one that
 * it has, such as one whose parameter is the word that is an endpoint now. ERR_METHOD, which fills
 * c->problem.allow; ERR_NOT_AVAILABLE where the version has nothing at this path. ERR_OK only where
 * router_find() ended with that.
 */
enum err router_settle(struct call *c);

/*
 * The path of a call that has its route, with nothing in it that a client chose: a parameter is
 * shown if it looks like an id of this API, and is its name in the pattern otherwise. An external
 * id may be an e-mail address.
 */
struct str router_shown(struct call *c);

#endif
