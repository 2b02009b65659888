-- API keys as a resource: made, listed and revoked through the API and on the command line.

\set erase :erase ', api_keys AS (DELETE FROM api_key WHERE environment_id = $1)'
-- Without the hash.
\set whole :whole ' UNION ALL SELECT ''api_key'', json_build_object(''id'', t.id, ''name'', t.name'
\set whole :whole ', ''prefix'', t.prefix, ''created_at'', t.created_at'
\set whole :whole ', ''expires_at'', t.expires_at, ''revoked_at'', t.revoked_at'
\set whole :whole ', ''last_used_at'', t.last_used_at, ''permissions'', t.permissions'
\set whole :whole ', ''allowed_addresses'', t.allowed_addresses, ''rate_limit'', t.rate_limit'
\set whole :whole ', ''limit_of'', t.limit_of, ''successor'', t.successor) FROM api_key t'
\set whole :whole ' WHERE t.environment_id = s.id'
\set api_key_columns 'k.id, k.name, k.prefix, k.created_at, k.expires_at, k.last_used_at'
\set api_key_columns :api_key_columns ', k.permissions, k.allowed_addresses'

-- name: api_key_turn
-- Before api_key_create, so that its count still holds at the commit: keys of one environment are
-- made one after the other. $1 environment.
SELECT WHERE pg_advisory_xact_lock(1, hashtext($1::uuid::text)) IS NOT NULL;

-- name: api_key_create
-- out: made live
-- One new key, unless there are too many that work. made: it was made; live: how many there were.
-- $1 environment, $2 id, $3 hash, $4 name, $5 prefix, $6 time, $7 time when it expires or NULL,
-- $8 rate limit or NULL, $9 the key whose limit it shares or NULL, $10 the key that makes it or
-- NULL: it must work now, and not end before the new one; $11 how many keys there may be, $12
-- permissions or NULL, $13 addresses or NULL.
WITH alive AS (
    SELECT (SELECT count(*) FROM api_key k
             WHERE k.environment_id = $1::uuid AND k.revoked_at IS NULL AND k.expires_at > now())
         + (SELECT count(*) FROM api_key k
             WHERE k.environment_id = $1 AND k.revoked_at IS NULL AND k.expires_at IS NULL) AS n
), made AS (
    INSERT INTO api_key (environment_id, id, hash, name, prefix, created_at, expires_at, rate_limit,
                         limit_of, permissions, allowed_addresses)
    SELECT $1::uuid, $2::uuid, $3::bytea, $4::text, $5::text, $6::timestamptz, $7::timestamptz,
           $8::text, $9::uuid, $12::json, $13::json
      FROM alive
     WHERE :first_time AND alive.n < $11::bigint
       AND ($10::uuid IS NULL
            OR EXISTS (SELECT FROM api_key m
                        WHERE m.environment_id = $1 AND m.id = $10 AND m.revoked_at IS NULL
                          AND (m.expires_at IS NULL OR m.expires_at >= $7)))
    RETURNING id
)
SELECT set_config('app.expected', (count(made.id) = 1)::text, true)::boolean AS made,
       max(alive.n) AS live
  FROM alive LEFT JOIN made ON true;

-- name: api_key_get
-- out: :api_key_columns
-- One that is not revoked. $1 environment, $2 id.
SELECT :api_key_columns
  FROM api_key k
 WHERE k.environment_id = $1::uuid AND k.id = $2::uuid AND k.revoked_at IS NULL;

-- name: api_key_list
-- out: :api_key_columns
-- One page of the keys that are not revoked, newest first. $1 environment, $2 id of the last row
-- before the page, $3 rows.
SELECT :api_key_columns
  FROM api_key k
 WHERE k.environment_id = $1::uuid AND k.id < $2::uuid AND k.revoked_at IS NULL
 ORDER BY k.id DESC
 LIMIT $3::bigint;

