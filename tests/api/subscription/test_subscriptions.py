"""What only subscriptions have: their life through the API. What happens by itself is in tests/app/test_billing.c."""

import contextlib
import itertools
import secrets
import threading

import pytest

from helpers import LEGACY, TIMEZONES, VERSIONS, at_least, execute, in_parallel, mail, nothing_written, scalar, uid
from stack import wait_until

_run, _counter = secrets.token_hex(3), itertools.count(1)


class Shop:
    """An organization of its own, with plans."""

    def __init__(self, client):
        self.client, self.group = client, None

    def plan(self, *prices, grouped=True, **more):
        """(id, code) of a new one; a price is (interval, amount) or (interval, amount, trial days)."""
        code = f"t_{_run}_{next(_counter)}"
        plan = self.client.post("/plans", {"name": code.upper(), "code": code, **more}).ok(201).data["id"]
        for interval, amount, *trial in prices:
            self.client.post(f"/plans/{plan}/prices", {"billingInterval": interval, "price": amount, **({"trialDays": trial[0]} if trial else {})}).ok(201)
        if grouped:
            if self.group is None:
                self.group = self.client.post("/plan-groups", {"name": "All"}).ok(201).data["id"]
            self.client.post(f"/plan-groups/{self.group}/plans", {"planId": plan, "sortOrder": next(_counter)}).ok()
        return plan

    def customer(self, **more):
        return self.client.post("/customers", {"email": mail(), "id": uid("ext"), **more}).ok(201).data

    def subscribe(self, customer, plan, **more):
        return self.client.post("/subscriptions", {"customerId": customer["id"], "planId": plan, **more}, idem=uid("k"))

    def invoices(self, subscription, query=""):
        return self.client.get(f"/invoices?subscriptionId={subscription['id']}{query}").ok().data

    def settle(self, invoice, status="paid"):
        return self.client.call("PUT", f"/invoices/{invoice['id']}/status", {"status": status}, idem=uid("k"))

    def active(self, plan, **more):
        """A customer with that plan, whose first invoice is paid."""
        customer = self.customer(**more)
        made = self.subscribe(customer, plan).ok(201).data
        if made["status"] == "pending_payment":
            self.settle(self.invoices(made)[0]).ok()
        return self.client.get(f"/subscriptions/{made['id']}").data

    def call(self, subscription, verb, body=None):
        return self.client.post(f"/subscriptions/{subscription['id']}/{verb}", {} if body is None else body, idem=uid("k"))


@pytest.fixture
def shop(new_org):
    return Shop(new_org().live)


@pytest.fixture
def by_invoice(new_org, db):
    """Where subscriptions begin at once."""
    shop = Shop(new_org().live)
    environment = scalar(db, "SELECT environment_id FROM plan WHERE id = (SELECT max(id::text)::uuid FROM plan WHERE code = %s)",
                         shop.client.get("/plans/" + shop.plan(grouped=False)).data["code"])
    execute(db, "INSERT INTO billing_setting (environment_id, collection) VALUES (%s, 'invoice')", environment)
    return shop


# ---------------------------------------------------------------- create


def test_a_paid_plan_waits_for_its_payment_and_then_begins(shop):
    customer, plan = shop.customer(timezone="America/New_York"), shop.plan(("monthly", 2900), ("yearly", 29000))
    made = shop.subscribe(customer, plan, name="Mine", metadata={"a": 1}, successUrl="https://a.example/ok")
    assert made.header("Clientele-Result") == "created" and made.header("Location").endswith(made.data["id"])
    made = made.ok(201).data
    assert (made["status"], made["billingInterval"], made["plan"]["basePrice"], made["name"], made["metadata"]) == (
        "pending_payment", "monthly", 2900, "Mine", {"a": 1})
    assert "/checkout/" in made["checkoutUrl"] and made["currentPeriod"] is None and made["nextBillingDate"] is None
    (invoice,) = shop.invoices(made)
    assert (invoice["status"], invoice["total"], invoice["invoiceType"], invoice["currency"]) == ("outstanding", 2900, "recurring", "usd")
    assert [(line["description"], line["amount"]) for line in invoice["lineItems"]] == [(made["plan"]["name"], 2900)]
    assert shop.settle(invoice).ok().data["status"] == "paid"
    now = shop.client.get(f"/subscriptions/{made['id']}").ok().data
    assert now["status"] == "active" and now["checkoutUrl"] is None
    assert now["currentPeriod"]["end"] == now["nextBillingDate"] and now["currentPeriod"]["daysRemaining"] in (28, 29, 30, 31)
    (invoice,) = shop.invoices(made)
    assert (invoice["periodStart"], invoice["periodEnd"]) == (now["currentPeriod"]["start"], now["currentPeriod"]["end"])


