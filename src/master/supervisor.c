/* The supervisor: signals and commands, reload and upgrade, and the loop around the pool. */
#include "master/supervisor.h"
#include "admin/admin.h"
#include "admin/command.h"
#include "base/log.h"
#include "master/child.h"
#include "master/dbcheck.h"
#include "master/keeper.h"
#include "master/notify.h"
#include "master/pool.h"
#include "master/signals.h"
#include "master/target.h"
#include "net/allow.h"
#include "net/queue.h"
#include "shm/buckets.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Before a database that could not be asked at the start is asked again. */
enum { ROOM_PAUSE_MS = 60000 };

enum check_for { FOR_START, FOR_RELOAD, FOR_ROOM };

struct supervisor {
	const struct supervise *what;
	struct conf            *conf;
	struct conf             next; /* while a reload is being checked */
	struct allow            allow;
	struct heritage         heritage;
	int                     lifeline_fd; /* the end that nobody else has */
	int                     command_fd;  /* where HERITAGE_COMMAND comes out */
	struct pool             pool;
	struct target           target;
	struct db_room          room; /* max_connections 0: not known */
	struct dbcheck          check;
	enum check_for          check_for;
	int64_t                 room_due_ms;
	struct notify           notify;
	struct keeper           admin;
	bool                    rehearsal;
	bool                    rolling; /* not all workers of this generation serve yet */
	bool                    stopping;
	int                     exit_code;
	sigset_t                while_waiting;
	struct queue            queue;
	int64_t                 queue_due_ms; /* until it wants to be looked at again */
};

static struct stats_pool *
board(const struct supervisor *s)
{
	return s->heritage.stats->pool;
}

/* ---- the admin process */

static void
tend_admin(struct supervisor *s)
{
	struct heritage h = s->heritage;
	pid_t           pid;

	if (s->what->admin->fd == -1 || !keeper_due(&s->admin))
		return;
	pid = child_fork(CHILD_ADMIN, &h);
	if (pid == 0)
		exit(admin_run(&h));
	keeper_forked(&s->admin, pid);
}

/* ---- the check of the database, and what follows from it */

static bool
check(struct supervisor *s, const struct conf *c, enum check_for what)
{
	struct heritage h = s->heritage;

	h.conf = c;
	s->check_for = what;
	return dbcheck_begin(&s->check, &h);
}

/* What the configuration says to the pool; kept as in target.h. */
static void
configure(struct supervisor *s, unsigned kept)
{
	struct buf err;

	buf_init(&err, 1024);
	if (!allow_parse(s->conf->listen_allow, &s->allow, &err))
		log_error("%.*s", STR_ARGS(buf_view(&err))); /* cannot be: load() judged it */
	buf_fini(&err);
	buckets_configure(s->heritage.buckets, rate_unpack((uint64_t)s->conf->rate_limit));
	target_measure(&s->target, s->conf, &s->room, kept);
}

static void
give_up(struct supervisor *s, int exit_code)
{
	s->exit_code = exit_code;
	s->stopping = true;
}

static void
refuse(struct supervisor *s)
{
	conf_fini(&s->next);
	log_error("%s", s->check_for == FOR_RELOAD ? "reload refused; the old configuration goes on"
						   : "the workers of the former program go on");
	notify_ready();
}

static void
renew(struct supervisor *s, unsigned kept)
{
	configure(s, kept);
	pool_renew(&s->pool);
	s->rolling = true;
	word_set(&board(s)->generation, s->pool.generation);
}

static void
take_log_settings(const struct conf *c)
{
	struct buf err;

	buf_init(&err, 1024);
	if (!log_open(c->log, (enum log_format)c->log_format, &err))
		log_error("the log stays where it is: %.*s", STR_ARGS(buf_view(&err)));
	log_init("supervisor", (enum log_level)c->log_level);
	buf_fini(&err);
}

static void
adopt_next(struct supervisor *s)
{
	bool same = scale_same(s->conf, &s->next);

	conf_fini(s->conf);
	*s->conf = s->next;
	s->next = (struct conf) { 0 };
	take_log_settings(s->conf);
	keeper_renew(&s->admin); /* it has the configuration too */
	/* A dynamic pool goes on from where it is. */
	renew(s, same || s->conf->workers == CONF_WORKERS_DYNAMIC ? s->pool.target : 0);
}

