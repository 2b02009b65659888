"""Contract section 7: API keys over HTTP, from 2026-05-25 on."""

import re
import time
from datetime import datetime, timedelta, timezone

import pytest

from helpers import TIME, VERSIONS, at_least, dumps, escape, execute, in_parallel, nothing_written, scalar, uid

WITH = [version for version in VERSIONS if at_least(version, "2026-05-25")]
WITHOUT = [version for version in VERSIONS if not at_least(version, "2026-05-25")]

LISTED = {"id", "name", "prefix", "expiresAt", "lastUsedAt", "createdAt", "object", "livemode"}
CREATED = {"id", "name", "apiKey", "prefix", "expiresAt", "createdAt", "object", "livemode"}
NARROWED = {"permissions", "allowedAddresses"}  # from 2026-08-27 on
DELETED = {"id", "deleted", "object", "livemode"}


def moment(text):
    assert TIME.match(text), text
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)


def make(client, **more):
    reply = client.post("/api-keys", {"name": uid("name"), **more}).ok(201)
    key = reply.data
    assert set(key) - NARROWED == CREATED
    return key


def keys(client, query=""):
    """All listed keys, by id."""
    found, cursor = {}, None
    while True:
        reply = client.get("/api-keys?" + query + (f"&cursor={escape(cursor)}" if cursor else "")).ok(200)
        for row in reply.data:
            assert set(row) - NARROWED == LISTED
            assert row["id"] not in found
            found[row["id"]] = row
        cursor = reply.json.get("nextCursor")
        assert (cursor is not None) == reply.json["hasMore"]
        if cursor is None:
            return found


@pytest.mark.parametrize("version", WITH)
def test_a_key_is_made_listed_used_and_deleted(new_org, version):
    org = new_org()
    for client, livemode, prefix in ((org.live.at(version), True, "ck_live_"), (org.sandbox.at(version), False,
                                                                                "ck_sandbox_")):
        made = make(client, name="Büro 1")
        assert (made["name"], made["object"], made["livemode"]) == ("Büro 1", "api_key", livemode)
        assert made["apiKey"].startswith(prefix) and re.fullmatch(r"ck_(live|sandbox)_[0-9A-Za-z_-]{32,}",
                                                                  made["apiKey"])
        assert made["apiKey"].startswith(made["prefix"]) and len(made["prefix"]) < len(made["apiKey"]) - 20
        assert abs(moment(made["createdAt"]) - datetime.now(timezone.utc)) < timedelta(seconds=20)
        assert moment(made["expiresAt"]) - moment(made["createdAt"]) == timedelta(days=365)

        row = keys(client)[made["id"]]
        assert {name: row[name]
                for name in LISTED - {"lastUsedAt"}} == {name: made[name]
                                                         for name in CREATED - {"apiKey"}}
        assert row["lastUsedAt"] is None

        client.with_key(made["apiKey"]).create()
        gone = client.call("DELETE", "/api-keys/" + made["id"]).ok(200).data
        assert gone == {"id": made["id"], "deleted": True, "object": "api_key", "livemode": livemode}
        assert made["id"] not in keys(client)


def test_a_deleted_key_stops_working_within_a_second(live):
    made = make(live)
    other = live.with_key(made["apiKey"])
    for _ in range(20):  # every worker has seen it
        other.get("/customers?limit=1").ok(200)
    live.call("DELETE", "/api-keys/" + made["id"]).ok(200)
    time.sleep(1.2)
    for _ in range(20):
        other.get("/customers?limit=1").error("unauthorized", 401)


@pytest.mark.parametrize("version", WITHOUT)
@pytest.mark.parametrize("method, path", [("GET", "/api-keys"), ("POST", "/api-keys"), ("DELETE", "/api-keys/some")])
def test_before_2026_05_25_there_are_none(live, db, version, method, path):
    before = scalar(db, "SELECT count(*) FROM api_key")
    reply = live.at(version).call(method, path, {"name": "x"} if method == "POST" else None)
    reply.error("endpoint_not_available", 404)
    assert scalar(db, "SELECT count(*) FROM api_key") == before


