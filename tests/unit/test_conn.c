/* fcgi/conn: what is taken from a connection and what is put into it, through a socket pair. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/limits.h"
#include "fcgi/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* AddressSanitizer needs far more memory for itself than a test may allow. */
#ifdef __has_feature
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum {
	BODY_MAX_BYTES = 20000, /* more than is looked at in the socket */
	MORE_MAX_BYTES = 300000, /* of some requests */
	TIMEOUT_MS = 60000,     /* time passes by what conn_late() is told */
	FIRST_BYTES_MS = 1000,
	SILENT_MS = 100,
	WIRE_MAX_BYTES = 4 * 1024 * 1024,
};

struct setup {
	struct fcgi    *f;
	struct conn     conn;
	struct arena    arena;
	struct request  req;
	struct response res;
	int             front; /* our end, as the front server */
	struct buf      wire;  /* a request */
	struct buf      got;   /* an answer */
};

static struct setup one; /* libfcgi is initialised once in a process */

static bool
takes_more(const struct request *req)
{
	return req->method == METHOD_PUT && str_is(req->uri, "/more");
}

static int
open_all(void **state)
{
	one.f = fcgi_new(&(struct fcgi_bodies) { BODY_MAX_BYTES, takes_more, MORE_MAX_BYTES }, TIMEOUT_MS);
	arena_init(&one.arena);
	response_init(&one.res);
	buf_init(&one.wire, WIRE_MAX_BYTES);
	buf_init(&one.got, WIRE_MAX_BYTES);
	*state = &one;
	return one.f ? 0 : -1;
}

static int
close_all(void **state UNUSED)
{
	fcgi_free(one.f);
	arena_fini(&one.arena);
	response_fini(&one.res);
	buf_fini(&one.wire);
	buf_fini(&one.got);
	return 0;
}

/* ---- the front server */

static void
record(struct buf *b, unsigned char type, struct str content)
{
	unsigned char head[8] = { 1, type, 0, 1, (unsigned char)(content.len >> 8), (unsigned char)content.len, 0, 0 };

	buf_add(b, (const char *)head, sizeof(head));
	buf_str(b, content);
}

static void
pair(struct buf *b, const char *name, const char *value)
{
	char lengths[2] = { (char)strlen(name), (char)strlen(value) };

	buf_add(b, lengths, sizeof(lengths));
	buf_fmt(b, "%s%s", name, value);
}

/* A request in s->wire, made of NAME, VALUE, ..., NULL and a body. */
static void
make_request(struct setup *s, bool keep, struct str body, const char *const *params)
{
	struct buf pairs;
	const char begin[8] = { 0, 1, (char)keep };

	buf_init(&pairs, WIRE_MAX_BYTES);
	buf_reset(&s->wire, SIZE_MAX);
	for (; params[0]; params += 2)
		pair(&pairs, params[0], params[1]);
	record(&s->wire, 1, (struct str) { begin, sizeof(begin) });
	record(&s->wire, 4, buf_view(&pairs));
	record(&s->wire, 4, STR(""));
	for (size_t step; body.len; body = (struct str) { body.ptr + step, body.len - step }) {
		step = body.len < 32768 ? body.len : 32768;
		record(&s->wire, 5, (struct str) { body.ptr, step });
	}
	record(&s->wire, 5, STR(""));
	buf_fini(&pairs);
}

static const char *const plain[] = { "REQUEST_METHOD", "GET", "REQUEST_URI", "/", NULL, NULL };

static void
open_one(struct setup *s, int type)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, type, 0, ends), 0);
	s->front = ends[0];
	conn_open(&s->conn, s->f, &(struct peer) { .fd = ends[1] });
}

static void
send_bytes(struct setup *s, struct str bytes)
{
	if (bytes.len)
		assert_int_equal(send(s->front, bytes.ptr, bytes.len, MSG_NOSIGNAL), bytes.len);
}

static enum conn_read
read_one(struct setup *s)
{
	s->req.arena = &s->arena;
	return conn_read(&s->conn, &s->req);
}

/* Sends a request as a whole on a new connection, and reads it at the other end. */
static enum conn_read
send_request(struct setup *s, struct str body, const char *const *params)
{
	make_request(s, false, body, params);
	open_one(s, SOCK_STREAM);
	send_bytes(s, buf_view(&s->wire));
	return read_one(s);
}

/* Sends these bytes, and nothing more, and reads at the other end. */
static enum conn_read
send_all(struct setup *s, struct str bytes, bool ends)
{
	open_one(s, SOCK_STREAM);
	send_bytes(s, bytes);
	if (ends)
		assert_int_equal(shutdown(s->front, SHUT_WR), 0);
	return read_one(s);
}

/* What has come back, records and all; the other end goes on when it can, as a loop has it do. */
static struct str
received(struct setup *s)
{
	ssize_t n;

	buf_reset(&s->got, SIZE_MAX);
	do {
		char *room = buf_room(&s->got, 65536);

		if (s->conn.state == CONN_WRITING)
			conn_go_on(&s->conn);
		n = recv(s->front, room, 65536, MSG_DONTWAIT);
		if (n > 0)
			s->got.len += (size_t)n;
	} while (n > 0 || s->conn.state == CONN_WRITING);
	return buf_view(&s->got);
}

