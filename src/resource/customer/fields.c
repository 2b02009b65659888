/* The fields of a customer: what each version takes and shows. */
#include "resource/customer/fields.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "json/jwrite.h"
#include "resource/customer/country.h"

#include <assert.h>
#include <stdlib.h>

/* ---- what comes in ---- */

enum type { TYPE_TEXT, TYPE_EMAIL, TYPE_ADDRESS, TYPE_UUID, TYPE_TIMEZONE, TYPE_METADATA, TYPE_BOOL };

enum {
	NOT_EMPTY = 1,
	REQUIRED = 2,    /* on create */
	CREATE_ONLY = 4, /* elsewhere an unknown key */
};

/*
 * One row a spelling. Several rows of one member are spellings of it: given
 * twice they must agree, and the later row is the one to blame.
 */
static const struct field_in {
	const char  *name;
	enum member  member;
	enum type    type;
	unsigned     flags;
	size_t       max; /* characters, bytes for metadata (0: the configured limit) */
	enum version since, until;
} fields_in[] = {
	{ "id",           MEMBER_EXTERNAL_ID,  TYPE_TEXT,     NOT_EMPTY,   EXTERNAL_ID_MAX_CHARS,  V_FIRST,      V_ENDLESS },
	{ "externalId",   MEMBER_EXTERNAL_ID,  TYPE_TEXT,     NOT_EMPTY,   EXTERNAL_ID_MAX_CHARS,  V_FIRST,      V_ENDLESS },
	{ "billingEmail", MEMBER_EMAIL,        TYPE_EMAIL,    REQUIRED,    EMAIL_MAX_CHARS,        V_FIRST,      V_ENDLESS },
	{ "email",        MEMBER_EMAIL,        TYPE_EMAIL,    REQUIRED,    EMAIL_MAX_CHARS,        V_FIRST,      V_ENDLESS },
	{ "fullName",     MEMBER_FULL_NAME,    TYPE_TEXT,     0,           NAME_MAX_CHARS,         V_FIRST,      V_ENDLESS },
	{ "taxDocument",  MEMBER_TAX_DOCUMENT, TYPE_TEXT,     0,           TAX_DOCUMENT_MAX_CHARS, V_2026_06_23, V_ENDLESS },
	{ "address",      MEMBER_ADDRESS,      TYPE_ADDRESS,  0,           0,                      V_FIRST,      V_ENDLESS },
	{ "addressId",    MEMBER_ADDRESS_ID,   TYPE_UUID,     CREATE_ONLY, 0,                      V_2026_06_07, V_ENDLESS },
	{ "timezone",     MEMBER_TIMEZONE,     TYPE_TIMEZONE, 0,           0,                      V_FIRST,      V_ENDLESS },
	{ "metadata",     MEMBER_METADATA,     TYPE_METADATA, 0,           0,                      V_FIRST,      V_ENDLESS },
	{ "isActive",     MEMBER_IS_ACTIVE,    TYPE_BOOL,     0,           0,                      V_LEGACY,     V_2026_05_12 },
};

#define ADDRESS "address."

static const struct {
	const char *field; /* the member's name behind ADDRESS */
	bool        required;
} address_members[] = {
	{ ADDRESS "line1", true },
	{ ADDRESS "line2", false },
	{ ADDRESS "city", true },
	{ ADDRESS "state", false },
	{ ADDRESS "postalCode", true },
	{ ADDRESS "country", true },
	{ ADDRESS "region", false },
};

static const char *const timezones[] = {
	"UTC", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
	"America/Sao_Paulo", "America/Mexico_City", "America/Buenos_Aires", "America/Santiago",
	"America/Bogota", "America/Lima", "America/Asuncion", "Europe/London", "Europe/Paris",
	"Europe/Berlin", "Europe/Madrid", "Asia/Tokyo", "Asia/Shanghai", "Asia/Singapore", "Asia/Dubai",
	"Australia/Sydney",
};

/* ---- what goes out ---- */

enum out {
	OUT_ID, OUT_OBJECT, OUT_LIVEMODE, OUT_ORGANIZATION, OUT_EXTERNAL_ID, OUT_FULL_NAME, OUT_EMAIL,
	OUT_TAX_DOCUMENT, OUT_DOCUMENT_TYPE, OUT_ADDRESS, OUT_TIMEZONE, OUT_METADATA, OUT_IS_ACTIVE,
	OUT_SUBSCRIPTION, OUT_CREATED, OUT_UPDATED,
};

