/* Migrations: applied once, in order, with checksums, one process at a time. */
#include "db/migrate.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/hash.h"
#include "db/lane.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	BUSY = -1, /* no exit code: another transaction held a lock for too long */
	PAUSE_FIRST_MS = 500,
	PAUSE_MAX_MS = 30000,
	VERSION_MAX = 9999,
};

/* Statements of the set-up itself; all others stand in sql/. */

/* A number that nothing else uses. For the transaction: behind a pooler there is no session. */
static const char lock_sql[] = "SELECT pg_advisory_xact_lock(7205759403792793)";

/* Only now: another migration may take its time. */
static const char patience_sql[] = "SET LOCAL lock_timeout = '2s'";
static const char table_sql[] =
    "SET LOCAL client_min_messages = warning;"
    "CREATE TABLE IF NOT EXISTS schema_migration ("
    " version bigint NOT NULL PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
    " applied_at timestamptz(3) NOT NULL DEFAULT now())";
static const char has_table_sql[] = "SELECT 1 WHERE to_regclass('schema_migration') IS NOT NULL";
static const char applied_sql[] =
    "SELECT version, name, checksum, (extract(epoch FROM applied_at) * 1000)::bigint"
    "  FROM schema_migration ORDER BY version";
static const char record_sql[] =
    "INSERT INTO schema_migration (version, name, checksum) VALUES ($1, $2, $3)";
static const char role_sql[] = "SELECT 1 FROM pg_roles WHERE rolname = 'clientele_serve'";

enum { APPLIED_VERSION, APPLIED_NAME, APPLIED_CHECKSUM, APPLIED_MS };

struct run {
	PGconn     *conn;
	struct buf *why;
	const char *doing; /* for why: "0001_base" */
};

#define AUTO_RESULT __attribute__((cleanup(result_end))) PGresult
static void
result_end(PGresult **res)
{
	PQclear(*res);
}

static bool
done(const PGresult *res)
{
	return PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK;
}

static bool
is_sqlstate(const PGresult *res, const char *wanted)
{
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	return sqlstate && strcmp(sqlstate, wanted) == 0;
}

/* What PostgreSQL names beside its message: no data. */
static void
name_place(const PGresult *res, struct buf *why)
{
	static const struct {
		int         field;
		const char *what;
	} fields[] = {
		{ PG_DIAG_TABLE_NAME, "table" },
		{ PG_DIAG_COLUMN_NAME, "column" },
		{ PG_DIAG_CONSTRAINT_NAME, "constraint" },
	};

	for (size_t i = 0; i < COUNTOF(fields); i++) {
		const char *name = PQresultErrorField(res, fields[i].field);

		if (name)
			buf_fmt(why, ", %s %s", fields[i].what, name);
	}
}

/* An exit code, or BUSY. */
static int
refuse(struct run *r, const PGresult *res)
{
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	if (is_sqlstate(res, "55P03") || is_sqlstate(res, "40P01"))
		return BUSY;
	if (PQstatus(r->conn) != CONNECTION_OK || !sqlstate) {
		buf_fmt(r->why, "the connection to the database was lost (%s); run clientele "
		    "migrate again: a migration is done whole or not at all", r->doing);
		return EXIT_DATABASE;
	}
	if (is_sqlstate(res, "42501"))
		buf_fmt(r->why, "%s: \"%s\" may not do this; database_owner_url must connect as "
		    "the owner of the database, clientele_owner", r->doing, PQuser(r->conn));
	else {
		buf_fmt(r->why, "%s failed with SQLSTATE %s", r->doing, sqlstate);
		name_place(res, r->why);
		buf_fmt(r->why, "; nothing of it was done, and the database's log has the message");
	}
	return EXIT_CONFIG;
}

static int
execute(struct run *r, const char *sql)
{
	AUTO_RESULT *res = PQexec(r->conn, sql);

	return done(res) ? 0 : refuse(r, res);
}

static void
checksum(const char *text, char out[2 * SHA256_BYTES + 1])
{
	unsigned char hash[SHA256_BYTES];

	hash_sha256(str_of(text), hash);
	*str_put_hex(out, hash, sizeof(hash)) = '\0';
}

static int
apply(struct run *r, size_t version)
{
	const struct sql_migration *m = &sql_migrations[version - 1];
	char                        number[24], sum[2 * SHA256_BYTES + 1];
	const char                 *values[] = { number, m->name, sum };
	int                         code;

	snprintf(number, sizeof(number), "%zu", version);
	checksum(m->text, sum);
	r->doing = m->name;
	if ((code = execute(r, m->text)) != 0)
		return code;
	AUTO_RESULT *record = PQexecParams(r->conn, record_sql, 3, NULL, values, NULL, NULL, 0);
	return done(record) ? 0 : refuse(r, record);
}

/* Whether the database and this program speak of the same migrations. */
static int
check_applied(struct run *r, const PGresult *applied)
{
	for (int i = 0; i < PQntuples(applied); i++) {
		const char *name = PQgetvalue(applied, i, APPLIED_NAME);
		char        sum[2 * SHA256_BYTES + 1];
		int64_t     version = 0;

		if (!str_to_i64(str_of(PQgetvalue(applied, i, APPLIED_VERSION)), 1, VERSION_MAX,
		    &version) || version != i + 1) {
			buf_fmt(r->why, "schema_migration has a gap at %d; restore it from a "
			    "backup", i + 1);
			return EXIT_CONFIG;
		}
		if ((size_t)version > sql_migrations_count) {
			buf_fmt(r->why, "the database has migration %s, which this clientele does "
			    "not know: install the newer clientele", name);
			return EXIT_CONFIG;
		}
		checksum(sql_migrations[version - 1].text, sum);
		if (strcmp(sum, PQgetvalue(applied, i, APPLIED_CHECKSUM)) != 0) {
			buf_fmt(r->why, "migration %s differs from the one that was applied "
			    "(checksum): use the clientele that applied it", name);
			return EXIT_CONFIG;
		}
	}
	return 0;
}

