/* The API key calls (contract section 7), and the resource's descriptor. */
#include "auth/api_key.h"
#include "base/clock.h"
#include "call/stored.h"

enum { MS_PER_DAY = 24 * 3600 * 1000 };

struct shown_key {
	struct id  id;
	struct str name, prefix;
	struct str secret; /* the key itself, shown only when it is created */
	int64_t    created_ms, expires_ms, last_used_ms; /* 0: never */
	bool       deleted;
	int64_t    days;   /* from the request */
	unsigned   given;  /* by the request: a bit for each member */
};

enum { MEMBER_NAME, MEMBER_DAYS };

/* Where a field is shown. */
enum { LISTED = 1, CREATED = 2, DELETED = 4 };

#define FIELD_STRUCT struct shown_key

static const struct field_in fields_in[] = {
	{ "name", FIELD_IN(NAME, name), FIELD_NAME, FIELD_NOT_EMPTY | FIELD_REQUIRED,
	    API_KEY_NAME_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "expiresInDays", FIELD_IN(DAYS, days), FIELD_INT, 0,
	    API_KEY_DAYS_MAX, V_FIRST, V_ENDLESS, NULL },
};

static const struct field_out fields_out[] = {
	{ FIELD_OUT("id", ID, id), LISTED | CREATED | DELETED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("object", OBJECT), LISTED | CREATED | DELETED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("livemode", LIVEMODE), LISTED | CREATED | DELETED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("name", TEXT, name), LISTED | CREATED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("apiKey", TEXT, secret), CREATED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("prefix", TEXT, prefix), LISTED | CREATED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("expiresAt", TIME, expires_ms), LISTED | CREATED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("lastUsedAt", TIME, last_used_ms), LISTED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("createdAt", TIME, created_ms), LISTED | CREATED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("deleted", BOOL, deleted), DELETED, V_FIRST, V_ENDLESS, NULL },
};

static const struct member columns[] = {
	[COL_API_KEY_ID] = FIELD_KEPT(UUID, id),
	[COL_API_KEY_NAME] = FIELD_KEPT(TEXT, name),
	[COL_API_KEY_PREFIX] = FIELD_KEPT(TEXT, prefix),
	[COL_API_KEY_CREATED_AT] = FIELD_KEPT(TIME, created_ms),
	[COL_API_KEY_EXPIRES_AT] = FIELD_KEPT(TIME, expires_ms),
	[COL_API_KEY_LAST_USED_AT] = FIELD_KEPT(TIME, last_used_ms),
};

_Static_assert(COUNTOF(columns) == COL_API_KEY__COUNT, "a column without a member");

static const struct fields fields = {
	.object = "api_key",
	.prefix = API_KEY_ID_PREFIX,
	.missing = ERR_API_KEY_NOT_FOUND,
	.missing_message = "There is no API key with this id.",
	.unknown = "is not supported: an API key has all rights in its environment",
	FIELD_TABLES,
};

static enum err
list(struct call *c)
{
	return stored_list(c, &fields, SQL_API_KEY_LIST, LISTED);
}

/* Steps of create(). */
enum { STEP_TURN, STEP_CREATE };

static enum err
get(struct call *c)
{
	struct tx tx;

	bind_id(call_read(c, &tx, SQL_API_KEY_GET), stored_id(c, &fields, 0));
	return stored_get(c, &fields, &tx, LISTED);
}

static enum err
reply_created(struct write *w, void *what)
{
	field_location(w->call, &fields, what);
	return field_reply(w->call, 201, &fields, what, CREATED);
}

static enum err
reply_outcome(struct write *w, void *what)
{
	struct call *c = w->call;
	struct row   row = write_row(w, STEP_CREATE, 0);

	if (row_bool(&row, COL_API_KEY_CREATE_MADE))
		return reply_created(w, what);
	if (row_i64(&row, COL_API_KEY_CREATE_LIVE) >= c->conf->keys_max)
		return call_fail(c, ERR_CONFLICT, NULL, arena_fmt(c->arena,
		    "This environment has %lld API keys, as many as it may have. "
		    "Delete one that is not needed.", (long long)c->conf->keys_max).ptr);
	return call_fail(c, ERR_CONFLICT, NULL,
	    "The API key of this call has just been given another end. Nothing was done.");
}

