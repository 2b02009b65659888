/* db/url: connection strings that would fail, or would do something else than was meant. */
#include "db/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A piece of each password below: it must be in no message. */
#define SECRET "hush"

static const struct {
	const char *url;
	const char *words; /* of the message; NULL: it may be used */
} cases[] = {
	{ "clientele", NULL },
	{ "dbname=x user=y", NULL },
	{ "host=/run/postgresql port=6432 password='hush # hush'", NULL },
	{ "host=@abstract", NULL },
	{ "postgresql://y@/x?host=%2Frun%2Fpostgresql", NULL },
	{ "postgres://y:hu%40sh@one:5433,two:5434/x?target_session_attrs=read-write", NULL },
	{ "postgresql://y:hu?sh@[::1]/x", NULL },
	{ "postgresql://y@/x?host=@abstract", NULL },
	{ "host=a,b,@c port=1,2,3", NULL },
	{ "host=a,b port=", NULL },
	{ "hostaddr=10.0.0.1,10.0.0.2", NULL },
	{ "client_encoding=UTF8", NULL },
	{ "client_encoding=utf-8", NULL },
	{ "options='-c work_mem=64MB -cgeqo=off --jit=off -c search_path=a,b'", NULL },
	{ "options=endpoint%3Dx", NULL },
	{ "options='-c client_encoding=UTF8 -c row_security=on'", NULL },
	{ "postgresql://y@h/x?options=-c%20work_mem%3D64MB", NULL },
	{ "sslmode=verify-full sslrootcert=/nonexistent", NULL },
	/* A7: what libpq cannot read, or refuses when it connects. */
	{ "", "database_url must not be empty" },
	{ "  ", "database_url must not be empty" },
	{ "host='", "libpq cannot read it" },
	{ "host=/nowhere password=two hush", "libpq cannot read it" },
	{ "passwrod=hush", "libpq cannot read it" },
	{ "postgresql://h/x?passwrod=hush", "libpq cannot read it" },
	{ "postgresql://y:%zzhush@h/x", "libpq cannot read it" },
	{ "dbname=x # hush", "libpq cannot read it" },
	{ "mysql://y:hush@h/x", "libpq cannot read it" },
	{ "postgresql//y:hush@h/x", "libpq cannot read it" },
	{ "two words", "libpq cannot read it" },
	{ "sslmode=hush", "libpq refuses one of its parameters" },
	{ "target_session_attrs=hush", "libpq refuses one of its parameters" },
	{ "channel_binding=hush", "libpq refuses one of its parameters" },
	{ "host=h port=hush", "a port must be a number" },
	{ "host=h port=0", "a port must be a number" },
	{ "host=h port=5432,hush", "a port must be a number" },
	{ "host=a,b,c port=1,2", "one port, or one for each host" },
	/* B6: half of a password would be taken for a host, and named in the log. */
	{ "postgresql://y:hu@hush@h/x", "@ as %40" },
	{ "postgresql://y:hu/hush@h/x", "/ as %2F" },
	{ "postgresql://y:hush hush@h/x", "a blank as %20" },
	{ "postgresql://h/x # hush", "a blank as %20" },
	{ "host=hush@h", "a host has no @" },
	{ "host=a,hush@h", "a host has no @" },
	/* F3: what must hold. */
	{ "client_encoding=LATIN1", "client_encoding must be UTF8" },
	{ "client_encoding=auto", "client_encoding must be UTF8" },
	{ "postgresql://y@h/x?client_encoding=SQL_ASCII", "client_encoding must be UTF8" },
	{ "options='-c client_encoding=LATIN1'", "must not set client_encoding" },
	{ "options='-c role=postgres'", "must not set role" },
	{ "options=-crole=postgres", "must not set role" },
	{ "options=--role=postgres", "must not set role" },
	{ "options='-c jit=off -c ROLE=postgres'", "must not set role" },
	{ "options='-c ro\\\\le=postgres'", "must not set role" },
	{ "options='--session-authorization=postgres'", "must not set session_authorization" },
	{ "options='-c row_security=off'", "must not set row_security" },
	{ "options='-c default_transaction_read_only=on'", "every write would fail" },
	{ "options='-c default_transaction_isolation=serializable'", "must not set default_trans" },
	{ "options='-c app.housekeeping=on'", "the isolation of tenants" },
	{ "postgresql://y@h/x?options=-c%20role%3Dpostgres", "must not set role" },
};

static void
strings_are_judged_and_never_repeated(void **state UNUSED)
{
	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct buf err;
		bool       good;

		buf_init(&err, 1024);
		good = db_url_check("database_url", cases[i].url, &err);
		buf_add(&err, "", 1);
		if (good != !cases[i].words || (good && err.len > 1)
		    || (!good && (!strstr(err.ptr, cases[i].words)
			       || strncmp(err.ptr, "database_url", 12) != 0)))
			fail_msg("%s: %s", cases[i].url, err.ptr);
		assert_null(strstr(err.ptr, SECRET));
		buf_fini(&err);
	}
}

static void
the_environment_counts_as_it_does_for_libpq(void **state UNUSED)
{
	struct buf err;

	buf_init(&err, 1024);
	setenv("PGOPTIONS", "-c role=postgres", 1);
	assert_false(db_url_check("database_url", "dbname=x", &err));
	assert_true(db_url_check("database_url", "options='-c jit=off'", &err));
	unsetenv("PGOPTIONS");
	setenv("PGCLIENTENCODING", "LATIN1", 1); /* without an effect on us */
	assert_true(db_url_check("database_url", "dbname=x", &err));
	unsetenv("PGCLIENTENCODING");
	buf_fini(&err);
}

static void
passwords_are_found(void **state UNUSED)
{
	assert_true(db_url_has_password("dbname=x password=hush"));
	assert_true(db_url_has_password("postgresql://y:hush@h/x"));
	assert_false(db_url_has_password("postgresql://y@h/x"));
	assert_false(db_url_has_password("dbname=x password="));
	assert_false(db_url_has_password("clientele"));
	assert_false(db_url_has_password("host='"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_judged_and_never_repeated),
		cmocka_unit_test(the_environment_counts_as_it_does_for_libpq),
		cmocka_unit_test(passwords_are_found),
	};

	return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
