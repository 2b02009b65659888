"""CONTRACT-BILLING section 1: what only plans have. Their prices: test_prices.py."""

import pytest

from helpers import CURRENT, VERSIONS, at_least, escape, in_parallel, nothing_written, same_again, uid
from resources import by_name

PLAN = by_name("plan")
code = PLAN.value
MEMBERS = PLAN.made


def make(client, **more):
    return client.post("/plans", {"name": "A plan", "code": code(), **more}).ok(201).data


def price(client, plan, interval="monthly", **more):
    return client.post(f"/plans/{plan['id']}/prices", {"billingInterval": interval, "price": 100, **more}).ok(201).data


# ---------------------------------------------------------------- finding


def test_a_plan_is_found_by_id_or_code_and_an_id_counts_more(live):
    made = make(live)
    assert live.get(f"/plans/{made['id']}").data == live.get(f"/plans/{made['code']}").data == made
    # A code may look like an id.
    other = make(live, code="pln_" + "0" * 22)
    assert live.get(f"/plans/{other['code']}").data == other
    assert live.patch(f"/plans/{made['code']}", {"name": "Changed"}).ok(200).data["id"] == made["id"]


def test_private_plans_are_listed_only_when_asked_for(new_org):
    client = new_org().live
    private, public = make(client), make(client, isPublic=True)
    assert private["isPublic"] is False, "not public unless it is said"

    def listed(query=""):
        return [row["id"] for row in client.get("/plans" + query).rows()[0]]

    assert listed() == listed("?includePrivate=false") == listed("?includePrivate=0") == [public["id"]]
    assert listed("?includePrivate=true") == listed("?includePrivate=1") == [public["id"], private["id"]]
    for value in ("yes", "", "TRUE"):
        assert client.get("/plans?includePrivate=" + value).invalid("includePrivate")["param"] == "includePrivate"
    client.get("/plans?includePrivate=1&includePrivate=1").invalid("includePrivate")
    assert client.get(f"/plans/{private['id']}").data == private


def test_lists_have_the_prices_of_each_plan(new_org):
    client = new_org().live
    plans = [make(client, isPublic=True) for _ in range(3)]
    for n, plan in enumerate(plans):
        for interval in ("weekly", "monthly", "yearly")[:n]:
            price(client, plan, interval)
    rows = client.get("/plans").rows()[0]
    assert [[row["billingInterval"] for row in plan["prices"]] for plan in rows] == [["weekly", "monthly"], ["weekly"], []]
    assert rows == [client.get(f"/plans/{plan['id']}").data for plan in plans[::-1]]


# ---------------------------------------------------------------- old and new paths


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manage", ["", "/manage"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_old_and_new_paths_and_methods_are_taken_in_every_version(live, version, manage, method):
    client = live.at(version)
    made = client.post("/plans" + manage, {"name": "A plan", "code": code()}).ok(201)
    assert made.header("Location") == client.at(version).base + f"/plans/{made.data['id']}"
    path = f"/plans/{made.data['id']}"
    assert client.get(made.header("Location"), raw_path=True).ok(200).data == made.data
    changed = client.call(method, path + manage, {"name": "Changed"}).ok(200).data
    assert changed == {**made.data, "name": "Changed", "updatedAt": changed["updatedAt"]}
    seen = client.call(method, path + "/visibility", {"isPublic": True}).ok(200).data
    if at_least(version, "2026-07-24"):
        assert seen == {**changed, "isPublic": True, "updatedAt": seen["updatedAt"]}
    else:
        assert {name: value for name, value in seen.items() if name not in ("object", "livemode")} == {"id": changed["id"], "isPublic": True}
    gone = client.call("DELETE", path + manage).ok(200).data
    ours = {"object": "plan", "livemode": True} if at_least(version, "2026-05-25") else {}
    assert gone == {"id": made.data["id"], "deleted": True, **ours}


def test_visibility_takes_nothing_else(live):
    made = make(live)
    live.put(f"/plans/{made['id']}/visibility", {}).invalid("isPublic")
    live.put(f"/plans/{made['id']}/visibility", {"isPublic": "yes"}).invalid("isPublic")
    reply = live.put(f"/plans/{made['id']}/visibility", {"isPublic": True, "name": "Other"})
    assert reply.ok(200).data["name"] == made["name"] and reply.header("Clientele-Ignored") == "name"
    live.put("/plans/nobody/visibility", {"isPublic": True}).error("plan_not_found", 404)


# ---------------------------------------------------------------- deleting


