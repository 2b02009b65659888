"""HTTP/2 through the web servers: the same answers, also those that the web server gives itself."""

import json
import subprocess
from pathlib import Path

import pytest

from helpers import Reply, check, dumps, mail, uid
from stack import Front

BODY_MAX = 2_097_152
PROGRAM = Path(__file__).with_name("http2.mjs")


class Caller:
    """Node.js, as a program with a client library would; its requests share one connection."""

    def __init__(self, front, key, folder):
        self.front, self.key, self.folder = front, key, folder

    def post(self, *bodies):
        """bodies: ("known" or "unknown" length, bytes)."""
        sends = []
        for number, (kind, body) in enumerate(bodies):
            (self.folder / str(number)).write_bytes(body)
            sends.append(f"{kind}:{self.folder / str(number)}")
        done = subprocess.run(["node", PROGRAM, self.front.url, self.key, *sends], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{self.front.kind}: {done.stderr}"
        return [check(Reply("POST", "/api/v1/customers", None, answer["status"],
                            [(name, value) for name, value in answer["headers"] if isinstance(value, str)],
                            answer["body"].encode(), front=frozenset({411, 413}))) for answer in json.loads(done.stdout)]


def speak_http2(front):
    """As an operator would switch it on, but without TLS; lighttpd does it by itself."""
    if front.kind == "nginx":
        front.change("nginx-site.conf", f"listen 127.0.0.1:{front.port};", f"listen 127.0.0.1:{front.port} http2;")
    if front.kind == "caddy":
        front.change("main", "\tadmin off\n", "\tadmin off\n\tservers {\n\t\tprotocols h1 h2 h2c\n\t}\n")
    if front.kind == "apache":
        front.change("main", "Mutex posixsem\n", "Mutex posixsem\nLoadModule http2_module /usr/lib/apache2/modules/mod_http2.so\nProtocols h2c\n")


@pytest.fixture(scope="module", params=Front.KINDS + Front.MORE)
def caller(request, service, organizations, tmp_path_factory):
    front = Front(service.place, request.param, service.socket)
    speak_http2(front)
    yield Caller(front, organizations[0]["live"], tmp_path_factory.mktemp("http2"))
    front.stop()


def good():
    return dumps({"email": mail(), "externalId": uid()})


def test_customers_are_created(caller):
    for reply in caller.post(("known", good()), ("known", b" " * (BODY_MAX - 200) + good()), ("known", good())):
        assert reply.status == 201 and reply.header("Clientele-Result") == "created" and reply.header("X-Request-Id")


@pytest.mark.parametrize("size", [BODY_MAX + 1, BODY_MAX * 3 // 2, BODY_MAX * 3])
def test_a_body_over_the_limit_is_answered_in_json_and_the_connection_goes_on(caller, size):
    large, small = caller.post(("known", b" " * size), ("known", good()))
    large.error("request_too_large", 413)
    assert small.status == 201


def test_a_body_of_unknown_length_is_answered_in_json(caller):
    small, large = caller.post(("unknown", good()), ("unknown", b" " * (BODY_MAX + 1)))
    if caller.front.kind == "lighttpd":
        small.error("validation_error", 411)  # it does not pass on a body whose length it does not know yet
    else:
        assert small.status == 201
    assert large.status in (411, 413)
