/* Transactions: steps sent as one pipeline, and what became of them. */
#include "db/tx.h"
#include "base/clock.h"
#include "base/log.h"
#include "db/bundle.h"
#include "db/lanes.h"
#include "db/verdict.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

enum { RUNS_MAX = 3 };

void
tx_init(struct tx *tx, struct db *db, struct arena *a)
{
	tx->db = db;
	tx->arena = a;
	tx->reads = false;
	tx->again = false;
	tx->outcome = TX_UNDONE;
	tx->cut = false;
	tx->last_undone = true;
	tx->each = NULL;
	tx->handed = false;
	tx->then = NULL;
	tx->with = NULL;
	tx->group = false;
	tx->bundle = NULL;
	tx->steps = 0;
	tx->failed = TX_STEPS_MAX;
	tx->constraint[0] = '\0';
	tx->log[0] = '\0';
}

struct bind *
tx_step(struct tx *tx, enum sql_id id)
{
	struct tx_step *step;

	assert(tx->steps < TX_STEPS_MAX);
	step = &tx->step[tx->steps++];
	step->id = id;
	step->result = NULL;
	bind_init(&step->bind, tx->arena, sql_catalogue[id].nparams);
	return &step->bind;
}

void
tx_note(struct tx *tx, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(tx->log, sizeof(tx->log), fmt, ap);
	va_end(ap);
}

const char *
tx_statement(const struct tx *tx, size_t step)
{
	return sql_catalogue[tx->step[step].id].name;
}

/* ---- sending ---- */

/*
 * A statement with its parameters. Another message may go before it and is answered too
 * (*preface): the one that prepares it or, with the first of a transaction, the session settings.
 */
static bool
send_statement(const struct db *db, enum sql_id id, const struct bind *b, bool first, bool *preface)
{
	const struct sql_stmt *stmt = &sql_catalogue[id];
	struct lane           *l = db->lane;

	assert(b->n == stmt->nparams);
	/* Behind statements whose Sync was not sent, it would be one transaction with them. */
	if (db->lanes && lanes_is_broken(db))
		return false;
	if (!db->conf->prepared_statements) {
		*preface = first;
		return (!first || lane_send_settings(l, l->conn))
		    && PQsendQueryParams(l->conn, stmt->text, b->n, NULL, b->value, b->length,
			   b->format, 1) == 1;
	}
	*preface = !l->prepared[id];
	if (*preface && PQsendPrepare(l->conn, stmt->name, stmt->text, 0, NULL) != 1)
		return false;
	l->prepared[id] = true; /* for those behind it; if it fails, they fail with it */
	return PQsendQueryPrepared(l->conn, stmt->name, b->n, b->value, b->length, b->format, 1)
	    == 1;
}

static bool
send_steps(const struct db *db, struct tx *tx, size_t from, bool first)
{
	for (size_t i = from; i < tx->steps; i++)
		if (!send_statement(db, tx->step[i].id, &tx->step[i].bind, first && i == 0,
			&tx->step[i].prepares))
			return false;
	return true;
}

/* ---- one run ---- */

/* How a run went. One that is neither 'ok' nor 'ended' has lost its connection. */
struct run {
	struct verdict verdict; /* of the first error */
	bool           ok;      /* all steps were answered, none with an error */
	bool           failed;  /* a step was answered with an error */
	bool           synced;  /* the Sync was sent, so the steps before it may be committed */
	bool           ended;   /* the Sync was answered */
	bool           dropped; /* closed here before the Sync: nothing was done */
	bool           parted;  /* its group was undone; it may run by itself */
};

static void
clear(void *result)
{
	PQclear(result);
}

