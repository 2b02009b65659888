/* shm/stats: which process can write which part, and that nothing a worker has written is trusted. */
#include "admin/metrics.h"
#include "admin/status.h"
#include "admin/table.h"
#include "shm/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PLACES = 3, OWN = 1 };

enum kept { SLOT, CLERK, VIEW, NOTHING, KEPT__COUNT };

/* The parts, as the supervisor has them; the addresses are the same in a child that was forked. */
enum part { POOL, WORKER, SHARED, OF_CLERK, SLOT_BEFORE, SLOT_OWN, SLOT_BEHIND, PARTS };

static struct stats *board;

static void *
part_at(enum part part)
{
	void *const at[PARTS] = {
		[POOL] = board->pool,
		[WORKER] = board->worker,
		[SHARED] = board->shared,
		[OF_CLERK] = board->clerk,
		[SLOT_BEFORE] = stats_slot(board, OWN - 1),
		[SLOT_OWN] = stats_slot(board, OWN),
		[SLOT_BEHIND] = stats_slot(board, OWN + 1),
	};

	return at[part];
}

static int
set_up(void **state UNUSED)
{
	board = stats_new(PLACES);
	for (int part = 0; part < PARTS; part++)
		*(volatile int32_t *)part_at((enum part)part) = 1000 + part;
	return 0;
}

static int
tear_down(void **state UNUSED)
{
	stats_free(board);
	return 0;
}

/* For a child that is meant to crash, without what cmocka does at a crash. */
static void
become(enum kept kept)
{
	static bool (*const keep[])(struct stats *s) = {
		[CLERK] = stats_keep_clerk,
		[VIEW] = stats_keep_view,
		[NOTHING] = stats_keep_nothing,
	};
	int fd = board->fd;

	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	if (!(kept == SLOT ? stats_keep_slot(board, OWN) : keep[kept](board)))
		_exit(99);
	close(fd);
}

enum how { READ, WRITE, WRITE_ANYWAY, HOWS };

