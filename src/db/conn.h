/*
 * Inside of db/: the connection itself, for db.c and migrate.c.
 */
#ifndef DB_CONN_H
#define DB_CONN_H

#include "db/db.h"

#include <libpq-fe.h>

struct db {
	struct db_options options;
	PGconn           *conn;                 /* NULL when there is none */
	bool              prepared[SQL__COUNT]; /* on this connection */
	int64_t           next_try_ms;          /* monotonic */
	int64_t           backoff_ms;           /* 0 after a success */
	int64_t           deadline_ms;          /* monotonic, of the transaction that runs */
	const struct peer *peer;                /* db_watch() */
	unsigned          pooler_signs;         /* errors that only a pooler can cause */
	bool              checked;              /* db_check() has warned of what it wants to warn of */
	struct db_meter   meter;
};

/* A new connection without session settings, or NULL (the log says why). */
PGconn *db_open(const struct db *db);
void    db_close(struct db *db);

#endif
