"""
One published client library, unmodified, against a running Clientele: only the transport of its httpx client is
another one.

    CLIENTELE_URL=http://127.0.0.1:8080 CLIENTELE_LIVE_KEY=ck_live_... PYTHONPATH=... python3 python_client.py

test_python.py runs it for each library of requirements.txt and counts the tests by their names. Every test prints
one line of JSON: its name, whether it passed, and why not.
"""

import asyncio
import contextlib
import itertools
import json
import os
import re
import sys
import time
import traceback
import uuid
from importlib.metadata import version

import httpx
from commet import AsyncCommet, Commet, CommetAPIError, CommetError, CommetValidationError

URL = httpx.URL(os.environ["CLIENTELE_URL"])
KEY = os.environ["CLIENTELE_LIVE_KEY"]
SDK = version("commet-sdk")
GENERATION = int(SDK.split(".")[0])
LEGACY = GENERATION < 3
NESTED = GENERATION >= 5  # errors carry type, param and doc_url
BARE = GENERATION >= 8  # resources come without an envelope
EMAIL = "email" if GENERATION >= 6 else "billing_email"

# ---------------------------------------------------------------- the other transport


class Call:
    """What was sent, and the status of the answer."""

    def __init__(self, request):
        self.path, self.body, self.key = request.url.raw_path, request.content, request.headers.get("idempotency-key")
        self.status = None


class Redirect(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Sends what goes to the library's host to Clientele. A trick may stand in the way: see during()."""

    def __init__(self):
        self.real, self.real_async = httpx.HTTPTransport(), httpx.AsyncHTTPTransport()
        self.calls, self.trick = [], None

    def take(self, request):
        assert request.url.scheme == "https" and request.url.host in ("commet.co", "sandbox.commet.co")
        self.calls.append(Call(request))
        request.url = request.url.copy_with(scheme=URL.scheme, host=URL.host, port=URL.port)
        return self.calls[-1]

    def handle_request(self, request):
        call = self.take(request)

        def real():
            return self.real.handle_request(request)

        response = self.trick(real) if self.trick else real()
        call.status = response.status_code
        return response

    async def handle_async_request(self, request):
        call = self.take(request)
        response = unavailable() if self.trick and len(self.calls) == 1 else await self.real_async.handle_async_request(request)
        call.status = response.status_code
        return response


def redirected(commet, client):
    """That library object with another transport; the rest of its httpx client stays as it was."""
    old = commet._http._client
    transport = Redirect()
    commet._http._client = client(base_url=old.base_url, headers=old.headers, timeout=old.timeout, transport=transport)
    return commet, transport


def unavailable():
    error = {"type": "internal_error", "code": "service_unavailable", "message": "Away.", "param": None, "details": None,
             "doc_url": ""}
    body = {"success": False, "code": error["code"], "message": error["message"], "details": None, "error": error}
    return httpx.Response(503, json=body, headers={"Retry-After": "1", "X-Request-Id": "req_1"})


def during(trick, work):
    """The result of work() while trick(real) answers the first call, and the calls that were made."""
    rest = itertools.chain([trick], itertools.repeat(lambda real: real()))
    begin = len(network.calls)
    network.trick = lambda real: next(rest)(real)
    try:
        return work(), network.calls[begin:]
    finally:
        network.trick = None


# ---------------------------------------------------------------- what differs between the generations

production = {"environment": "production"} if LEGACY else {}
commet, network = redirected(Commet(KEY, **production), httpx.Client)
customers = commet.customers

RUN = uuid.uuid4().hex[:8]
numbers = itertools.count(1)


def own(prefix="py"):
    return f"{prefix}-{SDK}-{RUN}-{next(numbers)}"


def mail():
    return f"{own('mail')}@example.com"


def bare(answer):
    """The resource itself, whether or not this generation wraps it."""
    if BARE:
        return answer
    assert answer.success is True
    return answer.data


def create(**fields):
    return bare(customers.create(**{"email": mail(), "id": own(), **fields}))


def get(either):
    return bare(customers.get(either))


def update(either, **fields):
    return bare(customers.update(either, **fields))


def create_batch(items):
    if GENERATION >= 9:
        # Older ones have this class too, but cannot send it.
        from commet.types import BatchCreateCustomersParamsCustomersItem as Item

        items = [Item(**item) for item in items]
    return bare(customers.create_batch(customers=items))


def part(thing, name):
    """A field of a dict or of a dataclass: old generations leave some answers as they came."""
    return thing[name] if isinstance(thing, dict) else getattr(thing, name)


def looks_right(customer):
    assert re.fullmatch(r"cus_[0-9A-Za-z]+", customer.id)
    assert "@" in getattr(customer, EMAIL)
    for moment in (customer.created_at, customer.updated_at):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment), moment
    assert isinstance(customer.metadata, dict)
    if GENERATION < 6:
        assert customer.organization_id
    if GENERATION < 4:
        assert customer.is_active is True
    if NESTED:
        assert (customer.object, customer.livemode) == ("customer", True)


