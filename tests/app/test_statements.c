/* Every statement on the real schema: it prepares, and row-level security alone keeps tenants apart. */
#include "app_test.h"
#include "base/clock.h"
#include "db/sqlcat.h"

#include <libpq-fe.h>

/*
 * How each statement of a resource is tried across environments. The rows are in the files of tests/app/statements.
 * TARGET comes first for each resource: a call that makes a row of another environment, and the prefix of its id. The
 * call is made twice, each time with a text of its own in the place of '$'. Then
 *
 *	CASE(id, parameters)     finds the target from inside its environment, and nothing from another one
 *	REFUSED(id, parameters)  is refused by row-level security, or for want of a grant
 *	APART(id, why)           is tried in neither way; why says where else, or why not
 *
 * parameters: a letter each. e the target's environment, i the target, I the second one, x the target's text, n NULL,
 * 1 number, t text, j JSON, b bool, z time, k key, h hash, m a high id, l a low one; p the target of the TARGET before, P an array of
 * it, T an array of the target's text, N one of a number. In a TARGET's path '@' stands for the id of the one before; so
 * does '<' in its body, and '>' for that of the one before that.
 */
enum way { WAY_TARGET, WAY_CASE, WAY_REFUSED, WAY_APART };

static const struct trial {
	enum way    way;
	enum sql_id id;
	const char *parameters; /* of a TARGET its path, of an APART the reason */
	const char *body, *prefix;
} trials[] = {
#define TARGET(path, body, prefix) { WAY_TARGET, SQL__COUNT, path, body, prefix },
#define CASE(id, parameters)       { WAY_CASE, id, parameters, NULL, NULL },
#define REFUSED(id, parameters)    { WAY_REFUSED, id, parameters, NULL, NULL },
#define APART(id, why)             { WAY_APART, id, why, NULL, NULL },
#include "statements_gen.def"
#undef TARGET
#undef CASE
#undef REFUSED
#undef APART
};

/* What was made for the TARGET before each row. */
static struct target {
	struct id   id[2];
	struct id   parent[2], grandparent[2];
	const char *prefix, *parent_prefix; /* of id and parent, for the next one */
	const char *text;
} targets[COUNTOF(trials)];

static const char *key;

static void
bind_all(struct bind *b, const char *parameters, const struct target *target)
{
	static struct id high;
	struct str       parent = { (const char *)target->parent[0].b, ID_BYTES }, text = str_of(target->text);
	const struct str one = { "\0\0\0\0\0\0\0\1", 8 };

	memset(high.b, 0xFF, ID_BYTES);
	for (const char *p = parameters; *p; p++) {
		switch (*p) {
		case 'e': bind_id(b, &test_environment[OTHER_LIVE]); break;
		case 'i': bind_id(b, &target->id[0]); break;
		case 'I': bind_id(b, &target->id[1]); break;
		case 'p': bind_id(b, &target->parent[0]); break;
		case 'P': bind_array(b, BIND_UUID, &parent, 1); break;
		case 'N': bind_array(b, BIND_I64, &one, 1); break;
		case 'T': bind_array(b, BIND_TEXT, &text, 1); break;
		case 'm': bind_id(b, &high); break;
		case 'l': bind_id(b, &(struct id) { 0 }); break;
		case 'x': bind_text(b, str_of(target->text)); break;
		case 'k': bind_text(b, str_of(key)); break;
		case 't': bind_text(b, STR("hacked@b.co")); break;
		case 'd': bind_text(b, STR("email")); break;
		case 'h': bind_text(b, STR("01234567890123456789012345678901")); break;
		case '1': bind_i64(b, 3); break;
		case '0': bind_i64(b, -1000000); break;
		case 'b': bind_bool(b, true); break;
		case 'z': bind_time(b, 0); break;
		case 'w': bind_time(b, BIND_TIME_LAST); break;
		case 'q': bind_text(b, STR("")); break;
		case 'j': bind_text(b, STR("{}")); break;
		default: bind_null(b);
		}
	}
}

/* Runs the trial's statement; *touched rows were read or changed. */
static enum db_status
run_as(enum tenant_name who, size_t trial, size_t *touched, const char **log)
{
	struct tx     *tx = ARENA_NEW(&test_kept, struct tx, 1);
	enum db_status status;

	tx_init(tx, test_serve, &test_kept);
	bind_id(tx_step(tx, SQL_ENVIRONMENT_ENTER), &test_environment[who]);
	bind_all(tx_step(tx, trials[trial].id), trials[trial].parameters, &targets[trial]);
	status = tx_run(tx);
	*touched = status == DB_OK ? tx_rows(tx, 1) + tx_affected(tx, 1) : 0;
	*log = tx->log;
	return status;
}

/* The template with the text in the place of the character, where it has that. */
static const char *
filled(const char *template, char place, const char *text)
{
	const char *at = strchr(template, place);

	return !at ? template : arena_fmt(&test_kept, "%.*s%s%s", (int)(at - template), template, text, at + 1).ptr;
}

