"""Commands wait for their outcome and exit with it; a reload is rehearsed; the last refusal is told."""

import contextlib
import json
import os
import signal
import socket

import pytest

from conftest import Pending
from stack import Cluster, free_port, wait_until
from test_admin import Admin
from test_upgrade import install


@pytest.fixture
def admin(pool):
    """A function: an Admin that runs a program of its own, not started yet."""

    def new(database=None, **options):
        a = Admin(pool(database, **options))
        a.pool.service.bin = a.dir / "program"
        install(a, a.place.bin)
        return a

    return new


def reload(a, *more):
    return a.clientele("reload", "--wait", *more)


# ---------------------------------------------------------------- outcomes


def test_a_reload_that_is_waited_for_says_what_came_of_it(admin):
    a = admin(workers=2).start()
    before = set(a.worker_pids())
    done = reload(a)
    assert (done.returncode, done.stdout, done.stderr) == (0, "reloaded: generation 2, 2 workers\n", "")
    wait_until(lambda: len(a.worker_pids()) == 2 and not before & set(a.worker_pids()), what="new workers alone")
    done = reload(a, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["done"] is True
    assert json.loads(done.stdout)["pool"]["generation"] == 3
    state = a.state()
    assert state["lastRefusal"] is None and state["pool"]["reloads"] == 2 and state["pool"]["reloadsRefused"] == 0
    assert "refused" not in a.clientele("status").stdout


def test_a_refused_reload_fails_and_is_remembered(admin):
    a = admin(workers=1).start()
    a.write_conf(workers="many")
    done = reload(a)
    assert (done.returncode, done.stdout) == (78, "") and "workers" in done.stderr and "many" in done.stderr
    done = reload(a, "--json")
    assert done.returncode == 78 and "many" in json.loads(done.stderr.removeprefix("clientele: "))["error"]
    state, metrics = a.state(), a.metrics()
    assert state["lastRefusal"]["change"] == "reload" and "many" in state["lastRefusal"]["why"]
    assert state["lastRefusal"]["stands"] is True and state["lastRefusal"]["atMs"] == state["pool"]["lastRefusalMs"]
    assert metrics["clientele_reload_refused"] == 1 and metrics["clientele_reloads_refused_total"] == 2
    assert metrics["clientele_upgrade_refused"] == 0 and metrics["clientele_last_refusal_time_seconds"] > 1e9
    assert "many" in next(line for line in a.clientele("status").stdout.splitlines() if line.startswith("refused   reload, "))
    a.write_conf(workers=1)
    assert reload(a).returncode == 0
    state = a.state()
    assert state["lastRefusal"]["stands"] is False and state["pool"]["reloadRefused"] == 0
    assert "(a later one was done)" in a.clientele("status").stdout
    assert a.metrics()["clientele_reload_refused"] == 0


def test_a_service_with_a_broken_configuration_can_still_be_asked(admin):
    a = admin(workers=1).start()
    a.write_conf(workers="many")
    assert a.clientele("status").returncode == 0
    assert a.clientele("workers", "2", "--wait").stdout == "changed: generation 1, 2 workers\n"


def test_a_reload_by_signal_is_remembered_too(admin):
    a = admin(workers=1).start()
    a.write_conf(log_level="loud")
    a.signal(signal.SIGHUP)
    wait_until(lambda: a.state()["lastRefusal"], what="the refusal")
    assert "loud" in a.state()["lastRefusal"]["why"]


def test_without_a_terminal_a_command_does_not_wait_unless_told(admin):
    a = admin(workers=1).start()
    assert a.clientele("reload").stdout == "requested: reload (now generation 1)\n"
    assert a.clientele("reload", "--no-wait").stdout.startswith("requested: reload ")
    assert a.clientele("reload", "--wait", "--no-wait").returncode == 64
    script = ["script", "-qec", f"{a.place.bin} -c {a.conf} reload", "/dev/null"]
    done = a.place.run(*script)
    assert done.stdout.startswith("reloaded: generation "), done


def test_who_waits_gets_the_outcome_of_a_reload_that_began_after_it_asked(admin):
    a = admin(workers=1).start()
    first = int(a.get("/changes?of=reload&format=text").text)
    pending = [Pending(lambda: reload(a)) for _ in range(4)]
    assert {one.result().returncode for one in pending} == {0}
    assert a.figures()["reloads"] > first
    assert a.get("/changes?of=nothing").status == 400 and a.get("/changes").status == 400
    assert a.get("/changes?of=reload&after=x").status == 400
    assert a.get("/changes?of=reload&after=1000000").status == 409  # of a service that was there before


def test_a_wait_ends_in_time_and_says_how_far_it_is(admin):
    a = admin(workers=1).start()
    with contextlib.closing(a.database.connect()) as db:
        db.autocommit = False
        db.cursor().execute("LOCK TABLE schema_migration IN ACCESS EXCLUSIVE MODE")  # the check waits for it
        done = a.clientele("reload", "--wait", "300ms")
        assert (done.returncode, done.stdout) == (75, "")
        assert done.stderr.startswith("clientele: reload is not done yet: 1 of 1 workers ") and "clientele status" in done.stderr
        db.rollback()
    wait_until(lambda: a.figures()["generation"] == 2, what="the reload")


def test_workers_reopen_and_stop_are_waited_for(admin):
    a = admin(workers=1).start()
    assert a.clientele("workers", "+2", "--wait").stdout == "changed: generation 1, 3 workers\n"
    assert len(a.worker_pids()) == 3
    assert a.clientele("reopen", "--wait").stdout == "reopened the log: generation 1, 3 workers\n"
    with a.held():
        request = a.start_held()
        done = a.clientele("stop", "--wait=300ms")
        assert done.returncode == 75 and "not stopped yet" in done.stderr
    done = a.clientele("stop", "--wait")
    assert done.returncode in (0, 69)  # it may be gone already
    assert request.result().status == 200 and a.wait() == 0


def test_systemd_can_reload_a_service_that_takes_no_commands(pool):
    """As ExecReload=, with admin_listen on TCP, and without one."""
    a = Admin(pool(workers=1), ("127.0.0.1", free_port())).start()
    assert reload(a).returncode == 69
    main = {"MAINPID": str(a.pid)}
    assert a.clientele("reload", "--wait", env=main).stdout == "reloaded: generation 2, 1 workers\n"
    a.write_conf(workers="many")
    done = a.clientele("reload", "--wait", env=main)
    assert done.returncode == 78 and "many" in done.stderr
    p = pool(workers=1).start()
    readies = p.readies()
    done = p.place.run(p.place.bin, "-c", p.conf, "reload", "--wait", env={"MAINPID": str(p.pid)})
    assert done.returncode == 0 and "is in the log alone" in done.stderr
    p.wait_ready(readies)
    p.write_conf(workers="many")
    done = p.place.run(p.place.bin, "-c", p.conf, "reload", "--wait", env={"MAINPID": str(p.pid)}, check=False)
    assert done.returncode == 78 and "many" in done.stderr


# ---------------------------------------------------------------- upgrades


def test_an_upgrade_that_is_waited_for_says_what_came_of_it(admin):
    a = admin(workers=2).start()
    install(a, a.place.bin)
    done = a.clientele("upgrade", "--wait")
    assert done.returncode == 0 and done.stdout.startswith("upgraded to ") and done.stdout.endswith(": generation 2, 2 workers\n")
    install(a, "#!/bin/sh\nexit 78\n")
    done = a.clientele("upgrade", "--wait")
    assert done.returncode == 78 and "exit code 78: its configuration, its role or its schema is not fit" in done.stderr
    install(a, a.place.bin)
    a.write_conf(workers="many")
    done = a.clientele("upgrade", "--wait")
    assert done.returncode == 78 and "workers must be auto" in done.stderr and "many" in a.state()["lastRefusal"]["why"]
    a.write_conf(workers=2, database_url=a.database.owner_url)
    done = a.clientele("upgrade", "--wait")
    assert done.returncode == 78 and "database_url connects as" in done.stderr
    a.write_conf(database_url=a.database.serve_url)
    install(a, "no program at all")
    done = a.clientele("upgrade", "--wait")
    assert done.returncode == 70 and "exit code 127: Exec format error" in done.stderr
    os.unlink(a.dir / "program")
    done = a.clientele("upgrade", "--wait")
    assert done.returncode == 71 and "No such file" in done.stderr
    refusal = a.state()["lastRefusal"]
    assert refusal["change"] == "upgrade" and "No such file" in refusal["why"] and refusal["stands"]
    assert a.metrics()["clientele_upgrades_refused_total"] == 5 and a.metrics()["clientele_upgrade_refused"] == 1
    install(a, a.place.bin)
    assert a.clientele("upgrade", "--wait").returncode == 0
    refusal = a.state()["lastRefusal"]  # the next program knows of it
    assert refusal["change"] == "upgrade" and not refusal["stands"]


# ---------------------------------------------------------------- a reload is rehearsed


def broken_urls(a, cluster):
    return {
        "no such database": cluster.url("clientele_serve", "nowhere"),
        "no such role": cluster.url("nobody_at_all", a.database.name),
        "no server": "postgresql://clientele_serve@/x?host=/nonexistent",
        "the owner": a.database.owner_url,
        "no schema": cluster.url("clientele_serve", "postgres"),
    }


@pytest.mark.parametrize("kind", ["no such database", "no such role", "no server", "the owner", "no schema"])
def test_a_reload_to_a_database_that_does_not_work_keeps_the_old_workers(admin, cluster, kind):
    a = admin(workers=2).start()
    before = a.worker_pids()
    a.write_conf(database_url=broken_urls(a, cluster)[kind])
    done = reload(a)
    assert done.returncode in (75, 78) and done.stdout == "", done
    assert a.worker_pids() == before and a.pool.ask().status == 200
    assert a.figures()["generation"] == 1 and a.state()["lastRefusal"]["why"] in done.stderr
    # A worker that has to be replaced now gets what the others have.
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len(a.worker_pids()) == 2 and before[0] not in a.worker_pids(), what="a successor")
    for _ in range(4):
        assert a.pool.ask().status == 200


