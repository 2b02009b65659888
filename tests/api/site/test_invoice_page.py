"""GET /invoices/{token}: the printable page of an invoice."""

import re

import pytest

from helpers import Client, execute, mail, nothing_written, uid
from pages import DIGITS, Shop, fetch, invoice_token, nothing_here
from stack import Front, Service

ADDRESS = {"line1": "1 Long Street", "line2": "Flat 2", "city": "Springfield", "state": "Ohio", "postalCode": "12345", "country": "US", "region": "Midwest"}


@pytest.fixture
def shop(new_org, db):
    return Shop(new_org().live, db)


def page_of(shop, invoice, **more):
    return fetch(shop.url, "/invoices/" + shop.token_of(invoice), **more)


def first_invoice(shop, **customer):
    made = shop.subscribe(shop.plan(), shop.customer(**customer))
    return shop.invoices(made)[0]


@pytest.mark.all_fronts
def test_it_shows_all_that_is_known_and_needs_no_key(shop):
    shop.plan()
    shop.bills_with(payment_instructions="Send it to\nIBAN <DE02>")
    invoice = first_invoice(shop, fullName="Ada & Sons", email="ada@example.com", address=ADDRESS, taxDocument="12-3456789")
    page = page_of(shop, invoice).ok()
    assert page.of("title") == page.of("h1") == ["Invoice " + invoice["invoiceNumber"]]
    facts = page.facts
    assert facts.pop("From").startswith("org-") and facts.pop("Date") == facts.pop("Period").split(" to ")[0]
    assert re.fullmatch(r"[1-9]\d? [A-Z][a-z]+ 20\d\d", facts.pop("Due"))
    assert facts == {"To": "Ada & Sons", "E-mail": "ada@example.com", "Tax number": "12-3456789",
                     "Address": "1 Long Street\nFlat 2\n12345 Springfield\nOhio\nMidwest\nUS"}
    assert page.rows == [["Description", "Amount"], [invoice["planName"], "USD 29.00"], ["Total", "USD 29.00"]]
    assert "outstanding" in page.says and "IBAN <DE02>" in page.says and "sandbox" not in page.says
    assert page.links == {} and page.buttons == []
    # The key of whomever changes nothing.
    assert fetch(shop.url, "/invoices/" + shop.token_of(invoice), headers={"x-api-key": "nonsense"}).body == page_of(shop, invoice).body


def test_who_has_no_name_is_shown_by_his_address(shop):
    page = page_of(shop, first_invoice(shop, email="only@example.com")).ok()
    assert page.facts["To"] == "only@example.com" and not {"E-mail", "Address", "Tax number"} & set(page.facts)


@pytest.mark.parametrize("status", ["paid", "void"])
def test_what_has_become_of_it_stands_on_it(shop, status):
    shop.plan()
    shop.bills_with(payment_instructions="Send it")
    invoice = first_invoice(shop)
    shop.settle(invoice, status).ok()
    page = page_of(shop, invoice).ok()
    assert status in page.of("p") and "outstanding" not in page.says and "How to pay" not in page.says
    assert ("Paid" in page.facts, "Due" in page.facts) == ((True, False) if status == "paid" else (False, True))


def test_days_are_those_of_the_customer(shop, db):
    """The same moment is another day in Tokyo than in Los Angeles, at whatever time the test runs."""
    plan, days = shop.plan(), {}
    for zone in ("Asia/Tokyo", "America/Los_Angeles"):
        (invoice,) = shop.invoices(shop.subscribe(plan, shop.customer(timezone=zone)))
        execute(db, "UPDATE invoice SET due_date = '2027-03-01T12:00:00Z', paid_at = '2027-03-01T18:00:00Z' WHERE number = %s AND environment_id = %s",
                int(invoice["invoiceNumber"][4:]), shop.environment)
        days[zone] = page_of(shop, invoice).ok().facts["Paid"]
    assert days == {"Asia/Tokyo": "2 March 2027", "America/Los_Angeles": "1 March 2027"}


