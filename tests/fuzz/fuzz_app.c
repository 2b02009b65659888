/*
 * Any request gets an answer that is JSON, a page of text or one of HTML, whatever the database does; and with a healthy one never a 5xx.
 *
 *	METHOD URI
 *	header: value        any of those in http/request.h, also repeated; x-api-key is a valid one unless it stands here
 *	may: JSON            what the key may do; from: JSON, from where; address: where the client is
 *	db: bytes            how the database behaves (fake_db.h)
 *
 *	body
 */
#include "app/app.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "fake_db.h"
#include "fuzz.h"
#include "json/jread.h"

static struct {
	struct app        *app;
	struct buckets    *buckets;
	struct stats_slot  stats;
	struct arena       arena;
	struct response    res;
	struct conf        conf;
} fuzzed;

static void
begin(void)
{
	static char docs[] = "https://docs.test", origins[] = "https://app.example";

	log_nowhere();
	arena_init(&fuzzed.arena);
	response_init(&fuzzed.res);
	fuzzed.buckets = buckets_new();
	fuzzed.conf = (struct conf) {
		.public_url = docs,
		.cors_origins = origins,
		.statement_timeout_ms = 1000,
		.lock_timeout_ms = 1000,
		.request_timeout_ms = 1000,
		.auth_cache_ttl_ms = 0, /* each input alone decides what becomes of it */
		.idempotency_ttl_ms = 1000,
		.metadata_max_bytes = 16 * 1024,
	};
	fuzzed.app = app_new(&fuzzed.conf, &fuzzed.stats, fuzzed.buckets);
}

/* The text up to the end of the line; *s moves behind it. */
static struct str
line(struct str *s)
{
	return str_cut(s, '\n');
}

/* Fills the request, and what its key is restricted to; returns the script of the database. */
static struct str
parse(struct str text, struct request *req, struct str *may, struct str *from)
{
	struct str first = line(&text), script = STR(""), l;

	req->method = method_find(str_cut(&first, ' '));
	req->uri = first.ptr ? first : STR("");
	while ((l = line(&text)).len) {
		struct str name = str_cut(&l, ':');

		l = str_trim(l.ptr ? l : STR(""));
		if (str_is(name, "db"))
			script = l;
		for (enum header h = 0; h < HEADER__COUNT; h++)
			if (str_eq_nocase(name, str_of(header_names[h])) && req->header_count[h]++ == 0)
				req->header[h] = arena_str(req->arena, l);
		if (str_is(name, "address"))
			req->address = arena_str(req->arena, l);
		if (str_is(name, "may"))
			*may = arena_str(req->arena, l);
		if (str_is(name, "from"))
			*from = arena_str(req->arena, l);
		if (str_is(name, "too-large"))
			req->body_too_large = true;
	}
	req->body = text.ptr && !req->body_too_large ? text : STR("");
	if (!req->header_count[HEADER_API_KEY]) {
		req->header[HEADER_API_KEY] = STR("ck_live_0123456789abcdefghijABCDEFGHIJ0123456789");
		req->header_count[HEADER_API_KEY] = 1;
	}
	return script;
}

static bool
is_one_line(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ' || (unsigned char)s.ptr[i] > '~')
			return false;
	return true;
}

static void
judge(const struct request *req, const struct response *res, const struct facts *facts, struct fake_db_seen seen)
{
	static const struct jlimits limits = { 64, 2000000 };
	static const char *const    texts[] = { "code", "message" };
	struct jread_error          why;
	struct jdoc                 doc;

	CHECK(res->status >= 200 && res->status <= 503 && res->status == err_info(facts->error)->status + (res->status == 201) + (res->status == 303) * 103);
	CHECK(res->status < 500 || seen.odd);
	CHECK(res->head_only == (req->method == METHOD_HEAD));
	for (size_t i = 0; i < res->headers; i++)
		CHECK(is_one_line(str_of(res->header[i].name)) && is_one_line(res->header[i].value));
	CHECK(response_find_header(res, "X-Request-Id").len > 0);
	if (res->kind != RESPONSE_JSON) {
		CHECK((res->status == 200 || res->kind == RESPONSE_HTML) && res->body.len > 0 && utf8_valid(buf_view(&res->body)));
		return;
	}
	CHECK(jread_parse(req->arena, buf_view(&res->body), &limits, &doc, &why));
	if (res->status < 400)
		return;
	/* The envelope that every generation of clients can read. */
	const struct jnode *error = jread_member(&doc, doc.nodes, STR("error"));
	const struct jnode *success = jread_member(&doc, doc.nodes, STR("success"));

	CHECK(error && error->type == JTYPE_OBJECT && success && success->type == JTYPE_BOOL && !success->truth);
	for (size_t i = 0; i < COUNTOF(texts); i++) {
		const struct jnode *n = jread_member(&doc, doc.nodes, str_of(texts[i]));

		CHECK(n && n->type == JTYPE_STRING && n->len > 2 && jread_member(&doc, error, str_of(texts[i])));
	}
	/* What is refused as malformed or for want of a key has not come near a tenant's rows. */
	if (res->status == 400 || res->status == 401 || res->status == 403 || res->status == 405 || res->status == 413)
		CHECK(seen.writes == 0 || seen.odd);
	if (res->status == 401)
		CHECK(seen.runs <= 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request      req = { .queue_us = -1 };
	struct facts        facts;
	struct fake_db_seen seen;
	struct str          script, may = STR_NONE, from = STR_NONE;

	if (!fuzzed.app)
		begin();
	arena_reset(&fuzzed.arena);
	response_reset(&fuzzed.res);
	req.arena = &fuzzed.arena;
	script = parse((struct str) { size ? (const char *)data : "", size }, &req, &may, &from);
	fake_db_begin(&fuzzed.arena, script);
	fake_db_restrict(may, from);
	app_handle(fuzzed.app, db_share(app_db(fuzzed.app), req.arena), &req, &fuzzed.res, &facts);
	seen = fake_db_end();
	judge(&req, &fuzzed.res, &facts, seen);
	app_after(fuzzed.app);
	if (seen.rated) {
		/* The next input must not find what this one left of the key's tokens. */
		app_free(fuzzed.app);
		buckets_free(fuzzed.buckets);
		fuzzed.buckets = buckets_new();
		fuzzed.app = app_new(&fuzzed.conf, &fuzzed.stats, fuzzed.buckets);
	}
	return 0;
}
