/* Replies: each function writes JSON that the strict reader takes, and means what was put in. */
#include "base/arena.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "json/jread.h"
#include "json/jwrite.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#define OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OWN_MALLOC 0
#endif
#endif
#if !defined(OWN_MALLOC) && defined(__GLIBC__)
#define OWN_MALLOC 1
#endif

#if OWN_MALLOC
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static long until_failure = -1; /* allocations that still succeed; negative: all */

static bool
out_of_luck(void)
{
	if (until_failure < 0 || until_failure-- > 0)
		return false;
	until_failure = -1;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return out_of_luck() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return out_of_luck() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
	return out_of_luck() ? NULL : __libc_realloc(old, size);
}
#endif

static struct arena arena;
static struct buf   out;

static int
set_up(void **state UNUSED)
{
	arena_init(&arena);
	buf_init(&out, RESPONSE_MAX_BYTES);
	return 0;
}

static int
tear_down(void **state UNUSED)
{
	buf_fini(&out);
	arena_fini(&arena);
	return 0;
}

static struct jdoc
parse(struct str text)
{
	static const struct jlimits usual = { JSON_DEPTH_MAX, JSON_VALUES_MAX };
	struct jdoc                 doc = { 0 };
	struct jread_error          why = { 0 };

	if (!jread_parse(&arena, text, &usual, &doc, &why))
		fail_msg("'%.*s' refused at %zu: %s", STR_ARGS(text), why.offset, why.what);
	return doc;
}

/* Frees a value and returns its text, which the strict reader has accepted. */
static struct str
text_of(struct json_object *value)
{
	buf_reset(&out, 0);
	jwrite_text(value, &out);
	jwrite_free(value);
	assert_false(out.full);
	parse(buf_view(&out));
	return arena_str(&arena, buf_view(&out));
}

#define assert_text(value, lit) assert_string_equal(text_of(value).ptr, lit)

static void
writes_scalars(void **state UNUSED)
{
	assert_text(NULL, "null");
	assert_text(jwrite_bool(true), "true");
	assert_text(jwrite_bool(false), "false");
	assert_text(jwrite_int(0), "0");
	assert_text(jwrite_int(-42), "-42");
	assert_text(jwrite_int(INT64_MAX), "9223372036854775807");
	assert_text(jwrite_int(INT64_MIN), "-9223372036854775808");
	assert_text(jwrite_str(STR("")), "\"\"");
	assert_text(jwrite_str(STR("a/b <c> 'd'")), "\"a/b <c> 'd'\"");
	assert_text(jwrite_str(STR_NONE), "null");
	assert_text(jwrite_raw(STR("{ \"a\":1.10 }")), "{ \"a\":1.10 }");
	assert_text(jwrite_raw(STR_NONE), "null");
}

static void
writes_objects_and_arrays(void **state UNUSED)
{
	struct json_object *object = jwrite_object();
	struct json_object *array = jwrite_array();

	assert_text(jwrite_object(), "{}");
	assert_text(jwrite_array(), "[]");
	jwrite_push(array, jwrite_int(1));
	jwrite_push(array, NULL);
	jwrite_push(array, jwrite_array());
	jwrite_put(object, "z", jwrite_bool(true));
	jwrite_put(object, "a", NULL);
	jwrite_put(object, "list", array);
	jwrite_put(object, "metadata", jwrite_raw(STR("{\"a\":1e2}")));
	/* In the order in which they were put. */
	assert_text(object,
	    "{\"z\":true,\"a\":null,\"list\":[1,null,[]],\"metadata\":{\"a\":1e2}}");
}

static void
copies_strings(void **state UNUSED)
{
	char                bytes[] = "before";
	struct json_object *value = jwrite_str(str_of(bytes));

	memcpy(bytes, "after ", 6);
	assert_text(value, "\"before\"");
}

static void
takes_many_members(void **state UNUSED)
{
	struct json_object *object = jwrite_object();
	struct jdoc         doc;

	for (int i = 0; i < 1000; i++)
		jwrite_put(object, arena_fmt(&arena, "m%d", i).ptr, jwrite_int(i));
	doc = parse(text_of(object));
	assert_int_equal(doc.nodes[0].size, 1000);
	assert_true(str_is(jread_raw(&doc, jread_member(&doc, doc.nodes, STR("m999"))), "999"));
}

