/* What is judged before a handler, and by the tables of fields: bounds, from both sides. */
#include "app_test.h"
#include "base/clock.h"
#include "base/limits.h"
#include "call/call.h"
#include "json/jread.h"
#include "resource/customer/country.h"
#include "resource/customer/customer.h"
#include "call/share.h"
#include "shm/word.h"

#define CUSTOMERS "/api/v1/customers"
#define ADDRESS "\"line1\":\"1\",\"city\":\"c\",\"postalCode\":\"p\",\"country\":\"BR\""
#define MINIMAL "{\"email\":\"a@b.co\"}"

/* So many of a character. */
static const char *
many(size_t n, char c)
{
	char *text = ARENA_NEW(&test_kept, char, n + 1);

	memset(text, c, n);
	return text;
}

static const char *
joined(const char *a, const char *b, const char *c)
{
	return arena_fmt(&test_kept, "%s%s%s", a, b, c).ptr;
}

static const char *
param(void)
{
	struct str value = at("error.param");

	return value.len > 1 && value.ptr[0] == '"' ? arena_str(&test_kept, (struct str) { value.ptr + 1, value.len - 2 }).ptr : "";
}

/* ---- headers ---- */

static const enum header once[] = { HEADER_API_KEY, HEADER_VERSION, HEADER_IDEMPOTENCY_KEY };

static void
put(struct sent *s, enum header h, const char *value)
{
	*(h == HEADER_API_KEY ? &s->key : h == HEADER_VERSION ? &s->version : &s->idem) = value;
}

static void
a_header_that_is_repeated_is_refused(void **state UNUSED)
{
	/* As nginx passes it on, and as lighttpd does, which joins the values. */
	for (size_t i = 0; i < COUNTOF(once); i++) {
		const char *good = once[i] == HEADER_API_KEY ? test_key[ACME_LIVE]
		    : once[i] == HEADER_VERSION ? "2026-07-31" : "one";
		const char *values[] = { good, joined(good, ", ", good), joined(good, ", ", ""), joined("", ", ", good) };

		for (size_t k = 0; k < COUNTOF(values); k++) {
			struct sent s = { ACME_LIVE, "POST", CUSTOMERS, MINIMAL };
			int64_t     before = count_customers(ACME_LIVE);

			put(&s, once[i], values[k]);
			s.often[once[i]] = k == 0 ? 2 : 1;
			if (send_request(&s) != 400 || strcmp(param(), header_names[once[i]]) != 0)
				fail_msg("%s: %s is answered with %.*s", header_names[once[i]], values[k], STR_ARGS(body()));
			assert_int_equal(count_customers(ACME_LIVE), before);
		}
	}
	/* Commas alone are part of a key. */
	assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, MINIMAL, .idem = fresh("a,b,")), 201);
}

static void
a_header_has_a_longest_value(void **state UNUSED)
{
	for (size_t i = 0; i < COUNTOF(once); i++)
		for (size_t more = 0; more < 2; more++) {
			struct sent s = { ACME_LIVE, "POST", CUSTOMERS, MINIMAL };

			put(&s, once[i], many(HEADER_VALUE_MAX_BYTES + more, 'x'));
			assert_int_equal(send_request(&s), once[i] == HEADER_API_KEY && !more ? 401 : 400);
			assert_int_equal(strstr(kept(body()).ptr, "This header is too long.") != NULL, more);
		}
}

static void
an_idempotency_key_is_printable_ascii(void **state UNUSED)
{
	const struct {
		const char *key;
		int         status;
	} keys[] = {
		{ "", 400 },
		{ " ", 400 },
		{ "\"\"", 400 },
		{ "\x1f", 400 },
		{ "a\tb", 400 },
		{ "a\x7f", 400 },
		{ "a\x80", 400 },
		{ "\xff", 400 },
		{ "caf\xc3\xa9", 400 },
		{ "\xc3\xa9t\xc3\xa9", 400 },
		{ fresh("~ !"), 201 },
		{ joined(fresh("a"), "~", ""), 201 },
		{ joined(fresh("a"), many(255 - 17, 'x'), ""), 201 },
		{ joined(fresh("a"), many(256 - 17, 'x'), ""), 400 },
		{ joined("\"", fresh("a"), joined(many(255 - 17, 'x'), "\"", "")), 201 },
		{ joined("\"", fresh("a"), joined(many(256 - 17, 'x'), "\"", "")), 400 },
	};

	for (size_t i = 0; i < COUNTOF(keys); i++) {
		int64_t before = count_customers(ACME_LIVE);

		if (SEND(ACME_LIVE, "POST", CUSTOMERS, MINIMAL, .idem = keys[i].key) != keys[i].status)
			fail_msg("key %zu: %d", i, test_response.status);
		if (keys[i].status == 400)
			assert_string_equal(param(), "Idempotency-Key");
		assert_int_equal(count_customers(ACME_LIVE), before + (keys[i].status == 201));
	}
}

static void
quotes_around_an_idempotency_key_do_not_count(void **state UNUSED)
{
	const char *key = fresh("key");
	const struct {
		const char *key;
		bool        same;
	} others[] = {
		{ joined("\"", key, "\""), true },
		{ joined(" ", key, " "), true },
		{ joined(" \"", key, "\" "), true },
		{ joined("\"", key, ""), false },
		{ joined("", key, "\""), false },
		{ joined("'", key, "'"), false },
		{ joined("\" ", key, "\""), false },
		{ joined("x", key, "\""), false },
		{ joined("\"", key, "x"), false },
	};
	struct str first;

	assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, MINIMAL, .idem = key), 201);
	first = kept(body());
	for (size_t i = 0; i < COUNTOF(others); i++) {
		assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, MINIMAL, .idem = others[i].key), 201);
		if (str_eq(first, body()) != others[i].same || test_facts.replayed != others[i].same)
			fail_msg("%s", others[i].key);
	}
	/* One character that is a quotation mark is a key of its own. */
	assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, MINIMAL, .idem = "\""), 201);
}

