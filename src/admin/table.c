/* The same as status.c, for people. */
#include "admin/table.h"
#include "admin/view.h"

#include "config.h"

#include <stdio.h>
#include <string.h>

enum {
	SECOND_MS = 1000,
	MINUTE_MS = 60 * SECOND_MS,
	HOUR_MS = 60 * MINUTE_MS,
	DAY_MS = 24 * HOUR_MS,
	CELL_BYTES = 256, /* a route and the longest request id fit */
};

/* Two units at most: 312ms, 3.2s, 5m12s, 3h05m, 2d03h. */
static void
print_ms(int64_t ms, char *out, size_t size)
{
	static const struct {
		int64_t below_ms, unit_ms, rest_ms;
		char    behind_unit;
		int     digits; /* of the rest */
		char    behind_rest;
	} rows[] = {
		{ MINUTE_MS, SECOND_MS, SECOND_MS / 10, '.', 1, 's' },
		{ HOUR_MS, MINUTE_MS, SECOND_MS, 'm', 2, 's' },
		{ DAY_MS, HOUR_MS, MINUTE_MS, 'h', 2, 'm' },
		{ INT64_MAX, DAY_MS, HOUR_MS, 'd', 2, 'h' },
	};
	size_t i = 0;

	if (ms < SECOND_MS) {
		snprintf(out, size, "%jdms", (intmax_t)ms);
		return;
	}
	while (ms >= rows[i].below_ms)
		i++;
	snprintf(out, size, "%jd%c%0*jd%c", (intmax_t)(ms / rows[i].unit_ms), rows[i].behind_unit,
	    rows[i].digits, (intmax_t)(ms % rows[i].unit_ms / rows[i].rest_ms),
	    rows[i].behind_rest);
}

static void
cell_place(const struct view *v, char *out, size_t size)
{
	snprintf(out, size, "%zu", v->place);
}

static void
cell_pid(const struct view *v, char *out, size_t size)
{
	if (v->alive)
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
	if (v->life == STATS_LIFE_READY || v->life == STATS_LIFE_STOPPING)
		snprintf(out, size, "%s", stats_state_names[v->own.state]);
}

static void
cell_in_hand(const struct view *v, char *out, size_t size)
{
	if (v->alive)
		snprintf(out, size, "%u", v->own.in_hand);
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
	uint64_t tenths = v->own.memory_bytes / (1024 * 1024 / 10);

	if (v->own.memory_bytes && v->alive)
		snprintf(out, size, "%ju.%juM", (uintmax_t)(tenths / 10), (uintmax_t)(tenths % 10));
}

static void
cell_database(const struct view *v, char *out, size_t size)
{
	snprintf(out, size, "%s", stats_db_names[v->own.db]);
	if (v->alive && v->own.lanes)
		snprintf(out, size, "%s (%u)", stats_db_names[v->own.db], v->own.lanes);
}

static void
cell_status(const struct view *v, char *out, size_t size)
{
	if (v->own.last_status)
		snprintf(out, size, "%u", v->own.last_status);
}

static void
cell_took(const struct view *v, char *out, size_t size)
{
	if (v->own.last_status && v->own.last_us < 100 * 1000)
		snprintf(out, size, "%jd.%02jdms", (intmax_t)(v->own.last_us / 1000),
		    (intmax_t)(v->own.last_us % 1000 / 10));
	else if (v->own.last_status)
		print_ms(v->own.last_us / 1000, out, size);
}

static void
cell_last(const struct view *v, char *out, size_t size)
{
	if (v->own.last_status)
		view_route(v->own.last_route, out, size);
}

static void
cell_now(const struct view *v, char *out, size_t size)
{
	char route[64], age[32];

	if (!v->busy)
		return;
	view_route(v->doing.route, route, sizeof(route));
	print_ms(v->doing_ms, age, sizeof(age));
	snprintf(out, size, "%s %s %s", route, v->doing.request_id, age);
}

static const struct {
	const char *title;
	bool        left; /* numbers stand at the right of their column */
	/* Leaves the "-" that is there when it has nothing to show. */
	void (*print)(const struct view *v, char *out, size_t size);
} columns[] = {
	{ "#", false, cell_place },
	{ "pid", false, cell_pid },
	{ "life", true, cell_life },
	{ "age", false, cell_age },
	{ "state", true, cell_state },
	{ "in hand", false, cell_in_hand },
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
		int  width = last ? 0 : columns[i].left ? -widths[i] : widths[i];

		print_cell(v, i, cell, sizeof(cell));
		buf_fmt(out, "%*s%s", width, cell, last ? "\n" : "  ");
	}
}

static void
write_counts(struct buf *out, const char *title, const uint64_t *count, const char *const *names,
    size_t n)
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

static const char *const conditions[DB_CONDITION__COUNT] = {
	[DB_CONDITION_FIT] = "reachable",
	[DB_CONDITION_READ_ONLY] = "reachable, but read-only",
	[DB_CONDITION_NO_ROOM] = "reachable, but without room for another connection",
	[DB_CONDITION_REFUSED] = "refuses the login",
	[DB_CONDITION_UNREACHABLE] = "unreachable",
	[DB_CONDITION_UNFIT] = "reachable, but not fit",
};

