/* shm/share: who may begin, who has to make room, and what nonsense in the memory does. */
#include "shm/share.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { WORKERS = 8, PERCENT = 50 };

static struct share_table table;
static _Atomic(int64_t)   waiting;
static struct share       share[SHARE_ROWS];
static struct id          tenant[4];

static int
set_up(void **state UNUSED)
{
	memset(&table, 0, sizeof(table));
	word_set(&waiting, 0);
	for (size_t i = 0; i < SHARE_ROWS; i++)
		share[i] = (struct share) { .table = &table, .waiting = &waiting, .place = i, .percent = PERCENT };
	for (size_t i = 0; i < COUNTOF(tenant); i++)
		tenant[i] = id_new();
	share_measure(&table, WORKERS, WORKERS);
	return 0;
}

static bool
begin(size_t place, size_t who, enum share_kind kind)
{
	return share_begin(&share[place], &tenant[who], kind, true);
}

/* As if the request had been begun so much earlier. */
static void
age(size_t place, int64_t ms)
{
	share[place].since_ms -= ms;
	word_set(&table.row[place].since_ms, share[place].since_ms);
}

/* Another tenant was active so long ago. */
static void
know_others(int64_t ago_ms)
{
	word_set(&table.mixed_ms, clock_mono_ms() - ago_ms);
}

/* Requests of the first tenant, begun in this order and held for long. */
static void
hold(size_t count, enum share_kind kind)
{
	for (size_t i = 0; i < count; i++) {
		assert_true(begin(i, 0, kind));
		age(i, SHARE_STUCK_MS * 2 - (int64_t)i);
	}
}

static size_t
overstaying(void)
{
	size_t n = 0;

	for (size_t i = 0; i < WORKERS; i++)
		n += share_overstays(&share[i]);
	return n;
}

static void
quick_requests_are_never_too_many(void **state UNUSED)
{
	know_others(0);
	for (size_t i = 0; i < WORKERS; i++)
		assert_true(begin(i, 0, SHARE_QUICK));
	assert_int_equal(overstaying(), 0);
}

static void
what_is_held_for_long_makes_room_when_no_worker_is_free(void **state UNUSED)
{
	static const struct {
		int64_t         silent_ms; /* others; -1: never seen */
		enum share_kind kind;
		int64_t         waiting;
		size_t          most; /* of eight */
	} cases[] = {
		{ 0, SHARE_QUICK, 0, 4 }, { 0, SHARE_BULK, 0, 2 }, { 0, SHARE_SCAN, 0, 1 },
		{ SHARE_MIXED_MS * 2, SHARE_QUICK, 0, 7 }, { SHARE_MIXED_MS * 2, SHARE_SCAN, 0, 7 },
		{ -1, SHARE_QUICK, 0, 8 }, { -1, SHARE_SCAN, 0, 8 },
		{ -1, SHARE_QUICK, 1, 7 }, { -1, SHARE_QUICK, -1, 8 },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		size_t over = WORKERS - cases[i].most;

		set_up(NULL);
		hold(WORKERS, cases[i].kind);
		if (cases[i].silent_ms >= 0)
			know_others(cases[i].silent_ms);
		word_set(&waiting, cases[i].waiting);
		if (overstaying() != over)
			fail_msg("case %zu: %zu have to go, not %zu", i, overstaying(), over);
		/* The last to come goes first, and then it is enough. */
		for (size_t k = WORKERS; over > 0; over--) {
			assert_true(share_overstays(&share[--k]));
			share_end(&share[k]);
			assert_false(share_overstays(&share[k]));
			if (cases[i].kind != SHARE_SCAN)
				break; /* a worker is free */
		}
		assert_true(cases[i].kind == SHARE_SCAN || overstaying() == 0);
		/* Nor does another one begin in its place. */
		if (cases[i].most < WORKERS)
			assert_false(begin(WORKERS - 1, 0, cases[i].kind));
		assert_true(begin(WORKERS - 1, 1, SHARE_QUICK));
	}
}

static void
a_worker_that_is_free_is_for_whoever_comes(void **state UNUSED)
{
	know_others(0);
	hold(WORKERS - 1, SHARE_QUICK);
	assert_int_equal(overstaying(), 0);
	assert_true(begin(WORKERS - 1, 1, SHARE_QUICK));
	assert_int_equal(overstaying(), WORKERS - 1 - 4);
}