/* The same key means another request when any part is another one. */
static void
a_key_belongs_to_method_path_body_version_and_environment(void **state UNUSED)
{
	const char       *key = fresh("key"), *id = fresh("ext");
	const struct sent first = { ACME_LIVE, "PATCH", joined(CUSTOMERS, "/", id), "{\"fullName\":\"A\"}", .idem = key };
	const struct {
		struct sent sent;
		int         status;
	} others[] = {
		{ { ACME_LIVE, "PUT", first.uri, first.body, .idem = key }, 409 },
		{ { ACME_LIVE, "PATCH", joined("/v1/customers", "/", id), first.body, .idem = key }, 409 },
		{ { ACME_LIVE, "PATCH", first.uri, "{\"fullName\":\"B\"}", .idem = key }, 409 },
		{ { ACME_LIVE, "PATCH", first.uri, "{\"fullName\":\"A\",\"x\":1}", .idem = key }, 409 },
		{ { ACME_LIVE, "PATCH", first.uri, "{}", .idem = key }, 409 },
		{ { ACME_LIVE, "PATCH", first.uri, "[1]", .idem = key }, 409 },
		{ { ACME_LIVE, "PATCH", first.uri, first.body, "2026-05-01", .idem = key }, 409 },
		{ { ACME_LIVE, "PATCH", first.uri, first.body, .idem = key, .prefer = "return=each" }, 409 },
		{ { ACME_LIVE, "PATCH", joined(first.uri, "?x=1", ""), first.body, .idem = key }, 200 },
		{ { ACME_LIVE, "PATCH", first.uri, "{ \"fullName\" : \"\\u0041\" }", .idem = key }, 200 },
		{ { ACME_SANDBOX, "PATCH", first.uri, first.body, .idem = key }, 404 },
		{ { ACME_LIVE, "PATCH", first.uri, first.body, .idem = joined(key, "x", "") }, 200 },
	};

	assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, joined("{\"email\":\"a@b.co\",\"id\":\"", id, "\"}")), 201);
	assert_int_equal(send_request(&first), 200);
	assert_false(test_facts.replayed);
	for (size_t i = 0; i < COUNTOF(others); i++) {
		if (send_request(&others[i].sent) != others[i].status)
			fail_msg("request %zu: %.*s", i, STR_ARGS(body()));
		if (others[i].status == 409)
			assert_string_equal(param(), "Idempotency-Key");
		assert_int_equal(test_facts.replayed, others[i].status == 200 && others[i].sent.idem == key);
	}
	assert_int_equal(SEND(ACME_LIVE, "PATCH", first.uri, "", .idem = key, .too_large = true), 413);
	/* Refusals before it leave a record alone: it is still there. */
	assert_int_equal(send_request(&first), 200);
	assert_true(test_facts.replayed);
}

/* The version is the same when the header is, or what it means. */
static void
a_key_is_for_the_version_that_was_meant(void **state UNUSED)
{
	static const struct {
		const char *first, *then;
		bool        same;
	} versions[] = {
		{ NULL, NULL, true },
		{ "2026-06-07", "2026-06-07", true },
		{ "2026-06-07", "2026-06-08", true }, /* the newest that is not later */
		{ "2026-06-07", "2026-06-10", false },
		{ "2026-06-07", NULL, false },
		{ NULL, "2026-06-07", false },
		{ NULL, "2999-01-01", true },
		{ "2999-01-01", NULL, true },
	};

	for (size_t i = 0; i < COUNTOF(versions); i++) {
		const char *key = fresh("key");

		assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, MINIMAL, versions[i].first, .idem = key), 201);
		assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, MINIMAL, versions[i].then, .idem = key), versions[i].same ? 201 : 409);
		if (test_facts.replayed != versions[i].same)
			fail_msg("versions %zu", i);
	}
}

/* ---- fields ---- */

static const char *
with(const char *name, const char *json)
{
	if (strcmp(name, "email") == 0 || strcmp(name, "billingEmail") == 0)
		return arena_fmt(&test_kept, "{\"%s\":%s}", name, json).ptr;
	return arena_fmt(&test_kept, "{\"email\":\"a@b.co\",\"%s\":%s}", name, json).ptr;
}

static const char *
quoted(const char *text)
{
	return joined("\"", text, "\"");
}

static const char *
address_with(const char *name, const char *json)
{
	static const char *const parts[] = { "line1", "city", "postalCode", "country" };
	const char              *text = arena_fmt(&test_kept, "{\"%s\":%s", name, json).ptr;

	for (size_t i = 0; i < COUNTOF(parts); i++)
		if (strcmp(parts[i], name) != 0)
			text = arena_fmt(&test_kept, "%s,\"%s\":\"BR\"", text, parts[i]).ptr;
	return joined(text, "}", "");
}

/* So many times the same text. */
static const char *
repeated(size_t n, const char *text)
{
	size_t len = strlen(text);
	char  *out = ARENA_NEW(&test_kept, char, n * len + 1);

	for (size_t i = 0; i < n; i++)
		memcpy(out + i * len, text, len);
	return out;
}

/* Two bytes each: a bound of characters is no bound of bytes. */
static const char *
umlauts(size_t n)
{
	return repeated(n, "\xc3\xa4");
}

static const char *
numbers(size_t n)
{
	return joined("[", repeated(n - 1, "0,"), "0]");
}

static const char *
deep(size_t levels)
{
	return joined(joined("{\"a\":", many(levels - 1, '['), ""), many(levels - 1, ']'), "}");
}

