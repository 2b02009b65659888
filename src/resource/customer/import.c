/* Customers from the records of a file. */
#include "resource/customer/import.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "json/jread.h"
#include "json/jwrite.h"

#define FIELD_STRUCT struct customer

const char *const import_result_names[IMPORT__RESULTS] = {
#define RESULT(name, word) [IMPORT_##name] = word,
	IMPORT_RESULTS(RESULT)
#undef RESULT
};

/* Values of a line: an object of two levels at least has metadata beyond its limit. */
static const struct jlimits limits = { JSON_DEPTH_MAX, 4 * METADATA_VALUES_MAX };

enum { QUOTED_BYTES = 40 }; /* of a column's name */

static const char not_active[] = "must be true or false";
static const char no_time[] = "must be a time of ISO 8601";
static const char unset[] = "must not be 1970-01-01T00:00:00Z, which stands for no time";
static const char ahead[] = "must not lie ahead";
static const char before[] = "must not be before createdAt";

/* ---- columns */

enum column_kind {
	COLUMN_TEXT,    /* of the API: a string */
	COLUMN_JSON,    /* of the API: an object */
	COLUMN_PART,    /* a string in one of these */
	/* What only a file has: */
	COLUMN_ID,      /* taken for an external id, unless it is an id of the API */
	COLUMN_ACTIVE,
	COLUMN_CREATED,
	COLUMN_UPDATED,
	COLUMN_ARCHIVED,
	COLUMN_SHOWN,   /* the API shows it, and takes it from nobody */
};

struct import_column {
	enum column_kind kind;
	struct str       name;
	struct str       object; /* of a part: the name before the point, and */
	struct str       key;    /*   what is behind it */
	size_t           first;  /* the first part of the same object */
};

static const struct {
	const char      *name;
	enum column_kind kind;
} of_files[] = {
	{ "id", COLUMN_ID },
	{ "isActive", COLUMN_ACTIVE },
	{ "createdAt", COLUMN_CREATED },
	{ "updatedAt", COLUMN_UPDATED },
	{ "archivedAt", COLUMN_ARCHIVED },
	{ "object", COLUMN_SHOWN },
	{ "livemode", COLUMN_SHOWN },
	{ "documentType", COLUMN_SHOWN },
	{ "subscription", COLUMN_SHOWN },
};

static bool
find_of_files(struct str name, enum column_kind *kind)
{
	for (size_t i = 0; i < COUNTOF(of_files); i++) {
		if (str_is(name, of_files[i].name)) {
			*kind = of_files[i].kind;
			return true;
		}
	}
	return false;
}

/* The row of the API's fields with that name in the current version, or NULL. */
static const struct field_in *
find_field(struct str name)
{
	for (size_t i = 0; i < customer_fields.in_count; i++) {
		const struct field_in *in = &customer_fields.in[i];

		if (str_is(name, in->name) && version_has(V_CURRENT, in->since, in->until))
			return in;
	}
	return NULL;
}

static bool
is_object(const struct field_in *in)
{
	return in && (in->type == FIELD_OBJECT || in->type == FIELD_METADATA);
}

static bool
has_part(const struct field_in *in, struct str name)
{
	for (size_t i = 0; in->list && i < in->list->count; i++)
		if (str_is(name, in->list->parts[i].path))
			return true;
	return !in->list;
}

/* False: there is no such column. */
static bool
find_column(struct str name, struct import_column *out)
{
	const struct field_in *in = find_field(name);

	*out = (struct import_column) { .name = name, .key = name };
	if (find_of_files(name, &out->kind))
		return true;
	if (in) {
		out->kind = is_object(in) ? COLUMN_JSON : COLUMN_TEXT;
		return true;
	}
	out->kind = COLUMN_PART;
	out->object = str_cut(&out->key, '.');
	in = find_field(out->object);
	return out->key.len && is_object(in) && has_part(in, name);
}

static const char *
judge(struct import_column *column, size_t n)
{
	struct import_column *this = &column[n];

	this->first = n;
	for (size_t i = n; i-- > 0;) {
		if (str_eq(column[i].name, this->name))
			return "is there twice";
		if (column[i].kind == COLUMN_PART && str_eq(column[i].object, this->object))
			this->first = i;
		if (str_eq(column[i].name, this->object) || str_eq(column[i].object, this->name))
			return "is there as a whole and in parts";
	}
	return NULL;
}

