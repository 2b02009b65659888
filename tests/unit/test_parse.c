/* fcgi/parse: what bytes of a connection are. */
#include "base/limits.h"
#include "fcgi/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Records of the request 1, without padding. */
#define BEGIN "\1\1\0\1\0\x08\0\0\0\1\0\0\0\0\0\0"
#define PARAMS "\1\4\0\1\0\4\0\0\1\1Ab"
#define PARAMS_END "\1\4\0\1\0\0\0\0"
#define BODY "\1\5\0\1\0\2\0\0{}"
#define BODY_END "\1\5\0\1\0\0\0\0"

#define BYTES(text) { text, sizeof(text) - 1 }

static void
a_request_is_known_when_its_last_byte_is_there(void **state UNUSED)
{
	static const char request[] = BEGIN PARAMS PARAMS_END BODY BODY_END;
	const size_t      params = sizeof(BEGIN PARAMS PARAMS_END) - 1, whole = sizeof(request) - 1;

	for (size_t n = 0; n <= whole; n++) {
		bool alone = false;

		assert_int_equal(parse_records((const unsigned char *)request, n, &alone),
		    n < params ? PARSE_MORE : n < whole ? PARSE_PARAMS : PARSE_WHOLE);
		assert_int_equal(alone, n == whole);
	}
}

static void
what_stands_behind_it_is_seen(void **state UNUSED)
{
	static const char two[] = BEGIN PARAMS PARAMS_END BODY_END BEGIN;
	bool              alone = true;

	assert_int_equal(parse_records((const unsigned char *)two, sizeof(two) - 1, &alone), PARSE_WHOLE);
	assert_false(alone);
}

static void
everything_else_is_wrong(void **state UNUSED)
{
	static const struct {
		const char *bytes;
		size_t      n;
	} cases[] = {
		BYTES("GET / HTTP/1.1\r\n"),
		BYTES("\2\1\0\1\0\x08\0\0"),             /* another version */
		BYTES(PARAMS),                           /* without a beginning */
		BYTES(BEGIN BEGIN),
		BYTES(BEGIN BODY),
		BYTES(BEGIN PARAMS BODY),                /* parameters without an end */
		BYTES(BEGIN "\1\4\0\2\0\0\0\0"),         /* of another request */
		BYTES(BEGIN PARAMS PARAMS_END PARAMS),
		BYTES(BEGIN PARAMS PARAMS_END "\1\2\0\1\0\0\0\0"), /* abort */
		BYTES("\1\1\0\0\0\x08\0\0\0\1\0\0\0\0\0\0"), /* number 0 is management */
		BYTES("\1\1\0\1\0\x07\0\0\0\1\0\0\0\0\0"),
		BYTES("\1\1\0\1\0\x08\1\0\0\1\0\0\0\0\0\0\0"), /* padding that libfcgi takes for records */
		BYTES(BEGIN PARAMS "\1\4\0\1\0\0\1\0\0"),
		BYTES(BEGIN "\1\4\0\1\0\1\0\0\1" PARAMS_END), /* lengths that are cut off */
		BYTES(BEGIN "\1\4\0\1\0\2\0\0\1\1" PARAMS_END),
		BYTES(BEGIN "\1\4\0\1\0\3\0\0\1\1A" PARAMS_END),
		BYTES(BEGIN "\1\4\0\1\0\4\0\0\x80\0\0\1" PARAMS_END),
		BYTES(BEGIN "\1\4\0\1\0\5\0\0\1\xFF\xFF\xFF\xFF"), /* or too large */
		BYTES(BEGIN "\1\4\0\1\0\4\0\0\x80\1\0\0"),
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		bool alone;

		if (parse_records((const unsigned char *)cases[i].bytes, cases[i].n, &alone) != PARSE_WRONG)
			fail_msg("case %zu is not wrong", i);
	}
}

