/* The fields of an invoice: what each version takes and shows, and what is kept. */
#include "resource/invoice/invoice.h"

/* ---- its lines ---- */

struct line {
	struct str type, description;
	int64_t    quantity, unit_amount, amount;
	struct str charge;
};

#define FIELD_STRUCT struct line

static const struct field_out line_out[] = {
	{ FIELD_OUT("lineType", TEXT, type), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("featureName", NULL), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("description", TEXT, description), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("quantity", INT, quantity), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("unitAmount", INT, unit_amount), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("amount", INT, amount), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("includedAmount", NULL), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("usedAmount", NULL), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("overageAmount", NULL), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("discountType", NULL), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("discountValue", NULL), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("discountName", NULL), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("chargeType", TEXT, charge), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
};

static const struct member line_columns[] = {
	FIELD_KEPT(TEXT, type),
	FIELD_KEPT(TEXT, description),
	FIELD_KEPT(I64, quantity),
	FIELD_KEPT(I64, unit_amount),
	FIELD_KEPT(I64, amount),
	FIELD_KEPT(TEXT, charge),
};

#define LINES &(const struct fields) { \
	.out = line_out, .out_count = COUNTOF(line_out), \
	.columns = line_columns, .columns_count = COUNTOF(line_columns), \
	.size = sizeof(struct line), \
}

#undef FIELD_STRUCT
#define FIELD_STRUCT struct invoice

/* ---- what comes in ---- */

static const char *const status_names[] = { "paid", "void" };

static const struct field_list statuses = {
	.names = status_names,
	.count = COUNTOF(status_names),
	.fault = "must be paid or void",
};

static const struct field_in status_in[] = {
	{ "status", FIELD_IN(STATUS, status), FIELD_CHOICE, 0, 0, V_FIRST, V_ENDLESS, &statuses },
};

/* ---- what goes out ---- */

static struct str
customer_id(struct call *c, const void *what)
{
	const struct invoice *i = what;

	return id_prefixed(STR("cus_"), &i->customer_id,
	    ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES));
}

static struct str
subscription_id(struct call *c, const void *what)
{
	const struct invoice *i = what;

	return id_prefixed(STR("sub_"), &i->subscription_id,
	    ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES));
}

/* Only where it is known under which address the service is reached. */
static struct str
page_url(struct call *c, const void *what)
{
	const struct invoice *i = what;

	return !*c->conf->public_url ? STR_NONE
	    : arena_fmt(c->arena, "%s/invoices/%.*s", c->conf->public_url, STR_ARGS(i->token));
}

static void
derive(void *what)
{
	((struct invoice *)what)->metadata = STR("{}");
}

#define ALL (INVOICE_SHOWN | INVOICE_STATUS)

static const struct field_out fields_out[] = {
	{ FIELD_OUT("id", ID, id), ALL, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("object", OBJECT), ALL, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("livemode", LIVEMODE), ALL, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("customerId", MADE), INVOICE_SHOWN, V_FIRST, V_ENDLESS, customer_id },
	{ FIELD_OURS("subscriptionId", MADE), INVOICE_SHOWN, V_FIRST, V_ENDLESS, subscription_id },
	{ FIELD_OUT("invoiceNumber", TEXT, number), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("status", TEXT, status), ALL, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("invoiceType", TEXT, type), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("currency", TEXT, currency), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("subtotal", INT, subtotal), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("discountAmount", INT, none), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("creditApplied", INT, credit), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("taxAmount", INT, none), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("total", INT, total), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("periodStart", TIME, start_ms), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("periodEnd", TIME, end_ms), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("issueDate", TIME, issued_ms), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("dueDate", TIME, due_ms), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("planName", TEXT, plan_name), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("memo", NULL), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("poNumber", NULL), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("reference", NULL), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("hostedInvoiceUrl", MADE), INVOICE_SHOWN, V_FIRST, V_ENDLESS, page_url },
	{ FIELD_OUT("metadata", JSON, metadata), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("lineItems", ROWS, lines), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("createdAt", TIME, created_ms), INVOICE_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("updatedAt", TIME, updated_ms), ALL, V_FIRST, V_ENDLESS, NULL },
};

static const struct member columns[] = {
	[COL_INVOICE_ID] = FIELD_KEPT(UUID, id),
	[COL_INVOICE_CUSTOMER_ID] = FIELD_KEPT(UUID, customer_id),
	[COL_INVOICE_SUBSCRIPTION_ID] = FIELD_KEPT(UUID, subscription_id),
	[COL_INVOICE_SHOWN_NUMBER] = FIELD_KEPT(TEXT, number),
	[COL_INVOICE_STATUS] = FIELD_KEPT(TEXT, status),
	[COL_INVOICE_INVOICE_TYPE] = FIELD_KEPT(TEXT, type),
	[COL_INVOICE_CURRENCY] = FIELD_KEPT(TEXT, currency),
	[COL_INVOICE_SUBTOTAL] = FIELD_KEPT(I64, subtotal),
	[COL_INVOICE_CREDIT_APPLIED] = FIELD_KEPT(I64, credit),
	[COL_INVOICE_TOTAL] = FIELD_KEPT(I64, total),
	[COL_INVOICE_PERIOD_START] = FIELD_KEPT(TIME, start_ms),
	[COL_INVOICE_SHOWN_END] = FIELD_KEPT(TIME, end_ms),
	[COL_INVOICE_ISSUE_DATE] = FIELD_KEPT(TIME, issued_ms),
	[COL_INVOICE_DUE_DATE] = FIELD_KEPT(TIME, due_ms),
	[COL_INVOICE_PLAN_NAME] = FIELD_KEPT(TEXT, plan_name),
	[COL_INVOICE_CREATED_AT] = FIELD_KEPT(TIME, created_ms),
	[COL_INVOICE_UPDATED_AT] = FIELD_KEPT(TIME, updated_ms),
	[COL_INVOICE_LINES] = FIELD_KEPT(TEXT, lines),
	[COL_INVOICE_TOKEN] = FIELD_KEPT(TEXT, token),
};

_Static_assert(COUNTOF(columns) == COL_INVOICE__COUNT, "a column without a member");

const struct fields invoice_fields = {
	.object = "invoice",
	.prefix = STR("inv_"),
	.missing = ERR_INVOICE_NOT_FOUND,
	.missing_message = "There is no invoice with this id.",
	.out = fields_out,
	.out_count = COUNTOF(fields_out),
	.columns = columns,
	.columns_count = COUNTOF(columns),
	.size = sizeof(struct invoice),
	.id_at = offsetof(struct invoice, id),
	.nested = LINES,
	.nested_view = INVOICE_SHOWN,
	.derive = derive,
};

const struct fields invoice_status_fields = {
	.in = status_in,
	.in_count = COUNTOF(status_in),
	.size = sizeof(struct invoice),
	.given_at = offsetof(struct invoice, given),
};
