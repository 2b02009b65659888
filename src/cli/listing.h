/*
 * Results of a command: an aligned table for people, or JSON.
 *
 * Lifetime   Cells are views that must live until listing_print().
 * Hidden     characters of a cell (base/utf8.h) are escaped, so that each row is a line.
 */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include "base/arena.h"

enum { LISTING_COLUMNS_MAX = 13 };

struct listing {
	struct arena      *arena;
	const char *const *columns; /* names, JSON's member names too */
	size_t             width;   /* columns */
	unsigned           raw;     /* bits of the columns whose cells are JSON: numbers, objects */
	bool               upright; /* for people: a line for each cell, not for each row */
	size_t             rows, capacity;
	struct str        *cells;   /* absent: "-" for people, null in JSON */
};

void listing_init(struct listing *l, struct arena *a, const char *const *columns, size_t width);

/* A new row to fill, width cells. */
struct str *listing_row(struct listing *l);

void listing_print(const struct listing *l, bool json);

#endif
