/* Every statement on the real schema: it prepares, and row-level security alone keeps tenants apart. */
#include "app_test.h"
#include "db/sqlcat.h"

#include <libpq-fe.h>

/* A value for each parameter of the statements that read or change a tenant's rows. */
static const struct {
	enum sql_id id;
	const char *parameters; /* a letter each: e foreign environment, i its customer, x external id, n NULL, 1 number,
	                         * t text, j JSON, b bool, z time, k key, h hash, I and X arrays, m a high id */
} statements[] = {
	{ SQL_CUSTOMER_GET, "ei" },
	{ SQL_CUSTOMER_GET_EXTERNAL, "ex" },
	{ SQL_CUSTOMER_LIST, "em1" },
	{ SQL_CUSTOMER_LIST_FILTERED, "em1nn" },
	{ SQL_CUSTOMER_LIST_EXTERNAL, "em1nnx" },
	{ SQL_CUSTOMER_UPDATE, "eix1xtnnnnnbz" },
	{ SQL_CUSTOMER_FIND, "eix" },
	{ SQL_API_KEY_LIST, "em1" },
	{ SQL_API_KEY_LIST_ALL, "e" },
	{ SQL_API_KEY_REVOKE, "ei" },
	{ SQL_KEY_USED, "ei" },
};

static struct id customer;
static const char *external, *key;

static void
bind_all(struct bind *b, const char *parameters)
{
	static struct id high;

	memset(high.b, 0xFF, ID_BYTES);
	for (const char *p = parameters; *p; p++) {
		switch (*p) {
		case 'e': bind_id(b, &test_environment[OTHER_LIVE]); break;
		case 'i': bind_id(b, &customer); break;
		case 'm': bind_id(b, &high); break;
		case 'x': bind_text(b, str_of(external)); break;
		case 'k': bind_text(b, str_of(key)); break;
		case 't': bind_text(b, STR("hacked@b.co")); break;
		case 'h': bind_text(b, STR("hash")); break;
		case '1': bind_i64(b, 3); break;
		case '0': bind_i64(b, -1000000); break;
		case 'b': bind_bool(b, true); break;
		case 'z': bind_time(b, 0); break;
		case 'j': bind_text(b, STR("{}")); break;
		default: bind_null(b);
		}
	}
}

static size_t
rows_as(enum tenant_name who, size_t statement, bool *failed)
{
	struct tx      tx;
	size_t         rows;
	struct db     *db = test_serve;

	tx_init(&tx, db, &test_kept);
	bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &test_environment[who]);
	bind_all(tx_step(&tx, statements[statement].id), statements[statement].parameters);
	*failed = tx_run(&tx) != DB_OK;
	if (*failed)
		print_message("%s\n", tx.log);
	rows = *failed ? 0 : tx_rows(&tx, 1) + tx_affected(&tx, 1);
	return rows;
}

static void
make_target(void)
{
	struct str id;

	external = fresh("ext");
	key = fresh("key");
	assert_int_equal(SEND(OTHER_LIVE, "POST", "/api/v1/customers",
	    arena_fmt(&test_kept, "{\"email\":\"target@b.co\",\"id\":\"%s\"}", external).ptr, .idem = key), 201);
	id = at("id");
	assert_true(id_parse(STR("cus_"), (struct str) { id.ptr + 1, id.len - 2 }, &customer));
}

static void
no_statement_reaches_into_another_environment(void **state UNUSED)
{
	bool failed;

	make_target();
	for (size_t i = 0; i < COUNTOF(statements); i++) {
		/* The WHERE clause names the target's environment: row-level security alone says no. */
		if (rows_as(ACME_LIVE, i, &failed) != 0 || failed)
			fail_msg("%s", sql_catalogue[statements[i].id].name);
	}
	assert_int_equal(SEND(OTHER_LIVE, "GET", arena_fmt(&test_kept, "/api/v1/customers/%s", external).ptr), 200);
	assert_true(at_is("email", "\"target@b.co\""));
	/* The same statements do find it from inside, or this test proves nothing. */
	for (size_t i = 0; i < COUNTOF(statements); i++) {
		enum sql_id id = statements[i].id;

		if (id == SQL_API_KEY_REVOKE || id == SQL_KEY_USED)
			continue; /* there is no such row */
		if (rows_as(OTHER_LIVE, i, &failed) == 0 || failed)
			fail_msg("%s finds nothing", sql_catalogue[id].name);
	}
}

