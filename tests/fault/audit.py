"""
The auditor: compares what clients wrote down with what is in the database, and asks for every answer once more.

It is the only judge of this suite, so tests/fault/test_audit.py shows that it sees each kind of breach.
"""

import collections
import contextlib
import random

import books
from client import Wire

KINDS = ("acknowledged writes lost", "never acknowledged", "writes done twice", "duplicates of an external id",
         "duplicates of an idempotency key", "batches half stored", "customers without event", "events without customer",
         "strangers", *books.KINDS, "wrong-tenant answers", "replays that differ", "unexpected answers")
REPLAYS = 400  # of writes that were acknowledged at once; those that were not are all replayed
SHOWN = 3

Row = collections.namedtuple("Row", "environment id external_id email full_name")


class Audit:
    """findings: kind to sentences."""

    def __init__(self, history, database, versions):
        """versions: (tenant, path) to the last acknowledged value and the count of acknowledged updates."""
        self.history, self.versions = history, versions
        self.findings = {kind: [] for kind in KINDS}
        with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
            cursor.execute("SELECT environment_id, id, external_id, email, full_name FROM customer")
            self.rows = [Row(*row) for row in cursor]
            cursor.execute("SELECT environment_id, customer_id, type, count(*) FROM event GROUP BY 1, 2, 3")
            self.events = {(environment, customer, kind): count for environment, customer, kind, count in cursor}
            cursor.execute("SELECT environment_id, key, count(*) FROM idempotency_key GROUP BY 1, 2")
            self.keys = {(environment, key): count for environment, key, count in cursor}
            self.books = books.Books(cursor, history, self.found)
        self.by_mail = collections.defaultdict(list)
        for row in self.rows:
            self.by_mail[row.environment, row.email].append(row)

    def found(self, kind, what):
        self.findings[kind].append(str(what))

    def run(self, port=None, seed=0):
        for kind, text in self.history.breaches:
            self.found(kind, text)
        self.customers()
        self.jobs()
        self.updates()
        self.books.check()
        if port:
            self.replay(port, seed)
        return self

    def customers(self):
        """Whatever the clients say: what must hold of the tables by themselves."""
        externals = collections.Counter((row.environment, row.external_id) for row in self.rows if row.external_id)
        known = {tenant.environment: tenant for tenant in self.history.tenants}
        sent = {(job.tenant.environment, email) for job in self.history.jobs for _, email in job.items}
        sent |= {(job.tenant.environment, external + job.tenant.domain) for job in self.history.jobs for external in job.shared}
        ids = {(row.environment, row.id) for row in self.rows}
        for place, count in externals.items():
            if count > 1:
                self.found("duplicates of an external id", place)
        for (_, email), rows in self.by_mail.items():
            if len(rows) > 1:
                self.found("writes done twice", rows)
        for place, count in self.keys.items():
            if count > 1:
                self.found("duplicates of an idempotency key", place)
        for row in self.rows:
            if self.events.get((row.environment, row.id, "customer.created"), 0) != 1:
                self.found("customers without event", row)
            if row.environment not in known or (row.environment, row.email) not in sent:
                self.found("strangers", row)
        for environment, customer, kind in self.events:
            if (environment, customer) not in ids:
                self.found("events without customer", (environment, customer, kind))

    def jobs(self):
        """What was acknowledged is there, as it was told; what was not is there as a whole or not at all."""
        externals = {(row.environment, row.external_id): row for row in self.rows if row.external_id}
        for job in self.history.jobs:
            environment = job.tenant.environment
            stored = [self.by_mail.get((environment, email)) for _, email in job.items]
            if job.kind == "batch" and any(stored) and not all(stored):
                self.found("batches half stored", job)
            if not job.reply:
                if job.kind != "plain":
                    self.found("never acknowledged", job)
                continue
            there = {email: rows[0] for rows, (_, email) in zip(stored, job.items) if rows}
            there.update((external, externals[environment, external]) for external in job.shared if (environment, external) in externals)
            for name, told in job.ids.items() if job.items else ():
                if name not in there or books.public_id(there[name].id, "cus_") != told:
                    self.found("acknowledged writes lost", f"{name} as {told}: {job}")
            for external, email in job.items:
                if email in there and there[email].external_id != external:
                    self.found("acknowledged writes lost", f"{email} with another external id: {job}")
            if job.key and self.keys.get((environment, job.key), 0) == 0:
                self.found("acknowledged writes lost", f"no record of the idempotency key: {job}")

    def updates(self):
        externals = {(row.environment, row.external_id): row for row in self.rows if row.external_id}
        for (tenant, path), (value, count) in self.versions.items():
            row = externals.get((tenant.environment, path.rpartition("/")[2]))
            if not row or row.full_name != value:
                self.found("acknowledged writes lost", f"{tenant.name} {path}: {value} acknowledged, {row} stored")
                continue
            events = self.events.get((tenant.environment, row.id, "customer.updated"), 0)
            if events != count:
                self.found("writes done twice" if events > count else "acknowledged writes lost",
                           f"{tenant.name} {path}: {count} updates acknowledged, {events} events")

    def replay(self, port, seed):
        """The same request again has the same answer: of all that had trouble, and of a sample of the others."""
        again = [job for job in self.history.acknowledged if job.kind != "plain"]
        trouble = [job for job in again if len(job.attempts) > (2 if job.kind == "twins" else 1)]
        smooth = [job for job in again if len(job.attempts) <= (2 if job.kind == "twins" else 1)]
        wire = Wire(port)
        for job in trouble + random.Random(seed).sample(smooth, min(REPLAYS, len(smooth))):
            _, reply = self.history.attempt(wire, job.tenant, job.method, job.path, job.body, job.key)
            if reply is None or reply.status not in (200, 201):
                self.found("replays that differ", f"{reply!r} of {job}")
                continue
            try:
                ids = job.read(reply.json)
            except (AssertionError, ValueError, KeyError):
                ids = None
            same = ids == job.ids
            if job.key:
                same = same and (reply.status, reply.body) == (job.reply.status, job.reply.body)
                same = same and reply.header("Idempotent-Replayed") == "true"
            if not same:
                self.found("replays that differ", f"{job}\n  first {job.reply!r}\n  now {reply!r}")

    def total(self):
        return sum(map(len, self.findings.values()))

    def __str__(self):
        told = []
        for kind, sentences in self.findings.items():
            if sentences:
                told.append(f"{kind}: {len(sentences)}")
                told += [f"  {sentence[:1500]}" for sentence in sentences[:SHOWN]]
        return "\n".join(told) or "nothing"
