"""updatedAt of plans, prices and groups when the clock was ahead: customers have the same rule."""

import pytest

from helpers import execute, scalar, uid
from resources import by_name

CODE = by_name("plan").value


def a_plan(client):
    plan = client.post("/plans", {"name": "A plan", "code": CODE()}).ok(201).data
    return plan, f"/plans/{plan['id']}", "plan", f"code = '{plan['code']}'"


def a_price(client):
    plan, path, _, where = a_plan(client)
    price = client.post(path + "/prices", {"billingInterval": "monthly", "price": 100}).ok(201).data
    return price, f"{path}/prices/{price['id']}", "plan_price", f"plan_id = (SELECT id FROM plan WHERE {where})"


def a_group(client):
    group = client.post("/plan-groups", {"name": uid("group")}).ok(201).data
    return group, f"/plan-groups/{group['id']}", "plan_group", f"name = '{group['name']}'"


@pytest.mark.parametrize("make, change", [(a_plan, {"description": "new"}), (a_price, {"price": 200}), (a_group, {"description": "new"})],
                         ids=["plan", "price", "group"])
def test_a_time_that_is_ahead_by_a_moment_stays_and_one_far_ahead_is_put_right(new_org, db, make, change):
    client = new_org().live
    _, path, table, where = make(client)
    for ahead, stays in (("4 s", True), ("1 hour", False)):
        assert execute(db, f"UPDATE {table} SET updated_at = now() + interval '{ahead}' WHERE {where}") == 1
        before = scalar(db, f"SELECT updated_at FROM {table} WHERE {where}")
        client.patch(path, change).ok(200)
        assert (scalar(db, f"SELECT updated_at FROM {table} WHERE {where}") == before) is stays, ahead