bool
import_read_names(struct import_reader *r, struct arena *a, const struct record *names,
    const char **why)
{
	struct import_column *column = ARENA_NEW(a, struct import_column, names->count);

	for (size_t i = 0; i < names->count; i++) {
		struct str  name = names->cells[i].ptr ? names->cells[i] : STR("");
		const char *fault = find_column(arena_str(a, name), &column[i])
		    ? judge(column, i) : "is not known";

		if (fault) {
			*why = arena_fmt(a, "column %zu: \"%.*s\" %s", i + 1,
			    STR_ARGS(utf8_head(name, QUOTED_BYTES)), fault).ptr;
			return false;
		}
	}
	r->column = column;
	r->count = names->count;
	return true;
}

/* ---- faults; of a line the first one counts */

static void
fail(struct import_line *line, enum err code, const char *param, const char *message)
{
	if (line->broken)
		return;
	line->broken = true;
	line->result = IMPORT_FAILED;
	line->code = code;
	line->param = param;
	line->message = message;
}

/* ---- what only a file has */

struct extras {
	struct str active, created, updated, archived; /* absent: not given */
};

static struct str *
extra_of(struct extras *e, enum column_kind kind)
{
	return kind == COLUMN_ACTIVE ? &e->active
	    : kind == COLUMN_CREATED ? &e->created
	    : kind == COLUMN_UPDATED ? &e->updated
	    : kind == COLUMN_ARCHIVED ? &e->archived : NULL;
}

static bool
is_ours(struct str id)
{
	struct id unused;

	return id_parse(customer_fields.prefix, id, &unused);
}

static void
read_time(struct import_line *line, const char *param, struct str text, int64_t *out)
{
	if (!text.ptr)
		return;
	if (!clock_read(text, out))
		fail(line, ERR_VALIDATION, param, no_time);
	else if (*out == 0) /* as a member of a struct: not given (db/member.h) */
		fail(line, ERR_VALIDATION, param, unset);
	else if (*out > clock_wall_ms())
		fail(line, ERR_VALIDATION, param, ahead);
}

/*
 * The milliseconds in an id are its place in lists (base/id.h); among those of one moment the line
 * is, in 32 of the bits that would count and be random. 42 random ones are left.
 */
static void
date_back(struct id *id, int64_t ms, int64_t line)
{
	for (int i = 0; i < 6; i++)
		id->b[i] = (unsigned char)((uint64_t)ms >> (40 - 8 * i));
	id->b[6] = (unsigned char)(0x70 | (line >> 28 & 0xF));
	id->b[7] = (unsigned char)(line >> 20);
	id->b[8] = (unsigned char)(0x80 | (line >> 14 & 0x3F));
	id->b[9] = (unsigned char)(line >> 6);
	id->b[10] = (unsigned char)((line & 0x3F) << 2 | (id->b[10] & 3));
}

static void
read_extras(const struct import_reader *r, const struct extras *e, struct import_line *line)
{
	struct customer *customer = &line->customer;

	if (e->active.ptr) {
		customer->is_active = str_is(e->active, "true");
		customer->given |= 1u << MEMBER_IS_ACTIVE;
		if (!customer->is_active && !str_is(e->active, "false"))
			fail(line, ERR_VALIDATION, "isActive", not_active);
	}
	read_time(line, "archivedAt", e->archived, &customer->archived_ms);
	customer->created_ms = clock_wall_ms();
	if (r->rules.created_at)
		read_time(line, "createdAt", e->created, &customer->created_ms);
	customer->updated_ms = customer->created_ms;
	if (!r->rules.created_at || !e->created.ptr || line->broken)
		return;
	read_time(line, "updatedAt", e->updated, &customer->updated_ms);
	if (customer->updated_ms < customer->created_ms)
		fail(line, ERR_VALIDATION, "updatedAt", before);
	if (customer->created_ms > 0)
		date_back(&customer->id, customer->created_ms, line->line);
}

/* ---- a row of CSV as JSON */

static void
add_string(struct buf *out, struct str s)
{
	char escape[JOUT_ESCAPE_BYTES];

	buf_add(out, "\"", 1);
	for (size_t i = 0, from = 0; i <= s.len; i++) {
		bool end = i == s.len;

		if (!end && (unsigned char)s.ptr[i] >= ' ' && s.ptr[i] != '"' && s.ptr[i] != '\\')
			continue;
		buf_add(out, s.ptr + from, i - from);
		if (!end)
			buf_add(out, escape, jout_escape(escape, s.ptr[i]));
		from = i + 1;
	}
	buf_add(out, "\"", 1);
}

static void
add_key(struct buf *out, struct str name)
{
	if (out->ptr[out->len - 1] != '{')
		buf_add(out, ",", 1);
	add_string(out, name);
	buf_add(out, ":", 1);
}