/* The field in a customer, whether it is taken, and which member is blamed otherwise. */
static void
values_are_judged_at_their_bounds(void **state UNUSED)
{
	const char *longest = repeated(63, "\xf0\x9f\x98\x80"); /* of labels: 63 characters */
	const struct {
		const char *field, *json, *blamed; /* blamed: NULL when it is right */
	} values[] = {
		{ "externalId", quoted(fresh("x")), NULL },
		{ "externalId", quoted(joined(fresh("x"), many(CUSTOMER_EXTERNAL_ID_MAX_CHARS - 17, 'x'), "")), NULL },
		{ "externalId", quoted(joined(fresh("x"), many(CUSTOMER_EXTERNAL_ID_MAX_CHARS - 16, 'x'), "")), "externalId" },
		{ "externalId", quoted(joined(fresh("x"), umlauts(CUSTOMER_EXTERNAL_ID_MAX_CHARS - 17), "")), NULL },
		{ "externalId", "\"\"", "externalId" },
		{ "externalId", "1", "externalId" },
		{ "id", "\"\"", "id" },
		{ "fullName", quoted(many(CUSTOMER_NAME_MAX_CHARS, 'x')), NULL },
		{ "fullName", quoted(many(CUSTOMER_NAME_MAX_CHARS + 1, 'x')), "fullName" },
		{ "fullName", "\"x\"", NULL },
		{ "fullName", "true", "fullName" },
		{ "taxDocument", quoted(many(CUSTOMER_TAX_DOCUMENT_MAX_CHARS, '1')), NULL },
		{ "taxDocument", quoted(many(CUSTOMER_TAX_DOCUMENT_MAX_CHARS + 1, '1')), "taxDocument" },
		{ "taxDocument", "[]", "taxDocument" },
		{ "timezone", "\"Australia/Sydney\"", NULL },
		{ "timezone", "\"UTC\"", NULL },
		{ "timezone", "\"Mars/Phobos\"", "timezone" },
		{ "timezone", "\"utc\"", "timezone" },
		{ "timezone", "1", "timezone" },
		{ "addressId", "\"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b\"", NULL },
		{ "addressId", "\"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5\"", "addressId" },
		{ "addressId", "{}", "addressId" },
		{ "address", address_with("line1", "\"x\""), NULL },
		{ "address", address_with("line1", "null"), "address.line1" },
		{ "address", address_with("line1", "1"), "address.line1" },
		{ "address", address_with("city", "null"), "address.city" },
		{ "address", address_with("postalCode", "null"), "address.postalCode" },
		{ "address", address_with("country", "null"), "address.country" },
		{ "address", address_with("country", "\"XX\""), "address.country" },
		{ "address", address_with("country", "\"br\""), "address.country" },
		{ "address", address_with("line2", "null"), NULL },
		{ "address", address_with("state", "true"), "address.state" },
		{ "address", address_with("region", "\"x\""), NULL },
		{ "address", address_with("other", "1"), NULL },
		{ "address", address_with("line1", quoted(many(CUSTOMER_ADDRESS_MAX_CHARS, 'x'))), NULL },
		{ "address", address_with("line1", quoted(many(CUSTOMER_ADDRESS_MAX_CHARS + 1, 'x'))), "address.line1" },
		{ "address", "\"x\"", "address" },
		{ "metadata", "{}", NULL },
		{ "metadata", "\"x\"", "metadata" },
		{ "metadata", deep(METADATA_DEPTH_MAX), NULL },
		{ "metadata", deep(METADATA_DEPTH_MAX + 1), "metadata" },
		{ "metadata", joined("{\"a\":", numbers(METADATA_VALUES_MAX - 1), "}"), NULL },
		{ "metadata", joined("{\"a\":", numbers(METADATA_VALUES_MAX), "}"), "metadata" },
		{ "metadata", joined("{\"a\":", many(JSON_NUMBER_MAX_BYTES, '1'), "}"), NULL },
		{ "metadata", joined("{\"a\":", many(JSON_NUMBER_MAX_BYTES + 1, '1'), "}"), "metadata" },
		{ "metadata", joined("{\"a\":[0,", many(JSON_NUMBER_MAX_BYTES + 1, '1'), "]}"), "metadata" },
		{ "metadata", joined("{\"a\":", quoted(many(JSON_NUMBER_MAX_BYTES + 1, '1')), "}"), NULL },
		{ "email", "\"a.b+c@x-y.b.co\"", NULL },
		{ "email", "\"\xc3\xa4@\xc3\xb6.co\"", NULL },
		{ "email", "\"a@b\"", "email" },
		{ "email", "\"a@b.\"", "email" },
		{ "email", "\"a@.b.co\"", "email" },
		{ "email", "\"a@b..co\"", "email" },
		{ "email", "\"@b.co\"", "email" },
		{ "email", "\"b.co\"", "email" },
		{ "email", "\".a@b.co\"", "email" },
		{ "email", "\"a.@b.co\"", "email" },
		{ "email", "\"a..b@b.co\"", "email" },
		{ "email", "\"a b@b.co\"", "email" },
		{ "email", "\"a\\u007f@b.co\"", "email" },
		{ "email", "\"a!@b.co\"", NULL },
		{ "email", "\"a@-b.co\"", "email" },
		{ "email", "\"a@b-.co\"", "email" },
		{ "email", "\"a@b_c.co\"", "email" },
		{ "email", "\"a@b@c.co\"", "email" },
		{ "email", "\"a(b@b.co\"", "email" },
		{ "email", "\"a\\\\b@b.co\"", "email" },
		{ "email", quoted(joined("a@", longest, ".co")), NULL },
		{ "email", quoted(joined("a@", longest, "x.co")), "email" },
		{ "email", quoted(joined(many(CUSTOMER_EMAIL_MAX_CHARS - 5, 'x'), "@b.co", "")), NULL },
		{ "email", quoted(joined(many(CUSTOMER_EMAIL_MAX_CHARS - 4, 'x'), "@b.co", "")), "email" },
		{ "email", "null", "email" },
		{ "email", "[\"a@b.co\"]", "email" },
		{ "billingEmail", "\"a@b.co\"", NULL },
		{ "billingEmail", quoted(joined(many(CUSTOMER_EMAIL_MAX_CHARS - 5, 'x'), "@b.co", "")), NULL },
		{ "billingEmail", quoted(joined(many(CUSTOMER_EMAIL_MAX_CHARS - 4, 'x'), "@b.co", "")), "billingEmail" },
		{ "id", quoted(joined(fresh("x"), many(CUSTOMER_EXTERNAL_ID_MAX_CHARS - 17, 'x'), "")), NULL },
		{ "id", quoted(joined(fresh("x"), many(CUSTOMER_EXTERNAL_ID_MAX_CHARS - 16, 'x'), "")), "id" },
		{ "id", "\"a\\u200bb\"", "id" },
		{ "billingEmail", "\"a\"", "billingEmail" },
		{ "unknown", "[1]", NULL },
	};

	for (size_t i = 0; i < COUNTOF(values); i++) {
		int status = SEND(ACME_SANDBOX, "POST", CUSTOMERS, with(values[i].field, values[i].json));

		if (status != (values[i].blamed ? 400 : 201)
		    || (values[i].blamed && strcmp(param(), values[i].blamed) != 0))
			fail_msg("%s %.200s is answered with %.*s", values[i].field, values[i].json, STR_ARGS(body()));
	}
}

