"""CONTRACT-BILLING section 1: the prices of a plan."""

import pytest

from helpers import CURRENT, VERSIONS, at_least, first, in_parallel, nothing_written, same_again, scalar, uid
from resources import by_name, members

INTERVALS = ["weekly", "monthly", "quarterly", "semiannual", "yearly", "one_time"]
NOBODY = "prc_" + "0" * 22
code = by_name("plan").value

NESTED = members("billingInterval", "price", "isDefault", "trialDays", ("introOffer", VERSIONS[0], "2026-07-24"),
                 *((name, "2026-06-07", None) for name in ("includedBalance", "includedCredits", "regionalPrices")),
                 *((name, "2026-07-24", None) for name in ("id", "offerId", "inheritsFromPriceId", "metadata", "marketPrices")))
OURS = members(("object", "2026-05-25", None), ("livemode", "2026-05-25", None))


def object_in(version):
    return {"2026-05-25": "plan_price"}.get(version, "plan_price" if at_least(version, "2026-07-24") else "plan")


@pytest.fixture
def plan(live):
    return live.post("/plans", {"name": "A plan", "code": code(), "isPublic": True}).ok(201).data


def add(client, plan, interval="monthly", price=100, **more):
    return client.post(f"/plans/{plan['id']}/prices", {"billingInterval": interval, "price": price, **more}).ok(201).data


def prices(client, plan):
    return client.get(f"/plans/{plan['id']}").data["prices"]


def defaults(client, plan):
    return [row["billingInterval"] for row in prices(client, plan) if row["isDefault"]]


# ---------------------------------------------------------------- shapes


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_shows_its_members(live, plan, version):
    client = live.at(version)
    ours = {"object": object_in(version), "livemode": True} if at_least(version, "2026-05-25") else {}
    made = add(client, plan, trialDays=14, includedBalance=5, metadata={"a": 1})
    assert set(made) == NESTED(version) | {"id", "planId", "createdAt", "updatedAt"} | OURS(version)
    assert {name: made[name] for name in ours} == ours
    (nested,) = prices(client, plan)
    assert set(nested) == NESTED(version) and nested == {name: made[name] for name in nested}
    path = f"/plans/{plan['code']}/prices/{made['id']}"
    assert client.get(path).ok(200).data == made
    for method in ("PUT", "PATCH"):
        changed = client.call(method, path, {"price": 7}).ok(200).data
        assert changed == {**made, "price": 7, "updatedAt": changed["updatedAt"]}
        chosen = client.call(method, path + "/default").ok(200).data
        if at_least(version, "2026-07-24"):
            assert chosen == {**changed, "updatedAt": chosen["updatedAt"]}
        else:
            assert chosen == {"id": made["id"], "isDefault": True, **ours}
    assert client.call("DELETE", path).ok(200).data == {"id": made["id"], "deleted": True, **ours}


def test_an_empty_update_changes_nothing(live, plan, db):
    made = add(live, plan)
    for body in (b"{}", b"[]", b"", b'{"unknown":1}', b'{"price":null,"isDefault":null,"introOffer":null}'):
        with nothing_written(db):
            assert live.call("PATCH", f"/plans/{plan['id']}/prices/{made['id']}", body).ok(200).data == made