def test_the_same_selection_is_answered_and_another_one_replaces_it(shop):
    customer, plan, other = shop.customer(), shop.plan(("monthly", 2900), ("yearly", 29000)), shop.plan(("monthly", 900))
    first = shop.subscribe(customer, plan).ok(201).data
    again = shop.subscribe(customer, plan)
    assert again.ok(200).data == first and again.header("Clientele-Result") == "existing"
    for body in ({"planId": plan, "billingInterval": "yearly"}, {"planId": other}):
        made = shop.subscribe(customer, body["planId"], **{k: v for k, v in body.items() if k != "planId"}).ok(201).data
        assert made["id"] != first["id"] and made["checkoutUrl"] != first["checkoutUrl"]
        assert shop.client.get(f"/subscriptions/{first['id']}").data["status"] == "canceled"
        assert [invoice["status"] for invoice in shop.invoices(first)] == ["void"]
        first = made
    assert len(shop.client.get(f"/subscriptions?customerId={customer['id']}").data) == 3


def test_an_active_one_is_in_the_way(shop):
    plan = shop.plan(("monthly", 2900))
    active = shop.active(plan)
    error = shop.client.post("/subscriptions", {"customerId": active["customerId"], "planId": plan}).error("already_has_active_subscription", 409)
    assert error["param"] == "customerId"
    assert error["details"] == {"subscriptionId": active["id"], "status": "active", "planId": plan}


def test_a_free_plan_is_active_at_once(shop):
    made = shop.subscribe(shop.customer(), shop.plan(isFree=True), cancelAtPeriodEnd=True).ok(201).data
    assert made["cancelAtPeriodEnd"] is False  # it has no period
    assert (made["status"], made["billingInterval"], made["priceId"], made["plan"]["basePrice"], made["checkoutUrl"], made["nextBillingDate"]) == (
        "active", None, None, 0, None, None)
    assert shop.invoices(made) == []
    assert shop.call(made, "cancel").ok().data["status"] == "canceled"


def test_trials(shop, by_invoice):
    plan = shop.plan(("monthly", 2900, 14))
    made = shop.subscribe(shop.customer(), plan).ok(201).data
    assert made["status"] == "pending_payment" and made["checkoutUrl"] and made["trialEndsAt"] is None and shop.invoices(made) == []
    assert len(shop.invoices(shop.subscribe(shop.customer(), plan, skipTrial=True).ok(201).data)) == 1
    assert len(shop.invoices(shop.subscribe(shop.customer(), plan, customTrialDays=0).ok(201).data)) == 1
    plan = by_invoice.plan(("monthly", 2900, 14))
    made = by_invoice.subscribe(by_invoice.customer(), plan, customTrialDays=30).ok(201).data
    assert made["status"] == "trialing" and made["checkoutUrl"] is None and made["currentPeriod"]["daysRemaining"] == 30
    assert made["trialEndsAt"] == made["currentPeriod"]["end"] == made["nextBillingDate"]
    canceled = by_invoice.call(made, "cancel").ok().data
    assert canceled["status"] == "trialing" and canceled["cancellation"]["effectiveAt"] == made["trialEndsAt"] == canceled["endDate"]


def test_by_invoice_it_begins_at_once(by_invoice):
    made = by_invoice.subscribe(by_invoice.customer(), by_invoice.plan(("quarterly", 100)), cancelAtPeriodEnd=True).ok(201).data
    assert made["status"] == "active" and made["checkoutUrl"] is None
    assert made["cancelAtPeriodEnd"] is True and made["cancellation"]["effectiveAt"] == made["currentPeriod"]["end"]
    assert [invoice["status"] for invoice in by_invoice.invoices(made)] == ["outstanding"]


def test_the_price_is_found_by_interval_by_id_or_by_default(shop):
    plan = shop.plan(("monthly", 2900), ("yearly", 29000))
    prices = {price["billingInterval"]: price for price in shop.client.get(f"/plans/{plan}").data["prices"]}
    code = shop.client.get(f"/plans/{plan}").data["code"]
    for more, interval in (({}, "monthly"), ({"billingInterval": "yearly"}, "yearly"), ({"priceId": prices["yearly"]["id"]}, "yearly")):
        made = shop.client.post("/subscriptions", {"customerId": shop.customer()["externalId"], "planCode": code, **more}).ok(201).data
        assert (made["billingInterval"], made["priceId"]) == (interval, prices[interval]["id"])


