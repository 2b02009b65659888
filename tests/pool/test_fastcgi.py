"""What a worker takes for a request, and what it does with everything else."""

import json
import os
import signal
import time

import pytest

import fastcgi
from conftest import CUSTOMERS, timed
from fastcgi import ABORT, AUTHORIZER, BEGIN, END, FILTER, GET_VALUES, KEEP_CONN, PARAMS, STDERR, STDIN, STDOUT, record
from stack import PATIENCE, wait_until


@pytest.fixture(scope="module")
def p(proc_database, key):
    """One service with one worker for the whole file: whatever it is sent, that worker must go on."""
    from conftest import Pool
    from stack import Service

    pool = Pool(Service(proc_database, **{**Pool.PATIENT, "workers": 1, "request_timeout": "500ms", "body_max": "64K"}), key).start()
    yield pool
    assert pool.stop() == 0


@pytest.fixture(autouse=True)
def the_worker_goes_on(p):
    before = p.workers()
    yield
    answer, seconds = timed(p.ask)
    assert answer.status == 200
    assert p.workers() == before, p.log()


# ---------------------------------------------------------------- answers


def test_answer_has_exactly_the_headers_it_needs(p):
    answer = p.ask()
    assert answer.headers["Status"] == "200 OK"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert answer.kinds == [STDOUT, STDOUT, END]
    json.loads(answer.body)


def test_head_has_no_body(p):
    get, head = p.ask(), p.ask("HEAD")
    assert head.status == 200 and head.body == b""
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


# ---------------------------------------------------------------- kept connections


def test_connection_is_kept_for_who_asks(p):
    connection = p.connect()
    for _ in range(3):
        external, body = p.new_customer()
        assert connection.send(p.request("POST", body=body, flags=KEEP_CONN)).part().status == 201
        answer = connection.send(p.request("GET", f"{CUSTOMERS}/{external}", flags=KEEP_CONN)).part()
        assert answer.status == 200 and answer.kinds == [STDOUT, STDOUT, END]
    # Who does not ask any more gets its end.
    assert connection.send(p.request()).answer().status == 200


def test_worker_that_keeps_a_connection_serves_others(p):
    kept = p.connect()
    assert kept.send(p.request(flags=KEEP_CONN)).part().status == 200
    for _ in range(3):
        other = p.connect()
        answer, seconds = timed(lambda: other.send(p.request(flags=KEEP_CONN)).part())
        assert answer.status == 200 and seconds < 1 * PATIENCE
        assert answer.kinds == [STDOUT, STDOUT, END]
        assert other.send(p.request(flags=KEEP_CONN)).part().status == 200
        other.close()
        assert kept.send(p.request(flags=KEEP_CONN)).part().status == 200
    kept.close()


def test_place_of_a_kept_connection_is_free_when_it_ends(p):
    for _ in range(3):
        kept = p.connect()
        for _ in range(2):
            assert kept.send(p.request(flags=KEEP_CONN)).part().status == 200
        kept.close()
        assert p.ask().status == 200  # the only worker has seen the end


@pytest.mark.parametrize("body", [b" " * 20000, b"x" * 9000], ids=["spaces", "letters"])
def test_connection_of_a_long_request_is_kept_too(p, body):
    connection = p.connect()
    for _ in range(3):
        answer = connection.send(p.request("POST", body=body, flags=KEEP_CONN)).part()
        assert answer.status == 400 and answer.kinds == [STDOUT, STDOUT, END]


def test_bytes_behind_a_request_are_no_request(p):
    external, body = p.new_customer()
    both = p.request("GET", CUSTOMERS, flags=KEEP_CONN) + p.request("POST", body=body, flags=KEEP_CONN)
    answer = p.connect().send(both).answer()
    assert answer.status == 200 and answer.kinds.count(END) == 1
    assert not p.exists(external)


def test_rest_of_a_request_on_a_kept_connection_frees_the_worker(p):
    kept = p.connect()
    assert kept.send(p.request(flags=KEEP_CONN)).part().status == 200
    kept.send(p.request(flags=KEEP_CONN)[:20])
    answer, seconds = timed(p.ask)
    assert answer.status == 200 and seconds < 3 * PATIENCE
    assert kept.ended()


