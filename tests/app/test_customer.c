/* The customer calls in process, in the versions that differ most. */
#include "app_test.h"
#include "base/clock.h"

static const char *const versions[] = { NULL, "2026-06-07", "2026-08-27" }; /* NULL: the legacy path */

static const char *
path(size_t version, const char *rest)
{
	return arena_fmt(&test_kept, "%s/customers%s", versions[version] ? "/api/v1" : "/api", rest).ptr;
}

/* fmt with its one '$' replaced by a. */
static const char *
text(const char *fmt, const char *a)
{
	size_t head = strcspn(fmt, "$");

	return arena_fmt(&test_kept, "%.*s%s%s", (int)head, fmt, a, fmt + head + 1).ptr;
}

static void
each_version_shows_its_own_customer(void **state UNUSED)
{
	static const struct {
		const char *prefix, *email;
		const char *present[10], *missing[10];
	} shapes[] = {
		{ "data.", "billingEmail", { "organizationId", "isActive", "metadata", "timezone" },
		    { "email", "object", "livemode", "taxDocument", "documentType", "address" } },
		{ "data.", "email", { "object", "livemode", "metadata", "timezone" },
		    { "billingEmail", "organizationId", "isActive", "taxDocument", "address" } },
		{ "", "email", { "object", "livemode", "taxDocument", "documentType" },
		    { "billingEmail", "organizationId", "isActive", "success", "data" } },
	};

	for (size_t v = 0; v < COUNTOF(versions); v++) {
		const char *id = fresh("ext");

		assert_int_equal(SEND(ACME_LIVE, "POST", path(v, ""), text("{\"email\":\"a@b.co\",\"id\":\"$\"}", id), versions[v]), 201);
		assert_true(str_is(response_find_header(&test_response, "Clientele-Result"), "created"));
		assert_true(at_is(arena_fmt(&test_kept, "%s%s", shapes[v].prefix, shapes[v].email).ptr, "\"a@b.co\""));
		for (size_t i = 0; shapes[v].present[i]; i++)
			if (!at(arena_fmt(&test_kept, "%s%s", shapes[v].prefix, shapes[v].present[i]).ptr).ptr)
				fail_msg("version %zu lacks %s", v, shapes[v].present[i]);
		for (size_t i = 0; shapes[v].missing[i]; i++)
			if (at(arena_fmt(&test_kept, "%s%s", shapes[v].prefix, shapes[v].missing[i]).ptr).ptr)
				fail_msg("version %zu shows %s", v, shapes[v].missing[i]);
		assert_int_equal(response_find_header(&test_response, "Deprecation").ptr != NULL, v == 0);
	}
}

static void
create_is_done_once_for_an_external_id(void **state UNUSED)
{
	const char *id = fresh("ext");
	struct str  first;
	int64_t     before = count_customers(ACME_LIVE);

	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", text("{\"email\":\"a@b.co\",\"id\":\"$\"}", id)), 201);
	first = kept(body());
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers",
	    text("{\"email\":\"other@b.co\",\"externalId\":\"$\",\"fullName\":\"No\"}", id)), 200);
	assert_true(str_eq(body(), first));
	assert_true(str_is(response_find_header(&test_response, "Clientele-Result"), "existing"));
	assert_int_equal(count_customers(ACME_LIVE), before + 1);
}

static void
what_is_created_is_what_is_read(void **state UNUSED)
{
	const char *id = fresh("ext");
	struct str  created, metadata;

	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", text("{\"email\":\"a@b.co\",\"id\":\"$\","
	    "\"fullName\":\"J\\u00f6rg \\ud83d\\ude00\",\"taxDocument\":\"12.345\\/6\",\"timezone\":\"Asia/Tokyo\","
	    "\"address\":{\"country\":\"BR\",\"extra\":1,\"city\":\"S\\u00e3o Paulo\",\"line1\":\"x\",\"postalCode\":\"1\",\"state\":null},"
	    "\"metadata\": {\"n\" : 1.10, \"big\":12345678901234567890123,\"s\":\"\\/\\u00e9\" ,\"z\":1,\"a\":2}}", id)), 201);
	created = kept(body());
	metadata = kept(at("metadata"));
	assert_true(str_is(metadata, "{\"n\" : 1.10, \"big\":12345678901234567890123,\"s\":\"\\/\\u00e9\" ,\"z\":1,\"a\":2}"));
	assert_true(at_is("fullName", "\"J\xc3\xb6rg \xf0\x9f\x98\x80\""));
	assert_int_equal(SEND(ACME_LIVE, "GET", arena_fmt(&test_kept, "/api/v1/customers/%s", id).ptr), 200);
	assert_true(str_eq(at("metadata"), metadata));
	assert_true(at_is("address", "{\"line1\":\"x\",\"city\":\"S\xc3\xa3o Paulo\",\"postalCode\":\"1\",\"country\":\"BR\"}"));
	assert_true(at_is("subscription", "null"));
	assert_true(at_is("documentType", "\"CNPJ\""));
	assert_int_equal(SEND(ACME_LIVE, "GET", arena_fmt(&test_kept, "/api/v1/customers?externalId=%s", id).ptr), 200);
	assert_true(str_eq(at("data.0"), created));
	assert_true(at_is("hasMore", "false"));
}

