/* The supervisor: starts workers, watches them, replaces them, stops them. */
#include "proc/supervisor.h"
#include "app/routes.h"
#include "base/log.h"
#include "base/stats.h"
#include "proc/worker.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

enum {
	/* A worker more than configured while a reload replaces them one by one. */
	SLOTS_MAX = CONF_WORKERS_MAX + 1,

	BACKOFF_FIRST_MS = 100,
	BACKOFF_MAX_MS = 10000,
	LIVED_LONG_MS = 10000, /* after which a death counts as the first */

	CHECK_TIMEOUT_MS = 10000, /* the child that looks at the database */
	READY_TIMEOUT_MS = 30000,
	HANG_FACTOR = 3, /* a request is read, handled and written, each in request_timeout */
	TICK_MS = 1000,  /* between two looks at what the workers are doing */
};

enum wstate {
	W_EMPTY,
	W_WAITING,  /* died; its successor is not due yet */
	W_STARTING, /* forked, has not said that it serves */
	W_READY,
	W_STOPPING, /* was told to leave */
	W__COUNT
};

static const char *const wstate_names[] = {
	[W_EMPTY] = "empty",
	[W_WAITING] = "waiting",
	[W_STARTING] = "starting",
	[W_READY] = "ready",
	[W_STOPPING] = "stopping",
};
_Static_assert(COUNTOF(wstate_names) == W__COUNT, "a state without a name");

struct slot {
	enum wstate state;
	int64_t     since_ms; /* when the state began */
	pid_t       pid;
	int64_t     forked_ms;
	unsigned    generation;
	int64_t     backoff_ms;      /* the last pause; 0: there was none */
	uint64_t    requests_before; /* the counter in shared memory when it was forked */
	bool        killed;          /* SIGKILL was sent, and the log says why */
};

struct supervisor {
	const struct supervise *what;
	struct conf            *conf;
	struct conf             next; /* while 'checking' in a reload */
	struct allow            allow;
	struct stats           *stats;
	struct slot             slots[SLOTS_MAX];
	unsigned                generation; /* of the configuration; 0: none is good yet */
	pid_t                   checking;   /* the child that looks at the database, or 0 */
	int64_t                 checking_since_ms;
	bool                    rolling; /* not all workers of this generation serve yet */
	bool                    stopping;
	int                     exit_code;
	int                     lifeline[2]; /* the workers see its end when this process is gone */
	int                     ready[2];    /* the workers write their pids into it */
	sigset_t                while_waiting;
};

/* All that a handler may touch. */
static volatile sig_atomic_t got_stop, got_quit, got_hup, got_chld;

static void
on_signal(int number)
{
	switch (number) {
	case SIGTERM:
	case SIGINT:
		got_stop++;
		break;
	case SIGQUIT:
		got_quit = 1;
		break;
	case SIGHUP:
		got_hup = 1;
		break;
	case SIGCHLD:
		got_chld = 1;
		break;
	}
}

static const int handled[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGCHLD };

