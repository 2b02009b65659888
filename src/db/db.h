/*
 * The connection to PostgreSQL: one per process, made when it is first needed and again
 * after it was lost.
 *
 * Ownership  From db_new() to db_free(). Two processes never share one: connect after fork().
 * Timeouts   statement_timeout and lock_timeout are PostgreSQL's, for each statement.
 *            request_timeout is ours, for all answers of a transaction: when it has passed,
 *            the statement is cancelled and the connection closed, and no second run of the
 *            transaction begins.
 * Watching   The client may leave before the answer has come (db_watch()). Then the running
 *            statement is cancelled and nothing more is sent. What was sent is done as a
 *            whole or not at all, as always.
 * Back-off   After a failed connect the next one waits for 50 to 100 ms, at random; after
 *            each further failure for twice as long, up to 1 to 2 s. So workers do not storm
 *            a database that is starting.
 * Log        The statement and the SQLSTATE; never PostgreSQL's own message about data,
 *            which may quote it. Messages about the connection (class 08, those of a pooler
 *            too) quote none and are logged, unless the connection string may not be quoted
 *            from (db/url.h). A command logs none: it has db_why().
 */
#ifndef DB_DB_H
#define DB_DB_H

#include "base/base.h"
#include "base/peer.h"
#include "conf/conf.h"
#include "db/tx.h"

/* What a connection is for: decides its connection string and its name in pg_stat_activity. */
enum db_role {
	DB_SERVE, /* requests: database_url */
	DB_WATCH, /* checks of the database's health: database_url, with timeouts of 2 s */
	DB_OWNER, /* commands: database_owner_url */
	DB_ROLE__COUNT
};

/* conf must outlive it. Does not connect yet. */
struct db *db_new(const struct conf *conf, enum db_role role);
void       db_free(struct db *db);

/* A bit for each enum sql_id. */
struct db_statements {
	uint64_t word[SQL_WORDS];
};

/* What the database cost since the last db_meter_take(). */
struct db_meter {
	int64_t  us;        /* waiting for it, connecting included */
	unsigned trips;     /* round trips */
	struct db_statements statements; /* that were sent */
	bool     connected; /* now, as far as is known */
	/* The watched peer has left. No transaction runs until db_meter_take() resets this. */
	bool     left;
};

struct db_meter db_meter_take(struct db *db);

/*
 * Why there is no connection, a sentence without its period: the database cannot be reached, or it
 * refuses the login. "" while there is one.
 */
const char *db_why(const struct db *db);

/*
 * The peer that waits for the transactions to come, until the next call; it must live as long.
 * NULL: there is none that could leave.
 */
void db_watch(struct db *db, const struct peer *peer);

/*
 * Whether this connection may serve: its server, role and settings are such that tenants are kept
 * apart and text comes back as it was sent, and the schema is the one that this binary knows.
 * Returns 0, or else EXIT_DATABASE or EXIT_CONFIG and puts
 * a sentence into why (at least 256 bytes) that says what to do.
 */
int db_check(struct db *db, struct arena *a, char *why, size_t size);

/* How many connections there can be; -1: no limit. */
struct db_room {
	int64_t max_connections;
	int64_t reserved; /* part of these, for superusers and roles with a privilege */
	int64_t of_role;
	int64_t of_database;
};

/* False when the database does not answer; *out is untouched then. */
bool db_room(struct db *db, struct arena *a, struct db_room *out) MUSTCHECK;

#endif