static void
checked(struct supervisor *s, int status)
{
	int failed = dbcheck_end(&s->check, status, &s->room);

	if (s->stopping)
		return;
	if (s->room.max_connections == 0)
		s->room_due_ms = clock_mono_ms() + ROOM_PAUSE_MS;
	switch (s->check_for) {
	case FOR_ROOM:
		if (s->room.max_connections)
			target_measure(&s->target, s->conf, &s->room, s->pool.target);
		return;
	case FOR_START:
		if (failed == EXIT_CONFIG && s->pool.generation > 0)
			refuse(s);
		else if (failed == EXIT_CONFIG || (failed && s->rehearsal))
			give_up(s, failed);
		else
			renew(s, s->pool.target);
		break;
	case FOR_RELOAD:
		if (failed == EXIT_CONFIG)
			refuse(s);
		else
			adopt_next(s);
		break;
	}
	if (failed == EXIT_DATABASE)
		log_warn("the database cannot be reached; serving all the same, answers are 503 "
			 "until it is back");
}

/* ---- another program image */

/* What the next image has to know. */
static void
describe(const struct supervisor *s, struct handover *h)
{
	const struct listener *l = s->what->listener;

	*h = (struct handover) {
		.pid = getpid(),
		.lifeline = { s->heritage.fd[HERITAGE_LIFELINE], s->lifeline_fd },
		.stats = s->heritage.stats->fd,
		.generation = s->pool.generation,
		.started_wall_ms = word_get(&board(s)->started_wall_ms),
		.target = s->pool.target,
		.asked = { s->conf->workers + 1, s->conf->workers_min, s->conf->workers_max },
	};
	handover_add_socket(h, "listen", l->fd, l->path != NULL);
	if (s->what->admin->fd != -1)
		handover_add_socket(h, "admin", s->what->admin->fd, s->what->admin->path != NULL);
}

static void
take_over(struct supervisor *s)
{
	const struct handover *h = s->what->handover;
	bool                   same = h->asked[0] == s->conf->workers + 1 && h->asked[1] == s->conf->workers_min
	    && h->asked[2] == s->conf->workers_max;

	s->pool.generation = (unsigned)h->generation;
	word_set(&board(s)->started_wall_ms, h->started_wall_ms);
	configure(s, same || s->conf->workers == CONF_WORKERS_DYNAMIC ? (unsigned)h->target : 0);
	pool_take_over(&s->pool, h);
	signals_raise(SIGCHLD, 1); /* who died meanwhile */
	log_info("took over %zu workers from the former program", h->workers);
}

static void
rehearsed(struct supervisor *s, int status)
{
	static struct handover h;

	if (!upgrade_rehearsed(s->what->upgrade, status) || s->stopping) {
		notify_ready();
		return;
	}
	log_info("upgrade: the rehearsal went well; %s takes over", s->what->upgrade->path);
	pool_take_ready(&s->pool);
	describe(s, &h);
	pool_hand_over(&s->pool, &h);
	/* The next image starts its own; who asks meanwhile waits at the socket. */
	keeper_end(&s->admin);
	upgrade_run(s->what->upgrade, &h);
	notify_ready();
}

/* ---- the end */

static void
begin_stop(struct supervisor *s)
{
	s->stopping = true;
	word_set(&board(s)->stopping, 1);
	log_info("stops");
	notify_stopping();
	/* First nobody new may come, then everybody who is there is served. */
	listener_remove_file(s->what->listener);
	pool_stop(&s->pool);
	dbcheck_kill(&s->check);
	if (s->what->upgrade->rehearsal)
		kill(s->what->upgrade->rehearsal, SIGTERM);
}

static bool
nobody_left(const struct supervisor *s)
{
	return pool_is_empty(&s->pool) && s->check.pid == 0 && s->what->upgrade->rehearsal == 0;
}

/* ---- signals: an act returns false when it has to wait, and is called again */

static bool
act_stop_at_once(struct supervisor *s, int times UNUSED)
{
	if (!s->stopping)
		begin_stop(s);
	pool_kill(&s->pool);
	return true;
}

static bool
act_stop(struct supervisor *s, int times)
{
	if (s->stopping || times > 1)
		return act_stop_at_once(s, times);
	begin_stop(s);
	return true;
}

/* As process 1 it also gets children that are not its own; they end here too. */
static bool
act_reap(struct supervisor *s, int times UNUSED)
{
	pid_t pid;
	int   status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == s->check.pid)
			checked(s, status);
		else if (pid == s->what->upgrade->rehearsal)
			rehearsed(s, status);
		else if (!keeper_reap(&s->admin, pid, status))
			pool_bury(&s->pool, pid, status);
	return true;
}

/* One change of generation at a time. */
static bool
is_changing(const struct supervisor *s)
{
	return s->check.pid != 0 || s->what->upgrade->rehearsal != 0;
}

