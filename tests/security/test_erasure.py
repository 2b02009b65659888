"""
A customer who was erased is in no byte of the database: needles in each field, with all that a customer can have, and a
search through a dump and through the files. What is kept for the tax office is kept where it belongs, and goes in time.
"""

import contextlib
import json
import re

import pytest

from stack import ROOT, Cluster, Service, wait_until

# None of these stands anywhere else. Also where a letter would be in another case.
ADDRESS = {"line1": "Nadelgasse 4711x", "line2": "Hinterhaus qzx", "city": "Nadelburgqz", "state": "Nadelstaatqz", "postalCode": "PLZ99qz",
           "country": "CH", "region": "Nadelregionqz"}
PERSON = {"email": "Nadel.Erste@qz.example", "externalId": "nadel-ext-qz", "fullName": "Nadela Qzovska", "taxDocument": "TAXQZ4711",
          "address": ADDRESS, "addressId": "5f3c1c2e-8a55-4b57-9d5c-0d6b6c2f7a11", "metadata": {"nadelnameqz": "nadelwertqz"}}
CHANGED = {"email": "nadel.zweite@qz.example", "metadata": {"nadelneuqz": ["nadelneuwertqz"]}}
SUBSCRIPTION = {"name": "Abo fuer Nadela", "metadata": {"nadelaboqz": "nadelabowertqz"}, "successUrl": "https://qz.example/nadeldanke"}
REASON = "nadelgrundqz"


def texts(value):
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in texts(part)]
    return [text for part in value for text in texts(part)] if isinstance(value, list) else [value]


NEEDLES = sorted({text.lower().encode() for given in (PERSON, CHANGED, SUBSCRIPTION, REASON) for text in texts(given)
                  if any(mark in text.lower() for mark in ("qz", "nadel"))})
ADDRESS_ID = bytes.fromhex(PERSON["addressId"].replace("-", ""))


def found_in(content):
    lower = content.lower()
    return [needle for needle in NEEDLES if needle in lower] + ["addressId"] * (ADDRESS_ID in content or PERSON["addressId"].encode() in lower)


class Caller:
    def __init__(self, service, key):
        import fastcgi

        self.fastcgi, self.address, self.key = fastcgi, str(service.socket), key

    def ask(self, method, path, body=None, idem=None, status=200):
        headers = [("x-api-key", self.key)] + ([("Idempotency-Key", idem)] if idem else [])
        answer = self.fastcgi.Connection(self.address).send(self.fastcgi.request(
            method, "/api/v1" + path, headers, b"" if body is None else json.dumps(body).encode())).answer()
        assert answer.status == status, answer.body
        return answer

    def post(self, path, body=None, idem=None, status=201):
        return json.loads(self.ask("POST", path, body, idem, status).body)


def live_through(p):
    """A customer with all that there is, and a second one of the same batch; returns their ids."""
    plan = p.post("/plans", {"name": "Pro", "code": "pro"})["id"]
    p.post(f"/plans/{plan}/prices", {"billingInterval": "monthly", "price": 2900})
    made = p.post("/customers", PERSON, "create-NADEL.ERSTE@qz.example")["id"]
    p.post("/customers", PERSON, "existing", 200)
    neighbour = p.post("/customers", {"email": "neighbour@other.example", "externalId": "neighbour"}, "neighbour")["id"]
    batch = p.post("/customers/batch", {"customers": [
        {"email": "neighbour@other.example", "externalId": "neighbour"}, PERSON, {**PERSON, "externalId": "nadel-zwei-qz"}]}, "batch", 200)
    second = batch["successful"][2]["id"]
    subscription = p.post("/subscriptions", {"customerId": made, "planId": plan, **SUBSCRIPTION}, "subscribe")["id"]
    (invoice,) = json.loads(p.ask("GET", "/invoices?subscriptionId=" + subscription).body)["data"]
    p.ask("PUT", f"/invoices/{invoice['id']}/status", {"status": "paid"}, "paid")
    p.post(f"/subscriptions/{subscription}/cancel", {"reason": REASON}, "cancel", 200)
    p.ask("PATCH", "/customers/" + made, CHANGED, "change")
    p.ask("PATCH", "/customers/" + made, {}, "change nothing")
    p.post(f"/customers/{second}/archive", None, "archive", 200)
    p.post(f"/customers/{second}/restore", None, "restore", 200)
    return made, second, neighbour, subscription, invoice


