/* The listening socket, and who may connect to it. */
#include "net/listen.h"
#include "base/arena.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	SYSTEMD_FIRST_FD = 3, /* sd_listen_fds(3) */
	V4_PREFIX_BITS = 96,
	ADMIN_BACKLOG = 64, /* people and their tools, not customers */
	SHOWN_BYTES = 60,
};

/* What is configured for one socket, and the names of its keys for messages. */
struct wanted {
	const char *listen_key, *owner_key;
	const char *address, *owner;
	mode_t      mode;
	int         backlog;
};

static struct wanted
wanted_front(const struct conf *c)
{
	return (struct wanted) { "listen", "listen_owner", c->listen, c->listen_owner, (mode_t)c->listen_mode,
		(int)c->listen_backlog };
}

static struct wanted
wanted_admin(const struct conf *c)
{
	return (struct wanted) { "admin_listen", "admin_owner", c->admin_listen, c->admin_owner, (mode_t)c->admin_mode,
		ADMIN_BACKLOG };
}

static const unsigned char v4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* ---- who may connect */

static bool
address_parse(struct str text, unsigned char out[16], bool *is_v4)
{
	char z[INET6_ADDRSTRLEN];

	if (text.len >= sizeof(z))
		return false;
	snprintf(z, sizeof(z), "%.*s", STR_ARGS(text));
	memcpy(out, v4_prefix, sizeof(v4_prefix));
	*is_v4 = inet_pton(AF_INET, z, out + sizeof(v4_prefix)) == 1;
	return *is_v4 || inet_pton(AF_INET6, z, out) == 1;
}

bool
allow_parse(const char *list, struct allow *out, struct buf *err)
{
	struct str   rest = str_of(list);
	struct allow a = { 0 };

	while (rest.ptr) {
		struct str item = str_trim(str_cut(&rest, ','));
		struct str bits = item;
		struct str address = str_trim(str_cut(&bits, '/'));
		bool       is_v4 = false;
		int64_t    n = 128;

		if (item.len == 0)
			continue;
		if (a.n == ALLOW_NETS_MAX) {
			buf_fmt(err, "listen_allow has more than %d entries", ALLOW_NETS_MAX);
			return false;
		}
		if (!address_parse(address, a.net[a.n].address, &is_v4)
		    || (bits.ptr && !str_to_i64(bits, 0, is_v4 ? 32 : 128, &n))) {
			/* Its beginning is enough: all of a long one would leave no room for the message. */
			buf_fmt(err, "listen_allow: \"%.*s\" is no address or network",
			    (int)(item.len < SHOWN_BYTES ? item.len : SHOWN_BYTES), item.ptr);
			return false;
		}
		a.net[a.n++].bits = (unsigned)n + (is_v4 && bits.ptr ? V4_PREFIX_BITS : 0);
	}
	*out = a;
	return true;
}

static bool
in_net(const unsigned char address[16], const unsigned char net[16], unsigned bits)
{
	unsigned      whole = bits / 8;
	unsigned char mask = (unsigned char)(0xff00u >> (bits % 8));

	return memcmp(address, net, whole) == 0
	    && (bits % 8 == 0 || ((address[whole] ^ net[whole]) & mask) == 0);
}

bool
allow_has(const struct allow *a, const struct sockaddr_storage *peer)
{
	unsigned char address[16];

	if (peer->ss_family == AF_UNIX)
		return true;
	if (peer->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;

		memcpy(address, v4_prefix, sizeof(v4_prefix));
		memcpy(address + sizeof(v4_prefix), &v4->sin_addr, sizeof(v4->sin_addr));
	} else if (peer->ss_family == AF_INET6)
		memcpy(address, &((const struct sockaddr_in6 *)peer)->sin6_addr, sizeof(address));
	else
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (in_net(address, a->net[i].address, a->net[i].bits))
			return true;
	return false;
}

/* ---- "user:group" */

struct owner {
	uid_t uid;
	gid_t gid;
};

static bool
owner_parse(const struct wanted *w, struct owner *out, struct buf *err)
{
	struct owner o = { (uid_t)-1, (gid_t)-1 };
	char        *user = must_strdup(w->owner);
	char        *group = strchr(user, ':');
	bool         good = true;

	if (group)
		*group++ = '\0';
	if (*user) {
		const struct passwd *p = getpwnam(user);

		good = p != NULL;
		if (p)
			o.uid = p->pw_uid;
		else
			buf_fmt(err, "%s: there is no user \"%s\"", w->owner_key, user);
	}
	if (good && group && *group) {
		const struct group *g = getgrnam(group);

		good = g != NULL;
		if (g)
			o.gid = g->gr_gid;
		else
			buf_fmt(err, "%s: there is no group \"%s\"", w->owner_key, group);
	}
	free(user);
	if (good)
		*out = o;
	return good;
}

/* ---- unix sockets */

