"""The running servers: load on them, and what it costs in processor time and memory."""

import json
import os
import pwd
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dataset
from statements import SCRIPTS, VARIABLES

ROOT = Path(__file__).resolve().parent.parent
PLACES = 16  # organizations that one measurement uses
IDS_EACH = 200  # public ids of each of them
THREADS = 2
TICKS = os.sysconf("SC_CLK_TCK")


# ---- processes


def children(pid):
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def tree(pid):
    """A process and all below it."""
    return [pid] + [below for child in children(pid) for below in tree(child)]


def cpu_seconds(pid):
    """Of a process and all below it, those that have ended too."""
    ticks = 0
    for one in tree(pid):
        try:
            ticks += sum(int(word) for word in Path(f"/proc/{one}/stat").read_text().rpartition(") ")[2].split()[11:15])
        except OSError:
            pass
    return ticks / TICKS


def pss_kib(pid):
    """Of a process; None where only root may see it."""
    try:
        return int(re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])
    except (OSError, TypeError):
        return None


def tree_pss_kib(pid):
    sizes = [pss_kib(one) for one in tree(pid)]
    return None if None in sizes else sum(sizes)


def machine_ticks():
    """All processor time there was since boot, and what of it was used."""
    every = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(every), sum(every) - every[3] - every[4]


# ---- load


