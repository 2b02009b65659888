/*
 * The connection to PostgreSQL: one per process, made when it is needed, made
 * again when it is lost.
 *
 * Ownership  db_new() to db_free(). Never shared by two processes: connect
 *            after fork.
 * Timeouts   statement_timeout and lock_timeout are PostgreSQL's, per statement;
 *            request_timeout is ours, for all of a transaction's answer: then
 *            the statement is cancelled and the connection closed. No second run
 *            begins after it either.
 * Watching   The client may leave before the answer has come: db_watch(). Then what
 *            runs is cancelled, and nothing more is sent. What was sent is done as
 *            a whole or not at all, as ever.
 * Back-off   After a failed connect no other is tried for 100 ms to 2 s, with
 *            jitter, so that workers do not storm a database that starts.
 * Log        The call and the SQLSTATE; never PostgreSQL's own message about
 *            data, which may hold values of it. Messages about the connection
 *            (class 08, a pooler's too) hold none and are logged.
 */
#ifndef DB_DB_H
#define DB_DB_H

#include "base/base.h"
#include "base/peer.h"
#include "conf/conf.h"
#include "db/tx.h"

/* What a connection is for: its keys of the configuration, its name in pg_stat_activity. */
enum db_role {
	DB_SERVE, /* database_url, for requests */
	DB_WATCH, /* the same, to see whether the database is well: never waits longer than 2 s */
	DB_OWNER, /* database_owner_url, or database_url where that is empty; for commands */
	DB_ROLE__COUNT
};

/* conf must outlive it. Connects to nothing yet. */
struct db *db_new(const struct conf *conf, enum db_role role);
void       db_free(struct db *db);

/* The bits of enum sql_id. */
struct db_statements {
	uint64_t word[SQL_WORDS];
};

/* What the database cost since the last db_meter_take(). */
struct db_meter {
	int64_t  us;        /* waiting for it, connecting included */
	unsigned trips;     /* round trips */
	struct db_statements statements; /* that were sent */
	bool     connected; /* now, as far as is known */
	bool     left;      /* the watched peer has: every transaction fails until this is taken */
};

struct db_meter db_meter_take(struct db *db);

/* Everything that follows is done for this peer; NULL: for nobody who could leave. Must live until the next call. */
void db_watch(struct db *db, const struct peer *peer);

/*
 * Whether this connection may serve: its role is subject to row-level security
 * and the schema is the one this binary knows. 0, EXIT_DATABASE or EXIT_CONFIG;
 * why (at least 256 bytes) gets a sentence that says what to do.
 */
int db_check(struct db *db, struct arena *a, char *why, size_t size);

/* How many connections there can be; a limit of -1 is none. */
struct db_room {
	int64_t max_connections;
	int64_t reserved; /* of these, for superusers and for others with a right to them */
	int64_t of_role;
	int64_t of_database;
};

/* False when the database does not answer; out is untouched then. */
bool db_room(struct db *db, struct arena *a, struct db_room *out) MUSTCHECK;

/*
 * Applies the migrations that are missing, each in a transaction of its own,
 * under an advisory lock. Prints what it does to standard output. Returns an
 * exit code.
 */
int db_migrate(struct db *db);

#endif
