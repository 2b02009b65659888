"""Customers that are the same are merged, and a merge is undone."""

import concurrent.futures
import contextlib
import itertools
import json
import secrets
import threading

import pytest

from stack import wait_until
from helpers import execute, mail, nothing_written, same_again, scalar, uid

_run, _counter = secrets.token_hex(3), itertools.count(1)


@pytest.fixture(scope="module")
def shop(new_org):
    return new_org().live


def customer(client, **more):
    return client.create(externalId=uid(), fullName="Ada L", metadata={"b": 1, "a": [2.50]}, **more)


def plan_of(client, **prices):
    body = {"name": "Plan", "code": f"m_{_run}_{next(_counter)}", **({"isFree": True} if not prices else {})}
    return client.post("/plans", {**body, **prices}).ok(201).data["id"]


def subscribe(client, who, plan=None):
    return client.post("/subscriptions", {"customerId": who["id"], "planId": plan or plan_of(client)}).ok(201).json


def cancel(client, subscription):
    client.post(f"/subscriptions/{subscription['id']}/cancel", {"immediate": True}).ok()


def merge(client, into, gone, **more):
    return client.post(f"/customers/{into['id']}/merge", {"from": gone["id"]}, **more)


def uuid_of(db, made):
    return scalar(db, "SELECT id::text FROM customer WHERE external_id = %s", made["externalId"])


def events(db, made):
    with db.cursor() as cursor:
        cursor.execute("SELECT type, data FROM event WHERE customer_id = %s ORDER BY id", (uuid_of(db, made),))
        return cursor.fetchall()


def test_both_ids_lead_to_who_stays(shop, db):
    into, gone = customer(shop), customer(shop)
    subscription, plan = subscribe(shop, gone), plan_of(shop)
    before = shop.get("/customers/" + gone["id"]).ok().body
    assert merge(shop, into, gone).customer(200) == into
    for some_id in (gone["id"], gone["externalId"]):
        got = shop.get("/customers/" + some_id).ok()
        assert got.json["id"] == into["id"] and got.json["subscription"]["id"] == subscription["id"]
        assert got.header("Clientele-Merged") == into["id"]
        changed = shop.patch("/customers/" + some_id, {"fullName": some_id}).ok()
        assert changed.json["id"] == into["id"] and changed.json["fullName"] == some_id and changed.header("Clientele-Merged") == into["id"]
        for call in ("archive", "restore"):
            moved = shop.post(f"/customers/{some_id}/{call}")
            assert moved.status == 409 if call == "archive" else moved.ok().header("Clientele-Merged") == into["id"]
        met = shop.post("/customers", {"email": mail(), "externalId": gone["externalId"]})
        assert met.customer(200)["id"] == into["id"] and met.header("Clientele-Result") == "existing"
        assert [row["id"] for row in shop.get("/subscriptions?customerId=" + some_id).ok().json["data"]] == [subscription["id"]]
        assert shop.get("/subscriptions/active?customerId=" + some_id).ok().json["id"] == subscription["id"]
    batch = shop.post("/customers/batch", {"customers": [{"email": mail(), "externalId": one["externalId"]} for one in (gone, into)]}).ok()
    assert [(row["id"], row["status"]) for row in batch.json["successful"]] == [(into["id"], "existing")] * 2
    assert shop.get("/customers/" + into["id"]).ok().header("Clientele-Merged") is None
    cancel(shop, subscription)
    assert shop.post("/subscriptions", {"customerId": gone["externalId"], "planId": plan}).ok(201).json["customerId"] == into["id"]

    # Nothing lists it.
    for query in ("", "&archived=true", "&archived=all"):
        assert gone["id"] not in [row["id"] for row in shop.get("/customers?limit=100" + query).ok().json["data"]]
    for query in ("", "&q=" + into["email"], "&sort=email", "&archived=all", "&sort=-createdAt&count=exact"):
        found = shop.get(f"/customers?externalId={gone['externalId']}{query}").ok().json
        assert [row["id"] for row in found["data"]] == [into["id"]] and found.get("total", 1) == 1, query
    assert gone["id"] not in shop.call("GET", "/customers/export?format=ndjson", checked=False).body.decode()
    kinds = [kind for kind, _ in events(db, into)]
    assert kinds.count("customer.merged") == 1 and [kind for kind, _ in events(db, gone)].count("customer.merged") == 0
    assert ("customer.merged", {"from": uuid_of(db, gone)}) in events(db, into)

    # And back again, by either id; what belonged to each belongs to it, and the bytes are the same but for the subscription.
    again = shop.post(f"/customers/{gone['externalId']}/unmerge").customer(200)
    assert again == gone
    after = shop.get("/customers/" + gone["id"]).ok()
    assert after.header("Clientele-Merged") is None and {**after.json, "subscription": None} == {**json.loads(before), "subscription": None}
    assert shop.get("/subscriptions/" + subscription["id"]).ok().json["customerId"] == gone["id"]
    assert shop.get("/customers/" + gone["externalId"]).customer(get=True)["id"] == gone["id"]
    assert shop.fetch(into["id"])["subscription"]["planId"] == plan
    assert [kind for kind, _ in events(db, gone)].count("customer.unmerged") == 1
    shop.post(f"/customers/{gone['id']}/unmerge").error("conflict", 409)


