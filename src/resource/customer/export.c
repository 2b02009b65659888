/* GET /customers/export. */
#include "base/limits.h"
#include "call/page.h"
#include "db/db.h"
#include "resource/customer/file.h"

enum {
	EXPORT_BYTES = RESPONSE_MAX_BYTES / 4, /* after which no further row begins */
	CURSOR_BYTES = 4 + 2 * ID_TEXT_BYTES,
};

#define CURSOR_PREFIX STR("cur_")

struct page_of_file {
	struct file_style style;
	struct id         after, until; /* nil: from the beginning, to the newest one */
	size_t            limit;
};

/* ---- the cursor: the last row of the page before, and the last one of all */

static bool
parse_cursor(struct str text, struct page_of_file *p)
{
	size_t half = CURSOR_BYTES - ID_TEXT_BYTES;

	return text.len == CURSOR_BYTES
	    && id_parse(CURSOR_PREFIX, (struct str) { text.ptr, half }, &p->after)
	    && id_parse(STR(""), (struct str) { text.ptr + half, ID_TEXT_BYTES }, &p->until);
}

static struct str
make_cursor(struct call *c, const struct id *after, const struct id *until)
{
	char *text = ARENA_NEW(c->arena, char, CURSOR_BYTES);
	char *end = str_put(text, CURSOR_PREFIX);

	id_text(after, end);
	id_text(until, end + ID_TEXT_BYTES);
	return (struct str) { text, CURSOR_BYTES };
}

/* ---- the query */

static void
read_format(struct call *c, struct page_of_file *p)
{
	struct str value;

	if (!call_parameter(c, "format", &value) || !value.ptr)
		return;
	for (size_t i = 0; i < FILE__FORMATS; i++) {
		if (str_is(value, file_format_names[i])) {
			p->style.format = (enum file_format)i;
			return;
		}
	}
	call_field(c, "format", "must be ndjson or csv");
}

static enum err
read_query(struct call *c, struct page_of_file *p)
{
	struct str value;
	int64_t    limit = CUSTOMER_EXPORT_MAX;

	read_format(c, p);
	if (call_parameter(c, "neutralise", &value) && value.ptr)
		page_flag(c, "neutralise", value, &p->style.neutral);
	if (p->style.neutral && p->style.format != FILE_CSV)
		call_field(c, "neutralise", "is for the format csv alone");
	if (call_parameter(c, "limit", &value) && value.ptr
	    && !str_to_i64(value, 1, CUSTOMER_EXPORT_MAX, &limit))
		call_field(c, "limit", "must be a number from 1 to 500");
	if (call_parameter(c, "cursor", &value) && value.ptr && !parse_cursor(value, p))
		call_field(c, "cursor", "must be the Clientele-Next-Cursor of a page before");
	p->limit = (size_t)limit;
	return call_fields_done(c);
}

/* ---- the page */

static const enum response_kind kinds[FILE__FORMATS] = {
	[FILE_NDJSON] = RESPONSE_NDJSON,
	[FILE_CSV] = RESPONSE_CSV,
};

static void
write_page(struct call *c, const struct page_of_file *p, const struct tx *tx)
{
	struct buf *out = &c->res->body;
	size_t      rows = tx_rows(tx, READ_STEP), n = 0;
	struct row  row;

	if (id_is_nil(&p->after))
		file_head(out, c, &p->style);
	while (n < rows && n < p->limit && out->len < EXPORT_BYTES) {
		row = tx_row(tx, READ_STEP, n++);
		file_line(out, c, &row, &p->style);
	}
	if (n < rows) {
		struct id last = row_id(&row, COL_CUSTOMER_ID);
		struct id until = row_id(&row, COL_CUSTOMER_EXPORT_UNTIL);

		response_header(c->res, "Clientele-Next-Cursor", make_cursor(c, &last, &until));
	}
	c->res->status = 200;
	c->res->kind = kinds[p->style.format];
}

enum err
customer_export(struct call *c)
{
	struct page_of_file p = { .style = { .format = FILE_NDJSON } };
	struct tx           tx;
	struct bind        *b;
	enum err            e = read_query(c, &p);

	if (e != ERR_OK)
		return e;
	b = call_read(c, &tx, SQL_CUSTOMER_EXPORT);
	bind_id(b, &p.after);
	bind_id(b, id_is_nil(&p.until) ? NULL : &p.until);
	bind_i64(b, (int64_t)p.limit + 1);
	db_slow(c->db);
	if ((e = call_read_run(c, &tx)) == ERR_OK)
		write_page(c, &p, &tx);
	return e;
}
