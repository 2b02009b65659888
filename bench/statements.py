"""The statements that Clientele sends, as scripts for pgbench: what PostgreSQL alone can do."""

import re
from pathlib import Path

from dataset import FIRST_EXTERNAL_ID, ID_FIRST, ID_HEAD

ROOT = Path(__file__).resolve().parent.parent
BATCH = 100


def read_statements():
    """Name to text of everything in sql/query, with the \\set variables put in."""
    statements, variables, name = {}, {}, None
    for path in sorted((ROOT / "sql/query").glob("*.sql")):
        for line in path.read_text().splitlines():
            if m := re.match(r"\\set (\w+) (.*)$", line):
                variables[m[1]] = "".join(variables.get(name, "") if name else text.replace("''", "'")
                                          for name, text in re.findall(r":(\w+)|'((?:[^']|'')*)'", m[2]))
            elif m := re.match(r"-- name: (\w+)", line):
                name = m[1]
                statements[name] = ""
            elif name and not line.lstrip().startswith("--"):
                statements[name] += line + "\n"
    return {name: re.sub(r"(?<!:):([a-z_]+)", lambda m: variables[m[1]], text).strip().rstrip(";")
            for name, text in statements.items()}


def with_values(statement, *values):
    """
    The statement with an expression of pgbench variables in the place of each parameter.

    pgbench numbers each use of a variable anew, so each use gets the type that the statement gives to one.
    """
    types = dict(re.findall(r"\$(\d+)::(\w+(?:\[\])?)", statement))
    wanted = max(int(number) for number in re.findall(r"\$(\d+)", statement))
    assert wanted == len(values), f"{len(values)} values for {wanted} parameters: {statement}"
    return re.sub(r"\$(\d+)(?:::\w+(?:\[\])?)?",
                  lambda m: f"({values[int(m[1]) - 1]})::{types[m[1]]}", statement) + ";\n"


SQL = read_statements()


def pipeline(*statements):
    return "\\startpipeline\n" + "".join(statements) + "\\endpipeline\n"


# Once a client: the session as Clientele makes it, and the organization that the client belongs to.
BEGIN = f"""\\if :fresh
{with_values(SQL["session_begin"], ":statement_timeout", ":lock_timeout", "false", "pg_backend_pid()")}
SELECT (string_to_array(:environments, ','))[:client_id + 1] AS environment,
       (string_to_array(:numbers, ','))[:client_id + 1] AS number \\gset
SELECT set_config('app.environment', :environment, false);
\\set fresh 0
\\endif
"""
PICK = "\\set n :number + :organizations * random(0, :each - 1)\n"
# Fifteen digits that nobody else has, behind seventeen that make an id of them which is newer than all before.
NUMBER = "\\set made :made + 1\n\\set n :base + :client_id * 100000000 + :made\n"
ID = ":id_head::text || :n::text"

ENTER = with_values(SQL["environment_enter"], ":environment")
GET = with_values(SQL["customer_get_external"], ":environment", f"{FIRST_EXTERNAL_ID} + :n")
GET_PUBLIC = with_values(SQL["customer_get"], ":environment", f":loaded_head::text || ({ID_FIRST} + :n)::text")
LIST = with_values(SQL["customer_list"], ":environment", ":before", "26")
FIRST = with_values(SQL["customer_list"], ":environment", ":first", "26")
DEEP = with_values(SQL["customer_list"], ":environment", ":deep", "26")


def look(environment, key):
    """What a write with a key begins with."""
    return (with_values(SQL["environment_enter_alone"], environment, key, ":source")
            + with_values(SQL["idempotency_look"], environment, f"{key}::text", ":ttl"))


def put(environment, key, answer, status="200", headers="''", beforehand="false", about="NULL", many="NULL"):
    """And what it ends with: the answer, kept."""
    return with_values(SQL["idempotency_put"], environment, f"{key}::text", ":hash", ":maker", ":version", "NULL", status,
                       headers, f"convert_to({answer}, 'UTF8')", "false", beforehand, about, many)


CREATE = (
    look(":environment", ":n")
    + with_values(SQL["customer_create"], ":environment", ":time", ID, ":n", ":email", ":full_name", "NULL",
                  ":address", "NULL", ":timezone", ":metadata", ":active", ":hash")
    + put(":environment", ":n", ":answer", "201", ":headers", "true", about=ID)
)
# What makes a batch unique is an environment of its own, so that its arrays can be constant text: that is
# less work for PostgreSQL than making a hundred ids would be.
BATCHED = (
    look(ID, ":n")
    + with_values(SQL["customer_create_many"], ID, ":time", ":ids", ":external_ids", ":emails", ":full_names",
                  ":nulls", ":addresses", ":nulls", ":timezones", ":metadatas", ":actives", ":hashes")
    + with_values(SQL["customer_settle"], ID, str(BATCH), ":external_ids", ":ids")
    + put(ID, ":n", f"repeat(:item, {BATCH})", many=":ids")
)


