/*
 * A gadget: it has a code, unique in its environment, and may be a part of another gadget.
 *
 * Lifetime   Views into the request, its arena, or a transaction's result.
 */
#ifndef RESOURCE_GADGET_GADGET_H
#define RESOURCE_GADGET_GADGET_H

#include "call/stored.h"

enum {
	GADGET_CODE_MAX_CHARS = 40,
	GADGET_SIZE_MAX = 1000,
};

/* What a client can set. */
enum { MEMBER_CODE, MEMBER_COLOR, MEMBER_SIZE };

struct gadget {
	struct id  id;
	struct str code, color; /* color: or absent */
	int64_t    size;
	struct id  part_of;     /* or nil */
	int64_t    created_ms, updated_ms;
	unsigned   given;       /* by a request: a bit for each member */
};

/* Where a field is shown: everywhere. */
enum { GADGET_SHOWN = 1 };

extern const struct fields gadget_fields;

/*
 * Steps of a write (store.c). gadget_create() gives the gadget its id and time. A NULL id finds
 * nothing.
 */
void gadget_create(struct write *w, struct gadget *gadget);
void gadget_update(struct write *w, const struct id *id, const struct gadget *change);
void gadget_put_part(struct write *w, const struct id *whole, const struct id *part);

#endif
