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
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/* A front server sends the first record as soon as it is connected. */
	FIRST_BYTES_MS = 1000,
	/* Looked at in the socket; all but long bodies fits. */
	LOOK_BYTES = 8 * 1024,
	/* Of what comes in parts, besides the body: parameters, and what records add to it all. */
	PARTS_BYTES = 2 * PARAMS_MAX_BYTES + 64 * 1024,
	STEP_BYTES = 64 * 1024,
	MEMORY_KEEP_BYTES = 256 * 1024, /* of what is handed to libfcgi in memory */
	KEEP_BYTES = 16 * 1024, /* of a connection's buffers, between two requests */
	/* A peer that has got its answer and says nothing for so long will not miss a close. */
	SILENT_MS = 100,
	/* Read at once from one that goes on sending. */
	FLOOD_BYTES = 1024 * 1024,
};

struct fcgi {
	FCGX_Request  library;
	struct fcgi_bodies bodies;
	size_t        largest_bytes; /* the largest of all bodies */
	int64_t       timeout_ms;
	int           memory_fd; /* libfcgi reads from descriptors: a request that came in parts */
	char         *memory;    /* the same, mapped: no limit of files stands in its way */
	size_t        memory_bytes;
	bool          closed;    /* libfcgi has closed the descriptor that it was given last */
	struct answer answer;
	unsigned char look[LOOK_BYTES];
};

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

/* What is gathered of a request with such a body; records add up to 8 bytes to a few of it. */
static size_t
gathered(size_t body_bytes)
{
	return PARTS_BYTES + body_bytes + body_bytes / 16;
}

static size_t
most_gathered(const struct fcgi *f)
{
	return gathered(f->largest_bytes);
}

static bool
open_memory(struct fcgi *f)
{
	f->memory_bytes = most_gathered(f);
	f->memory_fd = memfd_create("request", MFD_CLOEXEC);
	if (f->memory_fd == -1 || ftruncate(f->memory_fd, (off_t)f->memory_bytes) == -1)
		return false;
	f->memory = mmap(NULL, f->memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
	    f->memory_fd, 0);
	if (f->memory != MAP_FAILED)
		return true;
	f->memory = NULL;
	return false;
}

struct fcgi *
fcgi_new(const struct fcgi_bodies *bodies, int64_t timeout_ms)
{
	struct fcgi *f = must_alloc(sizeof(*f));

	f->bodies = *bodies;
	f->largest_bytes = bodies->takes_more && bodies->more_max_bytes > bodies->max_bytes
	    ? bodies->more_max_bytes : bodies->max_bytes;
	f->timeout_ms = timeout_ms;
	answer_init(&f->answer);
	if (!open_memory(f)) {
		log_error("no memory for requests: %s", strerror(errno));
	} else if (FCGX_Init() == 0 && FCGX_InitRequest(&f->library, -1, 0) == 0
	    && library_behaves(&f->library)) {
		/* It puts a handler of its own in the place of an ignored signal. */
		signal(SIGPIPE, SIG_IGN);
		return f;
	} else {
		log_error("this libfcgi behaves differently from the one that this program was "
			  "written for");
	}
	f->library.ipcFd = -1;
	fcgi_free(f);
	return NULL;
}

void
fcgi_free(struct fcgi *f)
{
	FCGX_Free(&f->library, 0);
	if (f->memory)
		munmap(f->memory, f->memory_bytes);
	if (f->memory_fd != -1)
		close(f->memory_fd);
	answer_fini(&f->answer);
	free(f);
}

/* ---- life of a connection */

void
conn_open(struct conn *c, struct fcgi *f, const struct peer *peer)
{
	c->fcgi = f;
	c->peer = *peer;
	c->state = CONN_READING;
	c->reused = c->begun = c->sized = false;
	c->deadline_ms = clock_mono_ms()
	    + (f->timeout_ms < FIRST_BYTES_MS ? f->timeout_ms : FIRST_BYTES_MS);
	buf_init(&c->in, most_gathered(f));
	buf_init(&c->body, f->largest_bytes + STEP_BYTES);
	buf_init(&c->out, SIZE_MAX);
}

void
conn_close(struct conn *c)
{
	if (c->state != CONN_CLOSED && c->peer.fd != -1)
		close(c->peer.fd);
	c->state = CONN_CLOSED;
	c->deadline_ms = INT64_MAX;
}

