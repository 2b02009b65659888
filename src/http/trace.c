/* W3C Trace Context: the trace that a request belongs to. */
#include "http/trace.h"
#include "base/hash.h"

#include <stdio.h>

static bool
is_hex(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
			return false;
	return true;
}

static bool
is_zero(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] != '0')
			return false;
	return true;
}

static unsigned
hex_value(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

bool
trace_parse(struct str header, struct trace *out)
{
	enum { VERSION = 0, ID = 3, PARENT = ID + TRACE_ID_DIGITS + 1, FLAGS = PARENT + TRACE_SPAN_DIGITS + 1 };
	const struct str version = { header.ptr + VERSION, 2 };
	const struct str id = { header.ptr + ID, TRACE_ID_DIGITS };
	const struct str parent = { header.ptr + PARENT, TRACE_SPAN_DIGITS };
	const struct str flags = { header.ptr + FLAGS, 2 };

	*out = (struct trace) { 0 };
	if (header.len < TRACE_TEXT_BYTES || header.ptr[ID - 1] != '-' || header.ptr[PARENT - 1] != '-'
	    || header.ptr[FLAGS - 1] != '-')
		return false;
	if (!is_hex(version) || !is_hex(id) || !is_hex(parent) || !is_hex(flags) || is_zero(id) || is_zero(parent))
		return false;
	/* ff is forbidden; a later version may go on behind another dash. */
	if (str_is(version, "ff")
	    || (header.len > TRACE_TEXT_BYTES && (is_zero(version) || header.ptr[TRACE_TEXT_BYTES] != '-')))
		return false;
	out->id = id;
	out->parent = parent;
	out->flags = (hex_value(flags.ptr[0]) << 4 | hex_value(flags.ptr[1])) & (TRACE_SAMPLED | TRACE_RANDOM);
	return true;
}

void
trace_begin(struct trace *t)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char     random[TRACE_SPAN_DIGITS / 2];

	hash_random(random, sizeof(random));
	random[0] |= (unsigned char)!random[0]; /* all zero means none */
	for (size_t i = 0; i < sizeof(random); i++) {
		t->span[2 * i] = hex[random[i] >> 4];
		t->span[2 * i + 1] = hex[random[i] & 15];
	}
}

void
trace_response(const struct trace *t, char out[TRACE_TEXT_BYTES + 1])
{
	snprintf(out, TRACE_TEXT_BYTES + 1, "00-%.*s-%.*s-%02x", STR_ARGS(t->id), TRACE_SPAN_DIGITS, t->span, t->flags);
}
