"""
Large bodies that come together. A worker gathers 64 MiB of requests that are not whole yet; what is above that waits, and must
neither wait for ever nor keep others from being answered for ever.
"""

import pytest

import fastcgi
from conftest import Pending

UPLOAD = "/api/v1/imports/imp_0351FCQgKR3I7ZkBzl3HBP/parts/1"
BODY = 8_000_000
# With so much of each there, the buffers of eight have 64 MiB, and what was sent fits them and the socket.
MANY, BEGUN = 8, 4_300_000


@pytest.fixture
def crowd(pool):
    """A function: a service with one worker, and uploads in it none of which is whole: (service, [(connection, rest)])."""
    def new(**options):
        p = pool(workers=1, **options).start()
        whole = p.request("PUT", UPLOAD, body=b"x" * BODY)
        return p, [(p.connect().send(whole[:BEGUN]), whole[BEGUN:]) for _ in range(MANY)]

    return new


def test_they_come_to_their_end(crowd):
    p, uploads = crowd()
    answers = [Pending(lambda one=one: one[0].send(one[1]).answer()) for one in uploads]
    assert [answer.result().status for answer in answers] == [404] * MANY
    assert p.ask().status == 200


def test_those_whose_senders_leave_make_room(crowd):
    p, uploads = crowd()
    for connection, _ in uploads:
        connection.close()
    assert p.ask().status == 200


def test_those_that_are_not_there_in_time_make_room(crowd):
    p, uploads = crowd(request_timeout="2s")
    for connection, rest in uploads:
        connection.send(rest[:1000])
    assert p.ask().status == 200
    for connection, _ in uploads:
        connection.close()


def test_what_is_in_hand_is_answered_while_they_wait(pool):
    """A kept connection is read on, whatever is gathered in others."""
    p = pool(workers=1).start()
    kept = p.connect()
    assert kept.send(p.request(flags=fastcgi.KEEP_CONN)).part().status == 200
    whole = p.request("PUT", UPLOAD, body=b"x" * BODY)
    uploads = [p.connect().send(whole[:BEGUN]) for _ in range(MANY)]
    assert kept.send(p.request(flags=fastcgi.KEEP_CONN)).part().status == 200
    for connection in uploads:
        connection.close()
