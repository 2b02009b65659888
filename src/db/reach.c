/* What connecting to a database needs of the system. */
#include "db/reach.h"
#include "db/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As libpq finds it: in the connection string, else in the environment. NULL: missing or "". */
static const char *
value_of(const PQconninfoOption *parts, const char *keyword)
{
	const char *value = NULL;

	for (; parts->keyword; parts++)
		if (strcmp(parts->keyword, keyword) == 0) {
			value = parts->val;
			if (!value && parts->envvar)
				value = getenv(parts->envvar);
		}
	return value && *value ? value : NULL;
}

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
	const char *path = value_of(parts, "passfile");
	const char *home = getenv("HOME");
	char        own[4096];

	if (value_of(parts, "password"))
		return false;
	if (!path && !home)
		return true; /* libpq asks the user database where home is */
	snprintf(own, sizeof(own), "%s/.pgpass", home ? home : "");
	return access(path ? path : own, F_OK) == 0;
}

static void
list_ports(const PQconninfoOption *parts, struct db_reach *out)
{
	const char *list = value_of(parts, "port");
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
	PQconninfoOption *parts = conn_parts(url);

	*out = (struct db_reach) { .network = true, .files = true };
	if (!parts)
		return;
	if (!value_of(parts, "service")) {
		out->network = value_of(parts, "hostaddr") || !are_sockets(value_of(parts, "host"));
		out->files = out->network || reads_passfile(parts);
		list_ports(parts, out);
	}
	PQconninfoFree(parts);
}
