/*
 * What a client sent and the service does not look at: parameters of the query and members of the
 * body that the call does not have in its version. Old clients send many, so they are no mistake;
 * but one who means a filter must not take everything for its result. So the answer names them in
 * Clientele-Ignored, and a client that prefers handling=strict is refused.
 *
 * Names      A safe text of at most 40 bytes each, without repetition, in the order in which they
 *            were met: letters, digits and -._[] of what was sent, '?' for anything else. Of more
 *            than 12 the others are "...".
 */
#ifndef CALL_IGNORED_H
#define CALL_IGNORED_H

#include "call/call.h"

/*
 * Notes one name. Returns it as it may be shown if the client wants it refused; then the caller
 * reports the field. NULL otherwise.
 */
const char *ignored_add(struct call *c, struct str name);

/* A name as it may be shown. */
const char *ignored_shown(struct call *c, struct str name);

/* Whether there are so many that a further one changes nothing. */
bool ignored_enough(const struct call *c);

/* Notes the query's parameters that the call's route does not know. ERR_VALIDATION if strict. */
enum err ignored_query(struct call *c);

/* What the report of such a field says. */
extern const char ignored_fault[];

/* The names for the header; absent if there are none. */
struct str ignored_text(struct call *c);

#endif
