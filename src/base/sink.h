/*
 * Where lines of the log go: standard error, a syslog socket, or a file.
 *
 * Never waits  A reader that stands still costs WAIT_MS once; after that lines are lost until it
 *            reads again. A full disk and a broken pipe lose lines, too.
 * Forks      Children inherit what is open. A file is appended to, so lines of processes do not
 *            mix.
 */
#ifndef BASE_SINK_H
#define BASE_SINK_H

#include "base/base.h"
#include "base/buf.h"

enum {
	/* PIPE_BUF: what a pipe takes whole, or not at all. */
	SINK_LINE_MAX_BYTES = 4096,
};

enum sink_kind {
	SINK_STREAM, /* a file, a pipe or a terminal: lines need their own time */
	SINK_JOURNAL, /* standard error of a unit: the line begins with <priority> */
	SINK_SYSLOG, /* datagrams in the form of syslog(3) */
};

struct sink {
	enum sink_kind kind;
	int            fd;      /* -1: closed */
	bool           waits;   /* write() could wait for a reader */
	bool           socket;
	bool           clogged; /* the reader stood still at the last line */
	bool           torn;    /* the last line was written in part */
	char          *path;    /* of the file or the socket; NULL: standard error */
};

/* Standard error as it is now: a unit's journal, a pipe, a terminal, ... */
void sink_init_stderr(struct sink *s);

/*
 * Whether where is one of "stderr", "syslog", "syslog:/socket" and "/file", and a file can be
 * written. /dev/stderr and its like are none.
 */
bool sink_check(const char *where, struct buf *err) MUSTCHECK;

/*
 * False: err says why. A syslog daemon that is not there is no error: it may
 * come. Memory of s is freed by sink_fini(), which does not touch standard error.
 */
bool sink_open(struct sink *s, const char *where, struct buf *err) MUSTCHECK;
void sink_fini(struct sink *s);

/* The file that has the path now; on failure (errno) the old one stays. */
bool sink_reopen(struct sink *s) MUSTCHECK;

/* A line, with its newline. False, with errno: it is lost. */
bool sink_write(struct sink *s, const char *line, size_t len) MUSTCHECK;

#endif
