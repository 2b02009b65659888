/* net/allow: who may connect. */
#include "net/allow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

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
	assert_true(err.len > 0); /* the message, cut off where its room ends */
	buf_fini(&err);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peers_are_matched_against_the_list),
		cmocka_unit_test(peers_of_other_families_are_refused),
		cmocka_unit_test(lists_that_cannot_be_read_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
