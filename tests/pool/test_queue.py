"""Requests that wait: for how long, how many, and what becomes of those whose client leaves."""

import contextlib
import itertools
import json
import os
import random
import re
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
import requests

import fastcgi
from conftest import CUSTOMERS, Pending, Pool, timed
from fastcgi import KEEP_CONN
from stack import PATIENCE, free_port, wait_until
from test_admin import Admin

NOWHERE = "/api/v1/nowhere"  # answered without the database
_numbers = itertools.count(1)


both_sockets = pytest.mark.parametrize("tcp", [False, True], ids=["unix", "TCP"])


def start(pool, tcp, **options):
    """A service of one worker."""
    if not tcp:
        return pool(workers=1, **options).start()
    port = free_port()
    p = pool(workers=1, listen=f"127.0.0.1:{port}", **options)
    p.service.start(wait=False)
    p.wait_ready()
    p.address = ("127.0.0.1", port)
    return p


def refused(answer):
    """Whether this is the 503 of a request that was not begun."""
    if answer.status != 503:
        return False
    body = json.loads(answer.body)
    assert body["code"] == body["error"]["code"] == "service_unavailable" and body["success"] is False
    assert "Nothing was done" in body["message"]
    assert int(answer.headers["Retry-After"]) > 0
    return True


def backends(pool):
    """Pids of the service's connections, as PostgreSQL has them."""
    with contextlib.closing(pool.database.connect()) as db, db.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s AND usename = 'clientele_serve' ORDER BY pid",
                       (pool.database.name,))
        return [pid for (pid,) in cursor.fetchall()]


def queued(pool):
    """How many connections nobody has accepted yet."""
    sockets = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    return sum(line[-1] == pool.address and line[5] == "02" for line in sockets)


# ---------------------------------------------------------------- clients that leave


class Browser:
    """An HTTP client that can leave in the middle: sends a request and may close."""

    def __init__(self, front, key, method="GET", uri=CUSTOMERS, body=b"", headers=()):
        self.socket = socket.create_connection(("127.0.0.1", front.port), 20)
        lines = [f"{method} {uri} HTTP/1.1", "Host: localhost", f"x-api-key: {key}", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers]
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def close(self):
        self.socket.close()

    def status(self):
        answer = b""
        while part := self.socket.recv(65536):
            answer += part
        self.socket.close()
        return int(answer.split()[1])


@both_sockets
def test_running_query_is_cancelled_when_its_client_leaves(pool, tcp):
    p = start(pool, tcp)
    assert p.ask().status == 200
    before = backends(p)
    with p.held():
        for n in range(3):
            connection = p.connect().send(p.request())
            wait_until(lambda: p.waiting() == 1, what="a request in the database")
            connection.close()
            wait_until(lambda: p.waiting() == 0, what="the end of its query")
            # Its worker is free again.
            wait_until(lambda: p.ask(uri=NOWHERE).status == 404, what="an answer")
            wait_until(lambda: p.log().count(" left=true") == n + 1, what="the log")
    assert p.ask().status == 200
    assert backends(p) == before  # and its connection can be used again
    assert " error " not in p.log(), p.log()


def test_client_that_leaves_nginx_cancels_its_query(pool, new_front):
    p = pool(workers=1).start()
    front = new_front("nginx", p.service)
    with p.held():
        browser = Browser(front, p.key)
        wait_until(lambda: p.waiting() == 1, what="a request in the database")
        browser.close()
        wait_until(lambda: p.waiting() == 0, what="the end of its query")
        assert Browser(front, p.key, uri=NOWHERE).status() == 404
    assert Browser(front, p.key).status() == 200


def test_client_that_leaves_lighttpd_does_no_harm(pool, new_front):
    # It keeps the FastCGI connection until the answer is there.
    p = pool(workers=1).start()
    front = new_front("lighttpd", p.service)
    with p.held():
        browser = Browser(front, p.key)
        wait_until(lambda: p.waiting() == 1, what="a request in the database")
        browser.close()
    assert Browser(front, p.key).status() == 200
    assert " died" not in p.log()


