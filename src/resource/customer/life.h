/*
 * How a customer leaves and comes back: archived, restored, erased.
 *
 *	POST /customers/{id}/archive   hidden from lists; it can be read and changed as before
 *	POST /customers/{id}/restore   the same customer as before, to the byte
 *
 * Archived   A customer gets no subscription, and one with a subscription that is not canceled is
 *            not archived. Its external id stays taken.
 */
#ifndef RESOURCE_CUSTOMER_LIFE_H
#define RESOURCE_CUSTOMER_LIFE_H

#include "call/call.h"

enum err customer_archive(struct call *c);
enum err customer_restore(struct call *c);

#endif
