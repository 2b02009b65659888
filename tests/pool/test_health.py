"""Ready means that a write would work, and what stands in its way is told in words: read-only, refused, no room."""

import contextlib
import os
import re
import signal
import threading

import pytest

from conftest import timed
from stack import PATIENCE, Cluster, Service, wait_until
from test_admin import Admin

OK = {name: "ok" for name in ("database", "schema", "writes", "workers", "socket", "draining")}
CONDITIONS = ("ok", "read_only", "no_room", "refused", "unreachable", "unfit")


@pytest.fixture(scope="module")
def own(place):
    """A cluster whose roles and settings these tests may change."""
    cluster = Cluster(place)
    yield cluster
    cluster.stop("immediate")


@pytest.fixture(scope="module")
def database(own):
    return own.database("health")


@pytest.fixture(scope="module")
def own_key(database):
    return database.organization("Health Ltd").key("live")


@pytest.fixture
def stand(database, own_key, own):
    """A function: an Admin of the own cluster, started."""
    from conftest import Pool

    made = []

    def new(**options):
        made.append(Admin(Pool(Service(database, **{**Pool.PATIENT, **options}), own_key)))
        return made[-1].start()

    yield new
    for one in made:
        one.stop()
    own.psql("-c", "SET default_transaction_read_only = off", "-c", "ALTER ROLE clientele_serve RESET default_transaction_read_only",
             "-c", "ALTER ROLE clientele_serve LOGIN CONNECTION LIMIT -1", "-c", "ALTER DATABASE health RESET default_transaction_read_only",
             "-c", "ALTER SYSTEM RESET ALL", "-c", "SELECT pg_reload_conf()")