static struct id
make_row(const struct trial *target, const struct target *so_far, size_t nth, const char *text)
{
	char        parent[ID_PREFIXED_BYTES + 1] = "", grandparent[ID_PREFIXED_BYTES + 1] = "";
	const char *path, *body;
	struct id   made;
	struct str  id;

	id_prefixed(str_of(so_far->prefix), &so_far->parent[nth], parent);
	id_prefixed(str_of(so_far->parent_prefix), &so_far->grandparent[nth], grandparent);
	path = filled(target->parameters, '@', parent);
	body = filled(filled(filled(target->body, '<', parent), '>', grandparent), '$', text);
	assert_int_equal(SEND(OTHER_LIVE, "POST", path, body, .idem = fresh("key")), 201);
	id = at("id");
	assert_true(id_parse(str_of(target->prefix), (struct str) { id.ptr + 1, id.len - 2 }, &made));
	return made;
}

/* Of characters that a code may have, too. */
static const char *
fresh_text(void)
{
	char *text = ARENA_NEW(&test_kept, char, 64);

	snprintf(text, 64, "%s", fresh("ext"));
	for (char *p = text; *p; p++)
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
	return text;
}

/* Rows of another environment, and the key of a record that it has. */
static void
make_targets(void)
{
	struct target made = { .prefix = "", .parent_prefix = "" };

	for (size_t i = 0; i < COUNTOF(trials); i++) {
		if (trials[i].way == WAY_TARGET) {
			made.text = fresh_text();
			memcpy(made.grandparent, made.parent, sizeof(made.parent));
			memcpy(made.parent, made.id, sizeof(made.parent));
			made.id[0] = make_row(&trials[i], &made, 0, made.text);
			made.id[1] = make_row(&trials[i], &made, 1, fresh_text());
			made.parent_prefix = made.prefix;
			made.prefix = trials[i].prefix;
		}
		targets[i] = made;
	}
	key = fresh("key");
	assert_int_equal(SEND(OTHER_LIVE, "POST", "/api/v1/customers", "{\"email\":\"a@b.co\"}", .idem = key), 201);
}

static void
no_statement_reaches_into_another_environment(void **state UNUSED)
{
	size_t      touched;
	const char *log;

	make_targets();
	for (size_t i = 0; i < COUNTOF(trials); i++) {
		/* The WHERE clause names the target's environment: row-level security alone says no. */
		if (trials[i].way == WAY_CASE && (run_as(ACME_LIVE, i, &touched, &log) != DB_OK || touched))
			fail_msg("%s: %zu rows %s", sql_catalogue[trials[i].id].name, touched, log);
		if (trials[i].way == WAY_REFUSED
		    && (run_as(ACME_LIVE, i, &touched, &log) != DB_FAILED || !strstr(log, "42501")))
			fail_msg("%s was not refused: %s", sql_catalogue[trials[i].id].name, log);
	}
	/* The same statements do find it from inside, or this test proves nothing. */
	for (size_t i = 0; i < COUNTOF(trials); i++)
		if (trials[i].way == WAY_CASE && (run_as(OTHER_LIVE, i, &touched, &log) != DB_OK || !touched))
			fail_msg("%s finds nothing %s", sql_catalogue[trials[i].id].name, log);
}

static void
rows_cannot_be_put_into_another_environment(void **state UNUSED)
{
	struct tx tx;

	make_targets();
	tx_init(&tx, test_serve, &test_kept);
	bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &test_environment[ACME_LIVE]);
	bind_all(tx_step(&tx, SQL_IDEMPOTENCY_PUT), "ekhitn1thbbnn", &targets[0]);
	assert_int_equal(tx_run(&tx), DB_FAILED);
	assert_non_null(strstr(tx.log, "42501"));
}

static void
nothing_is_seen_without_an_environment(void **state UNUSED)
{
	make_targets();
	for (size_t i = 0; i < COUNTOF(trials); i++) {
		struct tx tx;

		if (trials[i].way != WAY_CASE)
			continue;
		tx_init(&tx, test_serve, &test_kept);
		bind_all(tx_step(&tx, trials[i].id), trials[i].parameters, &targets[i]);
		if (tx_run(&tx) != DB_OK || tx_rows(&tx, 0) + tx_affected(&tx, 0) != 0)
			fail_msg("%s %s", sql_catalogue[trials[i].id].name, tx.log);
	}
}

/* It may make a key with a limit, but not change the limit of a key. */
static void
the_serving_role_changes_no_limit(void **state UNUSED)
{
	struct tx    tx;
	struct bind *b;

	make_targets();
	tx_init(&tx, test_serve, &test_kept);
	bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &test_environment[OTHER_LIVE]);
	b = tx_step(&tx, SQL_API_KEY_LIMIT);
	bind_id(b, &test_environment[OTHER_LIVE]);
	bind_id(b, &targets[0].id[0]);
	bind_text(b, STR("off"));
	assert_int_equal(tx_run(&tx), DB_FAILED);
	assert_non_null(strstr(tx.log, "42501"));
}

