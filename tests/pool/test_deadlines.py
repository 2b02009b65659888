"""Deadlines of subscriptions: the clerk carries them out in order and once, whatever happens to it."""

import contextlib
import json
import os
import random
import signal
import time

import pytest

from stack import PATIENCE, wait_until
from test_admin import Admin
from test_clerk import clerk_of, state

PLANS, SUBSCRIPTIONS, CUSTOMERS = "/api/v1/plans", "/api/v1/subscriptions", "/api/v1/customers"


class Billing:
    """A database with a plan, and what the tests do to it."""

    def __init__(self, pool, database, environment="live"):
        self.database, self.pool = database, pool
        self.key = database.organization("Billing Ltd").key(environment)
        self.environment = self.scalar("SELECT e.id FROM environment e JOIN api_key k ON k.environment_id = e.id LIMIT 1")
        self.execute("INSERT INTO billing_setting (environment_id, collection, net_days) VALUES (%s, 'invoice', 365)", self.environment)
        self.numbers = 0

    def execute(self, statement, *values):
        with contextlib.closing(self.database.connect()) as db, db.cursor() as cursor:
            cursor.execute(statement, values)
            db.commit()
            return cursor.fetchall() if cursor.description else None

    def scalar(self, statement, *values):
        return self.execute(statement, *values)[0][0]

    def service(self, **options):
        p = self.pool(self.database, **{"workers": 1, **options})
        p.key = self.key
        return Admin(p)

    def post(self, p, uri, value):
        answer = p.pool.ask("POST", uri, body=json.dumps(value).encode())
        assert answer.status in (200, 201, 202), answer.body
        return json.loads(answer.body)

    def offer(self, p, interval="monthly", price=1000, trial_days=0, **plan):
        """A plan with one price; its id."""
        self.numbers += 1
        plan = self.post(p, PLANS, {"name": "Plan", "code": f"plan_{self.numbers}", **plan})
        self.post(p, f"{PLANS}/{plan['id']}/prices", {"billingInterval": interval, "price": price, "trialDays": trial_days})
        return plan["id"]

    def subscribe(self, p, plan, **more):
        """A subscription of a new customer; its id."""
        self.numbers += 1
        customer = self.post(p, CUSTOMERS, {"id": f"c{self.numbers}", "email": "a@example.com", "timezone": "UTC"})
        return self.post(p, SUBSCRIPTIONS, {"customerId": customer["id"], "planId": plan, **more})["id"]

    def multiply(self, count):
        """So many more like the one subscription that is there, each with a customer and a first invoice of its own."""
        with contextlib.closing(self.database.connect()) as db, db.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE first AS SELECT id AS s, customer_id AS c FROM subscription")
            cursor.execute("CREATE TEMP TABLE made AS SELECT n, gen_random_uuid() AS s, gen_random_uuid() AS c, gen_random_uuid() AS i "
                           "FROM generate_series(1, %s) n", (count,))
            for table, which, of, row in (
                    ("customer", "id", "c", "'id', c, 'external_id', 'm' || n"),
                    ("invoice", "subscription_id", "s", "'id', i, 'customer_id', c, 'subscription_id', made.s, 'number', number + n, 'token', i"),
                    ("subscription", "id", "s", "'id', made.s, 'customer_id', c")):
                cursor.execute("SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
                               "AND NOT attisdropped AND attgenerated = ''", (table,))
                columns = cursor.fetchone()[0]
                cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM (SELECT (json_populate_record(t, json_build_object({row}))).* "
                               f"FROM {table} t, made WHERE t.{which} = (SELECT {of} FROM first)) made")
            cursor.execute("UPDATE invoice_counter SET last = last + %s", (count,))
            db.commit()

    def shift(self, days):
        """All subscriptions and their first invoices began so much earlier."""
        self.execute("UPDATE subscription SET anchor = anchor - %s::interval, start_date = anchor - %s::interval", days, days)
        self.execute("UPDATE subscription SET period_start = anchor, period_end = billing_period_end(anchor, zone, step, 1), "
                     "due_at = billing_period_end(anchor, zone, step, 1) - interval '3 days'")
        self.execute("UPDATE invoice i SET issue_date = s.anchor, period_start = s.anchor, period_end = s.period_end, "
                     "due_date = s.anchor + interval '365 days' FROM subscription s WHERE s.id = i.subscription_id")

    def renewals(self, days, ahead=0):
        """How many periods of a subscription end within so many days from its anchor."""
        return self.scalar("""
            SELECT count(*) FROM (SELECT * FROM subscription LIMIT 1) s, generate_series(1, 20) n
             WHERE billing_period_end(s.anchor, s.zone, s.step, n) - %s * interval '1 day' <= s.anchor + %s * interval '24 hours'""", ahead, days)

    def deadlines(self, days):
        """With the notices before them."""
        return self.renewals(days) + self.renewals(days, 3)

    def left(self):
        return self.scalar("SELECT count(*) FROM subscription WHERE due_at <= now()")

    def audit(self):
        """What may never be so, whatever happened."""
        assert self.execute("SELECT customer_id FROM subscription WHERE status <> 'canceled' GROUP BY 1 HAVING count(*) > 1") == []
        assert self.execute("SELECT subscription_id, period_index FROM invoice WHERE status <> 'void' AND invoice_type = 'recurring' "
                            "GROUP BY 1, 2 HAVING count(*) > 1") == []
        assert self.execute("""SELECT s.id, n FROM subscription s CROSS JOIN generate_series(1, s.period_index) n
                                WHERE NOT EXISTS (SELECT FROM invoice i WHERE i.subscription_id = s.id AND i.period_index = n)""") == []
        assert self.scalar("SELECT coalesce(max(number), 0) - count(*) FROM invoice") == 0


