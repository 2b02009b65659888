"""Contract section 5: the same key, the same answer."""

import threading
import time

import pytest

from helpers import (CURRENT, LEGACY, VERSIONS, dumps, escape, execute, first, hold_key, in_parallel, mail, nothing_written, raw_post,
                     replayed, row_counts, same_again, scalar, uid)


ADDRESS = {"line1": "1", "city": "c", "postalCode": "p", "country": "AR", "line2": "é"}
BODIES = [
    ("least", lambda: dumps({"email": mail()})), ("own id", lambda: dumps({"email": mail(), "externalId": uid()})),
    ("all", lambda: dumps({
        "billingEmail": mail(), "id": uid(), "fullName": "é😀\n\"\\", "taxDocument": "T", "timezone": "Asia/Tokyo",
        "address": ADDRESS, "isActive": False, "addressId": "123e4567-e89b-12d3-a456-426614174000", "unknown": [1]
    })),
    ("metadata text", lambda: b'{"email":"text@example.com","metadata":{ "n" : 1.10, "u":"\\u00e9" , "b":1,"a":2e5}}'),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("what, make", BODIES, ids=[b[0] for b in BODIES])
def test_a_repeated_create_is_answered_from_memory(live, db, version, what, make):
    client, key, body = live.at(version), uid("k"), make()
    original = first(client.post("/customers", body, idem=key), 201)
    customer = original.customer()
    with nothing_written(db):
        for _ in range(3):
            same_again(client.post("/customers", body, idem=key), original)
    # What happens to the customer later does not change the stored answer.
    live.patch(
        "/customers/" + customer["id"], {
            "fullName": "Later", "email": "later@example.com", "metadata": {"later": 1}, "externalId": uid(),
            "taxDocument": "L", "timezone": "UTC", "address": {**ADDRESS, "country": "US"}
        }).ok(200)
    live.at(LEGACY).put("/customers/" + customer["id"], {"isActive": True}).ok(200)
    same_again(client.post("/customers", body, idem=key), original)


@pytest.mark.parametrize("version", [LEGACY, "2026-06-07", CURRENT])
def test_a_repeated_create_of_an_existing_customer_is_answered_from_memory(live, version):
    client, key, own = live.at(version), uid("k"), uid()
    live.create(externalId=own, fullName="Stored", metadata={"a": 1})
    body = dumps({"email": mail(), "externalId": own, "fullName": "Asked"})
    original = first(client.post("/customers", body, idem=key), 200)
    assert original.customer()["fullName"] == "Stored"
    live.patch("/customers/" + escape(own), {"fullName": "Later", "metadata": {"b": 2}}).ok(200)
    same_again(client.post("/customers", body, idem=key), original)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_repeated_update_is_answered_from_memory(live, db, version, method):
    client, key = live.at(version), uid("k")
    customer = live.create(externalId=uid(), metadata={"a": 1}, taxDocument="T", address=ADDRESS)
    body = dumps({"fullName": "Once", "timezone": "Asia/Dubai"})
    original = first(client.call(method, "/customers/" + customer["id"], body, idem=key), 200)
    with nothing_written(db):
        same_again(client.call(method, "/customers/" + customer["id"], body, idem=key), original)
    live.patch("/customers/" + customer["id"],
               {"fullName": "Later", "metadata": {}, "externalId": uid(), "taxDocument": "L"}).ok(200)
    same_again(client.call(method, "/customers/" + customer["id"], body, idem=key), original)
    assert live.fetch(customer["id"])["fullName"] == "Later"


def test_a_repeated_update_by_external_id_is_answered_though_the_id_is_gone(live):
    customer, key, new = live.create(externalId=uid()), uid("k"), uid()
    path, body = "/customers/" + customer["externalId"], dumps({"externalId": new})
    original = first(live.put(path, body, idem=key), 200)
    same_again(live.put(path, body, idem=key), original)


def test_a_repeated_empty_update_is_answered_from_memory(live):
    customer, key = live.create(fullName="Was"), uid("k")
    original = first(live.put("/customers/" + customer["id"], {}, idem=key), 200)
    live.put("/customers/" + customer["id"], {"fullName": "Is"}).ok(200)
    same_again(live.put("/customers/" + customer["id"], {}, idem=key), original)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_repeated_batch_is_answered_from_memory(live, db, version):
    client, key = live.at(version), uid("k")
    old, own = live.create(externalId=uid(), fullName="Old", metadata={"o": 1}), uid()
    body = dumps({
        "customers": [{"email": mail(), "fullName": "New", "metadata": {"m": 1}},
                      {"email": mail(), "id": old["externalId"]}, {"email": "broken", "x": [1.5]},
                      {"email": mail(), "externalId": own, "taxDocument": "T",
                       "address": ADDRESS}, {"email": mail(), "externalId": own}, {"email": mail(), "timezone": "no"}, ]
    })
    original = first(client.post("/customers/batch", body, idem=key), 200)
    with nothing_written(db):
        same_again(client.post("/customers/batch", body, idem=key), original)
    for entry in original.data["successful"]:
        live.patch(
            "/customers/" + entry["id"],
            {"fullName": "Later", "email": "later@example.com", "metadata": {"l": 1}, "externalId": uid()}).ok(200)
    live.create(externalId=own)
    same_again(client.post("/customers/batch", body, idem=key), original)


def test_a_batch_in_which_all_fail_is_answered_the_same(live):
    key, body = uid("k"), dumps({"customers": [{"email": "broken"}]})
    original = first(live.post("/customers/batch", body, idem=key), 200)
    assert live.post("/customers/batch", body, idem=key).body == original.body


def test_a_largest_batch_is_answered_from_memory(live):
    key, body = uid("k"), dumps(
        {"customers": [{"email": mail(), "id": uid(), "metadata": {"x": "y" * 5000}} for _ in range(100)]})
    original = first(live.at(LEGACY).post("/customers/batch", body, idem=key), 200)
    same_again(live.at(LEGACY).post("/customers/batch", body, idem=key), original)


def test_a_conflict_of_an_update_is_remembered(live):
    taken, customer, key = live.create(externalId=uid()), live.create(), uid("k")
    path, body = "/customers/" + customer["id"], {"externalId": taken["externalId"]}
    original = live.put(path, body, idem=key)
    original.error("duplicate", 409)
    assert not replayed(original)
    live.put("/customers/" + taken["id"], {"externalId": uid()}).ok(200)
    same_again(live.put(path, body, idem=key), original)
    live.put(path, body, idem=uid("k")).customer(200)


# ---------------------------------------------------------------- mismatch


def test_the_same_key_for_anything_else_is_a_mismatch(live, db):
    key, own, body = uid("k"), uid(), {"email": mail(), "fullName": "x"}
    customer = live.create(externalId=own)
    original = first(live.post("/customers", body, idem=key), 201)
    others = [
        lambda: live.post("/customers", {**body, "fullName": "y"}, idem=key),
        lambda: live.post("/customers", {**body, "metadata": {}}, idem=key),
        lambda: live.post("/customers", {**body, "fullName": None}, idem=key),
        lambda: live.post("/customers/batch", {"customers": [body]}, idem=key),
        lambda: live.post("/customers/batch", {**body, "customers": [body]}, idem=key),
        lambda: live.put("/customers/" + customer["id"], body, idem=key),
        lambda: live.patch("/customers/" + customer["id"], body, idem=key),
        lambda: live.at("2026-07-24").post("/customers", body, idem=key),
        lambda: live.at(LEGACY).post("/customers", body, idem=key),
        lambda: live.post("/customers", {"email": mail(), "externalId": own}, idem=key),
    ]
    with nothing_written(db):
        for other in others:
            reply = other()
            reply.error("idempotency_key_mismatch", 409)
            assert not replayed(reply)
    same_again(live.post("/customers", body, idem=key), original)
    assert live.fetch(customer["id"]) == live.fetch(own)


def test_the_same_request_in_other_words_is_the_same_request(live, db):
    """A retry by a program whose maps have no order, or whose encoder escapes otherwise."""
    key = uid("k")
    original = first(
        live.post("/customers", b'{"email":"a@b.co","fullName":"\xc3\xa9\\/","metadata":{"b":[1,{"y":2,"x":null}],"a":"\xf0\x9f\x98\x80"}}',
                  idem=key), 201)
    with nothing_written(db):
        for body in (b' { "email" : "a\\u0040b.co" ,\n"fullName":"\\u00e9/",\t"metadata":{"a":"\\ud83d\\ude00","b":[1,{"x":null,"y":2}]}} ',
                     b'{"metadata":{"\\u0061":"\xf0\x9f\x98\x80","b":[1,{"y":2,"x":null}]},"fullName":"\xc3\xa9/","email":"a@b.co"}'):
            same_again(live.post("/customers", body, idem=key), original)
        for body in (b'{"email":"a@b.co","fullName":"\xc3\xa9/","metadata":{"b":[{"y":2,"x":null},1],"a":"\xf0\x9f\x98\x80"}}',
                     b'{"email":"a@b.co","fullName":"\xc3\xa9/","metadata":{"b":[1.0,{"y":2,"x":null}],"a":"\xf0\x9f\x98\x80"}}'):
            live.post("/customers", body, idem=key).error("idempotency_key_mismatch", 409)


@pytest.mark.parametrize("members", [16, 17, 42, 43, 200, 999])
def test_a_body_may_have_many_members(live, members):
    """The C library's sort makes a system call from 43 on, which ends a worker in its sandbox."""
    key, names = uid("k"), [f"m{i * 7919 % members}" for i in range(members)]
    original = first(live.post("/customers", {"email": "a@b.co", "metadata": {name: 1 for name in names}}, idem=key), 201)
    same_again(live.post("/customers", {"metadata": {name: 1 for name in sorted(names)}, "email": "a@b.co"}, idem=key), original)


def test_an_update_of_another_customer_is_a_mismatch(live):
    one, two, key, body = live.create(externalId=uid()), live.create(), uid("k"), {"fullName": "x"}
    first(live.put("/customers/" + one["id"], body, idem=key), 200)
    live.put("/customers/" + two["id"], body, idem=key).error("idempotency_key_mismatch", 409)
    live.patch("/customers/" + one["id"], body, idem=key).error("idempotency_key_mismatch", 409)
    live.put("/customers/" + one["id"], {"fullName": "y"}, idem=key).error("idempotency_key_mismatch", 409)


def test_the_current_version_is_the_same_operation_with_and_without_its_header(live):
    key, body = uid("k"), {"email": mail()}
    original = first(live.post("/customers", body, idem=key), 201)
    same_again(live.at(CURRENT).post("/customers", body, idem=key), original)


# ---------------------------------------------------------------- keys


def test_quotes_make_no_other_key(live):
    key, body = uid("k"), {"email": mail()}
    original = first(live.post("/customers", body, idem=f'"{key}"'), 201)
    same_again(live.post("/customers", body, idem=key), original)
    same_again(live.post("/customers", body, idem=f'"{key}"'), original)


GOOD_KEYS = [
    "x", "0", "sdk_1700000000000_abc123", "commet-node-retry-3f0c9a1e-0000-4000-8000-000000000000",
    "!#$%&'()*+,-./:;<=>?@[]^_`{|}~", "x" * 255, '"' + "q" * 255 + '"', "a=b;c", "'); DROP TABLE idempotency_key; --",
    "\\", "%00", "A", "a"
]


@pytest.mark.parametrize("key", GOOD_KEYS)
@pytest.mark.both_fronts
def test_keys_of_1_to_255_printable_letters_serve(live, front, key):
    # Keys of this list are fixed, so each front server has an environment's worth of its own body.
    body = {"email": f"{front}-key@example.com", "externalId": f"{front}-{key}"[:100]}
    if front != "nginx":
        key = key if len(key) > 200 else (key + "L")
        if len(key) > 200:
            key = key.replace("x", "y").replace("q", "r")
    original = first(live.post("/customers", body, idem=key), 201)
    same_again(live.post("/customers", body, idem=key), original)


def test_keys_differ_by_case(live):
    one, two = uid("case"), None
    two = one.upper()
    first(live.post("/customers", {"email": mail()}, idem=one), 201)
    first(live.post("/customers", {"email": mail()}, idem=two), 201)


BAD_KEYS = [
    b"x" * 256, b"x" * 1000, b'"' + b"x" * 256 + b'"', b'""', b"k\xc3\xa9y", b"\xff", b"a\tb", "ключ".encode(),
    b"\xe2\x82\xac"
]


@pytest.mark.parametrize("key", BAD_KEYS)
@pytest.mark.parametrize("target", [b"/api/v1/customers", b"/api/customers", b"/api/v1/customers/batch"])
@pytest.mark.both_fronts
def test_other_keys_are_refused(live, db, target, key):
    with nothing_written(db):
        body = dumps({"email": mail(), "customers": [{"email": mail()}]})
        error = raw_post(live, target, body, b"Idempotency-Key: " + key).error("validation_error", 400)
        assert error["param"] == "Idempotency-Key"
        assert [d["field"] for d in error["details"]] == ["Idempotency-Key"]


def test_an_empty_key_is_refused(live, db):
    with nothing_written(db):
        raw_post(live, b"/api/v1/customers", dumps({"email": mail()}),
                 b"Idempotency-Key:").error("validation_error", 400)


@pytest.mark.parametrize("method", [b"PUT", b"PATCH"])
def test_other_keys_are_refused_for_updates(live, method):
    customer = live.create()
    target = b"/api/v1/customers/" + customer["id"].encode()
    raw_post(live, target, b'{"fullName":"x"}', b"Idempotency-Key: " + b"x" * 256,
             method=method).error("validation_error", 400)
    assert live.fetch(customer["id"])["fullName"] is None


@pytest.mark.parametrize("two", [(b"one", b"two"), (b"same", b"same")])
def test_two_key_headers_are_refused(live, db, two):
    with nothing_written(db):
        lines = [b"Idempotency-Key: " + uid("k").encode() + two[0], b"idempotency-key: " + uid("k").encode() + two[1]]
        error = raw_post(live, b"/api/v1/customers", dumps({"email": mail()}), *lines).error("validation_error", 400)
        assert error["param"] == "Idempotency-Key"


def test_without_a_key_nothing_is_remembered(live, db):
    before = row_counts(db)["idempotency_key"]
    for _ in range(3):
        assert not replayed(live.post("/customers", {"email": "again@example.com"}))
    assert row_counts(db)["idempotency_key"] == before


# ---------------------------------------------------------------- what is not stored


def test_a_refused_request_leaves_its_key_free(live):
    key, own = uid("k"), uid()
    live.post("/customers", {"email": "broken"}, idem=key).error("validation_error", 400)
    live.post("/customers", b"{", idem=key).error("invalid_json", 400)
    live.with_key("nonsense").post("/customers", {"email": mail()}, idem=key).error("unauthorized", 401)
    live.put("/customers/" + own, {"fullName": "x"}, idem=key).error("customer_not_found", 404)
    live.post("/customers/batch", {"customers": []}, idem=key).error("validation_error", 400)
    live.call("DELETE", "/customers", headers={"Idempotency-Key": key}).error("method_not_allowed", 405)
    first(live.post("/customers", {"email": mail(), "externalId": own}, idem=key), 201)


def test_an_update_of_nobody_leaves_its_key_free(live):
    key, own = uid("k"), uid()
    live.put("/customers/" + own, {"fullName": "x"}, idem=key).error("customer_not_found", 404)
    live.create(externalId=own)
    assert first(live.put("/customers/" + own, {"fullName": "x"}, idem=key), 200).customer()["fullName"] == "x"


def test_reading_takes_no_key(live, db):
    customer = live.create()
    before = row_counts(db)
    for _ in range(2):
        for path in ("/customers?limit=1", "/customers/" + customer["id"]):
            assert not replayed(live.get(path, idem="reading"))
    assert row_counts(db) == before


def test_environments_do_not_share_keys(live, sandbox, other_live, other_sandbox):
    key, body = uid("k"), {"email": mail(), "externalId": uid()}
    replies = [
        first(client.post("/customers", body, idem=key), 201) for client in (live, sandbox, other_live, other_sandbox)
    ]
    assert len({reply.customer()["id"] for reply in replies}) == 4
    for client, original in zip((live, sandbox, other_live, other_sandbox), replies):
        same_again(client.post("/customers", body, idem=key), original)


def test_two_keys_of_one_environment_share_idempotency_keys(new_org):
    org = new_org()
    key, body, second = uid("k"), {"email": mail()}, org.live.with_key(org.key("live"))
    original = first(org.live.post("/customers", body, idem=key), 201)
    same_again(second.post("/customers", body, idem=key), original)


# ---------------------------------------------------------------- time


def age(db, key, hours):
    assert execute(db, "UPDATE idempotency_key SET created_at = created_at - %s * interval '1 hour' WHERE key = %s",
                   hours, key) == 1


def test_a_key_lives_for_24_hours(live, db):
    key, body = uid("k"), {"email": mail()}
    original = first(live.post("/customers", body, idem=key), 201)
    age(db, key, 23.9)
    same_again(live.post("/customers", body, idem=key), original)
    live.post("/customers", {"email": mail()}, idem=key).error("idempotency_key_mismatch", 409)


@pytest.mark.parametrize("same", [True, False])
def test_after_24_hours_a_key_is_a_new_one(live, db, same):
    key, body = uid("k"), {"email": mail()}
    original = first(live.post("/customers", body, idem=key), 201)
    age(db, key, 24.1)
    body = body if same else {"email": mail()}
    again = first(live.post("/customers", body, idem=key), 201)
    assert again.customer()["id"] != original.customer()["id"]
    same_again(live.post("/customers", body, idem=key), again)


def test_an_expired_key_serves_updates_and_batches_anew(live, db):
    customer, key = live.create(), uid("k")
    first(live.put("/customers/" + customer["id"], {"fullName": "1"}, idem=key), 200)
    age(db, key, 25)
    first(live.put("/customers/" + customer["id"], {"fullName": "2"}, idem=key), 200)
    assert live.fetch(customer["id"])["fullName"] == "2"
    age(db, key, 25)
    first(live.post("/customers/batch", {"customers": [{"email": mail()}]}, idem=key), 200)


# ---------------------------------------------------------------- at the same time


@pytest.mark.parametrize(
    "path, make", [("/customers", lambda: {"email": mail()}),
                   ("/customers", lambda: {"email": mail(), "externalId": uid()}),
                   ("/customers/batch",
                    lambda: {"customers": [{"email": mail(), "id": uid()}, {"email": mail()}, {"email": "broken"}]}), ],
    ids=["create", "create with an id", "batch"])
def test_twins_are_one_request(live, db, path, make):
    for _ in range(5):
        key, body, before = uid("k"), dumps(make()), row_counts(db)
        replies = in_parallel([lambda: live.post(path, body, idem=key)] * 12)
        assert len({(reply.status, reply.body) for reply in replies}) == 1
        assert replies[0].status in (200, 201)
        assert [replayed(reply) for reply in replies].count(False) == 1
        after = row_counts(db)
        assert after["idempotency_key"] - before["idempotency_key"] == 1
        assert after["customer"] - before["customer"] == (1 if path == "/customers" else 2)


def test_twins_of_an_update_are_one_request(live):
    for i in range(5):
        customer, key = live.create(), uid("k")
        replies = in_parallel([lambda: live.patch("/customers/" + customer["id"], {"fullName": f"n{i}"}, idem=key)] *
                              12)
        assert len({(reply.status, reply.body) for reply in replies}) == 1
        assert [replayed(reply) for reply in replies].count(False) == 1


def test_twins_with_different_bodies_are_one_request_and_mismatches(live, db):
    for _ in range(5):
        key, before = uid("k"), row_counts(db)["customer"]
        replies = in_parallel(
            [lambda i=i: live.post("/customers", {"email": f"t{i}@example.com"}, idem=key) for i in range(8)])
        assert sorted(reply.status for reply in replies) == [201] + [409] * 7
        assert {reply.json["code"] for reply in replies if reply.status == 409} == {"idempotency_key_mismatch"}
        assert row_counts(db)["customer"] - before == 1


@pytest.fixture
def second_db(connect):
    """Another connection, with transactions of its own."""
    connection = connect()
    connection.autocommit = False
    yield connection
    connection.rollback()
    connection.close()


def test_a_twin_waits_for_the_first_one_and_replays_it(live, second_db, db):
    key, body, answers = uid("k"), {"email": mail(), "externalId": uid()}, []
    execute(second_db, "LOCK TABLE customer IN SHARE ROW EXCLUSIVE MODE")  # nobody inserts until this ends
    threads = [
        threading.Thread(target=lambda: answers.append(live.post("/customers", body, idem=key))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
        time.sleep(0.2)
    time.sleep(0.8)
    assert answers == []
    second_db.rollback()
    for thread in threads:
        thread.join(20)
    assert sorted(replayed(reply) for reply in answers) == [False, True]
    assert {reply.status for reply in answers} == {201}
    assert len({reply.body for reply in answers}) == 1
    assert scalar(db, "SELECT count(*) FROM customer WHERE external_id = %s", body["externalId"]) == 1


def test_a_twin_that_waits_too_long_is_told_so(live, second_db, db):
    key, own = uid("k"), uid()
    first(live.post("/customers", {"email": mail()}, idem=key + "-pattern"), 201)
    hold_key(second_db, db, key)
    with nothing_written(db):
        started = time.monotonic()
        reply = live.post("/customers", {"email": mail(), "externalId": own}, idem=key)
        reply.error("idempotency_in_progress", 409)
        assert not replayed(reply)
        assert time.monotonic() - started < 15
    second_db.rollback()
    live.missing(own)
    first(live.post("/customers", {"email": mail(), "externalId": own}, idem=key), 201)


def test_a_request_waits_while_another_uses_its_key_and_runs_when_that_one_fails(live, second_db, db):
    key, answers, body = uid("k"), [], {"email": mail()}
    first(live.post("/customers", {"email": mail()}, idem=key + "-pattern"), 201)
    hold_key(second_db, db, key)
    thread = threading.Thread(target=lambda: answers.append(live.post("/customers", body, idem=key)))
    thread.start()
    time.sleep(0.7)
    assert answers == []
    second_db.rollback()
    thread.join(20)
    first(answers[0], 201)


def test_200_creates_of_one_external_id_give_one_customer(live, db):
    own, before = uid("race"), row_counts(db)
    replies = in_parallel(
        [lambda: live.post("/customers", {"email": mail(), "externalId": own}, idem=uid("k")) for _ in range(200)])
    assert {reply.status for reply in replies} <= {200, 201}
    assert len({reply.customer()["id"] for reply in replies}) == 1
    results = [reply.header("Clientele-Result") for reply in replies]
    assert results.count("created") == 1 and results.count("existing") == 199
    assert [reply.status for reply in replies].count(201) == 1
    after = row_counts(db)
    assert after["customer"] - before["customer"] == 1
    assert after["event"] - before["event"] == 1
    assert scalar(db, "SELECT count(*) FROM customer WHERE external_id = %s", own) == 1


def test_creates_of_one_external_id_without_keys_give_one_customer_too(live):
    for _ in range(10):
        own = uid("race")
        replies = in_parallel(
            [lambda: live.post("/customers", {"email": mail(), "externalId": own}) for _ in range(16)])
        assert len({reply.customer()["id"] for reply in replies}) == 1
        assert sorted(reply.status for reply in replies) == [200] * 15 + [201]


# ---------------------------------------------------------------- the memory itself is away


@pytest.mark.parametrize("right", ["INSERT", "SELECT, INSERT, DELETE"])
def test_when_keys_cannot_be_stored_nothing_is_done(live, db, right):
    key, own = uid("k"), uid()
    execute(db, f"REVOKE {right} ON idempotency_key FROM clientele_serve")
    try:
        with nothing_written(db):
            for call in (lambda: live.post("/customers", {"email": mail(), "externalId": own}, idem=key), lambda: live.
                         post("/customers/batch", {"customers": [{"email": mail(), "externalId": own}]}, idem=key)):
                reply = call()
                reply.error("idempotency_unavailable", 503)
                assert not replayed(reply)
        live.missing(own)
        live.create()  # without a key all goes on
    finally:
        execute(db, "GRANT SELECT, INSERT, DELETE ON idempotency_key TO clientele_serve")
    first(live.post("/customers", {"email": mail(), "externalId": own}, idem=key), 201)