/* Blocks all that has a handler except in ppoll(); what the parent had blocked is not inherited. */
static void
take_signals(struct supervisor *s)
{
	static const int ignored[] = { SIGPIPE, SIGUSR1, SIGUSR2 };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_NOCLDSTOP };
	sigset_t         blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < COUNTOF(handled); i++) {
		sigaddset(&blocked, handled[i]);
		sigaction(handled[i], &sa, NULL);
	}
	for (size_t i = 0; i < COUNTOF(ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	sigemptyset(&s->while_waiting);
}

static void
tell_manager(const char *text)
{
#ifdef HAVE_SYSTEMD
	sd_notify(0, text);
#else
	(void)text;
#endif
}

static unsigned
processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

unsigned
supervisor_workers(const struct conf *c)
{
	unsigned automatic = 4 * processors();

	if (c->workers == CONF_WORKERS_DYNAMIC)
		return (unsigned)c->workers_min;
	if (c->workers)
		return (unsigned)c->workers;
	return automatic < CONF_WORKERS_MAX ? automatic : CONF_WORKERS_MAX;
}

static unsigned
slot_number(const struct supervisor *s, const struct slot *w)
{
	return (unsigned)(w - s->slots) + 1;
}

static struct stats_slot *
slot_stats(const struct supervisor *s, const struct slot *w)
{
	return &s->stats->slot[w - s->slots].own;
}

static uint64_t
slot_requests(const struct supervisor *s, const struct slot *w)
{
	return atomic_load_explicit(&slot_stats(s, w)->requests, memory_order_relaxed)
	    - w->requests_before;
}

static void
enter(struct supervisor *s, struct slot *w, enum wstate state)
{
	log_debug("worker %u: %s -> %s", slot_number(s, w), wstate_names[w->state],
	    wstate_names[state]);
	w->state = state;
	w->since_ms = clock_mono_ms();
}

static bool
is_alive(const struct slot *w)
{
	return w->state == W_STARTING || w->state == W_READY || w->state == W_STOPPING;
}

/* ---- children */

/* What no child may keep: with the lifeline's other end in it, siblings would never see the end. */
static void
leave_supervisor(const struct supervisor *s)
{
	close(s->lifeline[1]);
	close(s->ready[0]);
}

static NORETURN void
be_worker(const struct supervisor *s, const struct slot *w)
{
	struct heritage h = {
		.conf = s->conf,
		.allow = &s->allow,
		.stats = slot_stats(s, w),
		.pool = &s->stats->pool,
		.listen_fd = s->what->listener->fd,
		.lifeline_fd = s->lifeline[0],
		.ready_fd = s->ready[1],
	};
	char who[32];

	snprintf(who, sizeof(who), "worker %u", slot_number(s, w));
	log_init(who, (enum log_level)s->conf->log_level);
	leave_supervisor(s);
	exit(worker_run(&h));
}

static void
back_off(struct supervisor *s, struct slot *w)
{
	int64_t twice = w->backoff_ms * 2;

	w->backoff_ms = twice < BACKOFF_FIRST_MS ? BACKOFF_FIRST_MS
	    : twice > BACKOFF_MAX_MS             ? BACKOFF_MAX_MS
						 : twice;
	enter(s, w, W_WAITING);
}

static void
start(struct supervisor *s, struct slot *w)
{
	struct stats_slot *stats = slot_stats(s, w);

	stats_enter(stats, STATS_IDLE);
	w->requests_before = atomic_load_explicit(&stats->requests, memory_order_relaxed);
	w->forked_ms = clock_mono_ms();
	w->generation = s->generation;
	w->killed = false;
	w->pid = fork();
	if (w->pid == 0)
		be_worker(s, w);
	if (w->pid == -1) {
		log_error("no new process: %s", strerror(errno));
		back_off(s, w);
	} else
		enter(s, w, W_STARTING);
}

static void
kill_worker(struct slot *w)
{
	if (is_alive(w))
		kill(w->pid, SIGKILL);
	w->killed = true;
}

/* Lets a worker finish; one that does not serve yet has nothing to finish. */
static void
stop(struct supervisor *s, struct slot *w)
{
	switch (w->state) {
	case W_EMPTY:
	case W_STOPPING:
		return;
	case W_WAITING:
		enter(s, w, W_EMPTY);
		return;
	case W_STARTING:
		kill_worker(w);
		break;
	case W_READY:
		kill(w->pid, SIGTERM);
		break;
	case W__COUNT:
		break;
	}
	enter(s, w, W_STOPPING);
}

/* ---- how many there are, and how many there should be */

struct census {
	unsigned serving;  /* of any generation */
	unsigned old;      /* of which belong to an earlier generation */
	unsigned coming;   /* this generation, starting or waiting for it */
	unsigned stopping;
};

static struct census
count(const struct supervisor *s)
{
	struct census n = { 0 };

	for (size_t i = 0; i < SLOTS_MAX; i++) {
		const struct slot *w = &s->slots[i];

		n.serving += w->state == W_READY;
		n.old += w->state == W_READY && w->generation != s->generation;
		n.coming += w->state == W_STARTING || w->state == W_WAITING;
		n.stopping += w->state == W_STOPPING;
	}
	return n;
}

static struct slot *
find_empty(struct supervisor *s)
{
	for (size_t i = 0; i < SLOTS_MAX; i++)
		if (s->slots[i].state == W_EMPTY)
			return &s->slots[i];
	return NULL;
}

static struct slot *
find_old(struct supervisor *s)
{
	for (size_t i = 0; i < SLOTS_MAX; i++)
		if (s->slots[i].state == W_READY && s->slots[i].generation != s->generation)
			return &s->slots[i];
	return NULL;
}

/*
 * Brings the pool closer to what is configured. Missing workers are started
 * together. While old ones still serve, one new worker at a time is started and
 * an old one leaves when it serves, so the pool is never smaller than
 * configured and at most one larger.
 */
static void
balance(struct supervisor *s)
{
	unsigned      want = supervisor_workers(s->conf);
	int64_t       now = clock_mono_ms();
	struct census n;
	struct slot  *w;

	for (size_t i = 0; i < SLOTS_MAX; i++) {
		w = &s->slots[i];
		if (w->state == W_WAITING && now - w->since_ms >= w->backoff_ms)
			start(s, w);
	}
	for (n = count(s); n.old > 0 && n.serving > want; n = count(s))
		stop(s, find_old(s));
	for (; n.serving - n.old + n.coming < want; n = count(s)) {
		if (n.serving + n.coming >= want && (n.coming > 0 || n.stopping > 0))
			break;
		w = find_empty(s);
		if (!w)
			break;
		w->backoff_ms = 0;
		start(s, w);
	}
	if (s->rolling && n.serving == want && n.old == 0) {
		s->rolling = false;
		log_info("ready: %u workers", want);
		tell_manager("READY=1");
	}
}

static void
take_ready(struct supervisor *s)
{
	pid_t pid;

	while (read(s->ready[0], &pid, sizeof(pid)) == (ssize_t)sizeof(pid))
		for (size_t i = 0; i < SLOTS_MAX; i++)
			if (s->slots[i].state == W_STARTING && s->slots[i].pid == pid)
				enter(s, &s->slots[i], W_READY);
}

/* ---- the check of the database, and what follows from it */

/* Runs app_check() in a child: this process never connects to the database. */
static void
check_database(struct supervisor *s, const struct conf *c)
{
	struct app_options options;
	struct app        *app;
	sigset_t           none;
	int                code;

	s->checking_since_ms = clock_mono_ms();
	s->checking = fork();
	if (s->checking == -1) {
		log_error("no new process: %s", strerror(errno));
		s->checking = 0;
	}
	if (s->checking != 0)
		return;
	log_init("check", (enum log_level)c->log_level);
	leave_supervisor(s);
	for (size_t i = 0; i < COUNTOF(handled); i++)
		signal(handled[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	worker_app_options(c, &s->stats->slot[0].own, &options);
	app = app_new(&options);
	code = app_check(app);
	app_free(app);
	exit(code);
}

/* A new generation begins. Those that have not served yet have nothing to wait for. */
static void
adopt(struct supervisor *s)
{
	s->generation++;
	s->rolling = true;
	for (size_t i = 0; i < SLOTS_MAX; i++)
		if (s->slots[i].state == W_WAITING || s->slots[i].state == W_STARTING)
			stop(s, &s->slots[i]);
}

static void
refuse(struct supervisor *s)
{
	if (s->generation == 0) {
		s->exit_code = EXIT_CONFIG;
		s->stopping = true;
		return;
	}
	conf_fini(&s->next);
	log_error("reload refused; the old configuration goes on");
	tell_manager("READY=1");
}

static void
checked(struct supervisor *s, int status)
{
	struct buf err;

	s->checking = 0;
	if (s->stopping)
		return;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CONFIG) {
		refuse(s);
		return;
	}
	if (status != 0)
		log_warn("the database cannot be reached; serving all the same, answers are 503 "
			 "until it is back");
	if (s->generation > 0) {
		conf_fini(s->conf);
		*s->conf = s->next;
		s->next = (struct conf) { 0 };
		log_init("supervisor", (enum log_level)s->conf->log_level);
	}
	buf_init(&err, 1024);
	if (!allow_parse(s->conf->listen_allow, &s->allow, &err))
		log_error("%.*s", STR_ARGS(buf_view(&err))); /* cannot be: load() judged it */
	buf_fini(&err);
	adopt(s);
}

static void
reload(struct supervisor *s)
{
	struct buf err, kept;

	buf_init(&err, 4096);
	buf_init(&kept, 4096);
	tell_manager("RELOADING=1");
	log_info("reload");
	if (!s->what->load(s->what->load_with, &s->next, &err)) {
		log_error("reload refused, the old configuration goes on: %.*s",
		    STR_ARGS(buf_view(&err)));
		tell_manager("READY=1");
	} else {
		conf_keep_fixed(&s->next, s->conf, &kept);
		if (kept.len)
			log_warn("only a restart changes %.*s", STR_ARGS(buf_view(&kept)));
		check_database(s, &s->next);
		if (s->checking == 0)
			refuse(s);
	}
	buf_fini(&err);
	buf_fini(&kept);
}

/* ---- deaths */

static void
write_obituary(const struct supervisor *s, const struct slot *w, int status)
{
	const struct stats_slot *stats = slot_stats(s, w);
	uint32_t  state = atomic_load_explicit(&stats->state, memory_order_relaxed);
	long long age = (long long)(clock_mono_ms() - w->forked_ms);
	char      how[64];
	char      what[REQUEST_ID_MAX_BYTES + 80] = "";

	struct stats_doing  doing;
	const struct route *route;

	if (state != STATS_IDLE && stats_read_doing(stats, &doing)) {
		route = route_at(doing.route);
		snprintf(what, sizeof(what), " request=%s route=\"%s %s\" age_ms=%lld", doing.request_id,
		    route ? method_names[route->method] : "-", route ? route->pattern : "-",
		    (long long)(clock_mono_ms() - doing.since_ms));
	}
	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "signal %d (SIG%s)%s", WTERMSIG(status),
		    sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?",
		    WCOREDUMP(status) ? ", core" : "");
	else
		snprintf(how, sizeof(how), "exit code %d", WEXITSTATUS(status));
	log_error("worker %u died: %s pid=%d was=%s doing=%s uptime_ms=%lld requests=%llu%s",
	    slot_number(s, w), how, (int)w->pid, wstate_names[w->state],
	    state < STATS__COUNT ? stats_state_names[state] : "?", age,
	    (unsigned long long)slot_requests(s, w), what);
}

static void
bury(struct supervisor *s, struct slot *w, int status)
{
	/* Leaving after max_requests is no death. */
	bool left = status == 0 && (w->state == W_STOPPING || slot_requests(s, w) > 0);
	bool told = w->state == W_STOPPING && w->killed;

	if (!left && !told)
		write_obituary(s, w, status);
	if (left || w->state == W_STOPPING || s->stopping || w->generation != s->generation) {
		enter(s, w, W_EMPTY);
		return;
	}
	if (clock_mono_ms() - w->forked_ms >= LIVED_LONG_MS)
		w->backoff_ms = 0;
	/* Only a person can mend that, but may do so while this process runs. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CONFIG)
		w->backoff_ms = BACKOFF_MAX_MS;
	back_off(s, w);
}

/* As process 1 it also gets children that are not its own; they end here too. */
static void
reap(struct supervisor *s)
{
	pid_t pid;
	int   status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == s->checking)
			checked(s, status);
		for (size_t i = 0; i < SLOTS_MAX; i++)
			if (is_alive(&s->slots[i]) && s->slots[i].pid == pid)
				bury(s, &s->slots[i], status);
	}
}

