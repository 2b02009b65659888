/* The table of jobs. */
#include "clerk/job.h"
#include "base/clock.h"
#include "base/log.h"
#include "billing/run.h"
#include "resource/customer/import_work.h"

#include <stdio.h>

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS };

/* ---- records of idempotency keys */

/* A number of an advisory lock, which workers of earlier programs take for the same work. */
#define EXPIRE_LOCK INT64_C(7205759403792794)

enum { EXPIRE_ROWS = 500 };

static bool
expire(struct turn *t)
{
	struct tx    tx;
	struct bind *b;
	struct row   row;

	tx_init(&tx, t->db, t->arena);
	bind_i64(tx_step(&tx, SQL_CLERK_ENTER_ALONE), EXPIRE_LOCK);
	b = tx_step(&tx, SQL_CLERK_EXPIRE);
	bind_i64(b, t->conf->idempotency_ttl_ms);
	bind_i64(b, EXPIRE_ROWS);
	bind_i64(b, t->mark);
	if (tx_run(&tx) != DB_OK) {
		snprintf(t->log, sizeof(t->log), "%s", tx.log);
		return false;
	}
	row = tx_row(&tx, 1, 0);
	t->done = row_i64(&row, COL_CLERK_EXPIRE_DONE);
	t->behind_ms = row_i64(&row, COL_CLERK_EXPIRE_BEHIND_MS);
	t->mark = row_i64(&row, COL_CLERK_EXPIRE_MARK);
	t->full = t->done == EXPIRE_ROWS;
	return true;
}

/* ---- what is printed on invoices of customers who were erased */

#define RETAIN_LOCK INT64_C(7205759403792795)

static bool
retain(struct turn *t)
{
	struct tx    tx;
	struct bind *b;
	struct row   row;

	tx_init(&tx, t->db, t->arena);
	bind_i64(tx_step(&tx, SQL_CLERK_ENTER_ALONE), RETAIN_LOCK);
	b = tx_step(&tx, SQL_CLERK_RETAIN);
	bind_i64(b, t->conf->retain_invoices_ms);
	bind_i64(b, EXPIRE_ROWS);
	if (tx_run(&tx) != DB_OK) {
		snprintf(t->log, sizeof(t->log), "%s", tx.log);
		return false;
	}
	row = tx_row(&tx, 1, 0);
	t->done = row_i64(&row, COL_CLERK_RETAIN_DONE);
	t->full = t->done == EXPIRE_ROWS;
	return true;
}

/* ---- the search index of customers (sql/migrate: customer_search_merge) */

#define MERGE_LOCK INT64_C(7205759403792796)

/* A list of so many pages was written by a thousand creates: at this rate it is full in seconds. */
enum { MERGE_PAGES = 128 };

static bool
merge(struct turn *t)
{
	struct tx  tx;
	struct row row;

	tx_init(&tx, t->db, t->arena);
	bind_i64(tx_step(&tx, SQL_CLERK_ENTER_ALONE), MERGE_LOCK);
	tx_step(&tx, SQL_CLERK_MERGE);
	if (tx_run(&tx) != DB_OK) {
		snprintf(t->log, sizeof(t->log), "%s", tx.log);
		return false;
	}
	row = tx_row(&tx, 1, 0);
	t->done = row_i64(&row, COL_CLERK_MERGE_DONE);
	t->full = t->done >= MERGE_PAGES;
	return true;
}

/* ---- deadlines of subscriptions */

/* The log has a line of each that fails, once, so that somebody looks at it. */
static void
tell_of(const struct advanced *one)
{
	char subscription[ID_PREFIXED_BYTES + 1] = "", environment[ID_UUID_BYTES + 1] = "";

	id_prefixed(STR("sub_"), &one->subscription, subscription);
	id_uuid(&one->environment, environment);
	log_error("a deadline (%s) of the subscription %s in the environment %s fails and is set "
	    "aside: %s", one->what[0] ? one->what : "?", subscription, environment, one->log);
}

