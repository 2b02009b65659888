"""
What a worker may not do, tried from inside one: intruder.c is loaded into the shipped program and makes a system call
where the worker takes a connection. A call that is not in the table ends the process before it is done.
"""

import contextlib
import ctypes
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import time

import pytest

from conftest import Pool
from stack import ROOT, Cluster, Service, free_port, wait_until
from tls import PASSWORD

CUSTOMERS = "/api/v1/customers"
LANDLOCK_TCP = 4  # its version that knows ports


def landlock_version():
    return ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)


@pytest.fixture(scope="session")
def intruder(place):
    library = place.new("i") / "intruder.so"
    subprocess.run([os.environ.get("CC", "cc"), "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library,
                    ROOT / "tests" / "security" / "intruder.c", "-ldl"], check=True)
    return library


class Invaded(Pool):
    """A service with the intruder in its workers."""

    def __init__(self, service, key, intruder):
        super().__init__(service, key)
        self.intruder = intruder
        self.target = service.dir / "target"
        self.port = free_port()

    def start(self, **env):
        # A worker that dies before it has answered is followed after a pause; so each answers once in between.
        return super().start(env={"LD_PRELOAD": str(self.intruder), "INTRUDER_PATH": str(self.target),
                                  "INTRUDER_PORT": str(self.port), **env})

    def clerk(self):
        """The pid of a clerk in its sandbox."""
        return wait_until(self.find_clerk, 20, "a clerk")

    def find_clerk(self):
        told = self.place.run(self.place.bin, "-c", self.conf, "--json", "status", check=False).stdout
        pid = told and json.loads(told)["clerk"]["pid"]
        with contextlib.suppress(OSError):
            return pid and status_of(pid)["Seccomp"] == "2" and pid

    def intrude_clerk(self, name):
        """The same, in the clerk: the pid of the one that was asked, and what came of it."""
        seen, asked = len(self.log()), None

        def told():
            return re.search(rf"intruder: {name}: (\S+)|the clerk died: (.*) pid=", self.log()[seen:])

        def asked_and_told():
            nonlocal asked
            pid = self.find_clerk()
            # Another one may be in its place, because of the reload of the last call; but not by what this call did.
            if not told() and pid and pid != asked:
                with open(self.order, "r+b") as file:
                    file.write(f"{pid} {name}\n".encode().ljust(64, b"\0"))
                asked = pid
            return told()

        came = wait_until(asked_and_told, what="a word of it")
        if came[2]:
            before = len(self.log())
            self.signal(signal.SIGHUP)  # otherwise the next one comes after a pause
            wait_until(lambda: re.search("(?s) reloading configuration.* ready: ", self.log()[before:]), what="the end of the reload")
        return asked, came[1] or came[2]

    def intrude(self, name):
        """What came of it: ("done", an errno's name) or the line about the worker's death."""
        wait_until(lambda: self.ask().status == 200, 20, "an answer of a worker")
        seen = len(self.log())
        status = self.ask(uri=f"/intrude/{name}/").status
        told = wait_until(lambda: re.search(rf"intruder: {name}: (\S+)| died: (.*) pid=", self.log()[seen:]), what="a word of it")
        assert (status == 400) == bool(told[1])  # such paths are not the API's
        return told[1] or told[2]


def invaded(database, key, intruder, **options):
    return Invaded(Service(database, **{"workers": 1, **options}), key, intruder)


def needs_filter(place):
    if "seccomp: yes" not in place.run(place.bin, "-V").stdout:
        pytest.skip("this build has no filter of system calls")


@pytest.fixture(scope="module")
def local(place, proc_database, key, intruder):
    """The database behind its unix socket, no password file."""
    needs_filter(place)
    p = invaded(proc_database, key, intruder).start()
    yield p
    p.stop()


@pytest.fixture(scope="module")
def with_clerk(place, cluster, intruder):
    """The same with a clerk, which takes its orders from a file; a database of its own, because it is killed."""
    needs_filter(place)
    database = cluster.database("intruded")
    p = invaded(database, database.organization("Intruded Ltd").key("live"), intruder, clerk="on",
                admin_listen=f"unix:{place.new('a') / 'admin'}")
    p.order = p.service.dir / "order"
    p.order.write_bytes(bytes(64))
    p.order.chmod(0o666)
    p.start(INTRUDER_ORDER=str(p.order))
    yield p
    p.stop()


@pytest.fixture(scope="module")
def remote(place, tls_cluster, tls_database, tls_key, intruder):
    """The database by TCP, a host name and TLS; the log is a file."""
    needs_filter(place)
    log = place.new("l") / "clientele.log"
    p = invaded(tls_database, tls_key, intruder, database_url=tls_cluster.tls_url(tls_database), log=log)
    p.service.own_log = log
    p.service.log = lambda: log.read_text() + p.service.log_file.read_text() if log.exists() else ""
    p.start()
    yield p
    p.stop()


