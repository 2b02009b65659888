/* The subscription calls, and the resource's descriptor. */
#include "base/clock.h"
#include "billing/money.h"
#include "call/reply.h"
#include "json/jwrite.h"
#include "resource/subscription/subscription.h"

/* ---- create ---- */

/* Steps of a create, after which come the one that is replaced and the new one. */
enum { STEP_ORDER, STEP_HOLD, STEP_LIVE };

static const struct selection by_id = { "planId", "billingInterval",
	"There is no plan with this id; a plan's code belongs in planCode." };
static const struct selection by_code = { "planCode", "billingInterval",
	"There is no plan with this code." };

static enum err
read_create(struct call *c, struct subscription *s)
{
	enum err e = field_read_body(c, &subscription_fields, FIELD_CREATE, s);

	if (e != ERR_OK)
		return e;
	s->names = s->plan.ptr ? &by_id : &by_code;
	if (!s->plan.ptr && !s->plan_code.ptr)
		call_field(c, "planId", "is required, or planCode");
	if (s->start.ptr && !clock_read(s->start, &s->life.start_ms))
		call_field(c, "startDate", "must be a time of ISO 8601");
	subscription_check_url(c, s->life.success_url);
	return call_fields_done(c);
}

/* The live subscription that is in the way, for 'details'. */
static struct str
details_of(struct call *c, const struct life *l)
{
	struct str id = subscription_ref(c, subscription_fields.prefix, &l->id);
	struct str plan = subscription_ref(c, PLAN_PREFIX, &l->plan_id);

	return arena_fmt(c->arena,
	    "{\"subscriptionId\":\"%.*s\",\"status\":\"%.*s\",\"planId\":\"%.*s\"}",
	    STR_ARGS(id), STR_ARGS(l->status), STR_ARGS(plan));
}

/* What the request and the offer say of the new one. */
static void
set_wanted(struct subscription *s, const struct offer *offer, const struct row *customer)
{
	struct life *l = &s->life;
	bool         custom = s->given & 1u << MEMBER_TRIAL_DAYS;

	l->customer_id = row_id(customer, COL_BILLING_ORDER_ID);
	l->zone_now = row_text(customer, COL_BILLING_ORDER_TIMEZONE);
	if (!l->name.ptr)
		l->name = offer->name;
	l->trial_days = offer->is_free || s->skip_trial ? 0
	    : custom ? s->trial_days : offer->trial_days;
	l->plan_id = offer->plan_id;
	l->price_id = offer->price_id;
}

static enum err
reply_created(struct call *c, struct subscription *s, bool existing)
{
	response_header(c->res, "Clientele-Result", existing ? STR("existing") : STR("created"));
	if (!existing)
		field_location(c, &subscription_fields, s);
	return subscription_reply(c, existing ? 200 : 201, s, SUBSCRIPTION_SHOWN);
}

/*
 * *existing: the live one is what is wanted. Otherwise it is replaced, if it may be, and what its
 * invoice had taken of the credit is there for the new one.
 */
static enum err
meet_live(struct write *w, struct subscription *wanted, const struct row *row,
    struct subscription *live, bool *existing)
{
	struct call *c = w->call;
	struct deed *d = ARENA_NEW(c->arena, struct deed, 1);
	enum refusal why;
	enum err     e;

	member_read(row, life_columns, COL_LIFE__COUNT, &live->life);
	live->life.arena = c->arena;
	live->life.environment = c->tenant.environment;
	live->life.terms = wanted->life.terms;
	if ((e = behind_check(w, &live->life)) != ERR_OK)
		return e;
	*existing = life_is_same(&live->life, &wanted->life);
	if (*existing)
		return ERR_OK;
	if ((why = life_replace(&live->life, d)) != REFUSE_NOTHING) {
		c->problem.facts = details_of(c, &live->life);
		return subscription_refuse(c, why, NULL);
	}
	subscription_save(w, &live->life, d);
	wanted->life.credit += row_i64(row, COL_BILLING_LIVE_RETURNED);
	return ERR_OK;
}

