"""Customers, keys and idempotency records in PostgreSQL."""

import os
from datetime import datetime, timezone

import asyncpg

from ids import id_ms, new_id, parse_id

COLUMNS = """c.id, c.external_id, c.email, c.full_name, c.tax_document, c.address, c.timezone, c.metadata, c.created_at,
       c.updated_at"""

# A record of an idempotency key: the answer itself, as it was sent.
KEPT = "INSERT INTO idempotency_key (environment_id, key, request_hash, maker, version, status, headers, answer, sealed)"

KEY_FIND = """
SELECT k.environment_id AS environment, k.id, e.livemode,
       k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute' AS due
  FROM api_key k JOIN environment e ON e.id = k.environment_id
 WHERE k.hash = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())"""
KEY_USED = "UPDATE api_key SET last_used_at = now() WHERE environment_id = $1 AND id = $2"
GET = f"SELECT {COLUMNS} FROM customer c WHERE c.environment_id = $1 AND c.id = $2"
GET_EXTERNAL = f"SELECT {COLUMNS} FROM customer c WHERE c.environment_id = $1 AND c.external_id = $2"
LIST = f"""
SELECT {COLUMNS} FROM customer c WHERE c.environment_id = $1 AND c.id < $2 ORDER BY c.id DESC LIMIT $3"""
CREATE = f"""
WITH made AS (
    INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, address, address_id, timezone,
                          metadata, is_active, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7::json, $8, $9, $10::json, true, $11, $11)
    ON CONFLICT (environment_id, external_id) DO NOTHING
    RETURNING id
), reported AS (
    INSERT INTO event (environment_id, type, customer_id) SELECT $1, 'customer.created', id FROM made
), kept AS (
    {KEPT}
    SELECT $1, $12::text, $13::bytea, $14::uuid, '2026-08-27', $15::integer, $16::text, $17::bytea, false
      FROM made WHERE $12 IS NOT NULL
)
SELECT id FROM made"""
CREATE_MANY = f"""
WITH made AS (
    INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, address, address_id, timezone,
                          metadata, is_active, created_at, updated_at)
    SELECT $1, i.id, i.external_id, i.email, i.full_name, i.tax_document, i.address::json, i.address_id, i.timezone,
           i.metadata::json, true, $11, $11
      FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::text[], $10::text[])
           AS i (id, external_id, email, full_name, tax_document, address, address_id, timezone, metadata)
     ORDER BY i.external_id COLLATE "C"
    ON CONFLICT (environment_id, external_id) DO NOTHING
    RETURNING id
), reported AS (
    INSERT INTO event (environment_id, type, customer_id) SELECT $1, 'customer.created', id FROM made
), kept AS (
    {KEPT}
    SELECT $1, $12::text, $13::bytea, $14::uuid, '2026-08-27', $15::integer, $16::text, $17::bytea, false
     WHERE $12 IS NOT NULL AND (SELECT count(*) FROM made) = cardinality($2)
)
SELECT id FROM made"""
EXISTING = f"""
SELECT {COLUMNS} FROM customer c
 WHERE c.environment_id = $1 AND c.external_id = ANY ($2::text[]) AND c.id <> ALL ($3::uuid[])"""
UPDATE = f"""
WITH changed AS (
    UPDATE customer c
       SET external_id = coalesce($4, c.external_id), email = coalesce($5, c.email), full_name = coalesce($6, c.full_name),
           tax_document = coalesce($7, c.tax_document), address = coalesce($8::json, c.address),
           timezone = coalesce($9, c.timezone), metadata = coalesce($10::json, c.metadata),
           updated_at = greatest($11, c.updated_at)
     WHERE c.environment_id = $1
       AND c.id = (SELECT coalesce((SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.id = $2),
                                   (SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.external_id = $3)))
    RETURNING c.*
), reported AS (
    INSERT INTO event (environment_id, type, customer_id) SELECT $1, 'customer.updated', id FROM changed
)
SELECT {COLUMNS} FROM changed c"""
FIND = f"""
SELECT {COLUMNS} FROM customer c
 WHERE c.environment_id = $1
   AND c.id = (SELECT coalesce((SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.id = $2),
                               (SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.external_id = $3)))"""
KEEP = f"{KEPT} VALUES ($1, $2, $3, $4, '2026-08-27', $5, $6, $7, false)"
REPLAY = "SELECT request_hash, status, headers, answer FROM idempotency_key WHERE environment_id = $1 AND key = $2"


class Mismatch(Exception):
    pass


class Duplicate(Exception):
    pass


class Transaction:
    """
    BEGIN and the setting for row-level security in one round trip: both are constant text with a UUID or hexadecimal digits.

    The driver has no pipeline, so the statement itself and COMMIT are two more.
    """

    def __init__(self, pool, setting, value):
        self.pool, self.begin = pool, f"BEGIN; SET LOCAL app.{setting} = '{value}'"

    async def __aenter__(self):
        self.connection = await self.pool.acquire()
        await self.connection.execute(self.begin)
        return self.connection

    async def __aexit__(self, kind, *_):
        try:
            await self.connection.execute("ROLLBACK" if kind else "COMMIT")
        finally:
            await self.pool.release(self.connection)


