-- class: offline
-- For finding customers: by e-mail address in upper or lower case, by time, by name, by any part of
-- a text, by metadata. The table is written anew, and its indexes are made: about a minute for a
-- million customers on two cores, and nobody can read or write them meanwhile.
--
-- Row-level security keeps what is not leakproof from being an index condition, and lower() is not.
-- So what is compared stands in columns of its own, whose comparisons are leakproof.

ALTER TABLE customer
    ADD COLUMN email_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (lower(email)) STORED,
    ADD COLUMN name_key  text COLLATE "C" NOT NULL
                         GENERATED ALWAYS AS (coalesce(lower(full_name), U&'\+10FFFF')) STORED;
COMMENT ON COLUMN customer.email_key IS 'email as it is compared';
COMMENT ON COLUMN customer.name_key IS
    'full_name as it is sorted; who has no name comes last, behind any other character';

-- The conditions of these indexes always hold. They keep them from all statements but those that
-- repeat the condition: while a table is small, any index that begins with the environment looks as
-- good to PostgreSQL as the right one, and such a plan is kept.
DROP INDEX customer_email;
CREATE INDEX customer_email_key ON customer (environment_id, email_key, id)
    WHERE email_key >= '';
CREATE INDEX customer_name_key ON customer (environment_id, name_key, id)
    WHERE name_key >= '';
CREATE INDEX customer_created ON customer (environment_id, created_at, id)
    WHERE created_at >= '-infinity';
CREATE INDEX customer_updated ON customer (environment_id, updated_at, id)
    WHERE updated_at >= '-infinity';

-- Customers by the state or the plan of a subscription, in the order of their list.
CREATE INDEX subscription_status_customer ON subscription (environment_id, status, customer_id)
    WHERE status >= '';
CREATE INDEX subscription_plan_customer ON subscription (environment_id, plan_id, customer_id)
    WHERE plan_id >= '00000000-0000-0000-0000-000000000000';

-- Metadata as the index has them. Numbers have 64 characters at most, of which PostgreSQL cannot
-- hold those with four digits of exponent outside of json: they lose it. Texts stay, whatever is in
-- them. What the index finds is looked at again. In PL/pgSQL, because an SQL function is planned
-- anew for each statement; and the first expression, which costs a fortieth of the second, is
-- enough for nearly all.
CREATE FUNCTION customer_terms(metadata text) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    IF metadata !~ '[eE][-+]?[0-9]{4}' THEN
        RETURN metadata::jsonb;
    END IF;
    RETURN regexp_replace(metadata,
        '("(?:[^"\\]|\\.)*")|([0-9])[eE][-+]?[0-9]{4,}', '\1\2', 'g')::jsonb;
END
$$;

-- The index for parts of a text and for metadata. Its first part is the environment, in a spelling
-- that no other index has, so that there is no other way to read by these conditions. It is one
-- index and not two, because each costs a create more.
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gin WITH SCHEMA public;
CREATE INDEX customer_search ON customer USING gin (
    uuid_send(environment_id),
    ((email_key || E'\n' || name_key || E'\n' || coalesce(lower(external_id COLLATE "default"), '')
      || E'\n' || coalesce(lower(tax_document), '')) COLLATE "C") gin_trgm_ops,
    customer_terms(metadata::text) jsonb_path_ops);

-- No operator of such an index is leakproof, so the serving role cannot use it under its policy.
-- customer_search() can: it runs as the owner, and this policy shows the owner all rows while it
-- does. It is declared immutable, which it is not, so that it is decided when a statement is
-- planned and not for each row: a plan of the function's is made and used within it alone, where
-- the setting is on. The function gives ids of the environment that the transaction has entered,
-- and what is read by them is subject to the policies as ever.
CREATE FUNCTION app_searches() RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL RESTRICTED
    RETURN coalesce(current_setting('app.searches', true), '') = 'on';
CREATE POLICY search ON customer FOR SELECT TO CURRENT_USER USING (app_searches());

