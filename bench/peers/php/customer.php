<?php
// The fields of a customer: what comes in and what goes out.
declare(strict_types=1);

const COUNTRIES = ' AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ '
    . 'CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB '
    . 'GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH '
    . 'KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX '
    . 'MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE '
    . 'SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC '
    . 'VE VG VI VN VU WF WS YE YT ZA ZM ZW ';
const TIMEZONES = [
    'UTC', 'America/New_York', 'America/Chicago', 'America/Denver', 'America/Los_Angeles', 'America/Sao_Paulo',
    'America/Mexico_City', 'America/Buenos_Aires', 'America/Santiago', 'America/Bogota', 'America/Lima', 'America/Asuncion',
    'Europe/London', 'Europe/Paris', 'Europe/Berlin', 'Europe/Madrid', 'Asia/Tokyo', 'Asia/Shanghai', 'Asia/Singapore',
    'Asia/Dubai', 'Australia/Sydney',
];
const DOCUMENTS = ['AR' => 'CUIT', 'BR' => 'CNPJ', 'CL' => 'RUT', 'CO' => 'NIT', 'MX' => 'RFC', 'PE' => 'RUC', 'US' => 'EIN'];
const EU = ' AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK ';
const ADDRESS = ['line1' => true, 'line2' => false, 'city' => true, 'state' => false, 'postalCode' => true, 'country' => true,
    'region' => false];
const ATOM = '[^\x00-\x20\x7f"(),:;<>@\[\\\\\].]+';
const LABEL = '[A-Za-z0-9\x{80}-\x{10ffff}](?:[-A-Za-z0-9\x{80}-\x{10ffff}]*[A-Za-z0-9\x{80}-\x{10ffff}])?';
const EMAIL = '/^' . ATOM . '(?:\.' . ATOM . ')*@' . LABEL . '(?:\.' . LABEL . ')+$/Du';
const UUID_FORM = '/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/Di';

// ---- what goes out

function json(mixed $value): string
{
    return json_encode($value, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_PRESERVE_ZERO_FRACTION);
}

function document_type(array $c): ?string
{
    if ($c['tax_document'] === null) {
        return null;
    }
    $country = $c['address'] === null ? '' : json_decode($c['address'])->country ?? '';
    if ($country === 'BR' && strlen(preg_replace('/[^0-9]/', '', $c['tax_document'])) === 11) {
        return 'CPF';
    }
    return DOCUMENTS[$country] ?? ($country !== '' && str_contains(EU, " $country ") ? 'VAT' : 'TAX_ID');
}

// PostgreSQL's "2026-01-01 00:00:00.12+00" as ISO 8601 with three digits.
function iso(string $time): string
{
    return substr($time, 0, 10) . 'T' . substr($time, 11, 8) . '.' . str_pad(substr($time, 20, -3), 3, '0') . 'Z';
}

function shown(array $c, bool $livemode): array
{
    return [
        'id' => id_text('cus_', $c['id']),
        'object' => 'customer',
        'livemode' => $livemode,
        'externalId' => $c['external_id'],
        'fullName' => $c['full_name'],
        'email' => $c['email'],
        'taxDocument' => $c['tax_document'],
        'documentType' => document_type($c),
        'timezone' => $c['timezone'],
        'metadata' => json_decode($c['metadata']),
        'createdAt' => iso($c['created_at']),
        'updatedAt' => iso($c['updated_at']),
    ];
}

function detailed(array $c, bool $livemode): array
{
    return shown($c, $livemode) + ['address' => $c['address'] === null ? null : json_decode($c['address']), 'subscription' => null];
}

function batched(array $c, int $index, bool $existing): array
{
    return ['id' => id_text('cus_', $c['id']), 'externalId' => $c['external_id'], 'email' => $c['email'], 'index' => $index,
        'status' => $existing ? 'existing' : 'created'];
}

// ---- what comes in

function longer_than(string $s, int $max): bool
{
    return strlen($s) > $max && iconv_strlen($s, 'UTF-8') > $max;
}

// What is wrong with a text; null when nothing is.
function check(string $member, string $s): ?string
{
    $max = ['external_id' => 100, 'email' => 200, 'full_name' => 200, 'tax_document' => 100][$member] ?? null;
    return match (true) {
        $member === 'external_id' && $s === '' => 'must not be empty',
        $max !== null && longer_than($s, $max) => "must have at most $max characters",
        $member === 'email' && !preg_match(EMAIL, $s) => 'must be an e-mail address',
        $member === 'address_id' && !preg_match(UUID_FORM, $s) => 'must be a UUID',
        $member === 'timezone' && !in_array($s, TIMEZONES, true) => 'must be one of the supported time zones',
        default => null,
    };
}

