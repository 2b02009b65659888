-- Customers. Every statement names the environment, although row-level security would suffice.

\set erase :erase ', customers AS (DELETE FROM customer WHERE environment_id = $1)'
\set erase :erase ', events AS (DELETE FROM event WHERE environment_id = $1)'
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
\set matches '($4::boolean IS NULL OR c.is_active = $4) AND ($5::text IS NULL'
\set matches :matches ' OR position(lower($5) IN lower(c.email)) > 0'
\set matches :matches ' OR position(lower($5) IN lower(c.full_name)) > 0'
\set matches :matches ' OR position(lower($5) IN lower(c.external_id COLLATE "default")) > 0)'
\set matches :matches ' AND ($6::text IS NULL OR c.email = $6)'
\set kept '($8::boolean IS NULL OR (c.archived_at IS NOT NULL) = $8)'

-- name: customer_get
-- out: :customer_columns live
-- By public id. $1 environment, $2 id.
SELECT :customer_columns:live
  FROM customer c:live_from
 WHERE c.environment_id = $1::uuid AND c.id = $2::uuid;

-- name: customer_get_external
-- out: :customer_columns live
-- By external id, the caller's own. $1 environment, $2 external id.
SELECT :customer_columns:live
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
 ORDER BY c.id DESC
 LIMIT $3::bigint;

-- name: customer_list_all
-- out: :customer_columns
-- The same of all.
SELECT :customer_columns
  FROM customer c
 WHERE c.environment_id = $1::uuid AND c.id < $2::uuid
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
  FROM (SELECT :customer_columns
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
           (SELECT p.id FROM customer p
             WHERE p.environment_id = $1 AND p.id = $7::uuid),
           (SELECT p.id FROM customer p
             WHERE p.environment_id = $1 AND p.external_id = $9::text)))
   AND ($10::text IS NULL OR c.external_id = $10) AND :kept
 LIMIT $3::bigint;

-- name: customer_list_email
-- out: :customer_columns
-- One page of the customers with one e-mail address, which the index finds. Many can have the same,
-- so it takes no other filter that could walk over all of them. $4 e-mail address, $5 archived or
-- not, or NULL.
SELECT :customer_columns
  FROM customer c
 WHERE c.environment_id = $1::uuid AND c.id < $2::uuid AND c.email = $4::text COLLATE "C"
   AND ($5::boolean IS NULL OR (c.archived_at IS NOT NULL) = $5)
 ORDER BY c.id DESC
 LIMIT $3::bigint;

-- name: customer_create
-- out: made
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

-- name: customer_taken
-- out: :customer_columns
-- After customer_create: the customer that has the external id. It is a statement of its own,
-- because only a new snapshot sees a row that another transaction has just committed.
-- $1 environment, $2 external id.
SELECT :customer_columns
     -- As in idempotency_look: the answer is what another transaction wrote.
     , CASE WHEN current_setting('synchronous_standby_names') <> ''
            THEN pg_logical_emit_message(true, 'clientele', '') END
  FROM customer c
 WHERE :first_time AND current_setting('app.expected', true) = 'false'
   AND c.environment_id = $1::uuid AND c.external_id = $2::text;

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
-- out: :customer_columns
-- After customer_create_many: the customers that existed. It is a statement of its own, because
-- only a new snapshot sees a row that another transaction has just committed. It reads nothing if
-- all were made or if the request is a repeated one. $1 environment, $2 number of customers sent,
-- $3 their external ids, $4 the ids meant for them.
SELECT :customer_columns
     , CASE WHEN current_setting('synchronous_standby_names') <> ''
            THEN pg_logical_emit_message(true, 'clientele', '') END
  FROM customer c
 WHERE :first_time AND current_setting('app.made')::bigint < $2::bigint
   AND c.environment_id = $1::uuid AND c.external_id = ANY ($3::text[])
   -- If nothing was made, those meant for it too: the same transaction ran before, and its outcome
   -- was lost.
   AND (c.id <> ALL ($4::uuid[]) OR current_setting('app.made') = '0');

