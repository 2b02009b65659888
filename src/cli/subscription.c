/* clientele subscription: what an operator may want to see. Nothing here changes one. */
#include "billing/checkout.h"
#include "billing/ledger.h"
#include "cli/listing.h"

static const struct owner_noun noun = { "a", "subscription", STR("sub_") };

int
cmd_subscription_list(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	static const struct listing_column columns[] = {
		LISTING_REF("id", STR("sub_"), COL_SUBSCRIPTION_ID),
		LISTING_REF("customerId", STR("cus_"), COL_SUBSCRIPTION_CUSTOMER_ID),
		LISTING_CELL("plan", TEXT, COL_SUBSCRIPTION_PLAN_NAME),
		LISTING_CELL("billingInterval", TEXT, COL_SUBSCRIPTION_STEP),
		LISTING_CELL("price", NUMBER, COL_SUBSCRIPTION_BASE_PRICE),
		LISTING_CELL("status", TEXT, COL_SUBSCRIPTION_STATUS),
		LISTING_CELL("currentPeriodEnd", TIME, COL_SUBSCRIPTION_PERIOD_END),
		LISTING_CELL("cancelAt", TIME, COL_SUBSCRIPTION_CANCEL_AT),
		LISTING_CELL("createdAt", TIME, COL_SUBSCRIPTION_CREATED_AT),
	};
	/* "|draft|..." */
	static const char states[] =
#define STATE(name, text) "|" text
	    STATES(STATE);
#undef STATE
	static const struct listing_pages pages = { &noun, LISTING_VIEW(columns, false),
		SQL_SUBSCRIPTION_LIST, SQL_SUBSCRIPTION_LIST_STATUS,
		SQL_SUBSCRIPTION_LIST_CUSTOMER, states + 1 };

	return listing_page(ctx, &pages);
}

static struct str
checkout(struct owner *o, const struct row *row, int column UNUSED)
{
	struct life *l = ARENA_NEW(&o->arena, struct life, 1);

	member_read(row, life_columns, COL_LIFE__COUNT, l);
	return checkout_url(&o->arena, o->conf, l);
}

int
cmd_subscription_show(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	static const struct listing_column columns[] = {
		LISTING_PLACE,
		LISTING_REF("id", STR("sub_"), COL_LIFE_ID),
		LISTING_REF("customerId", STR("cus_"), COL_LIFE_CUSTOMER_ID),
		LISTING_CELL("name", TEXT, COL_LIFE_NAME),
		LISTING_CELL("plan", TEXT, COL_LIFE_PLAN_NAME),
		LISTING_CELL("billingInterval", TEXT, COL_LIFE_STEP),
		LISTING_CELL("price", NUMBER, COL_LIFE_BASE_PRICE),
		LISTING_CELL("status", TEXT, COL_LIFE_STATUS),
		LISTING_CELL("startDate", TIME, COL_LIFE_START_DATE),
		LISTING_CELL("trialEndsAt", TIME, COL_LIFE_TRIAL_ENDS_AT),
		LISTING_CELL("currentPeriodStart", TIME, COL_LIFE_PERIOD_START),
		LISTING_CELL("currentPeriodEnd", TIME, COL_LIFE_PERIOD_END),
		LISTING_CELL("newPlan", TEXT, COL_LIFE_NEXT_NAME),
		LISTING_CELL("newPlanAt", TIME, COL_LIFE_NEXT_AT),
		LISTING_CELL("cancelAt", TIME, COL_LIFE_CANCEL_AT),
		LISTING_CELL("cancelReason", TEXT, COL_LIFE_CANCEL_REASON),
		LISTING_CELL("endDate", TIME, COL_LIFE_END_DATE),
		LISTING_CELL("next", TEXT, COL_LIFE_DUE_WHAT),
		LISTING_CELL("nextAt", TIME, COL_LIFE_DUE_AT),
		LISTING_MADE("checkoutUrl", TEXT, COL_LIFE_CHECKOUT_TOKEN, checkout),
		LISTING_CELL("metadata", JSON, COL_LIFE_METADATA),
		LISTING_CELL("createdAt", TIME, COL_LIFE_CREATED_AT),
		LISTING_CELL("updatedAt", TIME, COL_LIFE_UPDATED_AT),
	};
	static const struct listing_view view = LISTING_VIEW(columns, true);

	return listing_show_id(ctx, &view, &noun, SQL_OPERATOR_SUBSCRIPTION_GET, argv[1]);
}
