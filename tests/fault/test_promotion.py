"""The primary dies and its standby is promoted: the service finds it by itself, and nothing that was acknowledged is gone."""

import concurrent.futures
import contextlib
import json
import os
import shutil
import signal

import pytest

from client import CUSTOMERS, Wire
from stack import Cluster, Database, wait_until

NAME = "clientele"


class Pair:
    """A primary and a standby that it waits for: streaming, synchronous replication."""

    def __init__(self, place):
        self.made = [Cluster(place)]
        self.primary, self.standby = self.made[0], None
        self.primary.database(NAME)
        self.standby = Cluster(place, copy_of=self.primary, signal="standby", conf=self.conf(), start=False)
        self.made.append(self.standby)
        self.follow()

    def conf(self):
        return f"primary_conninfo = 'host={self.primary.sockets} user=postgres application_name=standby'\n"

    def follow(self):
        self.standby.start()
        # Not before: a standby whose first try fails waits 5 s for the next, and every write with it.
        wait_until(lambda: self.primary.psql("-c", "SELECT state FROM pg_stat_replication") == "streaming\n", 30, "replication")
        self.primary.psql("-c", "ALTER SYSTEM SET synchronous_standby_names = 'standby'", "-c", "SELECT pg_reload_conf()")
        wait_until(lambda: self.primary.psql("-c", "SELECT sync_state FROM pg_stat_replication") == "sync\n", 30,
                   "synchronous replication")

    def url(self):
        hosts = ",".join(str(cluster.sockets) for cluster in self.made)
        return f"host={hosts} dbname={NAME} user=clientele_serve target_session_attrs=read-write"

    def database(self):
        return Database(self.primary, NAME)

    @contextlib.contextmanager
    def deaf(self):
        """While this lasts the standby takes nothing, and what is written waits for it."""
        receiver = int(self.standby.psql("-c", "SELECT pid FROM pg_stat_wal_receiver"))
        os.kill(receiver, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(receiver, signal.SIGCONT)

    def waiting(self):
        """Workers that wait for the standby, or for the lock of one that does."""
        return int(self.primary.psql("-c", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' OR wait_event_type = 'Lock'"))

    def promote(self):
        """The standby becomes the primary; it follows nobody and waits for nobody, which a copy of a primary would do."""
        self.standby.psql("-c", "ALTER SYSTEM RESET synchronous_standby_names", "-c", "SELECT pg_promote()")
        self.primary, self.standby = self.standby, self.primary

    def rebuild(self):
        """The one that died begins anew, as a copy of the one that lives."""
        old, place = self.standby, self.standby.place
        shutil.rmtree(old.data)
        place.run(old.bin / "pg_basebackup", "-h", self.primary.sockets, "-U", "postgres", "-D", old.data, "-c", "fast", "--no-sync")
        place.run("touch", old.data / "standby.signal")
        with open(old.data / "postgresql.conf", "a") as file:
            file.write(f"unix_socket_directories = '{old.sockets}'\n" + self.conf())
        self.follow()

    def stop(self):
        for cluster in self.made:
            cluster.stop("immediate")


@pytest.fixture
def pair(place):
    pair = Pair(place)
    yield pair
    pair.stop()


@pytest.mark.parametrize("prepared", ["on", "off"])
def test_the_service_follows_the_primary_and_nothing_acknowledged_is_lost(pair, stand, trial, prepared):
    one = stand(pair.database(), way=pair.url(), prepared_statements=prepared)
    supervisor, workers = one.service.pid, one.service.workers()
    with trial(one, f"standby promoted, prepared {prepared}") as t:
        for number in t.blows(0.2, 1):
            with pair.deaf() if number % 2 else contextlib.nullcontext():
                if number % 2:  # from here on nothing more is acknowledged
                    wait_until(lambda: pair.waiting() > 0 and t.rests(0.5), what="writes that wait for the standby")
                pair.primary.stop("immediate")
            pair.promote()
            one.database, one.cluster = pair.database(), pair.primary
            t.came_back(one.wait_database())
            pair.rebuild()
            t.more(20)
    assert (one.service.pid, one.service.workers()) == (supervisor, workers)
    assert "reconnected to the database" in one.service.log()


@pytest.mark.parametrize("path", [CUSTOMERS, CUSTOMERS + "/batch"])
def test_a_commit_that_stops_waiting_for_the_standby_is_not_done(pair, stand, path):
    """PostgreSQL lets a cancelled wait succeed, with a warning alone."""
    one = stand(pair.database(), way=pair.url())
    wire, tenant = Wire(one.front.port), one.tenants[0]
    body = json.dumps({"email": "a@example.com"} if path == CUSTOMERS else {"customers": [{"email": "a@example.com"}]})
    with pair.deaf(), concurrent.futures.ThreadPoolExecutor(1) as pool:
        reply = pool.submit(wire.send, tenant, "POST", path, body)
        wait_until(lambda: "t" in pair.primary.psql("-c", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"),
                   what="a commit that waits")
        assert (reply.result().status, reply.result().json["code"]) == (503, "service_unavailable")
    assert "its commit stopped waiting for the standby" in one.service.log()


@pytest.mark.parametrize("how", ["key", "external id"])
def test_no_answer_is_given_again_before_the_standby_has_it(pair, stand, how):
    """
    A write whose wait for the standby was cut short is stored, but only here. Who asks again must not be told that
    it is done: the standby could be promoted, and would know nothing of it.
    """
    one = stand(pair.database(), way=pair.url(), workers=2, request_timeout="1s", statement_timeout="900ms", lock_timeout="800ms")
    wire, tenant = Wire(one.front.port), one.tenants[0]
    body = json.dumps({"email": "a@example.com", **({"id": "once"} if how == "external id" else {})})
    key = "once" if how == "key" else None

    def send():
        return wire.send(tenant, "POST", CUSTOMERS, body, key)

    assert wire.send(tenant, "GET", CUSTOMERS).status == 200
    with pair.deaf():
        early = [send() for _ in range(4)]
        pair.primary.stop("immediate")
    pair.promote()
    last = wait_until(lambda: (lambda reply: reply.status < 300 and reply)(send()), 20, "the new primary")
    ids = {reply.json["id"] for reply in [*early, last] if reply.status < 300}
    assert ids == {last.json["id"]}, f"told {ids}, and then {last.json['id']}"
    assert {reply.status for reply in early} <= {503, 409}
