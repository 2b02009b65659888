/*
 * The other end of a connection, which waits for an answer.
 *
 * Left       It has closed the connection, so that nobody would read an answer. Over TCP a peer
 *            that only says that it will send no more looks the same and counts as gone; over a
 *            unix socket the two differ, and it still gets its answer.
 * Ownership  Of the descriptor: none.
 */
#ifndef BASE_PEER_H
#define BASE_PEER_H

#include "base/base.h"

#include <poll.h>
#include <sys/socket.h>

struct peer {
	int   fd;
	short leaves;    /* what poll() must ask for to see it leave, besides POLLHUP and POLLERR */
	bool  same_host; /* so its clock is ours */
};

void peer_init(struct peer *p, int fd, const struct sockaddr_storage *address);

/* An entry for poll() that is ready when the peer has left; p may be NULL: then it never is. */
struct pollfd peer_poll(const struct peer *p);
bool          peer_has_left(const struct peer *p);

#endif
