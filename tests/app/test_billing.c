/* Subscriptions, invoices and deadlines on the real database: whole lives, and what tenants see of each other. */
#include "app_test.h"
#include "base/clock.h"
#include "billing/advance.h"
#include "billing/money.h"
#include "billing/run.h"

#include <libpq-fe.h>

#define UNTIL INT64_C(4102444800000) /* 2100 */

static PGconn *conn; /* the superuser's: PGHOST and the like */

/* ---- what the tests say and ask as the superuser; "@" is the environment ---- */

static const char *
for_environment(enum tenant_name who, const char *sql)
{
	char        uuid[ID_UUID_BYTES + 1] = "";
	const char *text = sql, *at;

	id_uuid(&test_environment[who], uuid);
	while ((at = strchr(text, '@')))
		text = arena_fmt(&test_kept, "%.*s'%s'::uuid%s", (int)(at - text), text, uuid, at + 1).ptr;
	return text;
}

static const char *
ask(enum tenant_name who, const char *sql)
{
	PGresult   *res = PQexec(conn, for_environment(who, sql));
	const char *value = "";

	if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(conn));
	if (PQntuples(res) == 1)
		value = arena_str(&test_kept, str_of(PQgetvalue(res, 0, 0))).ptr;
	PQclear(res);
	return value;
}

#define EXPECT(who, value, sql) assert_string_equal(ask(who, sql), value)

/* ---- what they do ---- */

#define fmt(...) arena_fmt(&test_kept, __VA_ARGS__).ptr

static const char *
post(enum tenant_name who, const char *path, int status, const char *body_)
{
	struct str id;

	if (SEND(who, "POST", path, body_, .idem = fresh("key")) != status)
		fail_msg("POST %s %s: %.*s", path, body_, STR_ARGS(body()));
	id = at("id");
	return id.ptr ? arena_str(&test_kept, (struct str) { id.ptr + 1, id.len - 2 }).ptr : "";
}

static const char *
make_plan(enum tenant_name who, const char *interval, const char *price)
{
	static unsigned number;
	const char     *id = post(who, "/api/v1/plans", 201, fmt("{\"name\":\"Pro\",\"code\":\"billing_%u\"}", ++number));

	post(who, fmt("/api/v1/plans/%s/prices", id), 201, fmt("{\"billingInterval\":\"%s\",%s}", interval, price));
	return id;
}

static const char *
subscribe(enum tenant_name who, const char *plan, const char *zone)
{
	const char *customer = post(who, "/api/v1/customers", 201, fmt("{\"email\":\"a@b.co\",\"timezone\":\"%s\"}", zone));

	return post(who, "/api/v1/subscriptions", 201, fmt("{\"customerId\":\"%s\",\"planId\":\"%s\"}", customer, plan));
}

/* The environment bills by invoice, and its clock stands there; what it had is gone. */
static void
stand_at(enum tenant_name who, const char *time, const char *more)
{
	ask(who, "DELETE FROM subscription WHERE environment_id = @");
	ask(who, "DELETE FROM invoice_line WHERE environment_id = @");
	ask(who, "DELETE FROM invoice WHERE environment_id = @");
	ask(who, "DELETE FROM invoice_counter WHERE environment_id = @");
	ask(who, "DELETE FROM customer_credit WHERE environment_id = @");
	ask(who, "DELETE FROM event WHERE environment_id = @");
	ask(who, "DELETE FROM billing_failure WHERE environment_id = @");
	ask(who, "DELETE FROM billing_setting WHERE environment_id = @");
	ask(who, "INSERT INTO billing_setting (environment_id, collection) VALUES (@, 'invoice')");
	ask(who, fmt("UPDATE billing_setting SET test_clock = %s%s WHERE environment_id = @", time, more));
}

/* Carries out all that is due by then; returns how much that was. */
static unsigned
advance_until(enum tenant_name who, int64_t until_ms)
{
	struct advanced one;
	unsigned        count = 0;
	int64_t         last_ms = 0;
	enum advance    a;

	while ((a = billing_advance_until(test_serve, &test_environment[who], until_ms, &one)) == ADVANCE_DONE) {
		assert_true(one.due_ms >= last_ms); /* in order */
		assert_true(id_eq(&one.environment, &test_environment[who]));
		last_ms = one.due_ms;
		assert_true(++count < 10000);
	}
	if (a == ADVANCE_FAILED)
		fail_msg("%s", one.log);
	return count;
}

#define YEAR_MS (INT64_C(365) * DAY_MS)

/* ---- the lives ---- */

static void
a_year_of_months_is_renewed_and_billed_without_a_gap(void **state UNUSED)
{
	int64_t start_ms;

	stand_at(ACME_SANDBOX, "'2026-01-31 10:00Z'", ", net_days = 365");
	assert_true(clock_read(STR("2026-01-31T10:00:00Z"), &start_ms));
	subscribe(ACME_SANDBOX, make_plan(ACME_SANDBOX, "monthly", "\"price\":2900"), "Europe/Berlin");
	/* A notice and a renewal each month. */
	assert_int_equal(advance_until(ACME_SANDBOX, start_ms + YEAR_MS - 1), 12 + 11);
	EXPECT(ACME_SANDBOX, "01-31 10,02-28 10,03-31 09,04-30 09,05-31 09,06-30 09,07-31 09,08-31 09,09-30 09,10-31 10,11-30 10,12-31 10",
	    "SELECT string_agg(to_char(period_start AT TIME ZONE 'UTC', 'MM-DD HH24'), ',' ORDER BY number) FROM invoice WHERE environment_id = @");
	EXPECT(ACME_SANDBOX, "1,2,3,4,5,6,7,8,9,10,11,12",
	    "SELECT string_agg(number::text, ',' ORDER BY id) FROM invoice WHERE environment_id = @");
	/* Each period begins where the last one ended, and is billed at that time. */
	EXPECT(ACME_SANDBOX, "t", "SELECT bool_and(period_start = last_end OR last_end IS NULL) AND bool_and(issue_date = period_start) FROM"
	    " (SELECT *, lag(period_end) OVER (ORDER BY number) AS last_end FROM invoice WHERE environment_id = @) i");
	EXPECT(ACME_SANDBOX, "12", "SELECT count(*) FROM event e JOIN invoice i ON i.id = e.invoice_id AND i.issue_date = e.created_at"
	    " WHERE e.environment_id = @ AND e.type = 'invoice.created'");
	EXPECT(ACME_SANDBOX, "12", "SELECT count(*) FROM event WHERE environment_id = @ AND type = 'invoice.upcoming'");
}

