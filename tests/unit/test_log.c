/* base/log, base/sink, worker/reqlog: what a line looks like, whatever is put into it. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/sink.h"
#include "shm/stats.h"
#include "base/utf8.h"
#include "json/jread.h"
#include "worker/reqlog.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char         folder[] = "/tmp/clientele-log.XXXXXX";
static char         path[64];
static char         text[1 << 16];
static struct arena arena;

static void
use(enum log_format format)
{
	struct buf err;

	buf_init(&err, 500);
	unlink(path);
	if (!log_open(path, format, &err))
		fail_msg("%.*s", STR_ARGS(buf_view(&err)));
	buf_fini(&err);
	log_init("worker 3", LOG_LEVEL_INFO);
	clock_freeze(INT64_C(1785501296789));
}

/* What was written since use(). */
static const char *
written(void)
{
	FILE  *f = fopen(path, "re");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	assert_int_equal(strlen(text), n);
	return text;
}

/* One line, of characters that move no cursor and end no line for anybody. */
static struct str
one_line(void)
{
	struct str line = str_of(written());

	assert_true(line.len > 1 && line.ptr[line.len - 1] == '\n');
	line.len--;
	assert_true(line.len < SINK_LINE_MAX_BYTES);
	assert_true(utf8_valid(line));
	for (size_t i = 0; i < line.len; i++) {
		const unsigned char *p = (const unsigned char *)line.ptr + i;

		assert_true(p[0] >= ' ' && p[0] != 0x7f);
		assert_false(p[0] == 0xc2 && p[1] < 0xa0);
		assert_false(p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9));
	}
	return line;
}

static void
check_text(const char *expected)
{
	char head[100];

	snprintf(head, sizeof(head), "2026-07-31T12:34:56.789Z info  worker 3[%d]: ", (int)getpid());
	assert_memory_equal(written(), head, strlen(head));
	assert_string_equal(text + strlen(head), expected);
}

/* A member of the line, which a strict reader must accept. */
static struct str
member(struct str json, const char *name)
{
	static const struct jlimits limits = { 2, 100 };
	struct jdoc                 doc;
	struct jread_error          why;
	const struct jnode         *found;

	if (!jread_parse(&arena, json, &limits, &doc, &why))
		fail_msg("%s at %zu: %.*s", why.what, why.offset, STR_ARGS(json));
	assert_int_equal(doc.nodes[0].type, JTYPE_OBJECT);
	found = jread_member(&doc, doc.nodes, str_of(name));
	if (!found)
		fail_msg("no %s: %.*s", name, STR_ARGS(json));
	return found->type == JTYPE_STRING ? jread_string(&arena, &doc, found) : jread_raw(&doc, found);
}

static void
check_member(struct str json, const char *name, const char *expected)
{
	struct str value = member(json, name);

	if (!str_is(value, expected))
		fail_msg("%s is %.*s", name, STR_ARGS(value));
}

#define FIELDS(...) (const struct log_field[]) { __VA_ARGS__ }, COUNTOF(((const struct log_field[]) { __VA_ARGS__ }))

static void
text_lines_have_time_level_and_process(void **state UNUSED)
{
	use(LOG_FORMAT_TEXT);
	log_info("ready: %d workers", 4);
	check_text("ready: 4 workers\n");
}

static void
json_lines_have_stable_members(void **state UNUSED)
{
	struct str line;

	use(LOG_FORMAT_JSON);
	log_warn("a \"quoted\" %s\\", "word");
	line = one_line();
	check_member(line, "time", "2026-07-31T12:34:56.789Z");
	check_member(line, "level", "warn");
	check_member(line, "process", "worker 3");
	check_member(line, "message", "a \"quoted\" word\\");
}

static void
levels_above_the_configured_one_are_left_out(void **state UNUSED)
{
	use(LOG_FORMAT_TEXT);
	log_init("worker 3", LOG_LEVEL_WARN);
	assert_true(log_wants(LOG_LEVEL_ERROR) && log_wants(LOG_LEVEL_WARN) && !log_wants(LOG_LEVEL_INFO));
	log_info("silent");
	log_event(LOG_LEVEL_INFO, "silent", FIELDS({ "a", LOG_NUMBER, .number = 1 }));
	assert_string_equal(written(), "");
}

