/*
 * GET /customers/{id}/export: all that is held of one customer, in one answer, for a person who
 * asks what is known. Nothing of another customer is in it.
 */
#ifndef RESOURCE_CUSTOMER_HELD_H
#define RESOURCE_CUSTOMER_HELD_H

#include "call/call.h"

/*
 * The newest events alone: with 150 bytes each they leave room for the rest of an answer, and a
 * customer with a change a day needs 27 years for as many.
 */
enum { CUSTOMER_HELD_EVENTS = 10000 };

enum err customer_held(struct call *c);

#endif
