-- What a change of a subscription reads and writes, whoever asks for it: a call of the API, or a
-- deadline. Always in this order: lock, look, decide (src/billing/life.c), save.
--
-- The row that is locked is that of the subscription, or that of the customer when a new one is
-- made, and then that of his live one. billing_look comes after it as a statement of its own,
-- because only a new snapshot sees what another transaction has just committed; so does
-- billing_live. They leave a note for each other: app.customer.
--
-- A deadline, or some of one environment, is one transaction: billing_enter; billing_claim, or
-- billing_claim_of one environment, or billing_claim_one subscription; billing_look, which finds
-- what was claimed; and billing_save for each (src/billing/advance.c). billing_failed notes one
-- that failed, and billing_claim passes over it for a while; billing_recovered takes the note away.

\set erase :erase ', settings AS (DELETE FROM billing_setting WHERE environment_id = $1)'
\set erase :erase ', subscriptions AS (DELETE FROM subscription WHERE environment_id = $1)'
\set erase :erase ', invoices AS (DELETE FROM invoice WHERE environment_id = $1)'
\set erase :erase ', lines AS (DELETE FROM invoice_line WHERE environment_id = $1)'
\set erase :erase ', counters AS (DELETE FROM invoice_counter WHERE environment_id = $1)'
\set erase :erase ', credits AS (DELETE FROM customer_credit WHERE environment_id = $1)'
\set erase :erase ', failures AS (DELETE FROM billing_failure WHERE environment_id = $1)'
\set erase :erase ', parties AS (DELETE FROM invoice_party WHERE environment_id = $1)'
\set whole :whole ' UNION ALL SELECT ''billing_setting'', to_json(t) FROM billing_setting t'
\set whole :whole ' WHERE t.environment_id = s.id'
\set whole :whole ' UNION ALL SELECT ''subscription'', to_json(t) FROM subscription t'
\set whole :whole ' WHERE t.environment_id = s.id'
\set whole :whole ' UNION ALL SELECT ''invoice'', to_json(t) FROM invoice t'
\set whole :whole ' WHERE t.environment_id = s.id'
\set whole :whole ' UNION ALL SELECT ''invoice_line'', to_json(t) FROM invoice_line t'
\set whole :whole ' WHERE t.environment_id = s.id'
\set whole :whole ' UNION ALL SELECT ''invoice_party'', to_json(t) FROM invoice_party t'
\set whole :whole ' WHERE t.environment_id = s.id'
\set whole :whole ' UNION ALL SELECT ''invoice_counter'', to_json(t) FROM invoice_counter t'
\set whole :whole ' WHERE t.environment_id = s.id'
\set whole :whole ' UNION ALL SELECT ''customer_credit'', to_json(t) FROM customer_credit t'
\set whole :whole ' WHERE t.environment_id = s.id'
-- The rows of an erased customer stay, because money is counted by them, but no words of others.
-- What is printed on invoices is kept of those that were to be paid and were not given up.
\set forget :forget ', subscriptions AS (UPDATE subscription s SET metadata = ''{}'''
\set forget :forget ', cancel_reason = NULL, success_url = NULL, checkout_token = NULL, name ='
\set forget :forget ' (SELECT p.name FROM plan p WHERE p.environment_id = $1 AND p.id = s.plan_id)'
\set forget :forget ' WHERE s.environment_id = $1'
\set forget :forget ' AND s.customer_id = ANY (ARRAY(SELECT it.id FROM it)))'
\set forget :forget ', told AS (UPDATE event e SET state = NULL WHERE e.environment_id = $1'
\set forget :forget ' AND e.customer_id = ANY (ARRAY(SELECT it.id FROM it))'
\set forget :forget ' AND e.state IS NOT NULL)'
\set forget :forget ', credits AS (UPDATE customer_credit k SET balance = 0'
\set forget :forget ' WHERE k.environment_id = $1'
\set forget :forget ' AND k.customer_id = ANY (ARRAY(SELECT it.id FROM it)))'
\set forget :forget ', printed AS (INSERT INTO invoice_party (environment_id, invoice_id, email'
\set forget :forget ', full_name, tax_document, address, issued_at) SELECT $1, i.id, c.email'
\set forget :forget ', c.full_name, c.tax_document, c.address, i.issue_date FROM invoice i'
\set forget :forget ' JOIN customer c ON c.environment_id = i.environment_id'
\set forget :forget ' AND c.id = i.customer_id WHERE i.environment_id = $1'
\set forget :forget ' AND i.customer_id = ANY (ARRAY(SELECT it.id FROM it)) AND $3::bigint > 0'
\set forget :forget ' AND i.issue_date >= now() - $3 * interval ''1 ms'''
\set forget :forget ' AND i.status IN (''outstanding'', ''paid'', ''uncollectible''))'