static void
two_names_of_a_field_agree(void **state UNUSED)
{
	const char *id = fresh("ext");

	assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, arena_fmt(&test_kept,
	    "{\"email\":\"a@b.co\",\"billingEmail\":\"a@b.co\",\"id\":\"%s\",\"externalId\":\"%s\"}", id, id).ptr), 201);
	assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, "{\"email\":\"a@b.co\",\"billingEmail\":\"b@b.co\"}"), 400);
	assert_string_equal(param(), "email");
	assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, arena_fmt(&test_kept,
	    "{\"email\":\"a@b.co\",\"id\":\"%s\",\"externalId\":\"%sx\"}", id, id).ptr), 400);
	assert_string_equal(param(), "externalId");
}

/* An update does not read it at all, whatever it holds: only a creation takes it. */
static void
an_update_does_not_take_what_only_a_creation_takes(void **state UNUSED)
{
	static const char *const values[] = { "\"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b\"", "\"no id\"", "7", "null" };
	static const char *const methods[] = { "PUT", "PATCH" };
	const char *id = fresh("ext"), *uri = joined(CUSTOMERS, "/", id);
	struct str  before;

	assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, with("id", quoted(id))), 201);
	assert_int_equal(SEND(ACME_LIVE, "GET", uri), 200);
	before = kept(body());
	for (size_t i = 0; i < COUNTOF(values); i++)
		for (size_t m = 0; m < COUNTOF(methods); m++) {
			assert_int_equal(SEND(ACME_LIVE, methods[m], uri, joined("{\"addressId\":", values[i], "}")), 200);
			assert_int_equal(SEND(ACME_LIVE, "GET", uri), 200);
			assert_true(str_eq(before, body()));
		}
	assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, with("addressId", "\"no id\"")), 400);
	assert_string_equal(param(), "addressId");
}

/* Before its first version a field is an unknown member. */
static void
a_field_is_read_in_its_versions_alone(void **state UNUSED)
{
	static const struct {
		const char *field, *wrong, *since, *before, *until, *from;
	} fields[] = {
		{ "addressId", "\"no id\"", "2026-06-07", "2026-05-25" },
		{ "taxDocument", "1", "2026-06-23", "2026-06-10" },
		{ "isActive", "1", "2026-05-01", NULL, "2026-05-12" },
		{ "fullName", "1", "2026-05-01" },
		{ "address", "1", "2026-05-01" },
		{ "timezone", "1", "2026-05-01" },
		{ "metadata", "1", "2026-05-01" },
		{ "id", "1", "2026-05-01" },
	};

	for (size_t i = 0; i < COUNTOF(fields); i++) {
		const char *text = with(fields[i].field, fields[i].wrong);

		assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, text, fields[i].since), 400);
		assert_string_equal(param(), fields[i].field);
		if (fields[i].before)
			assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, text, fields[i].before), 201);
		if (fields[i].until)
			assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, text, fields[i].until), 201);
		assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, text), fields[i].until ? 201 : 400);
	}
}

/* The sentence says the bound that holds, and which character it was that nobody sees. */
static void
a_fault_is_told_with_its_bound(void **state UNUSED)
{
	const struct {
		const char *field, *json, *message; /* NULL: none */
	} faults[] = {
		{ "metadata", deep(METADATA_DEPTH_MAX + 1), "must be at most 8 levels deep" },
		{ "metadata", joined("{\"a\":", numbers(METADATA_VALUES_MAX), "}"), "must hold at most 1000 values" },
		{ "metadata", joined("{\"a\":", many(JSON_NUMBER_MAX_BYTES + 1, '1'), "}"), "must not hold a number of more than 64 characters" },
		{ "metadata", joined("{\"a\":\"", many((size_t)test_conf.metadata_max_bytes, 'x'), "\"}"), "must have at most 16384 bytes" },
		{ "metadata", "7", "must be an object" },
		{ "fullName", quoted(many(201, 'x')), "must have at most 200 characters" },
		{ "fullName", "7", "must be a string" },
		{ "externalId", quoted(many(101, 'x')), "must have at most 100 characters" },
		{ "externalId", "\"\"", "must not be empty" },
		{ "externalId", "\"a\\u200bb\"", "must not contain the invisible character U+200B" },
		{ "externalId", "\"a\\u00a0b\"", "must not contain the blank U+00A0" },
		{ "email", "\"a\\u200b@b.co\"", "must not contain the invisible character U+200B" },
		{ "billingEmail", "\"a@b\\u00a0.co\"", "must not contain the blank U+00A0" },
		{ "email", "\"a\"", "must be an e-mail address" },
		{ "fullName", "\"a\\u200b b\\u00a0\"", NULL }, /* no program compares it */
		{ "timezone", "\"UTC\\u200b\"", "must be one of the supported time zones" },
		{ "addressId", "\"x\"", "must be a UUID" },
		{ "address", address_with("country", "\"XX\""), "must be a country code of ISO 3166-1 alpha-2" },
		{ "address", address_with("city", "7"), "must be a string" },
		{ "address", address_with("city", quoted(many(201, 'x'))), "must have at most 200 characters" },
	};

	for (size_t i = 0; i < COUNTOF(faults); i++) {
		int status = SEND(ACME_SANDBOX, "POST", CUSTOMERS, with(faults[i].field, faults[i].json));

		if (status != (faults[i].message ? 400 : 201)
		    || (faults[i].message && !at_is("error.details.0.message", quoted(faults[i].message))))
			fail_msg("%s %.200s: %.*s", faults[i].field, faults[i].json, STR_ARGS(body()));
	}
}

