/*
 * An invoice is paid, or void: somebody says so, over the API or on the command line. Either is one
 * transaction with these steps (sql/query/billing.sql has their order):
 *
 *	settle_ask(&tx, &environment, &invoice);
 *	tx.then = ...                                 calls settle_decide()
 *
 * Lifetime   What was found lives as long as the transaction's arena.
 */
#ifndef BILLING_SETTLE_H
#define BILLING_SETTLE_H

#include "billing/life.h"
#include "db/tx.h"

enum settle {
	SETTLE_DONE,
	SETTLE_MISSING,   /* there is no such invoice */
	SETTLE_OVER,      /* it is paid, void or uncollectible */
	SETTLE_FORBIDDEN, /* by the state of its subscription */
	SETTLE__COUNT
};

/* Why not, in a sentence; NULL for the first two. */
extern const char *const settle_sentences[SETTLE__COUNT];

struct settlement {
	struct row  invoice; /* of invoice_outstanding, as it was; also of one that is over */
	struct life life;    /* the subscription as it is now */
	struct deed deed;
};

/* Adds the steps that lock and look. */
void settle_ask(struct tx *tx, const struct id *environment, const struct id *invoice);

/* From their results, the first of which is that step; adds the step that writes, if it may be. */
enum settle settle_decide(struct tx *tx, size_t first, const struct id *environment, bool paid,
    struct settlement *s);

#endif
