"""clientele subscription and clientele invoice: what an operator sees, and that paid and void are what the API does."""

import contextlib
import json
import re
import subprocess

import pytest

import fastcgi
from stack import Service
from test_commands import DATA, DATABASE, HOSTILE, LOST, OUTPUT, UNKNOWN, USAGE, owner, sentence, to, uuid_of

ORG, ENV = "Billing", ["--org", "Billing", "--env", "live"]
NONE = "inv_0OhYaHWYVtnTmWVC3jkfZN"


@pytest.fixture(scope="module")
def db(cluster):
    return cluster.database("billing_commands")


class Api:
    """What makes customers and subscriptions: there is no command for that."""

    def __init__(self, service, key):
        self.service, self.key = service, key

    def __call__(self, method, path, body=None, status=(200, 201)):
        request = fastcgi.request(method, "/api/v1" + path, [("x-api-key", self.key)], json.dumps(body).encode() if body else b"")
        answer = fastcgi.Connection(self.service.socket).send(request).answer()
        assert answer.status in status, answer.raw
        return json.loads(answer.body)

    def subscribe(self, name, plan="pro"):
        """(subscription, its first invoice) of a new customer with that id of his own."""
        self("POST", "/customers", {"email": "ann@example.com", "id": name})
        made = self("POST", "/subscriptions", {"customerId": name, "planCode": plan})
        (invoice,) = self("GET", f"/invoices?subscriptionId={made['id']}")["data"]
        return made, invoice


@pytest.fixture(scope="module")
def api(db):
    organization = db.organization(ORG)
    for env in ("live", "sandbox"):
        owner(db, "plan", "create", "pro", "--org", ORG, "--env", env, "--name", "Pro", "--prices", "monthly=4900")
    service = Service(db, workers=1).start()
    yield Api(service, organization.key("live"))
    service.stop()


