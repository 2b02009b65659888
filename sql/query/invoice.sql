-- Reading invoices. What makes and changes them stands in billing.sql.

\set invoice_columns 'i.id, i.customer_id, i.subscription_id, n.shown_number, i.status'
\set invoice_columns :invoice_columns ', i.invoice_type, i.currency, i.subtotal'
\set invoice_columns :invoice_columns ', i.credit_applied, i.total, i.period_start, n.shown_end'
\set invoice_columns :invoice_columns ', i.issue_date, i.due_date, i.plan_name, i.created_at'
\set invoice_columns :invoice_columns ', i.updated_at, n.lines, i.token'
-- The number has six digits at least. What was bought once has no period to end; clients read a
-- time there all the same. A line that lowers the sum is a credit.
\set invoice_from 'invoice i CROSS JOIN LATERAL (SELECT coalesce(i.period_end, i.period_start)'
\set invoice_from :invoice_from ' AS shown_end, ''INV-'''
\set invoice_from :invoice_from ' || repeat(''0'', 6 - length(i.number::text)) || i.number'
\set invoice_from :invoice_from ' AS shown_number, (SELECT array_agg(ROW('
\set invoice_from :invoice_from 'CASE WHEN l.amount < 0 THEN ''credit'' ELSE ''plan_base'' END'
\set invoice_from :invoice_from ', l.description, l.quantity, l.unit_amount, l.amount'
\set invoice_from :invoice_from ', ''standard''::text)'
\set invoice_from :invoice_from ' ORDER BY l.position) FROM invoice_line l WHERE l.environment_id'
\set invoice_from :invoice_from ' = i.environment_id AND l.invoice_id = i.id) AS lines) n'
\set of_customer '(SELECT coalesce((SELECT coalesce(c.merged_into, c.id) FROM customer c'
\set of_customer :of_customer ' WHERE c.environment_id = $1 AND c.id = $5::uuid)'
\set of_customer :of_customer ', (SELECT coalesce(c.merged_into, c.id) FROM customer c'
\set of_customer :of_customer ' WHERE c.environment_id = $1 AND c.external_id = $6::text)))'

-- name: invoice_get
-- out: :invoice_columns
-- $1 environment, $2 id.
SELECT :invoice_columns
  FROM :invoice_from
 WHERE i.environment_id = $1::uuid AND i.id = $2::uuid;

-- name: invoice_outstanding
-- out: :invoice_columns period_index
-- The same, for whoever is about to settle it and has locked its subscription.
SELECT :invoice_columns
     , i.period_index
  FROM :invoice_from
 WHERE :first_time AND i.environment_id = $1::uuid AND i.id = $2::uuid;

-- name: invoice_list
-- out: :invoice_columns
-- One page, newest first. $1 environment, $2 id of the last row before the page, $3 rows.
SELECT :invoice_columns
  FROM :invoice_from
 WHERE i.environment_id = $1::uuid AND i.id < $2::uuid
 ORDER BY i.id DESC
 LIMIT $3::bigint;

-- name: invoice_list_status
-- out: :invoice_columns
-- The same for one status, $4.
SELECT :invoice_columns
  FROM :invoice_from
 WHERE i.environment_id = $1::uuid AND i.id < $2::uuid AND i.status = $4::text COLLATE "C"
 ORDER BY i.id DESC
 LIMIT $3::bigint;

-- name: invoice_list_customer
-- out: :invoice_columns
-- The same for one customer: $4 status or NULL, $5 public id or NULL, $6 external id.
SELECT :invoice_columns
  FROM :invoice_from
 WHERE i.environment_id = $1::uuid AND i.id < $2::uuid
   AND ($4::text IS NULL OR i.status = $4) AND i.customer_id = :of_customer
 ORDER BY i.id DESC
 LIMIT $3::bigint;

-- name: invoice_list_subscription
-- out: :invoice_columns
-- The same for one subscription, $7, and a customer if $6 is not NULL.
SELECT :invoice_columns
  FROM :invoice_from
 WHERE i.environment_id = $1::uuid AND i.id < $2::uuid
   AND i.subscription_id = $7::uuid AND ($4::text IS NULL OR i.status = $4)
   AND ($6::text IS NULL OR i.customer_id = :of_customer)
 ORDER BY i.id DESC
 LIMIT $3::bigint;
