"""What load.sql makes: who owns which customer, ids and keys."""

import hashlib

FIRST_EXTERNAL_ID = 1000000000
# An id in hexadecimal: 2025-01-01 in milliseconds, version and variant, then fifteen decimal digits.
ID_HEAD, ID_FIRST = "01941f297c0070008", 100000000000000
DEEP_ROWS = 9999 * 25  # before page 10,000
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def key(kind, number):
    def md5(text):
        return hashlib.md5(text.encode()).hexdigest()
    return "ck_live_" + (md5(f"{kind}{number}") + md5(f"{number}{kind}"))[:40]


def id_text(prefix, number):
    """The public id of a customer, or a cursor behind it."""
    n, digits = int(ID_HEAD + str(ID_FIRST + number), 16), ""
    for _ in range(22):
        n, digit = divmod(n, 62)
        digits = DIGITS[digit] + digits
    return prefix + digits


class Dataset:
    def __init__(self, customers, organizations):
        self.customers, self.organizations = customers, organizations
        self.shared = customers // 4 * 3  # numbers below belong to all organizations in turn, the others to the large one
        self.each = self.shared // organizations

    def number(self, organization, nth):
        return organization + self.organizations * nth

    def first(self):
        """The id behind which the first page begins of those that were loaded: later ones lie together, and cost less."""
        return self.customers

    def deep(self):
        """The customer of organization 0 behind which its page 10,000 begins (or its last page, when it has fewer)."""
        return self.customers - min(DEEP_ROWS, self.customers // 4 - 25)
