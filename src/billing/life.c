/* What happens to a subscription. */
#include "billing/life.h"
#include "billing/money.h"
#include "base/hash.h"

#include <assert.h>
#include <inttypes.h>

#define HOUR_MS INT64_C(3600000)

/* ---- intervals ---- */

int
step_rank(struct str step)
{
	static const char *const names[] = {
		"weekly", "monthly", "quarterly", "semiannual", "yearly", "one_time",
	};

	for (int i = 0; step.ptr && i < (int)COUNTOF(names); i++)
		if (str_is(step, names[i]))
			return i + 1;
	return 0;
}

static bool
is_endless(const struct life *l)
{
	return l->step.ptr && str_is(l->step, "one_time");
}

static bool
is_kind(const struct life *l, const char *kind)
{
	return l->next_kind.ptr && str_is(l->next_kind, kind);
}

static bool
at_checkout(const struct life *l)
{
	return str_is(l->terms.collection, "checkout");
}

/* ---- secrets ---- */

struct str
billing_token(struct arena *a, const struct id *environment)
{
	char *text = ARENA_NEW(a, char, BILLING_TOKEN_BYTES + 1);

	id_text(environment, text);
	id_random_text(STR_NONE, BILLING_TOKEN_BYTES - ID_TEXT_BYTES, text + ID_TEXT_BYTES,
	    BILLING_TOKEN_BYTES - ID_TEXT_BYTES + 1);
	return (struct str) { text, BILLING_TOKEN_BYTES };
}

struct str
billing_invoice_token(struct arena *a, struct str checkout)
{
	char         *text = ARENA_NEW(a, char, BILLING_TOKEN_BYTES + 1);
	unsigned char hash[SHA256_BYTES];
	struct id     half;

	hash_sha256(arena_fmt(a, "invoice %.*s", STR_ARGS(checkout)), hash);
	memcpy(text, checkout.ptr, ID_TEXT_BYTES);
	for (size_t i = 0; i < SHA256_BYTES / ID_BYTES; i++) {
		memcpy(half.b, hash + i * ID_BYTES, ID_BYTES);
		id_text(&half, text + (i + 1) * ID_TEXT_BYTES);
	}
	return (struct str) { text, BILLING_TOKEN_BYTES };
}

bool
billing_token_owner(struct str token, struct id *environment)
{
	if (token.len != BILLING_TOKEN_BYTES)
		return false;
	for (size_t i = 0; i < token.len; i++)
		if (!str_is_alnum(token.ptr[i]))
			return false;
	token.len = ID_TEXT_BYTES;
	return id_parse(STR(""), token, environment);
}

/* ---- what a deed is made of ---- */

static void
tell_of(struct deed *d, const char *type, struct id invoice, struct str data)
{
	assert(d->events < DEED_EVENTS_MAX);
	d->event[d->events++] = (struct happened) { str_of(type), invoice, data };
}

static void
tell(struct deed *d, const char *type)
{
	tell_of(d, type, (struct id) { 0 }, STR_NONE);
}

/* What changes the access of the customer. */
static void
tell_access(struct life *l, struct deed *d, const char *trigger)
{
	tell_of(d, "customer.state_changed", (struct id) { 0 },
	    arena_fmt(l->arena, "{\"trigger\":\"%s\"}", trigger));
}

static struct str
plan_data(struct life *l, const char *name, const struct id *id)
{
	char uuid[ID_UUID_BYTES];

	id_uuid(id, uuid);
	return arena_fmt(l->arena, "{\"%s\":\"%.*s\"}", name, ID_UUID_BYTES, uuid);
}

static void
become(struct life *l, enum event event, enum state to)
{
	assert(state_leads(state_of(l->status), event, to));
	l->status = state_text(to);
}

/* Invoices */

static void
add_line(struct bill *b, struct str description, int64_t amount)
{
	assert(b->lines < LINES_MAX);
	b->line[b->lines++] = (struct line) { description, amount };
	b->subtotal += amount;
}

/* Asks for the payment of the new invoice, if there is one, or for a trial to be begun. */
static void
open_checkout(struct life *l, struct deed *d)
{
	char invoice[ID_UUID_BYTES];

	l->checkout_token = billing_token(l->arena, &l->environment);
	if (id_is_nil(&d->bill.id))
		return;
	d->bill.token = billing_invoice_token(l->arena, l->checkout_token);
	id_uuid(&d->bill.id, invoice);
	l->asked = arena_fmt(l->arena, "%.*s %" PRId64 " %.*s", ID_UUID_BYTES, invoice,
	    d->bill.total, STR_ARGS(d->bill.currency));
}

