"""A successor of a key: POST /api-keys/{id}/rotate."""

import time
from datetime import datetime, timedelta, timezone

import pytest

from helpers import VERSIONS, at_least, dumps, execute, in_parallel, nothing_written, scalar, uid

CUSTOMERS = "/customers?limit=1"
SAME = ("name", "permissions", "allowedAddresses")


def make(client, **more):
    return client.post("/api-keys", {"name": uid("key"), **more}).ok(201).data


def rotate(client, key, body=None, **more):
    return client.post(f"/api-keys/{key['id']}/rotate", body, **more)


def row(client, key):
    return client.get("/api-keys/" + key["id"]).ok(200).data


def moment(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)


@pytest.mark.parametrize("body, hours, more", [
    (None, 24, {}), ({}, 24, {"permissions": {"customer": ["read"]}}), ([], 24, {"permissions": {}}), ({"graceHours": None}, 24, {"expiresInDays": 30}),
    ({"graceHours": 1}, 1, {"allowedAddresses": ["127.0.0.0/8", "::1/128"]}), ({"graceHours": 720}, 720, {})], ids=str)
def test_a_successor_has_all_that_the_old_one_has(new_org, body, hours, more):
    org = new_org()
    for client in (org.live, org.sandbox):
        old = make(client, **more)
        before = row(client, old)
        reply = rotate(client, old, body).ok(201)
        new = reply.data
        assert set(new) == set(old) and {name: new[name] for name in SAME} == {name: old[name] for name in SAME}
        assert new["id"] != old["id"] and new["apiKey"] != old["apiKey"] and new["apiKey"].startswith(old["apiKey"].rsplit("_", 1)[0])
        assert reply.header("Location") == "/api/v1/api-keys/" + new["id"]
        life = moment(old["expiresAt"]) - moment(old["createdAt"])
        assert moment(new["expiresAt"]) - moment(new["createdAt"]) == life
        assert row(client, new)["expiresAt"] == new["expiresAt"]
        after = row(client, old)
        left = moment(after["expiresAt"]) - datetime.now(timezone.utc)
        assert after["expiresAt"] == min(before["expiresAt"], after["expiresAt"]) and timedelta(0) < left <= timedelta(hours=hours)
        assert {name: after[name] for name in set(after) - {"expiresAt", "lastUsedAt"}} == {name: before[name] for name in set(before) - {"expiresAt", "lastUsedAt"}}
        may = more.get("permissions", {"customer": ["read"]}) != {}
        for key in (old, new):
            assert client.with_key(key["apiKey"]).get(CUSTOMERS).status == (200 if may else 403)


def test_without_grace_the_old_one_ends_within_a_second(live):
    old = make(live)
    live.with_key(old["apiKey"]).get(CUSTOMERS).ok(200)
    new = rotate(live, old, {"graceHours": 0}).ok(201).data
    end = time.monotonic() + 1.2  # workers trust a key that they have seen for at most a second
    while time.monotonic() < end:
        live.with_key(new["apiKey"]).get(CUSTOMERS).ok(200)
    live.with_key(old["apiKey"]).get(CUSTOMERS).error("unauthorized", 401)
    rotate(live, old).error("api_key_not_found", 404)


def test_the_old_one_ends_when_its_time_has_come(live, db):
    old = make(live)
    new = rotate(live, old, {"graceHours": 2}).ok(201).data
    # As if two hours had passed.
    assert execute(db, "UPDATE api_key SET expires_at = expires_at - interval '2 h' WHERE name = %s AND successor IS NOT NULL", old["name"]) == 1
    live.with_key(old["apiKey"]).get(CUSTOMERS).error("unauthorized", 401)
    live.with_key(new["apiKey"]).get(CUSTOMERS).ok(200)


def test_a_key_without_an_end_has_a_successor_without_one(new_org):
    client = new_org().live
    (own,) = client.get("/api-keys").ok(200).data
    assert own["expiresAt"] is None
    new = rotate(client, own).ok(201).data
    assert new["expiresAt"] is None and row(client, new)["expiresAt"] is None


def test_a_key_may_rotate_itself(live):
    old = make(live, expiresInDays=30)
    new = rotate(live.with_key(old["apiKey"]), old).ok(201).data
    # A key that was stolen cannot make itself live for ever.
    assert new["expiresAt"] == old["expiresAt"]
    live.with_key(new["apiKey"]).get(CUSTOMERS).ok(200)
    assert rotate(live.with_key(new["apiKey"]), new).ok(201).data["expiresAt"] == old["expiresAt"]


