"""GET /customers/{id}/export: all that is held of one customer, and nothing else."""

import itertools
import secrets

import pytest

from stack import ROOT
from helpers import VERSIONS, at_least, dumps, execute, mail, scalar, uid

_run, _counter = secrets.token_hex(3), itertools.count(1)
OLD = [version for version in VERSIONS if not at_least(version, "2026-08-27")]
ADDRESS = {"line1": "1 Road", "line2": "Back", "city": "Bern", "state": "BE", "postalCode": "3000", "country": "CH", "region": "Mitte"}
PERSON = {"fullName": "Ada \u00e9\U0001f600 \"L\"", "taxDocument": "T-1", "address": ADDRESS, "addressId": "5f3c1c2e-8a55-4b57-9d5c-0d6b6c2f7a11",
          "timezone": "Europe/Madrid", "metadata": {"b": 1.50, "a": [None, "\u2028"]}}


@pytest.fixture(scope="module")
def shop(new_org):
    return new_org().live


def rows(db, sql, *args):
    with db.cursor() as cursor:
        cursor.execute(sql, args)
        return cursor.fetchall()


def export(client, some_id):
    return client.get(f"/customers/{some_id}/export").ok().json


def subscribe(client, customer, **more):
    plan = client.post("/plans", {"name": "Pro", "code": f"x_{_run}_{next(_counter)}"}).ok(201).data["id"]
    client.post(f"/plans/{plan}/prices", {"billingInterval": "monthly", "price": 2900}).ok(201)
    return client.post("/subscriptions", {"customerId": customer["id"], "planId": plan, **more}, idem=uid("subscribe")).ok(201).json


def test_of_a_new_customer_it_is_what_a_get_shows_and_the_event(shop):
    made = shop.create()
    found = export(shop, made["id"])
    assert found == {"object": "customer_export", "livemode": True, "exportedAt": found["exportedAt"], "customer": shop.fetch(made["id"]), "addressId": None,
                     "isActive": True, "merged": [], "subscriptions": [], "invoices": [], "credit": 0, "requests": [], "hasMoreEvents": False,
                     "events": [
                         {"type": "customer.created", "createdAt": found["events"][0]["createdAt"], "customerId": made["id"], "subscriptionId": None, "invoiceId": None,
                          "actor": found["events"][0]["actor"], "requestId": found["events"][0]["requestId"], "before": None, "after": None,
                          "data": None, "state": None}]}
    assert made["createdAt"] <= found["exportedAt"]


def test_it_has_all_that_is_held(shop, db):
    key = uid("create")
    made = shop.create(_idem=key, externalId=uid(), **PERSON)
    other, keys = shop.create(externalId=uid()), [uid("batch"), uid("update")]
    shop.batch([{"email": mail(), "externalId": other["externalId"]}, {"email": mail(), "externalId": made["externalId"]}], idem=keys[0])
    shop.patch("/customers/" + made["id"], {"fullName": "Ada"}, idem=keys[1]).ok()
    subscription = subscribe(shop, made, name="For Ada", metadata={"x": [1]}, successUrl="https://example.com/thanks")
    (invoice,) = shop.get("/invoices?customerId=" + made["id"]).ok().data
    shop.put(f"/invoices/{invoice['id']}/status", {"status": "paid"}).ok()
    shop.post(f"/subscriptions/{subscription['id']}/cancel", {"reason": "too dear"}).ok()
    subscribe(shop, other, name="For the other")
    execute(db, "INSERT INTO customer_credit SELECT environment_id, id, 77 FROM customer WHERE external_id = %s", made["externalId"])

    found = export(shop, made["externalId"])
    assert found["customer"] == shop.fetch(made["id"]) and found["customer"]["address"] == ADDRESS
    assert (found["addressId"], found["credit"]) == (PERSON["addressId"], 77)
    (kept,) = found["subscriptions"]
    shown = shop.get("/subscriptions/" + subscription["id"]).json
    for name in ("id", "name", "status", "billingInterval", "metadata", "startDate", "trialEndsAt", "createdAt", "updatedAt"):
        assert kept[name] == shown[name], name
    assert kept["planId"] == shown["plan"]["id"] and kept["basePrice"] == 2900
    assert (kept["cancellationReason"], kept["successUrl"], kept["timezone"]) == ("too dear", "https://example.com/thanks", "Europe/Madrid")
    assert kept["currentPeriodStart"] == shown["currentPeriod"]["start"] and kept["currentPeriodEnd"] == shown["currentPeriod"]["end"]
    (bill,) = found["invoices"]
    shown = shop.get("/invoices/" + invoice["id"]).json
    for name in ("id", "subscriptionId", "invoiceNumber", "invoiceType", "status", "currency", "subtotal", "total", "planName", "periodStart",
                 "periodEnd", "issueDate", "dueDate"):
        assert bill[name] == shown[name], name
    assert bill["lineItems"] == [{"description": "Pro", "quantity": 1, "unitAmount": 2900, "amount": 2900}] and bill["paidAt"]
    events = [(event["type"], event["subscriptionId"], event["invoiceId"]) for event in found["events"]]
    assert events[:4] == [("customer.created", None, None), ("customer.updated", None, None), ("subscription.created", subscription["id"], None),
                          ("invoice.created", subscription["id"], invoice["id"])]
    assert len(events) == scalar(db, "SELECT count(*) FROM event WHERE customer_id = (SELECT id FROM customer WHERE external_id = %s)", made["externalId"])
    requests = {request["idempotencyKey"]: request["status"] for request in found["requests"]}
    assert requests[key] == 201 and [requests[one] for one in keys] == [200, 200] and len(requests) == 4
    # Of the other one who was in the same batch there is nothing.
    text = shop.get(f"/customers/{made['id']}/export").body.decode()
    assert other["id"] not in text and other["email"] not in text and "For the other" not in text and other["externalId"] not in text


