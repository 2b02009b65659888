"""clientele user: who is made, invited and let in, what is printed, and what is kept."""

import concurrent.futures
import contextlib
import hashlib
import json
import re

import pytest

import fastcgi
from stack import Service, wait_until
from test_commands import DATA, UNKNOWN, USAGE, environments_of, owner, sentence

ORG = ["--org", "People"]
PASSWORD = "correct horse battery"
LINK = re.compile(r"https://[a-z.]+/dashboard/accept#(lnk_[0-9A-Za-z]{40})\n")


@pytest.fixture(scope="module")
def db(cluster):
    database = cluster.database("user_commands")
    database.organization("People")
    database.organization("Others")
    return database


def query(db, text, *values):
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchall()


def linked(db, *arguments):
    """The secret in the link that a command prints."""
    done = owner(db, "--public-url=https://api.example", *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done
    return LINK.fullmatch(done.stdout).group(1)


def listed(db, *arguments):
    done = owner(db, "user", "list", "--json", *arguments)
    assert done.returncode == 0, done
    return {(row["organization"], row["email"]): (row["role"], row["state"], row["name"]) for row in json.loads(done.stdout)}


def create(db, email, role="owner", *arguments, password=PASSWORD):
    return owner(db, "user", "create", email, role, *(arguments or ORG), input=password + "\n")


def test_one_with_a_password_is_made(db):
    done = create(db, "Ada@Example.com", "owner", *ORG, "--name", "Ada King", "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == [{"email": "ada@example.com", "role": "owner"}]
    assert listed(db, *ORG)["People", "ada@example.com"] == ("owner", "active", "Ada King")
    ((kept,),) = query(db, "SELECT password FROM user_account WHERE email = 'ada@example.com'")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$") and PASSWORD not in kept
    assert sentence(create(db, "ADA@example.com", "member", "--org", "Others"), DATA) == \
        "there is a user ada@example.com already; clientele user invite lets him into a further organization."
    assert ("Others", "ada@example.com") not in listed(db)


@pytest.mark.parametrize("password, fault", [
    ("short", "the password must have 10 characters at least."), ("é" * 9, "the password must have 10 characters at least."),
    ("x" * 513, "the password must have 512 bytes at most."),
])
def test_a_password_that_will_not_do_is_refused(db, password, fault):
    assert sentence(create(db, "bad@example.com", password=password), DATA) == fault
    assert ("People", "bad@example.com") not in listed(db)


def test_what_is_wrong_is_named(db):
    assert sentence(create(db, "ada"), DATA) == "EMAIL must be an e-mail address."
    assert sentence(create(db, "a\u200bda@example.com"), DATA) == "EMAIL must not have characters that cannot be seen."
    assert "boss" in sentence(create(db, "a@b.co", "boss"), USAGE)
    assert "no organization" in sentence(create(db, "a@b.co", "owner", "--org", "Nobody"), UNKNOWN)
    assert sentence(owner(db, "user", "create", "a@b.co", "owner", *ORG, input=""), DATA) == "the password must come on standard input."
    for arguments in (["user", "reset", "nobody@example.com"], ["user", "link", "nobody@example.com"], ["user", "remove", "nobody@example.com", *ORG],
                      ["user", "role", "nobody@example.com", "admin", *ORG]):
        assert sentence(owner(db, *arguments), UNKNOWN) == "there is no user nobody@example.com; clientele user list shows them."


def test_an_invitation_is_a_link_of_which_the_hash_is_kept(db):
    first = linked(db, "user", "invite", "bob@example.com", "member", *ORG)
    assert listed(db)["People", "bob@example.com"] == ("member", "invited", None)
    second = linked(db, "user", "invite", "bob@example.com", "admin", *ORG)
    assert listed(db)["People", "bob@example.com"][0] == "admin"
    rows = query(db, """SELECT encode(l.hash, 'hex'), l.purpose, l.expires_at > now() + '167 hours' AND l.expires_at < now() + '169 hours'
                          FROM user_link l JOIN user_account a ON a.id = l.user_id WHERE a.email = 'bob@example.com'""")
    assert rows == [(hashlib.sha256(second.encode()).hexdigest(), "invite", True)] and first != second


def test_who_is_a_user_is_not_invited_again(db):
    create(db, "carl@example.com")
    assert sentence(owner(db, "user", "invite", "carl@example.com", "member", *ORG), DATA) == \
        "carl@example.com is a user of this organization already."
    assert query(db, "SELECT count(*) FROM user_link l JOIN user_account a ON a.id = l.user_id WHERE a.email = 'carl@example.com'") == [(0,)]
    linked(db, "user", "invite", "carl@example.com", "member", "--org", "Others")
    assert listed(db)["Others", "carl@example.com"][:2] == ("member", "invited")


def test_a_reset_takes_the_place_of_an_earlier_one(db):
    create(db, "dora@example.com")
    for _ in range(2):
        linked(db, "user", "reset", "DORA@example.com")
    assert query(db, """SELECT l.purpose, l.expires_at < now() + '121 minutes' FROM user_link l JOIN user_account a ON a.id = l.user_id
                         WHERE a.email = 'dora@example.com'""") == [("reset", True)]


def test_a_reset_ends_the_second_factor_if_that_is_asked_for(db):
    create(db, "rea@example.com")
    for arguments, ends in (([], False), (["--second-factor"], True)):
        linked(db, "user", "reset", "rea@example.com", *arguments)
        assert query(db, """SELECT l.ends_totp FROM user_link l JOIN user_account a ON a.id = l.user_id
                             WHERE a.email = 'rea@example.com'""") == [(ends,)]


def test_a_link_signs_in_who_has_accepted(db):
    create(db, "lea@example.com")
    linked(db, "user", "reset", "lea@example.com")
    secret = linked(db, "user", "link", "lea@example.com")
    assert query(db, """SELECT encode(l.hash, 'hex'), l.purpose, l.expires_at < now() + '16 minutes'
                          FROM user_link l JOIN user_account a ON a.id = l.user_id WHERE a.email = 'lea@example.com' ORDER BY l.purpose""")[1] == (
        hashlib.sha256(secret.encode()).hexdigest(), "sign_in", True)
    linked(db, "user", "invite", "max@example.com", "owner", *ORG)
    assert sentence(owner(db, "user", "link", "max@example.com"), UNKNOWN)


def test_without_a_public_url_the_link_says_so(db):
    create(db, "eve@example.com")
    done = owner(db, "user", "reset", "eve@example.com")
    assert done.stdout.startswith("/dashboard/accept#lnk_") and "public_url is not set" in done.stderr


def test_a_role_changes_and_a_user_goes(db):
    create(db, "finn@example.com", "member")
    assert owner(db, "user", "role", "finn@example.com", "admin", *ORG).returncode == 0
    assert listed(db)["People", "finn@example.com"][0] == "admin"
    linked(db, "user", "invite", "finn@example.com", "owner", "--org", "Others")
    assert owner(db, "user", "remove", "finn@example.com", *ORG).returncode == 0
    assert [key for key in listed(db) if key[1] == "finn@example.com"] == [("Others", "finn@example.com")]
    assert owner(db, "user", "remove", "finn@example.com", "--org", "Others").returncode == 0
    assert query(db, "SELECT count(*) FROM user_account WHERE email = 'finn@example.com'") == [(0,)]


def test_who_was_in_a_deleted_organization_alone_is_forgotten(db):
    db.organization("Leaving")
    create(db, "gus@example.com", "owner", "--org", "Leaving")
    create(db, "hal@example.com")
    linked(db, "user", "invite", "hal@example.com", "owner", "--org", "Leaving")
    environments = environments_of(db, "Leaving")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        deleting = pool.submit(owner, db, "--request-timeout=600ms", "org", "delete", "Leaving")
        wait_until(lambda: environments_of(db, "Leaving") == [])
        # What a session wrote that a worker still knew; and another organization has the name by now.
        query(db, "INSERT INTO customer (environment_id, id, email, timezone, metadata, is_active, created_at, updated_at) "
              "SELECT e::uuid, gen_random_uuid(), 'late@b.co', 'UTC', '{}', true, now(), now() FROM unnest(%s) e RETURNING 1", environments)
        db.organization("Leaving")
        done = deleting.result()
    assert done.returncode == 0, done
    assert done.stderr == 'clientele: "Leaving" is deleted; in 3 s so is what its users or an import wrote meanwhile.\n'
    assert query(db, "SELECT count(*) FROM customer WHERE email = 'late@b.co'") == [(0,)] and len(environments_of(db, "Leaving")) == 2
    assert query(db, "SELECT email FROM user_account WHERE email IN ('gus@example.com', 'hal@example.com')") == [("hal@example.com",)]
    assert listed(db)["People", "hal@example.com"][0] == "owner"


def test_a_proxy_says_who_signs_in_and_a_header_does_not(db):
    create(db, "ida@example.com")
    service = Service(db, workers=1, sign_in_by_proxy="on").start()
    try:
        def sign_in(headers=(), more=()):
            request = fastcgi.request("POST", "/api/v1/session", [("X-CSRF-Token", "1"), *headers], b"{}", more=more)
            return fastcgi.Connection(service.socket).send(request).answer()

        assert sign_in(headers=[("Clientele-User", "ida@example.com")]).status == 400
        assert sign_in(more=[("CLIENTELE_USER", "")]).status == 400
        answer = sign_in(more=[("CLIENTELE_USER", "ida@example.com")])
        assert answer.status == 200 and answer.headers["Set-Cookie"].startswith("__Host-clientele=uss_")
        assert json.loads(answer.body)["user"]["email"] == "ida@example.com"
    finally:
        service.stop()
