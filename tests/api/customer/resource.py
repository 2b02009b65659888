"""What test_resources.py has to know of customers."""

from helpers import CUSTOMER_KEYS, TIMEZONES, get_keys, mail
from resources import Boolean, Choice, Email, Metadata, Object, Resource, Text, Uuid

ADDRESS = {"line1": True, "line2": False, "city": True, "state": False, "postalCode": True, "country": True, "region": False}

RESOURCE = Resource(
    name="customer",
    path="/customers",
    prefix="cus_",
    table="customer",
    grants={"SELECT", "INSERT", "DELETE"} | {f"UPDATE.{column}" for column in (
        "external_id", "email", "full_name", "tax_document", "address", "timezone", "metadata", "is_active", "updated_at", "archived_at",
        "revision", "merged_into", "history")},
    body=lambda client: {"email": mail()},
    fields=[
        Text("fullName", 200),
        Email("email", 200, required=True),
        Text("externalId", 100, least=1, cleared=True),
        Text("taxDocument", 100, since="2026-06-23"),
        Object("address", ADDRESS, 200, {"country": "CH"}, shown="read"),
        Uuid("addressId", create_only=True, since="2026-06-07", shown="no"),
        Choice("timezone", TIMEZONES),
        Metadata("metadata"),
        Boolean("isActive", until="2026-05-12"),
    ],
    made=lambda version: CUSTOMER_KEYS[version],
    read=get_keys,
    missing="customer_not_found",
    one=("GET", "PUT", "PATCH"),
    newest=("DELETE",),  # erases: test_erase.py
    update=("PUT", "PATCH"),
    unique="externalId",
    unique_on=("update",),  # a create with an id that is taken answers the customer who has it
)
