-- Customers. Every statement names the environment, although row-level security would suffice.

\set erase :erase ', customers AS (DELETE FROM customer WHERE environment_id = $1)'
\set erase :erase ', merges AS (DELETE FROM customer_merge WHERE environment_id = $1)'
\set erase :erase ', events AS (DELETE FROM event WHERE environment_id = $1)'
\set whole :whole ' UNION ALL SELECT ''customer'', to_json(t) FROM customer t'
\set whole :whole ' WHERE t.environment_id = s.id'
\set whole :whole ' UNION ALL SELECT ''customer_merge'', to_json(t) FROM customer_merge t'
\set whole :whole ' WHERE t.environment_id = s.id'
\set whole :whole ' UNION ALL SELECT ''event'', to_json(t) FROM event t'
\set whole :whole ' WHERE t.environment_id = s.id'
\set forget :forget ', customers AS (DELETE FROM customer c WHERE c.environment_id = $1'
\set forget :forget ' AND c.id = ANY (ARRAY(SELECT it.id FROM it)))'
\set forget :forget ', merges AS (DELETE FROM customer_merge m WHERE m.environment_id = $1'
\set forget :forget ' AND m.customer_id = ANY (ARRAY(SELECT it.id FROM it)))'
\set forget :forget ', histories AS (UPDATE event e SET data = NULL, salt = NULL'
\set forget :forget ' WHERE e.environment_id = $1'
\set forget :forget ' AND e.customer_id = ANY (ARRAY(SELECT it.id FROM it)) AND e.seal IS NOT NULL)'
\set customer_columns 'c.id, c.external_id, c.email, c.full_name, c.tax_document, c.address'
\set customer_columns :customer_columns ', c.timezone, c.metadata, c.is_active'
\set customer_columns :customer_columns ', c.created_at, c.updated_at, c.archived_at, c.revision'
-- After the columns of a customer: the live subscription with its plan, a row in a cell, or NULL.
\set live ', CASE WHEN l.id IS NOT NULL THEN ARRAY[ROW(l.id, l.status, l.plan_id, l.plan_code'
\set live :live ', l.plan_name, l.period_end, l.cancels)] END AS live'
\set live_from ' LEFT JOIN (SELECT s.environment_id, s.customer_id, s.id, s.status, s.plan_id'
\set live_from :live_from ', p.code AS plan_code, p.name AS plan_name, s.period_end'
\set live_from :live_from ', s.cancel_at IS NOT NULL OR s.cancel_early AS cancels'
\set live_from :live_from ' FROM subscription s'
\set live_from :live_from ' JOIN plan p ON p.environment_id = s.environment_id AND p.id = s.plan_id'
\set live_from :live_from ' WHERE s.status <> ''canceled'') l'
\set live_from :live_from ' ON l.environment_id = c.environment_id AND l.customer_id = c.id'
-- What an event says beside before and after.
\set told 'CASE WHEN e.seal IS NULL OR e.type <> ''customer.updated'' THEN e.data END'
\set matches '($4::boolean IS NULL OR c.is_active = $4) AND ($5::text IS NULL'
\set matches :matches ' OR position(lower($5) IN lower(c.email)) > 0'
\set matches :matches ' OR position(lower($5) IN lower(c.full_name)) > 0'
\set matches :matches ' OR position(lower($5) IN lower(c.external_id COLLATE "default")) > 0)'
\set matches :matches ' AND ($6::text IS NULL OR c.email = $6)'
\set kept '($8::boolean IS NULL OR (c.archived_at IS NOT NULL) = $8) AND c.merged_into IS NULL'

-- name: customer_get
-- out: :customer_columns live merged_into
-- By public id; merged_into is to whom it leads, or NULL. $1 environment, $2 id.
SELECT :customer_columns:live, c.merged_into
  FROM customer c:live_from
 WHERE c.environment_id = $1::uuid AND c.id = $2::uuid;

-- name: customer_get_external
-- out: :customer_columns live merged_into
-- By external id, the caller's own. $1 environment, $2 external id.
SELECT :customer_columns:live, c.merged_into
  FROM customer c:live_from
 WHERE c.environment_id = $1::uuid AND c.external_id = $2::text;

-- name: customer_list
-- out: :customer_columns
-- One page, newest first, without those that are archived. $1 environment, $2 id of the last row
-- before the page, $3 rows.
SELECT :customer_columns
  FROM customer c
 WHERE c.environment_id = $1::uuid AND c.id < $2::uuid AND c.archived_at IS NULL
 ORDER BY c.id DESC
 LIMIT $3::bigint;

-- name: customer_list_archived
-- out: :customer_columns
-- The same of those that are.
SELECT :customer_columns
  FROM customer c
 WHERE c.environment_id = $1::uuid AND c.id < $2::uuid AND c.archived_at IS NOT NULL
   AND c.merged_into IS NULL
 ORDER BY c.id DESC
 LIMIT $3::bigint;

-- name: customer_list_all
-- out: :customer_columns
-- The same of all, but for those that were merged into another one.
SELECT :customer_columns
  FROM customer c
 WHERE c.environment_id = $1::uuid AND c.id < $2::uuid AND c.merged_into IS NULL
 ORDER BY c.id DESC
 LIMIT $3::bigint;

-- name: customer_list_filtered
-- out: :customer_columns ended
-- The same with filters that no index serves: $4 active or not, $5 part of the e-mail address, name
-- or external id, $6 the whole e-mail address, if there is one of these, and $8 archived or not;
-- NULL is no filter. So that a page has a bound, it looks at no more than $7 rows. The last one of
-- these is always returned: ended says whether it matches, and is NULL for others.
SELECT :customer_columns
     , CASE WHEN c.nth = $7::bigint THEN (:matches AND :kept) IS TRUE END AS ended
  FROM (SELECT :customer_columns, c.merged_into
             , row_number() OVER (ORDER BY c.id DESC) AS nth
          FROM customer c
         WHERE c.environment_id = $1::uuid AND c.id < $2::uuid
         ORDER BY c.id DESC
         LIMIT $7::bigint) c
 WHERE c.nth = $7 OR (:matches AND :kept)
 ORDER BY c.id DESC
 LIMIT $3::bigint;

-- name: customer_list_external
-- out: :customer_columns
-- The same for one external id, which the index finds, or for either id, as customer_find has it:
-- $7 public id or NULL, $9 external id. $10 an external id that it must have, too, or NULL.
SELECT :customer_columns
  FROM customer c
 WHERE c.environment_id = $1::uuid AND c.id < $2::uuid AND :matches
   AND c.id = (SELECT coalesce(
           (SELECT coalesce(p.merged_into, p.id) FROM customer p
             WHERE p.environment_id = $1 AND p.id = $7::uuid),
           (SELECT coalesce(p.merged_into, p.id) FROM customer p
             WHERE p.environment_id = $1 AND p.external_id = $9::text)))
   AND ($10::text IS NULL OR c.external_id = $10) AND :kept
 LIMIT $3::bigint;

-- name: customer_list_email
-- out: :customer_columns
-- One page of the customers with one e-mail address, which the index finds in any case of its
-- letters. Many can have the same,
-- so it takes no other filter that could walk over all of them. $4 e-mail address, $5 archived or
-- not, or NULL.
SELECT :customer_columns
  FROM customer c
 WHERE c.environment_id = $1::uuid AND c.id < $2::uuid
   AND c.email_key = (SELECT lower($4::text)) COLLATE "C" AND c.email_key >= ''
   AND c.email = $4
   AND ($5::boolean IS NULL OR (c.archived_at IS NOT NULL) = $5) AND c.merged_into IS NULL
 ORDER BY c.id DESC
 LIMIT $3::bigint;

-- name: customer_create
-- out: made
-- many: customer_create_all
-- One new customer with its event, unless its external id is taken.
-- $1 environment, $2 time, $3 id, $4 external id, $5 email, $6 full name, $7 tax document,
-- $8 address, $9 address id, $10 timezone, $11 metadata, $12 active, $13 digest of the event.
WITH made AS (
    INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, address,
                          address_id, timezone, metadata, is_active, created_at, updated_at,
                          history)
    SELECT $1::uuid, $3::uuid, $4::text, $5::text, $6::text, $7::text, $8::json, $9::uuid,
           $10::text, $11::json, $12::boolean, $2::timestamptz, $2,
           $13::bytea
     WHERE :first_time
    ON CONFLICT (environment_id, external_id) DO NOTHING
    RETURNING id, history
), reported AS (
    INSERT INTO event (environment_id, type, customer_id, created_at, digest)
    SELECT $1::uuid, 'customer.created', made.id, $2, made.history FROM made
)
SELECT set_config('app.expected', (count(*) = 1)::text, true)::boolean AS made FROM made;

-- name: customer_create_all
-- The same for a bundle (src/db/bundle.h), a row for each in order. $1 environment, $2 to $13 those
-- of customer_create, as arrays of equal length. Their order is that of their external ids, in
-- which every request locks them.
WITH made AS (
    INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, address,
                          address_id, timezone, metadata, is_active, created_at, updated_at,
                          history)
    SELECT $1::uuid, i.id, i.external_id, i.email, i.full_name, i.tax_document, i.address,
           i.address_id, i.timezone, i.metadata, i.is_active, i.created_at, i.created_at,
           i.history
      FROM unnest($2::timestamptz[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
                  $8::json[], $9::uuid[], $10::text[], $11::json[], $12::boolean[], $13::bytea[])
           WITH ORDINALITY
           AS i (created_at, id, external_id, email, full_name, tax_document, address, address_id,
                 timezone, metadata, is_active, history, n)
     WHERE :not_found_in_bundle
    ON CONFLICT (environment_id, external_id) DO NOTHING
    RETURNING id, created_at, history, array_position($3, id) AS n
), reported AS (
    INSERT INTO event (environment_id, type, customer_id, created_at, digest, source)
    SELECT $1, 'customer.created', made.id, made.created_at, made.history, sources.of[made.n]
      FROM made, (SELECT current_setting('app.sources')::text[] AS of) sources
), noted AS (
    SELECT array_agg(made.n) AS numbers FROM made
)
SELECT coalesce(i.n = ANY (noted.numbers), false) AS made,
       set_config('app.expected_of', coalesce(noted.numbers, '{}')::text, true)
  FROM noted, generate_subscripts($3, 1) i (n);

-- name: customer_taken
-- out: :customer_columns
-- After customer_create: the customer that has the external id. It is a statement of its own,
-- because only a new snapshot sees a row that another transaction has just committed. Nobody can
-- erase this one before the answer is kept. $1 environment, $2 external id.
SELECT :customer_columns
     -- As in idempotency_look: the answer is what another transaction wrote.
     , CASE WHEN current_setting('synchronous_standby_names') <> ''
            THEN pg_logical_emit_message(true, 'clientele', '') END
  FROM customer c
 WHERE :first_time AND current_setting('app.expected', true) = 'false'
   AND c.environment_id = $1::uuid
   AND c.id = (SELECT coalesce(p.merged_into, p.id) FROM customer p
                WHERE p.environment_id = $1 AND p.external_id = $2::text)
   FOR KEY SHARE OF c;

-- name: customer_create_many
-- out: ids
-- Several new customers with their events; returns the ids of those that were made. $3 to $13 are
-- those of customer_create, as arrays of equal length (which would cost 13 % more for one row).
-- Rows are locked in the order of their external ids, the same in every request, so batches cannot
-- deadlock.
WITH made AS (
    INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, address,
                          address_id, timezone, metadata, is_active, created_at, updated_at,
                          history)
    SELECT $1::uuid, i.id, i.external_id, i.email, i.full_name, i.tax_document, i.address,
           i.address_id, i.timezone, i.metadata, i.is_active, $2::timestamptz, $2,
           i.history
      FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::json[],
                  $9::uuid[], $10::text[], $11::json[], $12::boolean[], $13::bytea[])
           AS i (id, external_id, email, full_name, tax_document, address, address_id, timezone,
                 metadata, is_active, history)
     WHERE :first_time
     ORDER BY i.external_id COLLATE "C"
    ON CONFLICT (environment_id, external_id) DO NOTHING
    RETURNING id, history
), reported AS (
    INSERT INTO event (environment_id, type, customer_id, created_at, digest)
    SELECT $1::uuid, 'customer.created', made.id, $2, made.history FROM made
)
SELECT array_agg(made.id) AS ids, set_config('app.made', count(*)::text, true) FROM made;

