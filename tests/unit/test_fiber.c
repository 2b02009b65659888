/*
 * base/fiber: order, many of them, deep stacks, what is below a stack, and stacks that are used again. Built twice: the
 * second time without assembly.
 */
#include "base/fiber.h"
#include "base/arena.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MANY = 3 * FIBER_SPARE, ROUNDS = 5 };

static char   said[256];
static size_t said_bytes;

static void
say(char c)
{
	said[said_bytes++] = c;
	said[said_bytes] = '\0';
}

static int
set_up(void **state UNUSED)
{
	said_bytes = 0;
	said[0] = '\0';
	return 0;
}

static int
tear_down(void **state UNUSED)
{
	fiber_forget_spare();
	return 0;
}

/* Says its letter three times. */
static void
say_thrice(void *letter)
{
	for (int i = 0; i < 3; i++) {
		say(*(char *)letter);
		if (i < 2)
			fiber_suspend();
	}
}

static void
each_goes_on_where_it_was_suspended(void **state UNUSED)
{
	char          letters[] = "abc";
	struct fiber *f[3];

	for (int i = 0; i < 3; i++)
		f[i] = fiber_new(say_thrice, &letters[i]);
	assert_string_equal(said, ""); /* none has begun */
	assert_null(fiber_current());
	for (int i = 0; i < 3; i++)
		fiber_resume(f[i]);
	fiber_resume(f[2]);
	fiber_resume(f[0]);
	assert_false(fiber_has_ended(f[2]));
	fiber_resume(f[2]);
	assert_true(fiber_has_ended(f[2]));
	fiber_resume(f[1]);
	fiber_resume(f[0]);
	fiber_resume(f[1]);
	assert_string_equal(said, "abccacbab");
	for (int i = 0; i < 3; i++) {
		assert_true(fiber_has_ended(f[i]));
		fiber_free(f[i]);
	}
}

static void
look_at_itself(void *own)
{
	assert_ptr_equal(fiber_current(), *(struct fiber **)own);
	fiber_suspend();
	assert_ptr_equal(fiber_current(), *(struct fiber **)own);
}

static void
the_running_one_is_known(void **state UNUSED)
{
	struct fiber *f[2];

	for (int i = 0; i < 2; i++)
		f[i] = fiber_new(look_at_itself, &f[i]);
	for (int i = 0; i < 4; i++) {
		fiber_resume(f[i % 2]);
		assert_null(fiber_current());
	}
	for (int i = 0; i < 2; i++)
		fiber_free(f[i]);
}

/* What a function may keep in registers, whole numbers and others, comes back. */
static void
compute(void *result)
{
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7;
	double   x = 0.5, y = 0.25, z = 3;

	for (int i = 0; i < 20; i++) {
		a += b, b ^= c, c += d, d ^= e, e += f, f ^= g, g += a;
		x += z, y *= 1.5, z += y;
		fiber_suspend();
	}
	*(double *)result = (double)(a + b + c + d + e + f + g) + x + y + z;
}

static void
nothing_is_lost_between_two_switches(void **state UNUSED)
{
	double        result[8] = { 0 };
	struct fiber *f[8];
	volatile long own[4] = { 11, 22, 33, 44 };

	for (int i = 0; i < 8; i++)
		f[i] = fiber_new(compute, &result[i]);
	for (int round = 0; round <= 20; round++)
		for (int i = 0; i < 8; i++)
			fiber_resume(f[i]);
	for (int i = 0; i < 8; i++) {
		assert_true(fiber_has_ended(f[i]));
		assert_true(result[i] > 100 && result[i] == result[0]); /* to the last bit */
		fiber_free(f[i]);
	}
	assert_int_equal(own[0] + own[1] + own[2] + own[3], 110);
}

struct deep {
	unsigned depth;
	unsigned found;
};

/* Uses much of the stack, suspended at its deepest point, and finds all as it was on its way back. */
static unsigned
descend(unsigned depth)
{
	volatile unsigned char room[2000];
	unsigned               sum = 0;

	for (size_t i = 0; i < sizeof(room); i++)
		room[i] = (unsigned char)(depth + i);
	if (depth)
		sum = descend(depth - 1);
	else
		fiber_suspend();
	for (size_t i = 0; i < sizeof(room); i++)
		sum += room[i] != (unsigned char)(depth + i);
	return sum;
}

static void
run_deep(void *with)
{
	struct deep *d = with;

	d->found = descend(d->depth);
}

static void
deep_stacks_keep_what_is_on_them(void **state UNUSED)
{
	/* A sanitizer puts more between two of them. */
	struct deep   deep[10];
	struct fiber *f[10];

	for (unsigned i = 0; i < 10; i++) {
		deep[i] = (struct deep) { 4 + i * 6, 1 };
		f[i] = fiber_new(run_deep, &deep[i]);
		fiber_resume(f[i]);
	}
	for (unsigned i = 0; i < 10; i++) {
		fiber_resume(f[i]);
		assert_true(fiber_has_ended(f[i]));
		assert_int_equal(deep[i].found, 0);
		fiber_free(f[i]);
	}
}

static void
count_up(void *n)
{
	for (int i = 0; i < ROUNDS; i++) {
		++*(unsigned *)n;
		fiber_suspend();
	}
}

