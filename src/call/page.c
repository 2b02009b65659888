/* Pages of a list. */
#include "call/page.h"
#include "base/limits.h"

void
page_read(struct call *c, struct page *page)
{
	struct str value;
	int64_t    limit;

	page->limit = LIST_LIMIT_DEFAULT;
	page->ended = 0;
	memset(page->after.b, 0xFF, ID_BYTES);
	if (call_parameter(c, "limit", &value) && value.ptr) {
		if (str_to_i64(value, 1, LIST_LIMIT_MAX, &limit))
			page->limit = (size_t)limit;
		else
			call_field(c, "limit", "must be a number from 1 to 100");
	}
	if (call_parameter(c, "cursor", &value) && value.ptr
	    && !id_parse(PAGE_CURSOR_PREFIX, value, &page->after))
		call_field(c, "cursor", "must be the nextCursor of a previous page");
}

/* What the call's route may take of its resource. */
static const struct list_filter *
rows_of(const struct call *c, size_t *count)
{
	bool options = c->route->flags & ROUTE_OPTIONS;

	*count = options ? c->resource->options_count : c->resource->filters_count;
	return options ? c->resource->options : c->resource->filters;
}

void
page_filter(struct call *c, void *into)
{
	size_t                    count;
	const struct list_filter *rows = rows_of(c, &count);

	for (size_t i = 0; i < count; i++) {
		const struct list_filter *filter = &rows[i];
		struct str                value;

		if (version_has(c->version, filter->since, filter->until)
		    && call_parameter(c, filter->name, &value) && value.ptr)
			filter->read(c, value, into);
	}
}

void
page_flag(struct call *c, const char *name, struct str value, bool *out)
{
	*out = str_is(value, "true") || str_is(value, "1");
	if (!*out && !str_is(value, "false") && !str_is(value, "0"))
		call_field(c, name, "must be true, false, 1 or 0");
}

bool
page_knows(const struct call *c, struct str name)
{
	static const char *const of_files[] = { "format", "neutralise", "limit", "cursor" };
	const struct list_filter *rows;
	size_t                    count;

	for (size_t i = 0; c->route->flags & ROUTE_FILE && i < COUNTOF(of_files); i++)
		if (str_is(name, of_files[i]))
			return true;
	if (!(c->route->flags & (ROUTE_LIST | ROUTE_FILTERED | ROUTE_OPTIONS)))
		return false;
	rows = rows_of(c, &count);
	for (size_t i = 0; i < count; i++) {
		const struct list_filter *filter = &rows[i];

		if (version_has(c->version, filter->since, filter->until)
		    && str_is(name, filter->name))
			return true;
	}
	return c->route->flags & ROUTE_LIST && (str_is(name, "limit") || str_is(name, "cursor"));
}

struct str
page_cursor(struct call *c, const struct id *last)
{
	return id_prefixed(PAGE_CURSOR_PREFIX, last, ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES));
}
