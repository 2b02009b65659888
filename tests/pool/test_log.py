"""The log: where it goes, what a line says, and what must never stop the service or stand in a line."""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import threading
import time

import pytest

import fastcgi
from conftest import CUSTOMERS
from stack import PATIENCE, wait_until

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warn |info |debug) (supervisor|check|clientele|worker \d+)\[\d+\]: .+")
MEMBERS = ["time", "level", "process", "pid", "message"]
FIELDS = ["request_id", "trace_id", "parent_id", "span_id", "key", "organization", "method", "route", "status", "error",
          "bytes", "total_ms", "db_ms", "db_trips", "queue_ms", "replayed", "left", "slow", "statements"]
_numbers = itertools.count(1)


def numbered():
    return f"log-{next(_numbers)}"


def with_id(name, *more):
    return [("X-Request-Id", name), *more]


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]


def logfmt(line):
    """The fields of a text line, as a reader of such lines splits them."""
    return {name: json.loads(value) if value[:1] == '"' else value
            for name, value in re.findall(r' (\w+)=("(?:[^"\\]|\\.)*"|[^ "]*)', line)}


def request_line(p, name, text=None):
    """The one line of that request, as JSON."""
    def found():
        return [row for row in json_lines(p.log() if text is None else text()) if row.get("request_id") == name]

    wait_until(found, what=f"a line of {name}")
    (row,) = found()
    assert list(row) == MEMBERS + FIELDS
    return row


def reopen(p):
    """As logrotate has it done; the supervisor passes it on."""
    p.signal(signal.SIGUSR1)


@pytest.fixture
def organization(proc_database):
    """What the answers of old versions call it."""
    with contextlib.closing(proc_database.connect()) as db, db.cursor() as cursor:
        cursor.execute("SELECT id::text FROM organization WHERE name = 'Process Ltd'")
        number, digits = int(cursor.fetchone()[0].replace("-", ""), 16), ""
    for _ in range(22):
        number, digit = divmod(number, 62)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[digit] + digits
    return "org_" + digits


# ---------------------------------------------------------------- the line of a request


def test_request_line_says_what_the_answer_said(pool, organization):
    p = pool(log_format="json").start()
    external, body = p.new_customer()
    calls = [
        ("POST", CUSTOMERS, body, [("Idempotency-Key", external)], "customers", False),
        ("POST", CUSTOMERS, body, [("Idempotency-Key", external)], "customers", True),
        ("GET", f"{CUSTOMERS}/{external}", b"", [], "customers/{id}", False),
        ("HEAD", f"{CUSTOMERS}/{external}", b"", [], "customers/{id}", False),
        ("GET", f"{CUSTOMERS}/nobody-{external}", b"", [], "customers/{id}", False),
        ("POST", CUSTOMERS, b'{"email":"none"}', [], "customers", False),
        ("GET", "/api/v1/nothing/here", b"", [], None, False),
        ("DELETE", CUSTOMERS, b"", [], None, False),
        ("BREW", CUSTOMERS, b"", [], None, False),
        ("GET", "/api/v1/openapi.json", b"", [], "openapi.json", False),
    ]
    for method, uri, body, headers, route, replayed in calls:
        name = numbered()
        answer = p.ask(method, uri, with_id(name, *headers), body=body)
        row = request_line(p, name)
        assert (row["level"], row["message"]) == ("info", "request") and row["process"].startswith("worker ")
        assert row["pid"] in p.workers()
        assert row["method"] == (method if method != "BREW" else "other") and row["route"] == route
        assert row["status"] == answer.status and row["bytes"] == len(answer.body)
        assert row["error"] == (json.loads(answer.body)["code"] if answer.status >= 400 else None)
        assert row["replayed"] is replayed is ("Idempotent-Replayed" in answer.headers)
        with_key = route not in (None, "openapi.json")
        assert row["key"] == (p.key[:12] if with_key else None)
        assert row["organization"] == (organization if with_key else None)
        assert 0 <= row["db_ms"] <= row["total_ms"] < 10000
        assert (row["db_trips"] > 0) == (row["db_ms"] > 0)
        assert not row["slow"] and row["statements"] is row["trace_id"] is row["parent_id"] is row["span_id"] is None
    assert external not in p.log(), "the caller's id of a customer stands in the log"