/* Kills what takes longer than it may. */
static void
watch(struct supervisor *s)
{
	int64_t now = clock_mono_ms();
	int64_t hang_ms = s->conf->request_timeout_ms * HANG_FACTOR;

	if (s->checking && now - s->checking_since_ms > CHECK_TIMEOUT_MS)
		kill(s->checking, SIGKILL);
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		struct slot *w = &s->slots[i];
		int64_t      busy_ms = atomic_load(&s->stats->slot[i].own.busy_ms);
		const char  *why = NULL;

		if (!is_alive(w) || w->killed)
			continue;
		if (busy_ms != 0 && now - busy_ms > hang_ms)
			why = "one request takes too long";
		else if (w->state == W_STARTING && now - w->since_ms > READY_TIMEOUT_MS)
			why = "it does not become ready";
		else if (w->state == W_STOPPING && now - w->since_ms > s->conf->shutdown_timeout_ms)
			why = "it does not leave";
		if (!why)
			continue;
		log_error("worker %u is killed: %s", slot_number(s, w), why);
		kill_worker(w);
	}
}

/* ---- the end */

static void
begin_stop(struct supervisor *s)
{
	s->stopping = true;
	log_info("stops");
	tell_manager("STOPPING=1");
	/* First nobody new may come, then everybody who is there is served. */
	listener_remove_file(s->what->listener);
	for (size_t i = 0; i < SLOTS_MAX; i++)
		stop(s, &s->slots[i]);
	if (s->checking)
		kill(s->checking, SIGKILL);
}

