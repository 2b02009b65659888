"""People who sign in: their sessions, what they may do with them, and what a page of another site cannot."""

import itertools
import re
import time

import pytest

from helpers import Client, uid
from privacy import SENT
from stack import wait_until

PASSWORD = "correct horse battery"
COOKIE = re.compile(r"__Host-clientele=(uss_[0-9A-Za-z]{40}); Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Strict\Z")


class Person:
    """Somebody with an account, who may sign in."""

    def __init__(self, url, database, email):
        self.url, self.database, self.email = url, database, email
        self.cookie = self.token = None
        self.client = Client(url, None)

    def call(self, method, path, body=None, csrf="right", **more):
        headers = {"Cookie": self.cookie and f"a=b; __Host-clientele={self.cookie}; c", **more.pop("headers", {})}
        headers["X-CSRF-Token"] = self.token if csrf == "right" else csrf
        return self.client.call(method, path, body, headers=headers, **more)

    def sign_in(self, password=PASSWORD, status=200, **more):
        reply = self.call("POST", "/session", {"email": self.email, "password": password, **more}, csrf="1")
        assert reply.status == status, repr(reply)
        return self.keep(reply) if status == 200 else reply

    def keep(self, reply):
        self.cookie = COOKIE.match(reply.header("Set-Cookie")).group(1)
        self.token = reply.json["csrfToken"]
        SENT.text(self.cookie)
        SENT.text(self.token)
        return reply.json

    def other(self):
        return Person(self.url, self.database, self.email)


@pytest.fixture(scope="module")
def acme(database):
    return database.organization("Acme of people " + uid())


numbers = itertools.count(1)


@pytest.fixture
def person(url, database, acme):
    """A function: a new user with that role, who has signed in."""
    def make(role="owner", sign_in=True):
        made = Person(url, database, f"person{next(numbers)}@example.com")
        database.clientele("user", "create", made.email, role, "--org", acme.name, input=PASSWORD + "\n")
        if sign_in:
            made.sign_in()
        return made
    return make


@pytest.fixture(scope="module")
def key(acme):
    return acme.key("live")


def failed(reply, code, status, param=None):
    reply.error(code, status)
    assert reply.json["error"]["param"] == param, repr(reply)
    return reply


def test_who_signs_in_gets_a_session_and_its_cookie(person, acme):
    ann = person()
    shown = ann.call("GET", "/session").json
    assert shown["user"]["email"] == ann.email and shown["user"]["secondFactor"] is False
    assert (shown["role"], shown["livemode"], shown["organization"]["name"]) == ("owner", True, acme.name)
    assert [(row["name"], row["role"]) for row in shown["organizations"]] == [(acme.name, "owner")]
    assert shown["csrfToken"] == ann.token


def test_a_session_makes_the_public_calls_as_a_key_does(person, url, key):
    ann, client = person(), Client(url, key)
    made = ann.call("POST", "/customers", {"email": "c@example.com"}, idem=uid("key"))
    assert made.status == 201
    assert client.fetch(made.json["id"])["email"] == "c@example.com"
    assert ann.call("GET", "/customers/" + made.json["id"]).json == client.fetch(made.json["id"])
    again = ann.call("POST", "/api-keys", {"name": "by a person"})
    assert again.status == 201 and Client(url, again.json["apiKey"]).fetch(made.json["id"])


def test_of_what_is_wrong_nobody_says_which(person, url, database):
    ann = person(sign_in=False)
    nobody = Person(url, database, f"nobody-{uid()}@example.com")
    answers = {nobody.sign_in(status=401).body, ann.sign_in("correct horse batterY", status=401).body,
               ann.sign_in(" " + PASSWORD, status=401).body}
    assert len(answers) == 1
    failed(ann.sign_in("wrong", status=401), "sign_in_failed", 401)
    assert ann.sign_in()