def end_backends(own):
    own.psql("-c", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'clientele_serve'")


def conditions(a):
    shown = {name: value for name, value in a.metrics().items() if "database_condition" in name}
    assert set(shown) == {f'clientele_database_condition{{condition="{name}"}}' for name in CONDITIONS}
    return [re.search('"(.*)"', name).group(1) for name, value in shown.items() if value]


def becomes(a, check, words, condition, status=503):
    """The check says so, and status, metrics and table agree."""
    wait_until(lambda: a.state()["database"] == condition and a.get("/ready").status == status, 20, condition)
    told = a.get("/ready?verbose").json
    assert told["ready"] is (status == 200)
    if status == 503:
        assert words in told["checks"][check]
    assert conditions(a) == [condition] and a.metrics()["clientele_ready"] == (status == 200)


def check(database):
    return database.clientele("check", "--connect", check=False)


@pytest.mark.parametrize("how", ["ALTER ROLE clientele_serve SET", "ALTER DATABASE health SET", "ALTER SYSTEM SET"])
def test_a_database_that_takes_no_writes_is_not_ready(stand, own, database, how):
    a = stand(workers=2)
    own.psql("-c", f"{how} default_transaction_read_only = on", "-c", "SELECT pg_reload_conf()")
    end_backends(own)
    becomes(a, "writes", "read-only: the database is read-only: every write fails until default_transaction_read_only is off", "read_only")
    assert a.get("/ready?verbose").json["checks"] == {**OK, "writes": a.get("/ready?verbose").json["checks"]["writes"]}
    assert re.search(r"^database  reachable, but read-only; \d workers connected$", a.get("/status?format=text").text, re.M)
    assert a.figures()["databaseUp"] == 1
    assert a.create()[1].status == 503 and a.pool.ask().status == 200  # reads go on
    done = check(database)
    assert done.returncode == 0 and "read-only" in done.stderr and done.stdout == "configuration ok\n"


def test_settings_of_new_connections_are_found_while_old_ones_live(stand, own):
    a = stand(workers=1)
    own.psql("-c", "ALTER ROLE clientele_serve SET default_transaction_read_only = on")
    becomes(a, "writes", "read-only", "read_only")
    own.psql("-c", "ALTER ROLE clientele_serve RESET default_transaction_read_only")
    becomes(a, None, None, "ok", 200)


def test_a_standby_is_not_ready_until_it_is_promoted(place, pool):
    cluster = Cluster(place)
    try:
        database = cluster.database("standby")
        key = database.organization("Standby Ltd").key("live")
        cluster.stop()
        place.run("touch", cluster.data / "standby.signal")
        cluster.start()
        a = Admin(pool(database, workers=2))
        a.pool.key = key
        a.pool.start()  # it serves reads
        becomes(a, "writes", "read-only: the database is a standby", "read_only")
        assert "the database is a standby: every write fails" in a.log() and a.pool.ask().status == 200 and a.create()[1].status == 503
        done = check(database)
        assert done.returncode == 0 and "the database is a standby" in done.stderr and done.stdout == "configuration ok\n"
        cluster.psql("-c", "SELECT pg_promote()")
        becomes(a, None, None, "ok", 200)
        assert a.create()[1].status == 201
        assert check(database).stdout == "configuration and database ok\n"
    finally:
        cluster.stop("immediate")


def test_a_refused_login_is_told_in_words(stand, own, database):
    """Not as a database that cannot be reached: in log, /ready, status, metrics, and by check."""
    a = stand(workers=2)
    own.psql("-c", "ALTER ROLE clientele_serve NOLOGIN")
    wait_until(lambda: a.state()["database"] == "refused", 20, "a new look")
    assert a.get("/ready").status == 200 and a.create()[1].status == 201  # those who are in go on
    end_backends(own)
    words = 'refuses the login of "clientele_serve" (SQLSTATE 28000): look at user and password in database_url, and at pg_hba.conf'
    assert a.create()[1].status == 503
    becomes(a, "database", words, "refused")
    assert a.get("/ready?verbose").json["checks"]["schema"] == "unknown without the database"
    assert re.search(r"^database  refuses the login; 0 workers connected$", a.get("/status?format=text").text, re.M)
    assert a.figures()["databaseUp"] == 0
    assert re.search(rf"worker \d\S*: cannot connect to the database: the database {re.escape(words)}", a.log())
    assert re.search(rf"request req_\w+: 503 \S+: the database {re.escape(words)}", a.log())
    assert "cannot be reached" not in a.log()
    done = check(database)
    assert done.returncode == 75 and words in done.stderr
    own.psql("-c", "ALTER ROLE clientele_serve LOGIN")
    becomes(a, None, None, "ok", 200)


def test_a_right_that_is_missing_is_not_ready(stand, own, database):
    a = stand(workers=1)
    own.psql("-c", "REVOKE INSERT ON customer FROM clientele_serve", database="health")
    try:
        becomes(a, "writes", "the role may not write to a table with tenants' rows", "read_only")
        done = check(database)
        assert done.returncode == 0 and "the role may not write to a table" in done.stderr and done.stdout == "configuration ok\n"
    finally:
        own.psql("-c", "GRANT INSERT ON customer TO clientele_serve", database="health")
    becomes(a, None, None, "ok", 200)


def test_the_log_does_not_repeat_itself(stand, own):
    """A failure to connect that lasts is a line of each process, not one of each try."""
    a = stand(workers=1)
    own.psql("-c", "ALTER ROLE clientele_serve NOLOGIN")
    end_backends(own)
    for _ in range(30):
        assert a.create()[1].status == 503
    assert a.log().count("cannot connect to the database: the database refuses") <= 2


def test_unreachable_and_connected_do_not_contradict_each_other(stand, own, database):
    a = stand(workers=2)
    own.stop("immediate")
    try:
        becomes(a, "database", "cannot be reached", "unreachable")
        wait_until(lambda: a.figures()["databaseConnected"] == 0, what="workers that know")
        assert re.search(r"^database  unreachable; 0 workers connected$", a.get("/status?format=text").text, re.M)
    finally:
        own.start()
    becomes(a, None, None, "ok", 200)
    assert a.create()[1].status == 201
    wait_until(lambda: a.figures()["databaseConnected"] == 2, what="the other worker, which follows the first")


# ---------------------------------------------------------------- no room


class Clients:
    """Threads that create without a pause; each answer that is not 201 is kept."""

    def __init__(self, pool, many):
        self.pool, self.ended, self.answers, self.wrong = pool, threading.Event(), 0, []
        self.each = [0] * many
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(many)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def run(self, i):
        while not self.ended.is_set():
            _, answer = self.pool.create()
            self.answers += 1
            self.each[i] += 1
            if answer.status != 201:
                self.wrong.append((answer.status, answer.body))

    def wait_for(self, more):
        before = self.answers
        wait_until(lambda: self.answers >= before + more or self.wrong, 60, f"{more} answers")

    def wait_for_all(self):
        """What each had asked is answered: no request is hit by two blows."""
        before = list(self.each)
        wait_until(lambda: all(now > then for now, then in zip(self.each, before)) or self.wrong, 60, "an answer for each")


def serving_backends(own):
    return int(own.psql("-c", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'clientele_serve' AND application_name = 'clientele'"))


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("workers, limit", [(8, 7), (12, 10), (4, 2)])
def test_workers_without_room_leave_the_requests_to_the_others(stand, own, workers, limit, running):
    """Who fails at once would draw the load. With clients that begin afterwards, and with some that are there already."""
    a = stand(workers=workers)
    with contextlib.ExitStack() as stack:
        clients = Clients(a, 10)
        if running:
            stack.enter_context(clients)
            clients.wait_for(100)
        own.psql("-c", f"ALTER ROLE clientele_serve CONNECTION LIMIT {limit}")
        for _ in range(3):
            end_backends(own)
            if running:
                clients.wait_for(100)
                clients.wait_for_all()
        if not running:
            stack.enter_context(clients)
        clients.wait_for(1000)
        wait_until(lambda: a.figures()["databaseConnected"] >= limit - 1, what="those that there is room for")
        before = a.log().count("reconnected to the database")
        clients.wait_for(300)
        made = a.log().count("reconnected to the database") - before
        assert made <= workers, "they go on taking the room from each other"
    assert not clients.wrong, f"{len(clients.wrong)} of {clients.answers}: {re.findall('request req.* 50.*', a.log())[:5]}"
    assert serving_backends(own) <= limit
    assert a.get("/ready").status == 200
    figures = a.figures()
    assert figures["databaseConnected"] + figures["databaseNoRoom"] == workers and figures["databaseNoRoom"] >= workers - limit
    assert "no room" in {worker["database"] for worker in a.state()["workers"]}
    assert re.search("cannot connect to the database: the database has no room for another connection .*FATAL", a.log())
    assert "cannot be reached" not in a.log() and a.log().count("cannot connect to the database: ") <= 3 * (workers + 1)
    assert a.metrics()["clientele_database_no_room_workers"] == figures["databaseNoRoom"]
    text = a.get("/status?format=text").text
    assert re.search(rf"^database  reachable.*; \d+ workers connected, no room for {figures['databaseNoRoom']}$", text, re.M), text
    own.psql("-c", "ALTER ROLE clientele_serve CONNECTION LIMIT -1")
    wait_until(lambda: a.figures()["databaseConnected"] == workers, what="all of them")
    assert a.figures()["databaseNoRoom"] == 0


def test_a_request_that_is_in_a_worker_gets_the_room_of_an_idle_one(stand, own):
    """One client, whose worker loses its connection while the others idle: one of them gives way."""
    a = stand(workers=4)
    own.psql("-c", "ALTER ROLE clientele_serve CONNECTION LIMIT 2")
    for _ in range(20):
        with a.held():
            pending = a.start_held()
            end_backends(own)
        assert pending.result().status == 200


def test_nobody_connected_answers_quickly(stand, own, database):
    """Then all of them take requests again, and say that there is no connection."""
    a = stand(workers=4)
    own.psql("-c", "ALTER ROLE clientele_serve CONNECTION LIMIT 0")
    end_backends(own)
    wait_until(lambda: a.figures()["databaseConnected"] == 0, what="the end of all connections")
    for _ in range(20):
        (_, answer), seconds = timed(a.create)
        assert answer.status == 503 and b"Nothing was" in answer.body and seconds < 2 * PATIENCE
    becomes(a, "database", "the database has no room for another connection", "no_room")
    assert a.figures()["databaseUp"] == 1
    done = check(database)
    assert done.returncode == 75 and "the database has no room for another connection" in done.stderr
    own.psql("-c", "ALTER ROLE clientele_serve CONNECTION LIMIT -1")
    becomes(a, None, None, "ok", 200)
    assert a.create()[1].status == 201
    wait_until(lambda: a.figures()["databaseConnected"] == 4, what="all of them, without a request for each")


def test_a_worker_that_starts_without_room_waits_for_it(stand, own):
    a = stand(workers=2)
    own.psql("-c", "ALTER ROLE clientele_serve CONNECTION LIMIT 2")  # the admin process has one of them, or will
    with Clients(a, 4) as clients:
        a.write_conf(workers=5)
        a.post("/reload")
        wait_until(lambda: a.figures()["serving"] == 5 and a.figures()["generation"] == 2, 20, "the reload")
        clients.wait_for(300)
    assert not clients.wrong, clients.wrong[:2]


def test_a_dead_worker_does_not_count_as_connected(stand, own):
    """Or the others would leave the requests to it for ever."""
    a = stand(workers=2)
    own.psql("-c", "ALTER ROLE clientele_serve CONNECTION LIMIT 1")
    end_backends(own)
    for _ in range(5):
        for pid in filter(None, a.worker_pids()):  # 0 is that of a place whose worker is not due yet
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: a.figures()["serving"] == 2, 20, "new workers")
        assert a.create()[1].status in (201, 503)
    own.psql("-c", "ALTER ROLE clientele_serve CONNECTION LIMIT -1")
    wait_until(lambda: a.create()[1].status == 201, what="an answer")
