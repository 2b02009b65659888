"""Scripts of web pages (CORS): which origins may call, what a browser is told before and with an answer, and what others get."""

import re

import pytest

from helpers import Client, mail
from stack import ROOT, Front, Service, wait_until

PAGE, OTHER = "https://app.example.com", "http://localhost:3000"
NOT_LISTED = ["https://evil.example", "http://app.example.com", "https://app.example.com:8443", "https://app.example.com.evil.example", "null", "*",
              "https://APP.example.com", "https://app.example.com/", "https://app.example.com, http://localhost:3000", ","]


@pytest.fixture(scope="module")
def allowing(database):
    service = Service(database, workers=1, cors_origins=f"{PAGE}, {OTHER}").start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def place_of(allowing):
    fronts = {}

    def at(kind):
        if kind not in fronts:
            fronts[kind] = Front(allowing.place, kind, allowing.socket)
        return f"http://127.0.0.1:{fronts[kind].port}"
    yield at
    for front in fronts.values():
        front.stop()


@pytest.fixture
def page(place_of, front, organizations):
    return Client(place_of(front), organizations[0]["live"])


def told(reply):
    return {name.lower(): value for name, value in reply.headers if name.lower().startswith("access-control-")}


def varies(reply):
    return "origin" in ", ".join(reply.all("Vary")).lower()


def names(text):
    return set(text.lower().split(", "))


def preflight(client, path, origin, method="POST"):
    return Client(client.url, None).call("OPTIONS", path, checked=False, headers={"Origin": origin, "Access-Control-Request-Method": method,
                                                           "Access-Control-Request-Headers": "content-type,x-api-key"})


@pytest.mark.all_fronts
@pytest.mark.parametrize("origin", [PAGE, OTHER])
def test_a_listed_page_calls_and_reads_the_answer(page, origin):
    before = preflight(page, "/customers", origin).ok(200)
    assert told(before)["access-control-allow-origin"] == origin and varies(before)
    assert {"post", "patch", "delete"} <= names(told(before)["access-control-allow-methods"])
    assert {"content-type", "x-api-key", "idempotency-key", "commet-version"} <= names(told(before)["access-control-allow-headers"])
    made = page.post("/customers", {"email": mail()}, headers={"Origin": origin})
    got = page.get("/customers/" + made.customer(201)["id"], headers={"Origin": origin})
    wrong = page.post("/customers", {}, headers={"Origin": origin})
    wrong.error("validation_error", 400)
    for reply in (made, got, wrong, Client(page.url, "ck_live_no").get("/customers", headers={"Origin": origin})):
        assert told(reply)["access-control-allow-origin"] == origin and set(told(reply)) == {
            "access-control-allow-origin", "access-control-expose-headers"} and varies(reply)
        assert {"x-request-id", "retry-after", "ratelimit", "clientele-result"} <= names(told(reply)["access-control-expose-headers"])


@pytest.mark.both_fronts
@pytest.mark.parametrize("origin", NOT_LISTED)
def test_other_pages_get_no_header(page, origin):
    reply = page.get("/customers?limit=1", headers={"Origin": origin}).ok()
    assert told(reply) == {} and varies(reply)
    assert told(preflight(page, "/customers", origin)) == {}


def test_a_preflight_asks_nobody(page, allowing):
    """No key, no rate, no database; and of any path, so that the script may read that there is nothing."""
    asked = [preflight(page, path, PAGE, "PUT").ok(200) for path in ("/customers", "/nothing/here", "/customers/%zz")]
    for reply in asked:
        assert told(reply)["access-control-allow-origin"] == PAGE
        line = f"request_id={reply.header('X-Request-Id')} method=OPTIONS "
        wait_until(lambda: line in allowing.log(), what="the line of the request")
        assert "db_trips=0" in allowing.log().split(line)[1].splitlines()[0]
    # It is one only with the method that is meant, and with an origin.
    for headers in ({"Origin": PAGE}, {"Access-Control-Request-Method": "POST"}):
        page.call("OPTIONS", "/customers", headers=headers).error("method_not_allowed", 405)


def test_the_stored_answer_of_a_key_is_told_to_whoever_asks_for_it_again(page):
    headers = {"Idempotency-Key": mail(), "Origin": PAGE}
    body = {"email": mail()}
    first = page.post("/customers", body, headers=headers)
    again = page.post("/customers", body, headers={**headers, "Origin": OTHER})
    plain = page.post("/customers", body, headers={"Idempotency-Key": headers["Idempotency-Key"]})
    assert [told(reply).get("access-control-allow-origin") for reply in (first, again, plain)] == [PAGE, OTHER, None]
    assert first.body == again.body == plain.body


def test_without_the_key_nothing_is_said(live):
    reply = live.get("/customers?limit=1", headers={"Origin": PAGE}).ok()
    assert told(reply) == {} and not varies(reply)
    preflight(live, "/customers", PAGE).error("method_not_allowed", 405)


def test_a_script_may_read_each_header_that_an_answer_may_have():
    source = (ROOT / "src/app/cors.c").read_text()
    read_too = names("".join(re.findall(r'"([^"]*)"', source.split("read_too = STR(")[1].split(");")[0])))
    made = {name.lower() for path in (ROOT / "src").rglob("*.c") if path.parent.name not in ("site", "admin", "cors") and path.name not in ("html.c", "cors.c")
            for name in re.findall(r'response_header\((?:c->)?res, "([\w-]+)"', path.read_text())}
    # Caching is decided before a script sees it, and cookies no script sees.
    assert read_too == made - {"cache-control", "set-cookie", "vary"} | {"retry-after"}


@pytest.mark.parametrize("value", ["*", "app.example.com", "https://", "https://a.example/", "https://A.example", "ftp://a.example", "https://a.example,",
                                   "https://a.example https://b.example", "null", "https://a.example/x", "https://*.example"])
def test_what_is_no_origin_is_refused(database, value):
    service = Service(database, cors_origins=value)
    done = service.place.run(service.bin, "-c", service.conf, "check", check=False)
    assert done.returncode == 78 and "cors_origins must be origins such as https://app.example.com" in done.stderr, done
