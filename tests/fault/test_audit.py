"""The auditor sees each kind of breach: planted in a copy of a database that is in order, or in an answer."""

import contextlib
import json
import time

import pytest

from audit import Audit
from client import CUSTOMERS, History, Job, Tenant
from helpers import CURRENT, Reply
from shopper import SUBSCRIPTIONS, Deed, Life, Purse
from stack import Database
from stand import SEED, Stand, Trial, start_again

ANY = "(SELECT id FROM customer WHERE email LIKE 'w0-%' AND full_name LIKE 'w0-%' AND external_id ~ '^w0-[0-9]+$' ORDER BY id LIMIT 1)"
ANY_UPDATED = "(SELECT customer_id FROM event WHERE type = 'customer.updated' ORDER BY id DESC LIMIT 1)"
COPY = ("INSERT INTO customer (environment_id, id, external_id, email, timezone, metadata, is_active, created_at, updated_at)"
        " SELECT {environment}, gen_random_uuid(), {external}, {email}, timezone, metadata, is_active, created_at, updated_at"
        f" FROM customer WHERE id = {ANY}")
ACTIVE = "(SELECT id FROM subscription WHERE status = 'active' AND cancel_at IS NULL AND next_kind IS NULL ORDER BY id LIMIT 1)"
PAYMENT = "(SELECT min(id) FROM event WHERE type = 'payment.received')"
LIKE = "INSERT INTO {table} SELECT (json_populate_record(t, json_build_object('id', gen_random_uuid(), {but}))).* FROM {table} t WHERE "

PLANTED = {
    "a customer that is gone": ("acknowledged writes lost", f"WITH gone AS (DELETE FROM customer WHERE id = {ANY} RETURNING id)"
                                " DELETE FROM event WHERE customer_id IN (SELECT id FROM gone)"),
    "an idempotency key that is gone": ("acknowledged writes lost",
                                        "DELETE FROM idempotency_key WHERE key = (SELECT min(key) FROM idempotency_key)"),
    "an update that is gone": ("acknowledged writes lost", f"UPDATE customer SET full_name = 'before' WHERE id = {ANY_UPDATED}"),
    "an update that was done twice": ("writes done twice", "INSERT INTO event (environment_id, type, customer_id) SELECT environment_id,"
                                      f" type, customer_id FROM event WHERE type = 'customer.updated' AND customer_id = {ANY_UPDATED} LIMIT 1"),
    "a create that was done twice": ("writes done twice", COPY.format(environment="environment_id", external="NULL", email="email")),
    "a customer nobody sent": ("strangers", COPY.format(environment="environment_id", external="NULL", email="'nobody@example.com'")),
    "a customer in another environment": ("strangers", COPY.format(environment="gen_random_uuid()", external="external_id", email="email")),
    "an external id twice": ("duplicates of an external id", "ALTER TABLE customer DROP CONSTRAINT customer_external_id; " +
                             COPY.format(environment="environment_id", external="external_id", email="'other@example.com'")),
    "an idempotency key twice": ("duplicates of an idempotency key", "ALTER TABLE idempotency_key DROP CONSTRAINT idempotency_key_pkey;"
                                 " INSERT INTO idempotency_key SELECT * FROM idempotency_key LIMIT 1"),
    "half a batch": ("batches half stored", "WITH gone AS (DELETE FROM customer WHERE id = (SELECT min(id::text)::uuid FROM customer"
                     " WHERE external_id ~ '^w[0-9]-[0-9]+[.]') RETURNING id) DELETE FROM event WHERE customer_id IN (SELECT id FROM gone)"),
    "a customer without event": ("customers without event", f"DELETE FROM event WHERE customer_id = {ANY} AND type = 'customer.created'"),
    "a customer with two events": ("customers without event", "INSERT INTO event (environment_id, type, customer_id)"
                                   f" SELECT environment_id, 'customer.created', id FROM customer WHERE id = {ANY}"),
    "an event without customer": ("events without customer", "INSERT INTO event (environment_id, type, customer_id)"
                                  " SELECT environment_id, 'customer.created', gen_random_uuid() FROM customer LIMIT 1"),
    "a subscription that is gone": ("acknowledged writes lost", f"DELETE FROM subscription WHERE id = {ACTIVE}"),
    "a payment that is gone": ("acknowledged writes lost", "UPDATE invoice SET status = 'outstanding', paid_at = NULL"
                               f" WHERE id = (SELECT invoice_id FROM event WHERE id = {PAYMENT})"),
    "a cancellation that is gone": ("acknowledged writes lost", "UPDATE subscription SET cancel_at = NULL WHERE status = 'active' AND cancel_at IS NOT NULL"),
    "a cancellation nobody asked for": ("acknowledged writes lost", f"UPDATE subscription SET cancel_at = now() WHERE id = {ACTIVE}"),
    "a change of plan that is gone": ("acknowledged writes lost", "UPDATE subscription s SET plan_id = p.id FROM plan p WHERE p.id <> s.plan_id"
                                      f" AND p.environment_id = s.environment_id AND s.id = {ACTIVE}"),
    "a subscription that was made twice": ("writes done twice", LIKE.format(table="subscription", but="'status', 'canceled'") + f"id = {ACTIVE}"),
    "two live subscriptions of a customer": ("two live subscriptions", "DROP INDEX subscription_live; " +
                                             LIKE.format(table="subscription", but="'checkout_token', NULL") + f"id = {ACTIVE}"),
    "a subscription in another environment": ("strangers", f"UPDATE subscription SET environment_id = gen_random_uuid() WHERE id = {ACTIVE}"),
    "an invoice in another environment": ("strangers", "UPDATE invoice SET environment_id = gen_random_uuid() WHERE token = (SELECT min(token) FROM invoice)"),
    "an invoice of another customer": ("strangers", f"UPDATE invoice SET customer_id = {ANY} WHERE token = (SELECT min(token) FROM invoice)"),
    "a period that was billed twice": ("periods billed twice", "DROP INDEX invoice_once; " + LIKE.format(
        table="invoice", but="'number', number + 100000, 'token', gen_random_uuid()") + "token = (SELECT min(token) FROM invoice WHERE status = 'paid')"),
    "a period that was not billed": ("periods not billed", f"UPDATE invoice SET status = 'void' WHERE subscription_id = {ACTIVE} AND period_index = 1"),
    "a number that is missing": ("gaps in invoice numbers", "UPDATE invoice SET number = number + 100000 WHERE token = (SELECT min(token) FROM invoice)"),
    "a counter that is ahead": ("gaps in invoice numbers", "UPDATE invoice_counter SET last = last + 1"),
    "a line with another amount": ("invoices that do not add up", "UPDATE invoice_line SET unit_amount = unit_amount + 1, amount = quantity * (unit_amount + 1)"
                                   " WHERE invoice_id = (SELECT min(invoice_id::text)::uuid FROM invoice_line) AND position = 1"),
    "credit that is gone": ("credit lost", "DELETE FROM customer_credit WHERE balance > 0"),
    "credit below zero": ("credit lost", "ALTER TABLE customer_credit DROP CONSTRAINT customer_credit_balance_check; UPDATE customer_credit SET balance = -1"),
    "a deed with two events": ("events that do not fit", "INSERT INTO event (environment_id, type, customer_id, subscription_id) SELECT environment_id, type,"
                               f" customer_id, subscription_id FROM event WHERE id = {PAYMENT}"),
    "a deed without event": ("events that do not fit", f"DELETE FROM event WHERE id = {PAYMENT}"),
    "an invoice that is void by its event alone": ("events that do not fit", "INSERT INTO event (environment_id, type, customer_id, subscription_id)"
                                                   " SELECT environment_id, 'invoice.voided', customer_id, subscription_id FROM event"
                                                   f" WHERE id = {PAYMENT}"),
    "an invoice without event": ("events that do not fit", "DELETE FROM event WHERE id = (SELECT max(id) FROM event WHERE type = 'invoice.created')"),
}


