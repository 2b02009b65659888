"""What was done to a customer, by whom, and what it was before; and whether that was tampered with."""

import json
import types

import pytest

from helpers import DATED, Client, escape, execute, first, in_parallel, mail, same_again, scalar, uid

ADDRESS = {"line1": "1 Road", "city": "Bern", "postalCode": "3000", "country": "CH"}
EVENT = {"customerId", "id", "object", "livemode", "type", "createdAt", "actor", "requestId", "before", "after", "subscriptionId", "invoiceId", "data", "erased"}


def history(client, some, query=""):
    reply = client.get(f"/customers/{escape(some)}/history{query}")
    rows, cursor = reply.rows()
    for row in rows:
        assert set(row) == EVENT and row["object"] == "customer_event", row
    return rows, cursor


def walk(client, some, limit):
    rows, cursor = history(client, some, f"?limit={limit}")
    while cursor:
        page, cursor = history(client, some, f"?limit={limit}&cursor={cursor}")
        rows += page
    return rows


def as_of(client, some, time):
    # Spelled otherwise than in the log, which is searched for all that was sent.
    return client.get(f"/customers/{escape(some)}?asOf={escape(time.replace('Z', '+00:00'))}")


def rows(db, query, *values):
    with db.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def numbers_of(db, customer, what="id"):
    with db.cursor() as cursor:
        cursor.execute(f"SELECT e.{what} FROM event e JOIN customer c ON c.id = e.customer_id WHERE c.external_id = %s ORDER BY e.id",
                       [customer["externalId"]])
        return [row[0] for row in cursor.fetchall()]


# ---------------------------------------------------------------- what stands in it


def test_each_change_says_who_when_and_what_was_before(live, new_org):
    caller = new_org()
    customer = caller.live.create(b'{"email":"a@example.com","fullName":"Ada","metadata":{ "n" : 1.10 },"externalId":"%s"}' % uid().encode())
    changed = caller.live.patch("/customers/" + customer["id"], b'{"fullName":"","metadata":{"n": 2e5},"timezone":"UTC"}',
                                headers={"X-Request-Id": "change-1"}).ok(200)
    other = caller.live.with_key(caller.key("live", "--name", "other key"))
    again = other.put("/customers/" + customer["externalId"], {"address": ADDRESS, "fullName": ""}, idem=uid("k")).ok(200)
    reply = caller.live.get(f"/customers/{customer['id']}/history")
    rows, cursor = history(caller.live, customer["id"])
    assert cursor is None and [row["type"] for row in rows] == ["customer.updated", "customer.updated", "customer.created"]
    third, second, made = rows
    # Numbers and blanks of metadata as they were sent.
    assert b'"before":{"fullName":"Ada","metadata":{ "n" : 1.10 }},"after":{"fullName":null,"metadata":{"n": 2e5}}' in reply.body
    assert (third["before"], third["after"]) == ({"address": None}, {"address": ADDRESS})
    assert (made["before"], made["after"], made["data"]) == (None, None, None)
    assert second["requestId"] == "change-1" and third["requestId"] == again.header("X-Request-Id")
    assert third["actor"]["name"] == "other key" and second["actor"]["type"] == "api_key"
    assert second["actor"] == made["actor"] and second["actor"]["id"] != third["actor"]["id"]
    keys = {key["id"] for key in caller.live.get("/api-keys").rows()[0]}
    assert {second["actor"]["id"], third["actor"]["id"]} == keys
    assert (made["createdAt"], second["createdAt"]) == (customer["createdAt"], changed.data["updatedAt"])
    assert made["createdAt"] < second["createdAt"] < third["createdAt"] == again.data["updatedAt"]
    assert all(row["livemode"] is True and row["erased"] is False for row in rows)


def test_every_member_has_its_before_and_after(live):
    customer = live.create(externalId=uid())
    new = uid()
    body = {"externalId": new, "email": mail(), "fullName": 'A "quoted" \\ name\n', "taxDocument": "T", "timezone": "Asia/Tokyo",
            "address": ADDRESS, "metadata": {"a": [1]}}
    live.patch("/customers/" + customer["id"], body).ok(200)
    live.at("2026-05-01").put("/customers/" + customer["id"], {"isActive": False}).ok(200)
    (flag, all_, made), _ = history(live, new)
    assert all_["after"] == body
    assert all_["before"] == {name: customer.get(name) for name in body}
    assert (flag["before"], flag["after"]) == ({"isActive": True}, {"isActive": False})


