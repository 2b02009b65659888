"""metrics_listen: the admin process's second address, which only tells; and guests that say nothing, on both."""

import contextlib
import signal
import socket
import stat

import pytest

from conftest import timed
from stack import PATIENCE, children, free_port, listening_at, open_files, wait_until
from test_admin import AS_ROOT, Admin, Http, Reply

# Less than a guest that stands still is waited for (CONNECTION_MS of src/admin/admin_http.c), and much more than all answers take.
AT_ONCE = 2.5 * PATIENCE
COMMANDS = ("/workers?count=3", "/reload", "/upgrade", "/reopen", "/stop")


class Metrics:
    """A Pool with both addresses, or with metrics_listen alone."""

    def __init__(self, pool, address=None, admin=True):
        self.admin = Admin(pool)
        self.pool, self.socket = pool, pool.dir / "metrics"
        self.address = address or str(self.socket)
        pool.write_conf(metrics_listen="{}:{}".format(*address) if address else f"unix:{self.socket}")
        if not admin:
            pool.write_conf(admin_listen=None)

    def __getattr__(self, name):
        return getattr(self.pool, name)

    def start(self):
        self.pool.start()
        wait_until(lambda: self.get("/ready").status == 200, what="ready")
        return self

    def ask(self, method, path, body=None, headers=None):
        with contextlib.closing(Http(self.address)) as connection:
            connection.request(method, path, body=body, headers=headers or {})
            return Reply(connection.getresponse())

    def get(self, path):
        return self.ask("GET", path)


@pytest.fixture
def metrics(pool):
    return lambda address=None, admin=True, **options: Metrics(pool(**options), address, admin)


@pytest.mark.parametrize("kind", ["unix", "tcp", "alone"])
def test_it_tells_and_takes_no_command_whatever_is_sent(metrics, kind):
    m = metrics(("127.0.0.1", free_port()) if kind == "tcp" else None, admin=kind != "alone", workers=1).start()
    assert m.get("/live").json == {"live": True} and m.get("/ready").json == {"ready": True}
    assert "clientele_up 1\n" in m.get("/metrics").text
    assert m.get("/status").json["pool"]["serving"] == 1
    pids = sorted(children(m.pid))
    for path in COMMANDS:
        reply = m.ask("POST", path)
        assert reply.status == 403 and "admin_listen" in reply.json["error"]
        for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
            assert m.ask(method, path).status in ((200, 405) if path.startswith("/workers") else (405,))
        assert m.ask("POST", path, body=b"x").status == 413
        assert m.ask("POST", path, headers={"X-HTTP-Method-Override": "POST", "Upgrade": "h2c"}).status == 403
    with contextlib.closing(Http(m.address)) as connection:  # one command behind a question
        connection.connect()
        connection.sock.sendall(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\nPOST /stop HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.sock.recv(65536):
                received += piece
    assert received.count(b"HTTP/1.1 ") == 1
    state = m.get("/status").json["pool"]
    assert (state["generation"], state["target"]) == (1, 1) and sorted(children(m.pid)) == pids


def test_both_addresses_are_one_process_with_one_connection(metrics):
    m = metrics(workers=1).start()
    (before,) = set(children(m.pid)) - set(m.admin.worker_pids())
    assert m.admin.post("/reload").status == 202
    wait_until(lambda: len(children(m.pid)) == 2 and before not in children(m.pid), what="the end of the old ones")
    if AS_ROOT:
        held = open_files(m.admin.admin_pid()).values()
        assert listening_at(str(m.socket)) in held and listening_at(m.admin.address) in held
    with contextlib.closing(m.database.connect()) as db, db.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'clientele admin'",
                       (m.database.name,))
        wait_until(lambda: m.get("/ready").status == 200, what="ready")
        assert cursor.fetchone()[0] <= 1


@pytest.mark.parametrize("options, mode", [({}, 0o666), ({"metrics_mode": "0640"}, 0o640)])
def test_the_file_of_the_socket(metrics, options, mode):
    m = metrics(workers=1, **options).start()
    assert stat.S_IMODE(m.socket.stat().st_mode) == mode
    assert stat.S_IMODE(m.admin.socket.stat().st_mode) == 0o600
    m.signal(signal.SIGTERM)
    assert m.wait() == 0 and not m.socket.exists()