def test_what_is_not_there_is_named(shop, db):
    customer, plan = shop.customer(), shop.plan(("monthly", 2900))
    other, unpriced, deleted = shop.plan(("weekly", 1)), shop.plan(), shop.plan(("monthly", 1), grouped=False)
    codes = {one: shop.client.get(f"/plans/{one}").data["code"] for one in (plan, unpriced, deleted)}
    shop.client.call("DELETE", f"/plans/{deleted}").ok()
    foreign = shop.client.get(f"/plans/{other}").data["prices"][0]["id"]
    with nothing_written(db):
        for body, code, status, param in (
            ({"customerId": "cus_" + "0" * 22}, "customer_not_found", 404, "customerId"),
            ({"customerId": "nobody"}, "customer_not_found", 404, "customerId"),
            ({"planId": "pln_" + "0" * 22}, "plan_not_found", 404, "planId"),
            ({"planId": None, "planCode": "nothing"}, "plan_not_found", 404, "planCode"),
            ({"billingInterval": "yearly"}, "price_not_found", 404, "billingInterval"),
            ({"priceId": "prc_" + "0" * 22}, "price_not_found", 404, "priceId"),
            ({"priceId": "x"}, "price_not_found", 404, "priceId"),
            ({"priceId": foreign}, "price_not_found", 404, "priceId"),
            ({"planId": unpriced}, "no_prices_configured", 409, "planId"),
            ({"planId": None, "planCode": codes[unpriced]}, "no_prices_configured", 409, "planCode"),
            ({"planId": deleted}, "plan_unavailable", 409, "planId"),
            ({"planId": None, "planCode": codes[deleted]}, "plan_unavailable", 409, "planCode"),
        ):
            error = shop.client.post("/subscriptions", {"customerId": customer["id"], "planId": plan, **body}, idem=uid("k")).error(code, status)
            assert error["param"] == param, body
        # planId comes first, and takes no code.
        for body, param, message in (
            ({"planId": codes[plan]}, "planId", "There is no plan with this id; a plan's code belongs in planCode."),
            ({"planId": codes[plan], "planCode": codes[plan]}, "planId", "There is no plan with this id; a plan's code belongs in planCode."),
            ({"planCode": plan}, "planCode", "There is no plan with this code."),
        ):
            error = shop.client.post("/subscriptions", {"customerId": customer["id"], **body}).error("plan_not_found", 404)
            assert (error["param"], error["message"]) == (param, message)


def test_bad_values_of_a_create_are_named(shop, db):
    body = {"customerId": shop.customer()["id"], "planId": shop.plan(("monthly", 2900))}
    with nothing_written(db):
        for more, field in (({"startDate": "2020-01-01"}, "startDate"), ({"startDate": "1970-01-01T00:00:00Z"}, "startDate"),
                            ({"startDate": "2030-02-30"}, "startDate"), ({"startDate": "tomorrow"}, "startDate"),
                            ({"startDate": "2030-01-01T00:00:00"}, "startDate"), ({"successUrl": "javascript:x"}, "successUrl"),
                            ({"prepaidPeriods": 2}, "prepaidPeriods"), ({"customTrialDays": 731}, "customTrialDays"),
                            ({"billingInterval": "daily"}, "billingInterval"), ({"planId": None}, "planId")):
            shop.client.call("POST", "/subscriptions", {**body, **more}, checked=False).invalid(field)
    made = shop.client.post("/subscriptions", {**body, "prepaidPeriods": 1, "initialSeats": {"a": 1}, "provider": "x", "startDate": "2090-01-31T10:00:00+02:00"})
    assert made.ok(201).data["status"] == "draft" and made.data["startDate"] == "2090-01-31T08:00:00.000Z"
    assert set(made.header("Clientele-Ignored").split(", ")) == {"initialSeats", "provider"}
    shop.client.post("/subscriptions", body).error("already_has_active_subscription", 409)
    assert shop.call(made.data, "cancel").ok().data["status"] == "canceled"


