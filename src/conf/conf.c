/* Configuration: the table of keys, and the configuration as a whole. */
#include "conf/conf.h"
#include "base/arena.h"
#include "base/limits.h"
#include "base/rate.h"
#include "conf/key.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(struct conf, member)
#define SECOND     INT64_C(1000)
#define MINUTE     (60 * SECOND)
#define HOUR       (60 * MINUTE)
#define KIB        1024
#define MIB        (1024 * KIB)

const struct key keys[] = {
	{ "database_url", "dbname=clientele user=clientele_serve", TYPE_TEXT,
	    KEY_RELOAD | KEY_SECRET, 1, 4096, AT(database_url),
	    "Connection string or URL of libpq for the role that serves; it may name several "
	    "hosts." },
	{ "owner_file", "clientele-owner.conf", TYPE_TEXT, KEY_RELOAD, 1, 1024, AT(owner_file),
	    "File with database_owner_url, for the commands that work on the database; without a "
	    "slash at its start it is in the folder of this file." },
	{ "listen", "", TYPE_TEXT, KEY_FIXED, 0, 256, AT(listen),
	    "Where front servers connect: unix:/path, /path or host:port; empty means the "
	    "socket on descriptor 0. A socket passed by systemd comes before both." },
	{ "listen_mode", "0660", TYPE_OCTAL, KEY_FIXED, 0, 0777, AT(listen_mode),
	    "Octal permissions of the socket file." },
	{ "listen_owner", "", TYPE_TEXT, KEY_FIXED, 0, 128, AT(listen_owner),
	    "Owner of the socket file as user, user:group or :group; empty leaves it as "
	    "created." },
	{ "listen_backlog", "1024", TYPE_INT, KEY_FIXED, 1, 65535, AT(listen_backlog),
	    "Connections that may wait for a worker; the kernel lowers it to "
	    "net.core.somaxconn." },
	{ "listen_allow", "127.0.0.1, ::1", TYPE_TEXT, KEY_RELOAD, 0, 4096, AT(listen_allow),
	    "TCP peers that may connect: addresses or networks such as 10.0.0.0/8, with commas "
	    "between them. Unix sockets are guarded by listen_mode instead." },
	{ "admin_listen", "", TYPE_TEXT, KEY_FIXED, 0, 256, AT(admin_listen),
	    "Where status, metrics and health are served over HTTP, and where status, workers, "
	    "reload, upgrade, reopen and stop connect: unix:/path, /path or host:port; empty "
	    "means nowhere. Commands are taken on unix sockets only. It needs one more "
	    "database connection." },
	{ "admin_mode", "0600", TYPE_OCTAL, KEY_FIXED, 0, 0777, AT(admin_mode),
	    "Octal permissions of the admin socket file; whoever may connect may also give "
	    "commands." },
	{ "admin_owner", "", TYPE_TEXT, KEY_FIXED, 0, 128, AT(admin_owner),
	    "Owner of the admin socket file as user, user:group or :group; empty leaves it as "
	    "created." },
	{ "metrics_listen", "", TYPE_TEXT, KEY_FIXED, 0, 256, AT(metrics_listen),
	    "Where status, metrics and health are served over HTTP to whoever may connect, and "
	    "no command is taken: unix:/path, /path or host:port; empty means nowhere. With "
	    "admin_listen it shares one database connection." },
	{ "metrics_mode", "0666", TYPE_OCTAL, KEY_FIXED, 0, 0777, AT(metrics_mode),
	    "Octal permissions of the socket file of metrics_listen." },
	{ "workers", "auto", TYPE_WORKERS, KEY_RELOAD, 1, CONF_WORKERS_MAX, AT(workers),
	    "Worker processes, each with up to four database connections: a number (static N is "
	    "the same); auto, one for each processor, two at least; or dynamic, as many as the "
	    "load asks for. There are never more than the database has room for." },
	{ "workers_min", "2", TYPE_INT, KEY_RELOAD, 1, CONF_WORKERS_MAX, AT(workers_min),
	    "Fewest workers when dynamic, and how many there are at the start." },
	{ "workers_max", "auto", TYPE_COUNT, KEY_RELOAD, 1, CONF_WORKERS_MAX, AT(workers_max),
	    "Most workers when dynamic, and the upper bound of changes by signal or command; "
	    "auto means eight for each processor, or workers when that is more." },
	{ "spare_min", "1", TYPE_INT, KEY_RELOAD, 1, CONF_WORKERS_MAX, AT(spare_min),
	    "When dynamic: workers are added, one at a time, while fewer than this are idle." },
	{ "spare_max", "4", TYPE_INT, KEY_RELOAD, 1, CONF_WORKERS_MAX, AT(spare_max),
	    "When dynamic: workers leave, one at a time, while more than this have been idle "
	    "for spare_idle." },
	{ "spare_idle", "30s", TYPE_MS, KEY_RELOAD, 1 * SECOND, 1 * HOUR, AT(spare_idle_ms),
	    "How long a worker must have been idle to count as one too many." },
	{ "clerk", "on", TYPE_SWITCH, KEY_RELOAD, 0, 1, AT(clerk),
	    "Whether this host runs a clerk, the process that does what is due when no request "
	    "asks for it; one host at least must, and any number may. It needs one more "
	    "database connection." },
	{ "requests_in_hand", "128", TYPE_INT, KEY_RELOAD, 1, REQUESTS_IN_HAND_MAX,
	    AT(requests_in_hand),
	    "Requests that a worker runs at the same time; others wait in their connections. A "
	    "worker that dies takes those with it that it has in hand." },
	{ "max_requests", "0", TYPE_INT, KEY_RELOAD, 0, 1000000000, AT(max_requests),
	    "Requests after which a worker is replaced, plus up to a tenth so that they do not "
	    "all leave together; 0 means never." },
	{ "max_memory", "0", TYPE_BYTES, KEY_RELOAD, 0, 1024 * MIB, AT(max_memory_bytes),
	    "Resident memory at which a worker is replaced, once it has answered what it has in "
	    "hand; looked at every second under load; 0 means never." },
	{ "request_timeout", "15s", TYPE_MS, KEY_RELOAD, 100, 10 * MINUTE, AT(request_timeout_ms),
	    "Longest time for reading a request, for answering it and for writing the answer, "
	    "each; a worker that is stuck for three times as long is killed." },
	{ "queue_timeout", "10s", TYPE_MS, KEY_RELOAD, 0, 10 * MINUTE, AT(queue_timeout_ms),
	    "A request that waited longer for a worker is answered with 503 and not begun; "
	    "needs the REQUEST_START of the sample files, from a front server on this host; 0 "
	    "means no limit." },
	{ "queue_shed", "80", TYPE_INT, KEY_RELOAD, 0, 100, AT(queue_shed),
	    "Fill of the listen queue, in percent, from which on requests are answered with "
	    "503 at once, before it overflows; 0 means never." },
	{ "statement_timeout", "10s", TYPE_MS, KEY_RELOAD, 10, 10 * MINUTE,
	    AT(statement_timeout_ms),
	    "Longest time for one statement in the database; keep it longer than lock_timeout, "
	    "or a wait for a lock ends as a timeout." },
	{ "lock_timeout", "5s", TYPE_MS, KEY_RELOAD, 10, 10 * MINUTE, AT(lock_timeout_ms),
	    "Longest wait for a lock in the database, and so for a running request with the "
	    "same Idempotency-Key." },
	{ "shutdown_timeout", "25s", TYPE_MS, KEY_RELOAD, 100, 10 * MINUTE,
	    AT(shutdown_timeout_ms),
	    "Time that workers have to finish when the service stops; then they are killed." },
	{ "body_max", "2M", TYPE_BYTES, KEY_RELOAD, 16 * KIB, 4 * MIB, AT(body_max_bytes),
	    "Largest request body, except files to import, which may have 8 MiB at once; so the "
	    "front server's limit should be 8 MiB." },
	{ "metadata_max", "16K", TYPE_BYTES, KEY_RELOAD, 1 * KIB, 64 * KIB,
	    AT(metadata_max_bytes),
	    "Largest metadata object that the API takes." },
	{ "auth_cache_ttl", "1s", TYPE_MS, KEY_RELOAD, 0, 1 * SECOND, AT(auth_cache_ttl_ms),
	    "How long a worker may trust an API key without asking the database again, and so "
	    "how long a revoked key may go on working; 0 means not at all." },
	{ "idempotency_ttl", "24h", TYPE_MS, KEY_RELOAD, 1 * SECOND, 720 * HOUR,
	    AT(idempotency_ttl_ms),
	    "How long the answer to an Idempotency-Key is kept." },
	{ "retain_invoices", "87600h", TYPE_MS, KEY_RELOAD, 0, 876000 * HOUR,
	    AT(retain_invoices_ms),
	    "How long after its issue an invoice keeps the name, addresses and tax number of a "
	    "customer who was erased; 0 means not at all." },
	{ "imports_open", "5", TYPE_INT, KEY_RELOAD, 1, 100, AT(imports_open),
	    "Files that an environment may be importing at once through the API: those that are "
	    "received, wait or are worked on." },
	{ "import_max", "512M", TYPE_BYTES, KEY_RELOAD, 8 * MIB, 65536 * (int64_t)MIB,
	    AT(import_max_bytes),
	    "Largest file that can be imported through the API; its parts are in the database "
	    "until it is imported." },
	{ "public_url", "", TYPE_URL, KEY_RELOAD, 0, 512, AT(public_url),
	    "Where clients reach the service, as in https://api.example.com, without a slash "
	    "at the end: doc_url in error answers leads to the service's page about the error "
	    "below it; empty leaves doc_url a path." },
	{ "cors_origins", "", TYPE_ORIGINS, KEY_RELOAD, 0, 4096, AT(cors_origins),
	    "Origins of web pages whose scripts may call the API and read its answers, as in "
	    "https://app.example.com, with commas between them; empty means none." },
	{ "sign_in_by_proxy", "off", TYPE_SWITCH, KEY_RELOAD, 0, 1, AT(sign_in_by_proxy),
	    "Whether the front server may say who signs in, without password and second factor: "
	    "by the e-mail address of a user in the FastCGI parameter CLIENTELE_USER." },
	{ "checkout_url_template", "", TYPE_TEXT, KEY_RELOAD, 0, 2048, AT(checkout_url_template),
	    "Where customers pay, if not on the service's own page: a URL with {subscription}, "
	    "{invoice}, {amount}, {currency}, {success_url} and {sig} where these are to stand." },
	{ "checkout_url_secret", "", TYPE_TEXT, KEY_RELOAD | KEY_SECRET, 0, 1024,
	    AT(checkout_url_secret),
	    "The key of {sig}, by which that page knows that the URL was made here: random, and "
	    "at least 32 characters long." },
	{ "payment_instructions", "", TYPE_TEXT, KEY_RELOAD, 0, 4096, AT(payment_instructions),
	    "How to pay, for the pages of invoices and checkouts: plain text, with | where a line "
	    "ends; empty means that they do not say it." },
	{ "rate_limit", "off", TYPE_RATE, KEY_RELOAD, 1, RATE_MAX, AT(rate_limit),
	    "Requests that all API keys of an environment may make together: 100/s, 1000/m or "
	    "5000/h, with burst N for how many may come at once (otherwise as many as in that "
	    "time), or off; clientele key limit gives a key one of its own." },
	{ "tenant_share", "50", TYPE_INT, KEY_RELOAD, 1, 100, AT(tenant_share),
	    "Percent of a worker's requests in hand, and of its connections for writes, that one "
	    "environment may hold while others are active; 100 means all." },
	{ "keys_max", "1000", TYPE_INT, KEY_RELOAD, 1, 100000, AT(keys_max),
	    "API keys that an environment may have, of those that work: not revoked, not "
	    "expired." },
	{ "prepared_statements", "on", TYPE_SWITCH, KEY_RELOAD, 0, 1, AT(prepared_statements),
	    "Whether statements are prepared once for each connection; off for a pooler "
	    "between here and PostgreSQL that gives each transaction another connection." },
	{ "pidfile", "", TYPE_TEXT, KEY_FIXED, 0, 1024, AT(pidfile),
	    "File for the process id of the supervisor; empty means none." },
	{ "user", "", TYPE_TEXT, KEY_FIXED, 0, 64, AT(user),
	    "User to become when started as root; empty means to stay root." },
	{ "sandbox", "on", TYPE_SANDBOX, KEY_RELOAD, 0, CONF_SANDBOX_LOG, AT(sandbox),
	    "Whether workers, once they serve, give up all of the system that they do not "
	    "need: on ends a worker that tries more; log lets it through, and the kernel's log "
	    "has it." },
	{ "log", "stderr", TYPE_TEXT, KEY_RELOAD, 1, 1024, AT(log),
	    "Where the log goes: stderr, syslog, syslog:/socket, or the path of a file, which "
	    "SIGUSR1 opens again." },
	{ "log_format", "text", TYPE_FORMAT, KEY_RELOAD, 0, LOG_FORMAT__COUNT - 1, AT(log_format),
	    "Form of the log: text or json, one line for each event." },
	{ "log_level", "info", TYPE_LEVEL, KEY_RELOAD, 0, LOG_LEVEL__COUNT - 1, AT(log_level),
	    "Least important lines that are logged: error, warn, info or debug." },
	{ "request_log", "on", TYPE_SWITCH, KEY_RELOAD, 0, 1, AT(request_log),
	    "Whether each request is logged, at level info." },
	{ "slow_request", "1s", TYPE_MS, KEY_RELOAD, 0, 10 * MINUTE, AT(slow_request_ms),
	    "Requests that take longer are logged at level warn, with the statements they ran, "
	    "whatever request_log says; 0 means none." },
	{ "requests_kept", "8192", TYPE_INT, KEY_FIXED, 0, CONF_REQUESTS_KEPT_MAX,
	    AT(requests_kept),
	    "Requests that were answered last and are kept in memory, of all environments "
	    "together, for the API's GET /requests, with 256 bytes each; 0 means none." },
	{ "database_owner_url", "dbname=clientele user=clientele_owner", TYPE_TEXT,
	    KEY_SECRET | KEY_OWNER, 1, 4096,
	    AT(database_owner_url),
	    "Connection string or URL of libpq for the role that owns the schema." },
};

