/* GET /invoices/{token}: an invoice on one sheet of paper. */
#include "db/member.h"
#include "http/html.h"
#include "site/site.h"

struct shown {
	struct sale sale;
	struct str  number, status;
	struct str  issued, due, paid, start, end; /* days */
	struct str  email, full_name, tax_document, address;
};

#define KEPT(type, member) { BIND_##type, offsetof(struct shown, member), false }

static const struct member columns[] = {
	[COL_SITE_INVOICE_NUMBER] = KEPT(TEXT, number),
	[COL_SITE_INVOICE_STATUS] = KEPT(TEXT, status),
	[COL_SITE_INVOICE_CURRENCY] = KEPT(TEXT, sale.currency),
	[COL_SITE_INVOICE_SUBTOTAL] = KEPT(I64, sale.subtotal),
	[COL_SITE_INVOICE_CREDIT] = KEPT(I64, sale.credit),
	[COL_SITE_INVOICE_TOTAL] = KEPT(I64, sale.total),
	[COL_SITE_INVOICE_LINES] = KEPT(TEXT, sale.lines),
	[COL_SITE_INVOICE_ISSUED] = KEPT(TEXT, issued),
	[COL_SITE_INVOICE_DUE] = KEPT(TEXT, due),
	[COL_SITE_INVOICE_PAID] = KEPT(TEXT, paid),
	[COL_SITE_INVOICE_PERIOD_START] = KEPT(TEXT, start),
	[COL_SITE_INVOICE_PERIOD_END] = KEPT(TEXT, end),
	[COL_SITE_INVOICE_SELLER] = KEPT(TEXT, sale.seller),
	[COL_SITE_INVOICE_LIVEMODE] = KEPT(BOOL, sale.livemode),
	[COL_SITE_INVOICE_EMAIL] = KEPT(TEXT, email),
	[COL_SITE_INVOICE_FULL_NAME] = KEPT(TEXT, full_name),
	[COL_SITE_INVOICE_TAX_DOCUMENT] = KEPT(TEXT, tax_document),
	[COL_SITE_INVOICE_ADDRESS] = KEPT(TEXT, address),
	[COL_SITE_INVOICE_INSTRUCTIONS] = KEPT(TEXT, sale.instructions),
};

static void
write_head(struct call *c, const struct shown *i)
{
	html_raw(c->res, "<h1>Invoice ");
	html_text(c->res, i->number);
	html_raw(c->res, "</h1>\n<p class=\"status\">");
	html_text(c->res, i->status);
	html_raw(c->res, "</p>\n");
	site_note(c, &i->sale);
}

static void
write_facts(struct call *c, const struct shown *i)
{
	bool named = i->full_name.len > 0;

	html_raw(c->res, "<dl>\n");
	site_row(c, "From", i->sale.seller);
	site_row(c, "To", named ? i->full_name : i->email);
	site_row(c, "E-mail", named ? i->email : STR_NONE);
	site_row(c, "Address", i->address);
	site_row(c, "Tax number", i->tax_document);
	site_row(c, "Date", i->issued);
	site_row(c, "Due", i->paid.ptr ? STR_NONE : i->due);
	site_row(c, "Paid", i->paid);
	site_row(c, "Period", !i->start.ptr || !i->end.ptr ? i->start
	    : arena_fmt(c->arena, "%.*s to %.*s", STR_ARGS(i->start), STR_ARGS(i->end)));
	html_raw(c->res, "</dl>\n");
}

static enum err
write_page(struct call *c, const struct shown *i)
{
	c->res->status = 200;
	html_begin(c->res, HTML_FORMS_NONE,
	    arena_fmt(c->arena, "Invoice %.*s", STR_ARGS(i->number)));
	write_head(c, i);
	write_facts(c, i);
	site_sum(c, &i->sale);
	if (str_is(i->status, "outstanding"))
		site_instructions(c, &i->sale);
	html_end(c->res);
	return ERR_OK;
}

enum err
site_invoice(struct call *c)
{
	struct shown *i = ARENA_NEW(c->arena, struct shown, 1);
	struct str    token;
	struct tx     tx;
	struct row    row;
	enum err      e;

	if (!site_token(c, &token))
		return site_missing(c);
	bind_text(call_read(c, &tx, SQL_SITE_INVOICE), token);
	if ((e = call_read_run(c, &tx)) != ERR_OK)
		return e;
	if (tx_rows(&tx, READ_STEP) == 0)
		return site_missing(c);
	row = tx_row(&tx, READ_STEP, 0);
	member_read(&row, columns, COUNTOF(columns), i);
	return write_page(c, i);
}