const char *
listener_path(const char *listen)
{
	if (strncmp(listen, "unix:", 5) == 0)
		return listen + 5;
	return listen[0] == '/' ? listen : NULL;
}

static bool
unix_address(const struct wanted *w, struct sockaddr_un *out, struct buf *err)
{
	const char *path = listener_path(w->address);

	*out = (struct sockaddr_un) { .sun_family = AF_UNIX };
	if (path[0] != '/' || strlen(path) >= sizeof(out->sun_path)) {
		buf_fmt(err, "%s: a socket path begins with / and has at most %zu bytes: %s",
		    w->listen_key, sizeof(out->sun_path) - 1, path);
		return false;
	}
	memcpy(out->sun_path, path, strlen(path) + 1);
	return true;
}

/* Removes a socket file that a dead process left behind; false when it is anything else. */
static bool
remove_leftover(const struct wanted *w, const struct sockaddr_un *address, struct buf *err)
{
	const char *path = address->sun_path;
	struct stat st;
	int         fd, error;

	if (lstat(path, &st) == -1 || !S_ISSOCK(st.st_mode)) {
		buf_fmt(err, "%s: %s exists and is not a socket", w->listen_key, path);
		return false;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	error = fd == -1 ? errno
	    : connect(fd, (const struct sockaddr *)address, sizeof(*address)) == -1 ? errno : 0;
	if (fd != -1)
		close(fd);
	if (error == ECONNREFUSED && unlink(path) == 0)
		return true;
	/* EAGAIN: someone listens, and has too much to do. */
	if (error == 0 || error == EAGAIN)
		buf_fmt(err, "%s: another process answers on %s", w->listen_key, path);
	else
		buf_fmt(err, "%s: %s: %s", w->listen_key, path,
		    strerror(error == ECONNREFUSED ? errno : error));
	return false;
}

/* Binds and listens while nobody else does so in the same folder, see open_unix(). */
static bool
bind_unix(struct listener *l, const struct wanted *w, const struct sockaddr_un *address,
    const struct owner *owner, struct buf *err)
{
	const struct sockaddr *sa = (const struct sockaddr *)address;
	struct stat            st;
	mode_t                 before;
	int                    bound;

	/* A chmod after the bind would leave a moment with other permissions. */
	before = umask(0777 & ~w->mode);
	bound = bind(l->fd, sa, sizeof(*address));
	if (bound == -1 && errno == EADDRINUSE) {
		if (!remove_leftover(w, address, err)) {
			umask(before);
			return false;
		}
		bound = bind(l->fd, sa, sizeof(*address));
	}
	umask(before);
	if (bound == -1 || lstat(address->sun_path, &st) == -1) {
		buf_fmt(err, "%s: %s: %s", w->listen_key, address->sun_path, strerror(errno));
		return false;
	}
	l->path = must_strdup(address->sun_path);
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	/* Nothing to change is no call: a sandbox may not have it. */
	if ((owner->uid != (uid_t)-1 || owner->gid != (gid_t)-1)
	    && lchown(l->path, owner->uid, owner->gid) == -1) {
		buf_fmt(err, "%s: %s: %s", w->owner_key, l->path, strerror(errno));
		return false;
	}
	if (listen(l->fd, w->backlog) == -1) {
		buf_fmt(err, "%s: %s: %s", w->listen_key, l->path, strerror(errno));
		return false;
	}
	return true;
}

static bool
open_unix(struct listener *l, const struct wanted *w, struct buf *err)
{
	struct sockaddr_un address;
	struct owner       owner;
	char              *folder, *slash;
	int                lock;
	bool               good;

	if (!unix_address(w, &address, err) || !owner_parse(w, &owner, err))
		return false;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd == -1) {
		buf_fmt(err, "%s: %s", w->listen_key, strerror(errno));
		return false;
	}
	/*
	 * Between the look at a left-over file and our own listen() no other
	 * starting instance may do the same, or one would remove the other's
	 * socket. The folder is there anyway, so it is what gets locked.
	 */
	folder = must_strdup(address.sun_path);
	slash = strrchr(folder, '/');
	slash[slash == folder] = '\0';
	lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	good = lock != -1 && flock(lock, LOCK_EX) == 0;
	if (!good)
		buf_fmt(err, "%s: %s: %s", w->listen_key, folder, strerror(errno));
	else
		good = bind_unix(l, w, &address, &owner, err);
	if (lock != -1)
		close(lock);
	free(folder);
	return good;
}

/* ---- TCP */

static bool
tcp_address(const struct wanted *w, struct addrinfo **out, struct buf *err)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	char   *host = must_strdup(w->address);
	char   *port = strrchr(host, ':');
	char   *name = host;
	int64_t number;
	int     failed = EAI_NONAME;

	if (port && port != host) {
		*port++ = '\0';
		/* "[::1]:9000": without brackets the last part of an address would be its port. */
		if (host[0] == '[' && port[-2] == ']') {
			name = host + 1;
			port[-2] = '\0';
		}
		if ((name != host || !strchr(host, ':'))
		    && str_to_i64(str_of(port), 1, 65535, &number))
			failed = getaddrinfo(name, port, &hints, out);
	}
	if (failed)
		buf_fmt(err, "%s: \"%s\" is neither unix:/path, /path, host:port nor [v6]:port",
		    w->listen_key, w->address);
	free(host);
	return failed == 0;
}

