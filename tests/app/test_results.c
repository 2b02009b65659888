/*
 * What each statement gives and changes, row by row, as tests/app/results.txt says. It runs as a superuser, to whom
 * row-level security does not apply: the conditions alone decide, and times are compared to the very moment, because
 * a transaction has one.
 *
 * The file is a script. Its first paragraph makes rows; each other one begins with these and is undone at its end. A line is
 *
 *	do SQL                  executed
 *	ask SQL                 a query
 *	NAME VALUE | VALUE ...  a statement of sql/query with its parameters; '~' is NULL
 *
 * and what is indented below the last two are the rows that they give; "now" is the moment of the transaction. {k1} is a
 * made-up id, in values and rows alike. With
 * CLIENTELE_WRITE_RESULTS=FILE in the environment the script is written there with the rows that there are.
 */
#include "app_test.h"
#include "db/sqlcat.h"

#include <libpq-fe.h>
#include <string.h>

#define ID_HEAD "00000000-0000-7000-8000-00000000"
enum { ID_TAIL_DIGITS = 4, FILE_MAX_BYTES = 256 * 1024, VALUES_MAX = 20 };

static PGconn     *conn;
static const char *now; /* the transaction's */

/* With ids in the place of their names. */
static const char *
with_ids(const char *text)
{
	struct buf out;
	char       letter;
	int        n, len;

	buf_init(&out, FILE_MAX_BYTES);
	for (; *text; text += len) {
		len = 0;
		if (sscanf(text, "{%c%d}%n", &letter, &n, &len) == 2 && len) {
			buf_fmt(&out, ID_HEAD "%02x%02d", (unsigned)letter, n);
		} else {
			buf_fmt(&out, "%c", text[0]);
			len = 1;
		}
	}
	text = arena_str(&test_kept, buf_view(&out)).ptr;
	buf_fini(&out);
	return text;
}

/* And the other way. */
static void
put_names(struct buf *out, const char *text)
{
	unsigned letter;
	int      n;

	for (const char *id; (id = strstr(text, ID_HEAD)); text = id + strlen(ID_HEAD) + ID_TAIL_DIGITS) {
		buf_fmt(out, "%.*s", (int)(id - text), text);
		assert_int_equal(sscanf(id + strlen(ID_HEAD), "%2x%2d", &letter, &n), 2);
		buf_fmt(out, "{%c%d}", (char)letter, n);
	}
	buf_fmt(out, "%s", text);
}

static void
put_rows(struct buf *out, const char *line, PGresult *res)
{
	if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK) {
		PQclear(PQexec(conn, "ROLLBACK")); /* or the tests behind it wait for its locks */
		fail_msg("%s: %s", line, PQresultErrorMessage(res));
	}
	for (int row = 0; row < PQntuples(res); row++) {
		buf_fmt(out, "\t%s", PQnfields(res) ? "" : "()"); /* some statements have no columns */
		for (int i = 0; i < PQnfields(res); i++) {
			buf_fmt(out, "%s", i ? " | " : "");
			put_names(out, PQgetisnull(res, row, i) ? "~" : !*PQgetvalue(res, row, i) ? "''" : strcmp(PQgetvalue(res, row, i), now) == 0 ? "now" : PQgetvalue(res, row, i));
		}
		buf_fmt(out, "\n");
	}
	PQclear(res);
}

static PGresult *
run_statement(const char *line)
{
	struct str  rest = str_of(with_ids(line)), name = str_cut(&rest, ' ');
	const char *values[VALUES_MAX];
	int         n = 0;

	for (; rest.ptr; n++) {
		struct str value = str_trim(str_cut(&rest, '|'));

		assert_true(n < VALUES_MAX);
		values[n] = str_is(value, "~") ? NULL : arena_str(&test_kept, value).ptr;
	}
	for (size_t i = 0; i < SQL__COUNT; i++)
		if (str_is(name, sql_catalogue[i].name)) {
			if (n != sql_catalogue[i].nparams)
				fail_msg("%s: %d parameters, not %d", line, sql_catalogue[i].nparams, n);
			return PQexecParams(conn, sql_catalogue[i].text, n, NULL, values, NULL, NULL, 0);
		}
	fail_msg("%s: there is no such statement", line);
	return NULL;
}

