/* One place of the pool. */
#include "master/place.h"
#include "base/backoff.h"
#include "base/log.h"
#include "master/child.h"
#include "master/obituary.h"
#include "worker/worker.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

enum {
	READY_TIMEOUT_MS = 30000,
	/* So many times what a worker's loop takes to come round. */
	HANG_FACTOR = 3,
};

static size_t
place_at(const struct pool *p, const struct place *w)
{
	return (size_t)(w - p->place);
}

unsigned
place_number(const struct pool *p, const struct place *w)
{
	return (unsigned)place_at(p, w) + 1;
}

bool
place_is_alive(const struct place *w)
{
	return w->life == STATS_LIFE_STARTING || w->life == STATS_LIFE_READY
	    || w->life == STATS_LIFE_STOPPING;
}

bool
place_is_old(const struct pool *p, const struct place *w)
{
	return w->generation != p->generation;
}

static struct stats_slot *
slot_of(const struct pool *p, const struct place *w)
{
	return stats_slot(p->heritage->stats, place_at(p, w));
}

void
place_read(const struct pool *p, const struct place *w, struct stats_report *out)
{
	*out = (struct stats_report) { .stuck_ms = -1 };
	if (w->life == STATS_LIFE_READY)
		stats_read(slot_of(p, w), clock_mono_ms(), out);
}

/* Answered by the worker that is, or was, here. */
static uint64_t
requests(const struct place *w, const struct stats_report *report)
{
	return report->requests > w->requests_before ? report->requests - w->requests_before : 0;
}

static void
enter(struct pool *p, struct place *w, enum stats_life life)
{
	struct stats_worker *board = &p->heritage->stats->worker[place_at(p, w)];

	log_debug("worker %u: %s -> %s", place_number(p, w), stats_life_names[w->life],
	    stats_life_names[life]);
	w->life = life;
	w->since_ms = clock_mono_ms();
	word_set(&board->pid, place_is_alive(w) ? (int32_t)w->pid : 0);
	word_set(&board->forked_ms, w->forked_ms);
	word_set(&board->generation, w->generation);
	word_set(&board->requests_before, w->requests_before);
	word_set(&board->life, life);
}

/* ---- the beginning */

static void
wait_for_turn(struct pool *p, struct place *w, int64_t pause_ms)
{
	w->backoff_ms = pause_ms;
	enter(p, w, STATS_LIFE_WAITING);
}

void
place_start(struct pool *p, struct place *w)
{
	struct heritage h = *p->heritage;

	h.place = place_at(p, w);
	if (w == p->trial.place) {
		h.conf = p->trial.conf;
		h.allow = p->trial.allow;
		h.must_connect = p->trial.must_connect;
	}
	stats_begin(slot_of(p, w));
	w->requests_before = stats_counted(&slot_of(p, w)->requests);
	w->forked_ms = clock_mono_ms();
	w->generation = p->generation;
	w->killed = false;
	w->killed_for = STATS_CAUSE__COUNT;
	w->pid = child_fork(CHILD_WORKER, &h);
	if (w->pid == 0)
		exit(worker_run(&h));
	if (w->pid == -1)
		wait_for_turn(p, w, backoff_after(w->backoff_ms, CHILD_BACKOFF_MAX_MS));
	else
		enter(p, w, STATS_LIFE_STARTING);
}

int64_t
place_due_ms(const struct place *w, int64_t now_ms)
{
	int64_t left = w->since_ms + w->backoff_ms - now_ms;

	return w->life != STATS_LIFE_WAITING ? INT64_MAX : left > 0 ? left : 0;
}

void
place_look_ready(struct pool *p, struct place *w)
{
	struct stats_report report;

	if (w->life != STATS_LIFE_STARTING)
		return;
	stats_read(slot_of(p, w), clock_mono_ms(), &report);
	if (report.serves)
		enter(p, w, STATS_LIFE_READY);
}

void
place_adopt(struct pool *p, struct place *w, bool ready)
{
	w->generation = p->generation;
	w->killed_for = STATS_CAUSE__COUNT;
	enter(p, w, ready ? STATS_LIFE_READY : STATS_LIFE_STOPPING);
}

/* ---- the end */

void
place_kill(struct place *w)
{
	if (place_is_alive(w))
		kill(w->pid, SIGKILL);
	w->killed = true;
}

void
place_retire(struct pool *p, struct place *w)
{
	switch (w->life) {
	case STATS_LIFE_EMPTY:
	case STATS_LIFE_STOPPING:
	case STATS_LIFE__COUNT:
		return;
	case STATS_LIFE_WAITING:
	case STATS_LIFE_GIVEN_UP:
		enter(p, w, STATS_LIFE_EMPTY);
		return;
	case STATS_LIFE_STARTING:
		place_kill(w);
		break;
	case STATS_LIFE_READY:
		kill(w->pid, SIGTERM);
		break;
	}
	enter(p, w, STATS_LIFE_STOPPING);
}

