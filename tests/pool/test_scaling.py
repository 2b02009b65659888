"""How many workers there are: by configuration, by load, by signal, by command, and by what the database allows."""

import os
import re
import signal
import struct
import time

import pytest

from stack import wait_until

# As in src/admin/command.h.
WORKERS_SET, WORKERS_ADD, RELOAD, UPGRADE, REOPEN, STOP = range(6)


def count_is(p, count):
    wait_until(lambda: len(p.workers()) == count, what=f"{count} workers instead of {len(p.workers())}")


def command(p, kind, value=0):
    """As the admin process would send it: into the one pipe of the supervisor whose read end alone does not block."""
    folder = f"/proc/{p.pid}/fd"
    ends = {}
    for fd in os.listdir(folder):
        target = os.readlink(f"{folder}/{fd}")
        if target.startswith("pipe:"):
            with open(f"/proc/{p.pid}/fdinfo/{fd}") as info:
                flags = int(re.search(r"flags:\s*(\d+)", info.read()).group(1), 8)
            ends.setdefault(target, {})[flags & os.O_ACCMODE] = (fd, bool(flags & os.O_NONBLOCK))
    (fd,) = [end[os.O_WRONLY][0] for end in ends.values() if len(end) == 2 and end[os.O_RDONLY][1] and not end[os.O_WRONLY][1]]
    with open(f"{folder}/{fd}", "wb", buffering=0) as pipe:
        pipe.write(struct.pack("=Ii", kind, value))


@pytest.fixture
def dynamic(pool):
    """A started dynamic pool of 2 to 5."""
    return pool(workers="dynamic", workers_min=2, workers_max=5, spare_min=1, spare_max=1, spare_idle="1s", log_level="debug",
                requests_in_hand=1).start()


# ---------------------------------------------------------------- by load


def test_dynamic_pool_grows_with_the_load_and_shrinks_after_it(dynamic):
    p = dynamic
    count_is(p, 2)
    with p.held():
        pending = [p.start_held()]
        assert len(p.workers()) == 2  # one is idle, and one is enough
        for held in range(2, 5):
            pending.append(p.start_held())
            count_is(p, held + 1)
        pending.append(p.start_held())
        p.wait_log("all 5 workers are busy")
        assert len(p.workers()) == 5
    assert [one.result().status for one in pending] == [200] * 5
    count_is(p, 2)
    assert p.log().count("all 5 workers are busy") == 1
    assert " died" not in p.log() and "killed" not in p.log()


def test_dynamic_pool_starts_the_next_when_the_former_serves(dynamic):
    p = dynamic
    with p.held():
        queued = [p.connect().send(p.request()) for _ in range(8)]
        p.wait_log("worker 5: starting -> ready")
    assert [one.answer().status for one in queued] == [200] * 8
    events = re.findall(r"worker (\d): starting -> ready|workers: (\d) -> \d by load", p.log())
    order = "".join(f"r{ready} " if ready else f"g{target} " for ready, target in events)
    assert order.startswith(("r1 r2 g2 r3 g3 r4 g4 r5", "r2 r1 g2 r3 g3 r4 g4 r5")), order


def test_dynamic_pool_never_goes_below_its_least(pool):
    p = pool(workers="dynamic", workers_min=3, spare_max=1, spare_idle="1s", requests_in_hand=1).start()
    with p.held():
        pending = [p.start_held() for _ in range(3)]
        count_is(p, 4)
    assert {one.result().status for one in pending} == {200}
    count_is(p, 3)


# ---------------------------------------------------------------- by a person


def test_signals_change_the_number(pool):
    p = pool(workers=2, workers_max=3).start()
    for number, count, said in [(signal.SIGTTIN, 3, "workers: 2 -> 3 by signal\n"),
                                (signal.SIGTTIN, 3, "workers: 3 -> 3 by signal (the maximum)"),
                                (signal.SIGTTOU, 2, "workers: 3 -> 2 by signal\n"), (signal.SIGTTOU, 1, "workers: 2 -> 1 by signal\n"),
                                (signal.SIGTTOU, 1, "workers: 1 -> 1 by signal (the minimum)")]:
        p.signal(number)
        p.wait_log(said)
        count_is(p, count)
        assert p.ask().status == 200


def test_commands_do_what_signals_do(pool):
    p = pool(workers=1, workers_max=4).start()
    command(p, WORKERS_SET, 3)
    count_is(p, 3)
    command(p, WORKERS_ADD, -1)
    count_is(p, 2)
    command(p, WORKERS_SET, 100)
    p.wait_log("workers: 2 -> 4 by command (the maximum)")
    count_is(p, 4)
    command(p, 77, 1)  # from a later version
    before, readies = p.workers(), p.readies()
    command(p, RELOAD)
    p.wait_ready(readies)
    readies = p.readies()
    command(p, UPGRADE)
    p.wait_ready(readies)
    count_is(p, 4)
    assert not set(before) & set(p.workers())
    command(p, REOPEN)
    command(p, STOP)
    assert p.wait() == 0


