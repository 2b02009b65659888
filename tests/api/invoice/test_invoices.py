"""Invoices: reading them, and confirming that they were paid."""

import itertools
import secrets

import pytest

from helpers import VERSIONS, at_least, in_parallel, mail, nothing_written, scalar, uid

_run, _counter = secrets.token_hex(3), itertools.count(1)
KEYS = {
    "id", "object", "livemode", "customerId", "subscriptionId", "invoiceNumber", "status", "invoiceType", "currency", "subtotal", "discountAmount",
    "creditApplied", "taxAmount", "total", "periodStart", "periodEnd", "issueDate", "dueDate", "planName", "memo", "poNumber", "reference", "metadata", "hostedInvoiceUrl",
    "lineItems", "createdAt", "updatedAt",
}
SINCE = [version for version in VERSIONS if at_least(version, "2026-05-25")]


def make_plan(client, price=2900):
    plan = client.post("/plans", {"name": "Pro", "code": f"i_{_run}_{next(_counter)}"}).ok(201).data["id"]
    client.post(f"/plans/{plan}/prices", {"billingInterval": "monthly", "price": price}).ok(201)
    return plan


def make(client, plan):
    """(subscription, its invoice)"""
    customer = client.post("/customers", {"email": mail(), "id": uid("ext")}).ok(201).data
    made = client.post("/subscriptions", {"customerId": customer["id"], "planId": plan}).ok(201).data
    (invoice,) = client.get(f"/invoices?subscriptionId={made['id']}").data
    return made, invoice


def settle(client, invoice, status, method="PUT", **more):
    return client.call(method, f"/invoices/{invoice['id']}/status", {"status": status}, **more)


@pytest.fixture
def client(new_org):
    return new_org().live


@pytest.fixture
def plan(client):
    return make_plan(client)


@pytest.mark.parametrize("version", SINCE)
def test_each_version_shows_the_same_members(client, plan, version):
    _, invoice = make(client, plan)
    assert set(invoice) == KEYS
    assert client.at(version).get(f"/invoices/{invoice['id']}").ok().data == invoice
    assert client.at(version).get("/invoices").data == [invoice]
    status = settle(client.at(version), invoice, "paid", "PATCH" if at_least(version, "2026-07-24") else "PUT").ok().data
    assert set(status) == (KEYS if at_least(version, "2026-07-24") else {"id", "object", "livemode", "status", "updatedAt"})
    assert status["status"] == "paid" and status["updatedAt"] > invoice["updatedAt"]


@pytest.mark.parametrize("version", [version for version in VERSIONS if version not in SINCE])
def test_before_2026_05_25_there_are_none(live, version):
    for path in ("/invoices", "/invoices/x"):
        live.at(version).get(path).error("endpoint_not_available", 404)


def test_numbers_have_no_gaps_whatever_happens(client, plan, db):
    first, _ = make(client, plan)
    # Refused ones take none, and parallel ones no two the same.
    client.post("/subscriptions", {"customerId": first["customerId"], "planId": "pln_" + "0" * 22}).error("plan_not_found", 404)
    in_parallel([lambda: make(client, plan)] * 12)
    numbers = [row["invoiceNumber"] for row in client.get("/invoices?limit=100").data]
    assert sorted(numbers) == [f"INV-{n:06d}" for n in range(1, 14)]
    assert scalar(db, "SELECT count(*) FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id WHERE i.subscription_id"
                      " IN (SELECT id FROM subscription WHERE plan_id = (SELECT id FROM plan WHERE app_ref('pln_', id) = %s))", plan) == 13


def test_lists_are_filtered(client, plan):
    (one, paid), (two, open_) = make(client, plan), make(client, plan)
    settle(client, paid, "paid").ok()

    def found(query):
        return [row["id"] for row in client.get(f"/invoices?{query}").ok().data]

    assert found("") == [open_["id"], paid["id"]]
    assert found("status=paid") == found(f"customerId={one['customerId']}") == found(f"subscriptionId={one['id']}") == [paid["id"]]
    assert found(f"subscriptionId={two['id']}&status=outstanding&customerId={two['customerId']}") == [open_["id"]]
    assert found(f"subscriptionId={two['id']}&customerId={one['customerId']}") == found("subscriptionId=x") == []
    assert found(f"customerId={two['customerId']}&status=void") == []
    first = client.get("/invoices?limit=1").json
    assert [row["id"] for row in client.get("/invoices?limit=1&cursor=" + first["nextCursor"]).data] == [paid["id"]]
    client.get("/invoices?status=open").invalid("status")
    client.get("/invoices?customerId=nobody").error("customer_not_found", 404)


def test_of_another_environment_there_is_none(client, plan, other_live):
    _, invoice = make(client, plan)
    for some_id in (invoice["id"], "inv_" + "0" * 22, "x"):
        other_live.get(f"/invoices/{some_id}").error("invoice_not_found", 404)
        assert settle(other_live, {"id": some_id}, "paid").error("invoice_not_found", 404)["param"] == "id"
    assert client.get(f"/invoices/{invoice['id']}").data == invoice


@pytest.mark.parametrize("before", ["paid", "void"])
@pytest.mark.parametrize("after", ["paid", "void"])
def test_only_an_outstanding_one_is_settled(client, plan, db, before, after):
    _, invoice = make(client, plan)
    settle(client, invoice, before).ok()
    with nothing_written(db):
        assert settle(client, invoice, after, idem=uid("k")).error("conflict", 409)["param"] == "status"


def test_bad_statuses_are_named(client, plan, db):
    _, invoice = make(client, plan)
    with nothing_written(db):
        for body in ({}, {"status": "open"}, {"status": "uncollectible"}, {"status": 1}, {"status": None}):
            client.call("PUT", f"/invoices/{invoice['id']}/status", body).invalid("status")


def test_a_first_one_that_is_void_cancels(client, plan):
    made, invoice = make(client, plan)
    settle(client, invoice, "void").ok()
    assert client.get(f"/subscriptions/{made['id']}").data["status"] == "canceled"


def test_of_many_payments_at_once_one_counts(client, plan, db):
    made, invoice = make(client, plan)
    replies = in_parallel([lambda: settle(client, invoice, "paid", idem=uid("k"))] * 20)
    assert sorted(reply.status for reply in replies) == [200] + [409] * 19
    assert scalar(db, "SELECT count(*) FROM event WHERE type = 'payment.received' AND app_ref('inv_', invoice_id) = %s", invoice["id"]) == 1
    assert client.get(f"/subscriptions/{made['id']}").data["status"] == "active"


def test_a_payment_and_a_replacement_at_once_leave_one_of_two_whole_states(client, plan):
    """Either it was paid and the replacement refused, or it was replaced and the payment refused."""
    other = make_plan(client, 900)
    for _ in range(10):
        made, invoice = make(client, plan)
        pay, replace = in_parallel([lambda: settle(client, invoice, "paid", idem=uid("k")),
                                    lambda: client.post("/subscriptions", {"customerId": made["customerId"], "planId": other}, idem=uid("k"))])
        assert (pay.status, replace.status) in ((200, 409), (409, 201)), (pay, replace)
        now = client.get(f"/subscriptions/{made['id']}").data["status"]
        assert now == ("active" if pay.status == 200 else "canceled")


def test_a_repeated_payment_is_answered_from_memory(client, plan, db):
    _, invoice = make(client, plan)
    key = uid("k")
    first = settle(client, invoice, "paid", idem=key).ok()
    with nothing_written(db):
        again = settle(client, invoice, "paid", idem=key).ok()
    assert again.body == first.body and again.header("Idempotent-Replayed") == "true"
