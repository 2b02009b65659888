"""What holds for every resource: versions, fields, idempotency, isolation, lists, errors. The resources: resources.py."""

import os
import signal
import threading
import time

import pytest

from helpers import (CURRENT, LEGACY, TIME, VERSIONS, Client, anonymous, at_least, dumps, escape, execute, first, hold_key, in_parallel,
                     nothing_written, replayed, same_again, scalar, uid)
from resources import RESOURCES
from stack import Front, wait_until


def each(names, rows):
    """Parametrizes by rows, with ids made of their first values that have a name."""
    rows = list(rows)
    ids = ["-".join(str(part)[:40] for part in row) for row in rows]
    return pytest.mark.parametrize(names, rows if "," in names else [row for row, in rows], ids=ids)


EVERY = each("resource", [(resource,) for resource in RESOURCES])
VERSIONED = each("resource, version", ((resource, version) for resource in RESOURCES for version in resource.versions))
FIELDS = each("resource, field", ((resource, field) for resource in RESOURCES for field in resource.fields))
WRITES = each("resource, write", ((resource, write) for resource in RESOURCES for write in resource.writes))
UPDATED = each("resource, method", ((resource, method) for resource in RESOURCES for method in resource.update))


def missing_id(resource):
    return resource.prefix + "0" * 22


def calls(resource, some_id):
    """(method, path, body) of every call that names one."""
    for method in resource.one:
        yield method, f"{resource.path}/{some_id}", resource.change() if method in resource.update else None


# ---------------------------------------------------------------- versions


@VERSIONED
def test_each_version_shows_its_members(new_org, resource, version):
    client = new_org().live.at(version)
    made = resource.create(client)
    assert set(made) == resource.made(version)
    assert made["id"].startswith(resource.prefix) and len(made["id"]) == len(resource.prefix) + 22
    assert made.get("object", resource.name) == resource.name and made.get("livemode", True) is True
    assert all(TIME.match(made[name]) for name in ("createdAt", "updatedAt") if name in made)
    (row,) = [row for row in resource.walk(client) if row["id"] == made["id"]]
    assert set(row) == resource.listed(version)
    assert {name: row[name] for name in set(row) & set(made)} == {name: made[name] for name in set(row) & set(made)}
    if "GET" in resource.one:
        got = client.get(f"{resource.path}/{made['id']}").ok(200).data
        assert set(got) == resource.read(version)
        both = resource.read(version) & resource.made(version)  # a secret is shown once
        assert {name: got[name] for name in both} == {name: made[name] for name in both}
    for method in resource.update:
        changed = client.call(method, f"{resource.path}/{made['id']}", {}).ok(200).data
        assert changed == made


def before(since):
    return [version for version in VERSIONS if not at_least(version, since)]


@each("resource, version", ((resource, version) for resource in RESOURCES for version in before(resource.since)))
def test_before_its_first_version_there_is_none(live, db, resource, version):
    client, there, body = live.at(version), resource.create(live), resource.body(live)
    with nothing_written(db):
        client.get(resource.path).error("endpoint_not_available", 404)
        client.post(resource.path, body, idem=uid("k")).error("endpoint_not_available", 404)
        for method, path, body in calls(resource, there["id"]):
            client.call(method, path, body).error("endpoint_not_available", 404)


@each("resource, field, version", ((resource, field, version) for resource in RESOURCES for field in resource.fields
                                   if len(before(field.since)) or field.until for version in resource.versions))
def test_a_field_is_read_in_its_versions_alone(live, resource, field, version):
    value, name = field.bad[0]
    reply = live.at(version).post(resource.path, {**resource.body(live), field.name: value})
    if field.exists(version):
        reply.invalid(name)
    elif resource.unknown is None:  # what is not known is refused
        reply.invalid(field.name)
    else:
        assert set(reply.ok(201).data) == resource.made(version)


@EVERY
def test_one_is_the_same_in_all_versions(live, resource):
    """What several versions show of it they show alike."""
    if "GET" not in resource.one:
        seen = {version: next(row for row in resource.walk(live.at(version), 100) if row["id"] == made["id"])
                for made in [resource.create(live)] for version in resource.versions}
    else:
        made = resource.create(live)
        seen = {version: live.at(version).get(f"{resource.path}/{made['id']}").data for version in resource.versions}
    for row in seen.values():
        names = set(row) & set(seen[CURRENT]) - resource.differs
        assert {name: row[name] for name in names} == {name: seen[CURRENT][name] for name in names}


