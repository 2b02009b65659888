"""CONTRACT-BILLING section 1: the plans of a group and their order."""

import pytest

from helpers import CURRENT, VERSIONS, at_least, first, in_parallel, nothing_written, same_again, uid
from resources import by_name

NOBODY = "pgp_" + "0" * 22
code = by_name("plan").value


@pytest.fixture
def group(live):
    return live.post("/plan-groups", {"name": uid("group")}).ok(201).data["id"]


@pytest.fixture
def plans(live):
    return [live.post("/plans", {"name": f"Plan {n}", "code": code()}).ok(201).data for n in range(4)]


def add(client, group, plan, **more):
    return client.post(f"/plan-groups/{group}/plans", {"planId": plan, **more})


def order(client, group):
    return [(row["id"], row["sortOrder"]) for row in client.get(f"/plan-groups/{group}").ok(200).data["plans"]]


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_shows_its_members(live, group, plans, version):
    client = live.at(version)
    ours = {"object": "plan_group_membership", "livemode": True} if at_least(version, "2026-05-25") else {}
    one, two = plans[0], plans[1]
    added = add(client, group, one["id"]).ok(200)
    if at_least(version, "2026-06-07"):
        assert added.data == {"success": True, "planId": one["id"], "planGroupId": group, "sortOrder": 0, **ours}
    else:
        assert added.data == {"success": True, **client.get(f"/plan-groups/{group}").data, **ours}
    assert added.json["success"] is True
    add(client, group, two["code"]).ok(200)
    row = client.get(f"/plan-groups/{group}").data["plans"][1]
    assert row == {"id": two["id"], "code": two["code"], "name": two["name"], "sortOrder": 1}
    for method in ("PUT", "PATCH"):
        ordered = client.call(method, f"/plan-groups/{group}/plans/reorder", {"planIds": [two["id"], one["code"]]}).ok(200).data
        shown = client.get(f"/plan-groups/{group}").data
        named = {"object": "plan_group_order" if at_least(version, "2026-07-24") else "plan_group"} if at_least(version, "2026-05-25") else {}
        assert ordered == {**shown, "reordered": True, **named}
        assert order(client, group) == [(two["id"], 0), (one["id"], 1)]
    removed = client.call("DELETE", f"/plan-groups/{group}/plans/{one['code']}").ok(200).data
    assert removed == {"id": one["id"], "removed": True, "planGroupId": group, **ours}
    assert order(client, group) == [(two["id"], 0)]


def test_a_plan_has_the_place_that_is_asked_for_or_comes_last(live, group, plans):
    ids = [plan["id"] for plan in plans]
    assert add(live, group, ids[0], sortOrder=5).ok(200).data["sortOrder"] == 5
    assert add(live, group, ids[1]).ok(200).data["sortOrder"] == 6
    assert add(live, group, ids[2], sortOrder=0).ok(200).data["sortOrder"] == 0
    assert order(live, group) == [(ids[2], 0), (ids[0], 5), (ids[1], 6)]
    # Added again, it stays, or takes the place that is asked for.
    assert add(live, group, ids[2]).ok(200).data["sortOrder"] == 0
    assert add(live, group, ids[2], sortOrder=9).ok(200).data["sortOrder"] == 9
    plan = live.get(f"/plans/{ids[2]}").data
    assert (plan["planGroupId"], plan["sortOrder"]) == (group, 9) and plan["updatedAt"] > plans[2]["updatedAt"]


def test_a_plan_is_in_one_group(live, group, plans, db):
    other = live.post("/plan-groups", {"name": "Other"}).ok(201).data["id"]
    add(live, group, plans[0]["id"]).ok(200)
    with nothing_written(db):
        assert add(live, other, plans[0]["id"], sortOrder=1).error("conflict", 409)["param"] == "planId"
    live.call("DELETE", f"/plan-groups/{group}/plans/{plans[0]['id']}").ok(200)
    gone = live.get(f"/plans/{plans[0]['id']}").data
    assert (gone["planGroupId"], gone["sortOrder"]) == (None, 0)
    add(live, other, plans[0]["id"]).ok(200)
    assert order(live, group) == [] and order(live, other) == [(plans[0]["id"], 0)]
    # It is not in this one: what was asked for is so. In that one it stays.
    live.call("DELETE", f"/plan-groups/{group}/plans/{plans[0]['id']}").ok(200)
    assert order(live, other) == [(plans[0]["id"], 0)]


