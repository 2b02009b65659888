"""
A private stack for tests: a PostgreSQL cluster, Clientele, and the web servers with the files of conf/.

Everything lives in one temporary folder that goes away with its Place. Nothing runs as root: when the tests
do, the processes become the user that PostgreSQL's package made. The binary is $CLIENTELE_BIN (copied, so
that it may lie where that user cannot reach it); the rest comes from the source folder.
"""

import contextlib
import itertools
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import psycopg2

ROOT = Path(__file__).resolve().parent.parent
# Sanitizers and valgrind slow everything down.
PATIENCE = float(os.environ.get("CLIENTELE_TEST_PATIENCE", "1"))
KEPT_ENVIRONMENT = ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS")
SANITIZER_REPORT = re.compile(r"(ERROR: (Address|Leak|Thread)Sanitizer.*|.*: runtime error: .*)")


def wait_until(condition, seconds=10, what="it"):
    """The first true result of condition()."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {seconds * PATIENCE:g} s")
        time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def binary():
    path = os.environ.get("CLIENTELE_BIN")
    if not path:
        raise RuntimeError("CLIENTELE_BIN must name the binary to test (scripts/check api does all of this)")
    return Path(path).resolve()


def process_stat(pid):
    """State and parent of a process, or None."""
    try:
        state, parent = Path("/proc", str(pid), "stat").read_text().rsplit(") ", 1)[1].split()[:2]
    except OSError:
        return None
    return state, int(parent)


SO_ACCEPTCON = 1 << 16  # of the flags in /proc/net/unix: it listens


def listening_at(path):
    """The socket that listens at a path: connections to it have its path, too, and a line of their own."""
    with open("/proc/net/unix") as file:
        of_path = [line.split() for line in file if line.endswith(f" {path}\n")]
    (inode,) = [inode for _, _, _, flags, _, _, inode, _ in of_path if int(flags, 16) & SO_ACCEPTCON]
    return f"socket:[{inode}]"


def open_files(pid):
    """{descriptor: target} of a process. One that is closed meanwhile is not in it."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
    return found


def children(pid):
    """Pids of the living processes whose parent is pid, in order."""
    try:
        candidates = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # an older kernel, or no such process
        candidates = [entry for entry in os.listdir("/proc") if entry.isdigit()]
    stats = ((int(candidate), process_stat(candidate)) for candidate in candidates)
    return sorted(number for number, stat in stats if stat and stat[1] == pid and stat[0] not in "ZX")


class Place:
    """The temporary folder, and the user for everything in it."""

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="clientele-test.", dir="/tmp"))
        self.as_user = {}
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            self.as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self.dir, user.pw_uid, user.pw_gid)
        self.env = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        self.env.update(HOME=str(self.dir), LC_ALL="C.UTF-8")
        self.bin = self.take(binary())
        self.conf = self.take(ROOT / "conf")
        self._numbers = itertools.count(1)

    def take(self, source):
        """A copy of a file or folder that the user can read."""
        target = self.dir / source.name
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
        for path in [target, *target.rglob("*")]:
            path.chmod(0o755 if path.is_dir() or os.access(source, os.X_OK) else 0o644)
        return target

    def new(self, name):
        """A folder of the user's own that did not exist before."""
        path = self.dir / f"{name}{next(self._numbers)}"
        path.mkdir(mode=0o700)
        if self.as_user:
            os.chown(path, self.as_user["user"], self.as_user["group"])
        return path

    def run(self, *command, check=True, env=None, timeout=120, **more):
        """subprocess.run() as the user, with text output captured."""
        done = subprocess.run([str(part) for part in command], env={**self.env, **(env or {})}, cwd=self.dir, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout * PATIENCE,
                              **self.as_user, **more)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def spawn(self, log, *command, env=None, **more):
        """A child in a session of its own whose output goes to the file log, or to an open descriptor."""
        with open(log, "ab") if not isinstance(log, int) else os.fdopen(os.dup(log), "wb") as out:
            return subprocess.Popen([str(part) for part in command], env={**self.env, **(env or {})}, cwd=self.dir,
                                    stdin=more.pop("stdin", subprocess.DEVNULL), stdout=out, stderr=out, start_new_session=True,
                                    **self.as_user, **more)

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