# ---------------------------------------------------------------- fields


@FIELDS
def test_a_broken_value_is_named_and_nothing_written(live, db, resource, field):
    client, there = live.at(field.newest), resource.create(live.at(field.newest))
    body = resource.body(client)
    with nothing_written(db):
        for value, name in field.bad:
            reply = client.post(resource.path, {**body, field.name: value}, idem=uid("k"))
            assert reply.invalid(name)["param"] == name, value
            for method in resource.update if not field.create_only and not (field.cleared and value == "") else ():
                reply = client.call(method, f"{resource.path}/{there['id']}", {field.name: value}, idem=uid("k"))
                assert reply.invalid(name)["param"] == name, value


@FIELDS
def test_a_good_value_is_kept(new_org, resource, field):
    client = new_org().live.at(field.newest)
    made = [(resource.create(client, **{field.name: value}), value) for value in field.good]
    if resource.update and not field.create_only:
        one = resource.create(client)
        for value in field.good if field.name != resource.unique else [resource.value()]:
            made.append((client.call(resource.update[0], f"{resource.path}/{one['id']}", {field.name: value}).ok(200).data, value))
            one = made[-1][0]
            if field.shown == "made":
                assert one[field.name] == value
    for found, value in made[:len(field.good)]:
        if field.shown == "made":
            assert found[field.name] == value
        if field.shown != "no" and "GET" in resource.one:
            assert client.get(f"{resource.path}/{found['id']}").data[field.name] == value


@FIELDS
def test_null_is_not_given(live, resource, field):
    client = live.at(field.newest)
    reply, without = client.post(resource.path, {**resource.body(client), field.name: None}), resource.create(client)
    if field.required:
        reply.invalid(field.name)
    elif field.shown == "made":
        assert reply.ok(201).data[field.name] == without[field.name]
    else:
        assert set(reply.ok(201).data) == set(without)
    for method in resource.update:
        assert client.call(method, f"{resource.path}/{without['id']}", {field.name: None}).ok(200).data == without


@each("resource, field", ((resource, field) for resource in RESOURCES for field in resource.fields if field.required))
def test_a_required_field_that_is_missing_is_named(live, db, resource, field):
    body = {name: value for name, value in resource.body(live).items() if name != field.name}
    with nothing_written(db):
        assert live.post(resource.path, body).invalid(field.name)["param"] == field.name


@EVERY
def test_unknown_members_are_ignored(live, resource):
    made = resource.create(live, **dict.fromkeys(("unknown", "environment_id", "", "object", "livemode"), resource.unknown))
    assert set(made) == resource.made(CURRENT) and made["livemode"] is True
    for method in resource.update:
        assert live.call(method, f"{resource.path}/{made['id']}", {"unknown": 1}).ok(200).data == made


@EVERY
def test_all_broken_fields_are_named(live, db, resource):
    fields = [field for field in resource.fields if field.exists(CURRENT)]
    body = {field.name: field.bad[0][0] for field in fields}
    with nothing_written(db):
        live.post(resource.path, body).invalid(*(field.bad[0][1] for field in fields))


@EVERY
@pytest.mark.parametrize("body", [b"1", b'"x"', b"true", b"null", b"[1]", b"[{}]"])
def test_a_body_that_is_no_object_is_refused(live, db, resource, body):
    there = resource.create(live)
    with nothing_written(db):
        live.post(resource.path, body).invalid("body")
        for method in resource.update:
            live.call(method, f"{resource.path}/{there['id']}", body).invalid("body")


@EVERY
@pytest.mark.parametrize("body", [b"", b"{", b'{"a":1,"a":2}', b'{"a":"\\u0000"}', b'{"a":NaN}', b"{} {}", b"\xff"])
def test_a_body_that_is_no_json_is_refused(live, db, resource, body):
    there = resource.create(live)
    with nothing_written(db):
        live.post(resource.path, body).error("invalid_json", 400)
        for method in resource.update if body else ():
            live.call(method, f"{resource.path}/{there['id']}", body).error("invalid_json", 400)


