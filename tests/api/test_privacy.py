"""The search for sent values in the logs (privacy.py) finds what it is to find. It runs at the end of the session."""

import json

import pytest

from helpers import mail, uid
from privacy import Record, logs

BODY = {"email": "somebody@private.example", "fullName": 'Ada "Countess" Lovelace', "address": {"line1": "12 St James's Sq."},
        "metadata": {"secret-name": "x" * 100, "n": 12345678901, "line": "one\ntwo-three", "é": "éèêëéèêë"}, "taxDocument": "GB1"}


@pytest.fixture
def record():
    record = Record()
    record.request("/", [("X-Request-Id", "req-77")], b'{"id":"req-77"}')
    record.request("/api/v1/customers/auth0%7C4242?externalId=order+77", [
        ("x-api-key", "ck_live_0123456789abcdef"), ("Idempotency-Key", "idem-1"), ("X-Request-Id", "request-1")], json.dumps(BODY).encode())
    record.request("/api/v1/requests/req-881", [], b"")
    record.request("/api/v1/requests?limit=1&requestId=req-882", [], b"")
    return record


@pytest.mark.parametrize("line", [
    "email=somebody@private.example", "an x Lovelace", "12 St James's Sq.", "secret-name", "value " + "x" * 30 + "...", "n=12345678901",
    "request=idem-1", "two-three", "éèêëéèêë", "auth0|4242", "auth0%7C4242", "order+77", "ck_live_0123456789abcdef", "idem-1", "req-881", "route=req-882",
])
def test_a_value_in_a_log_is_found(record, line):
    assert record.leaks(f"before\n{line}\nafter\n".encode()) != {}


@pytest.mark.parametrize("line", [
    "request req-77: 500", "request_id=request-1", "request req-881: 500", "request_id=req-882 key", '{"request_id":"request-1"}', "externalId metadata taxDocument", "GB1", "",
    "request request_id=request-1 key=ck_live_0123 route=customers/{id} error=customer_not_found",
])
def test_what_a_log_may_hold_is_not_found(record, line):
    assert record.leaks(f"before\n{line}\nafter\n".encode()) == {}


@pytest.mark.both_fronts
def test_the_logs_that_are_searched_have_the_requests(live, place, front):
    """Both formats, at the level of debugging: else nothing would be found in them."""
    name = uid("privacy")
    live.post("/customers", {"email": mail()}, headers={"X-Request-Id": name}).ok(201)
    found = [line for log in logs(place.dir).values() for line in log.splitlines() if name.encode() in line]
    assert len(found) == 1 and found[0].startswith(b"{") == (front == "lighttpd")
    assert any(b" debug " in log for log in logs(place.dir).values())
    assert any(b'"level":"debug"' in log for log in logs(place.dir).values())
