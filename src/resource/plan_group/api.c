/* The plan group calls, and the resource's descriptor. */
#include "base/clock.h"
#include "resource/plan_group/plan_group.h"

static enum err
reply_created(struct write *w, void *group)
{
	field_location(w->call, &group_fields, group);
	return field_reply(w->call, 201, &group_fields, group, GROUP_PLAIN);
}

static enum err
create(struct call *c)
{
	/* Nothing can be in the way. */
	static const struct answers answers = { .expect = reply_created, .make = reply_created };
	struct plan_group *group = ARENA_NEW(c->arena, struct plan_group, 1);
	struct write       w;
	struct bind       *b;
	enum err           e;

	if ((e = field_read_body(c, &group_fields, FIELD_CREATE, group)) != ERR_OK)
		return e;
	group->id = id_new();
	group->created_ms = group->updated_ms = clock_wall_ms();
	write_begin(&w, c);
	b = write_step(&w, SQL_PLAN_GROUP_CREATE);
	bind_id(b, &group->id);
	bind_text(b, group->name);
	bind_text(b, group->description);
	bind_bool(b, group->is_public);
	bind_time(b, group->created_ms);
	return write_run(&w, &answers, group);
}

static enum err
get(struct call *c)
{
	struct tx tx;

	bind_id(call_read(c, &tx, SQL_PLAN_GROUP_GET), stored_id(c, &group_fields, 0));
	return stored_get(c, &group_fields, &tx, GROUP_DETAILED);
}

static enum err
list(struct call *c)
{
	return stored_list(c, &group_fields, SQL_PLAN_GROUP_LIST, GROUP_PLAIN);
}

static enum err
reply_updated(struct write *w, void *what UNUSED)
{
	return stored_returned(w, 0, 200, &group_fields, GROUP_PLAIN);
}

static enum err
update(struct call *c)
{
	static const struct answers answers = { .make = reply_updated };
	struct plan_group *change = ARENA_NEW(c->arena, struct plan_group, 1);
	struct write       w;
	struct bind       *b;
	enum err           e = field_read_body(c, &group_fields, FIELD_UPDATE, change);

	if (e != ERR_OK)
		return e;
	write_begin(&w, c);
	b = write_step(&w, change->given ? SQL_PLAN_GROUP_UPDATE : SQL_PLAN_GROUP_GET);
	bind_id(b, stored_id(c, &group_fields, 0));
	if (change->given) {
		bind_i64(b, change->given);
		bind_text(b, change->name);
		bind_text(b, change->description);
		bind_bool(b, change->is_public);
		bind_time(b, clock_wall_ms());
	}
	return write_run(&w, &answers, NULL);
}

static enum err
reply_deleted(struct write *w, void *what)
{
	if (write_rows(w, 1) == 0)
		return stored_missing(w->call, &group_fields);
	return field_reply(w->call, 200, &group_fields, what, GROUP_DELETED);
}

static enum err
delete(struct call *c)
{
	static const struct answers answers = { .make = reply_deleted };
	struct plan_group *group = ARENA_NEW(c->arena, struct plan_group, 1);
	struct write       w;
	struct bind       *b;

	if (!id_parse(group_fields.prefix, c->param[0], &group->id))
		return stored_missing(c, &group_fields);
	write_begin(&w, c);
	w.tx.again = true; /* deleting twice does no harm */
	bind_id(write_step(&w, SQL_PLAN_GROUP_LOCK), &group->id);
	b = write_step(&w, SQL_PLAN_GROUP_DELETE);
	bind_id(b, &group->id);
	bind_time(b, clock_wall_ms());
	return write_run(&w, &answers, group);
}

static const struct route routes[] = {
	{ METHOD_GET,    "plan-groups",                     ROUTE_LIST,   V_FIRST, list },
	{ METHOD_POST,   "plan-groups",                     ROUTE_WRITES, V_FIRST, create },
	{ METHOD_GET,    "plan-groups/{id}",                0,            V_FIRST, get },
	{ METHOD_PUT,    "plan-groups/{id}",                ROUTE_WRITES, V_FIRST, update },
	{ METHOD_PATCH,  "plan-groups/{id}",                ROUTE_WRITES, V_FIRST, update },
	{ METHOD_DELETE, "plan-groups/{id}",                0,            V_FIRST, delete },
	{ METHOD_POST,   "plan-groups/{id}/plans",          ROUTE_WRITES, V_FIRST, member_add },
	{ METHOD_PUT,    "plan-groups/{id}/plans/reorder",  ROUTE_WRITES, V_FIRST, member_reorder },
	{ METHOD_PATCH,  "plan-groups/{id}/plans/reorder",  ROUTE_WRITES, V_FIRST, member_reorder },
	{ METHOD_DELETE, "plan-groups/{id}/plans/{planId}", 0,            V_FIRST, member_remove },
};

extern const struct resource plan_group_resource;
const struct resource plan_group_resource = {
	.name = "plan_group",
	.routes = routes,
	.routes_count = COUNTOF(routes),
};
