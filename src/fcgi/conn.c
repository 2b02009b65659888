/* Connections that front servers open. */
#include "fcgi/conn.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "fcgi/answer.h"
#include "fcgi/parse.h"

#include <assert.h>
#include <errno.h>
#include <fastcgi.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
	/* A front server sends the first record as soon as it is connected. */
	FIRST_BYTES_MS = 1000,
	LOOK_PAUSE_MS = 5,
	/* Looked at before libfcgi reads; all but long bodies fits. Then there is more room. */
	LOOK_BYTES = 8 * 1024,
	LOOK_MAX_BYTES = PARAMS_MAX_BYTES + 64 * 1024,

	BODY_STEP_BYTES = 64 * 1024,
	BODY_KEEP_BYTES = 128 * 1024,
};

struct conn {
	FCGX_Request  library;
	size_t        body_max_bytes;
	int64_t       timeout_ms;
	struct buf    body;
	struct buf    look; /* what was seen, with nothing taken */
	struct answer answer;
	sigset_t      alarm;
	struct peer   peer;       /* of the request in hand */
	bool          keep_asked; /* by the request in hand */
	bool          alone;      /* the socket held it as a whole, and nothing behind it */
	bool          consumed;   /* nothing of the request is left in the socket */
};

void
conn_drop(struct conn *c)
{
	FCGX_Free(&c->library, 0);
	if (c->library.ipcFd != -1)
		close(c->library.ipcFd);
	c->library.ipcFd = -1;
}

/*
 * FCGX_Accept_r() reads from a descriptor that it finds in ipcFd when keepConnection is set, puts
 * the number of the request into requestId, and FCGX_Free() leaves the descriptor open. These
 * members are marked private, so one made-up request is run through a socket pair to see that they
 * still mean this.
 */
static bool
library_behaves(FCGX_Request *library)
{
	static const unsigned char request[] = {
		FCGI_VERSION_1, FCGI_BEGIN_REQUEST, 0, 1, 0, 8, 0, 0, /* */
		0, FCGI_RESPONDER, 0, 0, 0, 0, 0, 0,                  /* */
		FCGI_VERSION_1, FCGI_PARAMS, 0, 1, 0, 4, 0, 0,        /* */
		1, 1, 'A', 'b',                                       /* */
		FCGI_VERSION_1, FCGI_PARAMS, 0, 1, 0, 0, 0, 0,        /* */
		FCGI_VERSION_1, FCGI_STDIN, 0, 1, 0, 0, 0, 0,         /* */
	};
	const char *a;
	int         pair[2];
	bool        good = false;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return false;
	if (write(pair[1], request, sizeof(request)) != (ssize_t)sizeof(request))
		goto out;
	library->ipcFd = pair[0];
	library->keepConnection = 1;
	if (FCGX_Accept_r(library) != 0 || library->ipcFd != pair[0]
	    || library->keepConnection != 0 || library->requestId != 1)
		goto out;
	a = FCGX_GetParam("A", library->envp);
	if (!a || strcmp(a, "b") != 0)
		goto out;
	FCGX_Free(library, 0);
	good = library->ipcFd == pair[0] && fcntl(pair[0], F_GETFD) != -1;
out:
	close(pair[0]);
	close(pair[1]);
	library->ipcFd = -1;
	return good;
}

/* ---- the end of what lasts too long */

static volatile sig_atomic_t bounded_fd = -1;

static void
end_bounded(int number UNUSED)
{
	int kept = errno;

	shutdown(bounded_fd, SHUT_RDWR);
	errno = kept;
}

/*
 * Ends the connection after so many ms; 0: not any more. SO_RCVTIMEO and its kin bound one wait, so
 * a peer that sends or takes a byte now and then would keep a worker for ever, and they bound
 * nothing when it sends without end. A connection that is shut down has an end for libfcgi,
 * wherever it is. The signal is unblocked only while the timer runs, so none is left over.
 */
static void
deadline_set(const struct conn *c, int64_t ms)
{
	const struct itimerval timer = {
		.it_value = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 },
	};

	bounded_fd = c->peer.fd;
	setitimer(ITIMER_REAL, &timer, NULL);
	sigprocmask(ms ? SIG_UNBLOCK : SIG_BLOCK, &c->alarm, NULL);
}

