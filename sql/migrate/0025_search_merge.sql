-- class: online
-- A write appends what the search index gets to a list in front of the index (GIN's pending list),
-- which is cheap. When the list is full, whoever writes next merges it into the index, and takes a
-- tenth of a second longer. Now the clerk merges it, as the list is mostly long enough for that to
-- be cheap, too: merged 4,000 at a time, an entry costs half of what it does 1,000 at a time. A
-- search reads the list as well as the index, so it finds everything at any moment, and the list
-- has a bound: at 8 MB, which is some 8,000 customers, a search takes about 15 ms longer, and
-- writes merge it themselves as before.

ALTER INDEX customer_search SET (gin_pending_list_limit = 8192);

-- Merges the list. Returns its pages. Only the owner of an index may do this.
CREATE FUNCTION customer_search_merge() RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT gin_clean_pending_list('public.customer_search'::regclass) $$;
REVOKE ALL ON FUNCTION customer_search_merge() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION customer_search_merge() TO clientele_serve;

-- As customer_search() (there is said why it is made so), but only those whose ids are at least low
-- and below high. The rows of that range and those of the words are each found by an index, and
-- only what is in both is read from the table: ten times as fast as looking at each row of the
-- range, where few of these fit. That PostgreSQL does so is the reason for some of what follows. A
-- plan is made for each call, for the table as large as it is: to one that was made for a small
-- table any index looks good that begins with the environment. What is looked for is hidden from
-- it, because its guesses at what is rare are poor; the index is asked for one word, or one value,
-- because it takes more to be very rare; and rows are said to be expensive. With words it leaves
-- metadata to who calls. A value that can be a text or a number is looked for as each, and each
-- gives most rows at most.
CREATE FUNCTION customer_search_between(words text[], keys text[], vals text[], most bigint,
                                        low uuid, high uuid)
    RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off
    SET enable_indexscan = off
    SET random_page_cost = 1000
    SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    env  uuid := public.app_environment();
    here bytea := uuid_send(env);
    w    text[] := ARRAY(SELECT u.w FROM unnest(words) u (w) WHERE u.w ~ '[[:alnum:]]{3}'
                         ORDER BY length(u.w) DESC, u.w LIMIT 3);
    m    jsonb[] := ARRAY(
             SELECT public.customer_terms('{' || to_json(u.k) || ':' || o.v || '}')
               FROM (SELECT * FROM unnest(keys, vals) WITH ORDINALITY p (k, v, n)
                      ORDER BY length(p.v) DESC, p.n LIMIT 1) u,
                    LATERAL (VALUES (to_json(u.v)::text),
                        (CASE WHEN u.v IN ('true', 'false') OR u.v ~
                                   '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?$'
                              THEN u.v ELSE to_json(u.v)::text END)) o (v));
BEGIN
    PERFORM set_config('app.searches', 'on', true);
    IF w[1] IS NOT NULL THEN
        RETURN QUERY SELECT c.id FROM public.customer c
            WHERE uuid_send(c.environment_id) = here
              AND (c.email_key || E'\n' || c.name_key || E'\n'
                   || coalesce(lower(c.external_id COLLATE "default"), '') || E'\n'
                   || coalesce(lower(c.tax_document), '')) COLLATE "C" LIKE (SELECT w[1])
              AND (c.email_key || E'\n' || c.name_key || E'\n'
                   || coalesce(lower(c.external_id COLLATE "default"), '') || E'\n'
                   || coalesce(lower(c.tax_document), '')) COLLATE "C" || '' LIKE ALL (w)
              AND c.environment_id = env AND c.id >= low AND c.id < high
            LIMIT most;
    ELSIF m[1] IS NOT NULL THEN
        FOR i IN 1 .. CASE WHEN m[2] = m[1] THEN 1 ELSE 2 END LOOP
            RETURN QUERY SELECT c.id FROM public.customer c
                WHERE uuid_send(c.environment_id) = here
                  AND public.customer_terms(c.metadata::text) @> (SELECT m[i])
                  AND c.environment_id = env AND c.id >= low AND c.id < high
                LIMIT most;
        END LOOP;
    ELSE
        RETURN QUERY SELECT NULL::uuid FROM generate_series(1, most);
    END IF;
    PERFORM set_config('app.searches', '', true);
END
$$;
REVOKE ALL ON FUNCTION customer_search_between(text[], text[], text[], bigint, uuid, uuid)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION customer_search_between(text[], text[], text[], bigint, uuid, uuid)
    TO clientele_serve;
