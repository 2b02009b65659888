/* The HTTP side of the admin process. */
#include "admin/admin_http.h"
#include "admin/command.h"
#include "admin/metrics.h"
#include "admin/status.h"
#include "admin/table.h"
#include "base/arena.h"
#include "base/log.h"
#include "json/jwrite.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 32,
	SILENCE_S = 2,               /* nothing came or could be sent */
	CONNECTION_MS = 5000,        /* from accept to the last byte, however much comes meanwhile */
	REQUEST_MAX_BYTES = 8 * 1024, /* request line and headers, with libmicrohttpd's own notes on them */
	FINISH_MS = 1000,
	FINISH_LOOK_MS = 5,
	FINISH_LOOKS = 3, /* without a connection */
};

struct admin_http {
	const struct stats *stats;
	struct health      *health;
	int                 listen_fd, command_fd;
	bool                may_command;
	struct MHD_Daemon  *daemon;
	pthread_mutex_t     lock; /* for what is below */
	struct guest {
		int     fd; /* -1: none; libmicrohttpd closes it after it was told */
		int64_t since_ms;
	} guest[CONNECTIONS_MAX];
};

/* One request and what is answered to it. */
struct exchange {
	struct admin_http     *http;
	struct MHD_Connection *connection;
	struct tally           tally;
	struct health_report   health;
	bool                   text; /* for people */
	unsigned               status;
	const char            *type; /* NULL: by 'text' */
	const char            *allow;
	struct buf             body;
};

struct endpoint {
	const char       *method; /* GET serves HEAD too */
	const char       *path;
	void (*answer)(struct exchange *x, const struct endpoint *e);
	enum command_kind kind; /* of commands without parameters */
};

static const char *
argument(const struct exchange *x, const char *name)
{
	return MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, name);
}

static bool
has_argument(const struct exchange *x, const char *name)
{
	const char *value;
	size_t      len;

	return MHD_lookup_connection_value_n(x->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, &len)
	    == MHD_YES;
}

static bool
wants_text(const struct exchange *x)
{
	const char *format = argument(x, "format");
	const char *accept = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Accept");

	if (format)
		return strcmp(format, "text") == 0;
	return accept && strncmp(accept, "text/plain", 10) == 0;
}

static void
put_json(struct exchange *x, struct json_object *value)
{
	jwrite_text(value, &x->body);
	buf_str(&x->body, STR("\n"));
	jwrite_free(value);
}

static void PRINTF(3, 4)
fail(struct exchange *x, unsigned status, const char *fmt, ...)
{
	struct json_object *answer = jwrite_object();
	char                sentence[256];
	va_list             ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	x->status = status;
	if (x->text)
		buf_fmt(&x->body, "%s\n", sentence);
	else {
		jwrite_put(answer, "error", jwrite_str(str_of(sentence)));
		jwrite_text(answer, &x->body);
		buf_str(&x->body, STR("\n"));
	}
	jwrite_free(answer);
}

/* ---- reads */

static void
get_status(struct exchange *x, const struct endpoint *e UNUSED)
{
	(x->text ? table_write : status_write)(x->http->stats, &x->tally, &x->body);
}

static void
get_metrics(struct exchange *x, const struct endpoint *e UNUSED)
{
	x->type = METRICS_CONTENT_TYPE;
	metrics_write(&x->tally, &x->body);
}

/* The process that answers ends with the supervisor, so an answer is enough. */
static void
get_live(struct exchange *x, const struct endpoint *e UNUSED)
{
	buf_str(&x->body, x->text ? STR("ok\n") : STR("{\"live\":true}\n"));
}

static void
get_ready(struct exchange *x, const struct endpoint *e UNUSED)
{
	const struct health_report *health = &x->health;
	struct json_object         *answer, *checks;

	x->status = health->ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
	if (x->text) {
		for (size_t i = 0; i < HEALTH__COUNT && has_argument(x, "verbose"); i++)
			buf_fmt(&x->body, "[%c] %s%s%s\n", health->why[i][0] ? '-' : '+', health_names[i],
			    health->why[i][0] ? ": " : "", health->why[i]);
		buf_fmt(&x->body, "%s\n", health->ready ? "ready" : "not ready");
		return;
	}
	answer = jwrite_object();
	jwrite_put(answer, "ready", jwrite_bool(health->ready));
	if (has_argument(x, "verbose")) {
		checks = jwrite_object();
		for (size_t i = 0; i < HEALTH__COUNT; i++)
			jwrite_put(checks, health_names[i],
			    jwrite_str(health->why[i][0] ? str_of(health->why[i]) : STR("ok")));
		jwrite_put(answer, "checks", checks);
	}
	put_json(x, answer);
}

