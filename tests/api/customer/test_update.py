"""Contract section 3: updates change what is given and nothing else."""

import time

import pytest

from helpers import (CURRENT, LEGACY, VERSIONS, email_key, escape, execute, has_is_active, in_parallel, mail,
                     nothing_written, row_counts, scalar, uid)

ADDRESS = {
    "line1": "1 Road", "line2": "Back", "city": "Bern", "state": "BE", "postalCode": "3000", "country": "CH",
    "region": "Mitte"
}
OTHER = {"line1": "2 Street", "city": "Lima", "postalCode": "15001", "country": "PE"}


def full(client):
    """A customer with every field set, as GET of the current version shows it."""
    made = client.create({
        "email": mail(), "externalId": uid(), "fullName": "Before", "taxDocument": "T-1", "timezone": "Europe/Madrid",
        "metadata": {"a": 1, "b": [2]}, "address": ADDRESS
    })
    return client.fetch(made["id"])


def later(db, customer):
    """Ages the customer, so that a touched updatedAt shows."""
    assert execute(
        db,
        "UPDATE customer SET created_at = created_at - interval '1 hour', updated_at = updated_at - interval '1 hour'"
        " WHERE external_id = %s", customer["externalId"]) == 1


CHANGES = [({"email": "after@example.com"}, {"email": "after@example.com"}),
           ({"billingEmail": "bill@example.com"}, {"email": "bill@example.com"}),
           ({"fullName": "After"}, {"fullName": "After"}), ({"fullName": ""}, {"fullName": None}),
           ({"taxDocument": "T-2"}, {"taxDocument": "T-2"}), ({"timezone": "Asia/Tokyo"}, {"timezone": "Asia/Tokyo"}),
           ({"metadata": {"c": 3}}, {"metadata": {"c": 3}}),
           ({"address": OTHER}, {"address": OTHER, "documentType": "RUC"}),
           ({"fullName": "x", "timezone": "UTC"}, {"fullName": "x", "timezone": "UTC"}),
           ({"fullName": "x", "email": None, "metadata": None, "address": None, "externalId": None}, {"fullName": "x"}),
           ({"fullName": "x", "unknown": 1, "createdAt": "y", "livemode": 0, "object": []}, {"fullName": "x"}), ]


# What takes a member away, where null means 'not given'.
CHANGES += [({"taxDocument": ""}, {"taxDocument": None, "documentType": None}), ({"address": {}}, {"address": None, "documentType": "TAX_ID"}),
            ({"address": []}, {"address": None, "documentType": "TAX_ID"}), ({"externalId": ""}, {"externalId": None}),
            ({"id": ""}, {"externalId": None}), ({"id": "", "externalId": ""}, {"externalId": None}),
            ({"metadata": []}, {"metadata": {}}), ({"metadata": {}}, {"metadata": {}})]


def given(address):
    return address and {name: value for name, value in address.items() if value is not None}


@pytest.mark.parametrize("body, effect", CHANGES, ids=[",".join(c[0]) for c in CHANGES])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_only_the_given_fields_change(live, db, method, body, effect):
    before = full(live)
    later(db, before)
    reply = live.call(method, "/customers/" + before["id"], body)
    answered, after = reply.customer(200), live.fetch(before["id"])
    assert after["updatedAt"] >= before["updatedAt"]
    expected = {**before, **effect, "updatedAt": after["updatedAt"], "createdAt": after["createdAt"]}
    assert {**after, "address": given(after["address"])} == {**expected, "address": given(expected["address"])}
    assert answered == {name: after[name] for name in answered}
    assert after["createdAt"] < after["updatedAt"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["externalId", "id"])
def test_the_external_id_can_be_changed(live, method, version, name):
    before, new = full(live), uid("new")
    after = live.at(version).call(method, "/customers/" + before["externalId"], {name: new}).customer(200)
    assert (after["id"], after["externalId"]) == (before["id"], new)
    assert live.fetch(new)["id"] == before["id"]
    live.missing(before["externalId"])
    assert live.create(externalId=before["externalId"])["id"] != before["id"]