def test_removing_again_answers_the_same(live, group, plans, db):
    add(live, group, plans[0]["id"]).ok(200)
    path = f"/plan-groups/{group}/plans/{plans[0]['id']}"
    gone = live.call("DELETE", path).ok(200)
    with nothing_written(db):
        assert live.call("DELETE", path).ok(200).body == gone.body


@pytest.mark.parametrize("body, field", [
    ({}, "planId"), ({"planId": None}, "planId"), ({"planId": 1}, "planId"), ({"planId": ""}, "planId"), ({"planId": []}, "planId"),
    ({"planId": "x", "sortOrder": -1}, "sortOrder"), ({"planId": "x", "sortOrder": 1.5}, "sortOrder"),
    ({"planId": "x", "sortOrder": "1"}, "sortOrder"), ({"planId": "x", "sortOrder": 2**53 + 1}, "sortOrder"),
])
def test_a_broken_member_is_named(live, group, db, body, field):
    with nothing_written(db):
        assert live.post(f"/plan-groups/{group}/plans", body, idem=uid("k")).invalid(field)["param"] == field


@pytest.mark.parametrize("ids", [None, [], ["all"], ["all", "all"], ["all", "nobody"], ["half"], 1, "x", {}, [1], [None], [["x"]], ["x"] * 101],
                         ids=lambda ids: str(ids)[:20])
def test_an_order_that_is_not_one_of_all_plans_is_refused(live, group, plans, db, ids):
    members = [plan["id"] for plan in plans[:3]]
    for plan in members:
        add(live, group, plan).ok(200)
    before = order(live, group)
    if isinstance(ids, list):
        ids = [part for one in ids for part in ({"all": members, "half": members[:2]}.get(one, [one]) if isinstance(one, str) else [one])]
    ids = ids + ["x"] if ids == members else ids
    with nothing_written(db):
        fields = live.put(f"/plan-groups/{group}/plans/reorder", {"planIds": ids}, idem=uid("k")).fields()
    assert {field.split(".")[0] for field in fields} == {"planIds"}
    assert order(live, group) == before
    live.put(f"/plan-groups/{group}/plans/reorder", {}).invalid("planIds")


def test_a_plan_outside_the_group_cannot_be_put_in_order(live, group, plans):
    for plan in plans[:2]:
        add(live, group, plan["id"]).ok(200)
    live.put(f"/plan-groups/{group}/plans/reorder", {"planIds": [plans[0]["id"], plans[2]["id"]]}).invalid("planIds")
    empty = live.post("/plan-groups", {"name": "Empty"}).ok(201).data["id"]
    assert live.put(f"/plan-groups/{empty}/plans/reorder", {"planIds": []}).ok(200).data["plans"] == []


def test_a_deleted_plan_is_no_member(live, group, plans):
    for plan in plans[:2]:
        add(live, group, plan["id"]).ok(200)
    live.call("DELETE", f"/plans/{plans[0]['id']}").ok(200)
    assert order(live, group) == [(plans[1]["id"], 1)]
    live.put(f"/plan-groups/{group}/plans/reorder", {"planIds": [plans[1]["id"]]}).ok(200)
    add(live, group, plans[0]["id"]).error("plan_not_found", 404)
    live.call("DELETE", f"/plan-groups/{group}/plans/{plans[0]['id']}").error("plan_not_found", 404)


