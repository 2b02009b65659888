/*
 * Addresses and owners of sockets, as the configuration writes them.
 *
 * Key        The name of the configuration's key, for messages.
 * Errors     false, and one sentence in err.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include "base/buf.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The path in the address of a unix socket ("unix:/path", "/path"), a view; NULL: it is none. */
const char *address_path(const char *text);

/* text is an address of a unix socket. */
bool address_unix(const char *key, const char *text, struct sockaddr_un *out,
    struct buf *err) MUSTCHECK;

/* "host:port" or "[v6]:port"; freeaddrinfo() ends out. */
bool address_tcp(const char *key, const char *text, struct addrinfo **out,
    struct buf *err) MUSTCHECK;

/* Of a socket's file; (uid_t)-1 and (gid_t)-1: left as they are. */
struct owner {
	uid_t uid;
	gid_t gid;
};

/* "user", "user:group", ":group" or nothing. */
bool address_owner(const char *key, const char *text, struct owner *out,
    struct buf *err) MUSTCHECK;

#endif