def fails(kind, work, **expected):
    """The error that work() raises, of exactly that class, with those attributes."""
    try:
        work()
    except CommetError as error:
        assert type(error) is kind, repr(error)
        assert str(error) and not str(error).startswith("Request failed"), str(error)
        if GENERATION >= 9 and expected.get("status_code") != 413:  # the web server's own answer has no request id
            assert re.fullmatch(r"req_[0-9A-Za-z]+", error.request_id), error.request_id
        for name, value in expected.items():
            assert getattr(error, name) == value, f"{name} is {getattr(error, name)!r}"
        return error
    raise AssertionError("it did not fail")


def fails_api(work, status, code, kind, param=None):
    expected = {"type": kind, **({"param": param} if param else {})} if NESTED else {}
    error = fails(CommetAPIError, work, status_code=status, code=code, **expected)
    if NESTED:
        assert re.search(rf"/api-reference/[^/]+/errors/{code}\.md$", error.doc_url), error.doc_url


# ---------------------------------------------------------------- tests

TESTS = []


def test(name):
    return lambda function: TESTS.append((name, function))


@test("create answers the customer")
def _():
    ident, metadata = own(), {"plan": "pro", "nested": {"list": [1, 2.5, None, True, "é😀"]}}
    address = {"line1": "1 Main St", "line2": "Floor 2", "city": "Austin", "state": "TX", "postal_code": "78701", "country": "US"}
    made = create(id=ident, email="Ann@Example.com", full_name="Ann", timezone="America/Chicago", metadata=metadata,
                  address=address)
    looks_right(made)
    assert getattr(made, EMAIL) == "Ann@Example.com"
    assert (made.full_name, made.timezone, made.metadata) == ("Ann", "America/Chicago", metadata)
    assert network.calls[-1].status == 201
    assert network.calls[-1].key
    if hasattr(made, "external_id"):
        assert made.external_id == ident


@test("create with the same id again answers the stored customer")
def _():
    ident = own()
    first = create(id=ident, full_name="First")
    assert create(id=ident, full_name="Second") == first
    assert network.calls[-1].status == 200
    without = [bare(customers.create(email="same@example.com")).id for _ in range(2)]
    assert without[0] != without[1]


@test("an own idempotency key gives the same answer, and an error for another body")
def _():
    email, key = mail(), own("key")
    first = bare(customers.create(email=email, idempotency_key=key))
    assert bare(customers.create(email=email, idempotency_key=key)) == first
    assert [call.key for call in network.calls[-2:]] == [key, key]
    fails_api(lambda: customers.create(email=mail(), idempotency_key=key), 409, "idempotency_key_mismatch", "conflict_error")