/* Takes one answer to a step; false if it is of a kind that no step has. */
static bool
take_answer(struct db *db, struct tx *tx, size_t i, PGresult *res, bool is_preface, struct run *run)
{
	ExecStatusType status = PQresultStatus(res);

	if (is_preface && db->conf->prepared_statements)
		db->lane->prepared[bundle_statement(tx, i)] = status == PGRES_COMMAND_OK;
	switch (status) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		if (is_preface)
			break;
		if (tx->bundle)
			tx->bundle->result[i] = res;
		else
			arena_adopt(tx->arena, clear, res);
		tx->step[i].result = res;
		return true;
	case PGRES_PIPELINE_ABORTED:
		break;
	case PGRES_FATAL_ERROR:
		if (!run->failed)
			run->verdict = verdict_of(tx, i, res);
		if (!run->failed && tx->bundle)
			run->verdict = bundle_verdict(tx, run->verdict);
		run->failed = true;
		break;
	case PGRES_EMPTY_QUERY:
	case PGRES_COPY_OUT:
	case PGRES_COPY_IN:
	case PGRES_BAD_RESPONSE:
	case PGRES_NONFATAL_ERROR:
	case PGRES_COPY_BOTH:
	case PGRES_SINGLE_TUPLE:
	case PGRES_PIPELINE_SYNC:
		PQclear(res);
		return false;
	}
	PQclear(res);
	return true;
}

/* The next answer, with the NULL behind it; NULL: the connection broke or the deadline passed. */
static PGresult *
next_answer(struct db *db)
{
	bool      lost = false;
	PGresult *res = wait_result(db, &lost), *behind;

	if (lost || !res)
		return NULL;
	behind = wait_result(db, &lost);
	if (!lost && !behind && PQstatus(db->lane->conn) != CONNECTION_BAD)
		return res;
	PQclear(behind);
	PQclear(res);
	return NULL;
}

/*
 * Hands on the rows of the last step, which the server is sending; what ends them is its answer.
 * The time that is spent on a row is not the server's. False: no more are wanted.
 */
static bool
hand_rows(struct db *db, struct tx *tx, PGresult **answer)
{
	bool lost = false;

	if (PQsetSingleRowMode(db->lane->conn) != 1)
		return false;
	while ((*answer = wait_result(db, &lost))
	    && PQresultStatus(*answer) == PGRES_SINGLE_TUPLE) {
		struct row row = { *answer, 0, NULL };
		bool       more = tx->each(&row, tx->with);

		PQclear(*answer);
		*answer = NULL;
		tx->handed = true;
		if (!more)
			return false;
		db->deadline_ms = clock_mono_ms() + lane_timeout_ms(db->role, db->conf);
	}
	return *answer && !wait_result(db, &lost) && !lost;
}

/* Reads the answers from a step on. False: the connection broke or the deadline passed. */
static bool
read_answers(struct db *db, struct tx *tx, size_t from, struct run *run)
{
	for (size_t i = from; i < tx->steps; i++) {
		for (int answers = tx->step[i].prepares ? 2 : 1; answers > 0; answers--) {
			bool      rows = tx->each && i + 1 == tx->steps && answers == 1;
			PGresult *res = NULL;

			if (rows && !hand_rows(db, tx, &res)) {
				PQclear(res);
				return false;
			}
			if (!rows)
				res = next_answer(db);
			if (!res || !take_answer(db, tx, i, res, answers == 2, run))
				return false;
		}
	}
	return true;
}

/* What is committed here, but on no standby, is as if the Sync had not been answered. */
static bool
read_sync(struct db *db)
{
	bool      lost = false;
	PGresult *sync = wait_result(db, &lost);
	bool      ok = sync && PQresultStatus(sync) == PGRES_PIPELINE_SYNC;

	PQclear(sync);
	return ok && !db->lane->unreplicated;
}

/* Sends the steps from one on, with the Sync or without it, and reads their answers. */
static bool
exchange(struct db *db, struct tx *tx, size_t from, bool sync, struct run *run)
{
	db->meter.trips++;
	if (!send_steps(db, tx, from, true))
		return false;
	run->synced = sync; /* before the call: it may send and fail */
	if (sync ? PQpipelineSync(db->lane->conn) != 1 : PQsendFlushRequest(db->lane->conn) != 1)
		return false;
	if (!read_answers(db, tx, from, run))
		return false;
	run->ended = sync && read_sync(db);
	return !sync || run->ended;
}

/* ---- in a group ---- */

/* The answers to the locks; an error in them is the group's, and of no member's own. */
static bool
read_locks(struct db *db, bool prepares, bool *failed)
{
	for (int answers = prepares ? 2 : 1; answers > 0; answers--) {
		PGresult      *res = next_answer(db);
		ExecStatusType status = PQresultStatus(res); /* of NULL: PGRES_FATAL_ERROR */

		*failed |= status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK;
		PQclear(res);
		if (!res)
			return false;
	}
	return true;
}

