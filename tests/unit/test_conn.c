/* fcgi/conn: what is taken from a connection and what is put into it, through a socket pair. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/limits.h"
#include "fcgi/conn.h"

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

enum { BODY_MAX_BYTES = 1000, TIMEOUT_MS = 200, WIRE_MAX_BYTES = 256 * 1024 };

struct setup {
	struct conn    *f;
	struct arena    arena;
	struct request  req;
	struct response res;
	int             front; /* our end, as the front server */
	int             back;
	struct buf      wire;
};

static struct setup one; /* libfcgi is initialised once in a process */

static int
open_all(void **state)
{
	one.f = conn_new(BODY_MAX_BYTES, TIMEOUT_MS);
	arena_init(&one.arena);
	response_init(&one.res);
	buf_init(&one.wire, WIRE_MAX_BYTES);
	*state = &one;
	return one.f ? 0 : -1;
}

static int
close_all(void **state UNUSED)
{
	conn_free(one.f);
	arena_fini(&one.arena);
	response_fini(&one.res);
	buf_fini(&one.wire);
	return 0;
}

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

/* Sends a request made of NAME, VALUE, ..., NULL and a body, and reads it at the other end. */
static enum conn_read
send_request(struct setup *s, struct str body, const char *const *params)
{
	int           ends[2];
	struct buf    pairs;
	const char    begin[8] = { 0, 1 };
	enum conn_read got;

	buf_init(&pairs, WIRE_MAX_BYTES);
	buf_reset(&s->wire, 0);
	for (; params[0]; params += 2)
		pair(&pairs, params[0], params[1]);
	record(&s->wire, 1, (struct str) { begin, sizeof(begin) });
	record(&s->wire, 4, buf_view(&pairs));
	record(&s->wire, 4, STR(""));
	if (body.len)
		record(&s->wire, 5, body);
	record(&s->wire, 5, STR(""));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	s->front = ends[0];
	s->back = ends[1];
	assert_int_equal(write(s->front, s->wire.ptr, s->wire.len), s->wire.len);
	s->req.arena = &s->arena;
	got = conn_read(s->f, &(struct peer) { .fd = s->back }, &s->req);
	buf_fini(&pairs);
	return got;
}

/* Everything that came back until the end, records and all, with its closing. */
static struct str
answer(struct setup *s)
{
	ssize_t n = 1;

	buf_reset(&s->wire, 0);
	while (n > 0) {
		char *room = buf_room(&s->wire, 4096);

		n = read(s->front, room, 4096);
		if (n > 0)
			s->wire.len += (size_t)n;
	}
	close(s->front);
	arena_reset(&s->arena);
	response_reset(&s->res);
	return buf_view(&s->wire);
}

