"""
What Clientele relies on in a database and cannot see otherwise: the role, its settings, the tables' guards, the server.
Looked at at the start, at a reload and by check, which say what to run.
"""

import contextlib
import itertools
import os
import re
import signal
import socket
import threading

import pytest

from stack import Cluster, wait_until

CONFIG = 78
ROW_LEVEL = ", which is not subject to row-level security: use the role clientele_serve that sql/setup.sql makes"
ALTER = "must be {}: run ALTER ROLE clientele_serve SET"

# name -> (as superuser in the database, role that connects, what is said). {db} is the database, {role} one of the test's own.
FAULTS = {
    "superuser": ("CREATE ROLE {role} LOGIN SUPERUSER", "{role}", "database_url connects as a superuser" + ROW_LEVEL),
    "superuser who becomes another": ("CREATE ROLE {role} LOGIN SUPERUSER; ALTER ROLE {role} SET role = clientele_serve", "{role}",
                                      "database_url connects as a superuser" + ROW_LEVEL),
    "bypassrls": ("CREATE ROLE {role} LOGIN BYPASSRLS IN ROLE clientele_serve", "{role}", "database_url connects as a role with BYPASSRLS"),
    "owner": ("", "clientele_owner", "database_url connects as the owner of the tables" + ROW_LEVEL),
    "owner of one table": ("ALTER TABLE event OWNER TO clientele_serve", "clientele_serve", "database_url connects as the owner of the tables"),
    "owner of the database": ("CREATE ROLE {role} LOGIN IN ROLE clientele_serve; ALTER DATABASE {db} OWNER TO {role}", "{role}",
                              "database_url connects as the owner of the tables"),
    "member of the owner": ("CREATE ROLE {role} LOGIN IN ROLE clientele_serve, clientele_owner", "{role}",
                            "database_url connects as a member of the tables' owner or of another such role" + ROW_LEVEL),
    "member that does not inherit": ("CREATE ROLE {role} LOGIN NOINHERIT IN ROLE clientele_owner; ALTER ROLE {role} SET role = clientele_serve; "
                                     "GRANT clientele_serve TO {role}", "{role}", "database_url connects as a member of the tables' owner"),
    "member of a superuser": ("CREATE ROLE {role} LOGIN IN ROLE clientele_serve, postgres", "{role}",
                              "database_url connects as a member of the tables' owner or of another such role"),
    "becomes": ("CREATE ROLE {role} LOGIN IN ROLE clientele_serve; ALTER ROLE {role} SET role = clientele_serve", "{role}",
                "database_url connects as one role and becomes another: connect as clientele_serve itself, or run ALTER ROLE ... RESET role"),
    "createrole": ("CREATE ROLE {role} LOGIN CREATEROLE IN ROLE clientele_serve", "{role}", "database_url connects as a role that may do more than serve"),
    "replication": ("CREATE ROLE {role} LOGIN REPLICATION IN ROLE clientele_serve", "{role}",
                    "database_url connects as a role that may do more than serve"),
    "files of the server": ("CREATE ROLE {role} LOGIN IN ROLE clientele_serve, pg_read_server_files", "{role}",
                            "database_url connects as a role that may do more than serve"),
    "row_security": ("ALTER DATABASE {db} SET row_security = off", "clientele_serve", "row_security " + ALTER.format("on") + " row_security = 'on'"),
    "replica": ("ALTER DATABASE {db} SET session_replication_role = replica", "clientele_serve", "session_replication_role must be origin: run "),
    "isolation": ("ALTER ROLE clientele_serve IN DATABASE {db} SET default_transaction_isolation = serializable", "clientele_serve",
                  "default_transaction_isolation " + ALTER.format("read committed")),
    "housekeeping": ("ALTER DATABASE {db} SET app.housekeeping = on", "clientele_serve", "app.* are settings of Clientele's own"),
    "clerk": ("ALTER DATABASE {db} SET app.clerk = on", "clientele_serve", "app.* are settings of Clientele's own"),
    "environment": ("ALTER DATABASE {db} SET app.environment = '00000000-0000-0000-0000-000000000000'", "clientele_serve",
                    "app.* are settings of Clientele's own"),
    "foreign schema": ("CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO PUBLIC; ALTER ROLE clientele_serve IN DATABASE {db} SET search_path = other, public",
                       "clientele_serve", "search_path leads through more than one schema"),
    "schema of the role's name": ("CREATE SCHEMA clientele_serve AUTHORIZATION postgres; GRANT USAGE ON SCHEMA clientele_serve TO PUBLIC; "
                                  "ALTER ROLE clientele_serve IN DATABASE {db} SET search_path = \"$user\", public", "clientele_serve",
                                  "search_path leads through more than one schema"),
    "before the catalogue": ("ALTER ROLE clientele_serve IN DATABASE {db} SET search_path = public, pg_catalog", "clientele_serve",
                             "search_path leads through more than one schema"),
    "no row-level security": ("ALTER TABLE customer DISABLE ROW LEVEL SECURITY", "clientele_serve",
                              "row-level security is off for a table with tenants' rows: run ALTER TABLE ... ENABLE ROW LEVEL SECURITY"),
    "not forced": ("ALTER TABLE event NO FORCE ROW LEVEL SECURITY", "clientele_serve", "row-level security is off for a table with tenants' rows"),
}


