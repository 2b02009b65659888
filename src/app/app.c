/* The whole API as one function from request to response. */
#include "app/app.h"
#include "app/cors.h"
#include "app/legacy.h"
#include "app/router.h"
#include "auth/api_key.h"
#include "auth/permit.h"
#include "auth/session.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "call/body.h"
#include "call/idem.h"
#include "call/ignored.h"
#include "call/reply.h"
#include "call/revision.h"

#include <stdlib.h>

/* The client of a refused request is asked to wait 1 to this many seconds. */
enum { REFUSED_RETRY_MAX_S = 3 };

struct app {
	const struct conf    *conf;
	struct buckets       *buckets;
	struct db            *db;
	struct stats_slot    *stats;
	struct api_key_cache *keys;
	struct session_cache *sessions;
	struct errands       *errands; /* or NULL */
	struct share         *share; /* or NULL */
	const struct requests *requests; /* or NULL */
	struct recent         recent;
	char                  why[512]; /* app_check() */
};

struct app *
app_new(const struct conf *conf, struct stats_slot *stats, struct buckets *buckets)
{
	struct app *app = must_alloc(sizeof(*app));

	app->conf = conf;
	app->buckets = buckets;
	app->stats = stats;
	app->db = db_new(conf, DB_SERVE);
	app->keys = api_key_cache_new(conf->auth_cache_ttl_ms);
	app->sessions = session_cache_new(conf->auth_cache_ttl_ms);
	router_init();
	return app;
}

struct db *
app_db(struct app *app)
{
	return app->db;
}

void
app_note_database(struct app *app)
{
	enum stats_db state = db_is_connected(app->db)           ? STATS_DB_CONNECTED
	    : db_trouble(app->db) == DB_CONDITION_NO_ROOM ? STATS_DB_NO_ROOM
							  : STATS_DB_AWAY;

	word_set(&app->stats->db, state);
}

void
app_share(struct app *app, struct share *share)
{
	app->share = share;
}

void
app_errands(struct app *app, struct errands *errands)
{
	app->errands = errands;
}

void
app_requests(struct app *app, const struct requests *requests)
{
	app->requests = requests;
}

void
app_free(struct app *app)
{
	if (!app)
		return;
	db_free(app->db);
	api_key_cache_free(app->keys);
	session_cache_free(app->sessions);
	free(app);
}

enum db_condition
app_check(struct app *app)
{
	struct arena      arena;
	enum db_condition found;

	arena_init(&arena);
	app->why[0] = '\0';
	found = db_check(app->db, &arena, app->why, sizeof(app->why));
	app_note_database(app);
	if (found == DB_CONDITION_UNFIT)
		log_error("%s", app->why);
	else if (found != DB_CONDITION_FIT)
		log_warn("%s", app->why);
	arena_fini(&arena);
	return found;
}

const char *
app_why(const struct app *app)
{
	return app->why;
}

bool
app_room(struct app *app, struct db_room *out)
{
	struct arena arena;
	bool         known;

	arena_init(&arena);
	known = db_room(app->db, &arena, out);
	arena_fini(&arena);
	return known;
}

/* ---- one request ---- */

static struct str
request_id(const struct request *req)
{
	struct str sent = req->header[HEADER_REQUEST_ID];
	char      *made;

	if (sent.ptr && req->header_count[HEADER_REQUEST_ID] == 1 && request_id_is_good(sent))
		return sent;
	made = ARENA_NEW(req->arena, char, 32);
	id_random_text(STR("req_"), ID_TEXT_BYTES, made, 32);
	return str_of(made);
}

/* Joins the caller's trace, if there is one. */
static void
join_trace(const struct request *req, struct response *res, struct trace *trace)
{
	char *text;

	if (req->header_count[HEADER_TRACEPARENT] != 1
	    || !trace_parse(req->header[HEADER_TRACEPARENT], trace))
		return;
	trace_begin(trace);
	text = ARENA_NEW(req->arena, char, TRACE_TEXT_BYTES + 1);
	trace_response(trace, text);
	response_header(res, "traceresponse", str_of(text));
}

/* Some front servers join repeated headers with ", ", which no key and no version contains. */
static bool
is_repeated(const struct request *req, enum header h)
{
	struct str value = req->header[h];

	return req->header_count[h] > 1
	    || (value.len && memmem(value.ptr, value.len, ", ", 2));
}

