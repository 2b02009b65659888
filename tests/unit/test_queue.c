/* net/queue: what the kernel says of a listening socket, and when requests are refused because of it. */
#include "base/log.h"
#include "base/peer.h"
#include "net/queue.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { LIMIT = 10, PERCENT = 80 };

/* A listening socket and those that connect to it. */
struct setup {
	struct stats_shared shared;
	struct queue        queue;
	int                 listen_fd;
	int                 client[LIMIT + 2];
	size_t              clients;
	union {
		struct sockaddr    any;
		struct sockaddr_un un;
		struct sockaddr_in in;
	} address;
	socklen_t length;
};

static void
begin(struct setup *s, int family)
{
	*s = (struct setup) { .length = sizeof(s->address.un) };
	atomic_store(&s->shared.queue_length, -1);
	s->address.any.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		s->address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		s->length = sizeof(s->address.in);
	} else
		snprintf(s->address.un.sun_path + 1, sizeof(s->address.un.sun_path) - 1, "clientele-test-%d", (int)getpid());
	s->listen_fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(s->listen_fd, &s->address.any, s->length), 0);
	assert_int_equal(listen(s->listen_fd, LIMIT), 0);
	assert_int_equal(getsockname(s->listen_fd, &s->address.any, &s->length), 0);
	queue_init(&s->queue, s->listen_fd, &s->shared);
}

static void
end(struct setup *s)
{
	for (size_t i = 0; i < s->clients; i++)
		close(s->client[i]);
	close(s->listen_fd);
	queue_fini(&s->queue);
}

static void
grow_to(struct setup *s, int64_t length)
{
	int64_t now = -1, limit = -1;

	while (queue_ask(&s->queue, &now, &limit) && now < length) {
		int fd = socket(s->address.any.sa_family, SOCK_STREAM, 0);

		assert_int_equal(connect(fd, &s->address.any, s->length), 0);
		assert_true(s->clients < COUNTOF(s->client));
		s->client[s->clients++] = fd;
	}
	assert_int_equal(now, length);
	assert_int_equal(limit, LIMIT);
}

static void
shrink_to(struct setup *s, int64_t length)
{
	int64_t now = -1, limit = -1;

	while (queue_ask(&s->queue, &now, &limit) && now > length)
		close(accept(s->listen_fd, NULL, NULL));
	assert_int_equal(now, length);
}

static void
length_and_limit_are_told(void **state UNUSED)
{
	static const int families[] = { AF_UNIX, AF_INET };
	struct setup     s;

	for (size_t i = 0; i < COUNTOF(families); i++) {
		begin(&s, families[i]);
		for (int64_t length = 0; length <= LIMIT; length += 5)
			grow_to(&s, length);
		shrink_to(&s, 3);
		assert_int_equal(queue_tick(&s.queue, PERCENT), 100); /* ms, as long as somebody waits */
		assert_int_equal(atomic_load(&s.shared.queue_length), 3);
		assert_int_equal(atomic_load(&s.shared.queue_limit), LIMIT);
		atomic_store(&s.shared.looked_ms, 0);
		shrink_to(&s, 0);
		assert_true(queue_tick(&s.queue, PERCENT) == INT64_MAX);
		assert_int_equal(atomic_load(&s.shared.queue_length), 0);
		assert_int_equal(atomic_load(&s.shared.queue_peak), 3);
		end(&s);
	}
}

static void
another_socket_of_the_same_number_is_not_taken_for_it(void **state UNUSED)
{
	struct setup s;
	int64_t      length = 7, limit = 7;

	begin(&s, AF_UNIX);
	s.queue.cookie[0]++;
	assert_false(queue_ask(&s.queue, &length, &limit));
	assert_int_equal(length, 7);
	assert_int_equal(atomic_load(&s.shared.logged_silent), 1);
	assert_int_equal(s.queue.netlink_fd, -1);
	/* And the kernel is not asked again. */
	s.queue.cookie[0]--;
	assert_false(queue_ask(&s.queue, &length, &limit));
	assert_true(queue_tick(&s.queue, PERCENT) == INT64_MAX);
	assert_false(queue_sheds(&s.queue, PERCENT, true));
	assert_int_equal(atomic_load(&s.shared.queue_length), -1);
	end(&s);
}

/* As if the last look had been long ago. */
static bool
sheds(struct setup *s, int64_t percent, bool waited)
{
	atomic_store(&s->shared.looked_ms, 0);
	return queue_sheds(&s->queue, percent, waited);
}