_numbers = itertools.count(1)


@pytest.fixture
def role():
    """The name of a role that no other test has."""
    return f"role_of_test{next(_numbers)}"


def alter(database, text):
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        if text:
            cursor.execute(text)


def check(p):
    return p.place.run(p.place.bin, "-c", p.conf, "check", "--connect", check=False)


@pytest.mark.parametrize("name", FAULTS)
def test_a_database_that_does_not_keep_tenants_apart_is_refused(pool, cluster, new_database, role, name):
    """B7, F3: at the start, at a reload, which leaves the old workers, and by check."""
    database = new_database()
    statements, who, words = FAULTS[name]
    p = pool(database, workers=1).start()
    p.key = database.organization("Role Ltd").key("live")
    assert p.ask().status == 200 and check(p).returncode == 0
    alter(database, statements.format(db=database.name, role=role))
    if who == "{role}":
        alter(database, f"GRANT CONNECT ON DATABASE {database.name} TO {role}")
    p.write_conf(database_url=cluster.url(who.format(role=role), database.name))
    p.signal(signal.SIGHUP)
    p.wait_log(words)
    assert p.ask().status == 200
    done = check(p)
    assert done.returncode == CONFIG and re.fullmatch(r"clientele: [^\n]+\n", done.stderr) and words in done.stderr, done.stderr
    p.stop()
    p.start(False)
    assert p.wait() == CONFIG and p.log().count(words) >= 2


