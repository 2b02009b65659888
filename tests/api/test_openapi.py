"""The description of the API: what is served is what the other tests check each reply against."""

import json
import re

import pytest

import document
from helpers import CURRENT, VERSIONS, uid

pytestmark = pytest.mark.both_fronts


@pytest.mark.parametrize("base", ["/api/v1", "/v1", "/api", ""])
@pytest.mark.parametrize("key", [None, "ck_live_nonsense"])
def test_it_is_served_to_everybody_on_every_base(live, base, key):
    client = live.with_key(key).on(base)
    served = client.get("/openapi.json").ok(200).json
    assert served == json.loads(document.FILE.read_text())
    assert served["openapi"].startswith("3.1.") and served["info"]["version"] == CURRENT
    client.call("HEAD", "/openapi.json").ok(200)


@pytest.mark.parametrize("version", VERSIONS)
def test_it_is_the_same_in_all_versions(live, version):
    client = live.with_key(None).at(version)
    assert client.get("/openapi.json").body == live.get("/openapi.json").body


def test_other_methods_and_broken_headers_are_refused_as_everywhere(live):
    nobody = live.with_key(None)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        reply = nobody.call(method, "/openapi.json")
        reply.error("method_not_allowed", 405)
        assert reply.header("Allow") == "GET, HEAD"
    nobody.get("/openapi.json", headers={"Commet-Version": "latest"}).invalid("Commet-Version")
    nobody.get("/openapi.json/more").error("not_found", 404)


def test_only_the_description_is_public(live):
    nobody = live.with_key(None)
    for path, item in document.document()["paths"].items():
        for method in document.METHODS:
            if method in item and item[method].get("security") != []:
                nobody.call(method.upper(), re.sub(r"\{\w+\}", lambda _: uid(), path)).error("unauthorized", 401)


def test_a_reply_that_differs_from_it_is_noticed():
    """The check that every other test relies on."""
    examples = document.document()["components"]["examples"]
    good = examples["Customer"]["value"]
    sent = [("X-Request-Id", "req_1"), ("Location", "/api/v1/customers/x"), ("Clientele-Result", "created")]

    def problem(body, version=CURRENT, status=201, headers=sent, path="/api/v1/customers", unversioned=False):
        return document.check_reply(version, unversioned, True, "POST", path, status, headers, body)

    assert problem(good) is None
    assert problem({**good, "more": 1}) and problem({**good, "timezone": "Mars/Olympus"})
    assert problem({name: value for name, value in good.items() if name != "livemode"})
    assert problem(good, version="2026-07-11") and problem({"success": True, "data": good})
    assert problem({"success": True, "data": good}, version="2026-07-11") is None
    assert problem(good, headers=sent[:2]) and problem(good, headers=[sent[0], sent[2]]) and problem(good, headers=[*sent, ("Retry-After", "1")])
    assert problem(good, headers=[*sent[:2], ("Clientele-Result", "existing")])
    assert problem(good, status=202) and problem(good, path="/api/v1/customers/x")

    wrong = examples["validation_error"]["value"]
    assert problem(wrong, status=400, headers=sent[:1]) is None
    assert problem({**wrong, "errors": {}}, status=400, headers=sent[:1])
    assert problem({**wrong, "errors": {}}, status=400, headers=sent[:1], unversioned=True) is None
    assert problem(examples["customer_not_found"]["value"], status=400, headers=sent[:1])

    def request(body, status):
        return document.check_request(CURRENT, "POST", "/api/v1/customers", json.dumps(body).encode(), status, wrong)

    assert request({"email": "a@b.co"}, 201) is None and request({"email": "broken"}, 400) is None
    assert request({"email": "broken"}, 201) and request({"email": "a@b.co"}, 400)