static void
refusing_begins_at_the_threshold_and_ends_at_half_of_it(void **state UNUSED)
{
	struct setup s;

	begin(&s, AF_UNIX);
	assert_false(sheds(&s, PERCENT, true));
	grow_to(&s, 7);
	assert_false(sheds(&s, PERCENT, true));
	grow_to(&s, 8);
	assert_false(sheds(&s, 0, true));
	assert_false(sheds(&s, PERCENT, false)); /* a request that has not waited is no reason to look */
	assert_true(sheds(&s, PERCENT, true));
	assert_true(sheds(&s, PERCENT, false)); /* but once the queue is nearly full, it is refused too */
	shrink_to(&s, 5);
	assert_true(sheds(&s, PERCENT, true));
	shrink_to(&s, 4);
	assert_false(sheds(&s, PERCENT, true));
	grow_to(&s, 7);
	assert_false(sheds(&s, PERCENT, true));
	assert_int_equal(atomic_load(&s.shared.shed_requests), 3);
	assert_int_equal(atomic_load(&s.shared.queue_peak), 8);
	end(&s);
}

static void
an_empty_queue_is_never_full(void **state UNUSED)
{
	struct setup s;

	begin(&s, AF_UNIX);
	assert_int_equal(listen(s.listen_fd, 0), 0);
	assert_false(sheds(&s, 1, true));
	end(&s);
}

static void
one_of_all_has_the_turn(void **state UNUSED)
{
	_Atomic(int64_t) last = 0;

	assert_true(queue_turn(&last, 100000));
	assert_false(queue_turn(&last, 100000));
	assert_true(queue_turn(&last, 0));
	/* Whatever a compromised worker leaves there, the others still look. */
	atomic_store(&last, INT64_MAX);
	assert_true(queue_turn(&last, 100000));
	atomic_store(&last, INT64_MIN);
	assert_true(queue_turn(&last, 100000));
}

static void
peers_of_this_host_are_known(void **state UNUSED)
{
	struct sockaddr_storage unix_peer = { .ss_family = AF_UNIX };
	struct sockaddr_in      v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f010203) };
	struct sockaddr_in6     v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	static const unsigned char mapped[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1 };
	struct sockaddr_storage s = { 0 };
	struct peer             p;

	peer_init(&p, 5, &unix_peer);
	assert_true(p.fd == 5 && p.same_host && p.leaves == 0);
	memcpy(&s, &v4, sizeof(v4));
	peer_init(&p, 5, &s);
	assert_true(p.same_host && p.leaves == POLLRDHUP);
	v4.sin_addr.s_addr = htonl(0x0a000001);
	memcpy(&s, &v4, sizeof(v4));
	peer_init(&p, 5, &s);
	assert_true(!p.same_host && p.leaves == POLLRDHUP);
	memcpy(&s, &v6, sizeof(v6));
	peer_init(&p, 5, &s);
	assert_true(p.same_host);
	memcpy(&v6.sin6_addr, mapped, sizeof(mapped));
	memcpy(&s, &v6, sizeof(v6));
	peer_init(&p, 5, &s);
	assert_true(p.same_host);
	v6.sin6_addr.s6_addr[12] = 126;
	memcpy(&s, &v6, sizeof(v6));
	peer_init(&p, 5, &s);
	assert_false(p.same_host);
}

static void
a_peer_that_only_stops_sending_has_not_left(void **state UNUSED)
{
	struct sockaddr_storage address = { .ss_family = AF_UNIX };
	struct peer             p;
	int                     ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	peer_init(&p, ends[0], &address);
	assert_false(peer_has_left(&p));
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(shutdown(ends[1], SHUT_WR), 0);
	assert_false(peer_has_left(&p));
	close(ends[1]);
	assert_true(peer_has_left(&p)); /* although there is something to read */
	assert_false(peer_has_left(NULL));
	close(ends[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(length_and_limit_are_told),
		cmocka_unit_test(another_socket_of_the_same_number_is_not_taken_for_it),
		cmocka_unit_test(refusing_begins_at_the_threshold_and_ends_at_half_of_it),
		cmocka_unit_test(an_empty_queue_is_never_full),
		cmocka_unit_test(one_of_all_has_the_turn),
		cmocka_unit_test(peers_of_this_host_are_known),
		cmocka_unit_test(a_peer_that_only_stops_sending_has_not_left),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
