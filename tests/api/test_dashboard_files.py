"""The dashboard's files, as each front server gives them out. Here they are a test's; tests/web has the real ones."""

import http.client
import re

import pytest
import requests

pytestmark = pytest.mark.all_fronts

PAGE = "<!doctype html><title>é</title>" + "<p>long enough to be worth compressing</p>" * 100
SCRIPT = "/* long enough to be worth compressing */" * 100
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
          "form-action 'none'; frame-ancestors 'none'")


@pytest.fixture(scope="module")
def installed(front, fronts):
    """The server's address, once its folder has a page, a script and a style."""
    folder = fronts[front].dir / "web" / "dashboard"
    (folder / "assets").mkdir(parents=True, exist_ok=True)
    for name, text in (("index.html", PAGE), ("assets/main-1.js", SCRIPT), ("assets/main-1.css", "a{}"), ("assets/main-1.js.LEGAL.txt", "MIT")):
        (folder / name).write_text(text)
    (folder.parent.parent / "secret.html").write_text("not to be had")
    for path in [folder.parent, *folder.parent.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return fronts[front].url


def get(url, path, **more):
    return requests.get(url + path, timeout=10, **more)


@pytest.mark.parametrize("path", ["/", "/index.html", "/customers", "/customers?q=a", "/customers/cus_02zZ6iBLGuM3Oeea7DU4eA", "/no/such/page", "/accept"])
def test_every_address_of_a_page_is_the_page(installed, path):
    reply = get(installed, "/dashboard" + path, allow_redirects=False)
    assert (reply.status_code, reply.content.decode()) == (200, PAGE)
    assert re.sub(" ", "", reply.headers["Content-Type"]).lower() == "text/html;charset=utf-8"
    assert reply.headers["Content-Security-Policy"] == POLICY
    assert reply.headers["Cache-Control"] == "no-cache" and (reply.headers.get("ETag") or reply.headers.get("Last-Modified"))
    assert (reply.headers["X-Content-Type-Options"], reply.headers["Referrer-Policy"]) == ("nosniff", "same-origin")


def test_a_page_that_is_the_same_is_not_sent_again(installed):
    first = get(installed, "/dashboard/customers")
    again = get(installed, "/dashboard/plans", headers={"If-Modified-Since": first.headers["Last-Modified"]})
    assert again.status_code == 304


@pytest.mark.parametrize("name, kind", [("main-1.js", "text/javascript"), ("main-1.css", "text/css"), ("main-1.js.LEGAL.txt", "text/plain")])
def test_what_a_page_loads_may_be_kept_for_ever(installed, name, kind):
    reply = get(installed, "/dashboard/assets/" + name)
    assert (reply.status_code, reply.headers["Content-Type"].split(";")[0]) == (200, kind)
    assert reply.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_the_address_without_the_slash_leads_on(installed):
    reply = get(installed, "/dashboard", allow_redirects=False)
    assert reply.status_code == 301 and reply.headers["Location"].removeprefix(installed) == "/dashboard/"


@pytest.mark.parametrize("path", ["/dashboard/assets/none.js", "/dashboard/assets/", "/dashboards", "/dashboard.html"])
def test_what_is_not_there_is_not_the_page(installed, path):
    reply = get(installed, path)
    assert reply.status_code in (403, 404) and "long enough" not in reply.text


@pytest.mark.parametrize("path", ["/dashboard/../secret.html", "/dashboard/assets/../../../secret.html", "/dashboard/assets/%2e%2e/%2e%2e/%2e%2e/secret.html",
                                  "/dashboard/assets/..%2f..%2f..%2fsecret.html", "/dashboard/%2e%2e/%2e%2e/secret.html"])
def test_no_path_leads_out_of_the_folder(installed, path):
    connection = http.client.HTTPConnection(installed.removeprefix("http://"), timeout=10)
    connection.request("GET", path)
    assert b"not to be had" not in connection.getresponse().read()
    connection.close()


def test_without_the_dashboard_its_address_is_not_found(new_front, service, front):
    bare = new_front(front, service)
    for path in ("/dashboard/", "/dashboard/customers", "/dashboard/assets/main-1.js"):
        assert get(bare.url, path).status_code == 404
    assert get(bare.url, "/api/v1/customers").status_code == 401


@pytest.mark.own_words("lighttpd")
def test_what_is_long_is_compressed(installed):
    for path in ("/dashboard/", "/dashboard/assets/main-1.js"):
        reply = get(installed, path, headers={"Accept-Encoding": "gzip"})
        assert reply.headers["Content-Encoding"] == "gzip" and "Accept-Encoding" in reply.headers["Vary"]