def test_an_address_is_found_however_it_is_typed(person):
    ann = person(sign_in=False)
    ann.email = ann.email.upper()
    assert ann.sign_in()["user"]["email"] == ann.email.lower()


def test_a_call_that_changes_something_needs_the_sessions_token(person):
    ann, bob = person(), person()
    for token in (None, "", "1", bob.token, ann.token[:-1], ann.token.upper() + "x"):
        failed(ann.call("POST", "/customers", {"email": "c@example.com"}, csrf=token, checked=False), "forbidden", 403, "X-CSRF-Token")
        failed(ann.call("DELETE", "/session", csrf=token), "forbidden", 403, "X-CSRF-Token")
    assert ann.call("GET", "/customers?limit=1", csrf=None).status == 200
    assert ann.call("GET", "/session").status == 200


def test_no_page_of_another_site_signs_somebody_in(person):
    ann = person(sign_in=False)
    body = {"email": ann.email, "password": PASSWORD}
    failed(ann.call("POST", "/session", body, csrf=None), "forbidden", 403, "X-CSRF-Token")
    failed(ann.call("POST", "/session/accept", {"token": "lnk_x", "password": PASSWORD}, csrf=None), "forbidden", 403, "X-CSRF-Token")


@pytest.mark.parametrize("role", ["member", "admin", "owner"])
def test_a_role_says_what_may_be_changed(person, role):
    ann = person(role)
    assert ann.call("GET", "/api-keys").status == ann.call("GET", "/customers").status == 200
    made = ann.call("POST", "/customers", {"email": "c@example.com"}, checked=False)
    if role == "member":
        assert failed(made, "forbidden", 403).json["details"] == {"permission": "customer:write"}
    else:
        assert made.status == 201
    assert ann.call("PATCH", "/session", {"livemode": False}).status == 200  # it is his own


def test_an_admin_makes_rotates_and_removes_api_keys(person, url):
    ann = person("admin")
    made = ann.call("POST", "/api-keys", {"name": "all"}).json
    assert made["permissions"] is None and Client(url, made["apiKey"]).get("/customers?limit=1").status == 200
    rotated = ann.call("POST", f"/api-keys/{made['id']}/rotate", {})
    assert rotated.status == 201 and Client(url, rotated.json["apiKey"]).get("/customers?limit=1").status == 200
    assert ann.call("DELETE", f"/api-keys/{rotated.json['id']}").json["deleted"] is True


def test_the_history_has_the_user_who_did_it(person, url, key, acme):
    """By name, as long as he is a user of the organization."""
    ann, client = person("admin"), Client(url, key)
    me = ann.call("GET", "/session").json["user"]["id"]
    made = ann.call("POST", "/customers", {"email": "c@example.com"}, idem=uid("key")).json
    ann.call("PATCH", "/customers/" + made["id"], {"fullName": "Cy"})
    client.patch("/customers/" + made["id"], {"fullName": "Cyd"})
    path = f"/customers/{made['id']}/history"
    rows = client.get(path).json["data"]
    assert rows == ann.call("GET", path).json["data"]
    assert [row["actor"]["type"] for row in rows] == ["api_key", "user", "user"]
    assert rows[1]["actor"] == rows[2]["actor"] == {"type": "user", "id": me, "name": ann.email}
    held = client.get(f"/customers/{made['id']}/export").json["events"]
    assert [row["actor"] for row in held[:2]] == [me, me]
    ann.database.clientele("history", "verify", "--org", acme.name, "--env", "live")
    ann.database.clientele("user", "remove", ann.email, "--org", acme.name)
    assert client.get(path).json["data"][1]["actor"] == {"type": "user", "id": me, "name": None}


def test_a_role_that_changes_holds_within_a_second(person, acme):
    ann = person("owner")
    assert ann.call("POST", "/customers", {"email": "c@example.com"}).status == 201
    ann.database.clientele("user", "role", ann.email, "member", "--org", acme.name)
    begun = time.monotonic()
    wait_until(lambda: ann.call("POST", "/customers", {"email": "c@example.com"}, checked=False).status == 403, what="the new role")
    assert time.monotonic() - begun < 5