def test_unread_body_does_not_become_the_next_request(p):
    external, body = p.new_customer()
    forged = p.request("POST", body=body)
    answer = p.connect().send(p.request("POST", body=forged * 400, length=str(len(forged) * 400), flags=KEEP_CONN)).answer()
    assert answer.status == 413
    assert answer.kinds.count(END) == 1
    assert not p.exists(external)


def test_large_answers_arrive_whole(p, large):
    answer = p.ask("GET", large)
    assert answer.status == 200 and len(answer.body) > 500000
    assert int(answer.headers["Content-Length"]) == len(answer.body)


def test_peer_that_leaves_before_the_answer_does_no_harm(p, large):
    for _ in range(20):
        p.connect().send(p.request("GET", large)).close()


def test_peer_that_does_not_read_frees_the_worker(p, large):
    connection = p.connect().send(p.request("GET", large))
    answer, seconds = timed(p.ask)
    assert answer.status == 200 and seconds < 2 * PATIENCE
    connection.close()


# ---------------------------------------------------------------- connections without a request


@pytest.mark.parametrize("sent", [
    pytest.param(b"", id="nothing"),
    pytest.param(b"\1", id="one byte"),
    pytest.param(b"\1\1\0\1", id="half a header"),
])
def test_silent_connection_frees_the_worker(p, sent):
    silent = p.connect().send(sent)
    answer, seconds = timed(p.ask)
    assert answer.status == 200 and seconds < 2.5 * PATIENCE
    assert silent.answer().raw == b""


@pytest.mark.parametrize("sent", [
    pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", id="HTTP"),
    pytest.param(b"\0" * 64, id="zeroes"),
    pytest.param(b"\xff" * 64, id="ones"),
    pytest.param(record(GET_VALUES, b"\x0e\x00FCGI_MAX_CONNS", request=0), id="management record"),
    pytest.param(record(PARAMS, b"\1\1ab"), id="parameters first"),
    pytest.param(record(BEGIN, b"\0\1\0\0\0\0\0\0", request=0), id="request 0"),
    pytest.param(record(BEGIN, b""), id="begin without body"),
    pytest.param(fastcgi.begin(role=AUTHORIZER) + fastcgi.params([("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")]) + record(STDIN), id="authorizer"),
    pytest.param(fastcgi.begin(role=FILTER) + fastcgi.params([("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")]) + record(STDIN), id="filter"),
    pytest.param(fastcgi.begin(role=99) + fastcgi.params([]) + record(STDIN), id="unknown role"),
    pytest.param(fastcgi.begin() + fastcgi.params([("REQUEST_URI", "/")]) + record(STDIN), id="no method"),
    pytest.param(fastcgi.begin() + fastcgi.params([("REQUEST_METHOD", "GET")]) + record(STDIN), id="no URI"),
    pytest.param(fastcgi.begin() + fastcgi.params([]) + record(STDIN), id="no parameters"),
    pytest.param(fastcgi.request("GET", CUSTOMERS, more=[("HTTP_COOKIE", "x" * 70000)]), id="parameters larger than 64 KiB"),
    pytest.param(fastcgi.request("GET", CUSTOMERS, more=[(f"HTTP_X_{n}", "") for n in range(9000)]), id="too many parameters"),
    pytest.param(fastcgi.begin() + record(ABORT) + record(STDIN), id="abort"),
])
def test_what_is_no_request_gets_no_answer(p, sent):
    answer, seconds = timed(lambda: p.connect().send(sent).answer())
    assert answer.status is None and seconds < 2 * PATIENCE


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_half_a_request_frees_the_worker(p, part):
    external, body = p.new_customer()
    whole = p.request("POST", body=body)
    half = p.connect().send(whole[:int(len(whole) * part)])
    answer, seconds = timed(p.ask)
    assert answer.status == 200 and seconds < 3 * PATIENCE
    assert half.answer().status is None and not p.exists(external)


def test_cut_off_requests_are_not_executed(p):
    external, body = p.new_customer()
    whole = p.request("POST", body=body)
    for end in range(1, len(whole), 7):
        p.connect().send(whole[:end]).close()
    assert p.ask().status == 200
    assert not p.exists(external)
    assert p.connect().send(whole).answer().status == 201


