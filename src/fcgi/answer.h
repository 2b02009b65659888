/*
 * A response as FastCGI records.
 *
 * Pure       From a response to bytes; conn.h sends them.
 * Lifetime   answer_init() to answer_fini(); the bytes stay until the next answer_make().
 */
#ifndef FCGI_ANSWER_H
#define FCGI_ANSWER_H

#include "http/response.h"

struct answer {
	struct buf head;    /* status and headers */
	struct buf records; /* all of it, as it is to be sent */
};

void answer_init(struct answer *a);
void answer_fini(struct answer *a);

/*
 * request_id is FastCGI's. closes: the front server wanted to keep the connection, and it ends with
 * this answer. Header values that hold a control character are left out, and all of them when they
 * are more than nginx takes; the log says so.
 */
void answer_make(struct answer *a, const struct response *res, unsigned request_id, bool closes);

#endif
