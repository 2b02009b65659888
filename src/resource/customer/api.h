/*
 * Handlers of the customer calls (contract section 3). Each reads, checks,
 * calls the store and replies; see call/call.h for what a handler gets.
 */
#ifndef RESOURCE_CUSTOMER_API_H
#define RESOURCE_CUSTOMER_API_H

#include "call/call.h"

enum err customer_create(struct call *c);
enum err customer_batch(struct call *c);
enum err customer_get(struct call *c);
enum err customer_list(struct call *c);
enum err customer_update(struct call *c);

#endif