def test_two_hundred_at_once_make_one(shop, db):
    customer, plans = shop.customer(), [shop.plan(("monthly", 100 + i)) for i in range(4)]

    def create(i):
        """Until it is not refused for want of workers."""
        while True:
            reply = shop.client.call("POST", "/subscriptions", {"customerId": customer["id"], "planId": plans[i % 4]}, timeout=120, checked=False,
                                     idem=uid("k") if i % 2 else None)
            if reply.status != 429:
                return reply

    replies = in_parallel([lambda i=i: create(i) for i in range(200)])
    assert {reply.status for reply in replies} <= {200, 201, 409}
    live = scalar(db, "SELECT count(*) FROM subscription WHERE customer_id = (SELECT id FROM customer WHERE external_id = %s) AND status <> 'canceled'",
                  customer["externalId"])
    assert live == 1
    rows = [row for reply in replies if reply.status == 201 for row in [reply.data["id"]]]
    assert len(rows) == len(set(rows))
    # What was replaced has a void invoice, and the numbers have no gap.
    assert scalar(db, "SELECT bool_and(i.status = CASE s.status WHEN 'canceled' THEN 'void' ELSE 'outstanding' END) AND count(*) = max(number) - min(number) + 1"
                      " FROM subscription s JOIN invoice i ON i.subscription_id = s.id JOIN customer c ON c.id = s.customer_id WHERE c.external_id = %s",
                  customer["externalId"]) is True


def test_of_many_of_the_same_selection_one_is_made(shop):
    customer, plan = shop.customer(), shop.plan(("monthly", 100))
    replies = in_parallel([lambda: shop.subscribe(customer, plan)] * 40)
    assert sorted(reply.status for reply in replies) == [200] * 39 + [201]
    assert len({reply.data["id"] for reply in replies}) == 1


@pytest.mark.parametrize("verb", ["create", "erase"])
def test_a_live_one_whose_plan_changes_meanwhile_is_still_found(shop, database, verb):
    """Its row is locked while another change commits, which gives it another plan."""
    small, large = shop.plan(("monthly", 1000)), shop.plan(("monthly", 3000))
    live, code, answers = shop.active(small), shop.client.get(f"/plans/{large}").data["code"], []
    calls = {"create": lambda: shop.client.post("/subscriptions", {"customerId": live["customerId"], "planId": small}),
             "erase": lambda: shop.client.call("DELETE", f"/customers/{live['customerId']}")}
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        db.autocommit = False
        cursor.execute("UPDATE subscription s SET plan_id = p.id FROM plan p WHERE p.code = %s AND p.environment_id = s.environment_id",
                       (code,))
        assert cursor.rowcount == 1
        thread = threading.Thread(target=lambda: answers.append(calls[verb]()))
        thread.start()
        with contextlib.closing(database.connect()) as other:
            wait_until(lambda: scalar(other, "SELECT count(*) FROM pg_locks l WHERE NOT l.granted AND l.locktype = 'transactionid'") >= 1,
                       what="the call")
        db.commit()
        thread.join()
    if verb == "create":
        assert answers[0].error("already_has_active_subscription", 409)["details"] == {
            "subscriptionId": live["id"], "status": "active", "planId": large}
    else:
        answers[0].ok()
        assert shop.client.get(f"/subscriptions/{live['id']}").data["status"] == "canceled"


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize("version", VERSIONS)
def test_active_is_the_live_one_or_null(shop, version):
    client, plan = shop.client.at(version), shop.plan(("monthly", 100))
    customer = shop.customer()
    for ref in (customer["id"], customer["externalId"], "nobody", "cus_" + "0" * 22):
        assert client.get(f"/subscriptions/active?customerId={ref}").ok().json == (
            None if at_least(version, "2026-07-24") else {"success": True, "data": None})
    made = shop.subscribe(customer, plan).ok(201).data
    for ref in (customer["id"], customer["externalId"]):
        assert client.get(f"/subscriptions/active?customerId={ref}").data["id"] == made["id"]
    shop.call(made, "cancel").ok()
    assert client.get(f"/subscriptions/active?customerId={ref}").ok().body in (b"null", b'{"success":true,"data":null}')
    client.get("/subscriptions/active").invalid("customerId")
    assert client.get(f"/subscriptions/active?customerId={ref}&x=1").header("Clientele-Ignored") == "x"


def test_legacy_active_takes_the_external_id_under_its_own_name(shop):
    customer = shop.customer()
    made = shop.subscribe(customer, shop.plan(("monthly", 100))).ok(201).data
    assert shop.client.at(LEGACY).get(f"/subscriptions/active?externalId={customer['externalId']}").data["id"] == made["id"]
    shop.client.get(f"/subscriptions/active?externalId={customer['externalId']}").invalid("customerId")


