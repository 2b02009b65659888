/* clientele conf: a front server's file of conf/ with the values of this configuration. */
#include "cli/cmd.h"
#include "cli/front.h"
#include "net/address.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define SHIPPED_SOCKET  "/run/clientele/clientele.sock" /* clientele.socket's, too */
#define SHIPPED_DATADIR "/usr/local/share/clientele"

enum { SPARE_MS = 5000, OUTPUT_MAX_BYTES = 256 * 1024 };

/* Where front servers find Clientele: a path, or host and port. */
struct backend {
	struct str path;
	struct str host; /* a v6 address without its brackets */
	struct str port;
};

struct settings {
	const struct conf *conf;
	struct backend     backend;
};

typedef void print_fn(const struct settings *s, struct buf *out);

/* A text without anything that has a meaning to one of the four servers. */
static bool
is_plain(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!str_is_alnum(s.ptr[i]) && !(s.ptr[i] && strchr("/._-:@+,~", s.ptr[i])))
			return false;
	return true;
}

/* The parts of the key 'listen', which listener_check() has judged. */
static struct backend
backend_of(const char *listen)
{
	static const char *const any[] = { "0.0.0.0", "::", "*" };
	struct backend b = { 0 };
	struct str     host = str_of(listen);

	b.path = host.len ? str_of(address_path(listen)) : STR(SHIPPED_SOCKET);
	if (b.path.ptr)
		return b;
	while (host.len > 0 && host.ptr[host.len - 1] != ':')
		host.len--;
	b.port = str_of(listen + host.len);
	host.len -= host.len > 0; /* the colon */
	if (host.len >= 2 && host.ptr[0] == '[')
		host = (struct str) { host.ptr + 1, host.len - 2 };
	/* It listens on all addresses: the front server of this file is on the same host. */
	for (size_t i = 0; i < COUNTOF(any); i++)
		if (str_is(host, any[i]))
			host = memchr(host.ptr, ':', host.len) ? STR("::1") : STR("127.0.0.1");
	b.host = host;
	return b;
}

static void
print_host_port(const struct backend *b, struct buf *out)
{
	bool v6 = memchr(b->host.ptr, ':', b->host.len) != NULL;

	buf_fmt(out, "%s%.*s%s:%.*s", v6 ? "[" : "", STR_ARGS(b->host), v6 ? "]" : "",
	    STR_ARGS(b->port));
}

static void
print_nginx_backend(const struct settings *s, struct buf *out)
{
	if (s->backend.path.ptr)
		buf_fmt(out, "unix:%.*s", STR_ARGS(s->backend.path));
	else
		print_host_port(&s->backend, out);
}

static void
print_lighttpd_backend(const struct settings *s, struct buf *out)
{
	if (s->backend.path.ptr)
		buf_fmt(out, "\"socket\" => \"%.*s\"", STR_ARGS(s->backend.path));
	else
		buf_fmt(out, "\"host\" => \"%.*s\", \"port\" => %.*s", STR_ARGS(s->backend.host),
		    STR_ARGS(s->backend.port));
}

static void
print_caddy_backend(const struct settings *s, struct buf *out)
{
	if (s->backend.path.ptr)
		buf_fmt(out, "unix/%.*s", STR_ARGS(s->backend.path));
	else
		print_host_port(&s->backend, out);
}

static void
print_apache_backend(const struct settings *s, struct buf *out)
{
	if (s->backend.path.ptr)
		buf_fmt(out, "unix:%.*s|fcgi://clientele", STR_ARGS(s->backend.path));
	else {
		buf_fmt(out, "fcgi://");
		print_host_port(&s->backend, out);
	}
}

/*
 * The front server has read a request before it waits and is handled. By default that is less than
 * the three times request_timeout after which a stuck worker is killed: its client gets an answer
 * first.
 */
static void
print_patience(const struct settings *s, struct buf *out)
{
	int64_t ms = s->conf->queue_timeout_ms + s->conf->request_timeout_ms + SPARE_MS;

	buf_fmt(out, "%lld", (long long)(ms + 999) / 1000);
}

static void
print_datadir(const struct settings *s, struct buf *out)
{
	(void)s;
	buf_fmt(out, "%s", PKGDATADIR);
}

static void
print_public_url(const struct settings *s, struct buf *out)
{
	buf_fmt(out, "%s", s->conf->public_url);
}

/* A place in a shipped file, which the texts around it make the only one, and what is put there. */
struct place {
	struct str before, shipped;
	print_fn  *print;
	struct str after;
};

static const struct place nginx[] = {
	{ STR("server "), STR("unix:" SHIPPED_SOCKET), print_nginx_backend,
	    STR(" max_fails=0;") },
	{ STR("$clientele_public_url { default \""), STR(""), print_public_url, STR("\"; }") },
	{ STR("$clientele_web { default \""), STR(SHIPPED_DATADIR), print_datadir,
	    STR("/web\"; }") },
	{ STR("fastcgi_read_timeout "), STR("30"), print_patience, STR("s;") },
	{ .print = NULL },
};

