/* The life of a subscription: the table of states, what each event does, periods' days and money. */
#include "base/base.h"
#include "billing/checkout.h"
#include "billing/life.h"
#include "billing/money.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

#define T0   INT64_C(1785542400000) /* 2026-08-01 */
#define DAYS(n) (INT64_C(86400000) * (n))

/* ---- the table ---- */

/*
 * A row for each event: where it leads from draft, pending, trialing, active, past due, canceled (in the letters of
 * 'letters'), or the refusal's number below zero.
 */
static const char letters[] = "dptaoc";

static const struct {
	enum event  event;
	const char *from[STATE__COUNT];
} table[] = {
	{ EVENT_CONFIRM,    { "settled", "t", "settled", "settled", "settled", "canceled" } },
	{ EVENT_PAY,        { "never", "a", "ta", "a", "ao", "c" } },
	{ EVENT_VOID,       { "never", "c", "t", "ac", "aoc", "c" } },
	{ EVENT_CANCEL,     { "c", "c", "t", "ac", "c", "canceled" } },
	{ EVENT_CANCEL_NOW, { "c", "c", "c", "c", "c", "canceled" } },
	{ EVENT_UNCANCEL,   { "d", "p", "t", "a", "o", "unscheduled" } },
	{ EVENT_CHANGE,     { "inactive", "inactive", "ta", "a", "inactive", "inactive" } },
	{ EVENT_REPLACE,    { "live", "c", "live", "live", "live", "never" } },
	{ EVENT_START,      { "pta", "never", "never", "never", "never", "never" } },
	{ EVENT_NOTICE,     { "never", "never", "t", "a", "o", "never" } },
	{ EVENT_TRIAL_END,  { "never", "never", "a", "never", "never", "never" } },
	{ EVENT_RENEW,      { "never", "never", "never", "a", "o", "never" } },
	{ EVENT_CANCEL_DUE, { "never", "never", "c", "c", "c", "never" } },
	{ EVENT_QUOTE_OVER, { "never", "never", "t", "a", "never", "never" } },
	{ EVENT_OVERDUE,    { "never", "never", "never", "o", "never", "never" } },
	{ EVENT_GRACE_OVER, { "never", "never", "never", "never", "c", "never" } },
};

static const char *const refusals[REFUSE__COUNT] = {
	[REFUSE_NEVER] = "never", [REFUSE_CANCELED] = "canceled", [REFUSE_NOT_SCHEDULED] = "unscheduled",
	[REFUSE_NOT_ACTIVE] = "inactive", [REFUSE_LIVE] = "live", [REFUSE_SETTLED] = "settled",
};

static void
every_state_and_every_event_are_as_written(void **state UNUSED)
{
	assert_int_equal(COUNTOF(table), EVENT__COUNT);
	for (size_t row = 0; row < COUNTOF(table); row++)
		for (enum state from = 0; from < STATE__COUNT; from++) {
			enum refusal why = state_refuses(from, table[row].event);
			const char  *expected = table[row].from[from];

			if (why != REFUSE_NOTHING)
				assert_string_equal(refusals[why], expected);
			for (enum state to = 0; to < STATE__COUNT; to++)
				if (state_leads(from, table[row].event, to)
				    != (why == REFUSE_NOTHING && strchr(expected, letters[to]) != NULL))
					fail_msg("event %zu from %d to %d", row, (int)from, (int)to);
		}
}

static void
a_state_is_kept_under_its_name(void **state UNUSED)
{
	for (enum state s = 0; s < STATE__COUNT; s++)
		assert_int_equal(state_of(state_text(s)), s);
}

/* ---- every event in every state, carried out ---- */

static const struct offer *
offer(int64_t amount, const char *step, int64_t order)
{
	static struct id group = { { 7 } };
	struct offer    *o = ARENA_NEW(&arena, struct offer, 1);

	*o = (struct offer) {
		.plan_id = id_new(), .name = STR("Pro"), .amount = amount, .order = order, .group = group,
		.is_free = !step, .step = str_of(step), .end_ms = step ? T0 + DAYS(31) : 0, .day = 1, .priced = step,
	};
	if (step)
		o->price_id = id_new();
	return o;
}

static struct life
fresh(const char *collection)
{
	return (struct life) {
		.arena = &arena, .id = id_new(), .customer_id = id_new(), .name = STR("Pro"), .metadata = STR("{}"),
		.zone_now = STR("UTC"),
		.terms = { .now_ms = T0, .currency = STR("usd"), .collection = str_of(collection), .net_days = 14, .grace_days = 7 },
	};
}

static struct life
in_state(enum state s)
{
	struct life    l = fresh(s == STATE_PENDING ? "checkout" : "invoice");
	struct deed    d = { 0 };

	l.trial_days = s == STATE_TRIALING ? 30 : 0;
	l.start_ms = s == STATE_DRAFT ? T0 + DAYS(1) : 0;
	life_create(&l, offer(3100, "monthly", 1), &d);
	l.terms.collection = STR("invoice");
	if (s == STATE_PAST_DUE) {
		assert_string_equal(l.due_what.ptr, "past_due");
		l.unpaid_ms = l.terms.now_ms = l.due_ms;
		assert_int_equal(life_advance(&l, &(struct deed) { 0 }), REFUSE_NOTHING);
	} else if (s == STATE_CANCELED) {
		assert_int_equal(life_cancel(&l, true, STR_NONE, &(struct deed) { 0 }), REFUSE_NOTHING);
	}
	assert_int_equal(state_of(l.status), s);
	return l;
}

