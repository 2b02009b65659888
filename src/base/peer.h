/*
 * Who waits for an answer: the other end of a connection.
 *
 * Left       Has closed the connection, so that nobody would read an answer. Over TCP a peer
 *            that only says that it will send no more looks the same and counts as
 *            gone; over a unix socket it is told apart, and waits.
 * Ownership  Of the descriptor: none.
 */
#ifndef BASE_PEER_H
#define BASE_PEER_H

#include "base/base.h"

#include <poll.h>
#include <sys/socket.h>

struct peer {
	int   fd;
	short leaves;    /* what poll() must ask for to see it leave; POLLHUP and POLLERR come unasked */
	bool  same_host; /* so its clock is ours */
};

void peer_init(struct peer *p, int fd, const struct sockaddr_storage *address);

/* p may be NULL in both: then nobody waits, and nobody leaves. An entry of poll() is ready when the peer has left. */
struct pollfd peer_poll(const struct peer *p);
bool          peer_has_left(const struct peer *p);

#endif