def test_text_and_json_have_the_same_fields(pool):
    p = pool(log_format="text").start()
    answer = p.ask(headers=with_id(numbered()))
    p.wait_log(f"request_id={answer.headers['X-Request-Id']}")
    assert all(LINE.fullmatch(line) for line in p.log().splitlines()), p.log()
    row = logfmt(next(line for line in p.log().splitlines() if ": request " in line))
    assert row["status"] == "200" and row["route"] == "customers" and row["method"] == "GET"
    assert row["bytes"] == str(len(answer.body)) and row["key"] == p.key[:12]
    absent = {"trace_id", "parent_id", "span_id", "error", "queue_ms", "replayed", "left", "slow", "statements"}
    assert set(row) - {"queue_ms"} == set(FIELDS) - absent


def test_a_key_that_is_not_valid_is_not_in_the_log(pool):
    p = pool(log_format="json", log_level="debug").start()
    wrong = "ck_live_" + "z" * (len(p.key) - 8)
    for key in (wrong, "Bearer-secret-of-somebody", p.key + "x"):
        name = numbered()
        assert fastcgi.ask(p.address, "GET", CUSTOMERS, with_id(name, ("x-api-key", key))).status == 401
        assert request_line(p, name)["key"] is None
        assert key not in p.log()
    assert p.key not in p.log()


@pytest.mark.parametrize("options", [{"request_log": "off"}, {"log_level": "warn"}])
def test_requests_are_silent_when_nobody_asked_for_them(pool, options):
    p = pool(**options)
    p.service.start()
    wait_until(lambda: p.ask().status == 200, what="an answer")
    assert p.ask("POST", body=b"{").status == 400
    p.stop()
    assert "request_id=" not in p.log()


def test_whatever_is_sent_a_line_is_one_line(pool):
    p = pool(log_format="json", log_level="debug").start()
    hostile = ["a\nb", '","level":"error', "\x1b[2J", "é\u2028", b"\xff\xfe", "x" * 129, "\\", "", "a b", "%00"]
    for text in hostile:
        headers = [("X-Request-Id", text), ("Commet-Version", text), ("Idempotency-Key", text), ("traceparent", text)]
        p.ask("POST", headers=headers, body=b"{}")
        p.ask("GET", uri=b"/api/v1/customers/" + (text if isinstance(text, bytes) else text.encode()))
        p.ask(text or "X")
    assert p.ask().status == 200
    wait_until(lambda: len([row for row in json_lines(p.log()) if row["message"] == "request"]) == 3 * len(hostile) + 1,
               what="a line of each")
    assert all(list(row)[:5] == MEMBERS for row in json_lines(p.log()))


def test_slow_requests_are_told_with_their_statements(pool):
    p = pool(workers=1, slow_request="200ms", request_log="off", log_format="json")
    p.write_conf(admin_listen=p.dir / "admin")
    p.start()
    fast, slow = numbered(), numbered()
    with p.held():
        begun = time.monotonic()
        pending = p.start_held(headers=with_id(slow))
        wait_until(lambda: time.monotonic() - begun > 0.25, what="a slow request")
    assert pending.result().status == 200
    row = request_line(p, slow)
    assert (row["level"], row["message"], row["slow"]) == ("warn", "request", True)
    assert row["total_ms"] > 200 and row["db_ms"] > 200 and row["status"] == 200
    assert "customer_list" in row["statements"].split(",")
    assert p.ask(headers=with_id(fast)).status == 200
    status = p.place.run(p.place.bin, "-c", p.conf, "--json", "status").stdout
    assert '"requests_slow":1,' in re.sub(r"\s", "", status), status
    p.stop()
    assert fast not in p.log(), "a request that was not slow has a line"


