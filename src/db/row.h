/*
 * Cells of a result, in PostgreSQL's binary format.
 *
 * Columns    Named above the statement in sql/query: "-- out: id name" above key_find makes
 *            COL_KEY_FIND_ID and COL_KEY_FIND_NAME.
 * Errors     A cell of another size than the type has, NULL too, is a defect of the
 *            statement and ends the process: a wrong value must never reach a client. But
 *            row_text() returns an absent view for NULL, and row_ids() no ids.
 * Rows       A cell can hold rows of its own (db/cell.h).
 * Lifetime   That of the transaction's arena.
 */
#ifndef DB_ROW_H
#define DB_ROW_H

#include "base/arena.h"
#include "base/id.h"
#include "base/str.h"

struct pg_result;

struct row {
	const struct pg_result *result;
	int                     n;
	const struct str       *cells; /* of a row in a cell; then there is no result */
};

struct str row_text(const struct row *r, int column);
struct id  row_id(const struct row *r, int column);
int64_t    row_i64(const struct row *r, int column);
bool       row_bool(const struct row *r, int column);
int64_t    row_time(const struct row *r, int column); /* wall ms */
bool       row_is_null(const struct row *r, int column);
/* A uuid[] whose elements are not NULL. Returns their number, 0 for NULL. */
size_t     row_ids(const struct row *r, int column, struct arena *a, const struct id **out);

#endif
