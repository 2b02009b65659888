"""Rate limits across workers: exact, whoever of them is killed, replaced or waits for the database."""

import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections import Counter

import fastcgi
import pytest
from conftest import CUSTOMERS, timed
from stack import wait_until


class Hammer:
    """Asks without pause with one key on several connections at once; counts statuses until it is ended."""

    def __init__(self, pool, key, threads=8):
        self.pool, self.key, self.end = pool, key, threading.Event()
        self.counts = [Counter() for _ in range(threads)]
        self.begun = time.monotonic()
        self.threads = [threading.Thread(target=self.run, args=(count,), daemon=True) for count in self.counts]
        for thread in self.threads:
            thread.start()

    def run(self, count):
        while not self.end.is_set():
            try:
                count[ask(self.pool, self.key).status] += 1
            except OSError:
                count[None] += 1

    def seen(self):
        return sum(self.counts, Counter())

    def stop(self):
        """(statuses, seconds from before the first request to after the last)"""
        self.end.set()
        for thread in self.threads:
            thread.join(30)
        return self.seen(), time.monotonic() - self.begun


def ask(pool, key):
    return fastcgi.Connection(pool.address).send(fastcgi.request("GET", CUSTOMERS, [("x-api-key", key)])).answer()


def new_key(pool, *arguments):
    """A key that no other test uses."""
    new_key.number = getattr(new_key, "number", 0) + 1
    return pool.database.organization(f"Limits {new_key.number}").key("live", "--name", "limited", *arguments)


def test_eight_workers_let_through_exactly_the_rate(pool):
    p = pool(workers=8, rate_limit="100/s burst 60").start()
    hammer = Hammer(p, new_key(p))
    wait_until(lambda: hammer.seen()[200] >= 300, 20, "300 requests")
    seen, seconds = hammer.stop()
    assert set(seen) == {200, 429}
    assert seen[429] > 100, "the limit was not what bounded it"
    assert seen[200] <= 60 + 100 * seconds + 1
    # It was asked without pause, so no token was lost either: but for those of the moments between two requests.
    assert seen[200] >= 0.9 * (60 + 100 * (seconds - 0.2))


def test_all_workers_share_the_burst(pool):
    p = pool(workers=8, rate_limit="1/h burst 40").start()
    hammer = Hammer(p, new_key(p))
    wait_until(lambda: hammer.seen()[429] >= 200, 20, "refusals")
    seen, _ = hammer.stop()
    assert seen[200] == 40


def test_killed_workers_give_no_token_twice_and_hold_nobody_up(pool):
    p = pool(workers=8, rate_limit="1/h burst 200").start()
    hammer = Hammer(p, new_key(p), threads=4)
    for n in range(6):
        wait_until(lambda: sum(hammer.seen().values()) > n * 60, 20, "load")
        with contextlib.suppress(ProcessLookupError):  # the child that checks the database has ended by itself
            os.kill(p.workers()[0], signal.SIGKILL)
    wait_until(lambda: hammer.seen()[429] >= 100, 20, "refusals")
    seen, _ = hammer.stop()
    # A token of a request that died with its worker is gone.
    lost = seen.total() - seen[200] - seen[429]
    assert 200 - lost <= seen[200] <= 200
    assert lost <= 6 * 4
    wait_until(lambda: len(p.workers()) == 8, 20, "all workers")
    assert ask(p, new_key(p)).status == 200, "the others' keys have their own buckets"


def reload(pool, limit):
    """Returns when all workers are those of the new configuration."""
    before, count = pool.readies(), len(pool.workers())
    pool.write_conf(rate_limit=limit)
    pool.signal(signal.SIGHUP)
    pool.wait_ready(before)
    wait_until(lambda: len(pool.workers()) == count, what="as many workers as before")


