/* The connection: connects, reconnects, and makes the session ready for transactions. */
#include "db/conn.h"
#include "base/arena.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "db/url.h"

#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	CONNECT_TIMEOUT_S = 3,
	WATCH_TIMEOUT_MS = 2000,
	PAUSE_MAX_MS = 2000, /* before another try to connect */
	QUICK_MS = 500,      /* a server that refuses answers sooner */
	LOG_AGAIN_MS = 60 * 1000,
	/* A request's wait for the connection of another worker, and between its tries. */
	ROOM_WAIT_MS = 5000,
	ROOM_LOOK_MS = 20,
	GIVE_WAY_MS = 200,
	SQLSTATE_BYTES = 5,
};

static const struct {
	const char *application_name;
	int64_t     timeout_ms; /* of statements, locks and transactions; 0: the configured ones */
} roles[DB_ROLE__COUNT] = {
	[DB_SERVE] = { "clientele", 0 },
	[DB_CLERK] = { "clientele clerk", 0 },
	[DB_WATCH] = { "clientele admin", WATCH_TIMEOUT_MS },
	[DB_OWNER] = { "clientele-cli", 0 },
};

const char *const db_condition_names[DB_CONDITION__COUNT] = {
#define CONDITION(name, wire) [DB_CONDITION_##name] = wire,
	DB_CONDITIONS(CONDITION)
#undef CONDITION
};

int
db_exit_code(enum db_condition condition)
{
	static const int codes[DB_CONDITION__COUNT] = {
		[DB_CONDITION_NO_ROOM] = EXIT_DATABASE,
		[DB_CONDITION_REFUSED] = EXIT_DATABASE,
		[DB_CONDITION_UNREACHABLE] = EXIT_DATABASE,
		[DB_CONDITION_UNFIT] = EXIT_CONFIG,
	};

	return codes[condition];
}

struct db *
db_new(const struct conf *conf, enum db_role role)
{
	struct db *db = must_alloc(sizeof(*db));

	db->conf = conf;
	db->role = role;
	return db;
}

void
db_free(struct db *db)
{
	if (!db)
		return;
	conn_close(db);
	free(db);
}

void
db_watch(struct db *db, const struct peer *peer)
{
	db->peer = peer;
}

void
db_limit(struct db *db, bool (*ask)(void *with), void *with, int64_t every_ms)
{
	db->ask = ask;
	db->ask_with = with;
	db->ask_every_ms = every_ms;
}

struct db_meter
db_meter_take(struct db *db)
{
	struct db_meter taken = db->meter;

	db->meter = (struct db_meter) { 0 };
	return taken;
}

static int64_t
timeout_ms(const struct db *db, int64_t configured_ms)
{
	return roles[db->role].timeout_ms ? roles[db->role].timeout_ms : configured_ms;
}

int64_t
conn_timeout_ms(const struct db *db)
{
	return timeout_ms(db, db->conf->request_timeout_ms);
}

static const char *
url_of(const struct db *db)
{
	const struct conf *c = db->conf;

	return db->role == DB_OWNER ? c->database_owner_url : c->database_url;
}

static void
note_change(struct db *db)
{
	db->epoch++;
	if (db->hooks)
		db->hooks->changed(db->hooks->with, db->conn != NULL);
}

void
conn_close(struct db *db)
{
	if (!db->conn)
		return;
	PQfinish(db->conn);
	db->conn = NULL;
	memset(db->prepared, 0, sizeof(db->prepared));
	note_change(db);
}

void
db_disconnect(struct db *db)
{
	conn_close(db);
}

/* ---- why there is no connection */

bool
db_is_connected(const struct db *db)
{
	return db->conn != NULL;
}

enum db_condition
db_trouble(const struct db *db)
{
	return db->trouble;
}

const char *
db_why(const struct db *db)
{
	return db->why;
}

static const char *
key_of(const struct db *db)
{
	return db->role == DB_OWNER ? "database_owner_url" : "database_url";
}

static void PRINTF(3, 4)
set_why(struct db *db, enum db_condition trouble, const char *fmt, ...)
{
	va_list ap;

	db->trouble = trouble;
	va_start(ap, fmt);
	vsnprintf(db->why, sizeof(db->why), fmt, ap);
	va_end(ap);
}

