"""Clients that create customers without end, and repeat each with its idempotency key until it is acknowledged."""

import itertools
import json
import threading
import time

from conftest import CUSTOMERS, Pending
from stack import wait_until

_numbers = itertools.count(1)


class Writers:
    """
    send(headers, body) posts one request and returns its status, or raises OSError. acknowledged are the keys that
    were answered with 201; statuses counts the answers that were not.
    """

    EXPECTED = (503, 409)  # what says by itself that it wants to be sent again

    def __init__(self, send, count=6):
        self.send, self.acknowledged, self.statuses, self.over = send, [], {}, threading.Event()
        self.mark = f"writer-{next(_numbers)}@example.com"
        self.threads = [Pending(self.run) for _ in range(count)]

    def run(self):
        while not self.over.is_set():
            key = f"written-{next(_numbers)}"
            body = json.dumps({"email": self.mark, "fullName": key}).encode()
            while True:
                try:
                    status = self.send([("Idempotency-Key", key)], body)
                except OSError as error:
                    status = type(error).__name__
                if status == 201:
                    self.acknowledged.append(key)
                    break
                self.statuses[status] = self.statuses.get(status, 0) + 1
                time.sleep(0.02)

    def wait(self, more, seconds=30):
        """Until that many more were acknowledged."""
        before = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) >= before + more, seconds, "writes go on")

    def finish(self):
        self.over.set()
        for thread in self.threads:
            thread.result(60)
        return self

    def stored(self, database):
        """The keys in the database, as often as they are there."""
        connection = database.connect()
        with connection.cursor() as cursor:
            cursor.execute("SELECT full_name FROM customer WHERE email = %s", (self.mark,))
            found = [row[0] for row in cursor.fetchall()]
        connection.close()
        return found

    def check(self, database):
        """Nothing that was acknowledged is missing, and nothing is there twice."""
        assert sorted(self.stored(database)) == sorted(self.acknowledged)


def fastcgi_sender(pool):
    """For a Pool, without a web server."""
    return lambda headers, body: pool.ask("POST", CUSTOMERS, headers=headers, body=body).status
