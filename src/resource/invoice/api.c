/* The invoice calls, and the resource's descriptor. */
#include "billing/behind.h"
#include "billing/settle.h"
#include "call/idem.h"
#include "call/reply.h"
#include "resource/invoice/invoice.h"

static enum err
get(struct call *c)
{
	struct tx tx;

	bind_id(call_read(c, &tx, SQL_INVOICE_GET), stored_id(c, &invoice_fields, 0));
	return stored_get(c, &invoice_fields, &tx, INVOICE_SHOWN);
}

/* ---- list ---- */

struct filter {
	struct str       customer;     /* either id, or absent */
	struct str       status;       /* or absent */
	bool             of_one;       /* subscription, which is NULL for what is no id */
	const struct id *subscription;
};

static void
read_customer(struct call *c UNUSED, struct str value, void *into)
{
	((struct filter *)into)->customer = value;
}

static void
read_subscription(struct call *c, struct str value, void *into)
{
	struct filter *f = into;
	struct id     *id = ARENA_NEW(c->arena, struct id, 1);

	f->of_one = true;
	f->subscription = id_parse(STR("sub_"), value, id) ? id : NULL;
}

static void
read_status(struct call *c, struct str value, void *into)
{
	static const char *const names[] = {
#define STATE(text) text,
		INVOICE_STATES(STATE)
#undef STATE
	};
	bool known = false;

	for (size_t i = 0; i < COUNTOF(names); i++)
		known |= str_is(value, names[i]);
	if (!known)
		call_field(c, "status", "must be draft, outstanding, paid, void or uncollectible");
	((struct filter *)into)->status = value;
}

static const struct list_filter filters[] = {
	{ "customerId",     read_customer,     V_FIRST, V_ENDLESS },
	{ "subscriptionId", read_subscription, V_FIRST, V_ENDLESS },
	{ "status",         read_status,       V_FIRST, V_ENDLESS },
};

static void
bind_customer(struct bind *b, struct str ref)
{
	struct id id;

	bind_id(b, id_parse(STR("cus_"), ref, &id) ? &id : NULL);
	bind_text(b, ref);
}

/* The step after that of a list which is filtered by customer: whether there is such a one. */
enum { STEP_PAYER = READ_STEP + 1 };

static enum err
list(struct call *c)
{
	struct filter f = { .of_one = false };
	struct page   page;
	struct tx     tx;
	struct bind  *b;
	enum err      e;

	page_read(c, &page);
	page_filter(c, &f);
	if ((e = call_fields_done(c)) != ERR_OK)
		return e;
	b = stored_ask(c, &tx, f.of_one ? SQL_INVOICE_LIST_SUBSCRIPTION
	    : f.customer.ptr ? SQL_INVOICE_LIST_CUSTOMER
	    : f.status.ptr ? SQL_INVOICE_LIST_STATUS : SQL_INVOICE_LIST, &page);
	if (f.of_one || f.customer.ptr || f.status.ptr)
		bind_text(b, f.status);
	if (f.of_one || f.customer.ptr)
		bind_customer(b, f.customer);
	if (f.of_one)
		bind_id(b, f.subscription);
	if (!f.customer.ptr)
		return stored_page(c, &invoice_fields, &tx, &page, INVOICE_SHOWN);
	b = tx_step(&tx, SQL_BILLING_PAYER);
	bind_id(b, &c->tenant.environment);
	bind_customer(b, f.customer);
	e = stored_page(c, &invoice_fields, &tx, &page, INVOICE_SHOWN);
	if (e != ERR_OK || tx_rows(&tx, STEP_PAYER) > 0)
		return e;
	reply_forget(c);
	return call_fail(c, ERR_CUSTOMER_NOT_FOUND, "customerId",
	    "There is no customer with this id.");
}

/* ---- status ---- */

/* What is answered: before 2026-07-24 only what changed. */
static const struct field_view views[] = {
	{ V_2026_07_24, INVOICE_SHOWN },
	{ V_FIRST,      INVOICE_STATUS },
};

static enum err
make_settled(struct write *w, void *what)
{
	const struct invoice *wanted = what;
	struct call          *c = w->call;
	struct invoice       *i = ARENA_NEW(c->arena, struct invoice, 1);
	struct settlement    *s = ARENA_NEW(c->arena, struct settlement, 1);
	const struct deed    *d = &s->deed;
	enum settle           came = settle_decide(&w->tx, w->first, &c->tenant.environment,
	    str_is(wanted->status, "paid"), s);

	if (came == SETTLE_MISSING)
		return stored_missing(c, &invoice_fields);
	if (came == SETTLE_BEHIND)
		return behind_check(w, &s->life);
	if (came != SETTLE_DONE)
		return call_fail(c, ERR_CONFLICT, "status", settle_sentences[came]);
	stored_read(&s->invoice, &invoice_fields, i);
	i->status = wanted->status;
	i->updated_ms = i->updated_ms > d->at_ms ? i->updated_ms : d->at_ms;
	if (d->settle_start_ms) {
		i->start_ms = d->settle_start_ms;
		i->end_ms = d->settle_end_ms ? d->settle_end_ms : i->start_ms;
	}
	idem_about(c, &i->customer_id, 1);
	return field_reply(c, 200, &invoice_fields, i, field_view(c, views));
}

static enum err
settle(struct call *c)
{
	static const struct answers answers = { .make = make_settled };
	const struct id *id = stored_id(c, &invoice_fields, 0);
	struct invoice  *wanted = ARENA_NEW(c->arena, struct invoice, 1);
	struct write     w;
	enum err         e = field_read_body(c, &invoice_status_fields, FIELD_UPDATE, wanted);

	if (e != ERR_OK)
		return e;
	if (!wanted->status.ptr) {
		call_field(c, "status", "is required");
		return call_fields_done(c);
	}
	write_begin(&w, c);
	w.careful = true; /* what is written follows from what is read */
	settle_ask(&w.tx, &c->tenant.environment, id);
	return behind_run(&w, &answers, wanted);
}

/* ---- the descriptor ---- */

static const struct route routes[] = {
	{ METHOD_GET,   "invoices",             ROUTE_LIST,   V_2026_05_25, list },
	{ METHOD_GET,   "invoices/{id}",        0,            V_2026_05_25, get },
	{ METHOD_PUT,   "invoices/{id}/status", ROUTE_WRITES, V_2026_05_25, settle },
	{ METHOD_PATCH, "invoices/{id}/status", ROUTE_WRITES, V_2026_05_25, settle },
};

extern const struct resource invoice_resource;
const struct resource invoice_resource = {
	.name = "invoice",
	.routes = routes,
	.routes_count = COUNTOF(routes),
	.filters = filters,
	.filters_count = COUNTOF(filters),
};