/*
 * A key must not outlive the one that makes it. Days that were asked for are refused when they are
 * too many; those that were not end earlier, as the answer says.
 */
static enum err
end_with_maker(struct call *c, struct shown_key *made)
{
	int64_t end_ms = c->tenant.expires_ms, days;

	made->expires_ms = made->created_ms + made->days * MS_PER_DAY;
	if (end_ms == 0 || made->expires_ms <= end_ms)
		return ERR_OK;
	days = (end_ms - made->created_ms) / MS_PER_DAY;
	if (!(made->given & 1U << MEMBER_DAYS))
		made->expires_ms = end_ms;
	else
		call_field(c, "expiresInDays", days < 1
		    ? "must be left out: the API key of this call ends within a day"
		    : arena_fmt(c->arena, "must be at most %lld: the API key of this call ends "
			  "then", (long long)days).ptr);
	return call_fields_done(c);
}

static enum err
create(struct call *c)
{
	static const struct answers answers = { .expect = reply_created, .make = reply_outcome };
	struct shown_key *made = ARENA_NEW(c->arena, struct shown_key, 1);
	struct api_key   *key = ARENA_NEW(c->arena, struct api_key, 1);
	char             *rate = ARENA_NEW(c->arena, char, RATE_TEXT_BYTES);
	struct write      w;
	struct bind      *b;
	enum err          e;

	made->days = API_KEY_DAYS_DEFAULT;
	if ((e = field_read_body(c, &fields, FIELD_CREATE, made)) != ERR_OK)
		return e;
	api_key_make(c->tenant.livemode, key);
	made->id = id_new();
	made->secret = str_of(key->text);
	made->prefix = str_of(key->prefix);
	made->created_ms = clock_wall_ms();
	if ((e = end_with_maker(c, made)) != ERR_OK)
		return e;
	write_begin(&w, c);
	(void)write_step(&w, SQL_API_KEY_TURN);
	b = write_step(&w, SQL_API_KEY_CREATE);
	bind_id(b, &made->id);
	bind_text(b, (struct str) { (const char *)key->hash, SHA256_BYTES });
	bind_text(b, made->name);
	bind_text(b, made->prefix);
	bind_time(b, made->created_ms);
	bind_time(b, made->expires_ms);
	/* The caller's own limit, shared: otherwise it could make itself more than it has. */
	bind_text(b, c->tenant.own_rate ? rate_text(&c->tenant.rate, rate) : STR_NONE);
	/* A session has no key. */
	bind_id(b, id_is_nil(&c->tenant.family) ? NULL : &c->tenant.family);
	bind_id(b, id_is_nil(&c->tenant.key) ? NULL : &c->tenant.key);
	bind_i64(b, c->conf->keys_max);
	return write_run(&w, &answers, made);
}

static enum err
reply_deleted(struct write *w, void *what)
{
	if (write_rows(w, 0) == 0)
		return stored_missing(w->call, &fields);
	return field_reply(w->call, 200, &fields, what, DELETED);
}

static enum err
delete(struct call *c)
{
	static const struct answers answers = { .make = reply_deleted };
	struct shown_key *key = ARENA_NEW(c->arena, struct shown_key, 1);
	struct write      w;

	if (!id_parse(API_KEY_ID_PREFIX, c->param[0], &key->id))
		return stored_missing(c, &fields);
	if (id_eq(&key->id, &c->tenant.key))
		return call_fail(c, ERR_CONFLICT, "id", "An API key cannot delete itself.");
	key->deleted = true;
	write_begin(&w, c);
	bind_id(write_step(&w, SQL_API_KEY_REVOKE), &key->id);
	return write_run(&w, &answers, key);
}

/* ---- the descriptor ---- */

static const struct route routes[] = {
	{ METHOD_GET,    "api-keys",      ROUTE_LIST,                  V_2026_05_25, list },
	{ METHOD_POST,   "api-keys",      ROUTE_WRITES | ROUTE_SECRET, V_2026_05_25, create },
	{ METHOD_GET,    "api-keys/{id}", 0,                           V_2026_05_25, get },
	{ METHOD_DELETE, "api-keys/{id}", 0,                           V_2026_05_25, delete },
};

extern const struct resource api_key_resource;
const struct resource api_key_resource = {
	.name = "api_key",
	.routes = routes,
	.routes_count = COUNTOF(routes),
};
