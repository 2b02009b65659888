"""Contract sections 3 and 4: bodies that are no JSON, or not the JSON that a call wants."""

import re
import socket
import time
from urllib.parse import urlsplit

import pytest

from helpers import CURRENT, LEGACY, dumps, mail, nothing_written, raw_post, uid

pytestmark = pytest.mark.all_fronts

BODY_MAX = 2 * 1024 * 1024

GOOD = b'{"email":"good@example.com"}'

NOT_JSON = [  # (what, body)
    ("a word", b"hello"), ("a form", b"email=a%40b.co&fullName=x"), ("XML", b"<customer/>"), ("an open brace", b"{"),
    ("an open string", b'{"email'), ("no colon", b'{"email" "a@b.co"}'),
    ("no comma", b'{"email":"a@b.co" "fullName":"x"}'), ("a comma before the end", b'{"email":"a@b.co",}'),
    ("a comma first", b'{,"email":"a@b.co"}'), ("two commas", b'{"email":"a@b.co",,"fullName":"x"}'),
    ("a key without quotes", b'{email:"a@b.co"}'), ("single quotes", b"{'email':'a@b.co'}"),
    ("a number as key", b'{1:2}'), ("a comment", b'{"email":"a@b.co"/* x */}'),
    ("a line comment", b'{"email":"a@b.co"}// x'), ("text behind", GOOD + b"x"), ("a brace behind", GOOD + b"}"),
    ("two documents", GOOD + GOOD), ("two lines of documents", GOOD + b"\n" + GOOD),
    ("a closed array behind", GOOD + b"]"), ("a mismatch", b'{"email":"a@b.co"]'), ("a BOM", b"\xef\xbb\xbf" + GOOD),
    ("UTF-16", GOOD.decode().encode("utf-16")), ("UTF-16 big endian", GOOD.decode().encode("utf-16-be")),
    ("UTF-32", GOOD.decode().encode("utf-32")), ("only white space", b" \n\t "),
    ("a no-break space", b"\xc2\xa0" + GOOD), ("a vertical tab", b"\x0b" + GOOD), ("a form feed", GOOD + b"\x0c"),
    ("NUL alone", b"\x00"), ("NUL first", b"\x00" + GOOD), ("NUL last", GOOD + b"\x00"),
    ("NUL in a text", b'{"email":"a@b.co","fullName":"a\x00b"}'), ("NUL in a key", b'{"email\x00":1,"email":"a@b.co"}'),
    ("NUL between", b'{"email":\x00"a@b.co"}'), ("escaped NUL", b'{"email":"a@b.co","fullName":"a\\u0000b"}'),
    ("escaped NUL in a key", b'{"email":"a@b.co","a\\u0000b":1}'),
    ("escaped NUL in metadata", b'{"email":"a@b.co","metadata":{"a":"\\u0000"}}'),
    ("escaped NUL in an unknown field", b'{"email":"a@b.co","x":["\\u0000"]}'),
    ("escaped NUL in the mail", b'{"email":"a@b.co\\u0000"}'),
    ("escaped NUL in an id", b'{"email":"a@b.co","id":"a\\u0000b"}'),
    ("a raw line feed in a text", b'{"email":"a@b.co","fullName":"a\nb"}'),
    ("a raw tab in a text", b'{"email":"a@b.co","fullName":"a\tb"}'),
    ("a raw control in a key", b'{"email":"a@b.co","a\x01b":1}'),
    ("an unknown escape", b'{"email":"a@b.co","fullName":"\\x41"}'),
    ("a cut escape", b'{"email":"a@b.co","fullName":"\\u12"}'),
    ("a bad escape", b'{"email":"a@b.co","fullName":"\\u12G4"}'),
    ("an escaped quote at the end", b'{"email":"a@b.co\\"}'),
    ("an upper case U", b'{"email":"a@b.co","fullName":"\\U00000041"}'),
    ("an escaped apostrophe", b'{"email":"a@b.co","fullName":"\\\'"}'),
]
for name, value in [("NaN", b"NaN"), ("nan", b"nan"), ("Infinity", b"Infinity"), ("-Infinity", b"-Infinity"),
                    ("+1", b"+1"), ("01", b"01"), ("-01", b"-01"), ("1.", b"1."), (".5", b".5"), ("-", b"-"),
                    ("--1", b"--1"), ("1e", b"1e"), ("1e+", b"1e+"), ("1.e1", b"1.e1"), ("0x10", b"0x10"),
                    ("1_000", b"1_000"), ("True", b"True"), ("tRue", b"tRue"), ("undefined", b"undefined"),
                    ("None", b"None"), ("nul", b"nul"), ("nothing", b""), ("00", b"00"), ("1a", b"1a"),
                    ("wide digits", "１".encode()), ("1 2", b"1 2")]:
    NOT_JSON += [(f"{name} as metadata", b'{"email":"a@b.co","metadata":{"n":' + value + b"}}"),
                 (f"{name} as a field", b'{"email":"a@b.co","x":' + value + b"}")]
