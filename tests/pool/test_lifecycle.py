"""Starting, stopping, and what becomes of requests meanwhile."""

import contextlib
import fcntl
import os
import signal
import socket
import stat
import subprocess
import time

import pytest

import fastcgi
from conftest import CUSTOMERS, Pending, timed
from stack import PATIENCE, free_port, wait_until


def alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


# ---------------------------------------------------------------- stop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_leaves_nothing_behind(pool, number):
    p = pool().start()
    workers = p.workers()
    assert p.ask().status == 200
    assert p.pidfile.read_text() == f"{p.pid}\n"
    p.signal(number)
    assert p.wait() == 0
    assert not p.socket.exists() and not p.pidfile.exists()
    assert not any(alive(pid) for pid in workers)


def test_stop_finishes_the_request_in_hand(pool):
    p = pool().start()
    with p.held():
        pending = p.start_held()
        p.signal(signal.SIGTERM)
        wait_until(lambda: not p.socket.exists(), what="removal of the socket file")
        assert not p.ended()
    assert pending.result().status == 200
    assert p.wait() == 0


def test_stop_answers_what_is_queued(one_worker):
    p = one_worker
    with p.held():
        pending = p.start_held()
        queued = [p.connect().send(p.request()) for _ in range(20)]
        p.signal(signal.SIGTERM)
        wait_until(lambda: not p.socket.exists(), what="removal of the socket file")
    assert pending.result().status == 200
    assert [connection.answer().status for connection in queued] == [200] * 20
    assert p.wait() == 0


@pytest.mark.parametrize("numbers", [[signal.SIGTERM, signal.SIGTERM], [signal.SIGINT, signal.SIGTERM], [signal.SIGQUIT]])
def test_second_signal_or_quit_stops_at_once(pool, numbers):
    p = pool().start()
    workers = p.workers()
    with p.held():
        pending = p.start_held()
        for number in numbers[:-1]:
            p.signal(number)
            p.wait_log("stopping")  # two at the same instant would be one
        p.signal(numbers[-1])
        _, seconds = timed(p.wait)
        assert seconds < 2 * PATIENCE
        assert pending.result().status is None
    assert not any(alive(pid) for pid in workers) and not p.socket.exists()


def test_stop_kills_after_shutdown_timeout(pool):
    p = pool(shutdown_timeout="300ms").start()
    with p.held():
        pending = p.start_held()
        p.signal(signal.SIGTERM)
        _, seconds = timed(p.wait)
        assert 0.3 <= seconds < 5 * PATIENCE
        assert pending.result().status is None
    assert "did not leave in time" in p.log()


def test_stop_works_when_the_parent_had_blocked_the_signals(pool):
    blocked = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
    p = pool()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        p.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert p.ask().status == 200
    p.signal(signal.SIGTERM)
    assert p.wait() == 0


def test_workers_leave_when_the_supervisor_is_killed(pool):
    p = pool().start()
    workers = p.workers()
    with p.held():
        pending = p.start_held()
        p.signal(signal.SIGKILL)
        p.wait()
        wait_until(lambda: sum(map(alive, workers)) == 1, what="the end of the idle worker")
    assert pending.result().status == 200
    wait_until(lambda: not any(map(alive, workers)), what="the end of the busy worker")


# ---------------------------------------------------------------- start


def test_start_removes_a_left_over_socket(pool):
    p = pool().start()
    for pid in [p.pid, *p.workers()]:
        os.kill(pid, signal.SIGKILL)
    p.wait()
    assert p.socket.exists()
    p.start()
    assert p.ask().status == 200