def shown(db, *arguments):
    """The rows of a command that succeeds."""
    done = owner(db, *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done
    return json.loads(done.stdout)


def query(db, text, *values):
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchall()


def status_of(db, invoice):
    return query(db, "SELECT status FROM invoice WHERE id = %s::uuid", uuid_of(invoice["id"]))[0][0]


# ---------------------------------------------------------------- looking


def test_lists_are_newest_first_in_pages_and_by_customer_and_state(db, api):
    made = [api.subscribe(f"list-{number}") for number in range(3)][::-1]
    api("PUT", f"/invoices/{made[0][1]['id']}/status", {"status": "paid"})
    for noun, at, open_state, paid_state in (("subscription", 0, "pending_payment", "active"), ("invoice", 1, "outstanding", "paid")):
        ids = [pair[at]["id"] for pair in made]
        rows = shown(db, noun, "list", *ENV)
        assert [row["id"] for row in rows][:3] == ids and [row["status"] for row in rows][:3] == [paid_state, open_state, open_state]
        assert shown(db, noun, "list", *ENV, "--first", "1") == rows[:1]
        assert shown(db, noun, "list", *ENV, "--first", "1", "--after", ids[0]) == rows[1:2]
        assert [row["id"] for row in shown(db, noun, "list", *ENV, "--state", paid_state, "--first", "1")] == ids[:1]
        assert ids[0] not in [row["id"] for row in shown(db, noun, "list", *ENV, "--state", open_state)]
        for customer in ("list-1", made[1][0]["customerId"]):
            assert shown(db, noun, "list", *ENV, "--customer", customer) == rows[1:2]
        assert shown(db, noun, "list", *ENV, "--customer", "list-1", "--state", paid_state) == []
        assert shown(db, noun, "list", *ENV, "--customer", "list-1", "--after", ids[1]) == []
        assert shown(db, noun, "list", "--org", ORG, "--env", "sandbox") == []
        assert sentence(owner(db, noun, "list", *ENV, "--customer", "nobody"), UNKNOWN) == 'there is no customer "nobody".'
        assert sentence(owner(db, noun, "list", "--org", ORG, "--env", "sandbox", "--customer", "list-1"), UNKNOWN)
        table = owner(db, noun, "list", *ENV).stdout.splitlines()
        assert table[0].split() == list(rows[0]) and len(table) == len(rows) + 1 and table[1].startswith(ids[0])


def test_a_row_says_what_the_api_says(db, api):
    made, invoice = api.subscribe("row")
    (row,) = shown(db, "subscription", "list", *ENV, "--customer", "row")
    assert row == {"id": made["id"], "customerId": made["customerId"], "plan": "Pro", "billingInterval": "monthly", "price": 4900,
                   "status": "pending_payment", "currentPeriodEnd": None, "cancelAt": None, "createdAt": made["createdAt"]}
    (row,) = shown(db, "invoice", "list", *ENV, "--customer", "row")
    assert row == {"plan": "Pro", **{name: invoice[name] for name in ("id", "invoiceNumber", "customerId", "total", "currency", "status", "issueDate",
                                                                     "dueDate")}}


def test_one_is_shown_with_all_that_an_operator_may_need(db, api):
    made, invoice = api.subscribe("one")
    (row,) = shown(db, "--public-url=https://billing.example.com", "subscription", "show", made["id"])
    assert row["checkoutUrl"] == "https://billing.example.com" + made["checkoutUrl"] and made["checkoutUrl"].startswith("/checkout/")
    assert (row["organization"], row["environment"], row["metadata"], row["next"]) == (ORG, "live", {}, None)
    api("PUT", f"/invoices/{invoice['id']}/status", {"status": "paid"})
    api("POST", f"/subscriptions/{made['id']}/cancel", {"reason": "too\ndear"})
    now = api("GET", f"/subscriptions/{made['id']}")
    (row,) = shown(db, "subscription", "show", made["id"], *ENV)
    assert (row["currentPeriodStart"], row["currentPeriodEnd"]) == (now["currentPeriod"]["start"], now["currentPeriod"]["end"])
    assert (row["cancelAt"], row["cancelReason"], row["checkoutUrl"]) == (now["cancellation"]["effectiveAt"], "too\ndear", None)
    assert (row["next"], row["nextAt"]) == ("cancel", row["cancelAt"])
    text = owner(db, "subscription", "show", made["id"]).stdout
    assert len(text.splitlines()) == len(row) and re.search(r"^cancelReason +too\\u000adear$", text, re.M)

    (row,) = shown(db, "invoice", "show", invoice["id"])
    same = ("id", "invoiceNumber", "customerId", "subscriptionId", "invoiceType", "currency", "subtotal", "creditApplied", "total", "issueDate", "dueDate")
    assert {name: row[name] for name in same} == {name: invoice[name] for name in same} and row["status"] == "paid"
    assert row["lineItems"] == [{"description": "Pro", "quantity": 1, "unitAmount": 4900, "amount": 4900}]
    text = owner(db, "invoice", "show", invoice["id"]).stdout
    assert len(text.splitlines()) == len(row) and re.search(rf"^invoiceNumber +{invoice['invoiceNumber']}$", text, re.M)


def test_what_tenants_wrote_makes_no_row_of_its_own(db, api):
    api("POST", "/plans", {"name": "x", "code": "hostile", "isFree": True})
    query(db, "UPDATE plan SET name = %s WHERE code = 'hostile' RETURNING 1", HOSTILE)
    api("POST", "/customers", {"email": "a@example.com", "id": "hostile"})
    made = api("POST", "/subscriptions", {"customerId": "hostile", "planCode": "hostile"})
    for arguments, lines in ((["list", *ENV, "--customer", "hostile"], 2), (["show", made["id"]], 24)):
        table = owner(db, "subscription", *arguments).stdout
        assert len(table.splitlines()) == lines and re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]+", table)
    assert shown(db, "subscription", "show", made["id"])[0]["plan"] == HOSTILE