def test_a_session_moves_to_the_sandbox_with_another_cookie(person, url, acme):
    ann = person()
    live = ann.call("POST", "/customers", {"email": "live@example.com"}).json["id"]
    before = ann.other()
    before.cookie, before.token = ann.cookie, ann.token
    shown = ann.keep(ann.call("PATCH", "/session", {"livemode": False}))
    assert shown["livemode"] is False and ann.cookie != before.cookie and ann.token != before.token
    assert ann.call("GET", f"/customers/{live}").status == 404
    made = ann.call("POST", "/customers", {"email": "box@example.com"}).json
    assert made["livemode"] is False and Client(url, acme.key("sandbox")).fetch(made["id"])
    wait_until(lambda: before.call("GET", "/session").status == 401, what="the end of the old cookie")


def test_a_session_moves_only_where_its_user_is(person, database, url):
    ann = person()
    other = database.organization("Elsewhere " + uid())
    foreign = Person(url, database, f"foreign-{uid()}@example.com")
    database.clientele("user", "create", foreign.email, "owner", "--org", other.name, input=PASSWORD + "\n")
    there = foreign.sign_in()["organization"]["id"]
    for wrong in (there, "org_" + "0" * 22):
        reply = ann.call("PATCH", "/session", {"organizationId": wrong})
        failed(reply, "not_found", 404, "organizationId")
    secret = re.search(r"#(lnk_\w+)", database.clientele("user", "invite", ann.email, "member", "--org", other.name).stdout).group(1)
    failed(ann.call("PATCH", "/session", {"organizationId": there}), "not_found", 404, "organizationId")
    assert ann.call("POST", "/session/accept", {"token": secret, "password": PASSWORD}).status == 200
    moved = ann.keep(ann.call("PATCH", "/session", {"organizationId": there}))
    assert (moved["organization"]["name"], moved["role"], len(moved["organizations"])) == (other.name, "member", 2)
    failed(ann.call("POST", "/customers", {"email": "c@example.com"}, checked=False), "forbidden", 403)


def test_who_signs_out_is_out_and_loses_the_cookie(person):
    ann = person()
    reply = ann.call("DELETE", "/session")
    assert reply.json["deleted"] is True
    assert reply.header("Set-Cookie") == "__Host-clientele=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict"
    wait_until(lambda: ann.call("GET", "/session").status == 401, what="the end of the session")
    failed(ann.call("GET", "/session"), "signed_out", 401)
    wait_until(lambda: ann.call("GET", "/customers", checked=False).status == 401, what="the end of the session everywhere")


@pytest.mark.parametrize("cookie", ["", "x", "uss_", "uss_" + "0" * 40, "uss_" + "0" * 39 + "'", "uss_" + "0" * 41])
def test_a_cookie_that_is_none_is_no_session(url, database, cookie):
    nobody = Person(url, database, "x@example.com")
    nobody.cookie = cookie or None
    reply = nobody.call("GET", "/session", headers={"Cookie": f"__Host-clientele={cookie}"})
    failed(reply, "signed_out", 401)


def test_sessions_are_listed_and_ended_one_by_one(person):
    ann = person()
    phone = ann.other()
    phone.sign_in()
    rows = ann.call("GET", "/sessions").json["data"]
    assert [row["current"] for row in rows] == [False, True]
    bob = person()
    failed(bob.call("DELETE", "/sessions/" + rows[0]["id"]), "not_found", 404, "id")
    assert ann.call("DELETE", "/sessions/" + rows[0]["id"]).json == {"id": rows[0]["id"], "object": "session", "deleted": True}
    failed(ann.call("DELETE", "/sessions/" + rows[0]["id"]), "not_found", 404, "id")
    wait_until(lambda: phone.call("GET", "/session").status == 401, what="the end of the other session")
    assert len(ann.call("GET", "/sessions").json["data"]) == 1


