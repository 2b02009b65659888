"""UUIDv7 ids, whose order is the order of creation, and their text in base 62."""

import os
import time
from uuid import UUID

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_DIGITS = 22
PAIRS = [a + b for a in DIGITS for b in DIGITS]
VALUES = {digit: value for value, digit in enumerate(DIGITS)}

_last_ms = 0
_count = 0


def new_id():
    global _last_ms, _count
    random = int.from_bytes(os.urandom(10), "big")
    ms = time.time_ns() // 1_000_000
    if ms > _last_ms:
        _last_ms = ms
        _count = random >> 64 & 0x7FF
    else:
        _count += 1
        if _count > 0xFFF:
            _last_ms += 1
            _count = 0
    return UUID(int=_last_ms << 80 | (0x7000 | _count) << 64 | 0b10 << 62 | random & (1 << 62) - 1)


def id_ms(uuid):
    return uuid.int >> 80


def id_text(prefix, uuid):
    n = uuid.int
    parts = []
    for _ in range(ID_DIGITS // 2):
        n, pair = divmod(n, 3844)
        parts.append(PAIRS[pair])
    return prefix + "".join(reversed(parts))


def parse_id(prefix, text):
    if len(text) != len(prefix) + ID_DIGITS or not text.startswith(prefix):
        return None
    n = 0
    for digit in text[len(prefix):]:
        value = VALUES.get(digit)
        if value is None:
            return None
        n = n * 62 + value
    return UUID(int=n) if n < 1 << 128 else None
