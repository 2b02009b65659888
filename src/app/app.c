/* The whole API as one function from request to response. */
#include "app/app.h"
#include "app/routes.h"
#include "auth/api_key.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "call/idem.h"
#include "call/reply.h"
#include "db/db.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	HOUSEKEEPING_EVERY_MS = 60 * 1000,
	/* Rows a step: a ms or less, so a request that comes in between waits no longer than that. */
	HOUSEKEEPING_ROWS = 200,
	/* After a full step there may be more: 2,000 rows a second and worker at most. */
	HOUSEKEEPING_AGAIN_MS = 100,
	/* A refused request is to come again after 1 to this many seconds. */
	REFUSED_RETRY_MAX_S = 3,
	/* nginx takes 4 KiB of response headers by default. */
	LINK_MAX_BYTES = 1536,
};

/* One year after the version that ends the legacy paths' last differences. */
static const struct str sunset = STR("Sat, 31 Jul 2027 00:00:00 GMT");

struct app {
	struct settings       settings;
	struct db            *db;
	struct stats_slot    *stats;
	struct api_key_cache *keys;
	int64_t               housekeeping_ms; /* monotonic: when it is due */
	int64_t               expired_ms;      /* wall: when the last expired key was made that was removed */
};

static void
plan_housekeeping(struct app *app)
{
	unsigned char jitter;

	/* Half of the time to one and a half, so that workers do not come together. */
	hash_random(&jitter, sizeof(jitter));
	app->housekeeping_ms = clock_mono_ms() + HOUSEKEEPING_EVERY_MS / 2 + HOUSEKEEPING_EVERY_MS * jitter / 256;
}

struct app *
app_new(const struct app_options *o)
{
	const struct db_options db_options = {
		.url = o->database_url,
		.application_name = "clientele",
		.statement_timeout_ms = o->statement_timeout_ms,
		.lock_timeout_ms = o->lock_timeout_ms,
		.request_timeout_ms = o->request_timeout_ms,
		.unprepared = o->unprepared,
	};
	struct app *app = must_alloc(sizeof(*app));

	app->settings.docs_base_url = o->docs_base_url;
	app->settings.metadata_max_bytes = o->metadata_max_bytes;
	app->settings.idempotency_ttl_ms = o->idempotency_ttl_ms;
	app->settings.buckets = o->buckets;
	app->stats = o->stats;
	app->db = db_new(&db_options);
	app->keys = api_key_cache_new(o->auth_cache_ttl_ms);
	plan_housekeeping(app);
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
	bool         told;

	arena_init(&arena);
	told = db_room(app->db, &arena, out);
	arena_fini(&arena);
	return told;
}

/* ---- one request ---- */

static bool
is_safe_id(struct str s)
{
	if (s.len == 0 || s.len > REQUEST_ID_MAX_BYTES)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
		        || c == '-' || c == '_' || c == '.' || c == ':'))
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

/* Bytes at the beginning that need no escape in a path. */
static size_t
unreserved(struct str s)
{
	size_t n = 0;

	while (n < s.len && (isalnum((unsigned char)s.ptr[n]) || memchr("-._~", s.ptr[n], 4)))
		n++;
	return n;
}

/* The same path under /api/v1, escaped anew: no byte of a request goes into a header as it came. */
static struct str
successor(struct call *c)
{
	static const char hex[] = "0123456789ABCDEF";
	struct buf        link;
	struct str        copy;

	buf_init(&link, LINK_MAX_BYTES);
	buf_str(&link, STR("</api/v1"));
	for (size_t i = 0; i < c->path.count && i < PATH_SEGMENTS_MAX; i++) {
		struct str segment = c->path.segment[i];

		buf_str(&link, STR("/"));
		for (;;) {
			size_t        plain = unreserved(segment);
			unsigned char b;

			buf_add(&link, segment.ptr, plain);
			if (plain == segment.len)
				break;
			b = (unsigned char)segment.ptr[plain];
			buf_add(&link, (const char[]) { '%', hex[b >> 4], hex[b & 15] }, 3);
			segment = (struct str) { segment.ptr + plain + 1, segment.len - plain - 1 };
		}
	}
	buf_str(&link, STR(">; rel=\"successor-version\""));
	copy = link.full ? STR("</api/v1>; rel=\"successor-version\"") : arena_str(c->arena, buf_view(&link));
	buf_fini(&link);
	return copy;
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
	/* Those who are refused together shall not come back together. */
	c->problem.retry_after_s = 1 + clock_mono_us() % REFUSED_RETRY_MAX_S;
	return ERR_UNAVAILABLE;
}

