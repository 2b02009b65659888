/* Configuration: the table of keys, and its readers. */
#include "conf/conf.h"
#include "base/arena.h"
#include "base/rate.h"
#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FILE_MAX_BYTES = 64 * 1024, /* the sample is a tenth of it */
	NAME_MAX_BYTES = 40,
	CLIP_BYTES = 60,
};

enum type {
	TYPE_INT,     /* digits */
	TYPE_COUNT,   /* digits, or "auto", which is 0 */
	TYPE_WORKERS, /* the same, "static" and digits, or "dynamic" */
	TYPE_BYTES,   /* digits with K or M */
	TYPE_MS,      /* digits with ms, s, m or h */
	TYPE_OCTAL,   /* octal digits */
	TYPE_LEVEL,   /* these four: one of a list of names */
	TYPE_FORMAT,
	TYPE_SANDBOX,
	TYPE_SWITCH,
	TYPE_RATE, /* "off", or "100/s burst 200" */
	TYPE_TEXT,
	TYPE_URL, /* http or https, no slash at the end */
};

enum flags {
	FIXED = 0,
	RELOAD = 1, /* a reload applies it */
	SECRET = 2, /* never printed */
};

static const char *const off_on[] = { "off", "on" };
static const char *const off_on_log[] = { "off", "on", "log" }; /* CONF_SANDBOX_ */

/* The names of a type, as many as the key's max says, and one; NULL: it has none. */
static const char *const *
names_of(enum type type)
{
	return type == TYPE_LEVEL ? log_level_names
	    : type == TYPE_FORMAT ? log_format_names
	    : type == TYPE_SWITCH ? off_on
	    : type == TYPE_SANDBOX ? off_on_log
				  : NULL;
}

