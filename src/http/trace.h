/*
 * W3C Trace Context: the trace that a request belongs to.
 *
 * Read       The header traceparent, strictly: an invalid one counts as missing. Of a version
 *            later than 00 only the first four fields are read. The service begins no trace:
 *            a request that comes without one has none.
 * Continued  A request of a trace gets a span id of its own, which is in the log and in the
 *            answer's header traceresponse (level 2 of the standard).
 * tracestate Not read: there is no service behind this one to pass it on to.
 */
#ifndef HTTP_TRACE_H
#define HTTP_TRACE_H

#include "base/str.h"

enum {
	TRACE_ID_DIGITS = 32,
	TRACE_SPAN_DIGITS = 16,
	TRACE_TEXT_BYTES = 2 + 1 + TRACE_ID_DIGITS + 1 + TRACE_SPAN_DIGITS + 1 + 2,
	TRACE_SAMPLED = 1,
	TRACE_RANDOM = 2,
};

struct trace {
	struct str id;     /* of the trace; absent: the request belongs to none */
	struct str parent; /* the caller's span */
	char       span[TRACE_SPAN_DIGITS]; /* of this request */
	unsigned   flags;  /* TRACE_SAMPLED, TRACE_RANDOM; others are not passed on */
};

/* Views of the header; false and an absent id when it is not valid. */
bool trace_parse(struct str traceparent, struct trace *out) MUSTCHECK;

/* Draws a random span id for this request. */
void trace_begin(struct trace *t);

/* Writes the value of traceresponse: TRACE_TEXT_BYTES and a NUL. */
void trace_response(const struct trace *t, char out[TRACE_TEXT_BYTES + 1]);

#endif