def test_no_request_is_slow_when_turned_off(pool):
    p = pool(workers=1, slow_request="0", log_format="json").start()
    name = numbered()
    with p.held():
        begun = time.monotonic()
        pending = p.start_held(headers=with_id(name))
        wait_until(lambda: time.monotonic() - begun > 0.1, what="some time")
    assert pending.result().status == 200
    assert request_line(p, name)["slow"] is False


# ---------------------------------------------------------------- traces

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_trace_is_logged_and_continued(pool):
    p = pool(log_format="json").start()
    spans = set()
    for flags in ("01", "00"):
        name = numbered()
        answer = p.ask(headers=with_id(name, ("traceparent", f"00-{TRACE}-{SPAN}-{flags}"), ("tracestate", "a=secret")))
        version, trace, span, passed_on = answer.headers["traceresponse"].split("-")
        assert (version, trace, passed_on) == ("00", TRACE, flags) and re.fullmatch("[0-9a-f]{16}", span)
        row = request_line(p, name)
        assert (row["trace_id"], row["parent_id"], row["span_id"]) == (TRACE, SPAN, span)
        spans |= {span}
    assert len(spans | {SPAN}) == 3


@pytest.mark.parametrize("headers", [
    [],
    [("traceparent", f"00-{TRACE.upper()}-{SPAN}-01")],
    [("traceparent", f"00-{'0' * 32}-{SPAN}-01")],
    [("traceparent", f"00-{TRACE}-{SPAN}-01-more")],
    [("traceparent", f"00-{TRACE}-{SPAN}-01"), ("traceparent", f"00-{TRACE}-{SPAN}-01")],
    [("tracestate", "a=b")],
])
def test_what_is_no_trace_is_ignored(pool, headers):
    p = pool(workers=1, log_format="json").start()
    name = numbered()
    answer = p.ask(headers=with_id(name, *headers))
    assert answer.status == 200 and "traceresponse" not in answer.headers
    assert request_line(p, name)["trace_id"] is None


# ---------------------------------------------------------------- files


def test_file_is_made_and_written_by_all(pool):
    p = pool(log="/to be set")
    p.write_conf(log=p.dir / "own.log")
    p.service.start()
    wait_until(lambda: "ready: 2 workers" in (p.dir / "own.log").read_text(), what="the supervisor's line")
    assert p.ask(headers=with_id("log-file")).status == 200
    wait_until(lambda: "request_id=log-file" in (p.dir / "own.log").read_text(), what="the worker's line")
    assert p.log() == ""
    assert (p.dir / "own.log").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("log, message", [
    ("stdout", "log must be stderr, syslog, syslog:/socket or the path of a file"),
    ("clientele.log", "log must be stderr"),
    ("/nonexistent/folder/log", "log: /nonexistent/folder/log: No such file or directory"),
    ("/tmp", "log: /tmp: Is a directory"),
])
def test_start_refuses_a_place_that_cannot_be(pool, log, message):
    p = pool(log=log)
    p.start(False)
    assert p.wait() == 78
    assert message in p.log() and not p.socket.exists()


def test_rotation_under_load_loses_no_line(pool):
    p = pool(workers=3, log_format="json")
    path = p.dir / "own.log"
    p.write_conf(log=path)
    p.service.start()
    wait_until(lambda: "ready: 3 workers" in path.read_text(), what="all workers")
    sent, stop, workers = [[] for _ in range(4)], threading.Event(), p.workers()

    def send(names):
        while not stop.is_set():
            names.append(numbered())
            assert p.ask(headers=with_id(names[-1])).status == 200

    def lines_in(file):
        return json_lines(file.read_text().rpartition("\n")[0]) if file.exists() else []  # without one that is being written

    senders = [threading.Thread(target=send, args=(names,)) for names in sent]
    for sender in senders:
        sender.start()
    try:
        for number in range(1, 9):
            path.rename(p.dir / f"own.log.{number}")
            reopen(p)
            # Each worker has come to the new file.
            wait_until(lambda: {row["pid"] for row in lines_in(path)} >= set(p.workers()), what="lines in the new file")
    finally:
        stop.set()
        for sender in senders:
            sender.join(20 * PATIENCE)
    assert p.workers() == workers, "a worker took the signal for a farewell"
    p.stop()
    files = [path, *p.dir.glob("own.log.*")]
    assert len(files) == 9
    logged = [row["request_id"] for file in files for row in json_lines(file.read_text()) if row["message"] == "request"]
    names = [name for one in sent for name in one]
    assert len(names) > 20 and set(names) <= set(logged) and len(logged) == len(set(logged))


