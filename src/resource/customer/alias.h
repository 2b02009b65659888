/*
 * Customers that are the same: merging one into another one, and undoing it.
 *
 *	POST /customers/{id}/merge {"from": ID}   both ids of that one lead to this one from now on
 *	POST /customers/{id}/unmerge              within 30 days: it is itself again
 *
 * Moves      What is billed moves, and credit; the fields of the customer who stays do not change.
 *            Events stay with the customer whom they were about: the table customer_merge has who
 *            was merged into whom. Undoing takes back those of the subscriptions that it moves.
 * Again      Who was merged already is answered as after the first time.
 */
#ifndef RESOURCE_CUSTOMER_ALIAS_H
#define RESOURCE_CUSTOMER_ALIAS_H

#include "resource/customer/customer.h"

/* The body of a merge. */
struct alias_asked {
	struct str from; /* either id */
	unsigned   given;
};

extern const struct fields alias_fields;

enum err alias_merge(struct call *c);
enum err alias_unmerge(struct call *c);

/*
 * Names the customer in a header when 'ref', by which it was asked for, is neither of its ids: then
 * the one that has it was merged into this one.
 */
void alias_note(struct call *c, struct str ref, const struct customer *found);

#endif
