/* Typed parameters of one statement. */
#include "db/bind.h"

#include <assert.h>

static void
put(struct bind *b, const char *value, size_t length)
{
	assert(b->n < b->max && length <= INT32_MAX);
	b->value[b->n] = value;
	b->length[b->n] = (int)length;
	b->format[b->n] = 1;
	b->n++;
}

void
bind_put_i64(char p[8], int64_t n)
{
	for (int i = 7; i >= 0; i--)
		*p++ = (char)((uint64_t)n >> (8 * i));
}

static char *
put_i32(char *p, int32_t n)
{
	for (int i = 3; i >= 0; i--)
		*p++ = (char)((uint32_t)n >> (8 * i));
	return p;
}

void
bind_init(struct bind *b, struct arena *a, int max)
{
	b->arena = a;
	b->n = 0;
	b->max = max;
	b->value = ARENA_NEW(a, const char *, (size_t)max);
	b->length = ARENA_NEW(a, int, (size_t)max);
	b->format = ARENA_NEW(a, int, (size_t)max);
}

void
bind_null(struct bind *b)
{
	put(b, NULL, 0);
}

void
bind_text(struct bind *b, struct str s)
{
	put(b, s.ptr, s.len);
}

void
bind_id(struct bind *b, const struct id *id)
{
	if (!id) {
		bind_null(b);
		return;
	}
	char *p = ARENA_NEW(b->arena, char, ID_BYTES);
	memcpy(p, id->b, ID_BYTES);
	put(b, p, ID_BYTES);
}

void
bind_i64(struct bind *b, int64_t n)
{
	char *p = ARENA_NEW(b->arena, char, 8);

	bind_put_i64(p, n);
	put(b, p, 8);
}

void
bind_bool(struct bind *b, bool v)
{
	put(b, v ? "\1" : "\0", 1);
}

void
bind_time(struct bind *b, int64_t wall_ms)
{
	if (wall_ms == BIND_TIME_FIRST || wall_ms == BIND_TIME_LAST)
		bind_i64(b, wall_ms); /* so it is for PostgreSQL, too */
	else
		bind_i64(b, (wall_ms - POSTGRES_EPOCH_MS) * 1000);
}

void
bind_array(struct bind *b, enum bind_type type, const struct str *cells, size_t count)
{
	/*
	 * The number of dimensions, whether there are NULLs, the type of the elements; then the
	 * length and the lower bound of the one dimension. An empty array has no dimension.
	 */
	size_t size = count ? 20 : 12;
	bool   has_null = false;
	char  *p;

	for (size_t i = 0; i < count; i++) {
		size += 4 + cells[i].len;
		has_null |= !cells[i].ptr;
	}
	p = ARENA_NEW(b->arena, char, size);
	put(b, p, size);
	p = put_i32(p, count ? 1 : 0);
	p = put_i32(p, has_null);
	p = put_i32(p, (int32_t)type);
	if (count == 0)
		return;
	p = put_i32(p, (int32_t)count);
	p = put_i32(p, 1);
	for (size_t i = 0; i < count; i++) {
		p = put_i32(p, cells[i].ptr ? (int32_t)cells[i].len : -1);
		if (cells[i].len) {
			memcpy(p, cells[i].ptr, cells[i].len);
			p += cells[i].len;
		}
	}
}