static void
run_line(const char *line, bool *first, struct buf *out)
{
	if (str_starts(str_of(line), STR("do ")))
		put_rows(out, line, PQexec(conn, with_ids(line + 3)));
	else if (str_starts(str_of(line), STR("ask ")))
		put_rows(out, line, PQexec(conn, with_ids(line + 4)));
	else if (line[0] && line[0] != '#')
		put_rows(out, line, run_statement(line));
	else if (!line[0]) {
		PQclear(PQexec(conn, *first ? "SAVEPOINT paragraph" : "ROLLBACK TO SAVEPOINT paragraph"));
		*first = false;
	}
}

/* A transaction whose time has no part of a millisecond, as the columns have none. */
static void
begin(void)
{
	PGresult *res = NULL;
	bool      whole = false;

	for (int i = 0; i < 100000 && !whole; i++) {
		PQclear(PQexec(conn, "ROLLBACK"));
		PQclear(PQexec(conn, "BEGIN; SET LOCAL timezone = 'UTC'"));
		PQclear(res);
		res = PQexec(conn, "SELECT now(), now() = now()::timestamptz(3)");
		assert_int_equal(PQresultStatus(res), PGRES_TUPLES_OK);
		whole = *PQgetvalue(res, 0, 1) == 't';
	}
	assert_true(whole);
	now = arena_str(&test_kept, str_of(PQgetvalue(res, 0, 0))).ptr;
	PQclear(res);
}

static void
compare(struct str wanted, struct str there)
{
	for (unsigned line = 1; wanted.ptr || there.ptr; line++) {
		struct str left = str_cut(&wanted, '\n'), right = str_cut(&there, '\n');

		if (!str_eq(left, right))
			fail_msg("tests/app/results.txt:%u\nsays   %.*s\nthere is %.*s", line, STR_ARGS(left), STR_ARGS(right));
	}
}

static void
statements_give_what_they_should(void **state UNUSED)
{
	const char *srcdir = getenv("srcdir"), *copy = getenv("CLIENTELE_WRITE_RESULTS");
	const char *path = arena_fmt(&test_kept, "%s/tests/app/results.txt", srcdir ? srcdir : ".").ptr;
	char        line[4096];
	FILE       *f = fopen(path, "re");
	struct buf  wanted, there;
	bool        first = true;

	if (!f)
		fail_msg("%s cannot be read", path);
	buf_init(&wanted, FILE_MAX_BYTES);
	buf_init(&there, FILE_MAX_BYTES);
	conn = PQconnectdb("options='-c client_min_messages=error'");
	begin();
	while (fgets(line, sizeof(line), f)) {
		buf_fmt(&wanted, "%s", line);
		if (line[0] == '\t')
			continue;
		buf_fmt(&there, "%s", line);
		line[strcspn(line, "\n")] = '\0';
		run_line(line, &first, &there);
	}
	fclose(f);
	PQclear(PQexec(conn, "ROLLBACK"));
	PQfinish(conn);
	if (copy && (f = fopen(copy, "we"))) {
		fwrite(there.ptr, 1, there.len, f);
		fclose(f);
	}
	compare(buf_view(&wanted), buf_view(&there));
	buf_fini(&wanted);
	buf_fini(&there);
}

/* What a statement sets ends with its transaction: the next one on the connection may be another tenant's. */
static void
settings_end_with_the_transaction(void **state UNUSED)
{
	static const char *const statements[] = {
		"key_holder \\x01", "environment_enter {e1}", "environment_enter_alone {e1} | 1 | service", "clerk_enter_alone 1",
		"idempotency_look {e1} | none | 1000", "session_begin 7000 | 3000 | true | 0",
		"customer_create {e1} | 2026-03-01Z | {c1} | ~ | a@b.co | ~ | ~ | ~ | ~ | UTC | {} | true | ~",
		"customer_create_many {e1} | 2026-03-01Z | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {}",
		"api_key_create {e1} | {k1} | ~ | n | p | 2026-02-01Z | ~ | ~ | ~ | ~ | 0 | ~ | ~",
	};
	static const char settings[] = "SELECT concat_ws(' ', current_setting('app.key_hash', true), current_setting('app.environment', true),"
	    " current_setting('app.housekeeping', true), current_setting('app.expected', true), current_setting('app.made', true),"
	    " nullif(current_setting('app.replay', true), 'on'), current_setting('synchronous_commit'), current_setting('statement_timeout'),"
	    " current_setting('lock_timeout'), current_setting('jit'), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()))";

	conn = PQconnectdb("options='-c client_min_messages=error -c app.replay=on'"); /* nothing is made */
	for (size_t i = 0; i < COUNTOF(statements); i++) {
		const char *before, *after;
		PGresult   *res = PQexec(conn, settings);

		before = arena_str(&test_kept, str_of(PQgetvalue(res, 0, 0))).ptr;
		PQclear(res);
		PQclear(PQexec(conn, "BEGIN"));
		res = run_statement(statements[i]);
		if (PQresultStatus(res) != PGRES_TUPLES_OK)
			fail_msg("%s: %s", statements[i], PQerrorMessage(conn));
		PQclear(res);
		PQclear(PQexec(conn, "COMMIT"));
		res = PQexec(conn, settings);
		after = PQgetvalue(res, 0, 0);
		while (*before == ' ')
			before++;
		while (*after == ' ')
			after++;
		if (strcmp(before, after) != 0)
			fail_msg("%s: %s, and before: %s", statements[i], after, before);
		PQclear(res);
	}
	PQfinish(conn);
}

