/* The engine behind the tables of fields. */
#include "call/field.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/name.h"
#include "base/utf8.h"
#include "call/body.h"
#include "call/ignored.h"
#include "call/reply.h"
#include "db/cell.h"

#include <assert.h>
#include <stdio.h>

/* ---- reading ---- */

struct reader {
	struct call         *call;
	const struct fields *fields;
	const struct jdoc   *doc;
	enum field_use       use;
	char                *out;
	unsigned            *given;
	struct faults       *faults;
	size_t               refused; /* members that are not known */
};

/* Of those members. With them the faults of an object are still fewer than FAULTS_MAX. */
enum { REFUSED_MAX = 8 };

static void
fault(struct reader *r, const char *field, const char *message)
{
	assert(r->faults->count < FAULTS_MAX);
	r->faults->fault[r->faults->count].field = field;
	r->faults->fault[r->faults->count].message = message;
	r->faults->count++;
}

/* A member that nothing is done with, of an object ("address") or of the top (NULL). */
static void
ignore(struct reader *r, const char *object, struct str key)
{
	struct str  name = key;
	const char *refused;

	if (ignored_enough(r->call) || r->refused == REFUSED_MAX)
		return;
	if (object)
		name = arena_fmt(r->call->arena, "%s.%.*s", object, STR_ARGS(key));
	if ((refused = ignored_add(r->call, name)) != NULL) {
		r->refused++;
		fault(r, refused, ignored_fault);
	}
}

/* One that could narrow what is asked for. */
static void
refuse_member(struct reader *r, struct str key)
{
	if (r->refused++ < REFUSED_MAX)
		fault(r, ignored_shown(r->call, key), r->fields->unknown);
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
	for (size_t i = 0; i < s.len; i++)
		if (!str_is_alnum(s.ptr[i]) && s.ptr[i] != '-' && (unsigned char)s.ptr[i] < 0x80)
			return false;
	return true;
}

/*
 * RFC 5321's Dot-string before the @, a domain of two labels or more after it; UTF-8 as in
 * RFC 6531. No quoted strings and no address literals.
 */
bool
field_is_email(struct str s)
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
is_one_of(const struct field_in *f, struct str s)
{
	for (size_t i = 0; i < f->list->count; i++)
		if (str_is(s, f->list->names[i]))
			return true;
	return false;
}

static bool
is_code(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((!str_is_alnum(s.ptr[i]) && s.ptr[i] != '_') || str_is_upper(s.ptr[i]))
			return false;
	return true;
}

/* Whether the part has another spelling in the call's version. */
static bool
has_earlier(const struct reader *r, const struct field_part *part)
{
	return part->earlier && r->call->version < part->until;
}

/* Those that the row does not have. */
static void
ignore_parts(struct reader *r, const struct field_in *f, const struct jnode *object)
{
	size_t prefix = strlen(f->name) + 1;

	for (const struct jnode *n = jread_first(r->doc, object); n; n = jread_next(r->doc, n)) {
		struct str key = jread_key(r->call->arena, r->doc, n);
		bool       known = false;

		for (size_t i = 0; i < f->list->count && !known; i++) {
			const struct field_part *part = &f->list->parts[i];

			known = str_is(key, part->path + prefix)
			    || (has_earlier(r, part) && str_is(key, part->earlier + prefix));
		}
		if (!known)
			ignore(r, f->name, key);
	}
}

static bool
is_given(const struct jnode *n)
{
	return n && n->type != JTYPE_NULL;
}

static bool
is_same(const struct reader *r, const struct jnode *a, const struct jnode *b)
{
	struct arena *arena = r->call->arena;

	if (a->type != JTYPE_STRING || b->type != JTYPE_STRING)
		return str_eq(jread_raw(r->doc, a), jread_raw(r->doc, b));
	return str_eq(jread_string(arena, r->doc, a), jread_string(arena, r->doc, b));
}

/*
 * The part's node, by its name or an earlier spelling; NULL if it is not given. Adds to *known how
 * many of the two the object has.
 */
