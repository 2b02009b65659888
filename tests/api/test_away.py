"""Contract section 4 and the promise behind it: the database or the service is away, and comes back."""

import threading
import time

import pytest
import requests

from helpers import Client, check_error, escape, mail, scalar, uid
from stack import Cluster, Front, Service, wait_until


class Away:
    """A cluster, a service and both web servers that may be stopped and started."""
    def __init__(self, place):
        self.cluster = Cluster(place)
        self.database = self.cluster.database("away")
        key = self.database.organization("Away Ltd").key("live")
        self.service = Service(self.database, workers=3).start()
        self.fronts = {kind: Front(place, kind, self.service.socket) for kind in Front.KINDS + Front.MORE}
        self.clients = {kind: Client(front.url, key) for kind, front in self.fronts.items()}
        self.live = self.clients["nginx"]

    def end(self):
        for front in self.fronts.values():
            front.stop()
        self.service.stop()
        self.cluster.stop("immediate")

    def works(self):
        """Whether all workers answer again."""
        return all(self.live.get("/customers?limit=1", checked=False).status == 200 for _ in range(12))

    def count(self, own):
        connection = self.database.connect()
        try:
            return scalar(connection, "SELECT count(*) FROM customer WHERE external_id = %s", own)
        finally:
            connection.close()


@pytest.fixture(scope="module")
def away(place):
    away = Away(place)
    yield away
    away.end()


@pytest.fixture
def stopped(away):
    """The database is away while the test runs."""
    assert away.works()
    away.cluster.stop("fast")
    yield away
    try:
        away.cluster.start()
    except AssertionError:
        pass  # the test did it
    wait_until(away.works, 30, "service after the database's return")


CALLS = [("GET", "/customers", None, None), ("GET", "/customers/nobody", None, None),
         ("POST", "/customers", {"email": "a@b.co"}, None),
         ("POST", "/customers", {"email": "a@b.co", "id": "away"}, "key"),
         ("PUT", "/customers/nobody", {"fullName": "x"}, None),
         ("PATCH", "/customers/nobody", {"fullName": "x"}, "key2"),
         ("POST", "/customers/batch", {"customers": [{"email": "a@b.co"}]}, "key3"), ]


@pytest.mark.parametrize("base", ["/api/v1", "/api"])
def test_without_its_database_the_service_says_so_and_when_to_come_back(stopped, base):
    for kind in Front.KINDS + Front.MORE:
        client = stopped.clients[kind].on(base)
        for method, path, body, key in CALLS:
            started = time.monotonic()
            reply = client.call(method, path, body, idem=key)
            assert reply.status == 503
            code = reply.json["code"]
            assert code == "service_unavailable" or (key and code == "idempotency_unavailable")
            assert 1 <= int(reply.header("Retry-After")) <= 60
            assert reply.header("X-Request-Id")
            assert time.monotonic() - started < 8
    assert not stopped.service.ended()


def test_without_its_database_nobody_is_told_that_his_key_is_wrong(stopped):
    reply = stopped.live.with_key("ck_live_" + "A" * 40).get("/customers")
    reply.error("service_unavailable", 503)


def test_what_needs_no_database_is_answered_without_it(stopped):
    assert stopped.live.get("/nothing").status in (404, 503)
    assert stopped.live.call("DELETE", "/customers").status in (405, 503)


def test_the_service_resumes_by_itself_and_a_retry_with_the_same_key_works_once(stopped):
    supervisor, own, body = stopped.service.pid, uid(), {"email": mail()}
    body["externalId"] = own
    for _ in range(4):
        assert stopped.live.post("/customers", body, idem=own).status == 503
    stopped.cluster.start()
    wait_until(stopped.works, 30, "service after the database's return")
    first = stopped.live.post("/customers", body, idem=own)
    first.customer(201)
    second = stopped.live.post("/customers", body, idem=own)
    assert second.body == first.body and second.header("Idempotent-Replayed") == "true"
    assert stopped.count(own) == 1
    assert stopped.service.pid == supervisor and not stopped.service.ended()


