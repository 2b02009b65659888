/* Handlers of the API key calls. */
#include "resource/api_key/api.h"
#include "auth/api_key.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "call/body.h"
#include "call/idem.h"
#include "call/page.h"
#include "call/reply.h"
#include "json/jwrite.h"

enum { MS_PER_DAY = 24 * 3600 * 1000 };

static struct json_object *
write_id(struct call *c, const struct id *id)
{
	char text[ID_TEXT_BYTES];

	id_text(id, text);
	return jwrite_str(arena_fmt(c->arena, "%.*s%.*s", STR_ARGS(API_KEY_ID_PREFIX), ID_TEXT_BYTES, text));
}

static struct json_object *
write_time(int64_t ms)
{
	char text[CLOCK_ISO_BYTES + 1];

	clock_iso(ms, text);
	return jwrite_str((struct str) { text, CLOCK_ISO_BYTES });
}

static struct json_object *
write_cell_time(const struct row *r, int column)
{
	return row_is_null(r, column) ? NULL : write_time(row_time(r, column));
}

static struct json_object *
begin(struct call *c, const struct id *id)
{
	struct json_object *key = jwrite_object();

	jwrite_put(key, "id", write_id(c, id));
	jwrite_put(key, "object", jwrite_str(STR("api_key")));
	jwrite_put(key, "livemode", jwrite_bool(c->tenant.livemode));
	return key;
}

