-- Idempotency keys. A record says what a request meant and how it was answered; it is written in
-- the transaction of the write that it belongs to. Nothing here knows what that write was.
--
-- A write with a key is one transaction: environment_enter_alone, idempotency_look, the statements
-- of the resource, idempotency_put. They leave notes for each other. If idempotency_look finds a
-- record, it sets app.replay to on, and no later statement writes anything (:first_time).
-- idempotency_put may be given an answer that was made before the outcome was known; a statement of
-- the resource that sees another outcome sets app.expected to false, and that answer is not stored.
-- In a bundle (src/db/bundle.h) the notes are of several: app.found has the numbers, from 1 on, of
-- those whose record was found, and app.expected_of those whose outcome is the expected one.

\set erase :erase ', idempotency_keys AS (DELETE FROM idempotency_key WHERE environment_id = $1)'
-- The record stays, so that the request is not done again; but not under a key that says who it
-- was, now or with an earlier e-mail address.
\set forget :forget ', answers AS (UPDATE idempotency_key k'
\set forget :forget ' SET key = CASE WHEN position(''@'' IN k.key) > 0 OR EXISTS ('
\set forget :forget 'SELECT FROM it, unnest(it.texts) t'
\set forget :forget ' WHERE position(lower(t) IN lower(k.key)) > 0)'
\set forget :forget ' THEN ''erased '' || gen_random_uuid() ELSE k.key END, request_hash = '''''
\set forget :forget ', status = 0, headers = '''', answer = '''', sealed = false'
\set forget :forget ' WHERE k.environment_id = $1 AND (k.about = ANY (ARRAY(SELECT it.id FROM it))'
\set forget :forget ' OR (k.about_many IS NOT NULL'
\set forget :forget ' AND EXISTS (SELECT FROM it WHERE it.id = ANY (k.about_many)))))'
\set first_time 'current_setting(''app.replay'', true) IS DISTINCT FROM ''on'''
\set not_found_in_bundle 'i.n <> ALL ((SELECT current_setting(''app.found''))::bigint[])'
\set expected_in_bundle 'i.n = ANY ((SELECT current_setting(''app.expected_of''))::bigint[])'

-- name: idempotency_look
-- out: found request_hash maker version asked status headers answer sealed
-- marks: record
-- many: idempotency_look_all
-- Always one row. Removes an expired record, to make room for a new one. $1 environment, $2 key,
-- $3 life in ms.
-- Only here can a commit be seen that gave up waiting for a synchronous standby. It must not be
-- acknowledged before the standby has it. So a transaction that would otherwise only read writes a
-- message into the write-ahead log: its own commit then waits for everything before it.
WITH expired AS (
    DELETE FROM idempotency_key k
     WHERE k.environment_id = $1::uuid AND k.key = $2::text
       AND k.created_at < now() - $3::bigint * interval '1 millisecond'
)
SELECT set_config('app.replay', CASE WHEN k.key IS NULL THEN 'off' ELSE 'on' END, true) = 'on'
           AND (current_setting('synchronous_standby_names') = ''
                OR pg_logical_emit_message(true, 'clientele', '') IS NOT NULL) AS found,
       k.request_hash, k.maker, k.version, k.asked, k.status::bigint, k.headers, k.answer, k.sealed
  FROM (SELECT) one
  LEFT JOIN idempotency_key k
    ON k.environment_id = $1 AND k.key = $2
   AND k.created_at >= now() - $3 * interval '1 millisecond';

-- name: idempotency_look_all
-- marks: record
-- The same for a bundle, a row for each in order; but an expired record stays, and fails the
-- bundle when another one is to be put in its place. LIMIT, so that each is looked up by its key:
-- to a plan for a table that was empty, all records of the environment look as good.
-- $1 environment, $2 keys, $3 life in ms.
WITH asked AS (
    SELECT i.n, k.key IS NOT NULL AS found, k.request_hash, k.maker, k.version, k.asked, k.status,
           k.headers, k.answer, k.sealed
      FROM unnest($2::text[]) WITH ORDINALITY i (key, n)
      LEFT JOIN LATERAL (
           SELECT * FROM idempotency_key r
            WHERE r.environment_id = $1::uuid AND r.key = i.key
              AND r.created_at >= now() - $3::bigint * interval '1 millisecond'
            LIMIT 1) k ON true
), noted AS (
    SELECT set_config('app.found', ARRAY(SELECT n FROM asked WHERE found)::text, true) AS numbers
)
SELECT a.found AND (current_setting('synchronous_standby_names') = ''
                    OR pg_logical_emit_message(true, 'clientele', '') IS NOT NULL) AS found,
       a.request_hash, a.maker, a.version, a.asked, a.status::bigint, a.headers, a.answer, a.sealed
  FROM asked a, noted
 WHERE noted.numbers IS NOT NULL
 ORDER BY a.n;

-- name: idempotency_put
-- marks: record twin
-- many: idempotency_put_all
-- $1 environment, $2 key, $3 request hash, $4 maker, $5 version, $6 version asked for or NULL,
-- $7 status, $8 headers, $9 answer, $10 sealed, $11 whether the answer was made before its outcome
-- was known, $12 and $13 what it tells about: one or many, or NULL.
INSERT INTO idempotency_key
       (environment_id, key, request_hash, maker, version, asked, status, headers, answer, sealed,
        about, about_many)
SELECT $1::uuid, $2::text, $3::bytea, $4::uuid, $5::text, $6::text, $7::bigint, $8::text,
       $9::bytea, $10::boolean, $12::uuid, $13::uuid[]
 WHERE :first_time
   AND ($11::boolean IS FALSE OR current_setting('app.expected', true) IS DISTINCT FROM 'false');

-- name: idempotency_put_all
-- marks: record twin
-- The same for a bundle, whose answers are all made before their outcome is known; a row for each
-- in order. $1 environment, $2 to $12 those of idempotency_put, as arrays of equal length.
WITH kept AS (
    INSERT INTO idempotency_key
           (environment_id, key, request_hash, maker, version, asked, status, headers, answer,
            sealed, about)
    SELECT $1::uuid, i.key, i.request_hash, i.maker, i.version, i.asked, i.status, i.headers,
           i.answer, i.sealed, i.about
      FROM unnest($2::text[], $3::bytea[], $4::uuid[], $5::text[], $6::text[], $7::bigint[],
                  $8::text[], $9::bytea[], $10::boolean[], $11::boolean[], $12::uuid[])
           WITH ORDINALITY
           AS i (key, request_hash, maker, version, asked, status, headers, answer, sealed,
                 beforehand, about, n)
     WHERE :expected_in_bundle
)
SELECT :expected_in_bundle AS kept FROM generate_subscripts($2, 1) i (n);