static void
what_is_not_paid_is_past_due_and_then_over(void **state UNUSED)
{
	const char *id;

	stand_at(ACME_SANDBOX, "'2026-03-01 00:00Z'", "");
	id = subscribe(ACME_SANDBOX, make_plan(ACME_SANDBOX, "monthly", "\"price\":2900"), "UTC");
	/* Past due after 14 days, over after 7 more; nothing comes after that. */
	assert_int_equal(advance_until(ACME_SANDBOX, UNTIL), 2);
	EXPECT(ACME_SANDBOX, "canceled dunning_exhausted 2026-03-22",
	    "SELECT concat_ws(' ', status, cancel_reason, end_date::date) FROM subscription WHERE environment_id = @");
	EXPECT(ACME_SANDBOX, "uncollectible", "SELECT status FROM invoice WHERE environment_id = @");
	assert_int_equal(SEND(ACME_SANDBOX, "GET", fmt("/api/v1/subscriptions/%s", id), NULL), 200);
	assert_true(at_is("status", "\"canceled\"") && at_is("cancelAtPeriodEnd", "false"));
}

static void
a_trial_is_noticed_converted_and_billed(void **state UNUSED)
{
	const char *id;

	stand_at(ACME_SANDBOX, "'2026-03-01 00:00Z'", ", net_days = 30");
	id = subscribe(ACME_SANDBOX, make_plan(ACME_SANDBOX, "yearly", "\"price\":9900,\"trialDays\":14"), "Asia/Tokyo");
	assert_true(at_is("status", "\"trialing\"") && at_is("trialEndsAt", "\"2026-03-15T00:00:00.000Z\""));
	assert_int_equal(advance_until(ACME_SANDBOX, INT64_C(1773532800000)), 2); /* until 2026-03-15 */
	assert_int_equal(SEND(ACME_SANDBOX, "GET", fmt("/api/v1/subscriptions/%s", id), NULL), 200);
	assert_true(at_is("status", "\"active\"") && at_is("currentPeriod.end", "\"2027-03-15T00:00:00.000Z\""));
	EXPECT(ACME_SANDBOX, "trial.will_end,trial.converted",
	    "SELECT string_agg(type, ',' ORDER BY id) FROM event WHERE environment_id = @ AND type IN ('trial.will_end', 'trial.converted', 'trial.expired')");
	EXPECT(ACME_SANDBOX, "2026-04-14", "SELECT due_date::date FROM invoice WHERE environment_id = @");
}

static void
a_scheduled_cancellation_takes_effect_with_the_period(void **state UNUSED)
{
	const char *id;

	stand_at(ACME_SANDBOX, "'2026-03-01 00:00Z'", ", net_days = 90");
	id = subscribe(ACME_SANDBOX, make_plan(ACME_SANDBOX, "weekly", "\"price\":500"), "UTC");
	post(ACME_SANDBOX, fmt("/api/v1/subscriptions/%s/cancel", id), 200, "{}");
	assert_int_equal(advance_until(ACME_SANDBOX, UNTIL), 1);
	EXPECT(ACME_SANDBOX, "canceled 2026-03-08", "SELECT concat_ws(' ', status, end_date::date) FROM subscription WHERE environment_id = @");
	EXPECT(ACME_SANDBOX, "1 outstanding", "SELECT concat_ws(' ', count(*), min(status)) FROM invoice WHERE environment_id = @");
}

#define TOLD(parts) "SELECT string_agg(concat_ws(' ', type, " parts "), ', ' ORDER BY id) FROM event " \
	"WHERE environment_id = @ AND subscription_id IS NOT NULL AND type <> 'customer.state_changed'"

/* Who is told of it later, when it is another one, is told how it was. */
static void
an_event_keeps_how_the_subscription_was(void **state UNUSED)
{
	const char *id;

	stand_at(ACME_SANDBOX, "'2026-03-01 00:00Z'", "");
	id = subscribe(ACME_SANDBOX, make_plan(ACME_SANDBOX, "monthly", "\"price\":2900"), "UTC");
	post(ACME_SANDBOX, fmt("/api/v1/subscriptions/%s/cancel", id), 200, "{\"reason\":\"too \\\"dear\\\"\"}");
	post(ACME_SANDBOX, fmt("/api/v1/subscriptions/%s/uncancel", id), 200, "{}");
	advance_until(ACME_SANDBOX, UNTIL);
	EXPECT(ACME_SANDBOX,
	    "subscription.created active outstanding, invoice.created active outstanding, subscription.activated active outstanding, "
	    "subscription.updated active, subscription.cancellation_scheduled active, subscription.cancellation_revoked active, "
	    "invoice.overdue past_due, subscription.past_due past_due, subscription.canceled canceled uncollectible",
	    TOLD("state->>'status', state->>'invoiceStatus'"));
	EXPECT(ACME_SANDBOX, "too \"dear\" 2026-04-01T00:00:00+00:00 2026-04-01T00:00:00+00:00 2026-03-01T00:00:00+00:00",
	    "SELECT concat_ws(' ', state->>'cancelReason', state->>'cancelAt', state->>'endDate', state->>'cancelAskedAt') FROM event "
	    "WHERE environment_id = @ AND type = 'subscription.cancellation_scheduled'");
	EXPECT(ACME_SANDBOX, "9", "SELECT count(*) FROM event e JOIN plan_price r ON r.environment_id = e.environment_id WHERE e.environment_id = @ "
	    "AND e.type <> 'customer.state_changed' AND e.state->>'planId' = r.plan_id::text AND e.state->>'priceId' = r.id::text "
	    "AND e.state->>'billingInterval' = 'monthly' AND e.state->>'periodEnd' = '2026-04-01T00:00:00+00:00'");
	EXPECT(ACME_SANDBOX, "0", "SELECT count(*) FROM event WHERE environment_id = @ AND (state IS NULL) <> (subscription_id IS NULL)");
}

static void
a_draft_begins_on_its_date(void **state UNUSED)
{
	const char *plan, *customer, *id;

	stand_at(ACME_SANDBOX, "'2026-03-01 00:00Z'", ", net_days = 30");
	plan = make_plan(ACME_SANDBOX, "monthly", "\"price\":500");
	customer = post(ACME_SANDBOX, "/api/v1/customers", 201, "{\"email\":\"a@b.co\",\"timezone\":\"Australia/Sydney\"}");
	id = post(ACME_SANDBOX, "/api/v1/subscriptions", 201, fmt("{\"customerId\":\"%s\",\"planId\":\"%s\",\"startDate\":\"2026-03-31T20:00:00+00:00\"}", customer, plan));
	assert_true(at_is("status", "\"draft\"") && at_is("billingDayOfMonth", "1") && at_is("currentPeriod", "null"));
	EXPECT(ACME_SANDBOX, "0", "SELECT count(*) FROM invoice WHERE environment_id = @");
	assert_int_equal(advance_until(ACME_SANDBOX, INT64_C(1774987200000)), 1); /* until then */
	assert_int_equal(SEND(ACME_SANDBOX, "GET", fmt("/api/v1/subscriptions/%s", id), NULL), 200);
	assert_true(at_is("status", "\"active\"") && at_is("billingDayOfMonth", "1"));
	/* 1 April, 7 in the morning in Sydney; a month later summer is over there. */
	assert_true(at_is("currentPeriod.end", "\"2026-04-30T21:00:00.000Z\""));
}