static bool
is_closed(int fd)
{
	return fcntl(fd, F_GETFD) == -1 && errno == EBADF;
}

/* The front server closes its end, and the connection is over without a rest. */
static void
end(struct setup *s)
{
	close(s->front);
	if (s->conn.state == CONN_ENDING)
		conn_go_on(&s->conn);
	else if (s->conn.state != CONN_CLOSED)
		conn_close(&s->conn);
	assert_int_equal(s->conn.state, CONN_CLOSED);
	assert_true(is_closed(s->conn.peer.fd));
	conn_fini(&s->conn);
	arena_reset(&s->arena);
	response_reset(&s->res);
}

static void
answer(struct setup *s, int status, struct str body, bool keep)
{
	s->res.status = status;
	buf_str(&s->res.body, body);
	conn_answer(&s->conn, &s->res, keep);
	response_reset(&s->res);
	arena_reset(&s->arena);
}

static bool
contains(struct str text, const char *part)
{
	return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

/* ---- requests */

static void
request_is_taken_as_sent(void **state)
{
	struct setup            *s = *state;
	static const char *const params[] = { "REQUEST_METHOD", "PATCH", "REQUEST_URI", "/a%20b?c=d", "CONTENT_LENGTH", "2",
		"HTTP_X_API_KEY", "first", "HTTP_X_API_KEY", "second", "HTTP_IDEMPOTENCY_KEY", "", "HTTP_COOKIE", "x", NULL, NULL };

	assert_int_equal(send_request(s, STR("{}"), params), CONN_REQUEST);
	assert_int_equal(s->conn.state, CONN_RUNNING);
	assert_int_equal(s->req.method, METHOD_PATCH);
	assert_true(str_is(s->req.uri, "/a%20b?c=d"));
	assert_true(str_is(s->req.body, "{}"));
	assert_true(str_is(s->req.header[HEADER_API_KEY], "first"));
	assert_int_equal(s->req.header_count[HEADER_API_KEY], 2);
	assert_non_null(s->req.header[HEADER_IDEMPOTENCY_KEY].ptr); /* empty, but sent */
	assert_null(s->req.header[HEADER_VERSION].ptr);
	assert_int_equal(s->req.header_count[HEADER_VERSION], 0);
	assert_false(conn_late(&s->conn, INT64_MAX - 1)); /* how long it runs is the caller's */
	answer(s, 200, STR("{}"), true);
	assert_int_equal(s->conn.state, CONN_CLOSED); /* nobody has asked to keep it */
	assert_true(contains(received(s), "Status: 200 OK"));
	end(s);
}

static void
waiting_is_taken_from_the_front_server_alone(void **state)
{
	struct setup *s = *state;
	char          start[32];
	const char   *params[] = { "REQUEST_METHOD", "GET", "REQUEST_URI", "/", "HTTP_REQUEST_START", start, NULL, NULL, NULL };

	snprintf(start, sizeof(start), "%lld", (long long)clock_wall_ms() - 5000);
	assert_int_equal(send_request(s, STR(""), params), CONN_REQUEST);
	assert_int_equal(s->req.queue_us, -1);
	conn_close(&s->conn);
	assert_int_equal(received(s).len, 0);
	end(s);
	params[6] = "REQUEST_START";
	params[7] = start;
	assert_int_equal(send_request(s, STR(""), params), CONN_REQUEST);
	assert_in_range(s->req.queue_us, 5000000, 60000000);
	assert_ptr_equal(s->req.peer, &s->conn.peer);
	conn_close(&s->conn);
	assert_int_equal(received(s).len, 0);
	end(s);
}

/* A request with a body that is looked at whole in the socket, and one that is too long for that. */
static size_t
make_upload(struct setup *s, bool keep, size_t bytes)
{
	static char body[BODY_MAX_BYTES + 1];
	char        length[16];
	const char *params[] = { "REQUEST_METHOD", "PUT", "REQUEST_URI", "/some/where", "CONTENT_LENGTH", length,
		"HTTP_X_API_KEY", "key", NULL, NULL };

	for (size_t i = 0; i < bytes; i++)
		body[i] = (char)('a' + i % 23);
	snprintf(length, sizeof(length), "%zu", bytes);
	make_request(s, keep, (struct str) { body, bytes }, params);
	return s->wire.len;
}

static void
check_upload(struct setup *s, size_t bytes)
{
	assert_int_equal(s->conn.state, CONN_RUNNING);
	assert_int_equal(s->req.method, METHOD_PUT);
	assert_true(str_is(s->req.uri, "/some/where"));
	assert_true(str_is(s->req.header[HEADER_API_KEY], "key"));
	assert_false(s->req.body_too_large);
	assert_int_equal(s->req.body.len, bytes);
	for (size_t i = 0; i < bytes; i++)
		if (s->req.body.ptr[i] != (char)('a' + i % 23))
			fail_msg("byte %zu of the body", i);
}

static void
request_in_two_parts_is_the_same_wherever_it_is_cut(void **state)
{
	static const size_t sizes[] = { 0, 50 };
	struct setup       *s = *state;

	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		size_t all = make_upload(s, false, sizes[i]);

		for (size_t cut = 1; cut < all; cut++) {
			open_one(s, SOCK_STREAM);
			send_bytes(s, (struct str) { s->wire.ptr, cut });
			assert_int_equal(read_one(s), CONN_MORE);
			assert_int_equal(read_one(s), CONN_MORE); /* woken for nothing */
			send_bytes(s, (struct str) { s->wire.ptr + cut, all - cut });
			assert_int_equal(read_one(s), CONN_REQUEST);
			check_upload(s, sizes[i]);
			conn_close(&s->conn);
			end(s);
		}
	}
}

