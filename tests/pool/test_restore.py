"""Backup and restore as doc/operations.md tells it: what was acknowledged comes back, keys work, answers are replayed."""

import contextlib
import json
import time

import pytest

from conftest import CUSTOMERS
from stack import Cluster, Database, wait_until
from writers import Writers, fastcgi_sender


def tool(cluster, name, *arguments, **more):
    return cluster.place.run(cluster.bin / name, "-h", cluster.sockets, *arguments, **more)


@pytest.fixture
def other(place):
    """A function: another cluster, with the options of Cluster."""
    made = []

    def new(**options):
        made.append(Cluster(place, **options))
        return made[-1]

    yield new
    for one in made:
        one.stop("immediate")


class Memory:
    """Requests with their answers, to be compared after the restore."""

    def __init__(self, pool):
        self.key, self.seen = pool.key, []
        for uri, body in ((CUSTOMERS, {"email": "kept@example.com", "id": "kept", "metadata": {"a": [1.10, "\u00e9"]}}),
                          (CUSTOMERS + "/batch", {"customers": [{"email": "b@example.com", "id": "kept"}, {"email": "c@example.com"}]}),
                          (CUSTOMERS, {"email": "anonymous@example.com"})):
            self.send(pool, "POST", uri, body)
        self.send(pool, "PATCH", CUSTOMERS + "/kept", {"fullName": "Kept"})

    def send(self, pool, method, uri, body):
        headers = [("Idempotency-Key", f"kept-{len(self.seen)}")]
        answer = pool.ask(method, uri, headers=headers, body=json.dumps(body).encode())
        assert answer.status in (200, 201)
        self.seen.append((method, uri, headers, json.dumps(body).encode(), answer))

    def check(self, pool):
        for method, uri, headers, body, first in self.seen:
            again = pool.ask(method, uri, headers=headers, body=body)
            assert (again.status, again.body) == (first.status, first.body)
            assert again.headers["Idempotent-Replayed"] == "true"
        kept = json.loads(pool.ask("GET", CUSTOMERS + "/kept").body)
        assert kept["fullName"] == "Kept" and kept["metadata"] == {"a": [1.10, "\u00e9"]}


def serve(pool, database, key):
    """A started service on a restored database that takes the old key; check and new writes work, too."""
    done = database.clientele("check", "--connect")
    assert done.stdout == "configuration and database ok\n" and done.stderr.count("fsync") == done.stderr.count("\n")
    assert database.clientele("migrate").stdout.startswith("the schema is up to date")
    served = pool(database=database)
    served.key = key
    served.start()
    _, made = served.create()
    assert made.status == 201
    return served


def test_a_dump_of_a_live_database_is_restored(pool, cluster, new_database, other):
    database = new_database()
    organization = database.organization("Dump Ltd")
    key, revoked = organization.key("live"), organization.key("live", "--name", "old")
    organization.revoke("old")
    live = pool(database=database)
    live.key = key
    live.start()
    memory = Memory(live)
    writers = Writers(fastcgi_sender(live), 2)
    writers.wait(20)
    acknowledged = list(writers.acknowledged)
    dump = cluster.place.dir / f"{database.name}.dump"

    # The role that backs up: all rows, no writing.
    cluster.psql("-c", "CREATE ROLE clientele_backup LOGIN BYPASSRLS IN ROLE pg_read_all_data", "-c",
                 f"GRANT CONNECT ON DATABASE {database.name} TO clientele_backup")
    tool(cluster, "pg_dump", "-U", "clientele_backup", "-Fc", "-f", dump, database.name)
    writers.wait(20)
    writers.finish().check(database)
    # The owner is subject to row-level security: it gets an error, and not a dump without rows.
    refused = tool(cluster, "pg_dump", "-U", "clientele_owner", "-Fc", "-f", "/dev/null", database.name, check=False)
    assert refused.returncode != 0 and "row-level security" in refused.stderr

    new = other()
    restored = new.database(database.name, migrate=False)
    tool(new, "pg_restore", "-U", "postgres", "--exit-on-error", "-d", database.name, dump)
    assert set(acknowledged) <= set(writers.stored(restored)) <= set(writers.acknowledged)
    served = serve(pool, restored, key)
    memory.check(served)
    served.key = revoked
    assert served.ask().status == 401
    # What was written after the dump is gone, and with it the memory of its keys: sent again, it is done again.
    lost = sorted(set(writers.acknowledged) - set(writers.stored(restored)))
    assert lost
    served.key = key
    body = json.dumps({"email": writers.mark, "fullName": lost[0]}).encode()
    assert served.ask("POST", CUSTOMERS, headers=[("Idempotency-Key", lost[0])], body=body).status == 201


