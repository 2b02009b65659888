"""Contract sections 1 and 3: paths, percent-encoding, routes, methods and queries, as bytes on the wire."""

import re
import socket
from urllib.parse import urlsplit

import pytest

from helpers import CURRENT, Reply, check, dumps, escape, http, mail, nothing_written, raw, raw_get, raw_post, uid

pytestmark = pytest.mark.all_fronts

BASES = ["/api/v1", "/v1", "/api", ""]

# An id, and ways to write it in a path.
IDS = [("auth0|42", [b"auth0|42", b"auth0%7C42", b"auth0%7c42", b"%61uth0|4%32"]),
       ("a@b.co", [b"a@b.co", b"a%40b.co", b"a%40b%2Eco"]), ("a/b", [b"a%2Fb", b"a%2fb"]), ("/", [b"%2F"]),
       ("a//b", [b"a%2F%2Fb"]), ("../x", [b"..%2Fx", b"%2E%2E%2Fx"]), ("a/../b", [b"a%2F..%2Fb"]),
       ("/customers", [b"%2Fcustomers"]), ("a b", [b"a%20b"]), (" a ", [b"%20a%20"]), ("a+b", [b"a+b", b"a%2Bb"]),
       ("a;b=c", [b"a;b=c", b"a%3Bb%3dc"]), ("a?b", [b"a%3Fb"]), ("a#b", [b"a%23b"]), ("a&b", [b"a&b", b"a%26b"]),
       ("100%", [b"100%25"]), ("%2F", [b"%252F"]), ("%41", [b"%2541"]), ("%", [b"%25"]), ("a:b", [b"a:b", b"a%3Ab"]),
       ("x.y", [b"x.y"]), ("...", [b"...", b"%2e%2e%2e"]), (".a", [b".a"]), ("a.", [b"a."]), ("..a", [b"..a"]),
       ("a..", [b"a.."]),
       ("!$&'()*+,;=:@-._~", [b"!$&'()*+,;=:@-._~", b"%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40%2D%2E%5F%7E"]),
       ('"<>^`{}\\', [b'"<>^`{}\\', b"%22%3C%3E%5E%60%7B%7D%5C"]), ("[x]", [b"[x]", b"%5Bx%5D"]),
       ("ä", ["ä".encode(), b"%C3%A4", b"%c3%a4"]), ("a\u0308", ["a\u0308".encode(), b"a%CC%88"]),
       ("日本", ["日本".encode(), b"%E6%97%A5%E6%9C%AC"]), ("😀", ["😀".encode(), b"%F0%9F%98%80", b"%F0\x9f%98\x80"]),
       ("ﷺ", ["ﷺ".encode()]), ("-", [b"-"]), ("1", [b"1"]), ("true", [b"true"]), ("~", [b"~", b"%7E"]),
       ("index.php", [b"index.php"]), ("a\\b", [b"a\\b", b"a%5Cb"]), ("customers", [b"customers"]), ("%00", [b"%2500"]),
       ]
WAYS = [(own, way) for own, ways in IDS for way in ways]


@pytest.fixture(scope="module")
def tree(live):
    """One customer for each of the ids above."""
    made = {}
    for own, _ in IDS:
        reply = live.post("/customers", {"email": mail(), "externalId": own})
        made[own] = reply.customer()["id"]
    return made


@pytest.mark.parametrize("own, way", WAYS, ids=[f"{own} as {way!r}" for own, way in WAYS])
def test_an_id_in_the_path_is_decoded_once(live, tree, own, way):
    for base in (b"/api/v1", b"/api"):
        got = raw_get(live, base + b"/customers/" + way).customer(200)
        assert got["id"] == tree[own] and got["externalId"] == own
    updated = raw_post(live, b"/api/v1/customers/" + way, dumps({"fullName": own}), method=b"PATCH").customer(200)
    assert updated["id"] == tree[own] and updated["fullName"] == own


@pytest.mark.parametrize("own", [own for own, _ in IDS])
def test_an_id_in_a_query_is_decoded_once(live, tree, own):
    rows, _ = raw_get(live, b"/api/v1/customers?externalId=" + escape(own).encode()).page()
    assert [row["id"] for row in rows] == [tree[own]]


