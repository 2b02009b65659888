-- class: offline
-- For finding customers with the same tax document. The table is written anew: half a minute for a
-- million customers on two cores, and nobody can read or write them meanwhile. As with email_key,
-- what is compared stands in a column of its own, because row-level security keeps what is not
-- leakproof from being an index condition.

ALTER TABLE customer
    ADD COLUMN tax_key text COLLATE "C"
               GENERATED ALWAYS AS (nullif(translate(lower(tax_document), ' .,/-', ''), '')) STORED;
COMMENT ON COLUMN customer.tax_key IS
    'tax_document as it is compared: in lower case, without spaces and signs; NULL: nothing left';

-- Who has no document costs this index nothing.
CREATE INDEX customer_tax_key ON customer (environment_id, tax_key, id) WHERE tax_key >= '';