WRONG = [
    (["subscription", "list", *ENV, "--state", "open"],
     '--state must be draft, pending_payment, trialing, active, past_due or canceled, not "open".'),
    (["invoice", "list", *ENV, "--state", "active"], '--state must be draft, outstanding, paid, void or uncollectible, not "active".'),
    (["invoice", "list", *ENV, "--after", "x"], '--after must be an invoice\'s id (inv_ and 22 characters), not "x".'),
    (["subscription", "show", "x"], '"x" is not a subscription id (sub_ and 22 characters); clientele subscription list shows them.'),
    *((["invoice", verb, "INV-000001"], '"INV-000001" is not an invoice id (inv_ and 22 characters); clientele invoice list shows them.')
      for verb in ("show", "paid", "void")),
    (["invoice", "paid"], "ID is missing: clientele invoice paid ID [--org NAME] [--env live|sandbox] [--json]"),
    (["plan", "list", *ENV, "--state", "paid"],
     "plan list takes no --state: clientele plan list --org NAME --env live|sandbox [--first N] [--after ID] [--json]"),
]


@pytest.mark.parametrize("arguments, words", WRONG, ids=lambda value: None if isinstance(value, list) else value[:40])
def test_a_wrong_command_line_is_answered_with_how_it_would_be_right(db, arguments, words):
    assert sentence(owner(db, *arguments), USAGE) == words


# ---------------------------------------------------------------- paid, void


def written(db, subscription):
    """All that is kept of a subscription but ids, secrets and moments; periods as their lengths."""
    values = (uuid_of(subscription["id"]),)
    return (query(db, "SELECT status, step, base_price, anchor_index, period_index, period_end - period_start, activated, noticed, cancel_reason, "
                      "next_kind, checkout_token IS NULL, due_what, period_end - due_at FROM subscription WHERE id = %s::uuid", *values),
            query(db, "SELECT status, invoice_type, total, period_index, period_end - period_start, paid_at = updated_at, period_start = paid_at "
                      "FROM invoice WHERE subscription_id = %s::uuid ORDER BY number", *values),
            query(db, "SELECT type, invoice_id IS NULL, data::text FROM event WHERE subscription_id = %s::uuid ORDER BY id", *values))


@pytest.mark.parametrize("status, after", [("paid", "active"), ("void", "canceled")])
def test_a_first_invoice_is_settled_as_over_the_api(db, api, status, after):
    (mine, invoice), (other, others) = (api.subscribe(f"{status}-{number}") for number in range(2))
    api("PUT", f"/invoices/{others['id']}/status", {"status": status})
    rows = shown(db, "invoice", status, invoice["id"])
    assert rows == [{"id": invoice["id"], "invoiceNumber": invoice["invoiceNumber"], "status": status, "subscriptionId": mine["id"],
                     "subscriptionStatus": after}]
    assert written(db, mine) == written(db, other)
    assert api("GET", f"/subscriptions/{mine['id']}")["status"] == after and api("GET", f"/invoices/{invoice['id']}")["status"] == status


@pytest.mark.parametrize("status", ["paid", "void"])
def test_so_is_that_of_a_change_of_plan(db, api, status):
    api("POST", "/plan-groups", {"name": f"group {status}"})
    group = api("GET", "/plan-groups")["data"][0]["id"]
    for place, (code, price) in enumerate(((f"small_{status}", 1000), (f"large_{status}", 3000))):
        owner(db, "plan", "create", code, *ENV, "--name", code, "--prices", f"monthly={price}")
        api("POST", f"/plan-groups/{group}/plans", {"planId": code, "sortOrder": place})
    large = api("GET", f"/plans/large_{status}")["id"]
    pairs = []
    for number in range(2):
        made, first = api.subscribe(f"change-{status}-{number}", f"small_{status}")
        api("PUT", f"/invoices/{first['id']}/status", {"status": "paid"})
        assert api("POST", f"/subscriptions/{made['id']}/change-plan", {"newPlanId": large})["outcome"] == "requires_checkout"
        pairs.append((made, api("GET", f"/invoices?subscriptionId={made['id']}&status=outstanding")["data"][0]))
    api("PUT", f"/invoices/{pairs[0][1]['id']}/status", {"status": status})
    done = owner(db, "invoice", status, pairs[1][1]["id"], *ENV)
    assert done.returncode == 0 and re.fullmatch(r"id +invoiceNumber +status +subscriptionId +subscriptionStatus\n"
                                                 rf"{pairs[1][1]['id']} +INV-\d+ +{status} +{pairs[1][0]['id']} +active\n", done.stdout), done
    assert written(db, pairs[0][0]) == written(db, pairs[1][0])
    assert api("GET", f"/subscriptions/{pairs[1][0]['id']}")["plan"]["name"] == f"{'large' if status == 'paid' else 'small'}_{status}"


