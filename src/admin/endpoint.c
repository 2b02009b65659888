/* What the admin process answers. */
#include "admin/endpoint.h"
#include "admin/command.h"
#include "admin/metrics.h"
#include "admin/status.h"
#include "admin/table.h"
#include "json/jwrite.h"

#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	OK = 200,
	ACCEPTED = 202,
	BAD_REQUEST = 400,
	FORBIDDEN = 403,
	NOT_FOUND = 404,
	METHOD_NOT_ALLOWED = 405,
	CONFLICT = 409,
	CONTENT_TOO_LARGE = 413,
	UNPROCESSABLE = 422,
	INTERNAL = 500,
	BAD_GATEWAY = 502,
	UNAVAILABLE = 503,
	NO_STORAGE = 507,
};

const struct endpoint_outcome endpoint_outcomes[] = {
	{ UNPROCESSABLE, EXIT_CONFIG },
	{ BAD_GATEWAY, EXIT_DATABASE },
	{ INTERNAL, EXIT_DEFECT },
	{ NO_STORAGE, EXIT_OS },
};

const size_t endpoint_outcome_count = COUNTOF(endpoint_outcomes);

/* One request, what is known at its moment, and what is answered. */
struct exchange {
	const struct endpoint_context *context;
	const struct endpoint_request *req;
	struct endpoint_answer        *out;
	struct tally                   tally;
	struct health_report           health;
};

struct endpoint {
	const char *method; /* GET serves HEAD, too */
	const char *path;
	void (*answer)(struct exchange *x, const struct endpoint *e);
	enum command_kind kind; /* of commands without parameters */
};

static void
put_json(struct exchange *x, struct json_object *value)
{
	jwrite_text(value, &x->out->body);
	buf_str(&x->out->body, STR("\n"));
	jwrite_free(value);
}

static void PRINTF(3, 4)
fail(struct exchange *x, unsigned status, const char *fmt, ...)
{
	struct json_object *answer;
	char                sentence[CHANGE_WHY_BYTES + 64];
	va_list             ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	x->out->status = status;
	if (x->req->text) {
		buf_fmt(&x->out->body, "%s\n", sentence);
		return;
	}
	answer = jwrite_object();
	jwrite_put(answer, "error", jwrite_str(str_of(sentence)));
	put_json(x, answer);
}

/* ---- reads */

static void
get_status(struct exchange *x, const struct endpoint *e UNUSED)
{
	(x->req->text ? table_write : status_write)(x->context->stats, &x->tally, &x->out->body);
}

static void
get_metrics(struct exchange *x, const struct endpoint *e UNUSED)
{
	x->out->type = METRICS_CONTENT_TYPE;
	metrics_write(&x->tally, &x->out->body);
}

/* The process that answers ends with the supervisor, so an answer is enough. */
static void
get_live(struct exchange *x, const struct endpoint *e UNUSED)
{
	buf_str(&x->out->body, x->req->text ? STR("ok\n") : STR("{\"live\":true}\n"));
}

static void
write_ready(struct exchange *x)
{
	const struct health_report *health = &x->health;

	for (size_t i = 0; i < HEALTH__COUNT && x->req->verbose; i++) {
		const char *why = health->why[i];

		buf_fmt(&x->out->body, "[%c] %s%s%s\n", why[0] ? '-' : '+', health_names[i],
		    why[0] ? ": " : "", why);
	}
	buf_fmt(&x->out->body, "%s\n", health->ready ? "ready" : "not ready");
}

static void
get_ready(struct exchange *x, const struct endpoint *e UNUSED)
{
	const struct health_report *health = &x->health;
	struct json_object         *answer, *checks;

	x->out->status = health->ready ? OK : UNAVAILABLE;
	if (x->req->text) {
		write_ready(x);
		return;
	}
	answer = jwrite_object();
	jwrite_put(answer, "ready", jwrite_bool(health->ready));
	if (x->req->verbose) {
		checks = jwrite_object();
		for (size_t i = 0; i < HEALTH__COUNT; i++)
			jwrite_put(checks, health_names[i],
			    jwrite_str(str_of(health->why[i][0] ? health->why[i] : "ok")));
		jwrite_put(answer, "checks", checks);
	}
	put_json(x, answer);
}

static void
get_workers(struct exchange *x, const struct endpoint *e UNUSED)
{
	const int64_t *f = x->tally.figure;

	if (x->req->text)
		buf_fmt(&x->out->body, "%jd of %jd workers (%jd to %jd), %jd idle, %jd active\n",
		    (intmax_t)f[FIGURE_SERVING], (intmax_t)f[FIGURE_TARGET],
		    (intmax_t)f[FIGURE_MIN], (intmax_t)f[FIGURE_MAX],
		    (intmax_t)f[FIGURE_IDLE], (intmax_t)f[FIGURE_ACTIVE]);
	else
		put_json(x, status_pool(&x->tally));
}