def test_start_refuses_a_socket_on_which_someone_answers(pool):
    first = pool().start()
    second = pool(listen=f"unix:{first.socket}")
    second.start(False)
    _, seconds = timed(second.wait)
    assert second.process.returncode == 75 and seconds < 5 * PATIENCE  # it may pass, but not by itself
    assert f"listen: another process answers on {first.socket}: {first.pid}, which is running" in second.log()
    assert first.ask().status == 200
    assert first.pidfile.exists() and not second.pidfile.exists()


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_a_start_waits_for_no_request_that_a_killed_supervisor_left_behind(pool, tcp):
    """Its worker waits for a row, and has given the socket up. It once kept it, for the sake of idle connections of nginx, too."""
    p = pool(**({"listen": f"127.0.0.1:{free_port()}"} if tcp else {}))
    if tcp:
        host, port = p.options["listen"].split(":")
        p.address = (host, int(port))
        p.service.start(False)
        p.wait_ready()
    else:
        p.start()
    with p.held():
        pending = p.start_held()
        p.signal(signal.SIGKILL)
        p.wait()
        readies = p.readies()
        p.service.start(False)
        p.wait_ready(readies)
        assert p.ask("GET", "/api/v1/plans").status == 200
        assert p.waiting() == 1
    assert pending.result().status == 200
    assert p.ask().status == 200


