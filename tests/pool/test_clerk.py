"""The clerk: what it does, that it is there and leaves, and that several of them do nothing twice."""

import contextlib
import os
import re
import signal

import pytest

from stack import Cluster, children, wait_until
from test_admin import Admin
from test_lifecycle import alive
from test_upgrade import install

ROWS = 500  # of a step, as in src/clerk/job.c


@pytest.fixture(scope="module")
def database(cluster):
    """One of its own: no clerk of another test comes along."""
    database = cluster.database("clerk")
    database.organization("Clerk Ltd")
    return database


@pytest.fixture
def hire(pool, database):
    """A function: a service with a clerk and an admin socket, not started yet."""
    return lambda of=None, **options: Admin(pool(of or database, **{"workers": 1, "clerk": "on", **options}))


def state(p):
    """What its status says; empty while the admin process is replaced."""
    try:
        return p.state()
    except OSError:
        return {"clerk": {}, "pool": {}}


def clerk_of(p, *but):
    """The pid of its clerk, once that has a connection."""
    def find():
        clerk = state(p)["clerk"]
        return clerk.get("pid") not in (None, *but) and clerk["database"] == "connected" and clerk["pid"]

    return wait_until(find, 20, "a clerk")


def done(p):
    return state(p)["clerk"]["done"]["idempotency_keys"]


def add(database, count, age="2 days", tag=""):
    """Records of idempotency keys of that age."""
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute("""
            INSERT INTO idempotency_key (environment_id, key, request_hash, maker, version, status, headers, answer, sealed, created_at)
            SELECT e.id, %s || n, '', e.id, '', 200, '', '', false, now() - %s::interval - n * interval '1 ms'
              FROM (SELECT id FROM environment LIMIT 1) e, generate_series(1, %s) n""", (tag + age, age, count))
        db.commit()


def left(database, age="1 day"):
    """How many are older than that."""
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM idempotency_key WHERE created_at < now() - %s::interval", (age,))
        return cursor.fetchone()[0]


def backends(database):
    """The server's processes of clerks."""
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name = 'clientele clerk'", (database.name,))
        return [pid for (pid,) in cursor.fetchall()]


def test_expired_keys_are_removed_and_others_stay(database, hire):
    add(database, 3 * ROWS + 7)
    add(database, 5, age="23 hours")
    p = hire().start()
    wait_until(lambda: left(database) == 0, what="the end of the expired records")
    assert left(database, "1 hour") == 5
    wait_until(lambda: done(p) == 3 * ROWS + 7, what="the count")
    assert set(state(p)["clerk"]["failed"].values()) == {0}
    assert re.search(r"clerk.*: expired idempotency keys removed: 1507$", p.log(), re.M), p.log()
    wait_until(lambda: state(p)["pool"]["clerkBehindMs"] == 0, what="nothing left to do")


def test_without_prepared_statements_it_does_the_same(database, hire):
    add(database, ROWS + 1, age="4 days")
    p = hire(prepared_statements="off").start()
    wait_until(lambda: left(database) == 0, what="the end of the expired records")
    wait_until(lambda: done(p) == ROWS + 1, what="the count")


def test_a_service_has_one_clerk_with_a_name_and_a_line(database, hire):
    p = hire().start()
    pid = clerk_of(p)
    assert pid in children(p.pid) and len(backends(database)) == 1
    shown = p.clientele("status").stdout
    assert re.search(r"^clerk     running, \d+ expired idempotency keys removed, \d+ deadlines of subscriptions carried out, \d+ deadlines of test clocks "
                     r"carried out, \d+ retained names of invoices removed, \d+ lines of files imported, "
                     r"\d+ parts and results of imports removed, \d+ pages merged into the index of words$", shown, re.M), shown
    assert state(p)["pool"]["clerk"] == 1
    metrics = p.metrics()
    assert metrics["clientele_clerk_up"] == 1 and metrics["clientele_clerk_behind_seconds"] == 0
    assert metrics['clientele_clerk_done_total{work="idempotency_keys"}'] == done(p)
    assert metrics['clientele_clerk_failed_total{work="idempotency_keys"}'] == 0


def test_one_that_is_killed_is_followed_by_another_and_no_request_notices(database, hire):
    p = hire().start()
    p.pool.key = database.organization("Killed Ltd").key("live")
    pid = clerk_of(p)
    os.kill(pid, signal.SIGKILL)
    p.wait_log("the clerk died: signal 9 (SIGKILL) pid=%d" % pid)
    assert p.pool.ask().status == 200
    clerk_of(p, pid)
    add(database, 3)
    p.signal(signal.SIGHUP)  # the next looks at once
    wait_until(lambda: left(database) == 0, what="the work of the next one")
    assert " worker " not in "".join(line for line in p.log().splitlines() if " died" in line)


