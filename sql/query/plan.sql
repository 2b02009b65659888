-- Plans and their prices. A deleted one is found by nobody but by whoever deletes it again; its
-- subscriptions go on with it.
--
-- Whoever changes the prices of a plan locks the plan first (plan_lock), so that each statement
-- after it sees all prices as they are.

\set erase :erase ', plan_prices AS (DELETE FROM plan_price WHERE environment_id = $1)'
\set erase :erase ', plans AS (DELETE FROM plan WHERE environment_id = $1)'
\set whole :whole ' UNION ALL SELECT ''plan'', to_json(t) FROM plan t'
\set whole :whole ' WHERE t.environment_id = s.id'
\set whole :whole ' UNION ALL SELECT ''plan_price'', to_json(t) FROM plan_price t'
\set whole :whole ' WHERE t.environment_id = s.id'
\set plan_columns 'p.id, p.code, p.name, p.description, p.consumption_model, p.is_public'
\set plan_columns :plan_columns ', p.is_free, p.block_on_exhaustion, p.plan_group_id'
\set plan_columns :plan_columns ', p.sort_order, p.metadata, p.created_at, p.updated_at, s.prices'
\set plan_price_columns 'r.id, r.plan_id, r.billing_interval, r.price, r.trial_days'
\set plan_price_columns :plan_price_columns ', r.is_default, r.included_balance'
\set plan_price_columns :plan_price_columns ', r.included_credits, r.metadata'
\set plan_price_columns :plan_price_columns ', r.created_at, r.updated_at'
-- With the prices of p, as rows of the columns of a price.
\set with_prices 'LEFT JOIN LATERAL (SELECT array_agg(ROW(r.id, r.plan_id, r.billing_interval'
\set with_prices :with_prices ', r.price, r.trial_days, r.is_default, r.included_balance'
\set with_prices :with_prices ', r.included_credits, r.metadata, r.created_at, r.updated_at)'
\set with_prices :with_prices ' ORDER BY r.id) AS prices FROM plan_price r'
\set with_prices :with_prices ' WHERE r.environment_id = $1::uuid AND r.plan_id = p.id'
\set with_prices :with_prices ' AND r.deleted_at IS NULL) s ON true'
-- The id of the plan that $2 id or NULL, $3 code mean, deleted ones included; an id counts more.
\set plan_meant '(SELECT coalesce((SELECT f.id FROM plan f WHERE f.environment_id = $1::uuid'
\set plan_meant :plan_meant ' AND f.id = $2::uuid), (SELECT f.id FROM plan f'
\set plan_meant :plan_meant ' WHERE f.environment_id = $1 AND f.code = $3::text)))'

-- name: plan_get
-- out: :plan_columns
-- $1 environment, $2 id or NULL, $3 code.
SELECT :plan_columns
  FROM plan p :with_prices
 WHERE p.environment_id = $1::uuid AND p.id = :plan_meant AND p.deleted_at IS NULL;

-- name: plan_list
-- out: :plan_columns
-- One page of all plans, newest first. $1 environment, $2 id of the last row before the page, $3
-- rows.
SELECT :plan_columns
  FROM plan p :with_prices
 WHERE p.environment_id = $1::uuid AND p.id < $2::uuid AND p.deleted_at IS NULL
 ORDER BY p.id DESC
 LIMIT $3::bigint;

-- name: plan_list_public
-- out: :plan_columns
-- The same of the public ones.
SELECT :plan_columns
  FROM plan p :with_prices
 WHERE p.environment_id = $1::uuid AND p.id < $2::uuid AND p.deleted_at IS NULL AND p.is_public
 ORDER BY p.id DESC
 LIMIT $3::bigint;

-- name: plan_create
-- out: :plan_columns
-- $1 environment, $2 id, $3 code, $4 name, $5 description, $6 consumption model, $7 public,
-- $8 free, $9 block on exhaustion, $10 group or NULL, $11 metadata, $12 time. In a group it comes
-- last. No row: there is no such group, or it is full.
WITH made AS (
    INSERT INTO plan (environment_id, id, code, name, description, consumption_model, is_public,
                      is_free, block_on_exhaustion, plan_group_id, sort_order, metadata, created_at,
                      updated_at)
    SELECT $1::uuid, $2::uuid, $3::text, $4::text, $5::text, $6::text, $7::boolean, $8::boolean,
           $9::boolean, g.id, :last_in_group, $11::json, $12::timestamptz, $12
      FROM (SELECT) one
      LEFT JOIN plan_group g
        ON g.environment_id = $1 AND g.id = $10::uuid AND g.deleted_at IS NULL AND :room_in_group
     WHERE :first_time AND ($10 IS NULL OR g.id IS NOT NULL)
    RETURNING *
)
SELECT :plan_columns
  FROM made p :with_prices;

