-- Idempotency keys: what was answered, kept with the write that it belongs to.

-- name: idempotency_find
-- $1 environment, $2 key, $3 life in ms. A commit that gave up waiting for a synchronous standby can be seen here and
-- nowhere else. Nothing is told of it before the standby has it, so a transaction that only reads writes a word into
-- the log: its own commit then waits for all that came before.
SELECT k.request_hash, k.outcome, k.ids, k.created_at < now() - $3::bigint * interval '1 millisecond',
       CASE WHEN current_setting('synchronous_standby_names') <> ''
            THEN pg_logical_emit_message(true, 'clientele', '') END
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
-- Lets this transaction see the keys of all environments, unless somebody else is at it already. Nobody waits
-- for its end on the disk: what a crash brings back is removed again.
SELECT set_config('app.housekeeping', CASE WHEN pg_try_advisory_xact_lock(7205759403792794) THEN 'on' ELSE 'off' END, true),
       set_config('synchronous_commit', 'off', true);

-- name: housekeeping_expire
-- A bounded step: at most $2 records older than $1 ms, oldest first. $3 is where the last step ended, in ms since
-- 1970: the index still leads to all that was removed since the last vacuum, and a step must not walk over it.
WITH gone AS (
    DELETE FROM idempotency_key k
     WHERE k.ctid = ANY (ARRAY(SELECT o.ctid FROM idempotency_key o
                                WHERE o.created_at >= timestamptz 'epoch' + $3::bigint * interval '1 millisecond'
                                  AND o.created_at < now() - $1::bigint * interval '1 millisecond'
                                ORDER BY o.created_at
                                LIMIT $2::bigint))
    RETURNING k.created_at
)
SELECT count(*), coalesce((extract(epoch FROM max(created_at)) * 1000)::bigint, $3::bigint) FROM gone;
