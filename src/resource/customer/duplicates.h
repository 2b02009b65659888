/*
 * GET /customers/duplicates?by=email|taxDocument: customers who may be the same, in groups.
 *
 * Groups     Those that are not archived, and have one value in common; in the order of the values.
 * Bounds     A page has at most 'limit' groups and DUPLICATES_SHOWN customers of all of them. It
 *            looks at CUSTOMER_LOOKED_AT rows of the index at most; it may then have fewer groups,
 *            or none, and the next one goes on from there.
 */
#ifndef RESOURCE_CUSTOMER_DUPLICATES_H
#define RESOURCE_CUSTOMER_DUPLICATES_H

#include "call/call.h"

enum {
	DUPLICATES_IN_GROUP = 100, /* that are shown of it */
	DUPLICATES_SHOWN = 400,    /* with 16 KiB of metadata each they are 7 MiB */
};

enum err customer_duplicates(struct call *c);

#endif
