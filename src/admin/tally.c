/* The scoreboard added up. */
#include "admin/tally.h"

#include <string.h>

const struct figure_row figure_rows[FIGURE__COUNT] = {
#define FIGURE(name, json, metric, type, unit, help) { json, metric, FIGURE_##type, unit, help },
	FIGURES(FIGURE)
#undef FIGURE
};

const char *const tally_state_names[TALLY_STATE__COUNT] = {
	[TALLY_IDLE] = "idle",
	[TALLY_READING] = "reading",
	[TALLY_HANDLING] = "handling",
	[TALLY_WRITING] = "writing",
	[TALLY_WAITING] = "waiting",
	[TALLY_STARTING] = "starting",
	[TALLY_STOPPING] = "stopping",
	[TALLY_GIVEN_UP] = "given_up",
};

static const enum tally_state of_state[STATS__COUNT] = {
	[STATS_IDLE] = TALLY_IDLE,
	[STATS_READING] = TALLY_READING,
	[STATS_HANDLING] = TALLY_HANDLING,
	[STATS_WRITING] = TALLY_WRITING,
};

static const enum tally_state of_life[STATS_LIFE__COUNT] = {
	[STATS_EMPTY] = TALLY_NOBODY,
	[STATS_WAITING] = TALLY_WAITING,
	[STATS_STARTING] = TALLY_STARTING,
	[STATS_READY] = TALLY_IDLE, /* the worker itself knows better */
	[STATS_STOPPING] = TALLY_STOPPING,
	[STATS_GIVEN_UP] = TALLY_GIVEN_UP,
};

enum tally_state
tally_state(const struct stats *s, size_t place)
{
	uint32_t life = atomic_load(&s->slot[place].worker.life);
	uint32_t state = atomic_load(&s->slot[place].own.state);

	if (life == STATS_READY)
		return of_state[state < STATS__COUNT ? state : STATS_IDLE];
	return of_life[life < STATS_LIFE__COUNT ? life : STATS_EMPTY];
}

static void
add_histogram(struct tally_histogram *sum, const struct stats_histogram *h)
{
	for (size_t i = 0; i < STATS_BUCKETS; i++)
		sum->count[i] += atomic_load_explicit(&h->count[i], memory_order_relaxed);
	sum->sum_us += atomic_load_explicit(&h->sum_us, memory_order_relaxed);
}

/* What a place has counted stays when its worker is gone. */
static void
add_counters(struct tally *t, const struct stats_slot *own)
{
	for (size_t i = 0; i < STATS__EVENTS; i++)
		t->event[i] += atomic_load_explicit(&own->event[i], memory_order_relaxed);
	for (size_t r = 0; r < STATS_ROUTES_MAX; r++) {
		for (size_t c = 0; c < STATS_CLASSES; c++)
			t->answered[r][c] += atomic_load_explicit(&own->answered[r][c], memory_order_relaxed);
		add_histogram(&t->took[r], &own->took[r]);
	}
	add_histogram(&t->database, &own->database);
	add_histogram(&t->queued, &own->queued);
	t->figure[FIGURE_REQUESTS] += (int64_t)atomic_load_explicit(&own->requests, memory_order_relaxed);
}

static void
add_worker(struct tally *t, const struct stats *s, size_t place)
{
	const struct stats_slot *own = &s->slot[place].own;
	enum tally_state         state = tally_state(s, place);
	bool                     serving = atomic_load(&s->slot[place].worker.life) == STATS_READY;
	bool                     alive = state != TALLY_WAITING && state != TALLY_GIVEN_UP;

	if (state == TALLY_NOBODY)
		return;
	t->state[state]++;
	t->figure[FIGURE_SERVING] += serving;
	t->figure[FIGURE_IDLE] += serving && state == TALLY_IDLE;
	t->figure[FIGURE_ACTIVE] += alive && atomic_load(&own->busy_ms) != 0;
	if (!alive)
		return;
	t->figure[FIGURE_MEMORY] += (int64_t)atomic_load(&own->memory_bytes);
	t->figure[FIGURE_CONNECTED] += atomic_load(&own->db) == STATS_DB_CONNECTED;
}

void
tally_take(const struct stats *s, struct tally *out)
{
	const struct stats_pool *p = &s->pool;
	int64_t                 *f = out->figure;
	int64_t                  uptime_ms;

	*out = (struct tally) { 0 };
	for (size_t i = 0; i < s->slots; i++) {
		add_counters(out, &s->slot[i].own);
		add_worker(out, s, i);
	}
	for (size_t i = 0; i < STATS_CAUSE__COUNT; i++)
		out->restarts[i] = atomic_load(&p->restarts[i]);
	uptime_ms = clock_wall_ms() - atomic_load(&p->started_wall_ms);
	f[FIGURE_UP] = 1;
	f[FIGURE_STARTED] = atomic_load(&p->started_wall_ms);
	f[FIGURE_UPTIME] = uptime_ms > 0 ? uptime_ms : 0;
	f[FIGURE_GENERATION] = atomic_load(&p->generation);
	f[FIGURE_TARGET] = atomic_load(&p->target);
	f[FIGURE_MIN] = atomic_load(&p->workers_min);
	f[FIGURE_MAX] = atomic_load(&p->workers_max);
	f[FIGURE_GIVEN_UP] = atomic_load(&p->given_up);
	f[FIGURE_PEAK] = atomic_load(&p->busy_peak);
	f[FIGURE_MAX_REACHED] = (int64_t)atomic_load(&p->max_reached);
	f[FIGURE_STOPPING] = atomic_load(&p->stopping);
	f[FIGURE_SHEDDING] = atomic_load(&p->shedding);
	f[FIGURE_QUEUE_LENGTH] = atomic_load(&p->queue_length);
	f[FIGURE_QUEUE_LIMIT] = atomic_load(&p->queue_limit);
	f[FIGURE_QUEUE_PEAK] = f[FIGURE_QUEUE_LENGTH] == -1 ? -1 : atomic_load(&p->queue_peak);
	f[FIGURE_ACCEPTED] = f[FIGURE_REQUESTS] + (int64_t)out->event[STATS_USELESS]
	    + (int64_t)out->event[STATS_ABANDONED] + (int64_t)out->event[STATS_CANCELLED];
}