def test_once_more_changes_nothing(shop, db):
    into, gone = customer(shop), customer(shop)
    key = uid()
    first = merge(shop, into, gone, idem=key).ok()
    with nothing_written(db):
        same_again(merge(shop, into, gone, idem=key), first)
    assert merge(shop, into, gone).ok().body == first.body
    assert [kind for kind, _ in events(db, into)].count("customer.merged") == 1
    assert shop.post(f"/customers/{gone['id']}/unmerge", idem=key + "u").customer(200) == gone
    shop.post(f"/customers/{gone['id']}/unmerge", idem=key + "u").customer(200)


def test_an_archived_customer_is_archived_again_when_the_merge_is_undone(shop):
    into, gone = customer(shop), customer(shop)
    archived = shop.post(f"/customers/{gone['id']}/archive").customer(200)
    merge(shop, into, gone).ok()
    assert shop.post(f"/customers/{gone['id']}/unmerge").customer(200) == archived
    shop.post(f"/customers/{into['id']}/archive").ok()
    assert merge(shop, into, gone).error("conflict", 409)["param"] == "id"


def test_two_subscriptions_that_live_are_in_the_way(shop, db):
    into, gone = customer(shop), customer(shop)
    ours, theirs = subscribe(shop, into), subscribe(shop, gone)
    with nothing_written(db):
        error = merge(shop, into, gone).error("conflict", 409)
    assert error["param"] == "from" and error["details"] == {"subscriptions": [theirs["id"], ours["id"]]}
    assert theirs["id"] in error["message"] and ours["id"] in error["message"]
    cancel(shop, theirs)
    merge(shop, into, gone).ok()
    assert shop.fetch(into["id"])["subscription"]["id"] == ours["id"]
    assert {row["id"] for row in shop.get("/subscriptions?customerId=" + into["id"]).ok().json["data"]} == {ours["id"], theirs["id"]}


def test_invoices_and_credit_move_and_come_back(shop, db):
    into, gone = customer(shop), customer(shop)
    plan = plan_of(shop, isFree=False)
    shop.post(f"/plans/{plan}/prices", {"billingInterval": "monthly", "price": 1000}).ok(201)
    subscription = subscribe(shop, gone, plan)
    (invoice,) = shop.get("/invoices?customerId=" + gone["id"]).ok().json["data"]
    environment = scalar(db, "SELECT environment_id::text FROM customer WHERE external_id = %s", into["externalId"])
    for who, balance in ((into, 5), (gone, 300)):
        execute(db, "INSERT INTO customer_credit (environment_id, customer_id, balance) VALUES (%s, %s, %s)", environment, uuid_of(db, who), balance)

    def credit(who):
        return scalar(db, "SELECT balance FROM customer_credit WHERE customer_id = %s", uuid_of(db, who))

    merge(shop, into, gone).ok()
    assert shop.get("/invoices/" + invoice["id"]).ok().json == {**invoice, "customerId": into["id"]}
    assert (credit(into), credit(gone)) == (305, 0)
    assert [row["id"] for row in shop.get("/invoices?customerId=" + gone["externalId"]).ok().json["data"]] == [invoice["id"]]
    # What was used up since is not given back.
    execute(db, "UPDATE customer_credit SET balance = 100 WHERE customer_id = %s", uuid_of(db, into))
    shop.put(f"/invoices/{invoice['id']}/status", {"status": "paid"}).ok()
    shop.post(f"/customers/{gone['id']}/unmerge").ok()
    assert (credit(into), credit(gone)) == (0, 100)
    assert shop.get("/invoices/" + invoice["id"]).ok().json["customerId"] == gone["id"]
    assert shop.fetch(gone["id"])["subscription"]["id"] == subscription["id"]


