"""Entity tags, changes on a condition, merge patches, and changes that change nothing."""

import json
import time

import pytest

from helpers import (CURRENT, LEGACY, VERSIONS, dumps, execute, first, in_parallel, mail, nothing_written, row_counts, same_again, scalar, uid)

ADDRESS = {"line1": "1 Road", "line2": "Back", "city": "Bern", "postalCode": "3000", "country": "CH"}
MERGE = {"Content-Type": "application/merge-patch+json"}
BAD = ["abc", '"a', '"a" "b"', '"a b"', ",".join('"a"' for _ in range(17)), '"' + "a" * 1100 + '"']


def made(live, **fields):
    """A customer with everything, and its path."""
    customer = live.create(externalId=uid(), fullName="Ada", taxDocument="T-1", timezone="Asia/Tokyo",
                           metadata={"a": 1, "n": {"x": 1, "y": 2}}, address=ADDRESS, **fields)
    return customer, "/customers/" + customer["id"]


def tag(reply):
    found = reply.header("ETag")
    assert found, repr(reply)
    return found


def revision(db, customer):
    return scalar(db, "SELECT revision FROM customer WHERE external_id = %s", customer["externalId"])


class unchanged:
    """with unchanged(db, customer): ... the row is the same one afterwards, and there is no new event."""

    def __init__(self, db, customer):
        self.look = lambda: (row_counts(db), scalar(db, "SELECT c::text || c.xmin FROM customer c WHERE external_id = %s", customer["externalId"]))

    def __enter__(self):
        self.before = self.look()

    def __exit__(self, kind, value, trace):
        if kind is None:
            assert self.look() == self.before


# ---------------------------------------------------------------- tags


@pytest.mark.parametrize("version", VERSIONS)
def test_every_answer_with_one_customer_has_its_tag(live, version):
    client = live.at(version)
    reply = client.post("/customers", {"email" if version >= "2026-06-07" and version != LEGACY else "billingEmail": mail(), "externalId": uid()})
    customer, path = reply.customer(201), "/customers/" + reply.data["id"]
    assert tag(reply) == f'"{customer["id"]}.1.{version}"'
    again = client.post("/customers", {"billingEmail": mail(), "externalId": customer["externalId"]})
    assert (again.status, tag(again)) == (200, tag(reply))
    # The tag of a write is the one that a read has then, by either id.
    for some in (path, "/customers/" + customer["externalId"]):
        assert tag(client.get(some)) == tag(client.call("HEAD", some)) == tag(reply)
    for number, method in enumerate(("PUT", "PATCH"), 2):
        changed = client.call(method, path, {"fullName": str(number)})
        assert tag(changed) == tag(client.get(path)) == f'"{customer["id"]}.{number}.{version}"'


def test_who_archives_restores_or_merges_can_go_on_with_the_tag_of_the_answer(live):
    one, other = live.create(externalId=uid()), live.create(externalId=uid())
    for n, (path, body) in enumerate(((f"{one['id']}/archive", None), (f"{one['id']}/restore", None), (f"{one['id']}/merge", {"from": other["id"]}),
                                      (f"{other['id']}/unmerge", None))):
        reply = live.post("/customers/" + path, body).ok(200)
        changed = live.patch("/customers/" + path.partition("/")[0], {"fullName": f"n{n}"}, headers={"If-Match": tag(reply)}).ok(200)
        assert tag(changed) != tag(reply) and changed.json["fullName"] == f"n{n}"


def test_no_two_texts_of_one_path_have_the_same_tag(live, sandbox, db):
    own = uid()
    one, two = live.create(externalId=own), sandbox.create(externalId=own)
    tags = {tag(client.at(version).get("/customers/" + own)) for client in (live, sandbox) for version in VERSIONS}
    assert len(tags) == 2 * len(VERSIONS)
    assert one["id"] != two["id"]


def test_a_subscription_makes_another_tag_and_does_not_stop_a_change(live, new_org):
    caller = new_org().live
    plan = caller.post("/plans", {"name": "Pro", "code": uid("pro").replace("-", "_").lower(), "isFree": True}).ok(201).data
    customer = caller.create(externalId=uid())
    path = "/customers/" + customer["id"]
    before = caller.get(path)
    caller.post("/subscriptions", {"customerId": customer["id"], "planCode": plan["code"]}).ok(201)
    after = caller.get(path)
    assert after.data["subscription"] and tag(after) != tag(before)
    assert tag(after).startswith(tag(before)[:-1] + ".")
    # Nobody who knows the customer alone is told that nothing has changed.
    assert caller.get(path, headers={"If-None-Match": tag(before)}).status == 200
    assert caller.get(path, headers={"If-None-Match": tag(after)}).status == 304
    assert caller.patch(path, {"fullName": "x"}, headers={"If-Match": tag(after)}).status == 200
    assert caller.patch(path, {"fullName": "y"}, headers={"If-Match": tag(after)}).status == 412


