/* What is inside a cell: rows, as PostgreSQL sends them, and numbers. */
#include "base/clock.h"
#include "db/bind.h"
#include "db/cell.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct arena arena;

#define BYTES(literal) ((struct str) { literal, sizeof(literal) - 1 })

/* One dimension, no NULLs, record[] of two rows of four cells: bigint, text, boolean, timestamptz. */
#define HEAD "\0\0\0\1" "\0\0\0\0" "\0\0\x08\xC9" "\0\0\0\2" "\0\0\0\1"
#define TYPE "\0\0\0\x14"
#define FULL "\0\0\0\4" TYPE "\0\0\0\x8" "\0\0\0\0\0\0\1\2" TYPE "\0\0\0\3" "abc" TYPE "\0\0\0\1" "\1" \
	TYPE "\0\0\0\x8" "\0\0\0\0\0\0\x13\x88"
#define NULLS "\0\0\0\4" TYPE "\xFF\xFF\xFF\xFF" TYPE "\xFF\xFF\xFF\xFF" TYPE "\0\0\0\1" "\0" TYPE "\0\0\0\0"

static const struct str two_rows = BYTES(HEAD "\0\0\0\x38" FULL "\0\0\0\x25" NULLS);

static void
rows_in_a_cell_are_read_like_others(void **state)
{
	const struct row *rows;

	(void)state;
	assert_int_equal(cell_rows(two_rows, &arena, &rows), 2);
	assert_int_equal(row_i64(&rows[0], 0), 258);
	assert_true(str_is(row_text(&rows[0], 1), "abc"));
	assert_true(row_bool(&rows[0], 2));
	assert_int_equal(row_time(&rows[0], 3), POSTGRES_EPOCH_MS + 5);
	assert_false(row_is_null(&rows[0], 0));

	assert_true(row_is_null(&rows[1], 0));
	assert_null(row_text(&rows[1], 1).ptr);
	assert_false(row_bool(&rows[1], 2));
	/* Empty is not NULL. */
	assert_false(row_is_null(&rows[1], 3));
	assert_int_equal(row_text(&rows[1], 3).len, 0);
}

static void
no_rows_are_none(void **state)
{
	const struct row *rows = (const void *)&arena;

	(void)state;
	assert_int_equal(cell_rows(STR_NONE, &arena, &rows), 0);
	assert_null(rows);
	assert_int_equal(cell_rows(BYTES("\0\0\0\0" "\0\0\0\0" "\0\0\x08\xC9"), &arena, &rows), 0);
}

static void
a_number_is_read_and_any_other_cell_is_a_defect(void **state)
{
	static const struct str defects[] = { { NULL, 0 }, { "", 0 }, { "\0\0\0\1", 4 }, { "\0\0\0\0\0\0\0\0\1", 9 } };

	(void)state;
	assert_int_equal(cell_i64(BYTES("\0\x20\0\0\0\0\0\0")), INT64_C(1) << 53);
	assert_int_equal(cell_i64(BYTES("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF")), -1);
	for (size_t i = 0; i < sizeof(defects) / sizeof(*defects); i++) {
		int   status;
		pid_t child = fork();

		if (child == 0) {
			signal(SIGABRT, SIG_DFL);
			cell_i64(defects[i]);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

/* A cell that ends too early is one, too: nothing behind it is read. */
static void
a_cell_that_is_cut_off_is_a_defect(void **state)
{
	(void)state;
	for (size_t len = 0; len < two_rows.len; len++) {
		int   status;
		pid_t child = fork();

		if (child == 0) {
			const struct row *rows;
			char             *copy = arena_alloc(&arena, len + 1, 1, 1);

			signal(SIGABRT, SIG_DFL);
			memcpy(copy, two_rows.ptr, len);
			cell_rows((struct str) { copy, len }, &arena, &rows);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_in_a_cell_are_read_like_others),
		cmocka_unit_test(no_rows_are_none),
		cmocka_unit_test(a_number_is_read_and_any_other_cell_is_a_defect),
		cmocka_unit_test(a_cell_that_is_cut_off_is_a_defect),
	};
	int failed;

	arena_init(&arena);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&arena);
	return failed;
}