def test_a_plus_is_a_space_in_a_query_and_a_plus_in_a_path(live, tree):
    rows, _ = raw_get(live, b"/api/v1/customers?externalId=a+b").page()
    assert [row["externalId"] for row in rows] == ["a b"]
    assert raw_get(live, b"/api/v1/customers/a+b").customer(200)["externalId"] == "a+b"


def test_the_escaped_letters_of_the_route_itself_are_the_route(live):
    raw_get(live, b"/api/v1/c%75stomers?limit=1").page()


# ---------------------------------------------------------------- refused

BAD_ESCAPES = [
    b"%", b"a%", b"%4", b"a%4", b"%zz", b"%4g", b"%g4", b"%%41", b"%-1", b"%+41", b"%u0041", b"a%2", b"%\xc3\xa4"
]
CONTROLS = [b"%00", b"a%00b", b"%01", b"%0a", b"%0D%0A", b"%09", b"%1F", b"%7F", b"%1b%5B"]
BAD_UTF8 = [
    b"%FF", b"%C3", b"%C3%28", b"%C0%AF", b"%E0%80%AF", b"%ED%A0%80", b"%F4%90%80%80", b"%80", b"\xff", b"\xc3\x28",
    b"\xc0\xaf", b"\xed\xa0\x80", b"a%E4b"
]


# nginx, Caddy and Apache refuse what is no escape, before Clientele sees it.
LITERAL = {"nginx": False, "lighttpd": True, "caddy": False, "apache": False}
PERCENT = [b"50%", b"%", b"a%", b"%4", b"%zz", b"%4g", b"%%41", b"%-1", b"%u0041", b"100%x%25"]


@pytest.mark.parametrize("way", PERCENT)
def test_a_percent_sign_without_digits_stands_for_itself(live, front, way):
    """No client library escapes the ids that it puts into a path."""
    own = {b"%%41": "%A", b"100%x%25": "100%x%"}.get(way, way.decode())
    made = live.post("/customers", {"email": mail(), "externalId": own}).customer()
    reply = raw_get(live, b"/api/v1/customers/" + way, checked=False)
    if LITERAL[front]:
        assert reply.customer(200)["id"] == made["id"]
    else:
        assert reply.status == 400


SLASHES = ["a/b", "org/team/42", "x/y/z/1/2/3/4/5/6/7/8", "batch/x", "a/b?", "customers/a", "a/b%2F", "credits/x/y"]


@pytest.mark.parametrize("own", SLASHES)
def test_an_id_with_slashes_is_found_where_no_other_endpoint_is(live, own):
    made = live.post("/customers", {"email": mail(), "externalId": own}).customer()
    way = own.replace("%", "%25").replace("?", "%3F").encode()
    for base in (b"/api/v1", b"/api", b""):
        assert raw_get(live, base + b"/customers/" + way).customer(200)["id"] == made["id"]
        reply = raw_post(live, base + b"/customers/" + way, dumps({"fullName": own}), method=b"PUT")
        updated = reply.customer(200)
        assert (updated["id"], updated["fullName"]) == (made["id"], own)
        if base != b"/api/v1":
            target = re.fullmatch(r'<(/api/v1/.*)>; rel="successor-version"', reply.header("Link")).group(1)
            assert raw_get(live, target.encode()).customer(200)["id"] == made["id"]


def test_an_endpoint_wins_over_an_id_with_slashes(live):
    own = "x/credits"
    made = live.post("/customers", {"email": mail(), "externalId": own}).customer()
    raw_get(live, b"/api/v1/customers/x/credits").error("endpoint_not_available", 404)
    assert raw_get(live, b"/api/v1/customers/x%2Fcredits").customer(200)["id"] == made["id"]


UNSAFE = ["team#2", "a?b", "50%25", "50%", "a/b", "a\\b", "/", "#", "a ", ".", ".."]
SAFE = ["user_42", "auth0|42", "a@b.co", "a b", " a", "a.b", "...", "a:b;c=d", "ä", "日本", "😀", "a+b", "'\"<>^`{}[]~!$&()*,"]


