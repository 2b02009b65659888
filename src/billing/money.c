/* Amounts and days. */
#include "billing/money.h"

#include <assert.h>

int64_t
money_share(int64_t amount, int64_t part, int64_t whole)
{
	int64_t rest;

	assert(0 <= part && part <= whole && 0 <= amount && amount <= MONEY_MAX);
	if (whole == 0)
		return 0;
	/* In two parts: amount x part can have more than 63 bits. */
	assert(whole < INT32_MAX);
	rest = amount % whole * part;
	return amount / whole * part + (2 * rest + whole) / (2 * whole);
}

int64_t
days_of(int64_t start_ms, int64_t end_ms)
{
	return end_ms <= start_ms ? 0 : (end_ms - start_ms + DAY_MS / 2) / DAY_MS;
}

int64_t
days_left(int64_t start_ms, int64_t end_ms, int64_t at_ms)
{
	int64_t days = days_of(start_ms, end_ms);
	int64_t left = at_ms >= end_ms ? 0 : (end_ms - at_ms + DAY_MS - 1) / DAY_MS;

	return left < days ? left : days;
}