/* Statements of no resource, and why they are not tried like the others; one that has no row anywhere fails the test. */
static const struct {
	enum sql_id id;
	const char *why;
} others[] = {
	{ SQL_IDEMPOTENCY_LOOK, "finds and removes nothing, below" },
	{ SQL_IDEMPOTENCY_PUT, "is refused: rows_cannot_be_put_into_another_environment" },
	{ SQL_IDEMPOTENCY_LOOK_ALL, "finds and removes nothing: no_bundle_reaches_into_another_environment" },
	{ SQL_IDEMPOTENCY_PUT_ALL, "is refused: no_bundle_reaches_into_another_environment" },
	{ SQL_ENVIRONMENT_ENTER_ALL, "is what enters" },
	{ SQL_CLERK_ENTER_ALONE, "touches no table" },
	{ SQL_CLERK_EXPIRE, "is for all environments; tells how many, and of what age" },
	{ SQL_CLERK_MERGE, "touches no table: tests/pool/test_clerk.py" },
	{ SQL_CLERK_RETAIN, "is for all environments; tells how many: test_results.c" },
	{ SQL_BILLING_ENTER, "touches no table" },
	{ SQL_BILLING_CLAIM, "finds what is due in all environments, and enters one: test_billing.c" },
	{ SQL_BILLING_CLAIM_OF, "the same, of one environment" },
	{ SQL_BILLING_SET_ASIDE, "tells how many deadlines of all environments have failed, and since when" },
	{ SQL_SESSION_BEGIN, "touches no table" },
	{ SQL_UNHURRIED, "touches no table" },
	{ SQL_ROLE_CHECK, "looks at the role" },
	{ SQL_SCHEMA_VERSION, "looks at the schema" },
	{ SQL_CONNECTION_ROOM, "looks at the server" },
	{ SQL_ENVIRONMENT_ENTER, "is what enters" },
	{ SQL_ENVIRONMENT_ENTER_AS, "is what enters" },
	{ SQL_ENVIRONMENT_ENTER_ALONE, "is what enters" },
	{ SQL_GROUP_LOCK, "touches no table" },
	{ SQL_GROUP_ENTER, "is what enters" },
	{ SQL_ORG_CREATE, "is the owner's; the serving role has no grant" },
	{ SQL_ORG_LIST, "is the command line's, of all organizations" },
	{ SQL_ORG_PIN, "is the owner's; the serving role has no grant" },
	{ SQL_ORG_RENAME, "is the owner's; the serving role has no grant" },
	{ SQL_ORG_DELETE, "is the owner's; the serving role has no grant" },
	{ SQL_ORG_EXPORT, "is the owner's, of all environments of one organization: tests/pool/test_moving.py" },
	{ SQL_ENVIRONMENT_ERASE, "is the owner's; the serving role has no grant" },
	{ SQL_ENVIRONMENT_LIVING_KEYS, "is the command line's, after entering the environment" },
	{ SQL_ENVIRONMENT_LIST, "is the command line's, of all organizations" },
	{ SQL_USER_SECRETS, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_TOTP_OFFER, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_TOTP_CONFIRM, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_TOTP_REMOVE, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_MANAGE, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_MEMBERS, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_MEMBER_ROLE, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_MEMBER_LEAVE, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_MEMBER_LEFT, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_FORGET, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_ELSEWHERE, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_ENTER, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_ASK, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_PASSWORD, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_TOTP_USE, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_TOTP_WRONG, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_RECOVERY_USE, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_SESSION_ENTER, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_SESSION_FIND, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_SESSION_SEEN, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_SESSION_ADD, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_SESSION_TIDY, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_SESSION_GET, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_ORGANIZATIONS, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_SESSION_MOVE, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_SESSION_LIST, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_SESSION_END, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_LINK_ENTER, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_LINK_FIND, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_LINK_USE, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_ACCEPT, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_SET_PASSWORD, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_SESSION_END_OTHERS, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_SESSION_END_ALL, "is of people who belong to no environment: test_user.c" },
	{ SQL_USER_ADD, "is the owner's, of people who belong to no environment" },
	{ SQL_USER_ADD_PASSWORD, "is the owner's, of people who belong to no environment" },
	{ SQL_USER_JOIN, "is the owner's, of people who belong to no environment" },
	{ SQL_USER_LINK_ADD, "is the owner's, of people who belong to no environment" },
	{ SQL_USER_LIST, "is the owner's, of people who belong to no environment" },
	{ SQL_USER_ROLE, "is the owner's, of people who belong to no environment" },
	{ SQL_USER_LEAVE, "is the owner's, of people who belong to no environment" },
	{ SQL_USER_SWEEP, "is the owner's, of people who belong to no environment" },
	{ SQL_USER_ORGANIZATION, "is the owner's, of people who belong to no environment" },
};