void
conn_fini(struct conn *c)
{
	assert(c->state == CONN_CLOSED);
	buf_fini(&c->in);
	buf_fini(&c->body);
	buf_fini(&c->out);
}

size_t
conn_bytes(const struct conn *c)
{
	return c->in.cap + c->body.cap + c->out.cap;
}

/* ---- reading */

/* Whether the body of this request may have so many bytes. */
static bool
takes(const struct fcgi *f, const struct request *req, uint64_t bytes)
{
	return bytes <= f->bodies.max_bytes
	    || (bytes <= f->largest_bytes && f->bodies.takes_more(req));
}

/* Reads the body to its end, which must be where CONTENT_LENGTH says. */
static bool
read_body(struct conn *c, int64_t length, struct request *req)
{
	struct fcgi *f = c->fcgi;
	FCGX_Stream *in = f->library.in;

	for (;;) {
		/* One byte more than is announced shows that there is more. */
		size_t want = length ? (size_t)length + 1 - c->body.len : STEP_BYTES;
		char  *room = buf_room(&c->body, want);
		int    got;

		assert(room); /* the buffer's maximum is one step above the largest */
		got = FCGX_GetStr(room, (int)want, in);
		c->body.len += (size_t)got;
		if (got < (int)want)
			break;
		if (length)
			return false; /* longer than announced */
		if (!takes(f, req, c->body.len)) {
			req->body_too_large = true;
			return true;
		}
	}
	if (FCGX_GetError(in) != 0 || (length && c->body.len != (size_t)length))
		return false;
	c->consumed = true;
	if (takes(f, req, c->body.len))
		req->body = buf_view(&c->body);
	else
		req->body_too_large = true;
	return true;
}

static void
copy_params(const struct parse_params *params, struct request *req)
{
	req->method = method_find(params->value[PARSE_METHOD]);
	req->uri = arena_str(req->arena, params->value[PARSE_URI]);
	req->address = arena_str(req->arena, params->value[PARSE_ADDRESS]);
	req->user = arena_str(req->arena, params->value[PARSE_USER]);
	for (size_t i = 0; i < HEADER__COUNT; i++) {
		if (!(req->header_count[i] = params->count[PARSE_HEADERS + i]))
			continue; /* most requests have few of them */
		req->header[i] = arena_str(req->arena, params->value[PARSE_HEADERS + i]);
	}
	/* As CGI names it; nginx passes it on with the other headers. */
	if (!params->count[PARSE_HEADERS + HEADER_CONTENT_TYPE])
		req->header[HEADER_CONTENT_TYPE]
		    = arena_str(req->arena, params->value[PARSE_TYPE]);
	if (params->count[PARSE_START])
		req->queue_us = request_waited_us(params->value[PARSE_START], clock_wall_us());
}

enum found { FOUND_WRONG, FOUND_REQUEST, FOUND_PART };

/* Once its parameters are known. whole: see parse(). */
static enum found
find_body(struct conn *c, int64_t length, bool whole, struct request *req)
{
	if (!whole)
		c->more = takes(c->fcgi, req, c->fcgi->largest_bytes);
	if (!takes(c->fcgi, req, (uint64_t)length)) {
		req->body_too_large = true;
		return FOUND_REQUEST;
	}
	if (!whole)
		return FOUND_PART;
	return read_body(c, length, req) ? FOUND_REQUEST : FOUND_WRONG;
}

/*
 * Has libfcgi read a request from fd. whole: it is there to its end. Else only its parameters are,
 * and it is a request only if its body is too large to wait for.
 */
static enum found
parse(struct conn *c, int fd, bool whole, struct request *req)
{
	FCGX_Request       *library = &c->fcgi->library;
	struct parse_params params;
	enum found          found = FOUND_WRONG;
	int64_t             length;

	c->fcgi->closed = false;
	library->ipcFd = fd;
	library->keepConnection = 1; /* else it would close ipcFd and not read from it */
	if (FCGX_Accept_r(library) == 0) {
		c->keep_asked = library->keepConnection != 0;
		c->request_id = (unsigned)library->requestId;
		parse_params(library->envp, &params);
		/* Parameters that were cut off look like a complete request but for this error. */
		if (FCGX_GetError(library->in) != 0 || library->role != FCGI_RESPONDER
		    || params.count[PARSE_METHOD] == 0 || params.count[PARSE_URI] == 0
		    || !parse_length(params.value[PARSE_LENGTH], &length)) {
			found = FOUND_WRONG;
		} else {
			copy_params(&params, req);
			found = find_body(c, length, whole, req);
		}
	} else {
		/* Parameters that it cannot take apart: it closes, and looks for another one. */
		c->fcgi->closed = library->ipcFd != fd;
	}
	FCGX_Free(library, 0);
	library->ipcFd = -1;
	return found;
}