/* Who comes while another one is at it sees no records but its own. */
static void
one_at_a_time_keeps_house(void **state UNUSED)
{
	PGconn *other = PQconnectdb("");

	conn = other;
	PQclear(PQexec(conn, "BEGIN"));
	PQclear(run_statement("clerk_enter_alone 7205759403792794"));
	conn = PQconnectdb("");
	for (int ended = 0; ended < 2; ended++) {
		PGresult *res;

		PQclear(PQexec(conn, "BEGIN"));
		res = run_statement("clerk_enter_alone 7205759403792794");
		assert_string_equal(PQgetvalue(res, 0, 0), ended ? "on" : "off");
		PQclear(res);
		PQclear(PQexec(conn, "ROLLBACK"));
		PQclear(PQexec(other, "ROLLBACK"));
	}
	PQfinish(conn);
	PQfinish(other);
}

/* What a database may be like, and the columns of role_check that say so; it is undone. */
static void
a_role_is_seen_as_it_is(void **state UNUSED)
{
	static const struct {
		const char *done, *who, *seen;
	} cases[] = {
		{ "", "clientele_serve", "" },
		{ "ALTER ROLE clientele_serve SUPERUSER", "clientele_serve", "superuser member powers" },
		{ "ALTER ROLE clientele_serve BYPASSRLS", "clientele_serve", "bypasses member" },
		{ "", "clientele_owner", "owner member" },
		{ "ALTER TABLE event OWNER TO clientele_serve", "clientele_serve", "owner member" },
		{ "GRANT clientele_owner TO clientele_serve", "clientele_serve", "member" },
		{ "CREATE ROLE probe SUPERUSER; GRANT probe TO clientele_serve", "clientele_serve", "member" },
		{ "CREATE ROLE probe BYPASSRLS; GRANT probe TO clientele_serve", "clientele_serve", "member" },
		{ "CREATE ROLE probe; GRANT clientele_serve TO probe; GRANT probe TO clientele_owner", "clientele_serve", "" },
		{ "ALTER ROLE clientele_serve CREATEROLE", "clientele_serve", "powers" },
		{ "ALTER ROLE clientele_serve REPLICATION", "clientele_serve", "powers" },
		{ "GRANT pg_read_server_files TO clientele_serve", "clientele_serve", "powers" },
		{ "GRANT pg_write_server_files TO clientele_serve", "clientele_serve", "powers" },
		{ "GRANT pg_execute_server_program TO clientele_serve", "clientele_serve", "powers" },
		{ "GRANT pg_monitor TO clientele_serve", "clientele_serve", "" },
		/* Who logged in counts as well as who it became. */
		{ "CREATE ROLE probe; GRANT clientele_serve TO probe", "probe; SET LOCAL ROLE clientele_serve", "becomes" },
		{ "CREATE ROLE probe NOINHERIT; GRANT clientele_serve, clientele_owner TO probe", "probe; SET LOCAL ROLE clientele_serve", "member becomes" },
		{ "CREATE ROLE probe BYPASSRLS; GRANT clientele_serve TO probe", "probe; SET LOCAL ROLE clientele_serve", "bypasses member becomes" },
		{ "CREATE ROLE probe; GRANT clientele_serve, pg_read_server_files TO probe", "probe; SET LOCAL ROLE clientele_serve", "powers becomes" },
		{ "CREATE ROLE probe; GRANT clientele_serve TO probe", "clientele_serve", "" },
		{ "SET LOCAL row_security = off", "clientele_serve", "row_security" },
		{ "SET LOCAL session_replication_role = replica", "clientele_serve", "replication" },
		{ "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "clientele_serve", "isolation" },
		{ "SET LOCAL app.environment = 'x'", "clientele_serve", "settings" },
		{ "SET LOCAL app.key_hash = 'x'", "clientele_serve", "settings" },
		{ "SET LOCAL app.housekeeping = 'on'", "clientele_serve", "settings" },
		{ "CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO PUBLIC; SET LOCAL search_path = other, public", "clientele_serve", "schemas" },
		{ "CREATE SCHEMA other; SET LOCAL search_path = other, public", "clientele_serve", "" },
		{ "ALTER TABLE customer DISABLE ROW LEVEL SECURITY", "clientele_serve", "open" },
		{ "ALTER TABLE event NO FORCE ROW LEVEL SECURITY", "clientele_serve", "open" },
		/* Tables of the operator's own. */
		{ "CREATE TABLE mine (a int); GRANT ALL ON mine TO clientele_serve", "clientele_serve", "" },
		{ "CREATE TABLE mine (environment_id int)", "clientele_serve", "closed" },
		{ "CREATE TABLE mine (environment_id int); GRANT SELECT ON mine TO clientele_serve", "clientele_serve", "open" },
		{ "CREATE TABLE mine (environment_id int) PARTITION BY LIST (environment_id); GRANT SELECT ON mine TO clientele_serve", "clientele_serve", "open" },
		{ "CREATE SCHEMA other CREATE TABLE mine (environment_id int); GRANT SELECT ON other.mine TO clientele_serve", "clientele_serve", "" },
		{ "CREATE VIEW mine AS SELECT * FROM customer; GRANT SELECT ON mine TO clientele_serve", "clientele_serve", "" },
		{ "REVOKE ALL ON event FROM clientele_serve", "clientele_serve", "closed unwritable" },
		{ "REVOKE INSERT ON customer FROM clientele_serve", "clientele_serve", "unwritable" },
		{ "SET LOCAL transaction_read_only = on", "clientele_serve", "read_only" },
	};
	const struct sql_stmt *s = &sql_catalogue[SQL_ROLE_CHECK];

	conn = PQconnectdb("options='-c client_min_messages=error'");
	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct buf seen;
		PGresult  *res;

		buf_init(&seen, 1024);
		PQclear(PQexec(conn, "BEGIN"));
		res = PQexec(conn, arena_fmt(&test_kept, "%s; SET LOCAL SESSION AUTHORIZATION %s", cases[i].done, cases[i].who).ptr);
		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			fail_msg("%s: %s", cases[i].done, PQerrorMessage(conn));
		PQclear(res);
		res = PQexec(conn, s->text);
		if (PQresultStatus(res) != PGRES_TUPLES_OK)
			fail_msg("%s: %s", cases[i].done, PQerrorMessage(conn));
		for (int n = 0; n < PQnfields(res); n++)
			if (strcmp(PQgetvalue(res, 0, n), "t") == 0 && strcmp(PQfname(res, n), "forgetful") != 0) /* as the tests' servers are */
				buf_fmt(&seen, "%s%s", seen.len ? " " : "", PQfname(res, n));
		assert_int_equal(atoi(PQgetvalue(res, 0, PQfnumber(res, "pid"))), PQbackendPID(conn));
		PQclear(res);
		PQclear(PQexec(conn, "ROLLBACK"));
		if (!str_is(buf_view(&seen), cases[i].seen))
			fail_msg("%s, as %s: %.*s", cases[i].done, cases[i].who, STR_ARGS(buf_view(&seen)));
		buf_fini(&seen);
	}
	PQfinish(conn);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(statements_give_what_they_should),
		cmocka_unit_test(settings_end_with_the_transaction),
		cmocka_unit_test(one_at_a_time_keeps_house),
		cmocka_unit_test(a_role_is_seen_as_it_is),
	};
	int failed;

	app_test_begin();
	failed = cmocka_run_group_tests_name("results", tests, NULL, NULL);
	app_test_end();
	return failed;
}
