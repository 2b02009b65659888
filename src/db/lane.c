/* The connection: connects, reconnects, and makes the session ready for transactions. */
#include "db/lane.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "db/url.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>

enum {
	CONNECT_TIMEOUT_S = 3,
	WATCH_TIMEOUT_MS = 2000,
	PAUSE_MAX_MS = 2000, /* before another try to connect */
	QUICK_MS = 500,      /* a server that refuses answers sooner */
	LOG_AGAIN_MS = 60 * 1000,
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

static int64_t
timeout_ms(enum db_role role, int64_t configured_ms)
{
	return roles[role].timeout_ms ? roles[role].timeout_ms : configured_ms;
}

int64_t
lane_timeout_ms(enum db_role role, const struct conf *conf)
{
	return timeout_ms(role, conf->request_timeout_ms);
}

static const char *
url_of(const struct lane *l)
{
	const struct conf *c = l->conf;

	return l->role == DB_OWNER ? c->database_owner_url : c->database_url;
}

void
lane_close(struct lane *l)
{
	if (!l->conn)
		return;
	PQfinish(l->conn);
	l->conn = NULL;
	l->epoch++;
	memset(l->prepared, 0, sizeof(l->prepared));
}

/* ---- why there is no connection */

static const char *
key_of(const struct lane *l)
{
	return l->role == DB_OWNER ? "database_owner_url" : "database_url";
}

static void PRINTF(3, 4)
set_why(struct lane *l, enum db_condition trouble, const char *fmt, ...)
{
	va_list ap;

	l->trouble = trouble;
	va_start(ap, fmt);
	vsnprintf(l->why, sizeof(l->why), fmt, ap);
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
explain_refusal(struct lane *l, const PGconn *conn, const char *sqlstate)
{
	const enum db_condition refused = DB_CONDITION_REFUSED;

	if (strncmp(sqlstate, "28", 2) == 0)
		set_why(l, refused, "the database refuses the login of \"%s\" (SQLSTATE %s): look "
		    "at user and password in %s, and at pg_hba.conf", PQuser(conn), sqlstate,
		    key_of(l));
	else if (strcmp(sqlstate, "3D000") == 0)
		set_why(l, refused, "there is no database \"%s\": look at %s", PQdb(conn),
		    key_of(l));
	else if (strcmp(sqlstate, "42501") == 0)
		set_why(l, refused, "\"%s\" may not connect to the database \"%s\": "
		    "sql/setup.sql grants it", PQuser(conn), PQdb(conn));
	else if (strcmp(sqlstate, "53300") == 0)
		set_why(l, DB_CONDITION_NO_ROOM, "the database has no room for another "
		    "connection");
	else if (strcmp(sqlstate, "57P03") == 0)
		set_why(l, DB_CONDITION_UNREACHABLE, "the database is starting up or shutting "
		    "down");
	else
		set_why(l, refused, "the database refuses the connection with SQLSTATE %s",
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
read_failure(const struct lane *l, const PGconn *conn, char out[LANE_WHY_BYTES])
{
	struct buf  fault;
	bool        fit;
	const char *message = PQerrorMessage(conn);

	buf_init(&fault, LANE_WHY_BYTES);
	fit = db_url_check(key_of(l), url_of(l), &fault);
	snprintf(out, LANE_WHY_BYTES, "%.*s", fit ? (int)strcspn(message, "\n") : (int)fault.len,
	    fit ? message : fault.ptr);
	buf_fini(&fault);
	return fit;
}

/* False: now there is a connection after all. A failure that was seen before keeps its sentence. */
static bool
explain(struct lane *l, PGconn *conn, bool quick)
{
	char failure[LANE_WHY_BYTES], sqlstate[SQLSTATE_BYTES + 1] = "";
	bool fit = read_failure(l, conn, failure);

	if (strcmp(failure, l->failure) == 0)
		return true;
	memcpy(l->failure, failure, sizeof(failure));
	if (!fit)
		set_why(l, DB_CONDITION_UNREACHABLE, "%s", failure);
	else if (PQconnectionNeedsPassword(conn))
		set_why(l, DB_CONDITION_REFUSED, "the database wants a password for \"%s\", and "
		    "%s has none", PQuser(conn), key_of(l));
	else if (quick && learn_sqlstate(conn, sqlstate))
		return false;
	else if (sqlstate[0])
		explain_refusal(l, conn, sqlstate);
	else
		set_why(l, DB_CONDITION_UNREACHABLE, "the database cannot be reached: %s",
		    failure);
	return true;
}

/* A failure that lasts is a line when it begins, and then now and then. */
static void
log_failure(struct lane *l)
{
	int64_t now = clock_mono_ms();

	if (l->role == DB_OWNER
	    || (strcmp(l->why, l->logged) == 0 && now < l->logged_ms + LOG_AGAIN_MS))
		return;
	if (strstr(l->why, l->failure))
		log_warn("cannot connect to the database: %s", l->why);
	else
		log_warn("cannot connect to the database: %s (%s)", l->why, l->failure);
	memcpy(l->logged, l->why, sizeof(l->logged));
	l->logged_ms = now;
}

/* PostgreSQL's notices may hold data; libpq would print it. */
static void
ignore_notice(void *arg UNUSED, const char *message UNUSED)
{
}

PGconn *
lane_open(struct lane *l)
{
	char        seconds[16];
	const char *keywords[] = {
		"connect_timeout", "application_name", "client_encoding", "dbname", NULL,
	};
	const char *values[] = {
		seconds, roles[l->role].application_name, "UTF8", url_of(l), NULL,
	};
	int64_t begun_ms = clock_mono_ms();
	PGconn *conn;

	snprintf(seconds, sizeof(seconds), "%d", CONNECT_TIMEOUT_S);
	/* dbname comes last and is expanded, so that the operator's connection string wins. */
	conn = PQconnectdbParams(keywords, values, 1);
	if (PQstatus(conn) == CONNECTION_OK
	    || !explain(l, conn, clock_mono_ms() - begun_ms < QUICK_MS)) {
		PQsetNoticeProcessor(conn, ignore_notice, NULL);
		l->why[0] = l->failure[0] = '\0';
		l->trouble = DB_CONDITION_FIT;
		return conn;
	}
	PQfinish(conn);
	return NULL;
}

bool
lane_send_settings(const struct lane *l, PGconn *conn)
{
	const struct conf *conf = l->conf;
	char               statement_ms[24], lock_ms[24], pid[16];
	const char        *for_transaction = conf->prepared_statements ? "false" : "true";
	const char        *values[] = { statement_ms, lock_ms, for_transaction, pid };

	snprintf(statement_ms, sizeof(statement_ms), "%jd",
	    (intmax_t)timeout_ms(l->role, conf->statement_timeout_ms));
	snprintf(lock_ms, sizeof(lock_ms), "%jd",
	    (intmax_t)timeout_ms(l->role, conf->lock_timeout_ms));
	snprintf(pid, sizeof(pid), "%d", PQbackendPID(conn));
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

/* Whether another process answers than the one that was announced. */
static bool
is_pooled(const PGresult *settings)
{
	return *PQgetvalue(settings, 0, PQnfields(settings) - 1) == 't';
}

/* What became of a session that was to begin. */
enum beginning {
	BEGUN,
	SETTINGS_REFUSED,
	SETTINGS_LOST,  /* they were not sent, or got no answer */
	SESSION_ENDED,  /* by the server, which said nothing against the settings */
};

/* With a deadline: a server that falls silent after the login must not hold the worker. */
static enum beginning
begin_session(struct lane *l)
{
	bool    lost = false, refused = false, ended = false;
	bool    ok = PQsetnonblocking(l->conn, 1) == 0;
	int64_t end = clock_mono_ms() + CONNECT_TIMEOUT_S * 1000;

	if (l->conf->prepared_statements) {
		ok = ok && lane_send_settings(l, l->conn);
		for (PGresult *res; ok && (res = wait_plain(l->conn, end, &lost)); PQclear(res)) {
			ok = PQresultStatus(res) == PGRES_TUPLES_OK;
			l->pooled = ok && is_pooled(res);
			ended = says_end(res);
			refused = !ok && !ended;
		}
	}
	if (ended || PQstatus(l->conn) != CONNECTION_OK)
		return SESSION_ENDED;
	if (refused)
		return SETTINGS_REFUSED;
	return ok && !lost && PQenterPipelineMode(l->conn) == 1 ? BEGUN : SETTINGS_LOST;
}

/* Waits for half of the pause, and for a random part of the other half. */
static void
back_off(struct lane *l)
{
	unsigned char jitter;

	hash_random(&jitter, sizeof(jitter));
	l->backoff_ms = backoff_after(l->backoff_ms, PAUSE_MAX_MS);
	l->next_try_ms = clock_mono_ms() + l->backoff_ms / 2 + l->backoff_ms * jitter / 512;
}

bool
lane_is_usable(const struct lane *l)
{
	return l->conn && PQstatus(l->conn) == CONNECTION_OK
	    && PQtransactionStatus(l->conn) == PQTRANS_IDLE;
}

void
lane_attempt(struct lane *l)
{
	static const struct {
		enum db_condition condition;
		const char       *why;
	} said[] = {
		[SETTINGS_REFUSED] = { DB_CONDITION_REFUSED,
		    "the database refuses the session settings" },
		[SETTINGS_LOST] = { DB_CONDITION_UNREACHABLE,
		    "the session settings were not sent, or got no answer" },
		[SESSION_ENDED] = { DB_CONDITION_UNREACHABLE,
		    "the database ends connections as soon as they are made" },
	};
	enum beginning became = SESSION_ENDED;

	/* Who ends the connections of a role may hit one that has only begun: then once more. */
	for (int tries = 0; tries < 2 && became == SESSION_ENDED; tries++) {
		l->conn = lane_open(l);
		if (!l->conn || (became = begin_session(l)) == BEGUN)
			return;
		PQfinish(l->conn);
		l->conn = NULL;
		set_why(l, said[became].condition, "%s", said[became].why);
	}
}

/*
 * A commit that is cancelled while it waits for a synchronous standby succeeds, with a warning. Its
 * words depend on the server's language, and its SQLSTATE is every warning's.
 */
static void
hear_notice(void *lane, const PGresult *notice)
{
	const char  *function = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);
	struct lane *l = lane;

	l->unreplicated |= function && strcmp(function, "SyncRepWaitForLSN") == 0;
}

void
lane_listen(struct lane *l)
{
	PQsetNoticeReceiver(l->conn, hear_notice, l);
}

void
lane_settle(struct lane *l, bool quietly)
{
	if (!l->conn) {
		if (!quietly)
			log_failure(l);
		back_off(l);
		return;
	}
	l->epoch++;
	if (l->backoff_ms && !quietly)
		log_info("reconnected to the database");
	l->backoff_ms = 0;
	l->next_try_ms = 0;
	l->logged[0] = '\0';
	l->unreplicated = false;
	lane_listen(l);
}

/* ---- one call for many transactions */

static _Thread_local int held_fd = -1;

/*
 * In the place of libc's, for libpq too, which calls it by name: says that there is no room while
 * the connection is held. libpq keeps what it has to send then, as for a full socket.
 */
ssize_t
send(int fd, const void *bytes, size_t n, int flags)
{
	if (fd != held_fd)
		return sendto(fd, bytes, n, flags, NULL, 0);
	errno = EAGAIN;
	return -1;
}

void
lane_hold(const struct lane *l)
{
	held_fd = PQsocket(l->conn);
}

void
lane_release(void)
{
	held_fd = -1;
}

int64_t
lane_retry_ms(const struct lane *l)
{
	int64_t left = l->next_try_ms - clock_mono_ms();

	return left > 0 ? left : 0;
}

bool
lane_ready(struct lane *l)
{
	if (lane_is_usable(l))
		return true;
	lane_close(l);
	if (lane_retry_ms(l) == 0) {
		lane_attempt(l);
		lane_settle(l, false);
	}
	return l->conn != NULL;
}

bool
lane_look(struct lane *l)
{
	struct pollfd said = { .fd = PQsocket(l->conn), .events = POLLIN };

	while (l->conn && poll(&said, 1, 0) == 1) {
		/* The server says why it ends the connection, and then ends it. */
		if (PQconsumeInput(l->conn) != 1 || PQisBusy(l->conn)
		    || PQstatus(l->conn) != CONNECTION_OK)
			lane_close(l);
	}
	return l->conn != NULL;
}

void
lane_give_way(struct lane *l)
{
	lane_close(l);
	set_why(l, DB_CONDITION_NO_ROOM, "the database has no room for the connections of all "
	    "workers");
	l->backoff_ms = GIVE_WAY_MS;
	l->next_try_ms = clock_mono_ms() + GIVE_WAY_MS;
}