static void
tenants_do_not_see_each_other(void **state UNUSED)
{
	const char *id = fresh("ext");
	struct str  public_id, missing, foreign;

	assert_int_equal(SEND(OTHER_LIVE, "POST", "/api/v1/customers", text("{\"email\":\"a@b.co\",\"id\":\"$\"}", id)), 201);
	public_id = kept(at("id"));
	for (int who = ACME_LIVE; who <= ACME_SANDBOX; who++) {
		const char *own = arena_fmt(&test_kept, "/api/v1/customers/%.*s", (int)public_id.len - 2, public_id.ptr + 1).ptr;
		const char *by_external = arena_fmt(&test_kept, "/api/v1/customers/%s", id).ptr;

		assert_int_equal(SEND(who, "GET", "/api/v1/customers/nobody"), 404);
		missing = kept(body());
		assert_int_equal(SEND(who, "GET", own), 404);
		foreign = kept(body());
		assert_true(str_eq(missing, foreign));
		assert_int_equal(SEND(who, "GET", by_external), 404);
		assert_true(str_eq(missing, body()));
		assert_int_equal(SEND(who, "PUT", own, "{\"email\":\"x@y.co\"}"), 404);
		assert_true(str_eq(missing, body()));
		assert_int_equal(SEND(who, "GET", arena_fmt(&test_kept, "/api/v1/customers?externalId=%s", id).ptr), 200);
		assert_true(at_is("data", "[]"));
		/* The same external id is free elsewhere. */
		assert_int_equal(SEND(who, "POST", "/api/v1/customers", text("{\"email\":\"z@b.co\",\"id\":\"$\"}", id)), 201);
		assert_false(str_eq(at("id"), public_id));
	}
	assert_int_equal(SEND(OTHER_LIVE, "GET", arena_fmt(&test_kept, "/api/v1/customers/%s", id).ptr), 200);
	assert_true(at_is("email", "\"a@b.co\""));
}

static void
a_list_is_paged_to_its_end_without_gaps(void **state UNUSED)
{
	struct str  last = STR_NONE, cursor = STR_NONE;
	size_t      seen = 0, pages = 0;
	int64_t     rows;

	for (int i = 0; i < 7; i++)
		assert_int_equal(SEND(ACME_SANDBOX, "POST", "/api/v1/customers", "{\"email\":\"page@b.co\"}"), 201);
	rows = count_customers(ACME_SANDBOX);
	do {
		const char *uri = arena_fmt(&test_kept, "/api/v1/customers?limit=3%s%.*s", cursor.ptr ? "&cursor=" : "",
		    cursor.ptr ? (int)cursor.len - 2 : 0, cursor.ptr ? cursor.ptr + 1 : "").ptr;

		assert_int_equal(SEND(ACME_SANDBOX, "GET", uri), 200);
		for (int i = 0; i < 3; i++) {
			struct str id = at(arena_fmt(&test_kept, "data.%d.id", i).ptr);

			if (!id.ptr)
				break;
			if (last.ptr)
				assert_true(str_cmp(id, last) < 0); /* newest first */
			last = kept(id);
			seen++;
		}
		cursor = kept(at("nextCursor"));
		assert_true(at_is("hasMore", cursor.ptr ? "true" : "false"));
		/* What is created meanwhile is newer and shifts nothing. */
		assert_int_equal(SEND(ACME_SANDBOX, "POST", "/api/v1/customers", "{\"email\":\"late@b.co\"}"), 201);
		pages++;
	} while (cursor.ptr);
	assert_int_equal(seen, rows);
	assert_int_equal(pages, (rows + 2) / 3);
}