-- name: plan_update
-- out: :plan_columns
-- $1 environment, $2 id or NULL, $3 code of the plan; $4 is the set of given fields, one bit each
-- in the order of the CASEs; $5 to $13 their values, $14 time. Another group puts it last there. No
-- row: there is no such plan or no such group, or it would be free and have prices.
WITH changed AS (
    UPDATE plan p
       SET code                = CASE WHEN $4::bigint & 1 <> 0 THEN $5::text ELSE p.code END,
           name                = CASE WHEN $4 & 2 <> 0 THEN $6::text ELSE p.name END,
           description         = CASE WHEN $4 & 4 <> 0 THEN $7::text ELSE p.description END,
           consumption_model   = CASE WHEN $4 & 8 <> 0 THEN $8::text ELSE p.consumption_model END,
           is_public           = CASE WHEN $4 & 16 <> 0 THEN $9::boolean ELSE p.is_public END,
           is_free             = CASE WHEN $4 & 32 <> 0 THEN $10::boolean ELSE p.is_free END,
           block_on_exhaustion = CASE WHEN $4 & 64 <> 0
                                      THEN $11::boolean ELSE p.block_on_exhaustion END,
           metadata            = CASE WHEN $4 & 128 <> 0 THEN $12::json ELSE p.metadata END,
           plan_group_id       = CASE WHEN $4 & 256 <> 0 THEN $13::uuid ELSE p.plan_group_id END,
           sort_order          = CASE WHEN $4 & 256 <> 0 AND p.plan_group_id IS DISTINCT FROM $13
                                      THEN (SELECT :last_in_group FROM plan_group g
                                             WHERE g.environment_id = $1 AND g.id = $13)
                                      ELSE p.sort_order END,
           -- As in customer_update.
           updated_at          = CASE WHEN p.updated_at > $14::timestamptz
                                       AND p.updated_at < $14 + interval '5 s'
                                      THEN p.updated_at ELSE $14 END
     WHERE :first_time AND p.environment_id = $1::uuid AND p.id = :plan_meant
       AND p.deleted_at IS NULL
       AND ($4::bigint & 256 = 0 OR p.plan_group_id = $13
            OR EXISTS (SELECT FROM plan_group g
                        WHERE g.environment_id = $1 AND g.id = $13 AND g.deleted_at IS NULL
                          AND :room_in_group))
       AND ($4 & 32 = 0 OR $10 IS FALSE
            OR NOT EXISTS (SELECT FROM plan_price r
                            WHERE r.environment_id = $1 AND r.plan_id = p.id
                              AND r.deleted_at IS NULL))
    RETURNING *
)
SELECT :plan_columns
  FROM changed p :with_prices;

-- name: plan_delete
-- out: id
-- Hides it. $1 environment, $2 id or NULL, $3 code, $4 time. A row also if it was deleted before.
WITH hidden AS (
    UPDATE plan p
       SET deleted_at = $4::timestamptz
     WHERE :first_time AND p.environment_id = $1::uuid AND p.id = :plan_meant
       AND p.deleted_at IS NULL
)
SELECT p.id
  FROM plan p
 WHERE p.environment_id = $1::uuid AND p.id = :plan_meant;

-- name: plan_lock
-- out: id plan_group_id
-- $1 environment, $2 id or NULL, $3 code.
SELECT p.id, p.plan_group_id
  FROM plan p
 WHERE p.environment_id = $1::uuid AND p.id = :plan_meant AND p.deleted_at IS NULL
   FOR NO KEY UPDATE;

-- name: plan_price_undefault
-- Before another price becomes the default. $1 environment, $2 id or NULL, $3 code of the plan, $4
-- the price that becomes it, or NULL: a new one.
UPDATE plan_price r
   SET is_default = false
 WHERE :first_time AND r.environment_id = $1::uuid AND r.plan_id = :plan_meant
   AND r.is_default AND r.deleted_at IS NULL
   AND ($4::uuid IS NULL
        OR EXISTS (SELECT FROM plan_price n
                    WHERE n.environment_id = $1 AND n.id = $4 AND n.plan_id = r.plan_id
                      AND n.deleted_at IS NULL));