def test_lists_are_filtered_by_customer_and_status(shop):
    plan = shop.plan(("monthly", 100))
    one, two = shop.active(plan), shop.subscribe(shop.customer(), plan).ok(201).data

    def found(query):
        return [row["id"] for row in shop.client.get(f"/subscriptions?{query}").ok().data]

    assert found("") == [two["id"], one["id"]]
    assert found("status=active") == found(f"customerId={one['customerId']}") == [one["id"]]
    assert found(f"customerId={one['customerId']}&status=pending_payment") == found("status=paused") == []
    assert found("status=pending_payment&limit=1") == [two["id"]]
    shop.client.get("/subscriptions?status=none").invalid("status")
    shop.client.get("/subscriptions?customerId=nobody").error("customer_not_found", 404)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_customer_shows_the_live_one(shop, version):
    client, plan = shop.client.at(version), shop.plan(("monthly", 100))
    customer = shop.customer()
    assert client.get(f"/customers/{customer['id']}").customer()["subscription"] is None
    made = shop.subscribe(customer, plan).ok(201).data
    shown = {"id": made["id"], "status": "pending_payment", "planId": plan, "planCode": made["plan"]["name"].lower(), "planName": made["plan"]["name"],
             "currentPeriodEnd": None, "cancelAtPeriodEnd": False}
    for ref in (customer["id"], customer["externalId"]):
        assert client.get(f"/customers/{ref}").customer()["subscription"] == shown
    shop.settle(shop.invoices(made)[0]).ok()
    end = shop.call(made, "cancel").ok().data["currentPeriod"]["end"]
    assert client.get(f"/customers/{customer['id']}").customer()["subscription"] == {
        **shown, "status": "active", "currentPeriodEnd": end, "cancelAtPeriodEnd": True}
    shop.call(made, "cancel", {"immediate": True}).ok()
    assert client.get(f"/customers/{customer['id']}").customer()["subscription"] is None


def test_semiannual_is_null_before_it_was_known(shop):
    made = shop.subscribe(shop.customer(), shop.plan(("semiannual", 100))).ok(201).data
    assert made["billingInterval"] == "semiannual"
    assert shop.client.at("2026-07-31").get(f"/subscriptions/{made['id']}").data["billingInterval"] is None
    early = shop.client.at("2026-05-25").get(f"/subscriptions/{made['id']}").data
    assert early["billingInterval"] is early["plan"]["billingInterval"] is None


# ---------------------------------------------------------------- cancel


@pytest.mark.parametrize("version", VERSIONS)
def test_cancel_and_uncancel(shop, version):
    active = shop.active(shop.plan(("monthly", 100)))
    client, path = shop.client.at(version), f"/subscriptions/{active['id']}"
    canceled = client.post(path + "/cancel", {"reason": "why", "subscriptionId": active["id"]}).ok().data
    assert canceled["status"] == "active" and canceled["cancelAtPeriodEnd"] is True
    assert canceled["cancellation"] == {"scheduledAt": canceled["updatedAt"], "reason": "why", "effectiveAt": active["currentPeriod"]["end"]}
    assert canceled["endDate"] == active["currentPeriod"]["end"] and canceled["nextBillingDate"] is None
    more = {"canceledAt", "cancelReason", "scheduledCancellationDate"} if "2026-06-07" <= version <= "2026-07-11" else set()
    assert more == set(canceled) - set(client.get(path).data)
    if more:
        assert (canceled["canceledAt"], canceled["cancelReason"], canceled["scheduledCancellationDate"]) == (
            canceled["updatedAt"], "why", active["currentPeriod"]["end"])
    client.post(path + "/cancel", {}).error("already_scheduled", 409)
    client.post(path + "/change-plan", {"newBillingInterval": "yearly"}).error("price_not_found", 404)
    back = client.call("POST", path + "/uncancel", idem=uid("k")).ok().data
    assert back["cancellation"] is None and back["cancelAtPeriodEnd"] is False and back["endDate"] is None
    assert not more or (back["canceledAt"] and back["scheduledCancellationDate"] and back["cancelReason"] is None)
    client.post(path + "/uncancel", {}).error("not_scheduled_for_cancellation", 409)
    over = client.post(path + "/cancel", {"immediate": True}).ok().data
    assert over["status"] == "canceled" and over["cancelAtPeriodEnd"] is False and over["endDate"] == over["updatedAt"]
    for body in ({}, {"immediate": True}):
        client.post(path + "/cancel", body).error("subscription_already_canceled", 409)
    client.post(path + "/uncancel", {}).error("not_scheduled_for_cancellation", 409)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_end_with_the_first_period_can_be_taken_back_before_that_begins(shop, version):
    plan, drafted = shop.plan(("monthly", 100)), {"startDate": "2090-01-31T10:00:00Z"}
    for more in ({}, drafted, {"customTrialDays": 3}):
        made = shop.subscribe(shop.customer(), plan, cancelAtPeriodEnd=True, **more).ok(201).data
        assert made["cancelAtPeriodEnd"] is True and made["status"] == ("draft" if more == drafted else "pending_payment")
        client, path = shop.client.at(version), f"/subscriptions/{made['id']}/uncancel"
        back = client.call("POST", path, idem=uid("k")).ok().data
        assert (back["status"], back["cancelAtPeriodEnd"], back["cancellation"]) == (made["status"], False, None)
        assert ("canceledAt" in back) == ("2026-06-07" <= version <= "2026-07-11")
        assert back.get("canceledAt", True) and back.get("scheduledCancellationDate", True)
        client.post(path, {}).error("not_scheduled_for_cancellation", 409)


