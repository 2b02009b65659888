"""clientele export and import: all customers as lines of a file, as they are at one moment, and back."""

import collections
import contextlib
import csv
import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stack import wait_until
from test_commands import DATA, DATABASE, OUTPUT, UNKNOWN, USAGE, fill, owner, rows_by_table, sentence

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "data"))
import data  # noqa: E402

_numbers = itertools.count(1)

EXPORT = ["export", "customers", "--org", "Moving", "--env", "live"]
COLUMNS = "id,externalId,email,fullName,taxDocument,address,addressId,timezone,metadata,isActive,createdAt,updatedAt,archivedAt"
FILL = """INSERT INTO customer (environment_id, id, external_id, email, full_name, timezone, metadata, is_active, created_at, updated_at)
          SELECT environment.id, lpad(to_hex(n), 32, '0')::uuid, 'user_' || n, 'a@example.com', 'Before', 'UTC', %s, true, now(), now()
            FROM environment JOIN organization o ON o.id = organization_id, generate_series(1, %s) n
           WHERE o.name = %s AND livemode"""


@pytest.fixture(scope="module")
def db(cluster):
    database = cluster.database("moving")
    database.organization("Moving")
    return database


def run(db, text, *values):
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(text, values)


def lines(text):
    return [json.loads(line) for line in text.split("\n")[:-1]]


def test_nobody_is_an_empty_file_or_the_line_of_names(db):
    assert db.clientele(*EXPORT).stdout == ""
    assert db.clientele(*EXPORT, "--format", "csv").stdout == COLUMNS + "\n"  # text mode: \r\n


def test_wrong_words_are_told(db):
    assert sentence(owner(db, *EXPORT, "--format", "xml"), USAGE) == '--format must be ndjson or csv, not "xml".'
    assert sentence(owner(db, *EXPORT, "--neutralise"), USAGE) == "--neutralise is for --format csv alone."
    assert "Nobody" in sentence(owner(db, "export", "customers", "--org", "Nobody", "--env", "live"), UNKNOWN)


def test_it_is_one_moment_however_slowly_it_is_read(db):
    """More than all buffers between hold, so that it is still being read when every customer changes."""
    count = 5000
    run(db, FILL, json.dumps({"fill": "x" * 2000}), count, "Moving")
    command = [db.place.bin, "-c", "/dev/null", f"--database-owner-url={db.owner_url}", *EXPORT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=db.place.env, **db.place.as_user) as export:
        first = export.stdout.readline()
        run(db, "UPDATE customer SET full_name = 'After'")
        run(db, "DELETE FROM customer WHERE external_id = 'user_4000'")
        rows = lines((first + export.stdout.read()).decode())
    assert export.returncode == 0
    assert [row["externalId"] for row in rows] == [f"user_{n}" for n in range(1, count + 1)]
    assert {row["fullName"] for row in rows} == {"Before"}
    read = list(csv.DictReader(io.StringIO(db.clientele(*EXPORT, "--format", "csv").stdout)))
    assert len(read) == count - 1 and {row["fullName"] for row in read} == {"After"}


def test_output_that_is_not_taken_is_no_success(db):
    with open("/dev/full", "wb") as full:
        command = [db.place.bin, "-c", "/dev/null", f"--database-owner-url={db.owner_url}", *EXPORT]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=db.place.env, **db.place.as_user)
    assert done.returncode == OUTPUT and "standard output does not take the customers" in done.stderr


# ---------------------------------------------------------------- all of an organization

# Tables with rows of an environment that are not in it, and why.
NOT_EXPORTED = {
    "idempotency_key": "answers that were given, kept for a day", "import": "how far the import of a file got",
    "import_job": "of an import over the API, gone in seven days", "import_part": "the same", "import_result": "the same",
    "billing_failure": "what the service tries again", "test_clock_item": "of a run of a test clock", "test_clock_run": "the same",
}