-- name: plan_price_create
-- out: :plan_price_columns
-- The first one of a plan is its default, whatever is asked for. $1 environment, $2 id or NULL, $3
-- code of the plan, $4 id, $5 interval, $6 price, $7 trial days, $8 default, $9 included balance,
-- $10 included credits, $11 metadata, $12 time. No row: there is no such plan, or it is free.
INSERT INTO plan_price AS r
       (environment_id, plan_id, id, billing_interval, price, trial_days, is_default,
        included_balance, included_credits, metadata, created_at, updated_at)
SELECT $1::uuid, p.id, $4::uuid, $5::text, $6::bigint, $7::bigint,
       $8::boolean OR NOT EXISTS (SELECT FROM plan_price d
                                   WHERE d.environment_id = $1 AND d.plan_id = p.id
                                     AND d.is_default AND d.deleted_at IS NULL),
       $9::bigint, $10::bigint, $11::json, $12::timestamptz, $12
  FROM plan p
 WHERE :first_time AND p.environment_id = $1 AND p.id = :plan_meant AND p.deleted_at IS NULL
   AND NOT p.is_free
RETURNING :plan_price_columns;

-- name: plan_price_get
-- out: :plan_price_columns
-- $1 environment, $2 id or NULL, $3 code of the plan, $4 id.
SELECT :plan_price_columns
  FROM plan_price r
  JOIN plan p ON p.environment_id = $1::uuid AND p.id = r.plan_id AND p.deleted_at IS NULL
 WHERE r.environment_id = $1::uuid AND r.id = $4::uuid AND r.plan_id = :plan_meant
   AND r.deleted_at IS NULL;

-- name: plan_price_update
-- out: :plan_price_columns
-- $1 environment, $2 id or NULL, $3 code of the plan, $4 id, $5 the set of given fields, one bit
-- each in the order of the CASEs; $6 to $11 their values, $12 time. No row: there is no such price,
-- or it is the default and would not be it any more.
UPDATE plan_price r
   SET price            = CASE WHEN $5::bigint & 1 <> 0 THEN $6::bigint ELSE r.price END,
       trial_days       = CASE WHEN $5 & 2 <> 0 THEN $7::bigint ELSE r.trial_days END,
       is_default       = CASE WHEN $5 & 4 <> 0 THEN $8::boolean ELSE r.is_default END,
       included_balance = CASE WHEN $5 & 8 <> 0 THEN $9::bigint ELSE r.included_balance END,
       included_credits = CASE WHEN $5 & 16 <> 0 THEN $10::bigint ELSE r.included_credits END,
       metadata         = CASE WHEN $5 & 32 <> 0 THEN $11::json ELSE r.metadata END,
       updated_at       = CASE WHEN r.updated_at > $12::timestamptz
                                AND r.updated_at < $12 + interval '5 s'
                               THEN r.updated_at ELSE $12 END
 WHERE :first_time AND r.environment_id = $1::uuid AND r.id = $4::uuid AND r.plan_id = :plan_meant
   AND r.deleted_at IS NULL
   AND NOT ($5::bigint & 4 <> 0 AND $8 IS FALSE AND r.is_default)
RETURNING :plan_price_columns;

-- name: plan_price_delete
-- out: id
-- Hides it. $1 environment, $2 id or NULL, $3 code of the plan, $4 id, $5 time. A row also if it
-- was deleted before.
WITH hidden AS (
    UPDATE plan_price r
       SET deleted_at = $5::timestamptz, is_default = false
     WHERE :first_time AND r.environment_id = $1::uuid AND r.id = $4::uuid
       AND r.plan_id = :plan_meant AND r.deleted_at IS NULL
)
SELECT r.id
  FROM plan_price r
 WHERE r.environment_id = $1::uuid AND r.id = $4::uuid AND r.plan_id = :plan_meant;

-- name: plan_price_promote
-- After plan_price_delete: the oldest price becomes the default where there is none.
-- $1 environment, $2 id or NULL, $3 code of the plan.
UPDATE plan_price r
   SET is_default = true
 WHERE :first_time AND r.environment_id = $1::uuid
   AND r.id = (SELECT o.id FROM plan_price o
                WHERE o.environment_id = $1 AND o.plan_id = :plan_meant AND o.deleted_at IS NULL
                ORDER BY o.id LIMIT 1)
   AND NOT EXISTS (SELECT FROM plan_price d
                    WHERE d.environment_id = $1 AND d.plan_id = :plan_meant
                      AND d.is_default AND d.deleted_at IS NULL);
