/* A worker: wait, read, handle, write, until it leaves. */
#include "worker/worker.h"
#include "base/hash.h"
#include "base/log.h"
#include "fcgi/conn.h"
#include "guard/sandbox.h"
#include "net/allow.h"
#include "net/queue.h"
#include "worker/link.h"
#include "worker/reqlog.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
	/* A worker that leaves answers what is queued, but not for ever. */
	DRAIN_MS = 1000,
	/* When the system has no descriptor or memory for one more connection. */
	ACCEPT_PAUSE_MS = 50,
	/* Resident memory is looked at after so many connections or so much time: that is cheap. */
	MEASURE_EVERY = 64,
	MEASURE_EVERY_MS = 1000,
	/* A worker that waited no longer than this for a connection found it waiting. */
	FOUND_WAITING_US = 100,
	/* For the front server to use or to close a kept connection before the worker ends. */
	CLOSE_KEPT_MS = 5000,
	/* Between two lines of all workers about the same thing, which others can cause at will. */
	LOG_AGAIN_MS = 60 * 1000,
};

enum wake { WAKE_SIGNAL, WAKE_LIFELINE, WAKE_LISTEN, WAKE_KEPT, WAKE_DATABASE, WAKE__COUNT };

struct worker {
	const struct heritage *h;
	struct stats_slot     *stats; /* its own */
	struct app            *app;
	struct conn           *conn;
	struct arena           arena;
	struct response        response;
	struct queue           queue;
	struct link            link;
	struct share           share;
	/*
	 * The connection that a front server keeps to this worker; fd -1: none. Only one, and new
	 * ones are accepted as well: so a request behind another waits for that one, and none waits
	 * for a worker that another front server holds.
	 */
	struct peer            kept;
	bool                   leaving; /* nothing is kept any more */
	int                    signal_fd;
	int                    epoll_fd;
	int64_t                measured_ms; /* when the memory was last looked at */
	uint64_t               left;    /* requests until max_requests */
	int                    statm_fd; /* has the memory in use */
	unsigned               unmeasured; /* connections since the last look */
};

