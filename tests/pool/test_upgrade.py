"""SIGUSR2: another program on the same sockets, in the same process."""

import os
import re
import shutil
import signal
import threading

import pytest

from stack import children, process_stat, wait_until
from test_workers import hammer


@pytest.fixture
def upgradable(pool):
    """A function: a Pool that runs a binary of its own, so that it can be replaced."""

    def new(*arguments, **options):
        p = pool(*arguments, **options)
        p.service.bin = p.dir / "program"
        install(p, p.place.bin)
        return p

    return new


def install(p, source):
    """Puts a program in the place of the running one, as a package manager does: by rename. Returns its inode."""
    new = p.dir / "new"
    if isinstance(source, str):
        new.write_text(source)
    else:
        shutil.copy(source, new)
    new.chmod(0o755)
    new.rename(p.dir / "program")
    return (p.dir / "program").stat().st_ino


def running(pid):
    """The inode of the program that a process runs."""
    return os.stat(f"/proc/{pid}/exe").st_ino


def upgrade(p):
    readies = p.readies()
    p.signal(signal.SIGUSR2)
    p.wait_ready(readies)


def test_upgrade_runs_the_new_file_in_the_same_process(upgradable):
    p = upgradable(workers=2).start()
    before = p.workers()
    for _ in range(2):
        new = install(p, p.place.bin)
        upgrade(p)
        assert running(p.pid) == new
        wait_until(lambda: len(p.workers()) == 2, what="two workers")
        assert {running(pid) for pid in p.workers()} == {new} and not set(before) & set(p.workers())
        assert p.pidfile.read_text() == f"{p.pid}\n" and p.socket.exists()
        assert p.ask().status == 200
        before = p.workers()
    p.signal(signal.SIGTERM)
    assert p.wait() == 0
    assert not p.socket.exists() and not p.pidfile.exists()  # the new program knows that they are its own
    assert " error " not in p.log(), p.log()


def test_upgrade_under_load_loses_nothing(upgradable):
    p = upgradable(workers=3).start()
    end = threading.Event()
    running_threads, seen = hammer(p, end)
    for n in range(3):
        wait_until(lambda: seen.get(200, 0) > n * 100, what="load")
        install(p, p.place.bin)
        upgrade(p)
    end.set()
    for thread in running_threads:
        thread.join()
    assert set(seen) == {200}, seen
    assert " died" not in p.log() and "killed" not in p.log()


def test_upgrade_finishes_the_requests_in_hand(upgradable):
    p = upgradable(workers=2, requests_in_hand=1).start()
    with p.held():
        pending = [p.start_held() for _ in range(2)]
        readies = p.readies()
        p.signal(signal.SIGUSR2)
        p.wait_log("took over 2 workers")
        wait_until(lambda: len(p.workers()) == 3, what="a successor")
        assert p.ask("GET", "/api/v1/nowhere").status == 404
    assert [one.result().status for one in pending] == [200] * 2
    wait_until(lambda: p.readies() > readies, 20, "the upgrade")


def test_a_worker_of_the_former_program_has_an_obituary(upgradable):
    p = upgradable(workers=1).start()
    (pid,) = p.workers()
    assert {p.ask().status for _ in range(3)} == {200}
    with p.held():
        pending = p.start_held("GET", headers=[("X-Request-Id", "former-1")])
        p.signal(signal.SIGUSR2)
        p.wait_log("took over 1 workers")
        os.kill(pid, signal.SIGKILL)
        p.wait_log(" died: ")
    assert pending.result().status is None
    assert re.search(rf"pid={pid} was=\w+ doing=handling uptime_ms=\d+ requests=3 in_hand=1\n", p.log()), p.log()
    p.wait_log("had a request in hand: request=former-1 route=")
    assert "counters start at zero" not in p.log()


def test_upgrade_keeps_the_number_of_workers(upgradable):
    p = upgradable(workers=1).start()
    p.signal(signal.SIGTTIN)
    wait_until(lambda: len(p.workers()) == 2, what="two workers")
    upgrade(p)
    assert p.log().count("ready: 2 workers") == 1
    p.write_conf(workers=3)
    upgrade(p)
    assert p.log().count("ready: 3 workers") == 1
    readies = p.readies()
    p.signal(signal.SIGHUP)
    p.wait_ready(readies)
    wait_until(lambda: len(p.workers()) == 3, what="three workers")


@pytest.mark.parametrize("program, message", [
    pytest.param("no program", "Exec format error", id="no program"),
    pytest.param("#!/nonexistent\n", "exit code 127", id="no interpreter"),
    pytest.param("#!/bin/sh\nkill -SEGV $$\n", "ended by signal 11", id="crash"),
    pytest.param("#!/bin/sh\nexit 3\n", "exit code 3", id="failure"),
])
def test_upgrade_to_a_bad_program_is_refused(upgradable, program, message):
    p = upgradable().start()
    before, old = p.workers(), running(p.pid)
    install(p, program)
    p.signal(signal.SIGUSR2)
    p.wait_log("upgrade refused, keeping the running program")
    assert message in p.log()
    assert running(p.pid) == old and p.workers() == before and p.ask().status == 200
    new = install(p, p.place.bin)
    upgrade(p)
    assert running(p.pid) == new and p.ask().status == 200