static enum err
make_created(struct write *w, void *what)
{
	struct call         *c = w->call;
	struct subscription *s = ARENA_NEW(c->arena, struct subscription, 1);
	struct subscription *live = ARENA_NEW(c->arena, struct subscription, 1);
	struct deed         *d = ARENA_NEW(c->arena, struct deed, 1);
	struct offer         offer;
	struct row           row;
	bool                 existing = false;
	enum err             e;

	*s = *(const struct subscription *)what; /* it may run again */
	if (write_rows(w, STEP_ORDER) == 0)
		return call_fail(c, ERR_CUSTOMER_NOT_FOUND, "customerId",
		    "There is no customer with this id.");
	row = write_row(w, STEP_ORDER, 0);
	if (row_bool(&row, COL_BILLING_ORDER_ARCHIVED))
		return call_fail(c, ERR_CUSTOMER_ARCHIVED, "customerId",
		    "The customer is archived. Restore it first.");
	if ((e = subscription_offered(w, STEP_ORDER, s, NULL, &offer)) != ERR_OK)
		return e;
	s->life.arena = c->arena;
	s->life.environment = c->tenant.environment;
	ledger_read_terms(&row, &s->life.terms);
	set_wanted(s, &offer, &row);
	if (s->start.ptr && s->life.start_ms < s->life.terms.now_ms) {
		call_field(c, "startDate", "must not lie before now");
		return call_fields_done(c);
	}
	row = write_row(w, STEP_LIVE, 0);
	s->life.credit = row_i64(&row, COL_BILLING_LIVE_CREDIT);
	if (!row_is_null(&row, COL_LIFE_ID)
	    && (e = meet_live(w, s, &row, live, &existing)) != ERR_OK)
		return e;
	if (existing)
		return reply_created(c, live, true);
	life_create(&s->life, &offer, d);
	subscription_save(w, &s->life, d);
	return reply_created(c, s, false);
}

/*
 * In this order groups lock customers, and counters of invoices, which each environment has one of;
 * no group has a customer twice.
 */
static struct str
lock_order(struct call *c, struct str customer)
{
	char *p = ARENA_NEW(c->arena, char, ID_BYTES + customer.len);

	memcpy(p, c->tenant.environment.b, ID_BYTES);
	memcpy(p + ID_BYTES, customer.ptr, customer.len);
	return (struct str) { p, ID_BYTES + customer.len };
}

static void
bind_customer(struct bind *b, struct str ref)
{
	struct id id;

	bind_id(b, id_parse(CUSTOMER_PREFIX, ref, &id) ? &id : NULL);
	bind_text(b, ref);
}

static enum err
create(struct call *c)
{
	static const struct answers answers = { .make = make_created };
	struct subscription *s = ARENA_NEW(c->arena, struct subscription, 1);
	struct write         w;
	struct bind         *b;
	enum err             e;

	s->life.metadata = STR("{}");
	if ((e = read_create(c, s)) != ERR_OK)
		return e;
	s->life.id = id_new();
	write_begin(&w, c);
	w.careful = true; /* what is written follows from what is read */
	w.groups = true;
	w.order = lock_order(c, s->customer);
	b = write_step(&w, SQL_BILLING_ORDER);
	bind_customer(b, s->customer);
	subscription_bind_wanted(b, s);
	if (s->start.ptr)
		bind_time(b, s->life.start_ms);
	else
		bind_null(b);
	(void)write_step(&w, SQL_BILLING_HOLD);
	(void)write_step(&w, SQL_BILLING_LIVE);
	return behind_run(&w, &answers, s);
}

/* ---- cancel and uncancel ---- */

static enum err
reply_canceled(struct call *c, struct subscription *s)
{
	return subscription_reply(c, 200, s, SUBSCRIPTION_CANCELED);
}

