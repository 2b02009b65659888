/*
 * GET /customers/{id}/export: all that is held of one customer, in one answer, for a person who
 * asks what is known. Nothing of another customer is in it.
 */
#ifndef RESOURCE_CUSTOMER_HELD_H
#define RESOURCE_CUSTOMER_HELD_H

#include "base/limits.h"
#include "call/call.h"

/*
 * The newest events alone, and no more than leave room for the rest of an answer: a customer with a
 * change a day needs 27 years for as many, if the changes are small.
 */
enum { CUSTOMER_HELD_EVENTS = 10000, CUSTOMER_HELD_BYTES = RESPONSE_MAX_BYTES / 2 };

enum err customer_held(struct call *c);

#endif
