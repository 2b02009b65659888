/* clientele invoice: invoices to look at, and to mark as paid or void. */
#include "billing/settle.h"
#include "cli/listing.h"
#include "db/cell.h"
#include "json/jwrite.h"

static const struct owner_noun noun = { "an", "invoice", STR("inv_") };

/* ---- looking ---- */

int
cmd_invoice_list(struct cmd_context *ctx, int argc UNUSED, char **argv UNUSED)
{
	static const struct listing_column columns[] = {
		LISTING_REF("id", STR("inv_"), COL_INVOICE_ID),
		LISTING_CELL("invoiceNumber", TEXT, COL_INVOICE_SHOWN_NUMBER),
		LISTING_REF("customerId", STR("cus_"), COL_INVOICE_CUSTOMER_ID),
		LISTING_CELL("plan", TEXT, COL_INVOICE_PLAN_NAME),
		LISTING_CELL("total", NUMBER, COL_INVOICE_TOTAL),
		LISTING_CELL("currency", TEXT, COL_INVOICE_CURRENCY),
		LISTING_CELL("status", TEXT, COL_INVOICE_STATUS),
		LISTING_CELL("issueDate", TIME, COL_INVOICE_ISSUE_DATE),
		LISTING_CELL("dueDate", TIME, COL_INVOICE_DUE_DATE),
	};
	/* "|draft|..." */
	static const char states[] =
#define STATE(text) "|" text
	    INVOICE_STATES(STATE);
#undef STATE
	static const struct listing_pages pages = { &noun, LISTING_VIEW(columns, false),
		SQL_INVOICE_LIST, SQL_INVOICE_LIST_STATUS, SQL_INVOICE_LIST_CUSTOMER, states + 1 };

	return listing_page(ctx, &pages);
}

/* The lines of an invoice, as :invoice_from has them. */
enum { LINE_TYPE, LINE_DESCRIPTION, LINE_QUANTITY, LINE_UNIT_AMOUNT, LINE_AMOUNT };

static struct json_object *
line_json(const struct row *line)
{
	struct json_object *o = jwrite_object();

	jwrite_put(o, "description", jwrite_str(row_text(line, LINE_DESCRIPTION)));
	jwrite_put(o, "quantity", jwrite_int(row_i64(line, LINE_QUANTITY)));
	jwrite_put(o, "unitAmount", jwrite_int(row_i64(line, LINE_UNIT_AMOUNT)));
	jwrite_put(o, "amount", jwrite_int(row_i64(line, LINE_AMOUNT)));
	return o;
}

static struct str
lines(struct owner *o, const struct row *row, int column)
{
	AUTO_JSON struct json_object *array = jwrite_array();
	const struct row             *line;
	size_t                        count = cell_rows(row_text(row, column), &o->arena, &line);
	struct buf                    out;
	struct str                    text;

	for (size_t i = 0; i < count; i++)
		jwrite_push(array, line_json(&line[i]));
	buf_init(&out, SIZE_MAX / 2);
	jwrite_text(array, &out);
	text = arena_str(&o->arena, buf_view(&out));
	buf_fini(&out);
	return text;
}