/* Two processes do not take the same one. */
static void
what_somebody_else_has_locked_is_left_to_him(void **state UNUSED)
{
	struct advanced one;
	const char     *plan;

	stand_at(ACME_LIVE, "NULL", "");
	plan = make_plan(ACME_LIVE, "monthly", "\"price\":500");
	subscribe(ACME_LIVE, plan, "UTC");
	subscribe(ACME_LIVE, plan, "UTC");
	assert_int_equal(billing_advance(test_serve, 1, &one), ADVANCE_NOTHING);
	ask(ACME_LIVE, "UPDATE subscription SET due_at = now() - interval '1 hour' WHERE environment_id = @");
	ask(ACME_LIVE, "BEGIN");
	ask(ACME_LIVE, "SELECT FROM subscription WHERE environment_id = @ ORDER BY due_at LIMIT 1 FOR UPDATE");
	assert_int_equal(billing_advance(test_serve, 1, &one), ADVANCE_DONE);
	assert_string_equal(one.what, "past_due");
	assert_int_equal(billing_advance(test_serve, 1, &one), ADVANCE_NOTHING);
	ask(ACME_LIVE, "ROLLBACK");
	assert_int_equal(billing_advance(test_serve, 1, &one), ADVANCE_DONE);
	assert_int_equal(billing_advance(test_serve, 1, &one), ADVANCE_NOTHING);
	EXPECT(ACME_LIVE, "2", "SELECT count(*) FROM subscription WHERE environment_id = @ AND status = 'past_due'");
	/* An environment whose clock stands still is none of theirs. */
	ask(ACME_LIVE, "UPDATE subscription SET due_at = now() - interval '1 hour', clocked = true WHERE environment_id = @");
	assert_int_equal(billing_advance(test_serve, 1, &one), ADVANCE_NOTHING);
}

#define EACH_DUE "UPDATE subscription s SET due_what = 'renew', due_at = date_trunc('day', now()) - interval '2 days' + n.n * interval " \
	"'10 minutes' FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM subscription WHERE environment_id = @) n " \
	"WHERE s.environment_id = @ AND s.id = n.id"

/* Those of one environment that were due within an hour of the first, all or none; the others stay. */
static void
some_deadlines_share_a_commit(void **state UNUSED)
{
	struct advanced one;
	const char     *plan;

	stand_at(ACME_LIVE, "NULL", "");
	stand_at(OTHER_LIVE, "NULL", "");
	plan = make_plan(ACME_LIVE, "monthly", "\"price\":500");
	for (int i = 0; i < 9; i++)
		subscribe(ACME_LIVE, plan, "UTC");
	subscribe(OTHER_LIVE, make_plan(OTHER_LIVE, "monthly", "\"price\":500"), "UTC");
	ask(ACME_LIVE, EACH_DUE);
	ask(OTHER_LIVE, EACH_DUE);
	ask(OTHER_LIVE, "UPDATE subscription SET due_at = due_at + interval '1 minute' WHERE environment_id = @");
	/* What no row can be written for ends all of them. */
	ask(ACME_LIVE, "UPDATE subscription SET base_price = 9223372036854775807, name = 'broken', zone = 'Nowhere' "
	    "WHERE (environment_id, id) = (SELECT environment_id, id FROM subscription WHERE environment_id = @ ORDER BY due_at OFFSET 2 LIMIT 1)");
	assert_int_equal(billing_advance(test_serve, ADVANCE_MOST, &one), ADVANCE_FAILED);
	assert_int_equal(one.count, 7);
	EXPECT(ACME_LIVE, "9", "SELECT count(*) FROM invoice WHERE environment_id = @");
	ask(ACME_LIVE, "UPDATE subscription SET base_price = 500, zone = 'UTC', due_what = 'trial_end' WHERE environment_id = @ AND name = 'broken'");
	assert_int_equal(billing_advance(test_serve, ADVANCE_MOST, &one), ADVANCE_FAILED);
	assert_non_null(strstr(one.log, "trial_end is never due when it is active"));
	EXPECT(ACME_LIVE, "9", "SELECT count(*) FROM invoice WHERE environment_id = @");
	ask(ACME_LIVE, "UPDATE subscription SET due_what = 'renew' WHERE environment_id = @ AND name = 'broken'");
	assert_int_equal(billing_advance(test_serve, 3, &one), ADVANCE_DONE);
	assert_int_equal(one.count, 3);
	assert_true(id_eq(&one.environment, &test_environment[ACME_LIVE]));
	EXPECT(ACME_LIVE, "12", "SELECT count(*) FROM invoice WHERE environment_id = @");
	EXPECT(OTHER_LIVE, "1", "SELECT count(*) FROM invoice WHERE environment_id = @");
	assert_int_equal(billing_advance(test_serve, ADVANCE_MOST, &one), ADVANCE_DONE);
	assert_int_equal(one.count, 1); /* the other environment's, which was due before the fourth */
	assert_true(id_eq(&one.environment, &test_environment[OTHER_LIVE]));
	ask(ACME_LIVE, "UPDATE subscription SET due_at = due_at + interval '11 minutes' WHERE environment_id = @ AND "
	    "due_at = (SELECT max(due_at) FROM subscription WHERE environment_id = @ AND due_at < now())");
	assert_int_equal(billing_advance(test_serve, ADVANCE_MOST, &one), ADVANCE_DONE);
	assert_int_equal(one.count, 5); /* the last one was due more than an hour after the first */
	assert_int_equal(billing_advance(test_serve, ADVANCE_MOST, &one), ADVANCE_DONE);
	assert_int_equal(one.count, 1);
	assert_int_equal(billing_advance(test_serve, ADVANCE_MOST, &one), ADVANCE_NOTHING);
	/* Numbers and dates have one order. */
	EXPECT(ACME_LIVE, "9", "SELECT count(*) FROM (SELECT issue_date >= lag(issue_date) OVER (ORDER BY number) AS later FROM invoice "
	    "WHERE environment_id = @ AND period_index > 1) i WHERE coalesce(later, true)");
}

/* A session of the serving role that PostgreSQL works for: it waits for what conn has locked. */
static PGconn *
busy_session(const char *application)
{
	PGconn     *busy = PQconnectdb(getenv("CLIENTELE_TEST_SERVE_URL"));
	const char *there = arena_fmt(&test_kept, "SELECT count(*) FROM pg_stat_activity WHERE pid = %d AND state = 'active'",
	    PQbackendPID(busy)).ptr;

	PQclear(PQexec(busy, arena_fmt(&test_kept, "SET application_name = '%s'", application).ptr));
	assert_true(PQsendQuery(busy, "SELECT pg_advisory_xact_lock(20261126)"));
	while (strcmp(ask(ACME_LIVE, there), "1") != 0)
		;
	return busy;
}

