-- Makes the two roles and the database of Clientele. Run it as often as you like:
--
--   psql -X -v ON_ERROR_STOP=1 -f setup.sql [-v database=NAME] [-v locale=NAME] postgres
--
-- As a superuser, or with CREATEROLE and CREATEDB, as the administrator of a managed PostgreSQL has
-- them: then it says what only the provider's settings can do.
--
-- Both roles have no password: let pg_hba.conf say how they log in, or give them one with
-- \password. Then run `clientele migrate`, which makes the tables.

\set ON_ERROR_STOP on
\if :{?database} \else \set database clientele \endif
\if :{?locale} \else \set locale C.UTF-8 \endif
SET client_min_messages = warning;
SELECT set_config('setup.database', :'database', false) \g /dev/null

DO $$
BEGIN
    IF current_setting('server_version_num')::int < 150000 THEN
        RAISE EXCEPTION 'Clientele needs PostgreSQL 15 or newer';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = current_user
                      AND (rolsuper OR (rolcreaterole AND rolcreatedb))) THEN
        RAISE EXCEPTION 'the role % may not make roles and databases', current_user
            USING HINT = 'run it as a superuser, or as a role with CREATEROLE and CREATEDB';
    END IF;
END
$$;

-- clientele_owner owns the tables and migrates them; clientele_serve may read and write rows.
SELECT format('CREATE ROLE %I LOGIN', name)
    FROM (VALUES ('clientele_owner'), ('clientele_serve')) AS wanted (name)
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
SELECT format('ALTER ROLE %I LOGIN NOCREATEDB NOCREATEROLE', rolname)
    FROM pg_roles
    WHERE rolname IN ('clientele_owner', 'clientele_serve')
      AND (NOT rolcanlogin OR rolcreatedb OR rolcreaterole)
\gexec
SELECT format('ALTER ROLE %I NOSUPERUSER NOREPLICATION NOBYPASSRLS', rolname)
    FROM pg_roles
    WHERE rolname IN ('clientele_owner', 'clientele_serve')
      AND (rolsuper OR rolreplication OR rolbypassrls)
\gexec

CREATE TEMPORARY TABLE wanted (role name, name text, value text);
INSERT INTO wanted VALUES
    ('clientele_owner', 'search_path', 'public'),
    ('clientele_owner', 'timezone', 'UTC'),
    ('clientele_serve', 'search_path', 'public'),
    ('clientele_serve', 'timezone', 'UTC'),
    ('clientele_serve', 'default_transaction_isolation', 'read committed'),
    -- What is acknowledged must be on disk.
    ('clientele_serve', 'synchronous_commit', 'on'),
    -- For each connection of the service, statement_timeout and lock_timeout of clientele.conf
    -- replace these, which are for everything else that logs in as this role.
    ('clientele_serve', 'statement_timeout', '10s'),
    ('clientele_serve', 'lock_timeout', '5s'),
    ('clientele_serve', 'idle_in_transaction_session_timeout', '10s'),
    -- Short statements gain nothing from it.
    ('clientele_serve', 'jit', 'off'),
    -- Customers' data must not get into the server's log: no parameters, no "Key (...)=(...)".
    ('clientele_serve', 'log_parameter_max_length', '0'),
    ('clientele_serve', 'log_parameter_max_length_on_error', '0'),
    ('clientele_serve', 'log_error_verbosity', 'terse');

DELETE FROM wanted w
    USING pg_roles r JOIN pg_db_role_setting s ON s.setrole = r.oid AND s.setdatabase = 0,
          unnest(s.setconfig) AS setting
    WHERE r.rolname = w.role AND lower(setting) = lower(w.name || '=' || w.value);

-- Some may be set by a superuser alone, or by whom it allowed to.
CREATE TEMPORARY TABLE denied AS
    SELECT w.name, w.value
        FROM wanted w JOIN pg_settings p ON lower(p.name) = lower(w.name)
        WHERE p.context = 'superuser' AND NOT has_parameter_privilege(p.name, 'SET');
SELECT format('ALTER ROLE %I SET %I = %L', role, name, value)
    FROM wanted
    WHERE name NOT IN (SELECT name FROM denied)
\gexec
DO $$
BEGIN
    IF EXISTS (SELECT FROM denied) THEN
        RAISE WARNING 'only a superuser may set % for clientele_serve',
                (SELECT string_agg(name, ' and ' ORDER BY name) FROM denied)
            USING HINT = format('PostgreSQL''s log may show data of customers: set %s for the '
                                'whole server, where its provider lets you',
                                (SELECT string_agg(name || ' = ' || value, ' and ' ORDER BY name)
                                     FROM denied));
    END IF;
END
$$;

-- Without being a superuser one must be a member of the owner to make something its own.
SELECT NOT pg_has_role('clientele_owner', 'USAGE') AS joins \gset
\if :joins
    GRANT clientele_owner TO CURRENT_USER;
\endif

SELECT format('CREATE DATABASE %I OWNER clientele_owner TEMPLATE template0 '
              'ENCODING ''UTF8'' LOCALE %L', :'database', :'locale')
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\gexec

-- A database of this name that belongs to somebody else is not changed.
DO $$
DECLARE
    fault text;
BEGIN
    SELECT CASE WHEN d.datdba <> 'clientele_owner'::regrole
                THEN 'does not belong to clientele_owner'
                WHEN pg_encoding_to_char(d.encoding) <> 'UTF8'
                THEN 'is not in UTF8'
           END
        INTO fault
        FROM pg_database d
        WHERE d.datname = current_setting('setup.database');
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION 'database % exists and %', current_setting('setup.database'), fault
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
\if :joins
    REVOKE clientele_owner FROM CURRENT_USER;
\endif
