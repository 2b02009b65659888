/*
 * The listening sockets, made here or inherited.
 *
 * Sources    For front servers: a socket passed by systemd (LISTEN_FDS), else the configured
 *            address, else a listening socket on descriptor 0. For administration and metrics:
 *            the configured address.
 * Ownership  listener_open() to listener_close(). The descriptor is non-blocking, close-on-exec,
 *            and not one of 0, 1, 2. It is never shut down: other processes may hold it too.
 * Socket file  Only one that was made here is ever removed, and before one is made only a left-over
 *            on which nobody answers.
 * Errors     false, and one sentence in err.
 */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include "conf/conf.h"

#include <sys/stat.h>

struct listener {
	int   fd;
	bool  inherited;
	bool  alone; /* from descriptor 0: another program starts and watches processes */
	char *path;  /* of the socket file that was made here, or NULL */
	dev_t dev;
	ino_t ino;
};

bool listener_open(struct listener *l, const struct conf *c, struct buf *err) MUSTCHECK;

/* The same for admin_listen and metrics_listen; without one it is true, and fd is -1. */
bool listener_open_admin(struct listener *l, const struct conf *c, struct buf *err) MUSTCHECK;
bool listener_open_metrics(struct listener *l, const struct conf *c, struct buf *err) MUSTCHECK;

/* The socket that another program image had open; made: it had made the file, which is ours now. */
bool listener_inherit(struct listener *l, int fd, bool made, struct buf *err) MUSTCHECK;

/* Removes the socket file if it is still ours: no new connections, those that wait stay. */
void listener_remove_file(struct listener *l);

void listener_close(struct listener *l);

/* The rules of all keys about sockets, without opening anything. */
bool listener_check(const struct conf *c, struct buf *err) MUSTCHECK;

#endif
