"""Contract section 1 and 4: which version a request gets, and what each version looks like."""

import re
import time

import pytest

from helpers import (CURRENT, CUSTOMER_KEYS, DATED, LEGACY, VERSIONS, at_least, check_customer, email_key, execute,
                     has_address_id, has_is_active, has_search, mail, raw_get, scalar, uid)


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
                                           ("2026-08-01", "2026-07-31"), ("2030-12-31", "2026-07-31"),
                                           ("9999-12-31", "2026-07-31"), ("2028-02-29", "2026-07-31")])
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
    # The client checked already that the three headers are complete or absent; here: which of the two.
    assert (reply.header("Deprecation") is not None) == (base in ("/api", ""))


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


# ---------------------------------------------------------------- shapes

FULL = {
    "fullName": "Ada", "taxDocument": "T-1", "timezone": "Europe/Madrid", "metadata": {"a": 1},
    "address": {"line1": "1 Road", "city": "Bern", "postalCode": "3000", "country": "CH"}
}


@pytest.mark.parametrize("version", VERSIONS)
class TestEveryVersion:
    def test_create_answers_the_shape(self, live, version):
        client = live.at(version)
        check_customer(client.create(), version)
        check_customer(client.create(**FULL, externalId=uid()), version)

    def test_create_of_an_existing_one_answers_the_shape(self, live, version):
        client, own = live.at(version), uid()
        first = client.create(externalId=own)
        reply = client.post("/customers", {"email": mail(), "id": own})
        assert reply.customer(200) == first

    def test_get_answers_the_shape(self, live, version):
        client = live.at(version)
        customer = client.create(externalId=uid())
        for some_id in (customer["id"], customer["externalId"]):
            reply = client.get("/customers/" + some_id)
            got = reply.customer(200)
            assert {name: got[name] for name in customer} == customer

    def test_list_answers_the_shape(self, live, version):
        client = live.at(version)
        customer = client.create(**FULL, externalId=uid())
        rows, following = client.get("/customers?externalId=" + customer["externalId"]).page()
        assert rows == [customer]
        assert following is None

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_update_answers_the_shape(self, live, version, method):
        client = live.at(version)
        customer = client.create(**FULL)
        got = client.call(method, "/customers/" + customer["id"], {"fullName": "Grace"}).customer(200)
        check_customer(got, version)
        assert got == {**customer, "fullName": "Grace", "updatedAt": got["updatedAt"]}

    def test_the_address_of_the_mail_is_named_as_the_version_does(self, live, version):
        address = mail()
        customer = live.at(version).create({"email": address})
        assert customer[email_key(version)] == address

    @pytest.mark.parametrize("spelling", ["email", "billingEmail"])
    @pytest.mark.parametrize("own", ["id", "externalId"])
    def test_both_spellings_are_understood(self, live, version, spelling, own):
        address, mine = mail(), uid()
        customer = live.at(version).create({spelling: address, own: mine})
        assert customer[email_key(version)] == address
        assert customer["externalId"] == mine

    def test_live_keys_say_livemode_and_sandbox_keys_do_not(self, live, sandbox, version):
        for client, livemode in ((live, True), (sandbox, False)):
            customer = client.at(version).create()
            if "livemode" in customer:
                assert customer["livemode"] is livemode
                batch = client.at(version).batch([{"email": mail()}])
                assert batch["livemode"] is livemode

    def test_the_organization_is_the_same_in_live_and_sandbox(self, live, sandbox, other_live, version):
        if at_least(version, "2026-06-07"):
            return  # the shape was checked: it has none
        ids = [client.at(version).create()["organizationId"] for client in (live, live, sandbox, other_live)]
        assert ids[0] == ids[1] == ids[2] != ids[3]

    def test_is_active_is_read_and_shown_where_the_version_has_it(self, live, version):
        customer = live.at(version).create(isActive=False)
        seen = live.at(LEGACY).fetch(customer["id"])
        assert seen["isActive"] is not has_is_active(version)
        if has_is_active(version):
            assert customer["isActive"] is False

    def test_an_address_id_is_read_where_the_version_has_it(self, live, db, version):
        value = "123e4567-e89b-12d3-a456-426614174000"
        customer = live.at(version).create(addressId=value, externalId=uid())
        kept = scalar(db, "SELECT address_id FROM customer WHERE external_id = %s", customer["externalId"])
        broken = live.at(version).post("/customers", {"email": mail(), "addressId": "x"})
        if has_address_id(version):
            assert kept == value
            broken.invalid("addressId")
        else:
            assert kept is None
            broken.customer(201)

    def test_lists_can_be_searched_where_the_version_has_it(self, live, version):
        found = live.at(version).create(fullName=uid("Needle"))
        other = live.at(version).create()
        ids = [row["id"] for row in live.at(version).get("/customers?limit=2&search=" + found["fullName"]).page()[0]]
        # Where it is none, it is a parameter like any unknown one, however often it is given.
        twice = live.at(version).get("/customers?limit=2&search=a&search=a&search=" + "x" * 300)
        if has_search(version):
            assert ids == [found["id"]]
            twice.invalid("search")
        else:
            assert ids == [other["id"], found["id"]]
            assert [row["id"] for row in twice.page()[0]] == ids

    def test_lists_can_be_filtered_by_the_external_id(self, live, version):
        own = uid()
        customer = live.at(version).create(externalId=own)
        assert [row["id"] for row in live.at(version).get("/customers?externalId=" + own).page()[0]] == [customer["id"]]

    def test_a_batch_answers_the_shape(self, live, version):
        own = uid()
        result = live.at(version).batch([{"email": mail(), "externalId": own, "fullName": "One"}, {"email": mail()},
                                         {"email": "broken"}])
        extra = {"object", "livemode"} if at_least(version, "2026-05-25") else set()
        assert {"successful", "failed"} | extra <= set(result) <= {"successful", "failed", "object", "livemode"}
        if "object" in result:
            assert result["object"] == ("customer_batch" if version == "2026-07-31" else "customer")
        assert len(result["successful"]) == 2 and len(result["failed"]) == 1
        for item in result["successful"]:
            ours = {"index": item["index"], "status": item["status"]}
            theirs = {name: value for name, value in item.items() if name not in ours}
            if at_least(version, "2026-06-07"):
                assert set(theirs) == {"id", "externalId", "email"}
            else:
                check_customer(theirs, version)
        by_index = {item["index"]: item for item in result["successful"]}
        assert by_index[0]["externalId"] == own and by_index[1]["externalId"] is None

    def test_one_resource_one_list_and_one_error_have_the_envelopes(self, live, version):
        client = live.at(version)
        one = client.post("/customers", {"email": mail()}).json
        many = client.get("/customers?limit=1").json
        if at_least(version, "2026-07-24"):
            assert one["object"] == "customer" and "success" not in one and "data" not in one
            assert many["object"] == "list" and "success" not in many
        else:
            assert set(one) == {"success", "data"} and one["success"] is True
            assert many["success"] is True and "object" not in many
        client.get("/customers/nobody").error("customer_not_found", 404)


def test_one_customer_is_the_same_in_all_versions(live):
    made = live.create({
        "email": mail(), "fullName": "Eleven", "externalId": uid(), "taxDocument": "X1", "timezone": "Asia/Tokyo",
        "metadata": {"k": [1, 2]}
    })
    for version in VERSIONS:
        got = live.at(version).fetch(made["id"])
        assert got[email_key(version)] == made["email"]
        for name in CUSTOMER_KEYS[version] & CUSTOMER_KEYS[CURRENT]:
            assert got[name] == made[name], (version, name)
