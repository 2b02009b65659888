/* The calls below /plan-groups/{id}/plans. Each locks the group first. */
#include "base/clock.h"
#include "base/limits.h"
#include "call/body.h"
#include "call/ignored.h"
#include "resource/plan_group/plan_group.h"

/* A plan as a member of its group. */
struct group_member {
	struct id  id;         /* of the plan */
	struct str code, name;
	struct str place;      /* from a request: a cell with a number, or absent */
	int64_t    sort_order;
	struct str plan;       /* id or code, from a request */
	struct id  group_id;
	unsigned   given;
};

#define FIELD_STRUCT struct group_member

enum { MEMBER_PLAN, MEMBER_PLACE };

static const struct field_in fields_in[] = {
	{ "planId", FIELD_IN(PLAN, plan), FIELD_TEXT, FIELD_REQUIRED | FIELD_NOT_EMPTY,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "sortOrder", FIELD_IN(PLACE, place), FIELD_COUNT, FIELD_NULLABLE,
	    AMOUNT_MAX, V_FIRST, V_ENDLESS, NULL },
};

static struct str
plan_id(struct call *c, const void *what)
{
	return id_prefixed(STR("pln_"), &((const struct group_member *)what)->id,
	    ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES));
}

static struct str
group_id(struct call *c, const void *what)
{
	return id_prefixed(group_fields.prefix, &((const struct group_member *)what)->group_id,
	    ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES));
}

#define CHANGED (MEMBER_ADDED | MEMBER_REMOVED)

static const struct field_out fields_out[] = {
	{ FIELD_OURS("success", TRUE), MEMBER_ADDED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("id", MADE), MEMBER_LISTED | MEMBER_REMOVED, V_FIRST, V_ENDLESS, plan_id },
	{ FIELD_OURS("removed", TRUE), MEMBER_REMOVED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("object", OBJECT), CHANGED, V_2026_05_25, V_ENDLESS, NULL },
	{ FIELD_OURS("livemode", LIVEMODE), CHANGED, V_2026_05_25, V_ENDLESS, NULL },
	{ FIELD_OURS("planId", MADE), MEMBER_ADDED, V_FIRST, V_ENDLESS, plan_id },
	{ FIELD_OURS("planGroupId", MADE), CHANGED, V_FIRST, V_ENDLESS, group_id },
	{ FIELD_OUT("code", TEXT, code), MEMBER_LISTED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("name", TEXT, name), MEMBER_LISTED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("sortOrder", INT, sort_order), MEMBER_LISTED | MEMBER_ADDED,
	    V_FIRST, V_ENDLESS, NULL },
};

/* Of the rows in a group's cell. */
static const struct member columns[] = {
	FIELD_KEPT(UUID, id),
	FIELD_KEPT(TEXT, code),
	FIELD_KEPT(TEXT, name),
	FIELD_KEPT(I64, sort_order),
};

const struct fields group_member_fields = {
	.object = "plan_group_membership",
	.prefix = STR("pln_"),
	.missing = ERR_PLAN_NOT_FOUND,
	.missing_message = "There is no plan with this id or code.",
	FIELD_TABLES,
};

/* ---- adding and removing ---- */

/* Steps of both; the last one, which reads the group, only where it is the answer. */
enum { LOCK_GROUP, LOCK_PLAN, CHANGE, READ_GROUP };

/* Clients of the first versions make a group of the answer. */
static const struct field_view added_views[] = {
	{ V_2026_06_07, MEMBER_ADDED },
	{ V_FIRST,      GROUP_JOINED },
};

static bool
is_group_there(struct write *w)
{
	struct row row;

	if (write_rows(w, LOCK_GROUP) == 0)
		return false;
	row = write_row(w, LOCK_GROUP, 0);
	return row_bool(&row, COL_PLAN_GROUP_LOCK_LIVE);
}

static enum err
no_plan(struct call *c)
{
	const struct fields *f = &group_member_fields;

	return call_fail(c, f->missing, "planId", f->missing_message);
}

/* Fills in which plan it is. False: there is none, or no group; the problem says so. */
static bool
find_both(struct write *w, struct group_member *member, enum err *e)
{
	struct row row;

	if (!is_group_there(w)) {
		*e = stored_missing(w->call, &group_fields);
		return false;
	}
	if (write_rows(w, LOCK_PLAN) == 0) {
		*e = no_plan(w->call);
		return false;
	}
	row = write_row(w, LOCK_PLAN, 0);
	member->id = row_id(&row, COL_PLAN_LOCK_ID);
	return true;
}

static enum err
reply_added(struct write *w, void *what)
{
	struct group_member *member = what;
	struct call         *c = w->call;
	struct row           row;
	enum err             e;

	if (!find_both(w, member, &e))
		return e;
	if (write_rows(w, CHANGE) == 0) {
		row = write_row(w, LOCK_PLAN, 0);
		return call_fail(c, ERR_CONFLICT, "planId",
		    row_is_null(&row, COL_PLAN_LOCK_PLAN_GROUP_ID)
		    ? "The group has 100 plans, as many as it may have."
		    : "The plan is in another group: remove it there first.");
	}
	if (field_view(c, added_views) == GROUP_JOINED)
		return stored_returned(w, READ_GROUP, 200, &group_fields, GROUP_JOINED);
	row = write_row(w, CHANGE, 0);
	member->sort_order = row_i64(&row, COL_PLAN_GROUP_ADD_SORT_ORDER);
	return field_reply(c, 200, &group_member_fields, member, MEMBER_ADDED);
}

