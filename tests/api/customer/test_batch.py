"""Contract section 3: many customers in one request."""

import pytest

from helpers import (CURRENT, LEGACY, VERSIONS, at_least, check_customer, dumps, email_key, execute, has_address_id, has_tax_document,
                     in_parallel, mail, nothing_written, row_counts, scalar, uid)


def item(**more):
    return {"email": mail(), "externalId": uid("b"), **more}


def post(client, items, **more):
    return client.post("/customers/batch", {"customers": items}, **more)


def by_index(result):
    """index -> entry, for both lists; each index at most once."""
    entries = [(entry["index"], entry) for entry in result["successful"] + result["failed"]]
    assert len({index for index, _ in entries}) == len(entries)
    return dict(entries)


@pytest.mark.parametrize("size", [1, 2, 50, 99, 100])
@pytest.mark.parametrize("version", [LEGACY, "2026-06-07", CURRENT])
def test_up_to_100_customers_are_created(live, db, version, size):
    items, before = [item(fullName=f"n{i}") for i in range(size)], row_counts(db)
    result = post(live.at(version), items).ok(200).data
    assert result["failed"] == []
    assert sorted(by_index(result)) == list(range(size))
    for index, entry in by_index(result).items():
        assert entry["status"] == "created"
        assert entry["externalId"] == items[index]["externalId"]
        assert entry[email_key(version)] == items[index]["email"]
        assert live.fetch(entry["id"])["fullName"] == f"n{index}"
    after = row_counts(db)
    assert after["customer"] - before["customer"] == size
    assert after["event"] - before["event"] == size
    assert len({entry["id"] for entry in result["successful"]}) == size


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "body", [{}, {"customers": None}, {"customers": []}, {"customers": {}}, {"customers": "x"}, {"customers": 1},
             {"customers": True}, {"Customers": [{"email": "a@b.co"}]}, {"email": "a@b.co"}, ],
    ids=str)
def test_without_items_there_is_no_batch(live, db, version, body):
    with nothing_written(db):
        assert live.at(version).post("/customers/batch", body,
                                     idem=uid("k")).invalid("customers")["param"] == "customers"


@pytest.mark.parametrize("size", [101, 102, 500, 5000])
def test_more_than_100_items_are_refused(live, db, size):
    with nothing_written(db):
        post(live, [item() for _ in range(size)]).invalid("customers")


BROKEN = [({"email": "broken"}, "email"), ({"email": ""}, "email"), ({"email": "a" * 300 + "@b.co"}, "email"),
          ({"fullName": 5}, "fullName"), ({"fullName": "x" * 201}, "fullName"), ({"externalId": ""}, "externalId"),
          ({"externalId": 7}, "externalId"), ({"externalId": "x" * 101}, "externalId"),
          ({"id": "another"}, "externalId"), ({"timezone": "Mars"}, "timezone"), ({"metadata": [1]}, "metadata"),
          ({"metadata": {"a": "x" * 17000}}, "metadata"), ({"address": {}}, "address."), ({"address": 1}, "address"),
          ({"address": {"line1": "1", "city": "x", "postalCode": "1", "country": "ZZ"}}, "address.country"),
          ({"addressId": "x"}, "addressId"), ({"taxDocument": 1}, "taxDocument"), ]


def names(param, field, index):
    return param is not None and (param.startswith(field) or param.startswith(f"customers.{index}.{field}"))


@pytest.mark.parametrize("broken, field", BROKEN, ids=[str(b[0])[:50] for b in BROKEN])
@pytest.mark.parametrize("version", [LEGACY, "2026-06-07", CURRENT])
def test_a_broken_item_fails_alone(live, db, version, broken, field):
    if field == "taxDocument" and not has_tax_document(version) or field == "addressId" and not has_address_id(version):
        return  # an unknown key there
    items = [item(), item(**broken), item()]
    before = row_counts(db)
    result = post(live.at(version), items).ok(200).data
    assert sorted(entry["index"] for entry in result["successful"]) == [0, 2]
    [failed] = result["failed"]
    assert failed["index"] == 1
    assert failed["data"] == items[1]
    assert isinstance(failed["error"], str) and failed["error"].strip()
    assert failed["code"] == "validation_error"
    assert names(failed["param"], field if version != LEGACY or field != "email" else "billingEmail", 1) or names(
        failed["param"], field, 1)
    assert row_counts(db)["customer"] - before["customer"] == 2
    for index in (0, 2):
        live.fetch(items[index]["externalId"])
    if isinstance(items[1]["externalId"], str) and 0 < len(items[1]["externalId"]) <= 100:
        live.missing(items[1]["externalId"])


