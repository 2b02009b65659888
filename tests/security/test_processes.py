"""What another process of the same user gets to see of ours: nothing that is in their memory."""

import contextlib

import pytest

from stack import children, wait_until

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
    p = pool(workers=1, admin_listen=f"unix:{place.new('a') / 'admin'}").start()
    wait_until(lambda: len(children(p.pid)) == 2, what="a worker and the admin process")
    with running(place, place.bin, "-c", p.conf, "status", "--watch=3600") as command:
        yield [("supervisor", p.pid), *(("child", pid) for pid in children(p.pid)), ("command", command)]


def can_open(place, path):
    done = place.run("python3", "-c", OPEN, path, check=False)
    assert done.returncode == 0 or "Permission denied" in done.stderr, done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("name", ["environ", "maps", "fd/0", "mem"])
def test_memory_and_environment_are_closed_to_others_of_the_same_user(place, processes, name):
    assert len(processes) == 4
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