static enum refusal
carry_out(struct life *l, enum event event, struct deed *d)
{
	struct settled invoice = { .id = id_new(), .period_index = 2 };
	struct change  change;

	switch (event) {
	case EVENT_CONFIRM: return life_confirm(l, d);
	case EVENT_PAY: return life_paid(l, &invoice, d);
	case EVENT_VOID: return life_void(l, &invoice, d);
	case EVENT_CANCEL: return life_cancel(l, false, STR_NONE, d);
	case EVENT_CANCEL_NOW: return life_cancel(l, true, STR_NONE, d);
	case EVENT_UNCANCEL: return life_uncancel(l, d);
	case EVENT_CHANGE: return life_change(l, offer(6200, "monthly", 2), &change, d);
	case EVENT_REPLACE: return life_replace(l, d);
	case EVENT_START: /* a deadline, as all that follow: nobody can ask for them */
	case EVENT_NOTICE:
	case EVENT_TRIAL_END:
	case EVENT_RENEW:
	case EVENT_CANCEL_DUE:
	case EVENT_QUOTE_OVER:
	case EVENT_OVERDUE:
	case EVENT_GRACE_OVER:
	case EVENT__COUNT:
		break;
	}
	return REFUSE_NEVER;
}

static void
no_call_leads_where_the_table_does_not(void **state UNUSED)
{
	for (enum event event = 0; event < EVENT_START; event++)
		for (enum state from = 0; from < STATE__COUNT; from++) {
			struct life  l, before;
			struct deed  d = { 0 };
			enum refusal why, wanted = state_refuses(from, event);

			/* Nobody can call these: there is no such invoice, and the one that is over is not found. */
			if (wanted == REFUSE_NEVER)
				continue;
			l = before = in_state(from);
			why = carry_out(&l, event, &d);
			if (wanted != REFUSE_NOTHING)
				assert_int_equal(why, wanted);
			if (why != REFUSE_NOTHING) {
				assert_memory_equal(&l, &before, sizeof(l));
				assert_int_equal(d.events, 0);
			} else if (!state_leads(from, event, state_of(l.status))) {
				fail_msg("event %d from %d led to %.*s", (int)event, (int)from, STR_ARGS(l.status));
			}
			assert_int_equal(!l.due_ms, !l.due_what.ptr);
			if (state_of(l.status) == STATE_CANCELED)
				assert_int_equal(l.due_ms, 0);
		}
}

/* ---- deadlines ---- */

static bool
told(const struct deed *d, const char *type)
{
	for (size_t i = 0; i < d->events; i++)
		if (str_is(d->event[i].type, type))
			return true;
	return false;
}

/* Carries out what is due, which must be that. */
static struct deed
advance(struct life *l, const char *what)
{
	struct deed d = { 0 };

	if (!l->due_what.ptr || !str_is(l->due_what, what))
		fail_msg("%s is due instead of %s", l->due_what.ptr ? l->due_what.ptr : "nothing", what);
	l->terms.now_ms = l->due_ms;
	assert_false(life_is_behind(l));
	assert_int_equal(life_advance(l, &d), REFUSE_NOTHING);
	assert_int_equal(d.at_ms, l->terms.now_ms);
	return d;
}

/* What a row claims to be due may be nonsense; then nothing happens, and nobody dies of it. */
static void
what_cannot_be_due_is_refused(void **state UNUSED)
{
	static const char *const whats[] = { "start", "notice", "trial_end", "renew", "cancel", "quote", "past_due", "grace_over", "lunch" };

	for (enum state s = 0; s < STATE__COUNT; s++)
		for (size_t i = 0; i < COUNTOF(whats); i++) {
			struct life l = in_state(s), before;
			struct deed d = { 0 };

			l.due_what = str_of(whats[i]);
			l.due_ms = T0;
			before = l;
			if (life_advance(&l, &d) == REFUSE_NOTHING) {
				assert_true(i < COUNTOF(whats) - 1);
				assert_int_equal(state_refuses(s, EVENT_START + (enum event)i), REFUSE_NOTHING);
				continue;
			}
			assert_memory_equal(&l, &before, sizeof(l));
			assert_int_equal(d.events, 0);
		}
}

static void
one_is_behind_when_something_was_due_before_now(void **state UNUSED)
{
	struct life l = fresh("invoice");

	assert_false(life_is_behind(&l));
	l.due_ms = T0;
	assert_false(life_is_behind(&l)); /* that is now */
	l.due_ms = T0 - 1;
	assert_true(life_is_behind(&l));
}

