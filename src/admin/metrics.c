/* What has been counted, in Prometheus's text format. */
#include "admin/metrics.h"
#include "app/resources.h"

#include "config.h"

#include <stdio.h>

#define PREFIX "clientele_"

static void
head(struct buf *out, const char *name, const char *suffix, const char *type, const char *help)
{
	buf_fmt(out, "# HELP " PREFIX "%s%s %s\n", name, suffix, help);
	buf_fmt(out, "# TYPE " PREFIX "%s%s %s\n", name, suffix, type);
}

/* route="/things/{id}",method="GET"; for what is no route both are "none". */
static void
route_labels(size_t number, char *out, size_t size)
{
	const struct route *route = route_at(number);

	if (route)
		snprintf(out, size, "route=\"/%s\",method=\"%s\"", route_text(route),
		    method_names[route->method]);
	else
		snprintf(out, size, "route=\"none\",method=\"none\"");
}

/* Rows of the table of routes, and the one for what is no route. */
static bool
route_counts(size_t number)
{
	return number == STATS_NO_ROUTE || route_at(number) != NULL;
}

/* Buckets are cumulative; labels are empty or end without a comma. */
static void
write_histogram(struct buf *out, const char *name, const char *labels,
    const struct tally_histogram *h)
{
	const char *comma = labels[0] ? "," : "";
	const char *open = labels[0] ? "{" : "", *close = labels[0] ? "}" : "";
	uint64_t    sum = 0;

	for (size_t i = 0; i < STATS_BUCKETS - 1; i++) {
		sum += h->count[i];
		buf_fmt(out, PREFIX "%s_bucket{%s%sle=\"%g\"} %ju\n", name, labels, comma,
		    (double)stats_bound_us[i] / 1e6, (uintmax_t)sum);
	}
	sum += h->count[STATS_BUCKETS - 1];
	buf_fmt(out, PREFIX "%s_bucket{%s%sle=\"+Inf\"} %ju\n", name, labels, comma,
	    (uintmax_t)sum);
	buf_fmt(out, PREFIX "%s_sum%s%s%s %.6f\n", name, open, labels, close,
	    (double)h->sum_us / 1e6);
	buf_fmt(out, PREFIX "%s_count%s%s%s %ju\n", name, open, labels, close, (uintmax_t)sum);
}

static void
write_figures(const struct tally *t, struct buf *out)
{
	static const char *const types[] = {
		[FIGURE_GAUGE] = "gauge",
		[FIGURE_COUNTER] = "counter",
	};

	for (size_t i = 0; i < FIGURE__COUNT; i++) {
		const struct figure_row *row = &figure_rows[i];

		if (!row->metric || t->figure[i] == -1)
			continue;
		head(out, row->metric, "", types[row->type], row->help);
		if (row->unit == 1)
			buf_fmt(out, PREFIX "%s %jd\n", row->metric, (intmax_t)t->figure[i]);
		else
			buf_fmt(out, PREFIX "%s %.3f\n", row->metric,
			    (double)t->figure[i] / (double)row->unit);
	}
}

static void
write_events(const struct tally *t, struct buf *out)
{
	for (size_t i = 0; i < STATS_EVENT__COUNT; i++) {
		head(out, stats_event_names[i], "_total", "counter", stats_event_helps[i]);
		buf_fmt(out, PREFIX "%s_total %ju\n", stats_event_names[i], (uintmax_t)t->event[i]);
	}
}