def test_merge_patches_and_batches_stand_in_it(live):
    ids = [uid() for _ in range(3)]
    live.batch([{"email": mail(), "externalId": own} for own in ids])
    live.patch("/customers/" + ids[1], {"metadata": {"b": 1}, "fullName": None}, headers={"Content-Type": "application/merge-patch+json"}, idem=uid("k")).ok(200)
    for own in ids:
        rows, _ = history(live, own)
        assert [row["type"] for row in rows] == ["customer.updated"] * (own == ids[1]) + ["customer.created"]
        assert all(row["actor"]["type"] == "api_key" and row["requestId"] for row in rows)
    assert history(live, ids[1])[0][0]["after"] == {"metadata": {"b": 1}}


def test_what_changes_nothing_does_not_stand_in_it(live, db):
    customer = live.create(externalId=uid(), fullName="Ada")
    key = uid("k")
    original = first(live.patch("/customers/" + customer["id"], {"fullName": "Eve"}, idem=key), 200)
    same_again(live.patch("/customers/" + customer["id"], {"fullName": "Eve"}, idem=key), original)
    live.patch("/customers/" + customer["id"], {"fullName": "Eve"}).ok(200)
    live.patch("/customers/" + customer["id"], {"fullName": "x" * 201}).invalid("fullName")
    live.post("/customers", {"email": mail(), "externalId": customer["externalId"]}).ok(200)
    assert len(history(live, customer["id"])[0]) == 2


def test_subscriptions_and_invoices_stand_in_it_with_what_they_say(new_org, database):
    organization = new_org()
    caller = organization.live
    plan = caller.post("/plans", {"name": "Pro", "code": uid("pro").replace("-", "_").lower(), "isFree": True}).ok(201).data
    customer = caller.create(externalId=uid())
    made = caller.post("/subscriptions", {"customerId": customer["id"], "planCode": plan["code"]}).ok(201).data
    caller.patch("/customers/" + customer["id"], {"fullName": "Ada"}).ok(200)
    rows, _ = history(caller, customer["id"])
    assert rows[0]["type"] == "customer.updated" and rows[-1]["type"] == "customer.created"
    billed = rows[1:-1]
    assert [row["type"] for row in billed] == ["customer.state_changed", "subscription.activated", "subscription.created"]
    assert all((row["subscriptionId"], row["actor"]["type"], row["before"], row["after"]) == (made["id"], "api_key", None, None) for row in billed)
    assert billed[0]["data"] and rows[0]["data"] is None
    assert database.clientele("history", "verify", "--org", organization.name, "--env", "live").stdout == "1 customers, 2 events in their chains: all chains hold\n"


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_the_history_is_paged_newest_first(live, limit):
    customer = live.create(externalId=uid())
    for n in range(4):
        live.patch("/customers/" + customer["id"], {"fullName": str(n)}).ok(200)
    rows = walk(live, customer["externalId"], limit)
    assert [row["after"] and row["after"]["fullName"] for row in rows] == ["3", "2", "1", "0", None]
    assert [row["before"] and row["before"]["fullName"] for row in rows] == ["2", "1", "0", None, None]
    assert len({row["id"] for row in rows}) == 5


def test_the_history_is_of_one_customer_and_of_the_current_version(live, sandbox, other_live):
    customer = live.create(externalId=uid())
    for client in (sandbox, other_live):
        for some in (customer["id"], customer["externalId"]):
            client.get(f"/customers/{some}/history").error("customer_not_found", 404)
            as_of(client, some, customer["createdAt"]).error("customer_not_found", 404)
    for version in DATED[:-1]:
        live.at(version).get(f"/customers/{customer['id']}/history").error("customer_not_found", 404)  # an id with a slash
    live.get(f"/customers/{customer['id']}/history?limit=0").invalid("limit")
    live.get(f"/customers/{customer['id']}/history?cursor=x").invalid("cursor")
    reply = live.get(f"/customers/{customer['id']}/history?externalId=x&limit=1").ok(200)
    assert reply.header("Clientele-Ignored") == "externalId"
    live.post(f"/customers/{customer['id']}/history", {}).error("method_not_allowed", 405)


