/*
 * Two clocks: monotonic time for deadlines and durations, wall time for data.
 *
 * Units      _ms is milliseconds, _us microseconds, _ns nanoseconds; wall time counts from
 *            1970-01-01 UTC.
 * Tests      clock_freeze() makes wall time stand still; 0 lets it go on.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/base.h"

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

enum { CLOCK_ISO_BYTES = 24 };

/* "2026-07-31T12:34:56.789Z", 24 bytes and a NUL; years 0 to 9999. */
void clock_iso(int64_t wall_ms, char out[CLOCK_ISO_BYTES + 1]);

#endif