/* Two clerks that gave way to each other would do together what one does. */
static void
a_clerk_gives_way_to_requests_and_not_to_other_clerks(void **state UNUSED)
{
	static const struct {
		const char *application;
		int64_t     others;
	} sessions[] = { { "clientele clerk", 0 }, { "clientele", 1 }, { "clientele", 2 }, { "clientele clerk", 4 } };
	PGconn         *busy[COUNTOF(sessions)];
	struct advanced one;
	const char     *plan;

	stand_at(ACME_LIVE, "NULL", "");
	plan = make_plan(ACME_LIVE, "monthly", "\"price\":500");
	for (size_t i = 0; i < COUNTOF(sessions); i++)
		subscribe(ACME_LIVE, plan, "UTC");
	ask(ACME_LIVE, EACH_DUE);
	ask(ACME_LIVE, "SELECT pg_advisory_lock(20261126)");
	for (size_t i = 0; i < COUNTOF(sessions); i++) {
		busy[i] = busy_session(sessions[i].application);
		assert_int_equal(billing_advance(test_serve, 1, &one), ADVANCE_DONE);
		assert_int_equal(one.others, sessions[i].others);
	}
	ask(ACME_LIVE, "SELECT pg_advisory_unlock(20261126)");
	for (size_t i = 0; i < COUNTOF(sessions); i++)
		PQfinish(busy[i]);
}

static void
nobody_but_a_clerk_sees_other_environments_and_nobody_writes_there(void **state UNUSED)
{
	struct tx tx;

	stand_at(OTHER_LIVE, "NULL", "");
	subscribe(OTHER_LIVE, make_plan(OTHER_LIVE, "monthly", "\"price\":500"), "UTC");
	ask(OTHER_LIVE, "UPDATE subscription SET due_at = now() - interval '1 hour' WHERE environment_id = @");
	for (int enters = 0; enters < 2; enters++) {
		tx_init(&tx, test_serve, &test_kept);
		tx.reads = true;
		(void)tx_step(&tx, enters ? SQL_BILLING_ENTER : SQL_SCHEMA_VERSION);
		bind_i64(tx_step(&tx, SQL_BILLING_CLAIM), 1);
		assert_int_equal(tx_run(&tx), DB_OK);
		assert_int_equal(tx_rows(&tx, 1), enters);
	}
}

/* So that a long one does not hold up the others. */
static void
runs_of_test_clocks_take_turns(void **state UNUSED)
{
	static const enum tenant_name who[] = { ACME_SANDBOX, OTHER_LIVE };
	struct advanced               one;

	for (size_t i = 0; i < COUNTOF(who); i++) {
		stand_at(who[i], "'2026-01-31Z'", ", net_days = 365");
		subscribe(who[i], make_plan(who[i], "monthly", "\"price\":500"), "UTC");
		ask(who[i], "INSERT INTO test_clock_run (environment_id, id, started_at, target_at, estimated) "
		    "SELECT @, gen_random_uuid(), '2026-01-31Z', '2026-12-31Z', 1");
	}
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(billing_run(test_serve, &one), ADVANCE_DONE);
		assert_true(one.due_ms && id_eq(&one.environment, &test_environment[who[i % COUNTOF(who)]]));
	}
	/* Also when one cannot go on. */
	ask(ACME_SANDBOX, "BEGIN");
	ask(ACME_SANDBOX, "SELECT FROM subscription WHERE environment_id = @ FOR UPDATE");
	assert_int_equal(billing_run(test_serve, &one), ADVANCE_FAILED);
	assert_int_equal(billing_run(test_serve, &one), ADVANCE_DONE);
	assert_true(id_eq(&one.environment, &test_environment[OTHER_LIVE]));
	ask(ACME_SANDBOX, "ROLLBACK");
	for (size_t i = 0; i < COUNTOF(who); i++) {
		EXPECT(who[i], i ? "4" : "3", "SELECT completed FROM test_clock_run WHERE environment_id = @");
		ask(who[i], "DELETE FROM test_clock_item WHERE environment_id = @");
		ask(who[i], "DELETE FROM test_clock_run WHERE environment_id = @");
	}
}

/* ---- changes that come while something is due ---- */

/* What there is of subscriptions, but for what is random in it. */
static const char *
outcome(enum tenant_name who)
{
	return ask(who, "SELECT concat_ws(E'\n', (SELECT string_agg(concat_ws(' ', status, step, base_price, period_index, period_start, period_end, cancel_at,"
	    " cancel_reason, next_kind, next_at, due_at, due_what), E'\n' ORDER BY id) FROM subscription WHERE environment_id = @),"
	    " (SELECT string_agg(concat_ws(' ', number, status, invoice_type, subtotal, credit_applied, period_index, period_start, issue_date), E'\n' ORDER BY number)"
	    " FROM invoice WHERE environment_id = @), (SELECT string_agg(concat_ws(' ', type, created_at), E'\n' ORDER BY id) FROM event"
	    " WHERE environment_id = @ AND subscription_id IS NOT NULL), (SELECT balance FROM customer_credit WHERE environment_id = @))");
}

/*
 * A subscription begins on 2026-01-31 at 10; 'before' is asked for, then the clock stands at 'now', and this is asked for.
 * In paths and bodies '#' is the subscription, '$' its first invoice, '+' its customer and '!' a dearer plan of its group.
 */
