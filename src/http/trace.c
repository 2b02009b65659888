/* W3C Trace Context: the trace that a request belongs to. */
#include "http/trace.h"
#include "base/hash.h"

#include <stdio.h>

/* Hexadecimal digits, none of them in upper case. */
static bool
is_hex(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (str_hex_digit(s.ptr[i]) < 0 || str_is_upper(s.ptr[i]))
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

bool
trace_parse(struct str header, struct trace *out)
{
	enum {
		VERSION = 0,
		ID = VERSION + 2 + 1,
		PARENT = ID + TRACE_ID_DIGITS + 1,
		FLAGS = PARENT + TRACE_SPAN_DIGITS + 1,
	};
	const struct str version = { header.ptr + VERSION, 2 };
	const struct str id = { header.ptr + ID, TRACE_ID_DIGITS };
	const struct str parent = { header.ptr + PARENT, TRACE_SPAN_DIGITS };
	const struct str flags = { header.ptr + FLAGS, 2 };

	*out = (struct trace) { 0 };
	if (header.len < TRACE_TEXT_BYTES)
		return false;
	if (header.ptr[ID - 1] != '-' || header.ptr[PARENT - 1] != '-'
	    || header.ptr[FLAGS - 1] != '-')
		return false;
	if (!is_hex(version) || !is_hex(id) || !is_hex(parent) || !is_hex(flags))
		return false;
	if (is_zero(id) || is_zero(parent) || str_is(version, "ff"))
		return false;
	/* A version later than 00 may go on behind another dash. */
	if (header.len > TRACE_TEXT_BYTES
	    && (is_zero(version) || header.ptr[TRACE_TEXT_BYTES] != '-'))
		return false;
	out->id = id;
	out->parent = parent;
	/* Both flags are in the lower digit. */
	out->flags = (unsigned)str_hex_digit(flags.ptr[1]) & (TRACE_SAMPLED | TRACE_RANDOM);
	return true;
}

void
trace_begin(struct trace *t)
{
	unsigned char random[TRACE_SPAN_DIGITS / 2];

	hash_random(random, sizeof(random));
	random[0] |= (unsigned char)!random[0]; /* all zeros would mean that there is none */
	str_put_hex(t->span, random, sizeof(random));
}

void
trace_response(const struct trace *t, char out[TRACE_TEXT_BYTES + 1])
{
	snprintf(out, TRACE_TEXT_BYTES + 1, "00-%.*s-%.*s-%02x", STR_ARGS(t->id),
	    TRACE_SPAN_DIGITS, t->span, t->flags);
}
