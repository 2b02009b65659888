/* What is told of a request when its answer was written. */
#include "worker/reqlog.h"
#include "app/resources.h"
#include "base/clock.h"
#include "base/log.h"
#include "db/sqlcat.h"
#include "shm/requests.h"

enum {
	STATEMENTS_MAX_BYTES = 512,
};

/* The names, in the order of the catalogue: which ones ran, not how often. */
static struct str
statements(const struct db_statements *sent, struct buf *names)
{
	for (size_t i = 0; i < SQL__COUNT; i++)
		if (sent->word[i / 64] & UINT64_C(1) << i % 64)
			buf_fmt(names, "%s%s", names->len ? "," : "", sql_catalogue[i].name);
	return names->len ? buf_view(names) : STR_NONE;
}

static struct str
view(const char *p, size_t len)
{
	return (struct str) { p, len };
}

static void
write_line(bool slow, const struct request *req, const struct response *res,
    const struct facts *facts, int64_t total_us)
{
	const struct route *route = route_at(facts->route);
	bool                other = req->method == METHOD_OTHER;
	const char         *code = facts->error == ERR_OK ? NULL : err_info(facts->error)->code;
	struct str          span = STR_NONE, organization = STR_NONE;
	bool                asked = facts->db_trips > 0;
	char                room[ID_PREFIXED_BYTES];
	struct buf          names;

	buf_init(&names, STATEMENTS_MAX_BYTES);
	if (facts->key.ptr)
		organization = id_prefixed(ID_ORGANIZATION, &facts->organization, room);
	if (facts->trace.id.ptr)
		span = view(facts->trace.span, TRACE_SPAN_DIGITS);
	const struct log_field fields[] = {
		{ "request_id", LOG_TEXT, .text = facts->request_id },
		{ "trace_id", LOG_TEXT, .text = facts->trace.id },
		{ "parent_id", LOG_TEXT, .text = facts->trace.parent },
		{ "span_id", LOG_TEXT, .text = span },
		{ "key", LOG_TEXT, .text = facts->key },
		{ "organization", LOG_TEXT,
		    .text = organization },
		{ "method", LOG_TEXT, .text = str_of(other ? "other" : method_names[req->method]) },
		{ "route", LOG_TEXT, .text = str_of(route ? route->pattern : NULL) },
		{ "status", LOG_NUMBER, .number = res->status },
		{ "error", LOG_TEXT, .text = str_of(code) },
		{ "bytes", LOG_NUMBER, .number = res->head_only ? 0 : (int64_t)res->body.len },
		{ "total_ms", LOG_MS, .number = total_us },
		{ "db_ms", LOG_MS, .number = asked ? facts->db_us : 0 },
		{ "db_trips", LOG_NUMBER, .number = facts->db_trips },
		{ "queue_ms", LOG_MS,
		    .number = facts->queue_us < 0 ? LOG_ABSENT : facts->queue_us },
		{ "replayed", LOG_BOOL, .number = facts->replayed },
		{ "left", LOG_BOOL, .number = facts->left },
		{ "slow", LOG_BOOL, .number = slow },
		{ "statements", LOG_TEXT,
		    .text = slow ? statements(&facts->statements, &names) : STR_NONE },
	};
	log_event(slow ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "request", fields, COUNTOF(fields));
	buf_fini(&names);
}

bool
reqlog_write(const struct conf *c, const struct request *req, const struct response *res,
    const struct facts *facts, int64_t total_us)
{
	bool slow = c->slow_request_ms > 0 && total_us > c->slow_request_ms * 1000;

	if (slow ? log_wants(LOG_LEVEL_WARN) : c->request_log && log_wants(LOG_LEVEL_INFO))
		write_line(slow, req, res, facts, total_us);
	return slow;
}

void
reqlog_keep(struct requests *requests, const struct request *req, const struct response *res,
    const struct facts *facts, int64_t total_us)
{
	if (!facts->is_kept)
		return;
	requests_add(requests, &(struct requests_entry) {
	    .environment = facts->environment,
	    .actor = facts->actor,
	    .user = facts->user,
	    .arrived_us = clock_wall_us() - total_us,
	    .took_us = total_us,
	    .status = (unsigned)res->status,
	    .error = facts->error,
	    .method = req->method,
	    .version = facts->version,
	    .id = facts->request_id,
	    .path = facts->path,
	});
}
