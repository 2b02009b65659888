/*
 * Subscriptions in PostgreSQL: struct life and struct deed <-> SQL, and nothing else
 * (sql/query/billing.sql).
 *
 * Lifetime   What is read lives as long as the transaction's arena; what is bound must live until
 *            the transaction has ended.
 */
#ifndef BILLING_LEDGER_H
#define BILLING_LEDGER_H

#include "billing/life.h"
#include "db/member.h"
#include "db/sqlcat.h"

/* What each of :life_columns fills. billing_save takes the first LIFE_KEPT. */
extern const struct member life_columns[COL_LIFE__COUNT];
enum { LIFE_KEPT = COL_LIFE_UPDATED_AT + 1 };

/* A row of billing_look. arena and environment are what is made belongs to. */
void ledger_read(const struct row *row, struct arena *arena, const struct id *environment,
    struct life *l);

/* Of a row of billing_order: how the environment bills. */
void ledger_read_terms(const struct row *row, struct terms *terms);

/* Of that, or of billing_offer: a plan and its price. False: there is no such plan. */
bool ledger_read_offer(const struct row *row, struct offer *offer) MUSTCHECK;

/*
 * A row of invoice_outstanding, and the life that billing_look found for the same invoice. False:
 * it is not outstanding, and can become neither paid nor void.
 */
bool ledger_read_settled(const struct row *row, const struct life *l, struct settled *out)
    MUSTCHECK;

/* The parameters of billing_save, $1 included. */
void ledger_save(struct bind *b, const struct life *l, const struct deed *d);

#endif
