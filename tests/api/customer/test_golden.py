"""
The exact bytes of one answer of each kind, for each row of the table of versions: golden/<version>.txt.

Ids and times are replaced by others of the same shape: ids by their order of appearance. After a change that is meant,
the files are written anew by

    CLIENTELE_BIN=path/to/clientele python3 -m pytest -c tests/pytest.ini --rootdir tests tests/api/customer/test_golden.py \\
        --update-golden

and the difference is read against the contract before it is committed.
"""

import difflib
import json
import re
from pathlib import Path

import pytest

from helpers import LEGACY, VERSIONS, at_least, dumps, email_key

FOLDER = Path(__file__).resolve().parent / "golden"
SHOWN = ("Location", "Clientele-Result", "Clientele-Warning", "Clientele-Ignored", "Preference-Applied", "Deprecation", "Sunset", "Link")
ID = re.compile(r"\b(cus|org|cur)_([0-9A-Za-z]{22})\b")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

ADDRESS = {"line1": "Calle 1", "line2": None, "city": "Puebla", "postalCode": "72000", "country": "MX"}


class Session:
    """What was asked and answered, as the file has it."""

    def __init__(self, client, version):
        self.client, self.version, self.text, self.ids = client, version, "", {}

    def fixed(self, text):
        def place(match):
            number = self.ids.setdefault(match.group(2), len(self.ids) + 1)
            return f"{match.group(1)}_{number:022d}"

        return TIME.sub("2026-01-02T03:04:05.678Z", ID.sub(place, text))

    def call(self, title, method, path, body=None):
        sent = "" if body is None else dumps(body).decode() + "\n"
        reply = self.client.call(method, path, body)
        headers = "".join(f"{name}: {value}\n" for name in SHOWN for value in reply.all(name))
        header = "" if self.version == LEGACY else f"Commet-Version: {self.version}\n"
        self.text += self.fixed(
            f"# {title}\n{method} {reply.path}\n{header}{sent}\n{reply.status}\n{headers}{reply.body.decode()}\n\n\n")
        return reply


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
    file = FOLDER / f"{version}.txt"
    text = record(new_org().live.at(version), version)
    if request.config.getoption("--update-golden"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text)
    kept = file.read_text() if file.exists() else ""
    difference = "".join(difflib.unified_diff(kept.splitlines(True), text.splitlines(True), file.name, "answered"))
    assert not difference, f"\n{difference}"


def test_no_file_is_kept_for_a_version_that_is_not():
    assert {file.stem for file in FOLDER.iterdir()} == set(VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_kept_answers_are_strict_json(version):
    """A file that was edited by hand is still what it says."""
    for part in (FOLDER / f"{version}.txt").read_text().split("\n\n\n")[:-1]:
        assert isinstance(json.loads(part.splitlines()[-1]), dict)
