/* FastCGI: requests and responses on connections that front servers open. */
#include "fcgi/fcgi.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

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
	/* Looked at before libfcgi reads; all but long bodies fits. What does not is looked at with more room. */
	LOOK_BYTES = 8 * 1024,
	LOOK_MAX_BYTES = PARAMS_MAX_BYTES + 64 * 1024,
	RECORD_HEAD_BYTES = 8,

	/* nginx answers 502 to more than 4 KiB of response headers. */
	HEAD_MAX_BYTES = 3584,

	RECORD_MAX_BYTES = 0xFFF8, /* of content: what fits the length, as multiple of 8 */
	ANSWER_MAX_BYTES = RESPONSE_MAX_BYTES + RESPONSE_MAX_BYTES / RECORD_MAX_BYTES * RECORD_HEAD_BYTES + 8 * 1024,

	BODY_STEP_BYTES = 64 * 1024,
	BODY_KEEP_BYTES = 128 * 1024,
};

struct fcgi {
	FCGX_Request library;
	size_t       body_max_bytes;
	int64_t      timeout_ms;
	struct buf   body;
	struct buf   head;
	struct buf   answer; /* its records, as they are sent */
	struct buf   look; /* what was seen, with nothing taken */
	sigset_t     alarm;
	struct peer  peer;       /* of the request in hand */
	bool         keep_asked; /* by the request in hand */
	bool         alone;      /* the socket held that request as a whole, and nothing behind it */
	bool         consumed;   /* nothing of the request is left in the socket */
};

/* The parameters that are looked at; nothing else is copied. */
enum param {
	PARAM_METHOD,
	PARAM_URI,
	PARAM_LENGTH,
	PARAM_START,
	PARAM_HEADERS, /* as many as enum header has */
	PARAM__COUNT = PARAM_HEADERS + HEADER__COUNT
};

static const struct str param_names[PARAM__COUNT] = {
	[PARAM_METHOD] = STR("REQUEST_METHOD"),
	[PARAM_URI] = STR("REQUEST_URI"),
	[PARAM_LENGTH] = STR("CONTENT_LENGTH"),
	[PARAM_START] = STR("REQUEST_START"),
#define HEADER(name, wire, param) [PARAM_HEADERS + HEADER_##name] = STR(param),
	HEADER_LIST(HEADER)
#undef HEADER
};

struct params {
	struct str value[PARAM__COUNT]; /* the first of each name */
	unsigned   count[PARAM__COUNT];
};

void
fcgi_drop(struct fcgi *f)
{
	FCGX_Free(&f->library, 0);
	if (f->library.ipcFd != -1)
		close(f->library.ipcFd);
	f->library.ipcFd = -1;
}

/*
 * FCGX_Accept_r() reads from a descriptor that it finds in ipcFd when
 * keepConnection is set, puts the number of the request into requestId, and FCGX_Free()
 * leaves the descriptor open. These members are marked private, so one made-up request is run
 * through a socket pair to see that they still mean this.
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

static volatile sig_atomic_t hurried_fd = -1;

static void
end_hurried(int number UNUSED)
{
	int kept = errno;

	shutdown(hurried_fd, SHUT_RDWR);
	errno = kept;
}

/*
 * Ends the connection after so many ms; 0: not any more. SO_RCVTIMEO and its kin bound one wait, so a
 * peer that sends or takes a byte now and then would keep a worker for ever, and they
 * bound nothing when it sends without end. A connection that is shut down has an end for
 * libfcgi, wherever it is. Unblocked after its timer is set and blocked after it is not, no signal is left over.
 */
static void
hurry(const struct fcgi *f, int64_t ms)
{
	const struct itimerval timer = { .it_value = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 } };

	hurried_fd = f->peer.fd;
	setitimer(ITIMER_REAL, &timer, NULL);
	sigprocmask(ms ? SIG_UNBLOCK : SIG_BLOCK, &f->alarm, NULL);
}