def test_a_point_in_time_is_restored(pool, place, other):
    archive = place.new("w")
    first = other(conf=f"archive_mode = on\narchive_command = 'cp %p {archive}/%f'\n")
    database = first.database("clientele")
    key = database.organization("Time Ltd").key("live")
    live = pool(database=database)
    live.key = key
    live.start()
    base = other(conf=f"archive_mode = off\nrestore_command = 'cp {archive}/%f %p'\nrecovery_target_name = 'before_the_accident'\n"
                      "recovery_target_action = promote\n", copy_of=first, signal="recovery", start=False)
    memory = Memory(live)
    first.psql("-c", "SELECT pg_create_restore_point('before_the_accident')")
    first.psql("-c", "DELETE FROM customer", "-c", "SELECT pg_switch_wal()", database="clientele")
    assert live.ask("GET", CUSTOMERS + "/kept").status == 404
    live.stop()
    first.stop()  # the last of its log is archived

    base.start()
    restored = Database(base, "clientele")
    wait_until(lambda: base.psql("-c", "SELECT pg_is_in_recovery()") == "f\n", what="the end of the recovery")
    served = serve(pool, restored, key)
    memory.check(served)


def test_plans_that_were_made_for_empty_tables_read_no_whole_table(cluster, pool):
    """As behind a restore with its ANALYZE: a plan lives as long as its connection, and tables grow."""
    database = cluster.database("plans")
    p = pool(database, workers=1)
    p.key = database.organization("Plan Ltd").key("live")

    def whole_tables():
        with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
            cursor.execute("SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname <> 'schema_migration'")
            return dict(cursor.fetchall())

    with contextlib.closing(database.connect()) as db:
        db.autocommit = True
        db.cursor().execute("ANALYZE")
    before = whole_tables()
    p.start()
    customer = {"email": "a@example.com", "id": "one"}
    for method, uri, body, key in [("POST", "", customer, "first"), ("POST", "", customer, "first"), ("POST", "", customer, "second"),
                                   ("POST", "", {"email": "b@example.com", "id": "two"}, None),
                                   ("POST", "/batch", {"customers": [customer, {"email": "c@example.com"}]}, "third"),
                                   ("PATCH", "/one", {"fullName": "One"}, "fourth"), ("PATCH", "/one", {"fullName": "One"}, "fourth"),
                                   ("GET", "/one", None, None), ("GET", "", None, None), ("GET", "?customerId=one", None, None),
                                   ("GET", "?search=one", None, None), ("GET", "?isActive=true", None, None)]:
        headers = [("Idempotency-Key", key)] if key else []
        answer = p.ask(method, CUSTOMERS + uri, headers=headers, body=json.dumps(body).encode() if body else b"")
        assert answer.status in (200, 201, 409), (method, uri, answer)
    assert p.ask(uri=f"{CUSTOMERS}/{json.loads(answer.body)['data'][0]['id']}").status == 200
    assert p.ask(uri="/api/v1/api-keys").status == 200
    p.stop()  # its connections tell what they did at their end
    time.sleep(1)
    assert whole_tables() == before
