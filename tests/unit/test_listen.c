/* net/listen: who may connect, and what becomes of files where a socket should be. */
#include "base/arena.h"
#include "net/listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { ERR_MAX_BYTES = 4096 };

static struct sockaddr_storage
peer(const char *text)
{
	struct sockaddr_storage s = { .ss_family = AF_UNIX };
	struct sockaddr_in     *v4 = (struct sockaddr_in *)&s;
	struct sockaddr_in6    *v6 = (struct sockaddr_in6 *)&s;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
		s.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
		s.ss_family = AF_INET6;
	return s;
}

static void
peers_are_matched_against_the_list(void **state UNUSED)
{
	static const struct {
		const char *list, *peer;
		bool        allowed;
	} cases[] = {
		{ "127.0.0.1, ::1", "127.0.0.1", true },
		{ "127.0.0.1, ::1", "::1", true },
		{ "127.0.0.1, ::1", "127.0.0.2", false },
		{ "127.0.0.1", "::ffff:127.0.0.1", true },
		{ "::ffff:127.0.0.1", "127.0.0.1", true },
		{ "127.0.0.1", "::1", false },
		{ "", "127.0.0.1", false },
		{ " , ,", "127.0.0.1", false },
		{ "10.0.0.0/8", "10.255.255.255", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.0.0.1/8", "10.9.9.9", true },
		{ "192.168.4.0/22", "192.168.7.255", true },
		{ "192.168.4.0/22", "192.168.8.0", false },
		{ "192.168.4.7/32", "192.168.4.7", true },
		{ "192.168.4.7/32", "192.168.4.6", false },
		{ "0.0.0.0/0", "8.8.8.8", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "8.8.8.8", true },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "", "a unix socket", true },
	};

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct sockaddr_storage from = peer(cases[i].peer);
		struct allow            a;
		struct buf              err;

		buf_init(&err, ERR_MAX_BYTES);
		assert_true(allow_parse(cases[i].list, &a, &err));
		if (allow_has(&a, &from) != cases[i].allowed)
			fail_msg("%s in %s", cases[i].peer, cases[i].list);
		buf_fini(&err);
	}
}

static void
peers_of_other_families_are_refused(void **state UNUSED)
{
	struct sockaddr_storage from = { .ss_family = AF_APPLETALK };
	struct allow            a = { .n = 1 };

	assert_false(allow_has(&a, &from));
}

static void
lists_that_cannot_be_read_are_refused(void **state UNUSED)
{
	static const char *const lists[] = { "localhost", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/-1", "/8", "::1/129",
		"1.2.3.4 5.6.7.8", "1.2.3.4/8/8", "[::1]", "1.2.3.4:80",
		"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111" };
	char many[65 * 4 + 1] = "", lengthy[ERR_MAX_BYTES + 1];

	for (size_t i = 0; i < COUNTOF(lists); i++) {
		struct allow a = { .n = 42 };
		struct buf   err;

		buf_init(&err, ERR_MAX_BYTES);
		if (allow_parse(lists[i], &a, &err) || err.len == 0)
			fail_msg("%s", lists[i]);
		assert_int_equal(a.n, 42);
		buf_fini(&err);
	}
	for (size_t i = 0; i < 65; i++)
		memcpy(many + i * 4, "::1,", 5);
	struct allow a;
	struct buf   err;
	buf_init(&err, ERR_MAX_BYTES);
	assert_false(allow_parse(many, &a, &err));
	buf_fini(&err);
	memset(lengthy, 'x', sizeof(lengthy) - 1);
	lengthy[sizeof(lengthy) - 1] = '\0';
	buf_init(&err, ERR_MAX_BYTES);
	assert_false(allow_parse(lengthy, &a, &err));
	assert_true(err.len > 0); /* it is told, as far as there is room */
	buf_fini(&err);
}

/* ---- sockets */

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
	assert_true(err_has(s, "another process answers"));
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
		cmocka_unit_test(peers_are_matched_against_the_list),
		cmocka_unit_test(peers_of_other_families_are_refused),
		cmocka_unit_test(lists_that_cannot_be_read_are_refused),
		TEST(socket_file_has_its_mode_from_the_first_moment),
		TEST(left_over_socket_is_replaced),
		TEST(foreign_listener_is_refused_and_left_alone),
		TEST(file_that_is_no_socket_is_left_alone),
		TEST(file_of_another_process_is_not_removed_at_the_end),
		TEST(addresses_are_judged_before_they_are_used),
	};

	return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