/* As many bytes as a change can have: a page of a hundred of them was more than an answer holds, and an error for ever. */
static void
a_page_of_large_changes_has_fewer_of_them(void **state UNUSED)
{
	enum { CHANGES = 70, LARGE = 64 * 1024 };
	const int64_t max = test_conf.metadata_max_bytes;
	const char   *id = fresh("ext"), *uri = arena_fmt(&test_kept, "/api/v1/customers/%s", id).ptr;
	char         *filler = arena_alloc(&test_kept, 1, 1, LARGE);
	const char   *updated = "\"customer.updated\"", *found;
	struct str    cursor = STR_NONE;
	size_t        seen = 0, pages = 0;

	memset(filler, 'x', LARGE);
	test_conf.metadata_max_bytes = LARGE;
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", text("{\"email\":\"a@b.co\",\"id\":\"$\"}", id)), 201);
	for (int i = 0; i < CHANGES; i++) {
		const char *sent = arena_fmt(&test_kept, "{\"metadata\":{\"n\":%d,\"x\":\"%.*s\"}}", 100 + i, LARGE - 16, filler).ptr;

		assert_int_equal(SEND(ACME_LIVE, "PATCH", uri, sent), 200);
	}
	do {
		const char *page = arena_fmt(&test_kept, "%s/history?limit=100%s%.*s", uri, cursor.ptr ? "&cursor=" : "",
		    cursor.ptr ? (int)cursor.len - 2 : 0, cursor.ptr ? cursor.ptr + 1 : "").ptr;

		assert_int_equal(SEND(ACME_LIVE, "GET", page), 200);
		assert_true(at_is("data.0.after.metadata.n", arena_fmt(&test_kept, "%zu", 99 + CHANGES - seen).ptr));
		for (struct str rest = body(); (found = memmem(rest.ptr, rest.len, updated, strlen(updated))); seen++)
			rest = (struct str) { found + 1, (size_t)(rest.ptr + rest.len - found - 1) };
		cursor = kept(at("nextCursor"));
		assert_true(at_is("hasMore", cursor.ptr ? "true" : "false"));
		pages++;
	} while (cursor.ptr);
	assert_int_equal(seen, CHANGES);
	assert_int_equal(pages, 2);
	assert_int_equal(SEND(ACME_LIVE, "GET", arena_fmt(&test_kept, "%s/export", uri).ptr), 200);
	assert_true(at_is("hasMoreEvents", "true"));
	test_conf.metadata_max_bytes = max;
}

static void
an_update_changes_what_is_given(void **state UNUSED)
{
	const char *id = fresh("ext"), *other = fresh("ext"), *uri;
	struct str  before;

	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers",
	    text("{\"email\":\"a@b.co\",\"id\":\"$\",\"fullName\":\"F\",\"metadata\":{\"a\":1}}", id)), 201);
	before = kept(body());
	uri = arena_fmt(&test_kept, "/api/v1/customers/%s", id).ptr;
	for (size_t i = 0; i < 3; i++) {
		static const char *const empty[] = { "{}", "[]", "" };

		assert_int_equal(SEND(ACME_LIVE, "PATCH", uri, empty[i]), 200);
		assert_true(str_eq(body(), before));
	}
	clock_freeze(clock_wall_ms() + 5000);
	assert_int_equal(SEND(ACME_LIVE, "PUT", uri, "{\"timezone\":\"Europe/Paris\",\"fullName\":null}"), 200);
	assert_true(at_is("timezone", "\"Europe/Paris\"") && at_is("fullName", "\"F\"") && at_is("metadata", "{\"a\":1}"));
	assert_false(str_eq(at("updatedAt"), at("createdAt")));
	assert_int_equal(SEND(ACME_LIVE, "PATCH", uri, "{\"metadata\":{\"b\":2}}"), 200);
	assert_true(at_is("metadata", "{\"b\":2}"));
	/* One old client always sends these. */
	assert_int_equal(SEND(ACME_LIVE, "PUT", arena_fmt(&test_kept, "/api/customers/%s", id).ptr,
	    "{\"metadata\":{},\"address\":null,\"isActive\":false}"), 200);
	assert_true(at_is("data.metadata", "{\"b\":2}") && at_is("data.isActive", "false"));
	clock_freeze(0);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", text("{\"email\":\"a@b.co\",\"id\":\"$\"}", other)), 201);
	assert_int_equal(SEND(ACME_LIVE, "PUT", uri, text("{\"externalId\":\"$\"}", other)), 409);
	assert_true(at_is("error.code", "\"duplicate\"") && at_is("error.param", "\"externalId\""));
	assert_int_equal(SEND(ACME_LIVE, "PUT", uri, text("{\"externalId\":\"$\"}", fresh("moved"))), 200);
	assert_int_equal(SEND(ACME_LIVE, "GET", uri), 404);
}

static void
a_condition_is_sent_once(void **state UNUSED)
{
	const char *id = fresh("ext"), *uri = arena_fmt(&test_kept, "/api/v1/customers/%s", id).ptr, *tag;
	struct sent s = { ACME_LIVE, "PATCH", uri, "{\"fullName\":\"F\"}" };

	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", text("{\"email\":\"a@b.co\",\"id\":\"$\"}", id)), 201);
	tag = kept(response_find_header(&test_response, "ETag")).ptr;
	s.match = tag;
	s.often[HEADER_IF_MATCH] = 2;
	assert_int_equal(send_request(&s), 400);
	assert_true(at_is("error.param", "\"If-Match\""));
	s.often[HEADER_IF_MATCH] = 1;
	assert_int_equal(send_request(&s), 200);
	assert_int_equal(send_request(&s), 412);
}