@pytest.mark.parametrize("hours", [-1, 721, 1.5, "1", True, [], {}, 2**64])
def test_a_broken_grace_is_named(live, db, hours):
    old = make(live)
    with nothing_written(db):
        rotate(live, old, {"graceHours": hours}, idem=uid("k")).invalid("graceHours")


def test_only_a_key_that_may_do_everything_rotates(live, db):
    old = make(live)
    almost = live.with_key(make(live, permissions={name: ["read", "write"] for name in (
        "customer", "api_key", "plan", "plan_group", "subscription", "test_clock", "invoice")})["apiKey"])
    with nothing_written(db):
        for key in (old, {"id": "nobody"}):
            assert "all permissions" in rotate(almost, key).error("forbidden", 403)["message"]


def test_it_gives_nobody_a_key_for_elsewhere(live, db):
    here = live.with_key(make(live, allowedAddresses=["127.0.0.0/8", "::1/128"])["apiKey"])
    anywhere, elsewhere, less = make(live), make(live, allowedAddresses=["127.0.0.1", "192.0.2.1"]), make(live, allowedAddresses=["127.0.0.1"])
    with nothing_written(db):
        for key in (anywhere, elsewhere):
            assert rotate(here, key, idem=uid("k")).error("forbidden", 403)["param"] == "id"
    assert rotate(here, less).ok(201).data["allowedAddresses"] == ["127.0.0.1/32"]


def test_it_gives_nobody_another_rate(new_org, db):
    org = new_org()
    limited, free = make(org.live), make(org.live)
    assert execute(db, "UPDATE api_key SET rate_limit = '1000/s burst 1000', limit_of = NULL WHERE name = %s", limited["name"]) == 1
    slow = org.live.with_key(limited["apiKey"])
    assert "rate limit" in rotate(slow, free).error("forbidden", 403)["message"]
    successor = slow.with_key(rotate(slow, limited).ok(201).data["apiKey"])
    assert scalar(db, "SELECT rate_limit FROM api_key WHERE name = %s AND successor IS NULL", limited["name"]) == "1000/s burst 1000"
    # They share it, whichever of them is used.
    assert rotate(successor, make(successor)).ok(201).data["apiKey"]


def test_keys_of_other_environments_do_not_exist(live, sandbox, other_live, db):
    mine = make(live)
    with nothing_written(db):
        for outsider in (sandbox, other_live):
            rotate(outsider, mine).error("api_key_not_found", 404)
        for nobody in ("nobody", "key_" + "0" * 22, mine["apiKey"]):
            rotate(live, {"id": nobody}).error("api_key_not_found", 404)


def test_a_key_has_one_successor_however_many_ask(live, db):
    old = make(live)
    replies = in_parallel([lambda: rotate(live, old, idem=uid("k"))] * 12)
    made = [reply.data for reply in replies if reply.status == 201]
    assert len(made) == 1
    for reply in replies:
        if reply.status != 201:
            error = reply.error("conflict", 409)
            assert made[0]["id"] in error["message"] and error["param"] == "id"
    assert scalar(db, "SELECT count(*) FROM api_key WHERE name = %s", old["name"]) == 2
    for key in (old, made[0]):
        live.with_key(key["apiKey"]).get(CUSTOMERS).ok(200)
    # The successor has one, too.
    rotate(live, made[0]).ok(201)


def test_a_repeated_request_rotates_once_and_tells_it_again(live, db):
    old, idem, body = make(live), uid("k"), dumps({"graceHours": 0})
    replies = in_parallel([lambda: rotate(live, old, body, idem=idem)] * 6)
    assert {(reply.status, reply.body) for reply in replies} == {(201, replies[0].body)}
    assert sum(reply.header("Idempotent-Replayed") == "true" for reply in replies) == 5
    # Also when the old one has ended.
    again = rotate(live, old, body, idem=idem)
    assert (again.status, again.body, again.header("Idempotent-Replayed")) == (201, replies[0].body, "true")
    assert scalar(db, "SELECT count(*) FROM api_key WHERE name = %s", old["name"]) == 2
    secret = replies[0].data["apiKey"].rsplit("_", 1)[1][-16:]
    for table in ("api_key", "idempotency_key"):
        assert scalar(db, f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s", f"%{secret}%") == 0


@pytest.mark.parametrize("version", [version for version in VERSIONS if not at_least(version, "2026-08-27")])
def test_before_2026_08_27_there_is_none(live, db, version):
    old = make(live)
    with nothing_written(db):
        rotate(live.at(version), old).error("endpoint_not_available", 404)
