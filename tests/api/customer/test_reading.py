"""Contract section 3: getting one customer, and lists."""

import itertools
import re
import threading
import time
from datetime import datetime, timedelta

import pytest

import document
from helpers import CURRENT, LEGACY, VERSIONS, at_least, email_key, escape, has_is_active, mail, uid
from stack import ROOT, wait_until

# ---------------------------------------------------------------- get


@pytest.mark.parametrize("version", VERSIONS)
def test_both_ids_find_the_customer(live, version):
    made = live.create(externalId=uid())
    client = live.at(version)
    assert client.fetch(made["id"])["id"] == made["id"]
    assert client.fetch(made["externalId"])["id"] == made["id"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("some_id", [
    "nobody", "cus_nobody", "cus_", "cus_" + "0" * 22, "cus_" + "z" * 22, "cus_" + "Z" * 200, "0", "undefined", "null",
    "CUS_" + "1" * 22
])
def test_an_unknown_id_is_not_found(live, version, some_id):
    error = live.at(version).missing(some_id)
    assert error["param"] == "id"


def test_subscription_is_null_and_only_get_has_it(live):
    made = live.post("/customers", {"email": mail(), "externalId": uid()})
    assert "subscription" not in made.json
    for version in VERSIONS:
        reply = live.at(version).get("/customers/" + made.json["id"])
        assert b'"subscription":null' in reply.body
    rows, _ = live.get("/customers?externalId=" + made.json["externalId"]).page()
    assert "subscription" not in rows[0]


def test_public_ids_are_matched_exactly(live):
    made = live.create()
    for other in (made["id"].swapcase(), made["id"].upper(), made["id"][:-1], made["id"] + "0", made["id"] + " ",
                  " " + made["id"], made["id"].replace("cus_", ""), made["id"].replace("cus_", "cust_"),
                  made["id"].replace("cus_", "cus-"), made["id"].replace("cus_", "cus_0")):
        if other != made["id"]:
            live.missing(other)


def test_a_public_id_wins_over_an_external_id_of_the_same_letters(live):
    first = live.create(fullName="public")
    second = live.create(externalId=first["id"], fullName="external")
    assert second["id"] != first["id"]
    assert live.fetch(first["id"])["fullName"] == "public"
    assert live.patch("/customers/" + first["id"], {"timezone": "Asia/Tokyo"}).customer(200)["id"] == first["id"]
    assert live.fetch(second["id"])["timezone"] == "UTC"
    # It is still the caller's id everywhere else.
    rows, _ = live.get("/customers?externalId=" + first["id"]).page()
    assert [row["id"] for row in rows] == [second["id"]]
    assert live.post("/customers", {"email": mail(), "externalId": first["id"]}).customer(200)["id"] == second["id"]


@pytest.mark.parametrize("own", [
    "cus_" + "7" * 22, "cus_1", "cus_", "cus_" + "z" * 22, "cus_" + "0" * 21 + "1", "cus_ABCdef0123456789abcdEF",
    "cus_\U0001f600"
])
def test_an_external_id_may_look_like_a_public_id(live, own):
    customer = live.post("/customers", {"email": mail(), "externalId": own}).customer()
    assert live.fetch(own)["id"] == customer["id"]
    assert live.put("/customers/" + escape(own), {"fullName": own}).customer(200)["fullName"] == own


def test_a_foreign_public_id_may_be_an_external_id(live, other_live):
    foreign = other_live.create()
    mine = live.create(externalId=foreign["id"])
    assert live.fetch(foreign["id"])["id"] == mine["id"]


def test_get_is_the_same_every_time(live):
    customer = live.create(metadata={"b": 1, "a": 2})
    bodies = {live.get("/customers/" + customer["id"]).body for _ in range(20)}
    assert len(bodies) == 1


# ---------------------------------------------------------------- list


def in_turn(client, n):
    """Ids of n new customers, of which no two are of one millisecond."""
    made = []
    for _ in range(n):
        made.append(client.create()["id"])
        time.sleep(0.002)
    return made


@pytest.fixture(scope="module")
def shelf(new_org):
    """A caller with 23 customers, oldest first, of whom no other test knows."""
    client = new_org().live
    made = []
    for i in range(23):
        made.append(
            client.create(
                {"email": f"Reader{i}@Shelf.example", "fullName": f"Name {i} of 23", "externalId": f"shelf_{i}"}))
        time.sleep(0.002)
    client.made = made
    return client


@pytest.mark.parametrize("version", VERSIONS)
def test_lists_are_newest_first(shelf, version):
    rows = shelf.at(version).walk()
    assert [row["id"] for row in rows] == [c["id"] for c in reversed(shelf.made)]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 11, 12, 22, 23, 24, 25, 99, 100])
