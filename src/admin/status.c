/* What the pool and each of its workers is at. */
#include "admin/status.h"
#include "app/resources.h"
#include "json/jwrite.h"

#include "config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	SECOND_MS = 1000,
	MINUTE_MS = 60 * SECOND_MS,
	HOUR_MS = 60 * MINUTE_MS,
	DAY_MS = 24 * HOUR_MS,
	CELL_BYTES = 256, /* a route and the longest request id fit */
};

/* One place of the pool that is not empty, read once. */
struct view {
	size_t             place; /* from 1 */
	int                pid;
	uint32_t           generation, life, state, db;
	int64_t            age_ms, state_ms; /* since it was forked, since the state began */
	uint64_t           requests, memory_bytes;
	int64_t            cpu_ms; /* -1: not known */
	bool               busy;
	struct stats_doing doing; /* when busy */
	int64_t            doing_ms;
	uint32_t           last_route, last_status; /* status 0: there was no request */
	int64_t            last_us;
};

/* ---- reading */

/* The clock of another process needs no right and no /proc, which may be hidden; of a dead one it is not there. */
static int64_t
cpu_ms(int pid)
{
	clockid_t       clock;
	struct timespec used;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) == -1)
		return -1;
	return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static bool
is_alive(const struct view *v)
{
	return v->life == STATS_STARTING || v->life == STATS_READY || v->life == STATS_STOPPING;
}

/* False: the place is empty. */
static bool
look(const struct stats *s, size_t place, int64_t now, struct view *v)
{
	const struct stats_worker *worker = &s->slot[place].worker;
	const struct stats_slot   *own = &s->slot[place].own;
	bool                       alive;

	*v = (struct view) {
		.place = place + 1,
		.pid = atomic_load(&worker->pid),
		.generation = atomic_load(&worker->generation),
		.life = atomic_load(&worker->life),
		.state = atomic_load(&own->state),
		.db = atomic_load(&own->db),
		.age_ms = now - atomic_load(&worker->forked_ms),
		.requests = atomic_load(&own->requests) - atomic_load(&worker->requests_before),
		.memory_bytes = atomic_load(&own->memory_bytes),
		.last_route = atomic_load(&own->last_route),
		.last_status = atomic_load(&own->last_status),
		.last_us = atomic_load(&own->last_us),
	};
	if (v->life == STATS_EMPTY || v->life >= STATS_LIFE__COUNT)
		return false;
	alive = is_alive(v);
	v->state_ms = v->life == STATS_READY ? now - atomic_load(&own->since_ms) : v->age_ms;
	v->busy = stats_read_doing(own, &v->doing);
	v->doing_ms = v->busy ? now - v->doing.since_ms : 0;
	v->cpu_ms = alive ? cpu_ms(v->pid) : -1;
	if (v->state >= STATS__COUNT)
		v->state = STATS_IDLE;
	if (v->db >= STATS_DB__COUNT || !alive)
		v->db = STATS_DB_NONE;
	return true;
}

/* "GET /customers/{id}", or "none" for what is no route. */
static void
print_route(uint32_t number, char *out, size_t size)
{
	const struct route *route = route_at(number);

	if (route)
		snprintf(out, size, "%s /%s", method_names[route->method], route->pattern);
	else
		snprintf(out, size, "none");
}

/* ---- JSON */

static void
put_route(struct json_object *object, uint32_t number)
{
	char route[CELL_BYTES];

	print_route(number, route, sizeof(route));
	jwrite_put(object, "route", jwrite_str(str_of(route)));
}

static struct json_object *
doing_json(const struct view *v)
{
	struct json_object *doing;

	if (!v->busy)
		return NULL;
	doing = jwrite_object();
	put_route(doing, v->doing.route);
	jwrite_put(doing, "requestId", jwrite_str(str_of(v->doing.request_id[0] ? v->doing.request_id : NULL)));
	jwrite_put(doing, "ms", jwrite_int(v->doing_ms));
	return doing;
}