/*
 * The last member's steps are followed by the Sync, or by a request for all answers so far; unless
 * not all of another's were sent.
 */
static bool
end_sending(struct db *db, bool sync)
{
	if (lanes_is_broken(db))
		return false;
	if (!db->wait.last)
		return true;
	return sync ? PQpipelineSync(db->lane->conn) == 1 : PQsendFlushRequest(db->lane->conn) == 1;
}

/* If not all of it was sent, nobody sends more: a Sync would have half of this member done. */
static bool
sent_whole(struct db *db, bool sent)
{
	if (!sent)
		lanes_break(db);
	return sent;
}

/* What follows from what was read; good: all members have read theirs without an error. */
static bool
exchange_more(struct db *db, struct tx *tx, bool good, struct run *run)
{
	size_t first = tx->steps;

	if (lanes_is_broken(db))
		return false;
	run->synced = true;
	if (good && tx->then) {
		bind_id(tx_step(tx, SQL_GROUP_ENTER), tx->group_environment);
		if (!tx->then(tx, tx->with)) {
			lanes_group_spoil(db);
			return false;
		}
		db->meter.trips++;
	}
	return sent_whole(db, send_steps(db, tx, first, false) && end_sending(db, true))
	    && read_answers(db, tx, first, run);
}

/* Its own statements; or, in a bundle, those of all members from the first one, and nothing. */
static bool
send_in_group(struct db *db, struct tx *tx)
{
	if (!db->wait.bundled)
		return send_steps(db, tx, 0, false);
	if (db->wait.place)
		return true;
	bundle_begin(tx);
	for (size_t i = 0; i < tx->steps; i++) {
		struct bind b;

		bundle_bind(&b, &db->wait, i);
		if (!send_statement(db, bundle_statement(tx, i), &b, false, &tx->step[i].prepares))
			return false;
	}
	return true;
}

static bool
read_in_group(struct db *db, struct tx *tx, struct run *run)
{
	if (!db->wait.bundled || db->wait.place == 0)
		return read_answers(db, tx, 0, run);
	if (!lanes_turn(db))
		return false;
	bundle_join(tx, db->wait.leader, db->wait.place);
	run->failed = tx->bundle->failed;
	run->verdict = tx->bundle->verdict;
	return true;
}

/*
 * As exchange(), for a member of a group: the first one sends the locks, the last one the Sync, and
 * what the Sync is answered with counts for all of them.
 */
static bool
exchange_in_group(struct db *db, struct tx *tx, struct run *run)
{
	const struct bind *locks = lanes_locks(db);
	bool more = lanes_group_has_more(db), prepares = false, unlocked = false, ok;

	db->meter.trips++;
	run->synced = !more; /* or by another member */
	ok = sent_whole(db, (!locks || send_statement(db, SQL_GROUP_LOCK, locks, false, &prepares))
		&& send_in_group(db, tx) && end_sending(db, !more))
	    && (!locks || read_locks(db, prepares, &unlocked)) && read_in_group(db, tx, run);
	if (more) {
		bool met = lanes_group_meet(db, ok && !run->failed && !unlocked, !ok);

		ok = exchange_more(db, tx, met, run) && ok;
	}
	ok = ok && (!db->wait.last || read_sync(db));
	switch (lanes_group_end(db, ok && !run->failed && !unlocked, !ok)) {
	case GROUP_DONE:
		run->ended = true;
		return true;
	case GROUP_UNDONE:
		run->ended = run->parted = true;
		return false;
	case GROUP_OPEN:
	case GROUP_LOST:
		break;
	}
	return false;
}

/* ---- one run, whole ---- */

/* The connection is of no more use; in lanes, for nobody of the batch. */
static void
end_connection(struct db *db)
{
	if (db->lanes)
		lanes_break(db);
	else
		lane_close(db->lane);
}

/*
 * Sends all steps and reads all answers. The Sync is held back until tx->then, if there is
 * one, has added its steps. After an error it goes out without them and ends a transaction
 * that is undone already. Closing the connection undoes what was not synced.
 */
