/*
 * Path and query of a request: split, percent-decoded once, bounded.
 *
 * Source     REQUEST_URI alone, because it is the only raw text that all front servers pass
 *            on in the same way.
 * Refuses    Bad escapes in a query (in a path they stand for themselves); control bytes and bad
 *            UTF-8, judged after decoding; a raw '#'; empty, "." and ".." segments, also escaped;
 *            too long a URI; too many parameters. "%2F" in a segment is data.
 * Lifetime   Everything is a view into the request or its arena.
 */
#ifndef HTTP_QUERY_H
#define HTTP_QUERY_H

#include "base/arena.h"
#include "base/limits.h"
#include "base/str.h"

enum { PATH_SEGMENTS_MAX = 8 };

struct path {
	size_t     count;
	struct str segment[PATH_SEGMENTS_MAX]; /* decoded */
};

struct query {
	size_t count;
	struct {
		struct str name, value; /* decoded */
	} parameter[QUERY_PARAMETERS_MAX];
};

/*
 * target is a path, which may be empty, and perhaps a query. False: *blame is "path" or "query",
 * *why is a sentence for the client, and both path and query are empty. Segments beyond
 * PATH_SEGMENTS_MAX are counted and not kept: no route has so many.
 */
bool query_split(struct arena *a, struct str target, struct path *path, struct query *query,
    const char **blame, const char **why) MUSTCHECK;

/*
 * The path of a target that was split, from this segment on: decoded, with its slashes. Absent if
 * it has no such segment.
 */
struct str query_rest(struct arena *a, struct str target, size_t segment);

/* The parameter's value, absent if it was not sent. *repeated: it was sent more than once. */
struct str query_find(const struct query *q, const char *name, bool *repeated);

#endif
