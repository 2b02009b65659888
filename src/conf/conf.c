/* Configuration: the table of keys, and its readers. */
#include "conf/conf.h"
#include "conf/key.h"
#include "base/rate.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FILE_MAX_BYTES = 64 * 1024, /* the sample is a tenth of it */
	NAME_MAX_BYTES = 40,
};

static const struct key keys[] = {
#define AT(member) offsetof(struct conf, member)
	{ "database_url", "dbname=clientele user=clientele_serve", TYPE_TEXT, RELOAD | SECRET, 1,
	    4096, AT(database_url),
	    "libpq connection string or URL of the role that serves; it may name several hosts." },
	{ "database_owner_url", "", TYPE_TEXT, RELOAD | SECRET, 0, 4096, AT(database_owner_url),
	    "The same for the role that owns the schema, used by migrate, org and key; empty means "
	    "database_url." },
	{ "listen", "", TYPE_TEXT, FIXED, 0, 256, AT(listen),
	    "Where front servers connect: unix:/path, /path or host:port; empty means the socket "
	    "on descriptor 0. A socket passed by systemd comes before both." },
	{ "listen_mode", "0660", TYPE_OCTAL, FIXED, 0, 0777, AT(listen_mode),
	    "Octal permissions of the socket file." },
	{ "listen_owner", "", TYPE_TEXT, FIXED, 0, 128, AT(listen_owner),
	    "Owner of the socket file as user, user:group or :group; empty leaves it as created." },
	{ "listen_backlog", "1024", TYPE_INT, FIXED, 1, 65535, AT(listen_backlog),
	    "Connections that may wait for a worker; the kernel lowers it to net.core.somaxconn." },
	{ "listen_allow", "127.0.0.1, ::1", TYPE_TEXT, RELOAD, 0, 4096, AT(listen_allow),
	    "TCP peers that may connect: addresses or networks such as 10.0.0.0/8, with commas "
	    "between them. Unix sockets are guarded by listen_mode instead." },
	{ "admin_listen", "", TYPE_TEXT, FIXED, 0, 256, AT(admin_listen),
	    "Where status, metrics and health are served over HTTP, and where status, workers, "
	    "reload and upgrade connect: unix:/path, /path or host:port; empty means nowhere. "
	    "Commands are taken on unix sockets only. It needs one more database connection." },
	{ "admin_mode", "0600", TYPE_OCTAL, FIXED, 0, 0777, AT(admin_mode),
	    "Octal permissions of the admin socket file; all who may connect may command." },
	{ "admin_owner", "", TYPE_TEXT, FIXED, 0, 128, AT(admin_owner),
	    "Owner of the admin socket file as user, user:group or :group; empty leaves it as "
	    "created." },
	{ "workers", "auto", TYPE_WORKERS, RELOAD, 1, CONF_WORKERS_MAX, AT(workers),
	    "Worker processes, each with one database connection: a number (static N is the "
	    "same); auto, four for each processor, because a worker mostly waits for database "
	    "and disk; or dynamic, as many as the load asks for. There are never more than the "
	    "database has room for." },
	{ "workers_min", "2", TYPE_INT, RELOAD, 1, CONF_WORKERS_MAX, AT(workers_min),
	    "Least workers when dynamic, and how many there are at the start." },
	{ "workers_max", "auto", TYPE_COUNT, RELOAD, 1, CONF_WORKERS_MAX, AT(workers_max),
	    "Most workers when dynamic, and the bound of changes by signal or command; auto means "
	    "twice what workers = auto gives, or workers when that is more." },
	{ "spare_min", "1", TYPE_INT, RELOAD, 1, CONF_WORKERS_MAX, AT(spare_min),
	    "When dynamic: workers are added, one at a time, while fewer than this are idle." },
	{ "spare_max", "4", TYPE_INT, RELOAD, 1, CONF_WORKERS_MAX, AT(spare_max),
	    "When dynamic: workers leave, one at a time, while more than this have been idle for "
	    "spare_idle." },
	{ "spare_idle", "30s", TYPE_MS, RELOAD, 1 * SECOND, 1 * HOUR, AT(spare_idle_ms),
	    "How long a worker must have been without a request to count as one too many." },
	{ "max_requests", "0", TYPE_INT, RELOAD, 0, 1000000000, AT(max_requests),
	    "Requests after which a worker is replaced, and up to a tenth more so that they do not "
	    "all leave together; 0 means never." },
	{ "max_memory", "0", TYPE_BYTES, RELOAD, 0, 1024 * MIB, AT(max_memory_bytes),
	    "Resident memory at which a worker is replaced between two requests, looked at every "
	    "64 requests; 0 means never." },
	{ "request_timeout", "15s", TYPE_MS, RELOAD, 100, 10 * MINUTE, AT(request_timeout_ms),
	    "Longest time for reading a request, for answering it and for writing the answer, "
	    "each; a worker that is busy for three times as long is killed." },
	{ "queue_timeout", "10s", TYPE_MS, RELOAD, 0, 10 * MINUTE, AT(queue_timeout_ms),
	    "A request that waited longer for a worker is answered with 503 and not begun; needs "
	    "the REQUEST_START of the sample files, from a front server on this host; 0 means "
	    "no limit." },
	{ "queue_shed", "80", TYPE_INT, RELOAD, 0, 100, AT(queue_shed),
	    "Percent of the listen queue at which requests are answered with 503 at once, before "
	    "the queue overflows; 0 means never." },
	{ "statement_timeout", "10s", TYPE_MS, RELOAD, 10, 10 * MINUTE, AT(statement_timeout_ms),
	    "Longest time for one statement in the database; longer than lock_timeout, or a wait "
	    "for a lock ends as a timeout." },
	{ "lock_timeout", "5s", TYPE_MS, RELOAD, 10, 10 * MINUTE, AT(lock_timeout_ms),
	    "Longest wait for a lock in the database, and so for the twin of a running request." },
	{ "shutdown_timeout", "25s", TYPE_MS, RELOAD, 100, 10 * MINUTE, AT(shutdown_timeout_ms),
	    "Time that workers have to finish when the service stops; then they are killed." },
	{ "body_max", "2M", TYPE_BYTES, RELOAD, 16 * KIB, 4 * MIB, AT(body_max_bytes),
	    "Largest request body; the front server's limit should be the same." },
	{ "metadata_max", "16K", TYPE_BYTES, RELOAD, 1 * KIB, 64 * KIB, AT(metadata_max_bytes),
	    "Largest metadata object that the API takes." },
	{ "auth_cache_ttl", "1s", TYPE_MS, RELOAD, 0, 1 * SECOND, AT(auth_cache_ttl_ms),
	    "How long a worker may trust an API key without asking the database again, and so how "
	    "long a revoked key may go on working; 0 means not at all." },
	{ "idempotency_ttl", "24h", TYPE_MS, RELOAD, 1 * SECOND, 720 * HOUR, AT(idempotency_ttl_ms),
	    "How long the answer to an Idempotency-Key is kept." },
	{ "docs_base_url", "https://docs.example.com", TYPE_URL, RELOAD, 1, 512, AT(docs_base_url),
	    "Where doc_url in error answers points to, without a slash at the end." },
	{ "rate_limit", "off", TYPE_RATE, RELOAD, 1, RATE_MAX, AT(rate_limit),
	    "Requests that each API key may make: 100/s, 1000/m or 5000/h, with burst N for how "
	    "many of them at once (else as many as in the time), or off; clientele key limit "
	    "sets another one for a key." },
	{ "prepared_statements", "on", TYPE_SWITCH, RELOAD, 0, 1, AT(prepared_statements),
	    "Whether statements are prepared once for each connection; off for a pooler between "
	    "here and PostgreSQL that gives each transaction another connection." },
	{ "pidfile", "", TYPE_TEXT, FIXED, 0, 1024, AT(pidfile),
	    "File for the process id of the supervisor; empty means none." },
	{ "user", "", TYPE_TEXT, FIXED, 0, 64, AT(user),
	    "User to become when started as root; empty means to stay." },
	{ "sandbox", "on", TYPE_SANDBOX, RELOAD, 0, CONF_SANDBOX_LOG, AT(sandbox),
	    "Whether workers give up, once they serve, what of the system they do not need; log "
	    "lets through what on would kill for, and the kernel's log tells of it." },
	{ "log", "stderr", TYPE_TEXT, RELOAD, 1, 1024, AT(log),
	    "Where the log goes: stderr, syslog, syslog:/socket, or the path of a file, which "
	    "SIGUSR1 opens again." },
	{ "log_format", "text", TYPE_FORMAT, RELOAD, 0, LOG_FORMAT__COUNT - 1, AT(log_format),
	    "text or json, one line an event." },
	{ "log_level", "info", TYPE_LEVEL, RELOAD, 0, LOG_LEVEL__COUNT - 1, AT(log_level),
	    "What is logged: error, warn, info or debug." },
	{ "request_log", "on", TYPE_SWITCH, RELOAD, 0, 1, AT(request_log),
	    "Whether each request has a line in the log, at level info." },
	{ "slow_request", "1s", TYPE_MS, RELOAD, 0, 10 * MINUTE, AT(slow_request_ms),
	    "Requests that take longer are logged at level warn, with the statements they ran "
	    "and whatever request_log says; 0 means none is." },
#undef AT
};