def test_a_reload_keeps_the_buckets_and_applies_another_rate(pool):
    p = pool(workers=4, rate_limit="1/h burst 5").start()
    key = new_key(p)
    assert Counter(ask(p, key).status for _ in range(20)) == {200: 5, 429: 15}

    reload(p, "1/h burst 5")
    assert {ask(p, key).status for _ in range(20)} == {429}
    reload(p, "2/h burst 8")
    # Five are out of the bucket, so three are left.
    assert Counter(ask(p, key).status for _ in range(20)) == {200: 3, 429: 17}
    assert ask(p, key).headers["RateLimit-Policy"] == '"environment";q=8;w=14400'
    reload(p, "off")
    answers = [ask(p, key) for _ in range(20)]
    assert {answer.status for answer in answers} == {200}
    assert not any("RateLimit" in answer.headers for answer in answers)
    # What was taken before the limit was off has not come back by that.
    reload(p, "1/h burst 10")
    assert Counter(ask(p, key).status for _ in range(20)) == {200: 2, 429: 18}


def test_a_reload_under_load_forgives_nothing(pool):
    p = pool(workers=4, rate_limit="1/h burst 100").start()
    hammer = Hammer(p, new_key(p), threads=4)
    wait_until(lambda: hammer.seen()[429] >= 20, what="refusals")
    for limit in ("1/h burst 5", "2/h burst 90", "1/h burst 5"):
        reload(p, limit)
        before = hammer.seen()[429]
        wait_until(lambda: hammer.seen()[429] >= before + 20, what="more refusals")  # so its tokens are used up
    seen, _ = hammer.stop()
    # A hundred are out, more than any of the others has; nobody took from a smaller bucket meanwhile, so none came back.
    assert seen[200] == 100


def test_a_wrong_rate_is_refused_and_the_old_one_stays(pool):
    p = pool(rate_limit="1/h burst 5").start()
    key = new_key(p)
    p.write_conf(rate_limit="100 per second")
    p.signal(signal.SIGHUP)
    p.wait_log('rate_limit must be off or a rate such as 100/s, 1000/m burst 50 or 5000/h, with numbers from 1 to 999999, '
               'not "100 per second"')
    assert Counter(ask(p, key).status for _ in range(20)) == {200: 5, 429: 15}


def test_a_key_of_its_own_limit_goes_by_that(pool):
    p = pool(workers=4, rate_limit="1/h burst 5").start()
    assert Counter(ask(p, new_key(p, "--limit", "off")).status for _ in range(20)) == {200: 20}
    key = new_key(p, "--limit", "1/h burst 7")
    assert Counter(ask(p, key).status for _ in range(20)) == {200: 7, 429: 13}


@contextlib.contextmanager
def unreadable_keys(pool):
    """While this lasts, whoever looks an API key up waits."""
    db = pool.database.connect()
    db.autocommit = False
    try:
        db.cursor().execute("LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        db.rollback()
        db.close()


def test_who_is_over_the_limit_is_told_so_without_the_database(pool):
    # Nothing is remembered by a worker, so whatever is let through asks the database.
    p = pool(workers=4, rate_limit="1/h burst 3", auth_cache_ttl="0").start()
    key = new_key(p)
    assert Counter(ask(p, key).status for _ in range(8)) == {200: 3, 429: 5}
    with unreadable_keys(p):
        answers, seconds = timed(lambda: [ask(p, key) for _ in range(200)])
        assert {answer.status for answer in answers} == {429}
        assert seconds < 4, "they waited"
        with contextlib.closing(p.database.connect()) as db, db.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'", (p.database.name,))
            assert cursor.fetchone()[0] == 0


def test_who_is_over_the_limit_is_told_so_while_the_database_is_away(pool):
    p = pool(workers=2, rate_limit="1/h burst 3", auth_cache_ttl="0").start()
    key = new_key(p)
    assert Counter(ask(p, key).status for _ in range(8)) == {200: 3, 429: 5}
    with contextlib.closing(p.database.cluster.connect()) as db, db.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {p.database.name} ALLOW_CONNECTIONS false")
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (p.database.name,))
        try:
            wait_until(lambda: ask(p, p.key).status == 503, what="the database's absence")
            # Longer than BUCKETS_CONFIRM_S: the look-up that fails between two requests changes nothing.
            end = time.monotonic() + 6
            while time.monotonic() < end:
                answer = ask(p, key)
                assert answer.status == 429 and answer.headers["RateLimit"].startswith('"environment";r=0;')
                time.sleep(0.05)
        finally:
            cursor.execute(f"ALTER DATABASE {p.database.name} ALLOW_CONNECTIONS true")


