/* Cells of a result. */
#include "db/row.h"
#include "base/log.h"
#include "db/bind.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>

bool
row_is_null(const struct row *r, int column)
{
	if (r->cells)
		return !r->cells[column].ptr;
	assert(column < PQnfields(r->result));
	return PQgetisnull(r->result, r->n, column) == 1;
}

struct str
row_text(const struct row *r, int column)
{
	int len;

	if (r->cells)
		return r->cells[column];
	len = PQgetlength(r->result, r->n, column);
	if (len == 0 && row_is_null(r, column))
		return STR_NONE;
	return (struct str) { PQgetvalue(r->result, r->n, column), (size_t)len };
}

static const char *
fixed(const struct row *r, int column, size_t bytes)
{
	struct str cell = row_text(r, column);

	if (!cell.ptr || cell.len != bytes) {
		log_error("column %d (%s) has %zu bytes instead of %zu", column,
		    r->cells ? "of a row in a cell" : PQfname(r->result, column), cell.len, bytes);
		abort();
	}
	return cell.ptr;
}

static int64_t
big_endian(const char *p, int bytes)
{
	uint64_t n = 0;

	for (int i = 0; i < bytes; i++)
		n = n << 8 | (unsigned char)p[i];
	return (int64_t)n;
}

struct id
row_id(const struct row *r, int column)
{
	struct id id;

	memcpy(id.b, fixed(r, column, ID_BYTES), ID_BYTES);
	return id;
}

int64_t
row_i64(const struct row *r, int column)
{
	return big_endian(fixed(r, column, 8), 8);
}

bool
row_bool(const struct row *r, int column)
{
	return *fixed(r, column, 1) != 0;
}

int64_t
row_time(const struct row *r, int column)
{
	int64_t us = row_i64(r, column);

	/* Microseconds since 2000-01-01; the columns hold whole milliseconds. */
	return (us >= 0 ? us / 1000 : -((999 - us) / 1000)) + POSTGRES_EPOCH_MS;
}

size_t
row_ids(const struct row *r, int column, struct arena *a, const struct id **out)
{
	struct str cell = row_text(r, column);
	struct id *ids;
	size_t     count;

	*out = NULL;
	if (cell.len < 20) /* NULL, or an array without dimensions */
		return 0;
	count = (size_t)big_endian(cell.ptr + 12, 4);
	if (cell.len != 20 + count * (4 + ID_BYTES))
		abort(); /* NULLs or another type: a defect of the statement */
	ids = ARENA_NEW(a, struct id, count);
	for (size_t i = 0; i < count; i++)
		memcpy(ids[i].b, cell.ptr + 20 + i * (4 + ID_BYTES) + 4, ID_BYTES);
	*out = ids;
	return count;
}