static enum err
check_headers(struct call *c)
{
	static const enum header once[] = {
		HEADER_API_KEY, HEADER_AUTHORIZATION, HEADER_VERSION, HEADER_IDEMPOTENCY_KEY,
	};

	for (size_t i = 0; i < COUNTOF(once); i++) {
		const char *name = header_names[once[i]];

		if (once[i] == HEADER_AUTHORIZATION && !request_bearer(c->req).ptr)
			continue; /* it is not for us */
		if (is_repeated(c->req, once[i]))
			return call_fail(c, ERR_VALIDATION, name, "This header must be sent once.");
		if (c->req->header[once[i]].len > HEADER_VALUE_MAX_BYTES)
			return call_fail(c, ERR_VALIDATION, name, "This header is too long.");
	}
	return ERR_OK;
}

/* The version of an answer given before the key is known: by the header, else by the path. */
static enum version
version_guess(const struct call *c)
{
	struct str   header = c->req->header[HEADER_VERSION];
	enum version v;

	if (header.ptr && version_resolve(header, &v))
		return v;
	return c->legacy_path ? V_LEGACY : V_CURRENT;
}

static enum err
choose_version(struct call *c)
{
	struct str header = c->req->header[HEADER_VERSION];

	if (header.ptr) {
		if (!version_resolve(str_trim(header), &c->version))
			return call_fail(c, ERR_VALIDATION, header_names[HEADER_VERSION],
			    "Commet-Version must be a date (YYYY-MM-DD).");
	} else if (!c->legacy_path) {
		c->version = c->tenant.pinned ? c->tenant.pin : V_CURRENT;
	}
	return ERR_OK;
}

/* Whether it takes the key to know the version, and that to know which methods the path takes. */
static bool
key_tells_methods(struct call *c)
{
	const struct request *req = c->req;

	return !c->operator && !c->legacy_path && !req->header[HEADER_VERSION].ptr
	    && (req->header[HEADER_API_KEY].len || request_bearer(req).len)
	    && router_is_versioned(c);
}

static enum err
unavailable(struct call *c)
{
	call_fail(c, ERR_UNAVAILABLE, NULL, c->req->refused);
	/* So that clients that were refused together do not come back together. */
	c->problem.retry_after_s = 1 + clock_mono_us() % REFUSED_RETRY_MAX_S;
	return ERR_UNAVAILABLE;
}

/* What a write's handler needs done before: reads conditions, body and idempotency key. */
static enum err
begin_write(struct call *c)
{
	enum err e = c->route->flags & ROUTE_REVISED ? revision_begin(c) : ERR_OK;

	body_read(c);
	return e != ERR_OK ? e : idem_begin(c);
}

static enum err
run_handler(struct call *c)
{
	enum err e = call_takes_part(c);

	if (e != ERR_OK)
		return e;
	c->headers = c->res->headers;
	if (c->route->flags & ROUTE_WRITES)
		e = begin_write(c);
	else if (c->route->flags & ROUTE_REVISED)
		e = revision_begin(c);
	if (e != ERR_OK || idem_is_repeated(c, &e))
		return e;
	e = c->route->handle(c);
	/* A stored answer counts more than a refusal by rules that may be newer than it. */
	return e != ERR_OK && err_info(e)->status < 500 ? idem_recall(c, e) : e;
}

/* Whose call it is: an API key's, or a session's. */
static enum err
check_caller(struct app *app, struct call *c)
{
	enum err e;

	if (session_is_sent(c))
		return session_check(c, app->sessions);
	e = api_key_check(c, app->keys);
	if (e == ERR_OK && c->route && c->route->flags & (ROUTE_PERSONAL | ROUTE_PEOPLE))
		return call_fail(c, ERR_FORBIDDEN, header_names[HEADER_API_KEY],
		    "This call is for people who have signed in, not for API keys.");
	return e;
}

static enum err
handle(struct app *app, struct call *c)
{
	const char *blame, *why;
	enum err    e;

	if (cors_is_preflight(c))
		return cors_preflight(c);
	e = query_split(c->arena, router_base(c), &c->path, &c->query, &blame, &why)
	    ? router_find(c) : call_fail(c, ERR_VALIDATION, blame, why);
	c->version = version_guess(c);
	stats_do(app->stats, c->req->hand, c->req->since_ms, c->facts->route,
	    c->facts->request_id);
	if (e == ERR_METHOD && !key_tells_methods(c))
		return router_settle(c);
	if ((e != ERR_OK && e != ERR_METHOD) || (e = check_headers(c)) != ERR_OK)
		return e;
	if (c->req->refused)
		return unavailable(c);
	if (!c->operator && !(c->route && c->route->flags & ROUTE_PUBLIC)
	    && (e = check_caller(app, c)) != ERR_OK)
		return e;
	c->facts->environment = c->tenant.environment;
	if ((e = choose_version(c)) != ERR_OK)
		return e;
	if ((e = router_settle(c)) != ERR_OK)
		return e;
	/* Before anything is read that could tell what there is. */
	if (c->needs & ~c->tenant.permissions)
		return permit_refuse(c, header_names[HEADER_API_KEY],
		    c->needs & ~c->tenant.permissions);
	if (c->req->header[HEADER_PREFER].ptr) {
		c->prefer = prefer_parse(c->req->header[HEADER_PREFER]);
		c->applied = c->prefer & PREFER_STRICT;
	}
	if (c->query.count && (e = ignored_query(c)) != ERR_OK)
		return e;
	return run_handler(c);
}

