/*
 * An invoice: a document that somebody pays elsewhere, and whose payment is confirmed here. What
 * that does to the subscription is in billing/life.h.
 *
 * Lifetime   Views into the request, its arena, or a transaction's result.
 */
#ifndef RESOURCE_INVOICE_INVOICE_H
#define RESOURCE_INVOICE_INVOICE_H

#include "call/stored.h"

/* What a client can set. */
enum { MEMBER_STATUS };

struct invoice {
	struct id  id, customer_id, subscription_id;
	struct str number, status, type, currency;
	int64_t    subtotal, credit, total;
	int64_t    start_ms, end_ms, issued_ms, due_ms;
	struct str plan_name;
	struct str lines;      /* a cell with rows */
	struct str token;      /* of its page */
	int64_t    created_ms, updated_ms;
	int64_t    none;       /* discounts and taxes: there are none */
	struct str metadata;   /* nor this */
	unsigned   given;      /* by a request: a bit for each member */
};

/* Where a field is shown. */
enum { INVOICE_SHOWN = 1, INVOICE_STATUS = 2 };

extern const struct fields invoice_fields;

/* Those of a change of status: what comes in. */
extern const struct fields invoice_status_fields;

#endif