for name, value in [("ff", b"\xff"), ("fe", b"\xfe"), ("a lone continuation", b"\x80"),
                    ("a cut two-byte letter", b"\xc3"), ("a cut three-byte letter", b"\xe2\x82"),
                    ("a cut four-byte letter", b"\xf0\x9f\x98"), ("overlong slash", b"\xc0\xaf"),
                    ("overlong NUL", b"\xc0\x80"), ("overlong three", b"\xe0\x80\xaf"),
                    ("overlong four", b"\xf0\x80\x80\xaf"), ("c1", b"\xc1\xbf"), ("a surrogate", b"\xed\xa0\x80"),
                    ("a pair of surrogates", b"\xed\xa0\xbd\xed\xb8\x80"), ("beyond Unicode", b"\xf4\x90\x80\x80"),
                    ("f5", b"\xf5\x80\x80\x80"), ("five bytes", b"\xf8\x88\x80\x80\x80"),
                    ("latin-1", "Jörg".encode("latin-1"))]:
    NOT_JSON += [(f"{name} in a text", b'{"email":"a@b.co","fullName":"x' + value + b'y"}'),
                 (f"{name} in metadata", b'{"email":"a@b.co","metadata":{"k":"' + value + b'"}}'),
                 (f"{name} in a key", b'{"email":"a@b.co","' + value + b'":1}')]
for name, value in [("high", b"\\ud800"), ("low", b"\\udc00"), ("the last high", b"\\udbff"),
                    ("the last low", b"\\uDFFF"), ("high and a letter", b"\\ud800a"),
                    ("high and an escape", b"\\ud800\\u0041"), ("high and a line feed", b"\\ud800\\n"),
                    ("turned round", b"\\udc00\\ud800"), ("two high", b"\\ud800\\ud800"),
                    ("two high and a low", b"\\ud800\\ud800\\udc00"), ("a pair and a low", b"\\ud83d\\ude00\\ude00")]:
    NOT_JSON += [(f"lone surrogate ({name}) in a text", b'{"email":"a@b.co","fullName":"' + value + b'"}'),
                 (f"lone surrogate ({name}) in metadata", b'{"email":"a@b.co","metadata":{"' + value + b'":1}}'),
                 (f"lone surrogate ({name}) in an unknown field", b'{"email":"a@b.co","x":"' + value + b'"}')]
for name, body in [("a key twice", b'{"email":"a@b.co","email":"b@b.co"}'),
                   ("a key twice with the same value", b'{"email":"a@b.co","email":"a@b.co"}'),
                   ("a key twice, once escaped", b'{"email":"a@b.co","\\u0065mail":"b@b.co"}'),
                   ("a key twice far apart", b'{"x":1,"email":"a@b.co","y":2,"z":3,"x":4}'),
                   ("a key twice, once null", b'{"email":"a@b.co","fullName":null,"fullName":"x"}'),
                   ("a key twice in metadata", b'{"email":"a@b.co","metadata":{"a":1,"a":1}}'),
                   ("a key twice deep in metadata", b'{"email":"a@b.co","metadata":{"a":[{"b":{"c":1,"\\u0063":2}}]}}'),
                   ("a key twice in an address", b'{"email":"a@b.co","address":{"city":"a","city":"b"}}'),
                   ("a key twice in an unknown object", b'{"email":"a@b.co","x":{"y":1,"y":2}}'),
                   ("the empty key twice", b'{"email":"a@b.co","":1,"":2}'),
                   ("an emoji key twice", '{"email":"a@b.co","😀":1,"\\ud83d\\ude00":2}'.encode())]:
    NOT_JSON.append((name, body))


def check_invalid_json(reply):
    error = reply.error("invalid_json", 400)
    assert re.search(r"\d", error["message"]), f"no byte offset in {error['message']!r}"
    return error