static void
fields_are_quoted_where_they_need_it(void **state UNUSED)
{
	static const struct {
		const char *value, *expected;
	} cases[] = {
		{ "plain", "plain" }, { "customers/{id}", "customers/{id}" }, { "", "\"\"" }, { "a b", "\"a b\"" },
		{ "a=b", "\"a=b\"" }, { "a\"b", "\"a\\\"b\"" }, { "a\\", "\"a\\\\\"" }, { "\n", "\"\\u000a\"" },
		{ "\x7f", "\"\\u007f\"" }, { "\xc2\x9b", "\"\\u009b\"" }, { "\xe2\x80\xa8", "\"\\u2028\"" },
		{ "\xe2\x80\xa9", "\"\\u2029\"" }, { "\xff", "\"\xef\xbf\xbd\"" }, { "\xc3\xa9", "\"\xc3\xa9\"" },
		{ "\xe2\x80\xa6", "\"\xe2\x80\xa6\"" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		char expected[64];

		use(LOG_FORMAT_TEXT);
		log_event(LOG_LEVEL_INFO, "event", FIELDS({ "k", LOG_TEXT, .text = str_of(cases[i].value) }));
		snprintf(expected, sizeof(expected), "event k=%s\n", cases[i].expected);
		check_text(expected);
	}
}

static void
fields_have_types(void **state UNUSED)
{
	static const struct log_field fields[] = {
		{ "least", LOG_NUMBER, .number = INT64_MIN + 1 },
		{ "most", LOG_NUMBER, .number = INT64_MAX },
		{ "none", LOG_NUMBER, .number = 0 },
		{ "ms", LOG_MS, .number = 1234567 },
		{ "short_ms", LOG_MS, .number = 7 },
		{ "yes", LOG_BOOL, .number = 1 },
		{ "no", LOG_BOOL, .number = 0 },
		{ "unknown", LOG_MS, .number = LOG_ABSENT },
		{ "absent", LOG_TEXT },
	};
	static const char *const expected[] = { "-9223372036854775807", "9223372036854775807", "0", "1234.567", "0.007",
		"true", "false", "null", "null" };
	struct str line;

	use(LOG_FORMAT_TEXT);
	log_event(LOG_LEVEL_INFO, "event", fields, COUNTOF(fields));
	check_text("event least=-9223372036854775807 most=9223372036854775807 none=0 ms=1234.567 short_ms=0.007 yes=true\n");
	use(LOG_FORMAT_JSON);
	log_event(LOG_LEVEL_INFO, "event", fields, COUNTOF(fields));
	line = one_line();
	check_member(line, "message", "event");
	for (size_t i = 0; i < COUNTOF(fields); i++)
		check_member(line, fields[i].name, expected[i]);
}

static void
hostile_text_stays_one_line_and_valid_json(void **state UNUSED)
{
	static const char *const texts[] = {
		"\n2026-07-31T12:34:56.789Z error worker 3[1]: forged", "\r\n", "\x1b[2J\x1b[1;31m", "\",\"level\":\"error", "\\",
		"\\\"", "\xc0\xaf", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80", "\xe2\x80", "\xc2\x85", "\xe2\x80\xa8{", "}\n{", "%s%n",
		"\x01\x02\x1f\x7f",
	};

	for (enum log_format format = 0; format < LOG_FORMAT__COUNT; format++)
		for (size_t i = 0; i < COUNTOF(texts); i++) {
			use(format);
			log_info("request %s: done", texts[i]);
			if (format == LOG_FORMAT_JSON)
				check_member(one_line(), "level", "info");
			else
				one_line();
			use(format);
			log_event(LOG_LEVEL_INFO, "event", FIELDS({ "k", LOG_TEXT, .text = str_of(texts[i]) }));
			if (format == LOG_FORMAT_JSON)
				check_member(one_line(), "message", "event");
			else
				one_line();
		}
}

static void
random_bytes_stay_one_line_and_valid_json(void **state UNUSED)
{
	for (int i = 0; i < 2000; i++) {
		unsigned char bytes[64];

		hash_random(bytes, sizeof(bytes));
		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] |= (unsigned char)!bytes[k]; /* this reader refuses NUL, escaped or not */
		bytes[sizeof(bytes) - 1] = '\0';
		use(i % 2);
		log_event(LOG_LEVEL_INFO, "event",
		    FIELDS({ "k", LOG_TEXT, .text = { (char *)bytes, sizeof(bytes) - 1 } }, { "after", LOG_NUMBER, .number = 7 }));
		if (i % 2 == LOG_FORMAT_JSON)
			check_member(one_line(), "after", "7");
		else
			assert_memory_equal(one_line().ptr + one_line().len - 8, " after=7", 8);
		arena_reset(&arena);
	}
}

/* Whatever the length: a field that does not fit is not there, and the line ends as it should. */
static void
long_text_is_cut_and_the_line_stays_whole(void **state UNUSED)
{
	static const char *const fillings[] = { "a", "\"", "\x01", "\xe2\x80\xa8", "\xf0\x9f\x98\x80", "\xff", "\xc3" };
	static char              big[9000];

	for (size_t f = 0; f < COUNTOF(fillings); f++)
		for (size_t len = 900; len < sizeof(big); len += len < 1100 || (len > 2000 && len < 2100) ? 1 : 997)
			for (enum log_format format = 0; format < LOG_FORMAT__COUNT; format++) {
				struct str value = { big, len };
				struct str line;

				for (size_t i = 0; i < len; i++)
					big[i] = fillings[f][i % strlen(fillings[f])];
				use(format);
				log_event(LOG_LEVEL_INFO, "event",
				    FIELDS({ "a", LOG_TEXT, .text = value }, { "b", LOG_TEXT, .text = value },
				        { "c", LOG_TEXT, .text = value }, { "d", LOG_TEXT, .text = value },
				        { "e", LOG_NUMBER, .number = 7 }));
				line = one_line();
				if (format == LOG_FORMAT_JSON)
					check_member(line, len > 1100 ? "e" : "message", len > 1100 ? "7" : "event");
				use(format);
				log_info("%.*s", (int)len, big);
				line = one_line();
				if (format == LOG_FORMAT_JSON)
					member(line, "message");
				if (len > 2100)
					assert_non_null(strstr(written(), "..."));
				arena_reset(&arena);
			}
}

static void
errno_is_kept_when_a_line_is_lost(void **state UNUSED)
{
	struct buf err;

	use(LOG_FORMAT_TEXT);
	buf_init(&err, 500);
	assert_true(log_open("/dev/full", LOG_FORMAT_TEXT, &err));
	buf_fini(&err);
	errno = ENOTTY;
	log_info("lost");
	assert_int_equal(errno, ENOTTY);
	log_event(LOG_LEVEL_INFO, "lost", NULL, 0);
	assert_int_equal(errno, ENOTTY);
}

/* ---- places */

static void
places_are_judged(void **state UNUSED)
{
	char        file[80], below[80], missing[80], long_socket[300] = "syslog:/";
	const struct {
		const char *where;
		bool        good;
	} cases[] = {
		{ "stderr", true }, { "syslog", true }, { "syslog:/run/log", true }, { file, true }, { "/dev/null", true },
		{ "", false }, { "stdout", false }, { "log", false }, { "./log", false }, { "syslog:", false },
		{ "syslog:log", false }, { long_socket, false }, { below, false }, { missing, false },
	};

	snprintf(file, sizeof(file), "%s/new", folder);
	snprintf(below, sizeof(below), "%s/file", path); /* path is a file */
	snprintf(missing, sizeof(missing), "%s/none/log", folder);
	memset(long_socket + 8, 'x', 200);
	use(LOG_FORMAT_TEXT);
	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct buf err;

		buf_init(&err, 500);
		if (log_check(cases[i].where, &err) != cases[i].good || (err.len == 0) != cases[i].good)
			fail_msg("%s: %.*s", cases[i].where, STR_ARGS(buf_view(&err)));
		buf_fini(&err);
	}
	assert_int_equal(access(file, F_OK), -1); /* judging makes no file */
}

