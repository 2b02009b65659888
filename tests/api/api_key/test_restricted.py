"""Keys that may do less than everything, or be used from certain addresses alone."""

import time

import pytest

from helpers import VERSIONS, at_least, dumps, execute, nothing_written, raw_get, scalar, uid

CUSTOMERS = "/customers?limit=1"


def restricted(client, permissions, **more):
    """A client with such a key."""
    return client.with_key(client.post("/api-keys", {"name": uid("key"), "permissions": permissions, **more}).ok(201).data["apiKey"])


def forbidden(reply, permission):
    error = reply.error("forbidden", 403)
    assert error["details"] == {"permission": permission} and permission in error["message"] and error["type"] == "authentication_error"
    return error


@pytest.mark.parametrize("permissions, shown", [
    ({"customer": ["read"]}, None), ({"customer": ["read", "write"], "plan_group": ["read"]}, None), ({}, None), ([], {}),
    ({"customer": ["write", "read", "read"], "plan": []}, {"customer": ["read", "write"]}), ({"plan": None, "customer": ["read"]}, {"customer": ["read"]}),
    ({"planGroup": ["read"], "testClock": ["read"]}, {"plan_group": ["read"], "test_clock": ["read"]})], ids=str)
def test_a_restricted_key_is_made_and_shown_with_its_permissions(new_org, permissions, shown):
    org, shown = new_org(), permissions if shown is None else shown
    for client, prefix in ((org.live, "rk_live_"), (org.sandbox, "rk_sandbox_")):
        made = client.post("/api-keys", {"name": "narrow", "permissions": permissions}).ok(201).data
        assert made["apiKey"].startswith(prefix) and made["prefix"] == made["apiKey"][:len(prefix) + 4]
        assert (made["permissions"], made["allowedAddresses"]) == (shown, None)
        for row in (client.get("/api-keys/" + made["id"]).ok(200).data, client.get("/api-keys").ok(200).data[0]):
            assert (row["id"], row["prefix"], row["permissions"], row["allowedAddresses"]) == (made["id"], made["prefix"], shown, None)
    assert org.live.get("/api-keys").ok(200).data[-1]["permissions"] is None


@pytest.mark.parametrize("version", [version for version in VERSIONS if at_least(version, "2026-05-25")])
def test_a_restricted_key_is_restricted_in_every_version(live, version):
    reader = restricted(live, {"customer": ["read"]}).at(version)
    customer = live.create()
    assert reader.fetch(customer["id"])["id"] == customer["id"]
    forbidden(reader.post("/customers", {"email": "a@b.co"}, idem=uid("k")), "customer:write")
    forbidden(reader.get("/api-keys"), "api_key:read")
    row = live.at(version).get("/api-keys").ok(200).data[0]
    assert ("permissions" in row) == at_least(version, "2026-08-27")


@pytest.mark.parametrize("base", ["/api", ""])
def test_a_restricted_key_is_restricted_on_every_base(live, base):
    reader = restricted(live, {"plan": ["read"]}).on(base)
    reader.get("/plans").ok(200)
    forbidden(reader.get(CUSTOMERS), "customer:read")


def test_it_learns_nothing_of_what_it_may_not_read(live, other_live, db):
    """The same answer, whether there is such a thing or not, and before the body or the query is judged."""
    writer, nobody = restricted(live, {"plan": ["read", "write"]}), restricted(live, {})
    mine, theirs = live.create(), other_live.create()
    with nothing_written(db):
        for client in (writer, nobody):
            answers = [client.get("/customers/" + some) for some in (mine["id"], theirs["id"], "nobody", "cus_" + "0" * 22)]
            assert len({(reply.status, reply.body) for reply in answers}) == 1
            forbidden(answers[0], "customer:read")
            for reply in (client.get("/customers?limit=x&cursor=x"), client.call("HEAD", "/customers", checked=False)):
                assert reply.status == 403
            forbidden(client.post("/customers", b"{"), "customer:write")
            forbidden(client.call("PATCH", "/customers/" + mine["id"], {}), "customer:write")
    # What needs no key at all is nobody's secret.
    nobody.get("/openapi.json").ok(200)
    nobody.get("/nothing").error("not_found", 404)
    nobody.call("DELETE", "/customers").error("method_not_allowed", 405)


