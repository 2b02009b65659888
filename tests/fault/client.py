"""
Clients that write and read without end while something fails, and write down every request and its answer.

Each writer has jobs: one write that is repeated, with the same idempotency key and the same body, until it is
acknowledged. All tenants use the same external ids and the same keys; only the domain of the e-mail addresses tells whose
a customer is, so that one byte of another tenant's data in an answer is seen.
"""

import collections
import http.client
import itertools
import json
import random
import threading
import time

from helpers import CURRENT, Reply, check_error

CUSTOMERS = "/api/v1/customers"
PAUSE = 0.004  # between two jobs of a writer: the load is there to be hit, not to be measured
SHARED = 400   # external ids that batches of all writers of a tenant fight for
# What a client is asked to try again with: (status, code).
RETRY = {(503, "service_unavailable"), (503, "idempotency_unavailable"), (504, "service_unavailable"),
         (409, "idempotency_in_progress"),
         (429, "rate_limited")}  # a tenant whose requests wait for a lock has its share of the workers
FRONT = {(503, "service_unavailable"), (504, "service_unavailable")}  # the web server's own, in no log of the service
ATTEMPT_TIMEOUT = 40  # longer than nginx waits, so that it is nginx that answers


class Tenant:
    """One environment of one organization, with a key of its own."""

    def __init__(self, organization, env):
        self.name = f"{organization.name.split()[0].lower()}-{env}"
        self.domain = f"@{self.name}.example"
        self.livemode = env == "live"
        self.by_invoice = False  # its subscriptions begin before they are paid
        self.plans = {}          # name to id: shopper.py
        self.key = organization.key(env)
        with organization.database.connect() as db, db.cursor() as cursor:
            cursor.execute("SELECT e.id FROM environment e JOIN organization o ON o.id = e.organization_id"
                           " WHERE o.name = %s AND e.livemode = %s", (organization.name, self.livemode))
            (self.environment, ) = cursor.fetchone()


Attempt = collections.namedtuple("Attempt", "begin end outcome code request_id")


class Job:
    """One write. items are (external id or None, e-mail address) of the customers that it makes."""

    def __init__(self, tenant, kind, body, key=None, path=CUSTOMERS, method="POST", items=(), shared=(), value=None):
        self.tenant, self.kind, self.body, self.key, self.path, self.method = tenant, kind, json.dumps(body).encode(), key, path, method
        self.items, self.shared, self.value = items, shared, value
        self.attempts = []
        self.reply = None  # the first acknowledgement
        self.ids = {}      # e-mail address or shared external id to public id, as acknowledged

    def __str__(self):
        tried = "; ".join(f"{a.begin:.3f}-{a.end:.3f} {a.outcome} {a.code or ''} {a.request_id or ''}" for a in self.attempts)
        return f"{self.tenant.name} {self.kind} key={self.key} items={self.items} ids={self.ids} attempts: {tried}"

    def read(self, said):
        """E-mail address, or shared external id, to id, as the answer tells."""
        if self.kind != "batch":
            if self.kind == "update":
                assert said["fullName"] == self.value, "another value"
            return {said["email"]: said["id"]}
        own = {email for _, email in self.items}
        told = {row["email"] if row["email"] in own else row["externalId"]: row["id"] for row in said["successful"]}
        assert set(told) == own | set(self.shared), "other items"
        return told

    def done(self, said):
        """It was acknowledged. Returns what is wrong with that, or None."""

    def seen(self):
        """Where its first item can be read afterwards, and what is read there at least."""
        external, email = self.items[0]
        for ref in filter(None, (self.ids[email], external)):
            yield f"{CUSTOMERS}/{ref}", {"id": self.ids[email], "email": email}