def test_what_is_not_outstanding_is_refused_in_the_words_of_the_api(db, api):
    for status in ("paid", "void", "uncollectible"):
        made, invoice = api.subscribe(f"over-{status}")
        if status == "uncollectible":
            query(db, "UPDATE invoice SET status = %s WHERE id = %s::uuid RETURNING 1", status, uuid_of(invoice["id"]))
        else:
            shown(db, "invoice", status, invoice["id"])
        before = written(db, made)
        words = api("PUT", f"/invoices/{invoice['id']}/status", {"status": "paid"}, status=(409,))["message"]
        for verb in ("paid", "void"):
            assert sentence(owner(db, "invoice", verb, invoice["id"], "--json"), DATA) == f"{invoice['id']} is {status}. {words}"
        assert written(db, made) == before


def test_an_invoice_of_another_environment_is_none(db, api):
    _, invoice = api.subscribe("elsewhere")
    owner(db, "org", "create", "Other")
    for verb in ("show", "paid", "void"):
        assert sentence(owner(db, "invoice", verb, NONE), UNKNOWN) == f'there is no invoice "{NONE}".'
        for place in (["--env", "sandbox"], ["--org", "Other"], ["--org", "Other", "--env", "live"], ["--org", ORG, "--env", "sandbox"]):
            assert sentence(owner(db, "invoice", verb, invoice["id"], *place), UNKNOWN) == f'there is no invoice "{invoice["id"]}".'
        assert sentence(owner(db, "invoice", verb, invoice["id"], "--org", "Nobody"), UNKNOWN).startswith('there is no organization "Nobody"')
    assert status_of(db, invoice) == "outstanding"
    assert sentence(owner(db, "subscription", "show", invoice["subscriptionId"], "--org", "Other"), UNKNOWN).startswith("there is no subscription")


def test_of_two_at_once_one_is_done(db, api):
    made, invoice = api.subscribe("twice")
    command = [db.place.bin, "-c", "/dev/null", f"--database-owner-url={db.owner_url}", "invoice"]
    both = [subprocess.Popen([*command, verb, invoice["id"]], env=db.place.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             **db.place.as_user) for verb in ("paid", "void")]
    said = [one.communicate(timeout=60)[1] for one in both]
    assert sorted(one.returncode for one in both) == [0, DATA], said
    won = "paid" if both[0].returncode == 0 else "void"
    assert status_of(db, invoice) == won and any(f"{invoice['id']} is {won}. " in text for text in said)
    events = [row[0] for row in written(db, made)[2]]
    assert (events.count("payment.received"), events.count("invoice.voided")) == ((1, 0) if won == "paid" else (0, 1))


# ---------------------------------------------------------------- a database that fails


def test_it_waits_for_a_lock_no_longer_than_lock_timeout(db, api):
    made, invoice = api.subscribe("locked")
    with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute("SELECT FROM subscription WHERE id = %s::uuid FOR UPDATE", (uuid_of(made["id"]),))
        done = owner(db, "--lock-timeout=200ms", "invoice", "paid", invoice["id"])
        connection.rollback()
    assert sentence(done, DATABASE) == "another transaction holds what this needs; nothing was done; try again."
    assert status_of(db, invoice) == "outstanding"