def test_a_reload_mends_a_database_that_is_away(admin, key, proc_database, place):
    other = Cluster(place)
    try:
        database = other.database("moved")
        a = admin(database, workers=2)
        a.pool.key = database.organization("Moved Ltd").key("live")
        a.start()
        assert a.pool.ask().status == 200
        other.stop("immediate")
        wait_until(lambda: a.pool.ask().status == 503, what="a database that is away")
        # Neither works: nothing gets worse, and something else in it may be what was wanted.
        a.write_conf(database_url="postgresql://clientele_serve@/x?host=/nonexistent")
        done = reload(a)
        assert done.stdout == "reloaded: generation 2, 2 workers\n", (done, a.log())
        a.write_conf(database_url=proc_database.serve_url)
        done = reload(a)
        assert done.stdout == "reloaded: generation 3, 2 workers\n", done
        a.pool.key = key
        assert a.pool.ask().status == 200
    finally:
        other.stop("immediate")


def test_a_reload_while_the_same_database_is_away_goes_through(admin, place):
    other = Cluster(place)
    try:
        database = other.database("away")
        a = admin(database, workers=1).start()
        other.stop("immediate")
        a.write_conf(log_level="debug")
        assert reload(a).returncode == 0
        assert a.pool.ask().status == 503
        other.start()
        wait_until(lambda: a.get("/ready").status == 200, 20, "the database")
    finally:
        other.stop("immediate")


