"""One tenant's work is bounded, and the others do not wait for it."""

import json

import pytest

from neighbours import LARGE, Tenant, fill


@pytest.fixture(scope="module")
def large(proc_database):
    tenant = Tenant(proc_database, "Large")
    fill(proc_database, "Large", LARGE)
    return tenant


@pytest.fixture(scope="module")
def small(proc_database):
    return Tenant(proc_database, "Small")


def pages(tenant, pool, **query):
    """The pages of a list until its end."""
    cursor = {}
    while True:
        answer = tenant.ask(pool, **query, **cursor)
        page = json.loads(answer.body)
        assert answer.status == 200 and page["hasMore"] == ("nextCursor" in page)
        yield page
        if not page["hasMore"]:
            return
        cursor = {"cursor": page["nextCursor"]}


RARE = [f"x{n}" for n in range(LARGE, 0, -20_000)]
IDLE = [f"x{n}" for n in range(LARGE, 0, -40_000)]


@pytest.mark.parametrize("query, found, sizes", [
    # The 50,000th, 100,000th ... of those that are looked at is where a page ends.
    ({"search": "RARA avis"}, RARE, [3, 2, 3, 2, 0]),
    ({"isActive": "false"}, IDLE, [2, 1, 1, 1, 0]),
    ({"isActive": "false", "search": "rara"}, IDLE, [2, 1, 1, 1, 0]),
    ({"search": "nobody at all"}, [], [0, 0, 0, 0, 0]),
    # The last row that is looked at is found, too: it is x150001.
    ({"search": "customer150001@"}, ["x150001"], [1, 0, 0, 0, 0]),
    ({"search": "customer150000@"}, ["x150000"], [0, 1, 0, 0, 0]),
])
def test_a_filter_without_an_index_looks_at_so_many_and_goes_on_from_there(pool, large, query, found, sizes):
    p = pool(workers=1).start()
    seen = list(pages(large, p, **query))
    assert [row["externalId"] for page in seen for row in page["data"]] == found
    assert [len(page["data"]) for page in seen] == sizes


def test_a_page_that_is_full_before_that_ends_as_ever(pool, large):
    p = pool(workers=1).start()
    query = {"isActive": "true", "limit": 100}
    first, second = (page for page, _ in zip(pages(large, p, **query), range(2)))
    assert [row["externalId"] for row in first["data"] + second["data"]] == [f"x{n}" for n in range(LARGE, LARGE - 201, -1)
                                                                            if n % 40_000]
    ends = list(pages(large, p, search="x1999", limit=100))  # 199,900 to 199,999; 19,990 to 19,999; 1,999
    assert [row["externalId"] for page in ends for row in page["data"]] == [f"x{n}" for n in
                                                                           [*range(199_999, 199_899, -1), *range(19_999, 19_989, -1), 1999]]


def test_a_page_of_a_filter_costs_no_sort_and_no_more_rows(pool, large, proc_database):
    """As the serving role plans it: row-level security must not take the index away."""
    p = pool(workers=1).start()
    db = proc_database.connect()
    with db.cursor() as cursor:
        cursor.execute("SELECT pg_stat_reset()")
        for _ in range(2):
            assert large.ask(p, search="nobody at all").status == 200
        p.stop()  # a backend that ends has told what it did
        cursor.execute("SELECT seq_scan, idx_tup_fetch + coalesce(seq_tup_read, 0) FROM pg_stat_user_tables WHERE relname = 'customer'")
        scans, rows = cursor.fetchone()
    db.close()
    assert scans == 0 and rows <= 2 * 50_000 + 100
