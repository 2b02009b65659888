"""/checkout/{token}: what is to be paid or begun, and in a sandbox the buttons that do it."""

import re

import pytest
import requests

from helpers import in_parallel, nothing_written, scalar
from pages import Shop, fetch, invoice_token, nothing_here, press
from stack import wait_until


@pytest.fixture
def org(new_org):
    return new_org()


@pytest.fixture
def live(org, db):
    return Shop(org.live, db)


@pytest.fixture
def sandbox(org, db):
    return Shop(org.sandbox, db)


def events(shop, kind):
    return scalar(shop.db, "SELECT count(*) FROM event WHERE environment_id = %s AND type = %s", shop.environment, kind)


def led_to(answer):
    assert answer.status == 303, repr(answer)
    return answer.headers["Location"]


# ---------------------------------------------------------------- looking at it


@pytest.mark.all_fronts
def test_live_it_says_what_is_to_be_paid_and_how(live, db):
    plan = live.plan(("quarterly", 2900))
    live.bills_with(payment_instructions="Send it to\nIBAN DE02")
    made = live.subscribe(plan)
    target = made["checkoutUrl"]
    page = fetch(live.url, target).ok()
    assert page.facts == {"Price": "USD 29.00 every three months", "To pay now": "USD 29.00"}
    assert page.rows[1:] == [[made["name"], "USD 29.00"], ["Total", "USD 29.00"]] and page.of("h1") == [made["name"]]
    assert "Send it to\nIBAN DE02" in page.of("p") and "sandbox" not in page.says
    assert page.buttons == [] and page.forms == 0
    with nothing_written(db):
        fetch(live.url, target, "HEAD").page
        for deed in ("pay", "decline"):
            assert "Nothing was done" in press(live.url, target, deed).ok(403).says
        press(live.url, target, "start").ok(400)
    assert live.subscription(made) == made
    live.settle(live.invoices(made)[0]).ok()
    page = fetch(live.url, target).ok()
    assert page.of("h1") == ["Thank you"] and page.buttons == [] and list(page.links) == ["Invoice INV-000001"]


def test_each_interval_has_its_words(live):
    for interval, words in (("weekly", "every week"), ("monthly", "every month"), ("semiannual", "every six months"), ("yearly", "every year"), ("one_time", "once")):
        made = live.subscribe(live.plan((interval, 100)))
        assert fetch(live.url, made["checkoutUrl"]).ok().facts["Price"] == f"USD 1.00 {words}"


def test_a_policy_lets_a_form_lead_away_only_where_it_may(sandbox):
    one, two = sandbox.subscribe(sandbox.plan()), sandbox.subscribe(sandbox.plan(), successUrl="https://a.example/")
    assert fetch(sandbox.url, one["checkoutUrl"]).policy["form-action"] == "'self'"
    assert fetch(sandbox.url, two["checkoutUrl"]).policy["form-action"] == "'self' https: http:"


# ---------------------------------------------------------------- paying in a sandbox


@pytest.mark.all_fronts
def test_in_a_sandbox_a_button_pays(sandbox):
    made = sandbox.subscribe(sandbox.plan(), successUrl="https://app.example/welcome?a=1&b='2'")
    page = fetch(sandbox.url, made["checkoutUrl"]).ok()
    assert page.buttons == ["pay", "decline"] and "This is a sandbox" in page.says
    assert led_to(press(sandbox.url, made["checkoutUrl"], "pay")) == "https://app.example/welcome?a=1&b='2'"
    now = sandbox.subscription(made)
    (invoice,) = sandbox.invoices(made)
    assert (now["status"], now["checkoutUrl"], invoice["status"]) == ("active", None, "paid")
    assert (invoice["periodStart"], invoice["periodEnd"]) == (now["currentPeriod"]["start"], now["currentPeriod"]["end"])
    page = fetch(sandbox.url, made["checkoutUrl"]).ok()
    assert page.of("h1") == ["Thank you"] and page.links["Continue"] == "https://app.example/welcome?a=1&b='2'"


@pytest.mark.all_fronts
def test_without_a_success_url_the_page_itself_comes_next(sandbox):
    made = sandbox.subscribe(sandbox.plan())
    to = led_to(press(sandbox.url, made["checkoutUrl"], "pay"))
    assert to == made["checkoutUrl"].split("/")[-1], "below whatever path the page is"
    assert fetch(sandbox.url, made["checkoutUrl"]).ok().of("h1") == ["Thank you"]