#define OUT(name) STR(name), JOUT_KEY(name)

static const struct field_out {
	struct str       name;
	struct str       key;  /* that, as it is written */
	enum out         what;
	enum fields_view view; /* FIELDS_DETAILED: only there */
	enum version     since, until;
} fields_out[] = {
	{ OUT("id"),             OUT_ID,            FIELDS_PLAIN,    V_FIRST,      V_ENDLESS },
	{ OUT("object"),         OUT_OBJECT,        FIELDS_PLAIN,    V_2026_05_25, V_ENDLESS },
	{ OUT("livemode"),       OUT_LIVEMODE,      FIELDS_PLAIN,    V_2026_05_25, V_ENDLESS },
	{ OUT("organizationId"), OUT_ORGANIZATION,  FIELDS_PLAIN,    V_FIRST,      V_2026_06_07 },
	{ OUT("externalId"),     OUT_EXTERNAL_ID,   FIELDS_PLAIN,    V_FIRST,      V_ENDLESS },
	{ OUT("fullName"),       OUT_FULL_NAME,     FIELDS_PLAIN,    V_FIRST,      V_ENDLESS },
	{ OUT("billingEmail"),   OUT_EMAIL,         FIELDS_PLAIN,    V_FIRST,      V_2026_06_07 },
	{ OUT("email"),          OUT_EMAIL,         FIELDS_PLAIN,    V_2026_06_07, V_ENDLESS },
	{ OUT("taxDocument"),    OUT_TAX_DOCUMENT,  FIELDS_PLAIN,    V_2026_06_23, V_ENDLESS },
	{ OUT("documentType"),   OUT_DOCUMENT_TYPE, FIELDS_PLAIN,    V_2026_06_23, V_ENDLESS },
	{ OUT("address"),        OUT_ADDRESS,       FIELDS_DETAILED, V_2026_07_24, V_ENDLESS },
	{ OUT("timezone"),       OUT_TIMEZONE,      FIELDS_PLAIN,    V_FIRST,      V_ENDLESS },
	{ OUT("metadata"),       OUT_METADATA,      FIELDS_PLAIN,    V_FIRST,      V_ENDLESS },
	{ OUT("isActive"),       OUT_IS_ACTIVE,     FIELDS_PLAIN,    V_FIRST,      V_2026_05_12 },
	{ OUT("subscription"),   OUT_SUBSCRIPTION,  FIELDS_DETAILED, V_FIRST,      V_ENDLESS },
	{ OUT("createdAt"),      OUT_CREATED,       FIELDS_PLAIN,    V_FIRST,      V_ENDLESS },
	{ OUT("updatedAt"),      OUT_UPDATED,       FIELDS_PLAIN,    V_FIRST,      V_ENDLESS },
};

/* How a batch shows what it stored, and what it calls itself. */
static const struct {
	enum version since;
	bool         whole;  /* full customers: clients of that time build them */
	struct str   object;
} batch_shapes[] = {
	{ V_2026_07_31, false, STR("customer_batch") },
	{ V_2026_06_07, false, STR("customer") },
	{ V_FIRST,      true,  STR("customer") },
};

/* ---- reading ---- */

struct reader {
	struct call       *call;
	const struct jdoc *doc;
	enum fields_use    use;
	struct customer   *out;
	struct faults     *faults;
};

static void
fault(struct reader *r, const char *field, const char *message)
{
	assert(r->faults->count < FAULTS_MAX);
	r->faults->fault[r->faults->count].field = field;
	r->faults->fault[r->faults->count].message = message;
	r->faults->count++;
}

static const char *
too_long(struct reader *r, size_t max)
{
	return arena_fmt(r->call->arena, "must have at most %zu characters", max).ptr;
}

/* A label of letters, digits and hyphens, or characters beyond ASCII. */
static bool
is_label(struct str s)
{
	if (s.len == 0 || s.len > 63 * 4 || s.ptr[0] == '-' || s.ptr[s.len - 1] == '-')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-'
		        || (unsigned char)c >= 0x80))
			return false;
	}
	return true;
}

/* RFC 5321's dot-string at a domain of two labels or more; UTF-8 as in RFC 6531; no quoted strings, no literals. */
static bool
is_email(struct str s)
{
	struct str domain = s, local, part;
	size_t     labels = 0;

	local = str_cut(&domain, '@');
	if (!domain.ptr || local.len == 0)
		return false;
	while (local.ptr) {
		part = str_cut(&local, '.');
		if (part.len == 0)
			return false;
		for (size_t i = 0; i < part.len; i++) {
			unsigned char c = (unsigned char)part.ptr[i];

			if (c <= ' ' || c == 0x7F || strchr("\"(),:;<>@[\\]", c))
				return false;
		}
	}
	while (domain.ptr) {
		part = str_cut(&domain, '.');
		if (!is_label(part))
			return false;
		labels++;
	}
	return labels >= 2;
}

