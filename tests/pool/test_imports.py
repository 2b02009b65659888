"""Imports over the API, as processes: a clerk that is killed, several of them, several environments, memory."""

import contextlib
import json
import os
import re
import signal
import threading
from pathlib import Path

import pytest

import fastcgi
from stack import wait_until
from test_admin import Admin
from test_clerk import clerk_of, state

ENDED = ("done", "failed", "cancelled")


@pytest.fixture(scope="module")
def database(cluster):
    """One of its own: no clerk of another test comes along."""
    return cluster.database("imports")


@pytest.fixture
def org(database):
    return Org(database)


class Org:
    count = 0

    def __init__(self, database):
        Org.count += 1
        self.name = f"Imports {Org.count}"
        self.database, self.key = database, database.organization(self.name).key("live")

    def call(self, p, method, path, body=b""):
        return p.connect().send(fastcgi.request(method, "/api/v1" + path, [("x-api-key", self.key)], body)).answer()

    def rows(self, sql, *args):
        with contextlib.closing(self.database.connect()) as db, db.cursor() as cursor:
            cursor.execute(sql, (self.name, *args))
            return cursor.fetchall()

    def one(self, sql, *args):
        return self.rows(sql, *args)[0][0]

    def customers(self):
        return self.one(f"SELECT count(*) FROM customer t {OF}")


OF = "JOIN environment e ON e.id = t.environment_id AND e.livemode JOIN organization o ON o.id = e.organization_id AND o.name = %s"
MAKE = """
    INSERT INTO import_job (environment_id, id, status, format, dry, conflict, keep_created_at, source, parts, bytes, queued_at)
    SELECT e.id, gen_random_uuid(), 'queued', 'csv', false, 'skip', false, 'command test', 1, octet_length(convert_to(%s, 'UTF8')), now()
      FROM environment e JOIN organization o ON o.id = e.organization_id WHERE o.name = %s AND e.livemode RETURNING environment_id, id"""
FILL = "INSERT INTO import_part (environment_id, import_id, number, bytes, digest, data) VALUES (%s, %s, 1, length(%s), '', %s)"


def queue(org, text):
    """An import that waits for a clerk; its id."""
    with contextlib.closing(org.database.connect()) as db, db.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(MAKE, (text, org.name))
        environment, number = cursor.fetchone()
        cursor.execute(FILL, (environment, number, text.encode(), text.encode()))
        cursor.execute("COMMIT")
    return number


def look(org, number):
    return org.rows(f"SELECT t.status, t.lines, t.created, t.existing, t.failed, t.reason FROM import_job t {OF} WHERE t.id = %s", number)[0]


def results(org, number):
    text = "".join(data for (data,) in org.rows(f"SELECT t.data FROM import_result t {OF} WHERE t.import_id = %s ORDER BY t.line", number))
    return [json.loads(line) for line in text.splitlines()]


def many(count):
    return "externalId,email\n" + "".join(f"m{n},m{n}@example.com\n" if n % 2 else f",m{n}@example.com\n" for n in range(1, count + 1))


@pytest.fixture
def hire(pool, database):
    return lambda **options: Admin(pool(database, **{"workers": 1, "clerk": "on", **options}))


@contextlib.contextmanager
def blocked(org, external_id):
    """Nobody can make a customer with this external id meanwhile."""
    with contextlib.closing(org.database.connect()) as db, db.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO customer (environment_id, id, external_id, email, timezone, metadata, is_active, created_at, updated_at) "
                       "SELECT e.id, gen_random_uuid(), %s, 'a@example.com', 'UTC', '{}', true, now(), now() FROM environment e "
                       "JOIN organization o ON o.id = e.organization_id WHERE o.name = %s AND e.livemode", (external_id, org.name))
        yield
        cursor.execute("ROLLBACK")


def waiting(org):
    with contextlib.closing(org.database.connect()) as db, db.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'clientele clerk' AND wait_event_type = 'Lock'",
                       (org.database.name,))
        return cursor.fetchone()[0]


def ended(org, number):
    return wait_until(lambda: look(org, number)[0] in ENDED and look(org, number), 40, "the end of the import")


def complete(org, number, count):
    """Each line was done once: as many customers, events and results, and these in order."""
    assert ended(org, number) == ("done", count, count, 0, 0, None)
    told = results(org, number)
    assert [row["line"] for row in told] == list(range(2, count + 2)) and {row["status"] for row in told} == {"created"}
    assert org.customers() == count == len({row["id"] for row in told})
    assert org.rows(f"SELECT count(*), count(DISTINCT t.customer_id) FROM event t {OF} WHERE t.type = 'customer.created'") == [(count, count)]