static void
request_that_drips_is_the_same(void **state)
{
	struct setup *s = *state;
	size_t        all = make_upload(s, false, 50);

	open_one(s, SOCK_STREAM);
	for (size_t at = 0; at + 1 < all; at++) {
		send_bytes(s, (struct str) { s->wire.ptr + at, 1 });
		assert_int_equal(read_one(s), CONN_MORE);
	}
	send_bytes(s, (struct str) { s->wire.ptr + all - 1, 1 });
	assert_int_equal(read_one(s), CONN_REQUEST);
	check_upload(s, 50);
	conn_close(&s->conn);
	end(s);
}

/* Long ones and short ones in turn: nothing of a longer one is left for the next. */
static void
long_requests_are_gathered_and_leave_nothing_behind(void **state)
{
	static const size_t sizes[] = { BODY_MAX_BYTES, 10, 8192, 0, 15000, 8000, BODY_MAX_BYTES, 1 };
	struct setup       *s = *state;

	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		size_t all = make_upload(s, false, sizes[i]);

		open_one(s, SOCK_STREAM);
		send_bytes(s, (struct str) { s->wire.ptr, all / 2 });
		assert_int_equal(read_one(s), CONN_MORE);
		assert_true(conn_bytes(&s->conn) >= all / 2);
		send_bytes(s, (struct str) { s->wire.ptr + all / 2, all - all / 2 });
		assert_int_equal(read_one(s), CONN_REQUEST);
		check_upload(s, sizes[i]);
		answer(s, 200, STR("{}"), false);
		assert_int_equal(s->conn.state, CONN_CLOSED); /* nothing of it is left in the socket */
		assert_true(conn_bytes(&s->conn) <= 3 * 16 * 1024);
		end(s);
	}
}

/* With and without an announced length, in the socket as a whole or in parts. */
static void
bodies_up_to_the_limit_are_taken_and_no_longer_ones(void **state)
{
	static const char *const announced[] = { "REQUEST_METHOD", "POST", "REQUEST_URI", "/", "CONTENT_LENGTH", "20001", NULL, NULL };
	static const char *const silent[] = { "REQUEST_METHOD", "POST", "REQUEST_URI", "/", NULL, NULL };
	static char              body[BODY_MAX_BYTES * 3];
	struct setup            *s = *state;

	memset(body, 'x', sizeof(body));
	for (size_t bytes = BODY_MAX_BYTES; bytes <= BODY_MAX_BYTES + 1; bytes++) {
		assert_int_equal(send_request(s, (struct str) { body, bytes }, silent), CONN_REQUEST);
		assert_int_equal(s->req.body_too_large, bytes > BODY_MAX_BYTES);
		assert_int_equal(s->req.body.len, bytes > BODY_MAX_BYTES ? 0 : bytes);
		conn_close(&s->conn);
		end(s);
	}
	/* What is announced as too long is answered before it has come. */
	make_request(s, true, (struct str) { body, BODY_MAX_BYTES + 1 }, announced);
	open_one(s, SOCK_STREAM);
	send_bytes(s, (struct str) { s->wire.ptr, 200 });
	assert_int_equal(read_one(s), CONN_REQUEST);
	assert_true(s->req.body_too_large);
	assert_int_equal(s->req.body.len, 0);
	answer(s, 413, STR("{}"), true);
	assert_int_equal(s->conn.state, CONN_ENDING); /* not kept: the rest would be the next request */
	assert_true(contains(received(s), "Status: 413 Content Too Large\r\n"));
	/* The rest is read, so that a reset does not take the answer away. */
	for (size_t at = 200; at < s->wire.len; at += 5000) {
		send_bytes(s, (struct str) { s->wire.ptr + at, s->wire.len - at < 5000 ? s->wire.len - at : 5000 });
		conn_go_on(&s->conn);
		assert_int_equal(s->conn.state, CONN_ENDING);
	}
	end(s);
}

