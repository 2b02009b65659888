-- Makes the two roles and the database of Clientele. Run it as a superuser, as often as you like:
--
--   psql -X -v ON_ERROR_STOP=1 -f setup.sql [-v database=NAME] [-v locale=NAME] postgres
--
-- Both roles have no password: let pg_hba.conf say how they log in, or give them one with
-- \password. Then run `clientele migrate`, which makes the tables.

\set ON_ERROR_STOP on
\if :{?database} \else \set database clientele \endif
\if :{?locale} \else \set locale C.UTF-8 \endif
SET client_min_messages = warning;

SELECT format('CREATE ROLE %I', name)
    FROM (VALUES ('clientele_owner'), ('clientele_serve')) AS wanted (name)
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

-- clientele_owner owns the tables and migrates them; clientele_serve may read and write rows.
ALTER ROLE clientele_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE clientele_serve LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

ALTER ROLE clientele_owner SET search_path = public;
ALTER ROLE clientele_owner SET timezone = 'UTC';

ALTER ROLE clientele_serve SET search_path = public;
ALTER ROLE clientele_serve SET timezone = 'UTC';
ALTER ROLE clientele_serve SET default_transaction_isolation = 'read committed';
-- What is acknowledged must be on disk.
ALTER ROLE clientele_serve SET synchronous_commit = on;
-- For each connection of the service, statement_timeout and lock_timeout of clientele.conf replace
-- these, which are for everything else that logs in as this role.
ALTER ROLE clientele_serve SET statement_timeout = '10s';
ALTER ROLE clientele_serve SET lock_timeout = '5s';
ALTER ROLE clientele_serve SET idle_in_transaction_session_timeout = '10s';
-- Short statements gain nothing from it.
ALTER ROLE clientele_serve SET jit = off;
-- Customers' data must not get into the server's log: no parameters, no "Key (...)=(...)".
ALTER ROLE clientele_serve SET log_parameter_max_length = 0;
ALTER ROLE clientele_serve SET log_parameter_max_length_on_error = 0;
ALTER ROLE clientele_serve SET log_error_verbosity = terse;

SELECT format('CREATE DATABASE %I OWNER clientele_owner TEMPLATE template0 '
              'ENCODING ''UTF8'' LOCALE %L', :'database', :'locale')
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\gexec

-- A database of this name that belongs to somebody else is not changed.
SELECT set_config('setup.database', :'database', false) \g /dev/null
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_database
                   WHERE datname = current_setting('setup.database')
                     AND datdba = 'clientele_owner'::regrole) THEN
        RAISE EXCEPTION 'database % exists and does not belong to clientele_owner',
                current_setting('setup.database')
            USING HINT = 'name another one with -v database=NAME';
    END IF;
END
$$;

REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO clientele_serve;

\connect :"database"
SET client_min_messages = warning;
ALTER SCHEMA public OWNER TO clientele_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO clientele_serve;
