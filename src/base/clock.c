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
