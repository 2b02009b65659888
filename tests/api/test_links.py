"""Every link of an answer leads somewhere: doc_url, Link, Location; and what has none says how to go on."""

import json
import re
from urllib.parse import urljoin

import pytest
import requests

from helpers import CURRENT, ERRORS, LEGACY, VERSIONS, Client, dumps, mail, raw_get, raw_post, uid
from stack import ROOT, Front, Service, free_port, wait_until

SHIPPED = "".join(path.read_text() for path in sorted((ROOT / "conf").rglob("*")) if path.is_file()).replace("${CLIENTELE_PAGES}", "/api-reference")

# It cannot tell its own answers, which nobody may keep, from others.
CACHING = {"lighttpd": ["no-store"]}


def fetch(url, method="GET", **more):
    return requests.request(method, url, timeout=10, allow_redirects=False, **more)


def names_its_code(page, code, caching="public, max-age=3600"):
    assert page.status_code == 200, page.text
    assert page.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert page.headers["Cache-Control"] == caching
    assert page.text.startswith(f"# {code}\n") and f"HTTP status {ERRORS[code][1]}, type {ERRORS[code][0]}\n" in page.text
    assert re.search(r"\n## What it means\n\n[A-Z].*\.\n", page.text) and re.search(r"\n## What to do\n\n[A-Z].*\.\n", page.text)
    return page


@pytest.mark.all_fronts
@pytest.mark.parametrize("version", VERSIONS)
def test_every_error_has_a_page_in_every_version(live, version, front):
    for code in ERRORS:
        names_its_code(fetch(f"{live.url}/api-reference/{version}/errors/{code}.md"), code, *CACHING.get(front, ()))


def test_the_page_needs_no_database_and_no_key_and_is_the_same_for_all(live):
    path = f"/api-reference/{CURRENT}/errors/duplicate.md"
    pages = {fetch(live.url + base + path, headers=headers).text for base in ("", "/api", "/api/v1", "/v1")
             for headers in ({}, {"x-api-key": live.key}, {"x-api-key": "nonsense"}, {"Commet-Version": "2026-05-01"})}
    assert len(pages) == 1
    head = fetch(live.url + path, "HEAD")
    assert head.status_code == 200 and head.text == "" and int(head.headers["Content-Length"]) == len(pages.pop())
    plain = fetch(live.url + path)
    assert not {"Deprecation", "Link", "Sunset"} & set(plain.headers) and plain.headers["X-Request-Id"]


@pytest.mark.parametrize("path", ["2026-07-30/errors/duplicate.md", "latest/errors/duplicate.md", f"{CURRENT}/errors/nothing.md",
                                  f"{CURRENT}/errors/duplicate", f"{CURRENT}/errors/.md", f"{CURRENT}/errors/ok.md",
                                  f"{CURRENT}/errors/duplicate.html", f"{CURRENT}/errors/Duplicate.md", f"{CURRENT}/errors",
                                  f"{CURRENT}/errors/duplicate.md.md", f"{CURRENT}/errors/duplicate%00.md"])
def test_there_are_no_other_pages(live, path):
    reply = fetch(f"{live.url}/api-reference/{path}")
    assert reply.status_code in (400, 404) and reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Cache-Control"] == "no-store" and "Deprecation" not in reply.headers


def test_the_answers_of_the_shipped_files_lead_there(live):
    found = set(re.findall(r'"doc_url":"(?:\$\w+|\{[\w.]+\}|\$\{\w+\})?(/[^"]+)"', SHIPPED))
    assert SHIPPED.count('"doc_url":"') > 20 and len(found) >= 6
    for path in found:
        names_its_code(fetch(live.url + path), re.search(r"(\w+)\.md$", path).group(1))


# ---------------------------------------------------------------- with a public URL


class Public:
    """A service that knows where it is reached, behind a web server with the file that it prints."""

    def __init__(self, database, kind):
        place, port = database.place, free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.service = Service(database, workers=1, public_url=self.url).start()
        files = place.new("f")
        for source in place.conf.glob(f"{kind}*"):
            place.run("cp", "-R", source, files)
        name = Front.SITES[kind][0]
        place.run("sh", "-c", f'"$0" -c "$1" conf {kind} >"$2"', place.bin, self.service.conf, files / name)
        if kind == "lighttpd":
            (files / "lighttpd-clientele.conf").write_text("")
            # The command of lighttpd-site.conf.
            (command,) = re.findall(r"(?m)^#   (sed .*)", (ROOT / "conf/lighttpd-site.conf").read_text())
            place.run("sh", "-c", f"cd {files}/lighttpd-errors && {command.replace('https://api.example.com', self.url)}")
        self.front = Front(place, kind, self.service.socket, port=port, files=files)
        self.client = Client(self.url, database.organization(uid("public")).key("live"))


@pytest.fixture(scope="module", params=Front.KINDS + Front.MORE)
def public(request, database):
    public = Public(database, request.param)
    yield public
    public.front.stop()
    public.service.stop()


