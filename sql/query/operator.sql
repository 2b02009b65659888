-- What an operator looks at, as the owner, on the command line.

-- name: operator_customer_count
-- out: customers
-- $1 environment.
SELECT count(*)::bigint AS customers FROM customer c WHERE c.environment_id = $1::uuid;

-- name: operator_customer_get
-- out: :customer_columns
-- By public id or by the caller's own. $1 environment, $2 id or NULL, $3 external id or NULL.
SELECT :customer_columns
  FROM customer c
 WHERE c.environment_id = $1::uuid AND (c.id = $2::uuid OR c.external_id = $3::text);

-- name: operator_customer_list
-- out: id external_id email full_name is_active created_at
-- Newest first. $1 environment, $2 id of the last row of an earlier list, $3 rows.
SELECT c.id, c.external_id, c.email, c.full_name, c.is_active, c.created_at
  FROM customer c
 WHERE c.environment_id = $1::uuid AND c.id < $2::uuid
 ORDER BY c.id DESC
 LIMIT $3::bigint;
