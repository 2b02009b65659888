"""The exact bytes of one answer of each kind: golden.py says how they are kept."""

from pathlib import Path

import pytest

from golden import Session, check_files, compare
from helpers import VERSIONS, at_least, email_key

FOLDER = Path(__file__).resolve().parent / "golden"
ADDRESS = {"line1": "Calle 1", "line2": None, "city": "Puebla", "postalCode": "72000", "country": "MX"}


def record(client, version):
    """One call of each kind, as a client of that version makes it."""
    email, update = email_key(version), "PATCH" if at_least(version, "2026-07-24") else "PUT"
    session = Session(client, version)
    full = {email: "ada@example.com", "externalId": "user_42", "fullName": "Ada \"Countess\" Lovelace, née Byron",
            "taxDocument": "RFC010101ABC", "address": ADDRESS, "timezone": "America/Mexico_City",
            "metadata": {"plan": "gold", "n": [1, None, {"deep": 1.50}]}, "isActive": False}
    made = session.call("create", "POST", "/customers", full).data
    session.call("create: the external id exists", "POST", "/customers", {email: "other@example.com", "id": "user_42"})
    session.call("create: only what must be given", "POST", "/customers", {email: "grace@example.com"})
    session.call("get", "GET", "/customers/" + made["id"])
    page = session.call("list", "GET", "/customers?limit=1").json
    session.call("list: the last page", "GET", "/customers?limit=1&cursor=" + page["nextCursor"])
    session.call("list: nothing", "GET", "/customers?externalId=nobody")
    session.call("batch", "POST", "/customers/batch", {"customers": [
        {email: "ada@example.com", "externalId": "user_42"}, {email: "new@example.com", "fullName": "New"},
        {email: "broken", "timezone": "Mars"}]})
    session.call("update", update, "/customers/user_42", {"fullName": "Ada King", "metadata": {}})
    client.post("/customers", {email: "edith@example.com", "id": "user_43"}).ok(201)
    session.call("update: the external id is another's", update, "/customers/user_42", {"externalId": "user_43"})
    session.call("validation_error", "POST", "/customers", {
        email: "broken", "id": "", "fullName": 1, "address": {"line1": "1", "country": "XX"}, "timezone": "Mars"})
    session.call("customer_not_found", "GET", "/customers/nobody")
    return session.text


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bytes_of_each_answer_are_as_kept(new_org, version, request):
    compare(FOLDER, version, record(new_org().live.at(version), version), request.config.getoption("--update-golden"))


def test_the_files_are_those_of_the_versions_and_strict_json():
    check_files(FOLDER)
