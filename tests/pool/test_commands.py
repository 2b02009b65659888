"""The command line as a person meets it: help, sentences, exit codes, names, lists, lost output."""

import contextlib
import json
import os
import re
import subprocess
import zlib

import pytest

from stack import ROOT, wait_until

USAGE, DATA, UNKNOWN, UNAVAILABLE, OS, OUTPUT, DATABASE, CONFIG = 64, 65, 67, 69, 71, 74, 75, 78
KEY_ID = "key_0OhYaHWYVtnTmWVC3jkfZN"


@pytest.fixture(scope="module")
def db(cluster):
    return cluster.database("commands")


def run(place, *arguments, **more):
    return place.run(place.bin, "-c", "/dev/null", *arguments, check=False, **more)


def owner(db, *arguments, **more):
    return db.clientele(*arguments, check=False, **more)


def sentence(done, code):
    """The one sentence that a command ends with."""
    assert (done.returncode, done.stdout) == (code, ""), done
    assert re.fullmatch(r"clientele: [^\n]+\n", done.stderr), done.stderr
    return done.stderr.removeprefix("clientele: ").rstrip("\n")


# ---------------------------------------------------------------- the command line


PLAN = ["plan", "create", "pro", "--org", "a", "--env", "live", "--name", "Pro"]
WRONG = [
    # D: the table of messages, and its kin.
    (["org", "remove"], 'org has no command "remove"; it has billing, create, delete, export, list, pin and rename.'),
    (["customer", "delete"], 'customer has no command "delete"; it has archive, count, create, duplicates, erase, get, list, restore and update.'),
    (["key", "delete", "x"], 'key has no command "delete"; it has check, create, limit, list, revoke and rotate.'),
    (["org"], "org needs a command: billing, create, delete, export, list, pin or rename."),
    (["orgs"], 'there is no command "orgs"; clientele help lists them.'),
    ([], "no command was given; clientele help lists them."),
    (["key", "create", "--org", "acme", "--env", "prod"], '--env must be live or sandbox, not "prod".'),
    (["key", "create", "--org", "acme"], "--env is missing: clientele key create --org NAME --env live|sandbox [--name TEXT] "
                                         "[--expires-days N] [--limit RATE] [--permissions LIST] [--allow LIST] [--json]"),
    (["key", "revoke", "nosuch"], '"nosuch" is not a key id (key_ and 22 characters); clientele key list shows them.'),
    (["key", "rotate", "nosuch"], '"nosuch" is not a key id (key_ and 22 characters); clientele key list shows them.'),
    (["key", "limit", "nosuch", "off"], '"nosuch" is not a key id (key_ and 22 characters); clientele key list shows them.'),
    (["key", "revoke"], "ID is missing: clientele key revoke ID [--json]"),
    (["key", "create", "--expires-days", "0"], '--expires-days must be a number from 1 to 3650, not "0".'),
    (["key", "rotate", KEY_ID, "--overlap", "1"], '--overlap must be a time such as 90s, 30m or 24h, at most 720h, not "1".'),
    (["key", "list", "--limit", "1/s"], "key list takes no --limit: clientele key list [--org NAME] [--json]"),
    (["org", "create", "a", "b"], 'unexpected "b": clientele org create NAME [--json]'),
    (["org", "pin", "acme"], "VERSION|none is missing: clientele org pin NAME VERSION|none [--json]"),
    (["serve", "now"], 'unexpected "now": clientele serve'),
    (["serve", "--json"], "serve takes no --json: clientele serve"),
    (["completion"], "completion needs bash or zsh."),
    (["completion", "fish"], 'completion takes bash or zsh, not "fish".'),
    (["customer", "list", "--org", "a", "--env", "live", "--after", "x"],
     '--after must be a customer\'s id (cus_ and 22 characters), not "x".'),
    (["customer", "list", "--org", "a", "--env", "live", "--csv", "--json"], "give --json or --csv, not both."),
    (["customer", "list", "--org", "a", "--env", "live", "email"], '"email" is not FILTER=VALUE.'),
    (["customer", "list", "--org", "a", "--env", "live", "cursor=cur_x"], "the parts of a list are chosen by --first and --after."),
    (["customer", "create", "--org", "a", "--env", "live"],
     "FIELD=VALUE is missing: clientele customer create FIELD=VALUE... --org NAME --env live|sandbox [--json]"),
    (["customer", "create", "--org", "a", "--env", "live", "=x"], '"=x" is not FIELD=VALUE.'),
    (["customer", "create", "--org", "a", "--env", "live", "email=a@b.co", "email:=1"], "email is given twice."),
    (["customer", "update", "--org", "a", "--env", "live", "x", "-", "email=a@b.co"], '"-" is not FIELD=VALUE.'),
    (["plan", "list", "--org", "a", "--env", "live", "--after", "x"], '--after must be a plan\'s id (pln_ and 22 characters), not "x".'),
    ([*PLAN], "give either --prices or --free."),
    ([*PLAN, "--free", "--prices", "monthly=1"], "give either --prices or --free."),
    ([*PLAN, "--prices", "daily=1"], '--prices: "daily" is not weekly, monthly, quarterly, semiannual, yearly or one_time.'),
    ([*PLAN, "--prices", ""], '--prices: "" is not weekly, monthly, quarterly, semiannual, yearly or one_time.'),
    ([*PLAN, "--prices", "monthly=1,"], '--prices: "" is not weekly, monthly, quarterly, semiannual, yearly or one_time.'),
    ([*PLAN, "--prices", "monthly=1,monthly=2"], "--prices: monthly is there twice."),
    *(([*PLAN, "--prices", f"yearly{amount}"],
       "--prices: yearly must be a whole number from 0 to 9007199254740992, in the minor unit of the currency.")
      for amount in ("", "=", "=-1", "=1.5", "=9007199254740993")),
    ([*PLAN, "--prices", "monthly=1", "--trial-days", "731"], '--trial-days must be a number from 0 to 730, not "731".'),
    (["migrate", "--status", "--dry-run"], "give --status or --dry-run, not both."),
    (["--bogus", "serve"], "there is no option --bogus; clientele help lists them."),
    (["serve", "--bogus=1"], "there is no option --bogus; clientele help lists them."),
    (["serve", "-x"], "there is no option -x; clientele help lists them."),
    (["--log-level", "debug", "serve"], "--log-level takes its value after a =: --log-level=VALUE."),
    (["key", "list", "--org"], "--org needs a value: --org NAME."),
    (["key", "list", "--org", "a", "--org=b"], "--org is given twice."),
    (["check", "--print=yes"], "--print takes no value."),
    (["status", "--watch=0"], '--watch must be a number from 1 to 3600, not "0".'),
    (["workers", "-x"], "there is no option -x; clientele help lists them."),
    (["help", "nothing"], 'there is no command "nothing"; clientele help lists them.'),
    (["help", "org", "nothing"], 'org has no command "nothing"; it has billing, create, delete, export, list, pin and rename.'),
    (["org", "create", b"a\xff"], 'an argument must be UTF-8, not "a\ufffd".'),
    # B5: what is repeated is shown.
    (["\x1b[2Jorg\n"], 'there is no command "\\u001b[2Jorg\\u000a"; clientele help lists them.'),
]


