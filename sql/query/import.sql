-- How far imports of files have got: src/cli/import.c.

\set erase :erase ', imports AS (DELETE FROM import WHERE environment_id = $1)'
\set import_columns 'i.id, i.lines, i.read, i.created, i.existing, i.updated, i.failed'
\set import_columns :import_columns ', i.bytes, i.line, i.result_bytes, i.started_at, i.ended_at'

-- name: import_find
-- out: :import_columns
-- $1 environment, $2 digest.
SELECT :import_columns FROM import i WHERE i.environment_id = $1::uuid AND i.digest = $2::bytea;

-- name: import_begin
-- $1 environment, $2 id, $3 digest, $4 lines, $5 bytes and $6 line that it begins behind.
INSERT INTO import (environment_id, id, digest, lines, bytes, line)
VALUES ($1::uuid, $2::uuid, $3::bytea, $4::bigint, $5::bigint, $6::bigint);

-- name: import_forget
-- The same file may be imported again. $1 environment, $2 digest.
DELETE FROM import i WHERE i.environment_id = $1::uuid AND i.digest = $2::bytea;

-- name: import_hold
-- out: holds
-- Lets this transaction import, unless somebody else has got further meanwhile. $1 environment, $2
-- id, $3 bytes.
WITH it AS (
    SELECT i.id FROM import i
     WHERE i.environment_id = $1::uuid AND i.id = $2::uuid AND i.bytes = $3::bigint
       AND i.ended_at IS NULL
       FOR UPDATE
)
SELECT count(*) = 1 AS holds,
       set_config('app.import', CASE count(*) WHEN 1 THEN 'on' ELSE 'off' END, true)
  FROM it;

-- name: import_advance
-- $1 environment, $2 id, $3 bytes, $4 line, $5 created, $6 existing, $7 updated, $8 failed, $9
-- bytes of results, $10 whether it is done.
UPDATE import i
   SET bytes = $3::bigint, line = $4::bigint, read = i.read + $5::bigint + $6::bigint + $7::bigint
       + $8::bigint, created = i.created + $5, existing = i.existing + $6,
       updated = i.updated + $7, failed = i.failed + $8, result_bytes = $9::bigint,
       ended_at = CASE WHEN $10::boolean THEN now() END
 WHERE i.environment_id = $1::uuid AND i.id = $2::uuid;