/* Null is 'not given'; an empty value is none, where there may be none. One old client always sends empty metadata. */
static void
an_update_clears_what_may_be_empty(void **state UNUSED)
{
	static const struct {
		const char *path, *body;
		int         status;
		const char *field, *now;
	} updates[] = {
		{ "/api/v1", "{\"fullName\":null,\"address\":null,\"metadata\":null,\"taxDocument\":null}", 200, "fullName", "\"F\"" },
		{ "/api/v1", "{\"fullName\":\"\"}", 200, "fullName", "null" },
		{ "/api/v1", "{\"taxDocument\":\"\"}", 200, "taxDocument", "null" },
		{ "/api/v1", "{\"externalId\":\"\"}", 200, "externalId", "null" },
		{ "/api/v1", "{\"id\":\"\"}", 200, "externalId", "null" },
		{ "/api/v1", "{\"address\":{}}", 200, "address", "null" },
		{ "/api/v1", "{\"address\":[]}", 200, "address", "null" },
		{ "/api/v1", "{\"metadata\":{}}", 200, "metadata", "{}" },
		{ "/api/v1", "{\"metadata\":[]}", 200, "metadata", "{}" },
		{ "/api", "{\"metadata\":{}}", 200, "metadata", "{\"a\":1}" },
		{ "/api", "{\"metadata\":[]}", 200, "metadata", "{\"a\":1}" },
		{ "/api", "{\"metadata\":{\"b\":2}}", 200, "metadata", "{\"b\":2}" },
		{ "/api", "{\"metadata\":[1]}", 400, NULL, NULL },
		{ "/api", "{\"metadata\":\"\"}", 400, NULL, NULL },
		{ "/api", "{\"address\":{}}", 200, "address", "null" },
		{ "/api/v1", "{\"email\":\"\"}", 400, NULL, NULL },
		{ "/api/v1", "{\"timezone\":\"\"}", 400, NULL, NULL },
	};

	for (size_t i = 0; i < COUNTOF(updates); i++) {
		struct str  id;
		const char *rest;

		assert_int_equal(SEND(ACME_SANDBOX, "POST", CUSTOMERS, arena_fmt(&test_kept, "{\"email\":\"a@b.co\",\"id\":\"%s\",\"fullName\":\"F\","
		    "\"taxDocument\":\"1\",\"metadata\":{\"a\":1},\"address\":{" ADDRESS "}}", fresh("x")).ptr), 201);
		id = kept(at("id"));
		rest = arena_fmt(&test_kept, "/customers/%.*s", (int)id.len - 2, id.ptr + 1).ptr;
		if (SEND(ACME_SANDBOX, "PATCH", joined(updates[i].path, rest, ""), updates[i].body) != updates[i].status)
			fail_msg("update %zu: %.*s", i, STR_ARGS(body()));
		assert_int_equal(SEND(ACME_SANDBOX, "GET", joined("/api/v1", rest, "")), 200);
		if (updates[i].field)
			assert_true(at_is(updates[i].field, updates[i].now));
	}
}

/* Whatever its memory held before: a batch has room for many, and a create takes it from the stack. */
static void
an_object_begins_without_faults(void **state UNUSED)
{
	static const struct jlimits limits = { 8, 100 };
	struct call        c = { .arena = &test_arena, .conf = &test_conf, .version = V_CURRENT };
	struct customer    customer = customer_defaults;
	struct faults      faults;
	struct jread_error why;
	struct jdoc        doc;

	memset(&faults, 0x01, sizeof(faults));
	assert_true(jread_parse(&test_arena, STR("{\"email\":\"a@b.co\"}"), &limits, &doc, &why));
	field_read(&c, &customer_fields, &doc, doc.nodes, FIELD_CREATE, &customer, &faults);
	assert_int_equal(faults.count, 0);
	assert_true(str_is(customer.email, "a@b.co") && customer.given == 1u << MEMBER_EMAIL);
}

/* ---- what is not looked at ---- */

/* It is named in a header; who prefers strict handling is refused for it. */
static void
what_is_not_looked_at_is_named(void **state UNUSED)
{
	static const struct {
		const char *method, *query, *body, *version, *ignored;
	} cases[] = {
		{ "POST", "", MINIMAL, NULL, NULL },
		{ "POST", "", "{\"email\":\"a@b.co\",\"fullName\":null,\"metadata\":{\"x\":1}}", NULL, NULL },
		{ "POST", "", "{\"email\":\"a@b.co\",\"vat\":1,\"x y\":null,\"vat\\u00e4\":1}", NULL, "vat, x?y, vat??" },
		{ "POST", "?notify=1", "{\"email\":\"a@b.co\",\"vat\":1}", NULL, "notify, vat" },
		{ "POST", "", "{\"email\":\"a@b.co\",\"address\":{" ADDRESS "}}", NULL, NULL },
		{ "POST", "", "{\"email\":\"a@b.co\",\"address\":{" ADDRESS ",\"zip\":1,\"Line1\":2}}", NULL, "address.zip, address.Line1" },
		{ "POST", "", "{\"email\":\"a@b.co\",\"address\":{" ADDRESS ",\"postal_code\":\"q\"}}", NULL, "address.postal_code" },
		{ "POST", "", "{\"email\":\"a@b.co\",\"legalName\":\"x\",\"displayName\":\"x\"}", NULL, "legalName, displayName" },
		{ "POST", "", "{\"email\":\"a@b.co\",\"isActive\":true}", NULL, "isActive" },
		{ "POST", "", "{\"email\":\"a@b.co\",\"isActive\":true}", "2026-05-01", NULL },
		{ "POST", "", "{\"email\":\"a@b.co\",\"taxDocument\":\"1\"}", "2026-06-10", "taxDocument" },
		{ "POST", "", "{\"email\":\"a@b.co\",\"addressId\":null}", "2026-05-25", "addressId" },
		{ "PATCH", "/not-looked-at", "{\"addressId\":null,\"fullName\":\"x\"}", NULL, "addressId" },
		{ "PATCH", "/not-looked-at", "{\"domain\":1}", NULL, "domain" },
		{ "POST", "/batch", "{\"customers\":[{\"email\":\"a@b.co\"}]}", NULL, NULL },
		{ "POST", "/batch", "{\"notify\":1,\"customers\":[{\"email\":\"a@b.co\",\"x\":1},{\"email\":\"a@b.co\",\"x\":2,\"y\":1}]}", NULL,
		    "notify, x, y" },
		{ "GET", "?page=2&limit=1&search=x", NULL, NULL, "page, search" },
		{ "GET", "?search=x&isActive=1&limit=1", NULL, "2026-05-01", NULL },
		{ "GET", "/not-looked-at?limit=1", NULL, NULL, "limit" },
		{ "POST", "", "{\"email\":\"a@b.co\",\"m0\":0,\"m1\":0,\"m2\":0,\"m3\":0,\"m4\":0,\"m5\":0,\"m6\":0,\"m7\":0,\"m8\":0,\"m9\":0,"
		  "\"n0\":0,\"n1\":0}", NULL, "m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, n0, n1" },
		{ "POST", "", "{\"email\":\"a@b.co\",\"m0\":0,\"m1\":0,\"m2\":0,\"m3\":0,\"m4\":0,\"m5\":0,\"m6\":0,\"m7\":0,\"m8\":0,\"m9\":0,"
		  "\"n0\":0,\"n1\":0,\"n2\":0}", NULL, "m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, n0, n1, ..." },
	};

	assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, with("id", "\"not-looked-at\"")), 201);
	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct sent sent = { ACME_LIVE, cases[i].method, joined(CUSTOMERS, cases[i].query, ""), cases[i].body, cases[i].version };
		const char *first;

		if (send_request(&sent) > 201)
			fail_msg("case %zu: %.*s", i, STR_ARGS(body()));
		assert_null(response_find_header(&test_response, "Preference-Applied").ptr);
		if (cases[i].ignored)
			assert_string_equal(kept(response_find_header(&test_response, "Clientele-Ignored")).ptr, cases[i].ignored);
		else
			assert_null(response_find_header(&test_response, "Clientele-Ignored").ptr);
		sent.prefer = "handling=strict";
		if (send_request(&sent) == 400 ? !cases[i].ignored : cases[i].ignored != NULL)
			fail_msg("case %zu, strict: %.*s", i, STR_ARGS(body()));
		assert_null(response_find_header(&test_response, "Clientele-Ignored").ptr);
		assert_string_equal(kept(response_find_header(&test_response, "Preference-Applied")).ptr, "handling=strict");
		if (!cases[i].ignored)
			continue;
		assert_true(at_is("error.details.0.message", "\"is not known here\""));
		first = param();
		assert_true(strncmp(cases[i].ignored, first, strlen(first)) == 0 && first[0]);
		/* No more than eight of an object's members are told. */
		assert_true(!at("error.details.8").ptr);
		if (strlen(cases[i].ignored) > 40)
			assert_true(at_is("error.details.7.field", "\"m7\""));
	}
}

