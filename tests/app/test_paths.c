/* From a path, a query and a filter to the rows that are meant, and to no others. */
#include "app_test.h"
#include "base/limits.h"
#include "resource/customer/customer.h"

#include <libpq-fe.h>

#define CUSTOMERS "/api/v1/customers"

static const char *
many(size_t n, char c)
{
	char *text = ARENA_NEW(&test_kept, char, n + 1);

	memset(text, c, n);
	return text;
}

static const char *
joined(const char *a, const char *b)
{
	return arena_fmt(&test_kept, "%s%s", a, b).ptr;
}

static const char *
header(const char *name)
{
	struct str value = response_find_header(&test_response, name);

	return value.ptr ? arena_str(&test_kept, value).ptr : NULL;
}

static void
a_path_leads_to_its_route_alone(void **state UNUSED)
{
	static const struct {
		const char *method, *uri;
		int         status;
		const char *allow;
	} cases[] = {
		{ "GET", "/api/v1/customers", 200 },
		{ "GET", "/api/customers", 200 },
		{ "GET", "/v1/customers", 200 },
		{ "GET", "/customers", 200 },
		{ "HEAD", "/api/v1/customers", 200 },
		{ "GET", "/api/v1", 200 },
		{ "GET", "/api/v1/", 200 },
		{ "GET", "/", 200 },
		{ "POST", "/", 405, "GET, HEAD" },
		{ "GET", "/api/v2", 404 },
		{ "GET", "/api/v1/customer", 404 },
		{ "GET", "/api/v1/customersx", 404 },
		{ "GET", "/api/v2/customers", 404 },
		{ "GET", "/api/v1x/customers", 404 },
		{ "GET", "/api/v1/customers/x/y", 404 },
		{ "GET", "/api/v1/customers/a/b/c/d/e/f/g/h/i/j", 404 },
		{ "DELETE", "/api/v1/customers", 405, "GET, HEAD, POST" },
		{ "PUT", "/api/v1/customers", 405, "GET, HEAD, POST" },
		{ "BREW", "/api/v1/customers", 405, "GET, HEAD, POST" },
		{ "POST", "/api/v1/customers/x", 405, "GET, HEAD, PUT, PATCH, DELETE" },
		{ "get", "/api/v1/customers", 405, "GET, HEAD, POST" },
		{ "POST", "/api/v1/openapi.json", 405, "GET, HEAD" },
		{ "PUT", "/api/v1/api-keys", 405, "GET, HEAD, POST" },
		{ "PATCH", "/api/v1/api-keys/x", 405, "GET, HEAD, DELETE" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		if (SEND(ACME_LIVE, cases[i].method, cases[i].uri) != cases[i].status)
			fail_msg("%s %s: %.*s", cases[i].method, cases[i].uri, STR_ARGS(body()));
		if (cases[i].allow)
			assert_string_equal(header("Allow"), cases[i].allow);
		else
			assert_null(header("Allow"));
		if (cases[i].status == 405)
			assert_true(at_is("error.code", "\"method_not_allowed\""));
	}
}

/* By the header or the path; by a pin: test_keys.c. */
static void
a_path_takes_the_methods_of_the_version(void **state UNUSED)
{
	static const struct {
		const char *method, *uri, *version, *allow; /* NULL: there is no such path in that version */
	} cases[] = {
		{ "OPTIONS", "/api/v1/customers/x", "2026-07-31", "GET, HEAD, PUT, PATCH" },
		{ "OPTIONS", "/api/v1/customers/x", "2026-08-27", "GET, HEAD, PUT, PATCH, DELETE" },
		{ "DELETE", "/api/v1/customers/x", "2026-07-31", "GET, HEAD, PUT, PATCH" },
		{ "DELETE", "/api/v1/customers/export", "2026-07-31", "GET, HEAD, PUT, PATCH" },
		{ "POST", "/api/v1/customers/export", "2026-07-31", "GET, HEAD, PUT, PATCH" },
		{ "POST", "/api/v1/customers/x/history", "2026-08-27", "GET, HEAD" },
		{ "PUT", "/api/v1/customers/x/history", "2026-08-27", "GET, HEAD" },
		{ "POST", "/api/v1/customers/x/history", "2026-07-31", NULL },
		{ "OPTIONS", "/api/v1/customers/x/merge", "2026-07-31", NULL },
		{ "PUT", "/api/v1/api-keys", "2026-05-01", NULL },
		{ "PUT", "/api/v1/api-keys", "2026-05-25", "GET, HEAD, POST" },
		{ "DELETE", "/api/customers/x", NULL, "GET, HEAD, PUT, PATCH" },
		{ "OPTIONS", "/customers/x", NULL, "GET, HEAD, PUT, PATCH" },
		{ "OPTIONS", "/api/customers/x", "2026-08-27", "GET, HEAD, PUT, PATCH, DELETE" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		if (SEND(ACME_LIVE, cases[i].method, cases[i].uri, .version = cases[i].version) != (cases[i].allow ? 405 : 404))
			fail_msg("%s %s: %.*s", cases[i].method, cases[i].uri, STR_ARGS(body()));
		if (cases[i].allow)
			assert_string_equal(header("Allow"), cases[i].allow);
		else
			assert_true(!header("Allow") && at_is("error.code", "\"endpoint_not_available\""));
	}
	/* Without a key nobody has a pin, and whose a wrong key is nobody knows. */
	assert_int_equal(SEND(ACME_LIVE, "OPTIONS", "/api/v1/customers/x", .key = ""), 405);
	assert_string_equal(header("Allow"), "GET, HEAD, PUT, PATCH, DELETE");
	assert_int_equal(SEND(ACME_LIVE, "OPTIONS", "/api/v1/customers/x", .key = "ck_live_x"), 401);
	assert_null(header("Allow"));
	assert_int_equal(SEND(ACME_LIVE, "OPTIONS", "/api/v1/customers", .key = "ck_live_x"), 405);
	assert_int_equal(SEND(ACME_LIVE, "OPTIONS", "/api/v1/customers/x", .refused = "x"), 503);
}

/* An id with slashes stays one in versions that have no endpoint there. */
static void
what_became_an_endpoint_was_an_id(void **state UNUSED)
{
	static const char *const ids[] = { "old/history", "old/export", "old/merge" };

	for (size_t i = 0; i < COUNTOF(ids); i++) {
		const char *uri = joined(CUSTOMERS "/", ids[i]);

		assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, arena_fmt(&test_kept, "{\"email\":\"s@b.co\",\"id\":\"%s\"}", ids[i]).ptr), 201);
		assert_int_equal(SEND(ACME_LIVE, "GET", uri, .version = "2026-07-31"), 200);
		assert_true(at_is("externalId", arena_fmt(&test_kept, "\"%s\"", ids[i]).ptr));
		assert_int_equal(SEND(ACME_LIVE, "PUT", uri, "{\"fullName\":\"U\"}", "2026-07-31"), 200);
		assert_int_equal(SEND(ACME_LIVE, "PATCH", uri, "{\"fullName\":\"P\"}", "2026-07-31"), 200);
		assert_int_equal(SEND(ACME_LIVE, "PATCH", uri, "{\"fullName\":\"N\"}"), 405);
		assert_int_equal(SEND(ACME_LIVE, "GET", uri), i < 2 ? 404 : 405);
	}
}