def test_a_deleted_plan_is_found_by_nobody_and_deleting_again_answers_the_same(new_org, db):
    client = new_org().live
    made = make(client, isPublic=True)
    kept = price(client, made)
    first = client.call("DELETE", f"/plans/{made['code']}").ok(200)
    with nothing_written(db):
        for ref in (made["id"], made["code"]):
            assert client.call("DELETE", f"/plans/{ref}").ok(200).body == first.body
            client.get(f"/plans/{ref}").error("plan_not_found", 404)
            client.patch(f"/plans/{ref}", {"name": "x"}).error("plan_not_found", 404)
            client.patch(f"/plans/{ref}", {}).error("plan_not_found", 404)
            client.patch(f"/plans/{ref}", {"isFree": True}).error("plan_not_found", 404)
            client.put(f"/plans/{ref}/visibility", {"isPublic": True}).error("plan_not_found", 404)
            client.get(f"/plans/{ref}/prices/{kept['id']}").error("price_not_found", 404)
            client.post(f"/plans/{ref}/prices", {"billingInterval": "yearly", "price": 1}).error("plan_not_found", 404)
            client.patch(f"/plans/{ref}/prices/{kept['id']}", {"price": 1}).error("plan_not_found", 404)
            client.put(f"/plans/{ref}/prices/{kept['id']}/default").error("plan_not_found", 404)
        assert client.get("/plans?includePrivate=true").rows()[0] == []
        # Its code stays taken.
        assert client.post("/plans", {"name": "x", "code": made["code"]}).error("duplicate", 409)["param"] == "code"
    other = make(client)
    client.patch(f"/plans/{other['id']}", {"code": made["code"]}).error("duplicate", 409)


def test_a_deleted_price_and_plan_stay_in_the_database(live, db):
    made = make(live)
    kept = price(live, made)
    live.call("DELETE", f"/plans/{made['id']}/prices/{kept['id']}").ok(200)
    live.call("DELETE", f"/plans/{made['id']}").ok(200)
    with db.cursor() as cursor:
        cursor.execute("SELECT p.deleted_at, r.deleted_at, r.price FROM plan p JOIN plan_price r ON r.plan_id = p.id WHERE p.code = %s", (made["code"],))
        (gone, price_gone, amount), = cursor.fetchall()
    assert gone and price_gone and amount == 100


# ---------------------------------------------------------------- free plans


def test_a_free_plan_has_no_price(live, db):
    free, paid = make(live, isFree=True), make(live)
    kept = price(live, paid)
    with nothing_written(db):
        assert live.post(f"/plans/{free['id']}/prices", {"billingInterval": "monthly", "price": 0}).error("conflict", 409)["param"] == "price"
        key = uid("k")
        refusal = live.patch(f"/plans/{paid['id']}", {"isFree": True, "name": "x"})
        assert refusal.error("conflict", 409)["param"] == "isFree"
        assert live.patch(f"/plans/{paid['id']}", {"isFree": True}, idem=key).error("conflict", 409)
    assert live.get(f"/plans/{paid['id']}").data["name"] == paid["name"]
    live.call("DELETE", f"/plans/{paid['id']}/prices/{kept['id']}").ok(200)
    assert live.patch(f"/plans/{paid['id']}", {"isFree": True}, idem=key).ok(200).data["isFree"] is True
    live.patch(f"/plans/{free['id']}", {"isFree": False}).ok(200)
    price(live, free)


def test_a_plan_does_not_become_free_while_it_gets_a_price(live):
    for _ in range(8):
        made = make(live)
        replies = in_parallel([
            lambda: live.patch(f"/plans/{made['id']}", {"isFree": True}),
            lambda: live.post(f"/plans/{made['id']}/prices", {"billingInterval": "monthly", "price": 1})])
        now = live.get(f"/plans/{made['id']}").data
        assert now["isFree"] != bool(now["prices"]), now
        assert sorted(reply.status for reply in replies) in ([200, 409], [201, 409])


# ---------------------------------------------------------------- groups


def group(client, **more):
    return client.post("/plan-groups", {"name": uid("group"), **more}).ok(201).data


def test_a_plan_comes_into_the_group_that_it_names_as_its_last_one(live):
    one, two = group(live)["id"], group(live)["id"]
    made = [make(live, planGroupId=one) for _ in range(3)]
    assert [(plan["planGroupId"], plan["sortOrder"]) for plan in made] == [(one, 0), (one, 1), (one, 2)]
    key = uid("k")
    moved = live.patch(f"/plans/{made[1]['id']}", {"planGroupId": two}, idem=key).ok(200)
    assert (moved.data["planGroupId"], moved.data["sortOrder"]) == (two, 0)
    same_again(live.patch(f"/plans/{made[1]['id']}", {"planGroupId": two}, idem=key), moved)
    # Named again, it stays where it is.
    assert live.patch(f"/plans/{made[0]['id']}", {"planGroupId": one}).ok(200).data["sortOrder"] == 0
    assert [row["id"] for row in live.get(f"/plan-groups/{one}").data["plans"]] == [made[0]["id"], made[2]["id"]]