def test_the_failed_item_is_echoed_as_it_was(live):
    odd = {
        "email": "broken", "externalId": "x", "n": 1.10, "big": 12345678901234567890123, "s": "é😀\n",
        "deep": [{"a": [None, True]}], "metadata": {"k": "v"}
    }
    [failed] = post(live, [odd]).ok(200).data["failed"]
    assert failed["data"] == odd


def test_several_items_fail_with_their_own_reasons(live):
    items = [item(timezone="x"), item(), item(email="no"), item(fullName=1), item(), item(externalId="")]
    result = post(live, items).ok(200).data
    assert sorted(entry["index"] for entry in result["failed"]) == [0, 2, 3, 5]
    reasons = {entry["index"]: entry["param"] for entry in result["failed"]}
    for index, field in ((0, "timezone"), (2, "email"), (3, "fullName"), (5, "externalId")):
        assert names(reasons[index], field, index)
    assert len({entry["error"] for entry in result["failed"]}) == 4


@pytest.mark.parametrize("size", [1, 100])
def test_all_items_may_fail(live, db, size):
    with nothing_written(db):
        result = post(live, [{"email": f"broken {i}"} for i in range(size)]).ok(200).data
        assert result["successful"] == []
        assert sorted(entry["index"] for entry in result["failed"]) == list(range(size))


NO_MAIL = [({}, "email"), ({"fullName": "x"}, "email"), ({"email": None}, "email"), ({"email": 1}, "email"),
           ({"email": []}, "email"), ({"email": {}}, "email"), ({"email": True}, "email"), (None, ""), (1, ""),
           ("a@b.co", ""), ([], ""), (True, ""), ([{"email": "a@b.co"}], "")]


@pytest.mark.parametrize("broken, field", NO_MAIL, ids=[str(n[0]) for n in NO_MAIL])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_item_that_could_not_be_echoed_fails_the_whole_request(live, db, version, broken, field):
    with nothing_written(db):
        for at, items in ((0, [broken]), (2, [item(), item(), broken]), (1, [item(), broken, item(timezone="x")])):
            fields = post(live.at(version), items, idem=uid("k")).fields()
            mine = [name for name in fields if name == f"customers.{at}" or name.startswith(f"customers.{at}.")]
            assert mine, fields
            if field:
                assert mine[0] in (f"customers.{at}.email", f"customers.{at}.billingEmail")
        assert post(live.at(version), [broken]).json["error"]["param"].startswith("customers.0")


def test_all_items_that_could_not_be_echoed_are_listed(live, db):
    with nothing_written(db):
        fields = post(live, [{}, item(), {"email": 5}, 7, item(), None]).fields()
        for index in (0, 2, 3, 5):
            assert any(name.startswith(f"customers.{index}") for name in fields)
        assert not any(name.startswith(("customers.1", "customers.4")) for name in fields)


@pytest.mark.parametrize("spelling", ["email", "billingEmail"])
@pytest.mark.parametrize("own", ["id", "externalId"])
@pytest.mark.parametrize("version", VERSIONS)
def test_items_may_use_both_spellings(live, version, spelling, own):
    address, mine = mail(), uid()
    result = post(live.at(version), [{spelling: address, own: mine}, {spelling: "broken", own: uid()}]).ok(200).data
    assert [entry["index"] for entry in result["failed"]] == [1]
    [entry] = result["successful"]
    assert (entry["externalId"], entry[email_key(version)]) == (mine, address)


# ---------------------------------------------------------------- existing ones and repetitions


@pytest.mark.parametrize("version", VERSIONS)
def test_existing_customers_come_back_unchanged(live, db, version):
    old = live.create(externalId=uid(), fullName="Old", metadata={"o": 1})
    before = row_counts(db)
    result = post(live.at(version),
                  [item(), item(externalId=old["externalId"], fullName="New", metadata={"n": 2})]).ok(200).data
    entries = by_index(result)
    assert (entries[0]["status"], entries[1]["status"]) == ("created", "existing")
    assert entries[1]["id"] == old["id"]
    assert entries[1][email_key(version)] == old["email"]
    assert live.fetch(old["id"])["fullName"] == "Old"
    after = row_counts(db)
    assert (after["customer"] - before["customer"], after["event"] - before["event"]) == (1, 1)


