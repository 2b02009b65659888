/* Keeps one helper of the supervisor alive. */
#include "master/keeper.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "master/child.h"
#include "master/obituary.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

enum {
	END_MS = 3000, /* it finishes what it answers, and that is bounded to less */
	LOOK_MS = 10,
};

bool
keeper_due(const struct keeper *k)
{
	int64_t now = clock_mono_ms();

	if (k->pid != 0 && k->ended_ms != 0 && now - k->ended_ms > END_MS)
		kill(k->pid, SIGKILL);
	return k->pid == 0 && now >= k->due_ms;
}

static void
back_off(struct keeper *k)
{
	int64_t now = clock_mono_ms();

	if (now - k->forked_ms >= CHILD_BACKOFF_FORGET_MS)
		k->backoff_ms = 0;
	k->backoff_ms = backoff_after(k->backoff_ms, CHILD_BACKOFF_MAX_MS);
	k->due_ms = now + k->backoff_ms;
}

void
keeper_forked(struct keeper *k, pid_t pid)
{
	k->forked_ms = clock_mono_ms();
	k->ended_ms = 0;
	k->pid = pid;
	if (pid != -1)
		return;
	k->pid = 0;
	back_off(k);
}

bool
keeper_reap(struct keeper *k, pid_t pid, int status)
{
	char end[OBITUARY_END_BYTES];

	if (k->pid == 0 || pid != k->pid)
		return false;
	k->pid = 0;
	if (k->ended_ms != 0) {
		k->due_ms = 0;
		return true;
	}
	obituary_end(status, k->refused ? word_get(k->refused) : 0, end);
	log_error("%s died: %s pid=%d uptime_ms=%jd", k->name, end, (int)pid,
	    (intmax_t)(clock_mono_ms() - k->forked_ms));
	back_off(k);
	return true;
}

void
keeper_renew(struct keeper *k)
{
	k->backoff_ms = k->due_ms = 0;
	if (k->pid == 0)
		return;
	k->ended_ms = clock_mono_ms();
	kill(k->pid, SIGTERM);
}

void
keeper_signal(const struct keeper *k, int number)
{
	if (k->pid != 0)
		kill(k->pid, number);
}

void
keeper_end(struct keeper *k)
{
	int64_t end = clock_mono_ms() + END_MS;

	if (k->pid == 0)
		return;
	kill(k->pid, SIGTERM);
	while (waitpid(k->pid, NULL, WNOHANG) == 0) {
		if (clock_mono_ms() >= end)
			kill(k->pid, SIGKILL);
		poll(NULL, 0, LOOK_MS);
	}
	k->pid = 0;
}

void
keeper_next(const struct keeper *k, int64_t *wait_ms)
{
	int64_t left = k->due_ms - clock_mono_ms();

	if (k->pid == 0 && left < *wait_ms)
		*wait_ms = left > 0 ? left : 0;
}
