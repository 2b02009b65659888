/* Members of a struct as parameters and cells. */
#include "db/member.h"

/* The member in binary format, absent for NULL. A number is written into eight. */
static struct str
cell_of(const struct member *m, const void *from, char eight[8])
{
	const void *at = (const char *)from + m->at;
	int64_t     n;

	if (m->view)
		return *(const struct str *)at;
	switch (m->type) {
	case BIND_TEXT:
	case BIND_BYTES:
	case BIND_JSON:
		return *(const struct str *)at;
	case BIND_UUID:
		return id_is_nil(at) ? STR_NONE : (struct str) { at, ID_BYTES };
	case BIND_BOOL:
		return (struct str) { *(const bool *)at ? "\1" : "\0", 1 };
	case BIND_I64:
		bind_put_i64(eight, *(const int64_t *)at);
		return (struct str) { eight, 8 };
	case BIND_TIME:
		n = *(const int64_t *)at;
		bind_put_i64(eight, (n - POSTGRES_EPOCH_MS) * 1000);
		return n ? (struct str) { eight, 8 } : STR_NONE;
	}
	return STR_NONE;
}

void
member_bind(struct bind *b, const struct member *m, const void *from)
{
	bind_text(b, cell_of(m, from, ARENA_NEW(b->arena, char, 8)));
}

void
member_bind_all(struct bind *b, const struct member *m, const void *elements, size_t size,
    size_t count)
{
	struct str *cells = ARENA_NEW(b->arena, struct str, count);
	char       *eights = ARENA_NEW(b->arena, char, 8 * count);

	for (size_t i = 0; i < count; i++)
		cells[i] = cell_of(m, (const char *)elements + i * size, eights + 8 * i);
	bind_array(b, m->type, cells, count);
}

/* Reads one cell. */
static inline void
read_cell(const struct row *r, int column, const struct member *m, void *out)
{
	void *at = (char *)out + m->at;

	if (m->view) {
		*(struct str *)at = row_text(r, column);
		return;
	}
	switch (m->type) {
	case BIND_TEXT:
	case BIND_BYTES:
	case BIND_JSON:
		*(struct str *)at = row_text(r, column);
		break;
	case BIND_UUID:
		if (!row_is_null(r, column))
			*(struct id *)at = row_id(r, column);
		break;
	case BIND_BOOL:
		*(bool *)at = row_bool(r, column);
		break;
	case BIND_I64:
		*(int64_t *)at = row_is_null(r, column) ? 0 : row_i64(r, column);
		break;
	case BIND_TIME:
		*(int64_t *)at = row_is_null(r, column) ? 0 : row_time(r, column);
		break;
	}
}

void
member_read(const struct row *r, const struct member *members, size_t count, void *out)
{
	for (size_t i = 0; i < count; i++)
		read_cell(r, (int)i, &members[i], out);
}
