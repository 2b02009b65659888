"""One walk through the whole API in every version, through both web servers."""

import pytest

from helpers import VERSIONS, dumps, email_key, escape, mail, uid

pytestmark = pytest.mark.all_fronts


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_of_every_version_gets_its_work_done(new_org, version):
    client = new_org().live.at(version)
    email = email_key(version)
    own = uid("auth0|") + "/é😀"

    made = client.post("/customers", {email: "Ann@example.com", "externalId": own, "metadata": {"n": 1.10}}, idem="one")
    customer = made.customer(201)
    assert made.header("Clientele-Result") == "created"
    again = client.post("/customers", {email: mail(), "id": own})
    assert again.customer(200) == customer and again.header("Clientele-Result") == "existing"
    replay = client.post("/customers", {email: "Ann@example.com", "externalId": own, "metadata": {"n": 1.10}},
                         idem="one")
    assert (replay.status, replay.body, replay.header("Idempotent-Replayed")) == (201, made.body, "true")

    assert client.fetch(customer["id"])["id"] == client.fetch(own)["id"] == customer["id"]
    updated = client.put("/customers/" + escape(own), {"fullName": "Ann"}, idem="two").customer(200)
    assert updated == {**customer, "fullName": "Ann", "updatedAt": updated["updatedAt"]}
    assert client.patch("/customers/" + customer["id"], {"timezone": "UTC"}).customer(200)["fullName"] == "Ann"

    items = [{email: mail(), "externalId": uid()} for _ in range(99)] + [{email: "broken"}]
    first = client.post("/customers/batch", {"customers": items}, idem="three").ok(200)
    assert len(first.data["successful"]) == 99 and [entry["index"] for entry in first.data["failed"]] == [99]
    assert client.post("/customers/batch", {"customers": items}, idem="three").body == first.body

    rows = client.walk(limit=7)
    assert len({row["id"] for row in rows}) == len(rows) == 100 and rows[-1]["id"] == customer["id"]
    assert [row["id"] for row in client.walk("externalId=" + escape(own))] == [customer["id"]]

    client.missing("nobody")
    client.put("/customers/" + customer["id"], {"externalId": items[0]["externalId"]}).error("duplicate", 409)
    client.post("/customers", {email: "broken"}).invalid(email)
    client.post("/customers", b"{").error("invalid_json", 400)
    client.post("/customers", {email: mail()}, idem="one").error("idempotency_key_mismatch", 409)
    client.post("/customers/" + customer["id"]).error("method_not_allowed", 405)
    client.get("/nothing").error("not_found", 404)
    client.with_key("nonsense").get("/customers").error("unauthorized", 401)


def test_the_examples_of_the_guides_work(new_org):
    """The old guide's calls, word for word but for host and key."""
    import json

    client = new_org().live.on("/api")
    customer = client.post("/customers", b"""{
    "email": "billing@acme.com",
    "id": "user_123"
  }""").customer(201)
    assert (customer["billingEmail"], customer["externalId"]) == ("billing@acme.com", "user_123")
    client.post("/customers", b'{    "billingEmail": "user@example.com"  }').customer(201)
    result = client.post(
        "/customers/batch", b"""{
    "customers": [
      { "email": "alice@acme.com", "id": "user_1" },
      { "email": "bob@acme.com", "id": "user_2" },
      { "email": "carol@acme.com", "id": "user_3" }
    ]
  }""").ok(200).data
    assert len(result["successful"]) == 3 and result["failed"] == []
    client.fetch(customer["id"])
    updated = client.put(
        "/customers/" + customer["id"], b"""{
    "email": "new@acme.com",
    "address": {
      "line1": "123 Main St",
      "city": "Austin",
      "postalCode": "78701",
      "country": "US"
    }
  }""").customer(200)
    assert updated["billingEmail"] == "new@acme.com"
    rows, following = client.get("/customers?limit=3").page()
    assert len(rows) == 3
    rows, following = client.get("/customers?limit=3&cursor=" + following).page()
    assert len(rows) == 2 and following is None
    assert json.loads(client.put("/customers/user_123", b"{}").body)["data"] == updated


def test_many_requests_on_one_connection(live):
    for _ in range(200):
        live.get("/customers?limit=1").ok(200)


def test_a_megabyte_goes_in_and_out(live):
    text = "é" * 7900
    items = [{"email": mail(), "externalId": uid("big"), "metadata": {"x": text}} for _ in range(100)]
    legacy = live.at("2026-05-25")
    reply = legacy.post("/customers/batch", dumps({"customers": items})).ok(200)
    assert len(reply.body) > 1_500_000
    assert all(entry["metadata"] == {"x": text} for entry in reply.data["successful"])
    rows, _ = live.get("/customers?limit=100").page()
    assert len(rows) == 100 and rows[0]["metadata"] == {"x": text}
