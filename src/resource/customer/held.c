/* All that is held of one customer. */
#include "resource/customer/held.h"
#include "base/clock.h"
#include "resource/customer/store.h"

#define FIELD_STRUCT struct customer_held

struct customer_held {
	struct id  id;
	unsigned   given;
	int64_t    made_ms;
	struct str customer; /* JSON, and so are the others that have no other comment */
	struct str address_id; /* text, or absent */
	bool       is_active;
	struct str merged, subscriptions, invoices;
	int64_t    credit;
	struct str events;
	bool       has_more_events;
	struct str requests;
};

enum { EXPORTED = 1 }; /* a view */

static const struct field_out fields_out[] = {
	{ FIELD_OURS("object", OBJECT), EXPORTED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("livemode", LIVEMODE), EXPORTED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("exportedAt", TIME, made_ms), EXPORTED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("customer", JSON, customer), EXPORTED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("addressId", TEXT, address_id), EXPORTED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("isActive", BOOL, is_active), EXPORTED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("merged", JSON, merged), EXPORTED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("subscriptions", JSON, subscriptions), EXPORTED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("invoices", JSON, invoices), EXPORTED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("credit", INT, credit), EXPORTED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("events", JSON, events), EXPORTED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("hasMoreEvents", BOOL, has_more_events), EXPORTED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("requests", JSON, requests), EXPORTED, V_FIRST, V_ENDLESS, NULL },
};

static const struct fields export_fields = {
	.object = "customer_export",
	.out = fields_out,
	.out_count = COUNTOF(fields_out),
	.size = sizeof(struct customer_held),
};

/* What a GET answers, as text. */
static struct str
as_text(struct call *c, const struct customer *customer)
{
	AUTO_JSON struct json_object *value = field_write(c, &customer_fields, customer,
	    CUSTOMER_DETAILED);
	struct buf out;
	struct str text;

	buf_init(&out, SIZE_MAX / 2);
	jwrite_text(value, &out);
	text = arena_str(c->arena, buf_view(&out));
	buf_fini(&out);
	return text;
}

_Static_assert(COL_CUSTOMER_HELD_LIVE == COL_CUSTOMER_GET_LIVE, "customer_read_found() reads it");

enum err
customer_held(struct call *c)
{
	struct customer_held *e = ARENA_NEW(c->arena, struct customer_held, 1);
	struct customer         customer;
	struct tx               tx;
	struct row              row;
	struct bind            *b = call_read(c, &tx, SQL_CUSTOMER_HELD);
	enum err                err;

	db_slow(c->db);
	stored_bind_ref(b, &customer_fields, c->param[0]);
	bind_i64(b, CUSTOMER_HELD_EVENTS);
	bind_i64(b, CUSTOMER_HELD_BYTES);
	if ((err = customer_read_found(c, &tx, &customer)) != ERR_OK)
		return err;
	row = tx_row(&tx, READ_STEP, 0);
	*e = (struct customer_held) {
		.made_ms = clock_wall_ms(),
		.customer = as_text(c, &customer),
		.address_id = row_text(&row, COL_CUSTOMER_HELD_ADDRESS_ID),
		.is_active = customer.is_active,
		.merged = row_text(&row, COL_CUSTOMER_HELD_MERGED),
		.subscriptions = row_text(&row, COL_CUSTOMER_HELD_SUBSCRIPTIONS),
		.invoices = row_text(&row, COL_CUSTOMER_HELD_INVOICES),
		.credit = row_i64(&row, COL_CUSTOMER_HELD_CREDIT),
		.events = row_text(&row, COL_CUSTOMER_HELD_EVENTS),
		.has_more_events = row_bool(&row, COL_CUSTOMER_HELD_MORE),
		.requests = row_text(&row, COL_CUSTOMER_HELD_REQUESTS),
	};
	return field_reply(c, 200, &export_fields, e, EXPORTED);
}