def run_wrk(url, ask, serial, lines, clients, seconds):
    """What done() of wrk.lua tells; serial: a number that no other run on this cluster has; lines: what wrk.lua is told of the data."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        run = subprocess.run(["wrk", f"-t{min(THREADS, clients)}", f"-c{clients}", f"-d{seconds}s", "--timeout", "20s",
                              "-s", ROOT / "bench/wrk.lua", url, "--", ask, str(serial), file.name],
                             capture_output=True, text=True)
    found = re.search(r"^RESULT (.*)$", run.stdout, re.M)
    if not found:
        sys.exit(f"wrk failed:\n{run.stdout}{run.stderr}")
    return json.loads(found[1])


# ---- the stack


class Stack:
    """What bench/run has started (stack.json)."""

    def __init__(self, path):
        self.about = json.loads(Path(path).read_text())
        self.dir, self.workers = Path(self.about["dir"]), self.about["workers"]
        self.connections = self.about["connections"]
        self.urls, self.peers = self.about["urls"], self.about["peers"]
        self.main = dataset.Dataset(self.about["customers"], self.about["organizations"])
        # Five digits, before ten more: fifteen are what ids have room for and what a double counts exactly.
        self.sql("CREATE SEQUENCE IF NOT EXISTS bench_serial MINVALUE 10000 MAXVALUE 90000", "postgres")
        self.environments = self.read_environments("clientele")

    def as_user(self):
        """For subprocess: the user that everything runs as."""
        if os.getuid() != 0:
            return {}
        user = pwd.getpwnam(self.about["user"])
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def psql(self, database, *arguments, stdin=None):
        program = Path(self.about["pgbench"]).parent / "psql"
        return subprocess.run([program, "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", self.dir, "-U", "postgres", *arguments,
                               database], check=True, stdout=subprocess.PIPE, stdin=stdin, text=True).stdout.strip()

    def sql(self, text, database="clientele"):
        return self.psql(database, "-c", text)

    def read_environments(self, database):
        return self.sql("SELECT e.id FROM environment e JOIN organization o ON o.id = e.organization_id "
                        "WHERE o.name LIKE 'Bench %' ORDER BY split_part(o.name, ' ', 2)::int", database).split()

    def serial(self):
        """
        A number that no other measurement on this cluster has, even if another program makes it: a second request with
        the same idempotency key would be a replay, and a customer with the same external id would not be made.
        """
        return int(self.sql("SELECT nextval('bench_serial')", "postgres"))

    def places(self, data, large, serial):
        """The next organizations: over the rounds all of them come up. The large one alone for its pages."""
        if large:
            return [0]
        return sorted({(serial * PLACES + i) % data.organizations for i in range(min(PLACES, data.organizations))})

    # ---- load

    def wrk(self, url, ask, clients, seconds, large=False, data=None, everywhere=False, at=None, more=()):
        """everywhere: all organizations at once, and not the next few; at: these; more: lines for wrk.lua."""
        data = data or self.main
        serial = self.serial()
        places = at or (range(data.organizations) if everywhere else self.places(data, large, serial))
        lines = [f"data {data.organizations} {data.each}", *more,
                 *(f"{name} - {dataset.id_text('cur_', number)}" for name, number in (("first", data.first()), ("deep", data.deep())))]
        for place in places:
            lines.append(f"place {place} {dataset.key('Bench', place)}")
            if ask == "public":
                step = max(1, data.each // IDS_EACH)
                lines += [f"id {place} {dataset.id_text('cus_', data.number(place, n))}" for n in range(0, data.each, step)]
        answer = run_wrk(url, ask, serial, lines, clients, seconds)
        if ask == "empty":
            answer["refused"] = answer["requests"] - answer["refused"]
        if answer["requests"] <= answer["refused"]:
            sys.exit(f"no request for {ask} was answered well at {url}: {answer}")
        return answer

    def pgbench(self, workload, clients, seconds, large=False, data=None, database="clientele"):
        """Transactions a second, without the first second: sessions begin and statements are prepared in it."""
        data = data or self.main
        clients = min(clients, self.connections)
        serial = self.serial()
        places = (self.places(data, large, serial) * clients)[:clients]
        environments = self.environments if data is self.main else self.read_environments(database)
        variables = {
            **VARIABLES,
            "base": serial * 10**10,
            "id_head": f"{int(time.time() * 1000):012x}70000",
            "first": dataset.ID_HEAD + str(dataset.ID_FIRST + data.first()),
            "deep": dataset.ID_HEAD + str(dataset.ID_FIRST + data.deep()),
            "organizations": data.organizations,
            "each": data.each,
            "environments": ",".join(environments[place] for place in places),
            "numbers": ",".join(str(place) for place in places),
        }
        with tempfile.TemporaryDirectory() as folder:
            scripts = []
            for n, (text, weight) in enumerate(SCRIPTS[workload].items()):
                path = Path(folder, f"{n}.sql")
                path.write_text(text)
                scripts += ["-f", f"{path}@{weight}"]
            defines = [word for name, value in variables.items() for word in ("-D", f"{name}={value}")]
            run = subprocess.run([self.about["pgbench"], "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(THREADS, clients)),
                                  "-T", str(seconds + 1), "-P", "1", *scripts, *defines, "-h", self.dir, "-U", "clientele_serve",
                                  database], capture_output=True, text=True)
        failed = re.search(r"number of failed transactions: (\d+)", run.stdout)
        if run.returncode or not failed or failed[1] != "0":
            sys.exit(f"pgbench failed:\n{run.stdout}{run.stderr}")
        first = re.search(r"^progress: ([\d.]+) s, ([\d.]+) tps", run.stderr, re.M)
        begin, count_begun = float(first[1]), float(first[1]) * float(first[2])
        count = int(re.search(r"transactions actually processed: (\d+)", run.stdout)[1])
        end = count / float(re.search(r"^tps = ([\d.]+)", run.stdout, re.M)[1])
        return (count - count_begun) / (end - begin)

    # ---- a second Clientele, for the scaling runs

    def scaled(self, database="clientele", workers=None):
        return Scaled(self, database, workers or self.workers)

    def database(self, name, data):
        """A database of its own for a data set."""
        with open(ROOT / "sql/setup.sql") as setup:
            self.psql("postgres", "-v", f"database={name}", "-f", "-", stdin=setup)
        conf = self.configure(name, 1)
        subprocess.run([self.dir / "build/clientele", "-c", conf, "migrate"], check=True, stdout=subprocess.DEVNULL, **self.as_user())
        with open(ROOT / "bench/load.sql") as load:
            self.psql(name, "-v", f"customers={data.customers}", "-v", f"organizations={data.organizations}", "-f", "-", stdin=load)

    def drop(self, name):
        self.sql(f"DROP DATABASE {name}", "postgres")

    def configure(self, database, workers):
        conf = self.dir / "scaling.conf"
        address = f"@/{database}?host={str(self.dir).replace('/', '%2F')}"
        conf.write_text(f"database_url = postgresql://clientele_serve{address}\n"
                        "owner_file = scaling-owner.conf\n"
                        f"listen = unix:{self.dir}/scaling.sock\nworkers = {workers}\nrequest_log = off\n")
        conf.chmod(0o644)
        owner = self.dir / "scaling-owner.conf"
        owner.write_text(f"database_owner_url = postgresql://clientele_owner{address}\n")
        owner.chmod(0o600)
        if user := self.as_user():
            os.chown(owner, user["user"], user["group"])
        return conf


class Scaled:
    """Clientele with other workers or another database, behind the site "scaling" of nginx; a context manager."""

    def __init__(self, stack, database, workers):
        self.stack, self.conf = stack, stack.configure(database, workers)

    def __enter__(self):
        stack = self.stack
        with open(stack.dir / "scaling.log", "a") as log:
            self.process = subprocess.Popen([stack.dir / "build/clientele", "-c", self.conf, "serve"], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, start_new_session=True, **stack.as_user())
        (stack.dir / "scaling.pid").write_text(str(self.process.pid))
        end = time.monotonic() + 20
        while not (stack.dir / "scaling.sock").exists():
            if time.monotonic() > end or self.process.poll() is not None:
                sys.exit(f"Clientele did not start: {(stack.dir / 'scaling.log').read_text()}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(40)
        (self.stack.dir / "scaling.pid").unlink()