/* The customer's credit lowers it. With nothing left to pay it is paid. */
static void
issue(struct life *l, struct deed *d, const char *type, int64_t at, int64_t end)
{
	struct bill *b = &d->bill;
	int64_t      credit = l->credit + d->credit;

	b->id = id_new();
	b->type = str_of(type);
	b->currency = l->terms.currency;
	b->index = l->period_index + 1;
	b->start_ms = at;
	b->end_ms = end;
	b->issued_ms = at;
	b->due_ms = at + l->terms.net_days * DAY_MS;
	b->token = billing_token(l->arena, &l->environment);
	b->credit = credit < b->subtotal ? credit : b->subtotal;
	b->total = b->subtotal - b->credit;
	b->status = b->total ? STR("outstanding") : STR("paid");
	d->credit -= b->credit;
	tell_of(d, "invoice.created", b->id, STR_NONE);
}

static void
bill_period(struct life *l, struct deed *d, int64_t start, int64_t end)
{
	add_line(&d->bill, l->plan.name, l->base_price);
	d->bill.plan_id = l->plan_id;
	d->bill.plan_name = l->plan.name;
	issue(l, d, "recurring", start, end);
}

static bool
owes(const struct deed *d)
{
	return !id_is_nil(&d->bill.id) && d->bill.total > 0;
}

static void
settle(struct deed *d, const struct id *invoice, struct str status)
{
	assert(!d->settle.ptr);
	d->settle = status;
	d->settle_id = *invoice;
}

/* ---- deadlines ---- */

static void
sooner(struct life *l, int64_t at, const char *what)
{
	if (at && (!l->due_ms || at < l->due_ms)) {
		l->due_ms = at;
		l->due_what = str_of(what);
	}
}

/*
 * When the notice before this end is due; 0: it was given, or would come before the beginning, or
 * its time has passed, because what it is about was off then.
 */
static int64_t
notice_time(const struct life *l, int64_t start, int64_t end)
{
	int64_t notice = end - NOTICE_DAYS * DAY_MS;

	return l->noticed || l->cancel_ms || !end || notice <= start || notice < l->terms.now_ms
	    ? 0 : notice;
}

/* The same of the next invoice; 0 also where none comes. */
static int64_t
upcoming_time(const struct life *l)
{
	return l->next_kind.ptr && l->next.is_free ? 0
	    : notice_time(l, l->period_start_ms, l->period_end_ms);
}

/*
 * Sets due_ms and due_what. Of two that are due at the same time the first one here is done first.
 * unpaid_ms: of the invoices that were there before, outstanding and not asking for a change, the
 * earliest due date.
 */
static void
set_deadline(struct life *l, const struct deed *d, int64_t unpaid_ms)
{
	enum state state = state_of(l->status);
	bool       quoted = is_kind(l, "checkout");

	if (owes(d) && !quoted && (!unpaid_ms || d->bill.due_ms < unpaid_ms))
		unpaid_ms = d->bill.due_ms;
	l->due_ms = 0;
	l->due_what = STR_NONE;
	l->clocked = l->terms.clocked;
	switch (state) {
	case STATE_DRAFT:
		sooner(l, l->start_ms, "start");
		return;
	case STATE_TRIALING:
		sooner(l, quoted ? l->next_ms : 0, "quote");
		sooner(l, notice_time(l, l->period_start_ms, l->trial_ends_ms), "notice");
		sooner(l, l->trial_ends_ms, l->cancel_ms ? "cancel" : "trial_end");
		return;
	case STATE_ACTIVE:
	case STATE_PAST_DUE:
		if (state == STATE_ACTIVE)
			sooner(l, unpaid_ms, "past_due");
		else if (unpaid_ms)
			sooner(l, unpaid_ms + l->terms.grace_days * DAY_MS, "grace_over");
		sooner(l, quoted ? l->next_ms : 0, "quote");
		sooner(l, upcoming_time(l), "notice");
		sooner(l, l->period_end_ms, l->cancel_ms ? "cancel" : "renew");
		return;
	case STATE_PENDING:
	case STATE_CANCELED:
	case STATE__COUNT:
		return;
	}
}

