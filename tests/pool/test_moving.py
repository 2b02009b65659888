"""clientele export: all customers, as they are at one moment, as lines of a file."""

import contextlib
import csv
import io
import json
import subprocess

import pytest

from test_commands import OUTPUT, UNKNOWN, USAGE, owner, sentence

EXPORT = ["export", "customers", "--org", "Moving", "--env", "live"]
COLUMNS = "id,externalId,email,fullName,taxDocument,address,addressId,timezone,metadata,isActive,createdAt,updatedAt"
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
