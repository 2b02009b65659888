/* Whether the service may use this database, and how many connections the database allows. */
#include "base/log.h"
#include "db/lane.h"

#include <stdio.h>

enum { SERVER_VERSION_MIN = 150000 };

/* Runs one statement that reads and takes no parameters. FIT: it was answered. */
static enum db_condition
ask(struct db *db, struct arena *a, struct tx *tx, enum sql_id statement, char *why, size_t size)
{
	tx_init(tx, db, a);
	tx_step(tx, statement);
	tx->reads = true;
	switch (tx_run(tx)) {
	case DB_OK:
		return DB_CONDITION_FIT;
	case DB_GONE:
	case DB_TIMEOUT:
	case DB_LOCKED:
		if (db->lane->trouble != DB_CONDITION_FIT) {
			snprintf(why, size, "%s", db_why(db));
			return db->lane->trouble;
		}
		snprintf(why, size, "the database cannot be reached (%s)", tx->log);
		return DB_CONDITION_UNREACHABLE;
	case DB_UNIQUE:
	case DB_FAILED:
		break;
	}
	snprintf(why, size, "%s", tx->log);
	return DB_CONDITION_UNFIT;
}

/* ---- the server */

bool
check_server(const PGconn *conn, char *why, size_t size)
{
	static const char *const cures[][2] = {
		{ "server_encoding", "make the database with sql/setup.sql" },
		{ "client_encoding", "take it out of the connection string, or run ALTER ROLE "
				     "clientele_serve RESET client_encoding" },
	};
	int version = PQserverVersion(conn);

	if (version < SERVER_VERSION_MIN) {
		snprintf(why, size, "the server is PostgreSQL %d and must be %d or newer: move the "
		    "database with pg_dump and pg_restore", version / 10000,
		    SERVER_VERSION_MIN / 10000);
		return false;
	}
	for (size_t i = 0; i < COUNTOF(cures); i++) {
		const char *value = PQparameterStatus(conn, cures[i][0]);

		/* Otherwise text would not come back as it was sent. */
		if (value && strcmp(value, "UTF8") != 0) {
			snprintf(why, size, "%s is %s and must be UTF8: %s", cures[i][0], value,
			    cures[i][1]);
			return false;
		}
	}
	return true;
}

/* ---- the role, its settings and its tables */

#define CONNECTS_AS(what)                                                                          \
	"database_url connects as " what ", which is not subject to row-level security: use the "  \
	"role clientele_serve that sql/setup.sql makes"
#define SETTING(name, value)                                                                       \
	name " must be " value ": run ALTER ROLE clientele_serve SET " name " = '" value "'; in "  \
	     "psql \\drds shows who set it"

struct fault {
	int         column;
	const char *sentence;
};

/* Of these and of the next but one the first that is true is said. */
static const struct fault faults[] = {
	{ COL_ROLE_CHECK_SUPERUSER, CONNECTS_AS("a superuser") },
	{ COL_ROLE_CHECK_BYPASSES, CONNECTS_AS("a role with BYPASSRLS") },
	{ COL_ROLE_CHECK_OWNER, CONNECTS_AS("the owner of the tables") },
	{ COL_ROLE_CHECK_MEMBER,
	    CONNECTS_AS("a member of the tables' owner or of another such role") },
	{ COL_ROLE_CHECK_BECOMES, "database_url connects as one role and becomes another: connect "
	    "as clientele_serve itself, or run ALTER ROLE ... RESET role" },
	{ COL_ROLE_CHECK_POWERS, "database_url connects as a role that may do more than serve "
	    "(CREATEROLE, REPLICATION, files or programs of the server): run sql/setup.sql again, "
	    "and REVOKE its memberships" },
	{ COL_ROLE_CHECK_ROW_SECURITY, SETTING("row_security", "on") },
	{ COL_ROLE_CHECK_REPLICATION, "session_replication_role must be origin: run ALTER ROLE "
	    "clientele_serve RESET session_replication_role; in psql \\drds shows who set it" },
	{ COL_ROLE_CHECK_ISOLATION, SETTING("default_transaction_isolation", "read committed") },
	{ COL_ROLE_CHECK_SETTINGS, "app.* are settings of Clientele's own, with which tenants are "
	    "kept apart, and must not be set: run ALTER ROLE clientele_serve RESET ALL and "
	    "sql/setup.sql; in psql \\drds shows who set them" },
	{ COL_ROLE_CHECK_SCHEMAS, "search_path leads through more than one schema, and tables of "
	    "another could stand before Clientele's: run ALTER ROLE clientele_serve SET "
	    "search_path = public" },
	{ COL_ROLE_CHECK_OPEN, "row-level security is off for a table with tenants' rows: run "
	    "ALTER TABLE ... ENABLE ROW LEVEL SECURITY and FORCE ROW LEVEL SECURITY; in psql \\d "
	    "shows of which" },
};

