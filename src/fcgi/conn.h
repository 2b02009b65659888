/*
 * Connections that front servers open: a state machine for each, none of which ever waits. The only
 * file that includes libfcgi.
 *
 *	READING --request--> RUNNING --answer--> WRITING --> READING (kept), ENDING, CLOSED
 *
 * Reading    A request that is in the socket as a whole is parsed from there. One that comes in
 *            parts is gathered, within limits, and handed to libfcgi when it is whole: what bytes
 *            are is judged (fcgi/parse.h) before libfcgi, which believes every length, sees them.
 * Kept       A connection is kept when the front server asked for it, the caller agrees, and
 *            nothing stood behind the request: so no rest of a body can be parsed as the next
 *            request. All others end with their answer, in such a way that nginx does not send
 *            into one that is being closed.
 * Answers    Leave in one send() when the socket has room for them: a worker that is killed has
 *            answered or has not. What it has no room for waits in a buffer of the connection.
 * Ending     With input left unread a plain close would reset the connection and the answer with
 *            it. So it is shut down and read on until the other side has closed, for a moment.
 * Deadline   Each state has one, however few bytes the peer sends or takes at a time; the caller
 *            calls conn_late() when it has passed.
 * Lifetime   fcgi_new() once in each worker, after its signals are set up: libfcgi keeps
 *            process-wide state and takes over default handlers.
 * Threads    One.
 */
#ifndef FCGI_CONN_H
#define FCGI_CONN_H

#include "base/poller.h"
#include "http/request.h"
#include "http/response.h"

/* What all connections of a worker use. */
struct fcgi;

/* How large a body may be. */
struct fcgi_bodies {
	size_t max_bytes;
	/* Whether this request, whose body is not there yet, may have more; or NULL. */
	bool (*takes_more)(const struct request *req);
	size_t more_max_bytes;
};

/*
 * timeout_ms bounds the reading of a request from its first byte on, and the writing of a response.
 * NULL when this libfcgi does not do what this file relies on.
 */
struct fcgi *fcgi_new(const struct fcgi_bodies *bodies, int64_t timeout_ms);
void         fcgi_free(struct fcgi *f);

enum conn_state {
	CONN_READING,
	CONN_RUNNING, /* a request is the caller's, until conn_answer() or conn_close() */
	CONN_WRITING,
	CONN_ENDING,
	CONN_CLOSED,  /* the descriptor is closed */
};

struct conn {
	struct source   source; /* first: what the poller gives back */
	struct fcgi    *fcgi;
	struct peer     peer;
	enum conn_state state;
	int64_t         deadline_ms; /* monotonic; INT64_MAX: none */
	int64_t         end_ms;      /* of ENDING, whatever the peer sends */
	bool            reused;      /* it has had a request before the one in hand */
	bool            begun;       /* something of a request has come */
	unsigned        request_id;  /* FastCGI's */
	bool            keep_asked;  /* by the request in hand */
	bool            alone;       /* nothing stood behind it */
	bool            consumed;    /* nothing of it is left in the socket */
	bool            keep;        /* once the answer is out */
	bool            sized;       /* its announced length was looked at */
	bool            more;        /* it may have a body of the larger kind */
	bool            unread;      /* in ENDING: more is there than was read at once */
	struct buf      in;          /* of a request that came in parts */
	struct buf      body;
	struct buf      out;         /* of an answer that did not fit the socket */
	size_t          sent;        /* of out */
};

/* Takes over the peer's descriptor. */
void conn_open(struct conn *c, struct fcgi *f, const struct peer *peer);

enum conn_read {
	CONN_MORE,    /* not yet */
	CONN_REQUEST, /* complete */
	CONN_USELESS, /* silent, cut off, or not FastCGI: closed without an answer */
	CONN_END,     /* by the other side, and nothing was sent: closed here too */
};

/*
 * When something may be read, in READING. req->arena is the caller's, all other members are set.
 * The body lives until the answer, all else as long as the arena. Lengths of URI and headers are
 * not judged here, so that they get an answer.
 */
enum conn_read conn_read(struct conn *c, struct request *req);

/* keep: the caller agrees. */
void conn_answer(struct conn *c, const struct response *res, bool keep);

/* When there is room or input, in WRITING or ENDING. */
void conn_go_on(struct conn *c);

/* When the deadline has passed; true: it was closed in READING. */
bool conn_late(struct conn *c, int64_t now_ms);

/* Closes without an answer and without waiting for the other side. */
void conn_close(struct conn *c);

/* Frees what it has; it must be CLOSED. */
void conn_fini(struct conn *c);

/* Bytes of bodies and answers that it holds. */
size_t conn_bytes(const struct conn *c);

#endif
