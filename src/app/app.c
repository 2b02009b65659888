/* The whole API as one function from request to response. */
#include "app/app.h"
#include "app/housekeeping.h"
#include "app/legacy.h"
#include "app/router.h"
#include "auth/api_key.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "call/body.h"
#include "call/idem.h"
#include "call/reply.h"

#include <stdlib.h>

/* A refused request is to come again after 1 to this many seconds. */
enum { REFUSED_RETRY_MAX_S = 3 };

struct app {
	const struct conf    *conf;
	struct buckets       *buckets;
	struct db            *db;
	struct stats_slot    *stats;
	struct api_key_cache *keys;
	struct housekeeping   housekeeping;
	struct recent         recent;
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
	housekeeping_init(&app->housekeeping);
	router_init();
	return app;
}

void
app_free(struct app *app)
{
	if (!app)
		return;
	db_free(app->db);
	api_key_cache_free(app->keys);
	free(app);
}

int
app_check(struct app *app)
{
	struct arena arena;
	char         why[512];
	int          code;

	arena_init(&arena);
	code = db_check(app->db, &arena, why, sizeof(why));
	atomic_store(&app->stats->db, code == EXIT_DATABASE ? STATS_DB_AWAY : STATS_DB_CONNECTED);
	if (code == EXIT_DATABASE)
		log_warn("%s", why);
	else if (code)
		log_error("%s", why);
	arena_fini(&arena);
	return code;
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

static bool
is_safe_id(struct str s)
{
	if (s.len == 0 || s.len > REQUEST_ID_MAX_BYTES)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!str_is_alnum(c) && c != '-' && c != '_' && c != '.' && c != ':')
			return false;
	}
	return true;
}

static struct str
request_id(const struct request *req)
{
	struct str sent = req->header[HEADER_REQUEST_ID];
	char      *made;

	if (sent.ptr && req->header_count[HEADER_REQUEST_ID] == 1 && is_safe_id(sent))
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

	if (req->header_count[HEADER_TRACEPARENT] != 1 || !trace_parse(req->header[HEADER_TRACEPARENT], trace))
		return;
	trace_begin(trace);
	text = ARENA_NEW(req->arena, char, TRACE_TEXT_BYTES + 1);
	trace_response(trace, text);
	response_header(res, "traceresponse", str_of(text));
}

/*
 * Some front servers join repeated headers with ", ", which stands in no key
 * and no version.
 */
static enum err
check_repeated(struct call *c)
{
	static const enum header once[] = { HEADER_API_KEY, HEADER_VERSION, HEADER_IDEMPOTENCY_KEY };

	for (size_t i = 0; i < COUNTOF(once); i++) {
		struct str value = c->req->header[once[i]];

		if (c->req->header_count[once[i]] > 1 || (value.len && memmem(value.ptr, value.len, ", ", 2)))
			return call_fail(c, ERR_VALIDATION, header_names[once[i]], "This header must be sent once.");
		if (value.len > HEADER_VALUE_MAX_BYTES)
			return call_fail(c, ERR_VALIDATION, header_names[once[i]], "This header is too long.");
	}
	return ERR_OK;
}

/* Before the key is known: the header when it makes sense, else what the path says. */
static enum version
version_guess(const struct call *c)
{
	enum version v;

	if (c->req->header[HEADER_VERSION].ptr && version_resolve(c->req->header[HEADER_VERSION], &v))
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

static enum err
refuse(struct call *c)
{
	call_fail(c, ERR_UNAVAILABLE, NULL, c->req->refused);
	/* Clients that are refused together shall not come back together. */
	c->problem.retry_after_s = 1 + clock_mono_us() % REFUSED_RETRY_MAX_S;
	return ERR_UNAVAILABLE;
}

/* Everything that a write's handler finds done: the body read, the idempotency key ready. */
static enum err
begin_write(struct call *c)
{
	body_read(c);
	return idem_begin(c);
}

static enum err
run_handler(struct call *c)
{
	enum err e;

	c->headers = c->res->headers;
	if (c->route->flags & ROUTE_WRITES && ((e = begin_write(c)) != ERR_OK || idem_is_repeated(c, &e)))
		return e;
	e = c->route->handle(c);
	/* An answer that was given before comes before the rules of the day. */
	return e != ERR_OK && err_info(e)->status < 500 ? idem_recall(c, e) : e;
}

static enum err
handle(struct app *app, struct call *c)
{
	const char *blame, *why;
	enum err    e;

	e = query_split(c->arena, router_base(c), &c->path, &c->query, &blame, &why)
	    ? router_find(c) : call_fail(c, ERR_VALIDATION, blame, why);
	c->version = version_guess(c);
	stats_do(app->stats, c->facts->route, c->facts->request_id);
	legacy_headers(c);
	if (e != ERR_OK || (e = check_repeated(c)) != ERR_OK)
		return e;
	if (c->req->refused)
		return refuse(c);
	if (!(c->route->flags & ROUTE_PUBLIC) && (e = api_key_check(c, app->keys)) != ERR_OK)
		return e;
	if ((e = choose_version(c)) != ERR_OK)
		return e;
	if (c->version < c->route->since)
		return call_fail(c, ERR_NOT_AVAILABLE, NULL, "This endpoint does not exist in this API version.");
	return run_handler(c);
}

static void
note_database(struct app *app, struct facts *facts)
{
	struct db_meter spent = db_meter_take(app->db);

	facts->db_us = spent.us;
	facts->db_trips = spent.trips;
	facts->statements = spent.statements;
	facts->left = spent.left;
	if (spent.trips)
		atomic_store_explicit(&app->stats->db, spent.connected ? STATS_DB_CONNECTED : STATS_DB_AWAY,
		    memory_order_relaxed);
}

void
app_handle(struct app *app, const struct request *req, struct response *res, struct facts *facts)
{
	struct call c = {
		.arena = req->arena,
		.req = req,
		.res = res,
		.db = app->db,
		.conf = app->conf,
		.buckets = app->buckets,
		.recent = &app->recent,
		.facts = facts,
		.version = V_CURRENT,
	};
	struct str id = request_id(req);

	*facts = (struct facts) { .request_id = id, .route = STATS_NO_ROUTE, .queue_us = req->queue_us };
	db_meter_take(app->db); /* what housekeeping cost is nobody's */
	db_watch(app->db, req->peer);
	res->head_only = req->method == METHOD_HEAD;
	response_header(res, "X-Request-Id", id);
	join_trace(req, res, &facts->trace);
	facts->error = reply_render(&c, handle(app, &c));
	db_watch(app->db, NULL);
	note_database(app, facts);
	/* What is refused has no cause of its own: the log tells of the whole time of it. */
	if (res->status >= 500 && !facts->left && !req->refused)
		log_error("request %.*s: %d %s: %s", STR_ARGS(id), res->status, err_info(facts->error)->code,
		    c.problem.log[0] ? c.problem.log : c.problem.message);
}

/* ---- between requests ---- */

void
app_after(struct app *app)
{
	struct arena arena;
	struct facts facts = { .route = STATS_NO_ROUTE };
	struct call  c = {
		.arena = &arena, .db = app->db, .conf = app->conf, .buckets = app->buckets, .facts = &facts,
	};

	if (!api_key_is_to_confirm(app->keys))
		return;
	arena_init(&arena);
	api_key_confirm(&c, app->keys);
	arena_fini(&arena);
}

int64_t
app_idle(struct app *app)
{
	return housekeeping_run(&app->housekeeping, app->db, app->conf);
}