def test_a_repeated_external_id_is_the_first_ones(live, db):
    own, before = uid("rep"), row_counts(db)
    items = [
        item(),
        item(externalId=own, fullName="first"),
        item(externalId=own, fullName="second"),
        item(),
        item(id=own, externalId=own, fullName="third")
    ]
    entries = by_index(post(live, items).ok(200).data)
    assert [entries[i]["status"] for i in range(5)] == ["created", "created", "existing", "created", "existing"]
    assert entries[1]["id"] == entries[2]["id"] == entries[4]["id"]
    assert {entries[i]["email"] for i in (1, 2, 4)} == {items[1]["email"]}
    assert live.fetch(own)["fullName"] == "first"
    assert row_counts(db)["customer"] - before["customer"] == 3


def test_a_repetition_of_a_failed_item_is_created(live):
    own = uid("rep")
    result = post(live, [item(externalId=own, timezone="x"), item(externalId=own), item(externalId=own)]).ok(200).data
    assert [entry["index"] for entry in result["failed"]] == [0]
    entries = by_index(result)
    assert (entries[1]["status"], entries[2]["status"]) == ("created", "existing")


def test_a_repetition_of_an_existing_one_is_existing(live):
    old = live.create(externalId=uid())
    entries = by_index(post(live, [item(externalId=old["externalId"]) for _ in range(3)]).ok(200).data)
    assert [(entries[i]["status"], entries[i]["id"]) for i in range(3)] == [("existing", old["id"])] * 3


def test_a_hundred_times_the_same_is_one_customer(live, db):
    own, before = uid("rep"), row_counts(db)
    result = post(live, [item(externalId=own) for _ in range(100)]).ok(200).data
    assert len({entry["id"] for entry in result["successful"]}) == 1
    assert [entry["status"]
            for entry in sorted(result["successful"], key=lambda e: e["index"])] == ["created"] + ["existing"] * 99
    assert row_counts(db)["customer"] - before["customer"] == 1


@pytest.mark.parametrize("version", [LEGACY, CURRENT])
def test_everything_at_once(live, version):
    old, own = live.create(externalId=uid()), uid()
    items = [
        item(),
        item(externalId=old["externalId"]),
        item(email="broken"),
        item(externalId=own),
        item(externalId=own), {"email": mail()}, {"email": mail(), "externalId": None}
    ]
    result = post(live.at(version), items).ok(200).data
    entries = by_index(result)
    assert [entries[i].get("status", "failed")
            for i in range(7)] == ["created", "existing", "failed", "created", "existing", "created", "created"]
    assert entries[5]["externalId"] is None and entries[6]["externalId"] is None and entries[5]["id"] != entries[6]["id"]


def test_items_without_an_external_id_are_all_new(live):
    same = {"email": "same@example.com"}
    result = post(live, [same] * 10).ok(200).data
    assert len({entry["id"] for entry in result["successful"]}) == 10
    again = post(live, [same] * 10).ok(200).data
    assert len({entry["id"] for entry in result["successful"] + again["successful"]}) == 20


def test_every_field_of_an_item_is_kept(live):
    address = {"line1": "1", "line2": "2", "city": "c", "state": "s", "postalCode": "p", "country": "MX", "region": "r"}
    one = item(fullName="Every", taxDocument="T", timezone="America/Lima", metadata={"m": [1, {}]}, address=address)
    post(live, [one]).ok(200)
    got = live.fetch(one["externalId"])
    for name in ("email", "externalId", "fullName", "taxDocument", "timezone", "metadata", "address"):
        assert got[name] == one[name]
    assert got["documentType"] == "RFC"


@pytest.mark.parametrize("version", [v for v in VERSIONS if not at_least(v, "2026-06-07")])
def test_before_2026_06_07_a_batch_answers_full_customers(live, version):
    old = live.create(externalId=uid(), fullName="Old")
    result = post(live.at(version), [item(fullName="New", metadata={"k": 1.5}),
                                     item(externalId=old["externalId"])]).ok(200).data
    for entry in result["successful"]:
        customer = {name: value for name, value in entry.items() if name not in ("index", "status")}
        check_customer(customer, version)
        assert customer == {name: live.at(version).fetch(entry["id"])[name] for name in customer}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_batch_of_items_with_everything_broken_lists_one_sentence_each(live, version):
    everything = {"email": "x", "externalId": "", "fullName": 1, "timezone": 1, "metadata": 1, "address": 1}
    result = post(live.at(version), [everything] * 3).ok(200).data
    assert [len(entry["error"]) > 5 for entry in result["failed"]] == [True] * 3