static void
puts_raw_text_in_untouched(void **state UNUSED)
{
	char                raw[] = "{\"big\":1E400,\"esc\":\"\\u00e9\\/\", \"n\":-0}";
	struct json_object *array = jwrite_array();
	struct str          text;

	jwrite_push(array, jwrite_raw((struct str) { raw, sizeof(raw) - 1 }));
	jwrite_push(array, jwrite_raw((struct str) { raw + 1, 5 }));
	text = text_of(array);
	assert_true(str_is(text, "[{\"big\":1E400,\"esc\":\"\\u00e9\\/\", \"n\":-0},\"big\"]"));
	assert_int_equal(raw[0], '{');
}

struct card {
	struct str name;
	struct str metadata;
	bool       active;
};

static void
write_card(struct printbuf *to, const void *what)
{
	const struct card *c = what;

	jout_open(to);
	jout_key(to, JOUT_KEY("name"));
	jout_str(to, c->name);
	jout_key(to, JOUT_KEY("empty"));
	jout_open(to);
	jout_close(to);
	jout_key(to, JOUT_KEY("nested"));
	jout_open(to);
	jout_key(to, JOUT_KEY("active"));
	jout_bool(to, c->active);
	jout_key(to, JOUT_KEY("passive"));
	jout_bool(to, !c->active);
	jout_close(to);
	jout_key(to, JOUT_KEY("metadata"));
	jout_raw(to, c->metadata);
	jout_close(to);
}

static void
lets_a_function_write(void **state UNUSED)
{
	const struct card   full = { STR("brace {"), STR("[{},\"{\"]"), true };
	const struct card   bare = { STR_NONE, STR_NONE, false };
	struct json_object *page = jwrite_object();
	struct json_object *data = jwrite_array();

	assert_text(jwrite_custom(write_card, &bare),
	    "{\"name\":null,\"empty\":{},\"nested\":{\"active\":false,\"passive\":true},"
	    "\"metadata\":null}");
	jwrite_push(data, jwrite_custom(write_card, &full));
	jwrite_push(data, jwrite_custom(write_card, &bare));
	jwrite_put(page, "data", data);
	jwrite_put(page, "hasMore", jwrite_bool(false));
	assert_text(page,
	    "{\"data\":[{\"name\":\"brace {\",\"empty\":{},\"nested\":{\"active\":true,"
	    "\"passive\":false},\"metadata\":[{},\"{\"]},{\"name\":null,\"empty\":{},\"nested\":"
	    "{\"active\":false,\"passive\":true},\"metadata\":null}],\"hasMore\":false}");
}

static void
write_string(struct printbuf *to, const void *what)
{
	jout_str(to, *(const struct str *)what);
}

/* By jwrite_str() and by jout_str(): the same text, and read back the same string. */
static void
string_returns(struct str s)
{
	struct str  text = text_of(jwrite_str(s));
	struct jdoc doc = parse(text);

	assert_true(str_eq(text_of(jwrite_custom(write_string, &s)), text));
	if (!str_eq(jread_string(&arena, &doc, doc.nodes), s))
		fail_msg("'%.*s' became '%.*s'", STR_ARGS(s), STR_ARGS(text));
}