static void
a_path_without_a_version_names_its_successor(void **state UNUSED)
{
	static const struct {
		const char *uri, *link;
	} cases[] = {
		{ "/api/customers", "</api/v1/customers>; rel=\"successor-version\"" },
		{ "/customers?limit=1", "</api/v1/customers>; rel=\"successor-version\"" },
		{ "/api/customers/a%20b%2Fc%C3%A9-._~9", "</api/v1/customers/a%20b%2Fc%C3%A9-._~9>; rel=\"successor-version\"" },
		{ "/api/customers/a%22%3E", "</api/v1/customers/a%22%3E>; rel=\"successor-version\"" },
		{ "/api/customers/1/2/3/4/5/6/7", "</api/v1/customers/1/2/3/4/5/6/7>; rel=\"successor-version\"" },
		{ "/api/customers/1/2/3/4/5/6/7/8", "</api/v1/customers/1/2/3/4/5/6/7/8>; rel=\"successor-version\"" },
		{ "/api/customers/1/2/3/4/5/6/7/8/9", "</api/v1/customers/1/2/3/4/5/6/7/8%2F9>; rel=\"successor-version\"" },
		{ "/api/v1/customers", NULL },
		{ "/v1/customers", NULL },
	};
	const size_t around = strlen("</api/v1/customers/>; rel=\"successor-version\"");

	SEND(ACME_LIVE, "POST", CUSTOMERS, "{\"email\":\"a@b.co\",\"id\":\"1/2/3/4/5/6/7\"}");
	SEND(ACME_LIVE, "POST", CUSTOMERS, "{\"email\":\"a@b.co\",\"id\":\"1/2/3/4/5/6/7/8\"}");
	SEND(ACME_LIVE, "POST", CUSTOMERS, "{\"email\":\"a@b.co\",\"id\":\"1/2/3/4/5/6/7/8/9\"}");
	SEND(ACME_LIVE, "POST", CUSTOMERS, "{\"email\":\"a@b.co\",\"id\":\"a b/c\xc3\xa9-._~9\"}");
	SEND(ACME_LIVE, "POST", CUSTOMERS, "{\"email\":\"a@b.co\",\"id\":\"a\\\">\"}");
	for (size_t i = 0; i < COUNTOF(cases); i++) {
		if (SEND(ACME_LIVE, "GET", cases[i].uri) != 200)
			fail_msg("%s: %.*s", cases[i].uri, STR_ARGS(body()));
		assert_int_equal(header("Deprecation") != NULL, cases[i].link != NULL);
		assert_int_equal(header("Sunset") != NULL, cases[i].link != NULL);
		if (cases[i].link)
			assert_string_equal(header("Link"), cases[i].link);
	}
	/* What is not here is not there either; and pages that have no version have no successor. */
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/customers/nobody-at-all"), 404);
	assert_non_null(header("Deprecation"));
	assert_null(header("Link"));
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api-reference/2026-08-27/errors/not_found.md", .key = ""), 200);
	assert_null(header("Deprecation"));
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/v1/openapi.json", .key = ""), 200);
	assert_int_equal(SEND(ACME_LIVE, "GET", "/apix/customers"), 404);
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api?limit=1"), 200);
	assert_null(header("Deprecation"));
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/v2"), 404);
	/* The headers of a GET, which the connection sends without its body. */
	assert_int_equal(SEND(ACME_LIVE, "HEAD", "/api/customers"), 200);
	assert_true(test_response.head_only && header("Link"));
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/customers"), 200);
	assert_false(test_response.head_only);
	/* Front servers have a bound for headers. */
	for (size_t more = 0; more < 2; more++) {
		assert_int_equal(SEND(ACME_LIVE, "POST", joined("/api/customers/", many(1536 - around + more, 'x'))), 405);
		assert_int_equal(header("Link") != NULL, !more);
		assert_non_null(header("Deprecation"));
	}
}