/* Some requests may have a larger body; of the others no more is gathered because of that. */
static void
some_requests_take_a_larger_body(void **state)
{
	static const struct {
		const char *method, *uri;
		size_t      bytes;
		bool        taken;
	} trials[] = {
		{ "PUT", "/more", MORE_MAX_BYTES, true },
		{ "PUT", "/more", MORE_MAX_BYTES + 1, false },
		{ "PUT", "/less", BODY_MAX_BYTES + 1, false },
		{ "POST", "/more", BODY_MAX_BYTES + 1, false },
	};
	static char   body[MORE_MAX_BYTES + 1];
	struct setup *s = *state;

	memset(body, 'x', sizeof(body));
	for (size_t i = 0; i < 2 * COUNTOF(trials); i++) {
		const char *const length = i % 2 ? arena_fmt(&s->arena, "%zu", trials[i / 2].bytes).ptr : NULL;
		const char *const params[] = { "REQUEST_METHOD", trials[i / 2].method, "REQUEST_URI", trials[i / 2].uri,
			length ? "CONTENT_LENGTH" : NULL, length, NULL, NULL };
		enum conn_read got = CONN_MORE;

		make_request(s, false, (struct str) { body, trials[i / 2].bytes }, params);
		open_one(s, SOCK_STREAM);
		for (size_t at = 0; got == CONN_MORE && at < s->wire.len; at += 5000) {
			send_bytes(s, (struct str) { s->wire.ptr + at, s->wire.len - at < 5000 ? s->wire.len - at : 5000 });
			got = read_one(s);
		}
		assert_int_equal(got, CONN_REQUEST);
		assert_int_equal(s->req.body_too_large, !trials[i / 2].taken);
		assert_int_equal(s->req.body.len, trials[i / 2].taken ? trials[i / 2].bytes : 0);
		answer(s, 200, STR("{}"), false);
		end(s);
	}
}

/* A body without an announced length, whose records never end, is answered when it has become too long. */
static void
body_without_end_is_answered(void **state)
{
	static const char *const silent[] = { "REQUEST_METHOD", "POST", "REQUEST_URI", "/", NULL, NULL };
	static char              body[8000];
	struct setup            *s = *state;
	enum conn_read           got;
	unsigned                 sent = 0;

	make_request(s, false, STR(""), silent);
	open_one(s, SOCK_STREAM);
	send_bytes(s, (struct str) { s->wire.ptr, s->wire.len - 8 }); /* but for the end of the body */
	while ((got = read_one(s)) == CONN_MORE) {
		assert_true(conn_bytes(&s->conn) < 512 * 1024);
		assert_true(++sent < 100);
		buf_reset(&s->wire, SIZE_MAX);
		record(&s->wire, 5, (struct str) { body, sizeof(body) });
		send_bytes(s, buf_view(&s->wire));
	}
	assert_int_equal(got, CONN_REQUEST);
	assert_true(s->req.body_too_large);
	answer(s, 413, STR("{}"), false);
	assert_int_equal(s->conn.state, CONN_ENDING);
	assert_true(contains(received(s), "Status: 413"));
	end(s);
}

static void
parameters_without_end_are_no_request(void **state)
{
	static const char head[] = "\1\1\0\1\0\x08\0\0\0\1\0\0\0\0\0\0";
	static char       value[120];
	struct setup     *s = *state;
	enum conn_read    got;
	size_t            sent = 0;

	memset(value, 'v', sizeof(value) - 1);
	open_one(s, SOCK_STREAM);
	send_bytes(s, (struct str) { head, sizeof(head) - 1 });
	while ((got = read_one(s)) == CONN_MORE) {
		struct buf pairs;

		buf_init(&pairs, 8192);
		buf_reset(&s->wire, SIZE_MAX);
		pair(&pairs, "HTTP_X", value);
		record(&s->wire, 4, buf_view(&pairs));
		send_bytes(s, buf_view(&s->wire));
		sent += s->wire.len;
		assert_true(sent < 4 * PARAMS_MAX_BYTES);
		buf_fini(&pairs);
	}
	assert_int_equal(got, CONN_USELESS);
	end(s);
}

static void
useless_connections_are_closed(void **state)
{
	struct setup            *s = *state;
	static const char *const no_method[] = { "REQUEST_URI", "/", NULL, NULL };
	static const char *const bad_length[] = { "REQUEST_METHOD", "GET", "REQUEST_URI", "/", "CONTENT_LENGTH", "x", NULL, NULL };
	static const char *const short_body[] = { "REQUEST_METHOD", "GET", "REQUEST_URI", "/", "CONTENT_LENGTH", "3", NULL, NULL };
	static const char *const long_body[] = { "REQUEST_METHOD", "GET", "REQUEST_URI", "/", "CONTENT_LENGTH", "1", NULL, NULL };
	static const char *const *const cases[] = { no_method, bad_length, short_body, long_body };

	for (size_t i = 0; i < COUNTOF(cases); i++)
		for (size_t cut = 0; cut < 40; cut += 20) { /* the second time it is gathered */
			make_request(s, false, STR("{}"), cases[i]);
			open_one(s, SOCK_STREAM);
			send_bytes(s, (struct str) { s->wire.ptr, cut });
			assert_int_equal(read_one(s), CONN_MORE);
			send_bytes(s, (struct str) { s->wire.ptr + cut, s->wire.len - cut });
			assert_int_equal(read_one(s), CONN_USELESS);
			assert_int_equal(s->conn.state, CONN_CLOSED);
			assert_int_equal(received(s).len, 0);
			end(s);
		}
}

