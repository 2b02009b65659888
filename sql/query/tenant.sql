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

-- name: environment_list
-- out: id livemode name
-- Those of the organization named $1, or of all if that is NULL.
SELECT e.id, e.livemode, o.name
  FROM environment e JOIN organization o ON o.id = e.organization_id
 WHERE $1::text IS NULL OR o.name = $1
 ORDER BY o.name, e.livemode DESC;