static void
scans_count_from_their_begin(void **state UNUSED)
{
	know_others(0);
	assert_true(begin(0, 0, SHARE_SCAN));
	assert_false(begin(1, 0, SHARE_SCAN));
	assert_int_equal(share[1].tag, 0); /* nothing is in hand */
	assert_true(begin(1, 0, SHARE_QUICK));
	/* One that turns out to be a scan. */
	assert_false(begin(1, 0, SHARE_SCAN));
	assert_true(begin(1, 1, SHARE_SCAN));
	share_end(&share[0]);
	assert_true(begin(2, 0, SHARE_SCAN));
}

static void
where_no_other_tenant_is_known_scans_may_have_all(void **state UNUSED)
{
	for (size_t i = 0; i < WORKERS; i++)
		assert_true(begin(i, 0, SHARE_SCAN));
	assert_int_equal(word_get(&table.mixed_ms), 0);
	share_end(&share[7]);
	assert_true(begin(7, 1, SHARE_QUICK)); /* now one is */
	assert_int_equal(overstaying(), 6);
	share_end(&share[6]);
	assert_false(begin(6, 0, SHARE_SCAN));
}

static void
everybody_may_have_one(void **state UNUSED)
{
	for (unsigned workers = 1; workers < 4; workers++) {
		set_up(NULL);
		share_measure(&table, workers, workers);
		for (size_t i = 0; i < WORKERS; i++)
			share[i].percent = 1;
		know_others(0);
		for (size_t i = 0; i < workers; i++)
			assert_true(begin(i, i, SHARE_SCAN));
		for (size_t i = 0; i < workers; i++)
			age(i, SHARE_STUCK_MS);
		assert_int_equal(overstaying(), 0);
	}
}

static void
there_is_no_rule_without_a_number_or_with_all_of_them(void **state UNUSED)
{
	know_others(0);
	share_measure(&table, 0, WORKERS);
	hold(WORKERS, SHARE_SCAN);
	assert_int_equal(overstaying(), 0);
	set_up(NULL);
	know_others(0);
	for (size_t i = 0; i < WORKERS; i++)
		share[i].percent = SHARE_ALL;
	for (size_t i = 0; i < WORKERS; i++)
		assert_true(begin(i, 0, SHARE_SCAN));
	assert_int_equal(overstaying(), 0);
	assert_int_equal(word_get(&table.row[0].tag), 0);
}

static void
the_row_of_a_dead_worker_is_cleared(void **state UNUSED)
{
	unsigned environments, largest;

	hold(WORKERS, SHARE_QUICK);
	know_others(0);
	share_clear(&table, 3);
	share_clear(&table, SHARE_ROWS); /* no such place */
	assert_int_equal(overstaying(), 0); /* a worker is free */
	share_read(&table, &environments, &largest);
	assert_int_equal(environments, 1);
	assert_int_equal(largest, WORKERS - 1);
	assert_true(begin(3, 1, SHARE_QUICK));
	share_read(&table, &environments, &largest);
	assert_int_equal(environments, 2);
}

/* What a compromised worker may leave there: calls return, and an honest row is judged by honest times. */
static void
nonsense_is_judged(void **state UNUSED)
{
	static const int64_t times[] = { INT64_MIN, -1, 0, INT64_MAX };

	for (unsigned fill = 0; fill < 256; fill += 5) {
		unsigned environments, largest;

		memset(&table, (int)fill, sizeof(table));
		share_read(&table, &environments, &largest);
		assert_true(environments <= SHARE_ROWS && largest <= SHARE_ROWS);
		(void)begin(0, 0, SHARE_SCAN);
		(void)share_overstays(&share[0]);
		share_end(&share[0]);
		assert_int_equal(word_get(&table.row[0].tag), share[0].tag);
	}
	for (size_t i = 0; i < COUNTOF(times); i++) {
		set_up(NULL);
		word_set(&table.mixed_ms, times[i]);
		hold(WORKERS, SHARE_SCAN);
		assert_int_equal(overstaying(), 0);
		know_others(0);
		for (size_t k = 0; k + 1 < WORKERS; k++)
			word_set(&table.row[k].since_ms, times[i]);
		assert_false(share_overstays(&share[WORKERS - 1]));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, set_up)
		TEST(quick_requests_are_never_too_many),
		TEST(what_is_held_for_long_makes_room_when_no_worker_is_free),
		TEST(a_worker_that_is_free_is_for_whoever_comes),
		TEST(scans_count_from_their_begin),
		TEST(where_no_other_tenant_is_known_scans_may_have_all),
		TEST(everybody_may_have_one),
		TEST(there_is_no_rule_without_a_number_or_with_all_of_them),
		TEST(the_row_of_a_dead_worker_is_cleared),
		TEST(nonsense_is_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
