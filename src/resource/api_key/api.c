/* The API key calls (contract section 7), and the resource's descriptor. */
#include "auth/api_key.h"
#include "auth/origin.h"
#include "auth/permit.h"
#include "base/clock.h"
#include "call/stored.h"

enum { MS_PER_HOUR = 3600 * 1000, MS_PER_DAY = 24 * MS_PER_HOUR };

struct shown_key {
	struct id  id;
	struct str name, prefix;
	struct str secret; /* the key itself, shown only when it is created */
	struct str permissions, addresses; /* JSON; absent: all, and from anywhere */
	int64_t    created_ms, expires_ms, last_used_ms; /* 0: never */
	bool       deleted;
	int64_t    days, grace_hours; /* from the request */
	unsigned   given;  /* by the request: a bit for each member */
};

enum { MEMBER_NAME, MEMBER_DAYS, MEMBER_PERMISSIONS, MEMBER_ADDRESSES, MEMBER_GRACE };

/* Where a field is shown. */
enum { LISTED = 1, CREATED = 2, DELETED = 4 };

#define FIELD_STRUCT struct shown_key

static const struct field_in fields_in[] = {
	{ "name", FIELD_IN(NAME, name), FIELD_NAME, FIELD_NOT_EMPTY | FIELD_REQUIRED,
	    API_KEY_NAME_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "expiresInDays", FIELD_IN(DAYS, days), FIELD_INT, 0,
	    API_KEY_DAYS_MAX, V_FIRST, V_ENDLESS, NULL },
	{ "permissions", FIELD_IN(PERMISSIONS, permissions), FIELD_METADATA, 0,
	    0, V_2026_08_27, V_ENDLESS, NULL },
	{ "allowedAddresses", FIELD_IN(ADDRESSES, addresses), FIELD_STRINGS, FIELD_NOT_EMPTY,
	    API_KEY_ADDRESSES_MAX, V_2026_08_27, V_ENDLESS, NULL },
};

static const struct field_in rotate_in[] = {
	{ "graceHours", FIELD_IN(GRACE, grace_hours), FIELD_COUNT, 0,
	    API_KEY_GRACE_HOURS_MAX, V_FIRST, V_ENDLESS, NULL },
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
	{ FIELD_OUT("permissions", JSON, permissions), LISTED | CREATED, V_2026_08_27, V_ENDLESS,
	    NULL },
	{ FIELD_OUT("allowedAddresses", JSON, addresses), LISTED | CREATED, V_2026_08_27,
	    V_ENDLESS, NULL },
	{ FIELD_OUT("deleted", BOOL, deleted), DELETED, V_FIRST, V_ENDLESS, NULL },
};

static const struct member columns[] = {
	[COL_API_KEY_ID] = FIELD_KEPT(UUID, id),
	[COL_API_KEY_NAME] = FIELD_KEPT(TEXT, name),
	[COL_API_KEY_PREFIX] = FIELD_KEPT(TEXT, prefix),
	[COL_API_KEY_CREATED_AT] = FIELD_KEPT(TIME, created_ms),
	[COL_API_KEY_EXPIRES_AT] = FIELD_KEPT(TIME, expires_ms),
	[COL_API_KEY_LAST_USED_AT] = FIELD_KEPT(TIME, last_used_ms),
	[COL_API_KEY_PERMISSIONS] = FIELD_KEPT(JSON, permissions),
	[COL_API_KEY_ALLOWED_ADDRESSES] = FIELD_KEPT(JSON, addresses),
};

_Static_assert(COUNTOF(columns) == COL_API_KEY__COUNT, "a column without a member");

static const struct fields fields = {
	.object = "api_key",
	.prefix = API_KEY_ID_PREFIX,
	.missing = ERR_API_KEY_NOT_FOUND,
	.missing_message = "There is no API key with this id.",
	.path = "api-keys",
	.unknown = "is not supported: what narrows an API key is permissions and allowedAddresses, "
		   "from version 2026-08-27 on",
	FIELD_TABLES,
};

