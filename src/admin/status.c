/* What the pool and each of its workers is at, as JSON. */
#include "admin/status.h"
#include "admin/view.h"
#include "json/jwrite.h"

#include "config.h"

enum { ROUTE_BYTES = 256 };

static void
put_route(struct json_object *object, uint32_t number)
{
	char route[ROUTE_BYTES];

	view_route(number, route, sizeof(route));
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
	jwrite_put(doing, "requestId",
	    jwrite_str(str_of(v->doing.request_id[0] ? v->doing.request_id : NULL)));
	jwrite_put(doing, "ms", jwrite_int(v->doing_ms));
	return doing;
}

static struct json_object *
last_json(const struct view *v)
{
	struct json_object *last;

	if (v->own.last_status == 0)
		return NULL;
	last = jwrite_object();
	put_route(last, v->own.last_route);
	jwrite_put(last, "status", jwrite_int(v->own.last_status));
	jwrite_put(last, "us", jwrite_int(v->own.last_us));
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
	jwrite_put(w, "state", jwrite_str(str_of(stats_state_names[v->own.state])));
	jwrite_put(w, "stateMs", jwrite_int(v->state_ms));
	jwrite_put(w, "requests", jwrite_int((int64_t)v->requests));
	jwrite_put(w, "inHand", jwrite_int(v->alive ? v->own.in_hand : 0));
	jwrite_put(w, "doing", doing_json(v));
	jwrite_put(w, "last", last_json(v));
	jwrite_put(w, "cpuMs", v->cpu_ms == -1 ? NULL : jwrite_int(v->cpu_ms));
	jwrite_put(w, "memoryBytes",
	    v->own.memory_bytes ? jwrite_int((int64_t)v->own.memory_bytes) : NULL);
	jwrite_put(w, "database", jwrite_str(str_of(stats_db_names[v->own.db])));
	jwrite_put(w, "connections", jwrite_int(v->alive ? v->own.lanes : 0));
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
			jwrite_put(pool, figure_rows[i].json,
			    t->figure[i] == -1 ? NULL : jwrite_int(t->figure[i]));
	return pool;
}

static struct json_object *
clerk_json(const struct stats *s, const struct tally *t)
{
	struct json_object *clerk = jwrite_object();
	int32_t             pid = word_get(&s->pool->clerk_pid);
	uint32_t            db = pid ? word_get(&s->clerk->db) : STATS_DB_NONE;

	jwrite_put(clerk, "pid", pid ? jwrite_int(pid) : NULL);
	jwrite_put(clerk, "database",
	    jwrite_str(str_of(stats_db_names[db < STATS_DB__COUNT ? db : STATS_DB_NONE])));
	jwrite_put(clerk, "done", counts_json(t->done, stats_job_names, STATS_JOB__COUNT));
	jwrite_put(clerk, "failed", counts_json(t->failed, stats_job_names, STATS_JOB__COUNT));
	return clerk;
}

static struct json_object *
refusal_json(const struct tally_refusal *r)
{
	struct json_object *refusal;

	if (r->wall_ms == 0)
		return NULL;
	refusal = jwrite_object();
	jwrite_put(refusal, "change", jwrite_str(str_of(change_names[r->kind])));
	jwrite_put(refusal, "atMs", jwrite_int(r->wall_ms));
	jwrite_put(refusal, "stands", jwrite_bool(r->stands));
	jwrite_put(refusal, "why", jwrite_str(str_of(r->why)));
	return refusal;
}

void
status_write(const struct stats *s, const struct tally *t, struct buf *out)
{
	AUTO_JSON struct json_object *all = jwrite_object();
	struct json_object           *workers = jwrite_array();
	int64_t                       now = clock_mono_ms();
	struct view                   v;

	for (size_t i = 0; i < s->slots; i++)
		if (view_read(s, i, now, &v))
			jwrite_push(workers, worker_json(&v));
	jwrite_put(all, "version", jwrite_str(STR(PACKAGE_VERSION)));
	jwrite_put(all, "ready", jwrite_bool(t->figure[FIGURE_READY] == 1));
	jwrite_put(all, "database", jwrite_str(str_of(db_condition_names[t->condition])));
	jwrite_put(all, "pool", status_pool(t));
	jwrite_put(all, "states", counts_json(t->state, tally_state_names, TALLY_STATE__COUNT));
	jwrite_put(all, "events", counts_json(t->event, stats_event_names, STATS_EVENT__COUNT));
	jwrite_put(all, "clerk", clerk_json(s, t));
	jwrite_put(all, "restarts",
	    counts_json(t->restarts, stats_cause_names, STATS_CAUSE__COUNT));
	jwrite_put(all, "lastRefusal", refusal_json(&t->refusal));
	jwrite_put(all, "workers", workers);
	jwrite_text(all, out);
	buf_str(out, STR("\n"));
}
