/* Carrying out deadlines. */
#include "billing/advance.h"
#include "billing/ledger.h"

#include <stdio.h>

/* One transaction. */
struct work {
	const struct advance_run *run;   /* NULL: of no test clock */
	size_t                    claim, look; /* steps; the one before claim is the run's */
	struct advanced          *one;
};

/* Which one it is: also told when what follows fails. */
static void
note(const struct tx *tx, const struct work *w)
{
	struct row row;

	if (!tx_answered(tx, w->claim) || tx_rows(tx, w->claim) == 0)
		return;
	row = tx_row(tx, w->claim, 0);
	w->one->environment = row_id(&row, COL_BILLING_CLAIM_ENVIRONMENT);
	w->one->subscription = row_id(&row, COL_BILLING_CLAIM_ID);
	w->one->due_ms = row_time(&row, COL_BILLING_CLAIM_DUE);
	w->one->count = (unsigned)row_i64(&row, COL_BILLING_CLAIM_DEADLINES);
	w->one->others = row_i64(&row, COL_BILLING_CLAIM_OTHERS);
}

/*
 * The n-th of those that were claimed. Returns the id of its invoice, which is nil if it has none;
 * NULL: it cannot be carried out.
 */
static const struct id *
carry_out(struct tx *tx, struct work *w, size_t n)
{
	struct life *l = ARENA_NEW(tx->arena, struct life, 1);
	struct deed *d = ARENA_NEW(tx->arena, struct deed, 1);
	struct row   row = tx_row(tx, w->look, n);

	ledger_read(&row, tx->arena, &w->one->environment, l);
	if (n == 0)
		snprintf(w->one->what, sizeof(w->one->what), "%.*s", STR_ARGS(l->due_what));
	if (life_advance(l, d) != REFUSE_NOTHING) {
		snprintf(w->one->log, sizeof(w->one->log), "%.*s is never due when it is %.*s",
		    STR_ARGS(l->due_what), STR_ARGS(l->status));
		return NULL;
	}
	ledger_save(tx_step(tx, SQL_BILLING_SAVE), l, d);
	return &d->bill.id;
}

/* The same for the last of all; NULL: one of them cannot be, so nothing is written. */
static const struct id *
carry_out_all(struct tx *tx, struct work *w)
{
	const struct id *invoice = NULL;
	size_t           steps = tx->steps;

	if (tx_rows(tx, w->look) != w->one->count) {
		snprintf(w->one->log, sizeof(w->one->log), "its plan or customer is gone");
		return NULL;
	}
	for (size_t i = 0; i < w->one->count; i++)
		if (!(invoice = carry_out(tx, w, i))) {
			tx->steps = steps;
			return NULL;
		}
	return invoice;
}

static void
forget_failure(struct tx *tx, const struct advanced *one)
{
	struct bind *b = tx_step(tx, SQL_BILLING_RECOVERED);

	bind_id(b, &one->environment);
	bind_id(b, &one->subscription);
}

/* tx->then: decides, and adds what is to be written; of what cannot be carried out, nothing. */
static bool
decide(struct tx *tx, void *with)
{
	struct work     *w = with;
	const struct id *invoice = NULL;
	struct row       row;

	*w->one = (struct advanced) { .barred = w->run && tx_rows(tx, w->claim - 1) == 0 };
	if (w->one->barred)
		return true;
	note(tx, w);
	if (w->one->due_ms) {
		if (!(invoice = carry_out_all(tx, w)))
			return true;
		row = tx_row(tx, w->claim, 0);
		if (row_bool(&row, COL_BILLING_CLAIM_FAILED))
			forget_failure(tx, w->one);
	}
	if (w->run)
		w->run->end(tx, w->run, w->one, !invoice || id_is_nil(invoice) ? NULL : invoice);
	return true;
}

/* Runs it with the claim that was added last. */
static enum advance
finish(struct tx *tx, struct work *w)
{
	struct advanced *one = w->one;
	struct bind     *b;
	enum db_status   status;

	*one = (struct advanced) { 0 };
	tx->then = decide;
	tx->with = w;
	w->claim = tx->steps - 1;
	w->look = tx->steps;
	b = tx_step(tx, SQL_BILLING_LOOK);
	for (int i = 0; i < 3; i++)
		bind_null(b);
	status = tx_run(tx);
	if (status != DB_OK) {
		note(tx, w);
		snprintf(one->log, sizeof(one->log), "%s", tx->log);
	}
	if (one->log[0])
		return ADVANCE_FAILED;
	return one->due_ms ? ADVANCE_DONE : ADVANCE_NOTHING;
}