@test("create_batch tells successes and failures")
def _():
    taken, new, repeated = own(), own(), own()
    stored = create(id=taken)
    batch = create_batch([
        {"email": mail(), "id": new},
        {"email": "not an address", "id": own(), "full_name": "Broken"},
        {"email": mail(), "id": taken},
        {"email": mail(), "id": repeated},
        {"email": mail(), "id": repeated},
        {"email": mail(), "timezone": "Mars/Olympus"},
    ])
    successful, failed = part(batch, "successful"), part(batch, "failed")
    ids = [part(one, "id") for one in successful]
    assert ids == [get(new).id, stored.id, get(repeated).id, get(repeated).id]
    assert [part(one, "index") for one in failed] == [1, 5]
    assert all(part(one, "error") for one in failed)
    assert part(part(failed[0], "data"), EMAIL) == "not an address"
    assert part(part(failed[0], "data"), "full_name") == "Broken"
    for one in successful:
        assert "@" in part(one, EMAIL)
    if NESTED and GENERATION < 6:
        for one in successful:
            looks_right(one)
    if GENERATION >= 6:
        assert batch.livemode is True
        assert batch.object == ("customer_batch" if GENERATION >= 9 else "customer")


@test("create_batch takes 100 customers")
def _():
    ids = [own("many") for _ in range(100)]
    batch = create_batch([{"email": mail(), "id": ident, "metadata": {"own": ident}} for ident in ids])
    assert len(part(batch, "successful")) == 100 and not part(batch, "failed")
    assert get(ids[99]).metadata == {"own": ids[99]}


@test("get finds a customer by both ids")
def _():
    for ident in (own(), f"auth0|{own()}", f"{own()}@example.com", f"{own()}:a,b;c=d", f"é-{own()}", f"a b-{own()}"):
        made = create(id=ident)
        assert get(made.id) == made
        assert get(ident) == made


@test("list pages to the end without gaps and repeats")
def _():
    made = {create(full_name=f"Page {number}").id for number in range(7)}
    seen, cursor = [], None
    for page in itertools.count():
        answer = customers.list(limit=3, cursor=cursor)
        if BARE:
            assert answer.object == "list"
        for one in answer.data:
            looks_right(one)
        seen += [one.id for one in answer.data]
        cursor = answer.next_cursor
        assert bool(cursor) is answer.has_more
        if not cursor:
            break
        assert len(answer.data) == 3
        if page < 3:
            create()  # shifts nothing
    assert len(set(seen)) == len(seen)
    assert made <= set(seen)


@test("list has the filters of its time")
def _():
    ident = own("Find Me+")
    made = create(id=ident, full_name="Needle in the hay")
    name, value = ("search", ident.lower()) if GENERATION < 6 else ("external_id", ident)
    found = customers.list(**{name: value, "limit": 5})
    assert [one.id for one in found.data] == [made.id] and found.has_more is False
    assert customers.list(**{name: own()}).data == []
    if GENERATION < 4:
        customers.archive(made.id)
        assert customers.list(search=ident, is_active=True).data == []
        assert [one.id for one in customers.list(search=ident, is_active=False).data] == [made.id]


@test("update changes what is given")
def _():
    ident = own()
    made = create(id=ident, full_name="Before", metadata={"keep": 1}, timezone="Asia/Tokyo")
    after = update(made.id, full_name="After", email="after@example.com")
    looks_right(after)
    assert (after.full_name, getattr(after, EMAIL)) == ("After", "after@example.com")
    assert (after.metadata, after.timezone, after.created_at) == (made.metadata, made.timezone, made.created_at)
    address = {"line1": "2 Main St", "city": "Lima", "postal_code": "15001", "country": "PE"}
    again = update(ident, metadata={"other": [2]}, address=address)
    assert (again.metadata, again.full_name) == ({"other": [2]}, "After")
    assert update(made.id) == again
    if GENERATION >= 6:
        changed = own("changed")
        assert update(made.id, external_id=changed, tax_document="20123456789").external_id == changed
        assert (get(changed).tax_document, get(changed).document_type) == ("20123456789", "RUC")


