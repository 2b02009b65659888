/* Subscriptions in PostgreSQL. */
#include "billing/ledger.h"

#define KEPT(what, type, member) { BIND_##type, offsetof(struct what, member), false }
#define FIELD_KEPT(type, member) KEPT(life, type, member)

const struct member life_columns[COL_LIFE__COUNT] = {
	[COL_LIFE_ID] = FIELD_KEPT(UUID, id),
	[COL_LIFE_CUSTOMER_ID] = FIELD_KEPT(UUID, customer_id),
	[COL_LIFE_PLAN_ID] = FIELD_KEPT(UUID, plan_id),
	[COL_LIFE_PRICE_ID] = FIELD_KEPT(UUID, price_id),
	[COL_LIFE_NAME] = FIELD_KEPT(TEXT, name),
	[COL_LIFE_STATUS] = FIELD_KEPT(TEXT, status),
	[COL_LIFE_STEP] = FIELD_KEPT(TEXT, step),
	[COL_LIFE_BASE_PRICE] = FIELD_KEPT(I64, base_price),
	[COL_LIFE_METADATA] = FIELD_KEPT(JSON, metadata),
	[COL_LIFE_ZONE] = FIELD_KEPT(TEXT, zone),
	[COL_LIFE_ANCHOR] = FIELD_KEPT(TIME, anchor_ms),
	[COL_LIFE_ANCHOR_INDEX] = FIELD_KEPT(I64, anchor_index),
	[COL_LIFE_PERIOD_INDEX] = FIELD_KEPT(I64, period_index),
	[COL_LIFE_PERIOD_START] = FIELD_KEPT(TIME, period_start_ms),
	[COL_LIFE_PERIOD_END] = FIELD_KEPT(TIME, period_end_ms),
	[COL_LIFE_TRIAL_DAYS] = FIELD_KEPT(I64, trial_days),
	[COL_LIFE_TRIAL_ENDS_AT] = FIELD_KEPT(TIME, trial_ends_ms),
	[COL_LIFE_START_DATE] = FIELD_KEPT(TIME, start_ms),
	[COL_LIFE_END_DATE] = FIELD_KEPT(TIME, end_ms),
	[COL_LIFE_ACTIVATED] = FIELD_KEPT(BOOL, activated),
	[COL_LIFE_NOTICED] = FIELD_KEPT(BOOL, noticed),
	[COL_LIFE_CANCEL_ASKED_AT] = FIELD_KEPT(TIME, cancel_asked_ms),
	[COL_LIFE_CANCEL_REASON] = FIELD_KEPT(TEXT, cancel_reason),
	[COL_LIFE_CANCEL_AT] = FIELD_KEPT(TIME, cancel_ms),
	[COL_LIFE_CANCEL_EARLY] = FIELD_KEPT(BOOL, cancel_early),
	[COL_LIFE_NEXT_KIND] = FIELD_KEPT(TEXT, next_kind),
	[COL_LIFE_NEXT_PLAN_ID] = FIELD_KEPT(UUID, next_plan_id),
	[COL_LIFE_NEXT_PRICE_ID] = FIELD_KEPT(UUID, next_price_id),
	[COL_LIFE_NEXT_AT] = FIELD_KEPT(TIME, next_ms),
	[COL_LIFE_NEXT_INVOICE_ID] = FIELD_KEPT(UUID, next_invoice_id),
	[COL_LIFE_CHECKOUT_TOKEN] = FIELD_KEPT(TEXT, checkout_token),
	[COL_LIFE_SUCCESS_URL] = FIELD_KEPT(TEXT, success_url),
	[COL_LIFE_CLOCKED] = FIELD_KEPT(BOOL, clocked),
	[COL_LIFE_DUE_AT] = FIELD_KEPT(TIME, due_ms),
	[COL_LIFE_DUE_WHAT] = FIELD_KEPT(TEXT, due_what),
	[COL_LIFE_CREATED_AT] = FIELD_KEPT(TIME, created_ms),
	[COL_LIFE_UPDATED_AT] = FIELD_KEPT(TIME, updated_ms),
	[COL_LIFE_PLAN_NAME] = FIELD_KEPT(TEXT, plan.name),
	[COL_LIFE_PLAN_MODEL] = FIELD_KEPT(TEXT, plan.model),
	[COL_LIFE_NEXT_NAME] = FIELD_KEPT(TEXT, next.name),
	[COL_LIFE_NEXT_STEP] = FIELD_KEPT(TEXT, next.step),
	[COL_LIFE_NOW_AT] = FIELD_KEPT(TIME, terms.now_ms),
	[COL_LIFE_DAY] = FIELD_KEPT(I64, day),
	[COL_LIFE_ASKED] = FIELD_KEPT(TEXT, asked),
};

