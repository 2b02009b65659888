-- Organizations, environments and API keys. The serving role only reads them.

-- name: key_holder
-- The key that this transaction holds, so that row-level security shows its row. $1 hash.
SELECT set_config('app.key_hash', encode($1::bytea, 'hex'), true);

-- name: key_find
-- Who the key is. $1 hash.
SELECT k.environment_id, e.organization_id, k.id, e.livemode, o.api_version,
       k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute', k.rate_limit
  FROM api_key k
  JOIN environment e ON e.id = k.environment_id
  JOIN organization o ON o.id = e.organization_id
 WHERE k.hash = $1::bytea
   AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now());

-- name: key_used
-- $1 environment, $2 key.
UPDATE api_key k SET last_used_at = now()
 WHERE k.environment_id = $1::uuid AND k.id = $2::uuid
   AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute');

-- name: org_create
-- $1 organization, $2 name, $3 live environment, $4 sandbox environment.
WITH o AS (
    INSERT INTO organization (id, name) VALUES ($1::uuid, $2::text) RETURNING id
)
INSERT INTO environment (id, organization_id, livemode)
SELECT e.id, o.id, e.livemode FROM o, (VALUES ($3::uuid, true), ($4::uuid, false)) AS e (id, livemode);

-- name: org_list
SELECT o.id, o.name, o.api_version, o.created_at FROM organization o ORDER BY o.name;

-- name: org_pin
-- $1 name, $2 version or NULL.
UPDATE organization o SET api_version = $2::text WHERE o.name = $1::text RETURNING o.id;

-- name: environment_list
-- Of the organization named $1, or of all when NULL.
SELECT e.id, e.livemode, o.name
  FROM environment e JOIN organization o ON o.id = e.organization_id
 WHERE $1::text IS NULL OR o.name = $1
 ORDER BY o.name, e.livemode DESC;

-- name: key_create
-- $1 environment, $2 id, $3 hash, $4 name, $5 prefix, $6 time, $7 time of its end or NULL, $8 rate limit or NULL.
INSERT INTO api_key (environment_id, id, hash, name, prefix, created_at, expires_at, rate_limit)
VALUES ($1::uuid, $2::uuid, $3::bytea, $4::text, $5::text, $6::timestamptz, $7::timestamptz, $8::text);

-- name: key_list
-- One page of those that were not revoked, newest first. $1 environment, $2 id of the last row before
-- the page, $3 rows.
SELECT k.id, k.name, k.prefix, k.created_at, k.expires_at, k.last_used_at
  FROM api_key k
 WHERE k.environment_id = $1::uuid AND k.id < $2::uuid AND k.revoked_at IS NULL
 ORDER BY k.id DESC
 LIMIT $3::bigint;

-- name: key_list_all
-- Revoked ones too. $1 environment.
SELECT k.id, k.name, k.prefix, k.created_at, k.expires_at, k.last_used_at, k.revoked_at, k.rate_limit
  FROM api_key k
 WHERE k.environment_id = $1::uuid
 ORDER BY k.id;

-- name: key_revoke
-- $1 environment, $2 key. No row: not here, or revoked before.
UPDATE api_key k SET revoked_at = now()
 WHERE k.environment_id = $1::uuid AND k.id = $2::uuid AND k.revoked_at IS NULL
RETURNING k.id;

-- name: key_limit
-- $1 environment, $2 key, $3 rate limit or NULL. No row: not here, or revoked.
UPDATE api_key k SET rate_limit = $3::text
 WHERE k.environment_id = $1::uuid AND k.id = $2::uuid AND k.revoked_at IS NULL
RETURNING k.id;
