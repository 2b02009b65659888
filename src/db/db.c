/* The connection to PostgreSQL, and transactions of one round trip on it. */
#include "db/db.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "db/conn.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

_Static_assert(SQL__COUNT <= 64, "a statement without a bit in struct db_meter");

enum {
	CONNECT_TIMEOUT_S = 3,
	BACKOFF_FIRST_MS = 100,
	BACKOFF_MAX_MS = 2000,
	CANCEL_WAIT_MS = 1000,  /* for PostgreSQL to take a cancellation, */
	CANCEL_GRACE_MS = 1000, /* and then to end the statement */
	UNDONE_RUNS_MAX = 3,    /* of a transaction that PostgreSQL undid by itself */
	POOLER_SIGNS = 2,       /* one may be an accident */
};

struct db *
db_new(const struct db_options *options)
{
	struct db *db = must_alloc(sizeof(*db));

	db->options = *options;
	return db;
}

void
db_free(struct db *db)
{
	if (!db)
		return;
	db_close(db);
	free(db);
}

void
db_close(struct db *db)
{
	PQfinish(db->conn); /* takes NULL */
	db->conn = NULL;
	memset(db->prepared, 0, sizeof(db->prepared));
}

/*
 * libpq's message on a failed connect holds host and role, no data; one line of
 * it. About a string that it cannot read it may quote a piece, such as a password.
 */
static void
log_connect(const char *url, const char *message)
{
	bool              is_name = !strchr(url, '=') && !strstr(url, "://"); /* of a database, which is no such string */
	PQconninfoOption *parts = is_name ? NULL : PQconninfoParse(url, NULL);

	if (is_name || parts)
		log_warn("cannot connect to the database: %.*s", (int)strcspn(message, "\n"), message);
	else
		log_warn("cannot connect to the database: the connection string is not one that libpq can read");
	PQconninfoFree(parts);
}

/* What PostgreSQL notices may hold a customer's values; libpq would print it. */
static void
ignore_notice(void *arg UNUSED, const char *message UNUSED)
{
}

PGconn *
db_open(const struct db *db)
{
	char        seconds[16];
	const char *keywords[] = { "connect_timeout", "application_name", "client_encoding", "dbname", NULL };
	const char *values[] = { seconds, db->options.application_name, "UTF8", db->options.url, NULL };
	PGconn     *conn;

	snprintf(seconds, sizeof(seconds), "%d", CONNECT_TIMEOUT_S);
	/* dbname comes last and is expanded, so that the operator's string wins. */
	conn = PQconnectdbParams(keywords, values, 1);
	if (PQstatus(conn) == CONNECTION_OK) {
		PQsetNoticeProcessor(conn, ignore_notice, NULL);
		return conn;
	}
	log_connect(db->options.url, PQerrorMessage(conn));
	PQfinish(conn);
	return NULL;
}

static void *
run_cancel(void *how)
{
	static char done;
	char        text[256];
	bool        told = PQcancel(how, text, sizeof(text)) == 1;

	PQfreeCancel(how);
	return told ? &done : NULL;
}

/*
 * Tells PostgreSQL to stop what runs. libpq connects and waits for that without a
 * bound, so it does it in a thread, which is left behind when it takes too long.
 * True: PostgreSQL has sent its signal, so none can hit a later statement.
 */