/* A customer whose name is too long by so much; without a field, the name. */
static const char *
longest_name(const char *field, size_t more)
{
	const char *name = quoted(many(CUSTOMER_NAME_MAX_CHARS + more, 'n'));

	return field ? with(field, name) : name;
}

/* Spellings of old clients are for their versions; both of one part must say the same. */
static void
old_spellings_are_read_where_they_were_known(void **state UNUSED)
{
	const struct {
		const char *path, *body;
		int         status;
		const char *param; /* or what is shown as fullName */
	} cases[] = {
		{ "/api/customers", "{\"email\":\"a@b.co\",\"legalName\":\"L\"}", 201, "\"L\"" },
		{ "/api/customers", "{\"email\":\"a@b.co\",\"displayName\":\"D\"}", 201, "\"D\"" },
		{ "/api/customers", "{\"email\":\"a@b.co\",\"displayName\":\"D\",\"legalName\":\"L\",\"fullName\":\"F\"}", 201, "\"F\"" },
		{ "/api/customers", "{\"email\":\"a@b.co\",\"displayName\":\"D\",\"legalName\":\"L\"}", 201, "\"L\"" },
		{ "/api/customers", "{\"email\":\"a@b.co\",\"displayName\":7,\"legalName\":null}", 201, "null" },
		{ "/api/customers", "{\"email\":\"a@b.co\",\"fullName\":\"\"}", 201, "null" },
		{ "/api/customers", "{\"email\":\"a@b.co\",\"legalName\":\"\"}", 201, "null" },
		{ "/api/customers", "{\"email\":\"a@b.co\",\"displayName\":\"\"}", 201, "null" },
		{ "/api/customers", longest_name("legalName", 0), 201, longest_name(NULL, 0) },
		{ "/api/customers", longest_name("legalName", 1), 400, "legalName" },
		{ "/api/customers", longest_name("displayName", 0), 201, longest_name(NULL, 0) },
		{ "/api/customers", longest_name("displayName", 1), 400, "displayName" },
		{ "/api/v1/customers", "{\"email\":\"a@b.co\",\"legalName\":\"L\"}", 201, "null" },
		{ "/api/customers", "{\"email\":\"a@b.co\",\"address\":{\"line1\":\"1\",\"city\":\"c\",\"postal_code\":\"p\",\"country\":\"BR\"}}", 201, "null" },
		{ "/api/customers", "{\"email\":\"a@b.co\",\"address\":{" ADDRESS ",\"postal_code\":\"p\"}}", 201, "null" },
		{ "/api/customers", "{\"email\":\"a@b.co\",\"address\":{" ADDRESS ",\"postal_code\":null}}", 201, "null" },
		{ "/api/customers", "{\"email\":\"a@b.co\",\"address\":{" ADDRESS ",\"postal_code\":\"q\"}}", 400, "address.postal_code" },
		{ "/api/v1/customers", "{\"email\":\"a@b.co\",\"address\":{\"line1\":\"1\",\"city\":\"c\",\"postal_code\":\"p\",\"country\":\"BR\"}}", 400,
		    "address.postalCode" },
		{ "/api/customers", "{}", 400, "billingEmail" },
		{ "/api/v1/customers", "{}", 400, "email" },
		{ "/api/v1/customers", "{\"email\":null,\"billingEmail\":null}", 400, "email" },
		{ "/api/v1/customers", "{\"address\":[]}", 400, "address.line1" },
		{ "/api/v1/customers", "{\"email\":\"a@b.co\",\"address\":[]}", 400, "address.line1" },
		{ "/api/v1/customers", "{\"email\":\"a@b.co\",\"address\":{}}", 400, "address.line1" },
		{ "/api/v1/customers", "{\"email\":\"a@b.co\",\"address\":[1]}", 400, "address" },
		{ "/api/v1/customers", "{\"email\":\"a@b.co\",\"metadata\":[]}", 201, "null" },
		{ "/api/v1/customers", "{\"email\":\"a@b.co\",\"metadata\":[1]}", 400, "metadata" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		if (SEND(ACME_LIVE, "POST", cases[i].path, cases[i].body) != cases[i].status)
			fail_msg("case %zu: %.*s", i, STR_ARGS(body()));
		if (cases[i].status == 400)
			assert_string_equal(param(), cases[i].param);
		else if (!at_is(at("data").ptr ? "data.fullName" : "fullName", cases[i].param))
			fail_msg("case %zu: %.*s", i, STR_ARGS(body()));
	}
}

/* For the log and the counters. */
static void
what_a_request_did_is_noted(void **state UNUSED)
{
	const char *key = fresh("key");
	const struct {
		const char *method, *uri, *body, *idem, *key;
		enum err    error;
		bool        asked, replayed, known;
		enum sql_id statement; /* that was sent */
		int         like;      /* the same number: the same route */
	} cases[] = {
		{ "GET", CUSTOMERS "?limit=1", NULL, NULL, NULL, ERR_OK, true, false, true, SQL_CUSTOMER_LIST },
		{ "GET", CUSTOMERS "?limit=x", NULL, NULL, NULL, ERR_VALIDATION, false, false, true, SQL__COUNT },
		{ "GET", CUSTOMERS "/nobody", NULL, NULL, NULL, ERR_CUSTOMER_NOT_FOUND, true, false, true, SQL_CUSTOMER_GET_EXTERNAL, 1 },
		{ "GET", CUSTOMERS, NULL, NULL, "ck_live_", ERR_UNAUTHORIZED, false, false, false, SQL__COUNT },
		{ "POST", CUSTOMERS, MINIMAL, key, NULL, ERR_OK, true, false, true, SQL_CUSTOMER_CREATE, 2 },
		{ "POST", CUSTOMERS, MINIMAL, key, NULL, ERR_OK, true, true, true, SQL_IDEMPOTENCY_LOOK, 2 },
		{ "GET", "/nothing", NULL, NULL, NULL, ERR_NOT_FOUND, false, false, false, SQL__COUNT, 3 },
	};

	uint32_t routes[COUNTOF(cases)];

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		bool sent = false, other = false;

		if (!cases[i].asked)
			assert_int_equal(SEND(ACME_LIVE, "GET", CUSTOMERS "?limit=1"), 200); /* the key is known now */
		send_request(&(struct sent) { ACME_LIVE, cases[i].method, cases[i].uri, cases[i].body, .idem = cases[i].idem, .key = cases[i].key });
		for (size_t id = 0; id < SQL__COUNT; id++) {
			bool has = test_facts.statements.word[id / 64] >> id % 64 & 1;

			sent |= has && id == cases[i].statement;
			other |= has && id != cases[i].statement;
		}
		if (test_facts.error != cases[i].error || test_facts.replayed != cases[i].replayed || sent != (cases[i].statement != SQL__COUNT)
		    || (test_facts.db_us > 0) != cases[i].asked || (test_facts.db_trips > 0) != cases[i].asked || (other && !cases[i].asked))
			fail_msg("case %zu: %.*s", i, STR_ARGS(body()));
		assert_int_equal(test_facts.key.ptr != NULL, cases[i].known);
		assert_int_equal(!id_is_nil(&test_facts.organization), cases[i].known);
		assert_false(test_facts.left || test_facts.over_share || test_facts.evicted);
		routes[i] = test_facts.route;
		for (size_t n = 0; n <= i; n++)
			assert_int_equal(routes[n] == routes[i], cases[n].like == cases[i].like);
	}
}

