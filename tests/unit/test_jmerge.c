/* JSON merge patches, as RFC 7396 has them. */
#include "base/arena.h"
#include "base/limits.h"
#include "json/jmerge.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena arena;

static struct jdoc
read(const char *text)
{
	static const struct jlimits usual = { JSON_DEPTH_MAX, JSON_VALUES_MAX };
	struct jdoc                 doc = { 0 };
	struct jread_error          why = { 0 };

	if (!jread_parse(&arena, str_of(text), &usual, &doc, &why))
		fail_msg("'%s' refused at %zu: %s", text, why.offset, why.what);
	return doc;
}

/* Target, patch, result: the first fifteen are those of the standard's appendix A. */
static void
patches_merge_as_the_standard_has_it(void **state UNUSED)
{
	static const struct {
		const char *target, *patch, *merged;
	} cases[] = {
		{ "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
		{ "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
		{ "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
		{ "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}" },
		{ "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
		{ "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
		{ "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}" },
		{ "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
		{ "[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]" },
		{ "{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]" },
		{ "{\"a\":\"foo\"}", "null", "null" },
		{ "{\"a\":\"foo\"}", "\"bar\"", "\"bar\"" },
		{ "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
		{ "[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}" },
		{ "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}" },
		/* What is not changed stays where it is, and as it came. */
		{ "{ \"b\" : 1.50, \"a\" :{ \"x\": 1e5 } , \"c\":[ ] }", "{\"b\":null,\"d\":[null, {\"e\":null}]}",
		    "{\"a\":{ \"x\": 1e5 },\"c\":[ ],\"d\":[null, {\"e\":null}]}" },
		/* Names are compared after unescaping. */
		{ "{\"\\u0061\":1,\"b\\\"\":2}", "{\"a\":null,\"b\\u0022\":3}", "{\"b\\\"\":3}" },
		{ "{\"a\":{\"b\":{\"c\":1,\"d\":2}},\"e\":1}", "{\"a\":{\"b\":{\"c\":null}}}", "{\"a\":{\"b\":{\"d\":2}},\"e\":1}" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct jdoc target = read(cases[i].target), patch = read(cases[i].patch);
		struct str  merged = jmerge_text(&arena, &target, &patch, patch.nodes);

		if (!str_is(merged, cases[i].merged))
			fail_msg("%s and %s became %.*s", cases[i].target, cases[i].patch, STR_ARGS(merged));
	}
}

static void
without_a_target_a_patch_loses_its_nulls(void **state UNUSED)
{
	struct jdoc patch = read("{\"a\":null,\"b\":{\"c\":null,\"d\":[null]}}");

	assert_true(str_is(jmerge_text(&arena, NULL, &patch, patch.nodes), "{\"b\":{\"d\":[null]}}"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patches_merge_as_the_standard_has_it),
		cmocka_unit_test(without_a_target_a_patch_loses_its_nulls),
	};
	int failed;

	arena_init(&arena);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&arena);
	return failed;
}
