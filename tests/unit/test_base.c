/* base/: views, buffers, arena, UTF-8, clock, ids, hashes and the list of failures. */
#include "base/arena.h"
#include "base/backoff.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/sort.h"
#include "base/name.h"
#include "base/network.h"
#include "base/pidfile.h"
#include "base/str.h"
#include "base/utf8.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void
str_numbers_are_digits_within_bounds(void **state UNUSED)
{
	static const struct {
		const char *text;
		bool        ok;
		int64_t     value;
	} cases[] = {
		{ "0", true, 0 }, { "7", true, 7 }, { "007", true, 7 }, { "100", true, 100 },
		{ "", false, 0 }, { "101", false, 0 }, { "-1", false, 0 }, { "+1", false, 0 },
		{ " 1", false, 0 }, { "1 ", false, 0 }, { "1e2", false, 0 }, { "0x1", false, 0 },
		{ "99999999999999999999", false, 0 }, { "9223372036854775808", false, 0 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		int64_t n = -42;

		if (str_to_i64(str_of(cases[i].text), 0, 100, &n) != cases[i].ok)
			fail_msg("\"%s\"", cases[i].text);
		assert_int_equal(n, cases[i].ok ? cases[i].value : -42);
	}
}

static void
str_cut_leaves_the_rest_or_nothing(void **state UNUSED)
{
	struct str s = STR("a//b");

	assert_true(str_is(str_cut(&s, '/'), "a"));
	assert_true(str_is(str_cut(&s, '/'), ""));
	assert_true(str_is(s, "b"));
	assert_true(str_is(str_cut(&s, '/'), "b"));
	assert_null(s.ptr);
	s = STR("a/");
	str_cut(&s, '/');
	assert_non_null(s.ptr); /* empty, but given */
	assert_int_equal(s.len, 0);
}

static void
str_order_is_that_of_bytes(void **state UNUSED)
{
	static const char *const sorted[] = { "", "-", "1", "10", "9", "A", "_", "a", "ab", "z", "\xc3\xa9" };

	for (size_t i = 0; i < COUNTOF(sorted); i++)
		for (size_t k = 0; k < COUNTOF(sorted); k++) {
			int order = str_cmp(str_of(sorted[i]), str_of(sorted[k]));

			assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
		}
}

static void
str_case_is_ascii_only(void **state UNUSED)
{
	assert_true(str_eq_nocase(STR("X-Api-KEY"), STR("x-aPI-key")));
	assert_false(str_eq_nocase(STR("x-api-key"), STR("x-api-keys")));
	assert_false(str_eq_nocase(STR("\xc3\x89"), STR("\xc3\xa9")));
	assert_true(str_is(str_trim(STR(" \t a b\t ")), "a b"));
	assert_int_equal(str_trim(STR("  ")).len, 0);
}

static void
str_knows_the_characters_of_ascii(void **state UNUSED)
{
	static const char hex[] = "0123456789abcdef", upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (int n = 0; n < 256; n++) {
		char        c = (char)n;
		const char *digit = n ? strchr(hex, n >= 'A' && n <= 'F' ? n + 'a' - 'A' : n) : NULL;

		assert_int_equal(str_is_digit(c), n && strchr("0123456789", n));
		assert_int_equal(str_is_upper(c), n && strchr(upper, n));
		assert_int_equal(str_is_alnum(c),
		    n && (strchr("0123456789", n) || strchr(upper, n >= 'a' && n <= 'z' ? n - 'a' + 'A' : n)));
		assert_int_equal(str_hex_digit(c), digit ? digit - hex : -1);
	}
}

static void
str_writes_bytes_as_hex(void **state UNUSED)
{
	static const unsigned char bytes[] = { 0x00, 0x09, 0x9a, 0xaf, 0xf0, 0xff };
	char                       out[] = "---------------";

	assert_ptr_equal(str_put_hex(out + 1, bytes, sizeof(bytes)), out + 1 + 2 * sizeof(bytes));
	assert_string_equal(out, "-00099aaff0ff--");
	assert_ptr_equal(str_put_hex(out, bytes, 0), out);
}

static void
control_characters_are_found_anywhere(void **state UNUSED)
{
	static const struct {
		struct str text;
		bool       has;
	} cases[] = {
		{ STR(""), false }, { STR("plain ~!"), false }, { STR("\xc3\xa4"), false }, { STR("a\n"), true },
		{ STR("\ta"), true }, { STR("a\0b"), true }, { STR("\x7f"), true }, { STR("\x1b[1m"), true },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++)
		assert_int_equal(str_has_control(cases[i].text), cases[i].has);
	for (int c = 0; c < 256; c++) {
		char text[20];

		assert_int_equal(str_is_visible((char)c), c >= 0x21 && c <= 0x7e);
		/* Each byte at each place, among bytes at the edges of what is looked for. */
		for (size_t at = 0; at < sizeof(text); at++) {
			for (size_t i = 0; i < sizeof(text); i++)
				text[i] = " ~\x80\xff"[i % 4];
			text[at] = (char)c;
			assert_int_equal(str_has_control((struct str) { text, sizeof(text) }), c < 0x20 || c == 0x7f);
		}
	}
}

static void
pauses_double_up_to_their_bound(void **state UNUSED)
{
	static const int64_t expected[] = { 100, 200, 400, 800, 1600, 2000, 2000 };
	int64_t              pause = 0;

	for (size_t i = 0; i < COUNTOF(expected); i++)
		assert_int_equal(pause = backoff_after(pause, 2000), expected[i]);
	assert_int_equal(backoff_after(0, 50), 50);
}

static void
ages_are_never_negative(void **state UNUSED)
{
	assert_int_equal(clock_age(3, 10), 7);
	assert_int_equal(clock_age(10, 10), 0);
	assert_int_equal(clock_age(11, 10), 0);
	assert_int_equal(clock_age(INT64_MAX, 10), 0);
	assert_int_equal(clock_age(-1, INT64_MAX), 0);
	assert_int_equal(clock_age(INT64_MIN, 10), 0);
}

static void
buf_stops_at_its_maximum_and_stays_full(void **state UNUSED)
{
	struct buf b;

	buf_init(&b, 10);
	buf_str(&b, STR("12345"));
	buf_fmt(&b, "%d", 678);
	assert_false(b.full);
	buf_str(&b, STR("9ab")); /* one too many: nothing of it is added */
	assert_true(b.full);
	assert_true(str_is(buf_view(&b), "12345678"));
	buf_str(&b, STR("9"));
	assert_true(str_is(buf_view(&b), "12345678"));
	buf_reset(&b, 0);
	assert_false(b.full);
	assert_int_equal(b.cap, 0);
	buf_str(&b, STR("again"));
	assert_true(str_is(buf_view(&b), "again"));
	buf_fini(&b);
}

static void
buf_formats_longer_than_its_scratch(void **state UNUSED)
{
	struct buf b;

	buf_init(&b, 4000);
	buf_fmt(&b, "%01500d", 7);
	assert_int_equal(b.len, 1500);
	assert_int_equal(b.ptr[0], '0');
	assert_int_equal(b.ptr[1499], '7');
	buf_fini(&b);
}

static void
arena_hands_out_zeroed_aligned_memory(void **state UNUSED)
{
	struct arena a;

	arena_init(&a);
	for (int round = 0; round < 3; round++) {
		for (size_t n = 1; n < 2000; n += 37) {
			char     *p = ARENA_NEW(&a, char, n);
			uint64_t *q = ARENA_NEW(&a, uint64_t, n);

			assert_int_equal((uintptr_t)q % _Alignof(uint64_t), 0);
			for (size_t i = 0; i < n; i++)
				assert_true(p[i] == 0 && q[i] == 0);
			memset(p, 0xFF, n);
			memset(q, 0xFF, n * sizeof(*q));
		}
		assert_true(a.bytes > ARENA_KEEP_BYTES);
		arena_reset(&a);
		assert_int_equal(a.bytes, 0);
	}
	assert_true(str_is(arena_fmt(&a, "%s-%d", "x", 5), "x-5"));
	assert_null(arena_str(&a, STR_NONE).ptr);
	arena_fini(&a);
}

static void
utf8_takes_well_formed_text_only(void **state UNUSED)
{
	static const struct {
		const char *text;
		bool        valid;
		size_t      characters;
	} cases[] = {
		{ "", true, 0 }, { "abc", true, 3 }, { "\xc2\x80", true, 1 }, { "\xdf\xbf", true, 1 },
		{ "\xe0\xa0\x80", true, 1 }, { "\xed\x9f\xbf", true, 1 }, { "\xee\x80\x80", true, 1 },
		{ "\xf0\x90\x80\x80", true, 1 }, { "\xf4\x8f\xbf\xbf", true, 1 }, { "\xf0\x9f\x98\x80!", true, 2 },
		{ "e\xcc\x81", true, 2 }, /* e and a combining accent */
		{ "\x80", false, 0 }, { "\xc0\x80", false, 0 }, { "\xc1\xbf", false, 0 },
		{ "\xc2", false, 0 }, { "\xc2\x20", false, 0 }, { "\xe0\x9f\xbf", false, 0 },
		{ "\xed\xa0\x80", false, 0 }, { "\xe2\x82", false, 0 }, { "\xf0\x8f\xbf\xbf", false, 0 },
		{ "\xf4\x90\x80\x80", false, 0 }, { "\xf5\x80\x80\x80", false, 0 }, { "\xff", false, 0 },
		{ "\xf0\x9f\x98", false, 0 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		if (utf8_valid(str_of(cases[i].text)) != cases[i].valid)
			fail_msg("case %zu", i);
		if (!cases[i].valid)
			continue;
		assert_int_equal(utf8_count(str_of(cases[i].text)), cases[i].characters);
		for (size_t max = 0; max < 5; max++) {
			struct str text = str_of(cases[i].text), head = utf8_head(text, max);

			assert_int_equal(utf8_exceeds(text, max), cases[i].characters > max);
			assert_true(head.ptr == text.ptr && head.len <= max && utf8_valid(head));
			assert_true(head.len == text.len || head.len + utf8_char(text.ptr + head.len, text.len - head.len) > max);
		}
	}
	for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) {
		char   text[4];
		size_t n;

		if (cp >= 0xD800 && cp <= 0xDFFF)
			continue;
		n = utf8_put(text, cp);
		if (utf8_char(text, n) != n)
			fail_msg("U+%04X", cp);
		assert_int_equal(utf8_code(text, n), cp);
		assert_false(utf8_is_hidden(cp) && utf8_is_blank(cp));
	}
}

/* F4, B5: an escape sequence, a line feed and a bidi override in a name that a tenant gave. */
static void
hidden_characters_of_others_are_shown(void **state UNUSED)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{ "", "" }, { "Acme & S\xc3\xb6hne", "Acme & S\xc3\xb6hne" }, { "a\\b\"c", "a\\b\"c" },
		{ "\x1b[2J\x1b]0;x\x07\nkey", "\\u001b[2J\\u001b]0;x\\u0007\\u000akey" },
		{ "\x7f\xc2\x9b", "\\u007f\\u009b" }, { "\xc2\xa0", "\xc2\xa0" },
		{ "a\xe2\x80\xae" "b\xe2\x81\xa6", "a\\u202eb\\u2066" },
		{ "\xe2\x80\x8b\xe2\x80\xa8\xef\xbb\xbf", "\\u200b\\u2028\\ufeff" },
		{ "\xf3\xa0\x80\x81", "\\udb40\\udc01" }, { "\xd8\x80", "\xd8\x80" }, /* Arabic number sign */
		{ "\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd" }, { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct buf out;

		buf_init(&out, 256);
		buf_shown(&out, str_of(cases[i].text));
		if (!str_is(buf_view(&out), cases[i].shown))
			fail_msg("case %zu: %.*s", i, STR_ARGS(buf_view(&out)));
		buf_fini(&out);
	}
}

