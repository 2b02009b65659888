"""A large tenant and a small one in one database, and how they ask."""

import json
import threading
import time
from urllib.parse import urlencode

import fastcgi

LARGE = 200_000  # customers; every 20,000th is called Rara Avis, every 40,000th is not active


class Tenant:
    def __init__(self, database, name):
        self.organization = database.organization(name)
        self.key = self.organization.key("live")

    def ask(self, pool, path="/api/customers", method="GET", body=None, **query):
        headers = [("x-api-key", self.key)] + ([("Content-Type", "application/json")] if body is not None else [])
        text = b"" if body is None else json.dumps(body).encode()
        uri = path + ("?" + urlencode(query) if query else "")
        return fastcgi.Connection(pool.address, timeout=60).send(fastcgi.request(method, uri, headers, text)).answer()


def fill(database, name, count, email="customer%s@example.com"):
    """Customers by SQL; a second for a hundred thousand."""
    db = database.connect()
    with db.cursor() as cursor:
        cursor.execute("""
            INSERT INTO customer (environment_id, id, external_id, email, full_name, timezone, metadata, is_active,
                                  created_at, updated_at)
            SELECT e.id, ('01941f29-7c00-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'x' || n,
                   replace(%s, '%%s', n::text), CASE WHEN n %% 20000 = 0 THEN 'Rara Avis' ELSE 'Customer ' || n END,
                   'UTC', '{}', n %% 40000 <> 0, now(), now()
              FROM generate_series(1, %s) n, environment e JOIN organization o ON o.id = e.organization_id
             WHERE o.name = %s AND e.livemode""", (email, count, name))
        cursor.execute("VACUUM (ANALYZE) customer")
    db.close()


class Crowd:
    """Clients of one tenant that ask without pause until they are stopped; statuses and seconds of each answer."""

    def __init__(self, clients, ask):
        self.ask, self.end, self.seen, self.refused = ask, threading.Event(), [], []
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.end.is_set():
            begun = time.monotonic()
            try:
                answer = self.ask()
                status = answer.status
            except OSError:
                status = None
            if status not in (200, None):
                self.refused.append(answer)
            self.seen.append((status, time.monotonic() - begun))
            if status != 200:
                self.end.wait(0.02)  # a client that was told to come back later does not do it at once

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end.set()
        for thread in self.threads:
            thread.join(30)

    def statuses(self):
        return {status for status, _ in self.seen}


def slowest(ask, seconds, least=50):
    """Asks one after the other; the statuses, and the seconds that the slowest but one in a hundred took."""
    statuses, times, end = set(), [], time.monotonic() + seconds
    while time.monotonic() < end or len(times) < least:
        begun = time.monotonic()
        statuses.add(ask().status)
        times.append(time.monotonic() - begun)
    times.sort()
    return statuses, times[-1 - len(times) // 100]