def test_a_clerk_that_is_killed_is_followed_by_one_that_goes_on_without_doubles(hire, org):
    """Killed in the third step, whose rows are inserted and not committed; half of the lines have no external id that could show a double."""
    p = hire(lock_timeout="60s", statement_timeout="60s", request_timeout="60s").start()
    pid = clerk_of(p)
    with blocked(org, "m2501"):
        number = queue(org, many(4500))
        wait_until(lambda: waiting(org) == 1, 20, "the wait for m2501")
        assert org.customers() == 2000 and look(org, number)[:3] == ("running", 4500, 2000)
        os.kill(pid, signal.SIGKILL)
        clerk_of(p, pid)
    complete(org, number, 4500)


def test_it_may_be_killed_at_any_moment(hire, org):
    p = hire().start()
    number, pid = queue(org, many(12000)), None
    for _ in range(3):
        pid, done = clerk_of(p, pid), look(org, number)[2]
        wait_until(lambda done=done: look(org, number)[2] > done, 20, "a step")
        os.kill(pid, signal.SIGKILL)
    complete(org, number, 12000)


def test_several_clerks_do_nothing_twice_and_environments_take_turns(hire, org, database):
    """Three environments, two clerks: the first import is not over when those of the others begin."""
    others = [Org(database), Org(database)]
    numbers = [queue(org, many(9000)), queue(others[0], many(3000)), queue(others[1], many(3000))]
    first, second = hire().start(), hire().start()
    for one, number, count in zip([org, *others], numbers, (9000, 3000, 3000)):
        complete(one, number, count)
    begun = [one.one(f"SELECT t.started_at FROM import_job t {OF}") for one in others]
    assert max(begun) < org.one(f"SELECT t.ended_at FROM import_job t {OF}")
    assert all(set(state(p)["clerk"]["failed"].values()) == {0} for p in (first, second))


def memory(pid):
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])


def test_a_large_file_takes_little_memory_and_requests_go_on(hire, org):
    """16 MB of large lines; what the process has had in use at most before and after."""
    p = hire().start()
    pid = clerk_of(p)
    before = memory(pid)
    filler = "x" * 15000
    text = "email,metadata.a\n" + "".join(f"a{n}@example.com,{filler}\n" for n in range(1050))
    asked, over = [], threading.Event()

    def ask():
        while not over.is_set():
            asked.append(org.call(p, "GET", "/customers?limit=1").status)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        assert ended(org, queue(org, text))[:3] == ("done", 1050, 1050)
    finally:
        over.set()
        asking.join()
    assert memory(pid) - before < 12 * 1024
    assert asked and set(asked) == {200}


def test_a_worker_that_has_taken_parts_has_not_grown_without_bounds(hire, org):
    p = hire().start()
    made = json.loads(org.call(p, "POST", "/imports", b'{"format":"csv"}').body)
    (pid,) = [worker["pid"] for worker in state(p)["workers"]]
    part = b"x" * (8 * 1024 * 1024)
    for number in range(1, 9):
        assert org.call(p, "PUT", f"/imports/{made['id']}/parts/{number}", part).status == 200
    assert memory(pid) < 100 * 1024
    answer = org.call(p, "POST", f"/imports/{made['id']}/cancel")
    assert answer.status == 200 and json.loads(answer.body)["bytes"] == 8 * len(part)
    wait_until(lambda: org.one(f"SELECT count(*) FROM import_part t {OF}") == 0, 30, "the end of the parts")


def test_a_file_that_is_too_large_is_refused(hire, org):
    p = hire(import_max="8M").start()
    made = json.loads(org.call(p, "POST", "/imports", b'{"format":"csv"}').body)
    assert org.call(p, "PUT", f"/imports/{made['id']}/parts/1", b"x" * (8 * 1024 * 1024 - 1)).status == 200
    answer = org.call(p, "PUT", f"/imports/{made['id']}/parts/2", b"xx")
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (413, "request_too_large")
    assert org.call(p, "PUT", f"/imports/{made['id']}/parts/2", b"x").status == 200


def test_one_that_fails_is_tried_again_later_and_ends_after_an_hour_and_holds_up_no_other(hire, org, database):
    """A part that has gone, as after a restore of a few tables."""
    broken, other = queue(org, many(10)), Org(database)
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute("DELETE FROM import_part WHERE import_id = %s", (broken,))
        p = hire().start()
        tries = f"SELECT t.tries FROM import_job t {OF}"
        wait_until(lambda: org.one(tries) >= 2, 20, "two failures")
        complete(other, queue(other, many(10)), 10)
        cursor.execute("UPDATE import_job SET tries = 13, touched_at = now() - interval '1 day' WHERE id = %s", (broken,))
        wait_until(lambda: org.one(tries) == 14, 20, "the last failure but one")
        assert look(org, broken)[0] == "queued"
        cursor.execute("UPDATE import_job SET touched_at = now() - interval '1 day' WHERE id = %s", (broken,))
        assert ended(org, broken)[0::5] == ("failed", "it fails each time; the log of the service says why")
        again = queue(org, many(10))
        cursor.execute("UPDATE import_job SET tries = 14, touched_at = now() - interval '1 day' WHERE id = %s", (again,))
        complete(org, again, 10)
    assert "no lines of files imported for now: a part of an import is not there" in p.log()
