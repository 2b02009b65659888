/* The whole API in one process against a real database: what the tests share. */
#include "app_test.h"
#include "auth/api_key.h"
#include "base/log.h"
#include "call/resource.h"
#include "json/jread.h"

#include <unistd.h>

struct app     *test_app;
struct buckets *test_buckets;
struct db      *test_owner, *test_serve;
struct arena    test_arena, test_kept;
struct response test_response;
struct facts    test_facts;
struct conf     test_conf;
struct id       test_environment[TENANTS];
const char     *test_key[TENANTS];

static void
run(struct tx *tx)
{
	if (tx_run(tx) != DB_OK) {
		fprintf(stderr, "%s\n", tx->log);
		exit(99);
	}
}

static void
make_key(enum tenant_name who)
{
	struct api_key key;
	struct id      id = id_new();
	struct tx      tx;
	struct bind   *b;

	api_key_make(false, who != ACME_SANDBOX, &key);
	test_key[who] = arena_str(&test_kept, str_of(key.text)).ptr;
	tx_init(&tx, test_owner, &test_kept);
	bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &test_environment[who]);
	b = tx_step(&tx, SQL_API_KEY_CREATE);
	bind_id(b, &test_environment[who]);
	bind_id(b, &id);
	bind_text(b, (struct str) { (char *)key.hash, SHA256_BYTES });
	bind_text(b, STR("test"));
	bind_text(b, str_of(key.prefix));
	bind_time(b, clock_wall_ms());
	for (int i = 0; i < 4; i++)
		bind_null(b); /* no end, no limit of its own or of a family, made by no key */
	bind_i64(b, 1000);
	bind_null(b); /* everything, from anywhere */
	bind_null(b);
	run(&tx);
}

static void
make_organization(struct id *live, struct id *sandbox)
{
	struct id    id = id_new();
	struct tx    tx;
	struct bind *b;

	*live = id_new();
	*sandbox = id_new();
	tx_init(&tx, test_owner, &test_kept);
	b = tx_step(&tx, SQL_ORG_CREATE);
	bind_id(b, &id);
	bind_text(b, str_of(fresh("org")));
	bind_id(b, live);
	bind_id(b, sandbox);
	run(&tx);
}

static void
set(const char *key, const char *value)
{
	struct buf err;

	buf_init(&err, 512);
	if (!conf_set(&test_conf, key, value, &err)) {
		fprintf(stderr, "%.*s\n", STR_ARGS(buf_view(&err)));
		exit(99);
	}
	buf_fini(&err);
}

static const char *
address(const char *variable)
{
	const char *value = getenv(variable);

	if (!value) {
		printf("1..0 # SKIP no database: scripts/check app provides one\n");
		exit(0); /* TAP reports the skip */
	}
	return value;
}

/* As the defaults are, but for shorter waits. */
static void
configure(void)
{
	conf_init(&test_conf);
	conf_allow_owner(&test_conf);
	set("database_url", address("CLIENTELE_TEST_SERVE_URL"));
	set("database_owner_url", address("CLIENTELE_TEST_OWNER_URL"));
	set("public_url", "https://docs.test");
	set("statement_timeout", "5s");
	set("lock_timeout", "1s");
	set("request_timeout", "8s");
	set("auth_cache_ttl", "300ms");
	set("imports_open", "100");
}

void
app_test_begin(void)
{
	static struct stats_slot stats;
	struct id                unused;

	configure();
	arena_init(&test_arena);
	arena_init(&test_kept);
	response_init(&test_response);
	log_init("test", LOG_LEVEL_ERROR);
	test_owner = db_new(&test_conf, DB_OWNER);
	test_serve = db_new(&test_conf, DB_SERVE);
	make_organization(&test_environment[ACME_LIVE], &test_environment[ACME_SANDBOX]);
	make_organization(&test_environment[OTHER_LIVE], &unused);
	for (enum tenant_name who = 0; who < TENANTS; who++)
		make_key(who);
	test_buckets = buckets_new();
	test_app = app_new(&test_conf, &stats, test_buckets);
	if (app_check(test_app) != DB_CONDITION_FIT)
		exit(99);
}

void
app_test_end(void)
{
	app_free(test_app);
	buckets_free(test_buckets);
	db_free(test_owner);
	db_free(test_serve);
	conf_fini(&test_conf);
	response_fini(&test_response);
	arena_fini(&test_arena);
	arena_fini(&test_kept);
}

