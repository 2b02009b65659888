-- What a connection does for itself, and how a transaction enters an environment.

-- name: session_begin
-- Settings that must hold whatever those of the role are. $1 statement timeout and $2 lock timeout,
-- in ms; $3 whether they are for this transaction only, instead of the connection. A plan is kept
-- as long as the connection, so it must not be one that suits only the few rows that a table had
-- when the plan was made; nor one that starts processes, which takes longer than any page, because
-- PostgreSQL does not see how few rows a limit leaves. Warnings must arrive: one tells that a
-- commit is on no standby. $4 is the process that was announced: behind a pooler another one
-- answers, as the last column says.
SELECT set_config('statement_timeout', $1::text, $3::boolean),
       set_config('lock_timeout', $2::text, $3),
       set_config('idle_in_transaction_session_timeout', '5000', $3),
       set_config('synchronous_commit',
                  CASE current_setting('synchronous_commit')
                  WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, $3),
       set_config('client_min_messages', 'warning', $3),
       set_config('plan_cache_mode', 'force_generic_plan', $3),
       set_config('enable_seqscan', 'off', $3),
       set_config('jit', 'off', $3),
       set_config('max_parallel_workers_per_gather', '0', $3),
       set_config('timezone', 'UTC', $3),
       pg_backend_pid() <> $4::bigint;

-- name: role_check
-- out: superuser bypasses owner member powers becomes row_security replication isolation settings
-- out: schemas open closed unwritable read_only standby forgetful pid
-- What Clientele relies on and cannot see otherwise: that this role may do no more than serve, that
-- row-level security holds for it on every table of tenants' rows, and that nobody gave the role,
-- the database or the server settings with which it would not. Of a setting of the role the login
-- counts as well as who it became. pid is the process of the server: behind a pooler it is not the
-- one that was announced.
WITH me AS (
    SELECT r.* FROM pg_roles r WHERE r.rolname IN (session_user, current_user)
), tables AS (
    SELECT t.oid, t.relowner, t.relrowsecurity AND t.relforcerowsecurity AS guarded,
           has_table_privilege(t.oid, 'SELECT, INSERT, UPDATE, DELETE') AS usable,
           EXISTS (SELECT FROM pg_attribute a
                    WHERE a.attrelid = t.oid AND a.attname = 'environment_id') AS of_tenants
      FROM pg_class t
     WHERE t.relkind IN ('r', 'p')
       AND t.relnamespace = (SELECT m.relnamespace FROM pg_class m
                              WHERE m.oid = to_regclass('schema_migration'))
), owners AS (
    SELECT t.relowner AS owner FROM tables t
    UNION SELECT d.datdba FROM pg_database d WHERE d.datname = current_database()
)
SELECT EXISTS (SELECT FROM me WHERE me.rolsuper) AS superuser,
       EXISTS (SELECT FROM me WHERE me.rolbypassrls) AS bypasses,
       EXISTS (SELECT FROM owners o JOIN me ON me.oid = o.owner) AS owner,
       EXISTS (SELECT FROM pg_roles r
                WHERE (r.rolsuper OR r.rolbypassrls OR r.oid IN (SELECT o.owner FROM owners o))
                  AND (pg_has_role(session_user, r.oid, 'MEMBER')
                       OR pg_has_role(current_user, r.oid, 'MEMBER'))) AS member,
       EXISTS (SELECT FROM me WHERE me.rolcreaterole OR me.rolreplication)
           OR EXISTS (SELECT FROM pg_roles r
                       WHERE r.rolname IN ('pg_execute_server_program', 'pg_read_server_files',
                                           'pg_write_server_files')
                         AND pg_has_role(session_user, r.oid, 'MEMBER')) AS powers,
       session_user <> current_user AS becomes,
       current_setting('row_security') <> 'on' AS row_security,
       current_setting('session_replication_role') <> 'origin' AS replication,
       current_setting('transaction_isolation') <> 'read committed' AS isolation,
       concat(current_setting('app.environment', true), current_setting('app.key_hash', true),
              current_setting('app.user', true), current_setting('app.email', true),
              current_setting('app.organization', true),
              current_setting('app.housekeeping', true), current_setting('app.clerk', true),
              current_setting('app.source', true)) <> ''
           AS settings,
       cardinality(current_schemas(false)) > 1 AS schemas,
       EXISTS (SELECT FROM tables t WHERE t.of_tenants AND t.usable AND NOT t.guarded) AS open,
       EXISTS (SELECT FROM tables t WHERE t.of_tenants AND NOT t.usable) AS closed,
       EXISTS (SELECT FROM tables t
                WHERE t.of_tenants AND t.guarded
                  AND NOT has_table_privilege(t.oid, 'INSERT')) AS unwritable,
       current_setting('transaction_read_only') = 'on' AND NOT pg_is_in_recovery() AS read_only,
       pg_is_in_recovery() AS standby,
       'off' IN (current_setting('fsync'), current_setting('full_page_writes')) AS forgetful,
       pg_backend_pid()::bigint AS pid;

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

-- name: environment_enter_as
-- The same, for what writes: its events say by whom and in which request. $2 what app_source()
-- then is.
SELECT WHERE set_config('app.environment', $1::uuid::text, true) IS NOT NULL
         AND set_config('app.source', $2::text, true) IS NOT NULL;

-- name: environment_enter_alone
-- marks: twin
-- many: environment_enter_all
-- The same, for a write with an idempotency key. Only one write with that key runs at a time: a
-- twin waits here, and nowhere else, until the first one has ended. $2 number of the key's lock,
-- $3 app_source().
SELECT WHERE set_config('app.environment', $1::uuid::text, true) IS NOT NULL
         AND set_config('app.source', $3::text, true) IS NOT NULL
         AND pg_advisory_xact_lock($2::bigint) IS NOT NULL;

-- name: environment_enter_all
-- The same for a bundle (src/db/bundle.h): the group has the locks already. $1 environment, $2
-- numbers of the locks, $3 app_source() of each, which app.sources keeps.
SELECT WHERE set_config('app.environment', $1::uuid::text, true) IS NOT NULL
         AND set_config('app.sources', $3::text[]::text, true) IS NOT NULL
         AND $2::bigint[] IS NOT NULL;

-- name: group_lock
-- marks: twin
-- For a group of writes with idempotency keys, before any of them writes: takes the locks of all of
-- them, in the order of the numbers. No lock of the group is waited for for long: one that is taken
-- fails it, and each runs again by itself, so that none waits for another's twin. $1 numbers of the
-- keys' locks, in that order.
SELECT pg_advisory_xact_lock(n.number)
  FROM unnest($1::bigint[]) n (number), set_config('lock_timeout', '50', true) patience
 WHERE patience IS NOT NULL;

-- name: group_enter
-- After all of a group have been read: enters the environment of the next one that writes, and
-- what another one has noted about its own record does not hold for it. $1 environment.
SELECT WHERE set_config('app.environment', $1::uuid::text, true) IS NOT NULL
         AND set_config('app.replay', 'off', true) IS NOT NULL;

-- name: unhurried
-- This transaction's statements may take as long as their result is read, and the next one may come
-- when it comes.
SELECT set_config('statement_timeout', '0', true),
       set_config('idle_in_transaction_session_timeout', '0', true);