@each("resource, method, field", ((resource, method, field) for resource in RESOURCES for method in resource.update
                                  for field in resource.fields if not field.create_only))
def test_an_update_changes_what_is_given_and_nothing_else(live, resource, method, field):
    client = live.at(field.newest)
    others = {other.name: other.good[-1] for other in resource.fields
              if other.exists(field.newest) and other not in (field, resource.unique) and other.name != resource.unique}
    made = resource.create(client, **{name: value for name, value in others.items() if name != "email"})
    path = f"{resource.path}/{made['id']}"
    time.sleep(0.002)
    # Another one than it has: what changes nothing may leave updatedAt.
    value = resource.value() if field.name == resource.unique else next(v for v in field.good if v != made.get(field.name))
    changed = client.call(method, path, {field.name: value}).ok(200).data
    if field.shown == "made":
        assert changed[field.name] == value
    assert changed["updatedAt"] > made["updatedAt"]
    same = {name: value for name, value in made.items() if name not in (field.name, "updatedAt", "documentType")}
    assert {name: changed[name] for name in same} == same


@UPDATED
@pytest.mark.parametrize("body", [b"{}", b"[]", b"", b'{"unknown":1}'])
def test_an_empty_update_changes_nothing(live, db, resource, method, body):
    made = resource.create(live)
    time.sleep(0.002)
    with nothing_written(db):
        assert live.call(method, f"{resource.path}/{made['id']}", body).ok(200).data == made
        live.call(method, f"{resource.path}/{missing_id(resource)}", body).error(resource.missing, 404)


# ---------------------------------------------------------------- idempotency


@each("resource, write, version", ((resource, write, version) for resource in RESOURCES for write in resource.writes
                                   for version in VERSIONS if at_least(version, write.since)))
def test_a_repeated_write_is_answered_from_memory(live, db, resource, write, version):
    client, key = live.at(version), uid("k")
    method, path, body = write.made(client)
    original = first(client.call(method, path, body, idem=key), 201 if write.name == "create" else 200)
    with nothing_written(db):
        for _ in range(2):
            same_again(client.call(method, path, body, idem=key), original)
    # What happens to it later does not change the stored answer.
    target = original.data["id"]
    if resource.update:
        live.call(resource.update[0], f"{resource.path}/{target}", resource.change()).ok(200)
    if "DELETE" in resource.one:
        live.call("DELETE", f"{resource.path}/{target}").ok(200)
    same_again(client.call(method, path, body, idem=key), original)


@WRITES
def test_the_same_key_for_anything_else_is_a_mismatch(live, db, resource, write):
    key = uid("k")
    method, path, body = write.made(live)
    original = first(live.call(method, path, body, idem=key), 201 if write.name == "create" else 200)
    others = [(method, path, {**(body or {}), "more": 1}), *((m, p, b) for m, p, b in (w.made(live) for w in resource.writes))]
    with nothing_written(db):
        for other in others:
            reply = live.call(*other, idem=key)
            reply.error("idempotency_key_mismatch", 409)
            assert not replayed(reply)
        live.at("2026-07-24").call(method, path, body, idem=key).error("idempotency_key_mismatch", 409)
    same_again(live.call(method, path, body, idem=key), original)


@each("resource, write", ((resource, write) for resource in RESOURCES for write in resource.writes if write.takes_body))
def test_the_same_request_in_other_words_is_the_same_request(live, db, resource, write):
    """A retry by a program whose maps have no order, or whose encoder escapes otherwise."""
    key = uid("k")
    method, path, body = write.made(live)
    body = {**body, "unknown": resource.unknown}
    original = first(live.call(method, path, body, idem=key), 201 if write.name == "create" else 200)
    other = dumps(dict(reversed(body.items()))).replace(b'{"a":', b'{ "\\u0061" :').replace("\u00e9/".encode(), b"\\u00e9\\/")
    with nothing_written(db):
        same_again(live.call(method, path, b"\n" + other + b"\t", idem=key), original)
        live.call(method, path, other.replace(b"null", b"0"), idem=key).error("idempotency_key_mismatch", 409)