@pytest.mark.parametrize("own", UNSAFE + SAFE)
def test_a_warning_tells_of_ids_that_do_not_arrive(live, own):
    expected = own in UNSAFE
    tail = uid() if own not in (".", "..") else ""
    client = live
    if own in (".", "..") or own.endswith(" "):
        own = (tail + own) if tail else own
    else:
        own = own + tail

    def warned(reply):
        told = reply.header("Clientele-Warning")
        assert told is None or told.startswith("externalId: ") and own not in told
        return told is not None

    body, key = {"email": mail(), "id": own}, uid("k")
    assert warned(client.post("/customers", body, idem=key)) is expected  # new, or there already
    assert warned(client.post("/customers", body, idem=key)) is expected  # told again
    assert warned(client.post("/customers", body)) is expected
    batch = {"customers": [{"email": mail()}, {"email": "broken", "id": own}, body]}
    assert warned(client.post("/customers/batch", batch)) is expected
    assert warned(client.post("/customers/batch", {"customers": batch["customers"][:2]})) is False
    target = "/customers/" + live.create()["id"]
    assert warned(client.put(target, {"fullName": "x"})) is False
    client.put("/customers/" + client.get("/customers?externalId=" + escape(own)).data[0]["id"], {"externalId": uid()})
    assert warned(client.put(target, {"id": own})) is expected


@pytest.mark.parametrize("segment", CONTROLS + BAD_UTF8)
@pytest.mark.parametrize("method", [b"GET", b"PUT"])
@pytest.mark.parametrize("base", [b"/api/v1", b"/api"])
def test_what_is_no_text_in_a_path_is_refused(live, front, db, base, method, segment):
    with nothing_written(db):
        if front == "apache" and b"%00" in segment:
            # It refuses that itself, and no file can change the words or the status.
            reply = raw_post(live, base + b"/customers/" + segment, b'{"fullName":"x"}', method=method, checked=False)
            assert reply.status in (400, 404)
            return
        reply = raw_post(live, base + b"/customers/" + segment, b'{"fullName":"x"}', method=method, front={400})
        assert reply.status == 400
        reply.error("validation_error")


@pytest.mark.parametrize("value", BAD_ESCAPES + CONTROLS[:2] + BAD_UTF8)
@pytest.mark.parametrize("name", [b"externalId", b"search", b"cursor"])
def test_what_is_no_text_in_a_query_is_refused(live, name, value):
    reply = raw_get(live, b"/api/customers?" + name + b"=" + value, front={400})
    assert reply.status == 400
    reply.error("validation_error")


@pytest.mark.parametrize("byte", [b"\x01", b"\x08", b"\x1f", b"\x7f", b"\x00", b"\t"])
def test_raw_control_bytes_are_refused(live, byte):
    for target in (b"/api/v1/customers/a" + byte + b"b", b"/api/v1/customers?externalId=a" + byte):
        try:
            reply = raw_get(live, target, checked=False)
        except (ConnectionError, http.client.HTTPException):
            continue  # the web server hung up
        assert reply.status == 400, repr(reply)


@pytest.mark.own_words("caddy")  # takes it for a fragment, and it away
@pytest.mark.parametrize(
    "target",
    [b"/api/v1/customers/a#b", b"/api/v1/customers#x", b"/api/v1/customers/#", b"/api/v1/customers?limit=1#x"])
def test_a_raw_number_sign_is_refused(live, target):
    reply = raw_get(live, target, front={400})
    reply.error("validation_error", 400)


ODD_SEGMENTS = [
    b"/api/v1//customers", b"//api/v1/customers", b"/api//v1/customers", b"/api/v1/customers//x", b"/api/v1/customers/",
    b"/api/v1/customers/x/", b"//customers", b"/api/v1/./customers", b"/api/v1/../v1/customers", b"/api/v1/customers/.",
    b"/api/v1/customers/..", b"/api/v1/customers/%2e", b"/api/v1/customers/%2e%2e", b"/api/v1/customers/%2E.",
    b"/api/v1/customers/.%2e", b"/api/v1/customers/../customers", b"/api/v1/customers/x/../../customers",
    b"/../api/v1/customers", b"/api/v1/customers/batch/", b"/api/v1/customers/./batch", b"/api/v1/customers//batch",
    b"/customers/", b"/customers/.", b"/customers/..", b"/./customers",
]


@pytest.mark.parametrize("target", ODD_SEGMENTS)
@pytest.mark.parametrize("method", [b"GET", b"PUT", b"POST"])
def test_empty_and_dot_segments_lead_nowhere(live, db, target, method):
    with nothing_written(db):
        reply = raw_post(live,
                         target,
                         b'{"email":"nowhere@example.com","customers":[{"email":"a@b.co"}]}',
                         method=method,
                         checked=False)
        assert reply.status in (400, 404), repr(reply)
        assert reply.json["error"]["code"] in ("validation_error", "not_found", "customer_not_found")


