"""
Every table can change while old idempotency keys are repeated: a column more of each kind, another type of one that is there.
The answer to an old key stays the same byte for byte, without a restart, and new requests go on.
"""

import re

import pytest

from helpers import Client, dumps, first, mail, same_again, uid
from stack import ROOT, Front, Service

TABLES = sorted({"schema_migration"} | {table for path in (ROOT / "sql" / "migrate").glob("*.sql")
                                        for table in re.findall(r"(?m)^CREATE TABLE (\w+)", path.read_text())})
WORKERS = 2


class Changed:
    """A service on a database of its own, whose schema changes under it, and requests that it has answered with a key."""

    def __init__(self, service, front):
        self.service, self.db = service, service.database.connect()
        self.client = Client(front.url, service.database.organization("Schema").key("live"))
        one, two = self.client.create(externalId=uid()), self.client.create(externalId=uid(), metadata={"a": [1.50]})
        requests = [
            ("POST", "/customers", {"email": mail(), "externalId": uid(), "metadata": {"b": 1}}, 201),
            ("POST", "/customers", {"email": mail(), "externalId": one["externalId"]}, 200),
            ("POST", "/customers/batch", {"customers": [{"email": mail()}, {"email": "x"}, {"email": mail(), "id": one["externalId"]}]}, 200),
            ("PATCH", f"/customers/{one['id']}", {"fullName": "New"}, 200),
            ("PUT", f"/customers/{two['id']}", {"externalId": one["externalId"]}, 409),
            ("POST", "/api-keys", {"name": "old"}, 201),
        ]
        self.old = [(method, path, dumps(body), f"old{i}", self.client.call(method, path, body, idem=f"old{i}"))
                    for i, (method, path, body, _) in enumerate(requests)]
        for (*_, reply), (*_, status) in zip(self.old, requests):
            first(reply, status)

    def execute(self, sql):
        with self.db.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else None

    def text_columns(self, table):
        """Those whose type no policy needs, and no column that PostgreSQL makes of them: a migration makes that anew."""
        return [name for name, in self.execute(f"""
            SELECT a.attname FROM pg_attribute a WHERE a.attrelid = '{table}'::regclass AND a.atttypid = 'text'::regtype AND a.attnum > 0
               AND NOT a.attisdropped AND a.attgenerated = '' AND NOT EXISTS (
                   SELECT FROM pg_attrdef x JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = x.oid
                                            JOIN pg_attribute g ON g.attrelid = x.adrelid AND g.attnum = x.adnum
                    WHERE x.adrelid = a.attrelid AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND g.attgenerated <> '')
               AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_policy'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum)
             ORDER BY a.attnum""")]

    def check(self):
        for _ in range(2 * WORKERS):  # every worker meets it, and once more with what it has prepared anew
            for method, path, body, key, original in self.old:
                same_again(self.client.call(method, path, body, idem=key), original)
        made = self.client.create(externalId=uid(), fullName="x")
        assert self.client.fetch(made["id"])["fullName"] == "x"
        assert self.client.patch(f"/customers/{made['id']}", {"fullName": "y"}, idem=uid("k")).customer(200)["fullName"] == "y"
        assert made["id"] in {row["id"] for row in self.client.walk()}
        assert len(self.client.batch([{"email": mail()}, {"email": mail(), "id": made["externalId"]}])["successful"]) == 2
        self.client.get("/api-keys").rows()


@pytest.fixture(scope="module")
def changed(cluster, place):
    service = Service(cluster.database("schema"), workers=WORKERS).start()
    front = Front(place, Front.KINDS[0], service.socket)
    changed = Changed(service, front)
    workers = service.workers()
    yield changed
    assert service.workers() == workers, f"a worker died:\n{service.log()[-4000:]}"
    changed.db.close()
    front.stop()
    service.stop()


def test_these_are_all_tables(changed):
    assert TABLES == [name for name, in changed.execute(
        "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1")]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("kind", ["nullable text", "bigint NOT NULL DEFAULT 7", "timestamptz NOT NULL DEFAULT now()",
                                  "text GENERATED ALWAYS AS (repeat('x', 3)) STORED"])
def test_a_column_more(changed, table, kind):
    changed.execute(f"ALTER TABLE {table} ADD COLUMN {uid('more').replace('-', '_')} {kind.removeprefix('nullable ')}")
    changed.check()


@pytest.mark.parametrize("table", TABLES)
def test_another_type(changed, table):
    """Of each text that the table has; and of a number, which some of them have not."""
    number = uid("number").replace("-", "_")
    changed.execute(f"ALTER TABLE {table} ADD COLUMN {number} smallint NOT NULL DEFAULT 1")
    changed.check()
    changed.execute(f"ALTER TABLE {table} ALTER COLUMN {number} TYPE bigint")
    for column in changed.text_columns(table):
        changed.execute(f'ALTER TABLE {table} ALTER COLUMN "{column}" TYPE varchar(100000)')
        changed.check()
