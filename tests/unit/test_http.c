/* http/: paths and queries, versions, responses, traces. */
#include "http/etag.h"
#include "http/prefer.h"
#include "http/query.h"
#include "http/request.h"
#include "http/response.h"
#include "http/trace.h"
#include "http/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena arena;

static bool
split(const char *uri, struct path *path, struct query *query)
{
	const char *why = NULL, *blame;
	bool        ok;

	arena_reset(&arena);
	ok = query_split(&arena, str_of(uri), path, query, &blame, &why);
	if (!ok)
		assert_true(why && path->count == 0 && query->count == 0);
	return ok;
}

static void
paths_are_split_before_they_are_decoded_once(void **state UNUSED)
{
	static const struct {
		const char *uri;
		size_t      count;
		const char *last;
	} cases[] = {
		{ "", 0, NULL }, { "?a", 0, NULL }, { "/", 0, NULL }, { "/?a=b", 0, NULL }, { "/a", 1, "a" }, { "/a/b", 2, "b" },
		{ "/a%2Fb", 1, "a/b" }, { "/%2e%2e%2f", 1, "../" }, { "/%252e", 1, "%2e" },
		{ "/customers/auth0|42", 2, "auth0|42" }, { "/customers/a@b.co?x", 2, "a@b.co" },
		{ "/a+b", 1, "a+b" }, { "/a+b%20+", 1, "a+b +" }, { "/caf\xc3\xa9", 1, "caf\xc3\xa9" }, { "/caf%C3%A9", 1, "caf\xc3\xa9" },
		{ "/%23", 1, "#" }, { "/...", 1, "..." }, { "/a%20b", 1, "a b" },
		{ "/1/2/3/4/5/6/7/8", PATH_SEGMENTS_MAX, "8" }, { "/1/2/3/4/5/6/7/8/9", 9, NULL },
		/* What is no escape stands for itself. */
		{ "/50%", 1, "50%" }, { "/a%2", 1, "a%2" }, { "/a%zz", 1, "a%zz" }, { "/a%2g", 1, "a%2g" }, { "/%%41", 1, "%A" },
		{ "/%-1", 1, "%-1" }, { "/%u0041", 1, "%u0041" }, { "/%%", 1, "%%" }, { "/50%25%", 1, "50%%" },
	};
	struct path  path;
	struct query query;

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		if (!split(cases[i].uri, &path, &query))
			fail_msg("%s", cases[i].uri);
		assert_int_equal(path.count, cases[i].count);
		if (cases[i].last && !str_is(path.segment[path.count - 1], cases[i].last))
			fail_msg("%s gives %.*s", cases[i].uri, STR_ARGS(path.segment[path.count - 1]));
	}
}

static void
segments_beyond_those_that_are_kept_are_only_counted(void **state UNUSED)
{
	static const char uri[] = "/1/2/3/4/5/6/7/8/9";
	struct {
		struct path path;
		struct str  behind;
	} room = { .behind = STR("as it was") };
	struct query query;

	assert_true(split(uri, &room.path, &query));
	assert_true(str_is(room.behind, "as it was"));
}

static void
the_part_that_is_refused_is_named(void **state UNUSED)
{
	static const struct {
		const char *uri, *blame;
	} cases[] = { { "/a//b?c", "path" }, { "/a?c=%", "query" }, { "/a#b", "path" } };
	struct path  path;
	struct query query;

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		const char *blame = NULL, *why = NULL;

		assert_false(query_split(&arena, str_of(cases[i].uri), &path, &query, &blame, &why));
		assert_string_equal(blame, cases[i].blame);
	}
}

