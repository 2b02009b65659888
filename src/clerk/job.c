/* The table of jobs. */
#include "clerk/job.h"
#include "base/clock.h"
#include "billing/run.h"

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

/* ---- deadlines of subscriptions */

/*
 * The earliest that nobody else has in hand, together with those that were due soon after it. When
 * that fails, each of them by itself. One that fails is tried again when those behind it are done
 * (mark), so that it holds up no other subscription.
 */
static bool
carry_out(struct turn *t)
{
	struct advanced one, behind = { .due_ms = t->mark, .subscription = t->mark_id };
	unsigned        most = t->alone > 0 ? 1 : ADVANCE_MOST;
	enum advance    came = billing_advance_due(t->db, most, t->mark ? &behind : NULL, &one);

	t->alone -= t->alone > 0;
	if (came == ADVANCE_FAILED && one.count > 1 && db_is_connected(t->db)) {
		t->alone = one.count;
		t->behind_ms = clock_wall_ms() - one.due_ms;
		t->full = true;
		return true;
	}
	if (came == ADVANCE_FAILED) {
		if (one.due_ms && db_is_connected(t->db)) {
			t->mark = one.due_ms;
			t->mark_id = one.subscription;
		}
		snprintf(t->log, sizeof(t->log), "%s", one.log);
		return false;
	}
	t->full = came == ADVANCE_DONE;
	t->done = one.count;
	t->others = one.others;
	if (t->full)
		t->behind_ms = clock_wall_ms() - one.due_ms;
	else if (t->mark)
		t->behind_ms = clock_wall_ms() - t->mark;
	if (!t->full)
		t->mark = 0;
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
	return true;
}

const struct job jobs[STATS_JOB__COUNT] = {
	/* At most 5,000 records a second, in steps of 2 ms or less. */
	[STATS_JOB_EXPIRE] = { MINUTE_MS, 100, expire },
	[STATS_JOB_DEADLINES] = { SECOND_MS, 0, carry_out },
	/* Somebody waits for it. */
	[STATS_JOB_CLOCKS] = { SECOND_MS / 4, 0, run_clocks },
};
