/* Idempotency keys: the record of a key. */
#include "call/idem.h"
#include "base/limits.h"
#include "base/seal.h"
#include "call/reply.h"
#include "json/jcanon.h"

/* Steps of idem_enter(). */
enum { LOOK_STEP = 1 };

static const char header_name[] = "Idempotency-Key";

/* What decides, beside the body, what is done and how it is answered. */
static struct str
manner(struct call *c)
{
	struct str each = c->prefer & PREFER_EACH ? STR("return=each") : STR("");
	struct str query = c->req->uri, match = c->req->header[HEADER_IF_MATCH];

	str_cut(&query, '?');
	if (c->route->flags & (ROUTE_OPTIONS | ROUTE_RULES) && query.len)
		each = arena_fmt(c->arena, "%.*s?%.*s", STR_ARGS(each), STR_ARGS(query));
	if (!c->match && !c->merges)
		return each; /* as in records that are older than the others */
	return arena_fmt(c->arena, "%.*s\n%s\n%.*s", STR_ARGS(each), c->merges ? "merge" : "",
	    STR_ARGS(c->match && match.ptr ? match : STR("")));
}

/*
 * Hashes what a repeated request must have in common with the first one, but for the version, which
 * is_same_version() compares.
 */
static void
hash_request(struct call *c)
{
	struct str       path = c->req->uri;
	const struct str parts[] = {
		str_of(method_names[c->req->method]),
		str_cut(&path, '?'),
		/* Another key of the environment could not open the answer: it gets a mismatch. */
		c->route->flags & ROUTE_SECRET ? c->api_key : STR(""),
		c->body.valid ? jcanon_text(c->arena, &c->body.doc) : c->req->body,
		manner(c),
	};

	hash_parts(parts, COUNTOF(parts), c->idem.hash);
}

/* The number of the key's lock: part of a hash, so that two keys collide only by chance. */
static int64_t
lock_number(const struct call *c, struct str key)
{
	const struct str parts[] = {
		{ (const char *)c->tenant.environment.b, ID_BYTES },
		key,
	};
	unsigned char hash[HASH_BYTES];
	int64_t       number;

	hash_parts(parts, COUNTOF(parts), hash);
	memcpy(&number, hash, sizeof(number));
	return number;
}

enum err
idem_begin(struct call *c)
{
	struct str key = c->req->header[HEADER_IDEMPOTENCY_KEY];

	if (!key.ptr)
		return ERR_OK;
	key = str_trim(key);
	/* A string of a structured header: quoted, it is the same key as without quotes. */
	if (key.len >= 2 && key.ptr[0] == '"' && key.ptr[key.len - 1] == '"') {
		key.ptr++;
		key.len -= 2;
	}
	if (key.len == 0 || key.len > IDEMPOTENCY_KEY_MAX_BYTES)
		return call_fail(c, ERR_VALIDATION, header_name,
		    "Idempotency-Key must have 1 to 255 characters.");
	for (size_t i = 0; i < key.len; i++)
		if (key.ptr[i] < 0x20 || key.ptr[i] > 0x7E)
			return call_fail(c, ERR_VALIDATION, header_name,
			    "Idempotency-Key must be printable ASCII.");
	hash_request(c);
	c->idem.key = key;
	c->idem.lock = lock_number(c, key);
	c->idem.maker = id_new();
	return ERR_OK;
}

void
idem_enter(struct call *c, struct tx *tx)
{
	struct bind *b;

	if (!c->idem.key.ptr) {
		b = tx_step(tx, SQL_ENVIRONMENT_ENTER_AS);
		bind_id(b, &c->tenant.environment);
		bind_text(b, call_source(c));
		return;
	}
	b = tx_step(tx, SQL_ENVIRONMENT_ENTER_ALONE);
	bind_id(b, &c->tenant.environment);
	bind_i64(b, c->idem.lock);
	bind_text(b, call_source(c));
	b = tx_step(tx, SQL_IDEMPOTENCY_LOOK);
	bind_id(b, &c->tenant.environment);
	bind_text(b, c->idem.key);
	bind_i64(b, c->conf->idempotency_ttl_ms);
}

bool
idem_found(struct call *c, const struct tx *tx)
{
	struct row row;

	if (!c->idem.key.ptr)
		return false;
	c->idem.looked = true;
	recent_add(c->recent, c->idem.lock);
	row = tx_row(tx, LOOK_STEP, 0);
	return row_bool(&row, COL_IDEMPOTENCY_LOOK_FOUND);
}

/* "Name: value" and a line feed for each header that the handler has added. */
static struct str
print_headers(struct call *c)
{
	size_t size = 0;
	char  *text, *end;

	for (size_t i = c->headers; i < c->res->headers; i++) {
		size += strlen(c->res->header[i].name) + strlen(": ");
		size += c->res->header[i].value.len + strlen("\n");
	}
	text = end = ARENA_NEW(c->arena, char, size + 1);
	for (size_t i = c->headers; i < c->res->headers; i++) {
		end = str_put(end, str_of(c->res->header[i].name));
		end = str_put(end, STR(": "));
		end = str_put(end, c->res->header[i].value);
		end = str_put(end, STR("\n"));
	}
	return (struct str) { text, size };
}

static void
restore_headers(struct call *c, struct str text)
{
	text = arena_str(c->arena, text);
	while (text.len) {
		struct str line = str_cut(&text, '\n'), name = str_cut(&line, ':');

		response_header(c->res, arena_str(c->arena, name).ptr, str_trim(line));
	}
}

