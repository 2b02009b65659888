/*
 * Customers in PostgreSQL: struct customer <-> SQL, and nothing else.
 *
 * Errors     Failures of the database are filled into the call's problem.
 * Lifetime   Results are copied into the request's arena.
 * Replies    A write makes its answer before it commits (call/write.h), so those of which a handler
 *            says more take the function that makes the reply; it may be called more than once.
 */
#ifndef RESOURCE_CUSTOMER_STORE_H
#define RESOURCE_CUSTOMER_STORE_H

#include "call/stored.h"
#include "resource/customer/customer.h"

/* ref is a public id or the caller's own; a public id wins. ERR_CUSTOMER_NOT_FOUND. */
enum err customer_find(struct call *c, struct str ref, struct customer *out);

struct customer_filter {
	bool        by_active, active;
	struct str  search;      /* or absent */
	struct str  external_id; /* or absent */
	struct page page;
};

/* Asks for a page: what stored_page() then runs. */
void customer_list(struct call *c, const struct customer_filter *filter, struct tx *tx);

/* Replies with what is stored now; customer->existing says whether it was there before. */
enum err customer_create(struct call *c, const struct customer *customer,
    enum err (*reply)(struct call *c, const struct customer *customer));

/*
 * Creates customers in one transaction; the external ids given are all different. Each element is
 * replaced by what is stored and says whether it existed; then reply is called. None at all only
 * keeps the answer.
 */
enum err customer_create_many(struct call *c, struct customer *customers, size_t count,
    enum err (*reply)(struct call *c, void *with), void *with);

/* Sets what 'change' gives, and replies with the customer. ERR_CUSTOMER_NOT_FOUND, ERR_DUPLICATE. */
enum err customer_update(struct call *c, struct str ref, const struct customer *change);

#endif
