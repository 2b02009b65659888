"""What is put under fault: PostgreSQL, Clientele and nginx as in production, with clients of several tenants before them."""

import contextlib
import os
import random
import signal
import subprocess
import time

import psycopg2

from audit import KINDS, Audit
from client import Crowd, Tenant, Wire
from shopper import Shopper, open_shop
from stack import PATIENCE, Front, Service, children, listening_at, open_files, process_stat, wait_until

SECONDS = float(os.environ.get("CLIENTELE_FAULT_SECONDS", "5"))
SEED = os.environ.get("CLIENTELE_FAULT_SEED") or str(random.SystemRandom().randrange(10**9))
BACK_SECONDS = 5    # after the database's return everybody is served again
QUIET_SECONDS = 0.5  # without a failure: this is what 'again' means
FINISH_SECONDS = 30


def kill_all(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all((process_stat(pid) or "Z")[0] in "ZX" for pid in pids), what="the end of killed processes")


class Stand:
    """One database with its tenants, a service and an nginx. options are keys of clientele.conf."""

    def __init__(self, database, way=None, start=None, **options):
        """way: the connection string of the service, when it is not the straight one; start: for its Popen()."""
        self.database, self.cluster = database, database.cluster
        acme, bolt = database.organization("Acme Ltd"), database.organization("Bolt Ltd")
        self.tenants = [Tenant(acme, "live"), Tenant(acme, "sandbox"), Tenant(bolt, "live")]
        self.service = Service(database, **{"workers": 4, **({"database_url": way} if way else {}), **options}).start(**(start or {}))
        self.front = Front(database.place, "nginx", self.service.socket)
        self.tenants[1].by_invoice = True
        with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
            cursor.executemany("INSERT INTO billing_setting (environment_id, collection, net_days) VALUES (%s, %s, 365)",
                               [(tenant.environment, "invoice" if tenant.by_invoice else "checkout") for tenant in self.tenants])
            db.commit()
        for tenant in self.tenants:
            open_shop(Wire(self.front.port), tenant)

    def stop(self):
        self.front.stop()
        self.service.stop()

    def query(self, statement, *values):
        with contextlib.closing(self.database.connect()) as db, db.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else cursor.rowcount

    # ---- blows

    def kill_worker(self, trial):
        workers = self.service.workers()
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(trial.random.choice(workers), signal.SIGKILL)

    def kill_supervisor(self, _):
        """And starts it again, as a service manager would; its workers finish what they have and leave."""
        self.service.signal(signal.SIGKILL)
        self.service.wait()
        while True:
            self.service.start(wait=False)
            wait_until(lambda: self.service.ended() or self.service.workers(), what="a supervisor")
            if not self.service.ended():
                return

    def kill_web_server(self, trial):
        """One of its workers, or all of it."""
        if trial.random.random() < 0.5:
            kill_all(children(self.front.process.pid)[:1])
            return
        os.killpg(self.front.process.pid, signal.SIGKILL)
        self.front.process.wait()
        wait_until(lambda: not self.front.accepts(), what="the end of the web server")
        self.front.start()

    def backends(self):
        with contextlib.closing(self.database.connect()) as db, db.cursor() as cursor:
            cursor.execute("SELECT pid FROM pg_stat_activity WHERE usename = 'clientele_serve' AND datname = %s", (self.database.name,))
            return [pid for (pid,) in cursor]

    def end_backend(self, trial):
        backends = self.backends()
        if backends:
            with contextlib.closing(self.database.connect()) as db, db.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", (trial.random.choice(backends),))

    def kill_backend(self, trial):
        """PostgreSQL then ends all the others, too, and recovers as after a crash."""
        backends = self.backends()
        if backends:
            kill_all([trial.random.choice(backends)])
        trial.came_back(self.wait_database())

    def restart_database(self, trial):
        self.cluster.stop("immediate")
        self.cluster.start()
        trial.came_back(self.wait_database())

    def kill_database(self, trial):
        """The postmaster alone; its children notice. No other one starts before the last of them has gone."""
        kill_all([int((self.cluster.data / "postmaster.pid").read_text().split()[0])])

        def starts():
            with contextlib.suppress(AssertionError):
                self.cluster.start()
                return True

        wait_until(starts, 30, "another PostgreSQL")
        trial.came_back(self.wait_database())

    def wait_database(self):
        """Returns the moment at which PostgreSQL takes connections."""

        def takes():
            try:
                self.cluster.psql("-c", "SELECT 1")
                return time.monotonic()
            except AssertionError:
                return None

        return wait_until(takes, 60, "PostgreSQL")