enum err
key_list(struct call *c)
{
	struct tx           tx;
	struct page         page;
	struct bind        *b;
	struct json_object *array;
	struct str          next = STR_NONE;
	size_t              count;
	enum db_status      status;
	enum err            e;

	tx_init(&tx, c->db, c->arena);
	page_read(c, &page);
	if ((e = call_fields_done(c)) != ERR_OK)
		return e;
	tx.again = true;
	call_enter(c, &tx);
	b = tx_step(&tx, SQL_KEY_LIST);
	bind_id(b, &c->tenant.environment);
	bind_id(b, &page.after);
	bind_i64(b, page_rows(&page));
	if ((status = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, status);
	count = tx_rows(&tx, 1);
	if (page_cut(&page, &count)) {
		struct row row = tx_row(&tx, 1, count - 1);
		struct id  id = row_id(&row, 0);

		next = page_cursor(c, &id);
	}
	array = jwrite_array();
	for (size_t i = 0; i < count; i++) {
		struct row          row = tx_row(&tx, 1, i);
		struct id           id = row_id(&row, 0);
		struct json_object *key = begin(c, &id);

		jwrite_put(key, "name", jwrite_str(row_text(&row, 1)));
		jwrite_put(key, "prefix", jwrite_str(row_text(&row, 2)));
		jwrite_put(key, "expiresAt", write_cell_time(&row, 4));
		jwrite_put(key, "lastUsedAt", write_cell_time(&row, 5));
		jwrite_put(key, "createdAt", write_cell_time(&row, 3));
		jwrite_push(array, key);
	}
	return reply_list(c, array, next);
}

struct wish {
	struct str name;
	int64_t    days;
};

static enum err
read_wish(struct call *c, struct wish *out)
{
	struct jdoc         doc;
	const struct jnode *n;
	enum err            e;

	if ((e = body_object(c, BODY_REQUIRED, &doc)) != ERR_OK)
		return e;
	*out = (struct wish) { .days = API_KEY_DAYS_DEFAULT };
	n = jread_member(&doc, doc.nodes, STR("name"));
	if (!n || n->type == JTYPE_NULL)
		call_field(c, "name", "is required");
	else if (n->type != JTYPE_STRING)
		call_field(c, "name", "must be a string");
	else if (out->name = jread_string(c->arena, &doc, n), out->name.len == 0 || utf8_count(out->name) > API_KEY_NAME_MAX_CHARS)
		call_field(c, "name", "must have 1 to 100 characters");
	n = jread_member(&doc, doc.nodes, STR("expiresInDays"));
	if (n && n->type != JTYPE_NULL
	    && (n->type != JTYPE_NUMBER || !str_to_i64(jread_raw(&doc, n), 1, API_KEY_DAYS_MAX, &out->days)))
		call_field(c, "expiresInDays", "must be a whole number from 1 to 3650");
	return call_fields_done(c);
}

enum err
key_create(struct call *c)
{
	struct tx           tx;
	struct idem_stored  stored = { 0 };
	struct api_key      key;
	struct wish         wish;
	struct id           ids[2] = { id_new(), id_new() }; /* the key's id, and the nonce that it follows from */
	struct bind        *b;
	struct json_object *reply;
	char                rate[RATE_TEXT_BYTES];
	int64_t             now_ms, end_ms;
	bool                taken;
	enum err            e;

	tx_init(&tx, c->db, c->arena);
	if ((e = read_wish(c, &wish)) != ERR_OK)
		return e;
	now_ms = id_ms(&ids[0]);
	/*
	 * With an idempotency key the new key must be told again, and yet be stored nowhere: so it follows
	 * from the caller's own key, which is not stored either, and from a nonce in the record. That makes
	 * the caller's key a part of the request.
	 */
	hash_random(ids[1].b, ID_BYTES);
	if (c->idem_key.ptr) {
		idem_add(c, c->req->header[HEADER_API_KEY]);
		api_key_derive(c->tenant.livemode, c->req->header[HEADER_API_KEY], &ids[1], &key);
	} else
		api_key_make(c->tenant.livemode, &key);
	tx.again = c->idem_key.ptr;
	call_enter(c, &tx);
	b = tx_step(&tx, SQL_KEY_CREATE);
	bind_id(b, &c->tenant.environment);
	bind_id(b, &ids[0]);
	bind_text(b, (struct str) { (const char *)key.hash, SHA256_BYTES });
	bind_text(b, wish.name);
	bind_text(b, str_of(key.prefix));
	bind_time(b, now_ms);
	bind_time(b, now_ms + wish.days * MS_PER_DAY);
	/* As its maker: a limited key does not make itself others without limit. */
	bind_text(b, c->tenant.own_rate ? rate_text(&c->tenant.rate, rate) : STR_NONE);
	if (c->idem_key.ptr)
		idem_step(c, &tx, ids, COUNTOF(ids), ERR_OK);
	e = idem_run(c, &tx, &stored, &taken);
	if (e == ERR_OK && stored.found && stored.ids == COUNTOF(ids)) {
		idem_mark(c, &stored, &ids[0]);
		ids[0] = stored.id[0];
		now_ms = id_ms(&ids[0]);
		api_key_derive(c->tenant.livemode, c->req->header[HEADER_API_KEY], &stored.id[1], &key);
	}
	if (e != ERR_OK)
		return e;
	end_ms = now_ms + wish.days * MS_PER_DAY;
	reply = begin(c, &ids[0]);
	jwrite_put(reply, "name", jwrite_str(wish.name));
	jwrite_put(reply, "apiKey", jwrite_str(str_of(key.text)));
	jwrite_put(reply, "prefix", jwrite_str(str_of(key.prefix)));
	jwrite_put(reply, "expiresAt", write_time(end_ms));
	jwrite_put(reply, "createdAt", write_time(now_ms));
	return reply_one(c, 201, reply);
}

enum err
key_delete(struct call *c)
{
	struct tx           tx;
	struct bind        *b;
	struct id           id;
	struct json_object *reply;
	enum db_status      status;

	tx_init(&tx, c->db, c->arena);
	if (!id_parse(API_KEY_ID_PREFIX, c->id, &id))
		return call_fail(c, ERR_API_KEY_NOT_FOUND, "id", "There is no API key with this id.");
	if (id_eq(&id, &c->tenant.key))
		return call_fail(c, ERR_CONFLICT, "id", "An API key cannot delete itself.");
	call_enter(c, &tx);
	b = tx_step(&tx, SQL_KEY_REVOKE);
	bind_id(b, &c->tenant.environment);
	bind_id(b, &id);
	if ((status = tx_run(&tx)) != DB_OK)
		return call_db_failed(c, &tx, status);
	if (tx_rows(&tx, 1) == 0)
		return call_fail(c, ERR_API_KEY_NOT_FOUND, "id", "There is no API key with this id.");
	reply = begin(c, &id);
	jwrite_put(reply, "deleted", jwrite_bool(true));
	return reply_one(c, 200, reply);
}
