/* The listening sockets. */
#include "net/listen.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/address.h"
#include "net/allow.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum {
	SYSTEMD_FIRST_FD = 3, /* sd_listen_fds(3) */
	ADMIN_BACKLOG = 1024, /* a silent crowd must not be an error for who comes next */
	/* Another instance that starts holds the lock for milliseconds. */
	LOCK_WAIT_MS = 2000,
	LOCK_LOOK_MS = 20,
	/* Between two tries at an address that will become free. */
	BUSY_LOOK_MS = 50,
};

/* What is configured for one socket, and the names of its keys for messages. */
struct wanted {
	const char *listen_key, *owner_key;
	const char *address, *owner;
	mode_t      mode;
	int         backlog;
	int64_t     patience_ms; /* with an address that becomes free by itself */
};

static struct wanted
wanted_front(const struct conf *c)
{
	return (struct wanted) {
		.listen_key = "listen",
		.owner_key = "listen_owner",
		.address = c->listen,
		.owner = c->listen_owner,
		.mode = (mode_t)c->listen_mode,
		.backlog = (int)c->listen_backlog,
		.patience_ms = c->shutdown_timeout_ms,
	};
}

static struct wanted
wanted_admin(const struct conf *c)
{
	return (struct wanted) {
		.listen_key = "admin_listen",
		.owner_key = "admin_owner",
		.address = c->admin_listen,
		.owner = c->admin_owner,
		.mode = (mode_t)c->admin_mode,
		.backlog = ADMIN_BACKLOG,
		.patience_ms = c->shutdown_timeout_ms,
	};
}

/* Nobody owns it but who made it: who may read is said by its mode. */
static struct wanted
wanted_metrics(const struct conf *c)
{
	return (struct wanted) {
		.listen_key = "metrics_listen",
		.owner_key = "metrics_listen",
		.address = c->metrics_listen,
		.owner = "",
		.mode = (mode_t)c->metrics_mode,
		.backlog = ADMIN_BACKLOG,
		.patience_ms = c->shutdown_timeout_ms,
	};
}

static struct wanted
wanted_for(const struct conf *c, enum listener_for what)
{
	return what == LISTENER_ADMIN  ? wanted_admin(c)
	    : what == LISTENER_METRICS ? wanted_metrics(c)
				       : wanted_front(c);
}

const char *
listener_key(enum listener_for what)
{
	static const char *const keys[] = {
		[LISTENER_FRONT] = "listen",
		[LISTENER_ADMIN] = "admin_listen",
		[LISTENER_METRICS] = "metrics_listen",
	};

	return keys[what];
}

/* A sentence about errno at an address; false, for the caller to return. */
static bool
fail(const char *key, const char *address, struct buf *err)
{
	const char *hint = errno == EAFNOSUPPORT
	    ? " (the systemd unit allows unix sockets only; clientele-tcp.conf opens it)"
	    : "";

	buf_fmt(err, "%s: %s: %s%s", key, address, strerror(errno), hint);
	return false;
}

/* What errno says of the future; what is in no row only a person can mend. */
static int
code_of(int error)
{
	static const struct {
		int error, code;
	} rows[] = {
		{ EADDRINUSE, EXIT_BUSY },
		{ EADDRNOTAVAIL, EXIT_BUSY }, /* the network may still be coming */
		{ EWOULDBLOCK, EXIT_BUSY },
		{ EMFILE, EXIT_OS },
		{ ENFILE, EXIT_OS },
		{ ENOMEM, EXIT_OS },
		{ ENOBUFS, EXIT_OS },
		{ ENOSPC, EXIT_OS },
	};

	for (size_t i = 0; i < COUNTOF(rows); i++)
		if (rows[i].error == error)
			return rows[i].code;
	return EXIT_CONFIG;
}

/* ---- unix sockets */

/* The process that made the listening socket at the other end; 0: it is not known, or gone. */
static pid_t
listener_of(int fd)
{
	struct ucred of;
	socklen_t    len = sizeof(of);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &of, &len) == -1 || of.pid == 0)
		return 0;
	return kill(of.pid, 0) == 0 || errno == EPERM ? of.pid : 0;
}

/*
 * Somebody answers there. When that is what a process left behind that has died, such as a worker
 * that takes what is queued, it will end by itself.
 */
static bool
fail_answered(const struct wanted *w, const char *path, pid_t who, struct buf *err)
{
	if (who == getpid())
		buf_fmt(err, "%s: %s is another socket of this service", w->listen_key, path);
	else if (who)
		buf_fmt(err, "%s: another process answers on %s: %d, which is running",
		    w->listen_key, path, (int)who);
	else
		buf_fmt(err, "%s: another process answers on %s, left by a service that has "
			     "ended and still has it open", w->listen_key, path);
	errno = who == getpid() ? EEXIST : who ? EWOULDBLOCK : EADDRINUSE;
	return false;
}

