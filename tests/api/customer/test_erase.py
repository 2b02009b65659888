"""DELETE /customers/{id}. That no byte is left: tests/security/test_erasure.py."""

import itertools
import secrets
import threading

import pytest

from helpers import VERSIONS, at_least, execute, in_parallel, mail, nothing_written, same_again, scalar, uid

_run, _counter = secrets.token_hex(3), itertools.count(1)
OLD = [version for version in VERSIONS if not at_least(version, "2026-08-27")]


@pytest.fixture
def shop(new_org):
    return new_org().live


def erase(client, some_id, **more):
    return client.call("DELETE", f"/customers/{some_id}", **more)


def plan_of(client, **price):
    plan = client.post("/plans", {"name": "Pro", "code": f"e_{_run}_{next(_counter)}", "isFree": not price}).ok(201).data["id"]
    if price:
        client.post(f"/plans/{plan}/prices", price).ok(201)
    return plan


def test_the_external_id_is_free_at_once(shop):
    made = shop.create(externalId=uid())
    answer = erase(shop, made["externalId"]).ok()
    gone = answer.json
    assert answer.header("Clientele-Merged") is None and gone == {"id": made["id"], "deleted": True, "object": "customer", "livemode": True}
    shop.missing(made["id"])
    erase(shop, made["id"]).error("customer_not_found", 404)
    assert shop.get("/customers?archived=all").page() == ([], None)
    again = shop.create(externalId=made["externalId"])
    assert again["id"] != made["id"]
    assert shop.fetch(made["externalId"])["id"] == again["id"]


def test_a_subscription_that_never_began_outlives_its_customer(shop, db):
    """Its zone was the customer's."""
    plan, other = (plan_of(shop, billingInterval="monthly", price=price) for price in (100, 200))
    made = shop.create()
    subscription = shop.post("/subscriptions", {"customerId": made["id"], "planId": plan}).ok(201).data["id"]
    erase(shop, made["id"]).ok()
    with nothing_written(db):
        assert shop.get(f"/subscriptions/{subscription}").ok().data["status"] == "canceled"
        for verb, key in (("change-plan", "newPlanId"), ("preview-change", "planId")):
            shop.post(f"/subscriptions/{subscription}/{verb}", {key: other}).error("subscription_not_active", 409)
        shop.post(f"/subscriptions/{subscription}/cancel").error("subscription_already_canceled", 409)


def test_who_is_archived_is_erased_as_anybody(shop):
    made = shop.create()
    shop.post(f"/customers/{made['id']}/archive").ok()
    erase(shop, made["id"]).ok()
    assert shop.get("/customers?archived=true").page() == ([], None)


def test_a_repetition_is_answered_and_one_of_an_earlier_request_is_refused(shop, db):
    key, other = uid("k"), uid("k")
    created = shop.post("/customers", {"email": mail()}, idem=other).ok(201)
    answer = erase(shop, created.json["id"], idem=key).ok()
    same_again(erase(shop, created.json["id"], idem=key), answer)
    with nothing_written(db):
        error = shop.post("/customers", {"email": mail()}, idem=other).error("idempotency_answer_erased", 409)
        assert error["code"] == "idempotency_answer_erased" and error["param"] == "Idempotency-Key"
        shop.post("/customers/batch", {"customers": [{"email": mail()}]}, idem=other).error("idempotency_answer_erased")


@pytest.mark.parametrize("version", OLD)
def test_earlier_versions_have_no_such_call(shop, version):
    made = shop.create()
    reply = erase(shop.at(version), made["id"])
    reply.error("method_not_allowed", 405)
    assert reply.header("Allow") == "GET, HEAD, PUT, PATCH"
    assert shop.fetch(made["id"])["id"] == made["id"]


def test_of_another_environment_there_is_nobody(shop, other_live, sandbox):
    made = shop.create(externalId=uid())
    for stranger in (other_live, sandbox):
        for some_id in (made["id"], made["externalId"]):
            erase(stranger, some_id).error("customer_not_found", 404)
    assert shop.fetch(made["id"])["externalId"] == made["externalId"]


