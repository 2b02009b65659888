"""Contract section 2: keys, and walls between environments and organizations."""

import re
import time

import pytest

from helpers import CURRENT, LEGACY, anonymous, escape, execute, mail, nothing_written, raw, raw_get, uid

UNKNOWN = "ck_live_" + "A" * 40

MALFORMED = [
    "nonsense", "ck_", "ck_live_", "ck_sandbox_", "ck_live", "live_abc", "ck_test_" + "a" * 40, "CK_LIVE_" + "a" * 40,
    "Bearer ck_live_" + "a" * 40, "ck_live_" + "a" * 39 + "'", "ck_live_' OR '1'='1", "ck_live_%00", "*", "null",
    "x" * 1000, "ck_live_" + "a" * 900,
]


@pytest.fixture(scope="module")
def bad_keys(new_org, db):
    """One of each of the four kinds."""
    org = new_org()
    expired = org.key("live", "--expires-days", "1")
    assert org.live.with_key(expired).get("/customers").status == 200
    execute(
        db, "UPDATE api_key SET expires_at = now() - interval '1 second' WHERE environment_id IN"
        " (SELECT e.id FROM environment e JOIN organization o ON o.id = e.organization_id WHERE o.name = %s)"
        " AND expires_at < now() + interval '2 days'", org.name)
    revoked = org.key("live", "--name", "to be revoked")
    org.revoke("to be revoked")
    time.sleep(1.2)  # nobody may hold a key for longer than a second
    return {"malformed": "nonsense", "unknown": UNKNOWN, "expired": expired, "revoked": revoked}


@pytest.mark.both_fronts
@pytest.mark.parametrize("kind", ["malformed", "unknown", "expired", "revoked"])
@pytest.mark.parametrize("base", ["/api/v1", "/api", ""])
def test_four_kinds_of_bad_key_get_one_answer(live, bad_keys, kind, base):
    reply = live.with_key(bad_keys[kind]).on(base).get("/customers")
    reply.error("unauthorized", 401)
    expected = live.with_key(UNKNOWN).on(base).get("/customers")
    assert anonymous(reply) == anonymous(expected)


@pytest.mark.both_fronts
@pytest.mark.parametrize("headers", [{}, {"x-api-key": ""}, {"Authorization": "Basic dXNlcjpwYXNz"}, {"Authorization": "Bearer"},
                                     {"Authorization": "Bearer "}], ids=str)
@pytest.mark.parametrize("base", ["/api/v1", "/api", ""])
def test_without_a_key_the_answer_says_where_it_goes(live, headers, base):
    error = live.with_key(None).on(base).get("/customers", headers=headers).error("unauthorized", 401)
    assert (error["message"], error["param"]) == ("No API key: send it in the header x-api-key.", "x-api-key")


@pytest.mark.parametrize("key", MALFORMED)
def test_a_malformed_key_is_an_unknown_key(live, key):
    reply = live.with_key(key).get("/customers")
    reply.error("unauthorized", 401)
    assert anonymous(reply) == anonymous(live.with_key(UNKNOWN).get("/customers"))


@pytest.mark.parametrize(
    "change", [
        lambda key: key[:-1], lambda key: key + "a", lambda key: key.swapcase(), lambda key: key.upper(),
        lambda key: "x" + key, lambda key: key[:-1] + ("a" if key[-1] != "a" else "b"),
        lambda key: key.replace("ck_live_", "ck_sandbox_"), lambda key: key.replace("ck_live_", ""),
    ],
    ids=["shorter", "longer", "other case", "upper case", "prefixed", "last letter", "other environment", "bare"])
def test_a_key_is_taken_whole_or_not_at_all(live, change):
    live.with_key(change(live.key)).get("/customers").error("unauthorized", 401)


