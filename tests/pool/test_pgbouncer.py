"""PgBouncer in transaction mode: fewer connections to PostgreSQL than workers, and each transaction on another one."""

import contextlib
import itertools
import json

import pytest

import fastcgi
from conftest import CUSTOMERS, Pending, timed
from pgbouncer import PgBouncer
from stack import PATIENCE, wait_until
from writers import Writers, fastcgi_sender

pytestmark = pytest.mark.skipif(PgBouncer.version() is None, reason="pgbouncer is not installed")
_numbers = itertools.count(1)


@pytest.fixture
def bouncer(place, cluster):
    """A function: a PgBouncer of this test's own, with its options."""
    made = []

    def new(**options):
        made.append(PgBouncer(place, cluster, **options))
        return made[-1]

    yield new
    for one in made:
        one.stop()


@pytest.fixture
def pooled(pool, bouncer, proc_database):
    """A function: (Pool, PgBouncer), started; settings of PgBouncer in `pooler`, keys of clientele.conf as options."""

    def new(pooler=None, **options):
        between = bouncer(**(pooler or {}))
        return pool(database_url=between.url(proc_database), **{"prepared_statements": "off", "workers": 6, **options}).start(), between

    return new


@pytest.fixture(scope="module")
def other_key(proc_database):
    return proc_database.organization("Other Ltd").key("live")


def ask(pool, method, uri, body=None, idem=None, key=None):
    headers = [("x-api-key", key or pool.key)] + ([("Idempotency-Key", idem)] if idem else [])
    data = json.dumps(body).encode() if body is not None else b""
    return fastcgi.ask(pool.address, method, uri, headers, data)


def in_parallel(count, call):
    return [pending.result(60) for pending in [Pending(lambda n=n: call(n)) for n in range(count)]]


# ---------------------------------------------------------------- the API


def test_the_api_works_with_fewer_connections_than_workers(pooled, other_key):
    pool, _ = pooled()
    keys = [pool.key, other_key]

    def client(n):
        """One client's day; the two tenants take turns."""
        own, key = f"bouncer-{next(_numbers)}", keys[n % 2]

        def call(*arguments):
            return ask(pool, *arguments, key=key)

        body = {"email": f"{own}@example.com", "id": own, "metadata": {"n": n}}
        made = call("POST", CUSTOMERS, body, own)
        again = call("POST", CUSTOMERS, body, own)
        assert (made.status, again.status, again.body) == (201, 201, made.body)
        assert again.headers["Idempotent-Replayed"] == "true"
        batch = call("POST", CUSTOMERS + "/batch", {"customers": [{"email": "b@example.com", "id": f"{own}-{i}"} for i in range(10)]})
        assert batch.status == 200 and len(json.loads(batch.body)["successful"]) == 10
        changed = call("PATCH", f"{CUSTOMERS}/{own}", {"fullName": "Ada"}, own + "-patch")
        assert changed.status == 200 and json.loads(changed.body)["fullName"] == "Ada"
        assert json.loads(call("GET", f"{CUSTOMERS}/{own}").body)["id"] == json.loads(made.body)["id"]
        assert call("GET", f"{CUSTOMERS}?limit=5").status == 200
        api_key = json.loads(call("POST", "/api/v1/api-keys", {"name": own}).body)
        # Another tenant sees none of it, although its transactions run on the same connections.
        foreign = ask(pool, "GET", f"{CUSTOMERS}/{own}", key=keys[(n + 1) % 2])
        assert foreign.status == 404
        assert ask(pool, "GET", f"{CUSTOMERS}/{own}", key=api_key["apiKey"]).status == 200
        assert call("DELETE", f"/api/v1/api-keys/{api_key['id']}").status == 200
        return own

    owns = in_parallel(24, client)
    with contextlib.closing(pool.database.connect()) as db, db.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT environment_id) FROM customer WHERE external_id = ANY (%s)", (owns,))
        assert cursor.fetchone() == (24, 2)
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND usename = 'clientele_serve'", (pool.database.name,))
        assert cursor.fetchone()[0] <= 2


def test_one_external_id_and_one_key_from_many_clients_is_one_customer(pooled):
    pool, _ = pooled()
    own = f"bouncer-{next(_numbers)}"
    answers = in_parallel(12, lambda n: ask(pool, "POST", CUSTOMERS, {"email": "a@example.com", "id": own}, own))
    assert {answer.status for answer in answers} == {201} and len({answer.body for answer in answers}) == 1
    answers = in_parallel(12, lambda n: ask(pool, "POST", CUSTOMERS, {"email": "a@example.com", "id": own}, f"{own}-{n}"))
    assert {answer.status for answer in answers} == {200}


# ---------------------------------------------------------------- settings


def test_lock_timeout_holds_in_every_transaction(pooled):
    pool, _ = pooled({"default_pool_size": 4}, lock_timeout="300ms")
    with pool.held():
        answers = in_parallel(4, lambda n: timed(lambda: ask(pool, "GET", CUSTOMERS)))
    assert {answer.status for answer, _ in answers} == {503}
    assert all(0.25 < seconds < 3 * PATIENCE for _, seconds in answers)  # the role says 5 s
    assert "SQLSTATE 55P03" in pool.log()


def test_statement_timeout_holds_in_every_transaction(pooled):
    pool, _ = pooled(statement_timeout="300ms")
    with pool.held():
        answer, seconds = timed(lambda: ask(pool, "GET", CUSTOMERS))
    assert answer.status == 503 and 0.25 < seconds < 3 * PATIENCE
    assert "SQLSTATE 57014" in pool.log()


