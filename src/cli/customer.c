/* clientele customer: customers to look at, to make and to change, as over the API. */
#include "base/limits.h"
#include "call/page.h"
#include "cli/operate.h"

#include <stdio.h>
#include <string.h>

enum { FIRST_DEFAULT = 25 };

static const struct owner_noun noun = { "a", "customer", STR("cus_") };

int
cmd_customer_count(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	static const struct listing_column columns[] = {
		LISTING_PLACE,
		LISTING_CELL("customers", NUMBER, COL_OPERATOR_CUSTOMER_COUNT_CUSTOMERS),
	};
	static const struct listing_view view = LISTING_VIEW(columns, false);
	struct listing                   listing;
	int code = listing_read(ctx, &view, SQL_OPERATOR_CUSTOMER_COUNT, NULL, NULL, &listing);

	if (code == 0)
		listing_print(&listing, ctx->json);
	return code;
}

static void
bind_ref(struct bind *b, const void *with)
{
	listing_bind_customer(b, str_of(with));
}

int
cmd_customer_get(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	static const struct listing_column columns[] = {
		LISTING_PLACE,
		LISTING_REF("id", STR("cus_"), COL_CUSTOMER_ID),
		LISTING_REF("mergedInto", STR("cus_"), COL_OPERATOR_CUSTOMER_GET_MERGED_INTO),
		LISTING_CELL("externalId", TEXT, COL_CUSTOMER_EXTERNAL_ID),
		LISTING_CELL("email", TEXT, COL_CUSTOMER_EMAIL),
		LISTING_CELL("fullName", TEXT, COL_CUSTOMER_FULL_NAME),
		LISTING_CELL("taxDocument", TEXT, COL_CUSTOMER_TAX_DOCUMENT),
		LISTING_CELL("address", JSON, COL_CUSTOMER_ADDRESS),
		LISTING_CELL("timezone", TEXT, COL_CUSTOMER_TIMEZONE),
		LISTING_CELL("metadata", JSON, COL_CUSTOMER_METADATA),
		LISTING_CELL("active", BOOL, COL_CUSTOMER_IS_ACTIVE),
		LISTING_CELL("createdAt", TIME, COL_CUSTOMER_CREATED_AT),
		LISTING_CELL("updatedAt", TIME, COL_CUSTOMER_UPDATED_AT),
		LISTING_CELL("archivedAt", TIME, COL_CUSTOMER_ARCHIVED_AT),
	};
	static const struct listing_view view = LISTING_VIEW(columns, true);

	return listing_show(ctx, &view, &noun, SQL_OPERATOR_CUSTOMER_GET, bind_ref, argv[1],
	    argv[1]);
}

/* The environment that --org and --env name, which every organization has. */
static int
environment(struct cmd_context *ctx, struct owner_environment **out)
{
	size_t count;

	return owner_environments(ctx->owner, ctx->option[OPTION_ORG], ctx->option[OPTION_ENV],
	    out, &count);
}

/* ---- a list ---- */

/* "&externalId=user_42" for each word. */
static int
read_filters(struct owner *o, char **words, struct str *out)
{
	for (*out = STR(""); *words; words++) {
		struct str name, value;
		int        code = operate_pair(*words, "FILTER", &name, &value);

		if (code != 0)
			return code;
		if (str_is(name, "limit") || str_is(name, "cursor"))
			return cmd_usage("the parts of a list are chosen by --first and --after.");
		*out = operate_path(o, arena_fmt(&o->arena, "%.*s&", STR_ARGS(*out)).ptr, name);
		*out = operate_path(o, arena_fmt(&o->arena, "%.*s=", STR_ARGS(*out)).ptr, value);
	}
	return 0;
}

/* *cursor is absent on the first page, and after the last one. */
static int
add_page(struct owner *o, const struct owner_environment *e, struct str filters, int64_t rows,
    struct str *cursor, struct listing *l)
{
	struct str            path = arena_fmt(&o->arena, "customers?limit=%jd%.*s%s%.*s",
	               (intmax_t)(rows < LIST_LIMIT_MAX ? rows : LIST_LIMIT_MAX),
	               STR_ARGS(filters), cursor->ptr ? "&cursor=" : "", STR_ARGS(*cursor));
	struct operate_answer answer;
	const struct jnode   *array, *next;
	int                   code = operate(o, e, METHOD_GET, path, STR(""), &answer);

