-- What an operator looks at, as the owner, on the command line.

-- name: operator_customer_count
-- out: customers
-- $1 environment.
SELECT count(*)::bigint AS customers
  FROM customer c
 WHERE c.environment_id = $1::uuid AND c.merged_into IS NULL;

-- name: operator_customer_get
-- out: :customer_columns merged_into
-- By public id or by the caller's own. $1 environment, $2 id or NULL, $3 external id or NULL.
SELECT :customer_columns, c.merged_into
  FROM customer c
 WHERE c.environment_id = $1::uuid AND (c.id = $2::uuid OR c.external_id = $3::text);

-- name: operator_plan_list
-- out: id code name is_public is_free prices created_at
-- Newest first, without deleted ones. The default price is the first one. $1 environment, $2 id of
-- the last row of an earlier list, $3 rows.
SELECT p.id, p.code, p.name, p.is_public, p.is_free,
       (SELECT json_object_agg(r.billing_interval, r.price ORDER BY r.is_default DESC, r.id)
          FROM plan_price r
         WHERE r.environment_id = $1::uuid AND r.plan_id = p.id
           AND r.deleted_at IS NULL) AS prices,
       p.created_at
  FROM plan p
 WHERE p.environment_id = $1::uuid AND p.id < $2::uuid AND p.deleted_at IS NULL
 ORDER BY p.id DESC
 LIMIT $3::bigint;

-- name: operator_plan_price_create
-- Prices of a new plan, of which the first is the default. $1 environment, $2 plan, $3 ids, $4
-- intervals, $5 amounts, $6 trial days, $7 time.
INSERT INTO plan_price (environment_id, plan_id, id, billing_interval, price, trial_days,
                        is_default, metadata, created_at, updated_at)
SELECT $1::uuid, $2::uuid, i.id, i.billing_interval, i.price, $6::bigint, i.n = 1, '{}',
       $7::timestamptz, $7
  FROM unnest($3::uuid[], $4::text[], $5::bigint[]) WITH ORDINALITY
       AS i (id, billing_interval, price, n);
