-- class: online
-- Subscriptions, their invoices, and what bills them.
--
-- Time. All times of billing come from app_now(environment): the clock of the database, or the test
-- clock of a sandbox once that is set. A test clock stands still until it is set forward.
--
-- Periods. A subscription is active in period period_index, counted from 1 over its whole life.
-- Its end is computed from the anchor and the zone, which were frozen when the anchor was set:
-- billing_period_end(anchor, zone, step, period_index - anchor_index). Never from the last end, or
-- a 31st would become a 28th for good.
--
-- Deadlines. due_at is the next moment at which something happens to a subscription by itself, and
-- due_what is what; both are NULL when nothing will. They are set anew with every change
-- (set_deadline() in src/billing/life.c), so there is one deadline a row:
--
--   start       a draft reaches its start date, and becomes what a create would have made it
--   notice      three days before the end of a period or trial: an event, once
--   trial_end   the trial is over: active, with the first invoice
--   renew       the period is over: the next one begins, with its invoice; a scheduled change of
--               plan or interval takes effect
--   cancel      a scheduled cancellation takes effect
--   quote       an offer to change the plan, which waited for its invoice to be paid, has expired
--   past_due    an invoice was not paid in time
--   grace_over  nor after the days of grace: canceled, and the invoice uncollectible
--
-- To carry out a deadline is to take the earliest row with FOR UPDATE SKIP LOCKED, to do that one
-- thing as of due_at and not as of now, with its invoice and events, and to commit:
-- sql/query/billing.sql and src/billing/advance.h. Rows of environments with a test clock are
-- marked (clocked), and are carried out when that is set forward.

CREATE TABLE billing_setting (
    environment_id        uuid NOT NULL PRIMARY KEY,
    currency              text NOT NULL DEFAULT 'usd' CHECK (currency ~ '^[a-z]{3}$'),
    collection            text NOT NULL DEFAULT 'checkout'
                          CHECK (collection IN ('checkout', 'invoice')),
    net_days              integer NOT NULL DEFAULT 14 CHECK (net_days BETWEEN 0 AND 365),
    grace_days            integer NOT NULL DEFAULT 7 CHECK (grace_days BETWEEN 0 AND 365),
    checkout_url_template text CHECK (length(checkout_url_template) <= 2048),
    payment_instructions  text,
    test_clock            timestamptz(3)
);
COMMENT ON TABLE billing_setting IS
    'how an environment bills; one without a row has the defaults of the columns';
COMMENT ON COLUMN billing_setting.collection IS
    'checkout: a paid subscription begins when its first invoice is paid; invoice: at once';
COMMENT ON COLUMN billing_setting.net_days IS 'from the issue of an invoice to its due date';
COMMENT ON COLUMN billing_setting.grace_days IS
    'from the due date of an unpaid invoice to the end of the subscription';
COMMENT ON COLUMN billing_setting.test_clock IS
    'of a sandbox; NULL: its time is that of the database';

CREATE FUNCTION app_now(environment uuid) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN coalesce((SELECT b.test_clock FROM billing_setting b
                      WHERE b.environment_id = environment),
                    date_trunc('milliseconds', now()));