static bool
is_timezone(struct str s)
{
	for (size_t i = 0; i < COUNTOF(timezones); i++)
		if (str_is(s, timezones[i]))
			return true;
	return false;
}

/* Writes the known members in one order, from the source text of their values. */
static struct str
read_address(struct reader *r, const struct jnode *object)
{
	size_t before = r->faults->count, size = object->len + 2, len = 0;
	char  *text = ARENA_NEW(r->call->arena, char, size + 128); /* names are no longer than in the source */

	text[len++] = '{';
	for (size_t i = 0; i < COUNTOF(address_members); i++) {
		const char         *field = address_members[i].field;
		struct str          name = str_of(field + strlen(ADDRESS));
		const struct jnode *n = jread_member(r->doc, object, name);
		struct str          value, raw;

		if (!n || n->type == JTYPE_NULL) {
			if (address_members[i].required)
				fault(r, field, "is required");
			continue;
		}
		if (n->type != JTYPE_STRING) {
			fault(r, field, "must be a string");
			continue;
		}
		value = jread_string(r->call->arena, r->doc, n);
		if (str_is(name, "country") && !country_known(value))
			fault(r, field, "must be a country code of ISO 3166-1 alpha-2");
		else if (utf8_count(value) > ADDRESS_LINE_MAX_CHARS)
			fault(r, field, too_long(r, ADDRESS_LINE_MAX_CHARS));
		raw = jread_raw(r->doc, n);
		if (len > 1)
			text[len++] = ',';
		text[len++] = '"';
		memcpy(text + len, name.ptr, name.len);
		len += name.len;
		memcpy(text + len, "\":", 2);
		len += 2;
		memcpy(text + len, raw.ptr, raw.len);
		len += raw.len;
	}
	text[len++] = '}';
	return r->faults->count == before ? (struct str) { text, len } : STR_NONE;
}

static void
read_metadata(struct reader *r, const struct jnode *n)
{
	size_t max = r->call->settings->metadata_max_bytes;

	r->out->metadata = jread_raw(r->doc, n);
	if (n->len > max)
		fault(r, "metadata", arena_fmt(r->call->arena, "must have at most %zu bytes", max).ptr);
	if (n->height > METADATA_DEPTH_MAX)
		fault(r, "metadata", arena_fmt(r->call->arena, "must be at most %d levels deep", METADATA_DEPTH_MAX).ptr);
	if (n->values > METADATA_VALUES_MAX + 1) /* without the object itself */
		fault(r, "metadata", arena_fmt(r->call->arena, "must hold at most %d values", METADATA_VALUES_MAX).ptr);
	for (const struct jnode *v = n; v < n + n->values; v++) {
		if (v->type == JTYPE_NUMBER && v->len > JSON_NUMBER_MAX_BYTES) {
			fault(r, "metadata", arena_fmt(r->call->arena, "must not hold a number of more than %d characters",
			    JSON_NUMBER_MAX_BYTES).ptr);
			break;
		}
	}
}

/* The place of a text member. */
static struct str *
text_of(struct customer *c, enum member m)
{
	switch (m) {
	case MEMBER_EXTERNAL_ID:
		return &c->external_id;
	case MEMBER_EMAIL:
		return &c->email;
	case MEMBER_FULL_NAME:
		return &c->full_name;
	case MEMBER_TAX_DOCUMENT:
		return &c->tax_document;
	case MEMBER_TIMEZONE:
		return &c->timezone;
	case MEMBER_ADDRESS:
	case MEMBER_METADATA:
	case MEMBER_IS_ACTIVE:
	case MEMBER_ADDRESS_ID:
	case MEMBER__COUNT:
		break;
	}
	abort();
}

