/* The places of workers. */
#include "master/pool.h"
#include "base/backoff.h"
#include "base/log.h"
#include "master/child.h"
#include "master/obituary.h"
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	READY_TIMEOUT_MS = 30000,
	HANG_FACTOR = 3, /* a request is read, handled and written, each in request_timeout */
};

static unsigned
number(const struct pool *p, const struct place *w)
{
	return (unsigned)(w - p->place) + 1;
}

static struct stats *
board(const struct pool *p)
{
	return p->heritage->stats;
}

static struct stats_slot *
own(const struct pool *p, const struct place *w)
{
	return &board(p)->slot[w - p->place].own;
}

static uint64_t
requests(const struct pool *p, const struct place *w)
{
	return atomic_load_explicit(&own(p, w)->requests, memory_order_relaxed) - w->requests_before;
}

static bool
is_alive(const struct place *w)
{
	return w->life == STATS_STARTING || w->life == STATS_READY || w->life == STATS_STOPPING;
}

static bool
is_old(const struct pool *p, const struct place *w)
{
	return w->generation != p->generation;
}

static void
enter(struct pool *p, struct place *w, enum stats_life life)
{
	struct stats_worker *told = &board(p)->slot[w - p->place].worker;

	log_debug("worker %u: %s -> %s", number(p, w), stats_life_names[w->life], stats_life_names[life]);
	w->life = life;
	w->since_ms = clock_mono_ms();
	atomic_store_explicit(&told->pid, is_alive(w) ? (int32_t)w->pid : 0, memory_order_relaxed);
	atomic_store_explicit(&told->forked_ms, w->forked_ms, memory_order_relaxed);
	atomic_store_explicit(&told->generation, w->generation, memory_order_relaxed);
	atomic_store_explicit(&told->requests_before, w->requests_before, memory_order_relaxed);
	atomic_store_explicit(&told->life, life, memory_order_relaxed);
}

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

static void
wait_for_turn(struct pool *p, struct place *w, int64_t pause_ms)
{
	w->backoff_ms = pause_ms;
	enter(p, w, STATS_WAITING);
}

static void
start(struct pool *p, struct place *w)
{
	struct heritage    h = *p->heritage;
	struct stats_slot *stats = own(p, w);

	h.place = (size_t)(w - p->place);
	stats_begin(stats);
	w->requests_before = atomic_load_explicit(&stats->requests, memory_order_relaxed);
	w->forked_ms = clock_mono_ms();
	w->generation = p->generation;
	w->killed = false;
	w->killed_for = STATS_CAUSE__COUNT;
	w->pid = child_fork(CHILD_WORKER, &h);
	if (w->pid == 0)
		exit(worker_run(&h));
	if (w->pid == -1)
		wait_for_turn(p, w, backoff_after(w->backoff_ms));
	else
		enter(p, w, STATS_STARTING);
}

static void
kill_worker(struct place *w)
{
	if (is_alive(w))
		kill(w->pid, SIGKILL);
	w->killed = true;
}

/* Lets a worker finish; one that does not serve yet has nothing to finish. */
static void
retire(struct pool *p, struct place *w)
{
	switch (w->life) {
	case STATS_EMPTY:
	case STATS_STOPPING:
		return;
	case STATS_WAITING:
	case STATS_GIVEN_UP:
		enter(p, w, STATS_EMPTY);
		return;
	case STATS_STARTING:
		kill_worker(w);
		break;
	case STATS_READY:
		kill(w->pid, SIGTERM);
		break;
	case STATS_LIFE__COUNT:
		break;
	}
	enter(p, w, STATS_STOPPING);
}

/* ---- how many there are, and how many there should be */

struct pool_census
pool_count(const struct pool *p, int64_t spare_idle_ms)
{
	struct pool_census n = { 0 };
	int64_t            now = clock_mono_ms();

	for (size_t i = 0; i < POOL_PLACES; i++) {
		const struct place *w = &p->place[i];
		bool                serves = w->life == STATS_READY;
		bool                busy = serves && atomic_load_explicit(&own(p, w)->busy_ms, memory_order_relaxed) != 0;

		n.serving += serves;
		n.busy += busy;
		n.spare += serves && !busy
		    && now - atomic_load_explicit(&own(p, w)->since_ms, memory_order_relaxed) >= spare_idle_ms;
		n.old += serves && is_old(p, w);
		n.coming += w->life == STATS_STARTING || w->life == STATS_WAITING;
		n.stopping += w->life == STATS_STOPPING;
		n.given_up += w->life == STATS_GIVEN_UP;
	}
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
		if (p->place[i].life == STATS_EMPTY)
			return &p->place[i];
	return NULL;
}

/* How gladly a worker is let go: first who does not serve yet, then who is idle; 0: not at all. */
static int
dispensable(const struct pool *p, const struct place *w)
{
	if (w->life == STATS_WAITING)
		return 4;
	if (w->life == STATS_STARTING)
		return 3;
	if (w->life != STATS_READY)
		return 0;
	return atomic_load_explicit(&own(p, w)->busy_ms, memory_order_relaxed) == 0 ? 2 : 1;
}

