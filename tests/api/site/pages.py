"""The pages for people, as a browser reads them: strict about everything that a page may not do."""

import base64
import hashlib
import html.parser
import itertools
import re
import secrets

import requests

from helpers import execute, mail, scalar, uid
from privacy import SENT

_run, _counter = secrets.token_hex(3), itertools.count(1)
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
EMPTY = {"meta"}
# All that a page is made of. Nothing is fetched, nothing runs, and no style stands outside of the one that has a hash.
TAGS = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "dl", "dt", "dd", "table", "tr", "th", "td", "form", "button", "a"}
ATTRIBUTES = {"lang", "charset", "name", "content", "class", "method", "value", "href"}


class Page(html.parser.HTMLParser):
    """facts: {name: value}; rows: of the table; buttons: their values; links: {text: address}"""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.texts, self.open, self.rows, self.buttons, self.links, self.forms = [], [], [], [], {}, 0
        assert text.startswith("<!DOCTYPE html>\n<html lang=\"en\">\n")
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"
        terms = [value for tag, value in self.texts if tag == "dt"]
        self.facts = dict(zip(terms, [value for tag, value in self.texts if tag == "dd"]))
        assert len(self.facts) == len(terms)

    def handle_starttag(self, tag, attributes):
        assert tag in TAGS, tag
        assert {name for name, _ in attributes} <= ATTRIBUTES, (tag, attributes)
        given = dict(attributes)
        if tag in EMPTY:
            return
        self.open.append(tag)
        self.texts.append((tag, ""))
        if tag == "form":
            assert given == {"method": "post"}
            self.forms += 1
        elif tag == "button":
            assert given["name"] == "deed" and "form" in self.open
            self.buttons.append(given["value"])
        elif tag == "a":
            self.address = given["href"]
        elif tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag
        kind, value = self.texts[-1]
        if tag == "a":
            self.links[value] = self.address
        elif tag in ("td", "th"):
            self.rows[-1].append(value)

    def handle_data(self, data):
        if self.open and self.open[-1] == self.texts[-1][0]:
            tag, value = self.texts[-1]
            self.texts[-1] = (tag, value + data)
        else:
            assert not data.strip(), f"text outside of an element: {data!r}"

    def of(self, tag):
        return [value for kind, value in self.texts if kind == tag]

    @property
    def says(self):
        return "\n".join(value for kind, value in self.texts if kind not in ("style", "title") and value.strip())


