/* base/offload: work in a thread of its own, and who frees what when nobody waits for it any more. */
#include "base/offload.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

/* What a thread is given; it works until it may go on. */
struct job {
	_Atomic(bool) may_end;
	_Atomic(bool) done;
	_Atomic(bool) discarded;
	int           ended_fd; /* written by discard() */
};

static int wake_fd;

static int
set_up(void **state UNUSED)
{
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return wake_fd == -1 ? -1 : 0;
}

static int
tear_down(void **state UNUSED)
{
	close(wake_fd);
	return 0;
}

static void
work(void *with)
{
	struct job *job = with;

	while (!atomic_load(&job->may_end))
		poll(NULL, 0, 1);
	atomic_store(&job->done, true);
}

static void
discard(void *with)
{
	const uint64_t one = 1;
	struct job    *job = with;

	atomic_store(&job->discarded, true);
	assert_int_equal(write(job->ended_fd, &one, sizeof(one)), sizeof(one));
}

/* Waits until a descriptor is readable, and reads it. */
static void
await(int fd)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	uint64_t      n;

	assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
}

static void
the_loop_is_woken_when_it_is_done(void **state UNUSED)
{
	struct job      job = { .ended_fd = -1 };
	struct pollfd   readable = { .fd = wake_fd, .events = POLLIN };
	struct offload *o = offload_start(work, &job, discard, wake_fd);

	assert_non_null(o);
	assert_false(offload_is_done(o));
	assert_int_equal(poll(&readable, 1, 0), 0);
	atomic_store(&job.may_end, true);
	await(wake_fd);
	assert_true(offload_is_done(o));
	assert_true(job.done);
	offload_end(o);
	assert_false(job.discarded); /* it is the caller's again */
}

static void
what_nobody_waits_for_is_discarded_by_the_thread(void **state UNUSED)
{
	struct job      job = { .ended_fd = eventfd(0, EFD_CLOEXEC) };
	struct pollfd   readable = { .fd = wake_fd, .events = POLLIN };
	struct offload *o = offload_start(work, &job, discard, wake_fd);

	assert_non_null(o);
	offload_end(o);
	assert_false(job.discarded);
	atomic_store(&job.may_end, true);
	await(job.ended_fd);
	assert_true(job.done && job.discarded);
	assert_int_equal(poll(&readable, 1, 0), 0); /* and nobody is woken */
	close(job.ended_fd);
}

/* Whoever comes second frees, and discard() is called if and only if the caller left first. */
static void
an_end_at_the_same_moment_is_one_or_the_other(void **state UNUSED)
{
	for (int i = 0; i < 300; i++) {
		struct job      job = { .may_end = true, .ended_fd = eventfd(0, EFD_CLOEXEC) };
		struct offload *o = offload_start(work, &job, discard, wake_fd);
		bool            was_done;

		assert_non_null(o);
		for (int spins = 0; spins < i * 20 && !offload_is_done(o); spins++)
			continue;
		was_done = offload_is_done(o);
		if (was_done) {
			offload_end(o);
			await(wake_fd);
			assert_false(job.discarded);
		} else {
			struct pollfd either[] = { { .fd = wake_fd, .events = POLLIN }, { .fd = job.ended_fd, .events = POLLIN } };

			offload_end(o);
			assert_true(poll(either, 2, PATIENCE_MS) > 0);
			if (either[0].revents) {
				await(wake_fd);
				assert_false(job.discarded);
			} else {
				await(job.ended_fd);
				assert_true(job.discarded);
			}
		}
		assert_true(job.done);
		close(job.ended_fd);
	}
}

static void
many_wake_one(void **state UNUSED)
{
	enum { MANY = 30 };
	static struct job jobs[MANY];
	struct offload   *o[MANY];
	unsigned          done = 0;

	for (size_t i = 0; i < MANY; i++)
		assert_non_null(o[i] = offload_start(work, &jobs[i], discard, wake_fd));
	for (size_t i = 0; i < MANY; i++)
		atomic_store(&jobs[i].may_end, true);
	while (done < MANY) {
		await(wake_fd);
		for (size_t i = 0; i < MANY; i++)
			if (o[i] && offload_is_done(o[i])) {
				offload_end(o[i]);
				o[i] = NULL;
				done++;
			}
	}
	for (size_t i = 0; i < MANY; i++)
		assert_true(jobs[i].done && !jobs[i].discarded);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_loop_is_woken_when_it_is_done),
		TEST(what_nobody_waits_for_is_discarded_by_the_thread),
		TEST(an_end_at_the_same_moment_is_one_or_the_other),
		TEST(many_wake_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