static enum err
make_canceled(struct write *w, void *what)
{
	const struct subscription *asked = what;
	struct subscription       *s = ARENA_NEW(w->call->arena, struct subscription, 1);
	struct deed               *d = ARENA_NEW(w->call->arena, struct deed, 1);
	enum refusal               why;
	enum err                   e = subscription_look(w, &s->life);

	if (e != ERR_OK)
		return e;
	why = life_cancel(&s->life, asked->immediate, asked->reason, d);
	if (why != REFUSE_NOTHING)
		return subscription_refuse(w->call, why, NULL);
	subscription_save(w, &s->life, d);
	s->canceled_ms = s->life.cancel_asked_ms;
	s->date_ms = s->life.cancel_ms;
	return reply_canceled(w->call, s);
}

static enum err
cancel(struct call *c)
{
	static const struct answers answers = { .make = make_canceled };
	struct subscription *asked = ARENA_NEW(c->arena, struct subscription, 1);
	struct write         w;
	enum err             e = field_read_body(c, &cancel_fields, FIELD_UPDATE, asked);

	if (e != ERR_OK)
		return e;
	subscription_lock(&w, c);
	return behind_run(&w, &answers, asked);
}

/* It was asked for with the create; the end is that of a first period which would begin now. */
static void
note_early(struct subscription *s)
{
	const struct life *l = &s->life;

	s->canceled_ms = l->created_ms;
	s->date_ms = l->trial_days ? l->terms.now_ms + l->trial_days * DAY_MS : l->plan.end_ms;
}

static enum err
make_uncanceled(struct write *w, void *what UNUSED)
{
	struct subscription *s = ARENA_NEW(w->call->arena, struct subscription, 1);
	struct deed         *d = ARENA_NEW(w->call->arena, struct deed, 1);
	enum refusal         why;
	enum err             e = subscription_look(w, &s->life);

	if (e != ERR_OK)
		return e;
	s->canceled_ms = s->life.cancel_asked_ms;
	s->date_ms = s->life.cancel_ms;
	if (s->life.cancel_early)
		note_early(s);
	if ((why = life_uncancel(&s->life, d)) != REFUSE_NOTHING)
		return subscription_refuse(w->call, why, NULL);
	subscription_save(w, &s->life, d);
	return reply_canceled(w->call, s);
}

static enum err
uncancel(struct call *c)
{
	static const struct answers answers = { .make = make_uncanceled };
	struct write w;

	subscription_lock(&w, c);
	return behind_run(&w, &answers, NULL);
}

/* ---- reading ---- */

static enum err
get(struct call *c)
{
	struct tx tx;

	bind_id(call_read(c, &tx, SQL_SUBSCRIPTION_GET), stored_id(c, &subscription_fields, 0));
	return stored_get(c, &subscription_fields, &tx, SUBSCRIPTION_SHOWN);
}

struct filter {
	struct str customer; /* either id, or absent */
	struct str status;   /* or absent */
};

static void
read_customer(struct call *c UNUSED, struct str value, void *into)
{
	((struct filter *)into)->customer = value;
}

static void
read_status(struct call *c, struct str value, void *into)
{
	bool known = false;

	for (enum state s = 0; s < STATE__COUNT; s++)
		known |= str_eq(value, state_text(s));
	/* Clients know more states than there are here; nothing is in them. */
	if (!known && !str_is(value, "paused") && !str_is(value, "expired"))
		call_field(c, "status", "must be a status that subscriptions have");
	((struct filter *)into)->status = value;
}

static const struct list_filter filters[] = {
	{ "customerId", read_customer, V_FIRST,  V_ENDLESS },
	{ "externalId", read_customer, V_LEGACY, V_2026_05_01 },
	{ "status",     read_status,   V_FIRST,  V_ENDLESS },
};

