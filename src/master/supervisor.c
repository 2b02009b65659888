/* The loop around the pool, and what it begins and ends with. */
#include "master/supervisor.h"
#include "base/log.h"
#include "master/generation.h"
#include "master/helpers.h"
#include "master/orders.h"
#include "master/sockets.h"
#include "master/stop.h"
#include "shm/buckets.h"
#include "shm/requests.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLOCK_TOLD_AGAIN_MS = 60 * 1000 };


static void
wait_for_events(struct supervisor *s)
{
	int64_t       now = clock_mono_ms();
	const int64_t due[] = { target_due_ms(&s->target, now), pool_due_ms(&s->pool),
		notify_due_ms(&s->notify, now), s->queue_due_ms };
	int64_t         least = due[0];
	struct timespec timeout;
	struct pollfd   fds[] = {
		{ .fd = s->pool.ready_fd, .events = POLLIN },
		{ .fd = s->command_fd, .events = POLLIN },
	};

	for (size_t i = 1; i < COUNTOF(due); i++)
		least = due[i] < least ? due[i] : least;
	helpers_next(s, &least);
	timeout = (struct timespec) {
		.tv_sec = least / 1000,
		.tv_nsec = least % 1000 * 1000000,
	};
	/* Signals are blocked except in here, so none is lost between test and wait. */
	if (ppoll(fds, COUNTOF(fds), &timeout, &s->while_waiting) == -1 && errno != EINTR)
		log_error("ppoll: %s", strerror(errno));
}

/* What the pool is at, for the scoreboard and systemd. */
static void
show(struct supervisor *s, const struct pool_census *n, int64_t now)
{
	struct stats_pool *pool = board(s);

	if (n->busy > word_get(&pool->busy_peak))
		word_set(&pool->busy_peak, n->busy);
	word_set(&pool->given_up, n->given_up);
	if (s->pool.generation > 0)
		notify_status(&s->notify, now, "%s%u workers, %u busy%s",
		    s->stopping ? "stopping: " : "", s->stopping ? n->stopping : n->serving,
		    n->busy, n->given_up ? ", some given up: see the log" : "");
	notify_alive(&s->notify, now);
}

static void
tend_workers(struct supervisor *s)
{
	int64_t            now = clock_mono_ms();
	struct pool_census n = pool_count(&s->pool, s->conf->spare_idle_ms);

	word_set(&s->heritage.stats->shared->serving, n.serving);
	target_count_full(&s->target, &n);
	if (!s->stopping && s->pool.generation > 0) {
		if (!s->rolling)
			target_follow(&s->target, &n, now);
		pool_balance(&s->pool);
		generation_try(s);
		n = pool_count(&s->pool, s->conf->spare_idle_ms);
		generation_settle(s, &n);
	}
	generation_ask_room(s, now);
	show(s, &n, now);
}

/* The count has them all; the log not each one of a clock that never settles. */
static void
watch_clock(struct supervisor *s)
{
	int64_t jump_ms = clock_jumped(&s->clock), now = clock_mono_ms();

	if (jump_ms == 0)
		return;
	stats_count(&board(s)->clock_jumps);
	if (s->clock_told_ms && now - s->clock_told_ms < CLOCK_TOLD_AGAIN_MS)
		return;
	s->clock_told_ms = now;
	log_warn("the system's clock jumped %s by %lld ms: createdAt, updatedAt and the times of "
		 "this log follow it",
	    jump_ms < 0 ? "back" : "forward", (long long)llabs(jump_ms));
}

static void
supervise(struct supervisor *s)
{
	while (!s->stopping || !stop_is_done(s)) {
		helpers_tend(s);
		wait_for_events(s);
		orders_obey(s);
		pool_take_ready(&s->pool);
		pool_watch(&s->pool);
		dbcheck_watch(&s->check);
		upgrade_watch(s->args->upgrade);
		s->queue_due_ms = queue_tick(&s->queue, s->conf->queue_shed);
		tend_workers(s);
		sockets_tend(s);
		watch_clock(s);
	}
	helpers_end(s);
}

/* ---- what children get */