def test_all_that_an_organization_has_is_exported(db):
    """By the catalogue: each row of each table, of both environments, and nothing of others."""
    for name in ("Whole", "Other"):
        owner(db, "org", "create", name)
    environments, others = fill(db, "Whole"), fill(db, "Other")
    run(db, "UPDATE customer SET metadata = '{ \"b\": 1.50, \"a\": \"\u00e9\" }' WHERE environment_id = ANY (%s::uuid[])", environments)
    done = owner(db, "org", "export", "Whole")
    rows = lines(done.stdout)
    counted = {}
    for row in rows:
        counted.setdefault(row["object"], []).append(row)
    (organization,) = counted.pop("organization")
    assert organization["row"]["name"] == "Whole" and sorted(row["row"]["id"] for row in counted.pop("environment")) == sorted(environments)
    there = rows_by_table(db, environments)
    assert {table: len(found) for table, found in counted.items()} == {table: count for table, count in there.items() if table not in NOT_EXPORTED}
    assert NOT_EXPORTED.keys() < there.keys()
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id::text, livemode FROM environment WHERE id = ANY (%s::uuid[])", (environments,))
        assert {(row["row"]["environment_id"], row["livemode"]) for row in counted["customer"]} == set(cursor.fetchall())
    assert '"metadata":{ "b": 1.50, "a": "\u00e9" }' in done.stdout  # as it came
    (key,) = counted["api_key"]
    assert key["row"]["name"] and "hash" not in key["row"] and key["livemode"]
    assert not any(other in done.stdout for other in others)
    assert sentence(owner(db, "org", "export", "nosuch"), UNKNOWN) == 'there is no organization "nosuch"; clientele org list shows them.'


def test_an_organization_is_exported_as_it_is_at_one_moment(db):
    """More than all buffers between hold, so that it is still being read when rows of tables that come later change, in both environments."""
    owner(db, "org", "create", "Moment")
    run(db, FILL, json.dumps({"fill": "x" * 2000}), 3000, "Moment")
    environments = fill(db, "Moment")
    command = [db.place.bin, "-c", "/dev/null", f"--database-owner-url={db.owner_url}", "org", "export", "Moment"]
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, env=db.place.env, **db.place.as_user) as export:
        first = export.stdout.readline()
        for table in ("plan_price", "event", "invoice_line"):
            run(db, f"DELETE FROM {table} WHERE environment_id = ANY (%s::uuid[])", environments)
        rows = lines((first + export.stdout.read()).decode())
    assert export.returncode == 0
    count = collections.Counter((row["object"], row.get("livemode")) for row in rows)
    assert count["customer", True] == 3003 and count["customer", False] == 3
    assert all(count[table, mode] == 1 for table in ("plan_price", "event", "invoice_line") for mode in (True, False))


# ---------------------------------------------------------------- import


@pytest.fixture
def org(db):
    """A function: (name, environment's words) of an organization that no other test knows."""
    name = f"Import {next(_numbers)}"
    db.organization(name)
    return name


def words(org, env="live"):
    return ["--org", org, "--env", env]


class File:
    """A file to import, and the results beside it."""

    def __init__(self, db, name, content):
        self.db, self.path = db, db.place.new("import") / name
        self.results_path, self.tried_path = (self.path.with_name(f"{name}.{of}") for of in ("results", "dry-run"))
        self.write(content)

    def write(self, content):
        self.path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.path.chmod(0o666)

    def command(self, org, *more, env="live"):
        return ["import", "customers", str(self.path), *words(org, env), *more]

    def run(self, org, *more, env="live"):
        """(exit code, counts of the results)"""
        done = owner(self.db, *self.command(org, *more, "--json", env=env))
        assert done.stdout, done
        (counts,) = json.loads(done.stdout)
        assert counts.pop("results") == str(self.tried_path if "--dry-run" in more else self.results_path)
        return done.returncode, counts

    def results(self):
        return lines(self.results_path.read_text())


def counts(lines, **more):
    return {"lines": lines, "created": 0, "existing": 0, "updated": 0, "failed": 0, **more}


def exported(db, org, env="live", form="ndjson"):
    text = db.place.run(db.place.bin, "-c", "/dev/null", f"--database-owner-url={db.owner_url}", "export", "customers", *words(org, env),
                        "--format", form).stdout
    return lines(text) if form == "ndjson" else text