# Nobody needs these: intruder's name -> the system call that the log names.
NEVER = {
    "open-to-write": "openat", "open-to-append": "openat", "open-both-ways": "openat", "open-and-create": "openat",
    "open-without-name": "openat", "open-and-empty": "openat", "open-by-ring": "io_uring_setup",
    "unlink": "unlinkat", "rename": "renameat2", "mkdir": "mkdirat", "chmod": "fchmodat", "truncate": "ftruncate",
    "memfd": "memfd_create", "exec": "execve", "exec-at": "execveat", "fork": "clone", "clone-namespace": "clone",
    "unshare": "unshare", "ptrace": "ptrace", "read-process": "process_vm_readv", "kill": "kill", "tgkill-other": "tgkill",
    "mount": "mount", "bpf": "bpf", "setuid": "setuid", "prctl": "prctl", "setrlimit": "prlimit64", "timer": "setitimer",
    "catch-refusals": "rt_sigaction", "run-data": "mmap", "run-nothing": "mmap", "run-data-later": "mprotect", "raw": "socket", "netlink": "socket", "packet": "socket",
    "vsock": "socket", "socketpair": "socketpair", "listen": "listen", "accept-elsewhere": "accept4",
    "stop-listening": "shutdown", "stop-listening-in-disguise": "shutdown",
    "stop-listening-otherwise": "connect", "let-others-wait": "fcntl", "take-nothing": "setsockopt",
}
# These only where the database is behind a unix socket.
NOT_LOCALLY = {"open-to-read": "openat", "open-as-log": "openat", "inet": "socket", "inet6": "socket", "connect-elsewhere": "socket",
               "routes": "socket", "keyring": "keyctl"}


def refused(call):
    return f"the sandbox does not allow the system call {call}"


@pytest.mark.parametrize("name", [*NEVER, *NOT_LOCALLY])
def test_a_worker_with_a_local_database_is_killed(local, name):
    assert local.intrude(name) == refused({**NEVER, **NOT_LOCALLY}[name])
    assert not local.target.exists()


@pytest.mark.parametrize("name", NEVER)
def test_a_worker_with_a_database_elsewhere_is_killed(remote, name):
    assert remote.intrude(name) == refused(NEVER[name])
    assert not remote.target.exists()


# It has no listening socket: 256 is a number that none of its descriptors has.
NEVER_CLERK = {**{name: call for name, call in {**NEVER, **NOT_LOCALLY}.items() if not name.startswith("stop-")
                  and name not in ("let-others-wait", "take-nothing")},
               "accept-listening": "accept4", "queue": "socket", "wait-as-a-worker": "epoll_wait"}


@pytest.mark.parametrize("name", NEVER_CLERK)
def test_a_clerk_is_killed_for_less(with_clerk, name):
    assert with_clerk.intrude_clerk(name)[1] == refused(NEVER_CLERK[name])
    assert not with_clerk.target.exists()


@pytest.mark.parametrize("name", ["touch-supervisor", "touch-neighbour"])
def test_of_the_shared_memory_a_clerk_has_its_own_part(with_clerk, name):
    assert with_clerk.intrude_clerk(name)[1] == "signal 11 (SIGSEGV)"


def test_what_a_clerk_needs_is_let_through(with_clerk):
    pid, came = with_clerk.intrude_clerk("nothing")
    assert came == "done"
    assert with_clerk.clerk() == pid
    assert status_of(pid)["NoNewPrivs"] == "1" and limits_of(pid)["Max open files"] == ["256", "256"]


def test_what_a_worker_needs_is_let_through(local, remote):
    assert local.intrude("nothing") == "done"
    assert local.intrude("queue") == "done"
    remote.target.write_text("")
    try:
        for name in ("nothing", "open-to-read", "inet", "inet6", "routes"):
            assert remote.intrude(name) == "done", name
        assert remote.intrude("keyring") == "ENOSYS"
    finally:
        remote.target.unlink()


def test_calls_of_another_kind_of_program_are_killed(local):
    """x32 on x86-64: the numbers of the table mean something else there."""
    if os.uname().machine != "x86_64":
        pytest.skip("x32 is a thing of x86-64")
    assert local.intrude("other-world") == "signal 31 (SIGSYS)"


def test_a_new_file_can_be_made_only_beside_the_log(remote):
    """The filter sees how the log is opened, not which file it is: that is Landlock's."""
    if landlock_version() < 1:
        pytest.skip("this kernel has no Landlock")
    assert remote.intrude("open-as-log") == "EACCES"
    assert not remote.target.exists()


