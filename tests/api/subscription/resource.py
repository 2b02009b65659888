"""What test_resources.py has to know of subscriptions."""

import itertools
import secrets

from helpers import mail
from resources import Boolean, Field, Metadata, Resource, Text, members

_run, _counter = secrets.token_hex(3), itertools.count(1)
_plans = {}


def code():
    return f"s_{_run}_{next(_counter)}"


def plan_of(client):
    """A plan of the client's environment with one price, the same for all tests."""
    if client.key not in _plans:
        current = client.at("2026-08-27")
        made = current.post("/plans", {"name": "Pro", "code": code()}).ok(201).data
        current.post(f"/plans/{made['id']}/prices", {"billingInterval": "monthly", "price": 2900}).ok(201)
        _plans[client.key] = made["id"]
    return _plans[client.key]


def body(client):
    """For a new customer."""
    made = client.at("2026-08-27").post("/customers", {"email": mail()}).ok(201).data
    return {"customerId": made["id"], "planId": plan_of(client)}


class Reference(Field):
    """A text that names something."""

    def __init__(self, name, **more):
        super().__init__(name, shown="no", **more)
        self.bad = self.refuse(1, True, [], {}, 1.5, "")


class Count(Field):
    def __init__(self, name, most, **more):
        super().__init__(name, **more)
        self.good = [0, 1, most]
        self.bad = self.refuse("1", True, [], {}, -1, 1.5, most + 1, 2**64 + 1)


class Refused(Field):
    def __init__(self, name):
        super().__init__(name, shown="no")
        self.bad = self.refuse(1, True, "x", {"a": 1}, [])


RESOURCE = Resource(
    name="subscription",
    path="/subscriptions",
    prefix="sub_",
    table="subscription",
    # Of a sandbox all of it can be deleted (test_clock).
    grants={"SELECT", "INSERT", "UPDATE", "DELETE"},
    # What bills it; invoices are made by subscriptions alone.
    more_tables={
        "billing_setting": {"SELECT", "INSERT", "UPDATE"},
        "customer_credit": {"SELECT", "INSERT", "UPDATE.balance", "DELETE"},
        "invoice": {"SELECT", "INSERT", "DELETE"} | {f"UPDATE.{column}" for column in ("status", "paid_at", "period_start", "period_end", "updated_at", "customer_id")},
        "invoice_counter": {"SELECT", "INSERT", "UPDATE.last", "DELETE"},
        "invoice_line": {"SELECT", "INSERT", "DELETE"},
    },
    body=body,
    fields=[
        Reference("customerId", required=True),
        Reference("planCode"),
        Reference("priceId"),
        Text("name", 200, least=1),
        Boolean("skipTrial", shown="no"),
        Count("customTrialDays", 730, shown="no"),
        Boolean("cancelAtPeriodEnd"),
        Metadata("metadata"),
        *(Refused(name) for name in ("promoCode", "offerId", "introOffer", "customIntroOffer", "cardPromotionId")),
    ],
    made=members(
        "id", ("object", "2026-05-25", None), ("livemode", "2026-05-25", None), "customerId", "plan", ("priceId", "2026-07-24", None), "name",
        "description", "status", "billingInterval", "trialEndsAt", "currentPeriod", "cancellation", "cancelAtPeriodEnd", "scheduledPlanChange",
        ("pause", "2026-08-27", None), "startDate", "endDate", "billingDayOfMonth", "nextBillingDate", "checkoutUrl",
        ("checkoutProvider", "2026-07-24", None), "consumptionModel", "features", "credits", "balance", ("discount", "legacy", "2026-07-24"),
        ("offerApplications", "2026-07-31", None), "metadata", "createdAt", "updatedAt",
        *((name, "legacy", "2026-06-07") for name in (
            "planId", "planName", "currentPeriodStart", "currentPeriodEnd", "introOfferEndsAt", "introOfferDiscountType",
            "introOfferDiscountValue"))),
    missing="subscription_not_found",
    one=("GET",),
    differs=("plan", "currentPeriod"),
)