	if (code != 0)
		return code;
	array = jread_member(&answer.doc, answer.doc.nodes, STR("data"));
	next = jread_member(&answer.doc, answer.doc.nodes, STR("nextCursor"));
	for (const struct jnode *n = jread_first(&answer.doc, array); n;
	     n = jread_next(&answer.doc, n))
		operate_row(l, &answer.doc, n);
	*cursor = next ? jread_string(&o->arena, &answer.doc, next) : STR_NONE;
	return 0;
}

static int
read_after(const struct cmd_context *ctx, struct str *cursor)
{
	struct str after = ctx->option[OPTION_AFTER];
	struct id  id;

	*cursor = STR_NONE;
	if (!after.ptr)
		return 0;
	if (!id_parse(noun.prefix, after, &id))
		return cmd_usage("--after must be a customer's id (%.*s and %d characters), not "
		    "\"%.*s\".", STR_ARGS(noun.prefix), ID_TEXT_BYTES, STR_ARGS(after));
	*cursor = id_prefixed(PAGE_CURSOR_PREFIX, &id,
	    ARENA_NEW(&ctx->owner->arena, char, ID_PREFIXED_BYTES));
	return 0;
}

int
cmd_customer_list(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	static const char *const  columns[] = { "id", "externalId", "email", "fullName",
		 "createdAt" };
	int64_t                   first = ctx->number[OPTION_FIRST];
	struct owner             *o = ctx->owner;
	struct owner_environment *e;
	struct listing            listing;
	struct str                filters, cursor;
	int                       code;

	if (ctx->json && ctx->option[OPTION_CSV].ptr)
		return cmd_usage("give --json or --csv, not both.");
	if ((code = read_after(ctx, &cursor)) != 0
	    || (code = read_filters(o, argv + 1, &filters)) != 0
	    || (code = environment(ctx, &e)) != 0)
		return code;
	listing_init(&listing, &o->arena, columns, COUNTOF(columns));
	first = first ? first : FIRST_DEFAULT;
	do
		code = add_page(o, e, filters, first - (int64_t)listing.rows, &cursor, &listing);
	while (code == 0 && cursor.ptr && (int64_t)listing.rows < first);
	if (code != 0)
		return code;
	if (ctx->option[OPTION_CSV].ptr)
		listing_print_csv(&listing);
	else
		listing_print(&listing, ctx->json);
	return 0;
}

/* ---- who may be the same ---- */

/* A row for each customer of a group, whose first cell is what the group has in common. */
static void
add_group(struct listing *l, const struct jdoc *doc, const struct jnode *group)
{
	const struct jnode *members = jread_member(doc, group, STR("customers"));
	struct str          value = jread_string(l->arena, doc,
	             jread_member(doc, group, STR("value")));

	for (const struct jnode *n = jread_first(doc, members); n; n = jread_next(doc, n)) {
		operate_row(l, doc, n);
		l->cells[(l->rows - 1) * l->width] = value;
	}
}

/* Adds at most *groups, and takes off how many there were. *cursor as in add_page(). */
static int
add_groups(struct owner *o, const struct owner_environment *e, struct str by, int64_t *groups,
    struct str *cursor, struct listing *l)
{
	struct str            path = arena_fmt(&o->arena,
	               "customers/duplicates?by=%.*s&limit=%jd%s%.*s", STR_ARGS(by),
	               (intmax_t)(*groups < LIST_LIMIT_MAX ? *groups : LIST_LIMIT_MAX),
	               cursor->ptr ? "&cursor=" : "", STR_ARGS(*cursor));
	struct operate_answer answer;
	const struct jnode   *array, *next;
	int                   code = operate(o, e, METHOD_GET, path, STR(""), &answer);

	if (code != 0)
		return code;
	array = jread_member(&answer.doc, answer.doc.nodes, STR("data"));
	next = jread_member(&answer.doc, answer.doc.nodes, STR("nextCursor"));
	for (const struct jnode *n = jread_first(&answer.doc, array); n;
	     n = jread_next(&answer.doc, n), --*groups)
		add_group(l, &answer.doc, n);
	*cursor = next ? jread_string(&o->arena, &answer.doc, next) : STR_NONE;
	return 0;
}