/* What may be NULL. */
static int64_t
time_of(const struct row *row, int column)
{
	return row_is_null(row, column) ? 0 : row_time(row, column);
}

static struct id
id_of(const struct row *row, int column)
{
	return row_is_null(row, column) ? (struct id) { 0 } : row_id(row, column);
}

void
ledger_read(const struct row *row, struct arena *arena, const struct id *environment,
    struct life *l)
{
	*l = (struct life) { .arena = arena, .environment = *environment };
	member_read(row, life_columns, COL_LIFE__COUNT, l);
	l->terms = (struct terms) {
		.now_ms = row_time(row, COL_BILLING_LOOK_AT),
		.currency = row_text(row, COL_BILLING_LOOK_CURRENCY),
		.collection = row_text(row, COL_BILLING_LOOK_COLLECTION),
		.net_days = row_i64(row, COL_BILLING_LOOK_NET_DAYS),
		.grace_days = row_i64(row, COL_BILLING_LOOK_GRACE_DAYS),
		.clocked = row_bool(row, COL_BILLING_LOOK_STOPPED),
	};
	l->zone_now = row_text(row, COL_BILLING_LOOK_ZONE_NOW);
	l->credit = row_i64(row, COL_BILLING_LOOK_CREDIT);
	l->quote_credit = row_i64(row, COL_BILLING_LOOK_QUOTE_CREDIT);
	l->paid = row_i64(row, COL_BILLING_LOOK_PAID);
	l->unpaid_id = id_of(row, COL_BILLING_LOOK_UNPAID_ID);
	l->unpaid_ms = time_of(row, COL_BILLING_LOOK_UNPAID_AT);
	l->further_end_ms = time_of(row, COL_BILLING_LOOK_FURTHER_END);
	l->plan = (struct offer) {
		.plan_id = l->plan_id,
		.price_id = l->price_id,
		.name = l->plan.name,
		.model = l->plan.model,
		.step = l->step,
		.amount = row_i64(row, COL_BILLING_LOOK_PLAN_AMOUNT),
		.is_free = row_bool(row, COL_BILLING_LOOK_PLAN_FREE),
		.group = id_of(row, COL_BILLING_LOOK_GROUP_ID),
		.order = row_i64(row, COL_BILLING_LOOK_PLAN_ORDER),
		.end_ms = time_of(row, COL_BILLING_LOOK_PLAN_END),
		.day = row_i64(row, COL_BILLING_LOOK_PLAN_DAY),
	};
	l->next = (struct offer) {
		.plan_id = l->next_plan_id,
		.price_id = l->next_price_id,
		.name = l->next.name,
		.step = l->next.step,
		.amount = row_i64(row, COL_BILLING_LOOK_NEXT_AMOUNT),
		.is_free = row_bool(row, COL_BILLING_LOOK_NEXT_FREE),
		.group = id_of(row, COL_BILLING_LOOK_NEXT_GROUP),
		.order = row_i64(row, COL_BILLING_LOOK_NEXT_ORDER),
		.end_ms = time_of(row, COL_BILLING_LOOK_NEXT_END),
		.day = row_i64(row, COL_BILLING_LOOK_PLAN_DAY),
	};
}

void
ledger_read_terms(const struct row *row, struct terms *terms)
{
	*terms = (struct terms) {
		.now_ms = row_time(row, COL_BILLING_ORDER_NOW_AT),
		.currency = row_text(row, COL_BILLING_ORDER_CURRENCY),
		.collection = row_text(row, COL_BILLING_ORDER_COLLECTION),
		.net_days = row_i64(row, COL_BILLING_ORDER_NET_DAYS),
		.grace_days = row_i64(row, COL_BILLING_ORDER_GRACE_DAYS),
		.clocked = row_bool(row, COL_BILLING_ORDER_STOPPED),
	};
}

