"""Finding customers: filters, words, orders and counts of lists, from the version on that can sort."""

import datetime
import json

import pytest

from helpers import CURRENT, VERSIONS, at_least, escape, execute, mail, scalar, uid

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


def iso(minutes):
    return (START + datetime.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def ids(rows):
    return [row["id"] for row in rows]


def names(rows):
    return [row["fullName"] for row in rows]


def find(client, query, limit=None):
    return client.walk(query, limit=limit)


PEOPLE = [
    # e-mail, name, external id, tax document, metadata
    ("Zoe@Example.com", "Zoë Ångström", "user_1", "RFC-100%", {"plan": "gold", "seats": 3, "vip": True}),
    ("ada@example.com", "ada lovelace", "USER_2", None, {"plan": "gold", "seats": 30}),
    ("bob_marley@example.org", None, None, "x\\y_z", {"plan": "silver", "vip": False}),
    ("Ada@Example.com", "Grace Hopper", "user%3", "AB12", {"plan": "GOLD", "note": "a \"quoted\" é"}),
    ("carl@x.example", "Mary Ann O'Brien", "user_10", None, {"nested": {"plan": "gold"}, "list": ["gold"], "none": None}),
    ("dora@x.example", None, "k[1]", None, {"a[b]": "c d", "": "empty"}),
]


@pytest.fixture(scope="module")
def people(new_org, database):
    """A caller whose customers were created a minute apart, and changed in another order."""
    client = new_org().live
    client.made = [client.create(email=email, metadata=metadata, **{name: value for name, value in (
        ("fullName", name), ("externalId", own), ("taxDocument", tax)) if value}) for email, name, own, tax, metadata in PEOPLE]
    connection = database.connect()
    for i, row in enumerate(client.made):
        execute(connection, "UPDATE customer SET created_at = %s, updated_at = %s WHERE email = %s AND full_name IS NOT DISTINCT FROM %s",
                iso(i), iso(100 + (i * 5) % 7), row["email"], row["fullName"])
    connection.close()
    client.created = {row["id"]: i for i, row in enumerate(client.made)}
    client.updated = {row["id"]: (i * 5) % 7 for i, row in enumerate(client.made)}
    return client


def who(client, query):
    """The numbers of those that are found, in the order of the answer."""
    return [client.created[row["id"]] for row in find(client, query)]


# ---------------------------------------------------------------- filters


@pytest.mark.both_fronts
@pytest.mark.parametrize("query, found", [
    ("email=ADA@example.COM", [3, 1]), ("billingEmail=zoe@example.com", [0]), ("email=ada", []), ("email=ad%25", []),
    ("createdAfter=" + iso(3), [5, 4]), ("createdBefore=" + iso(1), [0]), ("createdBefore=2025-12-31", []),
    (f"createdAfter={iso(0)}&createdBefore={iso(3)}", [2, 1]), ("createdAfter=2026-01-01T01:04:00%2B01:00", [5]),
    ("updatedAfter=" + iso(103), [5, 1, 4]), ("updatedAfter=2030-01-01", []),
    ("email=ada@example.com&createdAfter=" + iso(1), [3]), ("email=ada@example.com&updatedAfter=" + iso(104), [1]),
    ("externalId=user_1&q=zoe", [0]), ("externalId=user_1&q=ada", []), ("externalId=user_1&metadata[plan]=gold&email=ZOE@example.com", [0]),
    ("metadata[plan]=gold", [1, 0]), ("metadata[plan]=GOLD", [3]), ("metadata[plan]=gol", []), ("metadata[seats]=3", [0]),
    ("metadata[seats]=3.0", []), ("metadata[vip]=true", [0]), ("metadata[vip]=false", [2]), ("metadata[plan]=gold&metadata[seats]=30", [1]),
    ("metadata[plan]=silver&metadata[vip]=true", []), ("metadata[nested]=%7B%22plan%22:%22gold%22%7D", []), ("metadata[none]=null", []),
    ("metadata[list]=gold", []), ("metadata[note]=a%20%22quoted%22%20%C3%A9", [3]), ("metadata[a[b]]=c%20d", [5]),
    ("metadata[plan]=gold&q=lovelace", [1]), ("metadata[plan]=gold&q=zo%C3%8B", [0]), ("metadata[plan]=gold&email=ada@example.com", [1]),
])
def test_filters(people, query, found):
    assert who(people, query) == found


@pytest.mark.parametrize("query, found", [
    ("example", [3, 2, 1, 0, 5, 4]), ("EXAMPLE.COM", [3, 1, 0]), ("zo%C3%AB", [0]), ("ZO%C3%8B", [0]), ("%C3%A5NGSTR%C3%96M", [0]), ("love", [1]),
    ("user_1", [4, 0]), ("user_2", [1]), ("rfc-100%25", [0]), ("100%25", [0]), ("%25", [3, 0]), ("_", [4, 2, 1, 0]), ("r%253", [3]),
    ("r_3", []), ("x%5Cy", [2]), ("%5C", [2]), ("o'brien", [4]), ("ann%20mary", [4]), ("mary%20user_10%20carl", [4]), ("mary%20%20%20ann%20", [4]),
    ("grace%20lovelace", []), ("y_z", [2]), ("yez", []), ("ab12", [3]), ("zo", [0]), ("a", [4, 3, 2, 1, 0, 5]), ("nobody", []), ("%22", []), ("a%2Bb", []),
    ("%7B%25,%22%7D", []), ("hopperuser", []), ("exam%20ple.c%20ada%20love", [1]), ("k%5B1%5D", [5]),
])
def test_words_are_found_literally_in_any_field_and_case(people, query, found):
    """In the order of the plain list, whichever way it was found."""
    assert sorted(who(people, "q=" + query)) == sorted(found)
    assert who(people, "q=" + query) == sorted(found, reverse=True)


@pytest.mark.parametrize("order, key, back", [
    ("createdAt", lambda c, row: c.created[row["id"]], False), ("-createdAt", lambda c, row: c.created[row["id"]], True),
    ("updatedAt", lambda c, row: c.updated[row["id"]], False), ("email", lambda c, row: (row["email"].lower(), row["id"]), False),
    ("fullName", lambda c, row: (row["fullName"] is None, (row["fullName"] or "").lower().encode(), row["id"]), False),
])
@pytest.mark.parametrize("filters", ["", "&q=example", "&metadata[plan]=gold", "&email=ada@example.com", "&createdAfter=" + iso(1), "&q=m"])
def test_orders_have_cursors(people, order, key, back, filters):
    allowed = set(ids(find(people, filters[1:]))) if filters else set(people.created)
    expected = sorted((row for row in people.made if row["id"] in allowed), key=lambda row: key(people, row), reverse=back)
    for limit in (1, 2, 100):
        assert ids(find(people, f"sort={order}{filters}", limit)) == ids(expected), limit


def test_what_is_made_and_changed_is_found_at_once(live):
    token = uid("tok")
    made = live.create(fullName=f"First {token}", metadata={"token": token})
    for query in (f"q={token.upper()}", f"metadata[token]={token}", f"q=first%20{token}"):
        assert ids(find(live, query)) == [made["id"]]
    live.patch("/customers/" + made["id"], {"fullName": "Second", "metadata": {"token": token + "x"}}).customer(200)
    assert find(live, f"q={token}") == [] and find(live, f"metadata[token]={token}") == []
    assert ids(find(live, f"metadata[token]={token}x")) == [made["id"]]


def test_numbers_that_the_database_cannot_hold_are_found(live):
    token = uid("tok")
    made = live.post("/customers", f'{{"email":"{mail()}","metadata":{{"n":1e999999,"m":-0.5E-70000,"t":"{token}e12345","k":{json.dumps(token)}}}}}'.encode()).customer(201)
    for query in ("metadata[n]=1e999999", "metadata[m]=-0.5E-70000", f"metadata[t]={token}e12345"):
        assert made["id"] in ids(find(live, query + f"&metadata[k]={token}")), query
    assert find(live, f"metadata[n]=1e9999999&metadata[k]={token}") == []
    assert find(live, f"metadata[t]={token}e12346&metadata[k]={token}") == []


def test_nobody_finds_customers_of_others(people, other_live, sandbox):
    for stranger in (other_live, sandbox):
        for query in ("q=lovelace", "metadata[seats]=30", "email=ada@example.com", "q=lovelace&metadata[seats]=30"):
            assert find(stranger, query) == []
            assert stranger.get(f"/customers?{query}&count=exact").json["count"] == 0


@pytest.mark.parametrize("version", [version for version in VERSIONS if version != CURRENT])
def test_versions_before_know_none_of_it(people, version):
    reply = people.at(version).get("/customers?q=zoe&sort=email&count=exact&metadata[plan]=gold&planCode=x&createdAfter=never")
    assert len(reply.page()[0]) == len(PEOPLE)
    assert set(reply.header("Clientele-Ignored").split(", ")) == {"q", "sort", "count", "metadata[plan]", "planCode", "createdAfter"}


# ---------------------------------------------------------------- subscriptions


@pytest.fixture(scope="module")
def subscribers(new_org):
    """Of free and paid plans; one had the free one before. Their e-mail addresses have none of the letters in their names."""
    client = new_org().live
    client.code = {kind: f"{kind}_{uid()[-6:].lower()}" for kind in ("free", "paid")}
    client.code = {kind: "".join(c if c.isalnum() or c == "_" else "_" for c in code.lower()) for kind, code in client.code.items()}
    plans = {kind: client.post("/plans", {"name": kind, "code": code, "isFree": kind == "free"}).ok(201).data["id"] for kind, code in client.code.items()}
    client.post(f"/plans/{plans['paid']}/prices", {"billingInterval": "monthly", "price": 100}).ok(201)
    client.all = [client.create(fullName=f"Subscriber {name}") for name in ("ii", "jj", "kk", "qq", "uu", "vv")]

    def subscribe(i, kind):
        return client.post("/subscriptions", {"customerId": client.all[i]["id"], "planId": plans[kind]}, idem=uid("k")).ok(201).data["id"]

    for i, kind in ((0, "free"), (1, "paid"), (2, "free"), (3, "free")):
        last = subscribe(i, kind)
    for _ in range(2):
        client.post(f"/subscriptions/{last}/cancel", {"immediate": True}, idem=uid("k")).ok()
        last = subscribe(3, "free")
    client.post(f"/subscriptions/{last}/cancel", {"immediate": True}, idem=uid("k")).ok()
    subscribe(3, "paid")
    return client


@pytest.mark.parametrize("query, found", [
    ("subscriptionStatus=active", [2, 0]), ("subscriptionStatus=pending_payment", [3, 1]), ("subscriptionStatus=canceled", [3]),
    ("subscriptionStatus=past_due", []), ("planCode={free}", [2, 0]), ("planCode={paid}", [3, 1]), ("planCode=none", []),
    ("planCode={free}&subscriptionStatus=canceled", [3]), ("planCode={paid}&subscriptionStatus=canceled", []),
    ("planCode={free}&q=subscriber%20kk", [2]), ("subscriptionStatus=active&sort=createdAt", [0, 2]), ("planCode={paid}&sort=fullName", [1, 3]),
    ("subscriptionStatus=active&createdAfter=2020-01-01", [2, 0]), ("planCode={free}&subscriptionStatus=active&sort=-createdAt", [2, 0]),
])
def test_customers_are_found_by_their_subscription(subscribers, query, found):
    query = query.format(**subscribers.code)
    for limit in (1, None):
        assert ids(find(subscribers, query, limit)) == [subscribers.all[i]["id"] for i in found]
    assert subscribers.get(f"/customers?count=exact&{query}").json["count"] == len(found)


SUBSCRIBE = """
    INSERT INTO subscription (environment_id, customer_id, plan_id, status, id, name, base_price, metadata, zone, start_date, created_at, updated_at)
    SELECT s.environment_id, s.customer_id, s.plan_id, s.status, gen_random_uuid(), '', 0, '{}', 'UTC', now(), now(), now() FROM"""


@pytest.fixture(scope="module")
def erased(new_org, database):
    """One with a subscription, and behind him more than a page looks at, who are erased."""
    client = new_org().live
    plan = client.post("/plans", {"name": "Left", "code": "left", "isFree": True}).ok(201).data["id"]
    first = client.create()
    client.left = first["id"]
    client.post("/subscriptions", {"customerId": client.left, "planId": plan}, idem=uid("k")).ok(201)
    connection = database.connect()
    environment = scalar(connection, "SELECT environment_id FROM customer WHERE email = %s", first["email"])
    execute(connection, SUBSCRIBE + """
        (SELECT environment_id, ('ffffffff-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid AS customer_id, plan_id, status
           FROM subscription, generate_series(1, 50001) n WHERE environment_id = %s) s""", environment)
    yield client
    execute(connection, "DELETE FROM subscription WHERE environment_id = %s AND customer_id > 'ffffffff-0000-7000-8000-000000000000'", environment)
    connection.close()


@pytest.mark.parametrize("query", ["subscriptionStatus=active", "planCode=left", "planCode=left&subscriptionStatus=active"])
def test_a_list_goes_on_behind_one_who_was_erased(erased, query):
    rows, cursor = erased.get("/customers?" + query).page()
    assert rows == [] and cursor
    rows, cursor = erased.get(f"/customers?{query}&cursor={escape(cursor)}").page()
    assert ids(rows) == [erased.left] and cursor is None


# ---------------------------------------------------------------- many


CROWD = 10_500


@pytest.fixture(scope="module")
def crowd(new_org, database):
    """More than are looked at first, more than are sorted, more than are counted. The oldest 6,000 are called Common."""
    client = new_org().live
    first = client.create(fullName="First")
    connection = database.connect()
    environment = scalar(connection, "SELECT environment_id FROM customer WHERE email = %s", first["email"])
    execute(connection, "DELETE FROM customer WHERE environment_id = %s", environment)
    execute(connection, f"""
        INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, timezone, metadata, is_active, created_at,
                              updated_at)
        SELECT %s, ('01941f29-7c00-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'crowd' || n, 'p' || n %% 100 || '@crowd.example',
               CASE WHEN n < 6000 THEN 'Common ' ELSE 'Other ' END || n,
               CASE WHEN n < 500 THEN 'Ends Early' WHEN n < 2300 THEN 'Early' WHEN n >= 8400 THEN 'Ends' END,
               'UTC', json_build_object('half', n %% 2, 'old', n < 6000, 'nth', 'n' || n, 'ends', n < 500 OR n >= 8400, 'early', n < 2300), true,
               timestamptz '2026-01-01 00:00Z' + n * interval '1 s', timestamptz '2026-02-01 00:00Z' - n * interval '1 s'
          FROM generate_series(0, {CROWD - 1}) n""", environment)
    connection.close()
    return client


def numbers(rows):
    return [int(row["externalId"].removeprefix("crowd")) for row in rows]


@pytest.mark.parametrize("query, fits, key", [
    ("q=common", lambda n: n < 6000, lambda n: -n), ("metadata[old]=true", lambda n: n < 6000, lambda n: -n),
    ("q=common%2012", lambda n: n < 6000 and "12" in f"{n}|p{n % 100}@", lambda n: -n),
    ("q=crowd77", lambda n: str(n).startswith("77") and n != 77 or n == 77, lambda n: -n), ("q=7", lambda n: "7" in str(n), lambda n: -n),
    # More than are sorted, though not in the rows that a page may look at; and not in the first part of these.
    *[(query, lambda n: n < 500 or n >= 8400, lambda n: -n) for query in ("q=ends", "metadata[ends]=true", "q=end%20crowd&metadata[ends]=true")],
    *[(query, lambda n: n < 2300, lambda n: -n) for query in ("q=early", "metadata[early]=true", "q=early%20common&metadata[old]=true")],
    ("q=early&metadata[half]=1", lambda n: n < 2300 and n % 2, lambda n: -n),
    ("metadata[nth]=n42", lambda n: n == 42, lambda n: -n), ("email=P42@crowd.example", lambda n: n % 100 == 42, lambda n: -n),
    ("q=common&sort=createdAt", lambda n: n < 6000, lambda n: n), ("q=common&sort=-createdAt", lambda n: n < 6000, lambda n: -n),
    ("q=common&sort=updatedAt", lambda n: n < 6000, lambda n: -n), ("q=p7@crowd&sort=fullName", lambda n: n % 100 == 7, lambda n: (n >= 6000, str(n))),
    ("email=p7@crowd.example&sort=updatedAt", lambda n: n % 100 == 7, lambda n: -n), ("sort=email", lambda n: True, lambda n: (f"p{n % 100}@", n)),
    ("metadata[half]=1&sort=fullName", lambda n: n % 2, lambda n: (n >= 6000, str(n))),
    ("q=other&createdBefore=2026-01-01T01:41:00Z", lambda n: 6000 <= n < 6060, lambda n: -n),
    ("updatedAfter=2026-01-31T23:59:00Z", lambda n: n < 60, lambda n: -n),
])
def test_pages_of_many_are_complete_and_in_order(crowd, query, fits, key):
    expected = sorted(filter(fits, range(CROWD)), key=key)
    assert numbers(find(crowd, query, 100)) == expected


@pytest.mark.parametrize("query, capped, exact", [
    ("", "10000+", CROWD), ("q=common", 6000, 6000), ("q=crowd", "10000+", CROWD), ("q=nobody", 0, 0), ("metadata[half]=1", CROWD // 2, CROWD // 2),
    ("email=p42@crowd.example", 105, 105), ("createdAfter=2026-01-01T00:00:09Z", "10000+", CROWD - 10),
    ("createdBefore=2026-01-01T02:46:40Z", 10000, 10000), ("createdBefore=2026-01-01T02:46:41Z", "10000+", 10001),
    ("updatedAfter=2026-01-31T23:59:00Z", 60, 60), ("externalId=crowd5", 1, 1), ("externalId=nobody", 0, 0), ("q=7&sort=email&limit=1", 3926, 3926),
])
def test_counts_are_exact_up_to_a_cap(crowd, query, capped, exact):
    if "q=7" in query:
        capped = exact = sum("7" in str(n) or "7" in str(n % 100) for n in range(CROWD))
    for how, expected in (("capped", capped), ("exact", exact)):
        reply = crowd.get(f"/customers?count={how}&{query}").ok(200)
        assert reply.json["count"] == expected, (how, reply.json["count"])
    assert "count" not in crowd.get(f"/customers?{query}").json


LAPSED = 13_000


@pytest.fixture(scope="module")
def lapsed(new_org, database):
    """More than a count reads of an index at first, all alike. All had one subscription, and the last 300 still have it. Five are archived."""
    client = new_org().live
    client.post("/plans", {"name": "Trial", "code": "trial", "isFree": True}).ok(201)
    first = client.create()
    connection = database.connect()
    environment = scalar(connection, "SELECT environment_id FROM customer WHERE email = %s", first["email"])
    execute(connection, "DELETE FROM customer WHERE environment_id = %s", environment)
    execute(connection, f"""
        INSERT INTO customer (environment_id, id, email, full_name, timezone, metadata, is_active, created_at, updated_at, archived_at)
        SELECT %s, ('01941f29-7c00-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'same@lapsed.example', 'Lapsed', 'UTC',
               '{{"kind":"lapsed"}}', true,
               timestamptz '2026-01-01 00:00Z' + n * interval '1 s', timestamptz '2026-02-01 00:00Z' - n * interval '1 s',
               CASE WHEN n %% 2600 = 0 THEN now() END
          FROM generate_series(0, {LAPSED - 1}) n""", environment)
    execute(connection, SUBSCRIBE + f"""
        (SELECT c.environment_id, c.id AS customer_id, p.id AS plan_id,
                CASE WHEN right(c.id::text, 12)::int < {LAPSED - 300} THEN 'canceled' ELSE 'active' END AS status
           FROM customer c JOIN plan p ON p.environment_id = c.environment_id WHERE c.environment_id = %s) s""", environment)
    connection.close()
    return client


EARLY, LATE = "createdBefore=2026-01-01T00:01:40Z", "createdAfter=2026-01-01T03:34:59Z"


@pytest.mark.parametrize("query, count", [
    ("planCode=trial", 300), (f"subscriptionStatus=canceled&{EARLY}", 99), ("subscriptionStatus=canceled&createdAfter=2026-01-01T03:30:00Z", 99),
    (f"q=lapsed&{EARLY}", 99), (f"q=lapsed&{LATE}", 100), ("metadata[kind]=lapsed&archived=true", 5), (f"email=same@lapsed.example&{LATE}", 100),
    (f"updatedAfter=2026-01-31&{EARLY}", 99), ("q=lapsed", "10000+"),
])
def test_a_count_of_two_filters_is_exact_where_one_alone_fits_more_than_are_counted(lapsed, query, count):
    for how in ("capped", "exact"):
        expected = LAPSED - 5 if (how, count) == ("exact", "10000+") else count
        assert lapsed.get(f"/customers?count={how}&limit=1&{query}").ok(200).json["count"] == expected, how


def test_a_count_says_nothing_about_the_pages(crowd):
    """The cursor of a page with a count is that of one without."""
    first = crowd.get("/customers?count=capped&limit=2").json
    assert numbers(crowd.get(f"/customers?limit=2&cursor={first['nextCursor']}").json["data"]) == [CROWD - 3, CROWD - 4]


@pytest.fixture(scope="module")
def equals(new_org, database):
    """Twelve with the same address, half of them of one moment in 1960, half of one in 2026; of each half one is archived and one merged."""
    client = new_org().live
    client.made = [client.create(email="same@equals.example", fullName=f"Equal {i % 2}", metadata={"kind": "equal"})["id"] for i in range(12)]
    for i in (3, 9):
        client.post(f"/customers/{client.made[i]}/archive", {}).ok()
        client.post(f"/customers/{client.made[0]}/merge", {"from": client.made[i + 1]}, idem=uid("k")).ok()
    connection = database.connect()
    execute(connection, """UPDATE customer SET created_at = t.at, updated_at = t.at
                             FROM (SELECT c.id, CASE WHEN row_number() OVER (ORDER BY c.id) <= 6 THEN timestamptz '1960-01-01 00:00:00.001Z'
                                                ELSE '2026-01-01Z' END AS at FROM customer c WHERE c.email = 'same@equals.example') t
                            WHERE t.id = customer.id""")
    connection.close()
    return client


@pytest.mark.parametrize("archived, some", [("", {0, 1, 2, 5, 6, 7, 8, 11}), ("&archived=true", {3, 9}), ("&archived=all", set(range(12)) - {4, 10})])
@pytest.mark.parametrize("query, fits, back", [
    ("sort=createdAt", range(12), False), ("sort=-createdAt", range(12), True), ("sort=updatedAt", range(12), False), ("sort=email", range(12), False),
    ("email=SAME@equals.example", range(12), True), ("metadata[kind]=equal", range(12), True),
    ("sort=createdAt&createdAfter=1960-01-01T00:00:00.001Z", range(6, 12), False), ("sort=createdAt&createdBefore=2026-01-01", range(6), False),
    ("createdBefore=2026-01-01", range(6), True), ("createdAfter=1960-01-01", range(12), True), ("createdAfter=1960-01-01T00:00:00.001Z", range(6, 12), True),
    ("createdAfter=1960-01-01&createdBefore=2026-01-01", range(6), True), ("updatedAfter=1960-01-01T00:00:00.001Z", range(6, 12), False),
    ("updatedAfter=1960-01-01", range(12), False),
])
def test_pages_keep_their_place_among_equals(equals, query, fits, back, archived, some):
    """And leave out those that are archived, wherever a page ends."""
    expected = [equals.made[i] for i in sorted(some & set(fits), reverse=back)]
    for limit in (1, 2, 3, 100):
        assert ids(find(equals, query + archived, limit)) == expected, limit


def test_names_keep_their_place_among_equals(equals):
    assert ids(find(equals, "sort=fullName", 3)) == [equals.made[i] for i in (0, 2, 6, 8, 1, 5, 7, 11)]


# ---------------------------------------------------------------- bad input


@pytest.mark.both_fronts
@pytest.mark.parametrize("query, fields", [
    ("sort=name", ["sort"]), ("sort=", ["sort"]), ("sort=-email", ["sort"]), ("sort=createdAt&sort=email", ["sort"]), ("q=", ["q"]), ("q=%20%20", ["q"]),
    ("q=" + "x" * 201, ["q"]), ("q=a%20b%20c%20d%20e%20f%20g%20h%20i", ["q"]), ("createdAfter=yesterday", ["createdAfter"]),
    ("createdBefore=2026-13-01", ["createdBefore"]), ("updatedAfter=", ["updatedAfter"]), ("updatedAfter=1767225600", ["updatedAfter"]),
    ("subscriptionStatus=gone", ["subscriptionStatus"]), ("count=all", ["count"]), ("count=", ["count"]), ("metadata[a]=1&metadata[a]=2", ["metadata[a]"]),
    ("&".join(f"metadata[k{i}]=1" for i in range(9)), ["metadata"]), ("sort=x&q=&createdAfter=x&limit=0&cursor=x", ["sort", "q", "createdAfter", "limit", "cursor"]),
    ("email=a@b.co&billingEmail=b@b.co", ["email"]),
])
def test_bad_parameters_are_named(people, query, fields):
    people.get("/customers?" + query).invalid(*fields)


def test_parameters_that_look_like_metadata_are_not_known(people):
    reply = people.get("/customers?metadata=x&metadata[]=x&metadata[x=1&metadatax]=1&Metadata[a]=1")
    assert len(reply.page()[0]) == len(PEOPLE)
    assert reply.header("Clientele-Ignored") == "metadata, metadata[], metadata[x, metadatax], Metadata[a]"


def test_a_cursor_goes_with_its_order_and_filters_alone(people):
    def following(query):
        return escape(people.get(f"/customers?limit=1&{query}").page()[1])

    for query, others in (("sort=email", ["sort=fullName", "", "sort=email&q=example", "sort=-createdAt"]), ("q=example", ["q=exampl", "q=example&sort=email", ""]),
                          ("", ["sort=createdAt", "q=example", "sort=email"]), ("metadata[plan]=gold", ["metadata[plan]=silver", "metadata[plam]=gold"]),
                          ("createdAfter=2025-01-01", ["createdAfter=2025-01-02", "updatedAfter=2025-01-01", "createdBefore=2025-01-01"])):
        cursor = following(query)
        people.get(f"/customers?{query}&limit=50&cursor={cursor}").page()
        for other in others:
            people.get(f"/customers?{other}&cursor={cursor}").invalid("cursor")
        for broken in (cursor[:-1], cursor[:-2], cursor + "00", cursor + "ff", cursor.replace("cur_", "cus_"), cursor[:20], "cur_", "cur_" + "z" * 48):
            if query:
                assert people.get(f"/customers?{query}&cursor={broken}").status in (200, 400), broken
    one = following("sort=email&q=example")
    assert len(people.get(f"/customers?q=example&sort=email&limit=50&cursor={one}").page()[0]) == len(PEOPLE) - 1


def test_a_broken_cursor_is_refused_and_never_a_failure(people):
    cursor = people.get("/customers?limit=1&sort=createdAt").page()[1]
    for key in ("2d", "2d2d", "6162", "39" * 30, "2d" + "39" * 16, "2d" + b"253402300799999".hex(), ""):
        people.get(f"/customers?sort=createdAt&cursor={cursor[:52]}{key}").invalid("cursor")
    cursor = people.get("/customers?limit=1&sort=email").page()[1]
    for key in ("00", "ff", "c3", "41" * 1025):
        people.get(f"/customers?sort=email&cursor={cursor[:52]}{key}").invalid("cursor")


def test_pages_keep_their_place_when_customers_come_and_change(new_org):
    client = new_org().live
    made = [client.create(email=f"m{i}@keep.example", fullName=f"N{i}") for i in range(6)]
    page = client.get("/customers?sort=email&limit=3").page()
    client.create(email="a@keep.example"), client.create(email="m3a@keep.example")
    rows, following = client.get(f"/customers?sort=email&limit=3&cursor={page[1]}").page()
    assert ids(page[0]) == ids(made[:3]) and [row["email"] for row in rows] == ["m3@keep.example", "m3a@keep.example", "m4@keep.example"]
    assert at_least(CURRENT, "2026-08-27") and following