@pytest.fixture(scope="module")
def kept(cluster):
    """(trial that was without fault, its audit's findings when an answer was changed)."""
    start_again(cluster)
    stand = Stand(cluster.database("audited"))
    try:
        with Trial(stand, "none, for the auditor", seconds=0.5) as trial:
            for _ in trial.blows(0.5, 0.5):
                trial.blows_done = 0
            trial.more(1000)
        job = next(job for job in trial.history.acknowledged if job.kind == "create" and len(job.attempts) == 1)
        reply = job.reply
        trial.history.acknowledged, everything = [job], trial.history.acknowledged
        job.reply = Reply(reply.method, reply.path, reply.version, reply.status, reply.headers, reply.body.replace(b'"UTC"', b'"GMT"'))
        changed = Audit(trial.history, stand.database, trial.versions()).run(stand.front.port, SEED)
        trial.history.acknowledged, job.reply = everything, reply
    finally:
        stand.stop()
    return trial, changed


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_breach_is_found(kept, cluster, planted):
    kind, statements = PLANTED[planted]
    trial, _ = kept
    cluster.psql("-c", "DROP DATABASE IF EXISTS planted", "-c", "CREATE DATABASE planted TEMPLATE audited")
    database = Database(cluster, "planted")
    assert Audit(trial.history, database, trial.versions()).run().total() == 0
    with contextlib.closing(database.connect()) as db, db.cursor() as cursor:
        cursor.execute(statements)
        assert cursor.rowcount > 0, "nothing was planted"
    found = Audit(trial.history, database, trial.versions()).run()
    assert found.findings[kind], f"{kind} was not found, only {found}"


def test_a_replay_with_another_body_is_found(kept):
    _, changed = kept
    assert len(changed.findings["replays that differ"]) == 1 == changed.total(), changed