static void
rows_cannot_be_put_into_another_environment(void **state UNUSED)
{
	struct tx tx;

	make_target();
	tx_init(&tx, test_serve, &test_kept);
	bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &test_environment[ACME_LIVE]);
	bind_all(tx_step(&tx, SQL_IDEMPOTENCY_PUT), "ekhitn1thbb");
	assert_int_equal(tx_run(&tx), DB_FAILED);
	assert_non_null(strstr(tx.log, "42501"));
}

static void
nothing_is_seen_without_an_environment(void **state UNUSED)
{
	make_target();
	for (size_t i = 0; i < COUNTOF(statements); i++) {
		struct tx  tx;
		struct db *db = test_serve;

		tx_init(&tx, db, &test_kept);
		bind_all(tx_step(&tx, statements[i].id), statements[i].parameters);
		if (tx_run(&tx) != DB_OK || tx_rows(&tx, 0) + tx_affected(&tx, 0) != 0)
			fail_msg("%s %s", sql_catalogue[statements[i].id].name, tx.log);
	}
}

/* It may make a key with a limit, but give no key another one. */
static void
the_serving_role_changes_no_limit(void **state UNUSED)
{
	struct tx    tx;
	struct bind *b;

	make_target();
	tx_init(&tx, test_serve, &test_kept);
	bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &test_environment[OTHER_LIVE]);
	b = tx_step(&tx, SQL_API_KEY_LIMIT);
	bind_id(b, &test_environment[OTHER_LIVE]);
	bind_id(b, &customer);
	bind_text(b, STR("off"));
	assert_int_equal(tx_run(&tx), DB_FAILED);
	assert_non_null(strstr(tx.log, "42501"));
}

/* What is not in the table above, and why; a statement that is in neither fails the test. */
static const struct {
	enum sql_id id;
	const char *why;
} others[] = {
	{ SQL_CUSTOMER_CREATE, "is refused, below" },
	{ SQL_CUSTOMER_CREATE_MANY, "is refused, below" },
	{ SQL_CUSTOMER_TAKEN, "finds nothing, below" },
	{ SQL_CUSTOMER_SETTLE, "finds nothing, below" },
	{ SQL_IDEMPOTENCY_LOOK, "finds and removes nothing, below" },
	{ SQL_API_KEY_CREATE, "is refused, below" },
	{ SQL_API_KEY_LIMIT, "is refused, below" },
	{ SQL_IDEMPOTENCY_PUT, "is refused: rows_cannot_be_put_into_another_environment" },
	{ SQL_KEY_HOLDER, "touches no table" },
	{ SQL_KEY_FIND, "finds the environment of who holds the key" },
	{ SQL_HOUSEKEEPING_ENTER, "touches no table" },
	{ SQL_HOUSEKEEPING_EXPIRE, "is for all environments; tells how many, and of what age" },
	{ SQL_SESSION_BEGIN, "touches no table" },
	{ SQL_ROLE_CHECK, "looks at the role" },
	{ SQL_SCHEMA_VERSION, "looks at the schema" },
	{ SQL_CONNECTION_ROOM, "looks at the server" },
	{ SQL_ENVIRONMENT_ENTER, "is what enters" },
	{ SQL_ENVIRONMENT_ENTER_ALONE, "is what enters" },
	{ SQL_ORG_CREATE, "is the owner's; the serving role has no grant" },
	{ SQL_ORG_LIST, "is the command line's, of all organizations" },
	{ SQL_ORG_PIN, "is the owner's; the serving role has no grant" },
	{ SQL_ENVIRONMENT_LIST, "is the command line's, of all organizations" },
};

/* All that the other environment has, as one number; the superuser sees it. */
static struct str
rows_of_the_other(void)
{
	static const char query[] = "psql -X -q -At -c \"SELECT md5(string_agg(r, '' ORDER BY r)) FROM ("
	    "SELECT (c.*)::text FROM customer c WHERE environment_id = '%s' UNION ALL SELECT (e.*)::text FROM event e WHERE environment_id = '%s'"
	    " UNION ALL SELECT (i.*)::text FROM idempotency_key i WHERE environment_id = '%s'"
	    " UNION ALL SELECT (k.*)::text FROM api_key k WHERE environment_id = '%s') AS all_rows (r)\"";
	char  uuid[ID_UUID_BYTES + 1] = "", out[64] = "";
	FILE *psql;

	id_uuid(&test_environment[OTHER_LIVE], uuid);
	psql = popen(arena_fmt(&test_kept, query, uuid, uuid, uuid, uuid).ptr, "r");
	assert_non_null(psql);
	assert_non_null(fgets(out, sizeof(out), psql));
	assert_int_equal(pclose(psql), 0);
	assert_true(strlen(out) > 30);
	return kept(str_of(out));
}