def test_pages_have_no_gaps_and_no_repeats(shelf, limit):
    assert [row["id"] for row in shelf.walk(limit=limit)] == [c["id"] for c in reversed(shelf.made)]


def test_every_limit_from_1_to_100_is_kept(shelf):
    for limit in range(1, 101):
        rows, following = shelf.get(f"/customers?limit={limit}").page()
        assert len(rows) == min(limit, 23)
        assert (following is not None) == (limit < 23)


def test_the_default_limit_is_25(new_org):
    client = new_org().live
    client.batch([{"email": mail()} for _ in range(26)])
    rows, following = client.get("/customers").page()
    assert len(rows) == 25 and following
    rows, following = client.get("/customers?cursor=" + escape(following)).page()
    assert len(rows) == 1 and following is None


def test_a_page_has_up_to_100_customers(new_org):
    client = new_org().live
    client.batch([{"email": mail()} for _ in range(100)])
    rows, following = client.get("/customers?limit=100").page()
    assert len(rows) == 100 and following is None
    client.create()
    rows, following = client.get("/customers?limit=100").page()
    assert len(rows) == 100 and following


@pytest.mark.parametrize("version", VERSIONS)
def test_an_empty_list_is_a_list(new_org, version):
    rows, following = new_org().live.at(version).get("/customers").page()
    assert rows == [] and following is None


BAD_LIMITS = [
    "0", "101", "-1", "-0", "00", "1000", "1.5", "1.0", "1e1", "0x10", "abc", "", "+5", "%2B5", "%205", "5%20", "5+",
    "5,0", "99999999999999999999", "18446744073709551617", "4294967297", "NaN", "null", "true", "%D9%A3", "%EF%BC%95",
    "1%00", "5;6", "'5'", "5x", "--5"
]


@pytest.mark.parametrize("limit", BAD_LIMITS)
@pytest.mark.parametrize("version", [LEGACY, "2026-06-07", CURRENT])
def test_a_limit_that_is_no_number_from_1_to_100_is_refused(shelf, version, limit):
    reply = shelf.at(version).get("/customers?limit=" + limit)
    if limit == "1%00":
        assert reply.status == 400
        return
    error = reply.invalid("limit")
    assert error["param"] == "limit"


BAD_CURSORS = [
    "nonsense", "0", "-1", "%21%21%21%21", "x" * 1000, "A", "AA", "AAA", "=", "====", "%20", "%F0%9F%98%80", "null",
    "undefined", "1;DROP", "eyJpZCI6MX0=", "eyJ9", "../..", "1970-01-01T00:00:00.000Z"
]


@pytest.mark.parametrize("cursor", BAD_CURSORS)
@pytest.mark.parametrize("version", [LEGACY, "2026-06-07", CURRENT])
def test_an_unreadable_cursor_is_refused(shelf, version, cursor):
    assert shelf.at(version).get("/customers?cursor=" + cursor).invalid("cursor")["param"] == "cursor"