def test_a_declined_one_is_over(sandbox):
    made = sandbox.subscribe(sandbox.plan(), successUrl="https://a.example/")
    assert led_to(press(sandbox.url, made["checkoutUrl"], "decline")) == made["checkoutUrl"].split("/")[-1]
    assert (sandbox.subscription(made)["status"], sandbox.invoices(made)[0]["status"]) == ("canceled", "void")
    nothing_here(fetch(sandbox.url, made["checkoutUrl"]))
    for deed in ("pay", "decline"):
        nothing_here(press(sandbox.url, made["checkoutUrl"], deed))


def test_two_clicks_are_one_payment(sandbox):
    made = sandbox.subscribe(sandbox.plan(), successUrl="https://a.example/")
    for _ in range(3):
        assert led_to(press(sandbox.url, made["checkoutUrl"], "pay")) == "https://a.example/"
    assert events(sandbox, "payment.received") == events(sandbox, "subscription.activated") == 1
    # Too late.
    assert led_to(press(sandbox.url, made["checkoutUrl"], "decline")) == made["checkoutUrl"].split("/")[-1]
    assert sandbox.subscription(made)["status"] == "active"


def test_twenty_clicks_at_once_are_one_payment(sandbox):
    made = sandbox.subscribe(sandbox.plan(), successUrl="https://a.example/")
    answers = in_parallel([lambda: press(sandbox.url, made["checkoutUrl"], "pay")] * 20)
    assert {led_to(answer) for answer in answers} == {"https://a.example/"}
    assert events(sandbox, "payment.received") == events(sandbox, "subscription.activated") == 1


def test_of_pay_and_decline_at_once_one_happens(sandbox):
    plan = sandbox.plan()
    for _ in range(10):
        made = sandbox.subscribe(plan)
        pay, decline = in_parallel([lambda: press(sandbox.url, made["checkoutUrl"], "pay"), lambda: press(sandbox.url, made["checkoutUrl"], "decline")])
        (invoice,) = sandbox.invoices(made)
        status = sandbox.subscription(made)["status"]
        assert (status, invoice["status"]) in (("active", "paid"), ("canceled", "void"))
        if status == "active":
            assert pay.status == decline.status == 303
        else:
            assert decline.status == 303 and pay.status == 404


def test_what_the_api_paid_is_not_paid_again(sandbox):
    made = sandbox.subscribe(sandbox.plan(), successUrl="https://a.example/")
    sandbox.settle(sandbox.invoices(made)[0]).ok()
    assert led_to(press(sandbox.url, made["checkoutUrl"], "pay")) == "https://a.example/"
    assert events(sandbox, "payment.received") == 1


def test_a_selection_that_was_replaced_leaves_a_dead_link(sandbox):
    customer = sandbox.customer()
    old, new = sandbox.subscribe(sandbox.plan(), customer), sandbox.subscribe(sandbox.plan(), customer)
    nothing_here(fetch(sandbox.url, old["checkoutUrl"]))
    nothing_here(press(sandbox.url, old["checkoutUrl"], "pay"))
    assert sandbox.subscription(new)["status"] == "pending_payment"
    led_to(press(sandbox.url, new["checkoutUrl"], "pay"))


# ---------------------------------------------------------------- trials


def test_one_button_starts_a_trial_live_too(live):
    made = live.subscribe(live.plan(("monthly", 2900, 14)), successUrl="https://a.example/")
    page = fetch(live.url, made["checkoutUrl"]).ok()
    assert page.facts == {"Price": "USD 29.00 every month", "Trial": "14 days, free of charge"}
    assert page.buttons == ["start"] and page.rows == [] and page.links == {}
    press(live.url, made["checkoutUrl"], "decline").ok(403)
    press(live.url, made["checkoutUrl"], "pay").ok(403)
    for _ in range(2):
        assert led_to(press(live.url, made["checkoutUrl"], "start")) == "https://a.example/"
    now = live.subscription(made)
    assert (now["status"], now["checkoutUrl"]) == ("trialing", None) and now["trialEndsAt"]
    assert events(live, "trial.started") == 1
    page = fetch(live.url, made["checkoutUrl"]).ok()
    assert page.of("h1") == ["Thank you"] and "has begun" in page.says and page.links == {"Continue": "https://a.example/"}


def test_a_trial_is_started_once_by_twenty_clicks_at_once(live):
    made = live.subscribe(live.plan(("monthly", 2900, 1)))
    assert fetch(live.url, made["checkoutUrl"]).ok().facts["Trial"] == "1 day, free of charge"
    for answer in in_parallel([lambda: press(live.url, made["checkoutUrl"], "start")] * 20):
        led_to(answer)
    assert events(live, "trial.started") == 1


