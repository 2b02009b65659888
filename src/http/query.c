/* Path and query of a request. */
#include "http/query.h"
#include "base/utf8.h"

static bool
has_byte(struct str s, char c)
{
	return s.len && memchr(s.ptr, c, s.len);
}

/*
 * Copies only what has an escape. In a path a percent sign without two digits stands for itself:
 * no client library escapes the ids that it puts there.
 */
static bool
decode(struct arena *a, struct str s, bool in_query, struct str *out)
{
	char  *to;
	size_t len = 0;

	if (!has_byte(s, '%') && !(in_query && has_byte(s, '+'))) {
		*out = (struct str) { s.ptr ? s.ptr : "", s.len };
	} else {
		to = ARENA_NEW(a, char, s.len);
		for (size_t i = 0; i < s.len; i++) {
			char c = s.ptr[i];

			if (c == '%') {
				int high = s.len - i > 2 ? str_hex_digit(s.ptr[i + 1]) : -1;
				int low = s.len - i > 2 ? str_hex_digit(s.ptr[i + 2]) : -1;

				if (high >= 0 && low >= 0) {
					c = (char)(high << 4 | low);
					i += 2;
				} else if (in_query) {
					return false;
				}
			} else if (c == '+' && in_query) {
				c = ' ';
			}
			to[len++] = c;
		}
		*out = (struct str) { to, len };
	}
	for (size_t i = 0; i < out->len; i++)
		if ((unsigned char)out->ptr[i] < 0x20 || out->ptr[i] == 0x7F)
			return false;
	return utf8_valid(*out);
}

static const char *
split_path(struct arena *a, struct str text, struct path *path)
{
	if (text.len == 0)
		return NULL;
	if (text.ptr[0] != '/')
		return "The path must begin with a slash.";
	text.ptr++;
	text.len--;
	while (text.ptr && (text.len || path->count)) {
		struct str raw = str_cut(&text, '/'), segment;

		if (!decode(a, raw, false, &segment))
			return "The path has a control character, or is not UTF-8.";
		if (segment.len == 0 && !text.ptr)
			return "Remove the slash at the end of the path.";
		if (segment.len == 0 || str_is(segment, ".") || str_is(segment, ".."))
			return "The path must not contain an empty, \".\" or \"..\" segment.";
		if (path->count < PATH_SEGMENTS_MAX)
			path->segment[path->count] = segment;
		path->count++;
	}
	return NULL;
}

static const char *
split_query(struct arena *a, struct str text, struct query *query)
{
	while (text.ptr) {
		struct str value = str_cut(&text, '&'), name;

		if (value.len == 0)
			continue;
		if (query->count == QUERY_PARAMETERS_MAX)
			return "The query has too many parameters.";
		name = str_cut(&value, '=');
		if (!decode(a, name, true, &query->parameter[query->count].name)
		    || !decode(a, value, true, &query->parameter[query->count].value))
			return "The query has a malformed escape or a byte that is not allowed.";
		query->count++;
	}
	return NULL;
}

bool
query_split(struct arena *a, struct str target, struct path *path, struct query *query,
    const char **blame, const char **why)
{
	struct str text = target, head = str_cut(&text, '?');

	path->count = 0;
	query->count = 0;
	*blame = "path";
	if (target.len > URI_MAX_BYTES)
		*why = "The path and query are too long.";
	else if (has_byte(target, '#'))
		*why = "The path and query must not contain '#'; escape it as %23.";
	else if ((*why = split_path(a, head, path)) == NULL) {
		*blame = "query";
		*why = split_query(a, text, query);
	}
	if (!*why)
		return true;
	path->count = 0;
	query->count = 0;
	return false;
}

struct str
query_rest(struct arena *a, struct str target, size_t segment)
{
	struct str text = target, rest = str_cut(&text, '?'), decoded = STR_NONE;

	for (size_t i = 0; i <= segment; i++)
		str_cut(&rest, '/');
	return rest.ptr && decode(a, rest, false, &decoded) ? decoded : STR_NONE;
}

struct str
query_find(const struct query *q, const char *name, bool *repeated)
{
	struct str found = STR_NONE;

	*repeated = false;
	for (size_t i = 0; i < q->count; i++) {
		if (!str_is(q->parameter[i].name, name))
			continue;
		if (found.ptr)
			*repeated = true;
		found = q->parameter[i].value;
	}
	return found;
}
