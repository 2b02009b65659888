/* Who a key belongs to, for how long, and what the database is asked for it. */
#include "app_test.h"
#include "app/resources.h"
#include "auth/api_key.h"
#include "auth/limit.h"
#include "call/call.h"

#include <libpq-fe.h>
#include <time.h>

#define LIST "/api/v1/customers?limit=1"

static PGconn *superuser;

static void
execute(const char *sql)
{
	PGresult *res = PQexec(superuser, sql);

	if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(superuser));
	PQclear(res);
}

/* The first value of a query; its one '$' stands for a. */
static const char *
ask(const char *query, const char *a)
{
	const size_t head = strcspn(query, "$");
	const char  *sql = arena_fmt(&test_kept, "%.*s%s%s", (int)head, query, a, query + head + (query[head] != 0)).ptr;
	PGresult   *res = PQexec(superuser, sql);
	const char *value;

	if (PQresultStatus(res) != PGRES_TUPLES_OK || PQntuples(res) != 1)
		fail_msg("%s: %s", sql, PQerrorMessage(superuser));
	value = arena_str(&test_kept, str_of(PQgetvalue(res, 0, 0))).ptr;
	PQclear(res);
	return value;
}

static const char *
uuid(const struct id *id)
{
	char text[ID_UUID_BYTES];

	id_uuid(id, text);
	return arena_str(&test_kept, (struct str) { text, ID_UUID_BYTES }).ptr;
}

struct made {
	const char *text, *id;
	unsigned char hash[SHA256_BYTES];
};

/* A key that no worker has met. more: further columns with their values, from a comma on. */
static struct made
make(enum tenant_name who, const char *columns, const char *values)
{
	struct id      id = id_new();
	struct api_key key;
	struct made    made = { .id = uuid(&id) };
	char           hex[2 * SHA256_BYTES];

	api_key_make(false, who != ACME_SANDBOX, &key);
	str_put_hex(hex, key.hash, SHA256_BYTES);
	memcpy(made.hash, key.hash, SHA256_BYTES);
	made.text = arena_str(&test_kept, str_of(key.text)).ptr;
	execute(arena_fmt(&test_kept, "INSERT INTO api_key (environment_id, id, hash, name, prefix%s) VALUES ('%s', '%s', '\\x%.*s', 'x', '%s'%s)",
	    columns, uuid(&test_environment[who]), made.id, (int)sizeof(hex), hex, key.prefix, values).ptr);
	return made;
}

static int
list_with(const char *key)
{
	return SEND(ACME_LIVE, "GET", LIST, .key = key);
}

static void
what_is_no_key_costs_the_database_nothing(void **state UNUSED)
{
	const char *good = test_key[ACME_LIVE];
	const size_t len = strlen(good);
	const char *keys[] = {
		"", "ck_live_", arena_fmt(&test_kept, "%sx", good).ptr, arena_fmt(&test_kept, "%.*s", (int)len - 1, good).ptr,
		arena_fmt(&test_kept, "%.*s-", (int)len - 1, good).ptr, arena_fmt(&test_kept, "ck_live_-%s", good + strlen("ck_live_") + 1).ptr,
		arena_fmt(&test_kept, "ck_sandbox_%s", good + strlen("ck_live_")).ptr,
		arena_fmt(&test_kept, "Ck_live_%s", good + strlen("ck_live_")).ptr, arena_fmt(&test_kept, "ck_test_%s", good + strlen("ck_live_")).ptr,
	};

	for (size_t i = 0; i < COUNTOF(keys); i++) {
		assert_int_equal(list_with(keys[i]), 401);
		assert_int_equal(test_facts.db_trips, 0);
		assert_null(test_facts.key.ptr);
	}
	/* Of a good form, and without a checksum: it is asked for, and is none. */
	assert_int_equal(list_with(arena_fmt(&test_kept, "%.*s", (int)len - API_KEY_CHECK_DIGITS, good).ptr), 401);
	assert_true(test_facts.db_trips > 0);
	assert_null(test_facts.key.ptr);
	assert_int_equal(list_with(good), 200);
	assert_true(str_eq(test_facts.key, (struct str) { good, strlen("ck_live_") + API_KEY_PREFIX_DIGITS }));
	assert_false(id_is_nil(&test_facts.organization));
}

/* Each slip is found, whichever it is: this is what the checksum is for. */
static void
a_key_with_a_slip_is_seen_to_be_none(void **state UNUSED)
{
	for (int live = 0; live < 2; live++) {
		struct api_key key, wrong;
		size_t         head = strlen(live ? "ck_live_" : "ck_sandbox_"), len;

		api_key_make(false, live, &key);
		len = strlen(key.text);
		assert_int_equal(len, head + API_KEY_DIGITS + API_KEY_CHECK_DIGITS);
		assert_int_equal(api_key_judge(str_of(key.text)), API_KEY_RIGHT);
		for (size_t i = head; i < len; i++) {
			wrong = key;
			wrong.text[i] = key.text[i] == 'a' ? 'b' : 'a';
			assert_int_equal(api_key_judge(str_of(wrong.text)), API_KEY_WRONG);
			assert_int_equal(list_with(arena_str(&test_kept, str_of(wrong.text)).ptr), 401);
			assert_int_equal(test_facts.db_trips, 0);
			wrong.text[i] = '_';
			assert_int_equal(api_key_judge(str_of(wrong.text)), API_KEY_NONE);
			assert_int_equal(api_key_judge((struct str) { key.text, i }),
			    i == head + API_KEY_DIGITS ? API_KEY_UNCHECKED : API_KEY_NONE);
		}
	}
	assert_int_equal(api_key_judge(STR("ck_live_0123456789abcdefghijABCDEFGHIJklmnopqrst4NhyV8")), API_KEY_RIGHT);
	assert_int_equal(api_key_judge(STR("")), API_KEY_NONE);
}

