/*
 * Typed parameters of one statement, all in PostgreSQL's binary format.
 *
 * Order      The first call binds $1, the next one $2, and so on.
 * Absent     A view with ptr == NULL (or a NULL id) is SQL NULL.
 * Lifetime   bind_text() keeps the view, so its bytes must live until the transaction has
 *            ended. Everything else is copied into the arena, arrays with all their cells.
 */
#ifndef DB_BIND_H
#define DB_BIND_H

#include "base/arena.h"
#include "base/id.h"
#include "base/str.h"

#include "sqlcat_ids.h"

struct bind {
	struct arena *arena;
	int           n, max;
	/* Of max each, in the arena: a statement may have many, and most have few. */
	const char  **value;
	int          *length;
	int          *format;
};

/* max: the number of the statement's parameters. */
void bind_init(struct bind *b, struct arena *a, int max);
void bind_text(struct bind *b, struct str s); /* text, json and bytea alike */
void bind_id(struct bind *b, const struct id *id);
void bind_i64(struct bind *b, int64_t n);
void bind_bool(struct bind *b, bool v);
void bind_time(struct bind *b, int64_t wall_ms); /* or one of these: before and after any other */
#define BIND_TIME_FIRST INT64_MIN
#define BIND_TIME_LAST  INT64_MAX
void bind_null(struct bind *b);

/* Types, with PostgreSQL's numbers for them (pg_type.oid). */
enum bind_type {
	BIND_BOOL = 16,
	BIND_BYTES = 17,
	BIND_I64 = 20,
	BIND_TEXT = 25,
	BIND_JSON = 114,
	BIND_TIME = 1184,
	BIND_UUID = 2950,
};

/* A one-dimensional array. Each cell is a value in binary format; an absent one is NULL. */
void bind_array(struct bind *b, enum bind_type type, const struct str *cells, size_t count);

/* Writes a number in binary format. */
void bind_put_i64(char p[8], int64_t n);

/* PostgreSQL counts time from 2000-01-01. */
#define POSTGRES_EPOCH_MS INT64_C(946684800000)

#endif