@pytest.mark.all_fronts
def test_a_known_answer_is_not_sent_again(live):
    customer, path = made(live)
    reply = live.get(path)
    for sent in (tag(reply), "W/" + tag(reply), f'"other", {tag(reply)}', tag(reply)[:-1] + '-gzip"', "*"):
        for method in ("GET", "HEAD"):
            known = live.call(method, path, headers={"If-None-Match": sent})
            assert (known.status, known.body, tag(known)) == (304, b"", tag(reply)), sent
    # A connection that was kept goes on behind it.
    assert live.get(path).body == reply.body
    for sent in ('"other"', tag(reply)[:-1] + '.0"', *BAD):
        assert live.get(path, headers={"If-None-Match": sent}).ok(200).body == reply.body
    live.patch(path, {"fullName": "Later"}).ok(200)
    assert live.get(path, headers={"If-None-Match": tag(reply)}).status == 200
    assert live.at("2026-07-24").get(path, headers={"If-None-Match": tag(live.get(path))}).status == 200


# ---------------------------------------------------------------- changes on a condition


@pytest.mark.all_fronts
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("content", [None, MERGE["Content-Type"]], ids=["json", "merge"])
def test_a_change_is_made_only_to_the_state_that_is_named(live, db, method, content):
    customer, path = made(live)
    old, type_ = tag(live.get(path)), {"Content-Type": content} if content else {}
    new = tag(live.call(method, path, {"fullName": "one"}, headers={"If-Match": old, **type_}).ok(200))
    assert new != old
    with unchanged(db, customer):
        for stale in (old, f'{old}, "x"', '"x"', f'"{customer["id"]}.3.{CURRENT}"', f'"{customer["id"]}"', f'"cus_{"0" * 22}.2.{CURRENT}"'):
            for body in ({"fullName": "two"}, {}):
                refused = live.call(method, path, body, headers={"If-Match": stale, **type_})
                assert refused.error("precondition_failed", 412)["param"] == "If-Match"
            # What is wrong with a change is said before what it is made to.
            live.call(method, path, {"fullName": 7}, headers={"If-Match": stale, **type_}).invalid("fullName")
            live.call(method, path, b"{", headers={"If-Match": stale, **type_}).error("invalid_json", 400)
        for bad in BAD:
            live.call(method, path, {"fullName": "two"}, headers={"If-Match": bad, **type_}).invalid("If-Match")
    for good in (new, "*", f'"x", {old}, {tag(live.get(path))}', "W/" + tag(live.get(path)), tag(live.get(path))[:-1] + '-gzip"'):
        now = tag(live.get(path))
        good = good if good == "*" or now[1:-1] in good else now
        assert live.call(method, path, {"fullName": uid()}, headers={"If-Match": good, **type_}).status == 200, good
    live.call(method, "/customers/" + uid(), {"fullName": "x"}, headers={"If-Match": "*", **type_}).error("customer_not_found", 404)
    live.call(method, "/customers/" + uid(), {"fullName": "x"}, headers={"If-Match": old, **type_}).error("customer_not_found", 404)


def test_the_tag_of_one_version_holds_in_another(live):
    customer, path = made(live)
    for version in VERSIONS:
        sent = tag(live.get(path))
        assert live.at(version).put(path, {"fullName": uid()}, headers={"If-Match": sent}).status == 200


@pytest.mark.parametrize("version", [LEGACY, CURRENT])
def test_fifty_clients_that_count_lose_nothing(live, db, version):
    client = live.at(version)
    customer = client.create(externalId=uid(), metadata={"count": 0})
    path, refused = "/customers/" + customer["id"], []

    def add():
        while True:
            read = client.get(path)
            count = read.data["metadata"]["count"] + 1
            reply = client.put(path, {"metadata": {"count": count}}, headers={"If-Match": tag(read)}, idem=uid("k"))
            if reply.status == 200:
                return
            reply.error("precondition_failed", 412)
            refused.append(count)

    in_parallel([add] * 50)
    assert client.fetch(customer["id"])["metadata"] == {"count": 50}
    assert revision(db, customer) == 51 and refused


