"""
Hostile input through web servers: every JSON document and every text of tests/data. What is valid comes back as it
was sent, what is not is 400 with the error's body, and nothing is a 5xx.
"""

import json
import re
import sys
import unicodedata
from pathlib import Path

import pytest

from helpers import Client, check_error, escape, mail, nothing_written, uid

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "data"))
import data  # noqa: E402

pytestmark = pytest.mark.both_fronts

ACCEPT, REFUSE, STRINGS = data.documents("accept"), data.documents("refuse"), data.strings()
# Contract section 3, of metadata; the object around the document is one level and one value of it.
METADATA_BYTES, METADATA_LEVELS, METADATA_VALUES, NUMBER_BYTES = 16 * 1024, 8, 1000, 64


@pytest.fixture(scope="module")
def live(new_org):
    return new_org().live


def around(document):
    """A create with this document as the value of a member of its metadata, and the metadata's text."""
    metadata = b'{"document": ' + document + b"}"
    return b'{"email":"' + mail().encode() + b'","metadata":' + metadata + b"}", metadata


def fits_metadata(words, text):
    return (len(text) + 14 <= METADATA_BYTES and int(words[1]) < METADATA_VALUES and int(words[2]) < METADATA_LEVELS
            and max(map(len, re.findall(rb"[-+.\w]+", re.sub(rb'"(?:[^"\\]|\\.)*"', b"", text))), default=0) <= NUMBER_BYTES)


def failures(found):
    """Fails once, with all that was found."""
    assert not found, f"{len(found)} of them: " + "; ".join(found[:10])


def test_every_valid_document_comes_back_as_it_was_sent(live):
    wrong = []
    for name, (words, text) in ACCEPT.items():
        body, metadata = around(text)
        reply = live.post("/customers", body)
        if not fits_metadata(words, text):
            # A document of 32 levels is too deep for any body when something is around it.
            if reply.status != 400 or reply.json["code"] not in ("validation_error", "invalid_json"):
                wrong.append(f"{name} is beyond the limits of metadata: {reply!r:.200}")
        elif reply.status != 201 or b'"metadata":' + metadata not in reply.body:
            wrong.append(f"{name}: {reply!r:.200}")
        elif b'"metadata":' + metadata not in live.get("/customers/" + reply.json["id"]).body:
            wrong.append(f"{name} is another one when it is read")
    failures(wrong)


def test_limits_leave_most_documents_in(live):
    """Or the test above would test nothing."""
    assert sum(fits_metadata(*case) for case in ACCEPT.values()) >= len(ACCEPT) - 12


def test_every_valid_document_that_is_no_customer_is_told_so(live, db):
    wrong = []
    with nothing_written(db):
        for name, (words, text) in ACCEPT.items():
            for method, path in (("POST", "/customers"), ("POST", "/customers/batch"), ("POST", "/api-keys")):
                reply = live.call(method, path, text)
                if reply.status != 400 or reply.json["code"] != "validation_error":
                    wrong.append(f"{name} to {path}: {reply!r:.200}")
    failures(wrong)


def test_every_invalid_document_is_refused_with_its_place(live, db):
    wrong = []
    with nothing_written(db):
        for name, (words, text) in REFUSE.items():
            reply = live.call("POST", "/customers", text)
            if reply.status != 400 or reply.json["code"] != "invalid_json" or f" at byte {words[0]}: " not in reply.json["message"]:
                wrong.append(f"{name}: {reply!r:.200}")
    failures(wrong)


@pytest.mark.parametrize("where", ["create", "batch", "update"])
def test_every_invalid_document_is_refused_inside_of_another(live, db, where):
    customer = live.create()
    wrong = []
    with nothing_written(db):
        for name, (words, text) in REFUSE.items():
            body = around(text)[0]
            reply = (live.post("/customers", body) if where == "create"
                     else live.post("/customers/batch", b'{"customers":[' + body + b"]}") if where == "batch"
                     else live.call("PATCH", "/customers/" + customer["id"], body))
            if reply.status != 400 or reply.json["code"] != "invalid_json":
                wrong.append(f"{name}: {reply!r:.200}")
    failures(wrong)


# ---------------------------------------------------------------- texts


def fields(text):
    """The fields of a customer that a text fits into."""
    own = {"metadata": {text: [text, {"in": text}]}}
    if len(text) <= 200:
        own["fullName"] = text
    if len(text) <= 100:
        own["taxDocument"] = text
    return own


def look(client, path):
    """A GET that the web server may refuse by itself: lighttpd takes no control characters, for one."""
    reply = client.get(path, checked=False)
    if reply.status >= 400:
        reply.version = None  # it knows none
        check_error(reply)
    return reply


def same(customer, sent):
    """An empty text is none."""
    return all(customer[name] == (value if value != "" else None) for name, value in sent.items())


@pytest.mark.parametrize("escaped", [False, True], ids=["as-utf8", "escaped"])
def test_every_text_comes_back_as_it_was_sent(live, escaped):
    wrong = []
    for name, text in STRINGS.items():
        sent = fields(text)
        body = json.dumps({"email": mail(), **sent}, ensure_ascii=escaped).encode()
        if len(json.dumps(sent["metadata"], ensure_ascii=escaped).encode()) > METADATA_BYTES:
            if live.post("/customers", body).status != 400:
                wrong.append(f"{name} is too long and was taken")
            continue
        reply = live.post("/customers", body)
        if reply.status != 201 or not same(reply.json, sent):
            wrong.append(f"{name}: {reply!r:.200}")
            continue
        if json.dumps(sent["metadata"], ensure_ascii=escaped).encode() not in reply.body:
            wrong.append(f"{name}: metadata is spelled another way")
        if not same(live.get("/customers/" + reply.json["id"]).json, sent):
            wrong.append(f"{name} is another one when it is read")
    failures(wrong)


