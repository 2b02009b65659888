/*
 * The operator's log: one line an event, "time level message key=value ...".
 *
 * Where      Standard error, which a service manager keeps.
 * Never      API keys, bodies, or anything that a customer's record holds.
 * Keeps      errno. A line is one write(), so lines of processes do not mix.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/base.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL__COUNT };

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT__COUNT };

extern const char *const log_format_names[LOG_FORMAT__COUNT];
extern const char *const log_level_names[LOG_LEVEL__COUNT];

/* Who speaks ("supervisor", "worker 3") and what is left out. */
void log_init(const char *who, enum log_level least);

/* For a log in a file that was moved away; standard error stays what it is. */
void log_reopen(void);

void log_error(const char *fmt, ...) PRINTF(1, 2);
void log_warn(const char *fmt, ...) PRINTF(1, 2);
void log_info(const char *fmt, ...) PRINTF(1, 2);
void log_debug(const char *fmt, ...) PRINTF(1, 2);

#endif