-- name: customer_settle
-- out: :customer_columns asked
-- After customer_create_many: the customers that existed, each with the external id by which it was
-- asked for, which differs where that customer was merged into this one. It is a statement of its
-- own, because only a new snapshot sees a row that another transaction has just committed. It reads
-- nothing if all were made or if the request is a repeated one. It locks as customer_taken does. $1
-- environment, $2 number of customers sent, $3 their external ids, $4 the ids meant for them.
SELECT :customer_columns, p.external_id AS asked
     , CASE WHEN current_setting('synchronous_standby_names') <> ''
            THEN pg_logical_emit_message(true, 'clientele', '') END
  FROM customer p
  JOIN customer c ON c.environment_id = $1::uuid
   -- No COALESCE: row-level security would keep it from being an index condition.
   AND c.id = CASE WHEN p.merged_into IS NULL THEN p.id ELSE p.merged_into END
 WHERE :first_time AND current_setting('app.made')::bigint < $2::bigint
   AND p.environment_id = $1 AND p.external_id = ANY ($3::text[])
   -- If nothing was made, those meant for it too: the same transaction ran before, and its outcome
   -- was lost.
   AND (c.id <> ALL ($4::uuid[]) OR current_setting('app.made') = '0')
 ORDER BY c.external_id
   FOR KEY SHARE OF c;

-- name: customer_known
-- out: :customer_columns asked
-- Those that have one of these external ids: who would exist for customer_create_many. asked as in
-- customer_settle. $1 environment, $2 external ids.
SELECT :customer_columns, p.external_id AS asked
  FROM customer p
  JOIN customer c ON c.environment_id = $1::uuid
   AND c.id = CASE WHEN p.merged_into IS NULL THEN p.id ELSE p.merged_into END
 WHERE p.environment_id = $1 AND p.external_id = ANY ($2::text[]);

-- name: customer_update
-- out: :customer_columns met
-- $1 environment, $2 public id or NULL, $3 external id; a public id wins. $4 is the set of given
-- fields, one bit each in the order of the CASEs; $5 to $12 their values, $13 time, $14 and $15 the
-- ids and revisions of which the customer must have a pair, or NULL; $16 salt of the event. No row:
-- there is no such customer. met is false: it has none of the pairs; NULL: it was merged into
-- another one while this waited for it. In these cases nothing was written; nor is anything if the
-- given values are those that it has.
WITH found AS (
    SELECT :customer_columns
         , CASE WHEN c.merged_into IS NULL
                THEN $14::uuid[] IS NULL
                     OR (c.id, c.revision) IN (SELECT m.id, m.revision
                                                 FROM unnest($14, $15::bigint[]) m (id, revision))
                END AS met
         , CASE WHEN $4::bigint & 1 <> 0 AND c.external_id IS DISTINCT FROM $5::text
                THEN 1 ELSE 0 END
           + CASE WHEN $4 & 2 <> 0 AND c.email <> $6::text THEN 2 ELSE 0 END
           + CASE WHEN $4 & 4 <> 0 AND c.full_name IS DISTINCT FROM $7::text THEN 4 ELSE 0 END
           + CASE WHEN $4 & 8 <> 0 AND c.tax_document IS DISTINCT FROM $8::text
                  THEN 8 ELSE 0 END
           + CASE WHEN $4 & 16 <> 0 AND c.address::text IS DISTINCT FROM $9::json::text
                  THEN 16 ELSE 0 END
           + CASE WHEN $4 & 32 <> 0 AND c.timezone <> $10::text THEN 32 ELSE 0 END
           + CASE WHEN $4 & 64 <> 0 AND c.metadata::text <> $11::json::text THEN 64 ELSE 0 END
           + CASE WHEN $4 & 128 <> 0 AND c.is_active <> $12::boolean THEN 128 ELSE 0 END
           AS differs
           -- A later one than before, so that each change has a time of its own. Requests at the
           -- same moment and hosts a moment apart do not set it back; what lies further ahead is of
           -- a clock that was wrong.
         , CASE WHEN c.updated_at >= $13::timestamptz AND c.updated_at < $13 + interval '5 s'
                THEN c.updated_at + interval '1 ms' ELSE $13 END AS changed_at
      FROM customer c
     WHERE :first_time AND c.environment_id = $1::uuid
       -- A subselect: row-level security keeps a bare COALESCE from being an index condition.
       AND c.id = (SELECT coalesce(
               (SELECT coalesce(p.merged_into, p.id) FROM customer p
                 WHERE p.environment_id = $1 AND p.id = $2::uuid),
               (SELECT coalesce(p.merged_into, p.id) FROM customer p
                 WHERE p.environment_id = $1 AND p.external_id = $3::text)))
       FOR NO KEY UPDATE OF c
), told AS (
    SELECT f.id, customer_change(f.differs, f.external_id, $5, f.email, $6, f.full_name, $7,
                                 f.tax_document, $8, f.address, $9, f.timezone, $10, f.metadata,
                                 $11, f.is_active, $12) AS content
      FROM found f
     WHERE f.met AND f.differs <> 0
), sealed AS (
    SELECT t.id, t.content, history_seal($16::bytea, t.content) AS seal FROM told t
), changed AS (
    UPDATE customer c
       SET external_id  = CASE WHEN f.differs & 1 <> 0 THEN $5 ELSE c.external_id END,
           email        = CASE WHEN f.differs & 2 <> 0 THEN $6 ELSE c.email END,
           full_name    = CASE WHEN f.differs & 4 <> 0 THEN $7 ELSE c.full_name END,
           tax_document = CASE WHEN f.differs & 8 <> 0 THEN $8 ELSE c.tax_document END,
           address      = CASE WHEN f.differs & 16 <> 0 THEN $9 ELSE c.address END,
           timezone     = CASE WHEN f.differs & 32 <> 0 THEN $10 ELSE c.timezone END,
           metadata     = CASE WHEN f.differs & 64 <> 0 THEN $11 ELSE c.metadata END,
           is_active    = CASE WHEN f.differs & 128 <> 0 THEN $12 ELSE c.is_active END,
           updated_at   = f.changed_at,
           revision     = c.revision + 1,
           history      = history_digest(c.history, c.id, 'customer.updated', f.changed_at,
                                         app_source(), s.seal)
      FROM found f JOIN sealed s ON s.id = f.id
     WHERE c.environment_id = $1 AND c.id = f.id
    RETURNING :customer_columns, c.history
), reported AS (
    INSERT INTO event (environment_id, type, customer_id, created_at, data, salt, seal, digest)
    SELECT $1::uuid, 'customer.updated', c.id, c.updated_at, s.content::json, $16, s.seal,
           c.history
      FROM changed c JOIN sealed s ON s.id = c.id
)
SELECT :customer_columns, true AS met FROM changed c
UNION ALL
SELECT :customer_columns, c.met FROM found c WHERE c.met IS NOT TRUE OR c.differs = 0;

-- name: customer_lock
-- out: :customer_columns merged
-- Before a change that depends on what is there. merged: into another one, while this waited.
-- $1 environment, $2 public id or NULL, $3 external id; a public id wins.
SELECT :customer_columns, c.merged_into IS NOT NULL AS merged
  FROM customer c
 WHERE :first_time AND c.environment_id = $1::uuid
   AND c.id = (SELECT coalesce(
           (SELECT coalesce(p.merged_into, p.id) FROM customer p
             WHERE p.environment_id = $1 AND p.id = $2::uuid),
           (SELECT coalesce(p.merged_into, p.id) FROM customer p
             WHERE p.environment_id = $1 AND p.external_id = $3::text)))
   FOR NO KEY UPDATE OF c;

-- name: customer_find
-- out: :customer_columns
-- By either id, as customer_update finds it; locked as in customer_taken. $1 environment, $2 public
-- id or NULL, $3 external id.
SELECT :customer_columns
  FROM customer c
 WHERE c.environment_id = $1::uuid
   AND c.id = (SELECT coalesce(
           (SELECT coalesce(p.merged_into, p.id) FROM customer p
             WHERE p.environment_id = $1 AND p.id = $2::uuid),
           (SELECT coalesce(p.merged_into, p.id) FROM customer p
             WHERE p.environment_id = $1 AND p.external_id = $3::text)))
   FOR KEY SHARE OF c;

-- name: customer_there
-- Whether there is one, for what only reads. As customer_find, without its lock.
SELECT
  FROM customer c
 WHERE c.environment_id = $1::uuid
   AND c.id = (SELECT coalesce(
           (SELECT coalesce(p.merged_into, p.id) FROM customer p
             WHERE p.environment_id = $1 AND p.id = $2::uuid),
           (SELECT coalesce(p.merged_into, p.id) FROM customer p
             WHERE p.environment_id = $1 AND p.external_id = $3::text)));

-- name: customer_seize
-- out: id external_id met
-- Locks a customer who is to be archived, restored or erased, and notes the id. What comes after
-- this sees all that others have done with the customer; they wait now. $1 environment, $2 public
-- id or NULL, $3 external id; a public id wins. $4 and $5 are $14 and $15 of customer_update, as
-- met is: when it is not true nobody is noted, and what comes after this does nothing.
SELECT c.id, c.external_id, m.met,
       -- Once more after a wait, when it may have another outcome: so it is set in both cases.
       set_config('app.customer', CASE WHEN m.met THEN c.id::text ELSE '' END, true)
  FROM customer c
 CROSS JOIN LATERAL (SELECT CASE WHEN c.merged_into IS NULL
                                 THEN $4::uuid[] IS NULL
                                      OR (c.id, c.revision) IN (SELECT r.id, r.revision
                                                                  FROM unnest($4, $5::bigint[])
                                                                       r (id, revision))
                                 END AS met) m
 WHERE :first_time AND c.environment_id = $1::uuid
   AND c.id = (SELECT coalesce(
           (SELECT coalesce(p.merged_into, p.id) FROM customer p
             WHERE p.environment_id = $1 AND p.id = $2::uuid),
           (SELECT coalesce(p.merged_into, p.id) FROM customer p
             WHERE p.environment_id = $1 AND p.external_id = $3::text)))
   FOR UPDATE OF c;

-- name: customer_archive
-- out: :customer_columns
-- The customer who was locked is archived, also if it was before. No row: it has a subscription
-- that is not canceled, and nothing was written. updated_at stays: a restored customer is the same
-- as before. $1 environment, $2 time.
WITH changed AS (
    UPDATE customer c
       SET archived_at = $2::timestamptz, revision = c.revision + 1,
           history = history_digest(c.history, c.id, 'customer.archived', $2, app_source(), NULL)
     WHERE :first_time AND c.environment_id = $1::uuid AND c.id = (SELECT :noted_customer)
       AND c.archived_at IS NULL
       AND NOT EXISTS (SELECT FROM subscription s
                        WHERE s.environment_id = $1 AND s.customer_id = c.id
                          AND s.status <> 'canceled')
    RETURNING :customer_columns, c.history
), reported AS (
    INSERT INTO event (environment_id, type, customer_id, created_at, digest)
    SELECT $1::uuid, 'customer.archived', c.id, $2, c.history FROM changed c
)
SELECT :customer_columns
  FROM changed c
 UNION ALL
SELECT :customer_columns
  FROM customer c
 WHERE :first_time AND c.environment_id = $1 AND c.id = (SELECT :noted_customer)
   AND c.archived_at IS NOT NULL;

-- name: customer_restore
-- out: :customer_columns
-- The customer who was locked is not archived any more. $1 environment.
WITH changed AS (
    UPDATE customer c
       SET archived_at = NULL, revision = c.revision + 1,
           history = history_digest(c.history, c.id, 'customer.restored',
                                    date_trunc('milliseconds', now()), app_source(), NULL)
     WHERE :first_time AND c.environment_id = $1::uuid AND c.id = (SELECT :noted_customer)
       AND c.archived_at IS NOT NULL
    RETURNING :customer_columns, c.history
), reported AS (
    INSERT INTO event (environment_id, type, customer_id, created_at, digest)
    SELECT $1::uuid, 'customer.restored', c.id, date_trunc('milliseconds', now()), c.history
      FROM changed c
)
SELECT :customer_columns
  FROM changed c
 UNION ALL
SELECT :customer_columns
  FROM customer c
 WHERE :first_time AND c.environment_id = $1 AND c.id = (SELECT :noted_customer)
   AND c.archived_at IS NULL;

