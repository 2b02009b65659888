/* The fields of a price: what each version takes and shows, and what is kept. */
#include "base/limits.h"
#include "resource/plan/plan.h"

#define FIELD_STRUCT struct price

const struct price price_defaults = {
	.metadata = { "{}", 2 },
};

/* ---- what comes in ---- */

static const char *const interval_names[] = {
	"weekly", "monthly", "quarterly", "yearly", "one_time", "semiannual",
};

static const struct field_list intervals = {
	.names = interval_names,
	.count = COUNTOF(interval_names),
	.fault = "must be weekly, monthly, quarterly, semiannual, yearly or one_time",
};

static const char *const earlier_names[] = {
	"weekly", "monthly", "quarterly", "yearly", "one_time",
};

static const struct field_list earlier_intervals = {
	.names = earlier_names,
	.count = COUNTOF(earlier_names),
	.fault = "must be weekly, monthly, quarterly, yearly or one_time",
};

static const struct field_in fields_in[] = {
	{ "billingInterval", FIELD_IN(INTERVAL, interval), FIELD_CHOICE,
	    FIELD_REQUIRED | FIELD_FIXED, 0, V_FIRST, V_2026_08_27, &earlier_intervals },
	{ "billingInterval", FIELD_IN(INTERVAL, interval), FIELD_CHOICE,
	    FIELD_REQUIRED | FIELD_FIXED, 0, V_2026_08_27, V_ENDLESS, &intervals },
	{ "price", FIELD_IN(PRICE, price), FIELD_COUNT, FIELD_REQUIRED,
	    AMOUNT_MAX, V_FIRST, V_ENDLESS, NULL },
	{ "trialDays", FIELD_IN(TRIAL_DAYS, trial_days), FIELD_COUNT, 0,
	    PRICE_TRIAL_DAYS_MAX, V_FIRST, V_ENDLESS, NULL },
	{ "isDefault", FIELD_IN(DEFAULT_PRICE, is_default), FIELD_BOOL, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "includedBalance", FIELD_IN(INCLUDED_BALANCE, included_balance), FIELD_COUNT,
	    FIELD_NULLABLE, AMOUNT_MAX, V_FIRST, V_ENDLESS, NULL },
	{ "includedCredits", FIELD_IN(INCLUDED_CREDITS, included_credits), FIELD_COUNT,
	    FIELD_NULLABLE, AMOUNT_MAX, V_FIRST, V_ENDLESS, NULL },
	{ "metadata", FIELD_IN(PRICE_METADATA, metadata), FIELD_METADATA, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
	/* A rule of prices that were ignored would be worse than one that is refused. */
	{ "introOffer", FIELD_IN(NOT_HERE, interval), FIELD_REFUSED, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "introOfferEnabled", FIELD_IN(NOT_HERE, interval), FIELD_REFUSED, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "introOfferDiscountType", FIELD_IN(NOT_HERE, interval), FIELD_REFUSED, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "introOfferDiscountValue", FIELD_IN(NOT_HERE, interval), FIELD_REFUSED, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "introOfferDurationCycles", FIELD_IN(NOT_HERE, interval), FIELD_REFUSED, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "marketPrices", FIELD_IN(NOT_HERE, interval), FIELD_REFUSED, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "inheritsFromPriceId", FIELD_IN(NOT_HERE, interval), FIELD_REFUSED, 0,
	    0, V_FIRST, V_ENDLESS, NULL },
};

/* ---- what goes out ---- */

/* An interval that came with this version would be a word that strict clients do not know. */
static bool
is_known_earlier(struct str interval)
{
	return !str_is(interval, "semiannual");
}

static struct str
earlier_interval(struct call *c UNUSED, const void *what)
{
	struct str interval = ((const struct price *)what)->interval;

	return is_known_earlier(interval) ? interval : STR_NONE;
}

static bool
hides(const struct call *c, const void *what)
{
	return !version_has(c->version, V_2026_08_27, V_ENDLESS)
	    && !is_known_earlier(((const struct price *)what)->interval);
}

static struct str
object_of_plans(struct call *c UNUSED, const void *what UNUSED)
{
	return STR("plan");
}

static struct str
plan_id(struct call *c, const void *what)
{
	return id_prefixed(plan_fields.prefix, &((const struct price *)what)->plan_id,
	    ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES));
}

