/* A worker: a loop of turns, until it leaves. */
#include "worker/worker.h"
#include "base/clock.h"
#include "base/errand.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/told.h"
#include "call/share.h"
#include "fcgi/conn.h"
#include "guard/sandbox.h"
#include "net/queue.h"
#include "worker/clients.h"
#include "worker/link.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
	/* A worker that leaves answers what is queued, but not for ever. */
	DRAIN_MS = 1000,
	/* Resident memory is looked at after so many turns or so much time: that is cheap. */
	MEASURE_EVERY = 64,
	MEASURE_EVERY_MS = 1000,
	/* A worker that waited no longer than this for a connection found it waiting. */
	FOUND_WAITING_US = 100,
	/* For the front server to use or to close a kept connection before the worker ends. */
	CLOSE_KEPT_MS = 5000,
};

enum source_kind {
	SOURCE_SIGNAL, SOURCE_LIFELINE, SOURCE_LISTEN, SOURCE_CLIENT, SOURCE_LANE, SOURCE_ERRAND,
};

struct worker {
	const struct heritage *h;
	struct stats_slot     *stats; /* its own */
	struct app            *app;
	struct clients         clients;
	struct queue           queue;
	struct link            link;
	struct share           share;
	struct errands         errands;
	struct source          signal_source, lifeline_source, listen_source;
	int                    signal_fd;
	int                    poller;
	bool                   told;     /* to leave */
	int64_t                measured_ms; /* when the memory was last looked at */
	int                    statm_fd; /* has the memory in use */
	unsigned               unmeasured; /* turns since the last look */
};

/*
 * Resident memory, for max_memory and for the scoreboard: other processes may not be
 * able to see it (ProtectProc= of systemd). /proc/self/statm is text: "size resident ..." in pages.
 */
static void
measure(struct worker *w)
{
	int64_t    now = word_get(&w->stats->turn_ms);
	unsigned   tenants, largest;
	char       text[128];
	struct str rest;
	ssize_t    len;
	int64_t    pages;

	if (++w->unmeasured < MEASURE_EVERY && now - w->measured_ms < MEASURE_EVERY_MS)
		return;
	w->unmeasured = 0;
	w->measured_ms = now;
	share_count(&w->share, &tenants, &largest);
	word_set(&w->stats->tenants, tenants);
	word_set(&w->stats->largest, largest);
	len = pread(w->statm_fd, text, sizeof(text), 0);
	rest = (struct str) { text, len > 0 ? (size_t)len : 0 };
	str_cut(&rest, ' ');
	if (str_to_i64(str_cut(&rest, ' '), 0, INT32_MAX, &pages))
		word_set(&w->stats->memory_bytes, (uint64_t)(pages * sysconf(_SC_PAGESIZE)));
}

/* ---- a turn ---- */

static void
take_event(struct worker *w, const struct poller_event *event, bool *listen)
{
	switch ((enum source_kind)event->source->kind) {
	case SOURCE_SIGNAL:
		w->told |= !told_stay(w->signal_fd);
		break;
	case SOURCE_LIFELINE:
		w->told = true;
		break;
	case SOURCE_LISTEN:
		*listen = true;
		break;
	case SOURCE_CLIENT:
		clients_event(&w->clients, event->source, event->is);
		break;
	case SOURCE_LANE:
		lanes_event(w->link.lanes, event->source, event->is);
		break;
	case SOURCE_ERRAND:
		errands_event(&w->errands);
		break;
	}
}

/* Until when nothing is to be done, unless something happens. */
static int64_t
patience_ms(struct worker *w, int64_t most_ms)
{
	int64_t now = clock_mono_ms(), lanes_ms, clients_ms, until, wait;

	/* What is late ends; what begins in the places of those is sent before the wait. */
	lanes_tick(w->link.lanes, now);
	clients_tick(&w->clients, now);
	do
		lanes_flush(w->link.lanes);
	while (clients_settle(&w->clients));
	lanes_ms = lanes_tick(w->link.lanes, now);
	clients_ms = clients_tick(&w->clients, now);
	until = lanes_ms < clients_ms ? lanes_ms : clients_ms;
	wait = until == INT64_MAX ? INT64_MAX : until > now ? until - now : 0;
	return wait < most_ms ? wait : most_ms;
}