/* Blocks what the worker obeys and returns the descriptor to read it from; -1 on failure. */
static int
take_signals(const struct heritage *h)
{
	static const int ignored[] = { SIGQUIT, SIGHUP, SIGUSR2, SIGTTIN, SIGTTOU, SIGPIPE,
		SIGXFSZ };
	sigset_t         obeyed;

	sigemptyset(&obeyed);
	sigaddset(&obeyed, SIGTERM);
	sigaddset(&obeyed, SIGUSR1); /* does not make it leave, see obey() */
	/* Ctrl-C goes to the whole group; a watched worker waits for the supervisor's SIGTERM. */
	if (h->fd[HERITAGE_LIFELINE] == -1)
		sigaddset(&obeyed, SIGINT);
	else
		signal(SIGINT, SIG_IGN);
	for (size_t i = 0; i < COUNTOF(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, &obeyed, NULL);
	return signalfd(-1, &obeyed, SFD_CLOEXEC | SFD_NONBLOCK);
}

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

static void
count_answer(struct stats_slot *stats, const struct facts *facts, int status, int64_t took_us)
{
	stats_count(&stats->requests);
	stats_count(&stats->answered[facts->route][status / 100 % STATS_CLASSES]);
	stats_observe(&stats->took[facts->route], took_us);
	if (facts->db_trips)
		stats_observe(&stats->database, facts->db_us);
	if (facts->replayed)
		stats_count(&stats->event[STATS_EVENT_REPLAYED]);
	if (facts->over_share)
		stats_count(&stats->event[STATS_EVENT_OVER_SHARE]);
	if (facts->evicted)
		stats_count(&stats->event[STATS_EVENT_EVICTED]);
	if (facts->error == ERR_RATE_LIMITED && !facts->over_share)
		stats_count(&stats->event[STATS_EVENT_LIMITED]);
	word_set(&stats->last_route, facts->route);
	word_set(&stats->last_status, (uint32_t)status);
	word_set(&stats->last_us, took_us);
}

/*
 * Resident memory, for max_memory and for the scoreboard: other processes may not be
 * able to see it (ProtectProc= of systemd). /proc/self/statm is text: "size resident ..." in pages.
 */
static void
measure(struct worker *w)
{
	int64_t    now = word_get(&w->stats->since_ms);
	char       text[128];
	struct str rest;
	ssize_t    len;
	int64_t    pages;

	if (++w->unmeasured < MEASURE_EVERY && now - w->measured_ms < MEASURE_EVERY_MS)
		return;
	w->unmeasured = 0;
	w->measured_ms = now;
	len = pread(w->statm_fd, text, sizeof(text), 0);
	rest = (struct str) { text, len > 0 ? (size_t)len : 0 };
	str_cut(&rest, ' ');
	if (str_to_i64(str_cut(&rest, ' '), 0, INT32_MAX, &pages))
		word_set(&w->stats->memory_bytes, (uint64_t)(pages * sysconf(_SC_PAGESIZE)));
}

/* Why a request is not to be begun, as a sentence for its sender, or NULL. */
static const char *
why_refused(struct worker *w, const struct request *req, bool waited)
{
	const struct conf *c = w->h->conf;
	struct stats_slot *stats = w->stats;

	/* Times of another host's clock are good enough to look at, not to act on. */
	if (c->queue_timeout_ms && req->peer->same_host
	    && req->queue_us > c->queue_timeout_ms * 1000) {
		stats_count(&stats->event[STATS_EVENT_EXPIRED]);
		if (queue_turn(&w->h->stats->shared->logged_expired_ms, LOG_AGAIN_MS))
			log_warn("refusing requests with 503: they have waited longer than "
				 "queue_timeout (%lld ms)", (long long)c->queue_timeout_ms);
		return "The request has waited too long for its turn. Nothing was done; try again.";
	}
	if (!queue_sheds(&w->queue, c->queue_shed, waited))
		return NULL;
	stats_count(&stats->event[STATS_EVENT_SHED]);
	return "The service has more requests than it can answer. Nothing was done; try again.";
}

static bool
may_keep(const struct worker *w, const struct peer *peer)
{
	return (w->kept.fd == -1 || w->kept.fd == peer->fd) && w->left > 1 && !w->leaving
	    && db_is_connected(app_db(w->app));
}

/* What is left of a request: figures, and a line in the log. */
static void
finish(struct worker *w, const struct request *req, const struct facts *facts, int64_t took_us)
{
	struct stats_slot *stats = w->stats;

	if (facts->left)
		stats_count(&stats->event[STATS_EVENT_CANCELLED]);
	else
		count_answer(stats, facts, w->response.status, took_us);
	if (facts->over_share && queue_turn(&w->h->stats->shared->logged_share_ms, LOG_AGAIN_MS))
		log_warn("refusing requests with 429: their environment has its share of the "
			 "workers (tenant_share) while others want some");
	if (reqlog_write(w->h->conf, req, &w->response, facts, took_us))
		stats_count(&stats->event[STATS_EVENT_SLOW]);
}

/* waited: the connection did, not this worker. True: it is kept. */
static bool
serve(struct worker *w, const struct peer *peer, bool waited)
{
	struct stats_slot *stats = w->stats;
	struct request     req = { .arena = &w->arena };
	int64_t            begun_us = clock_mono_us();
	bool               kept = false;
	struct facts       facts;
	enum conn_read     got;

	got = conn_read(w->conn, peer, &req);
	if (got == CONN_REQUEST) {
		if (peer->fd == w->kept.fd)
			stats_count(&stats->event[STATS_EVENT_REUSED]);
		if (req.queue_us >= 0)
			stats_observe(&stats->queued, req.queue_us);
		req.waited = waited;
		req.refused = why_refused(w, &req, waited);
		stats_enter(stats, STATS_STATE_HANDLING);
		app_handle(w->app, &req, &w->response, &facts);
		stats_enter(stats, STATS_STATE_WRITING);
		if (facts.left)
			conn_drop(w->conn);
		else
			kept = conn_write(w->conn, &w->response, may_keep(w, peer));
		finish(w, &req, &facts, clock_mono_us() - begun_us);
		response_reset(&w->response);
		app_after(w->app);
		w->left--;
	} else if (got != CONN_CLOSED || peer->fd != w->kept.fd) {
		log_debug(got == CONN_ABANDONED ? "dropping a request: its sender has left"
						: "a connection without a request");
		stats_count(&stats->event[got == CONN_ABANDONED ? STATS_EVENT_ABANDONED
								: STATS_EVENT_USELESS]);
	}
	arena_reset(&w->arena);
	stats_enter(stats, STATS_STATE_IDLE);
	measure(w);
	return kept;
}

/* A connection to serve; false when none waits (any more). */
static bool
accept_one(const struct worker *w, struct peer *out)
{
	int64_t idle_ms = word_get(&w->stats->since_ms);

	for (;;) {
		struct sockaddr_storage address;
		socklen_t               len = sizeof(address);
		int                     fd;

		/* Before it has one: a worker that dies with a request must have said so. */
		stats_enter(w->stats, STATS_STATE_READING);
		fd = accept4(w->h->fd[HERITAGE_LISTEN], (struct sockaddr *)&address, &len,
		    SOCK_CLOEXEC);
		if (fd == -1 && errno == ECONNABORTED)
			continue;
		if (fd == -1) {
			/* Another worker was faster: it was idle all the while. */
			stats_enter(w->stats, STATS_STATE_IDLE);
			word_set(&w->stats->since_ms, idle_ms);
		}
		if (fd == -1 && errno == EAGAIN)
			return false;
		if (fd == -1) {
			/* EMFILE and its kin pass; the connection stays in the queue. */
			log_error("accept: %s", strerror(errno));
			poll(NULL, 0, ACCEPT_PAUSE_MS);
			return false;
		}
		if (allow_has(w->h->allow, &address)) {
			peer_init(out, fd, &address);
			return true;
		}
		if (queue_turn(&w->h->stats->shared->logged_stranger_ms, LOG_AGAIN_MS))
			log_warn("refusing connections: their addresses are not in listen_allow");
		stats_count(&w->stats->event[STATS_EVENT_USELESS]);
		close(fd);
	}
}

/* False when a signal has come that ends the worker. */
static bool
obey(const struct worker *w)
{
	struct signalfd_siginfo got;
	bool                    stay = true;

	while (read(w->signal_fd, &got, sizeof(got)) == (ssize_t)sizeof(got))
		if (got.ssi_signo == SIGUSR1)
			log_reopen(false);
		else
			stay = false;
	return stay;
}

/*
 * Waits for a request on a new connection or on the kept one; false when it is time to leave.
 * Signals come through a descriptor because ppoll() delivers none while another descriptor is
 * ready: under full load a handler would never run (tried).
 */
static bool
wait_for_work(struct worker *w, bool *on_new, bool *on_kept)
{
	struct epoll_event woken[WAKE__COUNT];
	int64_t            due = link_tend(&w->link);
	bool               lost = false;
	int                n;

	n = epoll_wait(w->epoll_fd, woken, WAKE__COUNT, due < INT32_MAX ? (int)due : -1);
	*on_new = *on_kept = false;
	for (int i = 0; i < n; i++)
		if (woken[i].data.u32 == WAKE_LISTEN)
			*on_new = true;
		else if (woken[i].data.u32 == WAKE_KEPT)
			*on_kept = true;
		else if (woken[i].data.u32 == WAKE_DATABASE)
			lost = true;
		else if (woken[i].data.u32 == WAKE_LIFELINE || !obey(w))
			return false;
	if (lost)
		link_look(&w->link);
	return true;
}

static void
drain(struct worker *w)
{
	int64_t     end = clock_mono_ms() + DRAIN_MS;
	struct peer peer;

	w->leaving = true;
	while (w->link.listens && clock_mono_ms() < end && accept_one(w, &peer))
		serve(w, &peer, true);
}

/*
 * Gives the kept connection up. A front server may just be sending a request into it, so it ends
 * with an answer, or by the other side.
 */
static void
close_kept(struct worker *w)
{
	struct pollfd wait = { .fd = w->kept.fd, .events = POLLIN };

	w->leaving = true;
	if (w->kept.fd == -1)
		return;
	if (poll(&wait, 1, CLOSE_KEPT_MS) == 1)
		serve(w, &w->kept, true);
	else
		close(w->kept.fd);
	w->kept.fd = -1;
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

static void
serve_kept(struct worker *w, bool waited)
{
	stats_enter(w->stats, STATS_STATE_READING);
	if (!serve(w, &w->kept, waited))
		w->kept.fd = -1;
}

static void
serve_new(struct worker *w, bool waited)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = WAKE_KEPT };
	struct peer        peer;

	if (!accept_one(w, &peer) || !serve(w, &peer, waited))
		return;
	w->kept = peer;
	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, peer.fd, &event) == 0)
		return;
	log_error("cannot watch a kept connection: %s", strerror(errno));
	close(peer.fd);
	w->kept.fd = -1;
}

