/*
 * What is inside a cell, in PostgreSQL's binary format.
 *
 * Errors     A cell that is not of its type is a defect of the statement and ends the process, as
 *            in db/row.h.
 * Lifetime   That of the cell's text; rows are made in the arena.
 */
#ifndef DB_CELL_H
#define DB_CELL_H

#include "db/row.h"

/* The number in a cell, which is not NULL. */
int64_t cell_i64(struct str cell);

/*
 * The rows in a cell that array_agg(ROW(...)) made, none of them NULL. Returns their number, 0 for
 * NULL. They are read like others.
 */
size_t cell_rows(struct str cell, struct arena *a, const struct row **out);

#endif