const size_t keys_count = COUNTOF(keys);

const struct key *
key_find(struct str name)
{
	for (size_t i = 0; i < COUNTOF(keys); i++)
		if (str_is(name, keys[i].name))
			return &keys[i];
	return NULL;
}

char **
key_text(const struct conf *c, const struct key *k)
{
	return (char **)((uintptr_t)c + k->at);
}

int64_t *
key_number(const struct conf *c, const struct key *k)
{
	return (int64_t *)((uintptr_t)c + k->at);
}

void
conf_init(struct conf *c)
{
	*c = (struct conf) { 0 };
	for (size_t i = 0; i < keys_count; i++) {
		struct buf none;
		bool       fits;

		buf_init(&none, 512);
		fits = key_put(c, &keys[i], str_of(keys[i].dflt), &none);
		buf_fini(&none);
		assert(fits); /* a default that breaks its own row */
	}
}

void
conf_fini(struct conf *c)
{
	for (size_t i = 0; i < keys_count; i++) {
		char *text = key_is_text(&keys[i]) ? *key_text(c, &keys[i]) : NULL;

		if (text)
			explicit_bzero(text, strlen(text));
		free(text);
	}
	*c = (struct conf) { 0 };
}

bool
conf_set(struct conf *c, const char *name, const char *value, struct buf *err)
{
	const struct key *k = key_find(str_of(name));

	if (k)
		return key_set(c, k, str_of(value), err);
	buf_fmt(err, "there is no key ");
	key_quote(str_of(name), err);
	return false;
}