/* Worth a warning: it may pass, or be meant. */
static const struct fault doubts[] = {
	{ COL_ROLE_CHECK_FORGETFUL, "the database runs with fsync or full_page_writes off: "
	    "a crash of its machine loses acknowledged writes" },
	{ COL_ROLE_CHECK_CLOSED, "a table with tenants' rows may not be used by the role, as after "
	    "a restore without privileges; unless it is a table of your own, restore with them" },
};

/* It serves, but writes fail. */
static const struct fault idle[] = {
	{ COL_ROLE_CHECK_STANDBY, "the database is a standby: every write fails until it is "
	    "promoted; target_session_attrs=read-write in database_url finds the primary among "
	    "several hosts" },
	{ COL_ROLE_CHECK_READ_ONLY, "the database is read-only: every write fails until "
	    "default_transaction_read_only is off; in psql \\drds shows who set it" },
	{ COL_ROLE_CHECK_UNWRITABLE, "the role may not write to a table with tenants' rows: every "
	    "such write fails until it has the rights again that sql/migrate grants it" },
};

static void
warn_once(struct db *db, const struct row *row)
{
	/* A pooler passes on the number of one backend and then lets another one answer. */
	bool pooled = row_i64(row, COL_ROLE_CHECK_PID) != PQbackendPID(db->lane->conn);

	if (db->lane->warned)
		return;
	db->lane->warned = true;
	for (size_t i = 0; i < COUNTOF(doubts); i++)
		if (row_bool(row, doubts[i].column))
			log_warn("%s", doubts[i].sentence);
	if (db->conf->prepared_statements && pooled)
		log_warn("database_url leads through a pooler: if it gives each transaction "
		    "another connection, set prepared_statements = off");
}

/* Whether the row has one of them, which why then says. */
static bool
has_one(const struct row *row, const struct fault *list, size_t count, char *why, size_t size)
{
	for (size_t i = 0; i < count; i++)
		if (row_bool(row, list[i].column)) {
			snprintf(why, size, "%s", list[i].sentence);
			return true;
		}
	return false;
}

static enum db_condition
check_role(struct db *db, struct arena *a, char *why, size_t size)
{
	struct tx         tx;
	struct row        row;
	enum db_condition found = ask(db, a, &tx, SQL_ROLE_CHECK, why, size);

	if (found != DB_CONDITION_FIT)
		return found;
	if (!check_server(db->lane->conn, why, size))
		return DB_CONDITION_UNFIT;
	row = tx_row(&tx, 0, 0);
	if (has_one(&row, faults, COUNTOF(faults), why, size))
		return DB_CONDITION_UNFIT;
	warn_once(db, &row);
	return has_one(&row, idle, COUNTOF(idle), why, size) ? DB_CONDITION_READ_ONLY
							     : DB_CONDITION_FIT;
}

/* ---- the schema */

static enum db_condition
check_schema(struct db *db, struct arena *a, char *why, size_t size)
{
	struct tx         tx;
	struct row        row;
	int64_t           version;
	enum db_condition found = ask(db, a, &tx, SQL_SCHEMA_VERSION, why, size);

	if (found == DB_CONDITION_UNFIT)
		snprintf(why, size,
		    "the schema is missing or cannot be read (%s): run clientele migrate", tx.log);
	if (found != DB_CONDITION_FIT)
		return found;
	row = tx_row(&tx, 0, 0);
	version = row_i64(&row, COL_SCHEMA_VERSION_VERSION);
	if ((size_t)version == sql_migrations_count)
		return DB_CONDITION_FIT;
	snprintf(why, size, "the schema is at migration %jd and this clientele knows %zu: %s",
	    (intmax_t)version, sql_migrations_count,
	    (size_t)version < sql_migrations_count ? "run clientele migrate"
						   : "install the newer clientele");
	return DB_CONDITION_UNFIT;
}

enum db_condition
db_check(struct db *db, struct arena *a, char *why, size_t size)
{
	/* What the schema lacks is said instead of what the role may not do with it. */
	char              other[512];
	enum db_condition role = check_role(db, a, why, size), schema;

	if (role != DB_CONDITION_FIT && role != DB_CONDITION_READ_ONLY)
		return role;
	schema = check_schema(db, a, other, sizeof(other));
	if (schema == DB_CONDITION_FIT)
		return role;
	snprintf(why, size, "%s", other);
	return schema;
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
