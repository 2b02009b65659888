"""What the published client libraries call (src/app/endpoints.txt): every method and path is served, or named as not served."""

import pytest

import document
from helpers import VERSIONS, nothing_written
from stack import ROOT

ROWS = [line.split() for line in (ROOT / "src" / "app" / "endpoints.txt").read_text().splitlines() if line[:1] not in "#"]
BASES = ("/api/v1", "/v1", "/api", "")


def is_served(method, path):
    return any(document.operation_of(version, method, path.replace("{}", "x"), slashes=False) for version in VERSIONS)


NOT_SERVED = [row for row in ROWS if not is_served(*row[:2])]


def test_the_table_has_all_that_libraries_call_once():
    assert len(ROWS) == 177 and len({tuple(row[:2]) for row in ROWS}) == 177
    assert len(ROWS) - len(NOT_SERVED) == 47


@pytest.mark.both_fronts
def test_an_endpoint_that_is_not_served_is_named(live, db):
    wrong = []
    with nothing_written(db):
        for method, path, resource in NOT_SERVED:
            for base in BASES:
                for client in (live, live.with_key(None)):
                    target = path.replace("{}", "cus_02zZ6iBLGuM3Oeea7DU4eA")
                    reply = client.on(base).call(method, target, {} if method in ("POST", "PUT", "PATCH") else None)
                    error = reply.json["error"]
                    if (reply.status, error["code"]) != (404, "endpoint_not_available") or not error["message"].endswith(f": {resource}."):
                        wrong.append(repr(reply))
    assert not wrong, wrong[:5]


def test_what_is_served_is_never_called_not_served(live):
    for method, path, _ in ROWS:
        if is_served(method, path):
            reply = live.call(method, path.replace("{}", "nobody"), {} if method in ("POST", "PUT", "PATCH") else None)
            assert reply.status < 300 or reply.json["code"] != "endpoint_not_available"


@pytest.mark.parametrize("path", ["/plan", "/plans/x/y/z", "/plansx", "/Plans", "/plans/x/feature", "/subscriptions/x/y"])
def test_what_no_library_calls_is_nothing(live, path):
    live.get(path).error("not_found", 404)


def test_other_methods_and_head_are_no_different(live):
    for method in ("GET", "DELETE", "PUT", "OPTIONS"):
        live.call(method, "/offers").error("endpoint_not_available", 404)
    assert live.call("HEAD", "/offers").status == 404