-- Customers of the environment with all words, each a LIKE pattern in lower case, in their texts,
-- and with all values of metadata. Either may be NULL or empty, and is no condition then. It gives
-- most rows at most, in no order, and as many NULLs when the index cannot tell, because no word
-- has three letters or digits in a row.
CREATE FUNCTION customer_search(words text[], keys text[], vals text[], most bigint)
    RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off
    SET enable_indexscan = off
    SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    here bytea := uuid_send(public.app_environment());
    -- The longest are the rarest. The index is asked for three words and two values at most; who
    -- calls looks at all of them.
    w    text[] := ARRAY(SELECT u.w FROM unnest(words) u (w) WHERE u.w ~ '[[:alnum:]]{3}'
                         ORDER BY length(u.w) DESC, u.w LIMIT 3);
    -- For each value two objects: it can be a text, or a number or boolean that is written so.
    m    jsonb[] := ARRAY(
             SELECT public.customer_terms('{' || to_json(u.k) || ':' || o.v || '}')
               FROM (SELECT * FROM unnest(keys, vals) WITH ORDINALITY p (k, v, n)
                      ORDER BY length(p.v) DESC, p.n LIMIT 2) u,
                    LATERAL (VALUES (to_json(u.v)::text),
                        (CASE WHEN u.v IN ('true', 'false') OR u.v ~
                                   '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?$'
                              THEN u.v ELSE to_json(u.v)::text END)) o (v));
BEGIN
    PERFORM set_config('app.searches', 'on', true);
    IF w[1] IS NOT NULL AND m[1] IS NOT NULL THEN
        RETURN QUERY SELECT c.id FROM public.customer c
            WHERE uuid_send(c.environment_id) = here
              AND (c.email_key || E'\n' || c.name_key || E'\n'
                   || coalesce(lower(c.external_id COLLATE "default"), '') || E'\n'
                   || coalesce(lower(c.tax_document), '')) COLLATE "C" LIKE w[1]
              AND (public.customer_terms(c.metadata::text)
                   @> m[1]
                   OR public.customer_terms(c.metadata::text)
                   @> m[2])
            LIMIT most;
    ELSIF w[1] IS NOT NULL THEN
        RETURN QUERY SELECT c.id FROM public.customer c
            WHERE uuid_send(c.environment_id) = here
              AND (c.email_key || E'\n' || c.name_key || E'\n'
                   || coalesce(lower(c.external_id COLLATE "default"), '') || E'\n'
                   || coalesce(lower(c.tax_document), '')) COLLATE "C" LIKE w[1]
              AND (c.email_key || E'\n' || c.name_key || E'\n'
                   || coalesce(lower(c.external_id COLLATE "default"), '') || E'\n'
                   || coalesce(lower(c.tax_document), '')) COLLATE "C" LIKE coalesce(w[2], w[1])
              AND (c.email_key || E'\n' || c.name_key || E'\n'
                   || coalesce(lower(c.external_id COLLATE "default"), '') || E'\n'
                   || coalesce(lower(c.tax_document), '')) COLLATE "C" LIKE coalesce(w[3], w[1])
            LIMIT most;
    ELSIF m[1] IS NOT NULL THEN
        RETURN QUERY SELECT c.id FROM public.customer c
            WHERE uuid_send(c.environment_id) = here
              AND (public.customer_terms(c.metadata::text)
                   @> m[1]
                   OR public.customer_terms(c.metadata::text)
                   @> m[2])
              AND (public.customer_terms(c.metadata::text)
                   @> coalesce(m[3], m[1])
                   OR public.customer_terms(c.metadata::text)
                   @> coalesce(m[4], m[2]))
            LIMIT most;
    ELSE
        RETURN QUERY SELECT NULL::uuid FROM generate_series(1, most);
    END IF;
    PERFORM set_config('app.searches', '', true);
END
$$;
REVOKE ALL ON FUNCTION customer_search(text[], text[], text[], bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION customer_search(text[], text[], text[], bigint) TO clientele_serve;