enum who { ANYBODY, OLD };

static struct place *
find_dispensable(struct pool *p, enum who who)
{
	struct place *best = NULL;
	int           best_rank = 0;
	int64_t       best_since = 0;

	for (size_t i = 0; i < POOL_PLACES; i++) {
		struct place *w = &p->place[i];
		int           rank = who == OLD && (w->life != STATS_READY || !is_old(p, w)) ? 0 : dispensable(p, w);
		int64_t       since;

		if (rank == 0)
			continue;
		/* Of the idle the longest idle: the kernel wakes those that came first, so they are the ones in use. */
		since = atomic_load_explicit(&own(p, w)->since_ms, memory_order_relaxed);
		if (rank > best_rank || (rank == best_rank && since < best_since)) {
			best = w;
			best_rank = rank;
			best_since = since;
		}
	}
	return best;
}

void
pool_aim(struct pool *p, unsigned target, unsigned most)
{
	p->target = target;
	p->most = most;
	for (size_t i = 0; i < POOL_PLACES; i++) {
		struct place *w = &p->place[i];

		if (w->life == STATS_GIVEN_UP)
			enter(p, w, STATS_EMPTY);
	}
}

void
pool_renew(struct pool *p)
{
	p->generation++;
	for (size_t i = 0; i < POOL_PLACES; i++)
		if (p->place[i].life != STATS_READY)
			retire(p, &p->place[i]);
}

/*
 * Those of an earlier generation leave first, each when its successor serves, so
 * that the pool is never smaller than the target and at most one larger. For a
 * place that was given up an old one stays.
 */
static void
send_away(struct pool *p)
{
	struct pool_census n;

	for (n = pool_count(p, 0); n.old > 0 && n.serving > p->target; n = pool_count(p, 0))
		retire(p, find_dispensable(p, OLD));
	for (; n.old == 0 && n.serving + n.coming > pool_wanted(p, &n); n = pool_count(p, 0))
		retire(p, find_dispensable(p, ANYBODY));
}

static void
call_in(struct pool *p)
{
	struct pool_census n;
	struct place      *w;
	unsigned           limit = (p->most > p->target ? p->most : p->target) + 1;

	for (n = pool_count(p, 0); n.serving - n.old + n.coming < pool_wanted(p, &n); n = pool_count(p, 0)) {
		if (n.serving + n.coming >= pool_wanted(p, &n) && (n.coming > 0 || n.stopping > 0))
			return;
		if (n.serving + n.coming + n.stopping >= limit)
			return;
		w = find_empty(p);
		if (!w)
			return;
		w->backoff_ms = 0;
		w->deaths = 0;
		start(p, w);
	}
}

void
pool_balance(struct pool *p)
{
	int64_t now = clock_mono_ms();

	for (size_t i = 0; i < POOL_PLACES; i++) {
		struct place *w = &p->place[i];

		if (w->life == STATS_WAITING && now - w->since_ms >= w->backoff_ms)
			start(p, w);
	}
	send_away(p);
	call_in(p);
}

void
pool_take_ready(struct pool *p)
{
	pid_t pid;

	while (read(p->ready_fd, &pid, sizeof(pid)) == (ssize_t)sizeof(pid))
		for (size_t i = 0; i < POOL_PLACES; i++)
			if (p->place[i].life == STATS_STARTING && p->place[i].pid == pid)
				enter(p, &p->place[i], STATS_READY);
}

int64_t
pool_due_ms(const struct pool *p)
{
	int64_t now = clock_mono_ms();
	int64_t due = INT64_MAX;

	for (size_t i = 0; i < POOL_PLACES; i++) {
		const struct place *w = &p->place[i];
		int64_t             left = w->since_ms + w->backoff_ms - now;

		if (w->life == STATS_WAITING && left < due)
			due = left > 0 ? left : 0;
	}
	return due;
}

/* ---- deaths */

/* Why a place is empty; STATS_CAUSE__COUNT: because it was told so, or shall be. */
static enum stats_cause
cause_of(const struct pool *p, const struct place *w, int status)
{
	uint32_t leaves = atomic_load_explicit(&own(p, w)->leaves, memory_order_relaxed);

	if (w->killed)
		return w->killed_for;
	if (w->life == STATS_STOPPING && status == 0)
		return is_old(p, w) ? STATS_CAUSE_RELOAD : STATS_CAUSE__COUNT;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? STATS_CAUSE_SANDBOX : STATS_CAUSE_CRASH;
	if (status == 0)
		return leaves > 0 && leaves <= STATS_CAUSE__COUNT ? (enum stats_cause)(leaves - 1) : STATS_CAUSE__COUNT;
	return WEXITSTATUS(status) == EXIT_CONFIG ? STATS_CAUSE_CONFIG : STATS_CAUSE_EXIT;
}