/* All that the other environment has in any table, as one number; the superuser sees it. */
static struct str
rows_of_the_other(void)
{
	static const char query[] = "psql -X -q -At -c \"SELECT md5(string_agg(query_to_xml(format("
	    "'SELECT t FROM %%I t WHERE environment_id = ''%s'' ORDER BY t::text', table_name), true, true, '')::text, '' ORDER BY table_name))"
	    " FROM information_schema.columns WHERE column_name = 'environment_id' AND table_schema = 'public'\"";
	char  uuid[ID_UUID_BYTES + 1] = "", out[64] = "";
	FILE *psql;

	id_uuid(&test_environment[OTHER_LIVE], uuid);
	psql = popen(arena_fmt(&test_kept, query, uuid).ptr, "r");
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

		for (size_t i = 0; i < COUNTOF(trials); i++)
			n += trials[i].id == id;
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
no_statement_changes_another_environment(void **state UNUSED)
{
	struct str  before;
	size_t      touched;
	const char *log;
	struct tx   count;
	struct row  counted;

	make_targets();
	before = rows_of_the_other();
	for (size_t i = 0; i < COUNTOF(trials); i++)
		if (trials[i].way == WAY_CASE || trials[i].way == WAY_REFUSED)
			run_as(ACME_LIVE, i, &touched, &log);

	begin_as_acme(&count);
	bind_all(tx_step(&count, SQL_OPERATOR_CUSTOMER_COUNT), "e", &targets[0]);
	assert_int_equal(tx_run(&count), DB_OK);
	counted = tx_row(&count, 1, 0);
	assert_int_equal(row_i64(&counted, COL_OPERATOR_CUSTOMER_COUNT_CUSTOMERS), 0);

	/* A record that is valid for one look, and expired for the other. */
	for (int ttl = 0; ttl < 2; ttl++) {
		struct row row;
		struct tx  tx;

		begin_as_acme(&tx);
		bind_all(tx_step(&tx, SQL_IDEMPOTENCY_LOOK), ttl ? "ek1" : "ek0", &targets[0]);
		if (tx_run(&tx) != DB_OK)
			fail_msg("%s", tx.log);
		row = tx_row(&tx, 1, 0);
		assert_false(row_bool(&row, COL_IDEMPOTENCY_LOOK_FOUND));
	}
	assert_true(str_eq(before, rows_of_the_other()));
}

/* What was made for the resource of that statement. */
static const struct target *
target_of(enum sql_id id)
{
	size_t i = 0;

	while (trials[i].id != id)
		i++;
	return &targets[i];
}

/* Arrays of one customer, as customer_create_many takes them. */
static void
bind_one_customer(struct bind *b, const struct id *id)
{
	static const struct str none = { NULL, 0 }, mail = STR("a@b.co"), json = STR("{}"), yes = STR("\1");
	struct str ids = { (const char *)id->b, ID_BYTES };

	ids = kept(ids);
	bind_time(b, 0);
	bind_array(b, BIND_UUID, &ids, 1);
	bind_array(b, BIND_TEXT, &none, 1);
	bind_array(b, BIND_TEXT, &mail, 1);
	bind_array(b, BIND_TEXT, &none, 1);
	bind_array(b, BIND_TEXT, &none, 1);
	bind_array(b, BIND_JSON, &none, 1);
	bind_array(b, BIND_UUID, &none, 1);
	bind_array(b, BIND_TEXT, &mail, 1);
	bind_array(b, BIND_JSON, &json, 1);
	bind_array(b, BIND_BOOL, &yes, 1);
	bind_array(b, BIND_BYTES, &none, 1);
}

/* A look for what is in the way of a create sees its own environment alone, even if it names another one. */
static void
a_customer_in_the_way_is_never_one_of_another_environment(void **state UNUSED)
{
	const struct target *customer;
	struct str           before, ids, names;
	struct tx            tx;
	struct bind         *b;
	struct id            id;

	make_targets();
	customer = target_of(SQL_CUSTOMER_CREATE);
	before = rows_of_the_other();

	/* Its external id is free here, and then in the way: the look for it goes to the other environment. */
	for (int made = 1; made >= 0; made--) {
		struct row row;

		id = id_new();
		begin_as_acme(&tx);
		b = tx_step(&tx, SQL_CUSTOMER_CREATE);
		bind_id(b, &test_environment[ACME_LIVE]);
		bind_all(b, "z", customer);
		bind_id(b, &id);
		bind_all(b, "xtnnnntjbn", customer);
		bind_all(tx_step(&tx, SQL_CUSTOMER_TAKEN), "ex", customer);
		if (tx_run(&tx) != DB_OK)
			fail_msg("%s", tx.log);
		row = tx_row(&tx, 1, 0);
		assert_int_equal(row_bool(&row, COL_CUSTOMER_CREATE_MADE), made);
		assert_int_equal(tx_rows(&tx, 2), 0);
	}

	id = id_new();
	begin_as_acme(&tx);
	b = tx_step(&tx, SQL_CUSTOMER_CREATE_MANY);
	bind_id(b, &test_environment[OTHER_LIVE]);
	bind_one_customer(b, &id);
	assert_int_equal(tx_run(&tx), DB_FAILED);
	assert_non_null(strstr(tx.log, "42501"));

	/* As if another customer had been in the way. */
	id = id_new();
	ids = (struct str) { (char *)id.b, ID_BYTES };
	names = str_of(customer->text);
	begin_as_acme(&tx);
	b = tx_step(&tx, SQL_CUSTOMER_CREATE_MANY);
	bind_id(b, &test_environment[ACME_LIVE]);
	bind_one_customer(b, &id);
	b = tx_step(&tx, SQL_CUSTOMER_SETTLE);
	bind_id(b, &test_environment[OTHER_LIVE]);
	bind_i64(b, 2);
	bind_array(b, BIND_TEXT, &names, 1);
	bind_array(b, BIND_UUID, &ids, 1);
	if (tx_run(&tx) != DB_OK)
		fail_msg("%s", tx.log);
	assert_int_equal(tx_rows(&tx, 2), 0);
	assert_true(str_eq(before, rows_of_the_other()));
}

/* A step of a bundle of one, in an environment; the parameters behind that as bind_all() has them. */
static void
bundle_step(struct tx *tx, enum sql_id id, enum tenant_name who, const char *parameters, const struct target *target)
{
	const struct sql_stmt *stmt = &sql_catalogue[id];
	struct bind           *b = tx_step(tx, id), one;

	bind_init(&one, &test_kept, stmt->nparams);
	bind_id(&one, &test_environment[who]);
	bind_all(&one, parameters, target);
	for (int n = 0; n < one.n; n++) {
		struct str cell = { one.value[n], (size_t)one.length[n] };

		if (stmt->arrays[n])
			bind_array(b, stmt->arrays[n], &cell, 1);
		else
			bind_text(b, cell);
	}
}

/* Each of its statements in turn names the other environment, where the transaction has not entered that. */
static void
no_bundle_reaches_into_another_environment(void **state UNUSED)
{
	static const enum sql_id bundle[] = { SQL_IDEMPOTENCY_LOOK_ALL, SQL_CUSTOMER_CREATE_ALL, SQL_IDEMPOTENCY_PUT_ALL };
	const struct target *customer;
	struct str           before;

	make_targets();
	customer = target_of(SQL_CUSTOMER_CREATE);
	before = rows_of_the_other();
	for (size_t away = 0; away < COUNTOF(bundle); away++) {
		enum tenant_name who[COUNTOF(bundle)] = { ACME_LIVE, ACME_LIVE, ACME_LIVE };
		struct tx        tx;
		struct row       row;

		who[away] = OTHER_LIVE;
		tx_init(&tx, test_serve, &test_kept);
		bundle_step(&tx, SQL_ENVIRONMENT_ENTER_ALL, ACME_LIVE, "1t", customer);
		bundle_step(&tx, bundle[0], who[0], "k0", customer); /* all records are old then */
		bundle_step(&tx, bundle[0], who[0], "k1", customer);
		bundle_step(&tx, bundle[1], who[1], "zIntnnnntjbn", customer);
		bundle_step(&tx, bundle[2], who[2], "thitn1thbbi", customer);
		if (away == 0) {
			tx.steps = 3; /* it finds and removes nothing, below */
			assert_int_equal(tx_run(&tx), DB_OK);
			row = tx_row(&tx, 2, 0);
			assert_false(row_bool(&row, COL_IDEMPOTENCY_LOOK_FOUND));
			continue;
		}
		assert_int_equal(tx_run(&tx), DB_FAILED);
		assert_string_equal(tx.sqlstate, "42501");
		assert_int_equal(tx.failed, away + 2);
	}
	assert_true(str_eq(before, rows_of_the_other()));
}

/* Both by an external id of the other environment, as it would be found from inside. */
static void
nobody_is_found_among_those_of_another_environment(void **state UNUSED)
{
	const struct target *customer;
	struct str           part;
	struct id            last;

	make_targets();
	memset(last.b, 0xFF, sizeof(last.b));
	customer = target_of(SQL_CUSTOMER_FIND_AMONG);
	part = arena_fmt(&test_kept, "%%%s%%", customer->text);
	for (int inside = 0; inside < 2; inside++) {
		struct tx    tx;
		struct bind *b;
		struct row   row;

		tx_init(&tx, test_serve, &test_kept);
		bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &test_environment[inside ? OTHER_LIVE : ACME_LIVE]);
		b = tx_step(&tx, SQL_CUSTOMER_FIND_AMONG);
		bind_all(b, "em1nnnnnnnnnn1n", customer);
		bind_text(b, STR("id"));
		bind_text(b, str_of(customer->text));
		bind_text(b, STR("newest"));
		b = tx_step(&tx, SQL_CUSTOMER_COUNT);
		bind_all(b, "e11nnnnnnnnnn1", customer);
		bind_text(b, STR("id"));
		bind_text(b, str_of(customer->text));
		b = tx_step(&tx, SQL_CUSTOMER_FIND_BETWEEN);
		bind_id(b, &test_environment[OTHER_LIVE]);
		bind_id(b, &last);
		bind_i64(b, 10);
		bind_all(b, "nnnn", customer);
		bind_array(b, BIND_TEXT, &part, 1);
		bind_all(b, "nnnnn", customer);
		bind_i64(b, 100);
		bind_i64(b, 100);
		bind_all(tx_step(&tx, SQL_CUSTOMER_COUNT_CREATED), "e1nzw1", customer);
		if (tx_run(&tx) != DB_OK)
			fail_msg("%s", tx.log);
		row = tx_row(&tx, 1, 0);
		assert_int_equal(row_is_null(&row, COL_CUSTOMER_ID), !inside);
		row = tx_row(&tx, 2, 0);
		assert_int_equal(row_i64(&row, COL_CUSTOMER_COUNT_ROWS), inside);
		row = tx_row(&tx, 3, 0);
		assert_int_equal(row_is_null(&row, COL_CUSTOMER_ID), !inside);
		row = tx_row(&tx, 4, 0);
		assert_int_equal(row_i64(&row, COL_CUSTOMER_COUNT_CREATED_ROWS) > 0, inside);
	}
}