def test_who_was_merged_is_followed_through_further_merges(shop):
    a, b, c = (customer(shop) for _ in range(3))
    mine = subscribe(shop, a)
    merge(shop, b, a).ok()
    error = merge(shop, c, a).error("conflict", 409)
    assert error["param"] == "from" and b["id"] in error["message"]
    merge(shop, c, b).ok()
    assert {shop.fetch(one["id"])["id"] for one in (a, b, c)} == {c["id"]} and shop.fetch(a["externalId"])["subscription"]["id"] == mine["id"]
    # In the middle of a chain, then at its beginning.
    shop.post(f"/customers/{b['id']}/unmerge").ok()
    assert [shop.fetch(one["id"])["id"] for one in (a, b, c)] == [b["id"], b["id"], c["id"]]
    assert shop.get("/subscriptions/" + mine["id"]).ok().json["customerId"] == b["id"]
    shop.post(f"/customers/{a['id']}/unmerge").ok()
    assert [shop.fetch(one["id"])["id"] for one in (a, b, c)] == [a["id"], b["id"], c["id"]]
    assert shop.get("/subscriptions/" + mine["id"]).ok().json["customerId"] == a["id"]
    # The other way: first the one at the beginning.
    merge(shop, b, a).ok(), merge(shop, c, b).ok()
    shop.post(f"/customers/{a['id']}/unmerge").ok()
    assert [shop.fetch(one["id"])["id"] for one in (a, b, c)] == [a["id"], c["id"], c["id"]]
    assert shop.get("/subscriptions/" + mine["id"]).ok().json["customerId"] == a["id"]


def credit_of(db, who):
    return scalar(db, "SELECT sum(balance) FROM customer_credit WHERE customer_id = %s", uuid_of(db, who)) or 0


def test_of_a_chain_that_is_undone_each_gets_its_own_credit_and_no_other(shop, db):
    a, x, y = (customer(shop) for _ in range(3))
    environment = scalar(db, "SELECT environment_id::text FROM customer WHERE external_id = %s", a["externalId"])
    for who, balance in ((a, 100), (y, 50)):
        execute(db, "INSERT INTO customer_credit (environment_id, customer_id, balance) VALUES (%s, %s, %s)", environment, uuid_of(db, who), balance)
    merge(shop, x, a).ok(), merge(shop, y, x).ok()
    assert [credit_of(db, one) for one in (a, x, y)] == [0, 0, 150]
    shop.post(f"/customers/{a['id']}/unmerge").ok()
    assert [credit_of(db, one) for one in (a, x, y)] == [100, 0, 50]
    shop.post(f"/customers/{x['id']}/unmerge").ok()
    assert [credit_of(db, one) for one in (a, x, y)] == [100, 0, 50]


def test_who_was_taken_out_of_a_chain_is_not_moved_with_it(shop):
    a, x, y = (customer(shop) for _ in range(3))
    mine = subscribe(shop, a)
    merge(shop, x, a).ok(), merge(shop, y, x).ok()
    shop.post(f"/customers/{a['id']}/unmerge").ok()
    merge(shop, y, a).ok()
    shop.post(f"/customers/{x['id']}/unmerge").ok()
    assert [shop.fetch(one["id"])["id"] for one in (a, x, y)] == [y["id"], x["id"], y["id"]]
    assert shop.get("/subscriptions/" + mine["id"]).ok().json["customerId"] == y["id"]