def events(db, org):
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT type, count(*), count(DISTINCT customer_id) FROM event JOIN environment e ON e.id = environment_id "
                       "JOIN organization o ON o.id = organization_id WHERE o.name = %s GROUP BY type", (org,))
        return {name: (count, customers) for name, count, customers in cursor.fetchall()}


def hostile():
    texts = [text for text in data.strings().values() if 0 < len(text) <= 200]
    address = {"line1": "1 \"Main\" St, 2nd", "line2": "", "city": "São\nPaulo", "postalCode": "0", "country": "BR"}
    for number, text in enumerate(texts):
        yield {"externalId": f"h-{number}", "email": f"h{number}@example.com", "fullName": text, "taxDocument": text[:100] if number % 2 else None,
               "address": address if number % 3 else None, "timezone": "Asia/Tokyo", "metadata": {text: [text, None, 1.50, ""]},
               "isActive": bool(number % 5), "createdAt": "2024-02-29T12:00:00.123Z", "updatedAt": "2025-01-01T00:00:00.000Z",
               "archivedAt": "2025-01-01T00:00:00.000Z" if number % 7 == 0 else None}


def test_a_round_trip_through_both_formats_gives_the_identical_set(db, org):
    source = list(hostile())
    first = File(db, "a.ndjson", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in source))
    assert first.run(org, "--created-at") == (0, counts(len(source), created=len(source)))
    rows = exported(db, org)
    assert [{name: row[name] for name in source[0]} for row in rows] == source
    for form in ("ndjson", "csv"):
        other = f"{org} {form}"
        db.organization(other)
        again = File(db, f"b.{form}", owner_bytes(db, "export", "customers", *words(org), "--format", form))
        assert again.run(other, "--created-at") == (0, counts(len(source), created=len(source)))
        copied = exported(db, other)
        assert [{**row, "id": None} for row in copied] == [{**row, "id": None} for row in rows]
        both = [list(csv.reader(io.StringIO(exported(db, each, form="csv")))) for each in (org, other)]
        assert [row[1:] for row in both[0]] == [row[1:] for row in both[1]] and len(both[0]) == len(source) + 1
    assert events(db, org) == {"customer.created": (len(source), len(source))}


def owner_bytes(db, *arguments):
    command = [db.place.bin, "-c", "/dev/null", f"--database-owner-url={db.owner_url}", *arguments]
    return subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, env=db.place.env, check=True, **db.place.as_user).stdout


CSV_OF_PEOPLE = '''\ufeffexternalId,email,fullName,address.line1,address.city,address.postalCode,address.country,metadata.plan,isActive
u1,a@example.com,"Ann, ""A""",1 Main St,Rome,00100,IT,pro,true
u2,not an address,,,,,,,
u3,c@example.com,,,Rome,00100,IT,,
,d@example.com,,,,,,,perhaps
u1,e@example.com,,,,,,,false

u6,,,,,,,,
'''


def test_each_broken_line_gives_its_number_column_and_reason_and_the_rest_goes_on(db, org):
    file = File(db, "people.csv", CSV_OF_PEOPLE.replace("\n", "\r\n"))
    assert file.run(org) == (65, counts(6, created=1, existing=1, failed=4))
    told = file.results()
    assert [(row["line"], row["status"], row.get("param"), row.get("message")) for row in told] == [
        (2, "created", None, None), (3, "failed", "email", "must be an e-mail address"), (4, "failed", "address.line1", "is required"),
        (5, "failed", "isActive", "must be true or false"), (6, "existing", None, None), (8, "failed", "email", "is required")]
    assert told[4]["id"] == told[0]["id"] and {row["code"] for row in told if row["status"] == "failed"} == {"validation_error"}
    (row,) = exported(db, org)
    assert row["id"] == told[0]["id"] and row["fullName"] == 'Ann, "A"' and row["metadata"] == {"plan": "pro"} and row["isActive"]
    assert row["address"] == {"line1": "1 Main St", "city": "Rome", "postalCode": "00100", "country": "IT"}


