/* net/listen: what becomes of files where a socket should be; and net/address. */
#include "base/arena.h"
#include "base/clock.h"
#include "net/listen.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

enum { ERR_MAX_BYTES = 4096 };

struct setup {
	char            dir[32];
	char            path[48];
	struct conf     c;
	struct buf      err;
	struct listener l;
};

static int
set_up(void **state)
{
	struct setup *s = must_alloc(sizeof(*s));
	char          listen[64];

	snprintf(s->dir, sizeof(s->dir), "/tmp/test_listen.XXXXXX");
	if (!mkdtemp(s->dir))
		return -1;
	snprintf(s->path, sizeof(s->path), "%s/socket", s->dir);
	snprintf(listen, sizeof(listen), "unix:%s", s->path);
	conf_init(&s->c);
	buf_init(&s->err, ERR_MAX_BYTES);
	s->l.fd = -1;
	*state = s;
	return conf_set(&s->c, "listen", listen, &s->err) ? 0 : -1;
}

static int
tear_down(void **state)
{
	struct setup *s = *state;

	listener_close(&s->l);
	unlink(s->path);
	rmdir(s->dir);
	conf_fini(&s->c);
	buf_fini(&s->err);
	free(s);
	return 0;
}

static bool
err_has(const struct setup *s, const char *part)
{
	return memmem(s->err.ptr, s->err.len, part, strlen(part)) != NULL;
}

static void
socket_file_has_its_mode_from_the_first_moment(void **state)
{
	struct setup *s = *state;
	struct stat   st;
	mode_t        before = umask(0);

	assert_true(listener_open(&s->l, &s->c, &s->err));
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(umask(before), 0); /* left as it was */
}

static void
left_over_socket_is_replaced(void **state)
{
	struct setup *s = *state;

	assert_true(listener_open(&s->l, &s->c, &s->err));
	listener_close(&s->l); /* without removing the file, as a killed process */
	assert_int_equal(access(s->path, F_OK), 0);
	assert_true(listener_open(&s->l, &s->c, &s->err));
}

static void
foreign_listener_is_refused_and_left_alone(void **state)
{
	struct setup   *s = *state;
	struct listener second;

	assert_true(listener_open(&s->l, &s->c, &s->err));
	assert_false(listener_open(&second, &s->c, &s->err));
	assert_int_equal(second.fd, -1);
	assert_true(err_has(s, "is another socket of this service"));
	assert_int_equal(second.code, EXIT_CONFIG);
	assert_int_equal(access(s->path, F_OK), 0);
}

static void
file_that_is_no_socket_is_left_alone(void **state)
{
	struct setup *s = *state;
	FILE         *f = fopen(s->path, "we");

	assert_non_null(f);
	fclose(f);
	assert_false(listener_open(&s->l, &s->c, &s->err));
	assert_true(err_has(s, "is not a socket"));
	assert_int_equal(access(s->path, F_OK), 0);
}

static void
file_of_another_process_is_not_removed_at_the_end(void **state)
{
	struct setup   *s = *state;
	struct listener second;

	assert_true(listener_open(&s->l, &s->c, &s->err));
	unlink(s->path);
	assert_true(listener_open(&second, &s->c, &s->err));
	listener_remove_file(&s->l);
	assert_int_equal(access(s->path, F_OK), 0);
	listener_remove_file(&second);
	assert_int_equal(access(s->path, F_OK), -1);
	listener_close(&second);
}

/* Any user of this host can do this if he may read the folder. */
static void
lock_of_somebody_else_is_waited_for_only_for_a_while(void **state)
{
	struct setup *s = *state;
	int           fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t       begun_ms = clock_mono_ms();

	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_false(listener_open(&s->l, &s->c, &s->err));
	assert_in_range(clock_mono_ms() - begun_ms, 1000, 10000);
	assert_non_null(memmem(s->err.ptr, s->err.len, "holds a lock on the folder", 26));
	close(fd);
	assert_true(listener_open(&s->l, &s->c, &s->err));
}

static void
addresses_are_judged_before_they_are_used(void **state)
{
	static const struct {
		const char *listen;
		bool        ok;
	} cases[] = {
		{ "", true },
		{ "/run/x", true },
		{ "unix:/run/x", true },
		{ "127.0.0.1:9000", true },
		{ "[::1]:9000", true },
		{ "unix:relative", false },
		{ "unix:", false },
		{ "9000", false },
		{ ":9000", false },
		{ "::1:9000", false },
		{ "[::1]", false },
		{ "127.0.0.1:", false },
		{ "127.0.0.1:0", false },
		{ "127.0.0.1:http", false },
		{ "127.0.0.1:99999", false },
		{ "unix:/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/01234567", false },
	};
	struct setup *s = *state;

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		assert_true(conf_set(&s->c, "listen", cases[i].listen, &s->err));
		if (listener_check(&s->c, &s->err) != cases[i].ok)
			fail_msg("%s", cases[i].listen);
	}
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(socket_file_has_its_mode_from_the_first_moment),
		TEST(left_over_socket_is_replaced),
		TEST(foreign_listener_is_refused_and_left_alone),
		TEST(lock_of_somebody_else_is_waited_for_only_for_a_while),
		TEST(file_that_is_no_socket_is_left_alone),
		TEST(file_of_another_process_is_not_removed_at_the_end),
		TEST(addresses_are_judged_before_they_are_used),
	};

	return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
