/* Transactions: steps sent as one pipeline, and what became of them. */
#include "db/tx.h"
#include "base/clock.h"
#include "base/log.h"
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
	tx->then = NULL;
	tx->with = NULL;
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
	bind_init(&step->bind, tx->arena);
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
 * Whether another message goes before a step and is answered too: the one that prepares its
 * statement, or the session settings. from: the first step that is sent with this one.
 */
static bool
has_preface(const struct db *db, const struct tx *tx, size_t from, size_t step)
{
	if (!db->conf->prepared_statements)
		return step == 0;
	for (size_t i = from; i < step; i++)
		if (tx->step[i].id == tx->step[step].id)
			return false; /* that one has it */
	return !db->prepared[tx->step[step].id];
}

static bool
send_step(const struct db *db, const struct tx_step *step, bool preface)
{
	const struct sql_stmt *stmt = &sql_catalogue[step->id];
	const struct bind     *b = &step->bind;
	PGconn                *conn = db->conn;

	assert(b->n == stmt->nparams);
	if (!db->conf->prepared_statements)
		return (!preface || conn_send_settings(db, conn))
		    && PQsendQueryParams(conn, stmt->text, b->n, NULL,
			   b->value, b->length, b->format, 1) == 1;
	return (!preface || PQsendPrepare(conn, stmt->name, stmt->text, 0, NULL) == 1)
	    && PQsendQueryPrepared(conn, stmt->name, b->n, b->value, b->length, b->format, 1) == 1;
}

static bool
send_steps(const struct db *db, const struct tx *tx, size_t from)
{
	for (size_t i = from; i < tx->steps; i++)
		if (!send_step(db, &tx->step[i], has_preface(db, tx, from, i)))
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
};

static void
clear(void *result)
{
	PQclear(result);
}

