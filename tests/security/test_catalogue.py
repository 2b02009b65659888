"""What PostgreSQL itself knows of the isolation of tenants: tables, policies, grants, roles."""

import contextlib

import psycopg2
import pytest

from resources import RESOURCES

SERVE = "clientele_serve"
# What the serving role may do, and why there is no more: sql/migrate/0001_base.sql. Columns stand behind a dot. Of the
# resources' tables: tests/api/NAME/resource.py.
GRANTS = {
    "organization": {"SELECT"},
    "environment": {"SELECT"},
    "schema_migration": {"SELECT"},
    "event": {"INSERT"} | {f"SELECT.{name}" for name in (
        "environment_id", "id", "type", "customer_id", "created_at", "subscription_id", "invoice_id", "data", "state", "source",
        "seal")} | {f"UPDATE.{name}" for name in ("customer_id", "data", "state", "salt")},
    "idempotency_key": {"SELECT", "INSERT", "DELETE"} | {f"UPDATE.{name}" for name in (
        "key", "request_hash", "status", "headers", "answer", "sealed", "about", "about_many")},
    # Of no resource that is made: what was printed on invoices of customers who were erased.
    "invoice_party": {"SELECT", "INSERT", "DELETE"},
    # Of no resource that is made: what a merge did, and how far an import has got, which the owner writes.
    "customer_merge": {"SELECT", "INSERT", "DELETE"} | {f"UPDATE.{name}" for name in ("credit", "subscriptions", "others")},
    "import": {"SELECT", "INSERT"},
    # Files that are sent to be imported, their parts, and what has become of their lines.
    "import_job": {"SELECT", "INSERT", "DELETE"} | {f"UPDATE.{name}" for name in (
        "status", "parts", "bytes", "checked", "begins_bytes", "begins_line", "at_bytes", "at_line", "lines", "created", "existing", "updated",
        "failed", "tries", "reason", "touched_at", "queued_at", "started_at", "ended_at", "swept")},
    "import_part": {"SELECT", "INSERT", "DELETE"},
    "import_result": {"SELECT", "INSERT", "DELETE"},
    # Of no resource that is made: deadlines that failed.
    "billing_failure": {"SELECT", "INSERT", "DELETE"} | {f"UPDATE.{name}" for name in ("due_at", "tries", "try_at")},
    # Of no resource that is made: what a test clock has done.
    "test_clock_item": {"SELECT", "INSERT", "DELETE"},
    "test_clock_run": {"SELECT", "INSERT", "DELETE"} | {f"UPDATE.{name}" for name in (
        "status", "completed", "failed", "passed_at", "passed_id", "stepped_at")},
    # People who sign in: sql/migrate, user.
    "user_account": {"SELECT", "DELETE"} | {f"INSERT.{name}" for name in ("id", "email", "name")} | {
        f"UPDATE.{name}" for name in ("name", "password", "totp", "totp_next", "totp_step", "totp_wrong", "totp_after", "recovery")},
    "user_member": {"SELECT", "INSERT", "DELETE", "UPDATE.role", "UPDATE.accepted_at", "UPDATE.name"},
    "user_link": {"SELECT", "INSERT", "DELETE"},
    "user_session": {"SELECT", "INSERT", "DELETE"} | {
        f"UPDATE.{name}" for name in ("hash", "organization_id", "livemode", "seen_at")},
} | {table: grants for resource in RESOURCES for table, grants in resource.tables.items()}
# Those whose rows belong to an environment.
USERS = ("user_account", "user_link", "user_member", "user_session")
TENANTS = sorted(set(GRANTS) - {"organization", "environment", "schema_migration", *USERS})
# What a reset of a sandbox deletes, and of live nothing may.
SANDBOX = ("customer_credit", "invoice", "invoice_counter", "invoice_line", "subscription")


@pytest.fixture(scope="module")
def ask(cluster):
    """A function: rows of a query as the superuser, in a database that was set up and migrated as ever."""
    connection = cluster.database("catalogue").connect()

    def rows(query, *parameters):
        with connection.cursor() as cursor:
            cursor.execute(query, parameters)
            return cursor.fetchall()

    yield rows
    connection.close()


def test_every_tenant_table_has_forced_row_level_security_for_all_commands(ask):
    tables = ask("""
        SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, pg_get_userbyid(c.relowner),
               ARRAY(SELECT p.polcmd::text FROM pg_policy p
                      WHERE p.polrelid = c.oid AND p.polpermissive
                        AND pg_get_expr(p.polqual, c.oid) = '(environment_id = app_environment())'
                        AND coalesce(pg_get_expr(p.polwithcheck, c.oid), pg_get_expr(p.polqual, c.oid)) = '(environment_id = app_environment())')
          FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'environment_id' AND NOT a.attisdropped
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY 1""")
    assert [row[0] for row in tables] == TENANTS
    for name, enabled, forced, owner, commands in tables:
        assert enabled and forced and owner != SERVE, name
        assert commands == ["*"], f"{name}: no policy of the environment for all commands"