def test_keys_have_the_promised_forms(live, sandbox):
    # 192 bits are 32 letters of base64, 33 of base62, 48 of hexadecimal.
    assert re.fullmatch(r"ck_live_[0-9A-Za-z_-]{32,}", live.key)
    assert re.fullmatch(r"ck_sandbox_[0-9A-Za-z_-]{32,}", sandbox.key)


def test_keys_are_not_stored(live, sandbox, db):
    from helpers import scalar
    for client in (live, sandbox):
        secret = client.key.rsplit("_", 1)[1]
        assert scalar(db, "SELECT count(*) FROM api_key k WHERE k::text LIKE %s", f"%{secret[-16:]}%") == 0


def test_a_revoked_key_stops_working_within_a_second(new_org):
    org = new_org()
    key = org.key("live", "--name", "short")
    client = org.live.with_key(key)
    for _ in range(20):  # every worker has seen it
        client.get("/customers").ok(200)
    org.revoke("short")
    time.sleep(1.2)
    for _ in range(20):
        client.get("/customers").error("unauthorized", 401)


def test_a_new_key_works_at_once_even_when_it_was_tried_before(new_org):
    org = new_org()
    for _ in range(8):
        org.live.with_key(org.key("live")).get("/customers").ok(200)


@pytest.mark.parametrize("method, path", [("POST", "/customers"), ("POST", "/customers/batch"),
                                          ("PUT", "/customers/nobody"), ("PATCH", "/customers/nobody")])
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b"\x00", b"\xff\xfe", b'{"email":1}', b'{"customers":[]}', b"x" * 100_000],
    ids=["empty", "cut", "array", "object", "NUL", "not UTF-8", "field", "batch", "large"])
def test_no_body_is_judged_before_the_key(live, db, method, path, body):
    with nothing_written(db):
        live.with_key(UNKNOWN).call(method, path, body).error("unauthorized", 401)
        live.with_key(None).call(method, path, body).error("unauthorized", 401)


@pytest.mark.parametrize(
    "path", ["/customers?limit=0", "/customers?cursor=%21%21", "/customers?limit=1&limit=2", "/customers/nobody"])
def test_no_query_is_judged_before_the_key(live, path):
    live.with_key(UNKNOWN).get(path).error("unauthorized", 401)


def test_existing_and_missing_customers_look_the_same_without_a_key(live):
    customer = live.create(externalId=uid())
    nobody = live.with_key(UNKNOWN)
    seen = {
        anonymous(nobody.get("/customers/" + some_id))[1]
        for some_id in (customer["id"], customer["externalId"], "nobody")
    }
    assert len(seen) == 1


@pytest.mark.parametrize("method, path, codes", [("GET", "/nothing", ("not_found", "unauthorized")),
                                                 ("DELETE", "/customers", ("method_not_allowed", "unauthorized")),
                                                 ("POST", "/customers/x/y", ("not_found", "unauthorized"))])
def test_unknown_routes_and_methods_may_be_told_to_anyone(live, method, path, codes):
    reply = live.with_key(UNKNOWN).call(method, path)
    assert reply.json["code"] in codes


def same_environment_only(live, sandbox, other_live, other_sandbox):
    return {
        "sandbox of the same organization": sandbox, "live of another": other_live, "sandbox of another": other_sandbox
    }


@pytest.mark.both_fronts
@pytest.mark.parametrize("version", [LEGACY, "2026-05-25", CURRENT])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH"])
def test_a_foreign_customer_answers_byte_for_byte_like_a_missing_one(live, sandbox, other_live, other_sandbox, version,
                                                                     method):
    own = uid("foreign")
    outsiders = same_environment_only(live, sandbox, other_live, other_sandbox)
    body = {"fullName": "stolen"} if method in ("PUT", "PATCH") else None

    def ask(client, some_id):
        """The answer, with the id that was asked for blotted out."""
        status, content, headers = anonymous(client.at(version).call(method, "/customers/" + some_id, body))
        return status, content.replace(some_id.encode(),
                                       b"?"), [(name, value.replace(some_id, "?")) for name, value in headers]

    before = {name: ask(client, own) for name, client in outsiders.items()}
    customer = live.create(externalId=own, fullName="mine")
    missing = customer["id"][:-4] + ("0000" if customer["id"][-4:] != "0000" else "1111")
    for name, client in outsiders.items():
        assert before[name][0] == 404
        assert ask(client, own) == before[name], name
        assert ask(client, customer["id"]) == ask(client, missing) == before[name], name
    got = live.fetch(own)
    assert got["fullName"] == "mine" and got["updatedAt"] == customer["updatedAt"]


