/*
 * A request as plain data, without sockets: what the front server sent.
 *
 * Lifetime   Every view lives in the request's arena, or longer. The arena is reset once the
 *            answer is written.
 * Filled by  fcgi/ in the service; tests fill it themselves.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "base/arena.h"
#include "base/peer.h"
#include "base/str.h"

enum method {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_PATCH,
	METHOD_DELETE,
	METHOD_OPTIONS,
	METHOD_OTHER,
	METHOD__COUNT
};

extern const char *const method_names[METHOD__COUNT];

enum method method_find(struct str name);

/*
 * The headers that the service reads; no others are kept. The first list are those that any client
 * sends, the second those of the service's own pages.
 * HEADER(name, wire name, FastCGI parameter)
 */
#define HEADER_LIST(HEADER) \
	HEADER(API_KEY,         "x-api-key",       "HTTP_X_API_KEY") \
	HEADER(AUTHORIZATION,   "Authorization",   "HTTP_AUTHORIZATION") \
	HEADER(VERSION,         "Commet-Version",  "HTTP_COMMET_VERSION") \
	HEADER(IDEMPOTENCY_KEY, "Idempotency-Key", "HTTP_IDEMPOTENCY_KEY") \
	HEADER(REQUEST_ID,      "X-Request-Id",    "HTTP_X_REQUEST_ID") \
	HEADER(TRACEPARENT,     "traceparent",     "HTTP_TRACEPARENT") \
	HEADER(PREFER,          "Prefer",          "HTTP_PREFER") \
	HEADER(ACCEPT,          "Accept",          "HTTP_ACCEPT") \
	HEADER(ORIGIN,          "Origin",          "HTTP_ORIGIN") \
	HEADER(CORS_METHOD,     "Access-Control-Request-Method", \
	    "HTTP_ACCESS_CONTROL_REQUEST_METHOD") \
	HEADER(IF_MATCH,        "If-Match",        "HTTP_IF_MATCH") \
	HEADER(IF_NONE_MATCH,   "If-None-Match",   "HTTP_IF_NONE_MATCH") \
	HEADER(CONTENT_TYPE,    "Content-Type",    "HTTP_CONTENT_TYPE")
#define HEADER_OWN_LIST(HEADER) \
	HEADER(COOKIE,          "Cookie",          "HTTP_COOKIE") \
	HEADER(CSRF,            "X-CSRF-Token",    "HTTP_X_CSRF_TOKEN")

enum header {
#define HEADER(name, wire, param) HEADER_##name,
	HEADER_LIST(HEADER)
	HEADER_OWN_LIST(HEADER)
#undef HEADER
	HEADER__COUNT
};

struct request {
	unsigned           hand;     /* its number among those that the worker has in hand */
	int64_t            since_ms; /* when it was read (monotonic) */
	struct arena *arena;
	enum method   method;
	struct str    uri;                       /* REQUEST_URI: raw path and query */
	struct str    address;                   /* the client's, or absent: REMOTE_ADDR */
	/* For whom the front server vouches; to be believed only if that is configured. */
	struct str    user;
	struct str    body;                      /* complete; empty when there is none */
	bool          body_too_large;            /* it was not read: 413 */
	struct str    header[HEADER__COUNT];     /* absent when not sent */
	unsigned      header_count[HEADER__COUNT]; /* how often it was sent */

	const struct peer *peer;     /* waits for the answer; NULL: none that could leave */
	int64_t            queue_us; /* how long the request waited for a worker; -1: unknown */
	bool               waited;   /* it did, not the worker: it may be one of many */
	const char        *refused;  /* answer 503 with this sentence and do no more, if not NULL */
};

/*
 * How long a request has waited. start is when its front server received it, as that server
 * writes it: milliseconds or microseconds since 1970, perhaps with a point behind the seconds
 * (nginx) or "t=" in front (Apache). -1 when it is not such a time, lies in the future, or is
 * more than an hour old.
 */
int64_t request_waited_us(struct str start, int64_t now_wall_us);

/* Whether the text may be the id of a request: what a client sends may be in the log. */
bool request_id_is_good(struct str s);

/* What an Authorization header of the scheme Bearer carries; absent if there is no such header. */
struct str request_bearer(const struct request *req);

extern const char *const header_names[HEADER__COUNT];  /* wire names */
extern const char *const header_params[HEADER__COUNT]; /* FastCGI parameter names */

#endif