static void
no_price_is_put_into_a_plan_of_another_environment(void **state UNUSED)
{
	const struct target *price;
	struct str           before;
	struct tx            tx;
	struct bind         *b;
	struct id            id = id_new();

	make_targets();
	price = target_of(SQL_PLAN_PRICE_CREATE);
	before = rows_of_the_other();
	begin_as_acme(&tx);
	b = tx_step(&tx, SQL_PLAN_PRICE_CREATE);
	bind_all(b, "epx", price);
	bind_id(b, &id);
	bind_text(b, STR("yearly"));
	bind_all(b, "11bnnjz", price);
	assert_int_equal(tx_run(&tx), DB_OK);
	assert_int_equal(tx_rows(&tx, 1), 0);
	assert_true(str_eq(before, rows_of_the_other()));
}

/* The superuser says it, for what no statement can do. */
static void
superuser(const char *sql)
{
	assert_int_equal(system(arena_fmt(&test_kept, "psql -X -q -v ON_ERROR_STOP=1 -c \"%s\"", sql).ptr), 0);
}

/* A step of the clerk's: how many records went, and where the next step begins. Returns for how long it is behind. */
static int64_t
expire(int64_t ttl_ms, int64_t rows, int64_t from_ms, int64_t *removed, int64_t *until_ms)
{
	struct tx    tx;
	struct bind *b;
	struct row   row;

	tx_init(&tx, test_serve, &test_kept);
	bind_i64(tx_step(&tx, SQL_CLERK_ENTER_ALONE), 1);
	b = tx_step(&tx, SQL_CLERK_EXPIRE);
	bind_i64(b, ttl_ms);
	bind_i64(b, rows);
	bind_i64(b, from_ms);
	assert_int_equal(tx_run(&tx), DB_OK);
	row = tx_row(&tx, 1, 0);
	*removed = row_i64(&row, COL_CLERK_EXPIRE_DONE);
	*until_ms = row_i64(&row, COL_CLERK_EXPIRE_MARK);
	return row_i64(&row, COL_CLERK_EXPIRE_BEHIND_MS);
}

