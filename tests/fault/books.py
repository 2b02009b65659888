"""What must hold of subscriptions, invoices and credit: by themselves, and after what was acknowledged of them (shopper.py)."""

import collections
import uuid

from shopper import DEEDS

KINDS = ("two live subscriptions", "periods billed twice", "periods not billed", "gaps in invoice numbers", "invoices that do not add up",
         "credit lost", "events that do not fit")
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

Subscription = collections.namedtuple("Subscription", "environment id customer plan status period cancels")
Invoice = collections.namedtuple("Invoice", "environment id subscription customer number status type period subtotal credit total lines")


def public_id(of, prefix):
    """The prefix and 22 digits in base 62."""
    number, text = int(of.replace("-", ""), 16), ""
    for _ in range(22):
        number, digit = divmod(number, 62)
        text = DIGITS[digit] + text
    return prefix + text


def uuid_of(public):
    """The other way."""
    number = 0
    for digit in public.partition("_")[2]:
        number = number * 62 + DIGITS.index(digit)
    return str(uuid.UUID(int=number))


class Books:
    """found(kind, what) takes the findings."""

    def __init__(self, cursor, history, found):
        self.history, self.found = history, found
        self.environments = {tenant.environment for tenant in history.tenants}
        cursor.execute("SELECT environment_id, id FROM customer")
        self.customers = set(cursor)
        cursor.execute("SELECT environment_id, id, customer_id, plan_id, status, period_index, cancel_at IS NOT NULL FROM subscription")
        self.subscriptions = [Subscription(*row) for row in cursor]
        cursor.execute("SELECT i.environment_id, i.id, i.subscription_id, i.customer_id, i.number, i.status, i.invoice_type, i.period_index,"
                       " i.subtotal, i.credit_applied, i.total, (SELECT coalesce(sum(l.amount), 0) FROM invoice_line l"
                       "   WHERE l.environment_id = i.environment_id AND l.invoice_id = i.id) FROM invoice i")
        self.invoices = [Invoice(*row) for row in cursor]
        cursor.execute("SELECT environment_id, last FROM invoice_counter")
        self.counters = dict(cursor)
        cursor.execute("SELECT environment_id, customer_id, balance FROM customer_credit")
        self.credit = {(environment, customer): balance for environment, customer, balance in cursor}
        cursor.execute("SELECT environment_id, subscription_id, type, count(*) FROM event WHERE subscription_id IS NOT NULL GROUP BY 1, 2, 3")
        self.events = {tuple(key): count for *key, count in cursor}

    def check(self):
        self.relations()
        self.periods()
        self.amounts()
        self.numbers()
        self.lives()
        self.purses()

    def event(self, row, kind):
        return self.events.get((row.environment, row.id, kind), 0)

    # ---- whatever the clients say

    def relations(self):
        """What belongs together is there, and in one environment."""
        known = {(row.environment, row.id): row for row in self.subscriptions}
        live = collections.Counter((row.environment, row.customer) for row in self.subscriptions if row.status != "canceled")
        billed = collections.Counter((row.environment, row.subscription) for row in self.invoices)
        voided = collections.Counter((row.environment, row.subscription) for row in self.invoices if row.status == "void")
        for place, count in live.items():
            if count > 1:
                self.found("two live subscriptions", place)
        for row in self.subscriptions:
            if row.environment not in self.environments or (row.environment, row.customer) not in self.customers:
                self.found("strangers", row)
            place = row.environment, row.id
            told = [self.event(row, kind) for kind in ("subscription.created", "invoice.created", "invoice.voided")]
            if told != [1, billed[place], voided[place]]:
                self.found("events that do not fit", row)
        for row in self.invoices:
            owner = known.get((row.environment, row.subscription))
            if row.environment not in self.environments or not owner or owner.customer != row.customer:
                self.found("strangers", row)

    def periods(self):
        """Each is billed once. A void invoice bills nothing; but what is canceled at once voids what was not paid of it."""
        billed = collections.Counter((row.environment, row.subscription, row.period, row.type) for row in self.invoices if row.status != "void")
        for place, count in billed.items():
            if count > 1:
                self.found("periods billed twice", place)
        for row in self.subscriptions:
            have = {i.period for i in self.invoices_of(row) if i.status != "void" or row.status == "canceled"}
            if missing := set(range(1, row.period + 1)) - have:
                self.found("periods not billed", f"{sorted(missing)} of {row}")

    def invoices_of(self, subscription):
        if not hasattr(self, "by_subscription"):
            self.by_subscription = collections.defaultdict(list)
            for row in self.invoices:
                self.by_subscription[row.environment, row.subscription].append(row)
        return self.by_subscription[subscription.environment, subscription.id]

    def amounts(self):
        for row in self.invoices:
            if row.lines != row.subtotal or row.total != row.subtotal - row.credit or row.credit < 0:
                self.found("invoices that do not add up", row)
        for place, balance in self.credit.items():
            if balance < 0:
                self.found("credit lost", f"{balance} of {place}")

    def numbers(self):
        """Without gaps in each environment."""
        numbers = collections.defaultdict(list)
        for row in self.invoices:
            numbers[row.environment].append(row.number)
        for environment in {*numbers, *self.counters}:
            there, last = sorted(numbers[environment]), self.counters.get(environment, 0)
            if there != list(range(1, last + 1)):
                self.found("gaps in invoice numbers", f"{environment}: {len(there)} up to {there[-1:]}, the counter says {last}")

    # ---- what was acknowledged

    def lives(self):
        rows = {(row.environment, public_id(row.id, "sub_")): row for row in self.subscriptions}
        paid = {(row.environment, public_id(row.id, "inv_")) for row in self.invoices if row.status == "paid"}
        sure = [life for life in self.history.lives if life.id and not life.deed]
        for life in sure:
            row = rows.get((life.tenant.environment, life.id))
            told = (life.customer, life.status, life.tenant.plans[life.plan], life.cancels)
            there = row and (public_id(row.customer, "cus_"), row.status, public_id(row.plan, "pln_"), row.cancels and row.status != "canceled")
            if told != there:
                self.found("acknowledged writes lost", f"{life}: there is {row}")
            if missing := [invoice for invoice in life.paid if (life.tenant.environment, invoice) not in paid]:
                self.found("acknowledged writes lost", f"the payment of {missing}: {life}")
            counts = {kind: self.event(row, kind) for kind in DEEDS} if row else life.events
            if any(counts[kind] != life.events[kind] for kind in DEEDS):
                self.found("events that do not fit", f"{counts} of {life}")
        # What no acknowledgement tells of may be there only where one is still to come.
        told = {(life.tenant.environment, life.id) for life in self.history.lives}
        open_ = {(life.tenant.environment, life.customer) for life in self.history.lives if life.deed}
        for place, row in rows.items():
            if place not in told and (row.environment, public_id(row.customer, "cus_")) not in open_:
                self.found("writes done twice", row)

    def purses(self):
        """What was gained and was not taken by an invoice is there."""
        lives = collections.defaultdict(list)
        for life in self.history.lives:
            lives[life.tenant.environment, life.customer].append(life)
        taken = collections.Counter()
        for row in self.invoices:
            taken[row.environment, row.customer] += row.credit if row.status != "void" else 0
        for environment, customer in self.customers:
            of = lives[environment, public_id(customer, "cus_")]
            left = (of[0].purse.gained if of else 0) - taken[environment, customer]
            if not any(life.deed for life in of) and self.credit.get((environment, customer), 0) != left:
                self.found("credit lost", f"{self.credit.get((environment, customer), 0)} of {customer} instead of {left}")
