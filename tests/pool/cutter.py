"""A proxy between Clientele and PostgreSQL that cuts a connection at a chosen point of a transaction."""

import os
import socket
import threading
from pathlib import Path
from urllib.parse import quote

POINTS = ("before the statement", "after it was sent", "in the answer", "after the answer")


class Cutter:
    """
    Listens in a folder of its own, as PostgreSQL would. cut_at(point, marker) arms it: the next message to the
    server that holds marker is the transaction to cut, once.

      before the statement   the server never sees it
      after it was sent      the server does it; its answer is thrown away whole
      in the answer          the client gets the first half of the answer
      after the answer       the client gets all of it, and the connection ends
    """

    def __init__(self, place, cluster):
        self.dir = place.new("p")
        self.path = str(self.dir / ".s.PGSQL.5432")
        self.real = str(cluster.sockets / ".s.PGSQL.5432")
        self.point, self.marker, self.cuts = None, None, 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o777)
        os.chmod(self.dir, 0o755)
        self.listener.listen(50)
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, database, role="clientele_serve"):
        return f"postgresql://{role}@/{database.name}?host={quote(str(self.dir), safe='')}"

    def cut_at(self, point, marker):
        assert point in POINTS
        self.point, self.marker = point, marker

    def close(self):
        self.listener.close()
        Path(self.path).unlink(missing_ok=True)

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.real)
            except OSError:
                client.close()
                continue
            threading.Thread(target=self.serve, args=(client, server), daemon=True).start()

    def serve(self, client, server):
        cut = {}

        def answers():
            while True:
                data = self.read(server)
                point = cut.get("point")
                if point == "after it was sent" and data:
                    # PostgreSQL speaks when it has committed: the answer ends in ReadyForQuery.
                    break
                if point == "in the answer" and data:
                    self.write(client, data[:len(data) // 2])
                    break
                if data:
                    self.write(client, data)
                if point == "after the answer" or not data:
                    break
            self.end(client, server)

        threading.Thread(target=answers, daemon=True).start()
        while True:
            data = self.read(client)
            if self.point and self.marker in data:
                cut["point"], self.point = self.point, None
                self.cuts += 1
                if cut["point"] == "before the statement":
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