/* A message in the form PQERRORS_SQLSTATE ends in the code of a server, if one answered. */
static bool
read_sqlstate(const char *message, char out[SQLSTATE_BYTES + 1])
{
	size_t len = strlen(message);

	while (len && message[len - 1] == '\n')
		len--;
	if (len < SQLSTATE_BYTES + 2 || message[len - SQLSTATE_BYTES - 1] != ' '
	    || message[len - SQLSTATE_BYTES - 2] != ' ')
		return false;
	snprintf(out, SQLSTATE_BYTES + 1, "%s", message + len - SQLSTATE_BYTES);
	for (const char *p = out; *p; p++)
		if (!str_is_alnum(*p))
			return false;
	return true;
}

/* In words that say what to look at. */
static void
explain_refusal(struct db *db, const PGconn *conn, const char *sqlstate)
{
	const enum db_condition refused = DB_CONDITION_REFUSED;

	if (strncmp(sqlstate, "28", 2) == 0)
		set_why(db, refused, "the database refuses the login of \"%s\" (SQLSTATE %s): look "
		    "at user and password in %s, and at pg_hba.conf", PQuser(conn), sqlstate,
		    key_of(db));
	else if (strcmp(sqlstate, "3D000") == 0)
		set_why(db, refused, "there is no database \"%s\": look at %s", PQdb(conn),
		    key_of(db));
	else if (strcmp(sqlstate, "42501") == 0)
		set_why(db, refused, "\"%s\" may not connect to the database \"%s\": "
		    "sql/setup.sql grants it", PQuser(conn), PQdb(conn));
	else if (strcmp(sqlstate, "53300") == 0)
		set_why(db, DB_CONDITION_NO_ROOM, "the database has no room for another "
		    "connection");
	else if (strcmp(sqlstate, "57P03") == 0)
		set_why(db, DB_CONDITION_UNREACHABLE, "the database is starting up or shutting "
		    "down");
	else
		set_why(db, refused, "the database refuses the connection with SQLSTATE %s",
		    sqlstate);
}

/*
 * libpq keeps the SQLSTATE of a failed connect to itself, and its text is in the server's language.
 * So when a new failure came at once, it connects again and is made to show the code alone. True:
 * that succeeded.
 */
static bool
learn_sqlstate(PGconn *conn, char out[SQLSTATE_BYTES + 1])
{
	PQsetErrorVerbosity(conn, PQERRORS_SQLSTATE);
	PQreset(conn);
	PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
	out[0] = '\0';
	if (PQstatus(conn) == CONNECTION_OK)
		return true;
	if (!read_sqlstate(PQerrorMessage(conn), out))
		out[0] = '\0';
	return false;
}

/*
 * One line of libpq's message, which names host and role; or, when the string is not fit to be
 * quoted from, what is wrong with it. False: it is not.
 */
static bool
read_failure(const struct db *db, const PGconn *conn, char out[CONN_WHY_BYTES])
{
	struct buf  fault;
	bool        fit;
	const char *message = PQerrorMessage(conn);

	buf_init(&fault, CONN_WHY_BYTES);
	fit = db_url_check(key_of(db), url_of(db), &fault);
	snprintf(out, CONN_WHY_BYTES, "%.*s", fit ? (int)strcspn(message, "\n") : (int)fault.len,
	    fit ? message : fault.ptr);
	buf_fini(&fault);
	return fit;
}

/* False: now there is a connection after all. A failure that was seen before keeps its sentence. */
static bool
explain(struct db *db, PGconn *conn, bool quick)
{
	char failure[CONN_WHY_BYTES], sqlstate[SQLSTATE_BYTES + 1] = "";
	bool fit = read_failure(db, conn, failure);

	if (strcmp(failure, db->failure) == 0)
		return true;
	memcpy(db->failure, failure, sizeof(failure));
	if (!fit)
		set_why(db, DB_CONDITION_UNREACHABLE, "%s", failure);
	else if (PQconnectionNeedsPassword(conn))
		set_why(db, DB_CONDITION_REFUSED, "the database wants a password for \"%s\", and "
		    "%s has none", PQuser(conn), key_of(db));
	else if (quick && learn_sqlstate(conn, sqlstate))
		return false;
	else if (sqlstate[0])
		explain_refusal(db, conn, sqlstate);
	else
		set_why(db, DB_CONDITION_UNREACHABLE, "the database cannot be reached: %s",
		    failure);
	return true;
}