def test_every_text_in_a_batch(live):
    texts = [text for text in STRINGS.values() if len(text) <= 200]
    wrong = []
    for at in range(0, len(texts), 100):
        some = texts[at:at + 100]
        items = [{"email": mail(), **fields(text)} for text in some]
        done = live.batch(items)
        assert not done["failed"] and len(done["successful"]) == len(some)
        for item, row in zip(items, done["successful"]):
            if not same(live.get("/customers/" + row["id"]).json, {n: v for n, v in item.items() if n != "email"}):
                wrong.append(repr(item["metadata"])[:60])
    failures(wrong)


def test_every_text_in_a_batch_that_fails_is_echoed(live):
    texts = [text for text in STRINGS.values() if len(text) <= 200]
    wrong = []
    for at in range(0, len(texts), 100):
        items = [{"email": f"no address {text}", "fullName": text, "metadata": {"text": text}} for text in texts[at:at + 100]]
        done = live.batch(items)
        assert not done["successful"]
        wrong += [repr(item["fullName"])[:60] for item, row in zip(items, done["failed"]) if row["data"] != item]
    failures(wrong)


def test_every_text_as_the_callers_own_id(new_org):
    """It has no character that cannot be seen, and no blank but the space; in a path it is no '.' and no '..'."""
    live = new_org().live
    wrong = []
    for name, text in STRINGS.items():
        reply = live.post("/customers", {"email": mail(), "id": text})
        unseen = any(unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") or letter.isspace() and letter != " "
                     or letter in "\u115f\u1160\u2800\u3164\uffa0" for letter in text)
        if not 1 <= len(text) <= 100 or unseen:
            if reply.status != 400:
                wrong.append(f"{name} has {len(text)} characters, or one that cannot be seen, and was taken")
            continue
        if reply.status != 201 or reply.json["externalId"] != text:
            wrong.append(f"{name}: {reply!r:.200}")
            continue
        made = reply.json["id"]
        found = look(live, "/customers/" + escape(text))
        if text in (".", ".."):
            if found.status != 400 and not (text in (".", "..") and found.status in (404, 405)):
                wrong.append(f"{name} in a path: {found!r:.200}")
        elif found.status != 200 or found.json["id"] != made:
            wrong.append(f"{name} is not found by its path: {found!r:.200}")
        listed = look(live, "/customers?externalId=" + escape(text))
        if [row["id"] for row in listed.json.get("data", ())] != [made]:
            wrong.append(f"{name} is not found by a query: {listed!r:.200}")
    failures(wrong)


def test_every_text_as_something_to_search_for(live):
    wrong = []
    for name, text in STRINGS.items():
        reply = look(live.at("2026-05-25"), "/customers?search=" + escape(text))
        if reply.status not in (200, 400, 414, 431):
            wrong.append(f"{name}: {reply!r:.200}")
    failures(wrong)


def test_every_text_where_it_does_not_belong_is_refused(live, db):
    """An address, a time zone, a country, a limit, a cursor, a version, an id, a key: never a 5xx, and nothing written."""
    wrong = []
    with nothing_written(db):
        for name, text in STRINGS.items():
            body = {"email": mail()}
            replies = [
                live.post("/customers", {**body, "email": text + " ?"}),
                live.post("/customers", {**body, "timezone": text + "?"}),
                live.post("/customers", {**body, "address": {"line1": text, "city": text, "postalCode": text, "country": text + "?"}}),
                live.post("/customers", {**body, "addressId": text + "?"}),
                live.post("/customers", {**body, "metadata": text}),
                live.post("/customers", text.encode() + b"?"),
                look(live, "/customers?limit=" + escape(text) + "x"),
                look(live, "/customers?cursor=" + escape(text) + "x"),
                look(live, "/api-keys/" + escape(text + "x")),
            ]
            wrong += [f"{name}, {n}: {reply!r:.200}" for n, reply in enumerate(replies)
                      if not 400 <= reply.status < 500]
    failures(wrong)


def test_every_text_of_one_line_as_a_header(live, url):
    wrong = []
    for name, text in STRINGS.items():
        if re.search(r"[\x00-\x1f\x7f]", text) or len(text) > 1000:
            continue  # no header can hold it, or no web server takes it
        value = text.encode().strip()
        for header in ("Idempotency-Key", "Commet-Version", "X-Request-Id", "traceparent", "User-Agent", "Accept"):
            reply = live.get("/customers?limit=1", headers={header: value}, checked=False)
            if not (reply.status < 500 and (reply.status == 200 or 400 <= reply.status)):
                wrong.append(f"{name} as {header}: {reply!r:.200}")
            if header == "X-Request-Id" and reply.header("X-Request-Id") != value.decode("latin-1") and not reply.header("X-Request-Id").startswith("req_"):
                wrong.append(f"{name} came back in a header: {reply!r:.200}")
        for key in (value, b"ck_sandbox_hostile" + value):
            reply = Client(url, key).get("/customers", checked=False)
            if reply.status not in (400, 401):
                wrong.append(f"{name} as a key: {reply!r:.200}")
    failures(wrong)
