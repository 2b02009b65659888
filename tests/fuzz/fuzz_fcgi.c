/*
 * Whatever comes over a connection, at once or in parts, is a request or none; nothing ever waits, no more than the limits
 * is kept, and the connection comes to its end within its time.
 *
 * The first byte says how the front server behaves, the rest is what it sends (see enum).
 */
#include "fuzz.h"
#include "base/arena.h"
#include "base/clock.h"
#include "fcgi/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	KEEPS_OPEN = 0x01,  /* goes on as if more came; else it says that this was all */
	LEAVES = 0x02,      /* closes before it is answered */
	NEVER_READS = 0x04, /* and the answer is larger than what the socket holds */
	PARAMS_ONLY = 0x08, /* the rest is the content of the parameters, and the records around it are right */
	IN_PARTS = 0x10,    /* sends it in this many parts of the same length: */
	PARTS = 0xE0,       /* two to nine */
	PARTS_SHIFT = 5,

	BODY_MAX_BYTES = 4096,
	TIMEOUT_MS = 60000, /* time passes by what conn_late() is told */
	/* Far more than the loop may be held, for a machine that is busy with other things. */
	HELD_MAX_MS = 10000,
	INPUT_MAX_BYTES = 60000,
	LARGE_BYTES = 600 * 1024,
	KEPT_MAX_BYTES = 512 * 1024, /* of what is read */
	TURNS_MAX = 1000,
};

/* 48 bytes for each management record of an unknown type, which it does not free. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libfcgi\n";
}

static struct {
	struct fcgi    *f;
	struct conn     conn;
	struct arena    arena;
	struct response res;
	struct buf      wire;
} fuzzed;

static void
record(unsigned char type, const void *content, size_t len)
{
	const unsigned char head[8] = { 1, type, 0, 1, (unsigned char)(len >> 8), (unsigned char)len };

	buf_add(&fuzzed.wire, (const char *)head, sizeof(head));
	buf_add(&fuzzed.wire, content, len);
}

/* What is sent; a view of data, or made in fuzzed.wire. */
static struct str
wire(unsigned how, const uint8_t *data, size_t size)
{
	static const char known[] = "\x0E\3REQUEST_METHODGET\x0B\1REQUEST_URI/";

	if (!(how & PARAMS_ONLY))
		return (struct str) { (const char *)data, size };
	buf_reset(&fuzzed.wire, SIZE_MAX);
	record(1, "\0\1\0\0\0\0\0\0", 8);
	record(4, known, sizeof(known) - 1);
	if (size)
		record(4, data, size);
	record(4, "", 0);
	record(5, "", 0);
	return buf_view(&fuzzed.wire);
}

/* Records of version 1: output, its end, one error record to keep nginx away, and libfcgi's answers to management. */
static void
check_answer(int front)
{
	static unsigned char answer[64 * 1024];
	size_t               n = 0, at = 0;
	ssize_t              got;

	while ((got = recv(front, answer + n, sizeof(answer) - n, MSG_DONTWAIT)) > 0)
		n += (size_t)got;
	CHECK(n >= 16);
	while (at < n) {
		CHECK(n - at >= 8 && answer[at] == 1);
		CHECK(memchr("\6\3\7\12\13", answer[at + 1], 5) && answer[at + 1]);
		at += 8 + (size_t)(answer[at + 4] << 8 | answer[at + 5]) + answer[at + 6];
	}
	CHECK(at == n);
}

static void
check_request(const struct request *req)
{
	CHECK(req->uri.ptr && req->method <= METHOD_OTHER && req->body.len <= BODY_MAX_BYTES);
	CHECK(!req->body_too_large || req->body.len == 0);
	for (enum header h = 0; h < HEADER__COUNT; h++)
		CHECK((req->header_count[h] > 0) == (req->header[h].ptr != NULL));
}

