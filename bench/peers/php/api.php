<?php
// Routes, keys, errors and answers.
declare(strict_types=1);

const KEY_FORM = '/^ck_(live|sandbox)_[0-9A-Za-z]{40}$/D';
const KEY_LIFE_S = 1;
const BEFORE_ALL = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

// ---- errors

class Problem extends Exception
{
    public function __construct(
        public int $status,
        public string $type,
        public string $name,
        public ?string $param,
        string $message,
        public ?array $details = null,
    ) {
        parent::__construct($message);
    }

    public function send(): void
    {
        $message = $this->getMessage();
        $error = ['type' => $this->type, 'code' => $this->name, 'message' => $message, 'param' => $this->param,
            'details' => $this->details, 'doc_url' => "/api-reference/2026-08-27/errors/$this->name.md"];
        answer($this->status, ['success' => false, 'code' => $this->name, 'message' => $message, 'details' => $this->details,
            'error' => $error]);
    }
}

function invalid(array $faults, ?string $message = null): Problem
{
    $field = $faults[0]['field'];
    return new Problem(400, 'validation_error', 'validation_error', $field, $message ?? "$field: {$faults[0]['message']}", $faults);
}

function invalid_one(string $field, string $message): Problem
{
    return invalid([['field' => $field, 'message' => $message]]);
}

function invalid_key(string $message): Problem
{
    return invalid([['field' => 'Idempotency-Key', 'message' => $message]], $message);
}

function no_customer(): Problem
{
    return new Problem(404, 'not_found_error', 'customer_not_found', 'id', 'There is no customer with this id.');
}

function problem_of(Throwable $error): Problem
{
    if ($error instanceof Problem) {
        return $error;
    }
    if ($error instanceof Duplicate) {
        return new Problem(409, 'conflict_error', 'duplicate', 'externalId', 'Another customer has this external id.');
    }
    if ($error instanceof Mismatch) {
        return new Problem(409, 'conflict_error', 'idempotency_key_mismatch', 'Idempotency-Key',
            'This idempotency key was used for a different request.');
    }
    error_log((string) $error);
    return new Problem(500, 'internal_error', 'internal_error', null, 'Something went wrong on our side. Nothing was done.');
}

// ---- requests and answers

function answer(int $status, mixed $value): void
{
    respond(kept($status, '', $value));
}

// An answer as it is kept for a key: headers are lines.
function kept(int $status, string $headers, mixed $value): array
{
    return ['status' => $status, 'headers' => $headers, 'answer' => json($value)];
}

function respond(array $kept, bool $replayed = false): void
{
    http_response_code($kept['status']);
    foreach (array_filter(explode("\n", $kept['headers'])) as $line) {
        header($line);
    }
    if ($replayed) {
        header('Idempotent-Replayed: true');
    }
    header('Content-Type: application/json');
    header('Cache-Control: no-store');
    header('X-Request-Id: ' . id_text('req_', new_id()));
    echo $kept['answer'];
}

function tenant(): array
{
    $key = $_SERVER['HTTP_X_API_KEY'] ?? '';
    if (preg_match(KEY_FORM, $key)) {
        $hash = hash('sha256', $key);
        $tenant = apcu_fetch($hash);
        if ($tenant) {
            return $tenant;
        }
        $tenant = store_holder($hash);
        if ($tenant) {
            apcu_store($hash, $tenant, KEY_LIFE_S);
            return $tenant;
        }
    }
    throw new Problem(401, 'authentication_error', 'unauthorized', 'x-api-key', 'Invalid API key.');
}

function idempotency(string $body): array
{
    $key = $_SERVER['HTTP_IDEMPOTENCY_KEY'] ?? null;
    if ($key === null) {
        return ['key' => null, 'hash' => null];
    }
    if (strlen($key) >= 2 && $key[0] === '"' && str_ends_with($key, '"')) {
        $key = substr($key, 1, -1);
    }
    if ($key === '' || strlen($key) > 255) {
        throw invalid_key('Idempotency-Key must have 1 to 255 characters.');
    }
    if (!preg_match('/^[\x20-\x7e]*$/D', $key)) {
        throw invalid_key('Idempotency-Key must be printable ASCII.');
    }
    return ['key' => $key, 'hash' => hash('sha256', "{$_SERVER['REQUEST_METHOD']}\n{$_SERVER['REQUEST_URI']}\n$body")];
}

function body_object(string $body, bool $may_be_empty = false): stdClass
{
    if ($may_be_empty && $body === '') {
        return new stdClass();
    }
    try {
        $value = json_decode($body, false, 33, JSON_THROW_ON_ERROR);
    } catch (JsonException $error) {
        throw new Problem(400, 'validation_error', 'invalid_json', null, "The body is not valid JSON: {$error->getMessage()}.");
    }
    if ($may_be_empty && $value === []) {
        return new stdClass();
    }
    return $value instanceof stdClass ? $value : throw invalid_one('body', 'must be a JSON object');
}

// ---- the calls

function create(array $tenant, string $body): void
{
    $idem = idempotency($body);
    [$wanted, $faults] = read_customer(body_object($body), true);
    if ($faults) {
        throw invalid($faults);
    }
    respond(...store_create($tenant['environment'], [$wanted], $idem, function (array $made) use ($tenant): array {
        [$status, $result] = $made[0]['existing'] ? [200, 'existing'] : [201, 'created'];
        return kept($status, "Clientele-Result: $result\n", shown($made[0], $tenant['livemode']));
    }));
}

function get(array $tenant, string $ref): void
{
    $found = store_find($tenant['environment'], $ref) ?? throw no_customer();
    answer(200, detailed($found, $tenant['livemode']));
}

