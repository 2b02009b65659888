"""The admin process: status, metrics, health and commands over HTTP, and the commands that ask it."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import stat
import statistics
import subprocess
import time

import pytest

from conftest import CUSTOMERS, Pending, timed
from stack import PATIENCE, Cluster, children, free_port, listening_at, open_files, wait_until

AS_ROOT = os.getuid() == 0


class Http(http.client.HTTPConnection):
    """HTTP to an address: a path, or (host, port)."""

    def __init__(self, address, timeout=20):
        super().__init__("clientele", timeout=timeout)
        self.address = address

    def connect(self):
        self.sock = socket.socket(socket.AF_INET if isinstance(self.address, tuple) else socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.address)


class Reply:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.text = response.read().decode()

    @property
    def json(self):
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.text)


class Admin:
    """A Pool with an admin socket."""

    def __init__(self, pool, address=None):
        self.pool, self.socket = pool, pool.dir / "admin"
        self.address = address or str(self.socket)
        listen = "{}:{}".format(*address) if address else f"unix:{self.socket}"
        pool.write_conf(admin_listen=listen)

    def __getattr__(self, name):
        return getattr(self.pool, name)

    def start(self):
        self.pool.start()
        wait_until(lambda: self.get("/ready").status == 200, what="ready")
        return self

    def ask(self, method, path, headers=None, body=None):
        with contextlib.closing(Http(self.address)) as connection:
            connection.request(method, path, body=body, headers=headers or {})
            return Reply(connection.getresponse())

    def get(self, path, **headers):
        return self.ask("GET", path, headers)

    def post(self, path):
        return self.ask("POST", path)

    def state(self):
        return self.get("/status").json

    def figures(self):
        return self.state()["pool"]

    def worker_pids(self):
        return sorted(worker["pid"] for worker in self.state()["workers"])

    def admin_pid(self):
        """Of the children the one that is no worker."""
        (pid,) = set(children(self.pid)) - set(self.worker_pids())
        return pid

    def clientele(self, *arguments, check=False, **more):
        return self.place.run(self.place.bin, "-c", self.conf, *arguments, check=check, **more)

    def metrics(self):
        """{"name{labels}": value}"""
        lines = (line.rsplit(" ", 1) for line in self.get("/metrics").text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in lines}


@pytest.fixture
def admin(pool):
    """A function: an Admin that is not started yet."""
    return lambda database=None, address=None, **options: Admin(pool(database, **options), address)


# ---------------------------------------------------------------- reads


def test_status_tells_what_the_pool_and_each_worker_did(admin):
    a = admin(workers=2).start()
    for _ in range(3):
        assert a.pool.ask().status == 200
    assert a.pool.ask(uri=CUSTOMERS + "/nobody").status == 404
    a.connect().send(b"no FastCGI").answer()
    wait_until(lambda: a.figures()["connections"] >= 5, what="the counters")
    state = a.state()
    pool = state["pool"]
    assert state["version"] and state["ready"] is True
    assert pool["requests"] == 4 and pool["connections"] >= 5 and state["events"]["connections_useless"] >= 1
    assert (pool["target"], pool["serving"], pool["idle"], pool["active"]) == (2, 2, 2, 0)
    assert pool["generation"] == 1 and pool["databaseUp"] == 1 and pool["databaseConnected"] == 2
    assert 0 < pool["uptimeMs"] < 60000 * PATIENCE and abs(pool["startedMs"] / 1000 - time.time()) < 60 * PATIENCE
    assert state["states"]["idle"] == 2 and pool["min"] >= 1 and pool["max"] >= 2
    assert [worker["place"] for worker in state["workers"]] == [1, 2]
    assert set(a.worker_pids()) < set(children(a.pid))
    assert sum(worker["requests"] for worker in state["workers"]) == 4
    for worker in state["workers"]:
        assert worker["life"] == "ready" and worker["state"] == "idle" and worker["database"] == "connected"
        assert worker["doing"] is None and worker["generation"] == 1
        assert 0 < worker["cpuMs"] < 10000 and 10**6 < worker["memoryBytes"] < 10**9
        assert 0 <= worker["stateMs"] <= worker["ageMs"]
    lasts = [worker["last"] for worker in state["workers"] if worker["last"]]
    assert {(last["route"], last["status"]) for last in lasts} <= {("GET /customers", 200), ("GET /customers/{id}", 404)}
    assert all(0 < last["us"] < 10**7 for last in lasts)


def test_status_is_a_table_for_people(admin):
    a = admin(workers=2).start()
    a.pool.ask()
    wait_until(lambda: " 0 active;" in a.get("/status?format=text").text, what="the end of the request")  # its answer came before
    for reply in (a.get("/status?format=text"), a.get("/status", Accept="text/plain")):
        assert reply.headers["Content-Type"].startswith("text/plain")
        assert re.search(r"^workers +2 of 2 serving \(\d+ to \d+\), 2 idle, 0 active;", reply.text, re.M)
        assert re.search(r"^database +reachable; 2 workers connected$", reply.text, re.M)
        assert re.search(r"^1 +\d+  ready .* idle .*  connected ", reply.text, re.M)
        assert not re.search(r" $", reply.text, re.M)
    assert a.get("/status", Accept="application/json, text/plain, */*").json["pool"]
    assert a.get("/status?format=json", Accept="text/plain").json["pool"]


def test_metrics_are_good_prometheus_and_add_up(admin):
    a = admin(workers=2).start()
    for _ in range(3):
        a.pool.ask()
    a.pool.ask(uri=CUSTOMERS + "/nobody")
    a.pool.ask(uri="/nowhere")
    external, body = a.new_customer()
    for _ in range(2):
        a.pool.ask("POST", body=body, headers=[("idempotency-key", f"admin-{external}")])
    wait_until(lambda: a.figures()["requests"] == 7, what="the counters")
    reply = a.get("/metrics")
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: apt-get install --no-install-recommends prometheus"
    done = subprocess.run([promtool, "check", "metrics"], input=reply.text, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
    m = a.metrics()
    get, create = 'route="/customers",method="GET"', 'route="/customers",method="POST"'
    assert m[f'clientele_requests_total{{{get},code="2xx"}}'] == 3
    assert m['clientele_requests_total{route="/customers/{id}",method="GET",code="4xx"}'] == 1
    assert m['clientele_requests_total{route="none",method="none",code="4xx"}'] == 1
    assert m[f'clientele_requests_total{{{create},code="2xx"}}'] == 2
    assert m["clientele_requests_replayed_total"] == 1
    assert m[f"clientele_request_duration_seconds_count{{{get}}}"] == 3
    assert m[f'clientele_request_duration_seconds_bucket{{{get},le="+Inf"}}'] == 3
    assert 0 < m[f"clientele_request_duration_seconds_sum{{{get}}}"] < 30
    assert m["clientele_database_duration_seconds_count"] == 6  # what is no route asks nobody
    assert m['clientele_workers{state="idle"}'] == 2 and m["clientele_workers_target"] == 2
    assert m["clientele_up"] == m["clientele_ready"] == m["clientele_database_up"] == 1
    assert sum(value for name, value in m.items() if name.startswith("clientele_build_info{version=")) == 1
    assert abs(m["clientele_start_time_seconds"] - time.time()) < 60 * PATIENCE


def test_counters_outlive_a_worker(admin):
    a = admin(workers=1).start()
    a.pool.ask()
    (pid,) = a.worker_pids()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: a.worker_pids() not in ([pid], []) and a.figures()["serving"] == 1, what="another worker")
    state = a.state()
    assert state["pool"]["requests"] == 1 and state["restarts"]["crash"] == 1
    assert a.metrics()['clientele_worker_restarts_total{cause="crash"}'] == 1
    assert state["workers"][0]["requests"] == 0 and state["workers"][0]["last"] is None


@pytest.mark.parametrize("method, path, status", [
    ("HEAD", "/status", 200), ("HEAD", "/live", 200), ("GET", "/", 404), ("GET", "/status/", 404), ("GET", "/metrics.txt", 404),
    ("GET", "//status", 404), ("POST", "/customers", 404), ("DELETE", "/status", 405), ("POST", "/metrics", 405),
    ("GET", "/reload", 405), ("GET", "/stop", 405), ("PUT", "/workers", 405), ("OPTIONS", "/status", 405), ("NONSENSE", "/live", 405)])
def test_paths_and_methods(session_admin, method, path, status):
    reply = session_admin.ask(method, path)
    assert reply.status == status
    if status == 405:
        assert ("GET" in reply.headers["Allow"]) == (path not in ("/reload", "/stop"))
    if method != "HEAD" and status >= 400:
        assert reply.json["error"]
    assert (reply.text == "") == (method == "HEAD")
    assert reply.headers["Connection"] == "close" and reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method, path", [("POST", "/reload"), ("POST", "/workers?count=3"), ("GET", "/status")])
def test_bodies_are_refused(session_admin, method, path):
    for body in (b"count=3", b"x" * 300000):
        reply = session_admin.ask(method, path, body=body)
        assert reply.status == 413 and "no body" in reply.json["error"]
    assert session_admin.ask("GET", "/status", {"Content-Length": "0"}).status == 200


def test_live_and_ready(session_admin):
    a = session_admin
    assert a.get("/live").json == {"live": True}
    assert a.get("/live?format=text").text == "ok\n"
    assert a.get("/ready").json == {"ready": True}
    assert a.get("/ready?verbose").json["checks"] == {"database": "ok", "schema": "ok", "writes": "ok", "workers": "ok", "socket": "ok",
                                                      "draining": "ok"}
    assert a.get("/ready?verbose&format=text").text.endswith("[+] draining\nready\n")


@pytest.fixture(scope="module")
def session_admin(proc_database, key):
    """A service for tests that only read."""
    from conftest import Pool
    from stack import Service

    a = Admin(Pool(Service(proc_database, **Pool.PATIENT), key)).start()
    yield a
    a.stop()


def test_nothing_of_customers_is_shown(admin):
    a = admin(workers=2).start()
    told = ["adm-7f3a9c", "secret.person@example.net", "Nobodys Business Ltd", "metavalue-51", a.key[8:16], "Process Ltd"]
    body = json.dumps({"id": told[0], "email": told[1], "fullName": told[2], "metadata": {"a": told[3]}}).encode()
    assert a.pool.ask("POST", body=body).status == 201
    assert a.pool.ask(uri=f"{CUSTOMERS}/{told[0]}").status == 200
    with a.held():
        pending = a.start_held(uri=f"{CUSTOMERS}/{told[0]}?search={told[2].split()[0]}")
        shown = "".join(a.get(path).text for path in ("/status", "/status?format=text", "/metrics", "/ready?verbose", "/workers"))
        assert '"doing":{"route":"GET /customers/{id}"' in shown
    pending.result()
    assert [text for text in told if text in shown] == []


# ---------------------------------------------------------------- trouble


def test_status_is_quick_while_all_workers_are_stuck(admin):
    a = admin(workers=2, requests_in_hand=1).start()
    with a.held():
        pending = [a.start_held(headers=[("x-request-id", f"stuck-{i}")]) for i in range(2)]
        times = [timed(a.state)[1] for _ in range(20)]
        state = a.state()
        text = a.get("/status?format=text").text
        assert a.metrics()['clientele_workers{state="handling"}'] == 2
        assert a.get("/ready").status == 200  # they serve, if slowly
    assert [one.result().status for one in pending] == [200, 200]
    assert statistics.median(times) < 0.05 * PATIENCE, times
    assert sorted(worker["doing"]["requestId"] for worker in state["workers"]) == ["stuck-0", "stuck-1"]
    assert all(worker["doing"]["route"] == "GET /customers" and worker["doing"]["ms"] >= 0 for worker in state["workers"])
    assert all(worker["state"] == "handling" for worker in state["workers"]) and state["pool"]["active"] == 2
    assert re.search(r"GET /customers stuck-0 \d", text)


def test_ready_follows_the_database(place, pool, key):
    cluster = Cluster(place)
    try:
        a = Admin(pool(cluster.database("ready"), workers=1)).start()
        cluster.stop("immediate")
        wait_until(lambda: a.get("/ready").status == 503, what="not ready")
        reply, seconds = timed(lambda: a.get("/ready?verbose"))
        assert seconds < 0.5 * PATIENCE
        assert reply.json["ready"] is False and "cannot be reached" in reply.json["checks"]["database"]
        assert reply.json["checks"]["workers"] == "ok"
        assert "[-] database: the database" in a.get("/ready?verbose&format=text").text
        assert a.get("/live").status == 200 and a.metrics()["clientele_ready"] == 0
        assert a.state()["ready"] is False and a.figures()["databaseUp"] == 0
        cluster.start()
        wait_until(lambda: a.get("/ready").status == 200, 20, "ready again")
        # One that says nothing at all must not hold up the answers.
        with frozen(cluster):
            quick = []
            wait_until(lambda: quick.append(timed(lambda: a.get("/ready"))) or quick[-1][0].status == 503, 20, "not ready")
            assert statistics.median(seconds for _, seconds in quick) < 0.05 * PATIENCE
        wait_until(lambda: a.get("/ready").status == 200, 20, "ready again")
    finally:
        cluster.stop("immediate")


@contextlib.contextmanager
def frozen(cluster):
    """While this lasts, all processes of the cluster stand still."""
    postmaster = int((cluster.data / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGSTOP)
    pids = [postmaster, *children(postmaster)]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_ready_knows_a_schema_that_became_too_new(admin, new_database):
    database = new_database()
    a = admin(database, workers=1).start()
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute("INSERT INTO schema_migration (version, name, checksum) VALUES (9999, '9999_later.sql', 'x')")
    wait_until(lambda: a.get("/ready").status == 503, what="not ready")
    checks = a.get("/ready?verbose").json["checks"]
    assert "install the newer clientele" in checks["schema"] and checks["database"] == "ok"


def test_draining_is_not_ready_and_still_seen(admin):
    a = admin(workers=1).start()
    with a.held():
        pending = a.start_held()
        a.signal(signal.SIGTERM)
        wait_until(lambda: a.get("/ready").status == 503, what="not ready")
        assert a.get("/ready?verbose").json["checks"]["draining"] == "the service is stopping"
        assert a.state()["states"]["stopping"] == 1 and a.metrics()["clientele_stopping"] == 1
        assert a.post("/reload").status == 409
    assert pending.result().status == 200
    assert a.wait() == 0
    assert not a.socket.exists()


def test_killed_admin_process_comes_back_and_disturbs_nobody(admin):
    a = admin(workers=2).start()
    workers, old = a.worker_pids(), a.admin_pid()
    with a.held():
        pending = a.start_held()
        os.kill(old, signal.SIGKILL)
        # The socket stays open, so whoever asks now waits and gets an answer.
        assert a.state()["pool"]["active"] == 1
    assert pending.result().status == 200
    assert a.admin_pid() != old and a.worker_pids() == workers
    assert f"the admin process died: signal 9 (SIGKILL) pid={old}" in a.log()


def test_admin_process_that_keeps_dying_is_started_with_growing_pauses(admin):
    a = admin(workers=1).start()
    workers = a.worker_pids()
    pids, pauses = [a.admin_pid()], []
    for _ in range(3):
        os.kill(pids[-1], signal.SIGKILL)
        _, seconds = timed(lambda: wait_until(lambda: set(children(a.pid)) - {*pids, *workers}, what="another admin process"))
        pauses.append(seconds)
        pids.append(a.admin_pid())
    assert all(least <= pause < 2 * PATIENCE for least, pause in zip((0.1, 0.2, 0.4), pauses)), pauses
    a.signal(signal.SIGTERM)
    assert a.wait() == 0


def test_admin_process_leaves_with_the_supervisor(admin):
    a = admin(workers=1).start()
    pids = [a.admin_pid(), *a.worker_pids()]
    a.signal(signal.SIGKILL)
    a.wait()
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") and open(f"/proc/{pid}/stat").read().split()[2] != "Z"
                               for pid in pids), what="the end of all processes")


@pytest.mark.parametrize("junk", [
    b"\0" * 100, b"\x01\x01\0\x01\0\x08\0\0\0\x01\0\0\0\0\0\0", b"GET\r\n\r\n", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
    b"GET /status HTTP/1.1\r\nX: " + b"a" * 100000 + b"\r\n\r\n", b"GET /status HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
    b"GET /status HTTP/9.9\r\n\r\n", b"POST /reload HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"GET /status?" + b"a=b&" * 500 + b" HTTP/1.0\r\n\r\n", b"POST /reload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"GET /status HTTP/1.1\nHost: x\n\n", b"GET /%00%ff%zz HTTP/1.0\r\n\r\n"])
def test_junk_is_refused_and_harms_nothing(session_admin, junk):
    a = session_admin
    pid, generation = a.admin_pid(), a.figures()["generation"]
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
        s.settimeout(10 * PATIENCE)
        s.connect(a.address)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            s.sendall(junk)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
    assert a.admin_pid() == pid and a.figures()["generation"] == generation
    assert "the admin process died" not in a.log()


def test_slow_guests_do_not_lock_others_out(session_admin):
    """All connections that there may be, taken by who says nothing, and by who says it byte by byte."""
    a = session_admin
    with contextlib.ExitStack() as stack:
        guests = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(40)]
        for guest in guests:
            guest.connect(a.address)
        drip = Pending(lambda: drip_into(guests[0]))
        _, seconds = timed(a.state)
        assert seconds < 10 * PATIENCE
        assert 4 < drip.result(30) < 10 * PATIENCE  # the seconds until it was cut off


def drip_into(guest):
    begun = time.monotonic()
    guest.sendall(b"GET /status HTTP/1.1\r\nX-Slow: ")
    while time.monotonic() < begun + 20 * PATIENCE:
        try:
            guest.sendall(b"a")
        except (BrokenPipeError, ConnectionResetError):
            break
        time.sleep(0.1)
    return time.monotonic() - begun


def test_figures_of_a_pool_that_is_full(admin):
    a = admin(workers="dynamic", workers_min=1, workers_max=2, spare_min=1, requests_in_hand=1)
    a.service.start(False)
    a.wait_ready()
    assert [a.figures()[name] for name in ("min", "max", "maxReached")] == [1, 2, 0]
    with a.held():
        pending = [a.start_held()]
        wait_until(lambda: a.figures()["serving"] == 2, what="another worker")
        pending.append(a.start_held())
        wait_until(lambda: a.figures()["maxReached"] == 1 and a.figures()["activePeak"] == 2, what="a full pool")
        assert a.metrics()["clientele_workers_max_reached_total"] == 1 and a.metrics()["clientele_busy_peak"] == 2
    assert [one.result().status for one in pending] == [200, 200]


def test_a_worker_that_has_answered_was_active(admin):
    """Whether or not the supervisor looked at that moment."""
    a = admin(workers=1).start()
    assert a.pool.ask().status == 200
    wait_until(lambda: a.figures()["activePeak"] == 1, what="the request in the figures")  # behind its answer
    assert a.metrics()["clientele_busy_peak"] == 1


# ---------------------------------------------------------------- rights


@pytest.mark.parametrize("options, mode", [({}, 0o600), ({"admin_mode": "0660"}, 0o660)])
def test_permissions_of_the_socket(admin, options, mode):
    a = admin(workers=1, **options).start()
    assert stat.S_IMODE(a.socket.stat().st_mode) == mode
    assert stat.S_IMODE(a.pool.socket.stat().st_mode) == 0o660
    a.signal(signal.SIGTERM)
    assert a.wait() == 0 and not a.socket.exists()


@pytest.mark.parametrize("options, sentence", [
    ({"admin_listen": "unix:{dir}/none/admin"}, "admin_listen: {dir}/none: No such file"),
    ({"admin_listen": "nonsense"}, 'admin_listen: "nonsense" is not unix:'),
    ({"admin_owner": "nobody-of-this-name"}, 'admin_owner: there is no user "nobody-of-this-name"'),
    ({"admin_listen": "{dir}/socket"}, "admin_listen: {dir}/socket is the address of listen, too")])
def test_bad_admin_keys_start_nothing(admin, options, sentence):
    a = admin(workers=1)
    a.write_conf(**{name: value.format(dir=a.dir) for name, value in options.items()})
    a.service.start(False)
    assert a.wait() == 78
    assert sentence.format(dir=a.dir) in a.log() and a.log().count("\n") == 1
    assert not a.pool.socket.exists() and not a.pidfile.exists()


def test_tcp_shows_and_takes_no_commands(admin):
    a = admin(address=("127.0.0.1", free_port()), workers=1).start()
    assert a.state()["ready"] is True and a.metrics()["clientele_up"] == 1
    for path in ("/reload", "/stop", "/workers?count=3", "/upgrade", "/reopen"):
        assert a.post(path).status == 403
    assert "unix socket only" in a.post("/stop").json["error"]
    assert a.clientele("status").returncode == 0
    done = a.clientele("reload")
    assert done.returncode == 69 and "unix socket only" in done.stderr
    assert a.figures()["generation"] == 1


@pytest.mark.skipif(not AS_ROOT, reason="only root may look into these processes")
def test_processes_hold_only_what_is_theirs(admin):
    a = admin(workers=1).start()

    def holds(pid, path):
        return listening_at(path) in open_files(pid).values()

    (worker,) = a.worker_pids()
    admin_pid = a.admin_pid()
    front = str(a.pool.socket)
    assert holds(a.pid, front) and holds(a.pid, a.address)
    assert holds(worker, front) and not holds(worker, a.address)
    assert not holds(admin_pid, front) and holds(admin_pid, a.address)
    # Of all memory that processes share it has the scoreboard, and cannot write to it.
    assert [line.split()[1] for line in open(f"/proc/{admin_pid}/maps") if line.split()[1].endswith("s")] == ["r--s"]


# ---------------------------------------------------------------- commands


def test_reload(admin):
    a = admin(workers=1).start()
    before, admin_pid = a.worker_pids(), a.admin_pid()
    a.write_conf(workers=2)
    reply = a.post("/reload")
    assert reply.status == 202 and reply.json["asked"] == "reload"
    assert reply.json["before"]["generation"] == 1 and reply.json["before"]["target"] == 1
    wait_until(lambda: a.figures()["generation"] == 2 and a.figures()["serving"] == 2, what="the reload")
    wait_until(lambda: not set(before) & set(a.worker_pids()), what="the end of the old worker")
    # The configuration is the admin process's too.
    wait_until(lambda: a.admin_pid() != admin_pid, what="another admin process")
    assert all(worker["generation"] == 2 for worker in a.state()["workers"])
    assert "the admin process died" not in a.log()


def test_reloads_lose_no_answer(admin):
    a = admin(workers=1).start()
    done = []

    def ask_all_the_time():
        answers = 0
        while not done:
            assert a.state()["pool"]
            answers += 1
        return answers

    asking = Pending(ask_all_the_time)
    for generation in (2, 3, 4):
        a.post("/reload")
        wait_until(lambda: a.figures()["generation"] == generation, what="the reload")
    done.append(True)
    assert asking.result() > 10


def test_stop(admin):
    a = admin(workers=2).start()
    pids = children(a.pid)
    assert a.post("/stop").json["asked"] == "stop"
    assert a.wait() == 0
    assert not a.socket.exists() and not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_upgrade_goes_on_with_the_same_socket_and_without_a_gap(admin):
    a = admin(workers=2).start()
    workers, old = a.worker_pids(), a.admin_pid()
    with a.held():
        pending = a.start_held()
        reply = a.post("/upgrade")
        assert reply.status == 202 and reply.json["asked"] == "upgrade" and reply.json["before"]["serving"] == 2
        wait_until(lambda: a.state() and "took over" in a.log() and old not in children(a.pid), 20, "the upgrade")
    assert pending.result().status == 200
    wait_until(lambda: a.figures()["serving"] == 2 and not set(workers) & set(a.worker_pids()), 20, "new workers")
    assert a.admin_pid() != old and a.get("/ready").status == 200
    generation = a.figures()["generation"]
    a.post("/reload")
    wait_until(lambda: a.figures()["generation"] > generation and a.get("/ready").status == 200, 20, "a reload of the new program")
    assert "the admin process died" not in a.log()
    assert a.post("/stop").status == 202
    assert a.wait() == 0 and not a.socket.exists()


def test_reopen(admin):
    a = admin(workers=1, log=None)
    log, old = a.dir / "service.log", a.dir / "service.log.1"
    a.write_conf(log=log)
    a.service.start()
    wait_until(lambda: a.get("/ready").status == 200, what="ready")
    log.rename(old)
    assert a.post("/reopen").status == 202
    wait_until(log.exists, what="a new log")
    pids = [a.pid, a.admin_pid(), *a.worker_pids()]
    if AS_ROOT:
        def moved(pid):
            held = open_files(pid).values()
            return str(log) in held and str(old) not in held

        wait_until(lambda: all(moved(pid) for pid in pids), what="the end of the old log")


@pytest.mark.parametrize("count, asked, after", [("3", "workers 3", 3), ("+2", "workers +2", 4), ("%2B2", "workers +2", 4),
                                                 ("-1", "workers -1", 1)])
def test_number_of_workers(admin, count, asked, after):
    a = admin(workers=2).start()
    reply = a.post(f"/workers?count={count}")
    assert reply.status == 202 and reply.json["asked"] == asked
    assert reply.json["before"]["target"] == 2
    wait_until(lambda: a.figures()["target"] == a.figures()["serving"] == len(a.worker_pids()) == after, what=f"{after} workers")


@pytest.mark.parametrize("query, status", [
    ("", 400), ("?count=", 400), ("?count=x", 400), ("?count=0", 400), ("?count=%2B0", 400), ("?count=1.5", 400), ("?count=--1", 400),
    ("?count=99999999999999999999", 400), ("?count=513", 400), ("?count=-2", 409), ("?count=-500", 409), ("?count=%2B512", 409)])
def test_number_of_workers_is_bounded(session_admin, query, status):
    reply = session_admin.post("/workers" + query)
    assert reply.status == status
    assert re.search(r"count|there can be 1 to \d+ workers", reply.json["error"])
    assert session_admin.get("/workers").json["target"] == 2


# ---------------------------------------------------------------- the command line


def test_status_command(session_admin):
    a = session_admin
    done = a.clientele("status")
    assert done.returncode == 0 and done.stderr == ""
    assert re.search(r"^clientele \S+  up \S+, generation 1, ready$", done.stdout, re.M)
    assert len(re.findall(r"^\d+ +\d+  ready ", done.stdout, re.M)) == 2
    done = a.clientele("status", "--json")
    assert [worker["pid"] for worker in json.loads(done.stdout)["workers"]] == [w["pid"] for w in a.state()["workers"]]
    assert re.fullmatch(r"2 of 2 workers \(\d+ to \d+\), 2 idle, 0 active\n", a.clientele("workers").stdout)
    assert json.loads(a.clientele("workers", "--json").stdout)["target"] == 2


@pytest.mark.parametrize("flag", ["--watch", "--watch=1"])
def test_status_command_watches_until_interrupted(session_admin, flag):
    a = session_admin
    log = a.dir / f"watch{flag}"
    # Who starts the tests in the background may have SIGINT ignored, and children inherit that.
    process = a.place.spawn(log, "env", "--default-signal=INT", a.place.bin, "-c", a.conf, "status", "--json", flag)
    try:
        wait_until(lambda: log.read_text().count("\n") >= 2, what="two answers")
    finally:
        process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT
    assert all(json.loads(line)["ready"] for line in log.read_text().splitlines())


def test_commands_of_the_command_line(admin):
    a = admin(workers=1).start()
    done = a.clientele("reload")
    assert (done.returncode, done.stdout) == (0, "requested: reload (now generation 1)\n")
    wait_until(lambda: a.figures()["generation"] == 2, what="the reload")
    done = a.clientele("workers", "+2")
    assert (done.returncode, done.stdout) == (0, "requested: workers +2 (now 1 of 1)\n")
    wait_until(lambda: a.figures()["serving"] == 3, what="three workers")
    assert json.loads(a.clientele("workers", "2", "--json").stdout)["asked"] == "workers 2"
    wait_until(lambda: len(a.worker_pids()) == 2, what="two workers")
    assert a.clientele("upgrade").stdout == "requested: upgrade (now generation 2)\n"
    wait_until(lambda: "took over" in a.log(), 20, "the upgrade")
    done = a.clientele("workers", "-512")
    assert done.returncode == 69 and done.stderr.startswith("clientele: there can be ")


def test_command_line_says_why_there_is_no_answer(admin):
    a = admin(workers=1)
    for arguments in (["status"], ["workers"], ["workers", "3"], ["reload"], ["upgrade"], ["status", "--json"]):
        done = a.clientele(*arguments)
        assert (done.returncode, done.stdout) == (69, "")
        assert done.stderr == f"clientele: unix:{a.socket}: No such file or directory (does clientele serve run with this configuration?)\n"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as other:
        other.bind(a.address)
        os.chmod(a.address, 0o777)
        assert "Connection refused (does" in a.clientele("status").stderr
        other.listen()
        answering = Pending(lambda: serve_once(other, b"220 mail.example.com ESMTP\r\n"))
        done = a.clientele("status")
        answering.result()
        assert done.returncode == 69 and done.stderr.endswith("what answers there is not clientele\n")
        if AS_ROOT:
            os.chmod(a.address, 0o700)
            assert "Permission denied" in a.clientele("status").stderr
    os.unlink(a.address)
    a.write_conf(admin_listen=None)
    done = a.clientele("status")
    assert done.returncode == 78 and "admin_listen is not set" in done.stderr


def serve_once(listener, answer):
    connection, _ = listener.accept()
    with contextlib.closing(connection):
        connection.recv(65536)
        connection.sendall(answer)


@pytest.mark.parametrize("arguments", [["status", "now"], ["status", "--watch=0"], ["status", "--watch=x"], ["status", "--watch", "1"],
                                       ["workers", "many"], ["workers", "0"], ["workers", "+"], ["workers", "1", "2"],
                                       ["reload", "all"], ["upgrade", "1"]])
def test_wrong_command_lines(session_admin, arguments):
    done = session_admin.clientele(*arguments)
    assert done.returncode == 64 and done.stdout == "" and done.stderr.startswith("clientele: ")
