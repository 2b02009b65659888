/* Connection strings. */
#include "db/url.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

enum {
	SETTING_MAX_BYTES = 256,
	PARTS_MAX = 128, /* libpq 15 knows 42 */
};

static bool
is_uri(const char *url)
{
	return strncmp(url, "postgresql://", 13) == 0 || strncmp(url, "postgres://", 11) == 0;
}

/* By the rule of libpq. */
static bool
is_name(const char *url)
{
	return !is_uri(url) && !strchr(url, '=');
}

struct _PQconninfoOption *
url_parse(const char *url)
{
	return PQconninfoParse(is_name(url) ? "" : url, NULL);
}

static const PQconninfoOption *
part_of(const PQconninfoOption *parts, const char *keyword)
{
	while (parts->keyword && strcmp(parts->keyword, keyword) != 0)
		parts++;
	return parts;
}

const char *
url_value(const struct _PQconninfoOption *parts, const char *keyword)
{
	const PQconninfoOption *part = part_of(parts, keyword);
	const char             *value = part->val;

	if (!value && part->envvar)
		value = getenv(part->envvar);
	return value && *value ? value : NULL;
}

bool
db_url_has_password(const char *url)
{
	PQconninfoOption *parts = url_parse(url);
	const char       *password = parts ? part_of(parts, "password")->val : NULL;
	bool              has = password && *password;

	PQconninfoFree(parts);
	return has;
}

/* ---- what would be read as something else than was meant */

static const char unreadable[] =
    "libpq cannot read it: write dbname=... user=..., with single quotes around a value that has "
    "blanks, or a postgresql:// URL";
static const char unescaped[] =
    "a password in a URL must have its special characters escaped: @ as %40, / as %2F, : as %3A, "
    "a blank as %20";

/* A URL has one @, between the login and the host: another belongs to a password. */
static const char *
uri_fault(const char *url)
{
	const char *rest = strstr(url, "://") + 3;
	size_t      authority = strcspn(rest, "/?");
	size_t      path = strcspn(rest, "?");
	unsigned    ats = 0;

	for (size_t i = 0; i < path; i++)
		if (rest[i] == '@' && (++ats > 1 || i > authority))
			return unescaped;
	return strpbrk(url, " \t") ? unescaped : NULL;
}

static const char *
form_fault(const char *url)
{
	if (url[strspn(url, " \t")] == '\0')
		return "must not be empty";
	if (is_uri(url))
		return uri_fault(url);
	/* The name of a database may have any of these, but this is more likely a URL. */
	return is_name(url) && strpbrk(url, "@:/ ") ? unreadable : NULL;
}

static size_t
count_list(const char *list)
{
	size_t n = 1;

	for (; *list; list++)
		n += *list == ',';
	return n;
}

/* libpq quotes hosts and ports when it cannot connect, so they must be what they seem to be. */
static const char *
address_fault(const PQconninfoOption *parts)
{
	const char *host = url_value(parts, "host");
	const char *ports = url_value(parts, "port");
	struct str  rest = str_of(ports);

	for (const char *p = host; p && *p; p++)
		if (*p == '@' && p != host && p[-1] != ',')
			return "a host has no @ in it: in a URL the @ of a password is written %40";
	while (rest.ptr) {
		struct str port = str_trim(str_cut(&rest, ','));
		int64_t    n;

		if (port.len && !str_to_i64(port, 1, UINT16_MAX, &n))
			return "a port must be a number from 1 to 65535";
	}
	if (ports && host && count_list(ports) != 1 && count_list(ports) != count_list(host))
		return "there must be one port, or one for each host";
	return NULL;
}

/* ---- settings that must hold */

/* Whatever the service relies on; where there is a value, that one may be set. */
static const struct {
	const char *name;  /* a dot at the end: all that begin so */
	const char *value; /* NULL: none */
	const char *fault;
} held[] = {
	{ "client_encoding", "utf8", "its options must not set client_encoding: it is UTF8" },
	{ "role", NULL, "its options must not set role: connect as the role itself" },
	{ "session_authorization", NULL,
	    "its options must not set session_authorization: connect as the role itself" },
	{ "row_security", "on", "its options must not set row_security" },
	{ "session_replication_role", NULL, "its options must not set session_replication_role" },
	{ "default_transaction_read_only", "off",
	    "its options must not set default_transaction_read_only: every write would fail" },
	{ "transaction_read_only", "off",
	    "its options must not set transaction_read_only: every write would fail" },
	{ "default_transaction_isolation", NULL,
	    "its options must not set default_transaction_isolation" },
	{ "transaction_isolation", NULL, "its options must not set transaction_isolation" },
	{ "app.", NULL, "its options must not set app.*, on which the isolation of tenants rests" },
};