/* Ends every deed. */
static void
done(struct life *l, struct deed *d, int64_t unpaid_ms)
{
	set_deadline(l, d, unpaid_ms);
	d->at_ms = l->terms.now_ms;
	if (l->updated_ms < d->at_ms)
		l->updated_ms = d->at_ms;
}

/* ---- steps that several deeds have ---- */

static void
set_offer(struct life *l, const struct offer *o)
{
	l->plan_id = o->plan_id;
	l->price_id = o->price_id;
	l->step = o->step;
	l->base_price = o->amount;
	l->plan = *o;
	if (o->is_free)
		l->cancel_early = false; /* there is no period to end with */
}

static void
clear_next(struct life *l)
{
	l->next_kind = STR_NONE;
	l->next_plan_id = l->next_price_id = l->next_invoice_id = (struct id) { 0 };
	l->next_ms = 0;
	if (state_of(l->status) != STATE_PENDING)
		l->checkout_token = STR_NONE;
}

/* A change that waits is off. */
static void
drop_next(struct life *l, struct deed *d)
{
	if (!l->next_kind.ptr)
		return;
	if (is_kind(l, "checkout")) {
		settle(d, &l->next_invoice_id, STR("void"));
		l->credit += l->quote_credit; /* billing_save gives it back */
		l->quote_credit = 0;
	} else {
		tell_of(d, "subscription.plan_change_revoked", (struct id) { 0 },
		    plan_data(l, "revokedPlanId", &l->next_plan_id));
	}
	clear_next(l);
}

/* The next period begins at the anchor that is set now; a free plan has none. */
static void
begin_at(struct life *l, int64_t at, int64_t end)
{
	if (!l->anchor_ms)
		l->zone = l->zone_now;
	l->anchor_ms = at;
	l->day = l->plan.day;
	l->anchor_index = l->period_index;
	l->period_index++;
	l->period_start_ms = at;
	l->period_end_ms = end;
	l->noticed = false;
	if (l->cancel_early && end) {
		l->cancel_asked_ms = at;
		l->cancel_ms = l->end_ms = end;
	}
	l->cancel_early = false;
}

static void
end_periods(struct life *l)
{
	l->anchor_ms = l->period_start_ms = l->period_end_ms = 0;
	l->noticed = false;
}

/* Is active. In a checkout that is told when the first invoice is paid. */
static void
activate(struct life *l, struct deed *d, struct id invoice)
{
	if (l->activated)
		return;
	l->activated = true;
	tell_of(d, "subscription.activated", invoice, STR_NONE);
	tell_access(l, d, "subscription_activated");
}

static void
start_trial(struct life *l, struct deed *d)
{
	l->trial_ends_ms = l->terms.now_ms + l->trial_days * DAY_MS;
	l->period_start_ms = l->terms.now_ms;
	l->period_end_ms = l->trial_ends_ms;
	if (l->cancel_early) {
		l->cancel_asked_ms = l->terms.now_ms;
		l->cancel_ms = l->end_ms = l->trial_ends_ms;
	}
	l->cancel_early = false;
	tell(d, "trial.started");
	tell_access(l, d, "trial_started");
}

/* What a create, or the start of a draft, leads to; *l has its offer. */
static enum state
begin(struct life *l, struct deed *d)
{
	int64_t at = l->terms.now_ms;

	if (l->plan.is_free) {
		activate(l, d, (struct id) { 0 });
		return STATE_ACTIVE;
	}
	if (l->trial_days > 0 && at_checkout(l)) {
		open_checkout(l, d);
		tell(d, "trial.checkout_ready");
		return STATE_PENDING;
	}
	if (l->trial_days > 0) {
		start_trial(l, d);
		return STATE_TRIALING;
	}
	bill_period(l, d, at, l->plan.end_ms);
	if (owes(d) && at_checkout(l)) {
		open_checkout(l, d);
		tell_of(d, "checkout.ready", d->bill.id, STR_NONE);
		return STATE_PENDING;
	}
	begin_at(l, at, l->plan.end_ms);
	activate(l, d, d->bill.id);
	return STATE_ACTIVE;
}

static void
cancel(struct life *l, struct deed *d, enum event event, struct str reason)
{
	int64_t at = l->terms.now_ms;

	if (!l->cancel_asked_ms)
		l->cancel_asked_ms = at;
	if (reason.ptr)
		l->cancel_reason = reason;
	l->cancel_ms = l->end_ms = at;
	l->cancel_early = false;
	become(l, event, STATE_CANCELED);
	clear_next(l);
	tell(d, "subscription.canceled");
	tell_access(l, d, "subscription_canceled");
}