static void
an_answer_has_so_many_faults_at_most(void **state UNUSED)
{
	struct facts facts = { .over_share = false };
	struct call  c = { .arena = &test_kept, .facts = &facts };

	assert_int_equal(call_fields_done(&c), ERR_OK);
	for (size_t i = 0; i < PROBLEM_DETAILS_MAX + 2; i++)
		call_field(&c, i ? "later" : "first", "is wrong");
	assert_int_equal(c.problem.details, PROBLEM_DETAILS_MAX);
	assert_string_equal(c.problem.detail[PROBLEM_DETAILS_MAX - 1].field, "later");
	assert_int_equal(call_fields_done(&c), ERR_VALIDATION);
	assert_string_equal(c.problem.param, "first");
	assert_string_equal(c.problem.message, "first: is wrong");
}

static void
a_trace_goes_on_in_the_answer(void **state UNUSED)
{
	static const char parent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
	struct sent       sent = { ACME_LIVE, "GET", CUSTOMERS "?limit=1", .trace = parent };
	struct str        answered;

	assert_int_equal(send_request(&sent), 200);
	answered = response_find_header(&test_response, "traceresponse");
	assert_int_equal(answered.len, strlen(parent));
	assert_memory_equal(answered.ptr, parent, strlen("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
	assert_memory_not_equal(answered.ptr, parent, strlen(parent));
	assert_true(str_is(test_facts.trace.id, "4bf92f3577b34da6a3ce929d0e0e4736"));
	sent.often[HEADER_TRACEPARENT] = 2;
	assert_int_equal(send_request(&sent), 200);
	assert_null(response_find_header(&test_response, "traceresponse").ptr);
	assert_null(test_facts.trace.id.ptr);
	sent = (struct sent) { ACME_LIVE, "GET", CUSTOMERS "?limit=1", .trace = "00-x" };
	assert_int_equal(send_request(&sent), 200);
	assert_null(response_find_header(&test_response, "traceresponse").ptr);
}

/* Whatever a client library may call: an endpoint of the API that is not served says so, with its resource. */
static void
what_is_not_served_is_told_from_what_is_not_there(void **state UNUSED)
{
	assert_int_equal(SEND(ACME_LIVE, "POST", "/api/v1/webhooks/x/test", "{}"), 404);
	assert_true(at_is("code", "\"endpoint_not_available\""));
	assert_true(at_is("message", "\"This part of the API is not served here: webhooks.\""));
	assert_int_equal(SEND(ACME_LIVE, "GET", "/api/v1/nothing"), 404);
	assert_true(at_is("code", "\"not_found\""));
}

static void
a_country_has_a_document(void **state UNUSED)
{
	static const struct {
		const char *codes, *number, *document;
	} cases[] = {
		{ "AR", "1", "CUIT" }, { "CL", "1", "RUT" }, { "CO", "1", "NIT" }, { "MX", "1", "RFC" }, { "PE", "1", "RUC" }, { "US", "1", "EIN" },
		{ "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK", "1", "VAT" },
		{ "BR", "11.222.333/0001-81", "CNPJ" }, { "BR", "111.444.777-35", "CPF" }, { "BR", "12345678901", "CPF" }, { "BR", "AZ12345678901:", "CPF" },
		{ "BR", "1234567890", "CNPJ" }, { "BR", "123456789012", "CNPJ" }, { "AR US", "12345678901", NULL },
		{ "AD GB JP NO CH ZW UY CA", "12345678901", "TAX_ID" },
	};
	size_t known = 0;

	for (size_t i = 0; i < COUNTOF(cases); i++)
		for (const char *code = cases[i].codes; strlen(code) >= 2; code += code[2] ? 3 : 2) {
			struct str document = country_document((struct str) { code, 2 }, str_of(cases[i].number));

			assert_true(country_known((struct str) { code, 2 }));
			if (cases[i].document ? !str_is(document, cases[i].document) : str_is(document, "CPF"))
				fail_msg("%.2s, %s: %.*s", code, cases[i].number, STR_ARGS(document));
		}
	/* All that ISO 3166-1 has, and no others. */
	for (char a = 'A'; a <= 'Z'; a++)
		for (char b = 'A'; b <= 'Z'; b++)
			known += country_known((struct str) { (const char[]) { a, b }, 2 });
	assert_int_equal(known, 249);
	assert_false(country_known(STR("BRA")) || country_known(STR("B")) || country_known(STR("")) || country_known(STR("br"))
	    || country_known(STR("B ")));
	assert_true(str_is(country_document(STR("XX"), STR("1")), "TAX_ID"));
	/* As an answer has it: of the address's country. */
	assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, "{\"email\":\"a@b.co\",\"taxDocument\":\"12345678901\",\"address\":{" ADDRESS "}}"), 201);
	assert_true(at_is("documentType", "\"CPF\""));
	assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, "{\"email\":\"a@b.co\",\"taxDocument\":\"12345678901\"}"), 201);
	assert_true(at_is("documentType", "\"TAX_ID\""));
	assert_int_equal(SEND(ACME_LIVE, "POST", CUSTOMERS, "{\"email\":\"a@b.co\",\"address\":{" ADDRESS "}}"), 201);
	assert_true(at_is("documentType", "null"));
}