/* How far a time in the answer is from the clock, in seconds; those of a test are of one day or of two. */
static int64_t
seconds_off(const char *path, int64_t wall_ms)
{
	char now[CLOCK_ISO_BYTES + 1];
	int  shown[3], meant[3];

	clock_iso(wall_ms, now);
	assert_int_equal(sscanf(at(path).ptr, "\"%*10[0-9-]T%d:%d:%d", &shown[0], &shown[1], &shown[2]), 3);
	assert_int_equal(sscanf(now, "%*10[0-9-]T%d:%d:%d", &meant[0], &meant[1], &meant[2]), 3);
	return llabs((shown[0] - meant[0]) * 3600 + (shown[1] - meant[1]) * 60 + shown[2] - meant[2]) % 86400;
}

static void
times_are_right_again_after_a_clock_that_was_ahead(void **state UNUSED)
{
	static const char *const calls[][2] = {
		{ "/api/v1/customers", "{\"email\":\"a@b.co\"}" },
		{ "/api/customers/batch", "{\"customers\":[{\"email\":\"a@b.co\"}]}" },
		{ "/api/v1/api-keys", "{\"name\":\"late\"}" },
	};
	const char *uri;
	int64_t     now_ms = clock_wall_ms();

	clock_freeze(now_ms + 2 * 3600 * 1000);
	assert_int_equal(SEND(ACME_LIVE, "POST", calls[0][0], calls[0][1]), 201);
	uri = arena_fmt(&test_kept, "/api/v1/customers/%.*s", (int)at("id").len - 2, at("id").ptr + 1).ptr;
	clock_freeze(now_ms);
	for (size_t i = 0; i < COUNTOF(calls); i++) {
		assert_in_range(SEND(ACME_LIVE, "POST", calls[i][0], calls[i][1]), 200, 201);
		assert_int_equal(seconds_off(i == 1 ? "data.successful.0.createdAt" : "createdAt", now_ms), 0);
	}
	/* A moment ahead may be another host's; more is no time that ever was. */
	assert_int_equal(SEND(ACME_LIVE, "PATCH", uri, "{\"fullName\":\"Late\"}"), 200);
	assert_int_equal(seconds_off("updatedAt", now_ms), 0);
	clock_freeze(now_ms - 3000);
	assert_int_equal(SEND(ACME_LIVE, "PATCH", uri, "{\"fullName\":\"Later\"}"), 200);
	assert_int_equal(seconds_off("updatedAt", now_ms), 0);
	clock_freeze(now_ms - 6000);
	assert_int_equal(SEND(ACME_LIVE, "PATCH", uri, "{\"fullName\":\"Latest\"}"), 200);
	assert_int_equal(seconds_off("updatedAt", now_ms - 6000), 0);
	clock_freeze(0);
}

static void
a_batch_tells_what_became_of_each_item(void **state UNUSED)
{
	const char *one = fresh("b"), *two = fresh("b");
	const char *batch = arena_fmt(&test_kept, "{\"customers\":[{\"email\":\"1@b.co\",\"id\":\"%s\"},"
	    "{\"email\":\"no mail\",\"id\":\"x\"},{\"email\":\"2@b.co\",\"id\":\"%s\"},{\"email\":\"3@b.co\"},"
	    "{\"email\":\"4@b.co\",\"id\":\"%s\"}]}", one, two, one).ptr;
	int64_t before = count_customers(ACME_LIVE);

	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", text("{\"email\":\"0@b.co\",\"id\":\"$\"}", two)), 201);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers/batch", batch), 200);
	assert_true(at_is("object", "\"customer_batch\"") && at_is("livemode", "true"));
	assert_true(at_is("failed.0.index", "1") && at_is("failed.0.param", "\"email\""));
	assert_true(at_is("failed.0.data", "{\"email\":\"no mail\",\"id\":\"x\"}"));
	assert_true(at_is("successful.0.status", "\"created\"") && at_is("successful.1.status", "\"existing\""));
	assert_true(at_is("successful.1.email", "\"0@b.co\"") && at_is("successful.2.status", "\"created\""));
	assert_true(at_is("successful.3.status", "\"existing\"") && at_is("successful.3.email", "\"1@b.co\""));
	assert_true(str_eq(at("successful.3.id"), at("successful.0.id")));
	assert_int_equal(count_customers(ACME_LIVE), before + 3);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers/batch", batch, "2026-06-07"), 200);
	assert_true(at_is("data.object", "\"customer\"") && !at("data.successful.0.timezone").ptr);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/customers/batch", batch), 200);
	assert_true(at_is("data.successful.0.billingEmail", "\"1@b.co\"") && at("data.successful.0.createdAt").ptr);
}

