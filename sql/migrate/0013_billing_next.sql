-- class: online
-- What a subscription shows of a change that waits: the name of the plan, and the interval of the
-- price. Functions, because a statement opens all tables that it joins, and hardly any subscription
-- has such a change. Their bodies are texts: so PostgreSQL lets a later migration change the types
-- of the columns.
CREATE FUNCTION billing_plan_name(environment uuid, plan uuid) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
        SELECT p.name FROM plan p WHERE p.environment_id = $1 AND p.id = $2
    $$;
CREATE FUNCTION billing_price_step(environment uuid, price uuid) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
        SELECT r.billing_interval FROM plan_price r WHERE r.environment_id = $1 AND r.id = $2
    $$;
