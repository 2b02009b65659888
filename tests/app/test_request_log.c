/* The requests that were answered last: which are kept, what is kept of them, and the calls that read them. */
#include "app_test.h"
#include "base/clock.h"
#include "shm/requests.h"
#include "worker/reqlog.h"

#define LOG "/api/v1/requests"
#define MINUTE INT64_C(60000)
/* A moment in the middle of a minute. */
#define NOW (INT64_C(1787821200000) + MINUTE / 2)

enum { KEPT = 1000 };

static struct requests *ring;

static int
begin(void **state UNUSED)
{
	ring = requests_new(KEPT);
	app_requests(test_app, ring);
	return 0;
}

static int
end(void **state UNUSED)
{
	clock_freeze(0);
	app_requests(test_app, NULL);
	requests_free(ring);
	return 0;
}

/* Sends one, and keeps it as a worker does. It took so many microseconds. */
static int
keep(int64_t us, const struct sent *s)
{
	const struct request req = { .method = method_find(str_of(s->method)) };
	int                  status = send_request(s);

	reqlog_keep(ring, &req, &test_response, &test_facts, us);
	return status;
}
#define KEEP(us, ...) keep(us, &(struct sent) { __VA_ARGS__ })

/* The rows of a list that was just answered. */
static size_t
rows(void)
{
	size_t n = 0;

	while (at(arena_fmt(&test_kept, "data.%zu", n).ptr).ptr)
		n++;
	return n;
}

static size_t
listed(enum tenant_name who, const char *query)
{
	assert_int_equal(SEND(who, "GET", arena_fmt(&test_kept, LOG "?%s", query).ptr), 200);
	return rows();
}

static const char *
quoted(const char *text)
{
	return arena_fmt(&test_kept, "\"%s\"", text).ptr;
}

static void
what_is_kept_is_shown(void **state UNUSED)
{
	const char *id = fresh("req_");
	struct str  key;

	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/v1/api-keys"), 200);
	key = kept(at("data.0.id"));
	clock_freeze(NOW);
	assert_int_equal(KEEP(3417, ACME_LIVE, "GET", "/api/v1/customers/cus_0000000000000000000001?q=secret", .request_id = id,
	                     .version = "2026-07-31"), 404);
	assert_true(test_facts.is_kept);
	assert_int_equal(SEND(ACME_LIVE, "GET", arena_fmt(&test_kept, LOG "/%s", id).ptr), 200);
	assert_true(at_is("id", quoted(id)));
	assert_true(at_is("object", "\"request\""));
	assert_true(at_is("livemode", "true"));
	assert_true(at_is("createdAt", "\"2026-08-27T09:00:29.996Z\""));
	assert_true(at_is("method", "\"GET\""));
	assert_true(at_is("path", "\"/api/v1/customers/cus_0000000000000000000001\""));
	assert_true(at_is("status", "404"));
	assert_true(at_is("code", "\"customer_not_found\""));
	assert_true(at_is("durationMs", "3.417"));
	assert_true(at_is("actor.type", "\"api_key\""));
	assert_true(str_eq(at("actor.id"), key));
	assert_true(at_is("version", "\"2026-07-31\""));
	/* And one that did not fail, of another method, below another base. */
	id = fresh("req_");
	assert_int_equal(KEEP(1000, ACME_SANDBOX, "HEAD", "/api/customers", .request_id = id), 200);
	assert_int_equal(SEND(ACME_SANDBOX, "GET", arena_fmt(&test_kept, LOG "/%s", id).ptr), 200);
	assert_true(at_is("livemode", "false"));
	assert_true(at_is("method", "\"HEAD\""));
	assert_true(at_is("path", "\"/api/customers\""));
	assert_true(at_is("code", "null"));
	assert_true(at_is("durationMs", "1.000"));
	assert_true(at_is("version", "\"legacy\""));
}

