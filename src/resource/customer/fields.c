/* The fields of a customer: what each version takes and shows. */
#include "base/limits.h"
#include "resource/customer/alias.h"
#include "resource/customer/country.h"
#include "resource/customer/customer.h"

#define FIELD_STRUCT struct customer

const struct customer customer_defaults = {
	.timezone = { "UTC", 3 },
	.metadata = { "{}", 2 },
	.is_active = true,
	.revision = 1,
};

/* ---- what comes in ---- */

#define ADDRESS "address."
#define NOT_A_COUNTRY "must be a country code of ISO 3166-1 alpha-2"

static const struct field_part address_parts[] = {
	{ ADDRESS "line1", true, NULL, NULL, NULL, V_FIRST },
	{ ADDRESS "line2", false, NULL, NULL, NULL, V_FIRST },
	{ ADDRESS "city", true, NULL, NULL, NULL, V_FIRST },
	{ ADDRESS "state", false, NULL, NULL, NULL, V_FIRST },
	{ ADDRESS "postalCode", true, NULL, NULL, ADDRESS "postal_code", V_2026_05_01 },
	{ ADDRESS "country", true, country_known, NOT_A_COUNTRY, NULL, V_FIRST },
	{ ADDRESS "region", false, NULL, NULL, NULL, V_FIRST },
};

static const char *const timezone_names[] = {
	"UTC", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
	"America/Sao_Paulo", "America/Mexico_City", "America/Buenos_Aires", "America/Santiago",
	"America/Bogota", "America/Lima", "America/Asuncion", "Europe/London", "Europe/Paris",
	"Europe/Berlin", "Europe/Madrid", "Asia/Tokyo", "Asia/Shanghai", "Asia/Singapore",
	"Asia/Dubai", "Australia/Sydney",
};

static const struct field_list address = {
	.parts = address_parts,
	.count = COUNTOF(address_parts),
};

static const struct field_list timezones = {
	.names = timezone_names,
	.count = COUNTOF(timezone_names),
	.fault = "must be one of the supported time zones",
};

