/* The strict JSON reader: what it takes, what it refuses and where, and the index it makes. */
#include "json_cases.h"
#include "base/limits.h"
#include "json/jread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct jlimits usual = { JSON_DEPTH_MAX, JSON_VALUES_MAX };

static struct arena arena;

static int
set_up(void **state UNUSED)
{
	arena_init(&arena);
	return 0;
}

static int
tear_down(void **state UNUSED)
{
	arena_fini(&arena);
	return 0;
}

static struct jdoc
parse(struct str text)
{
	struct jdoc        doc = { 0 };
	struct jread_error why = { 0 };

	if (!jread_parse(&arena, text, &usual, &doc, &why))
		fail_msg("'%.*s' refused at %zu: %s", STR_ARGS(text), why.offset, why.what);
	return doc;
}

#define assert_str(s, lit)                                          \
	do {                                                        \
		struct str s_ = (s);                                \
		assert_int_equal(s_.len, sizeof(lit) - 1);          \
		assert_memory_equal(s_.ptr, lit, sizeof(lit) - 1); \
	} while (0)

static void
accepts(void **state UNUSED)
{
	for (size_t i = 0; i < COUNTOF(accepted); i++) {
		struct str         text = accepted[i].text;
		struct jdoc        doc;
		struct jread_error why = { 0 };

		if (!jread_parse(&arena, text, &usual, &doc, &why))
			fail_msg("%s '%.*s' refused at %zu: %s", accepted[i].name, STR_ARGS(text),
			    why.offset, why.what);
		if (doc.nodes[0].type != accepted[i].type
		    || doc.count != accepted[i].values || doc.nodes[0].values != doc.count
		    || doc.nodes[0].height != accepted[i].height)
			fail_msg("%s '%.*s': type %d, %zu values, height %d", accepted[i].name,
			    STR_ARGS(text), doc.nodes[0].type, doc.count, doc.nodes[0].height);
	}
}

static void
refuses(void **state UNUSED)
{
	for (size_t i = 0; i < COUNTOF(refused); i++) {
		const struct jdoc  before = { .count = 77 };
		struct str         text = refused[i].text;
		struct jdoc        doc = before;
		struct jread_error why = { 0 };

		if (jread_parse(&arena, text, &usual, &doc, &why))
			fail_msg("%s '%.*s' accepted", refused[i].name, STR_ARGS(text));
		if (why.offset != refused[i].offset || strcmp(why.what, refused[i].what) != 0)
			fail_msg("%s '%.*s' refused at %zu: %s", refused[i].name, STR_ARGS(text),
			    why.offset, why.what);
		assert_memory_equal(&doc, &before, sizeof(doc));
	}
}