@pytest.mark.parametrize("length", [101, 300, 1000, 3000])
@pytest.mark.parametrize("letter", [b"x", b"%F0%9F%98%80"])
def test_an_id_longer_than_any_is_nobody(live, length, letter):
    reply = raw_get(
        live, b"/api/v1/customers/" + letter * length if letter == b"x" else b"/api/v1/customers/" + letter *
        (length // 10 + 100))
    assert reply.status in (400, 404, 414)


@pytest.mark.parametrize("length", [4097, 7000, 9000, 20_000, 40_000])
@pytest.mark.parametrize("kind", [
    b"/api/v1/customers/", b"/api/v1/customers?x=", b"/api/v1/customers?externalId=", b"/api/v1/customers?cursor=",
    b"/api/v1/"
])
def test_an_overlong_request_line_is_refused_as_json(live, kind, length):
    reply = raw_get(live, kind + b"x" * length, front={400})
    assert 400 <= reply.status < 500, repr(reply)
    assert reply.status in (400, 404, 414, 431)


def test_many_query_parameters_are_ignored_or_refused(live):
    assert raw_get(live, b"/api/v1/customers?" + b"&".join(b"p%d=1" % i for i in range(20))).status == 200
    for n in (100, 400):
        assert raw_get(live, b"/api/v1/customers?" + b"&".join(b"p%d=1" % i for i in range(n))).status in (200, 400)


@pytest.mark.parametrize("line", [b"X-Large: " + b"x" * 7000, b"Cookie: " + b"a=b; " * 1500])
def test_large_foreign_headers_do_no_harm(live, line):
    reply = raw_get(live, b"/api/v1/customers?limit=1", line)
    assert reply.status in (200, 400, 431)


@pytest.mark.own_words("caddy", "apache")  # pass on what they took
def test_headers_beyond_every_limit_are_refused_as_json(live, front):
    reply = raw_get(live,
                    b"/api/v1/customers?limit=1",
                    *[b"X-Large-%d: " % i + b"x" * 7000 for i in range(20)],
                    front={400})
    assert reply.status in (400, 431), repr(reply)


@pytest.mark.parametrize("name", [b"X-Api-Key", b"Commet-Version", b"Idempotency-Key"])
def test_an_overlong_header_of_ours_is_refused(live, name):
    lines = [name + b": " + b"y" * 5000]
    if name == b"X-Api-Key":
        reply = raw(live, [b"GET /api/v1/customers HTTP/1.1", *lines])
        assert reply.status in (400, 401)
    else:
        reply = raw_post(live, b"/api/v1/customers", b'{"email":"a@b.co"}', *lines)
        assert reply.status == 400


# ---------------------------------------------------------------- routes and methods

UNKNOWN = [
    "/api/v2", "/api/v2/customers", "/api/v1/customer", "/api/v1/customersx", "/api/v1/Customers",
    "/API/v1/customers", "/api/V1/customers",
    "/api/v1/api/v1/customers", "/api/api/customers", "/v1/v1/customers",
    "/index.html", "/favicon.ico", "/robots.txt", "/.git/config", "/api/v1/customers.json", "/api/v1/admin", "/status",
    "/nginx_status", "/server-status", "/api/v10/customers", "/api/v1customers", "/api/v1/customers%2Fx",
    "/api/v1%2Fcustomers", "/api%2Fv1/customers", "/customers%3Flimit=1"
]


@pytest.mark.parametrize("path", UNKNOWN)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_unknown_routes_are_not_found(live, db, path, method):
    with nothing_written(db):
        body = None if method in ("GET", "DELETE") else dumps({"email": mail()})
        reply = raw_post(live, path.encode(), body or b"", method=method.encode())
        reply.error("not_found", 404)


@pytest.mark.parametrize("path", ["/api/v1/customers/x/y", "/api/v1/customers/batch/nobody", "/api/customers/x/y", "/customers/x/y"])
def test_a_path_below_a_customer_is_an_id_or_nothing(live, db, path):
    with nothing_written(db):
        for method in (b"GET", b"PUT", b"PATCH"):
            raw_post(live, path.encode(), b"" if method == b"GET" else b"{}", method=method).error("customer_not_found", 404)
        for method in (b"POST", b"DELETE"):
            raw_post(live, path.encode(), b"", method=method).error("not_found", 404)


ALLOWED = [("/customers", {"GET", "POST"}), ("/customers/some-id", {"GET", "PUT", "PATCH"}),
           ("/customers/batch", {"POST"})]


@pytest.mark.parametrize("path, allowed", ALLOWED)
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "POST", "PUT", "PATCH", "PROPFIND", "FOO", "MKCOL", "get"])
def test_other_methods_are_not_allowed_and_the_allowed_ones_named(live, front, db, base, path, allowed, method):
    if method in allowed or (path == "/customers/batch" and method in ("PUT", "PATCH", "DELETE")):
        return  # "batch" may be read as an id there
    if method == "get" and front in ("caddy", "apache"):
        return  # they do not mind the letters' case
    with nothing_written(db):
        reply = raw_post(live, (base + path).encode(),
                         b'{"email":"a@b.co"}',
                         method=method.encode(),
                         front={400, 405, 501})
        if reply.by_front_server:
            assert method in ("FOO", "get"), repr(reply)  # not HTTP to it
            return
        if method == "DELETE" and path == "/customers/some-id" and base.endswith("/v1"):
            reply.error("customer_not_found", 404)
            return
        reply.error("method_not_allowed", 405)
        named = {part.strip() for part in reply.header("Allow").split(",")}
        assert allowed <= named and method not in named
        assert named <= {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}


