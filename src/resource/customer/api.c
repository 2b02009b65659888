/* Handlers of the customer calls. */
#include "resource/customer/api.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "call/body.h"
#include "call/page.h"
#include "call/reply.h"
#include "json/jwrite.h"
#include "resource/customer/fields.h"
#include "resource/customer/store.h"

#include <stdlib.h>

enum err
customer_create(struct call *c)
{
	struct customer customer;
	struct faults   faults;
	struct jdoc     doc;
	enum err        e;

	if ((e = body_object(c, BODY_REQUIRED, &doc)) != ERR_OK)
		return e;
	fields_read(c, &doc, doc.nodes, FIELDS_CREATE, &customer, &faults);
	for (size_t i = 0; i < faults.count; i++)
		call_field(c, faults.fault[i].field, faults.fault[i].message);
	if ((e = call_fields_done(c)) != ERR_OK || (e = store_create(c, &customer, 1)) != ERR_OK)
		return e;

	struct customer *stored = ARENA_NEW(c->arena, struct customer, 1);

	*stored = customer;
	response_header(c->res, "Clientele-Result", stored->existing ? STR("existing") : STR("created"));
	return reply_one(c, stored->existing ? 200 : 201, fields_write(c, stored, FIELDS_PLAIN));
}

enum err
customer_get(struct call *c)
{
	struct customer *customer = ARENA_NEW(c->arena, struct customer, 1);
	enum err         e = store_find(c, c->id, customer);

	if (e != ERR_OK)
		return e;
	return reply_one(c, 200, fields_write(c, customer, FIELDS_DETAILED));
}

enum err
customer_update(struct call *c)
{
	struct customer  change;
	struct customer *stored = ARENA_NEW(c->arena, struct customer, 1);
	struct faults    faults;
	struct jdoc      doc;
	enum err         e;

	if ((e = body_object(c, BODY_MAY_BE_EMPTY, &doc)) != ERR_OK)
		return e;
	fields_read(c, &doc, doc.nodes, FIELDS_UPDATE, &change, &faults);
	for (size_t i = 0; i < faults.count; i++)
		call_field(c, faults.fault[i].field, faults.fault[i].message);
	if ((e = call_fields_done(c)) != ERR_OK || (e = store_update(c, c->id, &change, stored)) != ERR_OK)
		return e;
	return reply_one(c, 200, fields_write(c, stored, FIELDS_PLAIN));
}

/* ---- list ---- */

static bool
read_flag(struct str s, bool *out)
{
	*out = str_is(s, "true") || str_is(s, "1");
	return *out || str_is(s, "false") || str_is(s, "0");
}

static void
read_external_id(struct call *c, struct str value, struct list_filter *f)
{
	(void)c;
	f->external_id = value;
}

static void
read_search(struct call *c, struct str value, struct list_filter *f)
{
	f->search = value;
	if (utf8_count(value) > SEARCH_MAX_CHARS)
		call_field(c, "search", "must have at most 200 characters");
}

static void
read_is_active(struct call *c, struct str value, struct list_filter *f)
{
	f->by_active = true;
	if (!read_flag(value, &f->active))
		call_field(c, "isActive", "must be true, false, 1 or 0");
}

/* The filters of a list; before and after its versions a parameter is an unknown one. */
static const struct {
	const char *name;
	void (*read)(struct call *c, struct str value, struct list_filter *f);
	enum version since, until;
} filters[] = {
	{ "externalId", read_external_id, V_FIRST,  V_ENDLESS },
	{ "search",     read_search,      V_FIRST,  V_2026_06_07 },
	{ "isActive",   read_is_active,   V_LEGACY, V_2026_05_12 },
};

static enum err
read_filter(struct call *c, struct list_filter *f)
{
	*f = (struct list_filter) { .by_active = false };
	page_read(c, &f->page);
	for (size_t i = 0; i < COUNTOF(filters); i++) {
		struct str value;

		if (version_has(c->version, filters[i].since, filters[i].until)
		    && call_parameter(c, filters[i].name, &value) && value.ptr)
			filters[i].read(c, value, f);
	}
	return call_fields_done(c);
}

enum err
customer_list(struct call *c)
{
	struct list_filter  filter;
	struct customer    *customers;
	struct json_object *array;
	struct str          next = STR_NONE;
	size_t              count;
	enum err            e;

	if ((e = read_filter(c, &filter)) != ERR_OK || (e = store_list(c, &filter, &customers, &count)) != ERR_OK)
		return e;
	if (page_cut(&filter.page, &count))
		next = page_cursor(c, &customers[count - 1].id);
	array = jwrite_array();
	for (size_t i = 0; i < count; i++)
		jwrite_push(array, fields_write(c, &customers[i], FIELDS_PLAIN));
	return reply_list(c, array, next);
}

/* ---- batch ---- */

struct item {
	const struct jnode *node;
	struct customer     customer;
	struct faults       faults;
	struct item        *first; /* the earlier item with the same external id, or itself */
	size_t              index;
	size_t              stored; /* place among the customers that are sent to the store */
};

