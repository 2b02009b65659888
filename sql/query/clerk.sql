-- What the clerk does of its own (src/clerk/job.c).

-- name: clerk_enter_alone
-- Lets this transaction see what a job needs of all environments, unless another clerk is at this
-- job already. $1 number of the job's lock. Its commit does not wait for the disk: what a crash
-- brings back is done again.
SELECT set_config('app.housekeeping',
                  CASE WHEN pg_try_advisory_xact_lock($1::bigint) THEN 'on' ELSE 'off' END, true),
       set_config('synchronous_commit', 'off', true);

-- name: clerk_expire
-- out: done behind_ms mark
-- Removes at most $2 records of idempotency keys that are older than $1 ms, oldest first. Returns
-- how many, for how long the oldest that is left has been due, in ms, and where the next step
-- begins. $3 is where the last step ended, in ms since 1970: the index still leads to every record
-- that was removed since the last vacuum, and a step must not walk over them. An end that lies
-- ahead is of a clock that was wrong, and the next step begins from the first record.
WITH gone AS (
    DELETE FROM idempotency_key k
     WHERE k.ctid = ANY (ARRAY(SELECT o.ctid FROM idempotency_key o
                                WHERE o.created_at >= timestamptz 'epoch'
                                                      + $3::bigint * interval '1 millisecond'
                                  AND o.created_at < now() - $1::bigint * interval '1 millisecond'
                                ORDER BY o.created_at
                                LIMIT $2::bigint))
    RETURNING k.created_at
)
SELECT count(*) AS done,
       CASE WHEN count(*) < $2 THEN 0
            ELSE (extract(epoch FROM now() - max(created_at)) * 1000)::bigint - $1 END AS behind_ms,
       coalesce((extract(epoch FROM max(created_at)) * 1000)::bigint,
                CASE WHEN $3 <= extract(epoch FROM now()) * 1000 - $1 THEN $3 ELSE 0 END) AS mark
  FROM gone;

-- name: clerk_retain
-- out: done
-- Removes at most $2 of the names on invoices that were issued more than $1 ms ago, oldest first.
WITH gone AS (
    DELETE FROM invoice_party p
     WHERE p.ctid = ANY (ARRAY(SELECT o.ctid FROM invoice_party o
                                WHERE o.issued_at < now() - $1::bigint * interval '1 millisecond'
                                ORDER BY o.issued_at
                                LIMIT $2::bigint))
    RETURNING 1
)
SELECT count(*) AS done FROM gone;

-- name: clerk_merge
-- out: done
-- Merges what was written lately into the search index. Returns how many pages that was.
SELECT CASE WHEN current_setting('app.housekeeping', true) = 'on'
            THEN customer_search_merge() ELSE 0 END AS done;
