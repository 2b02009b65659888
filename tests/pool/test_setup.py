"""setup.sql, run by who may run it: a superuser, or the administrator of a managed PostgreSQL, who is none."""

import re

import pytest

from stack import ROOT, Cluster, Database, Service

SETUP = ROOT / "sql/setup.sql"
SETTINGS = """SELECT rolname || ' ' || setting FROM pg_roles JOIN pg_db_role_setting ON setrole = pg_roles.oid, unnest(setconfig) AS setting
              WHERE rolname LIKE 'clientele%' ORDER BY 1"""
ROLES = """SELECT rolname, rolcanlogin, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls FROM pg_roles
           WHERE rolname LIKE 'clientele%' ORDER BY 1"""


@pytest.fixture
def managed(place):
    """A cluster of the test's own, whose users are the superuser postgres, admin and nobody_much."""
    cluster = Cluster(place)
    cluster.psql("-c", "CREATE ROLE admin LOGIN CREATEROLE CREATEDB", "-c", "CREATE ROLE nobody_much LOGIN CREATEDB")
    yield cluster
    cluster.stop("immediate")


def run_setup(cluster, who, *arguments, check=True):
    with open(SETUP) as text:
        return cluster.place.run(cluster.bin / "psql", "-X", "-q", "-h", cluster.sockets, "-U", who, *arguments, "-f", "-", "postgres",
                                 stdin=text, check=check)


def serves(cluster, name="clientele"):
    """Whether tables can be made in it and a service starts on them."""
    database = Database(cluster, name)
    database.clientele("migrate")
    done = database.clientele("check", "--connect")
    assert done.stdout == "configuration and database ok\n"
    database.organization("Managed Ltd").key("live")
    return Service(database, workers=1).start().stop() == 0


def test_the_administrator_of_a_managed_database_can_run_it(managed):
    """F17: it wanted a superuser from its fourth statement on."""
    done = run_setup(managed, "admin")
    assert re.sub(r"psql:<stdin>:\d+: ", "", done.stderr) == (
        "WARNING:  only a superuser may set log_error_verbosity and log_parameter_max_length for clientele_serve\n"
        "HINT:  PostgreSQL's log may show data of customers: set log_error_verbosity = terse and log_parameter_max_length = 0 for the whole "
        "server, where its provider lets you\n")
    assert managed.psql("-c", ROLES).splitlines() == ["clientele_owner|t|f", "clientele_serve|t|f"]
    # Nobody got a right that is left over.
    assert managed.psql("-c", "SELECT count(*) FROM pg_auth_members WHERE roleid = 'clientele_owner'::regrole").strip() == "0"
    assert managed.psql("-c", "SELECT rolname FROM pg_namespace JOIN pg_roles r ON r.oid = nspowner WHERE nspname = 'public'",
                        database="clientele").strip() == "clientele_owner"
    assert serves(managed)
    # Again, by either: nothing changes but what was denied.
    run_setup(managed, "admin")
    assert len(managed.psql("-c", SETTINGS).splitlines()) == 11
    assert run_setup(managed, "postgres").stderr == ""
    assert run_setup(managed, "admin").stderr == ""
    assert managed.psql("-c", SETTINGS).splitlines() == [
        "clientele_owner TimeZone=UTC", "clientele_owner search_path=public", "clientele_serve TimeZone=UTC",
        "clientele_serve default_transaction_isolation=read committed", "clientele_serve idle_in_transaction_session_timeout=10s",
        "clientele_serve jit=off", "clientele_serve lock_timeout=5s", "clientele_serve log_error_verbosity=terse",
        "clientele_serve log_parameter_max_length=0", "clientele_serve log_parameter_max_length_on_error=0",
        "clientele_serve search_path=public", "clientele_serve statement_timeout=10s", "clientele_serve synchronous_commit=on"]
    run_setup(managed, "admin", "-v", "database=second")
    assert serves(managed, "second")


def test_what_its_provider_allowed_is_set(managed):
    managed.psql("-c", "GRANT SET ON PARAMETER log_parameter_max_length TO admin")
    assert "may set log_error_verbosity for clientele_serve" in run_setup(managed, "admin").stderr
    assert "clientele_serve log_parameter_max_length=0" in managed.psql("-c", SETTINGS)


def test_who_may_not_run_it_is_told(managed):
    done = run_setup(managed, "nobody_much", check=False)
    assert done.returncode != 0 and "ERROR:  the role nobody_much may not make roles and databases\n" in done.stderr
    assert "HINT:  run it as a superuser, or as a role with CREATEROLE and CREATEDB\n" in done.stderr
    assert managed.psql("-c", ROLES) == ""


def test_what_it_finds_changed_it_mends(managed):
    run_setup(managed, "postgres")
    before = managed.psql("-c", SETTINGS)
    managed.psql("-c", "ALTER ROLE clientele_serve BYPASSRLS CREATEDB", "-c", "ALTER ROLE clientele_owner NOLOGIN",
                 "-c", "ALTER ROLE clientele_serve SET search_path = other, public", "-c", "ALTER ROLE clientele_serve RESET jit")
    run_setup(managed, "postgres")
    assert managed.psql("-c", ROLES).splitlines() == ["clientele_owner|t|f", "clientele_serve|t|f"]
    assert managed.psql("-c", SETTINGS) == before


def test_each_right_alone_that_a_role_has_too_many_is_taken_away(managed):
    run_setup(managed, "postgres")
    for role in ("clientele_owner", "clientele_serve"):
        for right in ("NOLOGIN", "SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS"):
            managed.psql("-c", f"ALTER ROLE {role} {right}")
            run_setup(managed, "postgres")
            assert managed.psql("-c", ROLES).splitlines() == ["clientele_owner|t|f", "clientele_serve|t|f"], (role, right)


@pytest.mark.parametrize("options, words", [("", "exists and does not belong to clientele_owner"),
                                            ("OWNER clientele_owner TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'", "exists and is not in UTF8")])
def test_a_database_that_will_not_do_is_left_alone(managed, options, words):
    run_setup(managed, "postgres", "-v", "database=first")
    managed.psql("-c", f"CREATE DATABASE clientele {options}")
    done = run_setup(managed, "postgres", check=False)
    assert done.returncode != 0 and f"ERROR:  database clientele {words}\n" in done.stderr
    assert managed.psql("-c", "SELECT datacl IS NULL FROM pg_database WHERE datname = 'clientele'").strip() == "t"
