/*
 * /checkout/{token}: what a subscription or a change of plan costs, and how to pay it. Looking at
 * it changes nothing. The token is all that a form needs to be believed: no other site knows it.
 */
#include "billing/behind.h"
#include "billing/ledger.h"
#include "billing/money.h"
#include "billing/settle.h"
#include "call/write.h"
#include "http/html.h"
#include "site/site.h"

enum { LOCATION_MAX_BYTES = 2048 /* nginx takes 4 KiB of response headers */ };

struct checkout {
	struct sale sale;
	struct id   subscription, invoice; /* invoice nil: a trial is to be begun */
	bool        open, done, change;
	struct str  number, invoice_token;
	struct str  plan, step, until, success_url;
	int64_t     price, trial_days;
};

#define KEPT(type, member) { BIND_##type, offsetof(struct checkout, member), false }

static const struct member columns[] = {
	[COL_SITE_CHECKOUT_SUBSCRIPTION_ID] = KEPT(UUID, subscription),
	[COL_SITE_CHECKOUT_IS_OPEN] = KEPT(BOOL, open),
	[COL_SITE_CHECKOUT_IS_DONE] = KEPT(BOOL, done),
	[COL_SITE_CHECKOUT_IS_CHANGE] = KEPT(BOOL, change),
	[COL_SITE_CHECKOUT_INVOICE_ID] = KEPT(UUID, invoice),
	[COL_SITE_CHECKOUT_NUMBER] = KEPT(TEXT, number),
	[COL_SITE_CHECKOUT_INVOICE_TOKEN] = KEPT(TEXT, invoice_token),
	[COL_SITE_CHECKOUT_CURRENCY] = KEPT(TEXT, sale.currency),
	[COL_SITE_CHECKOUT_SUBTOTAL] = KEPT(I64, sale.subtotal),
	[COL_SITE_CHECKOUT_CREDIT] = KEPT(I64, sale.credit),
	[COL_SITE_CHECKOUT_TOTAL] = KEPT(I64, sale.total),
	[COL_SITE_CHECKOUT_LINES] = KEPT(TEXT, sale.lines),
	[COL_SITE_CHECKOUT_PLAN_NAME] = KEPT(TEXT, plan),
	[COL_SITE_CHECKOUT_STEP] = KEPT(TEXT, step),
	[COL_SITE_CHECKOUT_PRICE] = KEPT(I64, price),
	[COL_SITE_CHECKOUT_TRIAL_DAYS] = KEPT(I64, trial_days),
	[COL_SITE_CHECKOUT_UNTIL] = KEPT(TEXT, until),
	[COL_SITE_CHECKOUT_SUCCESS_URL] = KEPT(TEXT, success_url),
	[COL_SITE_CHECKOUT_SELLER] = KEPT(TEXT, sale.seller),
	[COL_SITE_CHECKOUT_LIVEMODE] = KEPT(BOOL, sale.livemode),
	[COL_SITE_CHECKOUT_INSTRUCTIONS] = KEPT(TEXT, sale.instructions),
};

/* ---- finding it ---- */

/* ERR_NOT_FOUND also where there is nothing to be done any more, and nothing was. */
static enum err
find(struct call *c, struct checkout *k)
{
	struct str   token;
	struct tx    tx;
	struct bind *b;
	struct row   row;
	enum err     e;

	if (!site_token(c, &token))
		return site_missing(c);
	b = call_read(c, &tx, SQL_SITE_CHECKOUT);
	bind_text(b, token);
	bind_text(b, billing_invoice_token(c->arena, token));
	if ((e = call_read_run(c, &tx)) != ERR_OK)
		return e;
	if (tx_rows(&tx, READ_STEP) == 0)
		return site_missing(c);
	row = tx_row(&tx, READ_STEP, 0);
	member_read(&row, columns, COUNTOF(columns), k);
	return k->open || k->done ? ERR_OK : site_missing(c);
}

static bool
is_trial(const struct checkout *k)
{
	return id_is_nil(&k->invoice);
}

/* ---- the page ---- */

/* "USD 29.00 every month" */
static struct str
price_text(struct call *c, const struct checkout *k)
{
	static const struct {
		const char *step, *every;
	} steps[] = {
		{ "weekly", "every week" },
		{ "monthly", "every month" },
		{ "quarterly", "every three months" },
		{ "semiannual", "every six months" },
		{ "yearly", "every year" },
		{ "one_time", "once" },
	};
	struct str price = money_text(c->arena, k->price, k->sale.currency);

	for (size_t i = 0; k->step.ptr && i < COUNTOF(steps); i++)
		if (str_is(k->step, steps[i].step))
			return arena_fmt(c->arena, "%.*s %s", STR_ARGS(price), steps[i].every);
	return price;
}

static void
write_button(struct call *c, const char *deed, const char *text)
{
	html_raw(c->res, "<button name=\"deed\" value=\"");
	html_raw(c->res, deed);
	html_raw(c->res, "\">");
	html_raw(c->res, text);
	html_raw(c->res, "</button>\n");
}