-- name: customer_update
-- out: :customer_columns met
-- $1 environment, $2 public id or NULL, $3 external id; a public id wins. $4 is the set of given
-- fields, one bit each in the order of the CASEs; $5 to $12 their values, $13 time, $14 and $15 the
-- ids and revisions of which the customer must have a pair, or NULL; $16 salt of the event. No row:
-- there is no such customer. met is false: it has none of the pairs. In both cases nothing was
-- written; nor is anything if the given values are those that it has.
WITH found AS (
    SELECT :customer_columns
         , $14::uuid[] IS NULL
               OR (c.id, c.revision) IN (SELECT m.id, m.revision
                                           FROM unnest($14, $15::bigint[]) m (id, revision))
           AS met
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
               (SELECT p.id FROM customer p
                 WHERE p.environment_id = $1 AND p.id = $2::uuid),
               (SELECT p.id FROM customer p
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
SELECT :customer_columns, c.met FROM found c WHERE NOT c.met OR c.differs = 0;

-- name: customer_lock
-- out: :customer_columns
-- Before a change that depends on what is there. $1 environment, $2 public id or NULL, $3 external
-- id; a public id wins.
SELECT :customer_columns
  FROM customer c
 WHERE :first_time AND c.environment_id = $1::uuid
   AND c.id = (SELECT coalesce(
           (SELECT p.id FROM customer p
             WHERE p.environment_id = $1 AND p.id = $2::uuid),
           (SELECT p.id FROM customer p
             WHERE p.environment_id = $1 AND p.external_id = $3::text)))
   FOR NO KEY UPDATE OF c;

-- name: customer_find
-- out: :customer_columns
-- By either id, as customer_update finds it. $1 environment, $2 public id or NULL, $3 external id.
SELECT :customer_columns
  FROM customer c
 WHERE c.environment_id = $1::uuid
   AND c.id = (SELECT coalesce(
           (SELECT p.id FROM customer p
             WHERE p.environment_id = $1 AND p.id = $2::uuid),
           (SELECT p.id FROM customer p
             WHERE p.environment_id = $1 AND p.external_id = $3::text)));

-- name: customer_seize
-- Locks a customer who is to be archived, restored or erased, and notes the id. What comes after
-- this sees all that others have done with the customer; they wait now. $1 environment, $2 public
-- id or NULL, $3 external id; a public id wins.
SELECT set_config('app.customer', c.id::text, true)
  FROM customer c
 WHERE :first_time AND c.environment_id = $1::uuid
   AND c.id = (SELECT coalesce(
           (SELECT p.id FROM customer p
             WHERE p.environment_id = $1 AND p.id = $2::uuid),
           (SELECT p.id FROM customer p
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
 ORDER BY c.id
 LIMIT $4::bigint;

-- name: customer_as_of
-- out: :customer_columns known
-- The customer as it was at a time: as it is now, with the changes after that time undone. It looks
-- at all of these. known is false when one of them does not say what was before: it is older than
-- the history, or its content was erased. $1 environment, $2 public id or NULL, $3 external id, as
-- customer_find has them; $4 time.
WITH found AS (
    SELECT :customer_columns
      FROM customer c
     WHERE c.environment_id = $1::uuid
       AND c.id = (SELECT coalesce(
               (SELECT p.id FROM customer p
                 WHERE p.environment_id = $1 AND p.id = $2::uuid),
               (SELECT p.id FROM customer p
                 WHERE p.environment_id = $1 AND p.external_id = $3::text)))
), changes AS MATERIALIZED (
    SELECT e.id, e.created_at, e.data
      FROM event e
     WHERE e.environment_id = $1 AND e.customer_id = (SELECT f.id FROM found f)
       AND (e.type = 'customer.updated' OR e.seal IS NOT NULL)
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
     , (SELECT CASE WHEN e.type = 'customer.archived' THEN e.created_at END
          FROM event e
         WHERE e.environment_id = $1 AND e.customer_id = c.id AND e.created_at <= $4
           AND e.type IN ('customer.archived', 'customer.restored')
         ORDER BY e.id DESC
         LIMIT 1) AS archived_at
     , c.revision
     , NOT EXISTS (SELECT FROM changes l WHERE l.created_at > $4 AND l.data IS NULL) AS known
  FROM found c;

-- name: customer_history
-- out: id type created_at actor actor_name request before after subscription_id invoice_id data
-- out: erased
-- One page of what happened to a customer, newest first. An event's number stands in the last half
-- of an id. $1 environment, $2 id of the last row before the page, $3 rows, $4 public id or NULL,
-- $5 external id.
SELECT lpad(to_hex(e.id), 32, '0')::uuid AS id, e.type, e.created_at,
       split_part(e.source, ' ', 1) AS actor, k.name AS actor_name,
       nullif(split_part(e.source, ' ', 2), '') AS request,
       CASE WHEN e.seal IS NOT NULL THEN e.data->'before' END AS before,
       CASE WHEN e.seal IS NOT NULL THEN e.data->'after' END AS after,
       e.subscription_id, e.invoice_id,
       CASE WHEN e.seal IS NULL THEN e.data END AS data,
       e.seal IS NOT NULL AND e.data IS NULL AS erased
  FROM event e
  LEFT JOIN api_key k
    ON k.environment_id = $1
   AND k.id = CASE WHEN length(split_part(e.source, ' ', 1)) = 36
                   THEN split_part(e.source, ' ', 1)::uuid END
 WHERE e.environment_id = $1::uuid
   AND e.customer_id = (SELECT coalesce(
           (SELECT p.id FROM customer p
             WHERE p.environment_id = $1 AND p.id = $4::uuid),
           (SELECT p.id FROM customer p
             WHERE p.environment_id = $1 AND p.external_id = $5::text)))
   AND e.id < (SELECT ('x' || right(replace($2::uuid::text, '-', ''), 16))::bit(64)::bigint
                      & 9223372036854775807)
 ORDER BY e.id DESC
 LIMIT $3::bigint;
