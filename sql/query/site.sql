-- The pages for people (src/site). A token says whose it is, so the environment is entered before
-- anything is looked for. What the pages change stands in billing.sql.
--
-- Days are those where the customer is. An invoice of a customer who was erased shows what was kept
-- of that (invoice_party); without that it has no page.

\set site_from 'JOIN environment e ON e.id = s.environment_id'
\set site_from :site_from ' JOIN organization o ON o.id = e.organization_id'
\set site_from :site_from ' LEFT JOIN billing_setting b ON b.environment_id = s.environment_id'

-- name: site_invoice
-- out: number status currency subtotal credit total lines issued due paid period_start period_end
-- out: seller livemode email full_name tax_document address instructions
-- $1 environment, $2 token.
SELECT n.shown_number AS number, i.status, i.currency, i.subtotal, i.credit_applied AS credit,
       i.total, n.lines,
       to_char(billing_local(i.issue_date, s.zone), 'FMDD FMMonth YYYY') AS issued,
       to_char(billing_local(i.due_date, s.zone), 'FMDD FMMonth YYYY') AS due,
       to_char(billing_local(i.paid_at, s.zone), 'FMDD FMMonth YYYY') AS paid,
       to_char(billing_local(i.period_start, s.zone), 'FMDD FMMonth YYYY') AS period_start,
       to_char(billing_local(i.period_end, s.zone), 'FMDD FMMonth YYYY') AS period_end,
       o.name AS seller, e.livemode, c.email, c.full_name, c.tax_document,
       (SELECT string_agg(x.part, E'\n' ORDER BY x.place)
          FROM (VALUES (1, c.address->>'line1'), (2, c.address->>'line2'),
                       (3, concat_ws(' ', c.address->>'postalCode', c.address->>'city')),
                       (4, c.address->>'state'), (5, c.address->>'region'),
                       (6, c.address->>'country')) x (place, part)
         WHERE x.part <> '') AS address,
       b.payment_instructions AS instructions
  FROM :invoice_from
  JOIN subscription s ON s.environment_id = i.environment_id AND s.id = i.subscription_id
  JOIN LATERAL (SELECT x.email, x.full_name, x.tax_document, x.address FROM customer x
                 WHERE x.environment_id = i.environment_id AND x.id = i.customer_id
                 UNION ALL
                SELECT x.email, x.full_name, x.tax_document, x.address FROM invoice_party x
                 WHERE x.environment_id = i.environment_id AND x.invoice_id = i.id) c ON true
       :site_from
 WHERE i.environment_id = $1::uuid AND i.token = $2::text COLLATE "C";

-- name: site_checkout
-- out: subscription_id is_open is_done is_change invoice_id number invoice_token currency subtotal
-- out: credit total lines plan_name step price trial_days until success_url seller livemode
-- out: instructions
-- What a checkout page asks for: the payment of an invoice, or without one that a trial is begun.
-- is_open: it still does; is_done: it was done. $1 environment, $2 token, $3 that of its invoice.
SELECT s.id AS subscription_id,
       CASE WHEN i.id IS NULL THEN s.status = 'pending_payment'
            ELSE i.status = 'outstanding'
                 AND (s.status = 'pending_payment' OR w.is_change) END AS is_open,
       CASE WHEN i.id IS NULL THEN s.status NOT IN ('pending_payment', 'canceled')
            ELSE i.status = 'paid' END AS is_done,
       w.is_change, i.id AS invoice_id, i.number, i.token AS invoice_token,
       coalesce(i.currency, b.currency, 'usd') AS currency, coalesce(i.subtotal, 0) AS subtotal,
       coalesce(i.credit_applied, 0) AS credit, coalesce(i.total, 0) AS total, i.lines,
       coalesce(i.plan_name, p.name) AS plan_name,
       CASE WHEN w.is_change THEN r.billing_interval ELSE s.step END AS step,
       CASE WHEN w.is_change THEN r.price ELSE s.base_price END AS price, s.trial_days,
       CASE WHEN w.is_change
            THEN to_char(billing_local(s.next_at, s.zone), 'FMDD FMMonth YYYY HH24:MI ') || s.zone
            END AS until,
       s.success_url, o.name AS seller, e.livemode, b.payment_instructions AS instructions
  FROM subscription s
  JOIN plan p ON p.environment_id = s.environment_id AND p.id = s.plan_id
       :site_from
  LEFT JOIN (SELECT i.environment_id, i.subscription_id, i.id, n.shown_number AS number, i.token,
                    i.status, i.currency, i.subtotal, i.credit_applied, i.total, i.plan_name,
                    n.lines
               FROM :invoice_from) i
    ON i.environment_id = s.environment_id AND i.subscription_id = s.id
   AND i.token = $3::text COLLATE "C"
 CROSS JOIN LATERAL (SELECT i.id IS NOT NULL AND i.id IS NOT DISTINCT FROM s.next_invoice_id
                         AS is_change) w
  LEFT JOIN plan_price r ON r.environment_id = s.environment_id AND r.id = s.next_price_id
 WHERE s.environment_id = $1::uuid
   AND s.id = (SELECT coalesce(
           (SELECT x.id FROM subscription x
             WHERE x.environment_id = $1 AND x.checkout_token = $2::text COLLATE "C"),
           (SELECT y.subscription_id FROM invoice y
             WHERE y.environment_id = $1 AND y.token = $3)));
