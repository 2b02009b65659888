/* Rows of a resource on their way to an answer. */
#include "call/stored.h"
#include "base/limits.h"
#include "call/reply.h"
#include "json/jwrite.h"

/* Memory for count of the resource's structs. */
static char *
room(struct call *c, const struct fields *f, size_t count)
{
	return arena_alloc(c->arena, f->size, _Alignof(max_align_t), count);
}

const struct id *
stored_id(struct call *c, const struct fields *f, size_t n)
{
	struct id *id = ARENA_NEW(c->arena, struct id, 1);

	return id_parse(f->prefix, c->param[n], id) ? id : NULL;
}

enum err
stored_missing(struct call *c, const struct fields *f)
{
	return call_fail(c, f->missing, "id", f->missing_message);
}

void
stored_read(const struct row *r, const struct fields *f, void *out)
{
	memset(out, 0, f->size);
	member_read(r, f->columns, f->columns_count, out);
	if (f->derive)
		f->derive(out);
}

void
stored_bind(struct bind *b, const struct fields *f, const void *from)
{
	for (size_t i = 0; i < f->columns_count; i++)
		member_bind(b, &f->columns[i], from);
}

void
stored_bind_ref(struct bind *b, const struct fields *f, struct str ref)
{
	struct id id;

	bind_id(b, id_parse(f->prefix, ref, &id) ? &id : NULL);
	bind_text(b, ref);
}

/* ---- one ---- */

enum err
stored_find(struct call *c, const struct fields *f, struct tx *tx, void *out)
{
	struct row row;
	enum err   e = call_read_run(c, tx);

	if (e != ERR_OK)
		return e;
	if (tx_rows(tx, READ_STEP) == 0)
		return stored_missing(c, f);
	row = tx_row(tx, READ_STEP, 0);
	stored_read(&row, f, out);
	return ERR_OK;
}

enum err
stored_get(struct call *c, const struct fields *f, struct tx *tx, unsigned view)
{
	void    *found = room(c, f, 1);
	enum err e = stored_find(c, f, tx, found);

	return e != ERR_OK ? e : field_reply(c, 200, f, found, view);
}

enum err
stored_returned(struct write *w, size_t step, int status, const struct fields *f, unsigned view)
{
	struct call *c = w->call;
	void        *returned = room(c, f, 1);
	struct row   row;

	if (write_rows(w, step) == 0)
		return stored_missing(c, f);
	row = write_row(w, step, 0);
	stored_read(&row, f, returned);
	if (status == 201)
		field_location(c, f, returned);
	return field_reply(c, status, f, returned, view);
}

/* ---- a page of a list ---- */

/* JSON in the rows of a page. What a hundred rows have beside it takes less than the rest. */
enum { PAGE_JSON_BYTES = RESPONSE_MAX_BYTES / 8 * 7 };

struct bind *
stored_ask(struct call *c, struct tx *tx, enum sql_id statement, const struct page *page)
{
	struct bind *b = call_read(c, tx, statement);

	bind_id(b, &page->after);
	bind_i64(b, page_rows(page));
	return b;
}

/* Whether the last of these rows is where the statement stopped looking; *belongs to the page. */
static bool
stopped_looking(const struct page *page, const struct tx *tx, size_t count, bool *belongs)
{
	struct row row;

	if (!page->ended || count == 0)
		return false;
	row = tx_row(tx, READ_STEP, count - 1);
	if (row_is_null(&row, page->ended))
		return false;
	*belongs = row_bool(&row, page->ended);
	return true;
}

static size_t
json_bytes(const struct fields *f, const char *what)
{
	size_t bytes = 0;

	for (size_t i = 0; i < f->columns_count; i++)
		if (f->columns[i].type == BIND_JSON)
			bytes += ((const struct str *)(const void *)(what + f->columns[i].at))->len;
	return bytes;
}

/* How many of these rows an answer holds. One fits in any case. */
static size_t
fitting(const struct fields *f, const char *rows, size_t count)
{
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++) {
		bytes += json_bytes(f, rows + i * f->size);
		if (i > 0 && bytes > PAGE_JSON_BYTES)
			return i;
	}
	return count;
}

enum err
stored_page(struct call *c, const struct fields *f, struct tx *tx, const struct page *page,
    unsigned view)
{
	bool                belongs, more;
	struct json_object *array;
	struct str          next = STR_NONE;
	char               *rows;
	size_t              count, fit;
	enum err            e = call_read_run(c, tx);

	if (e != ERR_OK)
		return e;
	count = tx_rows(tx, READ_STEP);
	rows = room(c, f, count);
	for (size_t i = 0; i < count; i++) {
		struct row row = tx_row(tx, READ_STEP, i);

		stored_read(&row, f, rows + i * f->size);
	}
	more = page_cut(page, &count);
	fit = fitting(f, rows, count);
	if (more || fit < count) {
		count = fit;
		next = page_cursor(c, (const void *)(rows + (count - 1) * f->size + f->id_at));
	} else if (stopped_looking(page, tx, count, &belongs)) {
		next = page_cursor(c, (const void *)(rows + (count - 1) * f->size + f->id_at));
		count -= !belongs;
	}
	array = jwrite_array();
	for (size_t i = 0; i < count; i++)
		jwrite_push(array, field_write(c, f, rows + i * f->size, view));
	return reply_list(c, array, next);
}

enum err
stored_list(struct call *c, const struct fields *f, enum sql_id statement, unsigned view)
{
	struct tx   tx;
	struct page page;
	enum err    e;

	page_read(c, &page);
	if ((e = call_fields_done(c)) != ERR_OK)
		return e;
	stored_ask(c, &tx, statement, &page);
	return stored_page(c, f, &tx, &page, view);
}
