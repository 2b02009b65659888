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

-- name: import_advance
-- marks: overtaken
-- The last statement of a transaction that has imported. It fails when somebody else has got
-- further meanwhile, and all of that is undone. $1 environment, $2 id, $3 bytes that were done, $4
-- bytes that are, $5 their lines, $6 created, $7 existing, $8 updated, $9 failed, $10 bytes of
-- results, $11 whether it is the end.
WITH it AS (
    UPDATE import i
       SET bytes = $4::bigint, line = $5::bigint,
           read = i.read + $6::bigint + $7::bigint + $8::bigint + $9::bigint,
           created = i.created + $6, existing = i.existing + $7, updated = i.updated + $8,
           failed = i.failed + $9, result_bytes = $10::bigint,
           ended_at = CASE WHEN $11::boolean THEN now() END
     WHERE i.environment_id = $1::uuid AND i.id = $2::uuid AND i.bytes = $3::bigint
       AND i.ended_at IS NULL
    RETURNING i.id
)
SELECT 1 / count(*) FROM it;