/* ---- what became of commands */

/* What people read once it is done: "reloaded: generation 2, 8 workers". */
static const char *const done_words[CHANGE__COUNT] = {
	[CHANGE_RELOAD] = "reloaded",
	[CHANGE_UPGRADE] = ("upgraded to " PACKAGE_VERSION),
	[CHANGE_WORKERS] = "changed",
	[CHANGE_REOPEN] = "reopened the log",
};

static unsigned
status_of(int code)
{
	for (size_t i = 0; i < COUNTOF(endpoint_outcomes); i++)
		if (endpoint_outcomes[i].code == code)
			return endpoint_outcomes[i].status;
	return INTERNAL;
}

static void
tell_outcome(struct exchange *x, enum change_kind kind, bool done)
{
	const int64_t      *f = x->tally.figure;
	struct json_object *answer;

	x->out->status = done ? OK : ACCEPTED;
	if (x->req->text && done) {
		buf_fmt(&x->out->body, "%s: generation %jd, %jd workers\n", done_words[kind],
		    (intmax_t)f[FIGURE_GENERATION], (intmax_t)f[FIGURE_SERVING]);
		return;
	}
	if (x->req->text) {
		buf_fmt(&x->out->body, "generation %jd, %jd of %jd workers\n",
		    (intmax_t)f[FIGURE_GENERATION], (intmax_t)f[FIGURE_SERVING],
		    (intmax_t)f[FIGURE_TARGET]);
		return;
	}
	answer = jwrite_object();
	jwrite_put(answer, "change", jwrite_str(str_of(change_names[kind])));
	jwrite_put(answer, "done", jwrite_bool(done));
	jwrite_put(answer, "pool", status_pool(&x->tally));
	put_json(x, answer);
}

static void
tell_number(struct exchange *x, uint32_t begun)
{
	struct json_object *answer;

	if (x->req->text) {
		buf_fmt(&x->out->body, "%u\n", begun);
		return;
	}
	answer = jwrite_object();
	jwrite_put(answer, "begun", jwrite_int(begun));
	put_json(x, answer);
}

static void
get_changes(struct exchange *x, const struct endpoint *e UNUSED)
{
	struct change_report r;
	int64_t              after = 0;
	size_t               kind = 0;

	while (kind < CHANGE__COUNT && !(x->req->of && strcmp(change_names[kind], x->req->of) == 0))
		kind++;
	if (kind == CHANGE__COUNT
	    || (x->req->after && !str_to_i64(str_of(x->req->after), 0, UINT32_MAX, &after))) {
		fail(x, BAD_REQUEST, "say of which: ?of=reload, upgrade, workers or reopen; and "
				     "&after= a number");
		return;
	}
	change_read(&x->context->stats->pool->change[kind], &r);
	if (!x->req->after)
		tell_number(x, r.begun);
	else if (r.ended > after && r.code)
		fail(x, status_of(r.code), "%s", r.why);
	else if (r.ended > after)
		tell_outcome(x, (enum change_kind)kind, true);
	else if (x->tally.figure[FIGURE_STOPPING])
		fail(x, CONFLICT, "the service is stopping");
	else if (r.begun < after)
		fail(x, CONFLICT, "the service was started again meanwhile");
	else
		tell_outcome(x, (enum change_kind)kind, false);
}

/* ---- commands */

/* What was requested, and how it is now; people see the figure that will change. */
static void
write_requested(struct exchange *x, const char *name, enum command_kind kind)
{
	const int64_t *f = x->tally.figure;

	if (kind == COMMAND_WORKERS_SET || kind == COMMAND_WORKERS_ADD)
		buf_fmt(&x->out->body, "requested: %s (now %jd of %jd)\n", name,
		    (intmax_t)f[FIGURE_SERVING], (intmax_t)f[FIGURE_TARGET]);
	else
		buf_fmt(&x->out->body, "requested: %s (now generation %jd)\n", name,
		    (intmax_t)f[FIGURE_GENERATION]);
}

static void
send_command(struct exchange *x, const char *name, enum command_kind kind, int32_t value)
{
	struct json_object *answer;

	if (!command_send(x->context->command_fd, kind, value)) {
		fail(x, UNAVAILABLE, "the supervisor takes no commands at the moment");
		return;
	}
	x->out->status = ACCEPTED;
	if (x->req->text) {
		write_requested(x, name, kind);
		return;
	}
	answer = jwrite_object();
	jwrite_put(answer, "asked", jwrite_str(str_of(name)));
	jwrite_put(answer, "before", status_pool(&x->tally));
	put_json(x, answer);
}

