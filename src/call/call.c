/* One call of the API. */
#include "call/call.h"
#include "base/clock.h"
#include "base/limits.h"
#include "db/db.h"

#include <assert.h>
#include <stdio.h>

enum {
	RETRY_AFTER_S = 1,
	/* Who was refused for the same reason is asked to wait 1 to this many seconds. */
	SHARE_RETRY_MAX_S = 3,
};

enum err
call_fail(struct call *c, enum err code, const char *param, const char *message)
{
	c->problem.code = code;
	c->problem.param = param;
	c->problem.message = message;
	if (err_info(code)->status == 503)
		c->problem.retry_after_s = RETRY_AFTER_S;
	return code;
}

void
call_field(struct call *c, const char *field, const char *message)
{
	struct problem *p = &c->problem;

	if (!p->detail)
		p->detail = ARENA_NEW(c->arena, struct problem_detail, PROBLEM_DETAILS_MAX);
	if (p->details == PROBLEM_DETAILS_MAX)
		return;
	p->detail[p->details].field = field;
	p->detail[p->details].message = message;
	p->details++;
}

enum err
call_fields_done(struct call *c)
{
	const struct problem *p = &c->problem;

	if (p->details == 0)
		return ERR_OK;
	return call_fail(c, ERR_VALIDATION, p->detail[0].field,
	    arena_fmt(c->arena, "%s: %s", p->detail[0].field, p->detail[0].message).ptr);
}

struct str
call_source(struct call *c)
{
	bool             user = !id_is_nil(&c->tenant.user);
	const struct id *who = user ? &c->tenant.user : &c->tenant.key;
	struct str       is = user ? CALL_SOURCE_USER : STR("");
	char            *text, *end;

	if (c->source.ptr)
		return c->source;
	text = end
	    = ARENA_NEW(c->arena, char, is.len + ID_UUID_BYTES + 1 + c->facts->request_id.len);
	if (id_is_nil(who)) {
		end = str_put(end, c->site ? STR("page") : STR("command"));
	} else {
		end = str_put(end, is);
		id_uuid(who, end);
		end += ID_UUID_BYTES;
	}
	*end++ = ' ';
	end = str_put(end, c->facts->request_id);
	c->source = (struct str) { text, (size_t)(end - text) };
	return c->source;
}

/* ---- shares ---- */

static enum err
over_share(struct call *c)
{
	c->facts->over_share = true;
	c->problem.retry_after_s = 1 + clock_mono_us() % SHARE_RETRY_MAX_S;
	return call_fail(c, ERR_RATE_LIMITED, NULL,
	    "This environment has as many requests in hand as it may have while others wait. "
	    "Nothing was done; try again.");
}

enum err
call_takes_part(struct call *c)
{
	uint64_t tag = share_tag(&c->tenant.environment);

	db_tenant(c->db, tag);
	return !c->share || share_begin(c->share, c->req->hand, tag, clock_mono_ms())
	    ? ERR_OK : over_share(c);
}

/* ---- a transaction that failed ---- */

/*
 * The second sentence of its message: what is known of the outcome, and what the client can do.
 * An Idempotency-Key is suggested only where the route takes one: not every write does.
 */
static const char *
advice(const struct call *c, const struct tx *tx)
{
	if (tx->outcome == TX_UNDONE)
		return "Nothing was done; try again.";
	if (c->idem.key.ptr)
		return "Its outcome is unknown; try again with the same Idempotency-Key.";
	if (c->route && c->route->flags & ROUTE_WRITES)
		return "Its outcome is unknown; look before you repeat it. "
		       "With an Idempotency-Key it could be repeated safely.";
	return "Its outcome is unknown; look before you repeat it.";
}

static enum err
fail_advised(struct call *c, const struct tx *tx, enum err code, const char *what)
{
	return call_fail(c, code, NULL, arena_fmt(c->arena, "%s %s", what, advice(c, tx)).ptr);
}