static bool
contains(struct str text, const char *part)
{
	return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static void
request_is_taken_as_sent(void **state)
{
	struct setup            *s = *state;
	static const char *const params[] = { "REQUEST_METHOD", "PATCH", "REQUEST_URI", "/a%20b?c=d", "CONTENT_LENGTH", "2",
		"HTTP_X_API_KEY", "first", "HTTP_X_API_KEY", "second", "HTTP_IDEMPOTENCY_KEY", "", "HTTP_COOKIE", "x", NULL, NULL };

	assert_int_equal(send_request(s, STR("{}"), params), CONN_REQUEST);
	assert_int_equal(s->req.method, METHOD_PATCH);
	assert_true(str_is(s->req.uri, "/a%20b?c=d"));
	assert_true(str_is(s->req.body, "{}"));
	assert_true(str_is(s->req.header[HEADER_API_KEY], "first"));
	assert_int_equal(s->req.header_count[HEADER_API_KEY], 2);
	assert_non_null(s->req.header[HEADER_IDEMPOTENCY_KEY].ptr); /* empty, but sent */
	assert_null(s->req.header[HEADER_VERSION].ptr);
	assert_int_equal(s->req.header_count[HEADER_VERSION], 0);
	s->res.status = 200;
	conn_write(s->f, &s->res, true);
	answer(s);
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
	conn_drop(s->f);
	assert_int_equal(answer(s).len, 0);
	params[6] = "REQUEST_START";
	params[7] = start;
	assert_int_equal(send_request(s, STR(""), params), CONN_REQUEST);
	assert_in_range(s->req.queue_us, 5000000, 60000000);
	assert_int_equal(s->req.peer->fd, s->back);
	conn_drop(s->f);
	assert_int_equal(answer(s).len, 0);
}

static void
response_is_written_with_its_headers(void **state)
{
	struct setup            *s = *state;
	static const char *const params[] = { "REQUEST_METHOD", "GET", "REQUEST_URI", "/", NULL, NULL };

	assert_int_equal(send_request(s, STR(""), params), CONN_REQUEST);
	s->res.status = 409;
	response_header(&s->res, "X-One", STR("1"));
	response_header(&s->res, "X-Two", STR("2\r\nX-Injected: 3"));
	buf_str(&s->res.body, STR("{\"a\":1}"));
	conn_write(s->f, &s->res, true);
	struct str sent = answer(s);
	assert_true(contains(sent, "Status: 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: 7\r\n"
				   "Cache-Control: no-store\r\nX-One: 1\r\n\r\n{\"a\":1}"));
	assert_false(contains(sent, "Injected"));
}

/* The output in the records of one answer, which must end as it should. */
static size_t
output_bytes(struct str sent, bool kept)
{
	static const char end[] = "\1\6\0\1\0\0\0\0\1\3\0\1\0\x08\0\0\0\0\0\0\0\0\0\0\1\7\0\1\0\0\0";
	size_t            end_bytes = sizeof(end) - (kept ? 8 : 0), total = 0, bytes;

	assert_true(sent.len > end_bytes);
	assert_memory_equal(sent.ptr + sent.len - end_bytes, end, end_bytes);
	for (sent.len -= end_bytes; sent.len; sent = (struct str) { sent.ptr + 8 + bytes, sent.len - 8 - bytes }) {
		assert_true(sent.len > 8);
		assert_memory_equal(sent.ptr, "\1\6\0\1", 4);
		bytes = (size_t)(unsigned char)sent.ptr[4] << 8 | (unsigned char)sent.ptr[5];
		assert_in_range(bytes, 1, sent.len - 8);
		total += bytes;
	}
	return total;
}

/* Through a socket that keeps messages apart: an answer that is sent in two pieces is read as two. */
static void
answer_leaves_in_one_call(void **state)
{
	static const char request[] = "\1\1\0\1\0\x08\0\0\0\1\1\0\0\0\0\0"
				      "\1\4\0\1\0\x21\0\0\x0E\3REQUEST_METHODGET\x0B\1REQUEST_URI/"
				      "\1\4\0\1\0\0\0\0\1\5\0\1\0\0\0\0";
	static char       body[150000], got[200000];
	struct setup     *s = *state;
	int               ends[2];

	memset(body, '1', sizeof(body));
	/* Around the end of the first record, and one of several. */
	for (size_t bytes = 65400; bytes <= sizeof(body); bytes = bytes == 65540 ? sizeof(body) : bytes + 1) {
		bool   kept = bytes % 2;
		size_t output;

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
		assert_int_equal(write(ends[0], request, sizeof(request) - 1), sizeof(request) - 1);
		s->req.arena = &s->arena;
		assert_int_equal(conn_read(s->f, &(struct peer) { .fd = ends[1] }, &s->req), CONN_REQUEST);
		s->res.status = 200;
		buf_add(&s->res.body, body, bytes);
		assert_int_equal(conn_write(s->f, &s->res, kept), kept);
		output = output_bytes((struct str) { got, (size_t)recv(ends[0], got, sizeof(got), MSG_DONTWAIT) }, kept);
		assert_int_equal(output, bytes + strlen("Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: \r\n"
		                                        "Cache-Control: no-store\r\n\r\n") + (bytes < 100000 ? 5 : 6));
		assert_int_equal(recv(ends[0], got, sizeof(got), MSG_DONTWAIT), kept ? -1 : 0);
		if (kept)
			close(ends[1]);
		close(ends[0]);
		arena_reset(&s->arena);
		response_reset(&s->res);
	}
}

static void
body_over_the_limit_is_not_read(void **state)
{
	struct setup            *s = *state;
	static const char *const params[] = { "REQUEST_METHOD", "POST", "REQUEST_URI", "/", "CONTENT_LENGTH", "1001", NULL, NULL };

	assert_int_equal(send_request(s, STR("x"), params), CONN_REQUEST);
	assert_true(s->req.body_too_large);
	assert_int_equal(s->req.body.len, 0);
	s->res.status = 413;
	conn_write(s->f, &s->res, true);
	assert_true(contains(answer(s), "Status: 413 Content Too Large\r\n"));
}

static void
useless_connections_are_closed(void **state)
{
	struct setup            *s = *state;
	static const char *const no_method[] = { "REQUEST_URI", "/", NULL, NULL };
	static const char *const bad_length[] = { "REQUEST_METHOD", "GET", "REQUEST_URI", "/", "CONTENT_LENGTH", "x", NULL, NULL };
	static const char *const short_body[] = { "REQUEST_METHOD", "GET", "REQUEST_URI", "/", "CONTENT_LENGTH", "3", NULL, NULL };
	static const char *const *const cases[] = { no_method, bad_length, short_body };

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		assert_int_equal(send_request(s, STR("{}"), cases[i]), CONN_USELESS);
		assert_int_equal(answer(s).len, 0);
		assert_int_equal(close(s->back), -1); /* it was closed */
	}
}