/* What clients put into a path may be about a person. */
static void
of_a_path_only_ids_of_this_api_are_kept(void **state UNUSED)
{
	static const struct {
		const char *uri, *shown;
	} cases[] = {
		{ "/api/v1/customers/ada@example.com", "/api/v1/customers/{id}" },
		{ "/api/v1/customers/ada%40example.com?email=ada@example.com", "/api/v1/customers/{id}" },
		{ "/v1/customers/cus_02zZ6iBLGuM3Oeea7DU4eA", "/v1/customers/cus_02zZ6iBLGuM3Oeea7DU4eA" },
		{ "/api/v1/customers/cus_02zZ6iBLGuM3Oeea7DU4eA/history", "/api/v1/customers/cus_02zZ6iBLGuM3Oeea7DU4eA/history" },
		{ "/customers/cus_12zZ6iBLGuM3Oeea7DU4eA", "/customers/{id}" },
		{ "/customers/cus_02zZ6iBLGuM3Oeea7DU4e", "/customers/{id}" },
		{ "/customers/cus_02zZ6iBLGuM3Oeea7DU4eAA", "/customers/{id}" },
		{ "/customers/cus_02zZ6iBLGuM3Oeea7DU4e-", "/customers/{id}" },
		{ "/customers/Cus_02zZ6iBLGuM3Oeea7DU4eA", "/customers/{id}" },
		{ "/customers/cu{_02zZ6iBLGuM3Oeea7DU4eA", "/customers/{id}" },
		{ "/customers/cus-02zZ6iBLGuM3Oeea7DU4eA", "/customers/{id}" },
		{ "/customers/a/b/c", "/customers/{id}" },
		{ "/api/v1/plans/pln_02zZ6iBLGuM3Oeea7DU4eA/prices/prc_02zZ6iBLGuM3Oeea7DU4eB",
		    "/api/v1/plans/pln_02zZ6iBLGuM3Oeea7DU4eA/prices/prc_02zZ6iBLGuM3Oeea7DU4eB" },
		{ "/api/v1/plans/mine/prices/prc_02zZ6iBLGuM3Oeea7DU4eB", "/api/v1/plans/{id}/prices/prc_02zZ6iBLGuM3Oeea7DU4eB" },
		{ "/api/v1/plans/pln_02zZ6iBLGuM3Oeea7DU4eA/prices/x", "/api/v1/plans/pln_02zZ6iBLGuM3Oeea7DU4eA/prices/{priceId}" },
		{ "/api/v1/requests/ada@example.com", "/api/v1/requests/{id}" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		const char *method = strstr(cases[i].uri, "/prices/") ? "PUT" : "GET";

		(void)KEEP(1, ACME_LIVE, method, cases[i].uri, .body = "{}");
		assert_true(test_facts.is_kept);
		assert_int_equal(listed(ACME_LIVE, "limit=1"), 1);
		assert_true(at_is("data.0.path", quoted(cases[i].shown)));
		assert_null(memmem(body().ptr, body().len, "ada", 3));
	}
}

static void
what_is_of_no_environment_is_not_kept(void **state UNUSED)
{
	static const struct sent cases[] = {
		{ ACME_LIVE, "GET", "/api/v1/customers", .key = "" },
		{ ACME_LIVE, "GET", "/api/v1/customers", .key = "ck_live_nonsense" },
		{ ACME_LIVE, "GET", "/api/v1/nothing" },
		{ ACME_LIVE, "PUT", "/api/v1/customers", .body = "{}" },
		{ ACME_LIVE, "GET", "/api/v1/openapi.json" },
		{ ACME_LIVE, "GET", "/" },
		{ ACME_LIVE, "GET", "/invoices/0123456789012345678901" },
		{ ACME_LIVE, "GET", "/api/v1/session" },
		{ ACME_LIVE, "GET", "/api/v1/users" },
		{ ACME_LIVE, "GET", "/api/v1/customers", .refused = "Later." },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		(void)keep(1, &cases[i]);
		assert_false(test_facts.is_kept);
	}
	assert_int_equal(listed(ACME_LIVE, ""), 0);
	/* Where none are kept, none is. */
	app_requests(test_app, NULL);
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/v1/customers"), 200);
	assert_false(test_facts.is_kept);
}

static void
add(int64_t arrived_ms, int64_t us, int status)
{
	requests_add(ring, &(struct requests_entry) {
	    .environment = test_environment[ACME_LIVE],
	    .arrived_us = arrived_ms * 1000,
	    .took_us = us,
	    .status = (unsigned)status,
	    .id = STR("x"),
	    .path = STR("/x"),
	});
}

static void
a_class_is_a_hundred(void **state UNUSED)
{
	for (int status = 100; status < 600; status += status % 100 ? 1 : 99)
		add(NOW, 1, status);
	for (char class = '1'; class <= '5'; class++) {
		assert_int_equal(listed(ACME_LIVE, arena_fmt(&test_kept, "limit=100&status=%cxx", class).ptr), 2);
		assert_true(at("data.0.status").ptr[0] == class && at("data.1.status").ptr[0] == class);
	}
}

static void
filters_leave_what_fits(void **state UNUSED)
{
	static const struct {
		const char *query;
		size_t      found;
	} cases[] = {
		{ "", 6 }, { "status=200", 3 }, { "status=2xx", 3 }, { "status=4xx", 3 }, { "status=404", 2 }, { "status=400", 1 }, { "status=5xx", 0 },
		{ "status=1xx", 0 }, { "status=3xx", 0 }, { "status=100", 0 }, { "status=599", 0 }, { "status=405", 0 },
		{ "method=GET", 4 }, { "method=HEAD", 1 }, { "method=POST", 1 }, { "method=DELETE", 0 }, { "method=PATCH", 0 }, { "method=PUT", 0 },
		{ "requestId=one", 2 }, { "requestId=on", 0 }, { "requestId=two", 1 }, { "requestId=two&method=GET", 1 },
		{ "requestId=one&status=404&method=GET", 1 }, { "requestId=two&status=404", 0 },
	};
	static const struct {
		const char *query, *field;
	} bad[] = {
		{ "status=", "status" }, { "status=99", "status" }, { "status=600", "status" }, { "status=6xx", "status" }, { "status=0xx", "status" },
		{ "status=4XX", "status" }, { "status=4x", "status" }, { "status=xx", "status" }, { "status=ok", "status" }, { "status=4xxx", "status" },
		{ "status=0404", "status" }, { "status=099", "status" }, { "method=", "method" }, { "method=get", "method" }, { "method=OPTIONS", "method" },
		{ "method=other", "method" }, { "requestId=", "requestId" }, { "requestId=a%20b", "requestId" }, { "requestId=%C3%A9", "requestId" }, { "limit=0", "limit" }, { "limit=101", "limit" },
		{ "cursor=x", "cursor" }, { "status=200&status=200", "status" },
	};
	const char *longest = arena_fmt(&test_kept, LOG "?requestId=%0128d", 0).ptr;

	KEEP(1, ACME_LIVE, "GET", "/api/v1/customers", .request_id = "one");
	KEEP(1, ACME_LIVE, "GET", "/api/v1/customers/none", .request_id = "one");
	KEEP(1, ACME_LIVE, "GET", "/api/v1/customers", .request_id = "two");
	KEEP(1, ACME_LIVE, "GET", "/api/v1/customers/none", .request_id = "three");
	KEEP(1, ACME_LIVE, "HEAD", "/api/v1/customers", .request_id = "four");
	KEEP(1, ACME_LIVE, "POST", "/api/v1/customers", .body = "{", .request_id = "five");
	for (size_t i = 0; i < COUNTOF(cases); i++)
		if (listed(ACME_LIVE, cases[i].query) != cases[i].found)
			fail_msg("%s: %zu rows", cases[i].query, rows());
	for (size_t i = 0; i < COUNTOF(bad); i++) {
		if (SEND(ACME_LIVE, "GET", arena_fmt(&test_kept, LOG "?%s", bad[i].query).ptr) != 400)
			fail_msg("%s was taken", bad[i].query);
		assert_true(at_is("error.details.0.field", quoted(bad[i].field)));
	}
	assert_int_equal(SEND(ACME_LIVE, "GET", longest), 200);
	assert_int_equal(SEND(ACME_LIVE, "GET", arena_fmt(&test_kept, "%s0", longest).ptr), 400);
	/* What is not known is named, and refused by who asks for that. */
	assert_int_equal(SEND(ACME_LIVE, "GET", LOG "?minutes=5"), 200);
	assert_true(str_is(response_find_header(&test_response, "Clientele-Ignored"), "minutes"));
	assert_int_equal(SEND(ACME_LIVE, "GET", LOG "/summary?minutes=5&status=200&limit=1"), 200);
	assert_true(str_is(response_find_header(&test_response, "Clientele-Ignored"), "status, limit"));
	assert_int_equal(SEND(ACME_LIVE, "GET", LOG "?page=1", .prefer = "handling=strict"), 400);
}

static int64_t
number_at(const char *path)
{
	int64_t n;

	assert_true(str_to_i64(at(path), 0, INT64_MAX, &n));
	return n;
}

static void
each_environment_sees_its_own(void **state UNUSED)
{
	static const char *const ids[TENANTS] = { "live", "sandbox", "other" };

	for (enum tenant_name who = 0; who < TENANTS; who++)
		for (int i = 0; i < 3; i++)
			KEEP(1, who, "GET", "/api/v1/customers", .request_id = ids[who]);
	for (enum tenant_name who = 0; who < TENANTS; who++) {
		assert_int_equal(listed(who, ""), 3);
		for (int i = 0; i < 3; i++)
			assert_true(at_is(arena_fmt(&test_kept, "data.%d.id", i).ptr, quoted(ids[who])));
		for (enum tenant_name of = 0; of < TENANTS; of++) {
			const char *one = arena_fmt(&test_kept, LOG "/%s", ids[of]).ptr;

			assert_int_equal(SEND(who, "GET", one), of == who ? 200 : 404);
			assert_true(of == who || at_is("error.code", "\"request_not_found\""));
			assert_int_equal(listed(who, arena_fmt(&test_kept, "requestId=%s", ids[of]).ptr), of == who ? 3 : 0);
		}
		assert_int_equal(SEND(who, "GET", LOG "/summary?minutes=2"), 200);
		/* They may have come in two minutes. */
		assert_int_equal(number_at("minutes.0.requests") + number_at("minutes.1.requests"), 3);
	}
}

static const char *
next_page(const char *query)
{
	struct str cursor = at("nextCursor");

	return arena_fmt(&test_kept, LOG "?%s&cursor=%.*s", query, (int)cursor.len - 2, cursor.ptr + 1).ptr;
}

static void
pages_follow_each_other_whatever_comes_meanwhile(void **state UNUSED)
{
	const char *page;

	for (int i = 0; i < 7; i++) {
		KEEP(1, ACME_LIVE, "GET", "/api/v1/customers", .request_id = arena_fmt(&test_kept, "n%d", i).ptr);
		KEEP(1, OTHER_LIVE, "GET", "/api/v1/customers");
	}
	assert_int_equal(listed(ACME_LIVE, "limit=3"), 3);
	assert_true(at_is("data.0.id", "\"n6\""));
	assert_true(at_is("hasMore", "true"));
	page = next_page("limit=3");
	KEEP(1, ACME_LIVE, "GET", "/api/v1/customers", .request_id = "later");
	assert_int_equal(SEND(ACME_LIVE, "GET", page), 200);
	assert_true(at_is("data.0.id", "\"n3\""));
	assert_true(at_is("data.2.id", "\"n1\""));
	/* Another environment goes on with its own from there. */
	assert_int_equal(SEND(OTHER_LIVE, "GET", next_page("limit=3")), 200);
	assert_int_equal(rows(), 1);
	assert_int_equal(SEND(ACME_LIVE, "GET", page), 200);
	page = next_page("limit=3");
	assert_int_equal(SEND(ACME_LIVE, "GET", page), 200);
	assert_int_equal(rows(), 1);
	assert_true(at_is("hasMore", "false"));
	assert_null(at("nextCursor").ptr);
	/* So it is when it is full to the last row. */
	assert_int_equal(listed(ACME_LIVE, "limit=8"), 8);
	assert_true(at_is("hasMore", "false"));
	/* What is behind the cursor is not kept any more. */
	for (int i = 0; i < KEPT; i++)
		reqlog_keep(ring, &(struct request) { .method = METHOD_GET }, &test_response, &(struct facts) { .is_kept = true }, 0);
	assert_int_equal(SEND(ACME_LIVE, "GET", page), 200);
	assert_int_equal(rows(), 0);
	assert_true(at_is("hasMore", "false"));
	/* Nor has another program that number. */
	KEEP(1, ACME_LIVE, "GET", "/api/v1/customers");
	KEEP(1, ACME_LIVE, "GET", "/api/v1/customers");
	assert_int_equal(listed(ACME_LIVE, "limit=1"), 1);
	page = next_page("limit=1");
	assert_int_equal(SEND(ACME_LIVE, "GET", page), 200);
	assert_int_equal(rows(), 1);
	end(NULL);
	clock_freeze(NOW);
	begin(NULL);
	for (int i = 0; i < KEPT; i++)
		KEEP(1, ACME_LIVE, "GET", "/api/v1/plans/x");
	assert_int_equal(SEND(ACME_LIVE, "GET", page), 200);
	assert_int_equal(rows(), 0);
	app_requests(test_app, NULL);
	assert_int_equal(SEND(ACME_LIVE, "GET", page), 200);
	assert_int_equal(rows(), 0);
}

static void
one_is_found_by_its_id_the_newest_first(void **state UNUSED)
{
	KEEP(1, ACME_LIVE, "GET", "/api/v1/customers/none", .request_id = "again");
	KEEP(1, ACME_LIVE, "GET", "/api/v1/customers", .request_id = "again");
	assert_int_equal(SEND(ACME_LIVE, "GET", LOG "/again"), 200);
	assert_true(at_is("status", "200"));
	assert_int_equal(SEND(ACME_LIVE, "GET", LOG "/agai"), 404);
	assert_true(at_is("error.code", "\"request_not_found\""));
	assert_true(at_is("error.param", "\"id\""));
	app_requests(test_app, NULL);
	assert_int_equal(SEND(ACME_LIVE, "GET", LOG "/again"), 404);
	assert_int_equal(listed(ACME_LIVE, ""), 0);
}

/* ---- the summary */

static void
minute_is(int minute, const char *requests, const char *client, const char *server, const char *p50, const char *p95, const char *p99)
{
	const struct {
		const char *name, *value;
	} members[] = {
		{ "requests", requests }, { "clientErrors", client }, { "serverErrors", server }, { "p50Ms", p50 }, { "p95Ms", p95 }, { "p99Ms", p99 },
	};

	for (size_t i = 0; i < COUNTOF(members); i++)
		assert_true(at_is(arena_fmt(&test_kept, "minutes.%d.%s", minute, members[i].name).ptr, members[i].value));
}

static void
minutes_are_counted_each_for_itself(void **state UNUSED)
{
	const int64_t first = NOW - MINUTE / 2 - 2 * MINUTE; /* of three minutes */

	clock_freeze(NOW);
	end(NULL);
	clock_freeze(NOW);
	begin(NULL);
	add(first - 1, 9999999, 500); /* a moment too early */
	add(first, 2000, 200);
	add(first + MINUTE - 1, 1000, 399);
	/* Of the second there is none. 100 of the third, 1 to 100 ms, not in that order. */
	for (int64_t i = 0; i < 100; i++)
		add(first + 2 * MINUTE + i, (i * 37 % 100 + 1) * 1000, i < 10 ? 400 : i < 20 ? 499 : i < 23 ? 500 : i < 24 ? 599 : 200);
	add(first + 3 * MINUTE, 9999999, 500); /* from a clock that is ahead */
	assert_int_equal(SEND(ACME_LIVE, "GET", LOG "/summary?minutes=3"), 200);
	assert_true(at_is("object", "\"request_summary\""));
	assert_true(at_is("livemode", "true"));
	assert_true(at_is("from", "\"2026-08-27T08:58:00.000Z\""));
	assert_true(at_is("since", "\"2026-08-27T09:00:30.001Z\"")); /* the ring was made now */
	assert_true(at_is("minutes.0.at", "\"2026-08-27T08:58:00.000Z\""));
	assert_true(at_is("minutes.1.at", "\"2026-08-27T08:59:00.000Z\""));
	assert_true(at_is("minutes.2.at", "\"2026-08-27T09:00:00.000Z\""));
	minute_is(0, "2", "0", "0", "1.000", "2.000", "2.000");
	minute_is(1, "0", "0", "0", "null", "null", "null");
	minute_is(2, "100", "20", "4", "50.000", "95.000", "99.000");
	assert_null(at("minutes.3").ptr);
	/* One alone is each of them. */
	add(first + MINUTE, 7, 404);
	assert_int_equal(SEND(ACME_LIVE, "GET", LOG "/summary?minutes=2"), 200);
	minute_is(0, "1", "1", "0", "0.007", "0.007", "0.007");
	assert_true(at_is("minutes.1.requests", "100"));
	assert_int_equal(SEND(ACME_SANDBOX, "GET", LOG "/summary?minutes=2"), 200);
	minute_is(1, "0", "0", "0", "null", "null", "null");
}

static void
it_says_since_when_all_are_known(void **state UNUSED)
{
	clock_freeze(NOW);
	end(NULL);
	clock_freeze(NOW);
	begin(NULL);
	for (int i = 0; i < KEPT; i++)
		add(NOW + 1000 + i, 1, 200);
	assert_int_equal(SEND(ACME_LIVE, "GET", LOG "/summary"), 200);
	assert_true(at_is("since", "\"2026-08-27T09:00:30.001Z\""));
	for (int i = 0; i < 6; i++) /* another environment's are as good as any */
		reqlog_keep(ring, &(struct request) { .method = METHOD_GET }, &test_response, &(struct facts) { .is_kept = true }, 0);
	clock_freeze(NOW + 5000);
	assert_int_equal(SEND(ACME_LIVE, "GET", LOG "/summary"), 200);
	assert_true(at_is("since", "\"2026-08-27T09:00:31.006Z\""));
	/* And that of none that is kept nothing is known. */
	app_requests(test_app, NULL);
	assert_int_equal(SEND(ACME_LIVE, "GET", LOG "/summary"), 200);
	assert_true(at_is("since", "\"2026-08-27T09:00:35.000Z\""));
	minute_is(59, "0", "0", "0", "null", "null", "null");
	assert_null(at("minutes.60").ptr);
}

static void
a_summary_has_so_many_minutes(void **state UNUSED)
{
	static const char *const bad[] = { "", "0", "1441", "-1", "x", "1.5", "99999999999999999999", "5&minutes=5" };

	for (size_t i = 0; i < COUNTOF(bad); i++) {
		if (SEND(ACME_LIVE, "GET", arena_fmt(&test_kept, LOG "/summary?minutes=%s", bad[i]).ptr) != 400)
			fail_msg("%s minutes were taken", bad[i]);
		assert_true(at_is("error.details.0.field", "\"minutes\""));
	}
	assert_int_equal(SEND(ACME_LIVE, "GET", LOG "/summary?minutes=1"), 200);
	assert_null(at("minutes.1").ptr);
	assert_int_equal(SEND(ACME_LIVE, "GET", LOG "/summary?minutes=1440"), 200);
	assert_non_null(at("minutes.1439").ptr);
	assert_null(at("minutes.1440").ptr);
}

/* Another program's words, or nonsense of a worker that somebody else has. */
static void
what_this_program_does_not_know_is_not_shown(void **state UNUSED)
{
	struct requests_entry strange[] = {
		{ .error = ERR__COUNT }, { .error = 60000 }, { .method = METHOD__COUNT }, { .version = V__COUNT }, { .path = STR("/\x01") },
		{ .id = STR("\xff") },
	};

	for (size_t i = 0; i < COUNTOF(strange); i++) {
		strange[i].environment = test_environment[ACME_LIVE];
		requests_add(ring, &strange[i]);
	}
	assert_int_equal(listed(ACME_LIVE, ""), 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(what_is_kept_is_shown),
		TEST(of_a_path_only_ids_of_this_api_are_kept),
		TEST(what_is_of_no_environment_is_not_kept),
		TEST(a_class_is_a_hundred),
		TEST(filters_leave_what_fits),
		TEST(each_environment_sees_its_own),
		TEST(pages_follow_each_other_whatever_comes_meanwhile),
		TEST(one_is_found_by_its_id_the_newest_first),
		TEST(minutes_are_counted_each_for_itself),
		TEST(it_says_since_when_all_are_known),
		TEST(a_summary_has_so_many_minutes),
		TEST(what_this_program_does_not_know_is_not_shown),
	};
	int failed;

	app_test_begin();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	app_test_end();
	return failed;
}