static void
note_database(struct app *app, struct db *db, struct facts *facts)
{
	struct db_meter spent = db_meter_take(db);

	facts->db_us = spent.us;
	facts->lane_us = spent.lane_us;
	facts->db_trips = spent.trips;
	facts->statements = spent.statements;
	facts->left = spent.left;
	if (spent.trips)
		app_note_database(app);
}

/*
 * What the requests that are kept have of this one. Those that somebody makes about himself, or
 * about others who sign in, are not an environment's.
 */
static void
note_kept(struct call *c)
{
	const unsigned people = ROUTE_PUBLIC | ROUTE_PERSONAL | ROUTE_PEOPLE;
	struct facts  *facts = c->facts;
	bool           user = !id_is_nil(&c->tenant.user);

	facts->is_kept = c->requests && c->route && !(c->route->flags & people)
	    && !id_is_nil(&facts->environment);
	if (!facts->is_kept)
		return;
	facts->user = user;
	facts->actor = user ? c->tenant.user : c->tenant.key;
	facts->version = c->version;
	facts->path = router_shown(c);
}

/* One line for each 5xx, but none for a client that has hung up or a request that was refused. */
static void
log_failure(const struct call *c, enum err e)
{
	const struct problem *p = &c->problem;

	/* Requests are refused for a while; the log has a line for the whole of it. */
	if (c->res->status < 500 || c->facts->left || c->req->refused)
		return;
	log_error("request %.*s: %d %s: %s", STR_ARGS(c->facts->request_id), c->res->status,
	    err_info(e)->code, p->log[0] ? p->log : p->message);
}

/* operator: who makes the call; NULL: whoever its API key says. */
static void
answer(struct app *app, struct db *db, const struct tenant *operator, const struct request *req,
    struct response *res, struct facts *facts)
{
	struct call c = {
		.arena = req->arena,
		.req = req,
		.res = res,
		.db = db,
		.conf = app->conf,
		.buckets = app->buckets,
		.share = app->share,
		.recent = &app->recent,
		.errands = app->errands,
		.requests = app->requests,
		.facts = facts,
		.operator = operator,
		.version = V_CURRENT,
	};
	struct str id = request_id(req);

	*facts = (struct facts) {
		.request_id = id,
		.route = STATS_NO_ROUTE,
		.queue_us = req->queue_us,
	};
	if (operator)
		c.tenant = *operator;
	db_watch(db, req->peer);
	res->head_only = req->method == METHOD_HEAD;
	response_header(res, "X-Request-Id", id);
	join_trace(req, res, &facts->trace);
	facts->error = reply_render(&c, handle(app, &c));
	legacy_headers(&c);
	cors_headers(&c);
	db_watch(db, NULL);
	if (app->share)
		share_end(app->share, req->hand);
	note_database(app, db, facts);
	note_kept(&c);
	log_failure(&c, facts->error);
}

void
app_handle(struct app *app, struct db *db, const struct request *req, struct response *res,
    struct facts *facts)
{
	answer(app, db, NULL, req, res, facts);
}

void
app_operate(struct app *app, struct db *db, const struct tenant *tenant,
    const struct request *req, struct response *res, struct facts *facts)
{
	answer(app, db, tenant, req, res, facts);
}

bool
app_takes_upload(const struct request *req)
{
	struct facts facts;
	struct call  c = { .arena = req->arena, .req = req, .facts = &facts };
	const char  *blame, *why;

	return query_split(c.arena, router_base(&c), &c.path, &c.query, &blame, &why)
	    && router_find(&c) == ERR_OK && c.route->flags & ROUTE_UPLOAD;
}

/* ---- between requests ---- */

void
app_after(struct app *app)
{
	struct arena arena;
	struct facts facts = { .route = STATS_NO_ROUTE };
	struct call  c = {
		.arena = &arena,
		.conf = app->conf,
		.buckets = app->buckets,
		.facts = &facts,
	};

	if (!api_key_is_to_confirm(app->keys))
		return;
	arena_init(&arena);
	c.db = db_share(app->db, &arena);
	api_key_confirm(&c, app->keys);
	arena_fini(&arena);
}
