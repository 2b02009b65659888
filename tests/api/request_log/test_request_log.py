"""The requests that were answered last, through the front servers: who finds which. What is kept of one: tests/app/test_request_log.c."""

import pytest

from helpers import CURRENT, TIME, VERSIONS, uid

pytestmark = pytest.mark.both_fronts

LOG = "/requests"


@pytest.fixture
def caller(new_org):
    return new_org()


def asked(client, path="/customers?limit=1", method="GET", body=None, **more):
    """The id of the answer to a request."""
    reply = client.call(method, path, body, **more)
    return reply.header("X-Request-Id")


def rows(client, query=""):
    return client.get(f"{LOG}?{query}").rows()[0]


def test_a_request_is_found_by_the_id_of_its_answer(caller):
    client = caller.live
    for _ in range(30):
        some_id = asked(client)
        found = client.get(f"{LOG}/{some_id}").ok(200).data
        assert (found["id"], found["object"], found["livemode"]) == (some_id, "request", True)
        assert (found["method"], found["path"], found["status"], found["code"]) == ("GET", "/api/v1/customers", 200, None)
        assert found["version"] == CURRENT and found["durationMs"] > 0 and TIME.match(found["createdAt"])
        assert found["actor"] == {"type": "api_key", "id": client.get("/api-keys").rows()[0][-1]["id"]}


def test_the_list_has_the_newest_first_and_those_that_read_it(caller):
    client = caller.live
    made = [asked(client, headers={"X-Request-Id": uid("mine")}) for _ in range(5)]
    first = client.get(LOG)
    listed = [row["id"] for row in first.rows()[0]]
    assert listed == made[::-1]
    assert [row["id"] for row in rows(client)] == [first.header("X-Request-Id"), *made[::-1]]
    page, cursor = client.get(f"{LOG}?limit=2").rows()
    assert len(page) == 2 and cursor
    rest = client.get(f"{LOG}?limit=100&cursor={cursor}").rows()[0]
    assert [row["id"] for row in rest][-5:] == made[::-1]


def test_an_error_is_found_with_its_code(caller):
    client = caller.live
    missing = asked(client, "/customers/" + uid("nobody"))
    broken = asked(client, "/customers", "POST", b"{")
    asked(client)
    assert [(row["id"], row["status"], row["code"], row["path"]) for row in rows(client, "status=4xx")] == [
        (broken, 400, "invalid_json", "/api/v1/customers"), (missing, 404, "customer_not_found", "/api/v1/customers/{id}")]
    assert [row["id"] for row in rows(client, "method=POST")] == [broken]
    assert [row["id"] for row in rows(client, f"requestId={missing}")] == [missing]


def test_each_environment_sees_its_own_alone(new_org):
    one, two = new_org(), new_org()
    clients = [one.live, one.sandbox, two.live, two.sandbox]
    same = uid("same")
    made = [[asked(client), asked(client, headers={"X-Request-Id": same})] for client in clients]
    for client, mine in zip(clients, made):
        for other in made:
            reply = client.get(f"{LOG}/{other[0]}")
            assert reply.status == 200 if other is mine else reply.error("request_not_found", 404)
        assert {row["id"] for row in rows(client)} & {some_id for both in made for some_id in both} == set(mine)
        assert len(rows(client, f"requestId={same}")) == 1


def test_a_restricted_key_needs_the_permission(caller):
    def restricted(permissions):
        made = caller.live.post("/api-keys", {"name": uid("key"), "permissions": permissions}).ok(201).data
        return caller.live.with_key(made["apiKey"])

    some_id = asked(caller.live)
    for path in (LOG, f"{LOG}/{some_id}", f"{LOG}/summary"):
        restricted({"request_log": ["read"]}).get(path).ok(200)
        restricted({"requestLog": ["read"]}).get(path).ok(200)
        problem = restricted({"customer": ["read", "write"]}).get(path).error("forbidden", 403)
        assert problem["details"] == {"permission": "request_log:read"}


def test_what_is_not_let_in_is_not_there(caller):
    some_id = asked(caller.live.with_key("ck_live_nonsense"))
    caller.live.get(f"{LOG}/{some_id}").error("request_not_found", 404)
    assert some_id not in {row["id"] for row in rows(caller.live, "limit=100")}


def test_the_summary_counts_what_the_list_has(caller):
    client = caller.live
    for _ in range(6):
        asked(client)
    for _ in range(2):
        asked(client, "/customers/" + uid("nobody"))
    summary = client.get(f"{LOG}/summary?minutes=3").ok(200).data
    minutes = summary["minutes"]
    assert len(minutes) == 3 and summary["from"] == minutes[0]["at"] and TIME.match(summary["since"])
    assert sum(minute["requests"] for minute in minutes) == 8
    assert [sum(minute[name] for minute in minutes) for name in ("clientErrors", "serverErrors")] == [2, 0]
    for minute in minutes:
        figures = [minute["p50Ms"], minute["p95Ms"], minute["p99Ms"]]
        assert figures == sorted(figures) if minute["requests"] else figures == [None] * 3
    assert len(client.get(f"{LOG}/summary").ok(200).data["minutes"]) == 60


def test_what_is_not_understood_is_refused_with_its_name(caller):
    for query, name in (("status=ok", "status"), ("method=get", "method"), ("requestId=", "requestId"), ("limit=0", "limit"), ("cursor=x", "cursor")):
        caller.live.get(f"{LOG}?{query}").invalid(name)
    for minutes in ("0", "1441", "x"):
        caller.live.get(f"{LOG}/summary?minutes={minutes}").invalid("minutes")


@pytest.mark.parametrize("version", VERSIONS[:-1])
def test_earlier_versions_have_none_of_it(caller, version):
    for path in (LOG, f"{LOG}/summary", f"{LOG}/{uid('x')}"):
        caller.live.at(version).get(path).error("endpoint_not_available", 404)


def test_a_customer_who_was_erased_has_left_no_external_id(caller):
    """Of a path nothing but ids of this API was ever kept."""
    client, external = caller.live, uid("person")
    client.post("/customers", {"id": external, "email": "a@example.com"}).ok(201)
    client.get(f"/customers/{external}").ok(200)
    client.call("DELETE", f"/customers/{external}").ok()
    assert len(rows(client)) == 3
    assert external not in client.get(f"{LOG}?limit=100").body.decode()