# ---------------------------------------------------------------- what it was


def test_a_customer_is_shown_as_it_was_at_each_time(live, db):
    customer = live.create(b'{"email":"a@example.com","metadata":{ "n" : 1.10 },"externalId":"%s"}' % uid().encode())
    path, seen = "/customers/" + customer["id"], [live.get("/customers/" + customer["id"])]
    for body in ({"fullName": "Ada", "address": ADDRESS}, {"externalId": uid()}, {"metadata": {"b": 2}, "fullName": ""},
                 {"email": mail(), "timezone": "Asia/Tokyo", "taxDocument": "T"}, {"address": {}, "taxDocument": "", "externalId": ""}):
        live.patch(path, body).ok(200)
        seen.append(live.get(path))
    times = [reply.data["updatedAt"] for reply in seen]
    assert times == sorted(set(times))
    for reply, time in zip(seen, times):
        then = as_of(live, customer["id"], time)
        # But for the subscription, the very bytes.
        assert then.ok(200).body == reply.body.replace(b'"subscription":null,', b"")
        assert then.header("ETag") is None
        assert as_of(live, customer["id"], time.replace("Z", "999Z")).data == then.data
    assert as_of(live, customer["id"], "2099-01-01T00:00:00Z").data == as_of(live, customer["id"], times[-1]).data
    early = as_of(live, customer["id"], "2020-01-01T00:00:00+02:00").error("customer_not_found", 404)
    assert early["param"] == "asOf"


def test_a_time_is_a_time(live):
    customer = live.create(externalId=uid())
    for bad in ("", "yesterday", "2026-02-30T00:00:00Z", "1790000000"):
        as_of(live, customer["id"], bad).invalid("asOf")
    live.get(f"/customers/{customer['id']}?asOf=2026-01-01T00:00:00Z&asOf=2026-01-01T00:00:00Z").invalid("asOf")
    live.get(f"/customers/{uid()}?asOf=2026-01-01T00:00:00Z").error("customer_not_found", 404)
    # In earlier versions nobody knows it, and the answer is as it was.
    reply = live.at("2026-07-31").get(f"/customers/{customer['id']}?asOf=2020-01-01T00:00:00Z").ok(200)
    assert reply.header("Clientele-Ignored") == "asOf"
    assert live.get(f"/customers/{customer['id']}?page=1").header("Clientele-Ignored") == "page"


def test_what_is_not_kept_is_not_made_up(live, db):
    """Of a change from before there was a history, and of one that was erased."""
    customer = live.create(externalId=uid())
    live.patch("/customers/" + customer["id"], {"fullName": "Ada"}).ok(200)
    known = live.patch("/customers/" + customer["id"], {"fullName": "Eve"}).ok(200).data
    live.patch("/customers/" + customer["id"], {"taxDocument": "T"}).ok(200)
    second = numbers_of(db, customer)[1]
    execute(db, "UPDATE event SET data = NULL, salt = NULL WHERE id = %s", second)
    as_of(live, customer["id"], customer["createdAt"]).error("history_not_kept", 404)
    assert as_of(live, customer["id"], known["updatedAt"]).ok(200).data["fullName"] == "Eve"
    row = history(live, customer["id"])[0][2]
    assert row["erased"] is True and (row["before"], row["after"]) == (None, None)
    execute(db, "UPDATE event SET seal = NULL, digest = NULL, source = NULL WHERE id = %s", second)
    as_of(live, customer["id"], customer["createdAt"]).error("history_not_kept", 404)
    row = history(live, customer["id"])[0][2]
    assert (row["erased"], row["actor"], row["requestId"]) == (False, None, None)


# ---------------------------------------------------------------- whether it holds


@pytest.fixture
def chain(database, db, url):
    """A customer with four changes in an organization of its own; verify() returns exit code, faults and output."""
    it = types.SimpleNamespace()
    organization = database.organization(uid("org"))
    it.client = Client(url, organization.key("live"))
    it.customer = it.client.create(externalId=uid())
    for n in range(4):
        it.client.patch("/customers/" + it.customer["id"], {"fullName": f"Name {n}", "metadata": {"n": n}}, idem=uid("k")).ok(200)
    it.numbers = numbers_of(db, it.customer)
    rows, _ = history(it.client, it.customer["id"])
    it.events = [row["id"] for row in reversed(rows)]

    def verify(*more):
        arguments = ("history", "verify", "--org", organization.name, "--env", "live", *more)
        found = database.clientele(*arguments, "--json", check=False)
        (it.told,) = json.loads(found.stdout) if found.stdout else ({"faults": []},)
        faults = [(fault["event"], fault["fault"].split(" ")[0]) for fault in it.told["faults"]]
        return found.returncode, faults, lambda: database.clientele(*arguments, check=False).stdout

    it.verify = verify
    return it


