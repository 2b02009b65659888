/*
 * The body of a request as a JSON object.
 */
#ifndef CALL_BODY_H
#define CALL_BODY_H

#include "call/call.h"

/* Reads the body into c->body, once, and judges nothing: a stored answer may come before that. */
void body_read(struct call *c);

enum body_use {
	BODY_REQUIRED,
	BODY_MAY_BE_EMPTY, /* nothing at all, or an empty array, is an empty object */
};

/* ERR_TOO_LARGE, ERR_INVALID_JSON (with the byte offset), ERR_VALIDATION (not an object). */
enum err body_object(struct call *c, enum body_use use, const struct jdoc **doc);

#endif
