"""Contract section 3: what a customer looks like in each version, and what each version reads."""

import pytest

from helpers import (CURRENT, CUSTOMER_KEYS, LEGACY, VERSIONS, at_least, check_customer, email_key, has_address_id, has_is_active,
                     has_search, mail, scalar, uid)

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
            assert result["object"] == ("customer_batch" if at_least(version, "2026-07-31") else "customer")
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
