"""
No tenant sees or changes what is another's: by the WHERE conditions alone, by row-level security alone, and not when
both are gone, so that these tests are known to be able to fail.

CLIENTELE_STRANGERS is the number of requests of each run, CLIENTELE_ANSWERS that of each sample of times.
"""

import concurrent.futures
import os
import re
import signal
from types import SimpleNamespace

import pytest

from stack import ROOT, Database, binary

REQUESTS = int(os.environ.get("CLIENTELE_STRANGERS", "50000"))
# Enough for every single condition that is missing to show.
MUTANT_REQUESTS = 6000
# A file's last one ends with the file.
STATEMENTS = dict(found for path in sorted((ROOT / "sql" / "query").glob("*.sql"))
                  for found in re.findall(r"(?m)^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", path.read_text(), re.S))
CONDITIONED = {name for name, text in STATEMENTS.items() if re.search(r"\w\.environment_id = \$1", text)}
# Sent by requests, and yet no answer can tell that the condition is missing: tests/app/statements has them, and looks at the
# rows instead or names the test that does.
UNTOLD = {
    "api_key_create": "counts the living keys against keys_max, which is looked at where there are so many (tests/api)",
    "plan_group_remove": "takes a plan out of a group, of which its answer says nothing",
    "key_used": "sets last_used_at of one key, whose id no other environment has",
    "billing_lock": "locks a row, and the look at it comes behind it",
    "billing_lock_of": "locks a row, and the look at it comes behind it",
    "billing_hold": "locks a row, and the look at it comes behind it",
    "billing_live": "takes the customer who was locked, whose id no other environment has",
    "billing_save": "writes to what was looked at, and to what has the id of that",
    "invoice_outstanding": "comes behind the look at the subscription, which finds none",
    **{name: "changes who was locked and noted before, which finds nobody" for name in (
        "customer_archive", "customer_restore", "customer_erase", "customer_merge", "customer_unmerge")},
    "api_key_find": "comes before the change of the key, which finds none",
    "api_key_rotate": "comes behind the look at the key, which finds none",
    "import_job_create": "counts the open imports against imports_open, and refuses or not (tests/api)",
    **{name: "comes behind the lock of the import, which finds none" for name in (
        "import_job_start", "import_job_cancel", "import_part_put")},
    "import_result_list": "comes behind the look at the import, which finds none",
    "customer_count_created": "gives a number, of which nobody here knows the right one (tests/app counts those of another environment: none)",
}
# Sent by no request of strangers.c, and whose they are: test_statements.c and the file that is named look at them.
UNSENT = {
    **{name: "the command line's" for name in STATEMENTS if name.startswith("operator_")},
    **{name: "the command line's" for name in ("api_key_end", "api_key_get", "api_key_limit", "api_key_list_all",
                                               "environment_living_keys")},
    **{name: "of a sandbox alone: tests/api/test_clock" for name in STATEMENTS if name.startswith("test_clock_")},
    **{name: "the pages' for people, whose address says which environment it is: tests/api/site" for name in STATEMENTS if name.startswith("site_")},
    **{name: "the command line's: tests/pool/test_moving.py" for name in ("import_find", "import_advance", "import_forget", "customer_import_taken")},
    **{name: "the clerk's: tests/pool/test_imports.py" for name in STATEMENTS if name.startswith("import_rest_")},
    **{name: "the clerk's: tests/pool/test_imports.py" for name in ("import_job_look", "import_job_hold", "import_job_save", "import_job_failed",
                                                                   "import_part_read")},
    "customer_find_between": "where thousands have what is looked for: tests/app/test_statements.c",
    "idempotency_look_all": "a group's, which is made where a worker has many requests in hand: tests/app/test_statements.c",
    "billing_claim_of": "the clerk's: tests/app/test_billing.c",
    "billing_claim_one": "where a deadline is due: tests/app/test_billing.c",
    "billing_recovered": "where a deadline has failed: tests/app/test_billing.c",
}


def test_what_is_foreign_is_answered_like_what_is_not_there(place, cluster):
    """Bytes and ways are compared; times only so far that nobody could have overlooked the difference."""
    program = place.take(binary().parent / "tests" / "security" / "answers")
    database = cluster.database("answers")
    rounds = int(os.environ.get("CLIENTELE_ANSWERS", "1000"))
    done = place.run(program, rounds, check=False, timeout=60 + rounds / 100,
                     env={"CLIENTELE_TEST_SERVE_URL": database.serve_url, "CLIENTELE_TEST_OWNER_URL": database.owner_url})
    print(done.stdout, done.stderr)
    assert done.returncode == 0 and "rows 6, failures 0" in done.stdout