@pytest.mark.parametrize("arguments, words", WRONG, ids=lambda value: None if isinstance(value, list) else value[:40])
def test_a_wrong_command_line_is_answered_with_how_it_would_be_right(place, arguments, words):
    done = subprocess.run([place.bin, "-c", "/dev/null", *arguments], env=place.env, text=True, capture_output=True, **place.as_user)
    assert sentence(done, USAGE) == words


def test_options_stand_where_they_like_and_two_dashes_end_them(db):
    made = json.loads(owner(db, "--json", "org", "create", "--", "--wait").stdout)
    assert made[0]["name"] == "--wait"
    key = owner(db, "--env=live", "key", "--org=--wait", "create", "--name", "-x")
    assert key.returncode == 0, key
    assert [row["name"] for row in json.loads(owner(db, "key", "list", "--org", "--wait", "--json").stdout)] == ["-x"]


def commands(place):
    """Names of all commands, from the help."""
    lines = place.run(place.bin, "help").stdout.split("\n\n")[1].splitlines()[1:]
    return [line[2:23].strip() for line in lines if line[2] != " "]


def test_every_command_has_help_with_each_option_and_an_example(place):
    """D11."""
    table = (ROOT / "src/cli/commands.c").read_text()
    options = {re.sub("_", "-", name.lower()) for name in re.findall(r"\[OPTION_([A-Z]\w+)\] = ", table)}
    names = commands(place)
    assert len(names) == len(re.findall(r"cmd_\w+,\n", table)) and {"serve", "org create", "help"} < set(names)
    seen = set()
    for name in names:
        text = place.run(place.bin, "help", *name.split()).stdout
        assert text.startswith(f"usage: clientele {name}") and re.search(r"\nexample:\n  .*clientele ", text), name
        assert max(map(len, text.splitlines())) <= 80
        for flag in ("-h", "--help"):
            assert place.run(place.bin, *name.split(), flag).stdout == text
            assert place.run(place.bin, flag, *name.split()).stdout == text
        seen |= set(re.findall(r"^(?:  -\w, |      )--([a-z-]+)", text, re.M))
    assert seen == options


def test_the_example_of_a_command_is_a_right_command_line(place):
    """As far as words go: what it does is not tried."""
    for name in commands(place):
        example = place.run(place.bin, "help", *name.split()).stdout.split("\nexample:\n  ")[1]
        words = re.search(r"clientele ((?:-c \S+ )?" + name + r"[^>&;)]*)", example).group(1).split()
        done = place.run(place.bin, *words, "--database-url=", "--database-owner-url=", check=False)  # so none gets any further
        if name in ("completion", "help", "version"):
            assert done.returncode == 0
        elif name == "key check":
            assert sentence(done, UNKNOWN) == "there is no API key in it."
        else:
            assert done.returncode == CONFIG and "No such file" in done.stderr or "must not be empty" in done.stderr, done


def test_help_of_all_of_a_group_and_as_an_option_are_the_same(place):
    everything = place.run(place.bin, "help").stdout
    assert re.search(r"^  customer duplicates +List customers who", everything, re.M)  # the longest name
    assert place.run(place.bin, "-h").stdout == place.run(place.bin, "--help").stdout == everything
    group = place.run(place.bin, "help", "key").stdout
    assert place.run(place.bin, "key", "-h").stdout == group
    assert all(f"  key {name} " in group for name in ("check", "create", "limit", "list", "revoke", "rotate"))


def test_version_needs_no_configuration(place):
    text = place.run(place.bin, "-c", "/nonexistent", "version").stdout
    assert text == place.run(place.bin, "-V").stdout == place.run(place.bin, "--version").stdout
    version = json.loads(place.run(place.bin, "version", "--json").stdout)
    assert text == f"clientele {version['version']}\n{version['build']}\n"


# ---------------------------------------------------------------- exit codes, sentences and names


def test_exit_codes_are_those_of_sysexits(db, place):
    """D9: a name twice was 78 with an SQLSTATE, an unknown organization 64 in the format of the log."""
    assert owner(db, "org", "create", "acme").returncode == 0
    assert sentence(owner(db, "org", "create", "acme"), DATA) == 'there is an organization "acme" already.'
    unknown = 'there is no organization "nosuch"; clientele org list shows them.'
    for arguments in (["org", "pin", "nosuch", "none"], ["key", "list", "--org", "nosuch"], ["customer", "count", "--org", "nosuch"],
                      ["key", "create", "--org", "nosuch", "--env", "live"]):
        assert sentence(owner(db, *arguments), UNKNOWN) == unknown
    for arguments in (["key", "revoke", KEY_ID], ["key", "limit", KEY_ID, "off"], ["key", "rotate", KEY_ID]):
        assert sentence(owner(db, *arguments), UNKNOWN) == f"there is no key {KEY_ID}, or it was revoked before."
    assert sentence(owner(db, "customer", "get", "cus_x"), UNKNOWN) == 'there is no customer "cus_x".'
    assert sentence(owner(db, "org", "pin", "acme", "2020-01-01"), USAGE).startswith('there is no version "2020-01-01"; there are: legacy 2026-')
    assert "admin_listen is not set" in sentence(run(place, "stop"), CONFIG)
    assert "No such file" in sentence(run(place, "--admin-listen=/nonexistent/s", "reopen"), UNAVAILABLE)


BAD_NAMES = {"": "must not be empty", "  ": "must not be blank", "\u00a0\u3000": "must not be blank",
             "x" * 300: "must have at most 100 characters", "é" * 101: "must have at most 100 characters",
             "a\nb": "must not contain the invisible character U+000A", "\x1b[2J": "must not contain the invisible character U+001B",
             "a\u202eb": "must not contain the invisible character U+202E", "a\u200b": "must not contain the invisible character U+200B"}


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_names_are_judged_before_the_database(place, name):
    """F16, B5: there is no database here at all."""
    away = ["--database-owner-url=host=/nonexistent"]
    assert sentence(run(place, *away, "org", "create", name), DATA) == f"the name of an organization {BAD_NAMES[name]}."
    done = run(place, *away, "key", "create", "--org", "a", "--env", "live", "--name", name)
    assert sentence(done, DATA) == f"--name {BAD_NAMES[name]}."


def test_names_at_the_bound_are_names(db):
    assert owner(db, "org", "create", "é" * 100).returncode == 0
    assert owner(db, "key", "create", "--org", "é" * 100, "--env", "live", "--name", "中" * 100).returncode == 0


def test_a_database_that_does_not_serve_is_explained(db, place, new_database):
    """No SQLSTATE alone, and what to do."""
    done = run(place, "--database-owner-url=host=/nonexistent", "org", "list")
    assert sentence(done, DATABASE).startswith("the database cannot be reached: connection to server on socket")
    done = run(place, "--database-owner-url=host=/nonexistent", "migrate")
    assert sentence(done, DATABASE).startswith("the database cannot be reached: connection to server on socket")
    empty = new_database(migrate=False)
    assert sentence(owner(empty, "org", "list"), CONFIG) == "the schema is missing or of another version: run clientele migrate."
    serving = run(place, f"--database-owner-url={db.serve_url}", "org", "create", "x")
    assert sentence(serving, CONFIG) == ("database_owner_url connects as a role that may not do this; it must be the owner of the "
                                         "tables, clientele_owner.")