def at_ms(ms):
    return datetime.fromtimestamp(ms / 1000, timezone.utc)


def settle(customers, ids, kept):
    """Gives each customer the id that was made for it, or replaces it by the one that existed."""
    existing = {c["external_id"]: c for c in kept}
    for c, new in zip(customers, ids):
        found = existing.get(c["external_id"]) if c["external_id"] is not None else None
        if found:
            c.update(found, existing=True)
        else:
            at = at_ms(id_ms(ids[0]))
            c.update(id=new, created_at=at, updated_at=at, existing=False)


async def no_reset(connection):
    """Transactions leave nothing behind in the session."""


class Store:
    @classmethod
    async def open(cls):
        processes, connections = int(os.environ["PEER_PROCESSES"]), int(os.environ["PEER_CONNECTIONS"])
        share = -(-connections // processes)
        self = cls()
        # Where the database is comes from the PG* variables. Statements are prepared once a connection.
        self.pool = await asyncpg.create_pool(
            min_size=share, max_size=share, max_inactive_connection_lifetime=0, max_queries=1 << 62,
            max_cached_statement_lifetime=0, reset=no_reset, server_settings={"plan_cache_mode": "force_generic_plan"})
        return self

    async def close(self):
        await self.pool.close()

    async def in_environment(self, environment, statement, *arguments):
        async with Transaction(self.pool, "environment", environment) as connection:
            return await connection.fetch(statement, *arguments)

    async def holder(self, key_hash):
        async with Transaction(self.pool, "key_hash", key_hash.hex()) as connection:
            key = await connection.fetchrow(KEY_FIND, key_hash)
        if key and key["due"]:
            await self.in_environment(key["environment"], KEY_USED, key["environment"], key["id"])
        return key

    async def find(self, environment, ref):
        public = parse_id("cus_", ref)
        found = await self.in_environment(environment, GET, environment, public) if public else None
        if not found:
            found = await self.in_environment(environment, GET_EXTERNAL, environment, ref)
        return found[0] if found else None

    async def list(self, environment, before, limit):
        return await self.in_environment(environment, LIST, environment, before, limit)

    async def answered(self, environment, statement, arguments, key, request_hash, render):
        """
        A transaction whose answer depends on what its statement returns. With a key the answer is kept.

        Nothing is done when there is no answer.
        """
        async with Transaction(self.pool, "environment", environment) as connection:
            found = await connection.fetch(statement, *arguments)
            answer = render(found)
            if answer and key is not None:
                await connection.execute(KEEP, environment, key, request_hash, new_id(), *answer)
            return answer

    async def replay(self, environment, key, request_hash):
        rows = await self.in_environment(environment, REPLAY, environment, key)
        if not rows:
            return None
        if rows[0]["request_hash"] != request_hash:
            raise Mismatch
        return tuple(rows[0])[1:]

    async def create(self, environment, customers, key, request_hash, render):
        """The answer (status, headers as lines, body), which render makes of the customers, and whether it is a repeated one."""
        ids = [new_id() for _ in customers]
        # One time for all, which the first id tells.
        at = at_ms(id_ms(ids[0] if ids else new_id()))
        values = [[c[name] for c in customers] for name in
                  ("external_id", "email", "full_name", "tax_document", "address", "address_id", "timezone", "metadata")]
        settle(customers, ids, ())
        answer = render()
        kept = at, key, request_hash, new_id(), *answer
        refused = None
        try:
            if len(customers) == 1:
                made = await self.in_environment(environment, CREATE, environment, ids[0], *(column[0] for column in values), *kept)
            else:
                made = await self.in_environment(environment, CREATE_MANY, environment, ids, *values, *kept)
            if len(made) == len(ids):
                return answer, False
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name != "idempotency_key_pkey":
                raise
            refused = error
        if key is not None and (stored := await self.replay(environment, key, request_hash)):
            return stored, True
        if refused:
            raise refused
        externals = [external for external in values[0] if external is not None]

        def settled(found):
            settle(customers, ids, found)
            return render()

        try:
            return await self.answered(environment, EXISTING, (environment, externals, ids), key, request_hash, settled), False
        except asyncpg.UniqueViolationError:  # its twin has just ended
            return await self.replay(environment, key, request_hash), True

    async def update(self, environment, ref, change, key, request_hash, render):
        """The answer, None if there is no such customer, and whether it is a repeated one."""
        public = parse_id("cus_", ref)
        given = [change[name] for name in
                 ("external_id", "email", "full_name", "tax_document", "address", "timezone", "metadata")]
        statement, arguments = FIND, (environment, public, ref)
        if any(value is not None for value in given):
            statement, arguments = UPDATE, (*arguments, *given, datetime.now(timezone.utc))
        try:
            return await self.answered(environment, statement, arguments, key, request_hash,
                                       lambda found: render(found[0]) if found else None), False
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name == "customer_external_id":
                raise Duplicate from None
            return await self.replay(environment, key, request_hash), True