/* Ends it now, with all that is to be paid. */
static void
cancel_all(struct life *l, struct deed *d, enum event event, struct str reason, struct str unpaid)
{
	settle(d, &(struct id) { 0 }, unpaid);
	cancel(l, d, event, reason);
	done(l, d, 0);
}

/* ---- the beginning ---- */

void
life_create(struct life *l, const struct offer *offer, struct deed *d)
{
	set_offer(l, offer);
	l->day = offer->day;
	l->zone = l->zone_now;
	l->created_ms = l->updated_ms = l->terms.now_ms;
	tell(d, "subscription.created");
	if (l->start_ms > l->terms.now_ms) {
		l->status = state_text(STATE_DRAFT);
	} else {
		l->start_ms = l->terms.now_ms;
		/* A state to come from. */
		l->status = state_text(STATE_DRAFT);
		become(l, EVENT_START, begin(l, d));
	}
	done(l, d, 0);
}

bool
life_is_at_checkout(const struct life *l)
{
	return l->checkout_token.ptr
	    && (state_of(l->status) == STATE_PENDING || is_kind(l, "checkout"));
}

bool
life_is_same(const struct life *l, const struct life *wanted)
{
	return state_of(l->status) == STATE_PENDING && id_eq(&l->plan_id, &wanted->plan_id)
	    && id_eq(&l->price_id, &wanted->price_id) && l->trial_days == wanted->trial_days;
}

enum refusal
life_replace(struct life *l, struct deed *d)
{
	enum refusal why = state_refuses(state_of(l->status), EVENT_REPLACE);

	if (why == REFUSE_NOTHING)
		cancel_all(l, d, EVENT_REPLACE, STR("replaced"), STR("void"));
	return why;
}

enum refusal
life_confirm(struct life *l, struct deed *d)
{
	enum refusal why = state_refuses(state_of(l->status), EVENT_CONFIRM);

	/* One that waits for its invoice begins with the payment of it. */
	if (why == REFUSE_NOTHING && !l->trial_days)
		why = REFUSE_SETTLED;
	if (why != REFUSE_NOTHING)
		return why;
	become(l, EVENT_CONFIRM, STATE_TRIALING);
	start_trial(l, d);
	done(l, d, 0);
	return why;
}

/* ---- cancelling ---- */

enum refusal
life_cancel(struct life *l, bool now, struct str reason, struct deed *d)
{
	enum state   state = state_of(l->status);
	enum event   event = now ? EVENT_CANCEL_NOW : EVENT_CANCEL;
	enum refusal why = state_refuses(state, event);

	if (why != REFUSE_NOTHING)
		return why;
	if (!now && l->cancel_ms)
		return REFUSE_SCHEDULED;
	if (!now && is_endless(l) && state == STATE_ACTIVE)
		return REFUSE_ENDLESS;
	/* At once also where the state says so, and where there is no period to end. */
	if (!state_leads(state, event, state) || (state == STATE_ACTIVE && !l->period_end_ms)) {
		cancel_all(l, d, event, reason, STR("void"));
		return why;
	}
	drop_next(l, d);
	l->cancel_asked_ms = l->terms.now_ms;
	l->cancel_reason = reason;
	l->cancel_ms = l->end_ms = state == STATE_TRIALING ? l->trial_ends_ms : l->period_end_ms;
	tell(d, "subscription.updated");
	tell(d, "subscription.cancellation_scheduled");
	tell_access(l, d, "cancellation_scheduled");
	done(l, d, l->unpaid_ms);
	return why;
}

enum refusal
life_uncancel(struct life *l, struct deed *d)
{
	enum refusal why = state_refuses(state_of(l->status), EVENT_UNCANCEL);
	bool         early = l->cancel_early;

	if (why == REFUSE_NOTHING && !l->cancel_ms && !early)
		why = REFUSE_NOT_SCHEDULED;
	if (why != REFUSE_NOTHING)
		return why;
	l->cancel_asked_ms = l->cancel_ms = l->end_ms = 0;
	l->cancel_reason = STR_NONE;
	l->cancel_early = false;
	/* That it would end with its first period was not told either. */
	if (!early) {
		tell(d, "subscription.cancellation_revoked");
		tell_access(l, d, "cancellation_revoked");
	}
	done(l, d, l->unpaid_ms);
	return why;
}

