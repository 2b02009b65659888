"""What the front servers' files compress, and what they leave as it is."""

import gzip
import http.client
import json
from urllib.parse import urlsplit

import pytest

from helpers import mail, uid

# It compresses nothing that has Cache-Control: no-store.
pytestmark = [pytest.mark.all_fronts, pytest.mark.own_words("lighttpd")]


def fetch(client, path, method="GET", wants="gzip", body=None, **headers):
    place = urlsplit(client.url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
    connection.request(method, path, body, {"x-api-key": client.key, "Accept-Encoding": wants, **headers})
    answer = connection.getresponse()
    answer.data = answer.read()
    connection.close()
    return answer


@pytest.fixture(scope="module")
def many(live):
    """Enough customers that a page of them is worth it."""
    for _ in range(3):
        live.post("/customers/batch", {"customers": [{"email": mail(), "fullName": "Ada " * 20} for _ in range(20)]}).ok()


@pytest.mark.parametrize("path", ["/api/v1/customers?limit=20", "/api/customers", "/customers?limit=20", "/v1/customers", "/api/v1/openapi.json"])
def test_what_is_long_is_compressed_once_where_the_client_asks_for_it(live, many, path):
    packed, plain = fetch(live, path), fetch(live, path, wants="identity")
    assert packed.headers.get_all("Content-Encoding") == ["gzip"] and plain.headers["Content-Encoding"] is None
    assert gzip.decompress(packed.data) == plain.data and len(packed.data) < len(plain.data) / 2 and json.loads(plain.data)
    for answer in (packed, plain):
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
        assert answer.headers["X-Request-Id"].startswith("req_") and answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Status"] is None
    assert "accept-encoding" in ", ".join(packed.headers.get_all("Vary")).lower()


def test_a_head_has_the_headers_alone(live, many):
    answer = fetch(live, "/api/v1/customers?limit=20", method="HEAD")
    assert answer.status == 200 and answer.data == b"" and answer.headers["X-Request-Id"].startswith("req_")


@pytest.mark.parametrize("wants", ["", "identity", "br", "gzip;q=0"])
def test_who_cannot_read_it_gets_plain_text(live, many, wants):
    answer = fetch(live, "/api/v1/customers?limit=20", wants=wants)
    assert answer.headers["Content-Encoding"] is None and json.loads(answer.data)["object"] == "list"


def test_one_resource_secrets_and_pages_are_never_compressed(live, many):
    """One resource has its own validator; keys and the addresses of pages are secrets."""
    metadata = {"note": "x" * 8000}
    made = fetch(live, "/api/v1/customers", "POST", body=json.dumps({"email": mail(), "metadata": metadata}))
    id = json.loads(gzip.decompress(made.data) if made.headers["Content-Encoding"] else made.data)["id"]
    answers = [fetch(live, path) for path in ("/api/v1/customers/" + id, "/api/v1/customers/" + id + "?x=/customers",
                                              "/api/v1/subscriptions", "/api/v1/invoices", "/api/v1/api-keys", "/invoices/x", "/checkout/x",
                                              "/api-reference/2026-08-27/errors/duplicate.md")]
    answers.append(fetch(live, "/api/v1/api-keys", "POST", body=json.dumps({"name": uid("k" * 90)})))
    for answer in answers:
        assert answer.headers["Content-Encoding"] is None and answer.headers["X-Request-Id"]
    assert len(answers[0].data) > 8000