# ---------------------------------------------------------------- files of sockets


@pytest.mark.parametrize("replaced", [False, True], ids=["removed", "replaced"])
def test_a_socket_file_that_goes_away_is_made_again(admin, replaced):
    a = admin(workers=2).start()
    with a.held():
        pending = a.start_held()  # in hand when it happens
        for path in (a.pool.socket, a.socket):
            path.unlink()
            if replaced:
                with contextlib.closing(socket.socket(socket.AF_UNIX)) as dead:
                    dead.bind(str(path))
                    path.chmod(0o666)
        wait_until(lambda: a.accepts() and a.log().count("it has been made again") == 2, what="both sockets")
    assert pending.result().status == 200
    wait_until(lambda: a.get("/ready").status == 200 and a.figures()["serving"] == 2, what="ready")
    assert {a.pool.ask().status for _ in range(10)} == {200}
    wait_until(lambda: a.figures()["queueLength"] in (0, None), what="an empty queue")
    a.signal(signal.SIGTERM)
    assert a.wait() == 0 and not a.pool.socket.exists() and not a.socket.exists()


def test_a_socket_whose_place_is_taken_makes_the_service_not_ready(admin):
    a = admin(workers=1).start()
    a.pool.socket.unlink()
    a.pool.socket.write_text("somebody else's")
    wait_until(lambda: a.get("/ready").status == 503, what="not ready")
    assert "the file of the listen socket is gone" in a.get("/ready?verbose").json["checks"]["socket"]
    assert "socket    the file of the listen socket is gone" in a.clientele("status").stdout
    assert a.metrics()["clientele_listening"] == 0
    assert "exists and is not a socket" in a.log() and a.log().count("nobody finds the socket") == 1
    a.pool.socket.unlink()
    wait_until(lambda: a.get("/ready").status == 200, 20, "ready again")
    assert a.pool.ask().status == 200


def test_an_inherited_socket_that_goes_away_is_told(pool, place):
    a = Admin(pool(listen="", pidfile=None, workers=1))
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
        s.bind(str(a.pool.socket))
        os.chmod(a.pool.socket, 0o666)
        s.listen(64)
        script = f'exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "{place.bin}" -c "{a.conf}" serve'
        a.pool.service.process = place.spawn(a.log_file, "sh", "-c", script, stdin=s.fileno())
    a.wait_ready()
    wait_until(lambda: a.get("/ready").status == 200, what="ready")
    a.pool.socket.unlink()
    wait_until(lambda: a.get("/ready").status == 503, what="not ready")
    assert "systemctl restart clientele.socket clientele.service" in a.log()
