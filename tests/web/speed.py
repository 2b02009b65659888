"""
How fast the dashboard is with a million customers, when asked for by name: pytest -s tests/web/speed.py as scripts/check
runs pytest, after `make web`, on a machine with nothing else to do. It prints what it measured, and doc/performance.md has
it. A test it is not: how long something takes is no reason to fail.
"""

import contextlib
import os
import subprocess

import pytest

from stack import ROOT

CUSTOMERS = int(os.environ.get("CLIENTELE_SPEED_CUSTOMERS", "1000000"))
# The last one that runs with Node.js 20.
LIGHTHOUSE = "lighthouse@12.2.3"

FIRST = "Ada Grace Alan Edsger Barbara Donald Frances Ken Radia Tim Margaret Dennis Katherine Niklaus Shafi Leslie".split()
LAST = ("Lovelace Hopper Turing Dijkstra Liskov Knuth Allen Thompson Perlman Lee Hamilton Ritchie Johnson Wirth Goldwasser Lamport"
        " Naur Hoare Milner Backus Floyd Rabin Cook Karp Tarjan Rivest Shamir Adleman Cerf Kahn Gray Codd").split()

# As if they had come in the last year, one after the other.
FILL = """
SET synchronous_commit = off;
INSERT INTO customer (environment_id, id, external_id, email, full_name, timezone, metadata, is_active, created_at, updated_at)
SELECT e.id, gen_random_uuid(), 'user_' || n, lower(first || '.' || last || n || '@example.com'), first || ' ' || last,
       'Europe/London', '{"source":"shop"}', true, at, at
  FROM environment e JOIN organization o ON o.id = e.organization_id,
       generate_series(1, %(customers)s) n,
       LATERAL (SELECT (%(first)s::text[])[1 + n %% 16] AS first, (%(last)s::text[])[1 + (n / 16 + n) %% 32] AS last,
                       now() - interval '1 year' * (1 - n / %(customers)s::float8) AS at) made
 WHERE o.name = %(organization)s AND e.livemode
"""


@pytest.mark.parametrize("name", ["owner"])
def test_how_long_it_takes(browser, database, organization, tmp_path, name):
    subprocess.run(["npm", "install", "--prefix", tmp_path, "--no-save", "--no-audit", "--no-fund", "--loglevel=error", LIGHTHOUSE], check=True)
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute(FILL, {"customers": CUSTOMERS, "first": FIRST, "last": LAST, "organization": organization["name"]})
        cursor.execute("VACUUM ANALYZE customer")
    result = browser.run(file="speed.mjs", name="measure", organization={**organization, "modules": str(tmp_path), "words": LAST})
    assert result["ok"], result["error"]
    print("\n" + (ROOT / "var" / "dashboard.txt").read_text())
