/* base/poller: what becomes of epoll's words, and for how long it waits. */
#include "base/poller.h"
#include "base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

static int           poller, ends[2];
static struct source source = { 7 };

static struct poller_event events[POLLER_EVENTS_MAX];

static int
set_up(void **state UNUSED)
{
	poller = poller_new();
	return poller == -1 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == -1 ? -1 : 0;
}

static int
tear_down(void **state UNUSED)
{
	close(poller);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* What there is now; 0: nothing. */
static unsigned
now(void)
{
	size_t n = poller_wait(poller, events, 0);

	assert_true(n <= 1);
	if (n == 0)
		return 0;
	assert_ptr_equal(events[0].source, &source);
	assert_int_equal(events[0].source->kind, 7);
	return events[0].is;
}

static void
put(const char *byte)
{
	assert_int_equal(write(ends[1], byte, 1), 1);
}

static void
take(void)
{
	char byte;

	assert_int_equal(read(ends[0], &byte, 1), 1);
}

static void
what_is_ready_is_told_each_time(void **state UNUSED)
{
	assert_true(poller_add(poller, ends[0], &source, POLLER_READ));
	assert_int_equal(now(), 0);
	put("a");
	assert_int_equal(now(), POLLER_READ);
	assert_int_equal(now(), POLLER_READ);
	take();
	assert_int_equal(now(), 0);
	assert_true(poller_change(poller, ends[0], &source, POLLER_READ | POLLER_WRITE));
	assert_int_equal(now(), POLLER_WRITE);
	put("b");
	assert_int_equal(now(), POLLER_READ | POLLER_WRITE);
	poller_remove(poller, ends[0]);
	assert_int_equal(now(), 0);
}

static void
with_edges_each_change_is_told_once(void **state UNUSED)
{
	assert_true(poller_add(poller, ends[0], &source, POLLER_READ | POLLER_LEFT | POLLER_EDGE));
	put("a");
	assert_int_equal(now(), POLLER_READ);
	assert_int_equal(now(), 0);
	put("b");
	assert_int_equal(now(), POLLER_READ);
	shutdown(ends[1], SHUT_WR);
	assert_int_equal(now(), POLLER_READ | POLLER_LEFT);
	assert_int_equal(now(), 0);
	close(ends[1]);
	ends[1] = -1;
	assert_true(now() & POLLER_ENDED);
}

static void
mistakes_are_told(void **state UNUSED)
{
	int closed = dup(ends[0]);

	close(closed);
	assert_false(poller_add(poller, closed, &source, POLLER_READ));
	assert_int_equal(errno, EBADF);
	assert_false(poller_change(poller, ends[0], &source, POLLER_READ));
	assert_int_equal(errno, ENOENT);
	poller_remove(poller, ends[0]); /* nothing to be done */
	assert_true(poller_add(poller, ends[0], &source, POLLER_READ | POLLER_EXCLUSIVE));
	assert_false(poller_add(poller, ends[0], &source, POLLER_READ));
	assert_int_equal(errno, EEXIST);
	/* Waiting itself cannot fail: then nothing has happened. */
	close(poller);
	assert_int_equal(poller_wait(poller, events, -1), 0);
	poller = poller_new();
}

static void
it_waits_for_so_long(void **state UNUSED)
{
	const struct itimerspec soon = { .it_value = { .tv_nsec = 20 * 1000 * 1000 } };
	int64_t                 begun_us = clock_mono_us(), us;
	int                     timer;

	assert_int_equal(poller_wait(poller, events, 20), 0);
	us = clock_mono_us() - begun_us;
	assert_in_range(us, 19000, 10 * 1000 * 1000);
	/* An event ends it, however long it may last. */
	assert_true(poller_add(poller, ends[0], &source, POLLER_READ));
	put("a");
	assert_int_equal(poller_wait(poller, events, -1), 1);
	assert_int_equal(poller_wait(poller, events, INT64_MAX - 1), 1);
	take();
	poller_remove(poller, ends[0]);
	/* More than the system can wait is as long as it can. */
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	assert_int_equal(timerfd_settime(timer, 0, &soon, NULL), 0);
	assert_true(poller_add(poller, timer, &source, POLLER_READ));
	assert_int_equal(poller_wait(poller, events, INT64_C(1) << 32), 1);
	close(timer);
}

static void
as_many_as_there_is_room_for_and_the_others_next(void **state UNUSED)
{
	enum { MANY = POLLER_EVENTS_MAX + 20 };
	static struct source sources[MANY];
	static int           fds[MANY];
	unsigned             seen = 0;

	for (size_t i = 0; i < MANY; i++) {
		sources[i].kind = 0;
		fds[i] = dup(ends[0]);
		assert_true(poller_add(poller, fds[i], &sources[i], POLLER_WRITE | POLLER_EDGE));
	}
	for (size_t n; (n = poller_wait(poller, events, 0)) > 0;)
		for (size_t i = 0; i < n; i++) {
			events[i].source->kind++;
			seen++;
		}
	assert_int_equal(seen, MANY);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(sources[i].kind, 1);
		close(fds[i]);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_is_ready_is_told_each_time),
		TEST(with_edges_each_change_is_told_once),
		TEST(mistakes_are_told),
		TEST(it_waits_for_so_long),
		TEST(as_many_as_there_is_room_for_and_the_others_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