static void
bad_paths_and_queries_are_refused(void **state UNUSED)
{
	static const char *const bad[] = {
		"a", "http://host/a", "//", "//a", "/a//b", "/a/", "/a/.", "/./a", "/../a", "/a/..",
		"/%2e", "/%2E%2e/a", "/.%2e", "/%00", "/%%00", "/a%0ab", "/%7f", "/a\x01",
		"/a#b", "/a?x=#", "/\xff", "/%ff", "/%c0%80", "/%ed%a0%80", "/a?x=%zz", "/a?x=50%", "/a?%=1", "/a?x=%2", "/a?x=%00", "/a?%ff=1",
	};
	/* The commonest of them says what to do. */
	static const struct {
		const char *uri, *part;
	} slashes[] = {
		{ "/a/", "slash at the end" }, { "/a/?b=c", "slash at the end" }, { "/a//b", "empty" },
		{ "//", "empty" }, { "/a/./", "empty, \".\" or" },
	};
	struct path  path;
	struct query query;
	char         longer[URI_MAX_BYTES + 2];
	char         many[QUERY_PARAMETERS_MAX * 3 + 8] = "/a?";

	for (size_t i = 0; i < COUNTOF(bad); i++)
		if (split(bad[i], &path, &query))
			fail_msg("%s", bad[i]);
	for (size_t i = 0; i < COUNTOF(slashes); i++) {
		const char *blame, *why = NULL;

		assert_false(query_split(&arena, str_of(slashes[i].uri), &path, &query, &blame, &why));
		if (!strstr(why, slashes[i].part))
			fail_msg("%s: %s", slashes[i].uri, why);
	}
	memset(longer, 'a', sizeof(longer));
	longer[0] = '/';
	longer[URI_MAX_BYTES + 1] = '\0';
	assert_false(split(longer, &path, &query));
	longer[URI_MAX_BYTES] = '\0';
	assert_true(split(longer, &path, &query));
	for (int i = 0; i <= QUERY_PARAMETERS_MAX; i++) {
		assert_true(split(many, &path, &query));
		memcpy(many + 3 + 3 * i, "x=&", 4);
	}
	assert_false(split(many, &path, &query));
}

static void
the_rest_of_a_path_has_its_slashes(void **state UNUSED)
{
	static const struct {
		const char *uri;
		size_t      segment;
		const char *rest;
	} cases[] = {
		{ "/a/b/c?x=/d", 1, "b/c" }, { "/a/b/c", 0, "a/b/c" }, { "/a/b%2Fc/d%25", 1, "b/c/d%" }, { "/a/50%/c", 1, "50%/c" },
		{ "/a/b", 2, NULL }, { "/a/b", 7, NULL }, { "/a/b%01", 1, NULL }, { "/a/%ff", 1, NULL }, { "/1/2/3/4/5/6/7/8/9/10", 1, "2/3/4/5/6/7/8/9/10" }, { "", 0, NULL },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct str rest = query_rest(&arena, str_of(cases[i].uri), cases[i].segment);

		if (!rest.ptr != !cases[i].rest || (rest.ptr && !str_is(rest, cases[i].rest)))
			fail_msg("%s from %zu on: %.*s", cases[i].uri, cases[i].segment, STR_ARGS(rest));
	}
}

static void
a_bearer_token_is_what_stands_behind_its_scheme(void **state UNUSED)
{
	static const struct {
		const char *header, *token;
	} cases[] = {
		{ "Bearer ck_live_x", "ck_live_x" }, { "bearer a", "a" }, { "BEARER  a ", "a" }, { "Bearer ", "" }, { "Bearer", NULL },
		{ "Basic a", NULL }, { "Bearera", NULL }, { "", NULL }, { " Bearer a", NULL },
	};
	struct request req = { .header_count = { 0 } };

	assert_null(request_bearer(&req).ptr);
	for (size_t i = 0; i < COUNTOF(cases); i++) {
		req.header[HEADER_AUTHORIZATION] = str_of(cases[i].header);
		if (!request_bearer(&req).ptr != !cases[i].token
		    || (cases[i].token && !str_is(request_bearer(&req), cases[i].token)))
			fail_msg("%s", cases[i].header);
	}
}

static void
query_parameters_are_found_and_counted(void **state UNUSED)
{
	struct path  path;
	struct query query;
	bool         repeated;

	assert_true(split("/a?limit=5&x&cursor=a%26b&search=a+b%2B&&limit2=1&x=", &path, &query));
	assert_true(str_is(query_find(&query, "limit", &repeated), "5"));
	assert_false(repeated);
	assert_true(str_is(query_find(&query, "cursor", &repeated), "a&b"));
	assert_true(str_is(query_find(&query, "search", &repeated), "a b+"));
	assert_null(query_find(&query, "nothing", &repeated).ptr);
	assert_non_null(query_find(&query, "x", &repeated).ptr);
	assert_true(repeated);
	repeated = true;
	assert_true(str_is(query_find(&query, "limit2", &repeated), "1"));
	assert_false(repeated);
	assert_true(split("/a?", &path, &query));
	assert_int_equal(query.count, 0);
	assert_true(split("/a?b=c+d", &path, &query)); /* no other escape */
	assert_true(str_is(query_find(&query, "b", &repeated), "c d"));
}

