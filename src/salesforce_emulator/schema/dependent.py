"""Dependent picklists: which values go with which of the controlling field, as the bitmaps of a describe."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from salesforce_emulator.schema.model import FieldSchema

CONTROLLING_TYPES = frozenset({"picklist", "boolean"})
_STEP = 3
"""Bitmaps are whole groups of base64: recorded ones for a few values have three bytes."""


def controlling_values(field: FieldSchema) -> list[str]:
    """Return a controlling field's values in the order of the bits; of a check box false, then true (documented)."""
    return ["false", "true"] if field.type == "boolean" else [each.value for each in field.picklist]


def encode(valid: Sequence[str], controlling: FieldSchema) -> str:
    """Return the bitmap of the controlling values that a value goes with; raises ValueError for one that is none."""
    known = controlling_values(controlling)
    if unknown := [each for each in valid if each not in known]:
        raise ValueError(f"not values of {controlling.name}: {', '.join(map(str, unknown))}")
    size = max(-(-len(known) // 8), 1)
    bits = bytearray(-(-size // _STEP) * _STEP)
    for each in valid:
        position = known.index(each)
        bits[position // 8] |= 0x80 >> position % 8
    return b64encode(bits).decode()


def decode(bitmap: str, controlling: FieldSchema) -> list[str]:
    """Return the controlling values that a bitmap names."""
    bits = b64decode(bitmap)
    known = controlling_values(controlling)
    return [each for at, each in enumerate(known) if at // 8 < len(bits) and bits[at // 8] & 0x80 >> at % 8]


def with_bitmaps(values: Any, controlling: FieldSchema | None) -> Any:
    """Replace each `validFor` list of controlling values by its bitmap; what is none stays. Raises ValueError."""
    if not isinstance(values, list):
        return values
    made = []
    for each in values:
        valid = each.get("validFor") if isinstance(each, dict) else None
        if isinstance(valid, list):
            if controlling is None:
                raise ValueError("validFor needs a controllerName")
            made.append({**each, "validFor": encode(valid, controlling)})
        else:
            made.append(each)
    return made
