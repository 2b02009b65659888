/* Two clocks. */
#include "base/clock.h"

#include <time.h>

static int64_t frozen_ms;

static int64_t
read_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
clock_mono_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

int64_t
clock_mono_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_mono_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t
clock_wall_ms(void)
{
	return frozen_ms ? frozen_ms : read_ms(CLOCK_REALTIME);
}

int64_t
clock_wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return frozen_ms ? frozen_ms * 1000 : (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void
clock_freeze(int64_t wall_ms)
{
	frozen_ms = wall_ms;
}

int64_t
clock_jumped(struct clock_watch *w)
{
	int64_t before_ms = read_ms(CLOCK_BOOTTIME);
	int64_t ahead_ms = clock_wall_ms() - before_ms;
	int64_t jump_ms = w->begun ? ahead_ms - w->ahead_ms : 0;

	/* This process may have been stopped between the two clocks. */
	if (read_ms(CLOCK_BOOTTIME) - before_ms >= CLOCK_JUMP_MS / 2)
		return 0;
	*w = (struct clock_watch) { ahead_ms, true };
	return jump_ms > -CLOCK_JUMP_MS && jump_ms < CLOCK_JUMP_MS ? 0 : jump_ms;
}

static char *
digits(char *p, int value, int width)
{
	for (int i = width - 1; i >= 0; i--) {
		p[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return p + width;
}

void
clock_iso(int64_t wall_ms, char out[CLOCK_ISO_BYTES + 1])
{
	int64_t day = wall_ms / 86400000, ms = wall_ms % 86400000;
	char   *p = out;

	if (ms < 0) {
		ms += 86400000;
		day--;
	}
	/*
	 * Days to civil date in the proleptic Gregorian calendar, counted in
	 * eras of 400 years that begin on 1 March, so that the leap day is the
	 * last of its year. By hand because it is on the path of every answer
	 * and gmtime_r() costs ten times as much.
	 */
	int64_t z = day + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int     doe = (int)(z - era * 146097);
	int     yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int     doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int     mp = (5 * doy + 2) / 153;
	int     month = mp < 10 ? mp + 3 : mp - 9;
	int     year = (int)(yoe + era * 400) + (month <= 2);

	p = digits(p, year, 4);
	*p++ = '-';
	p = digits(p, month, 2);
	*p++ = '-';
	p = digits(p, doy - (153 * mp + 2) / 5 + 1, 2);
	*p++ = 'T';
	p = digits(p, (int)(ms / 3600000), 2);
	*p++ = ':';
	p = digits(p, (int)(ms / 60000 % 60), 2);
	*p++ = ':';
	p = digits(p, (int)(ms / 1000 % 60), 2);
	*p++ = '.';
	p = digits(p, (int)(ms % 1000), 3);
	*p++ = 'Z';
	*p = '\0';
}

/* ---- reading ---- */

/* Takes digits and what stands after them; 0: nothing more. */
static bool
take(struct str *s, size_t count, char after, int64_t min, int64_t max, int64_t *n)
{
	struct str number = { s->ptr, count };

	if (s->len < count + (after != 0) || !str_to_i64(number, min, max, n)
	    || (after && s->ptr[count] != after))
		return false;
	*s = (struct str) { s->ptr + count + (after != 0), s->len - count - (after != 0) };
	return true;
}

static bool
take_fraction(struct str *s, int64_t *ms)
{
	int64_t unit = 100;

	if (s->len == 0 || *s->ptr != '.')
		return true;
	do {
		s->ptr++, s->len--;
		if (s->len == 0 || !str_is_digit(*s->ptr))
			break;
		*ms += (*s->ptr - '0') * unit;
		unit /= 10;
	} while (true);
	return unit < 100;
}

/* Z, or +hh:mm, and the end; *minutes east of UTC. */
static bool
take_offset(struct str *s, int64_t *minutes)
{
	int64_t h, m;
	bool    west = s->len && *s->ptr == '-';

	*minutes = 0;
	if (str_is(*s, "Z") || str_is(*s, "z"))
		return true;
	if (s->len != 6 || (!west && *s->ptr != '+'))
		return false;
	s->ptr++, s->len--;
	if (!take(s, 2, ':', 0, 23, &h) || !take(s, 2, 0, 0, 59, &m))
		return false;
	*minutes = (60 * h + m) * (west ? -1 : 1);
	return true;
}

/* Days since 1970-01-01; the reverse of what clock_iso() does. */
static int64_t
days_since_epoch(int64_t year, int64_t month, int64_t day)
{
	int64_t y = year - (month <= 2), era = y / 400, yoe = y - era * 400;
	int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

bool
clock_read(struct str s, int64_t *wall_ms)
{
	static const int month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t year, month, day, h = 0, m = 0, sec = 0, ms = 0, east = 0;
	bool    leap;

	if (!take(&s, 4, '-', 1, 9999, &year) || !take(&s, 2, '-', 1, 12, &month)
	    || !take(&s, 2, 0, 1, 31, &day))
		return false;
	leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	if (day > month_days[month - 1] + (month == 2 && leap))
		return false;
	if (s.len && (*s.ptr++ != 'T' || s.len-- == 0 || !take(&s, 2, ':', 0, 23, &h)
	    || !take(&s, 2, ':', 0, 59, &m) || !take(&s, 2, 0, 0, 59, &sec)
	    || !take_fraction(&s, &ms) || !take_offset(&s, &east)))
		return false;
	*wall_ms = ((days_since_epoch(year, month, day) * 24 + h) * 60 + m - east) * 60000
	    + sec * 1000 + ms;
	return true;
}