def make_key(pool, key, name="made"):
    """Over the API; the answer."""
    headers = [("x-api-key", key), ("Content-Type", "application/json")]
    body = json.dumps({"name": name}).encode()
    return fastcgi.Connection(pool.address).send(fastcgi.request("POST", "/api/v1/api-keys", headers, body)).answer()


@pytest.mark.parametrize("configured, own", [("5/h", None), ("off", "5/h"), ("1000/s", "5/h")])
def test_more_keys_are_not_more_requests(pool, configured, own):
    """Of 59 keys that a key with 5/h made each had 5/h."""
    p = pool(workers=4, rate_limit="off").start()
    first = new_key(p)
    keys = [first] + [json.loads(make_key(p, first).body)["apiKey"] for _ in range(10)]
    keys.append(json.loads(make_key(p, keys[-1]).body)["apiKey"])  # a grandchild
    if own:
        p.database.clientele("key", "limit", key_id(p, first), own)
        time.sleep(1.1)  # auth_cache_ttl: each worker has seen the keys
    reload(p, configured)
    assert Counter(ask(p, key).status for key in keys * 3) == {200: 5, 429: len(keys) * 3 - 5}


def key_id(pool, key):
    """The id of the newest key that begins like this."""
    rows = json.loads(pool.database.clientele("key", "list", "--json").stdout)
    return [row["id"] for row in rows if key.startswith(row["prefix"])][-1]


def test_a_key_s_successor_shares_its_limit(pool):
    p = pool(workers=2).start()
    key = new_key(p, "--limit", "1/h burst 4")
    assert [ask(p, key).status for _ in range(2)] == [200, 200]
    successor = p.database.clientele("key", "rotate", key_id(p, key)).stdout.strip()
    assert Counter(ask(p, each).status for each in [successor, key] * 3) == {200: 2, 429: 4}


def test_a_key_below_the_environment_s_limit_counts_in_both(pool):
    p = pool(workers=2, rate_limit="1/h burst 6").start()
    organization = p.database.organization("Below")
    low, plain = organization.key("live", "--limit", "1/h burst 2"), organization.key("live")
    other = organization.key("sandbox")
    assert Counter(ask(p, low).status for _ in range(5)) == {200: 2, 429: 3}
    assert Counter(ask(p, plain).status for _ in range(9)) == {200: 4, 429: 5}
    assert ask(p, low).headers["RateLimit-Policy"].startswith('"key";')
    assert ask(p, plain).headers["RateLimit-Policy"].startswith('"environment";')
    assert ask(p, other).status == 200, "the sandbox has a bucket of its own"


def test_an_upgrade_keeps_the_buckets(pool):
    p = pool(workers=2, rate_limit="1/h burst 5").start()
    key, own = new_key(p), new_key(p, "--limit", "1/h burst 3")
    assert Counter(ask(p, key).status for _ in range(4)) == {200: 4}
    assert Counter(ask(p, own).status for _ in range(5)) == {200: 3, 429: 2}
    before = p.workers()
    readies = p.readies()
    p.signal(signal.SIGUSR2)
    p.wait_ready(readies)
    wait_until(lambda: not set(p.workers()) & set(before), what="the end of the former workers")
    assert Counter(ask(p, key).status for _ in range(5)) == {200: 1, 429: 4}
    assert {ask(p, own).status for _ in range(5)} == {429}
    assert "rate limits begin anew" not in p.log()
    # And a reload after that still reaches the same memory.
    reload(p, "1/h burst 6")
    assert Counter(ask(p, key).status for _ in range(5)) == {200: 1, 429: 4}


def test_a_single_worker_without_a_supervisor_has_limits_too(pool):
    p = pool(rate_limit="1/h burst 3", listen=None, pidfile=None)
    path = str(p.dir / "alone")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, 0o666)
        listener.listen(64)
        p.service.start(wait=False, stdin=listener)
    p.address = path
    key = new_key(p)
    assert Counter(ask(p, key).status for _ in range(8)) == {200: 3, 429: 5}
