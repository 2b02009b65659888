"""Workers that grow, hang or die again and again."""

import contextlib
import itertools
import os
import re
import shutil
import signal
import time

import requests

from conftest import CUSTOMERS, Pending
from stack import PATIENCE, Front, wait_until
from test_admin import Admin


def test_a_worker_that_grew_is_replaced_between_requests(pool):
    p = pool(workers=2, max_memory="1M").start()  # less than any worker has
    before = p.workers()
    assert {p.ask().status for _ in range(300)} == {200}
    wait_until(lambda: len(p.workers()) == 2 and not set(before) & set(p.workers()), what="new workers")
    assert re.search(r"worker \d\[\d+\]: leaving: \d+ KiB are resident, max_memory is 1024 KiB", p.log())
    assert " died" not in p.log()


def test_a_worker_within_its_memory_stays(pool):
    p = pool(workers=1, max_memory="500M").start()
    before = p.workers()
    assert {p.ask().status for _ in range(200)} == {200}
    assert p.workers() == before


def test_the_log_names_the_request_of_a_worker_that_hangs(pool):
    p = pool(workers=1, request_timeout="500ms").start()
    (pid,) = p.workers()
    with p.held():
        pending = p.start_held("GET", CUSTOMERS + "/cus_1", headers=[("X-Request-Id", "stuck-1")])
        os.kill(pid, signal.SIGSTOP)  # nothing of its own can help it any more
        p.wait_log(": it is stuck")
    assert f": killing worker 1: it is stuck pid={pid}\n" in p.log()
    line = next(line for line in p.log().splitlines() if ": worker 1 had a request in hand: " in line)
    assert "request=stuck-1 route=\"GET customers/{id}\"" in line
    assert 1500 <= int(re.search(r"age_ms=(\d+)", line).group(1)) < 4000 * PATIENCE
    assert pending.result().status is None
    wait_until(lambda: p.ask().status == 200, what="service by its successor")
    p.wait_log(" died: signal 9")


def test_the_client_of_a_worker_that_hangs_hears_of_it_from_the_web_server(pool):
    p = pool(workers=1, request_timeout="1s").start()
    files = p.place.dir / "impatient"
    shutil.copytree(p.place.conf, files)
    site = files / "nginx-clientele.conf"
    site.write_text(site.read_text().replace("fastcgi_read_timeout 30s", "fastcgi_read_timeout 2s"))
    front = Front(p.place, "nginx", p.socket, files=files)
    try:
        with p.held():
            pending = Pending(lambda: requests.get(f"{front.url}{CUSTOMERS}/cus_1", headers={"x-api-key": p.key}, timeout=20))
            wait_until(lambda: p.waiting() == 1, what="the request in the database")
            os.kill(p.workers()[0], signal.SIGSTOP)
            answer = pending.result()
            assert answer.status_code == 504 and answer.json()["code"] == "service_unavailable"
            p.wait_log(": it is stuck")
        wait_until(lambda: requests.get(f"{front.url}{CUSTOMERS}", headers={"x-api-key": p.key}, timeout=20).status_code == 200,
                   what="service by its successor")
    finally:
        front.stop()


def test_the_obituary_names_the_request(pool):
    p = pool(workers=1).start()
    (pid,) = p.workers()
    with p.held():
        pending = p.start_held("POST", body=b'{"email": "a@example.com"}', headers=[("X-Request-Id", "killed-1")])
        os.kill(pid, signal.SIGKILL)
        assert pending.result().status is None
    p.wait_log("had a request in hand")
    died = next(line for line in p.log().splitlines() if " died: " in line)
    assert f"pid={pid} was=ready doing=handling" in died and " in_hand=1" in died
    assert re.search(r'worker 1 had a request in hand: request=killed-1 route="POST customers" age_ms=\d+\n', p.log())


def test_the_obituary_names_all_requests_in_hand(pool):
    p = pool(workers=1)
    admin = Admin(p).start()
    wait_until(lambda: admin.figures()["serving"] == 1, what="a worker")
    pid = admin.state()["workers"][0]["pid"]
    with p.held():
        pending = [Pending(lambda n=n: p.ask("GET", f"{CUSTOMERS}/cus_1", headers=[("X-Request-Id", f"killed-{n}")])) for n in range(5)]
        wait_until(lambda: admin.figures()["inHand"] == 5, what="five requests in hand")
        os.kill(pid, signal.SIGKILL)
        assert [one.result().status for one in pending] == [None] * 5
    p.wait_log(" in_hand=5")
    assert set(re.findall(r"had a request in hand: request=(killed-\d) ", p.log())) == {f"killed-{n}" for n in range(5)}


def test_who_has_answered_is_replaced_without_delay(pool):
    p = pool(workers=1).start()
    for _ in range(6):
        wait_until(lambda: p.ask().status == 200, what="an answer")
        (pid,) = p.workers()
        os.kill(pid, signal.SIGKILL)
        before = time.monotonic()
        wait_until(lambda: p.workers() not in ([], [pid]), what="its successor")
        assert time.monotonic() - before < 1.5 * PATIENCE  # with a growing pause the sixth would take 3 s