def test_a_refused_login_is_no_database_that_is_away(place, cluster, new_database):
    """A7: in the words of the service's log, of check and of a command."""
    database = new_database()
    url = cluster.url("nobody_of_this_name", database.name)
    done = run(place, f"--database-owner-url={url}", "org", "list")
    assert sentence(done, DATABASE) == ('the database refuses the login of "nobody_of_this_name" (SQLSTATE 28000): look at user and '
                                        "password in database_owner_url, and at pg_hba.conf.")
    done = run(place, f"--database-owner-url={url}", "migrate")
    assert "password in database_owner_url, and" in sentence(done, DATABASE)
    done = run(place, f"--database-url={url}", "check", "--connect")
    assert done.returncode == DATABASE and 'clientele: the database refuses the login of "nobody_of_this_name"' in done.stderr
    assert re.match(r"clientele: cannot connect to the database: ", done.stderr)
    done = run(place, f"--database-url={cluster.url('clientele_serve', 'no_such_database')}", "check", "--connect")
    assert done.returncode == DATABASE and 'clientele: there is no database "no_such_database"' in done.stderr
    with contextlib.closing(cluster.connect()) as db, db.cursor() as cursor:
        cursor.execute("CREATE ROLE nobody_may LOGIN CONNECTION LIMIT 0")
    done = run(place, f"--database-owner-url={cluster.url('nobody_may', 'postgres')}", "org", "list")
    assert sentence(done, DATABASE) == "the database has no room for another connection."


# ---------------------------------------------------------------- lists


HOSTILE = "\u001b[2J\u001b]0;x\u0007\nkey_x  Acme  live\u202e\u009b"


def test_tenants_text_cannot_command_a_terminal(db):
    """F4, B5: each key, customer and organization is one row, whatever its texts."""
    owner(db, "org", "create", "hostile")
    for _ in range(2):
        owner(db, "key", "create", "--org", "hostile", "--env", "live")
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE api_key SET name = %s WHERE environment_id IN (SELECT e.id FROM environment e JOIN organization o "
                       "ON o.id = e.organization_id WHERE o.name = 'hostile')", (HOSTILE,))
        cursor.execute("INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, address, timezone, metadata, "
                       "is_active, created_at, updated_at) SELECT e.id, gen_random_uuid(), %(t)s, %(t)s, %(t)s, %(t)s, to_json(%(t)s::text), %(t)s, "
                       "to_json(%(t)s::text), true, now(), now() FROM environment e JOIN organization o ON o.id = e.organization_id "
                       "WHERE o.name = 'hostile'", {"t": HOSTILE})
        cursor.execute("INSERT INTO plan (environment_id, id, code, name, is_public, is_free, metadata, created_at, updated_at) "
                       "SELECT e.id, gen_random_uuid(), 'x', %s, false, true, '{}', now(), now() FROM environment e JOIN organization o "
                       "ON o.id = e.organization_id WHERE o.name = 'hostile'", (HOSTILE,))
        cursor.execute("UPDATE organization SET name = %s WHERE name = 'hostile'", ("hos\x1btile",))
    of_it = ["--org", "hos\x1btile", "--env", "live"]
    for arguments, lines in ((["key", "list"], 1), (["org", "list"], 1), (["customer", "count"], 1), (["customer", "list", *of_it], 1),
                             (["customer", "get", HOSTILE, *of_it], 15), (["plan", "list", *of_it], 1)):
        table, text = owner(db, *arguments).stdout, owner(db, *arguments, "--json").stdout
        rows = json.loads(text)
        assert len(rows) and len(table.splitlines()) == (len(rows) + 1 if lines == 1 else lines) and text.count("\n") == 1
        assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]+", table + text)
    for arguments, code in ((["customer", "get", HOSTILE + "x"], UNKNOWN), (["org", "pin", HOSTILE, "none"], UNKNOWN),
                            (["org", "delete", "hos\x1btile"], DATA), (["org", "rename", "nosuch", HOSTILE], DATA)):
        assert re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u202e]+", sentence(owner(db, *arguments), code))
    names = [row["name"] for row in json.loads(owner(db, "key", "list", "--json").stdout)]
    assert names.count(HOSTILE) == 2
    assert r"\u001b[2J\u001b]0;x\u0007\u000akey_x  Acme  live\u202e\u009b" in owner(db, "key", "list").stdout


def keys(db, org):
    return {row["id"]: row for row in json.loads(owner(db, "key", "list", "--org", org, "--json").stdout)}


def make_key(db, org, *more):
    return json.loads(owner(db, "key", "create", "--org", org, "--env", "live", "--json", *more).stdout)[0]["id"]


def test_the_list_says_which_keys_work(db):
    owner(db, "org", "create", "states")
    active, expired, revoked = (make_key(db, "states", "--expires-days", "9") for _ in range(3))
    owner(db, "key", "revoke", revoked)
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE api_key SET expires_at = now() - interval '1 s' WHERE id = %s::uuid", (uuid_of(expired),))
    assert {name: row["state"] for name, row in keys(db, "states").items()} == {active: "active", expired: "expired", revoked: "revoked"}
    table = owner(db, "key", "list", "--org", "states").stdout.splitlines()
    assert table[0].split() == ["id", "organization", "environment", "prefix", "name", "state", "expires", "revoked", "lastUsed", "limit", "permissions",
                                "allowedAddresses"]


def uuid_of(text):
    number = 0
    for digit in text.split("_")[1]:
        number = number * 62 + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".index(digit)
    return f"{number:032x}"


def test_changes_of_keys_and_pins_can_be_json(db):
    owner(db, "org", "create", "changes")
    key = make_key(db, "changes")
    assert json.loads(owner(db, "org", "pin", "changes", "2026-05-25", "--json").stdout) == [{"name": "changes", "version": "2026-05-25"}]
    assert json.loads(owner(db, "org", "pin", "changes", "none", "--json").stdout) == [{"name": "changes", "version": None}]
    assert json.loads(owner(db, "key", "limit", key, "5/s", "--json").stdout) == [{"id": key, "limit": "5/s burst 5"}]
    assert json.loads(owner(db, "key", "revoke", key, "--json").stdout) == [{"id": key, "state": "revoked"}]


# ---------------------------------------------------------------- another name, and the end, of an organization


def test_an_organization_gets_another_name(db):
    """D11."""
    made = json.loads(owner(db, "org", "create", "before", "--json").stdout)[0]["id"]
    owner(db, "org", "create", "taken")
    key = make_key(db, "before")
    assert json.loads(owner(db, "org", "rename", "before", "behind", "--json").stdout) == [{"id": made, "name": "behind"}]
    assert list(keys(db, "behind")) == [key]
    assert sentence(owner(db, "org", "rename", "before", "x"), UNKNOWN) == 'there is no organization "before"; clientele org list shows them.'
    assert sentence(owner(db, "org", "rename", "behind", "taken"), DATA) == 'there is an organization "taken" already.'
    assert sentence(owner(db, "org", "rename", "behind", "a\nb"), DATA) == "the name of an organization must not contain the invisible character U+000A."