# One field, as wrk.lua sends it: bit 4 is the full name, another one each time.
UPDATE = (
    look(":environment", ":key")
    + with_values(SQL["customer_update"], ":environment", "NULL", f"{FIRST_EXTERNAL_ID} + :n", ":fields", "NULL", "NULL", ":key::text",
                  "NULL", "NULL", "NULL", "NULL", "NULL", ":time", "NULL", "NULL", ":salt")
    + put(":environment", ":key", ":answer", about=":environment")
)
# As NUMBER, but beside the number of the customer.
KEY = "\\set made :made + 1\n\\set key :base + :client_id * 100000000 + :made\n"


def array(cells):
    """PostgreSQL's text for an array."""
    return "{" + ",".join('"' + cell.replace("\\", "\\\\").replace('"', '\\"') + '"' for cell in cells) + "}"


# As long as what wrk.lua sends.
CUSTOMER = {
    "email": "customer100010000000001@example.com",
    "full_name": "Customer Number 1",
    "address": '{"line1":"12 St James Square","city":"London","postalCode":"SW1Y 4JH","country":"GB"}',
    "timezone": "Europe/London",
    "metadata": '{"plan":"pro","seats":3,"source":"bench"}',
    "active": "t",
}
PLURALS = {"email": "emails", "full_name": "full_names", "address": "addresses", "timezone": "timezones",
           "metadata": "metadatas", "active": "actives"}
VARIABLES = {
    "fresh": 1,
    "made": 0,
    "statement_timeout": 5000,
    "lock_timeout": 5000,
    "time": "2026-01-01 00:00:00.123+00",
    "before": "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "loaded_head": ID_HEAD,
    "fields": 4,
    "source": "019ab1c2-d3e4-7000-8000-000000000001 req_2cUjGqZVQkyOc8ASfnSqjk",
    "hash": "\\x" + "a5" * 32,
    "hashes": array(["\\x" + "a5" * 32] * BATCH),
    "salt": "\\x" + "a5" * 16,
    "ttl": 24 * 3600 * 1000,
    "maker": "019ab1c2-d3e4-7000-8000-000000000000",
    "version": "2026-08-27",
    "headers": "Clientele-Result: created\n",
    # As long as what Clientele answers; a batch's is an item repeated.
    "answer": '{"id":"cus_0353yEeItpjm4T2nlL9mls","object":"customer","livemode":true,"externalId":"100010000000001",'
              '"fullName":"Customer Number 1","email":"customer100010000000001@example.com","taxDocument":null,"documentType":null,'
              '"timezone":"Europe/London","metadata":{"plan":"pro","seats":3,"source":"bench"},'
              '"createdAt":"2026-01-01T00:00:00.123Z","updatedAt":"2026-01-01T00:00:00.123Z"}',
    "item": '{"id":"cus_0353yEeItpjm4T2nlL9mls","externalId":"100010000000001","email":"customer100010000000001@example.com",'
            '"index":10,"status":"created"},',
    **CUSTOMER,
    **{plural: array([CUSTOMER[one]] * BATCH) for one, plural in PLURALS.items()},
    "nulls": "{" + ",".join(["NULL"] * BATCH) + "}",
    "external_ids": array(str(100010000000000 + i) for i in range(BATCH)),
    "ids": array(f"019ab1c2-d3e4-7000-8000-{i:012d}" for i in range(BATCH)),
}


# What a client does, for pgbench -f: one script, or several with their weights.
GET_SCRIPT = BEGIN + PICK + pipeline(ENTER, GET)
LIST_SCRIPT = BEGIN + pipeline(ENTER, LIST)
CREATE_SCRIPT = BEGIN + NUMBER + pipeline(CREATE)
SCRIPTS = {
    "get": {GET_SCRIPT: 1},
    "public": {BEGIN + PICK + pipeline(ENTER, GET_PUBLIC): 1},
    "list": {LIST_SCRIPT: 1},
    "first": {BEGIN + pipeline(ENTER, FIRST): 1},
    "deep": {BEGIN + pipeline(ENTER, DEEP): 1},
    "create": {CREATE_SCRIPT: 1},
    "single": {CREATE_SCRIPT: 1},
    "repeat": {BEGIN + "\\set n :base + :client_id\n" + pipeline(CREATE): 1},
    "update": {BEGIN + PICK + KEY + pipeline(UPDATE): 1},
    "batch": {BEGIN + NUMBER + pipeline(BATCHED): 1},
    "mix": {GET_SCRIPT: 80, LIST_SCRIPT: 15, CREATE_SCRIPT: 5},
}
