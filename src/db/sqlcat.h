/*
 * The statements and migrations of sql/, built into the binary. Nothing else
 * is ever sent to PostgreSQL; no statement is put together at run time.
 */
#ifndef DB_SQLCAT_H
#define DB_SQLCAT_H

#include "sqlcat_ids.h"

#include <stddef.h>

struct sql_stmt {
	const char *name;
	int         nparams;
	unsigned    marks;   /* of enum sql_mark */
	const char *columns; /* names of the result's, with blanks between them; "": none that C reads */
	const char *text;
};

struct sql_migration {
	const char *name; /* "0001_base": the number is its version, without gaps */
	const char *text;
};

extern const struct sql_stmt      sql_catalogue[SQL__COUNT];
extern const struct sql_migration sql_migrations[];
extern const size_t               sql_migrations_count;

#endif