static void
a_paid_subscription_is_noticed_renewed_and_lost(void **state UNUSED)
{
	struct life l = fresh("invoice");
	struct deed d = { 0 };

	life_create(&l, offer(3100, "monthly", 1), &d);
	assert_true(told(&d, "subscription.created") && told(&d, "subscription.activated") && told(&d, "invoice.created"));
	assert_int_equal(d.bill.total, 3100);
	assert_int_equal(d.bill.due_ms, T0 + DAYS(14));
	assert_int_equal(l.due_ms, T0 + DAYS(14));
	/* It is paid in time. */
	assert_int_equal(life_paid(&l, &(struct settled) { .period_index = 1 }, &(struct deed) { 0 }), REFUSE_NOTHING);
	l.paid = 3100;
	d = advance(&l, "notice");
	assert_true(told(&d, "invoice.upcoming"));
	l.further_end_ms = T0 + DAYS(61);
	l.plan.amount = 4000; /* a changed price reaches it now */
	d = advance(&l, "renew");
	assert_int_equal(d.at_ms, T0 + DAYS(31));
	assert_int_equal(d.bill.total, 4000);
	assert_int_equal(d.bill.index, 2);
	assert_int_equal(l.period_end_ms, T0 + DAYS(61));
	assert_int_equal(l.base_price, 4000);
	/* And not this time. */
	l.unpaid_ms = d.bill.due_ms;
	d = advance(&l, "past_due");
	assert_true(told(&d, "subscription.past_due") && told(&d, "invoice.overdue"));
	d = advance(&l, "grace_over");
	assert_int_equal(d.at_ms, T0 + DAYS(31 + 14 + 7));
	assert_true(str_is(d.settle, "uncollectible") && id_is_nil(&d.settle_id));
	assert_true(str_is(l.cancel_reason, "dunning_exhausted"));
	assert_int_equal(state_of(l.status), STATE_CANCELED);
	assert_null(l.due_what.ptr);
}

static void
a_past_due_one_recovers_when_nothing_else_is_overdue(void **state UNUSED)
{
	struct settled last = { .period_index = 2 };
	struct life    l = in_state(STATE_PAST_DUE);
	struct deed    d = { 0 };

	last.unpaid_ms = l.terms.now_ms - 1; /* another one is */
	assert_int_equal(life_paid(&l, &last, &d), REFUSE_NOTHING);
	assert_int_equal(state_of(l.status), STATE_PAST_DUE);
	assert_string_equal(l.due_what.ptr, "grace_over");
	last.unpaid_ms = l.terms.now_ms + 1;
	d = (struct deed) { 0 };
	assert_int_equal(life_paid(&l, &last, &d), REFUSE_NOTHING);
	assert_int_equal(state_of(l.status), STATE_ACTIVE);
	assert_true(told(&d, "payment.recovered"));
	assert_string_equal(l.due_what.ptr, "past_due");
}

static void
a_trial_ends_in_a_period_or_with_a_cancellation(void **state UNUSED)
{
	struct life l = in_state(STATE_TRIALING), other;
	struct deed d;

	assert_int_equal(l.trial_ends_ms, T0 + DAYS(30));
	d = advance(&l, "notice");
	assert_true(told(&d, "trial.will_end"));
	other = l;
	l.plan.end_ms = T0 + DAYS(60);
	d = advance(&l, "trial_end");
	assert_true(told(&d, "trial.converted") && told(&d, "subscription.activated"));
	assert_int_equal(l.period_start_ms, T0 + DAYS(30));
	assert_int_equal(l.anchor_ms, T0 + DAYS(30));
	assert_int_equal(d.bill.index, 1);
	assert_int_equal(life_cancel(&other, false, STR("no"), &d), REFUSE_NOTHING);
	assert_int_equal(life_cancel(&other, false, STR("no"), &d), REFUSE_SCHEDULED);
	d = advance(&other, "cancel");
	assert_true(told(&d, "trial.expired") && told(&d, "subscription.canceled"));
	assert_int_equal(other.cancel_ms, T0 + DAYS(30));
	assert_null(d.settle.ptr);
}

static void
a_short_trial_has_no_notice_before_it_begins(void **state UNUSED)
{
	struct life l = fresh("invoice");

	l.trial_days = NOTICE_DAYS;
	life_create(&l, offer(3100, "monthly", 1), &(struct deed) { 0 });
	assert_string_equal(l.due_what.ptr, "trial_end");
}

static void
a_draft_becomes_what_a_create_would_have_made(void **state UNUSED)
{
	struct life l = in_state(STATE_DRAFT);
	struct deed d = advance(&l, "start");

	assert_int_equal(state_of(l.status), STATE_ACTIVE);
	assert_int_equal(l.period_start_ms, T0 + DAYS(1));
	assert_int_equal(d.bill.total, 3100);
}

static void
what_was_bought_once_never_ends(void **state UNUSED)
{
	struct offer once = *offer(9900, "one_time", 1);
	struct life  l = fresh("invoice");
	struct deed  d = { 0 };

	once.end_ms = 0;
	life_create(&l, &once, &d);
	assert_int_equal(life_paid(&l, &(struct settled) { .period_index = 1 }, &(struct deed) { 0 }), REFUSE_NOTHING);
	assert_null(l.due_what.ptr);
	assert_int_equal(life_cancel(&l, false, STR_NONE, &d), REFUSE_ENDLESS);
	assert_int_equal(life_cancel(&l, true, STR_NONE, &(struct deed) { 0 }), REFUSE_NOTHING);
}

static void
a_free_one_is_active_without_an_invoice_and_ends_at_once(void **state UNUSED)
{
	struct life l = fresh("checkout");
	struct deed d = { 0 };

	life_create(&l, offer(0, NULL, 1), &d);
	assert_int_equal(state_of(l.status), STATE_ACTIVE);
	assert_true(id_is_nil(&d.bill.id) && told(&d, "subscription.activated"));
	assert_null(l.due_what.ptr);
	assert_int_equal(life_cancel(&l, false, STR_NONE, &(struct deed) { 0 }), REFUSE_NOTHING);
	assert_int_equal(state_of(l.status), STATE_CANCELED);
}

