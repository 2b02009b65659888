"""What test_resources.py has to know of API keys."""

from helpers import uid
from resources import Integer, Resource, Text, members

RESOURCE = Resource(
    name="api_key",
    path="/api-keys",
    prefix="key_",
    table="api_key",
    grants={"SELECT", "INSERT", "UPDATE.last_used_at", "UPDATE.revoked_at"},
    since="2026-05-25",
    body=lambda client: {"name": uid("name")},
    fields=[
        Text("name", 100, least=1, required=True),
        Integer("expiresInDays", 3650, shown="no"),
    ],
    made=members("id", "object", "livemode", "name", "apiKey", "prefix", "expiresAt", "createdAt"),
    read=members("id", "object", "livemode", "name", "prefix", "expiresAt", "lastUsedAt", "createdAt"),
    listed=members("id", "object", "livemode", "name", "prefix", "expiresAt", "lastUsedAt", "createdAt"),
    missing="api_key_not_found",
    one=("GET", "DELETE"),
    unknown=None,  # another one could be meant to narrow what the key may do
)
