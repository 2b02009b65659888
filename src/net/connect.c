/* The other end of admin_listen. */
#include "net/connect.h"
#include "net/address.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static const char key[] = "admin_listen";

/* The timeout to send bounds connect() too. */
static bool
set_timeouts(int fd, int64_t timeout_ms)
{
	struct timeval t = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };

	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) == 0
	    && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) == 0;
}

int
connect_admin(const struct conf *c, int64_t timeout_ms, struct buf *err)
{
	const char        *text = c->admin_listen;
	struct sockaddr_un path;
	struct addrinfo   *a = NULL;
	bool               is_unix = address_path(text) != NULL;
	int                fd, connected = -1;

	if (is_unix ? !address_unix(key, text, &path, err) : !address_tcp(key, text, &a, err))
		return -1;
	fd = socket(is_unix ? AF_UNIX : a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd != -1 && set_timeouts(fd, timeout_ms))
		connected = is_unix ? connect(fd, (const struct sockaddr *)&path, sizeof(path))
				    : connect(fd, a->ai_addr, a->ai_addrlen);
	if (a)
		freeaddrinfo(a);
	if (connected == 0)
		return fd;
	buf_fmt(err, "%s: %s%s", text, strerror(errno),
	    errno == ENOENT || errno == ECONNREFUSED
	        ? " (does clientele serve run with this configuration?)"
	        : "");
	if (fd != -1)
		close(fd);
	return -1;
}