static void
loop(struct worker *w)
{
	while (w->left > 0) {
		bool    on_new, on_kept, waited;
		int64_t since_us = clock_mono_us();

		if (!wait_for_work(w, &on_new, &on_kept)) {
			drain(w);
			return;
		}
		waited = clock_mono_us() - since_us < FOUND_WAITING_US;
		if (on_kept)
			serve_kept(w, waited);
		if (on_new && w->left > 0)
			serve_new(w, waited);
		if (is_too_large(w)) {
			leave(w, STATS_CAUSE_MEMORY);
			return;
		}
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
		.place = h->place,
		.epoll_fd = w->epoll_fd,
		.listen_fd = h->fd[HERITAGE_LISTEN],
		.listen_tag = WAKE_LISTEN,
		.database_tag = WAKE_DATABASE,
	};
	link_init(&w->link);
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
	close_kept(w);
	link_fini(&w->link);
	return 0;
}

static bool
open_epoll(struct worker *w)
{
	/* The others come later. */
	const int sources[WAKE__COUNT] = {
		[WAKE_SIGNAL] = w->signal_fd,
		[WAKE_LIFELINE] = w->h->fd[HERITAGE_LIFELINE],
		[WAKE_LISTEN] = -1,
		[WAKE_KEPT] = -1,
		[WAKE_DATABASE] = -1,
	};

	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (uint32_t i = 0; i < WAKE__COUNT && w->epoll_fd != -1; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };

		if (sources[i] != -1
		    && epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, sources[i], &event) == -1)
			return false;
	}
	return w->epoll_fd != -1;
}

