"""Dates: real calendar days of exactly ten ASCII characters (R9-R11); no time zone is ever applied.

Salesforce takes the years 1700 to 4000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadsync.core.values.column import NONE, codes, matches, per_distinct

if TYPE_CHECKING:
    from leadsync.core.access import ActiveField


_DATE_FORM = r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}/[0-9]{2}/[0-9]{2}"
_FIRST_YEAR, _LAST_YEAR = 1700, 4000
_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


@per_distinct
def check(column: pa.Array, _field: ActiveField) -> pa.Array:
    """Check dates: spelled `yyyy-mm-dd` or `yyyy/mm/dd`, and in the calendar."""
    formed = matches(column, _DATE_FORM)
    parts = pc.if_else(pc.fill_null(formed, fill_value=False), column, pa.scalar("2000-01-01", NONE.type))
    year, month, day = (_digits(parts, start, stop) for start, stop in ((0, 4), (5, 7), (8, 10)))
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    days = _DAYS[np.where(month <= 12, month, 0)] + ((month == 2) & leap)  # noqa: PLR2004
    real = (year >= _FIRST_YEAR) & (year <= _LAST_YEAR) & (day >= 1) & (day <= days)
    return pc.coalesce(codes(pc.invert(formed), "date_format"), codes(pa.array(~real), "date_invalid"))


def _digits(parts: pa.Array, start: int, stop: int) -> np.ndarray:
    numbers: np.ndarray = pc.utf8_slice_codeunits(parts, start, stop).cast(pa.int32()).to_numpy()
    return numbers


def to_wire(column: pa.Array, _field: ActiveField) -> pa.Array:
    """Spell dates with hyphens (R11)."""
    return pc.replace_substring(column, "/", "-")
