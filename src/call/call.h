/*
 * One call of the API: what a handler gets and what it leaves behind.
 *
 * Made by    app_handle(), which checks route, key and version before a handler runs.
 * Left       Either a reply (call/reply.h) and ERR_OK, or a problem (made by call_fail() or one
 *            of the functions around it) and its error.
 * Lifetime   That of the request; everything in it is in the request's arena.
 */
#ifndef CALL_CALL_H
#define CALL_CALL_H

#include "base/err.h"
#include "base/hash.h"
#include "base/id.h"
#include "call/facts.h"
#include "call/recent.h"
#include "call/resource.h"
#include "call/share.h"
#include "conf/conf.h"
#include "db/tx.h"
#include "http/etag.h"
#include "http/prefer.h"
#include "http/query.h"
#include "http/request.h"
#include "http/response.h"
#include "http/version.h"
#include "json/jread.h"
#include "shm/buckets.h"

struct json_object;
struct errands;
struct origins;
struct requests;

/* The API key or the session that the call is made with, and its owner. */
struct tenant {
	struct id    environment, organization, key;
	bool         livemode;
	bool         pinned;
	enum version pin;
	bool         own_rate; /* the key has a rate of its own; else the configured one applies */
	struct rate  rate;     /* with own_rate */
	struct id    family;   /* the key whose rate it shares, or its own id */
	int64_t      expires_ms; /* wall clock; 0: never */
	struct id    user, session; /* of a session (auth/session.h), which has no key; else nil */
	uint64_t     permissions; /* of the key or the user (auth/permit.h) */
	const struct origins *origins; /* from where (auth/origin.h); NULL: from anywhere */
};

/* What is wrong, for two audiences: the client and, in log, the operator. */
struct problem {
	enum err    code;
	const char *param;   /* the field, parameter or header at fault, or NULL */
	const char *message; /* one sentence or two, without internals */
	struct str  allow;   /* for a 405: the methods that the path takes */
	int64_t     retry_after_s; /* 0: no such header */
	size_t      details;
	struct problem_detail {
		const char *field;   /* dotted path from the top of the body */
		const char *message;
	} *detail;
	struct str facts; /* a JSON object for 'details', where no field is broken; or absent */
	char log[256]; /* for the operator; empty: message will do */
};

/* The body as JSON, read once (call/body.h). */
struct body {
	bool               valid;
	struct jdoc        doc;   /* valid */
	struct jread_error error; /* not valid */
};

/* The Idempotency-Key of a write (call/idem.h). */
struct idem {
	struct str    key;    /* absent if none was sent */
	unsigned char hash[HASH_BYTES]; /* of the request: a repeated one must have the same */
	struct id     maker;  /* drawn for this call; a record that it writes has this mark */
	int64_t       lock;   /* number of the key's advisory lock */
	bool          looked; /* the database has said whether there is a record */
	const struct id *about; /* idem_about() */
	size_t        about_count;
};

enum { PATH_PARAMETERS_MAX = 4 };

struct call {
	struct arena          *arena;
	const struct request  *req;
	struct response       *res;
	struct db             *db;
	const struct conf     *conf;
	struct buckets        *buckets; /* for rate limits */
	struct share          *share;   /* of the worker; NULL: nobody keeps one */
	struct recent         *recent;
	struct errands        *errands; /* of the worker; NULL: there are none (base/errand.h) */
	const struct requests *requests; /* answered last; NULL: none are kept */
	struct facts          *facts;
	const struct resource *resource;
	const struct route    *route;
	uint64_t               needs;   /* the permissions that the route does */
	struct str             api_key; /* or cookie of the call, once it was found valid */
	struct tenant          tenant;
	const struct tenant   *operator; /* the call is his, without a key; NULL: a client's */
	enum version           version;
	struct str             base;        /* of the path: "/api/v1", "/api", ... */
	bool                   legacy_path; /* the path has no version in it */
	bool                   site;        /* it is a page's: what is answered is one, too */
	struct path            path;
	struct query           query;
	struct str             param[PATH_PARAMETERS_MAX]; /* of the path, in its order */
	struct body            body;
	struct idem            idem;
	unsigned               prefer;   /* what the client asked for: a bit for each enum prefer */
	unsigned               applied;  /* which of that the answer does */
	struct ignored        *ignored;  /* NULL: nothing was */
	struct etags          *match;    /* one of which a ROUTE_REVISED wants, or NULL */
	bool                   merges;   /* the body of one is a merge patch (call/merge.h) */
	struct id              located;  /* what Location or ETag names, its id as text or absent */
	struct str             located_text;
	struct str             source;      /* call_source() has made it, or absent */

	struct json_object *reply;    /* owned; what the handler answers */
	bool                rendered; /* the response has its body */
	size_t              headers;  /* of the response, before the handler added its own */
	struct problem      problem;
};

/*
 * Fills the problem and returns code, so that a handler can end with it. param may be NULL; message
 * must live as long as the request.
 */
enum err call_fail(struct call *c, enum err code, const char *param, const char *message);

/*
 * Adds one broken field to the problem, which call_fields_done() then makes a validation_error.
 * field is "a.b" or "a.0.b".
 */
void call_field(struct call *c, const char *field, const char *message);

/* ERR_VALIDATION if call_field() was called, else ERR_OK. */
enum err call_fields_done(struct call *c);

/*
 * Fills the problem with what a failed transaction means for the client: by the constraints of the
 * call's resource if it broke one of them, else by what is known of the outcome.
 */
enum err call_db_failed(struct call *c, const struct tx *tx, enum db_status status);

/*
 * By whom and in which request something is written: what app_source() of sql/migrate has. The id
 * of a user stands behind CALL_SOURCE_USER.
 */
#define CALL_SOURCE_USER STR("user:")
struct str call_source(struct call *c);

/* Takes part of the tenant's share of the worker. ERR_RATE_LIMITED: the tenant has its share. */
enum err call_takes_part(struct call *c);

/*
 * Adds the first step of every transaction but those of write_begin(): it enters the environment,
 * which decides what the others see.
 */
void call_enter(struct call *c, struct tx *tx);

/*
 * A transaction that only reads. call_read() prepares it: it enters the environment, then comes the
 * statement, with the environment bound as $1; the caller binds the rest. call_read_run() runs it;
 * the rows are those of step READ_STEP.
 */
enum { READ_STEP = 1 };
struct bind *call_read(struct call *c, struct tx *tx, enum sql_id statement);
enum err     call_read_run(struct call *c, struct tx *tx);

/*
 * *value is the parameter's in the query, absent if it was not sent. If it was sent twice: false,
 * and call_field() was called.
 */
bool call_parameter(struct call *c, const char *name, struct str *value) MUSTCHECK;

#endif