@test("a broken field is a CommetValidationError that names it")
def _():
    email = "email" if GENERATION >= 6 else "billingEmail"
    for work, field in [
        (lambda: create(email="not an address"), email),
        (lambda: create(full_name="x" * 201), "fullName"),
        (lambda: create(timezone="Mars/Olympus"), "timezone"),
        (lambda: create(address={"line1": "1"}), "address.city"),
        (lambda: update(create().id, email="nobody"), email),
        (lambda: create_batch([]), "customers"),
        (lambda: customers.list(limit=101), "limit"),
    ]:
        expected = {"status_code": 400, "type": "validation_error", "code": "validation_error"} if GENERATION >= 9 else {}
        error = fails(CommetValidationError, work, **expected)
        assert field in error.validation_errors, error.validation_errors
        assert all(text and isinstance(text, str) for text in error.validation_errors[field])


@test("other errors are a CommetAPIError with status and code, and are not retried")
def _():
    stranger, heard = redirected(Commet(f"ck_live_{'A' * 40}", **production), httpx.Client)
    begin = len(network.calls)
    fails_api(lambda: get(own()), 404, "customer_not_found", "not_found_error", "id")
    fails_api(lambda: update(own(), full_name="x"), 404, "customer_not_found", "not_found_error", "id")
    fails_api(lambda: commet.features.list(*(["nobody"] if GENERATION < 7 else [])), 404, "endpoint_not_available", "not_found_error")
    fails_api(lambda: stranger.customers.list(), 401, "unauthorized", "authentication_error")
    assert len(network.calls) - begin == 3 and len(heard.calls) == 1
    if GENERATION >= 6:
        taken, other = create(), create()
        fails_api(lambda: update(other.id, external_id=taken.external_id), 409, "duplicate", "conflict_error", "externalId")


def raw(method, path, body):
    """A call of the current version, for what this library cannot do."""
    answer = httpx.request(method, URL.join(f"/api/v1{path}"), json=body, headers={"x-api-key": KEY})
    assert answer.is_success, answer.text
    return answer.json()


def code():
    return re.sub(r"[^a-z0-9_]", "_", own("plan").lower())


@test("plans are listed and read with their prices")
def _():
    plan = raw("POST", "/plans", {"name": "Pro", "code": code(), "isPublic": True, "description": "All"})
    hidden = raw("POST", "/plans", {"name": "Hidden", "code": code()})
    raw("POST", f"/plans/{plan['id']}/prices", {"billingInterval": "monthly", "price": 4900, "trialDays": 14})
    raw("POST", f"/plans/{plan['id']}/prices", {"billingInterval": "semiannual", "price": 25000})
    found = commet.plans.list().data
    assert plan["id"] in [row.id for row in found] and hidden["id"] not in [row.id for row in found]
    private = "true" if 7 <= GENERATION < 9 else True
    assert hidden["id"] in [row.id for row in commet.plans.list(include_private=private).data]
    for ref in (plan["id"], plan["code"]):
        got = bare(commet.plans.get(ref))
        assert (got.id, got.name, got.code, got.description, got.is_public) == (plan["id"], "Pro", plan["code"], "All", True)
        assert (got.is_default, got.sort_order, list(got.features)) == (False, 0, [])
        expected = [("monthly", 4900, True, 14), *([("semiannual", 25000, False, 0)] if SDK == "9.7.0" else [])]
        assert [tuple(part(row, name) for name in ("billing_interval", "price", "is_default", "trial_days")) for row in got.prices] == expected
        if GENERATION >= 8:
            assert all(part(row, "id").startswith("prc_") and part(row, "metadata") == {} and part(row, "market_prices") == [] for row in got.prices)
    fails_api(lambda: commet.plans.get("nobody"), 404, "plan_not_found", "not_found_error", "id")


