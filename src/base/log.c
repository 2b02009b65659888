/* The operator's log. */
#include "base/log.h"
#include "base/clock.h"
#include "base/sink.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum {
	MESSAGE_MAX_BYTES = 2048,
	/* Longer than all that we write: a request id has 128 characters. */
	VALUE_MAX_BYTES = 1024,
	DIGITS_MAX = 20,
};

const char *const log_level_names[LOG_LEVEL__COUNT] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

static const int priorities[LOG_LEVEL__COUNT] = {
	[LOG_LEVEL_ERROR] = LOG_ERR,
	[LOG_LEVEL_WARN] = LOG_WARNING,
	[LOG_LEVEL_INFO] = LOG_INFO,
	[LOG_LEVEL_DEBUG] = LOG_DEBUG,
};

const char *const log_format_names[LOG_FORMAT__COUNT] = {
	[LOG_FORMAT_TEXT] = "text",
	[LOG_FORMAT_JSON] = "json",
};

static char            process[32] = "clientele";
static enum log_level  least_level = LOG_LEVEL_INFO;
static enum log_format form = LOG_FORMAT_TEXT;
static struct sink     sink = { .fd = -1 };
static bool            opened;
static bool            plain;
static int             self; /* asking the system each time would be a call more for each line */
static uint64_t        lost; /* lines since the last one that was written */

static void
open_first(void)
{
	if (!opened)
		sink_init_stderr(&sink);
	opened = true;
	if (!self)
		self = (int)getpid();
}

void
log_init(const char *name, enum log_level least)
{
	snprintf(process, sizeof(process), "%s", name);
	least_level = least;
	self = (int)getpid();
	lost = 0; /* those of the parent are the parent's */
	open_first();
}

void
log_plain(void)
{
	plain = true;
}

bool
log_open(const char *where, enum log_format format, struct buf *err)
{
	struct sink next;

	if (!sink_open(&next, where, err))
		return false;
	if (opened)
		sink_fini(&sink);
	sink = next;
	opened = true;
	plain = false;
	form = format;
	lost = 0;
	tzset(); /* reads a file, once; for syslog's local time */
	return true;
}

bool
log_check(const char *where, struct buf *err)
{
	return sink_check(where, err);
}

bool
log_reopen(bool aloud)
{
	struct sink file;
	int         failure;

	if (sink_reopen(&sink)) {
		log_debug("reopened the log");
		return true;
	}
	failure = errno;
	for (int times = 0; times < 1 + aloud; times++) {
		file = sink;
		if (times == 1)
			sink_init_stderr(&sink);
		log_error("cannot reopen the log, keeping the old file: %s: %s", file.path,
		    strerror(failure));
		if (times == 1) {
			sink_fini(&sink);
			sink = file;
		}
	}
	return false;
}

int
log_fd(void)
{
	return opened && sink.fd > STDERR_FILENO ? sink.fd : -1;
}

bool
log_wants(enum log_level level)
{
	return level <= least_level;
}

/* ---- a line */

enum { TAIL_BYTES = sizeof("\"}\n") - 1 };

struct line {
	size_t len, room; /* for the end of the line there is always room */
	bool   full;      /* something did not fit: it and what came after it are not there */
	char   text[SINK_LINE_MAX_BYTES];
};

static void
put(struct line *l, const char *p, size_t n)
{
	if (l->full || n > l->room - l->len) {
		l->full = true;
		return;
	}
	memcpy(l->text + l->len, p, n);
	l->len += n;
}

static void
put_z(struct line *l, const char *z)
{
	put(l, z, strlen(z));
}

static void
put_number(struct line *l, int64_t n)
{
	char     digits[DIGITS_MAX + 1];
	char    *p = digits + sizeof(digits);
	uint64_t rest = n < 0 ? -(uint64_t)n : (uint64_t)n;

	do
		*--p = (char)('0' + rest % 10);
	while (rest /= 10);
	if (n < 0)
		*--p = '-';
	put(l, p, (size_t)(digits + sizeof(digits) - p));
}

static void
put_ms(struct line *l, int64_t us)
{
	char fraction[4] = { '.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10),
		(char)('0' + us % 10) };

	put_number(l, us / 1000);
	put(l, fraction, sizeof(fraction));
}

enum quoting {
	QUOTE_NOT, /* for people: hidden characters (base/utf8.h) are blanks */
	QUOTE_JSON,
};