static void
many_run_side_by_side(void **state UNUSED)
{
	static struct fiber *f[MANY];
	static unsigned      n[MANY];

	for (size_t i = 0; i < MANY; i++) {
		n[i] = 0;
		f[i] = fiber_new(count_up, &n[i]);
		assert_non_null(f[i]);
	}
	for (unsigned round = 1; round <= ROUNDS; round++)
		for (size_t i = MANY; i-- > 0;) {
			fiber_resume(f[i]);
			assert_int_equal(n[i], round);
		}
	for (size_t i = 0; i < MANY; i++) {
		fiber_resume(f[i]);
		assert_true(fiber_has_ended(f[i]));
		fiber_free(f[i]);
	}
}

static void
note_stack(void *where)
{
	char here;

	*(uintptr_t *)where = (uintptr_t)&here;
}

/* Where its variables are; only on the same page, because a sanitizer puts them elsewhere. */
static uintptr_t
stack_of(struct fiber **f)
{
	uintptr_t where = 0;

	*f = fiber_new(note_stack, &where);
	fiber_resume(*f);
	assert_true(fiber_has_ended(*f));
	return where;
}

static void
stacks_of_ended_ones_are_used_again_the_last_one_first(void **state UNUSED)
{
	struct fiber *first, *second, *again;
	uintptr_t     one = stack_of(&first), two = stack_of(&second);

	fiber_free(second);
	fiber_free(first);
	assert_ptr_equal(fiber_new(note_stack, &one), first);
	again = fiber_new(note_stack, &two);
	assert_ptr_equal(again, second);
	fiber_free(again); /* one that was never resumed */
	fiber_free(first);
	/* And a hundred thousand of them need no more than that. */
	for (int i = 0; i < 100000; i++) {
		uintptr_t where = stack_of(&again);

		assert_int_not_equal(where, 0);
		assert_ptr_equal(again, first);
		fiber_free(again);
	}
}

static long
mapped_pages(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	long  pages = 0;

	assert_non_null(statm);
	assert_int_equal(fscanf(statm, "%ld", &pages), 1);
	fclose(statm);
	return pages;
}

static void
stacks_go_back_to_the_system(void **state UNUSED)
{
	static struct fiber *f[MANY];
	const long           stack = FIBER_STACK_BYTES / sysconf(_SC_PAGESIZE);
	long                 before, with_all, with_spare;

	fiber_forget_spare();
	before = mapped_pages();
	for (size_t i = 0; i < MANY; i++)
		f[i] = fiber_new(count_up, NULL);
	with_all = mapped_pages();
	assert_true(with_all - before >= MANY * stack);
	for (size_t i = 0; i < MANY; i++)
		fiber_free(f[i]);
	with_spare = mapped_pages();
	assert_true(with_all - with_spare >= (MANY - FIBER_SPARE) * stack);
	assert_true(with_spare - before >= FIBER_SPARE * stack);
	fiber_forget_spare();
	assert_true(with_spare - mapped_pages() >= FIBER_SPARE * stack);
}

/* ---- what kills */

static void
overflow(void *with UNUSED)
{
	descend(FIBER_STACK_BYTES / 2000 + 1);
}

static void
resume_itself(void *own)
{
	fiber_resume(*(struct fiber **)own);
}

static void
nothing(void *with UNUSED)
{
}

static void
resume_an_ended_one(void)
{
	struct fiber *f = fiber_new(nothing, NULL);

	fiber_resume(f);
	fiber_resume(f);
}

static void
resume_in_a_fiber(void)
{
	struct fiber *f = fiber_new(resume_itself, &f);

	fiber_resume(f);
}

static void
overflow_beside_others(void)
{
	/* A stack on each side, so that what lies behind the end is no hole by chance. */
	struct fiber *f[3];

	for (int i = 0; i < 3; i++)
		f[i] = fiber_new(overflow, NULL);
	fiber_resume(f[1]);
}

/* What is wrong here ends a process at once; how it ends without that is told by its code, 0. */
static void
mistakes_end_the_process(void **state UNUSED)
{
	static void (*const mistakes[])(void) = { overflow_beside_others, resume_an_ended_one, resume_in_a_fiber, fiber_suspend };

	for (size_t i = 0; i < COUNTOF(mistakes); i++) {
		int   status;
		pid_t pid = fork();

		if (pid == 0) {
			const struct rlimit none = { 0, 0 };

			setrlimit(RLIMIT_CORE, &none);
			signal(SIGSEGV, SIG_DFL);
			signal(SIGBUS, SIG_DFL);
			signal(SIGABRT, SIG_DFL);
			close(STDERR_FILENO); /* what assert() and sanitizers say */
			mistakes[i]();
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			fail_msg("mistake %zu does not end the process", i);
		if (i > 0)
			assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(each_goes_on_where_it_was_suspended),
		TEST(the_running_one_is_known),
		TEST(nothing_is_lost_between_two_switches),
		TEST(deep_stacks_keep_what_is_on_them),
		TEST(many_run_side_by_side),
		TEST(stacks_of_ended_ones_are_used_again_the_last_one_first),
		TEST(stacks_go_back_to_the_system),
		TEST(mistakes_end_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
