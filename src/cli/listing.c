/* Results of a command. */
#include "cli/listing.h"
#include "base/utf8.h"
#include "cli/args.h"
#include "json/jwrite.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_DEFAULT = 25 };

#define CUSTOMER_ID_PREFIX STR("cus_")

void
listing_init(struct listing *l, struct arena *a, const char *const *columns, size_t width)
{
	assert(width <= LISTING_COLUMNS_MAX);
	*l = (struct listing) { .arena = a, .columns = columns, .width = width };
}

struct str *
listing_row(struct listing *l)
{
	if (l->rows == l->capacity) {
		size_t      capacity = l->capacity ? l->capacity * 2 : 32;
		struct str *cells = ARENA_NEW(l->arena, struct str, capacity * l->width);

		if (l->rows)
			memcpy(cells, l->cells, l->rows * l->width * sizeof(*cells));
		l->cells = cells;
		l->capacity = capacity;
	}
	return &l->cells[l->width * l->rows++];
}

/* As a terminal may get it. */
static struct str
shown(const struct listing *l, struct str text)
{
	struct buf b;
	struct str copy;

	buf_init(&b, SIZE_MAX / 2);
	buf_shown(&b, text.ptr ? text : STR("-"));
	copy = arena_str(l->arena, buf_view(&b));
	buf_fini(&b);
	return copy;
}

static struct json_object *
json_cell(const struct listing *l, size_t column, struct str cell)
{
	return cell.ptr && l->raw & 1u << column ? jwrite_raw(cell) : jwrite_str(cell);
}

struct str
listing_json(const struct listing *l)
{
	struct json_object *array = jwrite_array();
	struct str          text;
	struct buf          out;

	for (size_t r = 0; r < l->rows; r++) {
		struct json_object *row = jwrite_object();

		for (size_t c = 0; c < l->width; c++)
			jwrite_put(row, l->columns[c], json_cell(l, c, l->cells[r * l->width + c]));
		jwrite_push(array, row);
	}
	buf_init(&out, SIZE_MAX / 2);
	jwrite_text(array, &out);
	text = shown(l, buf_view(&out));
	buf_fini(&out);
	jwrite_free(array);
	return text;
}

/* Two blanks stand between columns, and none after the last one. */
static void
print_row(const struct str *cells, const size_t *widths, size_t count)
{
	for (size_t c = 0; c < count; c++) {
		bool last = c + 1 == count;

		printf("%.*s%*s", STR_ARGS(cells[c]),
		    last ? 0 : (int)(widths[c] - utf8_count(cells[c]) + 2), last ? "\n" : "");
	}
}

static void
widen(size_t *width, struct str cell)
{
	size_t characters = utf8_count(cell);

	if (characters > *width)
		*width = characters;
}

static void
print_table(const struct listing *l)
{
	struct str *cells = ARENA_NEW(l->arena, struct str, (l->rows + 1) * l->width);
	size_t      widths[LISTING_COLUMNS_MAX] = { 0 };

	for (size_t r = 0; r <= l->rows; r++)
		for (size_t c = 0; c < l->width; c++) {
			struct str *cell = &cells[r * l->width + c];

			*cell = r == 0 ? str_of(l->columns[c])
				       : shown(l, l->cells[(r - 1) * l->width + c]);
			widen(&widths[c], *cell);
		}
	for (size_t r = 0; r <= l->rows; r++)
		print_row(&cells[r * l->width], widths, l->width);
}

static void
print_upright(const struct listing *l)
{
	size_t widths[2] = { 0 };

	for (size_t c = 0; c < l->width; c++)
		widen(&widths[0], str_of(l->columns[c]));
	for (size_t r = 0; r < l->rows; r++) {
		if (r > 0)
			putchar('\n');
		for (size_t c = 0; c < l->width; c++) {
			struct str line[] = { str_of(l->columns[c]),
				shown(l, l->cells[r * l->width + c]) };

			print_row(line, widths, 2);
		}
	}
}

