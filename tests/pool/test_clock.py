"""A clock that jumps while the service runs (clock.c)."""

import datetime
import json
import os
import struct
import subprocess
import time

import pytest

from conftest import CUSTOMERS
from stack import PATIENCE, ROOT, wait_until
from test_admin import Admin

HOURS_MS = 2 * 3600 * 1000
NEAR = 60 * PATIENCE


class Clock:
    """The service's wall clock; its file is mapped, so it is written in place."""

    def __init__(self, folder):
        self.file, self.library = folder / "wrong", folder / "clock.so"
        self.file.write_bytes(struct.pack("q", 0))
        subprocess.run([os.environ.get("CC", "cc"), "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", self.library,
                        ROOT / "tests" / "pool" / "clock.c"], check=True)
        self.env = {"LD_PRELOAD": str(self.library), "CLOCK_FILE": str(self.file)}

    def set_wrong(self, ms):
        with open(self.file, "r+b") as file:
            file.write(struct.pack("q", ms))


@pytest.fixture
def clock(place):
    return Clock(place.new("clock"))


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def send(p, method, uri, **body):
    answer = p.ask(method, uri, body=json.dumps(body).encode())
    assert answer.status in (200, 201), answer.body
    return json.loads(answer.body)


def test_times_are_right_again_after_a_clock_that_was_ahead(pool, clock):
    a = Admin(pool(workers=1))
    a.pool.start(env=clock.env)
    wait_until(lambda: a.get("/ready").status == 200, what="ready")
    assert a.figures()["clockJumps"] == 0

    clock.set_wrong(HOURS_MS)
    early = send(a.pool, "POST", CUSTOMERS, email="early@example.com")
    assert abs(moment(early["createdAt"]) - time.time() - HOURS_MS / 1000) < NEAR
    wait_until(lambda: a.figures()["clockJumps"] == 1, what="the jump forward in the figures")
    a.wait_log("the system's clock jumped forward by 7")

    clock.set_wrong(0)
    wait_until(lambda: a.figures()["clockJumps"] == 2, what="the jump back in the figures")
    assert a.metrics()["clientele_clock_jumps_total"] == 2
    late = send(a.pool, "POST", CUSTOMERS, email="late@example.com")
    assert abs(moment(late["createdAt"]) - time.time()) < NEAR and late["updatedAt"] == late["createdAt"]
    assert late["id"] > early["id"]  # in order, although the clock went back
    for one in (early, late):
        changed = send(a.pool, "PATCH", f"{CUSTOMERS}/{one['id']}", fullName="Changed")
        assert changed["createdAt"] == one["createdAt"] and changed["updatedAt"] != one["updatedAt"]
        assert abs(moment(changed["updatedAt"]) - time.time()) < NEAR
    key = send(a.pool, "POST", "/api/v1/api-keys", name="late", expiresInDays=1)
    assert abs(moment(key["createdAt"]) - time.time()) < NEAR
    assert a.figures()["uptimeMs"] < NEAR * 1000
    assert a.log().count("the system's clock jumped") == 1  # at most once a minute


def test_a_commands_clock_does_not_say_which_keys_work(proc_database, clock):
    proc_database.organization("Clock Ltd")

    def command(*arguments):
        done = proc_database.clientele(*arguments, "--json", env=clock.env)
        return json.loads(done.stdout)

    def states():
        return {row["id"]: row["state"] for row in command("key", "list", "--org", "Clock Ltd")}

    old = command("key", "create", "--org", "Clock Ltd", "--env", "live", "--expires-days", "1")[0]["id"]
    clock.set_wrong(24 * HOURS_MS)
    assert states() == {old: "active"}
    clock.set_wrong(-24 * HOURS_MS)
    new = command("key", "rotate", old, "--overlap", "0")[0]["id"]
    assert states()[old] == "expired" and states()[new]
