/* Canonical JSON: one text for each meaning, and another for everything else. */
#include "base/arena.h"
#include "base/limits.h"
#include "json/jcanon.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

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

static struct str
canonical(struct str text)
{
	static const struct jlimits usual = { JSON_DEPTH_MAX, JSON_VALUES_MAX };
	struct jdoc                 doc = { 0 };
	struct jread_error          why = { 0 };

	if (!jread_parse(&arena, text, &usual, &doc, &why))
		fail_msg("'%.*s' refused at %zu: %s", STR_ARGS(text), why.offset, why.what);
	return jcanon_text(&arena, &doc);
}

static void
spellings_of_one_document_become_one_text(void **state UNUSED)
{
	static const struct {
		const char *text, *canonical;
	} cases[] = {
		{ " null ", "null" },
		{ "\t{ }\r\n", "{}" },
		{ "[ 1 , [ ] ,true]", "[1,[],true]" },
		{ "{\"b\": 1, \"a\" :{\"d\":2,\"c\":3}}", "{\"a\":{\"c\":3,\"d\":2},\"b\":1}" },
		{ "{\"\\u0062\":1,\"a\\/\":2}", "{\"a/\":2,\"b\":1}" },
		{ "\"a\\u0040b\\/\"", "\"a@b/\"" },
		{ "\"\\u0022\\u005c\\u0008\\u000c\\u000a\\u000d\\u0009\"", "\"\\\"\\\\\\b\\f\\n\\r\\t\"" },
		{ "\"\\u0001\\u001F\\u007f\"", "\"\\u0001\\u001f\x7f\"" },
		{ "\"\\u00e9\\ud83d\\ude42\"", "\"\xC3\xA9\xF0\x9F\x99\x82\"" },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct str text = canonical(str_of(cases[i].text));

		if (!str_is(text, cases[i].canonical))
			fail_msg("'%s' became '%.*s'", cases[i].text, STR_ARGS(text));
		/* And is the canonical text of itself. */
		assert_true(str_eq(canonical(text), text));
	}
}

static void
documents_that_differ_keep_different_texts(void **state UNUSED)
{
	static const char *const texts[] = {
		"1", "1.0", "1e0", "\"1\"", "[1]", "[[1]]", "[1,2]", "[2,1]", "{}", "{\"a\":1}", "{\"A\":1}",
		"{\"a\":null}", "\"\"", "\" \"", "\"\\\\n\"", "\"\\n\"",
	};

	for (size_t i = 0; i < COUNTOF(texts); i++)
		for (size_t k = 0; k < i; k++)
			if (str_eq(canonical(str_of(texts[i])), canonical(str_of(texts[k]))))
				fail_msg("'%s' and '%s'", texts[i], texts[k]);
}

/* More members than are sorted by insertion. */
static void
many_members_are_sorted_too(void **state UNUSED)
{
	static const char text[] = "{\"t\":0,\"s\":0,\"r\":0,\"q\":0,\"p\":0,\"o\":0,\"n\":0,\"m\":0,\"l\":0,"
				   "\"k\":0,\"j\":0,\"i\":0,\"h\":0,\"g\":0,\"f\":0,\"e\":0,\"d\":0}";
	static const char sorted[] = "{\"d\":0,\"e\":0,\"f\":0,\"g\":0,\"h\":0,\"i\":0,\"j\":0,\"k\":0,\"l\":0,"
				     "\"m\":0,\"n\":0,\"o\":0,\"p\":0,\"q\":0,\"r\":0,\"s\":0,\"t\":0}";

	assert_true(str_is(canonical(str_of(text)), sorted));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(spellings_of_one_document_become_one_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(documents_that_differ_keep_different_texts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_members_are_sorted_too, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("jcanon", tests, NULL, NULL);
}
