/* base/errand: work that a fiber waits for while the loop goes on. */
#include "base/errand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 20000, KIND = 7 };

struct asked {
	struct errands *errands;
	_Atomic(bool)   may_end;
	pid_t           thread;
	bool            ran, done;
};

static void
work(void *with)
{
	struct asked *a = with;

	while (!a->may_end)
		usleep(100);
	a->thread = gettid();
}

static void
ask(void *with)
{
	struct asked *a = with;

	a->done = errand_run(a->errands, work, a);
	a->ran = true;
}

static void
pump(int poller, struct errands *e)
{
	struct poller_event events[POLLER_EVENTS_MAX];

	assert_int_equal(poller_wait(poller, events, PATIENCE_MS), 1);
	assert_int_equal(events[0].source->kind, KIND);
	errands_event(e);
}

static void
a_fiber_waits_and_the_loop_goes_on(void **state UNUSED)
{
	struct errands e;
	int            poller = poller_new();
	struct asked   a = { &e };
	struct fiber  *f = fiber_new(ask, &a);

	assert_true(errands_init(&e, poller, KIND));
	fiber_resume(f);
	assert_false(a.ran); /* and yet we are here */
	a.may_end = true;
	while (!a.ran)
		pump(poller, &e);
	assert_true(a.done);
	assert_true(fiber_has_ended(f));
	assert_int_not_equal(a.thread, gettid());
	fiber_free(f);
	errands_fini(&e);
	close(poller);
}

static void
so_many_are_under_way_and_no_more(void **state UNUSED)
{
	struct errands e;
	int            poller = poller_new();
	struct asked   a[ERRANDS_MAX + 1];
	struct fiber  *f[ERRANDS_MAX + 1];

	assert_true(errands_init(&e, poller, KIND));
	for (size_t i = 0; i <= ERRANDS_MAX; i++) {
		a[i] = (struct asked) { &e };
		f[i] = fiber_new(ask, &a[i]);
		fiber_resume(f[i]);
	}
	assert_true(a[ERRANDS_MAX].ran);
	assert_false(a[ERRANDS_MAX].done);
	fiber_free(f[ERRANDS_MAX]);
	a[0].may_end = true;
	while (!a[0].ran)
		pump(poller, &e);
	f[ERRANDS_MAX] = fiber_new(ask, &a[ERRANDS_MAX]); /* there is a place again */
	a[ERRANDS_MAX] = (struct asked) { &e, .may_end = true };
	fiber_resume(f[ERRANDS_MAX]);
	for (size_t i = 1; i <= ERRANDS_MAX; i++)
		a[i].may_end = true;
	for (size_t i = 0; i <= ERRANDS_MAX; i++) {
		while (!a[i].ran)
			pump(poller, &e);
		assert_true(a[i].done);
		fiber_free(f[i]);
	}
	errands_fini(&e);
	close(poller);
}

static void
whoever_is_no_fiber_does_it_himself(void **state UNUSED)
{
	struct errands e;
	int            poller = poller_new();
	struct asked   a = { NULL, .may_end = true };

	ask(&a);
	assert_true(a.done);
	assert_int_equal(a.thread, gettid());
	assert_true(errands_init(&e, poller, KIND));
	a = (struct asked) { &e, .may_end = true };
	ask(&a);
	assert_true(a.done);
	assert_int_equal(a.thread, gettid());
	errands_fini(&e);
	close(poller);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fiber_waits_and_the_loop_goes_on),
		cmocka_unit_test(so_many_are_under_way_and_no_more),
		cmocka_unit_test(whoever_is_no_fiber_does_it_himself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
