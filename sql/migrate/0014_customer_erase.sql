-- class: offline
-- Erasing a customer. What of each column goes and what stays is told by tests/lint/personal.txt.

-- Records of answers say whom they tell about, so that they are found without a walk over all
-- records. A batch tells about many.
ALTER TABLE idempotency_key ADD COLUMN about uuid, ADD COLUMN about_many uuid[];
COMMENT ON COLUMN idempotency_key.about IS 'what the answer tells about: a customer, or NULL';
COMMENT ON COLUMN idempotency_key.status IS
    '0: what the answer told about was erased, and the answer with it';
CREATE INDEX idempotency_key_about ON idempotency_key (environment_id, about)
    WHERE about IS NOT NULL;
-- Row-level security lets no index serve the containment of arrays. So the records of batches are
-- looked through: those of the environment, and no older ones than idempotency_ttl.
CREATE INDEX idempotency_key_about_many ON idempotency_key (environment_id)
    WHERE about_many IS NOT NULL;

-- The names and addresses that stand on printed invoices of customers who were erased, as long as
-- retain_invoices says. While the customer is there, an invoice shows what is known now.
CREATE TABLE invoice_party (
    environment_id uuid NOT NULL,
    invoice_id     uuid NOT NULL,
    email          text NOT NULL,
    full_name      text,
    tax_document   text,
    address        json,
    issued_at      timestamptz(3) NOT NULL,
    PRIMARY KEY (environment_id, invoice_id)
);
CREATE INDEX invoice_party_issued_at ON invoice_party (issued_at);

ALTER TABLE invoice_party ENABLE ROW LEVEL SECURITY;
ALTER TABLE invoice_party FORCE ROW LEVEL SECURITY;
CREATE POLICY environment ON invoice_party USING (environment_id = app_environment());
-- The clerk removes those whose time is over from all environments at once.
CREATE POLICY housekeeping_sees ON invoice_party FOR SELECT
    USING (current_setting('app.housekeeping', true) = 'on');
CREATE POLICY housekeeping_deletes ON invoice_party FOR DELETE
    USING (current_setting('app.housekeeping', true) = 'on');
GRANT SELECT, INSERT, DELETE ON invoice_party TO clientele_serve;

-- The serving role deletes a customer, and changes a record of an answer, only where the
-- transaction has noted that customer (customer_seize): whatever a statement says, one is all that
-- it can take.
CREATE FUNCTION app_customer() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.customer', true), '')::uuid;
CREATE POLICY noted ON customer AS RESTRICTIVE FOR DELETE TO clientele_serve
    USING (id = app_customer());
CREATE POLICY noted ON idempotency_key AS RESTRICTIVE FOR UPDATE TO clientele_serve
    USING (about = app_customer() OR app_customer() = ANY (about_many));
GRANT DELETE ON customer TO clientele_serve;
GRANT UPDATE (key, request_hash, status, headers, answer, sealed)
    ON idempotency_key TO clientele_serve;
