"""W3C Trace Context, through the web servers: read, and continued."""

import pytest

from helpers import VERSIONS, escape

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.both_fronts
def test_trace_is_continued_with_another_span(live):
    replies = [live.get("/customers?limit=1", headers={"traceparent": GOOD, "tracestate": "a=b"}) for _ in range(2)]
    parts = [reply.ok().header("traceresponse").split("-") for reply in replies]
    assert [part[:2] + part[3:] for part in parts] == [["00", TRACE, "01"]] * 2
    assert len({SPAN, *(part[2] for part in parts)}) == 3
    assert all(reply.header("tracestate") is None and reply.header("traceparent") is None for reply in replies)


@pytest.mark.both_fronts
@pytest.mark.parametrize("value", [None, "", "00", GOOD.upper(), GOOD + "-more", GOOD.replace("00-4", "ff-4"), f"{GOOD}, {GOOD}"])
def test_what_is_no_trace_is_as_if_it_was_not_there(live, value):
    reply = live.get("/customers?limit=1", headers={"traceparent": value})
    assert reply.ok().header("traceresponse") is None


@pytest.mark.parametrize("version", VERSIONS)
def test_trace_is_continued_by_every_answer(live, version):
    caller = live.at(version)
    for reply in (caller.get("/customers"), caller.get("/customers/" + escape("nobody")), caller.post("/customers", b"{"),
                  caller.get("/customers", headers={"x-api-key": "ck_live_x"}), caller.get("/nothing")):
        assert reply.header("traceresponse") is None
    for reply in (caller.get("/customers", headers={"traceparent": GOOD}), caller.get("/nobody", headers={"traceparent": GOOD}),
                  caller.get("/customers/nobody", headers={"traceparent": GOOD}),
                  caller.post("/customers", b"{", headers={"traceparent": GOOD})):
        assert reply.header("traceresponse").startswith(f"00-{TRACE}-")
