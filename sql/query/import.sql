-- Imports of files: by the command (src/cli/import.c), and of files that were sent to the API
-- (src/resource/customer/import_job.c), which the clerk carries out (import_work.c there).

\set erase :erase ', imports AS (DELETE FROM import WHERE environment_id = $1)'
\set erase :erase ', import_jobs AS (DELETE FROM import_job WHERE environment_id = $1)'
\set erase :erase ', import_parts AS (DELETE FROM import_part WHERE environment_id = $1)'
\set erase :erase ', import_results AS (DELETE FROM import_result WHERE environment_id = $1)'
-- A file without a line of names has a customer there, and the reason quotes it.
\set forget :forget ', quotes AS (UPDATE import_job j SET reason ='
\set forget :forget ' ''a column is not known, or is there twice'''
\set forget :forget ' WHERE j.environment_id = $1 AND j.reason LIKE ''column %'')'
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

-- ---- files that were sent

\set import_job_columns 'j.id, j.status, j.format, j.dry, j.conflict, j.keep_created_at, j.parts'
\set import_job_columns :import_job_columns ', j.bytes, j.checked, j.at_bytes, j.lines, j.created'
\set import_job_columns :import_job_columns ', j.existing, j.updated, j.failed, j.reason'
\set import_job_columns :import_job_columns ', j.created_at, j.started_at, j.ended_at'
\set at_work 'j.ended_at IS NULL AND j.status IN (''queued'', ''running'')'

-- name: import_job_turn
-- Before import_job_create, so that its count still holds at the commit: imports of one environment
-- are made one after the other. $1 environment.
SELECT WHERE pg_advisory_xact_lock(2, hashtext($1::uuid::text)) IS NOT NULL;

-- name: import_job_create
-- out: made
-- Unless as many as $9 are open. $1 environment, $2 id, $3 format, $4 whether it is a dry run, $5
-- what becomes of lines whose external id is taken, $6 whether their times are kept, $7 API key or
-- NULL, $8 what app_source() will be.
WITH made AS (
    INSERT INTO import_job (environment_id, id, status, format, dry, conflict, keep_created_at,
                            key_id, source)
    SELECT $1::uuid, $2::uuid, 'receiving', $3::text, $4::boolean, $5::text, $6::boolean, $7::uuid,
           $8::text
     WHERE :first_time
       AND (SELECT count(*) FROM import_job o
             WHERE o.environment_id = $1 AND o.ended_at IS NULL) < $9::bigint
    RETURNING id
)
SELECT count(*) = 1 AS made FROM made;

-- name: import_job_get
-- out: :import_job_columns
-- $1 environment, $2 id.
SELECT :import_job_columns FROM import_job j WHERE j.environment_id = $1::uuid AND j.id = $2::uuid;

-- name: import_job_list
-- out: :import_job_columns
-- Newest first. $1 environment, $2 id of the last row before the page, $3 rows.
SELECT :import_job_columns
  FROM import_job j
 WHERE j.environment_id = $1::uuid AND j.id < $2::uuid
 ORDER BY j.id DESC
 LIMIT $3::bigint;

-- name: import_job_lock
-- out: status
-- Before a statement that changes it and must see all that others have done. $1 environment, $2 id.
SELECT j.status FROM import_job j
 WHERE j.environment_id = $1::uuid AND j.id = $2::uuid
   FOR UPDATE;

-- name: import_part_put
-- out: taken same status
-- Stores a part while there is none of its number, parts are still received, and all together have
-- no more than $6 bytes. taken: it was; same: NULL if there was none before, else whether its bytes
-- are these. $1 environment, $2 import, $3 number, $4 hash, $5 bytes.
WITH known AS (
    SELECT p.digest = $4::bytea AS same FROM import_part p
     WHERE p.environment_id = $1::uuid AND p.import_id = $2::uuid AND p.number = $3::bigint
), part AS (
    INSERT INTO import_part (environment_id, import_id, number, bytes, digest, data)
    SELECT $1, $2, $3, length($5::bytea), $4, $5
      FROM import_job j
     WHERE j.environment_id = $1 AND j.id = $2 AND j.status = 'receiving'
       AND j.bytes + length($5) <= $6::bigint AND NOT EXISTS (SELECT FROM known) AND :first_time
    RETURNING bytes
), counted AS (
    UPDATE import_job j
       SET parts = j.parts + 1, bytes = j.bytes + part.bytes, touched_at = now()
      FROM part
     WHERE j.environment_id = $1 AND j.id = $2
)
SELECT EXISTS (SELECT FROM part) AS taken, (SELECT known.same FROM known) AS same, j.status
  FROM import_job j
 WHERE j.environment_id = $1 AND j.id = $2;

