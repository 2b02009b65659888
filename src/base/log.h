/*
 * The operator's log: one line an event.
 *
 * text       "time level process[pid]: message name=value ...", values quoted where they need it.
 *            The journal and syslog keep time, level and pid themselves, so there the line begins
 *            with the process.
 * json       {"time":...,"level":...,"process":...,"pid":...,"message":...,"name":value,...}
 * Where      Standard error, until log_open() says something else (base/sink.h).
 * Never      API keys, bodies, or any of the API's data.
 * Safety     Whatever a text holds, it becomes one line, and valid JSON: hidden characters
 *            (base/utf8.h) and what is not UTF-8 are replaced, what is too long is cut and ends in
 *            "...".
 * Keeps      errno. A line is one write(), so lines of processes do not mix.
 * Lost       A line that cannot be written is lost and counted; the service goes on.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL__COUNT
};

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT__COUNT };

extern const char *const log_format_names[LOG_FORMAT__COUNT];
extern const char *const log_level_names[LOG_LEVEL__COUNT];

/*
 * Sets this process's name ("supervisor", "worker 3") and the least important level that is
 * written; call it again after fork().
 */
void log_init(const char *name, enum log_level least);

/* A person at a terminal reads the lines, up to log_open(): no time, no level, no process id. */
void log_plain(void);

/*
 * Where lines go from now on, in the words of the configuration key "log", and how they look. A
 * process opens it before it forks children that are to write to it, too. False: err says why, and
 * nothing has changed.
 */
bool log_open(const char *where, enum log_format format, struct buf *err) MUSTCHECK;

/* Whether log_open() knows such a place, and may write there. */
bool log_check(const char *where, struct buf *err) MUSTCHECK;

/*
 * After a file was moved away: opens the one that has its name now. Each process does it for
 * itself, in its loop and not in a signal handler. Until then, and when it fails, lines go to the
 * old file. Nobody may see that one any more, so aloud says a failure on standard error too, which
 * a process in a sandbox cannot open.
 * False: it failed, and the log says why.
 */
bool log_reopen(bool aloud);

/* The descriptor that lines go to, for a process that closes all others; -1: standard error. */
int log_fd(void);

/* Whether lines of this level are written, for those that are expensive to make. */
bool log_wants(enum log_level level);

void log_error(const char *fmt, ...) PRINTF(1, 2);
void log_warn(const char *fmt, ...) PRINTF(1, 2);
void log_info(const char *fmt, ...) PRINTF(1, 2);
void log_debug(const char *fmt, ...) PRINTF(1, 2);

/* ---- lines with fields */

enum log_type {
	LOG_TEXT,
	LOG_NUMBER,
	LOG_MS,   /* number is in microseconds, shown as milliseconds */
	LOG_BOOL, /* number is 0 or 1 */
};

/* The number of a field that has none; a text is absent when its ptr is NULL. */
#define LOG_ABSENT INT64_MIN

struct log_field {
	const char   *name; /* letters, digits, underscores */
	enum log_type type;
	struct str    text;
	int64_t       number;
};

/*
 * What is absent is null in JSON; text leaves it out, and what is false, too. message is written as
 * it is.
 */
void log_event(enum log_level level, const char *message, const struct log_field *fields,
    size_t count);

#endif