def test_rotation_by_logrotate_with_the_shipped_file(pool):
    program = shutil.which("logrotate", path="/usr/sbin:/usr/bin")
    if not program:
        pytest.skip("needs logrotate")
    p = pool(workers=1)
    path, rules = p.dir / "own.log", p.dir / "rules"
    p.write_conf(log=path)
    p.service.start()
    wait_until(lambda: p.ask().status == 200, what="an answer")
    text, count = re.subn(r"systemctl kill .*", f"kill -USR1 {p.pid}", (p.place.conf / "logrotate").read_text())
    rules.write_text(text.replace("/var/log/clientele/", f"{p.dir}/"))
    rules.chmod(0o644)
    assert count == 1
    for number in (1, 2):
        p.place.run(program, "-f", "-s", p.dir / "state", rules)
        wait_until(path.exists, what="a new file")
        wait_until(lambda: p.ask().status == 200 and "worker 1[" in path.read_text(), what="lines of the worker in it")
    assert (p.dir / "own.log.1").exists() and (p.dir / "own.log.2.gz").exists()


def test_a_file_that_cannot_be_opened_again_stays_in_use(pool):
    p = pool(workers=1)
    path, moved = p.dir / "own.log", p.dir / "moved.log"
    p.write_conf(log=path)
    p.service.start()
    wait_until(lambda: p.ask().status == 200, what="an answer")
    path.rename(moved)
    path.mkdir()
    reopen(p)
    wait_until(lambda: "worker 1" in next((line for line in moved.read_text().splitlines() if "keeping the old file" in line
                                           and "worker" in line), ""), what="the complaint")
    assert p.ask(headers=with_id("log-kept")).status == 200
    wait_until(lambda: "request_id=log-kept" in moved.read_text(), what="the line")
    path.rmdir()
    reopen(p)
    # Until the worker has been told, its lines go to the old file.
    wait_until(lambda: p.ask(headers=with_id("log-new")).status == 200 and path.is_file()
               and "request_id=log-new" in path.read_text(), what="the line in the new file")


def test_reload_changes_where_and_how(pool):
    p = pool(workers=1, log_level="debug").start()
    path = p.dir / "own.log"
    p.write_conf(log=path, log_format="json", log_level="info", slow_request="0")
    p.signal(signal.SIGHUP)
    wait_until(lambda: path.exists() and "ready: 1 workers" in path.read_text(), what="the reload")
    assert p.ask(headers=with_id("log-reloaded")).status == 200
    request_line(p, "log-reloaded", path.read_text)
    assert "debug" not in {row["level"] for row in json_lines(path.read_text())}
    # A wrong one is refused, and says so where the log is.
    p.write_conf(log="/nonexistent/folder/log")
    p.signal(signal.SIGHUP)
    wait_until(lambda: "reload refused" in path.read_text(), what="the refusal")
    assert p.ask(headers=with_id("log-refused")).status == 200
    request_line(p, "log-refused", path.read_text)
    p.write_conf(log="stderr")
    p.signal(signal.SIGHUP)
    p.wait_log('"message":"ready: 1 workers"')


