"""A FastCGI front server in a hundred lines: says exactly what it is told to, also what no real one would say."""

import socket
import struct

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES = range(1, 10)
RESPONDER, AUTHORIZER, FILTER = 1, 2, 3
KEEP_CONN = 1


def record(kind, content=b"", request=1):
    return struct.pack(">BBHHBx", 1, kind, request, len(content), 0) + content


def records(kind, content, request=1):
    """As many records as the content needs, and the empty one that ends the stream."""
    return b"".join(record(kind, content[at:at + 60000], request) for at in range(0, len(content), 60000)) + record(kind, b"", request)


def begin(role=RESPONDER, flags=0):
    return record(BEGIN, struct.pack(">HB5x", role, flags))


def pair(name, value):
    def length(text):
        return bytes([len(text)]) if len(text) < 128 else struct.pack(">I", len(text) | 0x80000000)

    name, value = (part.encode() if isinstance(part, str) else part for part in (name, value))
    return length(name) + length(value) + name + value


def params(pairs):
    """The whole stream; pairs is a list, so that names can repeat."""
    return records(PARAMS, b"".join(pair(name, value) for name, value in pairs))


def request(method="GET", uri="/", headers=(), body=b"", length=None, flags=0, more=()):
    """The bytes of a request as nginx would send it; length is what CONTENT_LENGTH claims."""
    if length is None:
        length = str(len(body)) if body else ""
    pairs = [("REQUEST_METHOD", method), ("REQUEST_URI", uri), ("CONTENT_LENGTH", length), ("SERVER_PROTOCOL", "HTTP/1.1")]
    pairs += [("HTTP_" + name.upper().replace("-", "_"), value) for name, value in headers]
    return begin(flags=flags) + params(pairs + list(more)) + records(STDIN, body)


class Answer:
    """What came back until the other side closed; status is None when there was no answer."""

    def __init__(self, raw):
        self.raw, self.kinds, out = raw, [], b""
        while len(raw) >= 8:
            _, kind, _, length, padding = struct.unpack(">BBHHBx", raw[:8])
            self.kinds.append(kind)
            if kind == STDOUT:
                out += raw[8:8 + length]
            raw = raw[8 + length + padding:]
        head, _, self.body = out.partition(b"\r\n\r\n")
        self.headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.status = int(self.headers["Status"].split()[0]) if "Status" in self.headers else None


class Connection:
    """One connection to an address: a path, or (host, port)."""

    def __init__(self, address, timeout=20):
        self.socket = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(address if isinstance(address, tuple) else str(address))

    def send(self, data):
        self.socket.sendall(data)
        return self

    def answer(self):
        """Everything until the end; a reset ends it too."""
        raw = b""
        while True:
            try:
                part = self.socket.recv(65536)
            except (ConnectionResetError, BrokenPipeError):
                part = b""
            if not part:
                self.socket.close()
                return Answer(raw)
            raw += part

    def part(self):
        """One answer on a connection that is to be kept; without what stands behind its end."""
        raw, at = b"", 0
        while True:
            while len(raw) >= at + 8:
                _, kind, _, length, padding = struct.unpack(">BBHHBx", raw[at:at + 8])
                at += 8 + length + padding
                if kind == END and len(raw) == at:
                    return Answer(raw)
            part = self.socket.recv(65536)
            assert part, "closed without an answer"
            raw += part

    def ended(self):
        """Whether the other side has closed; waits for that as long as for anything."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()


def ask(address, *arguments, **more):
    """One request, one answer."""
    return Connection(address).send(request(*arguments, **more)).answer()
