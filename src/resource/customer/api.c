/* The customer calls (contract section 3), and the resource's descriptor. */
#include "base/utf8.h"
#include "resource/customer/batch.h"
#include "resource/customer/store.h"

static enum err
reply_created(struct call *c, const struct customer *customer)
{
	struct str result = customer->existing ? STR("existing") : STR("created");
	int        status = customer->existing ? 200 : 201;

	response_header(c->res, "Clientele-Result", result);
	return field_reply(c, status, &customer_fields, customer, CUSTOMER_PLAIN);
}

static enum err
create(struct call *c)
{
	struct customer customer = customer_defaults;
	enum err        e = field_read_body(c, &customer_fields, FIELD_CREATE, &customer);

	return e != ERR_OK ? e : customer_create(c, &customer, reply_created);
}

static enum err
get(struct call *c)
{
	struct customer *customer = ARENA_NEW(c->arena, struct customer, 1);
	enum err         e = customer_find(c, c->param[0], customer);

	if (e != ERR_OK)
		return e;
	return field_reply(c, 200, &customer_fields, customer, CUSTOMER_DETAILED);
}

static enum err
update(struct call *c)
{
	struct customer change = customer_defaults;
	enum err        e = field_read_body(c, &customer_fields, FIELD_UPDATE, &change);

	return e != ERR_OK ? e : customer_update(c, c->param[0], &change);
}

/* ---- list ---- */

static bool
read_flag(struct str s, bool *out)
{
	*out = str_is(s, "true") || str_is(s, "1");
	return *out || str_is(s, "false") || str_is(s, "0");
}

static void
read_external_id(struct call *c UNUSED, struct str value, struct customer_filter *f)
{
	f->external_id = value;
}

static void
read_search(struct call *c, struct str value, struct customer_filter *f)
{
	f->search = value;
	if (utf8_count(value) > CUSTOMER_SEARCH_MAX_CHARS)
		call_field(c, "search", "must have at most 200 characters");
}

static void
read_is_active(struct call *c, struct str value, struct customer_filter *f)
{
	f->by_active = true;
	if (!read_flag(value, &f->active))
		call_field(c, "isActive", "must be true, false, 1 or 0");
}

/* The filters of a list. In other versions than its own a parameter is ignored. */
static const struct {
	const char *name;
	void (*read)(struct call *c, struct str value, struct customer_filter *f);
	enum version since, until;
} filters[] = {
	{ "externalId", read_external_id, V_FIRST,  V_ENDLESS },
	{ "search",     read_search,      V_FIRST,  V_2026_06_07 },
	{ "isActive",   read_is_active,   V_LEGACY, V_2026_05_12 },
};

static enum err
read_filter(struct call *c, struct customer_filter *f)
{
	*f = (struct customer_filter) { .by_active = false };
	page_read(c, &f->page);
	for (size_t i = 0; i < COUNTOF(filters); i++) {
		struct str value;

		if (version_has(c->version, filters[i].since, filters[i].until)
		    && call_parameter(c, filters[i].name, &value) && value.ptr)
			filters[i].read(c, value, f);
	}
	return call_fields_done(c);
}

static enum err
list(struct call *c)
{
	struct customer_filter filter;
	struct tx              tx;
	enum err               e = read_filter(c, &filter);

	if (e != ERR_OK)
		return e;
	customer_list(c, &filter, &tx);
	return stored_page(c, &customer_fields, &tx, &filter.page, CUSTOMER_PLAIN);
}

/* ---- the descriptor ---- */

static const struct route routes[] = {
	{ METHOD_POST,  "customers",       ROUTE_WRITES, V_FIRST, create },
	{ METHOD_GET,   "customers",       0,            V_FIRST, list },
	{ METHOD_POST,  "customers/batch", ROUTE_WRITES, V_FIRST, customer_batch },
	{ METHOD_GET,   "customers/{id}",  0,            V_FIRST, get },
	{ METHOD_PUT,   "customers/{id}",  ROUTE_WRITES, V_FIRST, update },
	{ METHOD_PATCH, "customers/{id}",  ROUTE_WRITES, V_FIRST, update },
};

static const struct constraint constraints[] = {
	{ "customer_external_id", ERR_DUPLICATE, "externalId",
	    "Another customer has this external id." },
};

extern const struct resource customer_resource;
const struct resource customer_resource = {
	.name = "customer",
	.routes = routes,
	.routes_count = COUNTOF(routes),
	.constraints = constraints,
	.constraints_count = COUNTOF(constraints),
};