static void
read_text(struct reader *r, const struct field_in *f, const struct jnode *n)
{
	struct str *at = text_of(r->out, f->member);
	struct str  value = jread_string(r->call->arena, r->doc, n);

	if (customer_gives(r->out, f->member) && !str_eq(*at, value)) {
		fault(r, f->name, "is given twice with different values");
		return;
	}
	*at = value;
	if (value.len == 0 && f->flags & NOT_EMPTY)
		fault(r, f->name, "must not be empty");
	else if (f->max && utf8_count(value) > f->max)
		fault(r, f->name, too_long(r, f->max));
	else if (f->type == TYPE_EMAIL && !is_email(value))
		fault(r, f->name, "must be an e-mail address");
	else if (f->type == TYPE_TIMEZONE && !is_timezone(value))
		fault(r, f->name, "must be one of the supported time zones");
}

static void
read_field(struct reader *r, const struct field_in *f, const struct jnode *n)
{
	static const struct {
		enum jtype  json;
		const char *fault;
	} expected[] = {
		[TYPE_TEXT] = { JTYPE_STRING, "must be a string" },
		[TYPE_EMAIL] = { JTYPE_STRING, "must be a string" },
		[TYPE_ADDRESS] = { JTYPE_OBJECT, "must be an object" },
		[TYPE_UUID] = { JTYPE_STRING, "must be a UUID" },
		[TYPE_TIMEZONE] = { JTYPE_STRING, "must be a string" },
		[TYPE_METADATA] = { JTYPE_OBJECT, "must be an object" },
		[TYPE_BOOL] = { JTYPE_BOOL, "must be true or false" },
	};

	if (n->type != expected[f->type].json) {
		fault(r, f->name, expected[f->type].fault);
		r->out->given |= 1u << f->member;
		return;
	}
	switch (f->type) {
	case TYPE_TEXT:
	case TYPE_EMAIL:
	case TYPE_TIMEZONE:
		read_text(r, f, n);
		break;
	case TYPE_UUID:
		if (!id_parse_uuid(jread_string(r->call->arena, r->doc, n), &r->out->address_id))
			fault(r, f->name, "must be a UUID");
		break;
	case TYPE_ADDRESS:
		r->out->address = read_address(r, n);
		break;
	case TYPE_METADATA:
		/* One client sends an empty object with every update. */
		if (n->size == 0 && r->use == FIELDS_UPDATE && r->call->legacy_path)
			return;
		read_metadata(r, n);
		break;
	case TYPE_BOOL:
		r->out->is_active = n->truth;
		break;
	}
	r->out->given |= 1u << f->member;
}

/* What the version calls a member that several rows spell: as it shows it. */
static bool
is_called(const struct call *c, const struct field_in *f)
{
	for (size_t i = 0; i < COUNTOF(fields_out); i++)
		if (str_is(fields_out[i].name, f->name))
			return version_has(c->version, fields_out[i].since, fields_out[i].until);
	return false;
}

void
fields_read(struct call *c, const struct jdoc *doc, const struct jnode *object, enum fields_use use,
    struct customer *out, struct faults *faults)
{
	struct reader r = { c, doc, use, out, faults };

	faults->count = 0;
	*out = (struct customer) { .timezone = STR("UTC"), .metadata = STR("{}"), .is_active = true };
	for (size_t i = 0; i < COUNTOF(fields_in); i++) {
		const struct field_in *f = &fields_in[i];
		const struct jnode    *n = jread_member(doc, object, str_of(f->name));

		if (!n || n->type == JTYPE_NULL || !version_has(c->version, f->since, f->until)
		    || (f->flags & CREATE_ONLY && use != FIELDS_CREATE))
			continue;
		read_field(&r, f, n);
	}
	for (size_t i = 0; i < COUNTOF(fields_in) && use == FIELDS_CREATE; i++) {
		const struct field_in *f = &fields_in[i];

		if (f->flags & REQUIRED && !customer_gives(out, f->member) && is_called(c, f))
			fault(&r, f->name, "is required");
	}
}

bool
fields_has_email(const struct jdoc *doc, const struct jnode *object)
{
	for (size_t i = 0; i < COUNTOF(fields_in); i++) {
		const struct jnode *n = fields_in[i].member == MEMBER_EMAIL
		    ? jread_member(doc, object, str_of(fields_in[i].name)) : NULL;

		if (n && n->type == JTYPE_STRING)
			return true;
	}
	return false;
}

/* ---- writing ---- */

struct written {
	struct call           *call;
	const struct customer *customer;
	enum fields_view       view;
	bool                   batched;
	size_t                 index;
};

static void
out_id(struct printbuf *out, struct str prefix, const struct id *id)
{
	char text[8 + ID_TEXT_BYTES];

	memcpy(text, prefix.ptr, prefix.len);
	id_text(id, text + prefix.len);
	jout_str(out, (struct str) { text, prefix.len + ID_TEXT_BYTES });
}