def test_what_may_pass_is_a_warning(pool, new_database, cluster):
    """F8: a database that only reads starts, and is told of."""
    database = new_database()
    alter(database, f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    p = pool(database, workers=1)
    done = check(p)
    words = ("the database is read-only: every write fails until default_transaction_read_only is off; in psql \\drds shows who set it")
    assert done.returncode == 0 and f"clientele: {words}\n" in done.stderr
    p.start()
    assert f": {words}\n" in p.log()
    p.signal(signal.SIGHUP)
    wait_until(lambda: p.readies() == 2, what="the reload")


def test_a_table_of_the_operators_own_stops_nothing(pool, new_database):
    """One that the role may not use can show it nothing; but it may be one of Clientele's that was restored without privileges."""
    database = new_database()
    alter(database, "CREATE TABLE kept AS SELECT * FROM customer")
    done = check(pool(database))
    assert done.returncode == 0 and "clientele: a table with tenants' rows may not be used by the role, as after a restore without" in done.stderr
    alter(database, "GRANT SELECT ON kept TO clientele_serve")
    done = check(pool(database))
    assert done.returncode == CONFIG and "row-level security is off for a table with tenants' rows" in done.stderr


def test_a_standby_is_a_warning(pool, place, new_database):
    primary = Cluster(place, conf="wal_level = replica\nmax_wal_senders = 4\n")
    try:
        primary.database("standing")
        standby = Cluster(place, copy_of=primary, signal="standby", conf="hot_standby = on\n")
        try:
            p = pool(workers=1, database_url=standby.url("clientele_serve", "standing"))
            done = check(p)
            assert done.returncode == 0 and done.stderr.count("read-only") == 0
            assert "clientele: the database is a standby: every write fails until it is promoted; target_session_attrs=" in done.stderr
        finally:
            standby.stop("immediate")
    finally:
        primary.stop("immediate")


@contextlib.contextmanager
def as_version(cluster, place, major):
    """The folder of a socket behind which the server says that it is of another version."""
    folder = place.new("v")
    folder.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        path = folder / ".s.PGSQL.5432"
        listener.bind(str(path))
        path.chmod(0o777)
        listener.listen()

        def pump(source, target, change):
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(change(data))
                target.shutdown(socket.SHUT_WR)

        def lie(data):
            return re.sub(rb"(server_version\x00)\d\d", rb"\g<1>" + str(major).encode(), data)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    server = socket.socket(socket.AF_UNIX)
                    server.connect(str(cluster.sockets / ".s.PGSQL.5432"))
                    threading.Thread(target=pump, args=(client, server, bytes), daemon=True).start()
                    threading.Thread(target=pump, args=(server, client, lie), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield folder
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_an_old_server_is_refused(pool, cluster, place, proc_database):
    """Also by migrate, before it makes anything."""
    words = "the server is PostgreSQL 14 and must be 15 or newer: move the database with pg_dump and pg_restore"
    with as_version(cluster, place, 14) as folder:
        p = pool(workers=1, database_url=f"host={folder} dbname={proc_database.name} user=clientele_serve")
        done = check(p)
        assert (done.returncode, done.stderr) == (CONFIG, f"clientele: {words}\n")
        done = place.run(place.bin, "-c", p.conf, "migrate", check=False,
                         env={"CLIENTELE_DATABASE_OWNER_URL": f"host={folder} dbname={proc_database.name} user=clientele_owner"})
        assert (done.returncode, done.stderr) == (CONFIG, f"clientele: {words}.\n")
    with as_version(cluster, place, 17) as folder:
        assert check(pool(database_url=f"host={folder} dbname={proc_database.name} user=clientele_serve")).returncode == 0


def test_no_tables_are_made_in_another_encoding(cluster, place):
    """F3."""
    with contextlib.closing(cluster.connect()) as db, db.cursor() as cursor:
        cursor.execute("CREATE DATABASE latin_owned OWNER clientele_owner TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'")
    done = place.run(place.bin, "-c", "/dev/null", "migrate", check=False,
                     env={"CLIENTELE_DATABASE_OWNER_URL": cluster.url("clientele_owner", "latin_owned")})
    assert (done.returncode, done.stderr) == (CONFIG, "clientele: server_encoding is LATIN1 and must be UTF8: make the database with sql/setup.sql.\n")


def test_a_service_file_cannot_change_the_encoding(pool, cluster, place, proc_database):
    """F3: whose value counts less than ours."""
    services = place.new("f") / "services"
    services.write_text(f"[it]\nhost={cluster.sockets}\ndbname={proc_database.name}\nuser=clientele_serve\nclient_encoding=LATIN1\n")
    os.chmod(services, 0o644)
    p = pool(database_url="service=it")
    done = p.place.run(p.place.bin, "-c", p.conf, "check", "--connect", check=False, env={"PGSERVICEFILE": str(services)})
    assert (done.returncode, done.stdout) == (0, "configuration and database ok\n"), done  # it asks the connection for its encoding