static void
a_target_has_its_bounds(void **state UNUSED)
{
	const size_t head = strlen("/customers?x="); /* behind what all paths begin with */
	const char  *thirty_two = "?limit=1", *too_many;

	for (int i = 1; i < QUERY_PARAMETERS_MAX; i++)
		thirty_two = joined(thirty_two, "&x=1");
	too_many = joined(thirty_two, "&x=1");
	assert_int_equal(SEND(ACME_LIVE, "GET", joined(CUSTOMERS "?x=", many(URI_MAX_BYTES - head, 'x'))), 200);
	assert_int_equal(SEND(ACME_LIVE, "GET", joined(CUSTOMERS "?x=", many(URI_MAX_BYTES + 1 - head, 'x'))), 400);
	assert_int_equal(SEND(ACME_LIVE, "GET", joined(CUSTOMERS, thirty_two)), 200);
	assert_int_equal(SEND(ACME_LIVE, "GET", joined(CUSTOMERS, too_many)), 400);
	assert_true(at_is("error.param", "\"query\""));
	assert_int_equal(SEND(ACME_LIVE, "GET", joined(CUSTOMERS, "?&&limit=1&&")), 200);
}

static void
a_page_is_asked_for_within_bounds(void **state UNUSED)
{
	static const struct {
		const char *query, *blamed;
	} cases[] = {
		{ "limit=1", NULL },
		{ "limit=100", NULL },
		{ "limit=%31", NULL },
		{ "l%69mit=1", NULL },
		{ "limit=0", "\"limit\"" },
		{ "limit=101", "\"limit\"" },
		{ "limit=-1", "\"limit\"" },
		{ "limit=1x", "\"limit\"" },
		{ "limit=", "\"limit\"" },
		{ "limit=1&limit=1", "\"limit\"" },
		{ "limit=1&limit=x", "\"limit\"" },
		{ "cursor=x&cursor=y", "\"cursor\"" },
		{ "cursor=x", "\"cursor\"" },
		{ "cursor=", "\"cursor\"" },
		{ "externalId=a&externalId=a", "\"externalId\"" },
		{ "unknown=1&unknown=2", NULL },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		int status = SEND(ACME_LIVE, "GET", joined(CUSTOMERS "?", cases[i].query));

		if (status != (cases[i].blamed ? 400 : 200) || (cases[i].blamed && !at_is("error.param", cases[i].blamed)))
			fail_msg("%s: %.*s", cases[i].query, STR_ARGS(body()));
		if (cases[i].blamed && at("error.details.1").ptr)
			fail_msg("%s is blamed for more than one thing: %.*s", cases[i].query, STR_ARGS(body()));
	}
}