def test_one_external_id_is_free_in_every_environment(live, sandbox, other_live, other_sandbox):
    own = uid("shared")
    made = [
        client.create(externalId=own, fullName=str(i))
        for i, client in enumerate((live, sandbox, other_live, other_sandbox))
    ]
    assert len({customer["id"] for customer in made}) == 4
    for i, client in enumerate((live, sandbox, other_live, other_sandbox)):
        assert client.fetch(own)["fullName"] == str(i)
        assert client.fetch(own)["id"] == made[i]["id"]


def test_lists_and_filters_show_one_environment(new_org):
    one, two = new_org(), new_org()
    clients = [one.live, one.sandbox, two.live, two.sandbox]
    own, made = uid(), []
    for client in clients:
        made.append({client.create(externalId=own)["id"], client.create()["id"]})
    for client, ids in zip(clients, made):
        assert {row["id"] for row in client.walk()} == ids
        assert len(client.walk("externalId=" + own)) == 1
        assert {row["id"] for row in client.at(LEGACY).walk("search=example.com")} == ids


def test_a_cursor_of_another_environment_opens_nothing(new_org):
    one, two = new_org(), new_org()
    foreign = {one.live.create()["id"] for _ in range(4)}
    mine = {two.live.create()["id"] for _ in range(2)}
    _, cursor = one.live.get("/customers?limit=2").page()
    reply = two.live.get("/customers?cursor=" + escape(cursor))
    if reply.status == 200:
        assert {row["id"] for row in reply.page()[0]} <= mine
    else:
        reply.error("validation_error", 400)
    for some_id in foreign:
        assert some_id.encode() not in reply.body


def test_batches_and_updates_stay_in_their_environment(live, sandbox, other_live):
    own, free = uid(), uid()
    mine = live.create(externalId=own)
    for outsider in (sandbox, other_live):
        result = outsider.batch([{"email": mail(), "externalId": own}])
        assert result["successful"][0]["status"] == "created"
        assert result["successful"][0]["id"] != mine["id"]
        second = outsider.create(externalId=free)
        # taken in the own environment only
        assert outsider.put("/customers/" + second["id"], {"externalId": uid()}).status == 200
    assert live.put("/customers/" + mine["id"], {"externalId": free}).customer(200)["externalId"] == free


TWICE = [(b"X-Api-Key: %s", b"X-Api-Key: %s", "the same key twice"),
         (b"X-Api-Key: %s", b"x-api-key: ck_live_nonsense", "a good and a bad one"),
         (b"x-api-key: nonsense", b"X-API-KEY: %s", "a bad and a good one"), ]


@pytest.mark.parametrize("first, second, why", TWICE, ids=[t[2] for t in TWICE])
@pytest.mark.parametrize("path", ["/api/v1/customers", "/api/customers"])
@pytest.mark.both_fronts
def test_two_key_headers_are_refused(live, front, path, first, second, why):
    fill = (lambda line: line % live.key.encode() if b"%s" in line else line)
    reply = raw(live, [b"GET " + path.encode() + b" HTTP/1.1", fill(first), fill(second)])
    if front == "lighttpd" and reply.status == 401:
        reply.error("unauthorized", 401)  # lighttpd joins them to one value, which is no key
        return
    error = reply.error("validation_error", 400)
    assert error["param"].lower() == "x-api-key"