def test_every_link_is_whole_and_leads_to_a_page_that_names_the_code(public):
    client, kind = public.client, public.front.kind
    replies = [client.get("/customers/nobody"), client.get("/nothing"), client.with_key(None).get("/customers"), client.call("DELETE", "/customers"),
               client.post("/customers", b"{"), client.at(LEGACY).post("/customers", {}), client.get("/customers?limit=0")]
    own = [raw_post(client, b"/api/v1/customers", dumps({"email": mail()}) + b" " * 2_097_152, front=frozenset({413})),
           raw_get(client, b"/" + b"x" * 17_000, front=frozenset({414, 431}))]
    public.service.stop()
    own.append(client.get("/customers"))
    public.service.start()
    wait_until(lambda: fetch(public.url + "/api/v1/openapi.json").status_code == 200)
    for reply in replies + own:
        error = reply.json["error"]
        assert error["doc_url"].startswith(public.url + "/"), f"{kind}: {error}"
        names_its_code(fetch(error["doc_url"]), error["code"], *CACHING.get(kind, ()))
    # What the web server answered has no id that one would look for in vain.
    assert own[-1].header("X-Request-Id") is None
    for reply in own:
        if reply.header("X-Request-Id"):
            assert reply.header("X-Request-Id") in public.service.log()


# ---------------------------------------------------------------- the three headers of old paths


@pytest.mark.both_fronts
@pytest.mark.parametrize("base", ["/api", ""])
def test_a_path_is_replaced_by_one_that_is_there(live, base):
    old = live.on(base)
    own = uid("a/b?%#")
    customer = old.post("/customers", {"email": mail(), "externalId": own})
    some_id = customer.ok(201).data["id"]
    calls = [("GET", "/customers", None), ("GET", "/customers/" + some_id, None), ("PUT", "/customers/" + some_id, {}),
             ("POST", "/customers", {"email": mail()}), ("POST", "/customers/batch", {"customers": [{"email": mail()}]}),
             ("GET", "/openapi.json", None), ("DELETE", "/customers", None), ("POST", "/customers", {"email": "broken"}),
             ("GET", "/customers?limit=0", None), ("GET", "/customers/" + "".join(f"%{b:02x}" for b in own.encode()), None)]
    for method, path, body in calls:
        reply = old.call(method, path, body)
        assert reply.header("Deprecation") == "true"
        target = re.fullmatch(r'<(/api/v1/.*)>; rel="successor-version"', reply.header("Link")).group(1)
        assert live.call(method, target, body, raw_path=True).status in (200, 201, reply.status) and reply.status != 404


@pytest.mark.both_fronts
@pytest.mark.parametrize("path, deprecated", [("/nothing", None), ("/nothing/x/y", None), ("/offers", None), ("//", None), ("/customers/", None),
                                              ("/customers/nobody", "true"), ("/api-keys", "true")])
@pytest.mark.parametrize("base", ["/api", ""])
def test_what_is_not_there_has_no_successor(live, base, path, deprecated):
    reply = live.on(base).get(path)
    assert reply.status in (400, 404)
    assert (reply.header("Deprecation"), reply.header("Sunset") and "true") == (deprecated, deprecated)
    assert reply.header("Link") is None


def test_a_link_that_would_be_too_long_is_left_out(live):
    reply = raw_get(live, b"/api/customers?x=1&" + b"y" * 2000, )
    assert reply.header("Link") == '</api/v1/customers>; rel="successor-version"'
    reply = live.on("/api").post("/customers/" + "%C3%A4" * 600)
    assert reply.error("method_not_allowed", 405) and reply.header("Link") is None and reply.header("Deprecation") == "true"


# ---------------------------------------------------------------- 201 and 401


@pytest.mark.both_fronts
@pytest.mark.parametrize("base", ["/api/v1", "/v1", "/api", ""])
def test_what_was_made_is_where_it_is_said_to_be(live, base):
    client = live.on(base)
    reply = client.post("/customers", {"email": mail()}, idem=uid("k"))
    assert reply.header("Location") == f"{base}/customers/{reply.data['id']}"
    assert client.get(reply.header("Location"), raw_path=True).customer(200)["id"] == reply.data["id"]
    if base in ("/api/v1", "/v1"):
        made = client.post("/api-keys", {"name": uid()})
        assert client.get(made.header("Location"), raw_path=True).ok(200).data["id"] == made.data["id"]
        client.call("DELETE", made.header("Location"), raw_path=True).ok(200)
        client.get(made.header("Location"), raw_path=True).error("api_key_not_found", 404)


def test_what_existed_was_not_made_and_has_no_location(live):
    own = live.create(externalId=uid())["externalId"]
    assert live.post("/customers", {"email": mail(), "externalId": own}).ok(200).header("Location") is None


@pytest.mark.all_fronts
def test_who_is_not_let_in_is_told_how_a_key_is_sent(live):
    for key in (None, "nonsense"):
        reply = live.with_key(key).get("/customers")
        assert reply.error("unauthorized", 401)
        assert 'ApiKey realm="Clientele", header="x-api-key"' in reply.header("WWW-Authenticate")
        assert 'Bearer realm="Clientele"' in reply.header("WWW-Authenticate")


def test_a_base_url_and_a_doc_url_make_a_link_without_a_public_url_too(live):
    reply = live.get("/customers/nobody")
    doc_url = reply.error("customer_not_found", 404)["doc_url"]
    assert doc_url == f"/api-reference/{CURRENT}/errors/customer_not_found.md"
    names_its_code(fetch(urljoin(live.url + reply.path, doc_url)), "customer_not_found")


def test_the_document_has_a_page_for_each_of_its_errors(live):
    text = json.dumps(fetch(live.url + "/api/v1/openapi.json").json())
    paths = set(re.findall(r"https://api\.example\.com(/api-reference/[^\"{]+)\"", text))
    assert len(paths) > 10
    for path in paths:
        assert fetch(live.url + path).status_code == 200
