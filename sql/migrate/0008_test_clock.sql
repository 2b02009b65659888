-- class: online
-- Setting the test clock of a sandbox forward. A run says how far; the clerk carries out what is
-- due until then, in order, and the clock is set by each deadline and at last by the end of the
-- run.

CREATE TABLE test_clock_run (
    environment_id uuid NOT NULL,
    id             uuid NOT NULL,
    status         text COLLATE "C" NOT NULL DEFAULT 'pending'
                   CHECK (status IN ('pending', 'running', 'completed', 'failed')),
    started_at     timestamptz(3) NOT NULL,
    target_at      timestamptz(3) NOT NULL CHECK (target_at > started_at),
    estimated      bigint NOT NULL,
    completed      bigint NOT NULL DEFAULT 0,
    failed         bigint NOT NULL DEFAULT 0,
    passed_at      timestamptz(3) NOT NULL DEFAULT timestamptz 'epoch',
    passed_id      uuid NOT NULL DEFAULT uuid '00000000-0000-0000-0000-000000000000',
    created_at     timestamptz(3) NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, id)
);
COMMENT ON COLUMN test_clock_run.started_at IS 'what the clock was before it';
COMMENT ON COLUMN test_clock_run.estimated IS
    'deadlines that were due until its end when it was asked for; each may bring others';
COMMENT ON COLUMN test_clock_run.passed_at IS
    'with passed_id: the last deadline that failed; the run goes on behind it';

CREATE UNIQUE INDEX test_clock_run_open ON test_clock_run (environment_id)
    WHERE status IN ('pending', 'running');
CREATE INDEX test_clock_run_due ON test_clock_run (created_at)
    WHERE status IN ('pending', 'running');

CREATE TABLE test_clock_item (
    environment_id  uuid NOT NULL,
    run_id          uuid NOT NULL,
    position        bigint NOT NULL,
    subscription_id uuid NOT NULL,
    what            text NOT NULL,
    due_at          timestamptz(3) NOT NULL,
    invoice_id      uuid,
    done            boolean NOT NULL,
    PRIMARY KEY (environment_id, run_id, position)
);

ALTER TABLE test_clock_run ENABLE ROW LEVEL SECURITY;
ALTER TABLE test_clock_run FORCE ROW LEVEL SECURITY;
ALTER TABLE test_clock_item ENABLE ROW LEVEL SECURITY;
ALTER TABLE test_clock_item FORCE ROW LEVEL SECURITY;
CREATE POLICY environment ON test_clock_run USING (environment_id = app_environment());
CREATE POLICY environment ON test_clock_item USING (environment_id = app_environment());
-- As for deadlines: the clerk finds a run of any environment and locks it, then it enters that.
CREATE POLICY clerk_sees ON test_clock_run FOR SELECT
    USING (current_setting('app.clerk', true) = 'on');
CREATE POLICY clerk_locks ON test_clock_run FOR UPDATE
    USING (current_setting('app.clerk', true) = 'on') WITH CHECK (false);

GRANT SELECT, INSERT, UPDATE (status, completed, failed, passed_at, passed_id), DELETE
    ON test_clock_run TO clientele_serve;
GRANT SELECT, INSERT, DELETE ON test_clock_item TO clientele_serve;

-- A sandbox can be begun anew. What is live the serving role cannot delete, whatever a statement
-- says; the owner can, with the whole organization.
CREATE FUNCTION app_sandbox(environment uuid) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN EXISTS (SELECT FROM environment e WHERE e.id = environment AND NOT e.livemode);
CREATE POLICY sandbox ON subscription AS RESTRICTIVE FOR DELETE TO clientele_serve
    USING (app_sandbox(environment_id));
CREATE POLICY sandbox ON invoice AS RESTRICTIVE FOR DELETE TO clientele_serve
    USING (app_sandbox(environment_id));
CREATE POLICY sandbox ON invoice_line AS RESTRICTIVE FOR DELETE TO clientele_serve
    USING (app_sandbox(environment_id));
CREATE POLICY sandbox ON invoice_counter AS RESTRICTIVE FOR DELETE TO clientele_serve
    USING (app_sandbox(environment_id));
CREATE POLICY sandbox ON customer_credit AS RESTRICTIVE FOR DELETE TO clientele_serve
    USING (app_sandbox(environment_id));
GRANT DELETE ON subscription, invoice, invoice_line, invoice_counter, customer_credit
    TO clientele_serve;
