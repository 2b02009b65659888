-- Finding the holder of an API key. Everything else that is done with keys stands in api_key.sql.

-- name: key_holder
-- Says which key this transaction holds, so that row-level security shows its row. $1 hash.
SELECT set_config('app.key_hash', encode($1::bytea, 'hex'), true);

-- name: key_find
-- out: environment organization id livemode api_version unmarked rate_limit family expires_at
-- out: permissions allowed_addresses
-- Whose the key is. unmarked: key_used has something to record. family: the key whose limit it
-- shares, or itself. $1 hash.
SELECT k.environment_id AS environment, e.organization_id AS organization, k.id, e.livemode,
       o.api_version,
       k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute' AS unmarked,
       k.rate_limit, coalesce(k.limit_of, k.id) AS family, k.expires_at, k.permissions,
       k.allowed_addresses
  FROM api_key k
  JOIN environment e ON e.id = k.environment_id
  JOIN organization o ON o.id = e.organization_id
 WHERE k.hash = $1::bytea
   AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now());

-- name: key_used
-- Records the last use of a key, at most once a minute. $1 environment, $2 key.
UPDATE api_key k SET last_used_at = now()
 WHERE k.environment_id = $1::uuid AND k.id = $2::uuid
   AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute');
