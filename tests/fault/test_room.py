"""Something is used up, or not to be had in time: connections, disks, locks, the processor."""

import contextlib
import os
import resource
import signal
import subprocess
import threading
import time

import psycopg2
import pytest

from stack import wait_until

KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture
def small_disk(place):
    """A function: a folder on a file system of so many bytes."""
    made = []

    def new(size):
        folder = place.new("d")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700,uid={folder.stat().st_uid}", "none", folder],
                              capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"a small file system wants the right to mount: {done.stderr.strip()}")
        made.append(folder)
        return folder

    yield new
    for folder in made:
        subprocess.run(["umount", "-l", folder], check=True)


def room(folder):
    told = os.statvfs(folder)
    return told.f_bavail * told.f_bsize


# ---------------------------------------------------------------- connections


@contextlib.contextmanager
def all_connections(one, trial):
    """Others have every connection that PostgreSQL gives to users, and the service has none."""
    taken, seen, full = [], [], threading.Event()

    def crowd():
        """Takes what becomes free at once: idle workers that lose their connection want another one at once, too."""
        while not full.is_set():
            try:
                taken.append(one.cluster.connect("postgres", "crowd"))
            except psycopg2.OperationalError:
                full.wait(0.001)

    def have_all():
        seen.append(one.backends())
        for backend in seen[-1]:
            try:
                with contextlib.closing(one.database.connect()) as db, db.cursor() as cursor:
                    cursor.execute("SELECT pg_terminate_backend(%s)", (backend,))
            except psycopg2.OperationalError:  # its own place among those kept for superusers is not free yet
                return False
        # Several times, because one that was ended before may have left just now, and its place with it.
        return not any(seen[-3:]) and len(seen) > 2

    threads = [threading.Thread(target=crowd) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_until(have_all, 30, "a server without a free connection")
        yield
    finally:
        full.set()
        for thread in threads:
            thread.join()
        for connection in taken:
            connection.close()


def test_nothing_is_lost_when_others_take_all_connections(stand, trial):
    one = stand()
    with contextlib.closing(one.cluster.connect()) as db, db.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS crowd; CREATE ROLE crowd LOGIN")
    with trial(one, "connections taken by others") as t:
        for _ in t.blows(0.2, 0.5):
            with all_connections(one, t):
                refused = len(t.history.failures)
                wait_until(lambda: len(t.history.failures) > refused + 20, what="refusals")
            t.came_back(time.monotonic())
    assert "too many c" in one.service.log() or "remaining connection slots" in one.service.log()
    assert " died" not in one.service.log()


# ---------------------------------------------------------------- time


@pytest.mark.parametrize("limits, sqlstate", [
    ({"lock_timeout": "150ms", "statement_timeout": "5s"}, "55P03"),
    ({"lock_timeout": "5s", "statement_timeout": "150ms"}, "57014"),
], ids=["lock_timeout", "statement_timeout"])
def test_nothing_is_lost_when_statements_time_out(stand, trial, limits, sqlstate):
    one = stand(**limits)
    with trial(one, f"{min(limits, key=limits.get)} runs out") as t:
        for _ in t.blows(0.05, 0.2):
            with contextlib.closing(one.database.connect()) as db, db.cursor() as cursor:
                db.autocommit = False
                table = t.random.choice(["customer", "event", "idempotency_key"])
                if t.random.random() < 0.5:
                    cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                else:  # single customers, which updates want
                    cursor.execute("SELECT FROM customer WHERE full_name IS NOT NULL ORDER BY id LIMIT 40 FOR UPDATE")
                time.sleep(t.random.uniform(0.1, 0.5))
                db.rollback()
    assert f"SQLSTATE {sqlstate}" in one.service.log()
    assert " died" not in one.service.log()


def test_nothing_is_lost_when_the_database_does_not_answer_in_time(stand, trial):
    """The outcome is unknown: a backend that stands still may go on and commit when everybody has given it up."""
    one = stand(request_timeout="400ms", statement_timeout="300ms", lock_timeout="200ms")
    with trial(one, "backends that stand still") as t:
        for _ in t.blows(0.05, 0.3):
            stopped = one.backends()[:t.random.randint(1, 2)]
            try:
                for pid in stopped:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGSTOP)
                time.sleep(t.random.uniform(0.3, 1))
            finally:
                for pid in stopped:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGCONT)
    assert "no answer within request_timeout" in one.service.log()


# ---------------------------------------------------------------- disks


def test_nothing_is_lost_when_the_disk_of_the_log_is_full(stand, trial, small_disk):
    disk = small_disk(64 * KIB)
    log = disk / "log"
    one = stand(log=log)
    with trial(one, "disk of the log full") as t:
        for _ in t.blows(0.1, 0.3):
            wait_until(lambda: room(disk) == 0, 20, "a full disk")
            t.more(50)
            os.truncate(log, 0)
            wait_until(lambda: log.stat().st_size > 0, what="a log that goes on")
    assert "No space left on device; lines are lost" in one.service.log()
    assert " died" not in one.service.log() + log.read_text(errors="replace")


def test_nothing_is_lost_when_the_log_may_not_grow(stand, trial, place):
    """RLIMIT_FSIZE, whose signal ends a process that does not expect it."""
    log, most = place.new("d") / "log", 64 * MIB  # shared memory has to fit as well
    log.touch(mode=0o666)
    log.chmod(0o666)
    almost = most - 64 * KIB
    os.truncate(log, almost)
    one = stand(log=log, start={"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))})
    workers = one.service.workers()
    with trial(one, "log may not grow") as t:
        for _ in t.blows(0.1, 0.3):
            wait_until(lambda: log.stat().st_size == most, 20, "a log of its largest size")
            t.more(50)
            os.truncate(log, almost)
            wait_until(lambda: log.stat().st_size > almost, what="a log that goes on")
    assert one.service.workers() == workers
    assert "File too large; lines are lost" in one.service.log()


def test_nothing_is_lost_when_the_disk_of_the_data_is_full(stand, trial, small_disk, new_database):
    database = new_database()
    disk = small_disk(60 * MIB)
    # WAL lies elsewhere: without room for that, PostgreSQL ends itself.
    database.cluster.psql("-c", f"CREATE TABLESPACE small LOCATION '{disk}'")
    try:
        database.cluster.psql("-c", f"ALTER DATABASE {database.name} SET TABLESPACE small")
        one = stand(database)
        ballast = disk / "ballast"
        with trial(one, "disk of the data full") as t:
            for _ in t.blows(0.2, 0.5):
                with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(64 * KIB))
                refused = len(t.history.failures)
                wait_until(lambda: len(t.history.failures) > refused + 20, 20, "refusals")
                ballast.unlink()
                t.came_back(time.monotonic())
        assert "SQLSTATE 53100" in one.service.log()
    finally:
        database.cluster.psql("-c", f"DROP DATABASE {database.name} WITH (FORCE)", "-c", "DROP TABLESPACE small")