/* Each of these is wrong whatever comes behind it, so nobody waits for that. */
static void
what_is_no_request_is_dropped_at_once(void **state)
{
	static const struct str cases[] = {
		STR("GET / HTTP/1.1\r\n"),
		STR("\2\1\0\1\0\x08\0\0\0\1\0\0\0\0\0\0"),       /* another version */
		STR("\1\4\0\1\0\x08\0\0\0\1\0\0\0\0\0\0"),       /* parameters first */
		STR("\1\1\0\0\0\x08\0\0\0\1\0\0\0\0\0\0"),       /* management */
		STR("\1\1\0\1\0\x08\7\0\0\1\0\0\0\0\0\0"),       /* padding that libfcgi takes for records */
		STR("\1\1\0\1\0\x08\0\0\0\1\0\0\0\0\0\0\1\1\0\2\0\x08\0\0"), /* a second one in it */
		STR("\1\1\0\1\0\x08\0\0\0\1\0\0\0\0\0\0\1\2\0\1\0\0\0\0"),   /* taken back */
		STR("\1\1\0\1\0\x08\0\0\0\1\0\0\0\0\0\0\1\5\0\1\0\0\0\0"),   /* a body without parameters */
	};
	struct setup *s = *state;

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		if (send_all(s, cases[i], false) != CONN_USELESS)
			fail_msg("case %zu", i);
		assert_int_equal(received(s).len, 0);
		end(s);
	}
}

/* libfcgi would believe them, and end the process for want of so much memory. */
static void
lengths_that_overflow_are_no_request(void **state)
{
	static const char tails[][8] = {
		"\xFF\xFF\xFF\xFF\0\0", "\0\xFF\xFF\xFF\xFF", "\xC0\0\0\0\xC0\0\0",
		"\xFF\xFF\xFF\xFE\xFF\xFF\xFF", "\x80\1\0\0", "\x7F\x7F", "\1", "\x80",
	};
	struct setup *s = *state;
	struct rlimit before, none = { .rlim_cur = 1 << 30 };

	getrlimit(RLIMIT_AS, &before);
	none.rlim_max = before.rlim_max;
	if (!SANITIZED)
		setrlimit(RLIMIT_AS, &none);
	for (size_t i = 0; i < COUNTOF(tails); i++) {
		struct buf pairs, wire;

		buf_init(&pairs, WIRE_MAX_BYTES);
		buf_init(&wire, WIRE_MAX_BYTES);
		pair(&pairs, "REQUEST_METHOD", "GET");
		pair(&pairs, "REQUEST_URI", "/");
		buf_add(&pairs, tails[i], sizeof(tails[i]));
		record(&wire, 1, (struct str) { "\0\1\0\0\0\0\0", 8 });
		record(&wire, 4, buf_view(&pairs));
		record(&wire, 4, STR(""));
		record(&wire, 5, STR(""));
		assert_int_equal(send_all(s, buf_view(&wire), false), CONN_USELESS);
		assert_int_equal(received(s).len, 0);
		end(s);
		buf_fini(&pairs);
		buf_fini(&wire);
	}
	setrlimit(RLIMIT_AS, &before);
}

static void
name_that_ends_in_nul_is_no_parameter(void **state)
{
	static const char known[] = "\x0E\3REQUEST_METHODGET\x0B\1REQUEST_URI/";
	struct setup     *s = *state;
	struct buf        wire;

	buf_init(&wire, WIRE_MAX_BYTES);
	record(&wire, 1, (struct str) { "\0\1\0\0\0\0\0", 8 });
	record(&wire, 4, (struct str) { known, sizeof(known) - 1 });
	record(&wire, 4, (struct str) { "\x11\1HTTP_TRACEPARENT\0x", 20 });
	record(&wire, 4, STR(""));
	record(&wire, 5, STR(""));
	assert_int_equal(send_all(s, buf_view(&wire), false), CONN_REQUEST);
	assert_int_equal(s->req.header_count[HEADER_TRACEPARENT], 0);
	assert_null(s->req.header[HEADER_TRACEPARENT].ptr);
	conn_close(&s->conn);
	end(s);
	buf_fini(&wire);
}

/* ---- time */

static void
each_state_has_a_deadline_that_drips_do_not_move(void **state)
{
	struct setup *s = *state;
	size_t        all = make_upload(s, false, 50);
	int64_t       begun_ms = clock_mono_ms(), deadline_ms;

	/* Before the first byte. */
	open_one(s, SOCK_STREAM);
	assert_int_equal(read_one(s), CONN_MORE);
	assert_in_range(s->conn.deadline_ms, begun_ms + FIRST_BYTES_MS, clock_mono_ms() + FIRST_BYTES_MS);
	assert_false(conn_late(&s->conn, s->conn.deadline_ms - 1));
	assert_int_equal(s->conn.state, CONN_READING);
	/* Behind it. */
	send_bytes(s, (struct str) { s->wire.ptr, 1 });
	assert_int_equal(read_one(s), CONN_MORE);
	deadline_ms = s->conn.deadline_ms;
	assert_in_range(deadline_ms, begun_ms + TIMEOUT_MS, clock_mono_ms() + TIMEOUT_MS);
	for (size_t at = 1; at + 1 < all; at++) {
		send_bytes(s, (struct str) { s->wire.ptr + at, 1 });
		assert_int_equal(read_one(s), CONN_MORE);
		assert_int_equal(s->conn.deadline_ms, deadline_ms);
	}
	assert_false(conn_late(&s->conn, deadline_ms - 1));
	assert_true(conn_late(&s->conn, deadline_ms));
	assert_int_equal(received(s).len, 0);
	end(s);
	/* Silence. */
	open_one(s, SOCK_STREAM);
	assert_true(conn_late(&s->conn, s->conn.deadline_ms));
	assert_int_equal(s->conn.deadline_ms, INT64_MAX);
	end(s);
}

