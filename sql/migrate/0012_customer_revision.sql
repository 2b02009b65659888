-- class: online
-- How often a customer was changed, from 1 on: what its entity tag says (ETag, If-Match), and where
-- its history stands. A default that is a constant rewrites no row.

ALTER TABLE customer ADD COLUMN revision bigint NOT NULL DEFAULT 1;
COMMENT ON COLUMN customer.revision IS 'one more with each change';
GRANT UPDATE (revision) ON customer TO clientele_serve;