def rows_by_table(db, environments):
    """How many rows each table has of these environments, as the superuser sees them."""
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT attrelid::regclass::text FROM pg_attribute JOIN pg_class c ON c.oid = attrelid "
                       "WHERE attname = 'environment_id' AND relkind = 'r' AND relnamespace = 'public'::regnamespace")
        counts = {}
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT count(*) FROM {table} WHERE environment_id = ANY (%s::uuid[])", (environments,))
            counts[table] = cursor.fetchone()[0]
        return counts


def environments_of(db, org):
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT e.id::text FROM environment e JOIN organization o ON o.id = e.organization_id WHERE o.name = %s", (org,))
        return [row[0] for row in cursor.fetchall()]


# Rows of what bills: table, columns, values.
BILLING = [
    ("billing_setting", "currency", "'eur'"),
    ("subscription", "id, customer_id, plan_id, name, status, base_price, metadata, zone, start_date, created_at, updated_at",
     "gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'n', 'active', 1, '{}', 'UTC', now(), now(), now()"),
    ("invoice", "id, customer_id, subscription_id, number, status, invoice_type, currency, subtotal, credit_applied, total, period_index, issue_date, "
     "due_date, plan_id, plan_name, token, created_at, updated_at", "gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, 'paid', 'recurring', "
     "'eur', 1, 0, 1, 1, now(), now(), gen_random_uuid(), 'n', 't', now(), now()"),
    ("invoice_line", "invoice_id, position, description, quantity, unit_amount, amount", "gen_random_uuid(), 1, 'd', 1, 1, 1"),
    ("invoice_counter", "last", "1"),
    ("customer_credit", "customer_id, balance", "gen_random_uuid(), 1"),
    ("customer_merge", "customer_id, into_id, merged_at, credit, subscriptions, others", "gen_random_uuid(), gen_random_uuid(), now(), 0, '{}', '{}'"),
    ("billing_failure", "subscription_id, due_at, tries, try_at", "gen_random_uuid(), now(), 1, now()"),
    ("test_clock_run", "id, started_at, target_at, estimated", "gen_random_uuid(), now(), now() + interval '1 day', 0"),
    ("test_clock_item", "run_id, position, subscription_id, what, due_at, done", "gen_random_uuid(), 1, gen_random_uuid(), 'renew', now(), true"),
]


def fill(db, org):
    """A row in every table that has rows of tenants; returns the environments."""
    environments = environments_of(db, org)
    make_key(db, org)
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        for environment in environments:
            cursor.execute("INSERT INTO customer (environment_id, id, email, timezone, metadata, is_active, created_at, updated_at) "
                           "SELECT %s, gen_random_uuid(), 'a@b.co', 'UTC', '{}', true, now(), now() FROM generate_series(1, 3)", (environment,))
            cursor.execute("INSERT INTO event (environment_id, type, customer_id) VALUES (%s, 'x', gen_random_uuid())", (environment,))
            cursor.execute("INSERT INTO invoice_party (environment_id, invoice_id, email, issued_at) "
                           "VALUES (%s, gen_random_uuid(), 'a@b.co', now())", (environment,))
            cursor.execute("INSERT INTO customer_merge (environment_id, customer_id, into_id, merged_at, credit, subscriptions, others) "
                           "VALUES (%s, gen_random_uuid(), gen_random_uuid(), now(), 0, '{}', '{}')", (environment,))
            cursor.execute("INSERT INTO import (environment_id, id, digest, lines, bytes, line) "
                           "VALUES (%s, gen_random_uuid(), sha256('x'), 1, 1, 1)", (environment,))
            cursor.execute("INSERT INTO idempotency_key (environment_id, key, request_hash, maker, version, status, headers, answer, sealed) "
                           "VALUES (%s, 'k', '', gen_random_uuid(), 'x', 200, '', '', false)", (environment,))
            cursor.execute("WITH g AS (INSERT INTO plan_group (environment_id, id, name, is_public, created_at, updated_at) "
                           "VALUES (%s, gen_random_uuid(), 'g', false, now(), now()) RETURNING environment_id, id) "
                           "INSERT INTO plan (environment_id, id, code, name, is_public, is_free, plan_group_id, metadata, created_at, updated_at) "
                           "SELECT g.environment_id, gen_random_uuid(), 'pro', 'Pro', false, false, g.id, '{}', now(), now() FROM g", (environment,))
            cursor.execute("INSERT INTO plan_price (environment_id, id, plan_id, billing_interval, price, trial_days, is_default, metadata, "
                           "created_at, updated_at) SELECT environment_id, gen_random_uuid(), id, 'monthly', 1, 0, true, '{}', now(), now() "
                           "FROM plan WHERE environment_id = %s", (environment,))
            cursor.execute("WITH j AS (INSERT INTO import_job (environment_id, id, format, conflict, dry, keep_created_at, source, status) "
                           "VALUES (%s, gen_random_uuid(), 'csv', 'skip', false, false, 'x', 'done') RETURNING environment_id, id), "
                           "p AS (INSERT INTO import_part (environment_id, import_id, number, bytes, digest, data) "
                           "SELECT j.environment_id, j.id, 1, 1, sha256('x'), 'x' FROM j) "
                           "INSERT INTO import_result (environment_id, import_id, line, data) SELECT j.environment_id, j.id, 1, '{}' FROM j", (environment,))
            for table, columns, values in BILLING:
                cursor.execute(f"INSERT INTO {table} (environment_id, {columns}) VALUES (%s, {values})", (environment,))
    assert all(rows_by_table(db, environments).values())
    return environments


def end_keys(db, org, seconds):
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE api_key SET revoked_at = now() - %s * interval '1 s' WHERE environment_id = ANY (%s::uuid[])",
                       (seconds, environments_of(db, org)))


def test_an_organization_is_deleted_with_all_that_it_has_and_nothing_else(db):
    """D11: keys first, then the number of customers as a proof that they are meant; whole, and never another one's."""
    for org in ("leaving", "staying"):
        owner(db, "org", "create", org)
    leaving, staying = fill(db, "leaving"), fill(db, "staying")
    before, kept = rows_by_table(db, leaving), rows_by_table(db, staying)

    def refused(*options, **more):
        words = sentence(owner(db, "org", "delete", "leaving", *options, **more), DATA)
        assert rows_by_table(db, leaving) == before
        return words

    assert refused("--customers", "6") == ('"leaving" has 1 key that works or worked in the last 46 s: clientele key list --org "leaving" shows it; '
                                           "revoke it, and try again after that time.")
    end_keys(db, "leaving", 40)  # a request that began with it may still be running
    assert "1 key that works or worked in the last 46 s" in refused("--customers", "6")
    end_keys(db, "leaving", 50)
    for options in (["--customers", "5"], ["--customers=0"], ["--customers", "5", "--yes"]):
        assert refused(*options) == '"leaving" has 6 customers; to delete all of them with it, give --customers 6.'
    asks = 'clientele: to delete "leaving" with its 6 customers for good, type its name once more.\n'
    for typed in ("", "\n", "y\n", "leavin\n", "leaving \n"):
        done = owner(db, "org", "delete", "leaving", input=typed)
        assert (done.returncode, done.stdout) == (DATA, "") and rows_by_table(db, leaving) == before
        assert done.stderr == asks + ('clientele: "leaving" was not typed, and nothing was deleted; --customers 6, or --yes, '
                                      "deletes it without asking.\n")
    done = owner(db, "org", "delete", "leaving", "--customers", "6", "--json")
    assert json.loads(done.stdout) == [{"name": "leaving", "customers": 6}]
    assert set(rows_by_table(db, leaving).values()) == {0} and rows_by_table(db, staying) == kept
    assert environments_of(db, "leaving") == [] and len(environments_of(db, "staying")) == 2
    assert sentence(owner(db, "org", "delete", "leaving"), UNKNOWN) == 'there is no organization "leaving"; clientele org list shows them.'
    owner(db, "org", "create", "leaving")
    assert owner(db, "org", "delete", "leaving").stdout.splitlines() == ["name     customers", "leaving  0"]
    for option, typed in (("--json", "leaving\n"), ("--yes", "")):
        owner(db, "org", "create", "leaving")
        fill(db, "leaving")
        end_keys(db, "leaving", 50)
        assert owner(db, "org", "delete", "leaving", option, input=typed).returncode == 0 and environments_of(db, "leaving") == []