/* As a create alone would answer each of them; nothing else of the batch is refused for one. */
static void
a_batch_answers_each_item_where_that_is_preferred(void **state UNUSED)
{
	const char *own = fresh("b"), *old = fresh("b"), *batch;
	int64_t     before;

	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", text("{\"email\":\"0@b.co\",\"id\":\"$\"}", old)), 201);
	before = count_customers(ACME_LIVE);
	batch = arena_fmt(&test_kept, "{\"customers\":[{\"email\":\"1@b.co\",\"id\":\"%s\"},{\"fullName\":\"No Mail\",\"timezone\":1},"
	    "{\"email\":\"2@b.co\",\"id\":\"%s\"},7,{\"email\":\"3@b.co\",\"id\":\"%s\"},{\"email\":\"4@b.co\"}]}", own, old, own).ptr;
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers/batch", batch, .prefer = "return=each"), 200);
	assert_true(str_is(response_find_header(&test_response, "Preference-Applied"), "return=each"));
	assert_true(at_is("object", "\"customer_batch_results\"") && at_is("livemode", "true") && !at("successful").ptr && !at("failed").ptr);
	for (int i = 0; i < 6; i++) {
		static const char *const statuses[] = { "201", "400", "200", "400", "200", "201" };

		assert_true(at_is(arena_fmt(&test_kept, "results.%d.index", i).ptr, arena_fmt(&test_kept, "%d", i).ptr));
		assert_true(at_is(arena_fmt(&test_kept, "results.%d.status", i).ptr, statuses[i]));
		assert_int_equal(at(arena_fmt(&test_kept, "results.%d.customer", i).ptr).ptr != NULL, statuses[i][0] == '2');
		assert_int_equal(at(arena_fmt(&test_kept, "results.%d.error", i).ptr).ptr != NULL, statuses[i][0] == '4');
	}
	assert_true(!at("results.6").ptr && at_is("results.0.customer.email", "\"1@b.co\"") && at_is("results.0.customer.object", "\"customer\""));
	assert_true(at_is("results.2.customer.email", "\"0@b.co\"") && at_is("results.5.customer.email", "\"4@b.co\""));
	assert_true(str_eq(at("results.4.customer.id"), at("results.0.customer.id")));
	assert_true(at_is("results.1.error.code", "\"validation_error\"") && at_is("results.1.error.param", "\"timezone\""));
	assert_true(at_is("results.1.error.message", "\"timezone: must be a string\""));
	assert_true(at_is("results.1.error.details.1", "{\"field\":\"email\",\"message\":\"is required\"}"));
	assert_true(at_is("results.3.error.details", "[{\"field\":\"body\",\"message\":\"must be a JSON object\"}]"));
	assert_int_equal(count_customers(ACME_LIVE), before + 2);
	/* Without it, one that could not be listed as failed refuses all. */
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers/batch", batch), 400);
	assert_null(response_find_header(&test_response, "Preference-Applied").ptr);
	assert_true(at_is("error.details.0", "{\"field\":\"customers.1.timezone\",\"message\":\"must be a string\"}"));
	assert_true(at_is("error.details.1", "{\"field\":\"customers.1.email\",\"message\":\"is required\"}"));
	assert_true(at_is("error.details.2", "{\"field\":\"customers.3\",\"message\":\"must be an object\"}") && !at("error.details.3").ptr);
	assert_int_equal(count_customers(ACME_LIVE), before + 2);
}

static const char *
batch_of(size_t n, const char *item)
{
	const char *items = n ? item : "";

	for (size_t i = 1; i < n; i++)
		items = arena_fmt(&test_kept, "%s,%s", items, item).ptr;
	return arena_fmt(&test_kept, "{\"customers\":[%s]}", items).ptr;
}

