/*
 * Messages to systemd (sd_notify(3)): ready, reloading, stopping, a status line, and that the
 * supervisor is alive.
 *
 * Without    systemd, or built without its library, nothing is sent.
 * Cost       The status at most once a second and only when it has changed; the watchdog's answer
 *            at half its interval, and only when it asks for one.
 */
#ifndef MASTER_NOTIFY_H
#define MASTER_NOTIFY_H

#include "base/base.h"

struct notify {
	char    status[96]; /* as it was sent last */
	int64_t status_ms;
	int64_t watchdog_ms; /* between two signs of life; 0: none are wanted */
	int64_t alive_ms;
};

void notify_init(struct notify *n);

void notify_ready(void);
void notify_reloading(void); /* to be followed by notify_ready(), whatever comes of it */
void notify_stopping(void);

void notify_status(struct notify *n, int64_t now_ms, const char *fmt, ...) PRINTF(3, 4);

/* To be called at least every notify_due_ms(); INT64_MAX: there is no hurry. */
void    notify_alive(struct notify *n, int64_t now_ms);
int64_t notify_due_ms(const struct notify *n, int64_t now_ms);

#endif