static bool
same(const struct key *k, const struct conf *a, const struct conf *b)
{
	if (key_is_text(k))
		return strcmp(*key_text(a, k), *key_text(b, k)) == 0;
	return *key_number(a, k) == *key_number(b, k);
}

void
conf_keep_fixed(struct conf *next, const struct conf *running, struct buf *kept)
{
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *k = &keys[i];

		if ((k->flags & KEY_RELOAD) || same(k, next, running))
			continue;
		buf_fmt(kept, "%s%s", kept->len ? ", " : "", k->name);
		if (key_is_text(k)) {
			free(*key_text(next, k));
			*key_text(next, k) = must_strdup(*key_text(running, k));
		} else
			*key_number(next, k) = *key_number(running, k);
	}
}

void
conf_print(const struct conf *c, struct buf *out)
{
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *k = &keys[i];

		if (k->flags & KEY_OWNER)
			continue;
		buf_fmt(out, "%s = ", k->name);
		if ((k->flags & KEY_SECRET) && **key_text(c, k))
			buf_fmt(out, "********");
		else
			key_print(c, k, out);
		buf_fmt(out, "\n");
	}
}

bool
conf_is_default(const struct conf *c, const char *name)
{
	struct conf other;
	bool        is;

	conf_init(&other);
	is = same(key_find(str_of(name)), c, &other);
	conf_fini(&other);
	return is;
}

const char *
conf_key(size_t i, const char **dflt, const char **sentence)
{
	if (i >= keys_count)
		return NULL;
	*dflt = keys[i].dflt;
	*sentence = keys[i].sentence;
	return keys[i].name;
}