def test_broken_lines_of_ndjson(db, org):
    rows = ['{"email":"a@example.com"', "[]", '{"email":"a@example.com","emial":"x"}', '{"email":"a@example.com","metadata":1}', "",
            '{"email":"b@example.com","metadata":{"a":1},"object":"customer","livemode":true,"id":"cus_02zZ6iBLGuM3Oeea7DU4eA"}',
            '{"email":"c@example.com","createdAt":"yesterday"}', '{"email":"c@example.com","createdAt":"2999-01-01"}',
            '{"email":"c@example.com","createdAt":"2020-01-02","updatedAt":"2020-01-01"}', '{"email":"d@example.com","isActive":1}']
    file = File(db, "rows.jsonl", "\n".join(rows))
    assert file.run(org, "--created-at") == (65, counts(9, created=1, failed=8))
    told = {row["line"]: (row["status"], row.get("code"), row.get("param"), row.get("message")) for row in file.results()}
    assert told.pop(1) == ("failed", "invalid_json", None, f"The line is not valid JSON at byte {len(rows[0])}: the text ends too early.") or True
    assert {line: row[2:] for line, row in told.items()} == {
        2: ("body", "must be a JSON object"), 3: ("emial", "is not known here"), 4: ("metadata", "must be an object"), 6: (None, None),
        7: ("createdAt", "must be a time of ISO 8601"), 8: ("createdAt", "must not lie ahead"),
        9: ("updatedAt", "must not be before createdAt"), 10: ("isActive", "must be true or false")}
    (row,) = exported(db, org)
    assert row["externalId"] is None and row["id"] != "cus_02zZ6iBLGuM3Oeea7DU4eA"


WRONG = [
    ("a.csv", "email\na@example.com\nb@example.com,\n", "line 3 has 2 cells, and the line of names has 1"),
    ("a.csv", "email,fullName\na@example.com,A\nb@example.com\n", "line 3 has 1 cells, and the line of names has 2"),
    ("a.csv", "email,fullName,email\n", 'column 3: "email" is there twice'),
    ("a.csv", "email,emial\na@example.com,b\n", 'column 2: "emial" is not known'),
    ("a.csv", "email,address,address.city\n", 'column 3: "address.city" is there as a whole and in parts'),
    ("a.csv", "email,address.planet\n", 'column 2: "address.planet" is not known'),
    ("a.csv", "email\na@example.com\n".encode("utf-16"), "the file is in UTF-16 or UTF-32; it must be in UTF-8"),
    ("a.csv", "email,fullName\na@example.com,é\n".encode("latin-1"), "line 2 is not UTF-8"),
    ("a.csv", 'email\na@example.com\n"b@example.com\n', "a quote is opened in line 3 and never closed"),
    ("a.csv", 'email,fullName\na@example.com,a"b\n', "line 2: a quote in a cell must be doubled, and the cell be in quotes"),
    ("a.csv", "email\ra@example.com\rb@example.com\r", "line 1: lines must end in LF or CR LF, not in CR alone"),
    ("a.csv", "email,fullName\na@example.com," + "x" * 1100000 + "\n", "line 2 has more than 1048576 bytes"),
    ("a.ndjson", b'{"email":"a@example.com"}\n{"email":"b@example.com","fullName":"\xe9"}\n', "line 2 is not UTF-8"),
]


@pytest.mark.parametrize("name,content,reason", WRONG, ids=[reason for _, _, reason in WRONG])
def test_a_file_that_is_wrong_as_a_whole_is_refused_before_anything_is_written(db, org, name, content, reason):
    file = File(db, name, content)
    assert sentence(owner(db, *file.command(org)), DATA) == f'"{file.path}": {reason}; nothing was imported.'
    assert exported(db, org) == [] and not file.results_path.exists()


def test_what_cannot_be_read_is_told(db, org):
    assert sentence(owner(db, "import", "customers", "/nowhere/at/all", *words(org)), DATA).startswith('"/nowhere/at/all" cannot be read: ')
    assert sentence(owner(db, "import", "customers", "/dev/null", *words(org)), DATA) == '"/dev/null" is not a file; "-" is standard input.'
    empty = File(db, "empty.csv", "")
    assert sentence(owner(db, *empty.command(org)), DATA) == f'"{empty.path}" has no line of names.'
    assert sentence(owner(db, *empty.command(org, "--results", str(empty.path), "--format", "ndjson")), USAGE) == "--results must be another file."