def test_of_start_and_decline_at_once_one_happens(sandbox):
    plan = sandbox.plan(("monthly", 2900, 14))
    for _ in range(10):
        made, before = sandbox.subscribe(plan), events(sandbox, "trial.started")
        start, decline = in_parallel([lambda: press(sandbox.url, made["checkoutUrl"], "start"), lambda: press(sandbox.url, made["checkoutUrl"], "decline")])
        started = events(sandbox, "trial.started") - before
        assert (sandbox.subscription(made)["status"], started, start.status) in (("trialing", 1, 303), ("canceled", 0, 404))
        assert decline.status == 303


def test_a_trial_can_be_declined_in_a_sandbox(sandbox):
    made = sandbox.subscribe(sandbox.plan(("monthly", 2900, 14)))
    assert fetch(sandbox.url, made["checkoutUrl"]).ok().buttons == ["start", "decline"]
    press(sandbox.url, made["checkoutUrl"], "pay").ok(400)
    led_to(press(sandbox.url, made["checkoutUrl"], "decline"))
    assert sandbox.subscription(made)["status"] == "canceled" and sandbox.invoices(made) == []
    nothing_here(fetch(sandbox.url, made["checkoutUrl"]))


def test_a_canceled_trial_leaves_a_dead_link(live):
    made = live.subscribe(live.plan(("monthly", 2900, 14)))
    live.client.post(f"/subscriptions/{made['id']}/cancel", {}).ok()
    nothing_here(press(live.url, made["checkoutUrl"], "start"))


# ---------------------------------------------------------------- changes of plan


def test_a_change_of_plan_has_a_page_of_its_own(sandbox):
    large = sandbox.plan(("monthly", 1000)), sandbox.plan(("monthly", 5000))
    made = sandbox.active(large[0], customer=sandbox.customer(timezone="America/New_York"), successUrl="https://a.example/first")
    change = sandbox.change(made, large[1], successUrl="https://a.example/changed")
    page = fetch(sandbox.url, change["checkoutUrl"]).ok()
    assert re.fullmatch(r"[1-9]\d? [A-Z][a-z]+ 20\d\d \d\d:\d\d America/New_York", page.facts.pop("Offer good until"))
    assert page.facts == {"Price": "USD 50.00 every month", "To pay now": "USD 40.00"} and page.buttons == ["pay", "decline"]
    assert "The plan changes once" in page.says and [row[1] for row in page.rows[1:]] == ["USD 50.00", "USD -10.00", "USD 40.00"]
    assert led_to(press(sandbox.url, change["checkoutUrl"], "pay")) == "https://a.example/changed"
    now = sandbox.subscription(made)
    assert (now["plan"]["id"], now["status"]) == (large[1], "active") and events(sandbox, "subscription.plan_changed") == 1
    assert fetch(sandbox.url, change["checkoutUrl"]).ok().of("h1") == ["Thank you"]


def test_a_declined_change_leaves_the_subscription_as_it_was(sandbox):
    small, large = sandbox.plan(("monthly", 1000)), sandbox.plan(("monthly", 5000))
    made = sandbox.active(small)
    change = sandbox.change(made, large)
    led_to(press(sandbox.url, change["checkoutUrl"], "decline"))
    now = sandbox.subscription(made)
    assert (now["plan"]["id"], now["status"], now["checkoutUrl"], now["scheduledPlanChange"]) == (small, "active", None, None)
    nothing_here(fetch(sandbox.url, change["checkoutUrl"]))


def test_a_change_that_another_one_replaced_leaves_a_dead_link(sandbox):
    small, large, huge = sandbox.plan(("monthly", 1000)), sandbox.plan(("monthly", 5000)), sandbox.plan(("monthly", 9000))
    made = sandbox.active(small)
    old, new = sandbox.change(made, large), sandbox.change(made, huge)
    nothing_here(press(sandbox.url, old["checkoutUrl"], "pay"))
    led_to(press(sandbox.url, new["checkoutUrl"], "pay"))
    assert sandbox.subscription(made)["plan"]["id"] == huge


# ---------------------------------------------------------------- what somebody else may try

FORMS = ["", "deed=", "deed=Pay", "deed=pay&deed=pay", "deed=pay ", "deed=%70ay", "deed=refund", "pay", '{"deed":"pay"}', "deed=pay&x=" + "y" * 100_000, "\0"]