@pytest.mark.parametrize("method", [b"TRACE", b"CONNECT"])
def test_trace_and_connect_do_nothing(live, method):
    try:
        reply = raw(live, [method + b" /api/v1/customers HTTP/1.1", b"X-Api-Key: " + live.key.encode()], checked=False)
    except (ConnectionError, http.client.HTTPException):
        return
    assert 400 <= reply.status < 600
    assert live.key.encode() not in reply.body


@pytest.mark.parametrize("path", [
    "/customers", "/customers?limit=2", "/customers/{id}", "/customers/nobody", "/customers?limit=0", "/nothing",
    "/customers/%00"
])
@pytest.mark.parametrize("base", ["/api/v1", "/api"])
def test_head_is_get_without_its_body(live, front, base, path):
    if front == "apache" and "%00" in path:
        return  # with an answer of its own
    customer = live.create()
    target = (base + path.format(id=customer["id"])).encode()
    got, head = raw_get(live, target, front={400}), raw_get(live, target, method=b"HEAD", front={400})
    assert head.status == got.status
    assert head.body == b""

    def comparable(reply):
        return {
            n.lower(): v
            for n, v in reply.headers
            if n.lower() in ("content-type", "cache-control", "deprecation", "link", "allow", "sunset")
        }

    assert comparable(head) == comparable(got)


def test_a_connection_goes_on_after_head(live):
    where = urlsplit(live.url)
    key = b"X-Api-Key: " + live.key.encode()
    with socket.create_connection((where.hostname, where.port), timeout=10) as sock:
        for _ in range(5):
            for target in (b"/api/v1/customers?limit=3", b"/api/v1/customers/nobody"):
                raw(live, [b"HEAD " + target + b" HTTP/1.1", key, b"Connection: keep-alive"], sock=sock)
                reply = raw(live, [b"GET " + target + b" HTTP/1.1", key, b"Connection: keep-alive"], sock=sock)
                assert reply.status in (200, 404) and reply.body


def test_head_needs_a_key_too(live):
    assert live.with_key("nonsense").call("HEAD", "/customers").status == 401


# ---------------------------------------------------------------- queries


@pytest.mark.parametrize("query", [
    "limit=1&limit=2", "limit=1&limit=1", "limit=1&x=1&limit=", "cursor=a&cursor=a", "externalId=a&externalId=b",
    "search=a&search=a", "limit=1&%6Cimit=1", "externalId=&externalId="
])
@pytest.mark.parametrize("base", ["/api/v1", "/api"])
def test_a_known_parameter_twice_is_refused(live, base, query):
    # The last version that knows a search.
    version = [b"Commet-Version: 2026-05-25"] if query.startswith("search") and base == "/api/v1" else []
    error = raw_get(live, f"{base}/customers?{query}".encode(), *version).error("validation_error", 400)
    assert error["details"][0]["field"] in ("limit", "cursor", "externalId", "search")


