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
    "event": {"INSERT"},
    "idempotency_key": {"SELECT", "INSERT", "DELETE"},
} | {table: grants for resource in RESOURCES for table, grants in resource.tables.items()}
# Those whose rows belong to an environment.
TENANTS = sorted({"event", "idempotency_key"} | {table for resource in RESOURCES for table in resource.tables})


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
    assert ask("SELECT polrelid::regclass::text, polname, polcmd::text FROM pg_policy WHERE polname <> 'environment' ORDER BY 1, 2") == [
        ("api_key", "holder", "r"), ("idempotency_key", "housekeeping_deletes", "d"), ("idempotency_key", "housekeeping_sees", "r"),
        ("subscription", "clerk_locks", "w"), ("subscription", "clerk_sees", "r")]


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


def test_no_function_runs_with_its_owners_rights(ask):
    assert ask("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef") == []


@pytest.mark.parametrize("statement", [
    "CREATE TABLE t ()", "CREATE TEMPORARY TABLE t ()", "CREATE SCHEMA s", "CREATE ROLE r", "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1",
    "ALTER TABLE customer DISABLE ROW LEVEL SECURITY", "ALTER TABLE customer NO FORCE ROW LEVEL SECURITY",
    "DROP POLICY environment ON customer", "CREATE POLICY p ON customer USING (true)", "TRUNCATE customer", "DELETE FROM customer",
    "SELECT * FROM event", "UPDATE customer SET environment_id = environment_id", "UPDATE api_key SET hash = hash",
    "UPDATE api_key SET environment_id = environment_id", "UPDATE idempotency_key SET key = key", "UPDATE organization SET name = name",
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