-- name: customer_erase
-- Erases the customer who was locked and those who were merged into it, with all that says who they
-- were: each file adds to :forget what goes of its tables; it.id is one of these customers,
-- it.texts what is known of the person. $1 environment,
-- $2 the customer's id, $3 for how many ms after an invoice was issued what was printed on it is
-- kept (0: not at all).
WITH it AS MATERIALIZED (
    SELECT c.id, ARRAY[c.email, c.full_name, c.tax_document, c.external_id] AS texts, c.history,
           date_trunc('milliseconds', now()) AS at
      FROM customer c
     WHERE :first_time AND c.environment_id = $1::uuid AND c.id = $2::uuid
     UNION ALL
    SELECT c.id, ARRAY[c.email, c.full_name, c.tax_document, c.external_id], c.history,
           date_trunc('milliseconds', now())
      FROM customer c
     WHERE :first_time AND c.environment_id = $1 AND c.merged_into = $2
) :forget
, reported AS (
    INSERT INTO event (environment_id, type, customer_id, created_at, digest)
    SELECT $1, 'customer.erased', it.id, it.at,
           history_digest(it.history, it.id, 'customer.erased', it.at, app_source(), NULL)
      FROM it
)
SELECT it.id FROM it WHERE it.id = $2;

-- name: customer_held
-- out: :customer_columns live address_id merged subscriptions invoices credit events more requests
-- All that is held of one customer, after the columns of customer_get as JSON: who was merged into
-- it, subscriptions, invoices, the newest $4 events, or as many as $5 bytes hold (more: there are
-- older ones), and which requests are kept for repetitions, the newest $4 of them. Tokens of pages
-- are secrets, and left out. $1 environment, $2 public id or NULL, $3 external id; a public id
-- wins. (An event has about 400 bytes beside its contents, whose length is that of their text.)
SELECT :customer_columns:live
     , c.address_id::text,
       coalesce((SELECT json_agg(json_build_object(
                    'id', app_ref('cus_', o.id), 'externalId', o.external_id, 'email', o.email,
                    'fullName', o.full_name, 'taxDocument', o.tax_document,
                    'address', o.address, 'addressId', o.address_id, 'timezone', o.timezone,
                    'metadata', o.metadata, 'isActive', o.is_active,
                    'createdAt', app_iso(o.created_at), 'updatedAt', app_iso(o.updated_at),
                    'archivedAt', app_iso(o.archived_at)) ORDER BY o.id)
                   FROM customer o
                  WHERE o.environment_id = $1 AND o.merged_into = c.id), '[]') AS merged,
       coalesce((SELECT json_agg(json_build_object(
                    'id', app_ref('sub_', s.id), 'planId', app_ref('pln_', s.plan_id),
                    'planName', p.name, 'name', s.name, 'status', s.status,
                    'billingInterval', s.step, 'basePrice', s.base_price,
                    'metadata', s.metadata, 'timezone', s.zone,
                    'startDate', app_iso(s.start_date), 'trialEndsAt', app_iso(s.trial_ends_at),
                    'currentPeriodStart', app_iso(s.period_start),
                    'currentPeriodEnd', app_iso(s.period_end), 'endDate', app_iso(s.end_date),
                    'cancellationAskedAt', app_iso(s.cancel_asked_at),
                    'cancellationReason', s.cancel_reason, 'successUrl', s.success_url,
                    'createdAt', app_iso(s.created_at), 'updatedAt', app_iso(s.updated_at))
                    ORDER BY s.id)
                   FROM subscription s
                   JOIN plan p ON p.environment_id = s.environment_id AND p.id = s.plan_id
                  WHERE s.environment_id = $1 AND s.customer_id = c.id), '[]') AS subscriptions,
       coalesce((SELECT json_agg(json_build_object(
                    'id', app_ref('inv_', i.id),
                    'subscriptionId', app_ref('sub_', i.subscription_id),
                    'invoiceNumber', 'INV-' || repeat('0', 6 - length(i.number::text)) || i.number,
                    'invoiceType', i.invoice_type, 'status', i.status, 'currency', i.currency,
                    'subtotal', i.subtotal, 'creditApplied', i.credit_applied, 'total', i.total,
                    'planName', i.plan_name, 'periodStart', app_iso(i.period_start),
                    'periodEnd', app_iso(i.period_end), 'issueDate', app_iso(i.issue_date),
                    'dueDate', app_iso(i.due_date), 'paidAt', app_iso(i.paid_at),
                    'lineItems', (SELECT json_agg(json_build_object(
                                     'description', l.description, 'quantity', l.quantity,
                                     'unitAmount', l.unit_amount, 'amount', l.amount)
                                     ORDER BY l.position)
                                    FROM invoice_line l
                                   WHERE l.environment_id = $1 AND l.invoice_id = i.id))
                    ORDER BY i.id)
                   FROM invoice i
                  WHERE i.environment_id = $1 AND i.customer_id = c.id), '[]') AS invoices,
       coalesce((SELECT k.balance FROM customer_credit k
                  WHERE k.environment_id = $1 AND k.customer_id = c.id), 0) AS credit,
       h.events, h.more,
       coalesce((SELECT json_agg(json_build_object(
                    'idempotencyKey', k.key, 'status', k.status,
                    'createdAt', app_iso(k.created_at)) ORDER BY k.created_at, k.key)
                   FROM (SELECT q.key, q.status, q.created_at
                           FROM idempotency_key q
                          WHERE q.environment_id = $1
                            AND (q.about = ANY (u.ids)
                                 OR (q.about_many IS NOT NULL AND q.about_many && u.ids))
                          ORDER BY q.created_at DESC, q.key DESC
                          LIMIT $4) k), '[]') AS requests
  FROM customer c:live_from
 CROSS JOIN LATERAL (SELECT array_agg(o.id) AS ids FROM customer o
                      WHERE o.environment_id = $1::uuid
                        AND (o.id = c.id OR o.merged_into = c.id)) u
 CROSS JOIN LATERAL (
       SELECT coalesce(json_agg(json_build_object(
                  'type', e.type, 'createdAt', app_iso(e.created_at),
                  'customerId', app_ref('cus_', e.customer_id),
                  'subscriptionId', app_ref('sub_', e.subscription_id),
                  'invoiceId', app_ref('inv_', e.invoice_id),
                  'actor', CASE WHEN length(e.actor) = 36 THEN app_ref('key_', e.actor::uuid)
                                WHEN e.actor LIKE 'user:%'
                                THEN app_ref('usr_', substr(e.actor, 6)::uuid)
                                ELSE e.actor END,
                  'requestId', nullif(split_part(e.source, ' ', 2), ''),
                  'before', CASE WHEN e.seal IS NOT NULL THEN e.data->'before' END,
                  'after', CASE WHEN e.seal IS NOT NULL THEN e.data->'after' END,
                  'data', :told,
                  'state', e.state::jsonb - 'checkoutToken'
                           || jsonb_strip_nulls(jsonb_build_object(
                              'planId', app_ref('pln_', (e.state->>'planId')::uuid),
                              'nextPlanId', app_ref('pln_', (e.state->>'nextPlanId')::uuid),
                              'priceId', app_ref('prc_', (e.state->>'priceId')::uuid),
                              'nextPriceId', app_ref('prc_', (e.state->>'nextPriceId')::uuid)))
                  ) ORDER BY e.id) FILTER (WHERE e.fits), '[]') AS events,
              count(*) FILTER (WHERE NOT e.fits) > 0 AS more
         FROM (SELECT x.*, split_part(x.source, ' ', 1) AS actor,
                      row_number() OVER newest <= $4::bigint
                      AND sum(400 + coalesce(octet_length(x.data::text), 0)
                              + coalesce(octet_length(x.state::text), 0)) OVER newest
                          <= $5::bigint AS fits
                 FROM (SELECT x.id, x.type, x.created_at, x.customer_id, x.subscription_id,
                              x.invoice_id, x.data, x.seal, x.state, x.source
                         FROM event x
                        WHERE x.environment_id = $1 AND x.customer_id = ANY (u.ids)
                        ORDER BY x.id DESC
                        LIMIT $4::bigint + 1) x
               WINDOW newest AS (ORDER BY x.id DESC ROWS UNBOUNDED PRECEDING)) e) h
 WHERE c.environment_id = $1::uuid
   AND c.id = (SELECT coalesce(
           (SELECT coalesce(p.merged_into, p.id) FROM customer p
             WHERE p.environment_id = $1 AND p.id = $2::uuid),
           (SELECT coalesce(p.merged_into, p.id) FROM customer p
             WHERE p.environment_id = $1 AND p.external_id = $3::text)));

-- name: customer_export
-- out: :customer_columns address_id until
-- Oldest first. $1 environment, $2 id of the last one before these, $3 id of the last one of all,
-- or NULL: the newest that there is now. It is returned as until. $4 rows, or NULL: all.
SELECT :customer_columns, c.address_id, b.until
  FROM (SELECT coalesce($3::uuid, (SELECT n.id FROM customer n
                                    WHERE n.environment_id = $1::uuid
                                    ORDER BY n.id DESC
                                    LIMIT 1)) AS until) b
  JOIN customer c ON c.environment_id = $1::uuid AND c.id > $2::uuid AND c.id <= b.until
   AND c.merged_into IS NULL
 ORDER BY c.id
 LIMIT $4::bigint;