static void
records_are_removed_oldest_first_and_in_steps(void **state UNUSED)
{
	const int64_t day_ms = 86400000;
	int64_t       removed, until_ms, behind_ms, now_ms = clock_wall_ms();

	make_targets();
	make_targets();
	make_targets();
	superuser("UPDATE idempotency_key SET created_at = now()");
	superuser("UPDATE idempotency_key k SET created_at = timestamptz 'epoch' + n * interval '1 day' FROM"
	    " (SELECT ctid AS at, row_number() OVER () AS n FROM idempotency_key LIMIT 4) o WHERE k.ctid = o.at");
	behind_ms = expire(day_ms, 2, 0, &removed, &until_ms);
	assert_int_equal(removed, 2);
	assert_int_equal(until_ms, 2 * day_ms);
	assert_in_range(behind_ms, now_ms - 3 * day_ms, clock_wall_ms() - 3 * day_ms);
	/* It does not look back. */
	assert_int_equal(expire(day_ms, 2, 3 * day_ms + 1, &removed, &until_ms), 0);
	assert_int_equal(removed, 1);
	assert_int_equal(until_ms, 4 * day_ms);
	expire(day_ms, 2, 2 * day_ms, &removed, &until_ms);
	assert_int_equal(removed, 1);
	assert_int_equal(until_ms, 3 * day_ms);
	expire(day_ms, 2, until_ms, &removed, &until_ms);
	assert_int_equal(removed, 0);
	assert_int_equal(until_ms, 3 * day_ms);
	/* After a clock that was ahead. */
	expire(day_ms, 2, clock_wall_ms() - day_ms + 60000, &removed, &until_ms);
	assert_int_equal(removed, 0);
	assert_int_equal(until_ms, 0);
}

static void
an_operator_finds_a_customer_by_either_id(void **state UNUSED)
{
	static const char *const parameters[] = { "ein", "enx", "eix" };

	make_targets();
	for (size_t i = 0; i < COUNTOF(parameters); i++) {
		struct tx tx;

		tx_init(&tx, test_serve, &test_kept);
		bind_id(tx_step(&tx, SQL_ENVIRONMENT_ENTER), &test_environment[OTHER_LIVE]);
		bind_all(tx_step(&tx, SQL_OPERATOR_CUSTOMER_GET), parameters[i], target_of(SQL_OPERATOR_CUSTOMER_GET));
		assert_int_equal(tx_run(&tx), DB_OK);
		assert_int_equal(tx_rows(&tx, 1), 1);
	}
}

