"""Yes and no: check boxes as text (R14-R17), and whether mail is delivered (R6-R8).

A check box takes exactly six spellings, which are not trimmed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from leadsync.core.values.column import NONE, among, codes, trim

if TYPE_CHECKING:
    from leadsync.core.access import ActiveField


CHECKBOX = ("true", "True", "TRUE", "false", "False", "FALSE")
_STOPPED, _DELIVERING = ("stopped", "停止中"), ("delivering", "配信中")
DELIVERY = (*_DELIVERING, *_STOPPED)


def check_checkbox(column: pa.Array, _field: ActiveField) -> pa.Array:
    """Check the six spellings of R16."""
    return codes(pc.invert(among(column, CHECKBOX)), "checkbox_literal")


def lower(column: pa.Array, _field: ActiveField) -> pa.Array:
    """Return `true` or `false` for any of the six."""
    return pc.ascii_lower(trim(column))


def check_delivery(column: pa.Array, _field: ActiveField) -> pa.Array:
    """Check a delivery status."""
    return codes(pc.invert(among(trim(column), DELIVERY)), "delivery_status_value")


def delivery_to_wire(column: pa.Array, _field: ActiveField) -> pa.Array:
    """Return `true` (opted out) where delivery is stopped."""
    return pc.if_else(among(trim(column), _STOPPED), "true", "false").cast(NONE.type)


def delivery_from_wire(column: pa.Array, field: ActiveField) -> pa.Array:
    """Return `stopped` for an opt-out, else `delivering`."""
    return pc.if_else(pc.equal(lower(column, field), "true"), _STOPPED[0], _DELIVERING[0]).cast(NONE.type)
