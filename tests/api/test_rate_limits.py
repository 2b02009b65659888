"""Rate limits of API keys: what a client sees of them, and what the operator sets."""

import json
import re

import psycopg2
import pytest

from helpers import VERSIONS, Client, in_parallel, mail, nothing_written, raw_get, uid
from stack import wait_until


@pytest.fixture
def limited(new_org, url):
    """A function: a client whose key, the only one of its organization with a limit, has this one."""
    def new(limit, **more):
        org = new_org()
        client = Client(url, org.key("live", "--name", "limited", "--limit", limit), **more)
        client.org = org
        (row,) = [row for row in org.organization.keys() if row["name"] == "limited"]
        client.id = row["id"]
        return client

    return new


def seen(reply):
    """(q, w, r, t) of the two headers, or None when the answer has neither."""
    policy, left = reply.header("RateLimit-Policy"), reply.header("RateLimit")
    if policy is None and left is None:
        return None
    q, w = re.fullmatch(r'"(?:key|environment)";q=(\d+);w=(\d+)', policy).groups()
    r, t = re.fullmatch(r'"(?:key|environment)";r=(\d+);t=(\d+)', left).groups()
    return int(q), int(w), int(r), int(t)


def left(reply):
    return seen(reply)[2]


def key_command(client, *arguments, **more):
    return client.org.organization.database.clientele("key", *arguments, **more)


def limit_of(client):
    return {row["id"]: row["limit"] for row in client.org.organization.keys()}[client.id]


def set_limit(client, *limit):
    return key_command(client, "limit", client.id, *limit).stdout


@pytest.mark.both_fronts
def test_each_answer_tells_the_limit_and_what_is_left(limited):
    client = limited("5/h burst 5")
    assert seen(client.get("/customers")) == (5, 3600, 4, 720)
    assert seen(client.post("/customers", {"email": mail()}, idem=uid("k"))) == (5, 3600, 3, 720)
    assert seen(client.get("/customers/nobody")) == (5, 3600, 2, 720)
    assert seen(client.post("/customers", b"{")) == (5, 3600, 1, 720)
    assert seen(client.call("HEAD", "/customers")) == (5, 3600, 0, 720)
    refused = client.get("/customers")
    refused.error("rate_limited", 429)
    assert seen(refused) == (5, 3600, 0, 720)
    assert refused.header("Retry-After") == "720"


@pytest.mark.parametrize("limit, q, w, r", [("100/s", 100, 1, 99), ("100/s burst 200", 200, 2, 199), ("100/s burst 150", 200, 2, 149),
                                            ("100/s burst 50", 100, 1, 49), ("1000/m burst 20", 1000, 60, 19),
                                            ("1/h burst 10", 10, 36000, 9), ("999999/h burst 1", 999999, 3600, 0)])
def test_the_policy_is_the_rate_over_whole_times(limited, limit, q, w, r):
    assert seen(limited(limit).get("/customers"))[:3] == (q, w, r)


def test_keys_without_a_limit_have_no_headers(live, sandbox):
    for client in (live, sandbox):
        assert seen(client.get("/customers")) is None
        assert seen(client.get("/customers/nobody")) is None


@pytest.mark.both_fronts
@pytest.mark.parametrize("version", VERSIONS)
def test_every_generation_of_clients_can_read_the_refusal(limited, version):
    client = limited("1/h").at(version)
    client.get("/customers").page()
    reply = client.post("/customers", {"email": mail()})
    error = reply.error("rate_limited", 429)
    assert error["type"] == "rate_limit_error"
    assert error["param"] is None and error["details"] is None
    assert int(reply.header("Retry-After")) == 3600
    assert "errors" not in reply.json


def test_the_refusal_of_unversioned_paths_says_that_they_are_deprecated(limited):
    for base in ("/api", ""):
        client = limited("1/h").on(base)
        client.get("/customers")
        assert client.get("/customers").error("rate_limited", 429)  # the three headers are checked with every reply


def test_what_counts_as_one(limited):
    client = limited("9/h")
    key, body = uid("k"), {"email": mail()}
    assert left(client.post("/customers/batch", {"customers": [{"email": mail()} for _ in range(100)]})) == 8
    assert left(client.post("/customers", body, idem=key)) == 7
    again = client.post("/customers", body, idem=key)
    assert again.header("Idempotent-Replayed") == "true" and left(again) == 6
    assert left(client.get("/customers", headers={"Commet-Version": "nonsense"})) == 5
    # What is decided before the key is looked at is nobody's.
    assert seen(client.get("/nothing")) is None
    assert seen(client.post("/customers/x", headers={"Commet-Version": "2026-08-27"})) is None
    assert seen(client.get("/openapi.json")) is None
    assert seen(client.with_key("nonsense").get("/customers")) is None
    assert seen(raw_get(client, b"/api/v1/customers", b"X-Api-Key: " + client.key.encode())) is None
    # The version may be that of the key, and methods of this path are those of the version.
    assert left(client.post("/customers/x")) == 4
    assert left(client.get("/customers")) == 3


def test_a_refused_request_leaves_nothing_and_its_idempotency_key_is_unused(limited, db):
    client = limited("1/h")
    client.get("/customers")
    key, own = uid("k"), uid()
    with nothing_written(db):
        for _ in range(3):
            client.post("/customers", {"email": mail(), "id": own}, idem=key).error("rate_limited", 429)
            client.post("/customers", b"{", idem=key).error("rate_limited", 429)
            client.post("/customers/batch", {"customers": [{"email": mail()}]}, idem=key).error("rate_limited", 429)
    client = client.with_key(client.org.key("live"))
    assert client.create(externalId=own, _idem=key)["externalId"] == own


