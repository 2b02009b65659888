/* The history of a customer. */
#include "resource/customer/history.h"
#include "base/clock.h"
#include "call/stored.h"
#include "db/db.h"
#include "resource/customer/alias.h"

struct event {
	struct id  id;           /* its last half is the number of the event */
	struct str type;
	int64_t    created_ms;
	struct str actor;        /* absent: from before there was a history */
	struct str actor_name;   /* of an API key or a user that there is */
	struct str request;
	struct str before, after;
	struct id  subscription_id, invoice_id;
	struct str data;
	bool       erased;
	struct id  customer_id;
	struct id  key, user;    /* the actor, if it is one */
	unsigned   given;
};

#define FIELD_STRUCT struct event

enum { EVENT_SHOWN = 1 };

static struct str
prefixed(struct call *c, struct str prefix, const struct id *id)
{
	return id_is_nil(id) ? STR_NONE
	    : id_prefixed(prefix, id, ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES));
}

static struct str
actor_type(struct call *c UNUSED, const void *what)
{
	const struct event *event = what;

	return !id_is_nil(&event->key) ? STR("api_key")
	    : !id_is_nil(&event->user) ? STR("user") : event->actor;
}

static struct str
actor_id(struct call *c, const void *what)
{
	const struct event *event = what;

	return id_is_nil(&event->user) ? prefixed(c, STR("key_"), &event->key)
	                               : prefixed(c, STR("usr_"), &event->user);
}

static struct str
customer_id(struct call *c, const void *what)
{
	return prefixed(c, customer_fields.prefix, &((const struct event *)what)->customer_id);
}

static struct str
subscription_id(struct call *c, const void *what)
{
	return prefixed(c, STR("sub_"), &((const struct event *)what)->subscription_id);
}

static struct str
invoice_id(struct call *c, const void *what)
{
	return prefixed(c, STR("inv_"), &((const struct event *)what)->invoice_id);
}

static bool
has_no_actor(const struct call *c UNUSED, const void *what)
{
	return !((const struct event *)what)->actor.ptr;
}

static void
find_actor(void *what)
{
	struct event *event = what;
	struct str    who = event->actor, is = CALL_SOURCE_USER;
	bool          user = who.ptr && str_starts(who, is);
	struct id     id;

	if (user)
		who = (struct str) { who.ptr + is.len, who.len - is.len };
	if (id_parse_uuid(who, &id))
		*(user ? &event->user : &event->key) = id;
}

static const struct field_out actor_out[] = {
	{ FIELD_OURS("type", MADE), EVENT_SHOWN, V_FIRST, V_ENDLESS, actor_type },
	{ FIELD_OURS("id", MADE), EVENT_SHOWN, V_FIRST, V_ENDLESS, actor_id },
	{ FIELD_OUT("name", TEXT, actor_name), EVENT_SHOWN, V_FIRST, V_ENDLESS, NULL },
};

static const struct fields *const parts[] = {
	&(const struct fields) {
		.out = actor_out, .out_count = COUNTOF(actor_out), .hides = has_no_actor,
	},
};

static const struct field_out event_out[] = {
	{ FIELD_OUT("id", ID, id), EVENT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("object", OBJECT), EVENT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("livemode", LIVEMODE), EVENT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("type", TEXT, type), EVENT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("createdAt", TIME, created_ms), EVENT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_PART("actor", 0), EVENT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("requestId", TEXT, request), EVENT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("before", JSON, before), EVENT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("after", JSON, after), EVENT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("customerId", MADE), EVENT_SHOWN, V_FIRST, V_ENDLESS, customer_id },
	{ FIELD_OURS("subscriptionId", MADE), EVENT_SHOWN, V_FIRST, V_ENDLESS, subscription_id },
	{ FIELD_OURS("invoiceId", MADE), EVENT_SHOWN, V_FIRST, V_ENDLESS, invoice_id },
	{ FIELD_OUT("data", JSON, data), EVENT_SHOWN, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("erased", BOOL, erased), EVENT_SHOWN, V_FIRST, V_ENDLESS, NULL },
};