static bool
open_pipe(int *read_fd, int *write_fd)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1) {
		log_error("pipe: %s", strerror(errno));
		return false;
	}
	*read_fd = ends[0];
	*write_fd = ends[1];
	return true;
}

/* The reading end alone must not block: a sender waits while the pipe is full. */
static bool
open_commands(struct supervisor *s)
{
	return open_pipe(&s->command_fd, &s->heritage.fd[HERITAGE_COMMAND])
	    && fcntl(s->command_fd, F_SETFL, O_NONBLOCK) == 0;
}

/* What workers of the former program have already, or what is new; from may be NULL. */
static bool
open_heritage(struct supervisor *s, const struct handover *from)
{
	struct heritage *h = &s->heritage;

	heritage_init(h);
	h->conf = s->conf;
	h->allow = &s->allow;
	h->fd[HERITAGE_LISTEN] = s->args->listener->fd;
	h->fd[HERITAGE_ADMIN] = s->args->admin->fd;
	h->fd[HERITAGE_METRICS] = s->args->metrics->fd;
	if (from) {
		h->fd[HERITAGE_LIFELINE] = (int)from->lifeline[0];
		s->lifeline_fd = (int)from->lifeline[1];
		h->stats = stats_attach((int)from->stats, POOL_PLACES);
		/* Earlier programs left none, and 0 for it. */
		if (from->buckets[0] > STDERR_FILENO)
			h->buckets = buckets_attach((int)from->buckets[0], from->buckets[1]);
	} else if (!open_pipe(&h->fd[HERITAGE_LIFELINE], &s->lifeline_fd))
		return false;
	if (from && !h->stats) {
		log_info("counters start at zero: the previous program had different ones");
		close((int)from->stats);
	}
	if (from && !h->buckets) {
		log_info("rate limits begin anew: the previous program kept them otherwise");
		if (from->buckets[0] > STDERR_FILENO)
			close((int)from->buckets[0]);
	}
	if (!h->stats)
		h->stats = stats_new(POOL_PLACES);
	if (!h->buckets)
		h->buckets = buckets_new();
	if (s->conf->requests_kept)
		h->requests = requests_new((size_t)s->conf->requests_kept);
	return open_commands(s) && pool_init(&s->pool, h);
}

static void
close_heritage(struct supervisor *s)
{
	pool_fini(&s->pool);
	stats_free(s->heritage.stats);
	buckets_free(s->heritage.buckets);
	requests_free(s->heritage.requests);
	close(s->lifeline_fd);
	close(s->heritage.fd[HERITAGE_LIFELINE]);
	close(s->command_fd);
	close(s->heritage.fd[HERITAGE_COMMAND]);
}

int
supervisor_run(const struct supervisor_args *args)
{
	static struct supervisor s; /* it is large */

	const struct handover *h = args->handover;
	const struct handover *from = h->pid && !h->rehearsal ? h : NULL;

	s = (struct supervisor) {
		.args = args,
		.conf = args->conf,
		.rehearsal = h->rehearsal != 0,
		.target = { .pool = &s.pool, .single = h->rehearsal != 0 },
	};
	log_init(s.rehearsal ? "rehearsal" : "supervisor", (enum log_level)s.conf->log_level);
	if (!open_heritage(&s, from))
		return EXIT_OS;
	helpers_init(&s);
	s.log_folder = -1;
	generation_follow_log(&s);
	queue_init(&s.queue, args->listener->fd, s.heritage.stats->shared);
	if (s.rehearsal)
		s.pool.patience = 1;
	orders_take_signals(&s);
	notify_init(&s.notify);
	word_set(&board(&s)->started_wall_ms, clock_wall_ms());
	word_set(&board(&s)->started_ms, clock_mono_ms());
	(void)clock_jumped(&s.clock);
	if (from)
		generation_take_over(&s);
	if (!generation_start(&s))
		s.exit_code = EXIT_OS;
	else
		supervise(&s);
	if (s.exit_code == 0)
		log_info("stopped");
	conf_fini(&s.next);
	queue_fini(&s.queue);
	if (s.log_folder != -1)
		close(s.log_folder);
	close_heritage(&s);
	return s.exit_code;
}
