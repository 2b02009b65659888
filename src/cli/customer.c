/* clientele customer: what an operator may want to see of customers. Nothing here changes one. */
#include "cli/listing.h"

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
	};
	static const struct listing_view view = LISTING_VIEW(columns, true);

	return listing_show(ctx, &view, &noun, SQL_OPERATOR_CUSTOMER_GET, bind_ref, argv[1],
	    argv[1]);
}

int
cmd_customer_list(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	static const struct listing_column columns[] = {
		LISTING_REF("id", STR("cus_"), COL_OPERATOR_CUSTOMER_LIST_ID),
		LISTING_CELL("externalId", TEXT, COL_OPERATOR_CUSTOMER_LIST_EXTERNAL_ID),
		LISTING_CELL("email", TEXT, COL_OPERATOR_CUSTOMER_LIST_EMAIL),
		LISTING_CELL("fullName", TEXT, COL_OPERATOR_CUSTOMER_LIST_FULL_NAME),
		LISTING_CELL("active", BOOL, COL_OPERATOR_CUSTOMER_LIST_IS_ACTIVE),
		LISTING_CELL("createdAt", TIME, COL_OPERATOR_CUSTOMER_LIST_CREATED_AT),
	};
	static const struct listing_pages pages = { .noun = &noun,
		.view = LISTING_VIEW(columns, false), .all = SQL_OPERATOR_CUSTOMER_LIST };

	return listing_page(ctx, &pages);
}