static const struct jnode *
find_part(struct reader *r, const struct field_part *part, const struct jnode *object,
    size_t prefix, size_t *known)
{
	const struct jnode *n = jread_member(r->doc, object, str_of(part->path + prefix)), *other;

	*known += n != NULL;
	if (!has_earlier(r, part))
		return is_given(n) ? n : NULL;
	other = jread_member(r->doc, object, str_of(part->earlier + prefix));
	*known += other != NULL;
	if (is_given(n) && is_given(other) && !is_same(r, n, other))
		fault(r, part->earlier, "is given twice with different values");
	return is_given(n) ? n : is_given(other) ? other : NULL;
}

/* Never longer than a text in JSON of the same string. */
static char *
put_string(char *end, struct str s)
{
	*end++ = '"';
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if ((unsigned char)c < ' ' || c == '"' || c == '\\')
			end += jout_escape(end, c);
		else
			*end++ = c;
	}
	*end++ = '"';
	return end;
}

/*
 * Writes the known parts in the order of the table. Of values that are the same the text is the
 * same, whatever escapes they came with: changes are found by comparing texts.
 */
static struct str
read_object(struct reader *r, const struct field_in *f, const struct jnode *object)
{
	size_t before = r->faults->count, prefix = strlen(f->name) + 1;
	/*
	 * A part is no longer here than in the request, which has its quotes and colon too. An
	 * empty array has none.
	 */
	char  *text = ARENA_NEW(r->call->arena, char, object->len + 2), *end = text;
	size_t known = 0;

	*end++ = '{';
	for (size_t i = 0; i < f->list->count; i++) {
		const struct field_part *part = &f->list->parts[i];
		struct str               name = str_of(part->path + prefix), value;
		const struct jnode      *n = find_part(r, part, object, prefix, &known);

		if (!n) {
			if (part->required)
				fault(r, part->path, "is required");
			continue;
		}
		if (n->type != JTYPE_STRING) {
			fault(r, part->path, "must be a string");
			continue;
		}
		value = jread_string(r->call->arena, r->doc, n);
		if (part->valid && !part->valid(value))
			fault(r, part->path, part->fault);
		else if (utf8_exceeds(value, f->max))
			fault(r, part->path, too_long(r, f->max));
		end = str_put(end, end == text + 1 ? STR("\"") : STR(",\""));
		end = str_put(end, name);
		end = str_put(end, STR("\":"));
		end = n->escaped ? put_string(end, value) : str_put(end, jread_raw(r->doc, n));
	}
	*end++ = '}';
	if (known < object->size)
		ignore_parts(r, f, object);
	return r->faults->count == before ? (struct str) { text, (size_t)(end - text) } : STR_NONE;
}

static bool
has_long_number(const struct jnode *n)
{
	for (const struct jnode *v = n; v < n + n->values; v++)
		if (v->type == JTYPE_NUMBER && v->len > JSON_NUMBER_MAX_BYTES)
			return true;
	return false;
}

static struct str
read_metadata(struct reader *r, const struct field_in *f, const struct jnode *n)
{
	struct arena *a = r->call->arena;
	size_t        max = f->max ? f->max : (size_t)r->call->conf->metadata_max_bytes;

	if (n->len > max)
		fault(r, f->name, arena_fmt(a, "must have at most %zu bytes", max).ptr);
	if (n->height > METADATA_DEPTH_MAX)
		fault(r, f->name,
		    arena_fmt(a, "must be at most %d levels deep", METADATA_DEPTH_MAX).ptr);
	if (n->values > METADATA_VALUES_MAX + 1) /* the object itself does not count */
		fault(r, f->name,
		    arena_fmt(a, "must hold at most %d values", METADATA_VALUES_MAX).ptr);
	if (has_long_number(n))
		fault(r, f->name,
		    arena_fmt(a, "must not hold a number of more than %d characters",
			JSON_NUMBER_MAX_BYTES).ptr);
	return n->type == JTYPE_ARRAY ? STR("{}") : jread_raw(r->doc, n);
}

static struct str
read_strings(struct reader *r, const struct field_in *f, const struct jnode *n)
{
	int least = f->flags & FIELD_NOT_EMPTY ? 1 : 0;

	if (n->size < (unsigned)least || n->size > f->max)
		fault(r, f->name, arena_fmt(r->call->arena, "must have %d to %zu entries", least,
		    f->max).ptr);
	for (const struct jnode *v = jread_first(r->doc, n); v; v = jread_next(r->doc, v))
		if (v->type != JTYPE_STRING) {
			fault(r, f->name, "must be an array of strings");
			break;
		}
	return jread_raw(r->doc, n);
}

