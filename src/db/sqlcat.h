/*
 * The statements and migrations of sql/, built into the binary. A request sends PostgreSQL
 * nothing else; no statement is put together at run time.
 */
#ifndef DB_SQLCAT_H
#define DB_SQLCAT_H

#include "db/bind.h"

#include <stdbool.h>
#include <stddef.h>

struct sql_stmt {
	const char *name;
	int         nparams;
	unsigned    marks;   /* of enum sql_mark */
	const char *columns; /* names in the result, separated by blanks; "": C reads none */
	enum sql_id many;    /* does it for several at once (db/bundle.h); SQL__COUNT: none does */
	/* Of one that does: the type in each parameter's array, or 0: it is the same for all. */
	const enum bind_type *arrays;
	const char *text;
};

struct sql_migration {
	const char *name; /* "0001_base": the number is the version; there are no gaps */
	bool        online; /* requests are answered meanwhile */
	const char *text;
};

extern const struct sql_stmt      sql_catalogue[SQL__COUNT];
extern const struct sql_migration sql_migrations[];
extern const size_t               sql_migrations_count;

#endif
