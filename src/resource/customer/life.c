/* How a customer leaves and comes back. */
#include "resource/customer/life.h"
#include "base/clock.h"
#include "billing/ledger.h"
#include "call/revision.h"
#include "resource/customer/alias.h"
#include "resource/customer/store.h"

enum { STEP_LOCK, STEP_CHANGE, STEP_HOLD = STEP_CHANGE, STEP_LIVE };

static void
begin(struct write *w, struct call *c)
{
	struct bind *b;

	write_begin(w, c);
	/* What was done before is not done twice; but it is another state than If-Match names. */
	w->tx.again |= !c->match;
	b = write_step(w, SQL_CUSTOMER_SEIZE);
	stored_bind_ref(b, &customer_fields, c->param[0]);
	revision_bind(b, c, &customer_fields);
}

/*
 * Whether the customer is there, and is what If-Match names; the ids of *found are filled in. One
 * who has just been merged into another one is looked for again.
 */
static enum err
look(struct write *w, struct customer *found)
{
	struct row row;

	if (write_rows(w, STEP_LOCK) == 0)
		return stored_missing(w->call, &customer_fields);
	row = write_row(w, STEP_LOCK, 0);
	found->id = row_id(&row, COL_CUSTOMER_SEIZE_ID);
	found->external_id = row_text(&row, COL_CUSTOMER_SEIZE_EXTERNAL_ID);
	w->again = row_is_null(&row, COL_CUSTOMER_SEIZE_MET);
	if (w->again)
		return ERR_OK;
	return row_bool(&row, COL_CUSTOMER_SEIZE_MET) ? ERR_OK : revision_refuse(w->call);
}

static enum err
make_changed(struct write *w, void *what UNUSED)
{
	struct customer found;
	enum err        e = look(w, &found);

	if (e != ERR_OK || w->again)
		return e;
	if (write_rows(w, STEP_CHANGE) == 0)
		return call_fail(w->call, ERR_CONFLICT, "id",
		    "The customer has a subscription. Cancel it at once, or wait until it is "
		    "over.");
	return customer_returned(w, STEP_CHANGE);
}

static const struct answers changed = { .make = make_changed };

enum err
customer_archive(struct call *c)
{
	struct write w;

	begin(&w, c);
	bind_time(write_step(&w, SQL_CUSTOMER_ARCHIVE), clock_wall_ms());
	return write_run(&w, &changed, NULL);
}

enum err
customer_restore(struct call *c)
{
	struct write w;

	begin(&w, c);
	(void)write_step(&w, SQL_CUSTOMER_RESTORE);
	return write_run(&w, &changed, NULL);
}

/* ---- erasing ---- */

/*
 * What was due before and has not been carried out yet is not waited for: whatever that would ask
 * to be paid would be void now.
 */
static bool
end_subscription(struct write *w, const struct row *live)
{
	struct call *c = w->call;
	struct life *l = ARENA_NEW(c->arena, struct life, 1);
	struct deed *d = ARENA_NEW(c->arena, struct deed, 1);

	member_read(live, life_columns, COL_LIFE__COUNT, l);
	l->arena = c->arena;
	l->environment = c->tenant.environment;
	l->terms.clocked = l->clocked;
	if (life_cancel(l, true, STR_NONE, d) != REFUSE_NOTHING)
		return false;
	ledger_save(tx_step(&w->tx, SQL_BILLING_SAVE), l, d);
	return true;
}

static enum err
make_erased(struct write *w, void *what UNUSED)
{
	struct call     *c = w->call;
	struct customer *gone = ARENA_NEW(c->arena, struct customer, 1);
	struct bind     *b;
	struct row       row;
	enum err         e = look(w, gone);

	if (e != ERR_OK || w->again)
		return e;
	row = write_row(w, STEP_LIVE, 0);
	if (!row_is_null(&row, COL_LIFE_ID) && !end_subscription(w, &row))
		return call_fail(c, ERR_CONFLICT, "id",
		    "The customer has a subscription that cannot be canceled.");
	b = write_step(w, SQL_CUSTOMER_ERASE);
	bind_id(b, &gone->id);
	bind_i64(b, c->conf->retain_invoices_ms);
	alias_note(c, c->param[0], gone);
	return field_reply(c, 200, &customer_fields, gone, CUSTOMER_ERASED);
}

enum err
customer_erase(struct call *c)
{
	static const struct answers erased = { .make = make_erased };
	struct write w;

	begin(&w, c);
	w.tx.again = c->idem.key.ptr; /* or it would not be found any more */
	w.careful = true;             /* what is written follows from what is read */
	(void)write_step(&w, SQL_BILLING_HOLD);
	(void)write_step(&w, SQL_BILLING_LIVE);
	return write_run(&w, &erased, NULL);
}