struct conn *
conn_new(size_t body_max_bytes, int64_t timeout_ms)
{
	struct conn           *c = must_alloc(sizeof(*c));
	const struct sigaction on_alarm = { .sa_handler = end_bounded, .sa_flags = SA_RESTART };

	c->body_max_bytes = body_max_bytes;
	c->timeout_ms = timeout_ms;
	buf_init(&c->body, body_max_bytes + BODY_STEP_BYTES);
	buf_init(&c->look, LOOK_MAX_BYTES);
	answer_init(&c->answer);
	sigemptyset(&c->alarm);
	sigaddset(&c->alarm, SIGALRM);
	sigprocmask(SIG_BLOCK, &c->alarm, NULL);
	sigaction(SIGALRM, &on_alarm, NULL);
	/* How long it lingers at a close for a peer that has not read everything. */
	setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "100", 0);
	if (FCGX_Init() == 0 && FCGX_InitRequest(&c->library, -1, 0) == 0
	    && library_behaves(&c->library)) {
		/* It puts a handler of its own in the place of an ignored signal. */
		signal(SIGPIPE, SIG_IGN);
		return c;
	}
	log_error("this libfcgi behaves differently from the one that this program was "
		  "written for");
	c->library.ipcFd = -1;
	conn_free(c);
	return NULL;
}

void
conn_free(struct conn *c)
{
	conn_drop(c);
	buf_fini(&c->body);
	buf_fini(&c->look);
	answer_fini(&c->answer);
	free(c);
}

/* ---- reading */

/*
 * Waits for the parameters, without taking anything from the socket. PARSE_WRONG also when they do
 * not come; *closed when nothing came and nothing will.
 */
static enum parse_seen
look(struct conn *c, int64_t begun_ms, bool *closed)
{
	static const struct timespec pause = { .tv_nsec = LOOK_PAUSE_MS * 1000000L };
	int64_t first_ms = c->timeout_ms < FIRST_BYTES_MS ? c->timeout_ms : FIRST_BYTES_MS;
	size_t  size = LOOK_BYTES;
	bool    ended = false; /* nothing will come that is not there yet */

	for (;;) {
		struct pollfd   wait = { .fd = c->peer.fd, .events = POLLIN | POLLRDHUP };
		char           *room = buf_room(&c->look, size);
		enum parse_seen seen = PARSE_MORE;
		ssize_t         n = recv(c->peer.fd, room, size, MSG_PEEK | MSG_DONTWAIT);
		int64_t         left;

		*closed = n == 0;
		if (n == 0 || (n == -1 && errno != EAGAIN))
			return PARSE_WRONG;
		if (n > 0)
			seen = parse_records((const unsigned char *)room, (size_t)n, &c->alone);
		if (seen != PARSE_MORE)
			return seen;
		if (n == (ssize_t)size && size < LOOK_MAX_BYTES) {
			size = LOOK_MAX_BYTES;
			continue;
		}
		left = begun_ms + (n < PARSE_RECORD_HEAD_BYTES ? first_ms : c->timeout_ms)
		    - clock_mono_ms();
		if (n == (ssize_t)size || left <= 0 || ended)
			return PARSE_WRONG;
		ended = poll(&wait, 1, n == -1 ? (int)left : 0) == 1 && wait.revents & ~POLLIN;
		if (n > 0 && !ended)
			nanosleep(&pause, NULL); /* poll() would return at once */
	}
}

/* Reads the body to its end, which must be where CONTENT_LENGTH says. */
static bool
read_body(struct conn *c, struct str length_text, struct request *req)
{
	FCGX_Stream *in = c->library.in;
	int64_t      length;

	buf_reset(&c->body, BODY_KEEP_BYTES);
	if (!parse_length(length_text, &length))
		return false;
	if ((uint64_t)length > c->body_max_bytes) {
		req->body_too_large = true;
		return true;
	}
	for (;;) {
		/* One byte more than is announced shows that there is more. */
		size_t want = length ? (size_t)length + 1 - c->body.len : BODY_STEP_BYTES;
		char  *room = buf_room(&c->body, want);
		int    got;

		assert(room); /* the buffer's maximum is one step above body_max */
		got = FCGX_GetStr(room, (int)want, in);
		c->body.len += (size_t)got;
		if (got < (int)want)
			break;
		if (length)
			return false; /* longer than announced */
		if (c->body.len > c->body_max_bytes) {
			req->body_too_large = true;
			return true;
		}
	}
	if (FCGX_GetError(in) != 0 || (length && c->body.len != (size_t)length))
		return false;
	c->consumed = true;
	if (c->body.len > c->body_max_bytes)
		req->body_too_large = true;
	else
		req->body = buf_view(&c->body);
	return true;
}