/* The external ids of a list, newest first, each with a blank behind it. */
static const char *
listed(const char *query, const char *version)
{
	const char *ids = "";
	struct str  id;

	if (SEND(ACME_SANDBOX, "GET", joined(CUSTOMERS "?", query), NULL, version) != 200)
		fail_msg("%s: %.*s", query, STR_ARGS(body()));
	for (int i = 0; (id = at(arena_fmt(&test_kept, "data.%d.externalId", i).ptr)).ptr; i++)
		ids = arena_fmt(&test_kept, "%s%.*s ", ids, (int)id.len - 2, id.ptr + 1).ptr;
	return ids;
}

static void
a_filter_shows_what_it_says(void **state UNUSED)
{
	static const struct {
		const char *query, *version, *found;
	} lists[] = {
		{ "externalId=One%20A", NULL, "One A " },
		{ "externalId=one%20a", NULL, "" },
		{ "externalId=One+A&limit=1", NULL, "One A " },
		{ "externalId=One", NULL, "" },
		{ "search=one%20a&limit=9", "2026-05-25", "One A " },
		{ "search=SECOND&limit=9", "2026-05-25", "two " },
		{ "search=third%40&limit=9", "2026-05-25", "three " },
		{ "search=%25&limit=9", "2026-05-25", "" },
		{ "search=e&limit=9&externalId=two", "2026-05-25", "two " },
		{ "search=third%40&limit=9&externalId=two", "2026-05-25", "" },
		{ "isActive=false&limit=9", "2026-05-01", "three " },
		{ "isActive=0&limit=9", "2026-05-01", "three " },
		{ "isActive=false&externalId=two", "2026-05-01", "" },
		{ "isActive=true&externalId=two", "2026-05-01", "two " },
		{ "isActive=1&externalId=three", "2026-05-01", "" },
		{ "isActive=1&limit=2", "2026-05-01", "two One A " },
		{ "search=one%20a&isActive=false", "2026-05-01", "" },
		/* In other versions they are no parameters. */
		{ "limit=3&search=one%20a", NULL, "three two One A " },
		{ "limit=3&isActive=false", "2026-05-12", "three two One A " },
		{ "limit=3&isActive=false", NULL, "three two One A " },
		{ "limit=2", NULL, "three two " },
	};

	assert_int_equal(SEND(ACME_SANDBOX, "POST", CUSTOMERS, "{\"email\":\"a@b.co\",\"id\":\"One A\"}"), 201);
	assert_int_equal(SEND(ACME_SANDBOX, "POST", CUSTOMERS, "{\"email\":\"b@b.co\",\"id\":\"two\",\"fullName\":\"The Second\"}"), 201);
	assert_int_equal(SEND(ACME_SANDBOX, "POST", CUSTOMERS, "{\"email\":\"Third@b.co\",\"id\":\"three\",\"isActive\":false}", "2026-05-01"), 201);
	for (size_t i = 0; i < COUNTOF(lists); i++)
		if (strcmp(listed(lists[i].query, lists[i].version), lists[i].found) != 0)
			fail_msg("%s shows %s", lists[i].query, listed(lists[i].query, lists[i].version));
	assert_int_equal(SEND(ACME_SANDBOX, "GET", joined(CUSTOMERS "?search=", many(200, 'x')), NULL, "2026-05-25"), 200);
	assert_int_equal(SEND(ACME_SANDBOX, "GET", joined(CUSTOMERS "?search=", many(201, 'x')), NULL, "2026-05-25"), 400);
	assert_true(at_is("error.param", "\"search\""));
	assert_int_equal(SEND(ACME_SANDBOX, "GET", CUSTOMERS "?isActive=yes", NULL, "2026-05-01"), 400);
	assert_true(at_is("error.param", "\"isActive\""));
}