-- A subscription as it is kept, in the order in which billing_save takes it; then what is shown.
\set life_columns 's.id, s.customer_id, s.plan_id, s.price_id, s.name, s.status, s.step'
\set life_columns :life_columns ', s.base_price, s.metadata, s.zone, s.anchor, s.anchor_index'
\set life_columns :life_columns ', s.period_index, s.period_start, s.period_end, s.trial_days'
\set life_columns :life_columns ', s.trial_ends_at, s.start_date, s.end_date, s.activated'
\set life_columns :life_columns ', s.noticed, s.cancel_asked_at, s.cancel_reason, s.cancel_at'
\set life_columns :life_columns ', s.cancel_early, s.next_kind, s.next_plan_id, s.next_price_id'
\set life_columns :life_columns ', s.next_at, s.next_invoice_id, s.checkout_token, s.success_url'
\set life_columns :life_columns ', s.clocked, s.due_at, s.due_what, s.created_at, s.updated_at'
\set life_columns :life_columns ', p.plan_name, p.plan_model, d.next_name, d.next_step'
\set life_columns :life_columns ', t.now_at, d.day, d.asked'

-- A statement opens all tables that it joins, before it has seen a row, so the change that waits,
-- if there is one, is looked up by functions.
\set life_from 'subscription s JOIN (SELECT x.environment_id, x.id, x.name AS plan_name'
\set life_from :life_from ', x.consumption_model AS plan_model, x.is_free AS plan_free'
\set life_from :life_from ', x.plan_group_id AS group_id'
\set life_from :life_from ', x.sort_order AS plan_order FROM plan x) p'
\set life_from :life_from ' ON p.environment_id = s.environment_id AND p.id = s.plan_id'
\set life_from :life_from ' CROSS JOIN LATERAL (SELECT extract(day FROM billing_local('
\set life_from :life_from 'coalesce(s.anchor, s.start_date), s.zone))::bigint AS day'
\set life_from :life_from ', CASE WHEN s.next_plan_id IS NOT NULL THEN billing_plan_name('
\set life_from :life_from 's.environment_id, s.next_plan_id) END AS next_name'
\set life_from :life_from ', CASE WHEN s.next_price_id IS NOT NULL THEN billing_price_step('
\set life_from :life_from 's.environment_id, s.next_price_id) END AS next_step'
\set life_from :life_from ', CASE WHEN s.checkout_token IS NOT NULL THEN billing_asked('
\set life_from :life_from 's.environment_id, s.id, s.status, s.next_invoice_id) END AS asked) d'

-- The time of the environment.
\set today '(SELECT coalesce((SELECT b.test_clock FROM billing_setting b'
\set today :today ' WHERE b.environment_id = $1), date_trunc(''milliseconds'', now())) AS now_at) t'

-- How the environment bills, in one row; now_at is its time. Without $1 it is the environment that
-- billing_claim has entered.
\set terms '(SELECT coalesce(max(b.currency), ''usd'') AS currency'
\set terms :terms ', coalesce(max(b.collection), ''checkout'') AS collection'
\set terms :terms ', coalesce(max(b.net_days), 14)::bigint AS net_days'
\set terms :terms ', coalesce(max(b.grace_days), 7)::bigint AS grace_days'
\set terms :terms ', max(b.test_clock) IS NOT NULL AS stopped'
\set terms :terms ', coalesce(max(b.test_clock), date_trunc(''milliseconds'', now())) AS now_at'
\set terms :terms ' FROM billing_setting b WHERE b.environment_id'
\set terms :terms ' = (SELECT coalesce($1::uuid, app_environment()))) t'