def test_a_chain_that_nobody_touched_holds(chain):
    for _ in range(3):
        chain.client.create(externalId=uid())
    code, faults, text = chain.verify()
    assert (code, faults) == (0, []) and text() == "4 customers, 8 events in their chains: all chains hold\n"
    assert chain.told == {"customers": 4, "events": 8, "broken": 0, "gone": 0, "erased": 0, "earlier": 0, "digest": None, "faults": []}
    code, faults, text = chain.verify("--customer", chain.customer["externalId"])
    assert code == 0 and text().startswith("1 customers, 5 events") and f"newest digest: {chain.told['digest']}\n" in text()


TAMPER = [
    ("UPDATE event SET data = '{\"before\":{\"fullName\":\"x\"},\"after\":{}}' WHERE id = {2}", 2, "its"),
    ("UPDATE event SET data = replace(data::text, 'Name 1', 'Name x')::json WHERE id = {2}", 2, "its"),
    ("UPDATE event SET created_at = created_at + interval '1 ms' WHERE id = {2}", 2, "does"),
    ("UPDATE event SET created_at = created_at - interval '1 day' WHERE id = {0}", 0, "does"),
    ("UPDATE event SET source = 'command' WHERE id = {4}", 4, "does"),
    ("UPDATE event SET source = split_part(source, ' ', 1) WHERE id = {0}", 0, "does"),
    ("UPDATE event SET type = 'customer.renamed' WHERE id = {3}", 3, "does"),
    ("UPDATE event SET type = 'hidden' WHERE id = {1}", 1, "does"),
    ("UPDATE event SET digest = NULL WHERE id = {2}", 2, "is"),
    ("UPDATE event SET digest = sha256('x') WHERE id = {2}", 2, "does"),
    ("UPDATE event SET data = NULL, salt = NULL, seal = NULL WHERE id = {2}", 2, "does"),
    ("UPDATE event SET data = NULL, salt = NULL WHERE id = {2}", 2, "its"),
    ("UPDATE event SET data = NULL WHERE id = {4}", 4, "its"),
    ("UPDATE event SET salt = 'x', seal = history_seal('x', data::text) WHERE id = {2}", 2, "does"),
    ("DELETE FROM event WHERE id = {0}", 1, "does"),
    ("DELETE FROM event WHERE id = {2}", 3, "does"),
    ("DELETE FROM event WHERE id = {4}", None, "the"),
    ("DELETE FROM event WHERE id IN ({0}, {1}, {2}, {3}, {4})", None, "the"),
    ("UPDATE customer SET history = sha256('x') WHERE external_id = '{own}'", None, "the"),
    ("UPDATE customer SET history = NULL WHERE external_id = '{own}'", None, "the"),
]


@pytest.mark.parametrize("sql, at, word", TAMPER, ids=[row[0][:70] for row in TAMPER])
def test_a_row_that_was_changed_or_removed_is_found_and_named(chain, db, sql, at, word):
    other = chain.client.create(externalId=uid())
    chain.client.patch("/customers/" + other["id"], {"fullName": "x"}).ok(200)
    text = sql
    for n, number in enumerate(chain.numbers):
        text = text.replace("{%d}" % n, str(number))
    assert execute(db, text.replace("{own}", chain.customer["externalId"])) >= 1
    code, faults, text = chain.verify()
    assert (code, faults) == (65, [(None if at is None else chain.events[at], word)])
    assert chain.verify("--customer", other["id"])[:2] == (0, [])


