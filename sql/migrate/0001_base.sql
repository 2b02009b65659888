-- class: online
-- Organizations, their environments, API keys, customers, events and idempotency keys.
--
-- Rules for every table of tenants' data:
--   * its primary key and its unique indexes begin with environment_id;
--   * row-level security is forced, so that even the owner sees only the environment that the
--     transaction has entered (app.environment); the WHERE clauses are the first lock, this is
--     the second;
--   * indexed text has COLLATE "C": byte order, which no update of the operating system changes;
--   * times have milliseconds, as the API shows them.

CREATE FUNCTION app_environment() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    -- Once a transaction has set it, an unset setting is '' and not NULL.
    RETURN nullif(current_setting('app.environment', true), '')::uuid;

CREATE TABLE organization (
    id          uuid NOT NULL PRIMARY KEY,
    name        text COLLATE "C" NOT NULL UNIQUE CHECK (name <> ''),
    api_version text,
    created_at  timestamptz(3) NOT NULL DEFAULT now()
);
COMMENT ON COLUMN organization.api_version IS
    'the pin: the version of requests without a Commet-Version header; NULL: the current version';

CREATE TABLE environment (
    id              uuid NOT NULL PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    livemode        boolean NOT NULL,
    UNIQUE (organization_id, livemode)
);

CREATE TABLE api_key (
    environment_id uuid NOT NULL REFERENCES environment,
    id             uuid NOT NULL,
    hash           bytea NOT NULL CHECK (length(hash) = 32),
    name           text NOT NULL,
    prefix         text NOT NULL,
    created_at     timestamptz(3) NOT NULL DEFAULT now(),
    expires_at     timestamptz(3),
    revoked_at     timestamptz(3),
    last_used_at   timestamptz(3),
    PRIMARY KEY (environment_id, id)
);
COMMENT ON COLUMN api_key.hash IS 'SHA-256 of the key, which itself is stored nowhere';
-- The one index that cannot begin with the environment: it is what finds the environment.
CREATE UNIQUE INDEX api_key_hash ON api_key (hash);

-- No foreign key to environment: each insert would lock that one row, and environments are never
-- deleted.
CREATE TABLE customer (
    environment_id uuid NOT NULL,
    id             uuid NOT NULL,
    external_id    text COLLATE "C",
    email          text NOT NULL,
    full_name      text,
    tax_document   text,
    address        json,
    address_id     uuid,
    timezone       text NOT NULL,
    metadata       json NOT NULL,
    is_active      boolean NOT NULL,
    created_at     timestamptz(3) NOT NULL,
    updated_at     timestamptz(3) NOT NULL,
    PRIMARY KEY (environment_id, id),
    CONSTRAINT customer_external_id UNIQUE (environment_id, external_id)
);
COMMENT ON COLUMN customer.id IS
    'UUIDv7: in the order of creation, so that the primary key serves lists and cursors';
COMMENT ON COLUMN customer.metadata IS
    'json, not jsonb: it is returned as the very text that was sent';
COMMENT ON COLUMN customer.address IS 'known members only, in one order, as the API shows them';

-- The outbox: an event is written in the transaction of the change that it reports.
CREATE TABLE event (
    environment_id uuid NOT NULL,
    id             bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    type           text NOT NULL,
    customer_id    uuid NOT NULL,
    created_at     timestamptz(3) NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, id)
);

-- No column has another table's type, so every table can change while old keys are repeated.
CREATE TABLE idempotency_key (
    environment_id uuid NOT NULL,
    key            text COLLATE "C" NOT NULL,
    request_hash   bytea NOT NULL,
    maker          uuid NOT NULL,
    version        text NOT NULL,
    asked          text,
    status         integer NOT NULL,
    headers        text NOT NULL,
    answer         bytea NOT NULL,
    sealed         boolean NOT NULL,
    created_at     timestamptz(3) NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, key)
);
COMMENT ON COLUMN idempotency_key.request_hash IS
    'a hash of what the request meant: method, path, and the body as canonical JSON';
COMMENT ON COLUMN idempotency_key.maker IS
    'a random mark of the request that wrote the record: after a lost connection it finds its own';
COMMENT ON COLUMN idempotency_key.version IS 'the API version that the answer was made for';
COMMENT ON COLUMN idempotency_key.asked IS 'the Commet-Version header as it was sent';
COMMENT ON COLUMN idempotency_key.headers IS
    'those headers of the answer that its handler set, one a line';
COMMENT ON COLUMN idempotency_key.answer IS
    'the body of the answer, byte for byte; encrypted if sealed, because it shows a secret';
CREATE INDEX idempotency_key_created_at ON idempotency_key (created_at);

ALTER TABLE api_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_key FORCE ROW LEVEL SECURITY;
ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
ALTER TABLE customer FORCE ROW LEVEL SECURITY;
ALTER TABLE event ENABLE ROW LEVEL SECURITY;
ALTER TABLE event FORCE ROW LEVEL SECURITY;
ALTER TABLE idempotency_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_key FORCE ROW LEVEL SECURITY;

CREATE POLICY environment ON api_key USING (environment_id = app_environment());
-- The holder of a key may see its row before the environment is known.
CREATE POLICY holder ON api_key FOR SELECT
    USING (hash = decode(current_setting('app.key_hash', true), 'hex'));
CREATE POLICY environment ON customer USING (environment_id = app_environment());
CREATE POLICY environment ON event USING (environment_id = app_environment());
CREATE POLICY environment ON idempotency_key USING (environment_id = app_environment());
-- Expired idempotency keys are removed from all environments at once.
CREATE POLICY housekeeping_sees ON idempotency_key FOR SELECT
    USING (current_setting('app.housekeeping', true) = 'on');
CREATE POLICY housekeeping_deletes ON idempotency_key FOR DELETE
    USING (current_setting('app.housekeeping', true) = 'on');

-- The serving role may do what it needs and no more.
GRANT SELECT ON organization, environment, schema_migration TO clientele_serve;
GRANT SELECT, INSERT, UPDATE (last_used_at, revoked_at) ON api_key TO clientele_serve;
GRANT SELECT, INSERT ON customer TO clientele_serve;
GRANT UPDATE (external_id, email, full_name, tax_document, address, timezone, metadata, is_active,
        updated_at) ON customer TO clientele_serve;
GRANT INSERT ON event TO clientele_serve;
GRANT SELECT, INSERT, DELETE ON idempotency_key TO clientele_serve;
