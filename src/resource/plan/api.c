/* The plan calls, and the resource's descriptor. */
#include "base/clock.h"
#include "resource/plan/plan.h"

#define FIELD_STRUCT struct plan

/* $2 to $12 of plan_create. */
static const struct member created[] = {
	FIELD_KEPT(UUID, id),
	FIELD_KEPT(TEXT, code),
	FIELD_KEPT(TEXT, name),
	FIELD_KEPT(TEXT, description),
	FIELD_KEPT(TEXT, consumption_model),
	FIELD_KEPT(BOOL, is_public),
	FIELD_KEPT(BOOL, is_free),
	FIELD_CELL(BOOL, block_on_exhaustion),
	FIELD_KEPT(UUID, group_id),
	FIELD_KEPT(JSON, metadata),
	FIELD_KEPT(TIME, created_ms),
};

/* $5 to $13 of plan_update, in the order of enum member_of_plan. */
static const struct member updated[] = {
	[MEMBER_CODE] = FIELD_KEPT(TEXT, code),
	[MEMBER_NAME] = FIELD_KEPT(TEXT, name),
	[MEMBER_DESCRIPTION] = FIELD_KEPT(TEXT, description),
	[MEMBER_CONSUMPTION_MODEL] = FIELD_KEPT(TEXT, consumption_model),
	[MEMBER_IS_PUBLIC] = FIELD_KEPT(BOOL, is_public),
	[MEMBER_IS_FREE] = FIELD_KEPT(BOOL, is_free),
	[MEMBER_BLOCK_ON_EXHAUSTION] = FIELD_CELL(BOOL, block_on_exhaustion),
	[MEMBER_METADATA] = FIELD_KEPT(JSON, metadata),
	[MEMBER_GROUP] = FIELD_KEPT(UUID, group_id),
};

enum { NONE = -1 };

static bool
gives(const struct plan *plan, enum member_of_plan member)
{
	return plan->given & 1u << member;
}

/* ---- groups ---- */

static enum err
no_group(struct call *c)
{
	return call_fail(c, ERR_PLAN_GROUP_NOT_FOUND, "planGroupId",
	    "There is no plan group with this id.");
}

/* Reads the group that a request names. */
static enum err
read_group(struct call *c, struct plan *plan)
{
	/* Bound as a parameter, the nil id would be no group at all. */
	bool is_id = gives(plan, MEMBER_GROUP)
	    && id_parse(STR("pgp_"), plan->group, &plan->group_id) && !id_is_nil(&plan->group_id);

	return gives(plan, MEMBER_GROUP) && !is_id ? no_group(c) : ERR_OK;
}

static void
lock_group(struct write *w, const struct plan *plan)
{
	if (gives(plan, MEMBER_GROUP))
		bind_id(write_step(w, SQL_PLAN_GROUP_LOCK), &plan->group_id);
}

/* Why a plan is not in the group that was locked in that step. */
static enum err
refuse_group(struct write *w, size_t step)
{
	struct row row;

	if (write_rows(w, step) == 0)
		return no_group(w->call);
	row = write_row(w, step, 0);
	if (!row_bool(&row, COL_PLAN_GROUP_LOCK_LIVE))
		return no_group(w->call);
	return call_fail(w->call, ERR_CONFLICT, "planGroupId",
	    "The group has 100 plans, as many as it may have.");
}

/* ---- creating ---- */

static enum err
reply_created(struct write *w, void *plan)
{
	field_location(w->call, &plan_fields, plan);
	return field_reply(w->call, 201, &plan_fields, plan, PLAN_SHOWN);
}

/* Steps of a create in a group. */
enum { CREATE_LOCK, CREATE_INSERT };

static enum err
reply_grouped(struct write *w, void *what UNUSED)
{
	return write_rows(w, CREATE_INSERT)
	    ? stored_returned(w, CREATE_INSERT, 201, &plan_fields, PLAN_SHOWN)
	    : refuse_group(w, CREATE_LOCK);
}