-- name: import_job_start
-- out: missing
-- Nothing more is received. Not while there is no part, or one is missing between others: missing
-- is the first. $1 environment, $2 id.
WITH numbered AS (
    SELECT p.number, row_number() OVER (ORDER BY p.number) AS nth FROM import_part p
     WHERE p.environment_id = $1::uuid AND p.import_id = $2::uuid
), started AS (
    UPDATE import_job j SET status = 'queued', queued_at = now(), touched_at = now()
     WHERE j.environment_id = $1 AND j.id = $2 AND j.status = 'receiving' AND j.parts > 0
       AND NOT EXISTS (SELECT FROM numbered n WHERE n.number <> n.nth) AND :first_time
)
SELECT 1 + count(*) AS missing FROM numbered n WHERE n.number = n.nth;

-- name: import_job_cancel
-- What is done stays. $1 environment, $2 id.
UPDATE import_job j SET status = 'cancelled', ended_at = now()
 WHERE j.environment_id = $1::uuid AND j.id = $2::uuid AND j.ended_at IS NULL AND :first_time;

-- name: import_result_list
-- out: line data
-- $1 environment, $2 import, $3 the last line of those before, $4 rows.
SELECT r.line, r.data FROM import_result r
 WHERE r.environment_id = $1::uuid AND r.import_id = $2::uuid AND r.line > $3::bigint
 ORDER BY r.line
 LIMIT $4::bigint;

-- name: import_job_find
-- out: :import_job_columns
-- out: environment source begins_bytes begins_line at_line others
-- The import that is to go on, of all environments: the first one of each, and of these the one
-- that has waited longest. No other clerk has it in hand. One whose last step failed waits for a
-- while, twice as long each time. others: as of billing_claim.
SELECT :import_job_columns, j.environment_id AS environment, j.source, j.begins_bytes,
       j.begins_line, j.at_line, :busy AS others
  FROM import_job j
 WHERE :at_work AND j.touched_at <= now() - (2 ^ j.tries - 1) * interval '100 ms'
   AND NOT EXISTS (SELECT FROM import_job o
                    WHERE o.environment_id = j.environment_id AND o.ended_at IS NULL
                      AND (o.queued_at, o.id) < (j.queued_at, j.id))
 ORDER BY j.touched_at
 LIMIT 1
   FOR UPDATE OF j SKIP LOCKED;

-- name: import_job_look
-- out: works
-- Whether the API key that it was made with still works. $1 environment, $2 id.
SELECT j.key_id IS NULL
       OR EXISTS (SELECT FROM api_key k
                   WHERE k.environment_id = $1::uuid AND k.id = j.key_id
                     AND (k.revoked_at IS NULL OR k.revoked_at > now())
                     AND (k.expires_at IS NULL OR k.expires_at > now())) AS works
  FROM import_job j
 WHERE j.environment_id = $1 AND j.id = $2::uuid;

-- name: import_part_read
-- out: data
-- Bytes of the file, from $3 on, at most $4 and no more than one part has. $1 environment, $2
-- import.
SELECT substring(p.data FROM ($3::bigint - s.starts + 1)::integer FOR $4::bigint::integer) AS data
  FROM (SELECT q.number, q.bytes,
               (sum(q.bytes) OVER (ORDER BY q.number) - q.bytes)::bigint AS starts
          FROM import_part q
         WHERE q.environment_id = $1::uuid AND q.import_id = $2::uuid) s
  JOIN import_part p ON p.environment_id = $1 AND p.import_id = $2 AND p.number = s.number
 WHERE s.starts <= $3 AND s.starts + s.bytes > $3;

-- name: import_job_hold
-- marks: overtaken
-- The first statement of a step. It fails when the import is no longer where it was read, because
-- somebody else has gone further or cancelled it. $1 environment, $2 id, $3 bytes, $4 whether they
-- are those that are done.
SELECT 1 / count(*)
  FROM (SELECT FROM import_job j
         WHERE j.environment_id = $1::uuid AND j.id = $2::uuid AND :at_work
           AND j.at_bytes = $3::bigint AND j.checked = $4::boolean
           FOR UPDATE SKIP LOCKED) held;