/*
 * The same from what was gathered. What an earlier, longer request has left behind it in the memory
 * is not read as a part of this one: its last record is there.
 */
static enum found
parse_gathered(struct conn *c, bool whole, struct request *req)
{
	struct fcgi *f = c->fcgi;
	int          fd = dup(f->memory_fd); /* libfcgi may close it */
	enum found   found = FOUND_WRONG;

	if (fd == -1 || lseek(fd, 0, SEEK_SET) == -1) {
		log_error("a request cannot be handed to libfcgi: %s", strerror(errno));
	} else {
		memcpy(f->memory, c->in.ptr, c->in.len);
		found = parse(c, fd, whole, req);
		memset(f->memory, 0, c->in.len); /* it has an API key in it */
		if (c->in.len > MEMORY_KEEP_BYTES)
			madvise(f->memory, f->memory_bytes, MADV_REMOVE);
	}
	if (fd != -1 && !f->closed)
		close(fd);
	f->closed = false;
	return found;
}

static enum conn_read
end_reading(struct conn *c, enum conn_read how)
{
	if (how == CONN_REQUEST) {
		c->state = CONN_RUNNING;
		c->deadline_ms = INT64_MAX;
	} else if (how != CONN_MORE) {
		conn_close(c);
	}
	return how;
}

/* From the first bytes on there is a time by which all must be there. */
static void
begin(struct conn *c)
{
	if (c->begun)
		return;
	c->begun = true;
	c->deadline_ms = clock_mono_ms() + c->fcgi->timeout_ms;
}

/* A request that is not in the socket as a whole: takes what is there, and looks at all of it. */
static enum conn_read
gather(struct conn *c, struct request *req)
{
	enum parse_seen seen;
	bool            ended = false, too_large;
	ssize_t         n;

	do {
		char *room = buf_room(&c->in, STEP_BYTES);

		if (!room)
			break;
		n = recv(c->peer.fd, room, STEP_BYTES, MSG_DONTWAIT);
		if (n > 0)
			c->in.len += (size_t)n;
		ended = n == 0 || (n == -1 && errno != EAGAIN);
	} while (n > 0); /* an end behind the last bytes is told with them */
	if (c->in.len == 0)
		return ended ? end_reading(c, c->reused ? CONN_END : CONN_USELESS) : CONN_MORE;
	begin(c);
	seen = parse_records((const unsigned char *)c->in.ptr, c->in.len, &c->alone);
	too_large = c->in.full
	    || (c->sized && !c->more && c->in.len > gathered(c->fcgi->bodies.max_bytes));
	if (seen == PARSE_WHOLE)
		return end_reading(c, parse_gathered(c, true, req) == FOUND_REQUEST
			    ? CONN_REQUEST : CONN_USELESS);
	if (seen == PARSE_WRONG || ended || (seen == PARSE_MORE && c->in.len > PARTS_BYTES))
		return end_reading(c, CONN_USELESS);
	if (seen == PARSE_PARAMS && (!c->sized || too_large)) {
		enum found found = parse_gathered(c, false, req);

		c->sized = true;
		if (found == FOUND_PART && !too_large)
			return CONN_MORE;
		req->body_too_large = true;
		return end_reading(c, found == FOUND_WRONG ? CONN_USELESS : CONN_REQUEST);
	}
	return CONN_MORE;
}