def test_deleting_an_organization_waits_for_a_lock_no_longer_than_lock_timeout(db):
    """And then nothing of it is done; others are not held up by it."""
    owner(db, "org", "create", "held")
    held = fill(db, "held")
    end_keys(db, "held", 100)
    before = rows_by_table(db, held)
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute("SELECT FROM organization WHERE name = 'held' FOR UPDATE")
        done = owner(db, "--lock-timeout=200ms", "org", "delete", "held", "--customers", "6")
        assert sentence(done, DATABASE) == "another transaction holds what this needs; nothing was done; try again."
        connection.rollback()
    assert rows_by_table(db, held) == before
    assert owner(db, "org", "delete", "held", "--customers", "6").returncode == 0


# ---------------------------------------------------------------- a successor of a key


def milliseconds(db, key):
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT (extract(epoch FROM created_at) * 1000)::bigint, (extract(epoch FROM expires_at) * 1000)::bigint, "
                       "(extract(epoch FROM now()) * 1000)::bigint FROM api_key WHERE id = %s::uuid", (uuid_of(key),))
        return cursor.fetchone()


def test_a_key_is_followed_by_another_with_an_overlap(db):
    """D11."""
    owner(db, "org", "create", "rotating")
    old = make_key(db, "rotating", "--name", "billing", "--limit", "7/s", "--expires-days", "30")
    done = owner(db, "key", "rotate", old, "--overlap", "2h")
    text, new = done.stdout.strip(), re.search(r"its id is (key_\w+)\.", done.stderr).group(1)
    assert done.returncode == 0 and re.fullmatch(r"ck_live_\w{46}", text) and f"{old} keeps working for 7200 s." in done.stderr
    rows = keys(db, "rotating")
    assert (rows[new]["name"], rows[new]["limit"], rows[new]["state"]) == ("billing", "7/s burst 7", "active")
    assert rows[new]["prefix"] == text[:12]
    created, expires, _ = milliseconds(db, new)
    assert expires - created == 30 * 86400 * 1000
    _, expires, now = milliseconds(db, old)
    assert 7200 * 1000 - 60000 < expires - now <= 7200 * 1000
    # Once: its successor is the one to rotate. An end is never put off, and without an overlap it is at once.
    assert sentence(owner(db, "key", "rotate", old, "--overlap", "24h"), DATA) == f"{old} was rotated before; rotate its successor, {new}."
    assert milliseconds(db, old)[1] == expires
    ending = make_key(db, "rotating", "--expires-days", "1")
    expires = milliseconds(db, ending)[1]
    told = re.search(rf"{ending} keeps working for (\d+) s\.", owner(db, "key", "rotate", ending, "--overlap", "48h").stderr)
    assert milliseconds(db, ending)[1] == expires and 86400 - 60 < int(told[1]) <= 86400
    assert owner(db, "key", "rotate", new, "--overlap", "0").returncode == 0
    assert keys(db, "rotating")[new]["state"] == "expired"
    # What has ended has no successor.
    assert sentence(owner(db, "key", "rotate", new), UNKNOWN) == f"there is no key {new}, or it was revoked before."
    endless = make_key(db, "rotating")
    made = json.loads(owner(db, "key", "rotate", endless, "--json").stdout)[0]["id"]
    assert milliseconds(db, made)[1] is None


# ---------------------------------------------------------------- keys that may do less


def test_an_operator_makes_a_restricted_key(db):
    owner(db, "org", "create", "narrow")
    made = owner(db, "key", "create", "--org", "narrow", "--env", "sandbox", "--permissions", "plan:read, customer:read,customer:write",
                 "--allow", "203.0.113.0/24, 2001:DB8::/32,192.0.2.7", "--expires-days", "9")
    assert re.fullmatch(r"rk_sandbox_\w{46}\n", made.stdout)
    nothing = make_key(db, "narrow", "--permissions", "none")
    everything = make_key(db, "narrow")
    rows = keys(db, "narrow")
    (narrow,) = [row for row in rows.values() if row["environment"] == "sandbox"]
    assert (narrow["permissions"], narrow["allowedAddresses"]) == ({"customer": ["read", "write"], "plan": ["read"]},
                                                                   ["203.0.113.0/24", "2001:db8::/32", "192.0.2.7/32"])
    assert (rows[nothing]["permissions"], rows[nothing]["allowedAddresses"], rows[nothing]["prefix"][:8]) == ({}, None, "rk_live_")
    assert (rows[everything]["permissions"], rows[everything]["prefix"][:8]) == (None, "ck_live_")
    # A successor has the same, and is no more than that.
    successor = json.loads(owner(db, "key", "rotate", narrow["id"], "--json").stdout)[0]
    assert successor["key"].startswith("rk_sandbox_")
    after = keys(db, "narrow")[successor["id"]]
    assert {name: after[name] for name in ("permissions", "allowedAddresses", "name")} == {name: narrow[name] for name in ("permissions", "allowedAddresses", "name")}


@pytest.mark.parametrize("option, value, said", [
    ("--permissions", "customers:read", 'not "customers:read"; there are customer, api_key, '), ("--permissions", "", 'not ""; there are'),
    ("--permissions", "customer", 'not "customer"; there are'), ("--permissions", "customer:read,plan:delete", 'not "plan:delete"; there are'),
    ("--permissions", "plan:read,customer:write", 'not "customer"; there are'), ("--permissions", "all", 'not "all"; there are'),
    ("--allow", "", 'such as 203.0.113.0/24, not "".'), ("--allow", "example.com", 'such as 203.0.113.0/24, not "example.com".'),
    ("--allow", "203.0.113.7/24", '--allow must have no bits behind its length: the network is 203.0.113.0/24, not "203.0.113.7/24".'),
    ("--allow", ",".join(["::1"] * 17), "--allow must have at most 16 addresses and networks")])
def test_a_restriction_that_cannot_be_read_makes_no_key(db, option, value, said):
    done = owner(db, "key", "create", "--org", "nosuch", "--env", "live", option, value)
    assert said in sentence(done, USAGE)


# ---------------------------------------------------------------- keys that got out