static const struct place lighttpd[] = {
	{ STR("clientele_backend = ("), STR("\"socket\" => \"" SHIPPED_SOCKET "\""),
	    print_lighttpd_backend, STR(")") },
	{ STR("clientele_errors = \""), STR(SHIPPED_DATADIR), print_datadir, STR("/") },
	{ STR("clientele_web = \""), STR(SHIPPED_DATADIR), print_datadir, STR("/web\"\n") },
	{ STR("\"read-timeout\" => "), STR("30"), print_patience, STR(",") },
	{ .print = NULL },
};

static const struct place caddy[] = {
	{ STR("reverse_proxy "), STR("unix/" SHIPPED_SOCKET), print_caddy_backend, STR(" {") },
	{ STR("clientele_web \""), STR(SHIPPED_DATADIR), print_datadir, STR("/web\"\n") },
	{ STR("read_timeout "), STR("30"), print_patience, STR("s\n") },
	{ STR("vars clientele_public_url \""), STR(""), print_public_url, STR("\"\n") },
	{ .print = NULL },
};

static const struct place apache[] = {
	{ STR("ProxyPass \"/\" \""), STR("unix:" SHIPPED_SOCKET "|fcgi://clientele"),
	    print_apache_backend, STR("/\"") },
	{ STR("connectiontimeout=2 timeout="), STR("30"), print_patience, STR(" ") },
	{ STR("CLIENTELE_WEB \""), STR(SHIPPED_DATADIR), print_datadir, STR("/web\"\n") },
	{ STR("CLIENTELE_PAGES \""), STR(""), print_public_url, STR("/api-reference\"\n") },
	{ .print = NULL },
};

static const struct {
	const struct place *places;
	const char         *where; /* to put it, on Debian */
} servers[FRONT__COUNT] = {
	[FRONT_NGINX] = { nginx, "/etc/nginx/sites-enabled/clientele" },
	[FRONT_LIGHTTPD] = { lighttpd, "/etc/lighttpd/conf-enabled/90-clientele.conf" },
	[FRONT_CADDY] = { caddy, "/etc/caddy/Caddyfile" },
	[FRONT_APACHE] = { apache,
	    "/etc/apache2/sites-enabled/clientele.conf (a2enmod proxy_fcgi headers env alias "
	    "rewrite)" },
};

/* Replaces the place in text, where it must stand exactly once; into is another buffer. */
static void
fit(const struct place *p, const struct settings *s, struct str text, struct buf *into)
{
	struct buf  wanted;
	const char *at;
	size_t      end;

	buf_init(&wanted, 1024);
	buf_fmt(&wanted, "%.*s%.*s%.*s", STR_ARGS(p->before), STR_ARGS(p->shipped),
	    STR_ARGS(p->after));
	at = memmem(text.ptr, text.len, wanted.ptr, wanted.len);
	assert(at != NULL); /* a file in conf/ was changed and the table above was not */
	end = (size_t)(at - text.ptr) + wanted.len;
	assert(memmem(text.ptr + end, text.len - end, wanted.ptr, wanted.len) == NULL);
	buf_add(into, text.ptr, (size_t)(at - text.ptr));
	buf_str(into, p->before);
	p->print(s, into);
	buf_str(into, p->after);
	buf_add(into, text.ptr + end, text.len - end);
	buf_fini(&wanted);
}

static void
print_file(size_t which, const struct settings *s, const char *origin)
{
	struct buf text[2];
	size_t     i = 0;

	for (size_t k = 0; k < COUNTOF(text); k++)
		buf_init(&text[k], OUTPUT_MAX_BYTES);
	buf_str(&text[0], front_files[which].text);
	for (const struct place *p = servers[which].places; p->print; p++, i = !i) {
		buf_reset(&text[!i], OUTPUT_MAX_BYTES);
		fit(p, s, buf_view(&text[i]), &text[!i]);
	}
	printf("# Clientele behind %s, printed by `clientele conf %s` for ",
	    front_files[which].name, front_files[which].name);
	buf_reset(&text[!i], OUTPUT_MAX_BYTES);
	buf_shown(&text[!i], str_of(origin)); /* a line feed would end the comment */
	printf("%.*s. On Debian:\n# %s\n\n%.*s", STR_ARGS(buf_view(&text[!i])),
	    servers[which].where, STR_ARGS(buf_view(&text[i])));
	for (size_t k = 0; k < COUNTOF(text); k++)
		buf_fini(&text[k]);
}

int
cmd_conf(struct cmd_context *ctx, int argc UNUSED, char **argv)
{
	struct settings s = { &ctx->conf, backend_of(ctx->conf.listen) };
	size_t          i = 0;

	while (strcmp(front_files[i].name, argv[1]) != 0)
		i++;
	if (!is_plain(s.backend.path) || !is_plain(s.backend.host) || !is_plain(s.backend.port))
		return cmd_fail(EXIT_CONFIG, "listen: \"%s\" has characters that mean something in "
		    "the web servers' files.", ctx->conf.listen);
	print_file(i, &s, ctx->config_path);
	return 0;
}
