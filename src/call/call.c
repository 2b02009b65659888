/* One call of the API. */
#include "call/call.h"
#include "base/limits.h"

#include <assert.h>
#include <stdio.h>

enum { RETRY_AFTER_S = 1 };

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

/* Steps in which there is nothing to wait for but another request with the same key. */
static bool
waits_for_twin(enum sql_id id)
{
	return id == SQL_ENVIRONMENT_ENTER_ALONE || id == SQL_CUSTOMER_SETTLE || id == SQL_IDEMPOTENCY_PUT;
}

enum err
call_db_failed(struct call *c, const struct tx *tx, enum db_status status)
{
	snprintf(c->problem.log, sizeof(c->problem.log), "%s", tx->log);
	if ((status == DB_LOCKED || status == DB_TIMEOUT) && waits_for_twin(tx->step[tx->failed].id))
		return call_fail(c, ERR_IDEM_IN_PROGRESS, "Idempotency-Key",
		    "A request with this idempotency key is still running.");
	switch (status) {
	case DB_LOCKED:
		return call_fail(c, ERR_UNAVAILABLE, NULL,
		    "Another request holds what this one needs. Nothing was done; try again.");
	case DB_TIMEOUT:
		return call_fail(c, ERR_UNAVAILABLE, NULL, "The request took too long. Nothing was done; try again.");
	case DB_GONE:
		return call_fail(c, ERR_UNAVAILABLE, NULL,
		    "The service is temporarily unavailable. Nothing was done; try again.");
	case DB_UNKNOWN:
		return call_fail(c, ERR_UNAVAILABLE, NULL,
		    "The connection was lost while the request ran, so its outcome is unknown; try again with "
		    "the same Idempotency-Key.");
	case DB_OK:
	case DB_UNIQUE:
	case DB_FAILED:
		break;
	}
	return call_fail(c, ERR_INTERNAL, NULL, "Something went wrong on our side. Nothing was done.");
}

void
call_enter(struct call *c, struct tx *tx)
{
	struct bind *b;

	assert(tx->steps == 0);
	if (!c->idem_key.ptr) {
		bind_id(tx_step(tx, SQL_ENVIRONMENT_ENTER), &c->tenant.environment);
		return;
	}
	/* The lock's number: a part of a hash, so that two keys never wait for each other but by a freak. */
	const struct str parts[] = { { (const char *)c->tenant.environment.b, ID_BYTES }, c->idem_key };
	unsigned char    hash[SHA256_BYTES];
	int64_t          number;

	hash_sha256_parts(parts, COUNTOF(parts), hash);
	memcpy(&number, hash, sizeof(number));
	b = tx_step(tx, SQL_ENVIRONMENT_ENTER_ALONE);
	bind_id(b, &c->tenant.environment);
	bind_i64(b, number);
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
