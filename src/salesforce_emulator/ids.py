"""Salesforce record ids: a 3-character key prefix, 12 characters of base 62, and a 3-character checksum of case."""

from __future__ import annotations

import re
import string
from zlib import crc32

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_DIGITS = {char: value for value, char in enumerate(_BASE62)}
_CHECKSUM = string.ascii_uppercase + "012345"
_POD = "5i0"
"""Where a real id names the instance that made it; ours never varies."""

_SEQUENCE_LENGTH = 9
_SHORT, _LONG = 15, 18
_ID = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")


def checksum(short: str) -> str:
    """Compute the 3 characters that make a case-sensitive 15-character id safe where case is lost."""
    return "".join(
        _CHECKSUM[sum(1 << bit for bit in range(5) if short[start + bit] in string.ascii_uppercase)]
        for start in (0, 5, 10)
    )


def make(prefix: str, number: int) -> str:
    """Build the 18-character id of the `number`-th row under a key prefix; ids sort as their numbers do."""
    digits = []
    while number:
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    short = prefix + _POD + "".join(reversed(digits)).rjust(_SEQUENCE_LENGTH, "0")
    return short + checksum(short)


def from_name(prefix: str, name: str) -> str:
    """Build the id of a row that follows from its name."""
    return make(prefix, crc32(name.encode()))


def normalise(value: str) -> str | None:
    """Return the 18-character form of a 15- or 18-character id, or None where the text is no id at all."""
    if not _ID.fullmatch(value):
        return None
    return value[:_SHORT] + checksum(value[:_SHORT])


def number(value: str) -> int | None:
    """Read back the row number from an id that `make` built; None for an id of any other origin."""
    if len(value) not in {_SHORT, _LONG} or value[3:6] != _POD:
        return None
    result = 0
    for char in value[6:_SHORT]:
        result = result * 62 + _DIGITS[char]
    return result
