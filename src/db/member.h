/*
 * Members of a struct as parameters and cells: a table of them serves a resource's
 * statements in both directions.
 *
 *	static const struct member columns[] = {
 *		[COL_THING_ID] = { BIND_UUID, offsetof(struct thing, id) },
 *		...
 *
 * A type is held as
 *	BIND_TEXT, BIND_JSON   struct str; absent is NULL
 *	BIND_UUID              struct id; the nil id is NULL. With 'view' a struct str of its 16 bytes
 *	BIND_BOOL              bool
 *	BIND_I64               int64_t; NULL is read as 0
 *	BIND_TIME              int64_t, wall ms; 0 is NULL
 */
#ifndef DB_MEMBER_H
#define DB_MEMBER_H

#include "db/bind.h"
#include "db/row.h"

struct member {
	enum bind_type type;
	size_t         at; /* offsetof() */
	bool           view;
};

/* A view of the struct, which must live until the transaction has ended. */
void member_bind(struct bind *b, const struct member *m, const void *from);

/* The same member of each element of an array of structs, of size bytes each, as an array. */
void member_bind_all(struct bind *b, const struct member *m, const void *elements, size_t size, size_t count);

/* The cells from the first column on into the members of a struct. */
void member_read(const struct row *r, const struct member *members, size_t count, void *out);

#endif