/* Keys of before the checksum. */
static void
a_key_without_a_checksum_works_as_before(void **state UNUSED)
{
	static const char text[] = "ck_live_0123456789abcdefghijABCDEFGHIJold0000000";
	unsigned char     hash[SHA256_BYTES];
	char              hex[2 * SHA256_BYTES];
	struct id         id = id_new();

	hash_sha256(str_of(text), hash);
	str_put_hex(hex, hash, SHA256_BYTES);
	execute(arena_fmt(&test_kept, "INSERT INTO api_key (environment_id, id, hash, name, prefix) VALUES ('%s', '%s', '\\x%.*s', 'old', 'ck_live_0123')",
	    uuid(&test_environment[ACME_LIVE]), uuid(&id), (int)sizeof(hex), hex).ptr);
	assert_int_equal(list_with(text), 200);
}

/* ---- what a key may do */

/* The resources of which a key may be permitted anything. */
static size_t
permitted(const char *names[32])
{
	size_t n = 0, i;

	for (size_t r = 0; route_at(r); r++) {
		if (route_at(r)->flags & ROUTE_PUBLIC)
			continue;
		for (i = 0; i < n && strcmp(names[i], route_owner(r)->name) != 0; i++)
			;
		if (i == n)
			names[n++] = route_owner(r)->name;
	}
	return n;
}

/* Read and write of all resources, or of one alone; less: of that one what 'write' says is missing. */
static const char *
permissions(const char *but, bool write, bool one_alone)
{
	const char *names[32], *text = "{";
	size_t      n = permitted(names);

	for (size_t i = 0; i < n; i++) {
		bool        it = strcmp(names[i], but) == 0;
		const char *actions = it == one_alone ? (it && !write ? "[\"read\"]" : "[\"read\",\"write\"]")
		    : it && write                 ? "[\"read\"]"
						  : "[]";

		text = arena_fmt(&test_kept, "%s%s\"%s\":%s", text, i ? "," : "", names[i], actions).ptr;
	}
	return arena_fmt(&test_kept, "%s}", text).ptr;
}

static const char *
key_with(const char *json)
{
	return make(ACME_LIVE, ", permissions", arena_fmt(&test_kept, ", '%s'", json).ptr).text;
}

static bool
is_forbidden(const char *key, const struct route *route)
{
	int status = SEND(ACME_LIVE, method_names[route->method], test_path_of(route), "{}", .key = key);

	return status == 403 && at_is("code", "\"forbidden\"");
}

/* Each route with a key that has its permission alone, and with one that has all but that. */
static void
a_restricted_key_does_what_it_may_and_nothing_else(void **state UNUSED)
{
	size_t tried = 0;

	for (size_t r = 0; route_at(r); r++) {
		const struct route *route = route_at(r);
		const char         *name = route_owner(r)->name, *its, *rest;
		bool write = route->method != METHOD_GET && !(route->flags & ROUTE_ASKS);

		if (route->flags & (ROUTE_PUBLIC | ROUTE_PERSONAL | ROUTE_PEOPLE))
			continue; /* those of people: test_user.c */
		its = key_with(permissions(name, write, true));
		rest = key_with(permissions(name, write, false));
		if (is_forbidden(its, route) != !!(route->flags & ROUTE_ALL))
			fail_msg("%s %s with its permission: %d", method_names[route->method], route->pattern, test_response.status);
		if (is_forbidden(test_key[ACME_LIVE], route))
			fail_msg("%s %s with a key that may do everything", method_names[route->method], route->pattern);
		/* Twice: at first the key is looked up, and then nothing is. */
		if (!is_forbidden(rest, route) || !is_forbidden(rest, route) || test_facts.db_trips != 0)
			fail_msg("%s %s without its permission: %d, %u trips", method_names[route->method], route->pattern, test_response.status, test_facts.db_trips);
		if (!(route->flags & ROUTE_ALL)) {
			const char *wanted = arena_fmt(&test_kept, "\"%s:%s\"", name, write ? "write" : "read").ptr;

			assert_true(at_is("details.permission", wanted) && at_is("error.details.permission", wanted));
			assert_true(at_is("error.param", "\"x-api-key\""));
			assert_non_null(strstr(kept(at("message")).ptr, arena_fmt(&test_kept, "%s:%s", name, write ? "write" : "read").ptr));
		}
		assert_true(is_forbidden(key_with("{}"), route));
		tried++;
	}
	assert_true(tried > 40);
}

/* What is stored by a newer program, or by a hand, gives nothing that this one does not know. */
static void
permissions_that_nobody_knows_are_none(void **state UNUSED)
{
	static const struct {
		const char *json;
		int         reads, writes;
	} cases[] = {
		{ "{\"customer\":[\"read\"]}", 200, 403 },
		{ "{\"customer\":[\"read\",\"write\"]}", 200, 400 },
		{ "{\"customer\":[\"read\",\"dance\"],\"ghost\":[\"write\"]}", 200, 403 },
		{ "{\"customer\":\"read\"}", 403, 403 },
		{ "{\"customer\":[1,null]}", 403, 403 },
		{ "{\"customer\":{\"read\":true}}", 403, 403 },
		{ "{\"CUSTOMER\":[\"read\"]}", 403, 403 },
		{ "{\"customer\":[[\"read\"]]}", 403, 403 },
		{ "{}", 403, 403 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		const char *key = key_with(cases[i].json);

		if (list_with(key) != cases[i].reads)
			fail_msg("%s reads: %d", cases[i].json, test_response.status);
		if (SEND(ACME_LIVE, "POST", "/api/v1/customers", "{}", .key = key) != cases[i].writes)
			fail_msg("%s writes: %d", cases[i].json, test_response.status);
	}
}

/* A key that may not do a thing is not told what came of it, not even its own Idempotency-Key. */
static void
a_stored_answer_is_for_those_who_may(void **state UNUSED)
{
	const char *idem = fresh("key"), *body = "{\"email\":\"a@b.co\"}";

	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", body, .idem = idem), 201);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", body, .idem = idem, .key = key_with("{\"customer\":[\"read\"]}")), 403);
	assert_false(test_facts.replayed);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", body, .idem = idem,
			     .key = key_with("{\"customer\":[\"read\",\"write\"]}")), 201);
	assert_true(test_facts.replayed);
}

