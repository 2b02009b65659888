"""What only gadgets have: parts."""

import pytest

from helpers import VERSIONS, at_least, nothing_written
from resources import by_name

GADGET = by_name("gadget")


def put(client, whole, part, **more):
    return client.call("PUT", f"/gadgets/{whole}/parts/{part}", **more)


@pytest.fixture
def pair(live):
    return GADGET.create(live)["id"], GADGET.create(live)["id"]


def test_a_gadget_becomes_a_part_and_shows_of_what(live, pair):
    whole, part = pair
    assert put(live, whole, part).ok(200).data["partOf"] == whole
    assert live.get(f"/gadgets/{part}").data["partOf"] == whole
    assert live.get(f"/gadgets/{whole}").data["partOf"] is None


def test_both_must_be_there_and_not_be_the_same(live, db, pair):
    one, two = pair
    nobody = "gad_" + "0" * 22
    with nothing_written(db):
        for whole, part in ((one, nobody), (nobody, one), (one, "x"), ("x", one), (one, one)):
            put(live, whole, part).error("gadget_not_found", 404)


@pytest.mark.parametrize("version", [version for version in VERSIONS if not at_least(version, "2026-07-24")])
def test_before_2026_07_24_there_are_no_parts(live, pair, version):
    put(live.at(version), *pair).error("endpoint_not_available", 404)
    assert live.get(f"/gadgets/{pair[1]}").data["partOf"] is None
