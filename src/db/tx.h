/*
 * A transaction of one round trip: statements that are sent together, run in
 * order, and are committed or undone as one (a libpq pipeline with one Sync and
 * no BEGIN).
 *
 *	struct tx tx;
 *	tx_init(&tx, db, arena);
 *	bind_id(tx_step(&tx, SQL_CUSTOMER_GET), ...);
 *	switch (tx_run(&tx)) ...
 *	row = tx_row(&tx, 0, 0);
 *
 * Again      A lost connection leaves open whether the transaction was done. When
 *            the caller has said that running it again is safe (tx->again), it is
 *            run again once on a new connection; so are transactions that were
 *            certainly undone (serialization, deadlock, a plan gone stale). tx_run()
 *            may be called again on the same steps.
 * Lifetime   Results, rows and the text of cells live as long as the arena.
 */
#ifndef DB_TX_H
#define DB_TX_H

#include "db/bind.h"
#include "db/sqlcat.h"

struct db;
struct pg_result;

enum { TX_STEPS_MAX = 6 };

enum db_status {
	DB_OK,
	DB_UNIQUE,  /* undone: tx->constraint is taken */
	DB_LOCKED,  /* undone: step tx->failed waited for a lock longer than lock_timeout */
	DB_TIMEOUT, /* undone: it took too long */
	DB_GONE,    /* nothing was done: the database cannot be reached */
	DB_UNKNOWN, /* the connection was lost after sending: it may have been done */
	DB_FAILED,  /* undone: anything else, a defect or a wrong set-up */
};

enum db_constraint {
	DB_CONSTRAINT_OTHER,
	DB_CONSTRAINT_EXTERNAL_ID,
	DB_CONSTRAINT_IDEMPOTENCY_KEY,
	DB_CONSTRAINT_NEW_ID, /* an id that was just made: this very transaction was done before its answer was lost */
	DB_CONSTRAINT_ORGANIZATION,
};

struct tx {
	struct db         *db;
	struct arena      *arena;
	bool               again; /* safe to run again when the outcome is unknown */
	size_t             steps;
	size_t             failed; /* step that failed */
	enum db_constraint constraint;
	char               log[200]; /* for the operator: what failed and its SQLSTATE; no data */
	struct tx_step {
		enum sql_id       id;
		struct bind       bind;
		struct pg_result *result;
	} step[TX_STEPS_MAX];
};

/* One row of a step's result; cells are in binary format. */
struct row {
	const struct pg_result *result;
	int                     n;
};

void         tx_init(struct tx *tx, struct db *db, struct arena *a);
struct bind *tx_step(struct tx *tx, enum sql_id id);
enum db_status tx_run(struct tx *tx) MUSTCHECK;

size_t     tx_rows(const struct tx *tx, size_t step);
size_t     tx_affected(const struct tx *tx, size_t step); /* rows that an INSERT, UPDATE or DELETE touched */
struct row tx_row(const struct tx *tx, size_t step, size_t n); /* n < tx_rows() */

/*
 * Cells. A cell of another shape than asked for is a defect of the statement
 * and ends the process: a wrong value must never reach a client. row_text()
 * gives an absent view for NULL, the others refuse NULL.
 */
struct str row_text(const struct row *r, int column);
struct id  row_id(const struct row *r, int column);
int64_t    row_i64(const struct row *r, int column);
bool       row_bool(const struct row *r, int column);
int64_t    row_time(const struct row *r, int column); /* wall ms */
bool       row_is_null(const struct row *r, int column);
/* A uuid[] without NULLs; returns the count, 0 for NULL. */
size_t     row_ids(const struct row *r, int column, struct arena *a, const struct id **out);

#endif