/* What else the worker has in hand for the same environment. */
static void
an_environment_has_its_share_of_the_worker(void **state UNUSED)
{
	enum { PLACES = 4, PERCENT = 50 };
	static struct stats_slot stats;
	static const struct {
		const char *method, *uri, *version, *body;
		size_t      held;      /* places that requests of its own have had for long */
		size_t      others;    /* that others have */
		bool        known;     /* another environment was active lately */
		int         status;
	} cases[] = {
		{ "GET", CUSTOMERS "?limit=1", NULL, NULL, 1, 2, true, 200 },
		{ "GET", CUSTOMERS "?limit=1", NULL, NULL, 2, 1, true, 429 },
		{ "GET", CUSTOMERS "?limit=1", NULL, NULL, 2, 0, true, 429 },
		{ "GET", CUSTOMERS "?limit=1", NULL, NULL, 3, 0, false, 200 },
		{ "GET", CUSTOMERS "?limit=1", NULL, NULL, 0, 3, true, 200 },
		{ "POST", CUSTOMERS, NULL, MINIMAL, 2, 1, true, 429 },
		{ "GET", CUSTOMERS "?search=x", "2026-05-25", NULL, 2, 0, true, 429 },
	};
	struct app  *first = test_app;
	struct share share;

	test_app = app_new(&test_conf, &stats, test_buckets);
	app_share(test_app, &share);
	for (size_t i = 0; i < COUNTOF(cases); i++) {
		int64_t now = clock_mono_ms();

		share = (struct share) { .percent = PERCENT, .places = PLACES };
		for (size_t n = 1; n <= cases[i].held + cases[i].others; n++)
			share.place[n] = (struct share_place) {
				share_tag(&test_environment[n <= cases[i].held ? ACME_LIVE : OTHER_LIVE]), now - 5000,
			};
		share.last_tag = share_tag(&test_environment[ACME_LIVE]);
		share.mixed_ms = cases[i].known ? now : 0;
		if (SEND(ACME_LIVE, cases[i].method, cases[i].uri, cases[i].body, cases[i].version) != cases[i].status)
			fail_msg("case %zu: %.*s", i, STR_ARGS(body()));
		assert_int_equal(test_facts.over_share, cases[i].status == 429);
		assert_int_equal(share.place[0].tag, 0); /* nothing is in hand any more */
	}
	app_free(test_app);
	test_app = first;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_that_is_repeated_is_refused),
		cmocka_unit_test(a_header_has_a_longest_value),
		cmocka_unit_test(an_idempotency_key_is_printable_ascii),
		cmocka_unit_test(quotes_around_an_idempotency_key_do_not_count),
		cmocka_unit_test(a_key_belongs_to_method_path_body_version_and_environment),
		cmocka_unit_test(a_key_is_for_the_version_that_was_meant),
		cmocka_unit_test(values_are_judged_at_their_bounds),
		cmocka_unit_test(two_names_of_a_field_agree),
		cmocka_unit_test(an_update_does_not_take_what_only_a_creation_takes),
		cmocka_unit_test(a_field_is_read_in_its_versions_alone),
		cmocka_unit_test(an_object_begins_without_faults),
		cmocka_unit_test(a_fault_is_told_with_its_bound),
		cmocka_unit_test(an_update_clears_what_may_be_empty),
		cmocka_unit_test(what_is_not_looked_at_is_named),
		cmocka_unit_test(old_spellings_are_read_where_they_were_known),
		cmocka_unit_test(what_a_request_did_is_noted),
		cmocka_unit_test(an_answer_has_so_many_faults_at_most),
		cmocka_unit_test(a_trace_goes_on_in_the_answer),
		cmocka_unit_test(what_is_not_served_is_told_from_what_is_not_there),
		cmocka_unit_test(a_country_has_a_document),
		cmocka_unit_test(an_environment_has_its_share_of_the_worker),
	};
	int failed;

	app_test_begin();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	app_test_end();
	return failed;
}
