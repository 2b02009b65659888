/* Customers who may be the same. */
#include "resource/customer/duplicates.h"
#include "base/utf8.h"
#include "call/reply.h"
#include "call/stored.h"
#include "resource/customer/customer.h"

/* No longer than a value can be. */
enum { KEY_MAX_BYTES = 1024 };

/* What customers can have in common, as customer_duplicates has it; the cursor has its number. */
static const char *const kinds[] = { "email", "taxDocument" };

/* ---- the query */

static const char *const *
read_kind(struct call *c)
{
	struct str value;

	if (!call_parameter(c, "by", &value))
		return NULL;
	for (size_t i = 0; i < COUNTOF(kinds); i++)
		if (str_is(value, kinds[i]))
			return &kinds[i];
	call_field(c, "by", "must be email or taxDocument");
	return NULL;
}

static struct str
make_cursor(struct call *c, const char *const *by, struct str key)
{
	char *bytes = ARENA_NEW(c->arena, char, key.len + 1);

	bytes[0] = (char)(by - kinds);
	memcpy(bytes + 1, key.ptr, key.len);
	return page_pack(c, (struct str) { bytes, key.len + 1 });
}

/* *after: the last value of the page before, or absent. */
static void
read_cursor(struct call *c, const char *const *by, struct str *after)
{
	struct str text, bytes;

	*after = STR_NONE;
	if (!call_parameter(c, "cursor", &text) || !text.ptr)
		return;
	bytes = page_unpack(c, text);
	if (by && bytes.len > 1 && bytes.len <= KEY_MAX_BYTES && bytes.ptr[0] == by - kinds) {
		*after = (struct str) { bytes.ptr + 1, bytes.len - 1 };
		if (utf8_valid(*after) && !memchr(after->ptr, 0, after->len))
			return;
	}
	call_field(c, "cursor", "must be the nextCursor of a previous page with the same by");
}

/* ---- the page */

/* The group that begins with row *n, which then is the one after it. */
static struct json_object *
write_group(struct call *c, const char *const *by, const struct tx *tx, size_t *n)
{
	struct json_object *group = jwrite_object(), *members = jwrite_array();
	struct row          row = tx_row(tx, READ_STEP, *n);
	struct str          key = row_text(&row, COL_CUSTOMER_DUPLICATES_KEY);

	jwrite_put(group, "object", jwrite_str(STR("duplicate_group")));
	jwrite_put(group, "by", jwrite_str(str_of(*by)));
	jwrite_put(group, "value", jwrite_str(key));
	jwrite_put(group, "customers", members);
	jwrite_put(group, "hasMore", jwrite_bool(row_bool(&row, COL_CUSTOMER_DUPLICATES_MORE)));
	do {
		struct customer *customer = ARENA_NEW(c->arena, struct customer, 1);

		stored_read(&row, &customer_fields, customer);
		jwrite_push(members, field_write(c, &customer_fields, customer, CUSTOMER_PLAIN));
		if (++*n == tx_rows(tx, READ_STEP))
			break;
		row = tx_row(tx, READ_STEP, *n);
	} while (str_eq(row_text(&row, COL_CUSTOMER_DUPLICATES_KEY), key));
	return group;
}

static enum err
reply_page(struct call *c, const char *const *by, const struct tx *tx)
{
	struct json_object *groups = jwrite_array();
	size_t              rows = tx_rows(tx, READ_STEP), n = 0;
	struct str          next = STR_NONE;

	if (rows) {
		struct row first = tx_row(tx, READ_STEP, 0);

		next = row_text(&first, COL_CUSTOMER_DUPLICATES_NEXT);
		if (row_is_null(&first, COL_CUSTOMER_ID))
			rows = 0; /* it has next alone */
	}
	while (n < rows)
		jwrite_push(groups, write_group(c, by, tx, &n));
	return reply_list(c, groups, next.ptr ? make_cursor(c, by, next) : STR_NONE);
}

enum err
customer_duplicates(struct call *c)
{
	const char *const *by = read_kind(c);
	struct page        page;
	struct str         after;
	struct tx          tx;
	struct bind       *b;
	enum err           e;

	page_read_limit(c, &page);
	read_cursor(c, by, &after);
	if ((e = call_fields_done(c)) != ERR_OK)
		return e;
	b = call_read(c, &tx, SQL_CUSTOMER_DUPLICATES);
	bind_text(b, after);
	bind_i64(b, (int64_t)page.limit);
	bind_i64(b, CUSTOMER_LOOKED_AT);
	bind_i64(b, DUPLICATES_IN_GROUP);
	bind_i64(b, DUPLICATES_SHOWN);
	bind_text(b, str_of(*by));
	db_slow(c->db);
	e = call_read_run(c, &tx);
	return e != ERR_OK ? e : reply_page(c, by, &tx);
}