def test_a_write_that_is_never_acknowledged_is_found(kept, cluster):
    trial, _ = kept
    job = next(job for job in trial.history.jobs if job.kind == "create" and job.reply)
    job.reply, reply = None, job.reply
    try:
        assert Audit(trial.history, Database(cluster, "audited"), {}).run().findings["never acknowledged"]
    finally:
        job.reply = reply


class OneAnswer:
    """A Wire that always has the same answer."""

    def __init__(self, status, body, headers):
        self.answer = (status, headers, body)

    def send(self, tenant, method, path, body=None, key=None):
        return Reply(method, path, CURRENT, *self.answer)


def tenant(name):
    made = Tenant.__new__(Tenant)
    made.name, made.domain, made.livemode, made.key = name, f"@{name}.example", True, "ck"
    return made


def error(code, kind, **more):
    body = {"code": code, "message": "No.", "details": None, "param": None, **more}
    nested = {**body, "type": kind, "doc_url": f"/api-reference/{CURRENT}/errors/{code}.md"}
    body.pop("param")
    return json.dumps({"success": False, **body, "error": nested}).encode()


ID = [("X-Request-Id", "req_a")]
AGAIN = [*ID, ("Retry-After", "1")]
GOOD = b'{"object":"customer","livemode":true,"email":"a@one.example"}'


@pytest.mark.parametrize("status, body, headers, kind", [
    (200, GOOD, ID, None),
    (200, GOOD, [], "unexpected answers"),
    (200, GOOD.replace(b"one", b"two"), ID, "wrong-tenant answers"),
    (200, GOOD.replace(b"true", b"false"), ID, "unexpected answers"),
    (503, error("service_unavailable", "internal_error"), AGAIN, None),
    (503, error("service_unavailable", "internal_error"), [("Retry-After", "1")], None),  # the web server's own
    (503, error("idempotency_unavailable", "internal_error"), [("Retry-After", "1")], "unexpected answers"),
    (503, error("service_unavailable", "internal_error"), ID, "unexpected answers"),
    (429, error("rate_limited", "rate_limit_error"), AGAIN, None),
    (429, error("rate_limited", "rate_limit_error"), ID, "unexpected answers"),
    (503, b"<html>503 Service Temporarily Unavailable</html>", AGAIN, "unexpected answers"),
    (503, error("service_unavailable", "internal_error", message="a@two.example"), AGAIN, "wrong-tenant answers"),
    (500, error("internal_error", "internal_error"), AGAIN, "unexpected answers"),
    (401, error("unauthorized", "authentication_error"), ID, "unexpected answers"),
    (404, error("customer_not_found", "not_found_error"), ID, "unexpected answers"),
    (409, error("idempotency_in_progress", "conflict_error"), ID, None),
    (409, error("idempotency_key_mismatch", "conflict_error"), ID, "unexpected answers"),
])
def test_an_answer_that_may_not_be_is_found(status, body, headers, kind):
    one, two = tenant("one"), tenant("two")
    history = History([one, two])
    history.attempt(OneAnswer(status, body, headers), one, "GET", CUSTOMERS)
    assert [found for found, _ in history.breaches] == ([kind] if kind else []), history.breaches


def test_two_ids_of_one_external_id_are_found():
    one = tenant("one")
    history = History([one])
    for number in ("1", "2"):
        job = Job(one, "create", {}, f"key-{number}", items=[("own", "a@one.example")])
        body = json.dumps({"id": f"cus_{number}", "email": "a@one.example"}).encode()
        history.acknowledge(job, Reply("POST", CUSTOMERS, CURRENT, 201, [], body))
    assert [kind for kind, _ in history.breaches] == ["duplicates of an external id"]


def test_an_answer_about_another_subscription_is_found():
    one = tenant("one")
    one.plans = {"basic": "pln_1"}
    history = History([one])
    life = Life(one, "cus_1", "basic", Purse())

    def answer(kind, after, subject, **said):
        body = json.dumps({"status": "active", **said}).encode()
        history.acknowledge(Deed(life, kind, f"key-{len(history.jobs)}", SUBSCRIPTIONS, {}, after, subject), Reply("POST", SUBSCRIPTIONS, CURRENT, 201, [], body))
        return [found for found, _ in history.breaches]

    assert answer("subscribe", life.subscribed, None, id="sub_1") == []
    assert answer("subscribe", life.subscribed, None, id="sub_1") == []
    assert answer("subscribe", life.subscribed, None, id="sub_2") == ["two live subscriptions"]
    assert answer("cancel", life.canceled, "sub_1", id="sub_2") == ["two live subscriptions", "unexpected answers"]


def test_time_without_an_answer_is_measured():
    history = History([tenant("one")])
    for _ in range(2):
        history.attempt(OneAnswer(200, GOOD, []), history.tenants[0], "GET", CUSTOMERS)
        time.sleep(0.05)
    assert 0.05 <= history.longest_away < 1