/* Sends these bytes, and nothing more, and reads at the other end. */
static enum conn_read
send_bytes(struct setup *s, struct str bytes, bool ends)
{
	int pair_fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair_fd), 0);
	s->front = pair_fd[0];
	s->back = pair_fd[1];
	assert_int_equal(write(s->front, bytes.ptr, bytes.len), bytes.len);
	if (ends)
		assert_int_equal(shutdown(s->front, SHUT_WR), 0);
	s->req.arena = &s->arena;
	return conn_read(s->f, &(struct peer) { .fd = s->back }, &s->req);
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
		assert_int_equal(send_bytes(s, buf_view(&wire), false), CONN_USELESS);
		assert_int_equal(answer(s).len, 0);
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
	assert_int_equal(send_bytes(s, buf_view(&wire), false), CONN_REQUEST);
	assert_int_equal(s->req.header_count[HEADER_TRACEPARENT], 0);
	assert_null(s->req.header[HEADER_TRACEPARENT].ptr);
	conn_drop(s->f);
	assert_int_equal(answer(s).len, 0);
	buf_fini(&wire);
}

static void
silence_is_not_waited_for_longer_than_the_timeout(void **state)
{
	static const struct str cases[] = { STR(""), STR("\1\1\0"), STR("\1\1\0\1\0\x08\0\0\0\1") };
	struct setup *s = *state;

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		int64_t begun_ms = clock_mono_ms(), ms;

		assert_int_equal(send_bytes(s, cases[i], false), CONN_USELESS);
		ms = clock_mono_ms() - begun_ms;
		assert_in_range(ms, TIMEOUT_MS - 1, TIMEOUT_MS + 500);
		assert_int_equal(answer(s).len, 0);
		begun_ms = clock_mono_ms();
		assert_int_equal(send_bytes(s, cases[i], true), cases[i].len ? CONN_USELESS : CONN_CLOSED);
		assert_in_range(clock_mono_ms() - begun_ms, 0, TIMEOUT_MS / 2); /* no more can come */
		assert_int_equal(answer(s).len, 0);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_is_taken_as_sent),
		cmocka_unit_test(waiting_is_taken_from_the_front_server_alone),
		cmocka_unit_test(response_is_written_with_its_headers),
		cmocka_unit_test(answer_leaves_in_one_call),
		cmocka_unit_test(body_over_the_limit_is_not_read),
		cmocka_unit_test(useless_connections_are_closed),
		cmocka_unit_test(lengths_that_overflow_are_no_request),
		cmocka_unit_test(name_that_ends_in_nul_is_no_parameter),
		cmocka_unit_test(silence_is_not_waited_for_longer_than_the_timeout),
	};

	return cmocka_run_group_tests_name("fcgi", tests, open_all, close_all);
}