def test_a_replay_is_for_those_who_may_write(live, db):
    reader, writer = restricted(live, {"customer": ["read"]}), restricted(live, {"customer": ["read", "write"]})
    idem, body = uid("k"), dumps({"email": "a@b.co", "id": uid("own")})
    first = live.post("/customers", body, idem=idem).ok(201)
    with nothing_written(db):
        forbidden(reader.post("/customers", body, idem=idem), "customer:write")
        again = writer.post("/customers", body, idem=idem)
    assert (again.status, again.body, again.header("Idempotent-Replayed")) == (201, first.body, "true")


def test_a_key_makes_no_key_that_may_do_more(live, db):
    nobody = restricted(live, {"customer": ["read", "write"]})
    lister = restricted(live, {"api_key": ["read"]})
    maker = restricted(live, {"api_key": ["read", "write"], "customer": ["read"], "plan": ["read", "write"]})
    with nothing_written(db):
        forbidden(nobody.post("/api-keys", {"name": "x", "permissions": {}}), "api_key:write")
        forbidden(lister.post("/api-keys", {"name": "x", "permissions": {}}), "api_key:write")
        for more, missing in (({"customer": ["read", "write"]}, "customer:write"), ({"invoice": ["read"]}, "invoice:read"),
                              ({"customer": ["read"], "test_clock": ["read", "write"]}, "test_clock:read")):
            assert forbidden(maker.post("/api-keys", {"name": "x", "permissions": more}, idem=uid("k")), missing)["param"] == "permissions"
        for all_of_it in ({}, {"permissions": None}):
            error = maker.post("/api-keys", {"name": "x", **all_of_it}).error("forbidden", 403)
            assert error["param"] == "permissions" and "restricted" in error["message"]
        # An older version cannot say it, so it cannot make one.
        maker.at("2026-07-31").post("/api-keys", {"name": "x"}).error("forbidden", 403)
    child = restricted(maker, {"api_key": ["read", "write"], "customer": ["read"]})
    child.get(CUSTOMERS).ok(200)
    forbidden(child.get("/plans"), "plan:read")
    forbidden(child.post("/api-keys", {"name": "x", "permissions": {"plan": ["read"]}}), "plan:read")
    restricted(child, {"customer": ["read"]}).get(CUSTOMERS).ok(200)
    forbidden(restricted(child, {}).get(CUSTOMERS), "customer:read")


def test_a_restricted_key_deletes_no_keys(live, db):
    other = live.post("/api-keys", {"name": "x"}).ok(201).data
    everything = {name: ["read", "write"] for name in ("customer", "api_key", "plan", "plan_group", "subscription", "test_clock", "invoice")}
    almost = restricted(live, everything)
    with nothing_written(db):
        for some in (other["id"], "nobody"):
            error = almost.call("DELETE", "/api-keys/" + some).error("forbidden", 403)
            assert error["details"] is None and "all permissions" in error["message"]
    live.call("DELETE", "/api-keys/" + other["id"]).ok(200)


def test_a_restricted_key_sees_its_environment_and_no_other(live, sandbox, other_live):
    everything = {"customer": ["read", "write"], "api_key": ["read", "write"]}
    customer = live.create()
    restricted(live, everything).fetch(customer["id"])
    for outsider in (sandbox, other_live):
        restricted(outsider, everything).missing(customer["id"])