def test_only_ports_of_the_database_can_be_connected_to(remote):
    if landlock_version() < LANDLOCK_TCP:
        pytest.skip("this kernel's Landlock knows no ports")
    with socket.socket() as other:
        other.bind(("127.0.0.1", remote.port))
        other.listen()
        assert remote.intrude("connect-elsewhere") == "EACCES"


def test_the_supervisor_counts_and_names_what_was_refused(local):
    local.intrude("fork")
    line = [line for line in local.log().splitlines() if " died: " in line][-1]
    assert re.search(r"worker 1 died: the sandbox does not allow the system call clone pid=\d+ was=ready doing=idle", line)


def status_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def limits_of(pid):
    with open(f"/proc/{pid}/limits") as file:
        return {line[:26].strip(): line[26:].split()[:2] for line in file}


def test_what_the_kernel_says_of_the_processes(local, remote):
    for p in (local, remote):
        wait_until(lambda: p.ask().status == 200, what="a worker")
        (pid,) = p.workers()
        assert status_of(pid)["NoNewPrivs"] == "1" and status_of(pid)["Seccomp"] == "2"
        assert limits_of(pid)["Max core file size"] == ["0", "0"]
        assert limits_of(pid)["Max open files"] == ["4096", "4096"]
        assert status_of(p.pid)["NoNewPrivs"] == "1"
    # Standard error of these is a file.
    assert limits_of(remote.workers()[0])["Max file size"] == ["unlimited", "unlimited"]


def test_the_admin_process_is_confined_too(place, pool):
    needs_filter(place)
    p = pool(workers=1, admin_listen=f"unix:{place.new('a') / 'admin'}").start()
    wait_until(lambda: len(p.workers()) == 2 and all(status_of(pid)["Seccomp"] == "2" for pid in p.workers()), what="both")
    pids = p.workers()
    shown = place.run(place.bin, "-c", p.conf, "status").stdout
    assert "worker" in shown and p.workers() == pids
    assert {status_of(pid)["Seccomp"] for pid in pids} == {"2"} and status_of(p.pid)["Seccomp"] == "0"


def test_where_the_log_is_no_file_none_can_be_written(place, proc_database):
    needs_filter(place)
    reader, writer = os.pipe()
    service = Service(proc_database, workers=1)
    service.process = service.place.spawn(writer, service.bin, "-c", service.conf, "serve")
    os.close(writer)
    try:
        def file_size():
            try:  # the child that looks at the database first goes soon
                return [limits_of(pid)["Max file size"] for pid in service.workers() if status_of(pid)["Seccomp"] == "2"]
            except OSError:
                return []

        assert wait_until(file_size, what="the sandbox") == [["0", "0"]]
    finally:
        service.stop()
        os.close(reader)


@pytest.mark.parametrize("name", ["touch-supervisor", "touch-neighbour"])
def test_the_memory_of_the_supervisor_and_of_other_workers_is_not_there(local, name):
    assert local.intrude(name) == "signal 11 (SIGSEGV)"


def test_nonsense_in_the_pipe_that_wakes_the_supervisor_only_wakes_it(local):
    assert local.intrude("wake-with-nonsense") == "done"
    readies = local.readies()
    local.signal(signal.SIGHUP)
    local.wait_ready(readies)  # whatever is in the pipe, new workers are seen to serve
    assert local.ask().status == 200


def test_nonsense_in_all_memory_that_a_worker_can_write_harms_no_other_process(place, proc_database, key, intruder):
    """Its slot of the scoreboard, the words about the queue, the buckets: all of it over and over, from a thread."""
    p = invaded(proc_database, key, intruder, workers=3, admin_listen=f"unix:{place.new('a') / 'admin'}", rate_limit="10000/s")
    p.start()
    try:
        wait_until(lambda: len(p.workers()) == 4, what="workers and the admin process")
        p.ask(uri="/intrude/scribble/")
        wait_until(lambda: "intruder: scribble: done" in p.log(), what="the thread")
        before, end = p.workers(), time.monotonic() + 3
        while time.monotonic() < end:
            p.ask()
            assert place.run(place.bin, "-c", p.conf, "status").stdout.isascii()
            assert json.loads(place.run(place.bin, "-c", p.conf, "--json", "status").stdout)["pool"]["serving"] == 3
        assert p.workers() == before
        # An upgrade trusts none of it, and goes on with the counters.
        readies = p.readies()
        p.signal(signal.SIGUSR2)
        p.wait_ready(readies)
        assert "took over 3 workers" in p.log() and "counters start at zero" not in p.log()
        wait_until(lambda: not set(p.workers()) & set(before), what="the end of the former workers")
        assert " died" not in p.log() and "killed" not in p.log()
        assert {p.ask().status for _ in range(50)} == {200}
    finally:
        p.stop()