static const struct field_in fields_in[] = {
	{ "id", FIELD_IN(EXTERNAL_ID, external_id), FIELD_TEXT,
	    FIELD_NOT_EMPTY | FIELD_CLEARED | FIELD_IDENTIFIES, CUSTOMER_EXTERNAL_ID_MAX_CHARS,
	    V_FIRST, V_ENDLESS, NULL },
	{ "externalId", FIELD_IN(EXTERNAL_ID, external_id), FIELD_TEXT,
	    FIELD_NOT_EMPTY | FIELD_CLEARED | FIELD_IDENTIFIES, CUSTOMER_EXTERNAL_ID_MAX_CHARS,
	    V_FIRST, V_ENDLESS, NULL },
	{ "billingEmail", FIELD_IN(EMAIL, email), FIELD_EMAIL, FIELD_REQUIRED,
	    CUSTOMER_EMAIL_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "email", FIELD_IN(EMAIL, email), FIELD_EMAIL, FIELD_REQUIRED,
	    CUSTOMER_EMAIL_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	{ "fullName", FIELD_IN(FULL_NAME, full_name), FIELD_TEXT, FIELD_CLEARED,
	    CUSTOMER_NAME_MAX_CHARS, V_FIRST, V_ENDLESS, NULL },
	/* What the first clients call it. */
	{ "legalName", FIELD_IN(FULL_NAME, full_name), FIELD_TEXT, FIELD_CLEARED | FIELD_FALLBACK,
	    CUSTOMER_NAME_MAX_CHARS, V_LEGACY, V_2026_05_01, NULL },
	{ "displayName", FIELD_IN(FULL_NAME, full_name), FIELD_TEXT, FIELD_CLEARED | FIELD_FALLBACK,
	    CUSTOMER_NAME_MAX_CHARS, V_LEGACY, V_2026_05_01, NULL },
	{ "taxDocument", FIELD_IN(TAX_DOCUMENT, tax_document), FIELD_TEXT, FIELD_CLEARED,
	    CUSTOMER_TAX_DOCUMENT_MAX_CHARS, V_2026_06_23, V_ENDLESS, NULL },
	{ "address", FIELD_IN(ADDRESS, address), FIELD_OBJECT, FIELD_CLEARED,
	    CUSTOMER_ADDRESS_MAX_CHARS, V_FIRST, V_ENDLESS, &address },
	{ "addressId", FIELD_IN(ADDRESS_ID, address_id), FIELD_UUID, FIELD_CREATE_ONLY,
	    0, V_2026_06_07, V_ENDLESS, NULL },
	{ "timezone", FIELD_IN(TIMEZONE, timezone), FIELD_CHOICE, 0,
	    0, V_FIRST, V_ENDLESS, &timezones },
	/* One old client sends an empty object with every update. */
	{ "metadata", FIELD_IN(METADATA, metadata), FIELD_METADATA, FIELD_LEGACY_EMPTY,
	    0, V_FIRST, V_ENDLESS, NULL },
	{ "isActive", FIELD_IN(IS_ACTIVE, is_active), FIELD_BOOL, 0,
	    0, V_LEGACY, V_2026_05_12, NULL },
};

static const struct field_in merge_in[] = {
	{ "from", 0, offsetof(struct alias_asked, from), FIELD_TEXT,
	    FIELD_NOT_EMPTY | FIELD_IDENTIFIES, CUSTOMER_EXTERNAL_ID_MAX_CHARS, V_2026_08_27,
	    V_ENDLESS, NULL },
};

/* ---- what goes out ---- */

static struct str
document_type(struct call *c, const void *what)
{
	static const struct jlimits limits = { 1, COUNTOF(address_parts) + 1 };
	const struct customer      *customer = what;
	struct jread_error          why;
	struct jdoc                 doc;
	const struct jnode         *n;

	if (customer->tax_document.len == 0)
		return STR_NONE;
	if (!customer->address.ptr || !jread_parse(c->arena, customer->address, &limits, &doc, &why)
	    || !(n = jread_member(&doc, doc.nodes, STR("country"))))
		return country_document(STR(""), customer->tax_document);
	return country_document(jread_string(c->arena, &doc, n), customer->tax_document);
}

static struct str
live_id(struct call *c, const void *what)
{
	const struct customer *customer = what;

	return id_prefixed(STR("sub_"), &customer->live.id,
	    ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES));
}

static struct str
live_plan_id(struct call *c, const void *what)
{
	const struct customer *customer = what;

	return id_prefixed(STR("pln_"), &customer->live.plan_id,
	    ARENA_NEW(c->arena, char, ID_PREFIXED_BYTES));
}

static bool
has_none(const struct call *c UNUSED, const void *what)
{
	const struct customer *customer = what;

	return id_is_nil(&customer->live.id);
}

static const struct field_out live_out[] = {
	{ FIELD_OURS("id", MADE), CUSTOMER_DETAILED, V_FIRST, V_ENDLESS, live_id },
	{ FIELD_OUT("status", TEXT, live.status), CUSTOMER_DETAILED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("planId", MADE), CUSTOMER_DETAILED, V_FIRST, V_ENDLESS, live_plan_id },
	{ FIELD_OUT("planCode", TEXT, live.plan_code), CUSTOMER_DETAILED,
	    V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("planName", TEXT, live.plan_name), CUSTOMER_DETAILED,
	    V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("currentPeriodEnd", TIME, live.period_end_ms), CUSTOMER_DETAILED,
	    V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("cancelAtPeriodEnd", BOOL, live.cancels), CUSTOMER_DETAILED,
	    V_FIRST, V_ENDLESS, NULL },
};

enum { PART_LIVE, PART__COUNT };

static const struct fields *const parts[PART__COUNT] = {
	[PART_LIVE] = &(const struct fields) {
		.out = live_out, .out_count = COUNTOF(live_out), .hides = has_none,
	},
};

#define WIDE (CUSTOMER_PLAIN | CUSTOMER_DETAILED | CUSTOMER_PAST)
#define OWNED (WIDE | CUSTOMER_ERASED)

