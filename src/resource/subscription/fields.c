/* The fields of a subscription: what each version takes and shows. */
#include "billing/checkout.h"
#include "billing/money.h"
#include "resource/subscription/subscription.h"

#define FIELD_STRUCT struct subscription

static const char *const interval_names[] = {
	"weekly", "monthly", "quarterly", "semiannual", "yearly", "one_time",
};

const struct field_list subscription_intervals = {
	.names = interval_names,
	.count = COUNTOF(interval_names),
	.fault = "must be weekly, monthly, quarterly, semiannual, yearly or one_time",
};

static const struct field_in fields_in[] = {
	{ "customerId", FIELD_IN(CUSTOMER, customer), FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_EMPTY,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "planId", FIELD_IN(PLAN, plan), FIELD_TEXT, FIELD_NOT_EMPTY,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "planCode", FIELD_IN(PLAN_CODE, plan_code), FIELD_TEXT, FIELD_NOT_EMPTY,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "billingInterval", FIELD_IN(INTERVAL, interval), FIELD_CHOICE, 0,
	    0, V_FIRST, V_ENDLESS, &subscription_intervals },
	{ "priceId", FIELD_IN(PRICE, price), FIELD_TEXT, FIELD_NOT_EMPTY,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "name", FIELD_IN(NAME, life.name), FIELD_TEXT, FIELD_NOT_EMPTY,
	    SUBSCRIPTION_NAME_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "skipTrial", FIELD_IN(SKIP_TRIAL, skip_trial), FIELD_BOOL, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "customTrialDays", FIELD_IN(TRIAL_DAYS, trial_days), FIELD_COUNT, 0,
	    SUBSCRIPTION_TRIAL_DAYS_MAX, V_FIRST, V_ENDLESS, NULL },
	{ "startDate", FIELD_IN(START, start), FIELD_TEXT, FIELD_NOT_EMPTY,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "successUrl", FIELD_IN(SUCCESS_URL, life.success_url), FIELD_TEXT, FIELD_NOT_EMPTY,
	    SUBSCRIPTION_URL_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "cancelAtPeriodEnd", FIELD_IN(CANCEL, life.cancel_early), FIELD_BOOL, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "metadata", FIELD_IN(METADATA, life.metadata), FIELD_METADATA, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "prepaidPeriods", FIELD_IN(PREPAID, prepaid), FIELD_INT, 0,
	    1, V_FIRST, V_ENDLESS, NULL },
	/* A price rule that is ignored would be worse than one that is refused. */
	{ "promoCode", FIELD_IN(REFUSED, reason), FIELD_REFUSED, 0, 0, V_FIRST, V_ENDLESS, NULL },
	{ "offerId", FIELD_IN(REFUSED, reason), FIELD_REFUSED, 0, 0, V_FIRST, V_ENDLESS, NULL },
	{ "introOffer", FIELD_IN(REFUSED, reason), FIELD_REFUSED, 0, 0, V_FIRST, V_ENDLESS, NULL },
	{ "customIntroOffer", FIELD_IN(REFUSED, reason), FIELD_REFUSED, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "cardPromotionId", FIELD_IN(REFUSED, reason), FIELD_REFUSED, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
};

static const struct field_in cancel_in[] = {
	{ "reason", FIELD_IN(REASON, reason), FIELD_TEXT, FIELD_CLEARED,
	    SUBSCRIPTION_REASON_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "immediate", FIELD_IN(IMMEDIATE, immediate), FIELD_BOOL, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
};

/* ---- what goes out ---- */

struct str
subscription_ref(struct call *c, struct str prefix, const struct id *id)
{
	return id_is_nil(id) ? STR_NONE
	    : id_prefixed(prefix, id, ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES));
}

struct str
subscription_interval(const struct call *c, struct str step)
{
	bool newer = step.ptr && str_is(step, "semiannual") && c->version < V_2026_08_27;

	return newer ? STR_NONE : step;
}

struct str
subscription_checkout(struct call *c, const struct life *l)
{
	return checkout_url(c->arena, c->conf, l);
}

static const struct life *
life_of(const void *what)
{
	return &((const struct subscription *)what)->life;
}

static bool
is_live(const struct life *l)
{
	return state_of(l->status) != STATE_CANCELED;
}

static struct str
customer_id(struct call *c, const void *what)
{
	return subscription_ref(c, CUSTOMER_PREFIX, &life_of(what)->customer_id);
}

static struct str
plan_id(struct call *c, const void *what)
{
	return subscription_ref(c, PLAN_PREFIX, &life_of(what)->plan_id);
}

static struct str
price_id(struct call *c, const void *what)
{
	return subscription_ref(c, PRICE_PREFIX, &life_of(what)->price_id);
}

static struct str
interval(struct call *c, const void *what)
{
	return subscription_interval(c, life_of(what)->step);
}

static struct str
next_interval(struct call *c, const void *what)
{
	return subscription_interval(c, life_of(what)->next.step);
}

static struct str
checkout(struct call *c, const void *what)
{
	return subscription_checkout(c, life_of(what));
}

/* What is shown and not kept. */
static void
derive(void *what)
{
	struct subscription *s = what;
	const struct life   *l = &s->life;
	bool                 trial = state_of(l->status) == STATE_TRIALING;

	s->days_left = l->period_end_ms
	    ? days_left(l->period_start_ms, l->period_end_ms, l->terms.now_ms) : 0;
	s->cancels = is_live(l) && (l->cancel_ms || l->cancel_early);
	s->next_billing_ms = !is_live(l) || l->cancel_ms ? 0
	    : trial ? l->trial_ends_ms : l->period_end_ms;
	s->early_start_ms = l->period_start_ms ? l->period_start_ms : l->start_ms;
	s->early_end_ms = l->period_end_ms ? l->period_end_ms : s->early_start_ms;
}

/* Members of members. They are shown wherever the object is. */
#define INNER SUBSCRIPTION_SHOWN

static const struct field_out plan_out[] = {
	{ FIELD_OURS("id", MADE), INNER, V_FIRST, V_ENDLESS, plan_id },
	{ FIELD_OUT("name", TEXT, life.plan.name), INNER, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("basePrice", INT, life.base_price), INNER, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("billingInterval", MADE), INNER, V_FIRST, V_2026_06_07, interval },
};

static const struct field_out period_out[] = {
	{ FIELD_OUT("start", TIME, life.period_start_ms), INNER, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("end", TIME, life.period_end_ms), INNER, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("daysRemaining", INT, days_left), INNER, V_FIRST, V_ENDLESS, NULL },
};

static const struct field_out cancellation_out[] = {
	{ FIELD_OUT("scheduledAt", TIME, life.cancel_asked_ms), INNER, V_FIRST, V_ENDLESS,
	    NULL },
	{ FIELD_OUT("reason", TEXT, life.cancel_reason), INNER, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("effectiveAt", TIME, life.cancel_ms), INNER, V_FIRST, V_ENDLESS, NULL },
};

static struct str
next_plan_id(struct call *c, const void *what)
{
	return subscription_ref(c, PLAN_PREFIX, &life_of(what)->next_plan_id);
}

static const struct field_out scheduled_out[] = {
	{ FIELD_OUT("changeType", TEXT, life.next_kind), INNER, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("newPlanId", MADE), INNER, V_FIRST, V_ENDLESS, next_plan_id },
	{ FIELD_OUT("newPlanName", TEXT, life.next.name), INNER, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("newBillingInterval", MADE), INNER, V_FIRST, V_ENDLESS, next_interval },
	{ FIELD_OUT("scheduledFor", TIME, life.next_ms), INNER, V_FIRST, V_ENDLESS, NULL },
};

/* Clients of these versions read it without looking whether it is there. */
static const struct field_out early_out[] = {
	{ FIELD_OUT("start", TIME, early_start_ms), INNER, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("end", TIME, early_end_ms), INNER, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("daysRemaining", INT, days_left), INNER, V_FIRST, V_ENDLESS, NULL },
};

static bool
has_no_period(const struct call *c UNUSED, const void *what)
{
	return !life_of(what)->period_start_ms;
}

static bool
is_not_canceled(const struct call *c UNUSED, const void *what)
{
	return !life_of(what)->cancel_ms;
}

static bool
waits_for_nothing(const struct call *c UNUSED, const void *what)
{
	struct str kind = life_of(what)->next_kind;

	return !kind.ptr || str_is(kind, "checkout");
}

enum { PART_PLAN, PART_PERIOD, PART_EARLY_PERIOD, PART_CANCELLATION, PART_SCHEDULED, PART__COUNT };

#define PART(rows, hidden) &(const struct fields) { \
	.out = rows, .out_count = COUNTOF(rows), .hides = hidden, \
}