def test_an_upgrade_hands_it_over(metrics):
    m = metrics(workers=1).start()
    inode = m.socket.stat().st_ino
    m.signal(signal.SIGUSR2)
    wait_until(lambda: "took over" in m.log(), 20, "the upgrade")
    wait_until(lambda: m.get("/ready").status == 200 and m.get("/status").json["pool"]["generation"] == 2, 20, "new workers")
    assert m.socket.stat().st_ino == inode
    assert m.ask("POST", "/stop").status == 403 and m.admin.get("/ready").status == 200


@pytest.mark.parametrize("options, sentence", [
    ({"metrics_listen": "unix:{dir}/none/metrics"}, "metrics_listen: {dir}/none: No such file"),
    ({"metrics_listen": "nonsense"}, 'metrics_listen: "nonsense" is not unix:'),
    ({"metrics_listen": "{dir}/admin"}, "metrics_listen: {dir}/admin is the address of admin_listen, too"),
    ({"metrics_listen": "unix:{dir}/socket"}, "metrics_listen: unix:{dir}/socket is the address of listen, too")])
def test_a_wrong_address_starts_nothing(metrics, options, sentence):
    m = metrics(workers=1)
    m.write_conf(**{name: value.format(dir=m.dir) for name, value in options.items()})
    if "No such file" not in sentence:  # that is known only when it is opened
        checked = m.place.run(m.place.bin, "-c", m.conf, "check", check=False)
        assert checked.returncode == 78 and sentence.format(dir=m.dir) in checked.stderr
    m.service.start(False)
    assert m.wait() == 78
    assert sentence.format(dir=m.dir) in m.log() and m.log().count("\n") == 1
    assert not m.pool.socket.exists() and not m.admin.socket.exists() and not m.pidfile.exists()


# ---------------------------------------------------------------- guests that say nothing


@pytest.fixture(scope="module")
def both(proc_database, key):
    from conftest import Pool
    from stack import Service

    m = Metrics(Pool(Service(proc_database, workers=1, **Pool.PATIENT), key)).start()
    yield m
    m.stop()


def silent(stack, address):
    guest = stack.enter_context(socket.socket(socket.AF_UNIX))
    guest.settimeout(10 * PATIENCE)
    guest.connect(address)
    return guest


@pytest.mark.parametrize("many", [95, 96, 97, 111, 112, 113, 300, 1000])
@pytest.mark.parametrize("which", ["admin", "metrics"])
def test_guests_that_say_nothing_make_nobody_wait(both, which, many):
    """At the bounds, one beyond, and far beyond: the oldest of them go, and who asks is answered at once."""
    pid = both.admin.admin_pid()
    address = both.admin.address if which == "admin" else both.address
    with contextlib.ExitStack() as stack:
        guests = [silent(stack, address) for _ in range(many)]
        with contextlib.closing(Http(address)) as connection:
            def live():
                connection.request("GET", "/live")
                return connection.getresponse().status

            status, seconds = timed(live)
            assert status == 200 and seconds < AT_ONCE, seconds
        guests[-1].sendall(b"GET /live HTTP/1.0\r\n\r\n")  # the newest may still ask
        assert b" 200 OK" in guests[-1].recv(100)
    assert both.admin.admin_pid() == pid


def test_who_has_asked_stays_when_silent_guests_come(both):
    """A reader that takes its time keeps its answer while those go that have not asked."""
    address = both.admin.address
    with contextlib.ExitStack() as stack:
        slow = silent(stack, address)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        slow.recv(1)
        for _ in range(300):
            silent(stack, address)
        with contextlib.closing(Http(address)) as connection:  # behind all of these
            connection.request("GET", "/live")
            assert connection.getresponse().status == 200
        text = b""
        while piece := slow.recv(65536):
            text += piece
    assert text.endswith(b"\n") and b"clientele_connections_reused_total" in text


def test_readers_that_stand_still_make_nobody_wait(both):
    """All have asked and none takes its answer: the first of them go."""
    address = both.admin.address
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            guest = silent(stack, address)
            guest.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with contextlib.suppress(BrokenPipeError):
                guest.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        reply, seconds = timed(lambda: both.admin.get("/live"))
        assert reply.status == 200 and seconds < AT_ONCE


def test_guests_of_one_address_do_not_hold_up_the_other(both):
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            silent(stack, both.address)
        (reply, seconds) = timed(lambda: both.admin.get("/live"))
        assert reply.status == 200 and seconds < AT_ONCE
