-- Finding customers, from the version on that can sort. A list is read in an order that an index
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
\set kept_columns :kept_columns ', c.updated_at, c.archived_at, c.revision, c.email_key, c.name_key'
\set mail '(SELECT lower($4::text)) COLLATE "C"'
\set lowest '(SELECT coalesce(timestamptz ''epoch'' + $15::text::bigint * interval ''1 ms'''
\set lowest :lowest ', ''-infinity''))'
\set highest '(SELECT coalesce(timestamptz ''epoch'' + $15::text::bigint * interval ''1 ms'''
\set highest :highest ', ''infinity''))'
\set least '(SELECT coalesce($15::text, '''')) COLLATE "C"'
\set words '(SELECT lower($8::text[]::text)::text[])'
\set plan_of '(SELECT p.id FROM plan p WHERE p.environment_id = $1'
\set plan_of :plan_of ' AND p.code = $12::text COLLATE "C")'
\set created_key '(extract(epoch FROM c.created_at) * 1000)::bigint::text'
\set updated_key '(extract(epoch FROM c.updated_at) * 1000)::bigint::text'
\set fits '($4::text IS NULL OR c.email_key = (SELECT lower($4)) COLLATE "C")'
\set fits :fits ' AND ($13::boolean IS NULL OR (c.archived_at IS NOT NULL) = $13)'
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

-- name: customer_find_status
-- out: :customer_columns ended
-- Those with a subscription of status $11, in the order of the plain list.
SELECT :customer_columns, CASE WHEN f.nth = $14::bigint THEN (:fits) IS TRUE END AS ended
  FROM (SELECT d.customer_id, row_number() OVER (ORDER BY d.customer_id DESC) AS nth
          FROM (SELECT DISTINCT s.customer_id
                  FROM subscription s
                 WHERE s.environment_id = $1::uuid AND s.status >= ''
                   AND s.status = $11::text COLLATE "C"
                   AND s.customer_id < $2::uuid
                 ORDER BY s.customer_id DESC
                 LIMIT $14) d
         ORDER BY d.customer_id DESC) f
  CROSS JOIN LATERAL (SELECT :kept_columns FROM customer c
                       WHERE c.environment_id = $1 AND c.id = f.customer_id
                      OFFSET 0) c
 WHERE f.nth = $14 OR (:fits)
 ORDER BY f.customer_id DESC
 LIMIT $3::bigint;

-- name: customer_find_plan
-- out: :customer_columns ended
-- Those with a subscription to the plan $12, in the order of the plain list.
SELECT :customer_columns, CASE WHEN f.nth = $14::bigint THEN (:fits) IS TRUE END AS ended
  FROM (SELECT d.customer_id, row_number() OVER (ORDER BY d.customer_id DESC) AS nth
          FROM (SELECT DISTINCT s.customer_id
                  FROM subscription s
                 WHERE s.environment_id = $1::uuid AND s.plan_id = :plan_of
                   AND s.plan_id >= '00000000-0000-0000-0000-000000000000'
                   AND s.customer_id < $2::uuid
                 ORDER BY s.customer_id DESC
                 LIMIT $14) d
         ORDER BY d.customer_id DESC) f
  CROSS JOIN LATERAL (SELECT :kept_columns FROM customer c
                       WHERE c.environment_id = $1 AND c.id = f.customer_id
                      OFFSET 0) c
 WHERE f.nth = $14 OR (:fits)
 ORDER BY f.customer_id DESC
 LIMIT $3::bigint;

-- name: customer_find_by_created
-- out: :customer_columns ended key
SELECT :customer_columns, CASE WHEN c.nth = $14::bigint THEN (:fits) IS TRUE END AS ended
     , :created_key AS key
  FROM (SELECT :kept_columns, row_number() OVER (ORDER BY c.created_at, c.id) AS nth
          FROM customer c
         WHERE c.environment_id = $1::uuid
           AND (c.created_at, c.id) > (:lowest, $2::uuid)
           AND c.created_at >= '-infinity'
           AND c.created_at > (SELECT coalesce($5::timestamptz, '-infinity'))
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
           AND (c.created_at, c.id) < (:highest, $2::uuid)
           AND c.created_at >= '-infinity'
           AND c.created_at > (SELECT coalesce($5::timestamptz, '-infinity'))
           AND c.created_at < (SELECT coalesce($6::timestamptz, 'infinity'))
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
           AND (c.updated_at, c.id) > (:lowest, $2::uuid)
           AND c.updated_at >= '-infinity'
           AND c.updated_at > (SELECT coalesce($7::timestamptz, '-infinity'))
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
    (SELECT c.id FROM customer c
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

-- name: customer_count
-- out: rows whole
-- How many fit: $2 at most, and whole says whether these are all. $15 names the index that finds
-- them: one of customer_find_among, of which $3 are read at most, or created, updated, or
-- none. Without one, and where search finds $3, no more than $14 are looked at. $16 is an external
-- id.
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
    (SELECT c.id FROM customer c
      WHERE $15 = 'id' AND c.environment_id = $1 AND c.external_id = $16::text)
    UNION ALL
    (SELECT c.id FROM customer c
      WHERE $15 = 'created' AND c.environment_id = $1
        AND c.created_at >= '-infinity'
        AND c.created_at > (SELECT coalesce($5::timestamptz, '-infinity'))
        AND c.created_at < (SELECT coalesce($6::timestamptz, 'infinity'))
      ORDER BY c.created_at
      LIMIT $3)
    UNION ALL
    (SELECT c.id FROM customer c
      WHERE $15 = 'updated' AND c.environment_id = $1
        AND c.updated_at >= '-infinity'
        AND c.updated_at > (SELECT coalesce($7::timestamptz, '-infinity'))
      ORDER BY c.updated_at
      LIMIT $3)
), counted AS MATERIALIZED (
    SELECT count(*) >= $3 AS many
         , $15 = 'none' OR $15 = 'search' AND count(*) >= $3 AS walks
      FROM found
)
SELECT least(n.rows, $2::bigint) AS rows, n.whole AND n.rows <= $2 AS whole
  FROM (SELECT (SELECT count(*)
                  FROM found f
      CROSS JOIN LATERAL (SELECT :kept_columns FROM customer c
                           WHERE c.environment_id = $1 AND c.id = f.id
                          OFFSET 0) c
                 WHERE :fits) AS rows
             , (SELECT NOT many FROM counted) AS whole
         WHERE NOT (SELECT walks FROM counted)
        UNION ALL
        SELECT (SELECT count(*)
                  FROM (SELECT FROM (SELECT :kept_columns FROM customer c
                                      WHERE c.environment_id = $1
                                      ORDER BY c.id DESC
                                      LIMIT $14::bigint) c
                         WHERE :fits
                         LIMIT $2::bigint + 1) w)
             , (SELECT count(*) < $14
                  FROM (SELECT FROM customer c
                         WHERE c.environment_id = $1
                         ORDER BY c.id
                         LIMIT $14) t)
         WHERE (SELECT walks FROM counted)) n;