def test_a_damaged_cursor_is_refused(shelf):
    _, cursor = shelf.get("/customers?limit=3").page()
    for damaged in (cursor[:-1], cursor[1:], cursor[:len(cursor) // 2], cursor + "A", "A" + cursor, cursor + cursor,
                    cursor + " ", "!" + cursor[1:], cursor[:-1] + "!"):
        shelf.get("/customers?cursor=" + escape(damaged)).invalid("cursor")


def test_a_cursor_needs_no_escaping(shelf):
    _, cursor = shelf.get("/customers?limit=3").page()
    assert re.fullmatch(r"[0-9A-Za-z._~-]+", cursor)


def test_a_cursor_serves_with_another_limit_and_in_another_version(shelf):
    first, cursor = shelf.at("2026-07-31").get("/customers?limit=5").page()
    rest, following = shelf.at(LEGACY).get("/customers?limit=100&cursor=" + cursor).page()
    assert following is None
    assert [row["id"] for row in first + rest] == [c["id"] for c in reversed(shelf.made)]


def test_a_cursor_serves_twice(shelf):
    _, cursor = shelf.get("/customers?limit=5").page()
    assert shelf.get("/customers?limit=5&cursor=" + cursor).body == shelf.get("/customers?limit=5&cursor=" +
                                                                              cursor).body


@pytest.mark.parametrize("version", [LEGACY, CURRENT])
def test_rows_that_are_created_while_paging_shift_nothing(new_org, version):
    client = new_org().live
    old = in_turn(client, 30)
    reader, seen, cursor = client.at(version), [], None
    for _ in range(100):
        page, cursor = reader.get("/customers?limit=4" + (f"&cursor={cursor}" if cursor else "")).page()
        seen += [row["id"] for row in page]
        client.batch([{"email": mail()} for _ in range(3)])
        client.create()
        if cursor is None:
            break
    assert seen == list(reversed(old))


def test_rows_that_are_updated_while_paging_shift_nothing(new_org):
    client = new_org().live
    old = in_turn(client, 12)
    seen, cursor = [], None
    while True:
        page, cursor = client.get("/customers?limit=3" + (f"&cursor={cursor}" if cursor else "")).page()
        seen += [row["id"] for row in page]
        client.patch("/customers/" + old[0], {"fullName": uid()}).ok(200)
        client.patch("/customers/" + old[-1], {"externalId": uid()}).ok(200)
        if cursor is None:
            break
    assert seen == list(reversed(old))


def test_paging_while_several_clients_write_shows_all_old_rows_once(new_org):
    from helpers import in_parallel

    client = new_org().live
    old = in_turn(client, 40)
    stop = []

    def write():
        for _ in range(400):
            if stop:
                return
            client.create()

    def read():
        try:
            for _ in range(3):
                seen, cursor = [], None
                while True:
                    page, cursor = client.get("/customers?limit=9" + (f"&cursor={cursor}" if cursor else "")).page()
                    seen += [row["id"] for row in page]
                    if cursor is None:
                        break
                assert len(seen) == len(set(seen))
                assert [one for one in seen if one in set(old)] == list(reversed(old))
        finally:
            stop.append(1)

    in_parallel([read, write, write])


@pytest.mark.parametrize("version", VERSIONS)
def test_the_external_id_filter_is_exact(shelf, version):
    client = shelf.at(version)
    rows, following = client.get("/customers?externalId=shelf_1").page()
    assert [row["externalId"] for row in rows] == ["shelf_1"] and following is None
    for other in ("shelf_", "shelf", "SHELF_1", "shelf_1%20", "%20shelf_1", "shelf_99", "shelf%251", "shelf_1*", "%25",
                  "shelf__"):
        assert client.get("/customers?externalId=" + other).page() == ([], None)


def test_the_external_id_filter_goes_with_limit(shelf):
    rows, following = shelf.get("/customers?externalId=shelf_4&limit=1").page()
    assert len(rows) == 1 and following is None


# ---------------------------------------------------------------- older clients' filters


@pytest.mark.parametrize("version", VERSIONS)
def test_customer_id_is_a_filter_where_clients_send_it(shelf, version):
    client, known = shelf.at(version), not at_least(version, "2026-06-07")
    for sent in ("shelf_1", shelf.made[1]["id"]):
        rows, following = client.get("/customers?limit=2&customerId=" + sent).page()
        if known:
            assert [row["externalId"] for row in rows] == ["shelf_1"] and following is None
        else:
            assert len(rows) == 2
    for other in ("nobody", "cus_" + "0" * 22, "SHELF_1", "shelf_1%20", ""):
        rows, _ = client.get("/customers?limit=2&customerId=" + other).page()
        assert rows == [] if known else len(rows) == 2


def test_an_id_counts_more_than_an_external_id_of_the_same_letters(new_org):
    live = new_org().live
    one = live.create()
    two = live.create(externalId=one["id"])
    rows, _ = live.at(LEGACY).get("/customers?customerId=" + one["id"]).page()
    assert [row["id"] for row in rows] == [one["id"]]
    rows, _ = live.at(LEGACY).get("/customers?externalId=" + one["id"]).page()
    assert [row["id"] for row in rows] == [two["id"]]


def test_customer_id_of_another_environment_is_nobody(shelf, other_live, other_sandbox):
    for client in (other_live, other_sandbox):
        assert client.at(LEGACY).get("/customers?customerId=" + shelf.made[1]["id"]).page() == ([], None)


def test_customer_id_goes_with_the_other_filters(shelf):
    client, public = shelf.at(LEGACY), shelf.made[1]["id"]
    client.get("/customers?customerId=shelf_1&customerId=shelf_1").invalid("customerId")
    for query in ("customerId=shelf_1&externalId=shelf_1", f"customerId={public}&externalId=shelf_1",
                  f"customerId={public}&search=name 1", f"externalId=shelf_1&customerId={public}&isActive=true"):
        rows, _ = client.get("/customers?" + query.replace(" ", "%20")).page()
        assert [row["externalId"] for row in rows] == ["shelf_1"], query
    for query in ("customerId=shelf_1&externalId=shelf_2", f"customerId={public}&externalId=shelf_2", "customerId=shelf_1&search=shelf_2",
                  f"customerId={public}&isActive=false", f"externalId={public}&customerId={public}"):
        assert client.get("/customers?" + query).page() == ([], None), query


SEARCHES = [("Reader7@Shelf.example", [7]), ("reader7@shelf.EXAMPLE", [7]), ("NAME 3 OF 23", [3]), ("shelf_22", [22]),
            ("SHELF_22", [22]), ("r22@", [22]), ("nobody at all", []), ("Name 1 ", [1]), ("_5", [5]), ("%", []),
            ("\\", []), ("Name _", []), ("'", []), ("Name%3", []), ("_", "all"), ("shelf", "all"), ("2@s", [22, 12, 2])]


@pytest.mark.parametrize("text, found", SEARCHES, ids=[s[0] for s in SEARCHES])
@pytest.mark.parametrize("version", [LEGACY, "2026-05-01", "2026-05-25"])
def test_search_finds_a_part_of_mail_name_or_external_id(shelf, version, text, found):
    rows = shelf.at(version).walk("search=" + escape(text))
    expected = range(22, -1, -1) if found == "all" else found
    assert [row["externalId"] for row in rows] == [f"shelf_{i}" for i in expected]


def test_search_pages_like_any_list(shelf):
    rows = shelf.at(LEGACY).walk("search=reader1", limit=2)
    assert [row["externalId"] for row in rows] == [f"shelf_{i}" for i in (19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 1)]


@pytest.fixture(scope="module")
def club(new_org):
    client = new_org().live
    client.active = {client.at(LEGACY).create(isActive=True)["id"] for _ in range(3)} | {client.create()["id"]}
    client.passive = {client.at(LEGACY).create(isActive=False)["id"] for _ in range(2)}
    return client


@pytest.mark.parametrize("version", [v for v in VERSIONS if has_is_active(v)])
@pytest.mark.parametrize("value, wanted", [("true", True), ("1", True), ("false", False), ("0", False)])
def test_legacy_lists_can_be_filtered_by_is_active(club, version, value, wanted):
    rows = club.at(version).walk("isActive=" + value)
    assert {row["id"] for row in rows} == (club.active if wanted else club.passive)
    assert all(row["isActive"] is wanted for row in rows)
    assert {row["id"] for row in club.at(version).walk("isActive=" + value, limit=1)} == {row["id"] for row in rows}


@pytest.mark.parametrize("value", ["yes", "TRUE", "2", "null", "on", "tru", "01"])
def test_another_is_active_is_refused(club, value):
    club.at(LEGACY).get("/customers?isActive=" + value).invalid("isActive")


def test_is_active_twice_is_refused(club):
    club.at(LEGACY).get("/customers?isActive=true&isActive=true").invalid("isActive")


@pytest.mark.parametrize("version", [v for v in VERSIONS if not has_is_active(v)])
def test_is_active_is_an_unknown_parameter_where_the_version_has_none(club, version):
    for query in ("isActive=false", "isActive=nonsense", "isActive=1&isActive=1"):
        assert {row["id"] for row in club.at(version).walk(query)} == club.active | club.passive


def test_filters_combine(club):
    rows = club.at(LEGACY).walk("isActive=false&search=example.com", limit=1)
    assert {row["id"] for row in rows} == club.passive
    assert club.at(LEGACY).walk("isActive=false&search=nothing-like-it") == []


@pytest.mark.parametrize("version", VERSIONS)
def test_lists_show_the_mail_by_the_name_of_the_version(shelf, version):
    rows, _ = shelf.at(version).get("/customers?limit=1").page()
    assert rows[0][email_key(version)] == "Reader22@Shelf.example"
    assert ("object" in rows[0]) == at_least(version, "2026-05-25")


# ---------------------------------------------------------------- programs that read the newest until a known one


def test_who_stops_at_the_first_known_customer_misses_one_and_the_overlap_of_the_reference_finds_it(new_org, connect):
    """A place in the list is taken when a creation begins, and seen when it ends."""
    client, slow, other, watch = new_org().live, uid("slow"), connect(), connect()
    known = client.create()
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO customer (environment_id, id, external_id, email, timezone, metadata, is_active, created_at, updated_at)"
                       " SELECT environment_id, gen_random_uuid(), %s, 'x@example.com', 'UTC', '{}', true, now(), now() FROM customer"
                       " WHERE email = %s", (slow, known["email"]))
        made = []
        thread = threading.Thread(target=lambda: made.append(client.create(externalId=slow)))
        thread.start()
        wait_until(lambda: waits_for_a_lock(watch), what="the wait of the slow creation")
        fast = client.create()
        first_reading = [row["id"] for row in client.get("/customers").page()[0]]
        cursor.execute("ROLLBACK")
        thread.join()
    assert first_reading == [fast["id"], known["id"]]
    second_reading = client.get("/customers").page()[0]
    until_known = list(itertools.takewhile(lambda row: row["id"] not in first_reading, second_reading))
    assert made[0]["id"] not in [row["id"] for row in until_known], "it would not be missed"
    newest = datetime.fromisoformat(fast["createdAt"][:-1])
    overlap = [row["id"] for row in second_reading if newest - datetime.fromisoformat(row["createdAt"][:-1]) <= timedelta(minutes=2)]
    assert made[0]["id"] in overlap


def test_the_overlap_of_the_reference_is_longer_than_any_creation_by_default():
    """request_timeout, and then each statement of the longest write for as long as it may take, if nothing could cancel them."""
    defaults = dict(re.findall(r"(?m)^#(request_timeout|statement_timeout) = (\d+)s$", (ROOT / "conf/clientele.conf").read_text()))
    longest = 7  # enter, look, create, taken, put; two more than any write has
    assert int(defaults["request_timeout"]) + longest * int(defaults["statement_timeout"]) < 120
    text = " ".join(document.document()["paths"]["/customers"]["get"]["description"].split())
    assert "two minutes older" in text


def waits_for_a_lock(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'clientele_serve'")
        return cursor.fetchone()[0] > 0
