"""Contract section 1 and 4: which version a request gets."""

import re
import time

import pytest

from helpers import CURRENT, CUSTOMER_KEYS, DATED, LEGACY, check_customer, execute, raw_get, uid


def resolved(client, path="/customers/nobody", headers=None):
    """The version that answered: its name stands in the address of the error's page."""
    error = client.get(path, headers=headers).error("customer_not_found", 404)
    return re.search(r"/api-reference/([^/]+)/errors/", error["doc_url"]).group(1)


@pytest.mark.parametrize("version", DATED)
def test_the_header_names_the_version(live, version):
    assert resolved(live.at(version)) == version


@pytest.mark.parametrize("date, version", [("2026-05-02", "2026-05-01"), ("2026-05-11", "2026-05-01"),
                                           ("2026-05-13", "2026-05-12"), ("2026-05-24", "2026-05-18"),
                                           ("2026-06-06", "2026-05-25"), ("2026-06-08", "2026-06-07"),
                                           ("2026-06-22", "2026-06-10"), ("2026-07-10", "2026-06-23"),
                                           ("2026-07-23", "2026-07-11"), ("2026-07-30", "2026-07-24"),
                                           ("2026-08-26", "2026-07-31"), ("2026-08-28", "2026-08-27"),
                                           ("2030-12-31", CURRENT), ("9999-12-31", CURRENT), ("2028-02-29", CURRENT)])
def test_a_date_between_versions_is_the_newest_one_not_after_it(live, date, version):
    client = live.at(CURRENT)
    reply = client.call("GET", "/customers/nobody", headers={"Commet-Version": date}, checked=False)
    assert f"/api-reference/{version}/" in reply.json["error"]["doc_url"]


@pytest.mark.parametrize("date", ["2026-04-30", "2025-01-01", "2024-02-29", "1999-12-31", "0001-01-01"])
def test_a_date_before_the_first_version_is_the_first(live, date):
    reply = live.call("GET", "/customers/nobody", headers={"Commet-Version": date}, checked=False)
    assert reply.status == 404
    assert "/api-reference/2026-05-01/" in reply.json["error"]["doc_url"]


NOT_DATES = [
    "latest", "legacy", "1", "2026", "2026-07", "2026-7-31", "2026-07-1", "26-07-31", "20260731", "2026/07/31",
    "31-07-2026", "2026-02-30", "2026-13-01", "2026-00-10", "2026-06-00", "2026-06-31", "2025-02-29", "2100-02-29",
    "2026-07-31T00:00:00Z", "2026-07-31x", "x2026-07-31", "2026-07-31 2026-07-24", "2026-07-31,2026-07-24",
    "-2026-07-31", "+2026-07-31", "2026-07--1", "\"2026-07-31\"", "v2026-07-31", "null", "0", "%", "2026-07-3\u00b9",
    "9" * 300,
]


@pytest.mark.parametrize("header", NOT_DATES)
@pytest.mark.parametrize("base", ["/api/v1", "/v1", "/api", ""])
@pytest.mark.both_fronts
def test_a_version_that_is_not_a_date_is_refused(live, base, header):
    line = b"Commet-Version: " + header.encode("utf-8")
    error = raw_get(live, f"{base}/customers".encode(), line).error("validation_error", 400)
    assert error["param"] == "Commet-Version"
    assert [d["field"] for d in error["details"]] == ["Commet-Version"]


def test_without_a_header_a_versioned_path_is_the_current_version(live):
    assert resolved(live) == CURRENT
    assert resolved(live.on("/v1")) == CURRENT


def test_the_header_name_is_case_insensitive(live):
    assert resolved(live, headers={"COMMET-VERSION": "2026-06-07"}) == "2026-06-07"
    assert resolved(live, headers={"commet-version": "2026-06-07"}) == "2026-06-07"


def pinned(org, version):
    org.pin(version)
    return org.live


def test_a_pin_is_what_a_request_without_a_header_gets(new_org):
    for version in ("2026-05-01", "2026-06-23", "2026-07-24"):
        client = pinned(new_org(), version)
        client.pin = version
        assert resolved(client) == version
        assert resolved(client.on("/v1")) == version
        assert set(client.create()) == CUSTOMER_KEYS[version]