static enum err
handle(struct app *app, struct call *c)
{
	const struct route *route;
	const char         *blame, *why;
	enum err            e;

	e = query_split(c->arena, route_base(c), &c->path, &c->query, &blame, &why)
	    ? route_find(c, &route) : call_fail(c, ERR_VALIDATION, blame, why);
	c->version = version_guess(c);
	c->facts->route = e == ERR_OK ? route_number(route) : STATS_NO_ROUTE;
	stats_do(app->stats, c->facts->route, c->facts->request_id);
	if (c->legacy_path) {
		response_header(c->res, "Deprecation", STR("true"));
		response_header(c->res, "Sunset", sunset);
		response_header(c->res, "Link", successor(c));
	}
	if (e != ERR_OK || (e = check_repeated(c)) != ERR_OK)
		return e;
	if (c->req->refused)
		return refuse(c);
	if (!(route->flags & ROUTE_PUBLIC) && (e = api_key_check(c, app->keys)) != ERR_OK)
		return e;
	if ((e = choose_version(c)) != ERR_OK)
		return e;
	if (c->version < route->since)
		return call_fail(c, ERR_NOT_AVAILABLE, NULL, "This endpoint does not exist in this API version.");
	if (route->flags & ROUTE_WRITES && (e = idem_begin(c)) != ERR_OK)
		return e;
	return route->handle(c);
}

void
app_handle(struct app *app, const struct request *req, struct response *res, struct facts *facts)
{
	struct call c = {
		.arena = req->arena,
		.req = req,
		.res = res,
		.db = app->db,
		.settings = &app->settings,
		.facts = facts,
		.version = V_CURRENT,
	};
	struct str      id = request_id(req);
	struct db_meter spent;

	*facts = (struct facts) { .request_id = id, .route = STATS_NO_ROUTE, .queue_us = req->queue_us };
	db_meter_take(app->db); /* what housekeeping cost is nobody's */
	db_watch(app->db, req->peer);
	res->head_only = req->method == METHOD_HEAD;
	response_header(res, "X-Request-Id", id);
	join_trace(req, res, &facts->trace);
	facts->error = handle(app, &c);
	reply_send(&c, facts->error);
	db_watch(app->db, NULL);
	spent = db_meter_take(app->db);
	facts->db_us = spent.us;
	facts->db_trips = spent.trips;
	facts->statements = spent.statements;
	facts->left = spent.left;
	if (spent.trips)
		atomic_store_explicit(&app->stats->db, spent.connected ? STATS_DB_CONNECTED : STATS_DB_AWAY,
		    memory_order_relaxed);
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
	struct call  c = { .arena = &arena, .db = app->db, .settings = &app->settings, .facts = &facts };

	if (!api_key_is_to_confirm(app->keys))
		return;
	arena_init(&arena);
	api_key_confirm(&c, app->keys);
	arena_fini(&arena);
}

static void
keep_house(struct app *app)
{
	struct arena arena;
	struct tx    tx;
	struct bind *b;
	struct row   row;

	plan_housekeeping(app);
	arena_init(&arena);
	tx_init(&tx, app->db, &arena);
	tx_step(&tx, SQL_HOUSEKEEPING_ENTER);
	b = tx_step(&tx, SQL_HOUSEKEEPING_EXPIRE);
	bind_i64(b, app->settings.idempotency_ttl_ms);
	bind_i64(b, HOUSEKEEPING_ROWS);
	bind_i64(b, app->expired_ms);
	if (tx_run(&tx) != DB_OK) {
		log_info("expired idempotency keys stay for now: %s", tx.log);
	} else {
		row = tx_row(&tx, 1, 0);
		app->expired_ms = row_i64(&row, 1);
		if (row_i64(&row, 0) == HOUSEKEEPING_ROWS)
			app->housekeeping_ms = clock_mono_ms() + HOUSEKEEPING_AGAIN_MS;
	}
	arena_fini(&arena);
}

int64_t
app_idle(struct app *app)
{
	int64_t due = app->housekeeping_ms - clock_mono_ms();

	if (due <= 0) {
		keep_house(app);
		due = app->housekeeping_ms - clock_mono_ms();
	}
	return due > 0 ? due : 0;
}
