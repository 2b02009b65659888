"""Workers that die, hang or are replaced."""

import os
import signal
import threading

import requests

import fastcgi
from conftest import CUSTOMERS, timed
from stack import PATIENCE, wait_until


def hammer(p, seconds_or_event, threads=4):
    """Asks without pause; returns the set of statuses, None for a connection without an answer."""
    seen, lock = {}, threading.Lock()

    def run():
        while not seconds_or_event.is_set():
            try:
                status = p.ask().status
            except OSError as error:
                status = type(error).__name__
            with lock:
                seen[status] = seen.get(status, 0) + 1

    running = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
    for thread in running:
        thread.start()
    return running, seen


# ---------------------------------------------------------------- deaths


def test_killed_worker_is_reported_and_replaced_while_others_serve(pool):
    p = pool().start()
    before = p.workers()
    os.kill(before[0], signal.SIGKILL)
    assert {p.ask().status for _ in range(50)} == {200}
    wait_until(lambda: len(p.workers()) == 2 and before[0] not in p.workers(), what="a new worker")
    assert before[1] in p.workers()
    line = next(line for line in p.log().splitlines() if " died: " in line)
    assert f"signal 9 (SIGKILL) pid={before[0]} " in line and "uptime_ms=" in line and "requests=" in line


def test_crash_in_a_request_loses_that_request_alone(pool):
    p = pool(requests_in_hand=1).start()
    with p.held():
        one, other = p.start_held(), p.start_held()
        os.kill(p.workers()[0], signal.SIGABRT)
        wait_until(lambda: not one.is_alive() or not other.is_alive(), what="the end of one connection")
    assert sorted([one.result().status, other.result().status], key=str) == [200, None]
    assert "SIGABRT" in p.log() and "doing=handling" in p.log()
    wait_until(lambda: len(p.workers()) == 2, what="a new worker")
    assert {p.ask().status for _ in range(20)} == {200}


def test_crash_loop_backs_off(one_worker):
    p = one_worker
    pauses = []
    for _ in range(4):
        (pid,) = p.workers()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: p.workers() == [], what="its death")
        _, seconds = timed(lambda: wait_until(p.workers, what="its successor"))
        pauses.append(seconds)
    for pause, least in zip(pauses, [0.1, 0.2, 0.4, 0.8]):
        assert least - 0.06 <= pause < least + 0.4 * PATIENCE, pauses
    wait_until(lambda: p.ask().status == 200, what="service after the loop")


def test_workers_are_replaced_after_max_requests(pool):
    p = pool(workers=2, max_requests=20).start()
    before = p.workers()
    assert {p.ask().status for _ in range(200)} == {200}
    wait_until(lambda: len(p.workers()) == 2, what="two workers")
    assert not set(before) & set(p.workers())
    assert " died" not in p.log()


def test_a_worker_told_to_leave_by_hand_is_replaced(pool):
    p = pool().start()
    before = p.workers()
    with p.held():
        pending = p.start_held()
        for pid in before:
            os.kill(pid, signal.SIGTERM)
    assert pending.result().status == 200
    wait_until(lambda: len(p.workers()) == 2 and not set(before) & set(p.workers()), what="new workers")


def test_a_worker_that_hangs_is_killed(pool):
    # Every wait of a worker's own has a bound, so it takes a debugger's hand to hang one.
    p = pool(workers=1, request_timeout="500ms").start()
    (pid,) = p.workers()
    with p.held():
        pending = p.start_held()
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: pid not in p.workers(), what="the end of the worker")
    assert pending.result().status is None
    assert ": it is stuck" in p.log()
    wait_until(lambda: p.workers() and p.ask().status == 200, what="service by its successor")


# ---------------------------------------------------------------- reload


def test_reload_under_load_loses_nothing(pool):
    p = pool(workers=3).start()
    end = threading.Event()
    running, seen = hammer(p, end)
    for n in range(5):
        wait_until(lambda: seen.get(200, 0) > n * 50, what="load")
        before, readies = p.workers(), p.readies()
        p.signal(signal.SIGHUP)
        p.wait_ready(readies)
        wait_until(lambda: len(p.workers()) == 3, what="three workers")
        assert not set(before) & set(p.workers())
    end.set()
    for thread in running:
        thread.join()
    assert set(seen) == {200}, seen
    assert " died" not in p.log() and "killed" not in p.log()


