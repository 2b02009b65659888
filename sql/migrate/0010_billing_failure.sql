-- class: online
-- Deadlines that could not be carried out, so that the clerk passes over them for a while: by data
-- that contradict each other, after a restore that went wrong or a repair by hand. The note is not
-- in the row of the subscription, because that may be what cannot be written.

CREATE TABLE billing_failure (
    environment_id  uuid NOT NULL,
    subscription_id uuid NOT NULL,
    due_at          timestamptz(3) NOT NULL,
    tries           bigint NOT NULL CHECK (tries > 0),
    try_at          timestamptz(3) NOT NULL,
    PRIMARY KEY (environment_id, subscription_id)
);
COMMENT ON COLUMN billing_failure.due_at IS
    'of the deadline; the row says nothing about another one of the same subscription';
COMMENT ON COLUMN billing_failure.try_at IS 'not before then';

ALTER TABLE billing_failure ENABLE ROW LEVEL SECURITY;
ALTER TABLE billing_failure FORCE ROW LEVEL SECURITY;
CREATE POLICY environment ON billing_failure USING (environment_id = app_environment());
CREATE POLICY clerk_sees ON billing_failure FOR SELECT
    USING (current_setting('app.clerk', true) = 'on');
GRANT SELECT, INSERT, UPDATE (due_at, tries, try_at), DELETE ON billing_failure TO clientele_serve;