struct fcgi *
fcgi_new(size_t body_max_bytes, int64_t timeout_ms)
{
	struct fcgi *f = must_alloc(sizeof(*f));
	const struct sigaction on_alarm = { .sa_handler = end_hurried, .sa_flags = SA_RESTART };

	f->body_max_bytes = body_max_bytes;
	f->timeout_ms = timeout_ms;
	buf_init(&f->body, body_max_bytes + BODY_STEP_BYTES);
	buf_init(&f->head, HEAD_MAX_BYTES);
	buf_init(&f->answer, ANSWER_MAX_BYTES);
	buf_init(&f->look, LOOK_MAX_BYTES);
	sigemptyset(&f->alarm);
	sigaddset(&f->alarm, SIGALRM);
	sigprocmask(SIG_BLOCK, &f->alarm, NULL);
	sigaction(SIGALRM, &on_alarm, NULL);
	/* How long it lingers at a close for a peer that has not read everything. */
	setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "100", 0);
	if (FCGX_Init() == 0 && FCGX_InitRequest(&f->library, -1, 0) == 0
	    && library_behaves(&f->library)) {
		/* It puts a handler of its own in the place of an ignored signal. */
		signal(SIGPIPE, SIG_IGN);
		return f;
	}
	log_error("this libfcgi does not work as the one that this program was made for");
	f->library.ipcFd = -1;
	fcgi_free(f);
	return NULL;
}

void
fcgi_free(struct fcgi *f)
{
	fcgi_drop(f);
	buf_fini(&f->body);
	buf_fini(&f->head);
	buf_fini(&f->answer);
	buf_fini(&f->look);
	free(f);
}

/* Names and values as their lengths tell; the stream of them may be cut into records anywhere. */
struct pairs {
	size_t   total;    /* as find_params() sees them: "name=value" and a NUL */
	size_t   left;     /* of the pair in hand, behind its lengths */
	uint32_t length;   /* that is being read, */
	unsigned bytes;    /* of which so many are still to come */
	bool     has_name; /* its length is read, the value's is not */
};

/*
 * False when they are more than any front server sends. libfcgi takes every length at its
 * word, up to 4 GiB, and ends the process when there is no such memory.
 */
static bool
walk_pairs(struct pairs *p, const unsigned char *bytes, size_t n)
{
	for (size_t at = 0; at < n;) {
		if (p->left && !p->has_name) {
			size_t step = p->left < n - at ? p->left : n - at;

			p->left -= step;
			at += step;
			continue;
		}
		if (p->bytes) {
			p->length = p->length << 8 | bytes[at++];
			p->bytes--;
		} else {
			p->length = bytes[at] & 0x7F;
			p->bytes = bytes[at++] & 0x80 ? 3 : 0;
		}
		if (p->bytes)
			continue;
		p->left += p->length;
		p->total += (size_t)p->length + 1;
		p->has_name = !p->has_name;
		if (p->total > PARAMS_MAX_BYTES)
			return false;
	}
	return true;
}

enum look {
	LOOK_MORE,   /* the parameters may go on */
	LOOK_WRONG,  /* this is no request, whatever comes */
	LOOK_CLOSED, /* by the other side, and nothing was sent */
	LOOK_PARAMS, /* the parameters are all there; of the body, perhaps not */
	LOOK_WHOLE,  /* so libfcgi cannot come to wait for more */
};

/*
 * What these first bytes of a connection are: begin, parameters, their end, body, its end, in the order
 * in which every front server sends them. Padding behind the first record and behind the end
 * of the parameters would be records for libfcgi, so there may be none. Records of other types
 * or of another request are nothing that a front server sends, and libfcgi loses memory over some.
 * *alone: a whole request has nothing behind it.
 */