@pytest.mark.parametrize("currency, price, shown", [("usd", 123456789, "USD 1,234,567.89"), ("jpy", 2900, "JPY 2,900"), ("kwd", 2900, "KWD 2.900"),
                                                    ("eur", 5, "EUR 0.05"), ("clf", 2900, "CLF 0.2900"), ("usd", 9007199254740991, "USD 90,071,992,547,409.91")])
def test_amounts_have_the_digits_of_their_currency(shop, currency, price, shown):
    plan = shop.plan(("monthly", price))
    shop.bills_with(currency=currency)
    page = page_of(shop, shop.invoices(shop.subscribe(plan))[0]).ok()
    assert [row[1] for row in page.rows[1:]] == [shown, shown]


def test_credit_and_what_was_left_over_are_subtracted(shop, db):
    small, large = shop.plan(("monthly", 1000)), shop.plan(("monthly", 5000))
    made = shop.active(small)
    execute(db, "INSERT INTO customer_credit (environment_id, customer_id, balance) SELECT environment_id, customer_id, 700 FROM invoice"
                " WHERE environment_id = %s LIMIT 1", shop.environment)
    shop.change(made, large)
    page = page_of(shop, shop.invoices(made)[0]).ok()
    name = shop.client.get(f"/plans/{small}").data["name"]
    assert [row[1] for row in page.rows[1:]] == ["USD 50.00", "USD -10.00", "USD 40.00", "USD -7.00", "USD 33.00"]
    assert [row[0] for row in page.rows[2:]] == [f"Unused time of {name}", "Subtotal", "Credit", "Total"]


HOSTILE = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='x", "</td></tr></table>", "</title><h1>x", "&lt;b&gt;&amp;", "a\u202eb",
           "&#60;b&#62;", "<!-- x", "]]>", "\u2028\u2029", "😀 ünï", "<style>*{display:none}</style>", "a\x7fb"]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_others_is_text(shop, text):
    """pages.Page refuses every element and attribute that is not of the page's own."""
    address = {**ADDRESS, "line1": text, "city": text}
    plan = shop.plan(name=text)
    shop.bills_with(payment_instructions=text)
    made = shop.subscribe(plan, shop.customer(fullName=text, taxDocument=text, address=address))
    page, seen = page_of(shop, shop.invoices(made)[0]).ok(), text.replace("\x7f", "\ufffd")
    assert page.facts["To"] == page.facts["Tax number"] == page.rows[1][0] == seen
    assert page.facts["Address"].split("\n")[:3] == [seen, "Flat 2", "12345 " + seen] and seen in page.of("p")
    # As the name of a checkout page it stands in the head, too.
    other = fetch(shop.url, made["checkoutUrl"]).ok()
    assert other.of("title") == other.of("h1") == [seen]


def test_the_sellers_name_is_text_too(database, url, db):
    shop = Shop(Client(url, database.organization("<b>" + uid("org")).key("sandbox")), db)
    page = page_of(shop, first_invoice(shop)).ok()
    assert page.facts["From"].startswith("<b>") and "This is a sandbox" in page.says


# ---------------------------------------------------------------- who may see it


def test_a_wrong_address_gets_one_answer_whatever_is_wrong(shop, new_org, db):
    made = shop.subscribe(shop.plan())
    checkout, token = made["checkoutUrl"].split("/")[-1], shop.token_of(shop.invoices(made)[0])
    other = Shop(new_org().live, db)
    stranger = other.token_of(first_invoice(other))
    wrong = [token[:-1], token + "0", token[:-1] + DIGITS[DIGITS.index(token[-1]) - 1], token.swapcase(), "0" * 66, "z" * 66, "x",
             checkout, token[:22] + stranger[22:], stranger[:22] + token[22:], token[:22], token[:22] + "." * 44, token[:-3] + "%C3%A4"]
    with nothing_written(db):
        answers = {nothing_here(fetch(shop.url, "/invoices/" + one)) for one in wrong}
        answers |= {nothing_here(fetch(shop.url, "/checkout/" + one)) for one in wrong if one != checkout}
    assert len(answers) == 1
    fetch(shop.url, "/invoices/" + token).ok()