int
cmd_invoice_show(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	static const struct listing_column columns[] = {
		LISTING_PLACE,
		LISTING_REF("id", STR("inv_"), COL_INVOICE_ID),
		LISTING_CELL("invoiceNumber", TEXT, COL_INVOICE_SHOWN_NUMBER),
		LISTING_REF("customerId", STR("cus_"), COL_INVOICE_CUSTOMER_ID),
		LISTING_REF("subscriptionId", STR("sub_"), COL_INVOICE_SUBSCRIPTION_ID),
		LISTING_CELL("status", TEXT, COL_INVOICE_STATUS),
		LISTING_CELL("invoiceType", TEXT, COL_INVOICE_INVOICE_TYPE),
		LISTING_CELL("plan", TEXT, COL_INVOICE_PLAN_NAME),
		LISTING_CELL("currency", TEXT, COL_INVOICE_CURRENCY),
		LISTING_CELL("subtotal", NUMBER, COL_INVOICE_SUBTOTAL),
		LISTING_CELL("creditApplied", NUMBER, COL_INVOICE_CREDIT_APPLIED),
		LISTING_CELL("total", NUMBER, COL_INVOICE_TOTAL),
		LISTING_CELL("periodStart", TIME, COL_INVOICE_PERIOD_START),
		LISTING_CELL("periodEnd", TIME, COL_INVOICE_SHOWN_END),
		LISTING_CELL("issueDate", TIME, COL_INVOICE_ISSUE_DATE),
		LISTING_CELL("dueDate", TIME, COL_INVOICE_DUE_DATE),
		LISTING_MADE("lineItems", JSON, COL_INVOICE_LINES, lines),
		LISTING_CELL("createdAt", TIME, COL_INVOICE_CREATED_AT),
		LISTING_CELL("updatedAt", TIME, COL_INVOICE_UPDATED_AT),
	};
	static const struct listing_view view = LISTING_VIEW(columns, true);

	return listing_show_id(ctx, &view, &noun, SQL_INVOICE_GET, argv[1]);
}

/* ---- paid, void ---- */

/* What the API does, with the same steps. */
struct verdict {
	struct id         id;
	bool              paid;
	struct id         environment;
	enum settle       came;
	struct settlement s;
};

static bool
decide(struct tx *tx, void *with)
{
	struct verdict *v = with;

	v->came = settle_decide(tx, 1, &v->environment, v->paid, &v->s);
	return v->came == SETTLE_DONE;
}

static int
print_settled(struct cmd_context *ctx, const struct verdict *v, const char *id)
{
	static const char *const columns[] = { "id", "invoiceNumber", "status", "subscriptionId",
		"subscriptionStatus" };
	struct owner  *o = ctx->owner;
	struct listing listing;
	struct str    *cells;

	listing_init(&listing, &o->arena, columns, COUNTOF(columns));
	cells = listing_row(&listing);
	cells[0] = str_of(id);
	cells[1] = row_text(&v->s.invoice, COL_INVOICE_SHOWN_NUMBER);
	cells[2] = v->s.deed.settle;
	cells[3] = owner_id(o, STR("sub_"), &v->s.life.id);
	cells[4] = v->s.life.status;
	listing_print(&listing, ctx->json);
	return 0;
}

/* In whichever environment it is. */
static int
settle(struct cmd_context *ctx, const char *text, bool paid)
{
	struct owner             *o = ctx->owner;
	struct verdict           *v = ARENA_NEW(&o->arena, struct verdict, 1);
	struct owner_environment *found;
	size_t                    count;
	int                       code = owner_read_id(&noun, text, &v->id);

	v->paid = paid;
	if (code == 0)
		code = owner_environments(o, ctx->option[OPTION_ORG], ctx->option[OPTION_ENV],
		    &found, &count);
	for (size_t e = 0; code == 0 && e < count; e++) {
		struct tx tx;

		v->environment = found[e].id;
		owner_enter(o, &tx, &found[e]);
		settle_ask(&tx, &found[e].id, &v->id);
		tx.then = decide;
		tx.with = v;
		if ((code = owner_run(&tx)) != 0)
			return code;
		if (v->came == SETTLE_DONE)
			return print_settled(ctx, v, text);
		if (v->came != SETTLE_MISSING)
			return cmd_fail(EXIT_DATA, "%s is %.*s. %s", text, STR_ARGS(row_text(
			    &v->s.invoice, COL_INVOICE_STATUS)), settle_sentences[v->came]);
	}
	return code ? code : owner_unknown(&noun, str_of(text));
}

int
cmd_invoice_paid(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	return settle(ctx, argv[1], true);
}

int
cmd_invoice_void(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	return settle(ctx, argv[1], false);
}