def test_nothing_is_left_in_a_connection_for_the_next_one(pooled, other_key):
    pool, between = pooled({"default_pool_size": 1}, lock_timeout="777ms", statement_timeout="7777ms")
    for key in (pool.key, other_key):
        own = f"bouncer-{next(_numbers)}"
        assert ask(pool, "POST", CUSTOMERS, {"email": "a@example.com", "id": own}, own, key).status == 201
    with contextlib.closing(between.connect(pool.database)) as db, db.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout'), current_setting('plan_cache_mode'),"
                       " coalesce(current_setting('app.environment', true), ''), coalesce(current_setting('app.key_hash', true), ''),"
                       " (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM customer), (SELECT count(*) FROM pg_locks"
                       " WHERE locktype = 'advisory')")
        assert cursor.fetchone() == ("5s", "10s", "auto", "", "", 0, 0, 0)


# ---------------------------------------------------------------- a bad day


@pytest.mark.parametrize("what", ["PostgreSQL", "PostgreSQL, killed", "PgBouncer"])
def test_restarts_under_load_lose_and_double_nothing(pooled, cluster, what):
    pool, between = pooled()
    writers = Writers(fastcgi_sender(pool))
    for _ in range(2):
        writers.wait(50)
        if what == "PgBouncer":
            between.stop()
            between.start()
        else:
            cluster.stop("immediate" if "killed" in what else "fast")
            cluster.start()
    writers.wait(50)
    writers.finish().check(pool.database)
    assert set(writers.statuses) <= set(Writers.EXPECTED)


def test_a_connection_that_cannot_be_had_in_time_is_a_503_and_the_log_has_the_reason(pooled):
    pool, between = pooled({"default_pool_size": 1, "query_wait_timeout": 1})
    with contextlib.closing(between.connect(pool.database)) as db, db.cursor() as cursor:
        cursor.execute("SELECT 1")  # the one connection is in this transaction
        answer, seconds = timed(lambda: ask(pool, "POST", CUSTOMERS, {"email": "a@example.com"}, f"bouncer-{next(_numbers)}"))
        assert answer.status == 503 and seconds < 10 * PATIENCE
        pool.wait_log("query_wait_timeout")
    wait_until(lambda: ask(pool, "GET", CUSTOMERS).status == 200, what="service afterwards")


def test_a_pooler_that_is_full_is_a_503_and_the_log_has_the_reason(pooled):
    pool, _ = pooled({"max_client_conn": 2}, workers=4)
    answers = in_parallel(16, lambda n: ask(pool, "GET", CUSTOMERS))
    assert {answer.status for answer in answers} <= {200, 503}
    pool.wait_log("no more connections allowed")


def test_a_request_that_takes_too_long_is_cancelled_through_the_pooler(pooled):
    pool, _ = pooled(request_timeout="500ms")
    with pool.held():
        answer, seconds = timed(lambda: ask(pool, "GET", CUSTOMERS))
        assert answer.status == 503 and seconds < 5 * PATIENCE
        wait_until(lambda: pool.waiting() == 0, what="the end of the statement in PostgreSQL")


# ---------------------------------------------------------------- set up wrongly, and tools


def test_with_prepared_statements_the_log_says_what_to_change(pooled):
    # On the one connection every statement is there already for the second who prepares it.
    pool, _ = pooled({"default_pool_size": 1}, prepared_statements="on")
    assert "database_url leads through a pooler" in pool.log()
    answers = in_parallel(60, lambda n: ask(pool, "GET", CUSTOMERS))
    assert {answer.status for answer in answers} <= {200, 503}
    pool.wait_log("set prepared_statements = off")
    for value, told in (("on", True), ("off", False)):
        check = pool.place.run(pool.place.bin, "-c", pool.conf, f"--prepared-statements={value}", "check", "--connect", check=False)
        assert ("set prepared_statements = off" in check.stderr) == told


def test_the_admin_process_looks_at_the_database_through_the_pooler(pooled):
    pool, between = pooled({"default_pool_size": 1})
    pool.stop()
    pool.write_conf(admin_listen=f"unix:{pool.dir}/admin")
    pool.start()

    def status():
        return json.loads(pool.place.run(pool.place.bin, "-c", pool.conf, "--json", "status").stdout)["pool"]

    wait_until(lambda: status()["databaseUp"], what="a look at the database")
    assert ask(pool, "GET", CUSTOMERS).status == 200
    assert status()["databaseConnected"] >= 1
    with contextlib.closing(between.connect(pool.database)) as db, db.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone() == (0,)


def test_commands_and_migrations_work_through_the_pooler(bouncer, new_database):
    database = new_database(migrate=False)
    between = bouncer(default_pool_size=4)
    options = ["-c", "/dev/null", f"--database-url={between.url(database)}", "--prepared-statements=off",
               f"--database-owner-url={between.url(database, 'clientele_owner')}"]

    def run(*arguments):
        return database.place.run(database.place.bin, *options, *arguments).stdout

    printed = "".join(in_parallel(4, lambda n: run("migrate")))
    assert printed.count("applied 0001_base") == 1
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone()[0] == 0
    run("org", "create", "Pooled")
    assert run("key", "create", "--org", "Pooled", "--env", "live").startswith("ck_live_")
    assert "ok" in run("check", "--connect")