-- name: customer_as_of
-- out: :customer_columns external_id_now known
-- The customer as it was at a time: as it is now, with the changes after that time undone. It looks
-- at all of these. known is false when one of them does not say what was before: it is older than
-- the history, or its content was erased. $1 environment, $2 public id or NULL, $3 external id, as
-- customer_find has them; $4 time.
WITH found AS (
    SELECT :customer_columns
      FROM customer c
     WHERE c.environment_id = $1::uuid
       AND c.id = (SELECT coalesce(
               (SELECT coalesce(p.merged_into, p.id) FROM customer p
                 WHERE p.environment_id = $1 AND p.id = $2::uuid),
               (SELECT coalesce(p.merged_into, p.id) FROM customer p
                 WHERE p.environment_id = $1 AND p.external_id = $3::text)))
), changes AS MATERIALIZED (
    SELECT e.id, e.created_at, e.data
      FROM event e
     WHERE e.environment_id = $1 AND e.customer_id = (SELECT f.id FROM found f)
       AND e.type = 'customer.updated'
), undone AS MATERIALIZED (
    SELECT DISTINCT ON (b.key) b.key, b.value
      FROM changes l, json_each(l.data->'before') b
     WHERE l.created_at > $4::timestamptz
     ORDER BY b.key, l.id
)
SELECT c.id
     , coalesce((SELECT u.value FROM undone u WHERE u.key = 'externalId'),
                to_json(c.external_id)) #>> '{}' AS external_id
     , coalesce((SELECT u.value FROM undone u WHERE u.key = 'email'),
                to_json(c.email)) #>> '{}' AS email
     , coalesce((SELECT u.value FROM undone u WHERE u.key = 'fullName'),
                to_json(c.full_name)) #>> '{}' AS full_name
     , coalesce((SELECT u.value FROM undone u WHERE u.key = 'taxDocument'),
                to_json(c.tax_document)) #>> '{}' AS tax_document
     , nullif(coalesce((SELECT u.value FROM undone u WHERE u.key = 'address'),
                       c.address)::text, 'null')::json AS address
     , coalesce((SELECT u.value FROM undone u WHERE u.key = 'timezone'),
                to_json(c.timezone)) #>> '{}' AS timezone
     , coalesce((SELECT u.value FROM undone u WHERE u.key = 'metadata'), c.metadata) AS metadata
     , (coalesce((SELECT u.value FROM undone u WHERE u.key = 'isActive'),
                 to_json(c.is_active)) #>> '{}')::boolean AS is_active
     , c.created_at
     , CASE WHEN EXISTS (SELECT FROM changes l WHERE l.created_at > $4)
            THEN coalesce((SELECT max(l.created_at) FROM changes l WHERE l.created_at <= $4),
                          c.created_at)
            ELSE c.updated_at END AS updated_at
     , CASE WHEN m.type IS NULL THEN CASE WHEN c.archived_at <= $4 THEN c.archived_at END
            WHEN m.type = 'customer.archived' AND m.created_at <= $4 THEN m.created_at
            END AS archived_at
     , c.revision, c.external_id AS external_id_now
     -- One that is restored after that time, and whom no event had archived, came so from a file.
     , NOT EXISTS (SELECT FROM changes l WHERE l.created_at > $4 AND l.data IS NULL)
       AND (m.type IS DISTINCT FROM 'customer.restored' OR m.created_at <= $4) AS known
  FROM found c
  LEFT JOIN LATERAL (
       -- The last one up to that time, or else the first one after it.
       SELECT e.type, e.created_at
         FROM event e
        WHERE e.environment_id = $1 AND e.customer_id = c.id
          AND e.type IN ('customer.archived', 'customer.restored')
        ORDER BY e.created_at > $4, CASE WHEN e.created_at > $4 THEN e.id ELSE -e.id END
        LIMIT 1) m ON true;

-- name: customer_history
-- out: id type created_at actor actor_name request before after subscription_id invoice_id data
-- out: erased customer_id
-- One page of what happened to a customer and to those who were merged into it, newest first: of
-- each at most a page is read. An event's number stands in the last half
-- of an id. $1 environment, $2 id of the last row before the page, $3 rows, $4 public id or NULL,
-- $5 external id.
SELECT lpad(to_hex(e.id), 32, '0')::uuid AS id, e.type, e.created_at,
       split_part(e.source, ' ', 1) AS actor,
       CASE WHEN e.source LIKE 'user:%'
            THEN user_called(substr(split_part(e.source, ' ', 1), 6)::uuid)
            ELSE k.name END AS actor_name,
       nullif(split_part(e.source, ' ', 2), '') AS request,
       CASE WHEN e.seal IS NOT NULL THEN e.data->'before' END AS before,
       CASE WHEN e.seal IS NOT NULL THEN e.data->'after' END AS after,
       e.subscription_id, e.invoice_id,
       :told AS data,
       e.seal IS NOT NULL AND e.data IS NULL AS erased, e.customer_id
  FROM customer c
 CROSS JOIN LATERAL (
       SELECT x.id, x.type, x.created_at, x.customer_id, x.subscription_id, x.invoice_id, x.data,
              x.seal, x.source
         FROM event x
        WHERE x.environment_id = $1::uuid AND x.customer_id = c.id
          AND x.id < (SELECT ('x' || right(replace($2::uuid::text, '-', ''), 16))::bit(64)::bigint
                             & 9223372036854775807)
        ORDER BY x.id DESC
        LIMIT $3::bigint) e
  LEFT JOIN api_key k
    ON k.environment_id = $1
   AND k.id = CASE WHEN length(split_part(e.source, ' ', 1)) = 36
                   THEN split_part(e.source, ' ', 1)::uuid END
 WHERE c.environment_id = $1
   AND c.id = ANY (ARRAY(
           SELECT o.id
             FROM (SELECT coalesce(
                       (SELECT coalesce(p.merged_into, p.id) FROM customer p
                         WHERE p.environment_id = $1 AND p.id = $4::uuid),
                       (SELECT coalesce(p.merged_into, p.id) FROM customer p
                         WHERE p.environment_id = $1 AND p.external_id = $5::text)) AS id) o
            UNION ALL
           SELECT m.id
             FROM customer m
            WHERE m.environment_id = $1
              AND m.merged_into = (SELECT coalesce(
                      (SELECT coalesce(p.merged_into, p.id) FROM customer p
                        WHERE p.environment_id = $1 AND p.id = $4),
                      (SELECT coalesce(p.merged_into, p.id) FROM customer p
                        WHERE p.environment_id = $1 AND p.external_id = $5)))))
 ORDER BY e.id DESC
 LIMIT $3;

-- name: customer_import
-- out: made
-- Lines of a file as new customers with their events, but those whose external id is taken; returns
-- how many. $1 environment, $2 ids, $3 external ids, $4 emails, $5 full names, $6 tax documents, $7
-- addresses, $8 timezones, $9 metadata, $10 active, $11 address ids, $12 times, $13 of the last
-- change, $14 of archiving. Locked in the order of customer_create_many. (Arrays side by side in a
-- SELECT cost a quarter of what they do in FROM, which keeps each of them in a store of its own.)
WITH made AS (
    INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, address,
                          timezone, metadata, is_active, address_id, created_at, updated_at,
                          archived_at, history)
    SELECT $1::uuid, i.id, i.external_id, i.email, i.full_name, i.tax_document, i.address,
           i.timezone, i.metadata, i.is_active, i.address_id, i.created_at, i.updated_at,
           i.archived_at, history_digest(NULL, i.id, 'customer.created',
                                         date_trunc('milliseconds', now()), app_source(), NULL)
      FROM (SELECT unnest($2::uuid[]) AS id, unnest($3::text[]) AS external_id,
                   unnest($4::text[]) AS email, unnest($5::text[]) AS full_name,
                   unnest($6::text[]) AS tax_document, unnest($7::json[]) AS address,
                   unnest($8::text[]) AS timezone, unnest($9::json[]) AS metadata,
                   unnest($10::boolean[]) AS is_active, unnest($11::uuid[]) AS address_id,
                   unnest($12::timestamptz[]) AS created_at,
                   unnest($13::timestamptz[]) AS updated_at,
                   unnest($14::timestamptz[]) AS archived_at) i
     ORDER BY i.external_id COLLATE "C"
    ON CONFLICT (environment_id, external_id) DO NOTHING
    RETURNING id, history
), reported AS (
    INSERT INTO event (environment_id, type, customer_id, created_at, digest)
    SELECT $1::uuid, 'customer.created', made.id, date_trunc('milliseconds', now()), made.history
      FROM made
)
SELECT count(*) AS made, set_config('app.made', count(*)::text, true) FROM made;

-- name: customer_update_many
-- out: nth changed
-- After customer_create_many or customer_import: sets what those rows give whose external id a
-- customer has, or one who was merged into it, as customer_update does. Of rows for one customer
-- what the last one gives counts. Returns these rows, and whether their customer has changed.
-- $1 environment, $2 time, $3 ids that are meant for new ones, $4 to $11 are $3 to $10 of
-- customer_import, $12 what each row gives, as $4 of customer_update; external ids stay.
WITH led AS MATERIALIZED (
    SELECT CASE WHEN p.merged_into IS NULL THEN p.id ELSE p.merged_into END AS customer_id, i.*
      FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::json[],
                  $9::text[], $10::json[], $11::boolean[], $12::bigint[]) WITH ORDINALITY
           AS i (id, external_id, email, full_name, tax_document, address, timezone, metadata,
                 is_active, given, nth)
      JOIN customer p ON p.environment_id = $1::uuid AND p.external_id = i.external_id
                     AND p.id <> i.id
     WHERE :first_time
), meant AS (
    SELECT l.customer_id, array_agg(l.nth) AS nths, bit_or(l.given) AS given
         , (array_agg(l.email ORDER BY l.nth DESC) FILTER (WHERE l.given & 2 <> 0))[1] AS email
         , (array_agg(l.full_name ORDER BY l.nth DESC)
            FILTER (WHERE l.given & 4 <> 0))[1] AS full_name
         , (array_agg(l.tax_document ORDER BY l.nth DESC)
            FILTER (WHERE l.given & 8 <> 0))[1] AS tax_document
         , (array_agg(l.address ORDER BY l.nth DESC)
            FILTER (WHERE l.given & 16 <> 0))[1] AS address
         , (array_agg(l.timezone ORDER BY l.nth DESC)
            FILTER (WHERE l.given & 32 <> 0))[1] AS timezone
         , (array_agg(l.metadata ORDER BY l.nth DESC)
            FILTER (WHERE l.given & 64 <> 0))[1] AS metadata
         , (array_agg(l.is_active ORDER BY l.nth DESC)
            FILTER (WHERE l.given & 128 <> 0))[1] AS is_active
      FROM led l
     GROUP BY l.customer_id
), found AS (
    SELECT c.id, i.nths, c.external_id,
           c.email, c.full_name, c.tax_document, c.address, c.timezone, c.metadata, c.is_active,
           i.email AS new_email, i.full_name AS new_full_name, i.tax_document AS new_tax_document,
           i.address AS new_address, i.timezone AS new_timezone, i.metadata AS new_metadata,
           i.is_active AS new_is_active,
           CASE WHEN i.given & 2 <> 0 AND i.email <> c.email THEN 2 ELSE 0 END
           + CASE WHEN i.given & 4 <> 0 AND i.full_name IS DISTINCT FROM c.full_name
                  THEN 4 ELSE 0 END
           + CASE WHEN i.given & 8 <> 0 AND i.tax_document IS DISTINCT FROM c.tax_document
                  THEN 8 ELSE 0 END
           + CASE WHEN i.given & 16 <> 0 AND i.address::text IS DISTINCT FROM c.address::text
                  THEN 16 ELSE 0 END
           + CASE WHEN i.given & 32 <> 0 AND i.timezone <> c.timezone THEN 32 ELSE 0 END
           + CASE WHEN i.given & 64 <> 0 AND i.metadata::text <> c.metadata::text
                  THEN 64 ELSE 0 END
           + CASE WHEN i.given & 128 <> 0 AND i.is_active <> c.is_active THEN 128 ELSE 0 END
           AS differs,
           -- Never set back: what a line of a file says may lie ahead.
           CASE WHEN c.updated_at >= $2::timestamptz THEN c.updated_at + interval '1 ms'
                ELSE $2 END AS changed_at
      FROM meant i
      JOIN customer c ON c.environment_id = $1 AND c.id = i.customer_id
     -- One who has just been merged is not written; whoever asked tries again.
     WHERE c.merged_into IS NULL
     ORDER BY c.id
       FOR NO KEY UPDATE OF c
), told AS (
    SELECT f.id, uuid_send(gen_random_uuid()) AS salt
         , customer_change(f.differs, f.external_id, f.external_id, f.email, f.new_email,
                           f.full_name, f.new_full_name, f.tax_document, f.new_tax_document,
                           f.address, f.new_address, f.timezone, f.new_timezone, f.metadata,
                           f.new_metadata, f.is_active, f.new_is_active) AS content
      FROM found f
     WHERE f.differs <> 0
), sealed AS (
    SELECT t.id, t.salt, t.content, history_seal(t.salt, t.content) AS seal FROM told t
), changed AS (
    UPDATE customer c
       SET email        = CASE WHEN f.differs & 2 <> 0 THEN f.new_email ELSE c.email END,
           full_name    = CASE WHEN f.differs & 4 <> 0 THEN f.new_full_name ELSE c.full_name END,
           tax_document = CASE WHEN f.differs & 8 <> 0 THEN f.new_tax_document
                               ELSE c.tax_document END,
           address      = CASE WHEN f.differs & 16 <> 0 THEN f.new_address ELSE c.address END,
           timezone     = CASE WHEN f.differs & 32 <> 0 THEN f.new_timezone ELSE c.timezone END,
           metadata     = CASE WHEN f.differs & 64 <> 0 THEN f.new_metadata ELSE c.metadata END,
           is_active    = CASE WHEN f.differs & 128 <> 0 THEN f.new_is_active
                               ELSE c.is_active END,
           updated_at   = f.changed_at,
           revision     = c.revision + 1,
           history      = history_digest(c.history, c.id, 'customer.updated', f.changed_at,
                                         app_source(), s.seal)
      FROM found f JOIN sealed s ON s.id = f.id
     WHERE c.environment_id = $1 AND c.id = f.id
    RETURNING c.id, c.updated_at, c.history
), reported AS (
    INSERT INTO event (environment_id, type, customer_id, created_at, data, salt, seal, digest)
    SELECT $1::uuid, 'customer.updated', c.id, c.updated_at, s.content::json, s.salt, s.seal,
           c.history
      FROM changed c JOIN sealed s ON s.id = c.id
)
SELECT n.nth, c.id IS NOT NULL AS changed
  FROM found f LEFT JOIN changed c ON c.id = f.id, unnest(f.nths) n (nth)
 ORDER BY n.nth;

-- name: customer_import_taken
-- out: nth id
-- After customer_import, or instead of it: whom the external ids of lines lead to, in their order.
-- It reads nothing if all were made. $1 environment, $2 ids of the lines, $3 external ids, $4 their
-- number.
SELECT i.nth, CASE WHEN c.merged_into IS NULL THEN c.id ELSE c.merged_into END AS id
  FROM unnest($2::uuid[], $3::text[]) WITH ORDINALITY AS i (id, external_id, nth)
  JOIN customer c ON c.environment_id = $1::uuid AND c.external_id = i.external_id
                 AND c.id <> i.id
 WHERE coalesce(nullif(current_setting('app.made', true), ''), '0')::bigint < $4::bigint
 ORDER BY i.nth;