/* Whether an empty value of the field means that there is none. */
static bool
is_cleared(const struct reader *r, const struct field_in *f)
{
	bool may_be_empty = !(f->flags & FIELD_NOT_EMPTY) && f->type != FIELD_OBJECT;

	return f->flags & FIELD_CLEARED && (may_be_empty || r->use == FIELD_UPDATE);
}

/* What is wrong with a text of that field, or NULL: a constant, or words. */
static const char *
text_fault(struct reader *r, const struct field_in *f, struct str value,
    char words[NAME_FAULT_BYTES])
{
	bool        compared = f->flags & FIELD_IDENTIFIES || f->type == FIELD_EMAIL;
	const char *unseen;

	if (f->type == FIELD_NAME)
		return name_fault(value, f->max, words);
	if (value.len == 0 && f->flags & FIELD_NOT_EMPTY)
		return "must not be empty";
	if (f->max && utf8_exceeds(value, f->max))
		return too_long(r, f->max);
	if (compared && (unseen = name_unseen(value, words)))
		return unseen;
	if (f->type == FIELD_EMAIL && !field_is_email(value))
		return "must be an e-mail address";
	if (f->type == FIELD_CHOICE && !is_one_of(f, value))
		return f->list->fault;
	if (f->type == FIELD_CODE && !is_code(value))
		return "must consist of lower-case letters, digits and underscores";
	return NULL;
}

static void
read_text(struct reader *r, const struct field_in *f, const struct jnode *n, struct str *at)
{
	struct str  value = jread_string(r->call->arena, r->doc, n);
	char        words[NAME_FAULT_BYTES];
	const char *why;

	if (*r->given & 1u << f->member && !str_eq(*at, value)) {
		fault(r, f->name, "is given twice with different values");
		return;
	}
	if (value.len == 0 && is_cleared(r, f)) {
		*at = STR_NONE;
		return;
	}
	*at = value;
	if ((why = text_fault(r, f, value, words)))
		fault(r, f->name, why == words ? arena_str(r->call->arena, str_of(why)).ptr : why);
}

static void
read_uuid(struct reader *r, const struct field_in *f, const struct jnode *n, struct str *at)
{
	struct id *id = ARENA_NEW(r->call->arena, struct id, 1);

	if (!id_parse_uuid(jread_string(r->call->arena, r->doc, n), id))
		fault(r, f->name, "must be a UUID");
	*at = (struct str) { (const char *)id->b, ID_BYTES };
}

static void
read_int(struct reader *r, const struct field_in *f, const struct jnode *n, void *at)
{
	int64_t number = 0, least = f->type == FIELD_INT;
	char   *cell;

	if (n->type != JTYPE_NUMBER
	    || !str_to_i64(jread_raw(r->doc, n), least, (int64_t)f->max, &number))
		fault(r, f->name, arena_fmt(r->call->arena,
		    "must be a whole number from %d to %zu", (int)least, f->max).ptr);
	if (!(f->flags & FIELD_NULLABLE)) {
		*(int64_t *)at = number;
		return;
	}
	cell = ARENA_NEW(r->call->arena, char, 8);
	bind_put_i64(cell, number);
	*(struct str *)at = (struct str) { cell, 8 };
}

static void
read_bool(const struct field_in *f, const struct jnode *n, void *at)
{
	if (f->flags & FIELD_NULLABLE)
		*(struct str *)at = (struct str) { n->truth ? "\1" : "\0", 1 };
	else
		*(bool *)at = n->truth;
}

static void
read_value(struct reader *r, const struct field_in *f, const struct jnode *n)
{
	void *at = r->out + f->at;

	switch (f->type) {
	case FIELD_TEXT:
	case FIELD_NAME:
	case FIELD_EMAIL:
	case FIELD_CHOICE:
	case FIELD_CODE:
		read_text(r, f, n, at);
		break;
	case FIELD_UUID:
		read_uuid(r, f, n, at);
		break;
	case FIELD_OBJECT:
		*(struct str *)at = n->size == 0 && is_cleared(r, f)
		    ? STR_NONE : read_object(r, f, n);
		break;
	case FIELD_METADATA:
		*(struct str *)at = read_metadata(r, f, n);
		break;
	case FIELD_STRINGS:
		*(struct str *)at = read_strings(r, f, n);
		break;
	case FIELD_BOOL:
		read_bool(f, n, at);
		break;
	case FIELD_INT:
	case FIELD_COUNT:
		read_int(r, f, n, at);
		break;
	case FIELD_REFUSED:
		break;
	}
}

