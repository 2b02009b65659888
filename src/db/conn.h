/*
 * Internal to db/: the connection itself, waiting on it, and words for the log.
 */
#ifndef DB_CONN_H
#define DB_CONN_H

#include "db/db.h"

#include <libpq-fe.h>

enum { CONN_WHY_BYTES = 256 };

struct db {
	const struct conf *conf;
	enum db_role       role;
	PGconn            *conn;                 /* NULL when there is none */
	bool               prepared[SQL__COUNT]; /* on this connection */
	int64_t            next_try_ms;          /* monotonic */
	int64_t            backoff_ms;           /* 0 after a success */
	int64_t            deadline_ms;          /* monotonic, of the running transaction */
	unsigned           epoch;                /* db_epoch() */
	const struct db_hooks *hooks;            /* NULL: none */
	const struct peer *peer;                 /* db_watch() */
	bool             (*ask)(void *with);     /* db_limit() */
	void              *ask_with;
	int64_t            ask_every_ms;
	unsigned           pooler_signs;         /* errors that only a pooler can cause */
	bool               warned;               /* db_check() warns once */
	char               failure[CONN_WHY_BYTES]; /* libpq's message on the last failed connect */
	char               why[CONN_WHY_BYTES];     /* db_why() */
	char               logged[CONN_WHY_BYTES];  /* the one that the log has */
	int64_t            logged_ms;
	enum db_condition  trouble;                 /* db_trouble() */
	struct db_meter    meter;
};

/* The longest wait for all answers of one run of a transaction, in ms. */
int64_t conn_timeout_ms(const struct db *db);

/* A new connection without session settings, or NULL: db_why() says why. */
PGconn *conn_open(struct db *db);
void    conn_close(struct db *db);

/* A connection that is idle and in pipeline mode, or NULL. */
PGconn *conn_ready(struct db *db);

/*
 * Sends the session settings. They hold for the connection or, without prepared statements,
 * for the transaction that begins with them.
 */
bool conn_send_settings(const struct db *db, PGconn *conn) MUSTCHECK;

/*
 * The next result; NULL between two statements. *lost is set when none will come: the
 * deadline has passed or the connection broke.
 */
PGresult *wait_result(struct db *db, bool *lost);

/*
 * Has PostgreSQL cancel the running statement. True: it has sent its signal, which therefore
 * cannot hit a later statement.
 */
bool wait_cancel(PGconn *conn);

/*
 * Whether its server is one that this was made for, and text comes back from it as it was sent.
 * False: why has a sentence.
 */
bool check_server(const PGconn *conn, char *why, size_t size) MUSTCHECK;

/* Fills tx->log. */
void tx_note(struct tx *tx, const char *fmt, ...) PRINTF(2, 3);

/* The name of a step's statement. */
const char *tx_statement(const struct tx *tx, size_t step);

#endif