void
listing_print(const struct listing *l, bool json)
{
	if (json)
		printf("%.*s\n", STR_ARGS(listing_json(l)));
	else if (l->upright)
		print_upright(l);
	else
		print_table(l);
}

/* Quoted where it must be; an empty text is, so that it differs from an absent one. */
static void
print_csv_cell(const struct listing *l, struct str cell, bool last)
{
	struct str text = cell.ptr ? shown(l, cell) : STR("");
	bool       quoted = text.len == 0 && cell.ptr;

	for (size_t i = 0; i < text.len && !quoted; i++)
		quoted = text.ptr[i] == ',' || text.ptr[i] == '"';
	if (quoted)
		putchar('"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"')
			putchar('"');
		putchar(text.ptr[i]);
	}
	printf("%s%s", quoted ? "\"" : "", last ? "\r\n" : ",");
}

void
listing_print_csv(const struct listing *l)
{
	for (size_t c = 0; c < l->width; c++)
		print_csv_cell(l, str_of(l->columns[c]), c + 1 == l->width);
	for (size_t r = 0; r < l->rows; r++)
		for (size_t c = 0; c < l->width; c++)
			print_csv_cell(l, l->cells[r * l->width + c], c + 1 == l->width);
}

/* ---- rows of environments ---- */

static void
begin_listing(struct listing *l, struct owner *o, const struct listing_view *view)
{
	const char **names = ARENA_NEW(&o->arena, const char *, view->width);

	for (size_t c = 0; c < view->width; c++)
		names[c] = view->columns[c].name;
	listing_init(l, &o->arena, names, view->width);
	for (size_t c = 0; c < view->width; c++)
		l->raw |= (unsigned)(view->columns[c].kind >= LISTING_NUMBER) << c;
	l->upright = view->upright;
}

static struct str
cell_of(struct owner *o, const struct owner_environment *e, const struct listing_column *c,
    const struct row *row)
{
	struct id id;

	if (c->kind >= LISTING_ID && row_is_null(row, c->at))
		return STR_NONE;
	switch (c->kind) {
	case LISTING_ORGANIZATION:
		return e->organization;
	case LISTING_ENVIRONMENT:
		return owner_environment_name(e);
	case LISTING_ID:
		id = row_id(row, c->at);
		return owner_id(o, c->prefix, &id);
	case LISTING_TIME:
		return owner_time(o, row, c->at);
	case LISTING_NUMBER:
		return owner_number(o, row_i64(row, c->at));
	case LISTING_BOOL:
		return row_bool(row, c->at) ? STR("true") : STR("false");
	case LISTING_TEXT:
	case LISTING_JSON:
		break;
	}
	return c->make ? c->make(o, row, c->at) : row_text(row, c->at);
}

/* The rows of the first statement in the environment. */
static void
add_rows(struct listing *l, struct owner *o, const struct owner_environment *e,
    const struct listing_view *view, const struct tx *tx)
{
	for (size_t i = 0; i < tx_rows(tx, 1); i++) {
		struct row  row = tx_row(tx, 1, i);
		struct str *cells = listing_row(l);

		for (size_t c = 0; c < view->width; c++)
			cells[c] = cell_of(o, e, &view->columns[c], &row);
	}
}

int
listing_read(struct cmd_context *ctx, const struct listing_view *view, enum sql_id statement,
    listing_bind_fn *bind, const void *with, struct listing *out)
{
	struct owner             *o = ctx->owner;
	struct owner_environment *found;
	size_t                    count = 0;
	int code = owner_environments(o, ctx->option[OPTION_ORG], ctx->option[OPTION_ENV], &found,
	    &count);

	begin_listing(out, o, view);
	for (size_t e = 0; e < count && code == 0; e++) {
		struct tx    tx;
		struct bind *b;

		owner_enter(o, &tx, &found[e]);
		tx.reads = true;
		b = owner_step(&tx, statement, &found[e]);
		if (bind)
			bind(b, with);
		if ((code = owner_run(&tx)) == 0)
			add_rows(out, o, &found[e], view, &tx);
	}
	return code;
}

