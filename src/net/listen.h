/*
 * The listening sockets, made here or inherited, and who may connect.
 *
 * Sources    For front servers: a socket passed by systemd (LISTEN_FDS), else the configured
 *            address, else a listening socket on descriptor 0. For
 *            administration: the configured address.
 * Ownership  listener_open() to listener_close(). The descriptor is
 *            non-blocking, close-on-exec, and not one of 0, 1, 2. It is never
 *            shut down: other processes may hold it too.
 * Socket file Only one that we made is ever removed, and before we make one only
 *            a left-over on which nobody answers.
 * Errors     false, and one sentence in err.
 */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include "conf/conf.h"

#include <sys/socket.h>
#include <sys/stat.h>

/* Networks as IPv6; IPv4 is mapped. */
enum { ALLOW_NETS_MAX = 64 };

struct allow {
	size_t n;
	struct {
		unsigned char address[16];
		unsigned      bits;
	} net[ALLOW_NETS_MAX];
};

/* list is the syntax of listen_allow; an empty list allows nobody. */
bool allow_parse(const char *list, struct allow *out, struct buf *err) MUSTCHECK;

/* Whether a peer may be served; peers on unix sockets always may. */
bool allow_has(const struct allow *a, const struct sockaddr_storage *peer);

struct listener {
	int   fd;
	bool  inherited;
	bool  alone; /* from descriptor 0: someone else starts and watches processes */
	char *path;  /* of the socket file that we made, or NULL */
	dev_t dev;
	ino_t ino;
};

bool listener_open(struct listener *l, const struct conf *c, struct buf *err) MUSTCHECK;

/* The socket that another program image had open; 'made': it had made the file, which is ours now. */
bool listener_inherit(struct listener *l, int fd, bool made, struct buf *err) MUSTCHECK;
/* The same for admin_listen; without one it is true, and fd is -1. */
bool listener_open_admin(struct listener *l, const struct conf *c, struct buf *err) MUSTCHECK;

/*
 * For those who ask: a connection to admin_listen, which must be set, or -1. Nothing on it blocks for
 * longer than the timeout.
 */
int listener_connect_admin(const struct conf *c, int64_t timeout_ms, struct buf *err) MUSTCHECK;

/* Removes the socket file if it is still ours: nobody new can connect, who has can be served. */
void listener_remove_file(struct listener *l);

void listener_close(struct listener *l);

/* The path in an address of a unix socket ("unix:/path", "/path"), a view of it; NULL: it is none. */
const char *listener_path(const char *listen);

/* The rules of 'listen', 'listen_owner', 'listen_allow' and the admin keys without opening anything. */
bool listener_check(const struct conf *c, struct buf *err) MUSTCHECK;

#endif