def test_a_reload_replaces_it_or_takes_it_away(database, hire):
    p = hire().start()
    first = clerk_of(p)
    p.write_conf(clerk="off")
    readies = p.readies()
    p.signal(signal.SIGHUP)
    p.wait_ready(readies)
    wait_until(lambda: not alive(first) and backends(database) == [], what="the end of the clerk")
    assert state(p)["pool"]["clerk"] is None and "clerk " not in p.clientele("status").stdout
    p.write_conf(clerk="on")
    p.signal(signal.SIGHUP)
    second = clerk_of(p, first)
    p.signal(signal.SIGHUP)
    clerk_of(p, first, second)
    wait_until(lambda: not alive(second), what="the end of the former one")
    assert " died" not in p.log()


def test_an_upgrade_has_a_clerk_of_the_new_program(database, hire):
    p = hire()
    p.service.bin = p.dir / "program"
    install(p, p.place.bin)
    p.start()
    first = clerk_of(p)
    before = done(p)
    p.signal(signal.SIGUSR2)
    clerk_of(p, first)
    assert not alive(first) and len(backends(database)) == 1
    assert " died" not in p.log() and done(p) >= before
    assert p.stop() == 0


def test_it_leaves_with_the_service_also_when_that_is_killed(database, hire):
    p = hire().start()
    pid = clerk_of(p)
    assert p.stop() == 0
    assert not alive(pid) and " died" not in p.log() and "killed" not in p.log()
    p = hire().start()
    pid = clerk_of(p)
    os.kill(p.pid, signal.SIGKILL)
    p.wait()
    wait_until(lambda: not alive(pid), what="the end of the clerk")


def test_a_service_that_drains_has_none(database, hire):
    """The worker is held by its request; the clerk does not wait for it, and none follows."""
    p = hire().start()
    p.pool.key = database.organization("Drained Ltd").key("live")
    pid = clerk_of(p)
    with p.held():
        request = p.start_held()
        p.signal(signal.SIGTERM)
        wait_until(lambda: not alive(pid), what="the end of the clerk")
        assert not p.ended() and state(p)["pool"]["clerk"] is None
    assert request.result().status == 200
    assert p.wait() == 0


@pytest.fixture
def own(place):
    """A cluster that may be stopped, and its database."""
    cluster = Cluster(place)
    database = cluster.database("away")
    database.organization("Away Ltd")
    yield cluster, database
    cluster.stop("immediate")


def test_a_database_that_is_away_is_waited_for(hire, own):
    cluster, database = own
    p = hire(database).start()
    pid = clerk_of(p)
    cluster.stop("immediate")
    wait_until(lambda: state(p)["clerk"]["database"] == "away", what="its notice")
    cluster.start()
    add(database, 3)
    clerk_of(p)
    readies = p.readies()
    p.signal(signal.SIGHUP)
    p.wait_ready(readies)
    wait_until(lambda: left(database) == 0, what="the work")
    assert " died" not in p.log()
    assert not alive(pid)


def test_a_service_that_starts_without_the_database_has_it_later(hire, own):
    cluster, database = own
    add(database, 3)
    cluster.stop("immediate")
    p = hire(database)
    p.pool.start()
    wait_until(lambda: state(p)["pool"]["clerk"] == 1 and state(p)["pool"]["clerkBehindMs"] > 0, what="a clerk that is behind")
    assert "behind" in wait_until(lambda: re.search("^clerk .*behind$", p.clientele(
        "status").stdout, re.M), what="a second of it")[0]
    pid = state(p)["clerk"]["pid"]
    cluster.start()
    wait_until(lambda: left(database) == 0, 20, "the work")
    assert clerk_of(p) == pid
    wait_until(lambda: state(p)["pool"]["clerkBehindMs"] == 0, what="nothing left to do")


def test_what_fails_is_counted_told_once_and_tried_again(hire, own):
    cluster, database = own
    add(database, 3)
    cluster.psql("-d", database.name, "-c", "REVOKE DELETE ON idempotency_key FROM clientele_serve")
    p = hire(database).start()
    wait_until(lambda: state(p)["clerk"]["failed"]["idempotency_keys"] >= 3, what="three tries")
    assert p.log().count("no expired idempotency keys removed for now: ") == 1 and "42501" in p.log()
    assert state(p)["pool"]["clerkBehindMs"] > 0
    cluster.psql("-d", database.name, "-c", "GRANT DELETE ON idempotency_key TO clientele_serve")
    wait_until(lambda: left(database) == 0, 20, "the work")


