/*
 * Answers: the envelope of the call's version around what a handler made, and
 * the one error body that every generation of clients reads (contract section 4).
 *
 * Ownership  reply_one() and reply_list() take over the value.
 */
#ifndef CALL_REPLY_H
#define CALL_REPLY_H

#include "call/call.h"

enum err reply_one(struct call *c, int status, struct json_object *value);

/* 304, with the headers that were set and no body. */
enum err reply_not_modified(struct call *c);

/* next_cursor is absent on the last page. */
enum err reply_list(struct call *c, struct json_object *array, struct str next_cursor);

/* The member "error" of an error's body. */
struct json_object *reply_problem(struct call *c, const struct problem *p);

/*
 * Writes c->reply, or the problem if code is not ERR_OK, into the response. Once it is there,
 * further calls do nothing. Returns code, or ERR_INTERNAL when the answer is too large; the
 * response is then that error.
 */
enum err reply_render(struct call *c, enum err code);

/* Takes back everything that a handler has put into the response. */
void reply_forget(struct call *c);

#endif