def test_its_last_use_is_noted_when_it_was_refused(live, db):
    made = live.post("/api-keys", {"name": uid("used"), "permissions": {}}).ok(201).data
    assert scalar(db, "SELECT last_used_at FROM api_key WHERE name = %s", made["name"]) is None
    live.with_key(made["apiKey"]).get(CUSTOMERS).error("forbidden", 403)
    assert scalar(db, "SELECT last_used_at > now() - interval '1 minute' FROM api_key WHERE name = %s", made["name"])
    # And again, a minute later, by a replay and by a refusal for its address.
    limited = live.post("/api-keys", {"name": uid("used"), "allowedAddresses": ["192.0.2.0/24"]}).ok(201).data
    body, idem = {"email": "a@b.co"}, uid("k")
    writer = live.post("/api-keys", {"name": uid("used")}).ok(201).data
    live.with_key(writer["apiKey"]).post("/customers", body, idem=idem).ok(201)
    execute(db, "UPDATE api_key SET last_used_at = now() - interval '61 s' WHERE name = ANY (%s)", [limited["name"], writer["name"]])
    noted = "SELECT last_used_at > now() - interval '1 minute' FROM api_key WHERE name = %s"
    for key, status in ((limited, 403), (writer, 201)):
        end = time.monotonic() + 10  # a worker that has just seen it trusts it for a second
        while not scalar(db, noted, key["name"]):
            assert time.monotonic() < end, "its use is never noted again"
            assert live.with_key(key["apiKey"]).post("/customers", body, idem=idem).status == status


# ---------------------------------------------------------------- addresses

HERE = ["127.0.0.0/8", "::1/128"]


@pytest.mark.all_fronts
def test_the_address_is_the_one_that_the_front_server_sees(live):
    here, elsewhere = (live.post("/api-keys", {"name": uid("key"), "allowedAddresses": addresses}).ok(201).data for addresses in (HERE, ["192.0.2.0/24"]))
    assert here["allowedAddresses"] == HERE and here["permissions"] is None and here["apiKey"].startswith("ck_live_")
    live.with_key(here["apiKey"]).get(CUSTOMERS).ok(200)
    lying = {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1", "X-Real-IP": "192.0.2.1", "Remote-Addr": "192.0.2.1", "True-Client-IP": "192.0.2.1"}
    for headers in ({}, lying):
        error = live.with_key(elsewhere["apiKey"]).get(CUSTOMERS, headers=headers).error("forbidden", 403)
        assert (error["message"], error["details"]) == ("This API key may not be used from this address.", None)
    live.with_key(here["apiKey"]).get(CUSTOMERS, headers=lying).ok(200)
    raw = raw_get(live.with_key(elsewhere["apiKey"]), (live.base + CUSTOMERS).encode(), b"Remote_Addr: 192.0.2.1", b"REMOTE-ADDR: 192.0.2.1")
    assert raw.status == 403


def test_an_address_is_asked_for_before_permissions(live):
    key = restricted(live, {}, allowedAddresses=["192.0.2.0/24"])
    assert "address" in key.get(CUSTOMERS).error("forbidden", 403)["message"]


def test_a_key_makes_no_key_for_elsewhere(live, db):
    maker = live.with_key(live.post("/api-keys", {"name": "x", "allowedAddresses": HERE}).ok(201).data["apiKey"])
    assert maker.post("/api-keys", {"name": "x"}).ok(201).data["allowedAddresses"] == HERE
    assert maker.post("/api-keys", {"name": "x", "allowedAddresses": ["127.0.0.1"]}).ok(201).data["allowedAddresses"] == ["127.0.0.1/32"]
    with nothing_written(db):
        for more in (["127.0.0.0/7"], ["192.0.2.1"], ["127.0.0.1", "::/0"], ["0.0.0.0/0"], ["126.0.0.0/7"]):
            reply = maker.post("/api-keys", {"name": "x", "allowedAddresses": more}, idem=uid("k"))
            assert reply.status == (400 if more == ["127.0.0.0/7"] else 403)
            assert reply.json["error"]["param"].startswith("allowedAddresses")
    older = maker.at("2026-05-25").post("/api-keys", {"name": "x"}).ok(201).data
    assert live.get("/api-keys/" + older["id"]).ok(200).data["allowedAddresses"] == HERE