static void
every_statement_has_its_case(void **state UNUSED)
{
	for (enum sql_id id = 0; id < SQL__COUNT; id++) {
		unsigned n = 0;

		for (size_t i = 0; i < COUNTOF(statements); i++)
			n += statements[i].id == id;
		for (size_t i = 0; i < COUNTOF(others); i++)
			n += others[i].id == id;
		if (n != 1)
			fail_msg("%s has %u cases: every statement is tried across environments, in one way", sql_catalogue[id].name, n);
	}
}

/* The names above a statement ("-- out:") are those of its result, in that order: C counts on it. */
static void
results_have_the_columns_that_are_named(void **state UNUSED)
{
	PGconn  *conn = PQconnectdb(getenv("CLIENTELE_TEST_OWNER_URL"));
	unsigned named = 0;

	assert_int_equal(PQstatus(conn), CONNECTION_OK);
	for (enum sql_id id = 0; id < SQL__COUNT; id++) {
		const struct sql_stmt *s = &sql_catalogue[id];
		struct str             rest = str_of(s->columns);
		PGresult              *res = PQprepare(conn, s->name, s->text, 0, NULL);

		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			fail_msg("%s: %s", s->name, PQerrorMessage(conn));
		PQclear(res);
		res = PQdescribePrepared(conn, s->name);
		assert_int_equal(PQnparams(res), s->nparams);
		for (int column = 0; rest.len; column++, named++) {
			struct str name = str_cut(&rest, ' ');

			if (column >= PQnfields(res) || !str_is(name, PQfname(res, column)))
				fail_msg("%s: column %d is %s and not %.*s", s->name, column,
				    column < PQnfields(res) ? PQfname(res, column) : "missing", STR_ARGS(name));
		}
		PQclear(res);
	}
	assert_true(named > 100);
	PQfinish(conn);
}

static void
begin_as_acme(struct tx *tx)
{
	tx_init(tx, test_serve, &test_kept);
	bind_id(tx_step(tx, SQL_ENVIRONMENT_ENTER), &test_environment[ACME_LIVE]);
}

static void
must_be_refused(struct tx *tx, const char *name)
{
	if (tx_run(tx) != DB_FAILED || !strstr(tx->log, "42501"))
		fail_msg("%s was not refused: %s", name, tx->log);
}

