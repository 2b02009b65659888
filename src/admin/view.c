/* One place of the pool, read once. */
#include "admin/view.h"
#include "app/resources.h"

#include <stdio.h>
#include <time.h>

/*
 * The clock of another process needs no right and no /proc, which may be hidden; of a dead one it
 * is not there.
 */
static int64_t
cpu_ms(int pid)
{
	clockid_t       clock;
	struct timespec used;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) == -1)
		return -1;
	return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

bool
view_read(const struct stats *s, size_t place, int64_t now_ms, struct view *v)
{
	const struct stats_worker *worker = &s->worker[place];
	const struct stats_slot   *slot = stats_slot(s, place);
	uint32_t                   life = word_get(&worker->life);
	uint64_t                   before = word_get(&worker->requests_before);

	if (life == STATS_LIFE_EMPTY || life >= STATS_LIFE__COUNT)
		return false;
	*v = (struct view) {
		.place = place + 1,
		.pid = word_get(&worker->pid),
		.generation = word_get(&worker->generation),
		.life = (enum stats_life)life,
		.age_ms = clock_age(word_get(&worker->forked_ms), now_ms),
		.cpu_ms = -1,
	};
	stats_read(slot, now_ms, &v->own);
	v->alive = v->life == STATS_LIFE_STARTING || v->life == STATS_LIFE_READY
	    || v->life == STATS_LIFE_STOPPING;
	v->state_ms = v->life == STATS_LIFE_READY ? v->own.state_ms : v->age_ms;
	v->requests = v->own.requests > before ? v->own.requests - before : 0;
	v->busy = stats_read_oldest(slot, &v->doing);
	v->doing_ms = v->busy ? clock_age(v->doing.since_ms, now_ms) : 0;
	if (v->alive)
		v->cpu_ms = cpu_ms(v->pid);
	else
		v->own.db = STATS_DB_NONE;
	return true;
}

void
view_route(uint32_t number, char *out, size_t size)
{
	const struct route *route = route_at(number);

	if (route)
		snprintf(out, size, "%s /%s", method_names[route->method], route_text(route));
	else
		snprintf(out, size, "none");
}