static const struct member columns[] = {
	[COL_CUSTOMER_HISTORY_ID] = FIELD_KEPT(UUID, id),
	[COL_CUSTOMER_HISTORY_TYPE] = FIELD_KEPT(TEXT, type),
	[COL_CUSTOMER_HISTORY_CREATED_AT] = FIELD_KEPT(TIME, created_ms),
	[COL_CUSTOMER_HISTORY_ACTOR] = FIELD_KEPT(TEXT, actor),
	[COL_CUSTOMER_HISTORY_ACTOR_NAME] = FIELD_KEPT(TEXT, actor_name),
	[COL_CUSTOMER_HISTORY_REQUEST] = FIELD_KEPT(TEXT, request),
	[COL_CUSTOMER_HISTORY_BEFORE] = FIELD_KEPT(JSON, before),
	[COL_CUSTOMER_HISTORY_AFTER] = FIELD_KEPT(JSON, after),
	[COL_CUSTOMER_HISTORY_CUSTOMER_ID] = FIELD_KEPT(UUID, customer_id),
	[COL_CUSTOMER_HISTORY_SUBSCRIPTION_ID] = FIELD_KEPT(UUID, subscription_id),
	[COL_CUSTOMER_HISTORY_INVOICE_ID] = FIELD_KEPT(UUID, invoice_id),
	[COL_CUSTOMER_HISTORY_DATA] = FIELD_KEPT(JSON, data),
	[COL_CUSTOMER_HISTORY_ERASED] = FIELD_KEPT(BOOL, erased),
};

static const struct fields event_fields = {
	.object = "customer_event",
	.prefix = STR("evt_"),
	.out = event_out,
	.out_count = COUNTOF(event_out),
	.columns = columns,
	.columns_count = COUNTOF(columns),
	.size = sizeof(struct event),
	.parts = parts,
	.derive = find_actor,
	.id_at = offsetof(struct event, id),
	.given_at = offsetof(struct event, given),
};

enum err
customer_history(struct call *c)
{
	struct tx    tx;
	struct page  page;
	struct bind *b;
	enum err     e;

	page_read(c, &page);
	if ((e = call_fields_done(c)) != ERR_OK)
		return e;
	stored_bind_ref(stored_ask(c, &tx, SQL_CUSTOMER_HISTORY, &page), &customer_fields,
	    c->param[0]);
	b = tx_step(&tx, SQL_CUSTOMER_THERE);
	bind_id(b, &c->tenant.environment);
	stored_bind_ref(b, &customer_fields, c->param[0]);
	e = stored_page(c, &event_fields, &tx, &page, EVENT_SHOWN);
	return e == ERR_OK && tx_rows(&tx, READ_STEP + 1) == 0
	    ? stored_missing(c, &customer_fields) : e;
}

enum err
customer_as_of(struct call *c, struct str text)
{
	struct customer *customer = ARENA_NEW(c->arena, struct customer, 1);
	struct tx        tx;
	struct row       row;
	struct bind     *b;
	int64_t          time_ms = 0;
	enum err         e;

	if (text.ptr && !clock_read(text, &time_ms))
		call_field(c, "asOf", "must be a time, as 2026-08-27T12:00:00Z is");
	if ((e = call_fields_done(c)) != ERR_OK)
		return e;
	b = call_read(c, &tx, SQL_CUSTOMER_AS_OF);
	stored_bind_ref(b, &customer_fields, c->param[0]);
	bind_time(b, time_ms);
	db_slow(c->db); /* a customer may have been changed a million times */
	if ((e = stored_find(c, &customer_fields, &tx, customer)) != ERR_OK)
		return e;
	row = tx_row(&tx, READ_STEP, 0);
	if (customer->created_ms > time_ms)
		return call_fail(c, ERR_CUSTOMER_NOT_FOUND, "asOf",
		    "The customer was created after that time.");
	if (!row_bool(&row, COL_CUSTOMER_AS_OF_KNOWN))
		return call_fail(c, ERR_HISTORY_NOT_KEPT, "asOf",
		    "What the customer was at that time is not kept.");
	alias_note(c, c->param[0], &(struct customer) {
		.id = customer->id,
		.external_id = row_text(&row, COL_CUSTOMER_AS_OF_EXTERNAL_ID_NOW),
	});
	return field_reply(c, 200, &customer_fields, customer, CUSTOMER_PAST);
}