static enum err
active(struct call *c)
{
	struct subscription *s = ARENA_NEW(c->arena, struct subscription, 1);
	struct filter        filter = { .status = STR_NONE };
	struct tx            tx;
	struct bind         *b;
	struct id            id;
	struct row           row;
	enum err             e;

	page_filter(c, &filter);
	if (!filter.customer.ptr)
		call_field(c, "customerId", "is required");
	if ((e = call_fields_done(c)) != ERR_OK)
		return e;
	if (id_parse(CUSTOMER_PREFIX, filter.customer, &id)) {
		b = call_read(c, &tx, SQL_SUBSCRIPTION_ACTIVE_EITHER);
		bind_id(b, &id);
	} else {
		b = call_read(c, &tx, SQL_SUBSCRIPTION_ACTIVE);
	}
	bind_text(b, filter.customer);
	if ((e = call_read_run(c, &tx)) != ERR_OK)
		return e;
	if (tx_rows(&tx, READ_STEP) == 0)
		return reply_one(c, 200, NULL);
	row = tx_row(&tx, READ_STEP, 0);
	stored_read(&row, &subscription_fields, s);
	return field_reply(c, 200, &subscription_fields, s, SUBSCRIPTION_SHOWN);
}

/* The step after that of a list which is filtered by customer: whether there is such a one. */
enum { STEP_PAYER = READ_STEP + 1 };

static enum err
list(struct call *c)
{
	struct filter filter = { .status = STR_NONE };
	struct page   page;
	struct tx     tx;
	struct bind  *b;
	enum err      e;

	page_read(c, &page);
	page_filter(c, &filter);
	if ((e = call_fields_done(c)) != ERR_OK)
		return e;
	b = stored_ask(c, &tx, filter.customer.ptr ? SQL_SUBSCRIPTION_LIST_CUSTOMER
	    : filter.status.ptr ? SQL_SUBSCRIPTION_LIST_STATUS : SQL_SUBSCRIPTION_LIST, &page);
	if (filter.customer.ptr || filter.status.ptr)
		bind_text(b, filter.status);
	if (!filter.customer.ptr)
		return stored_page(c, &subscription_fields, &tx, &page, SUBSCRIPTION_SHOWN);
	bind_customer(b, filter.customer);
	b = tx_step(&tx, SQL_BILLING_PAYER);
	bind_id(b, &c->tenant.environment);
	bind_customer(b, filter.customer);
	e = stored_page(c, &subscription_fields, &tx, &page, SUBSCRIPTION_SHOWN);
	if (e != ERR_OK || tx_rows(&tx, STEP_PAYER) > 0)
		return e;
	reply_forget(c);
	return call_fail(c, ERR_CUSTOMER_NOT_FOUND, "customerId",
	    "There is no customer with this id.");
}

/* ---- the descriptor ---- */

static const struct route routes[] = {
	{ METHOD_POST, "subscriptions",                     ROUTE_WRITES, V_FIRST, create },
	{ METHOD_GET,  "subscriptions",                     ROUTE_LIST,   V_FIRST, list },
	{ METHOD_GET,  "subscriptions/active",              ROUTE_FILTERED, V_FIRST, active },
	{ METHOD_GET,  "subscriptions/{id}",                0,            V_FIRST, get },
	{ METHOD_POST, "subscriptions/{id}/cancel",         ROUTE_WRITES, V_FIRST, cancel },
	{ METHOD_POST, "subscriptions/{id}/uncancel",       ROUTE_WRITES, V_FIRST, uncancel },
	{ METHOD_POST, "subscriptions/{id}/change-plan",    ROUTE_WRITES, V_FIRST,
	    subscription_change },
	{ METHOD_POST, "subscriptions/{id}/preview-change", ROUTE_WRITES | ROUTE_ASKS, V_FIRST,
	    subscription_preview },
};

static const struct constraint constraints[] = {
	{ "subscription_live", ERR_ALREADY_SUBSCRIBED, "customerId",
	    "The customer has a subscription already." },
};

extern const struct resource subscription_resource;
const struct resource subscription_resource = {
	.name = "subscription",
	.routes = routes,
	.routes_count = COUNTOF(routes),
	.constraints = constraints,
	.constraints_count = COUNTOF(constraints),
	.filters = filters,
	.filters_count = COUNTOF(filters),
};