# The form and the checksum are what doc/operations.md tells scanners; computed here without the program.
FORM = re.compile(r"\b[cr]k_(live|sandbox)_[0-9A-Za-z]{46}\b")
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def is_real(key):
    number, text = zlib.crc32(key[:-6].encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        text = DIGITS[digit] + text
    return bool(FORM.fullmatch(key)) and key[-6:] == text


def test_a_scanner_tells_a_key_from_a_random_text(db, place, tmp_path):
    owner(db, "org", "create", "leaking")
    keys = [owner(db, "key", "create", "--org", "leaking", "--env", env).stdout.strip() for env in ("live", "sandbox")]
    assert all(map(is_real, keys))
    wrong = keys[0][:-1] + ("0" if keys[0][-1] != "0" else "1")
    old = "ck_live_" + "a" * 40
    assert not is_real(wrong)
    text = f'\xff\x00 COMMET_API_KEY="{keys[0]}"\n\n// {wrong}\n{old},{keys[1]}\n{keys[0]}0 x{keys[0]} {keys[0]}_ ck_live_{"z" * 100000}'

    def check(*arguments, text):
        return subprocess.run([place.bin, "key", "check", *arguments], input=text.encode("latin-1"), capture_output=True, check=False)

    done = check("-", "--json", text=text)
    assert done.returncode == 0 and json.loads(done.stdout) == [
        {"line": 1, "prefix": keys[0][:12], "verdict": "key"}, {"line": 3, "prefix": keys[0][:12], "verdict": "wrong checksum"},
        {"line": 4, "prefix": old[:12], "verdict": "without checksum"}, {"line": 4, "prefix": keys[1][:15], "verdict": "key"}]
    assert not any(key[16:].encode() in done.stdout + done.stderr for key in keys)
    # No key at all, and none that can be one.
    for nothing in ("", "ck_live_\n", wrong):
        done = check("-", text=nothing)
        assert (done.returncode, done.stderr) == (UNKNOWN, b"clientele: there is no API key in it.\n")
    path = tmp_path / "file"
    path.write_text(keys[1])
    path.chmod(0o644)
    assert check(path, text="").stdout.split() == [b"line", b"prefix", b"verdict", b"1", keys[1][:15].encode(), b"key"]
    assert sentence(place.run(place.bin, "key", "check", "/nonexistent", check=False), OS) == "/nonexistent: No such file or directory"
    assert sentence(place.run(place.bin, "key", "check", "/", check=False), OS) == "/: Is a directory"


# ---------------------------------------------------------------- customers


def test_an_operator_sees_customers(db, place):
    """D7: row-level security holds for the owner too, so that psql shows none."""
    owner(db, "org", "create", "looking")
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT e.id, e.livemode FROM environment e JOIN organization o ON o.id = e.organization_id WHERE o.name = 'looking'")
        environments = dict((live, environment) for environment, live in cursor.fetchall())
        for n in range(5):
            cursor.execute("INSERT INTO customer (environment_id, id, external_id, email, timezone, metadata, is_active, created_at, updated_at) "
                           "VALUES (%s, gen_random_uuid(), %s, %s, 'UTC', '{\"a\": 1}', true, now(), now())",
                           (environments[n < 3], f"own {n % 3}", f"a{n}\x07@b.co"))
    with contextlib.closing(db.connect("clientele_owner")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM customer")
        assert cursor.fetchone() == (0,)
    assert owner(db, "customer", "count", "--org", "looking").stdout.splitlines()[1:] == [
        "looking       live         3", "looking       sandbox      2"]
    assert [row["customers"] for row in json.loads(owner(db, "customer", "count", "--org", "looking", "--json").stdout)] == [3, 2]

    listing = ["customer", "list", "--org", "looking", "--env", "live", "--json"]
    every = json.loads(owner(db, *listing).stdout)
    assert [row["id"] for row in every] == sorted((row["id"] for row in every), reverse=True) and len(every) == 3
    page = json.loads(owner(db, *listing, "--first", "2").stdout)
    assert page == every[:2]
    assert json.loads(owner(db, *listing, "--first", "2", "--after", page[-1]["id"]).stdout) == every[2:]

    found = json.loads(owner(db, "customer", "get", "own 1", "--json").stdout)
    assert [(row["environment"], row["externalId"], row["metadata"]) for row in found] == [("live", "own 1", {"a": 1}), ("sandbox", "own 1", {"a": 1})]
    one = owner(db, "customer", "get", found[0]["id"], "--org", "looking", "--env", "live").stdout
    assert len(one.splitlines()) == 15 and re.search(r"^email +a\d\\u0007@b\.co$", one, re.M)
    assert sentence(owner(db, "customer", "get", found[0]["id"], "--env", "sandbox"), UNKNOWN)


def test_an_operator_writes_customers_as_the_api_does(db):
    owner(db, "org", "create", "writing")
    of_it = ["--org", "writing", "--env", "live"]

    def made(*words, **more):
        done = owner(db, "customer", *words[:1], *of_it, "--json", *words[1:], **more)
        assert done.returncode == 0, done
        (row,) = json.loads(done.stdout)
        return row, done.stderr

    ada, said = made("create", "email=ada@b.co", "externalId=a/1", "fullName=Ada = \u00e9", 'metadata:={"n": [1, 2.50]}')
    assert said == "" and ada["metadata"] == {"n": [1, 2.50]} and ada["fullName"] == "Ada = \u00e9" and ada["timezone"] == "UTC"
    again, said = made("create", "email=other@b.co", "externalId=a/1")
    assert again == ada and said == "clientele: a customer with this externalId is there already, and was left as it is.\n"
    changed, _ = made("update", "a/1", "fullName=", "email=ada2@b.co")
    assert {**ada, "fullName": None, "email": "ada2@b.co", "updatedAt": changed["updatedAt"]} == changed
    assert made("update", ada["id"], "-", input='{"timezone": "Asia/Tokyo"}')[0]["timezone"] == "Asia/Tokyo"
    others = [made("create", f"email=b{n}@b.co", f'fullName={n}, "x"')[0]["id"] for n in range(3)]

    # The same events as over HTTP, and nothing for what changed nothing.
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT type, count(*) FROM event WHERE environment_id = ANY (%s::uuid[]) GROUP BY 1 ORDER BY 1",
                       (environments_of(db, "writing"),))
        assert cursor.fetchall() == [("customer.created", 4), ("customer.updated", 2)]

    def refused(code, *words, **more):
        return sentence(owner(db, "customer", *words[:1], *of_it, *words[1:], **more), code)

    assert refused(DATA, "create", "email=x", "fullName=" + "x" * 201) == \
        "email must be an e-mail address; fullName must have at most 200 characters."
    assert refused(DATA, "create", "email=a@b.co", "nick=x") == "nick is not known here."
    assert refused(DATA, "create", "email=a@b.co", "metadata:={a}").startswith("metadata is not valid JSON at byte 1: ")
    assert refused(DATA, "create", "-", input="{") == "The body is not valid JSON at byte 1: an unexpected end."
    assert refused(DATA, "create", "-", input=json.dumps({"email": "x" * 3_000_000})) == "The body is too large."
    assert refused(UNKNOWN, "update", "nobody", "email=a@b.co") == "There is no customer with this id."
    assert refused(DATA, "update", others[0], "externalId=a/1") == "Another customer has this external id."

    def listed(*words):
        return [row["id"] for row in json.loads(owner(db, "customer", "list", *of_it, "--json", *words).stdout)]

    assert listed() == [*reversed(others), ada["id"]]
    assert listed("--first", "3", "--after", others[2]) == [others[1], others[0], ada["id"]]
    assert listed("externalId=a/1") == listed("email=ada2@b.co") == [ada["id"]] and listed("email=&b") == []
    assert sentence(owner(db, "customer", "list", *of_it, "mail=x"), DATA) == "mail is not known here."
    rows = owner(db, "customer", "list", *of_it, "--csv", "--first", "2").stdout
    shown = {row["id"]: row for row in json.loads(owner(db, "customer", "list", *of_it, "--json").stdout)}
    assert rows == "id,externalId,email,fullName,createdAt\n" + "".join(
        f'{id},,b{n}@b.co,"{n}, ""x""",{shown[id]["createdAt"]}\n' for n, id in ((2, others[2]), (1, others[1])))


def test_an_operator_archives_restores_and_erases_customers_as_the_api_does(db):
    owner(db, "org", "create", "leaving customers")
    of_it = ["--org", "leaving customers", "--env", "live"]
    own = "a/1 \u00e9?"

    def done(verb, id, *options, **more):
        return owner(db, "customer", verb, *of_it, "--json", *options, "--", id, **more)

    def one(*words, **more):
        (row,) = json.loads(done(*words, **more).stdout)
        return row

    (ada,) = json.loads(owner(db, "customer", "create", *of_it, "--json", "email=ada@b.co", f"externalId={own}").stdout)
    listed = ["customer", "list", *of_it, "--json"]
    archived = one("archive", own)
    assert archived["id"] == ada["id"] and archived["archivedAt"] and json.loads(owner(db, *listed).stdout) == []
    assert one("archive", ada["id"]) == archived
    assert one("restore", own) == {**archived, "archivedAt": None}
    assert [row["id"] for row in json.loads(owner(db, *listed).stdout)] == [ada["id"]]

    asks = f'clientele: to erase this customer for good, type "{own}" once more.\n'
    for typed in ("", "\n", "y\n", own[:-1] + "\n", own + "x\n", f"{own}\u0020\n", ada["id"] + "\n"):
        refused = done("erase", own, input=typed)
        assert (refused.returncode, refused.stdout) == (DATA, "")
        assert refused.stderr == asks + f'clientele: "{own}" was not typed, and nothing was erased; --yes erases it without asking.\n'
    assert [row["id"] for row in json.loads(owner(db, *listed).stdout)] == [ada["id"]]
    erased = done("erase", own, input=own + "\n")
    assert (erased.returncode, erased.stderr, json.loads(erased.stdout)) == (0, asks, [{"id": ada["id"], "deleted": True}])
    (other,) = json.loads(owner(db, "customer", "create", *of_it, "--json", "email=b@b.co").stdout)
    assert one("erase", other["id"], "--yes") == {"id": other["id"], "deleted": True}
    assert json.loads(owner(db, *listed, "archived=all").stdout) == []

    # By an id of one who was merged, that is who stays; the command says so.
    stays, merged = (json.loads(owner(db, "customer", "create", *of_it, "--json", f"email={n}@b.co", f"externalId=m{n}").stdout)[0] for n in "12")
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE customer SET merged_into = %s, archived_at = now() WHERE id = %s", (uuid_of(stays["id"]), uuid_of(merged["id"])))
    shown = owner(db, "customer", "get", "m2", *of_it, "--json")
    assert [(row["mergedInto"], bool(row["archivedAt"])) for row in json.loads(shown.stdout)] == [(stays["id"], True)]
    said = f'clientele: "m2" was merged into {stays["id"]}: that customer is erased, with all who were merged into it.\n'
    assert done("erase", "m2", input="no\n").stderr.startswith(said)
    erased = done("erase", "m2", "--yes")
    assert (erased.returncode, erased.stderr, json.loads(erased.stdout)) == (0, said, [{"id": stays["id"], "deleted": True}])
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT type FROM event WHERE environment_id = ANY (%s::uuid[]) ORDER BY 1", (environments_of(db, "leaving customers"),))
        assert [row[0] for row in cursor.fetchall()].count("customer.erased") == 4
    for verb, *options in (["archive"], ["restore"], ["erase", "--yes"]):
        assert sentence(done(verb, own, *options), UNKNOWN) == "There is no customer with this id."
    assert sentence(owner(db, "customer", "erase", "x", "--org", "nosuch", "--env", "live"), UNKNOWN)


def test_an_operator_lists_customers_who_may_be_the_same(db):
    owner(db, "org", "create", "doubles")
    of_it = ["--org", "doubles", "--env", "live"]

    def found(*options):
        return [(row["value"], row["externalId"]) for row in json.loads(owner(db, "customer", "duplicates", *of_it, "--json", *options).stdout)]

    assert found() == found("--by", "taxDocument") == []
    for n, (email, document) in enumerate((("Ada@b.co", "X-1"), ("ada@B.co", ""), ("bob@b.co", "x1"), ("BOB@b.co", "x2"), ("c@b.co", "X 2"))):
        owner(db, "customer", "create", *of_it, f"email={email}", f"externalId={n}", f"taxDocument={document}")
    assert found() == found("--by", "email") == [("ada@b.co", "0"), ("ada@b.co", "1"), ("bob@b.co", "2"), ("bob@b.co", "3")]
    assert found("--by", "taxDocument") == [("x1", "0"), ("x1", "2"), ("x2", "3"), ("x2", "4")]
    assert found("--first", "1") == found()[:2]
    # More groups than a page of the API has.
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO customer (environment_id, id, email, timezone, metadata, is_active, created_at, updated_at) SELECT e.id, "
                       "lpad(to_hex(n), 32, '0')::uuid, n / 2 || '@b.co', 'UTC', '{}', true, now(), now() FROM generate_series(0, 229) n, environment e "
                       "JOIN organization o ON o.id = e.organization_id WHERE o.name = 'doubles' AND e.livemode")
    assert len(found("--first", "1000")) == 2 * (2 + 115) and len(found("--first", "103")) == 2 * 103


