/* Carrying out deadlines. */
#include "billing/advance.h"
#include "billing/ledger.h"

#include <stdio.h>

/* One transaction. */
struct work {
	const struct advance_run *run; /* NULL: of no test clock */
	size_t                    claim, look; /* steps; the one before claim is the run's */
	struct advanced          *one;
};

/* The n-th of those that were claimed. Returns its invoice, if it has one. */
static const struct id *
carry_out(struct tx *tx, struct work *w, size_t n)
{
	struct life *l = ARENA_NEW(tx->arena, struct life, 1);
	struct deed *d = ARENA_NEW(tx->arena, struct deed, 1);
	struct row   row = tx_row(tx, w->look, n);

	ledger_read(&row, tx->arena, &w->one->environment, l);
	if (n == 0) {
		w->one->due_ms = l->due_ms;
		snprintf(w->one->what, sizeof(w->one->what), "%.*s", STR_ARGS(l->due_what));
	}
	life_advance(l, d);
	ledger_save(tx_step(tx, SQL_BILLING_SAVE), l, d);
	return id_is_nil(&d->bill.id) ? NULL : &d->bill.id;
}

static const struct id *
carry_out_all(struct tx *tx, struct work *w)
{
	struct row       row = tx_row(tx, w->claim, 0);
	const struct id *invoice = NULL;

	w->one->environment = row_id(&row, COL_BILLING_CLAIM_ENVIRONMENT);
	w->one->subscription = row_id(&row, COL_BILLING_CLAIM_ID);
	w->one->others = row_i64(&row, COL_BILLING_CLAIM_OTHERS);
	w->one->count = (unsigned)tx_rows(tx, w->look);
	for (size_t i = 0; i < w->one->count; i++)
		invoice = carry_out(tx, w, i);
	return invoice;
}

/* tx->then: decides, and adds what is to be written. */
static bool
decide(struct tx *tx, void *with)
{
	struct work     *w = with;
	const struct id *invoice = NULL;

	*w->one = (struct advanced) { .barred = w->run && tx_rows(tx, w->claim - 1) == 0 };
	if (w->one->barred)
		return true;
	if (tx_rows(tx, w->claim) > 0 && tx_rows(tx, w->look) > 0)
		invoice = carry_out_all(tx, w);
	if (w->run)
		w->run->end(tx, w->run, w->one, invoice);
	return true;
}

/* Where to look: the members of a run that has neither 'begin' nor 'end' are for this. */
static const struct advance_run everywhere = { .behind = { .due_ms = 1 } };

static void
bind_claim(struct bind *b, const struct advance_run *where, unsigned most)
{
	bool one_environment = !id_is_nil(&where->environment);

	if (one_environment) {
		bind_id(b, &where->environment);
		bind_time(b, where->until_ms);
	}
	bind_time(b, where->behind.due_ms);
	bind_id(b, &where->behind.subscription);
	if (!one_environment)
		bind_i64(b, most);
}

/* most: of one environment always one. */
static enum advance
advance(struct db *db, const struct advance_run *where, unsigned most, struct advanced *one)
{
	struct work    w = { .run = where->begin ? where : NULL, .one = one };
	struct arena   arena;
	struct tx      tx;
	struct bind   *b;
	enum db_status status;

	*one = (struct advanced) { 0 };
	arena_init(&arena);
	tx_init(&tx, db, &arena);
	tx.then = decide;
	tx.with = &w;
	(void)tx_step(&tx, SQL_BILLING_ENTER);
	if (w.run)
		w.run->begin(&tx, w.run);
	w.claim = tx.steps;
	bind_claim(tx_step(&tx, id_is_nil(&where->environment) ? SQL_BILLING_CLAIM
	    : SQL_BILLING_CLAIM_OF), where, most);
	w.look = tx.steps;
	b = tx_step(&tx, SQL_BILLING_LOOK);
	for (int i = 0; i < 3; i++)
		bind_null(b);
	status = tx_run(&tx);
	snprintf(one->log, sizeof(one->log), "%s", status == DB_OK ? "" : tx.log);
	arena_fini(&arena);
	if (status != DB_OK)
		return ADVANCE_FAILED;
	return one->due_ms ? ADVANCE_DONE : ADVANCE_NOTHING;
}

enum advance
billing_advance(struct db *db, const struct id *environment, int64_t until_ms,
    struct advanced *one)
{
	struct advance_run where = everywhere;

	if (environment) {
		where.environment = *environment;
		where.until_ms = until_ms;
	}
	return advance(db, &where, 1, one);
}

enum advance
billing_advance_due(struct db *db, unsigned most, const struct advanced *behind,
    struct advanced *one)
{
	struct advance_run where = everywhere;

	if (behind)
		where.behind = *behind;
	return advance(db, &where, most, one);
}

enum advance
billing_advance_run(struct db *db, const struct advance_run *run, struct advanced *one)
{
	return advance(db, run, 1, one);
}