@pytest.mark.both_fronts
def test_two_version_headers_are_refused(live):
    for one, two in ((b"2026-07-31", b"2026-07-31"), (b"2026-07-31", b"2026-05-01")):
        error = raw_get(live, b"/api/v1/customers", b"Commet-Version: " + one,
                        b"commet-version: " + two).error("validation_error", 400)
        assert error["param"] == "Commet-Version"


@pytest.mark.both_fronts
@pytest.mark.parametrize("line", [b"X-API-KEY: %s", b"x-api-key:%s", b"x-api-key:   %s  "])
def test_the_header_is_read_as_http_says(live, line):
    assert raw(live, [b"GET /api/v1/customers HTTP/1.1", line % live.key.encode()]).status == 200


def test_a_key_elsewhere_does_not_count(live):
    nobody = live.with_key(None)
    nobody.get("/customers?x-api-key=" + live.key).error("unauthorized", 401)
    nobody.get("/customers", headers={"Authorization": live.key}).error("unauthorized", 401)
    nobody.get("/customers", headers={"Authorization": "Basic " + live.key}).error("unauthorized", 401)
    nobody.get("/customers", headers={"Proxy-Authorization": "Bearer " + live.key}).error("unauthorized", 401)
    nobody.get("/customers", headers={"X_Api_Key": live.key}).error("unauthorized", 401)


# ---------------------------------------------------------------- Authorization: Bearer


@pytest.mark.all_fronts
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer   "])
def test_a_bearer_token_is_the_key(live, sandbox, scheme):
    for client in (live, sandbox):
        own = uid("bearer")
        bearer = client.with_key(None)
        made = bearer.post("/customers", {"email": mail(), "id": own}, headers={"Authorization": scheme + client.key}).customer(201)
        assert made["livemode"] is (client is live)
        assert client.fetch(own)["id"] == made["id"]


@pytest.mark.parametrize("key", [UNKNOWN, "nonsense", "ck_live_", "ck_live_" + "a" * 900])
def test_a_wrong_bearer_token_is_a_wrong_key(live, key):
    reply = live.with_key(None).get("/customers", headers={"Authorization": "Bearer " + key})
    reply.error("unauthorized", 401)
    assert anonymous(reply) == anonymous(live.with_key(UNKNOWN).get("/customers"))


@pytest.mark.both_fronts
def test_two_headers_with_one_key_are_one_key_and_with_two_are_refused(live, other_live):
    assert live.get("/customers?limit=1", headers={"Authorization": "Bearer " + live.key}).status == 200
    for other in (other_live.key, UNKNOWN, "nonsense"):
        for client, header in ((live, other), (live.with_key(other), live.key)):
            error = client.get("/customers", headers={"Authorization": "Bearer " + header}).error("validation_error", 400)
            assert error["param"] == "Authorization"


def test_what_is_for_somebody_on_the_way_does_not_matter(live):
    """A front server's own password, for one."""
    for other in ("Basic dXNlcjpwYXNz", 'Digest username="x", realm="y"', "Negotiate " + "a" * 3000, live.key):
        assert live.get("/customers?limit=1", headers={"Authorization": other}).status == 200


@pytest.mark.both_fronts
def test_two_bearer_tokens_are_refused(live):
    line = b"Authorization: Bearer " + live.key.encode()
    reply = raw(live, [b"GET /api/v1/customers HTTP/1.1", line, line], front={400})
    assert reply.error("validation_error", 400)["param"] == ("request" if reply.by_front_server else "Authorization")


def test_a_secret_answer_is_told_again_whichever_header_has_the_key(live, db):
    key, body = uid("k"), {"name": uid("name")}
    made = live.post("/api-keys", body, idem=key).ok(201)
    bearer = live.with_key(None).post("/api-keys", body, idem=key, headers={"Authorization": "Bearer " + live.key})
    assert (bearer.status, bearer.body, bearer.header("Idempotent-Replayed")) == (201, made.body, "true")