def test_what_waits_for_its_payment_is_canceled_at_once_with_its_invoice(shop):
    made = shop.subscribe(shop.customer(), shop.plan(("monthly", 100))).ok(201).data
    assert shop.call(made, "cancel").ok().data["status"] == "canceled"
    assert [invoice["status"] for invoice in shop.invoices(made)] == ["void"]
    shop.settle(shop.invoices(made)[0]).error("conflict", 409)


def test_what_was_bought_once_is_canceled_only_at_once(shop):
    active = shop.active(shop.plan(("one_time", 9900)))
    assert active["currentPeriod"]["end"] is None and active["nextBillingDate"] is None
    shop.call(active, "cancel").error("one_time_subscription_not_cancelable", 409)
    assert shop.call(active, "cancel", {"immediate": True}).ok().data["status"] == "canceled"


@pytest.mark.parametrize("verb", ["cancel", "uncancel", "change-plan", "preview-change"])
def test_of_another_environment_it_is_not_there(shop, new_org, verb):
    mine, theirs = shop.active(shop.plan(("monthly", 100))), new_org().live
    body = {"newBillingInterval": "monthly", "billingInterval": "monthly"}
    for some_id in (mine["id"], "sub_" + "0" * 22, "x"):
        assert theirs.post(f"/subscriptions/{some_id}/{verb}", body).error("subscription_not_found", 404)["param"] == "id"


@pytest.mark.parametrize("verb, body", [("cancel", {}), ("uncancel", {}), ("change-plan", {"newBillingInterval": "yearly"})])
def test_a_repeated_change_is_answered_from_memory(shop, db, verb, body):
    active = shop.active(shop.plan(("monthly", 100), ("yearly", 1000)))
    if verb == "uncancel":
        shop.call(active, "cancel").ok()
    path, key = f"/subscriptions/{active['id']}/{verb}", uid("k")
    first = shop.client.post(path, body, idem=key).ok()
    with nothing_written(db):
        again = shop.client.post(path, body, idem=key).ok()
        assert again.body == first.body and again.header("Idempotent-Replayed") == "true"
        shop.client.post(path, {**body, "x": 1}, idem=key).error("idempotency_key_mismatch", 409)


def test_many_cancels_at_once_are_one(shop):
    active = shop.active(shop.plan(("monthly", 100)))
    replies = in_parallel([lambda: shop.call(active, "cancel")] * 20)
    assert sorted(reply.status for reply in replies) == [200] + [409] * 19


# ---------------------------------------------------------------- change


def test_upwards_it_is_paid_at_a_checkout(shop):
    small, large = shop.plan(("monthly", 1000)), shop.plan(("monthly", 3000))
    active = shop.active(small)
    quote = shop.client.post(f"/subscriptions/{active['id']}/preview-change", {"planId": large}).ok().data
    assert (quote["currentPlanCredit"], quote["newPlanCharge"], quote["estimatedTotal"], quote["isUpgrade"]) == (1000, 3000, 2000, True)
    assert quote["daysRemaining"] == quote["totalDays"] in (28, 29, 30, 31)
    change = shop.call(active, "change-plan", {"newPlanId": large}).ok().data
    assert change["outcome"] == "requires_checkout" and change["requiresCheckout"] is True and "/checkout/" in change["checkoutUrl"]
    still = shop.client.get(f"/subscriptions/{active['id']}").data
    assert still["plan"]["id"] == small and still["checkoutUrl"] == change["checkoutUrl"] and still["scheduledPlanChange"] is None
    invoice = shop.client.get(f"/invoices/{change['invoiceId']}").data
    assert [(line["lineType"], line["amount"]) for line in invoice["lineItems"]] == [("plan_base", 3000), ("credit", -1000)]
    assert (invoice["subtotal"], invoice["total"], invoice["invoiceType"], invoice["status"]) == (2000, 2000, "plan_change", "outstanding")
    shop.settle(invoice).ok()
    now = shop.client.get(f"/subscriptions/{active['id']}").data
    assert now["plan"]["id"] == large and now["status"] == "active" and now["checkoutUrl"] is None
    assert now["currentPeriod"]["start"] > active["currentPeriod"]["start"]
    # What the first change gave is what the next one counts with.
    assert shop.client.post(f"/subscriptions/{active['id']}/preview-change", {"planId": shop.plan(("monthly", 5000))}).data["currentPlanCredit"] == 3000


