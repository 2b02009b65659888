"""What test_resources.py has to know of plan groups."""

from helpers import uid
from resources import Boolean, Resource, Text, members

SHOWN = ("id", ("object", "2026-05-25", None), ("livemode", "2026-05-25", None), "name", "description", "isPublic", "createdAt", "updatedAt")

RESOURCE = Resource(
    name="plan_group",
    path="/plan-groups",
    prefix="pgp_",
    table="plan_group",
    grants={"SELECT", "INSERT"} | {f"UPDATE.{column}" for column in ("name", "description", "is_public", "updated_at", "deleted_at")},
    body=lambda client: {"name": uid("group")},
    fields=[
        Text("name", 200, least=1, required=True),
        Text("description", 2000, cleared=True),
        Boolean("isPublic"),
    ],
    made=members(*SHOWN),
    read=members(*SHOWN, "plans"),
    listed=members(*SHOWN),
    missing="plan_group_not_found",
    one=("GET", "PUT", "PATCH", "DELETE"),
    update=("PUT", "PATCH"),
)
