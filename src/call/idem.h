/*
 * Idempotency keys (contract section 5): the record of a key.
 *
 * Holds      The answer itself, byte for byte: status, headers of its handler, body, and the
 *            version that it was made for; and what was meant: method, path, and the body as
 *            canonical JSON. It knows nothing of any resource, and a repeated request is
 *            answered from it alone, whatever has been configured or released since.
 * Size       About that of the answer.
 * Written    In the transaction of the write, as its last statement (call/write.h), so that a
 *            crash leaves both or neither.
 * Stored     Successes, and a 409 of the write itself. Not stored: what was decided
 *            before the write (400, 401, 404), 429 and 5xx.
 * Secrets    The answer of a ROUTE_SECRET is sealed with the caller's API key, which is kept
 *            nowhere, so only that key can repeat the request.
 */
#ifndef CALL_IDEM_H
#define CALL_IDEM_H

#include "call/call.h"

/* Reads the header into the call; hashes what is meant. Needs body_read(). ERR_VALIDATION when it is malformed. */
enum err idem_begin(struct call *c);

/* The first steps of a write's transaction: enters the environment and, with a key, looks for its record. */
void idem_enter(struct call *c, struct tx *tx);

/* Of such a transaction that was answered: the record is there, so the write was not done again. */
bool idem_found(struct call *c, const struct tx *tx);

/* The step that keeps what the response holds now; expected: only if no statement before it says otherwise. */
void idem_keep(struct call *c, struct tx *tx, bool expected);

/*
 * Answers from the record that idem_found(): fills the response. ERR_IDEM_MISMATCH when the key was used for
 * something else.
 */
enum err idem_replay(struct call *c, const struct tx *tx);

/* Whether the key was met lately and *e is the answer, from its record: nothing else need be done. */
bool idem_is_repeated(struct call *c, enum err *e);

/*
 * For a request with a key that is to be refused with e before anything was written: when the key was used before, that
 * answer counts. The rules of the day may be others than the first request met.
 */
enum err idem_recall(struct call *c, enum err e);

#endif