static enum err
create(struct call *c)
{
	/* Without a group only the constraint can be in the way: the answer is known beforehand. */
	static const struct answers alone = { .expect = reply_created, .make = reply_created };
	static const struct answers grouped = { .make = reply_grouped };
	struct plan *plan = ARENA_NEW(c->arena, struct plan, 1);
	struct write w;
	struct bind *b;
	enum err     e;

	*plan = plan_defaults;
	if ((e = field_read_body(c, &plan_fields, FIELD_CREATE, plan)) != ERR_OK
	    || (e = read_group(c, plan)) != ERR_OK)
		return e;
	plan->id = id_new();
	plan->created_ms = plan->updated_ms = clock_wall_ms();
	write_begin(&w, c);
	lock_group(&w, plan);
	b = write_step(&w, SQL_PLAN_CREATE);
	for (size_t i = 0; i < COUNTOF(created); i++)
		member_bind(b, &created[i], plan);
	return write_run(&w, gives(plan, MEMBER_GROUP) ? &grouped : &alone, plan);
}

/* ---- reading ---- */

static enum err
get(struct call *c)
{
	struct tx tx;

	stored_bind_ref(call_read(c, &tx, SQL_PLAN_GET), &plan_fields, c->param[0]);
	return stored_get(c, &plan_fields, &tx, PLAN_SHOWN);
}

struct filter {
	struct page page;
	bool        private;
};

static void
read_private(struct call *c, struct str value, void *into)
{
	page_flag(c, "includePrivate", value, &((struct filter *)into)->private);
}

static const struct list_filter filters[] = {
	{ "includePrivate", read_private, V_FIRST, V_ENDLESS },
};

static enum err
list(struct call *c)
{
	struct filter filter = { .private = false };
	struct tx     tx;
	enum err      e;

	page_read(c, &filter.page);
	page_filter(c, &filter);
	if ((e = call_fields_done(c)) != ERR_OK)
		return e;
	stored_ask(c, &tx, filter.private ? SQL_PLAN_LIST : SQL_PLAN_LIST_PUBLIC, &filter.page);
	return stored_page(c, &plan_fields, &tx, &filter.page, PLAN_SHOWN);
}

/* ---- updating ---- */

struct update {
	struct plan *change;
	unsigned     view;
	/* Steps, or NONE. */
	int          group, plan, update;
};

/* Why the plan that is there was not changed. */
static enum err
refuse_update(struct write *w, const struct update *u)
{
	struct row row;

	if (u->group != NONE) {
		if (write_rows(w, (size_t)u->group) == 0)
			return refuse_group(w, (size_t)u->group);
		row = write_row(w, (size_t)u->group, 0);
		if (!row_bool(&row, COL_PLAN_GROUP_LOCK_LIVE)
		    || !row_bool(&row, COL_PLAN_GROUP_LOCK_ROOM))
			return refuse_group(w, (size_t)u->group);
	}
	return call_fail(w->call, ERR_CONFLICT, "isFree",
	    "A free plan has no price: delete those of this one first.");
}

static enum err
reply_updated(struct write *w, void *what)
{
	const struct update *u = what;

	if (write_rows(w, (size_t)u->update))
		return stored_returned(w, (size_t)u->update, 200, &plan_fields, u->view);
	if (u->plan == NONE || write_rows(w, (size_t)u->plan) == 0)
		return stored_missing(w->call, &plan_fields);
	return refuse_update(w, u);
}

/* Sets what 'change' gives. */
static enum err
run_update(struct call *c, struct plan *change, unsigned view)
{
	static const struct answers answers = { .make = reply_updated };
	struct update u = { change, view, NONE, NONE, 0 };
	struct write  w;
	struct bind  *b;

	write_begin(&w, c);
	if (gives(change, MEMBER_GROUP))
		u.group = u.update++;
	lock_group(&w, change);
	if (gives(change, MEMBER_GROUP) || gives(change, MEMBER_IS_FREE)) {
		u.plan = u.update++;
		stored_bind_ref(write_step(&w, SQL_PLAN_LOCK), &plan_fields, c->param[0]);
	}
	b = write_step(&w, change->given ? SQL_PLAN_UPDATE : SQL_PLAN_GET);
	stored_bind_ref(b, &plan_fields, c->param[0]);
	if (change->given) {
		bind_i64(b, change->given);
		for (size_t i = 0; i < COUNTOF(updated); i++)
			member_bind(b, &updated[i], change);
		bind_time(b, clock_wall_ms());
	}
	return write_run(&w, &answers, &u);
}

static enum err
update(struct call *c)
{
	struct plan *change = ARENA_NEW(c->arena, struct plan, 1);
	enum err     e = field_read_body(c, &plan_fields, FIELD_UPDATE, change);

	if (e != ERR_OK || (e = read_group(c, change)) != ERR_OK)
		return e;
	return run_update(c, change, PLAN_SHOWN);
}

