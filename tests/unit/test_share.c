/* call/share: who may begin, and whom it is counted for. */
#include "call/share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PLACES = 8, NOW_MS = SHARE_KNOWN_MS * 2 };

static struct share share;

static int
set_up(void **state UNUSED)
{
	share = (struct share) { .percent = 50, .places = PLACES };
	return 0;
}

/* Another tenant was active so long ago. */
static void
know_others(int64_t ago_ms)
{
	share.mixed_ms = NOW_MS - ago_ms;
}

/* Requests of a tenant, begun so long ago in the first places. */
static void
hold(size_t count, uint64_t tag, int64_t ago_ms)
{
	for (size_t i = 0; i < count; i++)
		share.place[i] = (struct share_place) { tag, NOW_MS - ago_ms };
	share.last_tag = tag;
}

static void
quick_requests_are_never_too_many(void **state UNUSED)
{
	know_others(0);
	for (size_t i = 0; i < PLACES; i++)
		assert_true(share_begin(&share, i, 1, NOW_MS));
	for (size_t i = 0; i < PLACES; i++) /* answered, and the next one is there */
		assert_true(share_begin(&share, i, 1, NOW_MS + SHARE_HELD_MS - 1));
}

static void
what_is_held_for_long_counts(void **state UNUSED)
{
	static const struct {
		int64_t percent;
		size_t  held;
		int64_t ago_ms;   /* it was begun */
		int64_t silent_ms; /* others have been; -1: never seen */
		bool    begins;
	} cases[] = {
		{ 50, 4, SHARE_HELD_MS, 0, false }, { 50, 3, SHARE_HELD_MS, 0, true },
		{ 50, 4, SHARE_HELD_MS - 1, 0, true }, { 50, 7, SHARE_HELD_MS * 9, 0, false },
		{ 25, 2, SHARE_HELD_MS, 0, false }, { 25, 1, SHARE_HELD_MS, 0, true },
		/* One at least. */
		{ 1, 0, SHARE_HELD_MS, 0, true }, { 1, 1, SHARE_HELD_MS, 0, false },
		/* Nobody else is known. */
		{ 50, 7, SHARE_HELD_MS, -1, true },
		{ 50, 7, SHARE_HELD_MS, SHARE_KNOWN_MS - 1, false }, { 50, 7, SHARE_HELD_MS, SHARE_KNOWN_MS, true },
		/* There is no rule. */
		{ 100, 8, SHARE_HELD_MS, 0, true }, { 99, 7, SHARE_HELD_MS, 0, false },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		set_up(NULL);
		share.percent = cases[i].percent;
		if (cases[i].silent_ms >= 0)
			know_others(cases[i].silent_ms);
		hold(cases[i].held, 1, cases[i].ago_ms);
		if (share_begin(&share, PLACES - 1, 1, NOW_MS) != cases[i].begins)
			fail_msg("case %zu", i);
		if (!cases[i].begins)
			assert_int_equal(share.place[PLACES - 1].tag, 0); /* nothing was taken */
		/* And another tenant begins in any case. */
		assert_true(share_begin(&share, PLACES - 1, 2, NOW_MS));
	}
}

static void
what_has_ended_counts_no_more(void **state UNUSED)
{
	know_others(0);
	hold(4, 1, SHARE_HELD_MS);
	assert_false(share_begin(&share, 4, 1, NOW_MS));
	share_end(&share, 2);
	assert_true(share_begin(&share, 4, 1, NOW_MS));
	share_end(&share, 7); /* a request that has begun nothing ends too */
}

static void
another_tenant_is_known_once_it_has_been_seen(void **state UNUSED)
{
	hold(4, 1, SHARE_HELD_MS);
	assert_true(share_begin(&share, 4, 1, NOW_MS));
	assert_true(share_begin(&share, 5, 2, NOW_MS));
	assert_int_equal(share.mixed_ms, NOW_MS);
	assert_false(share_begin(&share, 6, 1, NOW_MS)); /* refused, and seen */
	assert_true(share_begin(&share, 6, 2, NOW_MS));
}