enum conn_read
conn_read(struct conn *c, struct request *req)
{
	enum parse_seen seen = PARSE_MORE;
	ssize_t         n;

	*req = (struct request) {
		.arena = req->arena,
		.body = STR(""),
		.peer = &c->peer,
		.queue_us = -1,
	};
	if (c->in.len)
		return gather(c, req);
	c->alone = c->consumed = c->sized = false;
	n = recv(c->peer.fd, c->fcgi->look, LOOK_BYTES, MSG_PEEK | MSG_DONTWAIT);
	if (n == -1 && errno == EAGAIN)
		return CONN_MORE; /* without a buffer */
	if (n > 0 && n < LOOK_BYTES) /* else more may stand behind it */
		seen = parse_records(c->fcgi->look, (size_t)n, &c->alone);
	if (seen != PARSE_WHOLE)
		return gather(c, req);
	if (parse(c, c->peer.fd, true, req) == FOUND_REQUEST)
		return end_reading(c, CONN_REQUEST);
	if (c->fcgi->closed)
		c->peer.fd = -1; /* its number may be another's by now */
	return end_reading(c, CONN_USELESS);
}

/* ---- writing */

static void
read_to_end(struct conn *c)
{
	char    nobody[STEP_BYTES / 4];
	size_t  seen = 0;
	ssize_t n;

	/* The poller tells of changes alone, so what is left to read is for the next deadline. */
	do {
		n = recv(c->peer.fd, nobody, sizeof(nobody), MSG_DONTWAIT);
		seen += n > 0 ? (size_t)n : 0;
	} while (n > 0 && seen < FLOOD_BYTES);
	c->unread = n > 0;
	c->deadline_ms = clock_mono_ms() + (c->unread ? 0 : SILENT_MS);
	if (n == 0 || (n == -1 && errno != EAGAIN) || c->deadline_ms > c->end_ms)
		conn_close(c);
}

/* The answer is out. */
static void
finish(struct conn *c)
{
	buf_reset(&c->out, KEEP_BYTES);
	c->sent = 0;
	if (c->keep) {
		c->state = CONN_READING;
		c->reused = true;
		c->begun = false;
		c->deadline_ms = INT64_MAX;
		return;
	}
	if (c->consumed || shutdown(c->peer.fd, SHUT_WR) == -1) {
		conn_close(c);
		return;
	}
	c->state = CONN_ENDING;
	c->end_ms = clock_mono_ms() + c->fcgi->timeout_ms;
	read_to_end(c); /* no event tells of a peer that has left before */
}

/* How many bytes were taken; -1: the connection ends here. */
static ssize_t
send_some(const struct conn *c, const char *bytes, size_t n)
{
	ssize_t taken = send(c->peer.fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	return taken == -1 && errno == EAGAIN ? 0 : taken;
}

static void
lose(struct conn *c)
{
	log_debug("the front server left before the end of the response");
	conn_close(c);
}

void
conn_answer(struct conn *c, const struct response *res, bool keep)
{
	const struct buf *records = &c->fcgi->answer.records;
	ssize_t           taken;

	c->keep = keep && c->keep_asked && c->alone && c->consumed;
	answer_make(&c->fcgi->answer, res, c->request_id, c->keep_asked && !c->keep);
	buf_reset(&c->body, KEEP_BYTES);
	buf_reset(&c->in, KEEP_BYTES);
	/*
	 * All of it in one call when the socket has room, as a unix socket has for 200 KiB: so a
	 * worker that is killed has answered or has not. Without kept connections nginx takes half
	 * an answer for a whole one, and its client waits for the rest until nginx closes the
	 * connection, which is after 75 s.
	 */
	taken = send_some(c, records->ptr, records->len);
	if (taken == -1) {
		lose(c);
	} else if ((size_t)taken == records->len) {
		finish(c);
	} else {
		buf_add(&c->out, records->ptr + taken, records->len - (size_t)taken);
		c->sent = 0;
		c->state = CONN_WRITING;
		c->deadline_ms = clock_mono_ms() + c->fcgi->timeout_ms;
	}
}

void
conn_go_on(struct conn *c)
{
	ssize_t taken;

	if (c->state == CONN_ENDING) {
		read_to_end(c);
		return;
	}
	taken = send_some(c, c->out.ptr + c->sent, c->out.len - c->sent);
	if (taken == -1) {
		lose(c);
		return;
	}
	c->sent += (size_t)taken;
	if (c->sent == c->out.len)
		finish(c);
}

bool
conn_late(struct conn *c, int64_t now_ms)
{
	bool reading = c->state == CONN_READING;

	if (now_ms < c->deadline_ms)
		return false;
	if (c->state == CONN_WRITING)
		lose(c);
	else if (c->state == CONN_ENDING && c->unread)
		read_to_end(c);
	else
		conn_close(c);
	return reading;
}
