/*
 * Members of a struct as parameters and cells: one table of them binds the parameters of a
 * resource's statements and reads their results.
 *
 *	static const struct member columns[] = {
 *		[COL_THING_ID] = { BIND_UUID, offsetof(struct thing, id) },
 *		...
 *
 * How the struct holds each type:
 *	BIND_TEXT, BIND_JSON, BIND_BYTES
 *                             struct str; absent is NULL
 *	BIND_UUID              struct id; the nil id is NULL. With 'view': struct str, its 16 bytes
 *	BIND_BOOL              bool
 *	BIND_I64               int64_t; NULL is read as 0
 *                             Both with 'view': struct str, the cell; absent is NULL
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

/* Binds a member. The struct must live until the transaction has ended. */
void member_bind(struct bind *b, const struct member *m, const void *from);

/* Binds an array: the same member of each of count structs, of size bytes each. */
void member_bind_all(struct bind *b, const struct member *m, const void *elements, size_t size,
    size_t count);

/* Reads a row into a struct: its first column into the first member, and so on. */
void member_read(const struct row *r, const struct member *members, size_t count, void *out);

#endif
