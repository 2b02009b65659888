-- What a connection does for itself, and how a transaction enters an environment.

-- name: session_begin
-- Settings that must hold whatever those of the role are. $1 statement timeout and $2 lock timeout,
-- in ms; $3 whether they are for this transaction only, instead of the connection. A plan is kept
-- as long as the connection, so it must not be one that suits only the few rows that a table had
-- when the plan was made.
SELECT set_config('statement_timeout', $1::text, $3::boolean),
       set_config('lock_timeout', $2::text, $3),
       set_config('idle_in_transaction_session_timeout', '5000', $3),
       set_config('synchronous_commit',
                  CASE current_setting('synchronous_commit')
                  WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, $3),
       set_config('plan_cache_mode', 'force_generic_plan', $3),
       set_config('enable_seqscan', 'off', $3),
       set_config('jit', 'off', $3),
       set_config('timezone', 'UTC', $3);

-- name: role_check
-- out: superuser bypasses owner fsync pid
-- Whether this role may serve: it must be subject to row-level security and own no table. pid is
-- the process of the server: behind a pooler it is not the one that was announced.
SELECT r.rolsuper AS superuser, r.rolbypassrls AS bypasses,
       EXISTS (SELECT FROM pg_class t
                WHERE t.relowner = r.oid AND t.relkind = 'r' AND t.relrowsecurity) AS owner,
       current_setting('fsync') = 'on' AS fsync, pg_backend_pid()::bigint AS pid
  FROM pg_roles r
 WHERE r.rolname = current_user;

-- name: schema_version
-- out: version
-- The newest migration that was applied.
SELECT coalesce(max(version), 0)::bigint AS version FROM schema_migration;

-- name: connection_room
-- out: max_connections reserved of_role of_database
-- How many connections the server, this role and this database may have; -1: it has no limit of
-- its own.
SELECT current_setting('max_connections')::bigint AS max_connections,
       current_setting('superuser_reserved_connections')::bigint
           + coalesce(current_setting('reserved_connections', true), '0')::bigint AS reserved,
       r.rolconnlimit::bigint AS of_role, d.datconnlimit::bigint AS of_database
  FROM pg_roles r, pg_database d
 WHERE r.rolname = current_user AND d.datname = current_database();

-- name: environment_enter
-- Has row-level security show this transaction one environment. In a condition, because describing
-- a column to the client would cost more than the setting itself. $1 environment.
SELECT WHERE set_config('app.environment', $1::uuid::text, true) IS NOT NULL;

-- name: environment_enter_alone
-- marks: twin
-- The same, for a write with an idempotency key. Only one write with that key runs at a time: a
-- twin waits here, and nowhere else, until the first one has ended. $2 number of the key's lock.
SELECT WHERE set_config('app.environment', $1::uuid::text, true) IS NOT NULL
         AND pg_advisory_xact_lock($2::bigint) IS NOT NULL;