static void
out_time(struct printbuf *out, int64_t ms)
{
	char text[CLOCK_ISO_BYTES + 1];

	clock_iso(ms, text);
	jout_str(out, (struct str) { text, CLOCK_ISO_BYTES });
}

static struct str
document_type(struct call *call, const struct customer *c)
{
	static const struct jlimits limits = { 1, COUNTOF(address_members) + 1 };
	struct jread_error why;
	struct jdoc        doc;
	const struct jnode *n;

	if (!c->tax_document.ptr)
		return STR_NONE;
	if (!c->address.ptr || !jread_parse(call->arena, c->address, &limits, &doc, &why)
	    || !(n = jread_member(&doc, doc.nodes, STR("country"))))
		return country_document(STR(""), c->tax_document);
	return country_document(jread_string(call->arena, &doc, n), c->tax_document);
}

static void
write_value(struct printbuf *out, const struct written *w, enum out what)
{
	const struct customer *c = w->customer;

	switch (what) {
	case OUT_ID:
		out_id(out, CUSTOMER_PREFIX, &c->id);
		break;
	case OUT_OBJECT:
		jout_str(out, STR("customer"));
		break;
	case OUT_LIVEMODE:
		jout_bool(out, w->call->tenant.livemode);
		break;
	case OUT_ORGANIZATION:
		out_id(out, STR("org_"), &w->call->tenant.organization);
		break;
	case OUT_EXTERNAL_ID:
		jout_str(out, c->external_id);
		break;
	case OUT_FULL_NAME:
		jout_str(out, c->full_name);
		break;
	case OUT_EMAIL:
		jout_str(out, c->email);
		break;
	case OUT_TAX_DOCUMENT:
		jout_str(out, c->tax_document);
		break;
	case OUT_DOCUMENT_TYPE:
		jout_str(out, document_type(w->call, c));
		break;
	case OUT_ADDRESS:
		jout_raw(out, c->address);
		break;
	case OUT_TIMEZONE:
		jout_str(out, c->timezone);
		break;
	case OUT_METADATA:
		jout_raw(out, c->metadata);
		break;
	case OUT_IS_ACTIVE:
		jout_bool(out, c->is_active);
		break;
	case OUT_SUBSCRIPTION:
		/* null until subscriptions exist. */
		jout_raw(out, STR_NONE);
		break;
	case OUT_CREATED:
		out_time(out, c->created_ms);
		break;
	case OUT_UPDATED:
		out_time(out, c->updated_ms);
		break;
	}
}

static size_t
batch_shape(const struct call *c)
{
	size_t i = 0;

	while (c->version < batch_shapes[i].since)
		i++;
	return i;
}

static void
write_customer(struct printbuf *out, const void *what)
{
	const struct written *w = what;
	bool whole = !w->batched || batch_shapes[batch_shape(w->call)].whole;

	jout_open(out);
	for (size_t i = 0; i < COUNTOF(fields_out); i++) {
		const struct field_out *f = &fields_out[i];

		if (!version_has(w->call->version, f->since, f->until)
		    || (f->view == FIELDS_DETAILED && w->view != FIELDS_DETAILED))
			continue;
		if (!whole && f->what != OUT_ID && f->what != OUT_EXTERNAL_ID && f->what != OUT_EMAIL)
			continue;
		jout_key(out, f->key);
		write_value(out, w, f->what);
	}
	if (w->batched) {
		char room[STR_NUM_BYTES];

		jout_key(out, JOUT_KEY("index"));
		jout_raw(out, str_num(room, w->index));
		jout_key(out, JOUT_KEY("status"));
		jout_str(out, w->customer->existing ? STR("existing") : STR("created"));
	}
	jout_close(out);
}

static struct json_object *
custom(struct call *c, const struct written *w)
{
	struct written *kept = ARENA_NEW(c->arena, struct written, 1);

	*kept = *w;
	return jwrite_custom(write_customer, kept);
}

struct json_object *
fields_write(struct call *c, const struct customer *customer, enum fields_view view)
{
	return custom(c, &(struct written) { c, customer, view, false, 0 });
}

struct json_object *
fields_write_batched(struct call *c, const struct customer *customer, size_t index)
{
	return custom(c, &(struct written) { c, customer, FIELDS_PLAIN, true, index });
}

struct str
fields_batch_object(const struct call *c)
{
	return batch_shapes[batch_shape(c)].object;
}
