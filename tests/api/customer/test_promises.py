"""What is promised of customers as a whole: many callers at once, and answers in which nothing is left out."""

import json
import threading

import pytest

from helpers import in_parallel, mail, nothing_written, scalar, uid


@pytest.fixture
def shop(new_org):
    return new_org().live


def made(db, own):
    """(rows, events of a creation) of an external id."""
    return tuple(scalar(db, f"SELECT count(*) FROM {what} WHERE c.external_id = %s", own) for what in (
        "customer c", "event e JOIN customer c ON c.environment_id = e.environment_id AND c.id = e.customer_id AND e.type = 'customer.created'"))


def test_two_hundred_creates_of_one_external_id_make_one_customer(shop, db):
    own = uid("race")
    replies = in_parallel([lambda n=n: shop.post("/customers", {"email": f"{n}@example.com", "externalId": own}, idem=uid("k")) for n in range(200)])
    assert {reply.status for reply in replies} == {200, 201} and len({reply.customer()["id"] for reply in replies}) == 1
    results = [reply.header("Clientele-Result") for reply in replies]
    assert (results.count("created"), results.count("existing")) == (1, 199) and made(db, own) == (1, 1)


def test_two_batches_with_one_external_id_make_one_customer(shop, db):
    for query in ("", "?on_conflict=update"):
        owns = [uid("race") for _ in range(20)]
        batches = [[{"email": mail(), "externalId": own} for own in order] for order in (owns, owns[::-1])]
        replies = in_parallel([lambda b=b: shop.post("/customers/batch" + query, {"customers": b}, idem=uid("k")) for b in batches])
        told = [(entry["externalId"], entry["id"], entry["status"]) for reply in replies for entry in reply.ok(200).data["successful"]]
        assert len(told) == 40 and len({told_of[:2] for told_of in told}) == 20
        assert sorted(own for own, _, status in told if status == "created") == sorted(owns) and {made(db, own) for own in owns} == {(1, 1)}


def test_of_a_hundred_rows_each_has_its_verdict(shop, db):
    """10 are broken, 10 exist, 10 are there twice in the batch; dry_run says the same before, and atomic refuses all of it."""
    there = [shop.create(externalId=uid()) for _ in range(10)]
    fresh = [{"email": mail(), "externalId": uid()} for _ in range(70)]
    items = [{"email": f"none {n}"} for n in range(10)] + [{"email": mail(), "externalId": one["externalId"]} for one in there] + fresh + fresh[:10]
    assert len(items) == 100
    wanted = ["failed"] * 10 + ["existing"] * 10 + ["created"] * 70 + ["existing"] * 10
    with nothing_written(db):
        faults = shop.post("/customers/batch?atomic=true", {"customers": items}).fields()
        assert set(faults) == {f"customers.{n}.email" for n in range(10)}
        tried = shop.post("/customers/batch?dry_run=true", {"customers": items}).ok(200).data["results"]
        (fault,) = shop.post("/customers/batch", {"customers": [*items, items[20]]}).error("validation_error", 400)["details"]
        assert "100" in fault["message"]
    assert [{400: "failed", 200: "existing", 201: "created"}[one["status"]] for one in tried] == wanted
    result = shop.post("/customers/batch?echo=false", {"customers": items}, idem=uid("k")).ok(200).data
    entries = {entry["index"]: entry for entry in result["successful"] + result["failed"]}
    assert len(result["successful"]) + len(result["failed"]) == 100 and sorted(entries) == list(range(100))
    assert [entries[n].get("status", "failed") for n in range(100)] == wanted
    assert all(entries[n]["code"] == "validation_error" and entries[n]["param"] == "email" and "data" not in entries[n] for n in range(10))
    assert [entries[n]["id"] for n in range(10, 20)] == [one["id"] for one in there]
    assert [entries[90 + n]["id"] for n in range(10)] == [entries[20 + n]["id"] for n in range(10)]


def test_what_was_made_is_found_at_once_by_each_of_its_texts(shop):
    token = uid("tok")
    one = shop.create(email=f"{token}@Example.com", externalId=f"own-{token}", fullName=f"Xy {token}%_\\'\" Zz", taxDocument=f"D-{token}", metadata={"t": token})
    other = shop.create(email=f"other-{token}@example.com", fullName=f"Xy {token}ab'\"")
    for query in (f"email={token.upper()}@eXAMPLE.COM", f"q=own-{token[:-1]}", f"q={token}%25_", f"q={token}%25_%5C'%22", f"q=D-{token}", f"metadata[t]={token}"):
        assert [row["id"] for row in shop.get("/customers?" + query).rows()[0]] == [one["id"]], query
    assert {row["id"] for row in shop.get(f"/customers?q={token}").rows()[0]} == {one["id"], other["id"]}


def test_who_is_there_at_the_start_is_exported_once_while_others_write(shop):
    before = {shop.create(externalId=uid(), fullName="0")["id"] for _ in range(60)}
    over, some = threading.Event(), sorted(before)

    def write(n):
        while not over.is_set():
            shop.create(externalId=uid())
            shop.patch("/customers/" + some[n], {"fullName": uid()}).ok()

    def read():
        try:
            found, cursor = [], ""
            while cursor is not None:
                reply = shop.call("GET", "/customers/export?limit=3" + (f"&cursor={cursor}" if cursor else ""), checked=False).ok()
                found, cursor = found + [json.loads(line)["id"] for line in reply.body.split(b"\n")[:-1]], reply.header("Clientele-Next-Cursor")
            return found
        finally:
            over.set()

    found = in_parallel([read, *(lambda n=n: write(n) for n in range(8))])[0]
    assert len(found) == len(set(found)) and before <= set(found)
