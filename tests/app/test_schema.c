/*
 * The tables are as they are meant to be: each column, constraint, index, policy and grant of a table stands in its file
 * of tests/app/schema, and no other; each table has one. A migration changes the file with the table.
 */
#include "app_test.h"

#include <dirent.h>
#include <libpq-fe.h>
#include <string.h>

/* What PostgreSQL's catalogue says of the table $1, a line each. */
static const char catalogue[] =
    "WITH t AS (SELECT * FROM pg_class c WHERE c.oid = $1::regclass),"
    " lines (part, line) AS ("
    " SELECT 1, 'owner ' || relowner::regrole || CASE WHEN reloptions IS NULL THEN '' ELSE ' with ' || array_to_string(reloptions, ', ') END"
    "   || CASE WHEN relrowsecurity THEN ', row level security' ELSE '' END"
    "   || CASE WHEN relforcerowsecurity THEN ', forced' ELSE '' END FROM t"
    " UNION ALL"
    " SELECT 2, 'column ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)"
    "   || CASE WHEN a.attcollation = ty.typcollation THEN '' ELSE ' COLLATE ' || a.attcollation::regcollation END"
    "   || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END"
    "   || CASE a.attidentity WHEN 'a' THEN ' IDENTITY' WHEN 'd' THEN ' IDENTITY BY DEFAULT' ELSE '' END"
    "   || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')"
    "   FROM t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type ty ON ty.oid = a.atttypid"
    "   LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " UNION ALL"
    " SELECT 3, 'constraint ' || conname || ' ' || pg_get_constraintdef(c.oid) FROM t JOIN pg_constraint c ON c.conrelid = t.oid"
    "   WHERE c.contype <> 'n'" /* newer servers tell NOT NULL a second time */
    " UNION ALL"
    " SELECT 4, 'index ' || pg_get_indexdef(i.indexrelid) FROM t JOIN pg_index i ON i.indrelid = t.oid"
    "   WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.conrelid = i.indrelid)"
    " UNION ALL"
    " SELECT 5, 'policy ' || p.policyname || ' ' || lower(p.permissive) || ' for ' || p.cmd || ' to ' || array_to_string(p.roles, ', ')"
    "   || coalesce(' using ' || p.qual, '') || coalesce(' check ' || p.with_check, '')"
    "   FROM t JOIN pg_class o ON o.oid = t.oid JOIN pg_policies p ON p.tablename = o.relname"
    " UNION ALL"
    " SELECT 6, 'grant ' || string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) || ' to ' || a.grantee::regrole"
    "   FROM t, aclexplode(t.relacl) a WHERE a.grantee <> t.relowner GROUP BY a.grantee"
    " UNION ALL"
    " SELECT 7, 'grant ' || acl.privilege_type || ' (' || string_agg(a.attname, ', ' ORDER BY a.attnum) || ') to ' || acl.grantee::regrole"
    "   FROM t JOIN pg_attribute a ON a.attrelid = t.oid, aclexplode(a.attacl) acl GROUP BY acl.privilege_type, acl.grantee)"
    " SELECT string_agg(line || E'\\n', '' ORDER BY part, line COLLATE \"C\") FROM lines";

static PGconn *conn;

static const char *
told(const char *query, const char *parameter)
{
	PGresult   *res = PQexecParams(conn, query, 1, NULL, &parameter, NULL, NULL, 0);
	const char *text;

	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", parameter, PQerrorMessage(conn));
	text = arena_str(&test_kept, str_of(PQgetvalue(res, 0, 0))).ptr;
	PQclear(res);
	return text;
}

static const char *
in_folder(const char *name)
{
	const char *srcdir = getenv("srcdir");

	return arena_fmt(&test_kept, "%s/tests/app/schema/%s", srcdir ? srcdir : ".", name).ptr;
}

static const char *
read_file(const char *path)
{
	FILE  *f = fopen(path, "re");
	char  *text = ARENA_NEW(&test_kept, char, 16384);
	size_t got;

	if (!f)
		fail_msg("%s cannot be read", path);
	got = fread(text, 1, 16383, f);
	fclose(f);
	text[got] = '\0';
	return text;
}

static void
compare(const char *what, const char *wanted, const char *there)
{
	if (strcmp(wanted, there) != 0)
		fail_msg("%s. In its file of tests/app/schema:\n%sIn the database:\n%s", what, wanted, there);
}

static void
each_table_is_as_its_file_says(void **state UNUSED)
{
	DIR           *dir = opendir(in_folder(""));
	struct dirent *entry;
	size_t         tables = 0;

	if (!dir)
		fail_msg("%s cannot be read", in_folder(""));
	while ((entry = readdir(dir))) {
		struct str rest = str_of(entry->d_name), table = str_cut(&rest, '.');

		if (!str_is(rest, "txt"))
			continue;
		table = arena_str(&test_kept, table);
		compare(table.ptr, read_file(in_folder(entry->d_name)), told(catalogue, table.ptr));
		tables++;
	}
	closedir(dir);
	compare("how many tables there are", arena_fmt(&test_kept, "%zu", tables).ptr,
	    told("SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = $1::regnamespace", "public"));
}

static void
the_environment_is_the_one_that_the_transaction_has_entered(void **state UNUSED)
{
	static const char id[] = "01890000-0000-7000-8000-000000000001";

	compare("app_environment()", "none", told("SELECT coalesce(app_environment()::text, $1)", "none"));
	compare("app_environment()", "", told("SELECT set_config('app.environment', $1, false)", ""));
	compare("app_environment()", "none", told("SELECT coalesce(app_environment()::text, $1)", "none"));
	compare("app_environment()", id, told("SELECT set_config('app.environment', $1, false)", id));
	compare("app_environment()", id, told("SELECT coalesce(app_environment()::text, $1)", "none"));
	compare("app_environment()", "s, s", told("SELECT concat(provolatile, ', ', proparallel) FROM pg_proc WHERE oid = $1::regproc", "app_environment"));
}

static int
connect_owner(void **state UNUSED)
{
	conn = PQconnectdb(getenv("CLIENTELE_TEST_OWNER_URL"));
	return PQstatus(conn) == CONNECTION_OK ? 0 : -1;
}

static int
disconnect(void **state UNUSED)
{
	PQfinish(conn);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_table_is_as_its_file_says),
		cmocka_unit_test(the_environment_is_the_one_that_the_transaction_has_entered),
	};
	int failed;

	app_test_begin();
	failed = cmocka_run_group_tests_name("schema", tests, connect_owner, disconnect);
	app_test_end();
	return failed;
}