# What is erased with a customer and yet not exported, and why.
LEFT_OUT = {
    "customer.environment_id": "the tenant's", "customer.history": "a digest", "customer.revision": "a count, which the ETag has",
    "customer.merged_into": "of who was merged: the id of the customer", "event.salt": "chance, which protects what is kept of erased events",
    "subscription.checkout_token": "a secret: it opens a page", "idempotency_key.request_hash": "a digest",
    "idempotency_key.headers": "of the answer", "idempotency_key.sealed": "how the answer is kept",
    "import_job.reason": "of an import as a whole, in our own words", "idempotency_key.answer": "a copy of what was answered, of a batch with other customers",
}
IDS = {"customer.id": "cus_", "event.customer_id": "cus_"}


def leaves(value):
    """All values in a JSON value, each as JSON: the scalars, and the objects and arrays as wholes."""
    yield dumps(value)
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from leaves(part)


def test_each_column_that_is_erased_with_a_customer_is_in_it(shop, db):
    """By the catalogue: what tests/lint/personal.txt says is erased says something of a person, so the person gets it. Also of one who was merged."""
    made, gone = (shop.create(_idem=uid("create"), externalId=uid(), **PERSON, email=f"{n}.{mail()}") for n in ("made", "gone"))
    shop.patch("/customers/" + gone["id"], {"fullName": "Gone", "metadata": {"of": "gone"}, "taxDocument": "T-2"}).ok()
    subscription = subscribe(shop, made, name="For Ada", metadata={"x": [1]}, successUrl="https://example.com/thanks")
    shop.post(f"/subscriptions/{subscription['id']}/cancel", {"reason": "too dear"}).ok()
    shop.post(f"/customers/{made['id']}/merge", {"from": gone["id"]}).ok()
    execute(db, "INSERT INTO customer_credit SELECT environment_id, id, 77 FROM customer WHERE external_id = %s", made["externalId"])
    found = set(leaves(export(shop, made["id"])))

    said = [line.split()[:3] for line in (ROOT / "tests/lint/personal.txt").read_text().splitlines() if line and line[0] != "#"]
    kept = {(table, column) for table, column, what in said if what == "kept"}
    erased = []
    for table, column, what in said:
        if what == "erased":
            named = [name for (name,) in rows(db, "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
                                              "AND attgenerated = ''", table)]
            erased += [(table, name) for name in named if column in ("*", name) and (table, name) not in kept]
    assert len(erased) > 25
    ids = "(SELECT id FROM customer WHERE external_id IN (%s, %s))"
    mine = {"customer": f"id IN {ids}", "idempotency_key": f"about IN {ids}"}
    missing = []
    for table, column in erased:
        if f"{table}.{column}" in LEFT_OUT:
            continue
        values = [value for (value,) in rows(db, f"SELECT to_json({column}) FROM {table} WHERE {mine.get(table, f'customer_id IN {ids}')}",
                                             made["externalId"], gone["externalId"]) if value is not None]
        assert values, f"no customer of this test has {table}.{column}"
        for value in values:
            if f"{table}.{column}" in IDS:
                value = scalar(db, "SELECT app_ref(%s, %s)", IDS[f"{table}.{column}"], value)
            elif column.endswith("_at"):
                value = scalar(db, "SELECT app_iso(%s)", value)
            parts = [value]
            if column in ("data", "state"):  # these are shown in parts, and what are ids in them as ids
                parts = [part for name, part in value.items() if name != "checkoutToken" and not name.endswith("Id") and name != "from"]
            missing += [(table, column, part) for part in parts if dumps(part) not in found]
    assert missing == []