static struct run
attempt(struct db *db, struct tx *tx)
{
	struct run run = { .ok = false };
	size_t     first = tx->steps;
	bool       ok;

	if (db->lanes && db->wait.grouped) {
		run.ok = exchange_in_group(db, tx, &run);
		return run;
	}
	ok = exchange(db, tx, 0, !tx->then, &run);
	if (ok && tx->then) {
		if (run.failed ? run.verdict.unseen : !tx->then(tx, tx->with)) {
			end_connection(db);
			run.dropped = true;
			run.ok = !run.failed;
			return run;
		}
		ok = exchange(db, tx, first, true, &run);
	}
	run.ok = ok && !run.failed;
	return run;
}

/* Whether a run that went wrong certainly did nothing. */
static bool
is_undone(const struct run *run)
{
	/* Once the Sync is answered, there is no doubt that the error was this transaction's. */
	return !run->synced
	    || (run->failed && !run->verdict.unseen && (run->ended || !run->verdict.doubt));
}

/* Whether the deadline has passed while the connection worked: then PostgreSQL has to stop. */
static bool
is_late(struct db *db)
{
	if (PQstatus(db->lane->conn) != CONNECTION_OK || clock_mono_ms() < db->deadline_ms)
		return false;
	/* The answers are not read any more. */
	if (db->lanes)
		lanes_cancel(db);
	else
		wait_cancel(db->lane->conn);
	return true;
}

/* Why the connection or the deadline was lost, and whether another run may help. */
static struct verdict
explain_loss(struct db *db, struct tx *tx, const struct run *run)
{
	struct verdict verdict = {
		.status = DB_GONE,
		.retry = tx->reads || tx->again || tx->last_undone,
		.close = true,
	};

	if (run->dropped)
		return verdict;
	if (db->meter.left) {
		tx_note(tx, "cancelled without an answer: the client has left");
		verdict.retry = false;
	} else if (is_late(db)) {
		/* A transaction that ended at this very moment may have been committed. */
		tx_note(tx, "no answer within request_timeout, first statement %s",
		    tx_statement(tx, 0));
		verdict.status = DB_TIMEOUT;
		verdict.retry = false;
	} else if (db->lane->unreplicated)
		tx_note(tx, "its commit stopped waiting for the standby, first statement %s",
		    tx_statement(tx, 0));
	else if (!tx->log[0])
		tx_note(tx, "connection lost, first statement %s", tx_statement(tx, 0));
	return verdict;
}

static struct verdict
not_sent(struct tx *tx, enum db_status status, const char *why)
{
	tx_note(tx, "%s", why);
	return (struct verdict) { .status = status };
}

/* What a run that had a connection means. */
static struct verdict
conclude(struct db *db, struct tx *tx, const struct run *run)
{
	struct verdict verdict = { .status = DB_OK };

	if (run->ok) {
		tx->last_undone = !run->ended;
		tx->outcome = run->ended ? TX_DONE : tx->outcome;
		return verdict;
	}
	if (run->parted) {
		tx_note(tx, "another transaction of its group failed");
		return (struct verdict) { .status = DB_GONE, .retry = true };
	}
	tx->last_undone = is_undone(run);
	if (run->failed && tx->last_undone && !run->verdict.unseen) {
		verdict = run->verdict;
		/* The error is about another connection: this one has answered the Sync. */
		if (verdict.doubt)
			verdict.status = DB_FAILED;
		verdict.close |= !run->ended; /* PostgreSQL ended the connection with the error */
		return verdict;
	}
	if (run->failed && !tx->log[0])
		tx_note(tx, "libpq lost an answer, first statement %s", tx_statement(tx, 0));
	return explain_loss(db, tx, run);
}