@contextlib.contextmanager
def starts_held(p, behind_a_check=False):
    """
    While this lasts, no new worker comes to serve: its look at the schema waits. With behind_a_check the next
    look, which is the check at a reload, is still let through, when the function that this gives is called; called
    again it lets the one after that through, which is the first new worker's. It returns the connection that holds the lock.
    """
    lock = "LOCK TABLE schema_migration IN ACCESS EXCLUSIVE MODE"
    with contextlib.closing(p.database.connect()) as first, contextlib.closing(p.database.connect()) as second:
        first.autocommit = second.autocommit = False
        first.cursor().execute(lock)
        turns = itertools.cycle([(first, second), (second, first)])

        def let_through():
            holds, comes = next(turns)
            wait_until(lambda: p.waiting() == 1, what="the check")
            holder = Pending(lambda: comes.cursor().execute(lock))  # locks are given in the order they were asked for
            wait_until(lambda: p.waiting() == 2, what="a second lock")
            holds.rollback()
            holder.result()
            return comes

        yield let_through if behind_a_check else None
        first.rollback()
        second.rollback()


def kill_new(p, lives):
    for pid in set(p.workers()) - lives:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def test_a_place_whose_workers_die_at_once_is_given_up(pool):
    # Both at the same time, because the pauses until a place is given up take 13 s.
    one, all_of_them = pool(workers=2).start(), pool(workers=1).start()
    lives = {one.workers()[0]}

    def given_up():
        kill_new(one, lives)
        if not all_of_them.ended():
            kill_new(all_of_them, set())
        assert one.ask().status == 200
        return "giving up on" in one.log() and all_of_them.ended()

    with starts_held(one):
        wait_until(given_up, 30, "the end of patience")
    # The others go on, and nobody is started there any more.
    assert ": 8 died in a row without an answer; a reload or a change of the number of workers tries again" in one.log()
    assert set(one.workers()) == lives and one.log().count(" died: ") == 8
    time.sleep(0.5)
    assert set(one.workers()) == lives and one.ask().status == 200
    # Without a single worker the service is over, and says so.
    assert all_of_them.wait() == 70
    assert "giving up on all workers; ending the service" in all_of_them.log() and not all_of_them.socket.exists()
    # A person may try again: by a signal, by a reload.
    one.signal(signal.SIGTTIN)
    wait_until(lambda: len(one.workers()) == 3, what="three workers")


def test_a_reload_whose_workers_die_leaves_the_old_ones(pool):
    p = pool(workers=1).start()
    old = set(p.workers())

    def refused():
        kill_new(p, old)
        assert p.ask().status == 200
        return "not all workers could be replaced: keeping 1 of the old ones" in p.log()

    with starts_held(p, behind_a_check=True) as let_through:
        p.signal(signal.SIGHUP)
        let_through()
        let_through()
        wait_until(lambda: p.log().count(": workers: 1") == 2 and p.waiting() == 1, what="a worker of the new configuration")
        wait_until(refused, 30, "the end of patience")
    assert set(p.workers()) == old and p.ask().status == 200
    assert p.log().count(" died: ") == 8


def test_a_reload_mends_one_that_is_stuck(pool, new_database):
    """All old workers serve, and the place for a new one waits: the first worker of the next reload needs that room."""
    database = new_database()
    p = pool(database, workers=1, workers_max=1).start()
    with starts_held(p, behind_a_check=True) as let_through:
        p.signal(signal.SIGHUP)
        let_through()
        holder = let_through()
        wait_until(lambda: p.log().count(": workers: 1") == 2 and p.waiting() == 1, what="a worker of the new configuration")
        holder.cursor().execute("INSERT INTO schema_migration (version, name, checksum) VALUES (999, 'later', '')")
        holder.commit()
    p.wait_log("exit code 78")
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute("DELETE FROM schema_migration WHERE version = 999")
    readies = p.readies()
    before = time.monotonic()
    p.signal(signal.SIGHUP)
    p.wait_ready(readies)
    assert time.monotonic() - before < 6 * PATIENCE  # the place itself is tried again after 10 s


def test_a_reload_whose_first_worker_dies_changes_nothing(pool):
    p = pool(workers=2).start()
    old = set(p.workers())
    with starts_held(p, behind_a_check=True) as let_through:
        p.write_conf(log_level="debug")
        p.signal(signal.SIGHUP)
        let_through()
        wait_until(lambda: p.waiting() == 1, what="the first worker's look at the schema")
        kill_new(p, old)
        p.wait_log("reload refused, keeping the old configuration: its first worker was ended by signal 9")
    assert set(p.workers()) == old and p.ask().status == 200 and " debug " not in p.log()
    assert p.log().count(" died: ") == 1
    readies = p.readies()
    p.signal(signal.SIGHUP)
    p.wait_ready(readies)
    wait_until(lambda: not set(p.workers()) & old, what="the end of the old ones")
    assert " debug " in p.log()


def test_a_worker_that_a_person_must_mend_is_tried_again(pool, new_database):
    database = new_database()
    p = pool(database, workers=2).start()
    with database.connect() as db, db.cursor() as cursor:
        cursor.execute("INSERT INTO schema_migration (version, name, checksum) VALUES (999, 'later', '')")
    pid = p.workers()[0]
    os.kill(pid, signal.SIGKILL)
    p.wait_log("exit code 78")
    assert len(p.workers()) == 1 and "giving up" not in p.log()


def test_opening_the_log_again_ends_no_worker(pool):
    p = pool().start()
    before = p.workers()
    with p.held():
        pending = p.start_held()
        p.signal(signal.SIGUSR1)
        for pid in before:
            os.kill(pid, signal.SIGUSR1)
        p.signal(signal.SIGTTIN)  # obeyed after it, so it is over then
        p.wait_log("workers: 2 -> 3")
    assert pending.result().status == 200
    assert {p.ask().status for _ in range(50)} == {200}
    assert set(before) < set(p.workers())