@test("more than 25 plans: older libraries turn the page, newer ones see that there are more")
def _():
    made = [raw("POST", "/plans", {"name": f"Plan {number}", "code": code(), "isPublic": True})["id"] for number in range(26)]
    first = commet.plans.list()
    assert len(first.data) == 25 and first.has_more is True and first.next_cursor
    seen = [row.id for row in first.data]
    assert seen == made[:0:-1]
    if GENERATION < 7:
        answer = first
        while answer.has_more:
            answer = commet.plans.list(limit=10, cursor=answer.next_cursor)
            seen += [row.id for row in answer.data]
        assert set(made) <= set(seen) and len(set(seen)) == len(seen)
    # What a list does not show is there all the same.
    assert bare(commet.plans.get(made[0])).id == made[0]


@test("plans, prices and groups are managed")
def _():
    if GENERATION < 5:
        return  # these libraries only read
    plans, groups = commet.plans, commet.plan_groups
    group = bare(groups.create(name="Self-service"))
    assert group.id.startswith("pgp_") and group.object == "plan_group"
    made = bare(plans.create(name="Pro", code=code(), metadata={"tier": 2}, plan_group_id=group.id))
    assert made.id.startswith("pln_") and (made.object, made.livemode) == ("plan", True)
    if GENERATION >= 6:
        assert (made.plan_group_id, made.metadata, made.block_on_exhaustion) == (group.id, {"tier": 2}, None)
    fails_api(lambda: plans.create(name="Pro", code=made.code), 409, "duplicate", "conflict_error", "code")
    assert bare(plans.update(made.id, name="Professional")).name == "Professional"
    assert bare(plans.set_visibility(made.id, is_public=True)).is_public is True

    month = bare(plans.add_price(made.id, billing_interval="monthly", price=4900, trial_days=14, included_credits=10))
    year = bare(plans.add_price(made.id, billing_interval="yearly", price=49000))
    assert month.id.startswith("prc_") and month.plan_id == made.id
    assert month.object == ("plan" if 6 <= GENERATION < 8 else "plan_price")
    assert (month.is_default, year.is_default, month.trial_days) == (True, False, 14)
    assert bare(plans.update_price(made.id, month.id, price=5900)).price == 5900
    chosen = bare(plans.set_default_price(made.id, year.id))
    assert (chosen.id, chosen.is_default) == (year.id, True)
    gone = bare(plans.delete_price(made.id, year.id))
    assert (gone.id, gone.deleted) == (year.id, True)
    rows = bare(plans.get(made.code)).prices
    assert [tuple(part(row, name) for name in ("billing_interval", "price", "is_default")) for row in rows] == [("monthly", 5900, True)]

    other = bare(plans.create(name="Basic", code=code()))
    added = bare(groups.add_plan(group.id, plan_id=other.id))
    if GENERATION >= 6:
        assert added.success is True
    ordered = bare(groups.reorder_plans(group.id, plan_ids=[other.id, made.id]))
    if GENERATION >= 6:
        assert ordered.reordered is True
    rows = bare(groups.get(group.id)).plans
    assert [(part(row, "id"), part(row, "sort_order")) for row in rows] == [(other.id, 0), (made.id, 1)]
    groups.remove_plan(group.id, plan_id=other.id)
    assert bare(groups.update(group.id, description="For all")).description == "For all"
    assert group.id in [row.id for row in groups.list().data]
    groups.delete(group.id)
    fails_api(lambda: groups.get(group.id), 404, "plan_group_not_found", "not_found_error", "id")
    deleted = bare(plans.delete(made.id))
    assert (deleted.id, deleted.deleted) == (made.id, True)
    fails_api(lambda: plans.get(made.id), 404, "plan_not_found", "not_found_error", "id")


def priced(group, place, prices):
    """A plan with these prices, in a group."""
    plan = raw("POST", "/plans", {"name": f"Plan {place}", "code": code()})
    for interval, price in prices.items():
        raw("POST", f"/plans/{plan['id']}/prices", {"billingInterval": interval, "price": price})
    raw("POST", f"/plan-groups/{group['id']}/plans", {"planId": plan["id"], "sortOrder": place})
    return plan