static const struct late {
	const char *name, *price, *settings, *before, *now, *method, *path, *body;
	int         status;
	unsigned    due; /* deadlines that come first */
} lates[] = {
#define MONTHLY "\"price\":3000"
#define CANCEL  "/api/v1/subscriptions/#/cancel"
#define STATUS  "/api/v1/invoices/$/status"
	{ "cancel", MONTHLY, "net_days = 90", NULL, "'2026-04-10Z'", "POST", CANCEL, "{}", 200, 4 },
	{ "cancel at once", MONTHLY, "net_days = 90", NULL, "'2026-04-10Z'", "POST", CANCEL, "{\"immediate\":true}", 200, 4 },
	{ "cancel again", MONTHLY, "net_days = 90", CANCEL, "'2026-04-10Z'", "POST", CANCEL, "{}", 409, 1 },
	{ "uncancel", MONTHLY, "net_days = 90", CANCEL, "'2026-04-10Z'", "POST", "/api/v1/subscriptions/#/uncancel", "{}", 409, 1 },
	{ "change", MONTHLY, "net_days = 90", NULL, "'2026-04-10Z'", "POST", "/api/v1/subscriptions/#/change-plan", "{\"newPlanId\":\"!\"}", 200, 4 },
	{ "preview", MONTHLY, "net_days = 90", NULL, "'2026-04-10Z'", "POST", "/api/v1/subscriptions/#/preview-change", "{\"planId\":\"!\"}", 200, 4 },
	{ "pay what is overdue", MONTHLY, "net_days = 14", NULL, "'2026-02-20Z'", "PUT", STATUS, "{\"status\":\"paid\"}", 200, 1 },
	{ "pay too late", MONTHLY, "net_days = 14", NULL, "'2026-03-20Z'", "PUT", STATUS, "{\"status\":\"paid\"}", 409, 2 },
	{ "forgive", MONTHLY, "net_days = 14", NULL, "'2026-02-20Z'", "PUT", STATUS, "{\"status\":\"void\"}", 200, 1 },
	{ "the end of a trial", MONTHLY ",\"trialDays\":14", "net_days = 90", NULL, "'2026-03-20Z'", "POST", CANCEL, "{}", 200, 4 },
	{ "create again", MONTHLY, "net_days = 90", CANCEL, "'2026-04-10Z'", "POST", "/api/v1/subscriptions",
	    "{\"customerId\":\"+\",\"planId\":\"!\"}", 201, 1 },
};

static const char *
filled(const char *template, const char *const values[4])
{
	static const char places[] = "#$+!";
	const char       *at;

	while ((at = template ? strpbrk(template, places) : NULL))
		template = fmt("%.*s%s%s", (int)(at - template), template, values[strchr(places, *at) - places], at + 1);
	return template;
}

static const char *
send_late(const struct late *c, const char *const values[4], bool keyed)
{
	int status = SEND(ACME_SANDBOX, c->method, filled(c->path, values), filled(c->body, values), .idem = keyed ? fresh("key") : NULL);

	if (status != c->status)
		fail_msg("%s: %d %.*s", c->name, status, STR_ARGS(body()));
	return outcome(ACME_SANDBOX);
}

/* Two plans of one group; then a subscription to the first, on 2026-01-31. */
static void
begin_late(const struct late *c, const char *values[4])
{
	const char *plan, *group;
	struct str  customer;

	stand_at(ACME_SANDBOX, "'2026-01-31 10:00Z'", fmt(", %s", c->settings));
	plan = make_plan(ACME_SANDBOX, "monthly", c->price);
	values[3] = make_plan(ACME_SANDBOX, "monthly", "\"price\":9000");
	group = post(ACME_SANDBOX, "/api/v1/plan-groups", 201, "{\"name\":\"g\"}");
	post(ACME_SANDBOX, fmt("/api/v1/plan-groups/%s/plans", group), 200, fmt("{\"planId\":\"%s\",\"sortOrder\":1}", plan));
	post(ACME_SANDBOX, fmt("/api/v1/plan-groups/%s/plans", group), 200, fmt("{\"planId\":\"%s\",\"sortOrder\":2}", values[3]));
	values[0] = subscribe(ACME_SANDBOX, plan, "UTC");
	customer = at("customerId");
	values[2] = arena_str(&test_kept, (struct str) { customer.ptr + 1, customer.len - 2 }).ptr;
	SEND(ACME_SANDBOX, "GET", "/api/v1/invoices?limit=1", NULL);
	customer = at("data.0.id");
	values[1] = customer.ptr ? arena_str(&test_kept, (struct str) { customer.ptr + 1, customer.len - 2 }).ptr : "";
	if (c->before)
		post(ACME_SANDBOX, filled(c->before, values), 200, "{}");
	ask(ACME_SANDBOX, fmt("UPDATE billing_setting SET test_clock = %s WHERE environment_id = @", c->now));
}

static void
a_change_comes_after_all_that_was_due_before_it(void **state UNUSED)
{
	const char *values[4], *in_time, *late;
	int64_t     now_ms;

	for (size_t i = 0; i < COUNTOF(lates); i++) {
		begin_late(&lates[i], values);
		assert_true(str_to_i64(str_of(ask(ACME_SANDBOX, fmt("SELECT extract(epoch FROM %s::timestamptz)::bigint * 1000", lates[i].now))), 0, UNTIL, &now_ms));
		assert_int_equal(advance_until(ACME_SANDBOX, now_ms), lates[i].due);
		in_time = send_late(&lates[i], values, true);
		for (int keyed = 0; keyed < 2; keyed++) {
			begin_late(&lates[i], values);
			late = send_late(&lates[i], values, keyed);
			if (strcmp(in_time, late) != 0)
				fail_msg("%s: in time\n%s\nlate\n%s", lates[i].name, in_time, late);
		}
	}
}

/* ---- money that changes move */

/* The same, and the first invoice is paid. */
static void
begin_paid(const char *settings, const char *values[4])
{
	const struct late paid = { .price = MONTHLY, .settings = settings, .now = "'2026-01-31 10:00Z'" };

	begin_late(&paid, values);
	assert_int_equal(SEND(ACME_SANDBOX, "PUT", filled(STATUS, values), "{\"status\":\"paid\"}", .idem = fresh("key")), 200);
}

static void
change_plan(const char *const values[4], const char *body_)
{
	post(ACME_SANDBOX, filled("/api/v1/subscriptions/#/change-plan", values), 200, filled(body_, values));
}

static void
a_quote_holds_its_price_until_it_is_paid(void **state UNUSED)
{
	const char *values[4], *quoted;
	struct str  id;

	begin_paid("collection = 'checkout'", values);
	change_plan(values, "{\"newPlanId\":\"!\"}");
	id = at("invoiceId");
	quoted = arena_str(&test_kept, (struct str) { id.ptr + 1, id.len - 2 }).ptr;
	ask(ACME_SANDBOX, "UPDATE plan_price SET price = 12000 WHERE environment_id = @ AND price = 9000");
	assert_int_equal(SEND(ACME_SANDBOX, "PUT", fmt("/api/v1/invoices/%s/status", quoted), "{\"status\":\"paid\"}", .idem = fresh("key")), 200);
	EXPECT(ACME_SANDBOX, "active 9000", "SELECT concat_ws(' ', status, base_price) FROM subscription WHERE environment_id = @");
}

static void
what_a_change_took_over_is_not_lost_with_the_next_one(void **state UNUSED)
{
	const char *values[4];

	begin_paid("collection = 'invoice'", values);
	post(ACME_SANDBOX, filled("/api/v1/plans/!/prices", values), 201, "{\"billingInterval\":\"yearly\",\"price\":50000}");
	change_plan(values, "{\"newPlanId\":\"!\"}");
	change_plan(values, "{\"newBillingInterval\":\"yearly\"}");
	EXPECT(ACME_SANDBOX, "3000 6000 47000", "SELECT string_agg(subtotal::text, ' ' ORDER BY number) FROM invoice WHERE environment_id = @");
}