static void
add_parts(struct buf *out, const struct import_reader *r, const struct record *record, size_t n)
{
	bool any = false;

	for (size_t i = n; i < r->count; i++) {
		const struct import_column *column = &r->column[i];

		if (column->kind != COLUMN_PART || column->first != n || !record->cells[i].ptr)
			continue;
		if (!any) {
			add_key(out, column->object);
			buf_add(out, "{", 1);
		}
		add_key(out, column->key);
		add_string(out, record->cells[i]);
		any = true;
	}
	if (any)
		buf_add(out, "}", 1);
}

/* The cell must be one value: more text would be members of the line. */
static void
add_object(struct import_reader *r, const struct import_column *column, struct str cell,
    struct import_line *line)
{
	struct jread_error error;
	struct jdoc        doc;

	if (!jread_parse(&r->scratch, cell, &limits, &doc, &error)) {
		fail(line, ERR_INVALID_JSON, column->name.ptr, arena_fmt(r->call.arena,
		    "is not valid JSON at byte %zu: %s", error.offset, error.what).ptr);
		return;
	}
	add_key(&r->text, column->name);
	buf_str(&r->text, cell);
}

static void
add_cell(struct import_reader *r, const struct record *record, size_t n, struct extras *extras,
    struct import_line *line)
{
	const struct import_column *column = &r->column[n];
	struct str                  cell = record->cells[n];
	struct str                 *extra = extra_of(extras, column->kind);

	if (extra)
		*extra = cell;
	else if (column->kind == COLUMN_PART && column->first == n)
		add_parts(&r->text, r, record, n);
	else if (!cell.ptr || column->kind == COLUMN_SHOWN || column->kind == COLUMN_PART)
		return;
	else if (column->kind == COLUMN_JSON)
		add_object(r, column, cell, line);
	else if (column->kind != COLUMN_ID || !is_ours(cell)) {
		add_key(&r->text, column->name);
		add_string(&r->text, cell);
	}
}

/* ---- a line of NDJSON without what only a file has */

static bool
begin_line(struct import_reader *r, struct str text, struct jdoc *doc, struct import_line *line)
{
	struct jread_error error;

	if (!jread_parse(&r->scratch, text, &limits, doc, &error)) {
		fail(line, ERR_INVALID_JSON, NULL, arena_fmt(r->call.arena,
		    "The line is not valid JSON at byte %zu: %s.", error.offset, error.what).ptr);
		return false;
	}
	if (doc->nodes->type != JTYPE_OBJECT)
		fail(line, ERR_VALIDATION, "body", "must be a JSON object");
	return !line->broken;
}

/* Whether the member is left out of what the API's reader gets. */
static bool
take_member(struct import_reader *r, const struct jdoc *doc, const struct jnode *n,
    struct extras *extras)
{
	struct str       text = jread_raw(doc, n), *extra;
	enum column_kind kind;

	if (!find_of_files(jread_key(&r->scratch, doc, n), &kind))
		return false;
	if (n->type == JTYPE_STRING)
		text = jread_string(r->call.arena, doc, n);
	if (kind == COLUMN_ID)
		return n->type == JTYPE_STRING && is_ours(text);
	if ((extra = extra_of(extras, kind)) && n->type != JTYPE_NULL)
		*extra = text;
	return true;
}

/* True: the text has been written anew. */
static bool
take_members(struct import_reader *r, const struct jdoc *doc, struct extras *extras)
{
	bool less = false;

	buf_str(&r->text, STR("{"));
	for (const struct jnode *n = jread_first(doc, doc->nodes); n; n = jread_next(doc, n)) {
		if (take_member(r, doc, n, extras)) {
			less = true;
			continue;
		}
		add_key(&r->text, jread_key(&r->scratch, doc, n));
		buf_str(&r->text, jread_raw(doc, n));
	}
	buf_str(&r->text, STR("}"));
	return less;
}

/* ---- a line */

static void
read_object(struct import_reader *r, const struct jdoc *doc, struct import_line *line)
{
	struct faults faults;

	field_read(&r->call, &customer_fields, doc, doc->nodes, FIELD_CREATE, &line->customer,
	    &faults);
	if (faults.count)
		fail(line, ERR_VALIDATION, faults.fault[0].field, faults.fault[0].message);
}

/* What was written anew as JSON. */
static bool
begin_again(struct import_reader *r, struct jdoc *doc, struct import_line *line)
{
	return begin_line(r, arena_str(r->call.arena, buf_view(&r->text)), doc, line);
}

