"""
A front server that lies: what it sends is no request, or another one than it says. After each lie the same worker
answers a good request within its time, nothing was written that was not answered with success, and not one byte of
another tenant has come back.
"""

import contextlib
import json
import socket
import struct
import threading
import time

import pytest

import fastcgi
from conftest import CUSTOMERS, Pool, timed
from fastcgi import ABORT, BEGIN, DATA, END, GET_VALUES, PARAMS, STDIN, STDOUT, pair, params, record, records
from stack import PATIENCE, Service

REQUEST_TIMEOUT_S = 1
# What a worker may need beyond the timeout: to notice, to close, to be scheduled.
SLACK_S = 0.5
SECRET = "belongs-to-the-other-tenant"
TABLES = ("customer", "event", "idempotency_key", "api_key")


class Liars(Pool):
    """Remembers all that came back, and counts what is stored."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.heard = b""

    def tell(self, data, close=False):
        """Sends it; returns the answer, or None when it is not waited for."""
        connection = self.connect()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send(data)
        if close:
            connection.close()
            return None
        answer = connection.answer()
        self.heard += answer.raw
        return answer

    def stored(self):
        with contextlib.closing(self.database.connect()) as db, db.cursor() as cursor:
            cursor.execute("SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in TABLES))
            return cursor.fetchone()


@pytest.fixture(scope="module")
def p(proc_database):
    """One worker for the whole file: whatever it is sent, that worker must go on."""
    key = proc_database.organization("Liars Ltd").key("live")
    service = Service(proc_database, **{**Pool.PATIENT, "workers": 1, "request_timeout": f"{REQUEST_TIMEOUT_S}s", "body_max": "64K"})
    pool = Liars(service, key).start()
    other = proc_database.organization("Neighbour Ltd").key("live")
    body = json.dumps({"email": "a@example.com", "id": SECRET, "metadata": {"note": SECRET}}).encode()
    made = fastcgi.ask(pool.address, "POST", CUSTOMERS, [("x-api-key", other)], body=body)
    assert made.status == 201 and SECRET.encode() in made.body
    yield pool
    assert pool.stop() == 0


@pytest.fixture(autouse=True)
def nothing_is_lost_or_shown(p):
    workers, stored, p.heard, p.may_write = p.workers(), p.stored(), b"", 0
    yield
    answer, seconds = timed(p.ask)
    assert answer.status == 200 and seconds < (REQUEST_TIMEOUT_S + SLACK_S) * PATIENCE
    assert p.workers() == workers, f"the worker died:\n{p.log()[-3000:]}"
    after = p.stored()
    # A create is a customer and its event, and all that these tests may do.
    assert after == (stored[0] + p.may_write, stored[1] + p.may_write, *stored[2:])
    assert SECRET.encode() not in p.heard + answer.raw


def create(p):
    """The records of a create, one by one: begin, parameters, their end, body, its end."""
    _, body = p.new_customer()
    pairs = pairs_of(p, body)
    return [fastcgi.begin(), record(PARAMS, b"".join(pair(*one) for one in pairs)), record(PARAMS), record(STDIN, body), record(STDIN)]


def pairs_of(p, body=b"", method="POST"):
    return [("REQUEST_METHOD", method), ("REQUEST_URI", CUSTOMERS), ("CONTENT_LENGTH", str(len(body)) if body else ""),
            ("HTTP_X_API_KEY", p.key)]


def raw_record(kind, content=b"", request=1, version=1, length=None, padding=0, reserved=0):
    """A record whose header says whatever it is told to."""
    return struct.pack(">BBHHBB", version, kind, request, len(content) if length is None else length, padding, reserved) + content


# ---------------------------------------------------------------- cut off


def test_create_that_is_cut_at_every_byte_is_not_done(p):
    whole = b"".join(create(p))
    for end in range(len(whole)):
        p.tell(whole[:end], close=True)


def test_create_whose_sender_stops_at_every_byte_is_not_done(p):
    """Nothing more will come, but an answer would be read."""
    whole = b"".join(create(p))
    for end in range(len(whole)):
        connection = p.connect().send(whole[:end])
        connection.socket.shutdown(socket.SHUT_WR)
        answer, seconds = timed(connection.answer)
        assert answer.status is None, end
        assert seconds < SLACK_S * PATIENCE, f"held the worker for {seconds:.1f} s after {end} bytes"


def test_abort_after_any_record_is_not_done(p):
    for stop in range(1, 5):
        whole = create(p)
        answer = p.tell(b"".join(whole[:stop]) + record(ABORT) + b"".join(whole[stop:]))
        assert answer.status is None, stop


def test_abort_in_the_middle_of_the_body_and_close(p):
    begin, some, end, body, _ = create(p)
    half = record(STDIN, body[8:30])
    p.tell(begin + some + end + half + record(ABORT), close=True)
    p.tell(begin + some + end + half, close=True)
    assert p.tell(begin + some + end + half + record(ABORT) + record(STDIN)).status is None


# ---------------------------------------------------------------- records


@pytest.mark.parametrize("change", [
    pytest.param(lambda w: raw_record(STDIN, w[3][8:], length=len(w[3][8:]) - 5) + w[4], id="record shorter than its content"),
    pytest.param(lambda w: raw_record(STDIN, w[3][8:], length=len(w[3][8:]) + 5) + w[4], id="record longer than its content"),
    pytest.param(lambda w: raw_record(STDIN, w[3][8:], length=0xFFFF) + w[4], id="record of 65535 bytes that are not there"),
    pytest.param(lambda w: raw_record(STDIN, w[3][8:], length=0) + w[4], id="record of no bytes with content"),
    pytest.param(lambda w: raw_record(STDIN, w[3][8:], padding=255) + w[4], id="padding that is not there"),
    pytest.param(lambda w: raw_record(STDIN, w[3][8:], version=0) + w[4], id="version 0"),
    pytest.param(lambda w: raw_record(STDIN, w[3][8:], version=2) + w[4], id="version 2"),
    pytest.param(lambda w: raw_record(STDIN, w[3][8:], version=255) + w[4], id="version 255"),
    pytest.param(lambda w: record(BEGIN, b"\0\1\0\0\0\0\0\0") + w[3] + w[4], id="a second begin"),
    pytest.param(lambda w: raw_record(STDIN, w[3][8:], request=2) + w[3] + w[4], id="body of another request"),
    pytest.param(lambda w: w[3][:8] + w[3][8:] + raw_record(4, b"x" * 8, request=0) * 200 + w[4], id="unknown management records"),
    pytest.param(lambda w: record(END, b"\0" * 8) + w[3] + w[4], id="end of request from the front server"),
    pytest.param(lambda w: record(STDOUT, b"x") + w[3] + w[4], id="output from the front server"),
    pytest.param(lambda w: record(DATA, b"x") + w[3] + w[4], id="data before the body"),
    pytest.param(lambda w: record(PARAMS, pair("HTTP_X", "y")) + w[3] + w[4], id="parameters after their end"),
    pytest.param(lambda w: record(0, b"") + w[3] + w[4], id="type 0"),
    pytest.param(lambda w: record(12, b"") + w[3] + w[4], id="type 12"),
    pytest.param(lambda w: record(255, b"x" * 300) + w[3] + w[4], id="type 255"),
])
def test_body_in_records_that_lie_is_not_done(p, change):
    whole = create(p)
    answer, seconds = timed(lambda: p.tell(b"".join(whole[:3]) + change(whole)))
    assert answer.status is None and seconds < (REQUEST_TIMEOUT_S + SLACK_S) * PATIENCE


@pytest.mark.parametrize("change", [
    pytest.param(lambda w: record(ABORT) + b"".join(w), id="abort first"),
    pytest.param(lambda w: w[1] + w[0] + b"".join(w[2:]), id="parameters before begin"),
    pytest.param(lambda w: w[3] + w[4] + b"".join(w[:3]), id="body first"),
    pytest.param(lambda w: w[0] + w[3] + w[4] + w[1] + w[2], id="body before parameters"),
    pytest.param(lambda w: w[0] + w[2] + w[1] + w[3] + w[4], id="end of parameters before them"),
    pytest.param(lambda w: w[0] + w[2] + w[3] + w[4], id="no parameters"),
    pytest.param(lambda w: w[0] + w[1] + w[3] + w[4], id="parameters without end"),
    pytest.param(lambda w: w[0] * 2 + b"".join(w[1:]), id="begun twice"),
    pytest.param(lambda w: w[4] + w[2] + w[0], id="only ends"),
    pytest.param(lambda w: raw_record(BEGIN, b"\0\1\0\0\0\0\0\0", version=0) + b"".join(w[1:]), id="begin of version 0"),
    pytest.param(lambda w: raw_record(BEGIN, b"\0\1\0\0\0\0\0\0", length=9) + b"".join(w[1:]), id="begin of nine bytes"),
    pytest.param(lambda w: raw_record(BEGIN, b"\0\1\0\0\0\0\0\0", length=0xFFFF) + b"".join(w[1:]), id="begin of 65535 bytes"),
    pytest.param(lambda w: raw_record(BEGIN, b"\0\0\0\0\0\0\0\0") + b"".join(w[1:]), id="role 0"),
    pytest.param(lambda w: raw_record(BEGIN, b"\xff\xff\0\0\0\0\0\0") + b"".join(w[1:]), id="role 65535"),
    pytest.param(lambda w: raw_record(BEGIN, b"\0\1\0\0\0\0\0\0", request=0) + b"".join(w[1:]), id="request 0"),
    pytest.param(lambda w: raw_record(BEGIN, b"\0\1\0\0\0\0\0\0", request=2) + b"".join(w[1:]), id="begun with another number"),
])
def test_records_in_wrong_order_are_not_done(p, change):
    answer, seconds = timed(lambda: p.tell(change(create(p))))
    assert answer.status is None and seconds < (REQUEST_TIMEOUT_S + SLACK_S) * PATIENCE


def test_padding_everywhere_is_no_part_of_the_request(p):
    """No lie: the protocol allows it, so the request is done as it is meant."""
    _, body = p.new_customer()
    some = b"".join(pair(*one) for one in pairs_of(p, body))

    def padded(kind, content=b"", padding=255):
        return raw_record(kind, content, padding=padding) + b"\xaa" * padding

    stream = fastcgi.begin()
    stream += b"".join(padded(PARAMS, some[at:at + 7], 1 + at % 255) for at in range(0, len(some), 7)) + record(PARAMS)
    stream += b"".join(padded(STDIN, body[at:at + 5], 255 - at % 255) for at in range(0, len(body), 5)) + padded(STDIN)
    p.may_write = 1
    assert p.tell(stream).status == 201


@pytest.mark.parametrize("where", [0, 2])
def test_padding_that_libfcgi_would_take_for_records_is_refused(p, where):
    """Behind begin and behind the end of the parameters it does not skip it, so a request could stand in it."""
    whole = create(p)
    kind, content = whole[where][1], whole[where][8:]
    whole[where] = raw_record(kind, content, padding=32) + record(STDIN, b"12345678") + record(STDIN) * 2
    assert p.tell(b"".join(whole)).status is None


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_management_records_and_other_requests_in_between_are_not_done(p, at):
    """Multiplexing and its questions are not ours, and no front server that is told so asks them."""
    for between in (record(GET_VALUES, pair("FCGI_MAX_CONNS", "") + pair("FCGI_MPXS_CONNS", ""), request=0),
                    fastcgi.begin()[:2] + b"\0\7" + fastcgi.begin()[4:], record(STDIN, b"forged", request=7)):
        whole = create(p)
        assert p.tell(b"".join(whole[:at]) + between + b"".join(whole[at:])).status is None


@pytest.mark.parametrize("between", [record(GET_VALUES, pair("FCGI_MAX_CONNS", ""), request=0), record(STDIN, b"forged", request=7)])
def test_foreign_records_behind_what_is_looked_at_are_no_part_of_the_body(p, between):
    """A body that is longer than the first look: here libfcgi judges alone."""
    _, body = p.new_customer()
    body = body[:-1] + b" " * 20000 + b"}"
    stream = fastcgi.begin() + params(pairs_of(p, body)) + record(STDIN, body[:15000]) + between + record(STDIN, body[15000:]) + record(STDIN)
    answer = p.tell(stream)
    assert answer.status in (None, 201)
    p.may_write = int(answer.status == 201)


def test_thousands_of_management_records_end_with_the_timeout(p):
    ask = record(GET_VALUES, pair("FCGI_MAX_CONNS", ""), request=0)
    answer, seconds = timed(lambda: p.tell(fastcgi.begin() + ask * 20000))
    assert answer.status is None and seconds < (2 * REQUEST_TIMEOUT_S + SLACK_S) * PATIENCE


# ---------------------------------------------------------------- what CONTENT_LENGTH claims

LENGTHS = ["-1000", "-9223372036854775808", "9223372036854775807", "9223372036854775808", "18446744073709551615",
           "18446744073709551616", "4294967296", "4294967295", "2147483648", "65537", " ", "\t5", "5\r\n", "0x", "NaN", "1.0",
           "five", "++5", "5-", "\u0665", "\xff", "1_0", "5" * 5000]


@pytest.mark.parametrize("length", LENGTHS)
def test_length_that_lies_is_not_done(p, length):
    answer = p.tell(p.request("POST", body=p.new_customer()[1], length=length))
    assert answer.status in (None, 413)


def test_length_with_nul_is_not_the_number_before_it(p):
    """A parameter ends at NUL for libfcgi: then what is left of it counts, and must be the truth."""
    _, body = p.new_customer()
    answer = p.tell(p.request("POST", body=body, length=f"{len(body) + 1}\0"))
    assert answer.status is None


def test_first_of_two_lengths_counts_and_must_be_true(p):
    _, body = p.new_customer()
    assert p.tell(p.request("POST", body=body, length="5", more=[("CONTENT_LENGTH", str(len(body)))])).status is None


# ---------------------------------------------------------------- parameters


def stream(some):
    """A request of these bytes as its parameters."""
    return fastcgi.begin() + records(PARAMS, some) + record(STDIN)


def lengths(name, value):
    return struct.pack(">II", name | 0x80000000, value | 0x80000000)


@pytest.mark.parametrize("tail", [
    pytest.param(lengths(0x7FFFFFFF, 0), id="name of 2^31-1 bytes"),
    pytest.param(lengths(0, 0x7FFFFFFF), id="value of 2^31-1 bytes"),
    pytest.param(lengths(0x7FFFFFFF, 0x7FFFFFFF) + b"xyz", id="both of 2^31-1 bytes"),
    pytest.param(lengths(0x7FFFFFFE, 0x7FFFFFFE) + b"xyz", id="both of 2^31-2 bytes"),
    pytest.param(lengths(0x40000000, 0x40000000) + b"xyz", id="together 2^31 bytes"),
    pytest.param(lengths(0x7FFFFFF0, 16) + b"x" * 64, id="together 2^31 bytes, unevenly"),
    pytest.param(lengths(16, 70000) + b"x" * 64, id="value that is not there"),
    pytest.param(b"\xff\xff\xff\xff", id="only a length"),
    pytest.param(b"\x80", id="a quarter of a length"),
    pytest.param(b"\x05", id="one length of two"),
    pytest.param(b"\x7f\x7fab", id="short lengths that are not there"),
    pytest.param(b"\0\0" * 30000, id="30000 parameters without name and value"),
])
def test_lengths_of_parameters_that_lie(p, tail):
    some = b"".join(pair(*one) for one in pairs_of(p, method="GET"))
    answer, seconds = timed(lambda: p.tell(stream(some + tail)))
    assert answer.status in (None, 200)  # 200: what came before is a request, and nothing in the tail says that it is none
    assert seconds < (REQUEST_TIMEOUT_S + SLACK_S) * PATIENCE
    assert p.tell(stream(tail + some)).status in (None, 200)


def test_long_spelling_of_short_lengths_means_the_same(p):
    some = b"".join(struct.pack(">II", len(n) | 0x80000000, len(v) | 0x80000000) + n.encode() + v.encode() for n, v in pairs_of(p, method="GET"))
    assert p.tell(stream(some)).status == 200


def test_thousands_of_parameters(p):
    pairs = pairs_of(p, method="GET")
    few = [(f"X{n}", "") for n in range(5000)]
    assert p.tell(stream(b"".join(pair(*one) for one in few + pairs))).status == 200
    many = [(f"HTTP_X_{n}", "y" * 20) for n in range(20000)]
    assert p.tell(stream(b"".join(pair(*one) for one in pairs + many))).status is None


@pytest.mark.parametrize("name", ["REQUEST_METHOD", "REQUEST_URI", "CONTENT_LENGTH", "HTTP_X_API_KEY", "HTTP_COMMET_VERSION"])
def test_hundreds_of_the_same_parameter(p, name):
    pairs = pairs_of(p, method="GET") + [(name, f"{n}") for n in range(500)]
    assert p.tell(stream(b"".join(pair(*one) for one in pairs))).status in (200, 400)


@pytest.mark.parametrize("value", ["\0", "a\0b", "a\r\nSet-Cookie: x=y", "a\nb", "\r\n\r\n{}", "\x1b[2J", "\x7f", "x=y", "=", "\xff\xfe"])
@pytest.mark.parametrize("name", ["REQUEST_METHOD", "REQUEST_URI", "HTTP_X_API_KEY", "HTTP_COMMET_VERSION", "HTTP_X_REQUEST_ID",
                                  "HTTP_TRACEPARENT", "REQUEST_START", "HTTP_UNKNOWN"])
def test_control_characters_in_a_parameter_stay_there(p, name, value):
    pairs = [(n, v) for n, v in pairs_of(p, method="GET") if n != name] + [(name, value.encode("latin-1"))]
    answer = p.tell(stream(b"".join(pair(*one) for one in pairs)))
    assert answer.status in (200, 400, 401, 404, 405)
    assert not {"Set-Cookie", "set-cookie"} & answer.headers.keys()
    json.loads(answer.body)


def test_names_that_only_begin_like_one(p):
    pairs = [("REQUEST_URI\0x", "/nowhere"), ("REQUEST_METHOD ", "DELETE"), ("request_method", "DELETE"), ("", "x"), ("=", "x"),
             ("HTTP_X_API_KEY_", "x"), *pairs_of(p, method="GET")]
    # libfcgi ends a name at NUL, but its value is then behind it: the name is 'REQUEST_URI' and has no '='.
    assert p.tell(stream(b"".join(pair(*one) for one in pairs))).status in (200, 404, None)


# ---------------------------------------------------------------- time


def drip(connection, data, every):
    """Sends a byte now and then, until the other side has enough; returns the thread."""
    def run():
        with contextlib.suppress(OSError):
            for n in range(len(data)):
                connection.socket.send(data[n:n + 1])
                time.sleep(every)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("part", ["head", "parameters", "body"])
def test_byte_now_and_then_does_not_hold_the_worker_longer_than_the_timeout(p, part):
    """Each single wait is far shorter than the timeout, all of them together are not."""
    whole = create(p)
    at = {"head": 0, "parameters": 20, "body": len(b"".join(whole[:3])) + 9}[part]
    data = b"".join(whole)
    slow = p.connect().send(data[:at])
    thread = drip(slow, data[at:], 0.05)
    answer, seconds = timed(p.ask)
    assert answer.status == 200
    assert seconds < (REQUEST_TIMEOUT_S + SLACK_S) * PATIENCE, f"another request waited for {seconds:.1f} s"
    assert slow.answer().status is None
    thread.join(30)


def test_body_without_end_does_not_hold_the_worker(p):
    """413 is given at the limit; who goes on sending all the same is not listened to for ever."""
    begin, some, end, _, _ = create(p)
    endless = p.connect().send(begin + params([(n, "" if n == "CONTENT_LENGTH" else v) for n, v in pairs_of(p)]))
    stop = threading.Event()

    def run():
        with contextlib.suppress(OSError):
            while not stop.is_set():
                endless.socket.sendall(record(STDIN, b" " * 60000))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    time.sleep(0.1)
    answer, seconds = timed(p.ask)
    stop.set()
    assert answer.status == 200
    assert seconds < SLACK_S * PATIENCE, f"another request waited for {seconds:.1f} s"
    endless.close()
    thread.join(10)


def test_reader_who_takes_a_byte_now_and_then_does_not_hold_the_worker(p, large):
    slow = p.connect()
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.send(p.request("GET", large))
    stop = threading.Event()

    def run():
        with contextlib.suppress(OSError):
            while not stop.is_set() and slow.socket.recv(4096):
                time.sleep(0.05)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    answer, seconds = timed(p.ask)
    stop.set()
    assert answer.status == 200
    assert seconds < (REQUEST_TIMEOUT_S + SLACK_S) * PATIENCE, f"another request waited for {seconds:.1f} s"
    thread.join(10)
    slow.close()


def test_reader_who_never_reads_does_not_hold_the_worker(p, large):
    slow = p.connect().send(p.request("GET", large))
    answer, seconds = timed(p.ask)
    assert answer.status == 200
    assert seconds < (REQUEST_TIMEOUT_S + SLACK_S) * PATIENCE, f"another request waited for {seconds:.1f} s"
    slow.close()


def test_silent_connections_one_after_another_hold_it_no_longer_than_each_its_time(p):
    silent = [p.connect() for _ in range(3)]
    answer, seconds = timed(p.ask)
    assert answer.status == 200 and seconds < (3 * REQUEST_TIMEOUT_S + SLACK_S) * PATIENCE
    for one in silent:
        one.close()


def test_huge_body_is_refused_unread(p):
    begin, some, end, _, _ = create(p)
    answer, seconds = timed(lambda: p.tell(p.request("POST", body=b" " * (8 << 20))))
    assert answer.status in (None, 413) and seconds < (2 * REQUEST_TIMEOUT_S + SLACK_S) * PATIENCE