/* Statements that many rows may fit, and what their plans must have: a plan is made once and kept, whatever a table holds. */
static void
a_list_is_served_by_its_index(void **state UNUSED)
{
	static const struct {
		enum sql_id id;
		const char *parameters, *condition;
	} plans[] = {
/* $4 to $14 of the statements that find customers. */
#define FILTERS ", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1"
		{ SQL_CUSTOMER_LIST, "NULL, NULL, 1", "(id < " },
		{ SQL_CUSTOMER_LIST_EMAIL, "NULL, NULL, 1, NULL, NULL", "(email_key = " },
		{ SQL_CUSTOMER_LIST_FILTERED, "NULL, NULL, 1, NULL, NULL, NULL, NULL, NULL", "(id < " },
		{ SQL_CUSTOMER_LIST_EXTERNAL, "NULL, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL", "(external_id = " },
		{ SQL_CUSTOMER_FIND_NEWEST, "NULL, NULL, 1" FILTERS, "(id < " },
		{ SQL_CUSTOMER_FIND_EMAIL, "NULL, NULL, 1" FILTERS, "(email_key = " },
		{ SQL_CUSTOMER_FIND_PLAN, "NULL, NULL, 1" FILTERS, "(customer_id < " },
		{ SQL_CUSTOMER_FIND_BY_CREATED, "NULL, NULL, 1" FILTERS ", NULL", "(ROW(created_at, id) > " },
		{ SQL_CUSTOMER_FIND_BY_CREATED_LAST, "NULL, NULL, 1" FILTERS ", NULL", "(ROW(created_at, id) < " },
		{ SQL_CUSTOMER_FIND_BY_UPDATED, "NULL, NULL, 1" FILTERS ", NULL", "(ROW(updated_at, id) > " },
		{ SQL_CUSTOMER_FIND_BY_EMAIL, "NULL, NULL, 1" FILTERS ", NULL", "(ROW(email_key, id) > " },
		{ SQL_CUSTOMER_FIND_BY_NAME, "NULL, NULL, 1" FILTERS ", NULL", "(ROW(name_key, id) > " },
		{ SQL_CUSTOMER_PAGE_EMAIL, "NULL, NULL, 1, NULL, 1, NULL", "(email_key = " },
		{ SQL_CUSTOMER_PAGE_METADATA, "NULL, NULL, 1, NULL, 1, NULL, NULL", "(id < " },
		{ SQL_CUSTOMER_PAGE_STATUS, "NULL, NULL, 1, NULL, 1, NULL", "(customer_id < " },
		{ SQL_CUSTOMER_PAGE_PLAN, "NULL, NULL, 1, NULL, 1, NULL", "(customer_id < " },
		{ SQL_CUSTOMER_PAGE_BY_CREATED, "NULL, NULL, 1, NULL, 1, NULL, NULL", "(ROW(created_at, id) > " },
		{ SQL_CUSTOMER_PAGE_BY_CREATED_LAST, "NULL, NULL, 1, NULL, 1, NULL, NULL", "(ROW(created_at, id) < " },
		{ SQL_CUSTOMER_PAGE_BY_UPDATED, "NULL, NULL, 1, NULL, 1, NULL", "(ROW(updated_at, id) > " },
		{ SQL_CUSTOMER_PAGE_BY_EMAIL, "NULL, NULL, 1, NULL, 1, NULL", "(ROW(email_key, id) > " },
		{ SQL_CUSTOMER_PAGE_BY_NAME, "NULL, NULL, 1, NULL, 1, NULL", "(ROW(name_key, id) > " },
		{ SQL_CUSTOMER_FIND_AMONG, "NULL, NULL, 1" FILTERS ", NULL, NULL, NULL, NULL", "(email_key = " },
		{ SQL_CUSTOMER_FIND_AMONG, "NULL, NULL, 1" FILTERS ", NULL, NULL, NULL, NULL", "(external_id = " },
		{ SQL_CUSTOMER_FIND_BETWEEN, "NULL, NULL, 1" FILTERS ", NULL", "(id < " },
		{ SQL_CUSTOMER_COUNT, "NULL, 1, 1" FILTERS ", NULL, NULL", "(updated_at > " },
		{ SQL_CUSTOMER_COUNT_CREATED, "NULL, 1, NULL, NULL, NULL, 1", "(created_at > " },
		{ SQL_CUSTOMER_HISTORY, "NULL, NULL, 1, NULL, NULL", "(customer_id = " },
		{ SQL_CUSTOMER_UNMERGE, "NULL", "(about = ANY " },
		{ SQL_CUSTOMER_DUPLICATES, "NULL, NULL, 1, 1, 1, 1, NULL", "(email_key > " },
		{ SQL_CUSTOMER_DUPLICATES, "NULL, NULL, 1, 1, 1, 1, NULL", "(tax_key > " },
		{ SQL_CUSTOMER_LIST_ARCHIVED, "NULL, NULL, 1", "(id < " },
		{ SQL_CUSTOMER_LIST_ALL, "NULL, NULL, 1", "(id < " },
		{ SQL_CUSTOMER_EXPORT, "NULL, NULL, NULL, 1", "(id > " },
		{ SQL_PLAN_LIST, "NULL, NULL, 1", "(id < " },
		{ SQL_PLAN_LIST_PUBLIC, "NULL, NULL, 1", "(id < " },
		{ SQL_PLAN_LIST, "NULL, NULL, 1", "(plan_id = " },
		{ SQL_PLAN_GROUP_LIST, "NULL, NULL, 1", "(id < " },
		{ SQL_PLAN_GROUP_GET, "NULL, NULL", "(plan_group_id = " },
		{ SQL_SUBSCRIPTION_ACTIVE, "NULL, NULL", "(customer_id = " },
		{ SQL_SUBSCRIPTION_ACTIVE_EITHER, "NULL, NULL, NULL", "(customer_id = " },
		{ SQL_SUBSCRIPTION_LIST, "NULL, NULL, 1", "(id < " },
		{ SQL_SUBSCRIPTION_LIST_STATUS, "NULL, NULL, 1, NULL", "(status = " },
		{ SQL_SUBSCRIPTION_LIST_CUSTOMER, "NULL, NULL, 1, NULL, NULL, NULL", "(customer_id = " },
		{ SQL_INVOICE_LIST, "NULL, NULL, 1", "(id < " },
		{ SQL_INVOICE_LIST, "NULL, NULL, 1", "(invoice_id = " },
		{ SQL_INVOICE_LIST_STATUS, "NULL, NULL, 1, NULL", "(status = " },
		{ SQL_INVOICE_LIST_CUSTOMER, "NULL, NULL, 1, NULL, NULL, NULL", "(customer_id = " },
		{ SQL_INVOICE_LIST_SUBSCRIPTION, "NULL, NULL, 1, NULL, NULL, NULL, NULL", "(subscription_id = " },
		{ SQL_TEST_CLOCK_GET, "NULL", "(run_id = " },
		{ SQL_OPERATOR_PLAN_LIST, "NULL, NULL, 1", "(id < " },
		{ SQL_OPERATOR_PLAN_LIST, "NULL, NULL, 1", "(plan_id = " },
		{ SQL_IDEMPOTENCY_LOOK_ALL, "NULL, NULL, NULL", "(key = " },
		/* What the clerk looks for, each second and each time that something is due. */
		{ SQL_BILLING_CLAIM, "NULL", "(due_at <= " },
		{ SQL_BILLING_CLAIM_OF, "NULL, NULL, NULL, NULL", "(due_at <= " },
		{ SQL_BILLING_LOOK, "NULL, NULL, NULL", "(subscription_id = " },
#undef FILTERS
	};
	PGconn *conn = PQconnectdb(getenv("CLIENTELE_TEST_SERVE_URL"));

	/* As tables that were never analyzed: with the few rows of the tests, any index would do. */
	superuser("DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)");
	superuser("UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'");
	PQclear(PQexec(conn, "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_sort = off"));
	for (size_t i = 0; i < COUNTOF(plans); i++) {
		const struct sql_stmt *s = &sql_catalogue[plans[i].id];
		bool                   found = false;
		PGresult              *res;

		PQclear(PQexec(conn, arena_fmt(&test_kept, "PREPARE %s AS %s", s->name, s->text).ptr));
		res = PQexec(conn, arena_fmt(&test_kept, "EXPLAIN EXECUTE %s(%s)", s->name, plans[i].parameters).ptr);
		assert_int_equal(PQresultStatus(res), PGRES_TUPLES_OK);
		for (int row = 0; row < PQntuples(res); row++) {
			const char *line = PQgetvalue(res, row, 0);

			found |= strstr(line, "Index Cond:") && strstr(line, plans[i].condition);
			if (strstr(line, "Seq Scan"))
				fail_msg("%s reads a whole table: %s", s->name, line);
		}
		if (!found)
			for (int row = 0; row < PQntuples(res); row++)
				print_message("%s\n", PQgetvalue(res, row, 0));
		PQclear(res);
		if (!found)
			fail_msg("%s has no index for %s", s->name, plans[i].condition);
	}
	PQfinish(conn);
}

