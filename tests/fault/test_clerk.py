"""Clerks are killed while much is due and customers are served: each deadline is carried out once, whoever does it."""

import contextlib
import os
import signal

from books import public_id, uuid_of
from stack import Service, wait_until
from stand import clerks

MONTHS = 3
# They began so much earlier: three periods are over, and of the fourth no notice is due yet.
AGE = """
    UPDATE subscription s
       SET anchor = n.anchor, start_date = n.anchor, period_start = n.anchor, period_end = n.ends, noticed = true,
           cancel_at = CASE WHEN s.cancel_at IS NOT NULL THEN n.ends END, end_date = CASE WHEN s.cancel_at IS NOT NULL THEN n.ends END,
           next_at = CASE WHEN s.next_at IS NOT NULL THEN n.ends END,
           due_at = n.ends, due_what = CASE WHEN s.cancel_at IS NULL THEN 'renew' ELSE 'cancel' END
      FROM (SELECT x.id, x.anchor - interval '100 days' AS anchor,
                   billing_period_end(x.anchor - interval '100 days', x.zone, x.step, 1) AS ends FROM subscription x) n
     WHERE n.id = s.id AND s.status = 'active' AND s.step = 'monthly' AND s.due_at > now() AND s.next_kind IS DISTINCT FROM 'checkout'
       AND s.id = ANY (%s::uuid[])
 RETURNING s.id::text, s.period_index, s.cancel_at IS NULL"""
LATE = """
    SELECT s.id FROM subscription s
     WHERE s.due_at <= now() OR s.id = ANY (%s::uuid[]) AND
           (s.period_index <> %s + (SELECT b FROM unnest(%s::uuid[], %s::bigint[]) u (a, b) WHERE a = s.id)
            OR (SELECT count(*) FROM event e WHERE e.subscription_id = s.id AND e.type = 'invoice.upcoming') <> %s)"""


class Ages:
    """The subscriptions that were made older, with the period that they were in."""

    def __init__(self, one, trial):
        self.one, self.trial, self.seen = one, trial, set()
        self.renewed, self.canceled = {}, []

    def more(self):
        """Of those whose clients have done with them, all that are new; their deadlines are due now."""
        with self.trial.history.lock:
            lives = [life for life in self.trial.history.lives if life.over and life.status == "active" and life.id not in self.seen]
        self.seen |= {life.id for life in lives}
        known = {life.id: life for life in lives}
        made = self.one.query(AGE, [uuid_of(public) for public in known])
        for uuid, period, renews in made:
            known[public_id(uuid, "sub_")].aged()
            if renews:
                self.renewed[uuid] = period
            else:
                self.canceled.append(uuid)

    def late(self):
        """What is due, or was not done once."""
        ids, periods = list(self.renewed), list(self.renewed.values())
        return self.one.query(LATE, ids, MONTHS, ids, periods, MONTHS - 1)


def test_clerks_that_are_killed_carry_out_each_deadline_once(stand, trial):
    one = stand(clerk="on")
    other = Service(one.database, workers=1, clerk="on").start()
    try:
        with trial(one, "clerks killed") as t:
            ages = Ages(one, t)
            for _ in t.blows(0.02, 0.2):
                ages.more()
                with contextlib.suppress(ProcessLookupError):
                    for pid in clerks(t.random.choice([one.service, other])):
                        os.kill(pid, signal.SIGKILL)
            wait_until(lambda: one.query("SELECT id FROM subscription WHERE due_at <= now()") == [], 60, "nothing left to do")
            assert ages.late() == [] and len(ages.renewed) > 5 and ages.canceled
    finally:
        other.stop()
    assert "the clerk died: signal 9" in one.service.log() + other.log()