static void
versions_resolve_to_the_newest_not_after_the_date(void **state UNUSED)
{
	static const struct {
		const char  *date;
		bool         ok;
		enum version version;
	} cases[] = {
		{ "2026-08-27", true, V_2026_08_27 }, { "2026-08-26", true, V_2026_07_31 },
		{ "2026-07-31", true, V_2026_07_31 }, { "2026-07-30", true, V_2026_07_24 },
		{ "2026-07-24", true, V_2026_07_24 }, { "2026-07-23", true, V_2026_07_11 },
		{ "2026-05-01", true, V_2026_05_01 }, { "2026-04-30", true, V_2026_05_01 },
		{ "1999-12-31", true, V_2026_05_01 }, { "2030-01-01", true, V_CURRENT },
		{ "2024-02-29", true, V_2026_05_01 }, { "2026-02-29", false, 0 }, { "2026-13-01", false, 0 },
		{ "2026-00-01", false, 0 }, { "2026-06-31", false, 0 }, { "2026-6-07", false, 0 }, { "", false, 0 },
		{ "2026-01-32", false, 0 }, { "2026-03-32", false, 0 }, { "2026-04-31", false, 0 }, { "2026-09-31", false, 0 }, { "2024-04-31", false, 0 }, { "2024-02-30", false, 0 },
		{ "2026-11-31", false, 0 }, { "2026-12-31", true, V_CURRENT }, { "2026-10-31", true, V_CURRENT },
		{ "2025-12-31", true, V_2026_05_01 }, { "2025-01-31", true, V_2026_05_01 }, { "2025-03-31", true, V_2026_05_01 },
		{ "2025-04-30", true, V_2026_05_01 }, { "2025-05-31", true, V_2026_05_01 }, { "2025-06-30", true, V_2026_05_01 },
		{ "2025-07-31", true, V_2026_05_01 }, { "2025-08-31", true, V_2026_05_01 }, { "2025-09-30", true, V_2026_05_01 },
		{ "2025-10-31", true, V_2026_05_01 }, { "2025-11-30", true, V_2026_05_01 }, { "2025-02-28", true, V_2026_05_01 },
		{ "1900-02-29", false, 0 }, { "2000-02-29", true, V_2026_05_01 }, { "2023-02-29", false, 0 }, { "0001-01-01", true, V_2026_05_01 },
		{ "0000-01-01", false, 0 }, { "9999-12-31", true, V_CURRENT }, { "2026-01-00", false, 0 }, { "2026-0a-01", false, 0 },
		{ "202a-01-01", false, 0 }, { "2026-01-0a", false, 0 }, { "2026-01/01", false, 0 }, { "2026/01-01", false, 0 },
		{ "legacy", false, 0 }, { "2026-06-07 ", false, 0 }, { "20260607", false, 0 }, { "2026/06/07", false, 0 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		enum version v = V__COUNT;

		if (version_resolve(str_of(cases[i].date), &v) != cases[i].ok)
			fail_msg("%s", cases[i].date);
		assert_int_equal(v, cases[i].ok ? cases[i].version : V__COUNT);
	}
}

static void
versions_stand_in_the_order_of_their_dates(void **state UNUSED)
{
	enum version v;

	for (v = V_LEGACY + 2; v < V__COUNT; v++)
		assert_true(strcmp(version_info(v - 1)->name, version_info(v)->name) < 0);
	assert_true(version_find(STR("legacy"), &v));
	assert_int_equal(v, V_LEGACY);
	assert_false(version_find(STR("2026-06-08"), &v));
	assert_true(version_has(V_2026_06_07, V_2026_06_07, V_ENDLESS));
	assert_false(version_has(V_2026_06_07, V_FIRST, V_2026_06_07));
	assert_true(version_has(V_CURRENT, V_FIRST, V_ENDLESS));
}

static void
methods_are_told_by_their_exact_name(void **state UNUSED)
{
	assert_int_equal(method_find(STR("PATCH")), METHOD_PATCH);
	assert_int_equal(method_find(STR("patch")), METHOD_OTHER);
	assert_int_equal(method_find(STR("")), METHOD_OTHER);
	assert_int_equal(method_find(STR("TRACE")), METHOD_OTHER);
}

static void
responses_forget_everything_at_a_reset(void **state UNUSED)
{
	struct response res;

	response_init(&res);
	response_header(&res, "X-One", STR("1"));
	buf_str(&res.body, STR("{}"));
	res.status = 500;
	assert_true(str_is(response_find_header(&res, "x-one"), "1"));
	response_reset(&res);
	assert_null(response_find_header(&res, "X-One").ptr);
	assert_int_equal(res.body.len + (size_t)res.status, 0);
	response_fini(&res);
}

#define TRACE_ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define TRACE_SPAN "00f067aa0ba902b7"

static void
traces_are_read_as_the_standard_has_them(void **state UNUSED)
{
	static const struct {
		const char *header;
		bool        ok;
		unsigned    flags;
	} cases[] = {
		{ "00-" TRACE_ID "-" TRACE_SPAN "-01", true, TRACE_SAMPLED },
		{ "00-" TRACE_ID "-" TRACE_SPAN "-00", true, 0 },
		{ "00-" TRACE_ID "-" TRACE_SPAN "-03", true, TRACE_SAMPLED | TRACE_RANDOM },
		{ "00-" TRACE_ID "-" TRACE_SPAN "-fe", true, TRACE_RANDOM },
		{ "01-" TRACE_ID "-" TRACE_SPAN "-01", true, TRACE_SAMPLED },
		{ "cc-" TRACE_ID "-" TRACE_SPAN "-01-what-comes", true, TRACE_SAMPLED },
		{ "fe-" TRACE_ID "-" TRACE_SPAN "-01-", true, TRACE_SAMPLED },
		{ "cc-" TRACE_ID "-" TRACE_SPAN "-01.what", false, 0 },
		{ "cc-" TRACE_ID "-" TRACE_SPAN "-011", false, 0 },
		{ "00-" TRACE_ID "-" TRACE_SPAN "-01-what", false, 0 },
		{ "00-" TRACE_ID "-" TRACE_SPAN "-01 ", false, 0 },
		{ "00-" TRACE_ID "-" TRACE_SPAN "-01, 00-" TRACE_ID "-" TRACE_SPAN "-01", false, 0 },
		{ "ff-" TRACE_ID "-" TRACE_SPAN "-01", false, 0 },
		{ "0-" TRACE_ID "-" TRACE_SPAN "-01", false, 0 },
		{ "0g-" TRACE_ID "-" TRACE_SPAN "-01", false, 0 },
		{ "000-" TRACE_ID "-" TRACE_SPAN "-1", false, 0 },
		{ "00-00000000000000000000000000000000-" TRACE_SPAN "-01", false, 0 },
		{ "00-" TRACE_ID "-0000000000000000-01", false, 0 },
		{ "00-4BF92F3577B34DA6A3CE929D0E0E4736-" TRACE_SPAN "-01", false, 0 },
		{ "00-" TRACE_ID "-00F067AA0BA902B7-01", false, 0 },
		{ "00-" TRACE_ID "-" TRACE_SPAN "-0A", false, 0 },
		{ "00-" TRACE_ID "-" TRACE_SPAN "-0", false, 0 },
		{ "00-" TRACE_ID "-" TRACE_SPAN, false, 0 },
		{ "00-" TRACE_ID "_" TRACE_SPAN "-01", false, 0 },
		{ "00-4bf92f3577b34da6a3ce929d0e0e473\n-" TRACE_SPAN "-01", false, 0 },
		{ "00-4bf92f3577b34da6a3ce929d0e0e473-" TRACE_SPAN "-001", false, 0 },
		{ " 00-" TRACE_ID "-" TRACE_SPAN "-01", false, 0 },
		{ "", false, 0 },
		{ "00", false, 0 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct trace trace = { .flags = 99 };
		struct str   header = arena_str(&arena, str_of(cases[i].header)); /* sanitizers see its end */

		if (trace_parse(header, &trace) != cases[i].ok)
			fail_msg("\"%s\"", cases[i].header);
		assert_int_equal(trace.flags, cases[i].flags);
		assert_int_equal(trace.id.ptr != NULL, cases[i].ok);
		if (cases[i].ok)
			assert_true(str_is(trace.id, TRACE_ID) && str_is(trace.parent, TRACE_SPAN));
	}
}

static void
traces_go_on_with_a_span_of_their_own(void **state UNUSED)
{
	static const char head[] = "00-" TRACE_ID "-", tail[] = "-01";
	char              first[TRACE_TEXT_BYTES + 1], second[TRACE_TEXT_BYTES + 1];
	struct trace      trace, again;

	assert_true(trace_parse(STR("00-" TRACE_ID "-" TRACE_SPAN "-01"), &trace));
	trace_begin(&trace);
	trace_response(&trace, first);
	assert_memory_equal(first, head, sizeof(head) - 1);
	assert_string_equal(first + TRACE_TEXT_BYTES - 3, tail);
	assert_true(trace_parse(str_of(first), &again)); /* it has the form of what came */
	assert_memory_equal(again.parent.ptr, trace.span, TRACE_SPAN_DIGITS);
	assert_memory_not_equal(trace.span, TRACE_SPAN, TRACE_SPAN_DIGITS);
	trace_begin(&trace);
	trace_response(&trace, second);
	assert_string_not_equal(first, second);
}

static void
waiting_is_told_by_the_front_server(void **state UNUSED)
{
	const int64_t now = INT64_C(1700000010123456);
	static const struct {
		const char *start;
		int64_t     waited_us;
	} cases[] = {
		{ "1700000010.123", 456 }, { "1700000010.000", 123456 }, { "1700000000.123", 10000456 },
		{ "1700000009.123456", 1000000 }, { "1700000010123", 456 }, { "1700000010123456", 0 },
		{ "t=1700000010123455", 1 }, { "t=1700000010.123", 456 },
		{ "1700000010.124", -1 }, { "1700000010123457", -1 }, { "9999999999.999", -1 }, /* in the future */
		{ "1699996410.124", 3599999456 }, { "1699996410.123", -1 }, { "0000000000.000", -1 },
		{ "", -1 }, { "t=", -1 }, { "1700000010", -1 }, { "1700000010.", -1 }, { "1700000010.1", -1 },
		{ "1700000010.12x", -1 }, { "-1700000010.123", -1 }, { " 1700000010.123", -1 }, { "1700000010,123", -1 },
		{ "170000001.0123", -1 }, { "17000000101234567", -1 }, { "99999999999999999999999.123", -1 },
		{ "s=1700000010123455", -1 }, { "tt=1700000010.12", -1 }, { "1700000010..123", -1 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++)
		if (request_waited_us(str_of(cases[i].start), now) != cases[i].waited_us)
			fail_msg("%s gives %lld", cases[i].start,
			    (long long)request_waited_us(str_of(cases[i].start), now));
}

static void
preferences_are_read_as_rfc_7240_has_them(void **state UNUSED)
{
	static const struct {
		const char *header;
		unsigned    set;
	} cases[] = {
		{ "handling=strict", PREFER_STRICT },
		{ "return=each", PREFER_EACH },
		{ "return=each, handling=strict", PREFER_STRICT | PREFER_EACH },
		{ " Handling = \"strict\" ; x=\"a;b\" ,respond-async", PREFER_STRICT },
		{ ", ,handling=strict,", PREFER_STRICT },
		/* Of two the first counts. */
		{ "handling=lenient, handling=strict", 0 },
		{ "handling=strict, handling=lenient", PREFER_STRICT },
		{ "handling", 0 }, { "handling=", 0 }, { "handling=STRICT", 0 }, { "strict", 0 }, { "", 0 }, { "=", 0 },
		{ "return=minimal", 0 }, { "return=representation", 0 }, { "handling=strictly", 0 },
		/* What is in quotation marks is a value. */
		{ "foo=\"a, handling=strict\"", 0 }, { "foo=\"\\\", handling=strict", 0 }, { "foo=\"\\", 0 },
		{ "wait=10; handling=strict", 0 },
	};
	static const char *const texts[] = { "", "handling=strict", "return=each", "handling=strict, return=each" };
	char room[PREFER_TEXT_BYTES];

	for (size_t i = 0; i < COUNTOF(cases); i++)
		if (prefer_parse(str_of(cases[i].header)) != cases[i].set)
			fail_msg("%s", cases[i].header);
	for (unsigned set = 0; set < COUNTOF(texts); set++) {
		assert_true(str_is(prefer_text(set, room), texts[set]));
		assert_int_equal(prefer_parse(prefer_text(set, room)), set);
	}
	assert_int_equal(prefer_parse(STR_NONE), 0);
}

static void
entity_tags_are_read_as_rfc_9110_has_them(void **state UNUSED)
{
	static const struct {
		const char     *header;
		enum etags_kind kind;
		size_t          count;
		const char     *last;
	} cases[] = {
		{ NULL, ETAGS_NONE, 0, NULL },
		{ "*", ETAGS_ANY, 0, NULL },
		{ " * ", ETAGS_ANY, 0, NULL },
		{ "\"a\"", ETAGS_LIST, 1, "a" },
		{ "W/\"a\"", ETAGS_LIST, 1, "a" },
		{ "\"\"", ETAGS_LIST, 1, "" },
		{ "\"a\",\"b,c\"", ETAGS_LIST, 2, "b,c" },
		{ " , \"a\" ,\t, W/\"b\" , ", ETAGS_LIST, 2, "b" },
		{ "\"\x80\xFF!\"", ETAGS_LIST, 1, "\x80\xFF!" },
		{ "\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\",\"15\",\"16\"", ETAGS_LIST, 16, "16" },
		{ "\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\",\"15\",\"16\",\"17\"", ETAGS_WRONG, 0, NULL },
		{ "", ETAGS_WRONG, 0, NULL },
		{ ",", ETAGS_WRONG, 0, NULL },
		{ "a", ETAGS_WRONG, 0, NULL },
		{ "\"", ETAGS_WRONG, 0, NULL },
		{ "\"a", ETAGS_WRONG, 0, NULL },
		{ "\"a\" \"b\"", ETAGS_WRONG, 0, NULL },
		{ "\"a\"b", ETAGS_WRONG, 0, NULL },
		{ "\"a b\"", ETAGS_WRONG, 0, NULL },
		{ "\"a\x7F\"", ETAGS_WRONG, 0, NULL },
		{ "w/\"a\"", ETAGS_WRONG, 0, NULL },
		{ "W/", ETAGS_WRONG, 0, NULL },
		{ "\"a\", *", ETAGS_WRONG, 0, NULL },
	};
	struct etags e;

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		etags_parse(str_of(cases[i].header), &e);
		if (e.kind != cases[i].kind)
			fail_msg("%s", cases[i].header);
		if (e.kind == ETAGS_LIST) {
			assert_int_equal(e.count, cases[i].count);
			assert_true(str_is(e.tag[e.count - 1], cases[i].last));
		}
	}
}

static void
an_entity_tag_is_known_whatever_a_compressing_server_added(void **state UNUSED)
{
	static const struct {
		const char *header;
		bool        known;
	} cases[] = {
		{ "*", true },
		{ "\"a.1.b\"", true },
		{ "\"x\", W/\"a.1.b\"", true },
		{ "\"a.1.b-gzip\"", true },
		{ "\"a.1.b.c\"", false },
		{ "\"a.1\"", false },
		{ "\"a.1.c\"", false },
	};
	struct etags e;

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		etags_parse(str_of(cases[i].header), &e);
		if (etags_have(&e, STR("\"a.1.b\"")) != cases[i].known)
			fail_msg("%s", cases[i].header);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_split_before_they_are_decoded_once),
		cmocka_unit_test(segments_beyond_those_that_are_kept_are_only_counted),
		cmocka_unit_test(the_part_that_is_refused_is_named),
		cmocka_unit_test(bad_paths_and_queries_are_refused),
		cmocka_unit_test(the_rest_of_a_path_has_its_slashes),
		cmocka_unit_test(a_bearer_token_is_what_stands_behind_its_scheme),
		cmocka_unit_test(query_parameters_are_found_and_counted),
		cmocka_unit_test(versions_resolve_to_the_newest_not_after_the_date),
		cmocka_unit_test(versions_stand_in_the_order_of_their_dates),
		cmocka_unit_test(methods_are_told_by_their_exact_name),
		cmocka_unit_test(responses_forget_everything_at_a_reset),
		cmocka_unit_test(traces_are_read_as_the_standard_has_them),
		cmocka_unit_test(traces_go_on_with_a_span_of_their_own),
		cmocka_unit_test(waiting_is_told_by_the_front_server),
		cmocka_unit_test(preferences_are_read_as_rfc_7240_has_them),
		cmocka_unit_test(entity_tags_are_read_as_rfc_9110_has_them),
		cmocka_unit_test(an_entity_tag_is_known_whatever_a_compressing_server_added),
	};
	int failed;

	arena_init(&arena);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&arena);
	return failed;
}
