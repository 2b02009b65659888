/*
 * Customers in PostgreSQL: struct customer <-> SQL, and nothing else.
 *
 * Errors     Failures of the database are filled into the call's problem.
 * Lifetime   Results are copied into the request's arena.
 */
#ifndef RESOURCE_CUSTOMER_STORE_H
#define RESOURCE_CUSTOMER_STORE_H

#include "call/page.h"
#include "resource/customer/customer.h"

/* ref is a public id or the caller's own; a public id wins. ERR_CUSTOMER_NOT_FOUND. */
enum err store_find(struct call *c, struct str ref, struct customer *out);

struct list_filter {
	bool        by_active, active;
	struct str  search;      /* or absent */
	struct str  external_id; /* or absent */
	struct page page;
};

/* One row more than the page has, when there is one. */

enum err store_list(struct call *c, const struct list_filter *filter, struct customer **out, size_t *count);

/*
 * Creates customers in one transaction; the external ids given are all different. Each element is
 * replaced by what is stored and tells whether it existed. None at all only writes the idempotency record.
 */
enum err store_create(struct call *c, struct customer *customers, size_t count);

/* Sets what 'change' gives. ERR_CUSTOMER_NOT_FOUND, ERR_DUPLICATE. */
enum err store_update(struct call *c, struct str ref, const struct customer *change, struct customer *out);

#endif
