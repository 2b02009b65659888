"""
Clients that subscribe, pay, change and cancel, beside those of client.py. Each has one customer at a time, whom nobody
else touches: so what must be there in the end follows from what was acknowledged.
"""

import collections
import json
import threading
import time

from client import PAUSE, Job, Writer

PLANS, GROUPS, SUBSCRIPTIONS, INVOICES = (f"/api/v1/{name}" for name in ("plans", "plan-groups", "subscriptions", "invoices"))
# The second is the dearer one; of both a year costs less than two months, so that a change to it may leave credit over.
PRICES = {"basic": {"monthly": 3000, "yearly": 100}, "pro": {"monthly": 9000, "yearly": 20000}}
# One deed is one event of these.
DEEDS = ("subscription.created", "payment.received", "subscription.plan_changed", "subscription.plan_change_scheduled",
         "subscription.plan_change_revoked", "subscription.cancellation_scheduled", "subscription.cancellation_revoked",
         "subscription.canceled")


def open_shop(wire, tenant):
    """The tenant's plans, by name; their names are in answers and tell whose they are."""

    def post(path, value):
        reply = wire.send(tenant, "POST", path, json.dumps(value).encode())
        assert reply.status in (200, 201), reply
        return reply.json["id"] if "id" in reply.json else None

    group = post(GROUPS, {"name": "group"})
    tenant.plans = {}
    for order, (name, prices) in enumerate(PRICES.items()):
        plan = tenant.plans[name] = post(PLANS, {"name": name + tenant.domain, "code": name})
        for interval, price in prices.items():
            post(f"{PLANS}/{plan}/prices", {"billingInterval": interval, "price": price})
        post(f"{GROUPS}/{group}/plans", {"planId": plan, "sortOrder": order})


class Purse:
    """What changes of plan have left over for a customer."""

    def __init__(self):
        self.gained = 0


class Life:
    """A subscription, as it must be after all that was acknowledged."""

    def __init__(self, tenant, customer, plan, purse):
        self.tenant, self.customer, self.plan, self.purse = tenant, customer, plan, purse
        self.id, self.status = None, None
        self.step = "monthly"
        self.cancels = False    # at the end of its period
        self.next_plan = None   # then
        self.quote = None       # the invoice that asks for a change
        self.unpaid = None      # another one
        self.paid = []
        self.events = collections.Counter()
        self.deed = None        # that is on its way
        self.over = False       # no more deeds come

    def __str__(self):
        return (f"{self.tenant.name} {self.id} of {self.customer}: {self.status} {self.plan} {self.step} cancels={self.cancels} "
                f"next={self.next_plan} quote={self.quote} unpaid={self.unpaid} paid={self.paid} {dict(self.events)}")

    def tell(self, *names):
        self.events.update(f"subscription.{name}" for name in names)

    # ---- what each deed leaves behind; each may return what is wrong with its answer

    def subscribed(self, said):
        if self.id:
            return None if said["id"] == self.id else f"{said['id']} beside {self}"
        self.id, self.status = said["id"], said["status"]
        self.tell("created")

    def settled(self, said):
        self.paid.append(said["id"])
        self.events["payment.received"] += 1
        if said["id"] == self.quote:
            self.tell("plan_changed")
            self.plan, self.quote = "pro", None
        else:
            self.status, self.unpaid = "active", None

    def changed(self, plan, step, said):
        if said["outcome"] == "requires_checkout":
            self.quote = said["invoiceId"]
        elif said["outcome"] == "scheduled":
            self.next_plan = plan
            self.tell("plan_change_scheduled")
        elif plan == self.plan and step == self.step:
            self.next_plan = None
            self.tell("plan_change_revoked")
        else:
            self.plan, self.step = plan, step
            self.unpaid = said["invoiceId"] if said["billing"]["totalCharged"] else None
            self.purse.gained += max(0, -said["billing"]["netAmount"])
            self.tell("plan_changed")

    def canceled(self, said):
        if self.next_plan and said["status"] != "canceled":
            self.tell("plan_change_revoked")
        self.quote = self.next_plan = None
        self.cancels = said["status"] != "canceled"
        self.status = said["status"]
        self.tell("cancellation_scheduled" if self.cancels else "canceled")

    def uncanceled(self, said):
        self.cancels = False
        self.tell("cancellation_revoked")

    def aged(self):
        """Its period ends, and what waited for that takes effect."""
        if self.cancels:
            self.status, self.cancels = "canceled", False
            self.tell("canceled")
        elif self.next_plan:
            self.plan, self.next_plan = self.next_plan, None
            self.tell("plan_changed")


class Deed(Job):
    """A job about a subscription. subject: the id that its answer must have, or None; after(said): what it leaves behind."""

    def __init__(self, life, kind, key, path, body, after, subject=None, method="POST"):
        super().__init__(life.tenant, kind, body, key, path, method)
        self.life, self.after, self.subject = life, after, subject

    def __str__(self):
        return f"{super().__str__()} {self.life}"

    def read(self, said):
        assert self.subject in (None, said["id"]), "of another one"
        return {"id": said["id"]}

    def done(self, said):
        self.life.deed = None
        return self.after(said)

    def seen(self):
        if self.life.id:
            yield f"{SUBSCRIPTIONS}/{self.life.id}", {"id": self.life.id, "customerId": self.life.customer}