/* ---- payments ---- */

/* The plan changes now, and the period begins anew; the invoice is there. */
static void
change_now(struct life *l, const struct offer *to, struct id invoice, struct deed *d)
{
	struct str data = plan_data(l, "previousPlanId", &l->plan_id);

	clear_next(l);
	l->checkout_token = STR_NONE;
	if (state_of(l->status) == STATE_TRIALING) {
		become(l, EVENT_CHANGE, STATE_ACTIVE);
		l->trial_ends_ms = l->terms.now_ms;
		tell(d, "trial.converted");
		tell_access(l, d, "trial_converted");
	}
	set_offer(l, to);
	if (to->is_free)
		end_periods(l);
	else
		begin_at(l, l->terms.now_ms, to->end_ms);
	tell_of(d, "subscription.plan_changed", invoice, data);
	tell_access(l, d, "plan_change");
}

/* Of a past due one, whose other invoices are not overdue now. */
static void
recover(struct life *l, struct deed *d, enum event event, int64_t unpaid_ms, struct id invoice)
{
	if (state_of(l->status) != STATE_PAST_DUE
	    || (unpaid_ms && unpaid_ms <= l->terms.now_ms))
		return;
	become(l, event, STATE_ACTIVE);
	if (event == EVENT_PAY)
		tell_of(d, "payment.recovered", invoice, STR_NONE);
}

enum refusal
life_paid(struct life *l, const struct settled *invoice, struct deed *d)
{
	enum state   state = state_of(l->status);
	enum refusal why = state_refuses(state, EVENT_PAY);

	if (why != REFUSE_NOTHING)
		return why;
	settle(d, &invoice->id, STR("paid"));
	tell_of(d, "payment.received", invoice->id, STR_NONE);
	if (is_kind(l, "checkout") && id_eq(&l->next_invoice_id, &invoice->id)) {
		change_now(l, &l->next, invoice->id, d);
	} else if (state == STATE_PENDING) {
		become(l, EVENT_PAY, STATE_ACTIVE);
		l->checkout_token = STR_NONE;
		begin_at(l, l->terms.now_ms, l->plan.end_ms);
	} else {
		recover(l, d, EVENT_PAY, invoice->unpaid_ms, invoice->id);
	}
	if (l->period_start_ms == l->terms.now_ms && l->period_index == invoice->period_index) {
		d->settle_start_ms = l->period_start_ms;
		d->settle_end_ms = l->period_end_ms;
	}
	if (state != STATE_CANCELED)
		activate(l, d, invoice->id);
	done(l, d, invoice->unpaid_ms);
	return why;
}

enum refusal
life_void(struct life *l, const struct settled *invoice, struct deed *d)
{
	enum state   state = state_of(l->status);
	enum refusal why = state_refuses(state, EVENT_VOID);
	bool         first = state == STATE_PENDING
	    || (invoice->period_index == 1 && state != STATE_TRIALING);

	if (why != REFUSE_NOTHING)
		return why;
	if (is_kind(l, "checkout") && id_eq(&l->next_invoice_id, &invoice->id))
		clear_next(l);
	else if (first && state != STATE_CANCELED) {
		cancel_all(l, d, EVENT_VOID, STR_NONE, STR("void"));
		return why;
	}
	settle(d, &invoice->id, STR("void"));
	recover(l, d, EVENT_VOID, invoice->unpaid_ms, invoice->id);
	done(l, d, invoice->unpaid_ms);
	return why;
}

/* ---- changes of plan ---- */

static bool
is_current(const struct life *l, const struct offer *to)
{
	/* Not by the price: it may have been deleted and made anew. */
	return id_eq(&l->plan_id, &to->plan_id) && str_eq(l->step, to->step);
}

/* Why it waits for the end of the period; NULL: it does not. */
static const char *
waits(const struct life *l, const struct offer *to)
{
	bool same_plan = id_eq(&l->plan_id, &to->plan_id);
	int  from = step_rank(l->step), until = step_rank(to->step);

	if (l->plan.is_free || is_endless(l))
		return NULL; /* there is no end to wait for */
	if (to->is_free)
		return "plan_downgrade";
	if (state_of(l->status) == STATE_TRIALING)
		return NULL;
	if (until < from)
		return same_plan ? "interval_change" : "plan_downgrade";
	return until == from && to->order < l->plan.order ? "plan_downgrade" : NULL;
}