static enum look
judge(const unsigned char *bytes, size_t n, bool *alone)
{
	unsigned char expected = FCGI_BEGIN_REQUEST;
	struct pairs  pairs = { 0 };

	for (size_t at = 0; n - at >= RECORD_HEAD_BYTES;) {
		const unsigned char *head = bytes + at;
		size_t               content = (size_t)head[4] << 8 | head[5];
		bool                 good = head[0] == FCGI_VERSION_1 && head[1] == expected
		    && head[2] == bytes[2] && head[3] == bytes[3];

		if (expected == FCGI_BEGIN_REQUEST)
			good = good && (head[2] | head[3]) != 0 && content == 8;
		if (!good || (head[6] && (expected == FCGI_BEGIN_REQUEST || (expected == FCGI_PARAMS && content == 0))))
			return LOOK_WRONG;
		at += RECORD_HEAD_BYTES;
		if (expected == FCGI_PARAMS && !walk_pairs(&pairs, bytes + at, content < n - at ? content : n - at))
			return LOOK_WRONG;
		at += content + head[6];
		if (at > n)
			break;
		if (expected == FCGI_STDIN && content == 0) {
			*alone = at == n;
			return LOOK_WHOLE;
		}
		if (expected == FCGI_BEGIN_REQUEST) {
			expected = FCGI_PARAMS;
		} else if (expected == FCGI_PARAMS && content == 0) {
			if (pairs.left || pairs.bytes || pairs.has_name)
				return LOOK_WRONG;
			expected = FCGI_STDIN;
		}
	}
	return expected == FCGI_STDIN ? LOOK_PARAMS : LOOK_MORE;
}

/* Waits for the parameters, without taking anything from the socket. LOOK_WRONG also when they do not come. */
static enum look
look_at(struct fcgi *f, int64_t begun_ms)
{
	static const struct timespec pause = { .tv_nsec = LOOK_PAUSE_MS * 1000000L };
	int64_t                      first_ms = f->timeout_ms < FIRST_BYTES_MS ? f->timeout_ms : FIRST_BYTES_MS;
	size_t                       size = LOOK_BYTES;
	bool                         ended = false; /* nothing will come that is not there yet */

	for (;;) {
		struct pollfd wait = { .fd = f->peer.fd, .events = POLLIN | POLLRDHUP };
		char         *room = buf_room(&f->look, size);
		enum look     seen = LOOK_MORE;
		ssize_t       n = recv(f->peer.fd, room, size, MSG_PEEK | MSG_DONTWAIT);
		int64_t       left;

		if (n == 0)
			return LOOK_CLOSED;
		if (n == -1 && errno != EAGAIN)
			return LOOK_WRONG;
		if (n > 0)
			seen = judge((const unsigned char *)room, (size_t)n, &f->alone);
		if (seen != LOOK_MORE)
			return seen;
		if (n == (ssize_t)size && size < LOOK_MAX_BYTES) {
			size = LOOK_MAX_BYTES;
			continue;
		}
		left = begun_ms + (n < RECORD_HEAD_BYTES ? first_ms : f->timeout_ms) - clock_mono_ms();
		if (n == (ssize_t)size || left <= 0 || ended)
			return LOOK_WRONG;
		ended = poll(&wait, 1, n == -1 ? (int)left : 0) == 1 && wait.revents & ~POLLIN;
		if (n > 0 && !ended)
			nanosleep(&pause, NULL); /* poll() would return at once */
	}
}

static void
find_params(char **envp, struct params *out)
{
	*out = (struct params) { 0 };
	for (; *envp; envp++) {
		struct str value = str_of(*envp);
		struct str name = str_cut(&value, '=');

		if (!value.ptr)
			continue; /* the name had a NUL in it */
		for (size_t i = 0; i < PARAM__COUNT; i++)
			if (str_eq(name, param_names[i])) {
				if (out->count[i]++ == 0)
					out->value[i] = value;
				break;
			}
	}
}

/*
 * Reads the body to its end, which must be where CONTENT_LENGTH says. An
 * absent, empty and zero length and -1 (Caddy 2.6) are the same: front servers
 * that do not know the length of a body send any of them.
 */
