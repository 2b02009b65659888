/* GET /imports/{id}/results. */
#include "base/limits.h"
#include "call/csv.h"
#include "call/page.h"
#include "call/stored.h"
#include "resource/customer/file.h"
#include "resource/customer/import_job.h"

enum {
	PAGE_ROWS = 8, /* each has the results of a step of the clerk */
	PAGE_BYTES = RESPONSE_MAX_BYTES / 4, /* after which no further row begins */
	CURSOR_BYTES = 8,
};

/* ---- a line as CSV */

struct result {
	struct str line, status, id, code, param, message;
};

#define FIELD_STRUCT struct result

enum { RESULT_VIEW = 1 };

#define RESULT_OUT(name) \
	{ FIELD_OUT(#name, TEXT, name), RESULT_VIEW, V_FIRST, V_ENDLESS, NULL }

static const struct field_out columns[] = {
	RESULT_OUT(line),
	RESULT_OUT(status),
	RESULT_OUT(id),
	RESULT_OUT(code),
	RESULT_OUT(param),
	RESULT_OUT(message),
};

static const struct fields result_fields = {
	.object = "import_result",
	.out = columns,
	.out_count = COUNTOF(columns),
	.size = sizeof(struct result),
};

/* The columns are named as the members of a line are. */
static void
take_member(struct call *c, const struct jdoc *doc, const struct jnode *n, struct result *out)
{
	struct str name = jread_key(c->arena, doc, n);

	for (size_t i = 0; i < COUNTOF(columns); i++)
		if (str_eq(name, columns[i].name))
			*(struct str *)((char *)out + columns[i].at)
			    = n->type == JTYPE_STRING ? jread_string(c->arena, doc, n)
						      : jread_raw(doc, n);
}

static void
add_csv(struct call *c, struct str lines)
{
	static const struct jlimits limits = { 2, 20 };

	while (lines.len) {
		struct str         line = str_cut(&lines, '\n');
		struct result      result = { 0 };
		struct jread_error error;
		struct jdoc        doc;

		if (!jread_parse(c->arena, line, &limits, &doc, &error))
			continue; /* import_tell() writes no such line */
		for (const struct jnode *n = jread_first(&doc, doc.nodes); n;
		     n = jread_next(&doc, n))
			take_member(c, &doc, n, &result);
		csv_row(&c->res->body, c, &result_fields, &result, RESULT_VIEW, false);
	}
}

/* ---- a page */

struct page_of_results {
	enum file_format format;
	int64_t          after; /* the last line of the file that the page before is about */
};

static bool
parse_cursor(struct call *c, struct str text, int64_t *out)
{
	struct str bytes = page_unpack(c, text);
	uint64_t   line = 0;

	if (bytes.len != CURSOR_BYTES)
		return false;
	for (size_t i = 0; i < CURSOR_BYTES; i++)
		line = line << 8 | (unsigned char)bytes.ptr[i];
	*out = (int64_t)(line & INT64_MAX);
	return true;
}

static struct str
make_cursor(struct call *c, int64_t line)
{
	char bytes[CURSOR_BYTES];

	bind_put_i64(bytes, line);
	return page_pack(c, (struct str) { bytes, sizeof(bytes) });
}

static enum err
read_page(struct call *c, struct page_of_results *p)
{
	struct str value;

	*p = (struct page_of_results) { .format = FILE_NDJSON };
	if (call_parameter(c, "format", &value) && value.ptr) {
		p->format = str_is(value, file_format_names[FILE_CSV]) ? FILE_CSV : FILE_NDJSON;
		if (!str_is(value, file_format_names[p->format]))
			call_field(c, "format", "must be ndjson or csv");
	}
	if (call_parameter(c, "cursor", &value) && value.ptr && !parse_cursor(c, value, &p->after))
		call_field(c, "cursor", "must be the Clientele-Next-Cursor of a page before");
	return call_fields_done(c);
}

static void
write_page(struct call *c, const struct page_of_results *p, const struct tx *tx)
{
	struct buf *out = &c->res->body;
	size_t      rows = tx_rows(tx, READ_STEP), n = 0;
	int64_t     last = p->after;

	if (p->format == FILE_CSV && p->after == 0)
		csv_head(out, c, &result_fields, RESULT_VIEW);
	while (n < rows && n < PAGE_ROWS && out->len < PAGE_BYTES) {
		struct row row = tx_row(tx, READ_STEP, n++);
		struct str lines = row_text(&row, COL_IMPORT_RESULT_LIST_DATA);

		last = row_i64(&row, COL_IMPORT_RESULT_LIST_LINE);
		if (p->format == FILE_CSV)
			add_csv(c, lines);
		else
			buf_str(out, lines);
	}
	if (n < rows)
		response_header(c->res, "Clientele-Next-Cursor", make_cursor(c, last));
	c->res->status = 200;
	c->res->kind = p->format == FILE_CSV ? RESPONSE_CSV : RESPONSE_NDJSON;
}

enum err
import_job_results(struct call *c)
{
	const struct id       *id = stored_id(c, &import_job_fields, 0);
	struct page_of_results p;
	struct tx              tx;
	struct bind           *b;
	enum err               e = read_page(c, &p);

	if (e != ERR_OK)
		return e;
	b = call_read(c, &tx, SQL_IMPORT_RESULT_LIST);
	bind_id(b, id);
	bind_i64(b, p.after);
	bind_i64(b, PAGE_ROWS + 1);
	b = tx_step(&tx, SQL_IMPORT_JOB_GET);
	bind_id(b, &c->tenant.environment);
	bind_id(b, id);
	db_slow(c->db);
	if ((e = call_read_run(c, &tx)) != ERR_OK)
		return e;
	if (tx_rows(&tx, READ_STEP + 1) == 0)
		return stored_missing(c, &import_job_fields);
	write_page(c, &p, &tx);
	return ERR_OK;
}