static void
write_build(const struct tally *t UNUSED, struct buf *out)
{
	buf_fmt(out, PREFIX "build_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
}

static void
write_condition(const struct tally *t, struct buf *out)
{
	for (size_t i = 0; i < DB_CONDITION__COUNT; i++)
		buf_fmt(out, PREFIX "database_condition{condition=\"%s\"} %d\n",
		    db_condition_names[i], t->condition == (enum db_condition)i);
}

static void
write_states(const struct tally *t, struct buf *out)
{
	for (size_t i = 0; i < TALLY_STATE__COUNT; i++)
		buf_fmt(out, PREFIX "workers{state=\"%s\"} %ju\n", tally_state_names[i],
		    (uintmax_t)t->state[i]);
}

static void
write_restarts(const struct tally *t, struct buf *out)
{
	for (size_t i = 0; i < STATS_CAUSE__COUNT; i++)
		buf_fmt(out, PREFIX "worker_restarts_total{cause=\"%s\"} %ju\n",
		    stats_cause_names[i], (uintmax_t)t->restarts[i]);
}

static void
write_work(const char *name, const uint64_t *count, struct buf *out)
{
	for (size_t i = 0; i < STATS_JOB__COUNT; i++)
		buf_fmt(out, PREFIX "%s{work=\"%s\"} %ju\n", name, stats_job_names[i],
		    (uintmax_t)count[i]);
}

static void
write_done(const struct tally *t, struct buf *out)
{
	write_work("clerk_done_total", t->done, out);
}

static void
write_failed(const struct tally *t, struct buf *out)
{
	write_work("clerk_failed_total", t->failed, out);
}

static void
write_requests(const struct tally *t, struct buf *out)
{
	char labels[160];

	for (size_t r = 0; r < STATS_ROUTES_MAX; r++) {
		if (!route_counts(r))
			continue;
		route_labels(r, labels, sizeof(labels));
		/* There is no 1xx. A class begins at 0, so that its first answer is seen. */
		for (size_t c = 2; c < STATS_CLASSES; c++)
			buf_fmt(out, PREFIX "requests_total{%s,code=\"%zuxx\"} %ju\n", labels, c,
			    (uintmax_t)t->answered[r][c]);
	}
}

static void
write_took(const struct tally *t, struct buf *out)
{
	char labels[160];

	for (size_t r = 0; r < STATS_ROUTES_MAX; r++) {
		if (!route_counts(r))
			continue;
		route_labels(r, labels, sizeof(labels));
		write_histogram(out, "request_duration_seconds", labels, &t->took[r]);
	}
}

static void
write_database(const struct tally *t, struct buf *out)
{
	write_histogram(out, "database_duration_seconds", "", &t->database);
}

static void
write_lane(const struct tally *t, struct buf *out)
{
	write_histogram(out, "database_wait_seconds", "", &t->lane);
}

static void
write_queued(const struct tally *t, struct buf *out)
{
	write_histogram(out, "queue_duration_seconds", "", &t->queued);
}

static const struct {
	const char *name, *type, *help;
	void (*write)(const struct tally *t, struct buf *out);
} families[] = {
	{ "build_info", "gauge", "Always 1; the label says which clientele runs.", write_build },
	{ "database_condition", "gauge",
	    "1 for how the admin process finds the database, 0 for the others.", write_condition },
	{ "workers", "gauge", "Workers by what they are at.", write_states },
	{ "worker_restarts_total", "counter",
	    "Workers whose place had to be filled again, by cause.", write_restarts },
	{ "clerk_done_total", "counter", "What the clerk has done, by its kind.", write_done },
	{ "clerk_failed_total", "counter",
	    "Steps of the clerk that failed and were undone, by their kind.", write_failed },
	{ "requests_total", "counter",
	    "Answers by route, method and class of status.", write_requests },
	{ "request_duration_seconds", "histogram",
	    "From a request's last byte to its answer's first.", write_took },
	{ "database_duration_seconds", "histogram",
	    "Waiting for PostgreSQL, of requests that asked it.", write_database },
	{ "database_wait_seconds", "histogram",
	    "Waiting for a connection to PostgreSQL, of these.", write_lane },
	{ "queue_duration_seconds", "histogram",
	    "From the front server to a worker, of requests with REQUEST_START.", write_queued },
};

void
metrics_write(const struct tally *t, struct buf *out)
{
	write_figures(t, out);
	for (size_t i = 0; i < COUNTOF(families); i++) {
		head(out, families[i].name, "", families[i].type, families[i].help);
		families[i].write(t, out);
	}
	write_events(t, out);
}
