"""Contract section 4: one body for every failure. (helpers.check_error looks at every error of every test.)"""

import re

import pytest

from helpers import ERRORS, LEGACY, VERSIONS, dumps, execute, is_legacy_path, mail, raw_post, uid

pytestmark = pytest.mark.all_fronts


def provoke(code, client):
    """The reply to something that earns this code."""
    customer = client.post("/customers", {"email": mail(), "externalId": uid()})
    customer = customer.json.get("data", customer.json)
    path = "/customers/" + customer["id"]
    if code == "validation_error":
        return client.post("/customers", {"email": "broken", "timezone": 1})
    if code == "invalid_json":
        return client.post("/customers", b"{")
    if code == "unauthorized":
        return client.with_key("nonsense").get("/customers")
    if code == "customer_not_found":
        return client.get("/customers/nobody")
    if code == "not_found":
        return client.get("/nothing")
    if code == "method_not_allowed":
        return client.post(path)
    if code == "duplicate":
        own = uid()
        client.post("/customers", {"email": mail(), "externalId": own})
        return client.put(path, {"externalId": own})
    if code == "idempotency_key_mismatch":
        key = uid("k")
        client.put(path, {"fullName": "x"}, idem=key)
        return client.put(path, {"fullName": "y"}, idem=key)
    if code == "request_too_large":
        return raw_post(client, client.base.encode() + b"/customers", dumps({"email": mail()}) + b" " * 2_097_152)
    raise AssertionError(code)


EASY = [
    "validation_error", "invalid_json", "unauthorized", "customer_not_found", "not_found", "method_not_allowed",
    "duplicate", "idempotency_key_mismatch", "request_too_large"
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("code", EASY)
def test_every_generation_of_clients_can_read_the_error(live, code, version):
    reply = provoke(code, live.at(version))
    error = reply.error(code, ERRORS[code][1])
    body = reply.json
    # Flat, as the first clients read it; nested, as the later ones do; Java makes strings of the two.
    assert isinstance(body["code"], str) and isinstance(body["message"], str)
    assert set(body) <= {"success", "code", "message", "details", "error", "errors"}
    if code == "validation_error":
        assert len(error["details"]) == 2
    if code in ("not_found", "unauthorized", "method_not_allowed", "duplicate", "customer_not_found"):
        assert error["details"] is None
    if code == "request_too_large":
        return  # the web server's own, whatever the version
    if version == LEGACY:
        assert re.search(r"/api-reference/[^/]+/errors/", error["doc_url"])
    else:
        assert f"/api-reference/{version}/errors/{code}.md" in error["doc_url"]
    if code == "validation_error" and is_legacy_path(reply.path):
        assert body["errors"]


@pytest.mark.parametrize("code", EASY)
@pytest.mark.parametrize("base", ["", "/v1"])
def test_the_other_bases_answer_the_same_errors(live, code, base):
    provoke(code, live.on(base)).error(code, ERRORS[code][1])


def test_messages_are_gathered_by_field_on_legacy_paths(live):
    body = live.at(LEGACY).post("/customers", {"email": "broken", "address": {}}).json
    fields = {"billingEmail" if field == "email" else field for field in body["errors"]}
    assert fields == {"billingEmail", "address.line1", "address.city", "address.postalCode", "address.country"}
    for detail in body["details"]:
        assert detail["message"] in body["errors"][detail["field"]]


def test_errors_of_a_header_version_on_a_legacy_path_have_both(live):
    reply = live.at("2026-07-31").on("/api").post("/customers", {"email": "broken"})
    reply.invalid("email")
    assert set(reply.json["errors"]) == {"email"}


def test_messages_do_not_repeat_what_was_sent(live):
    """What a client sends must not come back as text of ours: it could be a secret, or markup."""
    secret = "s3cr3t<script>"
    for reply in (live.post("/customers",
                            {"email": secret}), live.post("/customers", {"email": mail(), "timezone": secret}),
                  live.post("/customers",
                            b'{"' + secret.encode()), live.get("/customers?cursor=" + "s3cr3t%3Cscript%3E"),
                  live.get("/customers?limit=s3cr3t%3Cscript%3E"), live.with_key("ck_live_s3cr3t").get("/customers"),
                  live.get("/s3cr3t%3Cscript%3E"), live.call("DELETE", "/customers/s3cr3t%3Cscript%3E"),
                  live.get("/customers", headers={"Commet-Version": "s3cr3t"}),
                  ):
        assert reply.status >= 400
        assert b"s3cr3t" not in reply.body


FAILURE = """
CREATE FUNCTION contract_failure() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'secret of the table' USING
    ERRCODE = '{state}', DETAIL = 'secret detail', HINT = 'secret hint'; END$$;
CREATE TRIGGER contract_failure BEFORE INSERT OR UPDATE ON customer FOR EACH ROW
    WHEN (NEW.full_name = 'fails') EXECUTE FUNCTION contract_failure();
"""


@pytest.mark.parametrize("state", ["XX000", "XX001", "P0001", "22012", "23514", "42P01", "58030", "23502", "22P02"])
def test_a_failure_of_the_database_is_an_internal_error_that_tells_nothing(live, db, state):
    customer = live.create()
    execute(db, FAILURE.format(state=state))
    try:
        for reply in (live.post("/customers", {"email": mail(), "fullName": "fails"}),
                      live.post("/customers", {"email": mail(), "fullName": "fails"},
                                idem=uid("k")), live.put("/customers/" + customer["id"], {"fullName": "fails"}),
                      live.post("/customers/batch", {"customers": [{"email": mail(), "fullName": "fails"}]})):
            reply.error("internal_error", 500)
            assert b"secret" not in reply.body
    finally:
        execute(db, "DROP FUNCTION contract_failure() CASCADE")
    assert live.put("/customers/" + customer["id"], {"fullName": "fails"}).customer(200)["fullName"] == "fails"


@pytest.mark.parametrize("state", ["53100", "53200", "57P01", "40001", "40P01"])
def test_a_passing_failure_of_the_database_is_worth_a_retry(live, db, state):
    """Disk full, out of memory, shutdown, serialisation, deadlock: 5xx, so that clients try again."""
    execute(db, FAILURE.format(state=state))
    try:
        reply = live.post("/customers", {"email": mail(), "fullName": "fails"}, idem=uid("k"))
        assert reply.json["code"] in ("service_unavailable", "internal_error", "idempotency_unavailable")
        assert b"secret" not in reply.body
    finally:
        execute(db, "DROP FUNCTION contract_failure() CASCADE")
    live.create(fullName="fails")


def test_errors_have_no_more_rows_than_the_limit_but_name_what_is_broken(live):
    items = [{"fullName": 1, "timezone": 1, "address": {}, "externalId": "", "metadata": []} for _ in range(100)]
    fields = live.post("/customers/batch", {"customers": items}).fields()
    assert all(re.match(r"customers\.\d+", field) for field in fields)
    for index in range(100):
        assert any(field.startswith(f"customers.{index}.") for field in fields)