function update(array $tenant, string $ref, string $body): void
{
    $idem = idempotency($body);
    [$change, $faults] = read_customer(body_object($body, may_be_empty: true), false);
    if ($faults) {
        throw invalid($faults);
    }
    [$answer, $replayed] = store_update($tenant['environment'], $ref, $change, $idem,
        fn (array $stored) => kept(200, '', shown($stored, $tenant['livemode'])));
    respond($answer ?? throw no_customer(), $replayed);
}

function list_customers(array $tenant): void
{
    $faults = [];
    $limit = filter_var($_GET['limit'] ?? 25, FILTER_VALIDATE_INT, ['options' => ['min_range' => 1, 'max_range' => 100]]);
    if ($limit === false) {
        $faults[] = ['field' => 'limit', 'message' => 'must be a number from 1 to 100'];
    }
    $before = isset($_GET['cursor']) ? parse_id('cur_', $_GET['cursor']) : BEFORE_ALL;
    if ($before === null) {
        $faults[] = ['field' => 'cursor', 'message' => 'must be the nextCursor of a previous page'];
    }
    if ($faults) {
        throw invalid($faults);
    }
    $rows = store_list($tenant['environment'], $before, $limit + 1);
    $more = count($rows) > $limit;
    $rows = array_slice($rows, 0, $limit);
    answer(200, [
        'object' => 'list',
        'data' => array_map(fn ($row) => shown($row, $tenant['livemode']), $rows),
        'hasMore' => $more,
    ] + ($more ? ['nextCursor' => id_text('cur_', end($rows)['id'])] : []));
}

// Of each item: what was sent, the customer, what is wrong with it.
function read_items(mixed $items): array
{
    if ($items === null) {
        throw invalid_one('customers', 'is required');
    }
    if (!is_array($items)) {
        throw invalid_one('customers', 'must be an array');
    }
    if (!$items || count($items) > 100) {
        throw invalid_one('customers', 'must have 1 to 100 items');
    }
    $whole = true; // every broken item can be told of in "failed"
    $read = [];
    foreach ($items as $item) {
        if (!$item instanceof stdClass) {
            $read[] = [$item, null, [['field' => '', 'message' => 'must be an object']]];
            $whole = false;
            continue;
        }
        [$customer, $faults] = read_customer($item, true);
        if ($faults && !is_string($item->email ?? null) && !is_string($item->billingEmail ?? null)) {
            $whole = false;
        }
        $read[] = [$item, $customer, $faults];
    }
    if (!$whole) {
        $all = [];
        foreach ($read as $i => [, , $faults]) {
            foreach ($faults as ['field' => $field, 'message' => $message]) {
                $all[] = ['field' => rtrim("customers.$i.$field", '.'), 'message' => $message];
            }
        }
        throw invalid($all);
    }
    return $read;
}

function batch(array $tenant, string $body): void
{
    $idem = idempotency($body);
    $items = read_items(body_object($body)->customers ?? null);
    $customers = $place = $first = $repeated = [];
    foreach ($items as $i => [, $customer, $faults]) {
        if ($faults) {
            continue;
        }
        $external = $customer['external_id'];
        if ($external !== null && isset($first["=$external"])) {
            $place[$i] = $first["=$external"];
            $repeated[$i] = true;
            continue;
        }
        $place[$i] = count($customers);
        if ($external !== null) {
            $first["=$external"] = $place[$i];
        }
        $customers[] = $customer;
    }
    $render = function (array $made) use ($items, $place, $repeated, $tenant): array {
        $successful = $failed = [];
        foreach ($items as $i => [$sent, , $faults]) {
            if ($faults) {
                ['field' => $field, 'message' => $message] = $faults[0];
                $failed[] = ['index' => $i, 'error' => "$field: $message", 'code' => 'validation_error', 'param' => $field, 'data' => $sent];
            } else {
                $one = $made[$place[$i]];
                $successful[] = batched($one, $i, $one['existing'] || isset($repeated[$i]));
            }
        }
        return kept(200, '', ['successful' => $successful, 'failed' => $failed, 'object' => 'customer_batch',
            'livemode' => $tenant['livemode']]);
    };
    if (!$customers && $idem['key'] === null) {
        respond($render([]));
        return;
    }
    respond(...store_create($tenant['environment'], $customers, $idem, $render));
}

function serve(): void
{
    try {
        $path = explode('?', $_SERVER['REQUEST_URI'], 2)[0];
        [$base, $id] = [substr($path, 0, 17), substr($path, 18)];
        if ($base !== '/api/v1/customers' || ($path !== $base && ($path[17] !== '/' || $id === '' || str_contains($id, '/')))) {
            throw new Problem(404, 'not_found_error', 'not_found', null, 'There is nothing at this path.');
        }
        $tenant = tenant();
        $body = fn () => file_get_contents('php://input');
        match (true) {
            $_SERVER['REQUEST_METHOD'] === 'GET' && $id === '' => list_customers($tenant),
            $_SERVER['REQUEST_METHOD'] === 'GET' => get($tenant, rawurldecode($id)),
            $_SERVER['REQUEST_METHOD'] === 'POST' && $id === '' => create($tenant, $body()),
            $_SERVER['REQUEST_METHOD'] === 'POST' && $id === 'batch' => batch($tenant, $body()),
            $_SERVER['REQUEST_METHOD'] === 'PATCH' && $id !== '' => update($tenant, rawurldecode($id), $body()),
            default => throw new Problem(404, 'not_found_error', 'not_found', null, 'There is nothing at this path.'),
        };
    } catch (Throwable $error) {
        problem_of($error)->send();
    }
}