static struct json_object *
last_json(const struct view *v)
{
	struct json_object *last;

	if (v->last_status == 0)
		return NULL;
	last = jwrite_object();
	put_route(last, v->last_route);
	jwrite_put(last, "status", jwrite_int(v->last_status));
	jwrite_put(last, "us", jwrite_int(v->last_us));
	return last;
}

static struct json_object *
worker_json(const struct view *v)
{
	struct json_object *w = jwrite_object();

	jwrite_put(w, "place", jwrite_int((int64_t)v->place));
	jwrite_put(w, "pid", jwrite_int(v->pid));
	jwrite_put(w, "generation", jwrite_int(v->generation));
	jwrite_put(w, "life", jwrite_str(str_of(stats_life_names[v->life])));
	jwrite_put(w, "ageMs", jwrite_int(v->age_ms));
	jwrite_put(w, "state", jwrite_str(str_of(stats_state_names[v->state])));
	jwrite_put(w, "stateMs", jwrite_int(v->state_ms));
	jwrite_put(w, "requests", jwrite_int((int64_t)v->requests));
	jwrite_put(w, "doing", doing_json(v));
	jwrite_put(w, "last", last_json(v));
	jwrite_put(w, "cpuMs", v->cpu_ms == -1 ? NULL : jwrite_int(v->cpu_ms));
	jwrite_put(w, "memoryBytes", v->memory_bytes ? jwrite_int((int64_t)v->memory_bytes) : NULL);
	jwrite_put(w, "database", jwrite_str(str_of(stats_db_names[v->db])));
	return w;
}

static struct json_object *
counts_json(const uint64_t *count, const char *const *names, size_t n)
{
	struct json_object *counts = jwrite_object();

	for (size_t i = 0; i < n; i++)
		jwrite_put(counts, names[i], jwrite_int((int64_t)count[i]));
	return counts;
}

struct json_object *
status_pool(const struct tally *t)
{
	struct json_object *pool = jwrite_object();

	for (size_t i = 0; i < FIGURE__COUNT; i++)
		if (figure_rows[i].json)
			jwrite_put(pool, figure_rows[i].json, t->figure[i] == -1 ? NULL : jwrite_int(t->figure[i]));
	return pool;
}

void
status_write_json(const struct stats *s, const struct tally *t, struct buf *out)
{
	AUTO_JSON struct json_object *all = jwrite_object();
	struct json_object           *workers = jwrite_array();
	int64_t                       now = clock_mono_ms();
	struct view                   v;

	for (size_t i = 0; i < s->slots; i++)
		if (look(s, i, now, &v))
			jwrite_push(workers, worker_json(&v));
	jwrite_put(all, "version", jwrite_str(STR(PACKAGE_VERSION)));
	jwrite_put(all, "ready", jwrite_bool(t->figure[FIGURE_READY] == 1));
	jwrite_put(all, "pool", status_pool(t));
	jwrite_put(all, "states", counts_json(t->state, tally_state_names, TALLY_STATE__COUNT));
	jwrite_put(all, "events", counts_json(t->event, stats_event_names, STATS__EVENTS));
	jwrite_put(all, "restarts", counts_json(t->restarts, stats_cause_names, STATS_CAUSE__COUNT));
	jwrite_put(all, "workers", workers);
	jwrite_text(all, out);
	buf_str(out, STR("\n"));
}

/* ---- text */

/* Two units at most: 312ms, 3.2s, 5m12s, 3h05m, 2d03h. */
static void
print_ms(int64_t ms, char *out, size_t size)
{
	if (ms < SECOND_MS)
		snprintf(out, size, "%jdms", (intmax_t)(ms > 0 ? ms : 0));
	else if (ms < MINUTE_MS)
		snprintf(out, size, "%jd.%jds", (intmax_t)(ms / SECOND_MS), (intmax_t)(ms % SECOND_MS / 100));
	else if (ms < HOUR_MS)
		snprintf(out, size, "%jdm%02jds", (intmax_t)(ms / MINUTE_MS), (intmax_t)(ms % MINUTE_MS / SECOND_MS));
	else if (ms < DAY_MS)
		snprintf(out, size, "%jdh%02jdm", (intmax_t)(ms / HOUR_MS), (intmax_t)(ms % HOUR_MS / MINUTE_MS));
	else
		snprintf(out, size, "%jdd%02jdh", (intmax_t)(ms / DAY_MS), (intmax_t)(ms % DAY_MS / HOUR_MS));
}