-- name: api_key_list_all
-- out: :api_key_columns revoked_at rate_limit expired
-- All keys, with those that are revoked. $1 environment.
SELECT :api_key_columns
     , k.revoked_at, k.rate_limit, coalesce(k.expires_at <= now(), false) AS expired
  FROM api_key k
 WHERE k.environment_id = $1::uuid
 ORDER BY k.id;

-- name: api_key_revoke
-- $1 environment, $2 id. No row: there is no such key here, or it was revoked before.
UPDATE api_key k SET revoked_at = now()
 WHERE k.environment_id = $1::uuid AND k.id = $2::uuid AND k.revoked_at IS NULL
RETURNING k.id;

-- name: api_key_limit
-- Of a key and all that share it. $1 environment, $2 id, $3 rate limit or NULL. No row: there is no
-- such key here, or it was revoked.
UPDATE api_key k SET rate_limit = $3::text
  FROM api_key one
 WHERE one.environment_id = $1::uuid AND one.id = $2::uuid AND one.revoked_at IS NULL
   AND k.environment_id = $1
   AND coalesce(k.limit_of, k.id) = coalesce(one.limit_of, one.id)
RETURNING k.id;

-- name: api_key_find
-- out: :api_key_columns family
-- One that works. family: the key whose limit it shares, or itself. $1 environment, $2 key.
SELECT :api_key_columns
     , coalesce(k.limit_of, k.id) AS family
  FROM api_key k
 WHERE k.environment_id = $1::uuid AND k.id = $2::uuid
   AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now());

-- name: api_key_rotate
-- out: made successor live expires_at
-- Makes a successor of a key that works, with all that this one has and as long a life, and gives
-- this one an end, never a later one than it has. successor: the one that it had before; live: how
-- many keys there were; no row: there is no such key here, or it does not work. $1 environment, $2
-- key, $3 id of the successor, $4 hash, $5 prefix, $6 time, $7 ms until the old key ends: it is the
-- database's clock that says whether one has expired, $8 the key that calls or NULL: it must work
-- now, and the successor ends with it at the latest, $9 how many keys there may be.
WITH alive AS (
    SELECT (SELECT count(*) FROM api_key k
             WHERE k.environment_id = $1::uuid AND k.revoked_at IS NULL AND k.expires_at > now())
         + (SELECT count(*) FROM api_key k
             WHERE k.environment_id = $1 AND k.revoked_at IS NULL AND k.expires_at IS NULL) AS n
), old AS (
    SELECT k.name, k.created_at, k.expires_at, k.rate_limit, coalesce(k.limit_of, k.id) AS family,
           k.permissions, k.allowed_addresses, k.successor
      FROM api_key k
     WHERE k.environment_id = $1 AND k.id = $2::uuid
       AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
       FOR UPDATE
), caller AS (
    SELECT k.id, k.expires_at
      FROM api_key k
     WHERE k.environment_id = $1 AND k.id = $8::uuid
       AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
), made AS (
    INSERT INTO api_key (environment_id, id, hash, name, prefix, created_at, expires_at, rate_limit,
                         limit_of, permissions, allowed_addresses)
    SELECT $1, $3::uuid, $4::bytea, old.name, $5::text, $6::timestamptz,
           least($6 + (old.expires_at - old.created_at), caller.expires_at), old.rate_limit,
           old.family, old.permissions, old.allowed_addresses
      FROM alive, old LEFT JOIN caller ON true
     WHERE :first_time AND old.successor IS NULL AND alive.n < $9::bigint
       AND ($8 IS NULL OR caller.id IS NOT NULL)
    RETURNING expires_at
), ended AS (
    UPDATE api_key k
       SET expires_at = least(k.expires_at, now() + $7::bigint * interval '1 millisecond'),
           successor = $3
      FROM made
     WHERE k.environment_id = $1 AND k.id = $2
    RETURNING k.id
)
SELECT ended.id IS NOT NULL AS made, old.successor, alive.n AS live, made.expires_at
  FROM alive CROSS JOIN old LEFT JOIN made ON true LEFT JOIN ended ON true;