def test_a_row_that_was_inserted_is_found_and_named(chain, db):
    def insert(number, columns, values):
        execute(db, f"INSERT INTO event (environment_id, id, type, customer_id, created_at{columns}) OVERRIDING SYSTEM VALUE"
                f" SELECT environment_id, {number}, 'customer.updated', customer_id, created_at{values} FROM event WHERE id = %s", chain.numbers[2])

    # At the end and before the beginning, without a digest; and in the place of one that moves away, with that one's.
    newest = scalar(db, "SELECT max(id) + 1000000000 FROM event")
    for number in (newest, -newest):
        insert(number, "", "")
        code, faults, _ = chain.verify()
        assert code == 65 and [fault[1] for fault in faults] == ["is"]
        execute(db, "DELETE FROM event WHERE id = %s", number)
    insert(newest, ", digest", ", history_digest(digest, customer_id, 'customer.updated', created_at, 'service', NULL)")
    assert chain.verify()[:2] == (65, [(scalar_id(newest), "does")])
    execute(db, "DELETE FROM event WHERE id = %s", newest)
    assert chain.verify()[:2] == (0, [])


def scalar_id(number):
    digits, alphabet = "", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    for _ in range(22):
        number, digit = divmod(number, 62)
        digits = alphabet[digit] + digits
    return "evt_" + digits


def test_what_does_not_hold_is_told_to_people_too(chain, db):
    execute(db, "UPDATE event SET source = 'command' WHERE id = %s", chain.numbers[2])
    lines = chain.verify()[2]().splitlines()
    assert lines[0].split() == ["customer", "event", "fault"] and lines[1].split()[:2] == [chain.customer["id"], chain.events[2]]
    assert lines[-1] == "1 customers, 5 events in their chains: 1 chains do not hold"


def test_rows_that_changed_places_are_found_and_named(chain, db):
    a, b = chain.numbers[1], chain.numbers[2]
    spare = scalar(db, "SELECT max(id) + 1000000 FROM event")
    for before, after in ((a, spare), (b, a), (spare, b)):
        execute(db, "WITH gone AS (DELETE FROM event WHERE id = %s RETURNING *) INSERT INTO event (environment_id, id, type, customer_id, created_at,"
                " data, source, salt, seal, digest) OVERRIDING SYSTEM VALUE SELECT environment_id, %s, type, customer_id, created_at, data,"
                " source, salt, seal, digest FROM gone", before, after)
    code, faults, _ = chain.verify()
    assert (code, faults) == (65, [(chain.events[1], "does")])


def test_what_was_erased_leaves_the_chain_whole(chain, db):
    """Also of one who was merged into the customer, and of one whose merge was undone and who stays."""
    merged, stays = (chain.client.create(externalId=uid()) for _ in range(2))
    for other in (merged, stays):
        chain.client.patch("/customers/" + other["id"], {"fullName": "before"}).ok(200)
        chain.client.post(f"/customers/{chain.customer['id']}/merge", {"from": other["id"]}).ok(200)
    chain.client.post(f"/customers/{stays['id']}/unmerge").ok(200)
    chain.client.call("DELETE", "/customers/" + merged["id"]).ok(200)
    code, faults, text = chain.verify()
    assert (code, faults) == (0, []) and "7 of the events are erased" in text(), text()
    chain.client.patch("/customers/" + stays["id"], {"fullName": "after"}).ok(200)
    assert chain.verify()[0] == 0


def test_who_is_erased_leaves_a_chain_that_holds(chain, db):
    other = chain.client.create(externalId=uid())
    chain.client.call("DELETE", "/customers/" + chain.customer["id"]).ok(200)
    (sealed,) = rows(db, "SELECT count(*), count(data), count(salt), count(seal), count(digest) FROM event WHERE id = ANY (%s)", chain.numbers)
    assert sealed == (5, 0, 0, 4, 5)
    code, faults, text = chain.verify()
    assert (code, faults) == (0, []) and text().splitlines() == [
        "2 customers, 7 events in their chains: all chains hold", "1 of the customers are erased: their chains end with that",
        "4 of the events are erased: only the chain could be compared"]
    code, faults, text = chain.verify("--customer", chain.customer["id"])
    newest = scalar(db, "SELECT encode(digest, 'hex') FROM event WHERE id > %s AND type = 'customer.erased' ORDER BY id LIMIT 1", chain.numbers[4])
    assert (code, faults) == (0, []) and text().splitlines()[-1] == "newest digest: " + newest
    assert chain.verify("--customer", chain.customer["externalId"])[0] == 67
    assert chain.verify("--customer", "cus_" + "0" * 21 + "1")[0] == 67
    # A change to it is found as ever, and so is a row that was deleted without an erase.
    execute(db, "UPDATE event SET source = 'x' WHERE id = %s", chain.numbers[2])
    assert chain.verify()[:2] == (65, [(chain.events[2], "does")])
    execute(db, "DELETE FROM customer WHERE external_id = %s", other["externalId"])
    assert sorted(chain.verify()[1], key=str) == sorted([(chain.events[2], "does"), (None, "the")], key=str)