@each("resource, field, write", ((resource, field, write) for resource in RESOURCES if resource.unknown is not None
                                 for field in resource.fields if before(field.since)
                                 for write in resource.writes if write.takes_body and not (field.create_only and write.name != "create")))
def test_a_rule_that_came_meanwhile_does_not_change_the_answer(new_org, resource, field, write):
    """What the organization's version did not read when the request came is broken by the rules of the version since."""
    org, key = new_org(), uid("k")
    client, earlier = org.live, before(field.since)[-1]
    org.pin(earlier)
    client.pin = earlier
    method, path, body = write.made(client)
    body[field.name] = field.bad[0][0]
    original = first(client.call(method, path, body, idem=key), 201 if write.name == "create" else 200)
    org.pin(CURRENT)
    client.pin = CURRENT
    wait_until(lambda: client.call("POST", resource.path, {field.name: field.bad[0][0]}, checked=False).json["error"]["doc_url"].count(CURRENT),
               what="the new pin in force")
    time.sleep(1.1)  # in every worker
    # At once, so that some of them do not remember the key.
    for again in in_parallel([lambda: client.call(method, path, body, idem=key, checked=False)] * 9):
        assert (again.status, again.body) == (original.status, original.body) and replayed(again)
    client.call(method, path, body, idem=uid("k")).invalid(field.bad[0][1])


@WRITES
def test_a_refused_request_leaves_its_key_free(live, resource, write):
    key = uid("k")
    method, path, body = write.made(live)
    if write.takes_body:
        live.call(method, path, b"{", idem=key).error("invalid_json", 400)
        field = next(field for field in resource.fields if field.exists(CURRENT))
        live.call(method, path, {**body, field.name: field.bad[0][0]}, idem=key).error("validation_error", 400)
    live.with_key("nonsense").call(method, path, body, idem=key).error("unauthorized", 401)
    if write.name != "create":
        live.call(method, path.rsplit("/", 1)[0] + "/" + missing_id(resource), body, idem=key).error(resource.missing, 404)
    first(live.call(method, path, body, idem=key), 201 if write.name == "create" else 200)


@WRITES
def test_twins_are_one_request(live, db, resource, write):
    for _ in range(3):
        key = uid("k")
        method, path, body = write.made(live)
        count = scalar(db, f"SELECT count(*) FROM {resource.table}")
        replies = in_parallel([lambda: live.call(method, path, body, idem=key)] * 10)
        assert len({(reply.status, reply.body) for reply in replies}) == 1 and replies[0].status in (200, 201)
        assert [replayed(reply) for reply in replies].count(False) == 1
        assert scalar(db, f"SELECT count(*) FROM {resource.table}") - count == (write.name == "create")
        assert scalar(db, "SELECT count(*) FROM idempotency_key WHERE key = %s", key) == 1


@WRITES
def test_environments_do_not_share_keys(live, sandbox, other_live, resource, write):
    key = uid("k")
    for client in (live, sandbox, other_live):
        method, path, body = write.made(client)
        original = first(client.call(method, path, body, idem=key), 201 if write.name == "create" else 200)
        same_again(client.call(method, path, body, idem=key), original)


# ---- a crash between the write and its answer