def test_the_header_wins_over_the_pin(new_org):
    client = pinned(new_org(), "2026-05-01")
    assert resolved(client.at("2026-07-31")) == "2026-07-31"
    assert resolved(client.at("2026-06-07")) == "2026-06-07"


def test_a_pin_does_not_change_unversioned_paths(new_org):
    client = pinned(new_org(), "2026-07-31")
    for base in ("/api", ""):
        check_customer(client.on(base).create(), LEGACY)


def test_a_pin_holds_for_live_and_sandbox_and_for_no_other_organization(new_org):
    org, other = new_org(), new_org()
    org.pin("2026-05-12")
    org.sandbox.pin = "2026-05-12"
    assert resolved(org.sandbox) == "2026-05-12"
    assert resolved(other.live) == CURRENT


def test_a_pin_is_changed_within_a_second(new_org):
    org = new_org()
    for version in ("2026-05-12", "2026-07-24"):
        client = pinned(org, version)
        client.pin = version
        time.sleep(1.2)  # workers remember an organization for at most a second
        for _ in range(10):
            assert resolved(client) == version


def test_taking_the_pin_away_gives_the_current_version_again(new_org):
    org = new_org()
    org.pin("2026-05-12")
    org.pin("none")
    assert resolved(org.live) == CURRENT


def test_a_stored_pin_that_names_an_unknown_version_is_the_current_version(new_org, db):
    for nonsense in ("2027-01-01", "2026-06-08", "2020-01-01", "nonsense", ""):
        org = new_org()
        assert execute(db, "UPDATE organization SET api_version = %s WHERE name = %s", nonsense, org.name) == 1
        assert resolved(org.live) == CURRENT


@pytest.mark.parametrize("version", DATED)
@pytest.mark.parametrize("base", ["/api", ""])
def test_a_header_on_an_unversioned_path_makes_it_behave_as_that_version(live, base, version):
    client = live.at(version).on(base)
    check_customer(client.create(), version)
    rows, _ = client.get("/customers?limit=1").page()
    check_customer(rows[0], version)
    assert resolved(client) == version


@pytest.mark.both_fronts
@pytest.mark.parametrize("method, path, status", [("GET", "/customers", 200), ("GET", "/customers/nobody", 404),
                                                  ("POST", "/customers", 400), ("DELETE", "/customers", 405),
                                                  ("GET", "/customers?limit=0", 400), ("PUT", "/customers/nobody", 404),
                                                  ("POST", "/customers/batch", 400), ("GET", "/nothing", 404),
                                                  ("HEAD", "/customers", 200)])
@pytest.mark.parametrize("base", ["/api", "", "/api/v1", "/v1"])
def test_only_unversioned_paths_say_that_they_are_deprecated(live, base, method, path, status):
    body = {} if method in ("POST", "PUT") else None
    reply = live.on(base).call(method, path, body)
    assert reply.status == status
    # The client checked already that the headers are complete or absent; here: which of the two.
    assert (reply.header("Deprecation") is not None) == (base in ("/api", "") and path != "/nothing")


def test_a_deprecated_answer_without_a_key_says_so_too(live):
    reply = live.with_key(None).on("/api").get("/customers")
    reply.error("unauthorized", 401)
    assert reply.header("Deprecation") == "true"


@pytest.mark.parametrize("base", ["/api", ""])
def test_the_successor_of_the_collection_is_named(live, base):
    assert live.on(base).get("/customers").header("Link").startswith("</api/v1/customers")


@pytest.mark.parametrize("bases", [("/api/v1", "/v1"), ("/api", "")])
@pytest.mark.both_fronts
def test_two_bases_are_the_same_api(live, bases):
    one, two = (live.on(base) for base in bases)
    customer = one.create(externalId=uid())
    for some_id in (customer["id"], customer["externalId"]):
        assert one.get("/customers/" + some_id).body == two.get("/customers/" + some_id).body
    assert two.put("/customers/" + customer["id"], {"fullName": "Both"}).customer(200)["fullName"] == "Both"
    rows, _ = two.get("/customers?externalId=" + customer["externalId"]).page()
    assert [row["id"] for row in rows] == [customer["id"]]
