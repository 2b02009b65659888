/* POST /customers/batch. */
#include "resource/customer/batch.h"
#include "base/sort.h"
#include "call/body.h"
#include "call/idem.h"
#include "call/ignored.h"
#include "call/page.h"
#include "call/reply.h"
#include "json/jwrite.h"
#include "resource/customer/store.h"
#include "resource/customer/warn.h"

struct item {
	const struct jnode *node;
	struct customer     customer;
	struct faults       faults;
	struct item        *first;  /* the earlier item with the same external id, or itself */
	size_t              index;
	size_t              stored; /* place among the batch's customers */
	bool                adds;   /* of an update: it changed what the ones before it give */
};

struct batch {
	const struct jdoc *doc;
	struct item       *items;
	size_t             count;
	struct customer   *customers; /* to be stored: items that are valid and their own first */
	size_t             stored;    /* how many */
	bool               each;      /* the client wants an answer for each item */
	bool               atomic;    /* an item that breaks a rule is a reason to refuse all */
	bool               trial;     /* nothing is written */
	bool               echo;      /* items that failed are shown as they were sent */
	bool               updates;   /* customers that exist get what their items give */
};

/* ---- options ---- */

static void
read_atomic(struct call *c, struct str value, void *into)
{
	page_flag(c, "atomic", value, &((struct batch *)into)->atomic);
}

static void
read_trial(struct call *c, struct str value, void *into)
{
	page_flag(c, "dry_run", value, &((struct batch *)into)->trial);
}

static void
read_echo(struct call *c, struct str value, void *into)
{
	page_flag(c, "echo", value, &((struct batch *)into)->echo);
}

static void
read_conflict(struct call *c, struct str value, void *into)
{
	((struct batch *)into)->updates = str_is(value, "update");
	if (!str_is(value, "update") && !str_is(value, "skip"))
		call_field(c, "on_conflict", "must be skip or update");
}

const struct list_filter customer_batch_options[] = {
	{ "atomic",  read_atomic, V_2026_08_27, V_ENDLESS },
	{ "dry_run", read_trial,  V_2026_08_27, V_ENDLESS },
	{ "echo",    read_echo,   V_2026_08_27, V_ENDLESS },
	{ "on_conflict", read_conflict, V_2026_08_27, V_ENDLESS },
};

/* How the answer shows the stored customers, and the answer's "object". */
static const struct shape {
	enum version since;
	unsigned     view;  /* plain where clients make customer objects of them */
	struct str   object;
} shapes[] = {
	{ V_2026_07_31, CUSTOMER_BRIEF, STR("customer_batch") },
	{ V_2026_06_07, CUSTOMER_BRIEF, STR("customer") },
	{ V_FIRST,      CUSTOMER_PLAIN, STR("customer") },
};

static const struct shape *
shape_of(const struct call *c)
{
	size_t i = 0;

	while (c->version < shapes[i].since)
		i++;
	return &shapes[i];
}

/* ---- reading ---- */

