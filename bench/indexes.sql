-- Customers with texts of some variety, and what is searched among them (bench/indexes). Run by a superuser, whom
-- row-level security does not touch; psql variable: customers. Organization 0 has a quarter of all and its share of
-- the others; the oldest tenth of all that it has is called Oldtown.
SET synchronous_commit = off;

CREATE TEMP TABLE place AS
SELECT n AS number, gen_random_uuid() AS organization_id, gen_random_uuid() AS environment_id
  FROM generate_series(0, 49) n;
INSERT INTO organization (id, name) SELECT organization_id, 'Bench ' || number FROM place;
INSERT INTO environment (id, organization_id, livemode) SELECT environment_id, organization_id, true FROM place;

INSERT INTO customer (environment_id, id, external_id, email, full_name, address, timezone, metadata,
                      is_active, created_at, updated_at)
SELECT p.environment_id, ('01941f29-7c00-7000-8' || substr(d, 1, 3) || '-' || substr(d, 4))::uuid,
       1000000000 + n, lower(f) || '.' || lower(l) || n % 100000 || '@' || w.domain[1 + (h >> 3) % 8],
       f || ' ' || l || CASE WHEN n < :customers / 10 AND p.number = 0 THEN ' Oldtown'
                             WHEN n % 200 = 7 THEN ' Seldom' WHEN n % 20000 = 11 THEN ' Rarely' ELSE '' END,
       '{"line1":"12 St James Square","city":"London","postalCode":"SW1Y 4JH","country":"GB"}', 'Europe/London',
       ('{"plan":"' || (ARRAY['pro', 'free', 'team'])[1 + n % 3] || '","seats":' || n % 50
        || ',"source":"bench","ref":"' || substr(md5('r' || n), 1, 10) || '"}')::json, true,
       timestamptz '2025-01-01 00:00:00Z' + n * interval '2 s', timestamptz '2025-01-01 00:00:00Z' + n * interval '2 s'
  FROM generate_series(0, :customers - 1) n,
       (SELECT '{James,Mary,Robert,Patricia,John,Jennifer,Michael,Linda,David,Elizabeth,William,Barbara,Wei,Fatima,Yusuf,
                 Ingrid,Pierre,Chloe,Hiroshi,Ayumi,Diego,Lucia,Olga,Sergei,Priya,Arjun,Kwame,Amara,Noah,Emma}'::text[] AS first,
               '{Smith,Johnson,Williams,Brown,Jones,Garcia,Miller,Davis,Rodriguez,Martinez,Hernandez,Lopez,Gonzalez,Wilson,
                 Anderson,Thomas,Taylor,Moore,Jackson,Martin,Lee,Perez,Thompson,White,Harris,Nguyen,Schmidt,Mueller,Ivanov,
                 Kowalski,Rossi,Tanaka,Suzuki,Kim,Park,Okafor}'::text[] AS last,
               '{gmail.com,outlook.com,yahoo.com,example.com,acme.io,corp.example.org,mail.example.net,startup.dev}'::text[]
               AS domain) w,
       LATERAL (SELECT ('x' || substr(md5(n::text), 1, 7))::bit(28)::int AS h) a,
       LATERAL (SELECT w.first[1 + h % 30] AS f, w.last[1 + (h / 30) % 36] AS l,
                       (100000000000000 + n)::text AS d) b,
       place p
 WHERE p.number = CASE n % 4 WHEN 3 THEN 0 ELSE n % 50 END;
