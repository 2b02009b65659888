/* What is shown of the deadlines of a run. */
#include "resource/test_clock/test_clock.h"

#define FIELD_STRUCT struct clock_item

static const struct clock_item *
item(const void *what)
{
	return what;
}

static struct str
ref(struct call *c, struct str prefix, const struct id *id)
{
	return id_is_nil(id) ? STR_NONE
	    : id_prefixed(prefix, id, ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES));
}

static struct str
subscription_id(struct call *c, const void *what)
{
	return ref(c, STR("sub_"), &item(what)->subscription);
}

static struct str
invoice_id(struct call *c, const void *what)
{
	return ref(c, STR("inv_"), &item(what)->invoice);
}

static bool
is_dunning(struct str what)
{
	return str_is(what, "past_due") || str_is(what, "grace_over");
}

static struct str
kind(struct call *c UNUSED, const void *what)
{
	return is_dunning(item(what)->what) ? STR("dunning_retry") : STR("billing_cycle");
}

static struct str
item_status(struct call *c UNUSED, const void *what)
{
	return item(what)->done ? STR("completed") : STR("failed");
}

static struct str
outcome(struct call *c UNUSED, const void *what)
{
	return item(what)->done ? item(what)->what : STR_NONE;
}

static struct str
item_error(struct call *c UNUSED, const void *what)
{
	return item(what)->done ? STR_NONE
	    : STR("It could not be carried out; the service's log says why.");
}

static const struct field_out item_out[] = {
	{ FIELD_OURS("kind", MADE), CLOCK_ITEM, V_FIRST, V_ENDLESS, kind },
	{ FIELD_OURS("status", MADE), CLOCK_ITEM, V_FIRST, V_ENDLESS, item_status },
	{ FIELD_OUT("dueAt", TIME, due_ms), CLOCK_ITEM, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("subscriptionId", MADE), CLOCK_ITEM, V_FIRST, V_ENDLESS, subscription_id },
	{ FIELD_OUT("customerName", TEXT, customer_name), CLOCK_ITEM, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("invoiceNumber", TEXT, number), CLOCK_ITEM, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("invoiceId", MADE), CLOCK_ITEM, V_FIRST, V_ENDLESS, invoice_id },
	{ FIELD_OURS("outcome", MADE), CLOCK_ITEM, V_FIRST, V_ENDLESS, outcome },
	{ FIELD_OURS("detail", NULL), CLOCK_ITEM, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("error", MADE), CLOCK_ITEM, V_FIRST, V_ENDLESS, item_error },
};

static const struct member item_columns[] = {
	FIELD_KEPT(UUID, subscription),
	FIELD_KEPT(TEXT, what),
	FIELD_KEPT(TIME, due_ms),
	FIELD_KEPT(BOOL, done),
	FIELD_KEPT(UUID, invoice),
	FIELD_KEPT(TEXT, number),
	FIELD_KEPT(TEXT, customer_name),
};

const struct fields clock_item_fields = {
	.object = "test_clock_item",
	.prefix = STR("tci_"),
	.out = item_out,
	.out_count = COUNTOF(item_out),
	.columns = item_columns,
	.columns_count = COUNTOF(item_columns),
	.size = sizeof(struct clock_item),
	.id_at = offsetof(struct clock_item, id),
	.given_at = offsetof(struct clock_item, given),
};
