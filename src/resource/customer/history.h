/*
 * The history of a customer: its events, and what it was at an earlier time. Nothing writes it but
 * the statements that change something.
 */
#ifndef RESOURCE_CUSTOMER_HISTORY_H
#define RESOURCE_CUSTOMER_HISTORY_H

#include "call/call.h"

/* GET /customers/{id}/history. */
enum err customer_history(struct call *c);

/* GET /customers/{id} with asOf, which text is. ERR_CUSTOMER_NOT_FOUND, ERR_HISTORY_NOT_KEPT. */
enum err customer_as_of(struct call *c, struct str text);

#endif