@pytest.mark.parametrize("version", VERSIONS)
def test_an_interval_that_came_later_is_not_shown_earlier(live, plan, version):
    half, month = add(live, plan, "semiannual"), add(live, plan, "monthly")
    client, knows = live.at(version), version == CURRENT
    assert [row["billingInterval"] for row in prices(client, plan)] == (["semiannual"] if knows else []) + ["monthly"]
    listed = next(row for row in client.get("/plans").rows()[0] if row["id"] == plan["id"])
    assert len(listed["prices"]) == 1 + knows
    assert client.get(f"/plans/{plan['id']}/prices/{half['id']}").data["billingInterval"] == ("semiannual" if knows else None)
    live.call("DELETE", f"/plans/{plan['id']}/prices/{half['id']}").ok(200)
    again = client.post(f"/plans/{plan['id']}/prices", {"billingInterval": "semiannual", "price": 1})
    again.ok(201) if knows else again.invalid("billingInterval")
    assert month["billingInterval"] == "monthly"


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("field, most", [("price", 2**53), ("includedBalance", 2**53), ("includedCredits", 2**53), ("trialDays", 730)])
def test_amounts_are_whole_numbers_within_their_bounds(live, plan, db, field, most):
    made = add(live, plan, "yearly")
    path = f"/plans/{plan['id']}/prices"
    for value in (0, 1, most):
        assert live.patch(f"{path}/{made['id']}", {field: value}).ok(200).data[field] == value
        other = add(live, plan, "monthly", **{field: value})
        assert other[field] == value and prices(live, plan)[-1][field] == value
        live.call("DELETE", f"{path}/{other['id']}").ok(200)
    with nothing_written(db):
        for text in (b"-1", b"1.5", b'"1"', b"true", b"[]", b"{}", str(most + 1).encode(), b"1" + b"0" * 30,
                     b"9223372036854775808"):
            body = b'{"billingInterval":"monthly","price":1,"%s":%s}' % (field.encode(), text)
            if field == "price":
                body = body.replace(b'"price":1,', b"")
            assert live.post(path, body, idem=uid("k")).invalid(field)["param"] == field, text
            assert live.patch(f"{path}/{made['id']}", b'{"%s":%s}' % (field.encode(), text)).invalid(field), text
        # To a schema these are integers.
        for text in (b"1.0", b"1e2", b"1E0"):
            assert live.call("PATCH", f"{path}/{made['id']}", b'{"%s":%s}' % (field.encode(), text), checked=False).invalid(field), text


def test_what_is_not_said_is_none(live, plan):
    made = add(live, plan)
    assert (made["includedBalance"], made["includedCredits"], made["trialDays"], made["metadata"]) == (None, None, 0, {})


@pytest.mark.parametrize("field", ["introOffer", "introOfferEnabled", "introOfferDiscountType", "introOfferDiscountValue",
                                   "introOfferDurationCycles", "marketPrices", "inheritsFromPriceId"])
@pytest.mark.parametrize("version", ["legacy", "2026-05-25", "2026-07-11", CURRENT])
def test_a_rule_that_is_not_supported_is_refused(live, plan, db, field, version):
    client, path = live.at(version), f"/plans/{plan['id']}/prices"
    made = add(client, plan)
    with nothing_written(db):
        for value in (True, False, 0, "x", {}, [], {"enabled": False}):
            assert client.post(path, {"billingInterval": "yearly", "price": 1, field: value}).invalid(field)["param"] == field
            assert client.put(f"{path}/{made['id']}", {"price": 5, field: value}).invalid(field)["param"] == field
    assert prices(client, plan)[0]["price"] == 100
    client.post(path, {"billingInterval": "yearly", "price": 1, field: None}).ok(201)


def test_a_price_keeps_its_interval(live, plan):
    made = add(live, plan)
    for version in ("2026-07-31", CURRENT):
        for value in ("yearly", "monthly", "never"):
            live.at(version).patch(f"/plans/{plan['id']}/prices/{made['id']}", {"billingInterval": value}).invalid("billingInterval")
    assert prices(live, plan)[0]["billingInterval"] == "monthly"


def test_all_broken_fields_are_named(live, plan, db):
    with nothing_written(db):
        live.post(f"/plans/{plan['id']}/prices", {
            "billingInterval": "daily", "price": -1, "trialDays": 731, "isDefault": "yes", "includedBalance": 1.5, "includedCredits": "1",
            "metadata": [1], "introOffer": {}, "marketPrices": []}).invalid(
                "billingInterval", "price", "trialDays", "isDefault", "includedBalance", "includedCredits", "metadata", "introOffer", "marketPrices")
        live.post(f"/plans/{plan['id']}/prices", {}).invalid("billingInterval", "price")


# ---------------------------------------------------------------- one for each interval, one default


def test_a_plan_has_one_price_for_each_interval(live, plan, db):
    for interval in INTERVALS:
        add(live, plan, interval)
    with nothing_written(db):
        for interval in INTERVALS:
            reply = live.post(f"/plans/{plan['id']}/prices", {"billingInterval": interval, "price": 1, "isDefault": True})
            assert reply.error("duplicate", 409)["param"] == "billingInterval"
    assert [row["billingInterval"] for row in prices(live, plan)] == INTERVALS
    assert defaults(live, plan) == ["weekly"], "a refused price took nothing from the default"
    # A deleted one is not in the way.
    gone = prices(live, plan)[1]["id"]
    live.call("DELETE", f"/plans/{plan['id']}/prices/{gone}").ok(200)
    assert add(live, plan, "monthly")["id"] != gone