/* "name=value": NULL when it may stay. Dashes are underscores, as for PostgreSQL. */
static const char *
setting_fault(char *setting)
{
	char *value = strchr(setting, '=');

	if (value)
		*value++ = '\0';
	for (char *p = setting; *p; p++)
		*p = *p == '-' ? '_' : *p;
	for (size_t i = 0; i < COUNTOF(held); i++) {
		size_t len = strlen(held[i].name);
		bool   all = held[i].name[len - 1] == '.';

		if (all ? strncasecmp(setting, held[i].name, len) == 0
			: strcasecmp(setting, held[i].name) == 0)
			return held[i].value && value && strcasecmp(value, held[i].value) == 0
			    ? NULL : held[i].fault;
	}
	return NULL;
}

/* The next word of a server's command line, without its backslashes; false: there is none. */
static bool
next_word(const char **rest, char word[SETTING_MAX_BYTES])
{
	const char *p = *rest + strspn(*rest, " \t\n\r\f\v");
	size_t      len = 0;

	if (!*p)
		return false;
	for (; *p && !strchr(" \t\n\r\f\v", *p); p++) {
		if (*p == '\\' && p[1])
			p++;
		if (len < SETTING_MAX_BYTES - 1)
			word[len++] = *p;
	}
	word[len] = '\0';
	*rest = p;
	return true;
}

/* "-c name=value -cname=value --name=value" */
static const char *
options_fault(const char *options)
{
	char        word[SETTING_MAX_BYTES];
	const char *fault = NULL;

	while (!fault && options && next_word(&options, word)) {
		if (strcmp(word, "-c") == 0) {
			if (next_word(&options, word))
				fault = setting_fault(word);
		} else if (strncmp(word, "-c", 2) == 0 || strncmp(word, "--", 2) == 0)
			fault = setting_fault(word + 2);
	}
	return fault;
}

/* The environment's PGCLIENTENCODING is overruled by db/conn.c. */
static const char *
encoding_fault(const PQconninfoOption *parts)
{
	const char *encoding = part_of(parts, "client_encoding")->val;

	if (!encoding || strcasecmp(encoding, "utf8") == 0 || strcasecmp(encoding, "utf-8") == 0)
		return NULL;
	return "client_encoding must be UTF8";
}

/* ---- what libpq itself judges only when it connects */

/*
 * Has libpq begin to connect to a place where nobody is: about its parameters it complains before.
 * A message about the place means that it had nothing to complain of.
 */
static bool
is_usable(const PQconninfoOption *parts)
{
	static const char nowhere[] = "/nonexistent/clientele";
	const char       *keywords[PARTS_MAX + 1] = { "host" };
	const char       *values[PARTS_MAX + 1] = { nowhere };
	size_t            n = 1;
	PGconn           *conn;
	bool              usable;

	for (; parts->keyword && n < PARTS_MAX; parts++)
		if (parts->val && strcmp(parts->keyword, "host") != 0
		    && strcmp(parts->keyword, "hostaddr") != 0
		    && strcmp(parts->keyword, "port") != 0) {
			keywords[n] = parts->keyword;
			values[n++] = parts->val;
		}
	conn = PQconnectStartParams(keywords, values, 0);
	usable = conn
	    && (PQstatus(conn) != CONNECTION_BAD || strstr(PQerrorMessage(conn), nowhere));
	PQfinish(conn);
	return usable;
}

static const char *
fault_of(const PQconninfoOption *parts)
{
	const char *fault = address_fault(parts);

	if (!fault)
		fault = encoding_fault(parts);
	if (!fault)
		fault = options_fault(url_value(parts, "options"));
	if (!fault && !is_usable(parts))
		fault = "libpq refuses one of its parameters: sslmode, channel_binding, "
			"target_session_attrs and their like take certain words only";
	return fault;
}

bool
db_url_check(const char *key, const char *url, struct buf *err)
{
	const char       *fault = form_fault(url);
	PQconninfoOption *parts = fault ? NULL : url_parse(url);

	if (!fault)
		fault = parts ? fault_of(parts) : unreadable;
	PQconninfoFree(parts);
	if (fault)
		buf_fmt(err, "%s%s %s", key, strncmp(fault, "must ", 5) == 0 ? "" : ":",
		    fault);
	return !fault;
}
