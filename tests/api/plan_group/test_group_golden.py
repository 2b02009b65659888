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
    for code in ("basic", "pro", "max"):
        client.post("/plans", {"name": code.title(), "code": code}).ok(201)
    made = session.call("create", "POST", "/plan-groups", {"name": "Self-service", "description": "For all", "isPublic": True}).data
    path = f"/plan-groups/{made['id']}"
    other = session.call("create: only what must be given", "POST", "/plan-groups", {"name": "Other"}).data
    session.call("add", "POST", path + "/plans", {"planId": "basic"})
    session.call("add: with a place", "POST", path + "/plans", {"planId": "pro", "sortOrder": 7})
    session.call("add: it is in another group", "POST", f"/plan-groups/{other['id']}/plans", {"planId": "pro"})
    session.call("get", "GET", path)
    session.call("reorder", "PUT", path + "/plans/reorder", {"planIds": ["pro", "basic"]})
    session.call("reorder: not all", "PUT", path + "/plans/reorder", {"planIds": ["pro"]})
    session.call("remove", "DELETE", path + "/plans/pro")
    session.call("update", update, path, {"name": "Everybody", "description": ""})
    page = session.call("list", "GET", "/plan-groups?limit=1").json
    session.call("list: the last page", "GET", "/plan-groups?limit=1&cursor=" + page["nextCursor"])
    session.call("validation_error", "POST", "/plan-groups", {"name": "", "isPublic": "yes"})
    session.call("plan_group_not_found", "GET", "/plan-groups/nobody")
    session.call("delete", "DELETE", path)
    return session.text


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bytes_of_each_answer_are_as_kept(new_org, version, request):
    compare(FOLDER, version, record(new_org().live.at(version), version), request.config.getoption("--update-golden"))


def test_the_files_are_those_of_the_versions_and_strict_json():
    check_files(FOLDER)