static void
stop_at_once(struct supervisor *s)
{
	unsigned n = 0;

	if (!s->stopping)
		begin_stop(s);
	for (size_t i = 0; i < SLOTS_MAX; i++)
		if (is_alive(&s->slots[i])) {
			kill_worker(&s->slots[i]);
			n++;
		}
	if (n)
		log_warn("at once: %u workers killed", n);
}

static bool
nobody_left(const struct supervisor *s)
{
	for (size_t i = 0; i < SLOTS_MAX; i++)
		if (s->slots[i].state != W_EMPTY)
			return false;
	return s->checking == 0;
}

/* ---- the loop */

static int64_t
next_due_ms(const struct supervisor *s)
{
	int64_t now = clock_mono_ms();
	int64_t due = TICK_MS;

	for (size_t i = 0; i < SLOTS_MAX; i++) {
		const struct slot *w = &s->slots[i];
		int64_t            left = w->since_ms + w->backoff_ms - now;

		if (w->state == W_WAITING && left < due)
			due = left > 0 ? left : 0;
	}
	return due;
}

static void
wait_for_events(struct supervisor *s)
{
	struct pollfd   ready = { .fd = s->ready[0], .events = POLLIN };
	int64_t         due = next_due_ms(s);
	struct timespec timeout = { .tv_sec = due / 1000, .tv_nsec = due % 1000 * 1000000 };

	/* Signals are blocked except in here, so none is lost between test and wait. */
	if (ppoll(&ready, 1, &timeout, &s->while_waiting) == -1 && errno != EINTR)
		log_error("ppoll: %s", strerror(errno));
}