def test_the_first_price_is_the_default_and_a_later_one_can_become_it(live, plan):
    one = add(live, plan, "monthly", isDefault=False)
    assert one["isDefault"] is True
    two = add(live, plan, "yearly")
    assert two["isDefault"] is False
    three = add(live, plan, "weekly", isDefault=True)
    assert three["isDefault"] is True and defaults(live, plan) == ["weekly"]
    path = f"/plans/{plan['id']}/prices"
    assert live.put(f"{path}/{two['id']}/default").ok(200).data["isDefault"] is True
    assert defaults(live, plan) == ["yearly"]
    assert live.patch(f"{path}/{one['id']}", {"isDefault": True, "price": 3}).ok(200).data["price"] == 3
    assert defaults(live, plan) == ["monthly"]
    # Again; and false for one that is not.
    live.put(f"{path}/{one['id']}/default").ok(200)
    live.patch(f"{path}/{two['id']}", {"isDefault": False}).ok(200)
    assert defaults(live, plan) == ["monthly"]
    refusal = live.patch(f"{path}/{one['id']}", {"isDefault": False, "price": 9})
    assert refusal.error("conflict", 409)["param"] == "isDefault"
    assert defaults(live, plan) == ["monthly"] and prices(live, plan)[0]["price"] == 3


def test_when_the_default_is_deleted_the_oldest_becomes_it(live, plan):
    made = [add(live, plan, interval) for interval in ("yearly", "monthly", "weekly")]
    path = f"/plans/{plan['id']}/prices"
    live.put(f"{path}/{made[2]['id']}/default").ok(200)
    live.call("DELETE", f"{path}/{made[1]['id']}").ok(200)
    assert defaults(live, plan) == ["weekly"], "another one was deleted"
    live.call("DELETE", f"{path}/{made[2]['id']}").ok(200)
    assert defaults(live, plan) == ["yearly"]
    live.call("DELETE", f"{path}/{made[0]['id']}").ok(200)
    assert prices(live, plan) == []
    assert add(live, plan, "weekly")["isDefault"] is True


def test_deleting_again_answers_the_same(live, plan, db):
    made = add(live, plan)
    path = f"/plans/{plan['id']}/prices/{made['id']}"
    gone = live.call("DELETE", path).ok(200)
    with nothing_written(db):
        assert live.call("DELETE", path).ok(200).body == gone.body
        live.get(path).error("price_not_found", 404)
        live.patch(path, {"price": 1}).error("price_not_found", 404)
        live.patch(path, {}).error("price_not_found", 404)
        live.patch(path, {"isDefault": True}).error("price_not_found", 404)
        live.patch(path, {"isDefault": False}).error("price_not_found", 404)
        live.put(path + "/default").error("price_not_found", 404)
        live.call("DELETE", f"/plans/{plan['id']}").ok(200)
        assert live.call("DELETE", path).ok(200).body == gone.body


def test_a_default_that_does_not_come_takes_nothing_from_the_one_before(live, plan):
    add(live, plan)
    for ref in (NOBODY, "x"):
        live.put(f"/plans/{plan['id']}/prices/{ref}/default").error("price_not_found", 404)
        live.patch(f"/plans/{plan['id']}/prices/{ref}", {"isDefault": True}).error("price_not_found", 404)
    assert defaults(live, plan) == ["monthly"]


def test_of_many_prices_at_once_one_is_the_default(live, plan, db):
    replies = in_parallel([lambda interval=interval: live.post(
        f"/plans/{plan['id']}/prices", {"billingInterval": interval, "price": 1, "isDefault": n == 1}, idem=uid("k"))
        for interval in INTERVALS for n in range(3)])
    assert sorted(reply.status for reply in replies) == [201] * 6 + [409] * 12
    assert len(prices(live, plan)) == 6 and len(defaults(live, plan)) == 1
    made = [row["id"] for row in prices(live, plan)]
    replies = in_parallel([lambda one=one: live.put(f"/plans/{plan['id']}/prices/{one}/default", idem=uid("k")) for one in made * 3])
    assert {reply.status for reply in replies} == {200} and len(defaults(live, plan)) == 1
    # While they go, too.
    in_parallel([lambda one=one: live.call("DELETE", f"/plans/{plan['id']}/prices/{one}").ok(200) for one in made[:5]]
                + [lambda: live.put(f"/plans/{plan['id']}/prices/{made[5]}/default").ok(200)] * 3)
    assert [row["id"] for row in prices(live, plan)] == made[5:] and len(defaults(live, plan)) == 1
    assert scalar(db, "SELECT count(*) FROM plan_price WHERE is_default AND deleted_at IS NOT NULL") == 0