@pytest.fixture
def stand(new_service, new_front):
    """A service of one worker with a client, and two connections to its database."""
    class Stand:
        service = new_service(workers=1).start()
        database = service.database
        front = new_front(Front.KINDS[0], service)
        client = Client(front.url, database.organization("Crash").key("live"))
        db, second = database.connect(), database.connect()

        def begin(self, resource, method, path, body, key):
            """Sends the request, whose worker is then waiting for the record of its key; returns (worker, thread)."""
            first(self.client.post(resource.path, resource.body(self.client), idem=f"{key}-pattern"), 201)
            self.second.autocommit = False
            hold_key(self.second, self.db, key)
            thread = threading.Thread(target=lambda: self.client.call(method, path, body, idem=key, checked=False))
            thread.start()
            wait_until(lambda: scalar(self.db, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == 1)
            (worker,) = self.service.workers()
            return worker, thread

        def bury(self, worker, thread):
            os.kill(worker, signal.SIGKILL)
            thread.join(20)
            wait_until(lambda: self.service.workers() and self.service.workers() != [worker])
            # Its backend has seen that nobody is there, and let go.
            wait_until(lambda: scalar(self.db, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == 0)

    stand = Stand()
    yield stand
    stand.db.close()
    stand.second.close()


def rows_of(stand, resource):
    with stand.db.cursor() as cursor:
        cursor.execute(f"SELECT t::text FROM {resource.table} t ORDER BY t.id")
        return cursor.fetchall()


@WRITES
def test_what_was_written_by_a_worker_that_died_before_it_answered_is_answered(stand, resource, write):
    method, path, body = write.made(stand.client)
    worker, thread = stand.begin(resource, method, path, body, "died")
    os.kill(worker, signal.SIGSTOP)
    stand.second.rollback()
    wait_until(lambda: scalar(stand.db, "SELECT count(*) FROM idempotency_key WHERE key = 'died'") == 1, what="the commit")
    stand.bury(worker, thread)
    written = rows_of(stand, resource)
    reply = stand.client.call(method, path, body, idem="died")
    assert replayed(reply) and reply.status == (201 if write.name == "create" else 200)
    assert rows_of(stand, resource) == written
    same_again(stand.client.call(method, path, body, idem="died"), reply)


@WRITES
def test_a_worker_that_dies_before_the_commit_has_written_nothing(stand, resource, write):
    method, path, body = write.made(stand.client)
    worker, thread = stand.begin(resource, method, path, body, "died")
    before = rows_of(stand, resource)
    os.kill(worker, signal.SIGSTOP)
    backend = scalar(stand.db, "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    execute(stand.db, "SELECT pg_terminate_backend(%s)", backend)
    stand.bury(worker, thread)
    stand.second.rollback()
    assert rows_of(stand, resource) == before
    reply = first(stand.client.call(method, path, body, idem="died"), 201 if write.name == "create" else 200)
    same_again(stand.client.call(method, path, body, idem="died"), reply)
    assert len(rows_of(stand, resource)) == len(before) + (write.name == "create")


# ---------------------------------------------------------------- isolation


@EVERY
def test_what_is_of_another_environment_is_as_if_it_did_not_exist(live, sandbox, other_live, other_sandbox, db, resource):
    """Byte for byte, for every call that names it, and nothing happens to it."""
    made = resource.create(live)
    for outsider in (sandbox, other_live, other_sandbox):
        mine = resource.create(outsider)["id"]

        def ask(method, path, body, named):
            status, content, headers = anonymous(outsider.call(method, path, body))
            return status, content.replace(named.encode(), b"?"), [(name, value.replace(named, "?")) for name, value in headers]

        for foreign, nobody in zip(calls(resource, made["id"]), calls(resource, missing_id(resource))):
            answer = ask(*foreign, made["id"])
            assert answer[0] == 404 and answer == ask(*nobody, missing_id(resource)), foreign
        for path, method in resource.nested.items():
            for places in (("{}", mine), (mine, "{}"), ("{}", "{}")):
                foreign, nobody = (path.format(*(place.format(some_id) for place in places)) for some_id in (made["id"], missing_id(resource)))
                answer = ask(method, foreign, None, made["id"])
                assert answer[0] == 404 and answer == ask(method, nobody, None, missing_id(resource)), foreign
    (row,) = [row for row in resource.walk(live, 100) if row["id"] == made["id"]]
    assert {name: row[name] for name in set(row) & set(made)} == {name: made[name] for name in set(row) & set(made)}


@EVERY
def test_lists_show_one_environment(new_org, resource):
    one, two = new_org(), new_org()
    clients = [one.live, one.sandbox, two.live, two.sandbox]
    made = [{resource.create(client)["id"] for _ in range(3)} | {row["id"] for row in resource.walk(client)} for client in clients]
    assert len(set.union(*made)) == sum(map(len, made))
    for client, ids in zip(clients, made):
        assert {row["id"] for row in resource.walk(client)} == ids
        assert {row["id"] for row in resource.walk(client, 1)} == ids


@EVERY
def test_a_cursor_of_another_environment_opens_nothing(new_org, resource):
    one, two = new_org(), new_org()
    foreign = {resource.create(one.live)["id"] for _ in range(4)}
    _, cursor = one.live.get(f"{resource.path}?limit=2").rows()
    mine = {row["id"] for row in resource.walk(two.live)} | {resource.create(two.live)["id"] for _ in range(2)}
    found = {row["id"] for row in two.live.get(f"{resource.path}?cursor={cursor}").rows()[0]}
    assert found <= mine and not found & foreign


@each("resource", [(resource,) for resource in RESOURCES if resource.unique])
def test_a_unique_value_is_free_in_every_environment(live, sandbox, other_live, other_sandbox, resource):
    value = resource.value()
    made = [resource.create(client, **{resource.unique: value}) for client in (live, sandbox, other_live, other_sandbox)]
    assert len({row["id"] for row in made}) == 4 and {row[resource.unique] for row in made} == {value}


# ---------------------------------------------------------------- lists


def in_turn(client, resource, n):
    """Ids of n new ones, of which no two are of one millisecond."""
    made = []
    for _ in range(n):
        made.append(resource.create(client)["id"])
        time.sleep(0.002)
    return made


@VERSIONED
def test_lists_are_newest_first_and_pages_have_no_gaps(new_org, resource, version):
    client = new_org().live.at(version)
    there = [row["id"] for row in resource.walk(client)]
    made = in_turn(client, resource, 7)[::-1] + there
    for limit in (None, 1, 2, 3, len(made) - 1, len(made), len(made) + 1, 100):
        assert [row["id"] for row in resource.walk(client, limit)] == made, limit


@EVERY
def test_the_default_limit_is_25_and_a_page_has_up_to_100(new_org, resource):
    client = new_org().live
    in_parallel([lambda: [resource.create(client) for _ in range(17)]] * 6)
    count = len(resource.walk(client))
    assert count >= 102
    assert len(client.get(resource.path).rows()[0]) == 25
    assert len(client.get(f"{resource.path}?limit=100").rows()[0]) == 100
    assert len({row["id"] for row in resource.walk(client, 100)}) == count


@VERSIONED
def test_an_empty_page_is_a_list(live, resource, version):
    rows, cursor = live.at(version).get(f"{resource.path}?cursor=cur_{'0' * 22}").rows()
    assert rows == [] and cursor is None


@EVERY
@pytest.mark.parametrize("query, field", [
    ("limit=0", "limit"), ("limit=101", "limit"), ("limit=-1", "limit"), ("limit=x", "limit"), ("limit=", "limit"), ("limit=1&limit=1", "limit"),
    ("limit=1.5", "limit"), ("limit=18446744073709551617", "limit"), ("cursor=x", "cursor"), ("cursor=", "cursor"), ("cursor=cur_1", "cursor"),
    ("cursor=cur_" + "z" * 22, "cursor"), ("cursor=cur_" + "0" * 22 + "&cursor=cur_" + "0" * 22, "cursor"),
])
def test_a_broken_limit_or_cursor_is_named(live, resource, query, field):
    assert live.get(f"{resource.path}?{query}").invalid(field)["param"] == field


@EVERY
def test_what_is_made_while_paging_shifts_nothing(new_org, resource):
    client = new_org().live
    made = in_turn(client, resource, 9)[::-1] + [row["id"] for row in resource.walk(client)][9:]
    found, cursor = [], None
    while True:
        rows, cursor = client.get(f"{resource.path}?limit=2" + (f"&cursor={cursor}" if cursor else "")).rows()
        found += [row["id"] for row in rows]
        if cursor is None:
            break
        resource.create(client)
    assert found == made


@EVERY
def test_all_that_was_there_is_shown_once_while_several_clients_write(new_org, resource):
    client = new_org().live
    there = in_turn(client, resource, 30)
    done = threading.Event()

    def write():
        while not done.is_set():
            resource.create(client)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        found = [row["id"] for row in resource.walk(client, 7)]
    finally:
        done.set()
        for thread in threads:
            thread.join(20)
    assert [some_id for some_id in found if some_id in there] == there[::-1]
    assert len(found) == len(set(found))


# ---------------------------------------------------------------- errors


@VERSIONED
def test_an_id_that_is_not_there_is_answered_with_its_own_error(live, db, resource, version):
    client = live.at(version)
    with nothing_written(db):
        for some_id in (missing_id(resource), resource.prefix, resource.prefix + "z" * 22, "0", uid(), f"{uid()}/b", f"\u00e9 %{uid()}", "x" * 300):
            for method, path, body in calls(resource, escape(some_id)):
                error = client.call(method, path, body, idem=uid("k") if method in resource.update else None).error(resource.missing, 404)
                assert error["param"] == "id"


def taking(resource, client, value, on):
    """(method, path, body) of a write that wants this value of the unique field."""
    if on == "create":
        return "POST", resource.path, {**resource.body(client), resource.unique: value}
    return resource.update[0], f"{resource.path}/{resource.create(client)['id']}", {resource.unique: value}


@each("resource, on, version", ((resource, on, version) for resource in RESOURCES for on in resource.unique_on for version in resource.versions))
def test_a_value_that_is_taken_is_a_conflict_and_the_keys_answer(live, db, resource, on, version):
    client, value, key = live.at(version), resource.value(), uid("k")
    holder = resource.create(client, **{resource.unique: value})
    method, path, body = taking(resource, client, value, on)
    rows = scalar(db, f"SELECT count(*) FROM {resource.table}")
    refusal = client.call(method, path, body, idem=key)
    assert refusal.error("duplicate", 409)["param"] == resource.unique and not replayed(refusal)
    assert scalar(db, f"SELECT count(*) FROM {resource.table}") == rows
    same_again(client.call(method, path, body, idem=key), refusal)
    # It stays the key's answer when the value is free again; another key asks anew.
    client.call(resource.update[0], f"{resource.path}/{holder['id']}", {resource.unique: resource.value()}).ok(200)
    same_again(client.call(method, path, body, idem=key), refusal)
    assert client.call(method, path, body, idem=uid("k")).data[resource.unique] == value


@each("resource, on", ((resource, on) for resource in RESOURCES for on in resource.unique_on))
def test_of_many_that_want_one_value_one_gets_it(live, resource, on):
    value = resource.value()
    wishes = [taking(resource, live, value, on) for _ in range(12)]
    replies = in_parallel([lambda wish=wish: live.call(*wish, idem=uid("k")) for wish in wishes])
    assert sorted(reply.status for reply in replies) == [201 if on == "create" else 200] + [409] * 11


@each("resource, method", ((resource, method) for resource in RESOURCES if resource.unique for method in resource.update))
def test_its_own_value_is_no_conflict(live, resource, method):
    value = resource.value()
    made = resource.create(live, **{resource.unique: value})
    assert live.call(method, f"{resource.path}/{made['id']}", {resource.unique: value}).ok(200).data[resource.unique] == value


@EVERY
def test_other_methods_are_refused_and_the_allowed_ones_named(live, db, resource):
    paths = {resource.path: {"GET", "HEAD", "POST"}, f"{resource.path}/x": {*resource.one, *resource.newest} | ({"HEAD"} if "GET" in resource.one else set())}
    paths |= {path.format("x", "y"): {method} for path, method in resource.nested.items()}
    body = resource.body(live)
    with nothing_written(db):
        for path, allowed in paths.items():
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allowed:
                reply = live.call(method, path, body if method != "GET" else None)
                reply.error("method_not_allowed", 405)
                assert {part.strip() for part in reply.header("Allow").split(",")} == allowed


@EVERY
@pytest.mark.parametrize("version", [LEGACY, CURRENT])
def test_without_a_key_nothing_is_judged_but_the_key(live, db, resource, version):
    nobody, there = live.with_key("ck_live_" + "A" * 40).at(version), resource.create(live)["id"]
    with nothing_written(db):
        nobody.get(f"{resource.path}?limit=0").error("unauthorized", 401)
        nobody.post(resource.path, b"{", idem=uid("k")).error("unauthorized", 401)
        for some_id in (there, missing_id(resource)):
            for method, path, _ in calls(resource, some_id):
                nobody.call(method, path).error("unauthorized", 401)