/* ---- and from where */

static void
a_key_is_used_from_its_addresses_alone(void **state UNUSED)
{
	static const struct {
		const char *list, *from;
		bool        may;
	} cases[] = {
		{ "[\"192.0.2.0/24\",\"2001:db8::/32\"]", "192.0.2.255", true },
		{ "[\"192.0.2.0/24\",\"2001:db8::/32\"]", "192.0.3.0", false },
		{ "[\"192.0.2.0/24\",\"2001:db8::/32\"]", "2001:db8:ffff::1", true },
		{ "[\"192.0.2.0/24\",\"2001:db8::/32\"]", "2001:db9::1", false },
		{ "[\"192.0.2.0/24\"]", "::ffff:192.0.2.1", true },
		{ "[\"192.0.2.1/32\"]", "192.0.2.1", true },
		{ "[\"192.0.2.1/32\"]", "192.0.2.2", false },
		{ "[\"192.0.2.0/24\"]", "", false },
		{ "[\"192.0.2.0/24\"]", "unix:", false },
		{ "[\"192.0.2.0/24\"]", "192.0.2.1, 192.0.2.2", false },
		{ "[\"0.0.0.0/0\"]", NULL, false },
		{ "[]", "192.0.2.1", false },
		{ "[\"nonsense\"]", "192.0.2.1", false },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		const char *key = make(ACME_LIVE, ", allowed_addresses", arena_fmt(&test_kept, ", '%s'", cases[i].list).ptr).text;

		/* Looked up, and then known. */
		for (int n = 0; n < 2; n++) {
			if (SEND(ACME_LIVE, "GET", LIST, .key = key, .address = cases[i].from) != (cases[i].may ? 200 : 403))
				fail_msg("%s from %s: %d", cases[i].list, cases[i].from, test_response.status);
			if (!cases[i].may)
				assert_true(at_is("code", "\"forbidden\"") && at_is("message", "\"This API key may not be used from this address.\""));
		}
	}
	assert_int_equal(SEND(ACME_LIVE, "GET", LIST, .address = "nonsense"), 200);
}

static void
a_key_works_until_it_ends(void **state UNUSED)
{
	static const struct {
		const char *columns, *values;
		int         status;
	} keys[] = {
		{ "", "", 200 },
		{ ", expires_at", ", now() + interval '1 minute'", 200 },
		{ ", expires_at", ", now() - interval '1 ms'", 401 },
		{ ", revoked_at", ", now()", 401 },
		{ ", revoked_at", ", now() + interval '1 day'", 401 },
		{ ", expires_at, revoked_at", ", now() + interval '1 day', now() - interval '1 day'", 401 },
	};

	for (size_t i = 0; i < COUNTOF(keys); i++) {
		struct made made = make(ACME_LIVE, keys[i].columns, keys[i].values);

		for (int n = 0; n < 2; n++)
			if (list_with(made.text) != keys[i].status)
				fail_msg("key %zu, request %d: %d", i, n, test_response.status);
	}
}

/* Keys that were found are trusted for a while; unknown ones are asked for each time. */
static void
a_key_that_was_found_is_not_looked_up_at_once(void **state UNUSED)
{
	struct made made = make(ACME_LIVE, "", "");
	bool        trusted = false;

	/* Unless this machine takes longer for a request than a key is trusted. */
	for (int n = 0; n < 20 && !trusted; n++) {
		unsigned trips;

		made = make(ACME_LIVE, "", "");
		assert_int_equal(list_with(made.text), 200);
		trips = test_facts.db_trips;
		assert_int_equal(list_with(made.text), 200);
		trusted = test_facts.db_trips < trips;
	}
	assert_true(trusted);
	execute(arena_fmt(&test_kept, "UPDATE api_key SET revoked_at = now() WHERE id = '%s'", made.id).ptr);
	for (int n = 0; n < 200 && list_with(made.text) == 200; n++)
		nanosleep(&(struct timespec) { .tv_nsec = 10000000 }, NULL);
	assert_int_equal(test_response.status, 401);
	assert_int_equal(list_with(made.text), 401);
	assert_true(test_facts.db_trips > 0);
}

/* Keys share places in the memory of a worker: the tenant is that of the whole key. */
static void
keys_in_one_place_are_not_mixed_up(void **state UNUSED)
{
	struct made first = make(ACME_LIVE, "", ""), other = make(OTHER_LIVE, "", "");
	const char *id = fresh("ext"), *uri = arena_fmt(&test_kept, "/api/v1/customers/%s", id).ptr;

	while (other.hash[0] != first.hash[0])
		other = make(OTHER_LIVE, "", "");
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", arena_fmt(&test_kept, "{\"email\":\"a@b.co\",\"id\":\"%s\"}", id).ptr), 201);
	for (int n = 0; n < 3; n++) {
		assert_int_equal(SEND(ACME_LIVE, "GET", uri, .key = first.text), 200);
		assert_int_equal(SEND(ACME_LIVE, "GET", uri, .key = other.text), 404);
	}
}