\set noted_customer 'nullif(current_setting(''app.customer'', true), '''')::uuid'

-- What a claim tells of s, the first row that it takes, with the ids of all: when that was due,
-- whether it has failed before, how many there are, and others: the sessions of this role in
-- this database that PostgreSQL is working for at this moment, as often as there are clerks. Clerks
-- give way to requests, and not to each other. Then it notes the rows.
\set has_failed 'EXISTS (SELECT FROM billing_failure f'
\set has_failed :has_failed ' WHERE f.environment_id = x.environment_id'
\set has_failed :has_failed ' AND f.subscription_id = x.id AND f.due_at = x.due_at)'
\set claimed 's.due_at AS due, EXISTS (SELECT FROM billing_failure f'
\set claimed :claimed ' WHERE f.environment_id = s.environment_id'
\set claimed :claimed ' AND f.subscription_id = s.id) AS failed'
\set claimed :claimed ', cardinality(s.ids)::bigint AS deadlines'
\set busy '(SELECT count(*) FILTER (WHERE a.pid <> pg_backend_pid()'
\set busy :busy ' AND a.application_name <> ''clientele clerk'')'
\set busy :busy ' * greatest(1, count(*) FILTER ('
\set busy :busy 'WHERE a.application_name = ''clientele clerk''))'
\set busy :busy ' FROM pg_stat_get_activity(NULL) a WHERE a.state = ''active'' AND a.datid ='
\set busy :busy ' (SELECT m.datid FROM pg_stat_get_activity(pg_backend_pid()) m))'
\set noted 'set_config(''app.environment'', s.environment_id::text, true)'
\set noted :noted ', set_config(''app.claimed'', s.ids::text, true)'
\set noted :noted ', set_config(''app.clerk'', ''off'', true)'

-- A plan p and one of its prices r, to be selected at the time t, for a customer in z.zone. gone:
-- the plan was deleted; priced: it has a price; end_at: of a period that begins now, and day the
-- day of the month on which it does, or on which z.begins lies.
\set offer_columns 'o.plan_id, o.plan_name, o.plan_model, o.is_free, o.group_id, o.sort_order'
\set offer_columns :offer_columns ', o.gone, o.priced, o.price_id, o.step, o.amount, o.trial_days'
\set offer_columns :offer_columns ', o.end_at, o.day'
\set offered '(SELECT p.id AS plan_id, p.name AS plan_name, p.consumption_model AS plan_model'
\set offered :offered ', p.is_free, p.plan_group_id AS group_id, p.sort_order'
\set offered :offered ', p.deleted_at IS NOT NULL AS gone, EXISTS (SELECT FROM plan_price x'
\set offered :offered ' WHERE x.environment_id = $1 AND x.plan_id = p.id'
\set offered :offered ' AND x.deleted_at IS NULL) AS priced, r.id AS price_id'
\set offered :offered ', r.billing_interval AS step, coalesce(r.price, 0) AS amount'
\set offered :offered ', coalesce(r.trial_days, 0) AS trial_days'
\set offered :offered ', billing_period_end(t.now_at, z.zone, r.billing_interval, 1) AS end_at'
\set offered :offered ', extract(day FROM billing_local(coalesce(z.begins, t.now_at)'
\set offered :offered ', z.zone))::bigint AS day) o'

-- name: billing_order
-- out: :offer_columns id timezone now_at currency collection net_days grace_days stopped archived
-- Locks the customer for whom a subscription is made, and says how the environment bills, and what
-- the plan and the price are, if they are found. One statement for all that needs no new snapshot:
-- each table costs whenever a statement names it. $1 environment, $2 public id or NULL, $3 external
-- id; a public id wins. $4 plan, or NULL: $5 its code. The price is $6, or that for the interval
-- $7, or without both the default one. $8 when the subscription begins, or NULL: now.
SELECT :offer_columns, c.id, c.timezone, t.now_at, t.currency, t.collection, t.net_days,
       t.grace_days, t.stopped, c.archived_at IS NOT NULL AS archived,
       set_config('app.customer', c.id::text, true)
  FROM customer c CROSS JOIN :terms
 CROSS JOIN LATERAL (SELECT c.timezone AS zone, $8::timestamptz AS begins) z
  LEFT JOIN plan p
    ON p.environment_id = $1
   AND p.id = (SELECT coalesce($4::uuid,
           (SELECT x.id FROM plan x WHERE x.environment_id = $1 AND x.code = $5::text)))
  LEFT JOIN LATERAL (
       SELECT x.* FROM plan_price x
        WHERE x.environment_id = $1 AND x.plan_id = p.id AND x.deleted_at IS NULL
          AND NOT p.is_free
          AND ($6::uuid IS NULL OR x.id = $6) AND ($7::text IS NULL OR x.billing_interval = $7)
        ORDER BY x.is_default DESC
        LIMIT 1) r ON true
 CROSS JOIN LATERAL :offered
 WHERE :first_time AND c.environment_id = $1::uuid
   AND c.id = (SELECT coalesce(
           (SELECT coalesce(x.merged_into, x.id) FROM customer x
             WHERE x.environment_id = $1 AND x.id = $2::uuid),
           (SELECT coalesce(x.merged_into, x.id) FROM customer x
             WHERE x.environment_id = $1 AND x.external_id = $3::text)))
   FOR NO KEY UPDATE OF c;

-- name: billing_payer
-- Whether there is such a customer: a row, or none. $1 environment, $2 public id or NULL,
-- $3 external id.
SELECT c.id
  FROM customer c
 WHERE c.environment_id = $1::uuid
   AND c.id = (SELECT coalesce(
           (SELECT coalesce(p.merged_into, p.id) FROM customer p
             WHERE p.environment_id = $1 AND p.id = $2::uuid),
           (SELECT coalesce(p.merged_into, p.id) FROM customer p
             WHERE p.environment_id = $1 AND p.external_id = $3::text)));

-- name: billing_hold
-- Locks the live subscription of the customer who was locked: it may just be paid. $1 environment.
SELECT s.id
  FROM subscription s
 WHERE :first_time AND s.environment_id = $1::uuid
   AND s.customer_id = (SELECT :noted_customer) AND s.status <> 'canceled'
   FOR UPDATE OF s;

-- name: billing_live
-- out: :life_columns credit returned
-- The live subscription of the customer who was locked, or NULLs, and the customer's credit; and
-- what of it the invoices that are not paid yet give back when they become void. It comes after
-- billing_hold as a statement of its own, as billing_look after billing_lock. $1 environment.
WITH live AS (
    SELECT :life_columns
      FROM :life_from CROSS JOIN :today
     WHERE :first_time AND s.environment_id = $1::uuid
       AND s.customer_id = (SELECT :noted_customer) AND s.status <> 'canceled'
)
SELECT live.*, coalesce((SELECT k.balance FROM customer_credit k
                          WHERE k.environment_id = $1
                            AND k.customer_id = (SELECT :noted_customer)), 0) AS credit,
       coalesce((SELECT sum(i.credit_applied) FROM invoice i
                  WHERE i.environment_id = $1 AND i.subscription_id = live.id
                    AND i.status = 'outstanding'), 0)::bigint AS returned
  FROM (SELECT) one LEFT JOIN live ON true;

-- name: billing_lock
-- Locks a subscription that is to be changed. $1 environment, $2 id.
SELECT set_config('app.customer', s.customer_id::text, true)
  FROM subscription s
 WHERE :first_time AND s.environment_id = $1::uuid AND s.id = $2::uuid
   FOR UPDATE OF s;

-- name: billing_lock_of
-- The same for the subscription of an invoice. $1 environment, $2 invoice.
SELECT set_config('app.customer', s.customer_id::text, true)
  FROM subscription s
 WHERE :first_time AND s.environment_id = $1::uuid
   AND s.id = (SELECT i.subscription_id FROM invoice i
                WHERE i.environment_id = $1 AND i.id = $2::uuid)
   FOR UPDATE OF s;

-- name: billing_look
-- out: :life_columns at currency collection net_days grace_days stopped zone_now credit
-- out: quote_credit paid unpaid_id unpaid_at further_end
-- out: plan_amount plan_free group_id plan_order plan_end plan_day
-- out: next_amount next_free next_group next_order next_end
-- A subscription that is locked, and all that a decision about it needs. $1 environment, $2 id, or
-- $3 one of its invoices, which then does not count as unpaid; without all three it is what was
-- claimed, by time. at: now, or when that is due; paid: for the current period, in money or, of an
-- invoice that is outstanding, in unused time of the period before; unpaid: of its invoices that
-- are outstanding, but for one that asks for a change, the first that is due;
-- further_end: of the period after the current one; plan_end, next_end: of one that begins at that
-- time, and plan_day the day of the month on which it does; next_amount: the price, or what the
-- invoice that asks for the change has as such.
SELECT :life_columns
     , z.at, t.currency, t.collection, t.net_days, t.grace_days, t.stopped,
       coalesce(c.timezone, s.zone) AS zone_now,
       coalesce((SELECT k.balance FROM customer_credit k
                  WHERE k.environment_id = s.environment_id
                    AND k.customer_id = s.customer_id), 0) AS credit,
       coalesce((SELECT i.credit_applied FROM invoice i
                  WHERE i.environment_id = s.environment_id
                    AND i.id = s.next_invoice_id), 0) AS quote_credit,
       coalesce((SELECT sum(abs(l.amount)) FROM invoice i
                   JOIN invoice_line l
                     ON l.environment_id = i.environment_id AND l.invoice_id = i.id
                  WHERE i.environment_id = s.environment_id AND i.subscription_id = s.id
                    AND i.period_index = s.period_index
                    AND (i.status = 'paid' AND l.amount > 0
                      OR i.status = 'outstanding' AND l.amount < 0)), 0)::bigint AS paid,
       u.id AS unpaid_id, u.due_date AS unpaid_at,
       billing_period_end(s.anchor, s.zone, s.step, s.period_index + 1 - s.anchor_index)
           AS further_end,
       coalesce((SELECT x.price FROM plan_price x
                  WHERE x.environment_id = s.environment_id
                    AND x.id = s.price_id), 0) AS plan_amount,
       p.plan_free, p.group_id, p.plan_order,
       billing_period_end(z.at, z.zone, s.step, 1) AS plan_end,
       extract(day FROM billing_local(z.at, z.zone))::bigint AS plan_day,
       coalesce(CASE WHEN s.next_invoice_id IS NULL THEN r.price
                     ELSE (SELECT l.amount FROM invoice_line l
                            WHERE l.environment_id = s.environment_id
                              AND l.invoice_id = s.next_invoice_id AND l.position = 1) END, 0)
           AS next_amount,
       coalesce(n.is_free, false) AS next_free,
       n.plan_group_id AS next_group, coalesce(n.sort_order, 0) AS next_order,
       billing_period_end(z.at, z.zone, d.next_step, 1) AS next_end
  FROM :life_from CROSS JOIN :terms
  LEFT JOIN plan n ON n.environment_id = s.environment_id AND n.id = s.next_plan_id
  LEFT JOIN plan_price r ON r.environment_id = s.environment_id AND r.id = s.next_price_id
  LEFT JOIN customer c ON c.environment_id = s.environment_id AND c.id = s.customer_id
 CROSS JOIN LATERAL (SELECT CASE WHEN s.anchor IS NULL THEN coalesce(c.timezone, s.zone)
                                 ELSE s.zone END AS zone,
                            CASE WHEN $2::uuid IS NULL AND $3::uuid IS NULL
                                 THEN s.due_at ELSE t.now_at END AS at) z
  LEFT JOIN LATERAL (SELECT i.id, i.due_date FROM invoice i
                      WHERE i.environment_id = s.environment_id AND i.subscription_id = s.id
                        AND i.status = 'outstanding'
                        AND i.id IS DISTINCT FROM s.next_invoice_id
                        AND i.id IS DISTINCT FROM $3
                      ORDER BY i.due_date LIMIT 1) u ON true
 WHERE :first_time AND s.environment_id = (SELECT coalesce($1::uuid, app_environment()))
   AND s.id = ANY ((SELECT CASE
           WHEN $2 IS NOT NULL THEN ARRAY[$2]
           WHEN $3 IS NOT NULL THEN ARRAY(SELECT i.subscription_id FROM invoice i
                                           WHERE i.environment_id = $1 AND i.id = $3)
           ELSE nullif(current_setting('app.claimed', true), '')::uuid[] END)::uuid[])
 ORDER BY s.due_at, s.id;

-- name: billing_offer
-- out: :offer_columns
-- A plan and one of its prices, to be selected for the subscription $6. $1 environment, $2 plan or
-- NULL, $3 its code or NULL; without both it is the plan that it has. The price is $4, or that for
-- the interval $5, or without both that for the interval that it has, or the default one. Before
-- the first period the zone is the customer's, or the subscription's own if there is none any more.
SELECT :offer_columns
  FROM plan p CROSS JOIN :today
 CROSS JOIN (SELECT coalesce((SELECT s.zone FROM subscription s
                               WHERE s.environment_id = $1 AND s.id = $6::uuid
                                 AND s.anchor IS NOT NULL),
                             (SELECT c.timezone FROM customer c
                               WHERE c.environment_id = $1
                                 AND c.id = (SELECT :noted_customer)),
                             (SELECT s.zone FROM subscription s
                               WHERE s.environment_id = $1 AND s.id = $6)) AS zone,
                    NULL::timestamptz AS begins) z
  LEFT JOIN LATERAL (
       SELECT x.* FROM plan_price x
        WHERE x.environment_id = $1 AND x.plan_id = p.id AND x.deleted_at IS NULL
          AND NOT p.is_free
          AND ($4::uuid IS NULL OR x.id = $4) AND ($5::text IS NULL OR x.billing_interval = $5)
        ORDER BY x.billing_interval IS NOT DISTINCT FROM
                 (SELECT s.step FROM subscription s
                   WHERE s.environment_id = $1 AND s.id = $6) DESC, x.is_default DESC
        LIMIT 1) r ON true
 CROSS JOIN LATERAL :offered
 WHERE :first_time AND p.environment_id = $1::uuid
   AND p.id = (SELECT coalesce($2::uuid,
           (SELECT x.id FROM plan x WHERE x.environment_id = $1 AND x.code = $3::text),
           CASE WHEN $3 IS NULL
                THEN (SELECT s.plan_id FROM subscription s
                       WHERE s.environment_id = $1 AND s.id = $6) END));

-- What an event keeps of the subscription as it is now, and of the invoice that is new or settled.
\set state 'json_strip_nulls(json_build_object(''status'', $7::text, ''planId'', $4::uuid'
\set state :state ', ''priceId'', $5::uuid, ''billingInterval'', $8::text'
\set state :state ', ''periodStart'', $15::timestamptz, ''periodEnd'', $16::timestamptz'
\set state :state ', ''trialEndsAt'', $18::timestamptz, ''endDate'', $20::timestamptz'
\set state :state ', ''cancelAskedAt'', $23::timestamptz, ''cancelReason'', $24::text'
\set state :state ', ''cancelAt'', $25::timestamptz, ''nextKind'', $27::text'
\set state :state ', ''nextPlanId'', $28::uuid, ''nextPriceId'', $29::uuid'
\set state :state ', ''nextAt'', $30::timestamptz, ''checkoutToken'', $32::text'
\set state :state ', ''invoiceStatus'', coalesce($40::text, $57::text)))'

-- name: billing_save
-- All that a change writes. $1 environment, $2 to $38 the subscription as it is now; $39 to $55 a
-- new invoice, if its id is not NULL, with the texts and amounts of its lines; $56 the invoice that
-- gets the status $57, or NULL for all of this subscription that are outstanding, and $58 and $59
-- the period that its payment began, or NULL; $60 what the customer's credit gains or (negative)
-- loses, beside what invoices that are void now had taken; $61 to $63 events, after those of
-- invoices that are void now; $64 the time.
-- What a statement locks later, it locks in this order: subscription, invoices, credit, counter.
WITH saved AS (
    INSERT INTO subscription AS s
           (environment_id, id, customer_id, plan_id, price_id, name, status, step, base_price,
            metadata, zone, anchor, anchor_index, period_index, period_start, period_end,
            trial_days, trial_ends_at, start_date, end_date, activated, noticed, cancel_asked_at,
            cancel_reason, cancel_at, cancel_early, next_kind, next_plan_id, next_price_id, next_at,
            next_invoice_id, checkout_token, success_url, clocked, due_at, due_what, created_at,
            updated_at)
    SELECT $1::uuid, $2::uuid, $3::uuid, $4::uuid, $5::uuid, $6::text, $7::text, $8::text,
           $9::bigint, $10::json, $11::text, $12::timestamptz, $13::bigint, $14::bigint,
           $15::timestamptz, $16::timestamptz, $17::bigint, $18::timestamptz, $19::timestamptz,
           $20::timestamptz, $21::boolean, $22::boolean, $23::timestamptz, $24::text,
           $25::timestamptz, $26::boolean, $27::text, $28::uuid, $29::uuid, $30::timestamptz,
           $31::uuid, $32::text, $33::text, $34::boolean, $35::timestamptz, $36::text,
           $37::timestamptz, $38::timestamptz
     WHERE :first_time
    ON CONFLICT (environment_id, id) DO UPDATE
       SET plan_id = excluded.plan_id, price_id = excluded.price_id, status = excluded.status,
           step = excluded.step, base_price = excluded.base_price, zone = excluded.zone,
           anchor = excluded.anchor, anchor_index = excluded.anchor_index,
           period_index = excluded.period_index, period_start = excluded.period_start,
           period_end = excluded.period_end, trial_ends_at = excluded.trial_ends_at,
           start_date = excluded.start_date, end_date = excluded.end_date,
           activated = excluded.activated, noticed = excluded.noticed,
           cancel_asked_at = excluded.cancel_asked_at, cancel_reason = excluded.cancel_reason,
           cancel_at = excluded.cancel_at, cancel_early = excluded.cancel_early,
           next_kind = excluded.next_kind, next_plan_id = excluded.next_plan_id,
           next_price_id = excluded.next_price_id, next_at = excluded.next_at,
           next_invoice_id = excluded.next_invoice_id, checkout_token = excluded.checkout_token,
           success_url = excluded.success_url, clocked = excluded.clocked,
           due_at = excluded.due_at, due_what = excluded.due_what,
           updated_at = excluded.updated_at
    RETURNING s.id, s.customer_id
), settled AS (
    UPDATE invoice i
       SET status       = $57,
           paid_at      = CASE WHEN $57 = 'paid' THEN $64::timestamptz END,
           period_start = coalesce($58::timestamptz, i.period_start),
           period_end   = CASE WHEN $58 IS NULL THEN i.period_end ELSE $59::timestamptz END,
           updated_at   = greatest(i.updated_at, $64)
      FROM saved
     WHERE i.environment_id = $1 AND i.subscription_id = saved.id AND i.status = 'outstanding'
       AND $57::text IS NOT NULL AND ($56::uuid IS NULL OR i.id = $56)
    RETURNING i.id, i.status, i.credit_applied
), gain AS (
    SELECT saved.customer_id,
           $60::bigint + (SELECT coalesce(sum(v.credit_applied) FILTER (WHERE v.status = 'void'), 0)
                            FROM settled v)::bigint AS amount
      FROM saved
), gained AS (
    INSERT INTO customer_credit AS k (environment_id, customer_id, balance)
    SELECT $1, gain.customer_id, gain.amount FROM gain WHERE gain.amount > 0
    ON CONFLICT (environment_id, customer_id) DO UPDATE SET balance = k.balance + excluded.balance
    RETURNING 1
), spent AS (
    UPDATE customer_credit k SET balance = k.balance + gain.amount
      FROM gain
     WHERE k.environment_id = $1 AND k.customer_id = gain.customer_id AND gain.amount < 0
    RETURNING 1
), counted AS (
    INSERT INTO invoice_counter AS k (environment_id, last)
    SELECT $1, 1 FROM saved
     WHERE $39::uuid IS NOT NULL
       AND (SELECT count(*) FROM gained) + (SELECT count(*) FROM spent) IS NOT NULL
    ON CONFLICT (environment_id) DO UPDATE SET last = k.last + 1
    RETURNING k.last
), billed AS (
    INSERT INTO invoice
           (environment_id, id, customer_id, subscription_id, number, status, invoice_type,
            currency, subtotal, credit_applied, total, period_index, period_start, period_end,
            issue_date, due_date, plan_id, plan_name, token, paid_at, created_at, updated_at)
    SELECT $1, $39, $3, $2, counted.last, $40::text, $41::text, $42::text, $43::bigint,
           $44::bigint, $45::bigint, $46::bigint, $47::timestamptz, $48::timestamptz,
           $49::timestamptz, $50::timestamptz, $51::uuid, $52::text, $53::text,
           CASE WHEN $40 = 'paid' THEN $49 END, $49, $49
      FROM counted
    RETURNING id
), lined AS (
    INSERT INTO invoice_line
           (environment_id, invoice_id, position, description, quantity, unit_amount, amount)
    SELECT $1, billed.id, l.position, l.description, 1, l.amount, l.amount
      FROM billed,
           unnest($54::text[], $55::bigint[])
               WITH ORDINALITY AS l (description, amount, position)
), told AS (
    INSERT INTO event (environment_id, type, customer_id, subscription_id, invoice_id, data, state,
                       created_at)
    SELECT $1, e.type, saved.customer_id, saved.id, e.invoice_id, e.data, (SELECT :state), $64
      FROM saved,
           (SELECT 'invoice.voided' AS type, v.id AS invoice_id, NULL::json AS data, 0 AS position
              FROM settled v WHERE v.status = 'void'
             UNION ALL
            SELECT u.*
              FROM unnest($61::text[], $62::uuid[], $63::json[])
                       WITH ORDINALITY AS u (type, invoice_id, data, position)) e
     ORDER BY e.position, e.invoice_id
)
SELECT saved.id FROM saved;

-- name: billing_enter
-- Lets this transaction find deadlines of all environments.
SELECT WHERE set_config('app.clerk', 'on', true) IS NOT NULL;

-- name: billing_claim
-- out: environment id due failed deadlines others
-- Locks the subscription whose deadline came first, of all environments without a test clock, and
-- those of its environment that were due within an hour of it: $1 in all at most. No period is as
-- short, so the next deadline of one of them is none of these. It enters the environment;
-- app.claimed notes the rows. Others that do the same at this moment take the next ones. What has
-- failed waits until it is to be tried again, and is then the only one. No row: nothing is due.
WITH first AS (
    SELECT x.environment_id, x.id, x.due_at
      FROM subscription x
     WHERE NOT x.clocked AND x.due_at <= now()
       AND NOT EXISTS (SELECT FROM billing_failure f
                        WHERE f.environment_id = x.environment_id
                          AND f.subscription_id = x.id AND f.due_at = x.due_at
                          AND f.try_at > now())
     ORDER BY x.due_at, x.id
     LIMIT 1
       FOR UPDATE SKIP LOCKED
), more AS (
    SELECT x.id
      FROM subscription x
     WHERE x.environment_id = (SELECT first.environment_id FROM first) AND NOT x.clocked
       AND x.due_at <= (SELECT least(now(), first.due_at + interval '1 hour') FROM first)
       AND (x.due_at, x.id) > (SELECT first.due_at, first.id FROM first)
       AND NOT :has_failed
       AND NOT (SELECT :has_failed FROM first x)
     ORDER BY x.due_at, x.id
     LIMIT $1::bigint - 1
       FOR UPDATE SKIP LOCKED
), claimed AS MATERIALIZED (
    SELECT first.environment_id, first.id, first.due_at,
           ARRAY(SELECT first.id UNION ALL SELECT more.id FROM more) AS ids
      FROM first
)
SELECT s.environment_id AS environment, s.id, :claimed, :busy AS others, :noted
  FROM claimed s;

-- name: billing_claim_of
-- The same of one, with the same columns, for the environment $1, with what is due until $2 and
-- stands behind $3, when it was due, and $4 its id. It waits for a row that somebody else has
-- locked, so that all deadlines are carried out in their order.
SELECT s.environment_id AS environment, s.id, :claimed, :busy AS others, :noted
  FROM (SELECT x.environment_id, x.id, x.due_at, ARRAY[x.id] AS ids
          FROM subscription x
         WHERE x.environment_id = $1::uuid AND x.due_at <= $2::timestamptz
           AND (x.due_at, x.id) > ($3::timestamptz, $4::uuid)
         ORDER BY x.due_at, x.id
         LIMIT 1
           FOR UPDATE) s;

-- name: billing_claim_one
-- The same, with the same columns, for the subscription $2 of the environment $1, if it is behind.
SELECT s.environment_id AS environment, s.id, :claimed, :busy AS others, :noted
  FROM (SELECT x.environment_id, x.id, x.due_at, ARRAY[x.id] AS ids
          FROM subscription x
         WHERE x.environment_id = $1::uuid AND x.id = $2::uuid AND x.due_at < app_now($1)
           FOR UPDATE) s;

-- name: billing_failed
-- out: tries
-- Notes that a deadline failed. It is tried again after two seconds, then four, and at last once an
-- hour. $1 environment, $2 subscription, $3 when it was due. Returns how often it was tried.
INSERT INTO billing_failure AS f (environment_id, subscription_id, due_at, tries, try_at)
VALUES ($1::uuid, $2::uuid, $3::timestamptz, 1, now() + interval '2 seconds')
ON CONFLICT (environment_id, subscription_id) DO UPDATE
   SET due_at = excluded.due_at,
       tries  = CASE WHEN f.due_at = excluded.due_at THEN f.tries + 1 ELSE 1 END,
       try_at = now() + CASE WHEN f.due_at = excluded.due_at
                             THEN least(interval '1 hour',
                                        interval '2 seconds' * 2 ^ least(f.tries, 11))
                             ELSE interval '2 seconds' END
RETURNING tries;

-- name: billing_recovered
-- It was carried out after all. $1 environment, $2 subscription.
DELETE FROM billing_failure f WHERE f.environment_id = $1::uuid AND f.subscription_id = $2::uuid;

-- name: billing_set_aside
-- out: deadlines since
-- How many deadlines have failed and wait, of all environments, and when the first one was due.
SELECT count(*) AS deadlines, min(f.due_at) AS since
  FROM billing_failure f
  JOIN subscription s ON s.environment_id = f.environment_id AND s.id = f.subscription_id
 WHERE s.due_at = f.due_at AND NOT s.clocked;
