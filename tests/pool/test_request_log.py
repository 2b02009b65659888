"""The requests that were answered last are the service's, not a worker's: who may come and go without them."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from stack import children, listening_at, wait_until
from test_processes import descriptors, needs_root  # noqa: F401 (a fixture)
from test_upgrade import install, upgradable, upgrade  # noqa: F401 (a fixture)

LOG = "/api/v1/requests"


def listed(p, query="limit=100"):
    answer = p.ask(uri=f"{LOG}?{query}")
    assert answer.status == 200
    return [row["id"] for row in json.loads(answer.body)["data"]]


def ask(p, some_id):
    assert p.ask(uri="/api/v1/customers?limit=1", headers=[("X-Request-Id", some_id)]).status == 200


def mine(p, query="limit=100"):
    return [some_id for some_id in listed(p, query) if not some_id.startswith("req_")]


def test_they_outlive_the_workers_that_answered_them(pool):
    p = pool(workers=2).start()
    made = []
    for n in range(4):
        before = p.workers()
        for i in range(5):
            made.insert(0, f"mine-{n}-{i}")
            ask(p, made[0])
        if n % 2 == 0:
            for pid in before:
                os.kill(pid, signal.SIGKILL)
        else:
            readies = p.readies()
            p.signal(signal.SIGHUP)
            p.wait_ready(readies)
        wait_until(lambda: len(p.workers()) == 2 and not set(before) & set(p.workers()), what="two others")
        assert mine(p) == made
    # And more workers than there were.
    p.signal(signal.SIGTTIN)
    wait_until(lambda: len(p.workers()) == 3, what="a third worker")
    assert {tuple(mine(p)) for _ in range(12)} == {tuple(made)}


def test_so_many_are_kept_as_are_configured(pool):
    p = pool(workers=2, requests_kept=10).start()
    for n in range(25):
        ask(p, f"n{n}")
    assert listed(p) == [f"n{n}" for n in range(24, 14, -1)]
    summary = json.loads(p.ask(uri=f"{LOG}/summary?minutes=1440").body)
    assert sum(minute["requests"] for minute in summary["minutes"]) == 10
    assert summary["since"] > summary["from"]


def test_none_are_kept_where_none_are_wanted(pool):
    p = pool(workers=1, requests_kept=0).start()
    ask(p, "mine")
    assert listed(p) == []
    assert p.ask(uri=f"{LOG}/mine").status == 404
    assert all(minute["requests"] == 0 for minute in json.loads(p.ask(uri=f"{LOG}/summary").body)["minutes"])


def test_how_many_is_for_the_next_start(pool):
    p = pool(workers=1, requests_kept=5).start()
    ask(p, "mine")
    readies = p.readies()
    p.write_conf(requests_kept=50)
    p.signal(signal.SIGHUP)
    p.wait_ready(readies)
    p.wait_log("only a restart can change requests_kept")
    assert mine(p) == ["mine"]


def test_an_upgrade_begins_anew(upgradable):  # noqa: F811
    p = upgradable(workers=2).start()
    ask(p, "before")
    cursor = None
    for n in range(3):
        ask(p, f"b{n}")
    cursor = json.loads(p.ask(uri=f"{LOG}?limit=1").body)["nextCursor"]
    assert listed(p, f"cursor={cursor}")
    install(p, p.place.bin)
    upgrade(p)
    wait_until(lambda: len(p.workers()) == 2, what="two workers")
    assert mine(p) == []
    ask(p, "after")
    assert mine(p) == ["after"]
    assert listed(p, f"cursor={cursor}") == []  # of the former program


def mapped(pid):
    """How much of the ring a process has."""
    found = 0
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        if "memfd:clientele-requests" in line:
            begin, end = re.match(r"(\w+)-(\w+) rw-s ", line).groups()
            found += int(end, 16) - int(begin, 16)
    return found


@pytest.mark.parametrize("kept", [0, 4096])
def test_workers_alone_have_them(place, pool, needs_root, kept):  # noqa: F811
    p = pool(workers=2, clerk="on", requests_kept=kept, admin_listen=f"unix:{place.new('a') / 'admin'}").start()
    wait_until(lambda: len(children(p.pid)) == 4, what="the clerk and the admin process")
    listen = listening_at(p.socket)
    workers = {pid for pid in children(p.pid) if listen in descriptors(pid)}
    assert len(workers) == 2
    for pid in children(p.pid):
        assert mapped(pid) == (0 if pid not in workers or not kept else kept * 256 + os.sysconf("SC_PAGESIZE"))