/* A connection for the transaction; else what follows from there being none. */
static bool
begin_run(struct db *db, struct tx *tx, struct verdict *none)
{
	bool ready;

	if (db->meter.left) {
		*none = not_sent(tx, DB_GONE, "not sent: the client has left");
		return false;
	}
	ready = db->lanes ? lanes_take(db, tx) : lane_ready(db->lane);
	db->meter.left |= !db->lanes && peer_has_left(db->peer); /* connecting took a while */
	if (ready && !db->meter.left)
		return true;
	db->meter.trips += !ready;
	if (ready && db->lanes)
		lanes_leave(db);
	tx->cut = db->meter.cut;
	if (db->meter.left)
		*none = not_sent(tx, DB_GONE, "not sent: the client has left");
	else if (tx->cut)
		*none = not_sent(tx, DB_TIMEOUT, "not sent: others want its place");
	else if (clock_mono_ms() >= db->deadline_ms)
		*none = not_sent(tx, DB_TIMEOUT,
		    "not sent: no connection was free within request_timeout");
	else
		*none = not_sent(tx, DB_GONE, db_why(db));
	return false;
}

/* One run: sets last_undone, and outcome if the transaction was done. */
static struct verdict
run_once(struct db *db, struct tx *tx)
{
	struct verdict verdict;
	struct run     run;

	db->deadline_ms = clock_mono_ms() + lane_timeout_ms(db->role, db->conf);
	for (size_t i = 0; i < tx->steps; i++)
		tx->step[i].result = NULL; /* that of an earlier run */
	tx->constraint[0] = tx->sqlstate[0] = tx->log[0] = '\0';
	tx->failed = TX_STEPS_MAX;
	tx->bundle = NULL;
	tx->cut = false;
	tx->last_undone = true;
	if (!begin_run(db, tx, &verdict))
		return verdict;
	run = attempt(db, tx);
	tx->cut = db->meter.cut;
	verdict = conclude(db, tx, &run);
	if (verdict.close)
		end_connection(db);
	if (db->lanes)
		lanes_leave(db);
	tx->group &= !run.parted && !(run.failed && tx->bundle);
	return verdict;
}

static enum db_status
run(struct tx *tx)
{
	struct db *db = tx->db;
	int64_t    last_run_ms = clock_mono_ms() + lane_timeout_ms(db->role, db->conf);
	size_t     first = tx->steps;

	tx->outcome = TX_UNDONE;
	for (int runs = 1;; runs++) {
		bool           grouped = tx->group;
		struct verdict verdict = run_once(db, tx);

		if (verdict.status == DB_OK)
			return DB_OK;
		if (!tx->last_undone && !tx->reads)
			tx->outcome = TX_UNKNOWN;
		if (verdict.status == DB_UNIQUE || !verdict.retry || tx->handed || runs == RUNS_MAX
		    || clock_mono_ms() >= last_run_ms)
			return verdict.status;
		if (grouped == tx->group)
			log_info("running a transaction again: %s", tx->log);
		else
			runs--; /* it was the group's */
		tx->steps = first; /* without those that tx->then added */
	}
}

enum db_status
tx_run(struct tx *tx)
{
	struct db_meter *meter = &tx->db->meter;
	int64_t          begun_us = clock_mono_us();
	enum db_status   status = run(tx);

	meter->us += clock_mono_us() - begun_us;
	for (size_t i = 0; i < tx->steps; i++)
		meter->statements.word[tx->step[i].id / 64] |= UINT64_C(1) << tx->step[i].id % 64;
	return status;
}

/* ---- results ---- */

bool
tx_answered(const struct tx *tx, size_t step)
{
	return step < tx->steps && tx->step[step].result != NULL;
}

bool
tx_failed_at(const struct tx *tx, enum sql_mark mark)
{
	return tx->failed < tx->steps && sql_catalogue[tx->step[tx->failed].id].marks & mark;
}

size_t
tx_rows(const struct tx *tx, size_t step)
{
	if (tx->bundle)
		return (size_t)PQntuples(tx->step[step].result) > tx->place;
	return (size_t)PQntuples(tx->step[step].result);
}

size_t
tx_affected(const struct tx *tx, size_t step)
{
	struct str count = str_of(PQcmdTuples(tx->step[step].result));
	int64_t    n = 0;

	if (tx->bundle) {
		struct row row = tx_row(tx, step, 0);

		return row_bool(&row, 0);
	}
	return str_to_i64(count, 0, INT64_MAX, &n) ? (size_t)n : 0;
}

struct row
tx_row(const struct tx *tx, size_t step, size_t n)
{
	assert(n < tx_rows(tx, step));
	return (struct row) { tx->step[step].result, (int)(tx->bundle ? tx->place : n), NULL };
}