static void
the_other_sides_end_is_seen_at_once(void **state)
{
	static const struct str cases[] = { STR(""), STR("\1\1\0"), STR("\1\1\0\1\0\x08\0\0\0\1") };
	struct setup *s = *state;

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		assert_int_equal(send_all(s, cases[i], false), CONN_MORE);
		assert_int_equal(shutdown(s->front, SHUT_WR), 0);
		assert_int_equal(read_one(s), CONN_USELESS);
		end(s);
		assert_int_equal(send_all(s, cases[i], true), CONN_USELESS);
		end(s);
	}
	/* A request is one, even if no more can come. */
	make_request(s, false, STR(""), plain);
	assert_int_equal(send_all(s, buf_view(&s->wire), true), CONN_REQUEST);
	answer(s, 200, STR("{}"), false);
	assert_true(contains(received(s), "Status: 200 OK"));
	end(s);
}

/* ---- kept connections */

static void
kept_connection_takes_one_request_after_the_other(void **state)
{
	static const size_t sizes[] = { 5, 8100, 0, BODY_MAX_BYTES, 5 }; /* from the socket and gathered */
	struct setup       *s = *state;

	open_one(s, SOCK_STREAM);
	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		size_t all = make_upload(s, true, sizes[i]), first = i % 2 ? 30 : all;

		send_bytes(s, (struct str) { s->wire.ptr, first });
		if (first < all) {
			assert_int_equal(read_one(s), CONN_MORE);
			send_bytes(s, (struct str) { s->wire.ptr + first, all - first });
		}
		assert_int_equal(read_one(s), CONN_REQUEST);
		check_upload(s, sizes[i]);
		assert_int_equal(s->conn.reused, i > 0);
		answer(s, 200, STR("{}"), true);
		assert_int_equal(s->conn.state, CONN_READING);
		assert_true(contains(received(s), "Status: 200 OK"));
		assert_int_equal(s->conn.deadline_ms, INT64_MAX); /* it may be idle for as long as it likes */
		assert_int_equal(read_one(s), CONN_MORE);
		assert_true(conn_bytes(&s->conn) <= 3 * 16 * 1024);
	}
	shutdown(s->front, SHUT_WR);
	assert_int_equal(read_one(s), CONN_END);
	end(s);
}

static void
kept_connection_has_a_deadline_again_for_what_has_begun(void **state)
{
	struct setup *s = *state;

	make_request(s, true, STR(""), plain);
	open_one(s, SOCK_STREAM);
	send_bytes(s, buf_view(&s->wire));
	assert_int_equal(read_one(s), CONN_REQUEST);
	answer(s, 200, STR("{}"), true);
	send_bytes(s, (struct str) { s->wire.ptr, 7 });
	assert_int_equal(read_one(s), CONN_MORE);
	assert_true(s->conn.deadline_ms < INT64_MAX);
	assert_true(conn_late(&s->conn, s->conn.deadline_ms));
	end(s);
}

/* Who keeps it, and whether there is one record more, behind which nginx does not use it again. */
static void
connection_is_kept_only_when_both_want_it_and_nothing_stands_behind(void **state)
{
	static const struct {
		bool        asked, agreed;
		const char *behind;
		bool        kept, warned;
	} cases[] = {
		{ true, true, "", true, false },
		{ true, false, "", false, true },
		{ false, true, "", false, false },
		{ false, false, "", false, false },
		{ true, true, "\1", false, true },
		{ true, true, "x", false, true },
	};
	static const char warning[] = "\1\7\0\1\0\0\0";
	struct setup     *s = *state;

	for (size_t i = 0; i < COUNTOF(cases); i++)
		for (size_t cut = 0; cut < 40; cut += 20) { /* the second time it is gathered */
			struct str got;

			make_request(s, cases[i].asked, STR("{}"), plain);
			buf_str(&s->wire, str_of(cases[i].behind));
			open_one(s, SOCK_STREAM);
			send_bytes(s, (struct str) { s->wire.ptr, cut });
			assert_int_equal(read_one(s), CONN_MORE);
			send_bytes(s, (struct str) { s->wire.ptr + cut, s->wire.len - cut });
			assert_int_equal(read_one(s), CONN_REQUEST);
			answer(s, 200, STR("{}"), cases[i].agreed);
			got = received(s);
			assert_true(contains(got, "Status: 200 OK"));
			if ((s->conn.state == CONN_READING) != cases[i].kept)
				fail_msg("case %zu, cut %zu: state %d", i, cut, s->conn.state);
			assert_int_equal(memcmp(got.ptr + got.len - 8, warning, sizeof(warning)) == 0, cases[i].warned);
			end(s);
		}
}

