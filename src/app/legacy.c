/* What an answer on a path without a version says about the path that replaces it. */
#include "app/legacy.h"
#include "app/router.h"
#include "base/buf.h"

enum {
	/* nginx takes 4 KiB of response headers by default. */
	LINK_MAX_BYTES = 1536,
};

/* One year after the version that ends the legacy paths' last differences. */
static const struct str sunset = STR("Sat, 31 Jul 2027 00:00:00 GMT");

/* How many bytes at the beginning need no escape in a path. */
static size_t
unreserved(struct str s)
{
	size_t n = 0;

	while (n < s.len && (str_is_alnum(s.ptr[n]) || memchr("-._~", s.ptr[n], 4)))
		n++;
	return n;
}

static void
add_segment(struct buf *link, struct str segment)
{
	static const char hex[] = "0123456789ABCDEF";

	buf_str(link, STR("/"));
	for (;;) {
		size_t        plain = unreserved(segment);
		unsigned char b;

		buf_add(link, segment.ptr, plain);
		if (plain == segment.len)
			break;
		b = (unsigned char)segment.ptr[plain];
		buf_add(link, (const char[]) { '%', hex[b >> 4], hex[b & 15] }, 3);
		segment = (struct str) { segment.ptr + plain + 1, segment.len - plain - 1 };
	}
}

/*
 * The same path under /api/v1. It is unescaped and escaped again, so that a request cannot put a
 * byte of its choice into a header. Absent if that is too long.
 */
static struct str
successor(struct call *c)
{
	struct buf link;
	struct str copy;

	buf_init(&link, LINK_MAX_BYTES);
	buf_str(&link, STR("</api/v1"));
	for (size_t i = 0; i < c->path.count && i < PATH_SEGMENTS_MAX; i++)
		add_segment(&link, c->path.segment[i]);
	/* More segments than any route has are the end of an id with slashes. */
	if (c->path.count > PATH_SEGMENTS_MAX)
		add_segment(&link, query_rest(c->arena, router_base(c), PATH_SEGMENTS_MAX));
	buf_str(&link, STR(">; rel=\"successor-version\""));
	copy = link.full ? STR_NONE : arena_str(c->arena, buf_view(&link));
	buf_fini(&link);
	return copy;
}

void
legacy_headers(struct call *c)
{
	struct str link;

	bool       known = c->route || c->problem.allow.ptr;

	if (!c->legacy_path || !known || c->site || (c->route && c->route->flags & ROUTE_PAGE))
		return;
	response_header(c->res, "Deprecation", STR("true"));
	response_header(c->res, "Sunset", sunset);
	/* What is not here is not there either. */
	if (c->res->status != 404 && (link = successor(c)).ptr)
		response_header(c->res, "Link", link);
}