/* A page ends where the next one begins, also under a filter. */
static void
a_filtered_list_is_paged(void **state UNUSED)
{
	const char *cursor = "", *all = "";

	do {
		struct str next;

		all = joined(all, listed(arena_fmt(&test_kept, "limit=1&isActive=true%s", cursor).ptr, "2026-05-01"));
		next = at("nextCursor");
		next = next.ptr ? next : at("pagination.nextCursor");
		cursor = next.ptr && next.ptr[0] == '"'
		    ? arena_fmt(&test_kept, "&cursor=%.*s", (int)next.len - 2, next.ptr + 1).ptr : NULL;
	} while (cursor);
	assert_string_equal(all, "two One A ");
}

static void
execute(PGconn *conn, const char *sql)
{
	PGresult *res = PQexec(conn, sql);

	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(conn));
	PQclear(res);
}

/* A page of a search looks at so many rows and says where it stopped, whether that row belongs to it or not. */
static void
a_search_goes_on_where_it_stopped(void **state UNUSED)
{
	enum { ROWS = CUSTOMER_LOOKED_AT + 5 };
	static const struct {
		int         at;    /* the needle's place among the rows, from 1 on; another one is the last row */
		const char *pages; /* how many each page has */
	} cases[] = {
		{ CUSTOMER_LOOKED_AT, "1 1 " }, { CUSTOMER_LOOKED_AT + 1, "0 2 " },
	};
	PGconn *conn = PQconnectdb("");
	char    environment[ID_UUID_BYTES];

	id_uuid(&test_environment[OTHER_LIVE], environment);
	execute(conn, arena_fmt(&test_kept, "DELETE FROM customer WHERE environment_id = '%.*s'; INSERT INTO customer (environment_id, id,"
	    " external_id, email, timezone, metadata, is_active, created_at, updated_at) SELECT '%.*s',"
	    " ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, n, 'a@b.co', 'UTC', '{}', true, now(), now()"
	    " FROM generate_series(1, %d) n", ID_UUID_BYTES, environment, ID_UUID_BYTES, environment, ROWS).ptr);
	for (size_t i = 0; i < COUNTOF(cases); i++) {
		const char *cursor = "", *pages = "";

		execute(conn, arena_fmt(&test_kept, "UPDATE customer SET full_name = CASE WHEN external_id IN ('%d', '1') THEN 'needle' END"
		    " WHERE (full_name = 'needle' OR external_id IN ('%d', '1')) AND environment_id = '%.*s'", ROWS + 1 - cases[i].at, ROWS + 1 - cases[i].at, ID_UUID_BYTES, environment).ptr);
		for (int page = 0; cursor && page < 5; page++) {
			size_t     n = 0;
			struct str next;

			assert_int_equal(SEND(OTHER_LIVE, "GET", joined(CUSTOMERS "?limit=9&search=needle", cursor), NULL, "2026-05-25"), 200);
			while (at(arena_fmt(&test_kept, "data.%zu.fullName", n).ptr).ptr)
				n++;
			pages = arena_fmt(&test_kept, "%s%zu ", pages, n).ptr;
			next = at("pagination.nextCursor");
			next = next.ptr ? next : at("nextCursor");
			cursor = next.ptr && next.ptr[0] == '"' ? arena_fmt(&test_kept, "&cursor=%.*s", (int)next.len - 2, next.ptr + 1).ptr : NULL;
		}
		if (strcmp(pages, cases[i].pages) != 0)
			fail_msg("with a row at %d the pages have %s", cases[i].at, pages);
	}
	execute(conn, arena_fmt(&test_kept, "DELETE FROM customer WHERE environment_id = '%.*s'", ID_UUID_BYTES, environment).ptr);
	PQfinish(conn);
}