/* Length of the character at p, and what to write for it when that is not the character itself. */
static size_t
translate(const char *p, size_t n, enum quoting quoting, char out[UTF8_ESCAPE_BYTES],
    size_t *out_len)
{
	size_t len = utf8_char(p, n);

	*out_len = 0;
	if (len == 0) {
		memcpy(out, "\xef\xbf\xbd", *out_len = 3); /* U+FFFD */
		return 1;
	}
	if (utf8_is_hidden(utf8_code(p, len))) {
		if (quoting == QUOTE_NOT)
			memcpy(out, " ", *out_len = 1);
		else
			*out_len = utf8_escape(out, utf8_code(p, len));
	} else if (quoting == QUOTE_JSON && (p[0] == '"' || p[0] == '\\')) {
		out[0] = '\\';
		out[1] = p[0];
		*out_len = 2;
	}
	return len;
}

static bool
is_plain(char c)
{
	return (c == ' ' || str_is_visible(c)) && c != '"' && c != '\\';
}

/* At most max bytes of it. */
static void
put_text(struct line *l, struct str s, enum quoting quoting, size_t max)
{
	size_t start = l->len, at = 0;

	while (at < s.len) {
		size_t run = at, out_len = 0;
		char   out[UTF8_ESCAPE_BYTES];

		while (run < s.len && is_plain(s.ptr[run]) && l->len - start + run - at < max)
			run++;
		put(l, s.ptr + at, run - at);
		at = run;
		if (at == s.len)
			break;
		run = translate(s.ptr + at, s.len - at, quoting, out, &out_len);
		if (l->len - start + (out_len ? out_len : run) > max) {
			put(l, "...", 3);
			break;
		}
		put(l, out_len ? out : s.ptr + at, out_len ? out_len : run);
		at += run;
	}
}

/* name=value for people: quoted where a reader of such lines could go wrong. */
static void
put_value(struct line *l, struct str s)
{
	bool bare = s.len > 0;

	for (size_t i = 0; i < s.len && bare; i++)
		bare = is_plain(s.ptr[i]) && s.ptr[i] != ' ' && s.ptr[i] != '=';
	if (!bare)
		put(l, "\"", 1);
	put_text(l, s, QUOTE_JSON, VALUE_MAX_BYTES);
	if (!bare)
		put(l, "\"", 1);
}

/* syslog(3)'s "<13>Nov 21 06:40:00 clientele[12]: ". */
static void
put_syslog_head(struct line *l, enum log_level level)
{
	char      head[64];
	time_t    now = (time_t)(clock_wall_ms() / 1000);
	struct tm local;
	size_t    len;

	localtime_r(&now, &local);
	len = strftime(head, sizeof(head), "%h %e %T ", &local);
	put(l, "<", 1);
	put_number(l, LOG_DAEMON | priorities[level]);
	put(l, ">", 1);
	put(l, head, len);
	put_z(l, "clientele[");
	put_number(l, self);
	put_z(l, "]: ");
}

static void
put_head(struct line *l, enum sink_kind kind, enum log_level level)
{
	char when[CLOCK_ISO_BYTES + 1];

	l->len = 0;
	l->room = sizeof(l->text) - TAIL_BYTES;
	l->full = false;
	if (kind == SINK_SYSLOG)
		put_syslog_head(l, level);
	if (kind == SINK_JOURNAL) {
		put(l, "<", 1);
		put_number(l, priorities[level]);
		put(l, ">", 1);
	}
	clock_iso(clock_wall_ms(), when);
	if (form == LOG_FORMAT_JSON) {
		put_z(l, "{\"time\":\"");
		put(l, when, CLOCK_ISO_BYTES);
		put_z(l, "\",\"level\":\"");
		put_z(l, log_level_names[level]);
		put_z(l, "\",\"process\":\"");
		put_text(l, str_of(process), QUOTE_JSON, sizeof(process));
		put_z(l, "\",\"pid\":");
		put_number(l, self);
		put_z(l, ",\"message\":\"");
	} else if (kind == SINK_STREAM && !plain) {
		put(l, when, CLOCK_ISO_BYTES);
		put(l, " ", 1);
		put_z(l, log_level_names[level]);
		put(l, "  ", strlen(log_level_names[level]) < 5 ? 2 : 1);
		put_text(l, str_of(process), QUOTE_NOT, sizeof(process));
		put(l, "[", 1);
		put_number(l, self);
		put_z(l, "]: ");
	} else {
		put_text(l, str_of(process), QUOTE_NOT, sizeof(process));
		put_z(l, ": ");
	}
}

