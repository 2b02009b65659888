-- class: online
-- Plans, their prices, and the groups within which a subscription may change from one plan to
-- another. Amounts are in the minor unit of the currency; balances in 1/10,000 of it.
--
-- Nothing is removed: subscriptions go on with a plan or price that was deleted, and the code of a
-- deleted plan stays taken.

CREATE TABLE plan_group (
    environment_id uuid NOT NULL,
    id             uuid NOT NULL,
    name           text NOT NULL,
    description    text,
    is_public      boolean NOT NULL,
    created_at     timestamptz(3) NOT NULL,
    updated_at     timestamptz(3) NOT NULL,
    deleted_at     timestamptz(3),
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX plan_group_live ON plan_group (environment_id, id) WHERE deleted_at IS NULL;

CREATE TABLE plan (
    environment_id      uuid NOT NULL,
    id                  uuid NOT NULL,
    code                text COLLATE "C" NOT NULL,
    name                text NOT NULL,
    description         text,
    consumption_model   text CHECK (consumption_model IN ('metered', 'credits', 'balance')),
    is_public           boolean NOT NULL,
    is_free             boolean NOT NULL,
    block_on_exhaustion boolean,
    plan_group_id       uuid,
    sort_order          bigint NOT NULL DEFAULT 0,
    metadata            json NOT NULL,
    created_at          timestamptz(3) NOT NULL,
    updated_at          timestamptz(3) NOT NULL,
    deleted_at          timestamptz(3),
    PRIMARY KEY (environment_id, id),
    CONSTRAINT plan_code UNIQUE (environment_id, code),
    FOREIGN KEY (environment_id, plan_group_id) REFERENCES plan_group
);
COMMENT ON COLUMN plan.sort_order IS
    'its place in its group: a change to a plan with a higher one is an upgrade';
COMMENT ON COLUMN plan.metadata IS 'json, not jsonb: it is returned as the very text that was sent';
CREATE INDEX plan_live ON plan (environment_id, id) WHERE deleted_at IS NULL;
CREATE INDEX plan_public ON plan (environment_id, id) WHERE deleted_at IS NULL AND is_public;
CREATE INDEX plan_member ON plan (environment_id, plan_group_id, sort_order, id)
    WHERE plan_group_id IS NOT NULL;

CREATE TABLE plan_price (
    environment_id   uuid NOT NULL,
    id               uuid NOT NULL,
    plan_id          uuid NOT NULL,
    billing_interval text COLLATE "C" NOT NULL CHECK (billing_interval IN
        ('weekly', 'monthly', 'quarterly', 'semiannual', 'yearly', 'one_time')),
    price            bigint NOT NULL CHECK (price >= 0),
    trial_days       bigint NOT NULL CHECK (trial_days BETWEEN 0 AND 730),
    is_default       boolean NOT NULL,
    included_balance bigint CHECK (included_balance >= 0),
    included_credits bigint CHECK (included_credits >= 0),
    metadata         json NOT NULL,
    created_at       timestamptz(3) NOT NULL,
    updated_at       timestamptz(3) NOT NULL,
    deleted_at       timestamptz(3),
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, plan_id) REFERENCES plan
);
-- One price of a plan for each interval; and the default, of which the statements see to it that
-- there is one as long as there is any price.
CREATE UNIQUE INDEX plan_price_interval ON plan_price (environment_id, plan_id, billing_interval)
    WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX plan_price_default ON plan_price (environment_id, plan_id)
    WHERE is_default AND deleted_at IS NULL;

ALTER TABLE plan_group ENABLE ROW LEVEL SECURITY;
ALTER TABLE plan_group FORCE ROW LEVEL SECURITY;
ALTER TABLE plan ENABLE ROW LEVEL SECURITY;
ALTER TABLE plan FORCE ROW LEVEL SECURITY;
ALTER TABLE plan_price ENABLE ROW LEVEL SECURITY;
ALTER TABLE plan_price FORCE ROW LEVEL SECURITY;

CREATE POLICY environment ON plan_group USING (environment_id = app_environment());
CREATE POLICY environment ON plan USING (environment_id = app_environment());
CREATE POLICY environment ON plan_price USING (environment_id = app_environment());

GRANT SELECT, INSERT, UPDATE (name, description, is_public, updated_at, deleted_at)
    ON plan_group TO clientele_serve;
GRANT SELECT, INSERT, UPDATE (code, name, description, consumption_model, is_public, is_free,
        block_on_exhaustion, plan_group_id, sort_order, metadata, updated_at, deleted_at)
    ON plan TO clientele_serve;
GRANT SELECT, INSERT, UPDATE (billing_interval, price, trial_days, is_default, included_balance,
        included_credits, metadata, updated_at, deleted_at)
    ON plan_price TO clientele_serve;