/* A failure that lasts is a line when it begins, and then now and then. */
static void
log_failure(struct db *db)
{
	int64_t now = clock_mono_ms();

	if (db->role == DB_OWNER
	    || (strcmp(db->why, db->logged) == 0 && now < db->logged_ms + LOG_AGAIN_MS))
		return;
	if (strstr(db->why, db->failure))
		log_warn("cannot connect to the database: %s", db->why);
	else
		log_warn("cannot connect to the database: %s (%s)", db->why, db->failure);
	memcpy(db->logged, db->why, sizeof(db->logged));
	db->logged_ms = now;
}

/* PostgreSQL's notices may hold data; libpq would print it. */
static void
ignore_notice(void *arg UNUSED, const char *message UNUSED)
{
}

PGconn *
conn_open(struct db *db)
{
	char        seconds[16];
	const char *keywords[] = {
		"connect_timeout", "application_name", "client_encoding", "dbname", NULL,
	};
	const char *values[] = {
		seconds, roles[db->role].application_name, "UTF8", url_of(db), NULL,
	};
	int64_t begun_ms = clock_mono_ms();
	PGconn *conn;

	snprintf(seconds, sizeof(seconds), "%d", CONNECT_TIMEOUT_S);
	/* dbname comes last and is expanded, so that the operator's connection string wins. */
	conn = PQconnectdbParams(keywords, values, 1);
	if (PQstatus(conn) == CONNECTION_OK
	    || !explain(db, conn, clock_mono_ms() - begun_ms < QUICK_MS)) {
		PQsetNoticeProcessor(conn, ignore_notice, NULL);
		db->why[0] = db->failure[0] = '\0';
		db->trouble = DB_CONDITION_FIT;
		return conn;
	}
	PQfinish(conn);
	return NULL;
}

bool
conn_send_settings(const struct db *db, PGconn *conn)
{
	const struct conf *conf = db->conf;
	char               statement_ms[24], lock_ms[24];
	const char        *for_transaction = conf->prepared_statements ? "false" : "true";
	const char        *values[] = { statement_ms, lock_ms, for_transaction };

	snprintf(statement_ms, sizeof(statement_ms), "%jd",
	    (intmax_t)timeout_ms(db, conf->statement_timeout_ms));
	snprintf(lock_ms, sizeof(lock_ms), "%jd",
	    (intmax_t)timeout_ms(db, conf->lock_timeout_ms));
	return PQsendQueryParams(conn, sql_catalogue[SQL_SESSION_BEGIN].text, COUNTOF(values), NULL,
	    values, NULL, NULL, 0) == 1;
}

/* Class 57P: the server says that it ends the connection, and is about to do it. */
static bool
says_end(const PGresult *res)
{
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	return sqlstate && strncmp(sqlstate, "57P", 3) == 0;
}

/*
 * With a deadline: a server that falls silent after the login must not hold the worker. ended: the
 * server has ended the connection, and said nothing against the settings.
 */
static bool
begin_session(struct db *db, bool *ended)
{
	bool lost = false, ok = PQsetnonblocking(db->conn, 1) == 0;

	db->deadline_ms = clock_mono_ms() + CONNECT_TIMEOUT_S * 1000;
	if (db->conf->prepared_statements) {
		ok = ok && conn_send_settings(db, db->conn);
		for (PGresult *res; ok && (res = wait_result(db, &lost)); PQclear(res)) {
			ok = PQresultStatus(res) == PGRES_TUPLES_OK;
			*ended = says_end(res);
		}
	}
	*ended |= PQstatus(db->conn) != CONNECTION_OK;
	return ok && !lost && PQenterPipelineMode(db->conn) == 1;
}

