-- class: online
-- Rate limits of single API keys. The serving role reads them. It may set one with a new key, and
-- change none.

ALTER TABLE api_key ADD COLUMN rate_limit text
    CHECK (rate_limit ~ '^(off|[1-9][0-9]{0,5}/[smh] burst [1-9][0-9]{0,5})$');
COMMENT ON COLUMN api_key.rate_limit IS
    'requests per second, minute or hour, and how many at once, as in "100/s burst 200", or off; '
    'NULL: as the configuration says';