@pytest.fixture
def billing(cluster, pool):
    made = []

    def new(name):
        made.append(Billing(pool, cluster.database(name)))
        return made[-1]

    return new


def done(p):
    return state(p)["clerk"]["done"]["subscription_deadlines"]


MONTHS = 11
DAYS = f"{30 * MONTHS + 12} days"  # so many periods are over, and notice was to be given of the end of one more or not


def due(billing):
    """How many deadlines a subscription has until now: renewals and notices."""
    return billing.scalar("""
        SELECT count(*) FILTER (WHERE billing_period_end(s.anchor, s.zone, s.step, n) <= now())
             + count(*) FILTER (WHERE billing_period_end(s.anchor, s.zone, s.step, n) - interval '3 days' <= now())
          FROM (SELECT * FROM subscription LIMIT 1) s, generate_series(1, 20) n""")


@pytest.fixture
def billing(cluster, pool, request):
    b = Billing(pool, cluster.database("due_" + str(abs(hash(request.node.name)))[:8]))
    p = b.service().start()
    b.made = b.subscribe(p, b.offer(p))
    p.stop()
    return b


def test_after_an_outage_all_that_was_due_is_done_in_order_and_as_of_its_time(billing):
    billing.shift(DAYS)
    p = billing.service(clerk="on").start()
    wait_until(lambda: billing.left() == 0, what="nothing left to do")
    rows = billing.execute("""
        SELECT i.period_index, i.period_start = i.issue_date AND i.due_date = i.issue_date + interval '365 days'
               AND i.period_start = billing_period_end(s.anchor, s.zone, s.step, i.period_index - 1)
               AND i.period_end = billing_period_end(s.anchor, s.zone, s.step, i.period_index), i.number
          FROM invoice i JOIN subscription s ON s.id = i.subscription_id ORDER BY i.number""")
    assert rows == [(n, True, n) for n in range(1, MONTHS + 2)]
    told = billing.execute("""
        SELECT e.type, e.created_at = CASE e.type WHEN 'invoice.upcoming' THEN billing_period_end(s.anchor, s.zone, s.step, n) - interval '3 days'
                                      ELSE billing_period_end(s.anchor, s.zone, s.step, n) END
          FROM (SELECT e.*, (row_number() OVER (PARTITION BY type ORDER BY id)) AS n FROM event e
                 WHERE type = 'invoice.upcoming' OR type = 'invoice.created' AND id > (SELECT min(id) FROM event WHERE type = 'invoice.created')) e
          JOIN subscription s ON s.id = e.subscription_id ORDER BY e.id""")
    assert told == [("invoice.upcoming", True), ("invoice.created", True)] * MONTHS + [("invoice.upcoming", True)] * (due(billing) - 2 * MONTHS)
    wait_until(lambda: done(p) == due(billing), what="the count")
    billing.audit()


