<?php
// UUIDv7 ids, whose order is the order of creation, and their text in base 62.
declare(strict_types=1);

const ID_DIGITS = 22;

function new_id(): string
{
    static $last = 0, $count = 0;
    $ms = (int) (microtime(true) * 1000);
    $random = random_bytes(10);
    if ($ms > $last) {
        $last = $ms;
        $count = (ord($random[0]) << 8 | ord($random[1])) & 0x7FF;
    } elseif (++$count > 0xFFF) {
        $last++;
        $count = 0;
    }
    $random[2] = chr(ord($random[2]) & 0x3F | 0x80);
    $hex = sprintf('%012x7%03x', $last, $count) . bin2hex(substr($random, 2));
    return id_of_hex($hex);
}

function id_of_hex(string $hex): string
{
    return vsprintf('%s%s-%s-%s-%s-%s%s%s', str_split($hex, 4));
}

function id_ms(string $id): int
{
    return hexdec(substr($id, 0, 8) . substr($id, 9, 4));
}

// GMP's digits of base 62 are those of the API.
function id_text(string $prefix, string $id): string
{
    return $prefix . str_pad(gmp_strval(gmp_init(str_replace('-', '', $id), 16), 62), ID_DIGITS, '0', STR_PAD_LEFT);
}

function parse_id(string $prefix, string $text): ?string
{
    $digits = substr($text, strlen($prefix));
    if (!str_starts_with($text, $prefix) || strlen($digits) !== ID_DIGITS || !ctype_alnum($digits)) {
        return null;
    }
    $hex = gmp_strval(gmp_init($digits, 62), 16);
    return strlen($hex) > 32 ? null : id_of_hex(str_pad($hex, 32, '0', STR_PAD_LEFT));
}
