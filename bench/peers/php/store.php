<?php
// Customers, keys and idempotency records in PostgreSQL.
declare(strict_types=1);

const COLUMNS = 'c.id, c.external_id, c.email, c.full_name, c.tax_document, c.address, c.timezone, c.metadata, c.created_at, '
    . 'c.updated_at';

const KEY_FIND = <<<'SQL'
SELECT k.environment_id AS environment, k.id, e.livemode,
       k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute' AS due
  FROM api_key k JOIN environment e ON e.id = k.environment_id
 WHERE k.hash = decode(:hash, 'hex') AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
SQL;

const KEY_USED = 'UPDATE api_key SET last_used_at = now() WHERE environment_id = :environment AND id = :id';

const GET = 'SELECT ' . COLUMNS . ' FROM customer c WHERE c.environment_id = :environment AND c.id = :id';

const GET_EXTERNAL = 'SELECT ' . COLUMNS . ' FROM customer c WHERE c.environment_id = :environment AND c.external_id = :external_id';

const LIST_ = 'SELECT ' . COLUMNS . ' FROM customer c WHERE c.environment_id = :environment AND c.id < :before ORDER BY c.id DESC LIMIT :limit';

const CREATE = <<<'SQL'
WITH made AS (
    INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, address, address_id, timezone,
                          metadata, is_active, created_at, updated_at)
    VALUES (:environment::uuid, :id, :external_id, :email, :full_name, :tax_document, :address::json, :address_id,
            :timezone, :metadata::json, true, :at::timestamptz, :at::timestamptz)
    ON CONFLICT (environment_id, external_id) DO NOTHING
    RETURNING id
), reported AS (
    INSERT INTO event (environment_id, type, customer_id) SELECT :environment::uuid, 'customer.created', id FROM made
), kept AS (
    INSERT INTO idempotency_key (environment_id, key, request_hash, maker, version, status, headers, answer, sealed)
    SELECT :environment::uuid, :key::text, decode(:hash, 'hex'), :maker::uuid, '2026-08-27', :status::integer, :headers::text,
           convert_to(:answer, 'UTF8'), false
      FROM made WHERE :key::text IS NOT NULL
)
SELECT id FROM made
SQL;

const CREATE_MANY = <<<'SQL'
WITH made AS (
    INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, address, address_id, timezone,
                          metadata, is_active, created_at, updated_at)
    SELECT :environment::uuid, i.id, i.external_id, i.email, i.full_name, i.tax_document, i.address, i.address_id, i.timezone,
           i.metadata, true, :at::timestamptz, :at::timestamptz
      FROM json_to_recordset(:items::json)
           AS i (id uuid, external_id text, email text, full_name text, tax_document text, address json, address_id uuid,
                 timezone text, metadata json)
     ORDER BY i.external_id COLLATE "C"
    ON CONFLICT (environment_id, external_id) DO NOTHING
    RETURNING id
), reported AS (
    INSERT INTO event (environment_id, type, customer_id) SELECT :environment::uuid, 'customer.created', id FROM made
), kept AS (
    INSERT INTO idempotency_key (environment_id, key, request_hash, maker, version, status, headers, answer, sealed)
    SELECT :environment::uuid, :key::text, decode(:hash, 'hex'), :maker::uuid, '2026-08-27', :status::integer, :headers::text,
           convert_to(:answer, 'UTF8'), false
     WHERE :key::text IS NOT NULL AND (SELECT count(*) FROM made) = :number
)
SELECT id FROM made
SQL;

const EXISTING = 'SELECT ' . COLUMNS . <<<'SQL'

  FROM customer c
 WHERE c.environment_id = :environment
   AND c.external_id = ANY (ARRAY(SELECT json_array_elements_text(:external_ids::json))) AND c.id <> ALL (:ids::uuid[])
SQL;

const UPDATE = <<<'SQL'
WITH changed AS (
    UPDATE customer c
       SET external_id = coalesce(:external_id, c.external_id), email = coalesce(:email, c.email),
           full_name = coalesce(:full_name, c.full_name), tax_document = coalesce(:tax_document, c.tax_document),
           address = coalesce(:address::json, c.address),
           timezone = coalesce(:timezone, c.timezone), metadata = coalesce(:metadata::json, c.metadata),
           updated_at = greatest(:at::timestamptz, c.updated_at)
     WHERE c.environment_id = :environment
       AND c.id = (SELECT coalesce((SELECT p.id FROM customer p WHERE p.environment_id = :environment AND p.id = :id::uuid),
                                   (SELECT p.id FROM customer p WHERE p.environment_id = :environment AND p.external_id = :ref)))
    RETURNING c.*
), reported AS (
    INSERT INTO event (environment_id, type, customer_id) SELECT :environment::uuid, 'customer.updated', id FROM changed
)
SELECT
SQL . ' ' . COLUMNS . ' FROM changed c';