def rows(cluster, database, query):
    with contextlib.closing(cluster.connect(database)) as db, db.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def in_dump(cluster, place, database):
    return found_in(place.run(cluster.bin / "pg_dump", "-h", cluster.sockets, "-U", "postgres", database).stdout.encode())


def in_files(cluster):
    """All but the write-ahead log, which goes by itself."""
    return {(path.relative_to(cluster.data).as_posix(), needle) for path in cluster.data.rglob("*") if path.is_file()
            and "pg_wal" not in path.parts for needle in found_in(path.read_bytes())}


@pytest.fixture
def cluster(place):
    cluster = Cluster(place)
    yield cluster
    cluster.stop("immediate")


@pytest.fixture
def serve(cluster):
    """A function: a service of a new database of that name."""
    begun = []

    def begin(name, **options):
        begun.append(Service(cluster.database(name), workers=1, **options).start())
        return begun[-1]

    yield begin
    for service in begun:
        service.stop()


def test_no_byte_is_left_of_an_erased_customer(cluster, place, serve):
    service = serve("erase", retain_invoices="0")
    p = Caller(service, service.database.organization("Erase Ltd").key("live"))
    made, second, neighbour, subscription, invoice = live_through(p)
    cluster.psql("-c", "ANALYZE", "-c", "CHECKPOINT", database="erase")
    # The search finds each of them where it is.
    assert in_dump(cluster, place, "erase") == [*NEEDLES, "addressId"] and {needle for _, needle in in_files(cluster)} == {*NEEDLES, "addressId"}

    first = p.ask("DELETE", "/customers/nadel-ext-qz", idem="erase")
    assert json.loads(first.body) == {"id": made, "deleted": True, "object": "customer", "livemode": True}
    p.ask("DELETE", "/customers/" + second)
    assert p.ask("DELETE", "/customers/nadel-ext-qz", idem="erase").body == first.body

    # Nobody is there any more, and the neighbour is as he was.
    for some_id in (made, "nadel-ext-qz", second):
        for method, path in (("GET", ""), ("DELETE", ""), ("PATCH", ""), ("POST", "/archive")):
            p.ask(method, f"/customers/{some_id}{path}", status=404)
    listed = json.loads(p.ask("GET", "/customers?archived=all").body)["data"]
    assert [row["id"] for row in listed] == [neighbour] and listed[0]["email"] == "neighbour@other.example"
    # What was paid stays counted, without a word of who paid; its page and the checkout are gone.
    ended = json.loads(p.ask("GET", "/subscriptions/" + subscription).body)
    assert (ended["status"], ended["name"], ended["metadata"], ended["cancellation"]["reason"]) == ("canceled", "Pro", {}, None)
    assert json.loads(p.ask("GET", "/invoices/" + invoice["id"]).body)["status"] == "paid"
    # A late repetition makes nobody anew, also from a worker that has not met the key. Where the key said who it was, it is free.
    service.stop()
    service.start()
    for method, path, body, key in (
            ("POST", "/customers", PERSON, "existing"), ("POST", "/subscriptions", SUBSCRIPTION, "subscribe"),
            ("PATCH", "/customers/" + made, CHANGED, "change"), ("POST", "/customers", {"email": "x@y.example"}, "batch")):
        assert b"idempotency_answer_erased" in p.ask(method, path, body, key, 409).body
    assert rows(cluster, "erase", "SELECT count(*) FROM idempotency_key WHERE key ILIKE '%nadel%'") == [(0,)]
    assert rows(cluster, "erase", "SELECT key FROM idempotency_key WHERE status <> 0 ORDER BY 1") == [("erase",), ("neighbour",)]

    assert in_dump(cluster, place, "erase") == []
    service.stop()
    # Rows that are gone leave their bytes in pages and in statistics, until these are written anew.
    cluster.psql("-c", "ANALYZE", "-c", "VACUUM FULL", "-c", "CHECKPOINT", database="erase")
    assert in_files(cluster) == set()