def test_restarting_the_database_again_and_again_leaves_a_working_service(away):
    for mode in ("fast", "immediate", "fast"):
        away.cluster.stop(mode)
        away.cluster.start()
        wait_until(away.works, 30, "service after a restart")
    away.live.create()


def persistent(client, acknowledged, stop, odd):
    """A client that creates customers, and repeats each with its key until it is acknowledged."""
    while not stop:
        own = uid("p")
        body = {"email": mail(), "externalId": own}
        for _ in range(200):
            try:
                reply = client.post("/customers", body, idem=own, checked=False)
            except OSError:
                time.sleep(0.05)
                continue
            if reply.status in (200, 201):
                acknowledged.append((own, reply.json["id"]))
                break
            try:
                check_error(reply)
                assert reply.status == 503, repr(reply)
            except AssertionError as problem:
                odd.append(problem)
                return
            time.sleep(0.05)
        else:
            odd.append(AssertionError(f"{own} was never stored"))


@pytest.mark.parametrize("blow", ["immediate", "terminate"])
def test_no_acknowledged_customer_is_lost_and_none_stored_twice(away, blow):
    acknowledged, stop, odd = [], [], []
    threads = [threading.Thread(target=persistent, args=(away.live, acknowledged, stop, odd)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        time.sleep(0.4)
        if blow == "immediate":
            away.cluster.stop("immediate")
            away.cluster.start()
        else:
            connection = away.database.connect()
            scalar(connection,
                   "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'clientele_serve'")
            connection.close()
    wait_until(lambda: len(acknowledged) > 60 or odd, 30, "progress after the blows")
    stop.append(1)
    for thread in threads:
        thread.join(30)
    assert odd == []
    connection = away.database.connect()
    with connection.cursor() as cursor:
        cursor.execute("SELECT external_id, count(*) FROM customer WHERE external_id = ANY(%s) GROUP BY 1",
                       ([own for own, _ in acknowledged], ))
        stored = dict(cursor.fetchall())
    connection.close()
    assert stored == {own: 1 for own, _ in acknowledged}
    for own, some_id in acknowledged[::7]:
        assert away.live.fetch(own)["id"] == some_id


def test_when_the_service_itself_is_away_the_web_servers_answer_in_its_form(away, place):
    nowhere = place.new("nowhere") / "socket"
    for kind in Front.KINDS + Front.MORE:
        front = Front(place, kind, nowhere)
        try:
            client = Client(front.url, away.live.key)
            for base in ("/api/v1", "/api"):
                for method, path, body, _ in CALLS:
                    reply = client.on(base).call(method, path, body)
                    assert reply.status in (502, 503)
                    assert reply.json["code"] == "service_unavailable"
        finally:
            front.stop()


def test_when_the_service_comes_back_the_web_servers_find_it(away):
    away.service.stop()
    for kind in Front.KINDS + Front.MORE:
        assert away.clients[kind].get("/customers?limit=1").status in (502, 503)
    away.service.start()
    for kind in Front.KINDS + Front.MORE:
        wait_until(lambda: away.clients[kind].get("/customers?limit=1", checked=False).status == 200, 15,
                   f"{kind} finding the service")
        assert away.clients[kind].get("/customers/" + escape("nobody")).status == 404


def test_the_pages_for_people_say_it_in_their_own_way(stopped):
    token = "0" * 66
    for front in stopped.fronts.values():
        for method, target in (("GET", "/invoices/"), ("GET", "/checkout/"), ("POST", "/checkout/")):
            got = requests.request(method, front.url + target + token, data="deed=pay" if method == "POST" else None, timeout=30)
            assert got.status_code == 503 and got.headers["Content-Type"] == "text/html; charset=utf-8", got.headers
            assert got.text.startswith("<!DOCTYPE html>") and "Nothing was done; try again." in got.text
            assert 1 <= int(got.headers["Retry-After"]) <= 60 and "Content-Security-Policy" in got.headers
