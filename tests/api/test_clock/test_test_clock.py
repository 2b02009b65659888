"""The test clock of a sandbox: what it takes, how it goes forward, and what it leaves alone."""

import contextlib
import threading
from datetime import datetime, timedelta

import pytest

from helpers import VERSIONS, at_least, execute, mail, scalar, uid
from stack import wait_until

CLOCK, NAME = "/test-clock", "Augusta Ada King of Lovelace"


@pytest.fixture
def caller(new_org):
    return new_org()


def time_of(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")


def subscribe(client, **more):
    customer = client.post("/customers", {"id": uid("c"), "email": mail(), "timezone": "UTC", "fullName": NAME}).ok(201).data
    plan = client.post("/plans", {"name": "Plan", "code": uid("p").replace("-", "_")}).ok(201).data
    client.post(f"/plans/{plan['id']}/prices", {"billingInterval": "monthly", "price": 1000, **more}).ok(201)
    return client.post("/subscriptions", {"customerId": customer["id"], "planId": plan["id"]}).ok(201).data


def active(caller):
    """A subscription of the sandbox whose first invoice is paid."""
    client = caller.sandbox
    made = subscribe(client)
    (invoice,) = client.get(f"/invoices?subscriptionId={made['id']}").rows()[0]
    client.call("PATCH", f"/invoices/{invoice['id']}/status", {"status": "paid"}).ok()
    return client.get(f"/subscriptions/{made['id']}").ok().data


def advance(client, **body):
    """Sets it forward and waits for the end of the run; the clock then."""
    asked = client.post(CLOCK, body).ok(202).data
    assert asked["status"] == "pending" and asked["latestRun"]["id"] == asked["id"]

    def end():
        clock = client.get(CLOCK).ok().data
        return clock["latestRun"]["status"] in ("completed", "failed") and clock

    return wait_until(end, 20, "the end of the run")


def test_a_clock_that_was_never_set_is_that_of_the_service(caller):
    clock = caller.sandbox.get(CLOCK).ok().data
    assert (clock["simulatedTime"], clock["isActive"], clock["latestRun"]) == (None, False, None)
    assert abs(time_of(clock["now"]) - datetime.utcnow()) < timedelta(seconds=60)


def test_it_goes_forward_and_carries_out_what_is_due_on_its_way(caller):
    subscription = active(caller)
    clock = advance(caller.sandbox, advanceDays=70)
    run = clock["latestRun"]
    assert clock["isActive"] and clock["now"] == clock["simulatedTime"] == run["targetTime"]
    assert time_of(run["targetTime"]) - time_of(run["startedAtTime"]) == timedelta(days=70)
    assert (run["status"], run["failedDeadlineCount"], run["error"]) == ("completed", 0, None)
    items = run["items"]
    assert run["estimatedDeadlineCount"] == 1 and run["completedDeadlineCount"] == len(items)
    # Notice, renewal, the unpaid invoice of the second period 14 days later, and 7 days of grace.
    assert [item["outcome"] for item in items] == ["notice", "renew", "past_due", "grace_over"]
    assert [item["kind"] for item in items] == ["billing_cycle", "billing_cycle", "dunning_retry", "dunning_retry"]
    due = [time_of(item["dueAt"]) for item in items]
    assert due == sorted(due) and due[1] == time_of(subscription["currentPeriod"]["end"])
    assert [due[n + 1] - due[n] for n in range(3)] == [timedelta(days=3), timedelta(days=14), timedelta(days=7)]
    assert {(item["subscriptionId"], item["customerName"], item["status"]) for item in items} == {(subscription["id"], NAME, "completed")}
    invoices = caller.sandbox.get(f"/invoices?subscriptionId={subscription['id']}").rows()[0]
    renewed = next(item for item in items if item["outcome"] == "renew")
    assert renewed["invoiceId"] in {invoice["id"] for invoice in invoices} and renewed["invoiceNumber"] == "2"
    assert caller.sandbox.get(f"/subscriptions/{subscription['id']}").ok().data["status"] == "canceled"
    # What is made now is made then.
    later = subscribe(caller.sandbox)
    assert later["createdAt"] == clock["now"]


def test_a_time_may_be_given_instead_of_days_and_must_lie_ahead(caller):
    client = caller.sandbox
    now = time_of(client.get(CLOCK).ok().data["now"])
    target = (now + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert advance(client, frozenTime=target)["now"] == target
    for past in (target, "2020-01-01"):
        client.post(CLOCK, {"frozenTime": past}).invalid("frozenTime")
    assert client.get(CLOCK).ok().data["now"] == target


@pytest.mark.parametrize("body, param", [
    ({}, "advanceDays"), ({"advanceDays": 0}, "advanceDays"), ({"advanceDays": -1}, "advanceDays"), ({"advanceDays": 1.5}, "advanceDays"),
    ({"advanceDays": 3654}, "advanceDays"), ({"advanceDays": "1"}, "advanceDays"), ({"frozenTime": "tomorrow"}, "frozenTime"),
    ({"frozenTime": ""}, "frozenTime"), ({"frozenTime": 1}, "frozenTime"), ({"frozenTime": "9999-01-01"}, "frozenTime"),
    ({"advanceDays": 1, "frozenTime": "2099-01-01"}, "frozenTime"),
])
def test_what_it_does_not_take_changes_nothing(caller, body, param):
    caller.sandbox.post(CLOCK, body).invalid(param)
    assert caller.sandbox.get(CLOCK).ok().data["isActive"] is False


def test_while_it_goes_forward_it_cannot_be_set_again(caller, database):
    """The clerk waits for a row of the run's that somebody has locked."""
    subscription, client = active(caller), caller.sandbox
    advance(client, advanceDays=1)
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        db.autocommit = False
        cursor.execute("SELECT FROM subscription WHERE created_at = %s FOR UPDATE", (subscription["createdAt"],))
        assert cursor.rowcount == 1
        run = client.post(CLOCK, {"advanceDays": 40}).ok(202).data
        assert client.post(CLOCK, {"advanceDays": 1}).error("conflict", 409)["param"] == "advanceDays"
        assert client.get(CLOCK).ok().data["latestRun"]["id"] == run["id"]
        db.rollback()
    wait_until(lambda: client.get(CLOCK).ok().data["latestRun"]["status"] == "completed", 20, "the end of the run")
    assert advance(client, advanceDays=1)["latestRun"]["status"] == "completed"


def test_of_two_that_set_it_at_once_one_does(caller, database):
    """The second waits for what the first has written and not committed."""
    client, subscription = caller.sandbox, active(caller)
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        db.autocommit = False
        cursor.execute("INSERT INTO test_clock_run (environment_id, id, started_at, target_at, estimated, status) "
                       "SELECT environment_id, gen_random_uuid(), now(), now() + interval '1 day', 0, 'pending' FROM subscription "
                       "WHERE created_at = %s", (subscription["createdAt"],))
        assert cursor.rowcount == 1
        answers = []
        thread = threading.Thread(target=lambda: answers.append(client.post(CLOCK, {"advanceDays": 1})))
        thread.start()
        with contextlib.closing(database.connect()) as other:
            wait_until(lambda: scalar(other, "SELECT count(*) FROM pg_locks l WHERE NOT l.granted AND l.locktype = 'transactionid'") >= 1,
                       what="the second")
        db.commit()
        thread.join()
    assert answers[0].error("conflict", 409)["param"] == "advanceDays"


def test_a_repetition_of_the_request_is_one_run(caller):
    client, key = caller.sandbox, uid("k")
    first = client.post(CLOCK, {"advanceDays": 1}, idem=key).ok(202)
    again = client.post(CLOCK, {"advanceDays": 1}, idem=key).ok(202)
    assert again.data == first.data


@pytest.mark.parametrize("method, path", [("GET", CLOCK), ("POST", CLOCK), ("POST", CLOCK + "/reset"), ("POST", CLOCK + "/process-billing")])
def test_a_live_key_gets_nothing_of_it(caller, method, path):
    made = subscribe(caller.live)
    caller.live.call(method, path, {"advanceDays": 1} if path == CLOCK and method == "POST" else None).error("sandbox_only", 403)
    caller.live.get(f"/subscriptions/{made['id']}").ok()


def test_reset_begins_the_sandbox_anew_and_leaves_live_and_others_alone(caller, new_org):
    mine, live, other = active(caller), subscribe(caller.live), new_org()
    foreign = active(other)
    advance(caller.sandbox, advanceDays=40)
    clock = caller.sandbox.post(CLOCK + "/reset").ok().data
    assert (clock["simulatedTime"], clock["isActive"], clock["latestRun"]) == (None, False, None)
    caller.sandbox.get(f"/subscriptions/{mine['id']}").error("subscription_not_found", 404)
    assert caller.sandbox.get("/invoices").rows()[0] == [] == caller.sandbox.get("/subscriptions").rows()[0]
    assert len(caller.sandbox.get("/plans?includePrivate=true").rows()[0]) == 1
    caller.live.get(f"/subscriptions/{live['id']}").ok()
    other.sandbox.get(f"/subscriptions/{foreign['id']}").ok()
    again = active(caller)  # numbers of invoices begin anew
    assert [row["invoiceNumber"] for row in caller.sandbox.get(f"/invoices?subscriptionId={again['id']}").rows()[0]][0]


def test_a_merge_that_is_undone_after_a_reset_gives_no_credit_back(caller, database):
    into, gone = (caller.sandbox.create(externalId=uid()) for _ in range(2))
    with contextlib.closing(database.connect()) as db:
        def credit(who, balance):
            execute(db, "INSERT INTO customer_credit (environment_id, customer_id, balance) SELECT environment_id, id, %s FROM customer"
                    " WHERE external_id = %s", balance, who["externalId"])
        credit(gone, 300)
        caller.sandbox.post(f"/customers/{into['id']}/merge", {"from": gone["id"]}).ok()
        caller.sandbox.post(CLOCK + "/reset").ok()
        credit(into, 50)
        caller.sandbox.post(f"/customers/{gone['id']}/unmerge").ok()
        assert scalar(db, "SELECT sum(balance) FROM customer_credit k JOIN customer c ON c.id = k.customer_id WHERE c.external_id = %s",
                      into["externalId"]) == 50


def test_a_reset_waits_for_a_renewal_and_takes_its_invoice_too(caller, database):
    """Or that invoice would stay behind, and have the number that a later one is to get."""
    client, subscription, answers = caller.sandbox, active(caller), []
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        db.autocommit = False
        cursor.execute("SELECT environment_id FROM subscription WHERE created_at = %s FOR UPDATE", (subscription["createdAt"],))
        (environment,), = cursor.fetchall()
        cursor.execute("INSERT INTO invoice SELECT (json_populate_record(i, json_build_object('id', gen_random_uuid(), 'number', 2,"
                       " 'token', gen_random_uuid(), 'period_index', 2))).* FROM invoice i WHERE environment_id = %s", (environment,))
        cursor.execute("UPDATE invoice_counter SET last = 2 WHERE environment_id = %s", (environment,))
        assert cursor.rowcount == 1
        thread = threading.Thread(target=lambda: answers.append(client.post(CLOCK + "/reset")))
        thread.start()
        with contextlib.closing(database.connect()) as other:
            wait_until(lambda: scalar(other, "SELECT count(*) FROM pg_locks l WHERE NOT l.granted AND l.locktype = 'transactionid'") >= 1,
                       what="the reset")
        db.commit()
        thread.join()
    answers[0].ok()
    assert client.get("/invoices").rows()[0] == []
    for number in ("INV-000001", "INV-000002"):
        made = subscribe(client)
        assert [row["invoiceNumber"] for row in client.get(f"/invoices?subscriptionId={made['id']}").rows()[0]] == [number]


@pytest.mark.parametrize("version", VERSIONS)
def test_processing_was_counted_and_is_gone(caller, version):
    answer = caller.sandbox.at(version).post(CLOCK + "/process-billing")
    if not at_least(version, "2026-06-07"):
        answer.error("endpoint_not_available", 404)
    elif at_least(version, "2026-07-24"):
        answer.error("endpoint_deprecated", 410)
    else:
        assert answer.ok().data == {"customersFound": 0, "enqueued": 0, "failed": 0, "dunningRetried": 0, "dunningFailed": 0,
                                    "object": "test_clock_run", "livemode": False}


def test_what_it_answers_is_called_otherwise_in_earlier_versions(caller):
    assert caller.sandbox.at("2026-07-11").post(CLOCK, {"advanceDays": 1}).ok(202).data["object"] == "test_clock"
    assert caller.sandbox.at("2026-07-11").get(CLOCK).ok().data["object"] == "test_clock"
    other = caller.sandbox.at("2026-06-07").get(CLOCK).ok().data
    assert set(other) == set(caller.sandbox.get(CLOCK).ok().data)
