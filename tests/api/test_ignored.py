"""What is sent and not looked at: it is named, or refused for those who prefer that."""

import re

import pytest

from helpers import LEGACY, VERSIONS, at_least, dumps, escape, mail, nothing_written, same_again, uid
from stack import ROOT

STRICT = {"Prefer": "handling=strict"}
ADDRESS = {"line1": "1", "city": "c", "postalCode": "p", "country": "MX"}


def ignored(reply):
    value = reply.header("Clientele-Ignored")
    return value and value.split(", ")


QUERIES = [("page=2", ["page"]), ("page=2&order=email&page=3", ["page", "order"]), ("Limit=1", ["Limit"]), ("limit=1", None),
           ("limit[]=1", ["limit[]"]), ("offset", ["offset"]), ("=1", ["?"]), ("&&", None), ("a%20b=1", ["a?b"]),
           ("%F0%9F%98%80=1", ["????"]), ("%3Cscript%3E=1", ["?script?"]), ("a%2Cb=1", ["a?b"]), ("x" * 100 + "=1", ["x" * 40]),
           ("search=a", ["search"]), ("isActive=true&limit=1", ["isActive"]),
           ("&".join(f"p{i}=1" for i in range(30)), [f"p{i}" for i in range(12)] + ["..."])]


@pytest.mark.both_fronts
@pytest.mark.parametrize("query, names", QUERIES, ids=[query[:40] for query, _ in QUERIES])
def test_parameters_that_nobody_knows_are_named(live, query, names):
    reply = live.get("/customers?" + query)
    reply.page()
    assert ignored(reply) == names


@pytest.mark.both_fronts
@pytest.mark.parametrize("query, names", QUERIES, ids=[query[:40] for query, _ in QUERIES])
def test_who_prefers_strict_handling_is_refused_with_their_names(live, query, names):
    reply = live.get("/customers?" + query, headers=STRICT)
    assert reply.header("Preference-Applied") == "handling=strict" and ignored(reply) is None
    if names is None:
        reply.page()
    elif names[-1] == "...":
        assert reply.fields() == [f"p{i}" for i in range(30)]
    else:
        assert list(dict.fromkeys(reply.fields())) == names


@pytest.mark.parametrize("version", VERSIONS)
def test_a_filter_of_other_versions_is_a_parameter_that_nobody_knows(live, version):
    client = live.at(version)
    expected = [name for name, until in (("search", "2026-06-07"), ("isActive", "2026-05-12")) if at_least(version, until)]
    assert (ignored(client.get("/customers?search=x&isActive=1&email=a@b.co&externalId=x")) or []) == expected


CALLS = [("GET", "/customers/{id}", None), ("PATCH", "/customers/{id}", {}), ("PUT", "/customers/{id}", {"fullName": "x"}),
         ("POST", "/customers", {"email": "a@b.co"}), ("POST", "/customers/batch", {"customers": [{"email": "a@b.co"}]}),
         ("GET", "/api-keys", None), ("POST", "/api-keys", {"name": "x"}), ("GET", "/openapi.json", None),
         ("GET", "/customers/nobody", None), ("DELETE", "/api-keys/nobody", None)]


@pytest.mark.parametrize("method, path, body", CALLS)
def test_every_call_names_them_and_can_refuse_them(live, db, method, path, body):
    path = path.format(id=live.create()["id"]) + "?limit=0&wet_run=true"
    names = ["wet_run"] if path.startswith("/api-keys?") and method == "GET" else ["limit", "wet_run"]
    with nothing_written(db):
        live.call(method, path, body, headers=STRICT, idem=uid("k") if body is not None else None).invalid("limit", "wet_run") \
            if len(names) == 2 else live.call(method, path.replace("limit=0", "limit=1"), headers=STRICT).invalid("wet_run")
    reply = live.call(method, path if len(names) == 2 else path.replace("limit=0", "limit=1"), body)
    assert reply.status < 300 or reply.status == 404
    assert ignored(reply) == names


