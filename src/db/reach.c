/* What connecting to a database needs of the system. */
#include "db/reach.h"
#include "base/str.h"
#include "db/url.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Whether each host of a list is a folder or an abstract name, which both mean a unix socket. So
 * does a host that is not given.
 */
static bool
are_sockets(const char *hosts)
{
	struct str rest = str_of(hosts ? hosts : "");

	while (rest.ptr) {
		struct str host = str_cut(&rest, ',');

		if (host.len && host.ptr[0] != '/' && host.ptr[0] != '@')
			return false;
	}
	return true;
}

static bool
reads_passfile(const PQconninfoOption *parts)
{
	const char *path = url_value(parts, "passfile");
	const char *home = getenv("HOME");
	char        own[4096];

	if (url_value(parts, "password"))
		return false;
	if (!path && !home)
		return true; /* libpq asks the user database where home is */
	snprintf(own, sizeof(own), "%s/.pgpass", home ? home : "");
	return access(path ? path : own, F_OK) == 0;
}

static void
list_ports(const PQconninfoOption *parts, struct db_reach *out)
{
	const char *list = url_value(parts, "port");
	struct str  rest = str_of(list ? list : "5432");

	while (rest.ptr) {
		struct str text = str_trim(str_cut(&rest, ','));
		int64_t    port;

		if (out->ports == DB_REACH_PORTS_MAX || !str_to_i64(text, 1, UINT16_MAX, &port)) {
			out->ports = 0;
			return;
		}
		out->port[out->ports++] = (uint16_t)port;
	}
}

void
db_reach(const char *url, struct db_reach *out)
{
	PQconninfoOption *parts = url_parse(url);

	*out = (struct db_reach) { .network = true, .files = true };
	if (!parts)
		return;
	if (!url_value(parts, "service")) {
		out->network = url_value(parts, "hostaddr")
		    || !are_sockets(url_value(parts, "host"));
		out->files = out->network || reads_passfile(parts);
		list_ports(parts, out);
	}
	PQconninfoFree(parts);
}