/* One that does not fit is left out, so that what is there is whole. */
static void
put_field(struct line *l, const struct log_field *f)
{
	bool   absent = f->type == LOG_TEXT ? !f->text.ptr : f->number == LOG_ABSENT;
	bool   json = form == LOG_FORMAT_JSON;
	size_t before = l->len;

	if (!json && (absent || (f->type == LOG_BOOL && !f->number)))
		return;
	put_z(l, json ? ",\"" : " ");
	put_z(l, f->name);
	put_z(l, json ? "\":" : "=");
	if (absent)
		put_z(l, "null");
	else if (f->type == LOG_NUMBER)
		put_number(l, f->number);
	else if (f->type == LOG_MS)
		put_ms(l, f->number);
	else if (f->type == LOG_BOOL)
		put_z(l, f->number ? "true" : "false");
	else if (json) {
		put(l, "\"", 1);
		put_text(l, f->text, QUOTE_JSON, VALUE_MAX_BYTES);
		put(l, "\"", 1);
	} else
		put_value(l, f->text);
	if (l->full)
		l->len = before;
	l->full = false;
}

/* ---- writing it */

/* The first loss is reported where it may still be seen. */
static void
report_loss(int failure)
{
	struct sink fallback;
	char        text[256];
	int         len;

	if (!sink.path)
		return;
	len = snprintf(text, sizeof(text), "clientele: log: %.150s: %s; lines are lost\n",
	    sink.path, strerror(failure));
	sink_init_stderr(&fallback);
	if (!sink_write(&fallback, text, (size_t)len))
		errno = failure; /* no reader there, either */
	sink_fini(&fallback);
}

static void
finish(struct line *l, const char *end)
{
	static int failure;
	uint64_t   missing = lost;

	l->room = sizeof(l->text);
	l->full = false;
	if (form == LOG_FORMAT_JSON)
		put_z(l, end);
	put(l, "\n", 1);
	if (!sink_write(&sink, l->text, l->len)) {
		failure = errno;
		if (lost++ == 0)
			report_loss(failure);
		return;
	}
	if (missing == 0)
		return;
	lost = 0;
	log_warn("%llu log lines of this process were lost: %s", (unsigned long long)missing,
	    strerror(failure));
	if (lost)
		lost = missing;
}

static void PRINTF(2, 0)
say(enum log_level level, const char *fmt, va_list ap)
{
	int         saved = errno;
	char        message[MESSAGE_MAX_BYTES];
	struct line l;
	int         len;

	if (!log_wants(level))
		return;
	open_first();
	len = vsnprintf(message, sizeof(message), fmt, ap);
	if (len >= (int)sizeof(message)) {
		len = sizeof(message) - 1;
		memcpy(message + len - 3, "...", 3);
	}
	put_head(&l, sink.kind, level);
	put_text(&l, (struct str) { message, len > 0 ? (size_t)len : 0 },
	    form == LOG_FORMAT_JSON ? QUOTE_JSON : QUOTE_NOT, MESSAGE_MAX_BYTES);
	finish(&l, "\"}");
	errno = saved;
}

void
log_event(enum log_level level, const char *message, const struct log_field *fields, size_t count)
{
	int         saved = errno;
	struct line l;

	if (!log_wants(level))
		return;
	open_first();
	put_head(&l, sink.kind, level);
	put_z(&l, message);
	if (form == LOG_FORMAT_JSON)
		put_z(&l, "\"");
	for (size_t i = 0; i < count; i++)
		put_field(&l, &fields[i]);
	finish(&l, "}");
	errno = saved;
}

#define LEVEL(name, level)                \
	void name(const char *fmt, ...)   \
	{                                 \
		va_list ap;               \
                                          \
		va_start(ap, fmt);        \
		say(level, fmt, ap);      \
		va_end(ap);               \
	}

LEVEL(log_error, LOG_LEVEL_ERROR)
LEVEL(log_warn, LOG_LEVEL_WARN)
LEVEL(log_info, LOG_LEVEL_INFO)
LEVEL(log_debug, LOG_LEVEL_DEBUG)