def test_other_policies_are_the_known_ones(ask):
    assert ask("SELECT polrelid::regclass::text, polname, polcmd::text FROM pg_policy WHERE polname <> 'environment' AND NOT polrelid::regclass::text = ANY (%s) ORDER BY 1, 2", list(USERS)) == [
        ("api_key", "holder", "r"), ("billing_failure", "clerk_sees", "r"), ("customer", "noted", "d"), ("customer", "search", "r"),
        *[(table, "sandbox", "d") for table in SANDBOX[:1]], ("event", "noted", "w"),
        ("idempotency_key", "housekeeping_deletes", "d"), ("idempotency_key", "housekeeping_sees", "r"),
        ("idempotency_key", "noted", "w"), ("import_job", "clerk_locks", "w"), ("import_job", "clerk_sees", "r"), *[(table, "sandbox", "d") for table in SANDBOX[1:4]],
        ("invoice_party", "housekeeping_deletes", "d"), ("invoice_party", "housekeeping_sees", "r"),
        ("subscription", "clerk_locks", "w"), ("subscription", "clerk_sees", "r"), ("subscription", "sandbox", "d"),
        ("test_clock_run", "clerk_locks", "w"), ("test_clock_run", "clerk_sees", "r")]


def test_the_clerk_sees_what_is_due_and_writes_none_of_it_before_it_enters_an_environment(ask):
    assert ask("""SELECT polrelid::regclass::text, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
                    FROM pg_policy WHERE polname LIKE 'clerk%%' AND polcmd = 'w' ORDER BY 1""") == [
        (table, "(current_setting('app.clerk'::text, true) = 'on'::text)", "false") for table in ("import_job", "subscription", "test_clock_run")]


def test_of_people_a_transaction_sees_those_for_whom_it_acts(ask):
    """Who signs in belongs to no environment. The owner's policy is the operator's commands."""
    assert ask("SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = ANY (%s) ORDER BY 1", list(USERS)) == [
        (table, True, True) for table in USERS]
    own = "(user_id = app_user())"
    holder = ("r", "public", "(hash = decode(current_setting('app.key_hash'::text, true), 'hex'::text))")
    assert {(table, name): rest for table, name, *rest in ask("""
            SELECT tablename, policyname, CASE cmd WHEN 'SELECT' THEN 'r' WHEN 'ALL' THEN '*' ELSE cmd END, array_to_string(roles, ','), qual
              FROM pg_policies WHERE tablename = ANY (%s) AND permissive = 'PERMISSIVE' AND with_check IS NULL""", list(USERS))} == {
        **{(table, "operator"): ["*", "clientele_owner", "true"] for table in USERS},
        ("user_account", "own"): ["*", "public", "(id = app_user())"],
        ("user_account", "asked"): ["r", "public", "(email = current_setting('app.email'::text, true))"],
        **{(table, "own"): ["*", "public", own] for table in USERS[1:]},
        **{(table, "organization"): ["*", "public", "(organization_id = app_organization())"] for table in USERS[1:]},
        ("user_account", "colleague"): ["r", "public", "(id IN ( SELECT m.user_id\n   FROM user_member m\n  WHERE (m.organization_id = app_organization())))"],
        ("user_link", "holder"): list(holder), ("user_session", "holder"): list(holder)}
    assert ask("SELECT tablename, policyname, cmd, with_check FROM pg_policies WHERE tablename = ANY (%s) AND with_check IS NOT NULL", list(USERS)) == [
        ("user_account", "invited", "INSERT", "(app_organization() IS NOT NULL)")]