static const struct key {
	const char *name, *dflt;
	enum type   type;
	int         flags;
	int64_t     min, max; /* of texts: bytes */
	size_t      at;
	const char *sentence;
} keys[] = {
#define AT(member) offsetof(struct conf, member)
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define KIB    1024
#define MIB    (1024 * KIB)
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
	    "reload and upgrade connect: unix:/path, /path or host:port; empty means nowhere. Commands "
	    "are taken on unix sockets only. It needs one more database connection." },
	{ "admin_mode", "0600", TYPE_OCTAL, FIXED, 0, 0777, AT(admin_mode),
	    "Octal permissions of the admin socket file; who may connect may also command." },
	{ "admin_owner", "", TYPE_TEXT, FIXED, 0, 128, AT(admin_owner),
	    "Owner of the admin socket file as user, user:group or :group; empty leaves it as created." },
	{ "workers", "auto", TYPE_WORKERS, RELOAD, 1, CONF_WORKERS_MAX, AT(workers),
	    "Worker processes, each with one database connection: a number (static N is the same); "
	    "auto, four for each processor, because a worker mostly waits for database and disk; or "
	    "dynamic, as many as the load asks for. There are never more than the database has room "
	    "for." },
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
	    "Resident memory at which a worker is replaced between two requests, looked at every 64 "
	    "requests; 0 means never." },
	{ "request_timeout", "15s", TYPE_MS, RELOAD, 100, 10 * MINUTE, AT(request_timeout_ms),
	    "Longest time for reading a request, for answering it and for writing the answer, "
	    "each; a worker that is busy for three times as long is killed." },
	{ "queue_timeout", "10s", TYPE_MS, RELOAD, 0, 10 * MINUTE, AT(queue_timeout_ms),
	    "A request that waited longer for a worker is answered with 503 and not begun; needs the "
	    "REQUEST_START of the sample files, from a front server on this host; 0 means no limit." },
	{ "queue_shed", "80", TYPE_INT, RELOAD, 0, 100, AT(queue_shed),
	    "Percent of the listen queue at which requests are answered with 503 at once, before the "
	    "queue overflows; 0 means never." },
	{ "statement_timeout", "10s", TYPE_MS, RELOAD, 10, 10 * MINUTE, AT(statement_timeout_ms),
	    "Longest time for one statement in the database; longer than lock_timeout, or a wait for a "
	    "lock ends as a timeout." },
	{ "lock_timeout", "5s", TYPE_MS, RELOAD, 10, 10 * MINUTE, AT(lock_timeout_ms),
	    "Longest wait for a lock in the database, and so for the twin of a running request." },
	{ "shutdown_timeout", "25s", TYPE_MS, RELOAD, 100, 10 * MINUTE, AT(shutdown_timeout_ms),
	    "Time that workers have to finish when the service stops; then they are killed." },
	{ "body_max", "2M", TYPE_BYTES, RELOAD, 16 * KIB, 4 * MIB, AT(body_max_bytes),
	    "Largest request body; the front server's limit should be the same." },
	{ "metadata_max", "16K", TYPE_BYTES, RELOAD, 1 * KIB, 64 * KIB, AT(metadata_max_bytes),
	    "Largest metadata object of one customer." },
	{ "auth_cache_ttl", "1s", TYPE_MS, RELOAD, 0, 1 * SECOND, AT(auth_cache_ttl_ms),
	    "How long a worker may trust an API key without asking the database again, and so how "
	    "long a revoked key may go on working; 0 means not at all." },
	{ "idempotency_ttl", "24h", TYPE_MS, RELOAD, 1 * SECOND, 720 * HOUR, AT(idempotency_ttl_ms),
	    "How long the answer to an Idempotency-Key is kept." },
	{ "docs_base_url", "https://docs.example.com", TYPE_URL, RELOAD, 1, 512, AT(docs_base_url),
	    "Where doc_url in error answers points to, without a slash at the end." },
	{ "rate_limit", "off", TYPE_RATE, RELOAD, 1, RATE_MAX, AT(rate_limit),
	    "Requests that each API key may make: 100/s, 1000/m or 5000/h, with burst N for how many of them at "
	    "once (else as many as in the time), or off; clientele key limit sets another one for a key." },
	{ "prepared_statements", "on", TYPE_SWITCH, RELOAD, 0, 1, AT(prepared_statements),
	    "Whether statements are prepared once for each connection; off for a pooler between here and "
	    "PostgreSQL that gives each transaction another connection." },
	{ "pidfile", "", TYPE_TEXT, FIXED, 0, 1024, AT(pidfile),
	    "File for the process id of the supervisor; empty means none." },
	{ "user", "", TYPE_TEXT, FIXED, 0, 64, AT(user),
	    "User to become when started as root; empty means to stay." },
	{ "sandbox", "on", TYPE_SANDBOX, RELOAD, 0, CONF_SANDBOX_LOG, AT(sandbox),
	    "Whether workers give up, once they serve, what of the system they do not need; log lets "
	    "through what on would kill for, and the kernel's log tells of it." },
	{ "log", "stderr", TYPE_TEXT, RELOAD, 1, 1024, AT(log),
	    "Where the log goes: stderr, syslog, syslog:/socket, or the path of a file, which SIGUSR1 opens "
	    "again." },
	{ "log_format", "text", TYPE_FORMAT, RELOAD, 0, LOG_FORMAT__COUNT - 1, AT(log_format),
	    "text or json, one line an event." },
	{ "log_level", "info", TYPE_LEVEL, RELOAD, 0, LOG_LEVEL__COUNT - 1, AT(log_level),
	    "What is logged: error, warn, info or debug." },
	{ "request_log", "on", TYPE_SWITCH, RELOAD, 0, 1, AT(request_log),
	    "Whether each request has a line in the log, at level info." },
	{ "slow_request", "1s", TYPE_MS, RELOAD, 0, 10 * MINUTE, AT(slow_request_ms),
	    "Requests that take longer are logged at level warn, with the statements they ran and whatever "
	    "request_log says; 0 means none is." },
#undef AT
};

struct unit {
	const char *suffix;
	int64_t     factor;
};

/* Largest first: a value is printed in the first unit that divides it. */
static const struct unit byte_units[] = { { "M", MIB }, { "K", KIB }, { "", 1 }, { NULL, 0 } };
static const struct unit ms_units[] = { { "h", HOUR }, { "m", MINUTE }, { "s", SECOND },
	{ "ms", 1 }, { NULL, 0 } };
static const struct unit plain_units[] = { { "", 1 }, { NULL, 0 } };

static const struct key *
key_find(struct str name)
{
	for (size_t i = 0; i < COUNTOF(keys); i++)
		if (str_is(name, keys[i].name))
			return &keys[i];
	return NULL;
}

static char **
text_of(const struct conf *c, const struct key *k)
{
	/* The struct is ours and never const where it is made; only conf_set() writes. */
	return (char **)((uintptr_t)c + k->at);
}

static int64_t *
number_of(const struct conf *c, const struct key *k)
{
	return (int64_t *)((uintptr_t)c + k->at);
}

static const struct unit *
units_of(enum type type)
{
	return type == TYPE_BYTES ? byte_units : type == TYPE_MS ? ms_units : plain_units;
}

static bool
is_text(enum type type)
{
	return type == TYPE_TEXT || type == TYPE_URL;
}