/* F16, D9, B5 */
static void
names_are_judged(void **state UNUSED)
{
	static const struct {
		const char *name, *fault;
	} cases[] = {
		{ "a", NULL }, { "S\xc3\xb6hne (1)", NULL }, { " a ", NULL }, { "123456789\xc3\xa9", NULL },
		{ "\xf0\x9f\x98\x80", NULL }, { "\xe4\xb8\xad\xe6\x96\x87", NULL },
		{ "", "must not be empty" }, { " ", "must not be blank" },
		{ "\xc2\xa0\xe3\x80\x80 \xe3\x85\xa4", "must not be blank" },
		{ "12345678901", "must have at most 10 characters" },
		{ "a\nb", "must not contain the invisible character U+000A" },
		{ "\x1b[2J", "must not contain the invisible character U+001B" },
		{ "a\xc2\x85", "must not contain the invisible character U+0085" },
		{ "a\xe2\x80\x8b", "must not contain the invisible character U+200B" },
		{ "\xe2\x80\xae" "a", "must not contain the invisible character U+202E" },
		{ "a\xf3\xa0\x81\x81", "must not contain the invisible character U+E0041" },
		{ "\xff", "must be UTF-8" }, { "a\xc3", "must be UTF-8" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		char        words[NAME_FAULT_BYTES];
		const char *fault = name_fault(str_of(cases[i].name), 10, words);

		if (!fault != !cases[i].fault || (fault && strcmp(fault, cases[i].fault) != 0))
			fail_msg("case %zu: %s", i, fault);
	}
}

static void
texts_that_are_compared_have_nothing_unseen(void **state UNUSED)
{
	static const struct {
		const char *text, *fault;
	} cases[] = {
		{ "", NULL }, { " a b ", NULL }, { "ann@example.com", NULL }, { "\xc3\xa4\xe6\x97\xa5\xf0\x9f\x98\x80", NULL },
		{ "e\xcc\x81", NULL }, { "\xef\xbf\xbe", NULL },
		{ "a\t", "must not contain the invisible character U+0009" },
		{ "a\x7f", "must not contain the invisible character U+007F" },
		{ "ann\xc2\xa0@example.com", "must not contain the blank U+00A0" },
		{ "\xef\xbb\xbf" "ann@example.com", "must not contain the invisible character U+FEFF" },
		{ "ann\xe2\x80\x8b@example.com", "must not contain the invisible character U+200B" },
		{ "ann@example.com\xe2\x80\x8e", "must not contain the invisible character U+200E" },
		{ "\xe3\x80\x80\xe2\x80\x8b", "must not contain the blank U+3000" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		char        words[NAME_FAULT_BYTES];
		const char *fault = name_unseen(str_of(cases[i].text), words);

		if (!fault != !cases[i].fault || (fault && strcmp(fault, cases[i].fault) != 0))
			fail_msg("case %zu: %s", i, fault);
	}
}

static void
clock_iso_writes_the_calendar(void **state UNUSED)
{
	static const struct {
		int64_t     ms;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ 951782400000, "2000-02-29T00:00:00.000Z" },
		{ 951868800000, "2000-03-01T00:00:00.000Z" },
		{ 1785540896789, "2026-07-31T23:34:56.789Z" },
		{ 4107542399999, "2100-02-28T23:59:59.999Z" },
		{ 4107542400000, "2100-03-01T00:00:00.000Z" },
	};
	char text[CLOCK_ISO_BYTES + 1];

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		clock_iso(cases[i].ms, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void
ids_are_ordered_by_time_and_survive_their_text(void **state UNUSED)
{
	struct id last = id_new();

	for (int i = 0; i < 20000; i++) {
		struct id id = id_new(), back;
		char      text[ID_TEXT_BYTES], before[ID_TEXT_BYTES], uuid[ID_UUID_BYTES];

		assert_true(memcmp(last.b, id.b, ID_BYTES) < 0);
		id_text(&last, before);
		id_text(&id, text);
		assert_true(memcmp(before, text, ID_TEXT_BYTES) < 0);
		assert_true(id_parse(STR(""), (struct str) { text, ID_TEXT_BYTES }, &back));
		assert_true(id_eq(&id, &back));
		id_uuid(&id, uuid);
		assert_int_equal(uuid[14], '7');
		assert_true(id_parse_uuid((struct str) { uuid, ID_UUID_BYTES }, &back));
		assert_true(id_eq(&id, &back));
		last = id;
	}
}

static void
ids_do_not_go_back_with_the_clock(void **state UNUSED)
{
	struct id before, after;

	clock_freeze(clock_wall_ms());
	before = id_new();
	clock_freeze(clock_wall_ms() - 60000);
	after = id_new();
	clock_freeze(0);
	assert_true(memcmp(before.b, after.b, ID_BYTES) < 0);
}

static void
a_jump_of_the_clock_is_found_once(void **state UNUSED)
{
	/* Where the clock stands, and by how much it is found to have jumped; a test takes no half second. */
	static const struct {
		int64_t by_ms, most, least;
	} looks[] = {
		{ 0, 0, 0 },
		{ 7200000, 7200000, 7199000 },
		{ 7200000, 0, 0 },
		{ 7200400, 0, 0 },
		{ 0, -7200000, -7201400 },
		{ 0, 0, 0 },
		{ -3000, -3000, -4000 },
	};
	int64_t jump_ms[COUNTOF(looks)], begun_ms;

	/* Again, if this process was stopped meanwhile. */
	do {
		struct clock_watch watch = { 0, false };
		int64_t            now_ms = clock_wall_ms();

		begun_ms = clock_mono_ms();
		for (size_t i = 0; i < COUNTOF(looks); i++) {
			clock_freeze(now_ms + looks[i].by_ms);
			jump_ms[i] = clock_jumped(&watch);
		}
		clock_freeze(0);
	} while (clock_mono_ms() - begun_ms > 400);
	for (size_t i = 0; i < COUNTOF(looks); i++)
		if (jump_ms[i] > looks[i].most || jump_ms[i] < looks[i].least)
			fail_msg("look %zu: %lld ms", i, (long long)jump_ms[i]);
}

/* The random half of a new child's next id. */
static uint64_t
random_half_in_a_child(void)
{
	int      ends[2], status;
	uint64_t half = 0;
	pid_t    pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		struct id id = id_new();

		_exit(write(ends[1], id.b + 8, sizeof(half)) == sizeof(half) ? 0 : 1);
	}
	assert_int_equal(read(ends[0], &half, sizeof(half)), sizeof(half));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(ends[0]);
	close(ends[1]);
	return half;
}

static void
ids_of_processes_differ(void **state UNUSED)
{
	uint64_t  before = random_half_in_a_child(), mine;
	struct id id = id_new(); /* from here on this process has random bits in store */

	memcpy(&mine, id.b + 8, sizeof(mine));
	assert_int_not_equal(before, mine);
	assert_int_not_equal(random_half_in_a_child(), random_half_in_a_child());
}

static void
ids_have_one_spelling(void **state UNUSED)
{
	static const char *const bad[] = {
		"", "cus_", "cus_0351E9f7Ltsm4iqbDoRlk", "cus_0351E9f7Ltsm4iqbDoRlkgg", "cus_0351E9f7Ltsm4iqbDoRl-g",
		"CUS_0351E9f7Ltsm4iqbDoRlkg", "cur_0351E9f7Ltsm4iqbDoRlkg",
		"cus_zzzzzzzzzzzzzzzzzzzzzz", /* above 2^128 */
		"cus_7n42DGM5Tflk9n8mt7Fhc8", /* 2^128 itself */
	};
	static const char *const bad_uuids[] = {
		"", "0191f7a0-0000-7000-8000-00000000000", "{191f7a0-0000-7000-8000-000000000000",
		"0191f7a000007000800000000000000000000", "0191f7a0-0000-7000-8000-00000000000g",
	};
	struct id id, untouched;

	memset(&untouched, 0x5A, sizeof(untouched));
	id = untouched;
	for (size_t i = 0; i < COUNTOF(bad); i++)
		if (id_parse(STR("cus_"), str_of(bad[i]), &id))
			fail_msg("%s", bad[i]);
	for (size_t i = 0; i < COUNTOF(bad_uuids); i++)
		if (id_parse_uuid(str_of(bad_uuids[i]), &id))
			fail_msg("%s", bad_uuids[i]);
	assert_true(id_eq(&id, &untouched));
	assert_true(id_parse(STR("cus_"), STR("cus_7n42DGM5Tflk9n8mt7Fhc7"), &id)); /* 2^128 - 1 */
	for (int i = 0; i < ID_BYTES; i++)
		assert_int_equal(id.b[i], 0xFF);
	assert_true(id_parse_uuid(STR("0191F7A0-0000-7000-8000-00000000000a"), &id));
}

/* A process that has the file until its standard input, here ends[0], is closed. */
static pid_t
hold(const char *path, int *until)
{
	int            ends[2], ready[2];
	char           c;
	struct pidfile p;
	struct buf     err;
	pid_t          pid;

	assert_int_equal(pipe(ends) + pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		close(ends[1]);
		close(ready[0]);
		buf_init(&err, 256);
		if (!pidfile_take(&p, path, &err))
			_exit(1);
		/* A child of its own does not hold the file when it is gone. */
		if (fork() == 0)
			_exit(read(ends[0], &c, 1) == 1);
		_exit(write(ready[1], "r", 1) != 1 || read(ends[0], &c, 1) != 1);
	}
	close(ends[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	*until = ends[1];
	return pid;
}

/* F9: two configurations with one pidfile. */
static void
a_pidfile_is_not_taken_from_a_living_process(void **state UNUSED)
{
	char           folder[] = "/tmp/pidfile.XXXXXX", path[64], other[64], wanted[128];
	struct pidfile p, none;
	struct buf     err;
	struct stat    st;
	int            until, status;
	pid_t          pid;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/pid", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	buf_init(&err, 256);
	assert_true(pidfile_take(&none, "", &err));
	assert_true(pidfile_release(&none));
	pid = hold(path, &until);
	assert_false(pidfile_take(&p, path, &err));
	snprintf(wanted, sizeof(wanted), "pidfile: %s belongs to the process %d, which is running",
	    path, (int)pid);
	assert_true(str_is(buf_view(&err), wanted));
	assert_int_equal(stat(path, &st), 0);
	/* It is killed, and its child lives on: what it left behind is free. */
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_true(pidfile_take(&p, path, &err));
	/* Only one's own is removed. */
	assert_int_equal(rename(path, other), 0);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	assert_true(pidfile_release(&p));
	assert_int_equal(stat(path, &st), 0);
	assert_true(pidfile_take(&p, path, &err));
	assert_true(pidfile_release(&p));
	assert_int_equal(stat(path, &st), -1);
	close(until);
	buf_reset(&err, 0);
	assert_false(pidfile_take(&p, "/nonexistent/pid", &err));
	assert_true(str_is(buf_view(&err), "pidfile: /nonexistent/pid: No such file or directory"));
	assert_int_equal(unlink(other) + rmdir(folder), 0);
	buf_fini(&err);
}

static void
hash_parts_are_told_apart(void **state UNUSED)
{
	static const unsigned char abc[4] = { 0xba, 0x78, 0x16, 0xbf };
	const struct str one[] = { STR("ab"), STR("c") }, two[] = { STR("a"), STR("bc") };
	unsigned char    a[SHA256_BYTES], b[SHA256_BYTES];

	hash_sha256(STR("abc"), a);
	assert_memory_equal(a, abc, sizeof(abc));
	hash_sha256_parts(one, 2, a);
	hash_sha256_parts(two, 2, b);
	assert_false(hash_equal(a, b, SHA256_BYTES));
	hash_sha256_parts(one, 2, b);
	assert_true(hash_equal(a, b, SHA256_BYTES));
}

static void
crc_is_that_of_zlib(void **state UNUSED)
{
	assert_int_equal(hash_crc32(STR("")), 0);
	assert_int_equal(hash_crc32(STR("123456789")), 0xCBF43926);
}

static void
numbers_have_the_digits_of_ids(void **state UNUSED)
{
	static const struct {
		uint64_t    n;
		const char *text;
	} cases[] = { { 0, "000000" }, { 61, "00000z" }, { 62, "000010" }, { 0xFFFFFFFF, "4gfFC3" }, { UINT64_MAX, "16AHYF" } };
	char text[6];

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		id_number_text(cases[i].n, sizeof(text), text);
		assert_memory_equal(text, cases[i].text, sizeof(text));
	}
}

static void
networks_are_compared_and_shown(void **state UNUSED)
{
	static const struct {
		const char *text, *shown; /* NULL: it is none */
		bool        rest;
	} cases[] = {
		{ "203.0.113.0/24", "203.0.113.0/24", false },
		{ "203.0.113.7/24", "203.0.113.0/24", true },
		{ "203.0.113.7", "203.0.113.7/32", false },
		{ "0.0.0.0/0", "0.0.0.0/0", false },
		{ "128.0.0.0/1", "128.0.0.0/1", false },
		{ "128.0.0.0/0", "0.0.0.0/0", true },
		{ "::ffff:192.0.2.1", "192.0.2.1/32", false },
		{ "::ffff:0:0/95", "::fffe:0:0/95", true },
		{ "2001:DB8::/32", "2001:db8::/32", false },
		{ "2001:db8::1/127", "2001:db8::/127", true },
		{ "::/0", "::/0", false },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", false },
		{ "", NULL, false },
		{ "/", NULL, false },
		{ "1.2.3.4/33", NULL, false },
		{ "::/129", NULL, false },
		{ "1.2.3.4/x", NULL, false },
		{ "1.2.3", NULL, false },
	};
	static const struct {
		const char *inner, *outer;
		bool        within;
	} pairs[] = {
		{ "10.1.0.0/16", "10.0.0.0/8", true },
		{ "10.0.0.0/8", "10.0.0.0/8", true },
		{ "10.0.0.0/8", "10.1.0.0/16", false },
		{ "11.0.0.0/16", "10.0.0.0/8", false },
		{ "10.0.0.0/8", "::/0", true },
		{ "::/0", "0.0.0.0/0", false },
		{ "2001:db8::1", "2001:db8::/32", true },
	};
	unsigned char  address[NETWORK_ADDRESS_BYTES];
	char           text[NETWORK_TEXT_BYTES];
	struct network a, b;

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		assert_int_equal(network_parse(str_of(cases[i].text), &a), cases[i].shown != NULL);
		if (!cases[i].shown)
			continue;
		assert_string_equal(network_text(&a, text).ptr, cases[i].shown);
		assert_int_equal(network_has_rest(&a), cases[i].rest);
	}
	for (size_t i = 0; i < COUNTOF(pairs); i++) {
		assert_true(network_parse(str_of(pairs[i].inner), &a) && network_parse(str_of(pairs[i].outer), &b));
		assert_int_equal(network_within(&a, &b), pairs[i].within);
	}
	assert_false(network_address(STR_NONE, address) || network_address(STR("1.2.3.4/8"), address));
	assert_true(network_address(STR("::1"), address) && address[15] == 1);
}

static void
random_text_uses_the_whole_alphabet(void **state UNUSED)
{
	char text[48];
	bool seen[128] = { false };
	int  kinds = 0;

	for (int i = 0; i < 200; i++) {
		id_random_text(STR("ck_"), 40, text, sizeof(text));
		assert_int_equal(strlen(text), 43);
		for (const char *p = text + 3; *p; p++)
			seen[(unsigned char)*p & 127] = true;
	}
	for (size_t i = 0; i < sizeof(seen); i++)
		kinds += seen[i];
	assert_int_equal(kinds, 62);
}

static void
errors_have_a_code_of_their_own(void **state UNUSED)
{
	for (enum err e = ERR_OK + 1; e < ERR__COUNT; e++) {
		const struct err_info *info = err_info(e);

		assert_in_range(info->status, 400, 599);
		assert_int_equal(err_find(str_of(info->code), ERR_OK), e);
	}
	assert_int_equal(err_find(STR("ok"), ERR_CONFLICT), ERR_CONFLICT);
	assert_int_equal(err_find(STR("nonsense"), ERR_CONFLICT), ERR_CONFLICT);
}

struct card {
	int key, place;
};

static int
by_card_key(const void *a, const void *b)
{
	return ((const struct card *)a)->key - ((const struct card *)b)->key;
}

static void
sort_is_stable_for_any_number_of_elements(void **state UNUSED)
{
	static struct card cards[1000], spare[1000];
	unsigned           seed = 1;

	for (size_t count = 0; count <= COUNTOF(cards); count += count < 70 ? 1 : 93) {
		for (size_t i = 0; i < count; i++) {
			seed = seed * 1103515245 + 12345;
			cards[i] = (struct card) { (int)(seed >> 16) % 50, (int)i };
		}
		sort(cards, count, sizeof(*cards), by_card_key, spare);
		for (size_t i = 1; i < count; i++)
			if (cards[i - 1].key > cards[i].key
			    || (cards[i - 1].key == cards[i].key && cards[i - 1].place >= cards[i].place))
				fail_msg("%zu elements: %zu is out of order", count, i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(str_numbers_are_digits_within_bounds),
		cmocka_unit_test(str_cut_leaves_the_rest_or_nothing),
		cmocka_unit_test(str_order_is_that_of_bytes),
		cmocka_unit_test(str_case_is_ascii_only),
		cmocka_unit_test(str_knows_the_characters_of_ascii),
		cmocka_unit_test(str_writes_bytes_as_hex),
		cmocka_unit_test(control_characters_are_found_anywhere),
		cmocka_unit_test(pauses_double_up_to_their_bound),
		cmocka_unit_test(ages_are_never_negative),
		cmocka_unit_test(buf_stops_at_its_maximum_and_stays_full),
		cmocka_unit_test(buf_formats_longer_than_its_scratch),
		cmocka_unit_test(arena_hands_out_zeroed_aligned_memory),
		cmocka_unit_test(utf8_takes_well_formed_text_only),
		cmocka_unit_test(hidden_characters_of_others_are_shown),
		cmocka_unit_test(names_are_judged),
		cmocka_unit_test(texts_that_are_compared_have_nothing_unseen),
		cmocka_unit_test(clock_iso_writes_the_calendar),
		cmocka_unit_test(ids_are_ordered_by_time_and_survive_their_text),
		cmocka_unit_test(ids_do_not_go_back_with_the_clock),
		cmocka_unit_test(a_jump_of_the_clock_is_found_once),
		cmocka_unit_test(ids_of_processes_differ),
		cmocka_unit_test(ids_have_one_spelling),
		cmocka_unit_test(a_pidfile_is_not_taken_from_a_living_process),
		cmocka_unit_test(hash_parts_are_told_apart),
		cmocka_unit_test(crc_is_that_of_zlib),
		cmocka_unit_test(numbers_have_the_digits_of_ids),
		cmocka_unit_test(networks_are_compared_and_shown),
		cmocka_unit_test(random_text_uses_the_whole_alphabet),
		cmocka_unit_test(errors_have_a_code_of_their_own),
		cmocka_unit_test(sort_is_stable_for_any_number_of_elements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