def test_a_list_goes_over_more_pages_than_the_api_gives_at_once(db):
    owner(db, "org", "create", "long")
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO customer (environment_id, id, email, timezone, metadata, is_active, created_at, updated_at) SELECT e.id, "
                       "lpad(to_hex(n), 32, '0')::uuid, 'a@b.co', 'UTC', '{}', true, now(), now() FROM generate_series(1, 230) n, environment e "
                       "JOIN organization o ON o.id = e.organization_id WHERE o.name = 'long' AND e.livemode")
    every = ["customer", "list", "--org", "long", "--env", "live", "--json", "--first"]
    rows = json.loads(owner(db, *every, "1000").stdout)
    assert len({row["id"] for row in rows}) == len(rows) == 230
    assert json.loads(owner(db, *every, "205", "email=a@b.co").stdout) == rows[:205]


# ---------------------------------------------------------------- plans


def test_an_operator_makes_plans_and_sees_them(db):
    owner(db, "org", "create", "selling")
    of_it = ["--org", "selling", "--env", "live"]
    made = owner(db, "plan", "create", "pro", *of_it, "--name", "Pro", "--prices", "yearly=49000,monthly=4900", "--trial-days", "14", "--public")
    assert re.fullmatch(r"id +code\npln_\w{22}  pro\n", made.stdout)
    (free,) = json.loads(owner(db, "plan", "create", "free", *of_it, "--name", "Free", "--free", "--json").stdout)
    rows = json.loads(owner(db, "plan", "list", *of_it, "--json").stdout)
    assert [{name: row[name] for name in ("code", "name", "public", "free", "prices")} for row in rows] == [
        {"code": "free", "name": "Free", "public": False, "free": True, "prices": None},
        {"code": "pro", "name": "Pro", "public": True, "free": False, "prices": {"yearly": 49000, "monthly": 4900}}]
    assert rows[0]["id"] == free["id"]
    assert json.loads(owner(db, "plan", "list", *of_it, "--first", "1", "--json").stdout) == rows[:1]
    assert json.loads(owner(db, "plan", "list", *of_it, "--after", free["id"], "--json").stdout) == rows[1:]
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT r.billing_interval, r.price, r.trial_days, r.is_default FROM plan_price r JOIN plan p ON p.id = r.plan_id "
                       "WHERE p.code = 'pro' AND r.environment_id = ANY (%s::uuid[]) ORDER BY r.id", (environments_of(db, "selling"),))
        assert cursor.fetchall() == [("yearly", 49000, 14, True), ("monthly", 4900, 14, False)]
        cursor.execute("UPDATE plan SET deleted_at = now() WHERE code = 'pro' AND environment_id = ANY (%s::uuid[])", (environments_of(db, "selling"),))
    assert [row["code"] for row in json.loads(owner(db, "plan", "list", *of_it, "--json").stdout)] == ["free"]

    assert sentence(owner(db, "plan", "create", "pro", *of_it, "--name", "x", "--free"), DATA) == \
        'there is a plan "pro" already, or one that was deleted had this code.'
    for code in ("Pro", "a-b", "", "x" * 101):
        assert sentence(owner(db, "plan", "create", code, *of_it, "--name", "x", "--free"), DATA) == \
            "the code of a plan has 1 to 100 lower-case letters, digits and underscores."
    assert sentence(owner(db, "plan", "create", "x", *of_it, "--name", "", "--free"), DATA) == "--name must not be empty."
    assert json.loads(owner(db, "plan", "list", "--org", "selling", "--env", "sandbox", "--json").stdout) == []
    # What a command made is served as what a call made: nothing but the code names it.
    owner(db, "plan", "create", "pro", "--org", "selling", "--env", "sandbox", "--name", "Pro", "--prices", "one_time=0")