/* Removes a socket file that a dead process left behind; false when it is anything else. */
static bool
remove_leftover(const struct wanted *w, const struct sockaddr_un *address, struct buf *err)
{
	const char *path = address->sun_path;
	struct stat st;
	int         fd, error = 0;
	pid_t       who = 0;

	if (lstat(path, &st) == -1 || !S_ISSOCK(st.st_mode)) {
		buf_fmt(err, "%s: %s exists and is not a socket", w->listen_key, path);
		errno = EEXIST;
		return false;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) == -1)
		error = errno;
	if (error == 0)
		who = listener_of(fd);
	if (fd != -1)
		close(fd);
	if (error == ECONNREFUSED && unlink(path) == 0)
		return true;
	/* EAGAIN: a process listens there, and has too much to do. */
	if (error == 0 || error == EAGAIN)
		return fail_answered(w, path, who, err);
	if (error != ECONNREFUSED)
		errno = error;
	return fail(w->listen_key, path, err);
}

/* The file is there now, and is ours. */
static bool
own_file(struct listener *l, const char *path)
{
	struct stat st;

	if (lstat(path, &st) == -1 || !S_ISSOCK(st.st_mode))
		return false;
	l->path = must_strdup(path);
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return true;
}

/* Binds and listens while no other process does so in the same folder, see open_unix(). */
static bool
bind_unix(struct listener *l, const struct wanted *w, const struct sockaddr_un *address,
    const struct owner *owner, struct buf *err)
{
	const struct sockaddr *sa = (const struct sockaddr *)address;
	/* A chmod after the bind would leave a moment with other permissions. */
	mode_t                 before = umask(0777 & ~w->mode);
	int                    bound = bind(l->fd, sa, sizeof(*address));

	if (bound == -1 && errno == EADDRINUSE) {
		if (!remove_leftover(w, address, err)) {
			umask(before);
			return false;
		}
		bound = bind(l->fd, sa, sizeof(*address));
	}
	umask(before);
	if (bound == -1 || !own_file(l, address->sun_path))
		return fail(w->listen_key, address->sun_path, err);
	/* Nothing to change is no call: a sandbox may not have it. */
	if ((owner->uid != (uid_t)-1 || owner->gid != (gid_t)-1)
	    && lchown(l->path, owner->uid, owner->gid) == -1)
		return fail(w->owner_key, l->path, err);
	return listen(l->fd, w->backlog) == 0 || fail(w->listen_key, l->path, err);
}

/* Locks the folder of a path; -1: err says why. Any user who can read it can hold its lock. */
static int
lock_folder(const struct wanted *w, const char *path, struct buf *err)
{
	int64_t end = clock_mono_ms() + LOCK_WAIT_MS;
	char   *folder = must_strdup(path);
	char   *slash = strrchr(folder, '/');
	int     fd, error;

	slash[slash == folder] = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno == EWOULDBLOCK && clock_mono_ms() < end) {
			poll(NULL, 0, LOCK_LOOK_MS);
			continue;
		}
		close(fd);
		fd = -1;
	}
	if (fd == -1 && errno == EWOULDBLOCK)
		buf_fmt(err, "%s: another process holds a lock on the folder %s; "
			     "fuser -v %s names it", w->listen_key, folder, folder);
	else if (fd == -1)
		fail(w->listen_key, folder, err);
	error = errno;
	free(folder);
	errno = error;
	return fd;
}

static bool
open_unix(struct listener *l, const struct wanted *w, struct buf *err)
{
	struct sockaddr_un address;
	struct owner       owner;
	int                lock, bound;
	bool               good;

	if (!address_unix(w->listen_key, w->address, &address, err)
	    || !address_owner(w->owner_key, w->owner, &owner, err))
		return false;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd == -1)
		return fail(w->listen_key, w->address, err);
	/*
	 * Between the look at a left-over file and our own listen() no other starting instance may
	 * do the same, or one would remove the other's socket. The folder is there anyway, so it is
	 * what gets locked.
	 */
	lock = lock_folder(w, address.sun_path, err);
	if (lock == -1)
		return false;
	good = bind_unix(l, w, &address, &owner, err);
	bound = errno;
	close(lock);
	errno = bound;
	return good;
}

/* ---- TCP */

