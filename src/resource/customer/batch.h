/*
 * POST /customers/batch: many creates in one transaction.
 */
#ifndef RESOURCE_CUSTOMER_BATCH_H
#define RESOURCE_CUSTOMER_BATCH_H

#include "call/call.h"

enum err customer_batch(struct call *c);

#endif
