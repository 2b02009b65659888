-- class: offline
-- What is held of one customer, in one answer. While the index is made, nothing can be written.

CREATE INDEX IF NOT EXISTS event_customer ON event (environment_id, customer_id, id);
GRANT SELECT (environment_id, id, type, customer_id, created_at, subscription_id, invoice_id, data)
    ON event TO clientele_serve;

-- An id and a time as the API shows them, for JSON that a statement makes.
CREATE FUNCTION app_ref(prefix text, id uuid) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
        WITH RECURSIVE hex AS (SELECT replace($2::text, '-', '') AS digits)
        , word AS (
            SELECT i, ('x' || substr(digits, 8 * i + 1, 8))::bit(32)::bigint::numeric AS value
              FROM hex, generate_series(0, 3) i
        ), number AS (
            SELECT sum(value * CASE i WHEN 0 THEN 79228162514264337593543950336
                                      WHEN 1 THEN 18446744073709551616
                                      WHEN 2 THEN 4294967296 ELSE 1 END) AS value
              FROM word
        ), base62 (rest, digits, places) AS (
            SELECT value, '', 0 FROM number
             UNION ALL
            SELECT div(rest, 62),
                   substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
                          (rest % 62)::integer + 1, 1) || digits,
                   places + 1
              FROM base62
             WHERE places < 22
        )
        SELECT $1 || digits FROM base62 WHERE places = 22
    $$;
CREATE FUNCTION app_iso(at timestamptz) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
