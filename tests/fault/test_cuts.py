"""The connection to the database is cut in the middle of a write: nothing is lost or done twice, and what is told is true."""

import collections
import contextlib
import itertools
import json
import os
import random

import pytest

from client import CUSTOMERS, Wire
from cutter import AWAY, COMMIT, NEVER, POINTS, STATEMENTS
from stack import wait_until
from stand import SEED

_numbers = itertools.count(1)
# Every how many bytes a create is cut; 1 is all of them, and what a release is tried with.
STRIDE = int(os.environ.get("CLIENTELE_FAULT_STRIDE", "4"))
# The same of a second run, which is longer and takes two connections.
STRIDE_AGAIN = STRIDE * 2 if STRIDE > 1 else 1


class Bench:
    """One client before a stand of one worker, whose transactions are cut one by one."""

    def __init__(self, stand, cutter):
        self.stand, self.cutter, self.tenant = stand, cutter, stand.tenants[0]
        self.wire = Wire(stand.front.port)

    def send(self, method, path=CUSTOMERS, key=None, body=None):
        return self.wire.send(self.tenant, method, path, body and json.dumps(body), key)

    def cut(self, arm, method, path, body, key=None, warm=True):
        """Sends a write whose transaction is cut; MARKER in the body becomes an e-mail address of its own. (address, answer)"""
        email = f"cut-{next(_numbers)}@example.com"
        if warm:  # the API key is in the cache and the statements are prepared: the next message is the write itself
            assert self.send("GET").status == 200
        arm(email.encode())
        return email, self.send(method, path, key, json.loads(json.dumps(body).replace("MARKER", email)))

    def at(self, point, *arguments, **more):
        before = self.cutter.cuts
        result = self.cut(lambda marker: self.cutter.cut_at(point, marker), *arguments, **more)
        assert self.cutter.cuts == before + 1, "the proxy saw no such write"
        return result

    def count(self, email, kind="customer.created"):
        """(customers, their events of this type) with this e-mail address."""
        with contextlib.closing(self.stand.database.connect()) as db, db.cursor() as cursor:
            cursor.execute("SELECT count(DISTINCT c.id), count(e.id) FROM customer c LEFT JOIN event e"
                           " ON e.customer_id = c.id AND e.type = %s WHERE c.email = %s", (kind, email))
            return cursor.fetchone()

    def create(self):
        external = f"cut-{next(_numbers)}"
        assert self.send("POST", body={"email": "before@example.com", "id": external}).status == 201
        return external


@pytest.fixture
def bench(proxied):
    return Bench(*proxied(workers=1))


@pytest.fixture
def key():
    return f"cut-key-{next(_numbers)}"


@pytest.mark.parametrize("point", POINTS)
def test_a_create_with_a_key_is_done_once(bench, point, key):
    email, reply = bench.at(point, "POST", CUSTOMERS, {"email": "MARKER"}, key)
    assert reply.status == 201 and reply.header("Idempotent-Replayed") is None
    assert bench.count(email) == (1, 1)
    again = bench.send("POST", CUSTOMERS, key, {"email": email})
    assert (again.status, again.body, again.header("Idempotent-Replayed")) == (201, reply.body, "true")
    assert bench.count(email) == (1, 1)


@pytest.mark.parametrize("point", POINTS)
def test_a_create_with_an_external_id_is_done_once(bench, point):
    email, reply = bench.at(point, "POST", CUSTOMERS, {"email": "MARKER", "id": f"cut-{next(_numbers)}"})
    assert (reply.status, reply.header("Clientele-Result")) == (201, "created"), "the first answer, not one about an earlier create"
    assert bench.count(email) == (1, 1)


@pytest.mark.parametrize("point", POINTS)
def test_a_batch_of_external_ids_is_done_once(bench, point):
    items = [{"email": "MARKER", "id": f"cut-{next(_numbers)}"} for _ in range(2)] + [{"email": "a@example.com", "id": bench.create()}]
    email, reply = bench.at(point, "POST", CUSTOMERS + "/batch", {"customers": items})
    assert [one["status"] for one in reply.json["successful"]] == ["created", "created", "existing"]
    assert bench.count(email) == (2, 2)


@pytest.mark.parametrize("point", POINTS)
def test_a_batch_with_a_key_is_done_once(bench, point, key):
    items = [{"email": "MARKER", "id": f"cut-{next(_numbers)}"}, {"email": "MARKER"}, {"email": "no address"}]
    email, reply = bench.at(point, "POST", CUSTOMERS + "/batch", {"customers": items}, key)
    assert reply.status == 200
    assert [len(reply.json["successful"]), len(reply.json["failed"])] == [2, 1]
    assert {one["status"] for one in reply.json["successful"]} == {"created"}
    assert bench.count(email) == (2, 2)


@pytest.mark.parametrize("point", POINTS)
def test_an_update_with_a_key_is_done_once(bench, point, key):
    email, reply = bench.at(point, "PATCH", f"{CUSTOMERS}/{bench.create()}", {"email": "MARKER"}, key)
    assert reply.status == 200
    assert bench.count(email, "customer.updated") == (1, 1)


