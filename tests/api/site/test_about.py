"""GET / and GET /api/v1: what this is, and where its documentation is."""

import re

import pytest
import requests

from helpers import CURRENT, DATED, Client
from pages import Page
from stack import Front, Service, wait_until

PLACES = ["/", "/api", "/api/", "/api/v1", "/api/v1/", "/v1", "/api/v1?x=1"]
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.all_fronts
@pytest.mark.parametrize("path", PLACES)
def test_whoever_asks_is_told_what_this_is(live, path):
    replies = [client.get(path, raw_path=True, headers=headers).ok(200) for client in (live, live.with_key(None), live.with_key("ck_live_no"))
               for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json", "Commet-Version": "2026-05-01"})]
    assert len({reply.body for reply in replies}) == 1
    told = replies[0].json
    assert told["name"] == "Clientele" and told["apiVersion"] == CURRENT and told["apiVersions"] == DATED
    assert live.get(told["openapi"], raw_path=True).json["info"]["version"] == told["apiVersion"]
    page = requests.get(live.url + told["errors"].replace("{code}", "duplicate"), timeout=30)
    assert page.status_code == 200 and page.text.startswith("# duplicate\n")
    assert "accept" in replies[0].header("Vary").lower()
    assert [replies[0].header(name) for name in ("Deprecation", "Sunset", "Link")] == [None] * 3


@pytest.mark.all_fronts
@pytest.mark.parametrize("path", PLACES)
def test_a_browser_gets_a_page(live, path):
    got = requests.get(live.url + path, headers={"Accept": BROWSER}, timeout=30)
    assert got.status_code == 200 and got.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in got.headers["Content-Security-Policy"] and "accept" in got.headers["Vary"].lower()
    page = Page(got.text)
    assert page.facts == {"Base of all paths": "/api/v1", "Current version": CURRENT}
    assert list(page.links.values()) == ["/api/v1/openapi.json"]


def test_it_tells_nothing_that_an_attacker_could_use(live, service):
    """No release of anything, no path of the host, nothing of the configuration but the public URL."""
    release = service.place.run(service.bin, "version").stdout.split()[1]
    for accept in ("*/*", BROWSER):
        text = requests.get(live.url + "/", headers={"Accept": accept}, timeout=30).text
        assert release not in text and not re.search(r"\b\d+\.\d+\.\d+\b|postgres|libpq|/run/|/etc/", text, re.I)


def test_other_methods_are_refused(live):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        reply = live.call(method, "/api/v1", raw_path=True)
        reply.error("method_not_allowed", 405)
        assert reply.header("Allow") == "GET, HEAD"
    assert live.call("HEAD", "/", raw_path=True).ok(200).body == b""
    live.get("/api/v1//", raw_path=True).error("validation_error", 400)


def test_addresses_begin_with_the_public_url_and_no_database_is_asked(database):
    service = Service(database, workers=1, public_url="https://api.example.com/x").start()
    front = Front(service.place, "nginx", service.socket)
    try:
        reply = Client(f"http://127.0.0.1:{front.port}", None).get("/", raw_path=True).ok(200)
        assert [reply.json[name] for name in ("base", "openapi")] == ["https://api.example.com/x/api/v1", "https://api.example.com/x/api/v1/openapi.json"]
        assert reply.json["errors"].startswith("https://api.example.com/x/api-reference/")
        line = f"request_id={reply.header('X-Request-Id')} "
        wait_until(lambda: line in service.log(), what="the line of the request")
        assert "db_trips=0" in service.log().split(line)[1].splitlines()[0]
    finally:
        front.stop()
        service.stop()