/* Waits for half of the pause, and for a random part of the other half. */
static void
back_off(struct db *db)
{
	unsigned char jitter;

	hash_random(&jitter, sizeof(jitter));
	db->backoff_ms = backoff_after(db->backoff_ms, PAUSE_MAX_MS);
	db->next_try_ms = clock_mono_ms() + db->backoff_ms / 2 + db->backoff_ms * jitter / 512;
}

static bool
is_usable(const struct db *db)
{
	return db->conn && PQstatus(db->conn) == CONNECTION_OK
	    && PQtransactionStatus(db->conn) == PQTRANS_IDLE;
}

static void
try_to_connect(struct db *db)
{
	bool ended = true;

	/* Who ends the connections of a role may hit one that has only begun: then once more. */
	for (int tries = 0; tries < 2 && ended; tries++) {
		ended = false;
		db->conn = conn_open(db);
		if (!db->conn || begin_session(db, &ended))
			break;
		PQfinish(db->conn);
		db->conn = NULL;
		if (ended)
			set_why(db, DB_CONDITION_UNREACHABLE, "the database ends connections as "
			    "soon as they are made");
		else
			set_why(db, DB_CONDITION_REFUSED, "the database refuses the session "
			    "settings");
	}
	if (!db->conn) {
		log_failure(db);
		back_off(db);
		return;
	}
	note_change(db);
	if (db->backoff_ms)
		log_info("reconnected to the database");
	db->backoff_ms = 0;
	db->next_try_ms = 0;
	db->logged[0] = '\0';
}

/*
 * A request that is here already could only fail, while other workers have connections: it asks for
 * one of them. Who was just ended by the server still counts as connected there for a moment, too.
 */
static void
wait_for_room(struct db *db)
{
	int64_t end = clock_mono_ms() + ROOM_WAIT_MS;

	while (!db->conn && db->trouble == DB_CONDITION_NO_ROOM && db->peer && db->hooks
	    && clock_mono_ms() < end && db->hooks->ask_for_room(db->hooks->with)) {
		poll(NULL, 0, ROOM_LOOK_MS);
		if (peer_has_left(db->peer))
			break;
		try_to_connect(db);
	}
}

PGconn *
conn_ready(struct db *db)
{
	if (is_usable(db))
		return db->conn;
	conn_close(db);
	if (clock_mono_ms() >= db->next_try_ms)
		try_to_connect(db);
	wait_for_room(db);
	db->meter.left |= peer_has_left(db->peer); /* connecting took a while */
	return db->conn;
}

/* ---- between two transactions */

unsigned
db_epoch(const struct db *db)
{
	return db->epoch;
}

int
db_socket(const struct db *db)
{
	return PQsocket(db->conn); /* -1 for NULL */
}

bool
db_look(struct db *db)
{
	struct pollfd said = { .fd = db_socket(db), .events = POLLIN };

	while (db->conn && poll(&said, 1, 0) == 1) {
		/* The server says why it ends the connection, and then ends it. */
		if (PQconsumeInput(db->conn) != 1 || PQisBusy(db->conn)
		    || PQstatus(db->conn) != CONNECTION_OK)
			conn_close(db);
	}
	return db->conn != NULL;
}

int64_t
db_retry_ms(const struct db *db)
{
	int64_t left = db->next_try_ms - clock_mono_ms();

	return left > 0 ? left : 0;
}

bool
db_connect(struct db *db)
{
	if (!is_usable(db)) {
		conn_close(db);
		if (db_retry_ms(db) == 0)
			try_to_connect(db);
	}
	return db->conn != NULL;
}

void
db_give_way(struct db *db)
{
	conn_close(db);
	set_why(db, DB_CONDITION_NO_ROOM, "the database has no room for the connections of all "
	    "workers");
	db->backoff_ms = GIVE_WAY_MS;
	db->next_try_ms = clock_mono_ms() + GIVE_WAY_MS;
}

void
db_set_hooks(struct db *db, const struct db_hooks *hooks)
{
	db->hooks = hooks;
	if (hooks)
		hooks->changed(hooks->with, db->conn != NULL);
}