static void
read_field(struct reader *r, const struct field_in *f, const struct jnode *n)
{
	static const struct {
		enum jtype  json;
		const char *fault;
	} expected[] = {
		[FIELD_TEXT] = { JTYPE_STRING, "must be a string" },
		[FIELD_NAME] = { JTYPE_STRING, "must be a string" },
		[FIELD_EMAIL] = { JTYPE_STRING, "must be a string" },
		[FIELD_CHOICE] = { JTYPE_STRING, "must be a string" },
		[FIELD_UUID] = { JTYPE_STRING, "must be a UUID" },
		[FIELD_OBJECT] = { JTYPE_OBJECT, "must be an object" },
		[FIELD_METADATA] = { JTYPE_OBJECT, "must be an object" },
		[FIELD_STRINGS] = { JTYPE_ARRAY, "must be an array of strings" },
		[FIELD_BOOL] = { JTYPE_BOOL, "must be true or false" },
		[FIELD_INT] = { JTYPE_NUMBER, NULL }, /* read_int() has one message for all */
		[FIELD_COUNT] = { JTYPE_NUMBER, NULL },
		[FIELD_CODE] = { JTYPE_STRING, "must be a string" },
		[FIELD_REFUSED] = { JTYPE_NULL, "is not supported" },
	};

	bool empty_array = n->type == JTYPE_ARRAY && n->size == 0;
	bool is_object = n->type == JTYPE_OBJECT || empty_array;

	if (f->flags & FIELD_LEGACY_EMPTY && r->use == FIELD_UPDATE && r->call->legacy_path
	    && is_object && n->size == 0)
		return;
	if (f->flags & FIELD_FALLBACK
	    && (n->type != JTYPE_STRING || *r->given & 1u << f->member))
		return;
	if (f->flags & FIELD_FIXED && r->use == FIELD_UPDATE)
		fault(r, f->name, "cannot be changed");
	else if (n->type == expected[f->type].json || !expected[f->type].fault
	    || (empty_array && expected[f->type].json == JTYPE_OBJECT))
		read_value(r, f, n);
	else
		fault(r, f->name, expected[f->type].fault);
	*r->given |= 1u << f->member;
}

/*
 * Whether the row has the name by which a fault should mention the member, of its spellings: the
 * one that the call's version shows.
 */
static bool
is_called(const struct call *c, const struct fields *f, const struct field_in *in)
{
	for (size_t i = 0; i < f->out_count; i++)
		if (str_is(f->out[i].name, in->name)
		    && version_has(c->version, f->out[i].since, f->out[i].until))
			return true;
	return false;
}

static bool
is_taken(const struct reader *r, const struct field_in *in)
{
	return version_has(r->call->version, in->since, in->until)
	    && (r->use == FIELD_CREATE || !(in->flags & FIELD_CREATE_ONLY));
}

/* Those that the version does not have. */
static void
ignore_members(struct reader *r, const struct jnode *object)
{
	bool refuse = r->fields->unknown && r->use == FIELD_CREATE;

	for (const struct jnode *n = jread_first(r->doc, object); n; n = jread_next(r->doc, n)) {
		struct str key = jread_key(r->call->arena, r->doc, n);
		bool       known = false;

		for (size_t i = 0; i < r->fields->in_count && !known; i++)
			known = str_is(key, r->fields->in[i].name)
			    && is_taken(r, &r->fields->in[i]);
		if (known)
			continue;
		if (refuse && n->type != JTYPE_NULL)
			refuse_member(r, key);
		else
			ignore(r, NULL, key);
	}
}

