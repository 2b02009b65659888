/*
 * POST /customers/batch: many creates in one transaction, and on request updates.
 */
#ifndef RESOURCE_CUSTOMER_BATCH_H
#define RESOURCE_CUSTOMER_BATCH_H

#include "call/call.h"

enum err customer_batch(struct call *c);

enum { CUSTOMER_BATCH_OPTIONS = 4 };
extern const struct list_filter customer_batch_options[CUSTOMER_BATCH_OPTIONS];

#endif