function read_text(stdClass $object, string $name, string $member, array &$out, array &$faults): void
{
    $value = $object->$name ?? null;
    if ($value === null) {
        return;
    }
    if (!is_string($value)) {
        $faults[] = ['field' => $name, 'message' => $member === 'address_id' ? 'must be a UUID' : 'must be a string'];
    } elseif ($out[$member] !== null && $out[$member] !== $value) {
        $faults[] = ['field' => $name, 'message' => 'is given twice with different values'];
    } else {
        $out[$member] = $value;
        if ($message = check($member, $value)) {
            $faults[] = ['field' => $name, 'message' => $message];
        }
    }
}

// An empty array counts as an empty object.
function as_object(mixed $value): mixed
{
    return $value === [] ? new stdClass() : $value;
}

function read_address(mixed $value, array &$faults): ?string
{
    if (!$value instanceof stdClass) {
        $faults[] = ['field' => 'address', 'message' => 'must be an object'];
        return null;
    }
    $out = [];
    foreach (ADDRESS as $name => $required) {
        $part = $value->$name ?? null;
        $message = match (true) {
            $part === null => $required ? 'is required' : null,
            !is_string($part) => 'must be a string',
            $name === 'country' && (strlen($part) !== 2 || !str_contains(COUNTRIES, " $part ")) =>
                'must be a country code of ISO 3166-1 alpha-2',
            longer_than($part, 200) => 'must have at most 200 characters',
            default => null,
        };
        if ($message) {
            $faults[] = ['field' => "address.$name", 'message' => $message];
        } elseif ($part !== null) {
            $out[$name] = $part;
        }
    }
    return json((object) $out);
}

// The depth of a value, and how many values are in it.
function measure(mixed $value): array
{
    if (!is_array($value) && !is_object($value)) {
        return [0, 1];
    }
    $depth = 0;
    $values = 1;
    foreach ($value as $part) {
        [$d, $n] = measure($part);
        $depth = max($depth, $d);
        $values += $n;
    }
    return [$depth + 1, $values];
}

function read_metadata(mixed $value, array &$faults): ?string
{
    if (!$value instanceof stdClass) {
        $faults[] = ['field' => 'metadata', 'message' => 'must be an object'];
        return null;
    }
    $text = json($value);
    [$depth, $values] = measure($value);
    if (strlen($text) > 16384) {
        $faults[] = ['field' => 'metadata', 'message' => 'must have at most 16384 bytes'];
    }
    if ($depth > 8) {
        $faults[] = ['field' => 'metadata', 'message' => 'must be at most 8 levels deep'];
    }
    if ($values > 1001) {
        $faults[] = ['field' => 'metadata', 'message' => 'must hold at most 1000 values'];
    }
    return $text;
}

/** The fields of a create, a batch item or an update, and what is wrong with them. */
function read_customer(stdClass $object, bool $create): array
{
    $faults = [];
    $out = ['external_id' => null, 'email' => null, 'full_name' => null, 'tax_document' => null, 'address' => null,
        'address_id' => null, 'timezone' => null, 'metadata' => null];
    read_text($object, 'id', 'external_id', $out, $faults);
    read_text($object, 'externalId', 'external_id', $out, $faults);
    read_text($object, 'billingEmail', 'email', $out, $faults);
    read_text($object, 'email', 'email', $out, $faults);
    read_text($object, 'fullName', 'full_name', $out, $faults);
    read_text($object, 'taxDocument', 'tax_document', $out, $faults);
    if (isset($object->address)) {
        $out['address'] = read_address(as_object($object->address), $faults);
    }
    if ($create) {
        read_text($object, 'addressId', 'address_id', $out, $faults);
    }
    read_text($object, 'timezone', 'timezone', $out, $faults);
    if (isset($object->metadata)) {
        $out['metadata'] = read_metadata(as_object($object->metadata), $faults);
    }
    if ($create) {
        if (!isset($object->email) && !isset($object->billingEmail)) {
            $faults[] = ['field' => 'email', 'message' => 'is required'];
        }
        $out['timezone'] ??= 'UTC';
        $out['metadata'] ??= '{}';
    }
    return [$out, $faults];
}