/* Two requests at once: the second one is not served, whole or not, wherever it begins. */
static void
request_behind_a_request_is_not_served(void **state)
{
	struct setup *s = *state;

	for (size_t bytes = 7900; bytes < 8200; bytes++) { /* around what is looked at in the socket */
		struct buf both;

		buf_init(&both, WIRE_MAX_BYTES);
		make_upload(s, true, bytes);
		buf_str(&both, buf_view(&s->wire));
		make_request(s, true, STR(""), plain);
		buf_str(&both, buf_view(&s->wire));
		assert_int_equal(send_all(s, buf_view(&both), false), CONN_REQUEST);
		check_upload(s, bytes);
		answer(s, 200, STR("{}"), true);
		if (s->conn.state == CONN_READING)
			fail_msg("kept with a body of %zu bytes", bytes);
		end(s);
		buf_fini(&both);
	}
}

/* ---- answers */

static void
response_is_written_with_its_headers(void **state)
{
	struct setup *s = *state;
	struct str    sent;

	assert_int_equal(send_request(s, STR(""), plain), CONN_REQUEST);
	response_header(&s->res, "X-One", STR("1"));
	response_header(&s->res, "X-Two", STR("2\r\nX-Injected: 3"));
	answer(s, 409, STR("{\"a\":1}"), true);
	sent = received(s);
	assert_true(contains(sent, "Status: 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: 7\r\n"
				   "Cache-Control: no-store\r\nX-One: 1\r\n\r\n{\"a\":1}"));
	assert_false(contains(sent, "Injected"));
	end(s);
}

/* The output in the records of one answer, which must end as it should. */
static size_t
output_bytes(struct str sent, bool kept)
{
	static const char end_records[] = "\1\6\0\1\0\0\0\0\1\3\0\1\0\x08\0\0\0\0\0\0\0\0\0\0\1\7\0\1\0\0\0";
	size_t            end_bytes = sizeof(end_records) - (kept ? 8 : 0), total = 0, bytes;

	assert_true(sent.len > end_bytes);
	assert_memory_equal(sent.ptr + sent.len - end_bytes, end_records, end_bytes);
	for (sent.len -= end_bytes; sent.len; sent = (struct str) { sent.ptr + 8 + bytes, sent.len - 8 - bytes }) {
		assert_true(sent.len > 8);
		assert_memory_equal(sent.ptr, "\1\6\0\1", 4);
		bytes = (size_t)(unsigned char)sent.ptr[4] << 8 | (unsigned char)sent.ptr[5];
		assert_in_range(bytes, 1, sent.len - 8);
		total += bytes;
	}
	return total;
}

static const char head_text[] = "Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: \r\n"
				"Cache-Control: no-store\r\n\r\n";

/* Through a socket that keeps messages apart: an answer that is sent in two pieces is read as two. */
static void
answer_leaves_in_one_call(void **state)
{
	static char   body[150000], got[200000];
	struct setup *s = *state;

	memset(body, '1', sizeof(body));
	/* Around the end of the first record, and one of several. */
	for (size_t bytes = 65400; bytes <= sizeof(body); bytes = bytes == 65540 ? sizeof(body) : bytes + 1) {
		bool   kept = bytes % 2;
		size_t output;

		make_request(s, true, STR(""), plain);
		open_one(s, SOCK_SEQPACKET);
		send_bytes(s, buf_view(&s->wire));
		assert_int_equal(read_one(s), CONN_REQUEST);
		answer(s, 200, (struct str) { body, bytes }, kept);
		assert_int_equal(s->conn.state, kept ? CONN_READING : CONN_CLOSED);
		output = output_bytes((struct str) { got, (size_t)recv(s->front, got, sizeof(got), MSG_DONTWAIT) }, kept);
		assert_int_equal(output, bytes + strlen(head_text) + (bytes < 100000 ? 5 : 6));
		assert_int_equal(recv(s->front, got, sizeof(got), MSG_DONTWAIT), kept ? -1 : 0);
		end(s);
	}
}

enum { LARGE_BYTES = 2000 * 1000 }; /* more than a socket holds */

/* A request whose answer does not fit. */
static void
answer_too_much(struct setup *s, bool keep)
{
	static char body[LARGE_BYTES];

	memset(body, 'b', sizeof(body));
	make_request(s, true, STR(""), plain);
	open_one(s, SOCK_STREAM);
	send_bytes(s, buf_view(&s->wire));
	assert_int_equal(read_one(s), CONN_REQUEST);
	answer(s, 200, (struct str) { body, sizeof(body) }, keep);
	assert_int_equal(s->conn.state, CONN_WRITING);
	assert_true(conn_bytes(&s->conn) > LARGE_BYTES / 2);
	assert_in_range(s->conn.deadline_ms, clock_mono_ms() + TIMEOUT_MS - 5000, clock_mono_ms() + TIMEOUT_MS);
}

static void
answer_larger_than_the_socket_goes_on_as_the_peer_reads(void **state)
{
	struct setup *s = *state;

	for (int keep = 0; keep < 2; keep++) {
		answer_too_much(s, keep);
		conn_go_on(&s->conn); /* woken for nothing */
		assert_int_equal(s->conn.state, CONN_WRITING);
		assert_int_equal(output_bytes(received(s), keep), LARGE_BYTES + strlen(head_text) + 7);
		assert_int_equal(s->conn.state, keep ? CONN_READING : CONN_CLOSED);
		assert_true(conn_bytes(&s->conn) <= 3 * 16 * 1024);
		if (keep) {
			make_request(s, true, STR(""), plain);
			send_bytes(s, buf_view(&s->wire));
			assert_int_equal(read_one(s), CONN_REQUEST);
			answer(s, 200, STR("{}"), true);
			assert_int_equal(output_bytes(received(s), true), 2 + strlen(head_text) + 1);
		}
		end(s);
	}
}

