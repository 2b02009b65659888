-- Customers. Every statement names the environment, although row-level security would do.

\set customer_columns 'c.id, c.external_id, c.email, c.full_name, c.tax_document, c.address, c.timezone, c.metadata, c.is_active, c.created_at, c.updated_at'
\set matches '($4::boolean IS NULL OR c.is_active = $4) AND ($5::text IS NULL OR position(lower($5) IN lower(c.email)) > 0 OR position(lower($5) IN lower(c.full_name)) > 0 OR position(lower($5) IN lower(c.external_id COLLATE "default")) > 0)'

-- name: customer_get
-- By public id. $1 environment, $2 id.
SELECT :customer_columns
  FROM customer c
 WHERE c.environment_id = $1::uuid AND c.id = $2::uuid;

-- name: customer_get_external
-- By the caller's own id. $1 environment, $2 external id.
SELECT :customer_columns
  FROM customer c
 WHERE c.environment_id = $1::uuid AND c.external_id = $2::text;

-- name: customer_list
-- One page, newest first. $1 environment, $2 id of the last row before the page, $3 rows.
SELECT :customer_columns
  FROM customer c
 WHERE c.environment_id = $1::uuid AND c.id < $2::uuid
 ORDER BY c.id DESC
 LIMIT $3::bigint;

-- name: customer_list_filtered
-- The same with filters; NULL is no filter. $4 active, $5 part of e-mail, name or external id.
SELECT :customer_columns
  FROM customer c
 WHERE c.environment_id = $1::uuid AND c.id < $2::uuid AND :matches
 ORDER BY c.id DESC
 LIMIT $3::bigint;

-- name: customer_list_external
-- The same for one external id, which the index finds. $6 external id.
SELECT :customer_columns
  FROM customer c
 WHERE c.environment_id = $1::uuid AND c.id < $2::uuid AND :matches AND c.external_id = $6::text
 LIMIT $3::bigint;

-- name: customer_create
-- One new customer with its event, unless its external id is taken. The answer tells which ids were
-- made; the setting tells customer_settle how many. $1 environment, $2 time, $3 id, $4 external id,
-- $5 email, $6 full name, $7 tax document, $8 address, $9 address id, $10 timezone, $11 metadata,
-- $12 active.
WITH made AS (
    INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, address,
                          address_id, timezone, metadata, is_active, created_at, updated_at)
    VALUES ($1::uuid, $3::uuid, $4::text, $5::text, $6::text, $7::text, $8::json, $9::uuid, $10::text,
            $11::json, $12::boolean, $2::timestamptz, $2)
    ON CONFLICT (environment_id, external_id) DO NOTHING
    RETURNING id
), reported AS (
    INSERT INTO event (environment_id, type, customer_id)
    SELECT $1::uuid, 'customer.created', made.id FROM made
)
SELECT array_agg(made.id), set_config('app.made', count(*)::text, true) FROM made;

-- name: customer_create_many
-- The same with arrays of equal length for $3 to $12 (for one row that costs 13 % more). The order of
-- the external ids is the order of the locks, the same in every request, so batches cannot deadlock.
WITH made AS (
    INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, address,
                          address_id, timezone, metadata, is_active, created_at, updated_at)
    SELECT $1::uuid, i.id, i.external_id, i.email, i.full_name, i.tax_document, i.address,
           i.address_id, i.timezone, i.metadata, i.is_active, $2::timestamptz, $2
      FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::json[], $9::uuid[],
                  $10::text[], $11::json[], $12::boolean[])
           AS i (id, external_id, email, full_name, tax_document, address, address_id, timezone,
                 metadata, is_active)
     ORDER BY i.external_id COLLATE "C"
    ON CONFLICT (environment_id, external_id) DO NOTHING
    RETURNING id
), reported AS (
    INSERT INTO event (environment_id, type, customer_id)
    SELECT $1::uuid, 'customer.created', made.id FROM made
)
SELECT array_agg(made.id), set_config('app.made', count(*)::text, true) FROM made;

