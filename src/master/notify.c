/* Messages to systemd. */
#include "master/notify.h"
#include "base/clock.h"

#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

enum { STATUS_PAUSE_MS = 1000 };

static void
report(const char *text)
{
#ifdef HAVE_SYSTEMD
	sd_notify(0, text);
#else
	(void)text;
#endif
}

void
notify_init(struct notify *n)
{
	uint64_t us = 0;

	*n = (struct notify) { 0 };
#ifdef HAVE_SYSTEMD
	if (sd_watchdog_enabled(0, &us) <= 0)
		us = 0;
#endif
	n->watchdog_ms = (int64_t)(us / 2 / 1000);
}

void
notify_ready(void)
{
	report("READY=1");
}

void
notify_reloading(void)
{
	char text[64];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_us());
	report(text);
}

void
notify_stopping(void)
{
	report("STOPPING=1");
}

void
notify_status(struct notify *n, int64_t now_ms, const char *fmt, ...)
{
	char    text[sizeof(n->status)], line[sizeof(text) + 8];
	va_list ap;

	if (n->status[0] && now_ms - n->status_ms < STATUS_PAUSE_MS)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (strcmp(text, n->status) == 0)
		return;
	memcpy(n->status, text, sizeof(text));
	n->status_ms = now_ms;
	snprintf(line, sizeof(line), "STATUS=%s", text);
	report(line);
}

void
notify_alive(struct notify *n, int64_t now_ms)
{
	if (n->watchdog_ms == 0 || now_ms - n->alive_ms < n->watchdog_ms)
		return;
	n->alive_ms = now_ms;
	report("WATCHDOG=1");
}

int64_t
notify_due_ms(const struct notify *n, int64_t now_ms)
{
	int64_t due = n->alive_ms + n->watchdog_ms - now_ms;

	return n->watchdog_ms == 0 ? INT64_MAX : due > 0 ? due : 0;
}