static bool
open_tcp(struct listener *l, const struct wanted *w, struct buf *err)
{
	struct addrinfo *a;
	int              one = 1, error;
	bool             good = false;

	if (!address_tcp(w->listen_key, w->address, &a, err))
		return false;
	l->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd != -1 && setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0
	    && (a->ai_family != AF_INET6
	        || setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0)
	    && bind(l->fd, a->ai_addr, a->ai_addrlen) == 0
	    && listen(l->fd, w->backlog) == 0)
		good = true;
	else
		fail(w->listen_key, w->address, err);
	error = errno;
	freeaddrinfo(a);
	errno = error;
	return good;
}

/* ---- inherited sockets */

static bool
is_listening(int fd)
{
	int       yes = 0, type = 0;
	socklen_t len = sizeof(yes), type_len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) == 0 && yes
	    && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_STREAM;
}

/* The file of a socket that somebody else made. */
static void
see_file(struct listener *l)
{
	struct sockaddr_un address = { 0 };
	socklen_t          len = sizeof(address) - 1;
	struct stat        st;

	if (getsockname(l->fd, (struct sockaddr *)&address, &len) == -1
	    || address.sun_family != AF_UNIX || address.sun_path[0] != '/'
	    || lstat(address.sun_path, &st) == -1)
		return;
	l->seen = must_strdup(address.sun_path);
	l->dev = st.st_dev;
	l->ino = st.st_ino;
}

/* Moves fd out of the way of the standard descriptors, which other code may write to. */
static bool
adopt(struct listener *l, int fd, struct buf *err)
{
	int flags = fcntl(fd, F_GETFL);

	l->inherited = true;
	l->fd = fcntl(fd, F_DUPFD_CLOEXEC, SYSTEMD_FIRST_FD);
	if (flags == -1 || l->fd == -1 || fcntl(l->fd, F_SETFL, flags | O_NONBLOCK) == -1) {
		buf_fmt(err, "inherited socket: %s", strerror(errno));
		return false;
	}
	close(fd);
	if (fd == STDIN_FILENO && open("/dev/null", O_RDONLY) != STDIN_FILENO) {
		buf_fmt(err, "/dev/null: %s", strerror(errno));
		return false;
	}
	see_file(l);
	return true;
}

/* How many sockets systemd passed to this process; sd_listen_fds(3) without the library. */
static int64_t
systemd_fds(void)
{
	int64_t pid = 0, n = 0;

	if (!str_to_i64(str_of(getenv("LISTEN_PID")), 1, INT64_MAX, &pid) || pid != getpid()
	    || !str_to_i64(str_of(getenv("LISTEN_FDS")), 1, 1000, &n))
		return 0;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return n;
}

static void
forget(struct listener *l, int code)
{
	listener_remove_file(l);
	listener_close(l);
	l->code = code;
}

static bool
open_once(struct listener *l, const struct wanted *w, bool *passes, struct buf *err)
{
	*l = (struct listener) { .fd = -1 };
	errno = EINVAL;
	if (address_path(w->address) ? open_unix(l, w, err) : open_tcp(l, w, err))
		return true;
	*passes = errno == EADDRINUSE;
	l->code = code_of(errno);
	return false;
}

/* At the configured address. One that is to become free by itself is waited for. */
static bool
open_own(struct listener *l, const struct wanted *w, struct buf *err)
{
	int64_t end = clock_mono_ms() + w->patience_ms;
	size_t  before = err->len;
	bool    told = false, passes;

	while (!open_once(l, w, &passes, err)) {
		if (!passes || clock_mono_ms() >= end)
			return false;
		if (!told)
			log_warn("waiting at most %jd ms for what will pass: %.*s",
			    (intmax_t)w->patience_ms, (int)(err->len - before), err->ptr + before);
		told = true;
		err->len = before;
		forget(l, 0);
		poll(NULL, 0, BUSY_LOOK_MS);
	}
	return true;
}

static bool
open_any(struct listener *l, const struct conf *c, struct buf *err)
{
	struct wanted w = wanted_front(c);
	int64_t       passed = systemd_fds();

	if (passed) {
		if (passed > 1 || !is_listening(SYSTEMD_FIRST_FD)) {
			buf_fmt(err, "systemd must pass exactly one listening stream socket");
			return false;
		}
		if (c->listen[0])
			log_info("ignoring listen = %s: systemd passed a socket", c->listen);
		return adopt(l, SYSTEMD_FIRST_FD, err);
	}
	if (c->listen[0])
		return open_own(l, &w, err);
	if (is_listening(STDIN_FILENO)) {
		l->alone = true;
		return adopt(l, STDIN_FILENO, err);
	}
	buf_fmt(err, "nothing to listen on: set listen, or pass a socket (under systemd: "
		     "systemctl start clientele.socket)");
	return false;
}