-- name: customer_settle
-- Second half of a create: returns the customers that existed, and writes the idempotency record. It is
-- a statement of its own because only a new snapshot sees a row that another transaction has just
-- committed; and it reads nothing when customer_create has made them all.
-- $1 environment, $2 customers sent, $3 their external ids, $4 the ids meant for them in the order of
-- the request, $5 idempotency key or NULL, $6 request hash.
WITH existing AS (
    SELECT c.*
      FROM customer c
     WHERE current_setting('app.made')::bigint < $2::bigint
       AND c.environment_id = $1::uuid AND c.external_id = ANY ($3::text[])
       -- Its own, when nothing was made: the same transaction ran before, and its answer was lost.
       AND (c.id <> ALL ($4::uuid[]) OR current_setting('app.made') = '0')
), kept AS (
    INSERT INTO idempotency_key (environment_id, key, request_hash, ids, snapshot)
    SELECT $1::uuid, $5::text, $6::bytea, $4::uuid[], ARRAY(SELECT ROW(e.*)::customer FROM existing e)
     WHERE $5 IS NOT NULL
       -- Not when a customer that was in the way is gone again: then the request is run again.
       AND current_setting('app.made')::bigint + (SELECT count(*) FROM existing) = $2
)
-- The last column is the same as in idempotency_find; the record of a key waits for the standby by itself.
SELECT :customer_columns
     , CASE WHEN $5 IS NULL AND current_setting('synchronous_standby_names') <> ''
            THEN pg_logical_emit_message(true, 'clientele', '') END
  FROM existing c;

-- name: customer_update
-- $1 environment, $2 public id or NULL, $3 the caller's id; a public id wins. $4 is the set of given
-- fields, one bit each in the order of the CASEs; $5 to $12 their values, $13 time, $14 idempotency key
-- or NULL, $15 request hash. No row: there is no such customer, and nothing was written.
WITH changed AS (
    UPDATE customer c
       SET external_id  = CASE WHEN $4::bigint & 1 <> 0 THEN $5::text ELSE c.external_id END,
           email        = CASE WHEN $4 & 2 <> 0 THEN $6::text ELSE c.email END,
           full_name    = CASE WHEN $4 & 4 <> 0 THEN $7::text ELSE c.full_name END,
           tax_document = CASE WHEN $4 & 8 <> 0 THEN $8::text ELSE c.tax_document END,
           address      = CASE WHEN $4 & 16 <> 0 THEN $9::json ELSE c.address END,
           timezone     = CASE WHEN $4 & 32 <> 0 THEN $10::text ELSE c.timezone END,
           metadata     = CASE WHEN $4 & 64 <> 0 THEN $11::json ELSE c.metadata END,
           is_active    = CASE WHEN $4 & 128 <> 0 THEN $12::boolean ELSE c.is_active END,
           updated_at   = greatest($13::timestamptz, c.updated_at)
     WHERE c.environment_id = $1::uuid
       -- A subselect and not the bare COALESCE, which row-level security keeps from being an index condition.
       AND c.id = (SELECT coalesce((SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.id = $2::uuid),
                                   (SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.external_id = $3::text)))
    RETURNING c.*
), reported AS (
    INSERT INTO event (environment_id, type, customer_id)
    SELECT $1::uuid, 'customer.updated', c.id FROM changed c
), kept AS (
    INSERT INTO idempotency_key (environment_id, key, request_hash, snapshot)
    SELECT $1::uuid, $14::text, $15::bytea, ARRAY[ROW(c.*)::customer] FROM changed c
     WHERE $14 IS NOT NULL
)
SELECT :customer_columns FROM changed c;

-- name: customer_keep
-- An update that changes nothing: the customer as it is, and the idempotency record.
-- $1 environment, $2 public id or NULL, $3 the caller's id, $4 idempotency key or NULL, $5 request hash.
WITH found AS (
    SELECT c.*
      FROM customer c
     WHERE c.environment_id = $1::uuid
       -- A subselect and not the bare COALESCE, which row-level security keeps from being an index condition.
       AND c.id = (SELECT coalesce((SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.id = $2::uuid),
                                   (SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.external_id = $3::text)))
), kept AS (
    INSERT INTO idempotency_key (environment_id, key, request_hash, snapshot)
    SELECT $1::uuid, $4::text, $5::bytea, ARRAY[ROW(c.*)::customer] FROM found c
     WHERE $4 IS NOT NULL
)
SELECT :customer_columns FROM found c;

-- name: customer_kept
-- The customers of a stored answer, in no order. $1 environment, $2 key.
SELECT :customer_columns
  FROM idempotency_key k, unnest(k.snapshot) c
 WHERE k.environment_id = $1::uuid AND k.key = $2::text;
