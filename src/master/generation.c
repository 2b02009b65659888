/* What begins a generation, and when it is complete. */
#include "master/generation.h"
#include "base/log.h"
#include "guard/sandbox.h"
#include "master/signals.h"
#include "master/stop.h"
#include "shm/buckets.h"

#include <signal.h>
#include <unistd.h>

/* Before a database that could not be asked at the start is asked again. */
enum { ROOM_PAUSE_MS = 60000 };

static bool
check(struct supervisor *s, const struct conf *c, enum check_for what)
{
	struct heritage h = s->heritage;

	h.conf = c;
	s->check_for = what;
	return dbcheck_begin(&s->check, &h);
}

bool
generation_start(struct supervisor *s)
{
	return check(s, s->conf, FOR_START);
}

bool
generation_is_changing(const struct supervisor *s)
{
	return s->check.pid != 0 || s->args->upgrade->rehearsal != 0;
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
renew(struct supervisor *s, unsigned kept)
{
	configure(s, kept);
	pool_renew(&s->pool);
	s->rolling = true;
	word_set(&board(s)->generation, s->pool.generation);
}

void
generation_follow_log(struct supervisor *s)
{
	if (s->log_folder != -1)
		close(s->log_folder);
	s->log_folder = sandbox_folder(s->conf);
}

void
generation_replace(struct supervisor *s)
{
	generation_follow_log(s);
	keeper_renew(&s->admin);
	renew(s, s->pool.target);
}

/* ---- what comes of a check */

static void
end_service(struct supervisor *s, int exit_code)
{
	s->exit_code = exit_code;
	s->stopping = true;
}

static void
refuse(struct supervisor *s)
{
	conf_fini(&s->next);
	log_error(s->check_for == FOR_RELOAD ? "reload refused, keeping the old configuration"
					     : "keeping the workers of the previous program");
	notify_ready();
}

static void
take_log_settings(const struct conf *c)
{
	struct buf err;

	buf_init(&err, 1024);
	if (!log_open(c->log, (enum log_format)c->log_format, &err))
		log_error("keeping the old log: %.*s", STR_ARGS(buf_view(&err)));
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
	generation_follow_log(s);
	keeper_renew(&s->admin); /* it has the configuration, too */
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
			end_service(s, failed);
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
		log_warn("the database cannot be reached; serving anyway: answers are 503 until it "
			 "is back");
}

void
generation_ask_room(struct supervisor *s, int64_t now_ms)
{
	if (s->stopping || s->rehearsal || s->pool.generation == 0 || s->room.max_connections != 0
	    || now_ms < s->room_due_ms || generation_is_changing(s))
		return;
	if (!check(s, s->conf, FOR_ROOM))
		s->room_due_ms = now_ms + ROOM_PAUSE_MS;
}

/* ---- reload */

void
generation_reload(struct supervisor *s)
{
	struct buf err, kept;

	buf_init(&err, 4096);
	buf_init(&kept, 4096);
	notify_reloading();
	log_info("reloading configuration");
	if (!s->args->load(s->args->load_with, &s->next, &err)) {
		log_error("reload refused, keeping the old configuration: %.*s",
		    STR_ARGS(buf_view(&err)));
		notify_ready();
	} else {
		conf_keep_fixed(&s->next, s->conf, &kept);
		if (kept.len)
			log_warn("only a restart can change %.*s", STR_ARGS(buf_view(&kept)));
		if (!check(s, &s->next, FOR_RELOAD))
			refuse(s);
	}
	buf_fini(&err);
	buf_fini(&kept);
}

/* ---- another program image */

/* What the next image has to know. */
static void
describe(const struct supervisor *s, struct handover *h)
{
	const struct listener *l = s->args->listener, *admin = s->args->admin;
	const struct listener *metrics = s->args->metrics;

	*h = (struct handover) {
		.pid = getpid(),
		.lifeline = { s->heritage.fd[HERITAGE_LIFELINE], s->lifeline_fd },
		.stats = s->heritage.stats->fd,
		.buckets = { s->heritage.buckets->fd, BUCKETS_LAYOUT },
		.generation = s->pool.generation,
		.started_wall_ms = word_get(&board(s)->started_wall_ms),
		.started_ms = word_get(&board(s)->started_ms),
		.target = s->pool.target,
		.asked = { s->conf->workers + 1, s->conf->workers_min, s->conf->workers_max },
	};
	handover_add_socket(h, "listen", l->fd, l->path != NULL);
	if (admin->fd != -1)
		handover_add_socket(h, "admin", admin->fd, admin->path != NULL);
	if (metrics->fd != -1)
		handover_add_socket(h, "metrics", metrics->fd, metrics->path != NULL);
}

void
generation_take_over(struct supervisor *s)
{
	const struct handover *h = s->args->handover;
	const struct conf     *c = s->conf;
	bool                   same = h->asked[0] == c->workers + 1
	    && h->asked[1] == c->workers_min && h->asked[2] == c->workers_max;

	s->pool.generation = (unsigned)h->generation;
	word_set(&board(s)->started_wall_ms, h->started_wall_ms);
	if (h->started_ms)
		word_set(&board(s)->started_ms, h->started_ms);
	configure(s, same || c->workers == CONF_WORKERS_DYNAMIC ? (unsigned)h->target : 0);
	pool_take_over(&s->pool, h);
	signals_raise(SIGCHLD, 1); /* for those that died meanwhile */
	log_info("took over %zu workers from the previous program", h->workers);
}

void
generation_upgrade(struct supervisor *s)
{
	notify_reloading();
	if (!upgrade_rehearse(s->args->upgrade, &s->heritage))
		notify_ready();
}

static void
rehearsed(struct supervisor *s, int status)
{
	static struct handover h;

	if (!upgrade_rehearsed(s->args->upgrade, status) || s->stopping) {
		notify_ready();
		return;
	}
	log_info("upgrade: the rehearsal passed, executing %s", s->args->upgrade->path);
	pool_take_ready(&s->pool);
	describe(s, &h);
	pool_hand_over(&s->pool, &h);
	/* The next image starts its own; whoever asks meanwhile waits at the socket. */
	keeper_end(&s->admin);
	upgrade_run(s->args->upgrade, &h);
	notify_ready();
}

bool
generation_reap(struct supervisor *s, pid_t pid, int status)
{
	if (pid == s->check.pid)
		checked(s, status);
	else if (pid == s->args->upgrade->rehearsal)
		rehearsed(s, status);
	else
		return false;
	return true;
}

/* ---- the end of a rollout */

void
generation_settle(struct supervisor *s, const struct pool_census *n)
{
	unsigned wanted = pool_wanted(&s->pool, n);

	if (n->given_up > 0 && n->serving == 0 && n->coming == 0) {
		log_error("giving up on all workers; ending the service");
		end_service(s, EXIT_DEFECT);
		stop_begin(s);
		return;
	}
	if (!s->rolling)
		return;
	if (s->rehearsal && n->serving > 0)
		log_info("a worker is serving");
	else if (n->serving == wanted && n->old == 0)
		log_info("ready: %u workers", wanted);
	else if (n->given_up > 0 && n->coming == 0 && n->old > 0 && n->serving - n->old >= wanted)
		log_error("not all workers could be replaced: keeping %u of the old ones", n->old);
	else
		return;
	s->rolling = false;
	notify_ready();
	if (s->rehearsal)
		stop_begin(s);
}
