-- class: online
-- Keys that were made with a key share its rate limit; and two indexes: one for the list of keys,
-- which would have to pass over those that were revoked, one for their number.

ALTER TABLE api_key ADD COLUMN limit_of uuid;
COMMENT ON COLUMN api_key.limit_of IS
    'the first key of the family whose rate limit this one shares; NULL: its own id';
CREATE INDEX api_key_not_revoked ON api_key (environment_id, id) WHERE revoked_at IS NULL;
CREATE INDEX api_key_live ON api_key (environment_id, expires_at) WHERE revoked_at IS NULL;
