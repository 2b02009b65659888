/* The endpoints that client libraries know. */
#include "app/endpoints.h"

static bool
is_path_of(const struct endpoint *endpoint, const struct path *path)
{
	struct str rest = str_of(endpoint->path);
	size_t     i = 0;

	for (; rest.ptr && i < path->count && i < PATH_SEGMENTS_MAX; i++) {
		struct str segment = str_cut(&rest, '/');

		if (!str_is(segment, "{}") && !str_eq(segment, path->segment[i]))
			return false;
	}
	return !rest.ptr && i == path->count;
}

const struct endpoint *
endpoint_find(const struct path *path)
{
	for (size_t i = 0; i < endpoints_count; i++)
		if (is_path_of(&endpoints[i], path))
			return &endpoints[i];
	return NULL;
}
