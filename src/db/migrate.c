/* Migrations: applied once, in order, with checksums, one process at a time. */
#include "base/hash.h"
#include "base/log.h"
#include "db/conn.h"

#include <stdio.h>
#include <stdlib.h>

#define AUTO_RESULT __attribute__((cleanup(result_end))) PGresult
static void
result_end(PGresult **res)
{
	PQclear(*res);
}

/* Statements of the set-up itself; all others stand in sql/. */

/* A number that nothing else uses. For the transaction: behind a pooler there is no session. */
static const char lock_sql[] = "SELECT pg_advisory_xact_lock(7205759403792793)";

static const char table_sql[] =
    "SET LOCAL client_min_messages = warning;"
    "CREATE TABLE IF NOT EXISTS schema_migration ("
    " version bigint NOT NULL PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
    " applied_at timestamptz(3) NOT NULL DEFAULT now())";
static const char applied_sql[] =
    "SELECT version, name, checksum FROM schema_migration ORDER BY version";
static const char record_sql[] =
    "INSERT INTO schema_migration (version, name, checksum) VALUES ($1, $2, $3)";
static const char role_sql[] = "SELECT 1 FROM pg_roles WHERE rolname = 'clientele_serve'";

static bool
done(const PGresult *res)
{
	return PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK;
}

static int
failed(PGconn *conn, const char *what)
{
	log_error("%s: %s", what, PQerrorMessage(conn));
	return EXIT_CONFIG;
}

static void
checksum(const char *text, char out[2 * SHA256_BYTES + 1])
{
	unsigned char hash[SHA256_BYTES];

	hash_sha256(str_of(text), hash);
	*str_put_hex(out, hash, sizeof(hash)) = '\0';
}

static int
apply(PGconn *conn, size_t version)
{
	const struct sql_migration *m = &sql_migrations[version - 1];
	char                        number[24], sum[2 * SHA256_BYTES + 1];
	const char                 *values[] = { number, m->name, sum };

	snprintf(number, sizeof(number), "%zu", version);
	checksum(m->text, sum);
	AUTO_RESULT *body = PQexec(conn, m->text);
	if (!done(body))
		return failed(conn, m->name);
	AUTO_RESULT *record = PQexecParams(conn, record_sql, 3, NULL, values, NULL, NULL, 0);
	if (!done(record))
		return failed(conn, m->name);
	return 0;
}

static int
check_applied(const PGresult *applied)
{
	for (int i = 0; i < PQntuples(applied); i++) {
		const char *number = PQgetvalue(applied, i, 0);
		const char *name = PQgetvalue(applied, i, 1);
		char        sum[2 * SHA256_BYTES + 1];
		int64_t     version = 0;

		if (!str_to_i64(str_of(number), 1, INT32_MAX, &version) || version != i + 1) {
			log_error("schema_migration has a gap at %d; restore it from a backup",
			    i + 1);
			return EXIT_CONFIG;
		}
		if ((size_t)version > sql_migrations_count) {
			log_error("the database has migration %s, which this clientele does not "
			    "know: install the newer clientele", name);
			return EXIT_CONFIG;
		}
		checksum(sql_migrations[version - 1].text, sum);
		if (strcmp(sum, PQgetvalue(applied, i, 2)) != 0) {
			log_error("migration %s differs from the one that was applied (checksum): "
			    "use the clientele that applied it", name);
			return EXIT_CONFIG;
		}
	}
	return 0;
}

/* Applies the first migration that is missing, if any, in one transaction. */
static int
migrate_next(PGconn *conn, size_t *version)
{
	AUTO_RESULT *begin = PQexec(conn, "BEGIN");
	AUTO_RESULT *lock = PQexec(conn, lock_sql);
	if (!done(begin) || !done(lock))
		return failed(conn, "waiting for another migration");
	AUTO_RESULT *table = PQexec(conn, table_sql);
	if (!done(table))
		return failed(conn, "creating schema_migration");
	AUTO_RESULT *applied = PQexec(conn, applied_sql);
	if (!done(applied))
		return failed(conn, "reading schema_migration");
	int code = check_applied(applied);

	*version = (size_t)PQntuples(applied);
	if (code == 0 && *version < sql_migrations_count)
		code = apply(conn, *version + 1);
	if (code)
		return code;
	AUTO_RESULT *commit = PQexec(conn, "COMMIT");
	/* COMMIT of a failed transaction succeeds with the tag ROLLBACK. */
	if (!done(commit) || strcmp(PQcmdStatus(commit), "COMMIT") != 0)
		return failed(conn, "committing a migration");
	return 0;
}

static int
migrate(PGconn *conn)
{
	AUTO_RESULT *role = PQexec(conn, role_sql);
	size_t       version = 0;
	int          code;
	bool         any = false;

	if (!done(role))
		return failed(conn, "looking for the serving role");
	if (PQntuples(role) == 0) {
		log_error("the role clientele_serve does not exist: "
		    "run sql/setup.sql as a superuser first");
		return EXIT_CONFIG;
	}
	while ((code = migrate_next(conn, &version)) == 0 && version < sql_migrations_count) {
		printf("applied %s\n", sql_migrations[version].name);
		any = true;
	}
	if (code == 0 && !any)
		printf("the schema is up to date (%s)\n", sql_migrations[version - 1].name);
	return code;
}

int
db_migrate(struct db *db)
{
	PGconn *conn = conn_open(db);
	int     code;

	if (!conn)
		return EXIT_DATABASE;
	code = migrate(conn);
	PQfinish(conn);
	return code;
}
