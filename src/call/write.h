/*
 * A write: one transaction that enters the environment, looks for the record of the
 * request's Idempotency-Key, runs the statements of the resource, and keeps the answer.
 *
 *	struct write w;
 *	write_begin(&w, c);
 *	b = write_step(&w, SQL_...);              the statement is $1 environment, ...
 *	return write_run(&w, &(struct answers) { .expect = ..., .make = ... }, what);
 *
 * Repeated   The statements see ":first_time" (sql/query/idempotency.sql) and do nothing when the
 *            request was answered before; that answer is given again.
 * Round trips  One without a key. With one: one when the answer can be made beforehand ('expect')
 *            and all goes as expected, else two, because the answer needs what was read, and the record
 *            needs the answer.
 * Refusals   A unique constraint is answered by the table of the resource, and with a key that
 *            answer is kept too.
 * Again      tx->again is set for a write with a key; the caller sets w->tx.again where a second run
 *            does no harm without one.
 */
#ifndef CALL_WRITE_H
#define CALL_WRITE_H

#include "call/call.h"

struct write {
	struct call *call;
	struct tx    tx;
	size_t       first;   /* step of the resource's first statement */
	bool         careful; /* 'make' must come before the commit, with a key or without: it may ask for another run */
	bool         again;   /* by 'make': another request was in between. Undo it and run it once more */
	const struct answers *answers;
	void        *what;
	enum err     made;    /* what 'make' returned */
};

/* Both make the reply, as a handler does. */
struct answers {
	/* Before anything is known, as if nothing were in the way; NULL: that cannot be said. */
	enum err (*expect)(struct write *w, void *what);
	/* Adds the statements that 'make' needs and 'expect' does not; NULL: there are none. */
	void     (*read)(struct write *w, void *what);
	/* From the results. An error that it returns is answered and not kept; it must not have changed anything. */
	enum err (*make)(struct write *w, void *what);
};

void         write_begin(struct write *w, struct call *c);
struct bind *write_step(struct write *w, enum sql_id statement); /* with the environment bound as $1 */

enum err write_run(struct write *w, const struct answers *answers, void *what);

/* Results of the n-th write_step(). */
size_t     write_rows(const struct write *w, size_t n);
struct row write_row(const struct write *w, size_t n, size_t row);

#endif