-- ---- finding
--
-- From the version on that can sort. A list is read in an order that an index
-- has, and looks at a bounded number of rows; what few rows fit is found by an index of its own,
-- and sorted.
--
-- OFFSET 0 keeps the planner from reading all rows of the environment for a hash.
--
-- The parameters are the same everywhere. $1 environment, $2 id of the row before the page, or the
-- lowest or the highest one, $3 rows. Filters, each of which may be NULL: $4 e-mail address, in
-- upper or lower case; $5 and $6 created after and before; $7 updated after; $8 words as LIKE
-- patterns; $9 members of metadata and $10 their values; $11 status and $12 plan code of a
-- subscription; $13 archived or not. $14 is how many rows are looked at; where that ends is told
-- as in customer_list_filtered. $15 is by what the row before the page is sorted, NULL for the
-- first page: a text, or of times the milliseconds. 'key' is the same of each row.

\set kept_columns 'c.environment_id, c.id, c.external_id, c.email, c.full_name, c.tax_document'
\set kept_columns :kept_columns ', c.address, c.timezone, c.metadata, c.is_active, c.created_at'
\set kept_columns :kept_columns ', c.updated_at, c.archived_at, c.revision, c.merged_into'
\set kept_columns :kept_columns ', c.email_key, c.name_key'
\set mail '(SELECT lower($4::text)) COLLATE "C"'
\set lowest '(SELECT coalesce(timestamptz ''epoch'' + $15::text::bigint * interval ''1 ms'''
\set lowest :lowest ', ''-infinity''))'
\set highest '(SELECT coalesce(timestamptz ''epoch'' + $15::text::bigint * interval ''1 ms'''
\set highest :highest ', ''infinity''))'
-- Where a walk by time begins: behind the row before the page, or where the filter does. As one
-- condition, because PostgreSQL begins by one of several and passes over what the others exclude.
\set after_created '(SELECT coalesce(timestamptz ''epoch'''
\set after_created :after_created ' + $15::text::bigint * interval ''1 ms'''
\set after_created :after_created ', $5::timestamptz, ''-infinity''))'
\set after_created :after_created ', (SELECT CASE WHEN $15 IS NULL AND $5 IS NOT NULL'
\set after_created :after_created ' THEN ''ffffffff-ffff-ffff-ffff-ffffffffffff''::uuid'
\set after_created :after_created ' ELSE $2::uuid END)'
\set before_created '(SELECT coalesce(timestamptz ''epoch'''
\set before_created :before_created ' + $15::text::bigint * interval ''1 ms'''
\set before_created :before_created ', $6::timestamptz, ''infinity''))'
\set before_created :before_created ', (SELECT CASE WHEN $15 IS NULL AND $6 IS NOT NULL'
\set before_created :before_created ' THEN ''00000000-0000-0000-0000-000000000000''::uuid'
\set before_created :before_created ' ELSE $2::uuid END)'
\set after_updated '(SELECT coalesce(timestamptz ''epoch'''
\set after_updated :after_updated ' + $15::text::bigint * interval ''1 ms'''
\set after_updated :after_updated ', $7::timestamptz, ''-infinity''))'
\set after_updated :after_updated ', (SELECT CASE WHEN $15 IS NULL AND $7 IS NOT NULL'
\set after_updated :after_updated ' THEN ''ffffffff-ffff-ffff-ffff-ffffffffffff''::uuid'
\set after_updated :after_updated ' ELSE $2::uuid END)'
\set least '(SELECT coalesce($15::text, '''')) COLLATE "C"'
\set words '(SELECT lower($8::text[]::text)::text[])'
\set plan_of '(SELECT p.id FROM plan p WHERE p.environment_id = $1'
\set plan_of :plan_of ' AND p.code = $12::text COLLATE "C")'
\set created_key '(extract(epoch FROM c.created_at) * 1000)::bigint::text'
\set updated_key '(extract(epoch FROM c.updated_at) * 1000)::bigint::text'
\set fits '($4::text IS NULL OR c.email_key = (SELECT lower($4)) COLLATE "C")'
\set fits :fits ' AND ($13::boolean IS NULL OR (c.archived_at IS NOT NULL) = $13)'
\set fits :fits ' AND c.merged_into IS NULL'
\set fits :fits ' AND ($5::timestamptz IS NULL OR c.created_at > $5)'
\set fits :fits ' AND ($6::timestamptz IS NULL OR c.created_at < $6)'
\set fits :fits ' AND ($7::timestamptz IS NULL OR c.updated_at > $7)'
\set fits :fits ' AND ($8::text[] IS NULL OR (c.email_key || E''\n'' || c.name_key || E''\n'''
\set fits :fits ' || coalesce(lower(c.external_id COLLATE "default"), '''') || E''\n'''
\set fits :fits ' || coalesce(lower(c.tax_document), '''')) COLLATE "C"'
\set fits :fits ' LIKE ALL ((SELECT lower($8::text)::text[])::text[]))'
\set fits :fits ' AND ($9::text[] IS NULL'
\set fits :fits ' OR NOT EXISTS (SELECT FROM unnest($9, $10::text[]) w (k, v) WHERE'
\set fits :fits ' (c.metadata ->> w.k) IS DISTINCT FROM w.v'
\set fits :fits ' OR json_typeof(c.metadata -> w.k) NOT IN (''string'', ''number'', ''boolean'')))'
-- Without a status the subscription is one that is not over.
\set fits :fits ' AND ($11::text IS NULL AND $12::text IS NULL'
\set fits :fits ' OR EXISTS (SELECT FROM subscription s'
\set fits :fits ' WHERE s.environment_id = $1 AND s.customer_id = c.id'
\set fits :fits ' AND ($11 IS NULL AND s.status <> ''canceled'' OR s.status = $11)'
\set fits :fits ' AND ($12 IS NULL OR s.plan_id = (SELECT p.id FROM plan p'
\set fits :fits ' WHERE p.environment_id = $1 AND p.code = $12 COLLATE "C"))'
\set fits :fits ' OFFSET 0))'

-- name: customer_find_newest
-- out: :customer_columns ended
-- In the order of the plain list.
SELECT :customer_columns, CASE WHEN c.nth = $14::bigint THEN (:fits) IS TRUE END AS ended
  FROM (SELECT :kept_columns, row_number() OVER (ORDER BY c.id DESC) AS nth
          FROM customer c
         WHERE c.environment_id = $1::uuid AND c.id < $2::uuid
         ORDER BY c.id DESC
         LIMIT $14) c
 WHERE c.nth = $14 OR (:fits)
 ORDER BY c.id DESC
 LIMIT $3::bigint;

-- name: customer_find_email
-- out: :customer_columns ended
-- Those with the e-mail address $4, in the order of the plain list.
SELECT :customer_columns, CASE WHEN c.nth = $14::bigint THEN (:fits) IS TRUE END AS ended
  FROM (SELECT :kept_columns, row_number() OVER (ORDER BY c.id DESC) AS nth
          FROM customer c
         WHERE c.environment_id = $1::uuid AND c.email_key = :mail
           AND c.email_key >= '' AND c.id < $2::uuid
         ORDER BY c.id DESC
         LIMIT $14) c
 WHERE c.nth = $14 OR (:fits)
 ORDER BY c.id DESC
 LIMIT $3::bigint;

-- name: customer_find_plan
-- out: :customer_columns ended
-- Those with a subscription to the plan $12, in the order of the plain list. Where it ends may be a
-- customer who was erased, of whom there is the id.
SELECT f.customer_id AS id, c.external_id, c.email, c.full_name, c.tax_document, c.address
     , c.timezone, c.metadata, c.is_active IS TRUE AS is_active, c.created_at, c.updated_at
     , c.archived_at, c.revision
     , CASE WHEN f.nth = $14::bigint THEN (c.id IS NOT NULL AND :fits) IS TRUE END AS ended
  FROM (SELECT d.customer_id, row_number() OVER (ORDER BY d.customer_id DESC) AS nth
          FROM (SELECT DISTINCT s.customer_id
                  FROM subscription s
                 WHERE s.environment_id = $1::uuid AND s.plan_id = :plan_of
                   AND s.plan_id >= '00000000-0000-0000-0000-000000000000'
                   AND s.customer_id < $2::uuid
                 ORDER BY s.customer_id DESC
                 LIMIT $14) d
         ORDER BY d.customer_id DESC) f
  LEFT JOIN LATERAL (SELECT :kept_columns FROM customer c
                      WHERE c.environment_id = $1 AND c.id = f.customer_id
                     OFFSET 0) c ON true
 WHERE f.nth = $14 OR (c.id IS NOT NULL AND :fits)
 ORDER BY f.customer_id DESC
 LIMIT $3::bigint;

-- name: customer_find_by_created
-- out: :customer_columns ended key
SELECT :customer_columns, CASE WHEN c.nth = $14::bigint THEN (:fits) IS TRUE END AS ended
     , :created_key AS key
  FROM (SELECT :kept_columns, row_number() OVER (ORDER BY c.created_at, c.id) AS nth
          FROM customer c
         WHERE c.environment_id = $1::uuid
           AND (c.created_at, c.id) > (:after_created)
           AND c.created_at >= '-infinity'
           AND c.created_at < (SELECT coalesce($6::timestamptz, 'infinity'))
         ORDER BY c.created_at, c.id
         LIMIT $14) c
 WHERE c.nth = $14 OR (:fits)
 ORDER BY c.created_at, c.id
 LIMIT $3::bigint;

-- name: customer_find_by_created_last
-- out: :customer_columns ended key
-- The last ones first.
SELECT :customer_columns, CASE WHEN c.nth = $14::bigint THEN (:fits) IS TRUE END AS ended
     , :created_key AS key
  FROM (SELECT :kept_columns, row_number() OVER (ORDER BY c.created_at DESC, c.id DESC) AS nth
          FROM customer c
         WHERE c.environment_id = $1::uuid
           AND (c.created_at, c.id) < (:before_created)
           AND c.created_at >= '-infinity'
           AND c.created_at > (SELECT coalesce($5::timestamptz, '-infinity'))
         ORDER BY c.created_at DESC, c.id DESC
         LIMIT $14) c
 WHERE c.nth = $14 OR (:fits)
 ORDER BY c.created_at DESC, c.id DESC
 LIMIT $3::bigint;

-- name: customer_find_by_updated
-- out: :customer_columns ended key
SELECT :customer_columns, CASE WHEN c.nth = $14::bigint THEN (:fits) IS TRUE END AS ended
     , :updated_key AS key
  FROM (SELECT :kept_columns, row_number() OVER (ORDER BY c.updated_at, c.id) AS nth
          FROM customer c
         WHERE c.environment_id = $1::uuid
           AND (c.updated_at, c.id) > (:after_updated)
           AND c.updated_at >= '-infinity'
         ORDER BY c.updated_at, c.id
         LIMIT $14) c
 WHERE c.nth = $14 OR (:fits)
 ORDER BY c.updated_at, c.id
 LIMIT $3::bigint;

-- name: customer_find_by_email
-- out: :customer_columns ended key
SELECT :customer_columns, CASE WHEN c.nth = $14::bigint THEN (:fits) IS TRUE END AS ended
     , c.email_key AS key
  FROM (SELECT :kept_columns, row_number() OVER (ORDER BY c.email_key, c.id) AS nth
          FROM customer c
         WHERE c.environment_id = $1::uuid
           AND (c.email_key, c.id) > (:least, $2::uuid) AND c.email_key >= ''
         ORDER BY c.email_key, c.id
         LIMIT $14) c
 WHERE c.nth = $14 OR (:fits)
 ORDER BY c.email_key, c.id
 LIMIT $3::bigint;

-- name: customer_find_by_name
-- out: :customer_columns ended key
SELECT :customer_columns, CASE WHEN c.nth = $14::bigint THEN (:fits) IS TRUE END AS ended
     , c.name_key AS key
  FROM (SELECT :kept_columns, row_number() OVER (ORDER BY c.name_key, c.id) AS nth
          FROM customer c
         WHERE c.environment_id = $1::uuid
           AND (c.name_key, c.id) > (:least, $2::uuid) AND c.name_key >= ''
         ORDER BY c.name_key, c.id
         LIMIT $14) c
 WHERE c.nth = $14 OR (:fits)
 ORDER BY c.name_key, c.id
 LIMIT $3::bigint;

-- Pages with one filter, or with nothing but an order. The statements above can combine all
-- filters, and PostgreSQL prepares for each of these whenever it runs one, which takes longer than
-- the page. So these can do one thing.
--
-- $1 to $3 as before. $4 archived or not; NULL is either. $5 is how many rows are looked at: where
-- that ends comes last, as a row that does not belong to the page, and whose ended is false; it is
-- not read where the page is full before. $6 is where the order begins, $7 where it ends; or $6 is
-- what is looked for.

\set page_kept '($4::boolean IS NULL OR (c.archived_at IS NOT NULL) = $4)'
\set page_kept :page_kept ' AND c.merged_into IS NULL'
\set page_email 'c.email_key = (SELECT lower($6::text)) COLLATE "C"'
\set page_email :page_email ' AND c.email_key >= '''' AND c.id < $2::uuid'
\set page_metadata 'c.id < $2::uuid'
\set page_has 'c.metadata ->> $6::text = $7::text'
\set page_has :page_has ' AND json_typeof(c.metadata -> $6)'
\set page_has :page_has ' IN (''string'', ''number'', ''boolean'')'
\set page_by_created '(c.created_at, c.id) > ($6::timestamptz, $2::uuid)'
\set page_by_created :page_by_created ' AND c.created_at >= ''-infinity'''
\set page_by_created :page_by_created ' AND c.created_at < $7::timestamptz'
\set page_by_created_last '(c.created_at, c.id) < ($6::timestamptz, $2::uuid)'
\set page_by_created_last :page_by_created_last ' AND c.created_at >= ''-infinity'''
\set page_by_created_last :page_by_created_last ' AND c.created_at > $7::timestamptz'
\set page_by_updated '(c.updated_at, c.id) > ($6::timestamptz, $2::uuid)'
\set page_by_updated :page_by_updated ' AND c.updated_at >= ''-infinity'''
\set page_by_email '(c.email_key, c.id) > ($6::text COLLATE "C", $2::uuid)'
\set page_by_email :page_by_email ' AND c.email_key >= '''''
\set page_by_name '(c.name_key, c.id) > ($6::text COLLATE "C", $2::uuid)'
\set page_by_name :page_by_name ' AND c.name_key >= '''''
\set page_status 's.status = $6::text COLLATE "C" AND s.status >= '''''
\set page_plan 's.plan_id = (SELECT p.id FROM plan p WHERE p.environment_id = $1'
\set page_plan :page_plan ' AND p.code = $6::text COLLATE "C")'
\set page_plan :page_plan ' AND s.plan_id >= ''00000000-0000-0000-0000-000000000000'''
-- Where looking ends, of subscriptions: they may be of a customer who was erased.
\set page_end 's.customer_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL'
\set page_end :page_end ', NULL, false'