@pytest.mark.parametrize("base", ["/api", ""])
def test_a_header_brings_them_to_unversioned_paths(live, base):
    client = live.at("2026-05-25").on(base)
    assert make(client)["id"] in keys(client)


@pytest.mark.parametrize("days", [1, 2, 365, 3649, 3650])
def test_the_caller_says_how_long_a_key_lives(live, days):
    made = make(live, expiresInDays=days)
    assert moment(made["expiresAt"]) - moment(made["createdAt"]) == timedelta(days=days)


def test_null_days_are_the_default(live):
    made = make(live, expiresInDays=None)
    assert moment(made["expiresAt"]) - moment(made["createdAt"]) == timedelta(days=365)


BROKEN = [({}, "name"), ({"name": None}, "name"), ({"name": ""}, "name"), ({"name": "x" * 101}, "name"),
          ({"name": "😀" * 101}, "name"), ({"name": 1}, "name"), ({"name": []}, "name")]
BROKEN += [({"name": "x", "expiresInDays": days}, "expiresInDays")
           for days in (0, -1, 3651, 100000, 1.5, "30", "", True, [], {}, 18446744073709551617, 4294967297)]


@pytest.mark.parametrize("body, field", BROKEN, ids=[str(b[0])[:60] for b in BROKEN])
def test_a_broken_field_is_named(live, db, body, field):
    before = scalar(db, "SELECT count(*) FROM api_key")
    assert live.post("/api-keys", body).invalid(field)["param"] == field
    assert scalar(db, "SELECT count(*) FROM api_key") == before


@pytest.mark.parametrize("name", ["x", "x" * 100, "😀" * 100, "a 'b' \"c\" \\ é"])
def test_names_have_1_to_100_characters(live, name):
    made = make(live, name=name)
    assert made["name"] == name and keys(live)[made["id"]]["name"] == name


# What a caller may mean to narrow the key by, in words of several libraries and services.
NARROWER = [{"permissions": {"customer": ["read"]}}, {"permissions": {}}, {"permissions": []}, {"permissions": "read"},
            {"permissions": False}, {"permissions": 0}, {"scopes": ["read"]}, {"scope": "read"}, {"expiresAt": "2026-12-01T00:00:00Z"},
            {"expires_at": 1}, {"expires_in_days": 1}, {"expiresIn": 60}, {"ExpiresInDays": 1}, {"readOnly": True},
            {"environment": "elsewhere"}, {"livemode": False}, {"rateLimit": "1/s"}, {"allowed-ips": ["10.0.0.1"]}, {"role": "viewer"}]


@pytest.mark.parametrize("narrower", NARROWER, ids=str)
@pytest.mark.parametrize("version", WITH)
def test_a_member_that_may_narrow_the_key_is_never_ignored(live, db, version, narrower):
    (name,) = narrower
    if at_least(version, "2026-08-27") and narrower in ({"permissions": {"customer": ["read"]}}, {"permissions": {}}, {"permissions": []}):
        return  # followed: test_restricted.py
    with nothing_written(db):
        reply = live.at(version).post("/api-keys", {"name": "narrow", **narrower}, idem=uid("k"))
        assert reply.invalid(name)["param"] == name


def test_several_of_them_and_a_broken_one_are_all_named(live, db):
    with nothing_written(db):
        live.post("/api-keys", {"name": "", "permissions": 1, "scopes": []}).invalid("name", "permissions", "scopes")
        body = {"name": "many", **{f"member{i}": i for i in range(200)}}
        assert len(live.post("/api-keys", body).error("validation_error", 400)["details"]) <= 32
        # What cannot be a member's name is not told back as it is.
        for name, shown in (("<b>x</b>", "?b?x??b?"), ("", "?"), ("x" * 41, "x" * 40), ("sk live", "sk?live"), ("\u00e9", "??")):
            live.post("/api-keys", {"name": "odd", name: 1}).invalid(shown)


