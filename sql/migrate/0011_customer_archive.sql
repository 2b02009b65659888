-- class: offline
-- Customers that were archived: lists leave them out. Two indexes, so that no list walks over the
-- others. While they are made, no customer can be written.

ALTER TABLE customer ADD COLUMN archived_at timestamptz(3);
COMMENT ON COLUMN customer.archived_at IS 'NULL: it is not';
CREATE INDEX customer_listed ON customer (environment_id, id) WHERE archived_at IS NULL;
CREATE INDEX customer_archived ON customer (environment_id, id) WHERE archived_at IS NOT NULL;
GRANT UPDATE (archived_at) ON customer TO clientele_serve;