static void
a_batch_has_its_bounds(void **state UNUSED)
{
	const struct {
		const char *body, *fault; /* NULL: taken */
		int         made;
	} cases[] = {
		{ batch_of(1, "{\"email\":\"a@b.co\"}"), NULL, 1 },
		{ batch_of(100, "{\"email\":\"a@b.co\"}"), NULL, 100 },
		{ batch_of(101, "{\"email\":\"a@b.co\"}"), "\"must have 1 to 100 items\"", 0 },
		{ batch_of(0, ""), "\"must have 1 to 100 items\"", 0 },
		{ "{}", "\"is required\"", 0 },
		{ "{\"customers\":{}}", "\"must be an array\"", 0 },
		{ "{\"customers\":null}", "\"must be an array\"", 0 },
		{ batch_of(3, "{\"email\":\"no mail\"}"), NULL, 0 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++)
		for (int each = 0; each < 2; each++) {
			int64_t before = count_customers(ACME_SANDBOX);
			int     status = SEND(ACME_SANDBOX, "POST", "/api/v1/customers/batch", cases[i].body, .prefer = each ? "return=each" : NULL);

			if (status != (cases[i].fault ? 400 : 200))
				fail_msg("case %zu: %.*s", i, STR_ARGS(body()));
			if (cases[i].fault)
				assert_true(at_is("error.param", "\"customers\"") && at_is("error.details.0.message", cases[i].fault) && !at("error.details.1").ptr);
			assert_int_equal(count_customers(ACME_SANDBOX), before + cases[i].made);
		}
	assert_int_equal(SEND(ACME_SANDBOX, "POST", "/api/v1/customers/batch", "[]"), 400);
	assert_int_equal(SEND(ACME_SANDBOX, "POST", "/api/v1/customers/batch", ""), 400);
}

/* Items without an external id are all new; of the same one the first that is right is made, wherever it stands. */
static void
a_batch_makes_the_first_of_the_same_id(void **state UNUSED)
{
	const char *ids[] = { fresh("b2"), fresh("b1"), fresh("b3") };
	const char *items = "";
	int64_t     before = count_customers(ACME_LIVE);

	for (int i = 0; i < 12; i++)
		items = arena_fmt(&test_kept, "%s%s{\"email\":\"%s%d@b.co\"%s%s%s}", items, i ? "," : "", i == 1 ? "no mail " : "", i,
		    i % 4 < 3 ? ",\"id\":\"" : "", i % 4 < 3 ? ids[i % 4] : "", i % 4 < 3 ? "\"" : "").ptr;
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers/batch", arena_fmt(&test_kept, "{\"customers\":[%s]}", items).ptr), 200);
	assert_true(at_is("failed.0.index", "1") && at_is("failed.0.error", "\"email: must be an e-mail address\"") && !at("failed.1").ptr);
	for (int i = 0, n = 0; i < 12; i++) {
		const int   first = i == 1 ? -1 : i % 4 == 3 ? i : i % 4 == 1 ? 5 : i % 4;
		const char *at_n = arena_fmt(&test_kept, "successful.%d", n).ptr;

		if (first < 0)
			continue;
		n++;
		assert_true(at_is(arena_fmt(&test_kept, "%s.index", at_n).ptr, arena_fmt(&test_kept, "%d", i).ptr));
		assert_true(at_is(arena_fmt(&test_kept, "%s.email", at_n).ptr, arena_fmt(&test_kept, "\"%d@b.co\"", first).ptr));
		assert_true(at_is(arena_fmt(&test_kept, "%s.status", at_n).ptr, first == i ? "\"created\"" : "\"existing\""));
	}
	assert_int_equal(count_customers(ACME_LIVE), before + 6);
}

/* Ids that client libraries cannot put into a path are warned of; where it is new, the answer says where it is. */
static void
an_own_id_that_gets_lost_in_paths_is_warned_of(void **state UNUSED)
{
	static const struct {
		const char *id;
		bool        warned;
	} ids[] = {
		{ "plain", false }, { "a b", false }, { ".a", false }, { "...", false }, { "a.", false }, { " a", false },
		{ "a/b", true }, { "a#b", true }, { "?a", true }, { "a%", true }, { "a\\\\b", true }, { "a ", true }, { ".", true }, { "..", true },
	};

	for (size_t i = 0; i < COUNTOF(ids); i++) {
		const char *unique = ids[i].id[0] == '.' ? ids[i].id : arena_fmt(&test_kept, "%s%s", ids[i].id[0] == ' ' ? "" : fresh("w"), ids[i].id).ptr;
		const char *one = text("{\"email\":\"a@b.co\",\"id\":\"$\"}", unique);
		const char *batch = arena_fmt(&test_kept, "{\"customers\":[{\"email\":\"a@b.co\"},%s,{\"email\":\"a@b.co\",\"id\":\"%s\"}]}", one, fresh("w")).ptr;
		const char *location;
		struct str  id;

		for (int existing = 0; existing < 2; existing++) {
			int status = SEND(ACME_SANDBOX, "POST", "/api/v1/customers", one);

			assert_int_equal(status, existing ? 200 : 201);
			assert_int_equal(response_find_header(&test_response, "Clientele-Warning").ptr != NULL, ids[i].warned);
			id = at("id");
			location = arena_fmt(&test_kept, "/api/v1/customers/%.*s", (int)id.len - 2, id.ptr + 1).ptr;
			if (existing)
				assert_null(response_find_header(&test_response, "Location").ptr);
			else
				assert_true(str_is(response_find_header(&test_response, "Location"), location));
		}
		assert_int_equal(SEND(ACME_SANDBOX, "PATCH", location, text("{\"externalId\":\"$\"}", unique)), 200);
		assert_int_equal(response_find_header(&test_response, "Clientele-Warning").ptr != NULL, ids[i].warned);
		assert_int_equal(SEND(ACME_SANDBOX, "PATCH", location, "{\"fullName\":\"x\"}"), 200);
		assert_null(response_find_header(&test_response, "Clientele-Warning").ptr);
		assert_int_equal(SEND(ACME_SANDBOX, "POST", "/api/v1/customers/batch", batch), 200);
		assert_int_equal(response_find_header(&test_response, "Clientele-Warning").ptr != NULL, ids[i].warned);
	}
}