def test_a_full_disk_does_not_stop_the_service(pool):
    p = pool(log="/dev/full")
    p.service.start()
    wait_until(lambda: p.ask().status == 200, what="an answer")
    assert {p.ask().status for _ in range(20)} == {200}
    told = [line for line in p.log().splitlines() if line == "clientele: log: /dev/full: No space left on device; lines are lost"]
    assert 1 <= len(told) <= 5, "each process tells it once"
    p.signal(signal.SIGTERM)
    assert p.wait() == 0


# ---------------------------------------------------------------- standard error


@contextlib.contextmanager
def stderr_of(p, reader, writer, **env):
    """The service with this end of a pipe or socket as its standard error."""
    p.service.process = p.place.spawn(writer, p.place.bin, "-c", p.conf, "serve", env=env)
    os.close(writer)
    wait_until(lambda: p.ended() or p.accepts(), what="the start of clientele")
    try:
        yield
    finally:
        p.signal(signal.SIGTERM)
        assert p.wait() == 0


@pytest.mark.parametrize("kind", ["pipe", "pipe of another user", "socket"])
@pytest.mark.parametrize("reader_stays", [True, False], ids=["still", "gone"])
def test_a_reader_that_does_not_read_does_not_stop_the_service(pool, kind, reader_stays):
    p = pool(workers=2)
    reader, writer = [s.detach() for s in socket.socketpair()] if kind == "socket" else os.pipe()
    if kind == "pipe" and p.place.as_user:
        os.fchown(writer, p.place.as_user["user"], -1)
    with stderr_of(p, reader, writer):
        wait_until(lambda: p.ask().status == 200, what="an answer")
        if not reader_stays:
            os.close(reader)
        # More lines than pipe or socket hold.
        name = "x" * 120
        begun = time.monotonic()
        assert {p.ask(headers=with_id(name)).status for _ in range(1200)} == {200}
        assert time.monotonic() - begun < 20 * PATIENCE
        if reader_stays:
            os.set_blocking(reader, False)
            text = b""
            with contextlib.suppress(BlockingIOError):
                while True:
                    text += os.read(reader, 1 << 20)
            assert {p.ask().status for _ in range(20)} == {200}
            text += os.read(reader, 1 << 20)
            assert b" log lines of this process were lost: Resource temporarily unavailable\n" in text
            assert all(LINE.fullmatch(line) for line in text.decode().splitlines()), "a torn line"
    if reader_stays:
        os.close(reader)


def test_the_journal_gets_priorities_and_keeps_the_time_itself(pool):
    p = pool(workers=1, slow_request="0")
    reader, writer = socket.socketpair()
    st = os.fstat(writer.fileno())
    text = b""
    with stderr_of(p, reader, writer.detach(), JOURNAL_STREAM=f"{st.st_dev}:{st.st_ino}"):
        wait_until(lambda: p.ask(headers=with_id("log-journal")).status == 200, what="an answer")
        assert p.ask(headers=with_id("log-end")).status == 200
        reader.settimeout(10 * PATIENCE)
        while b"log-end" not in text:
            text += reader.recv(65536)
    assert re.search(r"^<6>supervisor: ready: 1 workers$", text.decode(), re.M)
    assert re.search(r"^<6>worker 1: request request_id=log-journal ", text.decode(), re.M)
    reader.close()


# ---------------------------------------------------------------- syslog


