/*
 * A response as plain data.
 *
 * Lifetime   response_init() once, response_reset() before each request; views of it live
 *            until the next reset. Header values are views of the request's arena or of
 *            constants.
 * Headers    The transport writes Content-Type, Content-Length and Cache-Control for every
 *            response; only others stand here. Never put bytes of a request into a header
 *            without checking them.
 */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include "base/buf.h"
#include "base/str.h"

enum { RESPONSE_HEADERS_MAX = 24 };

/* What the body is. */
enum response_kind {
	RESPONSE_JSON,
	RESPONSE_TEXT, /* for people, the same for all of them: it may be cached */
	RESPONSE_HTML, /* for people */
	RESPONSE_NDJSON, /* a value of JSON a line */
	RESPONSE_CSV,
	RESPONSE_NONE, /* there is none: a 304 */
	RESPONSE__COUNT
};

struct response {
	int        status;
	bool       head_only; /* the request was HEAD: send no body */
	enum response_kind kind;
	size_t     headers;
	struct {
		const char *name;
		struct str  value;
	} header[RESPONSE_HEADERS_MAX];
	/* Empty after app_handle() only with RESPONSE_NONE, or where there is no line to tell. */
	struct buf body;
};

void response_init(struct response *res);
void response_reset(struct response *res);
void response_fini(struct response *res);

void response_header(struct response *res, const char *name, struct str value);

/* The value of a header that was set; absent when it was not. */
struct str response_find_header(const struct response *res, const char *name);

#endif