class Strangers:
    """Runs the program, each time on a database of its own, which is a copy of an empty one."""

    def __init__(self, place, cluster):
        self.place, self.cluster, self.numbers = place, cluster, iter(range(1000))
        self.program = place.take(binary().parent / "tests" / "security" / "strangers")
        self.empty = cluster.database("strangers")

    def copy(self):
        name = f"strangers{next(self.numbers)}"
        self.cluster.psql("-c", f"CREATE DATABASE {name} TEMPLATE {self.empty.name} OWNER clientele_owner")
        return Database(self.cluster, name)

    def run(self, requests, cut="", row_level_security=True, seed=5):
        database = self.copy()
        if not row_level_security:  # it stays on, because the service refuses a database without; but hides nothing
            with database.connect() as db, db.cursor() as cursor:
                cursor.execute("SELECT format('CREATE POLICY everything ON %I USING (true)', table_name) FROM information_schema.columns"
                               " WHERE column_name = 'environment_id' AND table_schema = 'public'")
                for statement, in cursor.fetchall():
                    cursor.execute(statement)
        done = self.place.run(self.program, requests, cut, seed, check=False, timeout=60 + requests / 100,
                              env={"CLIENTELE_TEST_SERVE_URL": database.serve_url, "CLIENTELE_TEST_OWNER_URL": database.owner_url})
        self.cluster.psql("-c", f"DROP DATABASE {database.name} WITH (FORCE)")
        return done, self.seen(done, cut)

    def seen(self, done, cut):
        if cut in STATEMENTS and done.returncode == -signal.SIGABRT:  # a row that no statement gives has ended it
            return SimpleNamespace(cuts=1, shared=0, foreign=0, wrong=1, statements={cut})
        figures = re.search(r"conditions cut (\d+), .* shared external ids (\d+).*\nforeign (\d+), wrong (\d+)", done.stdout)
        if not figures:
            return None
        cuts, shared, foreign, wrong = map(int, figures.groups())
        statements = set(re.search(r"^statements(.*)$", done.stdout, re.M).group(1).split())
        assert (done.returncode == 0) == (foreign == 0 and wrong == 0)
        return SimpleNamespace(cuts=cuts, shared=shared, foreign=foreign, wrong=wrong, statements=statements)


@pytest.fixture(scope="module")
def strangers(place, cluster, request):
    """A function: what a run saw. Those of single conditions are begun at once, as many at a time as there are processors."""
    stand, processors = Strangers(place, cluster), concurrent.futures.ThreadPoolExecutor(os.cpu_count())
    names = [item.callspec.params["name"] for item in request.session.items
             if item.module is request.module and "name" in getattr(item, "callspec", SimpleNamespace(params=())).params]
    begun = {name: processors.submit(stand.run, MUTANT_REQUESTS, name, False) for name in names}

    def run(requests, cut="", row_level_security=True):
        done, seen = begun[cut].result() if cut in begun else stand.run(requests, cut, row_level_security)
        print(done.stdout, done.stderr)
        assert seen, f"ended with {done.returncode}: {done.stderr}"
        return seen

    yield run
    processors.shutdown(cancel_futures=True)


@pytest.mark.parametrize("cut, row_level_security", [("", True), ("all", True), ("", False)],
                         ids=["both", "row-level-security-alone", "conditions-alone"])
def test_random_requests_of_three_environments_see_no_foreign_byte(strangers, cut, row_level_security):
    seen = strangers(REQUESTS, cut, row_level_security)
    assert (seen.foreign, seen.wrong) == (0, 0)
    assert seen.shared > REQUESTS / 20, "hardly any request could have met a foreign row"
    assert (seen.cuts > 0) == (cut == "all")


def test_without_either_the_same_requests_see_foreign_bytes(strangers):
    assert strangers(MUTANT_REQUESTS, "all", False).foreign > 100


@pytest.mark.parametrize("name", sorted(CONDITIONED - set(UNTOLD) - set(UNSENT)))
def test_each_missing_condition_is_found(strangers, name):
    seen = strangers(MUTANT_REQUESTS, name, False)
    assert name in seen.statements and seen.cuts > 0
    assert seen.foreign + seen.wrong > 0


@pytest.mark.parametrize("name", sorted(UNTOLD))
def test_a_missing_condition_that_no_answer_tells_of_is_one(strangers, name):
    """Or its row is stale."""
    seen = strangers(MUTANT_REQUESTS, name, False)
    assert name in seen.statements and seen.cuts > 0 and seen.foreign + seen.wrong == 0


def test_a_statement_that_is_called_unsent_is_not_sent(strangers):
    assert strangers(MUTANT_REQUESTS).statements.isdisjoint(UNSENT)