/* Asked while no place is free. */
static void
the_last_to_come_of_those_that_have_too_much_makes_room(void **state UNUSED)
{
	static const struct {
		int64_t  percent, silent_ms; /* others; -1: never seen */
		uint64_t tags[PLACES];
		int64_t  ago_ms[PLACES];
		int      goes;
	} cases[] = {
		{ 50, 0, { 1, 1, 1, 1, 1, 1, 1, 1 }, { 900, 800, 700, 100, 200, 300, 400, 500 }, 3 },
		{ 50, 0, { 1, 1, 1, 1, 1, 1, 1, 1 }, { 900, 800, 700, 10, 200, 300, 400, 500 }, 4 }, /* that one is quick */
		{ 50, 0, { 1, 1, 1, 1, 1, 1, 1, 1 }, { 900, 800, 700, 600, 20, 30, 40, 50 }, -1 },  /* so are all of these */
		{ 50, 0, { 1, 1, 1, 1, 1, 2, 2, 2 }, { 900, 800, 700, 600, 500, 100, 100, 100 }, 4 },
		{ 50, 0, { 1, 1, 1, 1, 2, 2, 2, 2 }, { 900, 800, 700, 600, 500, 400, 300, 200 }, -1 },
		{ 25, 0, { 1, 1, 1, 2, 2, 2, 3, 3 }, { 900, 800, 700, 600, 500, 400, 300, 200 }, 5 },
		{ 1, 0, { 1, 2, 3, 4, 5, 6, 7, 8 }, { 900, 800, 700, 600, 500, 400, 300, 200 }, -1 },
		{ 50, -1, { 1, 1, 1, 1, 1, 1, 1, 1 }, { 900, 800, 700, 600, 500, 400, 300, 200 }, -1 },
		{ 50, SHARE_KNOWN_MS, { 1, 1, 1, 1, 1, 1, 1, 1 }, { 900, 800, 700, 600, 500, 400, 300, 200 }, -1 },
		{ 100, 0, { 1, 1, 1, 1, 1, 1, 1, 1 }, { 900, 800, 700, 600, 500, 400, 300, 200 }, -1 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		int goes;

		set_up(NULL);
		share.percent = cases[i].percent;
		if (cases[i].silent_ms >= 0)
			know_others(cases[i].silent_ms);
		for (size_t k = 0; k < PLACES; k++)
			share.place[k] = (struct share_place) { cases[i].tags[k], NOW_MS - cases[i].ago_ms[k] };
		goes = share_overstayer(&share, NOW_MS);
		if (goes != cases[i].goes)
			fail_msg("case %zu: %d", i, goes);
	}
}

static void
tenants_and_the_largest_are_counted(void **state UNUSED)
{
	static const struct {
		uint64_t tags[PLACES];
		unsigned tenants, largest;
	} cases[] = {
		{ { 0 }, 0, 0 },
		{ { 7 }, 1, 1 },
		{ { 1, 2, 1, 0, 3, 1, 2, 0 }, 3, 3 },
		{ { 1, 1, 1, 1, 1, 1, 1, 1 }, 1, 8 },
		{ { 1, 2, 3, 4, 5, 6, 7, 8 }, 8, 1 },
		{ { 0, 0, 0, 0, 0, 0, 2, 2 }, 1, 2 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		unsigned tenants, largest;

		for (size_t k = 0; k < PLACES; k++)
			share.place[k].tag = cases[i].tags[k];
		share_count(&share, &tenants, &largest);
		assert_int_equal(tenants, cases[i].tenants);
		assert_int_equal(largest, cases[i].largest);
	}
}

static void
tags_are_the_environments(void **state UNUSED)
{
	struct id nobody = { { 0 } }, one = id_new(), other = id_new(), same = one;

	assert_int_equal(share_tag(&one), share_tag(&same));
	assert_int_not_equal(share_tag(&one), share_tag(&other));
	assert_int_not_equal(share_tag(&nobody), 0); /* which is nothing in hand */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, set_up)
		TEST(quick_requests_are_never_too_many),
		TEST(what_is_held_for_long_counts),
		TEST(what_has_ended_counts_no_more),
		TEST(another_tenant_is_known_once_it_has_been_seen),
		TEST(the_last_to_come_of_those_that_have_too_much_makes_room),
		TEST(tenants_and_the_largest_are_counted),
		TEST(tags_are_the_environments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
