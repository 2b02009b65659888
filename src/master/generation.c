/* What begins a generation, and when it is complete. */
#include "master/generation.h"
#include "base/log.h"
#include "guard/sandbox.h"
#include "master/helpers.h"
#include "master/signals.h"
#include "master/stop.h"
#include "shm/buckets.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
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
	return s->check.pid != 0 || s->args->upgrade->rehearsal != 0 || s->trying;
}

/* ---- what is told of it */

static struct change *
change_of(const struct supervisor *s, enum change_kind kind)
{
	return &board(s)->change[kind];
}

/* The log, the scoreboard and systemd have it; whoever waits for it learns the exit code. */
static void PRINTF(4, 5)
refuse(struct supervisor *s, enum change_kind kind, int code, const char *fmt, ...)
{
	char    why[CHANGE_WHY_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	log_error("%s refused, keeping the %s: %s", change_names[kind],
	    kind == CHANGE_RELOAD ? "old configuration" : "running program", why);
	change_end(change_of(s, kind), code, str_of(why));
	notify_ready();
}

/* All that is open: it took, or code and why say what is wrong. */
static void
conclude(struct supervisor *s, int code, const char *why)
{
	static const enum change_kind kinds[] = { CHANGE_RELOAD, CHANGE_UPGRADE };

	for (size_t i = 0; i < COUNTOF(kinds); i++)
		if (change_is_open(change_of(s, kinds[i])))
			change_end(change_of(s, kinds[i]), code, str_of(why));
	notify_ready();
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
generation_renew(struct supervisor *s)
{
	renew(s, s->pool.target);
}

void
generation_replace(struct supervisor *s)
{
	generation_follow_log(s);
	helpers_renew(s);
	renew(s, s->pool.target);
}

/* ---- how one ends */

static void
end_service(struct supervisor *s, int exit_code)
{
	s->exit_code = exit_code;
	s->stopping = true;
}

static void
refuse_reload(struct supervisor *s, int code, const char *why)
{
	conf_fini(&s->next);
	s->next = (struct conf) { 0 };
	refuse(s, CHANGE_RELOAD, code, "%s", why);
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
	s->room = s->next_room;
	take_log_settings(s->conf);
	generation_follow_log(s);
	helpers_renew(s); /* they have the configuration, too */
	/* A dynamic pool goes on from where it is. */
	renew(s, same || s->conf->workers == CONF_WORKERS_DYNAMIC ? s->pool.target : 0);
}

/* ---- the first worker of another configuration */

static void
try_next(struct supervisor *s, bool must_connect)
{
	struct buf err;

	buf_init(&err, 1024);
	if (!allow_parse(s->next.listen_allow, &s->next_allow, &err))
		log_error("%.*s", STR_ARGS(buf_view(&err))); /* cannot be: load() judged it */
	buf_fini(&err);
	s->trying = true;
	pool_try(&s->pool, &s->next, &s->next_allow, must_connect);
}

/* How it ended, for people, and the exit code for whoever waits. */
static int
explain_trial(int status, char *out, size_t size)
{
	int         code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_DEFECT;
	const char *more = "; its lines in the log say more";

	if (WIFSIGNALED(status))
		snprintf(out, size, "its first worker was ended by signal %d", WTERMSIG(status));
	else if (code == EXIT_DATABASE)
		snprintf(out, size, "its first worker could not connect to the database%s", more);
	else
		snprintf(out, size, "its first worker ended with exit code %d%s", code, more);
	return code >= EXIT_USAGE && code <= EXIT_CONFIG ? code : EXIT_DEFECT;
}

void
generation_try(struct supervisor *s)
{
	enum trial_state state = s->pool.trial.state;
	int              status = s->pool.trial.status, code;
	char             why[CHANGE_WHY_BYTES];

	if (!s->trying || (state != TRIAL_PASSED && state != TRIAL_FAILED))
		return;
	s->trying = false;
	pool_end_trial(&s->pool);
	if (state == TRIAL_PASSED) {
		adopt_next(s);
		return;
	}
	code = explain_trial(status, why, sizeof(why));
	refuse_reload(s, code, why);
}

/* ---- what comes of a check */

static void
warn_of_database(void)
{
	log_warn("the database cannot be reached; serving anyway: answers are 503 until it is "
		 "back");
}

static void
checked_start(struct supervisor *s, int failed)
{
	bool takes_over = s->pool.generation > 0;

	if (failed == EXIT_CONFIG && takes_over) {
		log_error("keeping the workers of the previous program");
		conclude(s, failed, s->check.why);
		return;
	}
	if (failed == EXIT_CONFIG || (failed && s->rehearsal)) {
		handover_tell(s->args->handover, str_of(s->check.why));
		end_service(s, failed);
		return;
	}
	renew(s, s->pool.target);
	if (failed)
		warn_of_database();
}

/*
 * A database that does not let the new configuration in refuses the reload, but not when the old
 * configuration has none either: the reload may be what mends it.
 */
static void
checked_reload(struct supervisor *s, int failed)
{
	if (failed == 0) {
		try_next(s, true);
		return;
	}
	memcpy(s->why, s->check.why, sizeof(s->why));
	if (failed == EXIT_CONFIG)
		refuse_reload(s, failed, s->why);
	else if (strcmp(s->conf->database_url, s->next.database_url) == 0) {
		warn_of_database();
		try_next(s, false);
	} else if (!check(s, s->conf, FOR_FALLBACK))
		refuse_reload(s, failed, s->why);
}

static void
checked_fallback(struct supervisor *s, int failed)
{
	if (failed != EXIT_DATABASE) {
		refuse_reload(s, EXIT_DATABASE, s->why);
		return;
	}
	warn_of_database();
	try_next(s, false);
}

static void
checked(struct supervisor *s, int status)
{
	bool next = s->check_for == FOR_RELOAD;
	int  failed = dbcheck_end(&s->check, status, next ? &s->next_room : &s->room);

	if (s->stopping)
		return;
	if (s->room.max_connections == 0)
		s->room_due_ms = clock_mono_ms() + ROOM_PAUSE_MS;
	switch (s->check_for) {
	case FOR_ROOM:
		if (s->room.max_connections)
			target_measure(&s->target, s->conf, &s->room, s->pool.target);
		break;
	case FOR_START:
		checked_start(s, failed);
		break;
	case FOR_RELOAD:
		checked_reload(s, failed);
		break;
	case FOR_FALLBACK:
		checked_fallback(s, failed);
		break;
	}
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
	change_begin(change_of(s, CHANGE_RELOAD));
	s->next_room = s->room;
	if (!s->args->load(s->args->load_with, &s->next, &err))
		refuse(s, CHANGE_RELOAD, EXIT_CONFIG, "%.*s", STR_ARGS(buf_view(&err)));
	else {
		conf_keep_fixed(&s->next, s->conf, &kept);
		if (kept.len)
			log_warn("only a restart can change %.*s", STR_ARGS(buf_view(&kept)));
		if (!check(s, &s->next, FOR_RELOAD))
			refuse_reload(s, EXIT_OS, "there is no process to check the database");
	}
	buf_fini(&err);
	buf_fini(&kept);
}

/* ---- another program image */

static void
describe_change(const struct change *c, int64_t out[4])
{
	out[0] = word_get(&c->begun);
	out[1] = word_get(&c->ended);
	out[2] = (int64_t)word_get(&c->refused);
	out[3] = word_get(&c->refused_wall_ms);
}

/* A scoreboard that was handed over has it already, and the sentence, too. */
static void
restore_change(struct change *c, const int64_t in[4])
{
	if (word_get(&c->begun) != 0)
		return;
	word_set(&c->begun, (uint32_t)in[0]);
	word_set(&c->ended, (uint32_t)in[1]);
	word_set(&c->refused, (uint64_t)in[2]);
	word_set(&c->refused_wall_ms, in[3]);
}

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
	describe_change(change_of(s, CHANGE_RELOAD), h->reload);
	describe_change(change_of(s, CHANGE_UPGRADE), h->upgrade);
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
	restore_change(change_of(s, CHANGE_RELOAD), h->reload);
	restore_change(change_of(s, CHANGE_UPGRADE), h->upgrade);
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
	struct buf why;

	buf_init(&why, CHANGE_WHY_BYTES);
	notify_reloading();
	change_begin(change_of(s, CHANGE_UPGRADE));
	if (!upgrade_rehearse(s->args->upgrade, &s->heritage, &why))
		refuse(s, CHANGE_UPGRADE, EXIT_OS, "%.*s", STR_ARGS(buf_view(&why)));
	buf_fini(&why);
}

/* Returns only when there is no other image. */
static int
become(struct supervisor *s, struct buf *why)
{
	static struct handover h;

	log_info("upgrade: the rehearsal passed, executing %s", s->args->upgrade->path);
	pool_take_ready(&s->pool);
	describe(s, &h);
	pool_hand_over(&s->pool, &h);
	/* The next image starts its own; whoever asks meanwhile waits at the socket. */
	helpers_end(s);
	upgrade_run(s->args->upgrade, &h, why);
	return EXIT_OS;
}

static void
rehearsed(struct supervisor *s, int status)
{
	struct buf why;
	int        code;

	buf_init(&why, CHANGE_WHY_BYTES);
	code = upgrade_rehearsed(s->args->upgrade, status, &why);
	if (code == 0 && !s->stopping)
		code = become(s, &why);
	if (!s->stopping)
		refuse(s, CHANGE_UPGRADE, code, "%.*s", STR_ARGS(buf_view(&why)));
	buf_fini(&why);
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

/* A number of workers that somebody asked for. */
static void
settle_workers(struct supervisor *s, const struct pool_census *n)
{
	struct change *c = change_of(s, CHANGE_WORKERS);
	char           why[CHANGE_WHY_BYTES];

	if (!change_is_open(c))
		return;
	snprintf(why, sizeof(why), "%u of %u workers serve; the others died again and again",
	    n->serving, s->pool.target);
	if (n->serving == s->pool.target && n->coming == 0)
		change_end(c, 0, STR_NONE);
	else if (n->given_up > 0 && n->coming == 0)
		change_end(c, EXIT_DEFECT, str_of(why));
}

void
generation_settle(struct supervisor *s, const struct pool_census *n)
{
	unsigned wanted = pool_wanted(&s->pool, n);
	bool     complete = n->serving == wanted && n->old == 0;
	bool     stuck = n->given_up > 0 && n->coming == 0;
	char     why[CHANGE_WHY_BYTES];

	if (stuck && n->serving == 0) {
		log_error("giving up on all workers; ending the service");
		end_service(s, EXIT_DEFECT);
		stop_begin(s);
		return;
	}
	settle_workers(s, n);
	if (!s->rolling)
		return;
	if (s->rehearsal && n->serving > 0)
		log_info("a worker is serving");
	else if (complete)
		log_info("ready: %u workers", wanted);
	else if (!stuck || n->old == 0 || n->serving - n->old < wanted)
		return;
	s->rolling = false;
	if (complete)
		snprintf(why, sizeof(why), "only %u of %u workers serve: the others died again and "
			 "again", n->serving, s->pool.target);
	else
		snprintf(why, sizeof(why), "not all workers could be replaced: keeping %u of the "
			 "old ones", n->old);
	if (!complete && !s->rehearsal)
		log_error("%s", why);
	conclude(s, n->given_up && !s->rehearsal ? EXIT_DEFECT : 0, why);
	if (s->rehearsal)
		stop_begin(s);
}
