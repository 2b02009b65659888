/*
 * Rows of a resource as CSV (RFC 4180): the columns are those of its table of fields that a view
 * shows, named in a first line.
 *
 * Null       Nothing between the commas. An empty text is two quotes, so both come back as they
 *            were.
 * Cells      Text, or JSON as it is stored. Line breaks in a cell stay as they are.
 * Harmless   Spreadsheets compute cells that begin with = + - @, a tab or a carriage return. With
 *            'neutral' such a text gets an apostrophe before it, and is no longer what is stored.
 */
#ifndef CALL_CSV_H
#define CALL_CSV_H

#include "call/field.h"

/* Appends the line of names. */
void csv_head(struct buf *out, const struct call *c, const struct fields *f, unsigned view);

/* Appends the line of one row. */
void csv_row(struct buf *out, struct call *c, const struct fields *f, const void *what,
    unsigned view, bool neutral);

#endif