static void
the_last_use_is_recorded_once_a_minute(void **state UNUSED)
{
	struct made made = make(ACME_LIVE, "", ""), fresh_one = make(ACME_LIVE, ", last_used_at", ", now() - interval '50 s'"),
		    old = make(ACME_LIVE, ", last_used_at", ", now() - interval '70 s'");
	static const char age[] = "SELECT now() - last_used_at < interval '20 s' FROM api_key WHERE id = '$'";

	struct made idle = make(ACME_LIVE, "", "");

	assert_int_equal(list_with(made.text), 200);
	assert_int_equal(list_with(fresh_one.text), 200);
	assert_int_equal(list_with(old.text), 200);
	assert_string_equal(ask(age, made.id), "t");
	assert_string_equal(ask(age, fresh_one.id), "f");
	assert_string_equal(ask(age, old.id), "t");
	assert_string_equal(ask("SELECT last_used_at IS NULL FROM api_key WHERE id = '$'", idle.id), "t"); /* nobody else's */

	/* Where that fails, the request is answered all the same, and the log says so. */
	for (int n = 0; n < 2; n++) {
		made = make(ACME_LIVE, "", "");
		log_keep();
		execute(n ? "REVOKE UPDATE (last_used_at) ON api_key FROM clientele_serve" : "SELECT 1");
		assert_int_equal(list_with(made.text), 200);
		execute("GRANT UPDATE (last_used_at) ON api_key TO clientele_serve");
		assert_int_equal(log_count("the last use of an API key was not recorded: statement key_used failed with SQLSTATE 42501"), n);
	}
}

static void
a_pin_is_the_version_of_who_sends_none(void **state UNUSED)
{
	const char *environment = uuid(&test_environment[ACME_LIVE]);
	struct made made_later;
	static const struct {
		const char *pin, *version;
		bool        wrapped; /* as it is before 2026-07-24 */
		bool        erases;  /* from 2026-08-27 on */
	} cases[] = {
		{ "'2026-06-07'", NULL, true, false },
		{ "'2026-06-07'", "2026-07-24", false, false },
		{ "'2026-06-07'", "2026-08-27", false, true },
		{ "'2026-07-24'", NULL, false, false },
		{ "'2026-07-24'", "2026-06-07", true, false },
		{ "'1999-01-01'", NULL, false, true },
		{ "NULL", NULL, false, true },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct made made;

		execute(arena_fmt(&test_kept, "UPDATE organization SET api_version = %s WHERE id ="
		    " (SELECT organization_id FROM environment WHERE id = '%s')", cases[i].pin, environment).ptr);
		made = make(ACME_LIVE, "", "");
		assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}", cases[i].version, .key = made.text), 201);
		if ((at("data").ptr != NULL) != cases[i].wrapped)
			fail_msg("case %zu: %.*s", i, STR_ARGS(body()));
		/* The methods of a path are the version's, too. */
		assert_int_equal(SEND(ACME_LIVE, "OPTIONS", "/api/v1/customers/x", NULL, cases[i].version, .key = made.text), 405);
		assert_true(str_is(response_find_header(&test_response, "Allow"),
		    cases[i].erases ? "GET, HEAD, PUT, PATCH, DELETE" : "GET, HEAD, PUT, PATCH"));
	}
	/* A client that names no version gets its answer again after the pin has moved. */
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}", .idem = "pinned"), 201);
	execute(arena_fmt(&test_kept, "UPDATE organization SET api_version = '2026-06-07' WHERE id ="
	    " (SELECT organization_id FROM environment WHERE id = '%s')", environment).ptr);
	made_later = make(ACME_LIVE, "", "");
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}", .idem = "pinned", .key = made_later.text), 201);
	assert_true(test_facts.replayed && !at("data").ptr);
	execute(arena_fmt(&test_kept, "UPDATE organization SET api_version = NULL WHERE id ="
	    " (SELECT organization_id FROM environment WHERE id = '%s')", environment).ptr);
}

static void
a_limit_of_its_own_counts_for_a_key(void **state UNUSED)
{
	struct made made = make(ACME_LIVE, ", rate_limit", ", '2/h burst 2'"), off = make(ACME_LIVE, ", rate_limit", ", 'off'");
	int64_t     wait = 0;

	for (int left = 1; left >= 0; left--) {
		assert_int_equal(list_with(made.text), 200);
		assert_non_null(strstr(kept(response_find_header(&test_response, "RateLimit")).ptr, left ? ";r=1;" : ";r=0;"));
		assert_string_equal(kept(response_find_header(&test_response, "RateLimit-Policy")).ptr, "\"key\";q=2;w=3600");
		if (left)
			assert_string_equal(kept(response_find_header(&test_response, "RateLimit")).ptr, "\"key\";r=1;t=1800");
	}
	for (int n = 0; n < 2; n++) {
		assert_int_equal(list_with(made.text), 429);
		assert_true(at_is("error.code", "\"rate_limited\""));
		assert_int_equal(test_facts.db_trips, 0);
		assert_false(id_is_nil(&test_facts.organization));
		assert_true(test_facts.key.ptr != NULL);
		assert_true(str_to_i64(response_find_header(&test_response, "Retry-After"), 1700, 1800, &wait));
		assert_non_null(strstr(kept(response_find_header(&test_response, "RateLimit")).ptr, ";r=0;"));
	}
	assert_int_equal(list_with(off.text), 200);
	assert_null(response_find_header(&test_response, "RateLimit").ptr);
	/* What it makes has the same, and shares it. */
	made = make(ACME_LIVE, ", rate_limit", ", '9/h burst 9'");
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/api-keys", "{\"name\":\"child\"}", .key = made.text), 201);
	assert_string_equal(ask("SELECT rate_limit || ' ' || (limit_of = '$') FROM api_key WHERE name = 'child'", made.id), "9/h burst 9 true");
	assert_int_equal(SEND(ACME_LIVE, "GET", LIST, .key = arena_fmt(&test_kept, "%.*s", (int)at("apiKey").len - 2, at("apiKey").ptr + 1).ptr), 200);
	assert_non_null(strstr(kept(response_find_header(&test_response, "RateLimit")).ptr, ";r=7;"));
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/api-keys", "{\"name\":\"free\"}"), 201);
	assert_string_equal(ask("SELECT coalesce(rate_limit, 'none') FROM api_key WHERE name = 'free'$", ""), "none");
	assert_int_equal(list_with(test_key[ACME_LIVE]), 200);
	assert_null(response_find_header(&test_response, "RateLimit").ptr);
}