/* The second invoice is lowered by what the first one gives back. */
static void
a_selection_that_replaces_another_one_has_its_credit(void **state UNUSED)
{
	static const struct late chosen = { .price = MONTHLY, .settings = "collection = 'checkout'", .now = "'2026-01-31 10:00Z'" };
	const char              *values[4];

	begin_late(&chosen, values);
	post(ACME_SANDBOX, filled(CANCEL, values), 200, "{}");
	ask(ACME_SANDBOX, "INSERT INTO customer_credit SELECT @, customer_id, 1000 FROM subscription WHERE environment_id = @");
	post(ACME_SANDBOX, "/api/v1/subscriptions", 201, filled("{\"customerId\":\"+\",\"planId\":\"!\"}", values));
	post(ACME_SANDBOX, "/api/v1/subscriptions", 201, fmt("{\"customerId\":\"%s\",\"planId\":\"%s\"}", values[2],
	    make_plan(ACME_SANDBOX, "weekly", "\"price\":1700")));
	EXPECT(ACME_SANDBOX, "void 0, void 1000, outstanding 1000",
	    "SELECT string_agg(concat_ws(' ', status, credit_applied), ', ' ORDER BY number) FROM invoice WHERE environment_id = @");
	EXPECT(ACME_SANDBOX, "0", "SELECT balance FROM customer_credit WHERE environment_id = @");
}

/* Whoever made it void: a call, a change of plan, a cancellation, another selection, an erasure. */
static void
every_invoice_that_becomes_void_is_told_once(void **state UNUSED)
{
	const char *values[4];

	begin_paid("collection = 'checkout'", values);
	change_plan(values, "{\"newPlanId\":\"!\"}");
	post(ACME_SANDBOX, filled(CANCEL, values), 200, "{}");
	post(ACME_SANDBOX, filled("/api/v1/subscriptions/#/uncancel", values), 200, "{}");
	change_plan(values, "{\"newPlanId\":\"!\"}");
	post(ACME_SANDBOX, filled(CANCEL, values), 200, "{\"immediate\":true}");
	post(ACME_SANDBOX, "/api/v1/subscriptions", 201, filled("{\"customerId\":\"+\",\"planId\":\"!\"}", values));
	post(ACME_SANDBOX, "/api/v1/subscriptions", 201, fmt("{\"customerId\":\"%s\",\"planId\":\"%s\"}", values[2],
	    make_plan(ACME_SANDBOX, "weekly", "\"price\":700")));
	EXPECT(ACME_SANDBOX, "paid, void, void, void, outstanding",
	    "SELECT string_agg(status, ', ' ORDER BY number) FROM invoice WHERE environment_id = @");
	assert_int_equal(SEND(ACME_SANDBOX, "DELETE", fmt("/api/v1/customers/%s", values[2]), NULL, .idem = fresh("key")), 200);
	EXPECT(ACME_SANDBOX, "0 1 1 1 1", "SELECT string_agg((SELECT count(*) FROM event e WHERE e.environment_id = @ AND e.invoice_id = i.id "
	    "AND e.type = 'invoice.voided')::text, ' ' ORDER BY number) FROM invoice i WHERE environment_id = @");
}

/* An invoice of the second period of all subscriptions is there already, as after a restore that went wrong. */
static void
spoil(enum tenant_name who)
{
	ask(who, "INSERT INTO invoice SELECT (json_populate_record(i, json_build_object('id', gen_random_uuid(), 'number', number + 900, 'token', gen_random_uuid(),"
	    " 'period_index', 2))).* FROM invoice i WHERE environment_id = @");
}

static void
a_change_is_not_done_when_what_was_due_before_it_fails(void **state UNUSED)
{
	const char *values[4], *before;

	begin_late(&lates[0], values);
	spoil(ACME_SANDBOX);
	assert_int_equal(advance_until(ACME_SANDBOX, INT64_C(1772150400000)), 1); /* until 2026-02-27: its notice */
	before = outcome(ACME_SANDBOX);
	assert_int_equal(SEND(ACME_SANDBOX, "POST", filled(CANCEL, values), "{}", .idem = "spoiled"), 503);
	assert_true(at_is("code", "\"service_unavailable\""));
	assert_string_equal(outcome(ACME_SANDBOX), before);
	ask(ACME_SANDBOX, "DELETE FROM invoice WHERE environment_id = @ AND number > 900");
	assert_int_equal(SEND(ACME_SANDBOX, "POST", filled(CANCEL, values), "{}", .idem = "spoiled"), 200);
}

/* One request does not wait for all of them, but it carries out its part. */
static void
five_years_are_caught_up_with_by_several_requests(void **state UNUSED)
{
	const char *values[4];
	int         tries = 0, status;

	begin_late(&lates[0], values);
	ask(ACME_SANDBOX, "UPDATE billing_setting SET test_clock = '2026-01-31 10:00Z' WHERE environment_id = @");
	values[0] = subscribe(ACME_SANDBOX, make_plan(ACME_SANDBOX, "weekly", "\"price\":0"), "UTC");
	ask(ACME_SANDBOX, "UPDATE billing_setting SET test_clock = '2031-01-31 12:00Z' WHERE environment_id = @");
	while ((status = SEND(ACME_SANDBOX, "POST", filled(CANCEL, values), "{}", .idem = "late")) == 503)
		tries++;
	assert_int_equal(status, 200);
	assert_int_equal(tries, 2);
	EXPECT(ACME_SANDBOX, "261 261", "SELECT concat_ws(' ', count(*), max(period_index)) FROM invoice WHERE environment_id = @ AND total = 0");
	assert_true(at_is("cancellation.effectiveAt", "\"2031-02-01T10:00:00.000Z\""));
}

/* ---- deadlines that fail ---- */

static const struct impossible {
	const char *made, *mended, *log;
} impossibles[] = {
	{ "UPDATE subscription SET due_what = 'trial_end' WHERE id = '#'", "UPDATE subscription SET due_what = 'renew' WHERE id = '#'",
	    "trial_end is never due when it is active" },
	{ "UPDATE subscription SET plan_id = environment_id WHERE id = '#'",
	    "UPDATE subscription s SET plan_id = i.plan_id FROM invoice i WHERE i.subscription_id = s.id AND s.id = '#'", "its plan or customer is gone" },
	{ "UPDATE subscription SET period_index = 1 << 30 WHERE id = '#'", "UPDATE subscription SET period_index = 1 WHERE id = '#'", "22008" },
	{ "INSERT INTO invoice SELECT (json_populate_record(i, json_build_object('id', gen_random_uuid(), 'number', number * 900, 'token', 'bad', 'period_index', 2))).*"
	    " FROM invoice i WHERE subscription_id = '#'", "DELETE FROM invoice WHERE token = 'bad' AND subscription_id = '#'", "23505" },
};