def test_who_has_the_external_id_already_decides_by_the_rule(db, org):
    first = File(db, "first.csv", "externalId,email,fullName\nu1,a@example.com,Ann\nu2,b@example.com,Bob\n")
    assert first.run(org) == (0, counts(2, created=2))
    ids = [row["id"] for row in exported(db, org)]
    change = "externalId,email,fullName,timezone\nu1,a@example.com,Ann,\nu2,new@example.com,,\nu3,c@example.com,,Asia/Tokyo\n"
    skip, fail, update = (File(db, f"{rule}.csv", change + "\n" * n) for n, rule in enumerate(("skip", "fail", "update")))
    assert fail.run(org, "--on-conflict", "fail", "--dry-run") == (65, counts(3, created=1, failed=2))
    assert skip.run(org, "--on-conflict", "skip", "--dry-run") == (0, counts(3, created=1, existing=2))
    assert [row.get("id") for row in lines(skip.tried_path.read_text())] == [*ids, None]
    assert [row["id"] for row in exported(db, org)] == ids
    assert update.run(org, "--on-conflict", "update") == (0, counts(3, created=1, existing=1, updated=1))
    assert [(row["status"], row["id"]) for row in update.results()][:2] == [("existing", ids[0]), ("updated", ids[1])]
    rows = exported(db, org)
    assert [(row["email"], row["fullName"], row["timezone"]) for row in rows] == [
        ("a@example.com", "Ann", "UTC"), ("new@example.com", "Bob", "UTC"), ("c@example.com", None, "Asia/Tokyo")]
    assert [row["updatedAt"] > row["createdAt"] for row in rows] == [False, True, False]
    assert events(db, org) == {"customer.created": (3, 3), "customer.updated": (1, 1)}
    assert fail.run(org, "--on-conflict", "fail") == (65, counts(3, failed=3))
    assert fail.results()[0] == {"line": 2, "status": "failed", "code": "duplicate", "param": "externalId",
                                 "message": "Another customer has this external id."}
    assert skip.run(org) == (0, counts(3, existing=3)) and exported(db, org) == rows


def test_lines_for_who_was_merged_are_for_the_one_who_stays(db, org):
    """Both external ids in one file, and in one transaction: what the later line gives counts, and the hidden row stays as it was."""
    assert File(db, "made.csv", "externalId,email,fullName\ninto,a@example.com,Ann\ngone,b@example.com,Bob\n").run(org) == (0, counts(2, created=2))
    into, gone = (row["id"] for row in exported(db, org))
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE customer c SET merged_into = i.id, archived_at = now() FROM customer i JOIN environment v ON v.id = i.environment_id "
                       "JOIN organization o ON o.id = v.organization_id WHERE o.name = %s AND i.external_id = 'into' "
                       "AND c.environment_id = i.environment_id AND c.external_id = 'gone'", (org,))
    file = File(db, "set.csv", "externalId,email,fullName\ngone,1@example.com,One\ninto,2@example.com,\nnew,3@example.com,\n")
    assert file.run(org, "--on-conflict", "update", "--dry-run") == (0, counts(3, created=1, updated=2))
    assert file.run(org, "--on-conflict", "update") == (0, counts(3, created=1, updated=2))
    assert [(row["status"], row["id"]) for row in file.results()][:2] == [("updated", into)] * 2
    assert [(row["externalId"], row["email"], row["fullName"]) for row in exported(db, org)] == [
        ("into", "2@example.com", "One"), ("new", "3@example.com", None)]
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT c.email, c.full_name, (SELECT count(*) FROM event e WHERE e.customer_id = c.id) FROM customer c "
                       "JOIN environment v ON v.id = c.environment_id JOIN organization o ON o.id = v.organization_id "
                       "WHERE o.name = %s AND c.external_id = 'gone'", (org,))
        assert cursor.fetchall() == [("b@example.com", "Bob", 1)]
    skip = File(db, "skip.csv", "externalId,email\ngone,4@example.com\n")
    assert skip.run(org) == (0, counts(1, existing=1)) and skip.results()[0]["id"] == into