static int
commit(struct run *r)
{
	AUTO_RESULT *res = PQexec(r->conn, "COMMIT");

	/* COMMIT of a failed transaction succeeds with the tag ROLLBACK. */
	return done(res) && strcmp(PQcmdStatus(res), "COMMIT") == 0 ? 0 : refuse(r, res);
}

/* Applies the first migration that is missing, if any, in one transaction. */
static int
migrate_next(struct run *r, size_t *version)
{
	static const char *const before[] = { "BEGIN", lock_sql, patience_sql, table_sql };
	int                      code = 0;

	r->doing = "schema_migration";
	for (size_t i = 0; i < COUNTOF(before) && code == 0; i++)
		code = execute(r, before[i]);
	if (code)
		return code;
	AUTO_RESULT *applied = PQexec(r->conn, applied_sql);
	if (!done(applied))
		return refuse(r, applied);
	*version = (size_t)PQntuples(applied);
	code = check_applied(r, applied);
	if (code == 0 && *version < sql_migrations_count)
		code = apply(r, *version + 1);
	return code ? code : commit(r);
}

/* Until nobody is in its way any more, or for as long as it may wait. */
static int
migrate_patiently(struct run *r, const struct db_migrate *how, size_t *version)
{
	int64_t end_ms = clock_mono_ms() + how->wait_ms;
	int64_t pause_ms = PAUSE_FIRST_MS;
	int     code;

	while ((code = migrate_next(r, version)) == BUSY) {
		char    sentence[200];
		int64_t left_ms = end_ms - clock_mono_ms();

		if ((code = execute(r, "ROLLBACK")) != 0)
			return code;
		if (left_ms <= 0) {
			buf_fmt(r->why, "gave up after %jd s: another transaction holds a lock "
			    "that %s needs, perhaps a backup or a forgotten BEGIN; "
			    "pg_stat_activity shows it, and nothing of it was done",
			    (intmax_t)(how->wait_ms + 999) / 1000, r->doing);
			return EXIT_DATABASE;
		}
		pause_ms = pause_ms < left_ms ? pause_ms : left_ms;
		snprintf(sentence, sizeof(sentence), "another transaction holds a lock that %s "
		    "needs; letting requests pass for %jd ms before the next try", r->doing,
		    (intmax_t)pause_ms);
		how->waiting(how->with, sentence);
		poll(NULL, 0, (int)pause_ms);
		pause_ms = backoff_after(pause_ms, PAUSE_MAX_MS);
	}
	return code;
}

static int
migrate(struct run *r, const struct db_migrate *how)
{
	AUTO_RESULT *role = PQexec(r->conn, role_sql);
	char         unfit[LANE_WHY_BYTES];
	size_t       version = 0;
	int          code;

	if (!check_server(r->conn, unfit, sizeof(unfit))) {
		buf_fmt(r->why, "%s", unfit);
		return EXIT_CONFIG;
	}
	if (!done(role))
		return refuse(r, role);
	if (PQntuples(role) == 0) {
		buf_fmt(r->why, "the role clientele_serve does not exist: run sql/setup.sql first");
		return EXIT_CONFIG;
	}
	while ((code = migrate_patiently(r, how, &version)) == 0 && version < sql_migrations_count)
		how->applied(how->with, sql_migrations[version].name);
	return code;
}

/* Connects and calls it; why has the sentence when that fails. */
static bool
begin(struct db *db, struct run *r, struct buf *why)
{
	*r = (struct run) {
		.conn = lane_open(db->lane), .why = why, .doing = "looking at the roles",
	};
	if (!r->conn)
		buf_fmt(why, "%s", db_why(db));
	return r->conn != NULL;
}

int
db_migrate(struct db *db, const struct db_migrate *how, struct buf *why)
{
	struct run r;
	int        code;

	if (!begin(db, &r, why))
		return EXIT_DATABASE;
	code = migrate(&r, how);
	PQfinish(r.conn);
	return code;
}

/* ---- what there is */

static int
read_applied(struct run *r, struct db_migration *list)
{
	AUTO_RESULT *table = PQexec(r->conn, has_table_sql);
	int          code;

	if (!done(table))
		return refuse(r, table);
	if (PQntuples(table) == 0)
		return 0;
	AUTO_RESULT *applied = PQexec(r->conn, applied_sql);
	if (!done(applied))
		return refuse(r, applied);
	code = check_applied(r, applied);
	for (int i = 0; i < PQntuples(applied) && code == 0; i++) {
		list[i].applied = true;
		if (!str_to_i64(str_of(PQgetvalue(applied, i, APPLIED_MS)), 0, INT64_MAX,
		    &list[i].applied_ms))
			abort(); /* a defect of the statement */
	}
	return code;
}

int
db_migrations(struct db *db, struct arena *a, struct db_migration **out, size_t *count,
    struct buf *why)
{
	struct db_migration *list = ARENA_NEW(a, struct db_migration, sql_migrations_count);
	struct run           r;
	int                  code;

	if (!begin(db, &r, why))
		return EXIT_DATABASE;
	r.doing = "reading schema_migration";
	for (size_t i = 0; i < sql_migrations_count; i++)
		list[i] = (struct db_migration) {
			.name = sql_migrations[i].name,
			.online = sql_migrations[i].online,
		};
	code = read_applied(&r, list);
	PQfinish(r.conn);
	*out = list;
	*count = sql_migrations_count;
	return code == BUSY ? EXIT_DATABASE : code;
}