-- name: customer_page_email
-- out: :customer_columns ended
-- Those with the e-mail address $6, in the order of the plain list.
(SELECT :customer_columns, NULL::boolean AS ended
   FROM (SELECT :customer_columns, c.merged_into
           FROM customer c
          WHERE c.environment_id = $1::uuid AND :page_email
          ORDER BY c.id DESC
          LIMIT $5::bigint) c
  WHERE :page_kept
  ORDER BY c.id DESC)
 UNION ALL
(SELECT :customer_columns, false
   FROM customer c
  WHERE c.environment_id = $1 AND :page_email
  ORDER BY c.id DESC
 OFFSET $5 - 1 LIMIT 1)
 LIMIT $3::bigint;

-- name: customer_page_metadata
-- out: :customer_columns ended
-- Those whose metadata have a member $6 with the value $7, in the order of the plain list.
(SELECT :customer_columns, NULL::boolean AS ended
   FROM (SELECT :customer_columns, c.merged_into
           FROM customer c
          WHERE c.environment_id = $1::uuid AND :page_metadata
          ORDER BY c.id DESC
          LIMIT $5::bigint) c
  WHERE :page_kept AND :page_has
  ORDER BY c.id DESC)
 UNION ALL
(SELECT :customer_columns, false
   FROM customer c
  WHERE c.environment_id = $1 AND :page_metadata
  ORDER BY c.id DESC
 OFFSET $5 - 1 LIMIT 1)
 LIMIT $3::bigint;

-- name: customer_page_status
-- out: :customer_columns ended
-- Those with a subscription of status $6, in the order of the plain list.
(SELECT :customer_columns, NULL::boolean AS ended
   FROM (SELECT DISTINCT s.customer_id
           FROM subscription s
          WHERE s.environment_id = $1::uuid AND :page_status
            AND s.customer_id < $2::uuid
          ORDER BY s.customer_id DESC
          LIMIT $5::bigint) f
  CROSS JOIN LATERAL (SELECT :customer_columns, c.merged_into
                        FROM customer c
                       WHERE c.environment_id = $1 AND c.id = f.customer_id
                      OFFSET 0) c
  WHERE :page_kept
  ORDER BY f.customer_id DESC)
 UNION ALL
(SELECT :page_end
   FROM (SELECT DISTINCT s.customer_id
           FROM subscription s
          WHERE s.environment_id = $1 AND :page_status
            AND s.customer_id < $2
          ORDER BY s.customer_id DESC
         OFFSET $5 - 1 LIMIT 1) s)
 LIMIT $3::bigint;

-- name: customer_page_plan
-- out: :customer_columns ended
-- Those with a subscription to the plan $6 that is not over, in the order of the plain list.
(SELECT :customer_columns, NULL::boolean AS ended
   FROM (SELECT s.customer_id, bool_or(s.status <> 'canceled') AS lives
           FROM subscription s
          WHERE s.environment_id = $1::uuid AND :page_plan
            AND s.customer_id < $2::uuid
          GROUP BY s.customer_id
          ORDER BY s.customer_id DESC
          LIMIT $5::bigint) f
  CROSS JOIN LATERAL (SELECT :customer_columns, c.merged_into
                        FROM customer c
                       WHERE c.environment_id = $1 AND c.id = f.customer_id
                      OFFSET 0) c
  WHERE :page_kept AND f.lives
  ORDER BY f.customer_id DESC)
 UNION ALL
(SELECT :page_end
   FROM (SELECT DISTINCT s.customer_id
           FROM subscription s
          WHERE s.environment_id = $1 AND :page_plan
            AND s.customer_id < $2
          ORDER BY s.customer_id DESC
         OFFSET $5 - 1 LIMIT 1) s)
 LIMIT $3::bigint;

-- name: customer_page_by_created
-- out: :customer_columns ended
(SELECT :customer_columns, NULL::boolean AS ended
   FROM (SELECT :customer_columns, c.merged_into
           FROM customer c
          WHERE c.environment_id = $1::uuid AND :page_by_created
          ORDER BY c.created_at, c.id
          LIMIT $5::bigint) c
  WHERE :page_kept
  ORDER BY c.created_at, c.id)
 UNION ALL
(SELECT :customer_columns, false
   FROM customer c
  WHERE c.environment_id = $1 AND :page_by_created
  ORDER BY c.created_at, c.id
 OFFSET $5 - 1 LIMIT 1)
 LIMIT $3::bigint;

-- name: customer_page_by_created_last
-- out: :customer_columns ended
-- The last ones first.
(SELECT :customer_columns, NULL::boolean AS ended
   FROM (SELECT :customer_columns, c.merged_into
           FROM customer c
          WHERE c.environment_id = $1::uuid AND :page_by_created_last
          ORDER BY c.created_at DESC, c.id DESC
          LIMIT $5::bigint) c
  WHERE :page_kept
  ORDER BY c.created_at DESC, c.id DESC)
 UNION ALL
(SELECT :customer_columns, false
   FROM customer c
  WHERE c.environment_id = $1 AND :page_by_created_last
  ORDER BY c.created_at DESC, c.id DESC
 OFFSET $5 - 1 LIMIT 1)
 LIMIT $3::bigint;

-- name: customer_page_by_updated
-- out: :customer_columns ended
(SELECT :customer_columns, NULL::boolean AS ended
   FROM (SELECT :customer_columns, c.merged_into
           FROM customer c
          WHERE c.environment_id = $1::uuid AND :page_by_updated
          ORDER BY c.updated_at, c.id
          LIMIT $5::bigint) c
  WHERE :page_kept
  ORDER BY c.updated_at, c.id)
 UNION ALL
(SELECT :customer_columns, false
   FROM customer c
  WHERE c.environment_id = $1 AND :page_by_updated
  ORDER BY c.updated_at, c.id
 OFFSET $5 - 1 LIMIT 1)
 LIMIT $3::bigint;

-- name: customer_page_by_email
-- out: :customer_columns ended key
(SELECT :customer_columns, NULL::boolean AS ended, c.email_key AS key
   FROM (SELECT :customer_columns, c.merged_into, c.email_key
           FROM customer c
          WHERE c.environment_id = $1::uuid AND :page_by_email
          ORDER BY c.email_key, c.id
          LIMIT $5::bigint) c
  WHERE :page_kept
  ORDER BY c.email_key, c.id)
 UNION ALL
(SELECT :customer_columns, false, c.email_key
   FROM customer c
  WHERE c.environment_id = $1 AND :page_by_email
  ORDER BY c.email_key, c.id
 OFFSET $5 - 1 LIMIT 1)
 LIMIT $3::bigint;

-- name: customer_page_by_name
-- out: :customer_columns ended key
(SELECT :customer_columns, NULL::boolean AS ended, c.name_key AS key
   FROM (SELECT :customer_columns, c.merged_into, c.name_key
           FROM customer c
          WHERE c.environment_id = $1::uuid AND :page_by_name
          ORDER BY c.name_key, c.id
          LIMIT $5::bigint) c
  WHERE :page_kept
  ORDER BY c.name_key, c.id)
 UNION ALL
(SELECT :customer_columns, false, c.name_key
   FROM customer c
  WHERE c.environment_id = $1 AND :page_by_name
  ORDER BY c.name_key, c.id
 OFFSET $5 - 1 LIMIT 1)
 LIMIT $3::bigint;

-- name: customer_find_among
-- out: :customer_columns key many
-- The page of those that an index finds for one of the filters, if these are fewer than $14; else
-- one row that says many, and is empty otherwise, as it is when there are none. $16 names that
-- index: search, email, status, plan or id, which is of $17, an external id. $18 is the order;
-- newest is that of the plain list.
WITH found AS MATERIALIZED (
    (SELECT s.id FROM customer_search(:words, $9::text[], $10::text[], $14::bigint) s (id)
      WHERE $16::text = 'search')
    UNION ALL
    (SELECT c.id FROM customer c
      WHERE $16 = 'email' AND c.environment_id = $1::uuid AND c.email_key = :mail
        AND c.email_key >= ''
      LIMIT $14)
    UNION ALL
    (SELECT DISTINCT s.customer_id FROM subscription s
      WHERE $16 = 'status' AND s.environment_id = $1 AND s.status >= ''
        AND s.status = $11::text COLLATE "C"
      ORDER BY s.customer_id
      LIMIT $14)
    UNION ALL
    (SELECT DISTINCT s.customer_id FROM subscription s
      WHERE $16 = 'plan' AND s.environment_id = $1 AND s.plan_id = :plan_of
        AND s.plan_id >= '00000000-0000-0000-0000-000000000000'
      ORDER BY s.customer_id
      LIMIT $14)
    UNION ALL
    (SELECT CASE WHEN c.merged_into IS NULL THEN c.id ELSE c.merged_into END FROM customer c
      WHERE $16 = 'id' AND c.environment_id = $1 AND c.external_id = $17::text)
), counted AS MATERIALIZED (
    SELECT count(*) >= $14 AS many FROM found
), page AS (
    SELECT :kept_columns
         , CASE $18::text WHEN 'createdAt' THEN :created_key WHEN '-createdAt' THEN :created_key
                          WHEN 'updatedAt' THEN :updated_key
                          WHEN 'email' THEN c.email_key WHEN 'fullName' THEN c.name_key END AS key
         , row_number() OVER (ORDER BY
               CASE $18 WHEN 'email' THEN c.email_key WHEN 'fullName' THEN c.name_key END,
               CASE $18 WHEN 'createdAt' THEN c.created_at WHEN 'updatedAt' THEN c.updated_at END,
               CASE $18 WHEN '-createdAt' THEN c.created_at END DESC,
               CASE WHEN $18 NOT IN ('newest', '-createdAt') THEN c.id END,
               c.id DESC) AS nth
      FROM found f
      CROSS JOIN LATERAL (SELECT :kept_columns FROM customer c
                           WHERE c.environment_id = $1 AND c.id = f.id
                          OFFSET 0) c
     WHERE NOT (SELECT many FROM counted) AND (:fits)
       AND CASE $18
           WHEN 'createdAt'
           THEN (c.created_at, c.id) > (:lowest, $2::uuid)
           WHEN '-createdAt'
           THEN (c.created_at, c.id) < (:highest, $2)
           WHEN 'updatedAt'
           THEN (c.updated_at, c.id) > (:lowest, $2)
           WHEN 'email'
           THEN (c.email_key, c.id) > (:least, $2)
           WHEN 'fullName'
           THEN (c.name_key, c.id) > (:least, $2)
           ELSE c.id < $2
           END
)
SELECT :customer_columns, c.key, n.many
  FROM counted n LEFT JOIN (SELECT :kept_columns, c.key, c.nth FROM page c
                        ORDER BY c.nth LIMIT $3::bigint) c ON true
 ORDER BY c.nth;