def test_events_beyond_a_number_are_left_out_the_oldest_first(shop, db):
    made = shop.create(externalId=uid())
    execute(db, "INSERT INTO event (environment_id, type, customer_id, created_at) SELECT c.environment_id, 'n' || i, c.id, timestamptz '2026-01-01Z'"
            " + i * interval '1 s' FROM customer c, generate_series(1, 10000) i WHERE c.external_id = %s ORDER BY i", made["externalId"])
    found = export(shop, made["id"])
    assert [event["type"] for event in found["events"]] == [f"n{i}" for i in range(1, 10001)] and found["hasMoreEvents"]
    execute(db, "DELETE FROM event e USING customer c WHERE e.type = 'n1' AND e.customer_id = c.id AND c.external_id = %s", made["externalId"])
    found = export(shop, made["id"])
    assert len(found["events"]) == 10000 and found["events"][0]["type"] == "customer.created" and not found["hasMoreEvents"]


def test_events_beyond_what_an_answer_holds_are_left_out_the_oldest_first(shop, db):
    """A customer with large changes could not be exported any more: 256 changes of 16 KiB of metadata were more than an answer may have."""
    made, gone = shop.create(externalId=uid()), shop.create(externalId=uid())
    for n in range(5):
        shop.patch("/customers/" + made["id"], {"metadata": {"n": n, "x": "x" * 16000}}).ok()
    shop.post(f"/customers/{made['id']}/merge", {"from": gone["id"]}).ok()
    execute(db, "INSERT INTO event (environment_id, type, customer_id, data, salt, seal, digest)"
            " SELECT e.environment_id, e.type, c.id, e.data, e.salt, e.seal, e.digest"
            " FROM generate_series(1, 60) i, event e JOIN customer o ON o.id = e.customer_id, customer c"
            " WHERE o.external_id = %s AND e.type = 'customer.updated' AND c.external_id IN (%s, %s) ORDER BY i, e.id",
            made["externalId"], made["externalId"], gone["externalId"])
    found = export(shop, made["id"])
    assert found["hasMoreEvents"] and 100 < len(found["events"]) < 300
    assert 3 * 1024 * 1024 < len(shop.get(f"/customers/{made['id']}/export").body) < 5 * 1024 * 1024
    rows, _ = shop.get(f"/customers/{made['id']}/history?limit=100").rows()
    assert [row["after"]["metadata"]["n"] for row in rows] == [event["after"]["metadata"]["n"] for event in found["events"][:-101:-1]]


@pytest.mark.parametrize("version", OLD)
def test_earlier_versions_have_no_such_call(shop, version):
    made = shop.create()
    reply = shop.at(version).get(f"/customers/{made['id']}/export")
    assert reply.status == 404


def test_who_is_archived_is_exported_and_who_is_not_there_is_not(shop, other_live, sandbox):
    made = shop.create(externalId=uid())
    shop.post(f"/customers/{made['id']}/archive").ok()
    assert export(shop, made["id"])["customer"]["archivedAt"]
    for stranger in (other_live, sandbox):
        for some_id in (made["id"], made["externalId"], "nobody"):
            stranger.get(f"/customers/{some_id}/export").error("customer_not_found", 404)
    shop.call("DELETE", "/customers/" + made["id"]).ok()
    shop.get(f"/customers/{made['id']}/export").error("customer_not_found", 404)


def test_ids_are_written_as_the_service_writes_them(db):
    """By the function in SQL, at the ends of what there can be."""
    for uuid, text in (("00000000-0000-0000-0000-000000000000", "0" * 22), ("00000000-0000-0000-0000-00000000003e", "0" * 20 + "10"),
                       ("ffffffff-ffff-ffff-ffff-ffffffffffff", "7n42DGM5Tflk9n8mt7Fhc7")):
        assert scalar(db, "SELECT app_ref('x_', %s)", uuid) == "x_" + text
    assert scalar(db, "SELECT app_ref('x_', NULL) IS NULL AND app_iso(NULL) IS NULL") is True