enum advance
billing_advance(struct db *db, unsigned most, struct advanced *one)
{
	struct work  w = { .one = one };
	struct arena arena;
	struct tx    tx;
	enum advance came;

	arena_init(&arena);
	tx_init(&tx, db, &arena);
	(void)tx_step(&tx, SQL_BILLING_ENTER);
	bind_i64(tx_step(&tx, SQL_BILLING_CLAIM), most);
	came = finish(&tx, &w);
	arena_fini(&arena);
	return came;
}

/* Of one environment, in strict order. The members 'begin' and 'end' may be NULL: no run. */
static enum advance
advance_in(struct db *db, const struct advance_run *where, struct advanced *one)
{
	struct work  w = { .run = where->begin ? where : NULL, .one = one };
	struct arena arena;
	struct tx    tx;
	struct bind *b;
	enum advance came;

	arena_init(&arena);
	tx_init(&tx, db, &arena);
	(void)tx_step(&tx, SQL_BILLING_ENTER);
	if (w.run)
		w.run->begin(&tx, w.run);
	b = tx_step(&tx, SQL_BILLING_CLAIM_OF);
	bind_id(b, &where->environment);
	bind_time(b, where->until_ms);
	bind_time(b, where->behind.due_ms);
	bind_id(b, &where->behind.subscription);
	came = finish(&tx, &w);
	arena_fini(&arena);
	return came;
}

enum advance
billing_advance_until(struct db *db, const struct id *environment, int64_t until_ms,
    struct advanced *one)
{
	return advance_in(db, &(struct advance_run) { .environment = *environment,
	    .until_ms = until_ms, .behind = { .due_ms = 1 } }, one);
}

enum advance
billing_advance_run(struct db *db, const struct advance_run *run, struct advanced *one)
{
	return advance_in(db, run, one);
}

/* ---- of one subscription ---- */

static enum advance
advance_one(struct db *db, const struct id *environment, const struct id *subscription,
    struct advanced *one)
{
	struct work  w = { .one = one };
	struct arena arena;
	struct tx    tx;
	struct bind *b;
	enum advance came;

	arena_init(&arena);
	tx_init(&tx, db, &arena);
	bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), environment);
	b = tx_step(&tx, SQL_BILLING_CLAIM_ONE);
	bind_id(b, environment);
	bind_id(b, subscription);
	came = finish(&tx, &w);
	arena_fini(&arena);
	return came;
}

enum advance
billing_catch_up(struct db *db, const struct id *environment, const struct id *subscription,
    unsigned *most, struct advanced *one)
{
	enum advance came = ADVANCE_DONE;

	while (*most > 0 && came == ADVANCE_DONE) {
		came = advance_one(db, environment, subscription, one);
		*most -= came == ADVANCE_DONE;
	}
	return came;
}

/* ---- those that failed ---- */

bool
billing_set_aside(struct db *db, const struct advanced *one, int64_t *tries)
{
	struct arena arena;
	struct tx    tx;
	struct bind *b;
	struct row   row;
	bool         ok;

	arena_init(&arena);
	tx_init(&tx, db, &arena);
	bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &one->environment);
	b = tx_step(&tx, SQL_BILLING_FAILED);
	bind_id(b, &one->environment);
	bind_id(b, &one->subscription);
	bind_time(b, one->due_ms);
	if ((ok = tx_run(&tx) == DB_OK)) {
		row = tx_row(&tx, 1, 0);
		*tries = row_i64(&row, COL_BILLING_FAILED_TRIES);
	}
	arena_fini(&arena);
	return ok;
}

bool
billing_count_aside(struct db *db, int64_t *count, int64_t *since_ms)
{
	struct arena arena;
	struct tx    tx;
	struct row   row;
	bool         ok;

	arena_init(&arena);
	tx_init(&tx, db, &arena);
	tx.reads = true;
	(void)tx_step(&tx, SQL_BILLING_ENTER);
	(void)tx_step(&tx, SQL_BILLING_SET_ASIDE);
	if ((ok = tx_run(&tx) == DB_OK)) {
		row = tx_row(&tx, 1, 0);
		*count = row_i64(&row, COL_BILLING_SET_ASIDE_DEADLINES);
		*since_ms = row_is_null(&row, COL_BILLING_SET_ASIDE_SINCE) ? 0
		    : row_time(&row, COL_BILLING_SET_ASIDE_SINCE);
	}
	arena_fini(&arena);
	return ok;
}