static void
one_that_cannot_be_carried_out_is_set_aside_and_the_others_go_on(void **state UNUSED)
{
	struct advanced one;
	const char     *plan;
	int64_t         tries, count, since_ms;

	while (billing_advance(test_serve, 1, &one) == ADVANCE_DONE)
		continue; /* what others have left */
	for (size_t i = 0; i < COUNTOF(impossibles); i++) {
		const char *values[4] = { NULL };

		stand_at(ACME_LIVE, "NULL", ", net_days = 90");
		plan = make_plan(ACME_LIVE, "monthly", "\"price\":500");
		subscribe(ACME_LIVE, plan, "UTC");
		subscribe(ACME_LIVE, plan, "UTC");
		ask(ACME_LIVE, "UPDATE subscription SET due_at = now() - interval '1 hour', due_what = 'renew', noticed = true WHERE environment_id = @");
		values[0] = ask(ACME_LIVE, "SELECT id FROM subscription WHERE environment_id = @ ORDER BY id LIMIT 1");
		ask(ACME_LIVE, filled("UPDATE subscription SET due_at = now() - interval '2 hours' WHERE id = '#'", values));
		ask(ACME_LIVE, filled(impossibles[i].made, values));
		assert_int_equal(billing_advance(test_serve, 1, &one), ADVANCE_FAILED);
		if (!strstr(one.log, impossibles[i].log))
			fail_msg("%s", one.log);
		assert_true(one.due_ms > 0 && id_eq(&one.environment, &test_environment[ACME_LIVE]));
		assert_true(billing_set_aside(test_serve, &one, &tries));
		assert_int_equal(tries, 1);
		assert_int_equal(billing_advance(test_serve, 1, &one), ADVANCE_DONE);
		assert_int_equal(billing_advance(test_serve, 1, &one), ADVANCE_NOTHING);
		assert_true(billing_count_aside(test_serve, &count, &since_ms));
		assert_int_equal(count, 1);
		assert_in_range(clock_wall_ms() - since_ms, 7200 * 1000, 7300 * 1000);
		/* Its time comes again, and each time it waits longer. */
		ask(ACME_LIVE, "UPDATE billing_failure SET try_at = now() - interval '1 second' WHERE environment_id = @");
		assert_int_equal(billing_advance(test_serve, 1, &one), ADVANCE_FAILED);
		assert_true(billing_set_aside(test_serve, &one, &tries));
		assert_int_equal(tries, 2);
		EXPECT(ACME_LIVE, "4", "SELECT round(extract(epoch FROM try_at - now())) FROM billing_failure WHERE environment_id = @");
		ask(ACME_LIVE, filled(impossibles[i].mended, values));
		assert_int_equal(billing_advance(test_serve, 1, &one), ADVANCE_NOTHING);
		ask(ACME_LIVE, "UPDATE billing_failure SET try_at = now() - interval '1 second' WHERE environment_id = @");
		assert_int_equal(billing_advance(test_serve, 1, &one), ADVANCE_DONE);
		EXPECT(ACME_LIVE, "0", "SELECT count(*) FROM billing_failure WHERE environment_id = @");
		EXPECT(ACME_LIVE, "2,2", "SELECT string_agg(period_index::text, ',') FROM subscription WHERE environment_id = @");
		assert_true(billing_count_aside(test_serve, &count, &since_ms));
		assert_true(count == 0 && since_ms == 0);
	}
}

/* A failure is of one deadline: another one of the same subscription is not held up by it. */
static void
what_was_set_aside_and_is_not_due_any_more_holds_nothing_up(void **state UNUSED)
{
	struct advanced one;
	int64_t         tries, count, since_ms;

	stand_at(ACME_LIVE, "NULL", ", net_days = 90");
	subscribe(ACME_LIVE, make_plan(ACME_LIVE, "monthly", "\"price\":500"), "UTC");
	ask(ACME_LIVE, "UPDATE subscription SET due_at = now() - interval '2 hours', due_what = 'trial_end' WHERE environment_id = @");
	assert_int_equal(billing_advance(test_serve, 1, &one), ADVANCE_FAILED);
	for (int64_t n = 1; n < 15; n++)
		assert_true(billing_set_aside(test_serve, &one, &tries) && tries == n);
	EXPECT(ACME_LIVE, "3600", "SELECT round(extract(epoch FROM try_at - now())) FROM billing_failure WHERE environment_id = @");
	ask(ACME_LIVE, "UPDATE subscription SET due_at = now() - interval '1 hour', due_what = 'renew' WHERE environment_id = @");
	assert_true(billing_count_aside(test_serve, &count, &since_ms) && count == 0);
	assert_int_equal(billing_advance(test_serve, 1, &one), ADVANCE_DONE);
	EXPECT(ACME_LIVE, "0", "SELECT count(*) FROM billing_failure WHERE environment_id = @");
}

/* As where a subscription is replaced: the one statement writes both. */
static void
a_statement_may_stand_twice_in_a_transaction_of_a_new_connection(void **state UNUSED)
{
	struct db *db = db_new(&test_conf, DB_SERVE);
	struct tx  tx;

	tx_init(&tx, db, &test_kept);
	(void)tx_step(&tx, SQL_SCHEMA_VERSION);
	(void)tx_step(&tx, SQL_SCHEMA_VERSION);
	assert_int_equal(tx_run(&tx), DB_OK);
	assert_int_equal(tx_rows(&tx, 1), 1);
	db_free(db);
}

/* ---- statements across environments ---- */

static struct id  subscription, invoice, owner;
static struct str token;

static void
bind_all(struct bind *b, const char *letters)
{
	static struct id high;

	memset(high.b, 0xFF, ID_BYTES);
	for (const char *p = letters; *p; p++)
		switch (*p) {
		case 'e': bind_id(b, &test_environment[OTHER_LIVE]); break;
		case 'i': bind_id(b, &invoice); break;
		case 's': bind_id(b, &subscription); break;
		case 'c': bind_id(b, &owner); break;
		case 'm': bind_id(b, &high); break;
		case '9': bind_i64(b, 9); break;
		case 'o': bind_text(b, STR("outstanding")); break;
		case 't': bind_text(b, token); break;
		case 'a': bind_text(b, STR("active")); break;
		case 'x': bind_text(b, STR("own")); break;
		default: bind_null(b);
		}
}