int
cmd_customer_duplicates(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	static const char *const columns[] = { "value", "id", "externalId", "email", "fullName",
		"taxDocument", "createdAt" };
	int64_t                   groups = ctx->number[OPTION_FIRST];
	struct str                by = ctx->option[OPTION_BY], cursor = STR_NONE;
	struct owner             *o = ctx->owner;
	struct owner_environment *e;
	struct listing            listing;
	int                       code;

	if ((code = environment(ctx, &e)) != 0)
		return code;
	listing_init(&listing, &o->arena, columns, COUNTOF(columns));
	groups = groups ? groups : FIRST_DEFAULT;
	by = by.ptr ? by : STR("email");
	do
		code = add_groups(o, e, by, &groups, &cursor, &listing);
	while (code == 0 && cursor.ptr && groups > 0);
	if (code == 0)
		listing_print(&listing, ctx->json);
	return code;
}

/* ---- writes ---- */

struct view {
	const char *const *columns;
	size_t             width;
};

#define VIEW(columns) { columns, COUNTOF(columns) }

/* Makes the call, and prints those members of its answer. */
static int
call_one(struct cmd_context *ctx, const struct owner_environment *e, enum method method,
    struct str path, struct str body, const struct view *view)
{
	struct owner         *o = ctx->owner;
	struct operate_answer answer;
	struct listing        listing;
	int                   code = operate(o, e, method, path, body, &answer);

	if (code != 0)
		return code;
	if (str_is(answer.result, "existing"))
		cmd_say("a customer with this externalId is there already, and was left as it is.");
	listing_init(&listing, &o->arena, view->columns, view->width);
	listing.upright = true;
	operate_row(&listing, &answer.doc, answer.doc.nodes);
	listing_print(&listing, ctx->json);
	return 0;
}

static int
write_one(struct cmd_context *ctx, enum method method, struct str path, char **words)
{
	static const char *const columns[] = { "id", "externalId", "email", "fullName",
		"taxDocument", "timezone", "metadata", "createdAt", "updatedAt" };
	static const struct view  view = VIEW(columns);
	struct owner_environment *e;
	struct str                body;
	int                       code;

	if ((code = operate_body(ctx->owner, words, &body)) != 0
	    || (code = environment(ctx, &e)) != 0)
		return code;
	return call_one(ctx, e, method, path, body, &view);
}

int
cmd_customer_create(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	return write_one(ctx, METHOD_POST, STR("customers"), argv + 1);
}

int
cmd_customer_update(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	struct str path = operate_path(ctx->owner, "customers/", str_of(argv[1]));

	return write_one(ctx, METHOD_PATCH, path, argv + 2);
}

/* ---- leaving and coming back ---- */

static int
keep(struct cmd_context *ctx, const char *id, const char *action)
{
	static const char *const columns[] = { "id", "externalId", "email", "fullName",
		"createdAt", "updatedAt", "archivedAt" };
	static const struct view  view = VIEW(columns);
	struct owner             *o = ctx->owner;
	struct str                path = operate_path(o, "customers/", str_of(id));
	struct owner_environment *e;
	int                       code = environment(ctx, &e);

	if (code != 0)
		return code;
	path = arena_fmt(&o->arena, "%.*s/%s", STR_ARGS(path), action);
	return call_one(ctx, e, METHOD_POST, path, STR(""), &view);
}

int
cmd_customer_archive(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	return keep(ctx, argv[1], "archive");
}

int
cmd_customer_restore(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	return keep(ctx, argv[1], "restore");
}

/* Says so when that is an id of one who was merged: then the one who stays is erased with it. */
static int
warn_of_merge(struct owner *o, const struct owner_environment *e, struct str path, const char *ref)
{
	struct operate_answer answer;
	int                   code = operate(o, e, METHOD_GET, path, STR(""), &answer);
	struct str            merged = code == 0 ? answer.merged : STR_NONE;

	if (merged.len)
		cmd_say("\"%s\" was merged into %.*s: that customer is erased, with all who were "
		    "merged into it.", ref, STR_ARGS(merged));
	return code;
}

int
cmd_customer_erase(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	static const char *const  columns[] = { "id", "deleted" };
	static const struct view  view = VIEW(columns);
	struct owner             *o = ctx->owner;
	struct str                path = operate_path(o, "customers/", str_of(argv[1]));
	struct owner_environment *e;
	int                       code = environment(ctx, &e);

	if (code != 0 || (code = warn_of_merge(o, e, path, argv[1])) != 0)
		return code;
	if (!ctx->option[OPTION_YES].ptr) {
		cmd_say("to erase this customer for good, type \"%s\" once more.", argv[1]);
		if (!cmd_typed(argv[1]))
			return cmd_fail(EXIT_DATA, "\"%s\" was not typed, and nothing was erased; "
			    "--yes erases it without asking.", argv[1]);
	}
	return call_one(ctx, e, METHOD_DELETE, path, STR(""), &view);
}
