-- Organizations and environments. The serving role only reads them.

-- name: org_create
-- $1 organization, $2 name, $3 live environment, $4 sandbox environment.
WITH o AS (
    INSERT INTO organization (id, name) VALUES ($1::uuid, $2::text) RETURNING id
)
INSERT INTO environment (id, organization_id, livemode)
SELECT e.id, o.id, e.livemode
  FROM o, (VALUES ($3::uuid, true), ($4::uuid, false)) AS e (id, livemode);

-- name: org_list
-- out: id name api_version created_at
SELECT o.id, o.name, o.api_version, o.created_at FROM organization o ORDER BY o.name;

-- name: org_pin
-- $1 name, $2 version or NULL.
UPDATE organization o SET api_version = $2::text WHERE o.name = $1::text RETURNING o.id;

-- name: org_rename
-- out: id
-- $1 name, $2 new name.
UPDATE organization o SET name = $2::text WHERE o.name = $1::text RETURNING o.id;

-- name: org_delete
-- When all else of its environments is gone. $1 name.
WITH environments AS (
    DELETE FROM environment e USING organization o
     WHERE o.id = e.organization_id AND o.name = $1::text
)
DELETE FROM organization o WHERE o.name = $1 RETURNING o.id;

-- name: environment_erase
-- All rows of an environment, of every table: each file adds its tables to :erase. $1 environment.
WITH it AS (SELECT $1::uuid AS id) :erase SELECT it.id FROM it;

-- name: org_export
-- out: line
-- All that an organization has, a row of a table in a line of JSON, at one moment: each file adds
-- its tables to :whole. It enters one environment after the other itself: what is read of one
-- depends on s.id, so it is entered before. $1 name, $2 environments, $3 which of them are live.
SELECT json_build_object('object', 'organization', 'row', json_build_object(
           'id', o.id, 'name', o.name, 'api_version', o.api_version,
           'created_at', o.created_at))::text AS line
  FROM organization o
 WHERE o.name = $1::text
 UNION ALL
SELECT json_build_object('object', l.object, 'livemode', e.livemode, 'row', l.row)::text
  FROM unnest($2::uuid[], $3::boolean[]) e (id, livemode)
 CROSS JOIN LATERAL (SELECT set_config('app.environment', e.id::text, true)::uuid AS id
                     OFFSET 0) s
 CROSS JOIN LATERAL (SELECT 'environment' AS object, to_json(t) AS row FROM environment t
                      WHERE t.id = s.id
                     :whole) l;

-- name: environment_living_keys
-- out: living others
-- How many keys of an environment work, or worked less than $2 ms ago; and whether others may write
-- there: users, whom row-level security shows to the owner, or an import. $1 environment.
SELECT count(*)::bigint AS living,
       EXISTS (SELECT FROM environment e
                 JOIN user_member m ON m.organization_id = e.organization_id
                WHERE e.id = $1::uuid AND m.accepted_at IS NOT NULL)
       OR EXISTS (SELECT FROM import_job j
                   WHERE j.environment_id = $1 AND j.ended_at IS NULL
                     AND j.status IN ('queued', 'running')) AS others
  FROM api_key k
 WHERE k.environment_id = $1
   AND (k.revoked_at IS NULL OR k.revoked_at > now() - $2::bigint * interval '1 ms')
   AND (k.expires_at IS NULL OR k.expires_at > now() - $2 * interval '1 ms');

-- name: environment_list
-- out: id livemode name
-- Those of the organization named $1, or of all if that is NULL.
SELECT e.id, e.livemode, o.name
  FROM environment e JOIN organization o ON o.id = e.organization_id
 WHERE $1::text IS NULL OR o.name = $1
 ORDER BY o.name, e.livemode DESC;
