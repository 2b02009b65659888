/* clientele org billing: how an environment bills. */
#include "cli/listing.h"

enum { CURRENCY_CHARS = 3, INSTRUCTIONS_MAX_BYTES = 4096 /* as payment_instructions */ };

/* In the order of operator_billing_change. */
static const enum cmd_option texts[] = { OPTION_CURRENCY, OPTION_COLLECTION, OPTION_INSTRUCTIONS };
static const enum cmd_option days[] = { OPTION_NET_DAYS, OPTION_GRACE_DAYS };

static bool
is_currency(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < 'a' || s.ptr[i] > 'z')
			return false;
	return s.len == CURRENCY_CHARS;
}

static int
judge(const struct cmd_context *ctx)
{
	struct str currency = ctx->option[OPTION_CURRENCY];

	if (currency.ptr && !is_currency(currency))
		return cmd_usage("--currency must be three lower-case letters, as eur.");
	if (ctx->option[OPTION_INSTRUCTIONS].len > INSTRUCTIONS_MAX_BYTES)
		return cmd_usage("--instructions must be %d bytes long at most.",
		    INSTRUCTIONS_MAX_BYTES);
	return 0;
}

static bool
changes(const struct cmd_context *ctx)
{
	bool any = false;

	for (size_t i = 0; i < COUNTOF(texts); i++)
		any |= ctx->option[texts[i]].ptr != NULL;
	for (size_t i = 0; i < COUNTOF(days); i++)
		any |= ctx->option[days[i]].ptr != NULL;
	return any;
}

static int
change(struct cmd_context *ctx, const struct owner_environment *e)
{
	struct tx    tx;
	struct bind *b;
	int          code;

	owner_enter(ctx->owner, &tx, e);
	b = owner_step(&tx, SQL_OPERATOR_BILLING_CHANGE, e);
	for (size_t i = 0; i < COUNTOF(texts); i++)
		bind_text(b, ctx->option[texts[i]]);
	for (size_t i = 0; i < COUNTOF(days); i++)
		if (ctx->option[days[i]].ptr)
			bind_i64(b, ctx->number[days[i]]);
		else
			bind_null(b);
	if ((code = owner_run(&tx)) != 0)
		return code;
	return tx_affected(&tx, 1) ? 0 : cmd_fail(EXIT_DATA, "there are invoices or credit in the "
	    "currency of this environment, which can no longer be another one. Nothing was "
	    "changed.");
}

int
cmd_org_billing(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	static const struct listing_column columns[] = {
		LISTING_PLACE,
		LISTING_CELL("currency", TEXT, COL_OPERATOR_BILLING_CURRENCY),
		LISTING_CELL("collection", TEXT, COL_OPERATOR_BILLING_COLLECTION),
		LISTING_CELL("netDays", NUMBER, COL_OPERATOR_BILLING_NET_DAYS),
		LISTING_CELL("graceDays", NUMBER, COL_OPERATOR_BILLING_GRACE_DAYS),
		LISTING_CELL("instructions", TEXT, COL_OPERATOR_BILLING_INSTRUCTIONS),
	};
	static const struct listing_view view = LISTING_VIEW(columns, true);
	struct owner_environment *found;
	struct listing            listing;
	size_t                    count;
	int                       code = judge(ctx);

	ctx->option[OPTION_ORG] = str_of(argv[1]);
	if (code == 0)
		code = owner_environments(ctx->owner, ctx->option[OPTION_ORG],
		    ctx->option[OPTION_ENV], &found, &count);
	if (code == 0 && changes(ctx))
		code = change(ctx, &found[0]); /* each organization has both */
	if (code == 0)
		code = listing_read(ctx, &view, SQL_OPERATOR_BILLING, NULL, NULL, &listing);
	if (code == 0)
		listing_print(&listing, ctx->json);
	return code;
}