def test_reload_under_load_loses_nothing_behind_a_web_server(pool, new_front, front):
    p = pool(workers=3, max_requests=100).start()
    url = new_front(front, p.service).url + CUSTOMERS
    end = threading.Event()
    seen, lock = {}, threading.Lock()

    def run():
        with requests.Session() as session:
            session.headers["x-api-key"] = p.key
            while not end.is_set():
                status = session.post(url, json={"email": "a@example.com"}).status_code
                with lock:
                    seen[status] = seen.get(status, 0) + 1

    running = [threading.Thread(target=run, daemon=True) for _ in range(4)]
    for thread in running:
        thread.start()
    for n in range(4):
        wait_until(lambda: seen.get(201, 0) > n * 50, what="load")
        readies = p.readies()
        p.signal(signal.SIGHUP)
        p.wait_ready(readies)
    end.set()
    for thread in running:
        thread.join()
    assert set(seen) == {201}, seen
    assert " died" not in p.log() and "killed" not in p.log()


def test_reload_waits_for_requests_in_hand(pool):
    p = pool(workers=2).start()
    with p.held():
        pending = p.start_held()
        readies = p.readies()
        p.signal(signal.SIGHUP)
        p.wait_log("reload")
        # Reading does not need the lock's table, so the pool can be seen to serve.
        assert p.ask("GET", "/api/v1/nowhere").status == 404
    assert pending.result().status == 200
    p.wait_ready(readies)


def test_reload_changes_the_number_of_workers(pool):
    p = pool(workers=1).start()
    for count in (3, 1, 2):
        readies = p.readies()
        p.write_conf(workers=count)
        p.signal(signal.SIGHUP)
        p.wait_ready(readies)
        wait_until(lambda: len(p.workers()) == count, what=f"{count} workers")
        assert p.ask().status == 200


def test_reload_keeps_the_old_configuration_when_the_new_one_is_wrong(pool, proc_database):
    p = pool().start()
    before = p.workers()
    for number, wrong in enumerate([{"workers": "none"}, {"workers": 2, "listen_allow": "here"},
                                    {"listen_allow": "::1", "database_url": proc_database.owner_url}], 1):
        p.write_conf(**wrong)
        p.signal(signal.SIGHUP)
        wait_until(lambda: p.log().count("reload refused") == number, what="the refusal")
        assert p.workers() == before and p.ask().status == 200
    readies = p.readies()
    p.write_conf(database_url=proc_database.serve_url)
    p.signal(signal.SIGHUP)
    p.wait_ready(readies)
    wait_until(lambda: len(p.workers()) == 2 and not set(before) & set(p.workers()), what="new workers")


def test_reload_says_what_only_a_restart_changes(pool):
    p = pool().start()
    readies = p.readies()
    p.write_conf(listen="unix:/elsewhere", listen_backlog=7)
    p.signal(signal.SIGHUP)
    p.wait_ready(readies)
    assert "only a restart can change listen, listen_backlog" in p.log()
    assert p.ask().status == 200
    p.signal(signal.SIGTERM)
    assert p.wait() == 0 and not p.socket.exists()


def test_reload_applies_flags_and_environment_again(pool):
    p = pool(body_max="32K")
    p.start(True, "--body-max=64K")
    p.wait_ready()
    body = b'"' + b"x" * 40000 + b'"'
    assert p.ask("POST", body=body).status == 400
    readies = p.readies()
    p.write_conf(body_max="16K")
    p.signal(signal.SIGHUP)
    p.wait_ready(readies)
    assert p.ask("POST", body=body).status == 400


def test_stop_during_a_reload(pool):
    p = pool(workers=3).start()
    p.signal(signal.SIGHUP)
    p.signal(signal.SIGTERM)
    assert p.wait() == 0
    assert not p.socket.exists()


def test_full_load_does_not_keep_a_worker_from_leaving(one_worker):
    # ppoll() delivers no signal while a descriptor is ready; with a queue that never empties it always is.
    p = one_worker
    (pid,) = p.workers()
    end = threading.Event()
    running, seen = hammer(p, end, threads=16)
    wait_until(lambda: seen.get(200, 0) > 50, what="load")
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: pid not in p.workers(), 5, "its end")
    wait_until(p.workers, what="its successor")
    end.set()
    for thread in running:
        thread.join()
    assert set(seen) == {200}, seen
    assert fastcgi.ask(p.address).status is not None