def test_upgrade_without_a_program_is_refused(upgradable):
    p = upgradable().start()
    (p.dir / "program").unlink()
    p.signal(signal.SIGUSR2)
    p.wait_log("upgrade refused, keeping the running program: ")
    assert p.ask().status == 200


def test_upgrade_with_a_bad_configuration_is_refused(upgradable, proc_database):
    p = upgradable().start()
    before = p.workers()
    for count, wrong in enumerate([{"workers": "none"}, {"workers": 2, "database_url": proc_database.owner_url}], 1):
        p.write_conf(**wrong)
        p.signal(signal.SIGUSR2)
        wait_until(lambda: p.log().count("upgrade refused") == count, what="the refusal")
        assert "exit code 78" in p.log()
        assert p.workers() == before and p.ask().status == 200


def test_upgrade_to_a_program_that_does_not_know_the_schema_is_refused(upgradable, new_database):
    database = new_database()
    p = upgradable(database).start()
    before = p.workers()
    with database.connect() as db, db.cursor() as cursor:
        cursor.execute("INSERT INTO schema_migration (version, name, checksum) VALUES (999, 'later', '')")
    p.signal(signal.SIGUSR2)
    p.wait_log("upgrade refused")
    assert "install the newer clientele" in p.log() and p.workers() == before


def test_upgrade_while_the_database_is_away_is_refused(upgradable, proc_database, place):
    folder = place.new("away") / "sockets"
    folder.symlink_to(proc_database.cluster.sockets)
    p = upgradable(database_url=f"host={folder} dbname={proc_database.name} user=clientele_serve connect_timeout=2").start()
    folder.unlink()
    p.signal(signal.SIGUSR2)
    p.wait_log("upgrade refused")
    folder.symlink_to(proc_database.cluster.sockets)
    wait_until(lambda: p.ask().status == 200, what="an answer from the database")


def test_stop_during_an_upgrade(upgradable):
    p = upgradable().start()
    p.signal(signal.SIGUSR2)
    p.wait_log("rehearsing")
    p.signal(signal.SIGTERM)
    assert p.wait() == 0
    assert not p.socket.exists()


def test_killed_during_an_upgrade_nobody_is_left(upgradable):
    p = upgradable().start()
    workers = p.workers()
    p.signal(signal.SIGUSR2)
    p.wait_log("rehearsing")
    everybody = {*workers, *p.workers()}
    p.signal(signal.SIGKILL)
    p.wait()
    wait_until(lambda: all((process_stat(pid) or "Z")[0] in "ZX" for pid in everybody), what="the end of all")


def test_reload_and_upgrade_at_once_both_happen(upgradable):
    p = upgradable().start()
    p.signal(signal.SIGUSR2)
    p.signal(signal.SIGHUP)
    wait_until(lambda: "took over" in p.log() and ": reloading" in p.log(), what="both")
    wait_until(lambda: p.ask().status == 200 and len(p.workers()) == 2, what="two workers")


def test_reload_that_comes_during_a_rehearsal_is_done_by_the_next_program(upgradable):
    p = upgradable().start()
    p.signal(signal.SIGUSR2)
    wait_until(lambda: ": upgrade: rehearsing" in p.log(), what="a rehearsal")
    p.signal(signal.SIGHUP)
    wait_until(lambda: "took over" in p.log(), 20, "the next program")
    wait_until(lambda: ": reloading" in p.log().split("took over")[1], what="its reload")


def test_upgrade_as_process_1(upgradable, place):
    command = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if place.run(*command, "true", check=False).returncode != 0:
        pytest.skip("no namespaces here")
    p = upgradable(pidfile=None)
    p.service.process = place.spawn(p.log_file, *command, p.service.bin, "-c", p.conf, "serve")
    p.wait_ready()
    (supervisor,) = children(p.pid)
    new = install(p, p.place.bin)
    readies = p.readies()
    os.kill(supervisor, signal.SIGUSR2)
    wait_until(lambda: p.readies() > readies or p.ended(), 20, "the upgrade")
    assert children(p.pid) == [supervisor] and running(supervisor) == new
    assert "supervisor[1]: took over 2 workers" in p.log()
    assert p.ask().status == 200
    os.kill(supervisor, signal.SIGTERM)
    assert p.wait() == 0


def test_started_by_its_name_it_is_found_in_the_path(upgradable, place):
    p = upgradable()
    p.service.process = place.spawn(p.log_file, "sh", "-c", f'exec program -c "{p.conf}" serve', env={"PATH": f"{p.dir}:/usr/bin:/bin"})
    p.wait_ready()
    new = install(p, p.place.bin)
    upgrade(p)
    assert running(p.pid) == new


def test_a_handover_to_somebody_else_is_not_taken(pool):
    p = pool()
    p.service.start(False, env={"CLIENTELE_HANDOVER": "pid=1 lifeline=7,8 socket.listen=9,1"})
    p.wait_ready()
    assert p.ask().status == 200
