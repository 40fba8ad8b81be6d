"""Plain text: Salesforce trims what it stores, and line ends differ with whoever typed them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from leadsync.core.values.column import NONE, codes, longer, trim

if TYPE_CHECKING:
    from leadsync.core.access import ActiveField


def trimmed(column: pa.Array, _field: ActiveField) -> pa.Array:
    """Return texts without white space at their ends."""
    return trim(column)


def same(column: pa.Array, _field: ActiveField) -> pa.Array:
    """Return texts as they are."""
    return column


def nothing(column: pa.Array, _field: ActiveField) -> pa.Array:
    """Return null for every text."""
    return pa.nulls(len(column), NONE.type)


def too_long(wire: pa.Array, field: ActiveField) -> pa.Array:
    """Give the code of texts that are longer than the field, as Salesforce counts (R18)."""
    if not field.length:
        return nothing(wire, field)
    return codes(longer(wire, field.length), "too_long")


def check(column: pa.Array, field: ActiveField) -> pa.Array:
    """Check the length of texts."""
    return too_long(trim(column), field)


def normal(column: pa.Array, _field: ActiveField) -> pa.Array:
    """Return texts trimmed, with one kind of line end."""
    return trim(pc.replace_substring(pc.replace_substring(column, "\r\n", "\n"), "\r", "\n"))
