-- What a connection does for itself, and how a transaction enters an environment.

-- name: session_begin
-- Settings that must hold whatever the role says. $1 statement timeout, $2 lock timeout, in ms; $3 for this
-- transaction alone, and not for the connection. A plan is kept while the connection lasts, so it must not be one that
-- is good for the few rows that a table had when it was made.
SELECT set_config('statement_timeout', $1::text, $3::boolean),
       set_config('lock_timeout', $2::text, $3),
       set_config('idle_in_transaction_session_timeout', '5000', $3),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                                        WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, $3),
       set_config('plan_cache_mode', 'force_generic_plan', $3),
       set_config('enable_seqscan', 'off', $3),
       set_config('jit', 'off', $3),
       set_config('timezone', 'UTC', $3);

-- name: role_check
-- out: superuser bypasses owner fsync pid
-- Whether this role may serve: it must be subject to row-level security and own no table. A pooler shows itself
-- by another process than the one that it announced.
SELECT r.rolsuper AS superuser, r.rolbypassrls AS bypasses,
       EXISTS (SELECT FROM pg_class t WHERE t.relowner = r.oid AND t.relkind = 'r' AND t.relrowsecurity) AS owner,
       current_setting('fsync') = 'on' AS fsync, pg_backend_pid()::bigint AS pid
  FROM pg_roles r
 WHERE r.rolname = current_user;

-- name: schema_version
-- out: version
-- The newest migration that was applied.
SELECT coalesce(max(version), 0)::bigint AS version FROM schema_migration;

-- name: connection_room
-- out: max_connections reserved of_role of_database
-- How many connections there can be: of the server, of this role, of this database; -1: no limit of its own.
SELECT current_setting('max_connections')::bigint AS max_connections,
       current_setting('superuser_reserved_connections')::bigint
           + coalesce(current_setting('reserved_connections', true), '0')::bigint AS reserved,
       r.rolconnlimit::bigint AS of_role, d.datconnlimit::bigint AS of_database
  FROM pg_roles r, pg_database d
 WHERE r.rolname = current_user AND d.datname = current_database();

-- name: environment_enter
-- What row-level security lets this transaction see. A condition and no column, because describing a column to the
-- client costs more than setting it. $1 environment.
SELECT WHERE set_config('app.environment', $1::uuid::text, true) IS NOT NULL;

-- name: environment_enter_alone
-- marks: twin
-- The same, for a write with an idempotency key: one at a time may run with it, so that a twin waits
-- here, and nowhere else, until the first one has ended. $2 number of the key.
SELECT WHERE set_config('app.environment', $1::uuid::text, true) IS NOT NULL AND pg_advisory_xact_lock($2::bigint) IS NOT NULL;