/* 0: it was done, or the signal that ended it. */
static int
try(enum kept kept, enum part part, enum how how)
{
	volatile int32_t *at = part_at(part);
	pid_t             pid = fork();
	int               status;

	if (pid == 0) {
		become(kept);
		if (kept == VIEW) /* it is somewhere else then */
			at = part_at(part);
		if (how == WRITE_ANYWAY) { /* page by page: parts begin on one */
			void *page = (void *)((uintptr_t)at & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1));

			mprotect(page, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE);
		}
		if (how == READ)
			_exit(*at != 1000 + (int)part);
		*at = -1;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
a_child_has_of_the_scoreboard_what_it_keeps_and_nothing_else(void **state UNUSED)
{
	static const struct {
		bool readable[PARTS], writable[PARTS];
	} allowed[KEPT__COUNT] = {
		[SLOT] = {
			.readable = { [SHARED] = true, [SLOT_OWN] = true },
			.writable = { [SHARED] = true, [SLOT_OWN] = true },
		},
		[CLERK] = {
			.readable = { [OF_CLERK] = true },
			.writable = { [OF_CLERK] = true },
		},
		[VIEW] = { .readable = { true, true, true, true, true, true, true } },
	};

	for (int kept = 0; kept < KEPT__COUNT; kept++)
		for (int part = 0; part < PARTS; part++) {
			volatile int32_t *word = part_at((enum part)part);
			bool              may_write = allowed[kept].writable[part];

			if ((try((enum kept)kept, (enum part)part, READ) == 0)
			    != allowed[kept].readable[part])
				fail_msg("%d: part %d: read", kept, part);
			if ((try((enum kept)kept, (enum part)part, WRITE) == SIGSEGV) == may_write)
				fail_msg("%d: part %d: write", kept, part);
			if ((*word == -1) != may_write)
				fail_msg("%d: part %d: is %d", kept, part, (int)*word);
			*word = 1000 + part;
		}
}

static void
rights_that_were_given_up_do_not_come_back(void **state UNUSED)
{
	for (int kept = 0; kept < KEPT__COUNT; kept++)
		for (int part = 0; part < PARTS; part++) {
			if (kept == SLOT && (part == SHARED || part == SLOT_OWN))
				continue;
			if (kept == CLERK && part == OF_CLERK)
				continue;
			/* Memory of its own may be there afterwards, but nobody else's. */
			try((enum kept)kept, (enum part)part, WRITE_ANYWAY);
			assert_int_equal(*(volatile int32_t *)part_at((enum part)part), 1000 + part);
		}
	assert_int_equal(try(VIEW, POOL, WRITE_ANYWAY), SIGSEGV);
}

static void
another_program_image_goes_on_with_the_counters(void **state UNUSED)
{
	struct stats *next;

	stats_count(&stats_slot(board, OWN)->event[STATS_EVENT_SLOW]);
	word_set(&board->pool->generation, 7);
	next = stats_attach(board->fd, PLACES);
	assert_non_null(next);
	assert_int_equal(word_get(&stats_slot(next, OWN)->event[STATS_EVENT_SLOW]), 1);
	assert_int_equal(word_get(&next->pool->generation), 7);
	next->fd = -1; /* the other one closes it */
	stats_free(next);
	assert_null(stats_attach(board->fd, PLACES + 1));
	assert_null(stats_attach(STDIN_FILENO, PLACES));
	assert_int_equal(ftruncate(board->fd, 0), -1); /* not while others have it mapped */
	*(char *)board->memory ^= 1;                   /* of another version */
	assert_null(stats_attach(board->fd, PLACES));
	*(char *)board->memory ^= 1;
}

/* ---- requests in hand */

static void
the_request_that_was_begun_first_is_the_oldest(void **state UNUSED)
{
	struct stats_slot *own = stats_slot(board, OWN);
	struct stats_doing doing;

	assert_false(stats_read_oldest(own, &doing));
	stats_do(own, 0, 300, 1, STR("third"));
	stats_do(own, 1, 100, STATS_NO_ROUTE, STR(""));
	stats_do(own, 2, 200, 3, STR("second"));
	assert_true(stats_read_oldest(own, &doing));
	assert_int_equal(doing.since_ms, 100);
	assert_string_equal(doing.request_id, "");
	stats_do(own, 1, 100, 2, STR("first")); /* now it is known what it is */
	assert_true(stats_read_oldest(own, &doing));
	assert_string_equal(doing.request_id, "first");
	assert_int_equal(doing.route, 2);
	stats_done(own, 1);
	assert_false(stats_read_doing(own, 1, &doing));
	assert_true(stats_read_oldest(own, &doing));
	assert_string_equal(doing.request_id, "second");
	assert_true(stats_read_doing(own, 0, &doing));
	assert_string_equal(doing.request_id, "third");
	assert_false(stats_read_doing(own, 3, &doing));
	/* Its successor in this place has none of them. */
	word_set(&own->in_hand, 2);
	word_set(&own->turn_ms, 1);
	stats_begin(own);
	assert_false(stats_read_oldest(own, &doing));
	assert_int_equal(word_get(&own->in_hand), 0);
	assert_int_equal(word_get(&own->turn_ms), 0);
}

/* A worker that is killed while it writes what a request is. */
static void
what_was_half_written_is_not_told_and_harms_nobody(void **state UNUSED)
{
	struct stats_slot *own = stats_slot(board, OWN);
	struct stats_doing doing;

	stats_do(own, 0, 100, 1, STR("whole"));
	stats_do(own, 1, 50, 1, STR("half"));
	word_set(&own->hand[1].turn, word_get(&own->hand[1].turn) + 1);
	assert_false(stats_read_doing(own, 1, &doing));
	assert_true(stats_read_oldest(own, &doing));
	assert_string_equal(doing.request_id, "whole");
	stats_do(own, 1, 60, 1, STR("next"));
	assert_true(stats_read_doing(own, 1, &doing));
	assert_string_equal(doing.request_id, "next");
}

static void
a_loop_that_does_not_come_round_is_seen(void **state UNUSED)
{
	struct stats_slot  *own = stats_slot(board, OWN);
	struct stats_report report;

	stats_begin(own);
	stats_read(own, 5000, &report);
	assert_int_equal(report.stuck_ms, -1); /* it waits */
	word_set(&own->turn_ms, 2000);
	stats_read(own, 5000, &report);
	assert_int_equal(report.stuck_ms, 3000);
}

/* ---- nonsense */

static void
scribble(unsigned seed)
{
	static const unsigned char patterns[] = { 0x00, 0xff, 0x7f, 0x80, 0x01, 0xa5, 0x1b };
	struct {
		unsigned char *at;
		size_t         bytes;
	} writable[] = {
		{ (unsigned char *)board->shared, sizeof(*board->shared) },
		{ (unsigned char *)stats_slot(board, 0), sizeof(struct stats_slot) },
		{ (unsigned char *)stats_slot(board, OWN), sizeof(struct stats_slot) },
	};

	srand(seed);
	for (size_t i = 0; i < COUNTOF(writable); i++)
		for (size_t b = 0; b < writable[i].bytes; b++)
			writable[i].at[b] = seed < COUNTOF(patterns) ? patterns[seed] : (unsigned char)rand();
}

static void
assert_printable(const char *text)
{
	for (; *text; text++)
		assert_true(*text > ' ' && *text <= '~');
}

static void
nonsense_of_a_worker_leads_nowhere(void **state UNUSED)
{
	const int64_t now_ms = clock_mono_ms();
	struct buf    text;
	struct tally  tally;

	buf_init(&text, 4 * 1024 * 1024);
	for (size_t i = 0; i < PLACES; i++)
		word_set(&board->worker[i].life, i == 0 ? STATS_LIFE_STOPPING : STATS_LIFE_READY);
	for (unsigned seed = 0; seed < 300; seed++) {
		struct stats_report report;
		struct stats_doing  doing;

		scribble(seed);
		stats_read(stats_slot(board, OWN), now_ms, &report);
		assert_true(report.state < STATS_STATE__COUNT && report.db < STATS_DB__COUNT);
		assert_true(report.leaves <= STATS_CAUSE__COUNT);
		assert_true(report.state_ms >= 0 && report.state_ms <= now_ms);
		assert_true(report.stuck_ms >= -1 && report.stuck_ms <= now_ms);
		assert_true(report.in_hand <= REQUESTS_IN_HAND_MAX && report.lanes <= REQUESTS_IN_HAND_MAX);
		assert_true(report.tenants <= REQUESTS_IN_HAND_MAX && report.largest <= REQUESTS_IN_HAND_MAX);
		assert_true(report.last_us >= 0);
		for (size_t i = 0; i < REQUESTS_IN_HAND_MAX; i++)
			if (stats_read_doing(stats_slot(board, OWN), i, &doing))
				assert_printable(doing.request_id);
		if (stats_read_oldest(stats_slot(board, OWN), &doing))
			assert_printable(doing.request_id);

		tally_take(board, &tally);
		for (size_t i = 0; i < FIGURE__COUNT; i++)
			assert_true(tally.figure[i] >= -1);
		buf_reset(&text, 0);
		metrics_write(&tally, &text);
		status_write(board, &tally, &text);
		table_write(board, &tally, &text);
		assert_false(text.full);
		for (size_t i = 0; i < text.len; i++)
			assert_true(text.ptr[i] == '\n' || (text.ptr[i] >= ' ' && text.ptr[i] <= '~'));
	}
	buf_fini(&text);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_child_has_of_the_scoreboard_what_it_keeps_and_nothing_else),
		TEST(rights_that_were_given_up_do_not_come_back),
		TEST(another_program_image_goes_on_with_the_counters),
		TEST(the_request_that_was_begun_first_is_the_oldest),
		TEST(what_was_half_written_is_not_told_and_harms_nobody),
		TEST(a_loop_that_does_not_come_round_is_seen),
		TEST(nonsense_of_a_worker_leads_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