/* The one that died was needed. */
static void
succeed(struct pool *p, struct place *w, int status)
{
	bool unfit = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CONFIG;

	/*
	 * Who has answered died of something that came later. It does not count,
	 * or requests that kill could keep a whole pool waiting.
	 */
	if (requests(p, w) > 0 || clock_mono_ms() - w->forked_ms >= BACKOFF_FORGET_MS) {
		w->deaths = 0;
		w->backoff_ms = 0;
	}
	if (!unfit && ++w->deaths >= p->patience) {
		log_error("worker %u is given up: %u died in a row without an answer; a reload or a change of workers "
			  "tries again",
		    number(p, w), w->deaths);
		enter(p, w, STATS_GIVEN_UP);
		return;
	}
	/* What only a person can mend is tried slowly, and for ever. */
	wait_for_turn(p, w, unfit ? BACKOFF_MAX_MS : backoff_after(w->backoff_ms));
}

static void
bury(struct pool *p, struct place *w, int status)
{
	/* Leaving after max_requests or max_memory is no death. */
	bool left = status == 0
	    && (w->life == STATS_STOPPING || atomic_load_explicit(&own(p, w)->leaves, memory_order_relaxed) != 0);
	bool told = w->life == STATS_STOPPING && w->killed;

	enum stats_cause cause = cause_of(p, w, status);

	if (cause != STATS_CAUSE__COUNT)
		stats_count(&board(p)->pool.restarts[cause]);
	if (!left && !told)
		obituary_log(&(struct obituary) {
		    .number = number(p, w),
		    .pid = w->pid,
		    .status = status,
		    .life = w->life,
		    .forked_ms = w->forked_ms,
		    .requests = requests(p, w),
		    .own = own(p, w),
		});
	stats_enter(own(p, w), STATS_IDLE);
	if (left || w->life == STATS_STOPPING || p->target == 0 || is_old(p, w))
		enter(p, w, STATS_EMPTY);
	else
		succeed(p, w, status);
}

bool
pool_bury(struct pool *p, pid_t pid, int status)
{
	for (size_t i = 0; i < POOL_PLACES; i++)
		if (is_alive(&p->place[i]) && p->place[i].pid == pid) {
			bury(p, &p->place[i], status);
			return true;
		}
	return false;
}

void
pool_watch(struct pool *p)
{
	int64_t now = clock_mono_ms();
	int64_t hang_ms = p->heritage->conf->request_timeout_ms * HANG_FACTOR;

	for (size_t i = 0; i < POOL_PLACES; i++) {
		struct place *w = &p->place[i];
		int64_t       busy_ms;
		const char   *why = NULL;
		char          doing[OBITUARY_DOING_BYTES];

		if (!is_alive(w) || w->killed)
			continue;
		busy_ms = atomic_load(&own(p, w)->busy_ms);
		if (busy_ms != 0 && now - busy_ms > hang_ms) {
			why = "one request takes too long";
			w->killed_for = STATS_CAUSE_HANG;
		} else if (w->life == STATS_STARTING && now - w->since_ms > READY_TIMEOUT_MS) {
			why = "it does not become ready";
			w->killed_for = STATS_CAUSE_START;
		} else if (w->life == STATS_STOPPING && now - w->since_ms > p->heritage->conf->shutdown_timeout_ms)
			why = "it does not leave";
		if (!why)
			continue;
		obituary_doing(own(p, w), doing);
		log_error("worker %u is killed: %s pid=%d%s", number(p, w), why, (int)w->pid, doing);
		kill_worker(w);
	}
}

/* ---- from one program image to another */

void
pool_hand_over(struct pool *p, struct handover *h)
{
	h->workers = 0;
	for (size_t i = 0; i < POOL_PLACES && h->workers < HANDOVER_WORKERS_MAX; i++) {
		struct place *w = &p->place[i];

		if (w->life == STATS_STARTING)
			retire(p, w);
		if (!is_alive(w) || w->killed)
			continue;
		h->worker[h->workers].place = (int64_t)i;
		h->worker[h->workers].pid = w->pid;
		h->worker[h->workers].ready = w->life == STATS_READY;
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
		w->generation = p->generation;
		w->killed_for = STATS_CAUSE__COUNT;
		enter(p, w, h->worker[i].ready ? STATS_READY : STATS_STOPPING);
	}
}

/* ---- all of them */

void
pool_signal(const struct pool *p, int signal_number)
{
	for (size_t i = 0; i < POOL_PLACES; i++)
		if (is_alive(&p->place[i]))
			kill(p->place[i].pid, signal_number);
}

void
pool_stop(struct pool *p)
{
	pool_aim(p, 0, p->most);
	for (size_t i = 0; i < POOL_PLACES; i++)
		retire(p, &p->place[i]);
}

void
pool_kill(struct pool *p)
{
	unsigned n = 0;

	for (size_t i = 0; i < POOL_PLACES; i++)
		if (is_alive(&p->place[i])) {
			kill_worker(&p->place[i]);
			n++;
		}
	if (n)
		log_warn("at once: %u workers killed", n);
}

bool
pool_is_empty(const struct pool *p)
{
	for (size_t i = 0; i < POOL_PLACES; i++)
		if (p->place[i].life != STATS_EMPTY)
			return false;
	return true;
}
