"""Ends of periods, as PostgreSQL computes them: a table of cases, and another implementation that must agree."""

import calendar
import random
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from helpers import TIMEZONES, scalar

MONTHS = {"monthly": 1, "quarterly": 3, "semiannual": 6, "yearly": 12}


def computed(db, anchor, zone, step, n):
    found = scalar(db, "SELECT to_char(billing_period_end(%s::timestamptz, %s, %s, %s) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')", anchor, zone, step, n)
    return found


@pytest.mark.parametrize("anchor, zone, step, n, end", [
    # months that are shorter, counted from the anchor
    ("2026-01-31 12:00Z", "UTC", "monthly", 1, "2026-02-28 12:00"),
    ("2026-01-31 12:00Z", "UTC", "monthly", 2, "2026-03-31 12:00"),
    ("2026-01-31 12:00Z", "UTC", "monthly", 3, "2026-04-30 12:00"),
    ("2026-01-29 12:00Z", "UTC", "monthly", 1, "2026-02-28 12:00"),
    ("2028-01-31 12:00Z", "UTC", "monthly", 1, "2028-02-29 12:00"),
    ("2026-11-30 12:00Z", "UTC", "quarterly", 1, "2027-02-28 12:00"),
    ("2026-11-30 12:00Z", "UTC", "quarterly", 2, "2027-05-30 12:00"),
    ("2026-08-31 12:00Z", "UTC", "semiannual", 1, "2027-02-28 12:00"),
    ("2026-08-31 12:00Z", "UTC", "semiannual", 2, "2027-08-31 12:00"),
    # leap days; 2100 is no leap year
    ("2028-02-29 00:00Z", "UTC", "yearly", 1, "2029-02-28 00:00"),
    ("2028-02-29 00:00Z", "UTC", "yearly", 4, "2032-02-29 00:00"),
    ("2028-02-29 00:00Z", "UTC", "yearly", 72, "2100-02-28 00:00"),
    ("2026-12-31 23:59Z", "UTC", "monthly", 1200, "2126-12-31 23:59"),
    ("2026-07-01 00:00Z", "UTC", "weekly", 5218, "2126-07-03 00:00"),
    # the local day counts, not that of UTC
    ("2026-02-01 02:00Z", "America/New_York", "monthly", 1, "2026-03-01 02:00"),
    ("2026-01-30 15:30Z", "Asia/Tokyo", "monthly", 1, "2026-02-27 15:30"),
    # summer and winter
    ("2026-03-15 10:00Z", "Europe/Berlin", "monthly", 1, "2026-04-15 09:00"),
    ("2026-10-15 09:00Z", "Europe/Berlin", "monthly", 1, "2026-11-15 10:00"),
    # an hour that is left out, one that comes twice
    ("2026-02-28 01:30Z", "Europe/Berlin", "weekly", 4, "2026-03-28 01:30"),
    ("2026-03-22 01:30Z", "Europe/Berlin", "weekly", 1, "2026-03-29 01:30"),
    ("2026-10-18 00:30Z", "Europe/Berlin", "weekly", 1, "2026-10-25 01:30"),
    ("2026-03-01 07:30Z", "America/New_York", "weekly", 1, "2026-03-08 07:30"),
    ("2026-10-25 05:30Z", "America/New_York", "weekly", 1, "2026-11-01 06:30"),
    ("2026-09-26 16:30Z", "Australia/Sydney", "weekly", 1, "2026-10-03 16:30"),
    # names that are links
    ("2026-01-31 12:00Z", "America/Buenos_Aires", "monthly", 1, "2026-02-28 12:00"),
    ("2026-01-31 12:00Z", "Asia/Shanghai", "yearly", 100, "2126-01-31 12:00"),
    # no end
    ("2026-01-31 12:00Z", "UTC", "one_time", 1, None),
    ("2026-01-31 12:00Z", "UTC", None, 1, None),
    (None, "UTC", "monthly", 1, None),
])
def test_a_period_ends(db, anchor, zone, step, n, end):
    assert computed(db, anchor, zone, step, n) == end


def plus(local, step, n):
    """Wall time, n periods later."""
    if step == "weekly":
        return local + timedelta(weeks=n)
    months = local.year * 12 + local.month - 1 + n * MONTHS[step]
    year, month = divmod(months, 12)
    return local.replace(year=year, month=month + 1, day=min(local.day, calendar.monthrange(year, month + 1)[1]))


def expected(anchor, zone, step, n):
    """In UTC. An hour that is left out is counted with the offset before it, one that comes twice is the second."""
    there = ZoneInfo(zone)
    wall = plus(anchor.astimezone(there).replace(tzinfo=None, fold=0), step, n)
    early, late = (wall.replace(tzinfo=there, fold=fold) for fold in (0, 1))
    exists = early.astimezone(timezone.utc).astimezone(there).replace(tzinfo=None, fold=0) == wall
    return (late if exists else early).astimezone(timezone.utc)


@pytest.mark.parametrize("zone", TIMEZONES)
def test_another_implementation_agrees(db, zone):
    """Random anchors, and all hours around the changes of clocks of a year, up to a hundred years ahead."""
    draw = random.Random(f"periods {zone}")
    cases = []
    for _ in range(1500):
        anchor = datetime(2020, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=draw.randrange(15 * 366 * 24 * 60))
        step = draw.choice([*MONTHS, "weekly"])
        cases.append((anchor, step, draw.randrange(1, {"weekly": 5200, "monthly": 1200, "quarterly": 400, "semiannual": 200, "yearly": 100}[step])))
    # So that the end falls into a change: a week before each hour of the year in which the offset changes.
    there = ZoneInfo(zone)
    hours = [datetime(2027, 1, 1, tzinfo=timezone.utc) + timedelta(hours=h) for h in range(366 * 24)]
    changes = [a for a, b in zip(hours, hours[1:]) if a.astimezone(there).utcoffset() != b.astimezone(there).utcoffset()]
    for change in changes:
        for minutes in range(-180, 181, 15):
            cases.append((change + timedelta(minutes=minutes) - timedelta(weeks=1), "weekly", 1))
    with db.cursor() as cursor:
        cursor.execute("SELECT array_agg(billing_period_end(a, %s, s, n) AT TIME ZONE 'UTC' ORDER BY nth)"
                       " FROM unnest(%s::timestamptz[], %s::text[], %s::bigint[]) WITH ORDINALITY AS c (a, s, n, nth)",
                       (zone, [a for a, _, _ in cases], [s for _, s, _ in cases], [n for _, _, n in cases]))
        (found,) = cursor.fetchone()
    for (anchor, step, n), end in zip(cases, found, strict=True):
        assert end == expected(anchor, zone, step, n).replace(tzinfo=None), (anchor, step, n)