static bool
cancel(PGconn *conn)
{
	PGcancel       *how = PQgetCancel(conn);
	struct timespec end;
	pthread_t       thread;
	void           *told = NULL;

	if (!how)
		return false;
	if (pthread_create(&thread, NULL, run_cancel, how) != 0) {
		PQfreeCancel(how);
		return false;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += CANCEL_WAIT_MS / 1000;
	if (pthread_clockjoin_np(thread, &told, CLOCK_MONOTONIC, &end) != 0) {
		pthread_detach(thread);
		return false;
	}
	return told != NULL;
}

/*
 * Waits until libpq can go on; false when the deadline has passed or the socket is
 * broken. When the watched peer leaves meanwhile, what runs is cancelled and its
 * end is waited for, so that the connection can be used again.
 */
static bool
wait_for(struct db *db)
{
	PGconn *conn = db->conn;

	for (;;) {
		int           unsent = PQflush(conn);
		struct pollfd fd[] = {
			{ PQsocket(conn), POLLIN, 0 },
			peer_poll(db->meter.left ? NULL : db->peer),
		};
		int64_t left = db->deadline_ms - clock_mono_ms();

		if (unsent == -1 || left <= 0)
			return false;
		if (unsent)
			fd[0].events |= POLLOUT;
		if (poll(fd, COUNTOF(fd), (int)(left < INT32_MAX ? left : INT32_MAX)) == -1 && errno != EINTR)
			return false;
		if (fd[0].revents & ~POLLOUT)
			return PQconsumeInput(conn) == 1;
		if (fd[1].revents) {
			db->meter.left = true;
			if (!cancel(conn))
				return false;
			db->deadline_ms = clock_mono_ms() + CANCEL_GRACE_MS;
		}
	}
}

/* The next result, NULL between two statements; *lost is set when there will be none. */
static PGresult *
next_result(struct db *db, bool *lost)
{
	while (PQisBusy(db->conn)) {
		if (!wait_for(db)) {
			*lost = true;
			return NULL;
		}
	}
	return PQgetResult(db->conn);
}

/* The settings, for the connection or with each transaction. */
static bool
send_settings(const struct db *db, PGconn *conn)
{
	char        statement_ms[24], lock_ms[24];
	const char *values[] = { statement_ms, lock_ms, db->options.unprepared ? "true" : "false" };

	snprintf(statement_ms, sizeof(statement_ms), "%jd", (intmax_t)db->options.statement_timeout_ms);
	snprintf(lock_ms, sizeof(lock_ms), "%jd", (intmax_t)db->options.lock_timeout_ms);
	return PQsendQueryParams(conn, sql_catalogue[SQL_SESSION_BEGIN].text, COUNTOF(values), NULL, values, NULL, NULL,
	    0) == 1;
}

/* With a deadline: a server that falls silent between its login and this must not hold the worker. */
static bool
begin_session(struct db *db)
{
	bool lost = false, ok = PQsetnonblocking(db->conn, 1) == 0;

	db->deadline_ms = clock_mono_ms() + CONNECT_TIMEOUT_S * 1000;
	if (!db->options.unprepared) {
		ok = ok && send_settings(db, db->conn);
		for (PGresult *res; ok && (res = next_result(db, &lost)); PQclear(res))
			ok = PQresultStatus(res) == PGRES_TUPLES_OK;
	}
	return ok && !lost && PQenterPipelineMode(db->conn) == 1;
}

/* A connection that is idle and in pipeline mode, or NULL. */
static PGconn *
ready(struct db *db)
{
	int64_t now;

	if (db->conn && PQstatus(db->conn) == CONNECTION_OK
	    && PQtransactionStatus(db->conn) == PQTRANS_IDLE)
		return db->conn;
	db_close(db);
	now = clock_mono_ms();
	if (now < db->next_try_ms)
		return NULL;
	db->conn = db_open(db);
	if (db->conn && !begin_session(db)) {
		log_warn("the database does not take the session's settings");
		db_close(db);
	}
	if (!db->conn) {
		unsigned char jitter;

		hash_random(&jitter, sizeof(jitter));
		db->backoff_ms = db->backoff_ms ? db->backoff_ms * 2 : BACKOFF_FIRST_MS;
		if (db->backoff_ms > BACKOFF_MAX_MS)
			db->backoff_ms = BACKOFF_MAX_MS;
		/* Half of it to all of it. */
		db->next_try_ms = clock_mono_ms() + db->backoff_ms / 2 + db->backoff_ms * jitter / 512;
		return NULL;
	}
	if (db->backoff_ms)
		log_info("connected to the database again");
	db->backoff_ms = 0;
	db->meter.left |= peer_has_left(db->peer); /* that took a while */
	return db->conn;
}

/* Whether another message, with an answer of its own, goes before a step: its preparation, or the settings. */
static bool
has_preface(const struct db *db, const struct tx *tx, size_t step)
{
	return db->options.unprepared ? step == 0 : !db->prepared[tx->step[step].id];
}

static bool
send_step(const struct db *db, PGconn *conn, const struct tx_step *step, bool preface)
{
	const struct sql_stmt *stmt = &sql_catalogue[step->id];
	const struct bind     *b = &step->bind;

	assert(b->n == stmt->nparams);
	if (db->options.unprepared)
		return (!preface || send_settings(db, conn))
		    && PQsendQueryParams(conn, stmt->text, b->n, NULL, b->value, b->length, b->format, 1) == 1;
	return (!preface || PQsendPrepare(conn, stmt->name, stmt->text, 0, NULL) == 1)
	    && PQsendQueryPrepared(conn, stmt->name, b->n, b->value, b->length, b->format, 1) == 1;
}

static bool
send_steps(const struct db *db, PGconn *conn, const struct tx *tx)
{
	for (size_t i = 0; i < tx->steps; i++)
		if (!send_step(db, conn, &tx->step[i], has_preface(db, tx, i)))
			return false;
	return PQpipelineSync(conn) == 1;
}

static const struct {
	const char        *name;
	enum db_constraint constraint;
} constraints[] = {
	{ "customer_external_id", DB_CONSTRAINT_EXTERNAL_ID },
	{ "idempotency_key_pkey", DB_CONSTRAINT_IDEMPOTENCY_KEY },
	{ "customer_pkey", DB_CONSTRAINT_NEW_ID },
	{ "api_key_pkey", DB_CONSTRAINT_NEW_ID },
	{ "organization_name_key", DB_CONSTRAINT_ORGANIZATION },
};

/* What a SQLSTATE means for the caller; the first row whose text is its beginning. */
static const struct {
	const char    *sqlstate;
	enum db_status status;
	bool           undone; /* by PostgreSQL for its own reasons: run it again */
	bool           close;  /* this connection is of no more use */
	bool           pooler; /* a sign of one that prepared statements cannot be used with */
} meanings[] = {
	{ "23505", DB_UNIQUE, false, false, false },
	{ "55P03", DB_LOCKED, false, false, false },  /* lock_not_available */
	{ "57014", DB_TIMEOUT, false, false, false }, /* query_canceled */
	{ "40001", DB_TIMEOUT, true, false, false },  /* serialization_failure */
	{ "40P01", DB_TIMEOUT, true, false, false },  /* deadlock_detected */
	{ "0A000", DB_FAILED, true, true, false },    /* cached plan must not change result type */
	{ "26000", DB_GONE, true, true, true },       /* prepared statement is gone */
	{ "42P05", DB_GONE, true, true, true },       /* prepared statement is there already: somebody else's */
	/* PostgreSQL's loss of a connection, and all that PgBouncer itself has to say; also after the commit. */
	{ "08", DB_UNKNOWN, false, true, false },
	{ "25006", DB_GONE, true, true, false },      /* read-only after a failover: find the primary */
	{ "57P", DB_GONE, true, true, false },        /* shut down, or not yet started */
	{ "53300", DB_GONE, false, true, false },     /* too many connections */
	{ "53", DB_GONE, false, false, false },       /* the disk is full, or the memory */
	{ "", DB_FAILED, false, false, false },
};

struct failure {
	enum db_status status;
	bool           undone, close;
	bool           told; /* by whoever is at the other end, not by libpq */
};

static void
suspect_pooler(struct db *db)
{
	if (++db->pooler_signs == POOLER_SIGNS)
		log_error("prepared statements come and go: database_url leads through a pooler that gives each transaction "
		    "another connection; set prepared_statements = off");
}

static struct failure
judge(struct tx *tx, size_t step, const PGresult *res)
{
	const char    *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char    *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
	size_t         i = 0;

	/* No server speaks like that: libpq made this result, because the connection broke or it had no memory for the real one. */
	if (!sqlstate)
		return (struct failure) { DB_UNKNOWN, tx->again, true, false };
	while (strncmp(sqlstate, meanings[i].sqlstate, strlen(meanings[i].sqlstate)) != 0)
		i++;
	tx->failed = step;
	tx->constraint = DB_CONSTRAINT_OTHER;
	for (size_t c = 0; constraint && c < COUNTOF(constraints); c++)
		if (strcmp(constraint, constraints[c].name) == 0)
			tx->constraint = constraints[c].constraint;
	if (meanings[i].status == DB_UNKNOWN)
		snprintf(tx->log, sizeof(tx->log), "connection lost with SQLSTATE %s (%.100s), first statement %s", sqlstate,
		    PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY), sql_catalogue[tx->step[0].id].name);
	else
		snprintf(tx->log, sizeof(tx->log), "statement %s failed with SQLSTATE %s%s%s",
		    sql_catalogue[tx->step[step].id].name, sqlstate, constraint ? " on " : "",
		    constraint ? constraint : "");
	if (meanings[i].pooler)
		suspect_pooler(tx->db);
	return (struct failure) { meanings[i].status, meanings[i].undone, meanings[i].close, true };
}

