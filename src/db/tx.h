/*
 * A transaction: statements that are sent together, run in order, and are committed or
 * undone as one (a libpq pipeline with one Sync and no BEGIN). Usually that is one round trip.
 *
 *	struct tx tx;
 *	tx_init(&tx, db, arena);
 *	bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), ...);
 *	switch (tx_run(&tx)) ...
 *	row = tx_row(&tx, 0, 0);
 *
 * Then       A write may have to see what it has read before it can commit. tx->then is
 *            called when the steps so far have been answered, and adds the last ones; they
 *            end the transaction. That costs a second round trip.
 * Outcome    tx->outcome: done, undone or unknown. A later run can turn unknown into done,
 *            but never into undone. Whatever a client reads about the transaction is made
 *            from this alone. An error at the Sync itself leaves the outcome unknown.
 * Again      A lost connection leaves open whether the transaction was done. Then it runs
 *            again on a new one if it only reads, or if the caller has declared this safe
 *            (tx->again). A transaction that was certainly undone, for a reason that may be
 *            gone (serialization, deadlock, a stale statement), runs again too. tx_run() may be
 *            called again on the same steps.
 * Rows       All of a step are there when the transaction has ended; tx->each takes more than fit.
 * Lifetime   Results, rows and the text of cells live as long as the arena.
 */
#ifndef DB_TX_H
#define DB_TX_H

#include "db/bind.h"
#include "db/row.h"
#include "db/sqlcat.h"

struct bundle;
struct db;

enum {
	TX_STEPS_MAX = 20, /* of the clerk: sixteen deadlines, and what finds them */
	TX_CONSTRAINT_BYTES = 64, /* PostgreSQL's NAMEDATALEN */
};

/* How the last run ended; what became of the transaction is in tx->outcome. */
enum db_status {
	DB_OK,
	DB_UNIQUE,  /* tx->constraint is taken */
	DB_LOCKED,  /* step tx->failed waited for a lock longer than lock_timeout */
	DB_TIMEOUT, /* it took too long */
	DB_GONE,    /* the database cannot be reached, or the connection was lost */
	DB_FAILED,  /* anything else: a defect, or a wrong set-up */
};

enum tx_outcome {
	TX_UNDONE,  /* nothing was done */
	TX_UNKNOWN, /* it may have been done */
	TX_DONE,
};

struct tx {
	struct db      *db;
	struct arena   *arena;
	/* Changes nothing that others can see. It may run again, and is undone when it fails. */
	bool            reads;
	bool            again; /* safe to run again when the outcome is unknown */
	enum tx_outcome outcome;
	bool            cut;         /* others wanted its place, and it was cancelled */
	bool            last_undone; /* the last run certainly did nothing, whatever others did */
	/*
	 * Takes the rows of the last step one by one as they come, each until it returns, so that
	 * there can be any number of them; tx_rows() of that step is 0 then. Only for a db that has
	 * its own connection. Once it was called, the transaction does not run again. False: no
	 * more are wanted; the connection ends, and tx_run() returns DB_GONE.
	 */
	bool          (*each)(const struct row *row, void *with);
	bool            handed; /* it was called */
	/* False: undoes the transaction; then tx_run() returns DB_OK with outcome TX_UNDONE. */
	bool          (*then)(struct tx *tx, void *with);
	void           *with;
	/*
	 * It may be one of a group (db/lanes.h): its first step locks this number, as
	 * pg_advisory_xact_lock() does. Of what it writes, groups take this in its order, byte by
	 * byte, as batches do; none has it twice. Absent: it stands in nobody's way.
	 */
	bool            group;
	const struct id *group_environment; /* entered again before what tx->then adds */
	int64_t         group_lock;
	struct str      group_order;
	struct bundle  *bundle; /* that the last run was in (db/bundle.h), or NULL */
	size_t          place;  /* in it */
	size_t          steps;
	/* The step that failed. TX_STEPS_MAX: none; the connection or the deadline was lost. */
	size_t          failed;
	char            constraint[TX_CONSTRAINT_BYTES]; /* that was violated, or "" */
	char            sqlstate[6]; /* of the failure, or "" */
	char            log[200]; /* for the operator: what failed and its SQLSTATE; no data */
	struct tx_step {
		enum sql_id       id;
		bool              prepares; /* it was sent together with its statement */
		struct bind       bind;
		struct pg_result *result; /* NULL: none has come */
	} step[TX_STEPS_MAX];
};

void         tx_init(struct tx *tx, struct db *db, struct arena *a);
struct bind *tx_step(struct tx *tx, enum sql_id id);
enum db_status tx_run(struct tx *tx) MUSTCHECK;

/* Whether the step was answered in the last run. */
bool       tx_answered(const struct tx *tx, size_t step);
size_t     tx_rows(const struct tx *tx, size_t step);
struct row tx_row(const struct tx *tx, size_t step, size_t n); /* n < tx_rows() */

/* The number of rows that an INSERT, UPDATE or DELETE touched; in a bundle, this member's. */
size_t     tx_affected(const struct tx *tx, size_t step);

/* Whether the step that failed has this mark in sql/query. */
bool       tx_failed_at(const struct tx *tx, enum sql_mark mark);

#endif
