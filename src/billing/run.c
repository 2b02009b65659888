/* Runs of test clocks. */
#include "billing/run.h"

#include <stdio.h>

static void
bind_run(struct bind *b, const struct advance_run *run)
{
	bind_id(b, &run->environment);
	bind_id(b, &run->id);
}

static void
bind_count(struct bind *b, const struct advance_run *run, const struct advanced *one,
    const struct id *invoice, bool done)
{
	bool any = one->due_ms != 0;

	bind_run(b, run);
	bind_id(b, any ? &one->subscription : NULL);
	bind_text(b, str_of(one->what));
	bind_time(b, one->due_ms);
	bind_id(b, invoice);
	bind_bool(b, done);
}

static void
begin(struct tx *tx, const struct advance_run *run)
{
	struct bind *b = tx_step(tx, SQL_TEST_CLOCK_TURN);

	bind_run(b, run);
	bind_time(b, run->behind.due_ms);
	bind_id(b, &run->behind.subscription);
}

static void
end(struct tx *tx, const struct advance_run *run, const struct advanced *one,
    const struct id *invoice)
{
	bind_count(tx_step(tx, SQL_TEST_CLOCK_COUNT), run, one, invoice, true);
}

/* False: the database did not answer. No run: its id is nil. */
static bool
find(struct db *db, struct advance_run *run, struct advanced *one)
{
	struct arena   arena;
	struct tx      tx;
	struct row     row;
	enum db_status status;

	*run = (struct advance_run) { .begin = begin, .end = end };
	arena_init(&arena);
	tx_init(&tx, db, &arena);
	tx.reads = true;
	(void)tx_step(&tx, SQL_BILLING_ENTER);
	(void)tx_step(&tx, SQL_TEST_CLOCK_FIND);
	status = tx_run(&tx);
	if (status != DB_OK)
		snprintf(one->log, sizeof(one->log), "%s", tx.log);
	else if (tx_rows(&tx, 1) > 0) {
		row = tx_row(&tx, 1, 0);
		run->environment = row_id(&row, COL_TEST_CLOCK_FIND_ENVIRONMENT);
		run->id = row_id(&row, COL_TEST_CLOCK_FIND_ID);
		run->until_ms = row_time(&row, COL_TEST_CLOCK_FIND_UNTIL);
		run->behind.due_ms = row_time(&row, COL_TEST_CLOCK_FIND_PASSED_AT);
		run->behind.subscription = row_id(&row, COL_TEST_CLOCK_FIND_PASSED_ID);
	}
	arena_fini(&arena);
	return status == DB_OK;
}

/* Writes down that it failed; or, when it is not known what did, that others come first. */
static void
pass_over(struct db *db, const struct advance_run *run, struct advanced *one)
{
	struct arena arena;
	struct tx    tx;

	arena_init(&arena);
	tx_init(&tx, db, &arena);
	bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &run->environment);
	if (one->due_ms)
		bind_count(tx_step(&tx, SQL_TEST_CLOCK_COUNT), run, one, NULL, false);
	else
		bind_run(tx_step(&tx, SQL_TEST_CLOCK_LATER), run);
	if (tx_run(&tx) != DB_OK) /* then it fails again, and is written down later */
		snprintf(one->log, sizeof(one->log), "%s", tx.log);
	arena_fini(&arena);
}

enum advance
billing_run(struct db *db, struct advanced *one)
{
	struct advance_run run;
	enum advance       came;

	*one = (struct advanced) { 0 };
	if (!find(db, &run, one))
		return ADVANCE_FAILED;
	if (id_is_nil(&run.id))
		return ADVANCE_NOTHING;
	came = billing_advance_run(db, &run, one);
	if (came == ADVANCE_FAILED && db_is_connected(db))
		pass_over(db, &run, one);
	/* The end of a run is something, too: there may be another one. */
	return came == ADVANCE_NOTHING && !one->barred ? ADVANCE_DONE : came;
}
