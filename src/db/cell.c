/* What is inside a cell. */
#include "db/cell.h"

#include <stdlib.h>

static int64_t
big_endian(const char *p, int bytes)
{
	uint64_t n = 0;

	for (int i = 0; i < bytes; i++)
		n = n << 8 | (unsigned char)p[i];
	return (int64_t)n;
}

int64_t
cell_i64(struct str cell)
{
	if (!cell.ptr || cell.len != 8)
		abort();
	return big_endian(cell.ptr, 8);
}

/* Takes a number of four bytes off the cell's front. */
static int64_t
take_number(struct str *cell)
{
	int64_t n;

	if (cell->len < 4)
		abort();
	n = (int32_t)big_endian(cell->ptr, 4);
	*cell = (struct str) { cell->ptr + 4, cell->len - 4 };
	return n;
}

/* Takes a value with its length before it, absent for NULL. */
static struct str
take_value(struct str *cell)
{
	int64_t    len = take_number(cell);
	struct str value = { cell->ptr, (size_t)len };

	if (len < 0)
		return STR_NONE;
	if (value.len > cell->len)
		abort();
	*cell = (struct str) { cell->ptr + value.len, cell->len - value.len };
	return value;
}

/* A row: the number of its cells; before each one the number of its type. */
static const struct str *
take_cells(struct str row, struct arena *a)
{
	size_t      count = (size_t)take_number(&row);
	struct str *cells = ARENA_NEW(a, struct str, count);

	for (size_t i = 0; i < count; i++) {
		take_number(&row);
		cells[i] = take_value(&row);
	}
	return cells;
}

size_t
cell_rows(struct str cell, struct arena *a, const struct row **out)
{
	struct row *rows;
	size_t      count;

	*out = NULL;
	if (!cell.ptr)
		return 0;
	/* As bind_array() writes them: dimensions, NULLs, type; length and lower bound. */
	if (take_number(&cell) == 0)
		return 0;
	take_number(&cell);
	take_number(&cell);
	count = (size_t)take_number(&cell);
	take_number(&cell);
	rows = ARENA_NEW(a, struct row, count);
	for (size_t i = 0; i < count; i++)
		rows[i] = (struct row) { .cells = take_cells(take_value(&cell), a) };
	*out = rows;
	return count;
}
