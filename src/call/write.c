/* Writes. */
#include "call/write.h"
#include "base/log.h"
#include "call/idem.h"
#include "call/reply.h"

enum { RUNS_MAX = 3 /* of one write, if other requests keep interfering */ };

void
write_begin(struct write *w, struct call *c)
{
	*w = (struct write) { .call = c };
	tx_init(&w->tx, c->db, c->arena);
	w->tx.again = c->idem.key.ptr;
	idem_enter(c, &w->tx);
	w->first = w->tx.steps;
}

struct bind *
write_step(struct write *w, enum sql_id statement)
{
	struct bind *b = tx_step(&w->tx, statement);

	bind_id(b, &w->call->tenant.environment);
	return b;
}

size_t
write_rows(const struct write *w, size_t n)
{
	return tx_rows(&w->tx, w->first + n);
}

struct row
write_row(const struct write *w, size_t n, size_t row)
{
	return tx_row(&w->tx, w->first + n, row);
}

/* Has 'make' make the answer; with a key also renders it, so that it can be kept. */
static enum err
make_answer(struct write *w)
{
	struct call *c = w->call;

	reply_forget(c);
	w->again = false;
	w->made = w->answers->make(w, w->what);
	if (w->made == ERR_OK && !w->again && c->idem.key.ptr)
		w->made = reply_render(c, ERR_OK);
	return w->made;
}

/* tx->then of a write with a key, or of a careful one. */
static bool
finish(struct tx *tx, void *with)
{
	struct write *w = with;
	struct call  *c = w->call;

	w->again = false;
	if (idem_found(c, tx))
		return true;
	if (make_answer(w) == ERR_OK && !w->again && c->idem.key.ptr)
		idem_keep(c, tx, false);
	/* A write whose answer is too large is not done. */
	return !w->again && w->made != ERR_INTERNAL;
}

/*
 * A refusal of the write itself is kept for the key, too. If an answer was kept before, that one is
 * given instead.
 */
static enum err
keep_refusal(struct write *w, enum err refusal)
{
	struct call   *c = w->call;
	struct problem problem = c->problem;
	struct tx      tx;
	enum db_status status;

	if (!c->idem.key.ptr || err_info(refusal)->status != 409 || refusal == ERR_IDEM_IN_PROGRESS)
		return refusal;
	tx_init(&tx, c->db, c->arena);
	tx.again = true;
	idem_enter(c, &tx);
	reply_render(c, refusal);
	idem_keep(c, &tx, false);
	if ((status = tx_run(&tx)) == DB_OK)
		return idem_found(c, &tx) ? idem_replay(c, &tx) : refusal;
	/* The refusal changed nothing, so without a record it is still the right answer. */
	log_info("the refusal was not recorded: %s", tx.log);
	c->problem = problem;
	return refusal;
}

/*
 * Whether the last run, which was undone, found no record: then the earlier runs, whose outcome was
 * lost, were not done either.
 */
static bool
shows_undone(const struct write *w)
{
	return w->tx.last_undone && w->call->idem.key.ptr
	    && tx_answered(&w->tx, w->first - 1) && !idem_found(w->call, &w->tx);
}

static enum err
fail(struct write *w, enum db_status status)
{
	struct call *c = w->call;

	reply_forget(c);
	if (w->tx.outcome == TX_UNKNOWN && shows_undone(w))
		w->tx.outcome = TX_UNDONE;
	c->idem.looked = true;
	return keep_refusal(w, call_db_failed(c, &w->tx, status));
}

/*
 * Whether the write failed because the record has appeared meanwhile: then another run finds it.
 * All our transactions wait for the key's lock first, so another program must have written it.
 */
static bool
met_record(const struct write *w, enum db_status status)
{
	return status == DB_UNIQUE && w->tx.outcome == TX_UNDONE
	    && tx_failed_at(&w->tx, SQL_MARK_RECORD);
}

static enum db_status
run_tx(struct write *w)
{
	struct call *c = w->call;

	w->tx.group = w->groups && c->idem.key.ptr;
	w->tx.group_environment = &c->tenant.environment;
	w->tx.group_lock = c->idem.lock;
	w->tx.group_order = w->order;
	return tx_run(&w->tx);
}

/*
 * A run that makes the answer beforehand and sends it along. ERR_OK with *as_expected false: that
 * answer was wrong and nothing was done, so the write must run without one.
 */
static enum err
run_expected(struct write *w, bool *as_expected)
{
	struct call   *c = w->call;
	size_t         put = w->tx.steps;
	enum db_status status;
	enum err       e;

	*as_expected = true;
	if ((e = w->answers->expect(w, w->what)) == ERR_OK)
		e = reply_render(c, ERR_OK);
	if (e != ERR_OK)
		return e;
	idem_keep(c, &w->tx, true);
	status = run_tx(w);
	if (status == DB_OK && idem_found(c, &w->tx))
		return idem_replay(c, &w->tx);
	*as_expected = status == DB_OK && tx_affected(&w->tx, put) == 1;
	if (status != DB_OK && !met_record(w, status))
		return fail(w, status);
	w->tx.steps = put;
	return ERR_OK;
}

static enum err
run_once(struct write *w)
{
	size_t         steps = w->tx.steps;
	enum db_status status;

	w->tx.then = w->call->idem.key.ptr || w->careful ? finish : NULL;
	w->tx.with = w;
	w->again = false; /* what an earlier run said of itself */
	status = run_tx(w);
	w->again = status == DB_OK ? w->again : met_record(w, status);
	if (status != DB_OK && !w->again)
		return fail(w, status);
	w->tx.steps = steps;
	if (w->again)
		return ERR_OK;
	if (idem_found(w->call, &w->tx))
		return idem_replay(w->call, &w->tx);
	return w->tx.then ? w->made : make_answer(w);
}

enum err
write_run(struct write *w, const struct answers *answers, void *what)
{
	bool     as_expected = false;
	enum err e = ERR_OK;

	w->answers = answers;
	w->what = what;
	if (answers->expect && w->call->idem.key.ptr
	    && ((e = run_expected(w, &as_expected)) != ERR_OK || as_expected))
		return e;
	if (answers->read)
		answers->read(w, what);
	for (int runs = 0; runs < RUNS_MAX; runs++)
		if ((e = run_once(w)) != ERR_OK || !w->again)
			return e;
	reply_forget(w->call);
	return call_fail(w->call, ERR_UNAVAILABLE, NULL,
	    "Another request changed the same data at the same moment. "
	    "Nothing was done; try again.");
}