def test_of_people_nothing_is_seen_by_a_transaction_that_acts_for_nobody(cluster):
    database = cluster.database("people")
    database.organization("People Ltd")
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute("INSERT INTO user_account (id, email) VALUES (gen_random_uuid(), 'a@b.co')")
        cursor.execute("INSERT INTO user_member (organization_id, user_id, role) SELECT o.id, a.id, 'owner' FROM organization o, user_account a")
        cursor.execute("INSERT INTO user_link SELECT sha256('l'), organization_id, user_id, 'reset', now() + '1 h' FROM user_member")
        cursor.execute("INSERT INTO user_session SELECT gen_random_uuid(), sha256('s'), user_id, organization_id, true, now(), now(), now() + '1 h' FROM user_member")
        cursor.execute(f"BEGIN; SET LOCAL ROLE {SERVE}")
        seen = lambda: [cursor.execute(f"SELECT count(*) FROM {table}") or cursor.fetchone()[0] for table in USERS]  # noqa: E731
        assert seen() == [0, 0, 0, 0]
        cursor.execute("SELECT set_config('app.key_hash', encode(sha256('s'), 'hex'), true)")
        assert seen() == [0, 0, 0, 1]
        cursor.execute("SELECT set_config('app.user', user_id::text, true) FROM user_session")
        assert seen() == [1, 1, 1, 1]
        cursor.execute("SELECT set_config('app.user', gen_random_uuid()::text, true), set_config('app.key_hash', '', true)")
        assert seen() == [0, 0, 0, 0]
        cursor.execute("SELECT set_config('app.email', 'a@b.co', true)")
        assert seen() == [1, 0, 0, 0]
        cursor.execute("SELECT set_config('app.email', '', true), set_config('app.organization', id::text, true) FROM organization")
        assert seen() == [1, 1, 1, 1]
        cursor.execute("SELECT set_config('app.organization', gen_random_uuid()::text, true)")
        assert seen() == [0, 0, 0, 0]
        cursor.execute("ROLLBACK")


@pytest.mark.parametrize("table", SANDBOX)
def test_what_is_live_cannot_be_deleted(ask, table):
    (policy,) = ask("SELECT polpermissive, pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polname = 'sandbox' AND polrelid = %s::regclass", table)
    assert policy == (False, "app_sandbox(environment_id)")


def test_of_two_environments_only_the_sandbox_can_be_emptied(cluster):
    """By the serving role, each from inside."""
    database = cluster.database("emptied")
    database.organization("Emptied Ltd")
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute("INSERT INTO customer_credit SELECT id, id, 1 FROM environment")
        cursor.execute("SELECT livemode, id FROM environment")
        environments = dict(cursor.fetchall())
        for livemode, environment in environments.items():
            cursor.execute(f"BEGIN; SET LOCAL ROLE {SERVE}; SELECT set_config('app.environment', %s, true)", (environment,))
            cursor.execute("DELETE FROM customer_credit")
            assert cursor.rowcount == (0 if livemode else 1)
            cursor.execute("COMMIT")


def test_unique_indexes_begin_with_the_environment(ask):
    found = ask("""
        SELECT i.indexrelid::regclass::text FROM pg_index i
          JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = 'environment_id'
         WHERE i.indisunique AND i.indkey[0] <> a.attnum AND i.indrelid = ANY (%s::text[]::regclass[])""", TENANTS)
    # A hash of 256 random bits: it is what finds the environment.
    assert found == [("api_key_hash",)]


def test_the_serving_role_is_nobody_special(ask):
    assert ask("""SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles WHERE rolname = %s""",
               SERVE) == [(False,) * 5]
    assert ask("SELECT count(*) FROM pg_auth_members WHERE member = %s::regrole", SERVE) == [(0,)]
    assert ask("SELECT count(*) FROM pg_class WHERE relowner = %s::regrole", SERVE) == [(0,)]
    assert ask("""SELECT has_schema_privilege(%s, 'public', 'CREATE'), has_database_privilege(%s, current_database(), 'CREATE'),
                         has_database_privilege(%s, current_database(), 'TEMPORARY')""", SERVE, SERVE, SERVE) == [(False,) * 3]


def test_the_serving_role_has_exactly_the_grants_that_it_needs(ask):
    held = {}
    for table, privilege in ask("""
            SELECT c.relname, x.privilege_type FROM pg_class c, aclexplode(c.relacl) x
             WHERE c.relnamespace = 'public'::regnamespace AND x.grantee IN (%s::regrole, 0)""", SERVE):
        held.setdefault(table, set()).add(privilege)
    for table, column, privilege in ask("""
            SELECT c.relname, a.attname, x.privilege_type FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) x
             WHERE c.relnamespace = 'public'::regnamespace AND x.grantee IN (%s::regrole, 0)""", SERVE):
        held.setdefault(table, set()).add(f"{privilege}.{column}")
    assert held == GRANTS