def test_null_is_not_given_here_either(live):
    assert make(live, permissions=None, scopes=None)["apiKey"]


UNSEEN = ["\u200b", "\u200d", "\u202e", "\ufeff", "\x1b", "\n", "\x85", "\u2028", "\U000e0041"]


@pytest.mark.parametrize("letter", UNSEEN, ids=[f"{ord(letter):04X}" for letter in UNSEEN])
def test_a_name_has_no_character_that_cannot_be_seen(live, db, letter):
    with nothing_written(db):
        for name in (letter, "a" + letter, letter + "a", f"a{letter}b"):
            (detail,) = live.post("/api-keys", {"name": name}).invalid("name")["details"]
            assert detail["message"] == f"must not contain the invisible character U+{ord(letter):04X}"


@pytest.mark.parametrize("name", [" ", "  ", "\u00a0", "\u3000 \u2003", "\u2800"], ids=ascii)
def test_a_name_is_not_blank(live, db, name):
    with nothing_written(db):
        (detail,) = live.post("/api-keys", {"name": name}).invalid("name")["details"]
        assert detail["message"] == "must not be blank"


def test_two_keys_may_have_one_name(live):
    assert make(live, name="twin")["apiKey"] != make(live, name="twin")["apiKey"]


def test_bodies_that_are_no_json_are_refused(live):
    live.post("/api-keys", b"{").error("invalid_json", 400)
    live.post("/api-keys", b'{"name":"a\\u0000"}').error("invalid_json", 400)
    assert live.post("/api-keys", b"[]").status == 400


def test_an_unknown_key_is_not_found(live):
    for some_id in ("nobody", "0", make(live)["id"] + "x", "a/b", "é"):
        live.call("DELETE", "/api-keys/" + escape(some_id)).error("api_key_not_found", 404)


def test_a_key_is_deleted_once(live):
    made = make(live)
    live.call("DELETE", "/api-keys/" + made["id"]).ok(200)
    live.call("DELETE", "/api-keys/" + made["id"]).error("api_key_not_found", 404)


def test_a_key_may_not_delete_itself(live):
    made = make(live)
    own = live.with_key(made["apiKey"])
    own.call("DELETE", "/api-keys/" + made["id"]).error("conflict", 409)
    own.get("/customers?limit=1").ok(200)
    live.call("DELETE", "/api-keys/" + made["id"]).ok(200)


def test_keys_of_other_environments_do_not_exist(live, sandbox, other_live):
    mine = make(live)
    for outsider in (sandbox, other_live):
        assert mine["id"] not in keys(outsider)
        outsider.call("DELETE", "/api-keys/" + mine["id"]).error("api_key_not_found", 404)
    assert mine["id"] in keys(live)
    live.with_key(mine["apiKey"]).get("/customers?limit=1").ok(200)


def test_a_made_key_sees_its_environment_and_no_other(new_org):
    org = new_org()
    customer = org.live.create()
    org.live.with_key(make(org.live)["apiKey"]).fetch(customer["id"])
    org.live.with_key(make(org.sandbox)["apiKey"]).missing(customer["id"])


def test_the_use_of_a_key_is_noted(live):
    made = make(live)
    other = live.with_key(made["apiKey"])
    end = time.monotonic() + 10
    while keys(live)[made["id"]]["lastUsedAt"] is None:
        other.get("/customers?limit=1").ok(200)
        assert time.monotonic() < end, "lastUsedAt is never set"
        time.sleep(0.3)
    assert abs(moment(keys(live)[made["id"]]["lastUsedAt"]) - datetime.now(timezone.utc)) < timedelta(seconds=30)