@pytest.mark.parametrize("price, paid", [({}, False), ({"billingInterval": "monthly", "price": 100}, False), ({"billingInterval": "monthly", "price": 100}, True)])
def test_a_subscription_is_canceled_at_once_and_asks_for_nothing_more(shop, price, paid):
    made = shop.create()
    subscription = shop.post("/subscriptions", {"customerId": made["id"], "planId": plan_of(shop, **price)}).ok(201).json
    invoices = shop.get("/invoices").ok().data
    if paid:
        shop.put(f"/invoices/{invoices[0]['id']}/status", {"status": "paid"}).ok()
    erase(shop, made["id"]).ok()
    ended = shop.get("/subscriptions/" + subscription["id"]).ok().json
    assert (ended["status"], ended["checkoutUrl"], ended["customerId"]) == ("canceled", None, made["id"])
    assert [row["status"] for row in shop.get("/invoices").ok().data] == (["paid" if paid else "void"] if price else [])
    shop.get("/subscriptions?customerId=" + made["id"]).error("customer_not_found", 404)
    shop.post(f"/subscriptions/{subscription['id']}/cancel", {}).error("subscription_already_canceled", 409)
    shop.post("/subscriptions", {"customerId": made["id"], "planId": subscription["plan"]["id"]}).error("customer_not_found", 404)


def test_what_was_owed_before_can_still_be_paid(shop, db):
    """An invoice that outlived its subscription is a claim; that its customer is erased does not make it void."""
    made = shop.create()
    subscription = shop.post("/subscriptions", {"customerId": made["id"], "planId": plan_of(shop, billingInterval="monthly", price=100)}).ok(201).json
    (invoice,) = shop.get("/invoices").ok().data
    execute(db, "UPDATE subscription SET status = 'canceled', due_at = NULL, due_what = NULL WHERE environment_id = "
            "(SELECT environment_id FROM customer WHERE email = %s)", made["email"])
    erase(shop, made["id"]).ok()
    assert shop.get("/subscriptions/" + subscription["id"]).json["status"] == "canceled"
    assert shop.put(f"/invoices/{invoice['id']}/status", {"status": "paid"}).ok().json["status"] == "paid"


def test_of_many_at_once_one_erases_and_others_find_nobody(shop, db):
    made, before = shop.create(externalId=uid()), scalar(db, "SELECT count(*) FROM event WHERE type = 'customer.erased'")
    answers = in_parallel([lambda: erase(shop, made["id"], idem=uid("k"))] * 8)
    assert sorted(answer.status for answer in answers) == [200] + [404] * 7
    assert scalar(db, "SELECT count(*) FROM event WHERE type = 'customer.erased'") == before + 1


def test_no_answer_of_who_met_the_customer_meanwhile_outlives_it(shop, db):
    """Creates that find the external id taken, and changes, while it is erased again and again."""
    external, stop, keys = uid("met"), threading.Event(), []
    email = mail()

    def meet():
        while not stop.is_set():
            keys.append(uid("k"))
            shop.post("/customers", {"email": email, "externalId": external}, idem=keys[-1])
            keys.append(uid("k"))
            shop.patch("/customers/" + external, {}, idem=keys[-1])

    threads = [threading.Thread(target=meet) for _ in range(4)]
    for thread in threads:
        thread.start()
    erased = 0
    while erased < 40:
        erased += erase(shop, external).status == 200
    stop.set()
    for thread in threads:
        thread.join()
    erase(shop, external)
    assert scalar(db, "SELECT count(*) FROM customer WHERE external_id = %s", external) == 0
    with db.cursor() as cursor:
        cursor.execute("SELECT key FROM idempotency_key WHERE key = ANY (%s) AND position(%s IN answer) > 0", (keys, email.encode()))
        assert cursor.fetchall() == []
    assert scalar(db, "SELECT count(*) FROM idempotency_key WHERE key = ANY (%s) AND status = 0", keys) > 40
