/* What bytes of a FastCGI connection are. */
#include "fcgi/parse.h"
#include "base/limits.h"

#include <fastcgi.h>

static const struct str names[PARSE__PARAMS] = {
	[PARSE_METHOD] = STR("REQUEST_METHOD"),
	[PARSE_URI] = STR("REQUEST_URI"),
	[PARSE_LENGTH] = STR("CONTENT_LENGTH"),
	[PARSE_START] = STR("REQUEST_START"),
	[PARSE_TYPE] = STR("CONTENT_TYPE"),
	[PARSE_ADDRESS] = STR("REMOTE_ADDR"),
	[PARSE_USER] = STR("CLIENTELE_USER"),
#define HEADER(name, wire, param) [PARSE_HEADERS + HEADER_##name] = STR(param),
	HEADER_LIST(HEADER)
	HEADER_OWN_LIST(HEADER)
#undef HEADER
};

/* Names and values by their lengths; the stream of them may be cut into records anywhere. */
struct pairs {
	size_t   total;    /* as parse_params() sees them: "name=value" and a NUL */
	size_t   left;     /* of the pair in hand, behind its lengths */
	uint32_t length;   /* that is being read, */
	unsigned bytes;    /* of which so many are still to come */
	bool     has_name; /* its length is read, the value's is not */
};

/*
 * False when they are more than any front server sends. libfcgi takes every length at its word, up
 * to 4 GiB, and ends the process when there is no such memory.
 */
static bool
walk_pairs(struct pairs *p, const unsigned char *bytes, size_t n)
{
	for (size_t at = 0; at < n;) {
		if (p->left && !p->has_name) {
			size_t step = p->left < n - at ? p->left : n - at;

			p->left -= step;
			at += step;
			continue;
		}
		if (p->bytes) {
			p->length = p->length << 8 | bytes[at++];
			p->bytes--;
		} else {
			p->length = bytes[at] & 0x7F;
			p->bytes = bytes[at++] & 0x80 ? 3 : 0;
		}
		if (p->bytes)
			continue;
		p->left += p->length;
		p->total += (size_t)p->length + 1;
		p->has_name = !p->has_name;
		if (p->total > PARAMS_MAX_BYTES)
			return false;
	}
	return true;
}

static bool
is_cut_off(const struct pairs *p)
{
	return p->left || p->bytes || p->has_name;
}

/*
 * Padding behind the first record and behind the end of the parameters would be records for
 * libfcgi, so there may be none. Records of other types or of another request are nothing that a
 * front server sends, and libfcgi loses memory over some.
 */
static bool
is_expected(const unsigned char *head, const unsigned char *first, unsigned char type,
    size_t content)
{
	if (head[0] != FCGI_VERSION_1 || head[1] != type || head[2] != first[2]
	    || head[3] != first[3])
		return false;
	if (type == FCGI_BEGIN_REQUEST)
		return (head[2] | head[3]) != 0 && content == 8 && head[6] == 0;
	return type != FCGI_PARAMS || content > 0 || head[6] == 0;
}

enum parse_seen
parse_records(const unsigned char *bytes, size_t n, bool *alone)
{
	unsigned char type = FCGI_BEGIN_REQUEST;
	struct pairs  pairs = { 0 };

	for (size_t at = 0; n - at >= PARSE_RECORD_HEAD_BYTES;) {
		const unsigned char *head = bytes + at;
		size_t               content = (size_t)head[4] << 8 | head[5];

		if (!is_expected(head, bytes, type, content))
			return PARSE_WRONG;
		at += PARSE_RECORD_HEAD_BYTES;
		if (type == FCGI_PARAMS
		    && !walk_pairs(&pairs, bytes + at, content < n - at ? content : n - at))
			return PARSE_WRONG;
		at += content + head[6];
		if (at > n)
			break;
		if (type == FCGI_STDIN && content == 0) {
			*alone = at == n;
			return PARSE_WHOLE;
		}
		if (type == FCGI_BEGIN_REQUEST) {
			type = FCGI_PARAMS;
		} else if (type == FCGI_PARAMS && content == 0) {
			if (is_cut_off(&pairs))
				return PARSE_WRONG;
			type = FCGI_STDIN;
		}
	}
	return type == FCGI_STDIN ? PARSE_PARAMS : PARSE_MORE;
}

void
parse_params(char **envp, struct parse_params *out)
{
	*out = (struct parse_params) { 0 };
	for (; *envp; envp++) {
		struct str value = str_of(*envp);
		struct str name = str_cut(&value, '=');

		if (!value.ptr)
			continue; /* the name had a NUL in it */
		for (size_t i = 0; i < PARSE__PARAMS; i++)
			if (str_eq(name, names[i])) {
				if (out->count[i]++ == 0)
					out->value[i] = value;
				break;
			}
	}
}

bool
parse_length(struct str text, int64_t *out)
{
	*out = 0;
	return text.len == 0 || str_is(text, "-1") || str_to_i64(text, 0, INT64_MAX, out);
}