BODIES = [({"domain": "x", "website": None}, ["domain", "website"]), ({"full_name": "x"}, ["full_name"]),
          ({"address": {**ADDRESS, "zip": "1", "Line1": 2}}, ["address.zip", "address.Line1"]), ({"metadata": {"a": 1}}, None),
          ({"fullName": None, "address": None}, None), ({"a b": 1, "": 2, "\u00e9": 3}, ["a?b", "?", "??"]),
          ({f"m{i}": i for i in range(40)}, [f"m{i}" for i in range(12)] + ["..."])]


@pytest.mark.both_fronts
@pytest.mark.parametrize("body, names", BODIES, ids=[str(body)[:40] for body, _ in BODIES])
def test_members_that_nobody_knows_are_named(live, body, names):
    reply = live.post("/customers", {"email": mail(), **body})
    assert ignored(reply.ok(201)) == names
    path = "/customers/" + reply.data["id"]
    assert ignored(live.patch(path, body).ok(200)) == names


@pytest.mark.parametrize("body, names", BODIES, ids=[str(body)[:40] for body, _ in BODIES])
def test_strict_handling_refuses_members_that_nobody_knows(live, db, body, names):
    if names is None:
        live.post("/customers", {"email": mail(), **body}, headers=STRICT).ok(201)
        return
    customer = live.create()
    with nothing_written(db):
        for method, path in (("POST", "/customers"), ("PATCH", "/customers/" + customer["id"])):
            reply = live.call(method, path, {"email": mail(), **body}, headers=STRICT, idem=uid("k"))
            assert reply.fields() == names[:8]
            assert reply.header("Preference-Applied") == "handling=strict"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_member_of_other_versions_is_one_that_nobody_knows(live, version):
    reply = live.at(version).post("/customers", {"email": mail(), "isActive": True, "taxDocument": "x",
                                                 "addressId": "123e4567-e89b-12d3-a456-426614174000"})
    gone = [("isActive", at_least(version, "2026-05-12")), ("taxDocument", not at_least(version, "2026-06-23")),
            ("addressId", not at_least(version, "2026-06-07"))]
    assert (ignored(reply.ok(201)) or []) == [name for name, is_gone in gone if is_gone]


def test_what_only_a_create_takes_is_ignored_in_an_update(live):
    body = {"addressId": "123e4567-e89b-12d3-a456-426614174000"}
    path = "/customers/" + live.create(**body)["id"]
    assert ignored(live.patch(path, body).ok(200)) == ["addressId"]
    live.patch(path, body, headers=STRICT).invalid("addressId")


def test_both_kinds_stand_in_one_header(live):
    assert ignored(live.post("/customers?notify=1", {"email": mail(), "vat": 1}).ok(201)) == ["notify", "vat"]


def test_a_batch_names_each_member_once(live):
    items = [{"email": mail(), "domain": "x"}, {"email": mail(), "domain": "y", "address": {**ADDRESS, "zip": 1}}]
    reply = live.post("/customers/batch", {"customers": items, "notify": True})
    assert ignored(reply.ok(200)) == ["notify", "domain", "address.zip"]


def test_strict_handling_makes_an_item_of_a_batch_fail(live):
    items = [{"email": mail(), "domain": "x"}, {"email": mail()}]
    result = live.post("/customers/batch", {"customers": items}, headers=STRICT).ok(200).data
    assert [entry["param"] for entry in result["failed"]] == ["domain"] and len(result["successful"]) == 1
    live.post("/customers/batch", {"customers": items, "notify": True}, headers=STRICT).invalid("notify")


def test_a_repeated_request_gets_the_header_of_the_first(live):
    """Also where the repetition is answered from the record before its body is judged."""
    body, key = {"email": mail(), "vat": 1}, uid("k")
    first = live.post("/customers?x=1", body, idem=key)
    assert ignored(first.ok(201)) == ["x", "vat"]
    for _ in range(2):
        again = same_again(live.post("/customers?x=1", body, idem=key), first)
        assert ignored(again) == ["x", "vat"] and again.header("Location") == first.header("Location")


def test_an_error_names_what_was_ignored_too(live):
    assert ignored(live.get("/customers/nobody?expand=plan")) == ["expand"]
    reply = live.post("/customers", {"email": "broken", "vat": 1})
    reply.invalid("email")
    assert ignored(reply) == ["vat"]