static void
cell_place(const struct view *v, char *out, size_t size)
{
	snprintf(out, size, "%zu", v->place);
}

static void
cell_pid(const struct view *v, char *out, size_t size)
{
	if (is_alive(v))
		snprintf(out, size, "%d", v->pid);
}

static void
cell_life(const struct view *v, char *out, size_t size)
{
	snprintf(out, size, "%s", stats_life_names[v->life]);
}

static void
cell_age(const struct view *v, char *out, size_t size)
{
	print_ms(v->age_ms, out, size);
}

static void
cell_state(const struct view *v, char *out, size_t size)
{
	if (v->life == STATS_READY || v->life == STATS_STOPPING)
		snprintf(out, size, "%s", stats_state_names[v->state]);
}

static void
cell_for(const struct view *v, char *out, size_t size)
{
	print_ms(v->state_ms, out, size);
}

static void
cell_requests(const struct view *v, char *out, size_t size)
{
	snprintf(out, size, "%ju", (uintmax_t)v->requests);
}

static void
cell_cpu(const struct view *v, char *out, size_t size)
{
	if (v->cpu_ms != -1)
		print_ms(v->cpu_ms, out, size);
}

static void
cell_memory(const struct view *v, char *out, size_t size)
{
	uint64_t tenths = v->memory_bytes / (1024 * 1024 / 10);

	if (v->memory_bytes && is_alive(v))
		snprintf(out, size, "%ju.%juM", (uintmax_t)(tenths / 10), (uintmax_t)(tenths % 10));
}

static void
cell_database(const struct view *v, char *out, size_t size)
{
	snprintf(out, size, "%s", stats_db_names[v->db]);
}

static void
cell_status(const struct view *v, char *out, size_t size)
{
	if (v->last_status)
		snprintf(out, size, "%u", v->last_status);
}

static void
cell_took(const struct view *v, char *out, size_t size)
{
	if (v->last_status && v->last_us < 100 * 1000)
		snprintf(out, size, "%jd.%02jdms", (intmax_t)(v->last_us / 1000), (intmax_t)(v->last_us % 1000 / 10));
	else if (v->last_status)
		print_ms(v->last_us / 1000, out, size);
}

static void
cell_last(const struct view *v, char *out, size_t size)
{
	if (v->last_status)
		print_route(v->last_route, out, size);
}

static void
cell_now(const struct view *v, char *out, size_t size)
{
	char route[64], age[32];

	if (!v->busy)
		return;
	print_route(v->doing.route, route, sizeof(route));
	print_ms(v->doing_ms, age, sizeof(age));
	snprintf(out, size, "%s %s %s", route, v->doing.request_id, age);
}

static const struct {
	const char *title;
	bool        left; /* numbers stand at the right of their column */
	void (*print)(const struct view *v, char *out, size_t size); /* leaves "-" when there is nothing */
} columns[] = {
	{ "#", false, cell_place },
	{ "pid", false, cell_pid },
	{ "life", true, cell_life },
	{ "age", false, cell_age },
	{ "state", true, cell_state },
	{ "for", false, cell_for },
	{ "requests", false, cell_requests },
	{ "cpu", false, cell_cpu },
	{ "memory", false, cell_memory },
	{ "database", true, cell_database },
	{ "status", false, cell_status },
	{ "took", false, cell_took },
	{ "last route", true, cell_last },
	{ "now", true, cell_now },
};

/* Text of a cell; without a worker the title. */
static void
print_cell(const struct view *v, size_t column, char *out, size_t size)
{
	snprintf(out, size, "%s", v ? "-" : columns[column].title);
	if (v)
		columns[column].print(v, out, size);
}

