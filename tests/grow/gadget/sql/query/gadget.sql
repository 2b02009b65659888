-- Gadgets. Every statement names the environment, although row-level security would suffice; one
-- that writes has the condition :first_time, so it does nothing if the request was answered before.

\set erase :erase ', gadgets AS (DELETE FROM gadget WHERE environment_id = $1)'
\set whole :whole ' UNION ALL SELECT ''gadget'', to_json(t) FROM gadget t'
\set whole :whole ' WHERE t.environment_id = s.id'
\set gadget_columns 'g.id, g.code, g.color, g.size, g.part_of, g.created_at, g.updated_at'

-- name: gadget_get
-- out: :gadget_columns
-- $1 environment, $2 id.
SELECT :gadget_columns
  FROM gadget g
 WHERE g.environment_id = $1::uuid AND g.id = $2::uuid;

-- name: gadget_list
-- out: :gadget_columns
-- One page, newest first. $1 environment, $2 id of the last row before the page, $3 rows.
SELECT :gadget_columns
  FROM gadget g
 WHERE g.environment_id = $1::uuid AND g.id < $2::uuid
 ORDER BY g.id DESC
 LIMIT $3::bigint;

-- name: gadget_create
-- $1 environment, then the columns.
INSERT INTO gadget (environment_id, id, code, color, size, part_of, created_at, updated_at)
SELECT $1::uuid, $2::uuid, $3::text, $4::text, $5::bigint, $6::uuid, $7::timestamptz,
       $8::timestamptz
 WHERE :first_time;

-- name: gadget_update
-- out: :gadget_columns
-- $1 environment, $2 id, $3 time, $4 code, $5 color, $6 size. A NULL, or a size of 0, leaves the
-- column as it is.
UPDATE gadget g
   SET code       = coalesce($4::text, g.code),
       color      = coalesce($5::text, g.color),
       size       = coalesce(nullif($6::bigint, 0), g.size),
       updated_at = greatest($3::timestamptz, g.updated_at)
 WHERE :first_time AND g.environment_id = $1::uuid AND g.id = $2::uuid
RETURNING :gadget_columns;

-- name: gadget_put_part
-- out: :gadget_columns
-- $1 environment, $2 the whole, $3 its part, $4 time.
UPDATE gadget g
   SET part_of    = w.id,
       updated_at = greatest($4::timestamptz, g.updated_at)
  FROM gadget w
 WHERE :first_time AND g.environment_id = $1::uuid AND g.id = $3::uuid
   AND w.environment_id = $1 AND w.id = $2::uuid AND w.id <> g.id
RETURNING :gadget_columns;