def test_the_largest_batch_is_taken(live):
    items = [item(fullName="\U0001f600" * 200, metadata={"x": "y" * 16000}) for _ in range(100)]
    result = post(live, items).ok(200).data
    assert len(result["successful"]) == 100
    assert len(live.walk(f"externalId={items[99]['externalId']}")) == 1
    old = live.at(LEGACY)
    assert len(post(old, items).ok(200).data["successful"]) == 100  # 1.6 MB of full customers


def test_the_largest_failing_batch_is_echoed(live):
    items = [{"email": "broken", "x": "\U0001f600" * 4000} for _ in range(100)]
    result = post(live, items).ok(200).data
    assert [entry["data"] for entry in sorted(result["failed"], key=lambda e: e["index"])] == items


# ---------------------------------------------------------------- an answer for each item

EACH = {"Prefer": "return=each"}


def each(client, items, **more):
    """The results, which are in the order of the items."""
    reply = post(client, items, headers=EACH, **more).ok(200)
    assert reply.header("Preference-Applied") == "return=each"
    assert set(reply.data) == {"object", "livemode", "results"} and reply.data["object"] == "customer_batch_results"
    assert [result["index"] for result in reply.data["results"]] == list(range(len(items)))
    for result in reply.data["results"]:
        assert set(result) == {"index", "status", "error" if result["status"] == 400 else "customer"}
    return reply.data["results"]


@pytest.mark.both_fronts
@pytest.mark.parametrize("version", VERSIONS)
def test_the_commonest_broken_row_of_an_import_refuses_no_other(live, db, version):
    """99 good customers and one without an e-mail address."""
    client, before = live.at(version), row_counts(db)
    items = [item(fullName=f"n{i}") for i in range(99)]
    items.insert(40, {"fullName": "No Mail"})
    results = each(client, items, idem=uid("k"))
    assert [result["status"] for result in results] == [201] * 40 + [400] + [201] * 59
    for index, result in enumerate(results):
        if index != 40:
            check_customer(result["customer"], version)
            assert result["customer"]["externalId"] == items[index]["externalId"]
    name = email_key(version)
    error = results[40]["error"]
    assert (error["type"], error["code"], error["param"]) == ("validation_error", "validation_error", name)
    assert error["details"] == [{"field": name, "message": "is required"}] and error["message"] == f"{name}: is required"
    assert error["doc_url"].endswith(f"/{version}/errors/validation_error.md")
    after = row_counts(db)
    assert (after["customer"] - before["customer"], after["event"] - before["event"]) == (99, 99)


@pytest.mark.parametrize("version", [LEGACY, CURRENT])
def test_each_answer_is_the_one_that_a_create_alone_gets(live, version):
    client = live.at(version)
    old = client.create(externalId=uid())
    items = [item(fullName="x", metadata={"k": 1.50}), {"email": mail(), "externalId": old["externalId"]},
             {"email": "broken", "timezone": 1, "address": {"line1": 1}}, {}, [], None, 7, "x", {"email": 5, "externalId": ""}]
    results = each(client, items)
    assert [result["status"] for result in results] == [201, 200, *[400] * 7]
    for sent, result in zip(items, results):
        alone = client.post("/customers", dumps(sent))
        assert alone.status == (400 if result["status"] == 400 else 200)  # it exists now
        if result["status"] == 400:
            assert result["error"] == alone.json["error"]
        else:
            assert result["customer"] == alone.data


def test_repeated_own_ids_and_existing_ones_and_broken_ones_are_told_in_order(live, db):
    own, before = uid("rep"), row_counts(db)
    old = live.create(externalId=uid())
    items = [item(externalId=own, timezone="x"), item(externalId=own), {"fullName": "No Mail"}, item(externalId=own),
             {"email": mail(), "externalId": old["externalId"]}, {"email": mail()}, None, {"email": mail()}]
    results = each(live, items)
    assert [result["status"] for result in results] == [400, 201, 400, 200, 200, 201, 400, 201]
    assert results[1]["customer"] == results[3]["customer"] and results[4]["customer"]["id"] == old["id"]
    assert row_counts(db)["customer"] - before["customer"] == 4  # with the old one


