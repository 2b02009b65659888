/* db/reach: what the sandbox leaves a worker follows from the connection string. */
#include "db/reach.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
	const char *url;
	bool        network, files;
	size_t      ports;
	uint16_t    first;
} cases[] = {
	{ "dbname=x user=y", false, false, 1, 5432 },
	{ "clientele", false, false, 1, 5432 },
	{ "host=/run/postgresql port=6432", false, false, 1, 6432 },
	{ "host=@abstract", false, false, 1, 5432 },
	{ "postgresql://y@/x?host=%2Frun%2Fpostgresql", false, false, 1, 5432 },
	{ "host=/a,/b port=1,2", false, false, 2, 1 },
	{ "host=/a,db.example", true, true, 1, 5432 },
	{ "host=/a hostaddr=10.0.0.1", true, true, 1, 5432 },
	{ "postgresql://one:5433,two:5434/x", true, true, 2, 5433 },
	{ "host=db.example port=99999", true, true, 0, 0 },
	{ "service=somewhere", true, true, 0, 0 },
	{ "host=/a passfile=/dev/null", false, true, 1, 5432 },
	{ "host=/a passfile=/dev/null password=p", false, false, 1, 5432 },
	{ "host=/a passfile=/nonexistent", false, false, 1, 5432 },
	{ "host='", true, true, 0, 0 }, /* libpq cannot read it */
};

static void
a_string_tells_what_connecting_takes(void **state UNUSED)
{
	for (size_t i = 0; i < COUNTOF(cases); i++) {
		struct db_reach r;

		db_reach(cases[i].url, &r);
		if (r.network != cases[i].network || r.files != cases[i].files || r.ports != cases[i].ports
		    || (r.ports && r.port[0] != cases[i].first))
			fail_msg("%s: network %d files %d ports %zu", cases[i].url, r.network, r.files, r.ports);
	}
}

static void
the_environment_counts_as_it_does_for_libpq(void **state UNUSED)
{
	struct db_reach r;

	setenv("PGHOST", "db.example", 1);
	setenv("PGPORT", "7000", 1);
	db_reach("dbname=x", &r);
	assert_true(r.network && r.ports == 1 && r.port[0] == 7000);
	db_reach("host=/a", &r);
	assert_false(r.network);
	unsetenv("PGHOST");
	setenv("PGSERVICE", "somewhere", 1);
	db_reach("host=/a", &r);
	assert_true(r.network && r.ports == 0);
	unsetenv("PGSERVICE");
	unsetenv("PGPORT");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_string_tells_what_connecting_takes),
		cmocka_unit_test(the_environment_counts_as_it_does_for_libpq),
	};

	setenv("HOME", "/nonexistent", 1);
	unsetenv("PGHOST");
	unsetenv("PGPORT");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