static bool
read_request(struct conn *c, struct request *req, int64_t now_wall_us)
{
	FCGX_Request       *library = &c->library;
	struct parse_params params;

	library->keepConnection = 1; /* else it would close ipcFd and not read from it */
	if (FCGX_Accept_r(library) != 0)
		return false;
	c->keep_asked = library->keepConnection != 0;
	/* Parameters that were cut off look like a complete request but for this error. */
	if (FCGX_GetError(library->in) != 0 || library->role != FCGI_RESPONDER)
		return false;
	parse_params(library->envp, &params);
	if (params.count[PARSE_METHOD] == 0 || params.count[PARSE_URI] == 0)
		return false;
	req->method = method_find(params.value[PARSE_METHOD]);
	req->uri = arena_str(req->arena, params.value[PARSE_URI]);
	for (size_t i = 0; i < HEADER__COUNT; i++) {
		req->header[i] = arena_str(req->arena, params.value[PARSE_HEADERS + i]);
		req->header_count[i] = params.count[PARSE_HEADERS + i];
	}
	if (params.count[PARSE_START])
		req->queue_us = request_waited_us(params.value[PARSE_START], now_wall_us);
	return read_body(c, params.value[PARSE_LENGTH], req);
}

enum conn_read
conn_read(struct conn *c, const struct peer *peer, struct request *req)
{
	int64_t         now_wall_us = clock_wall_us();
	int64_t         begun_ms = clock_mono_ms();
	enum conn_read  result = CONN_USELESS;
	enum parse_seen seen;
	bool            closed;

	*req = (struct request) {
		.arena = req->arena,
		.body = STR(""),
		.peer = &c->peer,
		.queue_us = -1,
	};
	c->peer = *peer;
	c->library.ipcFd = peer->fd;
	c->alone = c->consumed = false;
	seen = look(c, begun_ms, &closed);
	if (seen == PARSE_PARAMS) {
		int64_t left_ms = begun_ms + c->timeout_ms - clock_mono_ms();

		deadline_set(c, left_ms > 0 ? left_ms : 1);
	}
	if (closed)
		result = CONN_CLOSED;
	else if (seen != PARSE_WRONG && read_request(c, req, now_wall_us))
		result = CONN_REQUEST;
	if (seen == PARSE_PARAMS)
		deadline_set(c, 0);
	/* Now, because it may have been the deadline that ended the connection. */
	if (result == CONN_REQUEST && peer_has_left(&c->peer))
		result = CONN_ABANDONED;
	if (result != CONN_REQUEST)
		conn_drop(c);
	return result;
}

/* ---- writing */

/* So much of the answer, from there on, was taken; -1: it ends here. */
static ssize_t
send_from(const struct conn *c, ssize_t from, int flags)
{
	const struct buf *records = &c->answer.records;
	ssize_t           n = send(c->peer.fd, records->ptr + from, records->len - (size_t)from,
		      flags | MSG_NOSIGNAL);

	return n == -1 && errno == EAGAIN ? 0 : n;
}

bool
conn_write(struct conn *c, const struct response *res, bool keep)
{
	bool    kept = keep && c->keep_asked && c->alone && c->consumed, bounded;
	ssize_t whole, sent, more;

	answer_make(&c->answer, res, (unsigned)c->library.requestId, c->keep_asked && !kept);
	/*
	 * All of it in one call when the socket has room, as a unix socket has for 200 KiB: so a
	 * worker that is killed has answered or has not. Without kept connections nginx takes half
	 * an answer for a whole one, and its client waits for the rest until nginx closes the
	 * connection, which is after 75 s.
	 */
	whole = (ssize_t)c->answer.records.len;
	sent = more = send_from(c, 0, MSG_DONTWAIT);
	bounded = (more != -1 && sent < whole) || !c->consumed;
	if (bounded)
		deadline_set(c, c->timeout_ms);
	while (more != -1 && sent < whole) {
		more = send_from(c, sent, 0);
		sent += more;
	}
	if (more == -1) {
		log_debug("the front server left before the end of the response");
		kept = false;
	}
	/*
	 * With input left unread a plain close would reset the connection and the response with it,
	 * so then libfcgi closes: it shuts down, and reads on until the other side has closed. All
	 * other connections are closed here.
	 */
	FCGX_Free(&c->library, !c->consumed);
	if (bounded)
		deadline_set(c, 0);
	if (kept)
		c->library.ipcFd = -1;
	conn_drop(c);
	return kept;
}