#define BOTH (PRICE_NESTED | PRICE_ALONE)
#define APART (PRICE_ALONE | PRICE_DELETED | PRICE_CHOSEN)
#define WITH_DEFAULT (BOTH | PRICE_CHOSEN)

static const struct field_out fields_out[] = {
	{ FIELD_OUT("id", ID, id), APART, V_FIRST, V_2026_07_24, NULL },
	{ FIELD_OUT("id", ID, id), PRICE_NESTED | APART, V_2026_07_24, V_ENDLESS, NULL },
	{ FIELD_OURS("object", OBJECT), APART, V_2026_05_25, V_2026_06_07, NULL },
	{ FIELD_OURS("object", MADE), APART, V_2026_06_07, V_2026_07_24, object_of_plans },
	{ FIELD_OURS("object", OBJECT), APART, V_2026_07_24, V_ENDLESS, NULL },
	{ FIELD_OURS("livemode", LIVEMODE), APART, V_2026_05_25, V_ENDLESS, NULL },
	{ FIELD_OURS("deleted", TRUE), PRICE_DELETED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("planId", MADE), PRICE_ALONE, V_FIRST, V_ENDLESS, plan_id },
	{ FIELD_OURS("billingInterval", MADE), BOTH, V_FIRST, V_2026_08_27, earlier_interval },
	{ FIELD_OUT("billingInterval", TEXT, interval), BOTH, V_2026_08_27, V_ENDLESS, NULL },
	{ FIELD_OUT("price", INT, price), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("isDefault", BOOL, is_default), WITH_DEFAULT, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("trialDays", INT, trial_days), BOTH, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("introOffer", NULL), BOTH, V_FIRST, V_2026_07_24, NULL },
	{ FIELD_OUT("includedBalance", INT_OR_NULL, included_balance), BOTH,
	    V_2026_06_07, V_ENDLESS, NULL },
	{ FIELD_OUT("includedCredits", INT_OR_NULL, included_credits), BOTH,
	    V_2026_06_07, V_ENDLESS, NULL },
	{ FIELD_OURS("regionalPrices", EMPTY), BOTH, V_2026_06_07, V_ENDLESS, NULL },
	{ FIELD_OURS("offerId", NULL), BOTH, V_2026_07_24, V_ENDLESS, NULL },
	{ FIELD_OURS("inheritsFromPriceId", NULL), BOTH, V_2026_07_24, V_ENDLESS, NULL },
	{ FIELD_OUT("metadata", JSON, metadata), BOTH, V_2026_07_24, V_ENDLESS, NULL },
	{ FIELD_OURS("marketPrices", EMPTY), BOTH, V_2026_07_24, V_ENDLESS, NULL },
	{ FIELD_OUT("createdAt", TIME, created_ms), PRICE_ALONE, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("updatedAt", TIME, updated_ms), PRICE_ALONE, V_FIRST, V_ENDLESS, NULL },
};

/* ---- what is kept ---- */

static const struct member columns[] = {
	[COL_PLAN_PRICE_ID] = FIELD_KEPT(UUID, id),
	[COL_PLAN_PRICE_PLAN_ID] = FIELD_KEPT(UUID, plan_id),
	[COL_PLAN_PRICE_BILLING_INTERVAL] = FIELD_KEPT(TEXT, interval),
	[COL_PLAN_PRICE_PRICE] = FIELD_KEPT(I64, price),
	[COL_PLAN_PRICE_TRIAL_DAYS] = FIELD_KEPT(I64, trial_days),
	[COL_PLAN_PRICE_IS_DEFAULT] = FIELD_KEPT(BOOL, is_default),
	[COL_PLAN_PRICE_INCLUDED_BALANCE] = FIELD_CELL(I64, included_balance),
	[COL_PLAN_PRICE_INCLUDED_CREDITS] = FIELD_CELL(I64, included_credits),
	[COL_PLAN_PRICE_METADATA] = FIELD_KEPT(JSON, metadata),
	[COL_PLAN_PRICE_CREATED_AT] = FIELD_KEPT(TIME, created_ms),
	[COL_PLAN_PRICE_UPDATED_AT] = FIELD_KEPT(TIME, updated_ms),
};

_Static_assert(COUNTOF(columns) == COL_PLAN_PRICE__COUNT, "a column without a member");

const struct fields price_fields = {
	.object = "plan_price",
	.prefix = STR("prc_"),
	.missing = ERR_PRICE_NOT_FOUND,
	.missing_message = "The plan has no price with this id.",
	.hides = hides,
	FIELD_TABLES,
};