-- name: import_job_save
-- The last one. $1 environment, $2 id, $3 status, $4 whether it is checked, $5 and $6 bytes and
-- lines that are, or are done, $7 and $8 where the records begin, $9 more records, $10 more that
-- were created, $11 existing, $12 updated, $13 failed, $14 why it cannot be done or NULL, $15
-- results or NULL.
WITH told AS (
    INSERT INTO import_result (environment_id, import_id, line, data)
    SELECT $1::uuid, $2::uuid, $6::bigint, $15::text WHERE $15 IS NOT NULL
)
UPDATE import_job j
   SET status = $3::text, checked = $4::boolean, at_bytes = $5::bigint, at_line = $6,
       begins_bytes = $7::bigint, begins_line = $8::bigint, lines = j.lines + $9::bigint,
       created = j.created + $10::bigint, existing = j.existing + $11::bigint,
       updated = j.updated + $12::bigint, failed = j.failed + $13::bigint, reason = $14::text,
       tries = 0, touched_at = now(), started_at = coalesce(j.started_at, now()),
       ended_at = CASE WHEN $3 IN ('done', 'failed') THEN now() END
 WHERE j.environment_id = $1 AND j.id = $2;

-- name: import_job_failed
-- A step failed; the $3rd one in a row ends the import, for the reason $4. $1 environment, $2 id.
UPDATE import_job j
   SET tries = j.tries + 1, touched_at = now(),
       status = CASE WHEN j.tries + 1 < $3::bigint THEN j.status ELSE 'failed' END,
       reason = CASE WHEN j.tries + 1 < $3 THEN NULL ELSE $4::text END,
       ended_at = CASE WHEN j.tries + 1 < $3 THEN NULL ELSE now() END
 WHERE j.environment_id = $1::uuid AND j.id = $2::uuid AND :at_work;

-- name: import_rest_find
-- out: environment id what
-- Something of an import that is to go, of all environments: 'parts' of one that has ended; one
-- that is 'late', because no part has come for $1 ms; an 'old' one, which ended $2 ms ago.
SELECT r.environment, r.id, r.what
  FROM ((SELECT j.environment_id AS environment, j.id, 'parts' AS what
           FROM import_job j WHERE j.ended_at IS NOT NULL AND NOT j.swept
          ORDER BY j.ended_at LIMIT 1)
        UNION ALL
        (SELECT j.environment_id, j.id, 'late'
           FROM import_job j WHERE j.status = 'receiving'
            AND j.touched_at < now() - $1::bigint * interval '1 ms'
          ORDER BY j.touched_at LIMIT 1)
        UNION ALL
        (SELECT j.environment_id, j.id, 'old'
           FROM import_job j WHERE j.ended_at < now() - $2::bigint * interval '1 ms' AND j.swept
            AND j.ended_at IS NOT NULL
          ORDER BY j.ended_at LIMIT 1)) r
 LIMIT 1;

-- name: import_rest_parts
-- out: done
-- Removes at most $3 parts of an import that has ended. $1 environment, $2 id.
WITH gone AS (
    DELETE FROM import_part p
     WHERE p.environment_id = $1::uuid AND p.import_id = $2::uuid
       AND p.number = ANY (ARRAY(SELECT o.number FROM import_part o
                                  WHERE o.environment_id = $1 AND o.import_id = $2
                                  ORDER BY o.number LIMIT $3::bigint))
    RETURNING 1
), swept AS (
    UPDATE import_job j SET swept = true
     WHERE j.environment_id = $1 AND j.id = $2 AND (SELECT count(*) FROM gone) < $3
)
SELECT count(*) AS done FROM gone;

-- name: import_rest_late
-- $1 environment, $2 id, $3 after so many ms, $4 the reason.
UPDATE import_job j SET status = 'cancelled', ended_at = now(), reason = $4::text
 WHERE j.environment_id = $1::uuid AND j.id = $2::uuid AND j.status = 'receiving'
   AND j.touched_at < now() - $3::bigint * interval '1 ms';

-- name: import_rest_old
-- out: done
-- Removes at most $3 rows of results of an old import, and it when there are no more. $1
-- environment, $2 id.
WITH gone AS (
    DELETE FROM import_result r
     WHERE r.environment_id = $1::uuid AND r.import_id = $2::uuid
       AND r.line = ANY (ARRAY(SELECT o.line FROM import_result o
                                WHERE o.environment_id = $1 AND o.import_id = $2
                                ORDER BY o.line LIMIT $3::bigint))
    RETURNING 1
), it AS (
    DELETE FROM import_job j
     WHERE j.environment_id = $1 AND j.id = $2 AND (SELECT count(*) FROM gone) < $3
)
SELECT count(*) AS done FROM gone;