def test_archiving_merging_and_their_undoing_are_in_the_chain(chain, db):
    other = chain.client.create(externalId=uid())
    for what in ("archive", "restore"):
        chain.client.post(f"/customers/{chain.customer['id']}/{what}").ok(200)
    time = history(chain.client, chain.customer["id"])[0][0]["createdAt"]
    chain.client.post(f"/customers/{chain.customer['id']}/merge", {"from": other["id"]}).ok(200)
    (merged, *_), _ = history(chain.client, other["externalId"])
    number = scalar(db, "SELECT id::text FROM customer WHERE external_id = %s", other["externalId"])
    assert (merged["type"], merged["data"], merged["before"], merged["erased"]) == ("customer.merged", {"from": number}, None, False)
    assert merged["actor"]["type"] == "api_key" and merged["requestId"]
    shown = as_of(chain.client, other["id"], time).ok(200)
    assert shown.json["id"] == chain.customer["id"] == shown.header("Clientele-Merged")
    assert as_of(chain.client, chain.customer["externalId"], time).header("Clientele-Merged") is None
    assert chain.verify()[:2] == (0, [])
    chain.client.post(f"/customers/{other['id']}/unmerge").ok(200)
    assert [row["type"] for row in history(chain.client, other["id"])[0]] == ["customer.unmerged", "customer.created"]
    assert chain.verify()[:2] == (0, [])
    execute(db, "UPDATE event SET data = '{}' WHERE type = 'customer.unmerged' AND customer_id = %s", number)
    assert [fault[1] for fault in chain.verify()[1]] == ["its"]


def test_a_chain_begins_where_the_history_does(chain, db):
    """A customer from before the migration: its first events have no digest, and its row has none."""
    old = chain.client.create(externalId=uid())
    execute(db, "UPDATE event SET digest = NULL, source = NULL, type = 'customer.created' WHERE id = ANY (%s)", numbers_of(db, old))
    execute(db, "UPDATE customer SET history = NULL WHERE external_id = %s", old["externalId"])
    code, faults, text = chain.verify()
    assert (code, faults) == (0, []) and "1 customers have events from before there was a history" in text()
    for n in range(2):
        chain.client.patch("/customers/" + old["id"], {"fullName": str(n)}).ok(200)
    assert chain.verify("--customer", old["id"])[:2] == (0, [])
    execute(db, "UPDATE event SET source = 'x' WHERE id = %s", numbers_of(db, old)[1])
    assert chain.verify()[0] == 65


def test_chains_of_what_is_written_at_once_hold(chain, db):
    """Creates, batches, changes and merge patches that share commits, on the same customers."""
    owns = [uid() for _ in range(4)]
    merge = {"Content-Type": "application/merge-patch+json"}

    def work(n):
        own = owns[n % 4]
        chain.client.post("/customers", {"email": mail(), "externalId": own}, idem=uid("k"))
        chain.client.batch([{"email": mail(), "externalId": other} for other in (*owns, uid())], idem=uid("k"))
        for k in range(3):
            chain.client.patch("/customers/" + own, {"fullName": f"{n} {k}"}, idem=uid("k")).ok(200)
            chain.client.patch("/customers/" + own, {"metadata": {f"m{n}": k}}, headers=merge, idem=uid("k")).ok(200)

    in_parallel([lambda n=n: work(n) for n in range(12)])
    code, faults, text = chain.verify()
    assert (code, faults) == (0, []), text()
    for own in owns:
        rows = walk(chain.client, own, 100)
        assert [row["type"] for row in rows].count("customer.created") == 1 and len(rows) == 19
        # Each before is what the one before it left.
        now = {}
        for row in reversed(rows[:-1]):
            assert all(now.get(name, value) == value for name, value in row["before"].items())
            now.update(row["after"])
        shown = chain.client.fetch(own)
        assert all(shown[name] == value for name, value in now.items())
