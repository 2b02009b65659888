"""clientele migrate beside a service that is answering, and what it says of the schema."""

import contextlib
import hashlib
import json
import re
import subprocess
import time

import pytest

from conftest import Pending, timed
from stack import PATIENCE, ROOT, wait_until

MIGRATIONS = sorted((ROOT / "sql" / "migrate").glob("*.sql"))
NAMES = [path.stem for path in MIGRATIONS]
SECOND = "0002_rate_limit"


@pytest.fixture
def behind(new_database):
    """A database that lacks all but the first migration; the second one changes api_key."""
    database = new_database()
    later = "".join(path.read_text() for path in MIGRATIONS[1:])
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        for kind in ("TABLE", "FUNCTION"):
            cursor.execute(f"DROP {kind} IF EXISTS " + ", ".join(re.findall(rf"(?m)^CREATE {kind} (\w+)", later)) + " CASCADE")
        for index in re.findall(r"(?m)^CREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?(\w+)", later):
            cursor.execute(f"DROP INDEX IF EXISTS {index}")
        for policy, table in re.findall(r"(?m)^CREATE POLICY (\w+) ON (\w+)", later):
            if policy != "environment":
                cursor.execute(f"DO $$ BEGIN DROP POLICY IF EXISTS {policy} ON {table}; EXCEPTION WHEN undefined_table THEN NULL; END $$")
        for table, changes in re.findall(r"(?ms)^ALTER TABLE (\w+)(.*?);$", later):
            for column in re.findall(r"ADD COLUMN (\w+)", changes):
                cursor.execute(f"ALTER TABLE IF EXISTS {table} DROP COLUMN IF EXISTS {column} CASCADE")
        cursor.execute("DROP EXTENSION pg_trgm, btree_gin CASCADE; DELETE FROM schema_migration WHERE version > 1")
    return database


def versions(database):
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute("SELECT name FROM schema_migration ORDER BY version")
        return [name for name, in cursor.fetchall()]


def test_status_and_dry_run_change_nothing(behind, new_database):
    """D11."""
    rows = json.loads(behind.clientele("migrate", "--status", "--json").stdout)
    assert [(row["name"], row["class"]) for row in rows] == [(path.stem, path.read_text().split()[2]) for path in MIGRATIONS]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:.]+Z", rows[0]["applied"]) and {row["applied"] for row in rows[1:]} == {None}
    table = behind.clientele("migrate", "--status").stdout.splitlines()
    assert table[0].split() == ["name", "class", "applied"] and table[2].split() == [SECOND, "online", "-"]
    assert [row["name"] for row in json.loads(behind.clientele("migrate", "--dry-run", "--json").stdout)] == NAMES[1:]
    assert len(behind.clientele("migrate", "--dry-run").stdout.splitlines()) == len(NAMES)
    assert versions(behind) == NAMES[:1]

    done = json.loads(behind.clientele("migrate", "--json").stdout)
    assert [row["name"] for row in done] == NAMES[1:] == versions(behind)[1:]
    assert behind.clientele("migrate", "--dry-run").stdout == f"the schema is up to date ({NAMES[-1]})\n"
    assert json.loads(behind.clientele("migrate", "--dry-run", "--json").stdout) == []

    empty = new_database(migrate=False)
    assert {row["applied"] for row in json.loads(empty.clientele("migrate", "--status", "--json").stdout)} == {None}
    with contextlib.closing(empty.connect()) as db, db.cursor() as cursor:
        cursor.execute("SELECT to_regclass('schema_migration')")
        assert cursor.fetchone() == (None,)


def test_status_says_when_the_database_is_ahead(new_database):
    database = new_database()
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute(f"INSERT INTO schema_migration (version, name, checksum) VALUES ({len(NAMES) + 1}, 'later', '')")
    for arguments in ([], ["--status"], ["--dry-run"]):
        done = database.clientele("migrate", *arguments, check=False)
        assert (done.returncode, done.stderr) == (78, "clientele: the database has migration later, which this clientele does not know: "
                                                      "install the newer clientele.\n")


@contextlib.contextmanager
def reader(database):
    """What pg_dump holds for as long as it runs."""
    with contextlib.closing(database.connect()) as db:
        db.autocommit = False
        db.cursor().execute("LOCK TABLE api_key IN ACCESS SHARE MODE")
        yield
        db.rollback()