/* Both spellings, as everywhere; the whole address, and nothing but it. */
static void
a_list_is_for_one_address(void **state UNUSED)
{
	static const struct {
		const char *query, *version, *found, *blamed;
	} lists[] = {
		{ "email=b@b.co", NULL, "two " },
		{ "billingEmail=b@b.co", NULL, "two " },
		{ "email=b@b.co&billingEmail=b@b.co", NULL, "two " },
		{ "email=b@b.co&billingEmail=a@b.co", NULL, NULL, "\"email\"" },
		{ "email=B@b.co", NULL, "two " },
		{ "email=B@b.co", "2026-07-31", "" },
		{ "email=b@b.c", NULL, "" },
		{ "email=b@b.co&externalId=two", NULL, "two " },
		{ "email=b@b.co&externalId=three", NULL, "" },
		{ "email=b@b.co&search=second", "2026-05-25", "two " },
		{ "email=b@b.co&search=third", "2026-05-25", "" },
		{ "email=b@b.co&isActive=false", "2026-05-01", "" },
		{ "email=b@b.co&isActive=true", "2026-05-01", "two " },
		{ "email=b@b.co&customerId=two", "2026-05-25", "two " },
		{ "customerId=two", "2026-05-25", "two " },
		{ "customerId=two&externalId=two", "2026-05-25", "two " },
		{ "customerId=two&externalId=three", "2026-05-25", "" },
		{ "customerId=two&limit=2", "2026-06-07", "three two " }, /* it is no parameter any more */
	};
	struct str two;

	for (size_t i = 0; i < COUNTOF(lists); i++)
		if (!lists[i].blamed) {
			if (strcmp(listed(lists[i].query, lists[i].version), lists[i].found) != 0)
				fail_msg("%s shows %s", lists[i].query, listed(lists[i].query, lists[i].version));
		} else {
			assert_int_equal(SEND(ACME_SANDBOX, "GET", joined(CUSTOMERS "?", lists[i].query)), 400);
			assert_true(at_is("error.param", lists[i].blamed));
		}
	/* Either id, and a public one wins. */
	assert_int_equal(SEND(ACME_SANDBOX, "GET", CUSTOMERS "/two"), 200);
	two = kept(at("id"));
	two = (struct str) { two.ptr + 1, two.len - 2 };
	assert_string_equal(listed(arena_fmt(&test_kept, "customerId=%.*s", STR_ARGS(two)).ptr, "2026-05-25"), "two ");
	assert_string_equal(listed(arena_fmt(&test_kept, "externalId=%.*s", STR_ARGS(two)).ptr, "2026-05-25"), "");
}

/* Client libraries put ids into paths as they are. */
static void
an_id_may_have_slashes_in_a_path(void **state UNUSED)
{
	static const char *const ids[] = { "a/b", "a/b/c/d", "batch/x" };

	for (size_t i = 0; i < COUNTOF(ids); i++) {
		const char *uri = joined(CUSTOMERS "/", ids[i]);

		assert_int_equal(SEND(ACME_SANDBOX, "POST", CUSTOMERS, arena_fmt(&test_kept, "{\"email\":\"s@b.co\",\"id\":\"%s\"}", ids[i]).ptr), 201);
		if (SEND(ACME_SANDBOX, "GET", uri) != 200 || !at_is("externalId", arena_fmt(&test_kept, "\"%s\"", ids[i]).ptr))
			fail_msg("%s: %.*s", uri, STR_ARGS(body()));
		assert_int_equal(SEND(ACME_SANDBOX, "PATCH", uri, "{\"fullName\":\"P\"}"), 200);
		assert_int_equal(SEND(ACME_SANDBOX, "PUT", uri, "{\"fullName\":\"U\"}"), 200);
		assert_true(at_is("fullName", "\"U\"") && at_is("externalId", arena_fmt(&test_kept, "\"%s\"", ids[i]).ptr));
		assert_int_equal(SEND(ACME_SANDBOX, "DELETE", uri), 404);
		assert_int_equal(SEND(ACME_SANDBOX, "POST", uri, "{}"), 404);
	}
	assert_int_equal(SEND(ACME_SANDBOX, "GET", "/api/v1/api-keys/a/b"), 404);
	assert_true(at_is("error.code", "\"not_found\""));
}