def test_keys_come_before_cookies_and_have_no_session(person, key, url):
    ann = person("member")
    made = ann.call("POST", "/customers", {"email": "c@example.com"}, headers={"x-api-key": key}, csrf=None)
    assert made.status == 201
    for method, path in (("GET", "/session"), ("GET", "/sessions"), ("DELETE", "/session")):
        failed(Client(url, key).call(method, path), "forbidden", 403, "x-api-key")
    failed(Client(url, None).get("/session"), "unauthorized", 401, "x-api-key")


def test_an_invitation_is_accepted_once(url, database, acme):
    bob = Person(url, database, f"invited-{uid()}@example.com")
    printed = database.clientele("user", "invite", bob.email, "admin", "--org", acme.name).stdout
    secret = printed.strip().split("#")[1]
    SENT.text(secret)
    bob.sign_in(status=401)
    failed(bob.call("POST", "/session/accept", {"token": secret, "password": "short"}, csrf="1", checked=False), "validation_error", 400, "password")
    reply = bob.call("POST", "/session/accept", {"token": secret, "password": PASSWORD}, csrf="1")
    assert reply.json == {"object": "user", "email": bob.email}
    assert bob.sign_in()["role"] == "admin"
    for token in (secret, "lnk_" + "0" * 40, "x"):
        failed(bob.call("POST", "/session/accept", {"token": token, "password": PASSWORD}, csrf="1"), "not_found", 404, "token")


def test_an_invitation_lets_nobody_set_the_password_of_another(person, database):
    ann = person(sign_in=False)
    other = database.organization("Inviting " + uid())
    secret = database.clientele("user", "invite", ann.email, "member", "--org", other.name).stdout.strip().split("#")[1]
    failed(ann.call("POST", "/session/accept", {"token": secret, "password": "another password"}, csrf="1"), "sign_in_failed", 401)
    assert ann.sign_in()


def link(person, *arguments):
    secret = person.database.clientele("user", *arguments).stdout.strip().split("#")[1]
    SENT.text(secret)
    return secret


def test_a_link_of_the_operator_signs_in_once(person):
    ann = person(sign_in=False)
    secret = link(ann, "link", ann.email)
    failed(ann.call("POST", "/session/enter", {"token": secret}, csrf=None), "forbidden", 403, "X-CSRF-Token")
    failed(ann.call("POST", "/session/accept", {"token": secret, "password": PASSWORD}, csrf="1"), "not_found", 404, "token")
    shown = ann.keep(ann.call("POST", "/session/enter", {"token": secret}, csrf="1"))
    assert shown["user"]["email"] == ann.email and ann.call("GET", "/customers").status == 200
    for token in (secret, "lnk_" + "0" * 40, "x", link(ann, "reset", ann.email)):
        failed(ann.other().call("POST", "/session/enter", {"token": token}, csrf="1"), "not_found", 404, "token")


def test_a_page_learns_what_a_link_is_for(person, database, acme):
    ann, other = person(sign_in=False), database.organization("Looking " + uid())
    nobody = Person(ann.url, database, f"new-{uid()}@example.com")
    for arguments, purpose, asks in (
            (("invite", ann.email, "member", "--org", other.name), "invite", False), (("reset", ann.email), "reset", True),
            (("link", ann.email), "sign_in", False), (("invite", nobody.email, "member", "--org", other.name), "invite", True)):
        secret = link(ann, *arguments)
        for _ in range(2):  # it uses nothing
            shown = ann.call("POST", "/session/link", {"token": secret}, csrf="1").json
            assert (shown["purpose"], shown["email"], shown["newPassword"]) == (purpose, arguments[1], asks)
            assert shown["organization"]["name"] == (other if purpose == "invite" else acme).name
    failed(ann.call("POST", "/session/link", {"token": secret}, csrf=None), "forbidden", 403, "X-CSRF-Token")
    failed(ann.call("POST", "/session/link", {"token": "lnk_" + "0" * 40}, csrf="1"), "not_found", 404, "token")