static void
clear(void *result)
{
	PQclear(result);
}

/* Reads all answers up to the Sync's. False: the connection or the deadline was lost on the way. */
static bool
read_answers(struct db *db, struct tx *tx, struct failure *failure)
{
	bool lost = false;

	for (size_t i = 0; i < tx->steps; i++) {
		struct tx_step *step = &tx->step[i];
		int             answers = has_preface(db, tx, i) ? 2 : 1;

		while (answers-- > 0) {
			PGresult *res = next_result(db, &lost);
			bool      is_preface = answers == 1;

			if (lost || !res)
				return false;
			switch (PQresultStatus(res)) {
			case PGRES_COMMAND_OK:
			case PGRES_TUPLES_OK:
				if (is_preface) {
					db->prepared[step->id] = !db->options.unprepared;
				} else {
					arena_adopt(tx->arena, clear, res);
					step->result = res;
					res = NULL;
				}
				break;
			case PGRES_PIPELINE_ABORTED:
				break;
			case PGRES_FATAL_ERROR:
				if (failure->status == DB_OK)
					*failure = judge(tx, i, res);
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
			res = next_result(db, &lost); /* the NULL behind each answer */
			if (res)
				PQclear(res);
			if (lost || res || PQstatus(db->conn) == CONNECTION_BAD)
				return false;
		}
	}
	PGresult *sync = next_result(db, &lost);
	bool      ok = sync && PQresultStatus(sync) == PGRES_PIPELINE_SYNC;

	PQclear(sync);
	return ok;
}

static struct failure
run_once(struct db *db, struct tx *tx)
{
	struct failure failure = { DB_OK, false, false, false };
	PGconn        *conn = ready(db);

	db->deadline_ms = clock_mono_ms() + db->options.request_timeout_ms;
	for (size_t i = 0; i < tx->steps; i++)
		tx->step[i].result = NULL; /* of an earlier run */
	tx->log[0] = '\0';
	if (db->meter.left) {
		snprintf(tx->log, sizeof(tx->log), "not sent: who asked has left");
		return (struct failure) { DB_GONE, false, false, false };
	}
	db->meter.trips++;
	if (!conn) {
		snprintf(tx->log, sizeof(tx->log), "no connection to the database");
		return (struct failure) { DB_GONE, false, false, false };
	}
	if (send_steps(db, conn, tx) && read_answers(db, tx, &failure)) {
		if (failure.close)
			db_close(db);
		if (failure.status == DB_UNKNOWN && failure.told) /* known after all: the Sync's answer came after an error */
			failure.status = DB_FAILED;
		else if (failure.status == DB_UNKNOWN)
			snprintf(tx->log, sizeof(tx->log), "an answer was lost in libpq, first statement %s",
			    sql_catalogue[tx->step[0].id].name);
		return failure;
	}
	if (db->meter.left) {
		snprintf(tx->log, sizeof(tx->log), "cancelled without an answer: who asked has left");
		failure = (struct failure) { DB_UNKNOWN, false, true, false };
	} else if (PQstatus(conn) == CONNECTION_OK && clock_mono_ms() >= db->deadline_ms) {
		/*
		 * The answers are left where they are; that PostgreSQL has stopped is
		 * all that is asked of it. A statement that ended at the same moment
		 * may have been committed.
		 */
		cancel(conn);
		snprintf(tx->log, sizeof(tx->log), "no answer within request_timeout, first statement %s",
		    sql_catalogue[tx->step[0].id].name);
		failure = (struct failure) { DB_UNKNOWN, false, true, false };
	} else if (failure.status == DB_OK || failure.status == DB_UNKNOWN) {
		if (!tx->log[0])
			snprintf(tx->log, sizeof(tx->log), "connection lost, first statement %s",
			    sql_catalogue[tx->step[0].id].name);
		failure = (struct failure) { DB_UNKNOWN, tx->again, true, false };
	}
	/* else: PostgreSQL said why it closed the connection, and that it undid the transaction */
	db_close(db);
	return failure;
}

static enum db_status
run(struct tx *tx)
{
	struct db *db = tx->db;
	int64_t    last_run_ms = clock_mono_ms() + db->options.request_timeout_ms;
	bool       unknown = false; /* of an earlier run, which no failure of a later one settles */

	for (int runs = 1;; runs++) {
		struct failure failure = run_once(db, tx);

		if (failure.status == DB_OK || failure.status == DB_UNIQUE)
			return failure.status;
		unknown |= failure.status == DB_UNKNOWN;
		if (!failure.undone || runs == UNDONE_RUNS_MAX || clock_mono_ms() >= last_run_ms)
			return unknown ? DB_UNKNOWN : failure.status;
		log_info("transaction runs again: %s", tx->log);
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
		meter->statements |= UINT64_C(1) << tx->step[i].id;
	return status;
}

void
db_watch(struct db *db, const struct peer *peer)
{
	db->peer = peer;
}

struct db_meter
db_meter_take(struct db *db)
{
	struct db_meter taken = db->meter;

	taken.connected = db->conn != NULL;
	db->meter = (struct db_meter) { 0 };
	return taken;
}

void
tx_init(struct tx *tx, struct db *db, struct arena *a)
{
	tx->db = db;
	tx->arena = a;
	tx->again = false;
	tx->steps = 0;
	tx->failed = 0;
	tx->constraint = DB_CONSTRAINT_OTHER;
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

size_t
tx_rows(const struct tx *tx, size_t step)
{
	return (size_t)PQntuples(tx->step[step].result);
}

size_t
tx_affected(const struct tx *tx, size_t step)
{
	int64_t n = 0;

	return str_to_i64(str_of(PQcmdTuples(tx->step[step].result)), 0, INT64_MAX, &n) ? (size_t)n : 0;
}

struct row
tx_row(const struct tx *tx, size_t step, size_t n)
{
	assert(n < tx_rows(tx, step));
	return (struct row) { tx->step[step].result, (int)n };
}

bool
row_is_null(const struct row *r, int column)
{
	assert(column < PQnfields(r->result));
	return PQgetisnull(r->result, r->n, column) == 1;
}

struct str
row_text(const struct row *r, int column)
{
	int len = PQgetlength(r->result, r->n, column);

	if (len == 0 && row_is_null(r, column))
		return STR_NONE;
	return (struct str) { PQgetvalue(r->result, r->n, column), (size_t)len };
}

static const char *
fixed(const struct row *r, int column, size_t bytes)
{
	struct str cell = row_text(r, column);

	if (!cell.ptr || cell.len != bytes) {
		log_error("column %d (%s) has %zu bytes and not %zu", column, PQfname(r->result, column),
		    cell.len, bytes);
		abort();
	}
	return cell.ptr;
}

static int64_t
big_endian(const char *p, int bytes)
{
	uint64_t n = 0;

	for (int i = 0; i < bytes; i++)
		n = n << 8 | (unsigned char)p[i];
	return (int64_t)n;
}

struct id
row_id(const struct row *r, int column)
{
	struct id id;

	memcpy(id.b, fixed(r, column, ID_BYTES), ID_BYTES);
	return id;
}

int64_t
row_i64(const struct row *r, int column)
{
	return big_endian(fixed(r, column, 8), 8);
}

bool
row_bool(const struct row *r, int column)
{
	return *fixed(r, column, 1) != 0;
}

int64_t
row_time(const struct row *r, int column)
{
	int64_t us = row_i64(r, column);

	/* Microseconds since 2000-01-01; the columns hold whole milliseconds. */
	return (us >= 0 ? us / 1000 : -((999 - us) / 1000)) + INT64_C(946684800000);
}

size_t
row_ids(const struct row *r, int column, struct arena *a, const struct id **out)
{
	struct str cell = row_text(r, column);
	struct id *ids;
	size_t     count;

	*out = NULL;
	if (cell.len < 20) /* NULL, or an array without dimensions */
		return 0;
	count = (size_t)big_endian(cell.ptr + 12, 4);
	if (cell.len != 20 + count * (4 + ID_BYTES))
		abort(); /* NULLs or another type: a defect of the statement */
	ids = ARENA_NEW(a, struct id, count);
	for (size_t i = 0; i < count; i++)
		memcpy(ids[i].b, cell.ptr + 20 + i * (4 + ID_BYTES) + 4, ID_BYTES);
	*out = ids;
	return count;
}
