/* Results of a command. */
#include "cli/listing.h"
#include "base/utf8.h"
#include "json/jwrite.h"

#include <assert.h>
#include <stdio.h>

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

static void
print_json(const struct listing *l)
{
	struct json_object *array = jwrite_array();
	struct buf          out;

	for (size_t r = 0; r < l->rows; r++) {
		struct json_object *row = jwrite_object();

		for (size_t c = 0; c < l->width; c++)
			jwrite_put(row, l->columns[c], json_cell(l, c, l->cells[r * l->width + c]));
		jwrite_push(array, row);
	}
	buf_init(&out, SIZE_MAX / 2);
	jwrite_text(array, &out);
	printf("%.*s\n", STR_ARGS(shown(l, buf_view(&out))));
	buf_fini(&out);
	jwrite_free(array);
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
		print_json(l);
	else if (l->upright)
		print_upright(l);
	else
		print_table(l);
}