static void
one_that_waits_for_its_payment_begins_with_it(void **state UNUSED)
{
	struct life l = fresh("checkout");
	struct deed d = { 0 };

	l.cancel_early = true;
	life_create(&l, offer(3100, "monthly", 1), &d);
	assert_int_equal(state_of(l.status), STATE_PENDING);
	assert_true(l.checkout_token.ptr && told(&d, "checkout.ready") && !told(&d, "subscription.activated"));
	assert_null(l.due_what.ptr);
	l.terms.now_ms = T0 + DAYS(3);
	l.plan.end_ms = T0 + DAYS(34);
	d = (struct deed) { 0 };
	assert_int_equal(life_paid(&l, &(struct settled) { .period_index = 1 }, &d), REFUSE_NOTHING);
	assert_int_equal(l.anchor_ms, T0 + DAYS(3));
	assert_int_equal(d.settle_start_ms, T0 + DAYS(3));
	assert_int_equal(d.settle_end_ms, T0 + DAYS(34));
	assert_null(l.checkout_token.ptr);
	/* It was made to end with its first period. */
	assert_int_equal(l.cancel_ms, T0 + DAYS(34));
	assert_string_equal(l.due_what.ptr, "cancel");
}

/* It was told to nobody, so its end is not either. */
static void
an_end_with_the_first_period_is_taken_back_before_that_begins(void **state UNUSED)
{
	for (int draft = 0; draft < 2; draft++) {
		struct life l = fresh("checkout");
		struct deed d = { 0 };

		l.cancel_early = true;
		l.start_ms = draft ? T0 + DAYS(1) : 0;
		life_create(&l, offer(3100, "monthly", 1), &d);
		assert_int_equal(state_of(l.status), draft ? STATE_DRAFT : STATE_PENDING);
		d = (struct deed) { 0 };
		assert_int_equal(life_uncancel(&l, &d), REFUSE_NOTHING);
		assert_int_equal(d.events, 0);
		assert_int_equal(state_of(l.status), draft ? STATE_DRAFT : STATE_PENDING);
		assert_int_equal(life_uncancel(&l, &d), REFUSE_NOT_SCHEDULED);
		if (draft)
			(void)advance(&l, "start");
		assert_int_equal(life_paid(&l, &(struct settled) { .period_index = 1 }, &(struct deed) { 0 }), REFUSE_NOTHING);
		assert_int_equal(l.cancel_ms, 0);
	}
}

/* Or it would end a paid plan to which it changes years later. */
static void
a_free_one_has_no_period_to_end_with(void **state UNUSED)
{
	struct life l = fresh("checkout");
	struct deed d = { 0 };

	l.cancel_early = true;
	life_create(&l, offer(0, NULL, 1), &d);
	assert_false(l.cancel_early);
	assert_int_equal(life_uncancel(&l, &d), REFUSE_NOT_SCHEDULED);
}

static void
a_first_invoice_that_is_void_cancels_and_a_later_one_is_forgiven(void **state UNUSED)
{
	struct life l = in_state(STATE_ACTIVE), other = l;
	struct deed d = { 0 };

	assert_int_equal(life_void(&l, &(struct settled) { .period_index = 1 }, &d), REFUSE_NOTHING);
	assert_int_equal(state_of(l.status), STATE_CANCELED);
	d = (struct deed) { 0 };
	assert_int_equal(life_void(&other, &(struct settled) { .period_index = 2 }, &d), REFUSE_NOTHING);
	assert_int_equal(state_of(other.status), STATE_ACTIVE);
	/* The first one of a trial in which the plan was changed. */
	l = in_state(STATE_TRIALING);
	d = (struct deed) { 0 };
	assert_int_equal(life_change(&l, offer(6200, "monthly", 2), &(struct change) { 0 }, &d), REFUSE_NOTHING);
	assert_true(str_is(d.bill.type, "plan_change"));
	assert_int_equal(life_void(&l, &(struct settled) { .id = d.bill.id, .period_index = d.bill.index }, &(struct deed) { 0 }), REFUSE_NOTHING);
	assert_int_equal(state_of(l.status), STATE_CANCELED);
}

/* ---- changes ---- */

static struct life
half_way(const char *collection)
{
	struct life l = in_state(STATE_ACTIVE);

	l.terms.collection = str_of(collection);
	l.terms.now_ms = T0 + DAYS(16);
	l.paid = 3100;
	return l;
}

static void
a_change_upwards_is_billed_and_begins_a_period(void **state UNUSED)
{
	struct offer  to = *offer(6200, "monthly", 2);
	struct life   l = half_way("invoice");
	struct deed   d = { 0 };
	struct change c;

	to.end_ms = T0 + DAYS(16 + 31);
	l.credit = 200;
	assert_int_equal(life_change(&l, &to, &c, &d), REFUSE_NOTHING);
	assert_false(c.waits || c.checkout);
	assert_int_equal(c.days, 31);
	assert_int_equal(c.days_left, 15);
	assert_int_equal(c.credit, 1500);
	assert_int_equal(c.net, 4700);
	assert_int_equal(c.applied, 200);
	assert_int_equal(c.total, 4500);
	assert_int_equal(d.bill.subtotal, 4700);
	assert_int_equal(d.bill.total, 4500);
	assert_int_equal(d.bill.lines, 2);
	assert_int_equal(d.credit, -200);
	assert_int_equal(l.period_index, 2);
	assert_int_equal(l.period_start_ms, T0 + DAYS(16));
	assert_true(id_eq(&l.plan_id, &to.plan_id) && told(&d, "subscription.plan_changed"));
}