class Answer:
    """What came from an address; checks what holds for all pages."""

    def __init__(self, method, target, got):
        self.method, self.target, self.status, self.headers, self.body = method, target, got.status_code, got.headers, got.content
        assert self.headers["Content-Type"] == "text/html; charset=utf-8", repr(self)
        assert self.headers["Cache-Control"] == "no-store" and self.headers["Referrer-Policy"] == "no-referrer"
        assert self.headers["X-Robots-Tag"] == "noindex, nofollow" and self.headers["X-Content-Type-Options"] == "nosniff"
        assert re.fullmatch(r"req_\w{22}", self.headers["X-Request-Id"])
        assert not {"Deprecation", "Sunset", "Link", "Set-Cookie", "WWW-Authenticate"} & set(self.headers)
        self.policy = dict(part.split(" ", 1) for part in self.headers["Content-Security-Policy"].split("; "))
        assert set(self.policy) == {"default-src", "style-src", "base-uri", "frame-ancestors", "form-action"}
        assert {self.policy[name] for name in ("default-src", "base-uri", "frame-ancestors")} == {"'none'"}
        self.page = Page(got.content.decode()) if method != "HEAD" else None
        if self.page:
            (style,) = self.page.of("style")
            assert self.policy["style-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
            assert self.page.forms == 0 or self.policy["form-action"].startswith("'self'")
            assert self.page.forms or self.policy["form-action"] == "'none'"

    def __repr__(self):
        return f"<{self.method} {self.target} -> {self.status} {dict(self.headers)} {self.body[:1500]!r}>"

    def ok(self, status=200):
        assert self.status == status, repr(self)
        return self.page


def fetch(url, target, method="GET", data=None, headers=None):
    SENT.request(target, (headers or {}).items(), None)
    got = requests.request(method, url + target, data=data, headers=headers, timeout=30, allow_redirects=False)
    return Answer(method, target, got)


def press(url, target, deed, **more):
    return fetch(url, target, "POST", {"deed": deed}, **more)


def nothing_here(answer):
    """A wrong address, whatever is wrong with it: one answer for all."""
    page = answer.ok(404)
    assert page.says.startswith("Not found\nThere is nothing at this address") and page.says.count("\n") == 1, page.says
    return answer.body


def base62(number):
    text = ""
    for _ in range(22):
        number, digit = divmod(number, 62)
        text = DIGITS[digit] + text
    return text


def invoice_token(checkout):
    """Of the invoice that a checkout page asks to pay: made anew here, out of what src/billing/life.h says."""
    digest = hashlib.sha256(b"invoice " + checkout.encode()).digest()
    return checkout[:22] + base62(int.from_bytes(digest[:16], "big")) + base62(int.from_bytes(digest[16:], "big"))


class Shop:
    """An environment of its own."""

    def __init__(self, client, db):
        self.client, self.db, self.group, self.url = client, db, None, client.url

    def plan(self, *prices, **more):
        """A price is (interval, amount) or (interval, amount, trial days)."""
        code = f"site_{_run}_{next(_counter)}"
        plan = self.client.post("/plans", {"name": code.upper(), "code": code, **more}).ok(201).data["id"]
        for interval, amount, *trial in prices or [("monthly", 2900)]:
            self.client.post(f"/plans/{plan}/prices", {"billingInterval": interval, "price": amount, **({"trialDays": trial[0]} if trial else {})}).ok(201)
        self.group = self.group or self.client.post("/plan-groups", {"name": "All"}).ok(201).data["id"]
        self.client.post(f"/plan-groups/{self.group}/plans", {"planId": plan, "sortOrder": next(_counter)}).ok()
        return plan

    def customer(self, **more):
        return self.client.post("/customers", {"email": mail(), "id": uid("ext"), **more}).ok(201).data

    def subscribe(self, plan, customer=None, **more):
        customer = customer or self.customer()
        return self.client.post("/subscriptions", {"customerId": customer["id"], "planId": plan, **more}).ok(201).data

    def subscription(self, made):
        return self.client.get(f"/subscriptions/{made['id']}").ok().data

    def invoices(self, made):
        return self.client.get(f"/invoices?subscriptionId={made['id']}").ok().data

    def settle(self, invoice, status="paid"):
        return self.client.call("PATCH", f"/invoices/{invoice['id']}/status", {"status": status})

    def active(self, plan, **more):
        made = self.subscribe(plan, **more)
        self.settle(self.invoices(made)[0]).ok()
        return self.subscription(made)

    def change(self, made, plan, **more):
        return self.client.post(f"/subscriptions/{made['id']}/change-plan", {"newPlanId": plan, **more}).ok().data

    def token_of(self, invoice):
        return scalar(self.db, "SELECT token FROM invoice WHERE number = %s AND environment_id = %s", int(invoice["invoiceNumber"][4:]), self.environment)

    @property
    def environment(self):
        return scalar(self.db, "SELECT environment_id FROM plan_group WHERE id = %s::uuid", unprefixed(self.group))

    def bills_with(self, **columns):
        """The settings of the environment, which no call changes."""
        names = ", ".join(columns)
        execute(self.db, f"INSERT INTO billing_setting (environment_id, {names}) VALUES (%s{', %s' * len(columns)})", self.environment, *columns.values())


def unprefixed(id):
    number = 0
    for digit in id.split("_")[1]:
        number = number * 62 + DIGITS.index(digit)
    return f"{number:032x}"