static void
a_file_that_cannot_be_opened_changes_nothing(void **state UNUSED)
{
	struct buf err;

	use(LOG_FORMAT_TEXT);
	buf_init(&err, 500);
	assert_false(log_open("/nonexistent/log", LOG_FORMAT_JSON, &err));
	assert_true(err.len > 0);
	buf_fini(&err);
	log_info("still here");
	check_text("still here\n");
}

static void
a_file_is_for_its_owner_and_group(void **state UNUSED)
{
	struct stat st;

	use(LOG_FORMAT_TEXT);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777 & ~0640u, 0);
}

static void
reopen_follows_the_name(void **state UNUSED)
{
	char moved[80];

	use(LOG_FORMAT_TEXT);
	snprintf(moved, sizeof(moved), "%s.1", path);
	log_info("one");
	assert_int_equal(rename(path, moved), 0);
	log_info("two");
	log_reopen(false);
	log_info("three");
	check_text("three\n");
	assert_int_equal(rename(moved, path), 0);
	assert_non_null(strstr(written(), "two"));
}

static void
reopen_keeps_the_old_file_when_there_is_no_new_one(void **state UNUSED)
{
	char moved[80];

	use(LOG_FORMAT_TEXT);
	snprintf(moved, sizeof(moved), "%s.1", path);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(mkdir(path, 0700), 0); /* root could open anything else */
	log_reopen(false);
	log_info("still here");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rename(moved, path), 0);
	assert_non_null(strstr(written(), "keeping the old file"));
	assert_non_null(strstr(written(), "still here"));
}