def active_of(customer_id):
    subscriptions = commet.subscriptions
    if not hasattr(subscriptions, "get_active"):
        return bare(subscriptions.get(customer_id))
    return bare(subscriptions.get_active(customer_id=customer_id))


@test("a customer subscribes, pays, changes the plan and cancels")
def _():
    subscriptions = commet.subscriptions
    group = raw("POST", "/plan-groups", {"name": "All"})
    small, large = priced(group, 1, {"monthly": 1000}), priced(group, 2, {"monthly": 3000, "yearly": 30000})
    external = own()
    customer = create(id=external)
    assert active_of(customer.id) is None
    wanted = {"plan_id": small["id"]} if GENERATION >= 8 else {"plan_code": small["code"]}
    made = bare(subscriptions.create(customer_id=external, billing_interval="monthly", **wanted))
    assert made.id.startswith("sub_") and made.customer_id == customer.id
    assert (part(made, "status"), made.name) == ("pending_payment", "Plan 1")
    assert "/checkout/" in made.checkout_url
    headers = {"x-api-key": KEY}
    (first,) = httpx.get(URL.join(f"/api/v1/invoices?subscriptionId={made.id}"), headers=headers).json()["data"]
    if hasattr(commet, "invoices"):
        invoices = commet.invoices
        assert [row.id for row in invoices.list(subscription_id=made.id).data] == [first["id"]]
        got = bare(invoices.get(first["id"]))
        assert (got.total, part(got.line_items[0], "amount"), got.invoice_number) == (1000, 1000, first["invoiceNumber"])
        assert bare(invoices.update_status(first["id"], status="paid")).status == "paid"
        fails_api(lambda: invoices.update_status(first["id"], status="void"), 409, "conflict", "conflict_error", "status")
    else:
        raw("PUT", f"/invoices/{first['id']}/status", {"status": "paid"})
    active = active_of(external)
    assert (active.id, active.status) == (made.id, "active")
    assert part(active.current_period, "days_remaining") >= 28
    fails_api(lambda: subscriptions.create(customer_id=customer.id, plan_id=large["id"]), 409, "already_has_active_subscription", "conflict_error", "customerId")

    if hasattr(subscriptions, "change_plan"):
        quote = bare(subscriptions.preview_change(made.id, plan_id=large["id"]))
        assert (quote.current_plan_credit, quote.new_plan_charge, quote.estimated_total, quote.is_upgrade) == (1000, 3000, 2000, True)
        change = bare(subscriptions.change_plan(made.id, new_plan_id=large["id"]))
        assert "/checkout/" in change.checkout_url
        (open_,) = commet.invoices.list(customer_id=customer.id, status="outstanding").data
        commet.invoices.update_status(open_.id, status="paid")
        assert part(active_of(customer.id).plan, "id") == large["id"]
        later = bare(subscriptions.change_plan(made.id, new_plan_id=small["id"]))
        assert later.scheduled_for and (GENERATION < 6 or later.new_plan_id == small["id"])
        assert [row.id for row in subscriptions.list(customer_id=customer.id).data] == [made.id]
        assert bare(subscriptions.change_plan(made.id, new_plan_id=large["id"])).id == made.id

    canceled = bare(subscriptions.cancel(made.id, reason="too dear"))
    assert canceled.status == "active"
    fails_api(lambda: subscriptions.cancel(made.id), 409, "already_scheduled", "conflict_error", "id")
    if hasattr(subscriptions, "uncancel"):
        assert bare(subscriptions.uncancel(made.id)).status == "active"
    if GENERATION >= 6:
        assert bare(subscriptions.get(made.id)).id == made.id
    assert bare(subscriptions.cancel(made.id, immediate=True)).status == "canceled"
    assert active_of(customer.id) is None
    fails_api(lambda: subscriptions.cancel("sub_nobody"), 404, "subscription_not_found", "not_found_error", "id")