def test_keys_do_not_share_a_limit(limited, url):
    one, other = limited("1/h"), limited("1/h")
    second = Client(url, one.org.key("live", "--limit", "2/h"))
    assert [client.get("/customers").status for client in (one, other, second)] == [200, 200, 200]
    assert [client.get("/customers").status for client in (one, other, second)] == [429, 429, 200]
    assert one.org.live.get("/customers").status == 200


def test_many_at_once_get_no_more_than_the_burst(limited):
    client = limited("1/h burst 10")
    statuses = in_parallel([lambda: client.get("/customers").status] * 24)
    assert sorted(statuses) == [200] * 10 + [429] * 14


def test_the_rate_comes_back(limited):
    client = limited("10/s burst 2")
    wait_until(lambda: client.get("/customers").status == 429, what="a refusal")
    assert client.get("/customers").header("Retry-After") in ("1", None)
    wait_until(lambda: client.get("/customers").status == 200, what="a token")


# ---------------------------------------------------------------- the operator


def test_a_limit_is_set_changed_and_taken_away_within_a_second(limited):
    client = limited("100/s")
    assert client.get("/customers").status == 200
    for limit, there in ((["5000/h"], (5000, 3600)), (["off"], None), (["7000/m", "burst", "3000"], (7000, 60)), (["default"], None)):
        set_limit(client, *limit)
        wait_until(lambda: (seen(client.get("/customers")) or (None,))[:2] == (there or (None,)), 2, f"the limit {limit}")


def test_a_key_that_is_over_its_limit_learns_of_another_one_too(limited):
    client = limited("1/h")
    assert [client.get("/customers").status for _ in range(2)] == [200, 429]
    set_limit(client, "100/s")
    wait_until(lambda: client.get("/customers").status == 200, 8, "the new limit")
    assert seen(client.get("/customers"))[:2] == (100, 1)


def test_a_key_that_is_over_its_limit_learns_of_its_end(limited):
    client = limited("1/h")
    assert [client.get("/customers").status for _ in range(2)] == [200, 429]
    client.org.revoke("limited")
    wait_until(lambda: client.get("/customers").status == 401, 8, "the end of the key")
    assert seen(client.get("/customers")) is None


def test_the_list_of_keys_shows_limits(limited):
    client = limited("100/s")
    shown = [(row["name"], row["limit"]) for row in client.org.organization.keys()]
    assert sorted(shown) == [("created by the operator", None)] * 2 + [("limited", "100/s burst 100")]
    assert set_limit(client, "1000/m burst 7") == f"{client.id}: 1000/m burst 7\n"
    table = key_command(client, "list", "--org", client.org.name).stdout
    at = table.splitlines()[0].index(" limit ") + 1
    assert [line for line in table.splitlines() if client.id in line][0][at:].startswith("1000/m burst 7")
    assert set_limit(client, "off") == f"{client.id}: off\n"
    assert limit_of(client) == "off"
    assert set_limit(client, "default") == f"{client.id}: as configured\n"
    assert limit_of(client) is None
    assert json.loads(key_command(client, "list", "--json").stdout)[0].keys() >= {"id", "limit"}


@pytest.mark.parametrize("limit", ["100", "0/s", "100/d", "1000000/s", "100/s burst", "100/s burst 0", "none", "", "100/s 200", "off 5"])
def test_another_limit_is_refused_with_an_example(limited, limit):
    client = limited("100/s")
    done = key_command(client, "limit", client.id, limit, check=False)
    assert done.returncode == 64 and "100/s" in done.stderr and "default, off" in done.stderr
    done = key_command(client, "create", "--org", client.org.name, "--env", "live", "--limit", limit, check=False)
    assert done.returncode == 64 and done.stdout == ""
    assert limit_of(client) == "100/s burst 100"


def test_a_limit_needs_a_key_that_there_is(limited):
    client = limited("100/s")
    for arguments in (["limit"], ["limit", client.id], ["limit", "nonsense", "5/s"]):
        assert key_command(client, *arguments, check=False).returncode == 64
    client.org.revoke("limited")
    done = key_command(client, "limit", client.id, "5/s", check=False)
    assert done.returncode == 67 and "revoked" in done.stderr


def test_a_key_that_a_limited_key_makes_shares_the_limit(limited):
    client = limited("50/h burst 9")
    made = client.post("/api-keys", {"name": "made"}).data
    assert seen(client.with_key(made["apiKey"]).get("/customers"))[:3] == (100 // 2, 3600, 7)
    assert seen(client.get("/customers"))[2] == 6
    # Another limit for one of them is one for all.
    limits = lambda: {row["name"]: row["limit"] for row in client.org.organization.keys()}
    set_limit(client, "40/h")
    assert (limits()["made"], limits()["limited"], limits()["created by the operator"]) == ("40/h burst 40",) * 2 + (None,)
    set_limit(client, "50/h burst 9")
    made = client.org.live.post("/api-keys", {"name": "free"}).data
    assert seen(client.with_key(made["apiKey"]).get("/customers")) is None
    assert {row["name"]: row["limit"] for row in client.org.organization.keys()}["made"] == "50/h burst 9"


def test_the_database_takes_no_other_spelling(live, db):
    for text in ("100/s", "0/s burst 1", "1/d burst 1", "1/s burst 1000000", " off", "1/s burst 1\n"):
        with pytest.raises(psycopg2.errors.CheckViolation):
            with db.cursor() as cursor:
                cursor.execute("UPDATE api_key SET rate_limit = %s", (text,))
