-- Organizations with a key each, and customers. Run by a superuser, whom row-level security does not touch;
-- psql variables: customers, organizations.
--
-- Customers have numbers from 0 on. Every fourth one that is made belongs to organization 0, so that one is large
-- enough for deep pages; these get the last quarter of the numbers. Each of the others belongs to organization
-- number modulo organizations. The external id is 1000000000 + number, and the id tells the number too (dataset.py).
SET synchronous_commit = off;

CREATE TEMP TABLE place AS
SELECT kind, n AS number, gen_random_uuid() AS organization_id, gen_random_uuid() AS environment_id,
       'ck_live_' || substr(md5(kind || n) || md5(n || kind), 1, 40) AS key
  FROM (SELECT 'Bench', n FROM generate_series(0, :organizations - 1) n
        UNION ALL SELECT 'Check', n FROM generate_series(0, 9) n) AS wanted (kind, n);

INSERT INTO organization (id, name) SELECT organization_id, kind || ' ' || number FROM place;
INSERT INTO environment (id, organization_id, livemode) SELECT environment_id, organization_id, true FROM place;
INSERT INTO api_key (environment_id, id, hash, name, prefix)
SELECT environment_id, gen_random_uuid(), sha256(key::bytea), 'bench', substr(key, 1, 12) FROM place;

INSERT INTO customer (environment_id, id, external_id, email, full_name, address, timezone, metadata,
                      is_active, created_at, updated_at)
SELECT p.environment_id, ('01941f29-7c00-7000-8' || substr(d.digits, 1, 3) || '-' || substr(d.digits, 4))::uuid,
       1000000000 + m.number, 'customer' || 1000000000 + m.number || '@example.com', 'Customer Number ' || m.number,
       '{"line1":"12 St James Square","city":"London","postalCode":"SW1Y 4JH","country":"GB"}',
       'Europe/London', '{"plan":"pro","seats":3,"source":"bench"}', true,
       timestamptz '2025-01-01 00:00:00Z', timestamptz '2025-01-01 00:00:00Z'
  FROM generate_series(0, :customers - 1) AS made (n),
       LATERAL (SELECT CASE n % 4 WHEN 3 THEN :customers / 4 * 3 + n / 4 ELSE n / 4 * 3 + n % 4 END) m (number),
       LATERAL (SELECT (100000000000000 + m.number)::text) d (digits),
       place p
 WHERE p.kind = 'Bench' AND p.number = CASE n % 4 WHEN 3 THEN 0 ELSE m.number % :organizations END
 ORDER BY n;

VACUUM (ANALYZE, FREEZE) customer;
-- Not the empty ones: autovacuum is off, and what was planned for no rows would stay.
ANALYZE organization, environment, api_key;
