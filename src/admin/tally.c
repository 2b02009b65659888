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
	[TALLY_HANDLING] = "handling",
	[TALLY_WAITING] = "waiting",
	[TALLY_STARTING] = "starting",
	[TALLY_STOPPING] = "stopping",
	[TALLY_GIVEN_UP] = "given_up",
};

static const enum tally_state of_state[STATS_STATE__COUNT] = {
	[STATS_STATE_IDLE] = TALLY_IDLE,
	[STATS_STATE_HANDLING] = TALLY_HANDLING,
};

static const enum tally_state of_life[STATS_LIFE__COUNT] = {
	[STATS_LIFE_EMPTY] = TALLY_NOBODY,
	[STATS_LIFE_WAITING] = TALLY_WAITING,
	[STATS_LIFE_STARTING] = TALLY_STARTING,
	[STATS_LIFE_READY] = TALLY_IDLE, /* or what the worker itself says */
	[STATS_LIFE_STOPPING] = TALLY_STOPPING,
	[STATS_LIFE_GIVEN_UP] = TALLY_GIVEN_UP,
};

enum tally_state
tally_state(const struct stats *s, size_t place)
{
	uint32_t            life = word_get(&s->worker[place].life);
	struct stats_report report;

	stats_read(stats_slot(s, place), clock_mono_ms(), &report);
	if (life == STATS_LIFE_READY)
		return of_state[report.state];
	return of_life[life < STATS_LIFE__COUNT ? life : STATS_LIFE_EMPTY];
}

static void
add_histogram(struct tally_histogram *sum, const struct stats_histogram *h)
{
	for (size_t i = 0; i < STATS_BUCKETS; i++)
		sum->count[i] += stats_counted(&h->count[i]);
	sum->sum_us += stats_counted(&h->sum_us);
}

/* What a place has counted stays when its worker is gone. */
static void
add_counters(struct tally *t, const struct stats_slot *slot)
{
	for (size_t i = 0; i < STATS_EVENT__COUNT; i++)
		t->event[i] += stats_counted(&slot->event[i]);
	for (size_t r = 0; r < STATS_ROUTES_MAX; r++) {
		for (size_t c = 0; c < STATS_CLASSES; c++)
			t->answered[r][c] += stats_counted(&slot->answered[r][c]);
		add_histogram(&t->took[r], &slot->took[r]);
	}
	add_histogram(&t->database, &slot->database);
	add_histogram(&t->lane, &slot->lane);
	add_histogram(&t->queued, &slot->queued);
	t->figure[FIGURE_REQUESTS] += (int64_t)stats_counted(&slot->requests);
}

static void
add_worker(struct tally *t, const struct stats *s, size_t place)
{
	enum tally_state    state = tally_state(s, place);
	bool                serving = word_get(&s->worker[place].life) == STATS_LIFE_READY;
	bool                alive = state != TALLY_WAITING && state != TALLY_GIVEN_UP;
	struct stats_report report;

	if (state == TALLY_NOBODY)
		return;
	stats_read(stats_slot(s, place), clock_mono_ms(), &report);
	t->state[state]++;
	t->figure[FIGURE_SERVING] += serving;
	t->figure[FIGURE_IDLE] += serving && state == TALLY_IDLE;
	t->figure[FIGURE_ACTIVE] += alive && report.in_hand > 0;
	if (!alive)
		return;
	t->figure[FIGURE_IN_HAND] += report.in_hand;
	t->figure[FIGURE_LANES] += report.lanes;
	if (report.tenants > t->figure[FIGURE_TENANTS])
		t->figure[FIGURE_TENANTS] = report.tenants;
	if (report.largest > t->figure[FIGURE_LARGEST])
		t->figure[FIGURE_LARGEST] = report.largest;
	t->figure[FIGURE_MEMORY] += (int64_t)report.memory_bytes;
	t->figure[FIGURE_CONNECTED] += report.db == STATS_DB_CONNECTED;
	t->figure[FIGURE_NO_ROOM] += report.db == STATS_DB_NO_ROOM;
}

/* A length of the listen queue as some process found it, or -1. */
static int64_t
length_of(const _Atomic(int64_t) *word)
{
	int64_t length = word_get(word);

	return length < 0 || length > INT32_MAX ? -1 : length;
}

