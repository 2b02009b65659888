/* master/child: what each kind of child keeps, and that it keeps nothing else. */
#include "base/log.h"
#include "conf/conf.h"
#include "master/child.h"
#include "master/signals.h"
#include "shm/buckets.h"
#include "shm/requests.h"
#include "shm/stats.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { FDS_MAX = 1024, ENDS_WITHIN_MS = 10000 };

/* What a child found in itself, in memory that it shares with the test. */
struct finding {
	bool            open[FDS_MAX];
	struct heritage heritage;
	bool            board, shared, clerk; /* what of the scoreboard is mapped */
	int             dumpable, new_privileges;
	bool            term_blocked, term_caught;
};

static struct conf     conf;
static struct finding *found;
static bool            no_close_range;

int __real_close_range(unsigned first, unsigned last, int flags);
int __wrap_close_range(unsigned first, unsigned last, int flags);

/* As on a kernel before 5.9. */
int
__wrap_close_range(unsigned first, unsigned last, int flags)
{
	if (!no_close_range)
		return __real_close_range(first, last, flags);
	errno = ENOSYS;
	return -1;
}

static int
set_up(void **state UNUSED)
{
	log_init("test", LOG_LEVEL_ERROR);
	conf_init(&conf);
	found = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return found == MAP_FAILED;
}

static int
tear_down(void **state UNUSED)
{
	conf_fini(&conf);
	return munmap(found, sizeof(*found));
}

static void
look_at_descriptors(void)
{
	DIR                 *list = opendir("/proc/self/fd");
	const struct dirent *entry;

	while (list && (entry = readdir(list)) != NULL)
		found->open[atoi(entry->d_name)] = atoi(entry->d_name) != dirfd(list);
	closedir(list);
}

static NORETURN void
look(const struct heritage *h)
{
	struct sigaction term;
	sigset_t         mask;

	found->heritage = *h;
	found->board = h->stats->pool != NULL;
	found->shared = h->stats->shared != NULL;
	found->clerk = h->stats->clerk != NULL;
	look_at_descriptors();
	found->dumpable = prctl(PR_GET_DUMPABLE);
	found->new_privileges = !prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	sigaction(SIGTERM, NULL, &term);
	found->term_blocked = sigismember(&mask, SIGTERM);
	found->term_caught = term.sa_handler != SIG_DFL;
	_exit(0);
}

/* What the supervisor has when it forks: pipes for all names, and what it forgot to close. */
static void
prepare(struct heritage *h)
{
	static const int forgotten[] = { 3, 4, 100, 101, 333, FDS_MAX - 1 };
	int              ends[2];

	heritage_init(h);
	h->conf = &conf;
	for (size_t i = 0; i < COUNTOF(forgotten); i++)
		assert_int_equal(dup2(STDIN_FILENO, forgotten[i]), forgotten[i]);
	for (size_t i = 0; i < HERITAGE__FDS; i++) {
		assert_int_equal(pipe(ends), 0);
		/* Out of order, and with gaps between. */
		h->fd[i] = fcntl(ends[1], F_DUPFD, 10 + (int)(HERITAGE__FDS - i) * 20);
	}
	h->stats = stats_new(2);
	h->buckets = buckets_new();
	h->requests = requests_new(10);
}

static void
release(struct heritage *h)
{
	stats_free(h->stats);
	buckets_free(h->buckets);
	requests_free(h->requests);
	for (int fd = STDERR_FILENO + 1; fd < FDS_MAX; fd++)
		close(fd);
}