static void
bind_about(struct bind *b, struct call *c)
{
	size_t      count = c->idem.about_count;
	struct str *cells = ARENA_NEW(c->arena, struct str, count + 1);

	for (size_t i = 0; i < count; i++)
		cells[i] = (struct str) { (const char *)c->idem.about[i].b, ID_BYTES };
	bind_id(b, count == 1 ? c->idem.about : NULL);
	if (count > 1)
		bind_array(b, BIND_UUID, cells, count);
	else
		bind_null(b);
}

void
idem_keep(struct call *c, struct tx *tx, bool expected)
{
	struct bind *b = tx_step(tx, SQL_IDEMPOTENCY_PUT);
	bool         sealed = c->route->flags & ROUTE_SECRET;
	struct str   answer = buf_view(&c->res->body);

	if (sealed)
		answer = seal_close(c->arena, c->api_key, &c->idem.maker, answer);
	bind_id(b, &c->tenant.environment);
	bind_text(b, c->idem.key);
	bind_text(b, (struct str) { (const char *)c->idem.hash, HASH_BYTES });
	bind_id(b, &c->idem.maker);
	bind_text(b, str_of(version_info(c->version)->name));
	bind_text(b, c->req->header[HEADER_VERSION]);
	bind_i64(b, c->res->status);
	bind_text(b, print_headers(c));
	bind_text(b, answer);
	bind_bool(b, sealed);
	bind_bool(b, expected);
	bind_about(b, c);
}

/*
 * Whether both requests have the same version header, or none, or both mean the same version. So
 * a client that names no version gets its answer again even after its pin has moved or a new
 * version has become the current one.
 */
static bool
is_same_version(const struct call *c, const struct row *row)
{
	struct str asked = row_text(row, COL_IDEMPOTENCY_LOOK_ASKED);
	struct str used = row_text(row, COL_IDEMPOTENCY_LOOK_VERSION);
	struct str asked_now = c->req->header[HEADER_VERSION];

	return (!asked.ptr == !asked_now.ptr && str_eq(asked, asked_now))
	    || str_is(used, version_info(c->version)->name);
}

/* The error in a stored answer, for the log. */
static enum err
stored_error(struct call *c, struct str answer)
{
	static const struct jlimits limits = { JSON_DEPTH_MAX, JSON_VALUES_MAX };
	struct jread_error          why;
	struct jdoc                 doc;
	const struct jnode         *n;
	enum err                    e = ERR_CONFLICT;

	if (jread_parse(c->arena, answer, &limits, &doc, &why)
	    && (n = jread_member(&doc, doc.nodes, STR("code"))) && n->type == JTYPE_STRING)
		e = err_find(jread_string(c->arena, &doc, n), e);
	return e;
}

enum err
idem_replay(struct call *c, const struct tx *tx)
{
	struct row row = tx_row(tx, LOOK_STEP, 0);
	struct str hash = row_text(&row, COL_IDEMPOTENCY_LOOK_REQUEST_HASH);
	struct str answer = row_text(&row, COL_IDEMPOTENCY_LOOK_ANSWER);
	struct id  maker = row_id(&row, COL_IDEMPOTENCY_LOOK_MAKER);

	reply_forget(c); /* the answer made beforehand, or by a run whose outcome was lost */
	if (row_i64(&row, COL_IDEMPOTENCY_LOOK_STATUS) == 0)
		return call_fail(c, ERR_IDEM_ERASED, header_name,
		    "What this request was answered with has been erased. Nothing was done.");
	if (hash.len != HASH_BYTES || memcmp(hash.ptr, c->idem.hash, HASH_BYTES) != 0
	    || !is_same_version(c, &row))
		return call_fail(c, ERR_IDEM_MISMATCH, header_name,
		    "This idempotency key was used for a different request.");
	if (row_bool(&row, COL_IDEMPOTENCY_LOOK_SEALED)
	    && !seal_open(c->arena, c->api_key, &maker, answer, &answer))
		return call_fail(c, ERR_IDEM_UNAVAILABLE, header_name,
		    "The idempotency record cannot be read. Nothing was done; try again.");
	c->res->status = (int)row_i64(&row, COL_IDEMPOTENCY_LOOK_STATUS);
	restore_headers(c, row_text(&row, COL_IDEMPOTENCY_LOOK_HEADERS));
	buf_str(&c->res->body, answer);
	c->rendered = true;
	/*
	 * If this very call wrote the record, before the connection was lost, then it is the
	 * first answer, not a replay.
	 */
	if (!id_eq(&maker, &c->idem.maker)) {
		response_header(c->res, "Idempotent-Replayed", STR("true"));
		c->facts->replayed = true;
	}
	return c->res->status < 400 ? ERR_OK : stored_error(c, answer);
}

/*
 * A transaction that only looks for the record. If there is one, sets *found and returns what
 * idem_replay() does.
 */
static enum err
look(struct call *c, bool *found)
{
	struct tx      tx;
	enum db_status status;

	tx_init(&tx, c->db, c->arena);
	tx.reads = true;
	idem_enter(c, &tx);
	if ((status = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, status);
	*found = idem_found(c, &tx);
	return *found ? idem_replay(c, &tx) : ERR_OK;
}

bool
idem_is_repeated(struct call *c, enum err *e)
{
	bool found = false;

	if (!c->idem.key.ptr || c->req->body_too_large || !recent_has(c->recent, c->idem.lock))
		return false;
	*e = look(c, &found);
	/* The write looks again: one with the same key may have begun just now. */
	c->idem.looked = false;
	return found || *e != ERR_OK;
}

enum err
idem_recall(struct call *c, enum err e)
{
	struct problem refusal = c->problem;
	bool           found = false;
	enum err       looked;

	if (!c->idem.key.ptr || c->idem.looked || c->req->body_too_large)
		return e;
	c->problem = (struct problem) { 0 };
	if ((looked = look(c, &found)) != ERR_OK || found)
		return looked;
	c->problem = refusal;
	return e;
}