int
listing_show(struct cmd_context *ctx, const struct listing_view *view,
    const struct owner_noun *noun, enum sql_id statement, listing_bind_fn *bind, const void *with,
    const char *text)
{
	struct listing listing;
	int            code = listing_read(ctx, view, statement, bind, with, &listing);

	if (code != 0)
		return code;
	if (listing.rows == 0)
		return owner_unknown(noun, str_of(text));
	listing_print(&listing, ctx->json);
	return 0;
}

static void
bind_one(struct bind *b, const void *id)
{
	bind_id(b, id);
}

int
listing_show_id(struct cmd_context *ctx, const struct listing_view *view,
    const struct owner_noun *noun, enum sql_id statement, const char *text)
{
	struct id id;
	int       code = owner_read_id(noun, text, &id);

	return code ? code : listing_show(ctx, view, noun, statement, bind_one, &id, text);
}

/* ---- a page of one environment ---- */

struct page {
	struct id  after; /* all ones: with the newest */
	int64_t    rows;
	struct str customer, state; /* or absent */
};

static int
read_page(const struct cmd_context *ctx, const struct listing_pages *pages, struct page *p)
{
	const struct owner_noun *n = pages->noun;
	struct str               after = ctx->option[OPTION_AFTER];

	p->rows = ctx->number[OPTION_FIRST] ? ctx->number[OPTION_FIRST] : FIRST_DEFAULT;
	p->customer = ctx->option[OPTION_CUSTOMER];
	p->state = ctx->option[OPTION_STATE];
	memset(p->after.b, 0xFF, ID_BYTES);
	if (after.ptr && !id_parse(n->prefix, after, &p->after))
		return cmd_usage("--after must be %s %s's id (%.*s and %d characters), not "
		    "\"%.*s\".", n->a, n->name, STR_ARGS(n->prefix), ID_TEXT_BYTES,
		    STR_ARGS(after));
	return pages->states ? args_judge_choice(ctx, OPTION_STATE, pages->states) : 0;
}

void
listing_bind_customer(struct bind *b, struct str ref)
{
	struct id id;

	bind_id(b, id_parse(CUSTOMER_ID_PREFIX, ref, &id) ? &id : NULL);
	bind_text(b, ref);
}

static void
bind_page(struct bind *b, const struct page *p)
{
	bind_id(b, &p->after);
	bind_i64(b, p->rows);
	if (p->state.ptr || p->customer.ptr)
		bind_text(b, p->state);
	if (p->customer.ptr)
		listing_bind_customer(b, p->customer);
}

int
listing_page(struct cmd_context *ctx, const struct listing_pages *pages)
{
	static const struct owner_noun customer = { "a", "customer", CUSTOMER_ID_PREFIX };
	struct owner                  *o = ctx->owner;
	struct owner_environment      *found;
	struct listing                 listing;
	struct page                    p;
	struct tx                      tx;
	size_t                         count;
	int                            code = read_page(ctx, pages, &p);

	if (code == 0)
		code = owner_environments(o, ctx->option[OPTION_ORG], ctx->option[OPTION_ENV],
		    &found, &count);
	if (code != 0)
		return code;
	owner_enter(o, &tx, &found[0]); /* each organization has both */
	tx.reads = true;
	bind_page(owner_step(&tx, p.customer.ptr ? pages->of_customer
	    : p.state.ptr ? pages->of_state : pages->all, &found[0]), &p);
	if (p.customer.ptr)
		listing_bind_customer(owner_step(&tx, SQL_BILLING_PAYER, &found[0]), p.customer);
	if ((code = owner_run(&tx)) != 0)
		return code;
	if (p.customer.ptr && tx_rows(&tx, 2) == 0)
		return owner_unknown(&customer, p.customer);
	begin_listing(&listing, o, &pages->view);
	add_rows(&listing, o, &found[0], &pages->view, &tx);
	listing_print(&listing, ctx->json);
	return 0;
}