static const struct constraint *
find_constraint(const struct call *c, const char *name)
{
	for (size_t i = 0; c->resource && i < c->resource->constraints_count; i++)
		if (strcmp(c->resource->constraints[i].name, name) == 0)
			return &c->resource->constraints[i];
	return NULL;
}

/* If there is a reason that can be named, why the transaction was undone; else ERR_OK. */
static enum err
undone(struct call *c, const struct tx *tx, enum db_status status)
{
	const struct constraint *broken = NULL;

	if (status == DB_UNIQUE)
		broken = find_constraint(c, tx->constraint);
	if (broken)
		return call_fail(c, broken->err, broken->param, broken->message);
	if ((status == DB_LOCKED || status == DB_TIMEOUT) && tx_failed_at(tx, SQL_MARK_TWIN))
		return call_fail(c, ERR_IDEM_IN_PROGRESS, "Idempotency-Key",
		    "A request with this idempotency key is still running.");
	if (status == DB_FAILED && tx_failed_at(tx, SQL_MARK_RECORD))
		return call_fail(c, ERR_IDEM_UNAVAILABLE, "Idempotency-Key",
		    "The idempotency record cannot be read or written. "
		    "Nothing was done; try again.");
	return ERR_OK;
}

enum err
call_db_failed(struct call *c, const struct tx *tx, enum db_status status)
{
	const char *gone = tx->outcome == TX_UNKNOWN
	    ? "The connection to the database was lost while the request ran."
	    : "The service is temporarily unavailable.";
	enum err    e;

	snprintf(c->problem.log, sizeof(c->problem.log), "%s%s", tx->log,
	    tx->outcome == TX_UNKNOWN ? "; outcome unknown" : "");
	if (tx->outcome == TX_UNDONE && tx->cut && status == DB_TIMEOUT)
		return over_share(c);
	if (tx->outcome == TX_UNDONE && (e = undone(c, tx, status)) != ERR_OK)
		return e;
	switch (status) {
	case DB_LOCKED:
		return fail_advised(c, tx, ERR_UNAVAILABLE,
		    "Another request holds what this one needs.");
	case DB_TIMEOUT:
		return fail_advised(c, tx, ERR_UNAVAILABLE, "The request took too long.");
	case DB_GONE:
		return fail_advised(c, tx, ERR_UNAVAILABLE, gone);
	case DB_OK:
	case DB_UNIQUE:
	case DB_FAILED:
		break;
	}
	/*
	 * A defect: trying again does not help. But when the outcome is unknown, the client has
	 * to find it out, and the advice says how.
	 */
	if (tx->outcome == TX_UNKNOWN)
		return fail_advised(c, tx, ERR_UNAVAILABLE, "Something went wrong on our side.");
	return call_fail(c, ERR_INTERNAL, NULL,
	    "Something went wrong on our side. Nothing was done.");
}

/* ---- reading ---- */

void
call_enter(struct call *c, struct tx *tx)
{
	assert(tx->steps == 0);
	bind_id(tx_step(tx, SQL_ENVIRONMENT_ENTER), &c->tenant.environment);
}

struct bind *
call_read(struct call *c, struct tx *tx, enum sql_id statement)
{
	struct bind *b;

	tx_init(tx, c->db, c->arena);
	tx->reads = true;
	call_enter(c, tx);
	b = tx_step(tx, statement);
	bind_id(b, &c->tenant.environment);
	return b;
}

enum err
call_read_run(struct call *c, struct tx *tx)
{
	enum db_status status = tx_run(tx);

	return status == DB_OK ? ERR_OK : call_db_failed(c, tx, status);
}

bool
call_parameter(struct call *c, const char *name, struct str *value)
{
	bool repeated;

	*value = query_find(&c->query, name, &repeated);
	if (repeated) {
		call_field(c, name, "must be given once");
		return false;
	}
	return true;
}
