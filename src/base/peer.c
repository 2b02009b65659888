/* The other end of a connection. */
#include "base/peer.h"

#include <netinet/in.h>

static bool
is_loopback(const struct sockaddr_storage *address)
{
	const struct in_addr  *v4 = &((const struct sockaddr_in *)address)->sin_addr;
	const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;

	if (address->ss_family == AF_INET)
		return ntohl(v4->s_addr) >> 24 == IN_LOOPBACKNET;
	return address->ss_family == AF_INET6
	    && (IN6_IS_ADDR_LOOPBACK(v6)
	        || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == IN_LOOPBACKNET));
}

void
peer_init(struct peer *p, int fd, const struct sockaddr_storage *address)
{
	bool is_unix = address->ss_family == AF_UNIX;

	p->fd = fd;
	p->leaves = is_unix ? 0 : POLLRDHUP;
	p->same_host = is_unix || is_loopback(address);
}

struct pollfd
peer_poll(const struct peer *p)
{
	if (p)
		return (struct pollfd) { .fd = p->fd, .events = p->leaves };
	return (struct pollfd) { .fd = -1 }; /* which poll() passes over */
}

bool
peer_has_left(const struct peer *p)
{
	struct pollfd look = peer_poll(p);

	return p && poll(&look, 1, 0) == 1;
}