@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.parametrize("key", [True, False])
def test_all_items_may_be_refused_each_by_itself(live, db, size, key):
    body = {"customers": [{"fullName": f"No Mail {i}"} for i in range(size)]}
    idem = uid("k") if key else None
    before = row_counts(db)["customer"]
    first = live.post("/customers/batch", body, headers=EACH, idem=idem).ok(200)
    assert {result["status"] for result in first.data["results"]} == {400}
    again = live.post("/customers/batch", body, headers=EACH, idem=idem).ok(200)
    assert again.body == first.body and (again.header("Idempotent-Replayed") == "true") == key
    assert row_counts(db)["customer"] == before


@pytest.mark.both_fronts
def test_the_answers_of_each_item_are_repeated_byte_for_byte(live, db):
    body = {"customers": [item(), {"fullName": "No Mail"}, item(domain="x")]}
    key = uid("k")
    first = live.post("/customers/batch", body, headers=EACH, idem=key).ok(200)
    live.patch("/customers/" + first.data["results"][0]["customer"]["id"], {"fullName": "renamed since"}).ok(200)
    before = row_counts(db)
    for _ in range(3):
        again = live.post("/customers/batch", body, headers=EACH, idem=key)
        assert (again.status, again.body) == (200, first.body) and again.header("Idempotent-Replayed") == "true"
        for name in ("Preference-Applied", "Clientele-Ignored"):
            assert again.header(name) == first.header(name) is not None
    assert row_counts(db) == before
    # Without the preference it is another request: it would have been refused, and is answered otherwise.
    live.post("/customers/batch", body, idem=key).error("idempotency_key_mismatch", 409)


def test_a_key_without_the_preference_is_none_with_it(live):
    body, key = {"customers": [item()]}, uid("k")
    live.post("/customers/batch", body, idem=key).ok(200)
    live.post("/customers/batch", body, headers=EACH, idem=key).error("idempotency_key_mismatch", 409)


def test_a_batch_that_is_none_is_refused_with_the_preference_too(live, db):
    with nothing_written(db):
        for customers in (None, [], {}, [item() for _ in range(101)]):
            live.post("/customers/batch", {"customers": customers}, headers=EACH).invalid("customers")


def test_strict_handling_of_each_item(live):
    reply = post(live, [item(domain="x"), item()], headers={"Prefer": "return=each, handling=strict"}).ok(200)
    assert [result["status"] for result in reply.data["results"]] == [400, 201]
    assert reply.data["results"][0]["error"]["param"] == "domain"
    assert reply.header("Preference-Applied") == "handling=strict, return=each"


def test_other_calls_do_not_apply_the_preference(live):
    reply = live.post("/customers", {"email": mail()}, headers=EACH)
    reply.ok(201)
    assert reply.header("Preference-Applied") is None


# ---------------------------------------------------------------- all or nothing

TRAP = """
CREATE FUNCTION contract_trap() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN IF NEW.email LIKE 'boom%' THEN RAISE EXCEPTION 'boom of the test' USING ERRCODE = '{state}'; END IF; RETURN NEW; END$$;
CREATE TRIGGER contract_trap BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION contract_trap();
"""


@pytest.fixture
def trap(db):
    """The database fails on each customer whose mail begins with boom."""
    execute(db, TRAP.format(state="XX000", table="customer"))
    yield
    execute(db, "DROP FUNCTION IF EXISTS contract_trap() CASCADE")


@pytest.mark.parametrize("at", [0, 7, 19])
@pytest.mark.parametrize("headers", [{}, EACH], ids=["plain", "each"])
def test_when_the_database_fails_in_the_middle_nothing_of_the_batch_is_stored(live, db, trap, at, headers):
    items = [item() for _ in range(20)]
    items[at]["email"] = "boom@example.com"
    with nothing_written(db):
        reply = post(live, items, idem=uid("k"), headers=headers)
        reply.error("internal_error", 500)
        assert b"boom" not in reply.body
    for one in items:
        live.missing(one["externalId"])


def test_a_create_that_the_database_refuses_is_an_internal_error_without_internals(live, db, trap):
    key, body = uid("k"), {"email": "boom@example.com", "externalId": uid()}
    with nothing_written(db):
        reply = live.post("/customers", body, idem=key)
        reply.error("internal_error", 500)
        assert b"boom" not in reply.body
    execute(db, "DROP FUNCTION contract_trap() CASCADE")
    again = live.post("/customers", body, idem=key)
    again.customer(201)  # a failure of ours is not remembered
    assert again.header("Idempotent-Replayed") is None