def test_a_database_that_is_not_fit_is_left_alone(hire, own):
    cluster, database = own
    p = hire(database).start()
    clerk_of(p)
    add(database, 3)
    cluster.psql("-c", f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    cluster.psql("-d", database.name, "-c", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'clientele_serve'")
    p.wait_log("nothing is done for now: the database is read-only")
    cluster.psql("-c", f"ALTER DATABASE {database.name} RESET default_transaction_read_only")
    clerk_of(p)
    assert p.log().count("nothing is done for now") == 1


def test_two_hosts_do_nothing_twice(database, hire):
    """Together they count each record once, whoever removed it."""
    hosts = [hire(), hire()]
    add(database, 20 * ROWS, age="3 days")
    for host in hosts:
        host.start()
    wait_until(lambda: left(database) == 0, 30, "the end of the expired records")
    assert len(backends(database)) == 2
    expired = 20 * ROWS + 5  # and those that the first test has left
    assert wait_until(lambda: sum(map(done, hosts)) >= 20 * ROWS and sum(map(done, hosts)), what="the counts") in (20 * ROWS, expired)
    assert all(set(state(host)["clerk"]["failed"].values()) == {0} for host in hosts)


# ---------------------------------------------------------------- the search index


@pytest.fixture
def people(database):
    """Functions on the customers of an environment: adds some, says how many a search finds, and pages that wait to be merged."""
    with contextlib.closing(database.connect()) as db, contextlib.closing(database.connect("clientele_serve")) as serve, \
            db.cursor() as cursor, serve.cursor() as asking:
        db.autocommit = serve.autocommit = True
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pgstattuple")
        cursor.execute("ALTER TABLE customer SET (autovacuum_enabled = off)")  # it merges, too
        cursor.execute("DELETE FROM customer")
        cursor.execute("SELECT id::text FROM environment LIMIT 1")
        environment = cursor.fetchone()[0]

        def write(first, count):
            cursor.execute("""
                INSERT INTO customer (environment_id, id, external_id, email, full_name, timezone, metadata, is_active, created_at, updated_at)
                SELECT %s, ('01941f29-7c00-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'own' || n, 'p' || n || '@pending.example',
                       'Person ' || md5(n::text), 'UTC', json_build_object('half', n %% 2), true, now(), now()
                  FROM generate_series(%s, %s) n""", (environment, first, first + count - 1))

        def found(word=None, value=None):
            """By the index for all, and for a range that has all."""
            counts = set()
            for call in ("customer_search(%s, %s, %s, 100000)",
                         "customer_search_between(%s, %s, %s, 100000, '00000000-0000-0000-0000-000000000000', 'ffffffff-0000-0000-0000-000000000000')"):
                asking.execute("SELECT set_config('app.environment', %s, false)", (environment,))
                asking.execute("SELECT count(*) FROM " + call, (word and [f"%{word}%"], value and ["half"], value and [value]))
                counts.add(asking.fetchone()[0])
            (count,) = counts
            return count

        def waiting():
            cursor.execute("SELECT pending_pages FROM pgstatginindex('customer_search')")
            return cursor.fetchone()[0]

        yield write, found, waiting


def test_the_search_index_is_merged_and_finds_all_before_and_after(database, hire, people):
    write, found, waiting = people
    write(0, 2000)
    pages = waiting()
    assert pages > 100
    asked = [("pending", None), ("own1999", None), (None, "1"), ("c4ca4238a0b9", None)]
    before = [found(*each) for each in asked]
    assert before == [2000, 1, 1000, 1]
    p = hire().start()
    wait_until(lambda: waiting() == 0, what="the end of the list")
    assert [found(*each) for each in asked] == before
    wait_until(lambda: state(p)["clerk"]["done"]["search_index"] >= pages, what="the count")
    write(2000, 1)
    assert found("own2000") == 1 and found("pending") == 2001


def test_a_search_finds_all_while_clerks_merge_and_are_killed(database, hire, people):
    write, found, waiting = people
    hosts = [hire().start(), hire().start()]
    for n in range(6):
        pid = clerk_of(hosts[n % 2])
        write(n * 500, 500)
        if n % 3 == 2:  # its session, perhaps in the midst of it
            with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'clientele clerk'")
        else:
            os.kill(pid, signal.SIGKILL)
        assert found("pending") == (n + 1) * 500 and found(None, "1") == (n + 1) * 250 and found(f"own{n * 500 + 499}") == 1
    wait_until(lambda: waiting() == 0, 30, "the end of the list")
    assert found("pending") == 3000 and found(None, "1") == 1500
    assert all(state(host)["clerk"]["failed"].get("search_index", 0) <= 2 for host in hosts)