static void
write_refusal(const struct tally_refusal *r, struct buf *out)
{
	char age[32];

	if (r->wall_ms == 0)
		return;
	print_ms(clock_age(r->wall_ms, clock_wall_ms()), age, sizeof(age));
	buf_fmt(out, "%-10s%s, %s ago%s: %s\n", "refused", change_names[r->kind], age,
	    r->stands ? "" : " (a later one was done)", r->why);
}

/* "clerk     running, 12 expired idempotency keys removed, 1 failed; 3.2s behind" */
static void
write_clerk(const struct tally *t, struct buf *out)
{
	int64_t behind_ms = t->figure[FIGURE_CLERK_BEHIND];
	char    behind[32];

	if (t->figure[FIGURE_CLERK] == -1)
		return;
	buf_fmt(out, "%-10s%s", "clerk", t->figure[FIGURE_CLERK] ? "running" : "not running");
	for (size_t i = 0; i < STATS_JOB__COUNT; i++) {
		buf_fmt(out, ", %ju %s", (uintmax_t)t->done[i], stats_job_whats[i]);
		if (t->failed[i])
			buf_fmt(out, " (%ju steps failed)", (uintmax_t)t->failed[i]);
	}
	if (behind_ms >= SECOND_MS) {
		print_ms(behind_ms, behind, sizeof(behind));
		buf_fmt(out, "; %s behind", behind);
	}
	buf_str(out, STR("\n"));
}

static void
write_pool(const struct tally *t, struct buf *out)
{
	const int64_t *f = t->figure;
	char           up[32];

	print_ms(f[FIGURE_UPTIME], up, sizeof(up));
	buf_fmt(out, "clientele " PACKAGE_VERSION "  up %s, generation %jd, %s%s\n", up,
	    (intmax_t)f[FIGURE_GENERATION], f[FIGURE_READY] ? "ready" : "not ready",
	    f[FIGURE_STOPPING] ? ", stopping" : "");
	buf_fmt(out, "%-10s%jd of %jd serving (%jd to %jd), %jd idle, %jd active; peak %jd, "
	    "maximum reached %jdx\n",
	    "workers", (intmax_t)f[FIGURE_SERVING], (intmax_t)f[FIGURE_TARGET],
	    (intmax_t)f[FIGURE_MIN], (intmax_t)f[FIGURE_MAX], (intmax_t)f[FIGURE_IDLE],
	    (intmax_t)f[FIGURE_ACTIVE], (intmax_t)f[FIGURE_PEAK], (intmax_t)f[FIGURE_MAX_REACHED]);
	buf_fmt(out, "%-10s%jd answered, %ju slow; %jd connections taken\n", "requests",
	    (intmax_t)f[FIGURE_REQUESTS], (uintmax_t)t->event[STATS_EVENT_SLOW],
	    (intmax_t)f[FIGURE_CONNECTIONS]);
	if (f[FIGURE_QUEUE_LENGTH] == -1)
		buf_fmt(out, "%-10sunknown\n", "queue");
	else
		buf_fmt(out, "%-10s%jd of %jd waiting, peak %jd%s\n", "queue",
		    (intmax_t)f[FIGURE_QUEUE_LENGTH], (intmax_t)f[FIGURE_QUEUE_LIMIT],
		    (intmax_t)f[FIGURE_QUEUE_PEAK],
		    f[FIGURE_SHEDDING] ? "; refusing requests" : "");
	buf_fmt(out, "%-10s%s; %jd workers connected", "database", conditions[t->condition],
	    (intmax_t)f[FIGURE_CONNECTED]);
	if (f[FIGURE_NO_ROOM])
		buf_fmt(out, ", no room for %jd", (intmax_t)f[FIGURE_NO_ROOM]);
	if (t->condition == DB_CONDITION_UNREACHABLE && f[FIGURE_CONNECTED])
		buf_fmt(out, " when they last used it");
	buf_str(out, STR("\n"));
	if (!f[FIGURE_LISTENING])
		buf_fmt(out, "%-10sthe file of the listen socket is gone, or another's; the log "
			     "says more\n", "socket");
	write_clerk(t, out);
	write_refusal(&t->refusal, out);
	write_counts(out, "restarts", t->restarts, stats_cause_names, STATS_CAUSE__COUNT);
	write_counts(out, "events", t->event, stats_event_names, STATS_EVENT__COUNT);
}

void
table_write(const struct stats *s, const struct tally *t, struct buf *out)
{
	int64_t     now = clock_mono_ms();
	int         widths[COUNTOF(columns)] = { 0 };
	struct view v;

	write_pool(t, out);
	buf_str(out, STR("\n"));
	widen(NULL, widths);
	for (size_t i = 0; i < s->slots; i++)
		if (view_read(s, i, now, &v))
			widen(&v, widths);
	write_row(NULL, widths, out);
	for (size_t i = 0; i < s->slots; i++)
		if (view_read(s, i, now, &v))
			write_row(&v, widths, out);
}
