-- Plan groups. A plan says which group it is in, and where in its order. Whoever changes who is in
-- a group locks the group first.

\set erase :erase ', plan_groups AS (DELETE FROM plan_group WHERE environment_id = $1)'
\set whole :whole ' UNION ALL SELECT ''plan_group'', to_json(t) FROM plan_group t'
\set whole :whole ' WHERE t.environment_id = s.id'
\set plan_group_columns 'g.id, g.name, g.description, g.is_public, g.created_at, g.updated_at'
\set plan_group_columns :plan_group_columns ', m.plans'
\set with_plans 'LEFT JOIN LATERAL (SELECT array_agg(ROW(p.id, p.code, p.name, p.sort_order)'
\set with_plans :with_plans ' ORDER BY p.sort_order, p.id) AS plans FROM plan p'
\set with_plans :with_plans ' WHERE p.environment_id = $1::uuid'
\set with_plans :with_plans ' AND p.plan_group_id = g.id AND p.deleted_at IS NULL) m ON true'
-- Whether another plan may join g, and its place then.
\set room_in_group '(SELECT count(*) FROM plan i WHERE i.environment_id = $1::uuid'
\set room_in_group :room_in_group ' AND i.plan_group_id = g.id AND i.deleted_at IS NULL) < 100'
\set last_in_group 'coalesce((SELECT max(i.sort_order) + 1 FROM plan i'
\set last_in_group :last_in_group ' WHERE i.environment_id = $1::uuid'
\set last_in_group :last_in_group ' AND i.plan_group_id = g.id), 0)'

-- name: plan_group_get
-- out: :plan_group_columns
-- $1 environment, $2 id.
SELECT :plan_group_columns
  FROM plan_group g :with_plans
 WHERE g.environment_id = $1::uuid AND g.id = $2::uuid AND g.deleted_at IS NULL;

-- name: plan_group_list
-- out: :plan_group_columns
-- One page, newest first, without their plans. $1 environment, $2 id of the last row before the
-- page, $3 rows.
SELECT :plan_group_columns
  FROM plan_group g, (SELECT NULL::record[] AS plans) m
 WHERE g.environment_id = $1::uuid AND g.id < $2::uuid AND g.deleted_at IS NULL
 ORDER BY g.id DESC
 LIMIT $3::bigint;

-- name: plan_group_create
-- $1 environment, $2 id, $3 name, $4 description, $5 public, $6 time.
INSERT INTO plan_group (environment_id, id, name, description, is_public, created_at, updated_at)
SELECT $1::uuid, $2::uuid, $3::text, $4::text, $5::boolean, $6::timestamptz, $6
 WHERE :first_time;

-- name: plan_group_update
-- out: :plan_group_columns
-- $1 environment, $2 id, $3 the set of given fields, one bit each in the order of the CASEs; $4 to
-- $6 their values, $7 time. No row: there is no such group.
WITH changed AS (
    UPDATE plan_group g
       SET name        = CASE WHEN $3::bigint & 1 <> 0 THEN $4::text ELSE g.name END,
           description = CASE WHEN $3 & 2 <> 0 THEN $5::text ELSE g.description END,
           is_public   = CASE WHEN $3 & 4 <> 0 THEN $6::boolean ELSE g.is_public END,
           updated_at  = CASE WHEN g.updated_at > $7::timestamptz
                               AND g.updated_at < $7 + interval '5 s'
                              THEN g.updated_at ELSE $7 END
     WHERE :first_time AND g.environment_id = $1::uuid AND g.id = $2::uuid
       AND g.deleted_at IS NULL
    RETURNING *
)
SELECT :plan_group_columns
  FROM changed g, (SELECT NULL::record[] AS plans) m;

-- name: plan_group_lock
-- out: live room
-- Deleted ones, too. $1 environment, $2 id.
SELECT g.deleted_at IS NULL AS live, :room_in_group AS room
  FROM plan_group g
 WHERE g.environment_id = $1::uuid AND g.id = $2::uuid
   FOR NO KEY UPDATE;

