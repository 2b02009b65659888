/* Signals and commands. */
#include "master/orders.h"
#include "admin/command.h"
#include "base/log.h"
#include "guard/sandbox.h"
#include "master/generation.h"
#include "master/helpers.h"
#include "master/signals.h"
#include "master/stop.h"

#include <sys/wait.h>

enum { COMMANDS_AT_ONCE = 16 };

/* ---- signals: an act returns false when it has to wait, and is called again */

static bool
act_stop_at_once(struct supervisor *s, int times UNUSED)
{
	stop_at_once(s);
	return true;
}

static bool
act_stop(struct supervisor *s, int times)
{
	if (s->stopping || times > 1)
		stop_at_once(s);
	else
		stop_begin(s);
	return true;
}

/* As process 1 it also gets children that are not its own; they end here, too. */
static bool
act_reap(struct supervisor *s, int times UNUSED)
{
	pid_t pid;
	int   status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (!generation_reap(s, pid, status) && !helpers_reap(s, pid, status))
			pool_bury(&s->pool, pid, status);
	return true;
}

static bool
act_reload(struct supervisor *s, int times UNUSED)
{
	if (generation_is_changing(s))
		return false;
	if (!s->stopping && !s->rehearsal)
		generation_reload(s);
	return true;
}

static bool
act_upgrade(struct supervisor *s, int times UNUSED)
{
	if (generation_is_changing(s))
		return false;
	if (!s->stopping && !s->rehearsal)
		generation_upgrade(s);
	return true;
}

static bool
act_reopen(struct supervisor *s, int times UNUSED)
{
	struct change *c = &board(s)->change[CHANGE_REOPEN];
	bool           opened;

	change_begin(c);
	opened = log_reopen(true);
	change_end(c, opened ? 0 : EXIT_OS,
	    STR("the log's file cannot be opened; its old one goes on and says why"));
	if (s->pool.generation > 0 && !s->stopping && !s->rehearsal
	    && sandbox_folder_changed(s->conf, s->log_folder)) {
		log_info("the log's folder is another one: replacing the workers, which cannot "
			 "write to it");
		generation_replace(s);
		return true;
	}
	pool_signal(&s->pool, SIGUSR1);
	helpers_signal(s, SIGUSR1);
	return true;
}

static void
change_target(struct supervisor *s, int64_t wanted, const char *by)
{
	if (s->stopping || s->rehearsal || s->pool.generation == 0)
		return;
	change_begin(&board(s)->change[CHANGE_WORKERS]);
	target_change(&s->target, wanted, by);
}

static bool
act_more(struct supervisor *s, int times)
{
	change_target(s, (int64_t)s->pool.target + times, "signal");
	return true;
}

static bool
act_fewer(struct supervisor *s, int times)
{
	change_target(s, (int64_t)s->pool.target - times, "signal");
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

void
orders_take_signals(struct supervisor *s)
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

/* ---- commands */

static void
obey_commands(struct supervisor *s)
{
	struct command c;

	/* So many at once, because a sender without end must not hold the loop up. */
	for (int n = 0; n < COMMANDS_AT_ONCE && command_receive(s->command_fd, &c); n++)
		switch ((enum command_kind)c.kind) {
		case COMMAND_WORKERS_SET:
			change_target(s, c.value, "command");
			break;
		case COMMAND_WORKERS_ADD:
			change_target(s, (int64_t)s->pool.target + c.value, "command");
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
		default: /* of another version, or nonsense */
			break;
		}
}

void
orders_obey(struct supervisor *s)
{
	obey_commands(s);
	obey_signals(s);
}