static const struct fields *const parts[PART__COUNT] = {
	[PART_PLAN] = PART(plan_out, NULL),
	[PART_PERIOD] = PART(period_out, has_no_period),
	[PART_EARLY_PERIOD] = PART(early_out, NULL),
	[PART_CANCELLATION] = PART(cancellation_out, is_not_canceled),
	[PART_SCHEDULED] = PART(scheduled_out, waits_for_nothing),
};

#define BOTH (SUBSCRIPTION_SHOWN | SUBSCRIPTION_CANCELED)

static const struct field_out fields_out[] = {
	{ FIELD_OUT("id", ID, life.id), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("object", OBJECT), BOTH, V_2026_05_25, V_ENDLESS, NULL },
	{ FIELD_OURS("livemode", LIVEMODE), BOTH, V_2026_05_25, V_ENDLESS, NULL },
	{ FIELD_OURS("customerId", MADE), BOTH, V_FIRST, V_ENDLESS, customer_id },
	{ FIELD_OURS("planId", MADE), BOTH, V_FIRST, V_2026_06_07, plan_id },
	{ FIELD_OUT("planName", TEXT, life.plan.name), BOTH, V_FIRST, V_2026_06_07, NULL },
	{ FIELD_PART("plan", PART_PLAN), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("priceId", MADE), BOTH, V_2026_07_24, V_ENDLESS, price_id },
	{ FIELD_OUT("name", TEXT, life.name), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("description", NULL), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("status", TEXT, life.status), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("billingInterval", MADE), BOTH, V_FIRST, V_ENDLESS, interval },
	{ FIELD_OUT("trialEndsAt", TIME, life.trial_ends_ms), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("currentPeriodStart", TIME, early_start_ms), BOTH,
	    V_FIRST, V_2026_06_07, NULL },
	{ FIELD_OUT("currentPeriodEnd", TIME, early_end_ms), BOTH, V_FIRST, V_2026_06_07, NULL },
	{ FIELD_PART("currentPeriod", PART_EARLY_PERIOD), BOTH, V_FIRST, V_2026_06_07, NULL },
	{ FIELD_PART("currentPeriod", PART_PERIOD), BOTH, V_2026_06_07, V_ENDLESS, NULL },
	{ FIELD_OURS("introOfferEndsAt", NULL), BOTH, V_FIRST, V_2026_06_07, NULL },
	{ FIELD_OURS("introOfferDiscountType", NULL), BOTH, V_FIRST, V_2026_06_07, NULL },
	{ FIELD_OURS("introOfferDiscountValue", NULL), BOTH, V_FIRST, V_2026_06_07, NULL },
	{ FIELD_PART("cancellation", PART_CANCELLATION), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("cancelAtPeriodEnd", BOOL, cancels), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("canceledAt", TIME, canceled_ms), SUBSCRIPTION_CANCELED,
	    V_2026_06_07, V_2026_07_24, NULL },
	{ FIELD_OUT("cancelReason", TEXT, life.cancel_reason), SUBSCRIPTION_CANCELED,
	    V_2026_06_07, V_2026_07_24, NULL },
	{ FIELD_OUT("scheduledCancellationDate", TIME, date_ms), SUBSCRIPTION_CANCELED,
	    V_2026_06_07, V_2026_07_24, NULL },
	{ FIELD_PART("scheduledPlanChange", PART_SCHEDULED), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("pause", NULL), BOTH, V_2026_08_27, V_ENDLESS, NULL },
	{ FIELD_OUT("startDate", TIME, life.start_ms), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("endDate", TIME, life.end_ms), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("billingDayOfMonth", INT, life.day), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("nextBillingDate", TIME, next_billing_ms), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("checkoutUrl", MADE), BOTH, V_FIRST, V_ENDLESS, checkout },
	{ FIELD_OURS("checkoutProvider", NULL), BOTH, V_2026_07_24, V_ENDLESS, NULL },
	{ FIELD_OUT("consumptionModel", TEXT, life.plan.model), BOTH, V_FIRST, V_ENDLESS,
	    NULL },
	{ FIELD_OURS("features", EMPTY), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("credits", NULL), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("balance", NULL), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("discount", NULL), BOTH, V_FIRST, V_2026_07_24, NULL },
	{ FIELD_OURS("offerApplications", EMPTY), BOTH, V_2026_07_31, V_ENDLESS, NULL },
	{ FIELD_OUT("metadata", JSON, life.metadata), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("createdAt", TIME, life.created_ms), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("updatedAt", TIME, life.updated_ms), BOTH, V_FIRST, V_ENDLESS, NULL },
};