/* Cut anywhere, also inside a length. */
static void
pairs_may_go_over_records(void **state UNUSED)
{
	static const char pair[] = "\x80\0\0\1\x80\0\0\3Abcd";
	const size_t      n = sizeof(pair) - 1;

	for (size_t cut = 1; cut < n; cut++) {
		unsigned char bytes[128];
		size_t        at = sizeof(BEGIN) - 1;
		bool          alone;

		memcpy(bytes, BEGIN, at);
		memcpy(bytes + at, (unsigned char[]) { 1, 4, 0, 1, 0, (unsigned char)cut, 0, 0 }, 8);
		memcpy(bytes + at + 8, pair, cut);
		at += 8 + cut;
		memcpy(bytes + at, (unsigned char[]) { 1, 4, 0, 1, 0, (unsigned char)(n - cut), 0, 0 }, 8);
		memcpy(bytes + at + 8, pair + cut, n - cut);
		at += 8 + n - cut;
		memcpy(bytes + at, PARAMS_END, 8);
		assert_int_equal(parse_records(bytes, at + 8, &alone), PARSE_PARAMS);
	}
}

static void
parameters_have_a_bound_together(void **state UNUSED)
{
	enum { EACH = 0x7F00, MOST = PARAMS_MAX_BYTES / EACH };

	static unsigned char bytes[PARAMS_MAX_BYTES + 4 * 64];
	size_t               at = sizeof(BEGIN) - 1;
	bool                 alone;

	memcpy(bytes, BEGIN, at);
	for (int i = 0; i <= MOST; i++) {
		const unsigned char head[] = { 1, 4, 0, 1, (EACH + 8) >> 8, (EACH + 8) & 0xFF, 0, 0,
			0x80, 0, 0, 1, 0x80, 0, (EACH - 1) >> 8, (EACH - 1) & 0xFF };

		memcpy(bytes + at, head, sizeof(head));
		assert_int_equal(parse_records(bytes, at + sizeof(head) - 1, &alone), PARSE_MORE);
		assert_int_equal(parse_records(bytes, at + sizeof(head), &alone), i < MOST ? PARSE_MORE : PARSE_WRONG);
		at += sizeof(head) + (i < MOST ? EACH : 0);
	}
}

static void
of_a_name_the_first_value_counts_and_all_are_counted(void **state UNUSED)
{
	char               *envp[] = { (char[]) { "REQUEST_URI=/a=b" }, (char[]) { "HTTP_X_API_KEY=" },
		(char[]) { "HTTP_X_API_KEY=second" }, (char[]) { "HTTP_COOKIE=x" }, (char[]) { "no value" }, NULL };
	struct parse_params p;

	parse_params(envp, &p);
	assert_true(str_is(p.value[PARSE_URI], "/a=b"));
	assert_int_equal(p.count[PARSE_URI], 1);
	assert_true(str_is(p.value[PARSE_HEADERS + HEADER_API_KEY], ""));
	assert_int_equal(p.count[PARSE_HEADERS + HEADER_API_KEY], 2);
	assert_int_equal(p.count[PARSE_METHOD], 0);
	assert_null(p.value[PARSE_METHOD].ptr);
}

static void
lengths_are_digits_and_what_front_servers_send_for_not_known(void **state UNUSED)
{
	static const struct {
		const char *text;
		int64_t     length; /* -1: it is none */
	} cases[] = {
		{ NULL, 0 }, { "", 0 }, { "0", 0 }, { "-1", 0 }, { "17", 17 }, { "9223372036854775807", INT64_MAX },
		{ "x", -1 }, { "1x", -1 }, { " 1", -1 }, { "-2", -1 }, { "+1", -1 }, { "9223372036854775808", -1 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		int64_t length;

		if (parse_length(str_of(cases[i].text), &length) ? length != cases[i].length : cases[i].length != -1)
			fail_msg("\"%s\"", cases[i].text ? cases[i].text : "(none)");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_known_when_its_last_byte_is_there),
		cmocka_unit_test(what_stands_behind_it_is_seen),
		cmocka_unit_test(everything_else_is_wrong),
		cmocka_unit_test(pairs_may_go_over_records),
		cmocka_unit_test(parameters_have_a_bound_together),
		cmocka_unit_test(of_a_name_the_first_value_counts_and_all_are_counted),
		cmocka_unit_test(lengths_are_digits_and_what_front_servers_send_for_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