void
import_read(struct import_reader *r, const struct record *record, struct import_line *out)
{
	struct extras extras = { 0 };
	struct jdoc   doc;
	bool          good;

	*out = (struct import_line) { .line = record->line };
	out->customer = customer_defaults;
	out->customer.id = id_new();
	buf_reset(&r->text, ARENA_KEEP_BYTES);
	if (record->cells) {
		buf_str(&r->text, STR("{"));
		for (size_t i = 0; i < r->count; i++)
			add_cell(r, record, i, &extras, out);
		buf_str(&r->text, STR("}"));
		good = !out->broken && begin_again(r, &doc, out);
	} else {
		good = begin_line(r, record->text, &doc, out)
		    && (!take_members(r, &doc, &extras) || begin_again(r, &doc, out));
	}
	if (good) {
		read_object(r, &doc, out);
		read_extras(r, &extras, out);
	}
	arena_reset(&r->scratch);
}

void
import_reader_init(struct import_reader *r, const struct conf *conf,
    const struct import_rules *rules)
{
	*r = (struct import_reader) { .rules = *rules };
	r->call.conf = conf;
	r->call.version = V_CURRENT;
	r->call.prefer = PREFER_STRICT;
	arena_init(&r->scratch);
	buf_init(&r->text, 8 * SHEET_RECORD_BYTES);
}

void
import_reader_fini(struct import_reader *r)
{
	arena_fini(&r->scratch);
	buf_fini(&r->text);
}

/* ---- writing */

/* $2 to $14 of customer_import, and from $3 on those of customer_update_many. */
static const struct member written[] = {
	FIELD_KEPT(UUID, id),
	FIELD_KEPT(TEXT, external_id),
	FIELD_KEPT(TEXT, email),
	FIELD_KEPT(TEXT, full_name),
	FIELD_KEPT(TEXT, tax_document),
	FIELD_KEPT(JSON, address),
	FIELD_KEPT(TEXT, timezone),
	FIELD_KEPT(JSON, metadata),
	FIELD_KEPT(BOOL, is_active),
	{ BIND_UUID, offsetof(struct customer, address_id), true },
	FIELD_KEPT(TIME, created_ms),
	FIELD_KEPT(TIME, updated_ms),
	FIELD_KEPT(TIME, archived_ms),
};

/* So many of them has customer_import_taken, and customer_update_many. */
enum { TAKEN_MEMBERS = 2, UPDATED_MEMBERS = 9 };

/* Those that are not broken, side by side. */
static struct customer *
good_ones(struct arena *a, const struct import_line *lines, size_t count, size_t *good)
{
	struct customer *customers = ARENA_NEW(a, struct customer, count);

	*good = 0;
	for (size_t i = 0; i < count; i++)
		if (!lines[i].broken)
			customers[(*good)++] = lines[i].customer;
	return customers;
}

static void
bind_given(struct bind *b, const struct customer *customers, size_t count)
{
	struct str *cells = ARENA_NEW(b->arena, struct str, count);
	char       *eights = ARENA_NEW(b->arena, char, 8 * count);

	for (size_t i = 0; i < count; i++) {
		bind_put_i64(eights + 8 * i, customers[i].given);
		cells[i] = (struct str) { eights + 8 * i, 8 };
	}
	bind_array(b, BIND_I64, cells, count);
}

static void
bind_members(struct bind *b, size_t members, const struct customer *customers, size_t count)
{
	for (size_t i = 0; i < members; i++)
		member_bind_all(b, &written[i], customers, sizeof(*customers), count);
}

size_t
import_write(struct tx *tx, const struct id *environment, const struct import_rules *rules,
    struct import_line *lines, size_t count, bool dry)
{
	size_t           first = tx->steps, good;
	struct customer *customers = good_ones(tx->arena, lines, count, &good);
	struct bind     *b;

	if (!dry) {
		b = tx_step(tx, SQL_CUSTOMER_IMPORT);
		bind_id(b, environment);
		bind_members(b, COUNTOF(written), customers, good);
	}
	if (!dry && rules->conflict == IMPORT_UPDATE) {
		b = tx_step(tx, SQL_CUSTOMER_UPDATE_MANY);
		bind_id(b, environment);
		bind_time(b, clock_wall_ms());
		bind_members(b, UPDATED_MEMBERS, customers, good);
		bind_given(b, customers, good);
	}
	b = tx_step(tx, SQL_CUSTOMER_IMPORT_TAKEN);
	bind_id(b, environment);
	bind_members(b, TAKEN_MEMBERS, customers, good);
	bind_i64(b, (int64_t)good);
	return first;
}