# ---------------------------------------------------------------- idempotency, isolation


@pytest.mark.parametrize("version", ["legacy", "2026-05-25", "2026-07-11", CURRENT])
def test_a_repeated_write_is_answered_from_memory(live, plan, db, version):
    client, path = live.at(version), f"/plans/{plan['id']}/prices"
    body = {"billingInterval": "monthly", "price": 1, "isDefault": True}
    key = uid("k")
    made = first(client.post(path, body, idem=key), 201)
    writes = [("POST", path, body, key, made)]
    for method, rest, change in (("PUT", "", {"price": 5}), ("PATCH", "", {"isDefault": True}), ("PUT", "/default", None)):
        key = uid("k")
        where = f"{path}/{made.data['id']}{rest}"
        writes.append((method, where, change, key, first(client.call(method, where, change, idem=key), 200)))
    live.call("DELETE", f"{path}/{made.data['id']}").ok(200)
    with nothing_written(db):
        for method, where, change, key, original in writes:
            same_again(client.call(method, where, change, idem=key), original)
            client.call(method, where, {"price": 77}, idem=key).error("idempotency_key_mismatch", 409)
    assert prices(live, plan) == []


def test_a_refusal_is_kept_for_its_key(live, plan):
    key, path = uid("k"), f"/plans/{plan['id']}/prices"
    made = add(live, plan)
    refusal = live.post(path, {"billingInterval": "monthly", "price": 1}, idem=key)
    refusal.error("duplicate", 409)
    live.call("DELETE", f"{path}/{made['id']}").ok(200)
    same_again(live.post(path, {"billingInterval": "monthly", "price": 1}, idem=key), refusal)


CALLS = [("GET", "", None), ("PATCH", "", {"price": 1}), ("PATCH", "", {}), ("PUT", "/default", None), ("DELETE", "", None)]


def test_a_price_is_found_in_its_plan_and_its_environment_alone(live, sandbox, other_live, plan, db):
    made = add(live, plan)
    other = live.post("/plans", {"name": "Other", "code": code()}).ok(201).data
    theirs = [(client, client.post("/plans", {"name": "Theirs", "code": code()}).ok(201).data["id"]) for client in (sandbox, other_live)]
    with nothing_written(db):
        for client, of in [(live, other["id"]), *theirs]:
            for method, rest, body in CALLS:
                error = client.call(method, f"/plans/{of}/prices/{made['id']}{rest}", body).error("price_not_found", 404)
                assert error["param"] == "priceId"
        for client, _ in theirs:
            for method, rest, body in CALLS[1:]:
                client.call(method, f"/plans/{plan['id']}/prices/{made['id']}{rest}", body).error("plan_not_found", 404)
            client.get(f"/plans/{plan['id']}/prices/{made['id']}").error("price_not_found", 404)
            client.post(f"/plans/{plan['id']}/prices", {"billingInterval": "yearly", "price": 1}).error("plan_not_found", 404)
    assert live.get(f"/plans/{plan['id']}/prices/{made['id']}").data == made


def test_an_unknown_price_or_plan_is_answered_with_its_own_error(live, plan):
    for ref in (NOBODY, "prc_", "prc_" + "z" * 22, "x", "%2F", "x" * 300):
        for method, rest, body in CALLS:
            assert live.call(method, f"/plans/{plan['id']}/prices/{ref}{rest}", body).error("price_not_found", 404)["param"] == "priceId"
    for method, rest, body in CALLS[1:]:
        assert live.call(method, f"/plans/nobody/prices/{NOBODY}{rest}", body).error("plan_not_found", 404)["param"] == "id"
    assert live.post("/plans/nobody/prices", {"billingInterval": "yearly", "price": 1}).error("plan_not_found", 404)["param"] == "id"
