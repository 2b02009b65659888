/* The calls of the test clock, and the resource's descriptor. The clerk does what they begin. */
#include "base/clock.h"
#include "call/stored.h"
#include "resource/test_clock/test_clock.h"

static enum err
check_sandbox(struct call *c)
{
	return c->tenant.livemode ? call_fail(c, ERR_SANDBOX_ONLY, NULL,
	    "A test clock is a sandbox's, and this call acts in a live environment.") : ERR_OK;
}

static enum err
get(struct call *c)
{
	struct tx tx;
	enum err  e = check_sandbox(c);

	if (e != ERR_OK)
		return e;
	(void)call_read(c, &tx, SQL_TEST_CLOCK_GET);
	return stored_get(c, &test_clock_fields, &tx, CLOCK_SHOWN);
}

/* ---- setting it forward ---- */

enum { STEP_ADVANCE, STEP_ADVANCED };

static enum err
read_target(struct call *c, struct test_clock *t)
{
	enum err e = field_read_body(c, &test_clock_fields, FIELD_CREATE, t);
	bool     days = t->given & 1u << MEMBER_DAYS;

	if (e != ERR_OK)
		return e;
	if (!days && !t->time.ptr)
		call_field(c, "advanceDays", "is required, or frozenTime");
	else if (days && t->time.ptr)
		call_field(c, "frozenTime", "must not be sent with advanceDays");
	else if (!days && !clock_read(t->time, &t->time_ms))
		call_field(c, "frozenTime", "must be a time of ISO 8601");
	return call_fields_done(c);
}

static enum err
explain_refusal(struct call *c, const struct row *row, const struct test_clock *t)
{
	bool back = t->time.ptr && t->time_ms <= row_time(row, COL_TEST_CLOCK_ADVANCE_NOW_AT);

	if (row_bool(row, COL_TEST_CLOCK_ADVANCE_OPEN))
		return call_fail(c, ERR_CONFLICT, "advanceDays", "The clock is being set forward "
		    "already. Wait until latestRun is completed or failed.");
	call_field(c, t->time.ptr ? "frozenTime" : "advanceDays", back
	    ? "must lie after the time of the clock, which goes forward only"
	    : arena_fmt(c->arena, "must be at most %d days ahead", TEST_CLOCK_DAYS_MAX).ptr);
	return call_fields_done(c);
}

static enum err
make_advanced(struct write *w, void *what)
{
	struct test_clock *t = what;
	struct row         row = write_row(w, STEP_ADVANCE, 0);

	if (!row_bool(&row, COL_TEST_CLOCK_ADVANCE_MADE))
		return explain_refusal(w->call, &row, t);
	return stored_returned(w, STEP_ADVANCED, 202, &test_clock_fields, CLOCK_ADVANCED);
}

static enum err
advance(struct call *c)
{
	static const struct answers answers = { .make = make_advanced };
	struct test_clock *t = ARENA_NEW(c->arena, struct test_clock, 1);
	struct write       w;
	struct bind       *b;
	enum err           e = check_sandbox(c);

	if (e != ERR_OK || (e = read_target(c, t)) != ERR_OK)
		return e;
	t->id = id_new();
	write_begin(&w, c);
	b = write_step(&w, SQL_TEST_CLOCK_ADVANCE);
	bind_id(b, &t->id);
	if (t->time.ptr)
		bind_time(b, t->time_ms);
	else
		bind_null(b);
	bind_i64(b, t->days);
	bind_i64(b, TEST_CLOCK_DAYS_MAX);
	(void)write_step(&w, SQL_TEST_CLOCK_GET);
	return write_run(&w, &answers, t);
}

/* ---- beginning anew ---- */

enum { STEP_HOLD, STEP_RESET, STEP_GET };

static enum err
make_reset(struct write *w, void *what UNUSED)
{
	return stored_returned(w, STEP_GET, 200, &test_clock_fields, CLOCK_SHOWN);
}

static enum err
reset(struct call *c)
{
	static const struct answers answers = { .make = make_reset };
	struct write w;
	enum err     e = check_sandbox(c);

	if (e != ERR_OK)
		return e;
	write_begin(&w, c);
	(void)write_step(&w, SQL_TEST_CLOCK_HOLD);
	(void)write_step(&w, SQL_TEST_CLOCK_RESET);
	(void)write_step(&w, SQL_TEST_CLOCK_GET);
	return write_run(&w, &answers, NULL);
}

/* ---- what earlier clients ask for after they have set it forward ---- */

enum { DUE_COUNTED, DUE_GONE };

static enum err
process_billing(struct call *c)
{
	static const struct field_view views[] = {
		{ V_2026_07_24, DUE_GONE },
		{ V_FIRST, DUE_COUNTED },
	};
	struct clock_due *due = ARENA_NEW(c->arena, struct clock_due, 1);
	struct tx         tx;
	struct row        row;
	enum err          e = check_sandbox(c);

	if (e != ERR_OK)
		return e;
	if (field_view(c, views) == DUE_GONE)
		return call_fail(c, ERR_DEPRECATED, NULL,
		    "POST /test-clock carries out all that is due on its way.");
	(void)call_read(c, &tx, SQL_TEST_CLOCK_DUE);
	if ((e = call_read_run(c, &tx)) != ERR_OK)
		return e;
	row = tx_row(&tx, READ_STEP, 0);
	due->customers = due->enqueued = row_i64(&row, COL_TEST_CLOCK_DUE_CUSTOMERS);
	due->dunning = row_i64(&row, COL_TEST_CLOCK_DUE_DUNNING);
	return field_reply(c, 200, &clock_due_fields, due, CLOCK_DUE);
}

/* ---- the descriptor ---- */

static const struct route routes[] = {
	{ METHOD_GET,  "test-clock",                 0,            V_2026_06_07, get },
	{ METHOD_POST, "test-clock",                 ROUTE_WRITES, V_2026_06_07, advance },
	{ METHOD_POST, "test-clock/process-billing", 0,            V_2026_06_07, process_billing },
	{ METHOD_POST, "test-clock/reset",           ROUTE_WRITES, V_2026_06_07, reset },
};

static const struct constraint constraints[] = {
	{ "test_clock_run_open", ERR_CONFLICT, "advanceDays",
	    "The clock is being set forward already. "
	    "Wait until latestRun is completed or failed." },
};

extern const struct resource test_clock_resource;
const struct resource test_clock_resource = {
	.name = "test_clock",
	.routes = routes,
	.routes_count = COUNTOF(routes),
	.constraints = constraints,
	.constraints_count = COUNTOF(constraints),
};