@pytest.mark.parametrize("form", FORMS)
def test_what_no_button_sends_does_nothing(sandbox, db, form):
    made = sandbox.subscribe(sandbox.plan())
    with nothing_written(db):
        page = fetch(sandbox.url, made["checkoutUrl"], "POST", form).ok(400)
        assert page.of("h1") == ["This did not work"]
    assert sandbox.subscription(made) == made


def test_a_deed_in_the_query_does_nothing(sandbox, db):
    made = sandbox.subscribe(sandbox.plan())
    with nothing_written(db):
        fetch(sandbox.url, made["checkoutUrl"] + "?deed=pay").ok()
        fetch(sandbox.url, made["checkoutUrl"] + "?deed=pay", "POST").ok(400)
    assert sandbox.subscription(made) == made


def test_a_form_that_is_too_large_is_refused(sandbox):
    """Below the bound of the web server and above the one of the service is nothing, so this is the web server's answer."""
    made = sandbox.subscribe(sandbox.plan())
    assert requests.post(sandbox.url + made["checkoutUrl"], data=b"deed=pay" + b" " * 2_200_000, timeout=30).status_code == 413
    assert sandbox.subscription(made) == made


@pytest.mark.all_fronts
def test_other_methods_are_not_allowed(sandbox, db):
    made = sandbox.subscribe(sandbox.plan())
    with nothing_written(db):
        for method in ("PUT", "PATCH", "DELETE"):
            answer = fetch(sandbox.url, made["checkoutUrl"], method, b"deed=pay")
            assert answer.status == 405 and answer.headers["Allow"] == "GET, HEAD, POST"


EVIL = [("https://a.example/x\r\nSet-Cookie: a=b", "https://a.example/x%0D%0ASet-Cookie:%20a=b"), ("https://a.example/\u00e4 \u65e5", "https://a.example/%C3%A4%20%E6%97%A5"),
        ("https://a.example/\"><script>x</script>", "https://a.example/\"><script>x</script>"), ("http://a.example/\x7f", "http://a.example/%7F"),
        ("https://a.example/" + "x" * 2030, "https://a.example/" + "x" * 2030), ("https://a.example/" + "\u65e5" * 2000, None)]


@pytest.mark.parametrize("sent, expected", EVIL)
def test_an_odd_success_url_does_no_harm(sandbox, sent, expected):
    made = sandbox.subscribe(sandbox.plan(), successUrl=sent)
    answer = press(sandbox.url, made["checkoutUrl"], "pay")
    assert led_to(answer) == (expected or made["checkoutUrl"].split("/")[-1]) and "Set-Cookie" not in answer.headers
    assert fetch(sandbox.url, made["checkoutUrl"]).ok().links.get("Continue") == expected


def test_another_tenants_token_leads_nowhere(sandbox, new_org, db):
    other = Shop(new_org().sandbox, db)
    mine, theirs = sandbox.subscribe(sandbox.plan()), other.subscribe(other.plan())
    for one, two in ((mine, theirs), (theirs, mine)):
        one, two = one["checkoutUrl"].split("/")[-1], two["checkoutUrl"].split("/")[-1]
        nothing_here(press(sandbox.url, "/checkout/" + one[:22] + two[22:], "pay"))
    assert sandbox.subscription(mine) == mine and other.subscription(theirs) == theirs


def test_the_log_names_the_route_and_never_the_token(sandbox, service):
    made = sandbox.subscribe(sandbox.plan())
    press(sandbox.url, made["checkoutUrl"], "pay")
    log = service.log()
    assert re.search(r"route=/checkout/\{token\} .*status=303|status=303 .*route=/checkout/\{token\}", log), log[-2000:]
    assert made["checkoutUrl"].split("/")[-1] not in log


def test_nor_does_the_log_of_the_shipped_nginx(sandbox, front, fronts):
    made = sandbox.subscribe(sandbox.plan())
    token = made["checkoutUrl"].split("/")[-1]
    # Over one connection, so the lines are one process's, in this order.
    with requests.Session() as browser:
        for path in (made["checkoutUrl"] + "?last", "/invoices/" + invoice_token(token), "/" + token[:22]):
            browser.get(sandbox.url + path, timeout=30)
    log = fronts[front].dir / "access.log"
    wait_until(lambda: f'"GET /{token[:22]} HTTP/1.1" 404' in log.read_text(), what="the last line")
    assert '"GET /checkout/..." 200' in log.read_text() and '"GET /invoices/..." 200' in log.read_text()
    assert token not in log.read_text() and invoice_token(token) not in log.read_text()