/* A key may come as a bearer token as well, and what is not for us says nothing. */
static void
a_key_comes_in_one_of_two_headers(void **state UNUSED)
{
	const char *good = test_key[ACME_LIVE], *other = test_key[OTHER_LIVE];
	const struct {
		const char *key, *authorization;
		int         status;
		const char *param;
	} cases[] = {
		{ "", arena_fmt(&test_kept, "Bearer %s", good).ptr, 200 },
		{ "", arena_fmt(&test_kept, "bEARER %s", good).ptr, 200 },
		{ good, arena_fmt(&test_kept, "Bearer %s", good).ptr, 200 },
		{ good, "Basic dXNlcjpwYXNz", 200 },
		{ good, arena_fmt(&test_kept, "Bearer %s", other).ptr, 400, "\"Authorization\"" },
		{ "", arena_fmt(&test_kept, "Bearer %sx", good).ptr, 401, "\"x-api-key\"" },
		{ "", arena_fmt(&test_kept, "Bearer%s", good).ptr, 401, "\"x-api-key\"" },
		{ "", arena_fmt(&test_kept, "Basic %s", good).ptr, 401, "\"x-api-key\"" },
		{ "", "Bearer", 401, "\"x-api-key\"" },
		{ "", "", 401, "\"x-api-key\"" },
		{ "", NULL, 401, "\"x-api-key\"" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		if (SEND(ACME_LIVE, "GET", LIST, .key = cases[i].key, .authorization = cases[i].authorization) != cases[i].status)
			fail_msg("%s: %.*s", cases[i].authorization, STR_ARGS(body()));
		if (cases[i].param)
			assert_true(at_is("error.param", cases[i].param));
		if (cases[i].status == 401)
			assert_string_equal(kept(response_find_header(&test_response, "WWW-Authenticate")).ptr,
			    "ApiKey realm=\"Clientele\", header=\"x-api-key\", Bearer realm=\"Clientele\"");
		else
			assert_null(response_find_header(&test_response, "WWW-Authenticate").ptr);
	}
}

/* What a new key shows, and that it is of its maker's environment. */
static void
a_key_that_is_made_is_as_it_is_told(void **state UNUSED)
{
	static const char uri[] = "/api/v1/api-keys";
	static const struct {
		const char *body;
		int         days; /* 0: refused */
		const char *param;
	} cases[] = {
		{ "{\"name\":\"a\"}", 365 },
		{ "{\"name\":\"a\",\"expiresInDays\":1}", 1 },
		{ "{\"name\":\"a\",\"expiresInDays\":3650}", 3650 },
		{ "{\"name\":\"a\",\"expiresInDays\":3651}", 0, "\"expiresInDays\"" },
		{ "{\"name\":\"a\",\"expiresInDays\":0}", 0, "\"expiresInDays\"" },
		{ "{\"name\":\"a\",\"expiresInDays\":\"1\"}", 0, "\"expiresInDays\"" },
		{ "{\"name\":\"a\",\"expiresInDays\":1.0}", 0, "\"expiresInDays\"" },
		{ "{\"name\":\"\"}", 0, "\"name\"" },
		{ "{}", 0, "\"name\"" },
	};

	for (int who = ACME_LIVE; who <= ACME_SANDBOX; who++)
		for (size_t i = 0; i < COUNTOF(cases); i++) {
			const char *prefix = who == ACME_LIVE ? "\"ck_live_" : "\"ck_sandbox_";
			struct str  key, id;

			assert_int_equal(SEND(who, "POST", uri, cases[i].body), cases[i].days ? 201 : 400);
			if (!cases[i].days) {
				assert_true(at_is("error.param", cases[i].param));
				if (strstr(cases[i].param, "Days"))
					assert_true(at_is("error.details.0.message", "\"must be a whole number from 1 to 3650\""));
				continue;
			}
			key = kept(at("apiKey"));
			id = kept(at("id"));
			assert_true(str_starts(key, str_of(prefix)) && key.len == strlen(prefix) + API_KEY_DIGITS + API_KEY_CHECK_DIGITS + 1);
			assert_true(str_starts(key, (struct str) { at("prefix").ptr, at("prefix").len - 1 }));
			assert_int_equal(at("prefix").len, strlen(prefix) + API_KEY_PREFIX_DIGITS + 1);
			assert_true(str_starts(id, STR("\"key_")) && !at("lastUsedAt").ptr && !at("deleted").ptr);
			assert_true(at_is("livemode", who == ACME_LIVE ? "true" : "false") && at_is("object", "\"api_key\""));
			assert_string_equal(ask(arena_fmt(&test_kept, "SELECT (extract(epoch FROM expires_at - created_at) / 86400)::int FROM api_key"
			    " WHERE created_at = '%.*s' AND expires_at = '%.*s' ORDER BY id DESC LIMIT 1", (int)at("createdAt").len - 2, at("createdAt").ptr + 1,
			    (int)at("expiresAt").len - 2, at("expiresAt").ptr + 1).ptr, ""), arena_fmt(&test_kept, "%d", cases[i].days).ptr);
			assert_int_equal(SEND(who, "GET", uri), 200);
			assert_true(str_eq(at("data.0.id"), id) && !at("data.0.apiKey").ptr && at_is("data.0.lastUsedAt", "null"));
			assert_true(at_is("data.0.livemode", who == ACME_LIVE ? "true" : "false") && at_is("data.0.object", "\"api_key\"") && at("data.0.expiresAt").ptr);
			assert_true(at_is("data.0.name", "\"a\"") && at("data.0.prefix").ptr && at("data.0.createdAt").ptr && !at("data.0.deleted").ptr);
			assert_int_equal(SEND(who, "GET", arena_fmt(&test_kept, "%s/%.*s", uri, (int)id.len - 2, id.ptr + 1).ptr), 200);
			assert_true(str_eq(at("id"), id) && at_is("name", "\"a\"") && !at("apiKey").ptr && at_is("lastUsedAt", "null"));
			assert_int_equal(SEND(OTHER_LIVE, "GET", arena_fmt(&test_kept, "%s/%.*s", uri, (int)id.len - 2, id.ptr + 1).ptr), 404);
			/* It works, in the same environment, and may be deleted by another one but not by itself. */
			key = (struct str) { key.ptr + 1, key.len - 2 };
			id = (struct str) { id.ptr + 1, id.len - 2 };
			assert_int_equal(SEND(who, "DELETE", arena_fmt(&test_kept, "%s/%.*s", uri, STR_ARGS(id)).ptr, .key = kept(key).ptr), 409);
			assert_int_equal(SEND(OTHER_LIVE, "DELETE", arena_fmt(&test_kept, "%s/%.*s", uri, STR_ARGS(id)).ptr), 404);
			assert_int_equal(SEND(who, "DELETE", arena_fmt(&test_kept, "%s/%.*s", uri, STR_ARGS(id)).ptr), 200);
			assert_true(at_is("deleted", "true") && at_is("object", "\"api_key\"") && !at("name").ptr && !at("createdAt").ptr);
			assert_true(at_is("livemode", who == ACME_LIVE ? "true" : "false") && !at("prefix").ptr && !at("apiKey").ptr && !at("expiresAt").ptr);
			assert_int_equal(SEND(who, "DELETE", arena_fmt(&test_kept, "%s/%.*s", uri, STR_ARGS(id)).ptr), 404);
			assert_true(at_is("error.code", "\"api_key_not_found\""));
			assert_int_equal(SEND(who, "GET", arena_fmt(&test_kept, "%s/%.*s", uri, STR_ARGS(id)).ptr), 404);
		}
	assert_int_equal(SEND(ACME_LIVE, "DELETE", "/api/v1/api-keys/nosuch"), 404);
	assert_int_equal(SEND(ACME_LIVE, "GET", uri, NULL, "2026-05-18"), 404);
	assert_int_equal(SEND(ACME_LIVE, "GET", uri, NULL, "2026-05-25"), 200);
}

#define KEYS "/api/v1/api-keys"

/* Days that are asked for are refused if they are too many; others become fewer. */
static void
a_key_ends_with_its_maker(void **state UNUSED)
{
	static const struct {
		const char *ends, *body;
		bool        same; /* end as the maker's */
		const char *message;
	} cases[] = {
		{ "10 days 1 hour", "{\"name\":\"a\"}", true },
		{ "10 days 1 hour", "{\"name\":\"a\",\"expiresInDays\":10}", false },
		{ "10 days 1 hour", "{\"name\":\"a\",\"expiresInDays\":11}", false, "\"must be at most 10: the API key of this call ends then\"" },
		{ "2 days -1 hour", "{\"name\":\"a\",\"expiresInDays\":2}", false, "\"must be at most 1: the API key of this call ends then\"" },
		{ "1 hour", "{\"name\":\"a\",\"expiresInDays\":1}", false, "\"must be left out: the API key of this call ends within a day\"" },
		{ "1 hour", "{\"name\":\"a\"}", true },
		{ "400 days", "{\"name\":\"a\"}", false },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct made maker = make(ACME_LIVE, ", expires_at", arena_fmt(&test_kept, ", now() + interval '%s'", cases[i].ends).ptr);

		if (SEND(ACME_LIVE, "POST", KEYS, cases[i].body, .key = maker.text) != (cases[i].message ? 400 : 201))
			fail_msg("case %zu: %.*s", i, STR_ARGS(body()));
		if (cases[i].message)
			assert_true(at_is("error.param", "\"expiresInDays\"") && at_is("error.details.0.message", cases[i].message));
		else
			assert_string_equal(ask(arena_fmt(&test_kept, "SELECT '%.*s'::timestamptz = date_trunc('milliseconds', expires_at) FROM api_key WHERE id = '$'",
			    (int)at("expiresAt").len - 2, at("expiresAt").ptr + 1).ptr, maker.id), cases[i].same ? "t" : "f");
	}
}

/* Its end is looked at again when the new key is made: this worker may have seen another one. */
static void
a_maker_that_was_given_another_end_makes_nothing(void **state UNUSED)
{
	bool refused = false;

	/* Unless this machine takes longer than a key is trusted. */
	for (int n = 0; n < 20 && !refused; n++) {
		struct made maker = make(ACME_LIVE, ", expires_at", ", now() + interval '20 days'");

		assert_int_equal(list_with(maker.text), 200);
		execute(arena_fmt(&test_kept, "UPDATE api_key SET expires_at = now() + interval '5 days' WHERE id = '%s'", maker.id).ptr);
		refused = SEND(ACME_LIVE, "POST", KEYS, "{\"name\":\"a\",\"expiresInDays\":10}", .key = maker.text) == 409;
		if (!refused)
			assert_int_equal(test_response.status, 400);
	}
	assert_true(refused && at_is("error.code", "\"conflict\""));
	assert_true(at_is("message", "\"The API key of this call has just been given another end. Nothing was done.\""));
}

static void
an_environment_has_so_many_keys_at_most(void **state UNUSED)
{
	const int64_t keys_max = test_conf.keys_max;
	const char   *count = ask("SELECT count(*) FROM api_key WHERE environment_id = '$' AND revoked_at IS NULL"
	    " AND (expires_at IS NULL OR expires_at > now())", uuid(&test_environment[ACME_SANDBOX]));
	struct str id;

	test_conf.keys_max = atoi(count) + 1;
	assert_int_equal(SEND(ACME_SANDBOX, "POST", KEYS, "{\"name\":\"last\"}"), 201);
	id = kept(at("id"));
	for (int n = 0; n < 2; n++) {
		assert_int_equal(SEND(ACME_SANDBOX, "POST", KEYS, "{\"name\":\"one more\"}", .idem = n ? fresh("key") : NULL), 409);
		assert_true(at_is("message", arena_fmt(&test_kept, "\"This environment has %d API keys, as many as it may have."
		    " Delete one that is not needed.\"", atoi(count) + 1).ptr));
	}
	/* One that has ended, or is of another environment, does not count. */
	assert_int_equal(SEND(ACME_SANDBOX, "DELETE", arena_fmt(&test_kept, KEYS "/%.*s", (int)id.len - 2, id.ptr + 1).ptr), 200);
	make(ACME_SANDBOX, ", expires_at", ", now() - interval '1 ms'");
	make(OTHER_LIVE, "", "");
	assert_int_equal(SEND(ACME_SANDBOX, "POST", KEYS, "{\"name\":\"again\"}"), 201);
	assert_int_equal(SEND(ACME_SANDBOX, "POST", KEYS, "{\"name\":\"too many\"}"), 409);
	test_conf.keys_max = keys_max;
}

/* What is not known may be meant to narrow what the key may do. */
static void
a_key_with_less_than_all_rights_is_not_made(void **state UNUSED)
{
	assert_int_equal(SEND(ACME_LIVE, "POST", KEYS, "{\"name\":\"a\",\"scopes\":[\"read\"]}"), 400);
	assert_true(at_is("error.param", "\"scopes\""));
	assert_true(at_is("error.details", "[{\"field\":\"scopes\",\"message\":\"is not supported: what narrows an API key is permissions and allowedAddresses, from version 2026-08-27 on\"}]"));
	assert_int_equal(SEND(ACME_LIVE, "POST", KEYS, "{\"name\":\"a\",\"scopes\":null}"), 201);
	assert_true(str_is(response_find_header(&test_response, "Clientele-Ignored"), "scopes"));
	assert_int_equal(SEND(ACME_LIVE, "POST", KEYS, "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1}"), 400);
	assert_true(at_is("error.details.8.field", "\"h\"") && !at("error.details.9").ptr); /* behind the missing name */
	assert_int_equal(SEND(ACME_LIVE, "POST", KEYS, "{\"name\":\"a\",\"expiresInDays\":null}"), 201);
}

/* An answer with a secret is opened with the key that it was made for, as long as nobody changed it. */
static void
an_answer_that_was_changed_is_not_shown(void **state UNUSED)
{
	const char *key = fresh("key");
	struct made another = make(ACME_LIVE, "", "");

	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/api-keys", "{\"name\":\"x\"}", .idem = key), 201);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/api-keys", "{\"name\":\"x\"}", .idem = key, .key = another.text), 409);
	assert_true(at_is("error.param", "\"Idempotency-Key\""));
	execute(arena_fmt(&test_kept, "UPDATE idempotency_key SET answer = set_byte(answer, 3, get_byte(answer, 3) # 1) WHERE key = '%s'", key).ptr);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/api-keys", "{\"name\":\"x\"}", .idem = key), 503);
	assert_true(at_is("error.code", "\"idempotency_unavailable\"") && at_is("error.param", "\"Idempotency-Key\""));
	execute(arena_fmt(&test_kept, "UPDATE idempotency_key SET answer = '\\x00' WHERE key = '%s'", key).ptr);
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/api-keys", "{\"name\":\"x\"}", .idem = key), 503);
}