#define SHOWN(type, member) FIELD_KEPT(type, life.member)

static const struct member columns[COL_SUBSCRIPTION__COUNT] = {
	[COL_SUBSCRIPTION_ID] = SHOWN(UUID, id),
	[COL_SUBSCRIPTION_CUSTOMER_ID] = SHOWN(UUID, customer_id),
	[COL_SUBSCRIPTION_PLAN_ID] = SHOWN(UUID, plan_id),
	[COL_SUBSCRIPTION_PRICE_ID] = SHOWN(UUID, price_id),
	[COL_SUBSCRIPTION_NAME] = SHOWN(TEXT, name),
	[COL_SUBSCRIPTION_STATUS] = SHOWN(TEXT, status),
	[COL_SUBSCRIPTION_STEP] = SHOWN(TEXT, step),
	[COL_SUBSCRIPTION_BASE_PRICE] = SHOWN(I64, base_price),
	[COL_SUBSCRIPTION_METADATA] = SHOWN(JSON, metadata),
	[COL_SUBSCRIPTION_PERIOD_START] = SHOWN(TIME, period_start_ms),
	[COL_SUBSCRIPTION_PERIOD_END] = SHOWN(TIME, period_end_ms),
	[COL_SUBSCRIPTION_TRIAL_ENDS_AT] = SHOWN(TIME, trial_ends_ms),
	[COL_SUBSCRIPTION_START_DATE] = SHOWN(TIME, start_ms),
	[COL_SUBSCRIPTION_END_DATE] = SHOWN(TIME, end_ms),
	[COL_SUBSCRIPTION_CANCEL_ASKED_AT] = SHOWN(TIME, cancel_asked_ms),
	[COL_SUBSCRIPTION_CANCEL_REASON] = SHOWN(TEXT, cancel_reason),
	[COL_SUBSCRIPTION_CANCEL_AT] = SHOWN(TIME, cancel_ms),
	[COL_SUBSCRIPTION_CANCEL_EARLY] = SHOWN(BOOL, cancel_early),
	[COL_SUBSCRIPTION_NEXT_KIND] = SHOWN(TEXT, next_kind),
	[COL_SUBSCRIPTION_NEXT_PLAN_ID] = SHOWN(UUID, next_plan_id),
	[COL_SUBSCRIPTION_NEXT_AT] = SHOWN(TIME, next_ms),
	[COL_SUBSCRIPTION_CHECKOUT_TOKEN] = SHOWN(TEXT, checkout_token),
	[COL_SUBSCRIPTION_SUCCESS_URL] = SHOWN(TEXT, success_url),
	[COL_SUBSCRIPTION_CREATED_AT] = SHOWN(TIME, created_ms),
	[COL_SUBSCRIPTION_UPDATED_AT] = SHOWN(TIME, updated_ms),
	[COL_SUBSCRIPTION_PLAN_NAME] = SHOWN(TEXT, plan.name),
	[COL_SUBSCRIPTION_PLAN_MODEL] = SHOWN(TEXT, plan.model),
	[COL_SUBSCRIPTION_NEXT_NAME] = SHOWN(TEXT, next.name),
	[COL_SUBSCRIPTION_NEXT_STEP] = SHOWN(TEXT, next.step),
	[COL_SUBSCRIPTION_NOW_AT] = SHOWN(TIME, terms.now_ms),
	[COL_SUBSCRIPTION_DAY] = SHOWN(I64, day),
	[COL_SUBSCRIPTION_ASKED] = SHOWN(TEXT, asked),
};

const struct fields subscription_fields = {
	.object = "subscription",
	.prefix = STR("sub_"),
	.missing = ERR_SUBSCRIPTION_NOT_FOUND,
	.missing_message = "There is no subscription with this id.",
	.in = fields_in, .in_count = COUNTOF(fields_in),
	.out = fields_out, .out_count = COUNTOF(fields_out),
	.columns = columns, .columns_count = COUNTOF(columns),
	.parts = parts,
	.derive = derive,
	.size = sizeof(struct subscription),
	.id_at = offsetof(struct subscription, life.id),
	.given_at = offsetof(struct subscription, given),
};

const struct fields cancel_fields = {
	.in = cancel_in,
	.in_count = COUNTOF(cancel_in),
	.size = sizeof(struct subscription),
	.given_at = offsetof(struct subscription, given),
};