def test_request_whose_sender_left_is_not_executed(p):
    external, body = p.new_customer()
    os.kill(p.workers()[0], signal.SIGSTOP)
    try:
        p.connect().send(p.request("POST", body=body)).close()
    finally:
        os.kill(p.workers()[0], signal.SIGCONT)
    assert p.ask().status == 200
    assert not p.exists(external)


# ---------------------------------------------------------------- bodies


@pytest.mark.parametrize("more", [1, 5, 5000])
def test_body_shorter_than_announced_is_not_executed(p, more):
    external, body = p.new_customer()
    assert p.ask("POST", body=body, length=str(len(body) + more)).status is None
    assert not p.exists(external)


@pytest.mark.parametrize("less", [1, 5])
def test_body_longer_than_announced_is_not_executed(p, less):
    external, body = p.new_customer()
    assert p.ask("POST", body=body + b" " * less, length=str(len(body))).status is None
    assert not p.exists(external)


@pytest.mark.parametrize("length", ["-2", "+5", " 5", "5 ", "0x10", "5a", "1e1", "99999999999999999999", "5,5"])
def test_length_that_is_no_number_is_not_executed(p, length):
    external, body = p.new_customer()
    assert p.ask("POST", body=body, length=length).status is None
    assert not p.exists(external)


@pytest.mark.parametrize("length", ["", "0", "00", "-1"])  # -1: Caddy, of a body in chunks
def test_body_without_length_is_read_to_its_end(p, length):
    external, body = p.new_customer()
    assert p.ask("POST", body=body, length=length).status == 201
    assert p.exists(external)


def test_body_in_many_records_is_read_whole(p):
    external, body = p.new_customer()
    whole = p.request("POST", body=body)
    stdin = record(STDIN, body) + record(STDIN)
    assert whole.endswith(stdin)
    single = b"".join(record(STDIN, body[n:n + 1]) for n in range(len(body))) + record(STDIN)
    assert p.connect().send(whole[:-len(stdin)] + single).answer().status == 201
    assert p.exists(external)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("size", [64 * 1024 + 1, 200 * 1024, 1024 * 1024])
def test_body_over_the_limit_is_413(p, size, announced):
    answer = p.ask("POST", body=b" " * size, length=None if announced else "")
    assert answer.status == 413
    assert json.loads(answer.body)["error"]["code"] == "request_too_large"


@pytest.mark.parametrize("announced", [True, False])
def test_body_at_the_limit_is_read(p, announced):
    external, body = p.new_customer()
    assert p.ask("POST", body=body + b" " * (64 * 1024 - len(body)), length=None if announced else "").status == 201
    assert p.exists(external)


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize("header", ["x-api-key", "Idempotency-Key", "Commet-Version"])
def test_repeated_header_is_seen(p, header):
    answer = p.ask("GET", headers=[(header, "2026-07-31"), (header, "2026-07-31")])
    assert answer.status == 400, answer.body


def test_first_of_two_equal_parameters_counts(p):
    more = [("REQUEST_METHOD", "DELETE"), ("REQUEST_URI", "/api/v1/nowhere")]
    assert p.ask(more=more).status == 200


def test_long_uri_and_long_header_get_an_answer(p):
    assert p.ask("GET", CUSTOMERS + "/" + "x" * 5000).status in (400, 404, 414)
    assert p.ask("GET", headers=[("Commet-Version", "x" * 5000)]).status == 400


def test_parameter_name_with_equals_sign_is_no_header(p):
    assert p.ask(more=[("HTTP_COMMET_VERSION=bogus", "x")]).status in (200, 400)


def test_worker_survives_a_flood_of_nonsense(p):
    for n in range(200):
        connection = p.connect()
        try:
            connection.send(os.urandom(8 + n * 5))
        except OSError:
            pass
        connection.close()


def test_nothing_here_has_reached_the_log_as_an_error(p):
    assert " error " not in p.log(), p.log()
    os.kill(p.pid, signal.SIGCHLD)  # a signal without a cause is no cause for anything
    wait_until(lambda: p.ask().status == 200)
