"""Numbers: ASCII digits without separators (R18).

Salesforce rounds surplus decimals in silence; a number that would not come back as it was is not sent.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from leadsync.core.values.column import NONE, codes, matches, only_where, per_distinct, trim

if TYPE_CHECKING:
    from leadsync.core.access import ActiveField


_NUMBER_FORM = r"-?[0-9]+(?:\.[0-9]+)?"
_EXPONENT_FORM = rf"{_NUMBER_FORM}[eE][+-]?[0-9]{{1,3}}"
_LARGEST = {"int": 2**31 - 1, "long": 10**18 - 1}


_NORMAL_FORM = r"0|-?[1-9][0-9]*|-?(?:0|[1-9][0-9]*)\.[0-9]*[1-9]"


@per_distinct
def normal(column: pa.Array, _field: ActiveField) -> pa.Array:
    """Return numbers in one spelling: no exponent, no idle zeros, no `-0`."""
    column = trim(column)
    return only_where(pc.invert(matches(column, _NORMAL_FORM)), column, _normalise)


def _normalise(column: pa.Array) -> pa.Array:
    column = only_where(matches(column, _EXPONENT_FORM), column, _without_exponent)
    column = pc.replace_substring_regex(column, r"\A(-?)0+([0-9])", r"\1\2")
    column = pc.replace_substring_regex(column, r"\A(-?[0-9]+)(?:\.0*|(\.[0-9]*[1-9])0*)\z", r"\1\2")
    return pc.if_else(pc.equal(column, "-0"), pa.scalar("0", NONE.type), column)


def _without_exponent(column: pa.Array) -> pa.Array:
    """Spell out `1.5E9`, as JSON may give a large double."""
    return pa.array([f"{Decimal(text):f}" for text in column.to_pylist()], type=NONE.type)


@per_distinct
def check(column: pa.Array, field: ActiveField) -> pa.Array:
    """Check numbers against the field's type, precision and scale."""
    formed = matches(trim(column), _NUMBER_FORM)
    number = normal(pc.if_else(formed, column, pa.scalar("0", NONE.type)), field)
    whole, fraction = digits(field)
    fits = matches(number, rf"-?[0-9]{{1,{whole}}}" + (rf"(?:\.[0-9]{{1,{fraction}}})?" if fraction else ""))
    if largest := _LARGEST.get(field.sf_type):
        size = pc.abs(pc.cast(pc.if_else(fits, number, pa.scalar("0", NONE.type)), pa.int64()))
        fits = pc.and_(fits, pc.less_equal(size, largest))
    return pc.coalesce(
        codes(pc.invert(formed), "number_format"),
        codes(pc.invert(fits), "number_range"),
    )


def digits(field: ActiveField) -> tuple[int, int]:
    """Return how many digits a number field takes before and after the decimal point."""
    if field.sf_type in _LARGEST:
        most = len(str(_LARGEST[field.sf_type]))
        return min(field.digits or most, most), 0
    return max(field.precision - field.scale, 1), field.scale


def largest(field: ActiveField) -> str:
    """Return the largest number that a field takes, with as many decimals: `999.99`."""
    whole, fraction = digits(field)
    most = _LARGEST.get(field.sf_type, 10**whole)
    return str(min(most, 10**whole - 1)) + ("." + "9" * fraction if fraction else "")
