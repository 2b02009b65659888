-- The test clock of a sandbox: what is asked of it, and what the clerk does with a run of it
-- (src/billing/run.c).
--
-- A deadline of a run is one transaction: billing_enter, test_clock_turn, billing_claim_of,
-- billing_look, then billing_save and test_clock_count. The run is locked before the subscription,
-- then come the counter of invoices and the setting; test_clock_hold keeps the same order.

\set erase :erase ', clock_runs AS (DELETE FROM test_clock_run WHERE environment_id = $1)'
\set erase :erase ', clock_items AS (DELETE FROM test_clock_item WHERE environment_id = $1)'

\set test_clock_columns 't.simulated_at, t.now_at, r.id, r.status, r.started_at, r.target_at'
\set test_clock_columns :test_clock_columns ', r.estimated, r.completed, r.failed, i.items'

\set open_runs 'r.status IN (''pending'', ''running'')'

-- name: test_clock_get
-- out: :test_clock_columns
-- The clock, its latest run if there was one, and of that the last 100 deadlines. $1 environment.
SELECT :test_clock_columns
  FROM (SELECT max(b.test_clock) AS simulated_at, app_now($1::uuid) AS now_at
          FROM billing_setting b WHERE b.environment_id = $1) t
  LEFT JOIN LATERAL (SELECT x.* FROM test_clock_run x
                      WHERE x.environment_id = $1 ORDER BY x.id DESC LIMIT 1) r ON true
  LEFT JOIN LATERAL (SELECT array_agg(ROW(x.subscription_id, x.what, x.due_at, x.done, x.invoice_id,
                                          v.number::text, c.full_name) ORDER BY x.position) AS items
                       FROM (SELECT y.* FROM test_clock_item y
                              WHERE y.environment_id = $1 AND y.run_id = r.id
                              ORDER BY y.position DESC LIMIT 100) x
                       LEFT JOIN invoice v ON v.environment_id = $1 AND v.id = x.invoice_id
                       LEFT JOIN subscription s
                         ON s.environment_id = $1 AND s.id = x.subscription_id
                       LEFT JOIN customer c
                         ON c.environment_id = $1 AND c.id = s.customer_id) i ON true;

-- name: test_clock_advance
-- out: now_at open made
-- Begins a run $2 to the time $3, or when that is NULL by $4 days, but not backwards and not by
-- more than $5 days. From then on the time of the environment is that of its test clock. open:
-- another run is not over yet; now_at: what the clock is. $1 environment.
WITH t AS (
    SELECT x.now_at,
           coalesce($3::timestamptz, x.now_at + $4::bigint * interval '24 hours') AS target,
           EXISTS (SELECT FROM test_clock_run r
                    WHERE r.environment_id = $1::uuid AND :open_runs) AS open
      FROM (SELECT app_now($1) AS now_at) x
), made AS (
    INSERT INTO test_clock_run (environment_id, id, started_at, target_at, estimated)
    SELECT $1, $2::uuid, t.now_at, t.target,
           (SELECT count(*) FROM subscription s
             WHERE s.environment_id = $1 AND s.due_at <= t.target)
      FROM t
     WHERE :first_time AND NOT t.open AND t.target > t.now_at
       AND t.target <= t.now_at + $5::bigint * interval '24 hours'
    RETURNING started_at
), clock AS (
    INSERT INTO billing_setting AS b (environment_id, test_clock)
    SELECT $1, m.started_at FROM made m
    ON CONFLICT (environment_id) DO UPDATE SET test_clock = excluded.test_clock
), marked AS (
    UPDATE subscription s SET clocked = true
      FROM made m
     WHERE s.environment_id = $1 AND NOT s.clocked
)
SELECT t.now_at, t.open, EXISTS (SELECT FROM made) AS made FROM t WHERE :first_time;

-- name: test_clock_due
-- out: customers dunning
-- What is due now: of how many customers, and how much of it because an invoice was not paid.
-- $1 environment.
SELECT count(DISTINCT s.customer_id) AS customers,
       count(*) FILTER (WHERE s.due_what IN ('past_due', 'grace_over')) AS dunning
  FROM subscription s
 WHERE s.environment_id = $1::uuid AND s.due_at <= app_now($1);

-- name: test_clock_hold
-- Locks all that changes invoices of a sandbox: its runs, its subscriptions, and the counter, whose
-- row is made if there is none. Whoever is about to make an invoice has ended then, or waits and
-- begins with number 1. $1 environment.
WITH runs AS MATERIALIZED (
    SELECT r.id FROM test_clock_run r
     WHERE :first_time AND r.environment_id = $1::uuid AND :open_runs
       FOR UPDATE OF r
), subscriptions AS MATERIALIZED (
    SELECT s.id FROM subscription s
     WHERE :first_time AND s.environment_id = $1
       AND (SELECT count(*) FROM runs) IS NOT NULL
     ORDER BY s.due_at, s.id
       FOR UPDATE OF s
)
INSERT INTO invoice_counter AS k (environment_id, last)
SELECT $1, 0
 WHERE :first_time AND (SELECT count(*) FROM subscriptions) IS NOT NULL