class Wire:
    """One kept connection to the web server."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ATTEMPT_TIMEOUT)

    def send(self, tenant, method, path, body=None, key=None):
        """The answer; raises OSError or HTTPException when there is none."""
        headers = {"x-api-key": tenant.key, "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            return Reply(method, path, CURRENT, answer.status, answer.getheaders(), answer.read())
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise


class History:
    """What was sent and answered, of all clients; and what no client may ever see, as (kind, text)."""

    def __init__(self, tenants, without_answer=False):
        """without_answer: connections may end without one, because the web server is killed."""
        self.tenants, self.without_answer = tenants, without_answer
        self.lock = threading.Lock()
        self.jobs, self.acknowledged, self.breaches = [], [], []
        self.lives = []     # of subscriptions: shopper.py
        self.failures = []  # Attempts that were not answered with a success
        self.requests = 0
        self.external = {}  # (tenant, external id) to public id
        self.last_good, self.longest_away = None, 0

    def breach(self, kind, text):
        with self.lock:
            self.breaches.append((kind, str(text)))

    def attempt(self, wire, tenant, method, path, body=None, key=None, expected=()):
        """Sends once; returns (Attempt, Reply or None). Judges all that can be judged of an answer by itself."""
        begin = time.monotonic()
        try:
            reply = wire.send(tenant, method, path, body, key)
        except (OSError, http.client.HTTPException) as error:
            attempt = Attempt(begin, time.monotonic(), type(error).__name__, None, None)
            if not self.without_answer:
                self.breach("unexpected answers", f"{method} {path}: {error!r}")
            self.count(attempt, False)
            return attempt, None
        good = reply.status in (200, 201) or reply.status in expected
        code = None
        for other in self.tenants:
            if other is not tenant and other.domain.encode() in reply.body:
                self.breach("wrong-tenant answers", f"{tenant.name} got {reply!r}")
        try:
            if reply.status in (200, 201):
                assert b'"livemode":%s' % (b"true" if tenant.livemode else b"false") in reply.body or b'"data":[]' in reply.body, reply
            else:
                check_error(reply)
                code = reply.json["code"]
                assert good or (reply.status, code) in RETRY, reply
                assert good or reply.status == 409 or int(reply.header("Retry-After")) > 0, reply
            assert reply.header("X-Request-Id") or (reply.status, code) in FRONT, "no X-Request-Id"
        except (AssertionError, ValueError, TypeError, KeyError) as error:
            self.breach("unexpected answers", f"{error} {reply!r}")
        attempt = Attempt(begin, time.monotonic(), reply.status, code, reply.header("X-Request-Id"))
        self.count(attempt, good)
        return attempt, reply

    def count(self, attempt, good):
        with self.lock:
            self.requests += 1
            if not good:
                self.failures.append(attempt)
            else:
                if self.last_good:
                    self.longest_away = max(self.longest_away, attempt.end - self.last_good)
                self.last_good = attempt.end

    def acknowledge(self, job, reply):
        """Writes the first success down; compares every later one with it."""
        try:
            ids = job.read(reply.json)
        except (AssertionError, ValueError, KeyError) as error:
            self.breach("unexpected answers", f"{error!r} {job} {reply!r}")
            return
        with self.lock:
            if job.reply is None:
                job.reply, job.ids = reply, ids
                self.acknowledged.append(job)
                wrong = job.done(reply.json)
                if wrong:
                    self.breaches.append(("two live subscriptions", wrong))
            elif job.ids != ids or (job.key and (job.reply.status, job.reply.body) != (reply.status, reply.body)):
                self.breaches.append(("replays that differ", f"{job}\n  first {job.reply!r}\n  now {reply!r}"))
            for external, email in [*job.items, *((external, external) for external in job.shared)]:
                known = self.external.setdefault((job.tenant, external), ids[email]) if external else ids[email]
                if known != ids[email]:
                    self.breaches.append(("duplicates of an external id", f"{external} is {known} and {ids[email]}: {job}"))


class Writer:
    """A sequence of jobs of one tenant, and their repetition until each is acknowledged."""

    def __init__(self, crowd, tenant, number):
        self.crowd, self.history, self.tenant, self.name = crowd, crowd.history, tenant, f"w{number}"
        self.random = random.Random(f"{crowd.seed}/{tenant.name}/{number}")
        self.wire, self.twin = Wire(crowd.port), Wire(crowd.port)
        self.numbers = itertools.count(1)
        self.owned = []      # external ids of customers that only this writer updates
        self.versions = {}   # of them: the last acknowledged value, and how many were acknowledged
        self.kinds = (["create"] * 4 + ["anonymous"] * 2 + ["external"] * 2 + ["plain"] + ["batch"] * 2 + ["update"] * 3 + ["twins"] * 2)

    def run(self):
        while not self.crowd.over.is_set():
            kind = self.random.choice(self.kinds)
            job = getattr(self, kind)(f"{self.name}-{next(self.numbers)}")
            with self.history.lock:
                self.history.jobs.append(job)
            if kind == "twins":
                other = threading.Thread(target=self.until_acknowledged, args=(job, self.twin), daemon=True)
                other.start()
                self.until_acknowledged(job, self.wire)
                other.join()
            else:
                self.until_acknowledged(job, self.wire)
            time.sleep(PAUSE)

    def until_acknowledged(self, job, wire):
        while not self.crowd.given_up.is_set():
            attempt, reply = self.history.attempt(wire, job.tenant, job.method, job.path, job.body, job.key)
            with self.history.lock:
                job.attempts.append(attempt)
            if reply is not None and reply.status in (200, 201):
                self.history.acknowledge(job, reply)
                if job.kind == "create" and job.reply:
                    self.owned.append(job.items[0][0])
                if job.kind == "update" and job.reply:
                    self.versions[job.path] = (job.value, self.versions.get(job.path, (None, 0))[1] + 1)
                return
            if job.kind == "plain":  # nobody could tell a repetition from another customer
                return
            time.sleep(self.random.uniform(0.005, 0.05))

    def mail(self, name):
        return name + self.tenant.domain

    def create(self, name):
        body = {"id": name, "email": self.mail(name), "fullName": name, "metadata": {"of": self.mail(name)}}
        return Job(self.tenant, "create", body, f"key-{name}", items=[(name, body["email"])])

    def anonymous(self, name):
        return Job(self.tenant, "anonymous", {"email": self.mail(name)}, f"key-{name}", items=[(None, self.mail(name))])

    def external(self, name):
        return Job(self.tenant, "external", {"id": name, "email": self.mail(name)}, items=[(name, self.mail(name))])

    def plain(self, name):
        return Job(self.tenant, "plain", {"email": self.mail(name)}, items=[(None, self.mail(name))])

    def twins(self, name):
        job = self.create(name)
        job.kind = "twins"
        return job

    def update(self, name):
        if not self.owned:
            return self.create(name)
        # Few customers with many updates each: of these a lost or doubled one shows.
        external = self.owned[self.random.randrange(min(len(self.owned), 5))]
        return Job(self.tenant, "update", {"fullName": f"now {name}"}, f"key-{name}", f"{CUSTOMERS}/{external}", "PATCH",
                   items=[(external, self.mail(external))], value=f"now {name}")

    def batch(self, name):
        items = [(f"{name}.{n}" if self.random.random() < 0.7 else None, self.mail(f"{name}.{n}"))
                 for n in range(self.random.randint(2, 12))]
        shared = [f"shared-{n}" for n in self.random.sample(range(SHARED), 3)]
        sent = [{"email": email, **({"id": external} if external else {})} for external, email in items]
        sent += [{"email": self.mail(external), "id": external} for external in shared]
        self.random.shuffle(sent)
        return Job(self.tenant, "batch", {"customers": sent}, f"key-{name}", CUSTOMERS + "/batch", items=items, shared=shared)


class Reader:
    """Looks for what was acknowledged, and for what it must not see."""

    def __init__(self, crowd, tenant):
        self.crowd, self.history, self.tenant = crowd, crowd.history, tenant
        self.random = random.Random(f"{crowd.seed}/{tenant.name}")
        self.wire = Wire(crowd.port)

    def run(self):
        while not self.crowd.over.is_set():
            with self.history.lock:
                job = self.random.choice(self.history.acknowledged) if self.history.acknowledged else None
            getattr(self, self.random.choice(["own", "foreign", "page"]) if job else "page")(job)
            time.sleep(PAUSE)

    def own(self, job):
        """What a write that was acknowledged has made is there, under both of its names; that of another tenant is not."""
        if job.tenant is not self.tenant:
            return self.foreign(job)
        for path, told in job.seen():
            _, reply = self.history.attempt(self.wire, self.tenant, "GET", path)
            if reply is not None and reply.status == 200 and any(reply.json[name] != value for name, value in told.items()):
                self.history.breach("replays that differ", f"{reply!r} of {job}")

    def foreign(self, job):
        if job.tenant is self.tenant:
            return self.page(job)
        (path, _), *_ = job.seen()
        _, reply = self.history.attempt(self.wire, self.tenant, "GET", path, expected=(404,))
        if reply is not None and reply.status == 200:
            self.history.breach("wrong-tenant answers", f"{self.tenant.name} read {job}")

    def page(self, _):
        self.history.attempt(self.wire, self.tenant, "GET", f"{CUSTOMERS}?limit=50")


class Crowd:
    """Writers and readers of all tenants."""

    def __init__(self, port, tenants, seed, writers=3, others=(), without_answer=False):
        """others: a writer of each of these classes for each tenant, too."""
        self.port, self.seed = port, seed
        self.history = History(tenants, without_answer)
        self.over, self.given_up = threading.Event(), threading.Event()
        self.writers = [kind(self, tenant, number) for tenant in tenants for kind, count in ((Writer, writers), *((other, 1) for other in others))
                        for number in range(count)]
        self.errors = []
        runs = [writer.run for writer in self.writers] + [Reader(self, tenant).run for tenant in tenants]
        self.threads = [threading.Thread(target=self.guard, args=(run,), daemon=True) for run in runs]
        for thread in self.threads:
            thread.start()

    def guard(self, run):
        try:
            run()
        except Exception as error:  # told by the audit
            self.history.breach("unexpected answers", f"a client broke: {error!r}")

    def finish(self, seconds):
        """No new jobs; those that were begun are repeated until they are acknowledged, or the time is over."""
        self.over.set()
        end = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0, end - time.monotonic()))
        self.given_up.set()
        for thread in self.threads:
            thread.join(ATTEMPT_TIMEOUT)
        return self.history
