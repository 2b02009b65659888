/* The customer calls (contract section 3), and the resource's descriptor. */
#include "base/utf8.h"
#include "call/idem.h"
#include "call/reply.h"
#include "call/revision.h"
#include "resource/customer/alias.h"
#include "resource/customer/batch.h"
#include "resource/customer/duplicates.h"
#include "resource/customer/held.h"
#include "resource/customer/life.h"
#include "resource/customer/file.h"
#include "resource/customer/history.h"
#include "resource/customer/import_job.h"
#include "resource/customer/store.h"
#include "resource/customer/warn.h"

static enum err
reply_created(struct call *c, const struct customer *customer)
{
	struct str result = customer->existing ? STR("existing") : STR("created");
	int        status = customer->existing ? 200 : 201;

	response_header(c->res, "Clientele-Result", result);
	if (!customer->existing)
		field_location(c, &customer_fields, customer);
	revision_tag(c, &customer_fields, customer, STR_NONE);
	warn_of_id(c, customer->external_id);
	idem_about(c, &customer->id, 1);
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
	struct str       as_of = STR_NONE;
	enum err         e;

	if (c->query.count && c->version >= V_2026_08_27
	    && (!call_parameter(c, "asOf", &as_of) || as_of.ptr))
		return customer_as_of(c, as_of);
	if ((e = customer_find(c, c->param[0], customer)) != ERR_OK)
		return e;
	if (!revision_matches(c, &customer_fields, customer))
		return revision_refuse(c);
	alias_note(c, c->param[0], customer);
	revision_tag(c, &customer_fields, customer, customer->beside);
	if (revision_is_known(c))
		return reply_not_modified(c);
	return field_reply(c, 200, &customer_fields, customer, CUSTOMER_DETAILED);
}

static enum err
update(struct call *c)
{
	struct customer change = customer_defaults;
	enum err        e;

	if (c->merges)
		return customer_merge(c, c->param[0]);
	e = field_read_body(c, &customer_fields, FIELD_UPDATE, &change);
	return e != ERR_OK ? e : customer_update(c, c->param[0], &change);
}

/* ---- list ---- */

static void
read_external_id(struct call *c UNUSED, struct str value, void *into)
{
	struct customer_filter *f = into;

	f->external_id = value;
}

/* What clients before 2026-06-07 call the filter; they send either id. */
static void
read_customer_id(struct call *c UNUSED, struct str value, void *into)
{
	struct customer_filter *f = into;

	f->customer_id = value;
}

/* Both spellings, as everywhere. */
static void
read_email(struct call *c, struct str value, void *into)
{
	struct customer_filter *f = into;

	if (f->email.ptr && !str_eq(f->email, value))
		call_field(c, "email", "is given twice with different values");
	f->email = value;
}

static void
read_search(struct call *c, struct str value, void *into)
{
	struct customer_filter *f = into;

	f->search = value;
	if (utf8_exceeds(value, CUSTOMER_SEARCH_MAX_CHARS))
		call_field(c, "search", "must have at most 200 characters");
}

static void
read_is_active(struct call *c, struct str value, void *into)
{
	struct customer_filter *f = into;

	f->by_active = true;
	page_flag(c, "isActive", value, &f->active);
}

static void
read_archived(struct call *c, struct str value, void *into)
{
	struct customer_filter *f = into;

	if (str_is(value, "all"))
		f->kept = CUSTOMER_EITHER;
	else if (str_is(value, "true"))
		f->kept = CUSTOMER_ARCHIVED;
	else if (!str_is(value, "false"))
		call_field(c, "archived", "must be true, false or all");
}

/* In upper or lower case. */
static void
read_any_email(struct call *c, struct str value, void *into)
{
	read_email(c, value, into);
	find_email(&((struct customer_filter *)into)->find, value);
}

#define FIND_FILTER(what) \
	static void \
	read_##what(struct call *c, struct str value, void *into) \
	{ \
		find_##what(c, value, &((struct customer_filter *)into)->find); \
	}

FIND_FILTER(created_after)
FIND_FILTER(created_before)
FIND_FILTER(updated_after)
FIND_FILTER(status)
FIND_FILTER(plan)
FIND_FILTER(q)
FIND_FILTER(sort)
FIND_FILTER(count)

static void
read_metadata(struct call *c, struct str key, struct str value, void *into)
{
	find_metadata(c, key, value, &((struct customer_filter *)into)->find);
}

static const struct list_filter filters[] = {
	{ "externalId",    read_external_id,    V_FIRST,      V_ENDLESS },
	{ "customerId",    read_customer_id,    V_FIRST,      V_2026_06_07 },
	{ "email",         read_email,          V_FIRST,      V_2026_08_27 },
	{ "billingEmail",  read_email,          V_FIRST,      V_2026_08_27 },
	{ "email",         read_any_email,      V_2026_08_27, V_ENDLESS },
	{ "billingEmail",  read_any_email,      V_2026_08_27, V_ENDLESS },
	{ "search",        read_search,         V_FIRST,      V_2026_06_07 },
	{ "isActive",      read_is_active,      V_LEGACY,     V_2026_05_12 },
	{ "archived",      read_archived,       V_2026_08_27, V_ENDLESS },
	{ "createdAfter",  read_created_after,  V_2026_08_27, V_ENDLESS },
	{ "createdBefore", read_created_before, V_2026_08_27, V_ENDLESS },
	{ "updatedAfter",  read_updated_after,  V_2026_08_27, V_ENDLESS },
	{ "subscriptionStatus", read_status,    V_2026_08_27, V_ENDLESS },
	{ "planCode",      read_plan,           V_2026_08_27, V_ENDLESS },
	{ "q",             read_q,              V_2026_08_27, V_ENDLESS },
	{ "sort",          read_sort,           V_2026_08_27, V_ENDLESS },
	{ "count",         read_count,          V_2026_08_27, V_ENDLESS },
};

