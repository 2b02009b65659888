/*
 * Who may connect by TCP: a list of addresses and networks.
 */
#ifndef NET_ALLOW_H
#define NET_ALLOW_H

#include "base/buf.h"
#include "base/network.h"

#include <sys/socket.h>

enum { ALLOW_NETS_MAX = 64 };

struct allow {
	size_t         n;
	struct network net[ALLOW_NETS_MAX];
};

/* list has the syntax of listen_allow; an empty list allows nobody. False: err has a sentence. */
bool allow_parse(const char *list, struct allow *out, struct buf *err) MUSTCHECK;

/* Whether a peer may be served; peers on unix sockets always may. */
bool allow_has(const struct allow *a, const struct sockaddr_storage *peer);

#endif
