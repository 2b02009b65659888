"""A customer is archived and restored."""

import itertools
import secrets

import pytest

from helpers import VERSIONS, at_least, mail, same_again, uid

_run, _counter = secrets.token_hex(3), itertools.count(1)
OLD = [version for version in VERSIONS if not at_least(version, "2026-08-27")]


@pytest.fixture(scope="module")
def shop(new_org):
    return new_org().live


def plan_of(client):
    return client.post("/plans", {"name": "Free", "code": f"l_{_run}_{next(_counter)}", "isFree": True}).ok(201).data["id"]


def full(client, **more):
    return client.create(externalId=uid(), fullName="Ada L", taxDocument="RFC1", metadata={"b": 1, "a": [2.50]},
                         address={"line1": "1 Road", "city": "Bern", "postalCode": "3000", "country": "CH"}, **more)


def listed(client, query=""):
    return [row["id"] for row in client.get("/customers?limit=100" + query).page()[0]]


def test_a_restored_customer_has_the_same_bytes(shop):
    made = full(shop)
    path = "/customers/" + made["externalId"]
    before = shop.get(path).ok().body
    archived = shop.post(path + "/archive").customer(200)
    assert archived == made | {"archivedAt": archived["archivedAt"]} and archived["archivedAt"] > made["createdAt"]
    assert shop.get(path).customer(get=True)["archivedAt"] == archived["archivedAt"]
    assert shop.post(f"/customers/{made['id']}/restore").customer(200) == made
    assert shop.get(path).ok().body == before


def test_lists_leave_out_who_is_archived(shop):
    shared = mail()
    ids = [shop.create(email=shared, externalId=uid())["id"] for _ in range(3)]
    shop.post(f"/customers/{ids[1]}/archive").ok()
    external = shop.fetch(ids[1])["externalId"]
    both = {"false": [ids[2], ids[0]], "true": [ids[1]], "all": ids[::-1]}
    for value, expected in both.items():
        assert [row for row in listed(shop, "&archived=" + value) if row in ids] == expected
        assert listed(shop, f"&archived={value}&email={shared}") == expected
        assert listed(shop, f"&archived={value}&externalId={external}") == [row for row in expected if row == ids[1]]
    assert listed(shop, "&email=" + shared) == both["false"] and ids[1] not in listed(shop)
    assert listed(shop, "&externalId=" + external) == []
    # A page goes on behind one that is left out.
    rows, cursor = shop.get(f"/customers?limit=1&email={shared}").page()
    assert [row["id"] for row in rows + shop.get(f"/customers?limit=1&email={shared}&cursor={cursor}").page()[0]] == both["false"]
    for value in ("", "1", "TRUE", "both"):
        shop.get("/customers?archived=" + value).invalid("archived")


@pytest.mark.parametrize("version", OLD)
def test_earlier_versions_leave_them_out_too_and_show_no_new_member(shop, version):
    made = shop.create()
    shop.post(f"/customers/{made['id']}/archive").ok()
    client = shop.at(version)
    assert "archivedAt" not in client.fetch(made["id"])
    assert made["id"] not in [row["id"] for row in client.get("/customers?limit=100&archived=all").page()[0]]
    # There is no such call.
    client.post(f"/customers/{made['id']}/restore").error("endpoint_not_available", 404)
    assert shop.fetch(made["id"])["archivedAt"]


def test_once_more_changes_nothing(shop):
    path = f"/customers/{shop.create()['id']}"
    first = shop.post(path + "/archive").ok().body
    assert shop.post(path + "/archive").ok().body == first
    first = shop.post(path + "/restore").ok().body
    assert shop.post(path + "/restore").ok().body == first
    key = uid()
    answer = shop.post(path + "/archive", idem=key).ok()
    shop.post(path + "/restore").ok()
    same_again(shop.post(path + "/archive", idem=key), answer)
    assert "archivedAt" not in shop.fetch(path.rpartition("/")[2])


def test_who_is_archived_can_be_read_changed_and_met_and_gets_no_subscription(shop):
    made = full(shop)
    shop.post(f"/customers/{made['id']}/archive").ok()
    changed = shop.patch("/customers/" + made["id"], {"fullName": "Countess"}).customer(200)
    assert changed["fullName"] == "Countess" and changed["archivedAt"]
    met = shop.post("/customers", {"email": mail(), "externalId": made["externalId"]})
    assert met.customer(200) == changed and met.header("Clientele-Result") == "existing"
    plan = plan_of(shop)
    error = shop.post("/subscriptions", {"customerId": made["id"], "planId": plan}).error("customer_archived", 409)
    assert error["param"] == "customerId"
    shop.post(f"/customers/{made['id']}/restore").ok()
    shop.post("/subscriptions", {"customerId": made["id"], "planId": plan}).ok(201)


def test_who_has_a_subscription_is_not_archived(shop):
    made = shop.create()
    path = f"/customers/{made['id']}/archive"
    subscription = shop.post("/subscriptions", {"customerId": made["id"], "planId": plan_of(shop)}).ok(201).json
    assert shop.post(path).error("conflict", 409)["param"] == "id"
    assert "archivedAt" not in shop.fetch(made["id"])
    shop.post(f"/subscriptions/{subscription['id']}/cancel", {"immediate": True}).ok()
    shop.post(path).customer(200)


@pytest.mark.parametrize("verb", ["archive", "restore"])
def test_of_another_environment_there_is_nobody(shop, other_live, verb):
    made = shop.create(externalId=uid())
    for some_id in (made["id"], made["externalId"], "nobody"):
        other_live.post(f"/customers/{some_id}/{verb}").error("customer_not_found", 404)
    assert shop.fetch(made["id"]) == shop.fetch(made["externalId"])