def test_nothing_is_sent_after_its_client_has_left(pool):
    # It leaves while its API key is looked up; what it wanted to write never starts.
    p = pool(workers=1, auth_cache_ttl=0).start()
    external, body = p.new_customer()
    with contextlib.closing(p.database.connect()) as db:
        db.autocommit = False
        db.cursor().execute("LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE")
        connection = p.connect().send(p.request("POST", body=body))
        wait_until(lambda: p.waiting() == 1, what="a request in the database")
        connection.close()
        wait_until(lambda: p.waiting() == 0, what="the end of its query")
        assert p.ask(uri=NOWHERE).status == 404
        db.rollback()
    assert p.ask().status == 200
    assert not p.exists(external)


def test_nothing_more_is_sent_when_a_query_could_not_be_cancelled(pool, new_database):
    # To note when the key was used is a transaction of its own; this one goes on to its end, and is the last.
    database = new_database()
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute("CREATE FUNCTION stubborn() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); RETURN NEW;"
                       " EXCEPTION WHEN query_canceled THEN RETURN NEW; END'")
        cursor.execute("CREATE TRIGGER stubborn BEFORE UPDATE ON api_key FOR EACH ROW EXECUTE FUNCTION stubborn()")
    p = pool(database, workers=1).start()
    p.key = database.organization("Stubborn Ltd").key("live")

    def sleeping():
        with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event = 'PgSleep'", (database.name,))
            return cursor.fetchone()[0]

    external, body = p.new_customer()
    connection = p.connect().send(p.request("POST", body=body))
    wait_until(sleeping, what="a request in the database")
    connection.close()
    p.wait_log(" left=true")
    assert not p.exists(external)
    assert p.ask().status == 200


def test_peer_that_only_stops_sending_gets_its_answer(one_worker):
    p = one_worker
    connection = p.connect().send(p.request())
    connection.socket.shutdown(socket.SHUT_WR)
    assert connection.answer().status == 200
    with p.held():
        connection = p.connect().send(p.request())
        wait_until(lambda: p.waiting() == 1, what="a request in the database")
        connection.socket.shutdown(socket.SHUT_WR)
        assert p.waiting() == 1
    assert connection.answer().status == 200


def test_requests_whose_client_left_nginx_in_the_queue_are_not_begun(pool, new_front):
    p = pool(workers=1, log_level="debug", requests_in_hand=1).start()
    front = new_front("nginx", p.service)
    new = [p.new_customer() for _ in range(5)]
    with p.held():
        held = p.start_held()
        browsers = [Browser(front, p.key, "POST", body=body) for _, body in new]
        wait_until(lambda: queued(p) == len(new), what="connections of nginx")
        for browser in browsers:
            browser.close()
        wait_until(lambda: (front.dir / "access.log").read_text().count(" 499 ") == len(new), what="the end of nginx's requests")
    assert held.result().status == 200
    wait_until(lambda: p.log().count("dropping a request: its sender has left") == len(new), what="five that are dropped")
    assert not any(p.exists(external) for external, _ in new)


def test_cancelling_is_bounded(pool, cluster):
    # A postmaster that does not react: libpq alone would wait for it without an end.
    p = pool(workers=1).start()
    postmaster = int((cluster.data / "postmaster.pid").read_text().split()[0])
    with p.held():
        connection = p.connect().send(p.request())
        wait_until(lambda: p.waiting() == 1, what="a request in the database")
        os.kill(postmaster, signal.SIGSTOP)
        try:
            connection.close()
            answer, seconds = timed(lambda: p.ask(uri=NOWHERE))
        finally:
            os.kill(postmaster, signal.SIGCONT)
        assert answer.status == 404 and seconds < 3 * PATIENCE
    wait_until(lambda: p.ask().status == 200, what="service with a new connection")
    assert " died" not in p.log()


def test_aborted_writes_are_done_once_or_not_at_all(pool):
    # Whenever the client leaves, the retry with the same key settles it.
    p = pool(workers=3).start()
    assert p.ask().status == 200
    dice = random.Random(4)
    writes = [(f"aborted-{next(_numbers)}", f"aborted-{n}@example.com") for n in range(150)]

    def send(key, email):
        return p.connect().send(p.request("POST", body=json.dumps({"email": email}).encode(), headers=[("Idempotency-Key", key)]))

    for write in writes:
        connection = send(*write)
        time.sleep(dice.choice([0, 0, dice.random() * 0.004]))
        connection.close()
    answers = [send(*write).answer() for write in writes]
    assert {answer.status for answer in answers} == {201}, {answer.status for answer in answers}
    replayed = sum("Idempotent-Replayed" in answer.headers for answer in answers)
    with contextlib.closing(p.database.connect()) as db, db.cursor() as cursor:
        cursor.execute("SELECT email, count(*), min(id::text) FROM customer WHERE email LIKE 'aborted-%' GROUP BY email")
        rows = cursor.fetchall()
    assert sorted((email, count) for email, count, _ in rows) == sorted((email, 1) for _, email in writes)
    assert 0 < replayed < len(writes), "the delays do not hit both cases"


