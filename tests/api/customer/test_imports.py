"""POST /imports: files that become customers in the background."""

import csv
import io
import json
import secrets

import pytest

from helpers import CURRENT, DATED, execute, mail, scalar, uid
from stack import wait_until

NEXT = "Clientele-Next-Cursor"
ENDED = ("done", "failed", "cancelled")
BINARY = {"Content-Type": "application/octet-stream"}
CSV, NDJSON = {"Content-Type": "text/csv"}, {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def org(new_org):
    return new_org()


@pytest.fixture
def client(org):
    return org.live


def counts(made, **more):
    return {name: more.get(name, 0) for name in ("created", "existing", "updated", "failed")} == {
        name: made[name] for name in ("created", "existing", "updated", "failed")} and made["read"] == sum(more.values())


def make(client, **rules):
    return client.post("/imports", {"format": "csv", **rules}).ok(201).json


def put(client, made, number, text, **more):
    return client.put(f"/imports/{made['id']}/parts/{number}", text.encode() if isinstance(text, str) else text, headers=BINARY, **more)


def start(client, made):
    return client.post(f"/imports/{made['id']}/start").ok().json


def send(client, text, query="?format=csv", headers=CSV):
    return client.post("/imports" + query, text.encode(), headers=headers).ok(201).json


def ended(client, made):
    """The import, once it has ended."""
    def look():
        now = client.get(f"/imports/{made['id']}").ok().json
        return now["status"] in ENDED and now

    return wait_until(look, 20, "the end of the import")


def results(client, made):
    text, cursor = "", ""
    while cursor is not None:
        reply = client.get(f"/imports/{made['id']}/results" + (f"?cursor={cursor}" if cursor else ""), checked=False).ok()
        text, cursor = text + reply.body.decode(), reply.header(NEXT)
    return [json.loads(line) for line in text.splitlines()]


def rows(client):
    text = client.call("GET", "/customers/export", checked=False).ok().body.decode()
    return [json.loads(line) for line in text.splitlines()]


def test_a_file_in_one_call_becomes_customers(client):
    made = send(client, 'externalId,email,fullName\na,a@example.com,"A, B"\nb,b@example.com,\n')
    assert (made["status"], made["format"], made["parts"], made["dryRun"], made["onConflict"]) == ("queued", "csv", 1, False, "skip")
    assert made["id"].startswith("imp_") and made["bytes"] == 66 and made["startedAt"] is None
    done = ended(client, made)
    assert (done["status"], done["lines"], done["bytesDone"], done["reason"]) == ("done", 2, 66, None) and counts(done, created=2)
    assert done["createdAt"] <= done["startedAt"] <= done["endedAt"]
    assert [(row["externalId"], row["email"], row["fullName"]) for row in rows(client)] == [("a", "a@example.com", "A, B"), ("b", "b@example.com", None)]
    assert results(client, done) == [{"line": n + 2, "status": "created", "id": row["id"]} for n, row in enumerate(rows(client))]
    assert [row["id"] for row in client.get("/imports").ok().json["data"]] == [made["id"]]


def test_ndjson_and_its_type_alone_are_enough(client):
    assert ended(client, send(client, '{"email":"a@example.com"}\n', "", NDJSON))["format"] == "ndjson"
    assert ended(client, send(client, "email\nb@example.com\n", "", {"Content-Type": "text/csv; charset=utf-8"}))["format"] == "csv"
    assert ended(client, send(client, "email\nc@example.com\n", "?format=csv", {"Content-Type": "application/x-www-form-urlencoded"}))["created"] == 1
    assert [row["email"] for row in rows(client)] == ["a@example.com", "b@example.com", "c@example.com"]


def test_a_file_in_parts_is_one_whatever_they_cut(client):
    """In the midst of a letter of two bytes, between CR and LF, within a quoted cell; and they come in any order."""
    whole = 'externalId,email,fullName\r\na,a@example.com,"é\nü"\r\nb,b@example.com,B\r\n'.encode()
    cuts = [0, whole.index("é".encode()) + 1, whole.index(b"\n", 30) + 1, whole.rindex(b"\r\nb") + 1, len(whole)]
    made = make(client)
    assert (made["status"], made["parts"]) == ("receiving", 0)
    for n in (3, 1, 4, 2):
        told = put(client, made, n, whole[cuts[n - 1]:cuts[n]]).ok().json
    assert (told["parts"], told["bytes"]) == (4, len(whole))
    assert start(client, made)["status"] == "queued"
    assert counts(ended(client, made), created=2)
    assert [row["fullName"] for row in rows(client)] == ["é\nü", "B"] and [row["line"] for row in results(client, made)] == [2, 4]


def test_a_part_is_sent_again_as_it_was_or_not_at_all(client, unharmed_parts):
    made = make(client)
    first = put(client, made, 1, "email\n").ok().json
    assert put(client, made, 1, "email\n").ok().json == first
    put(client, made, 1, "email\nx\n").error("conflict", 409)
    key = secrets.token_hex(8)
    assert put(client, made, 2, "a@example.com\n", idem=key).ok().json == put(client, made, 2, "a@example.com\n", idem=key).ok().json
    assert start(client, made)["bytes"] == 20
    put(client, made, 3, "b@example.com\n").error("conflict", 409)
    assert counts(ended(client, made), created=1)


@pytest.fixture
def unharmed_parts(db):
    """No part is left of an import that has ended."""
    yield
    wait_until(lambda: scalar(db, "SELECT count(*) FROM import_part p JOIN import_job j ON j.environment_id = p.environment_id "
                              "AND j.id = p.import_id WHERE j.ended_at IS NOT NULL") == 0, 30, "the end of the parts")


def test_it_starts_once_and_whole(client):
    made = make(client)
    client.post(f"/imports/{made['id']}/start").error("conflict", 409)
    put(client, made, 2, "a@example.com\n").ok()
    reply = client.post(f"/imports/{made['id']}/start")
    reply.error("conflict", 409)
    assert reply.json["message"] == "Part 1 of the file is missing."
    put(client, made, 1, "email\n").ok()
    start(client, made)
    assert start(client, made)["status"] in ("queued", "running", "done")
    done = ended(client, made)
    assert start(client, made) == done and counts(done, created=1)
    client.post(f"/imports/{made['id']}/cancel").error("conflict", 409)


def test_one_that_is_cancelled_writes_nothing_more(client, unharmed_parts):
    made = make(client)
    put(client, made, 1, "email\na@example.com\n").ok()
    cancelled = client.post(f"/imports/{made['id']}/cancel").ok().json
    assert cancelled["status"] == "cancelled" and cancelled["endedAt"]
    assert client.post(f"/imports/{made['id']}/cancel").ok().json == cancelled
    client.post(f"/imports/{made['id']}/start").error("conflict", 409)
    assert rows(client) == []


REFUSED = [
    ("email,emial\n", 'column 2: "emial" is not known'),
    ("email,email\n", 'column 2: "email" is there twice'),
    ("email,fullName\na@example.com,A\nb@example.com\n", "line 3 has 1 cells, and the line of names has 2"),
    (b"email\na@example.com\nb\xff@example.com\n", "line 3 is not UTF-8"),
    ("email\na@example.com\n".encode("utf-16"), "the file is in UTF-16 or UTF-32; it must be in UTF-8"),
    ('email\na@example.com\n"b@example.com\n', "a quote is opened in line 3 and never closed"),
    (f"email,{'x' * 39}\u00e9\n", f"column 2: \"{'x' * 39}\" is not known"),  # it is cut within the last character
    ('fullName,email\n\n"' + "\n" * 1100000 + '",a@example.com\n', "the row that begins in line 3 has more than 1048576 bytes"),
]


@pytest.mark.parametrize("file, reason", REFUSED, ids=[reason for _, reason in REFUSED])
def test_a_file_that_cannot_be_imported_is_refused_before_anything_is_written(client, file, reason):
    file = file.encode() if isinstance(file, str) else file
    done = ended(client, client.post("/imports?format=csv", file, headers=CSV).ok(201).json)
    assert (done["status"], done["reason"]) == ("failed", reason) and counts(done)
    assert rows(client) == [] and results(client, done) == []


def test_a_file_that_is_wrong_far_below_is_refused_before_anything_is_written(client):
    """Farther than a step of the clerk goes."""
    made = send(client, "externalId,email\n" + "".join(f"w{n},w@example.com\n" for n in range(1500)) + "w,w@example.com,w\n")
    done = ended(client, made)
    assert (done["status"], done["reason"]) == ("failed", "line 1502 has 3 cells, and the line of names has 2") and counts(done)
    assert rows(client) == []


def test_more_empty_lines_than_a_row_may_have_bytes_are_none(client):
    made = send(client, "email\n" + "\n" * 1100000 + "a@example.com\n")
    assert counts(ended(client, made), created=1) and [row["line"] for row in results(client, made)] == [1100002]


def test_an_erase_takes_away_what_a_reason_quotes(client):
    """A file without a line of names has a customer in its place."""
    made = send(client, "ann@example.com,Ann\nbob@example.com,Bob\n")
    assert ended(client, made)["reason"] == 'column 1: "ann@example.com" is not known'
    client.call("DELETE", f"/customers/{client.create(email='ann@example.com')['id']}").ok()
    assert client.get(f"/imports/{made['id']}").ok().json["reason"] == "a column is not known, or is there twice"


def test_a_broken_line_is_told_and_the_others_are_done(client):
    made = send(client, "externalId,email,timezone\na,a@example.com,\nb,no mail,\nc,c@example.com,Mars/Base\nd,d@example.com,UTC\n")
    assert counts(ended(client, made), created=2, failed=2)
    told = results(client, made)
    assert [(row["line"], row["status"], row.get("code"), row.get("param")) for row in told] == [
        (2, "created", None, None), (3, "failed", "validation_error", "email"), (4, "failed", "validation_error", "timezone"), (5, "created", None, None)]
    assert all(row["message"] for row in told if row["status"] == "failed")
    table = client.get(f"/imports/{made['id']}/results?format=csv", checked=False).ok()
    assert table.header("Content-Type") == "text/csv; charset=utf-8"
    assert list(csv.DictReader(io.StringIO(table.body.decode()))) == [
        {name: str(row.get(name, "")) for name in ("line", "status", "id", "code", "param", "message")} for row in told]


@pytest.mark.parametrize("rule, status", [("skip", "existing"), ("update", "updated"), ("fail", "failed")])
def test_what_becomes_of_a_line_whose_external_id_is_taken(client, rule, status):
    known = client.create(externalId="known", fullName="Old")
    made = send(client, "externalId,email,fullName\nknown,new@example.com,New\n", f"?format=csv&onConflict={rule}")
    assert counts(ended(client, made), **{status: 1})
    (row,) = results(client, made)
    assert row["status"] == status and (row.get("id") == known["id"] or row["code"] == "duplicate")
    assert client.fetch(known["id"])["fullName"] == ("New" if rule == "update" else "Old")


def test_a_dry_run_tells_and_writes_nothing(client, db):
    client.create(externalId="known")
    made = send(client, "externalId,email\nknown,a@example.com\nnew,b@example.com\n,no mail\n", "?format=csv&dryRun=true")
    assert counts(ended(client, made), created=1, existing=1, failed=1)
    assert [row["externalId"] for row in rows(client)] == ["known"]
    told = results(client, made)
    assert [row["status"] for row in told] == ["existing", "created", "failed"]
    assert [row.get("id") for row in told] == [rows(client)[0]["id"], None, None]


def test_times_of_the_file_are_kept_on_request(client):
    text = "email,createdAt\nnew@example.com,2024-05-01\nold@example.com,2001-01-01\n"
    ended(client, send(client, text, "?format=csv&keepCreatedAt=true"))
    assert [(row["email"], row["createdAt"][:10]) for row in rows(client)] == [("old@example.com", "2001-01-01"), ("new@example.com", "2024-05-01")]


def test_a_line_with_the_first_moment_of_1970_fails_and_stops_no_other(client):
    lines = [{"createdAt": "1970-01-01T00:00:00Z"}, {"createdAt": "1960-01-01", "updatedAt": "1970-01-01T01:00:00+01:00"},
             {"createdAt": "1960-01-01", "archivedAt": "1970-01-01"}, {"createdAt": "1970-01-01T00:00:00.001Z"}]
    text = "".join(json.dumps({"email": f"{n}@example.com", **line}) + "\n" for n, line in enumerate(lines))
    made = send(client, text, "?format=ndjson&keepCreatedAt=true", NDJSON)
    assert counts(ended(client, made), created=1, failed=3)
    assert [row.get("param") for row in results(client, made)] == ["createdAt", "updatedAt", "archivedAt", None]
    assert [(row["email"], row["createdAt"]) for row in rows(client)] == [("3@example.com", "1970-01-01T00:00:00.001Z")]


def test_what_it_writes_is_in_the_history_with_its_key_and_request(client, org):
    reply = client.post("/imports?format=csv", b"externalId,email\nh,h@example.com\n", headers={**CSV, "X-Request-Id": "the-import"}).ok(201)
    ended(client, reply.json)
    (event,) = client.get("/customers/h/history").ok().json["data"]
    assert (event["type"], event["requestId"]) == ("customer.created", "the-import") and event["actor"]["type"] == "api_key", event


def test_several_of_one_environment_are_done_one_after_the_other_and_no_more_than_five_are_open(client, org):
    made = [make(client) for _ in range(5)]
    client.post("/imports", {"format": "csv"}).error("import_limit", 409)
    client.post("/imports?format=csv", b"email\n", headers=CSV).error("import_limit", 409)
    make(org.sandbox)
    for n, one in enumerate(made):
        put(client, one, 1, f"externalId,email\nsame,{n}@example.com\n").ok()
    for one in made:
        start(client, one)
    assert [ended(client, one)["created"] for one in made] == [1, 0, 0, 0, 0]
    make(client)


def test_a_key_that_was_revoked_meanwhile_ends_its_import(client, org, db):
    made = make(client)
    put(client, made, 1, "email\na@example.com\n").ok()
    other = client.post("/api-keys", {"name": "other"}).ok(201).json
    with_other = client.with_key(other["apiKey"])
    second = make(with_other)
    put(with_other, second, 1, "email\nb@example.com\n").ok()
    client.call("DELETE", f"/api-keys/{other['id']}").ok()
    start(client, second)
    done = ended(client, second)
    assert (done["status"], done["reason"]) == ("failed", "the API key that made the import no longer works")
    start(client, made)
    assert counts(ended(client, made), created=1)
    assert [row["email"] for row in rows(client)] == ["a@example.com"]


def test_others_do_not_see_it(client, new_org, org):
    made = make(client)
    for stranger in (new_org().live, org.sandbox):
        for method, path in (("GET", ""), ("GET", "/results"), ("POST", "/start"), ("POST", "/cancel")):
            stranger.call(method, f"/imports/{made['id']}{path}").error("import_not_found", 404)
        put(stranger, made, 1, "email\n").error("import_not_found", 404)
        assert stranger.get("/imports").ok().json["data"] == []
    assert client.get(f"/imports/{made['id']}").ok().json == made
    client.get("/imports/imp_x").error("import_not_found", 404)


@pytest.mark.parametrize("body, fields", [({}, ["format"]), ({"format": "xml"}, ["format"]), ({"format": "csv", "onConflict": "x", "dryRun": 1}, ["onConflict", "dryRun"])])
def test_rules_that_are_wrong_are_named(client, body, fields):
    client.post("/imports", body).invalid(*fields)


@pytest.mark.parametrize("query, field", [("?format=xml", "format"), ("?format=csv&dryRun=x", "dryRun"), ("?format=csv&onConflict=x", "onConflict"),
                                          ("?format=csv&keepCreatedAt=x", "keepCreatedAt"), ("?format=csv&format=csv", "format")])
def test_rules_in_the_query_that_are_wrong_are_named(client, query, field):
    client.post("/imports" + query, b"email\n", headers=CSV).invalid(field)


def test_what_is_no_part_is_named(client):
    made = make(client)
    for number in ("0", "10001", "x", "-1"):
        put(client, made, number, "email\n").invalid("number")
    put(client, made, 1, "").invalid("body")
    client.post("/imports?format=csv", b"", headers=CSV).invalid("body")
    for query, field in (("?format=x", "format"), ("?cursor=x", "cursor"), ("?cursor=cur_00", "cursor")):
        client.get(f"/imports/{made['id']}/results{query}").invalid(field)
    assert client.get(f"/imports/{made['id']}").ok().json == made


def test_the_same_key_with_other_rules_is_a_mismatch(client):
    key, text = secrets.token_hex(8), b"email\na@example.com\n"
    first = client.post("/imports?format=csv", text, headers=CSV, idem=key).ok(201).json
    assert client.post("/imports?format=csv", text, headers=CSV, idem=key).ok(201).json == first
    client.post("/imports?format=csv&dryRun=1", text, headers=CSV, idem=key).error("idempotency_key_mismatch", 409)
    assert counts(ended(client, first), created=1)


@pytest.mark.all_fronts
def test_a_part_of_eight_mebibytes_is_taken_and_no_larger_one(client):
    most = 8 * 1024 * 1024
    made = make(client)
    text = b"email\na@example.com\n" + b"\n" * (most - 20)
    assert put(client, made, 1, text).ok().json["bytes"] == most
    put(client, made, 2, text + b"\n").error("request_too_large", 413)
    client.post("/customers", text).error("request_too_large", 413)
    assert client.post(f"/imports/{made['id']}/cancel").ok().json["bytes"] == most


def test_earlier_versions_do_not_have_it(client):
    client.at(DATED[-2]).get("/imports").error("endpoint_not_available", 404)
    assert client.at(CURRENT).get("/imports").ok().json["data"] == []


def test_a_key_needs_to_write_customers(client):
    made = make(client)
    reads = client.post("/api-keys", {"name": "r", "permissions": {"customer": ["read"]}}).ok(201).json["apiKey"]
    assert client.with_key(reads).get(f"/imports/{made['id']}").ok().json == made
    client.with_key(reads).post("/imports", {"format": "csv"}).error("forbidden", 403)
    put(client.with_key(reads), made, 1, "email\n").error("forbidden", 403)


def test_old_ones_go_and_one_that_waits_for_long_is_cancelled(client, db):
    old, waits = send(client, "email\na@example.com\n"), make(client)
    put(client, waits, 1, "email\n").ok()
    assert ended(client, old)["status"] == "done" and len(results(client, old)) == 1
    execute(db, "UPDATE import_job SET ended_at = now() - interval '8 days' WHERE ended_at IS NOT NULL")
    execute(db, "UPDATE import_job SET touched_at = now() - interval '25 hours' WHERE status = 'receiving'")
    assert ended(client, waits)["reason"] == "no part came for a day"
    wait_until(lambda: client.get(f"/imports/{old['id']}").status == 404, 30, "the end of the old one")
    assert scalar(db, "SELECT count(*) FROM import_result r WHERE NOT EXISTS (SELECT FROM import_job j WHERE j.id = r.import_id)") == 0


def test_no_line_is_lost_between_two_steps(client):
    text = "externalId,email\n" + "".join(f"m{n},{mail()}\n" for n in range(2500))
    made = send(client, text)
    done = ended(client, made)
    assert counts(done, created=2500) and done["lines"] == 2500
    assert [row["line"] for row in results(client, made)] == list(range(2, 2502))