/* With requests in hand the loop comes round so often that the supervisor sees it alive. */
static int64_t
beat_ms(const struct worker *w, int64_t most_ms)
{
	int64_t beat = w->h->conf->request_timeout_ms;

	if (beat > WORKER_BEAT_MS)
		beat = WORKER_BEAT_MS;
	return clients_busy(&w->clients) && beat < most_ms ? beat : most_ms;
}

/* Waits until something happens, at most so long, and does what follows from it. */
static void
turn(struct worker *w, int64_t most_ms)
{
	struct poller_event events[POLLER_EVENTS_MAX];
	int64_t             wait_ms = patience_ms(w, beat_ms(w, most_ms));
	int64_t             since_us = clock_mono_us();
	bool                listen = false;
	size_t              n;

	if (!clients_busy(&w->clients))
		word_set(&w->stats->turn_ms, 0);
	n = poller_wait(w->poller, events, wait_ms == INT64_MAX ? -1 : wait_ms);
	word_set(&w->stats->turn_ms, clock_mono_ms());
	w->clients.waited = clock_mono_us() - since_us < FOUND_WAITING_US;
	for (size_t i = 0; i < n; i++)
		take_event(w, &events[i], &listen);
	if (listen)
		clients_accept(&w->clients);
	if (w->clients.choked)
		link_pause(&w->link);
	w->clients.choked = false;
	lanes_flush(w->link.lanes);
	clients_settle(&w->clients);
	measure(w);
}

/* ---- life ---- */

/* max_requests and up to a tenth more, so that workers do not all leave at once. */
static uint64_t
lifetime(int64_t max_requests)
{
	uint64_t random;

	if (max_requests == 0)
		return UINT64_MAX;
	hash_random(&random, sizeof(random));
	return (uint64_t)max_requests + random % ((uint64_t)max_requests / 10 + 1);
}

static bool
is_too_large(const struct worker *w)
{
	int64_t bytes = (int64_t)word_get(&w->stats->memory_bytes);
	int64_t most = w->h->conf->max_memory_bytes;

	if (most == 0 || bytes < most)
		return false;
	log_info("leaving: %lld KiB are resident, max_memory is %lld KiB", (long long)bytes / 1024,
	    (long long)most / 1024);
	return true;
}

static void
leave(const struct worker *w, enum stats_cause cause)
{
	word_set(&w->stats->leaves, cause + 1);
}

/* Takes what is in the listen queue, when it was told to leave. */
static void
drain(struct worker *w)
{
	int64_t end = clock_mono_ms() + DRAIN_MS;

	while (!w->link.aside && clock_mono_ms() < end && clients_accept(&w->clients))
		turn(w, 0);
}

/*
 * Gives the socket up: when the supervisor was killed, nobody but its workers may have it open, and
 * as long as one has, connections come in that nobody takes, and a new supervisor cannot have the
 * address. Then the kept connections: a front server may just be sending a request into one, so it
 * ends with an answer, or by the other side, or after a while.
 */
static void
finish(struct worker *w)
{
	int64_t end = clock_mono_ms() + CLOSE_KEPT_MS, left;

	link_stop(&w->link);
	queue_fini(&w->queue);
	close(w->link.listen_fd);
	clients_leave(&w->clients);
	while ((left = end - clock_mono_ms()) > 0 && w->clients.count)
		turn(w, left);
	for (;;) {
		clients_close_idle(&w->clients);
		if (w->clients.count == 0)
			return;
		turn(w, WORKER_BEAT_MS);
	}
}

/* How long a turn may wait. */
static int64_t
tend(struct worker *w)
{
	bool    has_room = clients_has_room(&w->clients);
	int64_t most_ms = link_tend(&w->link, has_room);

	return w->clients.yielded_ms && most_ms > CLIENTS_YIELD_MS ? CLIENTS_YIELD_MS : most_ms;
}

static void
loop(struct worker *w)
{
	while (w->clients.left > 0 && !w->told) {
		turn(w, tend(w));
		if (is_too_large(w)) {
			leave(w, STATS_CAUSE_MEMORY);
			return;
		}
	}
	if (w->told) {
		drain(w);
		return;
	}
	log_debug("leaving after max_requests");
	leave(w, STATS_CAUSE_REQUESTS);
}

/* False: the supervisor is gone. A pipe that is full will wake it, too. */
static bool
say_ready(const struct worker *w)
{
	int fd = w->h->fd[HERITAGE_READY];

	word_set(&w->stats->serves, 1);
	return fd == -1 || write(fd, "", 1) == 1 || errno == EAGAIN;
}