def offset(reply):
    """The byte that the message names."""
    numbers = re.findall(r"\d+", check_invalid_json(reply)["message"].replace("UTF-8", "").replace("RFC 8259", ""))
    assert len(numbers) == 1, numbers
    return int(numbers[0])


@pytest.fixture
def unharmed(db, workers):
    """Nothing is written and no worker dies while the test runs."""
    before = workers()
    assert before
    with nothing_written(db):
        yield
    assert workers() == before


@pytest.mark.parametrize("what, body", NOT_JSON, ids=[n[0] for n in NOT_JSON])
def test_what_is_not_strict_json_is_refused_with_the_offset(live, unharmed, what, body):
    check_invalid_json(live.post("/customers", body, idem=uid("k")))


@pytest.mark.parametrize("method, path, wrap",
                         [("PUT", "/customers/{id}", b"%s"), ("PATCH", "/customers/{id}", b"%s"),
                          ("POST", "/customers/batch", b'{"customers":[{"email":"a@b.co"},%s]}')])
def test_updates_and_batches_refuse_the_same(live, db, workers, method, path, wrap):
    customer, pids = live.create(externalId=uid()), workers()
    with nothing_written(db):
        for what, body in NOT_JSON:
            if wrap != b"%s" and what in ("two documents", "two lines of documents", "only white space",
                                          "a closed array behind", "a brace behind", "a line comment"):
                continue  # may be something else inside an array
            reply = live.call(method, path.format(id=customer["id"]), wrap.replace(b"%s", body))
            if what == "only white space":
                assert reply.status in (200, 400)  # an update may be empty
                continue
            check_invalid_json(reply)
    assert workers() == pids
    assert live.fetch(customer["id"])["updatedAt"] == customer["updatedAt"]


def test_every_beginning_of_a_body_is_refused(live, unharmed):
    body = dumps({"email": "cut@example.com", "metadata": {"é": [1.5, None, True, "\n"]}})
    for end in range(1, len(body)):
        check_invalid_json(live.post("/customers", body[:end]))


def test_the_offset_counts_bytes_and_moves_with_the_mistake(live, unharmed):
    seen = [offset(live.post("/customers", b" " * n + b'{"email" "a@b.co"}')) for n in (0, 1, 10, 1000, 100_000)]
    assert [n - seen[0] for n in seen] == [0, 1, 10, 1000, 100_000]
    assert seen[0] in (9, 10)
    letters = offset(live.post("/customers", '{"fullName":"éé" 1}'.encode()))
    assert letters - offset(live.post("/customers", b'{"fullName":"ee" 1}')) == 2


@pytest.mark.parametrize("body, at", [(b'{"email":"a\x00"}', 11), (b'{"email":"a\xff"}', 11), (b'{"a":1,"a":2}', 7),
                                      (b'{"a":01}', 6), (GOOD + b"x", len(GOOD)), (b"\xef\xbb\xbf{}", 0),
                                      (b'{"a":NaN}', 5), (b'{"email":"a\\u0000"}', 11),
                                      (b'{"email":"a\\ud800"}', 11)])
def test_the_offset_is_near_the_mistake(live, unharmed, body, at):
    # Whether a name, a token or a letter begins the mistake may be seen either way, so a few bytes of room.
    assert at <= offset(live.post("/customers", body)) <= at + 7


def test_an_error_in_the_bytes_is_no_validation_error_and_the_other_way_round(live, unharmed):
    live.post("/customers", b'{"email":1}').error("validation_error", 400)
    live.post("/customers", b'{"email":1').error("invalid_json", 400)


NOT_OBJECTS = [
    b"[]", b"[1]", b'[{"email":"a@b.co"}]', b"1", b"-1.5e3", b'"x"', b'""', b"true", b"false", b"null", b'"{}"',
    b"[[[]]]"
]


@pytest.mark.parametrize("body", NOT_OBJECTS)
@pytest.mark.parametrize("path", ["/customers", "/customers/batch"])
@pytest.mark.parametrize("version", [LEGACY, CURRENT])
def test_what_is_json_but_no_object_is_refused(live, unharmed, body, path, version):
    reply = live.at(version).post(path, body)
    assert reply.status == 400
    assert reply.json["code"] in ("validation_error", "invalid_json")