const FIND = 'SELECT ' . COLUMNS . <<<'SQL'

  FROM customer c
 WHERE c.environment_id = :environment
   AND c.id = (SELECT coalesce((SELECT p.id FROM customer p WHERE p.environment_id = :environment AND p.id = :id::uuid),
                               (SELECT p.id FROM customer p WHERE p.environment_id = :environment AND p.external_id = :ref)))
SQL;

// The answer itself, as it was sent.
const KEEP = <<<'SQL'
INSERT INTO idempotency_key (environment_id, key, request_hash, maker, version, status, headers, answer, sealed)
VALUES (:environment, :key, decode(:hash, 'hex'), :maker, '2026-08-27', :status, :headers, convert_to(:answer, 'UTF8'), false)
SQL;

const REPLAY = <<<'SQL'
SELECT encode(request_hash, 'hex') AS hash, status, headers, convert_from(answer, 'UTF8') AS answer
  FROM idempotency_key
 WHERE environment_id = :environment AND key = :key
SQL;

class Mismatch extends Exception
{
}

class Duplicate extends Exception
{
}

function database(): PDO
{
    // Where the database is comes from the PG* variables. A prepared statement of PDO ends with the request, so there is
    // nothing to gain by one: each statement is sent once, with its values beside it.
    static $pdo = null;
    return $pdo ??= new PDO('pgsql:', null, null, [
        PDO::ATTR_PERSISTENT => true,
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
        PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
        PDO::ATTR_EMULATE_PREPARES => false,
        PDO::PGSQL_ATTR_DISABLE_PREPARES => true,
    ]);
}

function run(string $sql, array $values): array
{
    $statement = database()->prepare($sql);
    $statement->execute($values);
    return $statement->fetchAll();
}

// BEGIN and the setting for row-level security are one round trip: constant text with a UUID or hexadecimal digits. What is
// to be done with the rows belongs to the transaction; if it gives null, nothing is done.
function transaction(string $setting, string $value, string $sql, array $values, ?callable $then = null): ?array
{
    $pdo = database();
    $pdo->exec("BEGIN; SET LOCAL app.$setting = '$value'");
    try {
        $rows = run($sql, $values);
        $given = $then ? $then($rows) : $rows;
        $pdo->exec($given === null ? 'ROLLBACK' : 'COMMIT');
        return $given;
    } catch (PDOException $error) {
        $pdo->exec('ROLLBACK');
        throw $error;
    }
}

function in_environment(string $environment, string $sql, array $values, ?callable $then = null): ?array
{
    return transaction('environment', $environment, $sql, ['environment' => $environment] + $values, $then);
}

// A write whose answer depends on what its statement returns: with a key it is kept in the same transaction.
function answered(string $environment, string $sql, array $values, array $idem, callable $render): ?array
{
    return in_environment($environment, $sql, $values, function (array $rows) use ($environment, $idem, $render): ?array {
        $answer = $render($rows);
        if ($answer !== null && $idem['key'] !== null) {
            run(KEEP, ['environment' => $environment, 'maker' => new_id()] + $idem + $answer);
        }
        return $answer;
    });
}

function is_taken(PDOException $error, string $constraint): bool
{
    return $error->getCode() === '23505' && str_contains($error->getMessage(), "\"$constraint\"");
}

function store_holder(string $hash): ?array
{
    [$key] = transaction('key_hash', $hash, KEY_FIND, ['hash' => $hash]) + [null];
    if ($key && $key['due']) {
        in_environment($key['environment'], KEY_USED, ['id' => $key['id']]);
    }
    return $key;
}

function store_find(string $environment, string $ref): ?array
{
    $id = parse_id('cus_', $ref);
    $found = $id === null ? [] : in_environment($environment, GET, ['id' => $id]);
    return $found[0] ?? in_environment($environment, GET_EXTERNAL, ['external_id' => $ref])[0] ?? null;
}