/* ---- what has become of the lines */

/*
 * Walks over the lines that are not broken together with rows that name some of them by their
 * number among these.
 */
struct walk {
	const struct tx *tx;
	size_t           step, at;
	int64_t          nth;
};

static bool
walk_meets(struct walk *w, int column, struct row *row)
{
	w->nth++;
	if (w->at == tx_rows(w->tx, w->step))
		return false;
	*row = tx_row(w->tx, w->step, w->at);
	if (row_i64(row, column) != w->nth)
		return false;
	w->at++;
	return true;
}

static void
find_taken(const struct tx *tx, size_t step, const struct import_rules *rules, bool dry,
    struct import_line *lines, size_t count)
{
	struct walk w = { tx, step, 0, 0 };
	struct row  row;

	for (size_t i = 0; i < count; i++) {
		if (lines[i].broken || !walk_meets(&w, COL_CUSTOMER_IMPORT_TAKEN_NTH, &row))
			continue;
		lines[i].id = row_id(&row, COL_CUSTOMER_IMPORT_TAKEN_ID);
		lines[i].result = dry && rules->conflict == IMPORT_UPDATE ? IMPORT_UPDATED
		    : IMPORT_EXISTING;
	}
}

/* False: a customer who was to be updated is gone, or leads to another one now. */
static bool
find_updated(const struct tx *tx, size_t step, struct import_line *lines, size_t count)
{
	struct walk w = { tx, step, 0, 0 };
	struct row  row;

	for (size_t i = 0; i < count; i++) {
		if (lines[i].broken)
			continue;
		if (walk_meets(&w, COL_CUSTOMER_UPDATE_MANY_NTH, &row)
		    != (lines[i].result == IMPORT_EXISTING))
			return false;
		if (lines[i].result == IMPORT_EXISTING
		    && row_bool(&row, COL_CUSTOMER_UPDATE_MANY_CHANGED))
			lines[i].result = IMPORT_UPDATED;
	}
	return true;
}

/* Of a dry run nobody has the id. */
static void
begin_results(struct import_line *lines, size_t count, bool dry)
{
	for (size_t i = 0; i < count; i++) {
		if (lines[i].broken)
			continue;
		lines[i].result = IMPORT_CREATED;
		if (!dry)
			lines[i].id = lines[i].customer.id;
	}
}

static void
refuse_existing(struct import_line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (lines[i].result != IMPORT_EXISTING)
			continue;
		lines[i].result = IMPORT_FAILED;
		lines[i].code = ERR_DUPLICATE;
		lines[i].param = "externalId";
		lines[i].message = "Another customer has this external id.";
	}
}

static size_t
count_results(const struct import_line *lines, size_t count, enum import_result result)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += lines[i].result == result;
	return n;
}

bool
import_written(const struct tx *tx, size_t step, const struct import_rules *rules,
    struct import_line *lines, size_t count, bool dry)
{
	bool       updates = !dry && rules->conflict == IMPORT_UPDATE;
	size_t     taken = step + !dry + updates;
	struct row row;

	begin_results(lines, count, dry);
	find_taken(tx, taken, rules, dry, lines, count);
	if (updates && !find_updated(tx, step + 1, lines, count))
		return false;
	if (!dry) {
		row = tx_row(tx, step, 0);
		if (row_i64(&row, COL_CUSTOMER_IMPORT_MADE)
		    != (int64_t)count_results(lines, count, IMPORT_CREATED))
			return false;
	}
	if (rules->conflict == IMPORT_FAIL)
		refuse_existing(lines, count);
	return true;
}

static void
tell_text(struct buf *out, const char *name, struct str text)
{
	add_key(out, str_of(name));
	add_string(out, text);
}

void
import_tell(struct buf *out, const struct import_line *line)
{
	char id[ID_PREFIXED_BYTES];
	bool failed = line->result == IMPORT_FAILED;

	buf_fmt(out, "{\"line\":%jd", (intmax_t)line->line);
	tell_text(out, "status", str_of(import_result_names[line->result]));
	if (!failed && !id_is_nil(&line->id))
		tell_text(out, "id", id_prefixed(customer_fields.prefix, &line->id, id));
	if (failed) {
		tell_text(out, "code", str_of(err_info(line->code)->code));
		if (line->param)
			tell_text(out, "param", str_of(line->param));
		tell_text(out, "message", str_of(line->message));
	}
	buf_str(out, STR("}\n"));
}