class Shopper(Writer):
    """Lives of subscriptions, one after the other."""

    def __init__(self, crowd, tenant, number):
        super().__init__(crowd, tenant, number)
        self.name = f"s{number}"

    def run(self):
        while not self.crowd.over.is_set():
            for jobs in self.walk(f"{self.name}-{next(self.numbers)}"):
                self.send(jobs)
                if self.crowd.over.is_set() or not all(job.reply for job in jobs):
                    break
                time.sleep(PAUSE)

    def send(self, jobs):
        """One job, or two at once."""
        with self.history.lock:
            self.history.jobs += dict.fromkeys(jobs)
        others = [threading.Thread(target=self.until_acknowledged, args=(job, self.twin), daemon=True) for job in jobs[1:]]
        for other in others:
            other.start()
        self.until_acknowledged(jobs[0], self.wire)
        for other in others:
            other.join()

    def walk(self, name):
        """Yields what is to be sent, one time after the other."""
        customer = self.create(name)
        yield [customer]
        purse = Purse()
        for number in range(self.random.randint(1, 2)):
            life = Life(self.tenant, customer.ids[self.mail(name)], "basic", purse)
            for turn, jobs in enumerate(self.live(life)):
                jobs = jobs(f"key-{name}-{number}-{turn}")
                life.deed = jobs[0]
                yield jobs
            life.over = True
            if life.status != "canceled":
                return

    def live(self, life):
        """Yields functions from an idempotency key to jobs."""
        with self.history.lock:
            self.history.lives.append(life)
        yield lambda key: self.subscribe(life, key)
        life.unpaid = self.outstanding(life)
        for _ in range(self.random.randint(1, 9)):
            move = self.random.choice(self.moves(life))
            yield lambda key: self.perhaps_twice([getattr(self, move)(life, key)])
            if life.status == "canceled":
                return

    def moves(self, life):
        if life.unpaid:
            return ["pay"] * 6 + ["end"]
        if life.quote:
            return ["pay", "pay", "pay", "cancel"]
        if life.cancels:
            return ["uncancel"] * 3 + ["end"]
        if life.next_plan:
            return ["revoke", "cancel"]
        return ["cancel", "cancel", "end"] + (["downgrade"] * 2 if life.plan == "pro" else ["upgrade"] * 3 + ["yearly"] * 3 * (life.step == "monthly"))

    def perhaps_twice(self, jobs):
        """By two clients with the same key, now and then."""
        return jobs * (2 if self.random.random() < 0.15 else 1)

    def outstanding(self, life):
        """The invoice of a subscription that waits to be paid."""
        while not self.crowd.given_up.is_set():
            _, reply = self.history.attempt(self.wire, self.tenant, "GET", f"{INVOICES}?subscriptionId={life.id}&status=outstanding")
            if reply is not None and reply.status == 200:
                return reply.json["data"][0]["id"] if reply.json["data"] else None
            time.sleep(self.random.uniform(0.005, 0.05))
        return None

    # ---- deeds

    def subscribe(self, life, key):
        """Now and then it is asked for by two clients, with keys of their own: one is made, unless it is active at once."""
        body = {"customerId": life.customer, "planId": self.tenant.plans[life.plan], "metadata": {"of": self.tenant.domain}}
        rivals = 2 if not self.tenant.by_invoice and not life.purse.gained and self.random.random() < 0.3 else 1
        return [Deed(life, "subscribe", f"{key}-{rival}", SUBSCRIPTIONS, body, life.subscribed) for rival in range(rivals)]

    def pay(self, life, key):
        invoice = life.quote or life.unpaid
        return Deed(life, "pay", key, f"{INVOICES}/{invoice}/status", {"status": "paid"}, life.settled, invoice, "PUT")

    def change(self, life, key, kind, plan, step):
        body = {"newPlanId": self.tenant.plans[plan], "newBillingInterval": step}
        return Deed(life, kind, key, f"{SUBSCRIPTIONS}/{life.id}/change-plan", body, lambda said: life.changed(plan, step, said), life.id)

    def upgrade(self, life, key):
        return self.change(life, key, "upgrade", "pro", life.step)

    def downgrade(self, life, key):
        return self.change(life, key, "downgrade", "basic", life.step)

    def revoke(self, life, key):
        return self.change(life, key, "revoke", life.plan, life.step)

    def yearly(self, life, key):
        return self.change(life, key, "yearly", "basic", "yearly")

    def cancel(self, life, key):
        return Deed(life, "cancel", key, f"{SUBSCRIPTIONS}/{life.id}/cancel", {"reason": "tried"}, life.canceled, life.id)

    def end(self, life, key):
        return Deed(life, "end", key, f"{SUBSCRIPTIONS}/{life.id}/cancel", {"immediate": True}, life.canceled, life.id)

    def uncancel(self, life, key):
        return Deed(life, "uncancel", key, f"{SUBSCRIPTIONS}/{life.id}/uncancel", {}, life.uncanceled, life.id)
