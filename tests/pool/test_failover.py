"""The primary dies and its standby is promoted: the service finds it by itself, and nothing that was acknowledged is gone."""

import os
import signal

import pytest

from stack import Cluster, Database, wait_until
from writers import Writers, fastcgi_sender


@pytest.fixture
def pair(place):
    """(primary, standby): streaming, synchronous replication."""
    primary = Cluster(place)
    made = [primary]
    try:
        primary.database("clientele")
        made.append(Cluster(place, copy_of=primary, signal="standby",
                            conf=f"primary_conninfo = 'host={primary.sockets} user=postgres application_name=standby'\n"))
        primary.psql("-c", "ALTER SYSTEM SET synchronous_standby_names = 'standby'", "-c", "SELECT pg_reload_conf()")
        wait_until(lambda: primary.psql("-c", "SELECT sync_state FROM pg_stat_replication") == "sync\n", what="synchronous replication")
        yield made
    finally:
        for cluster in made:
            cluster.stop("immediate")


@pytest.mark.parametrize("prepared", ["on", "off"])
def test_the_service_follows_the_primary_and_nothing_acknowledged_is_lost(pool, pair, prepared):
    primary, standby = pair
    database = Database(primary, "clientele")
    key = database.organization("Failover Ltd").key("live")
    p = pool(database=database, workers=4, prepared_statements=prepared,
             database_url=f"host={primary.sockets},{standby.sockets} dbname=clientele user=clientele_serve target_session_attrs=read-write")
    p.key = key
    p.start()
    supervisor, workers = p.pid, p.workers()
    writers = Writers(fastcgi_sender(p))
    writers.wait(100)
    # The standby stops to listen: from here on nothing more is acknowledged.
    receiver = int(standby.psql("-c", "SELECT pid FROM pg_stat_wal_receiver"))
    os.kill(receiver, signal.SIGSTOP)
    wait_until(lambda: primary.psql("-c", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "4\n",
               what="writes that wait for the standby")
    primary.stop("immediate")
    os.kill(receiver, signal.SIGCONT)
    standby.psql("-c", "SELECT pg_promote()")
    writers.wait(100)
    writers.finish().check(Database(standby, "clientele"))
    assert set(writers.statuses) <= set(Writers.EXPECTED)
    assert (p.pid, p.workers()) == (supervisor, workers)
    assert p.ask().status == 200
    p.wait_log("connected to the database again")