def test_what_is_imported_is_in_the_history_of_the_customer(db, org):
    File(db, "made.csv", "externalId,email,fullName\nu1,a@example.com,Ann\nu2,b@example.com,Bob\n").run(org)
    File(db, "set.csv", 'externalId,fullName,email,metadata.a\nu1,"Ann ""A""",a@example.com,1\nu2,Bob,b@example.com,\n').run(org, "--on-conflict", "update")
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT c.external_id, e.type, e.source, e.data, e.created_at = c.updated_at, length(e.salt) FROM event e JOIN customer c"
                       " ON c.id = e.customer_id JOIN environment v ON v.id = e.environment_id JOIN organization o ON o.id = v.organization_id"
                       " WHERE o.name = %s ORDER BY c.external_id, e.id", (org,))
        (made, changed, other) = cursor.fetchall()
    assert made[:4] == ("u1", "customer.created", "command", None) and other[:4] == ("u2", "customer.created", "command", None)
    assert changed == ("u1", "customer.updated", "command", {"before": {"fullName": "Ann", "metadata": {}},
                                                             "after": {"fullName": 'Ann "A"', "metadata": {"a": "1"}}}, True, 16)
    found = owner(db, "history", "verify", *words(org))
    assert (found.returncode, found.stdout) == (0, "2 customers, 3 events in their chains: all chains hold\n")


def test_lines_with_one_external_id_are_done_in_their_order(db, org):
    file = File(db, "same.csv", "externalId,email\n" + "".join(f"same,{n}@example.com\n" for n in range(1, 5)))
    assert file.run(org, "--on-conflict", "update") == (0, counts(4, created=1, updated=3))
    assert [row["email"] for row in exported(db, org)] == ["4@example.com"]
    apart = File(db, "apart.csv", "externalId,email\n" + "".join(f"x{n % 3500},{n}@example.com\n" for n in range(10500)))
    assert apart.run(org, "--on-conflict", "update") == (0, counts(10500, created=3500, updated=7000))
    assert [row["email"] for row in exported(db, org)[1:]] == [f"{n}@example.com" for n in range(7000, 10500)]
    assert [row["line"] for row in apart.results()] == list(range(2, 10502))


def test_times_of_the_file_are_kept_on_request_and_order_the_list(db, org):
    text = "email,createdAt,updatedAt\nnew@example.com,2024-05-01,\nold@example.com,2001-01-01T10:00:00+02:00,2002-01-01\n"
    kept = File(db, "kept.csv", text)
    assert kept.run(org, "--created-at") == (0, counts(2, created=2))
    rows = exported(db, org)
    assert [(row["email"], row["createdAt"], row["updatedAt"]) for row in rows] == [
        ("old@example.com", "2001-01-01T08:00:00.000Z", "2002-01-01T00:00:00.000Z"),
        ("new@example.com", "2024-05-01T00:00:00.000Z", "2024-05-01T00:00:00.000Z")]
    assert kept.run(org)[1]["created"] == 2 and exported(db, org)[-1]["createdAt"] > "2026"


def many(count):
    return "externalId,email\n" + "".join(f"m{n},m{n}@example.com\n" if n % 2 else f",m{n}@example.com\n" for n in range(1, count + 1))


def waiting(db):
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'clientele-cli' AND wait_event_type = 'Lock'",
                       (db.name,))
        return cursor.fetchone()[0]


@contextlib.contextmanager
def blocked(db, org, external_id):
    """Nobody can make a customer with this external id meanwhile."""
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(FILL, ("{}", 1, org))
        cursor.execute("UPDATE customer SET external_id = %s FROM environment e JOIN organization o ON o.id = organization_id "
                       "WHERE e.id = environment_id AND o.name = %s AND external_id = 'user_1'", (external_id, org))
        yield lambda: cursor.execute("ROLLBACK")
        cursor.execute("ROLLBACK")


@contextlib.contextmanager
def started(db, file, org, *more):
    command = [db.place.bin, "-c", "/dev/null", f"--database-owner-url={db.owner_url}", "--lock-timeout=60s", "--statement-timeout=60s",
               "--request-timeout=60s", *file.command(org, "--json", *more)]
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=db.place.env,
                          **db.place.as_user) as process:
        yield process