static void
at_a_checkout_it_waits_for_its_payment_a_day_long(void **state UNUSED)
{
	struct offer  to = *offer(6200, "monthly", 2);
	struct life   l = half_way("checkout"), paid;
	struct deed   d = { 0 };
	struct change c;

	assert_int_equal(life_change(&l, &to, &c, &d), REFUSE_NOTHING);
	assert_true(c.checkout && l.checkout_token.ptr && told(&d, "checkout.ready"));
	assert_false(id_eq(&l.plan_id, &to.plan_id));
	assert_string_equal(l.due_what.ptr, "quote");
	assert_int_equal(l.due_ms, T0 + DAYS(17));
	paid = l;
	d = advance(&l, "quote");
	assert_true(str_is(d.settle, "void") && !l.next_kind.ptr && !l.checkout_token.ptr);
	d = (struct deed) { 0 };
	assert_int_equal(life_paid(&paid, &(struct settled) { .id = paid.next_invoice_id, .period_index = 2 }, &d),
	    REFUSE_NOTHING);
	assert_true(id_eq(&paid.plan_id, &to.plan_id));
	assert_int_equal(paid.period_index, 2);
	assert_int_equal(d.settle_start_ms, T0 + DAYS(16));
}

static void
a_surplus_lowers_the_next_invoice(void **state UNUSED)
{
	struct life   l = half_way("checkout");
	struct deed   d = { 0 };
	struct change c;

	assert_int_equal(life_change(&l, offer(1000, "yearly", 1), &c, &d), REFUSE_NOTHING);
	assert_int_equal(c.credit, 1500);
	assert_int_equal(c.net, -500);
	assert_int_equal(c.total, 0);
	assert_int_equal(c.left_over, 500);
	assert_int_equal(d.credit, 500);
	assert_int_equal(d.bill.subtotal, 0);
	assert_true(str_is(d.bill.status, "paid"));
	l.credit = 500;
	l.plan.amount = 1000;
	l.unpaid_ms = 0;
	(void)advance(&l, "notice");
	d = advance(&l, "renew");
	assert_int_equal(d.bill.credit, 500);
	assert_int_equal(d.bill.total, 500);
}

static void
what_was_not_paid_gives_no_credit(void **state UNUSED)
{
	struct life   l = half_way("invoice");
	struct change c;

	l.paid = 0;
	assert_int_equal(life_quote(&l, offer(6200, "monthly", 2), &c), REFUSE_NOTHING);
	assert_int_equal(c.credit, 0);
	assert_int_equal(c.total, 6200);
}

