//! The statements. Every one is prepared once a connection.

macro_rules! columns {
    () => {
        "c.id, c.external_id, c.email, c.full_name, c.tax_document, c.address, c.timezone, c.metadata, c.created_at, c.updated_at"
    };
}

// A record of an idempotency key: the answer itself, as it was sent. $n: key, hash, mark of the request, status, headers, answer.
macro_rules! kept {
    () => {
        "INSERT INTO idempotency_key (environment_id, key, request_hash, maker, version, status, headers, answer, sealed)"
    };
}

pub const KEY_FIND: &str = r"
SELECT k.environment_id AS environment, k.id, e.livemode,
       k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute' AS due
  FROM api_key k JOIN environment e ON e.id = k.environment_id
 WHERE k.hash = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())";
pub const KEY_USED: &str = r"UPDATE api_key SET last_used_at = now() WHERE environment_id = $1 AND id = $2";
pub const GET: &str = concat!(r"SELECT ", columns!(), r" FROM customer c WHERE c.environment_id = $1 AND c.id = $2");
pub const GET_EXTERNAL: &str = concat!(r"SELECT ", columns!(), r" FROM customer c WHERE c.environment_id = $1 AND c.external_id = $2");
pub const LIST: &str = concat!(r"
SELECT ", columns!(), r" FROM customer c WHERE c.environment_id = $1 AND c.id < $2 ORDER BY c.id DESC LIMIT $3");
pub const CREATE: &str = concat!(r"
WITH made AS (
    INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, address, address_id, timezone,
                          metadata, is_active, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7::json, $8, $9, $10::json, true, $11, $11)
    ON CONFLICT (environment_id, external_id) DO NOTHING
    RETURNING id
), reported AS (
    INSERT INTO event (environment_id, type, customer_id) SELECT $1, 'customer.created', id FROM made
), kept AS (
    ", kept!(), r"
    SELECT $1, $12::text, $13::bytea, $14::uuid, '2026-08-27', $15::integer, $16::text, $17::bytea, false
      FROM made WHERE $12 IS NOT NULL
)
SELECT id FROM made");
pub const CREATE_MANY: &str = concat!(r#"
WITH made AS (
    INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, address, address_id, timezone,
                          metadata, is_active, created_at, updated_at)
    SELECT $1, i.id, i.external_id, i.email, i.full_name, i.tax_document, i.address, i.address_id, i.timezone,
           i.metadata, true, $11, $11
      FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::json[], $8::uuid[], $9::text[], $10::json[])
           AS i (id, external_id, email, full_name, tax_document, address, address_id, timezone, metadata)
     ORDER BY i.external_id COLLATE "C"
    ON CONFLICT (environment_id, external_id) DO NOTHING
    RETURNING id
), reported AS (
    INSERT INTO event (environment_id, type, customer_id) SELECT $1, 'customer.created', id FROM made
), kept AS (
    "#, kept!(), r#"
    SELECT $1, $12::text, $13::bytea, $14::uuid, '2026-08-27', $15::integer, $16::text, $17::bytea, false
     WHERE $12 IS NOT NULL AND (SELECT count(*) FROM made) = cardinality($2)
)
SELECT id FROM made"#);
pub const EXISTING: &str = concat!(r"
SELECT ", columns!(), r" FROM customer c
 WHERE c.environment_id = $1 AND c.external_id = ANY ($2::text[]) AND c.id <> ALL ($3::uuid[])");
pub const UPDATE: &str = concat!(r"
WITH changed AS (
    UPDATE customer c
       SET external_id = coalesce($4, c.external_id), email = coalesce($5, c.email), full_name = coalesce($6, c.full_name),
           tax_document = coalesce($7, c.tax_document), address = coalesce($8::json, c.address),
           timezone = coalesce($9, c.timezone), metadata = coalesce($10::json, c.metadata),
           updated_at = greatest($11, c.updated_at)
     WHERE c.environment_id = $1
       AND c.id = (SELECT coalesce((SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.id = $2),
                                   (SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.external_id = $3)))
    RETURNING c.*
), reported AS (
    INSERT INTO event (environment_id, type, customer_id) SELECT $1, 'customer.updated', id FROM changed
)
SELECT ", columns!(), r" FROM changed c");
pub const FIND: &str = concat!(r"
SELECT ", columns!(), r" FROM customer c
 WHERE c.environment_id = $1
   AND c.id = (SELECT coalesce((SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.id = $2),
                               (SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.external_id = $3)))");
pub const KEEP: &str = concat!(kept!(), r" VALUES ($1, $2, $3, $4, '2026-08-27', $5, $6, $7, false)");
pub const REPLAY: &str = r"
SELECT request_hash, status, headers, answer FROM idempotency_key WHERE environment_id = $1 AND key = $2";