/* By external id, then by place; items without one last. */
static int
by_external_id(const void *a, const void *b)
{
	const struct item *x = *(const struct item *const *)a, *y = *(const struct item *const *)b;
	struct str         p = x->customer.external_id, q = y->customer.external_id;
	int                order = p.ptr && q.ptr ? str_cmp(p, q) : !p.ptr - !q.ptr;

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Gives all valid items with the same external id the same first one. */
static void
fold(struct call *c, struct batch *batch)
{
	struct item **sorted = ARENA_NEW(c->arena, struct item *, batch->count), **spare;
	size_t        n = 0;

	for (size_t i = 0; i < batch->count; i++) {
		batch->items[i].first = &batch->items[i];
		if (batch->items[i].faults.count == 0)
			sorted[n++] = &batch->items[i];
	}
	spare = ARENA_NEW(c->arena, struct item *, n);
	sort(sorted, n, sizeof(struct item *), by_external_id, spare);
	for (size_t i = 1; i < n; i++) {
		struct item *last = sorted[i - 1], *item = sorted[i];
		struct str   id = item->customer.external_id;

		if (id.ptr && str_eq(id, last->customer.external_id))
			item->first = last->first;
	}
}

/* Whether an item may be anything, because "failed" need not show it. */
static bool
takes_anything(const struct batch *batch)
{
	return batch->each || batch->trial || !batch->echo;
}

static void
read_item(struct call *c, const struct batch *batch, const struct jnode *n, struct item *item)
{
	item->node = n;
	item->customer = customer_defaults;
	if (n->type == JTYPE_OBJECT) {
		field_read(c, &customer_fields, batch->doc, n, FIELD_CREATE, &item->customer,
		    &item->faults);
	} else {
		item->faults.count = 1;
		item->faults.fault[0] = takes_anything(batch)
		    ? (struct problem_detail) { "body", "must be a JSON object" } /* as a create */
		    : (struct problem_detail) { NULL, "must be an object" };
	}
}

/* Whether the item can be reported in "failed": strict clients need its e-mail address there. */
static bool
is_presentable(const struct jdoc *doc, const struct item *item)
{
	if (item->faults.count == 0)
		return true;
	return item->node->type == JTYPE_OBJECT
	    && field_has_text(&customer_fields, doc, item->node, MEMBER_EMAIL);
}

static void
report_faults(struct call *c, const struct item *item)
{
	for (size_t i = 0; i < item->faults.count; i++) {
		const struct problem_detail *fault = &item->faults.fault[i];
		struct str                   path;

		path = arena_fmt(c->arena, "customers.%zu%s%s", item->index,
		    fault->field ? "." : "", fault->field ? fault->field : "");
		call_field(c, path.ptr, fault->message);
	}
}

/* What is wrong with the array of customers, or NULL. */
static const char *
array_fault(const struct jnode *array)
{
	if (!array)
		return "is required";
	if (array->type != JTYPE_ARRAY)
		return "must be an array";
	if (array->size == 0 || array->size > CUSTOMER_BATCH_MAX)
		return "must have 1 to 100 items";
	return NULL;
}

/* Members of the body beside the items. */
static void
ignore_others(struct call *c, const struct jdoc *doc)
{
	if (doc->nodes->size == 1)
		return;
	for (const struct jnode *n = jread_first(doc, doc->nodes); n; n = jread_next(doc, n)) {
		struct str  key = jread_key(c->arena, doc, n);
		const char *refused = str_is(key, "customers") || ignored_enough(c)
		    ? NULL : ignored_add(c, key);

		if (refused)
			call_field(c, refused, ignored_fault);
	}
}

static enum err
read_items(struct call *c, struct batch *batch)
{
	const struct jdoc  *doc = batch->doc;
	const struct jnode *array = jread_member(doc, doc->nodes, STR("customers"));
	const char         *fault = array_fault(array);
	struct item        *item;
	bool                presentable = true;
	enum err            e;

	ignore_others(c, doc);
	if (fault)
		call_field(c, "customers", fault);
	if ((e = call_fields_done(c)) != ERR_OK)
		return e;
	batch->count = array->size;
	batch->items = item = ARENA_NEW(c->arena, struct item, array->size);
	for (const struct jnode *n = jread_first(doc, array); n; n = jread_next(doc, n), item++) {
		item->index = (size_t)(item - batch->items);
		read_item(c, batch, n, item);
		presentable = presentable && (batch->atomic ? item->faults.count == 0
		    : takes_anything(batch) || is_presentable(doc, item));
	}
	/* If one item cannot be in "failed", or must not be, the whole request is refused. */
	for (size_t i = 0; i < batch->count && !presentable; i++)
		report_faults(c, &batch->items[i]);
	return call_fields_done(c);
}

/* Picks the customers that are to be stored. */
static void
choose(struct call *c, struct batch *batch)
{
	fold(c, batch);
	batch->customers = ARENA_NEW(c->arena, struct customer, batch->count);
	for (size_t i = 0; i < batch->count; i++) {
		struct item *item = &batch->items[i];

		if (item->faults.count)
			continue;
		if (item->first != item) {
			if (batch->updates)
				item->adds = customer_overlay(&item->customer,
				    &batch->customers[item->first->stored]);
			continue;
		}
		item->stored = batch->stored;
		batch->customers[batch->stored++] = item->customer;
	}
}

/* ---- what has become of an item ---- */

/* The later items for one customer change one that the first of them created. */
static struct str
result_of(const struct batch *batch, const struct item *item)
{
	const struct customer *customer = &batch->customers[item->first->stored];

	if (!customer->existing && item->first == item)
		return STR("created");
	return (customer->existing ? customer->changed : item->adds)
	    ? STR("updated") : STR("existing");
}

/* ---- answering with two lists ---- */

struct stored_item {
	struct call    *call;
	struct customer customer;
	size_t          index;
	struct str      status;
};

static void
write_stored(struct printbuf *out, const void *what)
{
	const struct stored_item *s = what;
	char                      number[STR_NUM_BYTES];

	jout_open(out);
	field_write_members(out, s->call, &customer_fields, &s->customer, shape_of(s->call)->view);
	jout_key(out, JOUT_KEY("index"));
	jout_raw(out, str_num(number, s->index));
	jout_key(out, JOUT_KEY("status"));
	jout_str(out, s->status);
	jout_close(out);
}

static struct json_object *
stored_item(struct call *c, const struct batch *batch, const struct item *item)
{
	struct stored_item *s = ARENA_NEW(c->arena, struct stored_item, 1);

	*s = (struct stored_item) { c, batch->customers[item->first->stored], item->index,
		result_of(batch, item) };
	return jwrite_custom(write_stored, s);
}

static struct json_object *
failed_item(struct call *c, const struct batch *batch, const struct item *item)
{
	const struct problem_detail *fault = &item->faults.fault[0];
	struct json_object          *failed = jwrite_object();
	struct str                   error;

	jwrite_put(failed, "index", jwrite_int((int64_t)item->index));
	error = arena_fmt(c->arena, "%s: %s", fault->field, fault->message);
	jwrite_put(failed, "error", jwrite_str(error));
	jwrite_put(failed, "code", jwrite_str(str_of(err_info(ERR_VALIDATION)->code)));
	jwrite_put(failed, "param", jwrite_str(str_of(fault->field)));
	if (batch->echo)
		jwrite_put(failed, "data", jwrite_raw(jread_raw(batch->doc, item->node)));
	return failed;
}

/* ---- answering each item, as Prefer: return=each asks for, and as a trial does ---- */

static struct json_object *
refused_item(struct call *c, struct item *item)
{
	struct problem problem = {
		.code = ERR_VALIDATION,
		.param = item->faults.fault[0].field,
		.details = item->faults.count,
		.detail = item->faults.fault,
	};

	problem.message = arena_fmt(c->arena, "%s: %s", problem.param,
	    problem.detail[0].message).ptr;
	return reply_problem(c, &problem);
}

static struct json_object *
each_item(struct call *c, const struct batch *batch, struct item *item)
{
	struct json_object *result = jwrite_object();
	struct customer    *customer;
	int64_t             status = err_info(ERR_VALIDATION)->status;

	jwrite_put(result, "index", jwrite_int((int64_t)item->index));
	if (item->faults.count) {
		jwrite_put(result, "status", jwrite_int(status));
		jwrite_put(result, "error", refused_item(c, item));
		return result;
	}
	customer = &batch->customers[item->first->stored];
	status = customer->existing || item->first != item ? 200 : 201;
	jwrite_put(result, "status", jwrite_int(status));
	if (batch->updates)
		jwrite_put(result, "result", jwrite_str(result_of(batch, item)));
	if (batch->trial && !customer->existing)
		return result; /* there is none */
	jwrite_put(result, "customer", field_write(c, &customer_fields, customer, CUSTOMER_PLAIN));
	return result;
}

static enum err
reply_each(struct call *c, const struct batch *batch)
{
	struct json_object *body = jwrite_object(), *results = jwrite_array();

	for (size_t i = 0; i < batch->count; i++)
		jwrite_push(results, each_item(c, batch, &batch->items[i]));
	jwrite_put(body, "object", jwrite_str(STR("customer_batch_results")));
	jwrite_put(body, "livemode", jwrite_bool(c->tenant.livemode));
	if (batch->trial)
		jwrite_put(body, "dryRun", jwrite_bool(true));
	jwrite_put(body, "results", results);
	return reply_one(c, 200, body);
}

/* Once for all, if one of the stored customers has such an id. */
static void
warn_of_ids(struct call *c, const struct batch *batch)
{
	size_t i = 0;

	while (i < batch->stored && !warn_of_id(c, batch->customers[i].external_id))
		i++;
}

static void
tell_whom(struct call *c, const struct batch *batch)
{
	struct id *ids = ARENA_NEW(c->arena, struct id, batch->stored + 1);

	for (size_t i = 0; i < batch->stored; i++)
		ids[i] = batch->customers[i].id;
	idem_about(c, ids, batch->stored);
}

static enum err
reply_batch(struct call *c, void *with)
{
	const struct batch *batch = with;
	struct json_object *body, *successful, *failed;

	warn_of_ids(c, batch);
	tell_whom(c, batch);
	if (batch->each || batch->trial)
		return reply_each(c, batch);
	body = jwrite_object();
	successful = jwrite_array();
	failed = jwrite_array();
	for (size_t i = 0; i < batch->count; i++) {
		const struct item *item = &batch->items[i];

		if (item->faults.count)
			jwrite_push(failed, failed_item(c, batch, item));
		else
			jwrite_push(successful, stored_item(c, batch, item));
	}
	jwrite_put(body, "successful", successful);
	jwrite_put(body, "failed", failed);
	jwrite_put(body, "object", jwrite_str(shape_of(c)->object));
	jwrite_put(body, "livemode", jwrite_bool(c->tenant.livemode));
	return reply_one(c, 200, body);
}

enum err
customer_batch(struct call *c)
{
	struct batch batch = { .each = c->prefer & PREFER_EACH, .echo = true };
	enum err     e;

	c->applied |= c->prefer & PREFER_EACH;
	page_filter(c, &batch);
	if ((e = call_fields_done(c)) != ERR_OK)
		return e;
	if ((e = body_object(c, BODY_REQUIRED, &batch.doc)) != ERR_OK)
		return e;
	if ((e = read_items(c, &batch)) != ERR_OK)
		return e;
	choose(c, &batch);
	if (batch.trial)
		return customer_look_many(c, batch.customers, batch.stored, batch.updates,
		    reply_batch, &batch);
	/* A batch without a valid item still uses up its idempotency key. */
	if (batch.stored == 0 && !c->idem.key.ptr)
		return reply_batch(c, &batch);
	return customer_create_many(c, batch.customers, batch.stored, batch.updates, reply_batch,
	    &batch);
}