@pytest.mark.parametrize("ref", ["pgp_" + "0" * 22, "pgp_", "x", "pln_" + "0" * 22])
def test_a_group_that_is_not_there_is_named_by_its_field(live, db, ref):
    made = make(live)
    with nothing_written(db):
        for reply in (live.post("/plans", {"name": "x", "code": code(), "planGroupId": ref}, idem=uid("k")),
                      live.patch(f"/plans/{made['id']}", {"planGroupId": ref, "name": "x"}, idem=uid("k")),
                      live.patch(f"/plans/{made['id']}", {"planGroupId": ref, "isFree": True})):
            assert reply.error("plan_group_not_found", 404)["param"] == "planGroupId"
    assert live.get(f"/plans/{made['id']}").data == made


def test_a_group_of_another_environment_or_a_deleted_one_is_not_there(live, sandbox):
    gone = group(live)["id"]
    live.call("DELETE", f"/plan-groups/{gone}").ok(200)
    made = make(live)
    for ref in (gone, group(sandbox)["id"]):
        live.post("/plans", {"name": "x", "code": code(), "planGroupId": ref}).error("plan_group_not_found", 404)
        live.patch(f"/plans/{made['id']}", {"planGroupId": ref}).error("plan_group_not_found", 404)


def test_a_group_has_at_most_100_plans(new_org, db):
    client = new_org().live
    full = group(client)["id"]
    in_parallel([lambda: [make(client, planGroupId=full) for _ in range(25)]] * 4)
    orders = [row["sortOrder"] for row in client.get(f"/plan-groups/{full}").data["plans"]]
    assert orders == list(range(100)), "each has a place of its own, although they came at once"
    other = make(client)
    with nothing_written(db):
        assert client.post("/plans", {"name": "x", "code": code(), "planGroupId": full}).error("conflict", 409)["param"] == "planGroupId"
        assert client.patch(f"/plans/{other['id']}", {"planGroupId": full}).error("conflict", 409)["param"] == "planGroupId"
        assert client.patch(f"/plans/{other['id']}", {"planGroupId": full, "isFree": True}).error("conflict", 409)["param"] == "planGroupId"
        assert client.post(f"/plan-groups/{full}/plans", {"planId": other["id"]}).error("conflict", 409)["param"] == "planId"
    inside = client.get(f"/plan-groups/{full}").data["plans"][0]["id"]
    client.patch(f"/plans/{inside}", {"planGroupId": full}).ok(200)
    client.post(f"/plan-groups/{full}/plans", {"planId": inside}).ok(200)


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("value", [True, False])
def test_block_on_exhaustion_is_none_unless_it_is_said(live, value):
    assert make(live)["blockOnExhaustion"] is None
    made = make(live, blockOnExhaustion=value)
    assert made["blockOnExhaustion"] is value
    assert live.patch(f"/plans/{made['id']}", {"blockOnExhaustion": not value}).ok(200).data["blockOnExhaustion"] is not value


def test_metadata_comes_back_as_the_very_text(live):
    text = b'{ "b" : 1.50, "a":[1e400,-0.0 , "\\u00e9/"] }'
    made = live.post("/plans", b'{"name":"x","code":"%s","metadata":%s}' % (code().encode(), text)).ok(201)
    assert b'"metadata":' + text in made.body
    assert b'"metadata":' + text in live.get(f"/plans/{made.data['id']}").ok(200).body
    other = live.post(f"/plans/{made.data['id']}/prices", b'{"billingInterval":"monthly","price":1,"metadata":%s}' % text).ok(201)
    assert b'"metadata":' + text in other.body
    assert live.get(f"/plans/{made.data['id']}").ok(200).body.count(b'"metadata":' + text) == 2


def test_the_code_in_a_path_is_compared_as_it_is(live):
    made = make(live)
    for ref in (made["code"].upper(), made["code"] + "_", escape(made["code"] + " ")):
        live.get(f"/plans/{ref}").error("plan_not_found", 404)


def test_a_version_shows_no_more_than_its_members_after_an_update(live):
    made = make(live, consumptionModel="balance")
    for version in VERSIONS:
        assert set(live.at(version).put(f"/plans/{made['id']}", {"name": version}).data) == MEMBERS(version)
    assert live.at(CURRENT).get(f"/plans/{made['id']}").data["consumptionModel"] == "balance"