bool
ledger_read_offer(const struct row *row, struct offer *offer)
{
	if (row_is_null(row, COL_OFFER_PLAN_ID))
		return false;
	*offer = (struct offer) {
		.plan_id = row_id(row, COL_OFFER_PLAN_ID),
		.price_id = id_of(row, COL_OFFER_PRICE_ID),
		.name = row_text(row, COL_OFFER_PLAN_NAME),
		.model = row_text(row, COL_OFFER_PLAN_MODEL),
		.step = row_text(row, COL_OFFER_STEP),
		.amount = row_i64(row, COL_OFFER_AMOUNT),
		.is_free = row_bool(row, COL_OFFER_IS_FREE),
		.group = id_of(row, COL_OFFER_GROUP_ID),
		.order = row_i64(row, COL_OFFER_SORT_ORDER),
		.trial_days = row_i64(row, COL_OFFER_TRIAL_DAYS),
		.end_ms = time_of(row, COL_OFFER_END_AT),
		.day = row_i64(row, COL_OFFER_DAY),
		.gone = row_bool(row, COL_OFFER_GONE),
		.priced = row_bool(row, COL_OFFER_PRICED),
	};
	return true;
}

bool
ledger_read_settled(const struct row *row, const struct life *l, struct settled *out)
{
	*out = (struct settled) {
		.id = row_id(row, COL_INVOICE_ID),
		.period_index = row_i64(row, COL_INVOICE_OUTSTANDING_PERIOD_INDEX),
		.unpaid_ms = l->unpaid_ms,
	};
	return str_is(row_text(row, COL_INVOICE_STATUS), "outstanding");
}

/* $39 to $53, and after them the lines. */
static const struct member bill_members[] = {
	KEPT(bill, UUID, id),
	KEPT(bill, TEXT, status),
	KEPT(bill, TEXT, type),
	KEPT(bill, TEXT, currency),
	KEPT(bill, I64, subtotal),
	KEPT(bill, I64, credit),
	KEPT(bill, I64, total),
	KEPT(bill, I64, index),
	KEPT(bill, TIME, start_ms),
	KEPT(bill, TIME, end_ms),
	KEPT(bill, TIME, issued_ms),
	KEPT(bill, TIME, due_ms),
	KEPT(bill, UUID, plan_id),
	KEPT(bill, TEXT, plan_name),
	KEPT(bill, TEXT, token),
};

static const struct member line_members[] = {
	KEPT(line, TEXT, description),
	KEPT(line, I64, amount),
};

/* $56 to $60, and after them the events. */
static const struct member deed_members[] = {
	KEPT(deed, UUID, settle_id),
	KEPT(deed, TEXT, settle),
	KEPT(deed, TIME, settle_start_ms),
	KEPT(deed, TIME, settle_end_ms),
	KEPT(deed, I64, credit),
};

static const struct member event_members[] = {
	KEPT(happened, TEXT, type),
	KEPT(happened, UUID, invoice_id),
	KEPT(happened, JSON, data),
};

static void
bind_members(struct bind *b, const struct member *members, size_t count, const void *from)
{
	for (size_t i = 0; i < count; i++)
		member_bind(b, &members[i], from);
}

void
ledger_save(struct bind *b, const struct life *l, const struct deed *d)
{
	bind_id(b, &l->environment);
	bind_members(b, life_columns, LIFE_KEPT, l);
	bind_members(b, bill_members, COUNTOF(bill_members), &d->bill);
	for (size_t i = 0; i < COUNTOF(line_members); i++)
		member_bind_all(b, &line_members[i], d->bill.line, sizeof(*d->bill.line),
		    d->bill.lines);
	bind_members(b, deed_members, COUNTOF(deed_members), d);
	for (size_t i = 0; i < COUNTOF(event_members); i++)
		member_bind_all(b, &event_members[i], d->event, sizeof(*d->event), d->events);
	bind_time(b, d->at_ms);
}
