"""The files of the dashboard and of the documentation, as each front server gives them out. Here they are a test's; tests/web has the real ones."""

import http.client
import re

import pytest
import requests

pytestmark = pytest.mark.all_fronts

PARTS = ("dashboard", "docs")
PAGE = "<!doctype html><title>é</title>" + "<p>long enough to be worth compressing</p>" * 100
SCRIPT = "/* long enough to be worth compressing */" * 100
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
          "form-action 'none'; frame-ancestors 'none'")
# The page of each file of the documentation, and the addresses that lead to it.
DOCS = {"index.html": ("/", "/index.html", "/?q=a"), "errors.html": ("/errors.html", ), "guides/index.html": ("/guides/", ),
        "guides/tour.html": ("/guides/tour.html", ), "guides/design/log.html": ("/guides/design/log.html", )}
# The library that shows the reference writes styles, and only them, into the page.
DOCS_POLICY = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")


@pytest.fixture(scope="module")
def installed(front, fronts):
    """The server's address, once each part of its folder has pages, a script and a style."""
    folder = fronts[front].dir / "web"
    for part in PARTS:
        for name, text in (("index.html", PAGE), ("assets/main-1.js", SCRIPT), ("assets/main-1.css", "a{}"), ("assets/main-1.js.LEGAL.txt", "MIT")):
            (folder / part / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / part / name).write_text(text)
    for name in DOCS:
        (folder / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "docs" / name).write_text(PAGE + name)
    (folder.parent / "secret.html").write_text("not to be had")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return fronts[front].url


def get(url, path, **more):
    return requests.get(url + path, timeout=10, **more)


@pytest.mark.parametrize("path", ["/", "/index.html", "/customers", "/customers?q=a", "/customers/cus_02zZ6iBLGuM3Oeea7DU4eA", "/no/such/page", "/accept"])
def test_every_address_of_a_page_is_the_page(installed, path):
    assert_page(get(installed, "/dashboard" + path, allow_redirects=False), PAGE, POLICY)


@pytest.mark.parametrize("name, path", [(name, path) for name, paths in DOCS.items() for path in paths])
def test_a_page_of_the_documentation_is_a_file(installed, name, path):
    assert_page(get(installed, "/docs" + path, allow_redirects=False), PAGE + name, DOCS_POLICY)


def assert_page(reply, text, policy):
    assert (reply.status_code, reply.content.decode()) == (200, text)
    assert re.sub(" ", "", reply.headers["Content-Type"]).lower() == "text/html;charset=utf-8"
    assert reply.headers["Content-Security-Policy"] == policy
    assert reply.headers["Cache-Control"] == "no-cache" and (reply.headers.get("ETag") or reply.headers.get("Last-Modified"))
    assert (reply.headers["X-Content-Type-Options"], reply.headers["Referrer-Policy"]) == ("nosniff", "same-origin")


def test_a_page_that_is_the_same_is_not_sent_again(installed):
    for path, other in (("/dashboard/customers", "/dashboard/plans"), ("/docs/", "/docs/index.html")):
        first = get(installed, path)
        again = get(installed, other, headers={"If-Modified-Since": first.headers["Last-Modified"]})
        assert again.status_code == 304


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name, kind", [("main-1.js", "text/javascript"), ("main-1.css", "text/css"), ("main-1.js.LEGAL.txt", "text/plain")])
def test_what_a_page_loads_may_be_kept_for_ever(installed, part, name, kind):
    reply = get(installed, f"/{part}/assets/{name}")
    assert (reply.status_code, reply.headers["Content-Type"].split(";")[0]) == (200, kind)
    assert reply.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("part", PARTS)
def test_the_address_without_the_slash_leads_on(installed, part):
    reply = get(installed, f"/{part}", allow_redirects=False)
    assert reply.status_code == 301 and reply.headers["Location"].removeprefix(installed) == f"/{part}/"


@pytest.mark.parametrize("path", ["/dashboard/assets/none.js", "/dashboard/assets/", "/dashboards", "/dashboard.html",
                                  "/docs/assets/none.js", "/docs/assets/", "/docs/none.html", "/docs/guides/none.html", "/docsx"])
def test_what_is_not_there_is_not_the_page(installed, path):
    reply = get(installed, path)
    assert reply.status_code in (403, 404) and "long enough" not in reply.text


@pytest.mark.parametrize("path", ["/dashboard/../secret.html", "/dashboard/assets/../../../secret.html", "/dashboard/assets/%2e%2e/%2e%2e/%2e%2e/secret.html",
                                  "/dashboard/assets/..%2f..%2f..%2fsecret.html", "/dashboard/%2e%2e/%2e%2e/secret.html", "/docs/../../secret.html",
                                  "/docs/%2e%2e/%2e%2e/secret.html", "/docs/..%2f..%2fsecret.html", "/docs/guides/../../../secret.html"])
def test_no_path_leads_out_of_the_folder(installed, path):
    connection = http.client.HTTPConnection(installed.removeprefix("http://"), timeout=10)
    connection.request("GET", path)
    assert b"not to be had" not in connection.getresponse().read()
    connection.close()


def test_without_the_dashboard_its_address_is_not_found(new_front, service, front):
    bare = new_front(front, service)
    for path in ("/dashboard/", "/dashboard/customers", "/dashboard/assets/main-1.js", "/docs/", "/docs/errors.html", "/docs/assets/main-1.js"):
        assert get(bare.url, path).status_code == 404
    assert get(bare.url, "/api/v1/customers").status_code == 401


@pytest.mark.own_words("lighttpd")
def test_what_is_long_is_compressed(installed):
    for path in ("/dashboard/", "/dashboard/assets/main-1.js", "/docs/", "/docs/assets/main-1.js"):
        reply = get(installed, path, headers={"Accept-Encoding": "gzip"})
        assert reply.headers["Content-Encoding"] == "gzip" and "Accept-Encoding" in reply.headers["Vary"]