static const struct key *
find_key(struct str name)
{
	for (size_t i = 0; i < COUNTOF(keys); i++)
		if (str_is(name, keys[i].name))
			return &keys[i];
	return NULL;
}

void
conf_init(struct conf *c)
{
	*c = (struct conf) { 0 };
	for (size_t i = 0; i < COUNTOF(keys); i++) {
		struct buf none;
		bool       fits;

		buf_init(&none, 512);
		fits = key_set(&keys[i], c, str_of(keys[i].dflt), &none);
		buf_fini(&none);
		assert(fits); /* a default that breaks its own row */
	}
}

void
conf_fini(struct conf *c)
{
	for (size_t i = 0; i < COUNTOF(keys); i++)
		key_free(&keys[i], c);
	*c = (struct conf) { 0 };
}

static bool
set_named(struct conf *c, struct str name, struct str value, struct buf *err)
{
	const struct key *k = find_key(name);

	if (!k) {
		buf_fmt(err, "there is no key \"%.*s\"", STR_ARGS(key_clip(name)));
		return false;
	}
	return key_set(k, c, value, err);
}

bool
conf_set(struct conf *c, const char *name, const char *value, struct buf *err)
{
	return set_named(c, str_of(name), str_of(value), err);
}

/* Splits "--listen-mode=0600" into the key and the value; false when it is none of ours. */
static bool
flag_split(const char *flag, const struct key **key, const char **value)
{
	char        name[NAME_MAX_BYTES];
	const char *end = strchr(flag, '=');
	size_t      len;

	if (!end || !str_starts(str_of(flag), STR("--")))
		return false;
	len = (size_t)(end - flag) - 2;
	if (len >= sizeof(name))
		return false;
	for (size_t i = 0; i < len; i++)
		name[i] = flag[2 + i] == '-' ? '_' : flag[2 + i];
	*key = find_key((struct str) { name, len });
	*value = end + 1;
	return *key != NULL;
}