@pytest.mark.parametrize("point", POINTS)
def test_a_write_that_cannot_be_repeated_tells_that_its_outcome_is_unknown(bench, point):
    email, reply = bench.at(point, "POST", CUSTOMERS, {"email": "MARKER"})
    customers, events = bench.count(email)
    assert customers == events and customers == (0 if point == "before the statement" else 1)
    if point == "after the answer":
        assert reply.status == 201
    else:
        assert reply.status == 503 and b"unknown" in reply.body
        assert reply.header("Retry-After") == "1"
        assert "connection lost" in bench.stand.service.log()


@pytest.mark.parametrize("point", POINTS)
def test_a_read_is_repeated(bench, point):
    external = bench.create()
    assert bench.send("GET").status == 200
    bench.cutter.cut_at(point, external.encode())
    reply = bench.send("GET", f"{CUSTOMERS}/{external}")
    assert bench.cutter.cuts == 1
    assert reply.status == 200 and reply.json["externalId"] == external


@pytest.mark.parametrize("point", POINTS)
def test_twins_of_which_one_is_cut_have_one_answer(proxied, point, key):
    """The one that is not cut waits for the other, or is done first; either way it is the same customer."""
    bench = Bench(*proxied(workers=2))
    email = f"cut-{next(_numbers)}@example.com"
    bench.cutter.cut_at(point, email.encode())
    other = Bench(bench.stand, bench.cutter)
    body = json.dumps({"email": email})
    for one in (bench, other):
        one.wire.connection.request("POST", CUSTOMERS, body, {"x-api-key": bench.tenant.key, "Idempotency-Key": key})
    answers = [one.wire.connection.getresponse() for one in (bench, other)]
    first, second = [(answer.status, answer.read()) for answer in answers]
    assert first == second and first[0] == 201
    assert bench.cutter.cuts == 1 and bench.count(email) == (1, 1)


def test_a_create_is_done_once_wherever_it_is_cut(bench):
    """After each byte of what is sent to PostgreSQL, and of what it answers. The client notices nothing."""
    cutter = bench.cutter
    body = {"email": "MARKER", "id": "MARKER", "fullName": "Cut", "metadata": {"a": 1}}
    for _ in range(2):  # the first one prepares the statements
        bench.cut(lambda marker: cutter.cut_after("answer", NEVER, marker), "POST", CUSTOMERS, body, f"cut-key-{next(_numbers)}")
    lengths = {"request": cutter.sent, "answer": cutter.answered}
    assert lengths["request"] > 300 and lengths["answer"] > 100
    tried = 0
    for side, length in lengths.items():
        for count in sorted({*range(0, length + 1, STRIDE), length}):
            key = f"cut-key-{next(_numbers)}"
            email, reply = bench.cut(lambda marker: cutter.cut_after(side, count, marker), "POST", CUSTOMERS, body, key, warm=False)
            tried += 1
            assert cutter.cuts == tried, f"{side} {count}: not cut"
            assert (reply.status, reply.header("Idempotent-Replayed")) == (201, None), f"{side} {count}: {reply!r}"
            assert bench.count(email) == (1, 1), f"{side} {count}"
            sent = {name: email if value == "MARKER" else value for name, value in body.items()}
            again = bench.send("POST", CUSTOMERS, key, sent)
            assert (again.status, again.body) == (201, reply.body), f"{side} {count}: {again!r}"
    print(f"a create cut at {tried} of {sum(lengths.values()) + 2} places")


# ---------------------------------------------------------------- the second run is cut, too

# Kinds of writes that are run again: their request, the e-mail address apart, and how many customers have that in the end.
KINDS = {
    "create with a key": lambda bench: ("POST", CUSTOMERS, {"email": "MARKER"}, True, 1),
    "create with an external id": lambda bench: ("POST", CUSTOMERS, {"email": "MARKER", "id": next_id()}, False, 1),
    "batch with a key": lambda bench: (
        "POST", CUSTOMERS + "/batch", {"customers": [{"email": "MARKER"}, {"email": "MARKER", "id": next_id()}]}, True, 2),
    "batch of external ids": lambda bench: (
        "POST", CUSTOMERS + "/batch", {"customers": [{"email": "MARKER", "id": next_id()} for _ in range(2)]}, False, 2),
    "update with a key": lambda bench: ("PATCH", f"{CUSTOMERS}/{bench.create()}", {"email": "MARKER"}, True, 1),
}
FIRST = {
    "nothing arrived": (STATEMENTS, "request", 0.0),
    "without its Sync": (COMMIT, "request", 0.0),
    "with its Sync": (COMMIT, "answer", 0.0),
}
SECOND = {
    "nothing arrived": (STATEMENTS, "request", 0.0),
    "the statements arrived": (STATEMENTS, "answer", 0.0),
    "without its Sync": (COMMIT, "request", 0.0),
    "with its Sync": (COMMIT, "answer", 0.0),
    "in the last answer": (COMMIT, "answer", 0.5),
    "no connection": AWAY,
}
# What becomes of the third and last run.
THIRD = {"goes through": [], "is cut": [(STATEMENTS, "request", 0.0)]}