static void
a_key_used_twice_gives_the_first_answer(void **state UNUSED)
{
	static const struct {
		const char *method, *uri, *body;
		int         status;
	} writes[] = {
		{ "POST", "/api/v1/customers", "{\"email\":\"idem@b.co\",\"metadata\":{\"x\":1.0}}", 201 },
		{ "POST", "/api/v1/customers/batch", "{\"customers\":[{\"email\":\"1@b.co\"},{\"email\":\"?\"},{\"email\":\"2@b.co\",\"id\":\"idem-existing\"}]}", 200 },
		{ "POST", "/api/v1/customers/batch", "{\"customers\":[{\"email\":\"?\"}]}", 200 },
		{ "PATCH", "/api/v1/customers/idem-existing", "{\"fullName\":\"Replayed\"}", 200 },
		{ "PATCH", "/api/v1/customers/idem-existing", "{}", 200 },
		{ "PATCH", "/api/v1/customers/idem-existing", "{\"externalId\":\"idem-taken\"}", 409 },
		{ "PATCH", "/api/v1/customers/idem-existing", "{\"externalId\":\"idem-moved\"}", 200 },
	};

	SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"e@b.co\",\"id\":\"idem-existing\"}");
	SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"e@b.co\",\"id\":\"idem-taken\"}");
	for (size_t i = 0; i < COUNTOF(writes); i++) {
		const char *key = fresh("key");
		struct sent sent = { ACME_LIVE, writes[i].method, writes[i].uri, writes[i].body, .idem = key };
		struct sent changed = sent;
		struct str  first;
		int64_t     rows;

		assert_int_equal(send_request(&sent), writes[i].status);
		assert_null(response_find_header(&test_response, "Idempotent-Replayed").ptr);
		first = kept(body());
		rows = count_customers(ACME_LIVE);
		/* What happens in between does not change the stored answer. */
		SEND(ACME_LIVE, "PATCH", "/api/v1/customers/idem-existing", "{\"email\":\"later@b.co\"}");
		clock_freeze(clock_wall_ms() + 60000);
		if (send_request(&sent) != writes[i].status || !str_eq(first, body()))
			fail_msg("write %zu: %.*s\n is replayed as %.*s", i, STR_ARGS(first), STR_ARGS(body()));
		clock_freeze(0);
		assert_true(str_is(response_find_header(&test_response, "Idempotent-Replayed"), "true"));
		assert_int_equal(count_customers(ACME_LIVE), rows);
		/* Other blanks mean the same; one member more does not. */
		changed.body = arena_fmt(&test_kept, " %s\n", writes[i].body).ptr;
		assert_int_equal(send_request(&changed), writes[i].status);
		assert_true(str_eq(first, body()));
		changed.body = arena_fmt(&test_kept, "{\"more\":1%s%s", writes[i].body[1] == '}' ? "" : ",",
		    writes[i].body + 1).ptr;
		assert_int_equal(send_request(&changed), 409);
		assert_true(at_is("error.code", "\"idempotency_key_mismatch\""));
		changed = sent;
		changed.version = "2026-06-07";
		assert_int_equal(send_request(&changed), 409);
		/* Another environment has its own keys. */
		changed = sent;
		changed.who = ACME_SANDBOX;
		if (strcmp(writes[i].method, "POST") == 0)
			assert_int_equal(send_request(&changed), writes[i].status);
	}
}

/* A worker that has not met the key sends the answer of a first write along, and must not give that one. */
static void
a_key_is_known_to_a_worker_that_has_not_met_it(void **state UNUSED)
{
	struct app *first = test_app;
	const char *key = fresh("key");
	struct str  answer;
	int64_t     before;

	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"w@b.co\"}", .idem = key), 201);
	answer = kept(body());
	before = count_customers(ACME_LIVE);
	for (int i = 0; i < 2; i++) {
		static struct stats_slot stats;

		test_app = app_new(&test_conf, &stats, test_buckets);
		if (i == 0) {
			assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"w@b.co\"}", .idem = key), 201);
			assert_true(str_eq(answer, body()));
			assert_true(str_is(response_find_header(&test_response, "Idempotent-Replayed"), "true"));
		} else {
			assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"x@b.co\"}", .idem = key), 409);
			assert_true(at_is("code", "\"idempotency_key_mismatch\""));
		}
		app_free(test_app);
	}
	test_app = first;
	assert_int_equal(count_customers(ACME_LIVE), before);
}

