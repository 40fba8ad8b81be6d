"""The values of a field, whole columns at a time: checked, converted, compared (R3, R9-R18).

Columns are pandas `str` Series (NA: no value); results carry the index they came with. What is blank, empty or white
space only, is no value: always fine, null on the wire, NA when compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd
import pyarrow.compute as pc

from leadsync.core.mapping import EMAIL, FieldType
from leadsync.core.pairs import SHOWN_ONLY, accepts
from leadsync.core.problems import Problem, problem
from leadsync.core.values import date, form, literal, number, picklist, text
from leadsync.core.values.column import NONE, arrow, filled, series, trim

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from leadsync.core.access import ActiveField, EffectiveMapping

    Function = Callable[[pa.Array, ActiveField], pa.Array]

__all__ = [
    "accepts",
    "blank_to_na",
    "canonical",
    "check",
    "check_defaults",
    "codes",
    "details",
    "email_key",
    "email_well_formed",
    "from_wire",
    "to_wire",
]


@dataclass(frozen=True)
class _Kind:
    """How values of one kind are checked, converted and compared."""

    codes: tuple[str, ...] = ("too_long",)
    """The codes that `check` can give."""
    check: Function = text.check
    """Lead text to the code of what is wrong with it, null where nothing is."""
    to_wire: Function = text.trimmed
    """Valid lead text to Salesforce text."""
    from_wire: Function = text.same
    """Salesforce text to lead text."""
    normal: Function = text.normal
    """Salesforce text to the form in which equal meaning is equal text."""


_TEXT = _Kind()
_SHOWN = _Kind((), text.nothing)
_EMAIL = _Kind(("email_format", "too_long"), form.check_email, form.address, text.same, form.address_key)
_KEY = _Kind(("email_malformed", "too_long"), form.check_email, form.address, text.same, form.address_key)
_URL = _Kind(("url_format", "too_long"), form.check_url)
_PHONE = _Kind(("phone_format", "too_long"), form.check_phone)
_DATE = _Kind(("date_format", "date_invalid"), date.check, date.to_wire, text.same, text.trimmed)
_NUMBER = _Kind(("number_format", "number_range"), number.check, number.normal, number.normal, number.normal)
_SELECT = _Kind(("picklist_value", "too_long"), picklist.check, picklist.to_wire, text.same, text.trimmed)
_MULTI = _Kind(
    ("multipicklist_value", "too_long"),
    picklist.check_multi,
    picklist.multi_to_wire,
    text.same,
    picklist.normal_multi,
)
_CHECKBOX = _Kind(("checkbox_literal",), literal.check_checkbox, literal.lower, literal.lower, literal.lower)
_DELIVERY = _Kind(
    ("delivery_status_value",),
    literal.check_delivery,
    literal.delivery_to_wire,
    literal.delivery_from_wire,
    literal.lower,
)
_BY_LEAD_TYPE = {
    FieldType.NUMBER: _NUMBER,
    FieldType.DATE: _DATE,
    FieldType.SELECT: _SELECT,
    FieldType.RADIO: _SELECT,
    FieldType.CHECKBOX: _MULTI,
    FieldType.EMAIL: _EMAIL,
    FieldType.PHONE: _PHONE,
    FieldType.URL: _URL,
    FieldType.DELIVERY_STATUS: _DELIVERY,
}
_BY_SALESFORCE_TYPE = {"boolean": _CHECKBOX, "email": _EMAIL, "phone": _PHONE, "url": _URL}


def _kind(field: ActiveField) -> _Kind:
    if field.is_lookup or field.sf_type in SHOWN_ONLY:
        return _SHOWN
    if field.field == EMAIL:
        return _KEY
    return _BY_LEAD_TYPE.get(field.type) or _BY_SALESFORCE_TYPE.get(field.sf_type, _TEXT)


def codes(field: ActiveField) -> tuple[str, ...]:
    """Return the codes that `check` can give for a field (`core.codes`), in the order in which it looks for them."""
    return _kind(field).codes


def details(field: ActiveField) -> dict[str, str]:
    """Return by code what a message needs beside the value: the limit, or the allowed values (R50)."""
    values = "; ".join(picklist.allowed(field))
    return {
        "too_long": f"max {field.length}",
        "number_range": f"max ±{number.largest(field)}",
        "picklist_value": values,
        "multipicklist_value": values,
        "checkbox_literal": "; ".join(literal.CHECKBOX),
        "delivery_status_value": "; ".join(literal.DELIVERY),
    }


def check(values: pd.Series, field: ActiveField) -> pd.Series:
    """Check a column of lead text.

    Returns:
        The code of what is wrong with each value (`core.codes`), NA where nothing is.
    """
    return series(_kind(field).check(filled(arrow(values)), field), values)


def to_wire(values: pd.Series, field: ActiveField) -> pd.Series:
    """Convert lead text to what Salesforce is sent; NA (a null there) for blanks.

    Only values that pass `check` have a meaning here: `2026/05/01` becomes `2026-05-01` (R11), `TRUE` `true` (R16), a
    picklist label its API value (R12), a stopped delivery `true` (R8), an address NFKC and trimmed (R3).
    """
    return series(_kind(field).to_wire(filled(arrow(values)), field), values)


def from_wire(values: pd.Series, field: ActiveField) -> pd.Series:
    """Convert what Salesforce gave to lead text; a picklist's value stays its API value, which `check` takes first."""
    return series(_kind(field).from_wire(filled(arrow(values)), field), values)


def canonical(values: pd.Series, field: ActiveField, side: Literal["lead", "record"]) -> pd.Series:
    """Return texts that are equal where values mean the same, on whichever side they stand (R11, R13, R16).

    A lead value that does not pass `check` stays as it is, trimmed, and so differs from every valid one it was before.
    """
    kind, column = _kind(field), filled(arrow(values))
    if side == "record":
        return series(kind.normal(column, field), values)
    valid = pc.is_null(kind.check(column, field))
    wire = kind.to_wire(pc.if_else(valid, column, NONE), field)
    normal = wire if kind.normal is kind.to_wire else kind.normal(wire, field)
    return series(pc.if_else(valid, normal, trim(column)), values)


def blank_to_na(values: pd.Series) -> pd.Series:
    """Return the texts as they stand, NA where there is nothing or only white space."""
    return series(filled(arrow(values)), values)


def email_key(values: pd.Series) -> pd.Series:
    """Return the key form of addresses: NFKC, trimmed, case-folded; NA for blanks (R3)."""
    return series(filled(form.address_key(arrow(values))), values)


def email_well_formed(values: pd.Series) -> pd.Series:
    """Say which addresses Salesforce would take as such (bool; False for blanks)."""
    well_formed = pc.fill_null(form.well_formed(form.address(arrow(values))), fill_value=False)
    return pd.Series(well_formed.to_numpy(zero_copy_only=False), index=values.index, name=values.name)


def check_defaults(mapping: EffectiveMapping) -> list[Problem]:
    """Return a problem for each `default` that would itself be held (R19)."""
    problems = []
    for field in mapping.fields:
        code = check(pd.Series([field.default], dtype="str"), field).iloc[0] if field.pushed and field.default else None
        if isinstance(code, str):
            facts = {"value": field.default or "", "sobject": field.sobject, "other": field.api_name, "type": code}
            problems.append(problem("mapping_default", file=field.file, line=field.line, column="default", **facts))
    return problems