def test_a_clerk_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing(billing):
    billing.multiply(200)
    billing.shift(DAYS)
    p = billing.service(clerk="on").start()
    kills = 0
    while billing.left():
        pid = state(p)["clerk"].get("pid")
        before = billing.scalar("SELECT count(*) FROM invoice")
        wait_until(lambda: billing.left() == 0 or billing.scalar("SELECT count(*) FROM invoice") > before + 50, what="some work")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            kills += 1
        p.signal(signal.SIGHUP)  # the next one follows at once
        clerk_of(p, pid)
    assert kills >= 5
    assert billing.scalar("SELECT count(*) FROM invoice") == 201 * (MONTHS + 1)
    billing.audit()


def test_clerks_of_two_hosts_share_the_work(billing):
    billing.multiply(300)
    billing.shift(DAYS)
    hosts = [billing.service(clerk="on") for _ in range(2)]
    for host in hosts:
        host.start()
    wait_until(lambda: billing.left() == 0, 60, what="nothing left to do")
    wait_until(lambda: sum(map(done, hosts)) == 301 * due(billing), what="the counts")
    assert min(map(done, hosts)) > 300
    assert all(state(host)["clerk"]["failed"]["subscription_deadlines"] == 0 for host in hosts)
    assert billing.scalar("SELECT count(*) FROM invoice") == 301 * (MONTHS + 1)
    billing.audit()


def test_one_that_cannot_be_carried_out_holds_no_other_up(billing):
    """An invoice of its second period is there already, as after a restore that went wrong."""
    bad, name = billing.scalar("SELECT id FROM subscription"), billing.made
    billing.multiply(20)
    billing.shift(DAYS)
    billing.execute("UPDATE subscription SET due_at = due_at - interval '1 day' WHERE id = %s", bad)  # it comes first
    billing.execute("""
        INSERT INTO invoice SELECT (json_populate_record(i, json_build_object('id', gen_random_uuid(), 'number', 99999, 'token', 'bad', 'period_index', 2))).*
          FROM invoice i WHERE subscription_id = %s""", bad)
    p = billing.service(clerk="on").start()
    wait_until(lambda: billing.left() == 1, what="the end of the others")
    assert billing.scalar("SELECT count(*) FROM invoice WHERE subscription_id <> %s", bad) == 20 * (MONTHS + 1)
    state_of = lambda: state(p)  # noqa: E731
    wait_until(lambda: state_of()["pool"]["clerkBehindMs"] > 86400 * 1000, what="its age")
    wait_until(lambda: state_of()["pool"]["deadlinesSetAside"] == 1, what="the count")
    assert p.metrics()["clientele_deadlines_set_aside"] == 1 and "; 1 deadlines set aside; " in p.clientele("status").stdout
    wait_until(lambda: billing.scalar("SELECT tries FROM billing_failure") > 1, 20, what="another try")
    (told,) = [line for line in p.log().splitlines() if "fails and is set aside" in line]
    assert f"a deadline (renew) of the subscription {name} in the environment {billing.environment} " in told and "23505" in told
    billing.execute("DELETE FROM invoice WHERE token = 'bad'")
    billing.execute("UPDATE billing_failure SET try_at = now()")
    wait_until(lambda: billing.left() == 0, what="its turn")
    wait_until(lambda: state_of()["pool"]["deadlinesSetAside"] == 0 and billing.scalar("SELECT count(*) FROM billing_failure") == 0, what="the end of it")
    billing.audit()


def test_deadlines_of_a_test_clock_are_not_those_of_the_clerk(billing):
    billing.execute("UPDATE subscription SET clocked = true")
    billing.shift(DAYS)
    other = billing.scalar("SELECT id FROM subscription")
    p = billing.service(clerk="on").start()
    clerk_of(p)
    wait_until(lambda: state(p)["pool"]["clerkBehindMs"] == 0, what="a look")
    assert billing.scalar("SELECT period_index FROM subscription WHERE id = %s", other) == 1 and done(p) == 0


# ---------------------------------------------------------------- test clocks


def result(billing):
    """All that billing has left behind but what is random in it."""
    return [billing.execute(statement) for statement in (
        "SELECT to_jsonb(s) - 'updated_at' FROM subscription s ORDER BY id",
        "SELECT to_jsonb(i) - 'id' - 'token' FROM invoice i ORDER BY number",
        "SELECT l.position, l.description, l.amount, i.number FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id ORDER BY 4, 1",
        "SELECT e.type, e.subscription_id, e.created_at, i.number FROM event e LEFT JOIN invoice i ON i.id = e.invoice_id "
        "WHERE e.subscription_id IS NOT NULL ORDER BY e.id",
        "SELECT what, due_at, subscription_id, done, position FROM test_clock_item ORDER BY run_id, position",
        "SELECT to_jsonb(r) - 'id' - 'created_at' - 'stepped_at' FROM test_clock_run r",
        "SELECT test_clock FROM billing_setting")]


