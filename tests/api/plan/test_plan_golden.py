"""The exact bytes of one answer of each kind: golden.py says how they are kept."""

from pathlib import Path

import pytest

from golden import Session, check_files, compare
from helpers import VERSIONS, at_least

FOLDER = Path(__file__).resolve().parent / "golden"


def record(client, version):
    """One call of each kind, as a client of that version makes it."""
    new = at_least(version, "2026-07-24")
    update, manage = ("PATCH", "") if new else ("PUT", "/manage")
    session = Session(client, version)
    group = client.post("/plan-groups", {"name": "Self-service"}).data["id"]
    made = session.call("create", "POST", "/plans" + manage, {
        "name": "Pro \"Max\" — für alle", "code": "pro", "description": "All of it", "consumptionModel": "credits", "isPublic": True,
        "blockOnExhaustion": False, "planGroupId": group, "metadata": {"n": [1, None, {"deep": 1.50}]}}).data
    session.call("create: the code is taken", "POST", "/plans" + manage, {"name": "Pro", "code": "pro"})
    session.call("create: only what must be given", "POST", "/plans" + manage, {"name": "Free", "code": "free"})
    price = session.call("price", "POST", "/plans/pro/prices", {
        "billingInterval": "monthly", "price": 4900, "trialDays": 14, "includedCredits": 1000, "metadata": {"a": 1}}).data
    other = session.call("price: only what must be given", "POST", f"/plans/{made['id']}/prices", {"billingInterval": "yearly", "price": 0}).data
    half = client.at(VERSIONS[-1]).post("/plans/pro/prices", {"billingInterval": "semiannual", "price": 25000, "includedBalance": 5}).data
    session.call("price: the interval is taken", "POST", "/plans/pro/prices", {"billingInterval": "monthly", "price": 1})
    session.call("get", "GET", "/plans/pro")
    session.call("list", "GET", "/plans")
    page = session.call("list: private ones, too", "GET", "/plans?includePrivate=true&limit=1").json
    session.call("list: the last page", "GET", "/plans?includePrivate=true&limit=1&cursor=" + page["nextCursor"])
    session.call("update", update, "/plans/pro" + manage, {"name": "Pro", "metadata": {}})
    session.call("visibility", "PUT", "/plans/free/visibility", {"isPublic": True})
    session.call("price: read", "GET", f"/plans/pro/prices/{half['id']}")
    session.call("price: update", update, f"/plans/pro/prices/{price['id']}", {"price": 5900})
    session.call("price: default", "PUT", f"/plans/pro/prices/{other['id']}/default")
    session.call("price: delete", "DELETE", f"/plans/pro/prices/{other['id']}")
    session.call("price: there is none", "DELETE", "/plans/pro/prices/prc_0000000000000000000000")
    session.call("validation_error", "POST", "/plans" + manage, {"name": "", "code": "A b", "isPublic": 1, "consumptionModel": "x"})
    session.call("validation_error: a price", "POST", "/plans/pro/prices", {
        "billingInterval": "daily", "price": -1, "trialDays": 731, "introOffer": {"enabled": True}, "marketPrices": []})
    session.call("plan_not_found", "GET", "/plans/nobody")
    session.call("delete", "DELETE", "/plans/pro" + manage)
    return session.text


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bytes_of_each_answer_are_as_kept(new_org, version, request):
    compare(FOLDER, version, record(new_org().live.at(version), version), request.config.getoption("--update-golden"))


def test_the_files_are_those_of_the_versions_and_strict_json():
    check_files(FOLDER)