def test_batches_that_share_ids_in_opposite_order_all_succeed(live, db, cluster):
    # A deadlock that the service repairs by trying again costs a second, so there must be none at all.
    deadlocks = cluster.log.read_text(errors="replace").count("deadlock detected")
    for round_ in range(25):
        owns = [uid("x") for _ in range(100)]
        one = [{"email": mail(), "externalId": own} for own in owns]
        two = [{"email": mail(), "externalId": own} for own in reversed(owns)]
        three = one[50:] + two[50:]
        results = [
            reply.ok(200).data
            for reply in in_parallel([lambda b=b: post(live, b, idem=uid("k")) for b in (one, two, three)])
        ]
        ids = {}
        created = 0
        for result in results:
            assert result["failed"] == []
            for entry in result["successful"]:
                assert ids.setdefault(entry["externalId"], entry["id"]) == entry["id"]
                created += entry["status"] == "created"
        assert created == len(ids) == 100
    assert cluster.log.read_text(errors="replace").count("deadlock detected") == deadlocks
    assert scalar(
        db,
        "SELECT count(*) FROM (SELECT 1 FROM customer WHERE external_id IS NOT NULL GROUP BY environment_id, external_id HAVING count(*) > 1) twice"
    ) == 0


def test_batches_and_single_creates_of_the_same_ids_agree(live):
    for _ in range(10):
        owns = [uid("mix") for _ in range(20)]
        singles = [lambda own=own: live.post("/customers", {"email": mail(), "externalId": own}) for own in owns]
        batch = [lambda: post(live, [{"email": mail(), "externalId": own} for own in owns])] * 2
        replies = in_parallel(singles + batch)
        ids = {reply.customer()["externalId"]: reply.customer()["id"] for reply in replies[:20]}
        for reply in replies[20:]:
            for entry in reply.ok(200).data["successful"]:
                assert ids[entry["externalId"]] == entry["id"]


# ---------------------------------------------------------------- options in the query


def test_atomic_one_bad_item_and_nothing_is_stored(live, db):
    items, before = [item() for _ in range(3)] + [item(email="no address"), {}], row_counts(db)
    reply = live.post("/customers/batch?atomic=true", {"customers": items})
    assert set(reply.fields()) == {"customers.3.email", "customers.4.email"}
    assert row_counts(db) == before
    one = live.post("/customers", {"email": mail(), "externalId": items[1]["externalId"]}).ok(201).customer()
    result = live.post("/customers/batch?atomic=1", {"customers": items[:3]}).ok(200).data
    assert by_index(result)[1]["id"] == one["id"] and result["failed"] == []  # one that exists breaks no rule
    assert len(live.post("/customers/batch?atomic=false", {"customers": items[:4] + [{"email": "none"}]}).ok(200).data["failed"]) == 2


def test_a_dry_run_tells_the_same_and_writes_nothing(live, db):
    there, new, twice = item(), item(), item()
    id = live.post("/customers", there).ok(201).customer()["id"]
    items, before = [there, new, {"email": "no address"}, "none", twice, twice], row_counts(db)
    reply = live.post("/customers/batch?dry_run=true", {"customers": items}, idem=(key := uid("dry"))).ok(200)
    assert reply.data["dryRun"] is True
    results = reply.data["results"]
    assert [(result["index"], result["status"]) for result in results] == list(enumerate([200, 201, 400, 400, 201, 200]))
    assert results[0]["customer"]["id"] == id
    assert "customer" not in results[1] and "customer" not in results[5]
    assert row_counts(db) == before
    # The key is not used up, and the verdicts were right.
    real = live.post("/customers/batch", {"customers": items}, headers=EACH, idem=key).ok(200)
    assert [result["status"] for result in real.data["results"]] == [result["status"] for result in results]
    assert real.data["results"][2]["error"] == results[2]["error"]


def test_without_an_echo_failures_do_not_show_what_was_sent(live):
    broken, no_object = {"email": "kept@secret", "fullName": 7}, "nothing"
    result = live.post("/customers/batch?echo=false", {"customers": [item(), broken, no_object]}).ok(200).data
    assert [entry["index"] for entry in result["failed"]] == [1, 2]
    assert all(set(entry) == {"index", "error", "code", "param"} for entry in result["failed"])
    assert "kept@secret" not in str(result)


# ---------------------------------------------------------------- customers that exist get what their items give

