/* All places of workers. */
#include "master/pool.h"
#include "base/log.h"
#include "master/place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

bool
pool_init(struct pool *p, struct heritage *h)
{
	int ready[2];

	if (pipe2(ready, O_CLOEXEC | O_NONBLOCK) == -1) {
		log_error("pipe: %s", strerror(errno));
		return false;
	}
	p->patience = POOL_PATIENCE;
	p->heritage = h;
	p->ready_fd = ready[0];
	h->fd[HERITAGE_READY] = ready[1];
	return true;
}

void
pool_fini(struct pool *p)
{
	close(p->ready_fd);
	close(p->heritage->fd[HERITAGE_READY]);
}

/* ---- how many there are, and how many there should be */

static void
count(const struct pool *p, const struct place *w, int64_t spare_idle_ms, struct pool_census *n)
{
	bool                serves = w->life == STATS_LIFE_READY;
	struct stats_report report;
	bool                busy;

	place_read(p, w, &report);
	busy = serves && report.in_hand > 0;
	n->serving += serves;
	n->busy += busy;
	n->spare += serves && !busy && report.state_ms >= spare_idle_ms;
	n->old += serves && place_is_old(p, w);
	n->coming += w->life == STATS_LIFE_STARTING || w->life == STATS_LIFE_WAITING;
	n->stopping += w->life == STATS_LIFE_STOPPING;
	n->given_up += w->life == STATS_LIFE_GIVEN_UP;
	if (place_is_alive(w))
		n->places = place_number(p, w);
}

struct pool_census
pool_count(const struct pool *p, int64_t spare_idle_ms)
{
	struct pool_census n = { 0 };

	for (size_t i = 0; i < POOL_PLACES; i++)
		if (&p->place[i] != p->trial.place)
			count(p, &p->place[i], spare_idle_ms, &n);
	return n;
}

unsigned
pool_wanted(const struct pool *p, const struct pool_census *n)
{
	return p->target > n->given_up ? p->target - n->given_up : 0;
}

static struct place *
find_empty(struct pool *p)
{
	for (size_t i = 0; i < POOL_PLACES; i++)
		if (p->place[i].life == STATS_LIFE_EMPTY)
			return &p->place[i];
	return NULL;
}

/* Retirement order, highest first: not serving yet, idle, busy; 0: not at all. */
static int
rank_of(const struct place *w, const struct stats_report *report)
{
	if (w->life == STATS_LIFE_WAITING)
		return 4;
	if (w->life == STATS_LIFE_STARTING)
		return 3;
	if (w->life != STATS_LIFE_READY)
		return 0;
	return report->in_hand == 0 ? 2 : 1;
}

enum which { ANY, OLD };

static struct place *
find_dispensable(struct pool *p, enum which which)
{
	struct place *best = NULL;
	int           best_rank = 0;
	int64_t       best_ms = 0;

	for (size_t i = 0; i < POOL_PLACES; i++) {
		struct place       *w = &p->place[i];
		struct stats_report report;
		int                 rank;

		if (w == p->trial.place)
			continue;
		if (which == OLD && (w->life != STATS_LIFE_READY || !place_is_old(p, w)))
			continue;
		place_read(p, w, &report);
		rank = rank_of(w, &report);
		/*
		 * Of the idle the one that has been so for longest: the kernel wakes those that
		 * began to wait first, so the others are the ones in use.
		 */
		if (rank > best_rank || (rank && rank == best_rank && report.state_ms > best_ms)) {
			best = w;
			best_rank = rank;
			best_ms = report.state_ms;
		}
	}
	return best;
}

void
pool_aim(struct pool *p, unsigned target, unsigned most)
{
	p->target = target;
	p->most = most;
	for (size_t i = 0; i < POOL_PLACES; i++)
		place_forgive(p, &p->place[i]);
}

void
pool_renew(struct pool *p)
{
	p->generation++;
	for (size_t i = 0; i < POOL_PLACES; i++)
		if (p->place[i].life != STATS_LIFE_READY)
			place_retire(p, &p->place[i]);
}

/*
 * Those of an earlier generation leave first, each when its successor serves, so that the pool is
 * never smaller than the target and at most one larger. For a place that was given up an old one
 * stays.
 */
static void
send_away(struct pool *p)
{
	struct pool_census n;

	for (n = pool_count(p, 0); n.old > 0 && n.serving > p->target; n = pool_count(p, 0))
		place_retire(p, find_dispensable(p, OLD));
	for (; n.old == 0 && n.serving + n.coming > pool_wanted(p, &n); n = pool_count(p, 0))
		place_retire(p, find_dispensable(p, ANY));
}

/* No more processes than that, those that leave included. */
static bool
is_full(const struct pool *p, const struct pool_census *n)
{
	unsigned limit = (p->most > p->target ? p->most : p->target) + 1;

	return n->serving + n->coming + n->stopping + (p->trial.place != NULL) >= limit;
}

static void
start(struct pool *p, struct place *w)
{
	w->backoff_ms = 0;
	w->deaths = 0;
	place_start(p, w);
}

static void
call_in(struct pool *p)
{
	struct pool_census n;
	struct place      *w;

	for (n = pool_count(p, 0); n.serving - n.old + n.coming < pool_wanted(p, &n);
	     n = pool_count(p, 0)) {
		if (n.serving + n.coming >= pool_wanted(p, &n) && (n.coming > 0 || n.stopping > 0))
			return;
		if (is_full(p, &n))
			return;
		w = find_empty(p);
		if (!w)
			return;
		start(p, w);
	}
}

/* ---- one that has to prove itself */

void
pool_try(struct pool *p, const struct conf *conf, const struct allow *allow, bool must_connect)
{
	p->trial = (struct trial) {
		.state = TRIAL_WANTED,
		.conf = conf,
		.allow = allow,
		.must_connect = must_connect,
	};
}