static void
print_rate(int64_t packed, struct buf *out)
{
	const struct rate r = rate_unpack((uint64_t)packed);
	char              text[RATE_TEXT_BYTES];

	buf_str(out, rate_text(&r, text));
}

static void
print_number(const struct key *k, int64_t n, struct buf *out)
{
	const struct unit *u = units_of(k->type);

	if (names_of(k->type))
		buf_fmt(out, "%s", names_of(k->type)[n]);
	else if (k->type == TYPE_RATE)
		print_rate(n, out);
	else if (k->type == TYPE_OCTAL)
		buf_fmt(out, "%04o", (unsigned)n);
	else if (k->type == TYPE_WORKERS && n == CONF_WORKERS_DYNAMIC)
		buf_fmt(out, "dynamic");
	else if ((k->type == TYPE_COUNT || k->type == TYPE_WORKERS) && n == CONF_WORKERS_AUTO)
		buf_fmt(out, "auto");
	else if (n == 0)
		buf_fmt(out, "0");
	else {
		while (n % u->factor != 0)
			u++;
		buf_fmt(out, "%lld%s", (long long)(n / u->factor), u->suffix);
	}
}

static bool
parse_units(const struct key *k, struct str value, int64_t *out)
{
	struct str digits = value;
	struct str suffix;
	int64_t    n;

	while (digits.len && (digits.ptr[digits.len - 1] < '0' || digits.ptr[digits.len - 1] > '9'))
		digits.len--;
	suffix = (struct str) { value.ptr + digits.len, value.len - digits.len };
	if (!str_to_i64(digits, 0, INT64_MAX, &n))
		return false;
	/* A time without a unit is a guess waiting to be wrong; only 0 needs none. */
	for (const struct unit *u = units_of(k->type); u->suffix; u++)
		if (str_is(suffix, u->suffix) || (n == 0 && suffix.len == 0)) {
			if (__builtin_mul_overflow(n, u->factor, &n) || n < k->min || n > k->max)
				return false;
			*out = n;
			return true;
		}
	return false;
}

static bool
parse_number(const struct key *k, struct str value, int64_t *out)
{
	struct rate rate;
	int64_t     n = 0;

	switch (k->type) {
	case TYPE_WORKERS:
	case TYPE_COUNT:
		if (k->type == TYPE_WORKERS && str_is(value, "dynamic")) {
			*out = CONF_WORKERS_DYNAMIC;
			return true;
		}
		if (k->type == TYPE_WORKERS && str_starts(value, STR("static ")))
			value = str_trim((struct str) { value.ptr + 7, value.len - 7 });
		if (str_is(value, "auto")) {
			*out = 0;
			return true;
		}
		return parse_units(k, value, out);
	case TYPE_INT:
	case TYPE_BYTES:
	case TYPE_MS:
		return parse_units(k, value, out);
	case TYPE_OCTAL:
		if (value.len < 3 || value.len > 4)
			return false;
		for (size_t i = 0; i < value.len; i++) {
			if (value.ptr[i] < '0' || value.ptr[i] > '7')
				return false;
			n = n * 8 + (value.ptr[i] - '0');
		}
		if (n > k->max)
			return false;
		*out = n;
		return true;
	case TYPE_LEVEL:
	case TYPE_FORMAT:
	case TYPE_SANDBOX:
	case TYPE_SWITCH:
		while (n <= k->max && !str_is(value, names_of(k->type)[n]))
			n++;
		if (n > k->max)
			return false;
		*out = n;
		return true;
	case TYPE_RATE:
		if (!rate_parse(value, &rate))
			return false;
		*out = (int64_t)rate_pack(&rate);
		return true;
	case TYPE_TEXT:
	case TYPE_URL:
		break;
	}
	return false;
}

static bool
text_fits(const struct key *k, struct str value)
{
	if ((int64_t)value.len < k->min || (int64_t)value.len > k->max || !utf8_valid(value))
		return false;
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.ptr[i] < ' ' || value.ptr[i] == 0x7f)
			return false;
	if (k->type == TYPE_URL)
		return (str_starts(value, STR("https://")) || str_starts(value, STR("http://")))
		    && value.ptr[value.len - 1] != '/';
	return true;
}

/* The beginning of what came from outside, for a message. */
static struct str
clip(struct str s)
{
	return (struct str) { s.ptr, s.len < CLIP_BYTES ? s.len : CLIP_BYTES };
}