enum refusal
life_quote(const struct life *l, const struct offer *to, struct change *c)
{
	enum state   state = state_of(l->status);
	enum refusal why = state_refuses(state, EVENT_CHANGE);
	int64_t      now = l->terms.now_ms, balance = l->credit + l->quote_credit;

	*c = (struct change) { .waits = false };
	if (why != REFUSE_NOTHING)
		return why;
	if (l->cancel_ms)
		return REFUSE_SCHEDULED;
	if (is_current(l, to)) {
		c->revoked = l->next_kind.ptr;
		return c->revoked ? REFUSE_NOTHING : REFUSE_UNCHANGED;
	}
	if (!id_eq(&l->plan_id, &to->plan_id)
	    && (id_is_nil(&to->group) || !id_eq(&l->plan.group, &to->group)))
		return REFUSE_OTHER_GROUP;
	c->old_name = l->plan.name;
	c->old_plan_id = l->plan_id;
	c->kind = waits(l, to);
	c->waits = c->kind;
	c->upgrade = !c->waits;
	c->charge = to->amount;
	if (state == STATE_ACTIVE && l->period_end_ms) {
		c->days = days_of(l->period_start_ms, l->period_end_ms);
		c->days_left = days_left(l->period_start_ms, l->period_end_ms, now);
		c->credit = money_share(l->base_price, c->days_left, c->days);
		if (c->credit > l->paid)
			c->credit = l->paid;
	}
	c->net = c->charge - c->credit;
	c->left_over = c->net < 0 ? balance - c->net : balance;
	if (c->net > 0) {
		c->applied = balance < c->net ? balance : c->net;
		c->left_over = balance - c->applied;
	}
	c->total = c->net > 0 ? c->net - c->applied : 0;
	c->checkout = !c->waits && c->total > 0 && at_checkout(l);
	return REFUSE_NOTHING;
}

static void
bill_change(struct life *l, const struct offer *to, const struct change *c, struct deed *d)
{
	int64_t credit = c->credit < c->charge ? c->credit : c->charge;

	d->bill.plan_id = to->plan_id;
	d->bill.plan_name = to->name;
	add_line(&d->bill, to->name, c->charge);
	if (credit)
		add_line(&d->bill, arena_fmt(l->arena, "Unused time of %.*s",
		    STR_ARGS(c->old_name)), -credit);
	d->credit += c->credit - credit;
	issue(l, d, "plan_change", l->terms.now_ms, to->end_ms);
}

static void
schedule(struct life *l, const struct offer *to, const char *kind, int64_t at)
{
	l->next_kind = str_of(kind);
	l->next_plan_id = to->plan_id;
	l->next_price_id = to->price_id;
	l->next_ms = at;
}

enum refusal
life_change(struct life *l, const struct offer *to, struct change *c, struct deed *d)
{
	enum refusal why = life_quote(l, to, c);
	int64_t      now = l->terms.now_ms, end;

	if (why != REFUSE_NOTHING)
		return why;
	end = state_of(l->status) == STATE_TRIALING ? l->trial_ends_ms : l->period_end_ms;
	drop_next(l, d);
	if (c->revoked) {
		c->old_name = l->plan.name;
		c->old_plan_id = l->plan_id;
		c->left_over = l->credit + d->credit;
	} else if (c->waits) {
		schedule(l, to, c->kind, end);
		l->next = *to;
		tell_of(d, "subscription.plan_change_scheduled", (struct id) { 0 },
		    plan_data(l, "scheduledPlanId", &to->plan_id));
	} else {
		if (!to->is_free)
			bill_change(l, to, c, d);
		if (c->checkout) {
			schedule(l, to, "checkout", now + QUOTE_HOURS * HOUR_MS);
			l->next = *to;
			l->next_invoice_id = d->bill.id;
			open_checkout(l, d);
			tell_of(d, "checkout.ready", d->bill.id, STR_NONE);
		} else {
			change_now(l, to, d->bill.id, d);
			activate(l, d, d->bill.id);
		}
	}
	done(l, d, l->unpaid_ms);
	return why;
}

/* ---- deadlines ---- */

static void
start(struct life *l, struct deed *d)
{
	become(l, EVENT_START, begin(l, d));
}