function store_list(string $environment, string $before, int $limit): array
{
    return in_environment($environment, LIST_, ['before' => $before, 'limit' => $limit]);
}

function store_replay(string $environment, array $idem): ?array
{
    $rows = in_environment($environment, REPLAY, ['key' => $idem['key']]);
    if (!$rows) {
        return null;
    }
    if (!hash_equals($rows[0]['hash'], $idem['hash'])) {
        throw new Mismatch();
    }
    unset($rows[0]['hash']);
    return $rows[0];
}

// One time for all that are made together, which the first id tells.
function time_of(string $id): string
{
    $ms = id_ms($id);
    return gmdate('Y-m-d H:i:s', intdiv($ms, 1000)) . sprintf('.%03d+00', $ms % 1000);
}

// Gives each customer the id that was made for it, or replaces it by the one that existed.
function settle(array &$customers, array $ids, array $kept): void
{
    $existing = array_column($kept, null, 'external_id');
    foreach ($customers as $i => &$c) {
        $found = $c['external_id'] === null ? null : $existing[$c['external_id']] ?? null;
        $at = time_of($ids[0]);
        $c = $found ? $found + ['existing' => true]
            : ['id' => $ids[$i], 'created_at' => $at, 'updated_at' => $at, 'existing' => false] + $c;
    }
}

// The items as one JSON text, in which the texts of address and metadata are values of their own.
function recordset(array $customers, array $ids): string
{
    return json(array_map(fn ($c, $id) => ['id' => $id, 'address' => $c['address'] === null ? null : json_decode($c['address']),
        'metadata' => json_decode($c['metadata'])] + $c, $customers, $ids));
}

/** The answer (status, headers as lines, answer), which $render makes of the customers, and whether it is a repeated one. */
function store_create(string $environment, array $customers, array $idem, callable $render): array
{
    $ids = array_map(fn () => new_id(), $customers);
    $at = time_of($ids[0] ?? new_id());
    $settled = $customers;
    settle($settled, $ids, []);
    $answer = $render($settled);
    $record = ['maker' => new_id(), 'at' => $at] + $idem + $answer;
    $refused = null;
    try {
        $made = count($customers) === 1
            ? in_environment($environment, CREATE, ['id' => $ids[0]] + $customers[0] + $record)
            : in_environment($environment, CREATE_MANY, ['items' => recordset($customers, $ids), 'number' => count($ids)] + $record);
        if (count($made) === count($ids)) {
            return [$answer, false];
        }
    } catch (PDOException $error) {
        if (!is_taken($error, 'idempotency_key_pkey')) {
            throw $error;
        }
        $refused = $error;
    }
    $stored = $idem['key'] === null ? null : store_replay($environment, $idem);
    if ($stored) {
        return [$stored, true];
    }
    if ($refused) {
        throw $refused;
    }
    $externals = array_values(array_filter(array_column($customers, 'external_id'), fn ($id) => $id !== null));
    $wanted = ['external_ids' => json($externals), 'ids' => '{' . implode(',', $ids) . '}'];
    try {
        return [answered($environment, EXISTING, $wanted, $idem, function (array $kept) use ($customers, $ids, $render): array {
            settle($customers, $ids, $kept);
            return $render($customers);
        }), false];
    } catch (PDOException $error) {
        if (is_taken($error, 'idempotency_key_pkey')) {
            return [store_replay($environment, $idem), true]; // its twin has just ended
        }
        throw $error;
    }
}

/** The answer, null if there is no such customer, and whether it is a repeated one. */
function store_update(string $environment, string $ref, array $change, array $idem, callable $render): array
{
    unset($change['address_id']);
    $where = ['id' => parse_id('cus_', $ref), 'ref' => $ref];
    $nothing = array_filter($change, fn ($value) => $value !== null) === [];
    $values = $nothing ? $where : $where + $change + ['at' => (new DateTimeImmutable())->format('Y-m-d H:i:s.vP')];
    try {
        return [answered($environment, $nothing ? FIND : UPDATE, $values, $idem,
            fn (array $rows) => $rows ? $render($rows[0]) : null), false];
    } catch (PDOException $error) {
        if (is_taken($error, 'customer_external_id')) {
            throw new Duplicate();
        }
        if (is_taken($error, 'idempotency_key_pkey')) {
            return [store_replay($environment, $idem), true];
        }
        throw $error;
    }
}