-- name: plan_group_delete
-- Its plans are in no group then. $1 environment, $2 id, $3 time. A row also if it was deleted
-- before.
WITH hidden AS (
    UPDATE plan_group g
       SET deleted_at = $3::timestamptz
     WHERE :first_time AND g.environment_id = $1::uuid AND g.id = $2::uuid
       AND g.deleted_at IS NULL
), left_alone AS (
    UPDATE plan p
       SET plan_group_id = NULL, sort_order = 0, updated_at = greatest($3, p.updated_at)
     WHERE :first_time AND p.environment_id = $1 AND p.plan_group_id = $2
)
SELECT g.id
  FROM plan_group g
 WHERE g.environment_id = $1::uuid AND g.id = $2::uuid;

-- name: plan_group_add
-- out: sort_order
-- Without a place the plan comes last, or stays where it is. $1 environment, $2 id or NULL, $3 code
-- of the plan, $4 group, $5 its place or NULL, $6 time. No row: there is no such plan or group, the
-- plan is in another group, or the group is full.
UPDATE plan p
   SET plan_group_id = g.id,
       sort_order    = coalesce($5::bigint, CASE WHEN p.plan_group_id = g.id THEN p.sort_order END,
                                :last_in_group),
       updated_at    = greatest($6::timestamptz, p.updated_at)
  FROM plan_group g
 WHERE :first_time AND p.environment_id = $1::uuid AND p.id = :plan_meant AND p.deleted_at IS NULL
   AND g.environment_id = $1 AND g.id = $4::uuid AND g.deleted_at IS NULL
   AND (p.plan_group_id = g.id OR p.plan_group_id IS NULL AND :room_in_group)
RETURNING p.sort_order;

-- name: plan_group_remove
-- $1 environment, $2 id or NULL, $3 code of the plan, $4 group, $5 time.
UPDATE plan p
   SET plan_group_id = NULL, sort_order = 0, updated_at = greatest($5::timestamptz, p.updated_at)
 WHERE :first_time AND p.environment_id = $1::uuid AND p.id = :plan_meant AND p.deleted_at IS NULL
   AND p.plan_group_id = $4::uuid
   AND EXISTS (SELECT FROM plan_group g
                WHERE g.environment_id = $1 AND g.id = $4 AND g.deleted_at IS NULL);

-- name: plan_group_reorder
-- Puts the plans of a group in order, if these are all of them and each once; else there is no
-- row. $1 environment, $2 group, $3 ids of plans, NULL for what is none, $4 the same as codes, $5
-- time.
WITH wanted AS (
    SELECT i.n - 1 AS place,
           (SELECT coalesce((SELECT f.id FROM plan f
                              WHERE f.environment_id = $1::uuid AND f.id = i.id),
                            (SELECT f.id FROM plan f
                              WHERE f.environment_id = $1 AND f.code = i.code))) AS id
      FROM unnest($3::uuid[], $4::text[]) WITH ORDINALITY AS i (id, code, n)
), members AS (
    SELECT p.id FROM plan p
     WHERE p.environment_id = $1 AND p.plan_group_id = $2::uuid AND p.deleted_at IS NULL
), judged AS (
    SELECT count(*) = (SELECT count(*) FROM members) AND count(m.id) = count(*)
           AND count(DISTINCT m.id) = count(*) AS fits
      FROM wanted w LEFT JOIN members m ON m.id = w.id
), moved AS (
    UPDATE plan p
       SET sort_order = w.place, updated_at = greatest($5::timestamptz, p.updated_at)
      FROM wanted w, judged j
     WHERE :first_time AND j.fits AND p.environment_id = $1 AND p.id = w.id
       AND p.plan_group_id = $2
)
SELECT j.fits FROM judged j WHERE j.fits;