def test_fifty_merge_patches_at_once_are_all_there(live, db):
    customer, path = made(live)
    replies = in_parallel([lambda n=n: live.patch(path, {"metadata": {f"k{n}": n, "n": {f"x{n}": n}}}, headers=MERGE, idem=uid("k"))
                           for n in range(50)])
    assert [reply.status for reply in replies] == [200] * 50
    metadata = live.fetch(customer["id"])["metadata"]
    assert metadata == {"a": 1, "n": {"x": 1, "y": 2, **{f"x{n}": n for n in range(50)}}, **{f"k{n}": n for n in range(50)}}
    assert len({tag(reply) for reply in replies}) == 50 and revision(db, customer) == 51


# ---------------------------------------------------------------- merge patches


PATCHES = [
    ({"fullName": None}, {"fullName": None}),
    ({"taxDocument": None}, {"taxDocument": None, "documentType": None}),
    ({"address": None}, {"address": None, "documentType": "TAX_ID"}),
    ({"externalId": None}, {"externalId": None}),
    ({"id": None}, {"externalId": None}),
    ({"id": None, "externalId": None}, {"externalId": None}),
    ({"id": "", "externalId": None}, {"externalId": None}),
    ({"metadata": None}, {"metadata": {}}),
    ({"metadata": {"a": None}}, {"metadata": {"n": {"x": 1, "y": 2}}}),
    ({"metadata": {"n": {"x": None}}}, {"metadata": {"a": 1, "n": {"y": 2}}}),
    ({"metadata": {"n": {"x": [None]}, "b": {"c": None}}}, {"metadata": {"a": 1, "n": {"x": [None], "y": 2}, "b": {}}}),
    ({"metadata": {"n": 5}}, {"metadata": {"a": 1, "n": 5}}),
    ({"metadata": []}, {"metadata": {}}),
    ({"address": {"city": "Basel", "line2": None, "region": None}},
     {"address": {"line1": "1 Road", "city": "Basel", "postalCode": "3000", "country": "CH"}}),
    ({"email": "new@example.com", "timezone": "UTC"}, {"email": "new@example.com", "timezone": "UTC"}),
    ({"unknown": None, "createdAt": None}, {}),
    ({}, {}),
]


@pytest.mark.parametrize("patch, effect", PATCHES, ids=[dumps(p[0]).decode()[:60] for p in PATCHES])
@pytest.mark.parametrize("idem", [False, True])
def test_a_merge_patch_takes_away_what_is_null_and_leaves_the_rest(live, db, patch, effect, idem):
    customer, path = made(live)
    before = live.fetch(customer["id"])
    reply = live.patch(path, patch, headers=MERGE, idem=uid("k") if idem else None)
    answered, read = reply.customer(200), live.get(path)
    after = read.customer(200)
    assert {**before, **effect, "updatedAt": after["updatedAt"]} == after
    assert answered == {name: after[name] for name in answered} and tag(reply) == tag(read)
    assert (tag(read) == f'"{customer["id"]}.1.{CURRENT}"') == (not effect)


def test_a_merge_patch_keeps_the_text_of_what_it_does_not_touch(live):
    customer = live.create(b'{"email":"text@example.com","metadata":{ "n" : 1.10, "u":"\\u00e9" , "b":1}}')
    reply = live.patch("/customers/" + customer["id"], b'{"metadata":{"b":null,"c":2e5}}', headers=MERGE).ok(200)
    assert b'"metadata":{"n":1.10,"u":"\\u00e9","c":2e5}' in reply.body


@pytest.mark.parametrize("patch, fields", [
    ({"email": None}, ["email"]), ({"billingEmail": None}, ["billingEmail"]), ({"timezone": None}, ["timezone"]),
    ({"address": {"city": None}}, ["address.city"]), ({"address": {"country": "XX"}}, ["address.country"]),
    ({"metadata": 5}, ["metadata"]), ({"metadata": {"big": "x" * 16384}}, ["metadata"]),
    ({"metadata": {str(n): n for n in range(1000)}}, ["metadata"]), ({"metadata": {str(n): None for n in range(3000)}}, ["metadata"]),
    ({"externalId": "x", "id": None}, ["id"]), ({"email": None, "billingEmail": None}, ["email", "billingEmail"]),
    ({"email": "no", "timezone": None, "fullName": 5}, ["email", "timezone", "fullName"]),
])
def test_a_merge_patch_obeys_the_rules_of_a_change(live, db, patch, fields):
    customer, path = made(live)
    with unchanged(db, customer):
        live.patch(path, patch, headers=MERGE).invalid(*fields)
        live.patch(path, patch, headers=MERGE, idem=uid("k")).invalid(*fields)
    live.patch("/customers/" + uid(), {"fullName": None}, headers=MERGE).error("customer_not_found", 404)