static void
peer_that_does_not_read_is_left(void **state)
{
	struct setup *s = *state;

	answer_too_much(s, true);
	assert_false(conn_late(&s->conn, s->conn.deadline_ms - 1));
	assert_int_equal(s->conn.state, CONN_WRITING);
	assert_false(conn_late(&s->conn, s->conn.deadline_ms)); /* which is no connection without a request */
	assert_int_equal(s->conn.state, CONN_CLOSED);
	end(s);
	/* Nor one that has left. */
	answer_too_much(s, true);
	close(s->front);
	conn_go_on(&s->conn);
	assert_int_equal(s->conn.state, CONN_CLOSED);
	s->front = -1;
	end(s);
	assert_int_equal(send_request(s, STR(""), plain), CONN_REQUEST);
	close(s->front);
	answer(s, 200, STR("{}"), true);
	assert_int_equal(s->conn.state, CONN_CLOSED);
	s->front = -1;
	end(s);
}

/* ---- ending */

/* A request with a body that is not read, answered. */
static void
begin_to_end(struct setup *s)
{
	static const char *const too_long[] = { "REQUEST_METHOD", "POST", "REQUEST_URI", "/", "CONTENT_LENGTH", "99999", NULL, NULL };

	assert_int_equal(send_request(s, STR("xy"), too_long), CONN_REQUEST);
	answer(s, 413, STR("{}"), true);
	assert_int_equal(s->conn.state, CONN_ENDING);
}

static void
connection_that_ends_is_read_on_for_a_moment(void **state)
{
	struct setup *s = *state;
	struct pollfd closing;

	/* Until the other side is silent. */
	begin_to_end(s);
	assert_in_range(s->conn.deadline_ms, clock_mono_ms(), clock_mono_ms() + SILENT_MS);
	assert_true(contains(received(s), "Status: 413"));
	closing = (struct pollfd) { .fd = s->front, .events = POLLIN };
	assert_int_equal(poll(&closing, 1, 0), 1); /* the end of the answer is there to read */
	assert_false(conn_late(&s->conn, s->conn.deadline_ms - 1));
	assert_int_equal(s->conn.state, CONN_ENDING);
	assert_false(conn_late(&s->conn, s->conn.deadline_ms));
	assert_int_equal(s->conn.state, CONN_CLOSED);
	end(s);
	/* Until it has closed. */
	begin_to_end(s);
	shutdown(s->front, SHUT_WR);
	conn_go_on(&s->conn);
	assert_int_equal(s->conn.state, CONN_CLOSED);
	end(s);
	/* And not for ever, whatever it sends. */
	begin_to_end(s);
	send_bytes(s, STR("more"));
	conn_go_on(&s->conn);
	assert_int_equal(s->conn.state, CONN_ENDING);
	s->conn.end_ms = clock_mono_ms();
	send_bytes(s, STR("and more"));
	conn_go_on(&s->conn);
	assert_int_equal(s->conn.state, CONN_CLOSED);
	end(s);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_is_taken_as_sent),
		cmocka_unit_test(waiting_is_taken_from_the_front_server_alone),
		cmocka_unit_test(request_in_two_parts_is_the_same_wherever_it_is_cut),
		cmocka_unit_test(request_that_drips_is_the_same),
		cmocka_unit_test(long_requests_are_gathered_and_leave_nothing_behind),
		cmocka_unit_test(bodies_up_to_the_limit_are_taken_and_no_longer_ones),
		cmocka_unit_test(some_requests_take_a_larger_body),
		cmocka_unit_test(body_without_end_is_answered),
		cmocka_unit_test(parameters_without_end_are_no_request),
		cmocka_unit_test(useless_connections_are_closed),
		cmocka_unit_test(what_is_no_request_is_dropped_at_once),
		cmocka_unit_test(lengths_that_overflow_are_no_request),
		cmocka_unit_test(name_that_ends_in_nul_is_no_parameter),
		cmocka_unit_test(each_state_has_a_deadline_that_drips_do_not_move),
		cmocka_unit_test(the_other_sides_end_is_seen_at_once),
		cmocka_unit_test(kept_connection_takes_one_request_after_the_other),
		cmocka_unit_test(kept_connection_has_a_deadline_again_for_what_has_begun),
		cmocka_unit_test(connection_is_kept_only_when_both_want_it_and_nothing_stands_behind),
		cmocka_unit_test(request_behind_a_request_is_not_served),
		cmocka_unit_test(response_is_written_with_its_headers),
		cmocka_unit_test(answer_leaves_in_one_call),
		cmocka_unit_test(answer_larger_than_the_socket_goes_on_as_the_peer_reads),
		cmocka_unit_test(peer_that_does_not_read_is_left),
		cmocka_unit_test(connection_that_ends_is_read_on_for_a_moment),
	};

	return cmocka_run_group_tests_name("fcgi", tests, open_all, close_all);
}