static void
notice(struct life *l, struct deed *d)
{
	bool trial = state_of(l->status) == STATE_TRIALING;

	l->noticed = true;
	tell(d, trial ? "trial.will_end" : "invoice.upcoming");
}

/* A change that waited for this moment. */
static void
take_next(struct life *l, struct deed *d)
{
	struct str data = plan_data(l, "previousPlanId", &l->plan_id);

	if (!l->next_kind.ptr)
		return;
	if (is_kind(l, "checkout")) {
		drop_next(l, d);
		return;
	}
	set_offer(l, &l->next);
	clear_next(l);
	tell_of(d, "subscription.plan_changed", (struct id) { 0 }, data);
	tell_access(l, d, "plan_change");
}

static void
trial_end(struct life *l, struct deed *d)
{
	take_next(l, d);
	become(l, EVENT_TRIAL_END, STATE_ACTIVE);
	tell(d, "trial.converted");
	tell_access(l, d, "trial_converted");
	l->base_price = l->plan.amount;
	if (l->plan.is_free) {
		activate(l, d, (struct id) { 0 });
		return;
	}
	bill_period(l, d, l->terms.now_ms, l->plan.end_ms);
	begin_at(l, l->terms.now_ms, l->plan.end_ms);
	if (!at_checkout(l) || !owes(d))
		activate(l, d, d->bill.id);
}

static void
renew(struct life *l, struct deed *d)
{
	struct str step = l->step;

	take_next(l, d);
	l->base_price = l->plan.amount;
	if (l->plan.is_free) {
		end_periods(l);
	} else if (!str_eq(step, l->step)) {
		bill_period(l, d, l->terms.now_ms, l->plan.end_ms);
		begin_at(l, l->terms.now_ms, l->plan.end_ms);
	} else {
		bill_period(l, d, l->period_end_ms, l->further_end_ms);
		l->period_index++;
		l->period_start_ms = l->period_end_ms;
		l->period_end_ms = l->further_end_ms;
		l->noticed = false;
	}
}

static void
cancel_due(struct life *l, struct deed *d)
{
	bool trial = state_of(l->status) == STATE_TRIALING;

	drop_next(l, d);
	if (trial) {
		tell(d, "trial.expired");
		tell_access(l, d, "trial_expired");
	}
	cancel(l, d, EVENT_CANCEL_DUE, STR_NONE);
}

static void
overdue(struct life *l, struct deed *d)
{
	/* A change that was accepted for the end of the period stays. */
	if (is_kind(l, "checkout"))
		drop_next(l, d);
	become(l, EVENT_OVERDUE, STATE_PAST_DUE);
	tell_of(d, "invoice.overdue", l->unpaid_id, STR_NONE);
	tell_of(d, "subscription.past_due", l->unpaid_id, STR_NONE);
	tell_access(l, d, "past_due");
}

static void
grace_over(struct life *l, struct deed *d)
{
	settle(d, &(struct id) { 0 }, STR("uncollectible"));
	l->cancel_asked_ms = 0;
	cancel(l, d, EVENT_GRACE_OVER, STR("dunning_exhausted"));
}

static const struct deadline {
	const char *what;
	enum event  event;
	void      (*run)(struct life *l, struct deed *d);
} deadlines[] = {
	{ "start",      EVENT_START,      start },
	{ "notice",     EVENT_NOTICE,     notice },
	{ "trial_end",  EVENT_TRIAL_END,  trial_end },
	{ "renew",      EVENT_RENEW,      renew },
	{ "cancel",     EVENT_CANCEL_DUE, cancel_due },
	{ "quote",      EVENT_QUOTE_OVER, drop_next },
	{ "past_due",   EVENT_OVERDUE,    overdue },
	{ "grace_over", EVENT_GRACE_OVER, grace_over },
};

enum refusal
life_advance(struct life *l, struct deed *d)
{
	const struct deadline *due = deadlines, *end = deadlines + COUNTOF(deadlines);

	while (due < end && !str_is(l->due_what, due->what))
		due++;
	if (due == end || state_refuses(state_of(l->status), due->event) != REFUSE_NOTHING)
		return REFUSE_NEVER;
	due->run(l, d);
	done(l, d, l->unpaid_ms);
	return REFUSE_NOTHING;
}

bool
life_is_behind(const struct life *l)
{
	return l->due_ms && l->due_ms < l->terms.now_ms;
}