def test_a_link_tells_the_organization_in_which_its_session_begins(person, database, acme):
    """It told the oldest organization, and the session began in the one that its user was in first."""
    younger = database.organization("Younger " + uid())
    ann = Person(person(sign_in=False).url, database, f"first-{uid()}@example.com")
    database.clientele("user", "create", ann.email, "owner", "--org", younger.name, input=PASSWORD + "\n")
    invitation = link(ann, "invite", ann.email, "member", "--org", acme.name)
    assert ann.call("POST", "/session/accept", {"token": invitation, "password": PASSWORD}, csrf="1").status == 200
    for purpose in ("link", "reset"):
        secret = link(ann, purpose, ann.email)
        assert ann.call("POST", "/session/link", {"token": secret}, csrf="1").json["organization"]["name"] == younger.name
        if purpose == "link":
            assert ann.keep(ann.call("POST", "/session/enter", {"token": secret}, csrf="1"))["organization"]["name"] == younger.name
    assert ann.sign_in()["organization"]["name"] == younger.name


def test_a_new_password_ends_all_sessions(person, database):
    ann = person()
    secret = database.clientele("user", "reset", ann.email).stdout.strip().split("#")[1]
    reply = ann.call("POST", "/session/accept", {"token": secret, "password": "quite another one"}, csrf="1")
    assert reply.status == 200
    wait_until(lambda: ann.call("GET", "/session").status == 401, what="the end of the session")
    ann.sign_in(status=401)
    assert ann.sign_in("quite another one")


def test_who_knows_the_present_password_sets_another_one(person):
    ann, body = person(), {"password": PASSWORD, "newPassword": "quite another one"}
    phone = ann.other()
    phone.sign_in()
    failed(ann.call("POST", "/session/password", {**body, "newPassword": "short"}, checked=False), "validation_error", 400, "newPassword")
    failed(ann.call("POST", "/session/password", {**body, "password": "wrong"}), "sign_in_failed", 401)
    assert ann.call("POST", "/session/password", body).json == {"object": "password", "sessionsEnded": 1}
    wait_until(lambda: phone.call("GET", "/session").status == 401, what="the end of the other session")
    assert ann.call("GET", "/session").status == 200
    phone.sign_in(status=401)
    phone.sign_in("quite another one")
    # Sent again because the answer was lost: it is done, and nothing else is said.
    assert ann.call("POST", "/session/password", body).json == {"object": "password", "sessionsEnded": 1}
    assert ann.other().sign_in("quite another one")


def test_earlier_versions_do_not_have_these_calls(person):
    ann = person()
    for path in ("/session", "/sessions"):
        reply = ann.call("GET", path, headers={"Commet-Version": "2026-07-31"}, checked=False)
        failed(reply, "endpoint_not_available", 404)


def test_a_session_goes_on_in_the_current_version_whatever_the_pin(url, database):
    pinned = database.organization("Pinned " + uid())
    pinned.pin("2026-05-01")
    ann = Person(url, database, f"pinned-{uid()}@example.com")
    database.clientele("user", "create", ann.email, "owner", "--org", pinned.name, input=PASSWORD + "\n")
    ann.sign_in()
    assert ann.call("GET", "/customers").json == {"object": "list", "data": [], "hasMore": False}


def test_who_tries_too_often_waits(person):
    ann = person(sign_in=False)
    for _ in range(100):  # a token is added every 12 s
        reply = ann.call("POST", "/session", {"email": ann.email, "password": "wrong"}, csrf="1")
        if reply.status != 401:
            break
    assert failed(reply, "rate_limited", 429, "email") and int(reply.header("Retry-After")) >= 1
    assert ann.call("POST", "/session", {"email": ann.email, "password": PASSWORD}, csrf="1").status == 429
