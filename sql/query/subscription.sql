-- Reading subscriptions. What changes them stands in billing.sql.

-- What is shown of one, and what that follows from.
\set subscription_columns 's.id, s.customer_id, s.plan_id, s.price_id, s.name, s.status, s.step'
\set subscription_columns :subscription_columns ', s.base_price, s.metadata, s.period_start'
\set subscription_columns :subscription_columns ', s.period_end, s.trial_ends_at, s.start_date'
\set subscription_columns :subscription_columns ', s.end_date, s.cancel_asked_at, s.cancel_reason'
\set subscription_columns :subscription_columns ', s.cancel_at, s.cancel_early, s.next_kind'
\set subscription_columns :subscription_columns ', s.next_plan_id, s.next_at, s.checkout_token'
\set subscription_columns :subscription_columns ', s.success_url, s.created_at, s.updated_at'
\set subscription_columns :subscription_columns ', p.plan_name, p.plan_model, d.next_name'
\set subscription_columns :subscription_columns ', d.next_step, t.now_at, d.day, d.asked'

-- name: subscription_get
-- out: :subscription_columns
-- $1 environment, $2 id.
SELECT :subscription_columns
  FROM :life_from CROSS JOIN :today
 WHERE s.environment_id = $1::uuid AND s.id = $2::uuid;

-- name: subscription_active
-- out: :subscription_columns
-- The live one of a customer. $1 environment, $2 external id.
SELECT :subscription_columns
  FROM :life_from CROSS JOIN :today
 WHERE s.environment_id = $1::uuid AND s.status <> 'canceled'
   AND s.customer_id = (SELECT coalesce(c.merged_into, c.id) FROM customer c
                         WHERE c.environment_id = $1 AND c.external_id = $2::text);

-- name: subscription_active_either
-- out: :subscription_columns
-- The same of an id that may be either: $2 public id, $3 external id; a public id wins.
SELECT :subscription_columns
  FROM :life_from CROSS JOIN :today
 WHERE s.environment_id = $1::uuid AND s.status <> 'canceled'
   AND s.customer_id = (SELECT coalesce(
           (SELECT coalesce(c.merged_into, c.id) FROM customer c
             WHERE c.environment_id = $1 AND c.id = $2::uuid),
           (SELECT coalesce(c.merged_into, c.id) FROM customer c
             WHERE c.environment_id = $1 AND c.external_id = $3::text)));

-- name: subscription_list
-- out: :subscription_columns
-- One page, newest first. $1 environment, $2 id of the last row before the page, $3 rows.
SELECT :subscription_columns
  FROM :life_from CROSS JOIN :today
 WHERE s.environment_id = $1::uuid AND s.id < $2::uuid
 ORDER BY s.id DESC
 LIMIT $3::bigint;

-- name: subscription_list_status
-- out: :subscription_columns
-- The same for one status, $4.
SELECT :subscription_columns
  FROM :life_from CROSS JOIN :today
 WHERE s.environment_id = $1::uuid AND s.id < $2::uuid AND s.status = $4::text COLLATE "C"
 ORDER BY s.id DESC
 LIMIT $3::bigint;

-- name: subscription_list_customer
-- out: :subscription_columns
-- The same for one customer: $4 status or NULL, $5 public id or NULL, $6 external id.
SELECT :subscription_columns
  FROM :life_from CROSS JOIN :today
 WHERE s.environment_id = $1::uuid AND s.id < $2::uuid
   AND ($4::text IS NULL OR s.status = $4)
   AND s.customer_id = (SELECT coalesce(
           (SELECT coalesce(c.merged_into, c.id) FROM customer c
             WHERE c.environment_id = $1 AND c.id = $5::uuid),
           (SELECT coalesce(c.merged_into, c.id) FROM customer c
             WHERE c.environment_id = $1 AND c.external_id = $6::text)))
 ORDER BY s.id DESC
 LIMIT $3::bigint;