int
worker_run(const struct heritage *given)
{
	struct heritage       lifted = *given;
	const struct heritage *h = &lifted;
	struct worker          w = {
		.h = h,
		.stats = stats_slot(h->stats, h->place),
		.left = lifetime(h->conf->max_requests),
		.kept.fd = -1,
		.epoll_fd = -1,
		.statm_fd = -1,
	};
	int code = EXIT_OS;

	lifted.fd[HERITAGE_LISTEN] = sandbox_lift(given->fd[HERITAGE_LISTEN]);
	w.statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC); /* -1: nothing is known */
	w.signal_fd = take_signals(h);
	if (h->fd[HERITAGE_LISTEN] == -1 || w.signal_fd == -1 || !open_epoll(&w))
		log_error("cannot wait for connections: %s", strerror(errno));
	else
		w.conn = conn_new((size_t)h->conf->body_max_bytes, h->conf->request_timeout_ms);
	if (w.conn) {
		arena_init(&w.arena);
		response_init(&w.response);
		queue_init(&w.queue, h->fd[HERITAGE_LISTEN], h->stats->shared);
		w.share = (struct share) {
			.table = &h->stats->shared->share,
			.waiting = &h->stats->shared->queue_length,
			.place = h->place,
			.percent = h->conf->tenant_share,
		};
		share_clear(w.share.table, h->place); /* whatever the last one left there */
		w.app = app_new(h->conf, w.stats, h->buckets);
		app_share(w.app, &w.share);
		code = run(&w);
		app_free(w.app);
		queue_fini(&w.queue);
		response_fini(&w.response);
		arena_fini(&w.arena);
		conn_free(w.conn);
	}
	if (w.statm_fd != -1)
		close(w.statm_fd);
	if (w.epoll_fd != -1)
		close(w.epoll_fd);
	if (w.signal_fd != -1)
		close(w.signal_fd);
	return code;
}