static void
what_an_invoice_is_found_by_finds_none_of_another_environment(void **state UNUSED)
{
	static const struct {
		enum sql_id id;
		const char *letters;
	} cases[] = {
		{ SQL_INVOICE_GET, "ei" }, { SQL_INVOICE_OUTSTANDING, "ei" }, { SQL_INVOICE_LIST, "em9" },
		{ SQL_INVOICE_LIST_STATUS, "em9o" }, { SQL_INVOICE_LIST_CUSTOMER, "em9ocn" }, { SQL_INVOICE_LIST_SUBSCRIPTION, "em9nnns" },
		{ SQL_BILLING_LOCK_OF, "ei" }, { SQL_BILLING_LOOK, "eni" }, { SQL_SUBSCRIPTION_LIST_STATUS, "em9a" },
		{ SQL_SITE_INVOICE, "et" }, { SQL_SITE_CHECKOUT, "ett" },
		{ SQL_SUBSCRIPTION_ACTIVE, "ex" }, { SQL_SUBSCRIPTION_ACTIVE_EITHER, "ecn" },
	};
	struct str id;

	stand_at(OTHER_LIVE, "NULL", "");
	assert_true(id_parse(STR("sub_"), str_of(subscribe(OTHER_LIVE, make_plan(OTHER_LIVE, "monthly", "\"price\":500"), "UTC")), &subscription));
	id = at("customerId");
	assert_true(id_parse(STR("cus_"), (struct str) { id.ptr + 1, id.len - 2 }, &owner));
	assert_true(id_parse_uuid(str_of(ask(OTHER_LIVE, "SELECT id FROM invoice WHERE environment_id = @")), &invoice));
	token = arena_str(&test_kept, str_of(ask(OTHER_LIVE, "SELECT token FROM invoice WHERE environment_id = @")));
	ask(OTHER_LIVE, "UPDATE customer c SET external_id = 'own' FROM subscription s WHERE c.environment_id = @"
	    " AND s.environment_id = c.environment_id AND s.customer_id = c.id");
	for (size_t i = 0; i < COUNTOF(cases); i++)
		for (int inside = 0; inside < 2; inside++) {
			struct tx tx;

			tx_init(&tx, test_serve, &test_kept);
			bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &test_environment[inside ? OTHER_LIVE : ACME_LIVE]);
			bind_all(tx_step(&tx, cases[i].id), cases[i].letters);
			assert_int_equal(tx_run(&tx), DB_OK);
			if (tx_rows(&tx, 1) != (size_t)inside)
				fail_msg("%s: %zu rows", sql_catalogue[cases[i].id].name, tx_rows(&tx, 1));
		}
}

static void
what_is_behind_is_claimed_and_what_failed_forgotten_in_its_own_environment_alone(void **state UNUSED)
{
	struct advanced one;
	int64_t         tries;

	stand_at(OTHER_LIVE, "NULL", "");
	assert_true(id_parse(STR("sub_"), str_of(subscribe(OTHER_LIVE, make_plan(OTHER_LIVE, "monthly", "\"price\":500"), "UTC")), &subscription));
	ask(OTHER_LIVE, "UPDATE subscription SET due_at = now() - interval '1 hour', due_what = 'trial_end' WHERE environment_id = @");
	assert_int_equal(billing_advance(test_serve, 1, &one), ADVANCE_FAILED);
	assert_true(billing_set_aside(test_serve, &one, &tries));
	for (int inside = 0; inside < 2; inside++) {
		struct tx tx;

		tx_init(&tx, test_serve, &test_kept);
		bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &test_environment[inside ? OTHER_LIVE : ACME_LIVE]);
		bind_all(tx_step(&tx, SQL_BILLING_RECOVERED), "es");
		bind_all(tx_step(&tx, SQL_BILLING_CLAIM_ONE), "es");
		assert_int_equal(tx_run(&tx), DB_OK);
		assert_int_equal(tx_affected(&tx, 1), inside);
		assert_int_equal(tx_rows(&tx, 2), inside);
	}
}

static void
a_live_one_is_found_by_the_customer_who_was_locked(void **state UNUSED)
{
	for (int inside = 0; inside < 2; inside++) {
		struct tx    tx;
		struct bind *b;
		struct row   row;

		tx_init(&tx, test_serve, &test_kept);
		bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &test_environment[inside ? OTHER_LIVE : ACME_LIVE]);
		b = tx_step(&tx, SQL_BILLING_ORDER);
		bind_all(b, "ecnnnnnn");
		bind_all(tx_step(&tx, SQL_BILLING_HOLD), "e");
		bind_all(tx_step(&tx, SQL_BILLING_LIVE), "e");
		assert_int_equal(tx_run(&tx), DB_OK);
		assert_int_equal(tx_rows(&tx, 2), inside);
		row = tx_row(&tx, 3, 0);
		assert_int_equal(row_is_null(&row, COL_LIFE_ID), !inside);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_year_of_months_is_renewed_and_billed_without_a_gap),
		cmocka_unit_test(what_is_not_paid_is_past_due_and_then_over),
		cmocka_unit_test(a_trial_is_noticed_converted_and_billed),
		cmocka_unit_test(a_scheduled_cancellation_takes_effect_with_the_period),
		cmocka_unit_test(an_event_keeps_how_the_subscription_was),
		cmocka_unit_test(a_draft_begins_on_its_date),
		cmocka_unit_test(what_somebody_else_has_locked_is_left_to_him),
		cmocka_unit_test(some_deadlines_share_a_commit),
		cmocka_unit_test(a_clerk_gives_way_to_requests_and_not_to_other_clerks),
		cmocka_unit_test(nobody_but_a_clerk_sees_other_environments_and_nobody_writes_there),
		cmocka_unit_test(runs_of_test_clocks_take_turns),
		cmocka_unit_test(a_change_comes_after_all_that_was_due_before_it),
		cmocka_unit_test(a_quote_holds_its_price_until_it_is_paid),
		cmocka_unit_test(what_a_change_took_over_is_not_lost_with_the_next_one),
		cmocka_unit_test(a_selection_that_replaces_another_one_has_its_credit),
		cmocka_unit_test(every_invoice_that_becomes_void_is_told_once),
		cmocka_unit_test(a_change_is_not_done_when_what_was_due_before_it_fails),
		cmocka_unit_test(five_years_are_caught_up_with_by_several_requests),
		cmocka_unit_test(one_that_cannot_be_carried_out_is_set_aside_and_the_others_go_on),
		cmocka_unit_test(what_was_set_aside_and_is_not_due_any_more_holds_nothing_up),
		cmocka_unit_test(a_statement_may_stand_twice_in_a_transaction_of_a_new_connection),
		cmocka_unit_test(what_an_invoice_is_found_by_finds_none_of_another_environment),
		cmocka_unit_test(a_live_one_is_found_by_the_customer_who_was_locked),
		cmocka_unit_test(what_is_behind_is_claimed_and_what_failed_forgotten_in_its_own_environment_alone),
	};
	int failed;

	app_test_begin();
	conn = PQconnectdb("");
	if (PQstatus(conn) != CONNECTION_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	PQfinish(conn);
	app_test_end();
	return failed;
}
