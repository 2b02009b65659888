/* The operator's log. */
#include "base/log.h"
#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

const char *const log_level_names[LOG_LEVEL__COUNT] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

const char *const log_format_names[LOG_FORMAT__COUNT] = {
	[LOG_FORMAT_TEXT] = "text",
	[LOG_FORMAT_JSON] = "json",
};

static char           speaker[32] = "clientele";
static enum log_level least_level = LOG_LEVEL_INFO;

void
log_init(const char *who, enum log_level least)
{
	snprintf(speaker, sizeof(speaker), "%s", who);
	least_level = least;
}

void
log_reopen(void)
{
}

static void PRINTF(2, 0)
line(enum log_level level, const char *fmt, va_list ap)
{
	int    saved = errno;
	char   text[2048], when[CLOCK_ISO_BYTES + 1];
	int    head, body;
	size_t len;

	if (level > least_level)
		return;
	clock_iso(clock_wall_ms(), when);
	head = snprintf(text, sizeof(text), "%s %-5s %s[%d]: ", when, log_level_names[level], speaker,
	    (int)getpid());
	body = vsnprintf(text + head, sizeof(text) - (size_t)head, fmt, ap);
	len = body < 0 ? (size_t)head : (size_t)head + (size_t)body;
	if (len > sizeof(text) - 2)
		len = sizeof(text) - 2;
	/* What came from outside must not be able to start a line of its own. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ')
			text[i] = ' ';
	text[len++] = '\n';
	/* Nothing can be done about a log that cannot be written; the service goes on. */
	if (write(STDERR_FILENO, text, len) == -1)
		errno = saved;
	errno = saved;
}

#define LEVEL(name, level)                \
	void name(const char *fmt, ...)   \
	{                                 \
		va_list ap;               \
                                          \
		va_start(ap, fmt);        \
		line(level, fmt, ap);     \
		va_end(ap);               \
	}

LEVEL(log_error, LOG_LEVEL_ERROR)
LEVEL(log_warn, LOG_LEVEL_WARN)
LEVEL(log_info, LOG_LEVEL_INFO)
LEVEL(log_debug, LOG_LEVEL_DEBUG)