@pytest.mark.parametrize("mode", ["off", "log"])
def test_without_it_the_same_is_done(place, proc_database, key, intruder, mode):
    """So the tests above can fail; `log` lets through and leaves the word to the kernel."""
    p = invaded(proc_database, key, intruder, sandbox=mode).start()
    try:
        assert p.intrude("open-and-create") == "done" and p.target.exists()
        assert p.intrude("memfd") == "done"
        (pid,) = p.workers()
        filtered = mode == "log" and "seccomp: yes" in place.run(place.bin, "-V").stdout
        assert status_of(pid)["Seccomp"] == ("2" if filtered else "0")
    finally:
        p.stop()


def test_the_log_is_opened_again(remote):
    wait_until(lambda: remote.ask().status == 200, what="a worker")
    before = remote.workers()
    old = remote.service.own_log
    moved = old.with_suffix(".1")
    old.rename(moved)
    for pid in [remote.pid, *before]:
        os.kill(pid, signal.SIGUSR1)
    wait_until(old.exists, what="a new log")

    def has_a_request():
        remote.ask(headers=[("X-Request-Id", "after-the-move")])
        return "after-the-move" in old.read_text()

    wait_until(has_a_request, what="a request in it")
    assert remote.workers() == before


def reconnects(p, cluster):
    """The database goes and comes back, and the same workers serve on."""
    before = p.workers()
    cluster.stop("immediate")
    assert p.ask().status == 503
    cluster.start()
    wait_until(lambda: p.ask().status == 200, what="the database again")
    assert p.workers() == before
    # A client that leaves: the cancellation is a thread with a connection of its own.
    with p.held():
        seen = p.waiting()
        connection = p.connect().send(p.request())
        wait_until(lambda: p.waiting() > seen, what="a request in the database")
        connection.close()
        wait_until(lambda: p.waiting() == seen, what="its cancellation")
    assert p.ask().status == 200 and p.workers() == before
    assert " died: " not in p.log()


@pytest.fixture
def new_own_cluster(place):
    """One that may be stopped: (cluster, database, key)."""
    cluster = Cluster(place)
    database = cluster.database("again")
    yield cluster, database, database.organization("Again Ltd").key("live")
    cluster.stop("immediate")


def test_connecting_again_through_a_unix_socket(pool, new_own_cluster):
    cluster, database, key = new_own_cluster
    p = pool(database, workers=1)
    p.key = key
    reconnects(p.start(), cluster)


def test_a_connection_string_without_a_user_and_a_process_without_a_home(place, pool, new_own_cluster):
    """libpq would look both up in files that the sandbox keeps shut: the workers and the admin process live."""
    cluster, database, key = new_own_cluster
    me = pwd.getpwuid(place.as_user.get("user", os.getuid())).pw_name
    cluster.psql("-c", "CREATE ROLE boss SUPERUSER LOGIN")
    with cluster.connect(role="boss").cursor() as cursor:
        cursor.execute("ALTER ROLE postgres RENAME TO former")
        cursor.execute(f'CREATE ROLE "{me}" LOGIN IN ROLE clientele_serve')
    p = pool(database, workers=1, admin_listen=f"unix:{place.new('a') / 'admin'}",
             database_url=database.serve_url.replace("clientele_serve@", ""))
    p.key = key
    p.start(env={"HOME": ""})
    before = p.workers()
    cluster.stop("immediate")
    assert p.ask().status == 503
    cluster.start()
    wait_until(lambda: p.ask().status == 200, what="the database again")
    status = (place.bin, "-c", p.conf, "status")
    wait_until(lambda: "database  reachable;" in place.run(*status, check=False).stdout, what="the admin process's look")
    assert p.workers() == before and " died: " not in p.log()


@pytest.mark.parametrize("url", [
    {}, {"password": None}, {"host": "nowhere.invalid,localhost"}, {"mode": "require"}, {"gssencmode": "disable"},
], ids=lambda url: "-".join(map(str, url)) or "plain")
def test_connecting_again_by_name_and_tls(place, pool, tls_cluster, tls_database, tls_key, url):
    """Also with the password in a file, and with several hosts."""
    passfile = place.dir / ".pgpass"
    passfile.write_text(f"*:*:*:*:{PASSWORD}\n")
    passfile.chmod(0o600)
    if place.as_user:
        os.chown(passfile, place.as_user["user"], place.as_user["group"])
    try:
        p = pool(tls_database, workers=1, database_url=tls_cluster.tls_url(tls_database, **url))
        p.key = tls_key
        reconnects(p.start(), tls_cluster)
    finally:
        passfile.unlink()