static void
post_command(struct exchange *x, const struct endpoint *e)
{
	send_command(x, e->path + 1, e->kind, 0);
}

static void
post_workers(struct exchange *x, const struct endpoint *e UNUSED)
{
	const int64_t *f = x->tally.figure;
	const char    *text = x->req->count;
	int64_t        least = f[FIGURE_MIN] ? f[FIGURE_MIN] : 1;
	int64_t        most = f[FIGURE_MAX] ? f[FIGURE_MAX] : CONF_WORKERS_MAX;
	int64_t        n = 0, wanted;
	char           name[32];
	char           sign;
	bool           more;

	if (!text) {
		fail(x, BAD_REQUEST, "say how many: ?count=N, ?count=+N or ?count=-N");
		return;
	}
	/* A plus that was not escaped is a blank by now. */
	sign = text[0] == ' ' ? '+' : text[0];
	more = sign == '+' || sign == '-';
	if (!str_to_i64(str_of(text + more), 1, CONF_WORKERS_MAX, &n)) {
		fail(x, BAD_REQUEST, "count must be N, +N or -N with N from 1 to %d",
		    CONF_WORKERS_MAX);
		return;
	}
	if (sign == '-')
		n = -n;
	wanted = more ? f[FIGURE_TARGET] + n : n;
	if (wanted < least || wanted > most) {
		fail(x, CONFLICT, "there can be %jd to %jd workers, not %jd", (intmax_t)least,
		    (intmax_t)most, (intmax_t)wanted);
		return;
	}
	snprintf(name, sizeof(name), more ? "workers %+jd" : "workers %jd", (intmax_t)n);
	send_command(x, name, more ? COMMAND_WORKERS_ADD : COMMAND_WORKERS_SET, (int32_t)n);
}

/* ---- THE table */

static const struct endpoint endpoints[] = {
	{ "GET", "/status", get_status, 0 },
	{ "GET", "/metrics", get_metrics, 0 },
	{ "GET", "/live", get_live, 0 },
	{ "GET", "/ready", get_ready, 0 },
	{ "GET", "/workers", get_workers, 0 },
	{ "GET", "/changes", get_changes, 0 },
	{ "POST", "/workers", post_workers, 0 },
	{ "POST", "/reload", post_command, COMMAND_RELOAD },
	{ "POST", "/upgrade", post_command, COMMAND_UPGRADE },
	{ "POST", "/reopen", post_command, COMMAND_REOPEN },
	{ "POST", "/stop", post_command, COMMAND_STOP },
};

/* NULL: the exchange has its failure. */
static const struct endpoint *
find(struct exchange *x)
{
	const char *method = strcmp(x->req->method, "HEAD") == 0 ? "GET" : x->req->method;
	bool        get = false, post = false;

	for (size_t i = 0; i < COUNTOF(endpoints); i++) {
		const struct endpoint *e = &endpoints[i];

		if (strcmp(x->req->path, e->path) != 0)
			continue;
		if (strcmp(method, e->method) == 0)
			return e;
		get = get || strcmp(e->method, "GET") == 0;
		post = post || strcmp(e->method, "POST") == 0;
	}
	if (!get && !post) {
		fail(x, NOT_FOUND, "there is nothing at this path");
		return NULL;
	}
	x->out->allow = !post ? "GET, HEAD" : !get ? "POST" : "GET, HEAD, POST";
	fail(x, METHOD_NOT_ALLOWED, "this path takes %s", x->out->allow);
	return NULL;
}

static void
answer(struct exchange *x)
{
	const struct endpoint *e;
	bool                   command;

	if (x->req->has_body) {
		fail(x, CONTENT_TOO_LARGE,
		    "requests have no body here; put parameters into the query");
		return;
	}
	e = find(x);
	if (!e)
		return;
	command = strcmp(e->method, "POST") == 0;
	if (command && !x->context->may_command)
		fail(x, FORBIDDEN, "commands are accepted on a unix socket only, that of "
				   "admin_listen, where permissions say who may send them");
	else if (command && x->tally.figure[FIGURE_STOPPING])
		fail(x, CONFLICT, "the service is stopping");
	else
		e->answer(x, e);
}

void
endpoint_answer(const struct endpoint_context *context, const struct endpoint_request *req,
    struct endpoint_answer *out)
{
	struct exchange x = { .context = context, .req = req, .out = out };

	*out = (struct endpoint_answer) {
		.status = OK,
		.type = req->text ? "text/plain; charset=utf-8" : "application/json",
	};
	buf_init(&out->body, STATUS_MAX_BYTES);
	tally_take(context->stats, &x.tally);
	health_read(context->health, &x.tally, &x.health);
	answer(&x);
}