def test_what_was_printed_on_invoices_is_kept_as_long_as_the_configuration_says_and_nowhere_else(cluster, serve):
    service = serve("retain")
    p = Caller(service, service.database.organization("Retain Ltd").key("live"))
    made, second, _, _, invoice = live_through(p)
    token = rows(cluster, "retain", "SELECT token FROM invoice")[0][0]

    def page():
        return p.fastcgi.Connection(p.address).send(p.fastcgi.request("GET", "/invoices/" + token, [], b"")).answer()

    before = page()
    assert before.status == 200 and b"Nadela Qzovska" in before.body and b"Nadelgasse" in before.body
    for some_id in (made, second):
        p.ask("DELETE", "/customers/" + some_id)
    assert page().body == before.body
    tables = [name for name, in rows(cluster, "retain", "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")]
    holders = {table for table in tables if found_in(repr(rows(cluster, "retain", f"SELECT t::text FROM {table} t")).encode())}
    assert holders == {"invoice_party"}
    # Of the second one there was no invoice.
    assert rows(cluster, "retain", "SELECT full_name, email FROM invoice_party") == [(PERSON["fullName"], CHANGED["email"])]

    # The clerk removes it when its time is over, and the page with it.
    rows(cluster, "retain", "UPDATE invoice_party SET issued_at = now() - interval '87600 hours 1 minute' RETURNING 1")
    service.stop()
    service.write_conf(clerk="on")
    service.start()
    wait_until(lambda: rows(cluster, "retain", "SELECT count(*) FROM invoice_party") == [(0,)], what="the clerk")
    assert page().status == 404
    assert json.loads(p.ask("GET", "/invoices/" + invoice["id"]).body)["total"] == 2900


def test_one_statement_can_take_one_customer_and_only_one_that_was_noted(cluster, serve):
    """By the serving role, inside of an environment: whatever a defect makes of a statement."""
    service = serve("noted")
    p = Caller(service, service.database.organization("Noted Ltd").key("live"))
    first, _ = (p.post("/customers", {"email": f"{name}@noted.example"}, name)["id"] for name in ("one", "two"))
    (environment, noted), = rows(cluster, "noted", "SELECT environment_id, id FROM customer WHERE email = 'one@noted.example'")
    with contextlib.closing(cluster.connect("noted", "clientele_serve")) as db, db.cursor() as cursor:
        for name, deleted in (("", 0), (noted, 1)):
            cursor.execute("BEGIN; SELECT set_config('app.environment', %s, true), set_config('app.customer', %s, true)", (environment, name))
            cursor.execute("UPDATE idempotency_key SET answer = ''")
            assert cursor.rowcount == deleted
            cursor.execute("DELETE FROM customer")
            assert cursor.rowcount == deleted
            cursor.execute("ROLLBACK")
    p.ask("GET", "/customers/" + first)


def test_the_records_about_a_customer_are_found_by_their_indexes(cluster):
    """As the serving role, to whom row-level security leaves fewer conditions for an index."""
    cluster.database("plan")
    with contextlib.closing(cluster.connect("plan")) as db, db.cursor() as cursor:
        cursor.execute("""INSERT INTO idempotency_key (environment_id, key, request_hash, maker, version, status, headers, answer, sealed, about, about_many)
            SELECT md5((i % 4)::text)::uuid, i::text, '', gen_random_uuid(), '', 200, '', '', false, CASE WHEN i % 20 > 0 THEN gen_random_uuid() END,
                   CASE WHEN i % 20 = 0 THEN ARRAY[gen_random_uuid(), gen_random_uuid()] END FROM generate_series(1, 20000) i; ANALYZE""")
        cursor.execute("BEGIN; SET LOCAL ROLE clientele_serve; SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute("SELECT set_config('app.environment', md5('1'), true)")
        cursor.execute("PREPARE q (uuid, uuid) AS WITH it AS (SELECT $2 AS id, ARRAY['x'] AS texts)" + forget("UPDATE idempotency_key") + " SELECT 1")
        cursor.execute("EXPLAIN EXECUTE q (md5('1')::uuid, md5('x')::uuid)")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Seq Scan on idempotency_key" not in plan and "idempotency_key_about" in plan and "idempotency_key_about_many" in plan, plan


def forget(beginning):
    """The part of :forget that begins so, in sql/query."""
    text = "".join(re.findall(r"(?m)^\\set forget :forget '(.*)'$", "\n".join(
        path.read_text() for path in sorted((ROOT / "sql/query").glob("*.sql")))))
    (part,) = [part for part in re.split(r"(?=, \w+ AS \()", text) if beginning in part]
    return part.replace("''", "'")