def test_what_may_pass_is_no_mistake_of_the_configuration(pool):
    p = pool(listen=f"192.0.2.1:{free_port()}")  # an address that this machine does not have, yet
    p.service.start(False)
    assert p.wait() == 75 and "Cannot assign requested address" in p.log()
    p = pool(shutdown_timeout="200ms")
    with contextlib.closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        p.write_conf(listen="127.0.0.1:{}".format(other.getsockname()[1]))
        p.service.start(False)
        assert p.wait() == 75 and "Address already in use" in p.log()
    p = pool()
    folder = os.open(p.dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        p.service.start(False)
        assert p.wait() == 75 and f"another process holds a lock on the folder {p.dir}" in p.log()
    finally:
        os.close(folder)
    assert not p.pidfile.exists()


def test_a_start_that_waits_in_vain_may_be_tried_again(pool):
    """For a worker that stands still, and so has the socket open."""
    p = pool(shutdown_timeout="300ms").start()
    still = p.workers()[0]
    os.kill(still, signal.SIGSTOP)
    try:
        p.signal(signal.SIGKILL)
        p.wait()
        p.service.start(False)
        assert p.wait() == 75
        assert "left by a service that has ended" in p.log()
    finally:
        os.kill(still, signal.SIGCONT)
    wait_until(lambda: not p.accepts(), what="the end of the worker")
    p.start()
    assert p.ask().status == 200


def test_a_pidfile_belongs_to_the_service_that_lives(pool):
    first = pool().start()
    second = pool(pidfile=first.pidfile)
    second.start(False)
    assert second.wait() == 75
    assert f"pidfile: {first.pidfile} belongs to the process {first.pid}, which is running" in second.log()
    assert first.pidfile.read_text() == f"{first.pid}\n" and not second.socket.exists()
    # Another one that came to be there is not removed, and one that a dead service left behind is taken.
    first.pidfile.unlink()
    first.pidfile.write_text("4711\n")
    first.pidfile.chmod(0o666)
    first.signal(signal.SIGTERM)
    assert first.wait() == 0 and first.pidfile.read_text() == "4711\n"
    second.start()
    assert second.pidfile != first.pidfile or second.ask().status == 200
    assert first.pidfile.read_text() == f"{second.pid}\n"
    second.signal(signal.SIGKILL)
    second.wait()
    wait_until(lambda: not second.accepts(), what="the end of the workers")
    assert first.pidfile.exists()
    second.start()
    assert first.pidfile.read_text() == f"{second.pid}\n"
    second.signal(signal.SIGTERM)
    assert second.wait() == 0 and not first.pidfile.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes somebody else")
def test_files_that_cannot_be_removed_at_the_end_are_told_at_the_start(pool, place):
    """A folder of root's, as /run is."""
    folder = place.new("r")
    os.chown(folder, 0, 0)
    folder.chmod(0o755)
    p = pool(user="postgres", pidfile=folder / "pid", listen=f"unix:{folder}/socket", listen_mode="0666")
    place.as_user, before = {}, place.as_user
    try:
        p.service.start(False)
    finally:
        place.as_user = before
    p.wait_ready()
    assert f"listen: {folder}/socket will be left behind at the end: this user may not write to the folder {folder}" in p.log()
    assert f"pidfile: {folder}/pid will be left behind at the end" in p.log()
    readies = p.readies()
    p.signal(signal.SIGUSR2)  # the next program can take the file although it is not root
    p.wait_ready(readies)
    assert "pidfile: " not in p.log().split("took over")[1]
    p.signal(signal.SIGTERM)
    assert p.wait() == 0


def test_start_refuses_a_file_that_is_no_socket(pool):
    p = pool()
    p.socket.write_text("precious")
    p.start(False)
    assert p.wait() == 78
    assert "is not a socket" in p.log() and p.socket.read_text() == "precious"


@pytest.mark.parametrize("mode, expected", [(None, 0o660), ("0600", 0o600), ("0666", 0o666)])
def test_socket_file_has_the_configured_mode(pool, mode, expected):
    p = pool(**({"listen_mode": mode} if mode else {})).start()
    assert stat.S_IMODE(p.socket.stat().st_mode) == expected


@pytest.mark.parametrize("options, message", [
    ({"bogus": "1"}, 'there is no key "bogus"'),
    ({"workers": "many"}, "workers must be auto, dynamic or a whole number from 1 to 512"),
    ({"listen": "nowhere"}, "not unix:/path"),
    ({"listen_allow": "1.2.3.4.5"}, "no address or network"),
    ({"listen_owner": "no-such-user-here"}, "there is no user"),
    ({"pidfile": "/nonexistent/folder/pid"}, "pidfile: "),
    ({"listen": ""}, "nothing to listen on"),
])
def test_start_refuses_a_wrong_configuration(pool, options, message):
    p = pool(**options)
    p.start(False)
    assert p.wait() == 78
    assert message in p.log() and not p.socket.exists()


def test_start_names_file_and_line_of_an_error(pool):
    p = pool()
    p.conf.write_text("# one\n\nworkers = 0\n")
    p.start(False)
    assert p.wait() == 78
    assert f"{p.conf}:3: workers must be" in p.log()


def test_start_refuses_a_database_without_the_schema(pool, new_database):
    p = pool(new_database(migrate=False))
    p.start(False)
    assert p.wait() == 78
    assert "clientele migrate" in p.log() and not p.socket.exists()


def test_start_refuses_the_owner_role(pool, proc_database):
    p = pool(database_url=proc_database.owner_url)
    p.start(False)
    assert p.wait() == 78
    assert not p.socket.exists()


def test_start_without_database_answers_503_until_it_is_there(pool, proc_database, place):
    folder = place.new("later") / "sockets"
    p = pool(database_url=f"host={folder} dbname={proc_database.name} user=clientele_serve connect_timeout=2").start()
    answer = p.ask()
    assert answer.status == 503 and b"service_unavailable" in answer.body
    folder.symlink_to(proc_database.cluster.sockets)
    wait_until(lambda: p.ask().status == 200, what="an answer from the database")


def test_listens_on_tcp_for_allowed_addresses(pool):
    port = free_port()
    p = pool(listen=f"127.0.0.1:{port}", listen_allow="10.0.0.0/8, 127.0.0.0/8")
    p.service.start(False)
    p.wait_ready()
    assert fastcgi.ask(("127.0.0.1", port), "GET", CUSTOMERS, [("x-api-key", p.key)]).status == 200


def test_refuses_tcp_peers_that_are_not_listed(pool):
    port = free_port()
    p = pool(listen=f"127.0.0.1:{port}", listen_allow="10.0.0.0/8")
    p.service.start(False)
    p.wait_ready()
    for _ in range(20):
        assert fastcgi.ask(("127.0.0.1", port), "GET", CUSTOMERS, [("x-api-key", p.key)]).status is None
    assert p.log().count("not in listen_allow") == 1  # strangers do not fill the log


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_started_as_root_it_becomes_the_user(pool, place):
    p = pool(user="postgres", listen_owner="postgres:postgres")
    place.as_user, before = {}, place.as_user
    try:
        p.start()
    finally:
        place.as_user = before
    for pid in [p.pid, *p.workers()]:
        assert os.stat(f"/proc/{pid}/net").st_uid in (0, before["user"])  # /proc of guarded processes belongs to root
        with open(f"/proc/{pid}/status") as status:
            fields = dict(line.split(":\t", 1) for line in status)
        assert set(fields["Uid"].split()) == {str(before["user"])} and set(fields["Gid"].split()) == {str(before["group"])}
    assert p.socket.stat().st_uid == before["user"]
    assert p.ask().status == 200


# ---------------------------------------------------------------- sockets from outside


def listening(path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(path))
    os.chmod(path, 0o666)
    s.listen(64)
    return s


def test_socket_on_descriptor_0_makes_a_single_worker(pool):
    p = pool(listen="", pidfile=None)
    with listening(p.socket) as s:
        p.service.start(False, stdin=s.fileno())
    assert p.ask().status == 200
    assert p.workers() == []
    with p.held():
        pending = p.start_held()
        p.signal(signal.SIGTERM)
    assert pending.result().status == 200
    assert p.wait() == 0
    assert p.socket.exists()  # whoever made it removes it


def test_single_worker_refuses_what_the_supervisor_would_refuse(pool, new_database):
    p = pool(new_database(migrate=False), listen="")
    with listening(p.socket) as s:
        p.service.start(False, stdin=s.fileno())
    assert p.wait() == 78


def test_started_by_spawn_fcgi(pool, place):
    p = pool(listen="", pidfile=None)
    done = place.run("spawn-fcgi", "-s", p.socket, "-P", p.dir / "spawned", "-F", "2", "--", place.bin, "-c", p.conf, "serve")
    pids = [int(pid) for pid in (p.dir / "spawned").read_text().split()]
    try:
        assert len(pids) == 2, done.stdout
        assert {p.ask().status for _ in range(10)} == {200}
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not any(map(alive, pids)), what="the end of both")