@pytest.mark.parametrize("further", [False, True], ids=["one", "chain"])
def test_what_was_told_while_it_was_merged_goes_back_and_is_erased_with_it(shop, db, further):
    """A reason that was given for the subscription of one who was merged: events and kept answers have it."""
    secret = f"reason{_run}{next(_counter)}"
    a, x, y = (customer(shop) for _ in range(3))
    mine = subscribe(shop, a)
    shop.patch("/customers/" + x["id"], {"fullName": "X"}, idem=uid("k")).ok()
    merge(shop, x, a).ok()
    shop.post(f"/subscriptions/{mine['id']}/cancel", {"immediate": True, "reason": secret}, idem=uid("k")).ok()
    if further:
        merge(shop, y, x).ok()
    shop.post(f"/customers/{a['id']}/unmerge").ok()
    for one in (x, y):
        assert secret.encode() not in shop.get(f"/customers/{one['id']}/export").ok().body
    assert secret.encode() in shop.get(f"/customers/{a['id']}/export").ok().body
    assert "subscription.canceled" in [kind for kind, _ in events(db, a)]
    shop.call("DELETE", "/customers/" + a["id"]).ok()
    with db.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.columns WHERE column_name = 'environment_id' AND table_schema = 'public'")
        for table, in cursor.fetchall():
            kept = scalar(db, f"SELECT count(*) FROM {table} t WHERE t::text LIKE ANY (%s)", [f"%{secret}%", f"%{secret.encode().hex()}%"])
            assert kept == 0, table
    # What is only the other one's stays.
    assert "customer.updated" in [kind for kind, _ in events(db, x)]


def test_after_thirty_days_it_cannot_be_undone(shop, db):
    into, gone = customer(shop), customer(shop)
    merge(shop, into, gone).ok()
    execute(db, "UPDATE customer_merge SET merged_at = merged_at - interval '30 days' WHERE customer_id = %s", uuid_of(db, gone))
    assert "30 days" in shop.post(f"/customers/{gone['id']}/unmerge").error("conflict", 409)["message"]
    assert shop.fetch(gone["id"])["id"] == into["id"]


def test_bad_input_is_refused_and_changes_nothing(shop, other_live, db):
    one, strangers = customer(shop), other_live.create(externalId=uid())
    path = f"/customers/{one['id']}/merge"
    with nothing_written(db):
        for body in ({}, {"from": None}, {"from": 1}, {"from": ""}, {"from": "x" * 101}, {"from": "x\u009c"}):
            shop.post(path, body).invalid("from")
        for same in (one["id"], one["externalId"]):
            assert shop.post(path, {"from": same}).error("conflict", 409)["param"] == "from"
        for some_id in ("nobody", strangers["id"], strangers["externalId"]):
            assert shop.post(path, {"from": some_id}).error("customer_not_found", 404)["param"] == "from"
            assert shop.post(f"/customers/{some_id}/merge", {"from": one["id"]}).error("customer_not_found", 404)["param"] == "id"
            shop.post(f"/customers/{some_id}/unmerge").error("customer_not_found", 404)
        assert shop.post(f"/customers/{one['id']}/unmerge").error("conflict", 409)["message"] == "This customer is not merged."
    shop.at("2026-07-31").post(path, {"from": "x"}).error("endpoint_not_available", 404)


