"""What test_resources.py has to know of gadgets."""

from helpers import uid
from resources import Choice, Integer, Resource, Text, members

RESOURCE = Resource(
    name="gadget",
    path="/gadgets",
    prefix="gad_",
    table="gadget",
    grants={"SELECT", "INSERT"} | {f"UPDATE.{column}" for column in ("code", "color", "size", "part_of", "updated_at")},
    since="2026-05-25",
    body=lambda client: {"code": uid("code")},
    fields=[
        Text("code", 40, least=1, required=True),
        Choice("color", ["black", "red", "white"], since="2026-07-24"),
        Integer("size", 1000),
    ],
    made=members("id", "object", "livemode", "code", ("color", "2026-07-24", None), "size", "partOf", "createdAt", "updatedAt"),
    missing="gadget_not_found",
    one=("GET", "PATCH"),
    update=("PATCH",),
    unique="code",
    unique_on=("create", "update"),
    nested={"/gadgets/{}/parts/{}": "PUT"},
    nested_since="2026-07-24",
)
