/*
 * Pages of a list, newest first: the parameters limit and cursor.
 *
 * A cursor is the id of a page's last row in another spelling, so rows that are
 * created during paging never shift a page.
 */
#ifndef CALL_PAGE_H
#define CALL_PAGE_H

#include "call/call.h"

/* Before the digits of the id. */
#define PAGE_CURSOR_PREFIX STR("cur_")

struct page {
	struct id after; /* last row before the page; all ones for the first page */
	size_t    limit; /* rows */
	/*
	 * 0, or a column: the statement looks at a bounded number of rows, and where it stopped it
	 * returns the row with a boolean here, whether it belongs to the page. NULL for others.
	 */
	int       ended;
};

/* Adds broken parameters to the call's problem. */
void page_read(struct call *c, struct page *page);

/* The limit alone, for a list that has cursors of its own. */
void page_read_limit(struct call *c, struct page *page);

/*
 * Reads the filters of the call's resource that its version has, or with ROUTE_OPTIONS the options
 * of its writes, each by its function into what is given. Adds broken ones to the call's problem.
 */
void page_filter(struct call *c, void *into);

/* A filter that is true or false, also 1 or 0. Adds another value to the call's problem. */
void page_flag(struct call *c, const char *name, struct str value, bool *out);

/* Whether the call's route knows a parameter of this name. */
bool page_knows(const struct call *c, struct str name);

/* How many rows to ask the database for: one more, which shows that there is a next page. */
static inline int64_t
page_rows(const struct page *page)
{
	return (int64_t)page->limit + 1;
}

/*
 * Lowers *count, the rows found, to those of this page. Returns whether there is a next page; its
 * cursor is page_cursor() of the last row that is left.
 */
static inline bool
page_cut(const struct page *page, size_t *count)
{
	bool more = *count > page->limit;

	if (more)
		*count = page->limit;
	return more;
}

struct str page_cursor(struct call *c, const struct id *last);

/* A cursor that has these bytes in it, and these bytes again; absent: it has none. */
struct str page_pack(struct call *c, struct str bytes);
struct str page_unpack(struct call *c, struct str cursor);

#endif