@pytest.mark.parametrize("query", [
    "x=1&x=2", "x", "x=", "=", "&", "&&limit=1&&", "Limit=0", "LIMIT=0", "limit[]=0", "limits=0", "page=5&offset=3",
    "a=%20&b=%C3%A4", "utm_source=x", "?", "%F0%9F%98%80=1", "sort=email", "expand[]=x", "search=a&search=b"
])
def test_unknown_parameters_are_ignored(live, query):
    raw_get(live, f"/api/v1/customers?{query}".encode()).page()


@pytest.mark.parametrize(
    "path", ["/customers/{id}?limit=0", "/customers/{id}?x=1&x=1", "/customers/{id}?", "/customers/{id}?isActive=2"])
def test_get_ignores_the_query(live, path):
    customer = live.create()
    assert live.get(path.format(id=customer["id"])).customer(200)["id"] == customer["id"]


# ---------------------------------------------------------------- other headers


@pytest.mark.parametrize("sent", ["abc", "req_1234567890", "A-Z_a.z-0", "x" * 128, "0"])
def test_a_safe_request_id_is_kept(live, sent):
    for path in ("/customers?limit=1", "/customers/nobody", "/nothing"):
        assert live.get(path, headers={"X-Request-Id": sent}).header("X-Request-Id") == sent
    assert live.with_key("nonsense").get("/customers", headers={"X-Request-Id": sent}).header("X-Request-Id") == sent


@pytest.mark.parametrize("sent",
                         [b"x" * 129, b"x" * 1000, b"a b", b"a\tb", b"\xc3\xa4", b"<script>", b'"', b"a;b\\", b"\xff"])
def test_an_unsafe_request_id_is_replaced(live, sent):
    got = raw_get(live, b"/api/v1/customers?limit=1", b"X-Request-Id: " + sent).header("X-Request-Id")
    assert re.fullmatch(r"req_[0-9A-Za-z_-]{8,}", got)


def test_every_answer_has_a_request_id_of_its_own(live):
    seen = [
        live.get(path).header("X-Request-Id") for path in ("/customers?limit=1", "/customers/nobody", "/nothing") * 20
    ]
    assert len(set(seen)) == len(seen)
    assert all(re.fullmatch(r"req_[0-9A-Za-z_-]{8,}", one) for one in seen)


def test_headers_of_client_libraries_do_no_harm(live):
    reply = live.get("/customers?limit=1",
                     headers={
                         "commet-client-info": '{"sdk":"commet-node"}' * 20, "commet-client-telemetry": "{",
                         "User-Agent": "x" * 2000, "Accept": "text/html", "Accept-Encoding": "gzip, br",
                         "Origin": "null", "Cookie": "a=b", "Range": "bytes=0-1", "If-None-Match": "*",
                         "If-Modified-Since": "Thu, 01 Jan 2099 00:00:00 GMT"
                     })
    reply.page()


def test_the_host_header_appears_nowhere(live):
    for target in (b"/api/v1/customers?limit=1", b"/nothing", b"/api/customers"):
        reply = raw_get(live, target, b"X-Forwarded-Host: evil.example", b"X-Forwarded-Proto: gopher")
        for text in [reply.body] + [value.encode() for _, value in reply.headers]:
            assert b"api.example" not in text and b"evil.example" not in text


def test_old_http_is_answered(live):
    reply = raw(live, [b"GET /api/v1/customers?limit=1 HTTP/1.0", b"X-Api-Key: " + live.key.encode()])
    assert reply.status == 200


def test_expect_continue_works(live):
    where = urlsplit(live.url)
    body = dumps({"email": mail()})
    with socket.create_connection((where.hostname, where.port), timeout=10) as sock:
        sock.sendall(
            b"POST /api/v1/customers HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nX-Api-Key: " +
            live.key.encode() + b"\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n")
        first = sock.recv(100)
        assert first.startswith(b"HTTP/1.1 100")
        sock.sendall(body)
        response = http.client.HTTPResponse(sock, method="POST")
        response.begin()
        while response.status == 100:
            response.begin()
        reply = check(
            Reply("POST", "/api/v1/customers", CURRENT, response.status, response.getheaders(), response.read()))
    reply.customer(201)
