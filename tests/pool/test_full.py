"""The database has no room: a full disk, no memory. Nothing is done, and the client may try again."""

import contextlib
import json

import pytest

from conftest import CUSTOMERS


@pytest.mark.parametrize("condition, sqlstate", [("disk_full", "53100"), ("out_of_memory", "53200")])
def test_a_write_without_room_is_a_503(pool, new_database, condition, sqlstate):
    database = new_database()
    key = database.organization("Full Ltd").key("live")
    p = pool(database=database)
    p.key = key
    p.start()
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute("CREATE FUNCTION full_up() RETURNS trigger LANGUAGE plpgsql AS"
                       f" 'BEGIN RAISE EXCEPTION USING ERRCODE = ''{condition}''; END'")
        cursor.execute("CREATE TRIGGER full_up BEFORE INSERT ON event EXECUTE FUNCTION full_up()")
        external, answer = p.create(headers=[("Idempotency-Key", "full")])
        assert answer.status == 503 and json.loads(answer.body)["code"] == "service_unavailable"
        assert answer.headers["Retry-After"] and f"SQLSTATE {sqlstate}" in p.log()
        assert not p.exists(external)
        assert p.ask("GET", CUSTOMERS).status == 200
        cursor.execute("DROP TRIGGER full_up ON event")
    body = json.dumps({"id": external, "email": "a@example.com"}).encode()
    assert p.ask("POST", CUSTOMERS, headers=[("Idempotency-Key", "full")], body=body).status == 201