-- Times of a zone. America/Buenos_Aires is a name that not every time zone database has any more.
CREATE FUNCTION billing_zone(zone text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE zone WHEN 'America/Buenos_Aires' THEN 'America/Argentina/Buenos_Aires'
                     ELSE zone END;
CREATE FUNCTION billing_local(at timestamptz, zone text) RETURNS timestamp
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN at AT TIME ZONE billing_zone(zone);

-- The end of the n-th period after the anchor. What is added to is local time, so a period ends at
-- the same hour in summer and in winter. An hour that a change of clocks leaves out becomes the one
-- after it; of one that comes twice it is the second. one_time, and no step at all: no end.
CREATE FUNCTION billing_period_end(anchor timestamptz, zone text, step text, n bigint)
    RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (billing_local(anchor, zone)
            + CASE step
              WHEN 'weekly' THEN make_interval(days => (7 * n)::integer)
              WHEN 'monthly' THEN make_interval(months => n::integer)
              WHEN 'quarterly' THEN make_interval(months => (3 * n)::integer)
              WHEN 'semiannual' THEN make_interval(months => (6 * n)::integer)
              WHEN 'yearly' THEN make_interval(months => (12 * n)::integer)
              END)
           AT TIME ZONE billing_zone(zone);

-- No foreign keys, as in customer. Plans and prices are never deleted, only hidden.
CREATE TABLE subscription (
    environment_id  uuid NOT NULL,
    id              uuid NOT NULL,
    customer_id     uuid NOT NULL,
    plan_id         uuid NOT NULL,
    price_id        uuid,
    name            text NOT NULL,
    status          text COLLATE "C" NOT NULL
                    CHECK (status IN ('draft', 'pending_payment', 'trialing', 'active', 'past_due',
                                      'canceled')),
    step            text CHECK (step IN ('weekly', 'monthly', 'quarterly', 'semiannual', 'yearly',
                                         'one_time')),
    base_price      bigint NOT NULL CHECK (base_price >= 0),
    metadata        json NOT NULL,
    zone            text NOT NULL,
    anchor          timestamptz(3),
    anchor_index    bigint NOT NULL DEFAULT 0,
    period_index    bigint NOT NULL DEFAULT 0 CHECK (period_index >= 0),
    period_start    timestamptz(3),
    period_end      timestamptz(3),
    trial_days      bigint NOT NULL DEFAULT 0,
    trial_ends_at   timestamptz(3),
    start_date      timestamptz(3) NOT NULL,
    end_date        timestamptz(3),
    activated       boolean NOT NULL DEFAULT false,
    noticed         boolean NOT NULL DEFAULT false,
    cancel_asked_at timestamptz(3),
    cancel_reason   text,
    cancel_at       timestamptz(3),
    cancel_early    boolean NOT NULL DEFAULT false,
    next_kind       text CHECK (next_kind IN ('plan_downgrade', 'interval_change', 'checkout')),
    next_plan_id    uuid,
    next_price_id   uuid,
    next_at         timestamptz(3),
    next_invoice_id uuid,
    checkout_token  text,
    success_url     text,
    clocked         boolean NOT NULL DEFAULT false,
    due_at          timestamptz(3),
    due_what        text CHECK (due_what IN ('start', 'notice', 'trial_end', 'renew', 'cancel',
                                             'quote', 'past_due', 'grace_over')),
    created_at      timestamptz(3) NOT NULL,
    updated_at      timestamptz(3) NOT NULL,
    PRIMARY KEY (environment_id, id),
    CHECK ((due_at IS NULL) = (due_what IS NULL)),
    CHECK ((next_kind IS NULL) = (next_plan_id IS NULL))
) WITH (fillfactor = 80);
COMMENT ON COLUMN subscription.price_id IS 'NULL for a free plan, which has none';
COMMENT ON COLUMN subscription.step IS 'the billing interval; NULL for a free plan';
COMMENT ON COLUMN subscription.base_price IS
    'of the current period, in the minor unit; a changed price reaches it with the next one';
COMMENT ON COLUMN subscription.anchor_index IS 'the period before the one that began at the anchor';
COMMENT ON COLUMN subscription.activated IS 'it was active once, which is told once';
COMMENT ON COLUMN subscription.noticed IS 'the notice before the end of this period was given';
COMMENT ON COLUMN subscription.cancel_at IS 'when the scheduled cancellation takes effect';
COMMENT ON COLUMN subscription.cancel_early IS
    'it was made to end with its first period: then cancel_at is set when that begins';
COMMENT ON COLUMN subscription.next_kind IS
    'a change that waits: for the end of the period, or (checkout) for next_invoice_id to be paid';
COMMENT ON COLUMN subscription.next_at IS 'when it takes effect, or (checkout) expires';
COMMENT ON COLUMN subscription.checkout_token IS
    'the last part of the address of its checkout page; it begins with the environment';

CREATE UNIQUE INDEX subscription_live ON subscription (environment_id, customer_id)
    WHERE status <> 'canceled';
CREATE UNIQUE INDEX subscription_checkout_token ON subscription
    (environment_id, checkout_token COLLATE "C") WHERE checkout_token IS NOT NULL;
CREATE INDEX subscription_customer ON subscription (environment_id, customer_id, id);
CREATE INDEX subscription_status ON subscription (environment_id, status, id);
-- Of all environments that have no test clock, and of one.
CREATE INDEX subscription_due ON subscription (due_at, id) WHERE due_at IS NOT NULL AND NOT clocked;
CREATE INDEX subscription_due_of ON subscription (environment_id, due_at, id)
    WHERE due_at IS NOT NULL;

CREATE TABLE invoice (
    environment_id  uuid NOT NULL,
    id              uuid NOT NULL,
    customer_id     uuid NOT NULL,
    subscription_id uuid NOT NULL,
    number          bigint NOT NULL CHECK (number > 0),
    status          text COLLATE "C" NOT NULL
                    CHECK (status IN ('draft', 'outstanding', 'paid', 'void', 'uncollectible')),
    invoice_type    text COLLATE "C" NOT NULL CHECK (invoice_type IN ('recurring', 'plan_change')),
    currency        text NOT NULL,
    subtotal        bigint NOT NULL CHECK (subtotal >= 0),
    credit_applied  bigint NOT NULL CHECK (credit_applied BETWEEN 0 AND subtotal),
    total           bigint NOT NULL CHECK (total = subtotal - credit_applied),
    period_index    bigint NOT NULL,
    period_start    timestamptz(3),
    period_end      timestamptz(3),
    issue_date      timestamptz(3) NOT NULL,
    due_date        timestamptz(3) NOT NULL,
    plan_id         uuid NOT NULL,
    plan_name       text NOT NULL,
    token           text COLLATE "C" NOT NULL,
    paid_at         timestamptz(3),
    created_at      timestamptz(3) NOT NULL,
    updated_at      timestamptz(3) NOT NULL,
    PRIMARY KEY (environment_id, id),
    CONSTRAINT invoice_number UNIQUE (environment_id, number),
    CONSTRAINT invoice_token UNIQUE (environment_id, token)
);
COMMENT ON COLUMN invoice.number IS 'without gaps in its environment';
COMMENT ON COLUMN invoice.token IS
    'the last part of the address of its printable page; it begins with the environment';
COMMENT ON COLUMN invoice.period_start IS
    'of a first invoice, and of one for a change: when it was paid, once that is known';

-- No period is billed twice. A void invoice bills nothing.
CREATE UNIQUE INDEX invoice_once ON invoice
    (environment_id, subscription_id, period_index, invoice_type) WHERE status <> 'void';
CREATE INDEX invoice_customer ON invoice (environment_id, customer_id, id);
CREATE INDEX invoice_subscription ON invoice (environment_id, subscription_id, id);
CREATE INDEX invoice_status ON invoice (environment_id, status, id);
CREATE INDEX invoice_outstanding ON invoice (environment_id, subscription_id, due_date)
    WHERE status = 'outstanding';

CREATE TABLE invoice_line (
    environment_id uuid NOT NULL,
    invoice_id     uuid NOT NULL,
    position       bigint NOT NULL,
    description    text NOT NULL,
    quantity       bigint NOT NULL,
    unit_amount    bigint NOT NULL,
    amount         bigint NOT NULL CHECK (amount = quantity * unit_amount),
    PRIMARY KEY (environment_id, invoice_id, position)
);

-- The last number that was given out. Its row is locked until the commit, so there are no gaps.
CREATE TABLE invoice_counter (
    environment_id uuid NOT NULL PRIMARY KEY,
    last           bigint NOT NULL
);

-- What changes of plan left over: it lowers the next invoices.
CREATE TABLE customer_credit (
    environment_id uuid NOT NULL,
    customer_id    uuid NOT NULL,
    balance        bigint NOT NULL CHECK (balance >= 0),
    PRIMARY KEY (environment_id, customer_id)
);

ALTER TABLE event
    ADD COLUMN subscription_id uuid,
    ADD COLUMN invoice_id      uuid,
    ADD COLUMN data            json;
COMMENT ON COLUMN event.data IS
    'what was so at that moment and cannot be read later; ids in it are uuids';

ALTER TABLE billing_setting ENABLE ROW LEVEL SECURITY;
ALTER TABLE billing_setting FORCE ROW LEVEL SECURITY;
ALTER TABLE subscription ENABLE ROW LEVEL SECURITY;
ALTER TABLE subscription FORCE ROW LEVEL SECURITY;
ALTER TABLE invoice ENABLE ROW LEVEL SECURITY;
ALTER TABLE invoice FORCE ROW LEVEL SECURITY;
ALTER TABLE invoice_line ENABLE ROW LEVEL SECURITY;
ALTER TABLE invoice_line FORCE ROW LEVEL SECURITY;
ALTER TABLE invoice_counter ENABLE ROW LEVEL SECURITY;
ALTER TABLE invoice_counter FORCE ROW LEVEL SECURITY;
ALTER TABLE customer_credit ENABLE ROW LEVEL SECURITY;
ALTER TABLE customer_credit FORCE ROW LEVEL SECURITY;

CREATE POLICY environment ON billing_setting USING (environment_id = app_environment());
CREATE POLICY environment ON subscription USING (environment_id = app_environment());
CREATE POLICY environment ON invoice USING (environment_id = app_environment());
CREATE POLICY environment ON invoice_line USING (environment_id = app_environment());
CREATE POLICY environment ON invoice_counter USING (environment_id = app_environment());
CREATE POLICY environment ON customer_credit USING (environment_id = app_environment());
-- Whoever carries out deadlines may find the next one, of any environment, and lock it. It enters
-- that environment before it does anything else (billing_claim). The second policy is what FOR
-- UPDATE needs; its check lets no row be written.
CREATE POLICY clerk_sees ON subscription FOR SELECT
    USING (current_setting('app.clerk', true) = 'on');
CREATE POLICY clerk_locks ON subscription FOR UPDATE
    USING (current_setting('app.clerk', true) = 'on') WITH CHECK (false);

GRANT SELECT, INSERT, UPDATE ON billing_setting TO clientele_serve;
GRANT SELECT, INSERT, UPDATE ON subscription TO clientele_serve;
GRANT SELECT, INSERT, UPDATE (status, paid_at, period_start, period_end,
        updated_at) ON invoice TO clientele_serve;
GRANT SELECT, INSERT ON invoice_line TO clientele_serve;
GRANT SELECT, INSERT, UPDATE (last) ON invoice_counter TO clientele_serve;
GRANT SELECT, INSERT, UPDATE (balance) ON customer_credit TO clientele_serve;
