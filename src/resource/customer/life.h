/*
 * How a customer leaves and comes back: archived, restored, erased.
 *
 *	POST /customers/{id}/archive   hidden from lists; it can be read and changed as before
 *	POST /customers/{id}/restore   the same customer as before, to the byte
 *	DELETE /customers/{id}         erased: nothing is left that says who it was
 *
 * Archived   A customer gets no subscription, and one with a subscription that is not canceled is
 *            not archived. Its external id stays taken.
 * Erased     The live subscription is canceled at once, and what is outstanding of it is void. The
 *            rows of subscriptions, invoices and events stay, and say nothing about a person. Of
 *            paid invoices what was printed on them is kept as long as retain_invoices says. What
 *            is erased of each column: tests/lint/personal.txt.
 */
#ifndef RESOURCE_CUSTOMER_LIFE_H
#define RESOURCE_CUSTOMER_LIFE_H

#include "call/call.h"

enum err customer_archive(struct call *c);
enum err customer_restore(struct call *c);
enum err customer_erase(struct call *c);

#endif