UPDATE = "/customers/batch?on_conflict=update"


def history(client, customer):
    return client.get(f"/customers/{customer['id']}/history").rows()[0]


def statuses(reply):
    """(status, id) of each item that did not fail, in the order of the request."""
    return [(entry["status"], entry["id"]) for _, entry in sorted(by_index(reply.ok(200).data).items()) if "error" not in entry]


def test_on_request_a_batch_changes_those_that_exist_as_an_update_does(live):
    ann = live.create(email="ann@example.com", externalId=uid(), fullName="Ann", metadata={"a": 1})
    bob = live.create(email="bob@example.com", externalId=uid(), fullName="Bob")
    items = [{"email": "ann@example.com", "externalId": ann["externalId"], "fullName": "Ann B", "taxDocument": "7"},
             {"email": "bob@example.com", "externalId": bob["externalId"], "fullName": "Bob"},
             {"email": "none"}, item(), {"email": "no.id@example.com"}]
    reply = live.post(UPDATE, {"customers": items}, idem=(key := uid("k")))
    found = statuses(reply)
    assert [status for status, _ in found] == ["updated", "existing", "created", "created"]
    assert [id for _, id in found[:2]] == [ann["id"], bob["id"]] and list(by_index(reply.data)) == [0, 1, 3, 4, 2]
    now = live.get("/customers/" + ann["id"]).customer(get=True)
    assert (now["fullName"], now["taxDocument"], now["metadata"], now["createdAt"]) == ("Ann B", "7", {"a": 1}, ann["createdAt"])
    assert now["updatedAt"] > ann["updatedAt"] and live.fetch(bob["id"])["updatedAt"] == bob["updatedAt"]
    (changed, _), (only,) = history(live, ann), history(live, bob)
    assert (changed["type"], changed["before"], changed["after"], changed["requestId"]) == (
        "customer.updated", {"fullName": "Ann", "taxDocument": None}, {"fullName": "Ann B", "taxDocument": "7"}, reply.header("x-request-id"))
    assert only["type"] == "customer.created"
    # Once more it is a replay; with another key nothing is left to change; without the option nothing is changed.
    assert live.post(UPDATE, {"customers": items}, idem=key).body == reply.body
    assert [status for status, _ in statuses(live.post(UPDATE, {"customers": items[:2]}))] == ["existing"] * 2
    for query in ("", "?on_conflict=skip"):
        other = {"customers": [{**items[0], "fullName": "No"}]}
        assert statuses(live.post("/customers/batch" + query, other)) == [("existing", ann["id"])]
    assert live.fetch(ann["id"])["fullName"] == "Ann B" and len(history(live, ann)) == 2


def test_of_items_for_one_customer_what_the_last_one_gives_counts(live):
    gone, into = live.create(externalId=uid("gone"), fullName="Gone"), live.create(externalId=uid("into"))
    live.post(f"/customers/{into['id']}/merge", {"from": gone["id"]}).ok()
    ann, new, way = live.create(externalId=uid(), fullName="Ann"), uid(), live.create(externalId=uid(), taxDocument="1")
    items = [{"email": "1@example.com", "externalId": into["externalId"], "fullName": "1"},
             {"email": "2@example.com", "externalId": ann["externalId"], "fullName": "2", "metadata": {"n": 2}},
             {"email": "3@example.com", "externalId": ann["externalId"], "fullName": "3"},
             {"email": "4@example.com", "externalId": new}, {"email": "5@example.com", "externalId": new, "timezone": "Asia/Tokyo"},
             {"email": "5@example.com", "externalId": new},
             {"email": "7@example.com", "externalId": gone["externalId"], "taxDocument": "7"},
             {"email": way["email"], "externalId": way["externalId"]}, {"email": way["email"], "externalId": way["externalId"], "taxDocument": "1"}]
    found = statuses(live.post(UPDATE, {"customers": items}))
    made = live.fetch(new)
    assert found == [("updated", into["id"]), *[("updated", ann["id"])] * 2, ("created", made["id"]), ("updated", made["id"]), ("existing", made["id"]),
                     ("updated", into["id"]), *[("existing", way["id"])] * 2]
    assert (made["email"], made["timezone"]) == ("5@example.com", "Asia/Tokyo")
    ann, into = live.fetch(ann["id"]), live.fetch(into["id"])
    assert (ann["email"], ann["fullName"], ann["metadata"]) == ("3@example.com", "3", {"n": 2})
    # The hidden row of who was merged is as it was; the one who stays keeps its own external id.
    assert (into["email"], into["fullName"], into["taxDocument"]) == ("7@example.com", "1", "7") and into["externalId"].startswith("into")
    assert [len(history(live, one)) for one in (ann, made, way)] == [2, 1, 1]
    assert live.post(f"/customers/{gone['id']}/unmerge").customer(200) == gone