/* By external id, then by place; items without one last. */
static int
by_external_id(const void *a, const void *b)
{
	const struct item *const *x = a, *const *y = b;
	struct str                p = (*x)->customer.external_id, q = (*y)->customer.external_id;
	int                       order = p.ptr && q.ptr ? str_cmp(p, q) : !p.ptr - !q.ptr;

	return order ? order : ((*x)->index > (*y)->index) - ((*x)->index < (*y)->index);
}

/* Later items with an external id that an earlier one has are that one. */
static void
fold(struct call *c, struct item *items, size_t count)
{
	struct item **sorted = ARENA_NEW(c->arena, struct item *, count);
	size_t        n = 0;

	for (size_t i = 0; i < count; i++) {
		items[i].first = &items[i];
		if (items[i].faults.count == 0)
			sorted[n++] = &items[i];
	}
	qsort(sorted, n, sizeof(struct item *), by_external_id);
	for (size_t i = 1; i < n; i++)
		if (sorted[i]->customer.external_id.ptr
		    && str_eq(sorted[i]->customer.external_id, sorted[i - 1]->customer.external_id))
			sorted[i]->first = sorted[i - 1]->first;
}

static struct json_object *
failed_item(struct call *c, const struct jdoc *doc, const struct item *item)
{
	const struct problem_detail *fault = &item->faults.fault[0];
	struct json_object          *failed = jwrite_object();

	jwrite_put(failed, "index", jwrite_int((int64_t)item->index));
	jwrite_put(failed, "error", jwrite_str(arena_fmt(c->arena, "%s: %s", fault->field, fault->message)));
	jwrite_put(failed, "code", jwrite_str(str_of(err_info(ERR_VALIDATION)->code)));
	jwrite_put(failed, "param", jwrite_str(str_of(fault->field)));
	jwrite_put(failed, "data", jwrite_raw(jread_raw(doc, item->node)));
	return failed;
}

static enum err
read_items(struct call *c, const struct jdoc *doc, struct item **out, size_t *count)
{
	const struct jnode *array = jread_member(doc, doc->nodes, STR("customers"));
	struct item        *items, *item;
	bool                whole = true; /* every broken item can be told of in 'failed' */

	if (!array || array->type != JTYPE_ARRAY || array->size == 0 || array->size > BATCH_ITEMS_MAX) {
		call_field(c, "customers", !array ? "is required"
		    : array->type != JTYPE_ARRAY ? "must be an array" : "must have 1 to 100 items");
		return call_fields_done(c);
	}
	item = items = ARENA_NEW(c->arena, struct item, array->size);
	for (const struct jnode *n = jread_first(doc, array); n; n = jread_next(doc, n), item++) {
		item->node = n;
		item->index = (size_t)(item - items);
		if (n->type == JTYPE_OBJECT) {
			fields_read(c, doc, n, FIELDS_CREATE, &item->customer, &item->faults);
		} else {
			item->faults.count = 1;
			item->faults.fault[0] = (struct problem_detail) { NULL, "must be an object" };
		}
		if (item->faults.count && !(n->type == JTYPE_OBJECT && fields_has_email(doc, n)))
			whole = false;
	}
	for (size_t i = 0; i < array->size && !whole; i++) {
		for (size_t k = 0; k < items[i].faults.count; k++) {
			const struct problem_detail *fault = &items[i].faults.fault[k];

			call_field(c, arena_fmt(c->arena, "customers.%zu%s%s", i, fault->field ? "." : "",
			    fault->field ? fault->field : "").ptr, fault->message);
		}
	}
	*out = items;
	*count = array->size;
	return call_fields_done(c);
}

enum err
customer_batch(struct call *c)
{
	struct jdoc         doc;
	struct item        *items;
	struct customer    *customers;
	struct json_object *successful, *failed, *batch;
	size_t              count, stored = 0;
	enum err            e;

	if ((e = body_object(c, BODY_REQUIRED, &doc)) != ERR_OK || (e = read_items(c, &doc, &items, &count)) != ERR_OK)
		return e;
	fold(c, items, count);
	customers = ARENA_NEW(c->arena, struct customer, count);
	for (size_t i = 0; i < count; i++) {
		if (items[i].faults.count || items[i].first != &items[i])
			continue;
		items[i].stored = stored;
		customers[stored++] = items[i].customer;
	}
	/* A batch without a valid item still uses up its idempotency key. */
	if ((stored || c->idem_key.ptr) && (e = store_create(c, customers, stored)) != ERR_OK)
		return e;
	successful = jwrite_array();
	failed = jwrite_array();
	for (size_t i = 0; i < count; i++) {
		if (items[i].faults.count) {
			jwrite_push(failed, failed_item(c, &doc, &items[i]));
			continue;
		}
		items[i].customer = customers[items[i].first->stored];
		if (items[i].first != &items[i])
			items[i].customer.existing = true;
		jwrite_push(successful, fields_write_batched(c, &items[i].customer, i));
	}
	batch = jwrite_object();
	jwrite_put(batch, "successful", successful);
	jwrite_put(batch, "failed", failed);
	jwrite_put(batch, "object", jwrite_str(fields_batch_object(c)));
	jwrite_put(batch, "livemode", jwrite_bool(c->tenant.livemode));
	return reply_one(c, 200, batch);
}