void
place_forgive(struct pool *p, struct place *w)
{
	if (w->life == STATS_LIFE_GIVEN_UP)
		enter(p, w, STATS_LIFE_EMPTY);
}

/* Why it is to be killed, or NULL. */
static const char *
overdue(struct pool *p, struct place *w)
{
	const struct conf  *c = p->heritage->conf;
	int64_t             age_ms = clock_mono_ms() - w->since_ms;
	int64_t             round_ms = c->request_timeout_ms;
	struct stats_report report;

	/* One from before a reload may have a longer time, and comes round once a second. */
	if (round_ms < WORKER_BEAT_MS)
		round_ms = WORKER_BEAT_MS;
	stats_read(slot_of(p, w), clock_mono_ms(), &report);
	if (report.stuck_ms > round_ms * HANG_FACTOR) {
		w->killed_for = STATS_CAUSE_HANG;
		return "it is stuck";
	}
	if (w->life == STATS_LIFE_STARTING && age_ms > READY_TIMEOUT_MS) {
		w->killed_for = STATS_CAUSE_START;
		return "it did not become ready in time";
	}
	if (w->life == STATS_LIFE_STOPPING && age_ms > c->shutdown_timeout_ms)
		return "it did not leave in time";
	return NULL;
}

void
place_watch(struct pool *p, struct place *w)
{
	const char *why = !place_is_alive(w) || w->killed ? NULL : overdue(p, w);

	if (!why)
		return;
	log_error("killing worker %u: %s pid=%d", place_number(p, w), why, (int)w->pid);
	obituary_requests(place_number(p, w), slot_of(p, w));
	place_kill(w);
}

/* Why the place is empty; STATS_CAUSE__COUNT: because the supervisor wanted it so. */
static enum stats_cause
cause_of(const struct pool *p, const struct place *w, const struct stats_report *last, int status)
{
	if (w->killed)
		return w->killed_for;
	if (w->life == STATS_LIFE_STOPPING && status == 0)
		return place_is_old(p, w) ? STATS_CAUSE_RELOAD : STATS_CAUSE__COUNT;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? STATS_CAUSE_SANDBOX : STATS_CAUSE_CRASH;
	if (status == 0)
		return last->leaves;
	return WEXITSTATUS(status) == EXIT_CONFIG ? STATS_CAUSE_CONFIG : STATS_CAUSE_EXIT;
}

/* The worker that died was needed. */
static void
succeed(struct pool *p, struct place *w, const struct stats_report *last, int status)
{
	bool unfit = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CONFIG;

	/*
	 * One that has answered died of something that came later. It does not count, or requests
	 * that kill could keep a whole pool waiting.
	 */
	if (requests(w, last) > 0 || clock_mono_ms() - w->forked_ms >= CHILD_BACKOFF_FORGET_MS) {
		w->deaths = 0;
		w->backoff_ms = 0;
	}
	if (!unfit && ++w->deaths >= p->patience) {
		log_error("giving up on worker %u: %u died in a row without an answer; "
			  "a reload or a change of the number of workers tries again",
		    place_number(p, w), w->deaths);
		enter(p, w, STATS_LIFE_GIVEN_UP);
		return;
	}
	/* What only a person can mend is tried slowly, and for ever. */
	wait_for_turn(p, w,
	    unfit ? CHILD_BACKOFF_MAX_MS : backoff_after(w->backoff_ms, CHILD_BACKOFF_MAX_MS));
}

void
place_bury(struct pool *p, struct place *w, int status)
{
	struct stats_report last;
	enum stats_cause    cause;
	bool                stopping = w->life == STATS_LIFE_STOPPING;
	bool                left; /* after max_requests or max_memory, which is no death */

	stats_read(slot_of(p, w), clock_mono_ms(), &last);
	left = status == 0 && (stopping || last.leaves != STATS_CAUSE__COUNT);
	cause = cause_of(p, w, &last, status);
	if (cause != STATS_CAUSE__COUNT)
		stats_count(&p->heritage->stats->pool->restarts[cause]);
	if (!left && !(stopping && w->killed))
		obituary_log(&(struct obituary) {
		    .number = place_number(p, w),
		    .pid = w->pid,
		    .status = status,
		    .life = w->life,
		    .age_ms = clock_mono_ms() - w->forked_ms,
		    .requests = requests(w, &last),
		    .last = &last,
		    .slot = slot_of(p, w),
		});
	stats_lose_clients(slot_of(p, w), p->heritage->stats->shared);
	stats_begin(slot_of(p, w));
	stats_set_connected(p->heritage->stats->shared, place_at(p, w), false);
	if (left || stopping || p->target == 0 || place_is_old(p, w))
		enter(p, w, STATS_LIFE_EMPTY);
	else
		succeed(p, w, &last, status);
}
