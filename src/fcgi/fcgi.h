/*
 * FastCGI: requests and responses on connections that front servers open; the
 * only file that includes libfcgi.
 *
 * Lifetime   fcgi_new() once in each worker, after its signals are set up:
 *            libfcgi keeps process-wide state and takes over default handlers.
 * Ownership  fcgi_read() takes the descriptor, whatever happens. After
 *            READ_REQUEST exactly one fcgi_write() or fcgi_drop() follows and closes
 *            it; a kept one is the caller's again.
 * Kept       A connection is kept when the front server asked for it, the caller
 *            agrees, and the request was in the socket as a whole with nothing
 *            behind it: so no rest of a body can be parsed as the next request,
 *            which libfcgi by itself would do. All others end with their response,
 *            in such a way that nginx does not send into one that is being closed.
 * Answers    Leave in one send() when the socket has room for them: a worker that is killed has answered or has not.
 * Signals    Must be blocked or ignored in both functions: libfcgi takes an
 *            interrupted read for the end of the request. SIGALRM and ITIMER_REAL
 *            belong to this file, which ends with them what lasts too long.
 * Threads    One struct fcgi, one thread, one process.
 */
#ifndef FCGI_FCGI_H
#define FCGI_FCGI_H

#include "http/request.h"
#include "http/response.h"

struct fcgi;

/*
 * timeout_ms bounds the reading of a request from its first look on, and the
 * writing of a response, however few bytes the peer sends or takes at a time. NULL when this libfcgi does not do
 * what this file relies on.
 */
struct fcgi *fcgi_new(size_t body_max_bytes, int64_t timeout_ms);
void         fcgi_free(struct fcgi *f);

enum fcgi_read {
	READ_REQUEST,   /* complete, and its sender still waits */
	READ_USELESS,   /* silent, cut off, or not FastCGI: closed without an answer */
	READ_CLOSED,    /* by the other side, and nothing was sent: closed here too */
	READ_ABANDONED, /* complete, but its sender has left: closed, must not be executed */
};

/*
 * Blocking socket in; req->arena is the caller's, all other members are set.
 * Body and header views live until the next fcgi_read() or arena_reset().
 * Lengths of URI and headers are not judged here, so that they get an answer.
 */
enum fcgi_read fcgi_read(struct fcgi *f, const struct peer *peer, struct request *req);

/* keep: the caller agrees. True: the connection is kept, and the next request can be read from it. */
bool fcgi_write(struct fcgi *f, const struct response *res, bool keep);

/* Closes without an answer and without waiting for the other side. */
void fcgi_drop(struct fcgi *f);

#endif
