/* clientele customer: what an operator may want to see of customers. Nothing here changes one. */
#include "cli/listing.h"
#include "cli/owner.h"

#define CUSTOMER_ID_PREFIX STR("cus_")

static struct str
customer_id(struct owner *o, const struct row *r, int column)
{
	struct id id = row_id(r, column);

	return owner_id(o, CUSTOMER_ID_PREFIX, &id);
}

/* ---- how many */

static int
count_environment(struct owner *o, const struct owner_environment *e, struct listing *listing,
    const void *with UNUSED)
{
	struct tx   tx;
	struct row  row;
	struct str *cells;
	int         code;

	owner_enter(o, &tx, e);
	tx.reads = true;
	(void)owner_step(&tx, SQL_OPERATOR_CUSTOMER_COUNT, e);
	if ((code = owner_run(&tx)) != 0)
		return code;
	row = tx_row(&tx, 1, 0);
	cells = listing_row(listing);
	cells[0] = e->organization;
	cells[1] = owner_environment_name(e);
	cells[2] = owner_number(o, row_i64(&row, COL_OPERATOR_CUSTOMER_COUNT_CUSTOMERS));
	return 0;
}

int
cmd_customer_count(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	static const char *const columns[] = { "organization", "environment", "customers" };
	struct listing           listing;
	int                      code;

	listing_init(&listing, &ctx->owner->arena, columns, COUNTOF(columns));
	listing.raw = 1u << 2;
	code = owner_each(ctx, count_environment, NULL, &listing);
	if (code == 0)
		listing_print(&listing, ctx->json);
	return code;
}

/* ---- one */

static int
get_environment(struct owner *o, const struct owner_environment *e, struct listing *listing,
    const void *with)
{
	struct str   text = str_of(with);
	struct id    id;
	bool         is_id = id_parse(CUSTOMER_ID_PREFIX, text, &id);
	struct tx    tx;
	struct bind *b;
	int          code;

	owner_enter(o, &tx, e);
	tx.reads = true;
	b = owner_step(&tx, SQL_OPERATOR_CUSTOMER_GET, e);
	bind_id(b, is_id ? &id : NULL);
	bind_text(b, text);
	if ((code = owner_run(&tx)) != 0)
		return code;
	for (size_t i = 0; i < tx_rows(&tx, 1); i++) {
		struct row  row = tx_row(&tx, 1, i);
		struct str *cells = listing_row(listing);

		cells[0] = e->organization;
		cells[1] = owner_environment_name(e);
		cells[2] = customer_id(o, &row, COL_CUSTOMER_ID);
		cells[3] = row_text(&row, COL_CUSTOMER_EXTERNAL_ID);
		cells[4] = row_text(&row, COL_CUSTOMER_EMAIL);
		cells[5] = row_text(&row, COL_CUSTOMER_FULL_NAME);
		cells[6] = row_text(&row, COL_CUSTOMER_TAX_DOCUMENT);
		cells[7] = row_text(&row, COL_CUSTOMER_ADDRESS);
		cells[8] = row_text(&row, COL_CUSTOMER_TIMEZONE);
		cells[9] = row_text(&row, COL_CUSTOMER_METADATA);
		cells[10] = owner_yes_no(&row, COL_CUSTOMER_IS_ACTIVE);
		cells[11] = owner_time(o, &row, COL_CUSTOMER_CREATED_AT);
		cells[12] = owner_time(o, &row, COL_CUSTOMER_UPDATED_AT);
	}
	return 0;
}

int
cmd_customer_get(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	static const char *const columns[] = { "organization", "environment", "id", "externalId",
		"email", "fullName", "taxDocument", "address", "timezone", "metadata", "active",
		"createdAt", "updatedAt" };
	struct listing listing;
	int            code;

	listing_init(&listing, &ctx->owner->arena, columns, COUNTOF(columns));
	listing.raw = 1u << 7 | 1u << 9;
	listing.upright = true;
	if ((code = owner_each(ctx, get_environment, argv[1], &listing)) != 0)
		return code;
	if (listing.rows == 0)
		return cmd_fail(EXIT_UNKNOWN, "there is no customer \"%s\".", argv[1]);
	listing_print(&listing, ctx->json);
	return 0;
}

/* ---- many */

static int
list_environment(struct owner *o, const struct owner_environment *e, struct listing *listing,
    const void *with)
{
	const struct owner_page *page = with;
	struct tx                tx;
	struct bind             *b;
	int                      code;

	owner_enter(o, &tx, e);
	tx.reads = true;
	b = owner_step(&tx, SQL_OPERATOR_CUSTOMER_LIST, e);
	bind_id(b, &page->after);
	bind_i64(b, page->rows);
	if ((code = owner_run(&tx)) != 0)
		return code;
	for (size_t i = 0; i < tx_rows(&tx, 1); i++) {
		struct row  row = tx_row(&tx, 1, i);
		struct str *cells = listing_row(listing);

		cells[0] = customer_id(o, &row, COL_OPERATOR_CUSTOMER_LIST_ID);
		cells[1] = row_text(&row, COL_OPERATOR_CUSTOMER_LIST_EXTERNAL_ID);
		cells[2] = row_text(&row, COL_OPERATOR_CUSTOMER_LIST_EMAIL);
		cells[3] = row_text(&row, COL_OPERATOR_CUSTOMER_LIST_FULL_NAME);
		cells[4] = owner_yes_no(&row, COL_OPERATOR_CUSTOMER_LIST_IS_ACTIVE);
		cells[5] = owner_time(o, &row, COL_OPERATOR_CUSTOMER_LIST_CREATED_AT);
	}
	return 0;
}

int
cmd_customer_list(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	static const char *const columns[] = { "id", "externalId", "email", "fullName", "active",
		"createdAt" };
	struct owner_page page;
	struct listing    listing;
	int               code = owner_page(ctx, CUSTOMER_ID_PREFIX, "customer", &page);

	if (code != 0)
		return code;
	listing_init(&listing, &ctx->owner->arena, columns, COUNTOF(columns));
	listing.raw = 1u << 4;
	code = owner_each(ctx, list_environment, &page, &listing);
	if (code == 0)
		listing_print(&listing, ctx->json);
	return code;
}