void
field_read(struct call *c, const struct fields *f, const struct jdoc *doc,
    const struct jnode *object, enum field_use use, void *out, struct faults *faults)
{
	void         *given = (char *)out + f->given_at;
	struct reader r = { c, f, doc, use, out, given, faults, 0 };
	size_t        known = 0;

	faults->count = 0;
	for (size_t i = 0; i < f->in_count; i++) {
		const struct field_in *in = &f->in[i];
		const struct jnode    *n;

		if (!is_taken(&r, in) || !(n = jread_member(doc, object, str_of(in->name))))
			continue;
		known++;
		if (n->type != JTYPE_NULL)
			read_field(&r, in, n);
	}
	for (size_t i = 0; i < f->in_count && use == FIELD_CREATE; i++) {
		const struct field_in *in = &f->in[i];

		if (in->flags & FIELD_REQUIRED && !(*r.given & 1u << in->member)
		    && is_taken(&r, in) && is_called(c, f, in))
			fault(&r, in->name, "is required");
	}
	if (known < object->size)
		ignore_members(&r, object);
}

enum err
field_read_body(struct call *c, const struct fields *f, enum field_use use, void *out)
{
	enum body_use      empty = use == FIELD_UPDATE ? BODY_MAY_BE_EMPTY : BODY_REQUIRED;
	const struct jdoc *doc;
	struct faults      faults;
	enum err           e = body_object(c, empty, &doc);

	if (e != ERR_OK)
		return e;
	field_read(c, f, doc, doc->nodes, use, out, &faults);
	for (size_t i = 0; i < faults.count; i++)
		call_field(c, faults.fault[i].field, faults.fault[i].message);
	return call_fields_done(c);
}

bool
field_has_text(const struct fields *f, const struct jdoc *doc, const struct jnode *object,
    unsigned member)
{
	for (size_t i = 0; i < f->in_count; i++) {
		const struct jnode *n = f->in[i].member == member
		    ? jread_member(doc, object, str_of(f->in[i].name)) : NULL;

		if (n && n->type == JTYPE_STRING)
			return true;
	}
	return false;
}

/* ---- writing ---- */

static void
write_id(struct printbuf *out, const struct call *c, struct str prefix, const struct id *id)
{
	char       text[ID_PREFIXED_BYTES];
	struct str known = c->located_text; /* making it costs more than the rest of this */

	if (known.ptr && id_eq(id, &c->located) && str_starts(known, prefix))
		jout_str(out, known);
	else
		jout_str(out, id_is_nil(id) ? STR_NONE : id_prefixed(prefix, id, text));
}

static void
write_int(struct printbuf *out, int64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%jd", (intmax_t)n);
	jout_raw(out, str_of(text));
}

struct str
field_ms(char room[FIELD_MS_BYTES], int64_t us)
{
	int len = snprintf(room, FIELD_MS_BYTES, "%jd.%03d", (intmax_t)(us / 1000),
	    (int)(us % 1000));

	return (struct str) { room, (size_t)len };
}

static void
write_ms(struct printbuf *out, int64_t us)
{
	char room[FIELD_MS_BYTES];

	jout_raw(out, field_ms(room, us));
}

static void
write_time(struct printbuf *out, int64_t ms)
{
	char text[CLOCK_ISO_BYTES + 1];

	if (ms)
		clock_iso(ms, text);
	jout_str(out, ms ? (struct str) { text, CLOCK_ISO_BYTES } : STR_NONE);
}

static void
write_rows(struct printbuf *out, struct call *c, const struct fields *f, struct str cell)
{
	const struct fields *nested = f->nested;
	const struct row    *rows;
	size_t               count = cell_rows(cell, c->arena, &rows);
	bool                 first = true;

	jout_raw(out, STR("["));
	for (size_t i = 0; i < count; i++) {
		char *what = arena_alloc(c->arena, nested->size, _Alignof(max_align_t), 1);

		member_read(&rows[i], nested->columns, nested->columns_count, what);
		if (nested->hides && nested->hides(c, what))
			continue;
		if (!first)
			jout_raw(out, STR(","));
		first = false;
		jout_open(out);
		field_write_members(out, c, nested, what, f->nested_view);
		jout_close(out);
	}
	jout_raw(out, STR("]"));
}

/* In all its views. */
static void
write_part(struct printbuf *out, struct call *c, const struct fields *part, const void *what)
{
	if (part->hides && part->hides(c, what)) {
		jout_raw(out, STR_NONE);
		return;
	}
	jout_open(out);
	field_write_members(out, c, part, what, ~0U);
	jout_close(out);
}

static bool
is_left_out(const struct field_out *row, const void *what)
{
	return row->show == SHOW_TIME_IF_ANY
	    && *(const int64_t *)(const void *)((const char *)what + row->at) == 0;
}

