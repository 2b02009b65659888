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
	if (l->rows == l->room) {
		size_t      room = l->room ? l->room * 2 : 32;
		struct str *cells = ARENA_NEW(l->arena, struct str, room * l->width);

		if (l->rows)
			memcpy(cells, l->cells, l->rows * l->width * sizeof(*cells));
		l->cells = cells;
		l->room = room;
	}
	return &l->cells[l->width * l->rows++];
}

static void
print_json(const struct listing *l)
{
	struct json_object *array = jwrite_array();
	struct buf          out;

	for (size_t r = 0; r < l->rows; r++) {
		struct json_object *row = jwrite_object();

		for (size_t c = 0; c < l->width; c++)
			jwrite_put(row, l->columns[c], jwrite_str(l->cells[r * l->width + c]));
		jwrite_push(array, row);
	}
	buf_init(&out, SIZE_MAX / 2);
	jwrite_text(array, &out);
	printf("%.*s\n", STR_ARGS(buf_view(&out)));
	buf_fini(&out);
	jwrite_free(array);
}

static struct str
shown(struct str cell)
{
	return cell.ptr ? cell : STR("-");
}

static void
print_row(const struct listing *l, const struct str *cells, const size_t *widths)
{
	for (size_t c = 0; c < l->width; c++) {
		struct str cell = shown(cells[c]);
		bool       last = c + 1 == l->width;
		int        blanks = last ? 0 : (int)(widths[c] - utf8_count(cell) + 2);

		printf("%.*s%*s", STR_ARGS(cell), blanks, last ? "\n" : "");
	}
}

void
listing_print(const struct listing *l, bool json)
{
	struct str head[LISTING_COLUMNS_MAX];
	size_t     widths[LISTING_COLUMNS_MAX];

	if (json) {
		print_json(l);
		return;
	}
	for (size_t c = 0; c < l->width; c++) {
		head[c] = str_of(l->columns[c]);
		widths[c] = head[c].len;
		for (size_t r = 0; r < l->rows; r++) {
			size_t chars = utf8_count(shown(l->cells[r * l->width + c]));

			if (chars > widths[c])
				widths[c] = chars;
		}
	}
	print_row(l, head, widths);
	for (size_t r = 0; r < l->rows; r++)
		print_row(l, &l->cells[r * l->width], widths);
}
