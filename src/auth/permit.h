/*
 * What an API key or a user may do: a set of permissions, each for one action on one resource.
 *
 * Named      "thing:read". In JSON, as it is stored, sent and shown: {"thing":["read"]}.
 * Resources  Those whose routes need a permission, in the order in which permit_needs() heard of
 *            them. So a bit means the same within one program alone, and what is kept has names.
 * Write      cannot be had without read: what is written is shown.
 * All        PERMIT_ALL is that of a key without restrictions, and more than all names together.
 * Users      A role is a constant set: PERMIT_READS, PERMIT_ALL, or PERMIT_PEOPLE besides. That is
 *            to manage users (ROUTE_PEOPLE), which no API key can do.
 */
#ifndef AUTH_PERMIT_H
#define AUTH_PERMIT_H

#include "call/call.h"

#define PERMIT_PEOPLE (UINT64_C(1) << 63)
#define PERMIT_ALL    (PERMIT_PEOPLE - 1)
#define PERMIT_READS  UINT64_C(0x1555555555555555) /* permit.c */

enum { PERMIT_RESOURCES_MAX = 31 };

/* What a route of that resource needs. For the router, at the start; the name must last. */
uint64_t permit_needs(const char *resource, const struct route *route);

/*
 * Reads what a client wants a key to have. The object is the member 'field' of the body; what is
 * wrong with it is reported with call_field(). An empty array counts as an empty object.
 */
uint64_t permit_read(struct call *c, const char *field, const struct jdoc *doc,
    const struct jnode *object);

/* The same from "thing:read,thing:write", or "none". False: *fault is the part that is wrong. */
bool permit_parse(struct str text, uint64_t *out, struct str *fault) MUSTCHECK;

/* All names there are, with commas; for messages. */
struct str permit_names(struct arena *a);

/* What is stored with a key; absent: PERMIT_ALL. What has a name that nobody knows is left out. */
uint64_t permit_stored(struct arena *a, struct str json);

/* The other way; PERMIT_ALL is absent. */
struct str permit_json(struct arena *a, uint64_t set);

/*
 * ERR_FORBIDDEN: names the first one that is missing. param as for call_fail(); of a call of a user
 * there is none.
 */
enum err permit_refuse(struct call *c, const char *param, uint64_t missing);

#endif