static void
keys_are_listed_page_by_page(void **state UNUSED)
{
	const char *cursor = "";
	int         pages = 0, all = atoi(ask("SELECT count(*) FROM api_key WHERE environment_id = '$' AND revoked_at IS NULL", uuid(&test_environment[OTHER_LIVE])));

	assert_int_equal(SEND(OTHER_LIVE, "GET", "/api/v1/api-keys?limit=0"), 400);
	assert_true(at_is("error.param", "\"limit\""));
	for (int i = 0; i < 3; i++, all++)
		make(OTHER_LIVE, "", "");
	do {
		struct str next;

		assert_int_equal(SEND(OTHER_LIVE, "GET", arena_fmt(&test_kept, "/api/v1/api-keys?limit=1%s", cursor).ptr), 200);
		assert_true(at("data.0.id").ptr && !at("data.1.id").ptr);
		pages++;
		next = at("nextCursor");
		assert_true(at_is("hasMore", next.ptr ? "true" : "false"));
		cursor = next.ptr ? arena_fmt(&test_kept, "&cursor=%.*s", (int)next.len - 2, next.ptr + 1).ptr : NULL;
	} while (cursor);
	assert_int_equal(pages, all);
}

/* The policy over whole periods, and times in whole seconds, rounded up: who waits so long is not refused again. */
static void
a_limit_is_told_in_whole_seconds(void **state UNUSED)
{
	static const struct {
		const char *rate;
		int64_t     taken_ns, asked_ns; /* the moments of two requests */
		const char *policy, *first, *second;
		int         retry_after_s; /* of the second one; 0: it is not refused */
	} cases[] = {
		{ "1/h burst 1", 0, INT64_C(3599000000000), "q=1;w=3600", "r=0;t=3600", "r=0;t=1", 1 },
		{ "1/h burst 1", 0, INT64_C(3598999999999), "q=1;w=3600", "r=0;t=3600", "r=0;t=2", 2 },
		{ "1/h burst 1", 0, INT64_C(3599999999999), "q=1;w=3600", "r=0;t=3600", "r=0;t=1", 1 },
		{ "1/h burst 1", 0, INT64_C(3600000000000), "q=1;w=3600", "r=0;t=3600", "r=0;t=3600", 0 },
		{ "100/s burst 100", 0, 0, "q=100;w=1", "r=99;t=1", "r=98;t=1", 0 },
		{ "100/s burst 101", 0, 0, "q=200;w=2", "r=100;t=1", "r=99;t=1", 0 },
		{ "100/s burst 150", 0, 0, "q=200;w=2", "r=149;t=1", "r=148;t=1", 0 },
		{ "100/s burst 200", 0, 0, "q=200;w=2", "r=199;t=1", "r=198;t=1", 0 },
		{ "100/m burst 99", 0, 0, "q=100;w=60", "r=98;t=1", "r=97;t=1", 0 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct facts  facts = { .evicted = false };
		struct call   c = { .arena = &test_kept, .res = &test_response, .buckets = test_buckets, .facts = &facts };
		unsigned char hash[SHA256_BYTES];
		struct bucket bucket;
		const int64_t begun = INT64_C(1000000000000);

		c.tenant.environment = c.tenant.family = id_new();
		c.tenant.own_rate = true;
		assert_true(rate_parse(str_of(cases[i].rate), &c.tenant.rate));
		hash_sha256(str_of(fresh("hash")), hash);
		for (int n = 0; n < 2; n++) {
			const char *told = n ? cases[i].second : cases[i].first;
			bool        refused = n && cases[i].retry_after_s;

			response_reset(&test_response);
			assert_int_equal(limit_take(&c, hash, n == 0, begun + (n ? cases[i].asked_ns : cases[i].taken_ns), &bucket),
			    refused ? ERR_RATE_LIMITED : ERR_OK);
			if (!str_is(response_find_header(&test_response, "RateLimit-Policy"), arena_fmt(&test_kept, "\"key\";%s", cases[i].policy).ptr)
			    || !str_is(response_find_header(&test_response, "RateLimit"), arena_fmt(&test_kept, "\"key\";%s", told).ptr))
				fail_msg("case %zu, request %d: %.*s, %.*s", i, n, STR_ARGS(response_find_header(&test_response, "RateLimit-Policy")),
				    STR_ARGS(response_find_header(&test_response, "RateLimit")));
			assert_int_equal(c.problem.retry_after_s, refused ? cases[i].retry_after_s : 0);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_key_costs_the_database_nothing),
		cmocka_unit_test(a_key_with_a_slip_is_seen_to_be_none),
		cmocka_unit_test(a_key_without_a_checksum_works_as_before),
		cmocka_unit_test(a_restricted_key_does_what_it_may_and_nothing_else),
		cmocka_unit_test(permissions_that_nobody_knows_are_none),
		cmocka_unit_test(a_stored_answer_is_for_those_who_may),
		cmocka_unit_test(a_key_is_used_from_its_addresses_alone),
		cmocka_unit_test(a_key_works_until_it_ends),
		cmocka_unit_test(a_key_that_was_found_is_not_looked_up_at_once),
		cmocka_unit_test(keys_in_one_place_are_not_mixed_up),
		cmocka_unit_test(the_last_use_is_recorded_once_a_minute),
		cmocka_unit_test(a_pin_is_the_version_of_who_sends_none),
		cmocka_unit_test(a_limit_of_its_own_counts_for_a_key),
		cmocka_unit_test(a_key_comes_in_one_of_two_headers),
		cmocka_unit_test(a_key_that_is_made_is_as_it_is_told),
		cmocka_unit_test(a_key_ends_with_its_maker),
		cmocka_unit_test(a_maker_that_was_given_another_end_makes_nothing),
		cmocka_unit_test(an_environment_has_so_many_keys_at_most),
		cmocka_unit_test(a_key_with_less_than_all_rights_is_not_made),
		cmocka_unit_test(a_limit_is_told_in_whole_seconds),
		cmocka_unit_test(keys_are_listed_page_by_page),
		cmocka_unit_test(an_answer_that_was_changed_is_not_shown),
	};
	int failed;

	app_test_begin();
	superuser = PQconnectdb("");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	PQfinish(superuser);
	app_test_end();
	return failed;
}