/*
 * Places that wait for another try make room: they may wait for ever, for the very thing that this
 * configuration mends.
 */
static void
make_room(struct pool *p)
{
	for (size_t i = 0; i < POOL_PLACES; i++)
		if (p->place[i].life == STATS_LIFE_WAITING)
			place_retire(p, &p->place[i]);
}

static void
begin_trial(struct pool *p)
{
	struct pool_census n;
	struct place      *w;

	if (p->trial.state != TRIAL_WANTED)
		return;
	make_room(p);
	n = pool_count(p, 0);
	w = find_empty(p);
	if (is_full(p, &n) || !w)
		return;
	p->trial.place = w;
	p->trial.state = TRIAL_RUNS;
	start(p, w);
}

static void
look_at_trial(struct pool *p)
{
	struct trial *t = &p->trial;

	if (t->state == TRIAL_RUNS && t->place->life == STATS_LIFE_READY)
		t->state = TRIAL_PASSED;
	else if (t->state == TRIAL_RUNS && !place_is_alive(t->place))
		t->state = TRIAL_FAILED; /* there is no process for it */
}

void
pool_end_trial(struct pool *p)
{
	if (p->trial.place)
		place_retire(p, p->trial.place);
	p->trial = (struct trial) { 0 };
}

void
pool_balance(struct pool *p)
{
	int64_t now = clock_mono_ms();

	for (size_t i = 0; i < POOL_PLACES; i++)
		if (place_due_ms(&p->place[i], now) == 0)
			place_start(p, &p->place[i]);
	send_away(p);
	begin_trial(p);
	call_in(p);
	look_at_trial(p);
}

void
pool_take_ready(struct pool *p)
{
	char bytes[POOL_PLACES];

	/*
	 * The bytes only wake: every worker can write them, and says in its own slot that it
	 * serves. One read, because a worker that writes without end must not hold the loop up.
	 */
	if (read(p->ready_fd, bytes, sizeof(bytes)) <= 0)
		return;
	for (size_t i = 0; i < POOL_PLACES; i++)
		place_look_ready(p, &p->place[i]);
}

int64_t
pool_due_ms(const struct pool *p)
{
	int64_t now = clock_mono_ms();
	int64_t due = INT64_MAX;

	for (size_t i = 0; i < POOL_PLACES; i++) {
		int64_t left = place_due_ms(&p->place[i], now);

		due = left < due ? left : due;
	}
	return due;
}

/* Nobody takes its place. */
static void
fail_trial(struct pool *p, int status)
{
	place_retire(p, p->trial.place);
	p->trial.place = NULL;
	p->trial.status = status;
	p->trial.state = TRIAL_FAILED;
}

bool
pool_bury(struct pool *p, pid_t pid, int status)
{
	for (size_t i = 0; i < POOL_PLACES; i++)
		if (place_is_alive(&p->place[i]) && p->place[i].pid == pid) {
			place_bury(p, &p->place[i], status);
			if (&p->place[i] == p->trial.place)
				fail_trial(p, status);
			return true;
		}
	return false;
}

void
pool_watch(struct pool *p)
{
	for (size_t i = 0; i < POOL_PLACES; i++)
		place_watch(p, &p->place[i]);
}

/* ---- from one program image to another */

void
pool_hand_over(struct pool *p, struct handover *h)
{
	h->workers = 0;
	for (size_t i = 0; i < POOL_PLACES && h->workers < HANDOVER_WORKERS_MAX; i++) {
		struct place *w = &p->place[i];

		if (w->life == STATS_LIFE_STARTING)
			place_retire(p, w);
		if (!place_is_alive(w) || w->killed)
			continue;
		h->worker[h->workers].place = (int64_t)i;
		h->worker[h->workers].pid = w->pid;
		h->worker[h->workers].ready = w->life == STATS_LIFE_READY;
		h->worker[h->workers].forked_ms = w->forked_ms;
		h->worker[h->workers++].requests_before = (int64_t)w->requests_before;
	}
}

void
pool_take_over(struct pool *p, const struct handover *h)
{
	for (size_t i = 0; i < h->workers; i++) {
		struct place *w;

		if (h->worker[i].place >= POOL_PLACES) {
			kill((pid_t)h->worker[i].pid, SIGTERM);
			continue;
		}
		w = &p->place[h->worker[i].place];
		w->pid = (pid_t)h->worker[i].pid;
		w->forked_ms = h->worker[i].forked_ms;
		w->requests_before = (uint64_t)h->worker[i].requests_before;
		place_adopt(p, w, h->worker[i].ready != 0);
	}
}

/* ---- all of them */

void
pool_signal(const struct pool *p, int signal_number)
{
	for (size_t i = 0; i < POOL_PLACES; i++)
		if (place_is_alive(&p->place[i]))
			kill(p->place[i].pid, signal_number);
}

void
pool_stop(struct pool *p)
{
	pool_end_trial(p);
	pool_aim(p, 0, p->most);
	for (size_t i = 0; i < POOL_PLACES; i++)
		place_retire(p, &p->place[i]);
}

void
pool_kill(struct pool *p)
{
	unsigned n = 0;

	for (size_t i = 0; i < POOL_PLACES; i++)
		if (place_is_alive(&p->place[i])) {
			place_kill(&p->place[i]);
			n++;
		}
	if (n)
		log_warn("stopping at once: killed %u workers", n);
}

bool
pool_is_empty(const struct pool *p)
{
	for (size_t i = 0; i < POOL_PLACES; i++)
		if (p->place[i].life != STATS_LIFE_EMPTY)
			return false;
	return true;
}