bool
listener_open(struct listener *l, const struct conf *c, struct buf *err)
{
	*l = (struct listener) { .fd = -1, .code = EXIT_CONFIG };
	if (open_any(l, c, err))
		return true;
	forget(l, l->code);
	return false;
}

bool
listener_inherit(struct listener *l, int fd, bool made, struct buf *err)
{
	struct sockaddr_un address = { 0 };
	socklen_t          len = sizeof(address) - 1;

	*l = (struct listener) { .fd = fd, .inherited = !made };
	if (!is_listening(fd)) {
		buf_fmt(err, "the socket that was handed over (descriptor %d) does not listen", fd);
		return false;
	}
	/* The file of that name may be another socket's by now; then it is not ours to remove. */
	if (made && getsockname(fd, (struct sockaddr *)&address, &len) == 0
	    && address.sun_family == AF_UNIX)
		(void)own_file(l, address.sun_path);
	else
		see_file(l);
	return true;
}

bool
listener_is_lost(const struct listener *l)
{
	const char *path = l->path ? l->path : l->seen;
	struct stat st;

	return path && (lstat(path, &st) == -1 || st.st_dev != l->dev || st.st_ino != l->ino);
}

bool
listener_restore(struct listener *l, const struct conf *c, enum listener_for what,
    struct buf *err)
{
	struct wanted   w = wanted_for(c, what);
	struct listener made;

	w.address = l->path;
	w.patience_ms = 0;
	if (!open_own(&made, &w, err)) {
		forget(&made, made.code);
		return false;
	}
	if (dup3(made.fd, l->fd, O_CLOEXEC) == -1) {
		buf_fmt(err, "%s: %s", l->path, strerror(errno));
		forget(&made, EXIT_OS);
		return false;
	}
	close(made.fd);
	free(l->path);
	l->path = made.path;
	l->dev = made.dev;
	l->ino = made.ino;
	return true;
}

/* None at all when there is no address. */
static bool
open_wanted(struct listener *l, const struct wanted *w, struct buf *err)
{
	*l = (struct listener) { .fd = -1 };
	if (!w->address[0] || open_own(l, w, err))
		return true;
	forget(l, l->code);
	return false;
}

bool
listener_open_admin(struct listener *l, const struct conf *c, struct buf *err)
{
	struct wanted w = wanted_admin(c);

	return open_wanted(l, &w, err);
}

bool
listener_open_metrics(struct listener *l, const struct conf *c, struct buf *err)
{
	struct wanted w = wanted_metrics(c);

	return open_wanted(l, &w, err);
}

void
listener_remove_file(struct listener *l)
{
	struct stat st;

	if (!l->path)
		return;
	if (lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino
	    && unlink(l->path) == -1)
		log_warn("cannot remove %s: %s", l->path, strerror(errno));
	free(l->path);
	l->path = NULL;
}

void
listener_close(struct listener *l)
{
	if (l->fd != -1)
		close(l->fd);
	free(l->path);
	free(l->seen);
	*l = (struct listener) { .fd = -1 };
}

static bool
check_one(const struct wanted *w, struct buf *err)
{
	struct sockaddr_un address;
	struct addrinfo   *a;
	struct owner       owner;

	if (!address_owner(w->owner_key, w->owner, &owner, err))
		return false;
	if (address_path(w->address))
		return address_unix(w->listen_key, w->address, &address, err);
	if (!w->address[0])
		return true;
	if (!address_tcp(w->listen_key, w->address, &a, err))
		return false;
	freeaddrinfo(a);
	return true;
}

/* A path is the same with "unix:" before it and without. */
static bool
same_address(const struct wanted *a, const struct wanted *b)
{
	const char *path = address_path(a->address), *other = address_path(b->address);

	if (!a->address[0] || !path != !other)
		return false;
	return strcmp(path ? path : a->address, other ? other : b->address) == 0;
}

bool
listener_check(const struct conf *c, struct buf *err)
{
	const struct wanted wanted[] = { wanted_front(c), wanted_admin(c), wanted_metrics(c) };
	struct allow        allow;

	if (!allow_parse(c->listen_allow, &allow, err))
		return false;
	for (size_t i = 0; i < COUNTOF(wanted); i++) {
		if (!check_one(&wanted[i], err))
			return false;
		for (size_t k = 0; k < i; k++)
			if (same_address(&wanted[i], &wanted[k])) {
				buf_fmt(err, "%s: %s is the address of %s, too",
				    wanted[i].listen_key, wanted[i].address,
				    wanted[k].listen_key);
				return false;
			}
	}
	return true;
}