@pytest.mark.parametrize("version", WITH)
def test_the_list_pages_like_any_other(new_org, version):
    client = new_org().live.at(version)
    made = []
    for _ in range(7):
        made.append(make(client)["id"])
        time.sleep(0.002)
    for limit in (1, 3, 7, 8, 100):
        found = list(keys(client, f"limit={limit}"))
        assert found[:7] == list(reversed(made))
        assert len(found) == 8  # and the key that the organization began with
    page = client.get("/api-keys?limit=2").json
    assert len(page["data"]) == 2 and ("object" in page) == at_least(version, "2026-07-24")
    for query in ("limit=0", "limit=101", "limit=x", "cursor=nonsense", "limit=1&limit=1"):
        client.get("/api-keys?" + query).error("validation_error", 400)


def test_the_secret_is_told_once_and_stored_nowhere(live, db):
    made = make(live)
    assert made["apiKey"].encode() not in live.get("/api-keys?limit=100").body
    secret = made["apiKey"].rsplit("_", 1)[1][-16:]
    for table in ("api_key", "idempotency_key", "event"):
        assert scalar(db, f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s", f"%{secret}%") == 0


def test_a_repeated_request_makes_one_key_and_tells_it_again(live, db):
    idem, body = uid("k"), dumps({"name": "once"})
    before = scalar(db, "SELECT count(*) FROM api_key")
    first = live.post("/api-keys", body, idem=idem).ok(201)
    again = live.post("/api-keys", body, idem=idem)
    assert (again.status, again.body, again.header("Idempotent-Replayed")) == (201, first.body, "true")
    assert scalar(db, "SELECT count(*) FROM api_key") == before + 1
    live.with_key(first.data["apiKey"]).get("/customers?limit=1").ok(200)
    live.post("/api-keys", {"name": "other"}, idem=idem).error("idempotency_key_mismatch", 409)
    with nothing_written(db):
        live.post("/customers", body, idem=idem).json  # whatever it is, it makes no customer
    secret = first.data["apiKey"].rsplit("_", 1)[1][-16:]
    assert scalar(db, "SELECT count(*) FROM idempotency_key k WHERE k::text LIKE %s", f"%{secret}%") == 0


@pytest.mark.parametrize("method, path", [("PUT", "/api-keys"), ("PATCH", "/api-keys"), ("DELETE", "/api-keys"),
                                          ("PUT", "/api-keys/x"), ("POST", "/api-keys/x")])
def test_other_methods_are_not_allowed(live, method, path):
    reply = live.call(method, path, {"name": "x"})
    reply.error("method_not_allowed", 405)
    allowed = {part.strip() for part in reply.header("Allow").split(",")}
    assert ({"GET", "POST"} if path == "/api-keys" else {"GET", "DELETE"}) <= allowed and method not in allowed


def test_without_a_key_no_keys(live):
    nobody = live.with_key("nonsense")
    for method, path in (("GET", "/api-keys"), ("POST", "/api-keys"), ("DELETE", "/api-keys/x")):
        nobody.call(method, path).error("unauthorized", 401)


def test_customers_are_no_keys_and_keys_no_customers(live):
    made = make(live)
    live.missing(made["id"])
    live.call("DELETE", "/api-keys/" + live.create()["id"]).error("api_key_not_found", 404)


def test_a_new_key_works_at_once_in_every_worker(live):
    other = live.with_key(make(live)["apiKey"])
    for _ in range(20):
        other.get("/customers?limit=1").ok(200)


def test_an_expired_key_stops_working_and_is_still_listed(live, db):
    made = make(live, expiresInDays=1)
    live.with_key(made["apiKey"]).get("/customers?limit=1").ok(200)
    aged = execute(db, "UPDATE api_key SET created_at = created_at - interval '2 days', expires_at = expires_at - "
                   "interval '2 days' WHERE prefix = %s AND name = %s", made["prefix"], made["name"])
    assert aged == 1
    time.sleep(1.2)  # workers trust a key that they have seen for at most a second
    for _ in range(10):
        live.with_key(made["apiKey"]).get("/customers?limit=1").error("unauthorized", 401)
    assert moment(keys(live)[made["id"]]["expiresAt"]) < datetime.now(timezone.utc)


def test_a_key_of_the_command_line_is_listed_without_an_end(new_org):
    (row,) = keys(new_org().live).values()
    assert row["expiresAt"] is None and row["prefix"].startswith("ck_live_")


def test_twins_make_one_key(live, db):
    idem, body = uid("k"), dumps({"name": uid("twins")})
    before = scalar(db, "SELECT count(*) FROM api_key")
    replies = in_parallel([lambda: live.post("/api-keys", body, idem=idem)] * 6)
    assert {(reply.status, reply.body) for reply in replies} == {(201, replies[0].body)}
    assert sorted(reply.header("Idempotent-Replayed") or "" for reply in replies) == [""] + ["true"] * 5
    assert scalar(db, "SELECT count(*) FROM api_key") == before + 1


def test_a_request_that_another_key_repeats_never_tells_a_key_that_does_not_work(live, db):
    """The record is the environment's, the new key follows from the caller's own: another caller cannot be told it."""
    idem, body = uid("k"), dumps({"name": uid("shared")})
    other = live.with_key(make(live)["apiKey"])
    before = scalar(db, "SELECT count(*) FROM api_key")
    first = live.post("/api-keys", body, idem=idem).ok(201)
    again = other.post("/api-keys", body, idem=idem)
    assert scalar(db, "SELECT count(*) FROM api_key") == before + 1
    if again.status == 201:
        assert again.body == first.body
    else:
        again.error("idempotency_key_mismatch", 409)


def test_a_deleted_key_is_still_told_to_a_repeated_request(live):
    idem, body = uid("k"), dumps({"name": uid("gone")})
    first = live.post("/api-keys", body, idem=idem).ok(201)
    live.call("DELETE", "/api-keys/" + first.data["id"]).ok(200)
    assert live.post("/api-keys", body, idem=idem).body == first.body
    assert first.data["id"] not in keys(live)


def days_left(key):
    return moment(key["expiresAt"]) - datetime.now(timezone.utc)


def test_a_key_never_outlives_the_one_that_makes_it(live, db):
    maker = make(live, expiresInDays=3)
    client = live.with_key(maker["apiKey"])
    before = scalar(db, "SELECT count(*) FROM api_key")
    for days in (4, 365, 3650):
        error = client.post("/api-keys", {"name": "longer", "expiresInDays": days}).invalid("expiresInDays")
        assert error["param"] == "expiresInDays" and "must be at most 2:" in error["message"]
    assert scalar(db, "SELECT count(*) FROM api_key") == before
    assert moment(make(client, expiresInDays=2)["expiresAt"]) < moment(maker["expiresAt"])
    # Who asks for no number gets what there is, and is told.
    child = make(client)
    assert child["expiresAt"] == maker["expiresAt"]
    grandchild = make(live.with_key(child["apiKey"]), expiresInDays=None)
    assert grandchild["expiresAt"] == maker["expiresAt"]
    assert keys(live)[grandchild["id"]]["expiresAt"] == maker["expiresAt"]


def test_the_last_day_of_a_key(live, db):
    maker = make(live, expiresInDays=1)
    client = live.with_key(maker["apiKey"])
    error = client.post("/api-keys", {"name": "longer", "expiresInDays": 1}).invalid("expiresInDays")
    assert "must be left out" in error["message"]
    assert make(client)["expiresAt"] == maker["expiresAt"]


def test_a_maker_that_has_just_been_ended_makes_no_key(live, db):
    """The worker still trusts the maker as it saw it; the database is asked when the new key is written."""
    maker = make(live)
    client = live.with_key(maker["apiKey"])
    for change in ("expires_at = now() + interval '1 day'", "revoked_at = now()"):
        end = time.monotonic() + 10
        while True:
            client.get("/customers?limit=1")
            execute(db, f"UPDATE api_key SET {change} WHERE prefix = %s AND name = %s", maker["prefix"], maker["name"])
            reply = client.post("/api-keys", {"name": "late"}, idem=uid("k"))
            if reply.status in (401, 409):
                break
            # Looked up after the change: then it ends with its maker.
            assert reply.data["expiresAt"] <= keys(live)[maker["id"]]["expiresAt"]
            assert time.monotonic() < end
        assert "late" not in {row["name"] for row in keys(live).values() if row["expiresAt"] and days_left(row) > timedelta(days=2)}


@pytest.fixture
def few(new_org, db):
    """A client of an environment that has all keys but two, of a thousand."""
    org = new_org()
    execute(db, """
        INSERT INTO api_key (environment_id, id, hash, name, prefix, expires_at, revoked_at)
        SELECT k.environment_id, md5(k.id::text || n)::uuid, sha256((k.id::text || n)::bytea), 'many', 'ck_live_many',
               CASE n %% 4 WHEN 0 THEN now() + interval '1 day' WHEN 1 THEN now() - interval '1 s' END,
               CASE n %% 4 WHEN 2 THEN now() END
          FROM api_key k JOIN environment e ON e.id = k.environment_id JOIN organization o ON o.id = e.organization_id,
               generate_series(1, 1995) n
         WHERE o.name = %s AND e.livemode""", org.name)
    return org


def test_an_environment_has_at_most_a_thousand_keys_that_work(few, db):
    client = few.live
    alive = "SELECT count(*) FROM api_key k WHERE environment_id = (SELECT environment_id FROM api_key WHERE id = %s::uuid) " \
            "AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"
    one = scalar(db, "SELECT k.id::text FROM api_key k JOIN environment e ON e.id = k.environment_id JOIN organization o ON "
                 "o.id = e.organization_id WHERE o.name = %s AND e.livemode ORDER BY k.created_at LIMIT 1", few.name)
    assert scalar(db, alive, one) == 998
    # Ten at once, with and without an Idempotency-Key: two of them come through, whichever.
    replies = in_parallel([lambda n=n: client.post("/api-keys", {"name": f"race {n}"}, idem=uid("k") if n % 2 else None) for n in range(10)])
    assert sorted(reply.status for reply in replies) == [201, 201] + [409] * 8
    for reply in replies:
        if reply.status == 409:
            assert "1000 API keys" in reply.error("conflict", 409)["message"]
    assert scalar(db, alive, one) == 1000
    made = [reply.data["id"] for reply in replies if reply.status == 201]
    few.sandbox.post("/api-keys", {"name": "elsewhere"}).ok(201)
    # The command line obeys it too, unless it is told another number; a successor is no more.
    done = few.organization.database.clientele("key", "create", "--org", few.name, "--env", "live", check=False)
    assert (done.returncode, done.stdout) == (65, "") and "--keys-max=1001" in done.stderr
    assert few.organization.database.clientele("key", "rotate", made[0]).stdout.startswith("ck_live_")
    assert few.organization.database.clientele("--keys-max=1002", "key", "create", "--org", few.name, "--env",
                                               "live").stdout.startswith("ck_live_")
    client.post("/api-keys", {"name": "too many"}).error("conflict", 409)
    # An idempotency key does not keep the refusal: when there is room, the same request is done.
    idem = uid("k")
    client.post("/api-keys", {"name": "later"}, idem=idem).error("conflict", 409)
    execute(db, "UPDATE api_key SET revoked_at = now() WHERE name = 'many' AND expires_at > now()")
    client.post("/api-keys", {"name": "later"}, idem=idem).ok(201)