def test_a_merge_patch_that_takes_a_taken_external_id_is_refused(live, db):
    customer, path = made(live)
    other = live.create(externalId=uid())
    with unchanged(db, customer):
        live.patch(path, {"externalId": other["externalId"], "fullName": None}, headers=MERGE).error("duplicate", 409)


@pytest.mark.parametrize("content", ["application/merge-patch+json; charset=utf-8", "Application/Merge-Patch+JSON"])
@pytest.mark.parametrize("version", [LEGACY, "2026-06-07", CURRENT])
@pytest.mark.both_fronts
def test_a_merge_patch_is_known_by_its_type_in_all_versions(live, content, version):
    customer, path = made(live)
    assert live.at(version).patch(path, {"fullName": None}, headers={"Content-Type": content}).ok(200).data["fullName"] is None
    # Without it null means 'not given'.
    live.at(version).patch(path, {"fullName": "Back"}).ok(200)
    for other in ("application/json", "application/merge-patch", "text/plain"):
        assert live.at(version).patch(path, {"fullName": None}, headers={"Content-Type": other}).ok(200).data["fullName"] == "Back"


@pytest.mark.parametrize("patch, name", [
    ({"fullName": "Ann", "legalName": None}, "Ann"), ({"displayName": "Ann", "legalName": None}, "Ann"), ({"legalName": None}, None),
    ({"legalName": None, "fullName": None, "displayName": None}, None)])
def test_an_old_name_that_is_null_has_no_effect_beside_another_one(live, patch, name):
    _, path = made(live)
    assert live.at(LEGACY).patch(path, patch, headers=MERGE).ok(200).data["fullName"] == name


def test_what_a_patch_does_not_know_is_told_once(live):
    customer, path = made(live)
    reply = live.patch(path, {"nickname": None, "address": {"planet": 1}, "fullName": "x"}, headers=MERGE, idem=uid("k")).ok(200)
    assert sorted(reply.header("Clientele-Ignored").split(", ")) == ["address.planet", "nickname"]


# ---------------------------------------------------------------- changes that change nothing


@pytest.mark.parametrize("headers", [{}, MERGE], ids=["json", "merge"])
@pytest.mark.parametrize("idem", [False, True])
def test_a_change_to_what_is_there_already_changes_nothing(live, db, headers, idem):
    customer, path = made(live)
    before = live.get(path)
    body = {"fullName": "Ada", "email": customer["email"], "externalId": customer["externalId"], "taxDocument": "T-1", "timezone": "Asia/Tokyo",
            "address": ADDRESS, "metadata": customer["metadata"]}
    execute(db, "UPDATE customer SET updated_at = updated_at + interval '1 ms' WHERE external_id = %s", customer["externalId"])
    with unchanged_but_records(db, customer):
        for given in (body, *({name: value} for name, value in body.items())):
            reply = live.patch(path, given, headers=headers, idem=uid("k") if idem else None)
            assert reply.customer(200)["updatedAt"] > customer["updatedAt"]
            assert tag(reply) == tag(before)
    # One value that differs is a change.
    assert tag(live.patch(path, {**body, "timezone": "UTC"}, headers=headers)) != tag(before)


class unchanged_but_records(unchanged):
    """The same, but for records of idempotency keys."""

    def __init__(self, db, customer):
        super().__init__(db, customer)
        look, self.look = self.look, lambda: [{name: count for name, count in part.items() if name != "idempotency_key"}
                                              if isinstance(part, dict) else part for part in look()]


@pytest.mark.parametrize("headers", [{}, MERGE], ids=["json", "merge"])
def test_an_address_in_other_escapes_is_no_change(live, db, headers):
    text = r'{"line1":"\u0031 \"Road\"\/\u005c","city":"Z\u00fcrich \ud83d\ude00","postalCode":"\u0001\t","country":"\u0043H"}'
    address = json.loads(text)
    customer = live.create(address=address)
    path = "/customers/" + customer["id"]
    before = live.get(path).ok(200)
    assert before.data["address"] == address
    with unchanged_but_records(db, customer):
        for sent in (text, json.dumps(address), json.dumps(address, ensure_ascii=False)):
            body = f'{{"address":{sent}}}'.encode()
            assert tag(live.patch(path, body, headers=headers).ok(200)) == tag(before)
    # Nor are two spellings of one value two values.
    body = r'{"address":{"line1":"1 Road","city":"Bern","postalCode":"\u0033000","postal_code":"3000","country":"CH"}}'
    live.at(LEGACY).patch(path, body.encode(), headers=headers).ok(200)


