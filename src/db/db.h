/*
 * The connection to PostgreSQL: made when it is first needed and again after it was lost. A worker
 * has several (db/lanes.h), and each request a view of them.
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
 *            from (db/url.h). A failure to connect that lasts is a line a minute. A command
 *            logs none: it has db_why().
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
	DB_CLERK, /* work that no request waits for: database_url */
	DB_WATCH, /* checks of the database's health: database_url, with timeouts of 2 s */
	DB_OWNER, /* commands: database_owner_url */
	DB_ROLE__COUNT
};

/* conf must outlive it. Does not connect yet. */
struct db *db_new(const struct conf *conf, enum db_role role);
void       db_free(struct db *db);

/*
 * For one request: transactions on the same connection, or on the same lanes (db/lanes.h), with a
 * meter, a peer and a limit of its own. Lives as long as the arena.
 */
struct db *db_share(struct db *of, struct arena *a);

/* Whose transactions they are, as call/share.h numbers tenants; 0: nobody's. */
void       db_tenant(struct db *db, uint64_t tag);

/* The transactions to come read much more than they answer: they take the lane for that. */
void       db_slow(struct db *db);

/* A bit for each enum sql_id. */
struct db_statements {
	uint64_t word[SQL_WORDS];
};

/* What the database cost since the last db_meter_take(). */
struct db_meter {
	int64_t  us;        /* waiting for it, connecting included */
	int64_t  lane_us;   /* of that, for a lane (db/lanes.h) */
	unsigned trips;     /* round trips */
	struct db_statements statements; /* that were sent */
	/* The watched peer has left. No transaction runs until db_meter_take() resets this. */
	bool     left;
	bool     cut; /* others wanted its place (lanes_cut()) */
};

struct db_meter db_meter_take(struct db *db);

/* How a process stands with the database: CONDITION(name, name in status and metrics). */
#define DB_CONDITIONS(CONDITION) \
	CONDITION(FIT,         "ok") \
	CONDITION(READ_ONLY,   "read_only")   /* it answers, and writes fail */ \
	CONDITION(NO_ROOM,     "no_room")     /* it has no room for another connection */ \
	CONDITION(REFUSED,     "refused")     /* a server answers, and lets nobody in */ \
	CONDITION(UNREACHABLE, "unreachable") /* nobody answers, or not in time */ \
	CONDITION(UNFIT,       "unfit")       /* role or schema: only a person can mend it */

enum db_condition {
#define CONDITION(name, wire) DB_CONDITION_##name,
	DB_CONDITIONS(CONDITION)
#undef CONDITION
	DB_CONDITION__COUNT
};

extern const char *const db_condition_names[DB_CONDITION__COUNT];

/* 0 where reads are answered, EXIT_CONFIG for what only a person can mend, else EXIT_DATABASE. */
int db_exit_code(enum db_condition condition);

/*
 * Why there is no connection, a sentence without its period: the database cannot be reached, or it
 * refuses the login. "" while there is one.
 */
const char *db_why(const struct db *db);

/* Now, as far as is known. */
bool db_is_connected(const struct db *db);

/* The same as a condition: one of NO_ROOM, REFUSED, UNREACHABLE, or FIT while there is one. */
enum db_condition db_trouble(const struct db *db);

/* Ends the connection, if there is one: the next transaction makes another. */
void db_disconnect(struct db *db);

/* ---- between two transactions, of a db that has its own connection */

/* Changes with each connection that is made, and with each end of one that is noticed. */
unsigned db_epoch(const struct db *db);

/* Readable when the connection has ended, and at times without reason; -1: there is none. */
int db_socket(const struct db *db);

/* Reads what the server says unasked. False: the connection has ended, or there was none. */
bool db_look(struct db *db);

/* Connects, if there is no connection and the back-off is over. False: there is none. */
bool db_connect(struct db *db);

/* How long the back-off still lasts; 0: it is over. */
int64_t db_retry_ms(const struct db *db);

/*
 * The peer that waits for the transactions to come, until the next call; it must live as long.
 * NULL: there is none that could leave.
 */
void db_watch(struct db *db, const struct peer *peer);

/*
 * Whether this connection may serve: its server, role and settings are such that tenants are kept
 * apart and text comes back as it was sent, the schema is the one that this binary knows, and
 * writes are taken. When it is not FIT, why (at least 512 bytes) gets a sentence that says what to
 * do.
 */
enum db_condition db_check(struct db *db, struct arena *a, char *why, size_t size);

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
