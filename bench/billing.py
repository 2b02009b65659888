"""Subscriptions, and the clerk that renews them: Clientele alone, behind nginx, each as a multiple of what customers cost."""

import statistics
import time
from pathlib import Path

CLIENTS = 16
# What a request costs, as a multiple of another one's rate: (what, that one, at most).
COSTS = (("active", "plain", 1.1), ("subscribed", "plain", 1.1), ("subscribe", "create", 1.6))
TITLES = {"plain": "get of a customer without a subscription", "subscribed": "get of a customer with one", "active": "get of the active subscription",
          "create": "create of a customer, with key", "subscribe": "create of a subscription, with key"}
RENEWED_MIN = 1500   # a second, by one clerk
SLOWER_MAX = 0.25    # creates, while it does so
RENEW_SECONDS = 10
RANGE = 20_000       # customers that one measurement may subscribe
DUE = """
UPDATE subscription s
   SET due_at = n.at, due_what = 'renew', anchor = n.at - interval '28 days', anchor_index = 0, period_index = 1,
       period_start = n.at - interval '28 days', period_end = n.at, step = 'monthly', noticed = true
  FROM (SELECT environment_id, id, date_trunc('milliseconds', now()) - interval '1 hour' + row_number() OVER () * interval '1 ms' AS at
          FROM subscription WHERE period_index = 1 AND due_at IS NULL) n
 WHERE s.environment_id = n.environment_id AND s.id = n.id
"""


class Ranges:
    """Customers that have no subscription, for each measurement others."""

    def __init__(self):
        self.begun = 0

    def next(self):
        self.begun += 1
        return [f"free {(self.begun - 1) * RANGE} {RANGE}"]


def ask(stack, what, seconds, ranges):
    answer = stack.wrk(stack.urls["nginx"], what, CLIENTS, seconds, everywhere=True, more=ranges.next() if what == "subscribe" else ())
    if answer["refused"] or answer["broken"]:
        raise SystemExit(f"{what}: {answer}")
    return answer["requests"] / answer["seconds"]


def costs(stack, options, ranges):
    rates = {what: [] for what in TITLES}
    for n in range(options.rounds):
        for what in TITLES:
            stack.sql("CHECKPOINT")
            rates[what].append(ask(stack, what, options.seconds, ranges))
        print(f"  billing, round {n + 1}: " + ", ".join(f"{what} {rate[-1]:,.0f}" for what, rate in rates.items()), flush=True)
    return {what: statistics.median(rate) for what, rate in rates.items()}


def renewed(stack):
    return int(stack.sql("SELECT coalesce(sum(last), 0) FROM invoice_counter")), time.monotonic()


def renewals(stack, seconds):
    before, begun = renewed(stack)
    time.sleep(seconds)
    after, ended = renewed(stack)
    return (after - before) / (ended - begun)


def renewing(stack, options, ranges):
    """Renewals a second by one clerk, beside creates, and by two."""
    alone = statistics.median(ask(stack, "create", options.seconds, ranges) for _ in range(3))
    stack.sql(DUE)
    stack.sql("VACUUM (ANALYZE) subscription")
    stack.sql("CHECKPOINT")
    time.sleep(1)
    one = renewals(stack, RENEW_SECONDS)
    beside = statistics.median(ask(stack, "create", options.seconds, ranges) for _ in range(3))
    with stack.scaled():
        two = renewals(stack, RENEW_SECONDS)
    stack.sql("UPDATE subscription SET due_at = NULL, due_what = NULL WHERE due_at < now()")
    print(f"  billing, renewals: {one:,.0f} a second by one clerk, {two:,.0f} by two; creates {alone:,.0f}, beside it {beside:,.0f}", flush=True)
    return {"one": one, "two": two, "creates": alone, "creates_beside": beside}


def run(stack, options):
    with Path(__file__).with_name("billing.sql").open() as load:
        stack.psql("clientele", "-v", f"shared={stack.main.shared}", "-v", f"organizations={stack.main.organizations}", "-f", "-", stdin=load)
    ranges = Ranges()
    return {"rates": costs(stack, options, ranges), "renewals": renewing(stack, options, ranges)}