def test_the_history_of_both_is_shown_and_parts_again(shop):
    into, gone, third = customer(shop), customer(shop), customer(shop)
    shop.patch("/customers/" + gone["id"], {"fullName": "One"}).ok()
    shop.patch("/customers/" + into["id"], {"fullName": "Two"}).ok()
    merge(shop, gone, third).ok()
    merge(shop, into, gone).ok()
    shop.patch("/customers/" + gone["externalId"], {"fullName": "Three"}).ok()

    def history(one, limit):
        rows, cursor = shop.get(f"/customers/{one['externalId']}/history?limit={limit}").rows()
        while cursor:
            page, cursor = shop.get(f"/customers/{one['externalId']}/history?limit={limit}&cursor={cursor}").rows()
            rows += page
        return [(row["type"][len("customer."):], row["customerId"]) for row in rows]

    whole = [("updated", into["id"]), ("merged", into["id"]), ("merged", gone["id"]), ("updated", into["id"]), ("updated", gone["id"]),
             ("created", third["id"]), ("created", gone["id"]), ("created", into["id"])]
    for one in (into, gone, third):
        assert [history(one, limit) for limit in (100, 3, 1)] == [whole] * 3
    shop.post(f"/customers/{gone['id']}/unmerge").ok()
    assert {id for _, id in history(into, 100)} == {into["id"]} and {id for _, id in history(gone, 100)} == {gone["id"], third["id"]}


class Keyed:
    """A client whose writes have an Idempotency-Key."""

    def __init__(self, client):
        self.client = client

    def __getattr__(self, name):
        return lambda *words, **more: getattr(self.client, name)(*words, idem=uid("k"), **more)