static void
get_workers(struct exchange *x, const struct endpoint *e UNUSED)
{
	const int64_t *f = x->tally.figure;

	if (x->text)
		buf_fmt(&x->body, "%jd workers of %jd (%jd to %jd), %jd idle, %jd active\n", (intmax_t)f[FIGURE_SERVING],
		    (intmax_t)f[FIGURE_TARGET], (intmax_t)f[FIGURE_MIN], (intmax_t)f[FIGURE_MAX],
		    (intmax_t)f[FIGURE_IDLE], (intmax_t)f[FIGURE_ACTIVE]);
	else
		put_json(x, status_pool(&x->tally));
}

/* ---- commands */

static void
send_command(struct exchange *x, const char *name, enum command_kind kind, int32_t value)
{
	const int64_t      *f = x->tally.figure;
	struct json_object *answer;

	if (!command_send(x->http->command_fd, kind, value)) {
		fail(x, MHD_HTTP_SERVICE_UNAVAILABLE, "the supervisor takes no commands at the moment");
		return;
	}
	x->status = MHD_HTTP_ACCEPTED;
	if (x->text && (kind == COMMAND_WORKERS_SET || kind == COMMAND_WORKERS_ADD)) {
		buf_fmt(&x->body, "requested: %s (now %jd of %jd)\n", name,
		    (intmax_t)f[FIGURE_SERVING], (intmax_t)f[FIGURE_TARGET]);
		return;
	}
	if (x->text) {
		buf_fmt(&x->body, "requested: %s (now generation %jd)\n", name,
		    (intmax_t)f[FIGURE_GENERATION]);
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
	const char    *text = argument(x, "count");
	int64_t        least = f[FIGURE_MIN] ? f[FIGURE_MIN] : 1;
	int64_t        most = f[FIGURE_MAX] ? f[FIGURE_MAX] : CONF_WORKERS_MAX;
	int64_t        n = 0, wanted;
	char           name[32];
	char           sign;
	bool           more;

	if (!text) {
		fail(x, MHD_HTTP_BAD_REQUEST, "say how many: ?count=N, ?count=+N or ?count=-N");
		return;
	}
	/* A plus that was not escaped is a blank by now. */
	sign = text[0] == ' ' ? '+' : text[0];
	more = sign == '+' || sign == '-';
	if (!str_to_i64(str_of(text + more), 1, CONF_WORKERS_MAX, &n)) {
		fail(x, MHD_HTTP_BAD_REQUEST, "count must be N, +N or -N with N from 1 to %d", CONF_WORKERS_MAX);
		return;
	}
	if (sign == '-')
		n = -n;
	wanted = more ? f[FIGURE_TARGET] + n : n;
	if (wanted < least || wanted > most) {
		fail(x, MHD_HTTP_CONFLICT, "there can be %jd to %jd workers, not %jd", (intmax_t)least, (intmax_t)most,
		    (intmax_t)wanted);
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
	{ "POST", "/workers", post_workers, 0 },
	{ "POST", "/reload", post_command, COMMAND_RELOAD },
	{ "POST", "/upgrade", post_command, COMMAND_UPGRADE },
	{ "POST", "/reopen", post_command, COMMAND_REOPEN },
	{ "POST", "/stop", post_command, COMMAND_STOP },
};

/* NULL: the exchange has its failure. */
static const struct endpoint *
find(struct exchange *x, const char *method, const char *path)
{
	bool get = false, post = false;

	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (size_t i = 0; i < COUNTOF(endpoints); i++) {
		const struct endpoint *e = &endpoints[i];

		if (strcmp(path, e->path) != 0)
			continue;
		if (strcmp(method, e->method) == 0)
			return e;
		get = get || strcmp(e->method, "GET") == 0;
		post = post || strcmp(e->method, "POST") == 0;
	}
	if (!get && !post) {
		fail(x, MHD_HTTP_NOT_FOUND, "there is nothing at this path");
		return NULL;
	}
	x->allow = !post ? "GET, HEAD" : !get ? "POST" : "GET, HEAD, POST";
	fail(x, MHD_HTTP_METHOD_NOT_ALLOWED, "this path takes %s", x->allow);
	return NULL;
}

static bool
has_body(const struct exchange *x)
{
	const char *length = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Content-Length");

	return (length && strcmp(length, "0") != 0)
	    || MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Transfer-Encoding") != NULL;
}

static void
answer(struct exchange *x, const char *method, const char *path)
{
	const struct endpoint *e;

	tally_take(x->http->stats, &x->tally);
	health_read(x->http->health, &x->tally, &x->health);
	x->text = wants_text(x);
	if (has_body(x)) {
		fail(x, MHD_HTTP_CONTENT_TOO_LARGE, "requests have no body here; put parameters into the query");
		return;
	}
	e = find(x, method, path);
	if (!e)
		return;
	if (strcmp(e->method, "POST") == 0 && !x->http->may_command)
		fail(x, MHD_HTTP_FORBIDDEN, "commands are accepted on a unix socket only, where permissions say who may send them");
	else if (strcmp(e->method, "POST") == 0 && x->tally.figure[FIGURE_STOPPING])
		fail(x, MHD_HTTP_CONFLICT, "the service is stopping");
	else
		e->answer(x, e);
}

/* Called for the head of a request, for each piece of its body and for its end. */
static enum MHD_Result
on_request(void *cls, struct MHD_Connection *connection, const char *path, const char *method,
    const char *version UNUSED, const char *upload UNUSED, size_t *upload_size, void **context)
{
	static bool          begun;
	struct exchange      x = { .http = cls, .connection = connection, .status = MHD_HTTP_OK };
	struct MHD_Response *response;
	enum MHD_Result      queued;

	/* A body is thrown away as it comes: who is still sending would not read the answer. */
	if (has_body(&x) && (!*context || *upload_size)) {
		*context = &begun;
		*upload_size = 0;
		return MHD_YES;
	}
	buf_init(&x.body, STATUS_MAX_BYTES);
	answer(&x, method, path);
	response = MHD_create_response_from_buffer(x.body.len, x.body.ptr, MHD_RESPMEM_MUST_COPY);
	buf_fini(&x.body);
	if (!response)
		return MHD_NO;
	if (!x.type)
		x.type = x.text ? "text/plain; charset=utf-8" : "application/json";
	MHD_add_response_header(response, "Content-Type", x.type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "Connection", "close");
	if (x.allow)
		MHD_add_response_header(response, "Allow", x.allow);
	queued = MHD_queue_response(connection, x.status, response);
	MHD_destroy_response(response);
	return queued;
}

/* ---- connections */

static void
on_connection(void *cls, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode what)
{
	struct admin_http               *h = cls;
	const union MHD_ConnectionInfo *info;
	struct guest                   *guest = *context;

	pthread_mutex_lock(&h->lock);
	if (what == MHD_CONNECTION_NOTIFY_CLOSED && guest)
		guest->fd = -1;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	for (size_t i = 0; i < CONNECTIONS_MAX && what == MHD_CONNECTION_NOTIFY_STARTED && info; i++)
		if (h->guest[i].fd == -1) {
			h->guest[i] = (struct guest) { info->connect_fd, clock_mono_ms() };
			*context = &h->guest[i];
			break;
		}
	pthread_mutex_unlock(&h->lock);
}

void
admin_http_sweep(struct admin_http *h)
{
	int64_t now = clock_mono_ms();

	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (h->guest[i].fd != -1 && now - h->guest[i].since_ms > CONNECTION_MS)
			shutdown(h->guest[i].fd, SHUT_RDWR);
	pthread_mutex_unlock(&h->lock);
}

static bool
is_unix(int fd)
{
	int       domain = 0;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

struct admin_http *
admin_http_start(const struct stats *stats, struct health *health, int listen_fd, int command_fd)
{
	struct admin_http *h = must_alloc(sizeof(*h));

	*h = (struct admin_http) {
		.stats = stats,
		.health = health,
		.listen_fd = listen_fd,
		.command_fd = command_fd,
		.may_command = is_unix(listen_fd),
	};
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		h->guest[i].fd = -1;
	pthread_mutex_init(&h->lock, NULL);
	h->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | MHD_USE_ITC, 0, NULL, NULL,
	    on_request, h,
	    MHD_OPTION_LISTEN_SOCKET, listen_fd,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_S,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MAX_BYTES,
	    MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
	    MHD_OPTION_END);
	if (h->daemon)
		return h;
	log_error("cannot serve on admin_listen: %s", strerror(errno));
	pthread_mutex_destroy(&h->lock);
	free(h);
	return NULL;
}

void
admin_http_stop(struct admin_http *h, bool finish)
{
	int64_t end = clock_mono_ms() + FINISH_MS;
	int     quiet = 0;

	/* Otherwise the library would shut the listening socket down, for everybody who has it. */
	MHD_quiesce_daemon(h->daemon);
	while (finish && clock_mono_ms() < end && quiet < FINISH_LOOKS) {
		const union MHD_DaemonInfo *info =
		    MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

		/* Its thread may just be accepting one that it does not count yet. */
		poll(NULL, 0, FINISH_LOOK_MS);
		quiet = !info || info->num_connections == 0 ? quiet + 1 : 0;
	}
	MHD_stop_daemon(h->daemon);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