def test_metadata_in_other_words_is_a_change(live, db):
    customer = live.create(b'{"email":"text@example.com","metadata":{"a":1}}')
    reply = live.patch("/customers/" + customer["id"], b'{"metadata":{"a": 1}}').ok(200)
    assert b'"metadata":{"a": 1}' in reply.body and tag(reply) == f'"{customer["id"]}.2.{CURRENT}"'


# ---------------------------------------------------------------- with an Idempotency-Key


def test_a_repeated_change_is_answered_though_its_state_is_gone(live, db):
    customer, path = made(live)
    key, old = uid("k"), tag(live.get(path))
    original = first(live.patch(path, {"fullName": "one"}, headers={"If-Match": old}, idem=key), 200)
    live.patch(path, {"fullName": "two"}).ok(200)
    with nothing_written(db):
        again = same_again(live.patch(path, {"fullName": "one"}, headers={"If-Match": old}, idem=key), original)
    assert tag(again) == tag(original)
    assert live.fetch(customer["id"])["fullName"] == "two"


def test_condition_and_type_are_a_part_of_what_a_key_stands_for(live, db):
    customer, path = made(live)
    key, now = uid("k"), tag(live.get(path))
    first(live.patch(path, {"fullName": "one"}, headers={"If-Match": now}, idem=key), 200)
    with nothing_written(db):
        for headers in ({}, {"If-Match": "*"}, {"If-Match": tag(live.get(path))}, {"If-Match": now, **MERGE}, MERGE):
            live.patch(path, {"fullName": "one"}, headers=headers, idem=key).error("idempotency_key_mismatch", 409)


def test_a_change_that_was_refused_can_be_tried_again_with_its_key(live):
    customer, path = made(live)
    key, old = uid("k"), tag(live.get(path))
    live.patch(path, {"fullName": "one"}).ok(200)
    for _ in range(2):
        live.patch(path, {"fullName": "two"}, headers={"If-Match": old}, idem=key).error("precondition_failed", 412)


def test_a_change_waits_for_another_one_and_then_sees_it(live, connect):
    """A change that began before another one was committed is judged by what that one left."""
    customer, path = made(live)
    old = tag(live.get(path))
    held = connect()
    held.autocommit = False
    assert execute(held, "UPDATE customer SET full_name = 'held', revision = revision + 1 WHERE external_id = %s", customer["externalId"]) == 1

    def release():
        deadline = time.monotonic() + 30
        while not scalar(watch, "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')"):
            assert time.monotonic() < deadline
        held.commit()

    watch = connect()
    reply, _ = in_parallel([lambda: live.patch(path, {"taxDocument": "T-2"}, headers={"If-Match": old}), release])
    reply.error("precondition_failed", 412)
    assert (live.fetch(customer["id"])["fullName"], live.fetch(customer["id"])["taxDocument"]) == ("held", "T-1")


def test_who_was_changed_meanwhile_is_not_archived_restored_or_erased(live, db):
    customer = live.create(externalId=uid())
    path = "/customers/" + customer["id"]
    old, events = tag(live.get(path).ok(200)), "SELECT count(*) FROM event WHERE customer_id = (SELECT id FROM customer WHERE external_id = %s)"
    new = tag(live.patch(path, {"fullName": "one"}).ok(200))
    for method, call in (("POST", "/archive"), ("POST", "/restore"), ("DELETE", "")):
        for key in (None, uid("k")):
            refused = live.call(method, path + call, headers={"If-Match": old}, **({"idem": key} if key else {}))
            assert refused.error("precondition_failed", 412)["param"] == "If-Match"
        live.call(method, path + call, headers={"If-Match": "x"}).invalid("If-Match")
        live.call(method, "/customers/" + uid() + call, headers={"If-Match": old}).error("customer_not_found", 404)
    assert scalar(db, events, customer["externalId"]) == 2 and not live.fetch(customer["id"]).get("archivedAt")
    archived = live.post(path + "/archive", headers={"If-Match": f"{old}, {new}"}).ok(200)
    assert archived.json["archivedAt"]
    live.post(path + "/restore", headers={"If-Match": new}).error("precondition_failed", 412)
    restored = live.post(path + "/restore", headers={"If-Match": tag(archived)}).ok(200)
    live.post(path + "/restore", headers={"If-Match": "*"}).ok(200)
    live.call("DELETE", path, headers={"If-Match": tag(restored)}).ok(200)
    live.get(path).error("customer_not_found", 404)


