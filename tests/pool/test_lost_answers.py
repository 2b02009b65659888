"""The connection to the database is cut in the middle of a write: nothing is lost, nothing is done twice."""

import itertools
import json

import pytest

from cutter import POINTS, Cutter

_numbers = itertools.count(1)


@pytest.fixture
def cut_pool(pool, place, cluster, proc_database):
    """A Pool of one worker whose way to the database goes through a Cutter: (pool, cutter)."""
    cutter = Cutter(place, cluster)
    one = pool(workers=1, database_url=cutter.url(proc_database)).start()
    yield one, cutter
    cutter.close()


def count(pool, email):
    """(customers, of which with their event) of this e-mail."""
    with pool.database.connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT count(*), count(e.id) FROM customer c LEFT JOIN event e"
                       " ON e.customer_id = c.id AND e.type = 'customer.created' WHERE c.email = %s", (email,))
        return cursor.fetchone()


def write(pool, cutter, point, uri, method="POST", key=None, warm=True, **body):
    """Sends a write whose transaction is cut; returns (marker, answer)."""
    marker = f"cut-{next(_numbers)}@example.com"
    headers = [("Idempotency-Key", key)] if key else []
    if warm:  # the API key is in the cache, so that the next message is the write itself
        assert pool.ask().status == 200
    cutter.cut_at(point, marker.encode())
    text = json.dumps(body).replace("MARKER", marker).encode()
    answer = pool.ask(method, uri, body=text, headers=headers)
    assert cutter.cuts == 1, "the proxy saw no such write"
    return marker, answer


@pytest.mark.parametrize("point", POINTS)
def test_a_create_with_a_key_is_done_once(cut_pool, point):
    pool, cutter = cut_pool
    key = f"cut-key-{next(_numbers)}"
    email, answer = write(pool, cutter, point, "/api/v1/customers", key=key, email="MARKER")
    assert answer.status == 201 and "Idempotent-Replayed" not in answer.headers
    assert count(pool, email) == (1, 1)
    again = pool.ask("POST", "/api/v1/customers", body=json.dumps({"email": email}).encode(), headers=[("Idempotency-Key", key)])
    assert (again.status, again.body) == (201, answer.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert count(pool, email) == (1, 1)


@pytest.mark.parametrize("point", POINTS)
def test_a_create_with_an_external_id_is_done_once(cut_pool, point):
    pool, cutter = cut_pool
    email, answer = write(pool, cutter, point, "/api/v1/customers", email="MARKER", id=f"cut-{next(_numbers)}")
    assert answer.status in (200, 201)
    assert count(pool, email) == (1, 1)


@pytest.mark.parametrize("point", POINTS)
def test_a_batch_with_a_key_is_done_once(cut_pool, point):
    pool, cutter = cut_pool
    items = [{"email": "MARKER", "id": f"cut-{next(_numbers)}"}, {"email": "MARKER"}, {"email": "no address"}]
    email, answer = write(pool, cutter, point, "/api/v1/customers/batch", key=f"cut-key-{next(_numbers)}", customers=items)
    assert answer.status == 200
    told = json.loads(answer.body)
    assert [len(told["successful"]), len(told["failed"])] == [2, 1]
    assert {one["status"] for one in told["successful"]} == {"created"}
    assert count(pool, email) == (2, 2)


@pytest.mark.parametrize("point", POINTS)
def test_an_update_with_a_key_is_done_once(cut_pool, point):
    pool, cutter = cut_pool
    external, created = pool.create()
    assert created.status == 201
    _, answer = write(pool, cutter, point, f"/api/v1/customers/{external}", "PATCH", f"cut-key-{next(_numbers)}", email="MARKER")
    assert answer.status == 200
    with pool.database.connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM event e JOIN customer c ON c.id = e.customer_id"
                       " WHERE c.external_id = %s AND e.type = 'customer.updated'", (external,))
        assert cursor.fetchone()[0] == 1


@pytest.mark.parametrize("point", POINTS)
def test_a_write_that_cannot_be_repeated_tells_that_its_outcome_is_unknown(cut_pool, point):
    pool, cutter = cut_pool
    email, answer = write(pool, cutter, point, "/api/v1/customers", email="MARKER")
    customers, events = count(pool, email)
    assert customers == events and customers == (0 if point == "before the statement" else 1)
    if point == "after the answer":
        assert answer.status == 201
    else:
        assert answer.status == 503 and b"unknown" in answer.body
        assert answer.headers["Retry-After"] == "1"
        assert "connection lost" in pool.log()


@pytest.mark.parametrize("point", POINTS)
def test_a_read_is_repeated(cut_pool, point):
    pool, cutter = cut_pool
    external, created = pool.create()
    assert pool.ask().status == 200
    cutter.cut_at(point, external.encode())
    answer = pool.ask(uri=f"/api/v1/customers/{external}")
    assert cutter.cuts == 1
    assert answer.status == 200 and json.loads(answer.body)["externalId"] == external