ON CONFLICT (environment_id) DO UPDATE SET last = k.last;

-- name: test_clock_reset
-- Begins a sandbox anew: its subscriptions, invoices, credits, and the clock. Row-level security
-- lets nothing that is live be deleted. Merges that are undone later give no credit back. It comes
-- after test_clock_hold as a statement of its own, which sees what others have committed until
-- then. $1 environment.
WITH runs AS (
    DELETE FROM test_clock_run x WHERE x.environment_id = $1::uuid AND :first_time
), items AS (
    DELETE FROM test_clock_item x WHERE x.environment_id = $1 AND :first_time
), subscriptions AS (
    DELETE FROM subscription x WHERE x.environment_id = $1 AND :first_time
), invoices AS (
    DELETE FROM invoice x WHERE x.environment_id = $1 AND :first_time
), parties AS (
    DELETE FROM invoice_party x WHERE x.environment_id = $1 AND :first_time
), lines AS (
    DELETE FROM invoice_line x WHERE x.environment_id = $1 AND :first_time
), credits AS (
    DELETE FROM customer_credit x WHERE x.environment_id = $1 AND :first_time
), merges AS (
    UPDATE customer_merge x SET credit = 0
     WHERE x.environment_id = $1 AND :first_time AND x.credit > 0
), counters AS (
    DELETE FROM invoice_counter x WHERE x.environment_id = $1 AND :first_time
), failures AS (
    DELETE FROM billing_failure x WHERE x.environment_id = $1 AND :first_time
)
UPDATE billing_setting x SET test_clock = NULL WHERE x.environment_id = $1 AND :first_time;

-- name: test_clock_find
-- out: environment id until passed_at passed_id
-- The run whose last step lies back the longest, of all environments, of those that no other clerk
-- has in hand: so each of them goes on.
SELECT r.environment_id AS environment, r.id, r.target_at AS until, r.passed_at, r.passed_id
  FROM test_clock_run r
 WHERE :open_runs
 ORDER BY r.stepped_at
 LIMIT 1
   FOR UPDATE SKIP LOCKED;

-- name: test_clock_turn
-- Locks a run that is not over, and enters its environment. No row: another clerk has it in hand,
-- or has changed it. $1 environment, $2 run, $3 and $4 the deadline that it has passed over.
SELECT set_config('app.environment', t.environment_id::text, true)
  FROM (SELECT r.environment_id
          FROM test_clock_run r
         WHERE r.environment_id = $1::uuid AND r.id = $2::uuid AND :open_runs
           AND r.passed_at = $3::timestamptz AND r.passed_id = $4::uuid
           FOR UPDATE SKIP LOCKED) t;

-- name: test_clock_later
-- Puts a run behind the others: a step of it failed, and nothing says why. $1 environment, $2 run.
UPDATE test_clock_run r SET stepped_at = now()
 WHERE r.environment_id = $1::uuid AND r.id = $2::uuid AND :open_runs;

-- name: test_clock_count
-- Writes down what was carried out, and sets the clock to its time; or ends the run and sets the
-- clock to the end, when nothing is left. $1 environment, $2 run, $3 subscription or NULL, $4 what,
-- $5 when it was due, $6 its invoice or NULL, $7 whether it was done.
WITH run AS (
    UPDATE test_clock_run r
       SET stepped_at = now(),
           status = CASE WHEN $3::uuid IS NOT NULL THEN 'running'
                         WHEN r.failed > 0 THEN 'failed' ELSE 'completed' END,
           completed = r.completed + ($3 IS NOT NULL AND $7::boolean)::integer,
           failed = r.failed + ($3 IS NOT NULL AND NOT $7)::integer,
           passed_at = CASE WHEN $7 THEN r.passed_at ELSE $5::timestamptz END,
           passed_id = CASE WHEN $7 THEN r.passed_id ELSE $3 END
     WHERE r.environment_id = $1::uuid AND r.id = $2::uuid AND :open_runs
    RETURNING r.target_at, r.completed + r.failed AS position
), item AS (
    INSERT INTO test_clock_item
           (environment_id, run_id, position, subscription_id, what, due_at, invoice_id, done)
    SELECT $1, $2, run.position, $3, $4::text, $5, $6::uuid, $7
      FROM run
     WHERE $3 IS NOT NULL
)
UPDATE billing_setting b
   SET test_clock = CASE WHEN $3 IS NULL THEN run.target_at
                         ELSE greatest(b.test_clock, $5) END
  FROM run
 WHERE b.environment_id = $1;
