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

/* Currencies whose minor unit is not a hundredth, by the digits behind the point. */
static const struct {
	const char *currencies;
	int         digits;
} minor_units[] = {
	{ "bif clp djf gnf isk jpy kmf krw pyg rwf ugx uyi vnd vuv xaf xof xpf", 0 },
	{ "bhd iqd jod kwd lyd omr tnd", 3 },
	{ "clf uyw", 4 },
};

enum { CURRENCY_BYTES = 3 };

static int
minor_digits(struct str currency)
{
	for (size_t i = 0; i < COUNTOF(minor_units); i++)
		for (struct str rest = str_of(minor_units[i].currencies); rest.ptr;)
			if (str_eq_nocase(str_cut(&rest, ' '), currency))
				return minor_units[i].digits;
	return 2;
}

/* From the end to the front: the digits behind the point, the point, the others in threes. */
struct str
money_text(struct arena *a, int64_t amount, struct str currency)
{
	enum { ROOM = CURRENCY_BYTES + 1 + 1 + STR_NUM_BYTES + 6 + 1 + 3 };
	char       room[STR_NUM_BYTES], *end, *at;
	struct str digits = str_num(room, amount < 0 ? 0 - (uint64_t)amount : (uint64_t)amount);
	size_t     behind = (size_t)minor_digits(currency), count = 0;

	end = at = ARENA_NEW(a, char, ROOM + 1) + ROOM;
	for (; count < digits.len || count <= behind; count++) {
		if (count == behind && behind)
			*--at = '.';
		else if (count > behind && (count - behind) % 3 == 0)
			*--at = ',';
		*--at = count < digits.len ? digits.ptr[digits.len - 1 - count] : '0';
	}
	if (amount < 0)
		*--at = '-';
	*--at = ' ';
	for (size_t i = CURRENCY_BYTES; i-- > 0;)
		*--at = (char)(i < currency.len ? currency.ptr[i] & ~0x20 : ' ');
	return (struct str) { at, (size_t)(end - at) };
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
