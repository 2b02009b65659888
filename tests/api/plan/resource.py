"""What test_resources.py has to know of plans."""

import itertools
import secrets

from resources import Boolean, Choice, Code, Metadata, Resource, Text, members

_run, _counter = secrets.token_hex(3), itertools.count(1)


def code():
    """A code that no other plan has."""
    return f"p_{_run}_{next(_counter)}"


RESOURCE = Resource(
    name="plan",
    path="/plans",
    prefix="pln_",
    table="plan",
    grants={"SELECT", "INSERT"} | {f"UPDATE.{column}" for column in (
        "code", "name", "description", "consumption_model", "is_public", "is_free", "block_on_exhaustion", "plan_group_id", "sort_order",
        "metadata", "updated_at", "deleted_at")},
    more_tables={"plan_price": {"SELECT", "INSERT"} | {f"UPDATE.{column}" for column in (
        "billing_interval", "price", "trial_days", "is_default", "included_balance", "included_credits", "metadata", "updated_at", "deleted_at")}},
    # Public, because a list without includePrivate shows no others; test_plans.py has what that member does.
    body=lambda client: {"name": "A plan", "code": code(), "isPublic": True},
    value=code,
    fields=[
        Text("name", 200, least=1, required=True),
        Code("code", 100, value=code, required=True),
        Text("description", 2000, cleared=True),
        Choice("consumptionModel", ["metered", "credits", "balance"]),
        Boolean("isFree"),
        Boolean("blockOnExhaustion"),
        Metadata("metadata"),
    ],
    made=members(
        "id", ("object", "2026-05-25", None), ("livemode", "2026-05-25", None), "code", "name", "description", "isPublic", "isFree", "isDefault",
        "sortOrder", *((name, "2026-06-07", None) for name in ("consumptionModel", "blockOnExhaustion", "planGroupId", "metadata", "exchangeRates")),
        "prices", "features", "createdAt", "updatedAt"),
    missing="plan_not_found",
    one=("GET", "PUT", "PATCH", "DELETE"),
    update=("PUT", "PATCH"),
    unique="code",
    unique_on=("create", "update"),
)
