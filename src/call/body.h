/*
 * The body of a request as a JSON object.
 */
#ifndef CALL_BODY_H
#define CALL_BODY_H

#include "call/call.h"

/*
 * Reads the body into c->body, once. What is wrong with it is reported later, by body_object(),
 * because the answer that is stored for an Idempotency-Key comes first.
 */
void body_read(struct call *c);

enum body_use {
	BODY_REQUIRED,
	BODY_MAY_BE_EMPTY, /* no body, or an empty array, counts as an empty object */
};

/*
 * *doc is the body, which is an object (or, if it may be empty, an empty array). ERR_TOO_LARGE,
 * ERR_INVALID_JSON (the message has the byte offset), ERR_VALIDATION (not an object).
 */
enum err body_object(struct call *c, enum body_use use, const struct jdoc **doc);

#endif
