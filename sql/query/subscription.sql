-- Reading subscriptions. What changes them stands in billing.sql.

-- The time of the environment.
\set today '(SELECT coalesce((SELECT b.test_clock FROM billing_setting b'
\set today :today ' WHERE b.environment_id = $1), date_trunc(''milliseconds'', now())) AS now_at) t'

-- name: subscription_get
-- out: :life_columns
-- $1 environment, $2 id.
SELECT :life_columns
  FROM :life_from CROSS JOIN :today
 WHERE s.environment_id = $1::uuid AND s.id = $2::uuid;

-- name: subscription_active
-- out: :life_columns
-- The live one of a customer. $1 environment, $2 public id or NULL, $3 external id; a public id
-- wins.
SELECT :life_columns
  FROM :life_from CROSS JOIN :today
 WHERE s.environment_id = $1::uuid AND s.status <> 'canceled'
   AND s.customer_id = (SELECT coalesce(
           (SELECT c.id FROM customer c
             WHERE c.environment_id = $1 AND c.id = $2::uuid),
           (SELECT c.id FROM customer c
             WHERE c.environment_id = $1 AND c.external_id = $3::text)));

-- name: subscription_list
-- out: :life_columns
-- One page, newest first. $1 environment, $2 id of the last row before the page, $3 rows.
SELECT :life_columns
  FROM :life_from CROSS JOIN :today
 WHERE s.environment_id = $1::uuid AND s.id < $2::uuid
 ORDER BY s.id DESC
 LIMIT $3::bigint;

-- name: subscription_list_status
-- out: :life_columns
-- The same for one status, $4.
SELECT :life_columns
  FROM :life_from CROSS JOIN :today
 WHERE s.environment_id = $1::uuid AND s.id < $2::uuid AND s.status = $4::text COLLATE "C"
 ORDER BY s.id DESC
 LIMIT $3::bigint;

-- name: subscription_list_customer
-- out: :life_columns
-- The same for one customer: $4 status or NULL, $5 public id or NULL, $6 external id.
SELECT :life_columns
  FROM :life_from CROSS JOIN :today
 WHERE s.environment_id = $1::uuid AND s.id < $2::uuid
   AND ($4::text IS NULL OR s.status = $4)
   AND s.customer_id = (SELECT coalesce(
           (SELECT c.id FROM customer c
             WHERE c.environment_id = $1 AND c.id = $5::uuid),
           (SELECT c.id FROM customer c
             WHERE c.environment_id = $1 AND c.external_id = $6::text)))
 ORDER BY s.id DESC
 LIMIT $3::bigint;
