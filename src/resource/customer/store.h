/*
 * Customers in PostgreSQL: struct customer <-> SQL, and nothing else.
 *
 * Errors     A failure of the database becomes the call's problem.
 * Lifetime   Results are copied into the request's arena.
 * Replies    A write makes its answer before it commits (call/write.h). So the creates take a
 *            function that makes the reply; it may be called more than once.
 */
#ifndef RESOURCE_CUSTOMER_STORE_H
#define RESOURCE_CUSTOMER_STORE_H

#include "call/stored.h"
#include "resource/customer/customer.h"
#include "resource/customer/find.h"

/*
 * Finds a customer by ref: a public id or an external id. If it is both, of two customers, the
 * public id counts. ERR_CUSTOMER_NOT_FOUND.
 */
enum err customer_find(struct call *c, struct str ref, struct customer *out);

/* Runs a transaction whose statement has the columns of customer_get first; the same errors. */
enum err customer_read_found(struct call *c, struct tx *tx, struct customer *out);

/* Which customers a list has. */
enum customer_kept { CUSTOMER_LISTED, CUSTOMER_ARCHIVED, CUSTOMER_EITHER, CUSTOMER_KEPT__COUNT };

struct customer_filter {
	enum customer_kept kept;
	bool        by_active, active;
	struct str  search;      /* or absent */
	struct str  external_id; /* or absent */
	struct str  email;       /* or absent */
	struct str  customer_id; /* or absent: either id, of which a public one counts */
	struct find find;
	struct page page;
};

/* Prepares the transaction that stored_page() then runs. What call_scans() returns. */
enum err customer_list(struct call *c, struct customer_filter *filter, struct tx *tx);

/*
 * Creates the customer unless its external id is taken, and calls reply with the customer that is
 * stored now; its 'existing' says whether it was there before.
 */
enum err customer_create(struct call *c, const struct customer *customer,
    enum err (*reply)(struct call *c, const struct customer *customer));

/*
 * Creates customers in one transaction; no two may have the same external id. Each element is
 * replaced by the customer that is stored now, whose 'existing' says whether it was there before;
 * then reply is called. With a count of 0 nothing but the answer is kept. With 'updates' one that
 * was there before gets what the element gives, as by customer_update(), but keeps its external id;
 * its 'changed' says whether that was anything new.
 */
enum err customer_create_many(struct call *c, struct customer *customers, size_t count,
    bool updates, enum err (*reply)(struct call *c, void *with), void *with);

/*
 * What customer_create_many() would answer with, without a write: those that exist are replaced by
 * what is stored, or would be.
 */
enum err customer_look_many(struct call *c, struct customer *customers, size_t count,
    bool updates, enum err (*reply)(struct call *c, void *with), void *with);

/*
 * Sets those members of *customer that 'change' gives, but for its external id, as they are stored
 * after a create with one and an update with the other. Whether any has another value now.
 */
bool customer_overlay(const struct customer *change, struct customer *customer);

/*
 * Sets the members that 'change' gives, in the customer with this ref (as customer_find() has it),
 * and replies with it. One that gives what is there already changes nothing.
 * ERR_CUSTOMER_NOT_FOUND, ERR_DUPLICATE, ERR_PRECONDITION.
 */
enum err customer_update(struct call *c, struct str ref, const struct customer *change);

/* As stored_returned() with status 200, with its entity tag; the kept answer tells about it. */
enum err customer_returned(struct write *w, size_t step);

/* The same with the body as a merge patch, which is read once the customer is known and locked. */
enum err customer_merge(struct call *c, struct str ref);

#endif
