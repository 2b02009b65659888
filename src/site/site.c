/* What the pages share, and their descriptor. */
#include "site/site.h"
#include "billing/life.h"
#include "billing/money.h"
#include "db/cell.h"
#include "http/html.h"

enum err
site_missing(struct call *c)
{
	return call_fail(c, ERR_NOT_FOUND, NULL,
	    "There is nothing at this address, or not any more. If somebody sent you the link, "
	    "ask for a new one.");
}

bool
site_token(struct call *c, struct str *token)
{
	*token = c->param[0];
	return billing_token_owner(*token, &c->tenant.environment);
}

void
site_note(struct call *c, const struct sale *sale)
{
	if (!sale->livemode)
		html_raw(c->res, "<p class=\"note\">This is a sandbox, for tests. "
		    "Nothing is sold here, and nothing is to be paid.</p>\n");
}

void
site_row(struct call *c, const char *name, struct str value)
{
	if (!value.ptr)
		return;
	html_raw(c->res, "<dt>");
	html_raw(c->res, name);
	html_raw(c->res, "</dt>\n<dd>");
	html_text(c->res, value);
	html_raw(c->res, "</dd>\n");
}

/* ---- the sum ---- */

/* Of a line: sql/query/invoice.sql, :invoice_from. */
enum { LINE_DESCRIPTION = 1, LINE_AMOUNT = 4 };

static void
write_line(struct call *c, const char *row, struct str what, int64_t amount, struct str currency)
{
	html_raw(c->res, row);
	html_raw(c->res, "<td>");
	html_text(c->res, what);
	html_raw(c->res, "</td><td>");
	html_text(c->res, money_text(c->arena, amount, currency));
	html_raw(c->res, "</td></tr>\n");
}

void
site_sum(struct call *c, const struct sale *sale)
{
	const struct row *lines;
	size_t            count = cell_rows(sale->lines, c->arena, &lines);

	html_raw(c->res, "<table>\n<tr><th>Description</th><th>Amount</th></tr>\n");
	for (size_t i = 0; i < count; i++)
		write_line(c, "<tr>", row_text(&lines[i], LINE_DESCRIPTION),
		    row_i64(&lines[i], LINE_AMOUNT), sale->currency);
	if (sale->credit) {
		write_line(c, "<tr>", STR("Subtotal"), sale->subtotal, sale->currency);
		write_line(c, "<tr>", STR("Credit"), -sale->credit, sale->currency);
	}
	write_line(c, "<tr class=\"total\">", STR("Total"), sale->total, sale->currency);
	html_raw(c->res, "</table>\n");
}

/* ---- how to pay ---- */

/* A value of the configuration is one line. */
static struct str
unfold(struct call *c, struct str text)
{
	char *lines = ARENA_NEW(c->arena, char, text.len + 1);

	for (size_t i = 0; i < text.len; i++)
		lines[i] = text.ptr[i] == '|' ? '\n' : text.ptr[i];
	return (struct str) { lines, text.len };
}

void
site_instructions(struct call *c, const struct sale *sale)
{
	struct str text = sale->instructions.ptr
	    ? sale->instructions : unfold(c, str_of(c->conf->payment_instructions));

	if (text.len == 0)
		return;
	html_raw(c->res, "<h2>How to pay</h2>\n<p>");
	html_text(c->res, text);
	html_raw(c->res, "</p>\n");
}

/* ---- the descriptor ---- */

static const struct route routes[] = {
	{ METHOD_GET,  "/invoices/{token}", ROUTE_PUBLIC, V_FIRST, site_invoice },
	{ METHOD_GET,  "/checkout/{token}", ROUTE_PUBLIC, V_FIRST, site_checkout },
	{ METHOD_POST, "/checkout/{token}", ROUTE_PUBLIC, V_FIRST, site_checkout_deed },
};

extern const struct resource site_resource;
const struct resource site_resource = {
	.name = "site",
	.routes = routes,
	.routes_count = COUNTOF(routes),
};