bool
conf_is_flag(const char *flag)
{
	const struct key *k;
	const char       *value;

	return flag_split(flag, &k, &value);
}

bool
conf_set_flag(struct conf *c, const char *flag, struct buf *err)
{
	const struct key *k;
	const char       *value;
	size_t            before = err->len;

	if (!flag_split(flag, &k, &value)) {
		buf_fmt(err, "there is no option %.60s", flag);
		return false;
	}
	buf_fmt(err, "command line: ");
	if (!key_set(k, c, str_of(value), err))
		return false;
	err->len = before;
	return true;
}

static bool
read_line(struct conf *c, struct str line, unsigned number, unsigned first_line[], struct buf *err)
{
	struct str        rest = line;
	struct str        name = str_trim(str_cut(&rest, '='));
	const struct key *k;

	if (!rest.ptr) {
		buf_fmt(err, "expected \"key = value\"");
		return false;
	}
	if (!set_named(c, name, str_trim(rest), err))
		return false;
	k = find_key(name);
	if (first_line[k - keys]) {
		buf_fmt(err, "%s was set in line %u already", k->name, first_line[k - keys]);
		return false;
	}
	first_line[k - keys] = number;
	return true;
}

bool
conf_read_text(struct conf *c, const char *origin, struct str text, struct buf *err)
{
	unsigned first_line[COUNTOF(keys)] = { 0 };

	for (unsigned number = 1; text.ptr; number++) {
		struct str line = str_trim(str_cut(&text, '\n'));
		size_t     before = err->len;

		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		buf_fmt(err, "%s:%u: ", origin, number);
		if (!read_line(c, line, number, first_line, err))
			return false;
		err->len = before;
	}
	return true;
}

