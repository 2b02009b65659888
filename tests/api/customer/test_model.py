"""
Random sequences of calls against a model of customers: what each answers, and what is there afterwards. A sequence is made
of its seed alone; one that fails says the seed and the calls.
"""

import random

import pytest

from helpers import uid

STEPS, LIVES = 60, 4
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


class Person:
    def __init__(self, own, shown, tag):
        self.own, self.shown, self.tag = own, shown, tag
        self.archived = self.gone = False
        self.into = None  # who it was merged into
        self.events = ["customer.created"]

    @property
    def id(self):
        return self.shown["id"]


class Model:
    """Each method makes one call, and says what it must answer."""

    def __init__(self, shop, seed):
        self.shop, self.random, self.people, self.calls = shop, random.Random(seed), [], []

    def any(self):
        """(the id that is called by, whose it is, the one who is meant)"""
        person = self.random.choice(self.people)
        some = self.random.choice((person.id, person.own))
        if some == person.own:  # of somebody who was erased another one may have it
            person = next((one for one in self.people if one.own == some and not one.gone), person)
        meant = person
        while meant.into:
            meant = meant.into
        return some, person, meant

    def call(self, method, path, body=None, **more):
        self.calls.append(f"{method} {path} {body} {more}")
        return self.shop.call(method, path, body, **more)

    def took(self, person, reply, *events):
        person.shown, person.tag = reply.customer(200), reply.header("ETag") or person.tag
        person.events += events

    def create(self):
        own = self.random.choice([person.own for person in self.people] + [uid("model")] * 4)
        reply = self.call("POST", "/customers", {"email": f"{own}@example.com", "externalId": own, "metadata": {"n": 0}})
        holder = next((person for person in self.people if person.own == own and not person.gone), None)
        if holder is None:
            self.people.append(Person(own, reply.customer(201), reply.header("ETag")))
            return
        while holder.into:
            holder = holder.into
        assert reply.customer(200) == holder.shown

    def update(self):
        some, person, meant = self.any()
        value = self.random.randrange(3)
        merges = self.random.random() < 0.5
        reply = self.call("PATCH", "/customers/" + some, {"metadata": {"n": value}}, headers=MERGE_PATCH if merges else {})
        if meant.gone:
            return reply.error("customer_not_found", 404)
        same = meant.shown["metadata"] == {"n": value}
        shown, tag = meant.shown, meant.tag
        self.took(meant, reply, *([] if same else ["customer.updated"]))
        assert meant.shown["metadata"] == {"n": value} and (meant.shown["updatedAt"] == shown["updatedAt"]) == (meant.tag == tag) == same
        assert {**meant.shown, "metadata": 0, "updatedAt": 0} == {**shown, "metadata": 0, "updatedAt": 0}

    def update_on_condition(self):
        some, person, meant = self.any()
        stale = self.random.random() < 0.5
        tag = meant.tag if not stale else f'"{meant.id}.999.2026-08-27"'
        reply = self.call("PATCH", "/customers/" + some, {"fullName": uid("name")}, headers={"If-Match": tag})
        if meant.gone:
            return reply.error("customer_not_found", 404)
        if stale:
            reply.error("precondition_failed", 412)
        else:
            self.took(meant, reply, "customer.updated")

    def get(self):
        some, person, meant = self.any()
        reply = self.call("GET", "/customers/" + some)
        if meant.gone:
            return reply.error("customer_not_found", 404)
        shown = reply.customer(200, get=True)
        assert {name: shown[name] for name in meant.shown} == meant.shown
        again = self.call("GET", "/customers/" + some, headers={"If-None-Match": reply.header("ETag")})
        assert (again.status, again.body) == (304, b"")
        assert reply.header("Clientele-Merged") == (meant.id if person is not meant else None)

    def archive(self):
        some, person, meant = self.any()
        reply = self.call("POST", f"/customers/{some}/archive")
        if meant.gone:
            return reply.error("customer_not_found", 404)
        shown = meant.shown
        self.took(meant, reply, *([] if meant.archived else ["customer.archived"]))
        assert meant.archived is False or meant.shown == shown
        meant.archived = True

    def restore(self):
        some, person, meant = self.any()
        reply = self.call("POST", f"/customers/{some}/restore")
        if meant.gone:
            return reply.error("customer_not_found", 404)
        shown = {name: value for name, value in meant.shown.items() if name != "archivedAt"}
        self.took(meant, reply, *(["customer.restored"] if meant.archived else []))
        meant.archived = False
        assert meant.shown == shown

    def merge(self):
        some, person, meant = self.any()
        other, gone, _ = self.any()
        reply = self.call("POST", f"/customers/{some}/merge", {"from": other})
        if meant.gone:
            return reply.error("customer_not_found", 404)
        if gone.gone:
            return reply.error("customer_not_found", 404)
        if gone.into is meant:
            reply.customer(200)  # once more
        elif gone.into or gone is meant or meant.archived:
            reply.error("conflict", 409)
        else:
            gone.into = meant
            for one in self.people:
                one.into = meant if one.into is gone else one.into
            self.took(meant, reply, "customer.merged")

    def erase(self):
        some, person, meant = self.any()
        reply = self.call("DELETE", "/customers/" + some)
        if meant.gone:
            return reply.error("customer_not_found", 404)
        assert reply.ok(200).json["id"] == meant.id
        for one in self.people:
            if one is meant or one.into is meant:
                one.gone, one.into = True, None
        meant.events.append("customer.erased")

    def look(self):
        """Everything, as lists, both ids and histories have it."""
        there = [person for person in self.people if not person.gone and not person.into]
        for query, kept in (("", [one for one in there if not one.archived]), ("&archived=true", [one for one in there if one.archived]),
                            ("&archived=all", there)):
            rows, cursor = self.shop.get("/customers?limit=100" + query).rows()
            assert cursor is None and {row["id"]: row for row in rows} == {one.id: one.shown for one in kept}, query
        for one in there:
            rows, _ = self.shop.get(f"/customers/{one.id}/history?limit=100").rows()
            assert [row["type"] for row in rows if row["customerId"] == one.id] == one.events[::-1]


@pytest.mark.parametrize("seed", range(LIVES))
def test_customers_are_as_the_model_says(new_org, seed):
    model = Model(new_org().live, seed)
    model.create()
    steps = [Model.create] * 3 + [Model.update] * 3 + [Model.update_on_condition, Model.get, Model.get, Model.archive, Model.restore, Model.merge, Model.erase]
    try:
        for _ in range(STEPS):
            model.random.choice(steps)(model)
        model.look()
    except AssertionError as problem:
        raise AssertionError(f"seed {seed}: {problem}\n" + "\n".join(model.calls[-12:])) from problem