static void
escapes_what_must_be_and_nothing_else(void **state UNUSED)
{
	static const struct {
		struct str s;
		const char *text;
	} cases[] = {
		{ { "", 0 }, "\"\"" },
		{ { "\"\\/", 3 }, "\"\\\"\\\\/\"" },
		{ { "\b\f\n\r\t", 5 }, "\"\\b\\f\\n\\r\\t\"" },
		{ { "\x01\x0b\x1f", 3 }, "\"\\u0001\\u000b\\u001f\"" },
		{ { " !#[]~\x7f", 7 }, "\" !#[]~\x7f\"" },
		{ { "\xC3\xA9\xE2\x80\xA8\xF0\x9F\x99\x82", 9 },
		  "\"\xC3\xA9\xE2\x80\xA8\xF0\x9F\x99\x82\"" },
		{ { "\n\n", 2 }, "\"\\n\\n\"" },
		{ { "ab\ncd", 5 }, "\"ab\\ncd\"" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++)
		assert_text(jwrite_custom(write_string, &cases[i].s), cases[i].text);
}

static void
strings_return_as_they_were(void **state UNUSED)
{
	char  *text = ARENA_NEW(&arena, char, 4 * 0x3000);
	size_t len = 0;

	/* Each character alone, then all of them; the reader refuses NUL, so none is there. */
	for (uint32_t cp = 1; cp < 0x2100; cp++) {
		char   one[4];
		size_t n = utf8_put(one, cp);

		if (cp < 0x100)
			string_returns((struct str) { one, n });
		memcpy(text + len, one, n);
		len += n;
	}
	string_returns((struct str) { text, len });

	/* Lengths around those at which json-c's buffer grows. */
	memset(text, 'x', 600);
	for (len = 0; len < 600; len++)
		string_returns((struct str) { text, len });
	memset(text, '\x02', 600);
	for (len = 0; len < 100; len++)
		string_returns((struct str) { text, len });
}

static void
appends_to_the_buffer(void **state UNUSED)
{
	struct json_object *value = jwrite_int(7);

	buf_str(&out, STR("x="));
	jwrite_text(value, &out);
	jwrite_text(value, &out);
	jwrite_free(value);
	assert_true(str_is(buf_view(&out), "x=77"));
}

static void
marks_a_full_buffer(void **state UNUSED)
{
	AUTO_JSON struct json_object *value = jwrite_str(STR("0123456789"));
	struct buf                    tight;

	buf_init(&tight, 12);
	jwrite_text(value, &tight);
	assert_false(tight.full);
	assert_true(str_is(buf_view(&tight), "\"0123456789\""));
	buf_fini(&tight);

	buf_init(&tight, 11);
	jwrite_text(value, &tight);
	assert_true(tight.full);
	assert_int_equal(tight.len, 0);
	buf_fini(&tight);
}

static void
frees_null(void **state UNUSED)
{
	AUTO_JSON struct json_object *nothing = NULL;

	jwrite_free(nothing);
}

#if OWN_MALLOC
/* One of everything, with texts long enough to make json-c's buffer grow in each of its writers. */
static struct json_object *
sample(void)
{
	static const struct card card = { STR("Jane"), STR("{\"plan\":\"pro\"}"), true };
	struct json_object      *page = jwrite_object();
	struct json_object      *data = jwrite_array();

	for (int i = 0; i < 40; i++) {
		struct json_object *item = jwrite_object();

		jwrite_put(item, "a_rather_long_name_of_a_member", jwrite_int(i));
		jwrite_put(item, "s", jwrite_str(STR("some \"quoted\" text as long as this")));
		jwrite_put(item, "raw", jwrite_raw(card.metadata));
		jwrite_put(item, "card", jwrite_custom(write_card, &card));
		jwrite_put(item, "nothing", NULL);
		jwrite_put(item, "none", jwrite_array());
		jwrite_put(item, "off", jwrite_bool(false));
		jwrite_push(data, item);
	}
	jwrite_put(page, "data", data);
	return page;
}

/* In a process of its own: exit 0 when the text is right, 1 when it is wrong. */
static int
run_with_failure(long after, struct str expected)
{
	int   status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct json_object *value;

		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		buf_reset(&out, 0);
		until_failure = after;
		value = sample();
		jwrite_text(value, &out);
		jwrite_free(value);
		_exit(until_failure >= 0 && str_eq(buf_view(&out), expected) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Each allocation fails once, and no reply ever comes out with a hole in it. */
static void
ends_when_memory_does(void **state UNUSED)
{
	struct str expected = text_of(sample());
	int        code;
	long       n;

	for (n = 0; (code = run_with_failure(n, expected)) != 0; n++)
		if (code != EXIT_DEFECT)
			fail_msg("allocation %ld: exit code %d", n, code);
	/* None at all under valgrind, which has a malloc of its own. */
	print_message("# %ld allocations\n", n);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writes_scalars, set_up, tear_down),
		cmocka_unit_test_setup_teardown(writes_objects_and_arrays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(copies_strings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(takes_many_members, set_up, tear_down),
		cmocka_unit_test_setup_teardown(puts_raw_text_in_untouched, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lets_a_function_write, set_up, tear_down),
		cmocka_unit_test_setup_teardown(escapes_what_must_be_and_nothing_else, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(strings_return_as_they_were, set_up, tear_down),
		cmocka_unit_test_setup_teardown(appends_to_the_buffer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(marks_a_full_buffer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(frees_null, set_up, tear_down),
#if OWN_MALLOC
		cmocka_unit_test_setup_teardown(ends_when_memory_does, set_up, tear_down),
#endif
	};

	return cmocka_run_group_tests_name("jwrite", tests, NULL, NULL);
}
