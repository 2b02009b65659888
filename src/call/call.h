/*
 * One call of the API: what a handler gets and what it leaves behind.
 *
 * Made by    app_handle(), which has checked route, key and version before a
 *            handler runs.
 * Left       Either a reply (call/reply.h) and ERR_OK, or a problem (call_fail
 *            and its kin) and its error.
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
#include "conf/conf.h"
#include "db/tx.h"
#include "http/query.h"
#include "http/request.h"
#include "http/response.h"
#include "http/version.h"
#include "json/jread.h"
#include "shm/buckets.h"

struct json_object;

/* Whose key the call is made with. */
struct tenant {
	struct id    environment, organization, key;
	bool         livemode;
	bool         pinned;
	enum version pin;
	bool         own_rate; /* set for this key; else the configured one applies */
	struct rate  rate;     /* with own_rate */
};

/* What is wrong, for two audiences: the client and, in log, the operator. */
struct problem {
	enum err    code;
	const char *param;   /* the field, parameter or header that is to blame, or NULL */
	const char *message; /* one sentence without internals */
	struct str  allow;   /* 405: the methods that exist */
	int64_t     retry_after_s;
	size_t      details;
	struct problem_detail {
		const char *field;   /* dotted path from the body's top */
		const char *message;
	} *detail;
	char log[256];
};

/* The body as JSON, read once (call/body.h). */
struct body {
	bool               valid;
	struct jdoc        doc;   /* valid */
	struct jread_error error; /* not valid */
};

/* The Idempotency-Key of a write (call/idem.h). */
struct idem {
	struct str    key;    /* absent when none was sent */
	unsigned char hash[HASH_BYTES]; /* of what is meant */
	struct id     maker;  /* drawn for this call: its mark in a record that it writes */
	int64_t       lock;   /* number of the key's lock */
	bool          looked; /* its record was looked for, and the answer came */
};

enum { PATH_PARAMETERS_MAX = 4 };

struct call {
	struct arena          *arena;
	const struct request  *req;
	struct response       *res;
	struct db             *db;
	const struct conf     *conf;
	struct buckets        *buckets; /* of rate limits */
	struct recent         *recent;
	struct facts          *facts;
	const struct resource *resource;
	const struct route    *route;
	struct tenant          tenant;
	enum version           version;
	bool                   legacy_path; /* the path has no version in it */
	struct path            path;
	struct query           query;
	struct str             param[PATH_PARAMETERS_MAX]; /* the path's, in the order of the pattern */
	struct body            body;
	struct idem            idem;

	struct json_object *reply;    /* owned; what the handler answers */
	bool                rendered; /* the response has its body already */
	size_t              headers;  /* of the response that are not the handler's: they come first */
	struct problem      problem;
};

/* Each returns code, so that a handler can end with it. param may be NULL. */
enum err call_fail(struct call *c, enum err code, const char *param, const char *message);

/* Adds one broken field to the problem, which becomes a validation_error; field is "a.b" or "a.0.b". */
void call_field(struct call *c, const char *field, const char *message);

/* ERR_VALIDATION when call_field() was called, else ERR_OK. */
enum err call_fields_done(struct call *c);

/*
 * What a failed transaction means for the client: the constraints of the call's resource first, then what
 * is known of the outcome.
 */
enum err call_db_failed(struct call *c, const struct tx *tx, enum db_status status);

/* First step of every transaction that is not a write_begin(): what it may see. */
void call_enter(struct call *c, struct tx *tx);

/*
 * Runs a transaction that only reads: enters the environment and sends the statement that the caller
 * then binds. Its rows are those of step READ_STEP.
 */
enum { READ_STEP = 1 };
struct bind *call_read(struct call *c, struct tx *tx, enum sql_id statement);
enum err     call_read_run(struct call *c, struct tx *tx);

/* The only value of a query parameter, absent when not sent; sent twice: false, and the problem is filled. */
bool call_parameter(struct call *c, const char *name, struct str *value) MUSTCHECK;

#endif
