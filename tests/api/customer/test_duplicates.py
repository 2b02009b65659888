"""GET /customers/duplicates: customers who may be the same, in groups."""

import pytest

from helpers import CURRENT, VERSIONS, at_least, check_customer, execute, mail, scalar, uid

OLD = [version for version in VERSIONS if not at_least(version, "2026-08-27")]
GROUP = {"object", "by", "value", "customers", "hasMore"}


@pytest.fixture
def shop(new_org):
    return new_org().live


def page(client, query=""):
    """(groups, next cursor)"""
    groups, cursor = client.get("/customers/duplicates?by=email" + query).rows()
    for group in groups:
        assert set(group) == GROUP and group["object"] == "duplicate_group" and group["by"] == "email"
        assert 1 < len(group["customers"]) <= 100
        for row in group["customers"]:
            check_customer(row, CURRENT)
            assert row["email"].lower() == group["value"]
    return groups, cursor


def walk(client, limit=None):
    """All groups, page by page, as {value: [ids]}."""
    found, cursor, pages = {}, "", 0
    while cursor is not None:
        groups, cursor = page(client, (f"&limit={limit}" if limit else "") + (f"&cursor={cursor}" if cursor else ""))
        for group in groups:
            assert group["value"] not in found and not group["hasMore"]
            found[group["value"]] = [row["id"] for row in group["customers"]]
        pages += 1
    assert list(found) == sorted(found)
    return found, pages


@pytest.mark.both_fronts
def test_customers_with_one_address_in_any_case_are_a_group(shop, new_org):
    assert page(shop) == ([], None)
    ada = [shop.create(email=email) for email in ("Ada@Example.com", "ada@example.com", "ADA@EXAMPLE.COM")]
    zoe = [shop.create(email="zo\u00cb@example.com"), shop.create(email="zo\u00eb@example.com")]
    for other in ("alone@example.com", "a.da@example.com", "ada+1@example.com"):  # no rules of one provider
        shop.create(email=other)
    new_org().live.create(email="alone@example.com")
    groups, cursor = page(shop)
    assert cursor is None and [group["value"] for group in groups] == ["ada@example.com", "zo\u00eb@example.com"]
    assert [group["customers"] for group in groups] == [ada, zoe] and not any(group["hasMore"] for group in groups)
    assert walk(shop, 1) == ({"ada@example.com": [row["id"] for row in ada], "zo\u00eb@example.com": [row["id"] for row in zoe]}, 2)


def test_who_is_archived_merged_or_erased_is_no_duplicate(shop):
    def three():
        address = mail()
        return [shop.create(email=address, externalId=uid())["id"] for _ in range(3)]

    archived, merged, erased = three(), three(), three()
    assert len(walk(shop)[0]) == 3
    shop.post(f"/customers/{archived[0]}/archive").ok()
    shop.post(f"/customers/{merged[1]}/merge", {"from": merged[0]}).ok()
    shop.call("DELETE", "/customers/" + erased[2]).ok()
    assert sorted(walk(shop)[0].values()) == sorted([archived[1:], merged[1:], erased[:2]])
    shop.post(f"/customers/{archived[1]}/archive").ok()
    shop.patch("/customers/" + merged[1], {"email": mail()}).ok()
    shop.call("DELETE", "/customers/" + erased[0]).ok()
    assert walk(shop) == ({}, 1)
    shop.post(f"/customers/{archived[0]}/restore").ok()
    assert list(walk(shop)[0].values()) == [[archived[0], archived[2]]]


def test_customers_with_one_tax_document_are_a_group_however_it_is_written(shop, new_org):
    def groups(query=""):
        return shop.get("/customers/duplicates?by=taxDocument" + query).rows()

    for none in ({}, {}, {"taxDocument": "-"}, {"taxDocument": " ./,-"}, {"taxDocument": ""}, {"taxDocument": ""}):
        shop.create(**none)
    assert groups() == ([], None)
    german = [shop.create(taxDocument=text) for text in ("DE 123 456 789", "de123456789", "DE-123.456/789,")]
    brazilian = [shop.create(taxDocument=text) for text in ("11.222.333/0001-81", "11222333000181")]
    shop.create(taxDocument="DE123456788")
    new_org().live.create(taxDocument="DE123456788")
    assert groups() == ([{"object": "duplicate_group", "by": "taxDocument", "value": value, "customers": rows, "hasMore": False}
                         for value, rows in (("11222333000181", brazilian), ("de123456789", german))], None)
    (first,), cursor = groups("&limit=1")
    assert first["value"] == "11222333000181" and [group["value"] for group in groups("&limit=1&cursor=" + cursor)[0]] == ["de123456789"]
    assert shop.get("/customers/duplicates?by=email&cursor=" + cursor).fields() == ["cursor"]
    # Found by what they are now, and not when they are archived, merged or erased.
    shop.patch("/customers/" + german[0]["id"], {"taxDocument": "11 222 333 0001 81"}).ok()
    shop.post(f"/customers/{brazilian[0]['id']}/archive").ok()
    assert [(group["value"], [row["id"] for row in group["customers"]]) for group in groups()[0]] == [
        ("11222333000181", [german[0]["id"], brazilian[1]["id"]]), ("de123456789", [row["id"] for row in german[1:]])]
    shop.post(f"/customers/{german[0]['id']}/merge", {"from": brazilian[1]["id"]}).ok()
    shop.call("DELETE", "/customers/" + german[1]["id"]).ok()
    assert groups() == ([], None)