@pytest.mark.parametrize("prefer", ["respond-async", "wait=10", "return=minimal", "handling=lenient", "return=each", "x" * 5000, "\"", ";;,,"])
def test_other_preferences_are_ignored(live, prefer):
    reply = live.get("/customers?limit=1&page=2", headers={"Prefer": prefer})
    reply.page()
    assert ignored(reply) == ["page"] and reply.header("Preference-Applied") is None


def test_a_body_of_very_many_unknown_members_is_answered(live):
    body = dumps({"email": mail(), **{f"member{i}": 1 for i in range(60_000)}})
    assert len(ignored(live.post("/customers", body).ok(201))) == 13
    assert len(live.post("/customers", body, headers=STRICT).fields()) == 8


# ---------------------------------------------------------------- the filter that programs expect


@pytest.fixture(scope="module")
def twins(new_org):
    client = new_org().live
    client.mine = [client.create(email="twin@example.com", externalId=f"t{i}")["id"] for i in range(5)]
    for address in ("Twin@example.com", "twin@example.co", "a.twin@example.com"):
        client.create(email=address)
    return client


@pytest.mark.both_fronts
@pytest.mark.parametrize("version", VERSIONS[:-1])
@pytest.mark.parametrize("name", ["email", "billingEmail"])
def test_the_email_filter_is_exact_before_lists_could_be_sorted(twins, version, name):
    client = twins.at(version)
    rows, following = client.get(f"/customers?{name}=twin@example.com").page()
    assert [row["id"] for row in rows] == twins.mine[::-1] and following is None
    assert [row["id"] for row in client.walk(f"{name}=twin%40example.com", limit=2)] == twins.mine[::-1]
    for other in ("twin", "TWIN@example.com", "nobody@example.com", "", "%25"):
        assert client.get(f"/customers?{name}={other}").page() == ([], None)


def test_the_email_filter_goes_with_the_others(twins):
    assert [row["id"] for row in twins.walk("email=twin@example.com&externalId=t3")] == [twins.mine[3]]
    assert twins.walk("email=twin@example.com&externalId=t9") == []
    assert twins.walk("email=twin@example.co&externalId=t3") == []
    old = twins.at(LEGACY)
    assert len(old.walk("email=twin@example.com&search=T4&isActive=true")) == 1
    assert old.walk("email=twin@example.com&isActive=false") == []


def test_two_spellings_of_the_email_filter_must_agree(twins):
    assert len(twins.walk("email=twin@example.com&billingEmail=twin@example.com")) == 6
    twins.get("/customers?email=a@b.co&billingEmail=b@b.co").invalid("email")
    twins.get("/customers?email=a@b.co&email=a@b.co").invalid("email")


def test_the_email_filter_ends_at_the_environment(twins, other_live):
    assert other_live.walk("email=" + escape("twin@example.com")) == []


def test_an_email_is_found_through_an_index(database):
    """As the serving role, to whom row-level security leaves fewer conditions for an index; among 20,000 customers."""
    (query,) = re.findall(r"(?ms)^-- name: customer_list_email\n.*?(SELECT.*?);", (ROOT / "sql/query/customer.sql").read_text())
    connection = database.connect()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO customer (environment_id, id, email, timezone, metadata, is_active, created_at, updated_at)"
                       " SELECT md5((i % 4)::text)::uuid, gen_random_uuid(), 'user' || i / 8 || '@example.com', 'UTC', '{}', true, now(), now()"
                       " FROM generate_series(1, 20000) i; ANALYZE customer")
        cursor.execute("SET LOCAL ROLE clientele_serve; SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan;"
                       "SELECT set_config('app.environment', md5('1'), true)")
        cursor.execute("PREPARE q (uuid, uuid, bigint, text) AS " + query.replace(":customer_columns", "c.id"))
        cursor.execute("EXPLAIN EXECUTE q (md5('1')::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff', 26, 'user7@example.com', false)")
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("ROLLBACK")
    connection.close()
    assert "customer_email_key" in plan and "Sort" not in plan, plan
    (condition,) = [line for line in plan.splitlines() if "Index Cond" in line]
    assert "email_key = " in condition and "id < " in condition, plan
