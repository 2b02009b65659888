-- One million customers in fifty organizations. Run by a superuser, whom row-level security does not
-- touch; psql variables: customers, organizations. Customer n belongs to organization n modulo their
-- number and has the external id 1000000000 + n; ids are in the order of creation, as Clientele's are.
SET synchronous_commit = off;

CREATE TEMP TABLE place AS
SELECT split_part(o.name, ' ', 2)::int AS number, e.id AS environment_id
  FROM organization o JOIN environment e ON e.organization_id = o.id
 WHERE e.livemode AND o.name LIKE 'Bench %';

INSERT INTO customer (environment_id, id, external_id, email, full_name, address, timezone, metadata,
                      is_active, created_at, updated_at)
SELECT p.environment_id,
       (lpad(to_hex(m.ms), 12, '0') || '7' || substr(h.md5, 1, 3) || '8' || substr(h.md5, 4, 15))::uuid,
       1000000000 + n, 'customer' || 1000000000 + n || '@example.com', 'Customer Number ' || n,
       '{"line1":"12 St James Square","city":"London","postalCode":"SW1Y 4JH","country":"GB"}',
       'Europe/London', '{"plan":"pro","seats":3,"source":"bench"}', true,
       to_timestamp(m.ms / 1000.0), to_timestamp(m.ms / 1000.0)
  FROM generate_series(0, :customers - 1) n
  JOIN place p ON p.number = n % :organizations,
       LATERAL (SELECT md5(n::text)) h (md5),
       LATERAL (SELECT (extract(epoch FROM now()) * 1000)::bigint - 2 * :customers + n) m (ms)
 ORDER BY n;

VACUUM (ANALYZE, FREEZE) customer;
ANALYZE;