def test_a_change_that_waits_to_be_paid_is_replaced_and_taken_back(shop):
    small, large, huge = shop.plan(("monthly", 1000)), shop.plan(("monthly", 3000)), shop.plan(("monthly", 9000))
    active = shop.active(small)
    first = shop.call(active, "change-plan", {"newPlanId": large}).ok().data
    second = shop.call(active, "change-plan", {"newPlanId": huge}).ok().data
    assert shop.client.get(f"/invoices/{first['invoiceId']}").data["status"] == "void"
    shop.settle({"id": second["invoiceId"]}, "void").ok()
    assert shop.client.get(f"/subscriptions/{active['id']}").data["checkoutUrl"] is None
    shop.call(active, "change-plan", {"newPlanId": small}).error("no_change_requested", 400)


def test_downwards_it_waits_and_asking_for_the_present_plan_takes_it_back(shop):
    small, large = shop.plan(("monthly", 1000)), shop.plan(("monthly", 3000))
    active = shop.active(large)
    change = shop.call(active, "change-plan", {"newPlanId": small}).ok().data
    assert (change["outcome"], change["scheduled"], change["scheduledFor"], change["changeType"]) == (
        "scheduled", True, active["currentPeriod"]["end"], "subscription.plan_downgrade")
    waiting = shop.client.get(f"/subscriptions/{active['id']}").data
    assert waiting["scheduledPlanChange"] == {"changeType": "plan_downgrade", "newPlanId": small, "newPlanName": change["newPlanName"],
                                              "newBillingInterval": "monthly", "scheduledFor": active["currentPeriod"]["end"]}
    shop.client.post(f"/subscriptions/{active['id']}/preview-change", {"planId": small}).error("plan_change_scheduled", 400)
    back = shop.call(active, "change-plan", {"newPlanId": large}).ok().data
    assert back["outcome"] == "completed" and back["billing"]["totalCharged"] == 0
    assert shop.client.get(f"/subscriptions/{active['id']}").data["scheduledPlanChange"] is None
    shop.call(active, "change-plan", {"newPlanId": small}).ok()
    assert shop.call(active, "cancel").ok().data["scheduledPlanChange"] is None


def test_by_invoice_a_change_is_done_at_once_and_a_surplus_is_kept(by_invoice):
    plan = by_invoice.plan(("monthly", 5000), ("yearly", 2000), ("weekly", 10))
    active = by_invoice.active(plan)
    by_invoice.settle(by_invoice.invoices(active)[0]).ok()
    done = by_invoice.call(active, "change-plan", {"newBillingInterval": "yearly"}).ok().data
    assert done["outcome"] == "completed" and done["scheduled"] is False and done["billingInterval"] == "yearly"
    assert done["billing"] == {"credit": 5000, "creditsApplied": 0, "charge": 2000, "taxAmount": 0, "netAmount": -3000, "totalCharged": 0,
                               "remainingCreditBalance": 3000}
    invoice = by_invoice.client.get(f"/invoices/{done['invoiceId']}").data
    assert (invoice["status"], invoice["total"]) == ("paid", 0)
    week = by_invoice.call(active, "change-plan", {"newBillingInterval": "weekly"}).ok().data
    assert week["changeType"] == "subscription.interval_change"
    # The surplus pays for the customer's next one.
    by_invoice.call(active, "cancel", {"immediate": True}).ok()
    made = by_invoice.client.post("/subscriptions", {"customerId": active["customerId"], "planId": plan}).ok(201).data
    (invoice,) = by_invoice.invoices(made)
    assert (invoice["subtotal"], invoice["creditApplied"], invoice["total"]) == (5000, 3000, 2000)
    # And is given back with it.
    by_invoice.call(made, "cancel", {"immediate": True}).ok()
    made = by_invoice.client.post("/subscriptions", {"customerId": active["customerId"], "planId": plan}).ok(201).data
    assert by_invoice.invoices(made)[0]["creditApplied"] == 3000