int
send_request(const struct sent *s)
{
	struct request req = { .arena = &test_arena };
	struct {
		enum header header;
		const char *value;
	} headers[] = {
		{ HEADER_API_KEY, s->cookie || s->csrf ? NULL : s->key ? s->key : test_key[s->who] },
		{ HEADER_VERSION, s->version },
		{ HEADER_IDEMPOTENCY_KEY, s->idem },
		{ HEADER_REQUEST_ID, s->request_id },
		{ HEADER_PREFER, s->prefer },
		{ HEADER_AUTHORIZATION, s->authorization },
		{ HEADER_TRACEPARENT, s->trace },
		{ HEADER_COOKIE, s->cookie },
		{ HEADER_CSRF, s->csrf },
		{ HEADER_IF_MATCH, s->match },
	};

	arena_reset(&test_arena);
	response_reset(&test_response);
	req.method = method_find(str_of(s->method));
	req.uri = str_of(s->uri);
	req.refused = s->refused;
	req.address = str_of(s->address);
	req.user = str_of(s->user);
	req.body_too_large = s->too_large;
	req.peer = s->peer;
	req.body = s->body ? str_of(s->body) : STR("");
	for (size_t i = 0; i < COUNTOF(headers); i++) {
		req.header[headers[i].header] = str_of(headers[i].value);
		req.header_count[headers[i].header] = s->often[headers[i].header] ? s->often[headers[i].header]
		    : headers[i].value != NULL;
	}
	app_handle(test_app, db_share(app_db(test_app), req.arena), &req, &test_response, &test_facts);
	return test_response.status;
}

struct str
body(void)
{
	return buf_view(&test_response.body);
}

struct str
kept(struct str s)
{
	return arena_str(&test_kept, s);
}

struct str
at(const char *path)
{
	static const struct jlimits limits = { 64, 200000 };
	struct str         rest = str_of(path);
	struct jread_error why;
	struct jdoc        doc;
	const struct jnode *n;

	if (!jread_parse(&test_arena, body(), &limits, &doc, &why)) {
		fail_msg("the answer is no JSON at %zu (%s): %.*s", why.offset, why.what, STR_ARGS(body()));
		return STR_NONE;
	}
	n = doc.nodes;
	while (n && rest.ptr && path[0]) {
		struct str step = str_cut(&rest, '.');
		int64_t    i;

		if (n->type == JTYPE_ARRAY && str_to_i64(step, 0, 1000000, &i)) {
			for (n = jread_first(&doc, n); n && i > 0; i--)
				n = jread_next(&doc, n);
		} else {
			n = n->type == JTYPE_OBJECT ? jread_member(&doc, n, step) : NULL;
		}
	}
	return n ? jread_raw(&doc, n) : STR_NONE;
}

bool
at_is(const char *path, const char *json)
{
	struct str found = at(path);

	if (str_is(found, json))
		return true;
	print_message("%s is %.*s and not %s in %.*s\n", path, STR_ARGS(found), json, STR_ARGS(body()));
	return false;
}

int64_t
count_customers(enum tenant_name who)
{
	struct id    last;
	struct tx    tx;
	struct bind *b;
	int64_t      n;

	memset(last.b, 0xFF, ID_BYTES);
	tx_init(&tx, test_owner, &test_kept);
	bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &test_environment[who]);
	b = tx_step(&tx, SQL_CUSTOMER_LIST);
	bind_id(b, &test_environment[who]);
	bind_id(b, &last);
	bind_i64(b, 1000000);
	if (tx_run(&tx) != DB_OK)
		fail_msg("%s", tx.log);
	n = (int64_t)tx_rows(&tx, 1);
	return n;
}

static FILE *kept_log;
static int   shown_log;

void
log_keep(void)
{
	kept_log = tmpfile();
	shown_log = dup(STDERR_FILENO);
	dup2(fileno(kept_log), STDERR_FILENO);
	log_init("test", LOG_LEVEL_INFO);
}

unsigned
log_count(const char *text)
{
	char     line[4096];
	unsigned found = 0;

	log_init("test", LOG_LEVEL_ERROR);
	dup2(shown_log, STDERR_FILENO);
	close(shown_log);
	rewind(kept_log);
	while (fgets(line, sizeof(line), kept_log))
		found += strstr(line, text) != NULL;
	fclose(kept_log);
	return found;
}

const char *
fresh(const char *prefix)
{
	char text[64];

	id_random_text(str_of(prefix), 16, text, sizeof(text));
	return arena_str(&test_kept, str_of(text)).ptr;
}

const char *
test_path_of(const struct route *route)
{
	struct str rest = str_of(route->pattern);
	const char *path = "/api/v1";

	while (rest.ptr) {
		struct str part = str_cut(&rest, '/');

		path = arena_fmt(&test_kept, "%s/%.*s", path, STR_ARGS(part.ptr[0] == '{' ? STR("x") : part)).ptr;
	}
	return path;
}
