/* The gadget calls, and the resource's descriptor. */
#include "resource/gadget/gadget.h"

static enum err
reply_created(struct write *w, void *gadget)
{
	field_location(w->call, &gadget_fields, gadget);
	return field_reply(w->call, 201, &gadget_fields, gadget, GADGET_SHOWN);
}

static enum err
create(struct call *c)
{
	/* Only the constraint can be in the way, so the answer is known beforehand. */
	static const struct answers answers = { .expect = reply_created, .make = reply_created };
	struct gadget *gadget = ARENA_NEW(c->arena, struct gadget, 1);
	struct write   w;
	enum err       e;

	gadget->size = 1;
	if ((e = field_read_body(c, &gadget_fields, FIELD_CREATE, gadget)) != ERR_OK)
		return e;
	write_begin(&w, c);
	gadget_create(&w, gadget);
	return write_run(&w, &answers, gadget);
}

static enum err
get(struct call *c)
{
	struct tx tx;

	bind_id(call_read(c, &tx, SQL_GADGET_GET), stored_id(c, &gadget_fields, 0));
	return stored_get(c, &gadget_fields, &tx, GADGET_SHOWN);
}

static enum err
list(struct call *c)
{
	return stored_list(c, &gadget_fields, SQL_GADGET_LIST, GADGET_SHOWN);
}

static enum err
reply_changed(struct write *w, void *what UNUSED)
{
	return stored_returned(w, 0, 200, &gadget_fields, GADGET_SHOWN);
}

static const struct answers changed = { .make = reply_changed };

static enum err
update(struct call *c)
{
	struct gadget *change = ARENA_NEW(c->arena, struct gadget, 1);
	struct write   w;
	enum err       e = field_read_body(c, &gadget_fields, FIELD_UPDATE, change);

	if (e != ERR_OK)
		return e;
	write_begin(&w, c);
	gadget_update(&w, stored_id(c, &gadget_fields, 0), change);
	return write_run(&w, &changed, NULL);
}

static enum err
put_part(struct call *c)
{
	struct write w;

	write_begin(&w, c);
	gadget_put_part(&w, stored_id(c, &gadget_fields, 0), stored_id(c, &gadget_fields, 1));
	return write_run(&w, &changed, NULL);
}

static const struct route routes[] = {
	{ METHOD_POST,  "gadgets",                     ROUTE_WRITES, V_2026_05_25, create },
	{ METHOD_GET,   "gadgets",                     ROUTE_LIST,   V_2026_05_25, list },
	{ METHOD_GET,   "gadgets/{id}",                0,            V_2026_05_25, get },
	{ METHOD_PATCH, "gadgets/{id}",                ROUTE_WRITES, V_2026_05_25, update },
	{ METHOD_PUT,   "gadgets/{id}/parts/{partId}", ROUTE_WRITES, V_2026_07_24, put_part },
};

static const struct constraint constraints[] = {
	{ "gadget_code", ERR_DUPLICATE, "code", "Another gadget has this code." },
};

extern const struct resource gadget_resource;
const struct resource gadget_resource = {
	.name = "gadget",
	.routes = routes,
	.routes_count = COUNTOF(routes),
	.constraints = constraints,
	.constraints_count = COUNTOF(constraints),
};