def test_fewer_workers_take_the_idle_one(pool):
    p = pool(workers=2).start()
    with p.held():
        pending = p.start_held()
        assert p.ask("GET", "/api/v1/nowhere").status == 404  # so the idle one is idle for less long than the other is busy
        time.sleep(0.2)  # its worker is idle a moment after the answer
        p.signal(signal.SIGTTOU)
        count_is(p, 1)  # a busy one would stay as long as its request does
    assert pending.result().status == 200
    assert p.ask().status == 200


def test_fewer_workers_take_who_was_idle_for_longest(pool):
    p = pool(workers=2).start()
    for _ in range(20):
        assert p.ask().status == 200
        time.sleep(0.005)  # idle times are in milliseconds
    time.sleep(0.2)  # a worker is idle a moment after its answer
    last = int(re.findall(r"worker \d\[(\d+)\]: request ", p.log())[-1])
    p.signal(signal.SIGTTOU)
    count_is(p, 1)
    assert p.workers() == [last]


def test_fewer_workers_finish_their_requests_first(pool):
    p = pool(workers=3, requests_in_hand=1).start()
    with p.held():
        pending = [p.start_held() for _ in range(3)]
        for said in ("3 -> 2", "2 -> 1"):
            p.signal(signal.SIGTTOU)
            p.wait_log(f"workers: {said} by signal")
    assert [one.result().status for one in pending] == [200] * 3
    count_is(p, 1)
    assert " died" not in p.log() and "killed" not in p.log()


def test_a_change_outlives_a_reload_of_the_same_number(pool):
    p = pool(workers=1).start()
    p.signal(signal.SIGTTIN)
    count_is(p, 2)
    for changed, count in [({"log_level": "debug"}, 2), ({"workers": 3}, 3), ({"workers": "static 1"}, 1)]:
        readies = p.readies()
        p.write_conf(**changed)
        p.signal(signal.SIGHUP)
        p.wait_ready(readies)
        count_is(p, count)


def test_reload_turns_a_pool_dynamic_and_back(pool):
    p = pool(workers=4, log_level="debug").start()
    readies = p.readies()
    p.write_conf(workers="dynamic", workers_min=1, spare_max=1, spare_idle="1s")
    p.signal(signal.SIGHUP)
    p.wait_ready(readies)
    assert p.log().count("ready: 4 workers") == 2  # it goes on from where it was
    count_is(p, 1)
    readies = p.readies()
    p.write_conf(workers=2)
    p.signal(signal.SIGHUP)
    p.wait_ready(readies)
    count_is(p, 2)


# ---------------------------------------------------------------- by the machine and the database


def test_auto_is_explained(pool):
    p = pool(workers="auto").start()
    words = re.search(r"workers: (\d+), up to \d+ by signal or command; auto is one for each of (\d+) processors, 2 at least", p.log())
    assert words and int(words.group(1)) == max(2, int(words.group(2))) and int(words.group(2)) <= len(os.sched_getaffinity(0))
    count_is(p, int(words.group(1)))


@pytest.fixture
def narrow(new_database):
    """A database that allows 6 connections."""
    database = new_database()
    with database.connect() as db, db.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {database.name} CONNECTION LIMIT 6")
    return database


def test_never_more_workers_than_the_database_allows(pool, narrow):
    p = pool(narrow, workers=10).start(False)
    p.wait_ready()
    assert "the database has room for 4 workers, fewer than configured: the database's connection limit of 6, less 2" in p.log()
    count_is(p, 4)
    for _ in range(2):
        readies = p.readies()
        p.signal(signal.SIGHUP)
        p.wait_ready(readies)
    p.signal(signal.SIGTTIN)
    p.wait_log("workers: 4 -> 4 by signal (the maximum)")
    assert "53300" not in p.log() and "cannot be reached" not in p.log()


def test_check_says_how_many_workers_the_database_allows(pool, narrow):
    p = pool(narrow, workers=10)
    done = p.place.run(p.place.bin, "-c", p.conf, "check", "--connect")
    assert "room for 4 workers, fewer than configured" in done.stderr
    p.write_conf(workers=4)
    assert "room" not in p.place.run(p.place.bin, "-c", p.conf, "check", "--connect").stderr


def test_behind_a_pooler_the_servers_figure_says_nothing(pool, narrow):
    p = pool(narrow, workers=5, prepared_statements="off").start()
    assert "has room for" not in p.log()
    count_is(p, 5)


@pytest.mark.parametrize("options, message", [
    ({"workers": "dynamic", "workers_min": 5, "workers_max": 4}, "workers_min = 5 is more than workers_max = 4"),
    ({"workers": "dynamic", "spare_min": 5}, "spare_min = 5 is more than spare_max = 4"),
])
def test_keys_that_contradict_each_other_are_refused(pool, options, message):
    p = pool(**options)
    p.start(False)
    assert p.wait() == 78 and message in p.log()
    done = p.place.run(p.place.bin, "-c", p.conf, "check", check=False)
    assert done.returncode == 78 and message in done.stderr
    p.write_conf(workers=1)
    assert p.place.run(p.place.bin, "-c", p.conf, "check").returncode == 0