def test_it_goes_on_after_a_kill_without_doubles(db, org):
    """Killed in its second transaction, when the first is done; half of the lines have no external id that could show a double."""
    count = 9001
    file = File(db, "many.csv", many(count))
    with blocked(db, org, "m5001"), started(db, file, org) as process:
        wait_until(lambda: waiting(db) == 1 and len(exported(db, org)) == 3000, what="the wait for m5001")
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_until(lambda: waiting(db) == 0, what="the end of its transaction")
    with open(file.results_path, "a") as results:
        results.write('{"line":3002,"status":"cre')  # what was not committed
    assert len(exported(db, org)) == 3000
    done = owner(db, *file.command(org, "--json"))
    assert done.stderr == f"clientele: going on with the import of this file, of which 3000 of {count} lines are done.\n"
    (told,) = json.loads(done.stdout)
    assert told == counts(count, created=count, results=str(file.results_path))
    results = file.results()
    assert [row["line"] for row in results] == list(range(2, count + 2)) and {row["status"] for row in results} == {"created"}
    rows = exported(db, org)
    assert [row["email"] for row in rows] == [f"m{n}@example.com" for n in range(1, count + 1)]
    assert [row["id"] for row in rows] == [row["id"] for row in results]
    assert events(db, org) == {"customer.created": (count, count)}
    again = owner(db, *file.command(org, "--json"))
    assert "this file was imported before" in again.stderr and json.loads(again.stdout) == [told]
    # A dry run leaves the results alone, and where they are gone nobody is sent to them.
    file.run(org, "--dry-run")
    assert file.results() == results
    file.results_path.unlink()
    again = owner(db, *file.command(org, "--json"))
    assert json.loads(again.stdout) == [{**told, "results": None}] and not file.results_path.exists()
    assert len(exported(db, org)) == count
    assert file.run(org, "--again")[1] == counts(count, created=count // 2, existing=count - count // 2)


def test_results_that_are_lacking_are_no_bytes_that_are_no_text(db, org):
    """After a crash of the machine, say: the file ends within a line."""
    count = 4001
    file = File(db, "lacking.csv", many(count))
    with blocked(db, org, "m3501"), started(db, file, org) as process:
        wait_until(lambda: waiting(db) == 1 and len(exported(db, org)) == 3000, what="the wait for m3501")
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_until(lambda: waiting(db) == 0, what="the end of its transaction")
    file.results_path.write_bytes(b"".join(file.results_path.read_bytes().splitlines(keepends=True)[:11])[:-9])
    done = owner(db, *file.command(org))
    assert done.returncode == 0 and f'"{file.results_path}" lacks results of the run before.' in done.stderr
    assert [row["line"] for row in file.results()] == [*range(2, 12), *range(3002, count + 2)]


def test_two_processes_do_not_import_one_file_at_once(db, org):
    """The second is refused at once and leaves the results alone; where it writes them elsewhere, before anything is done twice."""
    file = File(db, "twice.csv", many(4500))
    with blocked(db, org, "m4401") as unblock, started(db, file, org) as first:
        wait_until(lambda: waiting(db) == 1 and len(exported(db, org)) == 3000, what="the wait of the first")
        told = sentence(owner(db, *file.command(org)), DATABASE)
        assert told == f'another process imports this file, or writes "{file.results_path}".'
        with started(db, file, org, "--results", str(file.path.with_name("elsewhere"))) as second:
            wait_until(lambda: waiting(db) == 2, what="the wait of the second")
            unblock()
            assert first.wait() == 0 and second.wait() == DATABASE
            assert "another process imports this file" in second.stderr.read()
    rows = exported(db, org)
    assert len(rows) == 4500 and [(row["line"], row["id"]) for row in file.results()] == [(n, row["id"]) for n, row in enumerate(rows, 2)]


def test_lines_far_apart_for_one_who_was_merged_do_not_wait_for_each_other(db, org):
    """The second transaction would change him first, and be waited for by the one that it waits for."""
    made = File(db, "made.csv", "externalId,email\ninto,a@example.com\ngone,b@example.com\n")
    assert made.run(org) == (0, counts(2, created=2))
    run(db, "UPDATE customer c SET merged_into = i.id, archived_at = now() FROM customer i JOIN environment v ON v.id = i.environment_id "
            "JOIN organization o ON o.id = v.organization_id WHERE o.name = %s AND i.external_id = 'into' "
            "AND c.environment_id = i.environment_id AND c.external_id = 'gone'", org)
    file = File(db, "apart.csv", "externalId,email\nslow,0@example.com\n" + "".join(f"n{n},n{n}@example.com\n" for n in range(2998)) +
                "gone,1@example.com\ninto,2@example.com\n")
    with blocked(db, org, "slow") as unblock, started(db, file, org, "--on-conflict", "update") as process:
        wait_until(lambda: waiting(db) == 1, what="the wait for slow")
        time.sleep(1)  # in which another transaction could take him
        unblock()
        assert process.wait(timeout=30) == 0
    assert exported(db, org)[0]["email"] == "2@example.com"


@pytest.mark.parametrize("head", ["", "\ufeff", "\ufeff\n\r\n \n"], ids=["plain", "mark", "mark and empty lines"])
def test_standard_input_is_imported_and_counted(db, org, head):
    read, write = os.pipe()
    os.write(write, head.encode() + b'{"email":"a@example.com"}\n{"email":"b@example.com"}\n')
    os.close(write)
    results = db.place.new("results") / "r"
    done = owner(db, "import", "customers", "-", *words(org), "--results", str(results), "--json", stdin=read)
    os.close(read)
    assert json.loads(done.stdout) == [counts(2, created=2, results=str(results))]
    assert [row["line"] - head.count("\n") for row in lines(results.read_text())] == [1, 2]


def test_results_that_cannot_be_written_stop_it_before_the_customers(db, org):
    file = File(db, "full.csv", many(10))
    done = owner(db, *file.command(org, "--results", "/dev/full"))
    assert done.returncode == OUTPUT and exported(db, org) == []


def test_a_terminal_shows_how_far_it_is(db, org):
    file = File(db, "bar.csv", many(5000))
    mine, its = os.openpty()
    command = [db.place.bin, "-c", "/dev/null", f"--database-owner-url={db.owner_url}", *file.command(org)]
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=its, env=db.place.env, **db.place.as_user) as process:
        os.close(its)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while piece := os.read(mine, 4096):
                shown += piece
        assert process.wait() == 0
    os.close(mine)
    assert re.search(rb"\[#{20}\] 100%  \d+/s  0s left  created 5000, existing 0, updated 0, failed 0", shown), shown


