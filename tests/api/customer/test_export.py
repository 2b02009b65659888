"""GET /customers/export: every customer once, as lines that lose nothing."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest

from helpers import CURRENT, DATED, LEGACY, mail, uid

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "data"))
import data  # noqa: E402

COLUMNS = "id,externalId,email,fullName,taxDocument,address,addressId,timezone,metadata,isActive,createdAt,updatedAt,archivedAt"
TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
NEXT = "Clientele-Next-Cursor"


@pytest.fixture
def client(new_org):
    return new_org().live


def page(client, query=""):
    reply = client.call("GET", "/customers/export" + query, checked=False).ok()
    assert reply.header("Cache-Control") == "no-store" and reply.header("X-Request-Id")
    return reply


def pages(client, query="?"):
    """The text of all pages."""
    text, cursor = b"", ""
    while cursor is not None:
        reply = page(client, query + (f"&cursor={cursor}" if cursor else ""))
        assert reply.header("Content-Type") == TYPES["csv" if "csv" in query else "ndjson"]
        text, cursor = text + reply.body, reply.header(NEXT)
    return text.decode()


def lines(text):
    return [json.loads(line) for line in text.split("\n")[:-1]]


def test_each_customer_is_in_one_page_and_those_made_meanwhile_in_none(client):
    made = sorted(client.create(externalId=uid())["id"] for _ in range(5))  # in the order of their ids, whatever worker made them
    first = page(client, "?limit=2")
    later = client.create(externalId=uid())["id"]
    client.patch(f"/customers/{made[3]}", {"fullName": "Changed"}).ok()
    second = page(client, f"?limit=2&cursor={first.header(NEXT)}")
    again = page(client, f"?limit=2&cursor={first.header(NEXT)}")
    last = page(client, f"?limit=2&cursor={second.header(NEXT)}")
    assert last.header(NEXT) is None and again.body == second.body
    found = [row["id"] for reply in (first, second, last) for row in lines(reply.body.decode())]
    assert found == made and later not in found
    assert [row["id"] for row in lines(pages(client))] == made + [later]


def test_nobody_is_nothing_or_the_line_of_names(client):
    assert pages(client) == "" and pages(client, "?format=csv") == COLUMNS + "\r\n"


def test_all_that_is_kept_is_in_a_line(client):
    address = {"line1": "1 Main St", "city": "Rome", "postalCode": "00100", "country": "IT"}
    place = "0193f2a4-7c1b-7d3e-8f00-0123456789ab"
    sent = {"email": mail(), "id": uid(), "fullName": "A, B", "taxDocument": "", "address": address, "addressId": place, "timezone": "Asia/Tokyo",
            "metadata": {"a": [1, "x"]}}
    made = client.post("/customers", sent).ok(201).json
    (row,) = lines(pages(client))
    assert list(row) == COLUMNS.split(",")
    assert row == {"id": made["id"], "externalId": sent["id"], "email": sent["email"], "fullName": "A, B", "taxDocument": None, "address": address,
                   "addressId": place, "timezone": "Asia/Tokyo", "metadata": {"a": [1, "x"]}, "isActive": True, "createdAt": made["createdAt"],
                   "updatedAt": made["updatedAt"], "archivedAt": None}


def test_csv_tells_null_from_empty_and_only_its_first_page_has_names(client, database):
    null, empty = uid("null"), uid("empty")
    for own in (null, empty):  # their ids may be in either order
        client.post("/customers", {"email": "e@example.com", "externalId": own}).ok(201)
    with database.connect().cursor() as cursor:  # the API itself clears what is empty
        cursor.execute("UPDATE customer SET full_name = '' WHERE external_id = %s", (empty,))
    found = {line.split(",")[1]: line.split(",")[2:6]
             for line in pages(client, "?format=csv&limit=1").removeprefix(COLUMNS + "\r\n").split("\r\n")[:-1]}
    assert found == {null: ["e@example.com", "", "", ""], empty: ["e@example.com", '""', "", ""]}


def test_hostile_texts_come_back_in_both_formats(client):
    texts = [text for text in data.strings().values() if 0 < len(text) <= 200]
    assert len(texts) > 100
    for start in range(0, len(texts), 100):
        client.post("/customers/batch", {"customers": [{"email": "h@example.com", "fullName": text} for text in texts[start:start + 100]]}).ok()
    assert [row["fullName"] for row in lines(pages(client, "?limit=150"))] == texts
    rows = list(csv.DictReader(io.StringIO(pages(client, "?format=csv&limit=150"), newline="")))
    assert [row["fullName"] for row in rows] == texts
    assert not any("apostrophe" in row["fullName"] for row in rows if row["fullName"] not in texts)


def test_metadata_with_line_breaks_is_one_line_of_ndjson_and_as_it_came_in_csv(client):
    text = '{ "a" :\n\t1,\r\n"b": "c\\nd" }'
    client.post("/customers", b'{"email":"m@example.com","metadata":' + text.encode() + b"}").ok(201)
    (row,) = lines(pages(client))
    assert row["metadata"] == {"a": 1, "b": "c\nd"}
    (row,) = csv.DictReader(io.StringIO(pages(client, "?format=csv"), newline=""))
    assert row["metadata"] == text


@pytest.mark.parametrize("begins", list("=+-@"))
def test_what_a_spreadsheet_computes_is_neutralised_on_request_alone(client, begins):
    name = f'{begins}1+"2"'
    client.create(fullName=name)
    read = [next(csv.DictReader(io.StringIO(pages(client, "?format=csv" + more), newline="")))["fullName"] for more in ("", "&neutralise=true")]
    assert read == [name, "'" + name]


@pytest.mark.parametrize("query,field", [
    ("?format=xml", "format"), ("?format=", "format"), ("?format=csv&format=csv", "format"), ("?limit=0", "limit"), ("?limit=501", "limit"),
    ("?cursor=cur_x", "cursor"), ("?cursor=cur_" + "0" * 22, "cursor"), ("?cursor=cur_" + "z" * 44, "cursor"), ("?neutralise=perhaps&format=csv", "neutralise"),
    ("?neutralise=true", "neutralise"),
])
def test_wrong_parameters_are_named(client, query, field):
    client.get("/customers/export" + query).invalid(field)


def test_a_filter_of_the_list_is_not_taken_for_one(client):
    client.create()
    assert page(client, "?email=nobody@example.com").header("Clientele-Ignored") == "email"
    client.call("GET", "/customers/export?email=nobody@example.com", headers={"Prefer": "handling=strict"}).invalid("email")


def test_it_begins_with_the_current_version_and_shows_its_own_environment_alone(new_org):
    caller = new_org()
    caller.live.create()
    assert pages(caller.sandbox) == ""
    for version in (LEGACY, *DATED[:-1]):
        caller.live.at(version).missing("export")
    named = caller.live.create(externalId="export")["id"]
    assert caller.live.at(DATED[0]).fetch("export")["id"] == caller.live.fetch(named)["id"] == named
    assert caller.live.at(CURRENT).call("HEAD", "/customers/export", checked=False).ok().body == b""
