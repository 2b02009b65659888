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
 * Errors     false, one sentence in err, and an exit code in the listener.
 * Waiting    An address that nobody living answers for, as after the death of a supervisor whose
 *            worker has a request in hand, is waited for as long as such a worker may take.
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
	char *seen;  /* of an inherited socket: its file, if that was there; or NULL */
	dev_t dev;   /* of the one or the other */
	ino_t ino;
	int   code; /* why there is none: EXIT_CONFIG, or EXIT_BUSY or EXIT_OS, which may pass */
};

/* What a socket is for, and the key with its address. */
enum listener_for { LISTENER_FRONT, LISTENER_ADMIN, LISTENER_METRICS };

const char *listener_key(enum listener_for what);

bool listener_open(struct listener *l, const struct conf *c, struct buf *err) MUSTCHECK;

/* The same for admin_listen and metrics_listen; without one it is true, and fd is -1. */
bool listener_open_admin(struct listener *l, const struct conf *c, struct buf *err) MUSTCHECK;
bool listener_open_metrics(struct listener *l, const struct conf *c, struct buf *err) MUSTCHECK;

/* The socket that another program image had open; made: it had made the file, which is ours now. */
bool listener_inherit(struct listener *l, int fd, bool made, struct buf *err) MUSTCHECK;

/* The socket has a file, but it is gone, or another has its name: nobody finds the socket. */
bool listener_is_lost(const struct listener *l);

/*
 * For one that was made here and is lost: another socket at the same address, with the same
 * descriptor. Connections in the old one's queue stay with the processes that have it open.
 */
bool listener_restore(struct listener *l, const struct conf *c, enum listener_for what,
    struct buf *err) MUSTCHECK;

/* Removes the socket file if it is still ours: no new connections, those that wait stay. */
void listener_remove_file(struct listener *l);

void listener_close(struct listener *l);

/* The rules of all keys about sockets, without opening anything. */
bool listener_check(const struct conf *c, struct buf *err) MUSTCHECK;

#endif
