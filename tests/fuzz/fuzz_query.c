/* Any path and query is refused with a reason, or split into parts that mean the same when they are escaped again. */
#include "fuzz.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "http/query.h"

static void
check_text(struct str s)
{
	CHECK(s.ptr && utf8_valid(s));
	for (size_t i = 0; i < s.len; i++)
		CHECK((unsigned char)s.ptr[i] >= ' ' && s.ptr[i] != 0x7F);
}

/* Each byte as %XX. */
static void
escape(struct buf *b, struct str s)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		buf_add(b, (const char[]) { '%', hex[c >> 4], hex[c & 15] }, 3);
	}
}

static void
means_the_same(struct arena *a, const struct path *path, const struct query *query)
{
	struct path  path2;
	struct query query2;
	struct buf   target;
	const char  *blame, *why;

	buf_init(&target, URI_MAX_BYTES * 4);
	for (size_t i = 0; i < path->count; i++) {
		buf_str(&target, STR("/"));
		escape(&target, path->segment[i]);
	}
	for (size_t i = 0; i < query->count; i++) {
		buf_str(&target, i ? STR("&") : STR("?"));
		escape(&target, query->parameter[i].name);
		buf_str(&target, STR("="));
		escape(&target, query->parameter[i].value);
	}
	if (target.len <= URI_MAX_BYTES) {
		CHECK(query_split(a, buf_view(&target), &path2, &query2, &blame, &why));
		CHECK(path2.count == path->count && query2.count == query->count);
		for (size_t i = 0; i < path->count; i++)
			CHECK(str_eq(path->segment[i], path2.segment[i]));
		for (size_t i = 0; i < query->count; i++)
			CHECK(str_eq(query->parameter[i].name, query2.parameter[i].name)
			    && str_eq(query->parameter[i].value, query2.parameter[i].value));
	}
	buf_fini(&target);
}

static void
check(struct arena *a, const struct path *path, const struct query *query)
{
	size_t kept = path->count < PATH_SEGMENTS_MAX ? path->count : PATH_SEGMENTS_MAX;
	bool   repeated;

	CHECK(query->count <= QUERY_PARAMETERS_MAX);
	for (size_t i = 0; i < kept; i++) {
		check_text(path->segment[i]);
		CHECK(path->segment[i].len && !str_is(path->segment[i], ".") && !str_is(path->segment[i], ".."));
	}
	for (size_t i = 0; i < query->count; i++) {
		check_text(query->parameter[i].name);
		check_text(query->parameter[i].value);
	}
	if (query_find(query, "limit", &repeated).ptr)
		CHECK(query->count > (size_t)repeated);
	if (path->count <= PATH_SEGMENTS_MAX)
		means_the_same(a, path, query);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct path  path;
	struct query query;
	struct arena a;
	const char  *blame = NULL, *why = NULL;

	arena_init(&a);
	if (query_split(&a, (struct str) { size ? (const char *)data : "", size }, &path, &query, &blame, &why))
		check(&a, &path, &query);
	else
		CHECK(path.count == 0 && query.count == 0 && why && (str_is(str_of(blame), "path") || str_is(str_of(blame), "query")));
	arena_fini(&a);
	return 0;
}