static bool
read_body(struct fcgi *f, struct str length_text, struct request *req)
{
	FCGX_Stream *in = f->library.in;
	int64_t      length = 0;

	buf_reset(&f->body, BODY_KEEP_BYTES);
	if (length_text.len && !str_is(length_text, "-1")
	    && !str_to_i64(length_text, 0, INT64_MAX, &length))
		return false;
	if ((uint64_t)length > f->body_max_bytes) {
		req->body_too_large = true;
		return true;
	}
	for (;;) {
		/* One byte more than is announced shows that there is more. */
		size_t want = length ? (size_t)length + 1 - f->body.len : BODY_STEP_BYTES;
		char  *room = buf_room(&f->body, want);
		int    got;

		assert(room); /* the buffer's maximum is one step above body_max */
		got = FCGX_GetStr(room, (int)want, in);
		f->body.len += (size_t)got;
		if (got < (int)want)
			break;
		if (length)
			return false; /* longer than announced */
		if (f->body.len > f->body_max_bytes) {
			req->body_too_large = true;
			return true;
		}
	}
	if (FCGX_GetError(in) != 0 || (length && f->body.len != (size_t)length))
		return false;
	f->consumed = true;
	if (f->body.len > f->body_max_bytes)
		req->body_too_large = true;
	else
		req->body = buf_view(&f->body);
	return true;
}

static bool
read_request(struct fcgi *f, struct request *req, int64_t now_wall_us)
{
	FCGX_Request *library = &f->library;
	struct params params;

	library->keepConnection = 1; /* else it would close ipcFd and not read from it */
	if (FCGX_Accept_r(library) != 0)
		return false;
	f->keep_asked = library->keepConnection != 0;
	/* Parameters that were cut off look like a complete request but for this error. */
	if (FCGX_GetError(library->in) != 0 || library->role != FCGI_RESPONDER)
		return false;
	find_params(library->envp, &params);
	if (params.count[PARAM_METHOD] == 0 || params.count[PARAM_URI] == 0)
		return false;
	req->method = method_find(params.value[PARAM_METHOD]);
	req->uri = arena_str(req->arena, params.value[PARAM_URI]);
	for (size_t i = 0; i < HEADER__COUNT; i++) {
		req->header[i] = arena_str(req->arena, params.value[PARAM_HEADERS + i]);
		req->header_count[i] = params.count[PARAM_HEADERS + i];
	}
	if (params.count[PARAM_START])
		req->queue_us = request_waited_us(params.value[PARAM_START], now_wall_us);
	return read_body(f, params.value[PARAM_LENGTH], req);
}

enum fcgi_read
fcgi_read(struct fcgi *f, const struct peer *peer, struct request *req)
{
	int64_t        now_wall_us = clock_wall_us();
	int64_t        begun_ms = clock_mono_ms();
	enum fcgi_read result = READ_USELESS;
	enum look      seen;

	*req = (struct request) { .arena = req->arena, .body = STR(""), .peer = &f->peer, .queue_us = -1 };
	f->peer = *peer;
	f->library.ipcFd = peer->fd;
	f->alone = f->consumed = false;
	seen = look_at(f, begun_ms);
	if (seen == LOOK_PARAMS) {
		int64_t left_ms = begun_ms + f->timeout_ms - clock_mono_ms();

		hurry(f, left_ms > 0 ? left_ms : 1);
	}
	if (seen == LOOK_CLOSED)
		result = READ_CLOSED;
	else if (seen != LOOK_WRONG && read_request(f, req, now_wall_us))
		result = READ_REQUEST;
	if (seen == LOOK_PARAMS)
		hurry(f, 0);
	/* Now, because it may have been hurry() that ended the connection. */
	if (result == READ_REQUEST && peer_has_left(&f->peer))
		result = READ_ABANDONED;
	if (result != READ_REQUEST)
		fcgi_drop(f);
	return result;
}