def test_requests_pass_while_a_migration_waits_for_a_lock(behind):
    """F1: 8 of 8 requests failed for as long as the reader lived."""
    slowest, looks = 0, 0
    with reader(behind), contextlib.closing(behind.connect("clientele_serve")) as db, db.cursor() as cursor:
        migration = Pending(lambda: behind.clientele("migrate", "--wait", "60s"))
        end = time.monotonic() + 7
        while time.monotonic() < end:
            _, seconds = timed(lambda: cursor.execute("SELECT count(*) FROM api_key"))
            slowest, looks = max(slowest, seconds), looks + 1
            time.sleep(0.02)
        assert migration.is_alive() and versions(behind) == NAMES[:1]
    done = migration.result(60)
    assert done.stdout.splitlines()[0] == f"applied {SECOND}" and versions(behind) == NAMES
    assert slowest < 3 * PATIENCE and looks > 20
    waits = re.findall(r"^clientele: another transaction holds a lock that 0002_rate_limit needs; letting requests pass for (\d+) ms "
                       r"before the next try\.$", done.stderr, re.M)
    assert [int(ms) for ms in waits][:2] == [500, 1000]


def test_a_migration_gives_up_in_words(behind):
    with reader(behind):
        done = behind.clientele("migrate", "--wait", "1s", check=False)
    assert (done.returncode, done.stdout) == (75, "")
    assert done.stderr.splitlines()[-1] == (
        "clientele: gave up after 1 s: another transaction holds a lock that 0002_rate_limit needs, perhaps a backup or a forgotten BEGIN; "
        "pg_stat_activity shows it, and nothing of it was done.")
    assert versions(behind) == NAMES[:1]
    behind.clientele("migrate")
    assert versions(behind) == NAMES


def test_another_migration_is_waited_for_without_end(behind):
    """It holds up nobody but itself, so the lock of migrations is not one of those."""
    with contextlib.closing(behind.connect()) as db, db.cursor() as cursor:
        db.autocommit = False
        cursor.execute("SELECT pg_advisory_xact_lock(7205759403792793)")
        migration = Pending(lambda: behind.clientele("migrate", "--wait", "0"))
        time.sleep(3)
        assert migration.is_alive()
        db.rollback()
    done = migration.result()
    assert done.stderr == "" and versions(behind) == NAMES


def test_what_postgresql_says_of_a_failure_is_not_repeated(new_database):
    """B6: it may quote a customer's values."""
    database = new_database(migrate=False)
    with contextlib.closing(database.connect("clientele_owner")) as db, db.cursor() as cursor:
        cursor.execute("CREATE TABLE api_key (hush text)")
    done = database.clientele("migrate", check=False)
    assert (done.returncode, done.stderr) == (78, "clientele: 0001_base failed with SQLSTATE 42P07; nothing of it was done, and the "
                                                  "database's log has the message.\n")


def test_a_lost_connection_is_said(behind):
    with reader(behind):
        migration = Pending(lambda: behind.clientele("migrate", check=False))

        def end_it():
            with contextlib.closing(behind.connect()) as db, db.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND application_name = 'clientele-cli' "
                               "AND wait_event_type = 'Lock'", (behind.name,))
                return cursor.rowcount

        wait_until(end_it, what="the migration's wait for a lock")
    done = migration.result()
    assert done.returncode == 75 and done.stderr.splitlines()[-1] == (
        "clientele: the connection to the database was lost (0002_rate_limit); run clientele migrate again: a migration is done whole or not at all.")


def test_the_class_of_a_migration_is_no_part_of_its_checksum(new_database):
    """So that it can be corrected after the release."""
    database = new_database()
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute("SELECT checksum FROM schema_migration ORDER BY version")
        found = [checksum for checksum, in cursor.fetchall()]
    assert found == [hashlib.sha256(path.read_bytes().split(b"\n", 1)[1]).hexdigest() for path in MIGRATIONS]


@pytest.mark.parametrize("first, outcome", [("-- class: online", "true"), ("-- class: offline", "false"), ("-- class: both", None), ("SELECT 1;", None)])
def test_a_migration_must_have_a_class(tmp_path, first, outcome):
    folder = tmp_path / "migrate"
    folder.mkdir()
    (folder / "0001_new.sql").write_text(f"{first}\nSELECT 2;\n")
    done = subprocess.run(["awk", "-v", "part=table", "-f", ROOT / "sql/embed.awk", folder / "0001_new.sql"], text=True, capture_output=True)
    if outcome:
        assert f'{{ "0001_new", {outcome},\n\t    "SELECT 2;\\n" }},' in done.stdout and "class" not in done.stdout
    else:
        assert done.returncode == 1 and 'a migration begins with "-- class: online" or "-- class: offline"' in done.stderr