class Cluster:
    """
    A private PostgreSQL on a unix socket; the superuser is postgres, nobody needs a password. conf is added to
    postgresql.conf; with copy_of it begins as a copy of a running cluster, and signal ("standby", "recovery") says
    what it does then.
    """

    def __init__(self, place, conf="", copy_of=None, signal=None, start=True):
        self.place = place
        self.bin = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(re.sub(r"\D.*", "", p.parent.name)))
        self.sockets = place.new("s")
        self.data = self.sockets / "data"
        self.log = self.sockets / "postgres.log"
        if copy_of:
            place.run(self.bin / "pg_basebackup", "-h", copy_of.sockets, "-U", "postgres", "-D", self.data, "-c", "fast", "--no-sync")
        else:
            place.run(self.bin / "initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "--encoding=UTF8",
                      "--locale=C.UTF-8", "--no-sync")
        if signal:
            place.run("touch", self.data / f"{signal}.signal")
        # Tests kill processes, never the machine: fsync would only cost time.
        with open(self.data / "postgresql.conf", "a") as file:
            file.write(f"listen_addresses = ''\nunix_socket_directories = '{self.sockets}'\nfsync = off\n"
                       "max_connections = 200\nautovacuum_naptime = 5s\n" + conf)
        if start:
            self.start()

    def start(self):
        self.place.run(self.bin / "pg_ctl", "-s", "-w", "-t", "60", "-D", self.data, "-l", self.log, "start")

    def stop(self, mode="fast"):
        self.place.run(self.bin / "pg_ctl", "-s", "-w", "-t", "60", "-D", self.data, "-m", mode, "stop", check=False)

    def psql(self, *arguments, database="postgres", **more):
        return self.place.run(self.bin / "psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", self.sockets, "-U", "postgres",
                              "-d", database, *arguments, **more).stdout

    def url(self, role, database):
        return f"postgresql://{role}@/{database}?host={quote(str(self.sockets), safe='')}"

    def connect(self, database="postgres", role="postgres"):
        """A psycopg2 connection, by default the superuser's, which sees all environments."""
        connection = psycopg2.connect(host=str(self.sockets), user=role, dbname=database)
        connection.autocommit = True
        return connection

    def database(self, name, migrate=True):
        """Makes a database as an operator would, with setup.sql and `clientele migrate`; returns its Database."""
        with open(ROOT / "sql" / "setup.sql") as setup:
            self.psql("-f", "-", "-v", f"database={name}", stdin=setup)
        database = Database(self, name)
        if migrate:
            database.clientele("migrate")
        return database


class Database:
    """One database of a cluster and the commands that work on it."""

    def __init__(self, cluster, name):
        self.cluster, self.place, self.name = cluster, cluster.place, name
        self.serve_url = cluster.url("clientele_serve", name)
        self.owner_url = cluster.url("clientele_owner", name)

    def connect(self, role="postgres"):
        return self.cluster.connect(self.name, role)

    def clientele(self, *arguments, check=True, **more):
        """Runs the binary; returns the finished process."""
        return self.place.run(self.place.bin, "-c", "/dev/null", f"--database-url={self.serve_url}",
                              f"--database-owner-url={self.owner_url}", *arguments, check=check, **more)

    def organization(self, name):
        self.clientele("org", "create", name)
        return Organization(self, name)


class Organization:
    """An organization and what the command line can do with it."""

    def __init__(self, database, name):
        self.database, self.name = database, name

    def key(self, env, *arguments):
        """A new key, as text."""
        key = self.database.clientele("key", "create", "--org", self.name, "--env", env, *arguments).stdout
        assert re.fullmatch(rf"ck_{env}_[0-9A-Za-z_-]+\n", key), f"stdout has more than the key: {key!r}"
        return key.strip()

    def keys(self):
        return json.loads(self.database.clientele("key", "list", "--org", self.name, "--json").stdout)

    def revoke(self, name):
        """The key of this name."""
        rows = self.keys()
        rows = rows if isinstance(rows, list) else rows["data"]
        (found,) = [row["id"] for row in rows if row["name"] == name]
        self.database.clientele("key", "revoke", found)

    def pin(self, version):
        self.database.clientele("org", "pin", self.name, version)


