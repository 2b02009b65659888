/*
 * Inside of db/: the connection itself, and waiting on it.
 */
#ifndef DB_CONN_H
#define DB_CONN_H

#include "db/db.h"

#include <libpq-fe.h>

struct db {
	const struct conf *conf;
	enum db_role       role;
	PGconn            *conn;                 /* NULL when there is none */
	bool               prepared[SQL__COUNT]; /* on this connection */
	int64_t            next_try_ms;          /* monotonic */
	int64_t            backoff_ms;           /* 0 after a success */
	int64_t            deadline_ms;          /* monotonic, of the transaction that runs */
	const struct peer *peer;                 /* db_watch() */
	unsigned           pooler_signs;         /* errors that only a pooler can cause */
	bool               checked;              /* db_check() has warned of what it wants to warn of */
	struct db_meter    meter;
};

/* The longest wait for all answers of a transaction, in ms. */
int64_t conn_timeout_ms(const struct db *db);

/* A new connection without session settings, or NULL (the log says why). */
PGconn *conn_open(const struct db *db);
void    conn_close(struct db *db);

/* A connection that is idle and in pipeline mode, or NULL. */
PGconn *conn_ready(struct db *db);

/* Sends the session's settings: for the connection, or for the transaction that they begin. */
bool conn_send_settings(const struct db *db, PGconn *conn) MUSTCHECK;

/* The next result, NULL between two statements; *lost is set when there will be none. */
PGresult *wait_result(struct db *db, bool *lost);

/*
 * Has PostgreSQL stop what runs. True: it has sent its signal, so none can hit
 * a later statement.
 */
bool wait_cancel(PGconn *conn);

#endif
