"""One tenant's work is bounded, and the others do not wait for it."""

import contextlib
import json
import os
import signal

import pytest

from conftest import Pending, timed
from neighbours import LARGE, Crowd, Tenant, fill, slowest
from stack import PATIENCE, wait_until


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


def test_a_filter_beside_an_index_has_the_same_bound(pool, proc_database):
    """An e-mail address may be that of many customers."""
    tenant = Tenant(proc_database, "Same")
    fill(proc_database, "Same", 60_000, "same@example.com")
    p = pool(workers=1).start()
    seen = list(pages(tenant, p, email="same@example.com", search="rara"))
    assert [[row["externalId"] for row in page["data"]] for page in seen] == [["x60000", "x40000", "x20000"], []]
    seen = list(pages(tenant, p, email="nobody@example.com"))
    assert [page["data"] for page in seen] == [[]]


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


# ---- shares of a worker


@contextlib.contextmanager
def locked(database, external_id):
    """While this lasts, an update of this customer waits."""
    db = database.connect()
    db.autocommit = False
    try:
        with db.cursor() as cursor:
            cursor.execute("SELECT FROM customer WHERE external_id = %s AND email LIKE 'customer%%' FOR UPDATE", (external_id,))
            assert cursor.rowcount == 1
        yield
    finally:
        db.rollback()
        db.close()


def update(tenant, pool, external_id="x1"):
    return tenant.ask(pool, f"/api/v1/customers/{external_id}", "PATCH", {"fullName": "Other"})


def create(tenant, pool, external_id):
    assert tenant.ask(pool, "/api/v1/customers", "POST", {"id": external_id, "email": "a@b.co"}).status in (200, 201)


@pytest.mark.parametrize("prepared", ["on", "off"])
def test_one_locked_row_holds_no_other_tenant_up(pool, large, small, prepared):
    p = pool(workers=4, tenant_share=50, prepared_statements=prepared).start()
    create(small, p, "mine")
    assert update(large, p).status == 200
    with Crowd(12, lambda: update(large, p)) as crowd, locked(p.database, "x1"):
        wait_until(lambda: p.waiting() >= 2, what="updates that wait for the row")
        statuses, slow = slowest(lambda: small.ask(p, "/api/v1/customers/mine"), 1)
        assert statuses == {200} and slow < 0.3 * PATIENCE, slow
        statuses, slow = slowest(lambda: update(small, p, "mine"), 3)
        assert statuses == {200} and slow < 0.5 * PATIENCE, slow
    for refused in crowd.refused:
        error = json.loads(refused.body)
        assert refused.headers["Retry-After"] in "123"
        assert error["code"] == "rate_limited" and "Nothing was done" in error["message"]
    # Those that waited were done when the row was free, and nobody has a share left.
    assert crowd.statuses() <= {200, 429} and 200 in crowd.statuses() and max(seconds for _, seconds in crowd.seen) > 3
    assert update(large, p).status == 200
    assert p.log().count("tenant_share") == (429 in crowd.statuses())


def test_a_tenant_that_was_never_seen_waits_for_a_moment_at_most(pool, large, small):
    """Nobody could know of it before."""
    p = pool(workers=1, tenant_share=50).start()
    assert update(large, p).status == 200
    with Crowd(5, lambda: update(large, p)) as crowd, locked(p.database, "x1"):
        wait_until(lambda: p.waiting() == 2, what="both connections for writes")
        answer, seconds = timed(lambda: small.ask(p, "/api/v1/customers"))
        assert answer.status == 200 and seconds < 0.5 * PATIENCE
        answer, seconds = timed(lambda: small.ask(p, "/api/v1/customers", "POST", {"email": "a@b.co"}))
        assert answer.status == 201 and seconds < 2 * PATIENCE
        # The connection is kept free from then on, however many of the crowd wait for one.
        wait_until(lambda: p.waiting() == 1, what="one of the two connections")
        create(small, p, "mine")
        assert p.waiting() == 1
    assert crowd.statuses() == {200, 429}


def test_a_tenant_holds_no_more_than_its_share_of_the_requests_in_hand(pool, large, small):
    p = pool(workers=1, tenant_share=50, requests_in_hand=8).start()
    create(small, p, "mine")
    assert update(large, p).status == 200
    with Crowd(20, lambda: update(large, p)) as crowd, locked(p.database, "x1"):
        wait_until(lambda: 429 in crowd.statuses(), what="a refusal")
        statuses, slow = slowest(lambda: small.ask(p, "/api/v1/customers/mine"), 2)
        assert statuses == {200} and slow < 0.3 * PATIENCE, slow
    assert crowd.statuses() == {200, 429}


