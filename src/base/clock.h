/*
 * Two clocks: monotonic time for deadlines and durations, wall time for data. Wall time may jump,
 * so nothing is measured or awaited by it.
 *
 * Units      _ms is milliseconds, _us microseconds, _ns nanoseconds; wall time counts from
 *            1970-01-01 UTC.
 * Tests      clock_freeze() makes wall time stand still; 0 lets it go on.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/str.h"

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_mono_ns(void);
int64_t clock_wall_ms(void);
int64_t clock_wall_us(void);
void    clock_freeze(int64_t wall_ms);

/*
 * From then to now, for a time that another process has written: 0 when it lies ahead, or is not a
 * time at all.
 */
static inline int64_t
clock_age(int64_t then, int64_t now)
{
	return then < 0 || then > now ? 0 : now - then;
}

/* Less is how a clock is kept right, and harms nobody. */
enum { CLOCK_JUMP_MS = 1000 };

struct clock_watch {
	int64_t ahead_ms; /* wall time less the time since the machine was started */
	bool    begun;
};

/*
 * By how much wall time has jumped since the last look, forward or (negative) back; 0: it has not.
 * A machine that slept has not jumped.
 */
int64_t clock_jumped(struct clock_watch *w);

enum { CLOCK_ISO_BYTES = 24 };

/* "2026-07-31T12:34:56.789Z", 24 bytes and a NUL; years 0 to 9999. */
void clock_iso(int64_t wall_ms, char out[CLOCK_ISO_BYTES + 1]);

/*
 * Reads a time of ISO 8601 as programs write it: a date (midnight UTC), or date, T, hours, minutes,
 * seconds, perhaps a fraction of them (what is less than a millisecond is dropped), and Z or an
 * offset. False: it is none, or no day of the calendar.
 */
bool clock_read(struct str text, int64_t *wall_ms) MUSTCHECK;

#endif