@test("errors of the web server and a service that stays away are a CommetAPIError too")
def _():
    fails_api(lambda: create(metadata={"big": "x" * 3_000_000}), 413, "request_too_large", "validation_error")
    once, heard = redirected(Commet(KEY, retries=0, **production), httpx.Client)
    heard.trick = lambda real: unavailable()
    fails(CommetAPIError, lambda: once.customers.list(), status_code=503, code="service_unavailable")
    assert len(heard.calls) == 1


@test("a version that is no date is refused, one that is newer than all is taken")
def _():
    if LEGACY:
        return
    made = create()
    odd, _ = redirected(Commet(KEY, api_version="yesterday"), httpx.Client)
    assert "Commet-Version" in fails(CommetValidationError, lambda: odd.customers.get(made.id)).validation_errors
    if BARE:
        newer, _ = redirected(Commet(KEY, api_version="2031-01-01"), httpx.Client)
        assert newer.customers.get(made.id) == made


@test("API keys are made, listed, used and deleted")
def _():
    if not NESTED:
        return  # the library has none
    made = bare(commet.api_keys.create(name="made here", expires_in_days=7))
    assert (made.object, made.livemode, made.name) == ("api_key", True, "made here")
    assert made.api_key.startswith(made.prefix) and made.expires_at > made.created_at
    other, _ = redirected(Commet(made.api_key), httpx.Client)
    assert other.customers.list(limit=1).has_more is True
    page = commet.api_keys.list(limit=1)
    assert [key.id for key in page.data] == [made.id] and page.has_more is True
    (older,) = commet.api_keys.list(limit=1, cursor=page.next_cursor).data
    fails_api(lambda: commet.api_keys.delete(older.id), 409, "conflict", "conflict_error")  # the one in use
    fails(CommetValidationError, lambda: commet.api_keys.create(name=""))
    assert part(bare(commet.api_keys.delete(made.id)), "deleted") is True
    time.sleep(1.2)  # a worker may trust a key for auth_cache_ttl, which is one second
    fails_api(lambda: other.customers.list(), 401, "unauthorized", "authentication_error")
    fails_api(lambda: commet.api_keys.delete(made.id), 404, "api_key_not_found", "not_found_error")


@test("a request beyond the rate limit waits and is done once")
def _():
    slow, heard = redirected(Commet(os.environ["CLIENTELE_SLOW_KEY"], **production), httpx.Client)
    slow.customers.list(limit=1)
    made = bare(slow.customers.create(email=mail(), id=own()))
    assert made.id
    calls = heard.calls[1:]
    assert 2 <= len(calls) <= 4
    assert [call.status for call in calls] == [429] * (len(calls) - 1) + [201]
    assert len({call.key for call in calls}) == 1


@test("a request beyond the rate limit that is not retried is a CommetAPIError")
def _():
    used, heard = redirected(Commet(os.environ["CLIENTELE_USED_KEY"], retries=0, **production), httpx.Client)
    used.customers.list(limit=1)
    fails_api(lambda: used.customers.list(), 429, "rate_limited", "rate_limit_error")
    assert len(heard.calls) == 2


@test("a 503 is retried with the same Idempotency-Key")
def _():
    made, calls = during(lambda real: unavailable(), create)
    looks_right(made)
    assert [call.status for call in calls] == [503, 201]
    assert calls[0].key and calls[1].key == calls[0].key
    assert calls[1].body == calls[0].body


@test("a lost answer is replayed and the work done once")
def _():
    def lose(real):
        real().close()
        return unavailable()

    # Without an id: only the key keeps a second customer from being made.
    email = mail()
    made, calls = during(lose, lambda: bare(customers.create(email=email)))
    assert [call.status for call in calls] == [503, 201]
    assert calls[1].key == calls[0].key
    newest = [one.id for one in customers.list(limit=3).data if getattr(one, EMAIL) == email]
    assert newest == [made.id]