/* ---- the line of a request */

static void
a_request_has_one_line_with_its_fields(void **state UNUSED)
{
	struct conf    conf = { .request_log = 1, .slow_request_ms = 1000 };
	struct request req = { .method = METHOD_GET };
	struct facts   facts = {
		.request_id = STR("req_1"), .route = 0, .key = STR("ck_live_AbCd"), .error = ERR_NOT_FOUND,
		.queue_us = -1, .db_us = 1500, .db_trips = 1, .statements = { { 3 } }, .replayed = true,
	};
	struct response res;
	struct str      line;

	response_init(&res);
	res.status = 404;
	buf_str(&res.body, STR("{}"));
	use(LOG_FORMAT_TEXT);
	assert_false(reqlog_write(&conf, &req, &res, &facts, 2500));
	check_text("request request_id=req_1 key=ck_live_AbCd organization=org_0000000000000000000000 method=GET "
		   "route=customers status=404 error=not_found bytes=2 total_ms=2.500 db_ms=1.500 db_trips=1 replayed=true\n");

	/* The same for a slow one, with the statements that it ran and the time that it waited. */
	use(LOG_FORMAT_JSON);
	facts.queue_us = 20;
	conf.request_log = 0;
	assert_true(reqlog_write(&conf, &req, &res, &facts, 1000001));
	line = one_line();
	check_member(line, "level", "warn");
	check_member(line, "slow", "true");
	check_member(line, "queue_ms", "0.020");
	assert_non_null(memchr(member(line, "statements").ptr, ',', member(line, "statements").len));
	response_fini(&res);
}

static void
requests_are_silent_when_nobody_asked(void **state UNUSED)
{
	static const struct {
		bool           request_log;
		enum log_level level;
		int64_t        slow_request_ms, total_us;
		bool           slow, line;
	} cases[] = {
		{ true, LOG_LEVEL_INFO, 1000, 1000000, false, true },
		{ true, LOG_LEVEL_INFO, 1000, 1000001, true, true },
		{ true, LOG_LEVEL_WARN, 1000, 1000, false, false },
		{ true, LOG_LEVEL_WARN, 1000, 2000000, true, true },
		{ true, LOG_LEVEL_ERROR, 1000, 2000000, true, false },
		{ false, LOG_LEVEL_DEBUG, 1000, 1000, false, false },
		{ false, LOG_LEVEL_DEBUG, 1000, 2000000, true, true },
		{ false, LOG_LEVEL_DEBUG, 0, 2000000, false, false },
	};
	struct request  req = { .method = METHOD_OTHER };
	struct facts    facts = { .request_id = STR("req_1"), .route = STATS_NO_ROUTE };
	struct response res = { .status = 405 };

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct conf conf = { .request_log = cases[i].request_log, .slow_request_ms = cases[i].slow_request_ms };

		use(LOG_FORMAT_TEXT);
		log_init("worker 3", cases[i].level);
		if (reqlog_write(&conf, &req, &res, &facts, cases[i].total_us) != cases[i].slow || (*written() != '\0') != cases[i].line)
			fail_msg("case %zu: %s", i, text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) { #name, name, NULL, NULL, NULL }
		TEST(text_lines_have_time_level_and_process),
		TEST(json_lines_have_stable_members),
		TEST(levels_above_the_configured_one_are_left_out),
		TEST(fields_are_quoted_where_they_need_it),
		TEST(fields_have_types),
		TEST(hostile_text_stays_one_line_and_valid_json),
		TEST(random_bytes_stay_one_line_and_valid_json),
		TEST(long_text_is_cut_and_the_line_stays_whole),
		TEST(errno_is_kept_when_a_line_is_lost),
		TEST(places_are_judged),
		TEST(a_file_that_cannot_be_opened_changes_nothing),
		TEST(a_file_is_for_its_owner_and_group),
		TEST(reopen_follows_the_name),
		TEST(reopen_keeps_the_old_file_when_there_is_no_new_one),
		TEST(a_request_has_one_line_with_its_fields),
		TEST(requests_are_silent_when_nobody_asked),
	};
	struct buf err;
	int        failed;

	if (!mkdtemp(folder))
		return 99;
	snprintf(path, sizeof(path), "%s/log", folder);
	arena_init(&arena);
	failed = cmocka_run_group_tests_name("log", tests, NULL, NULL);
	arena_fini(&arena);
	clock_freeze(0);
	buf_init(&err, 500);
	if (!log_open("stderr", LOG_FORMAT_TEXT, &err)) /* and so closes the file */
		failed++;
	buf_fini(&err);
	unlink(path);
	rmdir(folder);
	return failed;
}
