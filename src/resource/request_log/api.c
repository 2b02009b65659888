/* The calls that read the last requests, and the resource's descriptor. */
#include "call/page.h"
#include "call/reply.h"
#include "call/stored.h"
#include "resource/request_log/request_log.h"

#include <limits.h>

struct filter {
	struct str id;           /* absent: any */
	unsigned   least, most;  /* status */
	unsigned   method;       /* METHOD__COUNT: any */
};

static void
read_id(struct call *c, struct str value, void *into)
{
	if (!request_id_is_good(value))
		call_field(c, "requestId", "must be the X-Request-Id of an answer");
	((struct filter *)into)->id = value;
}

/* "404", or "4xx" */
static void
read_status(struct call *c, struct str value, void *into)
{
	struct filter *f = into;
	bool           class = value.len == 3 && memcmp(value.ptr + 1, "xx", 2) == 0;
	struct str     number = { value.ptr, class ? 1 : value.len };
	int64_t        n;

	if (value.len != 3 || !str_to_i64(number, class ? 1 : 100, class ? 5 : 599, &n)) {
		call_field(c, "status", "must be a status from 100 to 599, or a class such as 4xx");
		return;
	}
	f->least = (unsigned)n * (class ? 100 : 1);
	f->most = f->least + (class ? 99 : 0);
}

static void
read_method(struct call *c, struct str value, void *into)
{
	enum method m = method_find(value);

	if (m >= METHOD_OPTIONS)
		call_field(c, "method", "must be GET, HEAD, POST, PUT, PATCH or DELETE");
	((struct filter *)into)->method = m;
}

static const struct list_filter filters[] = {
	{ "requestId", read_id,     V_2026_08_27, V_ENDLESS },
	{ "status",    read_status, V_2026_08_27, V_ENDLESS },
	{ "method",    read_method, V_2026_08_27, V_ENDLESS },
};

static const struct filter any = { .most = UINT_MAX, .method = METHOD__COUNT };

/* The newest that fits, with a number below *before, which becomes its number. */
static bool
find(const struct call *c, const struct filter *f, uint64_t *before, struct logged *out)
{
	const struct requests_entry *kept = &out->kept;

	while (logged_find(c, before, out))
		if ((!f->id.ptr || str_eq(f->id, kept->id)) && kept->status >= f->least
		    && kept->status <= f->most
		    && (f->method == METHOD__COUNT || f->method == kept->method)) {
			logged_derive(out);
			return true;
		}
	return false;
}

/*
 * A cursor is an id of which one half is the ring and the other a number in it: what another
 * program has kept is not there any more, and nothing comes behind it.
 */
static uint64_t
begin(const struct call *c, const struct page *page)
{
	uint64_t part[2];

	memcpy(part, page->after.b, sizeof(part));
	if (part[0] == UINT64_MAX && part[1] == UINT64_MAX)
		return UINT64_MAX;
	return c->requests && part[0] == requests_mark(c->requests) ? part[1] : 0;
}

static struct str
cursor(struct call *c, uint64_t number)
{
	uint64_t  part[2] = { requests_mark(c->requests), number };
	struct id id;

	memcpy(id.b, part, sizeof(id.b));
	return page_cursor(c, &id);
}

static enum err
list(struct call *c)
{
	struct json_object *rows;
	struct filter       f = any;
	struct page         page;
	uint64_t            number, last = 0;
	size_t              count = 0;
	bool                more = false;
	enum err            e;

	page_read(c, &page);
	page_filter(c, &f);
	if ((e = call_fields_done(c)) != ERR_OK)
		return e;
	rows = jwrite_array();
	number = begin(c, &page);
	for (;; count++) {
		struct logged *row = ARENA_NEW(c->arena, struct logged, 1);

		if (!find(c, &f, &number, row))
			break;
		if ((more = count == page.limit))
			break;
		last = number;
		jwrite_push(rows, field_write(c, &request_fields, row, REQUEST_SHOWN));
	}
	return reply_list(c, rows, more ? cursor(c, last) : STR_NONE);
}

static enum err
get(struct call *c)
{
	struct logged *row = ARENA_NEW(c->arena, struct logged, 1);
	struct filter  f = any;
	uint64_t       number = UINT64_MAX;

	f.id = c->param[0];
	if (!find(c, &f, &number, row))
		return stored_missing(c, &request_fields);
	return field_reply(c, 200, &request_fields, row, REQUEST_SHOWN);
}

static const struct route routes[] = {
	{ METHOD_GET, "requests",         ROUTE_LIST,    V_2026_08_27, list },
	{ METHOD_GET, "requests/summary", ROUTE_MINUTES, V_2026_08_27, request_log_summary },
	{ METHOD_GET, "requests/{id}",    0,             V_2026_08_27, get },
};

extern const struct resource request_log_resource;
const struct resource request_log_resource = {
	.name = "request_log",
	.routes = routes,
	.routes_count = COUNTOF(routes),
	.filters = filters,
	.filters_count = COUNTOF(filters),
};