def test_who_was_changed_meanwhile_is_not_merged_and_no_merge_of_it_undone(live, db):
    one, other = live.create(externalId=uid()), live.create(externalId=uid())
    paths, old = ["/customers/" + some["id"] for some in (one, other)], tag(live.get("/customers/" + one["id"]))
    for path in paths:
        new = tag(live.patch(path, {"fullName": "changed"}).ok(200))

    def refused(path, body):
        for stale in (old, '"x"', f'{old}, "x"') + (() if path.endswith("/unmerge") else (new,)):
            for key in (None, uid("k")):
                sent = live.post(path, body, headers={"If-Match": stale}, **({"idem": key} if key else {}))
                assert sent.error("precondition_failed", 412)["param"] == "If-Match"
        live.post(path, body, headers={"If-Match": "x"}).invalid("If-Match")
        assert live.post(path, body, headers={"If-None-Match": "*"}).error("precondition_failed", 412)["param"] == "If-None-Match"

    refused(paths[0] + "/merge", {"from": other["id"]})
    assert tag(live.get(paths[1])) == new  # the state of the other one is not asked for
    merged = live.post(paths[0] + "/merge", {"from": other["id"]}, headers={"If-Match": tag(live.get(paths[0]))}).ok(200)
    refused(paths[0] + "/merge", {"from": other["id"]})
    refused(paths[1] + "/unmerge", None)
    # That is the state of the one to whom the id leads.
    assert tag(live.get(paths[1])) == tag(merged)
    assert live.post(paths[1] + "/unmerge", headers={"If-Match": tag(merged)}).ok(200).data["id"] == other["id"]


def test_what_is_there_is_not_changed_if_none_may_be(live, db):
    customer, path = made(live)
    calls = [(method, path, {"fullName": "x"}, type_) for method in ("PUT", "PATCH") for type_ in ({}, MERGE)]
    calls += [("PATCH", path, {}, {}), ("DELETE", path, None, {}), *(("POST", path + "/" + what, None, {}) for what in ("archive", "restore"))]
    with unchanged(db, customer):
        for method, where, body, type_ in calls:
            for more in ({}, {"If-Match": "*"}, {"If-Match": tag(live.get(path))}):
                refused = live.call(method, where, body, headers={"If-None-Match": "*", **type_, **more}, idem=uid("k"))
                assert refused.error("precondition_failed", 412)["param"] == "If-None-Match", (method, where)
            # A tag would have to be compared with what is there when it is done: that is what If-Match is for.
            live.call(method, where, body, headers={"If-None-Match": tag(live.get(path)), **type_}).invalid("If-None-Match")
    live.patch("/customers/" + uid(), {"fullName": "x"}, headers={"If-None-Match": "*"}).error("customer_not_found", 404)
    key = uid("k")
    first(live.patch(path, {"fullName": "one"}, idem=key), 200)
    live.patch(path, {"fullName": "one"}, headers={"If-None-Match": "*"}, idem=key).error("idempotency_key_mismatch", 409)


@pytest.mark.parametrize("version", [LEGACY, CURRENT])
def test_a_read_of_another_state_than_is_named_is_refused(live, version):
    client = live.at(version)
    _, path = made(live)
    old = tag(client.get(path))
    client.patch(path, {"fullName": "one"}).ok(200)
    new = tag(client.get(path))
    for method in ("GET", "HEAD"):
        for stale in (old, f'{old}, "x"', '"x"'):
            refused = client.call(method, path, headers={"If-Match": stale, "If-None-Match": new})
            assert refused.status == 412 and (method == "HEAD" or refused.error("precondition_failed", 412)["param"] == "If-Match")
        for good in (new, f"{old}, {new}", "*"):
            assert client.call(method, path, headers={"If-Match": good}).status == 200
            assert client.call(method, path, headers={"If-Match": good, "If-None-Match": new}, checked=False).status == 304
        assert client.call(method, path, headers={"If-Match": BAD[0]}).status == 400
    client.get("/customers/" + uid(), headers={"If-Match": old}).error("customer_not_found", 404)