static void
answer(const struct request *req, unsigned how, int front)
{
	struct response *res = &fuzzed.res;
	struct conn     *c = &fuzzed.conn;

	check_request(req);
	res->status = 200;
	response_header(res, "X-Uri", req->uri); /* as nobody should do it */
	if (how & NEVER_READS)
		memset(buf_room(&res->body, LARGE_BYTES), ' ', LARGE_BYTES), res->body.len = LARGE_BYTES;
	else
		buf_str(&res->body, STR("{}"));
	conn_answer(c, res, true);
	CHECK(c->state != CONN_RUNNING && !(how & NEVER_READS && c->state == CONN_READING));
	if (!(how & (NEVER_READS | LEAVES)))
		check_answer(front);
	arena_reset(&fuzzed.arena);
	response_reset(res);
}

/* As a loop does it when there is something to read. */
static void
take(struct request *req, unsigned how, int front)
{
	struct conn *c = &fuzzed.conn;

	for (unsigned turns = 0; c->state == CONN_READING; turns++) {
		enum conn_read got = conn_read(c, req);

		CHECK(turns < TURNS_MAX && conn_bytes(c) < KEPT_MAX_BYTES);
		if (got == CONN_REQUEST) {
			CHECK(c->state == CONN_RUNNING && c->deadline_ms == INT64_MAX);
			answer(req, how, front);
			continue;
		}
		CHECK((c->state == CONN_CLOSED) == (got != CONN_MORE));
		if (got == CONN_MORE)
			return;
	}
	if (c->state == CONN_WRITING || c->state == CONN_ENDING)
		conn_go_on(c);
}

/* Until the connection is closed, without anything that comes from the other side any more. */
static void
finish(void)
{
	struct conn *c = &fuzzed.conn;

	if (c->state == CONN_READING && c->deadline_ms == INT64_MAX)
		conn_close(c); /* kept, and idle */
	for (unsigned turns = 0; c->state != CONN_CLOSED; turns++) {
		CHECK(turns < 4 && c->deadline_ms < INT64_MAX);
		CHECK(!conn_late(c, c->deadline_ms - 1) && c->state != CONN_CLOSED);
		conn_late(c, c->deadline_ms);
	}
}

static void
begin(void)
{
	log_nowhere();
	fuzzed.f = fcgi_new(&(struct fcgi_bodies) { .max_bytes = BODY_MAX_BYTES }, TIMEOUT_MS);
	CHECK(fuzzed.f);
	arena_init(&fuzzed.arena);
	response_init(&fuzzed.res);
	buf_init(&fuzzed.wire, INPUT_MAX_BYTES + 1024);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request req = { .arena = &fuzzed.arena };
	unsigned       how, parts;
	struct str     sent;
	int64_t        begun_ms;
	int            ends[2];

	if (size == 0 || size > INPUT_MAX_BYTES)
		return 0;
	if (!fuzzed.f)
		begin();
	how = data[0];
	parts = how & IN_PARTS ? 2 + ((how & PARTS) >> PARTS_SHIFT) : 1;
	sent = wire(how, data + 1, size - 1);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	begun_ms = clock_mono_ms();
	conn_open(&fuzzed.conn, fuzzed.f, &(struct peer) { .fd = ends[1], .same_host = true });
	for (size_t step; sent.len && fuzzed.conn.state != CONN_CLOSED; sent = (struct str) { sent.ptr + step, sent.len - step }) {
		step = parts == 1 ? sent.len : 1 + (sent.len - 1) / parts--;
		CHECK(send(ends[0], sent.ptr, step, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)step);
		if (step < sent.len)
			take(&req, how, ends[0]);
	}
	if (how & LEAVES)
		close(ends[0]);
	else if (!(how & KEEPS_OPEN))
		shutdown(ends[0], SHUT_WR);
	take(&req, how, ends[0]);
	finish();
	CHECK(clock_mono_ms() - begun_ms < HELD_MAX_MS);
	CHECK(fcntl(ends[1], F_GETFD) == -1 && errno == EBADF);
	conn_fini(&fuzzed.conn);
	if (!(how & LEAVES))
		close(ends[0]);
	arena_reset(&fuzzed.arena);
	response_reset(&fuzzed.res);
	return 0;
}