static const struct fields rotate_fields = {
	.in = rotate_in, .in_count = COUNTOF(rotate_in),
	.given_at = offsetof(FIELD_STRUCT, given),
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

/* Why none was made; live: how many there were. */
static enum err
refuse_another(struct call *c, int64_t live)
{
	if (live >= c->conf->keys_max)
		return call_fail(c, ERR_CONFLICT, NULL, arena_fmt(c->arena,
		    "This environment has %lld API keys, as many as it may have. "
		    "Delete one that is not needed.", (long long)c->conf->keys_max).ptr);
	return call_fail(c, ERR_CONFLICT, NULL,
	    "The API key of this call has just been given another end. Nothing was done.");
}

static enum err
reply_outcome(struct write *w, void *what)
{
	struct row row = write_row(w, STEP_CREATE, 0);

	return row_bool(&row, COL_API_KEY_CREATE_MADE) ? reply_created(w, what)
	    : refuse_another(w->call, row_i64(&row, COL_API_KEY_CREATE_LIVE));
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

/* ---- what a key may do, and from where: never more than the one that makes it */

/* The member of the body that was given. */
static const struct jnode *
sent(struct call *c, const char *name)
{
	const struct jdoc *doc = &c->body.doc;

	return jread_member(doc, doc->nodes, str_of(name));
}

static enum err
limit_permissions(struct call *c, struct shown_key *made)
{
	static const char name[] = "permissions";
	uint64_t          set = PERMIT_ALL, missing;

	if (made->given & 1U << MEMBER_PERMISSIONS) {
		set = permit_read(c, name, &c->body.doc, sent(c, name));
		made->permissions = permit_json(c->arena, set);
	}
	missing = set & ~c->tenant.permissions;
	if (c->problem.details || !missing)
		return call_fields_done(c);
	if (set == PERMIT_ALL)
		return call_fail(c, ERR_FORBIDDEN, name,
		    "The API key of this call is restricted, so permissions must be given.");
	return permit_refuse(c, name, missing);
}

static enum err
limit_addresses(struct call *c, struct shown_key *made)
{
	static const char     name[] = "allowedAddresses";
	const struct origins *own = c->tenant.origins;
	struct origins        o = { 0 };
	const struct jnode   *n;
	size_t                i = 0;

	if (!(made->given & 1U << MEMBER_ADDRESSES)) {
		if (own)
			made->addresses = origins_json(c->arena, own);
		return ERR_OK;
	}
	for (n = jread_first(&c->body.doc, sent(c, name)); n; n = jread_next(&c->body.doc, n)) {
		const char *fault
		    = origins_add(c->arena, &o, jread_string(c->arena, &c->body.doc, n));

		if (fault)
			call_field(c, arena_fmt(c->arena, "%s.%zu", name, i).ptr, fault);
		i++;
	}
	if (!c->problem.details && own && !origins_within(&o, own))
		return call_fail(c, ERR_FORBIDDEN, name,
		    "The API key of this call may not be used from all of these addresses.");
	made->addresses = origins_json(c->arena, &o);
	return call_fields_done(c);
}

/* What is new of a key that is made: all that it may do is known. */
static void
draw(const struct call *c, struct shown_key *made, struct api_key *key)
{
	api_key_make(made->permissions.ptr != NULL, c->tenant.livemode, key);
	made->id = id_new();
	made->secret = str_of(key->text);
	made->prefix = str_of(key->prefix);
	made->created_ms = clock_wall_ms();
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
	if ((e = limit_permissions(c, made)) != ERR_OK
	    || (e = limit_addresses(c, made)) != ERR_OK)
		return e;
	draw(c, made, key);
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
	bind_text(b, made->permissions);
	bind_text(b, made->addresses);
	return write_run(&w, &answers, made);
}

/* ---- a successor, which has all that the old one has */

/*
 * Whoever rotates a key has its text then. So it must be one that may do no more than the caller's;
 * the route is for those who may do everything.
 */
static enum err
judge_rotation(struct call *c, const struct tx *tx, const struct shown_key *old)
{
	struct row            row = tx_row(tx, READ_STEP, 0);
	struct id             family = row_id(&row, COL_API_KEY_FIND_FAMILY);
	const struct origins *own = c->tenant.origins, *its;

	its = origins_stored(c->arena, old->addresses);
	if (own && !(its && origins_within(its, own)))
		return call_fail(c, ERR_FORBIDDEN, "id",
		    "That API key may be used from where the one of this call may not.");
	if (c->tenant.own_rate && !id_eq(&family, &c->tenant.family))
		return call_fail(c, ERR_FORBIDDEN, "id",
		    "That API key does not share the rate limit of the one of this call.");
	return ERR_OK;
}

static enum err
reply_rotated(struct write *w, void *what)
{
	struct shown_key *made = what;
	struct call      *c = w->call;
	char              text[ID_PREFIXED_BYTES];
	struct id         successor;
	struct row        row;

	if (write_rows(w, STEP_CREATE) == 0)
		return stored_missing(c, &fields);
	row = write_row(w, STEP_CREATE, 0);
	if (!row_is_null(&row, COL_API_KEY_ROTATE_SUCCESSOR)) {
		successor = row_id(&row, COL_API_KEY_ROTATE_SUCCESSOR);
		return call_fail(c, ERR_CONFLICT, "id", arena_fmt(c->arena,
		    "This API key has been rotated before, and %.*s has taken its place.",
		    STR_ARGS(id_prefixed(fields.prefix, &successor, text))).ptr);
	}
	if (!row_bool(&row, COL_API_KEY_ROTATE_MADE))
		return refuse_another(c, row_i64(&row, COL_API_KEY_ROTATE_LIVE));
	made->expires_ms = row_is_null(&row, COL_API_KEY_ROTATE_EXPIRES_AT)
	    ? 0 : row_time(&row, COL_API_KEY_ROTATE_EXPIRES_AT);
	return reply_created(w, made);
}

static enum err
rotate(struct call *c)
{
	static const struct answers answers = { .make = reply_rotated };
	struct shown_key *asked = ARENA_NEW(c->arena, struct shown_key, 1);
	struct shown_key *made = ARENA_NEW(c->arena, struct shown_key, 1);
	struct api_key   *key = ARENA_NEW(c->arena, struct api_key, 1);
	const struct id  *old = stored_id(c, &fields, 0);
	struct write      w;
	struct bind      *b;
	struct tx         tx;
	enum err          e;

	asked->grace_hours = API_KEY_GRACE_HOURS_DEFAULT;
	if ((e = field_read_body(c, &rotate_fields, FIELD_UPDATE, asked)) != ERR_OK)
		return e;
	bind_id(call_read(c, &tx, SQL_API_KEY_FIND), old);
	if ((e = stored_find(c, &fields, &tx, made)) != ERR_OK
	    || (e = judge_rotation(c, &tx, made)) != ERR_OK)
		return e;
	draw(c, made, key);
	write_begin(&w, c);
	(void)write_step(&w, SQL_API_KEY_TURN);
	b = write_step(&w, SQL_API_KEY_ROTATE);
	bind_id(b, old);
	bind_id(b, &made->id);
	bind_text(b, (struct str) { (const char *)key->hash, SHA256_BYTES });
	bind_text(b, made->prefix);
	bind_time(b, made->created_ms);
	bind_i64(b, asked->grace_hours * MS_PER_HOUR);
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
	{ METHOD_DELETE, "api-keys/{id}", ROUTE_ALL,                   V_2026_05_25, delete },
	{ METHOD_POST,   "api-keys/{id}/rotate", ROUTE_WRITES | ROUTE_SECRET | ROUTE_ALL,
	    V_2026_08_27, rotate },
};

extern const struct resource api_key_resource;
const struct resource api_key_resource = {
	.name = "api_key",
	.routes = routes,
	.routes_count = COUNTOF(routes),
};
