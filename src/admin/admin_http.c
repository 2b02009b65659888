/* The HTTP side of the admin process. */
#include "admin/admin_http.h"
#include "admin/endpoint.h"
#include "base/arena.h"
#include "base/log.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/* Of two sockets they fit into the descriptors that the sandbox leaves. */
	CONNECTIONS_MAX = 112,
	/* From here on a new one has an old one closed, long before there is no room to accept. */
	CONNECTIONS_MANY = 96,
	/* The last of those that came had no time to say anything yet. */
	CONNECTIONS_NEW = 16,
	SILENCE_S = 2, /* nothing came or could be sent */
	/* From accept to the last byte, however much comes meanwhile. */
	CONNECTION_MS = 5000,
	/* Request line and headers, with libmicrohttpd's own notes on them. */
	REQUEST_MAX_BYTES = 8 * 1024,
	FINISH_MS = 1000,
	FINISH_LOOK_MS = 5,
	FINISH_LOOKS = 3, /* without a connection */
};

struct admin_http {
	struct endpoint_context context;
	struct MHD_Daemon      *daemon;
	pthread_mutex_t         lock; /* for what is below */
	struct guest {
		int      fd; /* -1: none; libmicrohttpd closes it after its notification */
		bool     leaving; /* shut down */
		bool     asked;   /* its request is here */
		int64_t  since_ms;
		uint64_t turn; /* the how many-th it is */
	} guest[CONNECTIONS_MAX];
	uint64_t turns; /* guests so far */
};

/* ---- connections */

static struct guest *
find_free(struct admin_http *h)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (h->guest[i].fd == -1)
			return &h->guest[i];
	return NULL;
}

static void
dismiss(struct guest *guest)
{
	guest->leaving = true;
	shutdown(guest->fd, SHUT_RDWR);
}

/* Whether it had its time and has not asked. */
static bool
is_silent(const struct admin_http *h, const struct guest *guest)
{
	return !guest->asked && guest->turn + CONNECTIONS_NEW < h->turns;
}

/* Whether a is to go before b, which may be NULL: the silent, then who came first. */
static bool
goes_first(const struct admin_http *h, const struct guest *a, const struct guest *b)
{
	if (!b || is_silent(h, a) != is_silent(h, b))
		return !b || is_silent(h, a);
	return a->turn < b->turn;
}

static void
make_room(struct admin_http *h)
{
	struct guest *first = NULL;
	size_t        staying = 0;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct guest *guest = &h->guest[i];

		if (guest->fd == -1 || guest->leaving)
			continue;
		staying++;
		if (goes_first(h, guest, first))
			first = guest;
	}
	if (staying > CONNECTIONS_MANY)
		dismiss(first);
}

static void
on_connection(void *cls, struct MHD_Connection *connection, void **context,
    enum MHD_ConnectionNotificationCode what)
{
	struct admin_http              *h = cls;
	const union MHD_ConnectionInfo *info;
	struct guest                   *guest = *context;

	pthread_mutex_lock(&h->lock);
	if (what == MHD_CONNECTION_NOTIFY_CLOSED && guest)
		guest->fd = -1;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (what == MHD_CONNECTION_NOTIFY_STARTED && info && (guest = find_free(h)) != NULL) {
		*guest = (struct guest) {
			.fd = info->connect_fd,
			.since_ms = clock_mono_ms(),
			.turn = h->turns++,
		};
		*context = guest;
		make_room(h);
	}
	pthread_mutex_unlock(&h->lock);
}

static void
note_request(struct admin_http *h, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct guest *guest = info ? info->socket_context : NULL;

	pthread_mutex_lock(&h->lock);
	if (guest)
		guest->asked = true;
	pthread_mutex_unlock(&h->lock);
}

void
admin_http_sweep(struct admin_http *h)
{
	int64_t now = clock_mono_ms();

	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (h->guest[i].fd != -1 && now - h->guest[i].since_ms > CONNECTION_MS)
			dismiss(&h->guest[i]);
	pthread_mutex_unlock(&h->lock);
}

/* ---- a request */

static const char *
header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static const char *
argument(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

/* With or without a value. */
static bool
has_argument(struct MHD_Connection *connection, const char *name)
{
	const char *value;
	size_t      len;

	return MHD_lookup_connection_value_n(connection, MHD_GET_ARGUMENT_KIND, name, strlen(name),
	           &value, &len) == MHD_YES;
}

static bool
wants_text(struct MHD_Connection *connection)
{
	const char *format = argument(connection, "format");
	const char *accept = header(connection, "Accept");

	if (format)
		return strcmp(format, "text") == 0;
	return accept && strncmp(accept, "text/plain", 10) == 0;
}

static bool
has_body(struct MHD_Connection *connection)
{
	const char *length = header(connection, "Content-Length");

	return (length && strcmp(length, "0") != 0) || header(connection, "Transfer-Encoding");
}

static enum MHD_Result
send_answer(struct MHD_Connection *connection, const struct endpoint_answer *a)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(a->body.len, a->body.ptr, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result queued;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", a->type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "Connection", "close");
	if (a->allow)
		MHD_add_response_header(response, "Allow", a->allow);
	queued = MHD_queue_response(connection, a->status, response);
	MHD_destroy_response(response);
	return queued;
}

/* Called for the head of a request, for each piece of its body and for its end. */
static enum MHD_Result
on_request(void *cls, struct MHD_Connection *connection, const char *path, const char *method,
    const char *version UNUSED, const char *upload UNUSED, size_t *upload_size, void **context)
{
	static bool                   begun;
	struct admin_http            *h = cls;
	const struct endpoint_request req = {
		.method = method,
		.path = path,
		.count = argument(connection, "count"),
		.of = argument(connection, "of"),
		.after = argument(connection, "after"),
		.text = wants_text(connection),
		.verbose = has_argument(connection, "verbose"),
		.has_body = has_body(connection),
	};
	struct endpoint_answer answer;
	enum MHD_Result        queued;

	/* A body is thrown away as it comes: a client that is sending does not read an answer. */
	note_request(h, connection);
	if (req.has_body && (!*context || *upload_size)) {
		*context = &begun;
		*upload_size = 0;
		return MHD_YES;
	}
	endpoint_answer(&h->context, &req, &answer);
	queued = send_answer(connection, &answer);
	buf_fini(&answer.body);
	return queued;
}

/* ---- the server */

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

	h->context = (struct endpoint_context) {
		.stats = stats,
		.health = health,
		.command_fd = command_fd,
		.may_command = command_fd != -1 && is_unix(listen_fd),
	};
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		h->guest[i].fd = -1;
	pthread_mutex_init(&h->lock, NULL);
	h->daemon = MHD_start_daemon(
	    MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | MHD_USE_ITC, 0, NULL, NULL,
	    on_request, h,
	    MHD_OPTION_LISTEN_SOCKET, listen_fd,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_S,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MAX_BYTES,
	    MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
	    MHD_OPTION_END);
	if (h->daemon)
		return h;
	pthread_mutex_destroy(&h->lock);
	free(h);
	return NULL;
}

void
admin_http_stop(struct admin_http *h, bool finish)
{
	int64_t end = clock_mono_ms() + FINISH_MS;
	int     quiet = 0;

	if (!h)
		return;
	/* Otherwise the library would shut the listening socket down, for everyone who has it. */
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
