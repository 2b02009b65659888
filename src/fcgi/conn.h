/*
 * Connections that front servers open: a request is read from one and an answer written to it. The
 * only file that includes libfcgi.
 *
 * Lifetime   conn_new() once in each worker, after its signals are set up: libfcgi keeps
 *            process-wide state and takes over default handlers.
 * Ownership  conn_read() takes the descriptor, whatever happens. After CONN_REQUEST exactly one
 *            conn_write() or conn_drop() follows and closes it; a kept one is the caller's again.
 * Kept       A connection is kept when the front server asked for it, the caller agrees, and the
 *            request was in the socket as a whole with nothing behind it: so no rest of a body can
 *            be parsed as the next request, which libfcgi by itself would do. All others end with
 *            their response, in such a way that nginx does not send into one that is being closed.
 * Answers    Leave in one send() when the socket has room for them: a worker that is killed has
 *            answered or has not.
 * Signals    Must be blocked or ignored in all functions: libfcgi takes an interrupted read for the
 *            end of the request. SIGALRM and ITIMER_REAL belong to this file, which ends with them
 *            what lasts too long.
 * Threads    One struct conn, one thread, one process.
 */
#ifndef FCGI_CONN_H
#define FCGI_CONN_H

#include "http/request.h"
#include "http/response.h"

struct conn;

/*
 * timeout_ms bounds the reading of a request from its first look on, and the writing of a response,
 * however few bytes the peer sends or takes at a time. NULL when this libfcgi does not do what this
 * file relies on.
 */
struct conn *conn_new(size_t body_max_bytes, int64_t timeout_ms);
void         conn_free(struct conn *c);

enum conn_read {
	CONN_REQUEST,   /* complete, and its sender still waits */
	CONN_USELESS,   /* silent, cut off, or not FastCGI: closed without an answer */
	CONN_CLOSED,    /* by the other side, and nothing was sent: closed here too */
	CONN_ABANDONED, /* complete, but its sender has left: closed, must not be executed */
};

/*
 * Blocking socket in; req->arena is the caller's, all other members are set. Body and header views
 * live until the next conn_read() or arena_reset(). Lengths of URI and headers are not judged here,
 * so that they get an answer.
 */
enum conn_read conn_read(struct conn *c, const struct peer *peer, struct request *req);

/* keep: the caller agrees. True: the connection is kept, the next request can be read from it. */
bool conn_write(struct conn *c, const struct response *res, bool keep);

/* Closes without an answer and without waiting for the other side. */
void conn_drop(struct conn *c);

#endif
