/*
 * Path and query of a request: split, percent-decoded once, bounded.
 *
 * Source     REQUEST_URI alone, because it is the only raw text that every
 *            front server passes on alike.
 * Refuses    Bad escapes, control bytes, NUL, bytes that are not UTF-8 after
 *            decoding, a raw '#', empty, "." and ".." segments (also escaped),
 *            too long a URI, too many parameters. "%2F" in a segment is data.
 * Lifetime   Views into the request or its arena.
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
 * target is a path, which may be empty, and a query. False: *blame is "path" or
 * "query", *why a sentence for the client, and both are empty. A path with more
 * segments than any route is only counted.
 */
bool query_split(struct arena *a, struct str target, struct path *path, struct query *query,
    const char **blame, const char **why) MUSTCHECK;

/* The parameter's value; absent when it was not sent. *repeated tells that it was sent twice. */
struct str query_find(const struct query *q, const char *name, bool *repeated);

#endif
