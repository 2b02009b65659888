/* Rates. */
#include "base/rate.h"

#include <stdio.h>

static const struct {
	char     letter;
	uint32_t seconds;
} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 } };

enum { COUNT_BITS = 20 };

_Static_assert(RATE_MAX < 1 << COUNT_BITS, "a count that does not fit");

static bool
parse_number(struct str s, uint32_t *out)
{
	int64_t n;

	if (!str_to_i64(s, 1, RATE_MAX, &n))
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool
parse_unit(struct str s, uint32_t *seconds)
{
	for (size_t i = 0; i < COUNTOF(units); i++) {
		if (s.len == 1 && s.ptr[0] == units[i].letter) {
			*seconds = units[i].seconds;
			return true;
		}
	}
	return false;
}

bool
rate_parse(struct str text, struct rate *out)
{
	struct str  rest = str_trim(text), unit = str_cut(&rest, ' '), count;
	struct rate r;

	if (str_is(unit, "off") && !rest.ptr) {
		*out = (struct rate) { 0 };
		return true;
	}
	count = str_cut(&unit, '/');
	if (!parse_number(count, &r.count) || !parse_unit(unit, &r.per_s))
		return false;
	r.burst = r.count;
	if (rest.ptr) {
		rest = str_trim(rest);
		if (!str_starts(rest, STR("burst "))
		    || !parse_number(str_trim((struct str) { rest.ptr + 6, rest.len - 6 }),
		        &r.burst))
			return false;
	}
	*out = r;
	return true;
}

static size_t
unit_of(const struct rate *r)
{
	size_t i = 0;

	while (i + 1 < COUNTOF(units) && units[i].seconds != r->per_s)
		i++;
	return i;
}

struct str
rate_text(const struct rate *r, char out[RATE_TEXT_BYTES])
{
	if (r->count == 0)
		return STR("off");
	snprintf(out, RATE_TEXT_BYTES, "%u/%c burst %u", r->count, units[unit_of(r)].letter,
	    r->burst);
	return str_of(out);
}

uint64_t
rate_pack(const struct rate *r)
{
	if (r->count == 0)
		return 0;
	return r->count | (uint64_t)r->burst << COUNT_BITS | (uint64_t)unit_of(r) << 2 * COUNT_BITS;
}

struct rate
rate_unpack(uint64_t packed)
{
	const uint64_t mask = (1 << COUNT_BITS) - 1;
	uint64_t       unit = packed >> 2 * COUNT_BITS;
	struct rate    r = {
		.count = (uint32_t)(packed & mask),
		.burst = (uint32_t)(packed >> COUNT_BITS & mask),
	};

	if (r.count == 0 || r.count > RATE_MAX || r.burst == 0 || r.burst > RATE_MAX
	    || unit >= COUNTOF(units))
		return (struct rate) { 0 };
	r.per_s = units[unit].seconds;
	return r;
}

/* In which one token comes back; rounded up, so that the rate is never more than was said. */
static int64_t
step_ns(const struct rate *r)
{
	return ((int64_t)r->per_s * 1000000000 + r->count - 1) / r->count;
}

static int64_t
debt_ns(int64_t full_at_ns, int64_t now_ns)
{
	return full_at_ns > now_ns ? full_at_ns - now_ns : 0;
}

void
rate_look(const struct rate *r, int64_t full_at_ns, int64_t now_ns, struct rate_view *out)
{
	int64_t step = step_ns(r), size = step * r->burst, debt = debt_ns(full_at_ns, now_ns);
	int64_t left = debt < size ? (size - debt) / step : 0;

	out->left = (uint32_t)left;
	out->next_ns = debt ? debt - size + (left + 1) * step : 0;
}

bool
rate_take(const struct rate *r, int64_t *full_at_ns, int64_t now_ns, struct rate_view *out)
{
	int64_t step = step_ns(r), size = step * r->burst, debt = debt_ns(*full_at_ns, now_ns);
	bool    taken = debt <= size - step;

	if (taken)
		*full_at_ns = now_ns + debt + step;
	else if (debt > size + RATE_LATE_NS)
		*full_at_ns = now_ns + size;
	rate_look(r, *full_at_ns, now_ns, out);
	return taken;
}

int64_t
rate_convert(const struct rate *from, const struct rate *to, int64_t full_at_ns, int64_t now_ns)
{
	double out;

	if (rate_pack(from) == rate_pack(to))
		return full_at_ns;
	if (from->count == 0 || to->count == 0)
		return now_ns;
	out = (double)debt_ns(full_at_ns, now_ns) / (double)step_ns(from);
	if (out > to->burst)
		out = to->burst;
	return now_ns + (int64_t)(out * (double)step_ns(to));
}
