/*
 * A write: one transaction that enters the environment, looks for the record of the
 * request's Idempotency-Key, runs the statements of the resource, and keeps the answer.
 *
 *	struct write w;
 *	write_begin(&w, c);
 *	b = write_step(&w, SQL_...);              binds $1, the environment
 *	bind_...(b, ...);                         the others
 *	return write_run(&w, &(struct answers) { .expect = ..., .make = ... }, what);
 *
 * Repeated   The statements have the condition :first_time (sql/query/idempotency.sql), so they do
 *            nothing if the request was answered before; that answer is given again.
 * Trips      Without a key, one round trip. With a key, one if the answer can be made beforehand
 *            ('expect') and turns out right; else two, because the answer needs what was read,
 *            and the record needs the answer.
 * Refusals   A broken unique constraint is answered by the resource's table of constraints; with a
 *            key that answer is kept, too.
 * Again      write_begin() sets w->tx.again (db/tx.h) if there is a key. Without one the caller
 *            sets it where running the transaction twice does no harm.
 */
#ifndef CALL_WRITE_H
#define CALL_WRITE_H

#include "call/call.h"

struct write {
	struct call *call;
	struct tx    tx;
	size_t       first;   /* step of the resource's first statement */
	bool         groups;  /* it may be one of a group (db/tx.h); only one with a key is */
	struct str   order;   /* with groups: the tx's group_order */
	bool         careful; /* 'make' must run before the commit, key or not: it may set again */
	bool         again;   /* set by 'make': another request interfered; undo this, run again */
	/* Of 'make' that fails, for who called write_run(): what must be done first; or NULL. */
	const struct id *first_advance;
	const struct answers *answers;
	void        *what;
	enum err     made;    /* what 'make' returned */
};

/* How the answer is made. 'expect' and 'make' make a reply or a problem, as a handler does. */
struct answers {
	/* Before anything was sent: the answer if nothing is in the way. NULL: unknown. */
	enum err (*expect)(struct write *w, void *what);
	/* Adds the statements that 'make' needs but 'expect' does not. NULL: there are none. */
	void     (*read)(struct write *w, void *what);
	/*
	 * From the results. If it returns an error, that is answered and not kept, and the
	 * statements must have changed nothing.
	 */
	enum err (*make)(struct write *w, void *what);
};

void         write_begin(struct write *w, struct call *c);
struct bind *write_step(struct write *w, enum sql_id statement);

/* what is passed to each function of answers. */
enum err write_run(struct write *w, const struct answers *answers, void *what);

/* Results of the n-th write_step(). */
size_t     write_rows(const struct write *w, size_t n);
struct row write_row(const struct write *w, size_t n, size_t row);

#endif