def test_few_functions_run_with_their_owners_rights(ask):
    """They pin what they are looked up in, take no environment from their caller, and only the serving role may call them."""
    assert ask("""SELECT proname, pg_get_function_identity_arguments(oid), proowner::regrole::text, proconfig,
                         ARRAY(SELECT grantee::regrole::text FROM aclexplode(proacl) ORDER BY 1)
                    FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef ORDER BY 1""") == [
        ("customer_search", "words text[], keys text[], vals text[], most bigint", "clientele_owner",
         ["search_path=pg_catalog, pg_temp", "enable_seqscan=off", "enable_indexscan=off", "plan_cache_mode=force_generic_plan"],
         ["clientele_owner", SERVE]),
        ("customer_search_between", "words text[], keys text[], vals text[], most bigint, low uuid, high uuid", "clientele_owner",
         ["search_path=pg_catalog, pg_temp", "enable_seqscan=off", "enable_indexscan=off", "random_page_cost=1000", "plan_cache_mode=force_custom_plan"],
         ["clientele_owner", SERVE]),
        ("customer_search_merge", "", "clientele_owner", ["search_path=pg_catalog, pg_temp"], ["clientele_owner", SERVE]),
        ("user_called", "who uuid", "clientele_owner", ["search_path=pg_catalog, pg_temp"], ["clientele_owner", SERVE])]


def test_the_policy_of_the_search_is_the_owners_alone(ask):
    assert ask("SELECT roles, cmd, qual FROM pg_policies WHERE policyname = 'search'") == [
        (["clientele_owner"], "SELECT", "app_searches()")]


def test_the_owner_sees_one_environment_whatever_was_searched_before(cluster):
    """The function shows its owner all rows while it runs, and no longer."""
    for role in ("clientele_owner", SERVE):
        with contextlib.closing(cluster.connect("catalogue", role)) as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN")
            for number in (1, 2):
                cursor.execute("SELECT set_config('app.environment', md5('searched' || %s)::uuid::text, true)", (number,))
                cursor.execute("""INSERT INTO customer (environment_id, id, email, full_name, timezone, metadata, is_active, created_at, updated_at)
                                  VALUES (app_environment(), gen_random_uuid(), 'searched@example.com', 'Searched', 'UTC', '{"a": "b"}', true,
                                          now(), now())""")
            for environment in ("md5('searched1')", "md5('searched2')", "md5('searched3')"):
                cursor.execute(f"SELECT set_config('app.environment', {environment}::uuid::text, true)")
                expected = 0 if "3" in environment else 1
                for words, keys, values in (("{%searched%}", None, None), (None, "{a}", "{b}"), ("{%searched%}", "{a}", "{b}")):
                    cursor.execute("SELECT count(*) FROM customer_search(%s, %s, %s, 10)", (words, keys, values))
                    assert cursor.fetchone() == (expected,), (role, environment, words, keys)
                    cursor.execute("""SELECT count(*) FROM customer_search_between(%s, %s, %s, 10,
                                      '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff')""", (words, keys, values))
                    assert cursor.fetchone() == (expected,), (role, environment, words, keys)
                cursor.execute("SELECT count(*) FROM customer WHERE full_name = 'Searched'")
                assert cursor.fetchone() == (expected,), (role, environment)
            cursor.execute("SELECT set_config('app.environment', '', true)")
            cursor.execute("SELECT count(*) FROM customer_search('{%searched%}', NULL, NULL, 10)")
            assert cursor.fetchone() == (0,), role


@pytest.mark.parametrize("statement", [
    "CREATE TABLE t ()", "CREATE TEMPORARY TABLE t ()", "CREATE SCHEMA s", "CREATE ROLE r", "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1",
    "ALTER TABLE customer DISABLE ROW LEVEL SECURITY", "ALTER TABLE customer NO FORCE ROW LEVEL SECURITY",
    "DROP POLICY environment ON customer", "CREATE POLICY p ON customer USING (true)", "TRUNCATE customer",
    "DELETE FROM event", "UPDATE customer SET environment_id = environment_id", "UPDATE api_key SET hash = hash",
    "UPDATE api_key SET environment_id = environment_id", "UPDATE idempotency_key SET maker = maker", "UPDATE organization SET name = name",
    "INSERT INTO environment SELECT", "DELETE FROM api_key", "SET ROLE clientele_owner", "SET SESSION AUTHORIZATION clientele_owner",
    "ALTER ROLE clientele_serve BYPASSRLS", "COPY customer TO PROGRAM 'cat'", "COPY customer FROM '/etc/passwd'",
    "GRANT SELECT ON customer TO PUBLIC",
])
def test_the_serving_role_is_refused(cluster, ask, statement):
    with contextlib.closing(cluster.connect("catalogue", SERVE)) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(statement)
        except psycopg2.errors.InsufficientPrivilege:
            return
        # PostgreSQL warns only, and grants nothing.
        assert statement.startswith("GRANT") and ask(
            "SELECT count(*) FROM pg_class c, aclexplode(c.relacl) x WHERE c.relname = 'customer' AND x.grantee = 0") == [(0,)]
