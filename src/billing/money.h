/*
 * Amounts, in the minor unit of a currency; days of periods.
 */
#ifndef BILLING_MONEY_H
#define BILLING_MONEY_H

#include "base/arena.h"

enum { DAY_MS = 24 * 3600 * 1000 };

/* The largest amount that every client's numbers hold: 2^53 - 1. */
#define MONEY_MAX INT64_C(9007199254740991)

/* amount x part / whole, half up. 0 <= part <= whole, 0 <= amount <= MONEY_MAX; of nothing: 0. */
int64_t money_share(int64_t amount, int64_t part, int64_t whole);

/*
 * An amount for people: "USD 1,234.50". The currency decides how many digits stand behind the point
 * (ISO 4217): JPY has none, KWD three, what is not known two.
 */
struct str money_text(struct arena *a, int64_t amount, struct str currency);

/* Days of a period, to the nearest: one with a change of clocks has an hour more or less. */
int64_t days_of(int64_t start_ms, int64_t end_ms);

/* Of these, those that are left at a time, the one that has begun included. */
int64_t days_left(int64_t start_ms, int64_t end_ms, int64_t at_ms);

#endif
