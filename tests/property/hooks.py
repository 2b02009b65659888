"""
What the generator of schemathesis must be told, because no schema can say it. Each piece has its reason; nothing here
turns a check off (see schemathesis.toml for those that are off).
"""

import itertools
import json
import os
import re
from pathlib import Path

import schemathesis
from hypothesis import strategies
from schemathesis.generation import GenerationMode

VERSION = os.environ["CLIENTELE_TEST_VERSION"]
SCHEMAS = json.loads((Path(__file__).resolve().parents[2] / "doc" / "openapi.json").read_text())["components"]["schemas"]
numbers = itertools.count(1)

# A cursor is opaque: it comes from an answer. This is one that can be read, for the phases that do not follow links.
schemathesis.openapi.format("cursor", strategies.from_regex(r"\Acur_0[0-9A-Za-z]{21}\Z"))


# The body is a text whatever is in it.
@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return value.encode(errors="surrogatepass") if isinstance(value, str) else json.dumps(value).encode()


# Two spellings of one parameter or member, and the schema of both.
FILTERS = (("billingEmail", "email", "QueryText"),)
MEMBERS = (("billingEmail", "email", "Email"), ("id", "externalId", "ExternalId"))
PARTS = (("postal_code", "postalCode", "AddressLine"),)


def is_good(name, value):
    schema = SCHEMAS[name]
    return (isinstance(value, str) and schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
            and re.fullmatch(schema["pattern"], value) is not None)


def one_spelling(spellings, values):
    """
    Two spellings must not have different values, which a schema cannot say. The one that is broken stays, so that what
    is broken stays broken.
    """
    for former, name, schema in spellings:
        if values.get(former) is not None and values.get(name) is not None:
            del values[former if is_good(schema, values[former]) else name]


def one_name(customer):
    """
    Of the names that the first clients know one counts only where none before it is given, and the others have no
    effect. So none is given before a broken one.
    """
    names = ("fullName", "legalName", "displayName")
    for i, name in enumerate(names):
        if isinstance(customer.get(name), str) and not is_good("FullName", customer[name]):
            for before in names[:i]:
                customer.pop(before, None)


def one_of_each(body):
    """A customer, or a batch of them."""
    if not isinstance(body, dict):
        return
    one_spelling(MEMBERS, body)
    if VERSION == "legacy":
        one_name(body)
        if isinstance(body.get("address"), dict):
            one_spelling(PARTS, body["address"])
    for item in body["customers"] if isinstance(body.get("customers"), list) else ():
        one_of_each(item)


def whole_numbers(body):
    """JSON Schema takes 30.0 for an integer; the API wants it to be written as one."""
    for name, value in body.items() if isinstance(body, dict) else ():
        if isinstance(value, float) and value.is_integer():
            body[name] = int(value)


def real_times(body):
    """A time must exist, and lie ahead: no schema knows February, or what time it is."""
    for name in ("startDate", "frozenTime"):
        if isinstance(body, dict) and isinstance(body.get(name), str):
            body[name] = "2099-01-31T12:00:00Z"


def printable(query):
    """An external id may have control characters, a query may not: a link that leads from one to the other is cut."""
    if query and isinstance(query.get("externalId"), str):
        query["externalId"] = re.sub(r"[\0-\x1f\x7f]", "", query["externalId"])


def own_version(headers):
    """Any date is allowed, and answered in another version than the one that this document describes."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", str(headers.get("Commet-Version"))):
        headers["Commet-Version"] = VERSION


def fresh_key(headers):
    """A key that another request had would be answered 409 whatever is in the body, and schemathesis likes examples."""
    key = headers.get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch(r"[!#-+\--~]{1,240}", key):
        headers["Idempotency-Key"] = f"{key}-{os.getpid()}-{next(numbers)}"


def one_answer(case):
    """
    With return=each a batch takes any item, and so it does with dry_run or without echo; no schema can say that a header
    or a parameter changes what a body may be. What is broken stays.
    """
    if case.path == "/customers/batch":
        (case.headers or {}).pop("Prefer", None)
        for name in ("dry_run", "echo"):
            if (case.query or {}).get(name) in ("true", "false", "1", "0"):
                del case.query[name]


def one_by_one(case):
    """Nor that all are refused for one broken item with this parameter."""
    if case.path == "/customers/batch" and case.query and "atomic" in case.query:
        case.query["atomic"] = "false"


def its_own_cursor(case):
    """
    A cursor is good for the filters and the order of the page that it comes from alone, and has what that order goes
    by. One that came by a link has; of the others those of the plain list can be made up, and those of the export.
    """
    query = case.query or {}
    cursor = query.get("cursor")
    if case.path == "/customers/export" and isinstance(cursor, str):
        query["cursor"] = re.sub(r"(?<=^cur_).(.{21}).", r"0\g<1>0", cursor)
    elif case.path == "/customers/duplicates" and not re.fullmatch("(?!.{26}$)cur_00([0-9a-f]{2})+", str(cursor)):
        query.pop("cursor", None)  # of an id, which has 22 digits, they may be hexadecimal by chance
    elif case.path == "/customers" and (set(query) - {"limit", "cursor", "externalId", "archived", "count"}
                                        or not re.fullmatch(r"cur_0[0-9A-Za-z]{21}", str(cursor))):
        query.pop("cursor", None)


def for_spreadsheets(case):
    """It is for one of the formats."""
    if case.path == "/customers/export" and case.query and "neutralise" in case.query:
        case.query["format"] = "csv"


def real_addresses(body):
    """A pattern of all spellings of IPv6 would be read by nobody."""
    if isinstance(body, dict) and isinstance(body.get("allowedAddresses"), list):
        body["allowedAddresses"] = ["203.0.113.0/24", "2001:db8::1"][:len(body["allowedAddresses"])]


def no_empty_array(case):
    """PHP writes an empty object as [], and it is read as one; the document does not offer that to others."""
    if case.body == []:
        case.body = [None]


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.headers:
        own_version(case.headers)
        fresh_key(case.headers)
    if case.query:
        one_spelling(FILTERS, case.query)
    one_of_each(case.body)
    no_empty_array(case)
    if case.meta is not None and case.meta.generation.mode == GenerationMode.NEGATIVE:
        one_answer(case)
    else:
        one_by_one(case)
        its_own_cursor(case)
        for_spreadsheets(case)
        real_addresses(case.body)
        printable(case.query)
        whole_numbers(case.body)
        real_times(case.body)