static void
no_statement_changes_another_environment(void **state UNUSED)
{
	struct str  before;
	struct tx   tx;
	struct bind *b;
	bool        failed;

	make_target();
	before = rows_of_the_other();
	for (size_t i = 0; i < COUNTOF(statements); i++)
		rows_as(ACME_LIVE, i, &failed);

	begin_as_acme(&tx);
	b = tx_step(&tx, SQL_CUSTOMER_CREATE);
	bind_all(b, "ezixtnnnntjb"); /* an id and an external id of the other's own */
	must_be_refused(&tx, "customer_create");

	/* Nor is the customer in the way that has this external id there. */
	begin_as_acme(&tx);
	b = tx_step(&tx, SQL_CUSTOMER_CREATE);
	bind_id(b, &test_environment[ACME_LIVE]);
	bind_all(b, "z");
	{
		struct id  id = id_new();
		struct row row;

		bind_id(b, &id);
		bind_all(b, "xtnnnntjb");
		if (tx_run(&tx) != DB_OK)
			fail_msg("%s", tx.log);
		row = tx_row(&tx, 1, 0);
		assert_true(row_bool(&row, COL_CUSTOMER_CREATE_MADE));

		/* Once more: now it is in the way, and the look for it goes to the other environment. */
		id = id_new();
		begin_as_acme(&tx);
		b = tx_step(&tx, SQL_CUSTOMER_CREATE);
		bind_id(b, &test_environment[ACME_LIVE]);
		bind_all(b, "z");
		bind_id(b, &id);
		bind_all(b, "xtnnnntjb");
		bind_all(tx_step(&tx, SQL_CUSTOMER_TAKEN), "ex");
		if (tx_run(&tx) != DB_OK)
			fail_msg("%s", tx.log);
		row = tx_row(&tx, 1, 0);
		assert_false(row_bool(&row, COL_CUSTOMER_CREATE_MADE));
		assert_int_equal(tx_rows(&tx, 2), 0);
	}

	begin_as_acme(&tx);
	b = tx_step(&tx, SQL_CUSTOMER_CREATE_MANY);
	bind_all(b, "ez");
	{
		struct id  ids[] = { id_new(), id_new() };
		struct str id[] = { { (char *)ids[0].b, ID_BYTES }, { (char *)ids[1].b, ID_BYTES } };
		struct str none[] = { STR_NONE, STR_NONE }, mail[] = { STR("a@b.co"), STR("b@b.co") };
		struct str json[] = { STR("{}"), STR("{}") }, yes[] = { STR("\1"), STR("\1") };

		bind_array(b, BIND_UUID, id, 2);
		bind_array(b, BIND_TEXT, none, 2);
		bind_array(b, BIND_TEXT, mail, 2);
		bind_array(b, BIND_TEXT, none, 2);
		bind_array(b, BIND_TEXT, none, 2);
		bind_array(b, BIND_JSON, none, 2);
		bind_array(b, BIND_UUID, none, 2);
		bind_array(b, BIND_TEXT, mail, 2);
		bind_array(b, BIND_JSON, json, 2);
		bind_array(b, BIND_BOOL, yes, 2);
	}
	must_be_refused(&tx, "customer_create_many");

	begin_as_acme(&tx);
	b = tx_step(&tx, SQL_API_KEY_CREATE);
	bind_id(b, &test_environment[OTHER_LIVE]);
	bind_id(b, &customer);
	bind_text(b, STR("01234567890123456789012345678901"));
	bind_all(b, "ttznn");
	must_be_refused(&tx, "api_key_create");

	begin_as_acme(&tx);
	b = tx_step(&tx, SQL_API_KEY_LIMIT);
	bind_all(b, "ein");
	must_be_refused(&tx, "api_key_limit");

	/* As if another customer had been in the way. */
	begin_as_acme(&tx);
	{
		struct id  id = id_new();
		struct str ids[] = { { (char *)id.b, ID_BYTES } }, names[] = { str_of(external) };
		struct str none[] = { STR_NONE }, mail[] = { STR("a@b.co") }, json[] = { STR("{}") }, yes[] = { STR("\1") };

		b = tx_step(&tx, SQL_CUSTOMER_CREATE_MANY);
		bind_id(b, &test_environment[ACME_LIVE]);
		bind_time(b, 0);
		bind_array(b, BIND_UUID, ids, 1);
		bind_array(b, BIND_TEXT, none, 1);
		bind_array(b, BIND_TEXT, mail, 1);
		bind_array(b, BIND_TEXT, none, 1);
		bind_array(b, BIND_TEXT, none, 1);
		bind_array(b, BIND_JSON, none, 1);
		bind_array(b, BIND_UUID, none, 1);
		bind_array(b, BIND_TEXT, mail, 1);
		bind_array(b, BIND_JSON, json, 1);
		bind_array(b, BIND_BOOL, yes, 1);
		b = tx_step(&tx, SQL_CUSTOMER_SETTLE);
		bind_id(b, &test_environment[OTHER_LIVE]);
		bind_i64(b, 2);
		bind_array(b, BIND_TEXT, names, 1);
		bind_array(b, BIND_UUID, ids, 1);
	}
	if (tx_run(&tx) != DB_OK)
		fail_msg("%s", tx.log);
	assert_int_equal(tx_rows(&tx, 2), 0);

	/* A record there is, and one that has expired by this look's measure. */
	for (int ttl = 0; ttl < 2; ttl++) {
		struct row row;

		begin_as_acme(&tx);
		bind_all(tx_step(&tx, SQL_IDEMPOTENCY_LOOK), ttl ? "ek1" : "ek0");
		if (tx_run(&tx) != DB_OK)
			fail_msg("%s", tx.log);
		row = tx_row(&tx, 1, 0);
		assert_false(row_bool(&row, COL_IDEMPOTENCY_LOOK_FOUND));
	}
	assert_true(str_eq(before, rows_of_the_other()));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_statement_has_its_case),
		cmocka_unit_test(results_have_the_columns_that_are_named),
		cmocka_unit_test(no_statement_changes_another_environment),
		cmocka_unit_test(no_statement_reaches_into_another_environment),
		cmocka_unit_test(rows_cannot_be_put_into_another_environment),
		cmocka_unit_test(nothing_is_seen_without_an_environment),
		cmocka_unit_test(the_serving_role_changes_no_limit),
	};
	int failed;

	app_test_begin();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	app_test_end();
	return failed;
}