/* From monthly, place 5: what waits, and as what. */
static void
longer_and_higher_is_now_shorter_and_lower_waits(void **state UNUSED)
{
	static const struct {
		const char *step;
		int64_t     order;
		const char *kind;
	} cases[] = {
		{ "weekly", 9, "plan_downgrade" }, { "monthly", 9, NULL }, { "monthly", 1, "plan_downgrade" },
		{ "quarterly", 1, NULL }, { "semiannual", 1, NULL }, { "yearly", 1, NULL }, { "one_time", 1, NULL },
		{ NULL, 9, "plan_downgrade" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct life   l = half_way("invoice");
		struct change c;

		l.plan.order = 5;
		assert_int_equal(life_quote(&l, offer(5000, cases[i].step, cases[i].order), &c), REFUSE_NOTHING);
		assert_int_equal(c.waits, cases[i].kind != NULL);
		if (cases[i].kind)
			assert_string_equal(c.kind, cases[i].kind);
	}
}

static void
a_change_that_waits_is_replaced_revoked_and_carried_out(void **state UNUSED)
{
	struct offer  small = *offer(900, "monthly", 0), smaller = *offer(500, "monthly", 0), same, weekly;
	struct life   l = half_way("checkout"), other;
	struct deed   d = { 0 };
	struct change c;

	assert_int_equal(life_change(&l, &small, &c, &d), REFUSE_NOTHING);
	assert_int_equal(l.next_ms, l.period_end_ms);
	d = (struct deed) { 0 };
	assert_int_equal(life_change(&l, &smaller, &c, &d), REFUSE_NOTHING);
	assert_true(told(&d, "subscription.plan_change_revoked") && id_eq(&l.next_plan_id, &smaller.plan_id));
	other = l;
	same = other.plan;
	d = (struct deed) { 0 };
	assert_int_equal(life_change(&other, &same, &c, &d), REFUSE_NOTHING);
	assert_true(c.revoked && !other.next_kind.ptr);
	assert_int_equal(life_change(&other, &same, &c, &d), REFUSE_UNCHANGED);
	same.price_id = id_new(); /* it was deleted and made anew */
	same.amount++;
	assert_int_equal(life_change(&other, &same, &c, &d), REFUSE_UNCHANGED);
	/* The same plan with a shorter interval. */
	weekly = same;
	weekly.price_id = id_new();
	weekly.step = STR("weekly");
	assert_int_equal(life_quote(&other, &weekly, &c), REFUSE_NOTHING);
	assert_string_equal(c.kind, "interval_change");
	(void)advance(&l, "notice");
	l.further_end_ms = T0 + DAYS(62);
	d = advance(&l, "renew");
	assert_true(told(&d, "subscription.plan_changed") && id_eq(&l.plan_id, &smaller.plan_id));
	assert_int_equal(d.bill.total, 500);
	assert_int_equal(l.period_end_ms, T0 + DAYS(62));
}

static void
to_a_free_plan_means_no_more_periods(void **state UNUSED)
{
	struct life   l = half_way("checkout");
	struct deed   d = { 0 };
	struct change c;

	assert_int_equal(life_change(&l, offer(0, NULL, 0), &c, &d), REFUSE_NOTHING);
	assert_true(c.waits);
	/* No invoice comes, and none is announced. */
	d = advance(&l, "renew");
	assert_true(id_is_nil(&d.bill.id));
	assert_int_equal(state_of(l.status), STATE_ACTIVE);
	assert_null(l.due_what.ptr);
}

/* What was off when it would have been announced is not announced later, as of that time. */
static void
a_notice_is_given_in_time_or_not_at_all(void **state UNUSED)
{
	for (int days = 27; days < 30; days++) {
		struct life   l = half_way("invoice"), other = l;
		struct offer  same = other.plan;
		struct deed   d = { 0 };
		struct change c;

		assert_int_equal(life_cancel(&l, false, STR_NONE, &d), REFUSE_NOTHING);
		assert_int_equal(life_change(&other, offer(0, NULL, 0), &c, &(struct deed) { 0 }), REFUSE_NOTHING);
		l.terms.now_ms = other.terms.now_ms = T0 + DAYS(days);
		assert_int_equal(life_uncancel(&l, &(struct deed) { 0 }), REFUSE_NOTHING);
		assert_string_equal(l.due_what.ptr, days <= 28 ? "notice" : "renew");
		assert_int_equal(life_change(&other, &same, &c, &(struct deed) { 0 }), REFUSE_NOTHING);
		assert_string_equal(other.due_what.ptr, days <= 28 ? "notice" : "renew");
	}
}

static void
a_change_that_waits_outlives_an_invoice_that_is_not_paid_and_a_quote_does_not(void **state UNUSED)
{
	struct offer  small = *offer(900, "monthly", 0);
	struct life   l = half_way("checkout"), quoted = l;
	struct deed   d = { 0 };
	struct change c;

	l.unpaid_ms = quoted.unpaid_ms = l.terms.now_ms + 1;
	l.terms.grace_days = 30;
	assert_int_equal(life_change(&l, &small, &c, &d), REFUSE_NOTHING);
	d = advance(&l, "past_due");
	assert_true(told(&d, "subscription.past_due") && !told(&d, "subscription.plan_change_revoked"));
	(void)advance(&l, "notice");
	d = advance(&l, "renew");
	assert_true(id_eq(&l.plan_id, &small.plan_id));
	assert_int_equal(d.bill.total, 900);
	assert_int_equal(life_change(&quoted, offer(6200, "monthly", 2), &c, &(struct deed) { 0 }), REFUSE_NOTHING);
	assert_true(c.checkout);
	d = advance(&quoted, "past_due");
	assert_true(str_is(d.settle, "void") && !quoted.next_kind.ptr);
}

static void
a_change_is_refused_across_groups_and_while_a_cancellation_is_scheduled(void **state UNUSED)
{
	struct offer  to = *offer(6200, "monthly", 2);
	struct life   l = half_way("invoice");
	struct change c;

	to.group = (struct id) { { 8 } };
	assert_int_equal(life_quote(&l, &to, &c), REFUSE_OTHER_GROUP);
	to.group = (struct id) { 0 };
	l.plan.group = to.group;
	assert_int_equal(life_quote(&l, &to, &c), REFUSE_OTHER_GROUP);
	assert_int_equal(life_cancel(&l, false, STR_NONE, &(struct deed) { 0 }), REFUSE_NOTHING);
	assert_int_equal(life_quote(&l, &to, &c), REFUSE_SCHEDULED);
}

static void
in_a_trial_a_change_is_at_once_and_in_full(void **state UNUSED)
{
	struct life   l = in_state(STATE_TRIALING);
	struct deed   d = { 0 };
	struct change c;

	assert_int_equal(life_change(&l, offer(6200, "weekly", 0), &c, &d), REFUSE_NOTHING);
	assert_int_equal(c.total, 6200);
	assert_int_equal(state_of(l.status), STATE_ACTIVE);
	assert_true(told(&d, "trial.converted"));
}

/* ---- money ---- */

static void
shares_are_rounded_half_up(void **state UNUSED)
{
	static const struct { int64_t amount, part, whole, share; } cases[] = {
		{ 3100, 15, 31, 1500 }, { 1, 1, 2, 1 }, { 1, 1, 3, 0 }, { 2, 1, 3, 1 }, { 100, 1, 8, 13 }, { 100, 3, 8, 38 },
		{ 0, 5, 10, 0 }, { 999, 0, 30, 0 }, { 999, 30, 30, 999 }, { MONEY_MAX, 365, 366, INT64_C(8982589420711644) },
		{ MONEY_MAX, 366, 366, MONEY_MAX }, { 500, 0, 0, 0 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++)
		assert_int_equal(money_share(cases[i].amount, cases[i].part, cases[i].whole), cases[i].share);
}

static void
a_day_that_has_begun_is_left_and_an_hour_more_is_no_day(void **state UNUSED)
{
	assert_int_equal(days_of(T0, T0 + DAYS(31)), 31);
	assert_int_equal(days_of(T0, T0 + DAYS(31) - 3600000), 31);
	assert_int_equal(days_of(T0, T0 + DAYS(31) + 3600000), 31);
	assert_int_equal(days_of(T0, T0), 0);
	assert_int_equal(days_left(T0, T0 + DAYS(31), T0), 31);
	assert_int_equal(days_left(T0, T0 + DAYS(31) + 3600000, T0), 31);
	assert_int_equal(days_left(T0, T0 + DAYS(31), T0 + 1), 31);
	assert_int_equal(days_left(T0, T0 + DAYS(31), T0 + DAYS(31) - 1), 1);
	assert_int_equal(days_left(T0, T0 + DAYS(31), T0 + DAYS(31)), 0);
	assert_int_equal(days_left(T0, T0 + DAYS(31), T0 + DAYS(99)), 0);
}

/* ---- what people read, and what nobody may guess ---- */

static void
an_amount_has_the_digits_of_its_currency(void **state UNUSED)
{
	static const struct {
		int64_t     amount;
		const char *currency, *text;
	} cases[] = {
		{ 0, "usd", "USD 0.00" },
		{ 5, "usd", "USD 0.05" },
		{ 99, "eur", "EUR 0.99" },
		{ 100, "eur", "EUR 1.00" },
		{ 99999, "usd", "USD 999.99" },
		{ 100000, "usd", "USD 1,000.00" },
		{ 123456789, "brl", "BRL 1,234,567.89" },
		{ -2900, "usd", "USD -29.00" },
		{ -100000, "usd", "USD -1,000.00" },
		{ 0, "jpy", "JPY 0" },
		{ 999, "clp", "CLP 999" },
		{ 1000, "JPY", "JPY 1,000" },
		{ 5, "kwd", "KWD 0.005" },
		{ 1234567, "bhd", "BHD 1,234.567" },
		{ 1, "clf", "CLF 0.0001" },
		{ 12345678, "uyw", "UYW 1,234.5678" },
		{ MONEY_MAX, "usd", "USD 90,071,992,547,409.91" },
		{ INT64_MIN, "jpy", "JPY -9,223,372,036,854,775,808" },
		{ INT64_MAX, "clf", "CLF 922,337,203,685,477.5807" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct str text = money_text(&arena, cases[i].amount, str_of(cases[i].currency));

		if (!str_is(text, cases[i].text))
			fail_msg("row %zu: \"%.*s\", not \"%s\"", i, STR_ARGS(text), cases[i].text);
	}
}

static void
a_token_says_whose_it_is_and_nothing_else_is_one(void **state UNUSED)
{
	struct id  environment = id_new(), owner;
	struct str token = billing_token(&arena, &environment), other = billing_token(&arena, &environment);
	struct str invoice = billing_invoice_token(&arena, token);
	char       wrong[BILLING_TOKEN_BYTES];

	assert_int_equal(token.len, BILLING_TOKEN_BYTES);
	assert_int_equal(invoice.len, BILLING_TOKEN_BYTES);
	assert_false(str_eq(token, other) || str_eq(token, invoice));
	assert_false(str_eq(invoice, billing_invoice_token(&arena, other)));
	assert_true(str_eq(invoice, billing_invoice_token(&arena, token)));
	assert_true(billing_token_owner(token, &owner) && id_eq(&owner, &environment));
	assert_true(billing_token_owner(invoice, &owner) && id_eq(&owner, &environment));
	for (size_t i = 0; i < BILLING_TOKEN_BYTES; i++) {
		memcpy(wrong, token.ptr, sizeof(wrong));
		wrong[i] = '_';
		assert_false(billing_token_owner((struct str) { wrong, sizeof(wrong) }, &owner));
	}
	assert_false(billing_token_owner((struct str) { token.ptr, token.len - 1 }, &owner));
	assert_false(billing_token_owner(STR(""), &owner));
	assert_false(billing_token_owner(STR_NONE, &owner));
	memset(wrong, 'z', sizeof(wrong)); /* more than an id has bits */
	assert_false(billing_token_owner((struct str) { wrong, sizeof(wrong) }, &owner));
}

/* ---- where customers pay ---- */

static void
templates_are_judged(void **state UNUSED)
{
	static const struct {
		const char *template, *secret, *mistake;
	} cases[] = {
		{ "", "", NULL },
		{ "https://a.example/pay", "", NULL },
		{ "http://a.example/{subscription}/{invoice}?a={amount}&c={currency}&s={success_url}", "", NULL },
		{ "https://a.example/{sig}", "secret", NULL },
		{ "https://a.example/{sig}", "", "{sig} needs checkout_url_secret" },
		{ "https://a.example/{price}", "", "there is no {price}" },
		{ "https://a.example/{}", "", "there is no {}" },
		{ "https://a.example/{invoice", "", "a brace has no partner" },
		{ "https://a.example/invoice}", "", "a brace has no partner" },
		{ "https://a.example/{invoice}}", "", "a brace has no partner" },
		{ "https://a.example/{{invoice}", "", "there is no {{invoice}" },
		{ "https://a.example/{", "", "a brace has no partner" },
		{ "/pay/{invoice}", "", "must begin with https:// or http://" },
		{ "javascript:{invoice}", "", "must begin with" },
		{ "https://a.example/ {invoice}", "", "neither blanks" },
		{ "https://a.example/\xc3\xa4", "", "neither blanks" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct conf conf;
		struct buf  err;
		bool        good;

		conf_init(&conf);
		buf_init(&err, 1024);
		assert_true(conf_set(&conf, "checkout_url_template", cases[i].template, &err));
		assert_true(conf_set(&conf, "checkout_url_secret", cases[i].secret, &err));
		buf_str(&err, STR("earlier\n"));
		good = checkout_check(&conf, &err);
		buf_add(&err, "", 1);
		if (good != !cases[i].mistake || (!good && !strstr(err.ptr, cases[i].mistake)))
			fail_msg("row %zu: %s", i, err.ptr);
		buf_fini(&err);
		conf_fini(&conf);
	}
}

static void
a_template_is_filled_in(void **state UNUSED)
{
	struct conf conf;
	struct buf  err;
	struct life l = fresh("checkout");
	struct deed d = { 0 };

	conf_init(&conf);
	buf_init(&err, 1024);
	assert_true(conf_set(&conf, "public_url", "https://api.example", &err));
	l.id = (struct id) { { 0 } };
	l.id.b[ID_BYTES - 1] = 1;
	l.success_url = STR("https://a.example/?x=1&y=\xc3\xa4 ~");
	assert_null(checkout_url(&arena, &conf, &l).ptr);
	life_create(&l, offer(3100, "monthly", 1), &d);
	assert_true(str_eq(checkout_url(&arena, &conf, &l),
	    arena_fmt(&arena, "https://api.example/checkout/%.*s", STR_ARGS(l.checkout_token))));
	assert_true(str_eq((struct str) { l.asked.ptr + ID_UUID_BYTES, l.asked.len - ID_UUID_BYTES }, STR(" 3100 usd")));
	l.asked = STR("00000000-0000-0000-0000-00000000003e 3100 usd");
	assert_true(conf_set(&conf, "checkout_url_secret", "Jefe", &err));
	assert_true(conf_set(&conf, "checkout_url_template",
	    "https://pay.example/{subscription}/{invoice}?a={amount}{currency}&s={success_url}#{sig}", &err));
	/* The last part: Python's hmac.new(b"Jefe", ..., "sha256"). */
	assert_string_equal(checkout_url(&arena, &conf, &l).ptr,
	    "https://pay.example/sub_0000000000000000000001/inv_0000000000000000000010?a=3100usd"
	    "&s=https%3A%2F%2Fa.example%2F%3Fx%3D1%26y%3D%C3%A4%20~#ec621761d4ff60647308e2bfa94fe99bedaf978eb393342720bad62d0f243adc");
	buf_fini(&err);
	conf_fini(&conf);
}

static void
an_invoice_is_found_from_its_checkout_page(void **state UNUSED)
{
	struct life l = fresh("checkout");
	struct deed d = { 0 };

	life_create(&l, offer(3100, "monthly", 1), &d);
	assert_true(life_is_at_checkout(&l));
	assert_true(str_eq(d.bill.token, billing_invoice_token(&arena, l.checkout_token)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_and_every_event_are_as_written),
		cmocka_unit_test(a_state_is_kept_under_its_name),
		cmocka_unit_test(no_call_leads_where_the_table_does_not),
		cmocka_unit_test(what_cannot_be_due_is_refused),
		cmocka_unit_test(one_is_behind_when_something_was_due_before_now),
		cmocka_unit_test(a_paid_subscription_is_noticed_renewed_and_lost),
		cmocka_unit_test(a_past_due_one_recovers_when_nothing_else_is_overdue),
		cmocka_unit_test(a_trial_ends_in_a_period_or_with_a_cancellation),
		cmocka_unit_test(a_short_trial_has_no_notice_before_it_begins),
		cmocka_unit_test(a_draft_becomes_what_a_create_would_have_made),
		cmocka_unit_test(what_was_bought_once_never_ends),
		cmocka_unit_test(a_free_one_is_active_without_an_invoice_and_ends_at_once),
		cmocka_unit_test(one_that_waits_for_its_payment_begins_with_it),
		cmocka_unit_test(an_end_with_the_first_period_is_taken_back_before_that_begins),
		cmocka_unit_test(a_free_one_has_no_period_to_end_with),
		cmocka_unit_test(a_first_invoice_that_is_void_cancels_and_a_later_one_is_forgiven),
		cmocka_unit_test(a_change_upwards_is_billed_and_begins_a_period),
		cmocka_unit_test(at_a_checkout_it_waits_for_its_payment_a_day_long),
		cmocka_unit_test(a_surplus_lowers_the_next_invoice),
		cmocka_unit_test(what_was_not_paid_gives_no_credit),
		cmocka_unit_test(longer_and_higher_is_now_shorter_and_lower_waits),
		cmocka_unit_test(a_change_that_waits_is_replaced_revoked_and_carried_out),
		cmocka_unit_test(to_a_free_plan_means_no_more_periods),
		cmocka_unit_test(a_notice_is_given_in_time_or_not_at_all),
		cmocka_unit_test(a_change_that_waits_outlives_an_invoice_that_is_not_paid_and_a_quote_does_not),
		cmocka_unit_test(a_change_is_refused_across_groups_and_while_a_cancellation_is_scheduled),
		cmocka_unit_test(in_a_trial_a_change_is_at_once_and_in_full),
		cmocka_unit_test(shares_are_rounded_half_up),
		cmocka_unit_test(a_day_that_has_begun_is_left_and_an_hour_more_is_no_day),
		cmocka_unit_test(an_amount_has_the_digits_of_its_currency),
		cmocka_unit_test(a_token_says_whose_it_is_and_nothing_else_is_one),
		cmocka_unit_test(templates_are_judged),
		cmocka_unit_test(a_template_is_filled_in),
		cmocka_unit_test(an_invoice_is_found_from_its_checkout_page),
	};

	arena_init(&arena);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
