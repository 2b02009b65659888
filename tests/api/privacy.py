"""
What the suite sent, and whether a log holds any of it.

helpers.py records each request here, before it is sent: all texts of its body (names too, because metadata has
the caller's own), its path and query, its headers. conftest.py searches the logs of all services at the end of the
session.
"""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import document
from stack import ROOT

# Shorter ones stand in any log by chance.
LEAST = 6
# The beginning is enough: so a value that was cut is found, too.
ENOUGH = 24
# More of a body is filling.
BODY_BYTES = 64 * 1024
# Headers whose values the log may hold: the trace, by which people find a request; and what only says in which
# form somebody speaks.
OPEN_HEADERS = {"traceparent", "content-type", "content-length", "content-encoding", "transfer-encoding",
                "connection", "host", "expect", "accept", "accept-encoding", "commet-version"}

TEXT = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.S)
# Shorter numbers are also durations, sizes and process ids.
NUMBER = re.compile(rb'(?<![\w.])-?\d{10,}')
REQUEST_ID = re.compile(rb'(request(?:_id)?(?:=|":"| ))([\w.:-]+?)(?=: |[\s"])')
# The id of a former request, in the path or the query of a call that looks for it.
LOOKED_FOR = re.compile(r"/requests(?:/|\?(?:.*&)?requestId=)([\w.:-]+)")
ERROR_CODE = re.compile(rb'(error(?:=|":"))(\w+)')
# What people are shown of a key, and less of it; and the id of an organization, which the log has of every call.
SHOWN = re.compile(rb"ck_(live|sandbox)(_\w{0,4})?|org_\w{22}")
# The log replaces these, so it would hold what is between them.
REPLACED = re.compile(rb'["\\\x00-\x1f\x7f]+')


def vocabulary():
    """Words that are our own: members, paths, codes, statements, keys of the configuration; the log has some of them."""
    words = set(re.findall(r"[\w.-]+", json.dumps([list(document.document()["paths"]), document.document()["x-errors"]])))
    document.walk(document.document()["components"]["schemas"], lambda node: words.update(
        node["properties"] if isinstance(node.get("properties"), dict) else ()))
    for path in (ROOT / "sql" / "query").glob("*.sql"):
        for name in re.findall(r"(?m)^-- name: (\w+)", path.read_text()):
            words.update(name.split("_"))
    for name in re.findall(r"(?m)^#?(\w+) =", (ROOT / "conf" / "clientele.conf").read_text()):
        words.update((name, *name.split("_")))
    return {word.encode() for word in words}


class Record:
    def __init__(self):
        self.values, self.ids = set(), set()

    def text(self, value):
        value = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
        self.values.add(value)
        if b"\\" in value:
            try:
                self.values.add(json.loads(b'"' + value + b'"').encode("utf-8", "surrogatepass"))
            except ValueError:
                pass

    def body(self, body):
        for value in TEXT.findall(body[:BODY_BYTES]) + NUMBER.findall(body[:BODY_BYTES]):
            self.text(value)

    def target(self, target):
        for part in re.split("[/?&=]", target):
            self.values.update((part.encode("utf-8", "surrogatepass"), unquote(part).encode("utf-8", "surrogatepass")))

    def request(self, target, headers, body):
        """headers: pairs of texts."""
        self.target(target)
        self.ids.update(found.encode() for found in LOOKED_FOR.findall(target))
        for name, value in headers:
            if name.lower() == "x-request-id":
                self.ids.add(value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass"))
            elif name.lower() not in OPEN_HEADERS:
                self.text(value)
        if body:
            self.body(body if isinstance(body, bytes) else str(body).encode())

    def needles(self):
        """What to look for -> a value that it stands for."""
        known, found = vocabulary(), {}
        for value in self.values - known:
            piece = max(REPLACED.split(value), key=len)[:ENOUGH]
            if len(piece) >= LEAST and piece not in known and not SHOWN.fullmatch(value):
                found[piece] = value
        return found

    def leaks(self, log):
        """The values that stand in the log (bytes), each with the line where it does."""
        # An id that somebody gave a request, or looked for, may be there, in its own place.
        log = REQUEST_ID.sub(lambda found: found[1] if found[2] in self.ids else found[0], log)
        # Codes are our own words, whatever they are made of.
        known = vocabulary()
        log = ERROR_CODE.sub(lambda found: found[1] if found[2] in known else found[0], log)
        leaks, starts = {}, {}
        for needle, value in self.needles().items():
            starts.setdefault(needle[:LEAST], []).append((needle, value))
        # Once over the log, not once for each of the many values.
        for at in range(len(log) - LEAST + 1):
            for needle, value in starts.get(log[at:at + LEAST], ()):
                if log.startswith(needle, at):
                    leaks.setdefault(value, log[log.rfind(b"\n", 0, at) + 1:log.find(b"\n", at)])
        return leaks


SENT = Record()


def logs(folder):
    """Of all services that ran there."""
    return {path: path.read_bytes() for path in Path(folder).glob("c*/log")}
