"""
API keys are nowhere but with who was given them: not in the database's files, a dump, a process's arguments, the
memory that processes share, or a front server's log. (Clientele's own log: tests/api/test_privacy.py.)
"""

import contextlib
import hashlib
import json
import re

import pytest

from stack import Cluster, Service, children, open_files

PIECE = 12  # of a key's secret, behind what people are shown of it
SHOWN = len("ck_sandbox_") + 4


def pieces(key):
    """What to look for: each stretch of the secret that cannot be there by chance."""
    secret = key[re.match(r"ck_(live|sandbox)_.{4}", key).end():].encode()
    return [secret[at:at + PIECE] for at in range(len(secret) - PIECE + 1)]


def found_in(content, keys):
    return [key for key in keys if any(piece in content for piece in pieces(key))]


@pytest.fixture(scope="module")
def used(place):
    """(cluster, service, keys): keys made by command and over HTTP, used, one revoked, one refused."""
    cluster = Cluster(place, conf="full_page_writes = on\n")
    database = cluster.database("secrets")
    organization = database.organization("Secret Ltd")
    keys = [organization.key(env, "--name", f"by command {env}") for env in ("live", "sandbox")]
    service = Service(database, workers=2, admin_listen=f"unix:{place.new('a') / 'admin'}", log_level="debug").start()
    p = Caller(service)
    for key in list(keys):
        answer = p.ask("POST", "/api/v1/api-keys", key, json.dumps({"name": "over HTTP"}).encode(), [("Idempotency-Key", "make-one")])
        assert answer.status == 201, answer.body
        keys.append(re.search(rb"ck_\w+", answer.body)[0].decode())
    for key in keys:
        assert p.ask("GET", "/api/v1/customers", key).status == 200
        assert p.ask("POST", "/api/v1/customers", key, b'{"email": "a@example.com"}', [("Idempotency-Key", "one")]).status == 201
    organization.revoke("by command sandbox")
    stranger = keys[0][:-4] + "0000"
    assert p.ask("GET", "/api/v1/customers", stranger).status == 401
    yield cluster, service, [*keys, stranger]
    service.stop()
    cluster.stop("immediate")


class Caller:
    def __init__(self, service):
        import fastcgi

        self.fastcgi, self.address = fastcgi, str(service.socket)

    def ask(self, method, uri, key, body=b"", headers=()):
        return self.fastcgi.Connection(self.address).send(
            self.fastcgi.request(method, uri, [("x-api-key", key), *headers], body)).answer()


def test_keys_are_only_hashes_in_a_dump(used, place):
    cluster, _, keys = used
    dump = place.run(cluster.bin / "pg_dump", "-h", cluster.sockets, "-U", "postgres", "secrets").stdout.encode()
    assert found_in(dump, keys) == []
    # The dump has the keys' rows: all but the stranger's.
    assert [hashlib.sha256(key.encode()).hexdigest().encode() in dump for key in keys] == [True] * 4 + [False]


def test_an_answer_that_shows_a_key_is_stored_encrypted(used):
    """B7: with the key of its caller, who may have been revoked since; the database has no other secret."""
    cluster, _, keys = used
    with contextlib.closing(cluster.connect("secrets")) as db, db.cursor() as cursor:
        cursor.execute("SELECT answer FROM idempotency_key WHERE key = 'make-one' AND sealed")
        answers = [bytes(row[0]) for row in cursor.fetchall()]
        cursor.execute("SELECT count(*) FROM idempotency_key WHERE NOT sealed AND encode(answer, 'escape') LIKE '%%ck\\_%%'")
        assert cursor.fetchone() == (0,)
    assert len(answers) == 2 and not any(found_in(answer, keys) or b"over HTTP" in answer for answer in answers)


def test_keys_are_in_no_file_of_the_database(used):
    """Tables, indexes, the write-ahead log, PostgreSQL's own log."""
    cluster, _, keys = used
    cluster.psql("-c", "CHECKPOINT")
    hashes, leaks = set(), {}
    for path in [file for file in cluster.sockets.rglob("*") if file.is_file()]:
        content = path.read_bytes()
        hashes |= {key for key in keys if hashlib.sha256(key.encode()).digest() in content}
        if found_in(content, keys):
            leaks[path.name] = found_in(content, keys)
    assert leaks == {}
    assert len(hashes) == 4  # what was read is where the keys would be


def test_keys_are_not_in_arguments_environments_and_shared_memory(used):
    _, service, keys = used
    shared = 0
    for pid in [service.pid, *children(service.pid)]:
        for name in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{name}", "rb") as file:
                assert found_in(file.read(), keys) == []
        for fd, target in open_files(pid).items():
            if target.startswith("/memfd:"):
                with open(f"/proc/{pid}/fd/{fd}", "rb") as file:
                    content = file.read()
                assert found_in(content, keys) == []
                shared += service.log().count("req_") > 0 and b"req_" in content
    assert shared > 0  # the scoreboard, which has the last request's id


def test_keys_are_not_in_the_log_at_level_debug(used):
    _, service, keys = used
    log = service.log_file.read_bytes()
    assert found_in(log, keys) == [] and log.count(b": request request_id=") >= 10


@pytest.mark.parametrize("kind", ["nginx", "lighttpd"])
def test_keys_are_not_in_a_front_servers_log(used, new_front, kind):
    import requests

    _, service, keys = used
    front = new_front(kind, service)
    for key in keys:
        requests.get(f"{front.url}/api/v1/customers", headers={"x-api-key": key, "Authorization": f"Bearer {key}"}, timeout=20)
        requests.get(f"{front.url}/api/v1/customers/nobody%zz", headers={"x-api-key": key}, timeout=20)
        requests.post(f"{front.url}/api/v1/customers", headers={"x-api-key": key}, data=b"x" * (3 << 20), timeout=20)
    front.stop()
    logs = b"".join(path.read_bytes() for path in front.dir.rglob("*") if path.is_file())
    assert found_in(logs, keys) == []
    assert b"/customers" in logs or kind == "lighttpd"  # its file has no access log


def test_the_search_finds_a_key_by_a_piece_of_it(used):
    key = used[2][0]
    assert found_in(b"x" + key[20:20 + PIECE].encode() + b"y", [key]) == [key]
    assert found_in(key[:SHOWN - 3].encode(), [key]) == []
