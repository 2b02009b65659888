/* clientele plan: what an operator without another program makes and sees of plans. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/name.h"
#include "cli/listing.h"

#include <string.h>

#define PLAN_ID_PREFIX STR("pln_")

/* As the API has them. */
enum { CODE_MAX_CHARS = 100, NAME_MAX_CHARS = 200 };

static const char *const intervals[] = {
	"weekly", "monthly", "quarterly", "semiannual", "yearly", "one_time",
};

/* ---- one */

struct prices {
	size_t     count;
	struct id  id[COUNTOF(intervals)];
	struct str interval[COUNTOF(intervals)];
	int64_t    amount[COUNTOF(intervals)];
};

static bool
is_interval(struct str s)
{
	for (size_t i = 0; i < COUNTOF(intervals); i++)
		if (str_is(s, intervals[i]))
			return true;
	return false;
}

static bool
has_interval(const struct prices *p, struct str interval)
{
	for (size_t i = 0; i < p->count; i++)
		if (str_eq(p->interval[i], interval))
			return true;
	return false;
}

/* Reads "monthly=4900,yearly=49000". 0, or an exit code, and stderr says what is wrong. */
static int
read_prices(struct str text, struct prices *p)
{
	while (text.ptr) {
		struct str amount = str_cut(&text, ','), interval = str_cut(&amount, '=');

		if (!is_interval(interval))
			return cmd_usage("--prices: \"%.*s\" is not weekly, monthly, quarterly, "
			    "semiannual, yearly or one_time.", STR_ARGS(interval));
		if (has_interval(p, interval))
			return cmd_usage("--prices: %.*s is there twice.", STR_ARGS(interval));
		if (!amount.ptr || !str_to_i64(amount, 0, AMOUNT_MAX, &p->amount[p->count]))
			return cmd_usage("--prices: %.*s must be a whole number from 0 to %jd, in "
			    "the minor unit of the currency.", STR_ARGS(interval),
			    (intmax_t)AMOUNT_MAX);
		p->interval[p->count] = interval;
		p->id[p->count++] = id_new();
	}
	return 0;
}

static bool
is_code(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((!str_is_alnum(s.ptr[i]) && s.ptr[i] != '_') || str_is_upper(s.ptr[i]))
			return false;
	return s.len > 0 && s.len <= CODE_MAX_CHARS;
}

static void
bind_prices(struct bind *b, const struct prices *p)
{
	struct str ids[COUNTOF(intervals)], amounts[COUNTOF(intervals)];
	char       eights[COUNTOF(intervals)][8];

	for (size_t i = 0; i < p->count; i++) {
		ids[i] = (struct str) { (const char *)p->id[i].b, ID_BYTES };
		bind_put_i64(eights[i], p->amount[i]);
		amounts[i] = (struct str) { eights[i], 8 };
	}
	bind_array(b, BIND_UUID, ids, p->count);
	bind_array(b, BIND_TEXT, p->interval, p->count);
	bind_array(b, BIND_I64, amounts, p->count);
}

static void
bind_plan(struct bind *b, const struct cmd_context *ctx, const struct id *id, const char *code,
    int64_t now_ms)
{
	bind_id(b, id);
	bind_text(b, str_of(code));
	bind_text(b, ctx->option[OPTION_NAME]);
	bind_null(b); /* description */
	bind_null(b); /* consumption model */
	bind_bool(b, ctx->option[OPTION_PUBLIC].ptr);
	bind_bool(b, ctx->option[OPTION_FREE].ptr);
	bind_null(b); /* block on exhaustion */
	bind_null(b); /* group */
	bind_text(b, STR("{}"));
	bind_time(b, now_ms);
}

static int
read_arguments(const struct cmd_context *ctx, const char *code, struct prices *prices)
{
	char        words[NAME_FAULT_BYTES];
	const char *fault = name_fault(ctx->option[OPTION_NAME], NAME_MAX_CHARS, words);

	if (fault)
		return cmd_fail(EXIT_DATA, "--name %s.", fault);
	if (!is_code(str_of(code)))
		return cmd_fail(EXIT_DATA, "the code of a plan has 1 to %d lower-case letters, "
		    "digits and underscores.", CODE_MAX_CHARS);
	if (!ctx->option[OPTION_FREE].ptr == !ctx->option[OPTION_PRICES].ptr)
		return cmd_usage("give either --prices or --free.");
	return read_prices(ctx->option[OPTION_PRICES], prices);
}

int
cmd_plan_create(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	static const char *const  columns[] = { "id", "code" };
	struct owner             *o = ctx->owner;
	struct prices             prices = { .count = 0 };
	struct id                 id = id_new();
	int64_t                   now_ms = clock_wall_ms();
	struct owner_environment *found;
	struct listing            listing;
	struct tx                 tx;
	struct bind              *b;
	struct str               *cells;
	enum db_status            status;
	size_t                    count;
	int                       code = read_arguments(ctx, argv[1], &prices);

	if (code != 0)
		return code;
	code = owner_environments(o, ctx->option[OPTION_ORG], ctx->option[OPTION_ENV], &found,
	    &count);
	if (code != 0)
		return code;
	owner_enter(o, &tx, &found[0]); /* each organization has both */
	bind_plan(owner_step(&tx, SQL_PLAN_CREATE, &found[0]), ctx, &id, argv[1], now_ms);
	b = owner_step(&tx, SQL_OPERATOR_PLAN_PRICE_CREATE, &found[0]);
	bind_id(b, &id);
	bind_prices(b, &prices);
	bind_i64(b, ctx->number[OPTION_TRIAL_DAYS]);
	bind_time(b, now_ms);
	if ((status = tx_run(&tx)) != DB_OK)
		return strcmp(tx.constraint, "plan_code") == 0
		    ? cmd_fail(EXIT_DATA, "there is a plan \"%s\" already, or one that was deleted "
			  "had this code.", argv[1])
		    : owner_failed(&tx, status);
	listing_init(&listing, &o->arena, columns, COUNTOF(columns));
	cells = listing_row(&listing);
	cells[0] = owner_id(o, PLAN_ID_PREFIX, &id);
	cells[1] = str_of(argv[1]);
	listing_print(&listing, ctx->json);
	return 0;
}

/* ---- many */

int
cmd_plan_list(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	static const struct owner_noun     noun = { "a", "plan", PLAN_ID_PREFIX };
	static const struct listing_column columns[] = {
		LISTING_REF("id", PLAN_ID_PREFIX, COL_OPERATOR_PLAN_LIST_ID),
		LISTING_CELL("code", TEXT, COL_OPERATOR_PLAN_LIST_CODE),
		LISTING_CELL("name", TEXT, COL_OPERATOR_PLAN_LIST_NAME),
		LISTING_CELL("public", BOOL, COL_OPERATOR_PLAN_LIST_IS_PUBLIC),
		LISTING_CELL("free", BOOL, COL_OPERATOR_PLAN_LIST_IS_FREE),
		LISTING_CELL("prices", JSON, COL_OPERATOR_PLAN_LIST_PRICES),
		LISTING_CELL("createdAt", TIME, COL_OPERATOR_PLAN_LIST_CREATED_AT),
	};
	static const struct listing_pages pages = { .noun = &noun,
		.view = LISTING_VIEW(columns, false), .all = SQL_OPERATOR_PLAN_LIST };

	return listing_page(ctx, &pages);
}