-- name: customer_find_between
-- out: :customer_columns many low
-- In the order of the plain list: the page of those among its next $14 rows that the search index
-- finds, if these are fewer than $15; else one row that says many, and is empty otherwise, as it is
-- when there are none. 'low' is the last of the rows that were looked at; NULL: the list ends
-- before.
WITH ended AS MATERIALIZED (
    SELECT (SELECT c.id FROM customer c
             WHERE c.environment_id = $1::uuid AND c.id < $2::uuid
             ORDER BY c.id DESC
            OFFSET $14::bigint - 1 LIMIT 1) AS low
), found AS MATERIALIZED (
    SELECT s.id
      FROM customer_search_between(:words, $9::text[], $10::text[], $15::bigint,
               (SELECT coalesce(e.low, '00000000-0000-0000-0000-000000000000') FROM ended e),
               $2) s (id)
), counted AS MATERIALIZED (
    SELECT count(*) >= $15 AS many FROM found
)
SELECT :customer_columns, n.many, e.low
  FROM counted n
  CROSS JOIN ended e
  LEFT JOIN (SELECT :kept_columns
               FROM found f
              CROSS JOIN LATERAL (SELECT :kept_columns FROM customer c
                                   WHERE c.environment_id = $1 AND c.id = f.id
                                  OFFSET 0) c
              WHERE NOT (SELECT many FROM counted) AND (:fits)
              ORDER BY c.id DESC
              LIMIT $3::bigint) c ON true
 ORDER BY c.id DESC;

\set counted_created 'c.created_at >= ''-infinity'' AND c.created_at > $4::timestamptz'
\set counted_created :counted_created ' AND c.created_at < $5::timestamptz'

-- name: customer_count
-- out: rows whole more
-- How many fit: $2 at most, and whole says whether these are all. $15 names the index that finds
-- them: one of customer_find_among, or updated. No more than $3 are read of it; more says that it
-- has as many, and that not more than $2 of these fit. $14 of the list are looked at instead where
-- search cannot tell, or finds $3 which are not more than $2; and besides, for the greater number,
-- where it has as many, not more than $2 fit, and $3 is not less than $14. $16 is an external id.
WITH found AS MATERIALIZED (
    (SELECT s.id FROM customer_search(:words, $9::text[], $10::text[], $3::bigint) s (id)
      WHERE $15::text = 'search')
    UNION ALL
    (SELECT c.id FROM customer c
      WHERE $15 = 'email' AND c.environment_id = $1::uuid AND c.email_key = :mail
        AND c.email_key >= ''
      LIMIT $3)
    UNION ALL
    (SELECT DISTINCT s.customer_id FROM subscription s
      WHERE $15 = 'status' AND s.environment_id = $1 AND s.status >= ''
        AND s.status = $11::text COLLATE "C"
      ORDER BY s.customer_id
      LIMIT $3)
    UNION ALL
    (SELECT DISTINCT s.customer_id FROM subscription s
      WHERE $15 = 'plan' AND s.environment_id = $1 AND s.plan_id = :plan_of
        AND s.plan_id >= '00000000-0000-0000-0000-000000000000'
      ORDER BY s.customer_id
      LIMIT $3)
    UNION ALL
    (SELECT CASE WHEN c.merged_into IS NULL THEN c.id ELSE c.merged_into END FROM customer c
      WHERE $15 = 'id' AND c.environment_id = $1 AND c.external_id = $16::text)
    UNION ALL
    (SELECT c.id FROM customer c
      WHERE $15 = 'updated' AND c.environment_id = $1
        AND c.updated_at >= '-infinity'
        AND c.updated_at > (SELECT coalesce($7::timestamptz, '-infinity'))
      ORDER BY c.updated_at
      LIMIT $3)
), counted AS MATERIALIZED (
    SELECT count(*) >= $3 AS many
         , $15 = 'search' AND (count(*) > count(f.id)
                               OR count(*) >= $3 AND $3 <= $2::bigint) AS useless
      FROM found f
), fitting AS MATERIALIZED (
    SELECT count(*) AS rows
      FROM (SELECT
              FROM found f
             CROSS JOIN LATERAL (SELECT :kept_columns FROM customer c
                                  WHERE c.environment_id = $1 AND c.id = f.id
                                 OFFSET 0) c
             WHERE NOT (SELECT useless FROM counted) AND (:fits)
             LIMIT $2 + 1) w
), judged AS MATERIALIZED (
    SELECT w.rows, n.many
         , n.useless OR $15 = 'search' AND n.many AND w.rows <= $2 AND $3 >= $14::bigint AS walks
      FROM counted n CROSS JOIN fitting w
)
SELECT least(n.rows, $2) AS rows, n.rows <= $2 AND n.whole AS whole, n.rows <= $2 AND n.more AS more
  FROM (SELECT j.rows, NOT j.many AS whole, j.many AS more
          FROM judged j
         WHERE NOT j.walks
        UNION ALL
        SELECT greatest(j.rows, (SELECT count(*)
                                   FROM (SELECT FROM (SELECT :kept_columns FROM customer c
                                                       WHERE c.environment_id = $1
                                                       ORDER BY c.id DESC
                                                       LIMIT $14) c
                                          WHERE :fits
                                          LIMIT $2 + 1) w))
             , (SELECT count(*) < $14
                  FROM (SELECT FROM customer c
                         WHERE c.environment_id = $1
                         ORDER BY c.id
                         LIMIT $14) t)
             , false
          FROM judged j
         WHERE j.walks) n;

-- name: customer_count_created
-- out: rows whole
-- The same for those made after $4 and before $5, or all when these are infinite, and for no other
-- filter, in a tenth of the time. $3 archived or not; NULL is either. No more than $6 are looked
-- at.
SELECT least(n.rows, $2::bigint) AS rows
     , n.rows <= $2 AND NOT EXISTS (SELECT FROM customer c
                                     WHERE c.environment_id = $1::uuid AND :counted_created
                                     ORDER BY c.created_at, c.id
                                    OFFSET $6::bigint - 1 LIMIT 1) AS whole
  FROM (SELECT count(*) AS rows
          FROM (SELECT
                  FROM (SELECT c.archived_at, c.merged_into
                          FROM customer c
                         WHERE c.environment_id = $1 AND :counted_created
                         ORDER BY c.created_at, c.id
                         LIMIT $6) c
                 WHERE ($3::boolean IS NULL OR (c.archived_at IS NOT NULL) = $3)
                   AND c.merged_into IS NULL
                 LIMIT $2::bigint + 1) w) n;

-- Merging a customer into another one, and undoing it. Each transaction is four statements, because
-- only a new snapshot sees what another transaction has just committed: it locks the customers, in
-- the order of their ids; it locks the subscriptions that move, likewise; it looks, and notes both
-- customers where there is something to do; and it does that. Whoever makes or changes a
-- subscription locks in the same order (sql/query/billing.sql).
--
-- $2 public id or NULL, $3 external id: to whom they lead. $4, $5: whose they are.
\set into '(SELECT coalesce((SELECT coalesce(p.merged_into, p.id) FROM customer p'
\set into :into ' WHERE p.environment_id = $1 AND p.id = $2::uuid)'
\set into :into ', (SELECT coalesce(p.merged_into, p.id) FROM customer p'
\set into :into ' WHERE p.environment_id = $1 AND p.external_id = $3::text)))'
\set from '(SELECT coalesce((SELECT p.id FROM customer p'
\set from :from ' WHERE p.environment_id = $1 AND p.id = $4::uuid)'
\set from :from ', (SELECT p.id FROM customer p'
\set from :from ' WHERE p.environment_id = $1 AND p.external_id = $5::text)))'
\set noted_into '(SELECT nullif(current_setting(''app.merge_into'', true), '''')::uuid)'
\set noted_from '(SELECT nullif(current_setting(''app.merge_from'', true), '''')::uuid)'

-- name: customer_merge_lock
-- out: id
-- Locks both customers, and those that were merged into the one who is merged now. $1 environment,
-- $2 and $3 the one who stays, $4 and $5 the one who is merged: public id or NULL, external id.
SELECT c.id
  FROM customer c
 WHERE :first_time AND c.environment_id = $1::uuid
   AND c.id = ANY (ARRAY(SELECT :into UNION SELECT :from
                         UNION SELECT o.id FROM customer o
                                WHERE o.environment_id = $1 AND o.merged_into = :from))
 ORDER BY c.id
   FOR UPDATE OF c;

-- name: customer_merge_hold
-- Locks the subscriptions of both. Parameters as before.
SELECT s.id
  FROM subscription s
 WHERE :first_time AND s.environment_id = $1::uuid AND s.customer_id = ANY (ARRAY[:into, :from])
 ORDER BY s.id
   FOR UPDATE OF s;

-- name: customer_merge_look
-- out: into_id from_id merged_into archived into_live from_live met
-- One row: the two customers, NULL where there is none; into whom the second was merged before;
-- whether the first is archived; their live subscriptions; and whether the first is what $6 and $7
-- name ($14 and $15 of customer_update). Parameters as before.
SELECT i.id AS into_id, f.id AS from_id, f.merged_into, i.archived_at IS NOT NULL AS archived,
       n.id AS into_live, m.id AS from_live, k.met,
       set_config('app.merge_into', i.id::text, true),
       set_config('app.merge_from',
                  CASE WHEN i.id <> f.id AND f.merged_into IS NULL AND i.archived_at IS NULL
                        AND (n.id IS NULL OR m.id IS NULL) AND k.met
                       THEN f.id::text ELSE '' END, true)
  FROM (VALUES (1)) one
  LEFT JOIN customer i ON i.environment_id = $1::uuid AND i.id = :into
  LEFT JOIN customer f ON f.environment_id = $1 AND f.id = :from
  LEFT JOIN subscription n ON n.environment_id = $1 AND n.customer_id = i.id
                          AND n.status <> 'canceled'
  LEFT JOIN subscription m ON m.environment_id = $1 AND m.customer_id = f.id
                          AND m.status <> 'canceled'
 CROSS JOIN LATERAL (SELECT ($6::uuid[] IS NULL
                             OR (i.id, i.revision) IN (SELECT r.id, r.revision
                                                         FROM unnest($6, $7::bigint[])
                                                              r (id, revision))) IS TRUE AS met) k
 WHERE :first_time;

-- name: customer_merge
-- out: :customer_columns
-- Moves subscriptions, invoices and credit from the one who was noted to the other, and answers
-- with that one; just that where nobody was noted. $1 environment, $2 time.
WITH moved AS (
    UPDATE subscription s SET customer_id = :noted_into
     WHERE s.environment_id = $1::uuid AND s.customer_id = :noted_from
    RETURNING s.id
), billed AS (
    UPDATE invoice i SET customer_id = :noted_into
     WHERE i.environment_id = $1 AND i.customer_id = :noted_from
), credit AS (
    SELECT k.balance FROM customer_credit k
     WHERE k.environment_id = $1 AND k.customer_id = :noted_from AND k.balance > 0
       FOR UPDATE
), spent AS (
    UPDATE customer_credit k SET balance = 0
      FROM credit
     WHERE k.environment_id = $1 AND k.customer_id = :noted_from
), gained AS (
    INSERT INTO customer_credit AS k (environment_id, customer_id, balance)
    SELECT $1, :noted_into, credit.balance FROM credit
    ON CONFLICT (environment_id, customer_id) DO UPDATE SET balance = k.balance + excluded.balance
), others AS (
    UPDATE customer c SET merged_into = :noted_into
     WHERE c.environment_id = $1 AND c.merged_into = :noted_from
    RETURNING c.id
), gone AS (
    UPDATE customer c
       SET merged_into = :noted_into, archived_at = coalesce(c.archived_at, $2::timestamptz)
     WHERE c.environment_id = $1 AND c.id = :noted_from
    RETURNING c.id
), kept AS (
    INSERT INTO customer_merge (environment_id, customer_id, into_id, merged_at, archived_at,
                                credit, subscriptions, others)
    SELECT $1, f.id, :noted_into, $2, f.archived_at,
           coalesce((SELECT credit.balance FROM credit), 0),
           ARRAY(SELECT moved.id FROM moved ORDER BY 1),
           ARRAY(SELECT others.id FROM others ORDER BY 1)
      FROM customer f
     WHERE f.environment_id = $1 AND f.id = :noted_from
), told AS (
    SELECT uuid_send(gen_random_uuid()) AS salt, json_build_object('from', gone.id)::text AS content
      FROM gone
), noted AS (
    UPDATE customer c
       SET history = history_digest(c.history, c.id, 'customer.merged', $2, app_source(),
                                    history_seal(t.salt, t.content))
      FROM told t
     WHERE c.environment_id = $1 AND c.id = :noted_into
    RETURNING c.id, c.history
), reported AS (
    INSERT INTO event (environment_id, type, customer_id, created_at, data, salt, seal, digest)
    SELECT $1, 'customer.merged', c.id, $2, t.content::json, t.salt,
           history_seal(t.salt, t.content), c.history
      FROM noted c, told t
)
SELECT :customer_columns
  FROM customer c
 WHERE c.environment_id = $1 AND c.id = :noted_into;