static void
fork_one(enum child_kind kind, struct heritage *h)
{
	pid_t pid;
	int   status;

	*found = (struct finding) { 0 };
	pid = child_fork(kind, h);
	if (pid == 0)
		look(h);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static const struct {
	bool fds[HERITAGE__FDS];
	bool board, shared, clerk, buckets, requests, signals_of_the_system;
} expected[CHILD__COUNT] = {
	[CHILD_WORKER] = {
		.fds = { [HERITAGE_LISTEN] = true, [HERITAGE_LIFELINE] = true, [HERITAGE_READY] = true },
		.shared = true,
		.buckets = true,
		.requests = true,
	},
	[CHILD_ADMIN] = {
		.fds = { [HERITAGE_ADMIN] = true, [HERITAGE_METRICS] = true, [HERITAGE_LIFELINE] = true,
		    [HERITAGE_COMMAND] = true },
		.board = true,
		.shared = true,
		.clerk = true,
	},
	[CHILD_CLERK] = {
		.fds = { [HERITAGE_LIFELINE] = true },
		.clerk = true,
	},
	[CHILD_CHECK] = {
		.fds = { [HERITAGE_RESULT] = true },
		.signals_of_the_system = true,
	},
	[CHILD_REHEARSAL] = {
		.fds = { [HERITAGE_LISTEN] = true, [HERITAGE_RESULT] = true },
		.signals_of_the_system = true,
	},
};

static void
each_kind_keeps_what_its_row_names_and_nothing_else(void **state UNUSED)
{
	struct heritage h, all;

	prepare(&h);
	all = h;
	for (int kind = 0; kind < CHILD__COUNT; kind++) {
		for (int without = 0; without < 2; without++) {
			bool open[FDS_MAX] = { true, true, true };

			no_close_range = without;
			fork_one((enum child_kind)kind, &h);
			if (log_fd() != -1) /* standard error is a pipe */
				open[log_fd()] = true;
			for (size_t i = 0; i < HERITAGE__FDS; i++) {
				assert_int_equal(found->heritage.fd[i], expected[kind].fds[i] ? all.fd[i] : -1);
				open[all.fd[i]] = expected[kind].fds[i];
			}
			for (int fd = 0; fd < FDS_MAX; fd++)
				if (found->open[fd] != open[fd])
					fail_msg("child %d: descriptor %d is %s", kind, fd, open[fd] ? "closed" : "open");
			assert_int_equal(found->heritage.buckets != NULL, expected[kind].buckets);
			assert_int_equal(found->heritage.requests != NULL, expected[kind].requests);
			assert_int_equal(found->board, expected[kind].board);
			assert_int_equal(found->shared, expected[kind].shared);
			assert_int_equal(found->clerk, expected[kind].clerk);
		}
	}
	assert_memory_equal(&h, &all, sizeof(h)); /* the supervisor's own is as it was */
	release(&h);
}

static void
the_log_stays_open(void **state UNUSED)
{
	struct heritage h;
	struct buf      err;
	char            path[] = "/tmp/test_child.XXXXXX";

	prepare(&h);
	buf_init(&err, 256);
	assert_int_not_equal(mkstemp(path), -1);
	assert_true(log_open(path, LOG_FORMAT_TEXT, &err));
	assert_true(log_fd() > STDERR_FILENO);
	fork_one(CHILD_CHECK, &h);
	assert_true(found->open[log_fd()]);
	assert_true(log_open("stderr", LOG_FORMAT_TEXT, &err));
	buf_fini(&err);
	unlink(path);
	release(&h);
}

static void
all_of_them_are_hardened_also_when_the_supervisor_is_not(void **state UNUSED)
{
	struct heritage h;

	prepare(&h);
	prctl(PR_SET_DUMPABLE, 1); /* as after a change of user */
	for (int kind = 0; kind < CHILD__COUNT; kind++) {
		fork_one((enum child_kind)kind, &h);
		assert_int_equal(found->dumpable, 0);
		assert_int_equal(found->new_privileges, 0);
	}
	release(&h);
}

static void
signals_stay_blocked_or_are_as_the_system_has_them(void **state UNUSED)
{
	static const int numbers[] = { SIGTERM, SIGCHLD };
	struct heritage  h;
	sigset_t         before, while_waiting;

	prepare(&h);
	sigprocmask(SIG_SETMASK, NULL, &before);
	signals_take(numbers, COUNTOF(numbers), &while_waiting);
	for (int kind = 0; kind < CHILD__COUNT; kind++) {
		fork_one((enum child_kind)kind, &h);
		assert_int_equal(found->term_blocked, !expected[kind].signals_of_the_system);
		assert_int_equal(found->term_caught, !expected[kind].signals_of_the_system);
	}
	signals_restore();
	sigprocmask(SIG_SETMASK, &before, NULL);
	release(&h);
}

/* One that does not watch the lifeline has its end of a pipe open for as long as it lives. */
static void
none_outlives_the_supervisor(void **state UNUSED)
{
	static const struct {
		enum child_kind  kind;
		enum heritage_fd keeps;
	} orphans[] = { { CHILD_CHECK, HERITAGE_RESULT }, { CHILD_REHEARSAL, HERITAGE_LISTEN } };

	for (size_t i = 0; i < COUNTOF(orphans); i++) {
		struct heritage h;
		struct pollfd   wait = { .events = POLLIN };
		int             ends[2];
		char            byte;
		pid_t           supervisor;

		heritage_init(&h);
		h.conf = &conf;
		assert_int_equal(pipe(ends), 0);
		supervisor = fork();
		if (supervisor == 0) {
			h.stats = stats_new(1);
			h.buckets = buckets_new();
			h.fd[orphans[i].keeps] = ends[1];
			if (child_fork(orphans[i].kind, &h) == 0) {
				alarm(ENDS_WITHIN_MS / 1000 * 2);
				for (;;)
					if (write(h.fd[orphans[i].keeps], "x", 1) == 1)
						pause();
			}
			close(ends[1]);
			_exit(read(ends[0], &byte, 1) != 1); /* it is there by now */
		}
		close(ends[1]);
		assert_int_equal(waitpid(supervisor, NULL, 0), supervisor);
		wait.fd = ends[0];
		assert_int_equal(poll(&wait, 1, ENDS_WITHIN_MS), 1);
		assert_int_equal(read(ends[0], &byte, 1), 0);
		close(ends[0]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_keeps_what_its_row_names_and_nothing_else),
		cmocka_unit_test(the_log_stays_open),
		cmocka_unit_test(all_of_them_are_hardened_also_when_the_supervisor_is_not),
		cmocka_unit_test(signals_stay_blocked_or_are_as_the_system_has_them),
		cmocka_unit_test(none_outlives_the_supervisor),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
