-- class: online
-- People who sign in: their accounts, what they may do in which organization, links that let them
-- in, and sessions.
--
-- They belong to no environment, so the rules for tenants' tables do not fit. Instead a transaction
-- of the serving role says for whom it acts, and sees what is his:
--   * app.user: the user himself, his memberships and sessions;
--   * app.organization: its members, with their accounts, links and sessions there;
--   * app.email: the account with that address, to look at its password;
--   * app.key_hash: the session or the link whose secret somebody has shown.
-- The owner of the tables, with whom the operator's commands connect, sees all of them.

CREATE FUNCTION app_user() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.user', true), '')::uuid;

CREATE FUNCTION app_organization() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.organization', true), '')::uuid;

CREATE TABLE user_account (
    id         uuid NOT NULL PRIMARY KEY,
    email      text COLLATE "C" NOT NULL CONSTRAINT user_account_email UNIQUE,
    name       text,
    password   text,
    totp       bytea CHECK (length(totp) = 20),
    totp_next  bytea CHECK (length(totp_next) = 20),
    totp_step  bigint NOT NULL DEFAULT 0,
    recovery   bytea[] NOT NULL DEFAULT '{}',
    created_at timestamptz(3) NOT NULL DEFAULT now()
);
COMMENT ON COLUMN user_account.email IS 'A to Z in lower case, so that it is found however typed';
COMMENT ON COLUMN user_account.password IS 'Argon2id with its parameters; NULL: none was set yet';
COMMENT ON COLUMN user_account.totp_next IS 'a secret that no code has confirmed yet';
COMMENT ON COLUMN user_account.totp_step IS 'of the last code that was taken: none is taken twice';
COMMENT ON COLUMN user_account.recovery IS 'SHA-256 of the recovery codes that are left';

CREATE TABLE user_member (
    organization_id uuid NOT NULL REFERENCES organization ON DELETE CASCADE,
    user_id         uuid NOT NULL REFERENCES user_account,
    role            text NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    created_at      timestamptz(3) NOT NULL DEFAULT now(),
    accepted_at     timestamptz(3),
    PRIMARY KEY (organization_id, user_id)
);
COMMENT ON COLUMN user_member.accepted_at IS 'NULL: was invited, and may do nothing yet';
CREATE INDEX user_member_user ON user_member (user_id);

CREATE TABLE user_link (
    hash            bytea NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    organization_id uuid NOT NULL REFERENCES organization ON DELETE CASCADE,
    user_id         uuid NOT NULL REFERENCES user_account ON DELETE CASCADE,
    purpose         text NOT NULL CHECK (purpose IN ('invite', 'reset', 'sign_in')),
    expires_at      timestamptz(3) NOT NULL
);
COMMENT ON COLUMN user_link.hash IS 'SHA-256 of the secret in the link, which is stored nowhere';
CREATE INDEX user_link_user ON user_link (user_id);

CREATE TABLE user_session (
    id              uuid NOT NULL PRIMARY KEY,
    hash            bytea NOT NULL CONSTRAINT user_session_hash UNIQUE CHECK (length(hash) = 32),
    user_id         uuid NOT NULL REFERENCES user_account ON DELETE CASCADE,
    organization_id uuid NOT NULL REFERENCES organization ON DELETE CASCADE,
    livemode        boolean NOT NULL,
    created_at      timestamptz(3) NOT NULL DEFAULT now(),
    seen_at         timestamptz(3) NOT NULL DEFAULT now(),
    expires_at      timestamptz(3) NOT NULL
);
COMMENT ON COLUMN user_session.hash IS 'SHA-256 of the cookie, which itself is stored nowhere';
COMMENT ON COLUMN user_session.livemode IS 'which environment of the organization it acts in';
COMMENT ON COLUMN user_session.seen_at IS 'within a minute';
CREATE INDEX user_session_user ON user_session (user_id, id);

ALTER TABLE user_account ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_account FORCE ROW LEVEL SECURITY;
ALTER TABLE user_member ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_member FORCE ROW LEVEL SECURITY;
ALTER TABLE user_link ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_link FORCE ROW LEVEL SECURITY;
ALTER TABLE user_session ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_session FORCE ROW LEVEL SECURITY;

CREATE POLICY operator ON user_account TO CURRENT_USER USING (true);
CREATE POLICY operator ON user_member TO CURRENT_USER USING (true);
CREATE POLICY operator ON user_link TO CURRENT_USER USING (true);
CREATE POLICY operator ON user_session TO CURRENT_USER USING (true);

CREATE POLICY own ON user_account USING (id = app_user());
CREATE POLICY asked ON user_account FOR SELECT USING (email = current_setting('app.email', true));
CREATE POLICY colleague ON user_account FOR SELECT
    USING (id IN (SELECT m.user_id FROM user_member m
                   WHERE m.organization_id = app_organization()));
CREATE POLICY invited ON user_account FOR INSERT WITH CHECK (app_organization() IS NOT NULL);
CREATE POLICY own ON user_member USING (user_id = app_user());
CREATE POLICY organization ON user_member USING (organization_id = app_organization());
CREATE POLICY own ON user_link USING (user_id = app_user());
CREATE POLICY organization ON user_link USING (organization_id = app_organization());
CREATE POLICY holder ON user_link FOR SELECT
    USING (hash = decode(current_setting('app.key_hash', true), 'hex'));
CREATE POLICY own ON user_session USING (user_id = app_user());
CREATE POLICY organization ON user_session USING (organization_id = app_organization());
CREATE POLICY holder ON user_session FOR SELECT
    USING (hash = decode(current_setting('app.key_hash', true), 'hex'));

GRANT SELECT, INSERT (id, email, name), DELETE ON user_account TO clientele_serve;
GRANT UPDATE (password, totp, totp_next, totp_step, recovery) ON user_account TO clientele_serve;
GRANT SELECT, INSERT, DELETE ON user_member TO clientele_serve;
GRANT UPDATE (role, accepted_at) ON user_member TO clientele_serve;
GRANT SELECT, INSERT, DELETE ON user_link TO clientele_serve;
GRANT SELECT, INSERT, DELETE ON user_session TO clientele_serve;
GRANT UPDATE (hash, organization_id, livemode, seen_at) ON user_session TO clientele_serve;

-- What a user of the environment's organization is called, for histories. It runs as the owner, so
-- that what reads a history sees nothing else of users.
CREATE FUNCTION user_called(who uuid) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(a.name, a.email)
      FROM public.environment e
      JOIN public.user_member m ON m.organization_id = e.organization_id
      JOIN public.user_account a ON a.id = m.user_id
     WHERE e.id = public.app_environment() AND m.user_id = who
$$;
REVOKE ALL ON FUNCTION user_called(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION user_called(uuid) TO clientele_serve;

COMMENT ON FUNCTION app_source() IS
    'who does what a transaction does, and in which request: an API key, in its uuid''s spelling; '
    'a user, in that behind ''user:''; ''page'', ''command'', or ''service'' for what is due';
