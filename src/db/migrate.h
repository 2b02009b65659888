/*
 * Migrations of the schema: built in, forward only, applied once and in order.
 *
 * Lock       One process at a time migrates; others wait for it.
 * Service    It may be answering meanwhile, and a lock that is waited for holds up all requests
 *            behind it. So a migration waits two seconds at most for a lock; then it is undone, the
 *            requests pass, and it starts over, after pauses that grow from 0.5 s to 30 s.
 * Errors     An exit code, and a sentence in why. PostgreSQL's own messages are not passed on: they
 *            may quote data.
 */
#ifndef DB_MIGRATE_H
#define DB_MIGRATE_H

#include "base/arena.h"
#include "db/db.h"

struct db_migration {
	const char *name;       /* "0001_base" */
	bool        online;     /* the service may go on while it is applied */
	bool        applied;
	int64_t     applied_ms; /* wall clock; of those that were applied */
};

/* All that this program knows, in order; the arena owns them. Changes nothing. */
int db_migrations(struct db *db, struct arena *a, struct db_migration **out, size_t *count,
    struct buf *why) MUSTCHECK;

struct db_migrate {
	int64_t wait_ms; /* for the locks of one migration, pauses included */
	void  (*applied)(void *with, const char *name);
	void  (*waiting)(void *with, const char *sentence);
	void   *with;    /* for the two */
};

/* Applies those that are missing, each in a transaction of its own. */
int db_migrate(struct db *db, const struct db_migrate *how, struct buf *why) MUSTCHECK;

#endif