static void
widen(const struct view *v, int *widths)
{
	char cell[CELL_BYTES];

	for (size_t i = 0; i < COUNTOF(columns); i++) {
		print_cell(v, i, cell, sizeof(cell));
		if ((int)strlen(cell) > widths[i])
			widths[i] = (int)strlen(cell);
	}
}

static void
write_row(const struct view *v, const int *widths, struct buf *out)
{
	char cell[CELL_BYTES];

	for (size_t i = 0; i < COUNTOF(columns); i++) {
		bool last = i + 1 == COUNTOF(columns);

		print_cell(v, i, cell, sizeof(cell));
		buf_fmt(out, "%*s%s", last ? 0 : columns[i].left ? -widths[i] : widths[i], cell, last ? "\n" : "  ");
	}
}

static void
write_counts(struct buf *out, const char *title, const uint64_t *count, const char *const *names, size_t n)
{
	const char *separator = "";

	buf_fmt(out, "%-10s", title);
	for (size_t i = 0; i < n; i++)
		if (count[i]) {
			buf_fmt(out, "%s%ju %s", separator, (uintmax_t)count[i], names[i]);
			separator = ", ";
		}
	buf_fmt(out, "%s\n", separator[0] ? "" : "none");
}

static void
write_pool(const struct tally *t, struct buf *out)
{
	const int64_t *f = t->figure;
	char           up[32];

	print_ms(f[FIGURE_UPTIME], up, sizeof(up));
	buf_fmt(out, "clientele " PACKAGE_VERSION "  up %s, generation %jd, %s%s\n", up, (intmax_t)f[FIGURE_GENERATION],
	    f[FIGURE_READY] ? "ready" : "not ready", f[FIGURE_STOPPING] ? ", stopping" : "");
	buf_fmt(out, "%-10s%jd serve of %jd (%jd to %jd), %jd idle, %jd active; most at once %jd, "
	    "maximum reached %jdx\n",
	    "workers", (intmax_t)f[FIGURE_SERVING], (intmax_t)f[FIGURE_TARGET], (intmax_t)f[FIGURE_MIN],
	    (intmax_t)f[FIGURE_MAX], (intmax_t)f[FIGURE_IDLE], (intmax_t)f[FIGURE_ACTIVE], (intmax_t)f[FIGURE_PEAK],
	    (intmax_t)f[FIGURE_MAX_REACHED]);
	buf_fmt(out, "%-10s%jd accepted, %jd answered, %ju slow\n", "requests", (intmax_t)f[FIGURE_ACCEPTED],
	    (intmax_t)f[FIGURE_REQUESTS], (uintmax_t)t->event[STATS_SLOW]);
	if (f[FIGURE_QUEUE_LENGTH] == -1)
		buf_fmt(out, "%-10snot known\n", "queue");
	else
		buf_fmt(out, "%-10s%jd of %jd wait, at most %jd%s\n", "queue", (intmax_t)f[FIGURE_QUEUE_LENGTH],
		    (intmax_t)f[FIGURE_QUEUE_LIMIT], (intmax_t)f[FIGURE_QUEUE_PEAK],
		    f[FIGURE_SHEDDING] ? "; requests are refused" : "");
	buf_fmt(out, "%-10s%s, %jd workers connected\n", "database", f[FIGURE_DATABASE] ? "reachable" : "not reachable",
	    (intmax_t)f[FIGURE_CONNECTED]);
	write_counts(out, "restarts", t->restarts, stats_cause_names, STATS_CAUSE__COUNT);
	write_counts(out, "events", t->event, stats_event_names, STATS__EVENTS);
}

void
status_write_text(const struct stats *s, const struct tally *t, struct buf *out)
{
	int64_t     now = clock_mono_ms();
	int         widths[COUNTOF(columns)] = { 0 };
	struct view v;

	write_pool(t, out);
	buf_str(out, STR("\n"));
	widen(NULL, widths);
	for (size_t i = 0; i < s->slots; i++)
		if (look(s, i, now, &v))
			widen(&v, widths);
	write_row(NULL, widths, out);
	for (size_t i = 0; i < s->slots; i++)
		if (look(s, i, now, &v))
			write_row(&v, widths, out);
}