/* Each field alone: the others stay, and it is the one that changes. */
static void
an_update_changes_one_field_and_no_other(void **state UNUSED)
{
	static const struct {
		const char *body, *field, *now;
	} changes[] = {
		{ "{\"email\":\"new@b.co\"}", "email", "\"new@b.co\"" },
		{ "{\"fullName\":\"New\"}", "fullName", "\"New\"" },
		{ "{\"taxDocument\":\"9\"}", "taxDocument", "\"9\"" },
		{ "{\"timezone\":\"Asia/Tokyo\"}", "timezone", "\"Asia/Tokyo\"" },
		{ "{\"metadata\":{\"b\":2}}", "metadata", "{\"b\":2}" },
		{ "{\"address\":{\"line1\":\"2\",\"city\":\"2\",\"postalCode\":\"2\",\"country\":\"DE\"}}", "address",
		    "{\"line1\":\"2\",\"city\":\"2\",\"postalCode\":\"2\",\"country\":\"DE\"}" },
	};
	static const char *const fields[] = { "id", "externalId", "email", "fullName", "taxDocument", "timezone", "metadata", "address",
		"createdAt" };

	for (size_t by_external = 0; by_external < 2; by_external++)
		for (size_t i = 0; i < COUNTOF(changes); i++) {
			const char *id = fresh("ext"), *uri;
			struct str  before[COUNTOF(fields)];

			assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, arena_fmt(&test_kept, "{\"email\":\"a@b.co\",\"id\":\"%s\",\"fullName\":\"F\","
			    "\"taxDocument\":\"1\",\"timezone\":\"UTC\",\"metadata\":{\"a\":1},\"address\":{\"line1\":\"1\",\"city\":\"1\","
			    "\"postalCode\":\"1\",\"country\":\"BR\"}}", id).ptr), 201);
			uri = joined(CUSTOMERS "/", by_external ? id : arena_str(&test_kept, (struct str) { at("id").ptr + 1, at("id").len - 2 }).ptr);
			assert_int_equal(SEND(ACME_LIVE, "GET", uri), 200);
			for (size_t f = 0; f < COUNTOF(fields); f++)
				before[f] = kept(at(fields[f]));
			assert_int_equal(SEND(ACME_LIVE, "PATCH", uri, changes[i].body), 200);
			assert_int_equal(SEND(ACME_LIVE, "GET", uri), 200);
			for (size_t f = 0; f < COUNTOF(fields); f++) {
				const char *now = strcmp(fields[f], changes[i].field) == 0 ? changes[i].now : before[f].ptr;

				if (!str_is(at(fields[f]), now))
					fail_msg("%s: %s is %.*s", changes[i].body, fields[f], STR_ARGS(at(fields[f])));
			}
		}
	/* The public id wins when another customer has it as its own. */
	assert_int_equal(SEND(ACME_LIVE, "PATCH", CUSTOMERS "/nobody-at-all", "{}"), 404);
	assert_int_equal(SEND(ACME_LIVE, "PATCH", CUSTOMERS "/nobody-at-all", "{\"fullName\":\"x\"}"), 404);
	assert_true(at_is("error.code", "\"customer_not_found\""));
}