def test_an_external_id_can_be_given_later(live):
    customer, own = live.create(), uid()
    assert live.put("/customers/" + customer["id"], {"externalId": own}).customer(200)["externalId"] == own
    assert live.fetch(own)["id"] == customer["id"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_both_ids_lead_to_the_update(live, version, method):
    before = full(live)
    for some_id in (before["id"], before["externalId"]):
        after = live.at(version).call(method, "/customers/" + some_id, {"fullName": some_id}).customer(200)
        assert (after["id"], after["fullName"]) == (before["id"], some_id)


EMPTY = [
    (b"{}", "{}"), (b"[]", "[]"), (None, "nothing"), (b"", "no bytes"), (b" { } ", "spaces"),
    (b'{"unknown":1,"website":"x"}', "unknown keys"),
    (b'{"fullName":null,"email":null,"externalId":null,"id":null,"timezone":null,"metadata":null,"address":null,"taxDocument":null}',
     "nulls"), (b'{"domain":"a","language":null,"customerId":"cus_1"}', "old keys")
]


@pytest.mark.parametrize("body", [e[0] for e in EMPTY], ids=[e[1] for e in EMPTY])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("version", [LEGACY, "2026-06-07", CURRENT])
def test_an_empty_update_answers_the_unchanged_customer(live, db, version, method, body):
    before = full(live)
    later(db, before)
    with nothing_written(db):
        stored = scalar(db, "SELECT c::text || c.xmin FROM customer c WHERE external_id = %s", before["externalId"])
        reply = live.at(version).call(method, "/customers/" + before["id"], body)
        after = reply.customer(200)
        assert after["updatedAt"] < before["updatedAt"]  # an hour ago, as we put it
        assert scalar(db, "SELECT c::text || c.xmin FROM customer c WHERE external_id = %s",
                      before["externalId"]) == stored
    assert {**live.fetch(before["id"]), "createdAt": 0, "updatedAt": 0} == {**before, "createdAt": 0, "updatedAt": 0}


def test_an_empty_update_of_nobody_is_still_not_found(live):
    for body in (b"{}", b"[]", b""):
        live.put("/customers/nobody", body).error("customer_not_found", 404)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_on_legacy_paths_empty_metadata_is_not_given(live, method):
    before = full(live)
    legacy = live.at(LEGACY)
    old = legacy.call(method, "/customers/" + before["id"],
                      {"metadata": {}, "address": None, "fullName": "Old client"}).customer(200)
    assert old["metadata"] == before["metadata"]
    kept = live.fetch(before["id"])
    assert (kept["metadata"], kept["address"], kept["fullName"]) == (before["metadata"], before["address"],
                                                                     "Old client")
    assert legacy.on("").call(method, "/customers/" + before["id"],
                              b'{"metadata":{ \n}}').customer(200)["metadata"] == before["metadata"]
    assert legacy.call(method, "/customers/" + before["id"],
                       {"metadata": {"x": 1}}).customer(200)["metadata"] == {"x": 1}


def test_on_legacy_paths_empty_metadata_alone_does_not_touch_the_customer(live, db):
    before = full(live)
    stored = scalar(db, "SELECT c::text || c.xmin FROM customer c WHERE external_id = %s", before["externalId"])
    live.at(LEGACY).put("/customers/" + before["id"], {"metadata": {}}).customer(200)
    assert scalar(db, "SELECT c::text || c.xmin FROM customer c WHERE external_id = %s", before["externalId"]) == stored


@pytest.mark.parametrize("version", [v for v in VERSIONS if v != LEGACY])
def test_on_versioned_paths_empty_metadata_empties_it(live, version):
    before = full(live)
    assert live.at(version).put("/customers/" + before["id"], {"metadata": {}}).customer(200)["metadata"] == {}


def test_metadata_is_replaced_whole(live):
    before = live.create(metadata={"a": {"b": 1}, "c": 2})
    assert live.patch("/customers/" + before["id"], {"metadata": {"a": {}}}).customer(200)["metadata"] == {"a": {}}


@pytest.mark.parametrize("version", VERSIONS)
def test_is_active_is_updated_where_the_version_has_it(live, version):
    customer = live.create()
    live.at(version).put("/customers/" + customer["id"], {"isActive": False}).customer(200)
    assert live.at(LEGACY).fetch(customer["id"])["isActive"] is not has_is_active(version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("name", ["externalId", "id"])
def test_an_external_id_of_another_is_a_duplicate(live, db, version, method, name):
    taken, customer = full(live), full(live)
    with nothing_written(db):
        error = live.at(version).call(method, "/customers/" + customer["id"],
                                      {name: taken["externalId"], "fullName": "Lost"}).error("duplicate", 409)
        assert error["param"] == "externalId"
    assert live.fetch(customer["id"]) == customer
    assert live.fetch(taken["id"]) == taken


def test_the_own_external_id_is_no_duplicate(live):
    customer = full(live)
    after = live.put("/customers/" + customer["id"],
                     {"externalId": customer["externalId"], "fullName": "Same"}).customer(200)
    assert (after["externalId"], after["fullName"]) == (customer["externalId"], "Same")


def test_a_freed_external_id_can_be_taken(live):
    one, two, own = live.create(externalId=uid()), live.create(), uid()
    live.put("/customers/" + one["id"], {"externalId": own}).ok(200)
    live.put("/customers/" + two["id"], {"externalId": own}).error("duplicate", 409)
    live.put("/customers/" + one["id"], {"externalId": uid()}).ok(200)
    assert live.put("/customers/" + two["id"], {"externalId": own}).customer(200)["externalId"] == own


BROKEN = [({"email": "no"}, ["email"]), ({"email": ""}, ["email"]), ({"email": 1}, ["email"]),
          ({"externalId": "x" * 101}, ["externalId"]),
          ({"externalId": 5}, ["externalId"]), ({"fullName": "x" * 201}, ["fullName"]),
          ({"fullName": []}, ["fullName"]), ({"taxDocument": "x" * 101}, ["taxDocument"]),
          ({"timezone": "Mars"}, ["timezone"]), ({"timezone": 0}, ["timezone"]), ({"metadata": [1]}, ["metadata"]),
          ({"metadata": "x"}, ["metadata"]), ({"address": "x"}, ["address"]),
          ({"address": {"region": "x"}}, ["address.line1", "address.city", "address.postalCode", "address.country"]),
          ({"address": {**OTHER, "country": "ZZ"}}, ["address.country"]),
          ({"address": {**OTHER, "city": None}}, ["address.city"]), ({"id": "one",
                                                                      "externalId": "two"}, ["externalId"]),
          ({"email": "no", "timezone": "no"}, ["email", "timezone"]), ]


@pytest.mark.parametrize("body, fields", BROKEN, ids=[str(b[0])[:60] for b in BROKEN])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_broken_field_is_named_and_nothing_changes(live, db, method, body, fields):
    customer = full(live)
    with nothing_written(db):
        live.call(method, "/customers/" + customer["id"], {"fullName": "Lost", **body}, idem=uid("k")).invalid(*fields)
    assert live.fetch(customer["id"]) == customer


@pytest.mark.parametrize("version", VERSIONS)
def test_a_broken_mail_is_named_as_the_version_does_or_as_it_was_given(live, version):
    customer = live.create()
    for spelling in ("email", "billingEmail"):
        fields = live.at(version).put("/customers/" + customer["id"], {spelling: "no"}).fields()
        assert fields in ([spelling], [email_key(version)])


@pytest.mark.parametrize("value", ["yes", 1, []])
def test_a_broken_is_active_is_named_on_legacy_paths(live, value):
    customer = live.create()
    live.at(LEGACY).put("/customers/" + customer["id"], {"isActive": value}).invalid("isActive")
    live.put("/customers/" + customer["id"], {"isActive": value}).customer(200)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_unknown_id_is_not_found(live, db, version, method):
    with nothing_written(db):
        for some_id in (uid(), "cus_" + "0" * 22):
            error = live.at(version).call(method, "/customers/" + some_id, {"fullName": "x"},
                                          idem=uid("k")).error("customer_not_found", 404)
            assert error["param"] == "id"


def test_an_address_id_in_an_update_changes_nothing(live, db):
    customer = full(live)
    live.put("/customers/" + customer["id"], {"addressId": "123e4567-e89b-12d3-a456-426614174000"}).customer(200)
    assert scalar(db, "SELECT address_id FROM customer WHERE external_id = %s", customer["externalId"]) is None


def test_the_kind_of_tax_document_follows_the_country(live):
    customer = live.create(taxDocument="1", address=ADDRESS)
    assert customer["documentType"] == "TAX_ID"
    assert live.patch("/customers/" + customer["id"],
                      {"address": {**OTHER, "country": "AR"}}).customer(200)["documentType"] == "CUIT"
    assert live.patch("/customers/" + customer["id"], {"taxDocument": "2"}).customer(200)["documentType"] == "CUIT"


def test_an_update_is_one_event_and_an_empty_one_none(live, db):
    customer = full(live)
    before = row_counts(db)
    live.patch("/customers/" + customer["id"], {"fullName": "Once"}).ok(200)
    middle = row_counts(db)
    assert middle["customer"] == before["customer"]
    assert 0 <= middle["event"] - before["event"] <= 1
    live.patch("/customers/" + customer["id"], {}).ok(200)
    assert row_counts(db) == middle


def test_the_customer_keeps_its_place_in_the_list(new_org):
    client = new_org().live
    ids = []
    for _ in range(3):
        ids.append(client.create()["id"])
        time.sleep(0.002)
    client.patch("/customers/" + ids[0], {"fullName": "Touched"}).ok(200)
    assert [row["id"] for row in client.walk()] == list(reversed(ids))


def test_updates_of_different_fields_at_once_are_all_kept(live):
    for _ in range(10):
        customer = full(live)
        bodies = [{"fullName": "Parallel"}, {"timezone": "Asia/Dubai"}, {"taxDocument": "P"}, {"metadata": {"p": 1}},
                  {"email": "p@example.com"}, {"address": OTHER}]
        for reply in in_parallel(
            [lambda body=body: live.patch("/customers/" + customer["id"], body) for body in bodies]):
            reply.ok(200)
        after = live.fetch(customer["id"])
        assert (after["fullName"], after["timezone"], after["taxDocument"], after["metadata"],
                after["email"]) == ("Parallel", "Asia/Dubai", "P", {"p": 1}, "p@example.com")
        assert given(after["address"]) == OTHER


def test_of_many_that_want_one_external_id_one_gets_it(live):
    customers, own = [live.create() for _ in range(12)], uid()
    replies = in_parallel([lambda c=c: live.put("/customers/" + c["id"], {"externalId": own}) for c in customers])
    assert sorted(reply.status for reply in replies) == [200] + [409] * 11
    winner = next(reply for reply in replies if reply.status == 200).customer()
    assert live.fetch(own)["id"] == winner["id"]


@pytest.mark.parametrize("letters", ["auth0|42", "a/b", "a b", "é😀", "%2F", "a?b#c"])
def test_odd_external_ids_lead_to_the_update_too(live, letters):
    own = uid() + letters
    live.create(externalId=own)
    assert live.put("/customers/" + escape(own), {"fullName": letters}).customer(200)["fullName"] == letters


def test_the_next_version_of_a_customer_has_room_on_its_page(live, db):
    """So that PostgreSQL touches no index for it."""
    def page(own):
        return scalar(db, "SELECT (ctid::text::point)[0]::int FROM customer WHERE external_id = %s", own)

    made = [uid() for _ in range(100)]
    live.post("/customers/batch", {"customers": [{"id": own, "email": mail()} for own in made]}).ok(200)
    one_of_each = {page(own): own for own in made}
    assert len(one_of_each) > 1
    for at, own in one_of_each.items():
        live.put("/customers/" + own, {"fullName": "Next"}).ok(200)
        assert page(own) == at