def fill(db, client, email, count, **more):
    """Customers with an address that count makes of their number."""
    environment = scalar(db, "SELECT environment_id FROM customer WHERE email = %s", client.create(email="z" + mail())["email"])
    execute(db, "INSERT INTO customer (environment_id, id, email, timezone, metadata, is_active, created_at, updated_at, archived_at) "
            f"SELECT %s, {more.get('id', 'gen_random_uuid()')}, {email}, 'UTC', '{{}}', true, now(), now(), {more.get('archived', 'NULL::timestamptz')} "
            "FROM generate_series(0, %s - 1) n", environment, count)


def test_pages_have_limits(shop, database):
    """Of groups, of customers of a group, and of customers of all groups together; nothing is left out between them."""
    db = database.connect()
    fill(db, shop, "'p' || lpad((n / 2)::text, 3, '0') || '@b.co'", 60)
    assert [len(page(shop, query)[0]) for query in ("", "&limit=100", "&limit=7")] == [25, 30, 7]
    assert [walk(shop, limit)[1] for limit in (None, 100, 30, 29, 7)] == [2, 1, 1, 2, 5] and len(walk(shop, 7)[0]) == 30
    fill(db, shop, "'a@b.co'", 101)
    fill(db, shop, "'b@b.co'", 100)
    fill(db, shop, "'c@b.co'", 200)
    fill(db, shop, "'d@b.co'", 100)
    fill(db, shop, "'e@b.co'", 2)
    groups, cursor = page(shop)
    assert [(group["value"], len(group["customers"]), group["hasMore"]) for group in groups] == [
        ("a@b.co", 100, True), ("b@b.co", 100, False), ("c@b.co", 100, True), ("d@b.co", 100, False)]
    assert page(shop, "&cursor=" + cursor)[0][0]["value"] == "e@b.co"
    db.close()


def test_a_page_that_looked_long_enough_goes_on_in_the_next_one(shop, database):
    """50,000 rows of the index: a group at that end is left to the next page, or told to have perhaps more when it is as large."""
    db = database.connect()
    fill(db, shop, "'b' || lpad((n)::text, 6, '0') || '@b.co'", 49_999)
    fill(db, shop, "'m@b.co'", 2)
    assert page(shop, "&limit=1")[0] == []
    found, pages = walk(shop)
    assert (list(found), pages) == (["m@b.co"], 2) and len(found["m@b.co"]) == 2
    fill(db, shop, "'a@b.co'", 49_999, archived="now()", id="('ffffffff-ffff-4fff-bfff-' || lpad(n::text, 12, '0'))::uuid")
    fill(db, shop, "'a@b.co'", 2)
    groups, cursor = page(shop)
    assert [(group["value"], len(group["customers"]), group["hasMore"]) for group in groups] == [("a@b.co", 2, True)]
    groups, cursor = page(shop, "&cursor=" + cursor)
    assert (groups, bool(cursor)) == ([], True)
    assert [group["value"] for group in page(shop, "&cursor=" + cursor)[0]] == ["m@b.co"]
    db.close()


def test_broken_parameters_are_named(shop):
    def broken(query):
        return shop.get("/customers/duplicates" + query).fields()

    for query in ("", "?by=", "?by=phone", "?by=EMAIL", "?by=taxdocument", "?by=email&by=phone"):
        assert broken(query) == ["by"], query
    assert broken("?by=email&limit=101") == ["limit"] and broken("?by=email&limit=0") == ["limit"]
    for cursor in ("x", "cur_", "cur_0", "cur_00", "cur_0061ff", "cur_006100", "cur_ff61", "cur_0161", "cur_0261", "cur_00" + "61" * 1024, "cur_zz61"):
        assert broken("?by=email&cursor=" + cursor) == ["cursor"], cursor
    assert page(shop, "&cursor=cur_00" + "61" * 1023) == ([], None)


def test_earlier_versions_read_a_customer_of_that_name(shop):
    named = shop.create(externalId="duplicates")["id"]
    for version in OLD:
        assert shop.at(version).fetch("duplicates")["id"] == named