static bool
act_reload(struct supervisor *s, int times UNUSED)
{
	struct buf err, kept;

	if (is_changing(s))
		return false;
	if (s->stopping || s->rehearsal)
		return true;
	buf_init(&err, 4096);
	buf_init(&kept, 4096);
	notify_reloading();
	log_info("reload");
	if (!s->what->load(s->what->load_with, &s->next, &err)) {
		log_error("reload refused, the old configuration goes on: %.*s",
		    STR_ARGS(buf_view(&err)));
		notify_ready();
	} else {
		conf_keep_fixed(&s->next, s->conf, &kept);
		if (kept.len)
			log_warn("only a restart changes %.*s", STR_ARGS(buf_view(&kept)));
		if (!check(s, &s->next, FOR_RELOAD))
			refuse(s);
	}
	buf_fini(&err);
	buf_fini(&kept);
	return true;
}

static bool
act_upgrade(struct supervisor *s, int times UNUSED)
{
	if (is_changing(s))
		return false;
	if (s->stopping || s->rehearsal)
		return true;
	notify_reloading();
	if (!upgrade_rehearse(s->what->upgrade, &s->heritage))
		notify_ready();
	return true;
}

static bool
act_reopen(struct supervisor *s, int times UNUSED)
{
	log_reopen();
	pool_signal(&s->pool, SIGUSR1);
	keeper_signal(&s->admin, SIGUSR1);
	return true;
}

static void
change(struct supervisor *s, int64_t wanted, const char *by)
{
	if (!s->stopping && !s->rehearsal && s->pool.generation > 0)
		target_change(&s->target, wanted, by);
}

static bool
act_more(struct supervisor *s, int times)
{
	change(s, (int64_t)s->pool.target + times, "signal");
	return true;
}

static bool
act_fewer(struct supervisor *s, int times)
{
	change(s, (int64_t)s->pool.target - times, "signal");
	return true;
}

static const struct {
	int number;
	bool (*act)(struct supervisor *s, int times);
} signals[] = {
	{ SIGQUIT, act_stop_at_once },
	{ SIGTERM, act_stop },
	{ SIGINT, act_stop },
	{ SIGCHLD, act_reap },
	{ SIGUSR1, act_reopen },
	{ SIGTTIN, act_more },
	{ SIGTTOU, act_fewer },
	{ SIGHUP, act_reload },
	{ SIGUSR2, act_upgrade },
};

static void
take_signals(struct supervisor *s)
{
	int numbers[COUNTOF(signals)];

	for (size_t i = 0; i < COUNTOF(signals); i++)
		numbers[i] = signals[i].number;
	signals_take(numbers, COUNTOF(signals), &s->while_waiting);
}

static void
obey_signals(struct supervisor *s)
{
	for (size_t i = 0; i < COUNTOF(signals); i++) {
		int times = signals_got(signals[i].number);

		if (times && !signals[i].act(s, times))
			signals_raise(signals[i].number, times);
	}
}

static void
obey_commands(struct supervisor *s)
{
	struct command c;

	while (command_receive(s->command_fd, &c))
		switch ((enum command_kind)c.kind) {
		case COMMAND_WORKERS_SET:
			change(s, c.value, "command");
			break;
		case COMMAND_WORKERS_ADD:
			change(s, (int64_t)s->pool.target + c.value, "command");
			break;
		case COMMAND_RELOAD:
			signals_raise(SIGHUP, 1);
			break;
		case COMMAND_UPGRADE:
			signals_raise(SIGUSR2, 1);
			break;
		case COMMAND_REOPEN:
			signals_raise(SIGUSR1, 1);
			break;
		case COMMAND_STOP:
			signals_raise(SIGTERM, 1);
			break;
		case COMMAND__COUNT:
			break;
		}
}

/* ---- the loop */

static void
wait_for_events(struct supervisor *s)
{
	int64_t now = clock_mono_ms();
	int64_t due[] = { target_due_ms(&s->target, now), pool_due_ms(&s->pool),
		notify_due_ms(&s->notify, now), s->queue_due_ms };
	int64_t         least = due[0];
	struct timespec timeout;
	struct pollfd   fds[] = {
		{ .fd = s->pool.ready_fd, .events = POLLIN },
		{ .fd = s->command_fd, .events = POLLIN },
	};

	for (size_t i = 1; i < COUNTOF(due); i++)
		least = due[i] < least ? due[i] : least;
	if (s->what->admin->fd != -1)
		keeper_next(&s->admin, &least);
	timeout = (struct timespec) { .tv_sec = least / 1000, .tv_nsec = least % 1000 * 1000000 };
	/* Signals are blocked except in here, so none is lost between test and wait. */
	if (ppoll(fds, COUNTOF(fds), &timeout, &s->while_waiting) == -1 && errno != EINTR)
		log_error("ppoll: %s", strerror(errno));
}