static void
supervise(struct supervisor *s)
{
	while (!s->stopping || !nobody_left(s)) {
		wait_for_events(s);
		if (got_quit || got_stop > 1) {
			got_quit = got_stop = 0;
			stop_at_once(s);
		} else if (got_stop && !s->stopping)
			begin_stop(s);
		if (got_chld) {
			got_chld = 0;
			reap(s);
		}
		take_ready(s);
		if (got_hup && s->checking == 0 && !s->stopping) {
			got_hup = 0;
			reload(s);
		}
		watch(s);
		if (!s->stopping && s->generation > 0)
			balance(s);
	}
}

int
supervisor_run(const struct supervise *what)
{
	struct supervisor s = { .what = what, .conf = what->conf };

	log_init("supervisor", (enum log_level)what->conf->log_level);
	if (pipe2(s.lifeline, O_CLOEXEC) == -1 || pipe2(s.ready, O_CLOEXEC | O_NONBLOCK) == -1) {
		log_error("pipe: %s", strerror(errno));
		return EXIT_OS;
	}
	take_signals(&s);
	s.stats = stats_new(SLOTS_MAX);
	check_database(&s, s.conf);
	if (s.checking == 0)
		s.exit_code = EXIT_OS;
	else
		supervise(&s);
	if (s.exit_code == 0)
		log_info("stopped");
	conf_fini(&s.next);
	stats_free(s.stats);
	for (size_t i = 0; i < 2; i++) {
		close(s.lifeline[i]);
		close(s.ready[i]);
	}
	return s.exit_code;
}
