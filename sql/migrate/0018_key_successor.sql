-- class: online
-- A key that was rotated: which one has taken its place. Rotating is a call of the API, too.

ALTER TABLE api_key ADD COLUMN successor uuid;
COMMENT ON COLUMN api_key.successor IS 'the key that was made to take its place; NULL: none was';
GRANT UPDATE (expires_at, successor) ON api_key TO clientele_serve;