bool
conf_read_file(struct conf *c, const char *path, struct buf *err)
{
	FILE      *f = fopen(path, "re");
	struct buf text;
	size_t     got;
	bool       read = false;

	if (!f) {
		buf_fmt(err, "%s: %s", path, strerror(errno));
		return false;
	}
	buf_init(&text, FILE_MAX_BYTES);
	got = fread(buf_room(&text, FILE_MAX_BYTES), 1, FILE_MAX_BYTES, f);
	text.len = got;
	if (ferror(f))
		buf_fmt(err, "%s: %s", path, strerror(errno));
	else if (!feof(f))
		buf_fmt(err, "%s: larger than %d bytes", path, FILE_MAX_BYTES);
	else
		read = conf_read_text(c, path, buf_view(&text), err);
	/* It may hold a password. */
	explicit_bzero(text.ptr, text.len);
	buf_fini(&text);
	fclose(f);
	return read;
}

bool
conf_read_env(struct conf *c, struct buf *err)
{
	for (size_t i = 0; i < COUNTOF(keys); i++) {
		char        name[sizeof("CLIENTELE_") + NAME_MAX_BYTES];
		const char *value;
		size_t      before = err->len;

		snprintf(name, sizeof(name), "CLIENTELE_%s", keys[i].name);
		for (char *p = name; *p; p++)
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p - 'a' + 'A');
		value = getenv(name);
		if (!value)
			continue;
		buf_fmt(err, "environment %s: ", name);
		if (!key_set(&keys[i], c, str_of(value), err))
			return false;
		err->len = before;
	}
	return true;
}

void
conf_keep_fixed(struct conf *next, const struct conf *running, struct buf *kept)
{
	for (size_t i = 0; i < COUNTOF(keys); i++) {
		const struct key *k = &keys[i];

		if ((k->flags & RELOAD) || key_same(k, next, running))
			continue;
		buf_fmt(kept, "%s%s", kept->len ? ", " : "", k->name);
		key_copy(k, next, running);
	}
}

void
conf_print(const struct conf *c, struct buf *out)
{
	for (size_t i = 0; i < COUNTOF(keys); i++) {
		buf_fmt(out, "%s = ", keys[i].name);
		key_print(&keys[i], c, out);
		buf_fmt(out, "\n");
	}
}

const char *
conf_key(size_t i, const char **dflt, const char **sentence)
{
	if (i >= COUNTOF(keys))
		return NULL;
	*dflt = keys[i].dflt;
	*sentence = keys[i].sentence;
	return keys[i].name;
}