def test_on_conflict_goes_with_the_other_options(live, db):
    ann = live.create(email="ann@example.com", externalId=uid(), fullName="Ann")
    items = [{"email": "ann@example.com", "externalId": ann["externalId"], "fullName": "Other"}, item(), {"email": "none"}]
    with nothing_written(db):
        assert live.post(UPDATE + "&atomic=true", {"customers": items}).fields() == ["customers.2.email"]
        tried = live.post(UPDATE + "&dry_run=true", {"customers": items}).ok(200).data["results"]
    assert [(result["status"], result.get("result")) for result in tried] == [(200, "updated"), (201, "created"), (400, None)]
    assert (tried[0]["customer"]["fullName"], live.fetch(ann["id"])["fullName"]) == ("Other", "Ann")
    real = live.post(UPDATE, {"customers": items}, headers=EACH).ok(200).data["results"]
    assert [(result["status"], result.get("result")) for result in real] == [(200, "updated"), (201, "created"), (400, None)]
    assert real[0]["customer"]["fullName"] == live.fetch(ann["id"])["fullName"] == "Other"
    again = live.post(UPDATE + "&dry_run=true", {"customers": items[:1]}).ok(200).data["results"]
    assert again[0]["result"] == "existing" and again[0]["customer"]["updatedAt"] == real[0]["customer"]["updatedAt"]
    assert "result" not in live.post("/customers/batch?dry_run=true", {"customers": items[:1]}).ok(200).data["results"][0]
    with nothing_written(db):
        for value in ("", "UPDATE", "fail", "true", "update&on_conflict=skip"):
            assert live.post(f"/customers/batch?on_conflict={value}", {"customers": items}).fields() == ["on_conflict"]
    assert live.at("2026-07-31").post(UPDATE, {"customers": [{**items[0], "fullName": "Old"}]}).ok(200).header("Clientele-Ignored") == "on_conflict"
    assert live.fetch(ann["id"])["fullName"] == "Other"


def test_many_batches_that_change_the_same_customers_in_opposite_order_all_succeed(live, db, cluster):
    deadlocks = cluster.log.read_text(errors="replace").count("deadlock detected")
    owns = [uid("x") for _ in range(60)]
    post(live, [{"email": mail(), "externalId": own} for own in owns[:30]]).ok(200)
    for _ in range(4):
        batches = [[{"email": mail(), "externalId": own, "fullName": str(n)} for own in owns[::1 - n % 2 * 2]] for n in range(4)]
        replies = in_parallel([lambda b=b: live.post(UPDATE, {"customers": b}, idem=uid("k")) for b in batches])
        assert all(len(reply.ok(200).data["successful"]) == 60 for reply in replies)
        assert len({live.fetch(own)["fullName"] for own in owns}) == 1  # each batch is whole
    assert cluster.log.read_text(errors="replace").count("deadlock detected") == deadlocks


@pytest.mark.parametrize("name", ["atomic", "dry_run", "echo"])
def test_an_option_is_true_or_false_and_of_the_newest_version_alone(live, db, name):
    before = row_counts(db)
    for query in (f"{name}=perhaps", f"{name}=", f"{name}=true&{name}=false"):
        reply = live.post(f"/customers/batch?{query}", {"customers": [item()]}).fields()
        assert reply == [name]
    assert row_counts(db) == before
    reply = live.at("2026-07-31").post(f"/customers/batch?{name}=perhaps", {"customers": [item()]}).ok(200)
    assert reply.header("Clientele-Ignored") == name


def test_an_idempotency_key_stands_for_the_options_too(live):
    items, key = [item(), {"email": "no address"}], uid("k")
    first = live.post("/customers/batch?echo=false", {"customers": items}, idem=key).ok(200)
    again = live.post("/customers/batch?echo=false", {"customers": items}, idem=key).ok(200)
    assert again.body == first.body and again.header("Idempotent-Replayed") == "true"
    live.post("/customers/batch", {"customers": items}, idem=key).error("idempotency_key_mismatch", 409)
