-- Idempotency keys: what was answered, kept with the write that it belongs to.

-- name: idempotency_find
-- $1 environment, $2 key, $3 life in ms.
SELECT k.request_hash, k.outcome, k.ids, k.created_at < now() - $3::bigint * interval '1 millisecond'
  FROM idempotency_key k
 WHERE k.environment_id = $1::uuid AND k.key = $2::text;

-- name: idempotency_put
-- The record of a write that has no customers in its answer, or was refused. $1 environment, $2 ids,
-- $3 outcome, $4 key, $5 request hash.
INSERT INTO idempotency_key (environment_id, ids, outcome, key, request_hash)
VALUES ($1::uuid, $2::uuid[], $3::text, $4::text, $5::bytea);

-- name: idempotency_drop
-- An expired record, out of the way of a new one. $1 environment, $2 key, $3 life in ms.
DELETE FROM idempotency_key k
 WHERE k.environment_id = $1::uuid AND k.key = $2::text
   AND k.created_at < now() - $3::bigint * interval '1 millisecond';

-- name: housekeeping_enter
-- Lets this transaction see the keys of all environments, unless somebody else is at it already.
SELECT set_config('app.housekeeping', CASE WHEN pg_try_advisory_xact_lock(7205759403792794) THEN 'on' ELSE 'off' END, true);

-- name: housekeeping_expire
-- A bounded step: at most $2 records older than $1 ms, oldest first.
WITH gone AS (
    DELETE FROM idempotency_key k
     WHERE k.ctid = ANY (ARRAY(SELECT o.ctid FROM idempotency_key o
                                WHERE o.created_at < now() - $1::bigint * interval '1 millisecond'
                                ORDER BY o.created_at
                                LIMIT $2::bigint))
    RETURNING 1
)
SELECT count(*) FROM gone;
