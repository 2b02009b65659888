/* Where lines of the log go. */
#include "base/sink.h"
#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	FILE_MODE = 0640,
	/* For a reader that is only busy: ten datagrams may wait unread (max_dgram_qlen). */
	WAIT_MS = 100,
};

static const char syslog_path[] = "/dev/log";

/* systemd names the stream that it made for the journal; standard error may be another by now. */
static bool
is_journal(const struct stat *st)
{
	const char        *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;

	return stream && sscanf(stream, "%20llu:%20llu", &device, &inode) == 2
	    && device == st->st_dev && inode == st->st_ino;
}

void
sink_init_stderr(struct sink *s)
{
	struct stat st;
	int         own;

	*s = (struct sink) { .kind = SINK_STREAM, .fd = STDERR_FILENO };
	if (fstat(STDERR_FILENO, &st) == -1)
		return;
	s->socket = S_ISSOCK(st.st_mode);
	if (is_journal(&st))
		s->kind = SINK_JOURNAL;
	if (!S_ISFIFO(st.st_mode))
		return;
	/* Another description of the same pipe can be non-blocking; other writers do not notice. */
	own = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (own == -1)
		s->waits = true;
	else
		s->fd = own;
}

/* The path in where (NULL: "stderr"), and whether it is syslog's; false: it is no place at all. */
static bool
path_of(const char *where, const char **path, bool *is_syslog)
{
	static const struct str prefix = STR("syslog:");

	*is_syslog = strcmp(where, "syslog") == 0 || str_starts(str_of(where), prefix);
	*path = strcmp(where, "stderr") == 0 ? NULL
	    : strcmp(where, "syslog") == 0   ? syslog_path
	    : *is_syslog                     ? where + prefix.len
					     : where;
	if (!*path)
		return true;
	return **path == '/'
	    && (!*is_syslog || strlen(*path) < sizeof(((struct sockaddr_un *)NULL)->sun_path));
}

/* Other names of a standard stream: what is behind one cannot be opened again by name. */
static bool
is_stream(const char *path)
{
	static const struct str names[] = { STR("/dev/stderr"), STR("/dev/stdout"), STR("/dev/fd/"),
		STR("/proc/self/fd/"), STR("/proc/thread-self/fd/") };

	for (size_t i = 0; i < COUNTOF(names); i++)
		if (str_starts(str_of(path), names[i]))
			return true;
	return false;
}

/* A file is made when it is not there. */
static bool
is_writable(const char *path)
{
	const char *slash = strrchr(path, '/');
	char       *folder;
	bool        writable = access(path, W_OK) == 0;

	if (writable || errno != ENOENT)
		return writable;
	folder = must_strdup(path);
	folder[slash == path ? 1 : slash - path] = '\0';
	writable = access(folder, W_OK | X_OK) == 0;
	free(folder);
	return writable;
}

bool
sink_check(const char *where, struct buf *err)
{
	const char *path;
	bool        is_syslog;

	if (!path_of(where, &path, &is_syslog)) {
		buf_fmt(err, "log must be stderr, syslog, syslog:/socket or the path of a file "
		    "that begins with /, not \"%.60s\"", where);
		return false;
	}
	if (path && !is_syslog && is_stream(path)) {
		buf_fmt(err, "log: %s is not a file; for standard error write log = stderr", path);
		return false;
	}
	if (!path || is_syslog || is_writable(path))
		return true;
	buf_fmt(err, "log: %s: %s", path, strerror(errno));
	return false;
}

static int
open_file(const char *path)
{
	/* O_NONBLOCK is for a pipe that has this path; a file does not mind. */
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
	    FILE_MODE);
}

static bool
connect_syslog(struct sink *s)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int                failure;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->path);
	s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->fd != -1 && connect(s->fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return true;
	failure = errno;
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
	errno = failure;
	return false;
}

bool
sink_open(struct sink *s, const char *where, struct buf *err)
{
	const char *path;
	bool        is_syslog;

	if (!path_of(where, &path, &is_syslog) || (path && is_stream(path)))
		return sink_check(where, err);
	if (!path) {
		sink_init_stderr(s);
		return true;
	}
	*s = (struct sink) {
		.kind = is_syslog ? SINK_SYSLOG : SINK_STREAM,
		.socket = is_syslog,
		.fd = -1,
	};
	s->path = must_strdup(path);
	if (is_syslog) {
		(void)connect_syslog(s);
		return true;
	}
	s->fd = open_file(path);
	if (s->fd != -1)
		return true;
	buf_fmt(err, "log: %s: %s", path, strerror(errno));
	sink_fini(s);
	return false;
}

void
sink_fini(struct sink *s)
{
	if (s->fd > STDERR_FILENO)
		close(s->fd);
	free(s->path);
	*s = (struct sink) { .fd = -1 };
}

bool
sink_reopen(struct sink *s)
{
	int fd;

	if (!s->path || s->kind != SINK_STREAM)
		return true;
	fd = open_file(s->path);
	if (fd == -1)
		return false;
	close(s->fd);
	s->fd = fd;
	s->torn = false;
	return true;
}

static bool
takes_more(const struct sink *s)
{
	struct pollfd room = { .fd = s->fd, .events = POLLOUT };

	return poll(&room, 1, s->clogged ? 0 : WAIT_MS) == 1;
}

static ssize_t
put(const struct sink *s, const char *text, size_t len)
{
	return s->socket ? send(s->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL)
			 : write(s->fd, text, len);
}

static ssize_t
put_waiting(struct sink *s, const char *text, size_t len)
{
	ssize_t n;

	if (s->waits && !takes_more(s)) {
		s->clogged = true;
		errno = EAGAIN;
		return -1;
	}
	n = put(s, text, len);
	if (n == -1 && errno == EAGAIN && takes_more(s))
		n = put(s, text, len);
	s->clogged = n == -1 && errno == EAGAIN;
	return n;
}

/* The daemon may have been started again: then its socket is another one. */
static bool
put_syslog(struct sink *s, const char *line, size_t len)
{
	if (s->fd == -1 && !connect_syslog(s))
		return false;
	if (put_waiting(s, line, len) != -1)
		return true;
	if (errno == EAGAIN)
		return false;
	close(s->fd);
	return connect_syslog(s) && put_waiting(s, line, len) != -1;
}

bool
sink_write(struct sink *s, const char *line, size_t len)
{
	ssize_t n;

	if (s->kind == SINK_SYSLOG)
		return put_syslog(s, line, len - 1);
	/* After a disk had room for half a line the next one must not go on behind it. */
	if (s->torn && put_waiting(s, "\n", 1) != 1)
		return false;
	n = put_waiting(s, line, len);
	s->torn = n >= 0 && (size_t)n < len;
	if (s->torn)
		errno = ENOSPC;
	return n == (ssize_t)len;
}