/* What the key takes, for the message about what it did not take. */
static void
print_expected(const struct key *k, struct buf *err)
{
	static const char *const what[] = {
		[TYPE_INT] = "a whole number",
		[TYPE_COUNT] = "auto or a whole number",
		[TYPE_WORKERS] = "auto, dynamic or a whole number",
		[TYPE_BYTES] = "a size such as 16K or 2M,",
		[TYPE_MS] = "a time such as 500ms, 5s, 1m or 24h,",
		[TYPE_OCTAL] = "octal permissions such as 0660",
		[TYPE_RATE] = "off or a rate such as 100/s, 1000/m burst 50 or 5000/h, with numbers",
		[TYPE_TEXT] = "plain text",
		[TYPE_URL] = "an http or https URL without a slash at its end",
	};

	for (int64_t i = 0; names_of(k->type) && i <= k->max; i++)
		buf_fmt(err, "%s%s", i == 0 ? "" : i == k->max ? " or " : ", ", names_of(k->type)[i]);
	if (names_of(k->type))
		return;
	buf_fmt(err, "%s", what[k->type]);
	if (k->type == TYPE_OCTAL)
		return;
	if (is_text(k->type)) {
		buf_fmt(err, " of %d to %d bytes", (int)k->min, (int)k->max);
		return;
	}
	if (k->type == TYPE_RATE) {
		buf_fmt(err, " from %d to %d", (int)k->min, (int)k->max);
		return;
	}
	buf_fmt(err, " from ");
	print_number(k, k->min, err);
	buf_fmt(err, " to ");
	print_number(k, k->max, err);
}

static bool
set(struct conf *c, const struct key *k, struct str value, struct buf *err)
{
	char **text = text_of(c, k);

	if (is_text(k->type) && text_fits(k, value)) {
		free(*text);
		*text = must_alloc(value.len + 1);
		memcpy(*text, value.ptr, value.len);
		return true;
	}
	if (!is_text(k->type) && parse_number(k, value, number_of(c, k)))
		return true;
	buf_fmt(err, "%s must be ", k->name);
	print_expected(k, err);
	if (!(k->flags & SECRET))
		buf_fmt(err, ", not \"%.*s\"", STR_ARGS(clip(value)));
	return false;
}

void
conf_init(struct conf *c)
{
	*c = (struct conf) { 0 };
	for (size_t i = 0; i < COUNTOF(keys); i++) {
		struct buf none;
		bool       fits;

		buf_init(&none, 512);
		fits = set(c, &keys[i], str_of(keys[i].dflt), &none);
		buf_fini(&none);
		assert(fits); /* a default that breaks its own row */
	}
}

void
conf_fini(struct conf *c)
{
	for (size_t i = 0; i < COUNTOF(keys); i++)
		if (is_text(keys[i].type))
			free(*text_of(c, &keys[i]));
	*c = (struct conf) { 0 };
}

static bool
set_named(struct conf *c, struct str name, struct str value, struct buf *err)
{
	const struct key *k = key_find(name);

	if (!k) {
		buf_fmt(err, "there is no key \"%.*s\"", STR_ARGS(clip(name)));
		return false;
	}
	return set(c, k, value, err);
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
	*key = key_find((struct str) { name, len });
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
	if (!set(c, k, str_of(value), err))
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
	k = key_find(name);
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
		if (!set(c, &keys[i], str_of(value), err))
			return false;
		err->len = before;
	}
	return true;
}

static bool
same(const struct key *k, const struct conf *a, const struct conf *b)
{
	if (is_text(k->type))
		return strcmp(*text_of(a, k), *text_of(b, k)) == 0;
	return *number_of(a, k) == *number_of(b, k);
}

void
conf_keep_fixed(struct conf *next, const struct conf *running, struct buf *kept)
{
	for (size_t i = 0; i < COUNTOF(keys); i++) {
		const struct key *k = &keys[i];

		if ((k->flags & RELOAD) || same(k, next, running))
			continue;
		buf_fmt(kept, "%s%s", kept->len ? ", " : "", k->name);
		if (is_text(k->type)) {
			free(*text_of(next, k));
			*text_of(next, k) = must_strdup(*text_of(running, k));
		} else
			*number_of(next, k) = *number_of(running, k);
	}
}

void
conf_print(const struct conf *c, struct buf *out)
{
	for (size_t i = 0; i < COUNTOF(keys); i++) {
		const struct key *k = &keys[i];

		buf_fmt(out, "%s = ", k->name);
		if (!is_text(k->type))
			print_number(k, *number_of(c, k), out);
		else if ((k->flags & SECRET) && **text_of(c, k))
			buf_fmt(out, "********");
		else
			buf_fmt(out, "%s", *text_of(c, k));
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