/* What these functions do inside no EXPLAIN shows; the counters of a transaction do. */
static void
the_search_reads_its_indexes_and_nothing_else(void **state UNUSED)
{
#define ALL ", 9, '00000000-0000-0000-0000-000000000000', 'ffffffff-0000-0000-0000-000000000000')"
	static const struct {
		const char *call;
		bool        ranged; /* reads other indexes, too */
	} calls[] = {
		{ "customer_search('{%@exa%}', NULL, NULL, 9)", false },
		{ "customer_search(NULL, '{a}', '{b}', 9)", false },
		{ "customer_search('{%@exa%,%ann%}', '{a,b}', '{b,1}', 9)", false },
		/* The range of ids. */
		{ "customer_search_between('{%@exa%}', NULL, NULL" ALL, true },
		{ "customer_search_between(NULL, '{a}', '{b}'" ALL, true },
		{ "customer_search_between('{%@exa%,%ann%}', '{a,b}', '{b,1}'" ALL, true },
#undef ALL
	};
	PGconn   *conn = PQconnectdb(getenv("CLIENTELE_TEST_SERVE_URL"));
	PGresult *res;

	for (size_t i = 0; i < COUNTOF(calls); i++) {
		PQclear(PQexec(conn, "BEGIN; SELECT set_config('app.environment', gen_random_uuid()::text, true)"));
		res = PQexec(conn, arena_fmt(&test_kept, "SELECT count(*) FROM %s", calls[i].call).ptr);
		assert_int_equal(PQresultStatus(res), PGRES_TUPLES_OK);
		PQclear(res);
		res = PQexec(conn, "SELECT pg_stat_get_xact_numscans('customer'::regclass), sum(pg_stat_get_xact_numscans(indexrelid)),"
		    " sum(pg_stat_get_xact_numscans(indexrelid)) FILTER (WHERE indexrelid = 'customer_search'::regclass)"
		    " FROM pg_index WHERE indrelid = 'customer'::regclass");
		assert_int_equal(PQresultStatus(res), PGRES_TUPLES_OK);
		assert_string_equal(PQgetvalue(res, 0, 0), "0");
		if (!calls[i].ranged)
			assert_string_equal(PQgetvalue(res, 0, 1), PQgetvalue(res, 0, 2));
		assert_string_not_equal(PQgetvalue(res, 0, 2), "0");
		PQclear(res);
		PQclear(PQexec(conn, "ROLLBACK"));
	}
	PQfinish(conn);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_statement_has_its_case),
		cmocka_unit_test(results_have_the_columns_that_are_named),
		cmocka_unit_test(no_statement_changes_another_environment),
		cmocka_unit_test(a_customer_in_the_way_is_never_one_of_another_environment),
		cmocka_unit_test(no_bundle_reaches_into_another_environment),
		cmocka_unit_test(nobody_is_found_among_those_of_another_environment),
		cmocka_unit_test(no_price_is_put_into_a_plan_of_another_environment),
		cmocka_unit_test(no_statement_reaches_into_another_environment),
		cmocka_unit_test(rows_cannot_be_put_into_another_environment),
		cmocka_unit_test(nothing_is_seen_without_an_environment),
		cmocka_unit_test(the_serving_role_changes_no_limit),
		cmocka_unit_test(an_operator_finds_a_customer_by_either_id),
		cmocka_unit_test(a_list_is_served_by_its_index),
		cmocka_unit_test(the_search_reads_its_indexes_and_nothing_else),
		cmocka_unit_test(records_are_removed_oldest_first_and_in_steps),
	};
	int failed;

	app_test_begin();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	app_test_end();
	return failed;
}