def at_once(calls):
    """Their statuses."""
    done, gate = [None] * len(calls), threading.Barrier(len(calls))

    def run(i, call):
        gate.wait()
        done[i] = call().status
    threads = [threading.Thread(target=run, args=(i, call)) for i, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def test_many_at_once_leave_one_order(shop, db):
    """Merges that cross, creates by the ids that are merged, subscriptions for them, and undoing: nothing is lost or doubled."""
    plan = plan_of(shop)
    for _ in range(6):
        a, b = customer(shop), customer(shop)
        statuses = at_once([lambda: merge(shop, a, b), lambda: merge(shop, b, a),
                            lambda: shop.post("/customers", {"email": mail(), "externalId": b["externalId"]}),
                            lambda: shop.post("/subscriptions", {"customerId": a["id"], "planId": plan}),
                            lambda: shop.post("/subscriptions", {"customerId": b["id"], "planId": plan}),
                            lambda: shop.post(f"/customers/{b['id']}/unmerge")])
        assert all(status in (200, 201, 409) for status in statuses) and statuses[2] == 200, statuses
        ids = {shop.fetch(one["id"])["id"] for one in (a, b)}
        rows = [row for one in ids for row in shop.get("/subscriptions?customerId=" + one).ok().json["data"]]
        assert len(rows) == statuses[3:5].count(201) and {row["customerId"] for row in rows} <= ids
        assert scalar(db, "SELECT count(*) FROM customer WHERE external_id = ANY (%s)", [a["externalId"], b["externalId"]]) == 2
        # Nobody who was merged has anything, and everybody leads to somebody who was not.
        assert scalar(db, "SELECT count(*) FROM customer c JOIN subscription s ON s.customer_id = c.id WHERE c.merged_into IS NOT NULL") == 0
        assert scalar(db, "SELECT count(*) FROM customer c JOIN customer d ON d.id = c.merged_into WHERE d.merged_into IS NOT NULL") == 0


MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
WRITES = {
    "update": lambda shop, id: shop.patch("/customers/" + id, {"email": "new@example.com"}),
    "merge patch": lambda shop, id: shop.call("PATCH", "/customers/" + id, {"email": "new@example.com"}, headers=MERGE_PATCH),
    "batch": lambda shop, id: shop.post("/customers/batch?on_conflict=update", {"customers": [{"email": "new@example.com", "externalId": id}]}),
    "archive": lambda shop, id: shop.post(f"/customers/{id}/archive"),
    "erase": lambda shop, id: shop.call("DELETE", "/customers/" + id),
}


@pytest.mark.parametrize("idem", [None, "k"])
@pytest.mark.parametrize("write", WRITES)
def test_a_write_that_waits_for_a_merge_is_for_who_stays(shop, db, database, write, idem):
    """The merge waits for a lock, and the write behind it: when the lock is free, the write finds the customer merged."""
    gone, into = customer(shop), customer(shop)
    client = shop if idem is None else Keyed(shop)

    def wait_for_waiting(count):
        wait_until(lambda: scalar(db, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == count)
    with contextlib.closing(database.connect()) as other, other.cursor() as cursor, concurrent.futures.ThreadPoolExecutor() as pool:
        other.autocommit = False
        cursor.execute("SELECT FROM customer WHERE external_id = %s FOR UPDATE", (gone["externalId"],))
        merging = pool.submit(merge, shop, into, gone)
        wait_for_waiting(1)
        writing = pool.submit(WRITES[write], client, gone["externalId"])
        wait_for_waiting(2)
        other.commit()
        assert merging.result().customer(200)["id"] == into["id"]
        assert writing.result().ok().status == 200
    if write == "erase":
        shop.missing(into["id"])
        shop.missing(gone["id"])
        return
    stays = shop.fetch(into["id"])
    assert (stays["email"] == "new@example.com") == (write != "archive") and ("archivedAt" in stays) == (write == "archive")
    # The row of who was merged was not written.
    assert shop.post(f"/customers/{gone['id']}/unmerge").customer(200) == gone


def test_a_merge_into_one_who_is_merged_meanwhile_begins_anew(shop, db, database):
    """It had locked the one that the id led to before, and not the one to whom it leads now, who is archived at that moment."""
    gone, into, further = (customer(shop) for _ in range(3))
    with contextlib.closing(database.connect()) as first, contextlib.closing(database.connect()) as second, \
            concurrent.futures.ThreadPoolExecutor() as pool:
        first.autocommit = second.autocommit = False

        def do(connection, sql, *values):
            with connection.cursor() as cursor:
                cursor.execute(sql, values)

        def wait_for(connection):
            wait_until(lambda: scalar(db, "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))",
                                      connection.info.backend_pid) == 1)
        do(first, "SELECT FROM customer WHERE external_id = %s FOR UPDATE", into["externalId"])
        do(second, "SELECT FROM customer WHERE external_id = %s FOR UPDATE", further["externalId"])
        merging = pool.submit(merge, shop, into, gone)
        wait_for(first)
        do(first, "UPDATE customer SET merged_into = %s, archived_at = now() WHERE external_id = %s", uuid_of(db, further), into["externalId"])
        first.commit()
        wait_for(second)
        do(second, "UPDATE customer SET archived_at = now() WHERE external_id = %s", further["externalId"])
        second.commit()
        assert merging.result().error("conflict", 409)["message"].startswith("The customer is archived.")
    assert shop.fetch(gone["id"])["id"] == gone["id"]


def test_no_kept_answer_of_a_merge_outlives_the_customer(shop, db):
    into, gone = customer(shop), customer(shop)
    answers = "SELECT count(*) FROM idempotency_key WHERE answer LIKE ANY (ARRAY[%s, %s])"
    merge(shop, into, gone, idem=uid("k")).ok()
    shop.post(f"/customers/{gone['id']}/unmerge", idem=uid("k")).ok()
    emails = [f"%{one['email']}%".encode() for one in (into, gone)]
    assert scalar(db, answers, *emails) == 2
    for one in (into, gone):
        shop.call("DELETE", "/customers/" + one["id"]).ok()
    assert scalar(db, answers, *emails) == 0


def test_who_was_merged_is_erased_together_with_who_stays(shop, db):
    secret = f"secret{_run}"
    into, gone = customer(shop), shop.create(externalId=uid(secret), email=f"{secret}@example.com", fullName=secret)
    subscription = subscribe(shop, gone)
    shop.post(f"/subscriptions/{subscription['id']}/cancel", {"immediate": True, "reason": secret}).ok()
    merge(shop, into, gone).ok()
    # The answer says that it is another one whose id this was.
    assert shop.call("DELETE", "/customers/" + gone["externalId"]).ok().header("Clientele-Merged") == into["id"]
    for one in (into, gone):
        shop.get("/customers/" + one["id"]).error("customer_not_found", 404)
    with db.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.columns WHERE column_name = 'environment_id' AND table_schema = 'public'")
        for table, in cursor.fetchall():
            assert scalar(db, f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s", f"%{secret}%") == 0, table
    # The external id is free at once.
    assert shop.post("/customers", {"email": mail(), "externalId": gone["externalId"]}).ok(201).json["id"] not in (into["id"], gone["id"])