def next_id():
    return f"cut-{next(_numbers)}"


def told(reply):
    """What the client learns of its write."""
    if reply.status in (200, 201):
        return "done"
    assert reply.status == 503 and reply.header("Retry-After"), reply
    outcomes = {"not done": b"Nothing was done" in reply.body, "unknown": b"outcome is unknown" in reply.body}
    assert sorted(outcomes.values()) == [False, True], f"one sentence about the outcome: {reply!r}"
    return max(outcomes, key=outcomes.get)


def judge(bench, where, reply, email, whole, kind="customer.created"):
    """That sentence is true of what stands in the database. Returns it."""
    said, there = told(reply), bench.count(email, kind)
    allowed = {"done": [whole], "not done": [0], "unknown": [0, whole]}[said]
    assert there[0] == there[1] and there[0] in allowed, f"{where}: told {said}, but there are {there}: {reply!r}"
    return said


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_told_of_a_write_is_true_when_its_second_run_is_cut_too(bench, kind):
    """And the client, which does as it is told, ends with one write."""
    cutter, seen = bench.cutter, set()
    for (first, cut), (second, again), (third, last) in itertools.product(FIRST.items(), SECOND.items(), THIRD.items()):
        method, path, body, keyed, whole = KINDS[kind](bench)
        key, type_ = keyed and next_id(), "customer.updated" if method == "PATCH" else "customer.created"
        where = f"first run: {first}, second: {second}, third {third}"
        plan, cuts = [cut, again] + last * (again is not AWAY), cutter.cuts
        email, reply = bench.cut(lambda marker: cutter.cut_runs(marker, plan), method, path, body, key)
        assert (cutter.cuts - cuts, cutter.plan) == (len(plan) - (again is AWAY), []), f"{where}: not cut: {reply!r}"
        said = judge(bench, where, reply, email, whole, type_)
        assert said == "done" or last or again is AWAY, f"{where}: {reply!r}"
        if first == "with its Sync":  # the write is done, whatever comes behind it
            assert said != "not done", where
        seen.add(said)
        cutter.cut_runs(b"", [])
        wait_until(lambda: bench.send("GET").status == 200, what="a connection to the database")
        repeated = bench.send(method, path, key, json.loads(json.dumps(body).replace("MARKER", email)))
        assert judge(bench, f"{where}, repeated", repeated, email, whole, type_) == "done"
    assert {"done", "unknown"} <= seen


@pytest.mark.parametrize("first", ["without its Sync", "with its Sync"])
def test_what_is_told_of_a_create_is_true_wherever_its_second_run_is_cut(bench, first):
    """After each byte of what the second run sends, and of what is answered; the third is cut, or goes through."""
    cutter, cut, seen = bench.cutter, FIRST[first], collections.Counter()
    body = {"email": "MARKER", "id": "MARKER", "fullName": "Cut", "metadata": {"a": 1}}
    bench.cut(lambda marker: cutter.cut_runs(marker, [cut, (STATEMENTS, "answer", NEVER)]), "POST", CUSTOMERS, body, next_id())
    lengths = {"request": cutter.sent, "answer": cutter.answered}
    assert lengths["request"] > 1000 and lengths["answer"] > 100, "with all statements to prepare"
    for side, length in lengths.items():
        for count, last in itertools.product(sorted({*range(0, length + 1, STRIDE_AGAIN), length}), THIRD.values()):
            where, key, cuts = f"{side} {count}, third {'cut' if last else 'through'}", next_id(), cutter.cuts
            plan = [cut, (STATEMENTS, side, count)] + last
            email, reply = bench.cut(lambda marker: cutter.cut_runs(marker, plan), "POST", CUSTOMERS, body, key, warm=False)
            said = judge(bench, where, reply, email, 1)
            seen[said] += 1
            # A Sync was on its way each time. Only the whole answer ends the doubt, or the third run.
            assert said == ("unknown" if last and (side, count) != ("answer", length) else "done"), f"{where}: {reply!r}"
            assert cutter.cuts - cuts == 2 + (said == "unknown"), f"{where}: not cut"
            cutter.cut_runs(b"", [])
            sent = {name: email if value == "MARKER" else value for name, value in body.items()}
            again = bench.send("POST", CUSTOMERS, key, sent)
            assert judge(bench, f"{where}, repeated", again, email, 1) == "done"
            assert said != "done" or again.body == reply.body, where
    print(f"the second run of a create cut at {sum(seen.values())} of {2 * (sum(lengths.values()) + 2)} places: {dict(seen)}")


@pytest.mark.parametrize("prepared", ["on", "off"])
def test_nothing_is_lost_when_connections_are_cut_at_random(proxied, trial, prepared):
    one, cutter = proxied(prepared_statements=prepared)
    with trial(one, f"connections cut, prepared {prepared}") as t:
        cutter.storm(random.Random(SEED), 0.05)
        for _ in t.blows(0.05, 0.1):
            t.blows_done = cutter.cuts
        cutter.calm()
    assert " died" not in one.service.log()
