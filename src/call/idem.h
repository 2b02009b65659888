/*
 * Idempotency keys (contract section 5): the record of a key.
 *
 * Holds      The answer itself, byte for byte: status, headers that the handler added, body,
 *            and the version that it was made for; and a hash of the request: method, path,
 *            the body as canonical JSON, and the headers that change what is meant. It knows
 *            nothing of any resource, and a repeated request is answered from it alone,
 *            whatever has been configured or released since.
 * Size       About that of the answer.
 * Written    By the last statement of the write's own transaction (call/write.h), so that a
 *            crash leaves both or neither.
 * Stored     Successes, and a 409 of the write itself. Not stored: what was decided before the
 *            write (400, 401, 404), 429 and 5xx.
 * Secrets    The answer of a ROUTE_SECRET is sealed with the caller's API key, which is kept
 *            nowhere, so only that key can repeat the request.
 */
#ifndef CALL_IDEM_H
#define CALL_IDEM_H

#include "call/call.h"

/*
 * Fills c->idem from the header and hashes the request; body_read() must have been called.
 * ERR_VALIDATION if the header is malformed.
 */
enum err idem_begin(struct call *c);

/* Adds a write's first steps: enters the environment and, with a key, looks for its record. */
void idem_enter(struct call *c, struct tx *tx);

/*
 * After a transaction that began with idem_enter() and was answered: whether there is a record, so
 * that the write was not done again.
 */
bool idem_found(struct call *c, const struct tx *tx);

/*
 * Says what the answer tells about, before it is kept: when one of these is erased, the answer is
 * too. The ids must live as long as the call; those of an earlier answer are forgotten.
 */
static inline void
idem_about(struct call *c, const struct id *ids, size_t count)
{
	c->idem.about = ids;
	c->idem.about_count = count;
}

/*
 * Adds the step that keeps the response as it is now. expected: it keeps nothing if a statement
 * before it has set app.expected to false (sql/query/idempotency.sql).
 */
void idem_keep(struct call *c, struct tx *tx, bool expected);

/*
 * After idem_found(): fills the response from the record, and returns the error in it or ERR_OK.
 * ERR_IDEM_ERASED if what it tells about was erased, ERR_IDEM_MISMATCH if the key was used for a
 * different request, ERR_IDEM_UNAVAILABLE if the answer
 * cannot be unsealed.
 */
enum err idem_replay(struct call *c, const struct tx *tx);

/*
 * Looks for the record of a key that this process has met lately. True: the call is answered with
 * *e (from the record, or because the look-up failed), and nothing else is to be done.
 */
bool idem_is_repeated(struct call *c, enum err *e);

/*
 * For a request that is to be refused with e before anything was written: if its key was used
 * before, the stored answer counts instead, because the rules may have changed since then.
 * Returns the error to answer with.
 */
enum err idem_recall(struct call *c, enum err e);

#endif
