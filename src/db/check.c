/* Whether the service may use this database, and how many connections the database allows. */
#include "base/log.h"
#include "db/conn.h"

#include <stdio.h>

/* Runs one statement that reads and takes no parameters. Returns an exit code. */
static int
ask(struct db *db, struct arena *a, struct tx *tx, enum sql_id statement, char *why, size_t size)
{
	tx_init(tx, db, a);
	tx_step(tx, statement);
	tx->reads = true;
	switch (tx_run(tx)) {
	case DB_OK:
		return 0;
	case DB_GONE:
	case DB_TIMEOUT:
	case DB_LOCKED:
		if (db->refused)
			snprintf(why, size, "%s", db_why(db));
		else
			snprintf(why, size, "the database cannot be reached (%s)", tx->log);
		return EXIT_DATABASE;
	case DB_UNIQUE:
	case DB_FAILED:
		break;
	}
	snprintf(why, size, "%s", tx->log);
	return EXIT_CONFIG;
}

/* What makes the role unfit to serve; NULL: nothing. */
static const char *
unfit(const struct row *row)
{
	return row_bool(row, COL_ROLE_CHECK_SUPERUSER) ? "a superuser"
	    : row_bool(row, COL_ROLE_CHECK_BYPASSES)   ? "a role with BYPASSRLS"
	    : row_bool(row, COL_ROLE_CHECK_OWNER)      ? "the owner of the tables"
						       : NULL;
}

static void
warn_once(struct db *db, const struct row *row)
{
	/* A pooler passes on the number of one backend and then lets another one answer. */
	bool pooled = row_i64(row, COL_ROLE_CHECK_PID) != PQbackendPID(db->conn);

	if (db->warned)
		return;
	db->warned = true;
	if (!row_bool(row, COL_ROLE_CHECK_FSYNC))
		log_warn("the database runs with fsync off: "
		    "a crash of its machine loses acknowledged writes");
	if (db->conf->prepared_statements && pooled)
		log_warn("database_url leads through a pooler: if it gives each transaction "
		    "another connection, set prepared_statements = off");
}

/* Otherwise text would not come back as it was sent. */
static bool
is_utf8(const struct db *db, char *why, size_t size)
{
	static const char *const parameters[] = { "server_encoding", "client_encoding" };

	for (size_t i = 0; i < COUNTOF(parameters); i++) {
		const char *value = PQparameterStatus(db->conn, parameters[i]);

		if (value && strcmp(value, "UTF8") != 0) {
			snprintf(why, size, "%s is %s and must be UTF8: make the database with "
			    "sql/setup.sql", parameters[i], value);
			return false;
		}
	}
	return true;
}

static int
check_role(struct db *db, struct arena *a, char *why, size_t size)
{
	struct tx  tx;
	struct row row;
	int        code = ask(db, a, &tx, SQL_ROLE_CHECK, why, size);

	if (code)
		return code;
	if (!is_utf8(db, why, size))
		return EXIT_CONFIG;
	row = tx_row(&tx, 0, 0);
	if (unfit(&row)) {
		snprintf(why, size,
		    "database_url connects as %s, which is not subject to row-level security: "
		    "use the role clientele_serve that sql/setup.sql makes", unfit(&row));
		return EXIT_CONFIG;
	}
	warn_once(db, &row);
	return 0;
}

static int
check_schema(struct db *db, struct arena *a, char *why, size_t size)
{
	struct tx  tx;
	struct row row;
	int64_t    version;
	int        code = ask(db, a, &tx, SQL_SCHEMA_VERSION, why, size);

	if (code == EXIT_CONFIG)
		snprintf(why, size,
		    "the schema is missing or cannot be read (%s): run clientele migrate", tx.log);
	if (code)
		return code;
	row = tx_row(&tx, 0, 0);
	version = row_i64(&row, COL_SCHEMA_VERSION_VERSION);
	if ((size_t)version == sql_migrations_count)
		return 0;
	snprintf(why, size, "the schema is at migration %jd and this clientele knows %zu: %s",
	    (intmax_t)version, sql_migrations_count,
	    (size_t)version < sql_migrations_count ? "run clientele migrate"
						   : "install the newer clientele");
	return EXIT_CONFIG;
}

int
db_check(struct db *db, struct arena *a, char *why, size_t size)
{
	int code = check_role(db, a, why, size);

	return code ? code : check_schema(db, a, why, size);
}

bool
db_room(struct db *db, struct arena *a, struct db_room *out)
{
	struct tx  tx;
	struct row row;

	tx_init(&tx, db, a);
	tx_step(&tx, SQL_CONNECTION_ROOM);
	tx.reads = true;
	if (tx_run(&tx) != DB_OK || tx_rows(&tx, 0) != 1)
		return false;
	row = tx_row(&tx, 0, 0);
	*out = (struct db_room) {
		.max_connections = row_i64(&row, COL_CONNECTION_ROOM_MAX_CONNECTIONS),
		.reserved = row_i64(&row, COL_CONNECTION_ROOM_RESERVED),
		.of_role = row_i64(&row, COL_CONNECTION_ROOM_OF_ROLE),
		.of_database = row_i64(&row, COL_CONNECTION_ROOM_OF_DATABASE),
	};
	return true;
}