static void
take_pool(const struct stats_pool *p, struct tally *out)
{
	int64_t *f = out->figure;

	for (size_t i = 0; i < STATS_CAUSE__COUNT; i++)
		out->restarts[i] = word_get(&p->restarts[i]);
	f[FIGURE_UP] = 1;
	f[FIGURE_STARTED] = word_get(&p->started_wall_ms);
	f[FIGURE_UPTIME] = clock_age(word_get(&p->started_ms), clock_mono_ms());
	f[FIGURE_CLOCK_JUMPS] = (int64_t)word_get(&p->clock_jumps);
	f[FIGURE_GENERATION] = word_get(&p->generation);
	f[FIGURE_TARGET] = word_get(&p->target);
	f[FIGURE_MIN] = word_get(&p->workers_min);
	f[FIGURE_MAX] = word_get(&p->workers_max);
	f[FIGURE_GIVEN_UP] = word_get(&p->given_up);
	f[FIGURE_MAX_REACHED] = (int64_t)word_get(&p->max_reached);
	f[FIGURE_LISTENING] = !(word_get(&p->unreachable) & STATS_LOST_LISTEN);
	f[FIGURE_STOPPING] = word_get(&p->stopping);
}

/* The supervisor looks now and then; what has been answered was in the hands of one at least. */
static int64_t
peak(const struct stats_pool *p, const struct tally *t)
{
	int64_t seen = word_get(&p->busy_peak);
	int64_t active = t->figure[FIGURE_ACTIVE], least = t->figure[FIGURE_REQUESTS] > 0;

	seen = active > seen ? active : seen;
	return seen > least ? seen : least;
}

static void
take_refusal(const struct change_report *r, enum change_kind kind, struct tally_refusal *last)
{
	if (r->refused_wall_ms <= last->wall_ms)
		return;
	last->wall_ms = r->refused_wall_ms;
	last->kind = kind;
	last->stands = r->code != 0;
	memcpy(last->why, r->why, sizeof(last->why));
}

static void
take_changes(const struct stats_pool *p, struct tally *out)
{
	static const struct {
		enum change_kind kind;
		enum figure      begun, refused, stands;
	} rows[] = {
		{ CHANGE_RELOAD, FIGURE_RELOADS, FIGURE_RELOADS_REFUSED, FIGURE_RELOAD_REFUSED },
		{ CHANGE_UPGRADE, FIGURE_UPGRADES, FIGURE_UPGRADES_REFUSED,
		    FIGURE_UPGRADE_REFUSED },
	};

	for (size_t i = 0; i < COUNTOF(rows); i++) {
		struct change_report r;

		change_read(&p->change[rows[i].kind], &r);
		out->figure[rows[i].begun] = r.begun;
		out->figure[rows[i].refused] = (int64_t)r.refused;
		out->figure[rows[i].stands] = r.code != 0;
		take_refusal(&r, rows[i].kind, &out->refusal);
	}
	out->figure[FIGURE_REFUSAL] = out->refusal.wall_ms ? out->refusal.wall_ms : -1;
}

/* Of a clerk that has died this is what it last said. */
static void
take_clerk(const struct stats *s, struct tally *out)
{
	int64_t *f = out->figure;
	int64_t  since = word_get(&s->clerk->behind_since_wall_ms);
	bool     wanted = word_get(&s->pool->clerk_wanted) != 0;

	f[FIGURE_CLERK] = wanted ? word_get(&s->pool->clerk_pid) != 0 : -1;
	f[FIGURE_CLERK_BEHIND] = !wanted ? -1 : since ? clock_age(since, clock_wall_ms()) : 0;
	for (size_t i = 0; i < STATS_JOB__COUNT; i++) {
		out->done[i] = stats_counted(&s->clerk->done[i]);
		out->failed[i] = stats_counted(&s->clerk->failed[i]);
	}
}

static void
take_shared(const struct stats_shared *shared, struct tally *out)
{
	int64_t *f = out->figure;

	f[FIGURE_SHEDDING] = word_get(&shared->shedding) != 0;
	f[FIGURE_QUEUE_LENGTH] = length_of(&shared->queue_length);
	f[FIGURE_QUEUE_LIMIT] = length_of(&shared->queue_limit);
	f[FIGURE_QUEUE_PEAK] =
	    f[FIGURE_QUEUE_LENGTH] == -1 ? -1 : length_of(&shared->queue_peak);
}

void
tally_take(const struct stats *s, struct tally *out)
{
	*out = (struct tally) { 0 };
	for (size_t i = 0; i < s->slots; i++) {
		add_counters(out, stats_slot(s, i));
		add_worker(out, s, i);
	}
	take_pool(s->pool, out);
	take_changes(s->pool, out);
	out->figure[FIGURE_PEAK] = peak(s->pool, out);
	take_shared(s->shared, out);
	take_clerk(s, out);
	out->figure[FIGURE_CONNECTIONS] = (int64_t)out->event[STATS_EVENT_ACCEPTED];
}