/* Whether the generation is what it should be, or will not become it. */
static void
settle(struct supervisor *s, const struct pool_census *n)
{
	unsigned wanted = pool_wanted(&s->pool, n);

	if (n->given_up > 0 && n->serving == 0 && n->coming == 0) {
		log_error("all workers are given up; the service ends");
		give_up(s, EXIT_DEFECT);
		begin_stop(s);
		return;
	}
	if (!s->rolling)
		return;
	if (s->rehearsal && n->serving > 0)
		log_info("a worker serves");
	else if (n->serving == wanted && n->old == 0)
		log_info("ready: %u workers", wanted);
	else if (n->given_up > 0 && n->coming == 0 && n->old > 0 && n->serving - n->old >= wanted)
		log_error("not all workers could be replaced: %u of the former ones go on", n->old);
	else
		return;
	s->rolling = false;
	notify_ready();
	if (s->rehearsal)
		begin_stop(s);
}

static void
tend(struct supervisor *s)
{
	int64_t            now = clock_mono_ms();
	struct pool_census n = pool_count(&s->pool, s->conf->spare_idle_ms);

	if (n.busy > word_get(&board(s)->busy_peak))
		word_set(&board(s)->busy_peak, n.busy);
	word_set(&board(s)->given_up, n.given_up);
	target_count_full(&s->target, &n);
	if (!s->stopping && s->pool.generation > 0) {
		if (!s->rolling)
			target_follow(&s->target, &n, now);
		pool_balance(&s->pool);
		n = pool_count(&s->pool, s->conf->spare_idle_ms);
		settle(s, &n);
	}
	if (!s->stopping && !s->rehearsal && s->pool.generation > 0 && s->room.max_connections == 0
	    && now >= s->room_due_ms && !is_changing(s) && !check(s, s->conf, FOR_ROOM))
		s->room_due_ms = now + ROOM_PAUSE_MS;
	if (s->pool.generation > 0)
		notify_status(&s->notify, now, "%s%u workers, %u busy%s", s->stopping ? "stopping: " : "",
		    s->stopping ? n.stopping : n.serving, n.busy, n.given_up ? ", some given up: see the log" : "");
	notify_alive(&s->notify, now);
}

static void
supervise(struct supervisor *s)
{
	while (!s->stopping || !nobody_left(s)) {
		tend_admin(s);
		wait_for_events(s);
		obey_commands(s);
		obey_signals(s);
		pool_take_ready(&s->pool);
		pool_watch(&s->pool);
		dbcheck_watch(&s->check);
		upgrade_watch(s->what->upgrade);
		s->queue_due_ms = queue_tick(&s->queue, s->conf->queue_shed);
		tend(s);
	}
	keeper_end(&s->admin);
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
	h->fd[HERITAGE_LISTEN] = s->what->listener->fd;
	h->fd[HERITAGE_ADMIN] = s->what->admin->fd;
	if (from) {
		h->fd[HERITAGE_LIFELINE] = (int)from->lifeline[0];
		s->lifeline_fd = (int)from->lifeline[1];
		h->stats = stats_attach((int)from->stats, POOL_PLACES);
	} else if (!open_pipe(&h->fd[HERITAGE_LIFELINE], &s->lifeline_fd))
		return false;
	if (from && !h->stats) {
		log_info("counters begin anew: the former program had other ones");
		close((int)from->stats);
	}
	if (!h->stats)
		h->stats = stats_new(POOL_PLACES);
	h->buckets = buckets_new();
	return open_commands(s) && pool_init(&s->pool, h);
}

static void
close_heritage(struct supervisor *s)
{
	pool_fini(&s->pool);
	stats_free(s->heritage.stats);
	buckets_free(s->heritage.buckets);
	close(s->lifeline_fd);
	close(s->heritage.fd[HERITAGE_LIFELINE]);
	close(s->command_fd);
	close(s->heritage.fd[HERITAGE_COMMAND]);
}

int
supervisor_run(const struct supervise *what)
{
	static struct supervisor s; /* it is large */

	const struct handover *h = what->handover;
	const struct handover *from = h->pid && !h->rehearsal ? h : NULL;

	s = (struct supervisor) {
		.what = what,
		.conf = what->conf,
		.rehearsal = h->rehearsal != 0,
		.admin.name = "the admin process",
		.target = { .pool = &s.pool, .single = h->rehearsal != 0 },
	};
	log_init(s.rehearsal ? "rehearsal" : "supervisor", (enum log_level)what->conf->log_level);
	if (!open_heritage(&s, from))
		return EXIT_OS;
	queue_init(&s.queue, what->listener->fd, s.heritage.stats->shared);
	if (s.rehearsal)
		s.pool.patience = 1;
	take_signals(&s);
	notify_init(&s.notify);
	word_set(&board(&s)->started_wall_ms, clock_wall_ms());
	if (from)
		take_over(&s);
	if (!check(&s, s.conf, FOR_START))
		s.exit_code = EXIT_OS;
	else
		supervise(&s);
	if (s.exit_code == 0)
		log_info("stopped");
	conf_fini(&s.next);
	queue_fini(&s.queue);
	close_heritage(&s);
	return s.exit_code;
}