def test_the_invoices_address_follows_from_the_checkouts_and_not_the_other_way_round(shop):
    made = shop.subscribe(shop.plan())
    checkout, token = made["checkoutUrl"].split("/")[-1], shop.token_of(shop.invoices(made)[0])
    assert token == invoice_token(checkout) and len(token) == 66
    assert fetch(shop.url, made["checkoutUrl"]).ok().links == {"Invoice INV-000001": "../invoices/" + token}
    nothing_here(fetch(shop.url, "/checkout/" + token))


@pytest.mark.all_fronts
def test_other_methods_and_head(shop, db):
    token = shop.token_of(first_invoice(shop))
    head, page = fetch(shop.url, "/invoices/" + token, "HEAD"), fetch(shop.url, "/invoices/" + token)
    assert (head.status, head.body) == (200, b"")
    assert head.headers.get("Content-Length", str(len(page.body))) == str(len(page.body)), "httpd has none"
    assert head.headers["Content-Security-Policy"] == page.headers["Content-Security-Policy"]
    with nothing_written(db):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = fetch(shop.url, "/invoices/" + token, method)
            assert answer.status == 405 and answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.all_fronts
def test_errors_are_pages_behind_every_web_server(shop):
    nothing_here(fetch(shop.url, "/invoices/x"))
    nothing_here(fetch(shop.url, "/checkout/x"))


def test_the_api_has_no_pages_and_the_pages_no_ids(shop):
    invoice = first_invoice(shop)
    token = shop.token_of(invoice)
    for base in ("/api/v1", "/v1"):
        shop.client.on(base).get("/invoices/" + token).error("invoice_not_found", 404)
        shop.client.on(base).get("/checkout/" + token).error("not_found", 404)
    # Clients that have lost their /api find invoices at the root by their ids.
    root = shop.client.on("").at("2026-08-27").on("")
    root.header_version = "2026-08-27"
    assert root.get("/invoices/" + invoice["id"]).ok().data == invoice
    root.with_key(None).get("/invoices/" + invoice["id"]).error("unauthorized", 401)
    root.get("/invoices/inv_nobody").error("invoice_not_found", 404)


# ---------------------------------------------------------------- how its address reaches people


@pytest.mark.parametrize("base", ["", "/some/where"])
def test_with_a_public_url_an_invoice_says_where_its_page_is(database, place, db, base):
    service = Service(database, workers=1, public_url="https://pay.example" + base, payment_instructions="By transfer to:|IBAN 1 | BIC 2").start()
    front = Front(place, "nginx", service.socket)
    try:
        shop = Shop(Client(front.url, database.organization(uid("org")).key("live")), db)
        made = shop.subscribe(shop.plan(), shop.customer(email=mail()))
        (invoice,) = shop.invoices(made)
        for shown in (invoice, shop.client.get(f"/invoices/{invoice['id']}").data, shop.settle(invoice).ok().data):
            assert shown["hostedInvoiceUrl"] == f"https://pay.example{base}/invoices/" + invoice_token(made["checkoutUrl"].split("/")[-1])
        fetch(shop.url, shown["hostedInvoiceUrl"].removeprefix("https://pay.example" + base)).ok()
        # What the configuration says counts where the environment says nothing.
        made = shop.subscribe(shop.plan())
        assert "By transfer to:\nIBAN 1 \n BIC 2" in page_of(shop, shop.invoices(made)[0]).ok().of("p")
        shop.bills_with(payment_instructions="Cash")
        assert "Cash" in page_of(shop, shop.invoices(made)[0]).ok().of("p")
    finally:
        front.stop()
        service.stop()


def test_without_a_public_url_it_says_nothing(shop):
    assert first_invoice(shop)["hostedInvoiceUrl"] is None


def test_it_is_made_for_one_sheet_of_a4(shop):
    (style,) = page_of(shop, first_invoice(shop)).ok().of("style")
    assert "@page{size:A4;" in style and "@media print{" in style and "url(" not in style and "@import" not in style