def test_an_outcome_that_is_not_known_is_said_to_be_unknown(db, api):
    """The connection ends at the commit, once: whether it was done cannot be seen from here, and a second run could be refused."""
    _, invoice = api.subscribe("lost")
    query(db, "CREATE SEQUENCE losses; CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN "
              "IF nextval('losses') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NULL; END $$;"
              "CREATE CONSTRAINT TRIGGER lose AFTER INSERT ON event DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lose(); SELECT 1")
    try:
        done = owner(db, "invoice", "paid", invoice["id"])
    finally:
        query(db, "DROP TRIGGER lose ON event; DROP FUNCTION lose(); DROP SEQUENCE losses; SELECT 1")
    assert sentence(done, DATABASE) == "the connection to the database was lost, and whether it was done is not known; look before you try again."
    assert shown(db, "invoice", "show", invoice["id"])[0]["status"] == "outstanding"
    assert shown(db, "invoice", "paid", invoice["id"])[0]["subscriptionStatus"] == "active"


@pytest.mark.parametrize("kind", [*LOST, "closed"])
def test_a_result_that_is_lost_is_no_success(db, api, kind):
    """What was done stays done: it can be looked at again."""
    made, invoice = api.subscribe(f"lost {kind}")
    for arguments in (["subscription", "list", *ENV], ["subscription", "show", made["id"]], ["invoice", "list", *ENV, "--json"],
                      ["invoice", "show", invoice["id"]], ["invoice", "paid", invoice["id"]]):
        done = to(db, kind, *arguments)
        assert done.returncode == OUTPUT and done.stderr.startswith("clientele: the result could not be written to standard output")
    assert status_of(db, invoice) == "paid"


# ---------------------------------------------------------------- how an environment bills


DEFAULTS = {"currency": "usd", "collection": "checkout", "netDays": 14, "graceDays": 7, "instructions": None}


def test_how_an_environment_bills_is_shown_and_changed(db, api):
    own = db.organization("Terms")
    place = {"organization": "Terms", "environment": "live"}
    command = ["org", "billing", "Terms", "--env", "live"]
    assert shown(db, *command) == [{**place, **DEFAULTS}]
    changed = {**place, "currency": "eur", "collection": "invoice", "netDays": 0, "graceDays": 365, "instructions": "To:|IBAN DE02"}
    assert shown(db, *command, "--currency", "eur", "--collection", "invoice", "--net-days", "0", "--grace-days", "365",
                 "--instructions", "To:|IBAN DE02") == [changed]
    assert query(db, "SELECT payment_instructions FROM billing_setting WHERE currency = 'eur'") == [("To:\nIBAN DE02",)]
    # What is not given stays, and the other environment has its own.
    assert shown(db, *command, "--net-days", "30") == [{**changed, "netDays": 30}] == shown(db, *command)
    assert shown(db, *command, "--instructions", "")[0]["instructions"] is None
    assert shown(db, "org", "billing", "Terms", "--env", "sandbox") == [{**place, "environment": "sandbox", **DEFAULTS}]
    # A new one bills so.
    owner(db, "plan", "create", "pro", "--org", "Terms", "--env", "live", "--name", "Pro", "--prices", "monthly=4900")
    made, invoice = Api(api.service, own.key("live")).subscribe("terms")
    assert (made["status"], invoice["currency"]) == ("active", "eur")
    assert sentence(owner(db, *command, "--currency", "usd", "--net-days", "1"), DATA).startswith("there are invoices or credit")
    assert shown(db, *command, "--currency", "eur")[0] == {**changed, "netDays": 30, "instructions": None}


@pytest.mark.parametrize("more, message", [
    (["--currency", "EUR"], "--currency must be three lower-case letters, as eur."), (["--currency", "euro"], "--currency must be"),
    (["--currency", ""], "--currency"), (["--collection", "card"], "--collection"), (["--net-days", "366"], "--net-days"),
    (["--grace-days", "-1"], "--grace-days"), (["--instructions", "x" * 4097], "--instructions must be"),
])
def test_what_no_environment_can_bill_by_is_refused(db, api, more, message):
    done = owner(db, "org", "billing", ORG, "--env", "live", *more)
    assert message in done.stderr and done.returncode == USAGE, done
    assert shown(db, "org", "billing", ORG, "--env", "live")[0]["currency"] == "usd"
    assert owner(db, "org", "billing", "Nobody", "--env", "live").returncode == UNKNOWN