def test_a_deleted_group_leaves_its_plans(live, group, plans, db):
    for plan in plans[:2]:
        add(live, group, plan["id"]).ok(200)
    gone = live.call("DELETE", f"/plan-groups/{group}").ok(200)
    for plan in plans[:2]:
        now = live.get(f"/plans/{plan['id']}").data
        assert (now["planGroupId"], now["sortOrder"]) == (None, 0)
    with nothing_written(db):
        assert live.call("DELETE", f"/plan-groups/{group}").ok(200).body == gone.body
        add(live, group, plans[0]["id"]).error("plan_group_not_found", 404)
        live.call("DELETE", f"/plan-groups/{group}/plans/{plans[0]['id']}").error("plan_group_not_found", 404)
        live.put(f"/plan-groups/{group}/plans/reorder", {"planIds": []}).error("plan_group_not_found", 404)
        live.patch(f"/plan-groups/{group}", {"name": "x"}).error("plan_group_not_found", 404)
        live.get(f"/plan-groups/{group}").error("plan_group_not_found", 404)
    assert all(row["id"] != group for row in live.get("/plan-groups?limit=100").rows()[0])


@pytest.mark.parametrize("version", ["legacy", "2026-05-25", "2026-07-11", CURRENT])
def test_a_repeated_write_is_answered_from_memory(live, group, plans, db, version):
    client, path, keys = live.at(version), f"/plan-groups/{group}/plans", [uid("k"), uid("k")]
    writes = [("POST", path, {"planId": plans[0]["id"]}), ("PUT", path + "/reorder", {"planIds": [plans[0]["code"]]})]
    originals = [first(client.call(*write, idem=key), 200) for write, key in zip(writes, keys)]
    live.call("DELETE", f"{path}/{plans[0]['id']}").ok(200)
    with nothing_written(db):
        for write, key, original in zip(writes, keys, originals):
            same_again(client.call(*write, idem=key), original)
            client.call(write[0], write[1], {**write[2], "more": 1}, idem=key).error("idempotency_key_mismatch", 409)
    assert order(live, group) == []


def test_what_is_of_another_environment_is_not_there(live, sandbox, group, plans, db):
    mine = sandbox.post("/plans", {"name": "x", "code": code()}).ok(201).data
    theirs = sandbox.post("/plan-groups", {"name": "x"}).ok(201).data["id"]
    add(live, group, plans[0]["id"]).ok(200)
    with nothing_written(db):
        assert add(sandbox, group, mine["id"]).error("plan_group_not_found", 404)["param"] == "id"
        assert add(sandbox, theirs, plans[0]["id"]).error("plan_not_found", 404)["param"] == "planId"
        sandbox.call("DELETE", f"/plan-groups/{group}/plans/{plans[0]['id']}").error("plan_group_not_found", 404)
        sandbox.call("DELETE", f"/plan-groups/{theirs}/plans/{plans[0]['id']}").error("plan_not_found", 404)
        sandbox.put(f"/plan-groups/{group}/plans/reorder", {"planIds": [plans[0]["id"]]}).error("plan_group_not_found", 404)
        sandbox.put(f"/plan-groups/{theirs}/plans/reorder", {"planIds": [plans[0]["id"]]}).invalid("planIds")
        for ref in (NOBODY, "pgp_", "x"):
            add(live, ref, plans[1]["id"]).error("plan_group_not_found", 404)
    assert order(live, group) == [(plans[0]["id"], 0)]


def test_plans_that_come_at_once_have_places_of_their_own(live, group):
    made = [live.post("/plans", {"name": "x", "code": code()}).ok(201).data["id"] for _ in range(12)]
    in_parallel([lambda one=one: add(live, group, one).ok(200) for one in made])
    assert [place for _, place in order(live, group)] == list(range(12))
    in_parallel([lambda turn=turn: live.put(f"/plan-groups/{group}/plans/reorder", {"planIds": made[turn:] + made[:turn]}).ok(200) for turn in range(6)])
    ids = [one for one, _ in order(live, group)]
    assert ids in [made[turn:] + made[:turn] for turn in range(6)], "the whole of one order"
