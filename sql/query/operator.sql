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

-- name: operator_billing
-- out: currency collection net_days grace_days instructions
-- How an environment bills; instructions: its own, or NULL. $1 environment.
SELECT t.currency, t.collection, t.net_days, t.grace_days,
       (SELECT replace(b.payment_instructions, chr(10), '|') FROM billing_setting b
         WHERE b.environment_id = $1) AS instructions
  FROM :terms;

-- name: operator_billing_change
-- Changes it; what is NULL stays. No row: the currency would be another one, and there are invoices
-- or credit. $1 environment, $2 currency, $3 collection, $4 instructions with | for the end of a
-- line, or an empty text for none, $5 days until an invoice is due, $6 days of grace.
INSERT INTO billing_setting AS b
       (environment_id, currency, collection, payment_instructions, net_days, grace_days)
SELECT $1::uuid, coalesce($2::text, t.currency), coalesce($3::text, t.collection),
       nullif(replace($4::text, '|', chr(10)), ''), coalesce($5::bigint, t.net_days),
       coalesce($6::bigint, t.grace_days)
  FROM :terms
 WHERE coalesce($2 = t.currency, true)
    OR NOT EXISTS (SELECT FROM invoice i WHERE i.environment_id = $1)
       AND NOT EXISTS (SELECT FROM customer_credit k
                        WHERE k.environment_id = $1 AND k.balance > 0)
ON CONFLICT (environment_id) DO UPDATE
   SET currency = excluded.currency, collection = excluded.collection,
       net_days = excluded.net_days, grace_days = excluded.grace_days,
       payment_instructions = CASE WHEN $4 IS NULL THEN b.payment_instructions
                                   ELSE excluded.payment_instructions END;

-- name: operator_subscription_get
-- out: :life_columns
-- With what only an operator sees: what is due next. $1 environment, $2 id.
SELECT :life_columns
  FROM :life_from CROSS JOIN :today
 WHERE s.environment_id = $1::uuid AND s.id = $2::uuid;

-- name: operator_history_verify
-- out: id events chained erased fault event head gone
-- Whether the chains of customers hold (sql/migrate: history), in the order of their ids, also of
-- those who were erased: how many
-- events of its own changes each has, how many of them are in the chain, of how many the content
-- was erased, and the first fault, or NULL, with the event where it shows, or 0 for the row itself.
-- $1 environment, $2 id of the last customer of an earlier page, $3 rows, $4 one customer alone or
-- NULL.
SELECT c.id, count(e.id) AS events, count(e.digest) AS chained,
       count(*) FILTER (WHERE e.data IS NULL AND e.seal IS NOT NULL) AS erased,
       coalesce((array_agg(e.fault ORDER BY e.id) FILTER (WHERE e.fault IS NOT NULL))[1],
                CASE WHEN c.gone
                     -- The row of one who was erased is gone: its chain must end so.
                     THEN CASE WHEN (array_agg(e.type ORDER BY e.id DESC))[1]
                               IS DISTINCT FROM 'customer.erased'
                               THEN 'gone' END
                     WHEN (array_agg(e.digest ORDER BY e.id DESC))[1] IS DISTINCT FROM c.history
                     THEN 'head' END) AS fault,
       coalesce(min(e.id) FILTER (WHERE e.fault IS NOT NULL), 0) AS event,
       encode(coalesce(c.history, (array_agg(e.digest ORDER BY e.id DESC))[1]), 'hex') AS head,
       c.gone
  FROM (SELECT i.id, x.history, x.id IS NULL AS gone
          FROM ((SELECT p.id
                   FROM customer p
                  WHERE p.environment_id = $1::uuid AND p.id > $2::uuid
                    AND ($4::uuid IS NULL OR p.id = $4)
                  ORDER BY p.id
                  LIMIT $3::bigint)
                UNION
                (SELECT DISTINCT v.customer_id
                   FROM event v
                  WHERE v.environment_id = $1 AND v.customer_id > $2
                    AND ($4 IS NULL OR v.customer_id = $4)
                  ORDER BY v.customer_id
                  LIMIT $3)
                ORDER BY id
                LIMIT $3) i
          LEFT JOIN customer x ON x.environment_id = $1 AND x.id = i.id) c
  LEFT JOIN LATERAL (
       SELECT v.id, v.type, v.digest, v.seal, v.data
            , CASE WHEN v.digest IS NULL
                   -- Not one from before there was a history: it stands behind the beginning of
                   -- the chain, or before a creation that is in it.
                   THEN CASE WHEN count(v.digest) OVER earlier > 0
                              OR count(v.digest) FILTER (WHERE v.type = 'customer.created')
                                     OVER () > 0
                             THEN 'unchained' END
                   WHEN v.digest <> history_digest(lag(v.digest) OVER (ORDER BY v.id),
                                                   v.customer_id, v.type, v.created_at,
                                                   v.source, v.seal)
                   THEN 'link'
                   -- Only an erase takes content away, and the customer's row with it.
                   WHEN v.data IS NULL AND v.seal IS NOT NULL AND NOT c.gone
                   THEN 'emptied'
                   WHEN v.data IS NOT NULL
                        AND history_seal(v.salt, v.data::text) IS DISTINCT FROM v.seal
                   THEN 'content' END AS fault
         FROM event v
        WHERE v.environment_id = $1 AND v.customer_id = c.id
          -- The other events of a customer are those of its subscriptions.
          AND (v.digest IS NOT NULL
               OR (v.type LIKE 'customer.%' AND v.type <> 'customer.state_changed'))
       WINDOW earlier AS (ORDER BY v.id ROWS UNBOUNDED PRECEDING)
       ) e ON true
 GROUP BY c.id, c.history, c.gone
 ORDER BY c.id;