static const char *
reason(int status)
{
	static const struct {
		int         status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 409, "Conflict" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < COUNTOF(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Status"; /* nginx passes an empty one on as a malformed line */
}

static bool
is_one_line(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ')
			return false;
	return true;
}

static void
make_head(struct buf *head, const struct response *res, size_t headers)
{
	char room[STR_NUM_BYTES];

	buf_reset(head, HEAD_MAX_BYTES);
	buf_str(head, STR("Status: "));
	buf_str(head, str_num(room, (uint64_t)res->status));
	buf_str(head, STR(" "));
	buf_str(head, str_of(reason(res->status)));
	buf_str(head, STR("\r\nContent-Type: application/json\r\nContent-Length: "));
	buf_str(head, str_num(room, res->body.len));
	buf_str(head, STR("\r\nCache-Control: no-store\r\n"));
	for (size_t i = 0; i < headers; i++) {
		/* Nobody should have put such a value in; it must not split the response. */
		if (!is_one_line(res->header[i].value)) {
			log_error("response header %s left out: control character",
			    res->header[i].name);
			continue;
		}
		buf_str(head, str_of(res->header[i].name));
		buf_add(head, ": ", 2);
		buf_str(head, res->header[i].value);
		buf_add(head, "\r\n", 2);
	}
	buf_add(head, "\r\n", 2);
}

static void
begin_record(struct fcgi *f, unsigned char type, size_t content)
{
	unsigned            id = (unsigned)f->library.requestId;
	const unsigned char head[RECORD_HEAD_BYTES] = { FCGI_VERSION_1, type, (unsigned char)(id >> 8), (unsigned char)id,
		(unsigned char)(content >> 8), (unsigned char)content };

	buf_add(&f->answer, (const char *)head, sizeof(head));
}

/*
 * When the front server wants to keep the connection and it ends here, one record too many is added: after
 * bytes behind the end nginx does not use the connection again, so it cannot send a request into one
 * that is being closed.
 */
static void
make_answer(struct fcgi *f, struct str body, bool ends)
{
	static const char complete[8] = { [4] = FCGI_REQUEST_COMPLETE };
	size_t            head = f->head.len, step;

	buf_reset(&f->answer, RESPONSE_KEEP_BYTES);
	do {
		step = body.len < RECORD_MAX_BYTES - head ? body.len : RECORD_MAX_BYTES - head;
		begin_record(f, FCGI_STDOUT, head + step);
		buf_add(&f->answer, f->head.ptr, head);
		buf_add(&f->answer, body.ptr, step);
		body = (struct str) { body.ptr + step, body.len - step };
		head = 0;
	} while (body.len);
	begin_record(f, FCGI_STDOUT, 0);
	begin_record(f, FCGI_END_REQUEST, sizeof(complete));
	buf_add(&f->answer, complete, sizeof(complete));
	if (ends && f->keep_asked)
		begin_record(f, FCGI_STDERR, 0);
}

/* So much of the answer, from there on, was taken; -1: it ends here. */
static ssize_t
send_from(const struct fcgi *f, ssize_t from, int flags)
{
	ssize_t n = send(f->peer.fd, f->answer.ptr + from, f->answer.len - (size_t)from, flags | MSG_NOSIGNAL);

	return n == -1 && errno == EAGAIN ? 0 : n;
}

bool
fcgi_write(struct fcgi *f, const struct response *res, bool keep)
{
	bool    kept = keep && f->keep_asked && f->alone && f->consumed, hurried;
	ssize_t whole, sent, more;

	make_head(&f->head, res, res->headers);
	if (f->head.full) {
		log_error("response headers left out: more than %d bytes", HEAD_MAX_BYTES);
		make_head(&f->head, res, 0);
	}
	make_answer(f, res->head_only ? STR("") : buf_view(&res->body), !kept);
	/*
	 * All of it in one call when the socket has room, as a unix socket has for 200 KiB: so a worker that is killed has
	 * answered or has not. Without kept connections nginx takes half an answer for a whole one, and
	 * its client waits for the rest until nginx closes the connection, which is after 75 s.
	 */
	whole = (ssize_t)f->answer.len;
	sent = more = send_from(f, 0, MSG_DONTWAIT);
	hurried = (more != -1 && sent < whole) || !f->consumed;
	if (hurried)
		hurry(f, f->timeout_ms);
	while (more != -1 && sent < whole) {
		more = send_from(f, sent, 0);
		sent += more;
	}
	if (more == -1) {
		log_debug("the front server left before the end of the response");
		kept = false;
	}
	/*
	 * With input left unread a plain close would reset the connection and the
	 * response with it, so then libfcgi closes: it shuts down, and reads on
	 * until the other side has closed. All other connections are closed here.
	 */
	FCGX_Free(&f->library, !f->consumed);
	if (hurried)
		hurry(f, 0);
	if (kept)
		f->library.ipcFd = -1;
	fcgi_drop(f);
	return kept;
}
