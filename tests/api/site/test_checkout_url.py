"""checkout_url_template: a checkout page of the operator's own, and the signature by which it knows who made the address."""

import hashlib
import hmac
from urllib.parse import parse_qs, urlsplit

import pytest

from helpers import Client, uid
from pages import Shop, press
from stack import Front, Service

SECRET = "correct horse battery staple, and 7 more words of it, so that it is longer than a block of the hash"
TEMPLATE = "https://pay.example/p/{subscription}?i={invoice}&a={amount}&c={currency}&next={success_url}&v=1&sig={sig}"


@pytest.fixture(scope="module")
def own(database, place):
    service = Service(database, workers=1, public_url="https://api.example", checkout_url_template=TEMPLATE, checkout_url_secret=SECRET).start()
    front = Front(place, "nginx", service.socket)
    yield front.url
    front.stop()
    service.stop()


@pytest.fixture(params=["live", "sandbox"])
def shop(own, database, db, request):
    return Shop(Client(own, database.organization(uid("org")).key(request.param)), db)


def check(url, subscription, invoice, amount, success_url, currency="usd"):
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "pay.example", "/p/" + subscription)
    text = "\n".join([subscription, invoice, str(amount), currency, success_url])
    assert parse_qs(parts.query, keep_blank_values=True, strict_parsing=True) == {
        "i": [invoice], "a": [str(amount)], "c": [currency], "next": [success_url], "v": ["1"],
        "sig": [hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()]}


@pytest.mark.parametrize("success", ["https://a.example/ok", "https://a.example/?a=1&b=2#\u00e4 {sig}%\n", ""])
def test_it_leads_to_the_operators_page_wherever_it_is_shown(shop, success):
    customer, plan = shop.customer(), shop.plan()
    more = {"successUrl": success} if success else {}
    made = shop.subscribe(plan, customer, **more)
    (invoice,) = shop.invoices(made)
    check(made["checkoutUrl"], made["id"], invoice["id"], 2900, success)
    again = shop.client.post("/subscriptions", {"customerId": customer["id"], "planId": plan}).ok(200).data
    listed = shop.client.get(f"/subscriptions?customerId={customer['id']}").data[0]
    active = shop.client.get(f"/subscriptions/active?customerId={customer['id']}").data
    assert {row["checkoutUrl"] for row in (again, listed, active, shop.subscription(made))} == {made["checkoutUrl"]}
    shop.settle(invoice).ok()
    assert shop.subscription(made)["checkoutUrl"] is None


def test_a_change_of_plan_asks_for_its_own_invoice(shop):
    small, large = shop.plan(("monthly", 1000)), shop.plan(("monthly", 5000))
    made = shop.active(small, successUrl="https://a.example/1")
    change = shop.change(made, large, successUrl="https://a.example/2")
    invoice = shop.invoices(made)[0]
    assert change["invoiceId"] == invoice["id"]
    check(change["checkoutUrl"], made["id"], invoice["id"], 4000, "https://a.example/2")
    assert shop.subscription(made)["checkoutUrl"] == change["checkoutUrl"]
    shop.settle(invoice, "void").ok()
    assert shop.subscription(made)["checkoutUrl"] is None


def test_a_trial_is_begun_on_the_services_own_page(shop):
    """No call of the API begins one."""
    made = shop.subscribe(shop.plan(("monthly", 2900, 14)))
    assert made["checkoutUrl"].startswith("https://api.example/checkout/") and shop.subscription(made)["checkoutUrl"] == made["checkoutUrl"]
    assert press(shop.url, made["checkoutUrl"].removeprefix("https://api.example"), "start").status == 303
    assert shop.subscription(made)["status"] == "trialing"


def test_the_currency_is_the_environments(shop):
    plan = shop.plan(("monthly", 5))
    shop.bills_with(currency="jpy")
    made = shop.subscribe(plan)
    check(made["checkoutUrl"], made["id"], shop.invoices(made)[0]["id"], 5, "", "jpy")


@pytest.mark.parametrize("template, secret, said", [
    ("https://a.example/{invoices}", "x", "there is no {invoices}"), ("https://a.example/{sig}", None, "{sig} needs checkout_url_secret"),
    ("ftp://a.example/{invoice}", "x", "must begin with https:// or http://")])
def test_a_wrong_template_is_refused(database, place, template, secret, said):
    service = Service(database, workers=1, checkout_url_template=template, checkout_url_secret=secret)
    service.start(wait=False)
    assert service.process.wait(30) == 78 and said in service.log()
    service.stop()
