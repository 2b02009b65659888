"""What test_resources.py has to know of API keys."""

from helpers import uid
from resources import Field, Integer, Resource, Text, members

NARROWED = "2026-08-27"


class Permissions(Field):
    good = [{}, {"customer": ["read"]}, {"customer": ["read", "write"], "plan_group": ["read"]}]

    def __init__(self, name, **more):
        super().__init__(name, **more)
        self.bad = self.refuse(1, True, "x", [1], False, 0, "read")
        self.bad += [({resource: actions}, f"{name}.{shown}") for resource, shown, actions in (
            ("customer", "customer", "read"), ("customer", "customer", {}), ("customer", "customer", [1]), ("customer", "customer", ["delete"]),
            ("customer", "customer", ["read", None]), ("customer", "customer", ["write"]), ("customer", "customer", ["write", "write"]), ("customers", "customers", []), ("usage", "usage", ["read"]),
            ("<b>", "?b?", []))]


class Addresses(Field):
    good = [["203.0.113.0/24"], ["2001:db8::/32", "192.0.2.1/32", "::/0", "0.0.0.0/0"], [f"192.0.2.{n}/32" for n in range(16)]]

    def __init__(self, name, **more):
        super().__init__(name, **more)
        self.bad = self.refuse(1, True, "x", {}, "203.0.113.0/24", [], [1], [None], [["::1"]], [f"192.0.2.{n}/32" for n in range(17)])
        self.bad += [([bad], f"{name}.0") for bad in ("", "x", "192.0.2", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/", "2001:db8::/129", "192.0.2.1/24",
                                                     "2001:db8::1/32", "fe80::1%eth0", "example.com", "192.0.2.0/24 ::1", "1" * 200)]
        self.bad += [(["192.0.2.1", "x"], f"{name}.1")]


RESOURCE = Resource(
    name="api_key",
    path="/api-keys",
    prefix="key_",
    table="api_key",
    grants={"SELECT", "INSERT", "UPDATE.expires_at", "UPDATE.last_used_at", "UPDATE.revoked_at", "UPDATE.successor"},
    since="2026-05-25",
    body=lambda client: {"name": uid("name")},
    fields=[
        Text("name", 100, least=1, required=True),
        Integer("expiresInDays", 3650, shown="no"),
        Permissions("permissions", since=NARROWED),
        Addresses("allowedAddresses", since=NARROWED),
    ],
    made=members("id", "object", "livemode", "name", "apiKey", "prefix", "expiresAt", "createdAt", ("permissions", NARROWED, None),
                 ("allowedAddresses", NARROWED, None)),
    read=members("id", "object", "livemode", "name", "prefix", "expiresAt", "lastUsedAt", "createdAt", ("permissions", NARROWED, None),
                 ("allowedAddresses", NARROWED, None)),
    listed=members("id", "object", "livemode", "name", "prefix", "expiresAt", "lastUsedAt", "createdAt", ("permissions", NARROWED, None),
                 ("allowedAddresses", NARROWED, None)),
    missing="api_key_not_found",
    one=("GET", "DELETE"),
    unknown=None,  # another one could be meant to narrow what the key may do
)