static const struct field_out fields_out[] = {
	{ FIELD_OUT("id", ID, id), CUSTOMER_ALL | CUSTOMER_ERASED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("deleted", TRUE), CUSTOMER_ERASED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OURS("object", OBJECT), OWNED, V_2026_05_25, V_ENDLESS, NULL },
	{ FIELD_OURS("livemode", LIVEMODE), OWNED, V_2026_05_25, V_ENDLESS, NULL },
	{ FIELD_OURS("organizationId", ORGANIZATION), WIDE, V_FIRST, V_2026_06_07, NULL },
	{ FIELD_OUT("externalId", TEXT, external_id), CUSTOMER_ALL, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("fullName", TEXT, full_name), WIDE, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("billingEmail", TEXT, email), CUSTOMER_ALL, V_FIRST, V_2026_06_07, NULL },
	{ FIELD_OUT("email", TEXT, email), CUSTOMER_ALL, V_2026_06_07, V_ENDLESS, NULL },
	{ FIELD_OUT("taxDocument", TEXT, tax_document), WIDE, V_2026_06_23, V_ENDLESS, NULL },
	{ FIELD_OURS("documentType", MADE), WIDE, V_2026_06_23, V_ENDLESS, document_type },
	{ FIELD_OUT("address", JSON, address), CUSTOMER_DETAILED | CUSTOMER_PAST,
	    V_2026_07_24, V_ENDLESS, NULL },
	{ FIELD_OUT("timezone", TEXT, timezone), WIDE, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("metadata", JSON, metadata), WIDE, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("isActive", BOOL, is_active), WIDE, V_FIRST, V_2026_05_12, NULL },
	{ FIELD_PART("subscription", PART_LIVE), CUSTOMER_DETAILED, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("createdAt", TIME, created_ms), WIDE, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("updatedAt", TIME, updated_ms), WIDE, V_FIRST, V_ENDLESS, NULL },
	{ FIELD_OUT("archivedAt", TIME_IF_ANY, archived_ms), WIDE, V_2026_08_27, V_ENDLESS, NULL },
};

/* ---- what is kept ---- */

static const struct member columns[] = {
	[COL_CUSTOMER_ID] = FIELD_KEPT(UUID, id),
	[COL_CUSTOMER_EXTERNAL_ID] = FIELD_KEPT(TEXT, external_id),
	[COL_CUSTOMER_EMAIL] = FIELD_KEPT(TEXT, email),
	[COL_CUSTOMER_FULL_NAME] = FIELD_KEPT(TEXT, full_name),
	[COL_CUSTOMER_TAX_DOCUMENT] = FIELD_KEPT(TEXT, tax_document),
	[COL_CUSTOMER_ADDRESS] = FIELD_KEPT(JSON, address),
	[COL_CUSTOMER_TIMEZONE] = FIELD_KEPT(TEXT, timezone),
	[COL_CUSTOMER_METADATA] = FIELD_KEPT(JSON, metadata),
	[COL_CUSTOMER_IS_ACTIVE] = FIELD_KEPT(BOOL, is_active),
	[COL_CUSTOMER_CREATED_AT] = FIELD_KEPT(TIME, created_ms),
	[COL_CUSTOMER_UPDATED_AT] = FIELD_KEPT(TIME, updated_ms),
	[COL_CUSTOMER_ARCHIVED_AT] = FIELD_KEPT(TIME, archived_ms),
	[COL_CUSTOMER_REVISION] = FIELD_KEPT(I64, revision),
};

_Static_assert(COUNTOF(columns) == COL_CUSTOMER__COUNT, "a column without a member");

const struct fields customer_fields = {
	.object = "customer",
	.prefix = STR("cus_"),
	.missing = ERR_CUSTOMER_NOT_FOUND,
	.missing_message = "There is no customer with this id.",
	.parts = parts,
	.revision_at = offsetof(struct customer, revision),
	FIELD_TABLES,
};

const struct fields alias_fields = {
	.in = merge_in,
	.in_count = COUNTOF(merge_in),
	.size = sizeof(struct alias_asked),
	.given_at = offsetof(struct alias_asked, given),
};