def test_where_there_is_one_tenant_it_may_have_all(pool, large):
    p = pool(workers=4, tenant_share=10).start()
    with Crowd(8, lambda: large.ask(p, search="nobody at all")) as crowd:
        wait_until(lambda: len(crowd.seen) > 12, 30, "searches")
    assert crowd.statuses() == {200}
    with locked(p.database, "x1"):
        updates = [Pending(lambda: update(large, p)) for _ in range(4)]
        wait_until(lambda: p.waiting() >= 2, what="those that have a connection")
    assert {each.result().status for each in updates} == {200}


def test_the_share_of_a_worker_that_dies_is_free(pool, large, small):
    p = watched(pool, workers=4, tenant_share=50)
    create(small, p, "mine")
    with locked(p.database, "x1"):
        for _ in range(3):
            begun = [Pending(lambda: update(large, p)) for _ in range(2)]
            wait_until(lambda: status(p)["pool"]["inHand"] == 2 and status(p)["pool"]["environmentRequests"] >= 1, what="two updates")
            assert small.ask(p, "/api/v1/customers/mine").status == 200
            for pid in {row["pid"] for row in status(p)["workers"] if row["inHand"]}:
                os.kill(pid, signal.SIGKILL)
            for each in begun:
                with contextlib.suppress(OSError):
                    each.result()
            wait_until(lambda: status(p)["pool"]["serving"] == 4, 20, "new workers")
            figures = status(p)["pool"]
            assert figures["environmentsActive"] == figures["environmentRequests"] == figures["inHand"] == 0


def watched(pool, **options):
    p = pool(**options)
    p.write_conf(admin_listen=f"unix:{p.dir}/admin")
    return p.start()


def status(pool):
    return json.loads(pool.place.run(pool.place.bin, "-c", pool.conf, "--json", "status").stdout)


def test_searches_share_no_connection_with_gets_and_take_turns(pool, large, small):
    p = watched(pool, workers=1, tenant_share=50)
    create(small, p, "mine")
    alone = slowest(lambda: small.ask(p, "/api/v1/customers/mine"), 1)[1]
    search = timed(lambda: large.ask(p, search="nobody at all"))[1]
    with Crowd(16, lambda: large.ask(p, search="nobody at all")) as crowd:
        wait_until(lambda: len(crowd.seen) > 4, 30, "searches")
        statuses, slow = slowest(lambda: small.ask(p, "/api/v1/customers/mine"), 3)
        assert large.ask(p, "/api/v1/customers/x7").status == 200, "its other requests are answered"
        turns = [timed(lambda: small.ask(p, search="nobody")) for _ in range(5)]
    print(f"p99 of another tenant's get: {alone * 1e3:.1f} ms alone, {slow * 1e3:.1f} ms beside 16 searching clients; "
          f"its search {max(seconds for _, seconds in turns) * 1e3:.1f} ms, theirs {search * 1e3:.1f} ms alone")
    assert statuses == {200} and slow < 0.1 * PATIENCE
    # It waits for the one that is under way, not for the sixteen.
    assert all(answer.status == 200 and seconds < 5 * search + 0.2 * PATIENCE for answer, seconds in turns)
    assert crowd.statuses() == {200}


def test_all_connections_are_a_share_too(pool, large, small):
    p = pool(workers=1, tenant_share=100).start()
    create(small, p, "mine")
    with locked(p.database, "x1"):
        updates = [Pending(lambda: update(large, p)) for _ in range(2)]
        wait_until(lambda: p.waiting() == 2, what="both connections for writes")
        other = Pending(lambda: update(small, p, "mine"))
        other.join(0.5)
        assert other.is_alive()
    assert {each.result().status for each in [*updates, other]} == {200}


def test_many_quick_requests_are_no_share(pool, large, small):
    """Far more clients than workers, and another tenant beside them: nobody is refused who is answered quickly."""
    p = pool(workers=4, tenant_share=25).start()
    create(small, p, "mine")
    with Crowd(24, lambda: large.ask(p, "/api/v1/customers/x9")) as crowd:
        statuses, _ = slowest(lambda: small.ask(p, "/api/v1/customers/mine"), 2)
    assert statuses == {200} and crowd.statuses() == {200} and len(crowd.seen) > 100