/* Cut anywhere before its fault, a text is whole or ends too early: nothing in it is wrong yet. */
static void
prefix_stands(struct str text, size_t len)
{
	struct jdoc        doc;
	struct jread_error why;
	struct str         part;

	if (len > 0 && len < text.len && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
		return; /* in the middle of a character */
	/* A copy, so that AddressSanitizer sees a read behind the end. */
	part.ptr = memcpy(ARENA_NEW(&arena, char, len), text.ptr, len);
	part.len = len;
	if (jread_parse(&arena, part, &usual, &doc, &why))
		return;
	if (why.offset != len || strcmp(why.what, END) != 0)
		fail_msg("'%.*s' refused at %zu: %s", STR_ARGS(part), why.offset, why.what);
}

static void
finds_no_fault_before_the_fault(void **state UNUSED)
{
	/* Of the long ones, a hundred places. */
	for (size_t i = 0; i < COUNTOF(accepted); i++)
		for (size_t len = 0; len <= accepted[i].text.len; len += 1 + accepted[i].text.len / 1000 * 10)
			prefix_stands(accepted[i].text, len);
	for (size_t i = 0; i < COUNTOF(refused); i++)
		for (size_t len = 0; len <= refused[i].offset; len++)
			prefix_stands(refused[i].text, len);
}

static void
takes_no_text(void **state UNUSED)
{
	struct jdoc        doc;
	struct jread_error why;

	assert_false(jread_parse(&arena, STR_NONE, &usual, &doc, &why));
	assert_int_equal(why.offset, 0);
	assert_string_equal(why.what, END);
}

/* n times open, then the middle, n times close. */
static struct str
nested(const char *open, const char *middle, const char *close, size_t n)
{
	size_t len = n * (strlen(open) + strlen(close)) + strlen(middle);
	char  *text = ARENA_NEW(&arena, char, len + 1);
	char  *p = text;

	for (size_t i = 0; i < n; i++)
		p = stpcpy(p, open);
	p = stpcpy(p, middle);
	for (size_t i = 0; i < n; i++)
		p = stpcpy(p, close);
	return (struct str) { text, len };
}

static void
limits_depth(void **state UNUSED)
{
	static const struct {
		const char *open, *middle, *close;
		size_t      levels, allowed;
		size_t      offset; /* of the fault, 0: accepted */
	} cases[] = {
		{ "[", "", "]", 1, 1, 0 },
		{ "[", "", "]", 32, 32, 0 },
		{ "[", "", "]", 33, 32, 32 },
		{ "[", "1", "]", 255, 255, 0 },
		{ "[", "", "]", 256, 255, 255 },
		{ "[", "", "]", 100000, 255, 255 },
		{ "[", "", "", 100000, 255, 255 },
		{ "{\"a\":", "1", "}", 32, 32, 0 },
		{ "{\"a\":", "1", "}", 33, 32, 160 },
		{ "[{\"a\":", "1", "}]", 16, 32, 0 },
		{ "[{\"a\":", "[]", "}]", 16, 32, 96 },
		{ " [ ", "", " ] ", 3, 2, 7 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct jlimits     limits = { cases[i].allowed, 1000 };
		struct str         text = nested(cases[i].open, cases[i].middle, cases[i].close,
			    cases[i].levels);
		struct jdoc        doc;
		struct jread_error why = { 0 };

		if (jread_parse(&arena, text, &limits, &doc, &why) != (cases[i].offset == 0))
			fail_msg("case %zu: %zu %s", i, why.offset, why.what);
		assert_int_equal(why.offset, cases[i].offset);
		if (cases[i].offset == 0)
			assert_int_equal(doc.nodes[0].height, cases[i].allowed);
		else
			assert_string_equal(why.what, LEVELS);
	}
}

static void
limits_depth_of_scalars_to_zero(void **state UNUSED)
{
	const struct jlimits flat = { 0, 10 };
	struct jdoc          doc;
	struct jread_error   why;

	assert_true(jread_parse(&arena, STR(" \"x\" "), &flat, &doc, &why));
	assert_false(jread_parse(&arena, STR(" []"), &flat, &doc, &why));
	assert_int_equal(why.offset, 1);
	assert_string_equal(why.what, LEVELS);
}

static void
limits_values(void **state UNUSED)
{
	static const struct {
		struct str text;
		size_t     allowed;
		size_t     offset;
	} cases[] = {
		{ TEXT("1"), 1, 0 },
		{ TEXT(" 1"), 0, 1 },
		{ TEXT("[]"), 1, 0 },
		{ TEXT("[1]"), 2, 0 },
		{ TEXT("[1]"), 1, 1 },
		{ TEXT("[1,2, 3]"), 4, 0 },
		{ TEXT("[1,2, 3]"), 3, 6 },
		{ TEXT("{\"a\":{\"b\":1}}"), 3, 0 },
		{ TEXT("{\"a\":{\"b\":1}}"), 2, 6 },
		{ TEXT("{\"a\":1,\"b\":2,\"c\":3}"), 3, 13 },
		{ TEXT("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]"), 16, 0 },
		{ TEXT("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]"), 15, 43 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct jlimits     limits = { 8, cases[i].allowed };
		struct str         text = cases[i].text;
		struct jdoc        doc;
		struct jread_error why = { 0 };

		if (jread_parse(&arena, text, &limits, &doc, &why) != (cases[i].offset == 0))
			fail_msg("case %zu: %zu %s", i, why.offset, why.what);
		assert_int_equal(why.offset, cases[i].offset);
		if (cases[i].offset)
			assert_string_equal(why.what, VALUES);
	}
}

static bool
same_node(const struct jnode *a, const struct jnode *b)
{
	return a->type == b->type && a->truth == b->truth && a->escaped == b->escaped
	    && a->key_escaped == b->key_escaped && a->height == b->height && a->key == b->key
	    && a->key_len == b->key_len && a->start == b->start && a->len == b->len
	    && a->next == b->next && a->size == b->size && a->values == b->values;
}

/* Every member of each node, for a document that has everything. */
static void
makes_the_index(void **state UNUSED)
{
	static const struct str text
	    = TEXT(" {\"id\" : 5, \"tags\":[ \"a\\tb\" ,[],{}],\"\\u0061\":{\"x\":[true]}} ");
	static const struct jnode nodes[] = {
		{ .type = JTYPE_OBJECT, .height = 3, .start = 1, .len = 57, .size = 3,
		  .values = 9 },
		{ .type = JTYPE_NUMBER, .key = 3, .key_len = 2, .start = 9, .len = 1, .next = 2,
		  .values = 1 },
		{ .type = JTYPE_ARRAY, .height = 2, .key = 13, .key_len = 4, .start = 19, .len = 16,
		  .next = 6, .size = 3, .values = 4 },
		{ .type = JTYPE_STRING, .escaped = true, .start = 21, .len = 6, .next = 4,
		  .values = 1 },
		{ .type = JTYPE_ARRAY, .height = 1, .start = 29, .len = 2, .next = 5, .values = 1 },
		{ .type = JTYPE_OBJECT, .height = 1, .start = 32, .len = 2, .values = 1 },
		{ .type = JTYPE_OBJECT, .height = 2, .key_escaped = true, .key = 37, .key_len = 6,
		  .start = 45, .len = 12, .size = 1, .values = 3 },
		{ .type = JTYPE_ARRAY, .height = 1, .key = 47, .key_len = 1, .start = 50, .len = 6,
		  .size = 1, .values = 2 },
		{ .type = JTYPE_BOOL, .truth = true, .start = 51, .len = 4, .values = 1 },
	};
	struct jdoc doc = parse(text);

	assert_int_equal(doc.count, COUNTOF(nodes));
	for (size_t i = 0; i < COUNTOF(nodes); i++)
		if (!same_node(&doc.nodes[i], &nodes[i]))
			fail_msg("node %zu", i);
}

static void
walks_members_and_elements(void **state UNUSED)
{
	static const char *const raw[] = { "1", "[2,[3]]", "{\"x\":4}", "\"5\"" };
	struct jdoc              doc = parse(STR("[1, [2,[3]] ,{\"x\":4},\"5\"]"));
	const struct jnode      *n = jread_first(&doc, doc.nodes);

	for (size_t i = 0; i < COUNTOF(raw); i++, n = jread_next(&doc, n)) {
		assert_non_null(n);
		assert_true(str_is(jread_raw(&doc, n), raw[i]));
	}
	assert_null(n);

	doc = parse(STR("[]"));
	assert_null(jread_first(&doc, doc.nodes));
	doc = parse(STR("{}"));
	assert_null(jread_first(&doc, doc.nodes));
	doc = parse(STR("\"scalar\""));
	assert_null(jread_first(&doc, doc.nodes));
	assert_null(jread_next(&doc, doc.nodes));
}

static void
gives_the_bytes_as_they_came(void **state UNUSED)
{
	struct str metadata = STR("{ \"b\": 1.10, \"a\":[1E+2,-0,\"\\u00e9\\/\"],\n"
				  "\t\"c\": 12345678901234567890123 }");
	struct str          text = arena_fmt(&arena, "{\"metadata\" : %.*s }", STR_ARGS(metadata));
	struct jdoc         doc = parse(text);
	const struct jnode *n = jread_member(&doc, doc.nodes, STR("metadata"));

	assert_true(str_eq(jread_raw(&doc, n), metadata));
	assert_ptr_equal(jread_raw(&doc, n).ptr, text.ptr + 14); /* not a copy */
	assert_true(str_eq(jread_raw(&doc, doc.nodes), text));
}

static void
unescapes_strings(void **state UNUSED)
{
	static const struct {
		struct str source, means;
	} cases[] = {
		{ TEXT("\"\""), TEXT("") },
		{ TEXT("\"abc\""), TEXT("abc") },
		{ TEXT("\"J\xC3\xA9\""), TEXT("J\xC3\xA9") },
		{ TEXT("\"\\\"\""), TEXT("\"") },
		{ TEXT("\"\\\\\""), TEXT("\\") },
		{ TEXT("\"\\/\\b\\f\\n\\r\\t\""), TEXT("/\b\f\n\r\t") },
		{ TEXT("\"x\\ny\""), TEXT("x\ny") },
		{ TEXT("\"\\u0041\\u007f\""), TEXT("A\x7F") },
		{ TEXT("\"\\u0001\""), TEXT("\x01") },
		{ TEXT("\"\\u0080\\u07ff\""), TEXT("\xC2\x80\xDF\xBF") },
		{ TEXT("\"\\u0800\\uD7FF\\uE000\\uFFFF\""),
		  TEXT("\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF") },
		{ TEXT("\"\\ud800\\udc00\\uDBFF\\uDFFF\""),
		  TEXT("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF") },
		{ TEXT("\"\\uD83D\\uDE42!\""), TEXT("\xF0\x9F\x99\x82!") },
		{ TEXT("\"\\\\u0041\""), TEXT("\\u0041") },
		{ TEXT("\"J\xC3\xA9\\t\xE6\x9D\x8E\""), TEXT("J\xC3\xA9\t\xE6\x9D\x8E") },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct str  source = cases[i].source;
		struct jdoc doc = parse(source);
		struct str  s = jread_string(&arena, &doc, doc.nodes);
		bool        view = s.ptr == source.ptr + 1;

		if (!str_eq(s, cases[i].means))
			fail_msg("case %zu: '%.*s'", i, STR_ARGS(s));
		/* Copied only when there is something to unescape. */
		assert_int_equal(view, memchr(source.ptr, '\\', source.len) == NULL);

		/* The same as a name. */
		doc = parse(arena_fmt(&arena, "{%.*s:0}", STR_ARGS(source)));
		s = jread_key(&arena, &doc, jread_first(&doc, doc.nodes));
		if (!str_eq(s, cases[i].means))
			fail_msg("name %zu: '%.*s'", i, STR_ARGS(s));
		assert_non_null(jread_member(&doc, doc.nodes, cases[i].means));
	}
}

static void
finds_members(void **state UNUSED)
{
	static const struct {
		struct str  name;
		const char *raw; /* NULL: missing */
	} cases[] = {
		{ TEXT("id"), "1" },
		{ TEXT("gone"), "null" },
		{ TEXT(""), "\"empty\"" },
		{ TEXT("tab\t"), "2" },
		{ TEXT("tab\\t"), NULL },
		{ TEXT("plan"), "3" },
		{ TEXT("pla"), NULL },
		{ TEXT("planb"), NULL },
		{ TEXT("\\u0070lan"), NULL },
		{ TEXT("\xF0\x9F\x99\x82"), "{\"id\":5}" },
		{ TEXT("\xF0\x9F\x99"), NULL },
		{ TEXT("ID"), NULL },
		{ TEXT("missing"), NULL },
	};
	static const struct str text = TEXT("{\"id\":1,\"gone\":null,\"\":\"empty\",\"tab\\t\":2,"
	    "\"\\u0070lan\":3,\"list\":[4],\"\\uD83D\\uDE42\":{\"id\":5}}");
	struct jdoc             doc = parse(text);
	const struct jnode     *n;

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		n = jread_member(&doc, doc.nodes, cases[i].name);
		if (!n != !cases[i].raw || (n && !str_is(jread_raw(&doc, n), cases[i].raw)))
			fail_msg("'%.*s'", STR_ARGS(cases[i].name));
	}
	/* Only objects have members. */
	n = jread_member(&doc, doc.nodes, STR("list"));
	assert_null(jread_member(&doc, n, STR("")));
	assert_null(jread_member(&doc, jread_first(&doc, n), STR("")));
}

/*
 * An object of count members "m0", "m1"..., in which number 'twice' has the name
 * of number 'first', written with an escape. *offset is set to its quote.
 */
static struct str
object_of(uint32_t count, uint32_t first, uint32_t twice, size_t *offset)
{
	const size_t room = 32; /* for each */
	char        *text = ARENA_NEW(&arena, char, (count + 1) * room);
	char        *p = text;

	for (uint32_t i = 0; i < count; i++) {
		*p++ = i == 0 ? '{' : ',';
		if (i == twice) {
			*offset = (size_t)(p - text);
			p += snprintf(p, room, "\"\\u006d%u\":0", first);
		} else {
			p += snprintf(p, room, "\"m%u\":0", i);
		}
	}
	*p++ = '}';
	return (struct str) { text, (size_t)(p - text) };
}

static void
finds_a_repeated_name_anywhere(void **state UNUSED)
{
	/* Around the size from which a table is used. */
	static const uint32_t sizes[] = { 2, 3, 15, 16, 17, 18, 33 };
	struct jdoc           doc;
	struct jread_error    why;
	size_t                offset = 0;

	for (size_t s = 0; s < COUNTOF(sizes); s++) {
		parse(object_of(sizes[s], 0, UINT32_MAX, &offset));
		for (uint32_t twice = 1; twice < sizes[s]; twice++)
			for (uint32_t first = 0; first < twice; first++) {
				struct str text = object_of(sizes[s], first, twice, &offset);

				assert_false(jread_parse(&arena, text, &usual, &doc, &why));
				assert_int_equal(why.offset, offset);
				assert_string_equal(why.what, REPEATED);
			}
	}
}

/* Pairwise comparison would take minutes here. */
static void
takes_objects_of_100000_members(void **state UNUSED)
{
	const uint32_t     count = 100000;
	struct str         text;
	struct jdoc        doc;
	struct jread_error why;
	size_t             offset = 0;

	doc = parse(object_of(count, 0, UINT32_MAX, &offset));
	assert_int_equal(doc.count, count + 1);
	assert_int_equal(doc.nodes[0].size, count);
	assert_str(jread_key(&arena, &doc, &doc.nodes[count]), "m99999");
	text = object_of(count, 4711, count - 1, &offset);
	assert_false(jread_parse(&arena, text, &usual, &doc, &why));
	assert_int_equal(why.offset, offset);
}

/* A table that served a large object is clean for the next one, smaller or larger. */
static void
keeps_objects_apart(void **state UNUSED)
{
	struct str         large, small, text;
	struct jdoc        doc;
	struct jread_error why;
	size_t             offset = 0;

	large = object_of(500, 0, UINT32_MAX, &offset);
	small = object_of(20, 0, UINT32_MAX, &offset);
	doc = parse(arena_fmt(&arena, "[%.*s,%.*s,%.*s,%.*s]", STR_ARGS(small), STR_ARGS(large),
	    STR_ARGS(small), STR_ARGS(large)));
	assert_int_equal(doc.count, 1 + 21 + 501 + 21 + 501);

	text = arena_fmt(&arena, "[%.*s,", STR_ARGS(large));
	small = object_of(20, 3, 19, &offset);
	offset += text.len;
	text = arena_fmt(&arena, "%.*s%.*s]", STR_ARGS(text), STR_ARGS(small));
	assert_false(jread_parse(&arena, text, &usual, &doc, &why));
	assert_int_equal(why.offset, offset);
}

/* What a request costs in memory is known beforehand. */
static void
needs_one_small_allocation_for_a_customer(void **state UNUSED)
{
	static const struct str text = TEXT("{\"externalId\":\"user_12345\","
	    "\"billingEmail\":\"user12345@example.com\",\"fullName\":\"Jane Q. Doe\","
	    "\"timezone\":\"UTC\",\"isActive\":true,\"metadata\":{\"plan\":\"pro\",\"seats\":5}}");
	size_t                  before = arena.bytes;

	assert_int_equal(parse(text).count, 9);
	assert_true(arena.bytes - before < 1024);
}

static void
names_the_types(void **state UNUSED)
{
	assert_string_equal(jtype_names[JTYPE_NULL], "null");
	assert_string_equal(jtype_names[JTYPE_BOOL], "boolean");
	assert_string_equal(jtype_names[JTYPE_NUMBER], "number");
	assert_string_equal(jtype_names[JTYPE_STRING], "string");
	assert_string_equal(jtype_names[JTYPE_ARRAY], "array");
	assert_string_equal(jtype_names[JTYPE_OBJECT], "object");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(accepts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(finds_no_fault_before_the_fault, set_up, tear_down),
		cmocka_unit_test_setup_teardown(takes_no_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limits_depth, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limits_depth_of_scalars_to_zero, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limits_values, set_up, tear_down),
		cmocka_unit_test_setup_teardown(makes_the_index, set_up, tear_down),
		cmocka_unit_test_setup_teardown(walks_members_and_elements, set_up, tear_down),
		cmocka_unit_test_setup_teardown(gives_the_bytes_as_they_came, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unescapes_strings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(finds_members, set_up, tear_down),
		cmocka_unit_test_setup_teardown(finds_a_repeated_name_anywhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(takes_objects_of_100000_members, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keeps_objects_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(needs_one_small_allocation_for_a_customer, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(names_the_types, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("jread", tests, NULL, NULL);
}