/* Both locks, and the statement that changes something, with the plan and the group bound. */
static struct bind *
begin(struct write *w, struct call *c, struct str plan, const struct id *group,
    enum sql_id statement)
{
	struct bind *b;

	write_begin(w, c);
	bind_id(write_step(w, SQL_PLAN_GROUP_LOCK), group);
	stored_bind_ref(write_step(w, SQL_PLAN_LOCK), &group_member_fields, plan);
	b = write_step(w, statement);
	stored_bind_ref(b, &group_member_fields, plan);
	bind_id(b, group);
	return b;
}

enum err
member_add(struct call *c)
{
	static const struct answers answers = { .make = reply_added };
	struct group_member *member = ARENA_NEW(c->arena, struct group_member, 1);
	struct write         w;
	struct bind         *b;
	enum err             e;

	e = field_read_body(c, &group_member_fields, FIELD_CREATE, member);
	if (e != ERR_OK)
		return e;
	if (!id_parse(group_fields.prefix, c->param[0], &member->group_id))
		return stored_missing(c, &group_fields);
	b = begin(&w, c, member->plan, &member->group_id, SQL_PLAN_GROUP_ADD);
	bind_text(b, member->place);
	bind_time(b, clock_wall_ms());
	if (field_view(c, added_views) == GROUP_JOINED)
		bind_id(write_step(&w, SQL_PLAN_GROUP_GET), &member->group_id);
	return write_run(&w, &answers, member);
}

static enum err
reply_removed(struct write *w, void *what)
{
	enum err e;

	return find_both(w, what, &e)
	    ? field_reply(w->call, 200, &group_member_fields, what, MEMBER_REMOVED) : e;
}

enum err
member_remove(struct call *c)
{
	static const struct answers answers = { .make = reply_removed };
	struct group_member *member = ARENA_NEW(c->arena, struct group_member, 1);
	struct write         w;
	struct bind         *b;

	if (!id_parse(group_fields.prefix, c->param[0], &member->group_id))
		return stored_missing(c, &group_fields);
	b = begin(&w, c, c->param[1], &member->group_id, SQL_PLAN_GROUP_REMOVE);
	bind_time(b, clock_wall_ms());
	w.tx.again = true; /* removing twice does no harm */
	return write_run(&w, &answers, member);
}

/* ---- the order ---- */

struct order {
	size_t     count;
	struct str ref[PLAN_GROUP_PLANS_MAX]; /* ids or codes */
};

static const char not_all[] = "must name each plan of the group once";

/* Reads {"planIds": [...]}. */
static enum err
read_order(struct call *c, struct order *order)
{
	const struct jdoc  *doc;
	const struct jnode *n, *ids;
	enum err            e = body_object(c, BODY_REQUIRED, &doc);

	if (e != ERR_OK)
		return e;
	ids = jread_member(doc, doc->nodes, STR("planIds"));
	if (!ids || ids->type == JTYPE_NULL)
		call_field(c, "planIds", "is required");
	else if (ids->type != JTYPE_ARRAY)
		call_field(c, "planIds", "must be an array");
	else if (ids->size > PLAN_GROUP_PLANS_MAX)
		call_field(c, "planIds", not_all);
	else
		for (n = jread_first(doc, ids); n; n = jread_next(doc, n)) {
			if (n->type == JTYPE_STRING)
				order->ref[order->count++] = jread_string(c->arena, doc, n);
			else
				call_field(c, arena_fmt(c->arena, "planIds.%zu",
				    order->count).ptr, "must be a string");
		}
	return call_fields_done(c);
}

/* Steps. */
enum { ORDER_LOCK, ORDER_CHANGE, ORDER_READ };

static enum err
reply_ordered(struct write *w, void *what UNUSED)
{
	if (write_rows(w, ORDER_READ) == 0)
		return stored_missing(w->call, &group_fields);
	if (write_rows(w, ORDER_CHANGE))
		return stored_returned(w, ORDER_READ, 200, &group_fields, GROUP_ORDERED);
	call_field(w->call, "planIds", not_all);
	return call_fields_done(w->call);
}

enum err
member_reorder(struct call *c)
{
	static const struct answers answers = { .make = reply_ordered };
	struct order    *order = ARENA_NEW(c->arena, struct order, 1);
	const struct id *group = stored_id(c, &group_fields, 0);
	struct str      *ids;
	struct write     w;
	struct bind     *b;
	enum err         e = read_order(c, order);

	if (e != ERR_OK)
		return e;
	ids = ARENA_NEW(c->arena, struct str, order->count);
	for (size_t i = 0; i < order->count; i++) {
		struct id *id = ARENA_NEW(c->arena, struct id, 1);

		if (id_parse(group_member_fields.prefix, order->ref[i], id))
			ids[i] = (struct str) { (const char *)id->b, ID_BYTES };
	}
	write_begin(&w, c);
	bind_id(write_step(&w, SQL_PLAN_GROUP_LOCK), group);
	b = write_step(&w, SQL_PLAN_GROUP_REORDER);
	bind_id(b, group);
	bind_array(b, BIND_UUID, ids, order->count);
	bind_array(b, BIND_TEXT, order->ref, order->count);
	bind_time(b, clock_wall_ms());
	bind_id(write_step(&w, SQL_PLAN_GROUP_GET), group);
	return write_run(&w, &answers, NULL);
}