static bool
open_tcp(struct listener *l, const struct wanted *w, struct buf *err)
{
	struct addrinfo *a;
	int              one = 1;
	bool             good = false;

	if (!tcp_address(w, &a, err))
		return false;
	l->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd != -1 && setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0
	    && (a->ai_family != AF_INET6
	        || setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0)
	    && bind(l->fd, a->ai_addr, a->ai_addrlen) == 0
	    && listen(l->fd, w->backlog) == 0)
		good = true;
	else
		buf_fmt(err, "%s: %s: %s", w->listen_key, w->address, strerror(errno));
	freeaddrinfo(a);
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

/* At the configured address. */
static bool
open_own(struct listener *l, const struct wanted *w, struct buf *err)
{
	return listener_path(w->address) ? open_unix(l, w, err) : open_tcp(l, w, err);
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
			log_info("listen = %s is not used: systemd passed a socket", c->listen);
		return adopt(l, SYSTEMD_FIRST_FD, err);
	}
	if (c->listen[0])
		return open_own(l, &w, err);
	if (is_listening(STDIN_FILENO)) {
		l->alone = true;
		return adopt(l, STDIN_FILENO, err);
	}
	buf_fmt(err, "nothing to listen on: set listen, or pass a socket (systemd, spawn-fcgi)");
	return false;
}

bool
listener_open(struct listener *l, const struct conf *c, struct buf *err)
{
	*l = (struct listener) { .fd = -1 };
	if (open_any(l, c, err))
		return true;
	listener_remove_file(l);
	listener_close(l);
	return false;
}

bool
listener_inherit(struct listener *l, int fd, bool made, struct buf *err)
{
	struct sockaddr_un address = { 0 };
	socklen_t          len = sizeof(address) - 1;
	struct stat        st;

	*l = (struct listener) { .fd = fd, .inherited = !made };
	if (!is_listening(fd)) {
		buf_fmt(err, "the socket that was handed over (descriptor %d) does not listen", fd);
		return false;
	}
	/* The file of that name may be somebody else's by now; then it is not ours to remove. */
	if (made && getsockname(fd, (struct sockaddr *)&address, &len) == 0 && address.sun_family == AF_UNIX
	    && lstat(address.sun_path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		l->path = must_strdup(address.sun_path);
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	return true;
}

bool
listener_open_admin(struct listener *l, const struct conf *c, struct buf *err)
{
	struct wanted w = wanted_admin(c);

	*l = (struct listener) { .fd = -1 };
	if (!c->admin_listen[0] || open_own(l, &w, err))
		return true;
	listener_remove_file(l);
	listener_close(l);
	return false;
}

int
listener_connect_admin(const struct conf *c, int64_t timeout_ms, struct buf *err)
{
	struct wanted      w = wanted_admin(c);
	struct timeval     timeout = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
	struct sockaddr_un path;
	struct addrinfo   *a = NULL;
	bool               is_unix = listener_path(w.address) != NULL;
	int                fd, connected = -1;

	if (is_unix ? !unix_address(&w, &path, err) : !tcp_address(&w, &a, err))
		return -1;
	fd = socket(is_unix ? AF_UNIX : a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* The timeout to send bounds connect() too. */
	if (fd != -1 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0
	    && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0)
		connected = is_unix ? connect(fd, (const struct sockaddr *)&path, sizeof(path))
				    : connect(fd, a->ai_addr, a->ai_addrlen);
	if (a)
		freeaddrinfo(a);
	if (connected == 0)
		return fd;
	buf_fmt(err, "%s: %s%s", w.address, strerror(errno),
	    errno == ENOENT || errno == ECONNREFUSED ? " (does clientele serve run with this configuration?)" : "");
	if (fd != -1)
		close(fd);
	return -1;
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
	*l = (struct listener) { .fd = -1 };
}

static bool
check_one(const struct wanted *w, struct buf *err)
{
	struct sockaddr_un address;
	struct addrinfo   *a;
	struct owner       owner;

	if (!owner_parse(w, &owner, err))
		return false;
	if (listener_path(w->address))
		return unix_address(w, &address, err);
	if (!w->address[0])
		return true;
	if (!tcp_address(w, &a, err))
		return false;
	freeaddrinfo(a);
	return true;
}

bool
listener_check(const struct conf *c, struct buf *err)
{
	struct wanted front = wanted_front(c), admin = wanted_admin(c);
	struct allow  allow;

	return allow_parse(c->listen_allow, &allow, err) && check_one(&front, err) && check_one(&admin, err);
}