static void
write_value(struct printbuf *out, struct call *c, const struct fields *f,
    const struct field_out *row, const void *what)
{
	const void *at = (const char *)what + row->at;

	switch (row->show) {
	case SHOW_TEXT:
		jout_str(out, *(const struct str *)at);
		break;
	case SHOW_JSON:
		jout_raw(out, *(const struct str *)at);
		break;
	case SHOW_BOOL:
		jout_bool(out, *(const bool *)at);
		break;
	case SHOW_INT:
		write_int(out, *(const int64_t *)at);
		break;
	case SHOW_MS:
		write_ms(out, *(const int64_t *)at);
		break;
	case SHOW_TIME:
	case SHOW_TIME_IF_ANY:
		write_time(out, *(const int64_t *)at);
		break;
	case SHOW_ID:
		write_id(out, c, f->prefix, at);
		break;
	case SHOW_OBJECT:
		jout_str(out, str_of(f->object));
		break;
	case SHOW_LIVEMODE:
		jout_bool(out, c->tenant.livemode);
		break;
	case SHOW_ORGANIZATION:
		write_id(out, c, ID_ORGANIZATION, &c->tenant.organization);
		break;
	case SHOW_MADE:
		jout_str(out, row->make(c, what));
		break;
	case SHOW_PART:
		write_part(out, c, f->parts[row->at], what);
		break;
	case SHOW_ROWS:
		write_rows(out, c, f, *(const struct str *)at);
		break;
	case SHOW_BOOL_OR_NULL:
		if (((const struct str *)at)->ptr)
			jout_bool(out, *((const struct str *)at)->ptr != 0);
		else
			jout_raw(out, STR_NONE);
		break;
	case SHOW_INT_OR_NULL:
		if (((const struct str *)at)->ptr)
			write_int(out, cell_i64(*(const struct str *)at));
		else
			jout_raw(out, STR_NONE);
		break;
	case SHOW_TRUE:
	case SHOW_FALSE:
		jout_bool(out, row->show == SHOW_TRUE);
		break;
	case SHOW_NULL:
		jout_raw(out, STR_NONE);
		break;
	case SHOW_EMPTY:
		jout_raw(out, STR("[]"));
		break;
	}
}

void
field_write_members(struct printbuf *out, struct call *c, const struct fields *f, const void *what,
    unsigned view)
{
	for (size_t i = 0; i < f->out_count; i++) {
		const struct field_out *row = &f->out[i];

		if (!(row->views & view) || !version_has(c->version, row->since, row->until)
		    || is_left_out(row, what))
			continue;
		jout_key(out, row->key);
		write_value(out, c, f, row, what);
	}
}

struct shown {
	struct call         *call;
	const struct fields *fields;
	const void          *what;
	unsigned             view;
};

static void
write_shown(struct printbuf *out, const void *what)
{
	const struct shown *s = what;

	jout_open(out);
	field_write_members(out, s->call, s->fields, s->what, s->view);
	jout_close(out);
}

struct json_object *
field_write(struct call *c, const struct fields *f, const void *what, unsigned view)
{
	struct shown *s = ARENA_NEW(c->arena, struct shown, 1);

	*s = (struct shown) { c, f, what, view };
	return jwrite_custom(write_shown, s);
}

void
field_location(struct call *c, const struct fields *f, const void *what)
{
	const struct id *id = (const void *)((const char *)what + f->id_at);
	struct str       uri = c->req->uri, path = str_cut(&uri, '?');
	char            *text, *end;

	if (f->path)
		path = arena_fmt(c->arena, "%.*s/%s", STR_ARGS(c->base), f->path);
	text = end = ARENA_NEW(c->arena, char, path.len + ID_PREFIXED_BYTES + 1);
	end = str_put(end, path);
	*end++ = '/';
	c->located = *id;
	c->located_text = id_prefixed(f->prefix, id, end);
	end += c->located_text.len;
	response_header(c->res, "Location", (struct str) { text, (size_t)(end - text) });
}

unsigned
field_view(const struct call *c, const struct field_view *rows)
{
	while (c->version < rows->since)
		rows++;
	return rows->view;
}

enum err
field_reply(struct call *c, int status, const struct fields *f, const void *what, unsigned view)
{
	return reply_one(c, status, field_write(c, f, what, view));
}
