"""
What processes of the service have of each other, and what another process of the same user gets to see of them: nothing
that is in their memory.
"""

import contextlib
import json
import os
import re
import signal
import sys
from collections import Counter

import pytest

from stack import children, listening_at, open_files, wait_until
from test_hygiene import starts_held
from test_upgrade import install

OPEN = "import sys; open(sys.argv[1], 'rb').close()"


@contextlib.contextmanager
def running(place, *command):
    """The pid of a process of the tests' user, which has written something, until the block ends."""
    log = place.new("r") / "log"
    process = place.spawn(log, *command)
    try:
        wait_until(lambda: log.exists() and log.read_text(), what="its first words")
        yield process.pid
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def processes(place, pool):
    """(what it is, pid) of every kind of process that lasts."""
    p = pool(workers=1, clerk="on", admin_listen=f"unix:{place.new('a') / 'admin'}").start()
    wait_until(lambda: len(children(p.pid)) == 3, what="a worker, the clerk and the admin process")
    with running(place, place.bin, "-c", p.conf, "status", "--watch=3600") as command:
        yield [("supervisor", p.pid), *(("child", pid) for pid in children(p.pid)), ("command", command)]


def can_open(place, path):
    done = place.run("python3", "-c", OPEN, path, check=False)
    assert done.returncode == 0 or "Permission denied" in done.stderr, done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("name", ["environ", "maps", "fd/0", "mem"])
def test_memory_and_environment_are_closed_to_others_of_the_same_user(place, processes, name):
    assert len(processes) == 5
    assert [what for what, pid in processes if can_open(place, f"/proc/{pid}/{name}")] == []
    if name != "mem":  # which Yama closes, too
        with running(place, "sh", "-c", "echo; exec sleep 600") as pid:
            assert can_open(place, f"/proc/{pid}/{name}")


def test_core_files_and_new_privileges_are_off_in_all_of_them(processes):
    for what, pid in processes:
        with open(f"/proc/{pid}/limits") as file:
            assert "Max core file size        0                    0 " in file.read(), what
        with open(f"/proc/{pid}/status") as file:
            assert "NoNewPrivs:\t1\n" in file.read(), what


def board(pid):
    """How much of the scoreboard a process has mapped: {permissions: bytes}."""
    sizes = Counter()
    with open(f"/proc/{pid}/maps") as file:
        for line in file:
            if "memfd:clientele-stats" in line:
                area, permissions = line.split()[:2]
                begin, end = (int(address, 16) for address in area.split("-"))
                sizes[permissions] += end - begin
    return dict(sizes)


def descriptors(pid):
    """What a process has open besides standard input, output and error."""
    return {target for fd, target in open_files(pid).items() if fd > 2}


@pytest.fixture
def needs_root():
    if os.getuid() != 0:
        pytest.skip("only root sees the descriptors of a process that is hardened")


def clerk_of(place, p):
    """The pid of the clerk, once it says how it stands with the database."""
    def find():
        told = place.run(place.bin, "-c", p.conf, "--json", "status", check=False).stdout
        clerk = told and json.loads(told)["clerk"]
        return clerk and clerk["database"] == "connected" and clerk["pid"]

    return wait_until(find, what="the clerk")


def test_of_the_scoreboard_workers_and_clerk_have_their_own_pages_and_the_admin_process_a_view(place, pool, needs_root):
    p = pool(workers=1, clerk="on", admin_listen=f"unix:{place.new('a') / 'admin'}").start()
    clerk = clerk_of(place, p)
    whole = board(p.pid)["rw-s"]
    listen = listening_at(p.socket)
    for pid in children(p.pid):
        if listen in descriptors(pid):
            assert list(board(pid)) == ["rw-s"] and board(pid)["rw-s"] < whole / 100
        elif pid == clerk:
            assert board(pid) == {"rw-s": os.sysconf("SC_PAGESIZE")}
        else:
            assert board(pid) == {"r--s": whole}


# What they open by themselves: the log is standard error here.
OWN = {"worker": {"anon_inode:[eventpoll]", "anon_inode:[signalfd]", "anon_inode:[eventfd]", "/memfd:request (deleted)", "/proc/self/statm"},
       "admin": {"anon_inode:[eventpoll]", "anon_inode:[signalfd]", "anon_inode:[eventfd]"},
       "clerk": {"anon_inode:[signalfd]"}}


def own(targets, pid):
    """Without connections to the database and to the kernel, which have no names."""
    return {target.replace(str(pid), "self") for target in targets if not target.startswith("socket:")}


def test_a_child_has_the_descriptors_of_its_row_and_no_others(place, pool, needs_root):
    admin_socket = place.new("a") / "admin"
    p = pool(workers=1, clerk="on", admin_listen=f"unix:{admin_socket}").start()
    assert p.ask().status == 200
    listen, admin_listen = listening_at(p.socket), listening_at(admin_socket)
    clerk = clerk_of(place, p)
    of_supervisor = descriptors(p.pid)
    (worker,) = [pid for pid in children(p.pid) if listen in descriptors(pid)]
    (admin,) = set(children(p.pid)) - {worker, clerk}
    of_worker, of_admin, of_clerk = (descriptors(pid) & of_supervisor for pid in (worker, admin, clerk))
    lifeline = of_worker & of_admin
    assert of_clerk == lifeline and own(descriptors(clerk) - lifeline, clerk) == OWN["clerk"]
    assert {target.split(":")[0] for target in lifeline} == {"pipe"} and len(lifeline) == 1
    assert listen in of_worker and len(of_worker - {listen} - lifeline) == 1  # and the pipe that says: ready
    assert admin_listen in of_admin and len(of_admin - {admin_listen} - lifeline) == 1  # and the pipe for commands
    assert own(descriptors(worker) - of_worker, worker) == OWN["worker"]
    assert own(descriptors(admin) - of_admin, admin) == OWN["admin"]
    with starts_held(p):
        p.signal(signal.SIGHUP)
        (check,) = wait_until(lambda: set(children(p.pid)) - {worker, admin, clerk}, what="a check of the database")
        wait_until(lambda: p.waiting() == 1, what="its question")
        (result,) = descriptors(check) & descriptors(p.pid)
        assert result.startswith("pipe:") and result not in of_worker | of_admin
        assert own(descriptors(check), check) == {result}


SHOW_DESCRIPTORS = f"""#!{sys.executable}
import os
for fd in os.listdir("/proc/self/fd"):
    path = "/proc/self/fd/" + fd
    if int(fd) > 2 and os.path.lexists(path):  # that of the list is closed by now
        print("has", os.readlink(path), flush=True)
raise SystemExit(3)
"""


def test_a_rehearsal_has_the_listening_socket_and_a_pipe_for_its_reason(place, pool, needs_root):
    p = pool(workers=1, admin_listen=f"unix:{place.new('a') / 'admin'}")
    p.service.bin = p.dir / "program"
    install(p, place.bin)
    p.start()
    install(p, SHOW_DESCRIPTORS)
    p.signal(signal.SIGUSR2)
    p.wait_log("exit code 3")
    has = re.findall("^has (.*)$", p.log(), re.M)
    assert listening_at(p.socket) in has
    assert [name.split(":")[0] for name in has if name != listening_at(p.socket)] == ["pipe"]  # takes why it fails
