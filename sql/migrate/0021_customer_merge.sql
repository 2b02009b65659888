-- class: offline
-- Customers that were merged into another one. The row stays: both its ids lead on to the other
-- one, and nobody can take its external id. It is archived, too, so that no list shows it and no
-- new subscription can be made for it. While the indexes are made, no customer can be written.

ALTER TABLE customer ADD COLUMN merged_into uuid;
ALTER TABLE customer ADD CONSTRAINT customer_merged_is_archived
    CHECK (merged_into IS NULL OR archived_at IS NOT NULL);
COMMENT ON COLUMN customer.merged_into IS
    'the customer to whom its ids lead, who was not merged; NULL: itself';
CREATE INDEX customer_merged ON customer (environment_id, merged_into)
    WHERE merged_into IS NOT NULL;
DROP INDEX customer_archived;
CREATE INDEX customer_archived ON customer (environment_id, id)
    WHERE archived_at IS NOT NULL AND merged_into IS NULL;
-- Who was merged is erased together with the one whom its ids lead to.
ALTER POLICY noted ON customer USING (id = app_customer() OR merged_into = app_customer());
ALTER POLICY noted ON idempotency_key USING (about = app_customer()
    OR app_customer() = ANY (about_many)
    OR EXISTS (SELECT FROM customer c
                WHERE c.environment_id = idempotency_key.environment_id
                  AND c.merged_into = app_customer()
                  AND (c.id = idempotency_key.about OR c.id = ANY (idempotency_key.about_many))));
ALTER POLICY noted ON event USING (customer_id = app_customer()
    OR customer_id IN (SELECT c.id FROM customer c
                        WHERE c.environment_id = event.environment_id
                          AND c.merged_into = app_customer()));
GRANT UPDATE (merged_into) ON customer TO clientele_serve;
GRANT UPDATE (customer_id) ON invoice TO clientele_serve;

-- What a merge did, so that it can be undone. Its invoices are those of the subscriptions, with
-- what came after it.
CREATE TABLE customer_merge (
    environment_id uuid NOT NULL,
    customer_id    uuid NOT NULL,
    into_id        uuid NOT NULL,
    merged_at      timestamptz(3) NOT NULL,
    archived_at    timestamptz(3),
    credit         bigint NOT NULL CHECK (credit >= 0),
    subscriptions  uuid[] NOT NULL,
    others         uuid[] NOT NULL,
    PRIMARY KEY (environment_id, customer_id)
);
COMMENT ON COLUMN customer_merge.into_id IS
    'into whom, at that time; who was merged again since stands in customer.merged_into';
COMMENT ON COLUMN customer_merge.archived_at IS 'of the customer, before';
COMMENT ON COLUMN customer_merge.others IS 'who had been merged into this customer';

ALTER TABLE customer_merge ENABLE ROW LEVEL SECURITY;
ALTER TABLE customer_merge FORCE ROW LEVEL SECURITY;
CREATE POLICY environment ON customer_merge USING (environment_id = app_environment());
GRANT SELECT, INSERT, DELETE ON customer_merge TO clientele_serve;