def test_aborted_writes_that_wait_for_a_lock_are_undone(one_worker):
    p = one_worker
    keys = [f"waited-{next(_numbers)}" for _ in range(5)]
    body = json.dumps({"email": f"{keys[0]}@example.com"}).encode()
    with p.held():
        for key in keys:
            connection = p.connect().send(p.request("POST", body=body, headers=[("Idempotency-Key", key)]))
            wait_until(lambda: p.waiting() == 1, what="a write in the database")
            connection.close()
            wait_until(lambda: p.waiting() == 0, what="its end")
    for key in keys:
        answer = p.ask("POST", body=body, headers=[("Idempotency-Key", key)])
        assert answer.status == 201 and "Idempotent-Replayed" not in answer.headers
    with contextlib.closing(p.database.connect()) as db, db.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM customer WHERE email = %s", (f"{keys[0]}@example.com",))
        assert cursor.fetchone() == (len(keys),)


# ---------------------------------------------------------------- time in the queue


def started(seconds_ago):
    return [("REQUEST_START", f"{time.time() - seconds_ago:.3f}")]


@both_sockets
def test_request_that_waited_too_long_is_not_begun(pool, tcp):
    p = start(pool, tcp)
    with p.held():  # it would wait in the database if it came there
        answer = p.ask(more=started(11))
        assert refused(answer) and "too long" in json.loads(answer.body)["message"]
        assert p.ask(more=[("REQUEST_START", f"t={(time.time() - 11) * 1e6:.0f}")]).status == 503
        assert p.waiting() == 0
    assert p.ask(more=started(5)).status == 200
    assert p.log().count("longer than queue_timeout (10000 ms)") == 1
    assert " error " not in p.log()


@pytest.mark.parametrize("make", [lambda: started(-600), lambda: started(3 * 3600), lambda: [("REQUEST_START", "")],
                                  lambda: [("REQUEST_START", "yesterday")],
                                  lambda: [("HTTP_X_REQUEST_START", "t=1"), ("HTTP_REQUEST_START", "1700000000.000")]],
                         ids=["future", "absurd", "empty", "text", "the client's word"])
def test_times_that_cannot_be_are_no_reason_to_refuse(one_worker, make):
    assert one_worker.ask(more=make()).status == 200


def test_no_limit_of_time(pool):
    assert pool(workers=1, queue_timeout=0).start().ask(more=started(60)).status == 200


def test_nginx_tells_when_it_took_a_request_up(pool, new_front):
    p = pool(workers=1, queue_timeout="300ms", requests_in_hand=1).start()
    front = new_front("nginx", p.service)
    assert Browser(front, p.key).status() == 200
    external, body = p.new_customer()
    with p.held():
        held = p.start_held()
        late = Browser(front, p.key, "POST", body=body)
        wait_until(lambda: queued(p) == 1, what="a connection of nginx")
        time.sleep(0.35)
    assert held.result().status == 200
    assert late.status() == 503
    assert not p.exists(external)


# ---------------------------------------------------------------- the listen queue


@both_sockets
def test_requests_are_refused_before_the_queue_overflows(pool, tcp):
    p = start(pool, tcp, listen_backlog=20, queue_shed=50, requests_in_hand=1)
    assert p.ask().status == 200
    with p.held():
        held = p.start_held()
        crowd = [p.connect().send(p.request()) for _ in range(11)]
        # The supervisor has seen it, although no worker is free to look; perhaps just before the last one came.
        wait_until(lambda: re.search(r"the listen queue is nearly full \(1[01] of 20 connections\)", p.log()), what="a full queue")
    assert held.result().status == 200
    answers = [connection.answer() for connection in crowd]
    shed = [refused(answer) for answer in answers]
    # From the first one on until 5 wait, which is half of where it began, or fewer: nobody looks for each of them.
    assert shed[:5] == [True] * 5, shed
    assert {answer.status for answer, was in zip(answers, shed) if not was} <= {200}

    def answered():
        answer = p.ask()
        shed.append(refused(answer))
        return answer.status == 200

    # A worker that looked a moment ago does not look again at once, however many ask meanwhile.
    wait_until(answered, what="a request that is not refused")
    p.wait_log("the listen queue has room again", 15)
    count = re.search(r"has room again: (\d+) requests were refused", p.log())
    assert int(count.group(1)) == sum(shed)
    assert p.log().count("nearly full") == 1
    assert " error " not in p.log()