/* A reload may have made them stricter: what was answered before stays the answer. */
static void
a_stored_answer_counts_more_than_newer_rules(void **state UNUSED)
{
	static const char body_text[] = "{\"email\":\"r@b.co\",\"metadata\":{\"a\":\"more than ten bytes\"}}";
	static struct stats_slot stats;
	struct app   *first = test_app;
	const int64_t max = test_conf.metadata_max_bytes;
	const char   *key = fresh("key");
	struct str    answer;

	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", body_text, .idem = key), 201);
	answer = kept(body());
	test_conf.metadata_max_bytes = 10;
	/* To the worker that knows the key, and to one that does not. */
	for (int i = 0; i < 2; i++) {
		if (i == 1)
			test_app = app_new(&test_conf, &stats, test_buckets);
		assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", body_text, .idem = key), 201);
		assert_true(str_eq(answer, body()));
		assert_true(test_facts.replayed);
	}
	app_free(test_app);
	test_app = app_new(&test_conf, &stats, test_buckets);
	assert_int_equal(SEND(ACME_LIVE, "PATCH", "/api/v1/customers/nobody", "{\"metadata\":{\"a\":\"more than ten bytes\"}}", .idem = key), 409);
	assert_true(at_is("code", "\"idempotency_key_mismatch\""));
	/* For a new key they are in force, and the refusal is the handler's own. */
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", body_text, .idem = fresh("key")), 400);
	assert_true(at_is("error.param", "\"metadata\""));
	assert_true(test_facts.db_trips > 0);
	/* Without a key there is nothing to look for. */
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", body_text), 400);
	assert_int_equal(test_facts.db_trips, 0);
	app_free(test_app);
	test_app = first;
	test_conf.metadata_max_bytes = max;
}

static void
a_refused_request_does_not_use_its_key_up(void **state UNUSED)
{
	const char *key = fresh("key");

	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"\"}", .idem = key), 400);
	assert_int_equal(SEND(ACME_LIVE, "PUT", "/api/v1/customers/nobody-at-all", "{\"email\":\"a@b.co\"}", .idem = key), 404);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}", .idem = key), 201);
	/* Quoted as a structured header it is the same key. */
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}",
	    .idem = arena_fmt(&test_kept, "\"%s\"", key).ptr), 201);
	assert_true(str_is(response_find_header(&test_response, "Idempotent-Replayed"), "true"));
}

static void
a_wrong_key_is_unauthorized_in_one_way(void **state UNUSED)
{
	static const char *const keys[] = {
		"ck_live_", "ck_live_0000000000000000000000000000000000000000", "ck_sandbox_x", "Bearer x",
		"ck_live_00000000000000000000000000000000000000000", "ck_live_000000000000000000000000000000000000000!",
	};
	struct str first = STR_NONE;

	for (size_t i = 0; i < COUNTOF(keys); i++) {
		assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "no JSON", .key = keys[i]), 401);
		if (first.ptr)
			assert_true(str_eq(first, body()));
		first = kept(body());
	}
	assert_true(at_is("error.type", "\"authentication_error\""));
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "no JSON", .key = ""), 401);
	assert_true(at_is("error.message", "\"No API key: send it in the header x-api-key.\""));
}

static void
a_lost_connection_is_survived(void **state UNUSED)
{
	/* The server ends the serving connections; the next write must find its way. */
	for (int i = 0; i < 3; i++) {
		const char *key = fresh("key");
		struct tx   tx;

		tx_init(&tx, test_owner, &test_kept);
		tx_step(&tx, SQL_ORG_LIST);
		if (tx_run(&tx) != DB_OK)
			fail_msg("%s", tx.log);
		assert_int_equal(system("psql -X -q \"$CLIENTELE_TEST_SERVE_URL\" -c \"SELECT pg_terminate_backend(pid)"
		    " FROM pg_stat_activity WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()\""
		    " >/dev/null"), 0);
		assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}", .idem = key), 201);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_version_shows_its_own_customer),
		cmocka_unit_test(create_is_done_once_for_an_external_id),
		cmocka_unit_test(what_is_created_is_what_is_read),
		cmocka_unit_test(tenants_do_not_see_each_other),
		cmocka_unit_test(a_list_is_paged_to_its_end_without_gaps),
		cmocka_unit_test(a_page_of_large_changes_has_fewer_of_them),
		cmocka_unit_test(an_update_changes_what_is_given),
		cmocka_unit_test(a_condition_is_sent_once),
		cmocka_unit_test(times_are_right_again_after_a_clock_that_was_ahead),
		cmocka_unit_test(a_batch_tells_what_became_of_each_item),
		cmocka_unit_test(a_batch_answers_each_item_where_that_is_preferred),
		cmocka_unit_test(a_batch_has_its_bounds),
		cmocka_unit_test(a_batch_makes_the_first_of_the_same_id),
		cmocka_unit_test(an_own_id_that_gets_lost_in_paths_is_warned_of),
		cmocka_unit_test(a_key_used_twice_gives_the_first_answer),
		cmocka_unit_test(a_key_is_known_to_a_worker_that_has_not_met_it),
		cmocka_unit_test(a_stored_answer_counts_more_than_newer_rules),
		cmocka_unit_test(a_refused_request_does_not_use_its_key_up),
		cmocka_unit_test(a_wrong_key_is_unauthorized_in_one_way),
		cmocka_unit_test(a_lost_connection_is_survived),
	};
	int failed;

	app_test_begin();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	app_test_end();
	return failed;
}