/* A payment is confirmed by whoever receives it; only in a sandbox the page plays that part. */
static enum html_forms
forms_of(const struct checkout *k)
{
	return k->sale.livemode && !is_trial(k) ? HTML_FORMS_NONE
	    : k->success_url.ptr ? HTML_FORMS_AWAY : HTML_FORMS_HERE;
}

static void
write_form(struct call *c, const struct checkout *k)
{
	if (forms_of(k) == HTML_FORMS_NONE)
		return;
	html_raw(c->res, "<form method=\"post\">\n");
	if (is_trial(k))
		write_button(c, "start", "Start the trial");
	else
		write_button(c, "pay", "Pay");
	if (!k->sale.livemode)
		write_button(c, "decline", "Decline");
	html_raw(c->res, "</form>\n");
}

static void
write_bill(struct call *c, const struct checkout *k)
{
	site_sum(c, &k->sale);
	html_raw(c->res, k->change
	    ? "<p>The plan changes once the payment is confirmed.</p>\n"
	    : "<p>The subscription begins once the payment is confirmed.</p>\n");
	site_instructions(c, &k->sale);
	html_raw(c->res, "<p class=\"screen\"><a href=\"../invoices/");
	html_text(c->res, k->invoice_token);
	html_raw(c->res, "\">Invoice ");
	html_text(c->res, k->number);
	html_raw(c->res, "</a></p>\n");
}

static enum err
write_open(struct call *c, const struct checkout *k)
{
	c->res->status = 200;
	html_begin(c->res, forms_of(k), k->plan);
	html_raw(c->res, "<h1>");
	html_text(c->res, k->plan);
	html_raw(c->res, "</h1>\n<p>");
	html_text(c->res, k->sale.seller);
	html_raw(c->res, "</p>\n");
	site_note(c, &k->sale);
	html_raw(c->res, "<dl>\n");
	site_row(c, "Price", price_text(c, k));
	if (is_trial(k))
		site_row(c, "Trial", arena_fmt(c->arena, "%jd %s, free of charge",
		    (intmax_t)k->trial_days, k->trial_days == 1 ? "day" : "days"));
	else
		site_row(c, "To pay now",
		    money_text(c->arena, k->sale.total, k->sale.currency));
	site_row(c, "Offer good until", k->until);
	html_raw(c->res, "</dl>\n");
	if (!is_trial(k))
		write_bill(c, k);
	write_form(c, k);
	html_end(c->res);
	return ERR_OK;
}

static void
write_link(struct call *c, struct str to)
{
	html_raw(c->res, "<p><a href=\"");
	html_text(c->res, to);
	html_raw(c->res, "\">Continue</a></p>\n");
}

/*
 * Where the customer goes on, as a header can carry it: with what is not ASCII escaped. Absent if
 * there is no such address.
 */
static struct str
onward(struct call *c, const struct checkout *k)
{
	static const char hex[] = "0123456789ABCDEF";
	struct str        url = k->success_url;
	char             *text = ARENA_NEW(c->arena, char, 3 * url.len + 1), *end = text;

	if (!str_starts(url, STR("https://")) && !str_starts(url, STR("http://")))
		return STR_NONE;
	for (size_t i = 0; i < url.len; i++) {
		unsigned char b = (unsigned char)url.ptr[i];

		if (str_is_visible(url.ptr[i]))
			*end++ = url.ptr[i];
		else
			end = str_put(end, (struct str) {
			    (const char[]) { '%', hex[b >> 4], hex[b & 15] }, 3 });
	}
	return end - text > LOCATION_MAX_BYTES ? STR_NONE
	    : (struct str) { text, (size_t)(end - text) };
}

static enum err
write_done(struct call *c, const struct checkout *k)
{
	struct str to = onward(c, k);

	c->res->status = 200;
	html_begin(c->res, HTML_FORMS_NONE, STR("Thank you"));
	html_raw(c->res, "<h1>Thank you</h1>\n<p>");
	html_raw(c->res, is_trial(k) ? "The trial of " : "The payment is confirmed: ");
	html_text(c->res, k->plan);
	html_raw(c->res, is_trial(k) ? " has begun.</p>\n" : ".</p>\n");
	if (k->invoice_token.ptr) {
		html_raw(c->res, "<p><a href=\"../invoices/");
		html_text(c->res, k->invoice_token);
		html_raw(c->res, "\">Invoice ");
		html_text(c->res, k->number);
		html_raw(c->res, "</a></p>\n");
	}
	if (to.ptr)
		write_link(c, to);
	html_end(c->res);
	return ERR_OK;
}

enum err
site_checkout(struct call *c)
{
	struct checkout *k = ARENA_NEW(c->arena, struct checkout, 1);
	enum err         e = find(c, k);

	if (e != ERR_OK)
		return e;
	return k->open ? write_open(c, k) : write_done(c, k);
}

/* ---- what its buttons do ---- */

enum { DEED_START, DEED_PAY, DEED_DECLINE, DEED__COUNT };