static enum err
set_visibility(struct call *c)
{
	static const struct field_view views[] = {
		{ V_2026_07_24, PLAN_SHOWN },
		{ V_FIRST,      PLAN_VISIBILITY },
	};
	struct plan *change = ARENA_NEW(c->arena, struct plan, 1);
	enum err     e = field_read_body(c, &visibility_fields, FIELD_CREATE, change);

	return e != ERR_OK ? e : run_update(c, change, field_view(c, views));
}

/* ---- deleting ---- */

static enum err
reply_deleted(struct write *w, void *what UNUSED)
{
	struct plan *plan = ARENA_NEW(w->call->arena, struct plan, 1);
	struct row   row;

	if (write_rows(w, 0) == 0)
		return stored_missing(w->call, &plan_fields);
	row = write_row(w, 0, 0);
	plan->id = row_id(&row, COL_PLAN_DELETE_ID);
	return field_reply(w->call, 200, &plan_fields, plan, PLAN_DELETED);
}

static enum err
delete(struct call *c)
{
	static const struct answers answers = { .make = reply_deleted };
	struct write w;
	struct bind *b;

	write_begin(&w, c);
	w.tx.again = true; /* deleting twice does no harm */
	b = write_step(&w, SQL_PLAN_DELETE);
	stored_bind_ref(b, &plan_fields, c->param[0]);
	bind_time(b, clock_wall_ms());
	return write_run(&w, &answers, NULL);
}

/* ---- the descriptor ---- */

#define PRICE "plans/{id}/prices/{priceId}"

static const struct route routes[] = {
	{ METHOD_GET,    "plans",                 ROUTE_LIST,   V_FIRST, list },
	{ METHOD_POST,   "plans",                 ROUTE_WRITES, V_FIRST, create },
	{ METHOD_POST,   "plans/manage",          ROUTE_WRITES, V_FIRST, create },
	{ METHOD_GET,    "plans/{id}",            0,            V_FIRST, get },
	{ METHOD_PUT,    "plans/{id}",            ROUTE_WRITES, V_FIRST, update },
	{ METHOD_PATCH,  "plans/{id}",            ROUTE_WRITES, V_FIRST, update },
	{ METHOD_DELETE, "plans/{id}",            0,            V_FIRST, delete },
	{ METHOD_PUT,    "plans/{id}/manage",     ROUTE_WRITES, V_FIRST, update },
	{ METHOD_PATCH,  "plans/{id}/manage",     ROUTE_WRITES, V_FIRST, update },
	{ METHOD_DELETE, "plans/{id}/manage",     0,            V_FIRST, delete },
	{ METHOD_PUT,    "plans/{id}/visibility", ROUTE_WRITES, V_FIRST, set_visibility },
	{ METHOD_PATCH,  "plans/{id}/visibility", ROUTE_WRITES, V_FIRST, set_visibility },
	{ METHOD_POST,   "plans/{id}/prices",     ROUTE_WRITES, V_FIRST, price_create },
	{ METHOD_GET,    PRICE,                   0,            V_FIRST, price_get },
	{ METHOD_PUT,    PRICE,                   ROUTE_WRITES, V_FIRST, price_update },
	{ METHOD_PATCH,  PRICE,                   ROUTE_WRITES, V_FIRST, price_update },
	{ METHOD_DELETE, PRICE,                   0,            V_FIRST, price_delete },
	{ METHOD_PUT,    PRICE "/default",        ROUTE_WRITES, V_FIRST, price_make_default },
	{ METHOD_PATCH,  PRICE "/default",        ROUTE_WRITES, V_FIRST, price_make_default },
};

static const struct constraint constraints[] = {
	{ "plan_code", ERR_DUPLICATE, "code",
	    "Another plan has this code, or one that was deleted had it." },
	{ "plan_price_interval", ERR_DUPLICATE, "billingInterval",
	    "The plan has a price for this interval already." },
};

extern const struct resource plan_resource;
const struct resource plan_resource = {
	.name = "plan",
	.routes = routes,
	.routes_count = COUNTOF(routes),
	.constraints = constraints,
	.constraints_count = COUNTOF(constraints),
	.filters = filters,
	.filters_count = COUNTOF(filters),
};