class Trial:
    """One kind of fault under load, until its time is over; then the audit."""

    summary = []

    def __init__(self, stand, name, seconds=SECONDS, **crowd):
        self.stand, self.name, self.seconds = stand, name, seconds
        self.random = random.Random(f"{SEED}/{name}")
        self.blows_done, self.back = 0, []
        self.crowd_options = crowd

    def __enter__(self):
        self.crowd = Crowd(self.stand.front.port, self.stand.tenants, SEED, others=[Shopper], **self.crowd_options)
        self.history = self.crowd.history
        self.begin = time.monotonic()
        try:
            self.more(20)
        except BaseException:
            self.crowd.finish(0)
            raise
        return self

    def more(self, count):
        """Waits for so many acknowledged writes."""
        before = len(self.history.acknowledged)
        wait_until(lambda: len(self.history.acknowledged) - before >= count, FINISH_SECONDS, "progress")

    def rests(self, seconds):
        """Whether nothing is acknowledged in this time."""
        before = len(self.history.acknowledged)
        time.sleep(seconds)
        return len(self.history.acknowledged) == before

    def blows(self, least, most):
        """Yields until the time is over, at least once, with pauses between these lengths."""
        end = time.monotonic() + self.seconds
        while True:
            time.sleep(self.random.uniform(least, most))
            self.blows_done += 1
            yield self.blows_done
            if time.monotonic() > end:
                return

    def came_back(self, moment):
        """The database is there again since then: how long did it take until nobody was refused any more?"""
        acknowledged = len(self.history.acknowledged)

        def last_failure():
            with self.history.lock:
                return max([failure.end for failure in self.history.failures[-200:]] + [moment])

        wait_until(lambda: len(self.history.acknowledged) > acknowledged and time.monotonic() - last_failure() > QUIET_SECONDS,
                   30, "service after the database's return")
        self.back.append(last_failure() - moment)

    def __exit__(self, kind, error, trace):
        if error:  # it is seldom the whole story
            history = self.crowd.finish(0)
            with contextlib.suppress(psycopg2.Error):
                audit = Audit(history, self.stand.database, self.versions()).run()
                print(f"seed {SEED}; the audit of what came before, without replays:\n{audit}")
            return
        self.more(20)
        history = self.crowd.finish(FINISH_SECONDS * PATIENCE)
        figures = (self.blows_done, len(history.acknowledged), history.requests, len(history.failures), history.longest_away,
                   max(self.back, default=None))
        audit = Audit(history, self.stand.database, self.versions()).run(self.stand.front.port, SEED)
        # Not the audit itself: histories are large.
        self.summary.append((self.name, *figures, {found: len(sentences) for found, sentences in audit.findings.items()}))
        self.stand.service.check_log()
        assert audit.total() == 0, f"seed {SEED}\n{audit}"
        assert all(seconds < BACK_SECONDS * PATIENCE for seconds in self.back), f"back after {self.back} s"

    def versions(self):
        return {(writer.tenant, path): told for writer in self.crowd.writers for path, told in writer.versions.items()}


def clerks(service):
    """Of its children the one without its listening socket, if it has one now."""
    listening = listening_at(service.socket)
    with contextlib.suppress(OSError):
        return [pid for pid in children(service.pid) if (files := open_files(pid)) and listening not in files.values()]
    return []


def told(seconds):
    return "-" if seconds is None else f"{seconds:.2f}"


def report():
    """Lines for the end of a run."""
    rows = Trial.summary
    head = ("fault", "blows", "acknowledged", "requests", "failed", "away s", "back s", "breaches")
    table = [head] + [(name, blows, acknowledged, requests, failed, told(away), told(back), sum(found.values()))
                      for name, blows, acknowledged, requests, failed, away, back, found in rows]
    yield f"fault suite: {SECONDS:g} s a fault, seed {SEED}"
    for row in table:
        yield f"  {row[0]:<34}" + "".join(f"{value:>13}" for value in row[1:])
    if rows:
        yield (f"  {sum(row[1] for row in rows)} blows, {sum(row[2] for row in rows)} acknowledged writes, {sum(row[4] for row in rows)} of"
               f" {sum(row[3] for row in rows)} requests refused or lost; longest time away {max(row[5] for row in rows):.2f} s")
    for kind in KINDS:
        yield f"  {kind}: {sum(row[-1][kind] for row in rows)}"


def start_again(cluster):
    """A cluster that an earlier test may have left without its server."""
    with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
        cluster.psql("-c", "SELECT 1")
        return
    cluster.stop("immediate")
    cluster.start()