/* False: not this one alone fails, as far as can be said. */
static bool
set_aside(struct turn *t, const struct advanced *one)
{
	int64_t tries;

	if (!one->due_ms || !db_is_connected(t->db) || !billing_set_aside(t->db, one, &tries))
		return false;
	if (tries == 1)
		tell_of(one);
	return true;
}

/* How many wait for another try. Those make the clerk late, too. */
static void
look_aside(struct turn *t)
{
	int64_t since_ms;

	t->looked = billing_count_aside(t->db, &t->aside, &since_ms);
	if (t->looked && since_ms)
		t->behind_ms = clock_wall_ms() - since_ms;
}

/*
 * The earliest that nobody else has in hand, together with those that were due soon after it. When
 * that fails, each of them by itself. One that fails then holds up no other subscription.
 */
static bool
carry_out(struct turn *t)
{
	struct advanced one;
	unsigned        most = t->alone > 0 ? 1 : ADVANCE_MOST;
	enum advance    came = billing_advance(t->db, most, &one);

	t->alone -= t->alone > 0;
	if (came == ADVANCE_FAILED && one.count > 1 && db_is_connected(t->db)) {
		t->alone = one.count;
		t->behind_ms = clock_wall_ms() - one.due_ms;
		t->full = true;
		return true;
	}
	if (came == ADVANCE_FAILED && !set_aside(t, &one)) {
		snprintf(t->log, sizeof(t->log), "%s", one.log);
		return false;
	}
	t->full = came != ADVANCE_NOTHING;
	t->done = came == ADVANCE_DONE ? one.count : 0;
	t->failed = came == ADVANCE_FAILED;
	t->others = one.others;
	if (t->done)
		t->behind_ms = clock_wall_ms() - one.due_ms;
	else
		look_aside(t);
	return true;
}

/* ---- test clocks that are set forward */

static bool
run_clocks(struct turn *t)
{
	struct advanced one;
	enum advance    came = billing_run(t->db, &one);

	if (came == ADVANCE_FAILED) {
		/* A deadline that failed is written down: the next step is about another one. */
		t->mark += one.due_ms != 0;
		snprintf(t->log, sizeof(t->log), "%s", one.log);
		return false;
	}
	t->full = came == ADVANCE_DONE;
	t->done = one.due_ms != 0;
	t->others = one.others;
	return true;
}

/* ---- files that were sent to be imported */

static bool
take_worked(struct turn *t, const struct import_worked *worked, bool good)
{
	t->done = worked->done;
	t->others = worked->others;
	t->full = worked->found;
	snprintf(t->log, sizeof(t->log), "%s", worked->log);
	/* What failed stands behind the others now: the next step is about another one. */
	t->mark += !good;
	return good;
}

static bool
run_imports(struct turn *t)
{
	struct import_worked worked;
	bool                 good = import_work(t->db, t->conf, &worked);

	return take_worked(t, &worked, good);
}

static bool
remove_imports(struct turn *t)
{
	struct import_worked worked;
	bool                 good = import_work_rest(t->db, &worked);

	return take_worked(t, &worked, good);
}

const struct job jobs[STATS_JOB__COUNT] = {
	/* At most 5,000 records a second, in steps of 2 ms or less. */
	[STATS_JOB_EXPIRE] = { MINUTE_MS, 100, expire },
	[STATS_JOB_DEADLINES] = { SECOND_MS, 0, carry_out },
	/* Somebody waits for it. */
	[STATS_JOB_CLOCKS] = { SECOND_MS / 4, 0, run_clocks },
	[STATS_JOB_RETAIN] = { MINUTE_MS, 100, retain },
	/* Somebody waits for it. */
	[STATS_JOB_IMPORTS] = { SECOND_MS / 2, 0, run_imports },
	[STATS_JOB_IMPORT_RESTS] = { 2 * SECOND_MS, 20, remove_imports },
	[STATS_JOB_MERGE] = { SECOND_MS, SECOND_MS / 4, merge },
};
