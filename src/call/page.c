/* Pages of a list. */
#include "call/page.h"
#include "base/limits.h"

void
page_read_limit(struct call *c, struct page *page)
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
}

void
page_read(struct call *c, struct page *page)
{
	struct str value;

	page_read_limit(c, page);
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

/* Those with a key; options have none. */
static size_t
keyed_of(const struct call *c)
{
	return c->route->flags & ROUTE_OPTIONS ? 0 : c->resource->keyed_count;
}

/* Whether a parameter is "name[key]". */
static bool
has_key(const struct keyed_filter *filter, struct str name)
{
	struct str head = str_of(filter->name);

	return str_starts(name, head) && name.len > head.len + 2 && name.ptr[head.len] == '['
	    && name.ptr[name.len - 1] == ']';
}

static void
read_keys(struct call *c, const struct keyed_filter *filter, void *into)
{
	size_t head = strlen(filter->name) + 1;

	for (size_t i = 0; i < c->query.count; i++) {
		struct str name = c->query.parameter[i].name, value;

		if (has_key(filter, name)
		    && call_parameter(c, arena_str(c->arena, name).ptr, &value))
			filter->read(c, (struct str) { name.ptr + head, name.len - head - 1 },
			    value, into);
	}
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
	for (size_t i = 0; i < keyed_of(c); i++) {
		const struct keyed_filter *filter = &c->resource->keyed[i];

		if (version_has(c->version, filter->since, filter->until))
			read_keys(c, filter, into);
	}
}

void
page_flag(struct call *c, const char *name, struct str value, bool *out)
{
	*out = str_is(value, "true") || str_is(value, "1");
	if (!*out && !str_is(value, "false") && !str_is(value, "0"))
		call_field(c, name, "must be true, false, 1 or 0");
}

/* Of the call's route, whatever its resource has. */
static bool
is_own(const struct call *c, struct str name)
{
	enum { PAGES = ROUTE_LIST | ROUTE_FILE | ROUTE_EVENTS | ROUTE_GROUPS };
	static const struct {
		unsigned    flag;
		const char *name;
	} own[] = {
		{ PAGES, "limit" }, { PAGES, "cursor" },
		{ ROUTE_FILE, "format" }, { ROUTE_FILE, "neutralise" }, { ROUTE_GROUPS, "by" },
		{ ROUTE_MINUTES, "minutes" },
	};

	for (size_t i = 0; i < COUNTOF(own); i++)
		if (c->route->flags & own[i].flag && str_is(name, own[i].name))
			return true;
	return false;
}

bool
page_knows(const struct call *c, struct str name)
{
	const struct list_filter *rows;
	size_t                    count;

	if (is_own(c, name))
		return true;
	if (c->route->flags & ROUTE_AS_OF)
		return c->version >= V_2026_08_27 && str_is(name, "asOf");
	if (!(c->route->flags & (ROUTE_LIST | ROUTE_FILTERED | ROUTE_OPTIONS)))
		return false;
	rows = rows_of(c, &count);
	for (size_t i = 0; i < count; i++) {
		const struct list_filter *filter = &rows[i];

		if (version_has(c->version, filter->since, filter->until)
		    && str_is(name, filter->name))
			return true;
	}
	for (size_t i = 0; i < keyed_of(c); i++) {
		const struct keyed_filter *filter = &c->resource->keyed[i];

		if (version_has(c->version, filter->since, filter->until) && has_key(filter, name))
			return true;
	}
	return false;
}

struct str
page_cursor(struct call *c, const struct id *last)
{
	return id_prefixed(PAGE_CURSOR_PREFIX, last, ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES));
}

struct str
page_pack(struct call *c, struct str bytes)
{
	char *text = ARENA_NEW(c->arena, char, PAGE_CURSOR_PREFIX.len + 2 * bytes.len);
	char *end = str_put_hex(str_put(text, PAGE_CURSOR_PREFIX), bytes.ptr, bytes.len);

	return (struct str) { text, (size_t)(end - text) };
}

struct str
page_unpack(struct call *c, struct str cursor)
{
	char *bytes = ARENA_NEW(c->arena, char, cursor.len / 2 + 1);

	if (!str_starts(cursor, PAGE_CURSOR_PREFIX))
		return STR_NONE;
	cursor.ptr += PAGE_CURSOR_PREFIX.len;
	cursor.len -= PAGE_CURSOR_PREFIX.len;
	if (cursor.len % 2)
		return STR_NONE;
	for (size_t i = 0; i < cursor.len; i += 2) {
		int high = str_hex_digit(cursor.ptr[i]), low = str_hex_digit(cursor.ptr[i + 1]);

		if (high < 0 || low < 0)
			return STR_NONE;
		bytes[i / 2] = (char)(high << 4 | low);
	}
	return (struct str) { bytes, cursor.len / 2 };
}