static const char *const forms[DEED__COUNT] = { "deed=start", "deed=pay", "deed=decline" };

struct asked {
	const struct checkout *checkout;
	unsigned               deed;
	bool                   did;
};

/* Steps of what is done with a trial. */
enum { STEP_LOCK, STEP_LOOK };

/* By then it may have begun, or be over. */
static bool
decide_trial(struct write *w, const struct asked *asked)
{
	struct call *c = w->call;
	struct life *l = ARENA_NEW(c->arena, struct life, 1);
	struct deed *d = ARENA_NEW(c->arena, struct deed, 1);
	struct row   row;
	enum refusal why;

	if (write_rows(w, STEP_LOOK) == 0)
		return false;
	row = write_row(w, STEP_LOOK, 0);
	ledger_read(&row, c->arena, &c->tenant.environment, l);
	if (!life_is_at_checkout(l))
		return false;
	why = asked->deed == DEED_DECLINE ? life_cancel(l, true, STR_NONE, d) : life_confirm(l, d);
	if (why == REFUSE_NOTHING)
		ledger_save(tx_step(&w->tx, SQL_BILLING_SAVE), l, d);
	return why == REFUSE_NOTHING;
}

/* What another click has done meanwhile is not done again. */
static enum err
make_done(struct write *w, void *what)
{
	struct asked      *asked = what;
	struct settlement *s = ARENA_NEW(w->call->arena, struct settlement, 1);
	enum settle        came;

	if (is_trial(asked->checkout)) { /* before it begins, nothing is due */
		asked->did = decide_trial(w, asked);
		return ERR_OK;
	}
	came = settle_decide(&w->tx, w->first, &w->call->tenant.environment,
	    asked->deed == DEED_PAY, s);
	asked->did = came == SETTLE_DONE;
	return came == SETTLE_BEHIND ? behind_check(w, &s->life) : ERR_OK;
}

static void
ask_trial(struct write *w, const struct id *subscription)
{
	struct bind *b;

	bind_id(write_step(w, SQL_BILLING_LOCK), subscription);
	b = write_step(w, SQL_BILLING_LOOK);
	bind_id(b, subscription);
	bind_null(b);
}

static enum err
run(struct call *c, struct asked *asked)
{
	static const struct answers answers = { .make = make_done };
	const struct checkout      *k = asked->checkout;
	struct write                w;

	write_begin(&w, c);
	w.careful = true;  /* what is written follows from what is read */
	w.tx.again = true; /* a second run finds what the first one did */
	if (is_trial(k))
		ask_trial(&w, &k->subscription);
	else
		settle_ask(&w.tx, &c->tenant.environment, &k->invoice);
	return behind_run(&w, &answers, asked);
}

/* 303: the browser asks for what comes next with a GET. */
static enum err
lead_on(struct call *c, struct str to)
{
	if (!to.ptr)
		to = c->param[0]; /* this page, whatever the path before it is */
	c->res->status = 303;
	response_header(c->res, "Location", to);
	html_begin(c->res, HTML_FORMS_NONE, STR("Continue"));
	write_link(c, to);
	html_end(c->res);
	return ERR_OK;
}

static enum err
read_deed(struct call *c, unsigned *deed)
{
	if (c->req->body_too_large)
		return call_fail(c, ERR_TOO_LARGE, NULL, "The form is too large.");
	for (*deed = 0; *deed < DEED__COUNT; ++*deed)
		if (str_is(c->req->body, forms[*deed]))
			return ERR_OK;
	return call_fail(c, ERR_VALIDATION, "deed", "This is no form of this page.");
}

/* Whether the page has such a button. */
static enum err
check_deed(struct call *c, const struct checkout *k, unsigned deed)
{
	if (deed != DEED_START && k->sale.livemode)
		return call_fail(c, ERR_SANDBOX_ONLY, "deed",
		    "A payment is confirmed by whoever receives it. Nothing was done.");
	if (deed != DEED_DECLINE && is_trial(k) != (deed == DEED_START))
		return call_fail(c, ERR_VALIDATION, "deed", "This is no form of this page.");
	return ERR_OK;
}

enum err
site_checkout_deed(struct call *c)
{
	struct checkout *k = ARENA_NEW(c->arena, struct checkout, 1);
	struct asked     asked = { .checkout = k };
	enum err         e;

	if ((e = read_deed(c, &asked.deed)) != ERR_OK || (e = find(c, k)) != ERR_OK
	    || (e = check_deed(c, k, asked.deed)) != ERR_OK)
		return e;
	if (k->open && (e = run(c, &asked)) != ERR_OK)
		return e;
	/* Somebody else was first: with this, or with something else. */
	if (k->open && !asked.did && (e = find(c, k)) != ERR_OK)
		return e;
	if (k->open && !asked.did)
		return call_fail(c, ERR_CONFLICT, NULL, "This cannot be done now.");
	return lead_on(c, asked.deed == DEED_DECLINE ? STR_NONE : onward(c, k));
}