def test_takes_a_socket_from_systemd(pool, place):
    p = pool(listen="unix:/not/used")
    with listening(p.socket) as s:
        # The shell keeps its pid over exec, which is what LISTEN_PID must say.
        script = f'exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "{place.bin}" -c "{p.conf}" serve'
        p.service.process = place.spawn(p.log_file, "sh", "-c", script, stdin=s.fileno())
    p.wait_ready()
    assert {p.ask().status for _ in range(10)} == {200}
    assert len(p.workers()) == 2
    readies = p.readies()
    p.signal(signal.SIGUSR2)  # another program image has it, too
    p.wait_ready(readies)
    assert {p.ask().status for _ in range(10)} == {200}
    p.signal(signal.SIGTERM)
    assert p.wait() == 0
    assert p.socket.exists()


class Manager:
    """systemd's end of sd_notify(3)."""

    def __init__(self, folder):
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        os.chmod(self.path, 0o666)
        self.socket.settimeout(10 * PATIENCE)
        self.env = {"NOTIFY_SOCKET": str(self.path)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def next(self, *but):
        """What it is told next, without messages that begin like one of these."""
        while True:
            text = self.socket.recv(1000).decode()
            if not text.startswith(but or "STATUS="):
                return text

    def status(self, wanted):
        while self.socket.recv(1000).decode() != f"STATUS={wanted}":
            pass


def test_tells_systemd_what_it_does(pool):
    p = pool()
    with Manager(p.dir) as manager:
        p.start(env=manager.env)
        assert manager.next() == "READY=1"
        for number in (signal.SIGHUP, signal.SIGUSR2):
            before = time.monotonic()
            p.signal(number)
            what, when = manager.next().split("\n")
            assert what == "RELOADING=1" and when.startswith("MONOTONIC_USEC=")
            assert before - 0.1 <= int(when.split("=")[1]) / 1e6 <= time.monotonic()
            assert manager.next() == "READY=1"
        p.signal(signal.SIGTERM)
        assert manager.next() == "STOPPING=1"
    assert p.wait() == 0


def test_tells_systemd_a_status_and_that_it_lives(pool):
    p = pool()
    with Manager(p.dir) as manager:
        p.start(env={**manager.env, "WATCHDOG_USEC": "400000"})
        manager.status("2 workers, 0 busy")
        with p.held():
            pending = p.start_held()
            manager.status("2 workers, 1 busy")
        assert pending.result().status == 200
        manager.status("2 workers, 0 busy")
        seen = [(manager.next("STATUS=", "READY="), time.monotonic()) for _ in range(4)]
        assert {text for text, _ in seen} == {"WATCHDOG=1"}
        assert all(0.1 < b - a < 0.4 * PATIENCE for (_, a), (_, b) in zip(seen, seen[1:])), seen


def test_idle_supervisor_wakes_once_a_second(pool):
    p = pool(workers=4).start()

    def switches():
        with open(f"/proc/{p.pid}/status") as status:
            return int(next(line for line in status if line.startswith("voluntary_ctxt_switches")).split()[1])

    time.sleep(1.5)  # what the start has left behind
    before = switches()
    time.sleep(3)
    assert switches() - before <= 4


# ---------------------------------------------------------------- clientele check


def test_check_judges_a_configuration(pool):
    p = pool()
    done = p.place.run(p.place.bin, "-c", p.conf, "check")
    assert done.stdout == "configuration ok\n" and not p.socket.exists()
    p.write_conf(workers="-1")
    done = p.place.run(p.place.bin, "-c", p.conf, "check", check=False)
    assert done.returncode == 78 and f"{p.conf}:" in done.stderr


def test_check_prints_without_secrets(pool):
    p = pool(database_url="host=/nowhere password=hush", max_requests=7)
    text = p.place.run(p.place.bin, "-c", p.conf, "--request-timeout=90s", "check", "--print", env={"CLIENTELE_BODY_MAX": "1M"}).stdout
    assert "hush" not in text and "database_url = ********\n" in text
    assert "max_requests = 7\n" in text and "body_max = 1M\n" in text and "request_timeout = 90s\n" in text
    # What it prints is itself a configuration.
    p.conf.write_text(text)
    assert p.place.run(p.place.bin, "-c", p.conf, "check", "--print").stdout == text


def test_check_connects_on_request(pool, new_database):
    good = pool()
    assert good.place.run(good.place.bin, "-c", good.conf, "check", "--connect").returncode == 0
    empty = pool(new_database(migrate=False))
    assert empty.place.run(empty.place.bin, "-c", empty.conf, "check", "--connect", check=False).returncode == 78
    away = pool(database_url="host=/nonexistent dbname=none")
    assert away.place.run(away.place.bin, "-c", away.conf, "check", "--connect", check=False).returncode == 75


@pytest.mark.parametrize("arguments", [["bogus"], [], ["--bogus", "serve"], ["serve", "bogus"], ["check", "--bogus"], ["-c"]])
def test_wrong_command_lines_are_refused(place, arguments):
    done = place.run(place.bin, *arguments, check=False)
    assert done.returncode == 64 and done.stderr.startswith("clientele: ") and done.stdout == ""


def test_help_and_version_go_to_stdout(place):
    assert "migrate" in place.run(place.bin, "-h").stdout
    assert place.run(place.bin, "-V").stdout.startswith("clientele ")


def test_a_named_configuration_file_must_exist(place):
    done = place.run(place.bin, "-c", place.dir / "none", "check", check=False)
    assert done.returncode == 78 and "No such file" in done.stderr