class Service:
    """
    A supervisor with its workers. Options are keys of clientele.conf. There is no clerk where a test does not want one: many
    count processes and connections.
    """

    def __init__(self, database, **options):
        self.database, self.place = database, database.place
        self.dir = self.place.new("c")
        self.log_file = self.dir / "log"
        self.socket = self.dir / "socket"
        self.pidfile = self.dir / "pid"
        self.conf = self.dir / "clientele.conf"
        self.options = {"database_url": database.serve_url, "listen": f"unix:{self.socket}", "pidfile": self.pidfile,
                        "workers": 2, "clerk": "off", **options}
        self.bin = self.place.bin
        self.process = None
        self.write_conf()

    def write_conf(self, **options):
        """Changes options; a running supervisor learns of them at a reload or restart."""
        self.options.update(options)
        text = "".join(f"{key} = {value}\n" for key, value in self.options.items() if value is not None)
        self.conf.write_text(text)
        self.conf.chmod(0o644)

    def start(self, wait=True, *arguments, **more):
        assert self.process is None or self.process.poll() is not None
        self.process = self.place.spawn(self.log_file, self.bin, "-c", self.conf, "serve", *arguments, **more)
        if wait:
            wait_until(lambda: self.ended() or (self.accepts() and len(self.workers()) >= self.expected_workers()),
                       what="the start of clientele")
            assert not self.ended(), f"clientele ended with {self.process.returncode}:\n{self.log()}"
        return self

    def expected_workers(self):
        count = str(self.options.get("workers", "auto")).removeprefix("static ")
        return (int(count) if count.isdigit() else 1) + (self.options["clerk"] == "on")

    def accepts(self):
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(str(self.socket))
                return True
            except OSError:
                return False

    def ended(self):
        return self.process.poll() is not None

    @property
    def pid(self):
        return self.process.pid

    def workers(self):
        """All of its children; where there is a clerk or an admin process, these too."""
        return children(self.pid)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=30):
        """The supervisor's exit status (negative: a signal's number)."""
        return self.process.wait(seconds * PATIENCE)

    def stop(self):
        """Ends it as an operator would; returns the exit status."""
        if self.process is None:
            return 0
        if not self.ended():
            self.signal(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self.wait()
        self.check_log()
        return self.process.returncode

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def check_log(self):
        report = SANITIZER_REPORT.search(self.log())
        assert report is None, f"{report.group(0)}\n{self.log()[report.start():][:8000]}"


class Front:
    """A web server with the very files of conf/; only address and socket are changed in them, as an operator would."""

    KINDS = ("nginx", "lighttpd")
    # These two run the tests that have to do with what a web server can change.
    MORE = ("caddy", "apache")
    PROGRAMS = {"apache": "apache2"}
    # The file with address and socket, and what is changed in it.
    SITES = {
        "nginx": ("nginx-site.conf", [(r"listen 8080;", "listen 127.0.0.1:{port};"),
                                      (r"server unix:\S+", "server unix:{backend}"), (r'"[^"]+/web"', '"{dir}/web"')]),
        "lighttpd": ("lighttpd-site.conf", [(r"(?m)^server.bind := .*", 'server.bind := "127.0.0.1"'),
                                            (r"(?m)^server.port := .*", "server.port := {port}"),
                                            (r"(?m)^var.clientele_backend = .*", 'var.clientele_backend = ("socket" => "{backend}")'),
                                            (r"(?m)^var.clientele_errors = .*", 'var.clientele_errors = "{dir}/lighttpd-errors"'),
                                            (r"(?m)^var.clientele_web = .*", 'var.clientele_web = "{dir}/web"')]),
        "caddy": ("Caddyfile", [(r"(?m)^:8080 [{]", ":{port} {{\n\tbind 127.0.0.1"), (r"unix/\S+", "unix/{backend}"),
                                  (r'"[^"]+/web"', '"{dir}/web"')]),
        "apache": ("apache.conf", [(r"Listen 8080", "Listen 127.0.0.1:{port}"), (r"\*:8080", "127.0.0.1:{port}"),
                                   (r"unix:[^|]+", "unix:{backend}"), (r'"[^"]+/web"', '"{dir}/web"')]),
    }
    APACHE_MODULES = ("mpm_event", "alias", "authz_core", "deflate", "env", "filter", "headers", "proxy", "proxy_fcgi", "reqtimeout", "rewrite")

    def __init__(self, place, kind, backend, port=None, files=None):
        """backend is the path of Clientele's socket; files the folder of configuration, by default conf/."""
        self.place, self.kind, self.port = place, kind, port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.dir = place.new("w")
        self.log_file = self.dir / "log"
        name, changes = self.SITES[kind]
        for source in {*(files or place.conf).glob(f"{kind}*"), (files or place.conf) / name}:
            if source.is_dir():
                shutil.copytree(source, self.dir / source.name)
            else:
                shutil.copy(source, self.dir)
        site = self.dir / name
        text = site.read_text()
        for pattern, value in changes:
            text, count = re.subn(pattern, value.format(port=self.port, backend=backend, dir=self.dir), text)
            assert count, f"{site.name}: {pattern} is not there"
        site.write_text(text)
        self.surround()
        for path in [self.dir, *self.dir.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        if place.as_user:
            os.chown(self.dir, place.as_user["user"], place.as_user["group"])
        self.start()

    def surround(self):
        """What an installed Caddy or Apache has around our site."""
        if self.kind == "caddy":
            (self.dir / "main").write_text("{\n\tadmin off\n}\nimport Caddyfile\n")
        if self.kind == "apache":
            modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in self.APACHE_MODULES)
            (self.dir / "main").write_text(f"{modules}ServerRoot {self.dir}\nServerName test\nPidFile pid\nErrorLog error.log\n"
                                           "Mutex posixsem\nInclude apache.conf\n")

    def start(self):
        program = shutil.which(self.PROGRAMS.get(self.kind, self.kind), path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        command = {"nginx": ["-e", "stderr", "-p", self.dir, "-c", self.dir / "nginx.conf", "-g", "daemon off;"],
                   "lighttpd": ["-D", "-f", self.dir / "lighttpd.conf"],
                   "caddy": ["run", "--adapter", "caddyfile", "--config", self.dir / "main"],
                   "apache": ["-D", "FOREGROUND", "-f", self.dir / "main"]}[self.kind]
        self.process = self.place.spawn(self.log_file, program, *command)
        wait_until(lambda: self.process.poll() is not None or self.accepts(), what=f"the start of {self.kind}")
        assert self.process.poll() is None, self.log_file.read_text()

    def accepts(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def change(self, name, before, after):
        """Puts a text in the place of another in one of its files, and starts it anew."""
        self.stop()
        text = (self.dir / name).read_text()
        assert text.count(before) == 1, f"{name}: {text.count(before)} times {before!r}"
        (self.dir / name).write_text(text.replace(before, after))
        self.start()

    def part_connections(self):
        """A connection for each request, as other web servers have; for nginx alone, whose files keep them."""
        self.change("nginx-clientele.conf", "fastcgi_keep_conn on;", "fastcgi_keep_conn off;")
        self.change("nginx-site.conf", "keepalive 256;", "")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


class Fronts(dict):
    """Web servers by name; each starts when it is first asked for, before the service that `behind` tells for its name."""

    def __init__(self, behind):
        super().__init__()
        self.behind = behind

    def __missing__(self, kind):
        service = self.behind(kind)
        self[kind] = Front(service.place, kind, service.socket)
        return self[kind]

    def stop(self):
        for front in self.values():
            front.stop()
