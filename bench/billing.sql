-- A plan in each organization of load.sql, and a subscription of every other customer of those that all of them share;
-- nothing is due. Run by a superuser; psql variables: shared (customers), organizations.
SET synchronous_commit = off;

CREATE TEMP TABLE place AS
SELECT e.id AS environment_id, gen_random_uuid() AS plan_id, gen_random_uuid() AS price_id
  FROM environment e JOIN organization o ON o.id = e.organization_id
 WHERE o.name LIKE 'Bench %';

INSERT INTO billing_setting (environment_id, collection) SELECT environment_id, 'invoice' FROM place;
INSERT INTO plan (environment_id, id, code, name, is_public, is_free, metadata, created_at, updated_at)
SELECT environment_id, plan_id, 'pro', 'Pro', true, false, '{}', now(), now() FROM place;
INSERT INTO plan_price (environment_id, id, plan_id, billing_interval, price, trial_days, is_default, metadata, created_at, updated_at)
SELECT environment_id, price_id, plan_id, 'monthly', 2900, 0, true, '{}', now(), now() FROM place;

INSERT INTO subscription (environment_id, id, customer_id, plan_id, price_id, name, status, step, base_price, metadata, zone,
                          anchor, period_index, period_start, period_end, start_date, activated, noticed, created_at, updated_at)
SELECT p.environment_id, gen_random_uuid(), c.id, p.plan_id, p.price_id, 'Pro', 'active', 'monthly', 2900, '{}', c.timezone,
       t.at, 1, t.at, billing_period_end(t.at, c.timezone, 'monthly', 1), t.at, true, true, t.at, t.at
  FROM place p JOIN customer c ON c.environment_id = p.environment_id,
       LATERAL (SELECT CASE WHEN c.external_id ~ '^1[0-9]{9}$' THEN c.external_id::bigint - 1000000000 END) n (number),
       LATERAL (SELECT date_trunc('day', now()) - interval '10 days') t (at)
 WHERE n.number < :shared AND n.number / :organizations % 2 = 1;

VACUUM (ANALYZE) subscription;
ANALYZE billing_setting, plan, plan_price, invoice, invoice_line, invoice_counter, customer_credit, event;