-- name: customer_unmerge_lock
-- out: id
-- Locks the customer who was merged, the one to whom its ids lead, and those that had been merged
-- into it before. $1 environment, $2 and $3 as $4 and $5 above.
SELECT c.id
  FROM customer c
 WHERE :first_time AND c.environment_id = $1::uuid
   AND c.id = ANY (ARRAY(
           SELECT u.id
             FROM customer p
             LEFT JOIN customer_merge m ON m.environment_id = $1 AND m.customer_id = p.id,
                  unnest(m.others || ARRAY[p.id, p.merged_into]) u (id)
            WHERE p.environment_id = $1
              AND p.id = (SELECT coalesce(
                      (SELECT q.id FROM customer q
                        WHERE q.environment_id = $1 AND q.id = $2::uuid),
                      (SELECT q.id FROM customer q
                        WHERE q.environment_id = $1 AND q.external_id = $3::text)))))
 ORDER BY c.id
   FOR UPDATE OF c;

-- name: customer_unmerge_hold
-- Locks the subscriptions that were moved. Parameters as before.
SELECT s.id
  FROM subscription s
 WHERE :first_time AND s.environment_id = $1::uuid
   AND s.id = ANY (ARRAY(
           SELECT u.id
             FROM customer_merge m, unnest(m.subscriptions) u (id)
            WHERE m.environment_id = $1
              AND m.customer_id = (SELECT coalesce(
                      (SELECT q.id FROM customer q
                        WHERE q.environment_id = $1 AND q.id = $2::uuid),
                      (SELECT q.id FROM customer q
                        WHERE q.environment_id = $1 AND q.external_id = $3::text)))))
 ORDER BY s.id
   FOR UPDATE OF s;

-- name: customer_unmerge_look
-- out: late into_id met
-- No row: there is no such customer. late: merged more than 30 days ago; NULL: it was not merged.
-- into_id: to whom its ids lead. met: whether that one is what $5 and $6 name ($14 and $15 of
-- customer_update). Parameters as before, and $4 time. Who that is, is noted as app.customer, too:
-- row-level security lets events and answers of that one be changed alone.
SELECT m.merged_at < $4::timestamptz - interval '30 days' AS late, c.merged_into AS into_id, k.met,
       set_config('app.customer', CASE WHEN m.merged_at >= $4 - interval '30 days' AND k.met
                                       THEN c.merged_into::text ELSE '' END, true),
       set_config('app.merge_into', CASE WHEN m.merged_at >= $4 - interval '30 days' AND k.met
                                         THEN c.merged_into::text ELSE '' END, true),
       set_config('app.merge_from', CASE WHEN m.merged_at >= $4 - interval '30 days' AND k.met
                                         THEN c.id::text ELSE '' END, true)
  FROM customer c
  LEFT JOIN customer_merge m ON m.environment_id = $1::uuid AND m.customer_id = c.id
  LEFT JOIN customer i ON i.environment_id = $1 AND i.id = c.merged_into
 CROSS JOIN LATERAL (SELECT ($5::uuid[] IS NULL
                             OR (i.id, i.revision) IN (SELECT r.id, r.revision
                                                         FROM unnest($5, $6::bigint[])
                                                              r (id, revision))) IS TRUE AS met) k
 WHERE :first_time AND c.environment_id = $1
   AND c.id = (SELECT coalesce(
           (SELECT q.id FROM customer q
             WHERE q.environment_id = $1 AND q.id = $2::uuid),
           (SELECT q.id FROM customer q
             WHERE q.environment_id = $1 AND q.external_id = $3::text)));

-- name: customer_unmerge
-- out: :customer_columns
-- Moves back what was moved for the one who was noted, with the invoices that came since, what was
-- told of its subscriptions meanwhile, and as much of the credit as is left; answers with that
-- customer. Those into whom it was merged may have been merged on: what was noted of that names it
-- no more (parted). A kept answer that has one of its subscriptions is about both then.
-- $1 environment.
WITH m AS (
    DELETE FROM customer_merge m
     WHERE m.environment_id = $1::uuid AND m.customer_id = :noted_from
    RETURNING m.archived_at, m.credit, m.subscriptions, m.others
), moved AS (
    UPDATE subscription s SET customer_id = :noted_from
     WHERE s.environment_id = $1 AND s.customer_id = :noted_into
       AND s.id = ANY ((SELECT m.subscriptions FROM m)::uuid[])
), billed AS (
    UPDATE invoice i SET customer_id = :noted_from
     WHERE i.environment_id = $1 AND i.customer_id = :noted_into
       AND i.subscription_id = ANY ((SELECT m.subscriptions FROM m)::uuid[])
), parted AS (
    UPDATE customer_merge o
       SET credit        = greatest(o.credit - m.credit, 0),
           subscriptions = ARRAY(SELECT u.id FROM unnest(o.subscriptions) u (id)
                                  WHERE u.id <> ALL (m.subscriptions)),
           others        = ARRAY(SELECT u.id FROM unnest(o.others) u (id)
                                  WHERE u.id <> :noted_from AND u.id <> ALL (m.others))
      FROM m, customer h
     WHERE h.environment_id = $1 AND h.merged_into = :noted_into
       AND o.environment_id = $1 AND o.customer_id = h.id AND :noted_from = ANY (o.others)
    RETURNING o.customer_id
), above AS MATERIALIZED (
    SELECT ARRAY(SELECT :noted_into UNION ALL SELECT parted.customer_id FROM parted) AS ids
), retold AS (
    UPDATE event e SET customer_id = :noted_from
     WHERE e.environment_id = $1 AND e.customer_id = ANY ((SELECT above.ids FROM above)::uuid[])
       AND e.subscription_id = ANY ((SELECT m.subscriptions FROM m)::uuid[])
), answers AS (
    UPDATE idempotency_key k SET about = NULL, about_many = ARRAY[:noted_into, :noted_from]
     WHERE k.environment_id = $1 AND k.about = ANY ((SELECT above.ids FROM above)::uuid[])
       AND k.about IS NOT NULL
       AND EXISTS (SELECT FROM m, unnest(m.subscriptions) u (id)
                    WHERE position(convert_to(app_ref('sub_', u.id), 'UTF8') IN k.answer) > 0)
), back AS (
    SELECT least(k.balance, m.credit) AS amount
      FROM m
      JOIN customer_credit k ON k.environment_id = $1 AND k.customer_id = :noted_into
       FOR UPDATE OF k
), spent AS (
    UPDATE customer_credit k SET balance = k.balance - back.amount
      FROM back
     WHERE k.environment_id = $1 AND k.customer_id = :noted_into AND back.amount > 0
), gained AS (
    INSERT INTO customer_credit AS k (environment_id, customer_id, balance)
    SELECT $1, :noted_from, back.amount FROM back WHERE back.amount > 0
    ON CONFLICT (environment_id, customer_id) DO UPDATE SET balance = k.balance + excluded.balance
), others AS (
    UPDATE customer c SET merged_into = :noted_from
     WHERE c.environment_id = $1 AND c.merged_into = :noted_into
       AND c.id = ANY ((SELECT m.others FROM m)::uuid[])
), told AS (
    SELECT uuid_send(gen_random_uuid()) AS salt, date_trunc('milliseconds', now()) AS at,
           json_build_object('from', :noted_into)::text AS content
), found AS (
    UPDATE customer c
       SET merged_into = NULL, archived_at = m.archived_at, revision = c.revision + 1,
           history = history_digest(c.history, c.id, 'customer.unmerged', t.at, app_source(),
                                    history_seal(t.salt, t.content))
      FROM m, told t
     WHERE c.environment_id = $1 AND c.id = :noted_from
    RETURNING :customer_columns, c.history
), reported AS (
    INSERT INTO event (environment_id, type, customer_id, created_at, data, salt, seal, digest)
    SELECT $1, 'customer.unmerged', c.id, t.at, t.content::json, t.salt,
           history_seal(t.salt, t.content), c.history
      FROM found c, told t
)
SELECT :customer_columns
  FROM found c;

-- name: customer_duplicates
-- out: :customer_columns key more next
-- Who may be the same: those that are not archived, in groups of one e-mail address or tax
-- document, in the order of these and of ids. 'key' is the one as it is compared; 'more': the group
-- has more customers, or may have. $1 environment, $2 the key before the page, NULL for the first
-- one, $3 groups at most. So that a page has a bound, it looks at no more than $4 rows of the
-- index; a key that is cut by that end is left to the next page, unless there is no other. $5
-- customers of a group, $6 of the page, $7 email or taxDocument. 'next' is the key after which the
-- next page begins, NULL: there is none. Where there are no groups it is alone in a row, which is
-- empty otherwise.
WITH seen AS MATERIALIZED (
    (SELECT c.email_key AS key, c.id, c.archived_at IS NULL AS listed
          , row_number() OVER (ORDER BY c.email_key, c.id) AS nth
       FROM customer c
      WHERE $7::text = 'email' AND c.environment_id = $1::uuid AND c.email_key >= ''
        AND c.email_key > (SELECT coalesce($2::text, '')) COLLATE "C"
      ORDER BY c.email_key, c.id
      LIMIT $4::bigint)
    UNION ALL
    (SELECT c.tax_key AS key, c.id, c.archived_at IS NULL AS listed
          , row_number() OVER (ORDER BY c.tax_key, c.id) AS nth
       FROM customer c
      WHERE $7 = 'taxDocument' AND c.environment_id = $1 AND c.tax_key >= ''
        AND c.tax_key > (SELECT coalesce($2, '')) COLLATE "C"
      ORDER BY c.tax_key, c.id
      LIMIT $4)
), ended AS (
    SELECT l.key AS at
         , coalesce((SELECT max(s.key) FROM seen s WHERE s.key < l.key), l.key) AS whole
      FROM seen l
     WHERE l.nth = $4
), found AS (
    SELECT g.key, g.ids, g.size, row_number() OVER w AS nth
         , sum(least(g.size, $5::bigint)) OVER w AS shown
      FROM (SELECT s.key, array_agg(s.id ORDER BY s.id) AS ids, count(*) AS size
              FROM seen s
             WHERE s.listed AND (NOT EXISTS (SELECT FROM ended)
                                 OR s.key <= (SELECT e.whole FROM ended e))
             GROUP BY s.key
            HAVING count(*) > 1) g
    WINDOW w AS (ORDER BY g.key)
), picked AS (
    SELECT f.key, f.ids[:$5::bigint] AS ids
         , f.size > $5 OR EXISTS (SELECT FROM ended e WHERE e.at = f.key) AS more
      FROM found f
     WHERE f.nth <= $3::bigint AND f.shown <= $6::bigint
)
SELECT :customer_columns, p.key, p.more, n.next
  FROM (SELECT CASE WHEN (SELECT count(*) FROM found) > count(k.key) THEN max(k.key)
                    ELSE (SELECT e.whole FROM ended e) END AS next
          FROM picked k) n
  LEFT JOIN (picked p
             CROSS JOIN LATERAL unnest(p.ids) i (id)
             CROSS JOIN LATERAL (SELECT :kept_columns
                                   FROM customer c
                                  WHERE c.environment_id = $1 AND c.id = i.id
                                 OFFSET 0) c) ON true
 WHERE p.key IS NOT NULL OR n.next IS NOT NULL
 ORDER BY p.key, c.id;
