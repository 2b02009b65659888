"""The exact bytes of one answer of each kind: golden.py says how they are kept."""

from pathlib import Path

import pytest

from golden import Session, check_files, compare
from helpers import VERSIONS, at_least

FOLDER = Path(__file__).resolve().parent / "golden"


def record(client, version):
    """One call of each kind, as a client of that version makes it."""
    update = "PATCH" if at_least(version, "2026-07-24") else "PUT"
    session = Session(client, version)
    current = client.at("2026-08-27")
    current.post("/plans", {"name": "Pro", "code": "pro"}).ok(201)
    current.post("/plans/pro/prices", {"billingInterval": "one_time", "price": 2900}).ok(201)
    invoices = []
    for number in range(2):
        current.post("/customers", {"email": "ada@example.com", "id": f"user_{number}"}).ok(201)
        current.post("/subscriptions", {"customerId": f"user_{number}", "planCode": "pro"}).ok(201)
        invoices.append(current.get(f"/invoices?customerId=user_{number}").data[0]["id"])
    session.call("get", "GET", f"/invoices/{invoices[0]}")
    session.call("paid", update, f"/invoices/{invoices[0]}/status", {"status": "paid"})
    session.call("conflict", update, f"/invoices/{invoices[0]}/status", {"status": "void"})
    session.call("void", update, f"/invoices/{invoices[1]}/status", {"status": "void"})
    session.call("list", "GET", "/invoices?customerId=user_1")
    session.call("validation_error", update, f"/invoices/{invoices[1]}/status", {"status": "open"})
    session.call("invoice_not_found", "GET", "/invoices/nobody")
    return session.text


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bytes_of_each_answer_are_as_kept(new_org, version, request):
    compare(FOLDER, version, record(new_org().live.at(version), version), request.config.getoption("--update-golden"))


def test_the_files_are_those_of_the_versions():
    check_files(FOLDER)
