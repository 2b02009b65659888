"""What owners do with the users of their organization, and second factors."""

import base64
import hashlib
import hmac
import struct
import time

import pytest

from helpers import uid
from privacy import SENT
from test_sessions import PASSWORD, Person, acme, failed, key, link, person  # noqa: F401
from stack import wait_until


def code(secret, step=0):
    """RFC 6238, for now and so many steps on."""
    mac = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(time.time()) // 30 + step), hashlib.sha1)
    return f"{(struct.unpack('>I', mac[mac[-1] & 15:][:4])[0] & 0x7FFFFFFF) % 1000000:06}"


@pytest.fixture
def team(url, database):
    """A function: a new user of a new organization, who has signed in."""
    organization = database.organization("Team " + uid())

    def make(role):
        made = Person(url, database, f"team-{uid()}@example.com".lower())
        database.clientele("user", "create", made.email, role, "--org", organization.name, input=PASSWORD + "\n")
        made.id = made.sign_in()["user"]["id"]
        return made
    return make


def accept(anybody, address, url):
    secret = address.split("#")[1]
    SENT.text(secret)
    invited = Person(url, anybody.database, anybody.email)
    reply = invited.call("POST", "/session/accept", {"token": secret, "password": PASSWORD}, csrf="1")
    assert reply.status == 200, repr(reply)
    return invited


def test_an_owner_invites_and_a_user_accepts(team, url, database):
    ann = team("owner")
    bob = Person(url, database, f"Bob-{uid()}@Example.com")
    first = ann.call("POST", "/users", {"email": bob.email, "name": "Bob", "role": "member"}).json
    again = ann.call("POST", "/users", {"email": bob.email, "role": "admin"}).json
    assert first["url"] != again["url"] and again["role"] == "admin" and again["email"] == bob.email.lower()
    row = next(row for row in ann.call("GET", "/users").json["data"] if row["email"] == bob.email.lower())
    assert (row["name"], row["role"], row["accepted"]) == ("Bob", "admin", False)
    failed(bob.call("POST", "/session/accept", {"token": first["url"].split("#")[1], "password": PASSWORD}, csrf="1"), "not_found", 404, "token")
    accept(bob, again["url"], url)
    assert bob.sign_in()["role"] == "admin"
    failed(ann.call("POST", "/users", {"email": bob.email, "role": "member"}), "conflict", 409, "email")


@pytest.mark.parametrize("role", ["member", "admin"])
def test_only_an_owner_changes_users(team, role):
    ann, bob = team("owner"), team(role)
    assert {row["email"] for row in bob.call("GET", "/users").json["data"]} == {ann.email, bob.email}
    for method, path, body in (("POST", "/users", {"email": "x@example.com", "role": "owner"}), ("PATCH", f"/users/{bob.id}", {"role": "owner"}),
                               ("DELETE", f"/users/{ann.id}", None), ("POST", f"/users/{ann.id}/reset", None)):
        reply = failed(bob.call(method, path, body), "forbidden", 403)
        assert reply.json["details"] == {"permission": "user:write"} and "user:write" in reply.json["message"]
    assert ann.call("GET", "/session").json["role"] == "owner"


def test_the_last_owner_stays_one(team):
    ann, bob = team("owner"), team("admin")
    failed(ann.call("PATCH", f"/users/{ann.id}", {"role": "member"}), "conflict", 409, "id")
    failed(ann.call("DELETE", f"/users/{ann.id}"), "conflict", 409, "id")
    assert ann.call("GET", "/session").json["role"] == "owner"
    assert ann.call("PATCH", f"/users/{bob.id}", {"role": "owner"}).json["role"] == "owner"
    assert ann.call("PATCH", f"/users/{ann.id}", {"role": "member"}).json["role"] == "member"


def test_who_is_taken_out_is_out_and_forgotten(team, url, database):
    ann, bob = team("owner"), team("admin")
    assert ann.call("DELETE", f"/users/{bob.id}").json == {"id": bob.id, "object": "user", "deleted": True}
    wait_until(lambda: bob.call("GET", "/customers", checked=False).status == 401, what="the end of the session")
    bob.sign_in(status=401)
    assert bob.email not in database.clientele("user", "list").stdout
    failed(ann.call("DELETE", f"/users/{bob.id}"), "not_found", 404, "id")


def test_users_of_other_organizations_do_not_exist(team, person):  # noqa: F811
    ann, foreign = team("owner"), person("owner")
    shown = foreign.call("GET", "/session").json["user"]["id"]
    for method, path, body in (("PATCH", "", {"role": "member"}), ("DELETE", "", None), ("POST", "/reset", None)):
        failed(ann.call(method, f"/users/{shown}{path}", body), "not_found", 404, "id")
    assert foreign.email not in {row["email"] for row in ann.call("GET", "/users").json["data"]}
    assert foreign.call("GET", "/session").json["role"] == "owner"