class Daemon:
    """A syslog daemon: a datagram socket with a name."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        os.chmod(path, 0o666)

    def lines(self, until, seconds=10):
        """Reads until a line has the text."""
        lines = []
        self.socket.settimeout(seconds * PATIENCE)
        while not lines or until not in lines[-1]:
            lines.append(self.socket.recv(65536).decode())
        return lines

    def stop(self):
        self.socket.close()
        self.path.unlink()


SYSLOG = re.compile(r"<(27|28|30|31)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d clientele\[\d+\]: (.+)")


@pytest.fixture
def daemon(place):
    made = []

    def new(path=None):
        made.append(Daemon(path or place.new("log") / "socket"))
        return made[-1]

    yield new
    for one in made:
        with contextlib.suppress(FileNotFoundError):
            one.stop()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_syslog_gets_a_datagram_a_line(pool, daemon, log_format):
    d = daemon()
    p = pool(workers=1, log=f"syslog:{d.path}", log_format=log_format)
    p.service.start()
    d.lines("ready: 1 workers")
    assert p.ask(headers=with_id("log-syslog")).status == 200
    (*_, line) = d.lines("log-syslog")
    priority, rest = SYSLOG.fullmatch(line).groups()
    assert priority == "30"  # daemon.info
    if log_format == "json":
        assert list(json.loads(rest)) == MEMBERS + FIELDS
    else:
        assert rest.startswith("worker 1: request request_id=log-syslog ")
    assert p.log() == ""


def test_syslog_daemon_that_is_not_there_yet_or_comes_back(pool, daemon, place):
    path = place.new("log") / "socket"
    p = pool(workers=1, log=f"syslog:{path}")
    p.service.start()
    wait_until(lambda: p.ask().status == 200, what="an answer without a daemon")
    assert f"clientele: log: {path}: No such file or directory; lines are lost" in p.log()
    for number in range(2):
        # The second comes after the first one's line was lost.
        assert [p.ask().status for _ in range(2)] == [200] * 2
        d = daemon(path)
        assert p.ask(headers=with_id(f"log-daemon-{number}")).status == 200
        # Behind the first line that arrives, which may be that of the request before.
        lines = d.lines(f"log-daemon-{number}")
        if not any("were lost" in line for line in lines):
            lines += d.lines("were lost")
        assert any("log lines of this process were lost" in line for line in lines)
        d.stop()


def test_syslog_daemon_that_does_not_read_does_not_stop_the_service(pool, daemon):
    d = daemon()
    p = pool(workers=1, log=f"syslog:{d.path}")
    p.service.start()
    wait_until(lambda: p.ask().status == 200, what="an answer")
    limit = int(open("/proc/sys/net/unix/max_dgram_qlen").read())
    begun = time.monotonic()
    assert {p.ask().status for _ in range(min(limit, 1000) + 50)} == {200}
    assert time.monotonic() - begun < 10 * PATIENCE, "each line waits for the daemon"
    wait_until(lambda: "Resource temporarily unavailable; lines are lost" in p.log(), what="the complaint")
    d.socket.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            d.socket.recv(65536)
    assert p.ask().status == 200
    assert re.search(r"worker 1: \d+ log lines of this process were lost", d.lines("were lost")[-1])


# ---------------------------------------------------------------- what must not stand in it


def test_messages_of_postgresql_are_not_in_the_log(pool, new_database):
    """An error, its detail and hint, and notices: all of them may quote a customer's values."""
    database = new_database()
    key = database.organization("Private Ltd").key("live")
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute("""
            CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                RAISE WARNING 'warned of %', NEW.email;
                IF NEW.email LIKE 'broken%' THEN
                    RAISE EXCEPTION 'no % here', NEW.email USING DETAIL = NEW.email, HINT = NEW.email;
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER tell BEFORE INSERT ON customer FOR EACH ROW EXECUTE FUNCTION tell();
        """)
    p = pool(database, workers=1, log_level="debug")
    p.key = key
    p.start()
    assert p.ask("POST", body=b'{"email":"fine@private.example"}').status == 201
    assert p.ask("POST", body=b'{"email":"broken@private.example"}').status == 500
    p.wait_log("SQLSTATE P0001")
    assert "private.example" not in p.log() and "warned" not in p.log()


def test_a_connection_string_that_cannot_be_read_is_not_in_the_log(pool):
    """A7: it is a mistake of the configuration, and no database that is away for a while."""
    p = pool(workers=1, database_url="host=/nowhere password=two words")
    p.service.start(False)
    assert p.wait() == 78
    assert "clientele: database_url: libpq cannot read it" in p.log() and "words" not in p.log()
