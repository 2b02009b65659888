"""The exact bytes of one answer of each kind: golden.py says how they are kept."""

import re
from pathlib import Path

import pytest

from golden import Session, check_files, compare
from helpers import VERSIONS

FOLDER = Path(__file__).resolve().parent / "golden"


def fixed(text):
    """Without what depends on the day of the run, and without secrets."""
    text = re.sub(r"/checkout/[0-9A-Za-z]{66}", "/checkout/TOKEN", text)
    text = re.sub(r'"billingDayOfMonth":\d+', '"billingDayOfMonth":1', text)
    return re.sub(r'"(daysRemaining|totalDays)":[123]\d', r'"\1":30', text)


def record(client, version):
    """One call of each kind, as a client of that version makes it."""
    session = Session(client, version)
    current = client.at("2026-08-27")
    plans = {}
    for place, (code, price) in enumerate((("basic", 900), ("pro", 2900), ("max", 9900))):
        plans[code] = current.post("/plans", {"name": code.title(), "code": code}).ok(201).data["id"]
        current.post(f"/plans/{code}/prices", {"billingInterval": "monthly", "price": price}).ok(201)
    group = current.post("/plan-groups", {"name": "All"}).ok(201).data["id"]
    for place, plan in enumerate(plans.values()):
        current.post(f"/plan-groups/{group}/plans", {"planId": plan, "sortOrder": place}).ok()
    current.post("/customers", {"email": "ada@example.com", "id": "user_42"}).ok(201)

    session.call("active: none", "GET", "/subscriptions/active?customerId=user_42")
    made = session.call("create", "POST", "/subscriptions", {"customerId": "user_42", "planCode": "pro", "metadata": {"a": [1, None]}}).data
    path = f"/subscriptions/{made['id']}"
    session.call("create: the same again", "POST", "/subscriptions", {"customerId": "user_42", "planId": plans["pro"]})
    session.call("a change before it is paid", "POST", path + "/change-plan", {"newPlanId": plans["max"]})
    invoice = current.get(f"/invoices?subscriptionId={made['id']}").data[0]["id"]
    current.put(f"/invoices/{invoice}/status", {"status": "paid"}).ok()
    session.call("active", "GET", "/subscriptions/active?customerId=user_42")
    session.call("create: there is one", "POST", "/subscriptions", {"customerId": "user_42", "planCode": "basic"})
    session.call("preview", "POST", path + "/preview-change", {"planId": plans["max"]})
    session.call("preview: it would wait", "POST", path + "/preview-change", {"planId": plans["basic"]})
    session.call("change: at a checkout", "POST", path + "/change-plan", {"newPlanId": plans["max"]})
    session.call("change: scheduled", "POST", path + "/change-plan", {"newPlanId": plans["basic"]})
    session.call("get", "GET", path)
    session.call("change: taken back", "POST", path + "/change-plan", {"newPlanId": plans["pro"]})
    session.call("cancel", "POST", path + "/cancel", {"reason": "too dear"})
    session.call("cancel: again", "POST", path + "/cancel", {})
    session.call("uncancel", "POST", path + "/uncancel")
    session.call("cancel: at once", "POST", path + "/cancel", {"immediate": True})
    session.call("list", "GET", "/subscriptions?customerId=user_42")
    session.call("validation_error", "POST", "/subscriptions", {"planId": 1, "promoCode": "HALF", "customTrialDays": -1})
    session.call("customer_not_found", "POST", "/subscriptions", {"customerId": "nobody", "planCode": "pro"})
    session.call("subscription_not_found", "GET", "/subscriptions/nobody")
    return fixed(session.text)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bytes_of_each_answer_are_as_kept(new_org, version, request):
    compare(FOLDER, version, record(new_org().live.at(version), version), request.config.getoption("--update-golden"))


def test_the_files_are_those_of_the_versions():
    check_files(FOLDER)
