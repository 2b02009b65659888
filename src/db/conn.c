/* The connection: connects, reconnects, and makes the session ready for transactions. */
#include "db/conn.h"
#include "base/arena.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	CONNECT_TIMEOUT_S = 3,
	WATCH_TIMEOUT_MS = 2000,
	PAUSE_MAX_MS = 2000, /* before another try to connect */
};

static const struct {
	const char *application_name;
	int64_t     timeout_ms; /* of statements, locks and transactions; 0: the configured ones */
} roles[DB_ROLE__COUNT] = {
	[DB_SERVE] = { "clientele", 0 },
	[DB_WATCH] = { "clientele admin", WATCH_TIMEOUT_MS },
	[DB_OWNER] = { "clientele-cli", 0 },
};

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

struct db_meter
db_meter_take(struct db *db)
{
	struct db_meter taken = db->meter;

	taken.connected = db->conn != NULL;
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

	return db->role == DB_OWNER && c->database_owner_url[0] ? c->database_owner_url
								: c->database_url;
}

void
conn_close(struct db *db)
{
	PQfinish(db->conn); /* takes NULL */
	db->conn = NULL;
	memset(db->prepared, 0, sizeof(db->prepared));
}

PQconninfoOption *
conn_parts(const char *url)
{
	/* Without these libpq takes it for the name of a database. */
	bool is_name = !strchr(url, '=') && !strstr(url, "://");

	return PQconninfoParse(is_name ? "" : url, NULL);
}

/*
 * Logs the first line of libpq's message, which names host and role and quotes no data. But
 * when libpq cannot read the connection string, its message may quote a part of that, such as
 * a password.
 */
static void
log_connect(const char *url, const char *message)
{
	PQconninfoOption *parts = conn_parts(url);
	const char       *text = parts ? message : "libpq cannot read the connection string";

	log_warn("cannot connect to the database: %.*s", (int)strcspn(text, "\n"), text);
	PQconninfoFree(parts);
}

/* PostgreSQL's notices may hold data; libpq would print it. */
static void
ignore_notice(void *arg UNUSED, const char *message UNUSED)
{
}

PGconn *
conn_open(const struct db *db)
{
	char        seconds[16];
	const char *keywords[] = {
		"connect_timeout", "application_name", "client_encoding", "dbname", NULL,
	};
	const char *values[] = {
		seconds, roles[db->role].application_name, "UTF8", url_of(db), NULL,
	};
	PGconn *conn;

	snprintf(seconds, sizeof(seconds), "%d", CONNECT_TIMEOUT_S);
	/* dbname comes last and is expanded, so that the operator's connection string wins. */
	conn = PQconnectdbParams(keywords, values, 1);
	if (PQstatus(conn) == CONNECTION_OK) {
		PQsetNoticeProcessor(conn, ignore_notice, NULL);
		return conn;
	}
	log_connect(url_of(db), PQerrorMessage(conn));
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

/* With a deadline: a server that falls silent after the login must not hold the worker. */
static bool
begin_session(struct db *db)
{
	bool lost = false, ok = PQsetnonblocking(db->conn, 1) == 0;

	db->deadline_ms = clock_mono_ms() + CONNECT_TIMEOUT_S * 1000;
	if (db->conf->prepared_statements) {
		ok = ok && conn_send_settings(db, db->conn);
		for (PGresult *res; ok && (res = wait_result(db, &lost)); PQclear(res))
			ok = PQresultStatus(res) == PGRES_TUPLES_OK;
	}
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

PGconn *
conn_ready(struct db *db)
{
	if (db->conn && PQstatus(db->conn) == CONNECTION_OK
	    && PQtransactionStatus(db->conn) == PQTRANS_IDLE)
		return db->conn;
	conn_close(db);
	if (clock_mono_ms() < db->next_try_ms)
		return NULL;
	db->conn = conn_open(db);
	if (db->conn && !begin_session(db)) {
		log_warn("the database refuses the session settings");
		conn_close(db);
	}
	if (!db->conn) {
		back_off(db);
		return NULL;
	}
	if (db->backoff_ms)
		log_info("reconnected to the database");
	db->backoff_ms = 0;
	db->meter.left |= peer_has_left(db->peer); /* connecting took a while */
	return db->conn;
}
