"""A database with a key for the tests of processes, and a service whose requests can be held."""

import contextlib
import itertools
import json
import threading
import time

import pytest

import fastcgi
from stack import PATIENCE, Service, wait_until

CUSTOMERS = "/api/v1/customers"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def proc_database(cluster):
    return cluster.database("proc")


@pytest.fixture(scope="session")
def key(proc_database):
    return proc_database.organization("Process Ltd").key("live")


class Pool:
    """A service of one test's own, spoken to without a web server."""

    # Longer than any test holds a request, so that the database does not end it.
    PATIENT = {"statement_timeout": "60s", "lock_timeout": "60s", "request_timeout": "60s"}

    def __init__(self, service, key):
        self.service, self.key, self.address = service, key, str(service.socket)

    def __getattr__(self, name):
        return getattr(self.service, name)

    def start(self, *arguments, **more):
        """Starts it and waits until all workers serve."""
        seen = self.readies()
        self.service.start(*arguments, **more)
        if not arguments:
            self.wait_ready(seen)
        return self

    def readies(self):
        """How often all workers of a configuration had started."""
        return self.log().count(": ready: ") + self.log().count('"message":"ready: ')

    def wait_ready(self, before=0):
        wait_until(lambda: self.readies() > before or self.ended(), 20, "ready")
        assert not self.ended(), self.log()

    def wait_log(self, text, seconds=10):
        wait_until(lambda: text in self.log(), seconds, f"{text!r} in the log")

    def request(self, method="GET", uri=CUSTOMERS, headers=(), **more):
        return fastcgi.request(method, uri, [("x-api-key", self.key), *headers], **more)

    def connect(self):
        return fastcgi.Connection(self.address)

    def ask(self, *arguments, **more):
        return self.connect().send(self.request(*arguments, **more)).answer()

    def create(self, **more):
        """A create with an external id of its own; returns (external id, answer)."""
        external, body = self.new_customer()
        return external, self.ask("POST", body=body, **more)

    @staticmethod
    def new_customer():
        external = f"proc-{next(_numbers)}"
        return external, json.dumps({"id": external, "email": "a@example.com"}).encode()

    def exists(self, external):
        with contextlib.closing(self.database.connect()) as db, db.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM customer WHERE external_id = %s", (external,))
            return cursor.fetchone()[0] == 1

    @contextlib.contextmanager
    def held(self):
        """While this lasts, requests that need a customer wait in the database."""
        db = self.database.connect()
        db.autocommit = False
        try:
            db.cursor().execute("LOCK TABLE customer IN ACCESS EXCLUSIVE MODE")
            yield self
        finally:
            db.rollback()
            db.close()

    def waiting(self):
        """How many requests wait for the lock of held()."""
        with contextlib.closing(self.database.connect()) as db, db.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'",
                           (self.database.name,))
            return cursor.fetchone()[0]

    def start_held(self, *arguments, **more):
        """Sends a request that waits in the database; returns it as a Pending."""
        before = self.waiting()
        pending = Pending(lambda: self.ask(*arguments, **more))
        wait_until(lambda: self.waiting() > before, what="a request in the database")
        return pending


class Pending(threading.Thread):
    """Something that runs beside the test; result() waits for what it returned."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self.call, self.value, self.error = call, None, None
        self.start()

    def run(self):
        try:
            self.value = self.call()
        except Exception as error:  # handed over to the test by result()
            self.error = error

    def result(self, seconds=20):
        self.join(seconds * PATIENCE)
        assert not self.is_alive(), "no answer"
        if self.error:
            raise self.error
        return self.value


@pytest.fixture
def pool(proc_database, key):
    """A function: a Pool that is not started yet; keys of clientele.conf as options."""
    made = []

    def new(database=None, **options):
        made.append(Pool(Service(database or proc_database, **{**Pool.PATIENT, **options}), key))
        return made[-1]

    yield new
    for one in made:
        one.stop()


@pytest.fixture(scope="module")
def large(p):
    """A list that no socket's buffer takes as a whole, in the service p of a module."""
    metadata = {f"k{n}": "x" * 150 for n in range(90)}
    customers = [{"email": "a@example.com", "metadata": metadata} for _ in range(4)]
    for _ in range(10):
        assert p.ask("POST", CUSTOMERS + "/batch", body=json.dumps({"customers": customers}).encode()).status == 200
    return CUSTOMERS + "?limit=40"


@pytest.fixture
def one_worker(pool):
    """A started service with a single worker."""
    return pool(workers=1).start()


def timed(call):
    """(result, seconds)"""
    before = time.monotonic()
    return call(), time.monotonic() - before