def test_worker_notices_a_full_queue_by_itself(pool):
    p = pool(workers=1, listen_backlog=20, queue_shed=50, requests_in_hand=1).start()
    os.kill(p.pid, signal.SIGSTOP)
    try:
        with p.held():
            held = p.start_held()
            crowd = [p.connect().send(p.request()) for _ in range(15)]
            # It looks 50 times a second at most, and may have looked a moment before they came.
            time.sleep(0.05)
        assert held.result().status == 200
        # One of the first, at whose turn it looks.
        assert any(refused(connection.answer()) for connection in crowd[:5])
        for connection in crowd:
            connection.close()
    finally:
        os.kill(p.pid, signal.SIGCONT)


def test_full_queue_is_no_reason_to_refuse_when_turned_off(pool):
    p = pool(workers=1, listen_backlog=20, queue_shed=0, requests_in_hand=1).start()
    with p.held():
        held = p.start_held()
        crowd = [p.connect().send(p.request()) for _ in range(20)]
    assert {connection.answer().status for connection in crowd} == {held.result().status} == {200}


@pytest.mark.parametrize("percent", [0, 50])
def test_nginx_gets_an_answer_from_a_service_with_too_much_to_do(pool, new_front, new_database, percent):
    """
    100 requests a second are all that these two workers can do, and 300 clients want more. Without shedding the queue
    overflows and nginx answers for itself; with it every answer is Clientele's.
    """
    database = new_database()
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
                       " 'BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END'")
        cursor.execute("CREATE TRIGGER slow BEFORE INSERT ON customer FOR EACH ROW EXECUTE FUNCTION slow()")
    p = pool(database, workers=2, listen_backlog=100, queue_shed=percent, requests_in_hand=1).start()
    p.key = database.organization("Slow Ltd").key("live")
    front = new_front("nginx", p.service)
    front.part_connections()
    end, seen, lock = time.monotonic() + 4, {}, threading.Lock()

    def client(delay):
        time.sleep(delay)
        with requests.Session() as session:
            while time.monotonic() < end:
                answer = session.post(front.url + CUSTOMERS, headers={"x-api-key": p.key}, json={"email": "a@example.com"})
                # Clientele's own ids are longer than nginx's, and its messages say that nothing was done.
                who = "clientele" if answer.status_code == 201 or "Nothing was done" in answer.text else "nginx"
                with lock:
                    seen[who, answer.status_code] = seen.get((who, answer.status_code), 0) + 1
                if answer.status_code == 503:
                    assert int(answer.headers["Retry-After"]) > 0
                    time.sleep(random.uniform(0.1, 0.9))

    threads = [threading.Thread(target=client, args=(n * 0.008,), daemon=True) for n in range(300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen[("clientele", 201)] > 50, seen
    if percent:
        assert set(seen) == {("clientele", 201), ("clientele", 503)}, seen
    else:
        assert ("nginx", 503) in seen and ("clientele", 503) not in seen, seen


def test_everything_is_counted(pool):
    p = pool(workers=1, listen_backlog=20, queue_shed=50, slow_request=0, requests_in_hand=1)  # how long they are held is chance
    admin = Admin(p).start()

    others = {"connections_useless", "connections_accepted", "database_batches", "database_batched"}

    def events():
        return {name: count for name, count in admin.state()["events"].items() if count and name not in others}

    assert p.ask(more=started(1)).status == 200
    assert events() == {}
    with p.held():
        connection = p.connect().send(p.request())
        wait_until(lambda: p.waiting() == 1, what="a request in the database")
        connection.close()
        wait_until(lambda: p.waiting() == 0, what="the end of its query")
        wait_until(lambda: events() == {"requests_cancelled": 1}, what="a cancelled request")
        held = p.start_held()
        p.connect().send(p.request()).close()
        late = p.connect().send(p.request(more=started(11)))
        kept = p.connect().send(p.request(flags=KEEP_CONN))
        wait_until(lambda: admin.figures()["queueLength"] == 3, what="three that wait")
        assert admin.figures()["queueLimit"] == 20 and admin.figures()["shedding"] == 0
    assert [one.status for one in (held.result(), late.answer(), kept.part())] == [200, 503, 200]
    before = {"requests_cancelled": 1, "requests_abandoned": 1, "requests_expired": 1}
    wait_until(lambda: events() == before, what="what was counted")
    metrics = admin.get("/metrics").text
    waited = [int(n) for n in re.findall(r"clientele_queue_duration_seconds_bucket{le=\S+} (\d+)", metrics)]
    assert waited[-1] == 2 and waited[0] == 0
    assert "clientele_requests_cancelled_total 1\n" in metrics
    with p.held():
        held = p.start_held()
        crowd = [p.connect().send(p.request()) for _ in range(12)]
        wait_until(lambda: admin.figures()["shedding"] == 1, what="a full queue")
    shed = sum(refused(connection.answer()) for connection in crowd)
    assert held.result().status == 200 and shed > 0
    wait_until(lambda: events() == {**before, "requests_shed": shed}, what="what was refused")
    wait_until(lambda: admin.figures()["queueLength"] == admin.figures()["shedding"] == 0, what="an empty queue")
    assert admin.figures()["queuePeak"] == 12


def test_supervisor_wakes_up_once_a_second_when_idle(one_worker):
    def switches():
        status = open(f"/proc/{one_worker.pid}/status").read()
        return int(re.search(r"\nvoluntary_ctxt_switches:\t(\d+)", status).group(1))

    before = switches()
    time.sleep(3)
    assert switches() - before <= 4


# ---------------------------------------------------------------- kept connections


@pytest.mark.parametrize("more", [
    pytest.param({}, id="alone"),
    pytest.param({"max_requests": 20}, id="workers that leave"),
])
def test_nginx_that_keeps_connections_loses_nothing(pool, new_front, more):
    p = pool(workers=3, **more)
    admin = Admin(p).start()
    front = new_front("nginx", p.service)
    seen, lock = {}, threading.Lock()

    def client(n):
        with requests.Session() as session:
            session.headers["x-api-key"] = p.key
            for i in range(500):
                # Reads, writes, and answers to bodies that nobody reads.
                kind = (n + i) % 3
                status = (session.get(front.url + NOWHERE) if kind == 0 else
                          session.post(front.url + CUSTOMERS, json={"email": "a@example.com"}) if kind == 1 else
                          session.post(front.url + NOWHERE, data=b"x" * 20000)).status_code
                with lock:
                    seen[kind, status] = seen.get((kind, status), 0) + 1

    threads = [threading.Thread(target=client, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {(0, 404), (1, 201), (2, 404)} and sum(seen.values()) == 3000, seen
    assert admin.state()["events"]["connections_reused"] > 500


def test_worker_that_leaves_answers_on_its_kept_connection(pool):
    p = pool(workers=1).start()
    kept = p.connect()
    assert kept.send(p.request(flags=KEEP_CONN)).part().status == 200
    worker = p.workers()[0]
    p.signal(signal.SIGHUP)
    wait_until(lambda: len(p.workers()) == 2, what="a successor")
    assert kept.send(p.request(flags=KEEP_CONN)).answer().status == 200  # and its end
    wait_until(lambda: worker not in p.workers(), what="the end of the old worker")


def test_worker_that_leaves_waits_for_the_end_of_its_kept_connection(pool):
    p = pool(workers=1).start()
    kept = p.connect()
    assert kept.send(p.request(flags=KEEP_CONN)).part().status == 200
    worker, seen = p.workers()[0], p.readies()
    p.signal(signal.SIGHUP)
    p.wait_ready(seen)
    time.sleep(1)
    assert worker in p.workers()  # closed from its side, the connection may be just what a request is sent into
    kept.close()
    wait_until(lambda: worker not in p.workers(), 2, "the end of the old worker")  # which waits five seconds at most