def test_a_reset_by_an_owner_leads_into_no_other_organization(team, url, database):
    ann, bob = team("owner"), team("member")
    made = ann.call("POST", f"/users/{bob.id}/reset").json
    assert made["email"] == bob.email
    accept(bob, made["url"], url)
    other = database.organization("Third " + uid())
    database.clientele("user", "invite", bob.email, "owner", "--org", other.name)
    failed(ann.call("POST", f"/users/{bob.id}/reset"), "conflict", 409, "id")


def test_a_link_of_an_owner_ends_when_its_user_joins_another_organization(team, url, database):
    """It was judged when it was made alone: the owner of one organization kept it, and signed in as a user of another."""
    ann, bob, other = team("owner"), team("member"), database.organization("Fourth " + uid())
    kept = ann.call("POST", f"/users/{bob.id}/reset").json["url"].split("#")[1]
    SENT.text(kept)

    def is_not_good():
        failed(bob.call("POST", "/session/link", {"token": kept}, csrf="1"), "not_found", 404, "token")
        failed(bob.call("POST", "/session/accept", {"token": kept, "password": "quite another one"}, csrf="1"), "not_found", 404, "token")

    assert bob.call("POST", "/session/link", {"token": kept}, csrf="1").json["purpose"] == "reset"
    invitation = link(bob, "invite", bob.email, "owner", "--org", other.name)
    is_not_good()
    accept(bob, "#" + invitation, url)
    database.clientele("user", "remove", bob.email, "--org", other.name)
    is_not_good()
    assert bob.sign_in()


def test_a_link_of_the_operator_is_good_wherever_its_user_is(team, url, database):
    bob, other = team("member"), database.organization("Fifth " + uid())
    secret = link(bob, "reset", bob.email)
    accept(bob, "#" + link(bob, "invite", bob.email, "owner", "--org", other.name), url)
    assert bob.call("POST", "/session/accept", {"token": secret, "password": "quite another one"}, csrf="1").status == 200
    assert len(bob.sign_in("quite another one")["organizations"]) == 2


def test_what_somebody_is_called_elsewhere_is_told_once_he_accepts(team, url, database):
    ann, other = team("owner"), database.organization("Sixth " + uid())
    bob, carl = (Person(url, database, f"{name}-{uid()}@example.com".lower()) for name in ("bob", "carl"))
    database.clientele("user", "invite", bob.email, "member", "--org", other.name, "--name", "Bob the debtor")
    database.clientele("user", "create", carl.email, "member", "--org", other.name, "--name", "Carl", input=PASSWORD + "\n")

    def called(whom):
        return next(row["name"] for row in ann.call("GET", "/users").json["data"] if row["email"] == whom.email)

    def invite(whom, **more):
        return ann.call("POST", "/users", {"email": whom.email, "role": "member", **more}).json["url"]

    invite(bob)
    assert called(bob) is None
    address = invite(bob, name="Bob")
    assert called(bob) == "Bob"
    accept(bob, address, url)
    assert called(bob) == bob.sign_in()["user"]["name"] == "Bob"
    address = invite(carl)
    assert called(carl) is None
    accept(carl, address, url)
    assert called(carl) == "Carl"


# Recovery codes, and codes that come twice: tests/app/test_user.c. An account has ten attempts, and all of this needs ten.
def test_a_second_factor_is_set_up_used_and_removed(team):
    ann = team("owner")
    failed(ann.call("POST", "/session/factor", {"password": "wrong"}), "sign_in_failed", 401)
    offered = ann.call("POST", "/session/factor", {"password": PASSWORD}).json
    SENT.text(offered["secret"])
    ann.sign_in()  # it does not count yet
    failed(ann.call("POST", "/session/factor/confirm", {"code": "000000x"}), "conflict", 409, "code")
    confirmed = ann.call("POST", "/session/factor/confirm", {"code": code(offered["secret"])})
    assert confirmed.status == 200, repr(confirmed)
    codes = confirmed.json["recoveryCodes"]
    assert len(set(codes)) == 10
    failed(ann.other().sign_in(status=401), "sign_in_failed", 401, "code")
    assert ann.other().sign_in(code=code(offered["secret"], 1))["user"]["secondFactor"] is True
    assert ann.call("POST", "/session/factor/remove", {"password": PASSWORD}).json["deleted"] is True
    assert ann.other().sign_in()["user"]["secondFactor"] is False
