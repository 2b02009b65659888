/* Addresses and owners of sockets. */
#include "net/address.h"
#include "base/arena.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

const char *
address_path(const char *text)
{
	if (strncmp(text, "unix:", 5) == 0)
		return text + 5;
	return text[0] == '/' ? text : NULL;
}

bool
address_unix(const char *key, const char *text, struct sockaddr_un *out, struct buf *err)
{
	const char *path = address_path(text);

	*out = (struct sockaddr_un) { .sun_family = AF_UNIX };
	if (path[0] != '/' || strlen(path) >= sizeof(out->sun_path)) {
		buf_fmt(err, "%s: a socket path must begin with / and have at most %zu bytes: %s",
		    key, sizeof(out->sun_path) - 1, path);
		return false;
	}
	memcpy(out->sun_path, path, strlen(path) + 1);
	return true;
}

/* Cuts "host:port" or "[v6]:port" in place; false: it is neither. */
static bool
split_tcp(char *text, const char **host, const char **port)
{
	char   *colon = strrchr(text, ':');
	int64_t number;

	if (!colon || colon == text)
		return false;
	*colon = '\0';
	*host = text;
	*port = colon + 1;
	/* Without brackets the last part of an IPv6 address would be its port. */
	if (text[0] == '[' && colon[-1] == ']') {
		*host = text + 1;
		colon[-1] = '\0';
	} else if (strchr(text, ':'))
		return false;
	return str_to_i64(str_of(*port), 1, 65535, &number);
}

bool
address_tcp(const char *key, const char *text, struct addrinfo **out, struct buf *err)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	char       *copy = must_strdup(text);
	const char *host, *port;
	int         failed = 0;
	bool        good = split_tcp(copy, &host, &port);

	if (!good)
		buf_fmt(err, "%s: \"%s\" is not unix:/path, /path, host:port or [v6]:port", key,
		    text);
	else if ((failed = getaddrinfo(host, port, &hints, out)) == EAI_AGAIN)
		buf_fmt(err, "%s: the host \"%s\" cannot be looked up at the moment (%s)", key,
		    host, gai_strerror(failed));
	else if (failed)
		buf_fmt(err, "%s: there is no host \"%s\" (%s): give an address of this machine, "
		    "such as 127.0.0.1:%s", key, host, gai_strerror(failed), port);
	free(copy);
	errno = failed == EAI_AGAIN ? EAGAIN : EINVAL;
	return good && failed == 0;
}

bool
address_owner(const char *key, const char *text, struct owner *out, struct buf *err)
{
	struct owner o = { (uid_t)-1, (gid_t)-1 };
	char        *user = must_strdup(text);
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
			buf_fmt(err, "%s: there is no user \"%s\"", key, user);
	}
	if (good && group && *group) {
		const struct group *g = getgrnam(group);

		good = g != NULL;
		if (g)
			o.gid = g->gr_gid;
		else
			buf_fmt(err, "%s: there is no group \"%s\"", key, group);
	}
	free(user);
	if (good)
		*out = o;
	return good;
}