/* Takes one answer; false if it is of a kind that no step has. */
static bool
take_answer(struct db *db, struct tx *tx, size_t i, PGresult *res, bool is_preface, struct run *run)
{
	switch (PQresultStatus(res)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		if (is_preface) {
			db->prepared[tx->step[i].id] = db->conf->prepared_statements;
			break;
		}
		arena_adopt(tx->arena, clear, res);
		tx->step[i].result = res;
		return true;
	case PGRES_PIPELINE_ABORTED:
		break;
	case PGRES_FATAL_ERROR:
		if (!run->failed)
			run->verdict = verdict_of(tx, i, res);
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

/* Reads the answers from a step on. False: the connection broke or the deadline passed. */
static bool
read_answers(struct db *db, struct tx *tx, size_t from, struct run *run)
{
	bool lost = false;

	for (size_t i = from; i < tx->steps; i++) {
		for (int answers = has_preface(db, tx, from, i) ? 2 : 1; answers > 0; answers--) {
			PGresult *res = wait_result(db, &lost);

			if (lost || !res || !take_answer(db, tx, i, res, answers == 2, run))
				return false;
			res = wait_result(db, &lost); /* each answer ends with a NULL */
			PQclear(res);
			if (lost || res || PQstatus(db->conn) == CONNECTION_BAD)
				return false;
		}
	}
	return true;
}

static bool
read_sync(struct db *db)
{
	bool      lost = false;
	PGresult *sync = wait_result(db, &lost);
	bool      ok = sync && PQresultStatus(sync) == PGRES_PIPELINE_SYNC;

	PQclear(sync);
	return ok;
}

/* Sends the steps from one on, with the Sync or without it, and reads their answers. */
static bool
exchange(struct db *db, struct tx *tx, size_t from, bool sync, struct run *run)
{
	db->meter.trips++;
	if (!send_steps(db, tx, from))
		return false;
	run->synced = sync; /* before the call: it may send and fail */
	if (sync ? PQpipelineSync(db->conn) != 1 : PQsendFlushRequest(db->conn) != 1)
		return false;
	if (!read_answers(db, tx, from, run))
		return false;
	run->ended = sync && read_sync(db);
	return !sync || run->ended;
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
	bool       ok = exchange(db, tx, 0, !tx->then, &run);

	if (ok && tx->then) {
		if (run.failed ? run.verdict.unseen : !tx->then(tx, tx->with)) {
			conn_close(db);
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

/* Why the connection or the deadline was lost, and whether another run may help. */
static struct verdict
explain_loss(struct db *db, struct tx *tx)
{
	struct verdict verdict = {
		.status = DB_GONE,
		.retry = tx->reads || tx->again || tx->last_undone,
		.close = true,
	};

	if (!db->conn)
		return verdict; /* attempt() closed it, so nothing was committed */
	if (db->meter.left) {
		tx_note(tx, "cancelled without an answer: the client has left");
		verdict.retry = false;
	} else if (PQstatus(db->conn) == CONNECTION_OK && clock_mono_ms() >= db->deadline_ms) {
		/*
		 * The answers are not read any more; PostgreSQL only has to stop. A
		 * transaction that ended at this very moment may have been committed.
		 */
		wait_cancel(db->conn);
		tx_note(tx, "no answer within request_timeout, first statement %s",
		    tx_statement(tx, 0));
		verdict.status = DB_TIMEOUT;
		verdict.retry = false;
	} else if (!tx->log[0])
		tx_note(tx, "connection lost, first statement %s", tx_statement(tx, 0));
	return verdict;
}

static struct verdict
not_sent(struct tx *tx, const char *why)
{
	tx_note(tx, "%s", why);
	return (struct verdict) { .status = DB_GONE };
}

/* One run: sets last_undone, and outcome if the transaction was done. */
static struct verdict
run_once(struct db *db, struct tx *tx)
{
	PGconn        *conn = conn_ready(db);
	struct verdict verdict = { .status = DB_OK };
	struct run     run;

	db->deadline_ms = clock_mono_ms() + conn_timeout_ms(db);
	for (size_t i = 0; i < TX_STEPS_MAX; i++)
		tx->step[i].result = NULL; /* that of an earlier run */
	tx->constraint[0] = tx->sqlstate[0] = tx->log[0] = '\0';
	tx->failed = TX_STEPS_MAX;
	tx->cut = false;
	tx->last_undone = true;
	if (db->meter.left)
		return not_sent(tx, "not sent: the client has left");
	if (!conn) {
		db->meter.trips++;
		return not_sent(tx, db_why(db));
	}
	run = attempt(db, tx);
	tx->cut = db->meter.cut;
	if (run.ok) {
		tx->last_undone = !run.ended;
		tx->outcome = run.ended ? TX_DONE : tx->outcome;
		return verdict;
	}
	tx->last_undone = is_undone(&run);
	if (run.failed && tx->last_undone && !run.verdict.unseen) {
		verdict = run.verdict;
		/* The error is about another connection: this one has answered the Sync. */
		if (verdict.doubt)
			verdict.status = DB_FAILED;
		verdict.close |= !run.ended; /* PostgreSQL ended the connection with the error */
	} else {
		if (run.failed && !tx->log[0])
			tx_note(tx, "libpq lost an answer, first statement %s",
			    tx_statement(tx, 0));
		verdict = explain_loss(db, tx);
	}
	if (verdict.close)
		conn_close(db);
	return verdict;
}

static enum db_status
run(struct tx *tx)
{
	struct db *db = tx->db;
	int64_t    last_run_ms = clock_mono_ms() + conn_timeout_ms(db);
	size_t     first = tx->steps;

	tx->outcome = TX_UNDONE;
	for (int runs = 1;; runs++) {
		struct verdict verdict = run_once(db, tx);

		if (verdict.status == DB_OK)
			return DB_OK;
		if (!tx->last_undone && !tx->reads)
			tx->outcome = TX_UNKNOWN;
		if (verdict.status == DB_UNIQUE || !verdict.retry || runs == RUNS_MAX
		    || clock_mono_ms() >= last_run_ms)
			return verdict.status;
		log_info("running a transaction again: %s", tx->log);
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
	return (size_t)PQntuples(tx->step[step].result);
}

size_t
tx_affected(const struct tx *tx, size_t step)
{
	struct str count = str_of(PQcmdTuples(tx->step[step].result));
	int64_t    n = 0;

	return str_to_i64(count, 0, INT64_MAX, &n) ? (size_t)n : 0;
}

struct row
tx_row(const struct tx *tx, size_t step, size_t n)
{
	assert(n < tx_rows(tx, step));
	return (struct row) { tx->step[step].result, (int)n, NULL };
}
