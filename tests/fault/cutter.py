"""A proxy between Clientele and PostgreSQL that cuts connections: at a chosen point of a transaction, or at random."""

import os
import socket
import threading
from pathlib import Path
from urllib.parse import quote

# Side and share of its bytes that still pass.
POINTS = {
    "before the statement": ("request", 0.0),  # the server never sees it
    "after it was sent": ("answer", 0.0),      # the server does it; its answer is thrown away whole
    "in the answer": ("answer", 0.5),
    "after the answer": ("answer", 1.0),       # the client has all of it, and the connection ends
}
NEVER = 1 << 30
# Which message of a transaction: the one with the statements, or the one that ends with the Sync and so commits. A
# transaction whose Sync is not held back has one message, which is both.
STATEMENTS, COMMIT = "statements", "commit"
SYNC = b"S\x00\x00\x00\x04"
# In the place of a cut: from here on no connection is taken, until the next arming.
AWAY = ("away", None, None)


class Cutter:
    """
    Listens in a folder of its own, as PostgreSQL would.

    cut_at(point, marker) and cut_after(side, bytes, marker) arm it: the next message to the server that holds marker is
    the transaction to cut, once. cut_runs(marker, cuts) does so again and again: each is (message, side, how much
    passes), and the next one waits for the next run of the transaction, on the next connection. storm() cuts
    transactions at random, as many as its share says, until calm().
    """

    def __init__(self, place, cluster):
        self.dir = place.new("p")
        self.path = str(self.dir / ".s.PGSQL.5432")
        self.real = str(cluster.sockets / ".s.PGSQL.5432")
        self.lock = threading.Lock()
        self.marker, self.plan, self.away = b"", [], False
        self.share, self.random = 0, None
        self.cuts = 0
        self.sent = self.answered = 0  # bytes of the transaction that was last marked, on each side
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o777)
        os.chmod(self.dir, 0o755)
        self.listener.listen(50)
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, database, role="clientele_serve"):
        return f"postgresql://{role}@/{database.name}?host={quote(str(self.dir), safe='')}"

    def cut_at(self, point, marker):
        self.cut_after(*POINTS[point], marker)

    def cut_after(self, side, much, marker):
        self.cut_runs(marker, [(STATEMENTS, side, much)])

    def cut_runs(self, marker, cuts):
        with self.lock:
            self.marker, self.plan, self.away = marker, list(cuts), False

    def storm(self, random, share):
        self.random, self.share = random, share

    def calm(self):
        self.share = 0

    def close(self):
        self.listener.close()
        Path(self.path).unlink(missing_ok=True)

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.away:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.real)
            except OSError:
                client.close()
                continue
            threading.Thread(target=self.serve, args=(client, server), daemon=True).start()

    def is_next(self, data, begun):
        """Whether this message is the one to cut; begun: markers whose statements came on this connection."""
        if not self.plan:
            return False
        if self.marker in data:
            begun.add(self.marker)
        return self.marker in data if self.plan[0][0] == STATEMENTS else self.marker in begun and data.endswith(SYNC)

    def choose(self, data, messages, begun):
        """(side, how much passes) when this message is the one to cut."""
        with self.lock:
            if self.is_next(data, begun):
                _, side, much = self.plan.pop(0)
                self.away = self.plan[:1] == [AWAY]
                self.plan = [] if self.away else self.plan
                self.sent, self.answered = len(data), 0
            elif messages > 2 and self.random and self.random.random() < self.share:  # not while it connects
                side, much = self.random.choice(["request", "answer"]), self.random.choice([0.0, self.random.random(), 1.0])
            else:
                return None
            self.cuts += much != NEVER
        return side, much

    def serve(self, client, server):
        cut = {}

        def answers():
            passed = 0
            while True:
                data = self.read(server)
                side, much = cut.get("here", (None, 0))
                if side == "request" and data:  # its answer may be faster than the cut behind a whole request
                    continue
                if side != "answer":
                    if not data or not self.write(client, data):
                        break
                    continue
                # PostgreSQL speaks when it has committed: the answer comes in one piece and ends in ReadyForQuery.
                self.answered += len(data)
                more = (int(len(data) * much) if isinstance(much, float) else much) - passed
                passed += len(data)
                if not data or not self.write(client, data[:more]) or more <= len(data):
                    break
            self.end(client, server)

        threading.Thread(target=answers, daemon=True).start()
        messages, begun = 0, set()
        while True:
            data = self.read(client)
            messages += 1
            here = self.choose(data, messages, begun)
            if here:
                cut["here"] = here
            if here and here[0] == "request":
                much = here[1]
                self.write(server, data[:int(len(data) * much) if isinstance(much, float) else much])
                break
            if not data or not self.write(server, data):
                break
        self.end(client, server)

    @staticmethod
    def read(source):
        try:
            return source.recv(1 << 20)
        except OSError:
            return b""

    @staticmethod
    def write(target, data):
        try:
            target.sendall(data)
            return True
        except OSError:
            return False

    @staticmethod
    def end(*sockets):
        for one in sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