static const struct keyed_filter keyed[] = {
	{ "metadata", read_metadata, V_2026_08_27, V_ENDLESS },
};

static enum err
list(struct call *c)
{
	static const bool  no = false, yes = true;
	static const bool *const archived[CUSTOMER_KEPT__COUNT] = {
		[CUSTOMER_LISTED] = &no, [CUSTOMER_ARCHIVED] = &yes, [CUSTOMER_EITHER] = NULL,
	};
	struct customer_filter filter = { .by_active = false };
	struct tx              tx;
	enum err               e;

	page_filter(c, &filter);
	filter.find.external_id = filter.external_id;
	filter.find.archived = archived[filter.kept];
	if (filter.find.asked) {
		e = find_page(c, &filter.find);
	} else {
		page_read(c, &filter.page);
		if ((e = call_fields_done(c)) != ERR_OK)
			return e;
		if ((e = customer_list(c, &filter, &tx)) != ERR_OK)
			return e;
		e = stored_page(c, &customer_fields, &tx, &filter.page, CUSTOMER_PLAIN);
	}
	return e != ERR_OK ? e : find_add_count(c, &filter.find);
}

/* ---- the descriptor ---- */

static const struct route routes[] = {
	{ METHOD_POST,  "customers",       ROUTE_WRITES,                 V_FIRST, create },
	{ METHOD_GET,   "customers",       ROUTE_LIST,                   V_FIRST, list },
	{ METHOD_POST,  "customers/batch", ROUTE_WRITES | ROUTE_OPTIONS, V_FIRST, customer_batch },
	{ METHOD_GET,   "customers/export", ROUTE_FILE,              V_2026_08_27,
	    customer_export },
	{ METHOD_GET,   "customers/duplicates", ROUTE_GROUPS,        V_2026_08_27,
	    customer_duplicates },
	{ METHOD_GET,   "customers/{id}",  ROUTE_SLASHES | ROUTE_AS_OF | ROUTE_REVISED,
	    V_FIRST, get },
	/* An id with a slash must be escaped: nobody is erased by a path that has more to it. */
	{ METHOD_DELETE, "customers/{id}", ROUTE_WRITES | ROUTE_REVISED, V_2026_08_27,
	    customer_erase },
	{ METHOD_GET,   "customers/{id}/export",  0,            V_2026_08_27, customer_held },
	{ METHOD_GET,   "customers/{id}/history", ROUTE_EVENTS, V_2026_08_27, customer_history },
	{ METHOD_POST,  "customers/{id}/archive", ROUTE_WRITES | ROUTE_REVISED, V_2026_08_27,
	    customer_archive },
	{ METHOD_POST,  "customers/{id}/restore", ROUTE_WRITES | ROUTE_REVISED, V_2026_08_27,
	    customer_restore },
	{ METHOD_POST,  "customers/{id}/merge",   ROUTE_WRITES | ROUTE_REVISED, V_2026_08_27,
	    alias_merge },
	{ METHOD_POST,  "imports",         ROUTE_WRITES | ROUTE_UPLOAD | ROUTE_RULES,
	    V_2026_08_27, import_job_create },
	{ METHOD_GET,   "imports",         ROUTE_EVENTS,             V_2026_08_27,
	    import_job_list },
	{ METHOD_GET,   "imports/{id}",    0,                        V_2026_08_27,
	    import_job_get },
	{ METHOD_PUT,   "imports/{id}/parts/{number}", ROUTE_WRITES | ROUTE_UPLOAD,
	    V_2026_08_27, import_job_part },
	{ METHOD_POST,  "imports/{id}/start",   ROUTE_WRITES,        V_2026_08_27,
	    import_job_start },
	{ METHOD_POST,  "imports/{id}/cancel",  ROUTE_WRITES,        V_2026_08_27,
	    import_job_cancel },
	{ METHOD_GET,   "imports/{id}/results", ROUTE_RESULTS,       V_2026_08_27,
	    import_job_results },
	{ METHOD_POST,  "customers/{id}/unmerge", ROUTE_WRITES | ROUTE_REVISED, V_2026_08_27,
	    alias_unmerge },
	{ METHOD_PUT,   "customers/{id}",  ROUTE_WRITES | ROUTE_SLASHES | ROUTE_REVISED,
	    V_FIRST, update },
	{ METHOD_PATCH, "customers/{id}",  ROUTE_WRITES | ROUTE_SLASHES | ROUTE_REVISED,
	    V_FIRST, update },
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
	.filters = filters,
	.filters_count = COUNTOF(filters),
	.options = customer_batch_options,
	.options_count = CUSTOMER_BATCH_OPTIONS,
	.keyed = keyed,
	.keyed_count = COUNTOF(keyed),
};