TABLES = ("subscription", "invoice", "invoice_line", "invoice_counter", "customer_credit", "billing_setting", "event", "test_clock_run",
          "test_clock_item")


def clock(p):
    answer = p.pool.ask("GET", "/api/v1/test-clock")
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def run_is_over(p):
    return clock(p)["latestRun"]["status"] in ("completed", "failed")


@pytest.fixture
def sandbox(cluster, pool, request):
    """A thousand subscriptions of a sandbox."""
    b = Billing(pool, cluster.database("clock_" + str(abs(hash(request.node.name)))[:8]), "sandbox")
    p = b.service().start()
    b.subscribe(p, b.offer(p))
    p.stop()
    return b


def test_a_year_of_a_thousand_subscriptions_runs_in_less_than_a_minute(sandbox):
    sandbox.multiply(999)
    p = sandbox.service(clerk="on").start()
    begun = time.monotonic()
    run = sandbox.post(p, "/api/v1/test-clock", {"advanceDays": 360})
    assert run["estimatedDeadlineCount"] == 1000
    wait_until(lambda: run_is_over(p), 60, "the end of the run")
    took = time.monotonic() - begun
    latest = clock(p)["latestRun"]
    # Eleven periods end, and of each and the next one notice is given.
    assert latest["status"] == "completed" and latest["failedDeadlineCount"] == 0
    assert latest["completedDeadlineCount"] == 1000 * sandbox.deadlines(360) and took < 60 * PATIENCE
    assert sandbox.scalar("SELECT count(*) FROM invoice") == 1000 * (sandbox.renewals(360) + 1)
    sandbox.audit()


def test_a_run_whose_clerk_is_killed_leaves_the_same_as_an_undisturbed_one(sandbox):
    sandbox.multiply(99)
    for table in TABLES:
        sandbox.execute(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
    p = sandbox.service(clerk="on").start()
    target = sandbox.scalar("SELECT to_char(now() + interval '360 days', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
    begin = sandbox.scalar("SELECT date_trunc('milliseconds', now())")

    def run(disturb):
        for table in TABLES:
            sandbox.execute(f"DELETE FROM {table}")
            sandbox.execute(f"INSERT INTO {table} " + ("OVERRIDING SYSTEM VALUE " if table == "event" else "") + f"SELECT * FROM kept_{table}")
        sandbox.execute("UPDATE billing_setting SET test_clock = %s", begin)
        sandbox.post(p, "/api/v1/test-clock", {"frozenTime": target})
        disturb()
        wait_until(lambda: run_is_over(p), 60, "the end of the run")
        sandbox.audit()
        return result(sandbox)

    def kill():
        kills, pid = 0, None
        while not run_is_over(p):
            pid = clerk_of(p, pid)
            before = clock(p)["latestRun"]["completedDeadlineCount"]
            wait_until(lambda: run_is_over(p) or clock(p)["latestRun"]["completedDeadlineCount"] > before + random.randrange(80),
                       what="some work")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                kills += 1
            p.signal(signal.SIGHUP)  # the next one follows at once
        assert kills >= 3  # how many fit in depends on the machine

    undisturbed = run(lambda: None)
    assert run(kill) == undisturbed


def test_of_a_run_one_that_fails_is_told_and_the_others_are_done(sandbox):
    bad = sandbox.scalar("SELECT id FROM subscription")
    sandbox.multiply(9)
    sandbox.execute("""
        INSERT INTO invoice SELECT (json_populate_record(i, json_build_object('id', gen_random_uuid(), 'number', 99999, 'token', 'bad', 'period_index', 2))).*
          FROM invoice i WHERE subscription_id = %s""", bad)
    p = sandbox.service(clerk="on").start()
    sandbox.post(p, "/api/v1/test-clock", {"advanceDays": 360})
    wait_until(lambda: run_is_over(p), 20, "the end of the run")
    latest = clock(p)["latestRun"]
    assert (latest["status"], latest["failedDeadlineCount"]) == ("failed", 1) and latest["error"] == "1 deadlines could not be carried out."
    assert latest["completedDeadlineCount"] == 9 * sandbox.deadlines(360) + 1  # the notice before its renewal
    assert sandbox.execute("SELECT what, subscription_id FROM test_clock_item WHERE NOT done") == [("renew", bad)]
    assert clock(p)["now"] == latest["targetTime"]