static void
a_request_id_is_echoed_if_it_is_harmless(void **state UNUSED)
{
	const struct {
		const char *sent;
		unsigned    often;
		bool        echoed;
	} ids[] = {
		{ "a", 1, true },
		{ "Az09-_.:", 1, true },
		{ many(REQUEST_ID_MAX_BYTES, 'x'), 1, true },
		{ many(REQUEST_ID_MAX_BYTES + 1, 'x'), 1, false },
		{ "", 1, false },
		{ "a b", 1, false },
		{ "a/b", 1, false },
		{ "a\"", 1, false },
		{ "a", 2, false },
		{ NULL, 0, false },
	};

	for (size_t i = 0; i < COUNTOF(ids); i++) {
		struct sent s = { ACME_LIVE, "GET", CUSTOMERS "?limit=1", .request_id = ids[i].sent };

		s.often[HEADER_REQUEST_ID] = ids[i].often;
		assert_int_equal(send_request(&s), 200);
		if (ids[i].echoed)
			assert_string_equal(header("X-Request-Id"), ids[i].sent);
		else
			assert_true(strlen(header("X-Request-Id")) == 4 + ID_TEXT_BYTES && strncmp(header("X-Request-Id"), "req_", 4) == 0);
	}
}

static void
a_version_is_a_date_of_the_calendar(void **state UNUSED)
{
	static const struct {
		const char *sent;
		int         status;
		const char *object; /* how the answer is wrapped */
	} cases[] = {
		{ "2026-07-24", 200, "\"list\"" },
		{ "2026-07-23", 200, NULL },
		{ " 2026-07-24 ", 200, "\"list\"" },
		{ "9999-12-31", 200, "\"list\"" },
		{ "0001-01-01", 200, NULL },
		{ "2024-02-29", 200, NULL },
		{ "2026-02-29", 400 },
		{ "1900-02-29", 400 },
		{ "2000-02-29", 200, NULL },
		{ "2026-04-31", 400 },
		{ "2026-13-01", 400 },
		{ "2026-00-01", 400 },
		{ "2026-01-00", 400 },
		{ "2026-01-32", 400 },
		{ "0000-01-01", 400 },
		{ "2026-7-24", 400 },
		{ "2026/07/24", 400 },
		{ "2026-07/24", 400 },
		{ "2026-07-24x", 400 },
		{ "", 400 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		if (SEND(ACME_LIVE, "GET", CUSTOMERS "?limit=1", NULL, cases[i].sent) != cases[i].status)
			fail_msg("%s: %.*s", cases[i].sent, STR_ARGS(body()));
		if (cases[i].status == 400)
			assert_true(at_is("error.param", "\"Commet-Version\""));
		else
			assert_int_equal(str_is(at("object"), "\"list\""), cases[i].object != NULL);
	}
}

static void
a_refused_request_is_told_when_to_come_back(void **state UNUSED)
{
	log_keep();
	for (int i = 0; i < 20; i++) {
		struct sent s = { ACME_LIVE, "GET", CUSTOMERS, .refused = "Come back later." };
		int64_t     wait;

		assert_int_equal(send_request(&s), 503);
		assert_true(at_is("message", "\"Come back later.\"") && at_is("error.code", "\"service_unavailable\""));
		assert_true(str_to_i64(response_find_header(&test_response, "Retry-After"), 1, 3, &wait));
		assert_int_equal(test_facts.db_trips, 0);
		assert_int_equal(test_facts.error, ERR_UNAVAILABLE);
	}
	/* The log has a line for the whole of it, which is not written here. */
	assert_int_equal(log_count("request "), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_leads_to_its_route_alone),
		cmocka_unit_test(a_path_takes_the_methods_of_the_version),
		cmocka_unit_test(what_became_an_endpoint_was_an_id),
		cmocka_unit_test(a_path_without_a_version_names_its_successor),
		cmocka_unit_test(a_target_has_its_bounds),
		cmocka_unit_test(a_page_is_asked_for_within_bounds),
		cmocka_unit_test(a_filter_shows_what_it_says),
		cmocka_unit_test(a_filtered_list_is_paged),
		cmocka_unit_test(a_search_goes_on_where_it_stopped),
		cmocka_unit_test(a_list_is_for_one_address),
		cmocka_unit_test(an_id_may_have_slashes_in_a_path),
		cmocka_unit_test(an_update_changes_one_field_and_no_other),
		cmocka_unit_test(a_request_id_is_echoed_if_it_is_harmless),
		cmocka_unit_test(a_version_is_a_date_of_the_calendar),
		cmocka_unit_test(a_refused_request_is_told_when_to_come_back),
	};
	int failed;

	app_test_begin();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	app_test_end();
	return failed;
}