# ---------------------------------------------------------------- standard output


@contextlib.contextmanager
def full():
    with open("/dev/full", "w") as out:
        yield out


@contextlib.contextmanager
def closed_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out:
        yield out


LOST = {"full": (full, "No space left on device"), "closed pipe": (closed_pipe, "Broken pipe")}


def to(db, kind, *arguments):
    """Runs a command whose standard output takes nothing."""
    command = [db.place.bin, "-c", "/dev/null", f"--database-url={db.serve_url}", f"--database-owner-url={db.owner_url}", *arguments]
    if kind == "closed":
        command = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
        return subprocess.run(command, env=db.place.env, stderr=subprocess.PIPE, text=True, **db.place.as_user)
    with LOST[kind][0]() as out:
        return subprocess.run(command, env=db.place.env, stdout=out, stderr=subprocess.PIPE, text=True, **db.place.as_user)


@pytest.mark.parametrize("kind", [*LOST, "closed"])
@pytest.mark.parametrize("arguments", [["org", "list"], ["key", "list", "--json"], ["help"], ["help", "serve"], ["version"], ["check"],
                                       ["check", "--print"], ["conf", "nginx"], ["completion", "zsh"], ["migrate"], ["migrate", "--status"],
                                       ["customer", "count"]], ids=" ".join)
def test_a_result_that_is_lost_is_no_success(db, kind, arguments):
    """F6."""
    done = to(db, kind, *arguments)
    why = LOST[kind][1] if kind in LOST else "Bad file descriptor"
    assert (done.returncode, done.stderr) == (OUTPUT, f"clientele: the result could not be written to standard output: {why}.\n")


@pytest.mark.parametrize("kind", [*LOST, "closed"])
@pytest.mark.parametrize("json_too", [[], ["--json"]], ids=["text", "json"])
def test_a_key_whose_text_is_lost_is_not_made(db, kind, json_too):
    """F6."""
    org = f"lost {kind} {len(json_too)}"
    owner(db, "org", "create", org)
    old = make_key(db, org)
    before = keys(db, org)
    for arguments in (["key", "create", "--org", org, "--env", "live"], ["key", "rotate", old, "--overlap", "0"]):
        done = to(db, kind, *arguments, *json_too)
        assert done.returncode == OUTPUT and re.fullmatch(
            r"clientele: the key could not be written to standard output \([^)]+\), so none was made\.\n", done.stderr)
    assert keys(db, org) == before


def test_a_key_that_was_printed_and_not_made_is_disowned(db):
    owner(db, "org", "create", "failing")
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;"
                       "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON api_key DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
                       "EXECUTE FUNCTION refuse()")
        done = owner(db, "key", "create", "--org", "failing", "--env", "live")
        cursor.execute("DROP TRIGGER refuse ON api_key")
    assert done.stdout.startswith("ck_live_") and done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith("clientele: do not use the key above")
    assert keys(db, "failing") == {}


# ---------------------------------------------------------------- commands to a service


def test_reopen_and_stop(pool):
    """D11."""
    p = pool(workers=1)
    p.write_conf(admin_listen=f"unix:{p.dir}/admin", log=p.dir / "service.log")
    p.start(False)
    file = p.dir / "service.log"
    wait_until(lambda: file.exists() and ": ready: " in file.read_text(), what="the start")
    file.rename(p.dir / "old.log")
    done = p.place.run(p.place.bin, "-c", p.conf, "reopen")
    assert done.stdout.startswith("asked for: reopen; ") or done.stdout.startswith("requested: reopen")
    wait_until(file.exists, what="another file")
    assert json.loads(p.place.run(p.place.bin, "-c", p.conf, "stop", "--json").stdout)["asked"] == "stop"
    assert p.wait() == 0 and not p.socket.exists()


def test_an_answer_of_the_service_cannot_command_a_terminal(pool, place):
    """B5: whatever answers on admin_listen."""
    import socket
    import threading
    path = place.new("a") / "socket"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        os.chmod(path, 0o777)
        os.chmod(path.parent, 0o755)
        listener.listen()

        def answer():
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\none\n\x1b[2Jtwo\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        done = run(place, f"--admin-listen=unix:{path}", "status")
        thread.join()
    assert done.stdout == "one\n\\u001b[2Jtwo\n"


def test_watching_ends_when_nobody_reads(pool):
    p = pool(workers=1)
    p.write_conf(admin_listen=f"unix:{p.dir}/admin")
    p.start()
    reader, writer = os.pipe()
    process = subprocess.Popen([p.place.bin, "-c", p.conf, "status", "--watch=1"], stdout=writer, stderr=subprocess.PIPE, text=True,
                               env=p.place.env, **p.place.as_user)
    os.close(writer)
    os.read(reader, 100)
    os.close(reader)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (OUTPUT, "clientele: the result could not be written to standard output: Broken pipe.\n")