@pytest.mark.parametrize("body", [body for body in NOT_OBJECTS if body != b"[]"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_update_that_is_no_object_is_refused(live, db, workers, body, method):
    customer = live.create(externalId=uid())
    reply = live.call(method, "/customers/" + customer["id"], body)
    assert reply.status == 400
    assert reply.json["code"] in ("validation_error", "invalid_json")
    assert live.fetch(customer["id"])["updatedAt"] == customer["updatedAt"]


@pytest.mark.parametrize("path", ["/customers", "/customers/batch"])
def test_a_create_without_a_body_is_refused(live, unharmed, path):
    for body in (None, b""):
        reply = live.post(path, body)
        assert reply.status == 400 and reply.json["code"] in ("validation_error", "invalid_json")


@pytest.mark.parametrize("opening, closing", [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("depth", [100, 1000, 100_000])
@pytest.mark.parametrize("closed", [True, False])
def test_a_body_that_is_too_deep_is_refused(live, unharmed, opening, closing, depth, closed):
    inner = opening * depth + b"1" + (closing * depth if closed else b"")
    check_invalid_json(live.post("/customers", b'{"email":"deep@example.com","x":' + inner + b"}"))
    check_invalid_json(live.post("/customers", inner))


@pytest.mark.parametrize("depth", [9, 30, 100, 100_000])
def test_metadata_that_is_too_deep_is_refused(live, unharmed, depth):
    body = b'{"email":"deep@example.com","metadata":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
    reply = live.post("/customers", body)
    assert reply.status == 400
    if reply.json["code"] == "validation_error":
        reply.invalid("metadata")
    else:
        assert depth > 9
        check_invalid_json(reply)


def test_a_body_of_a_million_values_is_refused_or_ignored_but_no_worker_dies(live, db, workers):
    before = workers()
    for inner in (b"[" + b"1," * 900_000 + b"1]", b"[" + b"{}," * 500_000 + b"{}]",
                  b"{" + b",".join(b'"%d":1' % i for i in range(150_000)) + b"}"):
        reply = live.post("/customers", b'{"email":"many@example.com","x":' + inner + b"}")
        assert reply.status in (201, 400)
        reply = live.post("/customers", b'{"email":"many@example.com","metadata":{"x":' + inner + b"}}")
        assert reply.status == 400
    assert workers() == before


@pytest.mark.parametrize("field", ["email", "fullName", "externalId", "taxDocument", "timezone"])
@pytest.mark.parametrize(
    "number", [
        b"12345678901234567890123", b"1e400", b"-1e-400", b"18446744073709551616", b"9" * 64, b"9" * 65, b"9" * 5000,
        b"0." + b"1" * 5000
    ],
    ids=["23 digits", "1e400", "-1e-400", "2^64", "64 digits", "65 digits", "5000 digits", "5000 decimals"])
def test_a_huge_number_in_a_text_field_is_refused(live, unharmed, field, number):
    body = b'{"' + field.encode() + b'":' + number + (b"}" if field == "email" else b',"email":"a@b.co"}')
    reply = live.post("/customers", body)
    assert reply.status == 400
    if reply.json["code"] == "validation_error":
        reply.invalid(field)
    else:
        assert len(number) > 64
        check_invalid_json(reply)


# ---------------------------------------------------------------- sizes


def padded(size):
    start = b'{"email":"large@example.com"}'
    return start + b" " * (size - len(start))


def test_a_body_of_exactly_the_limit_is_read(live):
    assert live.post("/customers", padded(BODY_MAX)).customer(201)["email"] == "large@example.com"


@pytest.mark.parametrize("size", [BODY_MAX + 1, BODY_MAX + 4096, 3 * BODY_MAX])
@pytest.mark.parametrize("base", ["/api/v1", "/api"])
def test_a_larger_body_is_too_large(live, unharmed, size, base):
    reply = raw_post(live, base.encode() + b"/customers", padded(size))
    reply.error("request_too_large", 413)


def test_a_larger_body_is_too_large_for_updates_and_batches(live, unharmed):
    for method, path in ((b"PUT", b"/api/v1/customers/nobody"), (b"PATCH", b"/customers/nobody"),
                         (b"POST", b"/api/v1/customers/batch")):
        raw_post(live, path, padded(BODY_MAX + 1), method=method).error("request_too_large", 413)


def chunks(body, size):
    parts = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def raw_chunked(live, body, size=7):
    from helpers import raw

    return raw(live,
               [b"POST /api/v1/customers HTTP/1.1", b"X-Api-Key: " + live.key.encode(), b"Transfer-Encoding: chunked"],
               chunks(body, size))


def test_a_chunked_body_is_a_body(live):
    assert raw_chunked(live, b'{"email":"chunks@example.com"}').customer(201)["email"] == "chunks@example.com"
    assert raw_chunked(live, padded(BODY_MAX), 65536).status == 201


def test_a_chunked_body_that_is_too_large_is_too_large(live, unharmed):
    raw_chunked(live, padded(BODY_MAX + 1), 65536).error("request_too_large", 413)


def test_a_chunked_body_is_judged_as_any_other(live, unharmed):
    check_invalid_json(raw_chunked(live, b'{"email":"chunks@example.com"'))


def test_a_compressed_body_is_no_json(live, unharmed):
    import gzip

    check_invalid_json(live.post("/customers", gzip.compress(GOOD), headers={"Content-Encoding": "gzip"}))


def test_a_client_that_leaves_in_the_middle_of_its_body_writes_nothing(live, unharmed):
    where = urlsplit(live.url)
    body = dumps({"email": "left@example.com", "externalId": uid()})
    for sent in (0, 1, len(body) // 2, len(body) - 1):
        with socket.create_connection((where.hostname, where.port)) as sock:
            sock.sendall(b"POST /api/v1/customers HTTP/1.1\r\nHost: x\r\nX-Api-Key: " + live.key.encode() +
                         b"\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body[:sent])
            sock.shutdown(socket.SHUT_WR)
            time.sleep(0.05)
    live.get("/customers?limit=1").ok(200)


@pytest.mark.parametrize("path", ["/customers", "/customers/nobody"])
def test_a_body_on_get_is_ignored(live, front, path):
    if front == "lighttpd":
        return  # it takes none unless told to, with an answer of its own
    for body in (b"{", b"\x00", b"{}"):
        assert live.call("GET", path, body).status == (200 if path == "/customers" else 404)


def test_the_next_request_on_a_connection_is_not_disturbed_by_a_refused_body(live, workers):
    before = workers()
    for _ in range(20):
        live.post("/customers", b"{" * 5000).error("invalid_json", 400)
        live.with_key("nonsense").post("/customers", b"x" * 60_000).error("unauthorized", 401)
        live.create()
    assert workers() == before


def test_a_request_inside_a_body_is_not_a_request(live, db):
    """What looks like another request, or like FastCGI records, stays data."""
    own = uid("smuggled")
    inner = (b"POST /api/v1/customers HTTP/1.1\r\nX-Api-Key: " + live.key.encode() + b"\r\n\r\n" +
             dumps({"email": mail(), "externalId": own}))
    records = b"\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + b"\x01\x04\x00\x01\x00\x00\x00\x00" + b"\x01\x05\x00\x01\x00\x00\x00\x00"
    with nothing_written(db):
        for body in (inner, b"\x00" * 70_000 + inner, records, b" " * 65_536 + records * 100):
            for path in ("/customers", "/nothing"):
                live.call("POST", path, body)
                assert live.with_key("nonsense").call("POST", path, body).status in (401, 404)
    live.missing(own)


FORMS = [b"email=a%40b.co&fullName=x", b"email=a@b.co", b"address[city]=x&address[line1]=1", b"customers%5B0%5D=1", b"nullable=1",
         b"true=1&a=b", b"1=2", b"--boundary\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\na@b.co\r\n--boundary--\r\n"]


@pytest.mark.parametrize("body", FORMS)
def test_a_form_is_told_to_be_json(live, db, body):
    with nothing_written(db):
        for headers in ({"Content-Type": "application/x-www-form-urlencoded"}, {}):
            error = live.post("/customers", body, headers=headers).error("invalid_json", 400)
            assert error["message"].startswith("The body is not valid JSON at byte ")
            assert error["message"].endswith(". Send JSON, not a form.")


@pytest.mark.parametrize("body", [b"hello", b"{", b"=", b"{email=a}", b"email", b"a b=c", b"-", b"\xff=1"])
def test_what_is_no_form_is_not_called_one(live, body):
    assert "form" not in live.post("/customers", body).error("invalid_json", 400)["message"]


def test_an_empty_body_is_called_so(live):
    for path in ("/customers", "/customers/batch", "/api-keys"):
        error = live.post(path, b"").error("invalid_json", 400)
        assert error["message"] == "The body is not valid JSON at byte 0: it is empty. Send a JSON object."