@test("an answer that is late is asked for again with the same Idempotency-Key")
def _():
    def late(real):
        real().close()
        raise httpx.ReadTimeout("late")

    items = [{"email": mail()}, {"email": mail(), "id": own()}]
    batch, calls = during(late, lambda: create_batch(items))
    assert len(calls) == 2 and calls[1].key == calls[0].key
    assert len(part(batch, "successful")) == 2
    newest = [getattr(one, EMAIL) for one in customers.list(limit=4).data]
    assert [newest.count(item["email"]) for item in items] == [1, 1]


@test("the asynchronous client creates, gets, fails and retries like the other")
def _():
    async def work():
        library, heard = redirected(AsyncCommet(KEY, **production), httpx.AsyncClient)
        heard.trick = True  # the first call gets a 503
        async with library:
            made = bare(await library.customers.create(email=mail(), id=own()))
            assert [call.status for call in heard.calls] == [503, 201]
            assert heard.calls[0].key and heard.calls[1].key == heard.calls[0].key
            assert bare(await library.customers.get(made.id)) == made
            assert (await library.customers.list(limit=1)).data == [made]
            with contextlib.suppress(CommetAPIError):
                await library.customers.get(own())
                raise AssertionError("it did not fail")

    asyncio.run(work())


@test("own ids of safe characters arrive in paths")
def _():
    for characters in ("-_.:@|~", "!$&'()*+,;=", "a b", "\u00e4\u65e5\U0001f600", "org/team/42"):
        name = own("safe") + characters
        assert create(id=name).id == get(name).id, name


@test("own ids of other characters arrive as others")
def _():
    for characters, arrive in (("#2", ""), ("?2", ""), ("%25", "%")):
        name = own("unsafe")
        create(id=name + characters)
        assert create(id=name + arrive).id == get(name + characters).id, characters


@test("a restricted key does what it may and nothing else")
def _():
    if GENERATION < 9:
        return
    from commet.types import CreateApiKeyParamsPermissions as Permissions

    # The library sends a name of its own class as it is, and a key of a dictionary in another spelling.
    for permissions in (Permissions(customer=["read"], plan_group=["read"]), {"customer": ["read"], "plan_group": ["read"]}):
        made = commet.api_keys.create(name="restricted", permissions=permissions)
        assert made.api_key.startswith("rk_live_"), made.prefix
        reader, heard = redirected(Commet(made.api_key, **production), httpx.Client)
        assert reader.customers.list(limit=1).data is not None and reader.plan_groups.list().data is not None
        fails_api(lambda: reader.customers.create(email="a@b.co"), 403, "forbidden", "authentication_error", "x-api-key")
        fails_api(lambda: reader.plans.list(), 403, "forbidden", "authentication_error", "x-api-key")
        assert len(heard.calls) == 4  # none is tried again
    nothing, _ = redirected(Commet(commet.api_keys.create(name="nothing", permissions={}).api_key, **production), httpx.Client)
    fails_api(lambda: nothing.customers.list(), 403, "forbidden", "authentication_error", "x-api-key")
    for permissions in (Permissions(customer=["write"]), Permissions(usage=["read", "write"])):
        error = fails(CommetValidationError, lambda: commet.api_keys.create(name="restricted", permissions=permissions))
        assert list(error.validation_errors)[0].startswith("permissions."), error.validation_errors


if __name__ == "__main__":
    print(json.dumps({"library": SDK, "python": sys.version.split()[0], "httpx": httpx.__version__}))
    for title, function in TESTS:
        begin = time.monotonic()
        try:
            function()
            why = None
        except Exception:
            why = traceback.format_exc()
        print(json.dumps({"name": title, "passed": why is None, "text": why, "seconds": round(time.monotonic() - begin, 3)}), flush=True)