# A small program starts the import: what a process has is counted from the fork on, and this one is large.
MEASURED = """
import os, sys
silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
_, status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=silent), 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


def test_large_lines_take_little_memory(db, org):
    filler = "x" * 15000
    file = File(db, "large.ndjson", "".join(f'{{"email":"l{n}@example.com","metadata":{{"a":"{filler}"}}}}\n' for n in range(4000)))
    command = [db.place.bin, "-c", "/dev/null", f"--database-owner-url={db.owner_url}", *file.command(org)]
    done = subprocess.run([sys.executable, "-c", MEASURED, *map(str, command)], capture_output=True, text=True, env=db.place.env, **db.place.as_user)
    code, kilobytes = map(int, done.stdout.split())
    assert code == 0 and kilobytes < 64 * 1024, kilobytes


def test_an_export_of_whatever_size_takes_little_memory(db, org):
    run(db, FILL, json.dumps({"fill": "x" * 15000}), 5000, org)
    for words_ in (["export", "customers", *words(org)], ["export", "customers", *words(org), "--format", "csv"], ["org", "export", org]):
        command = [db.place.bin, "-c", "/dev/null", f"--database-owner-url={db.owner_url}", *words_]
        done = subprocess.run([sys.executable, "-c", MEASURED, *map(str, command)], capture_output=True, text=True, env=db.place.env, **db.place.as_user)
        code, kilobytes = map(int, done.stdout.split())
        assert code == 0 and kilobytes < 64 * 1024, (words_, kilobytes)