static int
run(struct worker *w)
{
	const struct heritage *h = w->h;
	int                    failed = db_exit_code(app_check(w->app));

	if (failed == EXIT_CONFIG || (failed && h->must_connect))
		return failed;
	w->link = (struct link) {
		.app = w->app,
		.shared = h->stats->shared,
		.stats = w->stats,
		.place = h->place,
		.most = h->lanes,
		.poller = w->poller,
		.listen_fd = h->fd[HERITAGE_LISTEN],
		.listen_source = &w->listen_source,
	};
	if (!link_init(&w->link, h->conf, SOURCE_LANE))
		return EXIT_OS;
	if (failed)
		log_warn("starting without the database: %s",
		    stats_others_connected(h->stats->shared, h->place)
			? "other workers answer until there is a connection"
			: "answers are 503 until it is back");
	sandbox_enter(&(struct sandbox) {
	    .kind = SANDBOX_WORKER,
	    .conf = h->conf,
	    .listen_fd = h->fd[HERITAGE_LISTEN],
	    .netlink = w->queue.how == QUEUE_UNIX,
	    .refused = &w->stats->refused,
	    .logged = &h->stats->shared->logged_sandbox,
	});
	if (!say_ready(w))
		return EXIT_OS;
	measure(w);
	loop(w);
	finish(w);
	link_fini(&w->link);
	return 0;
}

static bool
watch(struct worker *w, int fd, struct source *source, enum source_kind kind)
{
	source->kind = kind;
	return fd == -1 || poller_add(w->poller, fd, source, POLLER_READ);
}

static bool
open_poller(struct worker *w)
{
	w->listen_source.kind = SOURCE_LISTEN; /* watched by the link */
	w->poller = poller_new();
	return w->poller != -1 && watch(w, w->signal_fd, &w->signal_source, SOURCE_SIGNAL)
	    && watch(w, w->h->fd[HERITAGE_LIFELINE], &w->lifeline_source, SOURCE_LIFELINE)
	    && errands_init(&w->errands, w->poller, SOURCE_ERRAND);
}

int
worker_run(const struct heritage *given)
{
	struct heritage       lifted = *given;
	const struct heritage *h = &lifted;
	struct worker          w = {
		.h = h,
		.stats = stats_slot(h->stats, h->place),
		.poller = -1,
		.statm_fd = -1,
		.errands.wake_fd = -1,
	};
	struct fcgi_bodies bodies = {
		.max_bytes = (size_t)h->conf->body_max_bytes,
		.takes_more = app_takes_upload,
		.more_max_bytes = UPLOAD_MAX_BYTES,
	};
	struct fcgi *fcgi = NULL;
	int          code = EXIT_OS;

	lifted.fd[HERITAGE_LISTEN] = sandbox_lift(SANDBOX_WORKER, given->fd[HERITAGE_LISTEN]);
	w.statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC); /* -1: nothing is known */
	w.signal_fd = told_open(h->fd[HERITAGE_LIFELINE] != -1);
	if (h->fd[HERITAGE_LISTEN] == -1 || w.signal_fd == -1 || !open_poller(&w))
		log_error("cannot wait for connections: %s", strerror(errno));
	else
		fcgi = fcgi_new(&bodies, h->conf->request_timeout_ms);
	if (fcgi) {
		queue_init(&w.queue, h->fd[HERITAGE_LISTEN], h->stats->shared);
		w.share.percent = h->conf->tenant_share;
		w.share.places = (size_t)h->conf->requests_in_hand;
		w.app = app_new(h->conf, w.stats, h->buckets);
		app_share(w.app, &w.share);
		app_errands(w.app, &w.errands);
		app_requests(w.app, h->requests);
		w.clients = (struct clients) {
			.h = h,
			.stats = w.stats,
			.app = w.app,
			.fcgi = fcgi,
			.queue = &w.queue,
			.share = &w.share,
			.poller = w.poller,
			.kind = SOURCE_CLIENT,
			.left = lifetime(h->conf->max_requests),
		};
		clients_init(&w.clients);
		code = run(&w);
		clients_fini(&w.clients);
		app_free(w.app);
		queue_fini(&w.queue);
		fcgi_free(fcgi);
	}
	errands_fini(&w.errands);
	if (w.statm_fd != -1)
		close(w.statm_fd);
	if (w.poller != -1)
		close(w.poller);
	if (w.signal_fd != -1)
		close(w.signal_fd);
	return code;
}
