/*
 * Idempotency keys (contract section 5).
 *
 * The record of a key is written by the last statement of the transaction that
 * it belongs to, so that a crash leaves both or neither. A key that was used
 * before makes that statement, and with it the whole transaction, fail; only
 * then the stored outcome is read. A twin of a running request waits where the
 * transaction begins (call_enter), so after the wait it sees the outcome.
 *
 * Stored     Successes, and a 409 of the write itself. Not stored: what was decided
 *            before the write (400, 401, 404), 429 and 5xx.
 */
#ifndef CALL_IDEM_H
#define CALL_IDEM_H

#include "call/call.h"

/* What the key's record says. */
struct idem_stored {
	bool             found;   /* the transaction was undone, this is the answer of the first one */
	enum err         outcome; /* ERR_OK, or the error that was answered */
	size_t           ids;     /* that the request gave to what it made, in the order of its items */
	const struct id *id;
	struct tx        tx;      /* its second step has the customers that were answered */
};

enum { IDEM_CUSTOMERS_STEP = 2 };

/* Reads the header into the call; hashes the request. ERR_VALIDATION when it is malformed. */
enum err idem_begin(struct call *c);

/* Makes something beyond method, path, version and body a part of what a repeated request must agree in. */
void idem_add(struct call *c, struct str part);

/* The last two parameters of every write statement: key or NULL, and request hash. */
void idem_bind(const struct call *c, struct bind *b);

/* A step of its own for the record, of a write that has no customers in its answer. Needs a key. */
void idem_step(const struct call *c, struct tx *tx, const struct id *ids, size_t count, enum err outcome);

/*
 * Runs a write. ERR_OK: it was done (stored->found is false), or it had been
 * done before (true; the caller answers from it and calls idem_mark()). DB_UNIQUE on another
 * constraint than the key's is left to the caller: *taken is set, ERR_DUPLICATE
 * returned. The caller zeroes stored before.
 */
enum err idem_run(struct call *c, struct tx *tx, struct idem_stored *stored, bool *taken);

/* Marks the answer as a replay; made is the first id that this request gave, or NULL. */
void idem_mark(struct call *c, const struct idem_stored *stored, const struct id *made);

/*
 * For a write that found nothing to write to, and so left no record: whether the
 * key had been used before. ERR_OK; stored->found tells. Without a key it never
 * was.
 */
enum err idem_find(struct call *c, struct idem_stored *stored);

/*
 * Keeps a refusal as the key's outcome and returns it. When the key had been
 * used before, its answer counts and not the refusal: ERR_OK with stored->found,
 * or ERR_IDEM_MISMATCH. stored comes from idem_run().
 */
enum err idem_refused(struct call *c, enum err outcome, struct idem_stored *stored);

#endif
