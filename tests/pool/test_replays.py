"""A repeated request gets the first one's answer, byte by byte, whatever has been configured or pinned since."""

import contextlib
import json
import signal

import pytest

from conftest import CUSTOMERS
from stack import ROOT, wait_until

CURRENT = json.loads((ROOT / "doc" / "openapi.json").read_text())["info"]["version"]

BIG = {"text": "x" * 3000}


@pytest.fixture
def organization(proc_database):
    organization.number = getattr(organization, "number", 0) + 1
    return proc_database.organization(f"Replays {organization.number}")


def reload(p, **options):
    before = p.readies()
    p.write_conf(**{**p.PATIENT, **options})
    p.signal(signal.SIGHUP)
    p.wait_ready(before)


def ask(p, key, method, path, body, idem, *headers):
    request = [("idempotency-key", idem), ("content-type", "application/json"), *headers]
    p.key = key
    return p.ask(method, CUSTOMERS + path, request, body=json.dumps(body).encode())


def same(first, again):
    kept = ("Status", "Clientele-Result", "Content-Type")
    assert again.body == first.body
    assert [again.headers.get(name) for name in kept] == [first.headers.get(name) for name in kept]
    assert again.headers["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first.headers


WRITES = [
    ("create", "POST", "", {"email": "a@example.com", "externalId": "one", "metadata": BIG}, 201),
    ("create of what exists", "POST", "", {"email": "b@example.com", "externalId": "there", "metadata": BIG}, 200),
    ("update", "PATCH", "/there", {"metadata": BIG, "fullName": "Later"}, 200),
    ("update refused", "PATCH", "/there", {"metadata": BIG, "externalId": "taken"}, 409),
    ("batch", "POST", "/batch", {"customers": [{"email": "c@example.com", "metadata": BIG},
                                               {"email": "d@example.com", "externalId": "there", "metadata": BIG},
                                               {"email": "broken", "metadata": BIG}]}, 200),
]


def test_a_replay_is_the_same_after_the_rules_have_changed(pool, organization):
    """The body breaks the rules of the day, and the version of the day is another one."""
    p, key = pool(workers=2), organization.key("live")
    p.start()
    for own in ("there", "taken"):
        assert ask(p, key, "POST", "", {"email": "t@example.com", "externalId": own}, own).status == 201
    firsts = {}
    for name, method, path, body, status in WRITES:
        firsts[name] = ask(p, key, method, path, body, name)
        assert firsts[name].status == status, firsts[name].body

    reload(p, workers=2, metadata_max="1K", public_url="https://other.example")
    organization.pin("2026-06-07")
    # Nothing else is as before, or the rest proves nothing.
    refused = ask(p, key, "POST", "", {"email": "e@example.com", "metadata": BIG}, "another")
    assert refused.status == 400 and b"other.example/api-reference/2026-06-07/" in refused.body
    for name, method, path, body, _ in WRITES:
        same(firsts[name], ask(p, key, method, path, body, name))
        # The version in words that mean the first request's is the same request, another one is not.
        same(firsts[name], ask(p, key, method, path, body, name, ("commet-version", CURRENT)))
        other = ask(p, key, method, path, body, name, ("commet-version", "2026-05-25"))
        assert other.status == 409 and b"idempotency_key_mismatch" in other.body
        # So is another body, although it breaks a rule: it would never have been the first one.
        other = ask(p, key, method, path, {**body, "metadata": {"text": "y" * 3000}}, name)
        assert other.status == 409 and b"idempotency_key_mismatch" in other.body


def test_a_replay_needs_no_resource_that_is_still_there(pool, organization):
    """The answer is kept, not what it was made of."""
    p, key = pool(workers=1), organization.key("live")
    p.start()
    first = ask(p, key, "POST", "", {"email": "a@example.com", "externalId": "gone"}, "k")
    assert first.status == 201
    with contextlib.closing(p.database.connect()) as db, db.cursor() as cursor:
        db.autocommit = True
        cursor.execute("DELETE FROM customer WHERE external_id = 'gone'")
    same(first, ask(p, key, "POST", "", {"email": "a@example.com", "externalId": "gone"}, "k"))


def test_records_are_about_as_large_as_the_answers(pool, organization):
    """Small batches of large customers: what is kept is what was answered, not what the customers hold."""
    p, key = pool(workers=1), organization.key("live")
    p.start()
    large = [{"email": "l@example.com", "externalId": f"large-{n}", "metadata": {f"k{i}": "x" * 1500 for i in range(10)}}
             for n in range(100)]
    assert ask(p, key, "POST", "/batch", {"customers": large}, "large").status == 200

    def size():
        with contextlib.closing(p.database.connect()) as db, db.cursor() as cursor:
            cursor.execute("SELECT pg_total_relation_size('idempotency_key')")
            return cursor.fetchone()[0]

    before, answered = size(), 0
    small = {"customers": [{"email": "s@example.com", "externalId": f"large-{n}"} for n in range(100)]}
    for i in range(50):
        answer = ask(p, key, "POST", "/batch", small, f"small-{i}")
        assert answer.status == 200 and answer.body.count(b'"existing"') == 100
        answered += len(answer.body)
    assert size() - before < 2 * answered, (size() - before, answered)


def test_a_sealed_answer_is_for_its_own_key_alone(pool, organization):
    """An API key's secret is in no table, and comes again only to the key that asked for it."""
    p, key, other = pool(workers=1), organization.key("live"), organization.key("live")
    p.start()

    def create(with_key):
        p.key = with_key
        return p.ask("POST", "/api/v1/api-keys", [("idempotency-key", "secret")], body=b'{"name":"made"}')

    first = create(key)
    assert first.status == 201
    secret = json.loads(first.body)["apiKey"]
    again = create(key)
    assert again.body == first.body and again.headers["Idempotent-Replayed"] == "true"
    assert create(other).status == 409
    with contextlib.closing(p.database.connect()) as db, db.cursor() as cursor:
        cursor.execute("SELECT answer, sealed FROM idempotency_key WHERE key = 'secret'")
        answer, sealed = cursor.fetchone()
        assert sealed and secret.encode() not in bytes(answer) and b"apiKey" not in bytes(answer)
    # Changed by who can write to the database, it is not taken for an answer.
    with contextlib.closing(p.database.connect()) as db, db.cursor() as cursor:
        db.autocommit = True
        cursor.execute("UPDATE idempotency_key SET answer = set_byte(answer, 5, get_byte(answer, 5) # 1) WHERE key = 'secret'")
    wait_until(lambda: create(key).status == 503, 5, "a refusal")