def test_changes_are_refused(shop, db):
    plan, other = shop.plan(("monthly", 1000), ("yearly", 9000)), shop.plan(("monthly", 1000), grouped=False)
    pending, active = shop.subscribe(shop.customer(), plan).ok(201).data, shop.active(plan)
    code = shop.client.get(f"/plans/{plan}").data["code"]
    with nothing_written(db):
        assert shop.call(active, "change-plan", {}).error("no_change_requested", 400)["param"] == "newPlanId"
        shop.call(active, "preview-change", {}).invalid("planId")
        for verb, key, interval in (("change-plan", "newPlanId", "newBillingInterval"), ("preview-change", "planId", "billingInterval")):
            assert shop.call(active, verb, {key: other}).error("plans_not_in_same_group", 400)["param"] == key
            assert shop.call(active, verb, {key: plan}).error("no_change_requested", 400)["param"] == key
            assert shop.call(active, verb, {interval: "weekly"}).error("price_not_found", 404)["param"] == interval
            for missing in ("pln_" + "0" * 22, code):
                error = shop.call(active, verb, {key: missing}).error("plan_not_found", 404)
                assert (error["param"], error["message"]) == (key, "There is no plan with this id.")
            shop.call(pending, verb, {key: plan}).error("subscription_not_active", 409)
    shop.call(active, "cancel").ok()
    shop.call(active, "change-plan", {"newBillingInterval": "yearly"}).error("already_scheduled", 409)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_change_in_each_version(shop, version):
    """What was completed, scheduled, and waits: 'outcome' and 'object' come with 2026-07-24."""
    client = shop.client.at(version)
    small, free = shop.plan(("monthly", 1000), ("yearly", 9000)), shop.plan(isFree=True)
    active = shop.active(small)
    named = {"id", "customerId"} | ({"object", "livemode"} if at_least(version, "2026-05-25") else set())
    named |= {"outcome"} if at_least(version, "2026-07-24") else set()
    path = f"/subscriptions/{active['id']}/"
    assert set(client.post(path + "change-plan", {"newBillingInterval": "yearly"}).ok().data) == named | {"requiresCheckout", "checkoutUrl", "invoiceId"}
    scheduled = client.post(path + "change-plan", {"newPlanId": free}).ok().data
    assert set(scheduled) == named | {"scheduled", "scheduledFor", "changeType", "newPlanId", "newPlanName", "newBillingInterval"}
    done = client.post(path + "change-plan", {"newPlanId": small}).ok().data
    assert set(done) == named | {"scheduled", "previousPlan", "currentPlan", "billingInterval", "billing", "invoiceId"}
    assert done.get("object") == ("plan_change" if at_least(version, "2026-07-24") else "subscription" if "object" in named else None)
    preview = client.post(path + "preview-change", {"billingInterval": "yearly"}).ok().data
    assert set(preview) == (named - {"id", "customerId", "outcome"}) | {
        "currency", "currentPlanCredit", "newPlanCharge", "estimatedTotal", "effectiveDate", "daysRemaining", "totalDays", "isUpgrade"}


# ---------------------------------------------------------------- events


def test_events_are_written_with_what_they_report(shop, db):
    active = shop.active(shop.plan(("monthly", 1000)))
    shop.call(active, "cancel").ok()
    shop.call(active, "uncancel").ok()
    shop.call(active, "cancel", {"immediate": True}).ok()
    with db.cursor() as cursor:
        cursor.execute("SELECT type FROM event WHERE subscription_id = (SELECT subscription_id FROM event e JOIN subscription s ON s.id = e.subscription_id"
                       " JOIN customer c ON c.id = s.customer_id ORDER BY e.id DESC LIMIT 1) ORDER BY id")
        types = [row[0] for row in cursor.fetchall() if row[0] != "customer.state_changed"]
    assert types == ["subscription.created", "invoice.created", "checkout.ready", "payment.received", "subscription.activated", "subscription.updated",
                     "subscription.cancellation_scheduled", "subscription.cancellation_revoked", "subscription.canceled"]


def test_every_zone_of_the_contract_has_periods(shop):
    plan = shop.plan(("monthly", 1000))
    for zone in TIMEZONES:
        active = shop.active(plan, timezone=zone)
        assert active["status"] == "active" and active["currentPeriod"]["daysRemaining"] in (28, 29, 30, 31)
