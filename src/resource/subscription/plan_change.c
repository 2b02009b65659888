/* Changing the plan or interval of a subscription, and what that would cost. */
#include "resource/subscription/subscription.h"
#include "call/idem.h"

/* ---- what comes in ---- */

#define FIELD_STRUCT struct subscription

static const struct field_in fields_in[] = {
	{ "newPlanId", FIELD_IN(PLAN, plan), FIELD_TEXT, FIELD_NOT_EMPTY,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "newBillingInterval", FIELD_IN(INTERVAL, interval), FIELD_CHOICE, 0,
	    0, V_FIRST, V_ENDLESS, &subscription_intervals },
	{ "successUrl", FIELD_IN(SUCCESS_URL, life.success_url), FIELD_TEXT, FIELD_NOT_EMPTY,
	    SUBSCRIPTION_URL_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
};

static const struct field_in preview_in[] = {
	{ "planId", FIELD_IN(PLAN, plan), FIELD_TEXT, FIELD_NOT_EMPTY,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "billingInterval", FIELD_IN(INTERVAL, interval), FIELD_CHOICE, 0,
	    0, V_FIRST, V_ENDLESS, &subscription_intervals },
};

static const struct selection change_names = { "newPlanId", "newBillingInterval",
	"There is no plan with this id." };
static const struct selection preview_names = { "planId", "billingInterval",
	"There is no plan with this id." };

/* ---- what goes out ---- */

/* What is answered. */
struct changed {
	const struct life *life; /* after it */
	struct change      change;
	struct offer       offer;
	struct str         outcome, currency;
	struct id          id, invoice;
	int64_t            at_ms;
	int64_t            tax; /* none is computed */
};

#undef FIELD_STRUCT
#define FIELD_STRUCT struct changed

static const struct changed *
of(const void *what)
{
	return what;
}

static struct str
customer_id(struct call *c, const void *what)
{
	return subscription_ref(c, CUSTOMER_PREFIX, &of(what)->life->customer_id);
}

static struct str
old_id(struct call *c, const void *what)
{
	return subscription_ref(c, PLAN_PREFIX, &of(what)->change.old_plan_id);
}

static struct str
new_id(struct call *c, const void *what)
{
	return subscription_ref(c, PLAN_PREFIX, &of(what)->offer.plan_id);
}

static struct str
new_interval(struct call *c, const void *what)
{
	return subscription_interval(c, of(what)->offer.step);
}

static struct str
invoice_id(struct call *c, const void *what)
{
	return subscription_ref(c, INVOICE_PREFIX, &of(what)->invoice);
}

static struct str
checkout_url(struct call *c, const void *what)
{
	return subscription_checkout(c, of(what)->life);
}

/* How it is called here. */
static struct str
kind(struct call *c, const void *what)
{
	return arena_fmt(c->arena, "subscription.%s", of(what)->change.kind);
}

static struct str
object(struct call *c UNUSED, const void *what)
{
	return of(what)->outcome.ptr ? STR("plan_change") : STR("plan_change_preview");
}

static struct str
early_object(struct call *c UNUSED, const void *what UNUSED)
{
	return str_of(subscription_fields.object);
}

/* Where a field is shown. */
enum { CHECKOUT = 1, SCHEDULED = 2, COMPLETED = 4, PREVIEW = 8, INNER = 16, QUOTED = 7 };

static const struct field_out old_out[] = {
	{ FIELD_OURS("id", MADE), INNER, V_FIRST, V_ENDLESS, old_id },
	{ FIELD_OUT("name", TEXT, change.old_name), INNER, V_FIRST, V_ENDLESS, NULL },
};

static const struct field_out new_out[] = {
	{ FIELD_OURS("id", MADE), INNER, V_FIRST, V_ENDLESS, new_id },
	{ FIELD_OUT("name", TEXT, offer.name), INNER, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("price", INT, offer.amount), INNER, V_FIRST, V_ENDLESS, NULL },
};

static const struct field_out billing_out[] = {
	{ FIELD_OUT("credit", INT, change.credit), INNER, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("creditsApplied", INT, change.applied), INNER, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("charge", INT, change.charge), INNER, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("taxAmount", INT, tax), INNER, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("netAmount", INT, change.net), INNER, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("totalCharged", INT, change.total), INNER, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("remainingCreditBalance", INT, change.left_over), INNER, V_FIRST, V_ENDLESS,
	    NULL },
};

enum { PART_OLD, PART_NEW, PART_BILLING, PART__COUNT };

#define PART(rows) &(const struct fields) { .out = rows, .out_count = COUNTOF(rows) }

static const struct fields *const parts[PART__COUNT] = {
	[PART_OLD] = PART(old_out),
	[PART_NEW] = PART(new_out),
	[PART_BILLING] = PART(billing_out),
};

static const struct field_out fields_out[] = {
	{ FIELD_OUT("id", ID, id), QUOTED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("object", MADE), QUOTED | PREVIEW, V_2026_05_25, V_2026_07_24,
	    early_object },
	{ FIELD_OURS("object", MADE), QUOTED | PREVIEW, V_2026_07_24, V_ENDLESS, object },
	{ FIELD_OURS("livemode", LIVEMODE), QUOTED | PREVIEW, V_2026_05_25, V_ENDLESS, NULL },
	{ FIELD_OUT("outcome", TEXT, outcome), QUOTED, V_2026_07_24, V_ENDLESS, NULL },
	{ FIELD_OURS("customerId", MADE), QUOTED, V_FIRST, V_ENDLESS, customer_id },
	{ FIELD_OUT("requiresCheckout", BOOL, change.checkout), CHECKOUT,
	    V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("checkoutUrl", MADE), CHECKOUT, V_FIRST, V_ENDLESS, checkout_url },
	{ FIELD_OUT("scheduled", BOOL, change.waits), SCHEDULED | COMPLETED, V_FIRST, V_ENDLESS,
	    NULL },
	{ FIELD_OUT("scheduledFor", TIME, at_ms), SCHEDULED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("changeType", MADE), SCHEDULED, V_FIRST, V_ENDLESS, kind },
	{ FIELD_OURS("newPlanId", MADE), SCHEDULED, V_FIRST, V_ENDLESS, new_id },
	{ FIELD_OUT("newPlanName", TEXT, offer.name), SCHEDULED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("newBillingInterval", MADE), SCHEDULED, V_FIRST, V_ENDLESS,
	    new_interval },
	{ FIELD_PART("previousPlan", PART_OLD), COMPLETED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_PART("currentPlan", PART_NEW), COMPLETED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("billingInterval", MADE), COMPLETED, V_FIRST, V_ENDLESS, new_interval },
	{ FIELD_PART("billing", PART_BILLING), COMPLETED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("invoiceId", MADE), COMPLETED | CHECKOUT, V_FIRST, V_ENDLESS,
	    invoice_id },
	{ FIELD_OUT("currency", TEXT, currency), PREVIEW, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("currentPlanCredit", INT, change.credit), PREVIEW, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("newPlanCharge", INT, change.charge), PREVIEW, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("estimatedTotal", INT, change.total), PREVIEW, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("effectiveDate", TIME, at_ms), PREVIEW, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("daysRemaining", INT, change.days_left), PREVIEW, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("totalDays", INT, change.days), PREVIEW, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("isUpgrade", BOOL, change.upgrade), PREVIEW, V_FIRST, V_ENDLESS, NULL },
};

static const struct fields plan_change_fields = {
	.object = "plan_change",
	.prefix = STR("sub_"),
	.in = fields_in,
	.in_count = COUNTOF(fields_in),
	.out = fields_out,
	.out_count = COUNTOF(fields_out),
	.parts = parts,
	.size = sizeof(struct subscription),
	.given_at = offsetof(struct subscription, given),
};

static const struct fields *const preview_fields = &(const struct fields) {
	.in = preview_in,
	.in_count = COUNTOF(preview_in),
	.size = sizeof(struct subscription),
	.given_at = offsetof(struct subscription, given),
};

/* ---- the calls ---- */

/* Both read the same; preview only reads. */
static void
ask(struct write *w, struct call *c, const struct subscription *asked)
{
	struct bind *b;

	subscription_lock(w, c);
	b = write_step(w, SQL_BILLING_OFFER);
	subscription_bind_wanted(b, asked);
	bind_id(b, stored_id(c, &subscription_fields, 0));
}

/* What was found: the subscription, and what is asked for. */
static enum err
look(struct write *w, const struct subscription *asked, struct life *l, struct changed *made)
{
	enum err e = subscription_look(w, l);

	if (e == ERR_OK)
		e = subscription_offered(w, STEP_OFFER, asked, &l->plan_id, &made->offer);
	made->id = l->id;
	made->life = l;
	made->currency = l->terms.currency;
	return e;
}

static const struct outcome {
	struct str name;
	unsigned   view;
} outcomes[] = {
	{ STR("completed"),         COMPLETED },
	{ STR("scheduled"),         SCHEDULED },
	{ STR("requires_checkout"), CHECKOUT },
};

static enum err
make_changed(struct write *w, void *what)
{
	const struct subscription *asked = what;
	struct call               *c = w->call;
	struct life               *l = ARENA_NEW(c->arena, struct life, 1);
	struct deed               *d = ARENA_NEW(c->arena, struct deed, 1);
	struct changed            *made = ARENA_NEW(c->arena, struct changed, 1);
	const struct outcome      *o;
	enum refusal               why;
	enum err                   e = look(w, asked, l, made);

	if (e != ERR_OK)
		return e;
	if (asked->life.success_url.ptr)
		l->success_url = asked->life.success_url;
	if ((why = life_change(l, &made->offer, &made->change, d)) != REFUSE_NOTHING)
		return subscription_refuse(c, why, asked->names);
	subscription_save(w, l, d);
	o = &outcomes[made->change.checkout ? 2 : made->change.waits];
	made->outcome = o->name;
	made->invoice = d->bill.id;
	made->at_ms = l->next_ms;
	idem_about(c, &l->customer_id, 1);
	return field_reply(c, 200, &plan_change_fields, made, o->view);
}

enum err
subscription_change(struct call *c)
{
	static const struct answers answers = { .make = make_changed };
	struct subscription *asked = ARENA_NEW(c->arena, struct subscription, 1);
	struct write         w;
	enum err             e = field_read_body(c, &plan_change_fields, FIELD_UPDATE, asked);

	if (e != ERR_OK)
		return e;
	asked->names = &change_names;
	subscription_check_url(c, asked->life.success_url);
	if ((e = call_fields_done(c)) != ERR_OK)
		return e;
	if (!asked->plan.ptr && !asked->interval.ptr)
		return call_fail(c, ERR_NO_CHANGE, "newPlanId",
		    "Neither another plan nor another billing interval is named.");
	ask(&w, c, asked);
	return behind_run(&w, &answers, asked);
}

static enum err
make_preview(struct write *w, void *what)
{
	struct call    *c = w->call;
	struct life    *l = ARENA_NEW(c->arena, struct life, 1);
	struct changed *made = ARENA_NEW(c->arena, struct changed, 1);
	enum refusal    why;
	enum err        e = look(w, what, l, made);

	if (e != ERR_OK)
		return e;
	why = life_quote(l, &made->offer, &made->change);
	if (why == REFUSE_NOTHING && (made->change.waits || made->change.revoked))
		why = REFUSE_WAITS;
	if (why != REFUSE_NOTHING)
		return subscription_refuse(c, why, &preview_names);
	made->at_ms = l->terms.now_ms;
	return field_reply(c, 200, &plan_change_fields, made, PREVIEW);
}

enum err
subscription_preview(struct call *c)
{
	static const struct answers answers = { .make = make_preview };
	struct subscription *asked = ARENA_NEW(c->arena, struct subscription, 1);
	struct write         w;
	enum err             e = field_read_body(c, preview_fields, FIELD_UPDATE, asked);

	if (e != ERR_OK)
		return e;
	if (!asked->plan.ptr && !asked->interval.ptr)
		call_field(c, "planId", "is required");
	asked->names = &preview_names;
	if ((e = call_fields_done(c)) != ERR_OK)
		return e;
	ask(&w, c, asked);
	w.careful = false; /* nothing is written */
	w.tx.again = true;
	return behind_run(&w, &answers, asked);
}
